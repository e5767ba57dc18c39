//! Checks that both sides of RCTD share: names, totals, and counts that are none.

use std::collections::BTreeMap;

use crate::error::{Error, Reason, Result};

/// Names must be different from each other.
pub(crate) fn check_names(argument: &str, names: &[String]) -> Result<()> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, position) {
            return Err(Error::argument(
                argument,
                format!(
                    "{name:?} stands at positions {first} and {position}; names must be unique"
                ),
            ));
        }
    }
    Ok(())
}

/// One finite number of at least 0 for each name.
pub(crate) fn check_numbers(argument: &str, values: &[f64], names: &[String]) -> Result<()> {
    if values.len() != names.len() {
        return Err(Error::argument(
            argument,
            format!("{} values for {} names", values.len(), names.len()),
        ));
    }
    match values.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
        None => Ok(()),
        Some(at) => Err(Error::argument(
            argument,
            format!(
                "value of {:?} is {}; must be a finite number of at least 0",
                names[at], values[at]
            ),
        )),
    }
}

/// Puts the names of row and gene into an error about a value that is no count.
pub(crate) fn name_value_errors(
    error: Error,
    argument: &str,
    row_word: &str,
    rows: &[String],
    genes: &[String],
) -> Error {
    let Reason::InvalidValue { row, column, value } = *error.reason() else {
        return error;
    };
    let (Some(row_name), Some(gene)) = (rows.get(row as usize), genes.get(column as usize)) else {
        return error;
    };
    let tail = error
        .message()
        .split_once("]: ")
        .map_or("", |(_, tail)| tail);
    Error::data(format!(
        "{argument}[gene {gene:?}, {row_word} {row_name:?}]: {tail}"
    ))
    .with_reason(Reason::InvalidValue { row, column, value })
    .with_argument(argument)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::invalid_count;

    #[test]
    fn invalid_values_are_named() {
        let error = name_value_errors(
            invalid_count(1, 0, -1.0),
            "counts",
            "pixel",
            &["p0".into(), "p1".into()],
            &["ACTB".into()],
        );
        assert_eq!(
            error.message(),
            r#"counts[gene "ACTB", pixel "p1"]: -1 is negative; counts must be integers from 0 to 4294967295"#
        );
    }

    #[test]
    fn doubled_names_are_refused() {
        let error = check_names("genes", &["a".into(), "b".into(), "a".into()]).expect_err("twice");
        assert!(error.message().contains("positions 0 and 2"));
    }
}
