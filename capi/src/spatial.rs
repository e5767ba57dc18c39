//! `cyto_spatial`: the tissue side of RCTD.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::Error;
use engine::rctd::SpatialInput;
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::dataset::cyto_dataset;
use crate::error::{Failure, cyto_error};
use crate::guard::{give, or, required};
use crate::matrix::cyto_matrix;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text;

/// Pixels of a tissue. Fill with `CYTO_SPATIAL_INPUT_INIT`, then set fields. Names, coordinates and totals are
/// copied; how long the arrays behind `counts` must live, its own function says.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_spatial_input {
    /// `sizeof(cyto_spatial_input)`.
    pub struct_size: usize,
    /// Counts; its cells are the pixels.
    pub counts: *const cyto_matrix,
    /// Barcode of every pixel, unique.
    pub pixels: *const *const c_char,
    /// Elements of `pixels`.
    pub n_pixels: usize,
    /// Name of every gene, unique.
    pub genes: *const *const c_char,
    /// Elements of `genes`.
    pub n_genes: usize,
    /// x, y of every pixel, one pair after the other; NULL = none.
    pub coords: *const f64,
    /// Pairs in `coords`; 0 with NULL.
    pub n_coords: usize,
    /// Total counts of every pixel over all genes of the experiment; NULL = sums over `counts`.
    pub n_umi: *const f64,
    /// Elements of `n_umi`; 0 with NULL.
    pub n_n_umi: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_spatial_input {
    const NAME: &'static str = "cyto_spatial_input";
    const INIT: &'static str = "CYTO_SPATIAL_INPUT_INIT";
    const FIRST_SIZE: usize = 80;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_spatial_input {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// Pixels of a tissue.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_spatial {
    counts: cyto_matrix,
    pixels: Vec<String>,
    genes: Vec<String>,
    coords: Option<Vec<[f64; 2]>>,
    n_umi: Option<Vec<f64>>,
}

impl cyto_spatial {
    pub(crate) fn of_dataset(dataset: &cyto_dataset) -> Self {
        cyto_spatial {
            counts: dataset.counts.share(),
            pixels: dataset.cell_names(),
            genes: dataset.gene_names(),
            coords: dataset.coords.clone(),
            n_umi: dataset.n_umi.clone(),
        }
    }

    /// An input of the engine that shares the counts.
    pub(crate) fn input(&self) -> SpatialInput<'static> {
        SpatialInput {
            counts: self.counts.reader(),
            pixels: self.pixels.clone(),
            genes: self.genes.clone(),
            coords: self.coords.clone(),
            n_umi: self.n_umi.clone(),
        }
    }
}

/// # Safety
/// `input` is NULL or points to `struct_size` bytes whose arrays are as long as it says and whose
/// `counts` is NULL or a matrix.
unsafe fn spatial(input: *const cyto_spatial_input) -> Result<cyto_spatial, Failure> {
    // SAFETY: promised by the caller, for every array and string.
    unsafe {
        let given = sized::read("input", input)?;
        let counts = required("input.counts", given.counts.as_ref())?;
        let coords = match given.coords.is_null() && given.n_coords == 0 {
            true => None,
            false => {
                let pairs = given.coords.cast::<[f64; 2]>();
                Some(text::slice("input.coords", pairs, given.n_coords)?.to_vec())
            }
        };
        let n_umi = match given.n_umi.is_null() && given.n_n_umi == 0 {
            true => None,
            false => Some(text::slice("input.n_umi", given.n_umi, given.n_n_umi)?.to_vec()),
        };
        let made = cyto_spatial {
            counts: counts.share(),
            pixels: text::list("input.pixels", given.pixels, given.n_pixels)?,
            genes: text::list("input.genes", given.genes, given.n_genes)?,
            coords,
            n_umi,
        };
        for (name, given, right) in [
            ("input.n_pixels", made.pixels.len(), counts.n_cells()),
            ("input.n_genes", made.genes.len(), counts.n_genes()),
        ] {
            if given != right {
                let message = format!("{given} names for counts of {right}");
                return Err(Error::argument(name, message).into());
            }
        }
        Ok(made)
    }
}

/// Pixels from counts and names. The counts are not read yet: they must stay readable until this handle and
/// everything made from it is freed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_spatial_new(
    input: *const cyto_spatial_input,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_spatial>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for this struct and its arrays and strings.
    give(out, err, || unsafe { spatial(input) })
}

/// Pixels from an open file; the counts stay in the file.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_spatial_from_dataset(
    dataset: Option<&cyto_dataset>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_spatial>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        Ok(cyto_spatial::of_dataset(required("dataset", dataset)?))
    })
}

/// Frees pixels. NULL is allowed. What was made with them stays usable.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_spatial_free(spatial: Option<repr_c::Box<cyto_spatial>>) {
    or((), || drop(spatial));
}
