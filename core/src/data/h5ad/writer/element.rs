//! One function per kind of element, each with the encoding that current anndata writes.

use std::path::Path;
use std::str::FromStr;

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Extent, Extents, Group, H5Type, Location, SimpleExtents};
use ndarray::{Array1, ArrayView1};

use crate::data::table::{Categorical, Column, Table};
use crate::data::write::{Numbers, SparseArray, Value};
use crate::error::{Error, ErrorKind, Reason, Result};

/// Strings that are handed to the library at a time.
const STRINGS_AT_A_TIME: usize = 1 << 16;
/// Elements of a chunk of a vector that can grow.
const GROWING_CHUNK: usize = 1 << 14;
/// `column-order` is stored as 16 bytes a name, in an attribute of at most 64 KiB.
const MOST_COLUMNS: usize = 4000;

/// Writes elements of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements<'a> {
    /// The target, for messages.
    pub(super) path: &'a Path,
}

impl Elements<'_> {
    /// The error for something that the library could not do.
    pub(super) fn failed(self, what: &str, error: hdf5::Error) -> Error {
        let text = super::super::file::frames(&error);
        let is_full = ["errno = 28", "errno = 122", "No space left"];
        let reason = match is_full.iter().any(|words| text.contains(words)) {
            true => Reason::DiskFull,
            false => Reason::General,
        };
        let cause = match reason {
            Reason::DiskFull => "disk full".to_owned(),
            _ => error.to_string(),
        };
        Error::new(
            ErrorKind::Io,
            format!("{}: writing {what}: {cause}", self.path.display()),
        )
        .with_reason(reason)
        .with_file(self.path)
        .with_source(error)
    }

    /// A group with its encoding.
    pub(super) fn group(
        self,
        parent: &Group,
        name: &str,
        encoding: &str,
        version: &str,
    ) -> Result<Group> {
        let group = parent
            .create_group_builder()
            .obj_track_times(false)
            .create(name)
            .map_err(|e| self.failed(name, e))?;
        self.encoding(&group, encoding, version)?;
        Ok(group)
    }

    /// Sets `encoding-type` and `encoding-version`.
    pub(super) fn encoding(self, at: &Location, encoding: &str, version: &str) -> Result<()> {
        self.text_attribute(at, "encoding-type", encoding)?;
        self.text_attribute(at, "encoding-version", version)
    }

    /// Sets a text attribute, replacing an old one.
    pub(super) fn text_attribute(self, at: &Location, name: &str, text: &str) -> Result<()> {
        let value = self.text(name, text)?;
        self.remove_attribute(at, name)?;
        at.new_attr::<VarLenUnicode>()
            .create(name)
            .and_then(|attribute| attribute.write_scalar(&value))
            .map_err(|e| self.failed(name, e))
    }

    /// Sets an attribute of names, replacing an old one.
    pub(super) fn names_attribute(self, at: &Location, name: &str, names: &[String]) -> Result<()> {
        if names.len() > MOST_COLUMNS {
            return Err(Error::argument(
                "obs",
                format!(
                    "{} columns; at most {MOST_COLUMNS} can be written",
                    names.len()
                ),
            ));
        }
        let values: Vec<VarLenUnicode> = names
            .iter()
            .map(|n| self.text(name, n))
            .collect::<Result<_>>()?;
        self.remove_attribute(at, name)?;
        at.new_attr::<VarLenUnicode>()
            .shape(values.len())
            .create(name)
            .and_then(|attribute| match values.is_empty() {
                true => Ok(()),
                false => attribute.write(ArrayView1::from(&values)),
            })
            .map_err(|e| self.failed(name, e))
    }

    fn remove_attribute(self, at: &Location, name: &str) -> Result<()> {
        if at.attr(name).is_err() {
            return Ok(());
        }
        at.delete_attr(name).map_err(|e| self.failed(name, e))
    }

    fn text(self, name: &str, text: &str) -> Result<VarLenUnicode> {
        VarLenUnicode::from_str(text).map_err(|_| {
            Error::argument(
                name,
                format!("{text:?} holds a zero byte, which cannot be stored"),
            )
        })
    }

    /// A vector with the encoding `array`.
    pub(super) fn vector<T: H5Type>(self, parent: &Group, name: &str, values: &[T]) -> Result<()> {
        let dataset = parent
            .new_dataset_builder()
            .obj_track_times(false)
            .with_data(ArrayView1::from(values))
            .create(name)
            .map_err(|e| self.failed(name, e))?;
        self.encoding(&dataset, "array", "0.2.0")
    }

    /// A vector of strings.
    pub(super) fn strings(self, parent: &Group, name: &str, values: &[String]) -> Result<()> {
        let dataset = parent
            .new_dataset::<VarLenUnicode>()
            .obj_track_times(false)
            .shape(values.len())
            .create(name)
            .map_err(|e| self.failed(name, e))?;
        for (i, block) in values.chunks(STRINGS_AT_A_TIME).enumerate() {
            let block: Array1<VarLenUnicode> = block
                .iter()
                .map(|v| self.text(name, v))
                .collect::<Result<_>>()?;
            let start = i * STRINGS_AT_A_TIME;
            dataset
                .write_slice(&block, start..start + block.len())
                .map_err(|e| self.failed(name, e))?;
        }
        self.encoding(&dataset, "string-array", "0.2.0")
    }

    /// A scalar with its encoding.
    fn scalar<T: H5Type>(
        self,
        parent: &Group,
        name: &str,
        value: &T,
        encoding: &str,
    ) -> Result<()> {
        let dataset = parent
            .new_dataset::<T>()
            .obj_track_times(false)
            .create(name)
            .and_then(|dataset| dataset.write_scalar(value).map(|()| dataset))
            .map_err(|e| self.failed(name, e))?;
        self.encoding(&dataset, encoding, "0.2.0")
    }

    /// A column of a table.
    pub(super) fn column(self, parent: &Group, name: &str, column: &Column) -> Result<()> {
        match column {
            Column::F64(values) => self.vector(parent, name, values),
            Column::F32(values) => self.vector(parent, name, values),
            Column::I64(values) => self.vector(parent, name, values),
            Column::U64(values) => self.vector(parent, name, values),
            Column::I32(values) => self.vector(parent, name, values),
            Column::Bool(values) => self.vector(parent, name, values),
            Column::Text(values) => self.strings(parent, name, values),
            Column::Categorical(values) => self.categorical(parent, name, values),
        }
    }

    fn categorical(self, parent: &Group, name: &str, values: &Categorical) -> Result<()> {
        let n = values.categories.len();
        if let Some(&code) = values
            .codes
            .iter()
            .find(|&&c| c < -1 || usize::try_from(c).is_ok_and(|c| c >= n))
        {
            return Err(Error::argument(
                name,
                format!("code {code} is none of its {n} categories"),
            ));
        }
        let group = self.group(parent, name, "categorical", "0.2.0")?;
        group
            .new_attr::<bool>()
            .create("ordered")
            .and_then(|attribute| attribute.write_scalar(&values.ordered))
            .map_err(|e| self.failed(name, e))?;
        self.strings(&group, "categories", &values.categories)?;
        // The narrowest codes, as pandas has them.
        if n < 128 {
            let codes: Vec<i8> = values.codes.iter().map(|&c| c as i8).collect();
            self.vector(&group, "codes", &codes)
        } else if n < 32768 {
            let codes: Vec<i16> = values.codes.iter().map(|&c| c as i16).collect();
            self.vector(&group, "codes", &codes)
        } else {
            self.vector(&group, "codes", &values.codes)
        }
    }

    /// A data frame.
    pub(super) fn frame(
        self,
        parent: &Group,
        name: &str,
        index_name: &str,
        table: &Table,
    ) -> Result<()> {
        let group = self.group(parent, name, "dataframe", "0.2.0")?;
        self.text_attribute(&group, "_index", index_name)?;
        let names: Vec<String> = table.columns.iter().map(|(n, _)| n.clone()).collect();
        self.names_attribute(&group, "column-order", &names)?;
        self.strings(&group, index_name, &table.index)?;
        for (column_name, column) in &table.columns {
            self.column(&group, column_name, column)?;
        }
        Ok(())
    }

    /// A sparse square matrix, as CSR.
    pub(super) fn square(self, parent: &Group, name: &str, matrix: &SparseArray) -> Result<()> {
        let group = self.group(parent, name, "csr_matrix", "0.1.0")?;
        let n = matrix.offsets.len().saturating_sub(1);
        self.shape_attribute(&group, [n, n])?;
        match &matrix.values {
            Numbers::F64(v) => self.growing(&group, "data", v)?,
            Numbers::F32(v) => self.growing(&group, "data", v)?,
            Numbers::I64(v) => self.growing(&group, "data", v)?,
            Numbers::I32(v) => self.growing(&group, "data", v)?,
        }
        let indices: Vec<i32> = matrix.indices.iter().map(|&i| i as i32).collect();
        self.growing(&group, "indices", &indices)?;
        if matrix.indices.len() > i32::MAX as usize {
            let pointers: Vec<i64> = matrix.offsets.iter().map(|&o| o as i64).collect();
            return self.growing(&group, "indptr", &pointers);
        }
        let pointers: Vec<i32> = matrix.offsets.iter().map(|&o| o as i32).collect();
        self.growing(&group, "indptr", &pointers)
    }

    /// The attribute `shape` of a sparse matrix.
    pub(super) fn shape_attribute(self, group: &Group, shape: [usize; 2]) -> Result<()> {
        let shape = shape.map(|n| n as i64);
        group
            .new_attr::<i64>()
            .shape(2)
            .create("shape")
            .and_then(|attribute| attribute.write(ArrayView1::from(&shape)))
            .map_err(|e| self.failed("shape", e))
    }

    /// A vector that can grow, without an encoding: a part of a sparse matrix.
    pub(super) fn growing<T: H5Type>(self, group: &Group, name: &str, values: &[T]) -> Result<()> {
        let extents = SimpleExtents::from_vec(vec![Extent::new(values.len(), None)]);
        let dataset = group
            .new_dataset::<T>()
            .obj_track_times(false)
            .chunk(GROWING_CHUNK)
            .shape(extents)
            .create(name)
            .map_err(|e| self.failed(name, e))?;
        for (i, block) in values.chunks(STRINGS_AT_A_TIME).enumerate() {
            let start = i * STRINGS_AT_A_TIME;
            dataset
                .write_slice(ArrayView1::from(block), start..start + block.len())
                .map_err(|e| self.failed(name, e))?;
        }
        Ok(())
    }

    /// An entry of `uns`.
    pub(super) fn value(self, parent: &Group, name: &str, value: &Value) -> Result<()> {
        match value {
            Value::Null => {
                let dataset: Dataset = parent
                    .new_dataset::<f32>()
                    .obj_track_times(false)
                    .shape(Extents::Null)
                    .create(name)
                    .map_err(|e| self.failed(name, e))?;
                self.encoding(&dataset, "null", "0.1.0")
            }
            Value::Text(text) => {
                let text = self.text(name, text)?;
                self.scalar(parent, name, &text, "string")
            }
            Value::Bool(v) => self.scalar(parent, name, v, "numeric-scalar"),
            Value::Integer(v) => self.scalar(parent, name, v, "numeric-scalar"),
            Value::Number(v) => self.scalar(parent, name, v, "numeric-scalar"),
            Value::Numbers(Numbers::F64(v)) => self.vector(parent, name, v),
            Value::Numbers(Numbers::F32(v)) => self.vector(parent, name, v),
            Value::Numbers(Numbers::I64(v)) => self.vector(parent, name, v),
            Value::Numbers(Numbers::I32(v)) => self.vector(parent, name, v),
            Value::Texts(v) => self.strings(parent, name, v),
            Value::Table(table) => self.frame(parent, name, "_index", table),
            Value::Dict(entries) => {
                let group = self.group(parent, name, "dict", "0.1.0")?;
                entries
                    .iter()
                    .try_for_each(|(key, value)| self.value(&group, key, value))
            }
        }
    }

    /// Removes a member if it is there.
    pub(super) fn remove(self, parent: &Group, name: &str) -> Result<()> {
        if !parent.link_exists(name) {
            return Ok(());
        }
        parent.unlink(name).map_err(|e| self.failed(name, e))
    }

    /// The group `name`, made (as a dict) if it is absent.
    pub(super) fn dict(self, parent: &Group, name: &str) -> Result<Group> {
        if !parent.link_exists(name) {
            return self.group(parent, name, "dict", "0.1.0");
        }
        parent.group(name).map_err(|e| self.failed(name, e))
    }
}
