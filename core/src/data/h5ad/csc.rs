//! Cells from compressed columns, by bands.
//!
//! Rows of a column-compressed file lie scattered over all of it. A band is a run of cells whose
//! entries fit in half the memory budget; it is gathered in one scan over the file (a counting
//! sort by cell), and cells inside it cost nothing more. Reading all cells in order costs one scan
//! to count and one for each band; jumping between bands costs a scan each time.
//!
//! Memory: 8 bytes a gene and a cell, 8 bytes an entry of the band.

use std::ops::Range;
use std::path::PathBuf;

use super::array::NumberArray;
use super::band::Band;
use super::entries::{Entries, Take};
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range};
use crate::error::Result;

/// Entries of the file that are looked at together.
const SCAN_ENTRIES: u64 = 1 << 21;

/// A CSC matrix on disk, read as cells.
#[derive(Debug)]
pub(crate) struct CscCells {
    path: PathBuf,
    name: String,
    n_cells: usize,
    indptr: Vec<u64>,
    entries: Entries,
    /// Entries of each cell, once counted.
    entries_of_cell: Option<Vec<u64>>,
    band: Band,
}

impl CscCells {
    /// `indptr` must have been checked against the two arrays.
    pub(crate) fn new(
        path: PathBuf,
        name: String,
        n_cells: usize,
        indptr: Vec<u64>,
        indices: NumberArray,
        data: NumberArray,
    ) -> Self {
        CscCells {
            path,
            name,
            n_cells,
            indptr,
            entries: Entries::new(indices, data, n_cells),
            entries_of_cell: None,
            band: Band::default(),
        }
    }

    fn count_entries(&mut self, ctx: &Context) -> Result<()> {
        if self.entries_of_cell.is_some() {
            return Ok(());
        }
        let mut counts = vec![0_u64; self.n_cells];
        for stretch in self.stretches() {
            self.entries.read(ctx, stretch, Take::Indices)?;
            for &cell in self.entries.indices() {
                counts[cell as usize] += 1;
            }
        }
        self.entries_of_cell = Some(counts);
        Ok(())
    }

    fn stretches(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let n = self.indptr.last().copied().unwrap_or(0);
        (0..n)
            .step_by(SCAN_ENTRIES as usize)
            .map(move |start| start..(start + SCAN_ENTRIES).min(n))
    }

    /// Gathers the band that begins at `start`.
    fn load_band(&mut self, ctx: &Context, start: usize) -> Result<()> {
        self.count_entries(ctx)?;
        let counts = self.entries_of_cell.as_deref().unwrap_or(&[]);
        let room = ctx.memory_budget() / 2 / 8;
        let mut starts = vec![0_usize];
        let mut total = 0_u64;
        for &n in &counts[start..] {
            if starts.len() > 1 && total + n > room {
                break;
            }
            total += n;
            starts.push(total as usize);
        }
        let rows = start..start + starts.len() - 1;
        self.band = Band {
            genes: vec![0; total as usize],
            counts: vec![0; total as usize],
            odd: Vec::new(),
            rows,
            starts,
        };
        let mut next = self.band.starts.clone();
        let mut gene = 0_usize;
        for stretch in self.stretches() {
            self.entries.read(ctx, stretch.clone(), Take::Both)?;
            let first_gene = gene;
            let values = self.entries.values();
            for (i, &cell) in self.entries.indices().iter().enumerate() {
                while self.indptr[gene + 1] <= stretch.start + i as u64 {
                    gene += 1;
                }
                let cell = cell as usize;
                if self.band.rows.contains(&cell) {
                    let slot = &mut next[cell - start];
                    self.band.genes[*slot] = gene as u32;
                    self.band.counts[*slot] = values[i];
                    *slot += 1;
                }
            }
            self.note_odd(stretch.start, first_gene);
        }
        Ok(())
    }

    /// Remembers values of the stretch just read that are no counts.
    fn note_odd(&mut self, start: u64, first_gene: usize) {
        let mut gene = first_gene;
        for &(position, value) in self.entries.odd_values() {
            while self.indptr[gene + 1] <= position {
                gene += 1;
            }
            let cell = self.entries.indices()[(position - start) as usize] as usize;
            if self.band.rows.contains(&cell) {
                self.band.odd.push((cell, gene as u32, value));
            }
        }
    }
}

impl CellBlocks for CscCells {
    fn n_cells(&self) -> usize {
        self.n_cells
    }

    fn n_genes(&self) -> usize {
        self.indptr.len() - 1
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells)?;
        block.start(cells.start);
        let mut start = cells.start;
        while start < cells.end {
            ctx.check_cancelled()?;
            if !self.band.rows.contains(&start) {
                // Not kept while the next one is gathered.
                self.band = Band::default();
                self.load_band(ctx, start)?;
            }
            let end = cells.end.min(self.band.rows.end);
            self.band
                .copy_to(start..end, block, &self.path, &self.name)?;
            start = end;
        }
        Ok(())
    }
}
