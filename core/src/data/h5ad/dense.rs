//! Cells from a dense matrix: rows of chunks, kept as sparse rows.
//!
//! Blocks of cells are often shorter than a chunk is high. So all cells of a row of chunks are kept
//! (without their zeros) when they are sure to fit in half the memory budget; otherwise only the
//! cells asked for, and a chunk is decoded again for the next block.
//!
//! Memory: 8 bytes a non-zero of the kept cells, and pieces in flight.

use std::ops::Range;
use std::path::PathBuf;

use super::array::NumberArray;
use super::band::Band;
use super::filters::Scratch;
use crate::context::Context;
use crate::data::numbers::{Whole, append_counts};
use crate::data::source::{CellBlocks, CountBlock, check_range};
use crate::error::Result;
use crate::par;

/// A dense matrix on disk, cells x genes.
#[derive(Debug)]
pub(crate) struct DenseCells {
    path: PathBuf,
    array: NumberArray,
    band: Band,
}

/// The non-zeros of some rows of one piece.
struct Part {
    /// Column of pieces.
    column: usize,
    rows: Range<usize>,
    /// Where each row ends in the two vectors below.
    ends: Vec<usize>,
    genes: Vec<u32>,
    counts: Vec<u32>,
    odd: Vec<(usize, u32, f64)>,
}

impl DenseCells {
    pub(crate) fn new(path: PathBuf, array: NumberArray) -> Self {
        DenseCells {
            path,
            array,
            band: Band::default(),
        }
    }

    /// The rows to load for `wanted`: whole rows of chunks when they are sure to fit.
    fn band_rows(&self, ctx: &Context, wanted: &Range<usize>) -> Range<usize> {
        let [n_cells, n_genes] = self.array.shape();
        let room = (ctx.memory_budget() / 2 / 8) as usize / n_genes.max(1);
        let height = self.array.piece()[0];
        let first = wanted.start / height * height;
        let end = wanted
            .end
            .div_ceil(height)
            .saturating_mul(height)
            .min(n_cells);
        if end - first <= room {
            return first..end;
        }
        let end = (first + height).min(n_cells);
        if end - first <= room {
            return first..end;
        }
        wanted.start..wanted.end.min(wanted.start + room.max(1))
    }

    fn load_band(&mut self, ctx: &Context, rows: Range<usize>) -> Result<()> {
        self.array.check_budget(ctx.memory_budget() / 4)?;
        self.band = Band {
            rows: rows.clone(),
            starts: vec![0],
            ..Band::default()
        };
        let columns = self.array.grid()[1];
        let height = self.array.piece()[0];
        let first = rows.start / height * columns;
        let end = rows.end.div_ceil(height) * columns;
        let mut pieces = first..end;
        let mut parts = Vec::with_capacity(columns);
        let (array, band) = (&self.array, &mut self.band);
        par::ordered(
            ctx,
            None,
            || pieces.next().map(|p| array.fetch(p)).transpose(),
            Scratch::new,
            |scratch, fetched| part_of(array, scratch, fetched, &rows),
            |part| {
                parts.push(part);
                if parts.len() == columns {
                    append_rows(band, &parts);
                    parts.clear();
                }
                Ok(1)
            },
        )
    }
}

fn part_of(
    array: &NumberArray,
    scratch: &mut Scratch,
    fetched: super::array::Fetched,
    rows: &Range<usize>,
) -> Result<Part> {
    let piece = array.decode(scratch, fetched)?;
    let width = piece.columns.len();
    let kept = piece.rows.start.max(rows.start)..piece.rows.end.min(rows.end);
    let size = array.decoded_kind().size();
    let skipped = (kept.start - piece.rows.start) * width;
    let bytes = &piece.bytes[skipped * size..(skipped + kept.len() * width) * size];
    let mut whole = Whole::default();
    append_counts(array.decoded_kind(), bytes, 0, &mut whole);
    let mut part = Part {
        column: piece.columns.start,
        rows: kept.clone(),
        ends: Vec::with_capacity(kept.len()),
        genes: Vec::new(),
        counts: Vec::new(),
        odd: Vec::new(),
    };
    for row in whole.values.chunks(width.max(1)) {
        for (i, &count) in row.iter().enumerate() {
            if count != 0 {
                part.genes.push((part.column + i) as u32);
                part.counts.push(count);
            }
        }
        part.ends.push(part.genes.len());
    }
    for (position, value) in whole.odd {
        let (row, column) = (position as usize / width, position as usize % width);
        part.odd
            .push((kept.start + row, (part.column + column) as u32, value));
    }
    Ok(part)
}

/// Puts a row of pieces side by side.
fn append_rows(band: &mut Band, parts: &[Part]) {
    let Some(first) = parts.first() else {
        return;
    };
    for row in 0..first.rows.len() {
        for part in parts {
            let lo = if row == 0 { 0 } else { part.ends[row - 1] };
            let hi = part.ends[row];
            band.genes.extend_from_slice(&part.genes[lo..hi]);
            band.counts.extend_from_slice(&part.counts[lo..hi]);
        }
        band.starts.push(band.genes.len());
    }
    for part in parts {
        band.odd.extend_from_slice(&part.odd);
    }
}

impl CellBlocks for DenseCells {
    fn n_cells(&self) -> usize {
        self.array.shape()[0]
    }

    fn n_genes(&self) -> usize {
        self.array.shape()[1]
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells())?;
        block.start(cells.start);
        if self.n_genes() == 0 {
            cells.for_each(|_| block.push_row(&[], &[]));
            return Ok(());
        }
        let mut start = cells.start;
        while start < cells.end {
            ctx.check_cancelled()?;
            if !self.band.rows.contains(&start) {
                let rows = self.band_rows(ctx, &(start..cells.end));
                self.load_band(ctx, rows)?;
            }
            let end = cells.end.min(self.band.rows.end);
            self.band
                .copy_to(start..end, block, &self.path, self.array.name())?;
            start = end;
        }
        Ok(())
    }
}
