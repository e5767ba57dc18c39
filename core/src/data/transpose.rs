//! Compressed columns turned into compressed rows, and back, outside memory.
//!
//! A first pass counts the entries of every row to come. With those counts rows are cut into bands
//! that fit in half the memory budget. One band is gathered in memory; more than one are
//! first parted into a spool file, in one more pass, and gathered band by band. The result is
//! itself a file without a name, which no exit of the process leaves behind.
//!
//! # Cost
//! Time: two passes over the matrix, and for more than one band one writing and reading of the
//! entries. Memory: half the budget, 16 bytes a row. Disk: the entries once, twice while bands are
//! gathered.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::dataset::MatrixLayout;
use super::numbers::{NumberKind, append_u32};
use super::rows::scan::stretches_within;
use super::rows::{PendingRows, RowBlock, RowScratch, RowSource, Stored};
use super::source::check_range;
use crate::checkpoint::check_space;
use crate::context::{Context, Stage};
use crate::error::{Error, ErrorKind, Result};
use crate::par::{InFlight, ordered_within};

/// Bytes of the source that a worker turns into entries at a time.
const STRETCH_BYTES: u64 = 4 << 20;
/// Bytes of a band's entries that are written to the spool at a time.
const SPOOL_BUFFER: usize = 256 << 10;

/// A turned matrix: rows in a file without a name.
#[derive(Debug)]
pub struct SpooledRows {
    file: File,
    /// Where each row begins, in entries.
    offsets: Vec<u64>,
    n_genes: usize,
    kind: NumberKind,
    name: Arc<str>,
}

/// Turns the compressed matrix `source`, whose rows are read as they are stored: row `i` of the result
/// holds what stands in column `i`. `folder` takes the temporary files.
///
/// # Errors
/// Errors of the source; `Io` (reasons `DiskFull`, `ReadOnly`) for the temporary files; `OutOfMemory`
/// when one row exceeds half the budget and cannot be held; `Cancelled`.
pub fn transpose(
    ctx: &Context,
    source: &dyn RowSource,
    folder: &Path,
    name: &str,
) -> Result<SpooledRows> {
    let stage = ctx.stage("transpose", 2 * source.n_cells() as u64)?;
    let turner = Turner {
        ctx,
        source,
        folder,
        stage: &stage,
        value_size: source.kind().size().max(match source.kind() {
            // Half precision may come as singles.
            NumberKind::F16 => 4,
            _ => 0,
        }),
    };
    let offsets = turner.count()?;
    let n_entries = offsets.last().copied().unwrap_or(0);
    let bands = turner.bands(&offsets);
    let copies = if bands.len() > 1 { 2 } else { 1 };
    let bytes = n_entries.saturating_mul(turner.record() * copies);
    check_space(folder, bytes)?;
    let file = turner.temporary()?;
    let kind = turner.turn(&offsets, &bands, &file)?;
    stage.finish()?;
    Ok(SpooledRows {
        file,
        offsets,
        n_genes: source.n_cells(),
        kind,
        name: name.into(),
    })
}

struct Turner<'a> {
    ctx: &'a Context,
    source: &'a dyn RowSource,
    folder: &'a Path,
    stage: &'a Stage<'a>,
    value_size: usize,
}

/// Entries of a stretch, bucketed by band: index of the row, index of the column, value.
struct Parted {
    kind: NumberKind,
    bands: Vec<Vec<u8>>,
    n_rows: u64,
}

