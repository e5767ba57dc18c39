"""
Engine for single-cell and spatial genomics: RCTD, which says what cell types, and how much of each, make
up every pixel of a tissue; preprocessing; and DESeq2's differential expression ([`Deseq`](@ref)). The work is done by `libcytosol`; this package carries arguments in and results
out, through the same C functions that any host has.

    using Cytosol
    ctx = Context()
    reference = Reference(ctx, Dataset(ctx, "reference.h5ad"))
    results = run_rctd(ctx, Spatial(Dataset(ctx, "spatial.h5ad")), reference; mode = :doublet)
    table(results)   # spacexr's results_df, a named tuple of columns

- Results are the same bits for any number of threads, whole or in shards, and in every language.
- Handles are freed by the garbage collector, or at once by `close`.
- Failures are exceptions of the kind that the library names: [`CytosolError`](@ref).
- One call at a time on a [`Context`](@ref); different contexts are independent.
- The library is the file that the environment variable `CYTO_LIBRARY` names, else `deps/libcytosol.so` of this
  package, else what the system's loader finds.
"""
module Cytosol

using Libdl, LinearAlgebra, Serialization, SparseArrays

include("library.jl")
include("errors.jl")
include("handles.jl")
include("context.jl")
include("arrays.jl")
include("arrow.jl")
include("counts.jl")
include("dataset.jl")
include("options.jl")
include("reference.jl")
include("spatial.jl")
include("results.jl")
include("rctd.jl")
include("shards.jl")
include("preprocess.jl")
include("deseq.jl")

export CytosolError, InvalidArgument, Cancelled, NoGpu, OutOfMemory, IoError, FormatError, NotConverged,
    Unsupported, StateError, CheckpointMismatch, AbiMismatch, CallbackError, InvalidData, NotFound,
    LibraryPanic
export Context, Progress, set_progress!, cancel!, threads
export Counts, n_cells, n_genes, Dataset, counts, info_json
export Reference, Spatial, RctdOptions, options_json
export Rctd, fit_bulk!, choose_sigma!, fit_pixels, run_rctd, sigma
export RctdResults, mode, cell_types, barcodes, weights, array, table, write_h5ad
export PpResult, report_json, pp_qc, pp_filter_cells, pp_filter_genes, pp_normalize_total, pp_log1p,
    pp_highly_variable_genes, pp_pca, pp_scale, pp_neighbors, pp_aggregate, pp_preprocess, pp_convert, pp_validate,
    pp_subset, pp_size_factors, pp_transform
export Deseq, DeseqResults, DeseqTransformed, DeseqUnmixed, unmix, set_factors!, run_deseq!, estimate_size_factors!,
    estimate_dispersions!, estimate_gene_wise_dispersions!, fit_dispersion_trend!, shrink_dispersions!, disp_prior_var,
    estimate_beta_prior_var!, collapse_replicates, replace_outliers, sample_pca, count_matrix, fpm, fpkm, wald_test!,
    likelihood_ratio_test!, deseq_results, deseq_summary, lfc_shrink, vst, rlog
export plan, run_shard, merge_shards, Partial, bytes

function __init__()
    load_library()
    resize!(THROWN, Threads.nthreads())
    fill!(THROWN, nothing)
    # Addresses of this process, so not made at precompilation.
    ON_PROGRESS[] = @cfunction(on_progress, Int32, (Ptr{Cvoid}, Ptr{CProgress}))
    ON_READ_BLOCK[] = @cfunction(on_read_block, Int32, (Ptr{Cvoid}, Int64, Int64, Ptr{CSparseView}))
end

end
