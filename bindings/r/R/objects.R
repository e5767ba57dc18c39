#' Some pixels of an object
#'
#' @param rctd_obj an object of [run.RCTD()] in full or doublet mode.
#' @param st_spot_id barcodes to keep; others are ignored.
#' @return The object with these pixels in its tissue and results.
#' @source spacexr 2.2.1, `subset_rctd` (there, of the results only `weights` are cut).
#' @export
subset_rctd <- function(rctd_obj, st_spot_id) {
  caller <- "subset_rctd"
  weights <- rctd_obj@results$weights
  if (is.null(weights))
    refuse(caller, "rctd_obj has no weights; run RCTD in full or doublet mode", argument = "rctd_obj",
           kind = "state")
  known <- rownames(weights)
  keep <- intersect(st_spot_id, known)
  if (length(keep) == 0)
    refuse(caller, "no pixel of st_spot_id is in rctd_obj; its barcodes look like ",
           dQuote(known[1], FALSE), argument = "st_spot_id", kind = "invalid_data")
  message(caller, ": ", length(keep), " of ", length(known), " pixels")
  rctd_obj@spatialRNA <- pixels_in_order(rctd_obj@spatialRNA, keep)
  rctd_obj@originalSpatialRNA <- pixels_in_order(rctd_obj@originalSpatialRNA, keep)
  results <- rctd_obj@results
  at <- match(keep, known)
  for (name in intersect(names(results), c("weights", "weights_doublet", "results_df")))
    results[[name]] <- results[[name]][keep, , drop = FALSE]
  for (name in intersect(names(results), c("score_mat", "singlet_scores", "conv_all")))
    results[[name]] <- results[[name]][at]
  rctd_obj@results <- results
  rctd_obj
}

pixels_in_order <- function(puck, barcodes) {
  new("SpatialRNA", coords = puck@coords[barcodes, , drop = FALSE], counts = columns_of(puck@counts, barcodes),
      nUMI = puck@nUMI[barcodes])
}

#' Objects of spacexr
#'
#' Makes an object of this package from one of spacexr, also of one that was saved by an old version.
#'
#' @param myRCTD an RCTD object of spacexr.
#' @return An object of class [RCTD-class].
#' @details Its steps can be done again here when `originalSpatialRNA` holds its counts. Likelihood tables
#'   that spacexr keeps in the object are dropped: the engine computes its own.
#' @source spacexr 2.2.1, `convert.old.RCTD`.
#' @export
convert.old.RCTD <- function(myRCTD) {
  caller <- "convert.old.RCTD"
  part <- function(name, default) {
    value <- tryCatch(methods::slot(myRCTD, name), error = function(e) attr(myRCTD, name))
    if (is.null(value)) default else value
  }
  puck_of <- function(puck) {
    if (is.null(puck) || !isS4(puck))
      refuse(caller, "myRCTD has no tissue in slot spatialRNA", argument = "myRCTD")
    barcodes <- colnames(puck@counts)
    new("SpatialRNA", coords = puck@coords[barcodes, c("x", "y")], counts = as_dgCMatrix(puck@counts, caller),
        nUMI = puck@nUMI[barcodes])
  }
  spatial <- puck_of(part("spatialRNA", NULL))
  old <- part("originalSpatialRNA", NULL)
  vars <- part("internal_vars", list())
  vars[c("Q_mat", "X_vals", "engine")] <- NULL
  new("RCTD", spatialRNA = spatial, originalSpatialRNA = if (is.null(old)) spatial else puck_of(old),
      reference = old_reference(part("reference", NULL), caller), config = part("config", list()),
      cell_type_info = part("cell_type_info", list()), internal_vars = vars, results = part("results", list()),
      de_results = part("de_results", list()), internal_vars_de = part("internal_vars_de", list()))
}

# Old versions kept a Seurat object, with types and totals among its meta data.
old_reference <- function(reference, caller) {
  if (is.null(reference))
    return(new("Reference", cell_types = factor(), counts = empty_counts(), nUMI = numeric()))
  if (is_like(reference, "Reference")) return(as_class(reference, "Reference"))
  meta <- tryCatch(methods::slot(reference, "meta.data"), error = function(e) NULL)
  if (is.null(meta$liger_ident_coarse) || is.null(meta$nUMI))
    refuse(caller, "reference of class ", class(reference)[1], " is not one that spacexr made",
           argument = "myRCTD", kind = "unsupported")
  Reference(reference@assays$RNA@counts, setNames(factor(meta$liger_ident_coarse), rownames(meta)),
            setNames(meta$nUMI, rownames(meta)), n_max_cells = .Machine$integer.max, min_UMI = 0)
}

#' Results as tables
#'
#' Writes `weights.csv` and, in doublet mode, `weights_doublet.csv` and `results_df.csv`; in multi mode
#' `weights.csv` and `results_multi.csv`, a row for every type of a pixel.
#'
#' @param RCTD an object of [run.RCTD()].
#' @param datadir folder to write into; it must exist.
#' @return The paths written, invisibly.
#' @source spacexr 2.2.1, `export.RCTD` (which refuses multi mode).
#' @export
export.RCTD <- function(RCTD, datadir) {
  caller <- "export.RCTD"
  mode <- mode_of(RCTD, caller)
  if (!dir.exists(datadir))
    refuse(caller, "folder ", dQuote(datadir, FALSE), " does not exist", argument = "datadir",
           kind = "not_found")
  tables <- switch(mode,
    full = list(weights.csv = as.matrix(RCTD@results$weights)),
    doublet = list(weights.csv = as.matrix(RCTD@results$weights),
                   weights_doublet.csv = as.matrix(RCTD@results$weights_doublet),
                   results_df.csv = RCTD@results$results_df),
    multi = multi_tables(RCTD))
  paths <- file.path(datadir, names(tables))
  for (i in seq_along(tables))
    write.csv(tables[[i]], paths[i], row.names = names(tables)[i] != "results_multi.csv")
  invisible(paths)
}

multi_tables <- function(RCTD) {
  results <- RCTD@results
  barcodes <- colnames(RCTD@spatialRNA@counts)
  weights <- do.call(rbind, lapply(results, `[[`, "all_weights"))
  rownames(weights) <- barcodes
  n <- lengths(lapply(results, `[[`, "cell_type_list"))
  all <- function(name) unlist(lapply(results, `[[`, name), use.names = FALSE)
  each <- function(name) rep(vapply(results, function(pixel) as.numeric(pixel[[name]]), 0), n)
  list(weights.csv = weights,
       results_multi.csv = data.frame(
         barcode = rep(barcodes, n), rank = sequence(n), cell_type = all("cell_type_list"),
         weight = all("sub_weights"), confident = all("conf_list"), min_score = each("min_score"),
         conv_all = each("conv_all") == 1, conv_sub = each("conv_sub") == 1))
}
