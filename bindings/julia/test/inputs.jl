function write_folder(folder, counts, cells, table, lines)
    mkpath(folder)
    rows, columns, values = findnz(counts)
    open(joinpath(folder, "matrix.mtx"), "w") do io
        println(io, "%%MatrixMarket matrix coordinate integer general")
        println(io, size(counts, 1), " ", size(counts, 2), " ", length(values))
        foreach((r, c, v) -> println(io, r, " ", c, " ", Int(v)), rows, columns, values)
    end
    write(joinpath(folder, "barcodes.tsv"), join(cells, "\n"), "\n")
    write(joinpath(folder, "genes.tsv"), join(GENES, "\n"), "\n")
    write(joinpath(folder, table), join(lines, "\n"), "\n")
end

# In a function of its own, so that nothing else holds on to the matrix.
function rctd_of_a_copy(ctx, t, reference, gone)
    x = copy(t.pixels)
    finalizer(_ -> gone[] = true, x.nzval)
    return Rctd(ctx, spatial_with(Counts(ctx, x; rows = :genes), t), reference; sigma = 40)
end

@testset "every input gives the same bits" begin
    t = Tissue(90)
    ctx = Context(threads = 2)
    reference = reference_of(ctx, t)
    run(counts) = run_rctd(ctx, spatial_with(counts, t), reference; mode = :full, sigma = 40)
    expected = run(Counts(ctx, t.pixels; rows = :genes))
    for V in (Int32, Int64, Float32, UInt8, UInt16, UInt32), I in (Int32, Int64)
        x = SparseMatrixCSC{V,I}(t.pixels)
        @test same_results(expected, run(Counts(ctx, x; rows = :genes)))
    end
    by_gene = SparseMatrixCSC(t.pixels')
    @test same_results(expected, run(Counts(ctx, by_gene; rows = :cells)))
    @test same_results(expected, run(Counts(ctx, by_gene'; rows = :genes)))
    @test same_results(expected, run(Counts(ctx, transpose(t.pixels); rows = :cells)))
    dense = Matrix(t.pixels)
    padded = zeros(N_GENES + 3, 91)
    padded[2:N_GENES + 1, 1:90] = dense
    for x in (dense, view(padded, 2:N_GENES + 1, 1:90), Matrix(dense')', Int32.(dense))
        @test same_results(expected, run(Counts(ctx, x; rows = :genes)))
        @test same_results(expected, run(Counts(ctx, x'; rows = :cells)))
    end
    changed = copy(t.pixels)
    copied = Counts(ctx, changed; rows = :genes, copy = true)
    fill!(changed.nzval, -1)
    @test same_results(expected, run(copied))
    # Spare room behind the entries, as growing matrices have.
    roomy = copy(t.pixels)
    append!(roomy.rowval, [7, 7, 7])
    append!(roomy.nzval, [-1, -1, -1])
    @test same_results(expected, run(Counts(ctx, roomy; rows = :genes)))
    @testset "blocks that Julia reads" begin
        reads = UnitRange{Int}[]
        blocks = Counts(90, N_GENES) do cells
            push!(reads, cells)
            t.pixels[:, cells]
        end
        @test size(blocks) == (90, N_GENES)
        @test same_results(expected, run(blocks))
        @test !isempty(reads) && all(cells -> 1 <= first(cells) && last(cells) <= 90, reads)
        @test_throws DomainError run(Counts(cells -> throw(DomainError(cells)), 90, N_GENES))
        @test refused(() -> run(Counts(cells -> t.pixels[:, 1:1], 90, N_GENES)), InvalidArgument, "must be 160 genes")
        @test refused(() -> run(Counts(cells -> dense[:, cells], 90, N_GENES)), InvalidArgument, "dense")
    end
    @testset "labels, profiles, totals" begin
        codes = [findfirst(==(label), TYPES) for label in t.labels]
        cells = Counts(ctx, t.cells; rows = :genes)
        make(; labels = codes, more...) = Reference(ctx, cells; cells = cell_names(t), genes = GENES, labels = labels,
                                                    cell_types = TYPES, more...)
        fit(r) = run_rctd(ctx, spatial_of(ctx, t), r; mode = :full, sigma = 40)
        @test same_results(expected, fit(make()))
        @test same_results(expected, fit(make(n_umi = vec(sum(t.cells; dims = 1)))))
        @test same_results(expected, fit(Reference(array(reference, :profiles); genes = GENES, cell_types = TYPES)))
        turned = fit(make(type_order = reverse(TYPES)))
        @test cell_types(turned) == reverse(TYPES) && isapprox(weights(turned)[:, end:-1:1], weights(expected); atol = 1e-4)
        @test refused(() -> make(labels = vcat(0, codes[2:end])), InvalidArgument, "labels[1]")
        @test refused(() -> make(labels = fill("T cell", 160)), InvalidArgument, "T cell")
        @test refused(() -> make(rare_types = :hide), InvalidArgument, "rare_types")
        given = run_rctd(ctx, spatial_of(ctx, t), reference; mode = :full, sigma_pixels = 1:80)
        same = run_rctd(ctx, spatial_of(ctx, t), reference; mode = :full,
                        options = RctdOptions(sigma_pixels = collect(1:80)))
        @test same_results(given, same)
    end
    @testset "memory is not kept by what is gone" begin
        gone = Ref(false)
        rctd = rctd_of_a_copy(ctx, t, reference, gone)
        foreach(_ -> GC.gc(), 1:3)
        @test !gone[] # still read by rctd
        choose_sigma!(ctx, fit_bulk!(ctx, rctd))
        @test same_results(expected, fit_pixels(ctx, rctd; mode = :full))
        close(rctd)
        foreach(_ -> GC.gc(), 1:3)
        @test gone[]
    end
end

@testset "files" begin
    t = Tissue(60)
    mktempdir() do folder
        spatial = joinpath(folder, "spatial"), joinpath(folder, "reference")
        spatial, cells = spatial
        write_folder(spatial, t.pixels, pixel_names(t), "coords.csv",
                     ["barcode,x,y", ["$name,$(t.coords[i, 1]),$(t.coords[i, 2])" for (i, name) in enumerate(pixel_names(t))]...])
        write_folder(cells, t.cells, cell_names(t), "cells.csv",
                     ["barcode,cell_type", ["$name,$(t.labels[i])" for (i, name) in enumerate(cell_names(t))]...])
        ctx = Context(threads = 1)
        dataset = Dataset(ctx, spatial)
        @test string(dataset) == "Dataset (60 cells x 160 genes)" && occursin("\"mtx\"", info_json(dataset))
        @test array(dataset, :coords) == t.coords && size(counts(dataset)) == (60, N_GENES)
        obs = table(dataset, :obs)
        @test obs.index == pixel_names(t) && obs.x == t.coords[:, 1]
        @test table(Dataset(ctx, cells), :obs).cell_type == t.labels
        @test refused(() -> array(dataset, :n_umi), NotFound, "n_umi")
        expected = run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); sigma = 40)
        reference = Reference(ctx, Dataset(ctx, cells); type_order = TYPES)
        @test same_results(expected, run_rctd(ctx, Spatial(dataset), reference; sigma = 40))
        @test same_results(expected, run_rctd(ctx, spatial, cells; sigma = 40, reference_options = (type_order = TYPES,)))
        @test refused(() -> run_rctd(ctx, spatial, cells; cell_type_column = "no such column"), NotFound, "no such column")
        @test refused(() -> Dataset(ctx, spatial; use_raw = true), InvalidArgument, "use_raw")
    end
end
