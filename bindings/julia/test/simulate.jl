# A small tissue with known truth, and the reference it was made from; the same on every machine.
module Simulate

using SparseArrays

const TYPES = ["astrocyte", "neuron", "oligo", "microglia"]
const N_GENES = 160
const GENES = ["gene$(i - 1)" for i in 1:N_GENES]

mutable struct Random
    state::UInt64
end
function uniform(r::Random)
    r.state = r.state * 6364136223846793005 + 1442695040888963407
    return ((r.state >> 11) + 0.5) / 2.0^53
end
function poisson(r::Random, mean)
    n, product = 0, uniform(r)
    while product > exp(-mean)
        n += 1
        product *= uniform(r)
    end
    return n
end

# Markers of a type are 12 times as high in it.
profile(k) = (p = [(g % 5 == k % 5 ? 12.0 : 1.0) * (0.5 + (g % 7) / 4) for g in 1:N_GENES]; p ./ sum(p))

# Genes x cells; `types[i]` are the types of cell i, in equal shares.
function counts(r::Random, types, depth)
    rows, columns, values = Int[], Int[], Float64[]
    profiles = profile.(1:length(TYPES))
    for (cell, of) in enumerate(types), gene in 1:N_GENES
        n = poisson(r, depth * sum(profiles[k][gene] for k in of) / length(of))
        n > 0 && (push!(rows, gene); push!(columns, cell); push!(values, n))
    end
    return sparse(rows, columns, values, N_GENES, length(types))
end

struct Tissue
    cells::SparseMatrixCSC{Float64,Int}
    labels::Vector{String}
    pixels::SparseMatrixCSC{Float64,Int}
    truth::Vector{Tuple{Int,Int}}
    coords::Matrix{Float64}
end

"`n` pixels: every third holds two types, half of each."
function Tissue(n)
    r = Random(42)
    labels = [(i - 1) % 4 + 1 for i in 1:160]
    truth = [(k = (i - 1) % 4 + 1; (k, i % 3 == 0 ? k % 4 + 1 : k)) for i in 1:n]
    coords = [(i - 1) % 20 * (axis == 1) + (i - 1) ÷ 20 * (axis == 2) for i in 1:n, axis in 1:2]
    return Tissue(counts(r, tuple.(labels), 700.0), TYPES[labels], counts(r, truth, 1500.0), truth, coords)
end

cell_names(t::Tissue) = ["cell$i" for i in 1:size(t.cells, 2)]
pixel_names(t::Tissue) = ["pixel$i" for i in 1:size(t.pixels, 2)]

end
