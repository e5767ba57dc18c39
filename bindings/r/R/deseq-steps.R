#' Differential expression
#'
#' Size factors (unless there are some), dispersions, the test of the coefficients, and the replacement of outliers
#' where enough samples have the same conditions: counts of a gene and sample are negative binomial with a mean that
#' is size factor times `2^(design)`, and a dispersion that genes of similar means inform. The single steps are
#' [estimateSizeFactors()], [estimateDispersions()] and [nbinomWaldTest()] or [nbinomLRT()].
#'
#' @param object a [DESeqDataSet-class].
#' @param test `"Wald"`: each coefficient against 0; `"LRT"`: the design against `reduced`.
#' @param fitType trend of the dispersions: `"parametric"`, `"local"` or `"mean"`; `"glmGamPoi"`: quasi-likelihood
#'   dispersions about running medians, for `test = "LRT"`, which is then an F test without standard errors.
#'   Coefficients keep the names that they have with other trends.
#' @param sfType how size factors are estimated: `"ratio"`, `"poscounts"` or `"iterate"`.
#' @param betaPrior whether coefficients are shrunken in the test itself, as old versions of DESeq2 did; [lfcShrink()]
#'   does it afterwards.
#' @param full the design; a model matrix is used instead of the design of the object.
#' @param reduced formula or model matrix of the smaller model, for `test = "LRT"`.
#' @param quiet whether messages are left out.
#' @param minReplicatesForReplace outliers are replaced in cells of the design of at least this many samples; `Inf`: never.
#' @param modelMatrixType `"standard"` or, with a prior, `"expanded"`: a column for each level.
#' @param useT whether Wald statistics are compared with a t distribution.
#' @param minmu least fitted mean.
#' @param parallel,BPPARAM whether threads are used, and how many: as many as `BPPARAM` has workers. Results are the
#'   same bits for any number. Otherwise `getOption("cytosol.threads", 1)`.
#' @details `options(cytosol.mode = "fast")` takes the quickest way to the same maxima instead of the iterations of
#'   the reference, here and in the single steps: dispersions differ by less than 1 % in nearly all genes.
#' @return The object with its estimates in `mcols`; see [results()].
#' @source Love, Huber and Anders (2014), Genome Biology 15:550; the interface is that of DESeq2.
#' @examples
#' set.seed(1)
#' dds <- makeExampleDESeqDataSet(n = 200, m = 6, betaSD = 1)
#' dds <- DESeq(dds)
#' results(dds)
#' @export
DESeq <- function(object, test = c("Wald", "LRT"), fitType = c("parametric", "local", "mean", "glmGamPoi"),
                  sfType = c("ratio", "poscounts", "iterate"), betaPrior, full = design(object), reduced, quiet = FALSE,
                  minReplicatesForReplace = 7, modelMatrixType, useT = FALSE,
                  minmu = if (fitType == "glmGamPoi") 1e-6 else 0.5, parallel = FALSE, BPPARAM = NULL) {
  caller <- "DESeq"
  object <- as_dds(object, caller)
  test <- one_of(test, c("Wald", "LRT"), "test", caller)
  fitType <- one_of(fitType, c("parametric", "local", "mean", "glmGamPoi"), "fitType", caller)
  sfType <- one_of(sfType, c("ratio", "poscounts", "iterate"), "sfType", caller)
  betaPrior <- !missing(betaPrior) && yes_no(betaPrior, "betaPrior", caller)
  type <- matrix_type(if (missing(modelMatrixType)) NULL else modelMatrixType, betaPrior, caller)
  threads <- deseq_threads(parallel, BPPARAM, caller)
  if (test == "LRT" && missing(reduced))
    refuse(caller, "test = \"LRT\" needs reduced, the smaller model", argument = "reduced")
  if (test == "Wald" && !missing(reduced)) refuse(caller, "reduced is for test = \"LRT\"", argument = "reduced")
  if (is_formula(full) && !(is_formula(object@design) && same_formula(full, object@design)))
    refuse(caller, "full is not the design of the object; set design(object) instead", argument = "full")
  check_levels(object, full, caller)
  if (is.matrix(full) && !quiet) message("using supplied model matrix")
  if (!is.numeric(minReplicatesForReplace) || length(minReplicatesForReplace) != 1 || is.na(minReplicatesForReplace))
    refuse(caller, "minReplicatesForReplace must be one number", argument = "minReplicatesForReplace")
  options <- list(test = test, fit_type = fitType, sf_type = sfType, beta_prior = betaPrior,
                  use_t = yes_no(useT, "useT", caller), min_mu = minmu, keep_assays = !large_assays(object), strict = TRUE,
                  min_replicates_for_replace = min(minReplicatesForReplace, .Machine$integer.max),
                  mode = engine_mode(caller))
  if (betaPrior) options$model_matrix_type <- type
  if (test == "LRT") options$reduced <- reduced_for_engine(reduced, full, object, caller)
  if (!is.null(S4Vectors::mcols(object)$dispersion) && !quiet)
    message("estimates of an earlier analysis are replaced")
  handle <- engine_for(object, "data", caller, full, changes = TRUE)
  noted_call(caller, threads, quiet, function(settings) deseq_step(settings, handle, "run", options))
  finish_test(object, handle, full, test, type, if (test == "LRT") reduced, minmu,
              if (fitType == "glmGamPoi") Inf else minReplicatesForReplace)
}

