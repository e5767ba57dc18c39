# The shared library and its functions, found once when the package is loaded.

"The ABI that this package is written for; a library of another one is refused."
const ABI = 1

const FUNCTIONS = (
    :cyto_abi_version, :cyto_version, :cyto_build_info_json, :cyto_status_name,
    :cyto_error_code, :cyto_error_message, :cyto_error_detail_json, :cyto_error_free,
    :cyto_context_new, :cyto_context_free, :cyto_context_threads, :cyto_context_set_progress,
    :cyto_context_cancel,
    :cyto_matrix_from_view, :cyto_matrix_from_view_copy, :cyto_matrix_from_dense_view,
    :cyto_matrix_from_dense_view_copy, :cyto_matrix_n_cells, :cyto_matrix_n_genes, :cyto_matrix_free,
    :cyto_matrix_from_blocks, :cyto_matrix_values_from_view, :cyto_matrix_values_from_dense_view,
    :cyto_dataset_open, :cyto_dataset_free, :cyto_dataset_counts, :cyto_dataset_info_json,
    :cyto_dataset_array, :cyto_dataset_table_arrow,
    :cyto_reference_from_counts, :cyto_reference_from_dataset, :cyto_reference_from_profiles,
    :cyto_reference_free, :cyto_reference_array,
    :cyto_spatial_new, :cyto_spatial_from_dataset, :cyto_spatial_free,
    :cyto_rctd_options_new, :cyto_rctd_options_free, :cyto_rctd_options_set,
    :cyto_rctd_options_set_sigma_pixels, :cyto_rctd_options_set_sigma_entries, :cyto_rctd_options_to_json,
    :cyto_rctd_run, :cyto_rctd_run_files, :cyto_rctd_create, :cyto_rctd_free, :cyto_rctd_fit_bulk,
    :cyto_rctd_choose_sigma, :cyto_rctd_fit_pixels, :cyto_rctd_sigma, :cyto_rctd_config_json,
    :cyto_rctd_array,
    :cyto_rctd_results_free, :cyto_rctd_results_mode, :cyto_rctd_results_sigma,
    :cyto_rctd_results_array, :cyto_rctd_results_write_h5ad, :cyto_rctd_results_table_arrow,
    :cyto_rctd_plan, :cyto_plan_n_shards, :cyto_plan_bounds, :cyto_plan_free,
    :cyto_rctd_run_shard, :cyto_rctd_merge, :cyto_partial_range, :cyto_partial_serialize,
    :cyto_partial_deserialize, :cyto_partial_free,
    :cyto_dataset_write_h5ad,
    :cyto_pp_qc, :cyto_pp_filter_cells, :cyto_pp_filter_genes, :cyto_pp_normalize_total, :cyto_pp_log1p,
    :cyto_pp_highly_variable_genes, :cyto_pp_pca, :cyto_pp_scale, :cyto_pp_neighbors, :cyto_pp_aggregate,
    :cyto_pp_preprocess, :cyto_pp_convert, :cyto_pp_validate, :cyto_pp_subset,
    :cyto_pp_matrix_qc, :cyto_pp_matrix_size_factors, :cyto_pp_matrix_highly_variable_genes, :cyto_pp_matrix_pca,
    :cyto_pp_matrix_aggregate, :cyto_pp_matrix_filter_cells, :cyto_pp_matrix_filter_genes, :cyto_pp_matrix_transform,
    :cyto_pp_matrix_scale,
    :cyto_pp_result_free, :cyto_pp_result_report_json, :cyto_pp_result_array, :cyto_pp_result_table_arrow,
    :cyto_deseq_samples_new, :cyto_deseq_samples_free, :cyto_deseq_samples_set_factor,
    :cyto_deseq_samples_set_numbers, :cyto_deseq_new, :cyto_deseq_free, :cyto_deseq_set,
    :cyto_deseq_estimate_size_factors, :cyto_deseq_estimate_dispersions, :cyto_deseq_wald, :cyto_deseq_lrt,
    :cyto_deseq_run, :cyto_deseq_array, :cyto_deseq_table_arrow, :cyto_deseq_info_json,
    :cyto_deseq_results_new, :cyto_deseq_lfc_shrink, :cyto_deseq_results_free, :cyto_deseq_results_array,
    :cyto_deseq_results_table_arrow, :cyto_deseq_results_info_json, :cyto_deseq_results_summary,
    :cyto_deseq_estimate_gene_wise_dispersions, :cyto_deseq_fit_dispersion_trend, :cyto_deseq_shrink_dispersions,
    :cyto_deseq_estimate_disp_prior_var, :cyto_deseq_estimate_beta_prior_var, :cyto_deseq_counts, :cyto_deseq_fpm,
    :cyto_deseq_fpkm, :cyto_deseq_collapse_replicates, :cyto_deseq_replace_outliers, :cyto_deseq_sample_pca,
    :cyto_deseq_vst, :cyto_deseq_rlog, :cyto_deseq_transformed_free, :cyto_deseq_transformed_array,
    :cyto_deseq_unmix, :cyto_deseq_unmixed_free, :cyto_deseq_unmixed_array,
)

const SYMBOLS = Dict{Symbol,Ptr{Cvoid}}()

# The address of a function of the library.
sym(name::Symbol) = SYMBOLS[name]

function library_candidates()
    given = get(ENV, "CYTO_LIBRARY", "")
    isempty(given) || return [given]
    beside = joinpath(@__DIR__, "..", "deps", "libcytosol.so")
    return isfile(beside) ? [beside] : ["libcytosol.so.$ABI", "libcytosol"]
end

function load_library()
    candidates = library_candidates()
    library = nothing
    for candidate in candidates
        library = dlopen(candidate, RTLD_LAZY | RTLD_LOCAL; throw_error = false)
        library === nothing || break
    end
    library === nothing && error(
        "libcytosol was not found as $(join(candidates, " or ")); set the environment variable " *
        "CYTO_LIBRARY to the path of libcytosol.so")
    version = dlsym(library, :cyto_abi_version; throw_error = false)
    found = version === nothing ? 0 : ccall(version, Int32, ())
    found == ABI || throw(AbiMismatch(
        "$(dlpath(library)) has ABI $found; this package needs ABI $ABI", "{}"))
    for name in FUNCTIONS
        SYMBOLS[name] = dlsym(library, name)
    end
end

"The version of the library, for example `v\"0.1.0\"`."
version() = VersionNumber(unsafe_string(ccall(sym(:cyto_version), Cstring, ())))

"What the library was built with, a JSON object: `version`, `abi`, `target`, `features`, `cpu`, `cuda`."
build_info_json() = unsafe_string(ccall(sym(:cyto_build_info_json), Cstring, ()))
