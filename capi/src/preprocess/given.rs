//! A JSON object of options, read name by name: what is not asked for is unknown, and what was in force is kept.

use engine::error::nearest_name;
use engine::{Error, Result};
use serde_json::{Map, Value, json};

use crate::text::{self, CytoStr};

/// Options of one call.
pub(crate) struct Given {
    /// `""`, or `"pca."` for the options of a step among those of several.
    prefix: String,
    values: Map<String, Value>,
    /// Every option that was asked for, with the value in force.
    in_force: Map<String, Value>,
}

impl Given {
    /// The options of a call; NULL is none.
    pub(crate) fn parse(json: CytoStr<'_>) -> Result<Self> {
        let values = text::options(json, "{\"layer\": \"counts\"}")?;
        Ok(Given::of("", values))
    }

    fn of(prefix: &str, values: Map<String, Value>) -> Self {
        Given {
            prefix: prefix.to_owned(),
            values,
            in_force: Map::new(),
        }
    }

    /// The full name of an option.
    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn wrong(&self, name: &str, value: &Value, right: &str) -> Error {
        Error::argument(self.full(name), format!("{value} must be {right}"))
    }

    /// Whether the call names this option.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn note(&mut self, name: &str, value: Value) {
        self.in_force.insert(name.to_owned(), value);
    }

    /// A value that is not null.
    fn value(&mut self, name: &str) -> Option<Value> {
        self.note(name, Value::Null);
        self.values.get(name).filter(|v| !v.is_null()).cloned()
    }

    /// A number; JSON's lack of infinities is made good by `"inf"` and `"-inf"`.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = match value.as_str() {
            Some("inf") => Some(f64::INFINITY),
            Some("-inf") => Some(f64::NEG_INFINITY),
            _ => value.as_f64(),
        };
        let number = number.ok_or_else(|| self.wrong(name, &value, "a number"))?;
        self.note(name, value);
        Ok(Some(number))
    }

    pub(crate) fn number_or(&mut self, name: &str, default: f64) -> Result<f64> {
        let number = self.number(name)?.unwrap_or(default);
        let shown = match number {
            x if x == f64::INFINITY => json!("inf"),
            x if x == f64::NEG_INFINITY => json!("-inf"),
            x => json!(x),
        };
        self.note(name, shown);
        Ok(number)
    }

    /// A whole number that is not negative.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let right = "a whole number, 0 or more";
        let whole = value
            .as_u64()
            .or_else(|| whole_float(value.as_f64()?))
            .ok_or_else(|| self.wrong(name, &value, right))?;
        self.note(name, json!(whole));
        Ok(Some(whole))
    }

    pub(crate) fn count(&mut self, name: &str) -> Result<Option<usize>> {
        let whole = self.whole(name)?;
        whole
            .map(|n| usize::try_from(n).map_err(|e| Error::argument(self.full(name), e)))
            .transpose()
    }

    pub(crate) fn count_or(&mut self, name: &str, default: usize) -> Result<usize> {
        let count = self.count(name)?.unwrap_or(default);
        self.note(name, json!(count));
        Ok(count)
    }

    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool> {
        let flag = match self.value(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(value) => return Err(self.wrong(name, &value, "true or false")),
        };
        self.note(name, json!(flag));
        Ok(flag)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let Value::String(text) = value else {
            return Err(self.wrong(name, &value, "a string"));
        };
        self.note(name, json!(text));
        Ok(Some(text))
    }

    pub(crate) fn text_or(&mut self, name: &str, default: &str) -> Result<String> {
        let text = self.text(name)?.unwrap_or_else(|| default.to_owned());
        self.note(name, json!(text));
        Ok(text)
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        if let Some((_, chosen)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*chosen));
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = nearest_name(&text, words.iter().copied()).unwrap_or_default();
        Err(Error::argument(
            self.full(name),
            format!(
                "{text:?} is unknown; did you mean {near:?}? one of {}",
                words.join(", ")
            ),
        ))
    }

    /// A string, or a list of strings.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let found = match self.value(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(value) => self.list(name, &value, "strings", |v| v.as_str().map(str::to_owned))?,
        };
        self.note(name, json!(found));
        Ok(found)
    }

    /// A list of whole numbers; null is an empty one.
    pub(crate) fn counts_or(&mut self, name: &str, default: &[usize]) -> Result<Vec<usize>> {
        let found = match self.value(name) {
            None if self.names(name) => Vec::new(),
            None => default.to_vec(),
            Some(value) => self.list(name, &value, "whole numbers, or null", |v| {
                usize::try_from(v.as_u64()?).ok()
            })?,
        };
        self.note(name, json!(found));
        Ok(found)
    }

    fn list<T>(
        &self,
        name: &str,
        value: &Value,
        of: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>> {
        let elements = value.as_array().map(|list| list.iter().map(read).collect());
        elements
            .flatten()
            .ok_or_else(|| self.wrong(name, value, &format!("a list of {of}")))
    }

    /// The options of a step among those of several, and whether the step is wanted: `null` or `false` is no,
    /// an object is yes, and a step that is not named is `default`.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        default: bool,
        read: impl FnOnce(&mut Given) -> Result<T>,
    ) -> Result<Option<T>> {
        let values = match self.values.get(name) {
            None if default => Map::new(),
            None | Some(Value::Null | Value::Bool(false)) => {
                self.note(name, Value::Null);
                return Ok(None);
            }
            Some(Value::Bool(true)) => Map::new(),
            Some(Value::Object(values)) => values.clone(),
            Some(value) => {
                return Err(self.wrong(name, value, "an object of options, true, false or null"));
            }
        };
        let mut own = Given::of(&format!("{}.", self.full(name)), values);
        let made = read(&mut own)?;
        let in_force = own.finish()?;
        self.note(name, in_force);
        Ok(Some(made))
    }

    /// Every option with the value in force.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that was never asked for, with the nearest one that was.
    pub(crate) fn finish(self) -> Result<Value> {
        let known = || self.in_force.keys().map(String::as_str);
        if let Some(name) = self.values.keys().find(|k| !self.in_force.contains_key(*k)) {
            let near = nearest_name(name, known()).unwrap_or_default();
            let known: Vec<&str> = known().collect();
            return Err(Error::argument(
                self.full(name),
                format!(
                    "unknown option; did you mean {near:?}? known: {}",
                    known.join(", ")
                ),
            ));
        }
        Ok(Value::Object(self.in_force))
    }
}

