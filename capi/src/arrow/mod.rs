//! Tables as Arrow C streams: how whole results reach data frames of any language without a copy in between.
//!
//! The three structs are those of the Arrow C data and stream interfaces. Columns of numbers are lent from
//! the table, which the stream and its batches keep alive; texts, flags and categories are written per batch.
//! A categorical is a dictionary-encoded column (`i` into `u`). Memory: one batch of 65,536 rows.

mod array;
mod schema;
mod stream;

use std::ffi::{c_char, c_int, c_void};

pub(crate) use stream::{export, nothing};

/// A column's type; see the Arrow C data interface.
#[repr(C)]
pub(crate) struct ArrowSchema {
    pub(crate) format: *const c_char,
    pub(crate) name: *const c_char,
    pub(crate) metadata: *const c_char,
    pub(crate) flags: i64,
    pub(crate) n_children: i64,
    pub(crate) children: *mut *mut ArrowSchema,
    pub(crate) dictionary: *mut ArrowSchema,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub(crate) private_data: *mut c_void,
}

/// A column's rows; see the Arrow C data interface.
#[repr(C)]
pub(crate) struct ArrowArray {
    pub(crate) length: i64,
    pub(crate) null_count: i64,
    pub(crate) offset: i64,
    pub(crate) n_buffers: i64,
    pub(crate) n_children: i64,
    pub(crate) buffers: *mut *const c_void,
    pub(crate) children: *mut *mut ArrowArray,
    pub(crate) dictionary: *mut ArrowArray,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub(crate) private_data: *mut c_void,
}

/// Batches of rows; see the Arrow C stream interface.
#[repr(C)]
pub struct ArrowArrayStream {
    pub(crate) get_schema: Option<unsafe extern "C" fn(*mut Self, *mut ArrowSchema) -> c_int>,
    pub(crate) get_next: Option<unsafe extern "C" fn(*mut Self, *mut ArrowArray) -> c_int>,
    pub(crate) get_last_error: Option<unsafe extern "C" fn(*mut Self) -> *const c_char>,
    pub(crate) release: Option<unsafe extern "C" fn(*mut Self)>,
    pub(crate) private_data: *mut c_void,
}

const _: () = {
    let word = size_of::<usize>();
    assert!(size_of::<ArrowSchema>() == 7 * word + 16);
    assert!(size_of::<ArrowArray>() == 5 * word + 40);
    assert!(size_of::<ArrowArrayStream>() == 5 * word);
};
