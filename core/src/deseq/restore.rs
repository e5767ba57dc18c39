//! Estimates that a host kept, made into an analysis again.
//!
//! Hosts whose objects are values (R) hold every column themselves, copy, save and cut them, and need no
//! handle of the engine to survive. Nothing is fitted here.
//!
//! # Cost
//! Nothing beyond the columns.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::stats::dispersion::Trend;
use crate::stats::glm::ModelMatrix;

use super::dataset::DeseqDataset;
use super::dispersion_steps::GeneWiseDispersions;
use super::dispersions::Dispersions;
use super::gene_wise::FittedMeans;
use super::moments::BaseMoments;
use super::quasi::QuasiLikelihood;
use super::wald::{LrtColumns, MatrixType, MleColumns, TestFit};

/// Dispersions that were estimated before; NaN where a gene was not fitted.
#[derive(Debug, Clone)]
pub struct KnownDispersions {
    /// Base means, variances, flags.
    pub moments: BaseMoments,
    /// Gene-wise estimates.
    pub gene_est: Vec<f64>,
    /// Proposals of their line search.
    pub gene_iter: Vec<f64>,
    /// Trend at the base mean.
    pub fit: Vec<f64>,
    /// Final dispersions.
    pub dispersion: Vec<f64>,
    /// Proposals of the line search of the shrunken estimates.
    pub iter: Vec<f64>,
    /// Genes above the trend that keep their gene-wise estimate.
    pub outlier: Vec<bool>,
    /// Shrunken estimates.
    pub map: Vec<f64>,
    /// The trend.
    pub trend: Trend,
    /// Robust variance of ln gene-wise estimates about the trend.
    pub var_log_disp_ests: f64,
    /// Variance of the prior of ln dispersion.
    pub prior_var: f64,
    /// The model matrix of the estimates.
    pub model_matrix: ModelMatrix,
    /// Fitted means, genes x samples, which Cook's distances of likelihood-ratio tests are about; those of the
    /// test itself when absent.
    pub mu: Option<Vec<f64>>,
    /// Quasi-likelihood dispersions.
    pub quasi: Option<QuasiLikelihood>,
}

/// Gene-wise dispersions that were estimated before; NaN where a gene was not fitted.
#[derive(Debug, Clone)]
pub struct KnownGeneWise {
    /// Base means, variances, flags.
    pub moments: BaseMoments,
    /// Gene-wise estimates.
    pub gene_est: Vec<f64>,
    /// Proposals of their line search.
    pub gene_iter: Vec<f64>,
    /// The model matrix of the estimates.
    pub model_matrix: ModelMatrix,
    /// Fitted means, genes x samples, which the shrinkage needs.
    pub mu: Option<Vec<f64>>,
}

/// A fit and its test from before; NaN where a gene was not fitted.
#[derive(Debug, Clone)]
pub struct KnownFit {
    /// The model matrix of the coefficients.
    pub matrix: ModelMatrix,
    /// Its kind.
    pub matrix_type: MatrixType,
    /// Log2 coefficients, genes x coefficients.
    pub beta: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    /// Wald statistics; empty after a likelihood-ratio test.
    pub wald_statistic: Vec<f64>,
    /// Their p-values.
    pub wald_pvalue: Vec<f64>,
    /// The likelihood-ratio test.
    pub lrt: Option<LrtColumns>,
    /// Whether the coefficients converged.
    pub converged: Vec<bool>,
    /// Iterations of the fit.
    pub iterations: Vec<f64>,
    /// `-2 ln likelihood`.
    pub deviance: Vec<f64>,
    /// The largest Cook's distance over samples in cells of three or more.
    pub max_cooks: Vec<f64>,
    /// The sample with the largest distance, one a gene.
    pub worst_sample: Vec<u32>,
    /// Degrees of freedom of t tests.
    pub t_df: Option<Vec<f64>>,
    /// Variances of the prior of the coefficients, log2.
    pub beta_prior_variance: Option<Vec<f64>>,
    /// Coefficients without prior.
    pub mle: Option<MleColumns>,
    /// Floor of the means.
    pub min_mu: f64,
}

