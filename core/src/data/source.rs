//! Rows of counts, block by block: the interface between storage and engines.
//!
//! An engine asks a [`CellBlocks`] for a range of cells and gets a [`CountBlock`]: sparse rows in
//! canonical form (genes ascending, no duplicates, no zeros, values checked). Storage that cannot
//! hand out rows cheaply must say what it does in its own docs.
//!
//! Memory: 8 bytes a stored entry of the block, plus 8 a row.

use std::ops::Range;

use crate::context::Context;
use crate::error::{Error, Reason, Result};

/// A matrix of counts, cells x genes, that can be read by ranges of cells.
pub trait CellBlocks: Send {
    /// Number of cells (rows).
    fn n_cells(&self) -> usize;

    /// Number of genes (columns).
    fn n_genes(&self) -> usize;

    /// Replaces `block` by the rows `cells`.
    ///
    /// # Errors
    /// `InvalidArgument` when the range leaves the matrix; `InvalidData` with reason
    /// `InvalidValue` for a negative, fractional or non-finite value; errors of the storage.
    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()>;
}

/// Some consecutive rows of a matrix of counts, in canonical sparse form.
///
/// ```
/// let mut block = cytosol::data::CountBlock::default();
/// block.start(10);
/// block.push(4, 2.0)?;
/// block.push(1, 3.0)?;
/// block.push(4, 1.0)?;
/// block.end_row();
/// assert_eq!(block.row(0), (&[1, 4][..], &[3, 3][..]));
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CountBlock {
    first_row: usize,
    ends: Vec<usize>,
    genes: Vec<u32>,
    counts: Vec<u32>,
    merged_duplicates: u64,
    row_is_sorted: bool,
}

impl CountBlock {
    /// Empties the block; its first row will be the matrix's row `first_row`.
    pub fn start(&mut self, first_row: usize) {
        self.first_row = first_row;
        self.ends.clear();
        self.genes.clear();
        self.counts.clear();
        self.merged_duplicates = 0;
        self.row_is_sorted = true;
    }

    /// Adds a value to the row being built. Zeros are dropped.
    ///
    /// # Errors
    /// `InvalidData`, reason `InvalidValue`, unless `value` is an integer from 0 to 2^32 - 1
    /// (fractions up to 1e-6 are rounded away, as spacexr accepts them).
    #[inline]
    pub fn push(&mut self, gene: u32, value: f64) -> Result<()> {
        if let Some(count) = count_of(value) {
            self.push_count(gene, count);
            return Ok(());
        }
        Err(self.invalid(gene, value))
    }

    /// Adds a count to the row being built. Zeros are dropped.
    #[inline]
    pub fn push_count(&mut self, gene: u32, count: u32) {
        if count == 0 {
            return;
        }
        let start = self.ends.last().copied().unwrap_or(0);
        if let Some(&last) = self.genes[start..].last() {
            self.row_is_sorted &= last < gene;
        }
        self.genes.push(gene);
        self.counts.push(count);
    }

    /// Adds a whole row at once: genes, and a count for each.
    ///
    /// A row that is canonical already is copied; any other goes through
    /// [`push_count`](Self::push_count) and [`end_row`](Self::end_row).
    pub fn push_row(&mut self, genes: &[u32], counts: &[u32]) {
        // Without an early end these loops run many entries at a time.
        let neighbours = genes.iter().zip(genes.get(1..).unwrap_or(&[]));
        let ascends = neighbours.fold(true, |ok, (a, b)| ok & (a < b));
        let has_no_zero = counts.iter().fold(true, |ok, &c| ok & (c != 0));
        if ascends && has_no_zero && self.row_is_empty() {
            self.genes.extend_from_slice(genes);
            self.counts.extend_from_slice(counts);
            self.ends.push(self.genes.len());
            return;
        }
        for (&gene, &count) in genes.iter().zip(counts) {
            self.push_count(gene, count);
        }
        self.end_row();
    }

    fn row_is_empty(&self) -> bool {
        self.ends.last().copied().unwrap_or(0) == self.genes.len()
    }

    /// Ends the row being built: sorts it by gene and sums duplicates (saturating).
    pub fn end_row(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        if !self.row_is_sorted {
            let mut row: Vec<(u32, u32)> = self.genes[start..]
                .iter()
                .copied()
                .zip(self.counts[start..].iter().copied())
                .collect();
            row.sort_by_key(|entry| entry.0);
            self.genes.truncate(start);
            self.counts.truncate(start);
            for (gene, count) in row {
                if self.genes.len() > start && self.genes.last() == Some(&gene) {
                    if let Some(total) = self.counts.last_mut() {
                        *total = total.saturating_add(count);
                    }
                    self.merged_duplicates += 1;
                } else {
                    self.genes.push(gene);
                    self.counts.push(count);
                }
            }
        }
        self.ends.push(self.genes.len());
        self.row_is_sorted = true;
    }

