//! The steps of RCTD.

use cytosol::{
    cyto_context, cyto_deseq, cyto_rctd, cyto_rctd_choose_sigma, cyto_rctd_create,
    cyto_rctd_fit_bulk, cyto_rctd_fit_pixels, cyto_rctd_options_set_sigma_entries,
    cyto_rctd_options_set_sigma_pixels, cyto_rctd_results, cyto_rctd_results_sigma,
    cyto_rctd_set_options, cyto_rctd_sigma, cyto_reference, cyto_reference_from_counts,
    cyto_reference_from_profiles, cyto_reference_input, cyto_reference_options, cyto_spatial,
    cyto_spatial_input, cyto_spatial_new,
};
use extendr_api::prelude::*;

use crate::answer::{Failure, answer, done, made};
use crate::call::with_context;
use crate::counts::{Counts, Held, Kept, Names, held, numbers};
use crate::options::options;

/// Options of a reference whose cells R code has chosen already: all of them are used.
pub(crate) fn all_cells() -> cyto_reference_options {
    cyto_reference_options {
        struct_size: size_of::<cyto_reference_options>(),
        n_max_cells: u64::MAX,
        min_umi: 0.0,
        cell_min: 0,
        rare_types: 0,
        reserved: 0,
        type_order: std::ptr::null(),
        n_type_order: 0,
    }
}

/// Mean expression of the cell types of labelled cells.
/// @noRd
#[extendr]
fn reference_from_counts(
    settings: Robj,
    counts: Robj,
    cells: Robj,
    genes: Robj,
    labels: Robj,
    cell_types: Robj,
    n_umi: Robj,
) -> Robj {
    answer(|| {
        let counts = Counts::read(&counts)?;
        let (cells, genes) = (Names::read("cells", &cells)?, Names::read("genes", &genes)?);
        let cell_types = Names::read("cell_types", &cell_types)?;
        let labels = labels
            .as_integer_slice()
            .ok_or_else(|| Failure::argument("labels", "must be integers"))?;
        let n_umi = numbers("n_umi", &n_umi)?;
        let reference = with_context(&settings, |ctx| {
            let matrix = counts.lend(ctx)?;
            let input = cyto_reference_input {
                struct_size: size_of::<cyto_reference_input>(),
                counts: &raw const *matrix,
                cells: cells.pointers(),
                n_cells: cells.len(),
                genes: genes.pointers(),
                n_genes: genes.len(),
                labels: labels.as_ptr(),
                n_labels: labels.len(),
                cell_types: cell_types.pointers(),
                n_cell_types: cell_types.len(),
                n_umi: n_umi.as_ptr(),
                n_n_umi: n_umi.len(),
            };
            made(|out, err| cyto_reference_from_counts(Some(ctx), &input, &all_cells(), out, err))
        })?;
        Ok(Held::into_robj(reference, Vec::new()))
    })
}

/// A reference from profiles: genes x types, row by row.
/// @noRd
#[extendr]
fn reference_from_profiles(profiles: Robj, genes: Robj, cell_types: Robj) -> Robj {
    answer(|| {
        let profiles = numbers("profiles", &profiles)?;
        let (genes, types) = (
            Names::read("genes", &genes)?,
            Names::read("cell_types", &cell_types)?,
        );
        if profiles.len() != genes.len() * types.len() {
            return Err(Failure::argument(
                "profiles",
                "has another size than its names",
            ));
        }
        let reference = made(|out, err| {
            cyto_reference_from_profiles(
                profiles.as_ptr(),
                genes.pointers(),
                genes.len(),
                types.pointers(),
                types.len(),
                out,
                err,
            )
        })?;
        Ok(Held::into_robj(reference, Vec::new()))
    })
}

/// Pixels whose counts stay R's; `coords` holds x, y of every pixel, one pair after the other.
/// @noRd
#[extendr]
fn spatial_new(
    settings: Robj,
    counts: Robj,
    pixels: Robj,
    genes: Robj,
    coords: Robj,
    n_umi: Robj,
) -> Robj {
    answer(|| {
        let counts = Counts::read(&counts)?;
        let (pixels, genes) = (
            Names::read("pixels", &pixels)?,
            Names::read("genes", &genes)?,
        );
        let (coords, n_umi) = (numbers("coords", &coords)?, numbers("n_umi", &n_umi)?);
        let matrix = with_context(&settings, |ctx| counts.lend(ctx))?;
        let or_null = |values: &[f64]| {
            if values.is_empty() {
                std::ptr::null()
            } else {
                values.as_ptr()
            }
        };
        let input = cyto_spatial_input {
            struct_size: size_of::<cyto_spatial_input>(),
            counts: &raw const *matrix,
            pixels: pixels.pointers(),
            n_pixels: pixels.len(),
            genes: genes.pointers(),
            n_genes: genes.len(),
            coords: or_null(coords),
            n_coords: coords.len() / 2,
            n_umi: or_null(n_umi),
            n_n_umi: n_umi.len(),
        };
        let spatial = made(|out, err| cyto_spatial_new(&input, out, err))?;
        Ok(Held::into_robj(spatial, counts.kept()))
    })
}

