#' The table of a comparison
#'
#' One row for each gene: `baseMean`, `log2FoldChange`, `lfcSE`, `stat`, `pvalue`, `padj`. Genes with an outlier that was
#' not replaced have no p-value; genes whose mean count is too low to be found have no adjusted one.
#'
#' @param object a [DESeqDataSet-class] after [DESeq()].
#' @param contrast what is compared: `c("factor", "level", "base")`; a list of one or two character vectors of
#'   [resultsNames()], whose effects are added and subtracted; or a number for each coefficient.
#' @param name a coefficient of [resultsNames()], instead of a contrast. Without either: the last coefficient.
#' @param lfcThreshold log2 fold change of the null hypothesis.
#' @param altHypothesis which effects are looked for: beyond, within, above or below the threshold.
#' @param listValues numbers that the two parts of a list are multiplied by.
#' @param cooksCutoff Cook's distance of an outlier; by default a quantile of F. `FALSE` or `Inf`: none.
#' @param independentFiltering whether genes of low means are left out where that finds more.
#' @param alpha level that the filtering is done for.
#' @param filter a number for each gene to filter by, instead of the mean.
#' @param theta quantiles of the filter that are tried.
#' @param pAdjustMethod method of [stats::p.adjust()].
#' @param filterFun function `(res, filter, alpha, pAdjustMethod)` that gives the adjusted p-values, or a table with them.
#' @param format `"DataFrame"`, `"GRanges"` or `"GRangesList"`.
#' @param saveCols names or numbers of columns of `mcols(object)` to add.
#' @param test `"Wald"` gives Wald tests after a likelihood-ratio test.
#' @param addMLE whether effects without prior are added, after `betaPrior = TRUE`.
#' @param tidy whether a data frame with the genes in the column `row` is wanted.
#' @param parallel,BPPARAM see [DESeq()].
#' @param minmu least fitted mean of contrasts; the one of the test when missing.
#' @param compat whose rules are followed where versions of DESeq2 differ: `"1.44"` or `"1.38"`.
#' @return A [DESeqResults-class], unless another format is asked for.
#' @examples
#' set.seed(1)
#' dds <- DESeq(makeExampleDESeqDataSet(n = 200, m = 6, betaSD = 1), quiet = TRUE)
#' res <- results(dds, contrast = c("condition", "B", "A"), alpha = 0.05)
#' summary(res)
#' @export
results <- function(object, contrast, name, lfcThreshold = 0,
                    altHypothesis = c("greaterAbs", "lessAbs", "greater", "less", "greaterAbs2014"), listValues = c(1, -1),
                    cooksCutoff, independentFiltering = TRUE, alpha = 0.1, filter, theta, pAdjustMethod = "BH", filterFun,
                    format = c("DataFrame", "GRanges", "GRangesList"), saveCols = NULL, test = c("Wald", "LRT"),
                    addMLE = FALSE, tidy = FALSE, parallel = FALSE, BPPARAM = NULL, minmu = NULL,
                    compat = c("1.44", "1.38")) {
  caller <- "results"
  object <- as_dds(object, caller)
  format <- one_of(format, c("DataFrame", "GRanges", "GRangesList"), "format", caller)
  if (!has_results(object))
    refuse(caller, "the object has no test; call DESeq, nbinomWaldTest or nbinomLRT first", argument = "object", kind = "state")
  if (format != "DataFrame" && tidy) refuse(caller, "tidy = TRUE gives a data frame; format must be \"DataFrame\"",
                                            argument = "format")
  options <- list(lfc_threshold = one_number(lfcThreshold, "lfcThreshold", caller), alpha = one_number(alpha, "alpha", caller),
                  alt_hypothesis = one_of(altHypothesis, c("greaterAbs", "lessAbs", "greater", "less", "greaterAbs2014"),
                                          "altHypothesis", caller),
                  list_values = I(as.double(listValues)), p_adjust_method = p_adjust(pAdjustMethod, caller),
                  independent_filtering = yes_no(independentFiltering, "independentFiltering", caller),
                  add_mle = yes_no(addMLE, "addMLE", caller), compat = one_of(compat, c("1.44", "1.38"), "compat", caller))
  if (!missing(contrast) && !missing(name))
    refuse(caller, "give either a contrast or a name", argument = "name")
  if (!missing(contrast)) options$contrast <- contrast_for_engine(contrast, object, caller)
  if (!missing(name)) options$name <- one_name(name, caller)
  if (!missing(cooksCutoff)) options$cooks_cutoff <- if (identical(cooksCutoff, FALSE) || identical(cooksCutoff, Inf)) FALSE else
    one_number(cooksCutoff, "cooksCutoff", caller)
  if (!missing(filter)) {
    if (!is.numeric(filter) || length(filter) != nrow(object))
      refuse(caller, "filter must be a number for each gene (", nrow(object), ")", argument = "filter")
    options$filter <- I(as.double(filter))
  }
  if (!missing(theta)) options$theta <- I(as.double(theta))
  if (!missing(test)) options$test <- one_of(test, c("Wald", "LRT"), "test", caller)
  if (!missing(filterFun)) options$independent_filtering <- FALSE
  handle <- engine_for(object, "test", caller, fitted_design(object), min_mu = minmu)
  made <- noted_call(caller, deseq_threads(parallel, BPPARAM, caller), FALSE,
                     function(settings) deseq_results(settings, handle, options))
  table <- results_of(made, object, caller)
  if (!missing(filterFun)) table <- by_filter_function(table, filterFun, if (missing(filter)) table$baseMean else filter,
                                                       alpha, pAdjustMethod, caller)
  finish_results(table, object, format, saveCols, tidy, caller)
}

