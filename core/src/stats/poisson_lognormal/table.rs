//! Spline tables of log-probabilities, one for each sigma, computed when asked for.
//!
//! A table has one row for each count `0, 1, ...` and one record of four numbers for each cell of
//! the lambda grid: `[q, b, z, e]` with, at the distance `s` from the left knot,
//!
//! * `q0 = q + s (b + s (z / 2 + s e / 6))`, the log-probability,
//! * `q1 = b + s (z + s e / 2)`, its derivative by lambda,
//! * `q2 = z + s e`, its second derivative.
//!
//! The record behind the last cell holds value and second derivative at the last knot.
//!
//! Time: about 30 microseconds a row and sigma when several are built together. Memory: 14 KB a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulp::Arch;

use super::grid::{KNOTS, MAX_COUNT, MAX_ROWS, N_CELLS, N_KNOTS, sigma_key_position};
use super::quadrature::{Quadrature, Scratch};
use super::spline::NaturalSpline;
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
    n_rows: usize,
    records: Vec<Record>,
}

impl LikelihoodTable {
    /// The tables of `keys`, each with the counts `0..n_rows`, in the order of `keys`.
    ///
    /// Every value is the same whichever keys and however many rows are asked for, and whatever the
    /// number of threads.
    ///
    /// # Errors
    /// `InvalidArgument` for a key that is not in the sigma grid or for more than [`MAX_ROWS`] rows
    /// or none; `Cancelled`.
    pub fn build(ctx: &Context, keys: &[u32], n_rows: usize) -> Result<Vec<Self>> {
        if let Some(key) = keys.iter().find(|&&k| sigma_key_position(k).is_none()) {
            return Err(Error::argument(
                "sigma",
                format!(
                    "key {key} is not tabulated; must be 10 to 70, or 72 to 200 and even \
                     (100 times sigma)"
                ),
            ));
        }
        if n_rows == 0 || n_rows > MAX_ROWS {
            return Err(Error::argument(
                "n_rows",
                format!("{n_rows} rows; must be 1 to {MAX_ROWS}"),
            ));
        }
        let mut tables = Vec::with_capacity(keys.len());
        for batch in keys.chunks(KEY_BATCH) {
            let values = values_at_knots(ctx, batch, n_rows)?;
            let spline = NaturalSpline::new(&KNOTS);
            tables.extend(par::map(ctx, batch.len(), |i| {
                ctx.check_cancelled()?;
                Ok(LikelihoodTable {
                    key: batch[i],
                    n_rows,
                    records: records(&spline, &values, i, n_rows),
                })
            })?);
        }
        Ok(tables)
    }

    /// 100 sigma.
    pub fn key(&self) -> u32 {
        self.key
    }

