function rows_agree(results, t)
    @test length(results) == 150 && length(collect(results)) == 150
    @test [p.barcode for p in results] == pixel_names(t) == barcodes(results)
    singlets = [p.spot_class === :singlet && p.first_type == TYPES[a] for (p, (a, b)) in zip(results, t.truth) if a == b]
    doublets = [p.spot_class === :doublet_certain && Set([p.first_type, p.second_type]) == Set(TYPES[[a, b]])
                for (p, (a, b)) in zip(results, t.truth) if a != b]
    @test count(singlets) >= 0.95 * length(singlets) && count(doublets) >= 0.95 * length(doublets)
    @test size(weights(results)) == (150, 4)
    @test results[7].weights == weights(results)[7, :] && results[end].pixel == 150
    @test all(p -> isapprox(sum(p.doublet_weights), 1; atol = 1e-12), results)
    @test_throws BoundsError results[151]
    @test all(isapprox.(sum(array(results, :normalized_weights); dims = 2), 1; atol = 1e-12))
    @test refused(() -> array(results, :sub_weights), NotFound, "sub_weights")
    @test refused(() -> array(results, :wieghts), InvalidArgument, "weights")
end

function tables_agree(results)
    df = table(results)
    @test df.barcode == barcodes(results)
    @test df.spot_class == [string(p.spot_class) for p in results]
    @test df.first_type == [p.first_type for p in results] && df.min_score == [p.min_score for p in results]
    @test df.conv_all == [p.converged for p in results]
    w = table(results, :weights)
    @test keys(w) == (:barcode, Symbol.(TYPES)...) && w.neuron == weights(results)[:, 2]
    @test refused(() -> table(results, :result), InvalidArgument, "results")
end

@testset "one call, steps and shards give the same bits; truth is found" begin
    t = Tissue(150)
    Context(threads = 2) do ctx
        for mode in (:full, :doublet, :multi)
            options = mode === :doublet ? NamedTuple() : (sigma = 40,)
            whole = run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); mode = mode, options...)
            rctd = prepared(ctx, t; options...)
            @test sigma(rctd) == sigma(whole) && Cytosol.mode(whole) === mode
            @test same_results(whole, fit_pixels(ctx, rctd; mode = mode))
            shards = plan(rctd, 37)
            @test vcat(shards...) == 1:150
            parts = [Partial(bytes(run_shard(ctx, rctd, range; mode = mode))) for range in reverse(shards)]
            @test range.(parts) == reverse(shards)
            @test same_results(whole, merge_shards(rctd, parts; mode = mode))
            @test refused(() -> merge_shards(rctd, parts[2:end]; mode = mode), InvalidArgument, "cover all pixels")
            other = mode === :full ? :multi : :full
            @test refused(() -> merge_shards(rctd, parts; mode = other), CheckpointMismatch, "mode")
            mode === :doublet && (rows_agree(whole, t); tables_agree(whole))
            mode === :multi && @test all(p -> length(p.types) == length(p.sub_weights) == length(p.confident), whole)
            mode === :full && @test keys(whole[1]) == (:barcode, :pixel, :dominant_type, :converged, :weights)
        end
        for n in (1, 3, 7)
            Context(threads = n) do other
                @test threads(other) == n
                @test same_results(run_rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); sigma = 40),
                                   run_rctd(other, spatial_of(other, t), reference_of(other, t); sigma = 40))
            end
        end
    end
end

@testset "objects say what they are" begin
    t = Tissue(60)
    ctx = Context(threads = 1)
    rctd = Rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); umi_min = 50, class_df = Dict(k => k for k in TYPES))
    @test string(ctx) == "Context (threads: 1)"
    @test string(rctd) == "Rctd (60 of 60 pixels, sigma not chosen yet; astrocyte, neuron, oligo, microglia)"
    @test occursin("\"umi_min\":50", options_json(rctd)) && occursin("[\"neuron\",\"neuron\"]", options_json(rctd))
    @test sigma(rctd) === nothing && refused(() -> array(rctd, :proportions), NotFound, "proportions")
    @test refused(() -> choose_sigma!(ctx, rctd), StateError, "fit_bulk")
    @test string(fit_bulk!(ctx, rctd)) == string(rctd)
    @test length(array(rctd, :proportions)) == 4
    choose_sigma!(ctx, rctd)
    @test sigma(rctd) == array(rctd, :sigma_keys)[end] / 100
    @test array(rctd, :coords) == t.coords && array(rctd, :kept) == 0:59
    r = fit_pixels(ctx, rctd; mode = :full)
    @test startswith(string(r), "RctdResults (full mode, 60 pixels, sigma ")
    reference = reference_of(ctx, t)
    @test string(reference) == "Reference (160 genes; astrocyte, neuron, oligo, microglia)"
    @test array(reference, :cells_per_type) == fill(UInt64(40), 4)
    @test size(array(reference, :profiles)) == (N_GENES, 4)
    @test string(Counts(ctx, t.pixels; rows = :genes)) == "Counts (60 cells x 160 genes)"
    @test occursin("\"n_fit\":1000", string(RctdOptions()))
    close(rctd)
    @test string(rctd) == "Rctd (closed)"
    @test Cytosol.version() isa VersionNumber && occursin("\"abi\":1", Cytosol.build_info_json())
end
