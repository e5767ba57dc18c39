//! Householder QR of tall matrices: least squares, and the rank that R would report.
//!
//! # Cost
//! `2 m n^2` operations; the matrix is overwritten.
//!
//! # Source
//! The rank rule is that of R's modified LINPACK routine `dqrdc2`: columns whose norm has shrunk
//! below `tolerance` times its first value are moved to the end.

/// R: `qr(tol = 1e-7)`
pub const R_TOLERANCE: f64 = 1e-7;

/// Numerical rank of the row-major `m x n` matrix `a`.
pub fn rank(a: &[f64], m: usize, n: usize, tolerance: f64) -> usize {
    let mut columns: Vec<Vec<f64>> = (0..n)
        .map(|c| (0..m).map(|r| a[r * n + c]).collect())
        .collect();
    let mut norms: Vec<f64> = columns.iter().map(|c| norm(c)).collect();
    let mut firsts: Vec<f64> = norms
        .iter()
        .map(|&v| if v == 0.0 { 1.0 } else { v })
        .collect();
    let mut rank = n;
    let mut at = 0;
    while at < rank.min(m) {
        while at < rank && norms[at] < firsts[at] * tolerance {
            columns[at..].rotate_left(1);
            norms[at..].rotate_left(1);
            firsts[at..].rotate_left(1);
            rank -= 1;
        }
        if at >= rank {
            break;
        }
        reflect(&mut columns, at, m, &mut norms);
        at += 1;
    }
    rank.min(m)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Applies the reflection that clears column `at` below its diagonal, and updates the norms.
fn reflect(columns: &mut [Vec<f64>], at: usize, m: usize, norms: &mut [f64]) {
    if at + 1 == m {
        return;
    }
    let (head, tail) = columns.split_at_mut(at + 1);
    let pivot = &mut head[at][at..];
    let mut length = norm(pivot);
    if length == 0.0 {
        return;
    }
    if pivot[0] != 0.0 {
        length = length.copysign(pivot[0]);
    }
    pivot.iter_mut().for_each(|v| *v /= length);
    pivot[0] += 1.0;
    for (column, kept) in tail.iter_mut().zip(&mut norms[at + 1..]) {
        let dot: f64 = pivot.iter().zip(&column[at..]).map(|(a, b)| a * b).sum();
        let factor = -dot / pivot[0];
        for (value, p) in column[at..].iter_mut().zip(pivot.iter()) {
            *value += factor * p;
        }
        if *kept == 0.0 {
            continue;
        }
        let left = (1.0 - (column[at].abs() / *kept).powi(2)).max(0.0);
        *kept = if left.abs() < 1e-6 {
            norm(&column[at + 1..])
        } else {
            *kept * left.sqrt()
        };
    }
}

/// Least squares: `x` (length `n`) minimising `|A x - b|`, for the row-major `m x n` matrix `a`
/// of full column rank and `m >= n`. `a` and `b` are overwritten. False when a pivot is zero or
/// not finite.
pub fn least_squares(a: &mut [f64], b: &mut [f64], m: usize, n: usize, x: &mut [f64]) -> bool {
    for k in 0..n {
        let length = (k..m)
            .map(|r| a[r * n + k] * a[r * n + k])
            .sum::<f64>()
            .sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return false;
        }
        let first = a[k * n + k];
        let diagonal = if first > 0.0 { -length } else { length };
        let head = first - diagonal;
        // v = (head, a[k+1..m][k]); H = I - v v' / (length (length + |first|))
        let scale = -1.0 / (diagonal * head);
        a[k * n + k] = head;
        for c in k + 1..n {
            let dot: f64 = (k..m).map(|r| a[r * n + k] * a[r * n + c]).sum();
            for r in k..m {
                a[r * n + c] -= scale * dot * a[r * n + k];
            }
        }
        let dot: f64 = (k..m).map(|r| a[r * n + k] * b[r]).sum();
        for r in k..m {
            b[r] -= scale * dot * a[r * n + k];
        }
        a[k * n + k] = diagonal;
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|c| a[k * n + c] * x[c]).sum();
        x[k] = (b[k] - known) / a[k * n + k];
    }
    x[..n].iter().all(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn rank_sees_dependent_and_zero_columns() {
        // 1, a, b, a + b, 0 over six rows.
        let (one, a, b) = ([1.0; 6], [0., 0., 1., 1., 2., 5.], [0., 1., 0., 1., 0., 3.]);
        let rows: Vec<f64> = (0..6)
            .flat_map(|r| [one[r], a[r], b[r], a[r] + b[r], 0.0])
            .collect();
        assert_eq!(rank(&rows, 6, 5, R_TOLERANCE), 3);
        assert_eq!(rank(&[1.0, 0.0, 0.0, 1.0], 2, 2, R_TOLERANCE), 2);
        assert_eq!(rank(&[1.0, 2.0, 3.0], 1, 3, R_TOLERANCE), 1);
    }

    #[test]
    fn least_squares_has_orthogonal_residuals() {
        let mut random = stream(1, "least_squares", 0);
        let (m, n) = (9, 4);
        let a: Vec<f64> = (0..m * n).map(|_| random.normal()).collect();
        let b: Vec<f64> = (0..m).map(|_| random.normal()).collect();
        let mut x = vec![0.0; n];
        assert!(least_squares(&mut a.clone(), &mut b.clone(), m, n, &mut x));
        for c in 0..n {
            let dot: f64 = (0..m)
                .map(|r| {
                    let fit: f64 = (0..n).map(|k| a[r * n + k] * x[k]).sum();
                    a[r * n + c] * (b[r] - fit)
                })
                .sum();
            assert!(dot.abs() < 1e-13, "{dot}");
        }
    }
}
