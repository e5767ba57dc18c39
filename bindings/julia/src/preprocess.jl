# Preprocessing of .h5ad files, and of counts in memory.

struct CPpInput
    struct_size::Csize_t
    counts::Ptr{Cvoid}
    cells::Ptr{Ptr{UInt8}}
    n_cells::Csize_t
    genes::Ptr{Ptr{UInt8}}
    n_genes::Csize_t
    labels::Ptr{Int32}
    n_labels::Csize_t
    label_names::Ptr{Ptr{UInt8}}
    n_label_names::Csize_t
    gene_groups::Ptr{UInt8}
    n_gene_groups::Csize_t
    gene_group_names::Ptr{Ptr{UInt8}}
    n_gene_group_names::Csize_t
    mask_var::Ptr{UInt8}
    n_mask_var::Csize_t
end

"""
What a step of preprocessing found: [`report_json`](@ref)`(r)`, arrays by name ([`array`](@ref)) and tables
([`table`](@ref)); which there are, each step says. Positions count from 0 and flags are `UInt8`, as in C.
"""
PpResult

# Options as JSON, which has no infinities.
option(x::AbstractFloat) = isinf(x) ? json(x > 0 ? "inf" : "-inf") : json(x)
option(x::NamedTuple) = option(pairs(x))
option(x::Union{AbstractDict,Base.Iterators.Pairs}) =
    string("{", join((string(json(string(name)), ":", option(value)) for (name, value) in x), ","), "}")
option(x) = json(x)
options_text(options) = c_text("options", option(options))

path_or_null(argument, ::Nothing) = nothing
path_or_null(argument, path::AbstractString) = c_text(argument, path)

