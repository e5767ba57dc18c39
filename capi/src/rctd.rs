//! `cyto_rctd`: RCTD on one tissue, in one call or step by step, whole or in shards.
//!
//! Replicates are a loop: one `cyto_reference` handle, one `cyto_rctd_create` per tissue.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::rctd::{Mode, Rctd, RctdOptions};
use engine::{Context, Error};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{cyto_array, lend};
use crate::context::{cyto_context, with_context};
use crate::dataset::{cyto_dataset, cyto_open_options, open_options};
use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, or, required};
use crate::params::cyto_rctd_options;
use crate::reference::{cyto_reference, cyto_reference_options, from_dataset, reference_options};
use crate::results::cyto_rctd_results;
use crate::sized::{self, Sized_};
use crate::spatial::cyto_spatial;
use crate::status::cyto_status;
use crate::text::{self, CytoStr};
use crate::tissue::{ARRAYS, Tissue};
use crate::types::cyto_rctd_mode;

/// RCTD on one tissue.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_rctd {
    pub(crate) tissue: Tissue,
}

/// Both inputs of RCTD as files. Fill with `CYTO_RCTD_FILES_INIT`, then set fields.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_rctd_files {
    /// `sizeof(cyto_rctd_files)`.
    pub struct_size: usize,
    /// The tissue; see `cyto_dataset_open`.
    pub spatial_path: *const c_char,
    /// May be NULL.
    pub spatial_open: *const cyto_open_options,
    /// The labelled single cells.
    pub reference_path: *const c_char,
    /// May be NULL.
    pub reference_open: *const cyto_open_options,
    /// Column of the reference's obs table that holds the cell types; NULL = "cell_type".
    pub cell_type_column: *const c_char,
    /// May be NULL.
    pub reference_options: *const cyto_reference_options,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_rctd_files {
    const NAME: &'static str = "cyto_rctd_files";
    const INIT: &'static str = "CYTO_RCTD_FILES_INIT";
    const FIRST_SIZE: usize = 56;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_rctd_files {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// The mode of this code.
pub(crate) fn mode_of(code: i32) -> Result<Mode, Failure> {
    match code {
        x if x == cyto_rctd_mode::CYTO_RCTD_FULL as i32 => Ok(Mode::Full),
        x if x == cyto_rctd_mode::CYTO_RCTD_DOUBLET as i32 => Ok(Mode::Doublet),
        x if x == cyto_rctd_mode::CYTO_RCTD_MULTI as i32 => Ok(Mode::Multi),
        x => Err(Error::argument(
            "mode",
            format!("{x} is unknown; must be CYTO_RCTD_FULL, CYTO_RCTD_DOUBLET or CYTO_RCTD_MULTI"),
        )
        .into()),
    }
}

fn options_of(options: Option<&cyto_rctd_options>) -> RctdOptions {
    options.map_or_else(RctdOptions::default, |o| o.inner.clone())
}

fn run_all(
    ctx: &Context,
    spatial: &cyto_spatial,
    reference: &cyto_reference,
    options: RctdOptions,
    mode: Mode,
) -> Result<cyto_rctd_results, Failure> {
    let mut rctd = Rctd::create(ctx, spatial.input(), &reference.inner, options)?;
    Ok(cyto_rctd_results::new(rctd.run(ctx, mode)?))
}

/// RCTD in one call. `options` may be NULL for spacexr's defaults; `mode` is a `cyto_rctd_mode`. Nothing of the
/// inputs is needed when the call has returned. Free the results with `cyto_rctd_results_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_run(
    ctx: Option<&cyto_context>,
    spatial: Option<&cyto_spatial>,
    reference: Option<&cyto_reference>,
    options: Option<&cyto_rctd_options>,
    mode: i32,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let spatial = required("spatial", spatial)?;
        let reference = required("reference", reference)?;
        let mode = mode_of(mode)?;
        with_context(ctx, |ctx| {
            run_all(ctx, spatial, reference, options_of(options), mode)
        })
    })
}

/// RCTD in one call, from two files. The tissue's counts stream; they are never in memory at once.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_run_files(
    ctx: Option<&cyto_context>,
    files: *const cyto_rctd_files,
    options: Option<&cyto_rctd_options>,
    mode: i32,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let mode = mode_of(mode)?;
        let options = options_of(options);
        options.check()?;
        // SAFETY: the header asks for this struct, its strings and its structs.
        let files = unsafe { Files::read(files) }?;
        with_context(ctx, |ctx| {
            let named = |name: &'static str| move |e: Error| e.in_context(name).with_argument(name);
            let cells = cyto_dataset::open(&files.reference, &files.reference_open)
                .map_err(named("reference"))?;
            let spatial = cyto_dataset::open(&files.spatial, &files.spatial_open)
                .map_err(named("spatial"))?;
            let reference = from_dataset(ctx, &cells, &files.column, &files.reference_options)?;
            let spatial = cyto_spatial::of_dataset(&spatial);
            run_all(ctx, &spatial, &reference, options, mode)
        })
    })
}

