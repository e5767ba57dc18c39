//! Tables of the library, which come as an Arrow stream, as lists of R vectors.
//!
//! Only what the library writes is read: texts, numbers, flags and categories, without nested types.

use std::ffi::{CStr, c_char, c_int, c_void};

use extendr_api::prelude::*;
use extendr_ffi::{INTEGER, LOGICAL, R_NaInt, REAL, SEXP, SEXPTYPE};

use crate::answer::Failure;
use crate::sexp::{self, Protected};

#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

/// A stream of the Arrow C interface, released when dropped.
#[repr(C)]
pub(crate) struct Stream {
    get_schema: Option<unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut Stream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private_data: *mut c_void,
}

impl Stream {
    pub(crate) fn empty() -> Self {
        Stream {
            get_schema: None,
            get_next: None,
            get_last_error: None,
            release: None,
            private_data: std::ptr::null_mut(),
        }
    }

    /// Where the library writes the stream: the same struct, in its own words.
    pub(crate) fn out(&mut self) -> *mut cytosol::ArrowArrayStream {
        (&raw mut *self).cast()
    }
}

macro_rules! released {
    ($($kind:ident),*) => {$(
        impl Drop for $kind {
            fn drop(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: filled by the library, and not released yet.
                    unsafe { release(self) };
                }
            }
        }
    )*};
}
released!(Stream, Schema, Array);

impl Array {
    /// # Safety
    /// The buffer holds `length + more` elements of type `T`.
    unsafe fn buffer<T>(&self, at: usize, more: usize) -> &[T] {
        let n = self.length as usize + more;
        if n == 0 {
            return &[];
        }
        // SAFETY: promised by the caller; the library's arrays begin at offset 0.
        unsafe { std::slice::from_raw_parts((*self.buffers.add(at)).cast::<T>(), n) }
    }

    fn is_missing(&self, row: usize) -> bool {
        // SAFETY: the first buffer is NULL or a bit for every row.
        unsafe {
            let bits = (*self.buffers).cast::<u8>();
            !bits.is_null() && (*bits.add(row / 8) >> (row % 8)) & 1 == 0
        }
    }

    /// # Safety
    /// An array of texts.
    unsafe fn write_texts(&self, vector: SEXP, first: usize) {
        // SAFETY: ends of the texts, one more than there are, then their bytes.
        let (ends, bytes) = unsafe { (self.buffer::<i32>(1, 1), *self.buffers.add(2)) };
        for row in 0..self.length as usize {
            let (start, end) = (ends[row] as usize, ends[row + 1] as usize);
            let text: &[u8] = if end == start {
                &[]
            } else {
                // SAFETY: within the bytes, as the ends say.
                unsafe { std::slice::from_raw_parts(bytes.cast::<u8>().add(start), end - start) }
            };
            sexp::set_text(vector, first + row, sexp::text(text));
        }
    }
}

/// Reads every batch of a stream into one list of vectors, named by column.
pub(crate) fn read(mut stream: Stream) -> Result<Robj, Failure> {
    // SAFETY: zero is an empty struct of either kind.
    let mut schema: Schema = unsafe { std::mem::zeroed() };
    let failed = || Failure::argument("table", "the stream of the table broke off");
    let get_schema = stream.get_schema.ok_or_else(failed)?;
    let get_next = stream.get_next.ok_or_else(failed)?;
    // SAFETY: the stream's own functions.
    if unsafe { get_schema(&mut stream, &mut schema) } != 0 {
        return Err(failed());
    }
    let mut batches: Vec<Array> = Vec::new();
    loop {
        // SAFETY: as above.
        let mut batch: Array = unsafe { std::mem::zeroed() };
        if unsafe { get_next(&mut stream, &mut batch) } != 0 {
            return Err(failed());
        }
        if batch.release.is_none() {
            break;
        }
        batches.push(batch);
    }
    let n_columns = schema.n_children as usize;
    let mut protected = Protected::new();
    let list = protected.vector(SEXPTYPE::VECSXP, n_columns);
    let names = protected.vector(SEXPTYPE::STRSXP, n_columns);
    for at in 0..n_columns {
        // SAFETY: a table's schema and batches have as many children as it says.
        unsafe {
            let kind = &**schema.children.add(at);
            let parts: Vec<&Array> = batches.iter().map(|b| &**b.children.add(at)).collect();
            sexp::set_item(list, at, column(kind, &parts)?);
            sexp::set_text(names, at, sexp::text(CStr::from_ptr(kind.name).to_bytes()));
        }
    }
    sexp::set_names(list, names);
    // SAFETY: a new list of R.
    Ok(unsafe { Robj::from_sexp(list) })
}

