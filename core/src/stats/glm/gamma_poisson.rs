//! Gamma-Poisson (negative binomial) regression of one gene on the path of glmGamPoi.
//!
//! The same model as [`super::fit_gene`], with a deviance that is measured from the saturated model, no
//! floor of the means and no ridge. Where every cell of the design has its own mean, each cell is a
//! problem of one variable; else steps of Fisher scoring are halved until the deviance falls. The
//! stopping rules are the reference's, because they leave a trace in the results.
//!
//! # Cost
//! Some five passes over the samples.
//!
//! # Source
//! Ahlmann-Eltze and Huber (2020); glmGamPoi 1.10, `glm_gp`.

use crate::linalg::small::{cholesky, cholesky_solve};
use crate::stats::nb::sum_in_lanes;
use crate::stats::vector_math::{exp, ln, ln_1p};

use super::box_newton::{BoxFit, box_fit};
use super::design_rows::{DesignRows, LeastSquares};
use super::irls::NbGene;

/// Change of a cell's ln mean that ends its fit. glmGamPoi: 1e-8.
const CELL_TOLERANCE: f64 = 1e-8;
const CELL_STEPS: usize = 100;
/// Relative change of the deviance that ends Fisher scoring. glmGamPoi: 1e-8.
const TOLERANCE: f64 = 1e-8;
const STEPS: usize = 1000;
const HALVINGS: usize = 100;
/// Largest factor of a mean in a step. glmGamPoi: `max_rel_mu_change`.
const MOST_CHANGE: f64 = 1e5;
/// The ln mean of a cell without counts. glmGamPoi: -1e8.
const NO_COUNTS: f64 = -1e8;
/// Dispersion below which the deviance is Poisson's. glmGamPoi: 1e-6.
const POISSON: f64 = 1e-6;
/// Bounds of the means. glmGamPoi: 1e-50, 1e50.
const MEANS: (f64, f64) = (1e-50, 1e50);
/// Added to normalised counts before logarithms of the start. glmGamPoi: 1.
const PSEUDO_COUNT: f64 = 1.0;

