//! Counts of R without a copy, names of R as C strings, and handles that R keeps.
//!
//! A `dgCMatrix` of genes x cells is compressed by cell already: its three slots are lent to the library.

use std::ffi::{CString, c_char};

use cytosol::{
    CytoStr, cyto_context, cyto_dense_view, cyto_dtype, cyto_layout, cyto_matrix,
    cyto_matrix_from_dense_view, cyto_matrix_from_view, cyto_matrix_values_from_dense_view,
    cyto_matrix_values_from_view, cyto_orientation, cyto_sparse_view,
};
use extendr_api::prelude::*;
use extendr_ffi::{R_PreserveObject, R_ReleaseObject, SEXP};
use safer_ffi::prelude::{char_p, repr_c};

use crate::answer::{Failure, made};

/// A handle of the library, and the R objects whose memory it borrows. The handle goes first.
pub(crate) struct Held<H: 'static> {
    pub(crate) handle: H,
    _kept: Vec<Kept>,
}

impl<H: 'static> Held<H> {
    pub(crate) fn into_robj(handle: H, kept: Vec<Kept>) -> Robj {
        ExternalPtr::new(Held {
            handle,
            _kept: kept,
        })
        .into()
    }
}

/// The handle in an external pointer.
pub(crate) fn held<'a, T: 'static>(
    name: &str,
    handle: &'a Robj,
) -> Result<&'a Held<repr_c::Box<T>>, Failure> {
    let pointer: &ExternalPtr<Held<repr_c::Box<T>>> =
        handle.try_into().map_err(|_| Failure::stale(name))?;
    pointer.try_addr().map_err(|_| Failure::stale(name))
}

/// An R object that outlives its last mention in R. Letting go allocates nothing, so finalizers may.
pub(crate) struct Kept(SEXP);

impl Kept {
    pub(crate) fn new(object: &Robj) -> Self {
        // SAFETY: on R's main thread.
        unsafe {
            let object = object.get();
            R_PreserveObject(object);
            Kept(object)
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: preserved in `new`; handles are dropped by R's finalizers, on its main thread.
        unsafe { R_ReleaseObject(self.0) };
    }
}

/// Counts as R code hands them over: `list(p =, i =, x =, rows =, columns =)`.
pub(crate) struct Counts {
    p: Robj,
    i: Robj,
    x: Robj,
    n_rows: i64,
    n_columns: i64,
}

impl Counts {
    pub(crate) fn read(counts: &Robj) -> Result<Self, Failure> {
        let field = |name: &str| {
            counts
                .dollar(name)
                .map_err(|_| Failure::argument("counts", "must have p, i, x, rows and columns"))
        };
        let number = |name: &str| {
            let n = field(name)?.as_integer();
            n.ok_or_else(|| Failure::argument(name, "must be one integer"))
        };
        Ok(Counts {
            p: field("p")?,
            i: field("i")?,
            x: field("x")?,
            n_rows: number("rows")?.into(),
            n_columns: number("columns")?.into(),
        })
    }

    /// The objects that the matrix borrows.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        [&self.p, &self.i, &self.x].map(Kept::new).into()
    }

    /// The counts, which borrow R's memory.
    pub(crate) fn lend(&self, ctx: &cyto_context) -> Result<repr_c::Box<cyto_matrix>, Failure> {
        let view = self.view()?;
        made(|out, err| cyto_matrix_from_view(Some(ctx), &view, out, err))
    }

    /// The same of values that need not be counts.
    pub(crate) fn lend_values(
        &self,
        ctx: &cyto_context,
    ) -> Result<repr_c::Box<cyto_matrix>, Failure> {
        let view = self.view()?;
        made(|out, err| cyto_matrix_values_from_view(Some(ctx), &view, out, err))
    }

    fn view(&self) -> Result<cyto_sparse_view, Failure> {
        let wrong = |name: &str| Failure::argument(name, "has another type than in a dgCMatrix");
        let starts = self.p.as_integer_slice().ok_or_else(|| wrong("p"))?;
        let genes = self.i.as_integer_slice().ok_or_else(|| wrong("i"))?;
        let values = self.x.as_real_slice().ok_or_else(|| wrong("x"))?;
        if starts.len() as i64 != self.n_columns + 1 || genes.len() != values.len() {
            return Err(Failure::argument("counts", "slots do not fit each other"));
        }
        Ok(cyto_sparse_view {
            struct_size: size_of::<cyto_sparse_view>(),
            layout: cyto_layout::CYTO_CSC as i32,
            indptr_type: cyto_dtype::CYTO_I32 as i32,
            index_type: cyto_dtype::CYTO_I32 as i32,
            value_type: cyto_dtype::CYTO_F64 as i32,
            index_base: 0,
            orientation: cyto_orientation::CYTO_GENES_BY_CELLS as i32,
            nrow: self.n_rows,
            ncol: self.n_columns,
            nnz: values.len() as i64,
            indptr: starts.as_ptr().cast(),
            indices: genes.as_ptr().cast(),
            values: values.as_ptr().cast(),
            flags: 0,
        })
    }
}

