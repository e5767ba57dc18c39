# The single stages of the dispersions and of the prior, run by either package; arguments as for workflow-deseq.R.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(arguments[1], character.only = TRUE))
input <- readRDS(arguments[2])
quietly <- function(expr) suppressMessages(expr)
columns <- function(dds) as.data.frame(mcols(dds))
out <- list()
made <- function(design = ~ batch + condition, counts = input$counts, samples = input$samples)
  quietly(estimateSizeFactors(DESeqDataSetFromMatrix(counts, samples, design)))
names <- c("estimateDispersionsGeneEst", "estimateDispersionsFit", "estimateDispersionsMAP", "estimateDispersionsPriorVar",
           "estimateBetaPriorVar", "estimateMLEForBetaPriorVar")
out$arguments <- lapply(setNames(nm = names), function(name) names(formals(get(name))))
out$defaults <- lapply(setNames(nm = names), function(name) {
  given <- as.list(formals(get(name)))
  lapply(given[vapply(given, function(x) is.numeric(x) || is.logical(x) || is.null(x), TRUE)], eval)
})
dds <- quietly(estimateDispersionsGeneEst(made()))
out$gene_wise <- columns(dds)
out$mu <- unname(assay(dds, "mu"))
for (type in c("parametric", "local", "mean")) {
  fitted <- quietly(estimateDispersionsFit(dds, fitType = type))
  out[[type]] <- columns(fitted)
  out[[paste(type, "variance")]] <- attr(dispersionFunction(fitted), "varLogDispEsts")
  out[[paste(type, "prior")]] <- estimateDispersionsPriorVar(fitted)
}
fitted <- quietly(estimateDispersionsFit(dds))
final <- quietly(estimateDispersionsMAP(fitted))
out$map <- columns(final)
out$map_about <- as.data.frame(mcols(mcols(final)))
out$map_prior <- attr(dispersionFunction(final), "dispPriorVar")
tested <- quietly(nbinomWaldTest(final))
out$wald <- columns(tested)
out$lrt <- columns(quietly(nbinomLRT(final, reduced = ~ batch)))
# Every argument.
other <- quietly(estimateDispersionsGeneEst(made(), minDisp = 1e-7, kappa_0 = 0.5, dispTol = 1e-5, maxit = 50, useCR = FALSE,
                                            minmu = 1, alphaInit = 0.2))
out$other <- columns(other)
out$rounds <- columns(quietly(estimateDispersionsGeneEst(made(~ batch + condition), niter = 3)))
smaller <- model.matrix(~ condition, colData(dds))
out$linear <- columns(quietly(estimateDispersionsGeneEst(made(), modelMatrix = smaller)))
out$not_linear <- columns(quietly(estimateDispersionsGeneEst(made(), modelMatrix = smaller, linearMu = FALSE)))
out$other_map <- columns(quietly(estimateDispersionsMAP(estimateDispersionsFit(other), outlierSD = 1, dispPriorVar = 0.7,
                                                        kappa_0 = 0.5, useCR = FALSE)))
# A trend of the user's own goes into the last stage.
own <- dds
dispersionFunction(own) <- function(q) 0.05 + 3 / q
own <- quietly(estimateDispersionsMAP(own))
out$own <- columns(own)
out$own_prior <- attr(dispersionFunction(own), "dispPriorVar")
# Gene-wise dispersions as the final ones, as DESeq2 advises where there is no trend.
plain <- dds
dispersions(plain) <- mcols(plain)$dispGeneEst
out$plain <- columns(quietly(nbinomWaldTest(plain)))
# Priors of coefficients.
for (type in c("expanded", "standard")) {
  mle <- estimateMLEForBetaPriorVar(final, modelMatrixType = type)
  out[[paste(type, "mle")]] <- columns(mle)[, grep("^MLE_", colnames(mcols(mle)))]
  out[[paste(type, "H")]] <- unname(assay(mle, "H"))
  for (method in c("weighted", "quantile"))
    out[[paste(type, method)]] <- estimateBetaPriorVar(mle, betaPriorMethod = method, upperQuantile = 0.1)
  out[[paste(type, "variance")]] <- estimateBetaPriorVar(mle)
  shrunken <- quietly(nbinomWaldTest(final, betaPrior = TRUE, betaPriorVar = out[[paste(type, "variance")]],
                                     modelMatrixType = type))
  out[[paste(type, "test")]] <- columns(shrunken)
}
# Few samples: the prior comes from histograms.
few <- quietly(estimateDispersionsFit(estimateDispersionsGeneEst(made(~ condition, input$counts[, 1:5], droplevels(input$samples[1:5, ])))))
out$few_prior <- estimateDispersionsPriorVar(few)
# Outliers, with every argument.
wide <- quietly(nbinomWaldTest(estimateDispersions(made(~ condition))))
replaced <- quietly(replaceOutliers(wide, minReplicates = 3))
out$replaced <- counts(replaced)
out$replace <- unname(mcols(replaced)$replace)
out$replaceable <- replaced$replaceable
replaced <- quietly(replaceOutliers(wide, trim = 0.1, cooksCutoff = 0.5, whichSamples = rep(c(TRUE, FALSE), 6)))
out$replaced_some <- counts(replaced)
out$replaceable_some <- replaced$replaceable
# Numbers of a matrix.
out$stabilized <- getVarianceStabilizedData(final)
out$totals <- fpm(final, robust = FALSE)
lengths <- final
assay(lengths, "avgTxLength", withDimnames = FALSE) <- outer(seq(500, 3000, length.out = nrow(final)), seq(0.9, 1.1, length.out = 12))
out$by_length <- fpkm(lengths)
out$by_length_totals <- fpkm(lengths, robust = FALSE)
res <- results(tested, independentFiltering = FALSE)
out$shown <- c(capture.output(summary(res)), capture.output(summary(res, alpha = 1e-5)),
               capture.output(summary(res[res$baseMean > 10, ])), capture.output(summary(do.call(results, c(list(tested, lfcThreshold = 1),
                                                        if (arguments[1] == "cytosol") list(compat = "1.38"))))))
saveRDS(out, arguments[3])
