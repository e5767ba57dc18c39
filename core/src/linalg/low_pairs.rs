//! The few smallest eigenpairs of a tridiagonal matrix, where all of them would be waste.
//!
//! Each value is approached from below by Laguerre's steps, with those already found divided out
//! of the characteristic polynomial; its vector comes from two steps of inverse iteration. Every pair
//! is checked (residual, distance from the vectors before it); a pair that fails, as in clusters, makes
//! the caller take the way that finds all pairs.
//!
//! Time: about 200 `n` flops and 8 `n` divisions a pair. Memory: six vectors.

use super::eigen::{Tridiagonal, stride};
use super::small::dot;

/// Residual of a pair that is good enough, in units of the norm.
const RESIDUAL: f64 = 1e-14;
/// Steps of Laguerre's iteration; five or six are usual.
const MAX_STEPS: u32 = 40;

/// Memory for the pairs of one matrix.
#[derive(Debug)]
pub(super) struct LowPairs {
    values: Vec<f64>,
    /// Rows of the upper factor: pivot, first and second superdiagonal.
    upper: Vec<[f64; 3]>,
    /// What was subtracted from the row below, and whether the two were exchanged.
    lower: Vec<(f64, bool)>,
}

impl LowPairs {
    /// Memory for `n x n` matrices and smaller ones.
    pub(super) fn new(n: usize) -> Self {
        LowPairs {
            values: Vec::with_capacity(n),
            upper: vec![[0.0; 3]; n],
            lower: vec![(0.0, false); n],
        }
    }

    /// The eigenvalues found, in the scale of the tridiagonal matrix.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Finds the pairs with values below `floor`: their vectors are the first rows of `vectors`, which
    /// are [`stride`] apart. False when there are more than `most`, or when one is not good enough.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        t: &Tridiagonal,
        floor: f64,
        most: usize,
        vectors: &mut [f64],
    ) -> bool {
        self.values.clear();
        let (d, e) = t.bands();
        let n_low = n_below(d, e, floor);
        if n_low > most {
            return false;
        }
        let (bottom, norm) = bounds(d, e);
        for i in 0..n_low {
            let Some(value) = next_value(d, e, bottom, &self.values) else {
                return false;
            };
            let (before, rest) = vectors.split_at_mut(i * stride(d.len()));
            let vector = &mut rest[..d.len()];
            let Some(value) = self.vector(d, e, value, norm, before, vector) else {
                return false;
            };
            self.values.push(value);
        }
        // All of them, and no value twice.
        self.values.iter().all(|&value| value < floor)
    }

    /// Two steps of inverse iteration from a fixed start; the value is then the quotient of the
    /// vector.
    #[inline(always)]
    fn vector(
        &mut self,
        d: &[f64],
        e: &[f64],
        value: f64,
        norm: f64,
        before: &[f64],
        vector: &mut [f64],
    ) -> Option<f64> {
        let n = d.len();
        for (j, x) in vector.iter_mut().enumerate() {
            // No symmetry that a vector could share.
            *x = 1.0 + ((7 * j + 3 * self.values.len()) % 11) as f64 / 16.0;
        }
        let mut value = value;
        for _ in 0..2 {
            self.factor(d, e, value, norm);
            self.solve(vector);
            for earlier in before.chunks_exact(stride(n)) {
                let along = dot(&earlier[..n], vector);
                for (x, y) in vector.iter_mut().zip(earlier) {
                    *x -= along * y;
                }
            }
            let length = dot(vector, vector).sqrt();
            if !length.is_normal() {
                return None;
            }
            vector.iter_mut().for_each(|x| *x /= length);
            value = quotient(d, e, vector);
        }
        let is_good = residual(d, e, value, vector) <= RESIDUAL * norm
            && before
                .chunks_exact(stride(n))
                .all(|earlier| dot(&earlier[..n], vector).abs() <= RESIDUAL);
        is_good.then_some(value)
    }

    /// `T - value I = L U` with exchanges of neighbouring rows.
    #[inline(always)]
    fn factor(&mut self, d: &[f64], e: &[f64], value: f64, norm: f64) {
        let n = d.len();
        // Keeps the solution finite where the value is exact.
        let least = f64::EPSILON * norm;
        let mut row = [d[0] - value, e[0], 0.0];
        for i in 0..n - 1 {
            let beyond = if i + 2 < n { e[i + 1] } else { 0.0 };
            let below = [e[i], d[i + 1] - value, beyond];
            let exchanged = below[0].abs() > row[0].abs();
            let (kept, other) = if exchanged {
                (below, row)
            } else {
                (row, below)
            };
            let pivot = at_least(kept[0], least);
            let factor = other[0] / pivot;
            self.upper[i] = [pivot, kept[1], kept[2]];
            self.lower[i] = (factor, exchanged);
            row = [
                other[1] - factor * kept[1],
                other[2] - factor * kept[2],
                0.0,
            ];
        }
        self.upper[n - 1] = [at_least(row[0], least), 0.0, 0.0];
    }

    #[inline(always)]
    fn solve(&self, x: &mut [f64]) {
        let n = x.len();
        for i in 0..n - 1 {
            let (factor, exchanged) = self.lower[i];
            if exchanged {
                x.swap(i, i + 1);
            }
            x[i + 1] -= factor * x[i];
        }
        let (mut next, mut after) = (0.0, 0.0);
        for (x, [pivot, first, second]) in x.iter_mut().zip(&self.upper).rev() {
            *x = (*x - first * next - second * after) / pivot;
            (after, next) = (next, *x);
        }
    }
}

