//! Cytosol: the embeddable engine for single-cell and spatial genomics.
//!
//! All science of the project lives in this crate; the C ABI, the language bindings and the
//! command line only carry arguments to it and results from it. Results are the same bits for any
//! number of threads and any block size. See ARCHITECTURE.md for which folder may use which.

pub mod build_info;
pub mod checkpoint;
pub mod context;
pub mod data;
pub mod deseq;
pub mod error;
pub mod linalg;
pub mod par;
pub mod preprocess;
pub mod progress;
pub mod rctd;
pub mod stats;

pub use build_info::{BuildInfo, build_info};
pub use context::{Context, ContextOptions, Device};
pub use error::{Error, ErrorKind, Reason, Result};
pub use progress::{CancelToken, Flow, Progress, ProgressSink};
