#' Pixels of a tissue
#'
#' Made by [SpatialRNA()].
#'
#' @slot coords data frame of `x` and `y`, one row a pixel, named by barcode; any unit of length.
#' @slot counts `dgCMatrix`, genes x pixels: counts.
#' @slot nUMI named numeric: total counts of every pixel over all genes of the experiment.
#' @export
setClass("SpatialRNA", slots = c(coords = "data.frame", counts = "dgCMatrix", nUMI = "numeric"))

#' Labelled single cells
#'
#' Made by [Reference()].
#'
#' @slot cell_types named factor: the type of every cell.
#' @slot counts `dgCMatrix`, genes x cells: counts.
#' @slot nUMI named numeric: total counts of every cell.
#' @export
setClass("Reference", slots = c(cell_types = "factor", counts = "dgCMatrix", nUMI = "numeric"))

#' RCTD on one tissue
#'
#' Made by [create.RCTD()]; filled by [run.RCTD()].
#'
#' @slot spatialRNA pixels that pass all filters, on the genes of the platform effect.
#' @slot originalSpatialRNA pixels that pass the filters on totals, on all genes.
#' @slot reference the reference, or a sample of 5 cells of each type.
#' @slot config list of options; `RCTDmode` is the mode of the results.
#' @slot cell_type_info list: `info` and, after [fitBulk()], `renorm`, each a list of profiles (data frame,
#'   genes x types, mean of count / nUMI), the names of the types and their number.
#' @slot internal_vars list: `gene_list_reg`, `gene_list_bulk`, `class_df`, `cell_types_assigned`; after
#'   [fitBulk()] `proportions`; after [choose_sigma_c()] `sigma`.
#' @slot results of the pixels; see [fitPixels()].
#' @slot de_results,internal_vars_de lists for differential expression; empty here.
#' @export
setClass("RCTD", slots = c(
  spatialRNA = "SpatialRNA", originalSpatialRNA = "SpatialRNA", reference = "Reference", config = "list",
  cell_type_info = "list", internal_vars = "list", results = "list", de_results = "list",
  internal_vars_de = "list"))

#' RCTD on several tissues
#'
#' Made by [create.RCTD.replicates()] or [merge_RCTD_objects()].
#'
#' @slot RCTD.reps list of RCTD objects.
#' @slot population_de_results,population_sig_gene_list,population_sig_gene_df lists for differential
#'   expression; empty here.
#' @slot group_ids named numeric: the group of every replicate.
#' @export
setClass("RCTD.replicates", slots = c(
  RCTD.reps = "list", population_de_results = "list", population_sig_gene_list = "list",
  population_sig_gene_df = "list", group_ids = "numeric"))

setMethod("show", "SpatialRNA", function(object) {
  cat("SpatialRNA:", length(object@nUMI), "pixels,", nrow(object@counts), "genes\n")
})

setMethod("show", "Reference", function(object) {
  cat("Reference:", length(object@nUMI), "cells,", nrow(object@counts), "genes,",
      nlevels(object@cell_types), "cell types\n")
})

setMethod("show", "RCTD", function(object) {
  vars <- object@internal_vars
  cat("RCTD:", ncol(object@spatialRNA@counts), "pixels,", object@cell_type_info$info[[3]], "cell types,",
      length(vars$gene_list_reg), "regression genes,", length(vars$gene_list_bulk), "bulk genes\n")
  cat("  sigma:", if (is.null(vars$sigma)) "not chosen yet" else vars$sigma,
      "  mode:", if (is.null(object@config$RCTDmode)) "not run yet" else object@config$RCTDmode, "\n")
})

setMethod("show", "RCTD.replicates", function(object) {
  cat("RCTD.replicates:", length(object@RCTD.reps), "replicates in", length(unique(object@group_ids)),
      "groups\n")
})

# An object of this package, or one with the same slots, such as spacexr's.
is_like <- function(x, class) {
  is(x, class) || (isS4(x) && class(x)[1] == class && all(slotNames(class) %in% slotNames(x)))
}

as_class <- function(x, class) {
  if (identical(attr(class(x), "package"), "cytosol")) return(x)
  parts <- lapply(setNames(nm = slotNames(class)), function(name) slot(x, name))
  do.call(methods::new, c(list(Class = methods::getClass(class, where = asNamespace("cytosol"))), parts))
}

empty_counts <- function(genes = character(), cells = character()) {
  new("dgCMatrix", p = integer(length(cells) + 1L), Dim = c(length(genes), length(cells)),
      Dimnames = list(genes, cells))
}
