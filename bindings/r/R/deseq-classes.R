#' Counts of samples with replicates, and their analysis
#'
#' A `RangedSummarizedExperiment` whose first assay is `counts`, with a design. Made by
#' [DESeqDataSetFromMatrix()] and its kin, filled by [DESeq()]. Everything that was estimated is in the object:
#' it can be copied, saved, cut and sent to other processes.
#'
#' @slot design formula over `colData`, or a model matrix.
#' @slot dispersionFunction function from mean normalised count to dispersion; its attributes say how it came about.
#' @seealso [as_DESeq2()] for objects of DESeq2.
#' @export
setClass("DESeqDataSet", contains = "RangedSummarizedExperiment",
         slots = c(design = "ANY", dispersionFunction = "function"),
         prototype = prototype(design = ~1, dispersionFunction = function(q) rep(NA_real_, length(q))))

setValidity("DESeqDataSet", function(object) {
  if (length(SummarizedExperiment::assays(object)) == 0 || SummarizedExperiment::assayNames(object)[1] != "counts")
    return("the first assay must be called counts")
  if (!inherits(object@design, "formula") && !is.matrix(object@design))
    return("design must be a formula or a model matrix")
  TRUE
})

#' A comparison's table
#'
#' A `DataFrame` with a row for each gene, made by [results()] and [lfcShrink()]. `mcols` describe the columns,
#' `metadata` hold `alpha`, `lfcThreshold` and what independent filtering did.
#'
#' @slot priorInfo list: the prior of shrunken effects.
#' @export
setClass("DESeqResults", contains = "DFrame", slots = c(priorInfo = "list"))

#' Transformed counts
#'
#' A `RangedSummarizedExperiment` with one assay, made by [vst()], [rlog()] or [normTransform()].
#' @export
setClass("DESeqTransform", contains = "RangedSummarizedExperiment")

#' @describeIn DESeqResults-class A `DataFrame` as results.
#' @param DataFrame a DataFrame with the columns of [results()].
#' @param priorInfo list.
#' @export
DESeqResults <- function(DataFrame, priorInfo = list()) {
  frame <- S4Vectors::DataFrame(DataFrame, check.names = FALSE)
  if (is(DataFrame, "DataFrame")) {
    S4Vectors::mcols(frame) <- S4Vectors::mcols(DataFrame)
    S4Vectors::metadata(frame) <- S4Vectors::metadata(DataFrame)
  }
  new("DESeqResults", frame, priorInfo = priorInfo)
}

#' @describeIn DESeqTransform-class A `SummarizedExperiment` as transformed counts.
#' @param SummarizedExperiment a `SummarizedExperiment` with one assay.
#' @export
DESeqTransform <- function(SummarizedExperiment) {
  if (!is(SummarizedExperiment, "RangedSummarizedExperiment")) {
    if (!is(SummarizedExperiment, "SummarizedExperiment"))
      refuse("DESeqTransform", "SummarizedExperiment of class ", class(SummarizedExperiment)[1],
             "; must be a SummarizedExperiment", argument = "SummarizedExperiment")
    SummarizedExperiment <- as(SummarizedExperiment, "RangedSummarizedExperiment")
  }
  new("DESeqTransform", SummarizedExperiment)
}

setMethod("show", "DESeqResults", function(object) {
  notes <- S4Vectors::mcols(object)$description
  if (!is.null(notes) && length(notes) >= ncol(object)) {
    of <- function(name) notes[match(name, colnames(object))]
    cat(of("log2FoldChange"), "\n")
    last <- intersect(c("svalue", "pvalue"), colnames(object))
    if (length(last) > 0) cat(of(last[1]), "\n")
  }
  callNextMethod()
})

# An object of this package; one of DESeq2 is taken slot by slot.
as_dds <- function(object, caller) {
  if (is_ours(object, "DESeqDataSet")) return(object)
  if (isS4(object) && is(object, "RangedSummarizedExperiment") && class(object)[1] == "DESeqDataSet")
    return(from_DESeq2(object))
  refuse(caller, "object of class ", class(object)[1], "; must be a DESeqDataSet", argument = "object")
}

is_ours <- function(object, class) {
  kinds <- c(attr(class(object), "package"), "")
  is(object, class) && (kinds[1] != "DESeq2" || class(object)[1] != class)
}

slots_as <- function(object, definition) {
  names <- methods::slotNames(definition)
  made <- methods::new(definition)
  for (name in names) methods::slot(made, name, check = FALSE) <- methods::slot(object, name)
  others <- setdiff(names(attributes(object)), c(names, "class", "engine"))
  for (name in others) attr(made, name) <- attr(object, name, exact = TRUE)
  made
}

#' Objects of DESeq2
#'
#' `as_DESeq2` makes a data set, a table of results or transformed counts an object of the package DESeq2, which must
#' be installed; `from_DESeq2` goes the other way. Every slot, column and attribute is taken as it is, so that either
#' package goes on where the other stopped. Functions of this package take DESeq2's data sets directly.
#'
#' @param object a [DESeqDataSet-class], [DESeqResults-class] or [DESeqTransform-class], of this package or DESeq2.
#' @return The object of the other package.
#' @export
as_DESeq2 <- function(object) {
  kind <- deseq_kind(object, "as_DESeq2")
  if (!requireNamespace("DESeq2", quietly = TRUE))
    refuse("as_DESeq2", "package DESeq2 is needed and is not installed", argument = "object", kind = "unsupported")
  slots_as(object, class_of_package(kind, "DESeq2"))
}

#' @rdname as_DESeq2
#' @export
from_DESeq2 <- function(object) {
  kind <- deseq_kind(object, "from_DESeq2")
  slots_as(object, class_of_package(kind, "cytosol"))
}

# Both packages have classes of these names; R's look-up by name may find either.
class_of_package <- function(kind, package) get(methods::classMetaName(kind), envir = asNamespace(package))

deseq_kind <- function(object, caller) {
  kind <- class(object)[1]
  if (!kind %in% c("DESeqDataSet", "DESeqResults", "DESeqTransform"))
    refuse(caller, "object of class ", kind, "; must be a DESeqDataSet, DESeqResults or DESeqTransform",
           argument = "object")
  kind
}
