//! Parallel work whose result does not depend on how many threads did it.
//!
//! Work is cut into blocks by the caller ([`blocks`]); [`ordered`] computes blocks on the pool and
//! merges their results on the calling thread, in block order, while reporting progress; [`rng`]
//! gives every item its own stream of random numbers, [`r_random`] goes on with those of an R
//! session. Nothing outside this folder names rayon.
//!
//! Time: one task a block. Memory: at most `2 * threads + 1` blocks and results in flight.

pub mod blocks;
mod ordered;
pub(crate) mod pool;
pub mod r_random;
pub mod reduce;
pub mod rng;

pub use blocks::Blocks;
pub use ordered::{InFlight, map, ordered, ordered_within};
