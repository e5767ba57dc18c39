#' The stages of the dispersions and of the prior
#'
#' What [estimateDispersions()] does, one stage after the other, for those who look at what lies between or change it:
#' `estimateDispersionsGeneEst` estimates the dispersion of each gene by itself (columns `dispGeneEst`, `dispGeneIter`, and
#' the assay `mu` of fitted means), `estimateDispersionsFit` a trend over the means (column `dispFit` and
#' [dispersionFunction()]), `estimateDispersionsMAP` moves the former towards the latter (columns `dispersion`,
#' `dispIter`, `dispOutlier`, `dispMAP`). `estimateDispersionsPriorVar` is how far true log dispersions lie from the trend,
#' which the last stage estimates by itself when it is not told. Columns of stages that are not repeated stay as they are.
#'
#' `estimateMLEForBetaPriorVar` fits coefficients without a prior (columns that begin with `MLE_`);
#' `estimateBetaPriorVar` gives the variances of a prior for them, for `betaPriorVar` of [nbinomWaldTest()].
#'
#' @param object a [DESeqDataSet-class] with size factors.
#' @param minDisp least dispersion.
#' @param kappa_0 first step of the line search.
#' @param dispTol gain of the log likelihood that ends the line search.
#' @param maxit most steps of the line search; most iterations of a fit of coefficients.
#' @param useCR,weightThreshold,modelMatrix see [estimateDispersions()]. `estimateBetaPriorVar` takes none.
#' @param quiet whether messages are left out.
#' @param niter how often means and dispersions are estimated in turn.
#' @param linearMu whether the means are linear in the design; decided by the design when missing.
#' @param minmu least fitted mean.
#' @param alphaInit dispersions to start from: one, or one for each gene (with or without the genes that have no counts).
#' @param type only `"DESeq2"` is supported.
#' @param fitType see [DESeq()].
#' @param outlierSD standard deviations above the trend from which on a gene keeps its own estimate.
#' @param dispPriorVar variance of the prior of log dispersions; estimated when missing.
#' @param betaPriorMethod whether genes with small variances count more (`"weighted"`) or all the same (`"quantile"`).
#' @param upperQuantile share of the largest coefficients that the prior is matched to.
#' @param useOptim,useQR see [nbinomWaldTest()].
#' @param modelMatrixType the kind of matrix that the prior is for; `"expanded"` unless the design is `~ 1`.
#' @return The object with the estimates; a number for `estimateDispersionsPriorVar`; a number for each coefficient for
#'   `estimateBetaPriorVar`.
#' @source DESeq2, functions of the same names.
#' @examples
#' set.seed(1)
#' dds <- estimateSizeFactors(makeExampleDESeqDataSet(n = 200, m = 6))
#' dds <- estimateDispersionsGeneEst(dds)
#' dds <- estimateDispersionsFit(dds)
#' dds <- estimateDispersionsMAP(dds, dispPriorVar = estimateDispersionsPriorVar(dds))
#' dds <- nbinomWaldTest(dds)
#' @export
estimateDispersionsGeneEst <- function(object, minDisp = 1e-8, kappa_0 = 1, dispTol = 1e-6, maxit = 100, useCR = TRUE,
                                       weightThreshold = 1e-2, quiet = FALSE, modelMatrix = NULL, niter = 1, linearMu = NULL,
                                       minmu = if (type == "glmGamPoi") 1e-6 else 0.5, alphaInit = NULL,
                                       type = c("DESeq2", "glmGamPoi")) {
  caller <- "estimateDispersionsGeneEst"
  object <- as_dds(object, caller)
  type <- one_of(type, c("DESeq2", "glmGamPoi"), "type", caller)
  options <- c(fit_type_of(type), search_options(minDisp, kappa_0, dispTol, maxit, useCR, weightThreshold, caller),
               list(niter = one_number(niter, "niter", caller), min_mu = one_number(minmu, "minmu", caller), keep_assays = TRUE))
  if (!is.null(linearMu)) options$linear_mu <- yes_no(linearMu, "linearMu", caller)
  if (!is.null(alphaInit)) options$alpha_init <- I(start_of_each(alphaInit, object, caller))
  if (!quiet && !is.null(S4Vectors::mcols(object)$dispGeneEst)) message("gene-wise dispersions of an earlier call are replaced")
  full <- if (is.null(modelMatrix)) object@design else modelMatrix
  handle <- engine_for(object, "data", caller, full, changes = TRUE)
  noted_call(caller, deseq_threads(FALSE, NULL, caller), quiet,
             function(settings) deseq_step(settings, handle, "gene_wise", options))
  object <- put_engine_columns(object, handle, c("baseMean", "baseVar", "allZero", "dispGeneEst", "dispGeneIter"))
  object <- set_assay(object, "mu", array_of(handle, "mu"))
  tie_engine(object, handle, "gene-wise", full)
}

