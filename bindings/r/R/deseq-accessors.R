#' Parts of a data set
#'
#' `counts` gives the counts, divided by size or normalization factors with `normalized = TRUE`, after the replacement of
#' outliers with `replaced = TRUE`. `sizeFactors` (one a sample) and `normalizationFactors` (one a count, which take the
#' place of size factors) scale the means; `dispersions` are those of the tests; `dispersionFunction` is their trend.
#' What was estimated before is kept until the next step replaces it.
#'
#' @param object a [DESeqDataSet-class].
#' @param normalized,replaced whether normalised or replaced counts are wanted.
#' @param value the new value.
#' @param ... unused.
#' @return The part; of replacement functions the object.
#' @name counts,DESeqDataSet-method
#' @aliases counts counts<- design design<- sizeFactors sizeFactors<-
NULL

#' @importFrom BiocGenerics counts counts<- design design<- sizeFactors sizeFactors<- estimateSizeFactors
#'   estimateDispersions plotMA plotPCA plotDispEsts
#' @export counts counts<- design design<- sizeFactors sizeFactors<- estimateSizeFactors estimateDispersions
#' @export plotMA plotPCA plotDispEsts
NULL

#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("counts", "DESeqDataSet", function(object, normalized = FALSE, replaced = FALSE) {
  name <- "counts"
  if (replaced) {
    if ("replaceCounts" %in% SummarizedExperiment::assayNames(object)) name <- "replaceCounts"
    else warning("counts: no outliers were replaced; these are the counts", call. = FALSE)
  }
  values <- if (normalized) normalized(object, name) else SummarizedExperiment::assay(object, name, withDimnames = FALSE)
  dimnames(values) <- dimnames(object)
  values
})

normalized <- function(object, name = "counts") {
  values <- assay_of(object, name)
  factors <- assay_of(object, "normalizationFactors")
  if (!is.null(factors)) return(values / factors)
  size <- sizeFactors(object)
  if (is.null(size) || anyNA(size))
    refuse("counts", "normalized = TRUE needs size factors; call estimateSizeFactors first", argument = "normalized",
           kind = "state")
  if (is(values, "dgCMatrix")) values %*% Matrix::Diagonal(x = 1 / size) else t(t(values) / size)
}

#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("counts<-", signature("DESeqDataSet", "matrix"), function(object, ..., value) {
  SummarizedExperiment::assay(object, "counts", withDimnames = FALSE) <- unname(value)
  whole_counts(object, "counts<-")
})

#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("design", "DESeqDataSet", function(object) object@design)

set_design <- function(object, value) {
  if (is_formula(value)) {
    unknown <- setdiff(all.vars(value), colnames(SummarizedExperiment::colData(object)))
    if (length(unknown) > 0)
      refuse("design<-", "variable ", dQuote(unknown[1], FALSE), " is not a column of colData", argument = "design")
    object <- checked_variables(object, value, "design<-")
  } else if (nrow(value) != ncol(object)) {
    refuse("design<-", "the model matrix has ", nrow(value), " rows for ", ncol(object), " samples", argument = "design")
  }
  object@design <- value
  object
}
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("design<-", signature("DESeqDataSet", "formula"), function(object, ..., value) set_design(object, value))
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("design<-", signature("DESeqDataSet", "matrix"), function(object, ..., value) set_design(object, value))

#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("sizeFactors", "DESeqDataSet", function(object) {
  table <- SummarizedExperiment::colData(object)
  if (!"sizeFactor" %in% colnames(table)) return(NULL)
  setNames(table$sizeFactor, colnames(object))
})

#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("sizeFactors<-", signature("DESeqDataSet", "numeric"), function(object, ..., value) {
  no <- function(...) refuse("sizeFactors<-", ..., argument = "sizeFactors")
  if (length(value) != ncol(object)) no(length(value), " values for ", ncol(object), " samples")
  bad <- which(!is.finite(value) | value <= 0)
  if (length(bad) > 0) no("the value of sample ", dQuote(sample_names(object)[bad[1]], FALSE), " is ", value[[bad[1]]],
                          "; all must be positive and finite")
  put_size_factors(object, value)
})
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("sizeFactors<-", signature("DESeqDataSet", "NULL"), function(object, ..., value) {
  table <- SummarizedExperiment::colData(object)
  object@colData <- table[, colnames(table) != "sizeFactor", drop = FALSE]
  object
})

#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("normalizationFactors", function(object, ...) standardGeneric("normalizationFactors"))
#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("normalizationFactors<-", function(object, ..., value) standardGeneric("normalizationFactors<-"))
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("normalizationFactors", "DESeqDataSet", function(object) {
  values <- assay_of(object, "normalizationFactors")
  if (!is.null(values)) dimnames(values) <- dimnames(object)
  values
})
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("normalizationFactors<-", signature("DESeqDataSet", "matrix"), function(object, ..., value) {
  no <- function(...) refuse("normalizationFactors<-", ..., argument = "normalizationFactors")
  if (!identical(dim(value), dim(object)))
    no("has ", nrow(value), " x ", ncol(value), " values for ", nrow(object), " genes x ", ncol(object), " samples")
  bad <- which(!is.finite(value) | value <= 0)
  if (length(bad) > 0) no("the value of gene ", dQuote(gene_names(object)[(bad[1] - 1) %% nrow(object) + 1], FALSE), " is ",
                          value[bad[1]], "; all must be positive and finite")
  set_assay(object, "normalizationFactors", unname(value))
})

