#' Quality control metrics
#'
#' Totals, numbers of genes and percentages of every cell, and totals, means and dropouts of every gene.
#'
#' @param x counts: a file ([counts_file()] or its path: `.h5ad`, 10x `.h5`, a folder in Matrix Market format, a
#'   Visium `outs` folder), or a matrix of genes x cells (`dgCMatrix`, which is borrowed and not copied, or any other
#'   matrix), or a `SummarizedExperiment` or `SingleCellExperiment`.
#' @param output files: the `.h5ad` that is made or replaced, as a whole and when all is done; it may be `x`. `NULL`
#'   writes nothing.
#' @param expr_type,var_type words for values and genes in the names of columns.
#' @param qc_vars groups of genes, such as the mitochondrial ones. Files: names of logical columns of `var`. Matrices:
#'   a named list of logical vectors, one value a gene; for an experiment also names of columns of its `rowData`.
#' @param percent_top sizes of the sets of most abundant genes whose share of a cell is computed; `NULL` = none.
#' @param layer files: read `layers/<layer>` in place of `X`. Experiments: the assay; without it `counts`, or the first.
#' @param use_raw files: read `raw/X`.
#' @param log1p whether to add columns with log(1 + value).
#' @param wide whether columns keep 64-bit floats; otherwise they are rounded to scanpy's types.
#' @param ... options that all steps have: `max_cores` (4) threads; `memory_limit` bytes for blocks and caches (the
#'   engine's own choice); `canonicalize` (`TRUE`: entries of the same cell and gene are summed); `allow_nonfinite`
#'   (`FALSE`); of those that write a file `compression` (as the input; `"none"`, `"gzip"`, `"gzip:1"` to `"gzip:9"`,
#'   with `"+shuffle"` or without) and `break_hardlinks` (`FALSE`).
#' @return A list of class `cyto_pp`: `obs` (data frame, a row a cell: `n_genes_by_counts`, `total_counts`,
#'   `pct_counts_in_top_50_genes` in percent, and of each group `total_counts_mt`, `pct_counts_mt`, ...; `log1p_*` are
#'   natural logarithms), `var` (data frame, a row a gene: `n_cells_by_counts`, `mean_counts`,
#'   `pct_dropout_by_counts` in percent, `total_counts`, ...) and `report` (facts, and the options in force). Rows whose
#'   name came before get `-1`, `-2` and so on.
#' @details A matrix that holds counts only (whole numbers from 0) is taken as a file of them is: sums in 64 bits, then
#'   in the types of 32-bit floats. A matrix with any other value is taken as 64-bit floats.
#' @source scanpy 1.11.5, `pp.calculate_qc_metrics`.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' qc <- pp_qc(counts, qc_vars = list(first = seq_len(nrow(counts)) <= 10), percent_top = c(10, 20), max_cores = 1)
#' head(qc$obs)
#' head(qc$var)
#' @export
pp_qc <- function(x, output = NULL, expr_type = "counts", var_type = "genes", qc_vars = NULL,
                  percent_top = c(50, 100, 200, 500), layer = NULL, use_raw = FALSE, log1p = TRUE, wide = FALSE, ...) {
  caller <- "pp_qc"
  own <- c(set_only(expr_type = expr_type, var_type = var_type, log1p = log1p, wide = wide),
           list(percent_top = if (is.null(percent_top)) NULL else I(percent_top)))
  if (is_file(x)) {
    own <- c(own, set_only(qc_vars = if (is.null(qc_vars)) NULL else I(qc_vars), layer = layer, use_raw = use_raw))
    handle <- file_step(caller, "qc", x, output, given_options(caller, own, ...))
    return(found(handle, caller, output, obs = frame_of(handle, "obs", caller), var = frame_of(handle, "var", caller)))
  }
  only_for_files(caller, output = output, use_raw = if (!identical(use_raw, FALSE)) use_raw)
  m <- matrix_of(x, layer, caller)
  handle <- matrix_step(caller, "qc", m, given_options(caller, own, ...), facts_of(m, groups_for(qc_vars, m, caller)))
  found(handle, caller, obs = frame_of(handle, "obs", caller, !is.null(m$cells)),
        var = frame_of(handle, "var", caller, !is.null(m$genes)))
}

