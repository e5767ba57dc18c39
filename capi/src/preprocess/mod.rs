//! `cyto_pp_*`: preprocessing of `.h5ad` files and of matrices in memory.
//!
//! Options are one JSON object per call, by scanpy's names, checked as a whole; results are one handle for
//! all steps, with a report, arrays and tables.

mod facts;
mod files;
mod filters;
mod given;
mod input;
mod made;
mod matrices;
mod options;
mod result;
#[cfg(feature = "hdf5")]
mod steps;
#[cfg(not(feature = "hdf5"))]
#[path = "steps_without_hdf5.rs"]
mod steps;

pub use files::*;
pub use input::*;
pub use made::*;
pub use matrices::*;
pub use result::*;