    /// The matrix's row number of the block's first row.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Number of whole rows.
    pub fn n_rows(&self) -> usize {
        self.ends.len()
    }

    /// Number of stored entries.
    pub fn n_entries(&self) -> usize {
        self.genes.len()
    }

    /// How many entries were added onto another entry of the same cell and gene.
    pub fn merged_duplicates(&self) -> u64 {
        self.merged_duplicates
    }

    /// Genes (ascending) and counts (positive) of the block's `row`-th row.
    #[inline]
    pub fn row(&self, row: usize) -> (&[u32], &[u32]) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let end = self.ends[row];
        (&self.genes[start..end], &self.counts[start..end])
    }

    /// The error for a value that is no count, at `gene` of the row being built.
    pub fn invalid(&self, gene: u32, value: f64) -> Error {
        invalid_count(self.first_row + self.ends.len(), gene as usize, value)
    }
}

/// The count that a value stands for: integers from 0 to 2^32 - 1, and values within 1e-6 of one.
#[inline]
pub fn count_of(value: f64) -> Option<u32> {
    let count = value as u32;
    if f64::from(count) == value {
        return Some(count);
    }
    let rounded = value.round();
    let is_count =
        (value - rounded).abs() <= 1e-6 && (0.0..=f64::from(u32::MAX)).contains(&rounded);
    is_count.then_some(rounded as u32)
}

/// The error for a value that is no count.
pub fn invalid_count(row: usize, column: usize, value: f64) -> Error {
    let fault = if value.is_nan() {
        "is not a number".to_owned()
    } else if value < 0.0 {
        format!("{value} is negative")
    } else if value.fract() != 0.0 {
        format!("{value} is not an integer")
    } else {
        format!("{value} is too large")
    };
    Error::data(format!(
        "counts[row {row}, column {column}]: {fault}; counts must be integers from 0 to 4294967295"
    ))
    .with_reason(Reason::InvalidValue {
        row: row as u64,
        column: column as u64,
        value,
    })
}

/// Checks a range of cells against the matrix.
pub fn check_range(cells: &Range<usize>, n_cells: usize) -> Result<()> {
    if cells.start <= cells.end && cells.end <= n_cells {
        return Ok(());
    }
    Err(Error::argument(
        "cells",
        format!(
            "range {}..{} leaves the matrix of {n_cells} cells",
            cells.start, cells.end
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_canonical() {
        let mut block = CountBlock::default();
        block.start(5);
        block.push_count(3, 1);
        block.push_count(1, 0);
        block.push_count(0, 2);
        block.push_count(3, 4);
        block.end_row();
        block.end_row();
        assert_eq!(block.row(0), (&[0, 3][..], &[2, 5][..]));
        assert_eq!(block.row(1), (&[][..], &[][..]));
        assert_eq!(block.merged_duplicates(), 1);
    }

    #[test]
    fn whole_rows_become_canonical_too() {
        let mut block = CountBlock::default();
        block.start(0);
        block.push_row(&[1, 4], &[2, 3]);
        block.push_row(&[4, 1, 4], &[2, 0, 3]);
        block.push_row(&[], &[]);
        assert_eq!(block.row(0), (&[1, 4][..], &[2, 3][..]));
        assert_eq!(block.row(1), (&[4][..], &[5][..]));
        assert_eq!(block.row(2), (&[][..], &[][..]));
    }

    #[test]
    fn values_that_are_no_counts_are_named_with_their_place() {
        let mut block = CountBlock::default();
        block.start(7);
        for (value, words) in [
            (-1.0, "-1 is negative"),
            (0.5, "not an integer"),
            (f64::NAN, "not a number"),
            (1e12, "too large"),
            (f64::INFINITY, "not an integer"),
        ] {
            let error = block.push(2, value).expect_err("refused");
            assert!(
                error.message().contains("counts[row 7, column 2]"),
                "{error}"
            );
            assert!(
                error.message().contains(words) || value.is_infinite(),
                "{error}"
            );
        }
        block.push(2, 3.000_000_4).expect("rounded");
        block.end_row();
        assert_eq!(block.row(0).1, [3]);
    }
}