p_adjust <- function(method, caller) {
  one_of(method, stats::p.adjust.methods, "pAdjustMethod", caller)
}

one_name <- function(name, caller) {
  if (!is.character(name) || length(name) != 1 || is.na(name))
    refuse(caller, "name must be one of resultsNames(object)", argument = "name")
  utf8(name)
}

# The design that the coefficients belong to.
fitted_design <- function(object) {
  if (identical(attr(object, "modelMatrixType", exact = TRUE), "user-supplied"))
    return(attr(object, "modelMatrix", exact = TRUE))
  object@design
}

contrast_for_engine <- function(contrast, object, caller) {
  no <- function(...) refuse(caller, ..., argument = "contrast")
  if (is.character(contrast)) {
    if (length(contrast) != 3) no("contrast has ", length(contrast), " words; must be c(factor, level, base)")
    if (!contrast[1] %in% colnames(SummarizedExperiment::colData(object)))
      no(dQuote(contrast[1], FALSE), " is not a column of colData")
    return(I(utf8(contrast)))
  }
  if (is.list(contrast)) {
    if (length(contrast) == 0 || length(contrast) > 2 || !all(vapply(contrast, is.character, TRUE)))
      no("a list must hold one or two character vectors of resultsNames(object)")
    if (length(contrast) == 1) contrast[[2]] <- character()
    return(list(numerators = I(utf8(contrast[[1]])), denominators = I(utf8(contrast[[2]]))))
  }
  if (is.numeric(contrast)) return(I(as.double(contrast)))
  no("contrast of class ", class(contrast)[1], "; must be c(factor, level, base), a list of coefficients, or numbers")
}

