# As job.c, in Julia, after a first run in which functions are compiled.
using Cytosol

processor_seconds() = ccall(:clock, Clong, ()) / 1e6

function job(ctx, spatial_path, reference_path)
    begun = processor_seconds()
    reference = Reference(ctx, Dataset(ctx, reference_path))
    pixels = Dataset(ctx, spatial_path)
    spatial = Spatial(counts(pixels); pixels = array(pixels, :cells), genes = array(pixels, :genes))
    run = processor_seconds()
    results = run_rctd(ctx, spatial, reference)
    engine = processor_seconds() - run
    w = weights(results)
    sum(w) > 0 && length(array(results, :spot_class)) == size(w, 1) || error("no results")
    foreach(close, (results, spatial, pixels, reference))
    all = processor_seconds() - begun
    return string(all, " ", all - engine)
end

heard = Ref(0)
ctx = Context(threads = 1, progress = p -> (heard[] += p.done; nothing))
job(ctx, ARGS...)
foreach(_ -> println(job(ctx, ARGS...)), 1:3)
