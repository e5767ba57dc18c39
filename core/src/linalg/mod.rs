//! Dense linear algebra: K x K problems of the solvers, K from one to a few hundred, and larger ones.
//!
//! Matrices are row-major slices, symmetric ones are stored whole. Callers own all scratch memory.

pub mod dense;
mod eigen;
pub mod jacobi;
mod low_pairs;
pub mod psd;
pub mod qp;
pub mod qp_dual;
pub mod qr;
pub mod small;
