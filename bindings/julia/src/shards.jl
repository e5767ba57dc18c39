# Pixels in shards: on several machines, or one after the other.

"""
    plan(rctd, pixels_per_shard = 0)

Cuts the kept pixels into shards, ranges of positions (from 1) in the array `:kept`; 0 = the library's choice.
Shards run anywhere where the same object was made from the same inputs, and travel as [`Partial`](@ref)s:

    using Distributed
    parts = pmap(range -> run_shard(ctx, rctd, range), plan(rctd))   # ctx and rctd made on every worker
    results = merge_shards(rctd, parts)
"""
function plan(rctd::Rctd, pixels_per_shard::Integer = 0)
    size = integer(UInt, "pixels_per_shard", pixels_per_shard)
    made = lend(rctd) do ptr
        make(Plan) do out, err
            ccall(sym(:cyto_rctd_plan), Int32, (Ptr{Cvoid}, Csize_t, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ptr, size, out, err)
        end
    end
    return lend(made) do ptr
        n = Int(ccall(sym(:cyto_plan_n_shards), Csize_t, (Ptr{Cvoid},), ptr))
        bounds = ccall(sym(:cyto_plan_bounds), Ptr{UInt64}, (Ptr{Cvoid},), ptr)
        [Int(unsafe_load(bounds, 2i - 1)) + 1:Int(unsafe_load(bounds, 2i)) for i in 1:n]
    end
end

"""
    run_shard(ctx, rctd, range; mode = :doublet)

Fits the pixels of one shard: a [`Partial`](@ref). Throws [`StateError`](@ref) before [`choose_sigma!`](@ref).
"""
function run_shard(ctx::Context, rctd::Rctd, range::AbstractUnitRange{<:Integer}; mode::Symbol = :doublet)
    code = mode_code(mode)
    start, stop = integer(UInt64, "range", first(range) - 1), integer(UInt64, "range", last(range))
    return lend(ctx, rctd) do ctx, rctd
        make(Partial) do out, err
            ccall(sym(:cyto_rctd_run_shard), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Int32, UInt64, UInt64, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, rctd, code, start, stop, out, err)
        end
    end
end

"""
    merge_shards(rctd, partials; mode = :doublet)

Joins shards that together cover the kept pixels once, in any order; the same bits as [`fit_pixels`](@ref). Throws
[`CheckpointMismatch`](@ref) for a shard of other inputs, options or mode.
"""
function merge_shards(rctd::Rctd, partials; mode::Symbol = :doublet)
    code = mode_code(mode)
    shards = collect(Partial, partials)
    return lend(rctd, shards...) do rctd, handles...
        list = Ptr{Cvoid}[handles...]
        make(RctdResults) do out, err
            ccall(sym(:cyto_rctd_merge), Int32,
                  (Ptr{Cvoid}, Int32, Ptr{Ptr{Cvoid}}, Csize_t, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  rctd, code, list, length(list), out, err)
        end
    end
end

"""
    Partial(bytes::Vector{UInt8})

Fits of one shard, from [`bytes`](@ref)`(p)`. Throws [`FormatError`](@ref) when they are damaged or cut off. `range(p)` is
the shard's range. Goes through `Serialization` and `Distributed` as it is.
"""
function Partial(data::Vector{UInt8})
    make(Partial) do out, err
        ccall(sym(:cyto_partial_deserialize), Int32, (Ptr{UInt8}, Csize_t, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              data, length(data), out, err)
    end
end

"""
    bytes(partial)

A shard as bytes, with version, parameter hash and checksum; the same shard always gives the same.
"""
function bytes(partial::Partial)
    data, n = Ref{Ptr{UInt8}}(C_NULL), Ref{Csize_t}(0)
    return lend(partial) do ptr
        fallible() do err
            ccall(sym(:cyto_partial_serialize), Int32, (Ptr{Cvoid}, Ptr{Ptr{UInt8}}, Ptr{Csize_t}, Ptr{Ptr{Cvoid}}),
                  ptr, data, n, err)
        end
        copy(unsafe_wrap(Vector{UInt8}, data[], n[]))
    end
end

function Base.range(partial::Partial)
    start, stop = Ref{UInt64}(0), Ref{UInt64}(0)
    lend(partial) do ptr
        fallible() do err
            ccall(sym(:cyto_partial_range), Int32, (Ptr{Cvoid}, Ptr{UInt64}, Ptr{UInt64}, Ptr{Ptr{Cvoid}}),
                  ptr, start, stop, err)
        end
    end
    return Int(start[]) + 1:Int(stop[])
end

function Serialization.serialize(s::AbstractSerializer, partial::Partial)
    Serialization.serialize_type(s, Partial)
    serialize(s, bytes(partial))
end
Serialization.deserialize(s::AbstractSerializer, ::Type{Partial}) = Partial(deserialize(s)::Vector{UInt8})

# Other handles point into this process.
Serialization.serialize(::AbstractSerializer, handle::Handle) = refuse(nameof(typeof(handle)),
    "lives in this process; make it on every worker (a Partial can be sent)")

describe(io, partial::Partial) = print(io, "Partial (", range(partial), ")")
