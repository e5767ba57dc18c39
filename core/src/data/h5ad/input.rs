//! An `.h5ad` file that is looked at piece by piece: sizes, single columns, matrices as rows.
//!
//! [`open`](super::open()) reads whole tables and gives counts; this reads what is asked for and no
//! more, so that a million barcodes stay on disk while a matrix is worked on.

use std::path::{Path, PathBuf};

use hdf5::Group;

use super::chunk::filter_words;
use super::encoding::{TableReader, exists, into_text, missing_key};
use super::reader::member_names;
use super::rows::StoredMatrix;
use super::strings::{attribute_string, attribute_strings};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::rows::RowSource;
use crate::data::table::{Categorical, Column, Table};
use crate::data::transpose::transpose;
use crate::error::{Error, ErrorKind, Reason, Result, name_some, nearest_name};

/// An open `.h5ad` file.
#[derive(Debug)]
pub struct H5adFile {
    path: PathBuf,
    file: hdf5::File,
}

/// What is known of a matrix before it is read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MatrixInfo {
    /// CSR, CSC or dense.
    pub layout: MatrixLayout,
    /// Type of the values.
    pub kind: NumberKind,
    /// Cells and genes.
    pub shape: [usize; 2],
    /// Stored entries (dense: cells x genes).
    pub n_entries: u64,
    /// Chunk of the values, where they are chunked.
    pub chunk: Option<Vec<usize>>,
    /// Filters of the values in the order of writing.
    pub filters: Vec<String>,
}

