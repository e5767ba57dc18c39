//! The steps over files in a library without HDF5: each says so.

use std::path::Path;

use engine::{Context, Error, ErrorKind, Result};

use super::given::Given;
use super::result::cyto_pp_result;

/// What the steps of a file are called with.
pub(crate) struct Files<'a> {
    pub input: &'a Path,
    pub output: Option<&'a Path>,
}

macro_rules! unsupported {
    ($($name:ident),* $(,)?) => {$(
        pub(crate) fn $name(_: &Context, files: &Files<'_>, _: Given) -> Result<cyto_pp_result> {
            Err(without_hdf5(files))
        }
    )*};
}

unsupported!(
    qc,
    filter_cells,
    filter_genes,
    normalize_total,
    log1p,
    highly_variable_genes,
    pca,
    scale,
    neighbors,
    aggregate,
    convert,
    validate,
    preprocess,
);

pub(crate) fn subset(
    _: &Context,
    files: &Files<'_>,
    _: [Option<&[bool]>; 2],
    _: Given,
) -> Result<cyto_pp_result> {
    Err(without_hdf5(files))
}

fn without_hdf5(files: &Files<'_>) -> Error {
    let output = files.output.unwrap_or(files.input);
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: this library was built without HDF5, which .h5ad files need",
            output.display()
        ),
    )
    .with_file(files.input)
}
