//! Folders with counts as a table: `counts.csv` (genes x cells), as spacexr reads them.
//!
//! `coords.csv` and `cells.csv` beside it join `obs` by barcode. For large data this is the wrong
//! format: every zero is written out.
//!
//! Time: one pass over the text. Memory: the whole matrix, see [`read_counts_csv`].

use std::path::Path;

use super::cell_tables::add_cell_tables;
use super::dataset::{Dataset, DatasetInfo, Format, MatrixLayout, warn_of_duplicates};
use super::delimited::{TableOptions, read_counts_csv, read_table};
use super::source::CellBlocks;
use super::table::Table;
use super::text_file::{file_name, find_text};
use crate::error::{Error, Reason, Result};

/// Opens a folder.
///
/// Barcodes that went through R may stand in `coords.csv` in R's spelling (`AAAC.1` for `AAAC-1`):
/// when the header's names are absent there and their R spellings all present, the latter are used
/// and a warning says so.
///
/// # Errors
/// As [`read_counts_csv`]; `InvalidData` for tables beside it that lack barcodes.
pub fn open(path: &Path) -> Result<Dataset> {
    let file = find_text(path, &["counts.csv"]).ok_or_else(|| {
        Error::format(path, "the folder lacks counts.csv[.gz]").with_reason(Reason::MissingKey {
            key: "counts.csv".into(),
        })
    })?;
    let read = read_counts_csv(&file)?;
    let mut info = DatasetInfo::new(path, Format::CountsCsv, MatrixLayout::Dense);
    let mut obs = Table::new(read.cells);
    if let Some(coords) = find_text(path, &["coords.csv"]) {
        let known = read_table(&coords, &TableOptions::default())?.index;
        adopt_r_names(&mut obs.index, known, &mut info.warnings);
    }
    add_cell_tables(path, &mut obs, &mut info.warnings)?;
    warn_of_duplicates("barcodes", &obs.index, &mut info.warnings);
    warn_of_duplicates("genes", &read.genes, &mut info.warnings);
    info.matrix = file_name(&file);
    info.dtype = "integer".to_owned();
    info.n_cells = read.counts.n_cells();
    info.n_genes = read.counts.n_genes();
    info.n_entries = info.n_cells as u64 * info.n_genes as u64;
    Ok(Dataset {
        counts: Box::new(read.counts),
        obs,
        var: Table::new(read.genes),
        obsm: Vec::new(),
        info,
    })
}

fn adopt_r_names(names: &mut Vec<String>, mut known: Vec<String>, warnings: &mut Vec<String>) {
    known.sort();
    let is_known = |name: &String| known.binary_search(name).is_ok();
    if names.iter().all(is_known) {
        return;
    }
    let r_names: Vec<String> = names.iter().map(|name| r_name(name)).collect();
    if r_names.iter().all(is_known) {
        warnings.push("barcodes are used in R's spelling, as coords.csv has them".to_owned());
        *names = r_names;
    }
}

/// The name that R's `make.names` makes of a column name.
fn r_name(name: &str) -> String {
    const RESERVED: [&str; 19] = [
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "NA",
        "NA_integer_",
        "NA_real_",
        "NA_character_",
        "NA_complex_",
        "in",
    ];
    let mut start = name.chars();
    let starts_well = match (start.next(), start.next()) {
        (Some('.'), Some(second)) => !second.is_ascii_digit(),
        (Some(first), _) => first.is_alphabetic() || first == '.',
        (None, _) => false,
    };
    let mut made = String::with_capacity(name.len() + 1);
    if !starts_well {
        made.push('X');
    }
    let allowed = |c: char| c.is_alphanumeric() || c == '.' || c == '_';
    made.extend(name.chars().map(|c| if allowed(c) { c } else { '.' }));
    if RESERVED.contains(&made.as_str()) {
        made.push('.');
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_r_spells_them() {
        // Left: given; right: R 4.2.2, make.names().
        for (name, r) in [
            ("AAAC-1", "AAAC.1"),
            ("1a", "X1a"),
            ("_a", "X_a"),
            ("", "X"),
            ("if", "if."),
            (".1a", "X.1a"),
            (".a", ".a"),
            ("a b", "a.b"),
            ("TRUE", "TRUE."),
            ("é-x", "é.x"),
            ("a_b", "a_b"),
            ("...", "..."),
        ] {
            assert_eq!(r_name(name), r);
        }
    }

    #[test]
    fn a_folder_opens_with_either_spelling() {
        for (barcode, expected, n_warnings) in [("AAAC-1", "AAAC-1", 0), ("AAAC.1", "AAAC.1", 1)] {
            let folder = tempfile::tempdir().expect("temporary folder");
            let write = |name: &str, text: String| {
                std::fs::write(folder.path().join(name), text).expect("written");
            };
            write("counts.csv", "gene,AAAC-1\nA,3\nB,0\n".to_owned());
            write("coords.csv", format!("barcodes,x,y\n{barcode},1,2\n"));
            let dataset = open(folder.path()).expect("opens");
            assert_eq!(dataset.obs.index, [expected]);
            assert_eq!(dataset.var.index, ["A", "B"]);
            assert_eq!(dataset.coordinates(), Some(vec![[1.0, 2.0]]));
            assert_eq!(dataset.info.warnings.len(), n_warnings);
        }
    }
}