#[inline(always)]
fn at_least(pivot: f64, least: f64) -> f64 {
    if pivot.abs() >= least {
        pivot
    } else if pivot < 0.0 {
        -least
    } else {
        least
    }
}

/// How many eigenvalues are below `x`: the negative pivots of `T - x I`.
#[inline(always)]
fn n_below(d: &[f64], e: &[f64], x: f64) -> usize {
    let (mut n, mut pull) = (0, 0.0);
    for (d, e) in d.iter().zip(e) {
        let mut pivot = d - x - pull;
        if pivot == 0.0 {
            pivot = f64::MIN_POSITIVE;
        }
        n += usize::from(pivot < 0.0);
        pull = e * e / pivot;
    }
    n
}

/// A number below every eigenvalue, and a bound of their size: the discs of the rows.
#[inline(always)]
fn bounds(d: &[f64], e: &[f64]) -> (f64, f64) {
    let (mut bottom, mut norm, mut before) = (f64::INFINITY, 0.0, 0.0);
    for (d, e) in d.iter().zip(e) {
        let reach = e.abs() + before;
        if d - reach < bottom {
            bottom = d - reach;
        }
        if d.abs() + reach > norm {
            norm = d.abs() + reach;
        }
        before = e.abs();
    }
    (bottom - 1e-15 * (1.0 + norm), norm)
}

/// The smallest eigenvalue beside those in `found`; `None` when the steps do not settle.
///
/// The logarithmic derivatives of the pivots of `T - x I` give the two sums over all
/// eigenvalues that Laguerre's step needs; those found are taken out of the sums.
#[inline(always)]
fn next_value(d: &[f64], e: &[f64], bottom: f64, found: &[f64]) -> Option<f64> {
    let n = (d.len() - found.len()) as f64;
    let mut x = bottom;
    for _ in 0..MAX_STEPS {
        let (mut first, mut second) = (0.0, 0.0);
        let (mut pull, mut ratio, mut bend) = (0.0, 0.0, 0.0);
        for (d, e) in d.iter().zip(e) {
            // Of `-T` from above: the same recurrence as for the largest value.
            let pivot = d - x - pull;
            let inverse = 1.0 / pivot;
            let slope = (1.0 + pull * ratio) * inverse;
            bend = pull * (bend - 2.0 * ratio * ratio) * inverse;
            ratio = slope;
            first += ratio;
            second += ratio * ratio - bend;
            pull = e * e * inverse;
        }
        for value in found {
            let inverse = 1.0 / (value - x);
            first -= inverse;
            second -= inverse * inverse;
        }
        let root = ((n - 1.0) * (n * second - first * first)).max(0.0).sqrt();
        let next = x + n / (first + root);
        if !next.is_finite() {
            return None;
        }
        // Inverse iteration does the rest.
        if next <= x || next - x <= 1e-9 * x.abs() {
            return Some(next);
        }
        x = next;
    }
    None
}