filter_step <- function(caller, step, x, output, own, layer, more) {
  table <- if (step == "filter_cells") "obs" else "var"
  given <- do.call(given_options, c(list(caller, own), more))
  if (is_file(x)) {
    if (!is.null(layer)) given$options$layer <- layer
    handle <- file_step(caller, step, x, output, given)
    frame <- frame_of(handle, table, caller)
    kept <- flags_of(handle, "kept", rownames(frame), caller)
    found <- if (table == "obs") found(handle, caller, output, obs = frame, kept = kept) else
      found(handle, caller, output, var = frame, kept = kept)
    return(found)
  }
  only_for_files(caller, output = output)
  m <- matrix_of(x, layer, caller)
  handle <- matrix_step(caller, step, m, given)
  if (table == "obs") {
    kept <- flags_of(handle, "kept", m$cells, caller)
    return(found(handle, caller, obs = frame_of(handle, "obs", caller, !is.null(m$cells)), kept = kept,
                 x = kept_of(m, cells = unname(kept))))
  }
  kept <- flags_of(handle, "kept", m$genes, caller)
  found(handle, caller, var = frame_of(handle, "var", caller, !is.null(m$genes)), kept = kept,
        x = kept_of(m, genes = unname(kept)))
}

#' Filters of cells and genes
#'
#' Keep the cells or genes that pass one threshold, which is inclusive; exactly one is given.
#'
#' @inheritParams pp_qc
#' @param min_counts,max_counts sum of the values, at least or at most.
#' @param min_genes,max_genes genes above zero in the cell.
#' @param min_cells,max_cells cells in which the gene is above zero.
#' @param layer experiments: the assay that is looked at. (In files it is `X`.)
#' @return A list of class `cyto_pp`: `obs` (or `var`; the number that was compared, and `kept`), `kept` (named
#'   logical), `report`; of a matrix or experiment also `x`, what is left of it.
#' @source scanpy 1.11.5, `pp.filter_cells` and `pp.filter_genes`.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' counts <- pp_filter_cells(counts, min_counts = 900, max_cores = 1)$x
#' pp_filter_genes(counts, min_cells = 3, max_cores = 1)
#' @export
pp_filter_cells <- function(x, output = NULL, min_counts = NULL, min_genes = NULL, max_counts = NULL, max_genes = NULL,
                            layer = NULL, ...) {
  own <- set_only(min_counts = min_counts, min_genes = min_genes, max_counts = max_counts, max_genes = max_genes)
  filter_step("pp_filter_cells", "filter_cells", x, output, own, layer, list(...))
}

#' @rdname pp_filter_cells
#' @export
pp_filter_genes <- function(x, output = NULL, min_counts = NULL, min_cells = NULL, max_counts = NULL, max_cells = NULL,
                            layer = NULL, ...) {
  own <- set_only(min_counts = min_counts, min_cells = min_cells, max_counts = max_counts, max_cells = max_cells)
  filter_step("pp_filter_genes", "filter_genes", x, output, own, layer, list(...))
}

#' Some cells and genes of a file
#'
#' Every member of the file is cut: matrices, layers, tables, graphs of cells; `raw` loses cells only.
#'
#' @inheritParams pp_qc
#' @param output the `.h5ad` that is made or replaced; it may be `x`.
#' @param cells,genes logical, one value for each cell and gene of the file, in its order; `NULL` keeps all.
#' @return A list of class `cyto_pp` with `output` and `report` (`n_cells_kept`, `n_genes_kept`).
#' @export
pp_subset <- function(x, output, cells = NULL, genes = NULL, ...) {
  caller <- "pp_subset"
  if (!is_file(x)) refuse(caller, "x must be a file; of a matrix take x[genes, cells]", argument = "x")
  mask <- function(flags, argument) {
    if (is.null(flags)) return(NULL)
    if (!is.logical(flags) || anyNA(flags))
      refuse(caller, argument, " must be TRUE or FALSE, and one for each in the file", argument = argument)
    as.integer(flags)
  }
  cells <- mask(cells, "cells")
  genes <- mask(genes, "genes")
  given <- given_options(caller, list(), ...)
  to <- path_bytes(output, caller, "output")
  file <- h5ad_of(x, output, caller, given)
  handle <- step_call(caller, given, function(settings) {
    pp_subset_file(settings, file$path, to, cells, genes, given$options)
  })
  found(handle, caller, output)
}

