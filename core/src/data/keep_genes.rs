//! A matrix without some of its genes, for storage that cannot leave them out itself.
//!
//! Time: that of the storage; every entry is looked at. Memory: one more block.

use std::ops::Range;

use super::gene_names::{LEFT_OUT, renumber};
use super::source::{CellBlocks, CountBlock};
use crate::context::Context;
use crate::error::Result;

/// The genes of `inner` for which `keep` holds, renumbered without gaps.
pub(crate) struct KeepGenes {
    inner: Box<dyn CellBlocks>,
    gene_of: Vec<u32>,
    n_genes: usize,
    whole: CountBlock,
}

impl KeepGenes {
    /// `keep` has one element for each gene of `inner`.
    pub(crate) fn new(inner: Box<dyn CellBlocks>, keep: &[bool]) -> Self {
        KeepGenes {
            inner,
            gene_of: renumber(keep),
            n_genes: keep.iter().filter(|&&kept| kept).count(),
            whole: CountBlock::default(),
        }
    }
}

impl CellBlocks for KeepGenes {
    fn n_cells(&self) -> usize {
        self.inner.n_cells()
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
        self.inner.read_cells(ctx, cells.clone(), &mut self.whole)?;
        block.start(cells.start);
        for row in 0..self.whole.n_rows() {
            let (genes, counts) = self.whole.row(row);
            for (&gene, &count) in genes.iter().zip(counts) {
                let gene = self.gene_of[gene as usize];
                if gene != LEFT_OUT {
                    block.push_count(gene, count);
                }
            }
            block.end_row();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::matrix::Csr;

    #[test]
    fn kept_genes_are_renumbered() {
        let ctx = Context::single_threaded().expect("pool");
        let all = Csr::from_dense(4, &[1, 2, 0, 3, 9, 0, 0, 0, 0, 5, 6, 7]).expect("whole rows");
        let mut kept = KeepGenes::new(Box::new(all), &[false, true, false, true]);
        assert_eq!((kept.n_cells(), kept.n_genes()), (3, 2));
        let mut block = CountBlock::default();
        kept.read_cells(&ctx, 0..3, &mut block).expect("read");
        assert_eq!(block.row(0), (&[0, 1][..], &[2, 3][..]));
        assert_eq!(block.row(1), (&[][..], &[][..]));
        assert_eq!(block.row(2), (&[0, 1][..], &[5, 7][..]));
    }
}
