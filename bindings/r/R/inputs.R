#' Labelled single cells for RCTD
#'
#' @param counts genes x cells: a `dgCMatrix` (used as it is, without a copy), a matrix or data frame; or a
#'   `SingleCellExperiment` or `SummarizedExperiment`, or a file (path or [counts_file()]).
#' @param cell_types named factor, the type of every cell; its levels give the order of the types. With an
#'   experiment or a file: the name of a column of its cells.
#' @param nUMI named numeric, total counts of every cell; column sums when `NULL`.
#' @param require_int whether a fraction among the counts is an error.
#' @param n_max_cells most cells of a type; more are sampled down with R's random numbers.
#' @param min_UMI cells with fewer counts are left out.
#' @return An object of class [Reference-class].
#' @details Counts must be finite and not negative, gene names and barcodes unique; a type's name must not be
#'   `""` nor hold `"/"`. Cells that not all of counts, `cell_types` and `nUMI` have are left out with a warning.
#' @source spacexr 2.2.1, `Reference`. There, sampling down also replaces the only cell of a type by any other.
#' @examples
#' counts <- matrix(rpois(400, 20), 20, dimnames = list(paste0("gene", 1:20), paste0("cell", 1:20)))
#' types <- factor(rep(c("A", "B"), 10))
#' names(types) <- colnames(counts)
#' Reference(counts, types)
#' @export
Reference <- function(counts, cell_types, nUMI = NULL, require_int = TRUE, n_max_cells = 10000, min_UMI = 100) {
  caller <- "Reference"
  if (is_container(counts)) {
    column <- if (missing(cell_types)) "cell_type" else cell_types
    found <- from_container(counts, caller, cell_types = column)
    counts <- found$counts
    cell_types <- found$cell_types
    if (is.null(nUMI)) nUMI <- found$nUMI
  }
  counts <- check_counts(counts, caller, needs_cells = TRUE, require_int = require_int)
  if (is.null(nUMI)) nUMI <- Matrix::colSums(counts)
  else check_nUMI(nUMI, caller, needs_cells = TRUE, require_int = require_int, min_UMI = min_UMI)
  check_cell_types(cell_types, caller)
  barcodes <- shared_barcodes(list(nUMI = names(nUMI), cell_types = names(cell_types),
                                   counts = colnames(counts)), caller)
  barcodes <- barcodes[nUMI[barcodes] >= min_UMI]
  if (length(barcodes) < 1)
    refuse(caller, "no cell has min_UMI = ", min_UMI, " counts; lower min_UMI", argument = "min_UMI")
  counts <- columns_of(counts, barcodes)
  nUMI <- nUMI[barcodes]
  cell_types <- cell_types[barcodes]
  if (anyNA(cell_types))
    refuse(caller, "cell ", dQuote(barcodes[is.na(cell_types)][1], FALSE), " has no cell type",
           argument = "cell_types")
  warn_totals(nUMI, counts, caller)
  unseen <- levels(cell_types)[tabulate(cell_types, nlevels(cell_types)) == 0]
  if (length(unseen) > 0)
    warning(caller, ": cell types without cells: ", paste(unseen, collapse = ", "), call. = FALSE)
  reference <- new("Reference", cell_types = cell_types, counts = counts, nUMI = nUMI)
  most <- max(table(cell_types))
  if (most > n_max_cells) {
    warning(caller, ": the largest cell type has ", most, " cells; types are sampled down to n_max_cells = ",
            n_max_cells, call. = FALSE)
    reference <- sample_down(reference, n_max_cells)
  }
  reference
}

# At most `n` cells of each type, types in order: the draws are spacexr's.
sample_down <- function(reference, n) {
  types <- levels(reference@cell_types)
  chosen <- unlist(lapply(types[nzchar(types)], function(type) {
    own <- which(reference@cell_types == type)
    drawn <- sample(own, min(n, length(own)))
    # R's sample() takes one number for a range.
    if (length(own) == 1) own else drawn
  }))
  reference@counts <- reference@counts[, chosen, drop = FALSE]
  reference@cell_types <- droplevels(reference@cell_types[chosen])
  reference@nUMI <- reference@nUMI[chosen]
  reference
}