size_results <- function(handle, m, caller, ...) {
  excluded <- array_of(handle, "excluded_genes", caller) + 1
  found(handle, caller, size_factors = setNames(array_of(handle, "size_factors", caller), m$cells),
        excluded_genes = if (is.null(m$genes)) excluded else m$genes[excluded], ...)
}

#' Normalisation by totals, and logarithm
#'
#' `pp_normalize_total` divides every cell by its size factor, `pp_log1p` takes log(1 + x) of every value;
#' `pp_size_factors` gives the factors of a matrix without a normalised copy of it.
#'
#' @inheritParams pp_qc
#' @param target_sum total of every cell afterwards; `NULL` is the median of the totals.
#' @param exclude_highly_expressed whether genes that make up more than `max_fraction` of some cell are left out of
#'   the totals.
#' @param max_fraction see there; 0 to 1.
#' @param key_added files: column of `obs` that the factors are written to.
#' @param median_over cells whose totals the median is taken of: `"all"`, `"nonzero"` (those with counts, recommended)
#'   or `"auto"` (as scanpy: all where the matrix is sparse).
#' @param base base of the logarithm; `NULL` is the natural one.
#' @param guard files: whether data that are logarithms already are an error, not a warning.
#' @return A list of class `cyto_pp`: of `pp_normalize_total` `size_factors` (one a cell; 0 for a cell without counts,
#'   which stays as it is) and `excluded_genes`; of a matrix or experiment `x`, the new values as a `dgCMatrix` of genes
#'   x cells, rounded to 32-bit floats when the old ones are counts (as in a file); and `report`.
#' @source scanpy 1.11.5, `pp.normalize_total` and `pp.log1p`.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' normalized <- pp_normalize_total(counts, target_sum = 1e4, max_cores = 1)
#' logcounts <- pp_log1p(normalized$x, max_cores = 1)$x
#' @export
pp_normalize_total <- function(x, output = NULL, target_sum = NULL, exclude_highly_expressed = FALSE,
                               max_fraction = 0.05, key_added = NULL, layer = NULL, median_over = "auto", ...) {
  caller <- "pp_normalize_total"
  own <- set_only(target_sum = target_sum, exclude_highly_expressed = exclude_highly_expressed,
                  max_fraction = max_fraction, median_over = median_over)
  if (is_file(x)) {
    own <- c(own, set_only(key_added = key_added, layer = layer))
    handle <- file_step(caller, "normalize_total", x, output, given_options(caller, own, ...))
    return(size_results(handle, list(), caller, output = output))
  }
  only_for_files(caller, output = output, key_added = key_added)
  m <- matrix_of(x, layer, caller)
  given <- reading_beside(given_options(caller, list(), ...), normalize_total = own)
  handle <- matrix_step(caller, "transform", m, given)
  size_results(handle, m, caller, x = made_matrix(handle, m, caller))
}

# The options of a step that is done on the way to another, as the engine takes them: TRUE or a list by name.
reading_beside <- function(given, ...) {
  steps <- list(...)
  steps <- steps[!vapply(steps, function(step) is.null(step) || identical(step, FALSE), TRUE)]
  given$options <- c(given$options, lapply(steps, function(step) if (length(step) == 0) TRUE else step))
  given
}

