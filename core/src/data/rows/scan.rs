//! One pass over all rows: fixed blocks, partial results merged in block order.
//!
//! What is computed from rows is formed per block of [`BLOCK_ROWS`] rows, by one worker in row
//! order, and merged in block order on the calling thread, so results depend on the data alone:
//! not on threads, memory budget or chunks of the file. A worker reads its block in short stretches,
//! so that memory does not grow with the width of the rows. Several blocks make a task where a
//! smaller one would decode the same chunks again and again.
//!
//! # Cost
//! Memory: per worker a stretch and a decoded chunk of each dataset; partial results in flight
//! within a quarter of the budget.

use std::ops::Range;

use super::{PendingRows, RowBlock, RowScratch, RowSource};
use crate::context::{Context, Stage};
use crate::error::Result;
use crate::par::{InFlight, ordered_within};

/// Rows of a block: part of the meaning of every sum of floats.
pub const BLOCK_ROWS: usize = 512;
/// Bytes of rows that are decoded at a time.
const STRETCH_BYTES: u64 = 1 << 20;

/// A pass over the rows of a matrix.
pub struct Scan<'a> {
    /// The matrix.
    pub source: &'a dyn RowSource,
    /// Rows to run over; blocks begin with the first.
    pub rows: Range<usize>,
    /// Where progress is reported: rows done, bytes read.
    pub stage: Option<&'a Stage<'a>>,
    /// Bytes of the partial result of a block, beside `copies`.
    pub partial_bytes: u64,
    /// How many times the rows themselves are held until the result is merged.
    pub copies: u64,
    /// Least bytes of rows of a task.
    pub least: u64,
}

impl<'a> Scan<'a> {
    /// A pass whose partial results take `partial_bytes` a block.
    pub fn new(
        source: &'a dyn RowSource,
        stage: Option<&'a Stage<'a>>,
        partial_bytes: u64,
    ) -> Self {
        Scan {
            source,
            rows: 0..source.n_cells(),
            stage,
            partial_bytes,
            copies: 0,
            least: 0,
        }
    }
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan")
            .field("partial_bytes", &self.partial_bytes)
            .finish_non_exhaustive()
    }
}

/// Some blocks that one worker does.
struct Task<'a> {
    blocks: Vec<(Range<usize>, Vec<PendingRows<'a>>)>,
    bytes: u64,
}

/// What a worker keeps from task to task.
struct Worker<W> {
    rows: RowScratch,
    own: W,
}

