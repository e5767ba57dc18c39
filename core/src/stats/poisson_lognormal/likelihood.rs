//! Evaluation of the tables: log-probability and its two derivatives by lambda.
//!
//! The cell of a rate comes from a square root and one small look-up. The same rates are often
//! asked of many tables (every sigma of a search): [`LambdaCells`] finds the cells once.
//!
//! Time: about 3 ns an evaluation. Memory: none beyond the caller's.

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use crate::stats::vector_math::TWO_52;

use super::grid::{CELL_OF, CELL_START, LAMBDA_MAX, LAMBDA_MIN};
use super::rows::CountRows;
use super::table::{LikelihoodTable, Record};

/// Partial sums of a score: entry `g` goes to lane `g % 8`.
pub(crate) const LANES: usize = 8;

/// `floor(sqrt(lambda / 1e-6))` of a clamped rate, as the index of [`CELL_OF`].
#[inline(always)]
pub(crate) fn cell_key(lambda: f64) -> u16 {
    // Rates are at most 1600, so the number is at most 40,000 and the low 16 bits hold it.
    ((lambda * 1e6).sqrt().floor() + TWO_52).to_bits() as u16
}

/// The rate as tables see it.
#[inline(always)]
pub(crate) fn clamp_lambda(lambda: f64) -> f64 {
    let raised = if lambda < LAMBDA_MIN {
        LAMBDA_MIN
    } else {
        lambda
    };
    if raised > LAMBDA_MAX {
        LAMBDA_MAX
    } else {
        raised
    }
}

/// Cell of a key, and how far the clamped rate is from its left knot.
#[inline(always)]
pub(crate) fn locate(key: u16, lambda: f64) -> (usize, f64) {
    let cell = usize::from(CELL_OF[usize::from(key)]);
    (cell, lambda - CELL_START[cell & 511])
}

/// The log-probability at the distance `s` from the left knot.
#[inline(always)]
pub(crate) fn value(record: &Record, s: f64) -> f64 {
    let [q, slope, second, bend] = *record;
    let inner = s.mul_add(bend * (1.0 / 6.0), 0.5 * second);
    s.mul_add(s.mul_add(inner, slope), q)
}

/// First and second derivative at the distance `s` from the left knot.
#[inline(always)]
pub(crate) fn derivatives(record: &Record, s: f64) -> (f64, f64) {
    let [_, slope, second, bend] = *record;
    let half = s.mul_add(0.5 * bend, second);
    (s.mul_add(half, slope), s.mul_add(bend, second))
}

impl LikelihoodTable {
    /// Log-probability of `count` at `lambda`, and its first and second derivative by lambda.
    ///
    /// `lambda` is clamped to `[1e-4, 1600 - 1e-4]` and `count` to 1000, as everywhere.
    ///
    /// # Panics
    /// When the table has no row for the count.
    pub fn evaluate(&self, count: u32, lambda: f64) -> [f64; 3] {
        let lambda = clamp_lambda(lambda);
        let (cell, s) = locate(cell_key(lambda), lambda);
        let record = &self.records()[self.rows().offset(count) as usize + cell];
        let (first, second) = derivatives(record, s);
        [value(record, s), first, second]
    }

    /// Log-probability of `count` at `lambda`: the first of [`LikelihoodTable::evaluate`].
    ///
    /// # Panics
    /// When the table has no row for the count.
    #[inline]
    pub fn log_probability(&self, count: u32, lambda: f64) -> f64 {
        let lambda = clamp_lambda(lambda);
        let (cell, s) = locate(cell_key(lambda), lambda);
        value(
            &self.records()[self.rows().offset(count) as usize + cell],
            s,
        )
    }
}

/// Rates with their cells found, to be scored against the counts under many tables.
#[derive(Debug, Clone)]
pub struct LambdaCells {
    rows: Arc<CountRows>,
    /// Record of each entry, and how far the rate is from its left knot.
    entries: Vec<(u32, f64)>,
}

impl LambdaCells {
    /// No entries; for tables with these rows.
    pub fn new(rows: &Arc<CountRows>) -> Self {
        LambdaCells {
            rows: Arc::clone(rows),
            entries: Vec::new(),
        }
    }

    /// Takes the entries `(counts[i], factor * lambda[i])`, in place of those it had.
    ///
    /// # Panics
    /// When the lengths differ or a count has no row.
    pub fn locate(&mut self, counts: &[u32], lambda: &[f64], factor: f64) {
        assert_eq!(counts.len(), lambda.len(), "one rate a count");
        self.entries.clear();
        self.entries.reserve(counts.len());
        Arch::new().dispatch(Locate {
            counts,
            lambda,
            factor,
            rows: &self.rows,
            entries: &mut self.entries,
        });
    }

