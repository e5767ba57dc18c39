//! Means and variances of normalised counts, and which genes can be fitted at all.
//!
//! # Cost
//! One pass over the counts; with weights a rank test a gene.

use crate::context::Context;
use crate::error::Result;
use crate::linalg::qr;
use crate::stats::glm::{DesignRows, ModelMatrix};

use super::dataset::DeseqDataset;
use super::genes::{GeneReader, by_blocks};
use super::notes::warning;

/// Per gene quantities before any fit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BaseMoments {
    /// Mean of normalised counts (weighted, with weights as given).
    pub mean: Vec<f64>,
    /// Variance of normalised (weighted) counts, `n - 1` in the denominator.
    pub variance: Vec<f64>,
    /// All counts zero, or, with weights, a design that the weights make unfittable.
    pub all_zero: Vec<bool>,
    /// Genes whose weights leave no full-rank design; empty without weights.
    pub weights_fail: Vec<bool>,
}

impl BaseMoments {
    /// Genes that are fitted.
    pub fn n_fitted(&self) -> usize {
        self.all_zero.iter().filter(|z| !**z).count()
    }
}

/// Base means, variances and flags of all genes.
pub(super) fn base_moments(
    ctx: &Context,
    dataset: &DeseqDataset,
    matrix: &ModelMatrix,
    weight_threshold: f64,
) -> Result<BaseMoments> {
    dataset.require_factors()?;
    let n = dataset.n_genes();
    let mut moments = BaseMoments {
        mean: Vec::with_capacity(n),
        variance: Vec::with_capacity(n),
        all_zero: Vec::with_capacity(n),
        weights_fail: Vec::new(),
    };
    let m = dataset.n_samples();
    by_blocks(
        ctx,
        "base means",
        dataset,
        || GeneReader::new(dataset),
        |reader, range| {
            let mut part = Vec::with_capacity(range.len());
            for gene in range {
                reader.read(gene);
                let given = dataset
                    .weights
                    .as_ref()
                    .map(|w| &w[gene * m..(gene + 1) * m]);
                let (mean, variance) = mean_and_variance(&reader.normalized, given);
                let zero = reader.counts.iter().all(|&k| k == 0.0);
                let fail = !zero
                    && reader
                        .weights()
                        .is_some_and(|w| !weights_allow(matrix, w, weight_threshold));
                part.push((mean, variance, zero, fail));
            }
            Ok(part)
        },
        |part| {
            for (mean, variance, zero, fail) in part {
                moments.mean.push(mean);
                moments.variance.push(variance);
                moments.all_zero.push(zero || fail);
                if dataset.weights.is_some() {
                    moments.weights_fail.push(fail);
                }
            }
            Ok(())
        },
    )?;
    let failed = moments.weights_fail.iter().filter(|f| **f).count();
    if failed > 0 {
        warning(
            ctx,
            &format!(
                "in {failed} genes the samples with weight do not determine the coefficients of the design; \
                 these genes are left out as if without counts"
            ),
        )?;
    }
    Ok(moments)
}

/// Mean and variance of the normalised counts, times weights where there are any.
fn mean_and_variance(q: &[f64], weights: Option<&[f64]>) -> (f64, f64) {
    let n = q.len() as f64;
    let value = |j: usize| q[j] * weights.map_or(1.0, |w| w[j]);
    let mean = (0..q.len()).map(value).sum::<f64>() / n;
    let squares = (0..q.len()).map(|j| (value(j) - mean) * (value(j) - mean));
    (mean, squares.sum::<f64>() / (n - 1.0))
}

/// Whether the weighted matrix, and the part of it with real weight, have full column rank.
fn weights_allow(matrix: &ModelMatrix, weights: &[f64], threshold: f64) -> bool {
    let (m, p) = (matrix.n_samples, matrix.n_columns());
    let weighted: Vec<f64> = (0..m)
        .flat_map(|j| matrix.row(j).iter().map(move |x| x * weights[j]))
        .collect();
    if qr::rank(&weighted, m, p, qr::R_TOLERANCE) < p {
        return false;
    }
    let samples: Vec<usize> = (0..m).filter(|&j| weights[j] > threshold).collect();
    let columns: Vec<usize> = (0..p)
        .filter(|&c| samples.iter().any(|&j| matrix.row(j)[c] != 0.0))
        .collect();
    let part: Vec<f64> = samples
        .iter()
        .flat_map(|&j| columns.iter().map(move |&c| matrix.row(j)[c]))
        .collect();
    qr::rank(&part, samples.len(), columns.len(), qr::R_TOLERANCE) == columns.len()
}

/// `mean_j (1 / s_j)`, with normalization factors the mean over samples of one over their column
/// mean over the fitted genes.
pub(super) fn mean_inverse_factor(dataset: &DeseqDataset, all_zero: &[bool]) -> f64 {
    let m = dataset.n_samples();
    match (&dataset.normalization_factors, &dataset.size_factors) {
        (Some(factors), _) => {
            let mut sums = vec![0.0; m];
            let mut n = 0.0;
            for (row, zero) in factors.chunks_exact(m).zip(all_zero) {
                if !zero {
                    n += 1.0;
                    for (sum, factor) in sums.iter_mut().zip(row) {
                        *sum += factor;
                    }
                }
            }
            sums.iter().map(|sum| n / sum).sum::<f64>() / m as f64
        }
        (None, Some(factors)) => factors.iter().map(|s| 1.0 / s).sum::<f64>() / m as f64,
        (None, None) => 1.0,
    }
}

/// A model matrix with its distinct rows.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub matrix: ModelMatrix,
    pub rows: DesignRows,
}

impl Model {
    pub fn new(matrix: ModelMatrix) -> Self {
        Model {
            rows: DesignRows::new(&matrix.values, matrix.n_columns()),
            matrix,
        }
    }

    /// Residual degrees of freedom, 0 when there are none.
    pub fn residual_df(&self) -> usize {
        self.rows.n_samples().saturating_sub(self.rows.n_columns())
    }

    /// Whether the matrix is a single column of ones.
    pub fn is_intercept_only(&self) -> bool {
        self.matrix.n_columns() == 1 && self.matrix.values.iter().all(|&x| x == 1.0)
    }
}
