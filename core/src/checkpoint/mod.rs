//! Files that a crash cannot spoil, and numbers that tell runs apart.

mod atomic_file;
mod fingerprint;

pub use atomic_file::AtomicFile;
pub use fingerprint::Fingerprint;
