//! Arrays that a handle lends, as R vectors and matrices.

use std::ffi::CStr;

use cytosol::{
    cyto_array, cyto_dataset_array, cyto_deseq_array, cyto_deseq_results_array,
    cyto_deseq_transformed_array, cyto_deseq_unmixed_array, cyto_dtype, cyto_plan_bounds,
    cyto_plan_n_shards, cyto_pp_result_array, cyto_rctd_array, cyto_rctd_results_array,
    cyto_reference_array, cyto_rows_array,
};
use extendr_api::prelude::*;
use extendr_ffi::{INTEGER, REAL, SEXPTYPE};
use safer_ffi::prelude::repr_c;

use crate::answer::{Failure, answer, done};
use crate::counts::{Held, text};
use crate::sexp::{self, Protected};

/// Asks whichever handle an external pointer holds for an array.
pub(crate) fn lent(handle: &Robj, name: &str) -> Result<cyto_array, Failure> {
    let mut array = cyto_array {
        struct_size: size_of::<cyto_array>(),
        dtype: 0,
        n_dims: 0,
        n_rows: 0,
        n_columns: 0,
        row_stride: 0,
        data: std::ptr::null(),
    };
    let name = std::ffi::CString::new(name).map_err(|_| Failure::argument("name", "holds NUL"))?;
    let name = text(&name);
    macro_rules! ask {
        ($($handle:ident => $function:ident),*) => {$(
            if let Ok(held) = <&ExternalPtr<Held<repr_c::Box<cytosol::$handle>>>>::try_from(handle) {
                done(|err| $function(Some(&held.handle), name, &mut array, err))?;
                return Ok(array);
            }
        )*};
    }
    ask!(
        cyto_dataset => cyto_dataset_array,
        cyto_deseq => cyto_deseq_array,
        cyto_deseq_results => cyto_deseq_results_array,
        cyto_deseq_transformed => cyto_deseq_transformed_array,
        cyto_pp_result => cyto_pp_result_array,
        cyto_deseq_unmixed => cyto_deseq_unmixed_array,
        cyto_reference => cyto_reference_array,
        cyto_rctd => cyto_rctd_array,
        cyto_rctd_results => cyto_rctd_results_array,
        cyto_rows => cyto_rows_array
    );
    Err(Failure::stale("handle"))
}

/// # Safety
/// The handle that lent the array is alive, and the array holds elements of type `T`.
pub(crate) unsafe fn elements<'a, T>(array: &cyto_array) -> &'a [T] {
    let n = array.n_rows * array.n_columns;
    if n == 0 {
        return &[];
    }
    // SAFETY: promised by the caller; arrays are whole rows one after the other.
    unsafe { std::slice::from_raw_parts(array.data.cast::<T>(), n) }
}

/// A list or row-major matrix written column by column.
fn transposed<T: Copy, U>(from: &[T], n_columns: usize, to: &mut [U], value: impl Fn(T) -> U) {
    let n_rows = from.len().checked_div(n_columns).unwrap_or(0);
    for (row, values) in from.chunks_exact(n_columns.max(1)).enumerate() {
        for (column, &x) in values.iter().enumerate() {
            to[column * n_rows + row] = value(x);
        }
    }
}

/// Type ("text", "double", "integer"), rows and columns of an array; columns are 0 for a list.
/// @noRd
#[extendr]
fn array_shape(handle: Robj, name: &str) -> Robj {
    answer(|| {
        let array = lent(&handle, name)?;
        let kind = match array.dtype {
            x if x == cyto_dtype::CYTO_TEXT as i32 => "text",
            x if x == cyto_dtype::CYTO_I32 as i32 || x == cyto_dtype::CYTO_U8 as i32 => "integer",
            _ => "double",
        };
        let n_columns = if array.n_dims == 2 {
            array.n_columns
        } else {
            0
        };
        Ok(list!(
            kind = kind,
            rows = array.n_rows as f64,
            columns = n_columns as f64
        )
        .into())
    })
}

/// Fills a new numeric or integer vector with an array, column by column, or row by row as it lies.
/// @noRd
#[extendr]
fn array_fill(handle: Robj, name: &str, target: Robj, by_row: bool) -> Robj {
    answer(|| {
        let array = lent(&handle, name)?;
        let n = array.n_rows * array.n_columns;
        if target.len() != n {
            return Err(Failure::argument("target", "has another length"));
        }
        if n == 0 {
            return Ok(target);
        }
        let n_columns = if by_row { 1 } else { array.n_columns };
        // SAFETY: R code made the vector for this call, of this length; its type is checked below, and the
        // array's elements are of the type that it names.
        unsafe {
            if target.is_real() {
                let to = std::slice::from_raw_parts_mut(REAL(target.get()), n);
                match array.dtype {
                    x if x == cyto_dtype::CYTO_F64 as i32 => {
                        transposed(elements::<f64>(&array), n_columns, to, |x| x);
                    }
                    x if x == cyto_dtype::CYTO_U32 as i32 => {
                        transposed(elements::<u32>(&array), n_columns, to, f64::from);
                    }
                    x if x == cyto_dtype::CYTO_U64 as i32 => {
                        transposed(elements::<u64>(&array), n_columns, to, |x| x as f64);
                    }
                    _ => return Err(Failure::argument("name", "not an array of doubles")),
                }
            } else if target.is_integer() {
                let to = std::slice::from_raw_parts_mut(INTEGER(target.get()), n);
                match array.dtype {
                    x if x == cyto_dtype::CYTO_U8 as i32 => {
                        transposed(elements::<u8>(&array), n_columns, to, i32::from);
                    }
                    x if x == cyto_dtype::CYTO_I32 as i32 => {
                        transposed(elements::<i32>(&array), n_columns, to, |x| x);
                    }
                    x if x == cyto_dtype::CYTO_U32 as i32 => {
                        transposed(elements::<u32>(&array), n_columns, to, |x| x as i32);
                    }
                    _ => return Err(Failure::argument("name", "not an array of integers")),
                }
            } else {
                return Err(Failure::argument("target", "must be numeric or integer"));
            }
        }
        Ok(target)
    })
}

/// An array of texts.
/// @noRd
#[extendr]
fn array_text(handle: Robj, name: &str) -> Robj {
    answer(|| {
        let array = lent(&handle, name)?;
        if array.dtype != cyto_dtype::CYTO_TEXT as i32 {
            return Err(Failure::argument("name", "not an array of texts"));
        }
        // SAFETY: texts, as its type says.
        let texts = unsafe { elements::<*const std::ffi::c_char>(&array) };
        let mut protected = Protected::new();
        let vector = protected.vector(SEXPTYPE::STRSXP, texts.len());
        for (i, &text) in texts.iter().enumerate() {
            // SAFETY: the handle's texts end with NUL.
            let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
            sexp::set_text(vector, i, sexp::text(bytes));
        }
        // SAFETY: a new vector of R.
        Ok(unsafe { Robj::from_sexp(vector) })
    })
}

/// Shards of a plan: start and end, one pair after the other.
pub(crate) fn bounds(plan: &cytosol::cyto_plan) -> Vec<f64> {
    let n = 2 * cyto_plan_n_shards(Some(plan));
    if n == 0 {
        return Vec::new();
    }
    // SAFETY: the plan lends a pair for each of its shards.
    let bounds = unsafe { std::slice::from_raw_parts(cyto_plan_bounds(Some(plan)), n) };
    bounds.iter().map(|&bound| bound as f64).collect()
}

extendr_module! {
    mod arrays;
    fn array_shape;
    fn array_fill;
    fn array_text;
}
