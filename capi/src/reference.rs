//! `cyto_reference`: the single-cell side of RCTD. One handle serves any number of tissues.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::Error;
use engine::data::Categorical;
use engine::rctd::{
    Profiles, RareTypes, Reference, ReferenceInput, ReferenceOptions, cell_type_labels,
};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::context::{cyto_context, with_context};
use crate::dataset::cyto_dataset;
use crate::error::{Failure, cyto_error};
use crate::guard::{give, or, required};
use crate::matrix::cyto_matrix;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, StringList, utf8};
use crate::types::cyto_rare_types;

/// Labelled single cells. Fill with `CYTO_REFERENCE_INPUT_INIT`, then set fields. Names, codes and totals are
/// copied; how long the arrays behind `counts` must live, its own function says.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_reference_input {
    /// `sizeof(cyto_reference_input)`.
    pub struct_size: usize,
    /// Counts.
    pub counts: *const cyto_matrix,
    /// Barcode of every cell, unique.
    pub cells: *const *const c_char,
    /// Elements of `cells`.
    pub n_cells: usize,
    /// Name of every gene, unique.
    pub genes: *const *const c_char,
    /// Elements of `genes`.
    pub n_genes: usize,
    /// Cell type of every cell: position in `cell_types`.
    pub labels: *const i32,
    /// Elements of `labels`.
    pub n_labels: usize,
    /// Names of the cell types; their order is the order of the results.
    pub cell_types: *const *const c_char,
    /// Elements of `cell_types`.
    pub n_cell_types: usize,
    /// Total counts of every cell over all genes of the experiment; NULL = sums over `counts`.
    pub n_umi: *const f64,
    /// Elements of `n_umi`; 0 with NULL.
    pub n_n_umi: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_reference_input {
    const NAME: &'static str = "cyto_reference_input";
    const INIT: &'static str = "CYTO_REFERENCE_INPUT_INIT";
    const FIRST_SIZE: usize = 96;
    fn init() -> Self {
        // SAFETY: sizes and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_reference_input {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// How a reference is made. Fill with `CYTO_REFERENCE_OPTIONS_INIT`, which holds spacexr's defaults.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_reference_options {
    /// `sizeof(cyto_reference_options)`.
    pub struct_size: usize,
    /// Most cells of a type; more are sampled down. 10000.
    pub n_max_cells: u64,
    /// Least total counts of a cell. 100.
    pub min_umi: f64,
    /// With `CYTO_RARE_TYPES_DROP`: least cells of a type. 25.
    pub cell_min: u64,
    /// `cyto_rare_types`: what to do about types with fewer. `CYTO_RARE_TYPES_KEEP`.
    pub rare_types: i32,
    /// Not used; 0.
    pub reserved: i32,
    /// Order of the types, all of them; NULL = as they come.
    pub type_order: *const *const c_char,
    /// Elements of `type_order`.
    pub n_type_order: usize,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_reference_options {
    const NAME: &'static str = "cyto_reference_options";
    const INIT: &'static str = "CYTO_REFERENCE_OPTIONS_INIT";
    const FIRST_SIZE: usize = 56;
    fn init() -> Self {
        cyto_reference_options {
            struct_size: size_of::<Self>(),
            n_max_cells: 10_000,
            min_umi: 100.0,
            cell_min: 25,
            rare_types: cyto_rare_types::CYTO_RARE_TYPES_KEEP as i32,
            reserved: 0,
            type_order: std::ptr::null(),
            n_type_order: 0,
        }
    }
}

/// Mean expression of cell types, and how it came about.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_reference {
    pub(crate) inner: Reference,
    genes: StringList,
    cell_types: StringList,
    warnings: StringList,
}

impl cyto_reference {
    fn new(inner: Reference) -> Self {
        cyto_reference {
            genes: StringList::new(&inner.profiles.genes),
            cell_types: StringList::new(&inner.profiles.cell_types),
            warnings: StringList::new(&inner.warnings),
            inner,
        }
    }
}

/// # Safety
/// `options` is NULL or points to `struct_size` bytes whose array is as long as it says.
pub(crate) unsafe fn reference_options(
    options: *const cyto_reference_options,
) -> Result<ReferenceOptions, Failure> {
    let mut chosen = ReferenceOptions::default();
    if options.is_null() {
        return Ok(chosen);
    }
    // SAFETY: promised by the caller.
    let given = unsafe { sized::read("options", options) }?;
    chosen.n_max_cells = usize::try_from(given.n_max_cells).unwrap_or(usize::MAX);
    chosen.min_umi = given.min_umi;
    chosen.cell_min = given.cell_min;
    chosen.rare_types = match given.rare_types {
        x if x == cyto_rare_types::CYTO_RARE_TYPES_KEEP as i32 => RareTypes::Keep,
        x if x == cyto_rare_types::CYTO_RARE_TYPES_DROP as i32 => RareTypes::Drop,
        x => {
            let message =
                format!("{x} is unknown; must be CYTO_RARE_TYPES_KEEP or CYTO_RARE_TYPES_DROP");
            return Err(Error::argument("options.rare_types", message).into());
        }
    };
    if given.reserved != 0 {
        return Err(Error::argument("options.reserved", "must be 0").into());
    }
    if !given.type_order.is_null() {
        // SAFETY: promised by the caller.
        let order =
            unsafe { text::list("options.type_order", given.type_order, given.n_type_order) }?;
        chosen.type_order = Some(order);
    }
    Ok(chosen)
}

/// # Safety
/// `input` is NULL or points to `struct_size` bytes whose arrays are as long as it says and whose
/// `counts` is NULL or a matrix.
unsafe fn reference_input(
    input: *const cyto_reference_input,
) -> Result<ReferenceInput<'static>, Failure> {
    // SAFETY: promised by the caller, for every array and string.
    unsafe {
        let given = sized::read("input", input)?;
        let counts = required("input.counts", given.counts.as_ref())?;
        let n_umi = match given.n_umi.is_null() && given.n_n_umi == 0 {
            true => None,
            false => Some(text::slice("input.n_umi", given.n_umi, given.n_n_umi)?.to_vec()),
        };
        Ok(ReferenceInput {
            counts: counts.reader(),
            cells: text::list("input.cells", given.cells, given.n_cells)?,
            genes: text::list("input.genes", given.genes, given.n_genes)?,
            cell_types: Categorical {
                codes: text::slice("input.labels", given.labels, given.n_labels)?.to_vec(),
                categories: text::list("input.cell_types", given.cell_types, given.n_cell_types)?,
                ordered: false,
            },
            n_umi,
        })
    }
}

