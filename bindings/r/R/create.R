#' RCTD on a tissue: pixels, profiles and genes
#'
#' Filters pixels, averages the reference into profiles of the cell types, and chooses genes: those for the
#' platform effect (bulk) and those for the fits of the pixels (regression).
#'
#' @param spatialRNA a [SpatialRNA-class] object, a `SpatialExperiment` or `SummarizedExperiment` (with `x`, `y`
#'   among its column data), or a file ([counts_file()] or path), whose counts stay there.
#' @param reference a [Reference-class] object, a `SingleCellExperiment` with a column `cell_type`, or a file.
#'   May be `NULL` when `cell_type_profiles` is given.
#' @param max_cores most threads; results do not depend on it. At most two under R CMD check.
#' @param test_mode whether to use coarse settings, for trying a script out.
#' @param gene_cutoff,fc_cutoff least expression (mean of count / nUMI) and least fold change (natural log)
#'   of a gene of the bulk list.
#' @param gene_cutoff_reg,fc_cutoff_reg the same for the regression list.
#' @param UMI_min,UMI_max least and largest `nUMI` of a pixel, inclusive.
#' @param counts_MIN least counts of a pixel, over all genes and then over the bulk list.
#' @param UMI_min_sigma pixels used for sigma have a strictly larger `nUMI`.
#' @param class_df data frame with cell types as row names and a column `class`; each type its own when `NULL`.
#' @param CELL_MIN_INSTANCE least cells of every type of the reference.
#' @param cell_type_names types to use, in this order; all levels when `NULL`.
#' @param MAX_MULTI_TYPES most types of a pixel in multi mode.
#' @param keep_reference whether the object keeps the whole reference, or 5 cells of each type.
#' @param cell_type_profiles genes x types, mean of count / nUMI, in place of those of `reference`.
#' @param CONFIDENCE_THRESHOLD difference of scores (log-likelihood) that makes a type certain.
#' @param DOUBLET_THRESHOLD difference of scores that makes a second type worth having.
#' @return An object of class [RCTD-class].
#' @details R's random numbers are used for the 5 cells of each type, as in spacexr, so that after `set.seed`
#'   sigma is estimated on the same pixels as there. Counts are not copied, except for pixels that a filter
#'   takes; those of a file are read twice and stay there, and the object's matrices then have no genes.
#' @source Cable et al. (2022); spacexr 2.2.1, `create.RCTD`.
#' @seealso [run.RCTD()]
#' @examples
#' tissue <- simulate_tissue(seed = 1)
#' create.RCTD(tissue$puck, tissue$reference, max_cores = 1)
#' @export
create.RCTD <- function(spatialRNA, reference, max_cores = 4, test_mode = FALSE, gene_cutoff = 0.000125,
                        fc_cutoff = 0.5, gene_cutoff_reg = 0.0002, fc_cutoff_reg = 0.75, UMI_min = 100,
                        UMI_max = 20000000, counts_MIN = 10, UMI_min_sigma = 300, class_df = NULL,
                        CELL_MIN_INSTANCE = 25, cell_type_names = NULL, MAX_MULTI_TYPES = 4,
                        keep_reference = FALSE, cell_type_profiles = NULL, CONFIDENCE_THRESHOLD = 5,
                        DOUBLET_THRESHOLD = 20) {
  caller <- "create.RCTD"
  config <- list(
    gene_cutoff = gene_cutoff, fc_cutoff = fc_cutoff, gene_cutoff_reg = gene_cutoff_reg,
    fc_cutoff_reg = fc_cutoff_reg, UMI_min = UMI_min, UMI_min_sigma = UMI_min_sigma, max_cores = max_cores,
    N_epoch = 8, N_X = 50000, K_val = 100, N_fit = 1000, N_epoch_bulk = 30, MIN_CHANGE_BULK = 1e-4,
    MIN_CHANGE_REG = 1e-3, UMI_max = UMI_max, counts_MIN = counts_MIN, MIN_OBS = 3,
    MAX_MULTI_TYPES = MAX_MULTI_TYPES, CONFIDENCE_THRESHOLD = CONFIDENCE_THRESHOLD,
    DOUBLET_THRESHOLD = DOUBLET_THRESHOLD)
  if (test_mode) {
    coarse <- list(gene_cutoff = 0.00125, fc_cutoff = 0.5, gene_cutoff_reg = 0.002, fc_cutoff_reg = 0.75,
                   UMI_min = 1000, N_epoch = 1, N_fit = 50, N_epoch_bulk = 4, MIN_CHANGE_BULK = 1,
                   UMI_max = 200000, max_cores = 1, counts_MIN = 5, UMI_min_sigma = 300)
    config[names(coarse)] <- coarse
  }
  check_config(config, caller)
  cells <- cells_of(reference, caller, optional = !is.null(cell_type_profiles))
  info <- if (is.null(cell_type_profiles)) {
    profiles_of(cells, cell_type_names, CELL_MIN_INSTANCE, config$max_cores, caller)
  } else {
    given_profiles(cell_type_profiles, cell_type_names, caller)
  }
  kept_reference <- cells$reference
  if (!keep_reference && length(kept_reference@nUMI) > 0) kept_reference <- sample_down(kept_reference, 5)
  vars <- list(gene_list_reg = character(), gene_list_bulk = character(), proportions = NULL,
               class_df = check_class_df(class_df, info[[2]], caller), cell_types_assigned = FALSE)
  RCTD <- new("RCTD", reference = kept_reference, config = config,
              cell_type_info = list(info = info, renorm = NULL), internal_vars = vars)
  if (is_file(spatialRNA)) choose_in_file(RCTD, as_file(spatialRNA), caller)
  else choose_in_memory(RCTD, as_spatial(spatialRNA, caller), caller)
}

