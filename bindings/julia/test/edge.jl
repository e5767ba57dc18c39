@testset "wrong arrays" begin
    ctx = Context(threads = 1)
    good = SparseMatrixCSC(3, 2, [1, 3, 4], [1, 3, 2], [1.0, 2.0, 3.0])
    broken(colptr, rowval, nzval; m = 3, n = 2) = begin
        x = copy(good)
        resize!(x.colptr, length(colptr)); x.colptr .= colptr
        resize!(x.rowval, length(rowval)); x.rowval .= rowval
        resize!(x.nzval, length(nzval)); x.nzval .= nzval
        x
    end
    try_counts(x; rows = :genes) = Counts(ctx, x; rows = rows)
    @test size(try_counts(good)) == (2, 3)
    @test size(try_counts(good; rows = :cells)) == (3, 2)
    @test refused(() -> try_counts(good; rows = :columns), InvalidArgument, "rows")
    @test refused(() -> try_counts(broken([1, 3], [1, 3, 2], [1.0, 2, 3])), InvalidArgument, "colptr")
    @test refused(() -> try_counts(broken([1, 3, 4], [1, 3], [1.0, 2, 3])), InvalidArgument, "nzval")
    @test refused(() -> try_counts(broken([1, 3, 4], [1, 3, 2], [1.0, 2])), InvalidArgument, "nzval")
    @test refused(() -> try_counts(broken([1, 3, 4], [1, 4, 2], [1.0, 2, 3])), InvalidArgument, "corrupt_matrix")
    @test refused(() -> try_counts(broken([1, 3, 4], [1, 0, 2], [1.0, 2, 3])), InvalidArgument, "\"index\":1")
    @test refused(() -> try_counts(broken([1, 5, 4], [1, 3, 2], [1.0, 2, 3])), InvalidArgument, "decrease")
    @test refused(() -> try_counts(broken([2, 3, 4], [1, 3, 2], [1.0, 2, 3])), InvalidArgument, "indptr")
    @test refused(() -> try_counts(Matrix{Bool}(undef, 2, 2)), InvalidArgument, "Bool")
    @test refused(() -> try_counts(sparse([1], [1], [true])), InvalidArgument, "Bool")
    @test refused(() -> try_counts(sparse(Int16[1], Int16[1], [1.0])), InvalidArgument, "Int16")
    @test refused(() -> try_counts(1:3 |> collect |> x -> view(reshape(x, 3, 1), [1, 2], :)), InvalidArgument, "must be")
    for (m, n) in ((0, 0), (0, 7), (7, 0), (7, 3)), V in (Float64, UInt8) # nothing stored
        @test size(try_counts(spzeros(V, m, n))) == (n, m)
        @test size(Counts(ctx, spzeros(V, m, n); rows = :cells, copy = true)) == (m, n)
        @test size(try_counts(zeros(V, m, n))) == (n, m)
    end
    @test refused(() -> Counts(identity, -1, 5), InvalidArgument, "n_cells")
end

@testset "values that are no counts" begin
    t = Tissue(60)
    ctx = Context(threads = 1)
    reference = reference_of(ctx, t)
    entry = t.pixels.colptr[4]
    for bad in (-1.0, 0.5, NaN, Inf, -Inf, 1e12)
        kept, t.pixels.nzval[entry] = t.pixels.nzval[entry], bad
        @test refused(() -> Rctd(ctx, spatial_of(ctx, t), reference), InvalidData, "pixel4")
        @test refused(() -> Counts(ctx, t.pixels; rows = :genes, copy = true), InvalidData, "\"row\":3")
        t.pixels.nzval[entry] = kept
    end
end

