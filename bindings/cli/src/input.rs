//! Opening the two inputs of RCTD, with messages that say which of them is at fault.

use std::path::Path;

use cytosol::data::dataset::VarNames;
use cytosol::data::{Categorical, Dataset, Format, OpenOptions, detect, open};
use cytosol::rctd::cell_type_labels;
use cytosol::{Error, ErrorKind, Result};

use crate::args::InputArgs;

/// Opens the spatial counts.
///
/// # Errors
/// As [`cytosol::data::open`].
pub fn open_spatial(input: &InputArgs) -> Result<Dataset> {
    spatial_options(input)
        .and_then(|options| open(&input.spatial, &options))
        .map_err(|e| e.in_context("spatial").with_argument("spatial"))
}

/// What to take from the spatial input.
///
/// # Errors
/// As [`cytosol::data::detect`].
pub fn spatial_options(input: &InputArgs) -> Result<OpenOptions> {
    let mut options = OpenOptions::default();
    options.layer = input.spatial_layer.clone();
    options.use_raw = input.spatial_raw;
    options.genome = input.genome.clone();
    name_genes(&input.spatial, options, input.gene_ids)
}

/// Opens the reference.
///
/// # Errors
/// As [`cytosol::data::open`].
pub fn open_reference(input: &InputArgs) -> Result<Dataset> {
    let mut options = OpenOptions::default();
    options.layer = input.reference_layer.clone();
    options.use_raw = input.reference_raw;
    name_genes(&input.reference, options, input.gene_ids)
        .and_then(|options| open(&input.reference, &options))
        .map_err(|e| e.in_context("reference").with_argument("reference"))
}

/// The options, with ids as names of the genes where that is asked for and the format has them.
fn name_genes(path: &Path, mut options: OpenOptions, gene_ids: bool) -> Result<OpenOptions> {
    refuse_zarr(path)?;
    // The other input may be of a kind that has one name a gene only.
    let has_ids = || {
        let kinds = [Format::TenxH5, Format::Mtx, Format::Visium];
        detect(path).map(|format| kinds.contains(&format))
    };
    if gene_ids && has_ids()? {
        options.var_names = VarNames::GeneIds;
    }
    Ok(options)
}

/// zarr stores are folders that would otherwise be taken for broken MTX folders.
fn refuse_zarr(path: &Path) -> Result<()> {
    let is_zarr = [".zgroup", ".zattrs", "zarr.json"]
        .iter()
        .any(|name| path.join(name).exists());
    if !is_zarr {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: zarr stores cannot be read; write the data to an .h5ad file",
            path.display()
        ),
    )
    .with_file(path))
}

/// The cell type of every reference cell.
///
/// Categories keep their order; other columns are sorted as R sorts them.
///
/// # Errors
/// `NotFound` when the column does not exist (the message names those that do); `InvalidData` when
/// labels are missing or are not labels.
pub fn cell_types(reference: &Dataset, column: &str) -> Result<Categorical> {
    cell_type_labels(&reference.obs, column).map_err(|e| e.with_argument("cell-type-col"))
}
