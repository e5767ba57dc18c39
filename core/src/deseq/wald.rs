//! Wald tests of every coefficient, and the container of fitted models.
//!
//! # Cost
//! One fit a gene, two with a prior on coefficients.
//!
//! # Source
//! DESeq2 1.38 and 1.44, `nbinomWaldTest`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::effect_size::{LevelGroup, PriorVarianceInput, beta_prior_variance};
use crate::stats::glm::{IrlsOptions, ModelMatrix};
use crate::stats::special::{f_quantile, normal_upper_tail, t_upper_tail};

use super::dataset::{DeseqDataset, Design};
use super::dispersions::Dispersions;
use super::fits::{Assays, CooksPlan, FitPlan, Fits, Quick};
use super::moments::Model;
use super::notes::{message, warning};
use super::options::{Mode, TestOptions};

/// Which kind of model matrix coefficients belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatrixType {
    /// Treatment contrasts.
    Standard,
    /// A column for every level of every factor.
    Expanded,
    /// A matrix of the user's own.
    UserSupplied,
}

/// Columns of a likelihood-ratio test; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct LrtColumns {
    /// Twice the difference of the log-likelihoods.
    pub statistic: Vec<f64>,
    /// Its p-value.
    pub pvalue: Vec<f64>,
    /// Whether the reduced model converged.
    pub reduced_converged: Vec<bool>,
    /// The designs, as printed in column descriptions: `'~ a + b' vs '~ a'`.
    pub description: String,
}

/// Coefficients without prior of a fit with prior.
#[derive(Debug, Clone, PartialEq)]
pub struct MleColumns {
    /// Coefficient names.
    pub names: Vec<String>,
    /// Log2 coefficients, genes x coefficients.
    pub beta: Vec<f64>,
}

/// Fitted coefficients of all genes and their test; NaN where a gene is not fitted.
#[derive(Debug, Clone)]
pub struct TestFit {
    /// The model matrix of the coefficients.
    pub matrix: ModelMatrix,
    /// Its kind.
    pub matrix_type: MatrixType,
    /// Log2 coefficients, genes x coefficients.
    pub beta: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    /// Wald statistics and p-values, genes x coefficients; empty after a likelihood-ratio test.
    pub wald_statistic: Vec<f64>,
    /// See `wald_statistic`.
    pub wald_pvalue: Vec<f64>,
    /// The likelihood-ratio test, when that was asked for.
    pub lrt: Option<LrtColumns>,
    /// Whether the coefficients converged.
    pub converged: Vec<bool>,
    /// Iterations of the fit.
    pub iterations: Vec<f64>,
    /// `-2 ln likelihood`.
    pub deviance: Vec<f64>,
    /// The largest Cook's distance over samples in cells of three or more.
    pub max_cooks: Vec<f64>,
    /// Degrees of freedom of t tests, one a gene; `None` for normal tests.
    pub t_df: Option<Vec<f64>>,
    /// Variances of the prior of the coefficients, log2; `None` without prior.
    pub beta_prior_variance: Option<Vec<f64>>,
    /// Coefficients without prior, where there is a prior.
    pub mle: Option<MleColumns>,
    /// Fitted means, leverages and Cook's distances, when asked for.
    pub assays: Option<Assays>,
    /// Floor of the means.
    pub min_mu: f64,
    pub(super) max_cooks_kept: Vec<f64>,
    pub(super) worst_sample: Vec<u32>,
    pub(super) flagged: Vec<(u32, u32)>,
}

impl TestFit {
    /// Names of the coefficients.
    pub fn names(&self) -> &[String] {
        &self.matrix.names
    }

    /// The sample with the largest Cook's distance, one a gene.
    pub fn worst_sample(&self) -> &[u32] {
        &self.worst_sample
    }

    /// Number of coefficients.
    pub fn n_columns(&self) -> usize {
        self.matrix.n_columns()
    }

    /// Coefficient `column` of all genes.
    pub fn column(&self, from: &[f64], column: usize) -> Vec<f64> {
        from.iter()
            .skip(column)
            .step_by(self.n_columns())
            .copied()
            .collect()
    }
}

