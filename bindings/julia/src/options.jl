# Options of RCTD as keyword arguments.

"""
    RctdOptions(; options...)

Options of RCTD with spacexr's defaults. The same keywords go to [`Rctd`](@ref) and [`run_rctd`](@ref). An unknown one
is answered with the nearest known; `options_json` lists all that are in force.

| keyword | default | meaning |
|---|---|---|
| `gene_cutoff`, `fc_cutoff` | 0.000125, 0.5 | genes for platform effects: least mean expression (count / nUMI) and natural-log fold change |
| `gene_cutoff_reg`, `fc_cutoff_reg` | 0.0002, 0.75 | the same for the genes of the pixel fits |
| `umi_min`, `umi_max` | 100, 20000000 | pixels by total counts, both ends included |
| `counts_min` | 10 | least counts of a pixel over the genes used |
| `umi_min_sigma` | 300 | pixels used for sigma have more counts |
| `cell_min_instance` | 25 | least reference cells of every type |
| `max_multi_types` | 4 | most types of a pixel in multi mode |
| `confidence_threshold`, `doublet_threshold` | 5, 20 | score differences that make a type certain, a second type worth having |
| `cell_types` | `nothing` | types to use, and their order |
| `class_df` | `nothing` | `Dict` or list of pairs cell type => class |
| `sigma` | `nothing` | 100 sigma, given instead of estimated |
| `sigma_pixels` | `nothing` | rows (from 1) of the input's pixels used for sigma, instead of a seeded sample |
| `sigma_entries` | `nothing` | per round the entries (from 1) of genes x sigma pixels that are scored |
| `sigma_random_seed` | `nothing` | R's `.Random.seed` (626 numbers): the entries that R would draw from there |
| `n_epoch`, `n_fit` | 8, 1000 | most rounds and pixels of the search for sigma |
| `min_change_bulk`, `min_change_reg` | 1e-4, 1e-3 | convergence, L1 change of the weights |
| `max_iter`, `step_size`, `min_obs` | 50, 0.3, 3 | iterations, share of the Newton step, least counts of a gene |
| `qp_method` | `"exact"` | solver of a step; `"dual"` errs on ill-conditioned pixels as spacexr's does |
| `strict_multi`, `keep_scores` | `false`, `true` | error for a pixel without candidates; keep all scores of doublet mode |
"""
function RctdOptions(; options...)
    made = make(RctdOptions) do out, err
        ccall(sym(:cyto_rctd_options_new), Int32, (Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}), out, err)
    end
    for (name, value) in options
        set!(made, name, value)
    end
    return made
end

function set!(options::RctdOptions, name::Symbol, value)
    if name === :sigma_pixels && value !== nothing
        return set_sigma_pixels!(options, value)
    elseif name === :sigma_entries && value !== nothing
        return set_sigma_entries!(options, value)
    end
    text = c_text("value", json(value))
    lend(options) do ptr
        fallible() do err
            ccall(sym(:cyto_rctd_options_set), Int32, (Ptr{Cvoid}, Cstring, Cstring, Ptr{Ptr{Cvoid}}),
                  ptr, c_text("name", string(name)), text, err)
        end
    end
end

# Positions as C counts them.
function from_zero(argument, list)
    isempty(list) && refuse(argument, "empty; nothing = a seeded sample")
    all(i -> i >= 1, list) || refuse(argument, "positions count from 1")
    return UInt64[i - 1 for i in list]
end

function set_sigma_entries!(options::RctdOptions, rounds)
    isempty(rounds) && refuse("sigma_entries", "empty; nothing = a seeded sample")
    lists = [from_zero("sigma_entries[$i]", list) for (i, list) in enumerate(rounds)]
    offsets = UInt64[0; cumsum(length.(lists))]
    entries = reduce(vcat, lists)
    lend(options) do ptr
        fallible() do err
            ccall(sym(:cyto_rctd_options_set_sigma_entries), Int32,
                  (Ptr{Cvoid}, Ptr{UInt64}, Csize_t, Ptr{UInt64}, Csize_t, Ptr{Ptr{Cvoid}}),
                  ptr, offsets, length(lists), entries, length(entries), err)
        end
    end
end

function set_sigma_pixels!(options::RctdOptions, pixels)
    rows = from_zero("sigma_pixels", pixels)
    lend(options) do ptr
        fallible() do err
            ccall(sym(:cyto_rctd_options_set_sigma_pixels), Int32,
                  (Ptr{Cvoid}, Ptr{UInt64}, Csize_t, Ptr{Ptr{Cvoid}}), ptr, rows, length(rows), err)
        end
    end
end

"Every option with its value, defaults included, as a JSON object (of the C interface: positions from 0)."
options_json(options::RctdOptions) =
    lend(ptr -> unsafe_string(ccall(sym(:cyto_rctd_options_to_json), Cstring, (Ptr{Cvoid},), ptr)), options)

describe(io, options::RctdOptions) = print(io, "RctdOptions ", options_json(options))

# Code of a mode.
function mode_code(mode::Symbol)
    mode === :full && return Int32(0)
    mode === :doublet && return Int32(1)
    mode === :multi && return Int32(2)
    refuse("mode", ":$mode; must be :doublet, :multi or :full")
end