# The kind of trend stands for the kind of dispersions in the engine.
fit_type_of <- function(type) if (type == "glmGamPoi") list(fit_type = "glmGamPoi")

search_options <- function(minDisp, kappa_0, dispTol, maxit, useCR, weightThreshold, caller) {
  list(min_disp = one_number(minDisp, "minDisp", caller), kappa_0 = one_number(kappa_0, "kappa_0", caller),
       disp_tol = one_number(dispTol, "dispTol", caller), disp_maxit = one_number(maxit, "maxit", caller),
       use_cr = yes_no(useCR, "useCR", caller), weight_threshold = one_number(weightThreshold, "weightThreshold", caller))
}

# One value for all genes, or for each; values for genes with counts only are spread over all.
start_of_each <- function(alphaInit, object, caller) {
  if (!is.numeric(alphaInit) || any(is.na(alphaInit) | alphaInit <= 0))
    refuse(caller, "alphaInit must be positive numbers", argument = "alphaInit")
  n <- nrow(object)
  if (length(alphaInit) %in% c(1, n)) return(as.double(alphaInit))
  used <- which(Matrix::rowSums(counts_of(object)) > 0)
  if (length(alphaInit) != length(used))
    refuse(caller, "alphaInit has ", length(alphaInit), " values; must have 1, or one for each gene (", n, "), or for each with counts (",
           length(used), ")", argument = "alphaInit")
  all <- rep(1, n)
  all[used] <- alphaInit
  all
}

# Columns of the engine's table of genes, by name, put where the object has them.
put_engine_columns <- function(object, handle, names) {
  table <- value_of(deseq_gene_table(handle), "DESeq")
  for (name in names) {
    values <- table[[name]]
    if (is.double(values)) values[is.nan(values)] <- NA_real_
    if (name == "dispOutlier") values[table$allZero] <- NA
    object <- put_gene_column(object, name, values)
  }
  object
}

#' @rdname estimateDispersionsGeneEst
#' @export
estimateDispersionsFit <- function(object, fitType = c("parametric", "local", "mean", "glmGamPoi"), minDisp = 1e-8,
                                   quiet = FALSE) {
  caller <- "estimateDispersionsFit"
  object <- as_dds(object, caller)
  options <- list(fit_type = one_of(fitType, c("parametric", "local", "mean", "glmGamPoi"), "fitType", caller),
                  min_disp = one_number(minDisp, "minDisp", caller))
  handle <- engine_for(object, "gene-wise", caller, changes = TRUE)
  noted_call(caller, deseq_threads(FALSE, NULL, caller), quiet,
             function(settings) deseq_step(settings, handle, "trend", options))
  info <- value_of(deseq_info(handle), caller)
  object@dispersionFunction <- trend_function(array_of(handle, "trend"), info$fit_type, info$var_log_disp_ests, NULL)
  tie_engine(put_engine_columns(object, handle, "dispFit"), handle, "trend")
}

#' @rdname estimateDispersionsGeneEst
#' @export
estimateDispersionsPriorVar <- function(object, minDisp = 1e-8, modelMatrix = NULL) {
  caller <- "estimateDispersionsPriorVar"
  object <- as_dds(object, caller)
  full <- if (is.null(modelMatrix)) object@design else modelMatrix
  handle <- engine_for(object, "trend", caller, full)
  value_of(deseq_disp_prior_var(handle, list(min_disp = one_number(minDisp, "minDisp", caller))), caller)
}

#' @rdname estimateDispersionsGeneEst
#' @export
estimateDispersionsMAP <- function(object, outlierSD = 2, dispPriorVar, minDisp = 1e-8, kappa_0 = 1, dispTol = 1e-6,
                                   maxit = 100, useCR = TRUE, weightThreshold = 1e-2, modelMatrix = NULL,
                                   type = c("DESeq2", "glmGamPoi"), quiet = FALSE) {
  caller <- "estimateDispersionsMAP"
  object <- as_dds(object, caller)
  type <- one_of(type, c("DESeq2", "glmGamPoi"), "type", caller)
  options <- c(fit_type_of(type), search_options(minDisp, kappa_0, dispTol, maxit, useCR, weightThreshold, caller),
               list(outlier_sd = one_number(outlierSD, "outlierSD", caller)))
  if (!missing(dispPriorVar)) options$disp_prior_var <- one_number(dispPriorVar, "dispPriorVar", caller)
  if (!quiet && !is.null(dispersions(object))) message("dispersions of an earlier call are replaced")
  full <- if (is.null(modelMatrix)) object@design else modelMatrix
  handle <- engine_for(object, "trend", caller, full, changes = TRUE)
  noted_call(caller, deseq_threads(FALSE, NULL, caller), quiet,
             function(settings) deseq_step(settings, handle, "shrink", options))
  quasi <- if (type == "glmGamPoi") quasi_columns
  object <- put_engine_columns(object, handle, c("dispersion", "dispIter", "dispOutlier", "dispMAP", quasi))
  attr(object, "dispModelMatrix") <- array_of(handle, "disp_model_matrix")
  info <- value_of(deseq_info(handle), caller)
  attr(object@dispersionFunction, "dispPriorVar") <- info$disp_prior_var
  attr(object, "quasiLikelihood_df0") <- if (type == "glmGamPoi") if (is.null(info$ql_df0)) Inf else info$ql_df0
  tie_engine(object, handle, "dispersions", full)
}

