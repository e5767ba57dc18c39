//! Adaptive shrinkage: a mixture of normals centred at zero as the prior of all effects.
//!
//! An estimate `b` with standard error `s` is normal about its true effect, whose prior is
//! `sum_k pi_k N(0, sigma_k^2)`; `pi` maximises the likelihood of all estimates.
//!
//! # Cost
//! `n K^2` operations a Newton step, 10 to 20 steps; `n K` numbers of memory, K about 20.
//!
//! # Source
//! Stephens (2017); Kim, Carbonetto, Stephens and Anitescu (2020) for the form of the optimisation;
//! grid and prior as ashr 2.2 chooses them for `mixcompdist = "normal"`, `method = "shrink"`.

use crate::error::{Error, ErrorKind, Result};
use crate::linalg::qp::{self, QpScratch};
use crate::stats::special::{HALF_LN_TWO_PI, normal_upper_tail};

/// Ratio of neighbouring standard deviations of the grid.
const RATIO: f64 = std::f64::consts::SQRT_2;
/// Residual of the optimality conditions at which the search ends.
const RESIDUAL: f64 = 1e-11;
const MAX_STEPS: usize = 200;

/// The fitted prior.
#[derive(Debug, Clone, PartialEq)]
pub struct AshPrior {
    /// Standard deviations of the components.
    pub sd: Vec<f64>,
    /// Their weights, summing to 1.
    pub pi: Vec<f64>,
    /// Log-likelihood of the estimates.
    pub ln_likelihood: f64,
}

/// Posterior of the effects; the prior where an estimate is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct AshPosterior {
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation.
    pub sd: Vec<f64>,
    /// Probability that the sign is wrong.
    pub local_false_sign_rate: Vec<f64>,
}

/// Whether an estimate takes part.
fn usable(b: f64, s: f64) -> bool {
    b.is_finite() && s.is_finite() && s > 0.0
}

/// Fits the prior to estimates and standard errors (any unit, the same for both).
///
/// # Errors
/// `InvalidData` without a usable estimate; `NotConverged` when the weights cannot be found.
pub fn fit_ash_prior(estimates: &[f64], errors: &[f64]) -> Result<AshPrior> {
    let used: Vec<(f64, f64)> = estimates
        .iter()
        .zip(errors)
        .filter(|(b, s)| usable(**b, **s))
        .map(|(b, s)| (*b, *s))
        .collect();
    if used.is_empty() {
        return Err(Error::data(
            "no gene has an effect and a positive standard error",
        ));
    }
    let sd = grid(&used);
    let (k, n) = (sd.len(), used.len());
    // Rows are scaled by their largest entry; the logarithms of the scales are added back.
    let mut rows = Vec::with_capacity(n * k);
    let mut scales = 0.0;
    for (b, s) in &used {
        let logs: Vec<f64> = sd.iter().map(|g| ln_density(*b, g * g + s * s)).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        scales += most;
        rows.extend(logs.iter().map(|l| libm::exp(l - most)));
    }
    let pi = mixture_weights(&rows, k)?;
    let ln_likelihood = scales + ln_mixture(&rows, &pi);
    Ok(AshPrior {
        sd,
        pi,
        ln_likelihood,
    })
}

fn ln_density(b: f64, variance: f64) -> f64 {
    -0.5 * b * b / variance - 0.5 * libm::log(variance) - HALF_LN_TWO_PI
}

/// Standard deviations from a tenth of the least error to twice the largest excess.
fn grid(used: &[(f64, f64)]) -> Vec<f64> {
    let low = used.iter().map(|u| u.1).fold(f64::INFINITY, f64::min) / 10.0;
    let excess = used
        .iter()
        .map(|(b, s)| b * b - s * s)
        .fold(f64::NEG_INFINITY, f64::max);
    let high = if excess > 0.0 {
        2.0 * excess.sqrt()
    } else {
        8.0 * low
    };
    let steps = (libm::log2(high / low) / 0.5).ceil().max(0.0) as i32;
    (0..=steps).map(|i| high * RATIO.powi(i - steps)).collect()
}