/// `v^T T v` for a vector of length one.
#[inline(always)]
fn quotient(d: &[f64], e: &[f64], v: &[f64]) -> f64 {
    let mut sum = 0.0;
    for i in 0..v.len() {
        let next = if i + 1 < v.len() { v[i + 1] } else { 0.0 };
        sum += v[i] * (d[i] * v[i] + 2.0 * e[i] * next);
    }
    sum
}

/// `|T v - value v|`.
#[inline(always)]
fn residual(d: &[f64], e: &[f64], value: f64, v: &[f64]) -> f64 {
    let (mut sum, mut before) = (0.0, 0.0);
    for i in 0..v.len() {
        let next = if i + 1 < v.len() {
            e[i] * v[i + 1]
        } else {
            0.0
        };
        let r = (d[i] - value) * v[i] + before + next;
        sum += r * r;
        before = e[i] * v[i];
    }
    sum.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    /// A random matrix whose `n_low` smallest eigenvalues are moved far down, reduced.
    fn reduced(n: usize, n_low: usize, item: u64) -> (Tridiagonal, f64) {
        let mut random = stream(5, "low_pairs", item);
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                a[i * n + j] = 0.1 * random.normal();
                a[j * n + i] = a[i * n + j];
            }
            a[i * n + i] += if i < n_low { -10.0 - i as f64 } else { 10.0 };
        }
        let mut t = Tridiagonal::new(n);
        t.reduce(&mut a, n);
        let unit = t.unit();
        (t, unit)
    }

    #[test]
    fn pairs_agree_with_those_of_the_whole_matrix() {
        for (item, (n, n_low)) in [(3, 1), (9, 0), (9, 3), (20, 1), (20, 7), (61, 5)]
            .into_iter()
            .enumerate()
        {
            let (mut t, unit) = reduced(n, n_low, item as u64);
            let mut vectors = vec![0.0; n * stride(n)];
            let mut pairs = LowPairs::new(n);
            assert!(pairs.find(&t, 0.0, n_low, &mut vectors), "{n} {n_low}");
            let mut got: Vec<f64> = pairs.values().iter().map(|v| v * unit).collect();
            got.sort_by(f64::total_cmp);
            assert!(n_low == 0 || !pairs.find(&t, 0.0, n_low - 1, &mut vectors));
            assert!(t.diagonalise(&mut vectors));
            let mut want = t.values().to_vec();
            want.sort_by(f64::total_cmp);
            assert_eq!(got.len(), n_low);
            for (a, b) in got.iter().zip(&want) {
                assert!((a - b).abs() <= 1e-13 * n as f64, "{n}: {a} {b}");
            }
        }
    }

    #[test]
    fn equal_values_are_found_apart_or_refused() {
        // Two uncoupled copies of one block: every value is there twice.
        let n = 8;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = if i % 4 == 0 { -3.0 } else { 2.0 };
            if i % 4 != 3 {
                a[i * n + i + 1] = 0.5;
                a[(i + 1) * n + i] = 0.5;
            }
        }
        let mut t = Tridiagonal::new(n);
        t.reduce(&mut a, n);
        let mut vectors = vec![0.0; n * stride(n)];
        let mut pairs = LowPairs::new(n);
        if pairs.find(&t, 0.0, 2, &mut vectors) {
            let (u, v) = (&vectors[..n], &vectors[stride(n)..stride(n) + n]);
            assert!(dot(u, v).abs() <= RESIDUAL);
            assert!((pairs.values()[0] - pairs.values()[1]).abs() <= 1e-13);
        }
    }
}
