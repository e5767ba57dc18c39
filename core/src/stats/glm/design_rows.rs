//! The distinct rows of a model matrix, and which samples have which.
//!
//! # Cost
//! `n_samples x n_rows` comparisons once; memory `n_rows x n_columns` numbers.

use crate::linalg::small::{cholesky, cholesky_solve, dot};
use crate::stats::nb::{LANES, sum_in_lanes};

/// Share of a squared column norm below which a column depends on the others.
const DEPENDENT: f64 = 1e-13;

/// Distinct rows of a model matrix in order of first appearance.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignRows {
    p: usize,
    rows: Vec<f64>,
    row_of_sample: Vec<u32>,
    n_of_row: Vec<usize>,
    /// The samples of the first row, of the second, ...; ascending within a row.
    samples: Vec<u32>,
    /// Whether these are 0, 1, 2, ...
    is_grouped: bool,
    /// `ln det` of the Gram matrix of the distinct rows when there are as many as coefficients.
    saturated: Option<f64>,
}

impl DesignRows {
    /// Rows of a row-major `n_samples x p` matrix.
    pub fn new(values: &[f64], p: usize) -> Self {
        let mut rows: Vec<f64> = Vec::new();
        let (mut row_of_sample, mut n_of_row) = (Vec::new(), Vec::new());
        for row in values.chunks_exact(p.max(1)) {
            let known = rows.chunks_exact(p).position(|r| r == row);
            let index = known.unwrap_or_else(|| {
                rows.extend_from_slice(row);
                n_of_row.push(0);
                n_of_row.len() - 1
            });
            n_of_row[index] += 1;
            row_of_sample.push(index as u32);
        }
        let mut samples: Vec<u32> = (0..row_of_sample.len() as u32).collect();
        samples.sort_by_key(|&sample| row_of_sample[sample as usize]);
        let mut design = DesignRows {
            p,
            rows,
            is_grouped: row_of_sample.is_sorted(),
            row_of_sample,
            n_of_row,
            samples,
            saturated: None,
        };
        if design.n_rows() == p {
            let mut gram = vec![0.0; p * p];
            design.gram(&vec![1.0; p], &mut gram);
            design.saturated = ln_determinant(&mut gram, p);
        }
        design
    }

    /// Number of coefficients.
    pub fn n_columns(&self) -> usize {
        self.p
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.row_of_sample.len()
    }

    /// Number of distinct rows.
    pub fn n_rows(&self) -> usize {
        self.n_of_row.len()
    }

    /// Samples with each row.
    pub fn n_of_row(&self) -> &[usize] {
        &self.n_of_row
    }

    /// The row of each sample.
    pub fn row_of_sample(&self) -> &[u32] {
        &self.row_of_sample
    }

    /// A distinct row.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.rows[index * self.p..(index + 1) * self.p]
    }

    /// Whether there are as many distinct rows as coefficients, so that every cell of the design
    /// has its own mean; the number is `ln det` of the Gram matrix of the distinct rows.
    pub fn saturated(&self) -> Option<f64> {
        self.saturated
    }

    /// `sum_r weights[r] x_r x_r'`, row-major `p x p`, both triangles.
    #[inline]
    pub fn gram(&self, weights: &[f64], out: &mut [f64]) {
        let p = self.p;
        out[..p * p].fill(0.0);
        for (row, &weight) in self.rows.chunks_exact(p).zip(weights) {
            for (a, &x) in row.iter().enumerate() {
                if x != 0.0 {
                    let scaled = weight * x;
                    for (out, &y) in out[a * p + a..(a + 1) * p].iter_mut().zip(&row[a..]) {
                        *out += scaled * y;
                    }
                }
            }
        }
        for a in 1..p {
            for b in 0..a {
                out[a * p + b] = out[b * p + a];
            }
        }
    }

    /// `sum_r values[r] x_r`.
    #[inline]
    pub fn cross(&self, values: &[f64], out: &mut [f64]) {
        out[..self.p].fill(0.0);
        for (row, &value) in self.rows.chunks_exact(self.p).zip(values) {
            for (out, &x) in out.iter_mut().zip(row) {
                *out += value * x;
            }
        }
    }

    /// `x_r . beta` of every distinct row.
    #[inline]
    pub fn predict(&self, beta: &[f64], out: &mut [f64]) {
        for (row, out) in self.rows.chunks_exact(self.p).zip(out) {
            *out = dot(row, &beta[..self.p]);
        }
    }

    /// Sums of a value a sample over the samples of each row, in eight partial sums each.
    #[inline]
    pub fn sum_by_row(&self, values: &[f64], out: &mut [f64]) {
        let mut start = 0;
        for (out, n) in out.iter_mut().zip(&self.n_of_row) {
            *out = match self.is_grouped {
                true => sum_in_lanes(&values[start..start + n]),
                false => sum_of(values, &self.samples[start..start + n]),
            };
            start += n;
        }
    }

    /// Gives every sample the value of its row.
    #[inline(always)]
    pub fn spread(&self, by_row: &[f64], out: &mut [f64]) {
        if !self.is_grouped {
            for (out, &row) in out.iter_mut().zip(&self.row_of_sample) {
                *out = by_row[row as usize];
            }
            return;
        }
        let mut start = 0;
        for (value, n) in by_row.iter().zip(&self.n_of_row) {
            out[start..start + n].fill(*value);
            start += n;
        }
    }

    /// Coefficients of the least-squares fit of a value a sample; `None` when the matrix is not of
    /// full rank.
    pub fn least_squares(&self) -> Option<LeastSquares> {
        let p = self.p;
        let counts: Vec<f64> = self.n_of_row.iter().map(|&n| n as f64).collect();
        let (mut gram, mut factor) = (vec![0.0; p * p], vec![0.0; p * p]);
        self.gram(&counts, &mut gram);
        let regular = cholesky(&gram, p, 0.0, &mut factor)
            && (0..p).all(|k| factor[k * p + k].powi(2) > DEPENDENT * gram[k * p + k]);
        regular.then_some(LeastSquares { factor })
    }
}

