# Cancel from another thread; two threads on one context and on one object.
include("common.jl")
@assert Threads.nthreads() == 2
ctx = Context(threads = 2, progress_interval_ms = 10)
own = Context(threads = 1)
rctd = prepared(ctx, Tissue(4000); sigma = 40)

worst = 0.0
for _ in 1:3
    running, asked = Threads.Atomic{Bool}(false), Threads.Atomic{Float64}(0.0)
    set_progress!(p -> (running[] = true; nothing), ctx)
    canceller = Threads.@spawn begin
        while !running[]
            GC.safepoint()
        end
        until = time() + 0.05
        while time() < until
            GC.safepoint()
        end
        asked[] = time()
        cancel!(ctx)
    end
    stopped = Threads.@spawn try
        fit_pixels(ctx, rctd)
        nothing
    catch e
        (e, time())
    end
    e, at = fetch(stopped)
    fetch(canceller)
    e isa Cancelled || error("not cancelled: $e")
    global worst = max(worst, at - asked[])
end
println("cancel: in the middle of a doublet run, returned after at most $(round(1000 * worst; digits = 1)) ms")
worst < 1.0 || error("cancel took $worst s") # the promise is 0.25 s on a quiet machine

# On Julia's threads; the callback waits for the other one, which must be refused and not wait.
tried = Threads.Atomic{Int}(0)
set_progress!(ctx) do p
    tried[] == 0 || return nothing
    tried[] = 1
    seen = Threads.Atomic{Int}(0)
    other = Threads.@spawn begin
        for f in (() -> fit_bulk!(ctx, rctd), () -> fit_pixels(own, rctd))
            try
                f()
            catch e
                e isa StateError && Threads.atomic_add!(seen, 1)
            end
        end
        seen[]
    end
    fetch(other) == 2 || error("a second call was not refused")
    return false
end
try
    fit_pixels(ctx, rctd)
catch e
    e isa Cancelled || rethrow()
end
tried[] == 1 || error("the callback was not called")
println("two threads: ok")
