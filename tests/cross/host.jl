# The Julia host; see README.md. Usage: julia host.jl INPUT OUTPUT
using Cytosol, SparseArrays

const INPUT, OUTPUT = ARGS

plain(name) = read(joinpath(INPUT, "plain", name))
array_of(T, name) = collect(reinterpret(T, plain(name)))
names_of(name) = String.(split(chomp(String(plain(name))), '\n'))

# Positions from 1, in Int32: the same arrays as the other hosts', plus one.
function counts_of(stem, n_genes)
    starts, genes = array_of(Int32, "$stem.starts.i32"), array_of(Int32, "$stem.genes.i32")
    return SparseMatrixCSC(n_genes, length(starts) - 1, starts .+ Int32(1), genes .+ Int32(1), array_of(Float64, "$stem.values.f64"))
end

bytes_of(x::Vector{String}) = codeunits(join(x, "\n") * "\n")
bytes_of(x::Vector) = reinterpret(UInt8, x)
bytes_of(x::Matrix) = bytes_of(vec(permutedims(x))) # row-major

function write_results(route, results)
    create(what, bytes) = write(joinpath(OUTPUT, "$route.$(mode(results)).$what"), bytes)
    create("sigma", "$(round(Int, 100 * sigma(results)))\n")
    for name in (:cell_types, :barcodes, :pixels, :weights, :normalized_weights, :dominant_type, :conv_all, :spot_class,
                 :first_type, :second_type, :first_class, :second_class, :min_score, :singlet_score, :conv_doublet,
                 :weights_doublet, :doublet_weights, :candidate_offsets, :candidates, :singlet_scores, :pair_offsets,
                 :pair_scores, :multi_offsets, :multi_types, :conf_list, :sub_weights, :conv_sub, :fallback)
        try
            create(name, bytes_of(array(results, name)))
        catch e
            e isa NotFound || rethrow() # of another mode
        end
    end
end

function main()
    ctx = Context(threads = 2)
    genes, types = names_of("genes.txt"), names_of("types.txt")
    reference = Reference(ctx, Counts(ctx, counts_of("cells", length(genes)); rows = :genes); cells = names_of("cells.txt"),
                          genes = genes, labels = array_of(Int32, "labels.i32") .+ 1, cell_types = types)
    coords = permutedims(reshape(array_of(Float64, "coords.f64"), 2, :))
    spatial = Spatial(Counts(ctx, counts_of("pixels", length(genes)); rows = :genes); pixels = names_of("pixels.txt"),
                      genes = genes, coords = coords)
    rctd = choose_sigma!(ctx, fit_bulk!(ctx, Rctd(ctx, spatial, reference)))
    files = joinpath(INPUT, "spatial"), joinpath(INPUT, "reference")
    for mode in (:full, :doublet, :multi)
        write_results("arrays", run_rctd(ctx, spatial, reference; mode = mode))
        shards = [Partial(bytes(run_shard(ctx, rctd, range; mode = mode))) for range in plan(rctd, 37)]
        write_results("shards", merge_shards(rctd, shards; mode = mode))
        results = run_rctd(ctx, files...; mode = mode, reference_options = (type_order = types,))
        write_results("files", results)
        write_h5ad(ctx, results, files[1], joinpath(OUTPUT, "files.$mode.h5ad"))
    end
end

main()
