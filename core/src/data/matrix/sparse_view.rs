//! A sparse matrix in a host's own arrays: checked in parallel, read by cells.
//!
//! Compressed along cells (CSR of cells x genes, or R's `dgCMatrix` of genes x cells) the rows are
//! read where they lie. Compressed along genes the entries are turned round once, by counting.

use std::ops::Range;

use super::arrays::{Index, IndexArray, Value, ValueArray, with_indices, with_values};
use super::{CellSort, Csr, IndexBase, Layout, Orientation, cells_and_genes};
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range, count_of, invalid_count};
use crate::error::Result;

/// A borrowed sparse matrix.
///
/// # Shapes
/// `indptr`: compressed axis + 1 positions; `indices`, `values`: one an entry.
///
/// ```
/// use cytosol::data::matrix::{IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray};
/// // R: a dgCMatrix of 3 genes x 2 cells.
/// let (p, i, x) = ([0, 2, 3], [0, 2, 1], [4.0, 1.0, 7.0]);
/// let ctx = cytosol::Context::single_threaded()?;
/// let view = SparseView {
///     name: "counts",
///     layout: Layout::Csc,
///     orientation: Orientation::GenesByCells,
///     n_rows: 3,
///     n_columns: 2,
///     index_base: IndexBase::Zero,
///     indptr: IndexArray::I32(&p),
///     indices: IndexArray::I32(&i),
///     values: ValueArray::F64(&x),
/// };
/// let counts = view.into_blocks(&ctx, false)?;
/// assert_eq!((counts.n_cells(), counts.n_genes()), (2, 3));
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SparseView<'a> {
    /// The caller's name of the argument, for messages.
    pub name: &'a str,
    /// Which axis is compressed.
    pub layout: Layout,
    /// What the rows are.
    pub orientation: Orientation,
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_columns: usize,
    /// Number of the first position.
    pub index_base: IndexBase,
    /// Where each row (CSR) or column (CSC) begins; one more than there are.
    pub indptr: IndexArray<'a>,
    /// Column (CSR) or row (CSC) of each entry.
    pub indices: IndexArray<'a>,
    /// Value of each entry.
    pub values: ValueArray<'a>,
}

