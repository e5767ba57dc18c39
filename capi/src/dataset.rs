//! `cyto_dataset`: an open file or folder, as tables, coordinates and a matrix that streams from it.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::Arc;

use engine::data::{DatasetInfo, OpenOptions, Table, VarNames};
use engine::{Error, Result};
use safer_ffi::{derive_ReprC, prelude::repr_c};
use serde_json::json;

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::arrow::{self, ArrowArrayStream};
use crate::context::{cyto_context, with_context};
use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, or, required};
use crate::matrix::cyto_matrix;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text::{CytoStr, StringList, c_string, optional, path, utf8};

/// What to take from a file that holds more than one matrix. Fill with `CYTO_OPEN_OPTIONS_INIT`.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_open_options {
    /// `sizeof(cyto_open_options)`.
    pub struct_size: usize,
    /// `.h5ad`: read `layers/<name>` in place of `X`; NULL = `X`.
    pub layer: *const c_char,
    /// 10x `.h5`: keep the genes of this genome; NULL = all.
    pub genome: *const c_char,
    /// `.h5ad`: 1 = read `raw/X` and `raw/var` in place of `X` and `var`.
    pub use_raw: i32,
    /// 10x: 1 = keep features of every type; 0 = "Gene Expression" only.
    pub all_features: i32,
    /// 10x: 1 = ids name the genes; 0 = symbols do.
    pub gene_ids: i32,
    /// Not used; 0.
    pub reserved: i32,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_open_options {
    const NAME: &'static str = "cyto_open_options";
    const INIT: &'static str = "CYTO_OPEN_OPTIONS_INIT";
    const FIRST_SIZE: usize = 40;
    fn init() -> Self {
        cyto_open_options {
            struct_size: size_of::<Self>(),
            layer: std::ptr::null(),
            genome: std::ptr::null(),
            use_raw: 0,
            all_features: 0,
            gene_ids: 0,
            reserved: 0,
        }
    }
}

/// An open file or folder.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_dataset {
    pub(crate) counts: cyto_matrix,
    pub(crate) obs: Arc<Table>,
    var: Arc<Table>,
    pub(crate) coords: Option<Vec<[f64; 2]>>,
    pub(crate) n_umi: Option<Vec<f64>>,
    cells: StringList,
    genes: StringList,
    info: CString,
}

impl cyto_dataset {
    pub(crate) fn open(path: &std::path::Path, options: &OpenOptions) -> Result<Self> {
        let dataset = engine::data::open(path, options)?;
        Ok(cyto_dataset {
            coords: dataset.coordinates(),
            n_umi: dataset.n_umi(),
            cells: StringList::new(&dataset.obs.index),
            genes: StringList::new(&dataset.var.index),
            info: c_string(&info(&dataset.info).to_string()),
            counts: cyto_matrix::from_source(dataset.counts, false),
            obs: Arc::new(dataset.obs),
            var: Arc::new(dataset.var),
        })
    }

    pub(crate) fn cell_names(&self) -> Vec<String> {
        self.obs.index.clone()
    }

    pub(crate) fn tables(&self) -> (&Table, &Table) {
        (&self.obs, &self.var)
    }

    pub(crate) fn gene_names(&self) -> Vec<String> {
        self.var.index.clone()
    }
}

fn info(info: &DatasetInfo) -> serde_json::Value {
    json!({
        "path": info.path.to_string_lossy(),
        "format": info.format.name(),
        "matrix": info.matrix,
        "layout": info.layout.name(),
        "dtype": info.dtype,
        "n_cells": info.n_cells,
        "n_genes": info.n_genes,
        "n_entries": info.n_entries,
        "chunk": info.chunk,
        "filters": info.filters,
        "layers": info.layers,
        "has_raw": info.has_raw,
        "members": info.members,
        "warnings": info.warnings,
    })
}

