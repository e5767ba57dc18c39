//! What the tests share: the binary, a small simulated tissue, small broken inputs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// The binary, ready for arguments.
pub fn cyto() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cyto"))
}

/// Runs the binary and waits.
pub fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = cyto();
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command.output().expect("the binary starts")
}

/// Standard output of a run that must succeed, as JSON.
pub fn success(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "exit {:?}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

/// The message of a run with `--json` that must fail with exit code 1.
pub fn failure(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(json["status"], "error");
    let message = json["error"].as_str().expect("a message").to_owned();
    assert!(
        stderr.contains(&message),
        "the message is on standard error too"
    );
    assert!(!message.contains('\n'), "one line: {message}");
    message
}

/// A simulated tissue of 200 pixels: `spatial.h5ad` and `reference.h5ad`.
pub fn tissue() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| simulate("200"))
}

/// One that takes long enough to be interrupted.
pub fn large_tissue() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| simulate("2000"))
}

fn simulate(pixels: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cyto-tissue-{pixels}"));
    let output = cyto()
        .args(["demo", "--simulate-only", "--pixels", pixels, "--out"])
        .arg(&folder)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    folder
}

/// `spatial.h5ad` of the tissue.
pub fn spatial() -> PathBuf {
    tissue().join("spatial.h5ad")
}

/// `reference.h5ad` of the tissue.
pub fn reference() -> PathBuf {
    tissue().join("reference.h5ad")
}

/// An empty folder that goes away.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// A folder with `matrix.mtx` and names: what a small input looks like when written by hand.
pub struct MtxFolder<'a> {
    /// Gene names.
    pub genes: Vec<String>,
    /// Barcodes.
    pub cells: Vec<String>,
    /// Lines of `cells.csv` or `coords.csv` after the header, one a cell.
    pub table: (&'a str, &'a str, Vec<String>),
    /// Count of gene and cell.
    pub count: &'a dyn Fn(usize, usize) -> String,
}

impl MtxFolder<'_> {
    /// Writes the folder.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("made");
        let write = |name: &str, lines: Vec<String>| {
            std::fs::write(folder.join(name), lines.join("\n") + "\n").expect("written");
        };
        let mut entries = Vec::new();
        for cell in 0..self.cells.len() {
            for gene in 0..self.genes.len() {
                let value = (self.count)(gene, cell);
                if value != "0" {
                    entries.push(format!("{} {} {value}", gene + 1, cell + 1));
                }
            }
        }
        let (n_genes, n_cells) = (self.genes.len(), self.cells.len());
        let mut lines = vec![
            "%%MatrixMarket matrix coordinate real general".to_owned(),
            format!("{n_genes} {n_cells} {}", entries.len()),
        ];
        lines.extend(entries);
        write("matrix.mtx", lines);
        write("barcodes.tsv", self.cells.clone());
        let features = self
            .genes
            .iter()
            .map(|g| format!("{g}\t{g}\tGene Expression"));
        write("features.tsv", features.collect());
        let (name, header, rows) = &self.table;
        let mut lines = vec![(*header).to_owned()];
        lines.extend(rows.iter().cloned());
        write(name, lines);
    }
}

/// Names `prefix0`, `prefix1`, ...
pub fn numbered(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

/// Reference of two types, 30 cells each, 60 genes named `prefix0`...; even genes mark type A.
pub fn two_types(folder: &Path, prefix: &str, cells_of_b: usize) {
    let cells = numbered("cell", 30 + cells_of_b);
    let rows = cells.iter().enumerate();
    let rows = rows.map(|(i, cell)| format!("{cell},{}", if i < 30 { "A" } else { "B" }));
    MtxFolder {
        genes: numbered(prefix, 60),
        table: ("cells.csv", "barcode,cell_type", rows.collect()),
        count: &|gene, cell| {
            if (gene % 2 == 0) == (cell < 30) {
                "20"
            } else {
                "1"
            }
            .to_owned()
        },
        cells,
    }
    .write(folder);
}

/// Forty pixels over 60 genes named `prefix0`...; `count` says what each holds.
pub fn pixels(folder: &Path, prefix: &str, count: &dyn Fn(usize, usize) -> String) {
    let cells = numbered("pixel", 40);
    let rows = cells.iter().enumerate();
    let rows = rows.map(|(i, cell)| format!("{cell},{},{}", i % 8, i / 8));
    MtxFolder {
        genes: numbered(prefix, 60),
        table: ("coords.csv", "barcode,x,y", rows.collect()),
        count,
        cells,
    }
    .write(folder);
}

/// Counts of forty sensible pixels: A, B and mixtures.
pub fn sensible(gene: usize, pixel: usize) -> String {
    let a = [30, 2, 16][pixel % 3];
    if gene % 2 == 0 { a } else { 32 - a }.to_string()
}