/// Scratch memory and the result of the last fit.
#[derive(Debug)]
pub struct GammaPoissonWorkspace {
    start: Option<LeastSquares>,
    /// Coefficients, natural log, `p`.
    pub beta: Vec<f64>,
    /// Fitted means, one a sample.
    pub mu: Vec<f64>,
    eta: Vec<f64>,
    trial: Vec<f64>,
    terms: Vec<f64>,
    weights: Vec<f64>,
    by_row: Vec<f64>,
    score: Vec<f64>,
    gram: Vec<f64>,
    factor: Vec<f64>,
    step: Vec<f64>,
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaPoissonFit {
    /// Twice the log-likelihood that the saturated model has more.
    pub deviance: f64,
    /// Whether a stopping rule was met.
    pub converged: bool,
}

impl GammaPoissonWorkspace {
    /// Memory for fits of this design.
    pub fn new(design: &DesignRows) -> Self {
        let (m, p, r) = (design.n_samples(), design.n_columns(), design.n_rows());
        GammaPoissonWorkspace {
            start: design.least_squares(),
            beta: vec![0.0; p],
            mu: vec![0.0; m],
            eta: vec![0.0; r],
            trial: vec![0.0; m],
            terms: vec![0.0; m],
            weights: vec![0.0; m],
            by_row: vec![0.0; r],
            score: vec![0.0; r],
            gram: vec![0.0; p * p],
            factor: vec![0.0; p * p],
            step: vec![0.0; p],
        }
    }
}

/// Fits one gene (its weights are not used), from the coefficients in the workspace where `go_on`, else
/// from logarithms of the counts. A gene that does not converge has the minimum within bounds.
pub fn fit_gamma_poisson(
    design: &DesignRows,
    gene: &NbGene<'_>,
    go_on: bool,
    ws: &mut GammaPoissonWorkspace,
) -> GammaPoissonFit {
    if design.saturated().is_some() {
        return fit_cells(design, gene, go_on, ws);
    }
    if !go_on {
        for ((term, k), s) in ws.terms.iter_mut().zip(gene.counts).zip(gene.scale) {
            *term = ln(k / s + PSEUDO_COUNT);
        }
        regress(design, ws);
    }
    let first = ws.beta.clone();
    if let Some(deviance) = score(design, gene, ws) {
        return GammaPoissonFit {
            deviance,
            converged: true,
        };
    }
    ws.beta.copy_from_slice(&first);
    let ended = box_fit(design, gene, &vec![0.0; design.n_columns()], &mut ws.beta);
    means(design, gene, ws);
    GammaPoissonFit {
        deviance: deviance(gene, &ws.mu, &mut ws.terms),
        converged: ended == BoxFit::Converged,
    }
}

/// Least squares of the terms.
fn regress(design: &DesignRows, ws: &mut GammaPoissonWorkspace) {
    design.sum_by_row(&ws.terms, &mut ws.by_row);
    match &ws.start {
        Some(fit) => fit.solve(design, &ws.by_row, &mut ws.beta),
        None => ws.beta.fill(0.0),
    }
}

/// Means at the coefficients.
fn means(design: &DesignRows, gene: &NbGene<'_>, ws: &mut GammaPoissonWorkspace) {
    design.predict(&ws.beta, &mut ws.eta);
    for eta in &mut ws.eta {
        *eta = exp(*eta);
    }
    let of_sample = design.row_of_sample();
    for ((mu, s), &row) in ws.mu.iter_mut().zip(gene.scale).zip(of_sample) {
        *mu = (ws.eta[row as usize] * s).clamp(MEANS.0, MEANS.1);
    }
}

/// Every cell by Newton's method on its ln mean.
fn fit_cells(
    design: &DesignRows,
    gene: &NbGene<'_>,
    go_on: bool,
    ws: &mut GammaPoissonWorkspace,
) -> GammaPoissonFit {
    let mut eta = std::mem::take(&mut ws.eta);
    if go_on {
        design.predict(&ws.beta, &mut eta);
    } else {
        for ((term, k), s) in ws.terms.iter_mut().zip(gene.counts).zip(gene.scale) {
            *term = k / s;
        }
        design.sum_by_row(&ws.terms, &mut eta);
        for (eta, &n) in eta.iter_mut().zip(design.n_of_row()) {
            *eta = libm::log(*eta / n as f64);
        }
    }
    let mut converged = true;
    for (row, eta) in eta.iter_mut().enumerate() {
        let samples = || {
            let all = design.row_of_sample().iter().enumerate();
            all.filter(move |(_, of)| **of as usize == row)
                .map(|(j, _)| j)
        };
        if samples().all(|j| gene.counts[j] == 0.0) {
            *eta = NO_COUNTS;
        } else {
            converged &= fit_cell(gene, samples, eta);
        }
        for j in samples() {
            ws.mu[j] = gene.scale[j] * exp(*eta);
        }
    }
    // As many cells as coefficients: least squares solve the equations.
    for ((by_row, eta), &n) in ws.by_row.iter_mut().zip(&eta).zip(design.n_of_row()) {
        *by_row = eta * n as f64;
    }
    ws.eta = eta;
    if let Some(fit) = &ws.start {
        fit.solve(design, &ws.by_row, &mut ws.beta);
    }
    GammaPoissonFit {
        deviance: deviance(gene, &ws.mu, &mut ws.terms),
        converged,
    }
}

fn fit_cell<I: Iterator<Item = usize>>(
    gene: &NbGene<'_>,
    samples: impl Fn() -> I,
    eta: &mut f64,
) -> bool {
    if !eta.is_finite() {
        *eta = 0.0;
    }
    for _ in 0..CELL_STEPS {
        let (mut slope, mut curvature) = (0.0, 0.0);
        let level = exp(*eta);
        for j in samples() {
            let mu = level * gene.scale[j];
            let inverse = 1.0 / (1.0 + mu * gene.alpha);
            slope += (gene.counts[j] - mu) * inverse;
            curvature += mu * (1.0 + gene.counts[j] * gene.alpha) * inverse * inverse;
        }
        let step = slope / curvature;
        if !step.is_finite() {
            return false;
        }
        *eta += step;
        if step.abs() < CELL_TOLERANCE {
            return true;
        }
    }
    false
}

/// Fisher scoring from the coefficients; the deviance, or none where it did not converge.
fn score(design: &DesignRows, gene: &NbGene<'_>, ws: &mut GammaPoissonWorkspace) -> Option<f64> {
    means(design, gene, ws);
    let mut old = deviance(gene, &ws.mu, &mut ws.terms);
    for _ in 0..STEPS {
        if !fisher_step(design, gene, ws) {
            return None;
        }
        let new = decrease(design, gene, old, ws)?;
        if change(new, old) < TOLERANCE {
            return Some(new);
        }
        old = new;
    }
    None
}

fn change(new: f64, old: f64) -> f64 {
    (new - old).abs() / (new.abs() + 0.1)
}

/// Goes along the step, or as much of it as makes the deviance fall; the new deviance.
fn decrease(
    design: &DesignRows,
    gene: &NbGene<'_>,
    old: f64,
    ws: &mut GammaPoissonWorkspace,
) -> Option<f64> {
    ws.trial.copy_from_slice(&ws.mu);
    let mut share = 1.0;
    for (b, step) in ws.beta.iter_mut().zip(&ws.step) {
        *b += step;
    }
    for _ in 0..=HALVINGS {
        means(design, gene, ws);
        let new = deviance(gene, &ws.mu, &mut ws.terms);
        let grown = ws.mu.iter().zip(&ws.trial).map(|(new, old)| new / old);
        let most = grown.fold(0.0, f64::max);
        if (new < old && most < MOST_CHANGE) || change(new, old) < TOLERANCE {
            return Some(new);
        }
        share *= 0.5;
        for (b, step) in ws.beta.iter_mut().zip(&ws.step) {
            *b -= share * step;
        }
    }
    None
}

/// The step `(X'WX)^-1 X'W (K - mu) / mu`; false when it has no solution.
fn fisher_step(design: &DesignRows, gene: &NbGene<'_>, ws: &mut GammaPoissonWorkspace) -> bool {
    let p = design.n_columns();
    let each = ws
        .terms
        .iter_mut()
        .zip(&mut ws.weights)
        .zip(gene.counts)
        .zip(&ws.mu);
    for (((term, weight), k), mu) in each {
        let inverse = 1.0 / (1.0 + gene.alpha * mu);
        *weight = mu * inverse;
        *term = (k - mu) * inverse;
    }
    design.sum_by_row(&ws.weights, &mut ws.by_row);
    design.sum_by_row(&ws.terms, &mut ws.score);
    design.gram(&ws.by_row, &mut ws.gram);
    design.cross(&ws.score, &mut ws.step);
    if !cholesky(&ws.gram, p, 0.0, &mut ws.factor) {
        return false;
    }
    cholesky_solve(&ws.factor, p, &mut ws.step);
    ws.step.iter().all(|s| s.is_finite())
}

fn deviance(gene: &NbGene<'_>, mu: &[f64], terms: &mut [f64]) -> f64 {
    let alpha = gene.alpha;
    let inverse = 1.0 / alpha;
    for ((term, &k), &mu) in terms.iter_mut().zip(gene.counts).zip(mu) {
        let ratio = if k == 0.0 { 0.0 } else { k * ln(k / mu) };
        *term = if alpha < POISSON {
            ratio - (k - mu)
        } else {
            ratio - (k + inverse) * (ln_1p(alpha * k) - ln_1p(alpha * mu))
        };
    }
    2.0 * sum_in_lanes(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;
    use crate::stats::nb::ln_probability;

    fn gene(item: u64, m: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut random = stream(item, "gamma_poisson", 0);
        let scale: Vec<f64> = (0..m).map(|_| (0.3 * random.normal()).exp()).collect();
        let ln_scale = scale.iter().map(|s| s.ln()).collect();
        let count = |s: &f64| (s * (2.0 + random.normal()).exp()).round();
        (scale.iter().map(count).collect(), scale, ln_scale)
    }

    /// A design where every cell has its own mean, and one where it has not.
    fn designs() -> [DesignRows; 2] {
        let x = |j: usize| [1.0, f64::from(j % 2 == 0), 0.2 * j as f64];
        let cells: Vec<f64> = (0..12).flat_map(|j| x(j)[..2].to_vec()).collect();
        let slopes: Vec<f64> = (0..12).flat_map(x).collect();
        [DesignRows::new(&cells, 2), DesignRows::new(&slopes, 3)]
    }

    #[test]
    fn the_deviance_is_least_at_the_fit_and_from_the_saturated_model() {
        for (item, design) in (0..40).flat_map(|i| designs().map(|d| (i, d))) {
            let (counts, scale, ln_scale) = gene(item, 12);
            let gene = NbGene {
                counts: &counts,
                scale: &scale,
                ln_scale: &ln_scale,
                weights: None,
                alpha: 0.3,
            };
            let mut ws = GammaPoissonWorkspace::new(&design);
            let fit = fit_gamma_poisson(&design, &gene, false, &mut ws);
            assert!(fit.converged, "{item}");
            let slow: f64 = (0..12)
                .map(|j| {
                    let best = if counts[j] == 0.0 {
                        0.0
                    } else {
                        ln_probability(counts[j], counts[j], 0.3)
                    };
                    2.0 * (best - ln_probability(counts[j], ws.mu[j], 0.3))
                })
                .sum();
            assert!((fit.deviance - slow).abs() < 1e-10 * (1.0 + slow), "{item}");
            let best = ws.beta.clone();
            for k in 0..best.len() {
                for shift in [-1e-2, 1e-2] {
                    ws.beta.copy_from_slice(&best);
                    ws.beta[k] += shift;
                    means(&design, &gene, &mut ws);
                    let near = deviance(&gene, &ws.mu, &mut ws.terms);
                    assert!(
                        near > fit.deviance - 1e-8,
                        "{item} {k}: {near} {}",
                        fit.deviance
                    );
                }
            }
            ws.beta.copy_from_slice(&best);
            let again = fit_gamma_poisson(&design, &gene, true, &mut ws);
            assert!((again.deviance - fit.deviance).abs() < 1e-6 * (1.0 + slow));
        }
    }

    #[test]
    fn a_cell_without_counts_has_a_mean_of_zero() {
        let [design, _] = designs();
        let counts: Vec<f64> = (0..12)
            .map(|j| if j % 2 == 0 { 0.0 } else { 7.0 })
            .collect();
        let gene = NbGene {
            counts: &counts,
            scale: &[1.0; 12],
            ln_scale: &[0.0; 12],
            weights: None,
            alpha: 0.2,
        };
        let mut ws = GammaPoissonWorkspace::new(&design);
        let fit = fit_gamma_poisson(&design, &gene, false, &mut ws);
        assert!(fit.converged && fit.deviance.abs() < 1e-9, "{fit:?}");
        assert!(ws.mu[0] < 1e-300 && (ws.mu[1] - 7.0).abs() < 1e-9);
        assert!((ws.beta[0] - 7.0_f64.ln()).abs() < 1e-6 && ws.beta[1] < -9.9e7);
    }
}
