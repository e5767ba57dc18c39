//! Exact minimiser of a strictly convex quadratic over a box that is open above.
//!
//! `argmin 1/2 x^T D x - d^T x` subject to `x >= -s` with `s >= 0`. In `z = x + s` it reads
//! `D z = d + D s` on the free coordinates and `z = 0` on the others.
//!
//! The set of free coordinates is found by exchanging all coordinates of the wrong sign at once
//! while their number falls, then one at a time (the largest index first, which cannot cycle); the
//! search begins with the set of the last call. Should rounding keep even that from ending, a primal
//! method with falling objective finishes. Time: a few Cholesky factors of the free part. Memory:
//! the scratch, n^2 numbers.

use pulp::{Arch, Simd, WithSimd};

use super::small;

/// Memory, and the free coordinates of the last call.
#[derive(Debug)]
pub struct QpScratch {
    arch: Arch,
    free: Vec<bool>,
    index: Vec<u32>,
    wrong: Vec<u32>,
    factor: Vec<f64>,
    part: Vec<f64>,
    right: Vec<f64>,
    z: Vec<f64>,
}

impl QpScratch {
    /// Memory for `n` coordinates and fewer; all of them free at first.
    pub fn new(n: usize) -> Self {
        QpScratch::with_arch(n, Arch::new())
    }

    /// [`QpScratch::new`] for chosen vector units; results do not depend on them.
    pub fn with_arch(n: usize, arch: Arch) -> Self {
        QpScratch {
            arch,
            free: vec![true; n],
            index: Vec::with_capacity(n),
            wrong: Vec::with_capacity(n),
            factor: vec![0.0; n * n],
            part: vec![0.0; n],
            right: vec![0.0; n],
            z: vec![0.0; n],
        }
    }

    /// Forgets the free coordinates of the last call: all are free.
    pub fn reset(&mut self) {
        self.free.fill(true);
    }
}

/// Minimises `1/2 x^T D x - d^T x` over `x >= -s` into `x`; lengths give the size.
///
/// `matrix` is symmetric positive definite, row-major. Returns false when it turns out not to be
/// (or not to be finite); `x` is then unspecified.
///
/// # Panics
/// When the scratch is for fewer coordinates.
pub fn solve(
    matrix: &[f64],
    linear: &[f64],
    s: &[f64],
    x: &mut [f64],
    scratch: &mut QpScratch,
) -> bool {
    match linear.len() {
        0 => true,
        1 => {
            x[0] = solve_1(matrix[0], linear[0], s[0]);
            x[0].is_finite()
        }
        2 => {
            let solution = solve_2(
                [matrix[0], matrix[1], matrix[3]],
                [linear[0], linear[1]],
                [s[0], s[1]],
            );
            x.copy_from_slice(&solution);
            x[0].is_finite() && x[1].is_finite()
        }
        _ => scratch.arch.dispatch(General {
            matrix,
            linear,
            s,
            x,
            scratch,
        }),
    }
}

/// One coordinate.
#[inline]
pub fn solve_1(matrix: f64, linear: f64, s: f64) -> f64 {
    let free = linear / matrix;
    if free < -s { -s } else { free }
}

/// Two coordinates; the matrix is `[[a, b], [b, c]]`.
///
/// If the free minimiser is outside, the constrained one lies on an edge, and each edge has one
/// minimiser: the right one has a gradient that points into the box.
#[inline]
pub fn solve_2([a, b, c]: [f64; 3], d: [f64; 2], s: [f64; 2]) -> [f64; 2] {
    // Elimination from the larger pivot leaves a residual at rounding level.
    let free = if a >= c {
        let factor = b / a;
        let second = (d[1] - factor * d[0]) / (c - factor * b);
        [(d[0] - b * second) / a, second]
    } else {
        let factor = b / c;
        let first = (d[0] - factor * d[1]) / (a - factor * b);
        [first, (d[1] - b * first) / c]
    };
    if free[0] >= -s[0] && free[1] >= -s[1] {
        return free;
    }
    let on_first = [-s[0], solve_1(c, d[1] + b * s[0], s[1])];
    let on_second = [solve_1(a, d[0] + b * s[1], s[0]), -s[1]];
    let pull_first = a * on_first[0] + b * on_first[1] - d[0];
    let pull_second = b * on_second[0] + c * on_second[1] - d[1];
    // Exactly one edge fits unless both end in the corner; rounding is settled in favour of the
    // clearer one, ties in favour of the first.
    if pull_first / a >= pull_second / c {
        on_first
    } else {
        on_second
    }
}