#' @rdname estimateDispersionsGeneEst
#' @export
estimateMLEForBetaPriorVar <- function(object, maxit = 100, useOptim = TRUE, useQR = TRUE, modelMatrixType = NULL) {
  caller <- "estimateMLEForBetaPriorVar"
  object <- as_dds(object, caller)
  if (!is_formula(object@design)) refuse(caller, "a prior of coefficients needs a design formula", argument = "object")
  if (is.null(modelMatrixType)) modelMatrixType <- if (same_formula(object@design, ~1)) "standard" else "expanded"
  modelMatrixType <- one_of(modelMatrixType, c("standard", "expanded"), "modelMatrixType", caller)
  options <- list(maxit = one_number(maxit, "maxit", caller), use_optim = yes_no(useOptim, "useOptim", caller),
                  use_qr = yes_no(useQR, "useQR", caller), keep_assays = TRUE)
  handle <- engine_for(object, "dispersions", caller, changes = TRUE)
  noted_call(caller, deseq_threads(FALSE, NULL, caller), FALSE,
             function(settings) deseq_step(settings, handle, "wald", options))
  beta <- array_of(handle, "coefficients")
  beta[is.nan(beta)] <- NA_real_
  colnames(beta) <- paste0("MLE_", array_of(handle, "results_names"))
  genes <- S4Vectors::mcols(object)
  added <- S4Vectors::DataFrame(beta, check.names = FALSE)
  S4Vectors::mcols(added) <- S4Vectors::DataFrame(type = rep("intermediate", ncol(beta)),
                                                  description = paste("MLE", gsub("_", " ", sub("MLE_", "", colnames(beta)))))
  object <- put_mcols(object, genes[, !startsWith(colnames(genes), "MLE_"), drop = FALSE], added)
  object <- set_assay(object, "H", array_of(handle, "H"))
  attr(object, "modelMatrixType") <- modelMatrixType
  tie_engine(object, handle, "other")
}

#' @rdname estimateDispersionsGeneEst
#' @export
estimateBetaPriorVar <- function(object, betaPriorMethod = c("weighted", "quantile"), upperQuantile = 0.05,
                                 modelMatrix = NULL) {
  caller <- "estimateBetaPriorVar"
  object <- as_dds(object, caller)
  only(modelMatrix, NULL, "modelMatrix", caller)
  method <- one_of(betaPriorMethod, c("weighted", "quantile"), "betaPriorMethod", caller)
  type <- attr(object, "modelMatrixType", exact = TRUE)
  genes <- S4Vectors::mcols(object)
  mle <- grep("^MLE_", colnames(genes), value = TRUE)
  if (length(mle) == 0 || is.null(type))
    refuse(caller, "the object has no coefficients without prior; call estimateMLEForBetaPriorVar first", argument = "object",
           kind = "state")
  handle <- engine_for(object, "dispersions", caller)
  options <- list(beta_prior_method = method, upper_quantile = one_number(upperQuantile, "upperQuantile", caller),
                  model_matrix_type = type)
  values <- vapply(mle, function(name) as.double(genes[[name]]), numeric(nrow(object)))
  values[is.na(values)] <- NaN
  value_of(deseq_beta_prior_var(handle, by_gene(values), options), caller)
  names <- array_of(handle, "beta_prior_names")
  if (type == "standard") names <- plain_coefficients(object)
  setNames(array_of(handle, "beta_prior_var"), names)
}

# Names of the coefficients as R's model matrix has them.
plain_coefficients <- function(object) {
  frame <- as.data.frame(SummarizedExperiment::colData(object))
  make.names(sub("(Intercept)", "Intercept", colnames(stats::model.matrix.default(object@design, data = frame)), fixed = TRUE))
}

#' Retired
#'
#' A name that DESeq2 still exports without a function behind it.
#'
#' @param ... anything.
#' @return Nothing: an error that says what to use.
#' @export
normalizeGeneLength <- function(...) {
  refuse("normalizeGeneLength", "does nothing any more; lengths of transcripts come with tximport and ",
         "DESeqDataSetFromTximport(), lengths of genes with fpkm()", kind = "unsupported")
}
