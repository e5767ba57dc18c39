#' Type ("text", "double", "integer"), rows and columns of an array; columns are 0 for a list.
#' @noRd
array_shape <- function(handle, name) .Call(wrap__array_shape, handle, name)

#' Fills a new numeric or integer vector with an array, column by column, or row by row as it lies.
#' @noRd
array_fill <- function(handle, name, target, by_row) .Call(wrap__array_fill, handle, name, target, by_row)

#' An array of texts.
#' @noRd
array_text <- function(handle, name) .Call(wrap__array_text, handle, name)

#' What `.Call` calls with the token of a failure to go on with a jump of R.
#' @noRd
jump_function <- function() .Call(wrap__jump_function)

#' Position, from 1, of the first value that is no count: negative, not finite or, when `whole` is asked for,
#' with a fraction above 1e-6 (what spacexr forgives); NA when all are. No temporary of the size of the counts
#' is made, which R's own arithmetic would.
#' @noRd
first_bad_count <- function(values, whole) .Call(wrap__first_bad_count, values, whole)

#' A data set. `design` is a formula, or `list(values =, names =)`: samples x coefficients, row after row.
#' @noRd
deseq_new <- function(settings, counts, samples, columns, genes, design, options) .Call(wrap__deseq_new, settings, counts, samples, columns, genes, design, options)

#' Size factors, normalization factors, lengths or weights; matrices gene after gene.
#' @noRd
deseq_set <- function(handle, name, values) .Call(wrap__deseq_set, handle, name, values)

#' A step: "size_factors", "dispersions" or their stages "gene_wise", "trend" and "shrink", "wald", "lrt" or "run".
#' @noRd
deseq_step <- function(settings, handle, step, options) .Call(wrap__deseq_step, settings, handle, step, options)

#' Puts kept estimates back: columns by name.
#' @noRd
deseq_put_back <- function(handle, columns, options) .Call(wrap__deseq_put_back, handle, columns, options)

#' The columns of the genes so far.
#' @noRd
deseq_gene_table <- function(handle) .Call(wrap__deseq_gene_table, handle)

#' Facts of the analysis so far.
#' @noRd
deseq_info <- function(handle) .Call(wrap__deseq_info, handle)

#' @noRd
deseq_transform <- function(settings, handle, kind, options) .Call(wrap__deseq_transform, settings, handle, kind, options)

#' Dispersions at means by a trend.
#' @noRd
deseq_trend_values <- function(trend, means) .Call(wrap__deseq_trend_values, trend, means)

#' Shares of pure samples; `x` and `pure` gene after gene.
#' @noRd
deseq_unmix <- function(settings, x, pure, n_genes, options) .Call(wrap__deseq_unmix, settings, x, pure, n_genes, options)

#' A data set whose samples are groups of samples; `codes` from 0.
#' @noRd
deseq_collapse <- function(settings, handle, codes, groups) .Call(wrap__deseq_collapse, settings, handle, codes, groups)

#' A data set with replaced outliers; `cooks` gene after gene.
#' @noRd
deseq_replace <- function(handle, cooks, options) .Call(wrap__deseq_replace, handle, cooks, options)

#' Components of samples: `values` gene after gene; scores sample after sample, and shares of the variance.
#' @noRd
deseq_pca <- function(values, n_samples, n_top) .Call(wrap__deseq_pca, values, n_samples, n_top)

#' The variance of the prior of ln dispersion.
#' @noRd
deseq_disp_prior_var <- function(handle, options) .Call(wrap__deseq_disp_prior_var, handle, options)

#' Variances of a prior of coefficients, kept in the data set; `mle` gene after gene.
#' @noRd
deseq_beta_prior_var <- function(handle, mle, options) .Call(wrap__deseq_beta_prior_var, handle, mle, options)

#' A table of results.
#' @noRd
deseq_results <- function(settings, handle, options) .Call(wrap__deseq_results, settings, handle, options)

#' Replaces a column of a table of results.
#' @noRd
deseq_results_set <- function(results, name, values) .Call(wrap__deseq_results_set, results, name, values)

#' Descriptions, filtering and prior of a table of results, and its summary.
#' @noRd
deseq_results_facts <- function(results) .Call(wrap__deseq_results_facts, results)

#' Shrunken effects; `base` is a table of results or NULL.
#' @noRd
deseq_shrink <- function(settings, handle, base, options) .Call(wrap__deseq_shrink, settings, handle, base, options)

#' A table that R kept, from its columns.
#' @noRd
deseq_results_kept <- function(genes, columns, options) .Call(wrap__deseq_results_kept, genes, columns, options)

#' Opens a file or folder; `path` is raw bytes, `options` a list as in `cyto_open_options`.
#' @noRd
dataset_open <- function(settings, path, options) .Call(wrap__dataset_open, settings, path, options)

#' What was found in a file.
#' @noRd
dataset_info <- function(dataset) .Call(wrap__dataset_info, dataset)

#' The table "obs" or "var" as a list of columns; the first one, "index", holds the row names.
#' @noRd
dataset_table <- function(dataset, table) .Call(wrap__dataset_table, dataset, table)

#' Cells and genes of a file.
#' @noRd
dataset_shape <- function(dataset) .Call(wrap__dataset_shape, dataset)

#' Some cells of a file in memory, as a handle of arrays.
#' @noRd
dataset_rows <- function(settings, dataset, first, n) .Call(wrap__dataset_rows, settings, dataset, first, n)

