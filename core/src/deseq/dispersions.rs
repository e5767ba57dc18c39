//! Dispersions of all genes: gene-wise estimates, trend, prior, shrunken estimates, outliers.
//!
//! # Cost
//! Two passes over the counts; memory: some columns of one number a gene.
//!
//! # Source
//! Love, Huber and Anders (2014); DESeq2 1.38 and 1.44, `estimateDispersions`.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::stats::dispersion::{
    DispersionProfile, FitType, LogPrior, NewtonOptions, ProfileWorkspace, Trend, fit_trend,
    grid_search, line_search, newton_search, prior_variance, residual_variance,
};
use crate::stats::glm::ModelMatrix;

use super::dataset::{DeseqDataset, Design};
use super::gene_wise::{
    FittedMeans, GeneWise, HIGHEST, QUICK_ITERATIONS, QUICK_LAST_STEP, gene_wise, max_dispersion,
    search_grid, search_options,
};
use super::genes::{GeneReader, by_blocks};
use super::moments::{BaseMoments, Model, base_moments};
use super::notes::{message, warning};
use super::options::{DispersionOptions, Mode};
use super::quasi::{self, QuasiLikelihood};

/// Dispersions and everything on the way to them; NaN where a gene is not fitted.
#[derive(Debug, Clone)]
pub struct Dispersions {
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
    /// Genes that keep their gene-wise estimate because it is far above the trend.
    pub outlier: Vec<bool>,
    /// Shrunken (maximum a posteriori) estimates.
    pub map: Vec<f64>,
    /// The trend.
    pub trend: Trend,
    /// Robust variance of ln gene-wise estimates about the trend.
    pub var_log_disp_ests: f64,
    /// Variance of the prior of ln dispersion.
    pub prior_var: f64,
    /// The model matrix of the estimates.
    pub model_matrix: ModelMatrix,
    /// Quasi-likelihood dispersions, of `fitType = "glmGamPoi"`.
    pub quasi: Option<QuasiLikelihood>,
    /// Shared with the gene-wise estimates that they come from.
    pub(super) means: Arc<FittedMeans>,
}

/// Estimates dispersions for the design of the data set, or for `model_matrix` when given.
///
/// # Errors
/// `State` without size factors; `InvalidArgument` without replicates; `InvalidData` when genes do
/// not vary.
pub fn estimate_dispersions(
    ctx: &Context,
    dataset: &DeseqDataset,
    model_matrix: Option<&ModelMatrix>,
    options: &DispersionOptions,
) -> Result<Dispersions> {
    estimate(ctx, dataset, model_matrix, options, &|text| {
        message(ctx, text)
    })
}

/// The same, which says its steps to `say`.
pub(super) fn estimate(
    ctx: &Context,
    dataset: &DeseqDataset,
    model_matrix: Option<&ModelMatrix>,
    options: &DispersionOptions,
    say: &dyn Fn(&str) -> Result<()>,
) -> Result<Dispersions> {
    options.check()?;
    let model = model_for_dispersions(dataset, model_matrix)?;
    say("gene-wise dispersion estimates")?;
    let moments = base_moments(ctx, dataset, &model.matrix, options.weight_threshold)?;
    check_variation(dataset, &moments)?;
    if options.fit_type == FitType::GlmGamPoi {
        say(
            "fitType='glmGamPoi': quasi-likelihood dispersions as glmGamPoi has them; please cite Ahlmann-Eltze \
             and Huber (2020), Bioinformatics, doi:10.1093/bioinformatics/btaa1009",
        )?;
    }
    let estimates = gene_wise_of_type(ctx, dataset, &model, &moments, options)?;
    say("mean-dispersion relationship")?;
    let trend = trend_of(ctx, &moments, &estimates.dispersion, options)?;
    say("final dispersion estimates")?;
    shrink(
        ctx,
        dataset,
        model,
        moments,
        estimates,
        TrendAndPrior::new(trend),
        options,
    )
}