/// What `cyto_rctd_files` says, checked.
struct Files {
    spatial: std::path::PathBuf,
    spatial_open: engine::data::OpenOptions,
    reference: std::path::PathBuf,
    reference_open: engine::data::OpenOptions,
    column: String,
    reference_options: engine::rctd::ReferenceOptions,
}

impl Files {
    /// # Safety
    /// `files` is NULL or points to `struct_size` bytes whose pointers are NULL or what they say.
    unsafe fn read(files: *const cyto_rctd_files) -> Result<Self, Failure> {
        // SAFETY: promised by the caller, for every string and struct.
        unsafe {
            let given = sized::read("files", files)?;
            let column = text::optional("files.cell_type_column", given.cell_type_column)?;
            Ok(Files {
                spatial: text::path("files.spatial_path", text::borrowed(&given.spatial_path))?,
                spatial_open: open_options(given.spatial_open)?,
                reference: text::path(
                    "files.reference_path",
                    text::borrowed(&given.reference_path),
                )?,
                reference_open: open_options(given.reference_open)?,
                column: column.unwrap_or_else(|| "cell_type".to_owned()),
                reference_options: reference_options(given.reference_options)?,
            })
        }
    }
}

/// First step: filters pixels and chooses genes, reading the counts twice. `options` may be NULL for spacexr's
/// defaults. The arrays behind the counts must live until this handle is freed; the other handles may
/// be freed at once.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_create(
    ctx: Option<&cyto_context>,
    spatial: Option<&cyto_spatial>,
    reference: Option<&cyto_reference>,
    options: Option<&cyto_rctd_options>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let spatial = required("spatial", spatial)?;
        let reference = required("reference", reference)?;
        with_context(ctx, |ctx| {
            let options = options_of(options);
            let rctd = Rctd::create(ctx, spatial.input(), &reference.inner, options)?;
            Ok(cyto_rctd {
                tissue: Tissue::new(rctd),
            })
        })
    })
}

/// Frees the object. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_free(rctd: Option<repr_c::Box<cyto_rctd>>) {
    or((), || drop(rctd));
}

/// Replaces the options for the steps to come; NULL = spacexr's defaults. Those that choose pixels, genes and
/// types must stay as they were at creation. Steps whose options change have to be done again; sigma stays
/// when option `sigma` is the one that was found.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_set_options(
    rctd: Option<&cyto_rctd>,
    options: Option<&cyto_rctd_options>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        required("rctd", rctd)?
            .tissue
            .set_options(options_of(options))
    })
}

/// Second step: estimates platform effects.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_fit_bulk(
    ctx: Option<&cyto_context>,
    rctd: Option<&cyto_rctd>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let rctd = required("rctd", rctd)?;
        with_context(ctx, |ctx| rctd.tissue.fit_bulk(ctx))
    })
}

/// Third step: estimates sigma, or takes the one in the options. `CYTO_STATE` before `cyto_rctd_fit_bulk`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_choose_sigma(
    ctx: Option<&cyto_context>,
    rctd: Option<&cyto_rctd>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let rctd = required("rctd", rctd)?;
        with_context(ctx, |ctx| rctd.tissue.choose_sigma(ctx))
    })
}

/// Last step: fits all pixels that the filters left, in a `cyto_rctd_mode`. `CYTO_STATE` before
/// `cyto_rctd_choose_sigma`. May be called again, in the same or another mode.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_fit_pixels(
    ctx: Option<&cyto_context>,
    rctd: Option<&cyto_rctd>,
    mode: i32,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd_results>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let rctd = required("rctd", rctd)?;
        let mode = mode_of(mode)?;
        with_context(ctx, |ctx| {
            rctd.tissue
                .with(|rctd| Ok(cyto_rctd_results::new(rctd.fit_pixels(ctx, mode)?)))
        })
    })
}

/// 100 times sigma; 0 before `cyto_rctd_choose_sigma` and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_sigma(rctd: Option<&cyto_rctd>) -> u32 {
    rctd.map_or(0, |rctd| or(0, || rctd.tissue.sigma()))
}

/// The options in force as a JSON object. Borrowed from `rctd`; "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_config_json(rctd: Option<&cyto_rctd>) -> *const c_char {
    rctd.map_or(c"{}".as_ptr(), |rctd| rctd.tissue.options_json())
}

/// Lends an array of an RCTD object. Of the input: "barcodes" (text), "n_umi" (f64), "coords" (f64, pixels x 2),
/// "fates" (u8, `cyto_pixel_fate`). Of the filters: "kept" (u32, input rows of the pixels to fit), "genes_bulk",
/// "genes_reg", "cell_types" (text), "profiles_bulk" (f64, genes x types). After `cyto_rctd_fit_bulk`:
/// "proportions" (f64), "profiles_normalized" (f64, bulk genes x types). After `cyto_rctd_choose_sigma`:
/// "sigma_keys" (u32) and "sigma_scores" (f64), one a round, and "sigma_random_seed" (i32, 626) when the option
/// was given: where R's generator stands after them. `CYTO_NOT_FOUND` for what is not there yet.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_array(
    rctd: Option<&cyto_rctd>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(rctd.map(|rctd| &rctd.tissue), &ARRAYS, name, out, err) }
}
