//! Rows in, entries out: one pass over a source whose result is a matrix in a file.
//!
//! Workers read rows, hand them to the engine's closure, and cut and encode what it gives; pieces are
//! stored in order on the calling thread. Partial results ride along, merged per fixed block, so that
//! statistics of the written values cost no second pass.
//!
//! Memory: two copies of the rows of the tasks in flight, within a quarter of the budget.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::chunked::{ChunkShape, ChunkedWriter, Run};
use crate::context::{Context, Stage};
use crate::data::numbers::{NumberKind, append_index_bytes, append_numbers};
use crate::data::rows::scan::Scan;
use crate::data::rows::{RowBlock, RowSource};
use crate::error::Result;

/// Chunks of output that a task should have: the ends are encoded on one thread.
const CHUNKS_PER_TASK: u64 = 8;

/// Where the entries go.
pub(crate) struct Sink<'s, 'a> {
    /// Column of each entry; `None` where only values are written.
    pub indices: Option<(&'s mut ChunkedWriter<'a>, ChunkShape, NumberKind)>,
    /// Value of each entry, or whole dense rows.
    pub values: (&'s mut ChunkedWriter<'a>, ChunkShape, NumberKind),
    /// First unit (entry or dense row) of every row of the source, and the end.
    pub starts: &'s (dyn Fn(usize) -> u64 + Sync),
}

/// What the engine's closure adds rows to.
#[derive(Debug)]
pub(crate) struct RowsOut {
    indices: Option<(NumberKind, Vec<u8>)>,
    kind: NumberKind,
    values: Vec<u8>,
    dense: Vec<f64>,
}

impl RowsOut {
    /// Makes room for this many bytes of values more.
    fn reserve(&mut self, spare: &Spare, value_bytes: usize) {
        if self.values.capacity() == 0 {
            self.values = spare.take();
        }
        self.values.reserve(value_bytes);
        if let Some((_, bytes)) = &mut self.indices {
            if bytes.capacity() == 0 {
                *bytes = spare.take();
            }
        }
    }

    /// Adds the entries of a row.
    pub(crate) fn push(&mut self, genes: &[u32], values: &[f64]) {
        if let Some((kind, bytes)) = &mut self.indices {
            append_index_bytes(*kind, genes, bytes);
        }
        append_numbers(self.kind, values, &mut self.values);
    }

    /// Adds a dense row of `width` from its entries.
    pub(crate) fn push_dense(&mut self, genes: &[u32], values: &[f64], width: usize) {
        self.dense.clear();
        self.dense.resize(width, 0.0);
        for (&gene, &value) in genes.iter().zip(values) {
            self.dense[gene as usize] = value;
        }
        append_numbers(self.kind, &self.dense, &mut self.values);
    }
}

/// Writes a matrix from the rows of `source`; see [`Scan::run`] for the closures.
pub(crate) fn write_rows<W: Send, P: Send>(
    ctx: &Context,
    (source, stage): (&dyn RowSource, &Stage<'_>),
    sink: Sink<'_, '_>,
    workspace: impl Fn() -> W + Sync,
    (partial_bytes, partial): (u64, impl Fn(Range<usize>) -> P + Sync),
    work: impl Fn(&mut W, &mut P, &mut RowsOut, &RowBlock) -> Result<()> + Sync,
    mut merge: impl FnMut(Range<usize>, P) -> Result<()>,
) -> Result<()> {
    let (values, value_shape, kind) = sink.values;
    let (mut indices, index_shape) = match sink.indices {
        Some((writer, shape, kind)) => (Some(writer), Some((shape, kind))),
        None => (None, None),
    };
    let chunk = value_shape.units * value_shape.unit_bytes as u64;
    let mut scan = Scan::new(source, Some(stage), partial_bytes);
    scan.copies = 3;
    scan.least = 2 * CHUNKS_PER_TASK * chunk;
    let starts = sink.starts;
    let spare = Spare::default();
    scan.run_tasks(
        ctx,
        || {
            let out = RowsOut {
                indices: index_shape.map(|(_, kind)| (kind, Vec::new())),
                kind,
                values: Vec::new(),
                dense: Vec::new(),
            };
            (workspace(), out)
        },
        &partial,
        |(own, out), partial, block| {
            let n = starts(block.first_row() + block.n_rows()) - starts(block.first_row());
            out.reserve(&spare, n as usize * value_shape.unit_bytes);
            work(own, partial, out, block)
        },
        |(_, out), parts| {
            let first = parts.first().map_or(0, |(rows, _)| starts(rows.start));
            let values = value_shape.cut(first, std::mem::take(&mut out.values))?;
            let indices = match (index_shape, &mut out.indices) {
                (Some((shape, _)), Some((_, bytes))) => {
                    Some(shape.cut(first, std::mem::take(bytes))?)
                }
                _ => None,
            };
            Ok((parts, values, indices))
        },
        |(parts, run, index_run): (Vec<_>, Run, Option<Run>)| {
            let before = values.stored;
            spare.give(values.put(run)?);
            stage.add_written(values.stored - before);
            if let (Some(writer), Some(run)) = (indices.as_mut(), index_run) {
                let before = writer.stored;
                spare.give(writer.put(run)?);
                stage.add_written(writer.stored - before);
            }
            for (rows, part) in parts {
                merge(rows, part)?;
            }
            Ok(())
        },
    )
}

/// Memory of pieces that are in the file: the kernel need not clear fresh pages for every piece.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn give(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.lock().push(bytes);
    }

    fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
