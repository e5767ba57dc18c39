//! Quasi-likelihood dispersions (`fitType = "glmGamPoi"`): gene-wise estimates, shrinkage, F tests.
//!
//! The trend alone serves as negative binomial dispersion; how much more or less a gene varies is a
//! factor of its variance, the quasi-likelihood dispersion, which is shrunken and enters an F test.
//!
//! # Cost
//! Two passes of fits for the means, one for the dispersions; two fits a gene for the test.
//!
//! # Source
//! Ahlmann-Eltze and Huber (2020); Lund et al. (2012); DESeq2 1.38 with glmGamPoi 1.10.

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::stats::dispersion::{NewtonOptions, QuasiPrior, newton_search};
use crate::stats::glm::{GammaPoissonWorkspace, fit_gamma_poisson};
use crate::stats::nb::ln_probability;
use crate::stats::smooth::RunningMedian;
use crate::stats::special::f_upper_tail;

use super::dataset::DeseqDataset;
use super::dispersions::Dispersions;
use super::fits::{Assays, Fits};
use super::gene_wise::{Estimator, GeneWise, Scratch, room_for};
use super::genes::{GeneReader, by_blocks};
use super::moments::{BaseMoments, Model};
use super::options::DispersionOptions;

/// Share of the Cox-Reid term in the likelihood of the dispersion. glmGamPoi: 0.99.
const COX_REID_SHARE: f64 = 0.99;
/// Where a negative slope means that the dispersion is zero. glmGamPoi: 1e-8.
const FAR_LEFT: f64 = 1e-8;
/// Bounds of the dispersion. glmGamPoi: 1e-16, 1e16.
const BOUNDS: (f64, f64) = (1e-16, 1e16);
/// Start where the counts vary no more than Poisson's. glmGamPoi: 0.5.
const START: f64 = 0.5;
const MAX_ITERATIONS: u32 = 200;
/// Share of the genes in a window of the running medians. glmGamPoi: 0.1.
const WINDOW: f64 = 0.1;

/// Quasi-likelihood dispersions; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct QuasiLikelihood {
    /// Variance of the gene-wise dispersion over that of the trend, at the base mean.
    pub mle: Vec<f64>,
    /// Scale of the prior.
    pub fit: Vec<f64>,
    /// Shrunken towards the prior.
    pub map: Vec<f64>,
    /// The trend of the dispersions times the scale of the prior.
    pub fit_corrected: Vec<f64>,
    /// Degrees of freedom of the prior.
    pub prior_df: f64,
}

/// Gene-wise estimates for all genes of a data set.
pub(super) fn gene_wise(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: &Model,
    moments: &BaseMoments,
    options: &DispersionOptions,
) -> Result<GeneWise> {
    if dataset.weights.is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "fitType: \"glmGamPoi\" takes no observation weights; use another trend or remove the weights",
        ));
    }
    if options.n_iterations > 1 {
        return Err(Error::argument(
            "niter",
            "more than one round is not for fitType = \"glmGamPoi\"; must be 1",
        ));
    }
    let estimator = Estimator::new(dataset, model, moments, options)?;
    let first = first_fits(ctx, dataset, model, moments, &estimator)?;
    let alpha = trend_of_starts(&first, moments);
    let p = model.rows.n_columns();
    let mut found = room_for(dataset.n_genes(), p);
    by_blocks(
        ctx,
        "gene-wise dispersion estimates",
        dataset,
        || {
            let fits = GammaPoissonWorkspace::new(&model.rows);
            (Scratch::new(dataset, model), fits)
        },
        |(scratch, fits), range| {
            let mut part = room_for(range.len(), p);
            for gene in range {
                ctx.check_cancelled()?;
                if moments.all_zero[gene] {
                    part.0.push(f64::NAN);
                    part.1.push(f64::NAN);
                    part.2.extend(std::iter::repeat_n(f64::NAN, p));
                    continue;
                }
                scratch.reader.read(gene);
                scratch.reader.fill_table();
                scratch
                    .beta
                    .copy_from_slice(&first.coefficients[gene * p..(gene + 1) * p]);
                if !estimator.linear {
                    fits.beta.copy_from_slice(&scratch.beta);
                    let data = scratch.reader.gene(alpha[gene]);
                    fit_gamma_poisson(&model.rows, &data, true, fits);
                    scratch.beta.copy_from_slice(&fits.beta);
                }
                estimator.write_means(scratch);
                let (dispersion, iterations) = estimate(&estimator, scratch, first.start[gene]);
                part.0.push(dispersion);
                part.1.push(f64::from(iterations));
                part.2.extend_from_slice(&scratch.beta);
            }
            Ok(part)
        },
        |(dispersion, iterations, coefficients)| {
            found.0.extend(dispersion);
            found.1.extend(iterations);
            found.2.extend(coefficients);
            Ok(())
        },
    )?;
    Ok(estimator.estimates(found))
}