/// Gene-wise estimates as the type of the trend has them.
pub(super) fn gene_wise_of_type(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: &Model,
    moments: &BaseMoments,
    options: &DispersionOptions,
) -> Result<GeneWise> {
    match options.fit_type {
        FitType::GlmGamPoi => quasi::gene_wise(ctx, dataset, model, moments, options),
        _ => gene_wise(ctx, dataset, model, moments, options),
    }
}

/// What the shrinkage of dispersions starts from; variances are estimated when absent.
#[derive(Debug, Clone)]
pub(super) struct TrendAndPrior {
    pub trend: Trend,
    /// Values of the trend, one a gene; those of `trend` at the base means when absent.
    pub fit: Option<Vec<f64>>,
    pub var_log_disp_ests: Option<f64>,
    pub prior_var: Option<f64>,
}

impl TrendAndPrior {
    pub fn new(trend: Trend) -> Self {
        TrendAndPrior {
            trend,
            fit: None,
            var_log_disp_ests: None,
            prior_var: None,
        }
    }
}

/// The same with a trend and prior known from elsewhere (genes refitted after replacement).
pub(super) fn redo_dispersions(
    ctx: &Context,
    dataset: &DeseqDataset,
    before: &Dispersions,
    options: &DispersionOptions,
) -> Result<Dispersions> {
    let model = Model::new(before.model_matrix.clone());
    let moments = base_moments(ctx, dataset, &model.matrix, options.weight_threshold)?;
    let estimates = gene_wise(ctx, dataset, &model, &moments, options)?;
    let known = TrendAndPrior {
        trend: before.trend.clone(),
        fit: None,
        var_log_disp_ests: Some(before.var_log_disp_ests),
        prior_var: Some(before.prior_var),
    };
    shrink(ctx, dataset, model, moments, estimates, known, options)
}

/// The trend of a data set and what it rests on; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneTrend {
    /// Base means, variances, flags.
    pub moments: BaseMoments,
    /// Gene-wise estimates; `None` where a part of the genes gave the trend.
    pub gene_est: Option<Vec<f64>>,
    /// Proposals of their line search.
    pub gene_iter: Option<Vec<f64>>,
    /// Values of the trend at the base means.
    pub fit: Vec<f64>,
    /// The trend.
    pub trend: Trend,
}

impl GeneTrend {
    /// A trend from elsewhere.
    pub(super) fn given(moments: BaseMoments, trend: Trend) -> Self {
        GeneTrend {
            fit: trend_values_of(&trend, &moments),
            moments,
            gene_est: None,
            gene_iter: None,
            trend,
        }
    }
}

/// Base moments, gene-wise estimates and trend only, as transformations need them.
pub(super) fn trend_only(
    ctx: &Context,
    dataset: &DeseqDataset,
    matrix: &ModelMatrix,
    options: &DispersionOptions,
) -> Result<GeneTrend> {
    options.check()?;
    let model = Model::new(matrix.clone());
    let moments = base_moments(ctx, dataset, &model.matrix, options.weight_threshold)?;
    let estimates = gene_wise(ctx, dataset, &model, &moments, options)?;
    let trend = trend_of(ctx, &moments, &estimates.dispersion, options)?;
    Ok(GeneTrend {
        gene_est: Some(estimates.dispersion),
        gene_iter: Some(estimates.iterations),
        ..GeneTrend::given(moments, trend)
    })
}

pub(super) fn model_for_dispersions(
    dataset: &DeseqDataset,
    given: Option<&ModelMatrix>,
) -> Result<Model> {
    dataset.require_factors()?;
    let matrix = match given {
        Some(matrix) => dataset.matrix_of(&Design::Matrix(matrix.clone()))?,
        None => dataset.model_matrix()?,
    };
    matrix.check_full_rank()?;
    Ok(Model::new(matrix))
}

