//! Options of R as JSON, which is how the C ABI takes them.

use std::ffi::CString;

use cytosol::{cyto_rctd_options, cyto_rctd_options_new, cyto_rctd_options_set_json};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;
use serde_json::Value;

use crate::answer::{Failure, done, made};
use crate::counts::text;

/// Options by name: numbers, flags, texts, NULL; `I()` and lists give arrays.
pub(crate) fn options(given: &Robj) -> Result<repr_c::Box<cyto_rctd_options>, Failure> {
    let mut options = made(|out, err| cyto_rctd_options_new(out, err))?;
    let json = CString::new(json_of(given)?.to_string()).unwrap_or_default();
    let json = text(&json);
    done(|err| cyto_rctd_options_set_json(Some(&mut options), json, err))?;
    Ok(options)
}

pub(crate) fn json_of(value: &Robj) -> Result<Value, Failure> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if let Some(list) = value.as_list() {
        if value.names().is_some() {
            let mut map = serde_json::Map::new();
            for (name, item) in list.iter() {
                map.insert(name.to_owned(), json_of(&item)?);
            }
            return Ok(Value::Object(map));
        }
        let items: Result<Vec<_>, _> = list.values().map(|item| json_of(&item)).collect();
        return Ok(Value::Array(items?));
    }
    let mut items: Vec<Value> = if let Some(numbers) = value.as_real_vector() {
        numbers.into_iter().map(number).collect()
    } else if let Some(numbers) = value.as_integer_vector() {
        numbers.into_iter().map(Value::from).collect()
    } else if let Some(texts) = value.as_str_vector() {
        texts.into_iter().map(Value::from).collect()
    } else if let Some(flags) = value.as_logical_vector() {
        flags
            .into_iter()
            .map(|flag| Value::from(flag.is_true()))
            .collect()
    } else {
        return Err(Failure::argument(
            "options",
            "must be numbers, texts or flags",
        ));
    };
    match items.len() {
        1 if !value.inherits("AsIs") => Ok(items.remove(0)),
        _ => Ok(Value::Array(items)),
    }
}

/// Whole numbers are written as such: options that count take nothing else.
fn number(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 9e15 {
        Value::from(x as i64)
    } else if x.is_finite() {
        Value::from(x)
    } else {
        // JSON has no such numbers; as a text the library names it in its error.
        Value::from(x.to_string())
    }
}