fn sized(name: &str, n_values: usize, n: usize) -> Result<()> {
    if n_values == n {
        return Ok(());
    }
    Err(Error::argument(
        name,
        format!("{n_values} values; must be {n}"),
    ))
}

/// Means without coefficients.
fn known_means(given: Option<Vec<f64>>) -> FittedMeans {
    FittedMeans {
        coefficients: Vec::new(),
        linear: false,
        min_mu: 0.5,
        given,
    }
}

/// Means must be positive where a gene is fitted.
fn check_means(dataset: &DeseqDataset, mu: &[f64], all_zero: &[bool]) -> Result<()> {
    let m = dataset.n_samples();
    sized("mu", mu.len(), dataset.n_genes() * m)?;
    let fine = |at: usize| all_zero[at / m] || mu[at].is_finite() && mu[at] > 0.0;
    if let Some(at) = (0..mu.len()).find(|&at| !fine(at)) {
        let (mu, gene) = (mu[at], &dataset.genes[at / m]);
        let message = format!("{mu} of gene {gene:?}; fitted means must be positive");
        return Err(Error::argument("mu", message));
    }
    Ok(())
}

impl KnownGeneWise {
    /// The estimates, for the stages that follow.
    ///
    /// # Errors
    /// `InvalidArgument` when a column is not one of this data set.
    pub fn restore(self, dataset: &DeseqDataset) -> Result<GeneWiseDispersions> {
        let (n, m) = (dataset.n_genes(), dataset.n_samples());
        sized("baseMean", self.moments.mean.len(), n)?;
        sized("baseVar", self.moments.variance.len(), n)?;
        sized("allZero", self.moments.all_zero.len(), n)?;
        sized("dispGeneEst", self.gene_est.len(), n)?;
        sized("dispGeneIter", self.gene_iter.len(), n)?;
        sized("disp_model_matrix", self.model_matrix.n_samples, m)?;
        if let Some(mu) = &self.mu {
            check_means(dataset, mu, &self.moments.all_zero)?;
        }
        Ok(GeneWiseDispersions {
            moments: self.moments,
            gene_est: self.gene_est,
            gene_iter: self.gene_iter,
            model_matrix: self.model_matrix,
            means: self.mu.map(|mu| Arc::new(known_means(Some(mu)))),
        })
    }
}

impl KnownDispersions {
    /// The dispersions, for tests and transformations.
    ///
    /// # Errors
    /// `InvalidArgument` when a column is not one of this data set.
    pub fn restore(self, dataset: &DeseqDataset) -> Result<Dispersions> {
        let n = dataset.n_genes();
        if let Some(quasi) = &self.quasi {
            sized("qlDispMLE", quasi.mle.len(), n)?;
            sized("qlDispFit", quasi.fit.len(), n)?;
            sized("qlDispMAP", quasi.map.len(), n)?;
            sized("dispFitQLCorrected", quasi.fit_corrected.len(), n)?;
            if quasi.prior_df.is_nan() || quasi.prior_df <= 0.0 {
                return Err(Error::argument(
                    "ql_df0",
                    format!("{}; must be positive", quasi.prior_df),
                ));
            }
        }
        for (name, values) in [
            ("baseMean", &self.moments.mean),
            ("baseVar", &self.moments.variance),
            ("dispGeneEst", &self.gene_est),
            ("dispGeneIter", &self.gene_iter),
            ("dispFit", &self.fit),
            ("dispersion", &self.dispersion),
            ("dispIter", &self.iter),
            ("dispMAP", &self.map),
        ] {
            sized(name, values.len(), n)?;
        }
        sized("allZero", self.moments.all_zero.len(), n)?;
        sized("dispOutlier", self.outlier.len(), n)?;
        let n_rows = self.model_matrix.n_samples;
        sized("disp_model_matrix", n_rows, dataset.n_samples())?;
        if let Some(mu) = &self.mu {
            check_means(dataset, mu, &self.moments.all_zero)?;
        }
        for (gene, alpha) in self.dispersion.iter().enumerate() {
            if !(self.moments.all_zero[gene] || alpha.is_finite() && *alpha > 0.0) {
                let name = &dataset.genes[gene];
                return Err(Error::argument(
                    "dispersion",
                    format!("{alpha} of gene {name:?}; must be positive where a gene has counts"),
                ));
            }
        }
        Ok(Dispersions {
            gene_est: self.gene_est,
            gene_iter: self.gene_iter,
            fit: self.fit,
            dispersion: self.dispersion,
            iter: self.iter,
            outlier: self.outlier,
            map: self.map,
            trend: self.trend,
            var_log_disp_ests: self.var_log_disp_ests,
            prior_var: self.prior_var,
            model_matrix: self.model_matrix,
            quasi: self.quasi,
            means: Arc::new(known_means(self.mu)),
            moments: self.moments,
        })
    }
}