check_config <- function(config, caller) {
  for (name in names(config)) {
    value <- config[[name]]
    if (!is.numeric(value) || length(value) != 1L || is.na(value))
      refuse(caller, name, " must be one number", argument = name)
    if (is.infinite(value) && !(name == "UMI_max" && value > 0))
      refuse(caller, name, " is ", value, "; must be a finite number", argument = name)
  }
}

check_class_df <- function(class_df, types, caller) {
  if (is.null(class_df)) return(data.frame(class = types, row.names = types))
  if (!is.data.frame(class_df) || ncol(class_df) < 1)
    refuse(caller, "class_df must be a data frame with cell types as row names and a column \"class\"",
           argument = "class_df")
  if (!"class" %in% colnames(class_df)) colnames(class_df)[1] <- "class"
  class_df
}

# The reference as an object, with the handle of its profiles when they come from a file.
cells_of <- function(reference, caller, optional) {
  none <- new("Reference", cell_types = factor(), counts = empty_counts(), nUMI = numeric())
  if (is.null(reference)) {
    if (optional) return(list(reference = none))
    refuse(caller, "reference is NULL; needed unless cell_type_profiles is given", argument = "reference")
  }
  if (is_file(reference)) return(list(reference = none, file = as_file(reference)))
  list(reference = as_reference(reference, caller))
}

# Profiles of the types: data frame of genes x types, names, number.
profiles_of <- function(cells, cell_type_names, least, max_cores, caller) {
  if (is.null(cells$file)) {
    reference <- cells$reference
    message(caller, ": profiles of ", nlevels(reference@cell_types), " cell types from ",
            length(reference@nUMI), " cells and ", nrow(reference@counts), " genes")
    handle <- engine_call(caller, max_cores, function(settings) {
      reference_from_counts(settings, borrowed(reference@counts), utf8(colnames(reference@counts)),
                            utf8(rownames(reference@counts)), as.integer(reference@cell_types) - 1L,
                            utf8(levels(reference@cell_types)), as.double(reference@nUMI))
    })
  } else {
    file <- cells$file
    dataset <- dataset_handle(file, max_cores, caller)
    handle <- engine_call(caller, max_cores, function(settings) {
      reference_from_dataset(settings, dataset, file$cell_type_column, as.double(file$n_max_cells),
                             as.double(file$min_UMI))
    })
    for (text in array_of(handle, "warnings")) warning(caller, ": ", text, call. = FALSE)
  }
  types <- array_of(handle, "cell_types")
  n_cells <- array_of(handle, "cells_per_type")
  rare <- n_cells < least
  if (any(rare))
    refuse(caller, "cell types with fewer than CELL_MIN_INSTANCE = ", least, " cells: ",
           paste0(types[rare], " (", n_cells[rare], ")", collapse = ", "),
           "; leave them out of the reference or lower CELL_MIN_INSTANCE",
           argument = "CELL_MIN_INSTANCE", kind = "invalid_data")
  profiles <- array_of(handle, "profiles")
  dimnames(profiles) <- list(array_of(handle, "genes"), types)
  as_info(profiles, cell_type_names, caller)
}