fn check_variation(dataset: &DeseqDataset, moments: &BaseMoments) -> Result<()> {
    if moments.n_fitted() == 0 {
        return Err(Error::data("no gene has counts that can be fitted"));
    }
    let mut row = vec![0.0; dataset.n_samples()];
    for gene in 0..dataset.n_genes() {
        dataset.counts.read(gene, &mut row);
        if row.iter().any(|&v| v != row[0]) {
            return Ok(());
        }
    }
    Err(Error::data(
        "each gene has one and the same count in every sample; dispersions cannot be estimated from such counts",
    ))
}

/// The trend at the base means; NaN where a gene is not fitted.
pub(super) fn trend_values_of(trend: &Trend, moments: &BaseMoments) -> Vec<f64> {
    let genes = moments.mean.iter().zip(&moments.all_zero);
    genes
        .map(|(&mean, &zero)| if zero { f64::NAN } else { trend.value(mean) })
        .collect()
}

pub(super) fn trend_of(
    ctx: &Context,
    moments: &BaseMoments,
    gene_est: &[f64],
    options: &DispersionOptions,
) -> Result<Trend> {
    let fitted: Vec<usize> = (0..moments.mean.len())
        .filter(|&i| !moments.all_zero[i])
        .collect();
    let pick = |from: &[f64]| fitted.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let trend = fit_trend(
        &pick(&moments.mean),
        &pick(gene_est),
        options.fit_type,
        options.min_disp,
    )?;
    if trend.fit_type() != options.fit_type {
        message(
            ctx,
            "the dispersions do not follow the parametric trend a/x + b (fitType='parametric'); a local \
             regression took its place, as fitType='local' does",
        )?;
    }
    Ok(trend)
}

pub(super) fn shrink(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: Model,
    moments: BaseMoments,
    estimates: GeneWise,
    known: TrendAndPrior,
    options: &DispersionOptions,
) -> Result<Dispersions> {
    let n = dataset.n_genes();
    let fit = match known.fit {
        Some(fit) => fit,
        None => trend_values_of(&known.trend, &moments),
    };
    let fitted: Vec<usize> = (0..n).filter(|&i| !moments.all_zero[i]).collect();
    let pick = |from: &[f64]| fitted.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let (gene_est, trend_values) = (pick(&estimates.dispersion), pick(&fit));
    let varies = known
        .var_log_disp_ests
        .unwrap_or_else(|| residual_variance(&gene_est, &trend_values, options.min_disp));
    let mut out = Dispersions {
        gene_est: estimates.dispersion,
        gene_iter: estimates.iterations,
        fit,
        dispersion: vec![f64::NAN; n],
        iter: vec![f64::NAN; n],
        outlier: vec![false; n],
        map: vec![f64::NAN; n],
        trend: known.trend,
        var_log_disp_ests: varies,
        prior_var: 0.25,
        model_matrix: model.matrix.clone(),
        quasi: None,
        means: estimates.means,
        moments,
    };
    let prior_var = options.prior_variance.or(known.prior_var);
    if prior_var.is_none() && gene_est.iter().all(|d| *d < 100.0 * options.min_disp) {
        warning(
            ctx,
            "all genes have dispersion estimates below 100 times the minimum; 10 times the minimum \
             is used for all",
        )?;
        for &i in &fitted {
            out.dispersion[i] = 10.0 * options.min_disp;
            out.map[i] = out.dispersion[i];
        }
        return Ok(out);
    }
    out.prior_var = prior_var.unwrap_or_else(|| {
        let df = model.residual_df();
        prior_variance(&gene_est, &trend_values, options.min_disp, varies, df)
    });
    if !(out.prior_var.is_finite() && out.prior_var > 0.0) {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!(
                "dispPriorVar: {} cannot be the variance of a prior",
                out.prior_var
            ),
        ));
    }
    let found = if options.fit_type == FitType::GlmGamPoi {
        let (map, quasi) = quasi::shrink(&out, &model, dataset.n_samples(), options)?;
        out.quasi = Some(quasi);
        // There is no search, so no proposals.
        map.into_iter()
            .map(|d| (d, if d.is_nan() { d } else { 0.0 }))
            .collect()
    } else {
        map_estimates(ctx, dataset, &model, &out, options)?
    };
    out.take_map(found, options);
    Ok(out)
}

