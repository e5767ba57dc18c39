//! Reading the DESeq2 reference outputs, and comparing columns with a stated tolerance.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::print_stdout, reason = "what was measured")]

use std::io::Read;
use std::path::{Path, PathBuf};

use cytosol::Context;
use cytosol::data::{Categorical, Column, Table};
use cytosol::deseq::{Counts, DeseqDataset, Design};

/// A tab-separated table with names.
pub struct Frame {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    pub cells: Vec<Vec<String>>,
}

impl Frame {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .expect("gzip");
        let separator = if path.to_string_lossy().contains(".csv") {
            ','
        } else {
            '\t'
        };
        let clean = |field: &str| field.trim().trim_matches('"').to_owned();
        let mut lines = text
            .lines()
            .map(|line| line.split(separator).map(clean).collect::<Vec<_>>());
        let header = lines.next().expect("a header");
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        for mut line in lines {
            cells.push(line.split_off(1));
            rows.push(line.remove(0));
        }
        Frame {
            columns: header[1..].to_vec(),
            rows,
            cells,
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c == name)
    }

    pub fn text(&self, name: &str) -> Vec<String> {
        let at = self
            .columns
            .iter()
            .position(|c| c == name)
            .unwrap_or_else(|| panic!("{name}"));
        self.cells.iter().map(|row| row[at].clone()).collect()
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        self.text(name).iter().map(|v| number(v)).collect()
    }

    /// All cells, row-major.
    pub fn matrix(&self) -> Vec<f64> {
        self.cells.iter().flatten().map(|v| number(v)).collect()
    }
}

pub fn number(text: &str) -> f64 {
    match text {
        "NA" | "NaN" => f64::NAN,
        "TRUE" | "True" => 1.0,
        "FALSE" | "False" => 0.0,
        "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or_else(|e| panic!("{text:?}: {e}")),
    }
}

/// `key<tab>value value ...` lines.
pub fn key_values(path: &Path) -> Vec<(String, Vec<f64>)> {
    let text = std::fs::read_to_string(path).expect("readable");
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let key = fields.next()?.to_owned();
            Some((key, fields.map(|f| number(f.trim())).collect()))
        })
        .collect()
}

pub fn value_of(path: &Path, key: &str) -> Vec<f64> {
    let all = key_values(path);
    let found = all.into_iter().find(|(k, _)| k == key);
    found
        .unwrap_or_else(|| panic!("{key} in {}", path.display()))
        .1
}

pub fn context(threads: usize) -> Context {
    let mut options = cytosol::ContextOptions::default();
    options.threads = threads;
    Context::new(&options).expect("pool")
}

/// The sample table with factors; `levels` gives orders that are not alphabetical.
pub fn col_data(frame: &Frame, levels: &[(&str, &[&str])]) -> Table {
    let mut table = Table::new(frame.rows.clone());
    for name in &frame.columns {
        let text = frame.text(name);
        if text.iter().all(|t| t.parse::<f64>().is_ok()) {
            table
                .set(name.as_str(), Column::F64(frame.numbers(name)))
                .expect("fits");
            continue;
        }
        let mut labels = Categorical::from_labels(&text);
        if let Some((_, order)) = levels.iter().find(|(n, _)| n == name) {
            let code =
                |label: &String| order.iter().position(|l| l == label).expect("level") as i32;
            labels.codes = text.iter().map(code).collect();
            labels.categories = order.iter().map(|l| (*l).to_owned()).collect();
        }
        table
            .set(name.as_str(), Column::Categorical(labels))
            .expect("fits");
    }
    table
}

/// A data set of a golden folder.
pub fn dataset(folder: &Path, design: &str, levels: &[(&str, &[&str])]) -> DeseqDataset {
    let counts = Frame::read(&folder.join("counts.tsv.gz"));
    let table = col_data(&Frame::read(&folder.join("colData.tsv.gz")), levels);
    build(&counts, table, design)
}

pub fn build(counts: &Frame, table: Table, design: &str) -> DeseqDataset {
    let values: Vec<u32> = counts.matrix().iter().map(|&v| v as u32).collect();
    let data = Counts::dense(values, counts.rows.len(), counts.columns.len()).expect("fits");
    DeseqDataset::new(
        &context(1),
        data,
        counts.rows.clone(),
        table,
        Design::formula(design).expect("formula"),
        false,
    )
    .expect("a data set")
}

/// The shared golden folder of a set, or none, said aloud.
pub fn golden(set: &str) -> Option<PathBuf> {
    crate::shared_data::shared(&format!("golden/deseq/{set}"))
}

/// Largest relative difference and its row; missing values must agree, except in rows that `skip`
/// names.
pub fn worst(
    name: &str,
    got: &[f64],
    want: &[f64],
    floor: f64,
    skip: &dyn Fn(usize) -> bool,
) -> (f64, usize) {
    assert_eq!(got.len(), want.len(), "{name}");
    let mut worst = (0.0, 0);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        if skip(i) || g == w {
            continue;
        }
        assert_eq!(g.is_nan(), w.is_nan(), "{name}[{i}]: {g} and {w}");
        if w.is_nan() {
            continue;
        }
        let off = (g - w).abs() / w.abs().max(floor);
        if off > worst.0 {
            worst = (off, i);
        }
    }
    worst
}

/// Asserts that a column agrees, and prints by how much.
pub fn agree(
    name: &str,
    got: &[f64],
    want: &[f64],
    floor: f64,
    tolerance: f64,
    skip: &dyn Fn(usize) -> bool,
) {
    let (off, row) = worst(name, got, want, floor, skip);
    println!("{name:40} {off:9.2e} (row {row})");
    assert!(
        off <= tolerance,
        "{name}: row {row}: {:e} is not {:e} (off by {off:e}, allowed {tolerance:e})",
        got[row],
        want[row]
    );
}

/// p-values by their logarithms, relative.
pub fn agree_p(
    name: &str,
    got: &[f64],
    want: &[f64],
    tolerance: f64,
    skip: &dyn Fn(usize) -> bool,
) {
    let logs = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .map(|p| if *p < 1e-300 { -1e4 } else { p.ln() })
            .collect()
    };
    // Subnormal p-values are printed as 0.
    agree(name, &logs(got), &logs(want), 1e-2, tolerance, skip);
}

pub fn flags(values: &[bool]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(u8::from(v))).collect()
}