    /// Rows: the counts `0..n_rows` are there.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// All records; the row of a count begins at [`row_offset`].
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// Where the records of a count begin; counts above [`MAX_COUNT`] are treated as that one.
pub const fn row_offset(count: u32) -> usize {
    let row = if count > MAX_COUNT { MAX_COUNT } else { count };
    row as usize * N_KNOTS
}

/// Log-probabilities: for each block of knots, `[key][row][knot of the block]`.
fn values_at_knots(ctx: &Context, keys: &[u32], n_rows: usize) -> Result<Vec<Vec<f64>>> {
    let quadrature = Quadrature::new(keys, n_rows);
    let arch = Arch::new();
    let mut blocks = par::Blocks::new(N_KNOTS, KNOT_BLOCK);
    let mut values = Vec::with_capacity(blocks.len());
    par::ordered(
        ctx,
        None,
        || Ok(blocks.next()),
        || (Scratch::new(), vec![0.0; keys.len() * n_rows]),
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

/// The records of all rows of the `i`-th key.
fn records(spline: &NaturalSpline, values: &[Vec<f64>], i: usize, n_rows: usize) -> Vec<Record> {
    let (mut q, mut z) = ([0.0; N_KNOTS], [0.0; N_KNOTS]);
    let mut records = Vec::with_capacity(n_rows * N_KNOTS);
    for row in 0..n_rows {
        let from = (i * n_rows + row) * KNOT_BLOCK;
        for (target, block) in q.chunks_mut(KNOT_BLOCK).zip(values) {
            target.copy_from_slice(&block[from..from + target.len()]);
        }
        spline.second_derivatives(&q, &mut z);
        for (m, &h) in spline.widths().iter().enumerate() {
            let bend = (z[m + 1] - z[m]) / h;
            let slope = (q[m + 1] - q[m]) / h - h * (2.0 * z[m] + z[m + 1]) / 6.0;
            records.push([q[m], slope, z[m], bend]);
        }
        records.push([q[N_CELLS], 0.0, z[N_CELLS], 0.0]);
    }
    records
}

/// The tables of one engine, by sigma key; they are kept and grown when asked for.
#[derive(Debug, Clone, Default)]
pub struct LikelihoodTables {
    tables: BTreeMap<u32, Arc<LikelihoodTable>>,
}

impl LikelihoodTables {
    /// No tables yet.
    pub fn new() -> Self {
        LikelihoodTables::default()
    }

    /// Makes sure that the tables of `keys` have the counts up to `max_count` (capped at
    /// [`MAX_COUNT`]); builds those that are absent or too short, together.
    ///
    /// # Errors
    /// As [`LikelihoodTable::build`].
    pub fn ensure(&mut self, ctx: &Context, keys: &[u32], max_count: u32) -> Result<()> {
        let n_rows = max_count.min(MAX_COUNT) as usize + 1;
        let mut missing: Vec<u32> = keys
            .iter()
            .copied()
            .filter(|key| self.get(*key).is_none_or(|t| t.n_rows() < n_rows))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        for table in LikelihoodTable::build(ctx, &missing, n_rows)? {
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

    /// The table of a key, to be kept beyond these tables.
    ///
    /// # Errors
    /// As [`LikelihoodTables::require`].
    pub fn shared(&self, key: u32) -> Result<Arc<LikelihoodTable>> {
        self.tables
            .get(&key)
            .map(Arc::clone)
            .ok_or_else(|| absent(key))
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
        let alone = LikelihoodTable::build(&context(1), &[84], 40).expect("built");
        let short = LikelihoodTable::build(&context(1), &[84], 7).expect("built");
        let want = bits(alone[0].records());
        assert_eq!(bits(short[0].records()), want[..7 * N_KNOTS * 4]);
        for threads in [2, 3, 7] {
            let keys = [10, 30, 84, 86, 88, 90];
            let many = LikelihoodTable::build(&context(threads), &keys, 75).expect("built");
            assert_eq!(many[2].key(), 84);
            assert_eq!(bits(&many[2].records()[..40 * N_KNOTS]), want);
        }
    }

    #[test]
    fn keys_off_the_grid_are_refused() {
        let error = LikelihoodTable::build(&context(1), &[71], 3).expect_err("odd above 70");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let error = LikelihoodTable::build(&context(1), &[70], 2000).expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn ensure_builds_once_and_grows() {
        let ctx = context(2);
        let mut tables = LikelihoodTables::new();
        tables.ensure(&ctx, &[100, 10], 3).expect("built");
        let first = tables.shared(100).expect("there");
        tables.ensure(&ctx, &[100], 2).expect("nothing to do");
        assert!(Arc::ptr_eq(&first, &tables.shared(100).expect("there")));
        tables.ensure(&ctx, &[100], 5).expect("grown");
        assert_eq!(tables.get(100).map(|t| t.n_rows()), Some(6));
        assert_eq!(tables.get(10).map(|t| t.n_rows()), Some(4));
        assert_eq!(tables.bytes(), 10 * N_KNOTS * 32);
        tables.keep_only(&[10]);
        assert!(tables.require(100).is_err() && tables.require(10).is_ok());
    }
}
