//! Natural cubic splines through many rows over one set of knots.
//!
//! The tridiagonal matrix depends on the knots only: it is factored once, and each row costs one
//! sweep down and one up.

/// The factored system for one set of knots.
#[derive(Debug, Clone)]
pub struct NaturalSpline {
    widths: Vec<f64>,
    /// Reciprocals of the pivots of the elimination.
    inverse_pivots: Vec<f64>,
}

impl NaturalSpline {
    /// Factors the system of strictly increasing `knots` (at least three).
    pub fn new(knots: &[f64]) -> Self {
        let widths: Vec<f64> = knots.windows(2).map(|k| k[1] - k[0]).collect();
        let mut inverse_pivots: Vec<f64> = Vec::with_capacity(widths.len() - 1);
        for m in 0..widths.len() - 1 {
            let diagonal = 2.0 * (widths[m] + widths[m + 1]);
            let eliminated = match inverse_pivots.last() {
                Some(last) => widths[m] * widths[m] * last,
                None => 0.0,
            };
            inverse_pivots.push(1.0 / (diagonal - eliminated));
        }
        NaturalSpline {
            widths,
            inverse_pivots,
        }
    }

    /// Widths of the intervals.
    pub fn widths(&self) -> &[f64] {
        &self.widths
    }

    /// Second derivatives at the knots of the spline through `values`, into `second`.
    ///
    /// Both are as long as the knots; the first and last second derivative are zero.
    pub fn second_derivatives(&self, values: &[f64], second: &mut [f64]) {
        let (d, n) = (&self.widths, values.len());
        assert_eq!(n, d.len() + 1, "one value a knot");
        assert_eq!(second.len(), n, "one second derivative a knot");
        second[0] = 0.0;
        second[n - 1] = 0.0;
        let mut slope = (values[1] - values[0]) / d[0];
        for m in 1..n - 1 {
            let next = (values[m + 1] - values[m]) / d[m];
            let mut right = 6.0 * (next - slope);
            slope = next;
            if m > 1 {
                right -= d[m - 1] * self.inverse_pivots[m - 2] * second[m - 1];
            }
            second[m] = right;
        }
        for m in (1..n - 1).rev() {
            // second[n - 1] is zero, so the last row needs no case of its own.
            second[m] = (second[m] - d[m] * second[m + 1]) * self.inverse_pivots[m - 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::poisson_lognormal::grid::KNOTS;

    /// Gaussian elimination with pivoting on the whole matrix: slow, and written differently.
    fn dense(knots: &[f64], values: &[f64]) -> Vec<f64> {
        let n = knots.len() - 2;
        let d: Vec<f64> = knots.windows(2).map(|k| k[1] - k[0]).collect();
        let mut a = vec![vec![0.0; n + 1]; n];
        for m in 0..n {
            a[m][m] = 2.0 * (d[m] + d[m + 1]);
            if m + 1 < n {
                a[m][m + 1] = d[m + 1];
                a[m + 1][m] = d[m + 1];
            }
            let slope = |i: usize| (values[i + 1] - values[i]) / d[i];
            a[m][n] = 6.0 * (slope(m + 1) - slope(m));
        }
        for column in 0..n {
            let pivot = (column..n)
                .max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs()))
                .expect("not empty");
            a.swap(column, pivot);
            let row = a[column].clone();
            for below in a.iter_mut().skip(column + 1) {
                let factor = below[column] / row[column];
                for (x, y) in below.iter_mut().zip(&row) {
                    *x -= factor * y;
                }
            }
        }
        let mut z = vec![0.0; n + 2];
        for m in (0..n).rev() {
            let known: f64 = (m + 1..n).map(|j| a[m][j] * z[j + 1]).sum();
            z[m + 1] = (a[m][n] - known) / a[m][m];
        }
        z
    }

    #[test]
    fn the_sweeps_agree_with_a_dense_solve() {
        let values: Vec<f64> = KNOTS.iter().map(|x| -x + 3.0 * (x + 0.01).ln()).collect();
        let mut fast = vec![f64::NAN; KNOTS.len()];
        NaturalSpline::new(&KNOTS).second_derivatives(&values, &mut fast);
        for (a, b) in fast.iter().zip(dense(&KNOTS, &values)) {
            assert!((a - b).abs() <= 1e-11 * (1.0 + b.abs()), "{a} {b}");
        }
    }
}
