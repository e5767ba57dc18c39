# Counts in Julia's arrays, without a copy.

struct CSparseView
    struct_size::Csize_t
    layout::Int32
    indptr_type::Int32
    index_type::Int32
    value_type::Int32
    index_base::Int32
    orientation::Int32
    nrow::Int64
    ncol::Int64
    nnz::Int64
    indptr::Ptr{Cvoid}
    indices::Ptr{Cvoid}
    values::Ptr{Cvoid}
    flags::UInt64
end

struct CDenseView
    struct_size::Csize_t
    value_type::Int32
    orientation::Int32
    nrow::Int64
    ncol::Int64
    row_stride::Int64
    col_stride::Int64
    data::Ptr{Cvoid}
end

struct CBlockSource
    struct_size::Csize_t
    n_cells::Int64
    n_genes::Int64
    read_block::Ptr{Cvoid}
    release_block::Ptr{Cvoid}
    release_source::Ptr{Cvoid}
    user_data::Ptr{Cvoid}
    flags::UInt64
end

const CSR, CSC = Int32(0), Int32(1)

# A matrix whose rows and columns changed places; counts are real, so both are the same.
const Turned{A} = Union{Transpose{<:Any,A},Adjoint{<:Any,A}}

function orientation(rows::Symbol)
    rows === :cells && return Int32(1)
    rows === :genes && return Int32(2)
    refuse("rows", ":$rows; must be :genes or :cells")
end

function dtype(argument, ::Type{T}) where {T}
    haskey(DTYPES, T) || refuse(argument,
        "elements are $T; must be Int32, Int64, Float32, Float64, UInt8, UInt16 or UInt32")
    return DTYPES[T]
end

# The stored entries, which may be fewer than the arrays have room for.
function stored(x::SparseMatrixCSC)
    length(x.colptr) == size(x, 2) + 1 || refuse("counts.colptr",
        "$(length(x.colptr)) elements; must be $(size(x, 2)) + 1")
    n = x.colptr[end] - 1
    n <= length(x.rowval) && n <= length(x.nzval) || refuse("counts.nzval",
        "$(length(x.nzval)) values and $(length(x.rowval)) rows; colptr asks for $n")
    return n
end

# The view of a matrix, and the arrays that it points into.
function view_of(x::SparseMatrixCSC{V,I}, rows::Symbol, layout::Int32, shape) where {V,I}
    haskey(DTYPES, I) && I <: Union{Int32,Int64} || refuse("counts", "positions are $I; must be Int32 or Int64")
    n = stored(x)
    view = CSparseView(
        sizeof(CSparseView), layout, DTYPES[I], DTYPES[I], dtype("counts", V), 1, orientation(rows),
        shape[1], shape[2], n, pointer(x.colptr), pointer(x.rowval), pointer(x.nzval), 0)
    return view, x
end
view_of(x::SparseMatrixCSC, rows::Symbol) = view_of(x, rows, CSC, size(x))
# The same arrays, by row.
view_of(x::Turned{<:SparseMatrixCSC}, rows::Symbol) = view_of(parent(x), rows, CSR, size(x))

function view_of(x::StridedMatrix{V}, rows::Symbol) where {V}
    view = CDenseView(sizeof(CDenseView), dtype("counts", V), orientation(rows), size(x, 1), size(x, 2),
                      stride(x, 1), stride(x, 2), pointer(x))
    return view, x
end
function view_of(x::Turned{<:StridedMatrix}, rows::Symbol)
    y = parent(x)
    view = CDenseView(sizeof(CDenseView), dtype("counts", eltype(y)), orientation(rows), size(x, 1), size(x, 2),
                      stride(y, 2), stride(y, 1), pointer(y))
    return view, y
end
view_of(x, rows::Symbol) =
    refuse("counts", "a $(typeof(x)); must be a SparseMatrixCSC or a dense matrix, plain or transposed")

view_function(::CSparseView, kind) =
    (borrowed = :cyto_matrix_from_view, copied = :cyto_matrix_from_view_copy, values = :cyto_matrix_values_from_view)[kind]
