# Quasi-likelihood tests and mixtures, as a user of either package writes them. Called with the package's name, the file
# of the counts and the file to write.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(arguments[1], character.only = TRUE))
input <- readRDS(arguments[2])
quietly <- function(expr) suppressMessages(expr)
out <- list()
dds <- quietly(DESeqDataSetFromMatrix(input$counts, input$samples, ~ batch + condition))
dds <- quietly(DESeq(dds, test = "LRT", fitType = "glmGamPoi", reduced = ~ batch))
out$mcols <- as.data.frame(mcols(dds))
out$about <- as.data.frame(mcols(mcols(dds)))
out$df0 <- attr(dds, "quasiLikelihood_df0")
out$assays <- SummarizedExperiment::assayNames(dds)
out$mu <- unname(SummarizedExperiment::assay(dds, "mu"))
out$results <- as.data.frame(quietly(results(dds)))
# Where every cell of the design has its own mean.
cells <- quietly(DESeqDataSetFromMatrix(input$counts, input$samples, ~ condition))
cells <- quietly(estimateDispersions(estimateSizeFactors(cells), fitType = "glmGamPoi"))
cells <- quietly(nbinomLRT(cells, reduced = ~ 1, type = "glmGamPoi"))
out$cells <- as.data.frame(mcols(cells))
out$plain <- as.data.frame(mcols(quietly(nbinomLRT(cells, reduced = ~ 1))))
out$warned <- tryCatch(quietly(DESeq(cells, fitType = "glmGamPoi")), warning = function(w) "warned")
own <- function(q) 0.1 + 2 / q^0.8
attr(own, "fitType") <- "local"
dispersionFunction(cells) <- own
out$vst <- SummarizedExperiment::assay(varianceStabilizingTransformation(cells, blind = FALSE))
set.seed(4)
pure <- matrix(2^rnorm(900, 5, 2), 300, dimnames = list(NULL, c("a", "b", "c")))
pure[sample(900, 90)] <- 0
shares <- matrix(c(0.2, 0.5, 0.3, 0, 0.9, 0.1, 1, 0, 0), 3)
x <- matrix(rnbinom(900, mu = pure %*% shares, size = 10), 300, dimnames = list(NULL, paste0("s", 1:3)))
out$pure <- pure
out$x <- x
for (power in 1:2) {
  out[[paste0("unmix_alpha", power)]] <- unmix(x, pure, alpha = 0.1, power = power, quiet = TRUE)
  out[[paste0("unmix_shift", power)]] <- unmix(x, pure, shift = 0.5, power = power, quiet = TRUE)
}
out$unmix_list <- unmix(x, pure, alpha = 0.1, format = "list", quiet = TRUE)
saveRDS(out, arguments[3])
