//! Shrinkage of one coefficient of a negative binomial model by a Cauchy prior.
//!
//! The posterior mode of all coefficients `b` (natural log) minimises
//! `sum w [(K + x) ln(x + mu) - K eta] + sum_{others} b_r^2 / (2 15^2) + ln(1 + b_c^2 / S^2)`,
//! `x = 1/alpha`, `mu = s exp(eta)`. The likelihood is concave but the Cauchy prior is not, so there
//! may be two modes, one near zero and one near the estimate without prior: both are looked for and
//! the better one is taken.
//!
//! # Cost
//! Some tens of Newton steps of `m + n_rows p^2` operations.
//!
//! # Source
//! Zhu, Ibrahim and Love (2019); apeglm's model `nbinomCR`. apeglm itself stops early; the mode found
//! here has an objective that is never larger.

use pulp::Arch;

use crate::linalg::small::{cholesky, cholesky_solve};
use crate::stats::glm::{DesignRows, NbGene};
use crate::stats::nb::{sum_in_lanes, weigh};
use crate::stats::vector_math::{exp, ln_1p, vectorized};

/// Standard deviation of the normal prior of the other coefficients. apeglm: no.shrink.scale.
const WIDE: f64 = 15.0;
const MAX_STEPS: usize = 100;
/// Longest Newton step (natural log) that is believed to lead to a mode that it ends next to.
const TRUSTED: f64 = 0.1;

/// The prior of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CauchyPrior {
    /// The coefficient that is shrunken.
    pub coefficient: usize,
    /// Scale of its prior, natural log.
    pub scale: f64,
    /// Whether all coefficients but the first have this prior, not only `coefficient`.
    pub of_all: bool,
}

impl CauchyPrior {
    fn is_of(self, k: usize) -> bool {
        k == self.coefficient || (self.of_all && k > 0)
    }
}

/// A posterior mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShrunkenEffect {
    /// The coefficient, natural log.
    pub map: f64,
    /// Its posterior standard deviation by the curvature at the mode; NaN when that is not positive.
    pub sd: f64,
    /// The objective at the mode, up to terms without `b`.
    pub objective: f64,
    /// Whether the gradient vanished.
    pub converged: bool,
}

/// Scratch memory of fits of one design.
#[derive(Debug)]
pub struct ApeglmWorkspace {
    arch: Arch,
    eta: Vec<f64>,
    growth: Vec<f64>,
    mu: Vec<f64>,
    slope: Vec<f64>,
    curvature: Vec<f64>,
    value: Vec<f64>,
    row_slope: Vec<f64>,
    row_curvature: Vec<f64>,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    normal: Vec<f64>,
    factor: Vec<f64>,
    step: Vec<f64>,
    trial: Vec<f64>,
}

impl ApeglmWorkspace {
    /// Memory for a design.
    pub fn new(design: &DesignRows) -> Self {
        let (m, p, r) = (design.n_samples(), design.n_columns(), design.n_rows());
        ApeglmWorkspace {
            arch: Arch::new(),
            eta: vec![0.0; r],
            growth: vec![0.0; r],
            mu: vec![0.0; m],
            slope: vec![0.0; m],
            curvature: vec![0.0; m],
            value: vec![0.0; m],
            row_slope: vec![0.0; r],
            row_curvature: vec![0.0; r],
            gradient: vec![0.0; p],
            hessian: vec![0.0; p * p],
            normal: vec![0.0; p * p],
            factor: vec![0.0; p * p],
            step: vec![0.0; p],
            trial: vec![0.0; p],
        }
    }
}

