//! Reading reference outputs: comma-separated text with names.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod npz;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Rows of a CSV file (gzip by its name), the header first.
pub fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    separated(path, b',')
}

fn separated(path: &Path, delimiter: u8) -> Vec<Vec<String>> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut text = Vec::new();
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut text)
            .expect("gzip");
    } else {
        text = bytes;
    }
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(&text[..])
        .records()
        .map(|r| r.expect("csv").iter().map(str::to_owned).collect())
        .collect()
}

/// Lines of a text file.
pub fn lines(path: &Path) -> Vec<String> {
    csv_rows(path)
        .into_iter()
        .map(|row| row.join(","))
        .collect()
}

/// A file of numbers with names: rows by name, columns by name.
pub struct Frame {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    pub cells: Vec<Vec<String>>,
}

impl Frame {
    pub fn read(path: &Path) -> Self {
        Frame::of(csv_rows(path))
    }

    /// The same of tab-separated text.
    pub fn read_tsv(path: &Path) -> Self {
        Frame::of(separated(path, b'\t'))
    }

    fn of(rows: Vec<Vec<String>>) -> Self {
        let mut all = rows.into_iter();
        let header = all.next().expect("a header");
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        for mut row in all {
            cells.push(row.split_off(1));
            rows.push(row.remove(0));
        }
        Frame {
            columns: header[1..].to_vec(),
            rows,
            cells,
        }
    }

    pub fn column(&self, name: &str) -> Vec<&str> {
        let at = self.columns.iter().position(|c| c == name).expect(name);
        self.cells.iter().map(|row| row[at].as_str()).collect()
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        self.column(name)
            .iter()
            .map(|v| v.parse().expect("number"))
            .collect()
    }

    /// A column of numbers where an empty cell is missing.
    pub fn numbers_or_nan(&self, name: &str) -> Vec<f64> {
        self.column(name)
            .iter()
            .map(|v| match *v {
                "" => f64::NAN,
                v => v.parse().expect("number"),
            })
            .collect()
    }

    /// All cells as numbers, row-major.
    pub fn matrix(&self) -> Vec<f64> {
        self.cells
            .iter()
            .flatten()
            .map(|v| v.parse().expect("number"))
            .collect()
    }

    pub fn index(&self) -> BTreeMap<&str, usize> {
        self.rows
            .iter()
            .enumerate()
            .map(|(i, r)| (r.as_str(), i))
            .collect()
    }
}