/// Filters and gene lists.
/// @noRd
#[extendr]
fn rctd_create(settings: Robj, spatial: Robj, reference: Robj, config: Robj) -> Robj {
    answer(|| {
        let pixels = held::<cyto_spatial>("spatial", &spatial)?;
        let cells = held::<cyto_reference>("reference", &reference)?;
        let options = options(&config)?;
        let rctd = with_context(&settings, |ctx| {
            made(|out, err| {
                cyto_rctd_create(
                    Some(ctx),
                    Some(&pixels.handle),
                    Some(&cells.handle),
                    Some(&options),
                    out,
                    err,
                )
            })
        })?;
        // The counts behind `spatial` are needed as long as this object lives.
        Ok(Held::into_robj(rctd, vec![Kept::new(&spatial)]))
    })
}

/// Options of the steps to come; `rows` are the pixels for sigma and `entries` a list of what is scored in each
/// round, both counted from 0 and NULL for the engine's choice.
/// @noRd
#[extendr]
fn rctd_set_options(rctd: Robj, config: Robj, rows: Robj, entries: Robj) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", &rctd)?;
        let mut options = options(&config)?;
        if !rows.is_null() {
            let rows = whole("rows", &rows)?;
            let (first, n) = (rows.as_ptr(), rows.len());
            done(|err| cyto_rctd_options_set_sigma_pixels(Some(&mut options), first, n, err))?;
        }
        if let Some(rounds) = entries.as_list() {
            let mut offsets = vec![0_u64];
            let mut all: Vec<u64> = Vec::new();
            for round in rounds.values() {
                all.extend(whole("entries", &round)?);
                offsets.push(all.len() as u64);
            }
            let (n_rounds, first, n) = (rounds.len(), all.as_ptr(), all.len());
            done(|err| {
                let (options, starts) = (Some(&mut *options), offsets.as_ptr());
                cyto_rctd_options_set_sigma_entries(options, starts, n_rounds, first, n, err)
            })?;
        }
        done(|err| cyto_rctd_set_options(Some(&rctd.handle), Some(&options), err))?;
        Ok(().into())
    })
}

/// Whole numbers of R, which come as doubles.
fn whole(name: &str, values: &Robj) -> Result<Vec<u64>, Failure> {
    Ok(numbers(name, values)?.iter().map(|&x| x as u64).collect())
}

fn step(
    settings: &Robj,
    rctd: &Robj,
    work: impl FnOnce(&cyto_context, &cyto_rctd) -> Result<(), Failure>,
) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", rctd)?;
        with_context(settings, |ctx| work(ctx, &rctd.handle))?;
        Ok(().into())
    })
}

/// Platform effects.
/// @noRd
#[extendr]
fn rctd_fit_bulk(settings: Robj, rctd: Robj) -> Robj {
    step(&settings, &rctd, |ctx, rctd| {
        done(|err| cyto_rctd_fit_bulk(Some(ctx), Some(rctd), err))
    })
}

/// The noise level.
/// @noRd
#[extendr]
fn rctd_choose_sigma(settings: Robj, rctd: Robj) -> Robj {
    step(&settings, &rctd, |ctx, rctd| {
        done(|err| cyto_rctd_choose_sigma(Some(ctx), Some(rctd), err))
    })
}

/// 100 sigma of an object or of results.
/// @noRd
#[extendr]
fn sigma_of(handle: Robj) -> Robj {
    answer(|| {
        let key = match held::<cyto_rctd>("handle", &handle) {
            Ok(rctd) => cyto_rctd_sigma(Some(&rctd.handle)),
            Err(_) => {
                let results = held::<cyto_rctd_results>("handle", &handle)?;
                cyto_rctd_results_sigma(Some(&results.handle))
            }
        };
        Ok((key as i32).into())
    })
}

/// All pixels, in a mode: 0 full, 1 doublet, 2 multi.
/// @noRd
#[extendr]
fn rctd_fit_pixels(settings: Robj, rctd: Robj, mode: i32) -> Robj {
    answer(|| {
        let rctd = held::<cyto_rctd>("rctd", &rctd)?;
        let results = with_context(&settings, |ctx| {
            made(|out, err| cyto_rctd_fit_pixels(Some(ctx), Some(&rctd.handle), mode, out, err))
        })?;
        Ok(Held::into_robj(results, Vec::new()))
    })
}

/// Whether an external pointer holds a handle of this session.
/// @noRd
#[extendr]
fn is_alive(handle: Robj) -> bool {
    held::<cyto_rctd>("handle", &handle).is_ok() || held::<cyto_deseq>("handle", &handle).is_ok()
}

extendr_module! {
    mod rctd;
    fn reference_from_counts;
    fn reference_from_profiles;
    fn spatial_new;
    fn rctd_create;
    fn rctd_set_options;
    fn rctd_fit_bulk;
    fn rctd_choose_sigma;
    fn rctd_fit_pixels;
    fn sigma_of;
    fn is_alive;
}
