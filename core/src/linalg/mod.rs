//! Small dense linear algebra for the solvers: K x K problems, K from one to a few hundred.
//!
//! Matrices are row-major slices, symmetric ones are stored whole. Callers own all scratch memory.

mod eigen;
pub mod psd;
pub mod qp;
pub mod small;
