# Counts in a SparseMatrixCSC are read where they are: the peak of resident memory says so (Linux).
using Cytosol, SparseArrays

const N_GENES, N_PIXELS, PER_PIXEL = 2000, 120_000, 100
const TYPES = ["a", "b", "c", "d"]

# Cell c is of type (c - 1) % 4 + 1, whose markers are 9 times as high.
function tissue(n)
    rows, values = Vector{Int}(undef, n * PER_PIXEL), Vector{Float64}(undef, n * PER_PIXEL)
    for c in 1:n, j in 0:PER_PIXEL - 1
        row = 20j + (7c + 3j) % 20 + 1
        at = (c - 1) * PER_PIXEL + j + 1
        rows[at] = row
        values[at] = row % 5 == (c - 1) % 4 ? 9 : 1
    end
    return SparseMatrixCSC(N_GENES, n, collect(1:PER_PIXEL:n * PER_PIXEL + 1), rows, values)
end

# Peak of resident memory since the last call of `begin_peak`, in bytes.
peak() = parse(Int, match(r"VmHWM:\s+(\d+) kB", read("/proc/self/status", String)).captures[1]) * 1024
begin_peak() = (GC.gc(); write("/proc/self/clear_refs", "5"); peak())

function growth(f, what, size, share)
    before = begin_peak()
    made = f()
    grown = peak() - before
    println("memory: $what: $(round(grown / 2^20; digits = 1)) MiB over counts of $(round(size / 2^20; digits = 1)) MiB")
    grown <= share * size || error("$what took $(grown) bytes, more than $(share) of the counts")
    return made
end

function main()
    genes = ["gene$i" for i in 1:N_GENES]
    pixels = ["pixel$i" for i in 1:N_PIXELS]
    ctx = Context(threads = 2)
    cells = tissue(400)
    reference = Reference(ctx, Counts(ctx, cells; rows = :genes); cells = ["cell$i" for i in 1:400], genes = genes,
                          labels = [TYPES[(i - 1) % 4 + 1] for i in 1:400], cell_types = TYPES)
    # Everything is compiled, and the library's own tables made, before memory is looked at.
    small = tissue(400)
    run(x, names) = fit_bulk!(ctx, Rctd(ctx, Spatial(Counts(ctx, x; rows = :genes); pixels = names, genes = genes),
                                        reference; sigma = 40, counts_min = 1))
    run(small, pixels[1:400])
    x = tissue(N_PIXELS)
    size = Base.summarysize(x)
    borrowed = growth(() -> Counts(ctx, x; rows = :genes), "borrowed", size, 0.02)
    turned = growth(() -> Counts(ctx, transpose(x); rows = :cells), "borrowed from a transpose", size, 0.02)
    # What stays is the library's own: names, totals, and the counts of the genes used, packed.
    rctd = growth(() -> run(x, pixels), "pixels, filters and platform effects", size, 0.4)
    length(array(rctd, :kept)) == N_PIXELS || error("pixels are missing")
    copied = growth(() -> Counts(ctx, x; rows = :genes, copy = true), "copied (for comparison)", size, 2)
    foreach(close, (borrowed, turned, rctd, copied))
end

main()