#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("dispersions", function(object, ...) standardGeneric("dispersions"))
#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("dispersions<-", function(object, ..., value) standardGeneric("dispersions<-"))
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("dispersions", "DESeqDataSet", function(object) S4Vectors::mcols(object)$dispersion)
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("dispersions<-", signature("DESeqDataSet", "numeric"), function(object, ..., value) {
  if (length(value) != nrow(object))
    refuse("dispersions<-", length(value), " values for ", nrow(object), " genes", argument = "dispersions")
  bad <- which(!is.na(value) & (!is.finite(value) | value <= 0))
  if (length(bad) > 0) refuse("dispersions<-", value[bad[1]], " of gene ", dQuote(gene_names(object)[bad[1]], FALSE),
                              "; must be positive, or NA for genes without counts", argument = "dispersions")
  put_gene_column(object, "dispersion", unname(value))
})

put_gene_column <- function(object, name, values) {
  table <- S4Vectors::mcols(object)
  if (is.null(S4Vectors::mcols(table)$type)) S4Vectors::mcols(table) <- input_notes(table)
  table[[name]] <- values
  S4Vectors::mcols(table)[name, "type"] <- "intermediate"
  S4Vectors::mcols(table)[name, "description"] <- notes_of_genes[[name]]
  S4Vectors::mcols(object) <- table
  object
}

#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("dispersionFunction", function(object, ...) standardGeneric("dispersionFunction"))
#' @rdname counts-DESeqDataSet-method
#' @export
setGeneric("dispersionFunction<-", function(object, ..., value) standardGeneric("dispersionFunction<-"))
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("dispersionFunction", "DESeqDataSet", function(object) object@dispersionFunction)
#' @rdname counts-DESeqDataSet-method
#' @export
setMethod("dispersionFunction<-", signature("DESeqDataSet", "function"), function(object, ..., value) {
  genes <- S4Vectors::mcols(object)
  if (is.null(genes$baseMean)) {
    object <- with_base_columns(object)
    genes <- S4Vectors::mcols(object)
  }
  fit <- rep(NA_real_, nrow(object))
  used <- !genes$allZero
  fit[used] <- value(genes$baseMean[used])
  if (length(fit) != nrow(object) || any(!is.finite(fit[used]) | fit[used] <= 0))
    refuse("dispersionFunction<-", "the function must give a positive number for each mean",
           argument = "dispersionFunction")
  if (!is.null(genes$dispGeneEst) && is.null(attr(value, "varLogDispEsts"))) {
    above <- used & genes$dispGeneEst >= 1e-6
    if (any(above, na.rm = TRUE))
      attr(value, "varLogDispEsts") <- stats::mad(log(genes$dispGeneEst[which(above)]) - log(fit[which(above)]))^2
  }
  object@dispersionFunction <- value
  put_gene_column(object, "dispFit", fit)
})

#' Names and values of the coefficients
#'
#' @param object a [DESeqDataSet-class] after a test.
#' @param SE whether standard errors are wanted.
#' @param ... unused.
#' @return `resultsNames`: names that [results()] and [lfcShrink()] know. `coef`: matrix, genes x coefficients, log2.
#'   `removeResults`: the object without its test.
#' @export
resultsNames <- function(object) {
  genes <- S4Vectors::mcols(object)
  about <- S4Vectors::mcols(genes)
  if (is.null(about$description)) return(character())
  colnames(genes)[which(startsWith(as.character(about$description), "log2 fold change"))]
}

#' @rdname resultsNames
#' @export
#' @method coef DESeqDataSet
coef.DESeqDataSet <- function(object, SE = FALSE, ...) {
  names <- resultsNames(object)
  if (length(names) == 0)
    refuse("coef", "the object has no coefficients; call DESeq first", argument = "object", kind = "state")
  columns <- if (SE) paste0("SE_", names) else names
  values <- as.matrix(as.data.frame(S4Vectors::mcols(object)[, columns, drop = FALSE], optional = TRUE))
  dimnames(values) <- list(rownames(object), columns)
  values
}

#' @rdname resultsNames
#' @export
removeResults <- function(object) {
  object <- as_dds(object, "removeResults")
  genes <- S4Vectors::mcols(object)
  kind <- S4Vectors::mcols(genes)$type
  if (!is.null(kind)) S4Vectors::mcols(object) <- genes[, is.na(kind) | kind != "results", drop = FALSE]
  for (name in c("test", "betaPrior", "betaPriorVar", "modelMatrix", "modelMatrixType", "reducedModelMatrix"))
    attr(object, name) <- NULL
  object
}

#' The prior of shrunken effects
#'
#' @param object a [DESeqResults-class].
#' @param value list.
#' @param ... unused.
#' @return A list: the type, the package and what the prior is made of.
#' @export
setGeneric("priorInfo", function(object, ...) standardGeneric("priorInfo"))
#' @rdname priorInfo
#' @export
setGeneric("priorInfo<-", function(object, ..., value) standardGeneric("priorInfo<-"))
#' @rdname priorInfo
#' @export
setMethod("priorInfo", "DESeqResults", function(object) object@priorInfo)
#' @rdname priorInfo
#' @export
setMethod("priorInfo<-", signature("DESeqResults", "list"), function(object, ..., value) {
  object@priorInfo <- value
  object
})