given_profiles <- function(profiles, cell_type_names, caller) {
  profiles <- as.matrix(profiles)
  if (!is.numeric(profiles) || is.null(rownames(profiles)) || is.null(colnames(profiles)))
    refuse(caller, "cell_type_profiles must be numbers with genes as row names and types as column names",
           argument = "cell_type_profiles")
  as_info(profiles, cell_type_names, caller)
}

as_info <- function(profiles, cell_type_names, caller) {
  if (!is.null(cell_type_names)) {
    unknown <- setdiff(cell_type_names, colnames(profiles))
    if (length(unknown) > 0)
      refuse(caller, "cell type ", dQuote(unknown[1], FALSE), " of cell_type_names is not in the reference; ",
             "present: ", paste(colnames(profiles), collapse = ", "), argument = "cell_type_names")
    profiles <- profiles[, cell_type_names, drop = FALSE]
  }
  list(as.data.frame(profiles, optional = TRUE), colnames(profiles), ncol(profiles))
}

choose_in_memory <- function(RCTD, puck, caller) {
  config <- RCTD@config
  barcodes <- colnames(puck@counts)
  puck@coords <- puck@coords[barcodes, , drop = FALSE]
  original <- restrict_counts(puck, rownames(puck@counts), UMI_thresh = config$UMI_min,
                              UMI_max = config$UMI_max, counts_thresh = config$counts_MIN)
  # Without a pixel left, the engine says which filter took them.
  RCTD@originalSpatialRNA <- if (ncol(original@counts) == 0) puck else original
  handle <- make_engine(RCTD, caller)
  original <- RCTD@originalSpatialRNA
  genes <- array_of(handle, "genes_bulk")
  kept <- array_of(handle, "kept") + 1
  barcodes <- colnames(original@counts)[kept]
  RCTD@spatialRNA <- new("SpatialRNA", coords = original@coords[barcodes, , drop = FALSE],
                         counts = original@counts[genes, kept, drop = FALSE], nUMI = original@nUMI[barcodes])
  chosen(RCTD, handle)
}

# Counts stay in the file: the object holds names, places and totals.
choose_in_file <- function(RCTD, file, caller) {
  # Other processes and later sessions find the file from wherever they are.
  file$path <- normalizePath(file$path, mustWork = FALSE)
  RCTD@internal_vars$source <- file
  handle <- make_engine(RCTD, caller)
  barcodes <- array_of(handle, "barcodes")
  coords <- optional_array(handle, "coords")
  if (is.null(coords)) coords <- matrix(0, length(barcodes), 2)
  # 3: too few counts over all genes; larger: over the bulk list.
  fates <- array_of(handle, "fates")
  puck_of <- function(rows) {
    new("SpatialRNA", counts = empty_counts(cells = barcodes[rows]),
        coords = data.frame(x = coords[rows, 1], y = coords[rows, 2], row.names = barcodes[rows]),
        nUMI = setNames(array_of(handle, "n_umi")[rows], barcodes[rows]))
  }
  RCTD@originalSpatialRNA <- puck_of(which(fates == 0 | fates == 4))
  RCTD@spatialRNA <- puck_of(array_of(handle, "kept") + 1)
  chosen(RCTD, handle)
}

chosen <- function(RCTD, handle) {
  RCTD@internal_vars$gene_list_reg <- array_of(handle, "genes_reg")
  RCTD@internal_vars$gene_list_bulk <- array_of(handle, "genes_bulk")
  message("create.RCTD: ", length(RCTD@internal_vars$gene_list_reg), " regression genes, ",
          length(RCTD@internal_vars$gene_list_bulk), " genes for the platform effect, ",
          ncol(RCTD@spatialRNA@counts), " pixels")
  keep_engine(RCTD, handle)
}
