# Quasi-likelihood dispersions and F tests, the fast mode, and mixtures.

close_to <- function(ours, theirs, tolerance, floor, what) {
  expect_identical(is.na(ours), is.na(theirs), info = what)
  expect_lt(max(abs(ours - theirs) / pmax(abs(theirs), floor), 0, na.rm = TRUE), tolerance, label = what)
}

# Tolerances: the reference fits its prior by the simplex method, which ends some 1e-4 from the maximum.
same_quasi <- function(ours, theirs) {
  # Names of coefficients are those that other trends give too.
  expect_identical(gsub("_", "", sub("_vs_.*", "", colnames(ours))), gsub("_", "", colnames(theirs)))
  for (at in seq_along(theirs)) {
    name <- colnames(theirs)[at]
    if (name == "dispGeneIter") next
    tolerance <- if (name %in% c("baseMean", "baseVar")) 1e-10 else 5e-3
    close_to(as.double(ours[[at]]), as.double(theirs[[at]]), tolerance, 0.05, name)
  }
}

test_that("quasi-likelihood tests and mixtures are DESeq2's with glmGamPoi", {
  skip_without_DESeq2()
  skip_if(!nzchar(system.file(package = "glmGamPoi")), "glmGamPoi is not installed")
  input <- deseq_counts()
  ours <- run_workflow("cytosol", input, "workflow-quasi.R")
  theirs <- run_workflow("DESeq2", input, "workflow-quasi.R")
  same_quasi(ours$mcols, theirs$mcols)
  same_quasi(ours$cells, theirs$cells)
  expect_identical(ours$about$type, theirs$about$type)
  plain <- !grepl("batch|condition", theirs$about$description)
  expect_identical(ours$about$description[plain], theirs$about$description[plain])
  expect_lt(abs(ours$df0 / theirs$df0 - 1), 5e-3)
  expect_identical(ours$assays, theirs$assays)
  close_to(ours$mu, theirs$mu, 1e-5, 0.1, "mu")
  close_to(ours$results$padj, theirs$results$padj, 5e-3, 1e-6, "padj")
  expect_identical(colnames(ours$results), colnames(theirs$results))
  close_to(ours$plain$LRTPvalue, theirs$plain$LRTPvalue, 5e-3, 1e-6, "LRT of another type")
  expect_identical(c(ours$warned, theirs$warned), c("warned", "warned"))
  expect_equal(ours$vst, theirs$vst, tolerance = 1e-8)
  # No mixture is worse, and all are close.
  scales <- list(alpha = function(q) (2 * asinh(sqrt(0.1 * q)) - log(0.1) - log(4)) / log(2), shift = function(q) log(q + 0.5))
  for (scale in names(scales)) for (power in 1:2) {
    of <- paste0("unmix_", scale, power)
    expect_identical(dimnames(ours[[of]]), dimnames(theirs[[of]]))
    expect_lt(max(abs(ours[[of]] - theirs[[of]])), 0.02, label = of)
    least <- function(mix, i) stats::optimise(function(total) sum(abs(scales[[scale]](ours$x[, i]) -
      scales[[scale]](ours$pure %*% (total * mix[i, ])))^power), c(0.5, 2), tol = 1e-10)$objective
    for (i in 1:3) expect_lte(least(ours[[of]], i), least(theirs[[of]], i) * (1 + 1e-6) + 1e-6)
  }
  expect_identical(names(ours$unmix_list), names(theirs$unmix_list))
  expect_equal(ours$unmix_list$cor, theirs$unmix_list$cor, tolerance = 1e-2)
  expect_equal(dim(ours$unmix_list$fitted), dim(theirs$unmix_list$fitted))
})

test_that("an F test needs its dispersions, and they survive saving", {
  dds <- quietly(DESeq(deseq_data(~ condition), test = "LRT", fitType = "glmGamPoi", reduced = ~ 1))
  expect_true(all(is.na(coef(dds, SE = TRUE))))
  file <- tempfile(fileext = ".rds")
  saveRDS(dds, file)
  again <- quietly(nbinomLRT(readRDS(file), reduced = ~ 1, type = "glmGamPoi"))
  expect_identical(S4Vectors::mcols(again)$LRTPvalue, S4Vectors::mcols(dds)$LRTPvalue)
  plain <- quietly(estimateDispersions(dds))
  expect_null(attr(plain, "quasiLikelihood_df0"))
  expect_error(quietly(nbinomLRT(plain, reduced = ~ 1, type = "glmGamPoi")), "glmGamPoi")
})

test_that("the fast mode calls the same genes", {
  exact <- results(deseq_fit())
  old <- options(cytosol.mode = "fast")
  on.exit(options(old))
  fast <- results(quietly(DESeq(deseq_data())))
  expect_false(identical(fast$pvalue, exact$pvalue))
  expect_lt(max(abs(fast$log2FoldChange - exact$log2FoldChange), na.rm = TRUE), 0.05)
  expect_identical(which(fast$padj < 0.1), which(exact$padj < 0.1))
  options(cytosol.mode = "quick")
  expect_error(quietly(DESeq(deseq_data())), "cytosol.mode")
})

test_that("mixtures that cannot be found are refused", {
  pure <- diag(3) + 1
  x <- pure %*% c(0.2, 0.3, 0.5)
  expect_equal(as.vector(unmix(x, pure, alpha = 0.1, power = 2, quiet = TRUE)), c(0.2, 0.3, 0.5), tolerance = 1e-4)
  expect_error(unmix(x, pure), "alpha and shift")
  expect_error(unmix(x, pure, alpha = 0.1, shift = 1), "alpha and shift")
  expect_error(unmix(x[1:2, , drop = FALSE], pure, alpha = 0.1), "genes")
  expect_error(unmix(x, pure, alpha = -1), "alpha")
  expect_error(unmix(x, pure, alpha = 1, power = 3), "power")
  expect_error(unmix(x, pure[, 1, drop = FALSE], alpha = 1), "pure")
  expect_error(unmix(-x, pure, alpha = 1), "row 1")
  expect_error(unmix(x, pure, alpha = 1, format = "table"), "format")
})

test_that("a dispersion function of the user's own is used by vst", {
  input <- deseq_counts()
  dds <- quietly(estimateSizeFactors(deseq_data()))
  values <- function(object) SummarizedExperiment::assay(varianceStabilizingTransformation(object, blind = FALSE))
  flat <- function(q) rep(0.2, length(q))
  attr(flat, "fitType") <- "local"
  dispersionFunction(dds) <- flat
  by_integral <- values(dds)
  # A constant dispersion has a closed form, up to the scale that is fixed at two quantiles.
  stable <- 2 * asinh(sqrt(0.2 * counts(dds, normalized = TRUE))) / log(2)
  high <- counts(dds, normalized = TRUE) > 20
  line <- stats::lm(by_integral[high] ~ stable[high])
  expect_lt(max(abs(stats::residuals(line))), 0.02)
  attr(flat, "fitType") <- "mean"
  attr(flat, "mean") <- 0.2
  dispersionFunction(dds) <- flat
  expect_equal(values(dds), stable - log2(0.2) - 2, tolerance = 1e-10)
  attr(flat, "fitType") <- "spline"
  dispersionFunction(dds) <- flat
  expect_error(values(dds), "spline")
})
