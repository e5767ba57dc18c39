//! The quadratic problem of [`super::qp`] by a dual method, with the rounding of R's.
//!
//! Goldfarb and Idnani's method starts at the free minimiser and takes in violated bounds one by
//! one, the most violated first, dropping those whose multipliers would turn negative. R's package
//! quadprog, which spacexr calls, leaves out rotations of less than about 1e-8, as their cosine rounds
//! to one. On ill-conditioned matrices its solutions therefore miss their bounds by up to 1e-5, and
//! now and then a fit ends elsewhere. [`super::qp`] has no such error; this module is for those who
//! need R's answers on such pixels too.
//!
//! Time: n^3 for the factor and n^2 a bound that is taken in or dropped. Memory: the scratch, 2 n^2
//! numbers. Source: Goldfarb and Idnani 1983 (Mathematical Programming 27:1); quadprog 1.5-8.

/// Sizes up to this count as zero. quadprog: doubled from 1e-60 until a tenth of it adds to one.
const SMALL: f64 = 1.427_247_692_705_959_9e-15;
/// Bounds taken in or dropped, in units of n, before giving up.
const MAX_CHANGES: usize = 1000;

/// Memory for problems of one size.
#[derive(Debug)]
pub struct DualScratch {
    /// Columns of `J`: at first the inverse of the upper factor of the matrix.
    basis: Vec<f64>,
    /// Columns of the triangle that belongs to the active bounds.
    triangle: Vec<f64>,
    active: Vec<usize>,
    /// One for each active bound, and one for the bound that is being taken in.
    multipliers: Vec<f64>,
    d: Vec<f64>,
    primal_step: Vec<f64>,
    dual_step: Vec<f64>,
}

impl DualScratch {
    /// Memory for `n` coordinates and fewer.
    pub fn new(n: usize) -> Self {
        DualScratch {
            basis: vec![0.0; n * n],
            triangle: vec![0.0; n * n],
            active: Vec::with_capacity(n),
            multipliers: Vec::with_capacity(n + 1),
            d: vec![0.0; n],
            primal_step: vec![0.0; n],
            dual_step: vec![0.0; n],
        }
    }
}

/// Minimises `1/2 x^T D x - d^T x` over `x >= -s` into `x`; lengths give the size.
///
/// `matrix` is symmetric positive definite. Returns false when it turns out not to be, or when the
/// method does not end; `x` is then unspecified.
///
/// # Panics
/// When the scratch is for fewer coordinates.
pub fn solve(
    matrix: &[f64],
    linear: &[f64],
    s: &[f64],
    x: &mut [f64],
    scratch: &mut DualScratch,
) -> bool {
    let n = linear.len();
    let basis = &mut scratch.basis[..n * n];
    if !factor(matrix, n, basis) {
        return false;
    }
    x.copy_from_slice(linear);
    solve_factored(basis, n, x);
    invert(basis, n);
    scratch.active.clear();
    scratch.multipliers.clear();
    let mut changes = 0;
    while let Some((bound, violation)) = most_violated(s, x, &scratch.active) {
        if !take_in(bound, violation, s, x, scratch, &mut changes) {
            return false;
        }
    }
    x.iter().all(|value| value.is_finite())
}

/// The bound that is missed by most, and by how much.
fn most_violated(s: &[f64], x: &[f64], active: &[usize]) -> Option<(usize, f64)> {
    let mut worst = (0, 0.0);
    for (i, (x, s)) in x.iter().zip(s).enumerate() {
        let distance = x + s;
        if distance < worst.1 && distance.abs() >= SMALL && !active.contains(&i) {
            worst = (i, distance);
        }
    }
    (worst.1 < 0.0).then_some(worst)
}

/// Moves until `bound` is met, dropping others on the way, and makes it active.
fn take_in(
    bound: usize,
    mut violation: f64,
    s: &[f64],
    x: &mut [f64],
    scratch: &mut DualScratch,
    changes: &mut usize,
) -> bool {
    let n = x.len();
    scratch.multipliers.push(0.0);
    loop {
        *changes += 1;
        if *changes > MAX_CHANGES * n {
            return false;
        }
        directions(bound, n, scratch);
        let blocking = first_to_turn(scratch);
        let length: f64 = scratch.primal_step[..n].iter().map(|z| z * z).sum();
        let full = -violation / scratch.primal_step[bound];
        let can_move = length > SMALL;
        let (step, drops) = match blocking {
            Some((at, ratio)) if !can_move || ratio < full => (ratio, Some(at)),
            _ if can_move => (full, None),
            // No step in either space: the bounds contradict each other, which these cannot.
            _ => return false,
        };
        if can_move {
            for (x, z) in x.iter_mut().zip(&scratch.primal_step) {
                *x += step * z;
            }
        }
        for (u, r) in scratch.multipliers.iter_mut().zip(&scratch.dual_step) {
            *u -= step * r;
        }
        if let Some(entering) = scratch.multipliers.last_mut() {
            // The zip above ends before it: there is one direction an active bound.
            *entering += step;
        }
        match drops {
            None => {
                activate(bound, n, scratch);
                return true;
            }
            Some(at) => {
                drop_bound(at, n, scratch);
                violation = x[bound] + s[bound];
            }
        }
    }
}

