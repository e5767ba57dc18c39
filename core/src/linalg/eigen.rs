//! Eigenvalues and vectors of small symmetric matrices, all loops along rows.
//!
//! Reflections make the matrix tridiagonal; from there either the largest eigenvalue alone is found
//! (Laguerre's iteration from above, which never passes it), or all of them with their vectors
//! (implicit QL steps; the vectors lie in rows, so that a rotation works on contiguous numbers).
//! A few of the smallest pairs are found by `low_pairs`.
//! For the 10 to 60 rows of the solvers this is two to six times as fast as blocked routines made for
//! large matrices, and its bits do not depend on the vector units.
//!
//! Time: about `2 n^3` flops to reduce, `6 n^3` for all vectors. Memory: the caller's matrices, and
//! five vectors.

use pulp::as_arrays_mut;

use super::small::dot;

/// Steps of QL for one eigenvalue before giving up; two or three are usual.
const MAX_STEPS: u32 = 60;
/// Columns of the vectors that are rotated together.
const LANES: usize = 8;

/// Places between the starts of two vectors of length `n`.
pub const fn stride(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// A symmetric matrix reduced to tridiagonal form.
#[derive(Debug)]
pub struct Tridiagonal {
    n: usize,
    diagonal: Vec<f64>,
    /// `off[i]` couples `i` and `i + 1`; the last is zero.
    off: Vec<f64>,
    /// `2 / v^T v` of each reflection.
    weights: Vec<f64>,
    product: Vec<f64>,
    /// Sine and cosine of the rotations of a step.
    turns: Vec<[f64; 2]>,
    /// A power of two near the largest entry.
    unit: f64,
}

impl Tridiagonal {
    /// Memory for `n x n` matrices and smaller ones.
    pub fn new(n: usize) -> Self {
        Tridiagonal {
            n: 0,
            diagonal: vec![0.0; n],
            off: vec![0.0; n],
            weights: vec![0.0; n],
            product: vec![0.0; n],
            turns: vec![[0.0; 2]; n],
            unit: 1.0,
        }
    }

    /// Reduces the symmetric, finite `a` (row-major, `n x n`), which the reflections replace:
    /// the `k`-th is `I - weights[k] v v^T` with `v` in `a[k][k + 1..]`.
    #[inline(always)]
    pub fn reduce(&mut self, a: &mut [f64], n: usize) {
        self.n = n;
        self.rescale(a);
        for k in 0..n {
            let (head, tail) = a[k * n..n * n].split_at_mut(n);
            self.diagonal[k] = head[k];
            let v = &mut head[k + 1..];
            self.off[k] = v.first().copied().unwrap_or(0.0);
            self.weights[k] = 0.0;
            let beyond = if v.len() > 1 {
                dot(&v[1..], &v[1..])
            } else {
                0.0
            };
            // Entries are at most 2: what is smaller than this does not show.
            if beyond < 1e-200 {
                continue;
            }
            let length = (v[0] * v[0] + beyond).sqrt();
            self.off[k] = if v[0] > 0.0 { -length } else { length };
            v[0] -= self.off[k];
            let weight = 2.0 / (v[0] * v[0] + beyond);
            self.weights[k] = weight;
            let product = &mut self.product[..v.len()];
            reflect(tail, n, k + 1, v, weight, product);
        }
    }

    /// Divides by a power of two, so that no square can overflow or vanish.
    #[inline(always)]
    fn rescale(&mut self, a: &mut [f64]) {
        let largest = a
            .iter()
            .fold(0.0_f64, |m, v| if v.abs() > m { v.abs() } else { m });
        // The exponent bits alone; zero and subnormal numbers need no care.
        let power = f64::from_bits(largest.to_bits() & 0x7ff0_0000_0000_0000);
        self.unit = if (1e-290..1e290).contains(&power) {
            power
        } else {
            1.0
        };
        let factor = 1.0 / self.unit;
        a.iter_mut().for_each(|v| *v *= factor);
    }

    /// The largest eigenvalue.
    ///
    /// `q_i` are the pivots of `lambda I - T`: all positive above the largest eigenvalue. Their
    /// logarithmic derivatives give the two sums over all eigenvalues that Laguerre's step needs.
    #[inline(always)]
    pub fn largest(&self) -> f64 {
        let n = self.n as f64;
        let mut lambda = self.upper_bound();
        for _ in 0..100 {
            let (mut first, mut second) = (0.0, 0.0);
            let (mut pull, mut ratio, mut bend) = (0.0, 0.0, 0.0);
            let mut above = true;
            for (d, e) in self.diagonal[..self.n].iter().zip(&self.off) {
                let pivot = lambda - d - pull;
                above &= pivot > 0.0;
                // First and second derivative of the pivot, over the pivot.
                let inverse = 1.0 / pivot;
                let slope = (1.0 + pull * ratio) * inverse;
                bend = pull * (bend - 2.0 * ratio * ratio) * inverse;
                ratio = slope;
                first += ratio;
                second += ratio * ratio - bend;
                pull = e * e * inverse;
            }
            if !above {
                break;
            }
            let root = ((n - 1.0) * (n * second - first * first)).max(0.0).sqrt();
            let next = lambda - n / (first + root);
            if next >= lambda || lambda - next <= 0.5 * f64::EPSILON * lambda.abs() {
                break;
            }
            lambda = next;
        }
        lambda * self.unit
    }

    /// A number above every eigenvalue: the discs of the rows.
    #[inline(always)]
    fn upper_bound(&self) -> f64 {
        let mut bound = f64::NEG_INFINITY;
        let mut before = 0.0;
        for (d, e) in self.diagonal[..self.n].iter().zip(&self.off) {
            let reach = d + e.abs() + before;
            bound = if reach > bound { reach } else { bound };
            before = e.abs();
        }
        bound + 1e-15 * (1.0 + bound.abs())
    }

    /// Finds all eigenvalues, and their vectors of the tridiagonal matrix in the rows of `vectors`,
    /// which are [`stride`] apart.
    /// False when they do not settle, which finite input does not do.
    #[inline(always)]
    pub fn diagonalise(&mut self, vectors: &mut [f64]) -> bool {
        let n = self.n;
        vectors.fill(0.0);
        let next = stride(n) + 1;
        vectors.iter_mut().step_by(next).for_each(|v| *v = 1.0);
        for first in 0..n {
            let mut steps = 0;
            loop {
                let last = self.block_end(first);
                if last == first {
                    break;
                }
                steps += 1;
                if steps > MAX_STEPS {
                    return false;
                }
                self.ql_step(first, last, vectors);
            }
        }
        self.diagonal[..n].iter_mut().for_each(|v| *v *= self.unit);
        true
    }

    /// Diagonal and off-diagonal of the matrix divided by [`Tridiagonal::unit`], after
    /// [`Tridiagonal::reduce`]; the last number of the off-diagonal is zero.
    #[inline(always)]
    pub(super) fn bands(&self) -> (&[f64], &[f64]) {
        (&self.diagonal[..self.n], &self.off[..self.n])
    }

    /// What the matrix was divided by.
    #[inline(always)]
    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// The eigenvalues, after [`Tridiagonal::diagonalise`]; in no order.
    #[inline(always)]
    pub fn values(&self) -> &[f64] {
        &self.diagonal[..self.n]
    }

    /// Last row of the block that begins at `first` and has no negligible coupling.
    #[inline(always)]
    fn block_end(&self, first: usize) -> usize {
        (first..self.n - 1)
            .find(|&i| {
                let size = self.diagonal[i].abs() + self.diagonal[i + 1].abs();
                self.off[i].abs() <= 0.5 * f64::EPSILON * size
            })
            .unwrap_or(self.n - 1)
    }

    /// One implicit QL step on the rows `first..=last`, shifted by the eigenvalue of the leading
    /// 2 x 2 corner that is nearer to its first entry.
    #[inline(always)]
    fn ql_step(&mut self, first: usize, last: usize, vectors: &mut [f64]) {
        let (d, e) = (&mut self.diagonal, &mut self.off);
        let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
        let radius = (half * half + 1.0).sqrt();
        let away = if half < 0.0 {
            half - radius
        } else {
            half + radius
        };
        // The bulge `g` is chased from the bottom of the block to its top.
        let mut g = d[last] - d[first] + e[first] / away;
        e[last] = 0.0;
        let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
        let mut stopped = None;
        for i in (first..last).rev() {
            let (f, b) = (sine * e[i], cosine * e[i]);
            let square = f * f + g * g;
            let length = square.sqrt();
            if i + 1 < last {
                e[i + 1] = length;
            }
            if length == 0.0 {
                stopped = Some(i + 1);
                break;
            }
            // Root and quotient do not wait for each other.
            let inverse = length * (1.0 / square);
            sine = f * inverse;
            cosine = g * inverse;
            self.turns[i] = [sine, cosine];
            let held = d[i + 1] - moved;
            let change = (d[i] - held) * sine + 2.0 * cosine * b;
            moved = sine * change;
            d[i + 1] = held + moved;
            g = cosine * change - b;
        }
        let top = match stopped {
            Some(row) => {
                d[row] -= moved;
                row
            }
            None => {
                d[first] -= moved;
                e[first] = g;
                first
            }
        };
        rotate(vectors, stride(self.n), top, &self.turns[top..last]);
    }

    /// Turns a vector of the tridiagonal matrix into one of the matrix that `reduce` was given;
    /// `a` is what it left.
    #[inline(always)]
    pub fn rotate_back(&self, a: &[f64], vector: &mut [f64]) {
        let n = self.n;
        for k in (0..n).rev() {
            if self.weights[k] == 0.0 {
                continue;
            }
            let v = &a[k * n + k + 1..(k + 1) * n];
            let part = &mut vector[k + 1..];
            let scale = self.weights[k] * dot(v, part);
            for (x, v) in part.iter_mut().zip(v) {
                *x -= scale * v;
            }
        }
    }
}

/// Rotates the rows `top` and `top + 1`, ..., from the last pair of `turns` to the first.
///
/// A row that two rotations share stays in registers between them.
#[inline(always)]
fn rotate(vectors: &mut [f64], stride: usize, top: usize, turns: &[[f64; 2]]) {
    let (vectors, _) = as_arrays_mut::<LANES, _>(vectors);
    let stride = stride / LANES;
    for column in 0..stride {
        let last = (top + turns.len()) * stride + column;
        let mut below = vectors[last];
        let mut at = last;
        for &[sine, cosine] in turns.iter().rev() {
            let above = vectors[at - stride];
            let mut kept = [0.0; LANES];
            for lane in 0..LANES {
                kept[lane] = sine * above[lane] + cosine * below[lane];
                below[lane] = cosine * above[lane] - sine * below[lane];
            }
            vectors[at] = kept;
            at -= stride;
        }
        vectors[at] = below;
    }
}

/// Applies the reflection `I - weight v v^T` from both sides to the rows of `tail`, columns `from`
/// on.
#[inline(always)]
fn reflect(tail: &mut [f64], n: usize, from: usize, v: &[f64], weight: f64, product: &mut [f64]) {
    product.fill(0.0);
    for (row, &vi) in tail.chunks_exact(n).zip(v) {
        for (p, &value) in product.iter_mut().zip(&row[from..]) {
            *p += vi * value;
        }
    }
    let half = 0.5 * weight * weight * dot(product, v);
    for (p, v) in product.iter_mut().zip(v) {
        *p = weight * *p - half * v;
    }
    for ((row, &vi), &pi) in tail.chunks_exact_mut(n).zip(v).zip(&*product) {
        for ((value, &vj), &pj) in row[from..].iter_mut().zip(v).zip(&*product) {
            *value -= vi * pj + pi * vj;
        }
    }
}
