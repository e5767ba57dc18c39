#' Counts in a file
#'
#' Names a file or folder of counts. [create.RCTD()] leaves the counts of a tissue in the file and streams
#' them, so that they are never in memory at once; [SpatialRNA()] and [Reference()] read them into memory.
#'
#' @param path a `.h5ad` or 10x `.h5` file, a folder with `matrix.mtx[.gz]` or `counts.csv[.gz]`, or a Visium
#'   `outs` folder. A bare path may be given wherever a `counts_file` is taken.
#' @param cell_type_column column of the cells' table that holds the cell types, for a reference.
#' @param layer `.h5ad`: read `layers/<name>` in place of `X`.
#' @param use_raw `.h5ad`: read `raw/X` in place of `X`.
#' @param genome 10x `.h5`: keep the genes of this genome.
#' @param all_features 10x: keep features of every type and not gene expression only.
#' @param gene_ids 10x: ids name the genes, and not symbols.
#' @param n_max_cells,min_UMI for a reference that [create.RCTD()] reads from the file: as in [Reference()];
#'   sampling down uses the engine's seeded numbers, not R's.
#' @return An object of class `cyto_file`.
#' @export
counts_file <- function(path, cell_type_column = "cell_type", layer = NULL, use_raw = FALSE, genome = NULL,
                        all_features = FALSE, gene_ids = FALSE, n_max_cells = 10000, min_UMI = 100) {
  caller <- "counts_file"
  if (!is.character(path) || length(path) != 1L || is.na(path) || path == "")
    refuse(caller, "path must be one path", argument = "path")
  flag <- function(x, name) {
    if (!is.logical(x) || length(x) != 1L || is.na(x)) refuse(caller, name, " must be TRUE or FALSE",
                                                             argument = name)
    x
  }
  text <- function(x, name) {
    if (is.null(x)) return(NULL)
    if (!is.character(x) || length(x) != 1L || is.na(x)) refuse(caller, name, " must be one text or NULL",
                                                               argument = name)
    utf8(x)
  }
  structure(class = "cyto_file", list(
    path = path, cell_type_column = text(cell_type_column, "cell_type_column"),
    options = list(layer = text(layer, "layer"), genome = text(genome, "genome"),
                   use_raw = flag(use_raw, "use_raw"), all_features = flag(all_features, "all_features"),
                   gene_ids = flag(gene_ids, "gene_ids")),
    n_max_cells = n_max_cells, min_UMI = min_UMI))
}

#' @export
print.cyto_file <- function(x, ...) {
  cat("counts in", x$path, "\n")
  invisible(x)
}

is_file <- function(x) inherits(x, "cyto_file") || (is.character(x) && length(x) == 1L && is.null(names(x)))

as_file <- function(x) if (inherits(x, "cyto_file")) x else counts_file(x)

dataset_handle <- function(file, max_cores, caller) {
  # Bytes, so that names in any encoding reach the file system as they are.
  path <- charToRaw(path.expand(file$path))
  engine_call(caller, max_cores, function(settings) dataset_open(settings, path, file$options))
}

# Cells x genes of a file, as the dgCMatrix of genes x cells that it is.
read_counts <- function(dataset, caller, cells_at_once = 65536) {
  shape <- value_of(dataset_shape(dataset), caller)
  starts <- seq(0, max(shape[1] - 1, 0), by = cells_at_once)
  if (shape[1] == 0) starts <- numeric()
  pieces <- lapply(starts, function(first) {
    n <- min(cells_at_once, shape[1] - first)
    rows <- engine_call(caller, 1, function(settings) dataset_rows(settings, dataset, first, n))
    size <- array_shape(rows, "values")$rows
    list(size = diff(array_of(rows, "indptr", caller)),
         i = value_of(array_fill(rows, "indices", integer(size), FALSE), caller),
         x = value_of(array_fill(rows, "values", numeric(size), FALSE), caller))
  })
  take <- function(name) if (length(pieces) == 1) pieces[[1]][[name]] else unlist(lapply(pieces, `[[`, name))
  ends <- cumsum(c(0, take("size")))
  if (ends[length(ends)] > .Machine$integer.max)
    refuse(caller, "the file holds ", ends[length(ends)], " counts, more than an R matrix can; ",
           "give the file to create.RCTD, which leaves them there", argument = "counts", kind = "unsupported")
  genes <- array_of(dataset, "genes", caller)
  cells <- array_of(dataset, "cells", caller)
  new("dgCMatrix", p = as.integer(ends), i = as.integer(take("i")), x = as.double(take("x")),
      Dim = c(length(genes), length(cells)), Dimnames = list(genes, cells))
}

