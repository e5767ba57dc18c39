# Constructors, checks, parts of a data set.

input <- deseq_counts()

test_that("every constructor gives the same data set", {
  dense <- quietly(DESeqDataSetFromMatrix(input$counts, input$samples, ~ condition))
  expect_identical(counts(dense), input$counts)
  double <- input$counts + 0
  expect_message(again <- DESeqDataSetFromMatrix(double, input$samples, ~ condition), "integers")
  expect_identical(counts(again), input$counts)
  tidy <- quietly(DESeqDataSetFromMatrix(data.frame(gene = rownames(input$counts), input$counts), input$samples, ~ condition,
                                         tidy = TRUE))
  expect_identical(counts(tidy), input$counts)
  se <- SummarizedExperiment::SummarizedExperiment(list(counts = input$counts), colData = input$samples)
  expect_identical(counts(quietly(DESeqDataSet(se, ~ condition))), input$counts)
  expect_s4_class(dense, "RangedSummarizedExperiment")
  expect_identical(design(dense), ~ condition, ignore_formula_env = TRUE)
})

test_that("sparse counts stay sparse and give the same bits", {
  sparse <- quietly(DESeqDataSetFromMatrix(as(input$counts + 0, "dgCMatrix"), input$samples, ~ condition))
  expect_s4_class(counts(sparse), "dgCMatrix")
  dense <- quietly(DESeqDataSetFromMatrix(input$counts, input$samples, ~ condition))
  expect_identical(as.data.frame(results(DESeq(sparse, quiet = TRUE))), as.data.frame(results(DESeq(dense, quiet = TRUE))))
  expect_s4_class(counts(estimateSizeFactors(sparse), normalized = TRUE), "dgCMatrix")
})

test_that("files of htseq-count are read", {
  folder <- new_folder()
  for (j in 1:4) {
    lines <- c(paste(rownames(input$counts), input$counts[, j], sep = "\t"), "__no_feature\t5", "ambiguous\t3")
    writeLines(lines, file.path(folder, paste0("s", j, ".txt")))
  }
  table <- data.frame(sample = paste0("s", 1:4), file = paste0("s", 1:4, ".txt"), condition = factor(c("A", "A", "B", "B")))
  dds <- quietly(DESeqDataSetFromHTSeqCount(table, folder, ~ condition))
  expect_identical(counts(dds), input$counts[, 1:4])
  expect_identical(colnames(SummarizedExperiment::colData(dds)), "condition")
  writeLines(rev(readLines(file.path(folder, "s2.txt"))), file.path(folder, "s2.txt"))
  expect_match(conditionMessage(cyto_error(DESeqDataSetFromHTSeqCount(table, folder, ~ condition))), "s2.txt")
  table$file[3] <- "none.txt"
  expect_s3_class(cyto_error(DESeqDataSetFromHTSeqCount(table, folder, ~ condition)), "cyto_not_found")
})


test_that("tximport's lengths become normalization factors", {
  lengths <- matrix(runif(length(input$counts), 500, 2000), nrow(input$counts))
  txi <- list(counts = input$counts + 0.3, length = lengths, abundance = input$counts, countsFromAbundance = "no")
  dds <- quietly(DESeqDataSetFromTximport(txi, input$samples, ~ condition))
  expect_identical(unname(counts(dds)), unname(input$counts))
  dds <- estimateSizeFactors(dds, quiet = TRUE)
  factors <- normalizationFactors(dds)
  expect_equal(unname(exp(rowMeans(log(factors)))), rep(1, nrow(dds)), tolerance = 1e-10)
  expect_null(sizeFactors(dds))
  txi$countsFromAbundance <- "scaledTPM"
  expect_false("avgTxLength" %in% SummarizedExperiment::assayNames(
    quietly(DESeqDataSetFromTximport(txi, input$samples, ~ condition))))
  txi$countsFromAbundance <- "other"
  expect_s3_class(cyto_error(DESeqDataSetFromTximport(txi, input$samples, ~ condition)), "cyto_invalid_argument")
})

test_that("what cannot be used is an error that says where", {
  made <- function(counts = input$counts, samples = input$samples, design = ~ condition)
    cyto_error(quietly(suppressWarnings(DESeqDataSetFromMatrix(counts, samples, design))))
  bad <- input$counts
  bad[5, 2] <- -1L
  expect_match(conditionMessage(made(bad)), "gene5.*s2.*negative")
  bad[5, 2] <- NA
  expect_match(conditionMessage(made(bad)), "gene5.*missing")
  expect_match(conditionMessage(made(input$counts + 0.5)), "whole numbers")
  expect_s3_class(made(input$counts * 0L), "cyto_error")
  expect_match(conditionMessage(made(samples = input$samples[-1, ])), "rows")
  expect_match(conditionMessage(made(samples = input$samples[12:1, ])), "order")
  expect_match(conditionMessage(made(design = ~ nothing)), "nothing")
  samples <- input$samples
  samples$other <- samples$condition
  expect_match(conditionMessage(made(samples = samples, design = ~ other + condition)), "depend on each other")
  samples$ordered <- factor(samples$condition, ordered = TRUE)
  expect_match(conditionMessage(made(samples = samples, design = ~ ordered)), "ordered")
  samples$part <- samples$batch
  samples$part[3] <- NA
  expect_match(conditionMessage(made(samples = samples, design = ~ part)), "s3")
  samples$one <- factor("a")
  expect_s3_class(made(samples = samples, design = ~ one), "cyto_error")
  expect_identical(made(design = ~ nothing)$argument, "design")
})

