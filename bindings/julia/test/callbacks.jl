@testset "progress, exceptions and cancel" begin
    t = Tissue(150)
    ctx = Context(threads = 2, progress_interval_ms = 10)
    rctd = prepared(ctx, t; sigma = 40)
    expected = fit_pixels(ctx, rctd)
    seen = Progress[]
    inner = Any[]
    set_progress!(ctx) do p
        push!(seen, p)
        for f in (() -> fit_pixels(ctx, rctd), () -> set_progress!(ctx, nothing), () -> close(rctd), () -> close(ctx))
            try
                f()
                push!(inner, nothing)
            catch e
                push!(inner, e)
            end
        end
        nothing
    end
    @test same_results(expected, fit_pixels(ctx, rctd))
    @test seen[1].stage == "fit_pixels" && seen[1].done == 0 && seen[end].done == seen[end].total == 150
    @test all(e -> e isa StateError, inner) && length(inner) == 4 * length(seen)
    set_progress!(p -> p.done == 0, ctx)
    @test refused(() -> fit_pixels(ctx, rctd), Cancelled, "cancel")
    set_progress!(p -> throw(KeyError(p.stage)), ctx)
    @test_throws KeyError("fit_pixels") fit_pixels(ctx, rctd)
    set_progress!(p -> (cancel!(ctx); true), ctx)
    @test refused(() -> fit_pixels(ctx, rctd), Cancelled, "cancel")
    # Thrown at the very last call of the callback: it comes out too.
    set_progress!(p -> p.done == p.total ? error("at the end") : nothing, ctx)
    @test_throws ErrorException("at the end") fit_pixels(ctx, rctd)
    # Another context inside the callback, whose exception is caught there.
    other = Context(threads = 1, progress = p -> error("inside"))
    caught = Any[]
    set_progress!(ctx) do p
        try
            prepared(other, t; sigma = 40)
        catch e
            push!(caught, e)
        end
        true
    end
    @test same_results(expected, fit_pixels(ctx, rctd))
    @test !isempty(caught) && all(e -> e == ErrorException("inside"), caught)
    set_progress!(ctx, nothing)
    cancel!(ctx) # before the start: forgotten
    @test same_results(expected, fit_pixels(ctx, rctd))
    cancel!(ctx) # after the end: nothing
    # Garbage is collected inside callbacks.
    set_progress!(p -> (GC.gc(); nothing), ctx)
    @test same_results(expected, fit_pixels(ctx, rctd))
end

# In a process of its own: threads and signals.

@testset "two threads" begin
    text = read(child("two_threads.jl", "-t", "2"), String)
    print(text)
    @test occursin("two threads: ok", text)
end

@testset "Ctrl-C" begin
    process = open(child("ctrl_c.jl"), "r+")
    @test readline(process) == "running"
    sleep(0.3)
    kill(process, Base.SIGINT)
    @test readline(process) == "InterruptException"
    latency = parse(Float64, readline(process))
    println("Ctrl-C: returned after at most $(round(Int, 1000 * latency)) ms")
    @test latency < 1.0
    @test readline(process) == "the context still works"
    close(process)
end
