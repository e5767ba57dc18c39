//! RCTD: which cell types, and how much of each, make up every pixel of a tissue.
//!
//! Counts of a pixel are Poisson with log-normal-like noise around `nUMI * profiles * weights`.
//! The steps, each callable alone: [`Rctd::create`] (filters and gene lists), [`Rctd::fit_bulk`]
//! (platform effects), [`Rctd::choose_sigma`] (noise), then the pixels, at once
//! ([`Rctd::fit_pixels`]) or in shards ([`Rctd::plan`], [`Rctd::run_shard`], [`Rctd::merge`]).
//!
//! Time: `n_pixels * n_genes * n_types^2` an iteration for the fit over all types; doublet mode
//! adds `n_pixels * n_genes` for every pair of candidates. Memory: names and 17 bytes a pixel,
//! profiles, likelihood tables (at most 14 MB each), the blocks in flight, and the results.
//! Nothing of size pixels x genes is ever made. Results are the same bits for any number of
//! threads, any block or shard size.
//!
//! Source: Cable et al. 2022 (Nature Biotechnology 40:517); spacexr 2.2.1.

mod config;
mod doublet;
mod fitter;
mod genes;
mod input;
pub mod irwls;
mod labels;
mod multi;
pub mod output;
mod partial;
mod platform_effect;
mod reference;
mod replicates;
mod results;
mod run;
mod sigma;
mod spatial;
mod tables;

pub use config::{Mode, RctdOptions};
pub use irwls::QpMethod;
pub use labels::cell_type_labels;
pub use partial::Partial;
pub use platform_effect::BulkFit;
pub use reference::{Profiles, RareTypes, Reference, ReferenceInput, ReferenceOptions};
pub use replicates::{Replicate, Replicates};
pub use results::{
    DoubletColumns, DoubletScores, MultiColumns, PixelColumns, RctdResults, SPOT_CLASSES,
};
pub use run::Rctd;
pub use sigma::{SigmaEpoch, SigmaFit};
pub use spatial::{PixelFate, SpatialInput};
