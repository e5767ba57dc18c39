//! The little of R's own interface that is used directly: lists, vectors and texts made in one go.
//!
//! Functions take and give unprotected objects, as R's do; `Protected` keeps them for a block. They hold no
//! Rust memory while R allocates, since R jumps when memory runs out.

use std::ffi::CStr;

use extendr_ffi::{
    R_NamesSymbol, Rf_allocVector, Rf_install, Rf_mkCharLenCE, Rf_protect, Rf_setAttrib,
    Rf_unprotect, SET_STRING_ELT, SET_VECTOR_ELT, SEXP, SEXPTYPE, cetype_t,
};

/// Counts what a block protects and lets go of it at the end.
pub(crate) struct Protected(i32);

impl Protected {
    pub(crate) fn new() -> Self {
        Protected(0)
    }

    pub(crate) fn keep(&mut self, object: SEXP) -> SEXP {
        self.0 += 1;
        // SAFETY: on R's main thread.
        unsafe { Rf_protect(object) }
    }

    /// A new vector.
    pub(crate) fn vector(&mut self, kind: SEXPTYPE, n: usize) -> SEXP {
        // SAFETY: on R's main thread; R allocates.
        let object = unsafe { Rf_allocVector(kind, n as isize) };
        self.keep(object)
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        // SAFETY: as many as were protected.
        unsafe { Rf_unprotect(self.0) };
    }
}

/// A text of R; not protected.
pub(crate) fn text(bytes: &[u8]) -> SEXP {
    // SAFETY: R copies the bytes.
    unsafe { Rf_mkCharLenCE(bytes.as_ptr().cast(), bytes.len() as i32, cetype_t::CE_UTF8) }
}

pub(crate) fn symbol(name: &CStr) -> SEXP {
    // SAFETY: R copies the name; symbols live for ever.
    unsafe { Rf_install(name.as_ptr()) }
}

pub(crate) fn set_text(vector: SEXP, at: usize, text: SEXP) {
    // SAFETY: the caller's vector of texts has this place.
    unsafe { SET_STRING_ELT(vector, at as isize, text) };
}

pub(crate) fn set_item(list: SEXP, at: usize, item: SEXP) {
    // SAFETY: the caller's list has this place.
    unsafe { SET_VECTOR_ELT(list, at as isize, item) };
}

pub(crate) fn set_names(vector: SEXP, names: SEXP) {
    // SAFETY: both are vectors of the caller.
    unsafe { Rf_setAttrib(vector, R_NamesSymbol, names) };
}

pub(crate) fn set_attribute(object: SEXP, name: &CStr, value: SEXP) {
    // SAFETY: objects of the caller.
    unsafe { Rf_setAttrib(object, symbol(name), value) };
}
