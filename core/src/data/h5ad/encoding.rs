//! Tables (`obs`, `var`, `raw/var`): every way in which AnnData has written a column.
//!
//! Current frames (encoding `dataframe` 0.2.0), frames of anndata 0.7 (0.1.0, categories by
//! reference) and compound datasets of older releases end in the same [`Table`]. A column of a kind
//! that is not read is left out with a note; it never fails the file.

use std::path::Path;

use hdf5::{Dataset, Group, Location, ObjectReference1, ReferencedObject};

use super::array::NumberArray;
use super::compound;
use super::strings::{attribute_bool, attribute_string, attribute_strings, read_text};
use crate::data::numbers::NumberKind;
use crate::data::table::{Categorical, Column, Table};
use crate::error::{Error, Reason, Result};

/// Where columns are read from, and what to say about them.
pub(crate) struct TableReader<'a> {
    pub path: &'a Path,
    pub root: &'a Group,
    pub warnings: &'a mut Vec<String>,
}

impl TableReader<'_> {
    /// Reads the table `name`.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `MissingKey`, when it or its index is absent; when columns
    /// differ in length.
    pub(crate) fn read(&mut self, name: &str) -> Result<Table> {
        if let Ok(group) = self.root.group(name) {
            return self.read_frame(&group, name);
        }
        match self.root.dataset(name) {
            Ok(dataset) => compound::read_table(self, &dataset, name),
            Err(_) => Err(missing_key(
                self.path,
                name,
                "a table of this name is required",
            )),
        }
    }

    fn read_frame(&mut self, group: &Group, name: &str) -> Result<Table> {
        let index_name = attribute_string(group, "_index").unwrap_or_else(|| "_index".to_owned());
        let index_path = format!("{name}/{index_name}");
        let index = match self.read_column(group, &index_name, &index_path)? {
            Some(column) => into_text(column),
            None => {
                return Err(missing_key(
                    self.path,
                    &index_path,
                    "the index of the table is required",
                ));
            }
        };
        let mut table = Table::new(index);
        let order = match group.attr("column-order") {
            Ok(_) => attribute_strings(group, "column-order"),
            Err(_) => self.unordered_columns(group, &index_name),
        };
        for column_name in order {
            let path = format!("{name}/{column_name}");
            if !exists(group, &column_name) {
                self.warnings
                    .push(format!("{path}: listed in column-order, but absent"));
                continue;
            }
            let Some(column) = self.read_column(group, &column_name, &path)? else {
                continue;
            };
            if column.len() != table.n_rows() {
                return Err(Error::format(
                    self.path,
                    format!(
                        "{path}: {} values in a table of {} rows",
                        column.len(),
                        table.n_rows()
                    ),
                ));
            }
            table.columns.push((column_name, column));
        }
        Ok(table)
    }

    fn unordered_columns(&self, group: &Group, index_name: &str) -> Vec<String> {
        let mut names = group.member_names().unwrap_or_default();
        names.retain(|n| n != index_name && n != "__categories");
        names.sort();
        names
    }

    /// One column; `None`, with a note, when its kind is not read.
    pub(crate) fn read_column(
        &mut self,
        parent: &Group,
        name: &str,
        path: &str,
    ) -> Result<Option<Column>> {
        if let Ok(dataset) = parent.dataset(name) {
            return self.read_dataset(parent, &dataset, path);
        }
        let Ok(group) = parent.group(name) else {
            self.warnings
                .push(format!("{path}: absent, or HDF5 cannot open it"));
            return Ok(None);
        };
        let encoding = attribute_string(&group, "encoding-type").unwrap_or_default();
        match encoding.as_str() {
            "categorical" => self.read_categorical(&group, path),
            "nullable-integer" | "nullable-boolean" | "nullable-string-array" => {
                self.read_nullable(&group, path)
            }
            _ => {
                self.warnings
                    .push(format!("{path}: encoding {encoding:?} is not read"));
                Ok(None)
            }
        }
    }

    fn read_dataset(
        &mut self,
        parent: &Group,
        dataset: &Dataset,
        path: &str,
    ) -> Result<Option<Column>> {
        if dataset.ndim() != 1 {
            let n = dataset.ndim();
            self.warnings
                .push(format!("{path}: {n} dimensions; a column has one"));
            return Ok(None);
        }
        if let Some(strings) = read_text(self.path, dataset, path)? {
            return Ok(Some(Column::Text(strings)));
        }
        if super::array::number_kind(dataset).is_none() {
            self.warnings
                .push(format!("{path}: elements of this type are not read"));
            return Ok(None);
        }
        if dataset.attr("categories").is_ok() {
            return self.read_referenced_categories(parent, dataset, path);
        }
        let array = NumberArray::open(self.path, dataset.clone(), path)?;
        Ok(Some(number_column(&array)?))
    }

    fn read_categorical(&mut self, group: &Group, path: &str) -> Result<Option<Column>> {
        let codes = self.child(group, "codes", path)?;
        self.child(group, "categories", path)?;
        let codes =
            NumberArray::open(self.path, codes, &format!("{path}/codes"))?.read_integers()?;
        let categories = self.read_column(group, "categories", &format!("{path}/categories"))?;
        let Some(categories) = categories.map(into_text) else {
            return Ok(None);
        };
        let ordered = attribute_bool(group, "ordered");
        self.categorical(codes, categories, ordered, path).map(Some)
    }

    /// anndata 0.7: the codes point to their categories.
    fn read_referenced_categories(
        &mut self,
        parent: &Group,
        dataset: &Dataset,
        path: &str,
    ) -> Result<Option<Column>> {
        let codes = NumberArray::open(self.path, dataset.clone(), path)?.read_integers()?;
        let reference = dataset
            .attr("categories")
            .and_then(|a| a.read_raw::<ObjectReference1>());
        let target = match reference.ok().and_then(|r| r.first().copied()) {
            Some(reference) => parent.dereference(&reference).ok(),
            None => None,
        };
        let Some(ReferencedObject::Dataset(target)) = target else {
            self.warnings
                .push(format!("{path}: its categories cannot be found"));
            return Ok(None);
        };
        let categories = self.read_dataset(parent, &target, &format!("{path} categories"))?;
        let Some(categories) = categories.map(into_text) else {
            return Ok(None);
        };
        let ordered = attribute_bool(&target, "ordered");
        self.categorical(codes, categories, ordered, path).map(Some)
    }

    /// Checks codes against categories.
    pub(crate) fn categorical(
        &self,
        codes: Vec<i64>,
        categories: Vec<String>,
        ordered: bool,
        path: &str,
    ) -> Result<Column> {
        let n = categories.len() as i64;
        if let Some(row) = codes.iter().position(|&c| c < -1 || c >= n) {
            return Err(super::array::corrupt(
                self.path,
                path,
                row as u64,
                format!("code {} is none of {n} categories", codes[row]),
            ));
        }
        Ok(Column::Categorical(Categorical {
            codes: codes.into_iter().map(|c| c as i32).collect(),
            categories,
            ordered,
        }))
    }

    fn read_nullable(&mut self, group: &Group, path: &str) -> Result<Option<Column>> {
        let values = self.read_column(group, "values", &format!("{path}/values"))?;
        let mask = self.read_column(group, "mask", &format!("{path}/mask"))?;
        let (Some(values), Some(Column::Bool(mask))) = (values, mask) else {
            return Err(missing_key(
                self.path,
                &format!("{path}/mask"),
                "a nullable column has values and a boolean mask",
            ));
        };
        if values.len() != mask.len() {
            let (a, b) = (values.len(), mask.len());
            return Err(Error::format(
                self.path,
                format!("{path}: {a} values and a mask of {b}"),
            ));
        }
        Ok(Some(self.mask_column(values, &mask, path)))
    }

    fn mask_column(&mut self, values: Column, mask: &[bool], path: &str) -> Column {
        let n_missing = mask.iter().filter(|&&m| m).count();
        if n_missing == 0 {
            return values;
        }
        match values {
            Column::Bool(values) => Column::Categorical(Categorical {
                codes: values
                    .iter()
                    .zip(mask)
                    .map(|(&v, &m)| if m { -1 } else { i32::from(v) })
                    .collect(),
                categories: vec!["False".into(), "True".into()],
                ordered: false,
            }),
            Column::Text(mut values) => {
                self.warnings.push(format!(
                    "{path}: {n_missing} missing values are read as empty text"
                ));
                for (value, _) in values.iter_mut().zip(mask).filter(|(_, m)| **m) {
                    value.clear();
                }
                Column::Text(values)
            }
            numbers => {
                let mut values = numbers.as_numbers().unwrap_or_default();
                for (value, _) in values.iter_mut().zip(mask).filter(|(_, m)| **m) {
                    *value = f64::NAN;
                }
                Column::F64(values)
            }
        }
    }

    fn child(&self, group: &Group, name: &str, path: &str) -> Result<Dataset> {
        group
            .dataset(name)
            .map_err(|_| missing_key(self.path, &format!("{path}/{name}"), "it is required"))
    }
}

