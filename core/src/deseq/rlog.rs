//! Regularised logarithms: shrunken log2 deviations of every sample from the gene's mean.
//!
//! # Cost
//! A few iterations of one operation a count, where the general solution takes the cube of the
//! number of samples. Memory: the result, and one log ratio and weight a count while the variance
//! of the prior is estimated.
//!
//! # Source
//! Love, Huber and Anders (2014); DESeq2 1.38, `rlog`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::glm::{ArrowheadOptions, ArrowheadWorkspace, fit_arrowhead};
use crate::stats::order::weighted_quantile;
use crate::stats::special::normal_quantile;

use super::dataset::DeseqDataset;
use super::dispersions::trend_only;
use super::genes::{GeneReader, by_blocks};
use super::notes::{message, warning};
use super::options::DispersionOptions;
use super::vst::{TransformOptions, Transformed, transform_matrix, with_factors};

/// What is known from an earlier transformation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RlogPrior {
    /// Intercepts (log2), one a gene, `-inf` for genes without counts; fitted when absent.
    pub intercept: Option<Vec<f64>>,
    /// Variance of the deviations (log2); estimated when absent.
    pub beta_prior_variance: Option<f64>,
    /// Trend dispersions, one a gene; needed with an intercept, estimated when absent.
    pub dispersion_fit: Option<Vec<f64>>,
}

/// A regularised log transformation.
#[derive(Debug, Clone, PartialEq)]
pub struct Rlog {
    /// Values, log2.
    pub transformed: Transformed,
    /// Intercepts, log2; `-inf` for genes without counts.
    pub intercept: Vec<f64>,
    /// Variance of the prior of the deviations, log2.
    pub beta_prior_variance: f64,
    /// Trend dispersions used.
    pub dispersion_fit: Vec<f64>,
}

/// Transforms the counts.
///
/// # Errors
/// Those of the dispersion estimates; `InvalidArgument` for known quantities of another length.
pub fn rlog(
    ctx: &Context,
    dataset: &DeseqDataset,
    known: &RlogPrior,
    options: &TransformOptions,
) -> Result<Rlog> {
    let (n, m) = (dataset.n_genes(), dataset.n_samples());
    for (name, values) in [
        ("intercept", &known.intercept),
        ("dispFit", &known.dispersion_fit),
    ] {
        if values.as_ref().is_some_and(|v| v.len() != n) {
            return Err(Error::argument(
                name,
                format!("must have one value a gene ({n})"),
            ));
        }
    }
    advise(ctx, m)?;
    let mut data = with_factors(ctx, dataset)?;
    sparse_test(ctx, &data)?;
    let (mean, mut zero, fit, about) = match &known.dispersion_fit {
        Some(fit) => {
            let mean = super::vst::base_means(ctx, &data)?;
            let zero = mean.iter().map(|m| *m == 0.0).collect();
            (mean, zero, fit.clone(), None)
        }
        None => {
            let matrix = transform_matrix(&data, options.blind)?;
            let asked = DispersionOptions {
                fit_type: options.fit_type,
                ..DispersionOptions::default()
            };
            let about = trend_only(ctx, &data, &matrix, &asked)?;
            let moments = &about.moments;
            let fit = moments.mean.iter().map(|&m| about.trend.value(m)).collect();
            let (mean, zero) = (moments.mean.clone(), moments.all_zero.clone());
            (mean, zero, fit, Some(about))
        }
    };
    if let Some(intercept) = &known.intercept {
        freeze(&mut data, intercept)?;
        zero = intercept.iter().map(|b| !b.is_finite()).collect();
    }
    let variance = match known.beta_prior_variance {
        Some(variance) => variance,
        None => prior_variance(ctx, &data, &mean, &fit, &zero)?,
    };
    let mut made = fit_all(
        ctx,
        &data,
        &zero,
        &fit,
        variance,
        known.intercept.as_deref(),
    )?;
    made.transformed.about = about;
    Ok(made)
}

fn advise(ctx: &Context, m: usize) -> Result<()> {
    if m >= 50 {
        return message(
            ctx,
            "rlog fits one coefficient per sample and is slow with 50 samples or more; vst serves the same purpose in a fraction of the time",
        );
    }
    if m >= 30 {
        return message(
            ctx,
            "rlog fits one coefficient per sample and takes its time with 30 samples or more; vst serves the same purpose faster",
        );
    }
    Ok(())
}

