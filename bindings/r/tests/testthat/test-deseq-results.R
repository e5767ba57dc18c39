# Tables, shrinkage, transformations, and objects that are copied, cut and saved.

dds <- deseq_fit()

test_that("a saved, copied or cut object gives the same table", {
  res <- results(dds, contrast = c("condition", "C", "B"))
  file <- tempfile()
  saveRDS(dds, file)
  expect_identical(as.data.frame(results(readRDS(file), contrast = c("condition", "C", "B"))), as.data.frame(res))
  half <- results(dds[1:150, ], contrast = c("condition", "C", "B"), independentFiltering = FALSE)
  whole <- results(dds, contrast = c("condition", "C", "B"), independentFiltering = FALSE)
  expect_identical(as.data.frame(half)[, 1:5], as.data.frame(whole)[1:150, 1:5])
  other <- nbinomLRT(dds, reduced = ~ batch, quiet = TRUE)
  expect_identical(as.data.frame(results(dds, contrast = c("condition", "C", "B"))), as.data.frame(res))
  expect_match(S4Vectors::mcols(results(other))$description[4], "~ batch \\+ condition' vs '~ batch'")
})

test_that("objects restored from their columns shrink and transform to the same bits", {
  file <- tempfile()
  saveRDS(dds, file)
  again <- readRDS(file)
  for (type in c("apeglm", "ashr", "normal"))
    expect_identical(as.data.frame(lfcShrink(again, coef = 4, type = type, quiet = TRUE)),
                     as.data.frame(lfcShrink(dds, coef = 4, type = type, quiet = TRUE)))
  vsd <- varianceStabilizingTransformation(dds, blind = FALSE)
  expect_identical(SummarizedExperiment::assay(varianceStabilizingTransformation(readRDS(file), blind = FALSE)),
                   SummarizedExperiment::assay(vsd))
  local <- estimateDispersions(dds, fitType = "local", quiet = TRUE)
  saveRDS(local, file)
  expect_identical(dispersionFunction(readRDS(file))(c(3, 30)), dispersionFunction(local)(c(3, 30)))
  expect_equal(dispersionFunction(local)(S4Vectors::mcols(local)$baseMean[1:5]), S4Vectors::mcols(local)$dispFit[1:5])
})

test_that("threads do not change a bit", {
  one <- DESeq(deseq_data(), quiet = TRUE)
  old <- options(cytosol.threads = 3L)
  on.exit(options(old))
  many <- DESeq(deseq_data(), quiet = TRUE)
  expect_identical(S4Vectors::mcols(many), S4Vectors::mcols(one))
  expect_identical(lfcShrink(many, coef = 3, quiet = TRUE)$log2FoldChange, lfcShrink(one, coef = 3, quiet = TRUE)$log2FoldChange)
  skip_if_not_installed("BiocParallel")
  worker <- DESeq(deseq_data(), quiet = TRUE, parallel = TRUE, BPPARAM = BiocParallel::SerialParam())
  expect_identical(S4Vectors::mcols(worker), S4Vectors::mcols(one))
})

test_that("tables have their forms", {
  res <- results(dds)
  expect_s4_class(res, "DESeqResults")
  expect_identical(colnames(res), c("baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj"))
  expect_output(show(res), "condition C vs A")
  expect_output(summary(res), "out of 299 with nonzero total read count")
  expect_output(summary(res, alpha = 0.01), "adjusted p-value < 0.01")
  tidy <- results(dds, tidy = TRUE)
  expect_identical(tidy$row, rownames(dds))
  expect_identical(class(tidy), "data.frame")
  saved <- results(dds, saveCols = "dispGeneEst")
  expect_identical(saved$dispGeneEst, S4Vectors::mcols(dds)$dispGeneEst)
  example <- DESeq(makeExampleDESeqDataSet(n = 100, m = 6), quiet = TRUE)
  expect_s4_class(results(example, format = "GRanges"), "GRanges")
  own <- results(dds, filterFun = function(res, filter, alpha, pAdjustMethod) {
    res$padj <- p.adjust(res$pvalue, pAdjustMethod)
    res
  })
  expect_equal(own$padj, results(dds, independentFiltering = FALSE)$padj)
})

