//! Cells from compressed rows: a range of cells is a stretch of the file.

use std::ops::Range;
use std::path::PathBuf;

use super::array::NumberArray;
use super::entries::{Entries, Take};
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range, invalid_count};
use crate::error::{Error, Result};

/// Entries read at a time; a larger range of cells is read in several steps.
const BATCH_ENTRIES: u64 = 1 << 21;

/// A CSR matrix on disk.
///
/// Memory: 8 bytes a cell for the row pointers; while reading, 8 bytes an entry of a batch of
/// about two million entries, beside the block that is filled.
#[derive(Debug)]
pub(crate) struct CsrCells {
    path: PathBuf,
    name: String,
    n_genes: usize,
    indptr: Vec<u64>,
    entries: Entries,
}

impl CsrCells {
    /// `indptr` must have been checked against the two arrays.
    pub(crate) fn new(
        path: PathBuf,
        name: String,
        n_genes: usize,
        indptr: Vec<u64>,
        indices: NumberArray,
        data: NumberArray,
    ) -> Self {
        CsrCells {
            path,
            name,
            n_genes,
            indptr,
            entries: Entries::new(indices, data, n_genes),
        }
    }

    /// The rows from `start` that make one batch: at least one.
    fn batch(&self, start: usize, end: usize) -> usize {
        let limit = self.indptr[start].saturating_add(BATCH_ENTRIES);
        let rows = self.indptr[start + 1..=end].partition_point(|&e| e <= limit);
        start + rows.max(1)
    }

    fn read_batch(
        &mut self,
        ctx: &Context,
        rows: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        let (from, to) = (self.indptr[rows.start], self.indptr[rows.end]);
        self.entries.read(ctx, from..to, Take::Both)?;
        if let Some(&(position, value)) = self.entries.odd_values().first() {
            let row = self.indptr.partition_point(|&e| e <= position) - 1;
            let gene = self.entries.indices()[(position - from) as usize] as usize;
            return Err(not_a_count(&self.path, &self.name, row, gene, value));
        }
        for row in rows {
            let lo = (self.indptr[row] - from) as usize;
            let hi = (self.indptr[row + 1] - from) as usize;
            block.push_row(
                &self.entries.indices()[lo..hi],
                &self.entries.values()[lo..hi],
            );
        }
        Ok(())
    }
}

impl CellBlocks for CsrCells {
    fn n_cells(&self) -> usize {
        self.indptr.len() - 1
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells())?;
        block.start(cells.start);
        let mut start = cells.start;
        while start < cells.end {
            ctx.check_cancelled()?;
            let end = self.batch(start, cells.end);
            self.read_batch(ctx, start..end, block)?;
            start = end;
        }
        Ok(())
    }
}

/// The error for a value of a file that is no count.
pub(super) fn not_a_count(
    path: &std::path::Path,
    name: &str,
    row: usize,
    gene: usize,
    value: f64,
) -> Error {
    invalid_count(row, gene, value)
        .in_context(format!("{}: {name}", path.display()))
        .with_file(path)
}
