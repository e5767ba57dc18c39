//! Files that a crash cannot spoil.

mod atomic_file;

pub use atomic_file::AtomicFile;
