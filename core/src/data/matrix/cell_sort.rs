//! Entries in any order, sorted into cells by counting: two passes, no comparison.

use super::Csr;
use crate::error::{Error, ErrorKind, Result};

/// A matrix compressed by cell being filled in any order, once the number of entries of each cell is known.
///
/// Entries of one cell keep the order in which they were placed.
///
/// # Cost
/// O(entries + cells); 4 bytes and a value an entry, 8 a cell.
pub(crate) struct CellSort<T = u32> {
    n_genes: usize,
    /// Where the next entry of each cell goes; one element more than there are cells.
    next: Vec<usize>,
    genes: Vec<u32>,
    values: Vec<T>,
}

impl<T: Copy + Default> CellSort<T> {
    /// Makes room for `per_cell` entries in each cell.
    ///
    /// # Errors
    /// `OutOfMemory` naming the bytes asked for.
    pub(crate) fn new(n_genes: usize, per_cell: Vec<usize>) -> Result<Self> {
        let mut next = per_cell;
        let mut total = 0_usize;
        for slot in &mut next {
            total += std::mem::replace(slot, total);
        }
        next.push(total);
        Ok(CellSort {
            n_genes,
            next,
            genes: zeros(total)?,
            values: zeros(total)?,
        })
    }

    /// Puts an entry into its cell.
    #[inline]
    pub(crate) fn place(&mut self, cell: usize, gene: u32, value: T) {
        let slot = self.next[cell];
        self.genes[slot] = gene;
        self.values[slot] = value;
        self.next[cell] = slot + 1;
    }

    /// Where each cell's entries begin (one more than there are cells), genes and values, once every announced
    /// entry has been placed.
    pub(crate) fn into_parts(self) -> (Vec<usize>, Vec<u32>, Vec<T>) {
        let mut offsets = self.next;
        // Each cell's cursor has moved to where the next cell begins.
        offsets.rotate_right(1);
        offsets[0] = 0;
        (offsets, self.genes, self.values)
    }
}

impl CellSort {
    /// The counts, once every announced entry has been placed.
    pub(crate) fn finish(self) -> Csr {
        let n_genes = self.n_genes;
        let (offsets, genes, counts) = self.into_parts();
        Csr::from_parts(n_genes, offsets, genes, counts)
            .expect("every announced entry was placed, with a gene in range")
    }
}

fn zeros<T: Copy + Default>(n: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(n).map_err(|e| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!(
                "counts: sorting {n} entries by cell needs {} bytes",
                n as u128 * (4 + size_of::<T>() as u128)
            ),
        )
        .with_source(e)
    })?;
    vector.resize(n, T::default());
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_land_in_their_cells_in_order() {
        let mut sort = CellSort::new(5, vec![1, 0, 2]).expect("small");
        sort.place(2, 4, 40);
        sort.place(0, 1, 10);
        sort.place(2, 0, 20);
        let matrix = sort.finish();
        assert_eq!(matrix.offsets(), [0, 1, 1, 3]);
        assert_eq!(matrix.genes(), [1, 4, 0]);
        assert_eq!(matrix.counts(), [10, 40, 20]);
    }
}
