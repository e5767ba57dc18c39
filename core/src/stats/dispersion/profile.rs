//! The log-posterior of one gene's log dispersion, with the Cox-Reid adjustment, and its derivative.
//!
//! `l(a) = sum_j w_j ln NB(K_j; mu_j, e^a) - ln det(X'WX) / 2 + ln prior(a)`, without the terms
//! `ln Gamma(K+1)`; `W = diag(1 / (1/mu + alpha))`.
//!
//! # Cost
//! About 5 ns a sample, plus a `p x p` Cholesky factor of sums over distinct design rows (none when
//! every cell of the design has its own mean).
//!
//! # Source
//! Cox and Reid (1987); McCarthy, Chen and Smyth (2012); DESeq2 1.38.

use pulp::Arch;

use crate::linalg::small::cholesky_in_place;
use crate::stats::count_table::CountTable;
use crate::stats::glm::DesignRows;
use crate::stats::nb::{dispersion_terms, second_terms, sum_in_lanes};
use crate::stats::special::STIRLING_FROM;
use crate::stats::vector_math::vectorized;

/// A normal prior of the log dispersion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogPrior {
    /// Mean of ln alpha.
    pub mean: f64,
    /// Variance of ln alpha.
    pub variance: f64,
}

/// A log-posterior at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curved {
    /// Value.
    pub value: f64,
    /// Derivative by ln alpha.
    pub slope: f64,
    /// Second derivative by ln alpha.
    pub curvature: f64,
}

/// Scratch memory of profiles of one design.
#[derive(Debug)]
pub struct ProfileWorkspace {
    arch: Arch,
    value: Vec<f64>,
    slope: Vec<f64>,
    weight: Vec<f64>,
    row_weight: Vec<f64>,
    row_square: Vec<f64>,
    row_cube: Vec<f64>,
    gram: Vec<f64>,
    squares: Vec<f64>,
    column: Vec<f64>,
}

impl ProfileWorkspace {
    /// Memory for a design of `m` samples, `p` coefficients and `r` distinct rows.
    pub fn new(design: &DesignRows) -> Self {
        let (m, p, r) = (design.n_samples(), design.n_columns(), design.n_rows());
        ProfileWorkspace {
            arch: Arch::new(),
            value: vec![0.0; m],
            slope: vec![0.0; m],
            weight: vec![0.0; m],
            row_weight: vec![0.0; r],
            row_square: vec![0.0; r],
            row_cube: vec![0.0; r],
            gram: vec![0.0; p * p],
            squares: vec![0.0; p * p],
            column: vec![0.0; p],
        }
    }
}

/// The data of one gene and everything its log-posterior depends on.
#[derive(Debug)]
pub struct DispersionProfile<'a> {
    counts: &'a [f64],
    mu: &'a [f64],
    weights: Option<&'a [f64]>,
    design: &'a DesignRows,
    /// Design of the samples that count for the Cox-Reid term, and their means, when not all do.
    part: Option<(DesignRows, Vec<f64>)>,
    adjust: bool,
    share: f64,
    prior: Option<LogPrior>,
    table: &'a mut CountTable,
    ws: &'a mut ProfileWorkspace,
}