/// Shrinks one gene. `mle` are its coefficients without prior (natural log).
pub fn shrink_gene(
    design: &DesignRows,
    gene: &NbGene<'_>,
    prior: CauchyPrior,
    mle: &[f64],
    ws: &mut ApeglmWorkspace,
) -> ShrunkenEffect {
    let problem = Problem {
        design,
        gene,
        prior,
    };
    let p = design.n_columns();
    let usable = mle.iter().all(|b| b.is_finite() && b.abs() < 30.0);
    let first: Vec<f64> = if usable {
        mle.to_vec()
    } else {
        alternating(p, 0.1)
    };
    let mut second = first.clone();
    second[prior.coefficient] = 0.0;
    let mut best = problem.minimise(&first, None, ws);
    let mut others = vec![problem.minimise(&second, Some(&best), ws)];
    let apart = (best.value - others[0].value).abs() > 1e-9 * (1.0 + best.value.abs());
    if apart || !usable || !(best.converged && others[0].converged) {
        // apeglm's own starts, where the answer depends on the start.
        others.extend([0.1, -0.1].map(|size| problem.minimise(&alternating(p, size), None, ws)));
    }
    for other in others {
        if other.value < best.value {
            best = other;
        }
    }
    ShrunkenEffect {
        map: best.b[prior.coefficient],
        sd: best.sd,
        objective: best.value,
        converged: best.converged,
    }
}

fn alternating(p: usize, size: f64) -> Vec<f64> {
    (0..p)
        .map(|k| if k % 2 == 0 { size } else { -size })
        .collect()
}

/// A local minimum.
#[derive(Clone)]
struct Mode {
    b: Vec<f64>,
    value: f64,
    /// Whether the gradient vanished.
    converged: bool,
    /// Posterior standard deviation of the coefficient.
    sd: f64,
}

struct Problem<'a> {
    design: &'a DesignRows,
    gene: &'a NbGene<'a>,
    prior: CauchyPrior,
}

