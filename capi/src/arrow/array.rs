//! Rows of a table's columns.

use std::any::Any;
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use engine::data::{Categorical, Column, Table};
use engine::{Error, ErrorKind, Result};

use super::ArrowArray;

/// Memory that a batch points into.
type Owner = Box<dyn Any>;

struct Private {
    buffers: Vec<*const c_void>,
    _owners: Vec<Owner>,
    children: Vec<*mut ArrowArray>,
    dictionary: *mut ArrowArray,
}

/// Some rows of a table.
pub(super) fn of_rows(table: &Arc<Table>, rows: Range<usize>) -> Result<ArrowArray> {
    let mut children = Parts(Vec::new());
    children.push(of_text(&table.index[rows.clone()])?);
    for (_, column) in &table.columns {
        children.push(of_column(table, column, rows.clone())?);
    }
    Ok(make(
        rows.len(),
        0,
        vec![ptr::null()],
        Vec::new(),
        children.take(),
        ptr::null_mut(),
    ))
}

fn of_column(table: &Arc<Table>, column: &Column, rows: Range<usize>) -> Result<ArrowArray> {
    let lent = |data: *const c_void| {
        let owner: Owner = Box::new(Arc::clone(table));
        make(
            rows.len(),
            0,
            vec![ptr::null(), data],
            vec![owner],
            Vec::new(),
            ptr::null_mut(),
        )
    };
    Ok(match column {
        Column::F64(v) => lent(v[rows.clone()].as_ptr().cast()),
        Column::F32(v) => lent(v[rows.clone()].as_ptr().cast()),
        Column::I64(v) => lent(v[rows.clone()].as_ptr().cast()),
        Column::U64(v) => lent(v[rows.clone()].as_ptr().cast()),
        Column::I32(v) => lent(v[rows.clone()].as_ptr().cast()),
        Column::Bool(v) => of_bits(&v[rows]),
        Column::Text(v) => of_text(&v[rows])?,
        Column::Categorical(c) => of_categories(c, rows)?,
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a column of this kind has no Arrow type",
            ));
        }
    })
}

fn of_bits(values: &[bool]) -> ArrowArray {
    let bits = pack(values.iter().copied());
    make(
        values.len(),
        0,
        vec![ptr::null(), bits.as_ptr().cast()],
        vec![Box::new(bits)],
        Vec::new(),
        ptr::null_mut(),
    )
}

fn pack(values: impl ExactSizeIterator<Item = bool>) -> Vec<u8> {
    let mut bits = vec![0_u8; values.len().div_ceil(8)];
    for (i, value) in values.enumerate() {
        bits[i / 8] |= u8::from(value) << (i % 8);
    }
    bits
}

fn of_text(values: &[String]) -> Result<ArrowArray> {
    let mut offsets = Vec::with_capacity(values.len() + 1);
    let mut bytes = Vec::new();
    offsets.push(0);
    for value in values {
        bytes.extend_from_slice(value.as_bytes());
        offsets.push(i32::try_from(bytes.len()).map_err(|_| {
            Error::new(
                ErrorKind::Unsupported,
                "more than 2 GiB of text in one batch of a table",
            )
        })?);
    }
    Ok(make(
        values.len(),
        0,
        vec![ptr::null(), offsets.as_ptr().cast(), bytes.as_ptr().cast()],
        vec![Box::new(offsets), Box::new(bytes)],
        Vec::new(),
        ptr::null_mut(),
    ))
}

fn of_categories(column: &Categorical, rows: Range<usize>) -> Result<ArrowArray> {
    let mut codes = column.codes[rows].to_vec();
    let known = pack(codes.iter().map(|&code| code >= 0));
    let missing = codes.iter().filter(|&&code| code < 0).count();
    // What stands at a missing value is not read, but some readers check it all the same.
    codes.iter_mut().for_each(|code| *code = (*code).max(0));
    let dictionary = Box::into_raw(Box::new(of_text(&column.categories)?));
    let validity = if missing == 0 {
        ptr::null()
    } else {
        known.as_ptr().cast()
    };
    Ok(make(
        codes.len(),
        missing,
        vec![validity, codes.as_ptr().cast()],
        vec![Box::new(known), Box::new(codes)],
        Vec::new(),
        dictionary,
    ))
}

fn make(
    length: usize,
    null_count: usize,
    buffers: Vec<*const c_void>,
    owners: Vec<Owner>,
    children: Vec<*mut ArrowArray>,
    dictionary: *mut ArrowArray,
) -> ArrowArray {
    let private = Box::into_raw(Box::new(Private {
        buffers,
        _owners: owners,
        children,
        dictionary,
    }));
    // SAFETY: just made, and from here on owned by the array's `private_data`.
    let held = unsafe { &mut *private };
    ArrowArray {
        length: length as i64,
        null_count: null_count as i64,
        offset: 0,
        n_buffers: held.buffers.len() as i64,
        n_children: held.children.len() as i64,
        buffers: held.buffers.as_mut_ptr(),
        children: held.children.as_mut_ptr(),
        dictionary: held.dictionary,
        release: Some(release),
        private_data: private.cast(),
    }
}

/// Children made so far; released when a later one fails.
struct Parts(Vec<*mut ArrowArray>);

impl Parts {
    fn push(&mut self, array: ArrowArray) {
        self.0.push(Box::into_raw(Box::new(array)));
    }

    fn take(mut self) -> Vec<*mut ArrowArray> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for &part in &self.0 {
            // SAFETY: made by `push`, handed to nobody.
            unsafe { free(part) };
        }
    }
}

/// # Safety
/// `part` is NULL or a box made by this file; its content may have been moved away.
unsafe fn free(part: *mut ArrowArray) {
    if !part.is_null() {
        // SAFETY: promised by the caller; a part moved away has no `release` left.
        unsafe {
            release(part);
            drop(Box::from_raw(part));
        }
    }
}

/// Releases an array and those of its children that were not moved away.
unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: the consumer passes NULL or an array that this file made.
    let Some(array) = (unsafe { array.as_mut() }) else {
        return;
    };
    if array.release.take().is_none() {
        return;
    }
    // SAFETY: `private_data` was made by `make`, and `release` being set says that it is still held.
    let private = unsafe { Box::from_raw(array.private_data.cast::<Private>()) };
    for &part in private.children.iter().chain([&private.dictionary]) {
        // SAFETY: made by this file.
        unsafe { free(part) };
    }
    array.private_data = ptr::null_mut();
}
