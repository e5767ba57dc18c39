//! Any storage of counts as a source of rows: 10x files, Matrix Market, views of a host's arrays.
//!
//! Rows are read on the calling thread, as `CellBlocks` wants it; only what is computed from them
//! runs on the workers. `.h5ad` files have a faster source of their own.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::{PendingRows, RowBlock, RowSource, Stored};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::source::{CellBlocks, CountBlock};
use crate::error::Result;

/// Rows of counts, as 32-bit floats (10x files are read so by the reference).
pub struct CountRows<'a> {
    counts: Mutex<(Box<dyn CellBlocks + 'a>, CountBlock)>,
    shape: [usize; 2],
    bytes_per_row: u64,
    name: Arc<str>,
}

impl<'a> CountRows<'a> {
    /// `name` is for messages; `n_entries` the number of stored entries where it is known.
    pub fn new(counts: Box<dyn CellBlocks + 'a>, name: &str, n_entries: u64) -> Self {
        let shape = [counts.n_cells(), counts.n_genes()];
        CountRows {
            counts: Mutex::new((counts, CountBlock::default())),
            shape,
            bytes_per_row: n_entries.saturating_mul(8) / (shape[0] as u64).max(1),
            name: name.into(),
        }
    }
}

impl RowSource for CountRows<'_> {
    fn n_cells(&self) -> usize {
        self.shape[0]
    }

    fn n_genes(&self) -> usize {
        self.shape[1]
    }

    fn kind(&self) -> NumberKind {
        NumberKind::F32
    }

    fn layout(&self) -> MatrixLayout {
        MatrixLayout::Csr
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        (rows.len() as u64).saturating_mul(self.bytes_per_row)
    }

    fn is_lazy(&self) -> bool {
        false
    }

    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        let mut guard = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, block) = &mut *guard;
        counts.read_cells(ctx, rows.clone(), block)?;
        let mut starts = vec![0];
        let (mut genes, mut values) = (Vec::new(), Vec::new());
        for row in 0..block.n_rows() {
            let (row_genes, row_counts) = block.row(row);
            genes.extend(row_genes.iter().flat_map(|g| g.to_le_bytes()));
            values.extend(row_counts.iter().flat_map(|&c| (c as f32).to_le_bytes()));
            starts.push(genes.len() / 4);
        }
        let stored = |kind, bytes| Stored { kind, bytes };
        let block = RowBlock::sparse(
            &self.name,
            rows.start,
            self.shape[1],
            (
                starts,
                stored(NumberKind::U32, genes),
                stored(NumberKind::F32, values),
            ),
            0,
        );
        Ok(Box::new(move |_| Ok(block)))
    }
}