# A table of the engine with its descriptions.
results_of <- function(handle, object, caller, priorInfo = list()) {
  facts <- value_of(deseq_results_facts(handle), caller)
  info <- facts$info
  columns <- vapply(info$columns, `[[`, "", "column")
  values <- lapply(setNames(nm = columns), function(name) {
    column <- array_of(handle, name)
    column[is.nan(column)] <- NA_real_
    column
  })
  frame <- S4Vectors::DataFrame(values, row.names = rownames(object), check.names = FALSE)
  S4Vectors::mcols(frame) <- S4Vectors::DataFrame(type = vapply(info$columns, `[[`, "", "type"),
                                                  description = vapply(info$columns, `[[`, "", "description"))
  found <- list()
  if (!is.null(info$filter_threshold)) {
    theta <- info$filter_theta
    found$filterThreshold <- setNames(info$filter_threshold, percent(theta))
    found$filterTheta <- theta
    numbers <- data.frame(theta = array_of(handle, "filter_theta"), numRej = array_of(handle, "filter_num_rej"))
    rownames(numbers) <- percent(numbers$theta)
    found$filterNumRej <- numbers
    found$lo.fit <- stats::lowess(numbers$numRej ~ numbers$theta, f = 1 / 5)
  }
  found$alpha <- info$alpha
  found$lfcThreshold <- info$lfc_threshold
  S4Vectors::metadata(frame) <- found
  new("DESeqResults", frame, priorInfo = priorInfo)
}

# As quantile() names its values.
percent <- function(x) paste0(formatC(100 * x, format = "fg", width = 1, digits = 7), "%")

by_filter_function <- function(table, filterFun, filter, alpha, pAdjustMethod, caller) {
  made <- filterFun(res = table, filter = filter, alpha = alpha, pAdjustMethod = pAdjustMethod)
  if (is(made, "DataFrame")) return(DESeqResults(made, table@priorInfo))
  if (!is.numeric(made) || length(made) != nrow(table))
    refuse(caller, "filterFun must give the table with padj, or a number for each gene", argument = "filterFun")
  table$padj <- made
  table
}

finish_results <- function(table, object, format, saveCols, tidy, caller) {
  if (!is.null(saveCols)) {
    genes <- S4Vectors::mcols(object)
    unknown <- if (is.character(saveCols)) setdiff(saveCols, colnames(genes)) else
      saveCols[!saveCols %in% seq_len(ncol(genes))]
    if (length(unknown) > 0)
      refuse(caller, "saveCols: ", dQuote(unknown[1], FALSE), " is not a column of mcols(object)", argument = "saveCols")
    info <- table@priorInfo
    both <- cbind(as(table, "DFrame"), genes[, saveCols, drop = FALSE])
    S4Vectors::metadata(both) <- S4Vectors::metadata(table)
    notes <- S4Vectors::mcols(genes)
    added <- if (is.null(notes)) input_notes(genes[, saveCols, drop = FALSE]) else
      notes[match(colnames(genes[, saveCols, drop = FALSE]), colnames(genes)), c("type", "description")]
    S4Vectors::mcols(both) <- rbind(S4Vectors::mcols(table)[, c("type", "description")], added)
    table <- new("DESeqResults", both, priorInfo = info)
  }
  if (tidy) {
    plain <- as.data.frame(table)
    return(data.frame(row = rownames(table), plain, row.names = NULL, check.names = FALSE))
  }
  if (format == "DataFrame") return(table)
  ranges <- SummarizedExperiment::rowRanges(object)
  if (format == "GRanges") {
    if (is(ranges, "GRangesList")) {
      message("each gene's ranges are replaced by the one that holds them all")
      ranges <- unlist(range(ranges))
    }
    S4Vectors::mcols(ranges) <- as(table, "DFrame")
  } else {
    if (!is(ranges, "GRangesList")) refuse(caller, "format = \"GRangesList\" needs an object whose rowRanges are a list",
                                           argument = "format")
    S4Vectors::mcols(ranges) <- as(table, "DFrame")
  }
  ranges
}

#' @describeIn DESeqResults-class How many genes go up and down, have outliers or low counts.
#' @param object a DESeqResults.
#' @param alpha level; that of the table when missing, 0.005 for s-values.
#' @param ... unused.
#' @export
#' @method summary DESeqResults
summary.DESeqResults <- function(object, alpha, ...) {
  caller <- "summary"
  by_s <- "svalue" %in% colnames(object)
  about <- S4Vectors::metadata(object)
  if (missing(alpha)) alpha <- if (by_s) 0.005 else if (is.null(about$alpha)) 0.1 else about$alpha
  names <- intersect(c("baseMean", "log2FoldChange", if (by_s) "svalue" else c("pvalue", "padj")), colnames(object))
  columns <- lapply(setNames(nm = names), function(name) {
    values <- as.double(object[[name]])
    values[is.na(values)] <- NaN
    values
  })
  options <- list(alpha = one_number(alpha, "alpha", caller), lfc_threshold = about$lfcThreshold,
                  filter_threshold = unname(about$filterThreshold))
  kept <- value_of(deseq_results_kept(gene_names(object), columns, options[lengths(options) == 1]), caller)
  cat(value_of(deseq_results_facts(kept), caller)$summary)
  invisible(object)
}

