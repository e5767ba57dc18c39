//! AnnData's `.h5ad`: read as rows of cells, annotated and written.
//!
//! * `file`: opening HDF5 files safely. `array`, `chunk`, `filters`: numeric datasets,
//!   read and decoded in parallel without the HDF5 library where that is possible.
//! * `csr`, `csc`, `dense`, `entries`, `band`: matrices as [`CellBlocks`](super::CellBlocks).
//! * `encoding`, `compound`, `strings`, `obsm`: tables and small arrays of every anndata release.
//! * `reader`: the whole file. `writer`: annotated copies and new files.
//!
//! Only this folder and `tenx_h5` name the hdf5 crate.

pub(crate) mod array;
mod band;
mod btree;
mod chunk;
mod compound;
mod csc;
pub(crate) mod csr;
mod dense;
pub(crate) mod encoding;
mod entries;
pub(crate) mod file;
mod filters;
mod heap;
pub(crate) mod input;
mod obsm;
mod raw;
pub(crate) mod reader;
pub(crate) mod rows;
pub(crate) mod strings;
pub(crate) mod writer;

pub(crate) use array::PieceCache;
#[cfg(fuzzing)]
pub use filters::fuzz::decode_any;
pub use input::{H5adFile, MatrixInfo};
pub use reader::open;
pub use writer::{annotate, create};

/// Version of the HDF5 library in use, for example `"1.10.8"`.
pub fn library_version() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("{major}.{minor}.{patch}")
}
