//! Cell types of reference cells from a column of labels.

use crate::data::{Categorical, Column, Table};
use crate::error::{Error, Result, name_some};

/// The cell type of every cell, from a column of `obs`.
///
/// Categories keep their order; texts and whole numbers are sorted as R sorts them.
///
/// # Errors
/// `NotFound`, reason `MissingKey`, when there is no such column (the message names those there
/// are); `InvalidData` when a cell has no label or the column holds fractions.
///
/// ```
/// use cytosol::data::{Column, Table};
/// let mut obs = Table::new(vec!["c1".into(), "c2".into()]);
/// obs.set("cell_type", Column::Text(vec!["T".into(), "B".into()]))?;
/// let labels = cytosol::rctd::cell_type_labels(&obs, "cell_type")?;
/// assert_eq!(labels.categories, ["B", "T"]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn cell_type_labels(obs: &Table, column: &str) -> Result<Categorical> {
    let labels = match obs.require("reference obs", column)? {
        Column::Categorical(labels) => labels.clone(),
        Column::Text(labels) => Categorical::from_labels(labels),
        Column::I64(labels) => from_numbers(labels),
        Column::I32(labels) => from_numbers(labels),
        Column::Bool(labels) => from_numbers(labels),
        _ => {
            return Err(Error::data(format!(
                "reference obs column {column:?} holds fractions; cell types must be text, categories or \
                 whole numbers"
            )));
        }
    };
    let missing: Vec<&str> = (0..labels.codes.len())
        .filter(|&row| labels.label(row).is_none_or(str::is_empty))
        .map(|row| obs.index[row].as_str())
        .collect();
    if missing.is_empty() {
        return Ok(labels);
    }
    Err(Error::data(format!(
        "reference obs column {column:?}: {} of {} cells have no cell type (cells {}); give them one or \
         remove them",
        missing.len(),
        labels.codes.len(),
        name_some(&missing, 3)
    )))
}

fn from_numbers<T: ToString>(labels: &[T]) -> Categorical {
    let labels: Vec<String> = labels.iter().map(T::to_string).collect();
    Categorical::from_labels(&labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Reason};

    fn obs(column: Column) -> Table {
        let mut obs = Table::new((0..column.len()).map(|i| format!("c{i}")).collect());
        obs.set("cluster", column).expect("fits");
        obs
    }

    #[test]
    fn whole_numbers_are_labels_and_fractions_are_not() {
        let labels =
            cell_type_labels(&obs(Column::I64(vec![10, 9, 10])), "cluster").expect("whole");
        assert_eq!(labels.categories, ["10", "9"]);
        assert!(cell_type_labels(&obs(Column::F64(vec![0.5])), "cluster").is_err());
    }

    #[test]
    fn missing_labels_and_columns_are_named() {
        let labels = Categorical {
            codes: vec![0, -1],
            categories: vec!["A".into()],
            ordered: false,
        };
        let table = obs(Column::Categorical(labels));
        let error = cell_type_labels(&table, "cluster").expect_err("a label is missing");
        assert!(error.message().contains("\"c1\""), "{error}");
        let error = cell_type_labels(&table, "clusters").expect_err("no such column");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(matches!(error.reason(), Reason::MissingKey { key } if key == "clusters"));
    }
}