/// Fits with the dispersions of the start.
#[derive(Default)]
struct First {
    start: Vec<f64>,
    coefficients: Vec<f64>,
    /// Mean over the samples of the fitted means; of fits on the log scale.
    mean: Vec<f64>,
}

fn first_fits(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: &Model,
    moments: &BaseMoments,
    estimator: &Estimator<'_>,
) -> Result<First> {
    let (m, p) = (dataset.n_samples(), model.rows.n_columns());
    let mut all = First::default();
    by_blocks(
        ctx,
        "gene-wise means",
        dataset,
        || {
            let fits = GammaPoissonWorkspace::new(&model.rows);
            (Scratch::new(dataset, model), fits)
        },
        |(scratch, fits), range| {
            let mut part = First::default();
            for gene in range {
                ctx.check_cancelled()?;
                if moments.all_zero[gene] {
                    part.start.push(f64::NAN);
                    part.coefficients.extend(std::iter::repeat_n(f64::NAN, p));
                    part.mean.push(f64::NAN);
                    continue;
                }
                scratch.reader.read(gene);
                let start = estimator.start(scratch, gene, moments);
                part.start.push(start);
                if estimator.linear {
                    estimator.linear_fit(scratch);
                    part.coefficients.extend_from_slice(&scratch.beta);
                    part.mean.push(f64::NAN);
                } else {
                    fit_gamma_poisson(&model.rows, &scratch.reader.gene(start), false, fits);
                    part.coefficients.extend_from_slice(&fits.beta);
                    part.mean.push(fits.mu.iter().sum::<f64>() / m as f64);
                }
            }
            Ok(part)
        },
        |part| {
            all.start.extend(part.start);
            all.coefficients.extend(part.coefficients);
            all.mean.extend(part.mean);
            Ok(())
        },
    )?;
    Ok(all)
}

/// Running medians of the starts by mean: the dispersions of the means that are used.
fn trend_of_starts(first: &First, moments: &BaseMoments) -> Vec<f64> {
    let n = moments.mean.len();
    let fitted: Vec<usize> = (0..n).filter(|&i| !moments.all_zero[i]).collect();
    let pick = |from: &[f64]| fitted.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let smooth = RunningMedian::at_points(&pick(&first.mean), &pick(&first.start), WINDOW);
    let mut all = vec![f64::NAN; n];
    for (&gene, value) in fitted.iter().zip(smooth) {
        all[gene] = value;
    }
    all
}

/// The estimate of a gene whose counts, table and means are in the scratch.
fn estimate(estimator: &Estimator<'_>, scratch: &mut Scratch<'_>, start: f64) -> (f64, u32) {
    let (min_disp, max_disp) = (estimator.options.min_disp, estimator.max_disp);
    let likelihood = |scratch: &Scratch<'_>, alpha: f64| -> f64 {
        let samples = scratch.reader.counts.iter().zip(&scratch.mu);
        samples.map(|(&k, &mu)| ln_probability(k, mu, alpha)).sum()
    };
    let initial = likelihood(scratch, start);
    let first = first_guess(&scratch.reader.counts);
    let options = NewtonOptions {
        low: libm::log(BOUNDS.0),
        high: libm::log(BOUNDS.1),
        last_step: 1e-5,
        max_iterations: MAX_ITERATIONS,
    };
    let mut profile = estimator.profile(scratch).with_share(COX_REID_SHARE);
    if profile.evaluate(libm::log(FAR_LEFT)).1 < 0.0 {
        // Zero; the least dispersion has the same likelihood.
        let kept = likelihood(scratch, min_disp) < initial + initial.abs() / 1e6;
        let alpha = if kept { start } else { min_disp };
        return (alpha.clamp(min_disp, max_disp), 0);
    }
    let found = newton_search(&mut profile, libm::log(first), &options);
    let mut alpha = libm::exp(found.log_alpha).min(max_disp);
    if likelihood(scratch, alpha) < initial + initial.abs() / 1e6 {
        alpha = start;
    }
    if !found.converged && alpha > min_disp * 10.0 {
        alpha = libm::exp(estimator.grid(scratch));
    }
    (alpha.clamp(min_disp, max_disp), found.iterations)
}

/// From the moments of the counts.
fn first_guess(counts: &[f64]) -> f64 {
    let n = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / n;
    let squares = counts.iter().map(|k| (k - mean) * (k - mean));
    let guess = (squares.sum::<f64>() / (n - 1.0) - mean) / (mean * mean);
    if guess > 0.0 { guess } else { START }
}