impl Turner<'_> {
    /// Bytes of a parted entry.
    fn record(&self) -> u64 {
        8 + self.value_size as u64
    }

    fn temporary(&self) -> Result<File> {
        tempfile::tempfile_in(self.folder)
            .map_err(|e| Error::io(self.folder, "creating a temporary file in it", e))
    }

    /// Runs `work` on stretches of the source and `merge` on their results in order.
    fn pass<R: Send>(
        &self,
        work: impl Fn(&RowBlock) -> Result<R> + Sync,
        merge: impl FnMut(R) -> Result<u64>,
    ) -> Result<()> {
        let n = self.source.n_cells();
        let size = STRETCH_BYTES.max(self.source.grain()).min(
            // Two copies for each of the blocks in flight.
            (self.ctx.memory_budget() / 16).max(1),
        );
        let mut stretches = stretches_within(self.source, 0..n, size);
        let flow = InFlight {
            stage: None,
            budget: self.ctx.memory_budget() / 4,
        };
        ordered_within(
            self.ctx,
            &flow,
            || {
                let Some(rows) = stretches.next() else {
                    return Ok(None);
                };
                let bytes = 3 * self.source.bytes(rows.clone()) + self.source.overhead();
                Ok(Some((bytes, self.source.fetch(self.ctx, rows)?)))
            },
            RowScratch::default,
            |scratch: &mut RowScratch, pending: PendingRows<'_>| {
                let block = pending(scratch)?;
                scratch.forget();
                work(&block)
            },
            merge,
        )
    }

    /// Where each row of the result begins.
    fn count(&self) -> Result<Vec<u64>> {
        let mut counts = vec![0_u64; self.source.n_genes() + 1];
        let mut done = 0;
        self.pass(
            |block| {
                let mut indices = Vec::new();
                block.append_genes(&mut indices)?;
                Ok((indices, block.n_rows() as u64))
            },
            |(indices, n_rows)| {
                for index in indices {
                    counts[index as usize + 1] += 1;
                }
                done += n_rows;
                self.stage.tick(done)?;
                Ok(n_rows)
            },
        )?;
        let mut total = 0;
        for count in &mut counts {
            total += *count;
            *count = total;
        }
        Ok(counts)
    }

    /// Rows whose entries fit in half the budget.
    fn bands(&self, offsets: &[u64]) -> Vec<Range<usize>> {
        let room = (self.ctx.memory_budget() / 2 / (4 + self.value_size as u64)).max(1);
        let n = offsets.len() - 1;
        let mut bands = Vec::new();
        let mut start = 0;
        while start < n {
            let limit = offsets[start].saturating_add(room);
            let fits = offsets[start + 1..].partition_point(|&o| o <= limit);
            let end = start + fits.max(1);
            bands.push(start..end);
            start = end;
        }
        bands
    }

    fn turn(&self, offsets: &[u64], bands: &[Range<usize>], out: &File) -> Result<NumberKind> {
        if bands.len() <= 1 {
            let band = bands.first().cloned().unwrap_or(0..0);
            let mut gathered = Gathered::new(offsets, band, self.value_size)?;
            let kind = self.part(bands, |parted| {
                parted
                    .bands
                    .first()
                    .map_or(Ok(()), |entries| gathered.add(entries))
            })?;
            gathered.write(out, offsets, self.folder)?;
            return Ok(kind);
        }
        let spool = self.temporary()?;
        let record = self.record();
        let mut places: Vec<u64> = bands.iter().map(|b| offsets[b.start] * record).collect();
        let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); bands.len()];
        let write = |buffer: &mut Vec<u8>, place: &mut u64| {
            spool
                .write_all_at(buffer, *place)
                .map_err(|e| Error::io(self.folder, "writing a temporary file in it", e))?;
            *place += buffer.len() as u64;
            buffer.clear();
            Ok::<(), Error>(())
        };
        // What is waiting for the spool stays within an eighth of the budget.
        let limit = (self.ctx.memory_budget() / 8) as usize / bands.len();
        let limit = limit.clamp(4096, SPOOL_BUFFER);
        let kind = self.part(bands, |parted| {
            for (band, entries) in parted.bands.iter().enumerate() {
                buffers[band].extend_from_slice(entries);
                if buffers[band].len() >= limit {
                    write(&mut buffers[band], &mut places[band])?;
                }
            }
            Ok(())
        })?;
        for (buffer, place) in buffers.iter_mut().zip(&mut places) {
            write(buffer, place)?;
        }
        drop(buffers);
        for band in bands {
            self.gather(offsets, band.clone(), &spool, out)?;
        }
        Ok(kind)
    }

    /// One pass that buckets all entries; the type of the values.
    fn part(
        &self,
        bands: &[Range<usize>],
        mut take: impl FnMut(Parted) -> Result<()>,
    ) -> Result<NumberKind> {
        let mut kind = self.source.kind();
        let mut done = self.source.n_cells() as u64;
        self.pass(
            |block| part_block(block, bands),
            |parted| {
                let n_rows = parted.n_rows;
                kind = parted.kind;
                take(parted)?;
                done += n_rows;
                self.stage.tick(done)?;
                Ok(n_rows)
            },
        )?;
        Ok(kind)
    }

    /// Reads a band back from the spool and writes it in order.
    fn gather(&self, offsets: &[u64], band: Range<usize>, spool: &File, out: &File) -> Result<()> {
        let record = self.record();
        let mut gathered = Gathered::new(offsets, band.clone(), self.value_size)?;
        let (mut at, end) = (offsets[band.start] * record, offsets[band.end] * record);
        let step = SPOOL_BUFFER as u64 / record * record;
        let mut buffer = Vec::new();
        while at < end {
            self.ctx.check_cancelled()?;
            buffer.resize((end - at).min(step) as usize, 0);
            spool
                .read_exact_at(&mut buffer, at)
                .map_err(|e| Error::io(self.folder, "reading a temporary file in it", e))?;
            gathered.add(&buffer)?;
            at += buffer.len() as u64;
        }
        gathered.write(out, offsets, self.folder)
    }
}

