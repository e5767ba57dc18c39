//! Folders with a Matrix Market file: 10x (version 2 and 3) and plain ones.
//!
//! `matrix.mtx` holds genes x cells; beside it lie `barcodes.tsv`, `features.tsv` or `genes.tsv`
//! (each may end in `.gz`), and where there are any `coords.csv` and `cells.csv`, whose columns join
//! `obs` by barcode. Names and the size line are read on opening, the entries on the first read.
//!
//! Time: one pass over the text. Memory: the whole matrix, 8 bytes an entry; text cannot be read
//! from the middle. Larger than memory: convert to `.h5ad` first.

mod entries;
mod header;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::cell_tables::add_cell_tables;
use super::dataset::{
    Dataset, DatasetInfo, Format, MatrixLayout, OpenOptions, VarNames, warn_of_duplicates,
};
use super::gene_names::{gene_expression, keep_rows, make_unique, renumber};
use super::matrix::Csr;
use super::source::{CellBlocks, CountBlock};
use super::table::{Column, Table};
use super::text_file::{file_name, find_text, open_text, read_fields};
use crate::context::Context;
use crate::error::{Error, Reason, Result};
use header::Header;

/// Opens a folder.
///
/// # Errors
/// `UnsupportedFormat` with reason `MissingKey` for a missing file, `CorruptMtx` for a header or
/// size line that is wrong or does not fit the names; `InvalidData` for tables beside the matrix
/// that lack barcodes. Faults of the entries come with the first read of the counts.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let matrix = require(path, &["matrix.mtx"])?;
    let barcodes = require(path, &["barcodes.tsv"])?;
    let features = require(path, &["genes.tsv", "features.tsv"])?;
    let header = Header::read(&matrix, &mut *open_text(&matrix)?)?;
    let mut obs = Table::new(first_fields(&barcodes)?);
    let (var, types) = read_genes(&features, options)?;
    header.check_names(
        &matrix,
        (&features, var.n_rows()),
        (&barcodes, obs.n_rows()),
    )?;
    let keep = gene_expression(types.as_deref(), options.gex_only)
        .map_err(|e| e.in_context(features.display()).with_file(&features))?;

    let mut info = DatasetInfo::new(path, Format::Mtx, MatrixLayout::Coordinate);
    add_cell_tables(path, &mut obs, &mut info.warnings)?;
    let var = match &keep {
        Some(keep) => {
            info.warnings.push(format!(
                "{}: {} features of other types than \"Gene Expression\" are left out",
                file_name(&features),
                keep.iter().filter(|&&kept| !kept).count()
            ));
            keep_rows(&var, keep)
        }
        None => var,
    };
    warn_of_duplicates("barcodes", &obs.index, &mut info.warnings);
    warn_of_duplicates("genes", &var.index, &mut info.warnings);
    info.matrix = file_name(&matrix);
    info.dtype = header.field.name().to_owned();
    info.n_cells = obs.n_rows();
    info.n_genes = var.n_rows();
    info.n_entries = header.n_entries;
    let counts = MtxCells {
        path: matrix,
        header,
        gene_of: keep.map(|keep| renumber(&keep)),
        n_genes: var.n_rows(),
        loaded: None,
    };
    Ok(Dataset {
        counts: Box::new(counts),
        obs,
        var,
        obsm: Vec::new(),
        info,
    })
}

fn require(folder: &Path, names: &[&str]) -> Result<PathBuf> {
    find_text(folder, names).ok_or_else(|| {
        let wanted: Vec<String> = names.iter().map(|name| format!("{name}[.gz]")).collect();
        Error::format(folder, format!("the folder lacks {}", wanted.join(" or "))).with_reason(
            Reason::MissingKey {
                key: names[0].to_owned(),
            },
        )
    })
}

fn first_fields(path: &Path) -> Result<Vec<String>> {
    let mut lines = read_fields(path, b'\t', 1)?;
    Ok(lines.iter_mut().map(|line| line.swap_remove(0)).collect())
}

/// The table of genes and the feature type of each, from (id), (id, symbol) or (id, symbol, type).
fn read_genes(path: &Path, options: &OpenOptions) -> Result<(Table, Option<Vec<String>>)> {
    let lines = read_fields(path, b'\t', 3)?;
    let width = lines.first().map_or(1, Vec::len);
    if let Some(at) = lines.iter().position(|line| line.len() != width) {
        return Err(Error::format(
            path,
            format!(
                "line {} has {} tab-separated fields; the first has {width}",
                at + 1,
                lines[at].len()
            ),
        ));
    }
    let field = |at: usize| -> Vec<String> { lines.iter().map(|line| line[at].clone()).collect() };
    let types = (width > 2).then(|| field(2));
    let mut var = if width == 1 {
        Table::new(field(0))
    } else {
        let (name, other, other_name) = match options.var_names {
            VarNames::GeneSymbols => (1, 0, "gene_ids"),
            VarNames::GeneIds => (0, 1, "gene_symbols"),
        };
        let mut names = field(name);
        if options.var_names == VarNames::GeneSymbols {
            make_unique(&mut names);
        }
        let mut var = Table::new(names);
        var.set(other_name, Column::Text(field(other)))?;
        var
    };
    if let Some(types) = &types {
        var.set("feature_types", Column::Text(types.clone()))?;
    }
    Ok((var, types))
}

/// Cells of a Matrix Market file, read whole when first asked for.
struct MtxCells {
    path: PathBuf,
    header: Header,
    /// New number of each feature; `None` keeps all.
    gene_of: Option<Vec<u32>>,
    n_genes: usize,
    loaded: Option<Csr>,
}

impl CellBlocks for MtxCells {
    fn n_cells(&self) -> usize {
        self.header.n_cells
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        let matrix = match &mut self.loaded {
            Some(matrix) => matrix,
            none => {
                let genes = (self.n_genes, self.gene_of.as_deref());
                none.insert(entries::load(ctx, &self.path, &self.header, genes)?)
            }
        };
        matrix.read_cells(ctx, cells, block)
    }
}