finish_test <- function(object, handle, full, test, type, reduced, minmu, replicates = Inf) {
  object <- absorb(object, handle, if (test == "LRT") designs_in_words(full, reduced), minmu)
  attr(object, "modelMatrixType") <- if (is.matrix(full)) "user-supplied" else type
  attr(object, "reducedModelMatrix") <- if (test == "LRT" && is.matrix(reduced)) reduced else if (test == "LRT")
    renamed_matrix(reduced, SummarizedExperiment::colData(object))
  if (replicates < Inf) object <- nothing_replaced(object, replicates)
  tie_engine(object, handle, "test", full)
}

designs_in_words <- function(full, reduced) {
  if (!is_formula(full) || !is_formula(reduced)) return("full vs reduced")
  paste0("'", one_line(full), "' vs '", one_line(reduced), "'")
}

one_line <- function(formula) sub("^~ *", "~ ", paste(trimws(deparse(formula, width.cutoff = 500L)), collapse = " "))

same_formula <- function(a, b) identical(one_line(a), one_line(b))

# "exact" follows the reference's iterations, "fast" only their end.
engine_mode <- function(caller) one_of(getOption("cytosol.mode", "exact"), c("exact", "fast"), "option cytosol.mode", caller)

one_of <- function(value, choices, argument, caller) {
  if (length(value) > 1 && identical(value, choices)) return(choices[1])
  if (!is.character(value) || length(value) != 1 || !value %in% choices)
    refuse(caller, argument, " is ", paste(format(value), collapse = ", "), "; must be one of ",
           paste(dQuote(choices, FALSE), collapse = ", "), argument = argument)
  value
}

yes_no <- function(value, argument, caller) {
  if (!isTRUE(value) && !identical(value, FALSE)) refuse(caller, argument, " must be TRUE or FALSE", argument = argument)
  value
}

one_number <- function(value, argument, caller) {
  if (!is.numeric(value) || length(value) != 1 || is.na(value))
    refuse(caller, argument, " must be one number", argument = argument)
  as.double(value)
}

matrix_type <- function(given, betaPrior, caller) {
  if (is.null(given)) return(if (betaPrior) "expanded" else "standard")
  given <- one_of(given, c("standard", "expanded"), "modelMatrixType", caller)
  if (given == "expanded" && !betaPrior)
    refuse(caller, "modelMatrixType = \"expanded\" needs betaPrior = TRUE", argument = "modelMatrixType")
  given
}

reduced_for_engine <- function(reduced, full, object, caller) {
  table <- SummarizedExperiment::colData(object)
  for_full <- design_for_engine(full, table)
  if (is_formula(reduced) != is_formula(full))
    refuse(caller, "one of full and reduced is a model matrix, the other a formula; both must be of one kind",
           argument = "reduced")
  if (is_formula(reduced)) {
    extra <- setdiff(all.vars(reduced), all.vars(full))
    if (length(extra) > 0) refuse(caller, "variable ", dQuote(extra[1], FALSE), " of reduced is not in the full design",
                                  argument = "reduced")
  }
  smaller <- design_for_engine(reduced, table)
  if (is.list(for_full) && !is.list(smaller)) smaller <- matrix_for_engine(renamed_matrix(reduced, table))
  if (is.list(smaller)) list(names = I(smaller$names), values = I(smaller$values)) else smaller
}

