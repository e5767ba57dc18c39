//! Cholesky factors and solves of small symmetric positive definite matrices.
//!
//! Loops run along rows of the upper factor, so that they vectorise; sums have one order whatever
//! the processor. Time: n^3 / 3 flops a factor. Memory: none beyond the caller's.

use pulp::as_arrays;

/// Factors `a - shift I = U^T U` into the upper triangle of `u` (row-major, `n x n`).
///
/// Returns false, with `u` half done, when the matrix is not positive definite (or not finite).
#[inline(always)]
pub fn cholesky(a: &[f64], n: usize, shift: f64, u: &mut [f64]) -> bool {
    u[..n * n].copy_from_slice(&a[..n * n]);
    for k in 0..n {
        u[k * n + k] -= shift;
    }
    cholesky_in_place(u, n)
}

/// [`cholesky`] of the upper triangle of `u`, which the factor replaces.
#[inline(always)]
pub fn cholesky_in_place(u: &mut [f64], n: usize) -> bool {
    for k in 0..n {
        let (head, tail) = u[k * n..n * n].split_at_mut(n);
        let pivot = head[k];
        // NaN fails this test as well.
        if !(pivot > 0.0 && pivot < f64::INFINITY) {
            return false;
        }
        let root = pivot.sqrt();
        head[k] = root;
        for value in &mut head[k + 1..] {
            *value /= root;
        }
        for (below, row) in tail.chunks_exact_mut(n).enumerate() {
            let i = k + 1 + below;
            let factor = head[i];
            for (value, &above) in row[i..].iter_mut().zip(&head[i..]) {
                *value -= factor * above;
            }
        }
    }
    true
}

/// Solves `U^T U x = b` in place.
#[inline(always)]
pub fn cholesky_solve(u: &[f64], n: usize, b: &mut [f64]) {
    let b = &mut b[..n];
    for k in 0..n {
        let row = &u[k * n..(k + 1) * n];
        b[k] /= row[k];
        let known = b[k];
        for (value, &factor) in b[k + 1..].iter_mut().zip(&row[k + 1..]) {
            *value -= known * factor;
        }
    }
    for k in (0..n).rev() {
        let row = &u[k * n..(k + 1) * n];
        let mut sum = b[k];
        for (&value, &factor) in b[k + 1..].iter().zip(&row[k + 1..]) {
            sum -= value * factor;
        }
        b[k] = sum / row[k];
    }
}

/// `y = A x` for a row-major `n x n` matrix.
#[inline(always)]
pub fn multiply(a: &[f64], n: usize, x: &[f64], y: &mut [f64]) {
    for (row, y) in a.chunks_exact(n).zip(y) {
        *y = dot(row, &x[..n]);
    }
}

/// Sum of products in four fixed partial sums.
#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, a_rest) = as_arrays::<4, _>(a);
    let (b4, b_rest) = as_arrays::<4, _>(b);
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum += a * b;
    }
    sum
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::par::rng::stream;

    /// A random symmetric matrix with eigenvalues about `low` to `high`, evenly on a log scale.
    pub(crate) fn random_spd(n: usize, low: f64, high: f64, item: u64) -> Vec<f64> {
        let mut random = stream(5, "spd", item);
        let mut a = vec![0.0; n * n];
        for r in 0..n {
            let v: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let norm = dot(&v, &v).sqrt();
            let scale = low * (high / low).powf(r as f64 / (n.max(2) - 1) as f64);
            for i in 0..n {
                for j in 0..n {
                    a[i * n + j] += scale * (v[i] / norm) * (v[j] / norm);
                }
            }
        }
        for i in 0..n {
            a[i * n + i] += low;
            for j in 0..i {
                a[i * n + j] = a[j * n + i];
            }
        }
        a
    }

    #[test]
    fn a_solve_leaves_no_residual() {
        for n in [1, 2, 3, 5, 20, 67] {
            let a = random_spd(n, 1e-3, 1.0, n as u64);
            let mut u = vec![0.0; n * n];
            assert!(cholesky(&a, n, 0.0, &mut u));
            let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let mut x = b.clone();
            cholesky_solve(&u, n, &mut x);
            let mut product = vec![0.0; n];
            multiply(&a, n, &x, &mut product);
            for (p, b) in product.iter().zip(&b) {
                assert!((p - b).abs() < 1e-11, "{n}: {p} {b}");
            }
        }
    }

    #[test]
    fn indefinite_and_non_finite_matrices_are_refused() {
        let mut u = [0.0; 4];
        assert!(!cholesky(&[1.0, 2.0, 2.0, 1.0], 2, 0.0, &mut u));
        assert!(!cholesky(&[f64::NAN, 0.0, 0.0, 1.0], 2, 0.0, &mut u));
        assert!(cholesky(&[1.0, 0.0, 0.0, 1.0], 2, 0.5, &mut u));
        assert!(!cholesky(&[1.0, 0.0, 0.0, 1.0], 2, 1.0, &mut u));
    }
}
