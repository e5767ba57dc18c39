//! Files that a crash cannot spoil, and numbers that tell runs apart.

mod atomic_file;
mod fingerprint;
mod journal;

pub use atomic_file::{AtomicFile, check_space, cleanup};
pub use fingerprint::Fingerprint;
pub use journal::Journal;