impl Problem<'_> {
    /// Objective at `b`; its gradient, and the Hessian of everything but the Cauchy terms, stay in the
    /// workspace.
    fn evaluate(&self, b: &[f64], ws: &mut ApeglmWorkspace) -> f64 {
        let (design, gene) = (self.design, self.gene);
        let m = gene.counts.len();
        design.predict(b, &mut ws.eta);
        let arch = ws.arch;
        let mut value = vectorized(
            arch,
            #[inline(always)]
            || {
                for (growth, eta) in ws.growth.iter_mut().zip(&ws.eta) {
                    *growth = exp(*eta);
                }
                let (mu, value) = (&mut ws.mu[..m], &mut ws.value[..m]);
                let (slope, curvature) = (&mut ws.slope[..m], &mut ws.curvature[..m]);
                design.spread(&ws.growth, mu);
                design.spread(&ws.eta, value);
                let (counts, scale) = (&gene.counts[..m], &gene.scale[..m]);
                let (alpha, x) = (gene.alpha, 1.0 / gene.alpha);
                for j in 0..m {
                    let grown = alpha * (mu[j] * scale[j]);
                    let inverse = 1.0 / (1.0 + grown);
                    // (K + x) ln(x + mu) without (K + x) ln x.
                    value[j] = (counts[j] + x) * ln_1p(grown) - counts[j] * value[j];
                    slope[j] = (mu[j] * scale[j] - counts[j]) * inverse;
                    curvature[j] = mu[j] * scale[j] * (1.0 + alpha * counts[j]) * inverse * inverse;
                }
                weigh(gene.weights, [value, slope, curvature]);
                sum_in_lanes(value)
            },
        );
        design.sum_by_row(&ws.slope, &mut ws.row_slope);
        design.sum_by_row(&ws.curvature, &mut ws.row_curvature);
        design.cross(&ws.row_slope, &mut ws.gradient);
        design.gram(&ws.row_curvature, &mut ws.hessian);
        let p = design.n_columns();
        for (k, &b) in b.iter().enumerate() {
            if self.prior.is_of(k) {
                let scaled = b / self.prior.scale;
                value += libm::log1p(scaled * scaled);
                ws.gradient[k] += 2.0 * b / self.spread(b);
            } else {
                value += b * b / (2.0 * WIDE * WIDE);
                ws.gradient[k] += b / (WIDE * WIDE);
                ws.hessian[k * p + k] += 1.0 / (WIDE * WIDE);
            }
        }
        value
    }

    fn spread(&self, b: f64) -> f64 {
        self.prior.scale * self.prior.scale + b * b
    }

    /// Curvature of the Cauchy term.
    fn cauchy_curvature(&self, b: f64) -> f64 {
        let square = self.prior.scale * self.prior.scale;
        2.0 * (square - b * b) / (self.spread(b) * self.spread(b))
    }

    /// Factors the Hessian with the exact curvature of the prior, or else with that of a quadratic
    /// that lies above it; false when neither works.
    fn factor(&self, b: &[f64], ws: &mut ApeglmWorkspace) -> bool {
        let p = self.design.n_columns();
        for exact in [true, false] {
            self.with_prior(b, exact, ws);
            if cholesky(&ws.normal, p, 0.0, &mut ws.factor) {
                return true;
            }
        }
        false
    }

    /// The Hessian with the curvature of the prior, or with that of the quadratic above it.
    fn with_prior(&self, b: &[f64], exact: bool, ws: &mut ApeglmWorkspace) {
        let p = self.design.n_columns();
        ws.normal.copy_from_slice(&ws.hessian);
        for k in (0..p).filter(|&k| self.prior.is_of(k)) {
            ws.normal[k * p + k] += if exact {
                self.cauchy_curvature(b[k])
            } else {
                2.0 / self.spread(b[k])
            };
        }
    }

    /// The local minimum that a start leads to: the known one as soon as a Newton step ends there.
    fn minimise(&self, start: &[f64], known: Option<&Mode>, ws: &mut ApeglmWorkspace) -> Mode {
        let known = known.filter(|known| known.converged);
        let p = self.design.n_columns();
        let mut b = start.to_vec();
        let mut value = self.evaluate(&b, ws);
        let mut polished = 0;
        for _ in 0..MAX_STEPS {
            if !value.is_finite() || !self.factor(&b, ws) {
                return self.failed(&b);
            }
            ws.step.copy_from_slice(&ws.gradient);
            cholesky_solve(&ws.factor, p, &mut ws.step);
            let expected: f64 = ws.step.iter().zip(&ws.gradient).map(|(s, g)| s * g).sum();
            let longest = ws.step.iter().fold(0.0_f64, |a, s| a.max(s.abs()));
            if let Some(known) = known.filter(|known| ends_at(&b, &ws.step, longest, &known.b)) {
                return known.clone();
            }
            if expected.abs() <= 1e-12 * (1.0 + value.abs()) {
                // The objective no longer tells steps apart, but they still converge.
                if longest <= 1e-10 || polished == 3 {
                    return self.mode(b, value, true, ws);
                }
                polished += 1;
                b.iter_mut().zip(&ws.step).for_each(|(b, s)| *b -= s);
                value = self.evaluate(&b, ws);
                continue;
            }
            match self.search(&b, value, expected, (3.0 / longest).min(1.0), ws) {
                Some(next) => {
                    b.copy_from_slice(&ws.trial);
                    value = next;
                }
                None => {
                    // Rounding is all that is left to gain.
                    let ended = expected.abs() <= 1e-9 * (1.0 + value.abs());
                    self.evaluate(&b, ws);
                    return self.mode(b, value, ended, ws);
                }
            }
        }
        self.mode(b, value, false, ws)
    }

    /// Halves the step until the objective falls enough; the new point stays in `ws.trial`.
    fn search(
        &self,
        b: &[f64],
        value: f64,
        expected: f64,
        mut scale: f64,
        ws: &mut ApeglmWorkspace,
    ) -> Option<f64> {
        let mut trial = std::mem::take(&mut ws.trial);
        let mut found = None;
        for _ in 0..40 {
            for ((trial, b), step) in trial.iter_mut().zip(b).zip(&ws.step) {
                *trial = b - scale * step;
            }
            let next = self.evaluate(&trial, ws);
            if next <= value - 1e-4 * scale * expected {
                found = Some(next);
                break;
            }
            scale *= 0.5;
        }
        ws.trial = trial;
        found
    }

    /// A minimum at `b`, where the workspace's Hessian was taken.
    fn mode(&self, b: Vec<f64>, value: f64, converged: bool, ws: &mut ApeglmWorkspace) -> Mode {
        let (p, c) = (self.design.n_columns(), self.prior.coefficient);
        self.with_prior(&b, true, ws);
        let mut sd = f64::NAN;
        if cholesky(&ws.normal, p, 0.0, &mut ws.factor) {
            ws.step.fill(0.0);
            ws.step[c] = 1.0;
            cholesky_solve(&ws.factor, p, &mut ws.step);
            sd = ws.step[c].sqrt();
        }
        Mode {
            b,
            value,
            converged,
            sd,
        }
    }

    fn failed(&self, b: &[f64]) -> Mode {
        Mode {
            b: b.to_vec(),
            value: f64::INFINITY,
            converged: false,
            sd: f64::NAN,
        }
    }
}

