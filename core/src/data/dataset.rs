//! An open file or folder: counts that stream, tables and coordinates in memory.
//!
//! Every reader of this folder ends in a [`Dataset`]; engines and hosts see nothing of the format.
//! Memory: the two tables, the small dense arrays, and what the reader of the counts keeps.

use std::path::PathBuf;

use super::source::CellBlocks;
use super::table::{Column, Table};

/// What to take from a file that holds more than one matrix.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// `.h5ad`: read `layers/<name>` in place of `X`.
    pub layer: Option<String>,
    /// `.h5ad`: read `raw/X` and `raw/var` in place of `X` and `var`.
    pub use_raw: bool,
    /// `.h5ad`: read these arrays of `obsm` however wide they are (narrow ones are always read).
    pub obsm: Vec<String>,
    /// 10x `.h5`: keep the genes of this genome.
    pub genome: Option<String>,
    /// 10x: keep the features of type "Gene Expression" only (default true).
    pub gex_only: bool,
    /// 10x: what names the genes.
    pub var_names: VarNames,
}

/// What names the genes of a 10x file or folder; the other goes into a column of `var`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VarNames {
    /// Symbols, made unique (`B`, `B-1`) in folders, as they stand in `.h5` files; ids in
    /// `var["gene_ids"]`.
    #[default]
    GeneSymbols,
    /// Ids; symbols in `var["gene_symbols"]`.
    GeneIds,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            layer: None,
            use_raw: false,
            obsm: Vec::new(),
            genome: None,
            gex_only: true,
            var_names: VarNames::default(),
        }
    }
}

/// A kind of file or folder that can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// AnnData's `.h5ad`.
    H5ad,
    /// 10x Genomics' `.h5`, version 2 or 3.
    TenxH5,
    /// A folder with `matrix.mtx[.gz]`, 10x or plain.
    Mtx,
    /// The `outs` folder of Space Ranger.
    Visium,
    /// A folder with `counts.csv[.gz]`, genes x cells.
    CountsCsv,
}

impl Format {
    /// Stable lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Format::H5ad => "h5ad",
            Format::TenxH5 => "10x_h5",
            Format::Mtx => "mtx",
            Format::Visium => "visium",
            Format::CountsCsv => "counts_csv",
        }
    }
}

/// How the matrix is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatrixLayout {
    /// Compressed rows: a range of cells is a range of the file.
    Csr,
    /// Compressed columns: ranges of cells are gathered by scans.
    Csc,
    /// Every value stored.
    Dense,
    /// Coordinates as text (Matrix Market).
    Coordinate,
}

impl MatrixLayout {
    /// Stable lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            MatrixLayout::Csr => "csr",
            MatrixLayout::Csc => "csc",
            MatrixLayout::Dense => "dense",
            MatrixLayout::Coordinate => "coordinate",
        }
    }
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// The path as given.
    pub path: PathBuf,
    /// Format.
    pub format: Format,
    /// Where the counts come from: `"X"`, `"layers/counts"`, `"raw/X"`, `"matrix"`, `"matrix.mtx.gz"`.
    pub matrix: String,
    /// How they are stored.
    pub layout: MatrixLayout,
    /// Type of the stored values: `"float32"`, `"uint16"`, `"integer"` (Matrix Market), ...
    pub dtype: String,
    /// Cells.
    pub n_cells: usize,
    /// Genes.
    pub n_genes: usize,
    /// Stored entries (for dense storage cells x genes).
    pub n_entries: u64,
    /// Chunk shape of the values, when they are chunked.
    pub chunk: Option<Vec<usize>>,
    /// Filters of the values in the order of writing: `"shuffle"`, `"gzip:4"`, ...
    pub filters: Vec<String>,
    /// Whether chunks are read and decoded in parallel, without the HDF5 library.
    pub fast_path: bool,
    /// Names of the layers.
    pub layers: Vec<String>,
    /// Whether there is a `raw` matrix.
    pub has_raw: bool,
    /// Other members by path: `"obsm/X_umap"`, `"uns/log1p"`, `"varm/PCs"`, ...
    pub members: Vec<String>,
    /// What a user should know: elements skipped, duplicated names.
    pub warnings: Vec<String>,
}

impl DatasetInfo {
    /// Facts with nothing optional filled in.
    pub fn new(path: impl Into<PathBuf>, format: Format, layout: MatrixLayout) -> Self {
        DatasetInfo {
            path: path.into(),
            format,
            matrix: String::new(),
            layout,
            dtype: String::new(),
            n_cells: 0,
            n_genes: 0,
            n_entries: 0,
            chunk: None,
            filters: Vec::new(),
            fast_path: false,
            layers: Vec::new(),
            has_raw: false,
            members: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A small dense array, row-major: coordinates, embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DenseArray {
    /// Rows (cells).
    pub n_rows: usize,
    /// Columns.
    pub n_columns: usize,
    /// `n_rows * n_columns` values.
    pub values: Vec<f64>,
}

impl DenseArray {
    /// The values of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }
}

/// An open file or folder.
pub struct Dataset {
    /// Counts, cells x genes.
    pub counts: Box<dyn CellBlocks>,
    /// One row per cell.
    pub obs: Table,
    /// One row per gene.
    pub var: Table,
    /// Arrays with one row per cell, by name. Of an `.h5ad` those of at most four columns
    /// (coordinates, embeddings); wider ones are only named in [`DatasetInfo::members`].
    pub obsm: Vec<(String, DenseArray)>,
    /// What was found.
    pub info: DatasetInfo,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Dataset {
    /// Coordinates of each cell: the first two columns of `obsm/spatial` or `obsm/X_spatial`, else
    /// the obs columns `x` and `y`, else `None`.
    pub fn coordinates(&self) -> Option<Vec<[f64; 2]>> {
        for key in ["spatial", "X_spatial"] {
            let array = self.obsm.iter().find(|(name, _)| name == key);
            if let Some((_, array)) = array.filter(|(_, a)| a.n_columns >= 2) {
                return Some(
                    (0..array.n_rows)
                        .map(|row| [array.row(row)[0], array.row(row)[1]])
                        .collect(),
                );
            }
        }
        let x = self.obs.column("x").and_then(Column::as_numbers)?;
        let y = self.obs.column("y").and_then(Column::as_numbers)?;
        Some(x.into_iter().zip(y).map(|(x, y)| [x, y]).collect())
    }

    /// Total counts per cell as the file states them (obs column `nUMI`), when it does.
    pub fn n_umi(&self) -> Option<Vec<f64>> {
        self.obs.column("nUMI").and_then(Column::as_numbers)
    }
}

/// Adds a warning when names repeat: `obs names: 3 are duplicates, first "AAAC-1"`.
pub fn warn_of_duplicates(what: &str, names: &[String], warnings: &mut Vec<String>) {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    let repeated: Vec<&String> = sorted
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[1])
        .collect();
    if let Some(first) = repeated.first() {
        warnings.push(format!(
            "{what}: {} {} used more than once, for example {first:?}",
            repeated.len(),
            if repeated.len() == 1 {
                "name is"
            } else {
                "names are"
            },
        ));
    }
}
