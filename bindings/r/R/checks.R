# What Reference and SpatialRNA ask of their arguments; the kinds of conditions are spacexr's.

as_dgCMatrix <- function(counts, caller) {
  if (is(counts, "dgCMatrix")) return(counts)
  if (is.data.frame(counts)) counts <- as.matrix(counts)
  if (is(counts, "matrix")) {
    if (!is.numeric(counts) && !is.logical(counts))
      refuse(caller, "counts must hold numbers, not ", typeof(counts), argument = "counts")
    storage.mode(counts) <- "double"
  }
  converted <- tryCatch(as(as(as(counts, "dMatrix"), "generalMatrix"), "CsparseMatrix"),
                        error = function(e) NULL)
  if (!is(converted, "dgCMatrix"))
    refuse(caller, "counts of class ", class(counts)[1], " cannot become a sparse matrix; must be a ",
           "dgCMatrix, a matrix, a data frame or the like, genes x cells", argument = "counts")
  converted
}

unique_names <- function(names, what, caller, argument) {
  if (is.null(names)) refuse(caller, what, " are missing", argument = argument)
  if (anyNA(names)) refuse(caller, what, " hold NA", argument = argument)
  twice <- anyDuplicated(names)
  if (twice) refuse(caller, what, " hold ", dQuote(names[twice], FALSE), " twice; must be unique",
                    argument = argument)
}

not_whole <- function(x) which(abs(x %% 1) > 1e-6)[1]

check_counts <- function(counts, caller, needs_cells = FALSE, require_int = TRUE) {
  counts <- as_dgCMatrix(counts, caller)
  if (nrow(counts) <= 1) refuse(caller, "counts have ", nrow(counts), " gene(s); must have more than one",
                                argument = "counts")
  if (ncol(counts) == 0) refuse(caller, "counts have no cells or pixels", argument = "counts")
  if (ncol(counts) == 1) {
    if (needs_cells) refuse(caller, "counts have one cell; must have more", argument = "counts")
    warning(caller, ": counts have one cell or pixel only", call. = FALSE)
  }
  unique_names(rownames(counts), "rownames(counts), the genes,", caller, "counts")
  unique_names(colnames(counts), "colnames(counts), the barcodes,", caller, "counts")
  bad <- first_bad_count(counts@x, require_int)
  if (!is.na(bad)) {
    cell <- findInterval(bad - 1, counts@p)
    refuse(caller, "counts[", dQuote(rownames(counts)[counts@i[bad] + 1L], FALSE), ", ",
           dQuote(colnames(counts)[cell], FALSE), "] is ", format(counts@x[bad]), "; counts must be ",
           if (require_int) "integers of at least 0 (fractions need require_int = FALSE)" else
             "finite and not negative", argument = "counts", kind = "invalid_data")
  }
  counts
}

check_nUMI <- function(nUMI, caller, needs_cells = FALSE, require_int = TRUE, min_UMI = 0) {
  if (!is.atomic(nUMI) || !is.numeric(nUMI))
    refuse(caller, "nUMI must be a numeric vector", argument = "nUMI")
  unique_names(names(nUMI), "names(nUMI), the barcodes,", caller, "nUMI")
  if (length(nUMI) == 0) refuse(caller, "nUMI is empty", argument = "nUMI")
  if (any(!is.finite(nUMI)))
    refuse(caller, "nUMI of ", dQuote(names(nUMI)[!is.finite(nUMI)][1], FALSE), " is not a finite number",
           argument = "nUMI")
  if (require_int && !is.na(not_whole(nUMI)))
    refuse(caller, "nUMI of ", dQuote(names(nUMI)[not_whole(nUMI)], FALSE), " is ",
           format(nUMI[[not_whole(nUMI)]]), "; must be an integer (or require_int = FALSE)", argument = "nUMI")
  if (length(nUMI) == 1) {
    if (needs_cells) refuse(caller, "nUMI has one cell; must have more", argument = "nUMI")
    warning(caller, ": nUMI has one cell or pixel only", call. = FALSE)
  }
  if (max(nUMI) < min_UMI)
    refuse(caller, "no nUMI reaches min_UMI = ", min_UMI, ", the largest is ", max(nUMI), argument = "min_UMI")
  if (min(nUMI) < min_UMI)
    warning(caller, ": ", sum(nUMI < min_UMI), " cells have an nUMI below min_UMI = ", min_UMI,
            " and are left out", call. = FALSE)
}

check_cell_types <- function(cell_types, caller) {
  no <- function(...) refuse(caller, ..., argument = "cell_types")
  if (!is.factor(cell_types)) no("cell_types must be a factor, not ", class(cell_types)[1])
  if (length(cell_types) < 2) no("cell_types has ", length(cell_types), " cell(s); must have one for each cell")
  if (nlevels(cell_types) < 2) no("cell_types has ", nlevels(cell_types), " level(s); at least 2 are needed")
  unique_names(names(cell_types), "names(cell_types), the barcodes,", caller, "cell_types")
  if (any(levels(cell_types) == "")) no("a level of cell_types is \"\"; every type needs a name")
  bad <- grep("/", levels(cell_types), fixed = TRUE, value = TRUE)
  if (length(bad) > 0) no("level ", dQuote(bad[1], FALSE), " of cell_types holds \"/\"; rename it")
}

check_coords <- function(coords, caller) {
  no <- function(...) refuse(caller, ..., argument = "coords")
  if (!is.data.frame(coords)) {
    if (is(coords, "DataFrame") || is.matrix(coords)) coords <- as.data.frame(coords)
    else no("coords of class ", class(coords)[1], " cannot become a data frame")
  }
  if (ncol(coords) != 2) no("coords have ", ncol(coords), " columns; must have 2, x and y")
  colnames(coords) <- c("x", "y")
  if (!is.numeric(coords$x) || !is.numeric(coords$y)) no("coords must be numbers")
  coords
}

# Barcodes that all have, in the order of the first.
shared_barcodes <- function(lists, caller) {
  shared <- Reduce(intersect, lists)
  if (length(shared) == 0)
    refuse(caller, paste(names(lists), collapse = ", "), " share no barcode; their names must agree",
           argument = names(lists)[1])
  if (length(shared) < max(lengths(lists)))
    warning(caller, ": barcodes that not all of ", paste(names(lists), collapse = ", "),
            " have are left out", call. = FALSE)
  shared
}

# x[, barcodes], and x itself when that is the same: no copy.
columns_of <- function(x, barcodes) {
  if (identical(colnames(x), barcodes)) x else x[, barcodes, drop = FALSE]
}

warn_totals <- function(nUMI, counts, caller) {
  if (any(nUMI != Matrix::colSums(counts)))
    warning(caller, ": nUMI is not the column sums of counts. That is right when counts hold a part of the ",
            "genes only.", call. = FALSE)
}
