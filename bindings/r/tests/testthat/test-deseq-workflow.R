# The standard workflow run once with each package.

expect_close <- function(ours, theirs, tolerance, what = "") {
  ours <- as.matrix(ours)
  theirs <- as.matrix(theirs)
  storage.mode(ours) <- storage.mode(theirs) <- "double"
  expect_identical(dim(ours), dim(theirs), info = what)
  expect_identical(unname(is.na(ours)), unname(is.na(theirs)), info = what)
  expect_lt(max(abs(ours - theirs) / (1 + abs(theirs)), 0, na.rm = TRUE), tolerance, label = what)
}

expect_table <- function(ours, theirs, tolerance = 1e-6, columns = colnames(theirs)) {
  expect_identical(colnames(ours), colnames(theirs))
  expect_identical(rownames(ours), rownames(theirs))
  # Fits that did not settle go on by another minimiser, which stops elsewhere; proposals of a line search turn on
  # the last bit of a sum.
  settled <- if (is.null(ours$betaIter)) rep(TRUE, nrow(ours)) else is.na(theirs$betaIter) | theirs$betaIter < 100
  ours <- ours[settled, , drop = FALSE]
  theirs <- theirs[settled, , drop = FALSE]
  for (name in setdiff(columns, "dispGeneIter")) {
    if (is.numeric(theirs[[name]]) || is.logical(theirs[[name]]))
      expect_close(as.double(ours[[name]]), as.double(theirs[[name]]), tolerance, name)
    else expect_identical(ours[[name]], theirs[[name]], info = name)
  }
}

test_that("the workflow gives with library(cytosol) what it gives with library(DESeq2)", {
  skip_without_DESeq2()
  input <- deseq_counts()
  ours <- run_workflow("cytosol", input)
  theirs <- run_workflow("DESeq2", input)
  expect_identical(ours$messages, theirs$messages)
  expect_close(ours$sizeFactors, theirs$sizeFactors, 1e-12, "sizeFactors")
  expect_identical(names(ours$sizeFactors), names(theirs$sizeFactors))
  expect_table(ours$mcols, theirs$mcols, 1e-6)
  expect_identical(ours$about, theirs$about)
  expect_identical(ours$names, theirs$names)
  expect_identical(dimnames(ours$coef), dimnames(theirs$coef))
  expect_close(ours$coef, theirs$coef, 1e-6, "coef")
  expect_close(ours$se, theirs$se, 1e-6, "se")
  expect_identical(ours$trend$fitType, theirs$trend$fitType)
  expect_equal(ours$trend$coefficients, theirs$trend$coefficients, tolerance = 1e-8)
  expect_equal(ours$trend$varLogDispEsts, theirs$trend$varLogDispEsts, tolerance = 1e-8)
  expect_equal(ours$trend$dispPriorVar, theirs$trend$dispPriorVar, tolerance = 1e-8)
  expect_close(ours$disp, theirs$disp, 1e-8, "dispersionFunction")
  for (name in c("mu", "H", "cooks")) expect_close(ours$assays[[name]], theirs$assays[[name]], 1e-6, name)
  for (name in c("results", "contrast", "reversed", "list", "numeric", "name", "greater", "lessAbs", "nofilter", "tidy",
                 "lrt", "normal"))
    expect_table(ours[[name]], theirs[[name]])
  settled <- is.na(theirs$prior$betaIter) | theirs$prior$betaIter < 100
  expect_table(ours$prior_mle[settled, ], theirs$prior_mle[settled, ])
  expect_table(ours$prior_mle, theirs$prior_mle, 1e-2)
  expect_identical(ours$results_about, theirs$results_about)
  expect_identical(ours$shown, theirs$shown)
  expect_equal(ours$filter, theirs$filter, tolerance = 1e-6)
  expect_identical(which(ours$results$padj < 0.1), which(theirs$results$padj < 0.1))
  expect_identical(ours$lrt_about, theirs$lrt_about)
  expect_table(ours$lrt_mcols, theirs$lrt_mcols)
  expect_table(ours$steps, theirs$steps)
  expect_table(ours$prior, theirs$prior)
  expect_equal(ours$prior_var, theirs$prior_var, tolerance = 1e-6)
  expect_close(ours$vst, theirs$vst, 1e-8, "vst")
  expect_close(ours$vst_blind, theirs$vst_blind, 1e-8, "vst blind")
  expect_close(ours$rlog, theirs$rlog, 1e-5, "rlog")
  expect_identical(dimnames(ours$vst), dimnames(theirs$vst))
  expect_close(abs(ours$pca[, 1:2]), abs(theirs$pca[, 1:2]), 1e-6, "pca")
  expect_identical(colnames(ours$pca), colnames(theirs$pca))
  expect_equal(ours$share, theirs$share, tolerance = 1e-8)
  expect_equal(ours$gene, theirs$gene, tolerance = 1e-8)
  for (name in c("fpm", "fpkm", "normalized")) expect_equal(ours[[name]], theirs[[name]], tolerance = 1e-10)
  expect_identical(ours$collapsed, theirs$collapsed)
  expect_equal(ours$collapsed_table, theirs$collapsed_table)
})
