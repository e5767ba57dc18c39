//! `cyto_pp_result`: what a step of preprocessing found, as a report, arrays on loan and tables.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::Arc;

use engine::data::{Column, Numbers, SparseArray, Table};
use engine::error::nearest_name;
use engine::{Error, ErrorKind};
use safer_ffi::{derive_ReprC, prelude::repr_c};
use serde_json::Value;

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::arrow::{self, ArrowArrayStream};
use crate::error::{Failure, cyto_error};
use crate::guard::{guard, or, required};
use crate::status::cyto_status;
use crate::text::{CytoStr, StringList, c_string, utf8};

/// What a step of preprocessing found. Readable from several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_pp_result {
    report: CString,
    arrays: BTreeMap<&'static str, Held>,
    tables: BTreeMap<&'static str, Arc<Table>>,
}

/// An array and its number of columns; 0 for a list.
struct Held {
    values: Values,
    n_columns: usize,
}

/// Elements of an array.
pub(crate) enum Values {
    F64(Vec<f64>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    I32(Vec<i32>),
    Flags(Vec<bool>),
    Text(StringList),
}

impl cyto_pp_result {
    /// A result whose arrays and tables are added later.
    pub(crate) fn new() -> Self {
        cyto_pp_result {
            report: CString::default(),
            arrays: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    /// The report: facts, and the options in force.
    pub(crate) fn report(mut self, mut facts: Value, options: Value) -> Self {
        if let Value::Object(facts) = &mut facts {
            facts.insert("options".to_owned(), options);
        }
        self.report = c_string(&facts.to_string());
        self
    }

    pub(crate) fn list(&mut self, name: &'static str, values: Values) -> &mut Self {
        self.matrix(name, values, 0)
    }

    /// Row-major.
    pub(crate) fn matrix(
        &mut self,
        name: &'static str,
        values: Values,
        n_columns: usize,
    ) -> &mut Self {
        debug_assert!(ARRAYS.iter().any(|(known, _)| *known == name), "{name}");
        self.arrays.insert(name, Held { values, n_columns });
        self
    }

    pub(crate) fn table(&mut self, name: &'static str, table: Table) -> &mut Self {
        debug_assert!(TABLES.contains(&name), "{name}");
        self.tables.insert(name, Arc::new(table));
        self
    }

    /// A table from row names and columns.
    pub(crate) fn columns(
        &mut self,
        name: &'static str,
        index: Vec<String>,
        columns: Vec<(String, Column)>,
    ) -> engine::Result<&mut Self> {
        let mut table = Table::new(index);
        for (column, values) in columns {
            table.set(column, values)?;
        }
        Ok(self.table(name, table))
    }

    /// A sparse matrix, as three lists.
    pub(crate) fn sparse(&mut self, names: [&'static str; 3], matrix: SparseArray) -> &mut Self {
        let values = match matrix.values {
            Numbers::F32(v) => v.into_iter().map(f64::from).collect(),
            Numbers::F64(v) => v,
            Numbers::I64(v) => v.into_iter().map(|v| v as f64).collect(),
            Numbers::I32(v) => v.into_iter().map(f64::from).collect(),
            _ => Vec::new(),
        };
        self.list(names[0], Values::U64(matrix.offsets))
            .list(names[1], Values::U32(matrix.indices))
            .list(names[2], Values::F64(values))
    }

    fn lent(&self, name: &str) -> Option<Lent> {
        let held = self.arrays.get(name)?;
        let list = match &held.values {
            Values::F64(v) => Lent::f64s(v),
            Values::U32(v) => Lent::u32s(v),
            Values::U64(v) => Lent::u64s(v),
            Values::I32(v) => Lent::i32s(v),
            Values::Flags(v) => Lent::flags(v),
            Values::Text(v) => Lent::text(v),
        };
        Some(match held.n_columns {
            0 => list,
            n => list.in_columns(n),
        })
    }
}

/// Frees a result. NULL is allowed. Arrow streams made from it stay valid; arrays on loan do not.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_result_free(result: Option<repr_c::Box<cyto_pp_result>>) {
    or((), || drop(result));
}

/// What was done, as a JSON object: facts of the step (each function names its own), "warnings" where there can
/// be some, "seen" (`n_merged` entries summed onto others, `n_zeros` stored zeros left out, `n_negative`,
/// `n_fractional` values) and "options": every option with the value in force. Borrowed from `result`; "{}" for
/// NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_result_report_json(result: Option<&cyto_pp_result>) -> *const c_char {
    result.map_or(c"{}".as_ptr(), |r| r.report.as_ptr())
}

macro_rules! named {
    ($($name:literal),* $(,)?) => { [$(($name, |r| r.lent($name))),*] };
}

const ARRAYS: [Named<cyto_pp_result>; 33] = named![
    "kept",
    "size_factors",
    "excluded_genes",
    "highly_variable",
    "variance",
    "variance_ratio",
    "pca_genes",
    "pca_mean",
    "loadings",
    "scores",
    "gene_mean",
    "gene_std",
    "groups",
    "group_sizes",
    "group_codes",
    "sum",
    "mean",
    "var",
    "count_nonzero",
    "median",
    "indices",
    "distances",
    "distances_indptr",
    "distances_indices",
    "distances_values",
    "connectivities_indptr",
    "connectivities_indices",
    "connectivities_values",
    "genes",
    "x_indptr",
    "x_indices",
    "x_values",
    "x",
];

/// Lends an array of a result; which ones there are, the function that made it says. Flags are `CYTO_U8`.
/// `CYTO_NOT_FOUND` for an array of another step.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_result_array(
    result: Option<&cyto_pp_result>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(result, &ARRAYS, name, out, err) }
}

const TABLES: [&str; 4] = ["obs", "var", "hvg", "groups"];

/// A whole table as an Arrow stream, which the caller releases: "obs" (a row a cell of the input), "var" (a row
/// a gene of the input), "hvg" (a row a gene) or "groups"; names of the rows are the column "index". Which ones there are, the
/// function that made the result says; `CYTO_NOT_FOUND` for one of another step. On failure `out->release`
/// is NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_pp_result_table_arrow(
    result: Option<&cyto_pp_result>,
    table: CytoStr<'_>,
    out: *mut ArrowArrayStream,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || -> Result<(), Failure> {
        // SAFETY: the header asks for memory for a stream.
        unsafe { arrow::nothing(out) };
        let result = required("result", result)?;
        let name = utf8("table", table)?;
        if !TABLES.contains(&name) {
            let near = nearest_name(name, TABLES).unwrap_or_default();
            let message = format!("{name:?} is unknown; did you mean {near:?}?");
            return Err(Error::argument("table", message).into());
        }
        let table = result.tables.get(name).ok_or_else(|| {
            let message = format!("table: there is no {name:?} in the result of this step");
            Error::new(ErrorKind::NotFound, message).with_argument("table")
        })?;
        // SAFETY: as above.
        unsafe { arrow::export("index", Arc::clone(table), out) }
    })
}
