//! Small arrays of `obsm`: coordinates and two- or three-dimensional embeddings.
//!
//! Wide arrays (a PCA of fifty columns) would make memory grow with the cells for nothing; they are
//! named among the members, not read.

use std::path::Path;

use hdf5::Group;

use super::array::{NumberArray, number_kind};
use super::encoding::{TableReader, encoding_of};
use super::reader::{is_group, member_names};
use crate::data::dataset::DenseArray;
use crate::error::{Error, Reason, Result, name_some};

/// Arrays of more columns are not read.
pub(super) const MOST_COLUMNS: usize = 4;

/// Reads every array of `obsm` with at most [`MOST_COLUMNS`] columns, and those `wanted` by name;
/// also frames, when all their columns are numbers.
pub(super) fn read(
    path: &Path,
    root: &Group,
    n_cells: usize,
    wanted: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, DenseArray)>> {
    let mut arrays = Vec::new();
    let present = member_names(root, "obsm");
    if let Some(absent) = wanted.iter().find(|name| !present.contains(name)) {
        let message = format!(
            "there is no obsm/{absent}; present: {}",
            name_some(&present, 20)
        );
        return Err(
            Error::format(path, message).with_reason(Reason::MissingKey {
                key: format!("obsm/{absent}"),
            }),
        );
    }
    let Ok(obsm) = root.group("obsm") else {
        return Ok(arrays);
    };
    for name in present {
        let key = format!("obsm/{name}");
        let array = if is_group(&obsm, &name) {
            read_frame(path, root, &obsm, &name, warnings)?
        } else {
            let most = if wanted.contains(&name) {
                usize::MAX
            } else {
                MOST_COLUMNS
            };
            read_array(path, &obsm, &name, most, warnings)?
        };
        match array {
            Some(array) if array.n_rows == n_cells => arrays.push((name, array)),
            Some(array) => warnings.push(format!(
                "{key}: {} rows for {n_cells} cells; not read",
                array.n_rows
            )),
            None => {}
        }
    }
    Ok(arrays)
}

fn read_array(
    path: &Path,
    obsm: &Group,
    name: &str,
    most_columns: usize,
    warnings: &mut Vec<String>,
) -> Result<Option<DenseArray>> {
    let key = format!("obsm/{name}");
    let Ok(dataset) = obsm.dataset(name) else {
        warnings.push(format!("{key}: cannot be opened; not read"));
        return Ok(None);
    };
    let shape = dataset.shape();
    if !matches!(shape.len(), 1 | 2) || number_kind(&dataset).is_none() {
        warnings.push(format!("{key}: not a matrix of numbers; not read"));
        return Ok(None);
    }
    if shape.get(1).is_some_and(|&n| n > most_columns) {
        return Ok(None);
    }
    let array = NumberArray::open(path, dataset, &key)?;
    let [n_rows, n_columns] = array.shape();
    Ok(Some(DenseArray {
        n_rows,
        n_columns,
        values: array.read_all()?,
    }))
}

fn read_frame(
    path: &Path,
    root: &Group,
    obsm: &Group,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<DenseArray>> {
    let key = format!("obsm/{name}");
    let encoding = obsm
        .group(name)
        .map(|g| encoding_of(&g))
        .unwrap_or_default();
    if encoding != "dataframe" {
        let what = if encoding.is_empty() {
            "a group"
        } else {
            &encoding
        };
        warnings.push(format!("{key}: {what} is not a dense array; not read"));
        return Ok(None);
    }
    let mut notes = Vec::new();
    let frame = TableReader {
        path,
        root,
        warnings: &mut notes,
    }
    .read(&key)?;
    let columns: Option<Vec<Vec<f64>>> =
        frame.columns.iter().map(|(_, c)| c.as_numbers()).collect();
    let columns = match columns {
        Some(columns) if notes.is_empty() && columns.len() <= MOST_COLUMNS => columns,
        _ => {
            warnings.push(format!(
                "{key}: a frame that is not 1 to {MOST_COLUMNS} columns of numbers; not read"
            ));
            return Ok(None);
        }
    };
    let (n_rows, n_columns) = (frame.n_rows(), columns.len());
    let values = (0..n_rows)
        .flat_map(|row| columns.iter().map(move |column| column[row]))
        .collect();
    Ok(Some(DenseArray {
        n_rows,
        n_columns,
        values,
    }))
}
