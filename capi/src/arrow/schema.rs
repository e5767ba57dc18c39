//! Types of a table's columns.

use std::ffi::CString;
use std::ptr;

use engine::data::{Column, Table};

use super::ArrowSchema;
use crate::text::c_string;

/// Values may be missing.
const NULLABLE: i64 = 2;
/// The order of the categories has a meaning.
const DICTIONARY_ORDERED: i64 = 1;

struct Private {
    format: CString,
    name: CString,
    children: Vec<*mut ArrowSchema>,
    dictionary: *mut ArrowSchema,
}

/// The type of a table: a struct whose first field is the row names.
pub(super) fn of_table(index_name: &str, table: &Table) -> ArrowSchema {
    let mut children = vec![make("u", index_name, 0, Vec::new(), None)];
    for (name, column) in &table.columns {
        children.push(of_column(name, column));
    }
    make("+s", "", 0, children, None)
}

fn of_column(name: &str, column: &Column) -> ArrowSchema {
    let format = match column {
        Column::F64(_) => "g",
        Column::F32(_) => "f",
        Column::I64(_) => "l",
        Column::U64(_) => "L",
        Column::I32(_) => "i",
        Column::Bool(_) => "b",
        Column::Categorical(c) => {
            let ordered = if c.ordered { DICTIONARY_ORDERED } else { 0 };
            let labels = make("u", "", 0, Vec::new(), None);
            return make("i", name, NULLABLE | ordered, Vec::new(), Some(labels));
        }
        // Texts, and kinds of columns that this file does not know yet: `array::of_column` agrees.
        _ => "u",
    };
    make(format, name, 0, Vec::new(), None)
}

fn make(
    format: &str,
    name: &str,
    flags: i64,
    children: Vec<ArrowSchema>,
    dictionary: Option<ArrowSchema>,
) -> ArrowSchema {
    let boxed = |schema| Box::into_raw(Box::new(schema));
    let private = Box::into_raw(Box::new(Private {
        format: c_string(format),
        name: c_string(name),
        children: children.into_iter().map(boxed).collect(),
        dictionary: dictionary.map_or(ptr::null_mut(), boxed),
    }));
    // SAFETY: just made, and from here on owned by the schema's `private_data`.
    let held = unsafe { &mut *private };
    ArrowSchema {
        format: held.format.as_ptr(),
        name: held.name.as_ptr(),
        metadata: ptr::null(),
        flags,
        n_children: held.children.len() as i64,
        children: held.children.as_mut_ptr(),
        dictionary: held.dictionary,
        release: Some(release),
        private_data: private.cast(),
    }
}

/// Releases a schema and those of its children that were not moved away.
unsafe extern "C" fn release(schema: *mut ArrowSchema) {
    // SAFETY: the consumer passes NULL or a schema that this file made.
    let Some(schema) = (unsafe { schema.as_mut() }) else {
        return;
    };
    if schema.release.take().is_none() {
        return;
    }
    // SAFETY: `private_data` was made by `make`, and `release` being set says that it is still held.
    let private = unsafe { Box::from_raw(schema.private_data.cast::<Private>()) };
    for &part in private.children.iter().chain([&private.dictionary]) {
        if part.is_null() {
            continue;
        }
        // SAFETY: made by `make` as a box; a part moved away has no `release` left.
        unsafe {
            release(part);
            drop(Box::from_raw(part));
        }
    }
    schema.private_data = ptr::null_mut();
}
