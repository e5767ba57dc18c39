//! Spline tables of log-probabilities, one for each sigma, computed when asked for.
//!
//! A table has one row for each count that occurs ([`CountRows`]) and one record of four numbers for each cell of
//! the lambda grid: `[q, b, z, e]` with, at the distance `s` from the left knot,
//!
//! * `q0 = q + s (b + s (z / 2 + s e / 6))`, the log-probability,
//! * `q1 = b + s (z + s e / 2)`, its derivative by lambda,
//! * `q2 = z + s e`, its second derivative.
//!
//! The record behind the last cell holds value and second derivative at the last knot.
//!
//! Time: about 70 microseconds a row and sigma when many are built together, 300 for one alone. Memory: 14 KB a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use super::grid::{KNOTS, N_CELLS, N_KNOTS, sigma_key_position};
use super::quadrature::{Quadrature, Scratch};
use super::rows::CountRows;
use super::spline::{NaturalSpline, ROWS};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::par;

/// Knots computed by one task.
const KNOT_BLOCK: usize = 8;
/// Values of sigma computed together at most: bounds the memory of the values in flight.
const KEY_BATCH: usize = 32;

/// Coefficients of one cell.
pub type Record = [f64; 4];

/// Log-probabilities of counts given lambda, for one sigma.
#[derive(Debug, Clone)]
pub struct LikelihoodTable {
    key: u32,
    rows: Arc<CountRows>,
    records: Vec<Record>,
}

impl LikelihoodTable {
    /// The tables of `keys`, each with `rows`, in the order of `keys`.
    ///
    /// Every value is the same whichever keys and rows are asked for, and whatever the
    /// number of threads.
    ///
    /// # Errors
    /// `InvalidArgument` for a key that is not in the sigma grid; `Cancelled`.
    pub fn build(ctx: &Context, keys: &[u32], rows: &Arc<CountRows>) -> Result<Vec<Self>> {
        if let Some(key) = keys.iter().find(|&&k| sigma_key_position(k).is_none()) {
            return Err(Error::argument(
                "sigma",
                format!(
                    "key {key} is not tabulated; must be 10 to 70, or 72 to 200 and even \
                     (100 times sigma)"
                ),
            ));
        }
        let mut tables = Vec::with_capacity(keys.len());
        for batch in keys.chunks(KEY_BATCH) {
            let values = values_at_knots(ctx, batch, rows.counts())?;
            let (arch, spline) = (Arch::new(), NaturalSpline::new(&KNOTS));
            tables.extend(par::map(ctx, batch.len(), |i| {
                ctx.check_cancelled()?;
                Ok(LikelihoodTable {
                    key: batch[i],
                    rows: Arc::clone(rows),
                    records: arch.dispatch(Records {
                        spline: &spline,
                        values: &values,
                        i,
                        n_rows: rows.counts().len(),
                    }),
                })
            })?);
        }
        Ok(tables)
    }

    /// 100 sigma.
    pub fn key(&self) -> u32 {
        self.key
    }

    /// The counts that have a row.
    pub fn rows(&self) -> &Arc<CountRows> {
        &self.rows
    }

    /// All records; where those of a count begin is for [`CountRows::offset`] to say.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// Log-probabilities: for each block of knots, `[key][row][knot of the block]`.
fn values_at_knots(ctx: &Context, keys: &[u32], counts: &[u32]) -> Result<Vec<Vec<f64>>> {
    let n_rows = counts.len();
    let quadrature = Quadrature::new(keys, counts);
    let arch = Arch::new();
    let mut blocks = par::Blocks::new(N_KNOTS, KNOT_BLOCK);
    let mut values = Vec::with_capacity(blocks.len());
    par::ordered(
        ctx,
        None,
        || Ok(blocks.next()),
        || (Scratch::new(keys.len()), vec![0.0; keys.len() * n_rows]),
        |(scratch, column), block| {
            let mut part = vec![0.0; keys.len() * n_rows * KNOT_BLOCK];
            for (i, m) in block.enumerate() {
                ctx.check_cancelled()?;
                quadrature.knot(arch, KNOTS[m], scratch, column);
                for (target, &value) in part[i..].iter_mut().step_by(KNOT_BLOCK).zip(&*column) {
                    *target = value;
                }
            }
            Ok(part)
        },
        |part| {
            values.push(part);
            Ok(1)
        },
    )?;
    Ok(values)
}

/// Makes the records of all rows of the `i`-th key.
struct Records<'a> {
    spline: &'a NaturalSpline,
    values: &'a [Vec<f64>],
    i: usize,
    n_rows: usize,
}