/// Steps of the solution (`primal_step`) and of the multipliers (`dual_step`) that raise `bound`.
fn directions(bound: usize, n: usize, scratch: &mut DualScratch) {
    let DualScratch {
        basis,
        triangle,
        active,
        d,
        primal_step,
        dual_step,
        ..
    } = scratch;
    let n_active = active.len();
    for (d, column) in d.iter_mut().zip(basis.chunks_exact(n)) {
        *d = column[bound];
    }
    primal_step[..n].fill(0.0);
    for (d, column) in d[..n].iter().zip(basis.chunks_exact(n)).skip(n_active) {
        for (z, value) in primal_step.iter_mut().zip(column) {
            *z += value * d;
        }
    }
    dual_step.resize(n_active, 0.0);
    for i in (0..n_active).rev() {
        let known: f64 = (i + 1..n_active)
            .map(|j| triangle[j * n + i] * dual_step[j])
            .sum();
        dual_step[i] = (d[i] - known) / triangle[i * n + i];
    }
}

/// The active bound whose multiplier reaches zero first, and the step that takes.
fn first_to_turn(scratch: &DualScratch) -> Option<(usize, f64)> {
    let mut first: Option<(usize, f64)> = None;
    let steps = scratch.multipliers.iter().zip(&scratch.dual_step);
    for (at, (u, &r)) in steps.enumerate() {
        let ratio = u / r;
        if r > 0.0 && first.is_none_or(|(_, least)| ratio < least) {
            first = Some((at, ratio));
        }
    }
    first
}

/// A rotation that moves all of `(a, b)` into the first place.
struct Turn {
    cosine: f64,
    sine: f64,
    length: f64,
}

impl Turn {
    /// `None` when the second number is zero beside the first: the cosine rounds to one.
    fn of(a: f64, b: f64) -> Option<Turn> {
        if b == 0.0 {
            return None;
        }
        let (large, small) = (a.abs().max(b.abs()), a.abs().min(b.abs()));
        let ratio = small / large;
        let length = (large * (1.0 + ratio * ratio).sqrt()).copysign(a);
        let (cosine, sine) = (a / length, b / length);
        (cosine != 1.0).then_some(Turn {
            cosine,
            sine,
            length,
        })
    }

    /// Rotates pairs of numbers.
    fn apply<'v>(&self, pairs: impl Iterator<Item = (&'v mut f64, &'v mut f64)>) {
        let nu = self.sine / (1.0 + self.cosine);
        for (first, second) in pairs {
            if self.cosine == 0.0 {
                std::mem::swap(first, second);
            } else {
                let turned = self.cosine * *first + self.sine * *second;
                *second = nu * (*first + turned) - *second;
                *first = turned;
            }
        }
    }
}

/// Two neighbouring columns of `basis`, as pairs.
fn column_pairs(
    basis: &mut [f64],
    n: usize,
    first: usize,
) -> impl Iterator<Item = (&mut f64, &mut f64)> {
    let (a, b) = basis[first * n..(first + 2) * n].split_at_mut(n);
    a.iter_mut().zip(b)
}

/// Makes `bound` active; `d` is that of the last [`directions`].
fn activate(bound: usize, n: usize, scratch: &mut DualScratch) {
    let DualScratch {
        basis,
        triangle,
        active,
        d,
        ..
    } = scratch;
    let at = active.len();
    active.push(bound);
    for i in (at + 1..n).rev() {
        let Some(turn) = Turn::of(d[i - 1], d[i]) else {
            continue;
        };
        d[i - 1] = if turn.cosine == 0.0 {
            turn.sine * turn.length
        } else {
            turn.length
        };
        turn.apply(column_pairs(basis, n, i - 1));
    }
    triangle[at * n..at * n + at + 1].copy_from_slice(&d[..=at]);
}