impl<'a> DispersionProfile<'a> {
    /// A profile of counts with means `mu` (positive), one a sample. `adjust` adds the Cox-Reid
    /// term; with weights it is formed over samples with more than `weight_threshold` and the
    /// columns they use. The table is that of these counts and weights.
    pub fn new(
        counts: &'a [f64],
        mu: &'a [f64],
        weights: Option<(&'a [f64], f64)>,
        design: &'a DesignRows,
        adjust: bool,
        (table, ws): (&'a mut CountTable, &'a mut ProfileWorkspace),
    ) -> Self {
        let part = match weights {
            Some((weights, threshold)) if adjust => Some(used_part(design, mu, weights, threshold)),
            _ => None,
        };
        DispersionProfile {
            counts,
            mu,
            weights: weights.map(|w| w.0),
            design,
            part,
            adjust,
            share: 1.0,
            prior: None,
            table,
            ws,
        }
    }

    /// The same with a prior.
    #[must_use]
    pub fn with_prior(mut self, prior: LogPrior) -> Self {
        self.prior = Some(prior);
        self
    }

    /// The same with this share of the Cox-Reid term, instead of all of it.
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Log-posterior and its derivative at `a = ln alpha`.
    pub fn evaluate(&mut self, a: f64) -> (f64, f64) {
        let alpha = libm::exp(a);
        let x = 1.0 / alpha;
        let (mut value, slope) = self.likelihood(x);
        let mut derivative = -x * slope;
        if self.adjust {
            let (determinant, trace, _) = self.cox_reid(alpha, false);
            value -= 0.5 * self.share * determinant;
            derivative -= 0.5 * self.share * alpha * trace;
        }
        if let Some(prior) = self.prior {
            let distance = a - prior.mean;
            value -= 0.5 * distance * distance / prior.variance;
            derivative -= distance / prior.variance;
        }
        (value, derivative)
    }

    /// Log-posterior, its derivative and its second derivative at `a = ln alpha`.
    pub fn curved(&mut self, a: f64) -> Curved {
        let alpha = libm::exp(a);
        let x = 1.0 / alpha;
        let (mut value, by_x) = self.likelihood(x);
        let mut slope = -x * by_x;
        let mut curvature = x * (by_x + x * self.second_by_x(x));
        if self.adjust {
            let (determinant, trace, second) = self.cox_reid(alpha, true);
            let half = 0.5 * self.share;
            value -= half * determinant;
            slope -= half * alpha * trace;
            curvature -= half * alpha * (trace + alpha * second);
        }
        if let Some(prior) = self.prior {
            let distance = a - prior.mean;
            value -= 0.5 * distance * distance / prior.variance;
            slope -= distance / prior.variance;
            curvature -= 1.0 / prior.variance;
        }
        Curved {
            value,
            slope,
            curvature,
        }
    }

    /// Second derivative of the log-likelihood by `x`.
    fn second_by_x(&mut self, x: f64) -> f64 {
        let (counts, mu, weights) = (self.counts, self.mu, self.weights);
        let (arch, value) = (self.ws.arch, &mut self.ws.value[..]);
        let table = &mut *self.table;
        vectorized(
            arch,
            #[inline(always)]
            || {
                let of_counts = table.second(x);
                second_terms(counts, mu, x, value);
                if let Some(weights) = weights {
                    for (value, w) in value.iter_mut().zip(weights) {
                        *value *= w;
                    }
                }
                sum_in_lanes(value) + of_counts
            },
        )
    }

    /// Log-likelihood and its derivative by `x = 1/alpha`.
    fn likelihood(&mut self, x: f64) -> (f64, f64) {
        let (counts, mu, weights) = (self.counts, self.mu, self.weights);
        let ws = &mut *self.ws;
        let (value, slope, weight) = (&mut ws.value[..], &mut ws.slope[..], &mut ws.weight[..]);
        let table = &mut *self.table;
        vectorized(
            ws.arch,
            #[inline(always)]
            || {
                let (extra, more) = if x >= STIRLING_FROM {
                    table.rising_rest(x)
                } else {
                    table.rising(x)
                };
                dispersion_terms(counts, mu, x, value, slope, weight);
                if let Some(weights) = weights {
                    for ((value, slope), w) in value.iter_mut().zip(slope.iter_mut()).zip(weights) {
                        *value *= w;
                        *slope *= w;
                    }
                }
                (sum_in_lanes(value) + extra, sum_in_lanes(slope) + more)
            },
        )
    }

    /// `ln det B` for `B = X'WX`, its derivative `tr(B^-1 dB)` by alpha and, where `curved`, its
    /// second derivative `tr(B^-1 d2B) - tr(B^-1 dB B^-1 dB)`, else 0.
    fn cox_reid(&mut self, alpha: f64, curved: bool) -> (f64, f64, f64) {
        let ws = &mut *self.ws;
        let design = match &self.part {
            Some((design, mu)) => {
                for (w, mu) in ws.weight.iter_mut().zip(mu) {
                    *w = mu / (1.0 + alpha * mu);
                }
                design
            }
            // The likelihood has left the weights of all samples.
            None => self.design,
        };
        let (p, r) = (design.n_columns(), design.n_rows());
        let weight = &ws.weight[..design.n_samples()];
        let power = &mut ws.value[..design.n_samples()];
        let (sums, squares) = (&mut ws.row_weight[..r], &mut ws.row_square[..r]);
        design.sum_by_row(weight, sums);
        for (power, w) in power.iter_mut().zip(weight) {
            *power = w * w;
        }
        design.sum_by_row(power, squares);
        let cubes = &mut ws.row_cube[..r];
        if curved {
            for (power, w) in power.iter_mut().zip(weight) {
                *power *= w;
            }
            design.sum_by_row(power, cubes);
        }
        let mut second = 0.0;
        if let Some(constant) = design.saturated() {
            let mut product = 1.0;
            let (mut logs, mut trace) = (constant, 0.0);
            for (sum, square) in sums.iter().zip(squares.iter()) {
                product *= sum;
                if !(1e-100..1e100).contains(&product) {
                    logs += libm::log(product);
                    product = 1.0;
                }
                trace -= square / sum;
            }
            if curved {
                for ((sum, square), cube) in sums.iter().zip(squares.iter()).zip(cubes.iter()) {
                    second += (2.0 * cube - square * square / sum) / sum;
                }
            }
            return (logs + libm::log(product), trace, second);
        }
        let gram = &mut ws.gram[..p * p];
        design.gram(sums, gram);
        if !cholesky_in_place(gram, p) {
            return (f64::NAN, f64::NAN, f64::NAN);
        }
        let diagonal: f64 = (0..p).map(|k| gram[k * p + k]).product();
        let determinant = if diagonal.is_normal() {
            2.0 * libm::log(diagonal)
        } else {
            (0..p).map(|k| 2.0 * libm::log(gram[k * p + k])).sum()
        };
        let mut trace = 0.0;
        let column = &mut ws.column[..p];
        let products = &mut ws.squares[..p * p];
        products.fill(0.0);
        for (row, square) in squares.iter().enumerate() {
            let length = solved_length(gram, p, design.row(row), column);
            trace -= square * length;
            if curved {
                second += 2.0 * cubes[row] * length;
                for (a, x) in column.iter().enumerate() {
                    for (out, y) in products[a * p..(a + 1) * p].iter_mut().zip(column.iter()) {
                        *out += square * x * y;
                    }
                }
            }
        }
        if curved {
            second -= products.iter().map(|v| v * v).sum::<f64>();
        }
        (determinant, trace, second)
    }
}

/// `x' (U'U)^-1 x`; `column` becomes `U'^-1 x`.
#[inline(always)]
fn solved_length(factor: &[f64], p: usize, x: &[f64], column: &mut [f64]) -> f64 {
    column.copy_from_slice(x);
    let mut length = 0.0;
    for k in 0..p {
        let value = column[k] / factor[k * p + k];
        length += value * value;
        column[k] = value;
        for c in k + 1..p {
            column[c] -= value * factor[k * p + c];
        }
    }
    length
}

/// Design and means of the samples with more than the threshold, without columns of zeros.
fn used_part(
    design: &DesignRows,
    mu: &[f64],
    weights: &[f64],
    threshold: f64,
) -> (DesignRows, Vec<f64>) {
    let samples: Vec<usize> = (0..mu.len()).filter(|&j| weights[j] > threshold).collect();
    let row = |j: usize| design.row(design.row_of_sample()[j] as usize);
    let columns: Vec<usize> = (0..design.n_columns())
        .filter(|&c| samples.iter().any(|&j| row(j)[c] != 0.0))
        .collect();
    let values: Vec<f64> = samples
        .iter()
        .flat_map(|&j| columns.iter().map(move |&c| row(j)[c]))
        .collect();
    let means = samples.iter().map(|&j| mu[j]).collect();
    (DesignRows::new(&values, columns.len()), means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;
    use crate::stats::nb::ln_probability;

    #[test]
    fn derivatives_match_central_differences() {
        for item in 0..60 {
            let mut random = stream(1, "profile", item);
            let m = 9;
            let saturated = item % 3 == 0;
            let x: Vec<f64> = (0..m)
                .flat_map(|j| {
                    let last = if saturated { 0.0 } else { 0.3 * f64::from(j) };
                    [1.0, f64::from(j % 2), last]
                })
                .collect();
            let p = if saturated { 2 } else { 3 };
            let x: Vec<f64> = x.chunks(3).flat_map(|row| row[..p].to_vec()).collect();
            let design = DesignRows::new(&x, p);
            assert_eq!(design.saturated().is_some(), saturated);
            let counts: Vec<f64> = (0..m).map(|_| random.below(100) as f64).collect();
            let mu: Vec<f64> = (0..m).map(|_| 1.0 + 60.0 * random.uniform()).collect();
            let weights: Vec<f64> = (0..m).map(|_| random.uniform()).collect();
            let mut ws = ProfileWorkspace::new(&design);
            let mut table = CountTable::default();
            table.fill(&counts, (item % 2 == 0).then_some(&weights[..]));
            let given = (item % 2 == 0).then_some((&weights[..], 0.2));
            let mut profile =
                DispersionProfile::new(&counts, &mu, given, &design, true, (&mut table, &mut ws))
                    .with_prior(LogPrior {
                        mean: -1.0,
                        variance: 0.7,
                    });
            let a = 8.0 * random.uniform() - 6.0;
            let (_, slope) = profile.evaluate(a);
            let h = 1e-4;
            let numeric = (profile.evaluate(a + h).0 - profile.evaluate(a - h).0) / (2.0 * h);
            assert!(
                (slope - numeric).abs() < 1e-6 * (1.0 + slope.abs()),
                "{item}: {slope} {numeric}"
            );
            profile = profile.with_share(0.9);
            let at = profile.curved(a);
            assert_eq!((at.value, at.slope), profile.evaluate(a));
            let numeric = (profile.evaluate(a + h).1 - profile.evaluate(a - h).1) / (2.0 * h);
            assert!(
                (at.curvature - numeric).abs() < 1e-6 * (1.0 + at.curvature.abs()),
                "{item}: {} {numeric}",
                at.curvature
            );
        }
    }

    #[test]
    fn values_are_likelihoods_plus_determinants() {
        let design = DesignRows::new(&[1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 2);
        let counts = [3.0, 5.0, 0.0, 9.0, 2.0];
        let mu = [4.0, 4.5, 3.0, 3.0, 4.0];
        let mut ws = ProfileWorkspace::new(&design);
        let mut table = CountTable::default();
        table.fill(&counts, None);
        let mut profile =
            DispersionProfile::new(&counts, &mu, None, &design, true, (&mut table, &mut ws));
        let value = |alpha: f64| -> f64 {
            let likelihood: f64 = (0..5)
                .map(|j| ln_probability(counts[j], mu[j], alpha) + libm::lgamma(counts[j] + 1.0))
                .sum();
            let w: Vec<f64> = mu.iter().map(|m| 1.0 / (1.0 / m + alpha)).collect();
            let (all, some) = (w.iter().sum::<f64>(), w[2..].iter().sum::<f64>());
            // The terms of the profile lack K ln(alpha mu) - K ln(mu) - K ln alpha, which is 0,
            // but hold K ln mu nowhere: add it.
            let powers: f64 = (0..5).map(|j| counts[j] * mu[j].ln()).sum();
            likelihood - powers - 0.5 * (all * some - some * some).ln()
        };
        for alpha in [0.01_f64, 0.12, 0.3, 2.0] {
            let got = profile.evaluate(alpha.ln()).0;
            assert!((got - value(alpha)).abs() < 1e-11, "{got} {}", value(alpha));
        }
    }
}