test_that("oddities are warnings and messages", {
  samples <- data.frame(condition = rep(c("A", "B"), 6), row.names = colnames(input$counts))
  expect_warning(quietly(DESeqDataSetFromMatrix(input$counts, samples, ~ condition)), "factor")
  twice <- input$counts
  rownames(twice)[2] <- "gene1"
  expect_warning(dds <- quietly(DESeqDataSetFromMatrix(twice, input$samples, ~ condition)), "more than once")
  expect_identical(rownames(dds)[1:2], c("gene1", "gene1.1"))
  samples <- input$samples
  samples$condition <- factor(samples$condition, levels = c("Z", "A", "B", "C"))
  expect_message(dds <- DESeqDataSetFromMatrix(input$counts, samples, ~ condition), "without a sample")
  expect_identical(levels(dds$condition), c("A", "B", "C"))
  samples$dose <- rep(1:3, 4)
  expect_message(DESeqDataSetFromMatrix(input$counts, samples, ~ dose), "slope")
})

test_that("size factors, factors and dispersions can be set", {
  dds <- deseq_data()
  expect_null(sizeFactors(dds))
  expect_s3_class(cyto_error(counts(dds, normalized = TRUE)), "cyto_state")
  sizeFactors(dds) <- seq(0.5, 1.6, length.out = 12)
  expect_equal(counts(dds, normalized = TRUE)[, 3], counts(dds)[, 3] / sizeFactors(dds)[3])
  expect_s3_class(cyto_error(sizeFactors(dds) <- rep(0, 12)), "cyto_invalid_argument")
  expect_message(DESeq(dds), "pre-existing size factors")
  factors <- matrix(runif(length(input$counts), 0.5, 2), nrow(dds))
  normalizationFactors(dds) <- factors
  expect_message(fit <- DESeq(dds), "normalization factors")
  expect_equal(unname(counts(fit, normalized = TRUE)), unname(counts(fit)) / factors)
  dds <- estimateSizeFactors(deseq_data(), quiet = TRUE)
  alpha <- rep(0.1, nrow(dds))
  dispersions(dds) <- alpha
  fit <- nbinomWaldTest(dds, quiet = TRUE)
  expect_identical(dispersions(fit)[1:6], alpha[1:6])
  expect_length(resultsNames(fit), 4)
  expect_s3_class(cyto_error(dispersions(dds) <- rep(-1, nrow(dds))), "cyto_invalid_argument")
  expect_equal(sizeFactors(estimateSizeFactors(deseq_data(), quiet = TRUE)), estimateSizeFactorsForMatrix(input$counts),
               tolerance = 1e-13)
})

test_that("size factors take control genes, means, matrices and other location functions", {
  dds <- deseq_data()
  few <- estimateSizeFactors(dds, controlGenes = 20:60, quiet = TRUE)
  flags <- estimateSizeFactors(dds, controlGenes = seq_len(nrow(dds)) %in% 20:60, quiet = TRUE)
  expect_identical(sizeFactors(few), sizeFactors(flags))
  expect_false(identical(sizeFactors(few), sizeFactors(estimateSizeFactors(dds, quiet = TRUE))))
  means <- exp(rowMeans(log(counts(dds) + 1)))
  expect_equal(exp(mean(log(sizeFactors(estimateSizeFactors(dds, geoMeans = means))))), 1)
  # The engine's median, by hand.
  median_of <- function(x) stats::median(x)
  scale <- matrix(seq(0.5, 2, length.out = length(input$counts)), nrow(dds))
  for (arguments in list(list(), list(type = "poscounts"), list(geoMeans = means), list(controlGenes = 20:60), list(normMatrix = scale))) {
    by_engine <- do.call(estimateSizeFactors, c(list(dds, quiet = TRUE), arguments))
    by_hand <- do.call(estimateSizeFactors, c(list(dds, quiet = TRUE, locfunc = median_of), arguments))
    expect_equal(sizeFactors(by_hand), sizeFactors(by_engine), tolerance = 1e-13)
    expect_equal(normalizationFactors(by_hand), normalizationFactors(by_engine), tolerance = 1e-13)
  }
  logs <- log(counts(dds)) - rowMeans(log(counts(dds)))
  logs <- logs[is.finite(rowSums(logs)), ]
  expect_equal(sizeFactors(estimateSizeFactors(dds, locfunc = mean)), exp(colMeans(logs)))
  expect_identical(cyto_error(estimateSizeFactors(dds, locfunc = mean, type = "iterate"))$argument, "locfunc")
  # Numbers that are not whole, and no gene with counts everywhere.
  expect_length(estimateSizeFactorsForMatrix(counts(dds) + 0.5), ncol(dds))
  sparse <- counts(dds)
  sparse[cbind(seq_len(nrow(sparse)), rep(seq_len(ncol(sparse)), length.out = nrow(sparse)))] <- 0L
  thin <- dds
  counts(thin) <- sparse
  for (type in c("ratio", "poscounts")) {
    failed <- tryCatch(estimateSizeFactors(thin, type = type, quiet = TRUE), error = identity)
    expect_identical(inherits(failed, "error"), type == "ratio")
  }
  scaled <- estimateSizeFactors(dds, normMatrix = matrix(runif(length(input$counts), 0.5, 2), nrow(dds)), quiet = TRUE)
  expect_identical(dim(normalizationFactors(scaled)), dim(dds))
})

test_that("collapsed replicates are sums", {
  dds <- deseq_data()
  made <- collapseReplicates(dds, dds$condition, run = colnames(dds))
  expect_identical(colnames(made), c("A", "B", "C"))
  expect_equal(unname(counts(made)[, "B"]), unname(as.integer(rowSums(counts(dds)[, dds$condition == "B"]))))
  expect_identical(made$runsCollapsed[1], "s1,s4,s7,s10")
})