/// A matrix of R of genes x cells, of integers or doubles: `list(dense =, rows =, columns =)`.
pub(crate) struct Dense {
    values: Robj,
    n_rows: i64,
    n_columns: i64,
}

impl Dense {
    pub(crate) fn read(matrix: &Robj) -> Result<Self, Failure> {
        let wrong = || Failure::argument("counts", "must be a matrix of numbers");
        let size = |name: &str| {
            let n = matrix.dollar(name).ok().and_then(|n| n.as_integer());
            n.map(i64::from).ok_or_else(wrong)
        };
        let values = matrix.dollar("dense").map_err(|_| wrong())?;
        let (n_rows, n_columns) = (size("rows")?, size("columns")?);
        if values.len() as i64 != n_rows * n_columns {
            return Err(wrong());
        }
        Ok(Dense {
            values,
            n_rows,
            n_columns,
        })
    }

    /// The counts, which borrow R's memory.
    pub(crate) fn lend(&self, ctx: &cyto_context) -> Result<repr_c::Box<cyto_matrix>, Failure> {
        let view = self.view()?;
        made(|out, err| cyto_matrix_from_dense_view(Some(ctx), &view, out, err))
    }

    /// The same of values that need not be counts.
    pub(crate) fn lend_values(
        &self,
        ctx: &cyto_context,
    ) -> Result<repr_c::Box<cyto_matrix>, Failure> {
        let view = self.view()?;
        made(|out, err| cyto_matrix_values_from_dense_view(Some(ctx), &view, out, err))
    }

    fn view(&self) -> Result<cyto_dense_view, Failure> {
        let (value_type, data) = if let Some(values) = self.values.as_integer_slice() {
            (cyto_dtype::CYTO_I32, values.as_ptr().cast())
        } else if let Some(values) = self.values.as_real_slice() {
            (cyto_dtype::CYTO_F64, values.as_ptr().cast())
        } else {
            return Err(Failure::argument("counts", "must be a matrix of numbers"));
        };
        Ok(cyto_dense_view {
            struct_size: size_of::<cyto_dense_view>(),
            value_type: value_type as i32,
            orientation: cyto_orientation::CYTO_GENES_BY_CELLS as i32,
            nrow: self.n_rows,
            ncol: self.n_columns,
            row_stride: 1,
            col_stride: self.n_rows,
            data,
        })
    }
}

/// A text as the C ABI takes it, which looks itself whether it is UTF-8; a path need not be.
pub(crate) fn text(text: &CString) -> CytoStr<'_> {
    let first = std::ptr::NonNull::new(text.as_ptr().cast_mut())?;
    // SAFETY: ends with NUL and lives as long as the result; only the library reads it, as bytes.
    Some(unsafe { char_p::Ref::from_ptr_unchecked(first.cast()) })
}

/// Texts of R as C strings; R code has made them UTF-8.
pub(crate) struct Names {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Names {
    pub(crate) fn read(name: &str, texts: &Robj) -> Result<Self, Failure> {
        let given = texts
            .as_str_vector()
            .ok_or_else(|| Failure::argument(name, "must be texts, none of them missing"))?;
        let texts: Vec<CString> = given
            .into_iter()
            .map(|text| CString::new(text).unwrap_or_default())
            .collect();
        Ok(Names {
            pointers: texts.iter().map(|text| text.as_ptr()).collect(),
            _texts: texts,
        })
    }

    pub(crate) fn pointers(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.pointers.len()
    }
}

/// Optional numbers: NULL of R is none.
pub(crate) fn numbers<'a>(name: &str, values: &'a Robj) -> Result<&'a [f64], Failure> {
    if values.is_null() {
        return Ok(&[]);
    }
    values
        .as_real_slice()
        .ok_or_else(|| Failure::argument(name, "must be doubles"))
}

/// Position, from 1, of the first value that is no count: negative, not finite or, when `whole` is asked for,
/// with a fraction above 1e-6 (what spacexr forgives); NA when all are. No temporary of the size of the counts
/// is made, which R's own arithmetic would.
/// @noRd
#[extendr]
fn first_bad_count(values: Robj, whole: bool) -> f64 {
    let values = values.as_real_slice().unwrap_or(&[]);
    let is_bad = |x: f64| !(x.is_finite() && x >= 0.0) || (whole && (x - x.floor()).abs() > 1e-6);
    match values.iter().position(|&x| is_bad(x)) {
        Some(at) => at as f64 + 1.0,
        // SAFETY: a constant of R.
        None => unsafe { extendr_ffi::R_NaReal },
    }
}

extendr_module! {
    mod counts;
    fn first_bad_count;
}