#' @rdname pp_normalize_total
#' @export
pp_size_factors <- function(x, target_sum = NULL, exclude_highly_expressed = FALSE, max_fraction = 0.05, layer = NULL,
                            median_over = "auto", ...) {
  caller <- "pp_size_factors"
  if (is_file(x)) refuse(caller, "x is a file; pp_normalize_total gives the factors of files", argument = "x")
  own <- set_only(target_sum = target_sum, exclude_highly_expressed = exclude_highly_expressed,
                  max_fraction = max_fraction, median_over = median_over)
  m <- matrix_of(x, layer, caller)
  size_results(matrix_step(caller, "size_factors", m, given_options(caller, own, ...)), m, caller)
}

#' @rdname pp_normalize_total
#' @export
pp_log1p <- function(x, output = NULL, base = NULL, layer = NULL, guard = FALSE, ...) {
  caller <- "pp_log1p"
  if (is_file(x)) {
    own <- set_only(base = base, layer = layer, guard = guard)
    return(found(file_step(caller, "log1p", x, output, given_options(caller, own, ...)), caller, output))
  }
  only_for_files(caller, output = output, guard = if (!identical(guard, FALSE)) guard)
  m <- matrix_of(x, layer, caller)
  own <- set_only(base = base)
  handle <- matrix_step(caller, "transform", m, reading_beside(given_options(caller, list(), ...), log1p = own))
  found(handle, caller, x = made_matrix(handle, m, caller))
}

#' Highly variable genes
#'
#' Genes whose variance is large for their mean. `seurat` and `cell_ranger` look at log-normalised values, `seurat_v3`
#' and `seurat_v3_paper` at counts.
#'
#' @inheritParams pp_qc
#' @param n_top_genes number of genes; the cutoffs are then ignored. The default of `seurat_v3` is 2,000, of the others
#'   the cutoffs.
#' @param min_mean,max_mean,min_disp,max_disp means and normalised dispersions strictly between are selected.
#' @param span share of the genes of each local fit of `seurat_v3`.
#' @param n_bins number of bins of `seurat`.
#' @param flavor `"seurat"`, `"cell_ranger"`, `"seurat_v3"` or `"seurat_v3_paper"`.
#' @param subset files: whether the output has these genes only.
#' @param batch_key files: column of `obs`. Matrices: the batch of every cell; for an experiment also a column of its
#'   `colData`. Cells without a batch (`NA`) are left out.
#' @param check_values whether values that are no counts are a warning (`seurat_v3`).
#' @param normalize_total,log1p matrices: normalise counts, take logarithms, on the way and without a copy: `TRUE`, or
#'   a list of options of [pp_normalize_total()] and [pp_log1p()].
#' @param log_base matrices of logarithms: their base; `NULL` is the natural one. (Files say so themselves.)
#' @return A list of class `cyto_pp`: `hvg` (data frame, a row a gene: `highly_variable`, `means`, `dispersions`,
#'   `dispersions_norm`, or `highly_variable_rank`, `means`, `variances`, `variances_norm` of `seurat_v3`; with batches
#'   `highly_variable_nbatches` and so on), `highly_variable` (named logical) and `report`.
#' @source scanpy 1.11.5, `pp.highly_variable_genes`.
#' @seealso [plot_highly_variable_genes()]
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' genes <- pp_highly_variable_genes(counts, n_top_genes = 20, normalize_total = TRUE, log1p = TRUE, max_cores = 1)
#' genes$hvg[genes$highly_variable, ]
#' @export
pp_highly_variable_genes <- function(x, output = NULL, layer = NULL, n_top_genes = NULL, min_disp = 0.5, max_disp = Inf,
                                     min_mean = 0.0125, max_mean = 3, span = 0.3, n_bins = 20, flavor = "seurat",
                                     subset = FALSE, batch_key = NULL, check_values = TRUE, normalize_total = NULL,
                                     log1p = NULL, log_base = NULL, ...) {
  caller <- "pp_highly_variable_genes"
  own <- set_only(n_top_genes = n_top_genes, min_disp = min_disp, max_disp = max_disp, min_mean = min_mean,
                  max_mean = max_mean, span = span, n_bins = n_bins, flavor = flavor, check_values = check_values)
  if (is_file(x)) {
    only_for_matrices(caller, normalize_total = normalize_total, log1p = log1p, log_base = log_base)
    own <- c(own, set_only(batch_key = batch_key, layer = layer, subset = subset))
    handle <- file_step(caller, "highly_variable_genes", x, output, given_options(caller, own, ...))
    frame <- frame_of(handle, "hvg", caller)
    return(found(handle, caller, output, hvg = frame,
                 highly_variable = flags_of(handle, "highly_variable", rownames(frame), caller)))
  }
  only_for_files(caller, output = output, subset = if (!identical(subset, FALSE)) subset)
  m <- matrix_of(x, layer, caller)
  given <- given_options(caller, c(own, set_only(log_base = log_base)), ...)
  given <- reading_beside(given, normalize_total = normalize_total, log1p = log1p)
  variable_genes(caller, m, given, labels_for(batch_key, m, caller, "batch_key"))
}