impl WithSimd for Records<'_> {
    type Output = Vec<Record>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Record> {
        let (mut q, mut z) = ([[0.0; ROWS]; N_KNOTS], [[0.0; ROWS]; N_KNOTS]);
        let mut records = vec![[0.0; 4]; self.n_rows * N_KNOTS];
        let (widths, inverse_widths) = self.spline.widths();
        for (group, records) in records.chunks_mut(ROWS * N_KNOTS).enumerate() {
            let n_rows = records.len() / N_KNOTS;
            for row in 0..n_rows {
                let from = (self.i * self.n_rows + group * ROWS + row) * KNOT_BLOCK;
                for (targets, block) in q.chunks_mut(KNOT_BLOCK).zip(self.values) {
                    for (target, &value) in targets.iter_mut().zip(&block[from..]) {
                        target[row] = value;
                    }
                }
            }
            self.spline.second_derivatives(&q, &mut z);
            for m in 0..N_CELLS {
                let (h, inverse) = (widths[m], inverse_widths[m]);
                for row in 0..n_rows {
                    let (from, to) = (z[m][row], z[m + 1][row]);
                    let slope =
                        (q[m + 1][row] - q[m][row]) * inverse - h * (1.0 / 6.0) * (2.0 * from + to);
                    let bend = (to - from) * inverse;
                    records[row * N_KNOTS + m] = [q[m][row], slope, from, bend];
                }
            }
            for (row, records) in records.chunks_exact_mut(N_KNOTS).enumerate() {
                records[N_CELLS] = [q[N_CELLS][row], 0.0, z[N_CELLS][row], 0.0];
            }
        }
        records
    }
}

/// Tables of several sigmas with the same rows, by key; they are built when asked for and kept.
#[derive(Debug, Clone)]
pub struct LikelihoodTables {
    rows: Arc<CountRows>,
    tables: BTreeMap<u32, Arc<LikelihoodTable>>,
}

impl LikelihoodTables {
    /// No tables yet.
    pub fn new(rows: Arc<CountRows>) -> Self {
        LikelihoodTables {
            rows,
            tables: BTreeMap::new(),
        }
    }

    /// The rows of all tables.
    pub fn rows(&self) -> &Arc<CountRows> {
        &self.rows
    }

    /// Makes sure that the tables of `keys` are there; builds those that are not, together.
    ///
    /// # Errors
    /// As [`LikelihoodTable::build`].
    pub fn ensure(&mut self, ctx: &Context, keys: &[u32]) -> Result<()> {
        let mut missing: Vec<u32> = keys
            .iter()
            .copied()
            .filter(|key| !self.tables.contains_key(key))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        for table in LikelihoodTable::build(ctx, &missing, &self.rows)? {
            self.tables.insert(table.key(), Arc::new(table));
        }
        Ok(())
    }

    /// The table of a key, if it was built.
    pub fn get(&self, key: u32) -> Option<&LikelihoodTable> {
        self.tables.get(&key).map(Arc::as_ref)
    }

    /// The table of a key.
    ///
    /// # Errors
    /// `Internal` when it was not built: [`LikelihoodTables::ensure`] comes first.
    pub fn require(&self, key: u32) -> Result<&LikelihoodTable> {
        self.get(key).ok_or_else(|| absent(key))
    }

    /// Drops all tables but those of `keys`.
    pub fn keep_only(&mut self, keys: &[u32]) {
        self.tables.retain(|key, _| keys.contains(key));
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let records: usize = self.tables.values().map(|t| t.records.len()).sum();
        records * size_of::<Record>()
    }
}

fn absent(key: u32) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the likelihood table of sigma key {key} was not built"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::rows::SeenCounts;
    use super::*;
    use crate::context::ContextOptions;

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions {
            threads,
            ..ContextOptions::default()
        })
        .expect("pool")
    }

    fn bits(records: &[Record]) -> Vec<u64> {
        records.iter().flatten().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn bits_do_not_depend_on_threads_or_company() {
        let rows = |max_count| Arc::new(CountRows::up_to(max_count));
        let alone = LikelihoodTable::build(&context(1), &[84], &rows(39)).expect("built");
        let short = LikelihoodTable::build(&context(1), &[84], &rows(6)).expect("built");
        let want = bits(alone[0].records());
        assert_eq!(bits(short[0].records()), want[..7 * N_KNOTS * 4]);
        for threads in [2, 3, 7] {
            let keys = [10, 30, 84, 86, 88, 90];
            let many = LikelihoodTable::build(&context(threads), &keys, &rows(74)).expect("built");
            assert_eq!(many[2].key(), 84);
            assert_eq!(bits(&many[2].records()[..40 * N_KNOTS]), want);
        }
        let mut seen = SeenCounts::default();
        [1, 17, 39].iter().for_each(|&count| seen.insert(count));
        let some = Arc::new(CountRows::of(&seen));
        let some = LikelihoodTable::build(&context(2), &[84, 86, 90], &some).expect("built");
        for (row, count) in [0, 1, 17, 39].into_iter().enumerate() {
            let found = bits(&some[0].records()[row * N_KNOTS..(row + 1) * N_KNOTS]);
            assert_eq!(found, want[count * N_KNOTS * 4..(count + 1) * N_KNOTS * 4]);
        }
    }

    #[test]
    fn keys_off_the_grid_are_refused() {
        let rows = Arc::new(CountRows::up_to(2));
        let error = LikelihoodTable::build(&context(1), &[71], &rows).expect_err("odd above 70");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn ensure_builds_once() {
        let ctx = context(2);
        let mut tables = LikelihoodTables::new(Arc::new(CountRows::up_to(3)));
        tables.ensure(&ctx, &[100, 10]).expect("built");
        let first = Arc::clone(&tables.tables[&100]);
        tables.ensure(&ctx, &[100, 12]).expect("one more");
        assert!(Arc::ptr_eq(&first, &tables.tables[&100]));
        assert_eq!(tables.bytes(), 3 * 4 * N_KNOTS * 32);
        tables.keep_only(&[10]);
        assert!(tables.require(100).is_err() && tables.require(10).is_ok());
    }
}
