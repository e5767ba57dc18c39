//! Negative binomial regression within bounds, for the few genes whose IRLS does not converge.
//!
//! The negative log-likelihood with a log link is convex in the coefficients, so Newton's method
//! with projection onto the box and step halving finds the one minimum.
//!
//! # Cost
//! Some tens of steps of `m p^2` operations; used for a handful of genes.

use crate::linalg::small::{cholesky, cholesky_solve};

use super::design_rows::DesignRows;
use super::irls::NbGene;

/// Bound of a coefficient on the log2 scale. DESeq2: `large`.
const BOUND: f64 = 30.0;
const MAX_STEPS: usize = 200;

/// How the minimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxFit {
    /// The projected gradient vanished.
    Converged,
    /// It did not within the steps allowed.
    Stopped,
}

/// Minimises `-ln likelihood + sum ridge b^2 / 2` over `|b| <= 30 ln 2` (natural log), from `beta`.
pub fn box_fit(design: &DesignRows, gene: &NbGene<'_>, ridge: &[f64], beta: &mut [f64]) -> BoxFit {
    let p = design.n_columns();
    let bound = BOUND * std::f64::consts::LN_2;
    for b in beta.iter_mut() {
        *b = if b.is_finite() {
            b.clamp(-bound, bound)
        } else {
            0.0
        };
    }
    let mut state = State::at(design, gene, ridge, beta);
    let mut damping = 0.0;
    for _ in 0..MAX_STEPS {
        let held: Vec<bool> = (0..p)
            .map(|k| {
                (beta[k] <= -bound && state.gradient[k] > 0.0)
                    || (beta[k] >= bound && state.gradient[k] < 0.0)
            })
            .collect();
        let slope = (0..p)
            .filter(|&k| !held[k])
            .map(|k| state.gradient[k].abs())
            .fold(0.0, f64::max);
        if slope < 1e-10 * (1.0 + state.value.abs()) {
            return BoxFit::Converged;
        }
        let Some(step) = newton_step(&state, &held, damping, p) else {
            damping = if damping == 0.0 { 1e-8 } else { damping * 10.0 };
            continue;
        };
        let mut scale = 1.0;
        let mut moved = false;
        for _ in 0..60 {
            let trial: Vec<f64> = (0..p)
                .map(|k| (beta[k] - scale * step[k]).clamp(-bound, bound))
                .collect();
            let gain: f64 = (0..p)
                .map(|k| state.gradient[k] * (beta[k] - trial[k]))
                .sum();
            let next = State::at(design, gene, ridge, &trial);
            if next.value <= state.value - 1e-4 * gain {
                moved = trial.iter().zip(beta.iter()).any(|(a, b)| a != b);
                let small = state.value - next.value <= 1e-14 * (1.0 + state.value.abs());
                beta.copy_from_slice(&trial);
                state = next;
                if small {
                    return BoxFit::Converged;
                }
                break;
            }
            scale *= 0.5;
        }
        if !moved {
            return BoxFit::Converged;
        }
    }
    BoxFit::Stopped
}

/// Value, gradient and Hessian of the objective.
struct State {
    value: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl State {
    fn at(design: &DesignRows, gene: &NbGene<'_>, ridge: &[f64], beta: &[f64]) -> Self {
        let (p, r) = (design.n_columns(), design.n_rows());
        let mut eta = vec![0.0; r];
        design.predict(beta, &mut eta);
        let (mut value, mut slope, mut curvature) = (0.0, vec![0.0; r], vec![0.0; r]);
        for (j, &row) in design.row_of_sample().iter().enumerate() {
            let row = row as usize;
            let (k, w) = (gene.counts[j], gene.weights.map_or(1.0, |w| w[j]));
            let mu = gene.scale[j] * libm::exp(eta[row]);
            let size = 1.0 / gene.alpha;
            let grown = gene.alpha * mu;
            value += w * ((k + size) * libm::log1p(grown) - k * (eta[row] + gene.ln_scale[j]));
            slope[row] += w * (mu - k) / (1.0 + grown);
            curvature[row] += w * mu * (1.0 + gene.alpha * k) / ((1.0 + grown) * (1.0 + grown));
        }
        let (mut gradient, mut hessian) = (vec![0.0; p], vec![0.0; p * p]);
        design.cross(&slope, &mut gradient);
        design.gram(&curvature, &mut hessian);
        for k in 0..p {
            value += 0.5 * ridge[k] * beta[k] * beta[k];
            gradient[k] += ridge[k] * beta[k];
            hessian[k * p + k] += ridge[k];
        }
        State {
            value,
            gradient,
            hessian,
        }
    }
}

/// Newton step over the coefficients that are not held at a bound.
fn newton_step(state: &State, held: &[bool], damping: f64, p: usize) -> Option<Vec<f64>> {
    let free: Vec<usize> = (0..p).filter(|&k| !held[k]).collect();
    let n = free.len();
    let mut matrix = vec![0.0; n * n];
    for (a, &i) in free.iter().enumerate() {
        for (b, &j) in free.iter().enumerate() {
            matrix[a * n + b] = state.hessian[i * p + j];
        }
        matrix[a * n + a] *= 1.0 + damping;
    }
    let mut factor = vec![0.0; n * n];
    if !cholesky(&matrix, n, 0.0, &mut factor) {
        return None;
    }
    let mut part: Vec<f64> = free.iter().map(|&k| state.gradient[k]).collect();
    cholesky_solve(&factor, n, &mut part);
    let mut step = vec![0.0; p];
    for (&k, value) in free.iter().zip(part) {
        step[k] = value;
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_group_moves_to_where_the_ridge_holds_it() {
        let x = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let design = DesignRows::new(&x, 2);
        let gene = NbGene {
            counts: &[40.0, 50.0, 0.0, 0.0],
            scale: &[1.0; 4],
            ln_scale: &[0.0; 4],
            weights: None,
            alpha: 0.1,
        };
        let mut beta = [0.0, 0.0];
        assert_eq!(
            box_fit(&design, &gene, &[2e-6; 2], &mut beta),
            BoxFit::Converged
        );
        assert!((beta[0] - 45.0_f64.ln()).abs() < 1e-4);
        let state = State::at(&design, &gene, &[2e-6; 2], &beta);
        assert!(
            state.gradient.iter().all(|g| g.abs() < 1e-6),
            "{:?}",
            state.gradient
        );
    }

    #[test]
    fn without_ridge_the_bound_holds_it() {
        let design = DesignRows::new(&[1.0; 3], 1);
        let gene = NbGene {
            counts: &[0.0; 3],
            scale: &[1.0; 3],
            ln_scale: &[0.0; 3],
            weights: None,
            alpha: 0.1,
        };
        let mut beta = [1.0];
        assert_eq!(
            box_fit(&design, &gene, &[0.0], &mut beta),
            BoxFit::Converged
        );
        assert!(beta[0] < -15.0);
    }
}