variable_genes <- function(caller, m, given, labels) {
  handle <- matrix_step(caller, "highly_variable_genes", m, given, facts_of(m, labels))
  found(handle, caller, hvg = frame_of(handle, "hvg", caller, !is.null(m$genes)),
        highly_variable = flags_of(handle, "highly_variable", m$genes, caller))
}

only_for_matrices <- function(caller, ...) {
  given <- list(...)
  given <- names(given)[!vapply(given, is.null, TRUE)]
  if (length(given) > 0) refuse(caller, given[1], " is for matrices in memory; a file is what its steps made it",
                                argument = given[1])
}

#' Principal components
#'
#' Exact up to 8,000 genes: nothing is centred in memory or made dense.
#'
#' @inheritParams pp_highly_variable_genes
#' @param n_comps components; `NULL` is 50, or one less than the smaller side of the matrix.
#' @param zero_center whether means are taken out.
#' @param svd_solver `"auto"`, `"covariance"` (exact) or `"randomized"`.
#' @param random_state seed of the randomised solver.
#' @param mask_var genes to use. Files: a logical column of `var`; when it is left out, `highly_variable` where there
#'   is one; `NULL` = all. Matrices: logical, one value a gene, or a column of an experiment's `rowData`; left out or
#'   `NULL` = all.
#' @param key_added files: name of the results in place of `X_pca`, `PCs` and `pca`.
#' @param match_dtype files: whether loadings and variances are written as 32-bit floats where the matrix is.
#' @return A list of class `cyto_pp`: `loadings` (genes x components; zero for genes that are not used), `variance`
#'   (along each component), `variance_ratio`, `pca_genes` (names of the genes used, or positions), `pca_mean` (their
#'   means), `report`; of a matrix also `scores` (cells x components), which a file has in its output.
#' @source scanpy 1.11.5, `pp.pca`; of every component the loading of largest size is positive.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' components <- pp_pca(counts, n_comps = 5, normalize_total = TRUE, log1p = TRUE, max_cores = 1)
#' head(components$scores)
#' @export
pp_pca <- function(x, output = NULL, n_comps = NULL, layer = NULL, zero_center = TRUE, svd_solver = "auto",
                   random_state = 0, mask_var, key_added = NULL, match_dtype = FALSE, normalize_total = NULL,
                   log1p = NULL, ...) {
  caller <- "pp_pca"
  own <- set_only(n_comps = n_comps, zero_center = zero_center, svd_solver = svd_solver, random_state = random_state)
  if (is_file(x)) {
    only_for_matrices(caller, normalize_total = normalize_total, log1p = log1p)
    own <- c(own, set_only(layer = layer, key_added = key_added, match_dtype = match_dtype))
    if (!missing(mask_var)) own["mask_var"] <- list(mask_var)
    return(components(file_step(caller, "pca", x, output, given_options(caller, own, ...)), caller, output))
  }
  only_for_files(caller, output = output, key_added = key_added,
                 match_dtype = if (!identical(match_dtype, FALSE)) match_dtype)
  m <- matrix_of(x, layer, caller)
  mask <- if (missing(mask_var)) NULL else flags_for(mask_var, m, "genes", caller, "mask_var")
  given <- reading_beside(given_options(caller, own, ...), normalize_total = normalize_total, log1p = log1p)
  components(matrix_step(caller, "pca", m, given, facts_of(m, list(mask = mask))), caller, m = m)
}

