//! `cyto_rctd_options`: options of RCTD by name, checked as a whole, readable back as JSON.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use engine::Error;
use engine::rctd::RctdOptions;
use safer_ffi::{derive_ReprC, prelude::repr_c};
use serde_json::{Map, Value};

use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, or};
use crate::status::cyto_status;
use crate::text::{self, CytoStr, c_string, utf8};

/// Options of RCTD. Not for several threads at once.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_rctd_options {
    pub(crate) inner: RctdOptions,
    json: CString,
}

impl cyto_rctd_options {
    fn new(inner: RctdOptions) -> Self {
        cyto_rctd_options {
            json: c_string(&inner.to_json()),
            inner,
        }
    }

    /// Replaces the options named in `changes`; all or none.
    fn change(&mut self, changes: Map<String, Value>) -> Result<(), Failure> {
        let mut all = match serde_json::from_str(&self.inner.to_json()) {
            Ok(Value::Object(all)) => all,
            _ => Map::new(),
        };
        all.extend(changes);
        let inner = RctdOptions::from_json(&Value::Object(all).to_string())?;
        inner.check()?;
        *self = cyto_rctd_options::new(inner);
        Ok(())
    }
}

fn required_mut<T>(handle: Option<&mut T>) -> Result<&mut T, Failure> {
    handle.ok_or_else(|| Error::argument("options", "NULL; must be a handle").into())
}

/// Options with spacexr's defaults. Free with `cyto_rctd_options_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_new(
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rctd_options>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        Ok(cyto_rctd_options::new(RctdOptions::default()))
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_free(options: Option<repr_c::Box<cyto_rctd_options>>) {
    or((), || drop(options));
}

/// Sets one option by name: `value` is JSON, for example `"50"`, `"true"`, `"null"`, `"[\"B\", \"T\"]"`. An
/// unknown name is answered with the nearest known one. On failure nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_set(
    options: Option<&mut cyto_rctd_options>,
    name: CytoStr<'_>,
    value: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let options = required_mut(options)?;
        let name = utf8("name", name)?;
        let value: Value = serde_json::from_str(utf8("value", value)?)
            .map_err(|e| Error::argument("value", format!("not valid JSON: {e}")))?;
        options.change(Map::from_iter([(name.to_owned(), value)]))
    })
}

/// Sets the options that a JSON object names; the others keep their values. On failure nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_set_json(
    options: Option<&mut cyto_rctd_options>,
    json: CytoStr<'_>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let options = required_mut(options)?;
        match serde_json::from_str(utf8("json", json)?) {
            Ok(Value::Object(changes)) => options.change(changes),
            Ok(_) => {
                Err(Error::argument("json", "must be an object, such as {\"umi_min\": 100}").into())
            }
            Err(e) => Err(Error::argument("json", format!("not valid JSON: {e}")).into()),
        }
    })
}

/// Sets `sigma_pixels`: input rows of the pixels used for sigma. Copied; NULL with 0 goes back to the
/// seeded sample.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_set_sigma_pixels(
    options: Option<&mut cyto_rctd_options>,
    rows: *const u64,
    n_rows: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let options = required_mut(options)?;
        // SAFETY: the header asks for an array of this length.
        let rows = unsafe { text::slice("rows", rows, n_rows) }?;
        let mut inner = options.inner.clone();
        inner.sigma_pixels = (!rows.is_empty()).then(|| rows.to_vec());
        inner.check()?;
        *options = cyto_rctd_options::new(inner);
        Ok(())
    })
}

/// Every option with its value, defaults included, as a JSON object. Borrowed from `options` until it is
/// changed or freed; "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_to_json(options: Option<&cyto_rctd_options>) -> *const c_char {
    options.map_or(c"{}".as_ptr(), |o| o.json.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(changes: Value) -> Result<cyto_rctd_options, String> {
        let mut options = cyto_rctd_options::new(RctdOptions::default());
        let Value::Object(changes) = changes else {
            return Err("not an object".into());
        };
        match options.change(changes) {
            Ok(()) => Ok(options),
            Err(failure) => {
                // All or none.
                assert_eq!(options.inner, RctdOptions::default());
                Err(failure.error.message().to_owned())
            }
        }
    }

    #[test]
    fn options_change_by_name_and_read_back() {
        let options = changed(json!({"umi_min": 50, "cell_types": ["B", "T"]})).expect("known");
        assert_eq!(options.inner.umi_min, 50.0);
        let read: Value =
            serde_json::from_str(options.json.to_str().expect("UTF-8")).expect("JSON");
        assert_eq!(read["cell_types"], json!(["B", "T"]));
        assert_eq!(read["max_multi_types"], json!(4));
    }

    #[test]
    fn wrong_options_are_refused_as_a_whole() {
        let error = changed(json!({"umi_max": 1e6, "umi_mim": 3}))
            .err()
            .expect("unknown");
        assert!(error.contains("\"umi_min\""), "{error}");
        assert!(changed(json!({"umi_min": -1})).is_err());
        assert!(changed(json!({"umi_min": "many"})).is_err());
    }
}
