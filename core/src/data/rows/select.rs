//! Some cells and genes of a source, as a source of its own; also any source in canonical sparse form.
//!
//! Blocks of a scan are blocks of what is left, so that a statistic over a selection has the same bits
//! as over a file that was cut down before.
//!
//! # Cost
//! That of the source; rows that go between rows that stay are read as well.

use std::ops::Range;
use std::sync::Arc;

use super::{PendingRows, ReadOptions, RowBlock, RowReader, RowSource, Stored};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::{NumberKind, append_index_bytes, append_numbers};
use crate::data::source::check_range;
use crate::error::{Error, Result};

/// Number of a gene that goes.
const GONE: u32 = u32::MAX;

/// Some cells and genes of a matrix.
pub struct SelectedRows<'a> {
    inner: &'a dyn RowSource,
    cells: Option<Vec<usize>>,
    /// Number of each gene among those that stay.
    numbers: Option<Vec<u32>>,
    n_genes: usize,
    read: ReadOptions,
    name: Arc<str>,
}

impl<'a> SelectedRows<'a> {
    /// Cells and genes that stay, ascending; `None` = all.
    ///
    /// # Errors
    /// `InvalidArgument` when they are not ascending or out of range.
    pub fn new(
        inner: &'a dyn RowSource,
        cells: Option<&[usize]>,
        genes: Option<&[usize]>,
        read: ReadOptions,
    ) -> Result<Self> {
        check("cells", cells, inner.n_cells())?;
        check("genes", genes, inner.n_genes())?;
        let numbers = genes.map(|genes| {
            let mut numbers = vec![GONE; inner.n_genes()];
            for (to, &from) in genes.iter().enumerate() {
                numbers[from] = to as u32;
            }
            numbers
        });
        Ok(SelectedRows {
            inner,
            cells: cells.map(<[usize]>::to_vec),
            numbers,
            n_genes: genes.map_or(inner.n_genes(), <[usize]>::len),
            read,
            name: "X".into(),
        })
    }

    /// The rows of the source that hold these.
    fn source_rows(&self, rows: &Range<usize>) -> Range<usize> {
        match &self.cells {
            None => rows.clone(),
            Some(_) if rows.is_empty() => 0..0,
            Some(cells) => cells[rows.start]..cells[rows.end - 1] + 1,
        }
    }

    fn select(&self, rows: &Range<usize>, block: &RowBlock) -> Result<RowBlock> {
        let mut row = RowReader::new(self.read);
        let kind = match block.value_kind() {
            NumberKind::F16 => NumberKind::F32,
            kind => kind,
        };
        let (mut genes, mut values, mut starts) = (Vec::new(), Vec::new(), vec![0]);
        for number in rows.clone() {
            let cell = self.cells.as_ref().map_or(number, |cells| cells[number]);
            row.read(block, cell - block.first_row())?;
            let mut kept = row.genes.len();
            if let Some(numbers) = &self.numbers {
                kept = 0;
                for i in 0..row.genes.len() {
                    let gene = numbers[row.genes[i] as usize];
                    row.genes[kept] = gene;
                    row.values[kept] = row.values[i];
                    kept += usize::from(gene != GONE);
                }
            }
            append_index_bytes(NumberKind::U32, &row.genes[..kept], &mut genes);
            append_numbers(kind, &row.values[..kept], &mut values);
            starts.push(genes.len() / 4);
        }
        let stored = |kind, bytes| Stored { kind, bytes };
        Ok(RowBlock::sparse(
            &self.name,
            rows.start,
            self.n_genes,
            (starts, stored(NumberKind::U32, genes), stored(kind, values)),
            0,
        ))
    }
}

fn check(what: &str, kept: Option<&[usize]>, n: usize) -> Result<()> {
    let Some(kept) = kept else {
        return Ok(());
    };
    let is_fine =
        kept.windows(2).all(|pair| pair[0] < pair[1]) && kept.last().is_none_or(|&last| last < n);
    if is_fine {
        return Ok(());
    }
    Err(Error::argument(
        what,
        format!("must be ascending numbers below {n}"),
    ))
}

impl RowSource for SelectedRows<'_> {
    fn n_cells(&self) -> usize {
        self.cells.as_ref().map_or(self.inner.n_cells(), Vec::len)
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn kind(&self) -> NumberKind {
        self.inner.kind()
    }

    fn layout(&self) -> MatrixLayout {
        self.inner.layout()
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        self.inner.bytes(self.source_rows(&rows))
    }

    fn grain(&self) -> u64 {
        self.inner.grain()
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn is_lazy(&self) -> bool {
        self.inner.is_lazy()
    }

    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        let pending = self.inner.fetch(ctx, self.source_rows(&rows))?;
        Ok(Box::new(move |scratch| {
            self.select(&rows, &pending(scratch)?)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RowScratch, ValueRows};
    use super::*;

    #[test]
    fn what_stays_is_renumbered() {
        let source = ValueRows::from_dense(
            NumberKind::F64,
            3,
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 8.0, 9.0],
        )
        .expect("rows");
        let some = SelectedRows::new(
            &source,
            Some(&[0, 2]),
            Some(&[0, 2]),
            ReadOptions::default(),
        )
        .expect("selected");
        assert_eq!((some.n_cells(), some.n_genes()), (2, 2));
        let ctx = Context::single_threaded().expect("pool");
        let pending = some.fetch(&ctx, 0..2).expect("fetched");
        let block = pending(&mut RowScratch::default()).expect("read");
        let mut row = RowReader::default();
        row.read(&block, 1).expect("row");
        assert_eq!((&row.genes[..], &row.values[..]), (&[1][..], &[9.0][..]));
        row.read(&block, 0).expect("row");
        assert_eq!(
            (&row.genes[..], &row.values[..]),
            (&[0, 1][..], &[1.0, 3.0][..])
        );
        for wrong in [vec![2, 1], vec![3]] {
            assert!(
                SelectedRows::new(&source, Some(&wrong), None, ReadOptions::default()).is_err()
            );
        }
    }
}