test_that("what does not fit is refused by name", {
  argument <- function(expr) cyto_error(expr)$argument
  expect_identical(argument(results(dds, contrast = c("condition", "B"))), "contrast")
  expect_identical(argument(results(dds, contrast = c("nothing", "B", "A"))), "contrast")
  expect_s3_class(cyto_error(results(dds, contrast = c("condition", "B", "B"))), "cyto_invalid_argument")
  expect_s3_class(cyto_error(results(dds, contrast = c(0, 0, 0, 0))), "cyto_invalid_argument")
  expect_s3_class(cyto_error(results(dds, name = "condition_B_vs_Z")), "cyto_invalid_argument")
  expect_identical(argument(results(dds, name = "a", contrast = c(0, 0, 0, 1))), "name")
  expect_identical(argument(results(dds, altHypothesis = "up")), "altHypothesis")
  expect_identical(argument(results(dds, pAdjustMethod = "mine")), "pAdjustMethod")
  expect_identical(argument(results(dds, format = "GRanges", tidy = TRUE)), "format")
  expect_s3_class(cyto_error(results(deseq_data())), "cyto_state")
  expect_s3_class(cyto_error(nbinomWaldTest(deseq_data())), "cyto_state")
  expect_identical(argument(DESeq(dds, test = "LRT")), "reduced")
  expect_identical(argument(DESeq(dds, reduced = ~1)), "reduced")
  expect_identical(argument(DESeq(dds, test = "LRT", reduced = ~ other)), "reduced")
  expect_identical(argument(DESeq(dds, full = ~ condition)), "full")
  expect_identical(argument(DESeq(dds, modelMatrixType = "expanded")), "modelMatrixType")
  expect_identical(argument(nbinomWaldTest(dds, useQR = NA)), "useQR")
  expect_s3_class(cyto_error(lfcShrink(dds, coef = 4, apeMethod = "general")), "cyto_unsupported")
  expect_s3_class(cyto_error(lfcShrink(dds, coef = 4, optmethod = "em")), "cyto_unsupported")
  expect_identical(argument(lfcShrink(dds)), "coef")
  expect_identical(argument(lfcShrink(dds, coef = 9)), "coef")
  expect_s3_class(cyto_error(vst(dds, nsub = 5000)), "cyto_invalid_argument")
  expect_s3_class(cyto_error(results(as.data.frame(1))), "cyto_invalid_argument")
})

test_that("effects are shrunken towards 0, and tables of one's own are taken", {
  res <- results(dds, name = "condition_C_vs_A")
  for (type in c("apeglm", "ashr", "normal")) {
    made <- lfcShrink(dds, coef = "condition_C_vs_A", res = res, type = type, quiet = TRUE)
    weak <- which(res$pvalue > 0.3)
    expect_lt(mean(abs(made$log2FoldChange[weak])), 0.9 * mean(abs(res$log2FoldChange[weak])))
    expect_identical(made$padj, res$padj)
    expect_identical(priorInfo(made)$type, type)
    expect_true(c(apeglm = "prior.control", ashr = "fitted_g", normal = "betaPriorVar")[[type]] %in% names(priorInfo(made)))
    expect_message(lfcShrink(dds, coef = 4, type = type), type)
  }
  by_s <- lfcShrink(dds, coef = 4, svalue = TRUE, quiet = TRUE)
  expect_identical(colnames(by_s), c("baseMean", "log2FoldChange", "lfcSE", "svalue"))
  expect_output(summary(by_s), "s-value < 0.005")
  expect_message(lfcShrink(dds, coef = 4, lfcThreshold = 1), ".")
  expect_named(lfcShrink(dds, coef = 4, returnList = TRUE, quiet = TRUE), c("res", "fit"))
  expect_identical(cyto_error(lfcShrink(dds, coef = "condition_B_vs_A", res = res, quiet = TRUE))$argument, "res")
  contrast <- lfcShrink(dds, contrast = c("condition", "C", "B"), type = "ashr", quiet = TRUE)
  expect_match(S4Vectors::mcols(contrast)$description[2], "condition C vs B")
  # A threshold: s-values beside the tests of the plain table; genes without counts have the prior.
  beyond <- lfcShrink(dds, coef = 4, res = res, type = "ashr", lfcThreshold = 1, quiet = TRUE)
  expect_identical(colnames(beyond), c("baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj", "svalue"))
  expect_identical(beyond$pvalue, res$pvalue)
  expect_identical(lfcShrink(dds, coef = 4, type = "ashr", lfcThreshold = 1, quiet = TRUE)$pvalue, res$pvalue)
  prior <- priorInfo(beyond)$fitted_g
  expect_equal(beyond$log2FoldChange[7], 0)
  expect_equal(beyond$lfcSE[7], sqrt(sum(prior$pi * prior$sd^2)))
})

