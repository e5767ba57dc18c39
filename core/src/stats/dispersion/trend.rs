//! Dispersion as a function of the mean: `a0 + a1 / mean`, a local regression, a constant.
//!
//! # Cost
//! Some tens of passes over the genes, on one thread in gene order.
//!
//! # Source
//! Anders and Huber (2010); Love, Huber and Anders (2014); the rules of DESeq2's
//! `estimateDispersionsFit`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::stats::order::{sorted, trimmed_mean_of_sorted};
use crate::stats::smooth::{LocalQuadratic, RunningMedian};

/// How the trend is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FitType {
    /// `asymptDisp + extraPois / mean` by iterated gamma regression.
    #[default]
    Parametric,
    /// Local quadratic regression of ln dispersion on ln mean.
    Local,
    /// The trimmed mean of the gene-wise estimates.
    Mean,
    /// Running weighted median, for the quasi-likelihood path.
    GlmGamPoi,
}

/// Names in DESeq2's spelling.
const NAMES: [(&str, FitType); 4] = [
    ("parametric", FitType::Parametric),
    ("local", FitType::Local),
    ("mean", FitType::Mean),
    ("glmGamPoi", FitType::GlmGamPoi),
];

impl fmt::Display for FitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(_, fit)| fit == self);
        f.write_str(known.map_or("", |(name, _)| name))
    }
}

impl FromStr for FitType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, fit)| *fit).ok_or_else(|| {
            Error::argument(
                "fitType",
                format!(
                    "{text:?} is not a trend; must be \"parametric\", \"local\", \"mean\" or \"glmGamPoi\""
                ),
            )
        })
    }
}

/// Coefficients of the parametric trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParametricTrend {
    /// Dispersion at large means.
    pub asymptotic: f64,
    /// Dispersion times mean at small means, in excess.
    pub extra_poisson: f64,
}

/// A fitted trend.
#[derive(Debug, Clone, PartialEq)]
pub enum Trend {
    /// `asymptotic + extra_poisson / mean`.
    Parametric(ParametricTrend),
    /// Local regression of ln dispersion on ln mean.
    Local(LocalQuadratic),
    /// The same at every mean, as the fallback of a local fit.
    Constant(f64),
    /// The mean of the gene-wise estimates.
    Mean(f64),
    /// Running median by mean.
    RunningMedian(RunningMedian),
    /// A function of the host's own, known at some means and looked up at the nearest.
    Tabulated(RunningMedian),
}

impl Trend {
    /// Dispersion at a mean (of normalised counts).
    pub fn value(&self, mean: f64) -> f64 {
        match self {
            Trend::Parametric(c) => c.asymptotic + c.extra_poisson / mean,
            Trend::Local(fit) => libm::exp(fit.value(libm::log(mean))),
            Trend::Constant(value) | Trend::Mean(value) => *value,
            Trend::RunningMedian(fit) | Trend::Tabulated(fit) => fit.value(mean),
        }
    }

    /// The trend in numbers, for hosts that keep it: its kind (0 parametric, 1 local, 2 constant,
    /// 3 mean, 4 running median, 5 tabulated), then what the kind is made of; of a tabulated one mean
    /// and dispersion in turn, by ascending mean.
    pub fn to_numbers(&self) -> Vec<f64> {
        let (kind, parts) = match self {
            Trend::Parametric(c) => (0.0, vec![c.asymptotic, c.extra_poisson]),
            Trend::Local(fit) => (1.0, fit.to_numbers()),
            Trend::Constant(value) => (2.0, vec![*value]),
            Trend::Mean(value) => (3.0, vec![*value]),
            Trend::RunningMedian(fit) => (4.0, fit.to_numbers()),
            Trend::Tabulated(fit) => (5.0, fit.to_numbers()),
        };
        std::iter::once(kind).chain(parts).collect()
    }

    /// The trend of [`Self::to_numbers`].
    ///
    /// # Errors
    /// `InvalidArgument` for numbers that are no trend.
    pub fn from_numbers(numbers: &[f64]) -> Result<Self> {
        let trend = match numbers {
            [0.0, asymptotic, extra_poisson] => Some(Trend::Parametric(ParametricTrend {
                asymptotic: *asymptotic,
                extra_poisson: *extra_poisson,
            })),
            [1.0, parts @ ..] => LocalQuadratic::from_numbers(parts).map(Trend::Local),
            [2.0, value] => Some(Trend::Constant(*value)),
            [3.0, value] => Some(Trend::Mean(*value)),
            [4.0, parts @ ..] => RunningMedian::from_numbers(parts).map(Trend::RunningMedian),
            [5.0, parts @ ..] => RunningMedian::from_numbers(parts).map(Trend::Tabulated),
            _ => None,
        };
        trend.ok_or_else(|| Error::argument("trend", "the numbers are not those of a trend"))
    }

