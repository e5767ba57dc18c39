//! Rows of the selected genes, gathered in batches that every owner of a gene looks through.
//!
//! Sums over cells of products of genes go to matrices of genes x genes or genes x components. Each
//! row of such a matrix has one owner, which adds cell after cell; so the order of additions is
//! that of the cells, whatever the batches, and no thread needs a copy of the matrix.
//!
//! # Cost
//! 24 bytes an entry of the batch.

use crate::context::Context;
use crate::data::RowReader;
use crate::data::rows::scan::Scan;
use crate::error::Result;
use crate::par;

use super::pca::PcaInput;
use super::transform::TransformCache;

/// Entries of a batch: as many as the cache next to a core holds.
const BATCH_ENTRIES: usize = 1 << 16;
/// Genes of one owner.
pub(crate) const TILE_GENES: usize = 32;
/// Number of a gene that is not selected.
const NONE: u32 = u32::MAX;

/// Some cells over the selected genes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Where each cell's entries end.
    pub ends: Vec<u32>,
    /// Selected gene of each entry, ascending in a cell.
    pub genes: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f64>,
    /// Where each gene's entries begin in the two lists below; one more than there are genes.
    pub starts: Vec<u32>,
    /// Entries by gene, in cell order.
    pub entries: Vec<u32>,
    /// Cell of each of those.
    pub cells: Vec<u32>,
}

impl Batch {
    fn clear(&mut self) {
        self.ends.clear();
        self.genes.clear();
        self.values.clear();
    }

    /// The entries of a cell.
    pub fn cell(&self, cell: usize) -> std::ops::Range<usize> {
        let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
        start as usize..self.ends[cell] as usize
    }

    /// Lists the entries by gene.
    fn turn(&mut self, n_genes: usize) {
        self.starts.clear();
        self.starts.resize(n_genes + 1, 0);
        for &gene in &self.genes {
            self.starts[gene as usize + 1] += 1;
        }
        for gene in 0..n_genes {
            self.starts[gene + 1] += self.starts[gene];
        }
        let mut next = self.starts.clone();
        self.entries.resize(self.genes.len(), 0);
        self.cells.resize(self.genes.len(), 0);
        for cell in 0..self.ends.len() {
            for entry in self.cell(cell) {
                let slot = &mut next[self.genes[entry] as usize];
                self.entries[*slot as usize] = entry as u32;
                self.cells[*slot as usize] = cell as u32;
                *slot += 1;
            }
        }
    }
}

/// Numbers of the selected genes among themselves.
pub(crate) fn numbers(genes: &[u32], n_genes: usize) -> Vec<u32> {
    let mut numbers = vec![NONE; n_genes];
    for (number, &gene) in genes.iter().enumerate() {
        numbers[gene as usize] = number as u32;
    }
    numbers
}

/// Puts the entries of selected genes at the front of the reader's vectors; how many.
fn keep_selected(row: &mut RowReader, numbers: &[u32]) -> usize {
    let n = row.genes.len().min(row.values.len());
    let (genes, values) = (&mut row.genes[..n], &mut row.values[..n]);
    let mut kept = 0;
    for i in 0..n {
        let number = numbers[genes[i] as usize];
        // Written always, counted when selected: no branch to mispredict.
        genes[kept] = number;
        values[kept] = values[i];
        kept += usize::from(number != NONE);
    }
    kept
}

/// Leaves the entries of selected genes in the reader, renumbered and transformed.
pub(crate) fn select(
    input: PcaInput<'_>,
    cell: usize,
    row: &mut RowReader,
    numbers: &[u32],
    cache: &mut TransformCache,
) {
    let kept = keep_selected(row, numbers);
    row.genes.truncate(kept);
    row.values.truncate(kept);
    if let Some(transform) = input.transform {
        transform.apply(cell, row, cache);
    }
}

/// Calls `take` with all cells, batch by batch, on the calling thread.
pub(crate) fn batches(
    ctx: &Context,
    input: PcaInput<'_>,
    genes: &[u32],
    stage_name: &str,
    mut take: impl FnMut(&Batch) -> Result<()>,
) -> Result<()> {
    let numbers = numbers(genes, input.source.n_genes());
    let stage = ctx.stage(stage_name, input.source.n_cells() as u64)?;
    let mut scan = Scan::new(input.source, Some(&stage), 0);
    scan.copies = 1;
    let limit = BATCH_ENTRIES.min((ctx.memory_budget() / 4 / 24) as usize);
    let mut batch = Batch::default();
    scan.run(
        ctx,
        TransformCache::default,
        |_| Batch::default(),
        |cache, part, block| {
            let mut row = RowReader::new(input.read);
            for i in 0..block.n_rows() {
                row.read(block, i)?;
                select(input, block.first_row() + i, &mut row, &numbers, cache);
                part.genes.extend_from_slice(&row.genes);
                part.values.extend_from_slice(&row.values);
                part.ends.push(part.genes.len() as u32);
            }
            Ok(())
        },
        |_, part| {
            let before = batch.genes.len() as u32;
            batch.ends.extend(part.ends.iter().map(|end| end + before));
            batch.genes.extend_from_slice(&part.genes);
            batch.values.extend_from_slice(&part.values);
            if batch.genes.len() >= limit {
                batch.turn(genes.len());
                take(&batch)?;
                batch.clear();
            }
            Ok(())
        },
    )?;
    if !batch.ends.is_empty() {
        batch.turn(genes.len());
        take(&batch)?;
    }
    stage.finish()
}

/// Lets every owner of a tile of genes add to it: `work(first gene, tile)`.
pub(crate) fn each_tile(
    ctx: &Context,
    tiles: &mut Vec<Vec<f64>>,
    work: impl Fn(usize, &mut Vec<f64>) + Sync,
) -> Result<()> {
    let mut waiting = std::mem::take(tiles).into_iter().enumerate();
    par::ordered(
        ctx,
        None,
        || Ok(waiting.next()),
        || (),
        |(), (number, mut tile)| {
            work(number * TILE_GENES, &mut tile);
            Ok(tile)
        },
        |tile| {
            tiles.push(tile);
            Ok(1)
        },
    )
}