test_that("apeglm with a prior of fixed scale shrinks all coefficients but the first", {
  # The objective of one gene, minimised by hand.
  gene <- 20
  data <- as.data.frame(SummarizedExperiment::colData(dds))
  x <- model.matrix(~ batch + condition, data)
  size <- 1 / dispersions(dds)[gene]
  objective <- function(b) {
    mu <- sizeFactors(dds) * exp(drop(x %*% b))
    -sum(dnbinom(counts(dds)[gene, ], mu = mu, size = size, log = TRUE)) + b[1]^2 / 450 + sum(log1p(b[-1]^2))
  }
  start <- unlist(S4Vectors::mcols(dds)[gene, resultsNames(dds)]) * log(2)
  found <- optim(start, objective, method = "BFGS", control = list(reltol = 1e-14))
  made <- lfcShrink(dds, coef = 4, apeAdapt = FALSE, quiet = TRUE)
  expect_equal(made$log2FoldChange[gene], found$par[[4]] / log(2), tolerance = 1e-4)
  expect_identical(priorInfo(made)$prior.control$prior.scale, 1)
})

test_that("comparisons, likelihood-ratio tests and their outliers follow the design", {
  data <- deseq_data()
  design(data) <- ~ 0 + batch + condition
  without <- DESeq(data, quiet = TRUE)
  made <- results(without, contrast = c("condition", "C", "A"))
  expect_equal(made$log2FoldChange, results(dds, contrast = c("condition", "C", "A"))$log2FoldChange, tolerance = 1e-5)
  expect_equal(results(without, contrast = c("condition", "A", "C"))$stat, -made$stat)
  design(data) <- ~ condition
  lrt <- DESeq(data, test = "LRT", reduced = ~ 1, quiet = TRUE)
  expect_identical(cyto_error(results(lrt, altHypothesis = "less"))$argument, "altHypothesis")
  # Cook's distances of this test are about the means of the gene-wise dispersions, here those of each condition.
  q <- counts(data <- estimateSizeFactors(data, quiet = TRUE), normalized = TRUE)
  x <- model.matrix(~ condition, as.data.frame(SummarizedExperiment::colData(data)))
  mu <- pmax(t(t(q %*% x %*% solve(crossprod(x)) %*% t(x)) * sizeFactors(data)), 0.5)
  gene <- 20
  var <- max(tapply(q[gene, ], data$condition, function(v) {
    centre <- mean(v, trim = 1 / 4)
    1.86 * mean((v - centre)^2, trim = 1 / 4)
  }))
  alpha <- max(0.04, (var - mean(q[gene, ])) / mean(q[gene, ])^2)
  h <- SummarizedExperiment::assay(lrt, "H")[gene, ]
  k <- counts(data)[gene, ]
  by_hand <- (k - mu[gene, ])^2 / (mu[gene, ] + alpha * mu[gene, ]^2) / 3 * h / (1 - h)^2
  expect_equal(SummarizedExperiment::assay(lrt, "cooks")[gene, ], by_hand, tolerance = 1e-8)
  steps <- estimateDispersionsMAP(estimateDispersionsFit(estimateDispersionsGeneEst(data, quiet = TRUE), quiet = TRUE), quiet = TRUE)
  alone <- nbinomLRT(steps, reduced = ~ 1, quiet = TRUE)
  expect_equal(SummarizedExperiment::assay(alone, "cooks")[gene, ], by_hand, tolerance = 1e-8)
  # So they are after all dispersions at once, with the engine that made them and with a new one.
  whole <- estimateDispersions(data, quiet = TRUE)
  engine <- cytosol:::kept_engine(attr(whole, "engine"))$handle
  expect_identical(cytosol:::engine_for(whole, "dispersions", "test"), engine)
  saved <- whole
  attr(saved, "engine") <- NULL
  for (object in list(whole, saved)) {
    tested <- nbinomLRT(object, reduced = ~ 1, quiet = TRUE)
    expect_equal(SummarizedExperiment::assay(tested, "cooks")[gene, ], by_hand, tolerance = 1e-8)
  }
})

