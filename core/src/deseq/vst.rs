//! Variance-stabilising transformations: counts to log2-like values of even variance.
//!
//! # Cost
//! Gene-wise dispersions and a trend (over a sample of genes with [`vst`]), then one function value
//! a count. Memory: the result, genes x samples.
//!
//! # Source
//! Anders and Huber (2010); DESeq2 1.38, `varianceStabilizingTransformation`, `vst`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::dispersion::{FitType, Trend};
use crate::stats::glm::ModelMatrix;
use crate::stats::order::{quantile_of_sorted, sorted};
use crate::stats::smooth::CubicSpline;

use super::dataset::DeseqDataset;
use super::dispersions::{GeneTrend, trend_only};
use super::genes::{GeneReader, by_blocks};
use super::moments::{base_moments, mean_inverse_factor};
use super::options::DispersionOptions;
use super::size_factors::{SizeFactorOptions, estimate_size_factors};

/// A transformed matrix, genes x samples, gene-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformed {
    /// Gene names.
    pub genes: Vec<String>,
    /// Sample names.
    pub samples: Vec<String>,
    /// Values, log2-like.
    pub values: Vec<f64>,
    /// The trend that was estimated for the transformation.
    pub about: Option<GeneTrend>,
}

/// Options of the transformations.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformOptions {
    /// Whether dispersions ignore the design. Default true.
    pub blind: bool,
    /// Trend. Default parametric.
    pub fit_type: FitType,
    /// Genes that the trend of [`vst`] is estimated from. Default 1000.
    pub nsub: usize,
}

impl Default for TransformOptions {
    fn default() -> Self {
        TransformOptions {
            blind: true,
            fit_type: FitType::Parametric,
            nsub: 1000,
        }
    }
}

/// A data set with factors, its own or estimated ones.
pub(super) fn with_factors(ctx: &Context, dataset: &DeseqDataset) -> Result<DeseqDataset> {
    let mut copy = dataset.clone();
    if !copy.is_normalized() {
        estimate_size_factors(ctx, &mut copy, &SizeFactorOptions::default())?;
    }
    Ok(copy)
}

/// The matrix of an intercept alone.
pub(super) fn intercept_matrix(n_samples: usize) -> ModelMatrix {
    ModelMatrix {
        values: vec![1.0; n_samples],
        n_samples,
        names: vec!["Intercept".to_owned()],
        term_of_column: vec![0],
    }
}

/// The matrix that dispersions of a transformation are estimated with.
pub(super) fn transform_matrix(dataset: &DeseqDataset, blind: bool) -> Result<ModelMatrix> {
    if blind {
        Ok(intercept_matrix(dataset.n_samples()))
    } else {
        dataset.model_matrix()
    }
}

/// Transforms all counts; the trend is estimated from all genes unless one is given. A trend of one's
/// own is [`Trend::Tabulated`] at `sinh(t i / 999)`, `i` from 1 to 999, where `t` is `asinh` of the
/// largest normalised count: the transformation needs it there.
///
/// # Errors
/// Those of the dispersion estimates; `InvalidArgument` for a trend that cannot be inverted.
pub fn variance_stabilizing_transformation(
    ctx: &Context,
    dataset: &DeseqDataset,
    trend: Option<&Trend>,
    options: &TransformOptions,
) -> Result<Transformed> {
    let dataset = &with_factors(ctx, dataset)?;
    match trend {
        Some(trend) if !options.blind => transform(ctx, dataset, trend),
        _ => {
            let matrix = transform_matrix(dataset, options.blind)?;
            let asked = DispersionOptions {
                fit_type: options.fit_type,
                ..DispersionOptions::default()
            };
            let about = trend_only(ctx, dataset, &matrix, &asked)?;
            transformed_about(ctx, dataset, about)
        }
    }
}

/// The same with a trend from `nsub` genes spread over the range of means.
///
/// # Errors
/// `InvalidArgument` when there are fewer than `nsub` genes with a mean above 5.
pub fn vst(
    ctx: &Context,
    dataset: &DeseqDataset,
    options: &TransformOptions,
) -> Result<Transformed> {
    let dataset = &with_factors(ctx, dataset)?;
    let nsub = options.nsub;
    if dataset.n_genes() < nsub {
        return Err(Error::argument(
            "nsub",
            format!(
                "{} genes are fewer than nsub = {nsub}; use varianceStabilizingTransformation",
                dataset.n_genes()
            ),
        ));
    }
    let matrix = transform_matrix(dataset, options.blind)?;
    let asked = DispersionOptions {
        fit_type: options.fit_type,
        ..DispersionOptions::default()
    };
    let moments = base_moments(ctx, dataset, &matrix, asked.weight_threshold)?;
    // Genes are chosen by means without weights.
    let weighted;
    let means = match &dataset.weights {
        None => &moments.mean,
        Some(_) => {
            weighted = base_means(ctx, dataset)?;
            &weighted
        }
    };
    let mut order: Vec<usize> = (0..means.len()).filter(|&i| means[i] > 5.0).collect();
    if order.len() < nsub {
        return Err(Error::argument(
            "nsub",
            format!(
                "{} genes have a mean normalized count above 5, fewer than nsub = {nsub}; use a \
                 smaller nsub or varianceStabilizingTransformation",
                order.len()
            ),
        ));
    }
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]).then(a.cmp(&b)));
    let last = (order.len() - 1) as f64;
    let chosen: Vec<usize> = (0..nsub)
        .map(|i| {
            let share = if nsub > 1 {
                i as f64 / (nsub - 1) as f64
            } else {
                0.0
            };
            order[(1.0 + last * share).round_ties_even() as usize - 1]
        })
        .collect();
    let part = dataset.select_genes(&chosen);
    let trend = trend_only(ctx, &part, &matrix, &asked)?.trend;
    transformed_about(ctx, dataset, GeneTrend::given(moments, trend))
}

