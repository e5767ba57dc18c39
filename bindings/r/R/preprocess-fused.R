# All steps in one go: over a file the engine's own fused passes, over a matrix the steps after each other, with the
# same results.

#' Quality control to principal components in one go
#'
#' Metrics, filters, size factors, logarithm, variable genes and components; over a file in two passes over the counts
#' up to the variable genes, in bounded memory.
#'
#' @inheritParams pp_qc
#' @param output files: the `.h5ad` that is made or replaced; it may be `x`.
#' @param qc,filter_cells,filter_genes,normalize_total,log1p,highly_variable_genes,pca options of each step, a list by
#'   name, as the function `pp_*` of this name has them; `list()` or `TRUE` is all defaults, `NULL` leaves a step out
#'   (but for the size factors and the logarithm). Filters take any number of thresholds; all must be passed, and genes
#'   are counted over the cells that stay.
#' @param materialize files: `FALSE` leaves the counts as they are and notes how to normalise them.
#' @param guard whether data that are logarithms already (for a matrix: values that are no counts) are an error.
#' @return A list of class `cyto_pp` with what the steps give: `obs`, `var` (all cells and genes of the input),
#'   `size_factors`, `hvg`, `highly_variable`, `loadings`, `variance`, `variance_ratio`, `pca_genes`, `pca_mean` (of the
#'   cells and genes that stay) and `report`; of a matrix also `x` (normalised, logarithms) and `scores`.
#' @source scanpy 1.11.5, the functions `pp.*` of the steps.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' made <- pp_preprocess(counts, qc = list(percent_top = 20), filter_genes = list(min_cells = 3),
#'                       normalize_total = list(target_sum = 1e4), highly_variable_genes = list(n_top_genes = 20),
#'                       pca = list(n_comps = 5), max_cores = 1)
#' made
#' @export
pp_preprocess <- function(x, output = NULL, qc = list(), filter_cells = NULL, filter_genes = NULL,
                          normalize_total = list(), log1p = list(), highly_variable_genes = list(), pca = list(),
                          materialize = TRUE, guard = TRUE, ...) {
  caller <- "pp_preprocess"
  steps <- list(qc = qc, filter_cells = filter_cells, filter_genes = filter_genes, normalize_total = normalize_total,
                log1p = log1p, highly_variable_genes = highly_variable_genes, pca = pca)
  for (name in names(steps)) {
    step <- steps[[name]]
    if (!is.null(step) && !isTRUE(step) && !isFALSE(step) && !is.list(step))
      refuse(caller, name, " must be a list of options, TRUE, FALSE or NULL", argument = name)
    if (length(step) > 0 && is.list(step) && is.null(names(step)))
      refuse(caller, name, " must name its options", argument = name)
    if (is.list(step) && !is.null(step$percent_top)) steps[[name]]$percent_top <- I(step$percent_top)
  }
  if (!is_file(x)) {
    only_for_files(caller, output = output, materialize = if (!isTRUE(materialize)) materialize)
    return(steps_in_memory(caller, matrix_of(x, NULL, caller), steps, guard, given_options(caller, list(), ...)))
  }
  # Engine: an empty list would be an array.
  own <- lapply(steps, function(step) if (is.list(step) && length(step) == 0) TRUE else step)
  own <- c(own, list(materialize = materialize, guard = guard))
  handle <- file_step(caller, "preprocess", x, output, given_options(caller, own, ...))
  tables <- tables_of(handle, caller, c("obs", "var", "hvg"))
  arrays <- list(size_factors = array_of(handle, "size_factors", caller))
  if (!is.null(tables$hvg))
    arrays$highly_variable <- flags_of(handle, "highly_variable", rownames(tables$hvg), caller)
  more <- if (is_asked(pca)) components_only(components(handle, caller))
  do.call(found, c(list(handle, caller, output), tables, arrays, more))
}

is_asked <- function(step) !is.null(step) && !isFALSE(step)