/// A float that is a whole number (hosts without integers write `50.0`).
fn whole_float(value: f64) -> Option<u64> {
    let is_whole = value >= 0.0 && value.fract() == 0.0 && value < 9e15;
    is_whole.then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: Value) -> Given {
        let Value::Object(values) = values else {
            unreachable!("the tests give objects")
        };
        Given::of("", values)
    }

    #[test]
    fn values_are_read_by_type() {
        let mut g = given(json!({
            "a": 1.5, "b": "inf", "n": 50.0, "f": false, "t": "x", "one": "k", "many": ["k", "l"],
            "tops": [1, 2], "none": null,
        }));
        assert_eq!(g.number("a").expect("number"), Some(1.5));
        assert_eq!(g.number("b").expect("number"), Some(f64::INFINITY));
        assert_eq!(g.count("n").expect("whole"), Some(50));
        assert!(!g.flag("f", true).expect("flag"));
        assert_eq!(g.text_or("t", "y").expect("text"), "x");
        assert_eq!(g.texts("one").expect("texts"), ["k"]);
        assert_eq!(g.texts("many").expect("texts"), ["k", "l"]);
        assert_eq!(g.counts_or("tops", &[7]).expect("list"), [1, 2]);
        assert_eq!(g.counts_or("none", &[7]).expect("none"), [0_usize; 0]);
        assert_eq!(g.counts_or("absent", &[7]).expect("default"), [7]);
        let all = g.finish().expect("all known");
        assert_eq!(all["absent"], json!([7]));
        assert_eq!(all["b"], json!("inf"));
    }

    #[test]
    fn wrong_types_and_names_are_refused() {
        for (value, right) in [(json!("many"), "a number"), (json!([1]), "a number")] {
            let error = given(json!({ "x": value })).number("x").expect_err("type");
            assert!(error.message().contains(right), "{error}");
        }
        assert!(given(json!({"x": -1})).count("x").is_err());
        assert!(given(json!({"x": 1.5})).count("x").is_err());
        assert!(given(json!({"x": 1})).flag("x", true).is_err());
        let mut g = given(json!({"n_top_gene": 3}));
        g.count("n_top_genes").expect("absent");
        let error = g.finish().expect_err("unknown");
        assert!(error.message().contains("\"n_top_genes\""), "{error}");
        assert_eq!(error.argument_name(), Some("n_top_gene"));
    }

    #[test]
    fn steps_have_options_of_their_own() {
        let mut g = given(json!({"pca": {"n_comp": 3}, "qc": null, "hvg": false}));
        let error = g
            .step("pca", true, |s| s.count("n_comps"))
            .expect_err("unknown");
        assert_eq!(error.argument_name(), Some("pca.n_comp"));
        assert!(g.step("qc", true, |_| Ok(())).expect("off").is_none());
        assert!(g.step("hvg", true, |_| Ok(())).expect("off").is_none());
        assert!(g.step("log1p", true, |_| Ok(())).expect("on").is_some());
    }
}
