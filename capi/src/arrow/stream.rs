//! The stream: one batch of rows after the other.

use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use engine::Error;
use engine::data::Table;

use super::{ArrowArray, ArrowArrayStream, ArrowSchema, array, schema};
use crate::error::Failure;
use crate::text::c_string;

/// Rows of a batch.
const BATCH: usize = 1 << 16;
/// `EIO` and `EINVAL`, which are the same numbers wherever errno exists.
const EIO: c_int = 5;
const EINVAL: c_int = 22;

struct Private {
    index_name: &'static str,
    table: Arc<Table>,
    next_row: usize,
    last_error: Option<CString>,
}

/// Makes `out` a stream of the table's rows. The caller releases it.
///
/// # Safety
/// `out` is NULL or points to memory for a stream, whose content is overwritten.
pub(crate) unsafe fn export(
    index_name: &'static str,
    table: Arc<Table>,
    out: *mut ArrowArrayStream,
) -> Result<(), Failure> {
    if out.is_null() || !out.is_aligned() {
        return Err(Error::argument(
            "out",
            "NULL or misaligned; must point to a struct ArrowArrayStream",
        )
        .into());
    }
    let private = Box::new(Private {
        index_name,
        table,
        next_row: 0,
        last_error: None,
    });
    let stream = ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release),
        private_data: Box::into_raw(private).cast(),
    };
    // SAFETY: not NULL, aligned; the caller promises memory for a stream.
    unsafe { out.write(stream) };
    Ok(())
}

/// Marks `out` as released, as every failing path must leave it.
///
/// # Safety
/// As for [`export`].
pub(crate) unsafe fn nothing(out: *mut ArrowArrayStream) {
    if out.is_null() || !out.is_aligned() {
        return;
    }
    let released = ArrowArrayStream {
        get_schema: None,
        get_next: None,
        get_last_error: None,
        release: None,
        private_data: ptr::null_mut(),
    };
    // SAFETY: not NULL, aligned; the caller promises memory for a stream.
    unsafe { out.write(released) };
}

/// # Safety
/// `stream` is NULL or was made by [`export`]; nothing else uses it during the call.
unsafe fn private<'a>(stream: *mut ArrowArrayStream) -> Option<&'a mut Private> {
    // SAFETY: promised by the caller.
    let stream = unsafe { stream.as_ref() }?;
    stream.release?;
    // SAFETY: set by `export` and held while `release` is set.
    unsafe { stream.private_data.cast::<Private>().as_mut() }
}

impl Private {
    /// Runs a callback's body; errors and panics are kept for `get_last_error`.
    fn run(&mut self, body: impl FnOnce(&mut Self) -> engine::Result<()>) -> c_int {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(self)));
        let message = match outcome {
            Ok(Ok(())) => {
                self.last_error = None;
                return 0;
            }
            Ok(Err(error)) => error.message().to_owned(),
            Err(_) => "bug in the library: panic while a batch was made".to_owned(),
        };
        self.last_error = Some(c_string(&message));
        EIO
    }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the consumer passes its stream.
    let Some(private) = (unsafe { private(stream) }).filter(|_| !out.is_null()) else {
        return EINVAL;
    };
    private.run(|p| {
        let schema = schema::of_table(p.index_name, &p.table);
        // SAFETY: the consumer passes memory for a schema.
        unsafe { out.write(schema) };
        Ok(())
    })
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: the consumer passes its stream.
    let Some(private) = (unsafe { private(stream) }).filter(|_| !out.is_null()) else {
        return EINVAL;
    };
    private.run(|p| {
        let rows = p.next_row..p.table.n_rows().min(p.next_row + BATCH);
        if rows.is_empty() {
            // SAFETY: the consumer passes memory for an array; no `release` marks the end.
            unsafe { ptr::addr_of_mut!((*out).release).write(None) };
            return Ok(());
        }
        let batch = array::of_rows(&p.table, rows.clone())?;
        p.next_row = rows.end;
        // SAFETY: the consumer passes memory for an array.
        unsafe { out.write(batch) };
        Ok(())
    })
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer passes its stream.
    let error = unsafe { private(stream) }.and_then(|p| p.last_error.as_ref());
    error.map_or(ptr::null(), |text| text.as_ptr())
}

unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: the consumer passes NULL or its stream.
    let Some(stream) = (unsafe { stream.as_mut() }) else {
        return;
    };
    if stream.release.take().is_some() {
        // SAFETY: made by `export`; `release` being set says that it is still held.
        drop(unsafe { Box::from_raw(stream.private_data.cast::<Private>()) });
        stream.private_data = ptr::null_mut();
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