#' @rdname DESeqResults-class
#' @export
setMethod("summary", "DESeqResults", summary.DESeqResults)

#' Shrunken fold changes
#'
#' Effects of genes with little information move towards 0; large, well supported ones stay. `"apeglm"` and `"ashr"` are
#' computed by the engine itself: no further package is needed.
#'
#' @param dds a [DESeqDataSet-class] after [DESeq()].
#' @param coef name or number of a coefficient of [resultsNames()].
#' @param contrast see [results()]; `"apeglm"` too takes contrasts, as coefficients of an equivalent design.
#' @param res the table of the same comparison; made when missing.
#' @param type prior: `"apeglm"` (Cauchy), `"ashr"` (mixture of normals) or `"normal"`.
#' @param lfcThreshold with a number above 0, s-values (apeglm, ashr) or p-values (normal) for effects beyond it.
#' @param svalue whether s-values replace p-values.
#' @param returnList whether `list(res =, fit =)` is wanted; `fit` is the prior.
#' @param format,saveCols,parallel,BPPARAM,compat see [results()].
#' @param apeAdapt whether the scale of apeglm's prior is estimated from all genes. Otherwise it is 1, for every coefficient but the
#'   first.
#' @param apeMethod only `"nbinomCR"` is supported.
#' @param quiet whether messages are left out.
#' @param ... nothing: arguments of the packages apeglm and ashr are not supported.
#' @return A [DESeqResults-class]; see [priorInfo()].
#' @examples
#' set.seed(1)
#' dds <- DESeq(makeExampleDESeqDataSet(n = 200, m = 6, betaSD = 1), quiet = TRUE)
#' lfcShrink(dds, coef = "condition_B_vs_A", quiet = TRUE)
#' @export
lfcShrink <- function(dds, coef, contrast, res, type = c("apeglm", "ashr", "normal"), lfcThreshold = 0, svalue = FALSE,
                      returnList = FALSE, format = c("DataFrame", "GRanges", "GRangesList"), saveCols = NULL,
                      apeAdapt = TRUE, apeMethod = "nbinomCR", parallel = FALSE, BPPARAM = NULL, quiet = FALSE,
                      compat = c("1.44", "1.38"), ...) {
  caller <- "lfcShrink"
  object <- as_dds(dds, caller)
  type <- one_of(type, c("apeglm", "ashr", "normal"), "type", caller)
  format <- one_of(format, c("DataFrame", "GRanges", "GRangesList"), "format", caller)
  only(apeMethod, "nbinomCR", "apeMethod", caller)
  if (...length() > 0) {
    name <- ...names()[1]
    refuse(caller, if (length(name) == 1 && nzchar(name)) paste0(name, ": ") else "", "unknown argument; arguments of ",
           "other packages' functions are not supported", argument = name, kind = "unsupported")
  }
  if (!missing(coef) && !missing(contrast)) refuse(caller, "give either coef or contrast", argument = "coef")
  options <- list(type = type, svalue = yes_no(svalue, "svalue", caller), ape_adapt = yes_no(apeAdapt, "apeAdapt", caller),
                  lfc_threshold = one_number(lfcThreshold, "lfcThreshold", caller),
                  compat = one_of(compat, c("1.44", "1.38"), "compat", caller))
  if (options$svalue && type == "normal") refuse(caller, "svalue = TRUE needs type \"apeglm\" or \"ashr\"", argument = "svalue")
  target <- shrink_target(object, if (missing(coef)) NULL else coef, if (missing(contrast)) NULL else contrast,
                          if (missing(res)) NULL else res, type, caller)
  options[names(target)] <- target
  handle <- engine_for(object, "test", caller, fitted_design(object))
  threads <- deseq_threads(parallel, BPPARAM, caller)
  base <- if (!missing(res)) given_results(object, handle, res, target, options, threads, caller)
  made <- noted_call(caller, threads, quiet, function(settings) deseq_shrink(settings, handle, base, options))
  facts <- value_of(deseq_results_facts(made), caller)
  priorInfo <- c(list(type = type, package = "cytosol", version = utils::packageVersion("cytosol")),
                 prior_parts(facts$info$prior, type, resultsNames(object) == options$name, apeAdapt))
  table <- results_of(made, object, caller, priorInfo)
  if (!missing(res)) {
    kept <- S4Vectors::metadata(res)
    S4Vectors::metadata(table)[names(kept)] <- kept
  }
  if (options$lfc_threshold > 0) S4Vectors::metadata(table)$lfcThreshold <- options$lfc_threshold
  table <- finish_results(table, object, format, saveCols, FALSE, caller)
  if (returnList) list(res = table, fit = priorInfo) else table
}