#' Pixels whose counts stay in the file.
#' @noRd
spatial_from_dataset <- function(dataset) .Call(wrap__spatial_from_dataset, dataset)

#' A reference whose counts are read from the file once.
#' @noRd
reference_from_dataset <- function(settings, dataset, column, n_max_cells, min_umi) .Call(wrap__reference_from_dataset, settings, dataset, column, n_max_cells, min_umi)

#' Version, ABI number of the library and of this package, and the build as JSON.
#' @noRd
library_info <- function() .Call(wrap__library_info)

#' The lists `score_mat` and `singlet_scores` of doublet mode; `template` is an empty `dgCMatrix`.
#' @noRd
doublet_scores <- function(results, template) .Call(wrap__doublet_scores, results, template)

#' The list of pixels of multi mode.
#' @noRd
multi_pixels <- function(results) .Call(wrap__multi_pixels, results)

#' A step over a file.
#' @noRd
pp_file_step <- function(settings, step, input, output, options) .Call(wrap__pp_file_step, settings, step, input, output, options)

#' Everything that is wrong with a file.
#' @noRd
pp_validate_file <- function(settings, input) .Call(wrap__pp_validate_file, settings, input)

#' Some cells and genes of a file.
#' @noRd
pp_subset_file <- function(settings, input, output, cells, genes, options) .Call(wrap__pp_subset_file, settings, input, output, cells, genes, options)

#' A step over a matrix.
#' @noRd
pp_matrix_step <- function(settings, step, matrix, facts, options) .Call(wrap__pp_matrix_step, settings, step, matrix, facts, options)

#' Scales a matrix; `mask_obs` are flags of the cells or NULL.
#' @noRd
pp_matrix_scale <- function(settings, matrix, facts, mask_obs, options) .Call(wrap__pp_matrix_scale, settings, matrix, facts, mask_obs, options)

#' Neighbours of cells by coordinates, one cell after the other.
#' @noRd
pp_neighbors_of <- function(settings, coordinates, n_dims, options) .Call(wrap__pp_neighbors_of, settings, coordinates, n_dims, options)

#' A table of a result as a list of columns; the first one, "index", holds the row names.
#' @noRd
pp_table <- function(result, table) .Call(wrap__pp_table, result, table)

#' The report of a result.
#' @noRd
pp_report <- function(result) .Call(wrap__pp_report, result)

#' Writes an open file or folder of counts as an `.h5ad`.
#' @noRd
dataset_write_h5ad <- function(settings, dataset, output, options) .Call(wrap__dataset_write_h5ad, settings, dataset, output, options)

#' Removes what killed writers left in a folder; how many files.
#' @noRd
cleanup_folder <- function(folder) .Call(wrap__cleanup_folder, folder)

#' Whether all numbers are counts: whole, from 0 to 2^32 - 1.
#' @noRd
are_counts <- function(values) .Call(wrap__are_counts, values)

#' Mean expression of the cell types of labelled cells.
#' @noRd
reference_from_counts <- function(settings, counts, cells, genes, labels, cell_types, n_umi) .Call(wrap__reference_from_counts, settings, counts, cells, genes, labels, cell_types, n_umi)

#' A reference from profiles: genes x types, row by row.
#' @noRd
reference_from_profiles <- function(profiles, genes, cell_types) .Call(wrap__reference_from_profiles, profiles, genes, cell_types)

#' Pixels whose counts stay R's; `coords` holds x, y of every pixel, one pair after the other.
#' @noRd
spatial_new <- function(settings, counts, pixels, genes, coords, n_umi) .Call(wrap__spatial_new, settings, counts, pixels, genes, coords, n_umi)

#' Filters and gene lists.
#' @noRd
rctd_create <- function(settings, spatial, reference, config) .Call(wrap__rctd_create, settings, spatial, reference, config)

#' Options of the steps to come; `rows` are the pixels for sigma and `entries` a list of what is scored in each
#' round, both counted from 0 and NULL for the engine's choice.
#' @noRd
rctd_set_options <- function(rctd, config, rows, entries) .Call(wrap__rctd_set_options, rctd, config, rows, entries)

#' Platform effects.
#' @noRd
rctd_fit_bulk <- function(settings, rctd) .Call(wrap__rctd_fit_bulk, settings, rctd)

#' The noise level.
#' @noRd
rctd_choose_sigma <- function(settings, rctd) .Call(wrap__rctd_choose_sigma, settings, rctd)

#' All pixels, in a mode: 0 full, 1 doublet, 2 multi.
#' @noRd
rctd_fit_pixels <- function(settings, rctd, mode) .Call(wrap__rctd_fit_pixels, settings, rctd, mode)

#' 100 sigma of an object or of results.
#' @noRd
sigma_of <- function(handle) .Call(wrap__sigma_of, handle)

#' Whether an external pointer holds a handle of this session.
#' @noRd
is_alive <- function(handle) .Call(wrap__is_alive, handle)

#' Start and end of every shard, one pair after the other; `size` 0 is the library's choice.
#' @noRd
rctd_plan <- function(rctd, size) .Call(wrap__rctd_plan, rctd, size)

#' Fits a range of the kept pixels; gives the shard as bytes.
#' @noRd
rctd_run_shard <- function(settings, rctd, mode, start, end) .Call(wrap__rctd_run_shard, settings, rctd, mode, start, end)

#' Joins shards, a list of bytes.
#' @noRd
rctd_merge <- function(rctd, mode, shards) .Call(wrap__rctd_merge, rctd, mode, shards)