/// A factored ordinary least-squares problem; see [`DesignRows::least_squares`].
#[derive(Debug, Clone, PartialEq)]
pub struct LeastSquares {
    factor: Vec<f64>,
}

impl LeastSquares {
    /// Coefficients from the sums of the response over the samples of each row.
    pub fn solve(&self, design: &DesignRows, sums: &[f64], beta: &mut [f64]) {
        design.cross(sums, beta);
        cholesky_solve(&self.factor, design.p, &mut beta[..design.p]);
    }
}

/// The sum of these samples' values in the order of [`sum_in_lanes`].
#[inline]
fn sum_of(values: &[f64], samples: &[u32]) -> f64 {
    let (mut lanes, mut sum) = ([0.0; LANES], 0.0);
    let whole = samples.chunks_exact(LANES);
    let rest = whole.remainder();
    for chunk in whole {
        for (lane, &sample) in lanes.iter_mut().zip(chunk) {
            *lane += values[sample as usize];
        }
    }
    sum += sum_in_lanes(&lanes);
    for &sample in rest {
        sum += values[sample as usize];
    }
    sum
}

/// `ln det` of a symmetric matrix, which is overwritten; `None` unless positive definite.
pub fn ln_determinant(a: &mut [f64], p: usize) -> Option<f64> {
    crate::linalg::small::cholesky_in_place(a, p)
        .then(|| (0..p).map(|k| 2.0 * libm::log(a[k * p + k])).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_and_sums_agree() {
        let x = [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let design = DesignRows::new(&x, 2);
        assert_eq!(design.n_of_row(), [2, 3]);
        assert_eq!(design.row_of_sample(), [0, 1, 0, 1, 1]);
        let mut gram = [0.0; 4];
        design.gram(&[2.0, 3.0], &mut gram);
        assert_eq!(gram, [5.0, 3.0, 3.0, 3.0]);
        // det of the rows (1 0; 1 1) is 1.
        assert!(design.saturated().expect("two rows").abs() < 1e-15);
        let mut sums = [0.0; 2];
        design.sum_by_row(&[1.0, 2.0, 3.0, 4.0, 6.0], &mut sums);
        let mut beta = [0.0; 2];
        design
            .least_squares()
            .expect("full rank")
            .solve(&design, &sums, &mut beta);
        assert!((beta[0] - 2.0).abs() < 1e-14 && (beta[1] - 2.0).abs() < 1e-14);
    }

    #[test]
    fn sums_do_not_depend_on_the_order_of_groups() {
        let n = 53;
        let value = |row: usize, i: usize| ((row * 100 + i) as f64).sqrt();
        let sums = |row_of: &dyn Fn(usize) -> usize| {
            let mut seen = [0; 2];
            let (mut x, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new());
            for j in 0..n {
                let row = row_of(j);
                x.extend([1.0, row as f64]);
                values.push(value(row, seen[row]));
                rows.push(row);
                seen[row] += 1;
            }
            let design = DesignRows::new(&x, 2);
            let (mut out, mut spread) = ([0.0; 2], vec![0.0; n]);
            design.sum_by_row(&values, &mut out);
            design.spread(&[0.0, 1.0], &mut spread);
            assert!(spread.iter().zip(rows).all(|(&s, row)| s == row as f64));
            out
        };
        let grouped = sums(&|j| usize::from(j >= 27));
        let mixed = sums(&|j| j % 2);
        assert_eq!(grouped, mixed);
        let exact: f64 = (0..27).map(|i| value(0, i)).sum();
        assert!((grouped[0] - exact).abs() < 1e-12);
    }

    #[test]
    fn a_dependent_matrix_has_no_least_squares() {
        let design = DesignRows::new(&[1.0, 1.0, 1.0, 1.0], 2);
        assert!(design.least_squares().is_none());
    }
}