# Those tables that the step made.
tables_of <- function(handle, caller, names) {
  names <- Filter(function(name) !inherits(pp_table(handle, name), "cyto_failure"), names)
  lapply(setNames(nm = names), function(name) frame_of(handle, name, caller))
}

components_only <- function(found) unclass(found)[setdiff(names(found), c("output", "report"))]

steps_in_memory <- function(caller, m, steps, guard, given) {
  for (name in c("normalize_total", "log1p"))
    if (!is_asked(steps[[name]]))
      refuse(caller, name, " cannot be left out; call the steps one by one", argument = name)
  if (isTRUE(guard) && !m$lent$are_counts)
    refuse(caller, "x holds values that are no counts; guard = FALSE lets them through", argument = "guard",
           kind = "state")
  reading <- given$options
  with <- function(step) {
    given$options <- c(reading, if (is.list(step)) step)
    given
  }
  values <- list()
  report <- list(n_cells = as.double(n_cells_of(m)), n_genes = as.double(n_genes_of(m)))
  if (is_asked(steps$qc)) {
    groups <- groups_for(if (is.list(steps$qc)) steps$qc$qc_vars, m, caller)
    own <- if (is.list(steps$qc)) steps$qc[setdiff(names(steps$qc), "qc_vars")]
    handle <- matrix_step(caller, "qc", m, with(own), facts_of(m, groups))
    values$obs <- frame_of(handle, "obs", caller, !is.null(m$cells))
    values$var <- frame_of(handle, "var", caller, !is.null(m$genes))
    report$seen <- report_of(handle, caller)$seen
  }
  batches <- if (is.list(steps$highly_variable_genes))
    labels_for(steps$highly_variable_genes$batch_key, m, caller, "batch_key")
  for (filter in c("filter_cells", "filter_genes")) {
    if (!is_asked(steps[[filter]])) next
    kept <- TRUE
    for (name in names(steps[[filter]])) {
      handle <- matrix_step(caller, filter, m, with(steps[[filter]][name]))
      kept <- kept & array_of(handle, "kept", caller) != 0
    }
    if (all(kept)) next
    left <- if (filter == "filter_cells") kept_of(m, cells = kept) else kept_of(m, genes = kept)
    if (filter == "filter_cells" && length(batches) > 0) batches$codes <- batches$codes[kept]
    m <- matrix_of(left, NULL, caller)
  }
  report$n_cells_kept <- as.double(n_cells_of(m))
  report$n_genes_kept <- as.double(n_genes_of(m))
  before <- function(step) reading_beside(with(step), normalize_total = steps$normalize_total, log1p = steps$log1p)
  handle <- matrix_step(caller, "transform", m, before(NULL))
  said <- report_of(handle, caller)
  report[c("target_sum", "n_empty_cells", "n_excluded_genes")] <-
    said[c("target_sum", "n_empty_cells", "n_excluded_genes")]
  values$size_factors <- setNames(array_of(handle, "size_factors", caller), m$cells)
  values$x <- made_matrix(handle, m, caller)
  mask <- NULL
  if (is_asked(steps$highly_variable_genes)) {
    own <- steps$highly_variable_genes
    own <- if (is.list(own)) own[setdiff(names(own), "batch_key")]
    on_counts <- is.list(own) && any(own$flavor %in% c("seurat_v3", "seurat_v3_paper"))
    chosen <- variable_genes(caller, m, if (on_counts) with(own) else before(own), batches)
    values[c("hvg", "highly_variable")] <- chosen[c("hvg", "highly_variable")]
    report[c("n_highly_variable", "warnings")] <- chosen$report[c("n_highly_variable", "warnings")]
    mask <- as.integer(chosen$highly_variable)
  }
  if (is_asked(steps$pca)) {
    handle <- matrix_step(caller, "pca", m, before(steps$pca), facts_of(m, list(mask = mask)))
    axes <- components(handle, caller, m = m)
    values <- c(values, components_only(axes))
    report[c("n_comps", "variance_ratio")] <- axes$report[c("n_comps", "variance_ratio")]
  }
  structure(class = "cyto_pp", c(values, list(report = report)))
}
