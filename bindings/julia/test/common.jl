# What the test files share.
using Cytosol, SparseArrays, Test
isdefined(@__MODULE__, :Simulate) || include("simulate.jl")
using .Simulate: Tissue, TYPES, GENES, N_GENES, cell_names, pixel_names

reference_of(ctx, t) = Reference(ctx, Counts(ctx, t.cells; rows = :genes); cells = cell_names(t), genes = GENES,
                                 labels = t.labels, cell_types = TYPES)
spatial_with(counts, t) = Spatial(counts; pixels = pixel_names(t), genes = GENES, coords = t.coords)
spatial_of(ctx, t) = spatial_with(Counts(ctx, t.pixels; rows = :genes), t)
prepared(ctx, t; options...) =
    choose_sigma!(ctx, fit_bulk!(ctx, Rctd(ctx, spatial_of(ctx, t), reference_of(ctx, t); options...)))

const ARRAYS = [
    :cell_types, :barcodes, :pixels, :weights, :normalized_weights, :dominant_type, :conv_all, :spot_class, :first_type,
    :second_type, :first_class, :second_class, :min_score, :singlet_score, :conv_doublet, :weights_doublet,
    :doublet_weights, :candidate_offsets, :candidates, :singlet_scores, :pair_offsets, :pair_scores, :multi_offsets,
    :multi_types, :conf_list, :sub_weights, :conv_sub, :fallback]

# Every array a result has, whose bits `isequal` compares.
function all_arrays(results)
    found = Dict{Symbol,Any}()
    for name in ARRAYS
        try
            found[name] = array(results, name)
        catch e
            e isa NotFound || rethrow()
        end
    end
    return found
end

same_bits(x::Array{Float64}, y::Array{Float64}) = size(x) == size(y) && reinterpret(UInt64, vec(x)) == reinterpret(UInt64, vec(y))
same_bits(x, y) = typeof(x) == typeof(y) && x == y
function same_results(a, b)
    x, y = all_arrays(a), all_arrays(b)
    return mode(a) == mode(b) && sigma(a) == sigma(b) && keys(x) == keys(y) && length(x) >= 7 && length(barcodes(a)) > 0 &&
        all(same_bits(x[name], y[name]) for name in keys(x))
end

# The exception of a call, whose message or detail must hold the words.
function refused(f, type, words)
    try
        f()
    catch e
        e isa type || rethrow()
        text = string(e.message, " ", e.detail)
        occursin(words, text) || error("\"$text\" does not say \"$words\"")
        return true
    end
    return false
end
