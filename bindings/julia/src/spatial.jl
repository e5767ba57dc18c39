# Pixels of a tissue.

struct CSpatialInput
    struct_size::Csize_t
    counts::Ptr{Cvoid}
    pixels::Ptr{Ptr{UInt8}}
    n_pixels::Csize_t
    genes::Ptr{Ptr{UInt8}}
    n_genes::Csize_t
    coords::Ptr{Float64}
    n_coords::Csize_t
    n_umi::Ptr{Float64}
    n_n_umi::Csize_t
end

"""
    Spatial(dataset)
    Spatial(counts; pixels, genes, coords = nothing, n_umi = nothing)

Pixels of a tissue, from a file or from counts (whose cells are the pixels) and names.

- `pixels`, `genes`: names, unique, as many as the counts have.
- `coords`: pixels x 2 matrix of x and y, in any unit.
- `n_umi`: total counts of every pixel over all genes of the experiment; without it, sums over `counts`.

Counts are read later; borrowed arrays are kept alive and must not be changed until the last fit.
"""
Spatial(dataset::Dataset) = lend(dataset) do ptr
    make(Spatial) do out, err
        ccall(sym(:cyto_spatial_from_dataset), Int32, (Ptr{Cvoid}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ptr, out, err)
    end
end

function Spatial(counts::Counts; pixels, genes, coords = nothing, n_umi = nothing)
    pixels, genes = c_texts("pixels", pixels), c_texts("genes", genes)
    pairs = Matrix{Float64}(undef, 2, 0)
    if coords !== nothing
        size(coords, 2) == 2 || refuse("coords", "$(size(coords, 2)) columns; must be x and y")
        pairs = Matrix{Float64}(permutedims(coords))
    end
    totals = n_umi === nothing ? Float64[] : Vector{Float64}(n_umi)
    lists = (pointers(pixels), pointers(genes))
    return GC.@preserve pixels genes pairs totals lists lend(counts) do ptr
        input = Ref(CSpatialInput(
            sizeof(CSpatialInput), ptr, pointer(lists[1]), length(pixels), pointer(lists[2]), length(genes),
            coords === nothing ? C_NULL : pointer(pairs), size(pairs, 2),
            n_umi === nothing ? C_NULL : pointer(totals), length(totals)))
        make(Spatial, counts.keep) do out, err
            ccall(sym(:cyto_spatial_new), Int32, (Ptr{CSpatialInput}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  input, out, err)
        end
    end
end
