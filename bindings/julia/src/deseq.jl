# Differential expression from counts of samples with replicates, DESeq2's model.

struct CDeseqInput
    struct_size::Csize_t
    counts::Ptr{Cvoid}
    samples::Ptr{Cvoid}
    genes::Ptr{Ptr{UInt8}}
    n_genes::Csize_t
    design::Ptr{UInt8}
    model_matrix::Ptr{Float64}
    coefficients::Ptr{Ptr{UInt8}}
    n_coefficients::Csize_t
end

# Levels of a text column: those asked for, else sorted.
function factor_of(name, column, ::Nothing)
    present = sort!(unique(String[label for label in column if label !== missing]))
    return factor_of(name, column, present)
end
function factor_of(name, column, levels)
    levels = c_texts("levels.$name", levels)
    number = Dict(level => Int32(i - 1) for (i, level) in enumerate(levels))
    codes = map(enumerate(column)) do (i, label)
        label === missing && return Int32(-1)
        return get(number, String(label)) do
            refuse("$name[$i]", "$(repr(String(label))) is not a level; must be one of $(some(levels))")
        end
    end
    return collect(Int32, codes), levels
end

is_text(column) = eltype(column) <: Union{Missing,AbstractString,Symbol}
is_number(column) = eltype(column) <: Union{Missing,Real} && !(eltype(column) <: Union{Missing,Bool})

function set_column!(samples::DeseqSamples, name, column, levels)
    name = c_text("samples", string(name))
    if is_text(column)
        texts = [label === missing ? missing : string(label) for label in column]
        codes, levels = factor_of(name, texts, levels)
        at = pointers(levels)
        lend(samples) do ptr
            GC.@preserve levels at fallible() do err
                ccall(sym(:cyto_deseq_samples_set_factor), Int32,
                      (Ptr{Cvoid}, Cstring, Ptr{Int32}, Csize_t, Ptr{Ptr{UInt8}}, Csize_t, Ptr{Ptr{Cvoid}}),
                      ptr, name, codes, length(codes), at, length(at), err)
            end
        end
    elseif is_number(column)
        levels === nothing || refuse("levels.$name", "the column holds numbers; levels are for text")
        values = Float64[value === missing ? NaN : value for value in column]
        lend(samples) do ptr
            fallible() do err
                ccall(sym(:cyto_deseq_samples_set_numbers), Int32,
                      (Ptr{Cvoid}, Cstring, Ptr{Float64}, Csize_t, Ptr{Ptr{Cvoid}}), ptr, name, values, length(values), err)
            end
        end
    else
        refuse("samples.$name", "a $(typeof(column)); must be a vector of text or of numbers")
    end
end