fn part_block(block: &RowBlock, bands: &[Range<usize>]) -> Result<Parted> {
    let mut parted = Parted {
        kind: block.value_kind(),
        bands: vec![Vec::new(); bands.len()],
        n_rows: block.n_rows() as u64,
    };
    let mut indices = Vec::new();
    block.append_genes(&mut indices)?;
    let size = parted.kind.size();
    let values = block.value_bytes();
    for row in 0..block.n_rows() {
        let column = ((block.first_row() + row) as u32).to_le_bytes();
        for entry in block.entries_of(row) {
            let index = indices[entry];
            let band = match bands.len() {
                1 => 0,
                _ => bands.partition_point(|b| b.end <= index as usize),
            };
            let out = &mut parted.bands[band];
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(&column);
            out.extend_from_slice(&values[entry * size..(entry + 1) * size]);
        }
    }
    Ok(parted)
}

/// The entries of a band in row order.
struct Gathered {
    band: Range<usize>,
    first: u64,
    next: Vec<u64>,
    genes: Vec<u8>,
    values: Vec<u8>,
    size: usize,
}

impl Gathered {
    fn new(offsets: &[u64], band: Range<usize>, size: usize) -> Result<Self> {
        let first = offsets.get(band.start).copied().unwrap_or(0);
        let n = (offsets.get(band.end).copied().unwrap_or(0) - first) as usize;
        Ok(Gathered {
            first,
            next: offsets[band.clone()].iter().map(|o| o - first).collect(),
            band,
            genes: zeros(n * 4)?,
            values: zeros(n * size)?,
            size,
        })
    }

    /// Entries come ordered by column, so that every row ends up ordered.
    fn add(&mut self, records: &[u8]) -> Result<()> {
        let size = self.size;
        for record in records.chunks_exact(8 + size) {
            let row = u32::from_le_bytes([record[0], record[1], record[2], record[3]]) as usize;
            let slot = &mut self.next[row - self.band.start];
            let at = *slot as usize;
            *slot += 1;
            self.genes[at * 4..at * 4 + 4].copy_from_slice(&record[4..8]);
            self.values[at * size..(at + 1) * size].copy_from_slice(&record[8..]);
        }
        Ok(())
    }

    /// Genes of all rows stand first in the file, then all values.
    fn write(self, out: &File, offsets: &[u64], folder: &Path) -> Result<()> {
        let n = offsets.last().copied().unwrap_or(0);
        let io = |e| Error::io(folder, "writing a temporary file in it", e);
        out.write_all_at(&self.genes, self.first * 4).map_err(io)?;
        let at = n * 4 + self.first * self.size as u64;
        out.write_all_at(&self.values, at).map_err(io)
    }
}

fn zeros(n: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(n).map_err(|e| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!("transpose: {n} bytes for a band of rows cannot be had"),
        )
        .with_source(e)
    })?;
    bytes.resize(n, 0);
    Ok(bytes)
}

impl SpooledRows {
    /// Where each row begins, in entries; one more than there are rows.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }
}