test_that("what can be replaced is noted where nothing was, and levels without samples are errors", {
  data <- deseq_data(~ batch, m = 16)
  counts(data)[11, 2] <- counts(data)[11, 3]
  fitted <- DESeq(data, quiet = TRUE)
  replace <- S4Vectors::mcols(fitted)$replace
  expect_true(is.na(replace[7]))
  expect_false(any(replace, na.rm = TRUE))
  expect_false("replaceCounts" %in% SummarizedExperiment::assayNames(fitted))
  expect_true(all(fitted$replaceable))
  less <- data[, data$condition != "B"]
  design(data) <- ~ condition
  less@design <- ~ condition
  expect_identical(cyto_error(DESeq(less))$argument, "design")
})

test_that("a model matrix and designs beyond the engine's formulas work", {
  data <- deseq_data()
  matrix <- model.matrix(~ batch + condition, as.data.frame(SummarizedExperiment::colData(data)))
  by_matrix <- DESeq(data, full = matrix, quiet = TRUE)
  expect_equal(unname(coef(by_matrix)), unname(coef(dds)), tolerance = 1e-10)
  expect_equal(results(by_matrix, contrast = c(0, 0, -1, 1))$stat, results(dds, contrast = c(0, 0, -1, 1))$stat)
  expect_identical(cyto_error(results(by_matrix, contrast = c("condition", "B", "A")))$argument, "contrast")
  lrt <- DESeq(data, test = "LRT", full = matrix, reduced = matrix[, 1:2], quiet = TRUE)
  expect_equal(results(lrt)$pvalue, results(DESeq(data, test = "LRT", reduced = ~ batch, quiet = TRUE))$pvalue)
  data$depth <- seq_len(12) / 4
  design(data) <- ~ I(depth^2) + condition
  curved <- DESeq(data, quiet = TRUE)
  expect_length(resultsNames(curved), 4)
  # The engine's matrices are R's.
  for (formula in c(~ batch * condition, ~ 0 + condition, ~ condition + condition:batch, ~ batch:condition - 1, ~ depth * batch)) {
    design(data) <- formula
    fit <- tryCatch(nbinomWaldTest(estimateDispersions(estimateSizeFactors(data, quiet = TRUE), quiet = TRUE), quiet = TRUE),
                    cyto_error = function(e) e)
    expect_s4_class(fit, "DESeqDataSet")
    ours <- attr(fit, "modelMatrix")
    expect_equal(unname(ours), unname(model.matrix(formula, as.data.frame(SummarizedExperiment::colData(data)))),
                 ignore_attr = TRUE)
  }
})

