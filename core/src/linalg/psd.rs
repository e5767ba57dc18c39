//! The nearest matrix whose eigenvalues are at least a floor, and its largest eigenvalue.
//!
//! Most matrices need no clamping, which a Cholesky factorisation of `H - floor I` finds out; then
//! only the largest eigenvalue is computed. Otherwise the eigenvectors below the floor are found and
//! raised, and the rest of the matrix is left alone; or, where they are the larger in size, the matrix
//! is put together from the rest. Time: a few n^3. Memory: the scratch, 2 n^2 numbers.

use pulp::{Arch, Simd, WithSimd};

use super::eigen;
use super::low_pairs::LowPairs;
use super::small;

/// One pair in so many is sought alone; beyond that, finding all is as fast.
const FEW: usize = 3;

/// Memory for matrices of one size.
#[derive(Debug)]
pub struct PsdScratch {
    arch: Arch,
    n: usize,
    matrix: Vec<f64>,
    vectors: Vec<f64>,
    tridiagonal: eigen::Tridiagonal,
    low_pairs: LowPairs,
}

impl PsdScratch {
    /// Memory for `n x n` matrices and smaller ones.
    pub fn new(n: usize) -> Self {
        PsdScratch::with_arch(n, Arch::new())
    }

    /// [`PsdScratch::new`] for chosen vector units; results do not depend on them.
    pub fn with_arch(n: usize, arch: Arch) -> Self {
        PsdScratch {
            arch,
            n,
            matrix: vec![0.0; n * n],
            vectors: vec![0.0; n * eigen::stride(n)],
            tridiagonal: eigen::Tridiagonal::new(n),
            low_pairs: LowPairs::new(n),
        }
    }
}

/// Raises the eigenvalues of the symmetric `h` (row-major, `n x n`) to at least `floor`, in place;
/// returns the largest eigenvalue of the result, or `None` when `h` is not finite.
///
/// # Panics
/// When the scratch is for smaller matrices.
pub fn clamp(h: &mut [f64], n: usize, floor: f64, scratch: &mut PsdScratch) -> Option<f64> {
    assert!(n <= scratch.n, "scratch is for smaller matrices");
    match n {
        0 => None,
        1 => {
            if !h[0].is_finite() {
                return None;
            }
            h[0] = h[0].max(floor);
            Some(h[0])
        }
        2 => {
            let ([a, b, d], largest) = clamp_2([h[0], h[1], h[3]], floor)?;
            h.copy_from_slice(&[a, b, b, d]);
            Some(largest)
        }
        _ => scratch.arch.dispatch(General {
            h: &mut h[..n * n],
            n,
            floor,
            matrix: &mut scratch.matrix[..n * n],
            vectors: &mut scratch.vectors[..n * eigen::stride(n)],
            tridiagonal: &mut scratch.tridiagonal,
            low_pairs: &mut scratch.low_pairs,
        }),
    }
}

/// [`clamp`] of `[[a, b], [b, d]]`, given and returned as `[a, b, d]`.
#[inline]
pub fn clamp_2([a, b, d]: [f64; 3], floor: f64) -> Option<([f64; 3], f64)> {
    let centre = 0.5 * (a + d);
    let half = 0.5 * (a - d);
    let radius = (half * half + b * b).sqrt();
    let (high, low) = (centre + radius, centre - radius);
    if !(high.is_finite() && low.is_finite()) {
        return None;
    }
    if low >= floor {
        return Some(([a, b, d], high));
    }
    if high <= floor {
        return Some(([floor, 0.0, floor], floor));
    }
    // (H - low I) / (high - low) projects on the first eigenvector.
    let scale = (high - floor) / (2.0 * radius);
    let along = [
        scale * (radius + half) + floor,
        scale * b,
        scale * (radius - half) + floor,
    ];
    Some((along, high))
}

/// [`clamp`] for three rows and more.
struct General<'a> {
    h: &'a mut [f64],
    n: usize,
    floor: f64,
    matrix: &'a mut [f64],
    vectors: &'a mut [f64],
    tridiagonal: &'a mut eigen::Tridiagonal,
    low_pairs: &'a mut LowPairs,
}