optional_array <- function(dataset, name) {
  if (has_array(dataset, name)) array_of(dataset, name)
}

# What a file holds, in memory.
from_file <- function(file, caller, cell_types = NULL) {
  file <- as_file(file)
  dataset <- dataset_handle(file, 1, caller)
  counts <- read_counts(dataset, caller)
  cells <- colnames(counts)
  found <- list(counts = counts)
  coords <- optional_array(dataset, "coords")
  if (!is.null(coords)) found$coords <- data.frame(x = coords[, 1], y = coords[, 2], row.names = cells)
  totals <- optional_array(dataset, "n_umi")
  if (!is.null(totals)) found$nUMI <- setNames(totals, cells)
  if (!is.null(cell_types)) {
    if (inherits(cell_types, "factor")) {
      found$cell_types <- cell_types
    } else {
      column <- if (cell_types == "cell_type") file$cell_type_column else cell_types
      table <- value_of(dataset_table(dataset, "obs"), caller)
      found$cell_types <- labels_of(table, column, cells, caller)
    }
  }
  found
}

labels_of <- function(table, column, cells, caller) {
  labels <- table[[column]]
  if (is.null(labels))
    refuse(caller, "there is no column ", dQuote(column, FALSE), " of cell types; present: ",
           paste(setdiff(names(table), "index"), collapse = ", "), argument = "cell_types", kind = "not_found")
  setNames(if (is.factor(labels)) labels else factor(labels), cells)
}

#' Tissues in files
#'
#' `read.SpatialRNA` reads a folder with two tables: counts (first column gene names, then one column a pixel)
#' and coordinates (columns `barcodes`, x, y). `read.VisiumSpatialRNA` reads a Visium `outs` folder; x and y are
#' the row and column on the array. [SpatialRNA()] reads the other formats.
#'
#' @param datadir the folder.
#' @param count_file,coords_file names of the two tables in it.
#' @return An object of class [SpatialRNA-class].
#' @details Barcodes of `count_file` become syntactic names as R makes them; gene names that come twice in a
#'   Visium folder get `-1`, `-2` and so on.
#' @source spacexr 2.2.1, `read.SpatialRNA` and `read.VisiumSpatialRNA`.
#' @export
read.SpatialRNA <- function(datadir, count_file = "counts.csv", coords_file = "coords.csv") {
  caller <- "read.SpatialRNA"
  table_of <- function(name, argument) {
    path <- file.path(datadir, name)
    if (!file.exists(path)) refuse(caller, path, " does not exist", argument = argument, kind = "not_found")
    read.csv(path, check.names = TRUE, stringsAsFactors = FALSE)
  }
  coords <- table_of(coords_file, "coords_file")
  counts <- table_of(count_file, "count_file")
  if (!"barcodes" %in% names(coords))
    refuse(caller, coords_file, " has no column \"barcodes\"; it has ", paste(names(coords), collapse = ", "),
           argument = "coords_file", kind = "invalid_data")
  barcodes <- coords$barcodes
  places <- coords[setdiff(names(coords), "barcodes")]
  unique_names(as.character(barcodes), paste("barcodes of", coords_file), caller, "coords_file")
  rownames(places) <- barcodes
  unique_names(as.character(counts[[1]]), paste("genes of", count_file), caller, "count_file")
  values <- as.matrix(counts[-1])
  rownames(values) <- counts[[1]]
  puck <- SpatialRNA(places, values)
  restrict_puck(puck, colnames(puck@counts))
}

#' @rdname read.SpatialRNA
#' @export
read.VisiumSpatialRNA <- function(datadir) SpatialRNA(counts = counts_file(datadir))