/// Sets the unconstrained minimiser over the free coordinates in `z`; zero elsewhere.
#[inline(always)]
fn minimise_free(matrix: &[f64], n: usize, scratch: &mut QpScratch) -> bool {
    let QpScratch {
        free,
        index,
        factor,
        part,
        right,
        z,
        ..
    } = scratch;
    index.clear();
    index.extend((0..n as u32).filter(|&i| free[i as usize]));
    let m = index.len();
    for (r, &i) in index.iter().enumerate() {
        let row = &matrix[i as usize * n..(i as usize + 1) * n];
        part[r] = right[i as usize];
        // Only the upper triangle is read.
        for (target, &j) in factor[r * m + r..(r + 1) * m].iter_mut().zip(&index[r..]) {
            *target = row[j as usize];
        }
    }
    if !small::cholesky_in_place(factor, m) {
        return false;
    }
    small::cholesky_solve(factor, m, part);
    z[..n].fill(0.0);
    for (&i, &value) in index.iter().zip(&*part) {
        z[i as usize] = value;
    }
    true
}

/// Gradient of coordinate `i` at `z`, and what of it may be rounding.
#[inline(always)]
fn gradient(matrix: &[f64], n: usize, i: usize, right: f64, z: &[f64]) -> (f64, f64) {
    let (mut sum, mut size) = (-right, right.abs());
    for (&value, &z) in matrix[i * n..(i + 1) * n].iter().zip(z) {
        sum += value * z;
        size += (value * z).abs();
    }
    (sum, 4.0 * f64::EPSILON * size)
}

/// [`solve`] for three coordinates and more.
struct General<'a> {
    matrix: &'a [f64],
    linear: &'a [f64],
    s: &'a [f64],
    x: &'a mut [f64],
    scratch: &'a mut QpScratch,
}

impl WithSimd for General<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let General {
            matrix,
            linear,
            s,
            x,
            scratch,
        } = self;
        let n = linear.len();
        assert!(n <= scratch.free.len(), "scratch is for fewer coordinates");
        small::multiply(matrix, n, s, &mut scratch.right);
        for (right, d) in scratch.right.iter_mut().zip(linear) {
            *right += d;
        }
        match exchange(matrix, n, scratch, 20 * n + 50) {
            None => return false,
            Some(true) => {}
            Some(false) => {
                if !descend(matrix, n, scratch) {
                    return false;
                }
            }
        }
        for ((x, z), s) in x.iter_mut().zip(&scratch.z).zip(s) {
            *x = z - s;
        }
        true
    }
}

/// Principal pivoting; `Some(true)` when it ended, `None` when the matrix is not definite.
#[inline(always)]
fn exchange(matrix: &[f64], n: usize, scratch: &mut QpScratch, limit: usize) -> Option<bool> {
    /// Exchanges of all coordinates at once that need not lower the number of wrong signs.
    const PATIENCE: u32 = 3;
    let (mut fewest, mut patience) = (n + 1, PATIENCE);
    for _ in 0..limit {
        if !minimise_free(matrix, n, scratch) {
            return None;
        }
        scratch.wrong.clear();
        for i in 0..n {
            let wrong = if scratch.free[i] {
                scratch.z[i] < 0.0
            } else {
                let (pull, rounding) = gradient(matrix, n, i, scratch.right[i], &scratch.z[..n]);
                pull < -rounding
            };
            if wrong {
                scratch.wrong.push(i as u32);
            }
        }
        let Some(&last) = scratch.wrong.last() else {
            return Some(true);
        };
        let all = if scratch.wrong.len() < fewest {
            fewest = scratch.wrong.len();
            patience = PATIENCE;
            true
        } else {
            patience = patience.saturating_sub(1);
            patience > 0
        };
        if all {
            for &i in &scratch.wrong {
                scratch.free[i as usize] ^= true;
            }
        } else {
            scratch.free[last as usize] ^= true;
        }
    }
    Some(false)
}

