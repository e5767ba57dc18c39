# Arrays that the library lends, copied into Julia's.

struct CArray
    struct_size::Csize_t
    dtype::Int32
    n_dims::Int32
    n_rows::Csize_t
    n_columns::Csize_t
    row_stride::Csize_t
    data::Ptr{Cvoid}
end

# cyto_dtype of what can be counts, and of what comes out.
const DTYPES = Dict{DataType,Int32}(
    Int32 => 0, Int64 => 1, Float32 => 2, Float64 => 3, UInt16 => 4, UInt32 => 5, UInt8 => 6)
const TYPES = Dict{Int32,DataType}(
    0 => Int32, 1 => Int64, 2 => Float32, 3 => Float64, 4 => UInt16, 5 => UInt32, 6 => UInt8, 7 => UInt64)
const TEXT = Int32(8)

# A copy of what C lent; a matrix is row-major there and column-major here.
function copied(lent::CArray)
    n, m = Int(lent.n_rows), Int(lent.n_columns)
    if lent.dtype == TEXT
        list = unsafe_wrap(Vector{Cstring}, Ptr{Cstring}(lent.data), n)
        return String[unsafe_string(text) for text in list]
    end
    T = TYPES[lent.dtype]
    lent.n_dims == 1 && return copy(unsafe_wrap(Vector{T}, Ptr{T}(lent.data), n))
    out = Matrix{T}(undef, n, m)
    stride = Int(lent.row_stride)
    for column in 1:m, row in 1:n
        out[row, column] = unsafe_load(Ptr{T}(lent.data), (row - 1) * stride + column)
    end
    return out
end

"""
    array(x, name)

An array of a [`Dataset`](@ref), [`Reference`](@ref), [`Rctd`](@ref) or [`RctdResults`](@ref) by its name (a `Symbol`
or string), copied, with the numbers of the C interface: **positions count from 0** and flags are `UInt8`. The names
are listed with each type. [`table`](@ref) and iteration give names in place of positions.

Throws [`NotFound`](@ref) for an array that is not there (yet), [`InvalidArgument`](@ref) for an unknown name.
"""
function array(handle::Handle, name::Union{Symbol,AbstractString})
    name = c_text("name", string(name))
    lent = Ref(CArray(sizeof(CArray), 0, 0, 0, 0, 0, C_NULL))
    return lend(handle) do ptr
        fallible() do err
            ccall(sym(array_function(handle)), Int32, (Ptr{Cvoid}, Cstring, Ptr{CArray}, Ptr{Ptr{Cvoid}}),
                  ptr, name, lent, err)
        end
        copied(lent[])
    end
end

array_function(::Dataset) = :cyto_dataset_array
array_function(::Reference) = :cyto_reference_array
array_function(::Rctd) = :cyto_rctd_array
array_function(::RctdResults) = :cyto_rctd_results_array
array_function(handle::Handle) = refuse("array", "a $(nameof(typeof(handle))) has no arrays")

# A list of which there are at most as many as can be shown.
some(list) = length(list) <= 8 ? join(list, ", ") : string(join(list[1:7], ", "), ", ... (", length(list), ")")
