//! All eigenvalues and eigenvectors of a symmetric matrix by Jacobi rotations.
//!
//! # Cost
//! Some 10 sweeps of `3 n^3` operations: for matrices up to a few hundred rows.

/// Eigenvalues, largest first, and their eigenvectors as rows of a row-major `n x n` matrix; the
/// largest entry by size of each vector is positive. `a` is row-major and is overwritten.
pub fn symmetric_eigen(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    let total: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j] * a[i * n + j])
            .sum();
        if off <= 1e-30 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(a, &mut vectors, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]).then(i.cmp(&j)));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let mut sorted = Vec::with_capacity(n * n);
    for &i in &order {
        let row = &vectors[i * n..(i + 1) * n];
        let mut largest = 0.0_f64;
        for v in row {
            if v.abs() > largest.abs() * (1.0 + 1e-9) {
                largest = *v;
            }
        }
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        sorted.extend(row.iter().map(|v| sign * v));
    }
    (values, sorted)
}

/// Clears entry (p, q).
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let entry = a[p * n + q];
    if entry == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * entry);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
        let (x, y) = (vectors[p * n + k], vectors[q * n + k]);
        vectors[p * n + k] = c * x - s * y;
        vectors[q * n + k] = s * x + c * y;
    }
}

#[cfg(test)]
mod tests {
    use super::super::small::tests::random_spd;
    use super::*;

    #[test]
    fn vectors_rebuild_the_matrix() {
        let n = 7;
        let a = random_spd(n, 0.1, 10.0, 3);
        let (values, vectors) = symmetric_eigen(&mut a.clone(), n);
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        for i in 0..n {
            for j in 0..n {
                let sum: f64 = (0..n)
                    .map(|k| values[k] * vectors[k * n + i] * vectors[k * n + j])
                    .sum();
                assert!((sum - a[i * n + j]).abs() < 1e-12);
            }
        }
    }
}
