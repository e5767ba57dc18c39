//! Writing: annotated copies and new files. Everything ends in [`AtomicFile`].
//!
//! The HDF5 library writes, on the calling thread; nothing in a file depends on threads or on the
//! time of day.
//!
//! [`AtomicFile`]: crate::checkpoint::AtomicFile

mod annotate;
mod create;
mod element;
mod rows;

pub use annotate::annotate;
pub use create::create;