view_function(::CDenseView, kind) =
    (borrowed = :cyto_matrix_from_dense_view, copied = :cyto_matrix_from_dense_view_copy,
     values = :cyto_matrix_values_from_dense_view)[kind]

"""
    Counts(ctx, x; rows, copy = false, values = false)

Counts of cells (or pixels) and genes in a Julia matrix `x`: a `SparseMatrixCSC`, a dense matrix, or the transpose or
adjoint of one, of `Int32`, `Int64`, `Float32`, `Float64`, `UInt8`, `UInt16` or `UInt32`, all integers >= 0.

- `rows`: `:genes` or `:cells`, what the rows of `x` are. It has no default: shapes are never guessed.
- `copy`: `false` borrows the arrays of `x`, which must not be changed while the counts, or anything made from them,
  are in use (they are kept alive). A sparse genes x cells matrix (or a transposed cells x genes one) is read as it is;
  one compressed along genes is turned round once, which copies it. `true` copies and checks every count now.
- `values`: `true` takes values of any sign and fraction, such as logarithms, for the steps of preprocessing that look
  at values as they are; `Float32` stay such, as in a file. They are borrowed.

    Counts(read, n_cells, n_genes)

Counts that `read(cells::UnitRange{Int})` reads when they are needed: a sparse **genes x cells** matrix with all genes
of these cells. Called on the thread that made the API call; what it throws comes out of that call.

`size(c)` is `(n_cells, n_genes)`.

# Cost
Borrowing checks the structure in one pass and allocates nothing of the size of `x`.
"""
function Counts(ctx::Context, x::AbstractMatrix; rows::Symbol, copy::Bool = false, values::Bool = false)
    copy && values && refuse("copy", "true; values are borrowed")
    kind = values ? :values : copy ? :copied : :borrowed
    view, arrays = view_of(x, rows)
    return GC.@preserve arrays lend(ctx) do ptr
        make(Counts, copy ? nothing : arrays) do out, err
            ccall(sym(view_function(view, kind)), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ptr, Ref(view), out, err)
        end
    end
end

# What the library gives back to the trampoline; `block` is what it may be reading.
mutable struct BlockState
    read::Any
    n_genes::Int
    block::Any
end

function on_read_block(user_data::Ptr{Cvoid}, first::Int64, n::Int64, out::Ptr{CSparseView})::Int32
    try
        state = unsafe_pointer_to_objref(user_data)::BlockState
        block = Base.reenable_sigint(() -> state.read(Int(first + 1):Int(first + n)))
        size(block) == (state.n_genes, n) || refuse("read",
            "gave a $(join(size(block), " x ")) matrix; must be $(state.n_genes) genes x $n cells")
        view, state.block = view_of(block, :genes)
        view isa CSparseView || refuse("read", "gave a dense matrix; must be a SparseMatrixCSC")
        unsafe_store!(out, view)
        return Int32(0)
    catch e
        THROWN[Threads.threadid()] = e
        return Int32(1)
    end
end

function Counts(read, n_cells::Integer, n_genes::Integer)
    state = BlockState(read, n_genes, nothing)
    source = Ref(CBlockSource(sizeof(CBlockSource), n_cells, n_genes, ON_READ_BLOCK[], C_NULL, C_NULL,
                              pointer_from_objref(state), 0))
    # `state` is kept by the counts and by all that is made from them, so the library need not say when it is done.
    return make(Counts, state) do out, err
        ccall(sym(:cyto_matrix_from_blocks), Int32, (Ptr{CBlockSource}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              source, out, err)
    end
end

"Cells (or pixels) of counts."
n_cells(c::Counts) = lend(ptr -> Int(ccall(sym(:cyto_matrix_n_cells), Csize_t, (Ptr{Cvoid},), ptr)), c)
"Genes of counts."
n_genes(c::Counts) = lend(ptr -> Int(ccall(sym(:cyto_matrix_n_genes), Csize_t, (Ptr{Cvoid},), ptr)), c)
Base.size(c::Counts) = (n_cells(c), n_genes(c))

describe(io, c::Counts) = print(io, "Counts (", n_cells(c), " cells x ", n_genes(c), " genes)")