components <- function(handle, caller, output = NULL, m = NULL) {
  genes <- optional_array(handle, "genes")
  loadings <- array_of(handle, "loadings", caller)
  names <- paste0("PC", seq_len(ncol(loadings)))
  dimnames(loadings) <- list(genes, names)
  used <- array_of(handle, "pca_genes", caller) + 1
  scores <- if (!is.null(m)) structure(array_of(handle, "scores", caller), dimnames = list(m$cells, names))
  found(handle, caller, output, scores = scores, loadings = loadings, variance = array_of(handle, "variance", caller),
        variance_ratio = array_of(handle, "variance_ratio", caller),
        pca_genes = if (is.null(genes)) used else genes[used],
        pca_mean = array_of(handle, "pca_mean", caller))
}

#' Genes scaled to unit variance
#'
#' @inheritParams pp_highly_variable_genes
#' @param zero_center whether means are taken out; nothing is zero any more then, so the result is dense.
#' @param max_value largest value afterwards (and, when centred, of the other sign).
#' @param mask_obs cells that are looked at and changed. Files: a logical column of `obs`. Matrices: logical, one value
#'   a cell, or a column of an experiment's `colData`.
#' @param dense_ok files: whether a sparse matrix may become dense.
#' @return A list of class `cyto_pp`: `gene_mean`, `gene_std` (denominator n - 1; 1 for a gene that does not vary),
#'   `report`; of a matrix also `x`, genes x cells: a matrix when centred, a `dgCMatrix` otherwise.
#' @source scanpy 1.11.5, `pp.scale`.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' scaled <- pp_scale(counts, max_value = 10, normalize_total = TRUE, log1p = TRUE, max_cores = 1)
#' range(scaled$x)
#' @export
pp_scale <- function(x, output = NULL, zero_center = TRUE, max_value = NULL, layer = NULL, mask_obs = NULL,
                     dense_ok = FALSE, normalize_total = NULL, log1p = NULL, ...) {
  caller <- "pp_scale"
  own <- set_only(zero_center = zero_center, max_value = max_value)
  stats <- function(handle, genes, ...) {
    found(handle, caller, gene_mean = setNames(array_of(handle, "gene_mean", caller), genes),
          gene_std = setNames(array_of(handle, "gene_std", caller), genes), ...)
  }
  if (is_file(x)) {
    only_for_matrices(caller, normalize_total = normalize_total, log1p = log1p)
    own <- c(own, set_only(layer = layer, mask_obs = mask_obs, dense_ok = dense_ok))
    return(stats(file_step(caller, "scale", x, output, given_options(caller, own, ...)), NULL, output = output))
  }
  only_for_files(caller, output = output, dense_ok = if (!identical(dense_ok, FALSE)) dense_ok)
  m <- matrix_of(x, layer, caller)
  mask <- flags_for(mask_obs, m, "cells", caller, "mask_obs")
  given <- reading_beside(given_options(caller, own, ...), normalize_total = normalize_total, log1p = log1p)
  handle <- step_call(caller, given, function(settings) {
    pp_matrix_scale(settings, m$lent, facts_of(m), mask, given$options)
  })
  made <- if (isFALSE(zero_center)) made_matrix(handle, m, caller) else
    structure(array_of(handle, "x", caller, turned = TRUE), dimnames = list(m$genes, m$cells))
  stats(handle, m$genes, x = made)
}

