//! The stages of the dispersions one by one, for hosts that look at, keep or change what lies between.
//!
//! [`super::estimate_dispersions`] is all of them in one call, with the same bits.
//!
//! # Cost
//! Gene-wise estimates and shrinkage: a pass over the counts each. The others: a pass over the genes.
//!
//! # Source
//! DESeq2 1.38, `estimateDispersionsGeneEst`, `estimateDispersionsFit`, `estimateDispersionsPriorVar`,
//! `estimateDispersionsMAP`.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::stats::dispersion::{Trend, prior_variance, residual_variance};
use crate::stats::glm::ModelMatrix;

use super::dataset::DeseqDataset;
use super::dispersions::{
    Dispersions, TrendAndPrior, gene_wise_of_type, model_for_dispersions, shrink, trend_of,
    trend_values_of,
};
use super::gene_wise::{FittedMeans, GeneWise};
use super::genes::GeneReader;
use super::moments::{BaseMoments, Model, base_moments};
use super::options::DispersionOptions;

/// Least dispersion of the genes that the variance about a trend is taken from. DESeq2: 1e-8, whatever the
/// least dispersion of the analysis.
const MIN_DISP_OF_VARIANCE: f64 = 1e-8;

/// Fitted means, genes x samples, gene-major; NaN where a gene is not fitted.
fn means_of_genes(
    means: &FittedMeans,
    matrix: &ModelMatrix,
    all_zero: &[bool],
    dataset: &DeseqDataset,
) -> Vec<f64> {
    let design = Model::new(matrix.clone()).rows;
    let mut reader = GeneReader::new(dataset);
    let mut by_row = vec![0.0; design.n_rows()];
    let m = dataset.n_samples();
    let mut out = vec![f64::NAN; dataset.n_genes() * m];
    for (gene, mu) in out.chunks_exact_mut(m).enumerate() {
        if !all_zero[gene] {
            reader.read(gene);
            means.write(&design, gene, &reader.scale, &mut by_row, mu);
        }
    }
    out
}

impl Dispersions {
    /// Fitted means of the gene-wise estimates, genes x samples, gene-major; NaN where a gene is not fitted.
    /// `None` when dispersions were put back without them.
    pub fn fitted_means(&self, dataset: &DeseqDataset) -> Option<Vec<f64>> {
        let known = self.means.are_known();
        let zero = &self.moments.all_zero;
        known.then(|| means_of_genes(&self.means, &self.model_matrix, zero, dataset))
    }
}

/// First stage: gene-wise estimates; NaN where a gene is not fitted.
#[derive(Debug, Clone)]
pub struct GeneWiseDispersions {
    /// Base means, variances, flags.
    pub moments: BaseMoments,
    /// Gene-wise estimates.
    pub gene_est: Vec<f64>,
    /// Proposals of their line search.
    pub gene_iter: Vec<f64>,
    /// The model matrix of the estimates.
    pub model_matrix: ModelMatrix,
    /// Shared with what is made of the estimates.
    pub(super) means: Option<Arc<FittedMeans>>,
}

/// Second stage: the trend.
#[derive(Debug, Clone)]
pub struct DispersionTrend {
    /// The trend.
    pub trend: Trend,
    /// Its values at the base means; NaN where a gene is not fitted.
    pub fit: Vec<f64>,
    /// Robust variance of ln gene-wise estimates about it; NaN when all are tiny.
    pub var_log_disp_ests: f64,
}

impl GeneWiseDispersions {
    /// Fitted means, genes x samples, gene-major; NaN where a gene is not fitted. `None` when estimates were put
    /// back without them.
    pub fn fitted_means(&self, dataset: &DeseqDataset) -> Option<Vec<f64>> {
        let means = self.means.as_ref()?;
        let zero = &self.moments.all_zero;
        Some(means_of_genes(means, &self.model_matrix, zero, dataset))
    }

    fn of_fitted(&self, from: &[f64]) -> Vec<f64> {
        let genes = from.iter().zip(&self.moments.all_zero);
        genes.filter(|(_, zero)| !**zero).map(|(x, _)| *x).collect()
    }