#' The steps of an analysis
#'
#' `estimateSizeFactors` finds what the depths of the samples differ by; `estimateDispersions` the spread of each gene,
#' shrunken towards a trend; `nbinomWaldTest` tests each coefficient, `nbinomLRT` the design against a smaller one.
#' [DESeq()] does all of it, and replaces outliers.
#'
#' @param object a [DESeqDataSet-class]. `estimateSizeFactorsForMatrix` takes a matrix of counts.
#' @param counts matrix of numbers of at least 0, genes x samples.
#' @param type see `sfType` of [DESeq()]; of `nbinomLRT`, `"glmGamPoi"` for the F test after dispersions of
#'   `fitType = "glmGamPoi"`.
#' @param locfunc function that finds the centre of the logarithms of the ratios to the geometric means.
#' @param geoMeans geometric means of the genes, instead of those of the data.
#' @param controlGenes positions or flags of the genes that size factors are estimated from.
#' @param normMatrix matrix that scales the counts besides the factors.
#' @param quiet whether messages are left out.
#' @param fitType,minmu,full,reduced,betaPrior,modelMatrixType,useT see [DESeq()].
#' @param maxit most iterations.
#' @param useCR whether the Cox-Reid term is used.
#' @param weightThreshold weight above which a sample counts for that term.
#' @param modelMatrix a model matrix used instead of the design.
#' @param betaPriorVar variances of the prior of the coefficients.
#' @param betaTol change of the deviance that ends a fit.
#' @param useOptim whether fits that do not converge are repeated by a bounded minimisation.
#' @param df degrees of freedom of the t distribution.
#' @param useQR whether a QR decomposition takes over from the normal equations where these are ill-conditioned.
#' @param parallel,BPPARAM see [DESeq()].
#' @return The object with the estimates; size factors for `estimateSizeFactorsForMatrix`.
#' @name estimateSizeFactors,DESeqDataSet-method
#' @aliases estimateSizeFactors estimateDispersions
NULL

only <- function(value, supported, argument, caller) {
  if (!identical(value, supported))
    refuse(caller, argument, " = ", paste(trimws(utils::head(deparse(value), 1)), collapse = " "), " is not supported; only ",
           paste(deparse(supported), collapse = " "), argument = argument, kind = "unsupported")
}

#' @rdname estimateSizeFactors-DESeqDataSet-method
#' @export
setMethod("estimateSizeFactors", "DESeqDataSet",
          function(object, type = c("ratio", "poscounts", "iterate"), locfunc = stats::median, geoMeans, controlGenes,
                   normMatrix, quiet = FALSE) {
  caller <- "estimateSizeFactors"
  object <- as_dds(object, caller)
  type <- one_of(type, c("ratio", "poscounts", "iterate"), "type", caller)
  geo <- if (!missing(geoMeans)) as.double(geoMeans)
  control <- if (!missing(controlGenes)) positions_of(controlGenes, caller)
  if (!quiet && !missing(normMatrix)) message("normMatrix becomes normalization factors, which hold the size factors too")
  if (!identical(locfunc, stats::median)) {
    if (type == "iterate") refuse(caller, "type = \"iterate\" takes no locfunc", argument = "locfunc")
    return(located_factors(object, located(locfunc, caller), type, geo, control, if (!missing(normMatrix)) normMatrix, caller))
  }
  options <- list(sf_type = type, strict = TRUE)
  if (!is.null(geo)) options$geo_means <- I(geo)
  if (!is.null(control)) options$control_genes <- I(control - 1L)
  if (!missing(normMatrix)) options$norm_matrix <- I(by_gene(normMatrix))
  plain <- object
  sizeFactors(plain) <- NULL
  data <- data_of(plain, if (is_formula(object@design)) ~1 else object@design)
  data["norm"] <- list(NULL)
  handle <- make_deseq(data, caller)
  noted_call(caller, 1, quiet, function(settings) deseq_step(settings, handle, "size_factors", options))
  take_size_factors(object, handle)
})

positions_of <- function(controlGenes, caller) {
  if (is.logical(controlGenes)) controlGenes <- which(controlGenes)
  if (!is.numeric(controlGenes)) refuse(caller, "controlGenes must be positions or flags", argument = "controlGenes")
  as.integer(controlGenes)
}

