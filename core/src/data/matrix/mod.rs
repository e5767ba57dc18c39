//! Matrices in memory: views of a host's arrays, one owned type, and blocks made by a function.
//!
//! A view borrows arrays that the host owns, in any element type the C ABI knows, and says in so
//! many words whether its rows are cells or genes. Views become [`CellBlocks`](super::CellBlocks), which hold
//! counts, or a [`RowSource`](super::RowSource) of values of any sign and fraction; nothing here computes,
//! and nothing is copied but the rows asked for, with one exception: a sparse view compressed along genes is
//! turned round once (4 bytes and a value an entry).
//!
//! Time: checks about memory speed, on all threads; reading O(entries) sparse, O(cells x genes)
//! dense. Memory: see each type.

mod arrays;
mod cell_sort;
mod csr;
mod dense_view;
mod fn_blocks;
mod sparse_check;
mod sparse_view;
mod value_rows;

pub use arrays::{IndexArray, ValueArray};
pub(crate) use cell_sort::CellSort;
pub use csr::Csr;
pub use dense_view::DenseView;
pub use fn_blocks::FnBlocks;
pub use sparse_view::SparseView;

/// What the rows of a matrix are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// Rows are cells (or pixels), columns are genes, as in Python.
    CellsByGenes,
    /// Rows are genes, columns are cells, as in R.
    GenesByCells,
}

/// Which axis of a sparse matrix is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// By rows.
    Csr,
    /// By columns.
    Csc,
}

/// Number of the first position in `indptr` and `indices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IndexBase {
    /// C, Python, R's `dgCMatrix`.
    #[default]
    Zero,
    /// Julia.
    One,
}

impl IndexBase {
    fn offset(self) -> i64 {
        match self {
            IndexBase::Zero => 0,
            IndexBase::One => 1,
        }
    }
}

/// (cells, genes) of a matrix of this many rows and columns.
fn cells_and_genes(orientation: Orientation, n_rows: usize, n_columns: usize) -> (usize, usize) {
    match orientation {
        Orientation::CellsByGenes => (n_rows, n_columns),
        Orientation::GenesByCells => (n_columns, n_rows),
    }
}
