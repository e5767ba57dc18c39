//! The owned sparse matrix of counts: simulated data, small data, and files that cannot stream.

use std::ops::Range;

use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range};
use crate::error::{Error, ErrorKind, Result};

/// Counts, cells x genes, compressed by cell, owned.
///
/// Rows may hold their genes in any order, zeros and duplicates: they become canonical when read.
///
/// # Cost
/// 8 bytes an entry and 8 a cell.
///
/// ```
/// use cytosol::data::{CellBlocks, CountBlock, matrix::Csr};
/// let mut counts = Csr::from_dense(3, &[0, 2, 1, 5, 0, 0])?;
/// let mut block = CountBlock::default();
/// counts.read_cells(&cytosol::Context::single_threaded()?, 0..2, &mut block)?;
/// assert_eq!(block.row(0), (&[1, 2][..], &[2, 1][..]));
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    n_genes: usize,
    offsets: Vec<usize>,
    genes: Vec<u32>,
    counts: Vec<u32>,
}

impl Csr {
    /// A matrix without cells, to be filled by [`push`](Self::push) and [`end_cell`](Self::end_cell).
    pub fn new(n_genes: usize) -> Self {
        Csr {
            n_genes,
            offsets: vec![0],
            genes: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// A matrix from its arrays: `offsets` (cells + 1), `genes` and `counts` (one an entry).
    ///
    /// # Errors
    /// `InvalidArgument` when the arrays do not fit each other or a gene is out of range.
    pub fn from_parts(
        n_genes: usize,
        offsets: Vec<usize>,
        genes: Vec<u32>,
        counts: Vec<u32>,
    ) -> Result<Self> {
        if offsets.first() != Some(&0) || offsets.last() != Some(&genes.len()) {
            return Err(Error::argument(
                "offsets",
                format!("must begin with 0 and end with {}", genes.len()),
            ));
        }
        if let Some(cell) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(Error::argument(
                "offsets",
                format!("decrease after position {cell}; must not decrease"),
            ));
        }
        if genes.len() != counts.len() {
            return Err(Error::argument(
                "counts",
                format!("{} counts for {} genes", counts.len(), genes.len()),
            ));
        }
        if let Some(entry) = genes.iter().position(|&gene| gene as usize >= n_genes) {
            return Err(Error::argument(
                "genes",
                format!("[{entry}] = {}; must be below {n_genes}", genes[entry]),
            ));
        }
        Ok(Csr {
            n_genes,
            offsets,
            genes,
            counts,
        })
    }

    /// A matrix from dense rows; zeros are not stored.
    ///
    /// # Errors
    /// `InvalidArgument` unless `counts` holds whole rows of `n_genes`.
    pub fn from_dense(n_genes: usize, counts: &[u32]) -> Result<Self> {
        if n_genes == 0 || counts.len() % n_genes != 0 {
            return Err(Error::argument(
                "counts",
                format!("{} values are not whole rows of {n_genes}", counts.len()),
            ));
        }
        let mut matrix = Csr::new(n_genes);
        for row in counts.chunks_exact(n_genes) {
            for (gene, &count) in row.iter().enumerate() {
                if count > 0 {
                    matrix.push(gene as u32, count);
                }
            }
            matrix.end_cell();
        }
        Ok(matrix)
    }

    /// Adds a count to the cell being built.
    ///
    /// # Panics
    /// When `gene` is not below the number of genes.
    pub fn push(&mut self, gene: u32, count: u32) {
        assert!((gene as usize) < self.n_genes, "gene {gene} out of range");
        self.genes.push(gene);
        self.counts.push(count);
    }

    /// Ends the cell being built.
    pub fn end_cell(&mut self) {
        self.offsets.push(self.genes.len());
    }

    /// Makes room for this many more cells and entries.
    ///
    /// # Errors
    /// `OutOfMemory` naming the bytes asked for.
    pub fn try_reserve(&mut self, n_cells: usize, n_entries: usize) -> Result<()> {
        self.offsets
            .try_reserve_exact(n_cells)
            .and_then(|()| self.genes.try_reserve_exact(n_entries))
            .and_then(|()| self.counts.try_reserve_exact(n_entries))
            .map_err(|e| {
                Error::new(
                    ErrorKind::OutOfMemory,
                    format!(
                        "counts: {} bytes for {n_entries} entries of {n_cells} cells cannot be had",
                        n_entries as u128 * 8 + n_cells as u128 * 8
                    ),
                )
                .with_source(e)
            })
    }

    /// Appends cells to `block`, which the caller has started.
    pub(super) fn append_to(
        &self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        for cell in cells {
            ctx.check_cancelled()?;
            let entries = self.offsets[cell]..self.offsets[cell + 1];
            block.push_row(&self.genes[entries.clone()], &self.counts[entries]);
        }
        Ok(())
    }

    /// Number of stored entries.
    pub fn n_entries(&self) -> usize {
        self.genes.len()
    }

    /// Where each cell's entries begin in [`genes`](Self::genes); one more than there are cells.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Gene of each entry.
    pub fn genes(&self) -> &[u32] {
        &self.genes
    }

    /// Count of each entry.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }
}

impl CellBlocks for Csr {
    fn n_cells(&self) -> usize {
        self.offsets.len() - 1
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
        self.append_to(ctx, cells, block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(Csr::from_parts(2, vec![0, 1], vec![1], vec![4]).is_ok());
        assert!(Csr::from_parts(2, vec![], vec![], vec![]).is_err());
        assert!(Csr::from_parts(2, vec![0, 2], vec![1], vec![4]).is_err());
        assert!(Csr::from_parts(2, vec![0, 2, 1], vec![1], vec![4]).is_err());
        assert!(Csr::from_parts(2, vec![0, 2, 1, 2], vec![1, 0], vec![4, 1]).is_err());
        assert!(Csr::from_parts(2, vec![0, 1], vec![1], vec![]).is_err());
        assert!(Csr::from_parts(2, vec![0, 1], vec![2], vec![1]).is_err());
        assert!(Csr::from_dense(0, &[]).is_err());
        assert!(Csr::from_dense(2, &[1]).is_err());
    }

    #[test]
    fn rows_become_canonical_when_read() {
        let ctx = Context::single_threaded().expect("pool");
        let mut matrix =
            Csr::from_parts(4, vec![0, 0, 4], vec![3, 1, 3, 0], vec![1, 2, 5, 0]).expect("fits");
        let mut block = CountBlock::default();
        matrix.read_cells(&ctx, 1..2, &mut block).expect("read");
        assert_eq!(block.first_row(), 1);
        assert_eq!(block.row(0), (&[1, 3][..], &[2, 6][..]));
        assert!(matrix.read_cells(&ctx, 1..3, &mut block).is_err());
    }

    #[test]
    fn room_that_cannot_be_had_is_an_error() {
        let error = Csr::new(1)
            .try_reserve(1, usize::MAX / 8)
            .expect_err("huge");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