/// Warns when the counts of many genes come from one sample.
fn sparse_test(ctx: &Context, data: &DeseqDataset) -> Result<()> {
    let mut reader = GeneReader::new(data);
    let (mut tested, mut single) = (0_usize, 0_usize);
    for gene in 0..data.n_genes() {
        reader.read(gene);
        let sum: f64 = reader.normalized.iter().sum();
        if sum > 100.0 {
            tested += 1;
            let most = reader.normalized.iter().copied().fold(0.0, f64::max);
            single += usize::from(most / sum > 0.9);
        }
    }
    if tested > 0 && single as f64 / tested as f64 > 0.1 {
        return warning(
            ctx,
            "in more than a tenth of the genes with over 100 normalized counts, one sample holds more \
             than nine tenths of them; rlog's model of counts does not describe such genes, so look at vst \
             or at log2 of the normalized counts as well",
        );
    }
    Ok(())
}

/// Takes the intercepts into the normalization factors.
fn freeze(data: &mut DeseqDataset, intercept: &[f64]) -> Result<()> {
    let mut reader = GeneReader::new(data);
    let mut factors = Vec::with_capacity(intercept.len() * data.n_samples());
    for (gene, intercept) in intercept.iter().enumerate() {
        reader.read(gene);
        // DESeq2: a small value for genes that had no counts.
        let shift = libm::exp2(if intercept.is_finite() {
            *intercept
        } else {
            -10.0
        });
        factors.extend(reader.scale.iter().map(|s| s * shift));
    }
    data.set_normalization_factors(factors)
}

/// Variance of log2 deviations from the mean, by the weighted upper quantile.
fn prior_variance(
    ctx: &Context,
    data: &DeseqDataset,
    mean: &[f64],
    fit: &[f64],
    zero: &[bool],
) -> Result<f64> {
    let m = data.n_samples();
    let (mut size, mut weights) = (Vec::new(), Vec::new());
    by_blocks(
        ctx,
        "log deviations",
        data,
        || GeneReader::new(data),
        |reader, range| {
            let mut part = (
                Vec::with_capacity(range.len() * m),
                Vec::with_capacity(range.len() * m),
            );
            for gene in range.filter(|&gene| !zero[gene]) {
                reader.read(gene);
                let centre = libm::log2(mean[gene] + 0.5);
                let weight = 1.0 / (1.0 / mean[gene] + fit[gene]);
                for q in &reader.normalized {
                    part.0.push((libm::log2(q + 0.5) - centre).abs());
                    part.1.push(weight);
                }
            }
            Ok(part)
        },
        |part| {
            size.extend(part.0);
            weights.extend(part.1);
            Ok(())
        },
    )?;
    let quantile = weighted_quantile(&size, &weights, 0.95);
    Ok((quantile / normal_quantile(0.975)).powi(2))
}

fn fit_all(
    ctx: &Context,
    data: &DeseqDataset,
    zero: &[bool],
    fit: &[f64],
    variance: f64,
    frozen: Option<&[f64]>,
) -> Result<Rlog> {
    let m = data.n_samples();
    let ln2 = std::f64::consts::LN_2;
    let options = ArrowheadOptions {
        ridge: 1.0 / variance / (ln2 * ln2),
        intercept_ridge: frozen.is_none().then_some(1e-6 / (ln2 * ln2)),
        tolerance: 1e-4,
        max_iterations: 100,
        min_mu: 0.5,
    };
    let mut values = Vec::with_capacity(data.n_genes() * m);
    let mut intercepts = Vec::with_capacity(data.n_genes());
    by_blocks(
        ctx,
        "regularized logarithms",
        data,
        || (GeneReader::new(data), ArrowheadWorkspace::new(m)),
        |(reader, ws), range| {
            let mut part = (
                Vec::with_capacity(range.len() * m),
                Vec::with_capacity(range.len()),
            );
            for gene in range {
                ctx.check_cancelled()?;
                if zero[gene] {
                    part.0.extend(std::iter::repeat_n(0.0, m));
                    part.1.push(f64::NEG_INFINITY);
                    continue;
                }
                reader.read(gene);
                let mut nb = reader.gene(fit[gene]);
                nb.weights = None;
                fit_arrowhead(&nb, &options, ws);
                let shift = frozen.map_or(0.0, |f| f[gene]);
                part.0
                    .extend(ws.beta.iter().map(|b| (ws.intercept + b) / ln2 + shift));
                part.1.push(frozen.map_or(ws.intercept / ln2, |f| f[gene]));
            }
            Ok(part)
        },
        |part| {
            values.extend(part.0);
            intercepts.extend(part.1);
            Ok(())
        },
    )?;
    Ok(Rlog {
        transformed: Transformed {
            genes: data.genes.clone(),
            samples: data.samples.clone(),
            values,
            about: None,
        },
        intercept: intercepts,
        beta_prior_variance: variance,
        dispersion_fit: fit.to_vec(),
    })
}