#' Nearest neighbours
#'
#' Exact nearest neighbours of every cell, and UMAP's weights of their graph.
#'
#' @inheritParams pp_qc
#' @param x a file, or coordinates of cells in memory: a matrix of cells x dimensions, such as the scores of [pp_pca()].
#' @param n_neighbors neighbours of a cell, itself included.
#' @param n_pcs dimensions to use, the first ones; `NULL` = all.
#' @param use_rep files: member of `obsm` with the coordinates.
#' @param key_added files: name of the results in place of `neighbors`, `distances` and `connectivities`.
#' @return A list of class `cyto_pp`: `indices` (cells x (n_neighbors - 1), positions from 1) and `distances` (the
#'   same, in the unit of the coordinates), nearest first and without the cell itself; `distance_matrix` and
#'   `connectivities` (`dgCMatrix`, cells x cells, a row a cell); `report`.
#' @source scanpy 1.11.5, `pp.neighbors`; ties go to the lower position.
#' @examples
#' counts <- simulate_tissue(n_pixels = 60)$puck@counts
#' scores <- pp_pca(counts, n_comps = 5, normalize_total = TRUE, log1p = TRUE, max_cores = 1)$scores
#' pp_neighbors(scores, n_neighbors = 10, max_cores = 1)
#' @export
pp_neighbors <- function(x, output = NULL, n_neighbors = 15, n_pcs = NULL, use_rep = "X_pca", key_added = NULL, ...) {
  caller <- "pp_neighbors"
  own <- set_only(n_neighbors = n_neighbors)
  if (is_file(x)) {
    own <- c(own, set_only(n_pcs = n_pcs, use_rep = use_rep, key_added = key_added))
    return(near(file_step(caller, "neighbors", x, output, given_options(caller, own, ...)), caller, output))
  }
  only_for_files(caller, output = output, key_added = key_added,
                 use_rep = if (!identical(use_rep, "X_pca")) use_rep)
  if (!is.matrix(x) || !is.numeric(x))
    refuse(caller, "x must be a file or a matrix of coordinates, cells x dimensions", argument = "x")
  if (!is.null(n_pcs)) {
    if (!is.numeric(n_pcs) || length(n_pcs) != 1L || is.na(n_pcs) || n_pcs < 1 || n_pcs > ncol(x))
      refuse(caller, "n_pcs must be one number from 1 to ", ncol(x), ", the dimensions of x", argument = "n_pcs")
    x <- x[, seq_len(n_pcs), drop = FALSE]
  }
  given <- given_options(caller, own, ...)
  handle <- step_call(caller, given, function(settings) {
    pp_neighbors_of(settings, as.double(t(x)), ncol(x), given$options)
  })
  near(handle, caller, cells = rownames(x))
}

near <- function(handle, caller, output = NULL, cells = NULL) {
  rows <- function(values) structure(values, dimnames = if (!is.null(cells)) list(cells, NULL))
  found(handle, caller, output, indices = rows(array_of(handle, "indices", caller) + 1),
        distances = rows(array_of(handle, "distances", caller)),
        distance_matrix = graph_of(handle, "distances", caller, cells),
        connectivities = graph_of(handle, "connectivities", caller, cells))
}

#' Pseudobulk
#'
#' Sums, means and other statistics of every gene over groups of cells.
#'
#' @inheritParams pp_qc
#' @param output files: an `.h5ad` with a row a group and a layer a function. `NULL` writes nothing.
#' @param by files: columns of `obs`, whose combinations are the groups. Matrices: the group of every cell; for an
#'   experiment also a column of its `colData`. Cells without a group (`NA`) are left out.
#' @param func one or more of `"sum"`, `"mean"`, `"var"`, `"count_nonzero"`, `"median"`.
#' @param dof degrees of freedom that the variance takes off.
#' @return A list of class `cyto_pp`: for each function a matrix of its name, genes x groups; `groups` (data frame, a
#'   row a group: the keys, and `n_obs_aggregated` cells), `group_codes` (position of each cell's group, from 1; `NA`
#'   for none), `report`. Sums and `groups` are what [DESeqDataSetFromMatrix()] takes.
#' @source scanpy 1.11.5, `get.aggregate`.
#' @examples
#' tissue <- simulate_tissue(n_pixels = 60)
#' bulk <- pp_aggregate(tissue$reference@counts, by = tissue$reference@cell_types, max_cores = 1)
#' head(bulk$sum)
#' bulk$groups
#' @export
pp_aggregate <- function(x, output = NULL, by, func = "sum", layer = NULL, dof = 1, ...) {
  caller <- "pp_aggregate"
  if (missing(by)) refuse(caller, "by is missing; it names the groups of cells", argument = "by")
  own <- set_only(func = I(func), dof = dof)
  if (is_file(x)) {
    own <- c(own, set_only(by = I(by), layer = layer))
    return(sums_of(file_step(caller, "aggregate", x, output, given_options(caller, own, ...)), func, caller, output))
  }
  only_for_files(caller, output = output)
  m <- matrix_of(x, layer, caller)
  labels <- labels_for(by, m, caller, "by")
  handle <- matrix_step(caller, "aggregate", m, given_options(caller, own, ...), facts_of(m, labels))
  sums_of(handle, func, caller, m = m)
}