test_that("outliers are replaced where there are enough samples", {
  set.seed(8)
  many <- makeExampleDESeqDataSet(n = 200, m = 16)
  values <- counts(many)
  values[5, 2] <- 50000L
  many <- quietly(DESeqDataSetFromMatrix(values, SummarizedExperiment::colData(many), ~ condition))
  expect_message(fit <- DESeq(many), "replacing outliers")
  expect_true(S4Vectors::mcols(fit)$replace[5])
  expect_identical(counts(fit), values)
  expect_lt(counts(fit, replaced = TRUE)[5, 2], 5000)
  expect_identical(counts(fit, replaced = TRUE)[-5, ], counts(fit, replaced = TRUE)[-5, ])
  left <- DESeq(many, minReplicatesForReplace = Inf, quiet = TRUE)
  expect_null(S4Vectors::mcols(left)$replace)
  expect_identical(counts(replaceOutliers(left))[5, 2], counts(fit, replaced = TRUE)[5, 2])
})

test_that("transformed counts keep the samples, and a frozen rlog its intercept", {
  vsd <- vst(dds, nsub = 100)
  expect_s4_class(vsd, "DESeqTransform")
  expect_identical(dimnames(vsd), dimnames(dds))
  rld <- rlog(dds, blind = FALSE)
  frozen <- rlog(dds, blind = FALSE, intercept = S4Vectors::mcols(rld)$rlogIntercept, betaPriorVar = attr(rld, "betaPriorVar"))
  expect_lt(max(abs(SummarizedExperiment::assay(frozen) - SummarizedExperiment::assay(rld))), 0.2)
  plain <- vst(counts(dds), nsub = 100)
  expect_equal(plain, SummarizedExperiment::assay(vst(deseq_data(~ 1), nsub = 100)))
  logged <- normTransform(dds)
  expect_equal(SummarizedExperiment::assay(logged)[3, ], log2(counts(dds, normalized = TRUE)[3, ] + 1))
  expect_equal(colSums(fpm(dds, robust = FALSE)), setNames(rep(1e6, 12), colnames(dds)))
  expect_s3_class(cyto_error(fpkm(dds)), "cyto_invalid_argument")
})

test_that("Ctrl-C ends the work", {
  skip_on_os("windows")
  big <- quietly(makeExampleDESeqDataSet(n = 20000, m = 30))
  expect_identical(interrupted_at(NULL, function() DESeq(big, quiet = TRUE)), "interrupted")
  expect_s4_class(DESeq(big[1:100, ], quiet = TRUE), "DESeqDataSet")
})

test_that("DESeq2's objects come and go", {
  skip_without_DESeq2()
  script <- tempfile(fileext = ".R")
  files <- tempfile(c("a", "b"), fileext = ".rds")
  saveRDS(dds, files[1])
  libs <- paste(.libPaths(), collapse = .Platform$path.sep)
  writeLines(sprintf('
    suppressPackageStartupMessages(loadNamespace("DESeq2"))
    dds <- cytosol::as_DESeq2(readRDS("%s"))
    stopifnot(attr(class(dds), "package") == "DESeq2", methods::validObject(dds))
    theirs <- DESeq2::results(dds, contrast = c("condition", "C", "B"))
    set.seed(1)
    made <- DESeq2::DESeq(DESeq2::makeExampleDESeqDataSet(n = 200, m = 6), quiet = TRUE)
    saveRDS(list(theirs = as.data.frame(theirs), made = as.data.frame(DESeq2::results(made)),
                 ours = as.data.frame(cytosol::results(made, compat = "1.38")),
                 back = cytosol::from_DESeq2(made)), "%s")', files[1], files[2]), script)
  said <- system2(file.path(R.home("bin"), "Rscript"), script, env = paste0("R_LIBS=", libs), stdout = TRUE, stderr = TRUE)
  if (!file.exists(files[2])) stop(paste(tail(said, 5), collapse = "\n"))
  out <- readRDS(files[2])
  expect_equal(out$theirs, as.data.frame(results(dds, contrast = c("condition", "C", "B"), compat = "1.38")), tolerance = 1e-6)
  expect_equal(out$ours, out$made, tolerance = 1e-6)
  expect_equal(as.data.frame(results(out$back, compat = "1.38")), out$made, tolerance = 1e-6)
})
