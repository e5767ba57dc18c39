//! What can be written to an `.h5ad`, and the two ways to write one.
//!
//! [`annotate`] copies a file and adds columns, arrays and `uns` entries; [`create`] writes a new
//! file. Both write beside the target and rename, so that the target is never half written; both
//! report a stage and stop when asked to.
//!
//! Memory: the columns given, and one block of rows of an array or of counts.

use std::ops::Range;
use std::path::Path;

use super::source::CellBlocks;
use super::table::{Column, Table};
use crate::context::Context;
use crate::error::{Error, Result};

/// Fills the vector with some rows of an array, row-major.
pub type FillRows<'a, T> = Box<dyn FnMut(Range<usize>, &mut Vec<T>) -> Result<()> + 'a>;

/// Numbers of one of the types that are written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Numbers {
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// 32-bit integers.
    I32(Vec<i32>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::F64(v) => v.len(),
            Numbers::F32(v) => v.len(),
            Numbers::I64(v) => v.len(),
            Numbers::I32(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An entry of `uns`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Python's None.
    Null,
    /// A string.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Number(f64),
    /// A vector of numbers.
    Numbers(Numbers),
    /// A vector of strings.
    Texts(Vec<String>),
    /// A data frame.
    Table(Table),
    /// Entries by name, in order.
    Dict(Vec<(String, Value)>),
}

/// A matrix with one row per cell, given whole or by blocks of rows.
#[non_exhaustive]
pub enum Rows<'a> {
    /// All rows, row-major.
    Whole(Numbers),
    /// Blocks of 32-bit floats.
    F32(FillRows<'a, f32>),
    /// Blocks of 64-bit floats.
    F64(FillRows<'a, f64>),
    /// Blocks of 32-bit integers.
    I32(FillRows<'a, i32>),
    /// Blocks of 64-bit integers.
    I64(FillRows<'a, i64>),
}

/// An array for `obsm`.
pub struct ObsmArray<'a> {
    /// Columns.
    pub n_columns: usize,
    /// Its rows.
    pub rows: Rows<'a>,
}

impl std::fmt::Debug for ObsmArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObsmArray")
            .field("n_columns", &self.n_columns)
            .finish_non_exhaustive()
    }
}

/// A sparse square matrix over cells, for `obsp`.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseArray {
    /// Where each row begins; one more than there are rows.
    pub offsets: Vec<u64>,
    /// Column of each entry, ascending within a row.
    pub indices: Vec<u32>,
    /// Value of each entry.
    pub values: Numbers,
}

/// What to add to a file; a member of the same name is replaced.
///
/// ```
/// use cytosol::data::{Annotations, Column, Numbers, Rows, Value};
/// let mut new = Annotations::default();
/// new.obs("rctd_converged", Column::Bool(vec![true, false]));
/// new.obsm("rctd_weights", 1, Rows::Whole(Numbers::F32(vec![0.5, 0.25])));
/// new.uns("rctd_mode", Value::Text("full".into()));
/// ```
#[derive(Debug, Default)]
pub struct Annotations<'a> {
    pub(crate) obs: Vec<(String, Column)>,
    pub(crate) obsm: Vec<(String, ObsmArray<'a>)>,
    pub(crate) var: Vec<(String, Column)>,
    pub(crate) varm: Vec<(String, ObsmArray<'a>)>,
    pub(crate) obsp: Vec<(String, SparseArray)>,
    pub(crate) uns: Vec<(String, Value)>,
}

impl<'a> Annotations<'a> {
    /// Adds a column of `obs`.
    pub fn obs(&mut self, name: impl Into<String>, column: Column) -> &mut Self {
        self.obs.push((name.into(), column));
        self
    }

    /// Adds an array of `obsm`.
    pub fn obsm(&mut self, name: impl Into<String>, n_columns: usize, rows: Rows<'a>) -> &mut Self {
        self.obsm.push((name.into(), ObsmArray { n_columns, rows }));
        self
    }

    /// Adds a column of `var`.
    pub fn var(&mut self, name: impl Into<String>, column: Column) -> &mut Self {
        self.var.push((name.into(), column));
        self
    }

    /// Adds an array of `varm`, one row per gene.
    pub fn varm(&mut self, name: impl Into<String>, n_columns: usize, rows: Rows<'a>) -> &mut Self {
        self.varm.push((name.into(), ObsmArray { n_columns, rows }));
        self
    }

    /// Adds a matrix of `obsp`, cells x cells.
    pub fn obsp(&mut self, name: impl Into<String>, matrix: SparseArray) -> &mut Self {
        self.obsp.push((name.into(), matrix));
        self
    }

    /// Adds an entry of `uns`.
    pub fn uns(&mut self, name: impl Into<String>, value: Value) -> &mut Self {
        self.uns.push((name.into(), value));
        self
    }

    /// Checks names and lengths against a file of `n_cells` and `n_genes`.
    ///
    /// # Errors
    /// `InvalidArgument` naming the entry.
    pub fn check(&self, n_cells: usize, n_genes: usize) -> Result<()> {
        let names = |kind: &'static str, names: Vec<&String>| check_names(kind, &names);
        names("obs", self.obs.iter().map(|(n, _)| n).collect())?;
        names("obsm", self.obsm.iter().map(|(n, _)| n).collect())?;
        names("var", self.var.iter().map(|(n, _)| n).collect())?;
        names("varm", self.varm.iter().map(|(n, _)| n).collect())?;
        names("obsp", self.obsp.iter().map(|(n, _)| n).collect())?;
        names("uns", self.uns.iter().map(|(n, _)| n).collect())?;
        for (kind, columns, n) in [("obs", &self.obs, n_cells), ("var", &self.var, n_genes)] {
            for (name, column) in columns {
                check_length(kind, name, column.len(), n)?;
            }
        }
        for (kind, arrays, n) in [("obsm", &self.obsm, n_cells), ("varm", &self.varm, n_genes)] {
            for (name, array) in arrays {
                if let Rows::Whole(values) = &array.rows {
                    let expected = n.saturating_mul(array.n_columns);
                    check_length(kind, name, values.len(), expected)?;
                }
            }
        }
        for (name, matrix) in &self.obsp {
            check_length("obsp", name, matrix.offsets.len(), n_cells + 1)?;
            check_length("obsp", name, matrix.values.len(), matrix.indices.len())?;
        }
        self.uns
            .iter()
            .try_for_each(|(_, value)| check_value(value))
    }
}

fn check_length(kind: &str, name: &str, n: usize, expected: usize) -> Result<()> {
    if n == expected {
        return Ok(());
    }
    Err(Error::argument(
        format!("{kind}[{name:?}]"),
        format!("{n} values; the file needs {expected}"),
    ))
}

fn check_value(value: &Value) -> Result<()> {
    match value {
        Value::Dict(entries) => {
            check_names("uns", &entries.iter().map(|(n, _)| n).collect::<Vec<_>>())?;
            entries.iter().try_for_each(|(_, value)| check_value(value))
        }
        Value::Table(table) => check_table("uns", table),
        _ => Ok(()),
    }
}

/// Checks names of columns and their lengths.
pub(crate) fn check_table(kind: &str, table: &Table) -> Result<()> {
    check_names(
        kind,
        &table.columns.iter().map(|(n, _)| n).collect::<Vec<_>>(),
    )?;
    for (name, column) in &table.columns {
        check_length(kind, name, column.len(), table.n_rows())?;
    }
    Ok(())
}

fn check_names(kind: &str, names: &[&String]) -> Result<()> {
    for (i, name) in names.iter().enumerate() {
        let fault = if name.is_empty() {
            "the name is empty"
        } else if name.contains('/') || name.contains('\0') || name.as_str() == "." {
            "a name cannot be \".\" nor hold a slash or a zero byte"
        } else if kind != "uns" && name.as_str() == "_index" {
            "\"_index\" is the name of the index"
        } else if names[..i].contains(name) {
            "the name is given twice"
        } else {
            continue;
        };
        return Err(Error::argument(format!("{kind}[{name:?}]"), fault));
    }
    Ok(())
}

/// How chunks of a new file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip at level 4.
    #[default]
    Gzip,
    /// gzip at a level from 1 to 9, with or without shuffling the bytes of each number first.
    GzipLevel {
        /// 1 (fast) to 9 (small).
        level: u8,
        /// Whether bytes of equal rank are put together.
        shuffle: bool,
    },
}