fn ln_mixture(rows: &[f64], pi: &[f64]) -> f64 {
    rows.chunks_exact(pi.len())
        .map(|row| libm::log(row.iter().zip(pi).map(|(l, p)| l * p).sum()))
        .sum()
}

/// Weights maximising `sum_i ln(sum_k rows[i, k] pi_k)`: minimises
/// `-(1/n) sum ln(L x) + sum x` over `x >= 0`, whose solution sums to 1, by Newton's method with a
/// non-negative quadratic problem a step.
fn mixture_weights(rows: &[f64], k: usize) -> Result<Vec<f64>> {
    let n = (rows.len() / k) as f64;
    let objective = |x: &[f64]| x.iter().sum::<f64>() - ln_mixture(rows, x) / n;
    let mut x = vec![1.0 / k as f64; k];
    let mut scratch = QpScratch::new(k);
    let mut value = objective(&x);
    for _ in 0..MAX_STEPS {
        let (gradient, hessian) = derivatives(rows, &x, n);
        let residual = gradient
            .iter()
            .zip(&x)
            .map(|(g, x)| {
                if *x > 0.0 {
                    g.abs() * x.min(1.0) + (-g).max(0.0)
                } else {
                    (-g).max(0.0)
                }
            })
            .fold(0.0, f64::max);
        if residual <= RESIDUAL {
            let total: f64 = x.iter().sum();
            return Ok(x.iter().map(|v| v / total).collect());
        }
        // Minimise 1/2 y'Hy + (g - Hx)'y over y >= 0.
        let mut matrix = hessian.clone();
        for i in 0..k {
            matrix[i * k + i] += 1e-10 * hessian[i * k + i].max(1e-6);
        }
        let linear: Vec<f64> = (0..k)
            .map(|i| {
                let hx: f64 = (0..k).map(|j| matrix[i * k + j] * x[j]).sum();
                hx - gradient[i]
            })
            .collect();
        let mut target = x.clone();
        if !non_negative(&matrix, &linear, &mut target, &mut scratch) {
            break;
        }
        let slope: f64 = (0..k).map(|i| gradient[i] * (target[i] - x[i])).sum();
        let mut scale = 1.0;
        let mut moved = false;
        for _ in 0..50 {
            let trial: Vec<f64> = x
                .iter()
                .zip(&target)
                .map(|(x, t)| (x + scale * (t - x)).max(0.0))
                .collect();
            let next = objective(&trial);
            if next <= value + 1e-4 * scale * slope {
                moved = true;
                (x, value) = (trial, next);
                break;
            }
            scale *= 0.5;
        }
        if !moved {
            break;
        }
    }
    // Rounding can stop the search a little early; expectation steps never lose.
    polish(rows, x)
}

/// Expectation-maximisation steps from a point that is all but optimal.
fn polish(rows: &[f64], mut x: Vec<f64>) -> Result<Vec<f64>> {
    let k = x.len();
    let n = (rows.len() / k) as f64;
    for _ in 0..200 {
        let (gradient, _) = derivatives(rows, &x, n);
        for (x, g) in x.iter_mut().zip(&gradient) {
            *x *= 1.0 - g;
        }
        let worst = gradient.iter().map(|g| (-g).max(0.0)).fold(0.0, f64::max);
        if worst <= 1e-8 {
            let total: f64 = x.iter().sum();
            return Ok(x.iter().map(|v| v / total).collect());
        }
    }
    Err(Error::new(
        ErrorKind::NotConverged,
        "the weights of the mixture prior did not converge",
    ))
}