    /// `-sum log p` of all entries: entry `i` is added to partial sum `i % 8`.
    ///
    /// # Panics
    /// When the table has other rows.
    pub fn negative_log_likelihood(&self, table: &LikelihoodTable) -> f64 {
        assert!(Arc::ptr_eq(&self.rows, table.rows()), "table of other rows");
        Arch::new().dispatch(Score {
            entries: &self.entries,
            records: table.records(),
        })
    }
}

/// Appends the places of `(counts[i], factor * lambda[i])`.
struct Locate<'a> {
    counts: &'a [u32],
    lambda: &'a [f64],
    factor: f64,
    rows: &'a CountRows,
    entries: &'a mut Vec<(u32, f64)>,
}

impl WithSimd for Locate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const BLOCK: usize = 64;
        let (mut rates, mut keys) = ([0.0; BLOCK], [0_u16; BLOCK]);
        for (counts, lambda) in self.counts.chunks(BLOCK).zip(self.lambda.chunks(BLOCK)) {
            for ((rate, key), lambda) in rates.iter_mut().zip(&mut keys).zip(lambda) {
                *rate = clamp_lambda(self.factor * lambda);
                *key = cell_key(*rate);
            }
            let found = counts.iter().zip(&rates).zip(&keys);
            self.entries.extend(found.map(|((&count, &rate), &key)| {
                let (cell, s) = locate(key, rate);
                (self.rows.offset(count) + cell as u32, s)
            }));
        }
    }
}

/// `-sum log p` of located entries.
struct Score<'a> {
    entries: &'a [(u32, f64)],
    records: &'a [Record],
}

impl WithSimd for Score<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; LANES];
        for group in self.entries.chunks(LANES) {
            for (sum, &(record, s)) in sums.iter_mut().zip(group) {
                *sum += value(&self.records[record as usize], s);
            }
        }
        -add_lanes(sums)
    }
}

/// The fixed order in which eight partial sums are added.
#[inline(always)]
pub(crate) fn add_lanes(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::stats::poisson_lognormal::grid::KNOTS;

    fn table(key: u32, n_rows: usize) -> LikelihoodTable {
        let ctx = Context::single_threaded().expect("pool");
        LikelihoodTable::build(&ctx, &[key], &Arc::new(CountRows::up_to(n_rows as u32 - 1)))
            .expect("built")
            .remove(0)
    }

    #[test]
    fn derivatives_agree_with_central_differences() {
        let table = table(84, 30);
        for i in 0..20_u32 {
            let lambda = 0.003 * 1.9_f64.powi(i as i32);
            let count = (i * 7) % 30;
            let h = 1e-5 * lambda;
            let [_, first, second] = table.evaluate(count, lambda);
            let (up, down) = (
                table.evaluate(count, lambda + h),
                table.evaluate(count, lambda - h),
            );
            let by_value = (up[0] - down[0]) / (2.0 * h);
            let by_slope = (up[1] - down[1]) / (2.0 * h);
            let close = |a: f64, b: f64, scale: f64| (a - b).abs() <= 1e-6 * (b.abs() + scale);
            assert!(
                close(by_value, first, 1e-4 / lambda),
                "{lambda}: {by_value} {first}"
            );
            assert!(
                close(by_slope, second, 1e-4 / (lambda * lambda)),
                "{lambda}: {by_slope} {second}"
            );
        }
    }

    #[test]
    fn values_and_derivatives_are_continuous_at_knots() {
        let table = table(10, 4);
        for m in (1..437).step_by(9) {
            let (below, above) = (KNOTS[m] * (1.0 - 1e-14), KNOTS[m] * (1.0 + 1e-14));
            let (a, b) = (table.evaluate(2, below), table.evaluate(2, above));
            for i in 0..3 {
                assert!((a[i] - b[i]).abs() <= 1e-9 * (1.0 + a[i].abs()), "{m} {i}");
            }
        }
    }

    #[test]
    fn rates_and_counts_are_clamped() {
        let table = table(100, 1001);
        assert_eq!(table.evaluate(3, 0.0), table.evaluate(3, 1e-4));
        assert_eq!(table.evaluate(3, 1e9), table.evaluate(3, 1600.0));
        assert_eq!(table.evaluate(5000, 7.0), table.evaluate(1000, 7.0));
    }

    #[test]
    fn scores_agree_with_single_evaluations() {
        let table = table(50, 12);
        let counts: Vec<u32> = (0..103).map(|i| i % 12).collect();
        let lambda: Vec<f64> = (0..103).map(|i| 0.01 * f64::from(i)).collect();
        let mut cells = LambdaCells::new(table.rows());
        cells.locate(&counts, &lambda, 1.1);
        let want: f64 = -counts
            .iter()
            .zip(&lambda)
            .map(|(&y, l)| table.evaluate(y, 1.1 * l)[0])
            .sum::<f64>();
        assert!((cells.negative_log_likelihood(&table) - want).abs() < 1e-10);
    }
}