/// The tables of a new file.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// One row per cell.
    pub obs: &'a Table,
    /// One row per gene.
    pub var: &'a Table,
}

/// Writes a copy of the `.h5ad` file `source` with annotations added as `target`.
///
/// `target` may be `source`. Members that are not named stay the same bytes. Tables of legacy
/// files are written again in the current encoding.
///
/// # Errors
/// `InvalidArgument` for names and lengths that do not fit; as [`open`](super::open()) for the
/// source; `Io` (reasons `DiskFull`, `ReadOnly`) for the target; `Cancelled`. The target is then as
/// it was.
///
/// # Cost
/// One copy of the file; reflinked where the file system can.
pub fn annotate(
    ctx: &Context,
    source: &Path,
    target: &Path,
    annotations: Annotations<'_>,
) -> Result<()> {
    #[cfg(feature = "hdf5")]
    return super::h5ad::annotate(ctx, source, target, annotations);
    #[cfg(not(feature = "hdf5"))]
    {
        let _ = (ctx, source, annotations);
        Err(super::open::without_hdf5(target))
    }
}

/// Writes a new `.h5ad`: counts as CSR of 32-bit floats, read from `counts` block by block.
///
/// # Errors
/// `InvalidArgument` for tables that do not fit the counts; `InvalidData` for a count above 2^24
/// (not exact as a 32-bit float); errors of `counts`; `Io`; `Cancelled`. The target is then as it was.
pub fn create(
    ctx: &Context,
    target: &Path,
    counts: &mut dyn CellBlocks,
    tables: Tables<'_>,
    annotations: Annotations<'_>,
    compression: Compression,
) -> Result<()> {
    #[cfg(feature = "hdf5")]
    return super::h5ad::create(ctx, target, counts, tables, annotations, compression);
    #[cfg(not(feature = "hdf5"))]
    {
        let _ = (ctx, counts, tables, annotations, compression);
        Err(super::open::without_hdf5(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lengths_are_checked() {
        for (name, words) in [
            ("", "empty"),
            ("a/b", "slash"),
            ("_index", "index"),
            ("x", "3 values; the file needs 2"),
        ] {
            let mut new = Annotations::default();
            new.obs(name, Column::I32(vec![1, 2, 3]));
            let error = new.check(2, 0).expect_err("refused");
            assert!(error.message().contains(words), "{error}");
        }
        let mut new = Annotations::default();
        new.uns("a", Value::Null).uns("a", Value::Null);
        assert!(
            new.check(2, 0)
                .expect_err("twice")
                .message()
                .contains("twice")
        );
        let mut new = Annotations::default();
        new.obsm("w", 2, Rows::Whole(Numbers::F32(vec![0.0; 4])));
        assert!(new.check(2, 0).is_ok());
        assert!(new.check(3, 0).is_err());
    }
}