function over_file(name::Symbol, ctx::Context, input::AbstractString, output, options)
    input, output, options = c_text("input", input), path_or_null("output", output), options_text(options)
    return lend(ctx) do ctx
        GC.@preserve output make(PpResult) do out, err
            ccall(sym(name), Int32,
                  (Ptr{Cvoid}, Cstring, Ptr{UInt8}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, input, pointer_or_null(output), options, out, err)
        end
    end
end

const FILE_STEPS = (:qc, :filter_cells, :filter_genes, :normalize_total, :log1p, :highly_variable_genes, :pca, :scale,
                    :neighbors, :aggregate, :preprocess, :convert)

for step in FILE_STEPS
    name = Symbol(:cyto_pp_, step)
    f = Symbol(:pp_, step)
    @eval $f(ctx::Context, input::AbstractString, output = nothing; options...) =
        over_file($(QuoteNode(name)), ctx, input, output, options)
end

"""
    pp_qc(ctx, input, output = nothing; options...)
    pp_filter_cells, pp_filter_genes, pp_normalize_total, pp_log1p, pp_highly_variable_genes, pp_pca, pp_scale,
    pp_neighbors, pp_aggregate, pp_preprocess, pp_convert

A step over the `.h5ad` file `input`, in memory bounded by the context. `output` is made or replaced as a whole when
all is done; it may be `input`. Steps that only look at the matrix need none. Options are keywords by scanpy's names and
defaults; `cytosol.h` lists them at the function of the same name (`cyto_pp_qc`, ...). Those of `pp_preprocess` are named
tuples, one a step: `pca = (n_comps = 20,)`, `highly_variable_genes = nothing`. An unknown one is answered with the
nearest known. Results: [`PpResult`](@ref).
"""
pp_qc

"Everything that is wrong with a file: see `faults` in the report."
function pp_validate(ctx::Context, input::AbstractString)
    input = c_text("input", input)
    return lend(ctx) do ctx
        make(PpResult) do out, err
            ccall(sym(:cyto_pp_validate), Int32, (Ptr{Cvoid}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, input, out, err)
        end
    end
end

bytes_of(::Nothing) = UInt8[]
bytes_of(mask::AbstractVector{Bool}) = convert(Vector{UInt8}, mask)

"""
    pp_subset(ctx, input, output; cells = nothing, genes = nothing, options...)

Keeps the cells and genes that are `true` in a mask; `nothing` keeps all.
"""
function pp_subset(ctx::Context, input::AbstractString, output::AbstractString; cells = nothing, genes = nothing,
                   options...)
    input, output, options = c_text("input", input), c_text("output", output), options_text(options)
    masks = (bytes_of(cells), bytes_of(genes))
    start(mask) = isempty(mask) ? Ptr{UInt8}(C_NULL) : pointer(mask)
    return lend(ctx) do ctx
        GC.@preserve masks make(PpResult) do out, err
            ccall(sym(:cyto_pp_subset), Int32,
                  (Ptr{Cvoid}, Cstring, Cstring, Ptr{UInt8}, Csize_t, Ptr{UInt8}, Csize_t, Cstring, Ptr{Ptr{Cvoid}},
                   Ptr{Ptr{Cvoid}}),
                  ctx, input, output, start(masks[1]), length(masks[1]), start(masks[2]), length(masks[2]), options,
                  out, err)
        end
    end
end

# `call(ctx, input, out, err)` with what is known of a matrix as C has it.
function with_input(call, ctx::Context, counts::Counts; cells = nothing, genes = nothing, labels = nothing,
                    gene_groups = (), mask_var = nothing)
    texts(argument, ::Nothing) = String[]
    texts(argument, list) = c_texts(argument, list)
    categories = labels === nothing ? String[] : sort!(unique(skipmissing(labels)))
    number = Dict(category => Int32(i - 1) for (i, category) in enumerate(categories))
    codes = labels === nothing ? Int32[] : Int32[label === missing ? -1 : number[label] for label in labels]
    lists = (texts("cells", cells), texts("genes", genes), texts("labels", categories),
             String[c_text("gene_groups", string(group)) for (group, _) in pairs(gene_groups)])
    flags = reduce(vcat, (bytes_of(mask) for (_, mask) in pairs(gene_groups)); init = UInt8[])
    mask = bytes_of(mask_var)
    at = map(pointers, lists)
    start(list::Vector{T}) where {T} = isempty(list) ? Ptr{T}(C_NULL) : pointer(list)
    return lend(ctx, counts) do ctx, counts
        GC.@preserve lists at codes flags mask begin
            input = Ref(CPpInput(
                sizeof(CPpInput), counts, start(at[1]), length(at[1]), start(at[2]), length(at[2]), start(codes),
                length(codes), start(at[3]), length(at[3]), start(flags), length(flags), start(at[4]), length(at[4]),
                start(mask), length(mask)))
            make((out, err) -> call(ctx, input, out, err), PpResult)
        end
    end
end

function over_counts(name::Symbol, ctx::Context, counts::Counts, options; own...)
    options = options_text(options)
    return with_input(ctx, counts; own...) do ctx, input, out, err
        ccall(sym(name), Int32, (Ptr{Cvoid}, Ptr{CPpInput}, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              ctx, input, options, out, err)
    end
end

const INPUT_KEYS = (:cells, :genes, :labels, :gene_groups, :mask_var)

own_and_options(keywords) =
    ([k => v for (k, v) in keywords if k in INPUT_KEYS], Dict(k => v for (k, v) in keywords if !(k in INPUT_KEYS)))

for step in (:qc, :filter_cells, :filter_genes, :size_factors, :transform, :highly_variable_genes, :pca, :aggregate)
    name = Symbol(:cyto_pp_matrix_, step)
    f = Symbol(:pp_, step)
    @eval function $f(ctx::Context, counts::Counts; keywords...)
        own, options = own_and_options(keywords)
        return over_counts($(QuoteNode(name)), ctx, counts, options; own...)
    end
end

function pp_scale(ctx::Context, counts::Counts; mask_obs = nothing, keywords...)
    own, options = own_and_options(keywords)
    options, mask = options_text(options), bytes_of(mask_obs)
    return GC.@preserve mask with_input(ctx, counts; own...) do ctx, input, out, err
        start = isempty(mask) ? Ptr{UInt8}(C_NULL) : pointer(mask)
        ccall(sym(:cyto_pp_matrix_scale), Int32,
              (Ptr{Cvoid}, Ptr{CPpInput}, Ptr{UInt8}, Csize_t, Cstring, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              ctx, input, start, length(mask), options, out, err)
    end
end

"""
    pp_size_factors(ctx, counts; options...)
    pp_qc, pp_filter_cells, pp_filter_genes, pp_transform, pp_highly_variable_genes, pp_pca, pp_aggregate
    pp_scale(ctx, counts; mask_obs = nothing, options...)

A step over [`Counts`](@ref) in memory; the same bits as over a file. What is known of cells and genes: `cells`, `genes`
(names), `labels` (of the cells: batches, or groups to aggregate; `missing` for none), `gene_groups` (named tuple of
`Bool` vectors), `mask_var` (`Bool`, genes used). Other keywords are options, as in `cytosol.h`.
"""
pp_size_factors

"""
    report_json(result)

What a step did, a JSON object: facts, warnings, and under `options` every option in force.
"""
report_json(r::PpResult) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_pp_result_report_json), Cstring, (Ptr{Cvoid},), ptr)), r)

array_function(::PpResult) = :cyto_pp_result_array

function table(result::PpResult, name::Union{Symbol,AbstractString})
    name = c_text("name", string(name))
    return lend(result) do ptr
        read_stream() do stream, err
            ccall(sym(:cyto_pp_result_table_arrow), Int32,
                  (Ptr{Cvoid}, Cstring, Ptr{ArrowStream}, Ptr{Ptr{Cvoid}}), ptr, name, stream, err)
        end
    end
end

"""
    write_h5ad(ctx, dataset, path; compression = "gzip")

Writes an open [`Dataset`](@ref) (10x, Matrix Market, CSV, Visium) as an `.h5ad`.
"""
function write_h5ad(ctx::Context, dataset::Dataset, path::AbstractString; options...)
    path, options = c_text("output", path), options_text(options)
    return lend(ctx, dataset) do ctx, dataset
        fallible() do err
            ccall(sym(:cyto_dataset_write_h5ad), Int32, (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Cstring, Ptr{Ptr{Cvoid}}),
                  ctx, dataset, path, options, err)
        end
    end
end