impl RowSource for SpooledRows {
    fn n_cells(&self) -> usize {
        self.offsets.len() - 1
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn kind(&self) -> NumberKind {
        self.kind
    }

    fn layout(&self) -> MatrixLayout {
        MatrixLayout::Csr
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        (self.offsets[rows.end] - self.offsets[rows.start]) * (4 + self.kind.size() as u64)
    }

    fn fetch<'a>(&'a self, _: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        Ok(Box::new(move |_| {
            let (lo, hi) = (self.offsets[rows.start], self.offsets[rows.end]);
            let n_entries = self.offsets.last().copied().unwrap_or(0);
            let read = |kind: NumberKind, from: u64| -> Result<Stored> {
                let size = kind.size() as u64;
                let mut bytes = vec![0; ((hi - lo) * size) as usize];
                self.file
                    .read_exact_at(&mut bytes, from + lo * size)
                    .map_err(|e| Error::io(Path::new(&*self.name), "reading its transpose", e))?;
                Ok(Stored { kind, bytes })
            };
            let genes = read(NumberKind::U32, 0)?;
            let values = read(self.kind, n_entries * 4)?;
            let starts = self.offsets[rows.start..=rows.end].iter();
            let starts = starts.map(|o| (o - lo) as usize).collect();
            Ok(RowBlock::sparse(
                &self.name,
                rows.start,
                self.n_genes,
                (starts, genes, values),
                lo,
            ))
        }))
    }
}

impl RowBlock {
    /// Appends the column of every entry.
    ///
    /// # Errors
    /// `UnsupportedFormat`, reason `CorruptMatrix`, for one out of range.
    fn append_genes(&self, out: &mut Vec<u32>) -> Result<()> {
        let before = out.len();
        let Some((kind, bytes)) = self.gene_bytes() else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a dense matrix has no entries to transpose",
            ));
        };
        append_u32(kind, bytes, out);
        match out[before..]
            .iter()
            .position(|&g| g as usize >= self.n_genes())
        {
            None => Ok(()),
            Some(at) => Err(self.index_error(at, out[before + at])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::rows::{RowReader, ValueRows};

    fn dense(rows: &dyn RowSource) -> Vec<Vec<f64>> {
        let ctx = Context::single_threaded().expect("pool");
        let (mut row, mut all) = (RowReader::default(), Vec::new());
        let pending = rows.fetch(&ctx, 0..rows.n_cells()).expect("fetched");
        let block = pending(&mut RowScratch::default()).expect("read");
        for i in 0..block.n_rows() {
            row.read(&block, i).expect("row");
            let mut values = vec![0.0; rows.n_genes()];
            for (&gene, &value) in row.genes.iter().zip(&row.values) {
                values[gene as usize] = value;
            }
            all.push(values);
        }
        all
    }

    #[test]
    fn the_transpose_is_the_same_for_any_budget_and_threads() {
        let (n, m) = (300, 70);
        let values: Vec<f64> = (0..n * m)
            .map(|i| f64::from(u8::from(i * i % 7 < 3)) * (i % 50) as f64)
            .collect();
        let source = ValueRows::from_dense(NumberKind::F64, m, &values).expect("rows");
        let folder = tempfile::tempdir().expect("folder");
        for (threads, memory_budget) in [(1, 1 << 30), (2, 4096), (3, 40_000), (2, 1)] {
            let ctx = Context::new(&ContextOptions {
                threads,
                memory_budget,
                ..ContextOptions::default()
            })
            .expect("pool");
            let turned = transpose(&ctx, &source, folder.path(), "X").expect("turned");
            let got = dense(&turned);
            assert_eq!((got.len(), turned.n_genes()), (m, n));
            for (gene, row) in got.iter().enumerate() {
                for (cell, &value) in row.iter().enumerate() {
                    assert_eq!(value, values[cell * m + gene]);
                }
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    }

    #[test]
    fn an_empty_matrix_has_a_transpose() {
        let source =
            ValueRows::from_parts(NumberKind::F32, 3, vec![0, 0], vec![], &[]).expect("rows");
        let ctx = Context::single_threaded().expect("pool");
        let folder = tempfile::tempdir().expect("folder");
        let turned = transpose(&ctx, &source, folder.path(), "X").expect("turned");
        assert_eq!((turned.n_cells(), turned.n_genes()), (3, 1));
        assert_eq!(dense(&turned), vec![vec![0.0]; 3]);
    }
}
