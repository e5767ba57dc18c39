using Distributed, Serialization

@testset "Distributed: workers fit shards, the bits are the same" begin
    workers = addprocs(2; exeflags = "--project=$(dirname(HERE))")
    try
        @everywhere workers include($(joinpath(HERE, "common.jl")))
        # Handles do not leave a process: every worker makes its own from the same inputs.
        @everywhere workers const (worker_ctx, worker_rctd) =
            (ctx = Context(threads = 1); (ctx, prepared(ctx, Tissue(150))))
        t = Tissue(150)
        ctx = Context(threads = 1)
        rctd = prepared(ctx, t)
        parts = pmap(range -> run_shard(Main.worker_ctx, Main.worker_rctd, range), WorkerPool(workers), plan(rctd, 30))
        @test length(parts) == 5 && all(p -> p isa Partial && isopen(p), parts)
        @test same_results(fit_pixels(ctx, rctd), merge_shards(rctd, parts))
        @test refused(() -> serialize(IOBuffer(), rctd), InvalidArgument, "lives in this process")
    finally
        rmprocs(workers)
    end
end