located <- function(locfunc, caller) {
  if (!is.function(locfunc)) refuse(caller, "locfunc must be a function of numbers", argument = "locfunc")
  locfunc
}

# Size factors, or normalization factors, with another centre of the ratios than the median.
located_factors <- function(object, locfunc, type, geo, control, scale, caller) {
  lengths <- assay_of(object, "avgTxLength")
  if (is.null(scale) && !is.null(lengths)) scale <- lengths / exp(rowMeans(log(lengths)))
  counts <- as.matrix(counts_of(object))
  found <- ratio_factors(if (is.null(scale)) counts else counts / scale, locfunc, type, geo, control, type == "poscounts", caller)
  if (is.null(scale)) return(put_size_factors(object, found))
  factors <- t(t(scale) * found)
  set_assay(object, "normalizationFactors", unname(factors / exp(rowMeans(log(factors)))))
}

# Factors of any non-negative numbers; `centred` for a geometric mean of 1, which means of the user's own imply.
ratio_factors <- function(counts, locfunc, type, geo, control, centred, caller) {
  logs <- log(counts)
  if (!is.null(geo)) {
    if (length(geo) != nrow(counts))
      refuse(caller, "geoMeans has ", length(geo), " values for ", nrow(counts), " genes", argument = "geoMeans")
    means <- log(geo)
  } else if (type == "poscounts") {
    means <- rowSums(ifelse(counts > 0, logs, 0)) / ncol(counts)
    means[rowSums(counts) == 0] <- -Inf
  } else {
    means <- rowMeans(logs)
  }
  rows <- if (is.null(control)) seq_len(nrow(counts)) else control
  rows <- rows[is.finite(means[rows])]
  if (length(rows) == 0)
    refuse(caller, "no gene has a geometric mean above zero, so size factors have nothing to compare counts with",
           argument = "object", kind = "invalid_data")
  factors <- vapply(seq_len(ncol(counts)), function(sample) {
    used <- rows[counts[rows, sample] > 0]
    exp(locfunc(logs[used, sample] - means[used]))
  }, 0)
  if (anyNA(factors) || any(!is.finite(factors)))
    refuse(caller, "locfunc gives no number for sample ", which(!is.finite(factors))[1], argument = "locfunc")
  if (centred || !is.null(geo)) factors / exp(mean(log(factors))) else factors
}

#' @rdname estimateSizeFactors-DESeqDataSet-method
#' @export
estimateSizeFactorsForMatrix <- function(counts, locfunc = stats::median, geoMeans, controlGenes,
                                         type = c("ratio", "poscounts")) {
  caller <- "estimateSizeFactorsForMatrix"
  type <- one_of(type, c("ratio", "poscounts"), "type", caller)
  counts <- as.matrix(counts)
  if (!is.numeric(counts) || anyNA(counts) || any(counts < 0))
    refuse(caller, "counts must be a matrix of numbers of at least 0", argument = "counts", kind = "invalid_data")
  control <- if (!missing(controlGenes)) positions_of(controlGenes, caller)
  factors <- ratio_factors(counts, located(locfunc, caller), type, if (!missing(geoMeans)) as.double(geoMeans), control, FALSE,
                           caller)
  setNames(factors, colnames(counts))
}

quietly_made <- function(expr) suppressMessages(expr)

#' @rdname estimateSizeFactors-DESeqDataSet-method
#' @export
setMethod("estimateDispersions", "DESeqDataSet",
          function(object, fitType = c("parametric", "local", "mean", "glmGamPoi"), maxit = 100, useCR = TRUE,
                   weightThreshold = 1e-2, quiet = FALSE, modelMatrix = NULL,
                   minmu = if (fitType == "glmGamPoi") 1e-6 else 0.5, parallel = FALSE, BPPARAM = NULL) {
  caller <- "estimateDispersions"
  object <- as_dds(object, caller)
  fitType <- one_of(fitType, c("parametric", "local", "mean", "glmGamPoi"), "fitType", caller)
  options <- list(fit_type = fitType, disp_maxit = maxit, use_cr = yes_no(useCR, "useCR", caller),
                  weight_threshold = weightThreshold, min_mu = minmu, mode = engine_mode(caller),
                  keep_assays = !large_assays(object))
  full <- if (is.null(modelMatrix)) object@design else modelMatrix
  check_levels(object, full, caller)
  if (!is.null(dispersions(object))) {
    if (!quiet) message("dispersions of an earlier analysis are replaced")
    object <- removeResults(object)
  }
  handle <- engine_for(object, "data", caller, full, changes = TRUE)
  noted_call(caller, deseq_threads(parallel, BPPARAM, caller), quiet,
             function(settings) deseq_step(settings, handle, "dispersions", options))
  object <- absorb(object, handle)
  if (options$keep_assays) object <- set_assay(object, "mu", array_of(handle, "mu"))
  tie_engine(object, handle, "dispersions", full)
})

