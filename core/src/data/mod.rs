//! Matrices, tables and the files they come from.
//!
//! Everything that streams counts goes through one interface, [`CellBlocks`]: rows of cells in,
//! whatever the storage. Only this folder knows file formats.

pub(crate) mod cell_tables;
pub mod collate;
pub mod counts_csv;
pub mod dataset;
pub mod delimited;
pub mod gene_names;
#[cfg(feature = "hdf5")]
pub mod h5ad;
pub mod htseq;
#[cfg(feature = "hdf5")]
pub(crate) mod keep_genes;
pub mod matrix;
pub mod mtx;
// Half of it serves files only.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
pub mod numbers;
pub mod open;
pub mod rows;
pub mod source;
pub mod table;
#[cfg(feature = "hdf5")]
pub mod tenx_h5;
pub(crate) mod text_file;
pub mod transpose;
pub mod visium;
pub mod write;

pub use dataset::{Dataset, DatasetInfo, DenseArray, Format, MatrixLayout, OpenOptions, VarNames};
pub use numbers::NumberKind;
pub use open::{detect, open};
pub use rows::{RowBlock, RowReader, RowSource};
pub use source::{CellBlocks, CountBlock};
pub use table::{Categorical, Column, Table};
pub use write::{
    Annotations, Compression, Numbers, ObsmArray, Rows, SparseArray, Tables, Value, annotate,
    create,
};