/// Takes the active bound at place `at` out; the multiplier of the entering bound stays last.
fn drop_bound(at: usize, n: usize, scratch: &mut DualScratch) {
    let DualScratch {
        basis,
        triangle,
        active,
        multipliers,
        ..
    } = scratch;
    for i in at..active.len() - 1 {
        // Row i + 1 of the columns behind has to vanish before they move one place forward.
        let next = (i + 1) * n;
        if let Some(turn) = Turn::of(triangle[next + i], triangle[next + i + 1]) {
            let columns = triangle[next..active.len() * n].chunks_exact_mut(n);
            turn.apply(columns.filter_map(|column| {
                let (upper, lower) = column.split_at_mut(i + 1);
                Some((upper.last_mut()?, lower.first_mut()?))
            }));
            turn.apply(column_pairs(basis, n, i));
        }
        triangle.copy_within(next..next + i + 1, i * n);
    }
    active.remove(at);
    multipliers.remove(at);
}

/// Upper factor `D = R^T R` in the upper triangle of the columns; zeros below.
fn factor(matrix: &[f64], n: usize, r: &mut [f64]) -> bool {
    r.fill(0.0);
    for j in 0..n {
        let (before, rest) = r.split_at_mut(j * n);
        let column = &mut rest[..n];
        let mut squares = 0.0;
        for (k, earlier) in before.chunks_exact(n).enumerate() {
            let known: f64 = earlier[..k].iter().zip(&*column).map(|(a, b)| a * b).sum();
            let value = (matrix[j * n + k] - known) / earlier[k];
            column[k] = value;
            squares += value * value;
        }
        let pivot = matrix[j * n + j] - squares;
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        column[j] = pivot.sqrt();
    }
    true
}

/// Solves `R^T R x = x`.
fn solve_factored(r: &[f64], n: usize, x: &mut [f64]) {
    for k in 0..n {
        let column = &r[k * n..k * n + k];
        let known: f64 = column.iter().zip(&*x).map(|(a, b)| a * b).sum();
        x[k] = (x[k] - known) / r[k * n + k];
    }
    for k in (0..n).rev() {
        x[k] /= r[k * n + k];
        let (value, column) = (x[k], &r[k * n..k * n + k]);
        for (x, a) in x.iter_mut().zip(column) {
            *x -= value * a;
        }
    }
}

/// Inverts the upper triangle in place.
fn invert(r: &mut [f64], n: usize) {
    for k in 0..n {
        let (before, rest) = r.split_at_mut((k + 1) * n);
        let own = &mut before[k * n..];
        own[k] = 1.0 / own[k];
        let scale = -own[k];
        own[..k].iter_mut().for_each(|value| *value *= scale);
        for column in rest.chunks_exact_mut(n) {
            let value = std::mem::take(&mut column[k]);
            for (target, own) in column[..=k].iter_mut().zip(&own[..=k]) {
                *target += value * own;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::qp;
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn it_agrees_with_the_primal_method_on_well_conditioned_problems() {
        for item in 0..200 {
            let mut random = stream(3, "qp_dual", item);
            let n = 1 + (item as usize % 23);
            let root: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    matrix[i * n + j] = (0..n).map(|k| root[i * n + k] * root[j * n + k]).sum();
                }
                matrix[i * n + i] += 0.5;
            }
            let linear: Vec<f64> = (0..n).map(|_| 3.0 * random.normal()).collect();
            let s: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
            let (mut got, mut want) = (vec![0.0; n], vec![0.0; n]);
            assert!(solve(
                &matrix,
                &linear,
                &s,
                &mut got,
                &mut DualScratch::new(n)
            ));
            let scratch = &mut qp::QpScratch::new(n);
            assert!(qp::solve(&matrix, &linear, &s, &mut want, scratch));
            for (a, b) in got.iter().zip(&want) {
                assert!((a - b).abs() <= 1e-7 * (1.0 + b.abs()), "{n}: {a} {b}");
            }
        }
    }

    #[test]
    fn matrices_that_are_not_positive_definite_are_refused() {
        let mut x = [0.0; 2];
        let scratch = &mut DualScratch::new(2);
        for matrix in [[1.0, 2.0, 2.0, 1.0], [1.0, f64::NAN, f64::NAN, 1.0]] {
            assert!(!solve(&matrix, &[1.0; 2], &[0.0; 2], &mut x, scratch));
        }
    }
}