sums_of <- function(handle, func, caller, output = NULL, m = NULL) {
  groups <- frame_of(handle, "groups", caller)
  genes <- if (is.null(m)) array_of(handle, "genes", caller) else m$genes
  layers <- lapply(setNames(nm = unique(func)), function(name) {
    structure(array_of(handle, name, caller, turned = TRUE), dimnames = list(genes, rownames(groups)))
  })
  codes <- array_of(handle, "group_codes", caller) + 1L
  codes[codes == 0L] <- NA
  rest <- list(groups = groups, group_codes = if (is.null(m)) codes else setNames(codes, m$cells))
  do.call(found, c(list(handle, caller, output), layers, rest))
}

#' Another layout of a file
#'
#' Writes the matrix in another layout, chunking or compression; indices ascend, duplicates are summed, zeros are left
#' out. Of a 10x file, a Matrix Market or a Visium folder it makes an `.h5ad`.
#'
#' @inheritParams pp_subset
#' @param layout `"csr"`, `"csc"` or `"dense"`; `NULL` leaves it as it is.
#' @param chunk elements of a chunk of the file.
#' @param layer change `layers/<layer>` in place of `X`.
#' @return A list of class `cyto_pp` with `output` and `report`.
#' @export
pp_convert <- function(x, output, layout = NULL, chunk = 65536, layer = NULL, ...) {
  caller <- "pp_convert"
  if (!is_file(x)) refuse(caller, "x must be a file", argument = "x")
  own <- set_only(layout = layout, chunk = chunk, layer = layer)
  found(file_step(caller, "convert", x, output, given_options(caller, own, ...)), caller, output)
}

#' Everything that is wrong with a file
#'
#' `pp_validate` reads every matrix of an `.h5ad` once. `pp_cleanup` removes the temporary files that killed writers
#' left in a folder: those of processes that do not run any more, five minutes after they were last written.
#'
#' @param x path of an `.h5ad`.
#' @param max_cores threads.
#' @return `pp_validate`: a list of class `cyto_pp` with `faults` (data frame with `member`, `reason` and `message`;
#'   no rows for a good file) and `report` (`matrices`, `warnings`). `pp_cleanup`: the number of files removed.
#' @export
pp_validate <- function(x, max_cores = 4) {
  caller <- "pp_validate"
  path <- path_bytes(if (inherits(x, "cyto_file")) x$path else x, caller, "x")
  handle <- engine_call(caller, max_cores, function(settings) pp_validate_file(settings, path))
  faults <- value_of(pp_report(handle), caller)$faults
  column <- function(name) vapply(faults, function(fault) as.character(fault[[name]])[1], "")
  found(handle, caller, faults = data.frame(member = column("member"), reason = column("reason"),
                                            message = column("message")))
}

#' @param folder the folder.
#' @rdname pp_validate
#' @export
pp_cleanup <- function(folder = ".") {
  caller <- "pp_cleanup"
  value_of(cleanup_folder(path_bytes(folder, caller, "folder")), caller)
}
