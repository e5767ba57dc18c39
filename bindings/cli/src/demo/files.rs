//! The simulated tissue as two `.h5ad` files.

use std::path::Path;

use cytosol::data::matrix::Csr;
use cytosol::data::{
    Annotations, Categorical, Column, Compression, Numbers, Rows, Table, Tables, create,
};
use cytosol::{Context, Result};

use super::agreement::truth_columns;
use super::simulate::{CELL_TYPES, Tissue};

/// Pixels with their places and their truth.
///
/// # Errors
/// `Io` when the file cannot be written.
pub fn write_spatial(ctx: &Context, tissue: &Tissue, path: &Path) -> Result<()> {
    let n = tissue.truth.len();
    let mut obs = Table::new((1..=n).map(|i| format!("pixel-{i:05}")).collect());
    for (name, column) in truth_columns(&tissue.truth) {
        obs.set(name, column)?;
    }
    let mut places = Annotations::default();
    let coords = tissue.coords.iter().flatten().copied().collect();
    places.obsm("spatial", 2, Rows::Whole(Numbers::F64(coords)));
    write(ctx, tissue, path, (&tissue.spatial, &obs), places)
}

/// Cells with their types.
///
/// # Errors
/// `Io` when the file cannot be written.
pub fn write_reference(ctx: &Context, tissue: &Tissue, path: &Path) -> Result<()> {
    let n = tissue.cell_types.len();
    let mut obs = Table::new((1..=n).map(|i| format!("cell-{i:05}")).collect());
    let labels = Categorical {
        codes: tissue.cell_types.iter().map(|&t| t as i32).collect(),
        categories: CELL_TYPES.map(String::from).to_vec(),
        ordered: false,
    };
    obs.set("cell_type", Column::Categorical(labels))?;
    let nothing = Annotations::default();
    write(ctx, tissue, path, (&tissue.reference, &obs), nothing)
}

fn write(
    ctx: &Context,
    tissue: &Tissue,
    path: &Path,
    (counts, obs): (&Csr, &Table),
    more: Annotations<'_>,
) -> Result<()> {
    let mut var = Table::new(tissue.genes.clone());
    // A group of genes for the metrics of `cyto pp`, as mitochondrial genes are in data of a user.
    let is_mt = (0..tissue.genes.len()).map(|gene| gene % 50 == 0).collect();
    var.columns.push(("mt".to_owned(), Column::Bool(is_mt)));
    let tables = Tables { obs, var: &var };
    let mut counts = counts.clone();
    create(ctx, path, &mut counts, tables, more, Compression::default())
}