impl<'a> SparseView<'a> {
    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        cells_and_genes(self.orientation, self.n_rows, self.n_columns).0
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        cells_and_genes(self.orientation, self.n_rows, self.n_columns).1
    }

    /// The cells of the matrix, readable in blocks.
    ///
    /// `trusted` skips the pass of [`check`](Self::check); a broken structure is then found when
    /// the broken cell is read.
    ///
    /// # Errors
    /// Those of `check`; for a view compressed along genes also `InvalidData` for a value that is
    /// no count.
    ///
    /// # Cost
    /// Nothing is copied when cells are compressed; else 8 bytes an entry and 8 a cell.
    pub fn into_blocks(self, ctx: &Context, trusted: bool) -> Result<Box<dyn CellBlocks + 'a>> {
        if trusted {
            self.check_lengths()?;
        } else {
            self.check(ctx)?;
        }
        if self.cells_are_compressed() {
            Ok(Box::new(SparseCells { view: self }))
        } else {
            Ok(Box::new(self.turned_round(ctx)?))
        }
    }

    /// Appends all cells to `block`, which the caller has started.
    pub(super) fn append_to(
        &self,
        ctx: &Context,
        trusted: bool,
        block: &mut CountBlock,
    ) -> Result<()> {
        if trusted {
            self.check_lengths()?;
        } else {
            self.check(ctx)?;
        }
        if self.cells_are_compressed() {
            return self.copy_cells(ctx, 0..self.n_cells(), block);
        }
        self.turned_round(ctx)?
            .append_to(ctx, 0..self.n_cells(), block)
    }

    fn copy_cells(&self, ctx: &Context, cells: Range<usize>, block: &mut CountBlock) -> Result<()> {
        with_indices!(self.indices, indices => {
            with_values!(self.values, values => self.copy_typed(ctx, indices, values, cells, block))
        })
    }

    pub(super) fn cells_are_compressed(&self) -> bool {
        matches!(
            (self.layout, self.orientation),
            (Layout::Csr, Orientation::CellsByGenes) | (Layout::Csc, Orientation::GenesByCells)
        )
    }

    /// Lengths of the (compressed, other) axis.
    pub(super) fn axes(&self) -> (usize, usize) {
        match self.layout {
            Layout::Csr => (self.n_rows, self.n_columns),
            Layout::Csc => (self.n_columns, self.n_rows),
        }
    }

    /// Positions of the entries of one compressed row or column, checked against the arrays.
    pub(super) fn entries(&self, major: usize) -> Result<Range<usize>> {
        let base = self.index_base.offset();
        let at = |i: usize| {
            let position = self.indptr.get(i).map(|p| p.wrapping_sub(base))?;
            usize::try_from(position)
                .ok()
                .filter(|&p| p <= self.values.len())
        };
        match (at(major), at(major + 1)) {
            (Some(start), Some(end)) if start <= end => Ok(start..end),
            _ => Err(self.corrupt(
                "indptr",
                major,
                "no range of entries begins here; must not decrease nor pass the end".to_owned(),
            )),
        }
    }

    /// The index of an entry, checked.
    #[inline]
    fn minor<I: Index>(&self, index: I, n_minor: usize, position: usize) -> Result<u32> {
        let minor = index.wide().wrapping_sub(self.index_base.offset()) as u64;
        if minor < n_minor as u64 {
            Ok(minor as u32)
        } else {
            Err(self.out_of_range(position, index.wide()))
        }
    }

    fn copy_typed<I: Index, V: Value>(
        &self,
        ctx: &Context,
        indices: &[I],
        values: &[V],
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        let n_genes = self.n_genes();
        for cell in cells {
            ctx.check_cancelled()?;
            let entries = self.entries(cell)?;
            let first = entries.start;
            let row = indices[entries.clone()].iter().zip(&values[entries]);
            for (k, (&index, &value)) in row.enumerate() {
                block.push(self.minor(index, n_genes, first + k)?, value.number())?;
            }
            block.end_row();
        }
        Ok(())
    }

    /// The same counts compressed by cell, from a view that is compressed by gene.
    fn turned_round(&self, ctx: &Context) -> Result<Csr> {
        with_indices!(self.indices, indices => with_values!(self.values, values => {
            let count = |cell, gene, value| {
                count_of(value).ok_or_else(|| invalid_count(cell, gene, value))
            };
            let sort = self.turn(ctx, indices, |cell, gene, position| {
                count(cell, gene, values[position].number())
            })?;
            Ok(sort.finish())
        }))
    }

    /// Sorts the entries of a view compressed by gene into cells; `value(cell, gene, position)` is what is kept
    /// of each.
    pub(super) fn turn<I: Index, T: Copy + Default>(
        &self,
        ctx: &Context,
        indices: &[I],
        value: impl Fn(usize, usize, usize) -> Result<T>,
    ) -> Result<CellSort<T>> {
        let (n_cells, n_genes) = (self.n_cells(), self.n_genes());
        let mut per_cell = vec![0_usize; n_cells];
        for gene in 0..n_genes {
            ctx.check_cancelled()?;
            for position in self.entries(gene)? {
                per_cell[self.minor(indices[position], n_cells, position)? as usize] += 1;
            }
        }
        let mut sort = CellSort::new(n_genes, per_cell)?;
        for gene in 0..n_genes {
            ctx.check_cancelled()?;
            for position in self.entries(gene)? {
                let cell = self.minor(indices[position], n_cells, position)? as usize;
                sort.place(cell, gene as u32, value(cell, gene, position)?);
            }
        }
        Ok(sort)
    }
}

/// The cells of a view that is compressed by cell.
struct SparseCells<'a> {
    view: SparseView<'a>,
}

impl CellBlocks for SparseCells<'_> {
    fn n_cells(&self) -> usize {
        self.view.n_cells()
    }

    fn n_genes(&self) -> usize {
        self.view.n_genes()
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells())?;
        block.start(cells.start);
        self.view.copy_cells(ctx, cells, block)
    }
}
