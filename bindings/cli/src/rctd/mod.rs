//! `cyto rctd`: from two files to cell types in a third.
//!
//! [`validate`] looks without computing; [`run`] opens, computes in shards that survive a kill,
//! and streams the results into the output. Nothing here holds pixels x types or pixels x genes.

mod counting;
mod h5ad;
pub mod options;
mod outputs;
mod picture;
mod report;
mod run;
mod tables;
pub mod validate;

pub use run::{execute, run};
