# The standard workflow: only the library line differs.
#
# Tolerances: size factors 1e-12, dispersions, estimates and p-values 1e-6 relative to 1 + the value (fits that do not
# settle go on by another minimiser in DESeq2 and are left out), vst 1e-8, components 1e-6 but for their sign. The genes
# below 0.05 and the summary are the same. Fits with a prior end where the deviance changes by less than 1e-8, which the
# last bit of a sum can decide: 1e-4 for all genes, 1e-6 for 99.9 % of them.

expect_standard <- function(input) {
  ours <- run_standard("cytosol", input)
  theirs <- run_standard("DESeq2", input)
  expect_close(ours$sizeFactors, theirs$sizeFactors, 1e-12, "sizeFactors")
  expect_identical(names(ours$sizeFactors), names(theirs$sizeFactors))
  expect_identical(ours$names, theirs$names)
  expect_table(ours$genes, theirs$genes)
  settled <- is.na(theirs$genes$betaIter) | theirs$genes$betaIter < 100
  expect_gt(mean(settled), 0.99)
  expect_table(ours$results[settled, ], theirs$results[settled, ])
  expect_table(ours$shrunken[settled, ], theirs$shrunken[settled, ], 1e-4)
  apart <- abs(ours$shrunken$log2FoldChange - theirs$shrunken$log2FoldChange)[settled]
  expect_gt(mean(apart < 1e-6, na.rm = TRUE), 0.999)
  expect_identical(which(ours$results$padj < 0.05), which(theirs$results$padj < 0.05))
  expect_identical(ours$shown, theirs$shown)
  expect_identical(dimnames(ours$vst), dimnames(theirs$vst))
  expect_close(ours$vst, theirs$vst, 1e-8, "vst")
  expect_identical(colnames(ours$pca), colnames(theirs$pca))
  expect_close(abs(ours$pca[, 1:2]), abs(theirs$pca[, 1:2]), 1e-6, "pca")
  expect_equal(ours$percentVar, theirs$percentVar, tolerance = 1e-8)
}

test_that("simulated counts", {
  skip_without_DESeq2()
  # vst() wants 1000 genes with a mean above 5.
  expect_standard(c(deseq_counts(n = 1500), list(design = ~ batch + condition, contrast = c("condition", "C", "A"))))
})

test_that("pasilla", {
  skip_without_DESeq2()
  input <- shared_data("pasilla")
  input$samples$condition <- relevel(input$samples$condition, "untreated")
  expect_standard(c(input, list(design = ~ type + condition, contrast = c("condition", "treated", "untreated"))))
})

test_that("airway", {
  skip_without_DESeq2()
  input <- shared_data("airway")
  input$samples$dex <- relevel(input$samples$dex, "untrt")
  expect_standard(c(input, list(design = ~ cell + dex, contrast = c("dex", "trt", "untrt"))))
})