/// A one-dimensional array as the narrowest column that holds it.
fn number_column(array: &NumberArray) -> Result<Column> {
    use NumberKind::*;
    Ok(match array.kind() {
        Bool => Column::Bool(array.read_integers()?.into_iter().map(|v| v != 0).collect()),
        F64 => Column::F64(array.read_all()?),
        F32 | F16 => Column::F32(array.read_all()?.into_iter().map(|v| v as f32).collect()),
        I8 | I16 | I32 | U8 | U16 => Column::I32(
            array
                .read_integers()?
                .into_iter()
                .map(|v| v as i32)
                .collect(),
        ),
        I64 | U32 => Column::I64(array.read_integers()?),
        U64 => {
            let values = array.read_integers()?;
            if values.iter().any(|&v| v < 0) {
                Column::F64(array.read_all()?)
            } else {
                Column::I64(values)
            }
        }
    })
}

/// Any column as text, as pandas would print it.
pub(crate) fn into_text(column: Column) -> Vec<String> {
    fn words<T>(values: Vec<T>, word: impl Fn(T) -> String) -> Vec<String> {
        values.into_iter().map(word).collect()
    }
    match column {
        Column::Text(values) => values,
        Column::F64(values) => words(values, |v| format!("{v:?}")),
        Column::F32(values) => words(values, |v| format!("{v:?}")),
        Column::I64(values) => words(values, |v| v.to_string()),
        Column::U64(values) => words(values, |v| v.to_string()),
        Column::I32(values) => words(values, |v| v.to_string()),
        Column::Bool(values) => words(values, |v| if v { "True" } else { "False" }.to_owned()),
        Column::Categorical(c) => (0..c.codes.len())
            .map(|row| c.label(row).unwrap_or_default().to_owned())
            .collect(),
    }
}

/// Whether a member exists, also behind a path with `/`.
pub(crate) fn exists(group: &Group, name: &str) -> bool {
    let mut path = String::new();
    name.split('/').all(|part| {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        group.link_exists(&path)
    })
}

/// The error for a member that must be there.
pub(crate) fn missing_key(path: &Path, key: &str, why: &str) -> Error {
    Error::format(path, format!("{key} is absent; {why}")).with_reason(Reason::MissingKey {
        key: key.to_owned(),
    })
}

/// The encoding type of an element, empty when it has none.
pub(crate) fn encoding_of(location: &Location) -> String {
    attribute_string(location, "encoding-type").unwrap_or_default()
}
