//! `cyto_rctd_options`: options of RCTD by name, checked as a whole, readable back as JSON.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

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
    /// Made when it is asked for: lists of entries may be long.
    json: OnceLock<CString>,
}

impl cyto_rctd_options {
    fn new(inner: RctdOptions) -> Self {
        cyto_rctd_options {
            inner,
            json: OnceLock::new(),
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

/// Sets `sigma_entries`: for every round of the search for sigma, the matrix entries that are scored, as
/// indices into regression genes x sigma pixels with the gene running fastest. Round r has the
/// entries `offsets[r]` to `offsets[r + 1]` of `entries`; `offsets` holds n_rounds + 1 ascending numbers
/// from 0. Copied; NULL with 0 rounds goes back to the seeded sample.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_set_sigma_entries(
    options: Option<&mut cyto_rctd_options>,
    offsets: *const u64,
    n_rounds: usize,
    entries: *const u64,
    n_entries: usize,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let options = required_mut(options)?;
        let n_offsets = if n_rounds == 0 { 0 } else { n_rounds + 1 };
        // SAFETY: the header asks for arrays of these lengths.
        let (offsets, entries) = unsafe {
            (
                text::slice("offsets", offsets, n_offsets)?,
                text::slice("entries", entries, n_entries)?,
            )
        };
        let mut inner = options.inner.clone();
        inner.sigma_entries = rounds(offsets, entries)?;
        inner.check()?;
        *options = cyto_rctd_options::new(inner);
        Ok(())
    })
}

/// Cuts entries into rounds; `None` for no rounds.
fn rounds(offsets: &[u64], entries: &[u64]) -> Result<Option<Vec<Vec<u64>>>, Failure> {
    let ends_right = match offsets {
        [] => entries.is_empty(),
        [first, .., last] => *first == 0 && *last == entries.len() as u64,
        [_] => false,
    };
    if !ends_right || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(Error::argument(
            "offsets",
            format!(
                "must ascend from 0 to n_entries = {} in n_rounds + 1 numbers",
                entries.len()
            ),
        )
        .into());
    }
    let cut = |pair: &[u64]| entries[pair[0] as usize..pair[1] as usize].to_vec();
    let rounds: Vec<Vec<u64>> = offsets.windows(2).map(cut).collect();
    Ok((!rounds.is_empty()).then_some(rounds))
}

/// Every option with its value, defaults included, as a JSON object. Borrowed from `options` until it is
/// changed or freed; "{}" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rctd_options_to_json(options: Option<&cyto_rctd_options>) -> *const c_char {
    options.map_or(c"{}".as_ptr(), |o| {
        o.json.get_or_init(|| c_string(&o.inner.to_json())).as_ptr()
    })
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
        let read: Value = serde_json::from_str(&options.inner.to_json()).expect("JSON");
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