    /// The type of the trend.
    pub fn fit_type(&self) -> FitType {
        match self {
            Trend::Parametric(_) => FitType::Parametric,
            Trend::Local(_) | Trend::Constant(_) | Trend::Tabulated(_) => FitType::Local,
            Trend::Mean(_) => FitType::Mean,
            Trend::RunningMedian(_) => FitType::GlmGamPoi,
        }
    }
}

/// Fits a trend to gene-wise `dispersions` at `means` (genes that are not all zero). `min_disp` is
/// the least dispersion of the analysis (1e-8).
///
/// A parametric fit that fails becomes a local one; the type of the result says so.
///
/// # Errors
/// `InvalidData` when no gene-wise estimate is two orders of magnitude above the minimum.
pub fn fit_trend(
    means: &[f64],
    dispersions: &[f64],
    fit_type: FitType,
    min_disp: f64,
) -> Result<Trend> {
    let used: Vec<usize> = (0..means.len())
        .filter(|&i| dispersions[i] > 100.0 * min_disp)
        .collect();
    if used.is_empty() {
        return Err(Error::data(format!(
            "no gene-wise dispersion exceeds a hundred times the least allowed one ({min_disp:e}), so there is \
             no trend to fit; the gene-wise dispersions can be set as final ones"
        )));
    }
    let x: Vec<f64> = used.iter().map(|&i| means[i]).collect();
    let y: Vec<f64> = used.iter().map(|&i| dispersions[i]).collect();
    Ok(match fit_type {
        FitType::Parametric => match parametric(&x, &y) {
            Some(fit) => Trend::Parametric(fit),
            None => local(&x, &y, min_disp),
        },
        FitType::Local => local(&x, &y, min_disp),
        FitType::Mean => {
            let usable = dispersions.iter().copied().filter(|d| *d > 10.0 * min_disp);
            // DESeq2: mean(trim = 0.001)
            Trend::Mean(trimmed_mean_of_sorted(&sorted(usable), 0.001))
        }
        FitType::GlmGamPoi => match RunningMedian::fit(&x, &y, 0.1) {
            Some(fit) => Trend::RunningMedian(fit),
            None => Trend::Constant(min_disp),
        },
    })
}

fn local(means: &[f64], dispersions: &[f64], min_disp: f64) -> Trend {
    let used: Vec<usize> = (0..means.len())
        .filter(|&i| dispersions[i] >= 10.0 * min_disp)
        .collect();
    let log = |from: &[f64]| used.iter().map(|&i| libm::log(from[i])).collect::<Vec<_>>();
    let weights: Vec<f64> = used.iter().map(|&i| means[i]).collect();
    // locfit: alpha = 0.7
    match LocalQuadratic::fit(&log(means), &log(dispersions), &weights, 0.7) {
        Some(fit) => Trend::Local(fit),
        None => Trend::Constant(used.first().map_or(min_disp, |&i| dispersions[i])),
    }
}

/// Iterated gamma regression with outliers left out; `None` when it fails.
fn parametric(means: &[f64], dispersions: &[f64]) -> Option<ParametricTrend> {
    let mut c = [0.1, 1.0];
    for _ in 0..=10 {
        let good: Vec<(f64, f64)> = means
            .iter()
            .zip(dispersions)
            .filter(|(mean, disp)| {
                let ratio = **disp / (c[0] + c[1] / **mean);
                ratio > 1e-4 && ratio < 15.0
            })
            .map(|(mean, disp)| (1.0 / mean, *disp))
            .collect();
        let old = c;
        let converged;
        (c, converged) = gamma_identity(&good, old)?;
        if !(c[0] > 0.0 && c[1] > 0.0) {
            return None;
        }
        let change = libm::log(c[0] / old[0]).powi(2) + libm::log(c[1] / old[1]).powi(2);
        if change < 1e-6 && converged {
            return Some(ParametricTrend {
                asymptotic: c[0],
                extra_poisson: c[1],
            });
        }
    }
    None
}

