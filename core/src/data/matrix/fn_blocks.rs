//! Cells that a host hands over block by block: matrices that only the host can read.

use std::ops::Range;

use super::SparseView;
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range};
use crate::error::{Error, Result};

/// Takes the view that a host's function has made; see [`FnBlocks`].
pub type TakeView<'t> = dyn FnMut(&SparseView<'_>) -> Result<()> + 't;

/// A source whose blocks are made by a function.
///
/// The function is called on the thread that called the engine, with a range of cells and a taker.
/// It calls the taker once with a view of exactly these cells and all genes; the view's arrays need
/// to live only until the taker returns. The view is checked like any other unless `trusted`.
///
/// ```
/// use cytosol::data::matrix::{FnBlocks, IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray};
/// let mut counts = FnBlocks::new(1000, 10, false, |cells, take| {
///     let indptr: Vec<i64> = (0..=cells.len() as i64).collect();
///     let indices: Vec<i32> = cells.clone().map(|cell| (cell % 10) as i32).collect();
///     take(&SparseView {
///         name: "block",
///         layout: Layout::Csr,
///         orientation: Orientation::CellsByGenes,
///         n_rows: cells.len(),
///         n_columns: 10,
///         index_base: IndexBase::Zero,
///         indptr: IndexArray::I64(&indptr),
///         indices: IndexArray::I32(&indices),
///         values: ValueArray::U8(&vec![1; cells.len()]),
///     })
/// });
/// # use cytosol::data::{CellBlocks, CountBlock};
/// let mut block = CountBlock::default();
/// counts.read_cells(&cytosol::Context::single_threaded()?, 12..14, &mut block)?;
/// assert_eq!(block.row(1), (&[3][..], &[1][..]));
/// # Ok::<(), cytosol::Error>(())
/// ```
pub struct FnBlocks<F> {
    n_cells: usize,
    n_genes: usize,
    trusted: bool,
    lend: F,
}

impl<F> FnBlocks<F>
where
    F: FnMut(Range<usize>, &mut TakeView<'_>) -> Result<()> + Send,
{
    /// A source of this shape that asks `lend` for its blocks.
    pub fn new(n_cells: usize, n_genes: usize, trusted: bool, lend: F) -> Self {
        FnBlocks {
            n_cells,
            n_genes,
            trusted,
            lend,
        }
    }
}

impl<F> CellBlocks for FnBlocks<F>
where
    F: FnMut(Range<usize>, &mut TakeView<'_>) -> Result<()> + Send,
{
    fn n_cells(&self) -> usize {
        self.n_cells
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
        check_range(&cells, self.n_cells)?;
        block.start(cells.start);
        let (trusted, n_genes) = (self.trusted, self.n_genes);
        let mut taken = false;
        let mut take = |view: &SparseView<'_>| {
            if std::mem::replace(&mut taken, true) {
                return Err(Error::argument(view.name, "a block was handed over twice"));
            }
            if (view.n_cells(), view.n_genes()) != (cells.len(), n_genes) {
                return Err(Error::argument(
                    view.name,
                    format!(
                        "block of {} cells x {} genes; {} x {n_genes} were asked for",
                        view.n_cells(),
                        view.n_genes(),
                        cells.len()
                    ),
                ));
            }
            view.append_to(ctx, trusted, block)
        };
        (self.lend)(cells.clone(), &mut take)?;
        if !taken && !cells.is_empty() {
            return Err(Error::argument(
                "blocks",
                format!(
                    "no block was handed over for cells {}..{}",
                    cells.start, cells.end
                ),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexArray, IndexBase, Layout, Orientation, ValueArray};
    use super::*;
    use crate::error::ErrorKind;

    fn view<'a>(n_cells: usize, indices: &'a [i32]) -> SparseView<'a> {
        SparseView {
            name: "block",
            layout: Layout::Csc,
            orientation: Orientation::CellsByGenes,
            n_rows: n_cells,
            n_columns: 1,
            index_base: IndexBase::One,
            indptr: IndexArray::I32(if indices.is_empty() { &[1, 1] } else { &[1, 2] }),
            indices: IndexArray::I32(indices),
            values: ValueArray::U16(if indices.is_empty() { &[] } else { &[3] }),
        }
    }

    fn read(
        lend: impl FnMut(Range<usize>, &mut TakeView<'_>) -> Result<()> + Send,
    ) -> Result<CountBlock> {
        let ctx = Context::single_threaded()?;
        let mut block = CountBlock::default();
        FnBlocks::new(10, 1, false, lend).read_cells(&ctx, 4..6, &mut block)?;
        Ok(block)
    }

    #[test]
    fn blocks_compressed_by_gene_are_taken_too() {
        let block = read(|_, take| take(&view(2, &[2]))).expect("good");
        assert_eq!((block.first_row(), block.n_rows()), (4, 2));
        assert_eq!(block.row(0), (&[][..], &[][..]));
        assert_eq!(block.row(1), (&[0][..], &[3][..]));
    }

    #[test]
    fn a_host_that_breaks_the_contract_is_told() {
        let cases: [(&str, Result<CountBlock>); 4] = [
            ("no block", read(|_, _| Ok(()))),
            (
                "twice",
                read(|_, take| take(&view(2, &[])).and_then(|()| take(&view(2, &[])))),
            ),
            ("were asked for", read(|_, take| take(&view(3, &[])))),
            ("indices: [0]: 3", read(|_, take| take(&view(2, &[3])))),
        ];
        for (words, outcome) in cases {
            let error = outcome.expect_err(words);
            assert!(error.message().contains(words), "{error}");
        }
    }

    #[test]
    fn an_error_of_the_host_comes_back() {
        let error = read(|_, _| Err(Error::new(ErrorKind::Callback, "host")));
        assert_eq!(error.expect_err("host").kind(), ErrorKind::Callback);
    }
}
