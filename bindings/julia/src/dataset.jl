# Files.

struct COpenOptions
    struct_size::Csize_t
    layer::Ptr{UInt8}
    genome::Ptr{UInt8}
    use_raw::Int32
    all_features::Int32
    gene_ids::Int32
    reserved::Int32
end

# Runs f(options) with the C struct of keyword arguments.
function open_options(f; layer::Union{Nothing,AbstractString} = nothing,
                      genome::Union{Nothing,AbstractString} = nothing, use_raw::Bool = false,
                      all_features::Bool = false, gene_ids::Bool = false)
    layer = layer === nothing ? nothing : c_text("layer", layer)
    genome = genome === nothing ? nothing : c_text("genome", genome)
    options = Ref(COpenOptions(sizeof(COpenOptions), pointer_or_null(layer), pointer_or_null(genome),
                               use_raw, all_features, gene_ids, 0))
    return GC.@preserve layer genome options f(Base.unsafe_convert(Ptr{COpenOptions}, options))
end

"""
    Dataset(ctx, path; layer = nothing, use_raw = false, genome = nothing, all_features = false, gene_ids = false)

Opens an `.h5ad` or 10x `.h5` file, a folder with `matrix.mtx[.gz]` or `counts.csv[.gz]`, or a Visium `outs` folder.
Tables and coordinates are read; counts stay in the file until they are used.

- `layer`, `use_raw`: `.h5ad`: read `layers/<layer>`, or `raw/X` and `raw/var`, in place of `X`.
- `genome`, `all_features`, `gene_ids`: 10x: only the genes of this genome; features of every type and not "Gene
  Expression" only; name genes by id, not by symbol.

Arrays ([`array`](@ref)): `:cells`, `:genes` (text), `:coords` (`Float64`, cells x 2), `:n_umi` (`Float64`, counts per
cell). Tables ([`table`](@ref)): `:obs`, `:var`.
"""
function Dataset(ctx::Context, path::AbstractString; options...)
    path = c_text("path", path)
    return open_options(; options...) do given
        lend(ctx) do ptr
            make(Dataset) do out, err
                ccall(sym(:cyto_dataset_open), Int32,
                      (Ptr{Cvoid}, Cstring, Ptr{COpenOptions}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                      ptr, path, given, out, err)
            end
        end
    end
end

"The counts of a file, read when they are used."
counts(dataset::Dataset) = lend(dataset) do ptr
    make(Counts) do out, err
        ccall(sym(:cyto_dataset_counts), Int32, (Ptr{Cvoid}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ptr, out, err)
    end
end

"""
What was found in a file, a JSON object: `path`, `format`, `matrix`, `layout`, `dtype`, `n_cells`, `n_genes`,
`n_entries`, `chunk`, `filters`, `layers`, `has_raw`, `members`, `warnings`.
"""
info_json(dataset::Dataset) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_dataset_info_json), Cstring, (Ptr{Cvoid},), ptr)), dataset)

"""
    table(dataset, name)            # :obs or :var
    table(results, name = :results)

A whole table as a named tuple of columns (what Tables.jl calls a column table); row names are the first column,
`index` of a dataset and `barcode` of results. Categories are text, `missing` where there is none.
Tables of results: `:results` (spacexr's results_df in doublet mode, a row a chosen type in multi mode, the dominant
type in full mode), `:weights`, `:normalized_weights`, `:doublet_weights` (a column a type), `:singlet_scores`,
`:pair_scores` (a row a candidate or pair).
"""
function table(dataset::Dataset, name::Union{Symbol,AbstractString})
    name = c_text("name", string(name))
    return lend(dataset) do ptr
        read_stream() do stream, err
            ccall(sym(:cyto_dataset_table_arrow), Int32, (Ptr{Cvoid}, Cstring, Ptr{ArrowStream}, Ptr{Ptr{Cvoid}}),
                  ptr, name, stream, err)
        end
    end
end

describe(io, dataset::Dataset) =
    print(io, "Dataset (", length(array(dataset, :cells)), " cells x ", length(array(dataset, :genes)), " genes)")
