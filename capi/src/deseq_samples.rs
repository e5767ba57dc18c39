//! `cyto_deseq_samples`: the sample table of a data set, column by column.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use engine::Error;
use engine::data::{Categorical, Column, Table};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, or};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, utf8};

/// A sample table. Not for several threads at once.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_deseq_samples {
    pub(crate) table: Table,
}

/// A table of samples without columns. Names are copied. Free with `cyto_deseq_samples_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_samples_new(
    names: *const *const c_char,
    n_names: usize,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_deseq_samples>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        // SAFETY: the header asks for an array of this length.
        let names = unsafe { text::list("names", names, n_names) }?;
        Ok(cyto_deseq_samples {
            table: Table::new(names),
        })
    })
}

/// Frees a sample table. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_samples_free(samples: Option<repr_c::Box<cyto_deseq_samples>>) {
    or((), || drop(samples));
}

fn set(
    samples: Option<&mut cyto_deseq_samples>,
    name: CytoStr<'_>,
    n: usize,
    column: impl FnOnce() -> Result<Column, Failure>,
) -> Result<(), Failure> {
    let samples = samples.ok_or_else(|| Error::argument("samples", "NULL; must be a handle"))?;
    let name = utf8("name", name)?;
    let n_samples = samples.table.n_rows();
    if n != n_samples {
        let message = format!("{n} values for {n_samples} samples");
        return Err(Error::argument("n_values", message).into());
    }
    Ok(samples.table.set(name, column()?)?)
}

/// Adds or replaces a factor: for each sample the position of its level in `levels`, -1 where it is missing.
/// The first level is the reference. Copied.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_samples_set_factor(
    samples: Option<&mut cyto_deseq_samples>,
    name: CytoStr<'_>,
    codes: *const i32,
    n_values: usize,
    levels: *const *const c_char,
    n_levels: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        set(samples, name, n_values, || {
            // SAFETY: the header asks for arrays of these lengths.
            let (codes, categories) = unsafe {
                (
                    text::slice("codes", codes, n_values)?.to_vec(),
                    text::list("levels", levels, n_levels)?,
                )
            };
            let fits = |code: &i32| *code >= -1 && i64::from(*code) < n_levels as i64;
            if let Some(at) = codes.iter().position(|code| !fits(code)) {
                let message = format!("{} is not a level; there are {n_levels}", codes[at]);
                return Err(Error::argument(format!("codes[{at}]"), message).into());
            }
            Ok(Column::Categorical(Categorical {
                codes,
                categories,
                ordered: false,
            }))
        })
    })
}

/// Adds or replaces a column of numbers, NaN where one is missing. Copied.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_deseq_samples_set_numbers(
    samples: Option<&mut cyto_deseq_samples>,
    name: CytoStr<'_>,
    values: *const f64,
    n_values: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        set(samples, name, n_values, || {
            // SAFETY: the header asks for an array of this length.
            let values = unsafe { text::slice("values", values, n_values) }?;
            Ok(Column::F64(values.to_vec()))
        })
    })
}
