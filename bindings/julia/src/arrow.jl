# Tables come as Arrow C streams: https://arrow.apache.org/docs/format/CDataInterface.html, of which the
# library uses struct, f64, f32, i64, u64, i32, bool, text, and texts behind codes.

struct ArrowSchema
    format::Cstring
    name::Cstring
    metadata::Ptr{Cvoid}
    flags::Int64
    n_children::Int64
    children::Ptr{Ptr{ArrowSchema}}
    dictionary::Ptr{ArrowSchema}
    release::Ptr{Cvoid}
    private_data::Ptr{Cvoid}
end

struct ArrowArray
    length::Int64
    null_count::Int64
    offset::Int64
    n_buffers::Int64
    n_children::Int64
    buffers::Ptr{Ptr{Cvoid}}
    children::Ptr{Ptr{ArrowArray}}
    dictionary::Ptr{ArrowArray}
    release::Ptr{Cvoid}
    private_data::Ptr{Cvoid}
end

struct ArrowStream
    get_schema::Ptr{Cvoid}
    get_next::Ptr{Cvoid}
    get_last_error::Ptr{Cvoid}
    release::Ptr{Cvoid}
    private_data::Ptr{Cvoid}
end

# A released struct: all fields zero.
blank(::Type{T}) where {T} = Ref(T(ntuple(i -> zero_of(fieldtype(T, i)), fieldcount(T))...))
zero_of(::Type{Cstring}) = Cstring(C_NULL)
zero_of(::Type{T}) where {T<:Ptr} = T(C_NULL)
zero_of(::Type{T}) where {T<:Integer} = zero(T)

function release(ref::Ref)
    ref[].release == C_NULL || ccall(ref[].release, Cvoid, (Ptr{Cvoid},), ref)
    return nothing
end

# f(stream, err)::Int32 fills a stream, which is read to its end: a named tuple of columns.
function read_stream(f)
    stream = blank(ArrowStream)
    schema = blank(ArrowSchema)
    fallible(err -> f(stream, err))
    try
        next(stream, stream[].get_schema, schema)
        fields = [unsafe_load(p) for p in unsafe_wrap(Vector{Ptr{ArrowSchema}}, schema[].children, schema[].n_children)]
        columns = Any[empty_column(field) for field in fields]
        while true
            batch = blank(ArrowArray)
            next(stream, stream[].get_next, batch)
            batch[].release == C_NULL && break
            try
                children = unsafe_wrap(Vector{Ptr{ArrowArray}}, batch[].children, batch[].n_children)
                for i in eachindex(fields)
                    columns[i] = vcat(columns[i], read_column(fields[i], unsafe_load(children[i])))
                end
            finally
                release(batch)
            end
        end
        names = Tuple(Symbol(unsafe_string(field.name)) for field in fields)
        return NamedTuple{names}(Tuple(columns))
    finally
        release(schema)
        release(stream)
    end
end

function next(stream, f::Ptr{Cvoid}, out)
    status = ccall(f, Cint, (Ptr{Cvoid}, Ptr{Cvoid}), stream, out)
    status == 0 && return
    text = ccall(stream[].get_last_error, Cstring, (Ptr{Cvoid},), stream)
    throw(LibraryPanic(text == C_NULL ? "reading a table: error $status" : unsafe_string(text), "{}"))
end

const ARROW_TYPES = Dict("g" => Float64, "f" => Float32, "l" => Int64, "L" => UInt64, "i" => Int32, "b" => Bool, "u" => String)

function type_of(field::ArrowSchema)
    field.dictionary == C_NULL || return Union{Missing,String}
    return ARROW_TYPES[unsafe_string(field.format)]
end

empty_column(field::ArrowSchema) = type_of(field)[]

buffer(array::ArrowArray, i) = unsafe_load(array.buffers, i)
is_set(bits::Ptr{Cvoid}, i) = (unsafe_load(Ptr{UInt8}(bits), (i >> 3) + 1) >> (i & 7)) & 1 == 1

function read_column(field::ArrowSchema, array::ArrowArray)
    rows = array.offset:(array.offset + array.length - 1) # from 0
    if field.dictionary != C_NULL
        labels = read_column(unsafe_load(field.dictionary), unsafe_load(array.dictionary))
        validity, codes = buffer(array, 1), Ptr{Int32}(buffer(array, 2))
        known(i) = validity == C_NULL || is_set(validity, i)
        return Union{Missing,String}[known(i) ? labels[unsafe_load(codes, i + 1) + 1] : missing for i in rows]
    end
    T = type_of(field)
    if T === String
        starts, text = Ptr{Int32}(buffer(array, 2)), Ptr{UInt8}(buffer(array, 3))
        at(i) = unsafe_load(starts, i + 1)
        return String[unsafe_string(text + at(i), at(i + 1) - at(i)) for i in rows]
    end
    data = buffer(array, 2)
    T === Bool && return Bool[is_set(data, i) for i in rows]
    return T[unsafe_load(Ptr{T}(data), i + 1) for i in rows]
end