impl Scan<'_> {
    /// Runs over all rows.
    ///
    /// * `workspace` makes the scratch memory of a worker.
    /// * `partial` makes the empty result of a block of rows.
    /// * `work` adds some rows of the block to it; rows come in order.
    /// * `merge` takes the results in block order, on the calling thread.
    ///
    /// # Errors
    /// The first error in block order of the storage, `work` or `merge`; `Cancelled`.
    pub fn run<W: Send, P: Send>(
        &self,
        ctx: &Context,
        workspace: impl Fn() -> W + Sync,
        partial: impl Fn(Range<usize>) -> P + Sync,
        work: impl Fn(&mut W, &mut P, &RowBlock) -> Result<()> + Sync,
        mut merge: impl FnMut(Range<usize>, P) -> Result<()>,
    ) -> Result<()> {
        let seal = |_: &mut W, results| Ok(results);
        self.run_tasks(ctx, workspace, partial, work, seal, |results| {
            for (rows, result) in results {
                merge(rows, result)?;
            }
            Ok(())
        })
    }

    /// [`run`](Self::run) with one result for each task: `seal` makes it, on the worker, from the
    /// results of consecutive blocks and from what their work left in the worker's memory.
    ///
    /// # Errors
    /// As `run`.
    pub fn run_tasks<W: Send, P: Send, R: Send>(
        &self,
        ctx: &Context,
        workspace: impl Fn() -> W + Sync,
        partial: impl Fn(Range<usize>) -> P + Sync,
        work: impl Fn(&mut W, &mut P, &RowBlock) -> Result<()> + Sync,
        seal: impl Fn(&mut W, Vec<(Range<usize>, P)>) -> Result<R> + Sync,
        mut merge: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let per_task = self.blocks_per_task(ctx);
        let flow = InFlight {
            stage: self.stage,
            budget: ctx.memory_budget() / 4,
        };
        let mut next_row = self.rows.start;
        ordered_within(
            ctx,
            &flow,
            || self.next_task(ctx, &mut next_row, per_task),
            || Worker {
                rows: RowScratch::default(),
                own: workspace(),
            },
            |worker, task| {
                let mut results = Vec::with_capacity(task.blocks.len());
                for (rows, stretches) in task.blocks {
                    ctx.check_cancelled()?;
                    let mut result = partial(rows.clone());
                    for stretch in stretches {
                        let block = stretch(&mut worker.rows)?;
                        work(&mut worker.own, &mut result, &block)?;
                        worker.rows.recycle(block);
                    }
                    results.push((rows, result));
                }
                worker.rows.forget();
                let n_rows: usize = results.iter().map(|(rows, _)| rows.len()).sum();
                let sealed = seal(&mut worker.own, results)?;
                Ok((sealed, n_rows as u64, task.bytes))
            },
            |(result, n_rows, bytes)| {
                merge(result)?;
                if let Some(stage) = self.stage {
                    stage.add_read(bytes);
                }
                Ok(n_rows)
            },
        )
    }

    /// As few as do not read the storage much more than once, and do not crowd memory.
    fn blocks_per_task(&self, ctx: &Context) -> usize {
        let n = self.source.n_cells();
        let n_blocks = n.div_ceil(BLOCK_ROWS).max(1) as u64;
        let per_block = (self.source.bytes(0..n) / n_blocks).max(1);
        let wanted = self.source.grain().max(self.least).div_ceil(per_block);
        let room = ctx.memory_budget() / 4 / (ctx.threads() as u64 + 1);
        let room = room / (self.partial_bytes + self.copies * per_block).max(1);
        wanted.min(room).clamp(1, 1024) as usize
    }

    fn next_task<'a>(
        &'a self,
        ctx: &Context,
        next_row: &mut usize,
        per_task: usize,
    ) -> Result<Option<(u64, Task<'a>)>> {
        let n = self.rows.end;
        if *next_row >= n {
            return Ok(None);
        }
        let mut task = Task {
            blocks: Vec::new(),
            bytes: 0,
        };
        let mut largest = 0;
        while task.blocks.len() < per_task && *next_row < n {
            let rows = *next_row..(*next_row + BLOCK_ROWS).min(n);
            let mut stretches = Vec::new();
            for stretch in stretches_within(self.source, rows.clone(), STRETCH_BYTES) {
                largest = largest.max(self.source.bytes(stretch.clone()));
                stretches.push(self.source.fetch(ctx, stretch)?);
            }
            task.bytes += self.source.bytes(rows.clone());
            *next_row = rows.end;
            task.blocks.push((rows, stretches));
        }
        let held = match self.source.is_lazy() {
            true => largest + self.source.overhead(),
            false => task.bytes,
        };
        let partials = self.partial_bytes.saturating_mul(task.blocks.len() as u64);
        let copies = self.copies.saturating_mul(task.bytes);
        Ok(Some((
            held.saturating_add(partials).saturating_add(copies),
            task,
        )))
    }
}

/// Ranges of rows of at most `bytes`, at least one row each.
pub(crate) fn stretches_within(
    source: &dyn RowSource,
    rows: Range<usize>,
    bytes: u64,
) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = rows.start;
    std::iter::from_fn(move || {
        if start >= rows.end {
            return None;
        }
        let first = start;
        let mut step = 1;
        // Doubling steps: a few questions for short rows, exact enough for long ones.
        while start < rows.end {
            let end = (start + step).min(rows.end);
            if start > first && source.bytes(first..end) > bytes {
                break;
            }
            start = end;
            step *= 2;
        }
        Some(first..start)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{RowReader, ValueRows};
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::numbers::NumberKind;

    #[test]
    fn sums_do_not_depend_on_threads_or_budget() {
        let n = 2500;
        let dense: Vec<f64> = (0..n * 3).map(|i| ((i * 7919) % 97) as f64 / 7.0).collect();
        let source = ValueRows::from_dense(NumberKind::F64, 3, &dense).expect("rows");
        let sums = |threads: usize, budget: u64| {
            let ctx = Context::new(&ContextOptions {
                threads,
                memory_budget: budget,
                ..ContextOptions::default()
            })
            .expect("pool");
            let scan = Scan::new(&source, None, 24);
            let (mut total, mut n_rows) = (vec![0.0; 3], 0);
            scan.run(
                &ctx,
                RowReader::default,
                |_| vec![0.0; 3],
                |row, sums, block| {
                    for i in 0..block.n_rows() {
                        row.read(block, i)?;
                        for (&gene, &value) in row.genes.iter().zip(&row.values) {
                            sums[gene as usize] += value;
                        }
                    }
                    Ok(())
                },
                |rows, sums| {
                    assert_eq!(rows.start, n_rows);
                    n_rows = rows.end;
                    total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
                    Ok(())
                },
            )
            .expect("scanned");
            assert_eq!(n_rows, n);
            total
        };
        let expected = sums(1, 1 << 30);
        for (threads, budget) in [(2, 1 << 30), (3, 1 << 20), (7, 1)] {
            assert_eq!(sums(threads, budget), expected);
        }
        let exact: f64 = dense.iter().step_by(3).sum();
        assert!((expected[0] - exact).abs() < 1e-6);
    }
}