/// Which matrix is fitted.
pub(super) fn matrix_to_fit(
    dataset: &DeseqDataset,
    given: Option<&ModelMatrix>,
) -> Result<(Model, MatrixType)> {
    let (matrix, kind) = match (given, &dataset.design) {
        (Some(matrix), _) => (
            dataset.matrix_of(&Design::Matrix(matrix.clone()))?,
            MatrixType::UserSupplied,
        ),
        (None, Design::Matrix(matrix)) => (matrix.clone(), MatrixType::UserSupplied),
        (None, Design::Formula(_)) => (dataset.model_matrix()?, MatrixType::Standard),
    };
    if matrix.rank() < matrix.n_columns() {
        return Err(Error::argument(
            "full",
            "the columns of its model matrix depend on each other",
        ));
    }
    Ok((Model::new(matrix), kind))
}

/// Wald tests with the dispersions given.
///
/// # Errors
/// `InvalidArgument` for designs that cannot be tested; `Unsupported` combinations are named.
pub fn wald_test(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    model_matrix: Option<&ModelMatrix>,
    options: &TestOptions,
) -> Result<TestFit> {
    options.check()?;
    dataset.require_factors()?;
    let (model, kind) = matrix_to_fit(dataset, model_matrix)?;
    if options.beta_prior {
        return with_prior(ctx, dataset, dispersions, model, kind, options);
    }
    let fits = fit_plan(dataset, dispersions, &model, options, true).run(
        ctx,
        "fitting model and testing",
        dataset,
    )?;
    note_unconverged(ctx, dispersions, &fits)?;
    let mut fit = assemble(model.matrix, kind, fits, options);
    test_coefficients(ctx, dataset, dispersions, &mut fit, options)?;
    Ok(fit)
}

/// A plan of fits without prior; with Cook's distances when asked for.
pub(super) fn fit_plan<'a>(
    dataset: &DeseqDataset,
    dispersions: &'a Dispersions,
    model: &'a Model,
    options: &TestOptions,
    with_cooks: bool,
) -> FitPlan<'a> {
    let (m, p) = (model.rows.n_samples(), model.rows.n_columns());
    let mut irls = IrlsOptions::new(p);
    irls.tolerance = options.beta_tolerance;
    irls.max_iterations = options.max_iterations;
    irls.min_mu = options.min_mu;
    irls.use_optim = options.use_optim;
    irls.use_qr = options.use_qr;
    let cooks = with_cooks
        .then(|| {
            CooksPlan::new(
                model,
                replaceable_samples(model, options.min_replicates_for_replace),
                cooks_cutoff(m, p),
            )
        })
        .flatten();
    FitPlan {
        model,
        dispersions: &dispersions.dispersion,
        skip: &dispersions.moments.all_zero,
        irls,
        cooks,
        cooks_means: None,
        keep_assays: options.keep_assays && dataset.n_samples() == m,
        quick: (options.mode == Mode::Fast).then(|| Quick {
            first: dispersions.log_means_of(model),
        }),
    }
}

/// Samples in cells of at least `n`.
pub(super) fn replaceable_samples(model: &Model, n: usize) -> Vec<bool> {
    crate::stats::outliers::samples_in_cells_of(&model.rows, n.max(1))
}

/// The default cut of Cook's distances: the 99 % quantile of F(p, m - p).
pub fn cooks_cutoff(n_samples: usize, n_columns: usize) -> f64 {
    if n_samples <= n_columns {
        return f64::INFINITY;
    }
    f_quantile(0.99, n_columns as f64, (n_samples - n_columns) as f64)
}

pub(super) fn note_unconverged(
    ctx: &Context,
    dispersions: &Dispersions,
    fits: &Fits,
) -> Result<()> {
    let failed = fits
        .converged
        .iter()
        .zip(&dispersions.moments.all_zero)
        .filter(|(converged, zero)| !**converged && !**zero)
        .count();
    if failed == 0 {
        return Ok(());
    }
    message(
        ctx,
        &format!(
            "the coefficients of {failed} genes did not converge (betaConv); a larger maxit may help"
        ),
    )
}

