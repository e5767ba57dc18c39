//! Preprocessing of single cells in bounded memory: quality control, filters, normalisation,
//! logarithm, highly variable genes, principal components, scaling, pseudobulk, neighbours.
//!
//! Everything works on a [`RowSource`](crate::data::RowSource), whatever the storage, so that a file
//! that does not fit in memory and a matrix that does give the same bits, for any number of threads
//! and any memory budget. Names, defaults and results are the reference's (scanpy); where its
//! default is inexact ours is exact. [`mod@file`] applies the steps to `.h5ad` files, which are replaced
//! as a whole or not at all.

mod aggregate;
mod counts;
#[cfg(feature = "hdf5")]
pub mod file;
mod filter;
mod gene_batches;
mod hvg;
mod neighbors;
mod normalize;
mod pca;
mod qc;
mod scale;
mod transform;

pub use aggregate::{AggregateFunc, AggregateOptions, Aggregated, CellGroups, aggregate};
pub use counts::{CellSums, GeneSums, Seen};
pub use filter::{CellFilter, FilterReport, GeneFilter, filter_cells, filter_genes};
pub use hvg::{Cutoffs, Hvg, HvgFlavor, HvgInput, HvgOptions, highly_variable_genes};
pub use neighbors::{Neighbors, neighbors};
pub use normalize::{
    MedianOver, NormalizeOptions, SizeFactors, normalized_precision, size_factors,
};
pub use pca::{Pca, PcaInput, PcaOptions, PcaSolver, pca};
pub use qc::{QcGroup, QcMetrics, QcOptions, qc_metrics};
pub use scale::{ScaleInput, ScaleOptions, ScaleStats, Scaled, scale_stats, scaled};
pub use transform::{Precision, Transform, TransformCache, float_precision, transformed};