#' @rdname estimateSizeFactors-DESeqDataSet-method
#' @export
nbinomWaldTest <- function(object, betaPrior = FALSE, betaPriorVar, modelMatrix = NULL, modelMatrixType, betaTol = 1e-8,
                           maxit = 100, useOptim = TRUE, quiet = FALSE, useT = FALSE, df, useQR = TRUE, minmu = 0.5,
                           parallel = FALSE, BPPARAM = NULL) {
  caller <- "nbinomWaldTest"
  object <- as_dds(object, caller)
  type <- matrix_type(if (missing(modelMatrixType)) NULL else modelMatrixType, yes_no(betaPrior, "betaPrior", caller), caller)
  options <- list(beta_prior = betaPrior, beta_tol = betaTol, maxit = maxit, use_optim = yes_no(useOptim, "useOptim", caller),
                  use_qr = yes_no(useQR, "useQR", caller),
                  use_t = yes_no(useT, "useT", caller), min_mu = minmu, keep_assays = !large_assays(object),
                  mode = engine_mode(caller))
  if (betaPrior) options$model_matrix_type <- type
  if (!missing(betaPriorVar)) options$beta_prior_var <- I(as.double(betaPriorVar))
  if (!missing(df)) options$df <- I(as.double(df))
  full <- if (is.null(modelMatrix)) object@design else modelMatrix
  check_levels(object, full, caller)
  object <- without_old_test(object, quiet)
  handle <- engine_for(object, "dispersions", caller, full, changes = TRUE)
  noted_call(caller, deseq_threads(parallel, BPPARAM, caller), quiet,
             function(settings) deseq_step(settings, handle, "wald", options))
  finish_test(object, handle, full, "Wald", type, NULL, minmu)
}

#' @rdname estimateSizeFactors-DESeqDataSet-method
#' @export
nbinomLRT <- function(object, full = design(object), reduced, betaTol = 1e-8, maxit = 100, useOptim = TRUE, quiet = FALSE,
                      useQR = TRUE, minmu = if (type == "glmGamPoi") 1e-6 else 0.5, type = c("DESeq2", "glmGamPoi"),
                      parallel = FALSE, BPPARAM = NULL) {
  caller <- "nbinomLRT"
  object <- as_dds(object, caller)
  type <- one_of(type, c("DESeq2", "glmGamPoi"), "type", caller)
  if (missing(reduced)) refuse(caller, "reduced, the smaller model, is missing", argument = "reduced")
  options <- list(beta_tol = betaTol, maxit = maxit, use_optim = yes_no(useOptim, "useOptim", caller),
                  use_qr = yes_no(useQR, "useQR", caller), min_mu = minmu,
                  keep_assays = !large_assays(object), reduced = reduced_for_engine(reduced, full, object, caller),
                  type = type, mode = engine_mode(caller))
  check_levels(object, full, caller)
  object <- without_old_test(object, quiet)
  handle <- engine_for(object, "dispersions", caller, full, changes = TRUE, means = type == "DESeq2")
  noted_call(caller, deseq_threads(parallel, BPPARAM, caller), quiet,
             function(settings) deseq_step(settings, handle, "lrt", options))
  finish_test(object, handle, full, "LRT", "standard", reduced, minmu)
}

without_old_test <- function(object, quiet) {
  if (is.null(dispersions(object)))
    refuse("DESeq", "the object has no dispersions; call estimateDispersions first", argument = "object", kind = "state")
  if (length(resultsNames(object)) > 0) {
    if (!quiet) message("results of an earlier test are replaced")
    object <- removeResults(object)
  }
  object
}
