//! Options of R as JSON, which is how the C ABI takes them, and reports, which it gives so.

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

/// Options by name as the text of a JSON object.
pub(crate) fn json_text(given: &Robj) -> Result<CString, Failure> {
    let options = match json_of(given)? {
        Value::Object(options) => options,
        _ => serde_json::Map::new(),
    };
    Ok(CString::new(Value::Object(options).to_string()).unwrap_or_default())
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

/// A JSON value as R has it.
pub(crate) fn list_of(value: &Value) -> Robj {
    match value {
        Value::Null => ().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) if items.iter().all(Value::is_number) => {
            let numbers = items.iter().map(|x| x.as_f64().unwrap_or(f64::NAN));
            numbers.collect::<Vec<f64>>().into()
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts = items.iter().filter_map(Value::as_str);
            texts.collect::<Vec<&str>>().into()
        }
        Value::Array(items) => List::from_values(items.iter().map(list_of)).into(),
        Value::Object(fields) => {
            let values: Vec<Robj> = fields.values().map(list_of).collect();
            List::from_names_and_values(fields.keys(), values)
                .map_or_else(|_| ().into(), Robj::from)
        }
    }
}