/// Whether a Newton step from `b`, short enough to be trusted, ends at a point.
fn ends_at(b: &[f64], step: &[f64], longest: f64, point: &[f64]) -> bool {
    let mut off = 0.0_f64;
    for ((b, s), point) in b.iter().zip(step).zip(point) {
        off = off.max((b - s - point).abs());
    }
    longest <= TRUSTED && off <= 0.02 * longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    fn design(m: usize) -> DesignRows {
        let x: Vec<f64> = (0..m)
            .flat_map(|j| [1.0, (j % 2) as f64, f64::from(u8::from(j >= m / 2))])
            .collect();
        DesignRows::new(&x, 3)
    }

    #[test]
    fn derivatives_match_central_differences() {
        let m = 10;
        let design = design(m);
        let mut ws = ApeglmWorkspace::new(&design);
        for item in 0..20 {
            let mut random = stream(1, "apeglm", item);
            let counts: Vec<f64> = (0..m).map(|_| random.below(80) as f64).collect();
            let scale: Vec<f64> = (0..m).map(|_| (0.2 * random.normal()).exp()).collect();
            let gene = NbGene {
                counts: &counts,
                scale: &scale,
                ln_scale: &scale,
                weights: None,
                alpha: 0.05 + random.uniform(),
            };
            let problem = Problem {
                design: &design,
                gene: &gene,
                prior: CauchyPrior {
                    coefficient: 2,
                    scale: 0.4,
                    of_all: false,
                },
            };
            let b: Vec<f64> = (0..3)
                .map(|k| random.normal() + if k == 0 { 3.0 } else { 0.0 })
                .collect();
            problem.evaluate(&b, &mut ws);
            let gradient = ws.gradient.clone();
            let mut hessian = ws.hessian.clone();
            hessian[8] += problem.cauchy_curvature(b[2]);
            for k in 0..3 {
                let h = 1e-5;
                let mut moved = b.clone();
                moved[k] += h;
                let (up, up_gradient) = (problem.evaluate(&moved, &mut ws), ws.gradient.clone());
                moved[k] -= 2.0 * h;
                let (down, down_gradient) =
                    (problem.evaluate(&moved, &mut ws), ws.gradient.clone());
                let numeric = (up - down) / (2.0 * h);
                assert!((gradient[k] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()));
                for i in 0..3 {
                    let numeric = (up_gradient[i] - down_gradient[i]) / (2.0 * h);
                    assert!((hessian[i * 3 + k] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()));
                }
            }
        }
    }

    #[test]
    fn no_point_of_a_grid_is_better() {
        let m = 8;
        let design = design(m);
        let mut ws = ApeglmWorkspace::new(&design);
        for item in 0..40 {
            let mut random = stream(2, "apeglm", item);
            let lift = 2.5 * random.normal();
            let counts: Vec<f64> = (0..m)
                .map(|j| {
                    let mean = 2.0 + random.normal() + if j >= m / 2 { lift } else { 0.0 };
                    mean.exp().round()
                })
                .collect();
            let gene = NbGene {
                counts: &counts,
                scale: &[1.0; 8],
                ln_scale: &[0.0; 8],
                weights: None,
                alpha: 0.5,
            };
            let prior = CauchyPrior {
                coefficient: 2,
                scale: 0.1,
                of_all: false,
            };
            let got = shrink_gene(&design, &gene, prior, &[2.0, 0.0, lift], &mut ws);
            assert!(got.converged);
            let problem = Problem {
                design: &design,
                gene: &gene,
                prior,
            };
            for step in -20..=20 {
                let start = [2.0, 0.0, 0.3 * f64::from(step)];
                let other = problem.minimise(&start, None, &mut ws);
                assert!(
                    got.objective <= other.value + 1e-7,
                    "{item}: {} {}",
                    got.objective,
                    other.value
                );
            }
        }
    }
}