# What a prior is made of, under the names that the packages of these methods use.
prior_parts <- function(prior, type, coef, adapted) {
  if (type == "normal") return(list(betaPriorVar = setNames(prior$variance, prior$names)))
  if (type == "ashr") return(list(fitted_g = list(pi = prior$pi, mean = numeric(length(prior$sd)), sd = prior$sd)))
  # Of a contrast the columns are those of another model matrix.
  wide <- if (!adapted) 1L else if (any(coef)) which(!coef)
  control <- list(no.shrink = wide, prior.mean = 0, prior.scale = prior$scale, prior.df = 1, prior.no.shrink.mean = 0,
                  prior.no.shrink.scale = 15)
  list(prior.control = control)
}

shrink_target <- function(object, coef, contrast, res, type, caller) {
  names <- resultsNames(object)
  if (!is.null(contrast)) return(list(contrast = contrast_for_engine(contrast, object, caller)))
  if (is.null(coef)) {
    if (type == "ashr" && !is.null(res)) return(list(name = names[length(names)]))
    refuse(caller, "coef or contrast is needed; coefficients are ", paste(names, collapse = ", "), argument = "coef")
  }
  if (is.numeric(coef)) {
    if (length(coef) != 1 || !coef %in% seq_along(names))
      refuse(caller, "coef must be from 1 to ", length(names), ", or a name", argument = "coef")
    coef <- names[coef]
  }
  if (!is.character(coef) || length(coef) != 1 || !coef %in% names)
    refuse(caller, "coef is not one of ", paste(names, collapse = ", "), argument = "coef")
  list(name = utf8(coef))
}

# A table that the user gives: the engine's table of the comparison, with the columns that the user's has.
given_results <- function(object, handle, res, target, options, threads, caller) {
  if (!is(res, "DataFrame") || nrow(res) != nrow(object) || !all(c("log2FoldChange", "lfcSE") %in% colnames(res)))
    refuse(caller, "res must be the table that results() gives for this object", argument = "res")
  asked <- c(target, list(compat = options$compat))
  base <- noted_call(caller, threads, TRUE, function(settings) deseq_results(settings, handle, asked))
  mine <- function(name) array_of(base, name)
  lfc <- as.double(res$log2FoldChange)
  same <- isTRUE(all.equal(lfc[!is.na(lfc)], mine("log2FoldChange")[!is.na(lfc)], tolerance = 1e-6))
  if (!same && options$type != "ashr")
    refuse(caller, "res is the table of another comparison than coef or contrast", argument = "res")
  for (name in intersect(c("log2FoldChange", "lfcSE", "stat", "pvalue", "padj"), colnames(res))) {
    values <- as.double(res[[name]])
    values[is.na(values)] <- NaN
    value_of(deseq_results_set(base, name, values), caller)
  }
  base
}