/// Shrinks the quasi-likelihood dispersions; the shrunken dispersions of all genes.
pub(super) fn shrink(
    known: &Dispersions,
    model: &Model,
    n_samples: usize,
    options: &DispersionOptions,
) -> Result<(Vec<f64>, QuasiLikelihood)> {
    let max_disp = super::gene_wise::max_dispersion(n_samples);
    let df = model.residual_df() as f64;
    let genes = || {
        let columns = known
            .moments
            .mean
            .iter()
            .zip(&known.gene_est)
            .zip(&known.fit);
        columns
            .zip(&known.moments.all_zero)
            .map(|(((m, d), t), zero)| (*m, *d, *t, *zero))
    };
    let mle: Vec<f64> = genes()
        .map(|(mean, estimate, trend, zero)| {
            let ratio = (1.0 + mean * estimate) / (1.0 + mean * trend);
            if zero { f64::NAN } else { ratio }
        })
        .collect();
    let values: Vec<f64> = mle.iter().copied().filter(|v| !v.is_nan()).collect();
    let prior = QuasiPrior::fit(&values, df)
        .ok_or_else(|| Error::data("no gene has counts that can be fitted"))?;
    let map: Vec<f64> = mle.iter().map(|&v| prior.posterior(v, df)).collect();
    let scaled = |by: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let each = genes().enumerate().map(|(gene, (mean, _, trend, _))| {
            let alpha = (by(gene) * (mean + mean * mean * trend) - mean) / (mean * mean);
            if alpha.is_nan() {
                alpha
            } else {
                alpha.clamp(options.min_disp, max_disp)
            }
        });
        each.collect()
    };
    let dispersions = scaled(&|gene| map[gene]);
    let quasi = QuasiLikelihood {
        fit_corrected: scaled(&|_| prior.variance),
        fit: mle
            .iter()
            .map(|v| if v.is_nan() { *v } else { prior.variance })
            .collect(),
        mle,
        map,
        prior_df: prior.df,
    };
    Ok((dispersions, quasi))
}

/// What the F test of all genes gave.
#[derive(Default)]
pub(super) struct QuasiTest {
    pub fits: Fits,
    pub statistic: Vec<f64>,
    pub pvalue: Vec<f64>,
}

/// F tests of `full` against `reduced` with the trend as dispersion.
pub(super) fn test(
    ctx: &Context,
    dataset: &DeseqDataset,
    dispersions: &Dispersions,
    (full, reduced): (&Model, &Model),
    keep_assays: bool,
) -> Result<QuasiTest> {
    let Some(quasi) = &dispersions.quasi else {
        return Err(Error::new(
            ErrorKind::State,
            "type: \"glmGamPoi\" needs the quasi-likelihood dispersions of fitType = \"glmGamPoi\"",
        ));
    };
    let (m, p) = (dataset.n_samples(), full.rows.n_columns());
    let df = (p - reduced.rows.n_columns()) as f64;
    let df_residual = quasi.prior_df + (m - p) as f64;
    let assays = || keep_assays.then(Assays::default);
    let empty = || QuasiTest {
        fits: Fits {
            assays: assays(),
            ..Fits::default()
        },
        ..QuasiTest::default()
    };
    let mut all = empty();
    by_blocks(
        ctx,
        "fitting model and testing",
        dataset,
        || {
            let of = |model: &Model| GammaPoissonWorkspace::new(&model.rows);
            (GeneReader::new(dataset), of(full), of(reduced))
        },
        |(reader, larger, smaller), range| {
            let mut part = empty();
            for gene in range {
                ctx.check_cancelled()?;
                if dispersions.moments.all_zero[gene] {
                    part.push_missing(m, p);
                    continue;
                }
                reader.read(gene);
                let data = reader.gene(dispersions.fit[gene]);
                let of_full = fit_gamma_poisson(&full.rows, &data, false, larger);
                let of_reduced = fit_gamma_poisson(&reduced.rows, &data, false, smaller);
                let f = (of_reduced.deviance - of_full.deviance) / df / quasi.map[gene];
                part.statistic.push(f);
                part.pvalue.push(f_upper_tail(f, df, df_residual));
                part.push(&larger.beta, &larger.mu, of_full.deviance);
            }
            Ok(part)
        },
        |part| {
            all.fits.append(part.fits);
            all.statistic.extend(part.statistic);
            all.pvalue.extend(part.pvalue);
            Ok(())
        },
    )?;
    Ok(all)
}

impl QuasiTest {
    /// A gene: only the coefficients, the deviance and the means have a meaning here.
    fn push(&mut self, beta: &[f64], mu: &[f64], deviance: f64) {
        let (fits, missing) = (&mut self.fits, f64::NAN);
        let log2_e = std::f64::consts::LOG2_E;
        fits.beta.extend(beta.iter().map(|b| b * log2_e));
        fits.se.extend(beta.iter().map(|_| missing));
        fits.iterations.push(missing);
        fits.converged.push(true);
        fits.ln_likelihood.push(-0.5 * deviance);
        fits.max_cooks.push(missing);
        fits.max_cooks_kept.push(missing);
        fits.worst_sample.push(0);
        if let Some(assays) = &mut fits.assays {
            assays.mu.extend_from_slice(mu);
        }
    }

    fn push_missing(&mut self, m: usize, p: usize) {
        let missing = f64::NAN;
        self.statistic.push(missing);
        self.pvalue.push(missing);
        self.push(&vec![missing; p], &vec![missing; m], missing);
        if let Some(last) = self.fits.converged.last_mut() {
            *last = false;
        }
    }
}
