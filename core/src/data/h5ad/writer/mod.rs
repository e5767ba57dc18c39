//! Writing: annotated copies and new files. Everything ends in [`AtomicFile`].
//!
//! The HDF5 library writes, on the calling thread; nothing in a file depends on threads or on the
//! time of day.
//!
//! [`AtomicFile`]: crate::checkpoint::AtomicFile

pub(crate) mod annotate;
pub(crate) mod chunked;
pub(crate) mod codec;
mod create;
pub(crate) mod edit;
pub(crate) mod element;
pub(crate) mod entries;
pub(crate) mod matrix;
pub(crate) mod members;
pub(crate) mod rewrite;
mod rows;

pub use annotate::annotate;
pub use create::create;