/// Gradient and Hessian of the objective.
fn derivatives(rows: &[f64], x: &[f64], n: f64) -> (Vec<f64>, Vec<f64>) {
    let k = x.len();
    let (mut gradient, mut hessian) = (vec![0.0; k], vec![0.0; k * k]);
    for row in rows.chunks_exact(k) {
        let inverse = 1.0 / row.iter().zip(x).map(|(l, x)| l * x).sum::<f64>();
        for i in 0..k {
            let scaled = row[i] * inverse;
            gradient[i] -= scaled;
            for j in i..k {
                hessian[i * k + j] += scaled * row[j] * inverse;
            }
        }
    }
    for i in 0..k {
        gradient[i] = gradient[i] / n + 1.0;
        for j in i..k {
            hessian[i * k + j] /= n;
            hessian[j * k + i] = hessian[i * k + j];
        }
    }
    (gradient, hessian)
}

/// Minimises `y'Ay/2 - b'y` over `y >= 0`.
fn non_negative(matrix: &[f64], linear: &[f64], y: &mut [f64], scratch: &mut QpScratch) -> bool {
    let lower = vec![0.0; y.len()];
    scratch.reset();
    qp::solve(matrix, linear, &lower, y, scratch)
}

/// Posterior of each effect under the prior.
pub fn ash_posterior(prior: &AshPrior, estimates: &[f64], errors: &[f64]) -> AshPosterior {
    let mut out = AshPosterior {
        mean: Vec::with_capacity(estimates.len()),
        sd: Vec::with_capacity(estimates.len()),
        local_false_sign_rate: Vec::with_capacity(estimates.len()),
    };
    for (&b, &s) in estimates.iter().zip(errors) {
        let [mean, sd, rate] = summary_of(&posterior_of(prior, b, s));
        out.mean.push(mean);
        out.sd.push(sd);
        out.local_false_sign_rate.push(rate);
    }
    out
}

/// Probability of each effect that its sign is wrong or that it is smaller than `threshold`.
pub fn ash_false_or_small(
    prior: &AshPrior,
    estimates: &[f64],
    errors: &[f64],
    threshold: f64,
) -> Vec<f64> {
    let of = |(&b, &s): (&f64, &f64)| {
        let parts = posterior_of(prior, b, s);
        let [mean, _, _] = summary_of(&parts);
        // Below the threshold of a positive effect, above that of the others.
        let side = if mean > 0.0 { 1.0 } else { -1.0 };
        let beyond = |part: &Part| {
            let z = (side * part.centre - threshold) / part.variance.sqrt();
            part.weight * normal_upper_tail(z)
        };
        parts.iter().map(beyond).sum()
    };
    estimates.iter().zip(errors).map(of).collect()
}

/// One normal of the posterior of an effect.
struct Part {
    weight: f64,
    centre: f64,
    variance: f64,
}

/// The normals of the posterior; those of the prior when the estimate cannot be used.
fn posterior_of(prior: &AshPrior, b: f64, s: f64) -> Vec<Part> {
    let used = prior.sd.iter().zip(&prior.pi).filter(|(_, pi)| **pi > 0.0);
    if !usable(b, s) {
        return used
            .map(|(sd, pi)| Part {
                weight: *pi,
                centre: 0.0,
                variance: sd * sd,
            })
            .collect();
    }
    let mut parts: Vec<Part> = used
        .map(|(sd, pi)| {
            let v = sd * sd;
            Part {
                weight: libm::log(*pi) + ln_density(b, v + s * s),
                centre: v * b / (v + s * s),
                variance: v * s * s / (v + s * s),
            }
        })
        .collect();
    let logs = parts.iter().map(|part| part.weight);
    let most = logs.fold(f64::NEG_INFINITY, f64::max);
    for part in &mut parts {
        part.weight = libm::exp(part.weight - most);
    }
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    parts.iter_mut().for_each(|part| part.weight /= total);
    parts
}

