# Cell types from single cells.

struct CReferenceInput
    struct_size::Csize_t
    counts::Ptr{Cvoid}
    cells::Ptr{Ptr{UInt8}}
    n_cells::Csize_t
    genes::Ptr{Ptr{UInt8}}
    n_genes::Csize_t
    labels::Ptr{Int32}
    n_labels::Csize_t
    cell_types::Ptr{Ptr{UInt8}}
    n_cell_types::Csize_t
    n_umi::Ptr{Float64}
    n_n_umi::Csize_t
end

struct CReferenceOptions
    struct_size::Csize_t
    n_max_cells::UInt64
    min_umi::Float64
    cell_min::UInt64
    rare_types::Int32
    reserved::Int32
    type_order::Ptr{Ptr{UInt8}}
    n_type_order::Csize_t
end

# Runs f(options) with the C struct of keyword arguments.
function reference_options(f; n_max_cells::Integer = 10000, min_umi::Real = 100, cell_min::Integer = 25,
                           rare_types::Symbol = :keep, type_order = nothing)
    rare_types in (:keep, :drop) || refuse("rare_types", ":$rare_types; must be :keep or :drop")
    order = type_order === nothing ? String[] : c_texts("type_order", type_order)
    names = pointers(order)
    options = Ref(CReferenceOptions(
        sizeof(CReferenceOptions), integer(UInt64, "n_max_cells", n_max_cells), min_umi,
        integer(UInt64, "cell_min", cell_min), rare_types === :drop, 0,
        isempty(names) ? C_NULL : pointer(names), length(names)))
    return GC.@preserve order names options f(Base.unsafe_convert(Ptr{CReferenceOptions}, options))
end

"""
    Reference(ctx, dataset; column = "cell_type", options...)
    Reference(ctx, counts; cells, genes, labels, cell_types, n_umi = nothing, options...)
    Reference(profiles; genes, cell_types)

Mean expression of cell types: from a file whose obs column holds the types; from counts of labelled cells (read now);
or given as `profiles`, genes x types, mean over the cells of count / total of the cell.

- `cells`, `genes`: names, unique, as many as the counts have.
- `labels`: the type of every cell, by name or by position in `cell_types` from 1.
- `cell_types`: names of the types; their order is the order of the results. A file's categories keep their order, other
  labels are sorted as R sorts them.
- `n_umi`: total counts of every cell over all genes of the experiment; without it, sums over `counts`.
- options: `n_max_cells` = 10000 (more cells of a type are sampled down), `min_umi` = 100 (least total of a cell),
  `rare_types` = `:keep` (RCTD then refuses types below `cell_min_instance`) or `:drop` (leaves out, with a warning,
  those with fewer than `cell_min` = 25 cells), `type_order` = all types in another order.

Arrays: `:genes`, `:cell_types`, `:warnings` (text), `:profiles` (`Float64`, genes x types), `:cells_per_type` (`UInt64`).
"""
function Reference(ctx::Context, dataset::Dataset; column::AbstractString = "cell_type", options...)
    column = c_text("column", column)
    return reference_options(; options...) do given
        lend(ctx, dataset) do ctx, dataset
            make(Reference) do out, err
                ccall(sym(:cyto_reference_from_dataset), Int32,
                      (Ptr{Cvoid}, Ptr{Cvoid}, Cstring, Ptr{CReferenceOptions}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                      ctx, dataset, column, given, out, err)
            end
        end
    end
end

function Reference(ctx::Context, counts::Counts; cells, genes, labels, cell_types, n_umi = nothing, options...)
    types = c_texts("cell_types", cell_types)
    codes = codes_of(labels, types)
    cells, genes = c_texts("cells", cells), c_texts("genes", genes)
    totals = n_umi === nothing ? Float64[] : Vector{Float64}(n_umi)
    lists = (pointers(cells), pointers(genes), pointers(types))
    return GC.@preserve cells genes types codes totals lists reference_options(; options...) do given
        lend(ctx, counts) do ctx, counts
            input = Ref(CReferenceInput(
                sizeof(CReferenceInput), counts, pointer(lists[1]), length(cells), pointer(lists[2]),
                length(genes), pointer(codes), length(codes), pointer(lists[3]), length(types),
                n_umi === nothing ? C_NULL : pointer(totals), length(totals)))
            make(Reference) do out, err
                ccall(sym(:cyto_reference_from_counts), Int32,
                      (Ptr{Cvoid}, Ptr{CReferenceInput}, Ptr{CReferenceOptions}, Ptr{Ptr{Cvoid}},
                       Ptr{Ptr{Cvoid}}), ctx, input, given, out, err)
            end
        end
    end
end

function codes_of(labels::AbstractVector{<:Integer}, types)
    for (i, label) in enumerate(labels)
        1 <= label <= length(types) || refuse("labels[$i]", "$label; must be from 1 to $(length(types))")
    end
    return Int32[label - 1 for label in labels]
end

function codes_of(labels, types)
    positions = Dict(name => Int32(i - 1) for (i, name) in enumerate(types))
    code(i, label) = get(positions, label) do
        refuse("labels[$i]", "$(repr(label)) is not one of cell_types: $(some(types))")
    end
    return Int32[code(i, label) for (i, label) in enumerate(labels)]
end

function Reference(profiles::AbstractMatrix{<:Real}; genes, cell_types)
    genes, types = c_texts("genes", genes), c_texts("cell_types", cell_types)
    size(profiles) == (length(genes), length(types)) || refuse("profiles",
        "$(join(size(profiles), " x ")); must be $(length(genes)) genes x $(length(types)) types")
    by_row = Matrix{Float64}(permutedims(profiles))
    lists = (pointers(genes), pointers(types))
    return GC.@preserve genes types make(Reference) do out, err
        ccall(sym(:cyto_reference_from_profiles), Int32,
              (Ptr{Float64}, Ptr{Ptr{UInt8}}, Csize_t, Ptr{Ptr{UInt8}}, Csize_t, Ptr{Ptr{Cvoid}},
               Ptr{Ptr{Cvoid}}), by_row, lists[1], length(genes), lists[2], length(types), out, err)
    end
end

cell_types(reference::Reference) = array(reference, :cell_types)

describe(io, reference::Reference) = print(io, "Reference (", length(array(reference, :genes)), " genes; ",
                                           some(cell_types(reference)), ")")
