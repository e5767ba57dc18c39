//! Owned error objects: code, one-line message, JSON detail.
//!
//! There is no thread-local "last error": runtimes that move work between threads would lose it.

use std::ffi::{CString, c_char};

use engine::{Error, Reason};
use safer_ffi::{derive_ReprC, prelude::repr_c};
use serde_json::{Map, Value, json};

use crate::status::cyto_status;
use crate::text::c_string;

/// Why a call failed. Owned by the caller; free with `cyto_error_free`.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_error {
    status: cyto_status,
    message: CString,
    detail: CString,
}

impl cyto_error {
    pub(crate) fn new(failure: &Failure) -> Self {
        cyto_error {
            status: failure.status,
            message: c_string(failure.error.message()),
            detail: c_string(&detail(&failure.error).to_string()),
        }
    }
}

/// A core error with the status it is reported under.
pub(crate) struct Failure {
    pub(crate) status: cyto_status,
    pub(crate) error: Error,
}

impl Failure {
    /// The caller's header and this library do not fit.
    pub(crate) fn abi(argument: &str, message: impl std::fmt::Display) -> Self {
        Failure {
            status: cyto_status::CYTO_ABI_MISMATCH,
            error: Error::argument(argument, message),
        }
    }

    /// A handle that cannot be used now.
    pub(crate) fn state(message: impl Into<String>) -> Self {
        Error::new(engine::ErrorKind::State, message).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            status: cyto_status::of(error.kind()),
            error,
        }
    }
}

/// What is known about the place of an error, for programs.
fn detail(error: &Error) -> Value {
    let mut map = Map::new();
    if let Some(argument) = error.argument_name() {
        map.insert("argument".into(), argument.into());
    }
    if let Some(file) = error.file() {
        map.insert("file".into(), file.to_string_lossy().into());
    }
    let reason = error.reason();
    if *reason != Reason::General {
        map.insert("reason".into(), reason.name().into());
    }
    if let Value::Object(position) = position(reason) {
        map.extend(position);
    }
    Value::Object(map)
}

fn position(reason: &Reason) -> Value {
    match reason {
        Reason::CorruptMatrix { dataset, position } => {
            json!({ "dataset": dataset, "index": position })
        }
        Reason::CorruptMtx { line } => json!({ "line": line }),
        Reason::MissingFilter { id, dataset } => json!({ "filter": id, "dataset": dataset }),
        Reason::MissingKey { key } => json!({ "key": key }),
        Reason::InvalidValue { row, column, value } => {
            // JSON has no NaN and no infinities: those are written as text.
            let value = if value.is_finite() {
                json!(value)
            } else {
                json!(value.to_string())
            };
            json!({ "row": row, "column": column, "value": value })
        }
        Reason::TooFewCells { cell_types } => json!({ "cell_types": cell_types }),
        Reason::NonFinite { gene } => json!({ "gene": gene }),
        _ => Value::Null,
    }
}

/// The status code of an error; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_error_code(error: Option<&cyto_error>) -> cyto_status {
    error.map_or(cyto_status::CYTO_OK, |e| e.status)
}

/// The one-line message, UTF-8: where, what is wrong, what would be right. Borrowed from `error`;
/// "" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_error_message(error: Option<&cyto_error>) -> *const c_char {
    error.map_or(c"".as_ptr(), |e| e.message.as_ptr())
}

/// A JSON object with what is known of the place: `argument`, `file`, `reason`, `dataset`, `index`,
/// `row`, `column`, `value`, `gene`, `cell_types`, `key`, `line`, `filter`. Borrowed from `error`;
/// "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_error_detail_json(error: Option<&cyto_error>) -> *const c_char {
    error.map_or(c"{}".as_ptr(), |e| e.detail.as_ptr())
}

/// Frees an error. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_error_free(error: Option<repr_c::Box<cyto_error>>) {
    drop(error);
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ErrorKind;
    use std::path::Path;

    fn detail_of(error: Error) -> Value {
        let made = cyto_error::new(&error.into());
        serde_json::from_str(made.detail.to_str().expect("UTF-8")).expect("JSON")
    }

    #[test]
    fn detail_names_argument_file_and_place() {
        let error =
            Error::format(Path::new("a.h5ad"), "broken").with_reason(Reason::CorruptMatrix {
                dataset: "X/indptr".into(),
                position: 7,
            });
        assert_eq!(
            detail_of(error.with_argument("path")),
            json!({"argument": "path", "file": "a.h5ad", "reason": "corrupt_matrix",
                   "dataset": "X/indptr", "index": 7})
        );
        assert_eq!(detail_of(Error::cancelled()), json!({}));
    }

    #[test]
    fn values_that_json_lacks_become_text() {
        for (value, expected) in [
            (f64::NAN, json!("NaN")),
            (f64::INFINITY, json!("inf")),
            (-1.0, json!(-1.0)),
        ] {
            let error = Error::data("x").with_reason(Reason::InvalidValue {
                row: 1,
                column: 2,
                value,
            });
            assert_eq!(
                detail_of(error),
                json!({"reason": "invalid_value", "row": 1, "column": 2, "value": expected})
            );
        }
    }

    #[test]
    fn null_errors_read_as_success() {
        assert_eq!(cyto_error_code(None), cyto_status::CYTO_OK);
        cyto_error_free(None);
        let made = cyto_error::new(&Error::new(ErrorKind::Io, "a\0b").into());
        assert_eq!(made.message.to_str(), Ok("a\u{fffd}b"));
    }
}