/// Primal active set from `z = 0`: frees the coordinate with the steepest descent and goes towards
/// the minimiser of the free ones until one of them hits its bound. The objective falls with every
/// freed coordinate, and one that cannot move is left bound until another has, so it ends.
#[inline(never)]
fn descend(matrix: &[f64], n: usize, scratch: &mut QpScratch) -> bool {
    scratch.free.fill(false);
    let mut at = vec![0.0; n];
    let mut stuck = vec![false; n];
    for _ in 0..10 * n {
        let mut best: Option<(usize, f64)> = None;
        for i in (0..n).filter(|&i| !scratch.free[i] && !stuck[i]) {
            let (pull, rounding) = gradient(matrix, n, i, scratch.right[i], &at);
            if pull < -rounding && best.is_none_or(|(_, b)| pull < b) {
                best = Some((i, pull));
            }
        }
        let Some((entering, _)) = best else { break };
        scratch.free[entering] = true;
        loop {
            if !minimise_free(matrix, n, scratch) {
                return false;
            }
            if scratch.z[entering] <= 0.0 && at[entering] == 0.0 {
                scratch.free[entering] = false;
                stuck[entering] = true;
                break;
            }
            let (mut step, mut leaving) = (1.0, None);
            for i in (0..n).filter(|&i| scratch.free[i] && scratch.z[i] < 0.0) {
                let length = at[i] / (at[i] - scratch.z[i]);
                if length < step {
                    (step, leaving) = (length, Some(i));
                }
            }
            for (at, z) in at.iter_mut().zip(&scratch.z) {
                *at += step * (z - *at);
            }
            stuck.fill(false);
            let Some(leaving) = leaving else { break };
            at[leaving] = 0.0;
            scratch.free[leaving] = false;
        }
    }
    scratch.z[..n].copy_from_slice(&at);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::small::tests::random_spd;
    use crate::par::rng::stream;

    /// The largest violation of the optimality conditions.
    fn residual(matrix: &[f64], d: &[f64], s: &[f64], x: &[f64]) -> f64 {
        let n = d.len();
        (0..n)
            .map(|i| {
                let g: f64 = (0..n).map(|j| matrix[i * n + j] * x[j]).sum::<f64>() - d[i];
                assert!(x[i] >= -s[i], "outside the box");
                if x[i] > -s[i] { g.abs() } else { (-g).max(0.0) }
            })
            .fold(0.0, f64::max)
    }

    fn problem(n: usize, item: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut random = stream(11, "qp", item);
        let low = [0.3, 1e-3, 1e-7][item as usize % 3];
        let matrix = random_spd(n, low, 1.0, item);
        let d = (0..n).map(|_| random.normal()).collect();
        let s = (0..n)
            .map(|_| {
                if random.uniform() < 0.2 {
                    0.0
                } else {
                    0.3 * random.uniform()
                }
            })
            .collect();
        (matrix, d, s)
    }

    /// Every set of free coordinates is tried; the feasible one with the least objective wins.
    fn brute_force(matrix: &[f64], d: &[f64], s: &[f64]) -> Vec<f64> {
        let n = d.len();
        let mut best = (f64::INFINITY, vec![]);
        for set in 0..1_u32 << n {
            let free: Vec<usize> = (0..n).filter(|i| set >> i & 1 == 1).collect();
            let m = free.len();
            let part: Vec<f64> = free
                .iter()
                .flat_map(|&i| free.iter().map(move |&j| matrix[i * n + j]))
                .collect();
            let mut u = vec![0.0; m * m];
            assert!(small::cholesky(&part, m, 0.0, &mut u));
            let mut x: Vec<f64> = s.iter().map(|s| -s).collect();
            let mut right: Vec<f64> = free
                .iter()
                .map(|&i| {
                    let bound = (0..n).filter(|j| !free.contains(j));
                    d[i] + bound.map(|j| matrix[i * n + j] * s[j]).sum::<f64>()
                })
                .collect();
            small::cholesky_solve(&u, m, &mut right);
            free.iter()
                .zip(&right)
                .for_each(|(&i, &value)| x[i] = value);
            if (0..n).all(|i| x[i] >= -s[i]) {
                let mut product = vec![0.0; n];
                small::multiply(matrix, n, &x, &mut product);
                let value: f64 = (0..n).map(|i| x[i] * (0.5 * product[i] - d[i])).sum();
                if value < best.0 {
                    best = (value, x);
                }
            }
        }
        best.1
    }

    #[test]
    fn it_agrees_with_every_active_set_tried() {
        for n in 1..=8 {
            let mut scratch = QpScratch::new(8);
            for item in 0..60 {
                let (matrix, d, s) = problem(n, 100 * n as u64 + item);
                let mut x = vec![f64::NAN; n];
                assert!(solve(&matrix, &d, &s, &mut x, &mut scratch));
                let want = brute_force(&matrix, &d, &s);
                let scale: f64 = want.iter().fold(1.0, |a, b| a.max(b.abs()));
                // Solutions of the flattest problems are as large as 1e7.
                assert!(residual(&matrix, &d, &s, &x) <= 1e-14 * scale);
                for (a, b) in x.iter().zip(&want) {
                    // Objectives tell solutions apart to about the root of rounding.
                    assert!((a - b).abs() <= 1e-6 * scale, "{n} {item}: {x:?} {want:?}");
                }
            }
        }
    }

    #[test]
    fn residuals_are_small_at_any_size_from_any_start() {
        for n in [3, 10, 20, 40, 150] {
            let mut scratch = QpScratch::new(n);
            for item in 0..20 {
                let (matrix, d, s) = problem(n, item);
                let (mut warm, mut cold) = (vec![0.0; n], vec![0.0; n]);
                assert!(solve(&matrix, &d, &s, &mut warm, &mut scratch));
                assert!(solve(&matrix, &d, &s, &mut cold, &mut QpScratch::new(n)));
                let size = warm.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
                assert!(residual(&matrix, &d, &s, &warm) <= 1e-13 * size * n as f64);
                assert_eq!(warm, cold, "the start does not matter");
            }
        }
    }

    #[test]
    fn the_second_method_finds_the_same_point() {
        for n in [3, 8, 30] {
            for item in 0..20 {
                let (matrix, d, s) = problem(n, item);
                let mut scratch = QpScratch::new(n);
                let mut x = vec![0.0; n];
                assert!(solve(&matrix, &d, &s, &mut x, &mut scratch));
                let z = scratch.z.clone();
                assert!(descend(&matrix, n, &mut scratch));
                let size = z.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
                for (a, b) in scratch.z.iter().zip(&z) {
                    assert!((a - b).abs() <= 1e-8 * size, "{n} {item}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn ties_end_and_are_settled_one_way() {
        // All coordinates are alike, and the optimum is exactly on every bound.
        let n = 6;
        let mut matrix = vec![0.5; n * n];
        (0..n).for_each(|i| matrix[i * n + i] = 1.0);
        let (d, s) = (vec![0.0; n], vec![0.0; n]);
        let mut x = vec![f64::NAN; n];
        assert!(solve(&matrix, &d, &s, &mut x, &mut QpScratch::new(n)));
        assert_eq!(x, vec![0.0; n]);
        assert_eq!(
            solve_2([1.0, 0.9, 1.0], [-1.0, -1.0], [0.5, 0.5]),
            [-0.5, -0.5]
        );
    }
}