impl H5adFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`crate::data::open()`]; `UnsupportedFormat` for an HDF5 file without `obs` and `var`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = super::file::open(path)?;
        for table in ["obs", "var"] {
            if !file.link_exists(table) {
                return Err(missing_key(path, table, "an .h5ad file has obs and var"));
            }
        }
        Ok(H5adFile {
            path: path.to_path_buf(),
            file,
        })
    }

    /// The path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&self) -> &Group {
        &self.file
    }

    /// Number of cells and of genes.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `MissingKey`, when a table has no index.
    pub fn shape(&self) -> Result<[usize; 2]> {
        let n = |table| super::writer::annotate::n_rows(&self.path, &self.file, table);
        Ok([n("obs")?, n("var")?])
    }

    /// Whether there is a member of this path (`"raw/X"`, `"layers/counts"`).
    pub fn has(&self, member: &str) -> bool {
        exists(&self.file, member)
    }

    /// Names of the members of a group, sorted; none where it is absent.
    pub fn members(&self, group: &str) -> Vec<String> {
        member_names(&self.file, group)
    }

    /// Names of the columns of `"obs"`, `"var"` or `"raw/var"`, in order.
    pub fn columns(&self, table: &str) -> Vec<String> {
        let frame = self.file.group(table);
        match frame {
            Ok(group) => attribute_strings(&group, "column-order"),
            Err(_) => match self.table(table) {
                Ok(table) => table.columns.into_iter().map(|(name, _)| name).collect(),
                Err(_) => Vec::new(),
            },
        }
    }

    /// An error for every column that `column-order` names and the table lacks.
    pub(crate) fn absent_columns(&self, table: &str) -> Vec<Error> {
        let Ok(group) = self.file.group(table) else {
            return Vec::new();
        };
        let mut names = attribute_strings(&group, "column-order");
        names.retain(|name| !exists(&group, name));
        let key = |name: &String| format!("{table}/{name}");
        let why = "column-order of the table has it";
        let errors = names
            .iter()
            .map(|name| missing_key(&self.path, &key(name), why));
        errors.collect()
    }

    /// A whole table.
    ///
    /// # Errors
    /// As [`crate::data::open()`].
    pub fn table(&self, name: &str) -> Result<Table> {
        let mut notes = Vec::new();
        self.reader(&mut notes).read(name)
    }

    fn reader<'a>(&'a self, warnings: &'a mut Vec<String>) -> TableReader<'a> {
        TableReader {
            path: &self.path,
            root: &self.file,
            warnings,
        }
    }

    /// The index of a table: names of cells or genes.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `MissingKey`, when it has none.
    pub fn index(&self, table: &str) -> Result<Vec<String>> {
        let Ok(group) = self.file.group(table) else {
            return Ok(self.table(table)?.index);
        };
        let name = attribute_string(&group, "_index").unwrap_or_else(|| "_index".to_owned());
        let path = format!("{table}/{name}");
        let mut notes = Vec::new();
        match self.reader(&mut notes).read_column(&group, &name, &path)? {
            Some(column) => Ok(into_text(column)),
            None => Err(missing_key(&self.path, &path, "a table needs an index")),
        }
    }

    /// One column of a table.
    ///
    /// # Errors
    /// `NotFound`, reason `MissingKey`, naming the columns there are; `UnsupportedFormat` for a column
    /// of a kind that is not read.
    pub fn column(&self, table: &str, name: &str) -> Result<Column> {
        let Ok(group) = self.file.group(table) else {
            return self.table(table)?.require(table, name).cloned();
        };
        if name.contains('/') || !group.link_exists(name) {
            let names = self.columns(table);
            let hint = match nearest_name(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}? present: {}", name_some(&names, 20)),
                None => "the table has no columns".to_owned(),
            };
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{table} has no column {name:?}; {hint}"),
            )
            .with_reason(Reason::MissingKey {
                key: name.to_owned(),
            })
            .with_file(&self.path));
        }
        let path = format!("{table}/{name}");
        let mut notes = Vec::new();
        let column = self.reader(&mut notes).read_column(&group, name, &path)?;
        column.ok_or_else(|| Error::format(&self.path, notes.join("; ")))
    }

    /// A column of `obs` as categories: strings, booleans and integers are made categorical, sorted.
    ///
    /// # Errors
    /// As [`column`](Self::column); `InvalidData` for floats.
    pub fn categories(&self, name: &str) -> Result<Categorical> {
        let column = self.column("obs", name)?;
        categorical(column).ok_or_else(|| {
            Error::data(format!(
                "{}: obs[{name:?}] holds floats; labels are needed",
                self.path.display()
            ))
            .with_file(&self.path)
        })
    }

    /// A number of `uns`, by path (`"log1p/base"`); `None` when it is absent or null.
    pub fn uns_number(&self, path: &str) -> Option<f64> {
        let member = format!("uns/{path}");
        if !self.has(&member) {
            return None;
        }
        let dataset = self.file.dataset(&member).ok()?;
        if dataset.size() != 1 {
            return None;
        }
        dataset.read_raw::<f64>().ok()?.first().copied()
    }

    /// A small dense array (`"obsm/X_pca"`) and its number of columns, row-major.
    ///
    /// # Errors
    /// `UnsupportedFormat` unless it is a two-dimensional array of numbers with one row per cell.
    pub fn dense_array(&self, member: &str) -> Result<(Vec<f64>, usize)> {
        let dataset = self
            .file
            .dataset(member)
            .map_err(|e| super::reader::unreadable(&self.path, member, e))?;
        let n = self.shape()?[0];
        if dataset.ndim() != 2 || dataset.shape()[0] != n {
            return Err(Error::format(
                &self.path,
                format!(
                    "{member}: shape {:?}; {n} rows and some columns are expected",
                    dataset.shape()
                ),
            ));
        }
        let width = dataset.shape()[1];
        let array = super::array::NumberArray::open(&self.path, dataset, member)?;
        Ok((array.read_all()?, width))
    }

    /// What is known of a matrix.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reasons `MissingKey`, `CorruptMatrix`, `MissingFilter`.
    pub fn matrix_info(&self, name: &str) -> Result<MatrixInfo> {
        let matrix = self.matrix(name)?;
        let dataset = self.values_of(name, &matrix)?;
        let (layout, shape, n_entries, kind) = match &matrix {
            StoredMatrix::Sparse { major, layout } => {
                let n = major.pointers().last().copied().unwrap_or(0);
                let (a, b) = (major.n_cells(), major.n_genes());
                let shape = match layout {
                    MatrixLayout::Csc => [b, a],
                    _ => [a, b],
                };
                (*layout, shape, n, major.kind())
            }
            StoredMatrix::Dense(rows) => {
                let shape = [rows.n_cells(), rows.n_genes()];
                let n = shape[0] as u64 * shape[1] as u64;
                (MatrixLayout::Dense, shape, n, rows.kind())
            }
        };
        Ok(MatrixInfo {
            layout,
            kind,
            shape,
            n_entries,
            chunk: dataset.chunk(),
            filters: filter_words(&dataset),
        })
    }

    /// The dataset that holds the values of a matrix.
    pub(crate) fn values_of(&self, name: &str, matrix: &StoredMatrix) -> Result<hdf5::Dataset> {
        let full = match matrix {
            StoredMatrix::Sparse { .. } => format!("{name}/data"),
            StoredMatrix::Dense(_) => name.to_owned(),
        };
        self.file
            .dataset(&full)
            .map_err(|e| super::reader::unreadable(&self.path, &full, e))
    }

    /// A matrix as it is stored.
    pub(crate) fn matrix(&self, name: &str) -> Result<StoredMatrix> {
        let matrix = StoredMatrix::open(&self.path, &self.file, name)?;
        let (a, b) = match &matrix {
            StoredMatrix::Sparse { major, layout } => match layout {
                MatrixLayout::Csc => (major.n_genes(), major.n_cells()),
                _ => (major.n_cells(), major.n_genes()),
            },
            StoredMatrix::Dense(rows) => (rows.n_cells(), rows.n_genes()),
        };
        let [n_obs, n_var] = self.shape()?;
        let n_var = match name.strip_prefix("raw/") {
            Some(_) => super::writer::annotate::n_rows(&self.path, &self.file, "raw/var")?,
            None => n_var,
        };
        let is_over_both = name == "X" || name == "raw/X" || name.starts_with("layers/");
        if is_over_both && (a, b) != (n_obs, n_var) {
            return Err(Error::format(
                &self.path,
                format!(
                    "{name} is {a} x {b}, but there are {n_obs} cells and {n_var} genes in its tables"
                ),
            ));
        }
        Ok(matrix)
    }

    /// A matrix by rows. Compressed columns are turned round first, in a file without a name in
    /// `folder`.
    ///
    /// # Errors
    /// As [`matrix_info`](Self::matrix_info) and [`transpose`].
    pub fn rows(&self, ctx: &Context, name: &str, folder: &Path) -> Result<Box<dyn RowSource>> {
        Ok(match self.matrix(name)? {
            StoredMatrix::Sparse {
                major,
                layout: MatrixLayout::Csc,
            } => {
                let label = format!("{}: {name}", self.path.display());
                Box::new(transpose(ctx, &*major, folder, &label)?)
            }
            StoredMatrix::Sparse { major, .. } => major,
            StoredMatrix::Dense(rows) => Box::new(rows),
        })
    }
}

/// Labels of a column as categories; `None` for floats.
pub(crate) fn categorical(column: Column) -> Option<Categorical> {
    if let Column::Categorical(categories) = column {
        return Some(categories);
    }
    let labels: Vec<String> = match column {
        Column::F64(_) | Column::F32(_) => return None,
        Column::I64(v) => return Some(sorted(&v)),
        Column::I32(v) => return Some(sorted(&v)),
        Column::U64(v) => return Some(sorted(&v)),
        other => into_text(other),
    };
    Some(sorted(&labels))
}

fn sorted<T: Ord + ToString>(values: &[T]) -> Categorical {
    let mut categories: Vec<&T> = values.iter().collect();
    categories.sort();
    categories.dedup();
    let codes = values
        .iter()
        .map(|v| categories.binary_search(&v).map_or(-1, |at| at as i32))
        .collect();
    Categorical {
        codes,
        categories: categories.iter().map(|c| c.to_string()).collect(),
        ordered: false,
    }
}