impl Dispersions {
    /// Coefficients (natural log) of the fitted means of the gene-wise estimates, where they are of
    /// this model.
    pub(super) fn log_means_of(&self, model: &Model) -> Option<&[f64]> {
        let same = self.model_matrix.values == model.matrix.values;
        let n = self.moments.mean.len() * model.rows.n_columns();
        let means = &self.means;
        (same && !means.linear && means.coefficients.len() == n).then_some(&means.coefficients[..])
    }

    /// Shrunken estimates and the proposals for them; outliers keep their gene-wise estimate.
    fn take_map(&mut self, found: Vec<(f64, f64)>, options: &DispersionOptions) {
        let reach = options.outlier_sd * self.var_log_disp_ests.sqrt();
        for (gene, (map, iterations)) in found.into_iter().enumerate() {
            self.map[gene] = map;
            self.iter[gene] = iterations;
            let estimate = self.gene_est[gene];
            self.outlier[gene] = libm::log(estimate) > libm::log(self.fit[gene]) + reach;
            self.dispersion[gene] = if self.outlier[gene] { estimate } else { map };
        }
    }
}

/// Shrunken estimates and the proposals of their line search.
fn map_estimates(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: &Model,
    known: &Dispersions,
    options: &DispersionOptions,
) -> Result<Vec<(f64, f64)>> {
    let (m, design) = (dataset.n_samples(), &model.rows);
    let search = search_options(options);
    let (grid, max_disp) = (search_grid(m), max_dispersion(m));
    let newton = NewtonOptions {
        low: search.min_log_alpha,
        high: HIGHEST,
        last_step: QUICK_LAST_STEP,
        max_iterations: options.max_iterations.min(QUICK_ITERATIONS),
    };
    let mut found: Vec<(f64, f64)> = Vec::with_capacity(dataset.n_genes());
    by_blocks(
        ctx,
        "final dispersion estimates",
        dataset,
        || {
            (
                GeneReader::new(dataset),
                ProfileWorkspace::new(design),
                vec![0.0; design.n_rows()],
                vec![0.0; m],
            )
        },
        |(reader, profile, by_row, mu), range| {
            let mut part = Vec::with_capacity(range.len());
            for gene in range {
                ctx.check_cancelled()?;
                if known.moments.all_zero[gene] {
                    part.push((f64::NAN, f64::NAN));
                    continue;
                }
                reader.read(gene);
                known.means.write(design, gene, &reader.scale, by_row, mu);
                reader.fill_table();
                let (counts, weights, table) = reader.parts();
                let mut profile = DispersionProfile::new(
                    counts,
                    mu,
                    weights.map(|w| (w, options.weight_threshold)),
                    design,
                    options.use_cox_reid,
                    (table, profile),
                )
                .with_prior(LogPrior {
                    mean: libm::log(known.fit[gene]),
                    variance: known.prior_var,
                });
                let (estimate, fit) = (known.gene_est[gene], known.fit[gene]);
                let start = if estimate > 0.1 * fit { estimate } else { fit };
                let quick = (options.mode == Mode::Fast)
                    .then(|| newton_search(&mut profile, libm::log(start), &newton));
                let (log_alpha, iterations) = match quick {
                    Some(found) if found.converged => (found.log_alpha, found.iterations),
                    _ => {
                        let path = line_search(&mut profile, libm::log(start), &search);
                        let whole = path.iterations < options.max_iterations;
                        let found = if whole {
                            path.log_alpha
                        } else {
                            grid_search(&mut profile, grid)
                        };
                        (found, path.iterations)
                    }
                };
                let map = libm::exp(log_alpha).clamp(options.min_disp, max_disp);
                part.push((map, f64::from(iterations)));
            }
            Ok(part)
        },
        |part| {
            found.extend(part);
            Ok(())
        },
    )?;
    Ok(found)
}