    /// A trend that is given, with the values and the variance that belong to it.
    pub fn with_trend(&self, trend: Trend) -> DispersionTrend {
        let fit = trend_values_of(&trend, &self.moments);
        let (est, values) = (self.of_fitted(&self.gene_est), self.of_fitted(&fit));
        DispersionTrend {
            var_log_disp_ests: residual_variance(&est, &values, MIN_DISP_OF_VARIANCE),
            trend,
            fit,
        }
    }
}

/// Gene-wise dispersions for the design of the data set, or for `model_matrix` when given.
///
/// # Errors
/// `State` without size factors; `InvalidArgument` without replicates.
pub fn estimate_gene_wise_dispersions(
    ctx: &Context,
    dataset: &DeseqDataset,
    model_matrix: Option<&ModelMatrix>,
    options: &DispersionOptions,
) -> Result<GeneWiseDispersions> {
    options.check()?;
    let model = model_for_dispersions(dataset, model_matrix)?;
    let moments = base_moments(ctx, dataset, &model.matrix, options.weight_threshold)?;
    let estimates = gene_wise_of_type(ctx, dataset, &model, &moments, options)?;
    Ok(GeneWiseDispersions {
        moments,
        gene_est: estimates.dispersion,
        gene_iter: estimates.iterations,
        model_matrix: model.matrix,
        means: Some(estimates.means),
    })
}

/// The trend of gene-wise dispersions over their means. Uses `fit_type` and `min_disp`.
///
/// # Errors
/// `InvalidData` when all estimates are tiny.
pub fn fit_dispersion_trend(
    ctx: &Context,
    gene_wise: &GeneWiseDispersions,
    options: &DispersionOptions,
) -> Result<DispersionTrend> {
    options.check()?;
    let trend = trend_of(ctx, &gene_wise.moments, &gene_wise.gene_est, options)?;
    Ok(gene_wise.with_trend(trend))
}

/// Variance of the prior of ln dispersion about a trend; see [`crate::stats::dispersion::prior_variance`].
///
/// # Errors
/// `InvalidData` when all gene-wise estimates are below `100 min_disp`.
pub fn dispersion_prior_variance(
    gene_wise: &GeneWiseDispersions,
    trend: &DispersionTrend,
    min_disp: f64,
) -> Result<f64> {
    let est = gene_wise.of_fitted(&gene_wise.gene_est);
    if !est.iter().any(|d| *d >= 100.0 * min_disp) {
        return Err(Error::data(format!(
            "no gene-wise dispersion is at least 100 times minDisp ({min_disp}), so there is no spread to measure"
        )));
    }
    let values = gene_wise.of_fitted(&trend.fit);
    let df = Model::new(gene_wise.model_matrix.clone()).residual_df();
    let observed = trend.var_log_disp_ests;
    Ok(prior_variance(&est, &values, min_disp, observed, df))
}

/// Final dispersions: gene-wise ones shrunken towards the trend. The variance of the prior is that of the options, or
/// estimated.
///
/// # Errors
/// `State` when the gene-wise estimates came back without fitted means.
pub fn shrink_dispersions(
    ctx: &Context,
    dataset: &DeseqDataset,
    gene_wise: GeneWiseDispersions,
    trend: DispersionTrend,
    options: &DispersionOptions,
) -> Result<Dispersions> {
    options.check()?;
    dataset.require_factors()?;
    let means = gene_wise.means.ok_or_else(|| {
        Error::new(
            ErrorKind::State,
            "mu: the fitted means of the gene-wise step are missing; estimate gene-wise dispersions again",
        )
    })?;
    let estimates = GeneWise {
        dispersion: gene_wise.gene_est,
        iterations: gene_wise.gene_iter,
        means,
    };
    let known = TrendAndPrior {
        trend: trend.trend,
        fit: Some(trend.fit),
        var_log_disp_ests: Some(trend.var_log_disp_ests),
        prior_var: None,
    };
    let model = Model::new(gene_wise.model_matrix);
    let moments = gene_wise.moments;
    shrink(ctx, dataset, model, moments, estimates, known, options)
}
