//! Statistical building blocks that see slices and numbers only: no files, cells or messages.

pub mod poisson_lognormal;
