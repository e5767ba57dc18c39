//! `cyto_array`: an array lent by a handle, with its type and shape, asked for by name.
//!
//! One getter per handle instead of one per column: new columns then need no new symbols.

use std::ffi::{c_char, c_void};

use engine::error::{name_some, nearest_name};
use engine::{Error, ErrorKind};
use safer_ffi::derive_ReprC;

use crate::error::Failure;
use crate::guard::{ErrOut, guard, required};
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text::{CytoStr, StringList, utf8};
use crate::types::cyto_dtype;

/// An array on loan. Fill with `CYTO_ARRAY_INIT` and pass it to a function that ends in `_array`.
///
/// Element (i, j) is `data[i * row_stride + j]`. `data` is valid until the handle is freed.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_array {
    /// `sizeof(cyto_array)`, set by the caller.
    pub struct_size: usize,
    /// `cyto_dtype` of the elements.
    pub dtype: i32,
    /// 1 for a list, 2 for a matrix.
    pub n_dims: i32,
    /// Rows, or elements of a list.
    pub n_rows: usize,
    /// Columns; 1 for a list.
    pub n_columns: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// The elements; NULL when the call failed.
    pub data: *const c_void,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_array {
    const NAME: &'static str = "cyto_array";
    const INIT: &'static str = "CYTO_ARRAY_INIT";
    const FIRST_SIZE: usize = 48;
    fn init() -> Self {
        cyto_array {
            struct_size: size_of::<Self>(),
            dtype: 0,
            n_dims: 0,
            n_rows: 0,
            n_columns: 0,
            row_stride: 0,
            data: std::ptr::null(),
        }
    }
}

/// What a handle lends.
#[derive(Clone, Copy)]
pub(crate) struct Lent {
    dtype: cyto_dtype,
    n_dims: i32,
    n_rows: usize,
    n_columns: usize,
    data: *const c_void,
}

impl Lent {
    fn list<T>(dtype: cyto_dtype, values: &[T]) -> Self {
        Lent {
            dtype,
            n_dims: 1,
            n_rows: values.len(),
            n_columns: 1,
            data: values.as_ptr().cast(),
        }
    }

    pub(crate) fn f64s(values: &[f64]) -> Self {
        Lent::list(cyto_dtype::CYTO_F64, values)
    }

    pub(crate) fn i32s(values: &[i32]) -> Self {
        Lent::list(cyto_dtype::CYTO_I32, values)
    }

    pub(crate) fn u32s(values: &[u32]) -> Self {
        Lent::list(cyto_dtype::CYTO_U32, values)
    }

    pub(crate) fn u64s(values: &[u64]) -> Self {
        Lent::list(cyto_dtype::CYTO_U64, values)
    }

    pub(crate) fn u8s(values: &[u8]) -> Self {
        Lent::list(cyto_dtype::CYTO_U8, values)
    }

    /// Flags: a `bool` is a byte that is 0 or 1.
    pub(crate) fn flags(values: &[bool]) -> Self {
        Lent::list(cyto_dtype::CYTO_U8, values)
    }

    pub(crate) fn text(values: &StringList) -> Self {
        Lent::list::<*const c_char>(cyto_dtype::CYTO_TEXT, values.pointers())
    }

    /// Row-major.
    pub(crate) fn matrix(values: &[f64], n_columns: usize) -> Self {
        Lent::f64s(values).in_columns(n_columns)
    }

    /// A list as a row-major matrix.
    pub(crate) fn in_columns(self, n_columns: usize) -> Self {
        Lent {
            n_dims: 2,
            n_rows: self.n_rows.checked_div(n_columns).unwrap_or(0),
            n_columns,
            ..self
        }
    }

    /// Row-major, two columns.
    pub(crate) fn points(values: &[[f64; 2]]) -> Self {
        Lent::matrix(values.as_flattened(), 2)
    }
}

/// A name that can be asked for, and where its array is; `None` when the handle has none.
pub(crate) type Named<T> = (&'static str, fn(&T) -> Option<Lent>);

/// Body of the functions that end in `_array`.
///
/// # Safety
/// `out` is NULL or points to `struct_size` writable bytes.
pub(crate) unsafe fn lend<T>(
    handle: Option<&T>,
    names: &[Named<T>],
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: ErrOut<'_>,
) -> cyto_status {
    guard(err, || {
        // SAFETY: promised by the caller.
        let given = unsafe { sized::read("out", out.cast_const()) }?;
        let empty = cyto_array {
            struct_size: given.struct_size,
            ..cyto_array::init()
        };
        // SAFETY: `read` found a struct of at least its first size there.
        unsafe { sized::write(out, &empty) };
        let lent = find(required("handle", handle)?, names, utf8("name", name)?)?;
        let filled = cyto_array {
            struct_size: given.struct_size,
            dtype: lent.dtype as i32,
            n_dims: lent.n_dims,
            n_rows: lent.n_rows,
            n_columns: lent.n_columns,
            row_stride: lent.n_columns,
            data: lent.data,
        };
        // SAFETY: as above.
        unsafe { sized::write(out, &filled) };
        Ok(())
    })
}

fn find<T>(handle: &T, names: &[Named<T>], name: &str) -> Result<Lent, Failure> {
    let known: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
    let Some((_, get)) = names.iter().find(|(known, _)| *known == name) else {
        let near = nearest_name(name, known.iter().copied()).unwrap_or_default();
        let message = format!(
            "{name:?} is unknown; did you mean {near:?}? known: {}",
            name_some(&known, known.len())
        );
        return Err(Error::argument("name", message).into());
    };
    get(handle).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("name: there is no {name:?} here: not in this mode, or not yet, or not given"),
        )
        .with_argument("name")
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Holder(Vec<f64>);

    const NAMES: [Named<Holder>; 2] = [
        ("weights", |h| Some(Lent::matrix(&h.0, 2))),
        ("scores", |_| None),
    ];

    fn ask(name: &std::ffi::CStr, out: *mut cyto_array) -> cyto_status {
        let holder = Holder(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let name = safer_ffi::prelude::char_p::Ref::from(name);
        // SAFETY: `out` comes from a live struct or is NULL.
        unsafe { lend(Some(&holder), &NAMES, Some(name), out, None) }
    }

    #[test]
    fn arrays_are_found_by_name() {
        let mut out = cyto_array::init();
        assert_eq!(ask(c"weights", &mut out), cyto_status::CYTO_OK);
        assert_eq!(
            (out.n_dims, out.n_rows, out.n_columns, out.row_stride),
            (2, 3, 2, 2)
        );
        assert_eq!(out.dtype, cyto_dtype::CYTO_F64 as i32);
        assert_eq!(
            ask(c"wieghts", &mut out),
            cyto_status::CYTO_INVALID_ARGUMENT
        );
        assert!(out.data.is_null());
        assert_eq!(ask(c"scores", &mut out), cyto_status::CYTO_NOT_FOUND);
        out.struct_size = 8;
        assert_eq!(
            ask(c"weights", &mut out),
            cyto_status::CYTO_INVALID_ARGUMENT
        );
        assert_eq!(
            ask(c"weights", std::ptr::null_mut()),
            cyto_status::CYTO_INVALID_ARGUMENT
        );
    }

    #[test]
    fn a_matrix_without_columns_is_empty() {
        assert_eq!(Lent::matrix(&[], 0).n_rows, 0);
        assert_eq!(Lent::points(&[[1.0, 2.0]]).n_columns, 2);
    }
}
