//! Natural cubic splines through many rows over one set of knots.
//!
//! The tridiagonal matrix depends on the knots only: it is factored once, and each row costs one
//! sweep down and one up. The sweeps are chains of dependent steps, so several rows go together.

/// Rows that go together.
pub const ROWS: usize = 4;

/// The factored system for one set of knots.
#[derive(Debug, Clone)]
pub struct NaturalSpline {
    widths: Vec<f64>,
    inverse_widths: Vec<f64>,
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
            inverse_widths: widths.iter().map(|width| 1.0 / width).collect(),
            widths,
            inverse_pivots,
        }
    }

    /// Widths of the intervals, and their reciprocals.
    #[inline(always)]
    pub fn widths(&self) -> (&[f64], &[f64]) {
        (&self.widths, &self.inverse_widths)
    }

    /// Second derivatives at the knots of the splines through `values`, into `second`.
    ///
    /// Both have one element a knot, which holds a number of each row; the first and last second
    /// derivative are zero.
    #[inline(always)]
    pub fn second_derivatives(&self, values: &[[f64; ROWS]], second: &mut [[f64; ROWS]]) {
        let (d, n) = (&self.widths, values.len());
        assert_eq!(n, d.len() + 1, "one value a knot");
        assert_eq!(second.len(), n, "one second derivative a knot");
        second[0] = [0.0; ROWS];
        second[n - 1] = [0.0; ROWS];
        let slope_at =
            |m: usize, row: usize| (values[m + 1][row] - values[m][row]) * self.inverse_widths[m];
        let mut slope: [f64; ROWS] = std::array::from_fn(|row| slope_at(0, row));
        let mut above = [0.0; ROWS];
        for m in 1..n - 1 {
            // What is above the first inner knot is zero.
            let factor = if m > 1 {
                d[m - 1] * self.inverse_pivots[m - 2]
            } else {
                0.0
            };
            for row in 0..ROWS {
                let next = slope_at(m, row);
                above[row] = 6.0 * (next - slope[row]) - factor * above[row];
                slope[row] = next;
            }
            second[m] = above;
        }
        let mut below = [0.0; ROWS];
        for m in (1..n - 1).rev() {
            for (row, z) in second[m].iter_mut().enumerate() {
                *z = (*z - d[m] * below[row]) * self.inverse_pivots[m - 1];
                below[row] = *z;
            }
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
        let curve = |row: usize, x: f64| -x + (3.5 - row as f64) * (x + 0.01).ln();
        let values = KNOTS.map(|x| std::array::from_fn(|row| curve(row, x)));
        let mut fast = [[f64::NAN; ROWS]; KNOTS.len()];
        NaturalSpline::new(&KNOTS).second_derivatives(&values, &mut fast);
        for row in 0..ROWS {
            let want = dense(&KNOTS, &values.map(|v| v[row]));
            for (a, b) in fast.iter().map(|z| z[row]).zip(want) {
                assert!((a - b).abs() <= 1e-11 * (1.0 + b.abs()), "{row}: {a} {b}");
            }
        }
    }
}