/// A reference from labelled single cells, whose counts are read now: nothing of `input` is needed when the call
/// has returned. `options` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_reference_from_counts(
    ctx: Option<&cyto_context>,
    input: *const cyto_reference_input,
    options: *const cyto_reference_options,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_reference>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        // SAFETY: the header asks for these structs, arrays and strings.
        let (input, options) = unsafe { (reference_input(input)?, reference_options(options)?) };
        with_context(ctx, |ctx| {
            Ok(cyto_reference::new(Reference::build(ctx, input, &options)?))
        })
    })
}

/// A reference from an open file: `column` of its obs table holds the cell types (categories keep their
/// order, other labels are sorted as R sorts them). `options` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_reference_from_dataset(
    ctx: Option<&cyto_context>,
    dataset: Option<&cyto_dataset>,
    column: CytoStr<'_>,
    options: *const cyto_reference_options,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_reference>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let dataset = required("dataset", dataset)?;
        let column = utf8("column", column)?;
        // SAFETY: the header asks for NULL or a struct of `struct_size` bytes.
        let options = unsafe { reference_options(options) }?;
        with_context(ctx, |ctx| from_dataset(ctx, dataset, column, &options))
    })
}

pub(crate) fn from_dataset(
    ctx: &engine::Context,
    dataset: &cyto_dataset,
    column: &str,
    options: &ReferenceOptions,
) -> Result<cyto_reference, Failure> {
    let input = ReferenceInput {
        counts: dataset.counts.reader(),
        cells: dataset.cell_names(),
        genes: dataset.gene_names(),
        cell_types: cell_type_labels(&dataset.obs, column)?,
        n_umi: dataset.n_umi.clone(),
    };
    Ok(cyto_reference::new(Reference::build(ctx, input, options)?))
}

/// A reference from given profiles: mean normalised expression (count / total of the cell), genes x
/// types, row-major, `n_genes * n_cell_types` values. All is copied.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_reference_from_profiles(
    profiles: *const f64,
    genes: *const *const c_char,
    n_genes: usize,
    cell_types: *const *const c_char,
    n_cell_types: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_reference>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let n_values = n_genes.checked_mul(n_cell_types).ok_or_else(|| {
            Error::argument("n_genes", format!("{n_genes} genes x {n_cell_types} types"))
        })?;
        // SAFETY: the header asks for arrays of these lengths.
        let profiles = unsafe {
            Profiles {
                genes: text::list("genes", genes, n_genes)?,
                cell_types: text::list("cell_types", cell_types, n_cell_types)?,
                values: text::slice("profiles", profiles, n_values)?.to_vec(),
            }
        };
        Ok(cyto_reference::new(Reference::from_profiles(profiles)?))
    })
}

/// Frees a reference. NULL is allowed. What was made with it stays usable.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_reference_free(reference: Option<repr_c::Box<cyto_reference>>) {
    or((), || drop(reference));
}

const ARRAYS: [Named<cyto_reference>; 5] = [
    ("genes", |r| Some(Lent::text(&r.genes))),
    ("cell_types", |r| Some(Lent::text(&r.cell_types))),
    ("warnings", |r| Some(Lent::text(&r.warnings))),
    ("profiles", |r| {
        let profiles = &r.inner.profiles;
        Some(Lent::matrix(&profiles.values, profiles.cell_types.len()))
    }),
    ("cells_per_type", |r| {
        let cells = &r.inner.cells_per_type;
        (!cells.is_empty()).then(|| Lent::u64s(cells))
    }),
];

/// Lends an array of a reference: "genes", "cell_types", "warnings" (text), "profiles" (f64, genes x types) and
/// "cells_per_type" (u64; `CYTO_NOT_FOUND` when made from profiles).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_reference_array(
    reference: Option<&cyto_reference>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(reference, &ARRAYS, name, out, err) }
}