@testset "names, options, paths" begin
    t = Tissue(60)
    ctx = Context(threads = 1)
    c = Counts(ctx, t.pixels; rows = :genes)
    names = pixel_names(t)
    @test refused(() -> Spatial(c; pixels = names[2:end], genes = GENES), InvalidArgument, "n_pixels")
    @test refused(() -> Spatial(c; pixels = names, genes = GENES[2:end]), InvalidArgument, "n_genes")
    @test refused(() -> Spatial(c; pixels = names, genes = replace(GENES, "gene3" => "a\0b")), InvalidArgument, "genes[4]")
    @test refused(() -> Spatial(c; pixels = names, genes = replace(GENES, "gene3" => "\xc3\x28")), InvalidArgument, "UTF-8")
    @test refused(() -> Spatial(c; pixels = names, genes = GENES, coords = zeros(60, 3)), InvalidArgument, "coords")
    @test refused(() -> Rctd(ctx, Spatial(c; pixels = names, genes = GENES, coords = zeros(59, 2)), reference_of(ctx, t)), InvalidArgument, "coord")
    @test refused(() -> Reference(zeros(3, 2); genes = ["a"], cell_types = ["t", "u"]), InvalidArgument, "profiles")
    @test refused(() -> RctdOptions(umi_mim = 1), InvalidArgument, "umi_min")
    @test refused(() -> RctdOptions(umi_min = NaN), InvalidArgument, "finite")
    @test refused(() -> RctdOptions(umi_min = "many"), InvalidArgument, "options")
    @test refused(() -> RctdOptions(sigma_pixels = [0]), InvalidArgument, "from 1")
    @test refused(() -> RctdOptions(sigma_pixels = Int[]), InvalidArgument, "empty")
    @test refused(() -> RctdOptions(sigma_entries = [[1], Int[]]), InvalidArgument, "sigma_entries[2]")
    @test refused(() -> run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); sigma_pixels = [1, 99]), InvalidArgument, "98")
    @test refused(() -> run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); mode = :triplet), InvalidArgument, "mode")
    @test refused(() -> run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); umi_min = 1e6), InvalidData, "no_pixels")
    options = options_json(RctdOptions(cell_types = ["a\"\\\n", "é"], keep_scores = false, umi_min = 1e-7, qp_method = :dual))
    @test occursin("[\"a\\\"\\\\\\n\",\"é\"]", options) && occursin("\"keep_scores\":false", options)
    @test occursin("\"umi_min\":1e-7", options)
    @test occursin("\"sigma_entries\":[[0,1],[5]]", options_json(RctdOptions(sigma_entries = [[1, 2], [6]])))
    @test refused(() -> Dataset(ctx, "/no/such.h5ad"), NotFound, "/no/such")
    @test refused(() -> Dataset(ctx, "/no/\xff.h5ad"), NotFound, "/no/\ufffd")
    @test refused(() -> Dataset(ctx, "/no\0such"), InvalidArgument, "NUL")
    @test refused(() -> Dataset(ctx, "/etc/passwd"), FormatError, "not_hdf5")
    @test refused(() -> run_rctd(ctx, "/no/spatial", "/no/reference"), NotFound, "reference")
    @test refused(() -> Context(threads = -1), InvalidArgument, "threads")
    @test refused(() -> Context(threads = 2^40), InvalidArgument, "threads")
    @test refused(() -> Context(seed = -1), InvalidArgument, "seed")
    @test refused(() -> Context(device = "quantum"), InvalidArgument, "quantum")
    @test refused(() -> Context(device = "cuda"), NoGpu, "device")
    @test refused(() -> Partial(UInt8[]), FormatError, "")
    @test refused(() -> Partial(fill(0x43, 64)), FormatError, "")
    @test sprint(showerror, NotFound("where: what", "{}")) == "NotFound: where: what"
end

@testset "after close" begin
    t = Tissue(60)
    ctx = Context(threads = 1)
    reference, spatial = reference_of(ctx, t), spatial_of(ctx, t)
    rctd = choose_sigma!(ctx, fit_bulk!(ctx, Rctd(ctx, spatial, reference; sigma = 40)))
    close(spatial) # what was made with it stays usable
    close(reference)
    results = fit_pixels(ctx, rctd; mode = :full)
    part = run_shard(ctx, rctd, 1:5)
    uses = [(spatial, () -> run_rctd(ctx, spatial, reference)), (rctd, () -> fit_pixels(ctx, rctd)),
            (rctd, () -> plan(rctd)), (results, () -> weights(results)), (results, () -> results[1]),
            (part, () -> bytes(part)), (part, () -> merge_shards(rctd, [part])), (ctx, () -> fit_pixels(ctx, rctd)),
            (ctx, () -> cancel!(ctx)), (ctx, () -> threads(ctx)), (ctx, () -> set_progress!(ctx, nothing))]
    for (handle, use) in uses
        close(handle)
        close(handle) # twice is nothing
        @test !isopen(handle) && refused(use, InvalidArgument, "closed")
    end
end

@testset "a library of another ABI, and none" begin
    mktempdir() do folder
        library = joinpath(folder, "libother.so")
        source = joinpath(folder, "other.c")
        write(source, "#include <stdint.h>\nint32_t cyto_abi_version(void) { return 999; }\n")
        run(`cc -shared -fPIC $source -o $library`)
        for (path, words) in ((library, "has ABI 999"), (joinpath(folder, "none.so"), "CYTO_LIBRARY"))
            err = IOBuffer()
            @test !success(pipeline(child("load.jl"; CYTO_LIBRARY = path); stderr = err))
            @test occursin(words, String(take!(err)))
        end
    end
end