fn transformed_about(
    ctx: &Context,
    dataset: &DeseqDataset,
    about: GeneTrend,
) -> Result<Transformed> {
    let made = transform(ctx, dataset, &about.trend)?;
    Ok(Transformed {
        about: Some(about),
        ..made
    })
}

/// Means of normalised counts of all genes.
pub(super) fn base_means(ctx: &Context, dataset: &DeseqDataset) -> Result<Vec<f64>> {
    let mut means = Vec::with_capacity(dataset.n_genes());
    by_blocks(
        ctx,
        "base means",
        dataset,
        || GeneReader::new(dataset),
        |reader, range| {
            let mut part = Vec::with_capacity(range.len());
            for gene in range {
                reader.read(gene);
                part.push(reader.normalized.iter().sum::<f64>() / reader.normalized.len() as f64);
            }
            Ok(part)
        },
        |part| {
            means.extend(part);
            Ok(())
        },
    )?;
    Ok(means)
}

/// Applies the transformation of a trend to the normalised counts.
fn transform(ctx: &Context, dataset: &DeseqDataset, trend: &Trend) -> Result<Transformed> {
    let ln2 = std::f64::consts::LN_2;
    let numeric = match trend {
        Trend::Local(_) | Trend::Constant(_) | Trend::Tabulated(_) => {
            Some(LocalTransform::new(ctx, dataset, trend)?)
        }
        Trend::RunningMedian(_) => {
            return Err(Error::argument(
                "fitType",
                "\"glmGamPoi\" has no variance-stabilising transformation",
            ));
        }
        _ => None,
    };
    let value = |q: f64| match (trend, &numeric) {
        (Trend::Parametric(c), _) => {
            let (a0, a1) = (c.asymptotic, c.extra_poisson);
            let root = (a0 * q * (1.0 + a1 + a0 * q)).sqrt();
            libm::log((1.0 + a1 + 2.0 * a0 * q + 2.0 * root) / (4.0 * a0)) / ln2
        }
        (Trend::Mean(a), _) => {
            (2.0 * libm::asinh((a * q).sqrt()) - libm::log(*a) - 2.0 * ln2) / ln2
        }
        (_, Some(numeric)) => numeric.value(q),
        _ => f64::NAN,
    };
    map_normalized(ctx, dataset, &value)
}

/// One function of every normalised count.
pub(super) fn map_normalized(
    ctx: &Context,
    dataset: &DeseqDataset,
    value: &(dyn Fn(f64) -> f64 + Sync),
) -> Result<Transformed> {
    let mut values = Vec::with_capacity(dataset.n_genes() * dataset.n_samples());
    by_blocks(
        ctx,
        "transforming counts",
        dataset,
        || GeneReader::new(dataset),
        |reader, range| {
            let mut part = Vec::with_capacity(range.len() * reader.normalized.len());
            for gene in range {
                reader.read(gene);
                part.extend(reader.normalized.iter().map(|&q| value(q)));
            }
            Ok(part)
        },
        |part| {
            values.extend(part);
            Ok(())
        },
    )?;
    Ok(Transformed {
        genes: dataset.genes.clone(),
        samples: dataset.samples.clone(),
        values,
        about: None,
    })
}

/// The integral of one over the standard deviation that a local trend implies, scaled to log2.
struct LocalTransform {
    spline: CubicSpline,
    slope: f64,
    shift: f64,
}

/// Points of the integral. DESeq2: 1000.
const POINTS: usize = 1000;

impl LocalTransform {
    fn new(ctx: &Context, dataset: &DeseqDataset, trend: &Trend) -> Result<Self> {
        let mut most = 0.0_f64;
        let mut means = Vec::with_capacity(dataset.n_genes());
        let mut reader = GeneReader::new(dataset);
        for gene in 0..dataset.n_genes() {
            ctx.check_cancelled()?;
            reader.read(gene);
            most = reader.normalized.iter().copied().fold(most, f64::max);
            means.push(reader.normalized.iter().sum::<f64>() / reader.normalized.len() as f64);
        }
        let xi = mean_inverse_factor(dataset, &vec![false; dataset.n_genes()]);
        let top = libm::asinh(most);
        let x: Vec<f64> = (1..POINTS)
            .map(|i| libm::sinh(top * i as f64 / (POINTS - 1) as f64))
            .collect();
        let inverse: Vec<f64> = x
            .iter()
            .map(|&x| 1.0 / (trend.value(x) * x * x + xi * x).sqrt())
            .collect();
        let mut integral = Vec::with_capacity(x.len() - 1);
        let mut total = 0.0;
        for (x, v) in x.windows(2).zip(inverse.windows(2)) {
            total += (x[1] - x[0]) * (v[1] + v[0]) / 2.0;
            integral.push(total);
        }
        let middles: Vec<f64> = x
            .windows(2)
            .map(|x| libm::asinh((x[1] + x[0]) / 2.0))
            .collect();
        let spline = CubicSpline::fit(&middles, &integral)
            .ok_or_else(|| Error::data("counts are too small for a local transformation"))?;
        let means = sorted(means);
        let (h1, h2) = (
            quantile_of_sorted(&means, 0.95),
            quantile_of_sorted(&means, 0.999),
        );
        let at = |h: f64| spline.value(libm::asinh(h));
        let slope = (libm::log2(h2) - libm::log2(h1)) / (at(h2) - at(h1));
        let shift = libm::log2(h1) - slope * at(h1);
        Ok(LocalTransform {
            spline,
            slope,
            shift,
        })
    }

    fn value(&self, q: f64) -> f64 {
        self.slope * self.spline.value(libm::asinh(q)) + self.shift
    }
}