impl WithSimd for General<'_> {
    type Output = Option<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<f64> {
        let General {
            h,
            n,
            floor,
            matrix,
            vectors,
            tridiagonal,
            low_pairs,
        } = self;
        if h.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let definite = small::cholesky(h, n, floor, matrix);
        matrix.copy_from_slice(h);
        tridiagonal.reduce(matrix, n);
        if definite {
            return Some(tridiagonal.largest().max(floor));
        }
        let unit = tridiagonal.unit();
        if low_pairs.find(tridiagonal, floor / unit, n.div_ceil(FEW), vectors) {
            let largest = tridiagonal.largest().max(floor);
            let lowest = low_pairs.values().iter().fold(0.0_f64, |m, &v| m.min(v));
            if -lowest * unit <= largest {
                let rows = vectors.chunks_exact_mut(eigen::stride(n));
                for (value, v) in low_pairs.values().iter().zip(rows) {
                    tridiagonal.rotate_back(matrix, &mut v[..n]);
                    add(h, n, floor - value * unit, &v[..n]);
                }
                return Some(largest);
            }
        }
        if !tridiagonal.diagonalise(vectors) {
            return None;
        }
        let largest = tridiagonal.values().iter().fold(floor, |m, &v| m.max(v));
        let lowest = tridiagonal.values().iter().fold(0.0_f64, |m, &v| m.min(v));
        // Where the lowest are the larger, taking them away would leave their rounding behind: the
        // matrix is put together from the others.
        let afresh = -lowest > largest;
        if afresh {
            h.fill(0.0);
            h.iter_mut().step_by(n + 1).for_each(|v| *v = floor);
        }
        let rows = vectors.chunks_exact_mut(eigen::stride(n));
        for (i, v) in rows.map(|row| &mut row[..n]).enumerate() {
            let value = tridiagonal.values()[i];
            if (value < floor) != afresh {
                tridiagonal.rotate_back(matrix, v);
                add(h, n, if afresh { value - floor } else { floor - value }, v);
            }
        }
        Some(largest)
    }
}

/// Adds `factor v v^T`.
#[inline(always)]
fn add(h: &mut [f64], n: usize, factor: f64, v: &[f64]) {
    for (row, &vi) in h.chunks_exact_mut(n).zip(v) {
        let scale = factor * vi;
        for (target, &vj) in row.iter_mut().zip(v) {
            *target += scale * vj;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    /// Eigenpairs by Jacobi rotations: slow, and another method.
    fn jacobi(a: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut a = a.to_vec();
        let mut v = vec![0.0; n * n];
        (0..n).for_each(|i| v[i * n + i] = 1.0);
        for _ in 0..60 {
            for p in 0..n {
                for q in p + 1..n {
                    let angle = 0.5 * f64::atan2(2.0 * a[p * n + q], a[p * n + p] - a[q * n + q]);
                    let (s, c) = angle.sin_cos();
                    for i in 0..n {
                        let (x, y) = (a[i * n + p], a[i * n + q]);
                        (a[i * n + p], a[i * n + q]) = (c * x + s * y, c * y - s * x);
                    }
                    for i in 0..n {
                        let (x, y) = (a[p * n + i], a[q * n + i]);
                        (a[p * n + i], a[q * n + i]) = (c * x + s * y, c * y - s * x);
                        let (x, y) = (v[p * n + i], v[q * n + i]);
                        (v[p * n + i], v[q * n + i]) = (c * x + s * y, c * y - s * x);
                    }
                }
            }
        }
        ((0..n).map(|i| a[i * n + i]).collect(), v)
    }

    fn check(n: usize, shift: f64, item: u64) {
        let mut random = stream(9, "psd", item);
        // Every other matrix is graded like Hessians of types with strong and weak profiles.
        let grade: Vec<f64> = (0..n)
            .map(|_| {
                if item % 2 == 0 {
                    1.0
                } else {
                    (3.0 * random.normal()).exp()
                }
            })
            .collect();
        let mut h = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                h[i * n + j] = random.normal() * grade[i] * grade[j];
                h[j * n + i] = h[i * n + j];
            }
            h[i * n + i] += shift * grade[i] * grade[i];
        }
        let (values, vectors) = jacobi(&h, n);
        let mut want = vec![0.0; n * n];
        for (value, v) in values.iter().zip(vectors.chunks_exact(n)) {
            for i in 0..n {
                for j in 0..n {
                    want[i * n + j] += value.max(1e-3) * v[i] * v[j];
                }
            }
        }
        let largest = values.iter().fold(1e-3_f64, |a, &b| a.max(b));
        let norm = values.iter().fold(1.0_f64, |a, &b| a.max(b.abs()));
        let got = clamp(&mut h, n, 1e-3, &mut PsdScratch::new(n + 1)).expect("finite");
        assert!(
            (got - largest).abs() <= 1e-15 * norm * n as f64,
            "{n}: {got} {largest}"
        );
        for (a, b) in h.iter().zip(&want) {
            assert!(
                (a - b).abs() <= 1e-14 * norm * n as f64,
                "{n} {shift}: {a} {b}"
            );
        }
    }

    #[test]
    fn it_agrees_with_jacobi_rotations() {
        for item in 0..20 {
            for n in [1, 2, 3, 4, 9, 20, 33] {
                for shift in [-100.0, -1.0, 0.0, 2.0, 60.0] {
                    check(n, shift, item);
                }
            }
        }
    }

    #[test]
    fn non_finite_matrices_are_reported() {
        let mut scratch = PsdScratch::new(3);
        for n in [1, 2, 3] {
            let mut h = vec![1.0; n * n];
            h[n * n - 1] = f64::NAN;
            assert_eq!(clamp(&mut h, n, 1e-3, &mut scratch), None);
        }
    }
}
