# What RCTD found.

"""
Results of RCTD, one row per kept pixel in the order of the input.

With N pixels and K cell types: [`weights`](@ref)`(r)`, [`cell_types`](@ref)`(r)`, [`barcodes`](@ref)`(r)`,
[`sigma`](@ref)`(r)`, [`mode`](@ref)`(r)`, and [`table`](@ref)`(r)`. `r[i]` and iteration give a named tuple a pixel:

- always `barcode`, `pixel` (row of the input, from 1), `dominant_type`, `converged`, `weights` (raw, K);
- doublet mode: `spot_class` (`:reject`, `:singlet`, `:doublet_certain` or `:doublet_uncertain`), `first_type`,
  `second_type`, `first_class`, `second_class` (whether only the class of the type is certain), `min_score`,
  `singlet_score` (negative log-likelihoods), `doublet_weights` (shares of the two types, sum 1), `doublet_converged`;
- multi mode: `types`, `sub_weights` (their shares, sum 1), `confident`, `min_score`, `sub_converged`, `fallback`.

Arrays by name ([`array`](@ref)), all modes: `:cell_types`, `:barcodes` (text), `:pixels` (`UInt32`), `:weights`,
`:normalized_weights` (`Float64`, N x K; rows of the latter sum to 1), `:dominant_type` (`UInt32`), `:conv_all` (`UInt8`).
Doublet mode: `:spot_class` (`UInt8`), `:first_type`, `:second_type` (`UInt32`), `:first_class`, `:second_class` (`UInt8`),
`:min_score`, `:singlet_score` (`Float64`), `:conv_doublet` (`UInt8`), `:weights_doublet` (N x 2), `:doublet_weights`
(N x K); with option `keep_scores` `:candidate_offsets` (`UInt64`, N + 1), `:candidates` (`UInt32`), `:singlet_scores`,
`:pair_offsets`, `:pair_scores`. Multi mode: `:multi_offsets` (`UInt64`, N + 1), `:multi_types` (`UInt32`), `:conf_list`
(`UInt8`), `:sub_weights` (`Float64`), `:min_score`, `:conv_sub`, `:fallback` (`UInt8`).
"""
RctdResults

const SPOT_CLASSES = (:reject, :singlet, :doublet_certain, :doublet_uncertain)
const MODES = (:full, :doublet, :multi)

"""
    mode(results)

`:full`, `:doublet` or `:multi`.
"""
mode(r::RctdResults) = MODES[lend(ptr -> ccall(sym(:cyto_rctd_results_mode), Int32, (Ptr{Cvoid},), ptr), r) + 1]

"""
    sigma(x)

Noise level of [`Rctd`](@ref) or [`RctdResults`](@ref): standard deviation of the natural log of a rate; `nothing`
before [`choose_sigma!`](@ref).
"""
sigma(r::RctdResults) = lend(ptr -> ccall(sym(:cyto_rctd_results_sigma), UInt32, (Ptr{Cvoid},), ptr), r) / 100

"Weights of the cell types, `Float64`, pixels x types, raw: rows need not sum to 1."
weights(r::RctdResults) = array(r, :weights)

"""
    cell_types(x)

Names of the types of a [`Reference`](@ref), [`Rctd`](@ref) or [`RctdResults`](@ref), in the order of the columns.
"""
cell_types(r::RctdResults) = array(r, :cell_types)

"Names of the kept pixels."
barcodes(r::RctdResults) = array(r, :barcodes)

function table(results::RctdResults, name::Union{Symbol,AbstractString} = :results)
    name = c_text("name", string(name))
    return lend(results) do ptr
        read_stream() do stream, err
            ccall(sym(:cyto_rctd_results_table_arrow), Int32,
                  (Ptr{Cvoid}, Cstring, Ptr{ArrowStream}, Ptr{Ptr{Cvoid}}), ptr, name, stream, err)
        end
    end
end

"""
    write_h5ad(ctx, results, spatial_path, path; layer = nothing, use_raw = false, genome = nothing,
               all_features = false, gene_ids = false)

Writes the `.h5ad` file `path`: a copy of the spatial input with the results in `obs`, `obsm` and `uns`, as the command
line does. `spatial_path` is the file or folder that the run read, the keywords what it took from it (see
[`Dataset`](@ref)); from other formats a new file is made. `path` may be `spatial_path`. The file appears whole or not at
all; it needs no memory for the counts.
"""
function write_h5ad(ctx::Context, results::RctdResults, spatial_path::AbstractString, path::AbstractString;
                    spatial_open...)
    spatial_path, path = c_text("spatial_path", spatial_path), c_text("path", path)
    return open_options(; spatial_open...) do given
        lend(ctx, results) do ctx, results
            fallible() do err
                ccall(sym(:cyto_rctd_results_write_h5ad), Int32,
                      (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{COpenOptions}, Cstring, Ptr{Ptr{Cvoid}}),
                      ctx, results, spatial_path, given, path, err)
            end
        end
    end
end

# Columns of the pixels, read from the library once.
function columns(r::RctdResults)
    r.keep === nothing || return r.keep
    types = cell_types(r)
    named(name) = [types[i + 1] for i in array(r, name)]
    flags(name) = map(==(1), array(r, name))
    common = (barcode = barcodes(r), pixel = Int.(array(r, :pixels)) .+ 1, dominant_type = named(:dominant_type),
              converged = flags(:conv_all), weights = rows(weights(r)))
    r.keep = merge(common, columns(r, Val(mode(r)), named, flags))
    return r.keep
end

columns(r::RctdResults, ::Val{:full}, named, flags) = NamedTuple()

columns(r::RctdResults, ::Val{:doublet}, named, flags) = (
    spot_class = [SPOT_CLASSES[code + 1] for code in array(r, :spot_class)],
    first_type = named(:first_type), second_type = named(:second_type),
    first_class = flags(:first_class), second_class = flags(:second_class),
    min_score = array(r, :min_score), singlet_score = array(r, :singlet_score),
    doublet_weights = rows(array(r, :weights_doublet)), doublet_converged = flags(:conv_doublet))

function columns(r::RctdResults, ::Val{:multi}, named, flags)
    starts = Int.(array(r, :multi_offsets))
    per_pixel(list) = [list[starts[i] + 1:starts[i + 1]] for i in 1:length(starts) - 1]
    return (types = per_pixel(named(:multi_types)), sub_weights = per_pixel(array(r, :sub_weights)),
            confident = per_pixel(flags(:conf_list)), min_score = array(r, :min_score),
            sub_converged = flags(:conv_sub), fallback = flags(:fallback))
end

rows(matrix) = [matrix[i, :] for i in 1:size(matrix, 1)]

Base.length(r::RctdResults) = length(columns(r).pixel)
Base.eltype(::Type{RctdResults}) = NamedTuple
Base.firstindex(::RctdResults) = 1
Base.lastindex(r::RctdResults) = length(r)
Base.keys(r::RctdResults) = Base.OneTo(length(r))
function Base.getindex(r::RctdResults, i::Integer)
    all = columns(r)
    1 <= i <= length(all.pixel) || throw(BoundsError(r, i))
    return map(column -> column[i], all)
end
Base.iterate(r::RctdResults, i = 1) = i > length(r) ? nothing : (r[i], i + 1)

describe(io, r::RctdResults) = print(io, "RctdResults (", mode(r), " mode, ", length(array(r, :pixels)),
                                     " pixels, sigma ", sigma(r), "; ", some(cell_types(r)), ")")
