# Waits for Ctrl-C in the middle of a job; without a progress callback of its own.
include("common.jl")
Base.exit_on_sigint(false)
ctx = Context(threads = 2)
big = Tissue(6000)
rctd = prepared(ctx, big; sigma = 40)
println("running")
flush(stdout)
begun = time()
try
    while true
        close(fit_pixels(ctx, rctd))
    end
catch e
    println(nameof(typeof(e)))
    println(time() - begun - 0.3)
end
set_progress!(ctx, nothing)
small = Tissue(60)
run_rctd(ctx, spatial_of(ctx, small), reference_of(ctx, small); sigma = 40)
println("the context still works")
