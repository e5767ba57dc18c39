//! Rows of values of any type, decoded on the workers: the float-valued sibling of
//! [`CellBlocks`](super::CellBlocks).
//!
//! `CellBlocks` hands out checked counts, read on the calling thread. Preprocessing needs more: floats
//! as well as counts, values as they are stored, and all decoding on the workers. A [`RowSource`]
//! therefore does on the calling thread only what nobody else may do ([`fetch`](RowSource::fetch))
//! and gives the rest as a closure that any worker runs. Stored bytes stay as they are in a
//! [`RowBlock`]; a [`RowReader`] turns one row at a time into canonical form (genes ascending,
//! duplicates summed, zeros left out).
//!
//! `scan` runs over all rows in fixed blocks; nothing here knows what is computed.
//!
//! # Cost
//! Memory: a stretch of about a megabyte a worker, and one decoded chunk of each dataset.

mod block;
mod counts;
mod memory;
pub mod scan;
mod select;

use std::ops::Range;

pub(crate) use block::Stored;
pub use block::{ReadOptions, RowBlock, RowReader};
pub use counts::CountRows;
pub(crate) use memory::StoredRows;
pub use memory::ValueRows;
pub use select::SelectedRows;

use super::dataset::MatrixLayout;
use super::numbers::NumberKind;
use crate::context::Context;
use crate::error::Result;

/// Buffers of one worker, kept from block to block.
#[derive(Default)]
pub struct RowScratch {
    #[cfg(feature = "hdf5")]
    pub(crate) pieces: super::h5ad::PieceCache,
}

impl std::fmt::Debug for RowScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowScratch").finish_non_exhaustive()
    }
}

impl RowScratch {
    /// Gives up what is kept for the next stretch of the same rows.
    pub(crate) fn forget(&mut self) {
        #[cfg(feature = "hdf5")]
        self.pieces.forget();
    }

    /// Takes back the memory of a block that was read with these buffers.
    pub(crate) fn recycle(&mut self, block: RowBlock) {
        #[cfg(feature = "hdf5")]
        self.pieces.recycle(block.into_buffers());
        #[cfg(not(feature = "hdf5"))]
        drop(block);
    }
}

/// The second half of reading rows, for any thread.
pub type PendingRows<'a> = Box<dyn FnOnce(&mut RowScratch) -> Result<RowBlock> + Send + 'a>;

/// A matrix of numbers, cells x genes, that can be read by ranges of rows on many threads.
pub trait RowSource: Send + Sync {
    /// Number of cells (rows).
    fn n_cells(&self) -> usize;

    /// Number of genes (columns).
    fn n_genes(&self) -> usize;

    /// Type of the stored values.
    fn kind(&self) -> NumberKind;

    /// How the matrix is stored where it comes from.
    fn layout(&self) -> MatrixLayout;

    /// Stored bytes of these rows, which is about what they take in memory.
    fn bytes(&self, rows: Range<usize>) -> u64;

    /// Bytes of a stretch of rows below which the storage is read much more than once.
    fn grain(&self) -> u64 {
        0
    }

    /// Bytes that a worker keeps beside the rows while it reads them.
    fn overhead(&self) -> u64 {
        0
    }

    /// Whether [`fetch`](Self::fetch) reads nothing yet, so that many stretches may be fetched at once.
    fn is_lazy(&self) -> bool {
        true
    }

    /// Begins to read rows; on the calling thread.
    ///
    /// # Errors
    /// `InvalidArgument` when the range leaves the matrix; errors of the storage.
    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>>;
}