#' Pixels of a tissue for RCTD
#'
#' @param coords data frame with two columns, x and y, and barcodes as row names. May be left out when
#'   `counts` is a `SpatialExperiment` or a file that holds coordinates.
#' @param counts genes x pixels, as for [Reference()].
#' @param nUMI named numeric, total counts of every pixel; column sums when `NULL`.
#' @param use_fake_coords whether to put every pixel at (0, 0).
#' @param require_int whether a fraction among the counts is an error.
#' @return An object of class [SpatialRNA-class].
#' @source spacexr 2.2.1, `SpatialRNA`.
#' @examples
#' counts <- matrix(rpois(60, 5), 6, dimnames = list(paste0("gene", 1:6), paste0("pixel", 1:10)))
#' coords <- data.frame(x = 1:10, y = 0, row.names = colnames(counts))
#' SpatialRNA(coords, counts)
#' @export
SpatialRNA <- function(coords, counts, nUMI = NULL, use_fake_coords = FALSE, require_int = TRUE) {
  caller <- "SpatialRNA"
  # Given alone, a container may stand in the first place.
  if (missing(counts) && !missing(coords) && is_container(coords)) {
    counts <- coords
    coords <- NULL
  } else if (missing(coords)) {
    coords <- NULL
  }
  if (is_container(counts)) {
    found <- from_container(counts, caller)
    counts <- found$counts
    if (is.null(coords)) coords <- found$coords
    if (is.null(nUMI)) nUMI <- found$nUMI
  }
  counts <- check_counts(counts, caller, require_int = require_int)
  if (use_fake_coords) coords <- data.frame(x = numeric(ncol(counts)), y = 0, row.names = colnames(counts))
  if (is.null(coords))
    refuse(caller, "coords are missing: neither given nor part of counts; or set use_fake_coords",
           argument = "coords")
  coords <- check_coords(coords, caller)
  if (is.null(nUMI)) nUMI <- Matrix::colSums(counts)
  else check_nUMI(nUMI, caller, require_int = require_int)
  barcodes <- shared_barcodes(list(nUMI = names(nUMI), coords = rownames(coords),
                                   counts = colnames(counts)), caller)
  counts <- columns_of(counts, barcodes)
  nUMI <- nUMI[barcodes]
  warn_totals(nUMI, counts, caller)
  new("SpatialRNA", coords = coords[barcodes, , drop = FALSE], counts = counts, nUMI = nUMI)
}

#' Parts of a tissue
#'
#' `restrict_counts` keeps pixels by their totals and genes by name; `restrict_puck` keeps pixels by barcode.
#' `nUMI` stays as it is: totals over all genes of the experiment.
#'
#' @param puck a [SpatialRNA-class] object.
#' @param gene_list names of the genes to keep, in this order.
#' @param UMI_thresh,UMI_max least and largest `nUMI` of a pixel, both inclusive.
#' @param counts_thresh least sum of a pixel's counts over `gene_list`.
#' @param barcodes pixels to keep; others are ignored.
#' @return A [SpatialRNA-class] object.
#' @source spacexr 2.2.1, `restrict_counts` (there, `coords` keep all pixels) and `restrict_puck`.
#' @export
restrict_counts <- function(puck, gene_list, UMI_thresh = 1, UMI_max = 20000, counts_thresh = 1) {
  unknown <- setdiff(gene_list, rownames(puck@counts))
  if (length(unknown) > 0)
    refuse("restrict_counts", "gene ", dQuote(unknown[1], FALSE), " of gene_list is not in puck",
           argument = "gene_list")
  counts <- if (identical(gene_list, rownames(puck@counts))) puck@counts else puck@counts[gene_list, , drop = FALSE]
  keep <- puck@nUMI >= UMI_thresh & puck@nUMI <= UMI_max & Matrix::colSums(counts) >= counts_thresh
  keep[is.na(keep)] <- FALSE
  take_pixels(puck, colnames(counts)[keep], counts)
}

#' @rdname restrict_counts
#' @export
restrict_puck <- function(puck, barcodes) {
  take_pixels(puck, intersect(colnames(puck@counts), barcodes), puck@counts)
}

take_pixels <- function(puck, barcodes, counts) {
  if (identical(barcodes, colnames(puck@counts)) && identical(barcodes, rownames(puck@coords))) {
    if (!identical(counts, puck@counts)) puck@counts <- counts
    return(puck)
  }
  puck@counts <- columns_of(counts, barcodes)
  puck@nUMI <- puck@nUMI[barcodes]
  puck@coords <- puck@coords[barcodes, , drop = FALSE]
  puck
}
