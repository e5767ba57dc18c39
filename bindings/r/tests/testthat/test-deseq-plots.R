# Every picture draws, and its data are those of the object.

dds <- deseq_fit()

drawn <- function(plot) {
  file <- tempfile(fileext = ".png")
  grDevices::png(file)
  on.exit(grDevices::dev.off())
  print(plot)
  expect_s3_class(plot, "ggplot")
}

test_that("pictures draw", {
  vsd <- vst(dds, nsub = 100)
  drawn(plotMA(results(dds)))
  drawn(plotMA(dds, ylim = c(-2, 2)))
  drawn(plotMA(lfcShrink(dds, coef = 4, svalue = TRUE, quiet = TRUE)))
  drawn(plotDispEsts(dds))
  drawn(plotDispEsts(dds, CV = TRUE, legend = FALSE))
  drawn(plotPCA(vsd))
  drawn(plotPCA(vsd, intgroup = c("condition", "batch"), pcsToUse = 2:3))
  drawn(plotCounts(dds, "gene5"))
  drawn(plotCounts(dds, 5, intgroup = c("condition", "batch"), transform = FALSE))
  drawn(plotSparsity(dds))
})

test_that("their data are those of the object", {
  res <- results(dds)
  data <- plotMA(res, returnData = TRUE)
  expect_identical(data$isDE, !is.na(res$padj) & res$padj < 0.1)
  expect_identical(data$lfc, res$log2FoldChange)
  pca <- plotPCA(vst(dds, nsub = 100), returnData = TRUE)
  expect_identical(colnames(pca), c("PC1", "PC2", "group", "condition", "name"))
  expect_identical(pca$name, colnames(dds))
  expect_equal(plotCounts(dds, "gene5", returnData = TRUE)$count, unname(counts(dds, normalized = TRUE)["gene5", ]) + 0.5)
  spread <- plotDispEsts(dds, returnData = TRUE)
  expect_equal(nrow(spread), 299)
  expect_identical(cyto_error(plotPCA(vst(dds, nsub = 100), intgroup = "nothing"))$argument, "intgroup")
  expect_s3_class(cyto_error(plotCounts(dds, "none")), "cyto_not_found")
  expect_s3_class(cyto_error(plotDispEsts(deseq_data())), "cyto_state")
})