/// Mean, standard deviation, and the probability that the sign is wrong.
fn summary_of(parts: &[Part]) -> [f64; 3] {
    let (mut mean, mut square, mut positive, mut negative) = (0.0, 0.0, 0.0, 0.0);
    for part in parts {
        let (w, centre) = (part.weight, part.centre);
        mean += w * centre;
        square += w * (centre * centre + part.variance);
        let z = centre / part.variance.sqrt();
        positive += w * normal_upper_tail(-z);
        negative += w * normal_upper_tail(z);
    }
    [
        mean,
        (square - mean * mean).max(0.0).sqrt(),
        f64::min(positive, negative),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn a_mixture_is_recovered_and_optimal() {
        let mut random = stream(1, "ash", 0);
        let n = 4000;
        let errors: Vec<f64> = (0..n).map(|_| 0.2 + 0.3 * random.uniform()).collect();
        let truth: Vec<f64> = (0..n)
            .map(|_| {
                let wide = random.uniform() < 0.3;
                (if wide { 2.0 } else { 0.05 }) * random.normal()
            })
            .collect();
        let estimates: Vec<f64> = truth
            .iter()
            .zip(&errors)
            .map(|(t, s)| t + s * random.normal())
            .collect();
        let prior = fit_ash_prior(&estimates, &errors).expect("fits");
        assert!((prior.pi.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let wide: f64 = prior
            .sd
            .iter()
            .zip(&prior.pi)
            .filter(|(s, _)| **s > 0.5)
            .map(|(_, p)| p)
            .sum();
        assert!((wide - 0.3).abs() < 0.05, "{wide}");
        // No small move of weight between two components gains.
        let value = |pi: &[f64]| -> f64 {
            estimates
                .iter()
                .zip(&errors)
                .map(|(b, s)| {
                    let density = prior
                        .sd
                        .iter()
                        .zip(pi)
                        .map(|(g, p)| p * ln_density(*b, g * g + s * s).exp());
                    density.sum::<f64>().ln()
                })
                .sum()
        };
        assert!((value(&prior.pi) - prior.ln_likelihood).abs() < 1e-7);
        for from in 0..prior.pi.len() {
            for to in 0..prior.pi.len() {
                let mut moved = prior.pi.clone();
                let step = 1e-3 * moved[from];
                moved[from] -= step;
                moved[to] += step;
                assert!(value(&moved) <= prior.ln_likelihood + 1e-6);
            }
        }
        let posterior = ash_posterior(&prior, &estimates, &errors);
        let loss =
            |x: &[f64]| -> f64 { x.iter().zip(&truth).map(|(a, b)| (a - b) * (a - b)).sum() };
        assert!(loss(&posterior.mean) < 0.6 * loss(&estimates));
    }

    #[test]
    fn estimates_that_cannot_be_used_have_the_prior() {
        let (estimates, errors) = ([1.0, f64::NAN, 2.0], [0.5, 1.0, 0.0]);
        let prior = fit_ash_prior(&estimates, &errors).expect("one");
        let posterior = ash_posterior(&prior, &estimates, &errors);
        let of_prior = prior.sd.iter().zip(&prior.pi).map(|(sd, pi)| pi * sd * sd);
        let sd = of_prior.sum::<f64>().sqrt();
        for at in [1, 2] {
            assert_eq!(posterior.mean[at], 0.0);
            assert!((posterior.sd[at] - sd).abs() < 1e-12);
            assert_eq!(posterior.local_false_sign_rate[at], 0.5);
        }
        assert!(posterior.mean[0] > 0.0);
        assert!(fit_ash_prior(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn small_effects_count_as_false() {
        let prior = AshPrior {
            sd: vec![1.0],
            pi: vec![1.0],
            ln_likelihood: 0.0,
        };
        // The posterior is N(b / 2, 1 / 2).
        let rates = ash_false_or_small(&prior, &[2.0, -2.0, 0.5], &[1.0; 3], 0.4);
        let tail = |z: f64| normal_upper_tail(z / 0.5_f64.sqrt());
        for (rate, z) in rates.iter().zip([0.6, 0.6, -0.15]) {
            assert!((rate - tail(z)).abs() < 1e-14);
        }
    }
}
