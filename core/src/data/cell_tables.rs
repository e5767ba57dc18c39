//! Tables that lie beside a matrix: `coords.csv` for pixels, `cells.csv` for cells.
//!
//! Their rows are matched to the matrix by barcode, in any order; rows of other barcodes are left
//! out and reported. Nothing is guessed for a barcode that has no row: it is an error.
//!
//! Time: O(rows). Memory: the columns.

use std::collections::HashMap;
use std::path::Path;

use super::delimited::{TableOptions, read_table};
use super::table::{Column, Table};
use super::text_file::{file_name, find_text};
use crate::error::{Error, Result, name_some};

/// Adds the columns of `coords.csv[.gz]` (barcode, x, y and others) and `cells.csv[.gz]` (barcode
/// and others) of the folder to `obs`, where they exist.
///
/// The first two columns of `coords.csv` become `x` and `y` whatever their header, as spacexr
/// takes them, unless there are columns of these names.
///
/// # Errors
/// `InvalidData` listing the barcodes of the matrix that a table lacks, or that it has twice, and
/// for coordinates or `nUMI` that are not numbers.
pub(crate) fn add_cell_tables(
    folder: &Path,
    obs: &mut Table,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if let Some(path) = find_text(folder, &["coords.csv"]) {
        let mut coords = read_table(&path, &TableOptions::default())?;
        name_coordinates(&path, &mut coords)?;
        add_matched(&path, &coords, obs, warnings)?;
    }
    if let Some(path) = find_text(folder, &["cells.csv"]) {
        let cells = read_table(&path, &TableOptions::default())?;
        add_matched(&path, &cells, obs, warnings)?;
    }
    Ok(())
}

/// Adds the rows of `table` that belong to the rows of `obs`, as new columns.
pub(crate) fn add_matched(
    path: &Path,
    table: &Table,
    obs: &mut Table,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let rows = match_rows(path, &table.index, &obs.index)?;
    let unused = table.n_rows() - rows.len();
    if unused > 0 {
        warnings.push(format!(
            "{}: {unused} of {} rows have no barcode in the matrix and are left out",
            file_name(path),
            table.n_rows()
        ));
    }
    for (name, column) in &table.columns {
        if name == "nUMI" && column.as_numbers().is_none() {
            return Err(not_numbers(path, name, column));
        }
        if obs.column(name).is_some() {
            warnings.push(format!(
                "{}: column {name:?} replaces the one of the table read before",
                file_name(path)
            ));
        }
        obs.set(name.clone(), column.select(&rows))?;
    }
    Ok(())
}

/// Row of `names` for each of `wanted`.
fn match_rows(path: &Path, names: &[String], wanted: &[String]) -> Result<Vec<usize>> {
    let mut row_of: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    let mut repeated = Vec::new();
    for (row, name) in names.iter().enumerate() {
        if row_of.insert(name, row).is_some() {
            repeated.push(name);
        }
    }
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|name| !row_of.contains_key(name.as_str()))
        .collect();
    if !missing.is_empty() {
        let have = match names.is_empty() {
            true => "the table has no rows".to_owned(),
            false => format!("the table has {}", name_some(names, 3)),
        };
        return Err(Error::data(format!(
            "{}: {} of the matrix's {} barcodes have no row: {}; {have}",
            path.display(),
            missing.len(),
            wanted.len(),
            name_some(&missing, 5)
        ))
        .with_file(path));
    }
    if !repeated.is_empty() {
        return Err(Error::data(format!(
            "{}: {} barcodes have more than one row: {}; each must have one",
            path.display(),
            repeated.len(),
            name_some(&repeated, 5)
        ))
        .with_file(path));
    }
    Ok(wanted.iter().map(|name| row_of[name.as_str()]).collect())
}

fn name_coordinates(path: &Path, coords: &mut Table) -> Result<()> {
    if coords.column("x").is_none() || coords.column("y").is_none() {
        if coords.columns.len() < 2 {
            return Err(Error::format(
                path,
                "needs the columns x and y after the barcode",
            ));
        }
        coords.columns[0].0 = "x".to_owned();
        coords.columns[1].0 = "y".to_owned();
    }
    for name in ["x", "y"] {
        let column = coords.require("coords", name)?;
        if column.as_numbers().is_none() {
            return Err(not_numbers(path, name, column));
        }
    }
    Ok(())
}

fn not_numbers(path: &Path, name: &str, column: &Column) -> Error {
    let example = match column {
        Column::Text(labels) => labels
            .iter()
            .find(|label| label.parse::<f64>().is_err())
            .map_or_else(String::new, |label| format!(", for example {label:?}")),
        _ => String::new(),
    };
    Error::data(format!(
        "{}: column {name:?} holds values that are not numbers{example}",
        path.display()
    ))
    .with_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> (Result<()>, Table, Vec<String>) {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let mut obs = Table::new(vec!["B".into(), "A".into()]);
        let mut warnings = Vec::new();
        let outcome = add_cell_tables(folder.path(), &mut obs, &mut warnings);
        (outcome, obs, warnings)
    }

    #[test]
    fn rows_are_matched_by_barcode() {
        let (outcome, obs, warnings) = read(&[
            (
                "coords.csv",
                "barcodes,xcoord,ycoord,nUMI\nA,1,2,30\nZ,0,0,0\nB,3,4.5,10\n",
            ),
            ("cells.csv", "barcode,cell_type\nB,glia\nA,neuron\n"),
        ]);
        outcome.expect("read");
        assert_eq!(obs.column("x"), Some(&Column::I64(vec![3, 1])));
        assert_eq!(obs.column("y"), Some(&Column::F64(vec![4.5, 2.0])));
        assert_eq!(obs.column("nUMI"), Some(&Column::I64(vec![10, 30])));
        let types = Column::Text(vec!["glia".into(), "neuron".into()]);
        assert_eq!(obs.column("cell_type"), Some(&types));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("1 of 3 rows"), "{warnings:?}");
    }

    #[test]
    fn faults_are_named() {
        let cases = [
            (
                "coords.csv",
                "barcode,x,y\nB,1,1\n",
                r#"1 of the matrix's 2 barcodes have no row: "A""#,
            ),
            ("coords.csv", "barcode,x,y\n", "no rows"),
            (
                "coords.csv",
                "barcode,x,y\nA,1,1\nA,1,1\nB,1,1\n",
                "more than one row",
            ),
            (
                "coords.csv",
                "barcode,x\nA,1\nB,1\n",
                "needs the columns x and y",
            ),
            (
                "coords.csv",
                "barcode,x,y\nA,1,left\nB,1,2\n",
                r#"for example "left""#,
            ),
            (
                "cells.csv",
                "barcode,nUMI\nA,many\nB,2\n",
                r#"column "nUMI""#,
            ),
        ];
        for (name, text, words) in cases {
            let error = read(&[(name, text)]).0.expect_err(words);
            assert!(error.message().contains(words), "{error}");
            assert!(error.message().contains(name), "{error}");
        }
    }
}