pub(super) fn assemble(
    matrix: ModelMatrix,
    matrix_type: MatrixType,
    fits: Fits,
    options: &TestOptions,
) -> TestFit {
    TestFit {
        matrix,
        matrix_type,
        beta: fits.beta,
        se: fits.se,
        wald_statistic: Vec::new(),
        wald_pvalue: Vec::new(),
        lrt: None,
        converged: fits.converged,
        iterations: fits.iterations,
        deviance: fits.ln_likelihood.iter().map(|l| -2.0 * l).collect(),
        max_cooks: fits.max_cooks,
        t_df: None,
        beta_prior_variance: None,
        mle: None,
        assays: fits.assays,
        min_mu: options.min_mu,
        max_cooks_kept: fits.max_cooks_kept,
        worst_sample: fits.worst_sample,
        flagged: fits.flagged,
    }
}

/// Fills the statistics and p-values of all coefficients.
fn test_coefficients(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    fit: &mut TestFit,
    options: &TestOptions,
) -> Result<()> {
    let p = fit.n_columns();
    if fit.se.contains(&0.0) {
        warning(
            ctx,
            "some coefficients have a standard error of zero, so their tests mean nothing",
        )?;
    }
    if options.use_t {
        fit.t_df = Some(degrees_of_freedom(dataset, dispersions, p, options)?);
    }
    fit.wald_statistic = fit.beta.iter().zip(&fit.se).map(|(b, s)| b / s).collect();
    fit.wald_pvalue = fit
        .wald_statistic
        .iter()
        .enumerate()
        .map(|(at, z)| match &fit.t_df {
            None => 2.0 * normal_upper_tail(z.abs()),
            Some(df) => 2.0 * t_upper_tail(z.abs(), df[at / p]),
        })
        .collect();
    Ok(())
}

/// Degrees of freedom of the t tests, NaN where there are none.
fn degrees_of_freedom(
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    p: usize,
    options: &TestOptions,
) -> Result<Vec<f64>> {
    let (n, m) = (dataset.n_genes(), dataset.n_samples());
    let mut df = match &options.df {
        Some(given) if given.len() == 1 => vec![given[0]; n],
        Some(given) if given.len() == n => given.clone(),
        Some(given) => {
            return Err(Error::argument(
                "df",
                format!("{} values; must be 1, or one a gene ({n})", given.len()),
            ));
        }
        None => match &dataset.weights {
            None => vec![m as f64 - p as f64; n],
            Some(weights) => weights
                .chunks_exact(m)
                .map(|row| {
                    let most = row.iter().copied().fold(0.0, f64::max);
                    row.iter().map(|w| w / most).sum::<f64>() - p as f64
                })
                .collect(),
        },
    };
    for (df, zero) in df.iter_mut().zip(&dispersions.moments.all_zero) {
        if *zero || *df <= 0.0 {
            *df = f64::NAN;
        }
    }
    Ok(df)
}

/// A fit with a normal prior on the coefficients, after one without.
fn with_prior(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    model: Model,
    kind: MatrixType,
    options: &TestOptions,
) -> Result<TestFit> {
    let formula = dataset.design.as_formula();
    let fine = kind == MatrixType::Standard
        && formula.is_some_and(|f| f.intercept && !f.has_interactions());
    if !fine {
        return Err(Error::argument(
            "betaPrior",
            "needs a design formula with an intercept and without interactions",
        ));
    }
    let mle_fits =
        fit_plan(dataset, dispersions, &model, options, true).run(ctx, "fitting model", dataset)?;
    let matrix = if options.standard_matrix {
        model.matrix.clone()
    } else {
        dataset.expanded_matrix()?
    };
    let variance = match &options.beta_prior_variance {
        Some(given) if given.len() == matrix.n_columns() => given.clone(),
        Some(given) => {
            return Err(Error::argument(
                "betaPriorVar",
                format!(
                    "{} values for {} coefficients",
                    given.len(),
                    matrix.n_columns()
                ),
            ));
        }
        None => estimate_beta_prior(dataset, dispersions, &model.matrix, &mle_fits.beta, options)?,
    };
    let prior_model = Model::new(matrix);
    let fits = prior_fits(ctx, dataset, dispersions, &prior_model, &variance, options)?;
    note_unconverged(ctx, dispersions, &fits)?;
    let kind = if options.standard_matrix {
        MatrixType::Standard
    } else {
        MatrixType::Expanded
    };
    let mle = MleColumns {
        names: model.matrix.names.clone(),
        beta: mle_fits.beta,
    };
    let mut fit = assemble(prior_model.matrix, kind, fits, options);
    // Cook's distances are those of the fit without prior.
    fit.max_cooks = mle_fits.max_cooks;
    fit.max_cooks_kept = mle_fits.max_cooks_kept;
    fit.worst_sample = mle_fits.worst_sample;
    fit.flagged = mle_fits.flagged;
    fit.assays = mle_fits.assays;
    fit.mle = Some(mle);
    fit.beta_prior_variance = Some(variance);
    test_coefficients(ctx, dataset, dispersions, &mut fit, options)?;
    Ok(fit)
}