/// # Safety
/// `options` is NULL or points to `struct_size` bytes whose strings are NULL or end with NUL.
pub(crate) unsafe fn open_options(
    options: *const cyto_open_options,
) -> Result<OpenOptions, Failure> {
    let mut chosen = OpenOptions::default();
    if options.is_null() {
        return Ok(chosen);
    }
    // SAFETY: promised by the caller.
    let given = unsafe { sized::read("options", options) }?;
    // SAFETY: promised by the caller.
    unsafe {
        chosen.layer = optional("options.layer", given.layer)?;
        chosen.genome = optional("options.genome", given.genome)?;
    }
    chosen.use_raw = flag("options.use_raw", given.use_raw)?;
    chosen.gex_only = !flag("options.all_features", given.all_features)?;
    if flag("options.gene_ids", given.gene_ids)? {
        chosen.var_names = VarNames::GeneIds;
    }
    if given.reserved != 0 {
        return Err(Error::argument("options.reserved", "must be 0").into());
    }
    Ok(chosen)
}

fn flag(argument: &str, given: i32) -> Result<bool> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::argument(argument, format!("{other} must be 0 or 1"))),
    }
}

/// Opens a `.h5ad` or 10x `.h5` file, a folder with `matrix.mtx[.gz]` or `counts.csv[.gz]`, or a Visium `outs`
/// folder. Tables and
/// coordinates are read; counts stay in the file until they are used. On Unix `path` may be any bytes.
/// `options` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_open(
    ctx: Option<&cyto_context>,
    path: CytoStr<'_>,
    options: *const cyto_open_options,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_dataset>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        // SAFETY: the header asks for NULL or a struct of `struct_size` bytes.
        let options = unsafe { open_options(options) }?;
        let path = self::path("path", path)?;
        with_context(ctx, |_| Ok(cyto_dataset::open(&path, &options)?))
    })
}

/// Frees a dataset. NULL is allowed. What was made from it stays usable.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_free(dataset: Option<repr_c::Box<cyto_dataset>>) {
    or((), || drop(dataset));
}

/// The counts of a dataset, read from the file when they are used. Free with `cyto_matrix_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_counts(
    dataset: Option<&cyto_dataset>,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        Ok(required("dataset", dataset)?.counts.share())
    })
}

/// What was found in the file, as a JSON object: `path`, `format`, `matrix`, `layout`, `dtype`, `n_cells`,
/// `n_genes`, `n_entries`, `chunk`, `filters`, `layers`, `has_raw`, `members`, `warnings`. Borrowed from the
/// dataset; "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_info_json(dataset: Option<&cyto_dataset>) -> *const c_char {
    dataset.map_or(c"{}".as_ptr(), |d| d.info.as_ptr())
}

const ARRAYS: [Named<cyto_dataset>; 4] = [
    ("cells", |d| Some(Lent::text(&d.cells))),
    ("genes", |d| Some(Lent::text(&d.genes))),
    ("coords", |d| d.coords.as_deref().map(Lent::points)),
    ("n_umi", |d| d.n_umi.as_deref().map(Lent::f64s)),
];

/// Lends an array of a dataset: "cells" and "genes" (text), "coords" (f64, cells x 2) and "n_umi" (f64).
/// `CYTO_NOT_FOUND` when the file has no coordinates or totals.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_array(
    dataset: Option<&cyto_dataset>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(dataset, &ARRAYS, name, out, err) }
}

/// The table "obs" (one row per cell) or "var" (one row per gene) as an Arrow stream, which the caller
/// releases; row names are the column "index". On failure `out->release` is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_dataset_table_arrow(
    dataset: Option<&cyto_dataset>,
    table: CytoStr<'_>,
    out: *mut ArrowArrayStream,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        // SAFETY: the header asks for memory for a stream.
        unsafe { arrow::nothing(out) };
        let dataset = required("dataset", dataset)?;
        let table = match utf8("table", table)? {
            "obs" => &dataset.obs,
            "var" => &dataset.var,
            other => {
                let message = format!("{other:?} is unknown; must be \"obs\" or \"var\"");
                return Err(Error::argument("table", message).into());
            }
        };
        // SAFETY: as above.
        unsafe { arrow::export("index", Arc::clone(table), out) }
    })
}