function sample_table(names, columns, levels)
    names = c_texts("names", names)
    at = pointers(names)
    table = GC.@preserve names make(DeseqSamples) do out, err
        ccall(sym(:cyto_deseq_samples_new), Int32, (Ptr{Ptr{UInt8}}, Csize_t, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              at, length(at), out, err)
    end
    for name in keys(levels)
        haskey(columns, name) || refuse("levels.$name", "the sample table has no such column")
    end
    for (name, column) in pairs(columns)
        set_column!(table, name, column, get(levels, name, nothing))
    end
    return table
end

"""
    Deseq(ctx, counts, samples; design, genes, names, levels = (;), coefficients = nothing, ignore_rank = false)

A data set of DESeq2's kind, checked as DESeq2's constructor checks it. Everything is copied.

- `counts`: genes x samples, a matrix or `SparseMatrixCSC` (integers >= 0), or [`Counts`](@ref) whose cells are the samples.
- `samples`: the sample table, a named tuple of columns: text is a factor (`missing` where it is not known), numbers are
  numbers.
- `design`: a formula, `"~ batch + condition"`, or a model matrix, samples x coefficients, with their names in
  `coefficients`.
- `genes`, `names`: names of genes and samples.
- `levels`: the levels of factors, the reference first: `(condition = ["untreated", "treated"],)`; sorted otherwise.

Then [`run_deseq!`](@ref), or [`estimate_size_factors!`](@ref), [`estimate_dispersions!`](@ref) and
[`wald_test!`](@ref) or [`likelihood_ratio_test!`](@ref); then [`deseq_results`](@ref) and [`lfc_shrink`](@ref).
[`vst`](@ref) and [`rlog`](@ref) need no earlier step. `info_json(d)` has the facts, `table(d, :genes)` every column of the
genes so far, `table(d, :samples)` the sample table.

Arrays ([`array`](@ref)): `:genes`, `:samples` (text), `:size_factors`; after dispersions `:baseMean`, `:baseVar`, `:dispGeneEst`,
`:dispFit`, `:dispMAP`, `:dispersion` and others; after a test `:results_names`, `:coefficients`, `:SE` (genes x coefficients,
log2), `:WaldStatistic`, `:WaldPvalue` or `:LRTStatistic`, `:LRTPvalue`, `:maxCooks`; with option `keep_assays` `:mu`, `:H`,
`:cooks` (genes x samples). `cytosol.h` lists all at `cyto_deseq_array`.
"""
function Deseq(ctx::Context, counts::Counts, samples; design, genes, names, levels = NamedTuple(),
               coefficients = nothing, ignore_rank::Bool = false)
    options = options_text((ignore_rank = ignore_rank,))
    genes = c_texts("genes", genes)
    formula, matrix = design isa AbstractString ? (c_text("design", design), Float64[]) :
        (nothing, vec(permutedims(convert(Matrix{Float64}, design))))
    formula === nothing && coefficients === nothing &&
        refuse("coefficients", "missing; a model matrix needs the name of every column")
    formula === nothing || coefficients === nothing ||
        refuse("coefficients", "given with a formula; a formula names its own")
    if formula === nothing
        size(design) == (length(names), length(coefficients)) || refuse("design",
            "$(join(size(design), " x ")); must be $(length(names)) samples x $(length(coefficients)) coefficients")
    end
    columns = coefficients === nothing ? String[] : c_texts("coefficients", coefficients)
    table = sample_table(names, samples, levels)
    at, columns_at = pointers(genes), pointers(columns)
    start(list::Vector{T}) where {T} = isempty(list) ? Ptr{T}(C_NULL) : pointer(list)
    try
        return lend(ctx, counts, table) do ctx, counts, table
            GC.@preserve genes at formula matrix columns columns_at begin
                input = Ref(CDeseqInput(
                    sizeof(CDeseqInput), counts, table, start(at), length(at), pointer_or_null(formula), start(matrix),
                    start(columns_at), length(columns_at)))
                make(Deseq) do out, err
                    ccall(sym(:cyto_deseq_new), Int32,
                          (Ptr{Cvoid}, Ptr{CDeseqInput}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                          ctx, input, options, out, err)
                end
            end
        end
    finally
        close(table)
    end
end

function Deseq(ctx::Context, counts::AbstractMatrix, samples; keywords...)
    borrowed = Counts(ctx, counts; rows = :genes)
    try
        return Deseq(ctx, borrowed, samples; keywords...)
    finally
        close(borrowed)
    end
end

array_function(::Deseq) = :cyto_deseq_array

"""
    set_factors!(deseq, name, values)

Sets what scales or weighs the counts: `:size_factors` (a vector, one a sample), or a matrix genes x samples of
`:normalization_factors`, `:avg_tx_length` or `:weights`. What was estimated before is forgotten. `:base_pairs` (lengths of the genes) are for [`fpkm`](@ref).
"""
function set_factors!(deseq::Deseq, name::Union{Symbol,AbstractString}, values::AbstractVecOrMat{<:Real})
    name = c_text("name", string(name))
    # C has all samples of the first gene first.
    values = convert(Vector{Float64}, values isa AbstractMatrix ? vec(permutedims(values)) : values)
    lend(deseq) do ptr
        fallible() do err
            ccall(sym(:cyto_deseq_set), Int32, (Ptr{Cvoid}, Cstring, Ptr{Float64}, Csize_t, Ptr{Ptr{Cvoid}}),
                  ptr, name, values, length(values), err)
        end
    end
    return deseq
end

for (f, name) in ((:estimate_size_factors!, :cyto_deseq_estimate_size_factors),
                  (:estimate_dispersions!, :cyto_deseq_estimate_dispersions),
                  (:estimate_gene_wise_dispersions!, :cyto_deseq_estimate_gene_wise_dispersions),
                  (:fit_dispersion_trend!, :cyto_deseq_fit_dispersion_trend),
                  (:shrink_dispersions!, :cyto_deseq_shrink_dispersions), (:wald_test!, :cyto_deseq_wald),
                  (:likelihood_ratio_test!, :cyto_deseq_lrt), (:run_deseq!, :cyto_deseq_run))
    @eval function $f(ctx::Context, deseq::Deseq; options...)
        options = options_text(options)
        lend(ctx, deseq) do ctx, deseq
            fallible() do err
                ccall(sym($(QuoteNode(name))), Int32, (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{Ptr{Cvoid}}),
                      ctx, deseq, options, err)
            end
        end
        return deseq
    end
end

"""
    run_deseq!(ctx, deseq; options...)

The whole analysis: size factors unless there are some, dispersions, the test, replacement of outliers. Returns `deseq`.
Options are keywords: `test = "LRT"` with `reduced = "~ batch"`, `fit_type`, `sf_type`, `min_replicates_for_replace` and
those of the steps; `cytosol.h` lists them. An unknown one is answered with the nearest known.
"""
run_deseq!

"""
    estimate_size_factors!(ctx, deseq; options...)

First step. Options: `sf_type` ("ratio", "poscounts", "iterate"), `locfunc` ("median", "shorth"), `geo_means`, `control_genes` (positions from 0),
`norm_matrix`, `strict`.
"""
estimate_size_factors!

"""
    estimate_dispersions!(ctx, deseq; options...)

Second step; throws [`StateError`](@ref) before the first. Options: `fit_type` ("parametric", "local", "mean"), `mode`, ...
"""
estimate_dispersions!

"""
    estimate_gene_wise_dispersions!(ctx, deseq; options...)
    fit_dispersion_trend!(ctx, deseq; fit_type = "parametric", min_disp = 1e-8)
    shrink_dispersions!(ctx, deseq; options...)

The stages of [`estimate_dispersions!`](@ref), which they give the bits of: estimates of each gene by itself (`keep_assays =
true` for the array `:mu`), their trend (`:dispFit`), and both together (`:dispersion`). Options of the first and last are
those of the whole that each has a use for: `outlier_sd` and `disp_prior_var` (see [`disp_prior_var`](@ref)) are for the last
alone, `min_mu`, `niter`, `linear_mu` and `alpha_init` for the first.
"""
estimate_gene_wise_dispersions!

"""
    disp_prior_var(deseq; min_disp = 1e-8)

Variance of true ln dispersions about the trend, after [`fit_dispersion_trend!`](@ref); option `disp_prior_var` of
[`shrink_dispersions!`](@ref).
"""
function disp_prior_var(deseq::Deseq; options...)
    options = options_text(options)
    value = Ref(NaN)
    lend(deseq) do ptr
        fallible() do err
            ccall(sym(:cyto_deseq_estimate_disp_prior_var), Int32, (Ptr{Cvoid}, Cstring, Ptr{Float64}, Ptr{Ptr{Cvoid}}),
                  ptr, options, value, err)
        end
    end
    return value[]
end

"""
    estimate_beta_prior_var!(deseq, mle = nothing; beta_prior_method = "weighted", upper_quantile = 0.05, model_matrix_type = "expanded")

Variances of a prior of the coefficients, for `beta_prior_var` of [`wald_test!`](@ref): arrays `:beta_prior_var` and
`:beta_prior_names`. `mle`: coefficients without prior (log2, genes x coefficients), those of the test when absent.
"""
function estimate_beta_prior_var!(deseq::Deseq, mle::Union{Nothing,AbstractMatrix{<:Real}} = nothing; options...)
    options = options_text(options)
    values = mle === nothing ? Float64[] : convert(Vector{Float64}, vec(permutedims(mle)))
    lend(deseq) do ptr
        GC.@preserve values fallible() do err
            ccall(sym(:cyto_deseq_estimate_beta_prior_var), Int32,
                  (Ptr{Cvoid}, Ptr{Float64}, Csize_t, Cstring, Ptr{Ptr{Cvoid}}),
                  ptr, mle === nothing ? Ptr{Float64}(C_NULL) : pointer(values), length(values), options, err)
        end
    end
    return deseq
end

"""
    collapse_replicates(ctx, deseq, groups; runs = nothing)

A new [`Deseq`](@ref) whose samples are the groups, sorted, with counts added. `groups`: the group of each sample; `runs`:
names that become the column `runsCollapsed` of `table(d, :samples)`.
"""
function collapse_replicates(ctx::Context, deseq::Deseq, groups::AbstractVector; runs = nothing)
    codes, names = factor_of("groups", map(string, groups), nothing)
    at = pointers(names)
    texts = runs === nothing ? String[] : c_texts("runs", runs)
    runs === nothing || length(texts) == length(codes) ||
        refuse("runs", "$(length(texts)) names for $(length(codes)) samples")
    runs_at = pointers(texts)
    return lend(ctx, deseq) do ctx, deseq
        GC.@preserve names at texts runs_at make(Deseq) do out, err
            ccall(sym(:cyto_deseq_collapse_replicates), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Int32}, Csize_t, Ptr{Ptr{UInt8}}, Csize_t, Ptr{Ptr{UInt8}},
                   Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, deseq, codes, length(codes), at, length(at),
                  runs === nothing ? Ptr{Ptr{UInt8}}(C_NULL) : pointer(runs_at), out, err)
        end
    end
end

"""
    replace_outliers(deseq, cooks = nothing; trim = 0.2, cooks_cutoff, min_replicates = 7, samples)

A new [`Deseq`](@ref) with outliers replaced and nothing fitted again; arrays `:replace` and `:replaceable`. `cooks`: distances,
genes x samples; those of the test, made with `keep_assays`, when absent. `samples`: positions from 0.
"""
function replace_outliers(deseq::Deseq, cooks::Union{Nothing,AbstractMatrix{<:Real}} = nothing; options...)
    options = options_text(options)
    values = cooks === nothing ? Float64[] : convert(Vector{Float64}, vec(permutedims(cooks)))
    return lend(deseq) do deseq
        GC.@preserve values make(Deseq) do out, err
            ccall(sym(:cyto_deseq_replace_outliers), Int32,
                  (Ptr{Cvoid}, Ptr{Float64}, Csize_t, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  deseq, cooks === nothing ? Ptr{Float64}(C_NULL) : pointer(values), length(values), options, out, err)
        end
    end
end

"""
    sample_pca(values; n_top = 500)

Principal components of the samples from transformed counts (genes x samples), by the `n_top` most variable genes:
`(scores = samples x components, percent_var)`. Signs are arbitrary but fixed.
"""
function sample_pca(values::AbstractMatrix{<:Real}; n_top::Integer = 500)
    n, m = size(values)
    n_top >= 0 || refuse("n_top", "$n_top; must be positive")
    given = convert(Vector{Float64}, vec(permutedims(values)))
    scores, share = zeros(m, m), zeros(m)
    fallible() do err
        ccall(sym(:cyto_deseq_sample_pca), Int32,
              (Ptr{Float64}, Csize_t, Csize_t, Csize_t, Ptr{Float64}, Ptr{Float64}, Ptr{Ptr{Cvoid}}),
              given, n, m, n_top, scores, share, err)
    end
    return (scores = permutedims(scores), percent_var = share)
end

"""
    wald_test!(ctx, deseq; options...)

Third step: Wald tests of all coefficients. Outliers are not replaced; that is part of [`run_deseq!`](@ref).
"""
wald_test!

"""
    likelihood_ratio_test!(ctx, deseq; reduced, options...)

Third step: the likelihood-ratio test against `reduced`, a formula, or the names of the coefficients that stay.
"""
likelihood_ratio_test!

"""
    deseq_results(ctx, deseq; options...)

The table of a comparison: `contrast = ["condition", "b", "a"]`, `(numerators = [...], denominators = [...])` or one number a
coefficient; or `name = "condition_b_vs_a"`; else the last coefficient. Other options: `alpha`, `lfc_threshold`,
`alt_hypothesis`, `cooks_cutoff`, `independent_filtering`, `p_adjust_method`, `compat` and what `cytosol.h` lists.

[`table`](@ref)`(r)` has the columns `gene`, `baseMean`, `log2FoldChange`, `lfcSE`, `stat`, `pvalue`, `padj`, `NaN` where a number
is missing; [`array`](@ref)`(r, :padj)` one of them; `info_json(r)` level, filter and descriptions;
[`deseq_summary`](@ref)`(r)` the counts of genes.
"""
function deseq_results(ctx::Context, deseq::Deseq; options...)
    options = options_text(options)
    return lend(ctx, deseq) do ctx, deseq
        make(DeseqResults) do out, err
            ccall(sym(:cyto_deseq_results_new), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ctx, deseq, options, out, err)
        end
    end
end

"""
    lfc_shrink(ctx, deseq, base = nothing; type = "apeglm", name, options...)

Shrunken log2 fold changes, as [`deseq_results`](@ref) gives them. `type` is "apeglm", "ashr" or "normal"; `name` or
`contrast` says of what; `base` is the table of the same comparison, made when absent. Other options: `svalue`, `ape_adapt`,
`lfc_threshold` and those of results.
"""
function lfc_shrink(ctx::Context, deseq::Deseq, base::Union{Nothing,DeseqResults} = nothing; options...)
    options = options_text(options)
    shrink(ctx, deseq, base) = make(DeseqResults) do out, err
        ccall(sym(:cyto_deseq_lfc_shrink), Int32,
              (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              ctx, deseq, base, options, out, err)
    end
    base === nothing && return lend((ctx, deseq) -> shrink(ctx, deseq, C_NULL), ctx, deseq)
    return lend(shrink, ctx, deseq, base)
end

array_function(::DeseqResults) = :cyto_deseq_results_array

"How many genes go up and down, are outliers or have low counts, as DESeq2 prints it."
deseq_summary(r::DeseqResults) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_deseq_results_summary), Cstring, (Ptr{Cvoid},), ptr)), r)

