# RCTD on one tissue.

struct CRctdFiles
    struct_size::Csize_t
    spatial_path::Ptr{UInt8}
    spatial_open::Ptr{COpenOptions}
    reference_path::Ptr{UInt8}
    reference_open::Ptr{COpenOptions}
    cell_type_column::Ptr{UInt8}
    reference_options::Ptr{CReferenceOptions}
end

"""
    Rctd(ctx, spatial, reference; options...)

First step: filters pixels and chooses genes; reads the counts twice. Then [`fit_bulk!`](@ref),
[`choose_sigma!`](@ref), and [`fit_pixels`](@ref) or shards ([`plan`](@ref)). `options`: see [`RctdOptions`](@ref); one made
before may be passed as `options = o`.

Arrays ([`array`](@ref)). Of the input: `:barcodes` (text), `:n_umi` (`Float64`), `:coords` (`Float64`, pixels x 2), `:fates`
(`UInt8`: 0 kept, 1 `n_umi` too low, 2 too high, 3 counts too low, 4 counts of the genes used too low). Of the filters:
`:kept` (`UInt32`, input rows from 0), `:genes_bulk`, `:genes_reg`, `:cell_types` (text), `:profiles_bulk` (`Float64`, genes
x types). After `fit_bulk!`: `:proportions`, `:profiles_normalized`. After `choose_sigma!`: `:sigma_keys` (`UInt32`),
`:sigma_scores` (`Float64`), one a round.
"""
function Rctd(ctx::Context, spatial::Spatial, reference::Reference; options...)
    keep = spatial.keep
    return lend(ctx, spatial, reference, options_of(options)) do ctx, spatial, reference, options
        make(Rctd, keep) do out, err
            ccall(sym(:cyto_rctd_create), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, spatial, reference, options, out, err)
        end
    end
end

# Keyword arguments, or a handle made from such.
function options_of(given)
    haskey(given, :options) || return RctdOptions(; given...)
    length(given) == 1 || refuse("options", "give either options = ... or single options, not both")
    return given[:options]::RctdOptions
end

step!(name::Symbol, ctx::Context, rctd::Rctd) = lend(ctx, rctd) do ctx, rctd
    fallible(err -> ccall(sym(name), Int32, (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Ptr{Cvoid}}), ctx, rctd, err))
end

"""
    fit_bulk!(ctx, rctd)

Second step: estimates platform effects. Returns `rctd`.
"""
fit_bulk!(ctx::Context, rctd::Rctd) = (step!(:cyto_rctd_fit_bulk, ctx, rctd); rctd)

"""
    choose_sigma!(ctx, rctd)

Third step: estimates the noise level, or takes the one in the options. Returns `rctd`. Throws [`StateError`](@ref)
before [`fit_bulk!`](@ref).
"""
choose_sigma!(ctx::Context, rctd::Rctd) = (step!(:cyto_rctd_choose_sigma, ctx, rctd); rctd)

"""
    fit_pixels(ctx, rctd; mode = :doublet)

Last step: fits all kept pixels by one or two types (`:doublet`), a few (`:multi`) or any mixture (`:full`). May be called
again. Throws [`StateError`](@ref) before [`choose_sigma!`](@ref).
"""
function fit_pixels(ctx::Context, rctd::Rctd; mode::Symbol = :doublet)
    code = mode_code(mode)
    return lend(ctx, rctd) do ctx, rctd
        make(RctdResults) do out, err
            ccall(sym(:cyto_rctd_fit_pixels), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Int32, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), ctx, rctd, code, out, err)
        end
    end
end

"""
    run_rctd(ctx, spatial, reference; mode = :doublet, options...)

RCTD in one call, see [`fit_pixels`](@ref) and [`RctdOptions`](@ref). Nothing of the inputs is needed afterwards.

    run_rctd(ctx, spatial_path, reference_path; mode = :doublet, cell_type_column = "cell_type",
             reference_options = (;), spatial_open = (;), reference_open = (;), options...)

The same from two files, whose counts stream. The three named tuples hold keywords of [`Reference`](@ref) and
[`Dataset`](@ref).
"""
function run_rctd(ctx::Context, spatial::Spatial, reference::Reference; mode::Symbol = :doublet, options...)
    code = mode_code(mode)
    return lend(ctx, spatial, reference, options_of(options)) do ctx, spatial, reference, options
        make(RctdResults) do out, err
            ccall(sym(:cyto_rctd_run), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Int32, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, spatial, reference, options, code, out, err)
        end
    end
end

function run_rctd(ctx::Context, spatial::AbstractString, reference::AbstractString; mode::Symbol = :doublet,
                  cell_type_column::AbstractString = "cell_type", reference_options = NamedTuple(),
                  spatial_open = NamedTuple(), reference_open = NamedTuple(), options...)
    code = mode_code(mode)
    paths = (c_text("spatial", spatial), c_text("reference", reference),
             c_text("cell_type_column", cell_type_column))
    run(a, b, c) = lend(ctx, options_of(options)) do ctx, options
        files = Ref(CRctdFiles(sizeof(CRctdFiles), pointer(paths[1]), a, pointer(paths[2]), b, pointer(paths[3]), c))
        make(RctdResults) do out, err
            ccall(sym(:cyto_rctd_run_files), Int32,
                  (Ptr{Cvoid}, Ptr{CRctdFiles}, Ptr{Cvoid}, Int32, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
                  ctx, files, options, code, out, err)
        end
    end
    return GC.@preserve paths Cytosol.reference_options(; reference_options...) do c
        open_options(a -> open_options(b -> run(a, b, c); reference_open...); spatial_open...)
    end
end

function sigma(rctd::Rctd)
    key = lend(ptr -> ccall(sym(:cyto_rctd_sigma), UInt32, (Ptr{Cvoid},), ptr), rctd)
    return key == 0 ? nothing : key / 100
end

cell_types(rctd::Rctd) = array(rctd, :cell_types)

options_json(rctd::Rctd) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_rctd_config_json), Cstring, (Ptr{Cvoid},), ptr)), rctd)

function describe(io, rctd::Rctd)
    kept, all = length(array(rctd, :kept)), length(array(rctd, :barcodes))
    print(io, "Rctd (", kept, " of ", all, " pixels, ")
    sigma(rctd) === nothing ? print(io, "sigma not chosen yet") : print(io, "sigma ", sigma(rctd))
    print(io, "; ", some(cell_types(rctd)), ")")
end
