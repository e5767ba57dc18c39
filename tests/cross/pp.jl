# Preprocessing in Julia; see README.md. Usage: julia pp.jl INPUT OUTPUT
using Cytosol, SparseArrays

const INPUT, OUTPUT = ARGS

plain(T, name) = collect(reinterpret(T, read(joinpath(INPUT, "plain", name))))
at(name) = joinpath(OUTPUT, name)

# Matrices row by row.
put(result, route, name) = put(array(result, name), route, name)
put(values::AbstractArray, route, name) =
    write(at("$route.$name"), Float64.(ndims(values) == 2 ? permutedims(values) : values))

ctx = Context(threads = 2)
write_h5ad(ctx, Dataset(ctx, joinpath(INPUT, "reference")), at("raw.h5ad"); compression = "none")
top = (n_top_genes = 40,)
before = (normalize_total = (target_sum = 1e4,), log1p = true)
fused = pp_preprocess(ctx, at("raw.h5ad"), at("fused.h5ad"); qc = (percent_top = [5, 20],),
                      filter_genes = (min_cells = 3,), normalize_total = (target_sum = 1e4,),
                      highly_variable_genes = top, pca = (n_comps = 5,))
foreach(name -> put(fused, "file", name), ("size_factors", "highly_variable", "loadings", "variance", "pca_mean"))
near = pp_neighbors(ctx, at("fused.h5ad"))
foreach(name -> put(near, "file", name), ("distances", "connectivities_values"))
sums = pp_aggregate(ctx, at("raw.h5ad"); by = "cell_type", func = ["sum", "median"])
foreach(name -> put(sums, "file", name), ("sum", "median"))

starts, genes = plain(Int32, "cells.starts.i32"), plain(Int32, "cells.genes.i32")
n_genes = countlines(joinpath(INPUT, "plain", "genes.txt"))
cells = SparseMatrixCSC(n_genes, length(starts) - 1, starts .+ Int32(1), genes .+ Int32(1),
                        plain(Float64, "cells.values.f64"))
own = Counts(ctx, cells; rows = :genes)
put(pp_highly_variable_genes(ctx, own; top..., before...), "matrix", "highly_variable")
put(pp_pca(ctx, own; n_comps = 5, before...), "matrix", "scores")
put(pp_filter_genes(ctx, own; min_cells = 60), "matrix", "kept")
put(pp_scale(ctx, own; max_value = 10, before...), "matrix", "x")
made = pp_transform(ctx, own; before...)
put(made, "matrix", "x_values")
logs = SparseMatrixCSC(n_genes, size(cells, 2), cells.colptr, cells.rowval, Vector(array(made, "x_values")))
values = Counts(ctx, logs; rows = :genes, values = true)
put(pp_pca(ctx, values; n_comps = 5), "values", "scores")
put(pp_highly_variable_genes(ctx, values; flavor = "cell_ranger", top...), "values", "highly_variable")