/// Fits with a ridge of one over the prior variance (log2 scale).
pub(super) fn prior_fits(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    model: &Model,
    variance: &[f64],
    options: &TestOptions,
) -> Result<Fits> {
    let mut plan = fit_plan(dataset, dispersions, model, options, false);
    plan.irls.ridge = ridge_of(variance);
    plan.keep_assays = false;
    plan.run(ctx, "fitting model with prior", dataset)
}

/// Natural-log ridge of prior variances on the log2 scale.
pub(super) fn ridge_of(variance: &[f64]) -> Vec<f64> {
    let ln2 = std::f64::consts::LN_2;
    variance.iter().map(|v| 1.0 / v / (ln2 * ln2)).collect()
}

/// Variances of the prior of coefficients (log2), one a column of the matrix that a fit with prior would have, with the
/// names of these columns. `mle`: log2 coefficients without prior of the standard matrix, genes x coefficients. Uses
/// `standard_matrix`, `prior_method` and `upper_quantile`.
///
/// # Errors
/// `InvalidArgument` when the design is a matrix or `mle` has another shape.
pub fn beta_prior_variances(
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    mle: &[f64],
    options: &TestOptions,
) -> Result<(Vec<String>, Vec<f64>)> {
    options.check()?;
    let standard = dataset.model_matrix()?;
    let (n, p) = (dataset.n_genes(), standard.n_columns());
    if mle.len() != n * p {
        let message = format!("{} values for {n} genes x {p} coefficients", mle.len());
        return Err(Error::argument("mle", message));
    }
    let variance = estimate_beta_prior(dataset, dispersions, &standard, mle, options)?;
    let names = match options.standard_matrix {
        true => standard.names,
        false => dataset.expanded_matrix()?.names,
    };
    Ok((names, variance))
}

/// Variances of the prior of coefficients, one a column of the matrix that will be fitted.
pub(super) fn estimate_beta_prior(
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    standard: &ModelMatrix,
    mle: &[f64],
    options: &TestOptions,
) -> Result<Vec<f64>> {
    // Dispersions of the user's own have no trend.
    let flat;
    let fit = if dispersions.fit.iter().all(|f| f.is_nan()) {
        let known = dispersions.dispersion.iter().filter(|d| d.is_finite());
        let n = known.clone().count();
        flat = vec![known.sum::<f64>() / n as f64; dispersions.fit.len()];
        &flat
    } else {
        &dispersions.fit
    };
    let input = PriorVarianceInput {
        beta: mle,
        names: &standard.names,
        base_mean: &dispersions.moments.mean,
        fit,
        skip: &dispersions.moments.all_zero,
        upper_quantile: options.upper_quantile,
        weighted: options.prior_method == super::options::PriorMethod::Weighted,
    };
    if options.standard_matrix {
        return Ok(beta_prior_variance(&input, &[], &standard.names));
    }
    let formula = dataset.design.as_formula();
    let formula = formula.filter(|f| f.intercept).ok_or_else(|| {
        Error::argument(
            "design",
            "a prior of the levels of factors needs a design formula with an intercept",
        )
    })?;
    let expanded = dataset.expanded_matrix()?;
    let mut groups = Vec::new();
    for variable in dataset.variables(formula)? {
        if let crate::stats::glm::Values::Factor { levels, .. } = variable.values {
            groups.push(LevelGroup {
                factor: variable.name,
                levels,
            });
        }
    }
    Ok(beta_prior_variance(&input, &groups, &expanded.names))
}