info_json(r::DeseqResults) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_deseq_results_info_json), Cstring, (Ptr{Cvoid},), ptr)), r)
function info_json(deseq::Deseq)
    text = lend(ptr -> ccall(sym(:cyto_deseq_info_json), Cstring, (Ptr{Cvoid},), ptr), deseq)
    text == C_NULL && throw(StateError("the data set is in use by a running call", "{}"))
    return GC.@preserve deseq unsafe_string(text)
end

function table(results::DeseqResults)
    return lend(results) do ptr
        read_stream() do stream, err
            ccall(sym(:cyto_deseq_results_table_arrow), Int32, (Ptr{Cvoid}, Ptr{ArrowStream}, Ptr{Ptr{Cvoid}}),
                  ptr, stream, err)
        end
    end
end

function table(deseq::Deseq, name::Union{Symbol,AbstractString} = :genes)
    name = c_text("name", string(name))
    return lend(deseq) do ptr
        read_stream() do stream, err
            ccall(sym(:cyto_deseq_table_arrow), Int32, (Ptr{Cvoid}, Cstring, Ptr{ArrowStream}, Ptr{Ptr{Cvoid}}),
                  ptr, name, stream, err)
        end
    end
end

for (f, name) in ((:vst, :cyto_deseq_vst), (:rlog, :cyto_deseq_rlog), (:count_matrix, :cyto_deseq_counts),
                  (:fpm, :cyto_deseq_fpm), (:fpkm, :cyto_deseq_fpkm))
    @eval function $f(ctx::Context, deseq::Deseq; options...)
        options = options_text(options)
        return lend(ctx, deseq) do ctx, deseq
            make(DeseqTransformed) do out, err
                ccall(sym($(QuoteNode(name))), Int32,
                      (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ctx, deseq, options, out, err)
            end
        end
    end
end

"""
    vst(ctx, deseq; blind = true, fit_type = "parametric", nsub = 1000)

The variance-stabilising transformation, log2-like; `nsub` genes give the trend, 0 = all. Arrays: `:values` (genes x samples),
`:genes`, `:samples`.
"""
vst

"""
    count_matrix(ctx, deseq; normalized = false)

The counts, divided by size or normalization factors when wanted. Arrays: those of [`vst`](@ref).
"""
count_matrix

"""
    fpm(ctx, deseq; robust = true)
    fpkm(ctx, deseq; robust = true)

Counts per million, and per million and kilobase by `:avg_tx_length` or `:base_pairs` ([`set_factors!`](@ref)). `robust`: by
size factors, else by totals. Arrays: those of [`vst`](@ref).
"""
fpm

"""
    rlog(ctx, deseq; blind = true, fit_type = "parametric")

The regularised log transformation. Arrays: those of [`vst`](@ref), `:intercept` and `:dispFit` (one a gene).
"""
rlog

array_function(::DeseqTransformed) = :cyto_deseq_transformed_array

struct CDeseqUnmixInput
    struct_size::Csize_t
    x::Ptr{Float64}
    pure::Ptr{Float64}
    n_genes::Csize_t
    n_samples::Csize_t
    n_types::Csize_t
end

"""
    unmix(ctx, x, pure; alpha, shift, power = 1)

Shares of the pure samples (columns of `pure`) in every column of `x`, genes x samples of normalised counts. Samples are
compared variance-stabilised with the dispersion `alpha`, or as `log(x + shift)`; `power` 1 sums absolute differences, 2
squares. Arrays: `:mix` (samples x types), `:fitted` (genes x samples), `:correlation`, `:objective`.
"""
function unmix(ctx::Context, x::AbstractMatrix{<:Real}, pure::AbstractMatrix{<:Real}; options...)
    size(x, 1) == size(pure, 1) || refuse("pure", "$(size(pure, 1)) rows; must be those of x, $(size(x, 1))")
    options = options_text(options)
    # All columns of the first row first.
    x_values, pure_values = Matrix{Float64}(transpose(x)), Matrix{Float64}(transpose(pure))
    return lend(ctx) do ctx
        GC.@preserve x_values pure_values begin
            input = Ref(CDeseqUnmixInput(
                sizeof(CDeseqUnmixInput), pointer(x_values), pointer(pure_values), size(x, 1), size(x, 2), size(pure, 2)))
            make(DeseqUnmixed) do out, err
                ccall(sym(:cyto_deseq_unmix), Int32,
                      (Ptr{Cvoid}, Ptr{CDeseqUnmixInput}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                      ctx, input, options, out, err)
            end
        end
    end
end

array_function(::DeseqUnmixed) = :cyto_deseq_unmixed_array