/// Gamma regression `y = c0 + c1 x` from `start`, as R's `glm.fit` does it; the flag says whether
/// it converged.
fn gamma_identity(points: &[(f64, f64)], start: [f64; 2]) -> Option<([f64; 2], bool)> {
    let valid = |c: [f64; 2]| {
        points.iter().all(|(x, _)| {
            let mu = c[0] + c[1] * x;
            mu > 0.0 && mu.is_finite()
        })
    };
    let deviance = |c: [f64; 2]| -> f64 {
        let terms = points.iter().map(|(x, y)| {
            let mu = c[0] + c[1] * x;
            (y - mu) / mu - libm::log(y / mu)
        });
        2.0 * terms.sum::<f64>()
    };
    if !valid(start) || points.len() < 2 {
        return None;
    }
    let mut c = start;
    let mut old = deviance(c);
    for _ in 0..25 {
        let previous = c;
        c = weighted_line(points, previous)?;
        let mut halvings = 0;
        while !(valid(c) && deviance(c).is_finite()) {
            if halvings == 25 {
                return None;
            }
            c = [0.5 * (c[0] + previous[0]), 0.5 * (c[1] + previous[1])];
            halvings += 1;
        }
        let new = deviance(c);
        if (new - old).abs() / (new.abs() + 0.1) < 1e-8 {
            return Some((c, true));
        }
        old = new;
    }
    Some((c, false))
}

/// Least-squares line with weights `1 / mu^2` at coefficients `c`.
fn weighted_line(points: &[(f64, f64)], c: [f64; 2]) -> Option<[f64; 2]> {
    let weight = |x: f64| {
        let mu = c[0] + c[1] * x;
        1.0 / (mu * mu)
    };
    let (mut total, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        let w = weight(*x);
        total += w;
        sum_x += w * x;
        sum_y += w * y;
    }
    let (mean_x, mean_y) = (sum_x / total, sum_y / total);
    let (mut square, mut cross) = (0.0, 0.0);
    for (x, y) in points {
        let w = weight(*x);
        square += w * (x - mean_x) * (x - mean_x);
        cross += w * (x - mean_x) * (y - mean_y);
    }
    let slope = cross / square;
    slope
        .is_finite()
        .then_some([mean_y - slope * mean_x, slope])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    fn genes(n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut random = stream(4, "trend", 0);
        let means: Vec<f64> = (0..n)
            .map(|_| (4.0 + 2.0 * random.normal()).exp())
            .collect();
        let dispersions = means
            .iter()
            .map(|m| (0.1 + 4.0 / m) * (0.4 * random.normal()).exp())
            .collect();
        (means, dispersions)
    }

    #[test]
    fn coefficients_are_recovered() {
        let (means, dispersions) = genes(4000);
        let trend = fit_trend(&means, &dispersions, FitType::Parametric, 1e-8).expect("fits");
        let Trend::Parametric(c) = trend else {
            panic!("{trend:?}");
        };
        // The mean of exp(0.4 N) is exp(0.08).
        let factor = 0.08_f64.exp();
        assert!((c.asymptotic / (0.1 * factor) - 1.0).abs() < 0.05, "{c:?}");
        assert!(
            (c.extra_poisson / (4.0 * factor) - 1.0).abs() < 0.05,
            "{c:?}"
        );
        let local = fit_trend(&means, &dispersions, FitType::Local, 1e-8).expect("fits");
        for mean in [10.0, 100.0, 1000.0] {
            let ratio = local.value(mean) / (0.1 + 4.0 / mean);
            assert!((ratio - 1.0).abs() < 0.15, "{mean}: {ratio}");
        }
    }

    #[test]
    fn a_rising_trend_falls_back_to_local() {
        let means: Vec<f64> = (1..200).map(f64::from).collect();
        let dispersions: Vec<f64> = means.iter().map(|m| 0.01 * m).collect();
        let trend = fit_trend(&means, &dispersions, FitType::Parametric, 1e-8).expect("fits");
        assert_eq!(trend.fit_type(), FitType::Local);
    }

    #[test]
    fn minimal_dispersions_are_an_error() {
        let error = fit_trend(&[1.0, 2.0], &[1e-8, 5e-7], FitType::Mean, 1e-8).expect_err("none");
        assert!(error.message().contains("a hundred times the least"));
    }
}
