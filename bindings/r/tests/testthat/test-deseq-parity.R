# Tables that DESeq2 wrote; they are not shipped. Tolerances are those that DESeq2's own iterations allow.

table_of <- function(folder, name) read.delim(gzfile(file.path(folder, paste0(name, ".tsv.gz"))), row.names = 1, check.names = FALSE)

agrees <- function(ours, theirs, tolerance = 1e-7) {
  expect_identical(is.na(ours), is.na(theirs))
  expect_lt(max(abs(ours - theirs) / (1 + abs(theirs)), 0, na.rm = TRUE), tolerance)
}

golden_data <- function(folder, design) {
  counts <- as.matrix(table_of(folder, "counts"))
  storage.mode(counts) <- "integer"
  samples <- table_of(folder, "colData")
  samples <- samples[, setdiff(colnames(samples), "sizeFactor"), drop = FALSE]
  for (name in colnames(samples)) if (is.character(samples[[name]])) samples[[name]] <- factor(samples[[name]])
  quietly(suppressWarnings(DESeqDataSetFromMatrix(counts, samples, design)))
}

test_that("tables of batch and condition are DESeq2's", {
  folder <- deseq_golden("sim12_batch_condition")
  dds <- DESeq(golden_data(folder, ~ batch + condition), quiet = TRUE)
  theirs <- table_of(folder, "mcols")
  ours <- as.data.frame(S4Vectors::mcols(dds), optional = TRUE)
  settled <- is.na(theirs$betaIter) | theirs$betaIter < 100
  for (name in c("baseMean", "baseVar", "dispFit", "dispersion", "dispMAP", "condition_C_vs_A", "SE_condition_C_vs_A"))
    agrees(ours[[name]][settled], theirs[[name]][settled])
  res <- as.data.frame(results(dds, contrast = c("condition", "C", "B"), compat = "1.38"))
  theirs <- table_of(folder, "results_contrast_C_vs_B")
  agrees(res$pvalue[settled], theirs$pvalue[settled])
  expect_identical(which(res$padj < 0.1), which(theirs$padj < 0.1))
})

test_that("replaced outliers are DESeq2's", {
  folder <- deseq_golden("sim16_replace")
  dds <- golden_data(folder, ~ condition)
  said <- capture_messages(dds <- DESeq(dds))
  expect_identical(sum(grepl("replacing outliers and refitting for 47 genes", said)), 1L)
  res <- results(dds, compat = "1.38")
  theirs <- table_of(folder, "results")
  agrees(res$padj, theirs$padj, 1e-6)
  expect_identical(capture.output(summary(res)), readLines(file.path(folder, "results_summary.txt")))
})