/// # Safety
/// The parts are of the kind that the schema says. The result is not protected.
unsafe fn column(kind: &Schema, parts: &[&Array]) -> Result<SEXP, Failure> {
    let n: usize = parts.iter().map(|part| part.length as usize).sum();
    let mut protected = Protected::new();
    // SAFETY: promised by the caller.
    let (format, dictionary) = unsafe { (CStr::from_ptr(kind.format), !kind.dictionary.is_null()) };
    let mut first = 0;
    if dictionary || format == c"u" {
        let vector = protected.vector(SEXPTYPE::STRSXP, n);
        let mut levels = None;
        for part in parts {
            if dictionary {
                levels = levels.or_else(|| {
                    // SAFETY: a dictionary of texts.
                    let words = unsafe { &*part.dictionary };
                    let levels = protected.vector(SEXPTYPE::STRSXP, words.length as usize);
                    unsafe { words.write_texts(levels, 0) };
                    Some(levels)
                });
            } else {
                // SAFETY: texts, as the format says.
                unsafe { part.write_texts(vector, first) };
            }
            first += part.length as usize;
        }
        if let Some(levels) = levels {
            return Ok(factor(parts, n, levels));
        }
        return Ok(vector);
    }
    match format.to_bytes() {
        b"g" | b"f" | b"l" | b"L" => {
            let vector = protected.vector(SEXPTYPE::REALSXP, n);
            // SAFETY: a new vector of `n` doubles.
            let to = unsafe { std::slice::from_raw_parts_mut(REAL(vector), n) };
            for part in parts {
                let to = &mut to[first..];
                // SAFETY: numbers, as the format says.
                unsafe {
                    match format.to_bytes() {
                        b"g" => to
                            .iter_mut()
                            .zip(part.buffer::<f64>(1, 0))
                            .for_each(|(t, &x)| *t = x),
                        b"f" => to
                            .iter_mut()
                            .zip(part.buffer::<f32>(1, 0))
                            .for_each(|(t, &x)| *t = x.into()),
                        b"L" => to
                            .iter_mut()
                            .zip(part.buffer::<u64>(1, 0))
                            .for_each(|(t, &x)| *t = x as f64),
                        _ => to
                            .iter_mut()
                            .zip(part.buffer::<i64>(1, 0))
                            .for_each(|(t, &x)| *t = x as f64),
                    }
                }
                first += part.length as usize;
            }
            Ok(vector)
        }
        b"i" => {
            let vector = protected.vector(SEXPTYPE::INTSXP, n);
            for part in parts {
                // SAFETY: a new vector of `n` integers, and integers as the format says.
                unsafe {
                    let to = std::slice::from_raw_parts_mut(
                        INTEGER(vector).add(first),
                        part.length as usize,
                    );
                    to.copy_from_slice(part.buffer::<i32>(1, 0));
                }
                first += part.length as usize;
            }
            Ok(vector)
        }
        b"b" => {
            let vector = protected.vector(SEXPTYPE::LGLSXP, n);
            for part in parts {
                for row in 0..part.length as usize {
                    // SAFETY: bits for every row, and a new vector of `n` flags.
                    unsafe {
                        let bits = (*part.buffers.add(1)).cast::<u8>();
                        let bit = (*bits.add(row / 8) >> (row % 8)) & 1;
                        *LOGICAL(vector).add(first + row) = i32::from(bit);
                    }
                }
                first += part.length as usize;
            }
            Ok(vector)
        }
        _ => Err(Failure::argument(
            "table",
            "has a column of a kind that R does not take",
        )),
    }
}

/// Codes from 1 with their levels, as R's factor.
fn factor(parts: &[&Array], n: usize, levels: SEXP) -> SEXP {
    let mut protected = Protected::new();
    let codes = protected.vector(SEXPTYPE::INTSXP, n);
    let mut first = 0;
    for part in parts {
        for row in 0..part.length as usize {
            // SAFETY: codes of the dictionary, one a row, and a new vector of `n` integers.
            unsafe {
                let code = part.buffer::<i32>(1, 0)[row];
                let missing = part.is_missing(row);
                *INTEGER(codes).add(first + row) = if missing { R_NaInt } else { code + 1 };
            }
        }
        first += part.length as usize;
    }
    let class = protected.vector(SEXPTYPE::STRSXP, 1);
    sexp::set_text(class, 0, sexp::text(b"factor"));
    sexp::set_attribute(codes, c"levels", levels);
    sexp::set_attribute(codes, c"class", class);
    codes
}
