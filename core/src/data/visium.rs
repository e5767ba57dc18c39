//! The `outs` folder of Space Ranger: counts of 10x with the place of each spot.
//!
//! Coordinates are the positions on the array (row as x, column as y), as spacexr takes them; the
//! pixel positions in the full-resolution image stay in `obs`.
//!
//! Time and memory: those of the matrix's own reader; the spot table is small.

use std::path::{Path, PathBuf};

use super::cell_tables::add_matched;
use super::dataset::{Dataset, Format, OpenOptions};
use super::table::{Column, Table};
use super::text_file::{file_name, read_fields};
use crate::error::{Error, Reason, Result};

/// Columns of the positions file, in 10x's order, after the barcode.
const COLUMNS: [&str; 5] = ["in_tissue", "x", "y", "pxl_row", "pxl_col"];

/// Opens a folder with `spatial/tissue_positions*.csv` and `filtered_feature_bc_matrix`, `.h5` or
/// folder.
///
/// # Errors
/// `UnsupportedFormat` for missing or broken positions; `InvalidData` when a barcode of the matrix
/// has none; errors of the matrix's reader.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let positions = find_positions(path)?;
    let spots = read_positions(&positions)?;
    let mut dataset = open_matrix(path, options)?;
    // Spots outside the tissue are in the table and not in the filtered matrix: no news.
    let mut of_no_interest = Vec::new();
    add_matched(&positions, &spots, &mut dataset.obs, &mut of_no_interest)?;
    dataset.info.format = Format::Visium;
    dataset.info.path = path.to_path_buf();
    Ok(dataset)
}

fn open_matrix(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let file = path.join("filtered_feature_bc_matrix.h5");
    let folder = path.join("filtered_feature_bc_matrix");
    let read_file = file.exists() && (cfg!(feature = "hdf5") || !folder.exists());
    let mut dataset = super::open(if read_file { &file } else { &folder }, options)?;
    if !read_file {
        dataset.info.matrix = format!("filtered_feature_bc_matrix/{}", dataset.info.matrix);
    }
    Ok(dataset)
}

fn find_positions(path: &Path) -> Result<PathBuf> {
    let folder = path.join("spatial");
    let names = ["tissue_positions.csv", "tissue_positions_list.csv"];
    if let Some(name) = names.iter().find(|name| folder.join(name).is_file()) {
        return Ok(folder.join(name));
    }
    let hint = if folder.join("tissue_positions.parquet").is_file() {
        "; tissue_positions.parquet (Visium HD) is not read: write it out as tissue_positions.csv"
    } else {
        ""
    };
    Err(Error::format(
        &folder,
        format!("the folder lacks tissue_positions.csv and tissue_positions_list.csv{hint}"),
    )
    .with_reason(Reason::MissingKey {
        key: names[0].to_owned(),
    }))
}

/// Reads the table of spots; only the file named `tissue_positions.csv` has a header.
fn read_positions(path: &Path) -> Result<Table> {
    let has_header = file_name(path) == "tissue_positions.csv";
    let lines = read_fields(path, b',', usize::MAX)?;
    let mut barcodes = Vec::with_capacity(lines.len());
    let mut columns: [Vec<f64>; 5] = Default::default();
    for (at, line) in lines.iter().enumerate().skip(usize::from(has_header)) {
        let [barcode, fields @ ..] = &line[..] else {
            continue;
        };
        let values: Option<Vec<f64>> = fields.iter().map(|f| f.trim().parse().ok()).collect();
        let Some(values) = values.filter(|values| values.len() == COLUMNS.len()) else {
            let header = if has_header {
                ""
            } else {
                " (a header is read in tissue_positions.csv only)"
            };
            return Err(Error::format(
                path,
                format!(
                    "line {}: {:?}; must be a barcode, in_tissue, array row and column, pixel row \
                     and column as numbers{header}",
                    at + 1,
                    line.join(",")
                ),
            ));
        };
        barcodes.push(barcode.clone());
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let mut spots = Table::new(barcodes);
    for (name, values) in COLUMNS.into_iter().zip(columns) {
        let column = match name {
            "in_tissue" => Column::Bool(values.iter().map(|&value| value != 0.0).collect()),
            _ => Column::F64(values),
        };
        spots.set(name, column)?;
    }
    Ok(spots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOTS: &str = "B-1,1,0,3,250,270\nC-1,0,1,1,260,280\nA-1,1,2,4,251.5,271\n";

    /// An `outs` folder with two spots, its matrix as a folder.
    fn outs(positions: &str, text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write(&format!("spatial/{positions}"), text);
        write(
            "filtered_feature_bc_matrix/matrix.mtx",
            "%%MatrixMarket matrix coordinate integer general\n1 2 2\n1 1 5\n1 2 6\n",
        );
        write("filtered_feature_bc_matrix/barcodes.tsv", "A-1\nB-1\n");
        write(
            "filtered_feature_bc_matrix/features.tsv",
            "E1\tG\tGene Expression\n",
        );
        folder
    }

    #[test]
    fn array_positions_are_the_coordinates_with_and_without_header() {
        let header = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres";
        for (name, text) in [
            ("tissue_positions_list.csv", SPOTS.to_owned()),
            ("tissue_positions.csv", format!("{header}\n{SPOTS}")),
        ] {
            let folder = outs(name, &text);
            let dataset =
                super::super::open(folder.path(), &OpenOptions::default()).expect("opens");
            assert_eq!(dataset.info.format, Format::Visium);
            assert_eq!(dataset.info.matrix, "filtered_feature_bc_matrix/matrix.mtx");
            assert_eq!(dataset.coordinates(), Some(vec![[2.0, 4.0], [0.0, 3.0]]));
            let pixels = Column::F64(vec![251.5, 250.0]);
            assert_eq!(dataset.obs.column("pxl_row"), Some(&pixels));
            assert_eq!(
                dataset.obs.column("in_tissue"),
                Some(&Column::Bool(vec![true, true]))
            );
            assert!(dataset.info.warnings.is_empty());
        }
    }

    #[test]
    fn missing_and_broken_positions_are_named() {
        let cases = [
            ("other.csv", SPOTS, "lacks tissue_positions.csv"),
            ("tissue_positions.parquet", "", "Visium HD"),
            ("tissue_positions_list.csv", "barcode,in_tissue\n", "line 1"),
            ("tissue_positions_list.csv", "A-1,1,0,3,x,270\n", "line 1"),
            ("tissue_positions_list.csv", "A-1,1,0,3,1,2\n", "\"B-1\""),
        ];
        for (name, text, words) in cases {
            let folder = outs(name, text);
            let error = open(folder.path(), &OpenOptions::default()).expect_err(words);
            assert!(error.message().contains(words), "{error}");
        }
    }
}