impl KnownFit {
    /// The fit, for results and shrinkage.
    ///
    /// # Errors
    /// `InvalidArgument` when a column is not one of this data set.
    pub fn restore(self, dataset: &DeseqDataset) -> Result<TestFit> {
        let n = dataset.n_genes();
        let np = n * self.matrix.n_columns();
        sized("model_matrix", self.matrix.n_samples, dataset.n_samples())?;
        sized("coefficients", self.beta.len(), np)?;
        sized("SE", self.se.len(), np)?;
        if self.lrt.is_none() || !self.wald_statistic.is_empty() {
            sized("WaldStatistic", self.wald_statistic.len(), np)?;
            sized("WaldPvalue", self.wald_pvalue.len(), np)?;
        }
        if let Some(lrt) = &self.lrt {
            sized("LRTStatistic", lrt.statistic.len(), n)?;
            sized("LRTPvalue", lrt.pvalue.len(), n)?;
            sized("reducedBetaConv", lrt.reduced_converged.len(), n)?;
        }
        sized("betaConv", self.converged.len(), n)?;
        sized("betaIter", self.iterations.len(), n)?;
        sized("deviance", self.deviance.len(), n)?;
        sized("maxCooks", self.max_cooks.len(), n)?;
        sized("cooksSample", self.worst_sample.len(), n)?;
        let m = dataset.n_samples();
        if let Some(sample) = self.worst_sample.iter().find(|s| **s as usize >= m) {
            return Err(Error::argument(
                "cooksSample",
                format!("{sample} is no sample of {m}"),
            ));
        }
        if let Some(df) = &self.t_df {
            sized("tDegreesFreedom", df.len(), n)?;
        }
        if let Some(variance) = &self.beta_prior_variance {
            sized("beta_prior_var", variance.len(), self.matrix.n_columns())?;
        }
        if let Some(mle) = &self.mle {
            sized("MLE", mle.beta.len(), n * mle.names.len())?;
        }
        Ok(TestFit {
            matrix: self.matrix,
            matrix_type: self.matrix_type,
            beta: self.beta,
            se: self.se,
            wald_statistic: self.wald_statistic,
            wald_pvalue: self.wald_pvalue,
            lrt: self.lrt,
            converged: self.converged,
            iterations: self.iterations,
            deviance: self.deviance,
            max_cooks_kept: self.max_cooks.clone(),
            max_cooks: self.max_cooks,
            t_df: self.t_df,
            beta_prior_variance: self.beta_prior_variance,
            mle: self.mle,
            assays: None,
            min_mu: self.min_mu,
            worst_sample: self.worst_sample,
            flagged: Vec::new(),
        })
    }
}
