//! Tables of named, typed columns: `obs` and `var` of a file, and results on their way out.

use crate::error::{Error, ErrorKind, Reason, Result, name_some, nearest_name};

/// Labels coded by category; -1 is a missing value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Categorical {
    /// Category of each row, -1 where missing.
    pub codes: Vec<i32>,
    /// Category names, in the order that gives the codes their meaning.
    pub categories: Vec<String>,
    /// Whether the order of the categories is meaningful to the user.
    pub ordered: bool,
}

impl Categorical {
    /// The label of a row.
    pub fn label(&self, row: usize) -> Option<&str> {
        let code = usize::try_from(*self.codes.get(row)?).ok()?;
        self.categories.get(code).map(String::as_str)
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// 64-bit floats; NaN where missing.
    F64(Vec<f64>),
    /// 32-bit floats; NaN where missing.
    F32(Vec<f32>),
    /// Signed integers.
    I64(Vec<i64>),
    /// Unsigned integers.
    U64(Vec<u64>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Strings.
    Text(Vec<String>),
    /// Categories.
    Categorical(Categorical),
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::F64(v) => v.len(),
            Column::F32(v) => v.len(),
            Column::I64(v) => v.len(),
            Column::U64(v) => v.len(),
            Column::I32(v) => v.len(),
            Column::Bool(v) => v.len(),
            Column::Text(v) => v.len(),
            Column::Categorical(c) => c.codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of these rows, in this order.
    ///
    /// # Panics
    /// When a row is out of range.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Column {
        fn take<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row].clone()).collect()
        }
        match self {
            Column::F64(v) => Column::F64(take(v, rows)),
            Column::F32(v) => Column::F32(take(v, rows)),
            Column::I64(v) => Column::I64(take(v, rows)),
            Column::U64(v) => Column::U64(take(v, rows)),
            Column::I32(v) => Column::I32(take(v, rows)),
            Column::Bool(v) => Column::Bool(take(v, rows)),
            Column::Text(v) => Column::Text(take(v, rows)),
            Column::Categorical(c) => Column::Categorical(Categorical {
                codes: take(&c.codes, rows),
                categories: c.categories.clone(),
                ordered: c.ordered,
            }),
        }
    }

    /// The column as numbers, when it holds numbers.
    pub fn as_numbers(&self) -> Option<Vec<f64>> {
        match self {
            Column::F64(v) => Some(v.clone()),
            Column::F32(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
            Column::I64(v) => Some(v.iter().map(|&x| x as f64).collect()),
            Column::U64(v) => Some(v.iter().map(|&x| x as f64).collect()),
            Column::I32(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
            _ => None,
        }
    }
}

/// Named rows and named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Row names (barcodes, gene names).
    pub index: Vec<String>,
    /// Columns in order.
    pub columns: Vec<(String, Column)>,
}

impl Table {
    /// A table without columns.
    pub fn new(index: Vec<String>) -> Self {
        Table {
            index,
            columns: Vec::new(),
        }
    }

    /// Keeps these rows, in this order.
    ///
    /// # Panics
    /// When a row is out of range.
    pub fn select_rows(&mut self, rows: &[usize]) {
        self.index = rows.iter().map(|&row| self.index[row].clone()).collect();
        for (_, column) in &mut self.columns {
            *column = column.select(rows);
        }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.index.len()
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, column)| column)
    }

    /// The column of this name, or an error that lists the columns there are.
    ///
    /// # Errors
    /// `NotFound`, reason `MissingKey`.
    pub fn require(&self, table: &str, name: &str) -> Result<&Column> {
        self.column(name).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|(n, _)| n.as_str()).collect();
            let hint = match nearest_name(name, names.iter().copied()) {
                Some(near) => format!(
                    "; did you mean {near:?}? present: {}",
                    name_some(&names, 20)
                ),
                None => "; the table has no columns".to_owned(),
            };
            Error::new(
                ErrorKind::NotFound,
                format!("{table} has no column {name:?}{hint}"),
            )
            .with_reason(Reason::MissingKey {
                key: name.to_owned(),
            })
        })
    }

    /// Adds or replaces a column.
    ///
    /// # Errors
    /// `InvalidArgument` when its length differs from the number of rows.
    pub fn set(&mut self, name: impl Into<String>, column: Column) -> Result<()> {
        let name = name.into();
        if column.len() != self.n_rows() {
            return Err(Error::argument(
                name,
                format!(
                    "{} values for a table of {} rows",
                    column.len(),
                    self.n_rows()
                ),
            ));
        }
        match self.columns.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = column,
            None => self.columns.push((name, column)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_named_with_its_neighbour() {
        let mut table = Table::new(vec!["a".into(), "b".into()]);
        table
            .set("cell_type", Column::I32(vec![1, 2]))
            .expect("fits");
        let error = table.require("obs", "celltype").expect_err("absent");
        assert!(error.message().contains(r#"did you mean "cell_type"?"#));
        assert!(table.set("x", Column::Bool(vec![true])).is_err());
    }

    #[test]
    fn labels_of_missing_codes_are_none() {
        let labels = Categorical {
            codes: vec![1, -1],
            categories: vec!["A".into(), "B".into()],
            ordered: false,
        };
        assert_eq!(labels.label(0), Some("B"));
        assert_eq!(labels.label(1), None);
    }
}
