@testset "differential expression" begin
    n, m = 240, 8
    batch = repeat(["a", "b"], 4)
    condition = repeat(["untreated", "treated"]; inner = 4)
    # Uneven counts of a fixed pattern; every tenth gene is six times as high when treated.
    noise(g, s) = mod(sin(12.9898 * g + 78.233 * s) * 43758.5453, 1)
    rate(g, s) = 6 * 1.02^(g % 200) * (g % 10 == 3 && condition[s] == "treated" ? 6 : 1) * (0.6 + 0.8 * noise(g, s))
    x = Int32[g % 50 == 49 ? 0 : floor(Int32, rate(g, s)) for g in 1:n, s in 1:m]
    known = (genes = ["g$g" for g in 1:n], names = ["s$s" for s in 1:m], levels = (condition = ["untreated", "treated"],))
    columns = (batch = batch, condition = condition)
    design = "~ batch + condition"
    ctx = Context(threads = 2)
    data(x; design = design, more...) = Deseq(ctx, x, columns; design = design, known..., more...)
    d = run_deseq!(ctx, data(x))
    r = deseq_results(ctx, d)
    answer(d, name; on = ctx) = same_bits(array(deseq_results(on, d), name), array(r, name))

    @testset "what is known is found" begin
        t = table(r)
        @test keys(t) == (:gene, :baseMean, :log2FoldChange, :lfcSE, :stat, :pvalue, :padj)
        up = [g % 10 == 3 for g in 1:n]
        called = coalesce.(t.padj .< 0.1, false)
        @test all(called[up]) && count(called .& .!up) <= 4 && all(t.log2FoldChange[up] .> 1.5)
        @test t.gene == known.genes && isnan(t.pvalue[49])
        @test array(d, :results_names) == ["Intercept", "batch_b_vs_a", "condition_treated_vs_untreated"]
        @test size(array(d, :coefficients)) == (n, 3) && length(array(d, :size_factors)) == m
        @test occursin("LFC > 0", deseq_summary(r)) && occursin("\"alpha\":0.1", info_json(r))
        @test occursin("disp_prior_var", info_json(d))
        @test table(d).dispersion[1] == array(d, :dispersion)[1] && table(d, :samples).batch == batch
    end

    @testset "the same bits from every kind of input, step by step, with any threads" begin
        @test answer(run_deseq!(ctx, data(sparse(x))), :pvalue)
        @test answer(run_deseq!(ctx, data(permutedims(x)')), :pvalue)
        @test answer(run_deseq!(ctx, Deseq(ctx, Counts(ctx, sparse(Float64.(x))'; rows = :cells), columns; design = design,
                                           known...)), :padj)
        whole = [ones(m) batch .== "b" condition .== "treated"]
        names = ["Intercept", "batch_b", "treated"]
        @test answer(run_deseq!(ctx, data(x; design = whole, coefficients = names)), :log2FoldChange)
        steps = estimate_dispersions!(ctx, estimate_size_factors!(ctx, data(x)))
        @test answer(wald_test!(ctx, steps), :stat)
        for threads in (1, 3, 7)
            on = Context(threads = threads)
            @test answer(run_deseq!(on, data(x)), :lfcSE; on = on)
        end
        again = set_factors!(data(x), :size_factors, array(d, :size_factors))
        @test answer(run_deseq!(ctx, again), :pvalue)
        factors = repeat(array(d, :size_factors)', n)
        again = set_factors!(data(x), :normalization_factors, factors)
        @test array(run_deseq!(ctx, again), :normalization_factors) == factors
    end

    @testset "comparisons, shrinkage, transformations" begin
        by(; options...) = array(deseq_results(ctx, d; options...), :log2FoldChange)
        last = array(r, :log2FoldChange)
        @test same_bits(by(name = "condition_treated_vs_untreated"), last)
        @test by(contrast = ["condition", "untreated", "treated"]) ≈ -last nans = true
        @test by(contrast = [0, 0, 0.5]) ≈ last / 2 nans = true
        @test by(contrast = (numerators = ["condition_treated_vs_untreated"], denominators = String[])) ≈ last nans = true
        @test array(deseq_results(ctx, d; lfc_threshold = 1, alt_hypothesis = "greater"), :pvalue)[3] < 1e-3
        name = "condition_treated_vs_untreated"
        for type in ("apeglm", "ashr", "normal")
            shrunken = lfc_shrink(ctx, d; type = type, name = name)
            @test same_bits(array(shrunken, :lfcSE), array(lfc_shrink(ctx, d, r; type = type, name = name), :lfcSE))
            quiet = [g % 10 != 3 && g % 50 != 49 for g in 1:n]
            @test sum(abs2, array(shrunken, :log2FoldChange)[quiet]) < sum(abs2, last[quiet])
        end
        lrt = deseq_results(ctx, run_deseq!(ctx, data(x); test = "LRT", reduced = "~ batch"))
        @test array(lrt, :pvalue)[3] < 1e-6
        stable = vst(ctx, d; nsub = 0)
        @test size(array(stable, :values)) == (n, m) && array(stable, :genes) == known.genes
        regular = rlog(ctx, d)
        @test size(array(regular, :values)) == (n, m) && length(array(regular, :intercept)) == n
        apart = array(stable, :values)[190, :] - array(regular, :values)[190, :]
        @test maximum(abs, apart .- sum(apart) / m) < 1
        quasi = run_deseq!(ctx, data(x); test = "LRT", reduced = "~ batch", fit_type = "glmGamPoi")
        @test array(quasi, :LRTPvalue)[3] < 1e-4 && all(isnan, array(quasi, :SE)) && occursin("ql_df0", info_json(quasi))
        fast = run_deseq!(ctx, data(x); mode = "fast")
        @test array(fast, :dispersion)[3] ≈ array(d, :dispersion)[3] rtol = 0.05
        pure = [100.0 1 50; 1 100 50; 50 10 1; 7 7 70; 3 40 0]
        shares = [0.2 0.5; 0.3 0.5; 0.5 0]
        mixed = unmix(ctx, pure * shares, pure; alpha = 0.1, power = 2)
        @test array(mixed, :mix) ≈ shares' atol = 1e-3
    end

    @testset "stages give the bits of the whole" begin
        staged = estimate_gene_wise_dispersions!(ctx, estimate_size_factors!(ctx, data(x)); keep_assays = true)
        @test size(array(staged, :mu)) == (n, m) && same_bits(array(staged, :dispGeneEst), array(d, :dispGeneEst))
        fit_dispersion_trend!(ctx, staged)
        prior = disp_prior_var(staged)
        @test occursin("\"disp_prior_var\":$prior", info_json(d))
        shrink_dispersions!(ctx, staged; disp_prior_var = prior)
        @test same_bits(array(staged, :dispersion), array(d, :dispersion))
        @test answer(wald_test!(ctx, staged), :stat)
        estimate_beta_prior_var!(staged)
        variance = array(staged, :beta_prior_var)
        @test array(staged, :beta_prior_names)[1] == "Intercept" && length(variance) == 5
        estimate_beta_prior_var!(staged, array(d, :coefficients))
        @test array(staged, :beta_prior_var) == variance
    end

    @testset "functions of counts" begin
        @test array(count_matrix(ctx, d), :values) == x
        normalized = array(count_matrix(ctx, d; normalized = true), :values)
        @test normalized ≈ x ./ array(d, :size_factors)'
        million = array(fpm(ctx, d; robust = false), :values)
        @test all(sum(million; dims = 1) .≈ 1e6)
        @test array(fpkm(ctx, set_factors!(d, :base_pairs, fill(500.0, n)); robust = false), :values) ≈ 2 * million
        both = collapse_replicates(ctx, d, condition; runs = known.names)
        @test array(both, :samples) == ["treated", "untreated"]
        @test array(count_matrix(ctx, both), :values) == hcat(sum(x[:, 5:8]; dims = 2), sum(x[:, 1:4]; dims = 2))
        @test table(both, :samples).runsCollapsed == ["s5,s6,s7,s8", "s1,s2,s3,s4"]
        cooks = zeros(n, m)
        cooks[5, 3] = 1e6
        replaced = replace_outliers(d, cooks; samples = [2])
        @test findall(array(count_matrix(ctx, replaced), :values) .!= x) == [CartesianIndex(5, 3)]
        @test findall(array(replaced, :replace) .!= 0) == [5]
        values = array(vst(ctx, d; nsub = 0), :values)
        parts = sample_pca(values)
        @test size(parts.scores) == (m, m) && sum(parts.percent_var) ≈ 1
        @test sum(abs2, parts.scores[1, :] - parts.scores[2, :]) ≈ sum(abs2, values[:, 1] - values[:, 2])
    end

    @testset "refusals" begin
        @test refused(() -> sample_pca(fill(NaN, 3, 3)), InvalidArgument, "finite")
        @test refused(() -> fit_dispersion_trend!(ctx, data(x)), StateError, "gene_wise")
        @test refused(() -> data(-x), InvalidData, "negative")
        @test refused(() -> data(x; design = "~ dose"), InvalidArgument, "dose")
        @test refused(() -> data(x; design = ones(m, 2)), InvalidArgument, "coefficients")
        @test refused(() -> data(x; design = ones(m - 1, 1), coefficients = ["a"]), InvalidArgument, "8 samples")
        @test refused(() -> data(x; coefficients = ["a"]), InvalidArgument, "coefficients")
        @test refused(() -> data(x; levels = (condition = ["treated"],)), InvalidArgument, "untreated")
        @test refused(() -> data(x; levels = (dose = ["a"],)), InvalidArgument, "dose")
        @test refused(() -> Deseq(ctx, x, (condition = condition .== "treated",); design = "~ condition", known...,
                                  levels = NamedTuple()), InvalidArgument, "condition")
        @test refused(() -> data(x[1:10, :]), InvalidArgument, "genes")
        @test_throws StateError estimate_dispersions!(ctx, data(x))
        @test_throws StateError deseq_results(ctx, data(x))
        @test refused(() -> run_deseq!(ctx, data(x); fit_typ = "mean"), InvalidArgument, "fit_type")
        @test refused(() -> deseq_results(ctx, d; name = "condition"), InvalidArgument, "condition")
        @test refused(() -> set_factors!(data(x), :size_factors, ones(3)), InvalidArgument, "sizeFactors")
        @test refused(() -> array(d, :mu), NotFound, "mu")
        @test refused(() -> unmix(ctx, ones(3, 1), ones(2, 2); alpha = 1), InvalidArgument, "pure")
        @test refused(() -> unmix(ctx, ones(3, 1), ones(3, 2)), InvalidArgument, "alpha")
        stop = Context(threads = 2, progress = p -> p.stage in ("message", "warning"))
        @test_throws Cancelled run_deseq!(stop, data(x))
    end
end
