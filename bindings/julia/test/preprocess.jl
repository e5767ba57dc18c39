function counts_folder(t, folder)
    rows, columns, values = findnz(t.cells)
    open(joinpath(folder, "matrix.mtx"), "w") do io
        println(io, "%%MatrixMarket matrix coordinate integer general")
        println(io, size(t.cells, 1), " ", size(t.cells, 2), " ", length(values))
        foreach((r, c, v) -> println(io, r, " ", c, " ", Int(v)), rows, columns, values)
    end
    write(joinpath(folder, "barcodes.tsv"), join(cell_names(t), "\n"), "\n")
    write(joinpath(folder, "genes.tsv"), join(GENES, "\n"), "\n")
    labels = ["barcode,cell_type"; string.(cell_names(t), ",", t.labels)]
    write(joinpath(folder, "cells.csv"), join(labels, "\n"), "\n")
    return folder
end

@testset "preprocessing of files and of counts in memory" begin
    t = Tissue(10)
    ctx = Context(threads = 2)
    dir = mktempdir()
    at(name) = joinpath(dir, name)
    write_h5ad(ctx, Dataset(ctx, counts_folder(t, mktempdir())), at("raw.h5ad"); compression = "none")
    counts = Counts(ctx, t.cells; rows = :genes)
    known = (cells = cell_names(t), genes = GENES)

    @testset "one by one, in one go and in memory" begin
        top = (n_top_genes = 40,)
        qc = pp_qc(ctx, at("raw.h5ad"), at("q.h5ad"); percent_top = [5, 20])
        sizes = pp_normalize_total(ctx, at("q.h5ad"), at("n.h5ad"); target_sum = 1e4)
        pp_log1p(ctx, at("n.h5ad"), at("l.h5ad"))
        hvg = pp_highly_variable_genes(ctx, at("l.h5ad"), at("h.h5ad"); top...)
        axes = pp_pca(ctx, at("h.h5ad"), at("p.h5ad"); n_comps = 5)
        fused = pp_preprocess(ctx, at("raw.h5ad"), at("f.h5ad"); qc = (percent_top = [5, 20],),
                              normalize_total = (target_sum = 1e4,), highly_variable_genes = top, pca = (n_comps = 5,))
        @test isequal(table(qc, :obs), table(fused, :obs)) && isequal(table(qc, :var), table(fused, :var))
        @test isequal(table(hvg, :hvg), table(fused, :hvg))
        @test same_bits(array(axes, :loadings), array(fused, :loadings)) && size(array(axes, :loadings)) == (N_GENES, 5)
        before = (normalize_total = (target_sum = 1e4,), log1p = true)
        here = pp_highly_variable_genes(ctx, counts; known..., top..., before...)
        @test isequal(table(hvg, :hvg), table(here, :hvg))
        @test isequal(table(qc, :obs), table(pp_qc(ctx, counts; known..., percent_top = [5, 20]), :obs))
        @test same_bits(array(sizes, :size_factors), array(pp_size_factors(ctx, counts; target_sum = 1e4), :size_factors))
        chosen = array(here, :highly_variable) .== 1
        @test sum(chosen) == 40
        near = pp_pca(ctx, counts; mask_var = chosen, n_comps = 5, before...)
        @test same_bits(array(axes, :variance), array(near, :variance)) && size(array(near, :scores)) == (160, 5)
        sums = pp_aggregate(ctx, at("raw.h5ad"); by = "cell_type", func = ["sum", "median"])
        own = pp_aggregate(ctx, counts; labels = t.labels, func = ["sum", "median"])
        @test array(sums, :groups) == array(own, :groups) == sort(unique(t.labels))
        @test same_bits(array(sums, :sum), array(own, :sum)) && same_bits(array(sums, :median), array(own, :median))
        @test array(own, :sum)[1, :] == vec(sum(t.cells[:, t.labels .== array(own, :groups)[1]]; dims = 2))
        @test size(array(pp_neighbors(ctx, at("p.h5ad")), :indices)) == (160, 14)
    end

    @testset "matrices that steps make, and logarithms of one's own" begin
        @test array(pp_filter_cells(ctx, counts; min_counts = 690), :kept) ==
              array(pp_filter_cells(ctx, at("raw.h5ad"); min_counts = 690), :kept)
        before = (normalize_total = (target_sum = 1e4,), log1p = true)
        made = pp_transform(ctx, counts; before...)
        logs = SparseMatrixCSC(size(t.cells)..., t.cells.colptr, t.cells.rowval, Float32.(array(made, :x_values)))
        values = Counts(ctx, logs; rows = :genes, values = true)
        @test isequal(table(pp_highly_variable_genes(ctx, values; genes = GENES, n_top_genes = 40), :hvg),
                      table(pp_highly_variable_genes(ctx, at("l.h5ad"); n_top_genes = 40), :hvg))
        scaled = pp_scale(ctx, counts; max_value = 2, before...)
        @test same_bits(array(scaled, :x), array(pp_scale(ctx, values; max_value = 2), :x))
        dense = Counts(ctx, permutedims(Array(array(scaled, :x))); rows = :genes, values = true)
        @test size(array(pp_pca(ctx, dense; n_comps = 3), :scores)) == (160, 3)
        @test refused(() -> Counts(ctx, logs; rows = :genes, values = true, copy = true), InvalidArgument, "copy")
        @test refused(() -> pp_scale(ctx, values; mask_obs = [true]), InvalidArgument, "mask_obs")
        @test refused(() -> pp_transform(ctx, counts), InvalidArgument, "normalize_total")
    end

    @testset "filters, layouts, refusals" begin
        kept = array(pp_filter_cells(ctx, at("raw.h5ad"), at("c.h5ad"); min_counts = 690), :kept) .== 1
        @test kept == (vec(sum(t.cells; dims = 1)) .>= 690)
        genes = [i <= 100 for i in 1:N_GENES]
        pp_subset(ctx, at("raw.h5ad"), at("s.h5ad"); cells = kept, genes = genes)
        @test array(Dataset(ctx, at("s.h5ad")), :genes) == GENES[1:100]
        @test length(array(pp_filter_genes(ctx, at("s.h5ad"); min_cells = 1), :kept)) == 100
        pp_convert(ctx, at("s.h5ad"), at("s.h5ad"); layout = :csc, compression = "gzip:1")
        @test occursin("\"layout\":\"csc\"", report_json(pp_validate(ctx, at("s.h5ad"))))
        @test length(array(pp_scale(ctx, at("s.h5ad"), at("z.h5ad"); zero_center = false), :gene_std)) == 100
        @test refused(() -> pp_qc(ctx, at("raw.h5ad"); percent_tops = [1]), InvalidArgument, "percent_top")
        @test refused(() -> pp_log1p(ctx, at("raw.h5ad")), InvalidArgument, "output")
        @test refused(() -> pp_qc(ctx, at("none.h5ad")), NotFound, "none.h5ad")
        @test refused(() -> pp_aggregate(ctx, counts), InvalidArgument, "labels")
        @test refused(() -> array(pp_validate(ctx, at("raw.h5ad")), :scores), NotFound, "scores")
        @test occursin("\"max_disp\":\"inf\"", report_json(pp_highly_variable_genes(ctx, at("raw.h5ad"); max_disp = Inf)))
        set_progress!(ctx, p -> false)
        @test_throws Cancelled pp_preprocess(ctx, at("raw.h5ad"), at("no.h5ad"); qc = nothing)
        set_progress!(ctx, nothing)
        @test !isfile(at("no.h5ad"))
    end
end
