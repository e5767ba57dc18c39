//! The same fits by the quickest safe way: no path is followed, only the end matters.
//!
//! Scores are formed without a likelihood, so that a step costs one division and no logarithm a sample;
//! where every cell of the design has its own mean, cells are solved on their own and covariances have a
//! closed form. A fit that does not settle is left to [`super::fit_gene`].
//!
//! # Cost
//! About 3 ns a sample and step; two to five steps.

use crate::stats::nb::weigh;
use crate::stats::vector_math::{exp, vectorized};

use super::{
    GeneFit, IrlsOptions, LARGE, NbGene, NbWorkspace, evaluate, finish, fit_gene, ln_likelihood,
    normal_factor, start,
};
use crate::linalg::small::cholesky_solve;
use crate::stats::glm::design_rows::DesignRows;

/// Change of a coefficient or ln mean that ends a fit; what it leaves is smaller still.
const SETTLED: f64 = 1e-6;
const MAX_STEPS: u32 = 30;
/// Added to means of normalised counts of a cell before the logarithm of the start.
const START_SHIFT: f64 = 0.05;

/// The end of [`fit_gene`] from the coefficients `first`, or from starts of its own. For ridges as
/// small as the default one.
pub fn fit_gene_quickly(
    design: &DesignRows,
    gene: &NbGene<'_>,
    options: &IrlsOptions,
    (intercept, first): (Option<usize>, Option<&[f64]>),
    ws: &mut NbWorkspace,
) -> GeneFit {
    let Some(iterations) = settle(design, gene, options, (intercept, first), ws) else {
        return fit_gene(design, gene, options, intercept, ws);
    };
    ws.table.fill(gene.counts, gene.weights);
    ws.constant = {
        let (arch, table) = (ws.arch, &mut ws.table);
        vectorized(
            arch,
            #[inline(always)]
            || table.constant(gene.alpha),
        )
    };
    evaluate(design, gene, options.min_mu, ws);
    let positive = if design.saturated().is_some() && ws.start.is_some() {
        finish_cells(design, ws)
    } else {
        finish(design, options, ws)
    };
    if !positive {
        return fit_gene(design, gene, options, intercept, ws);
    }
    GeneFit {
        iterations,
        converged: true,
        ln_likelihood: ln_likelihood(gene, ws, 0.0),
        optim: false,
    }
}

/// Coefficients alone; covariances, leverages and means of the workspace are not those of the fit.
pub fn fit_means_quickly(
    design: &DesignRows,
    gene: &NbGene<'_>,
    options: &IrlsOptions,
    intercept: Option<usize>,
    ws: &mut NbWorkspace,
) {
    if settle(design, gene, options, (intercept, None), ws).is_none() {
        fit_gene(design, gene, options, intercept, ws);
    }
}

/// Scoring steps; how many, or none where they do not settle.
fn settle(
    design: &DesignRows,
    gene: &NbGene<'_>,
    options: &IrlsOptions,
    (intercept, first): (Option<usize>, Option<&[f64]>),
    ws: &mut NbWorkspace,
) -> Option<u32> {
    let cells = design.saturated().is_some() && ws.start.is_some();
    match first {
        Some(first) if first.iter().all(|b| b.is_finite()) => {
            ws.beta.copy_from_slice(first);
            design.predict(&ws.beta, &mut ws.eta_of_row);
        }
        _ if cells => start_cells(design, gene, ws),
        _ => {
            start(design, gene, intercept, ws);
            design.predict(&ws.beta, &mut ws.eta_of_row);
        }
    }
    let most = options.max_iterations.min(MAX_STEPS);
    for step in 1..=most {
        score(design, gene, options.min_mu, ws);
        let change = if cells {
            step_cells(ws)
        } else {
            step_all(design, options, ws)?
        };
        if !(change.is_finite() && ws.eta_of_row.iter().all(|e| e.abs() <= LARGE)) {
            return None;
        }
        if change < SETTLED {
            if cells {
                coefficients_of_cells(design, ws);
            }
            return ws.beta.iter().all(|b| b.abs() <= LARGE).then_some(step);
        }
    }
    None
}

/// Logarithms of the means of the cells.
fn start_cells(design: &DesignRows, gene: &NbGene<'_>, ws: &mut NbWorkspace) {
    for ((term, k), s) in ws.terms.iter_mut().zip(gene.counts).zip(gene.scale) {
        *term = k / s;
    }
    design.sum_by_row(&ws.terms, &mut ws.eta_of_row);
    for (eta, &n) in ws.eta_of_row.iter_mut().zip(design.n_of_row()) {
        *eta = libm::log(*eta / n as f64 + START_SHIFT);
    }
}

/// Weights, and weights times the working response less the linear predictor, summed by row.
fn score(design: &DesignRows, gene: &NbGene<'_>, min_mu: f64, ws: &mut NbWorkspace) {
    let m = gene.counts.len();
    let arch = ws.arch;
    let ln_min = libm::log(min_mu);
    vectorized(
        arch,
        #[inline(always)]
        || {
            for (out, eta) in ws.exp_of_row.iter_mut().zip(&ws.eta_of_row) {
                *out = exp(*eta);
            }
            let (mu, eta) = (&mut ws.mu[..m], &mut ws.eta[..m]);
            let of_sample = design.row_of_sample();
            for ((mu, eta), &row) in mu.iter_mut().zip(eta.iter_mut()).zip(of_sample) {
                *mu = ws.exp_of_row[row as usize];
                *eta = ws.eta_of_row[row as usize];
            }
            let (weight, response) = (&mut ws.weight[..m], &mut ws.response[..m]);
            let (scale, ln_scale, counts) = (&gene.scale[..m], &gene.ln_scale[..m], gene.counts);
            for j in 0..m {
                let mu = (mu[j] * scale[j]).max(min_mu);
                let ln_mu = eta[j] + ln_scale[j];
                let inverse = 1.0 / (1.0 + gene.alpha * mu);
                let w = mu * inverse;
                weight[j] = w;
                // Where the mean is floored the working response is that of the floor.
                response[j] = (counts[j] - mu) * inverse + w * (ln_mu.max(ln_min) - ln_mu);
            }
            weigh(gene.weights, [weight, response, &mut []]);
        },
    );
    design.sum_by_row(&ws.weight, &mut ws.row_weight);
    design.sum_by_row(&ws.response, &mut ws.row_response);
}

/// Every cell by itself; the largest change.
fn step_cells(ws: &mut NbWorkspace) -> f64 {
    let mut most = 0.0_f64;
    let sums = ws.row_response.iter().zip(&ws.row_weight);
    for (eta, (response, weight)) in ws.eta_of_row.iter_mut().zip(sums) {
        let step = response / weight;
        *eta += step;
        most = if step.is_finite() {
            most.max(step.abs())
        } else {
            f64::INFINITY
        };
    }
    most
}

/// The coefficients of the cells' ln means: as many equations as unknowns.
fn coefficients_of_cells(design: &DesignRows, ws: &mut NbWorkspace) {
    let each = ws
        .row_response
        .iter_mut()
        .zip(&ws.eta_of_row)
        .zip(design.n_of_row());
    for ((sum, eta), &n) in each {
        *sum = eta * n as f64;
    }
    if let Some(fit) = &ws.start {
        fit.solve(design, &ws.row_response, &mut ws.beta);
    }
}

/// All coefficients together; the largest change, none where the equations have no safe solution.
fn step_all(design: &DesignRows, options: &IrlsOptions, ws: &mut NbWorkspace) -> Option<f64> {
    let p = design.n_columns();
    if !normal_factor(design, options, ws) {
        return None;
    }
    let mut step = std::mem::take(&mut ws.right);
    design.cross(&ws.row_response, &mut step);
    for ((step, ridge), b) in step.iter_mut().zip(&options.ridge).zip(&ws.beta) {
        *step -= ridge * b;
    }
    cholesky_solve(&ws.factor, p, &mut step);
    let mut most = 0.0_f64;
    for (b, step) in ws.beta.iter_mut().zip(&step) {
        *b += step;
        most = if step.is_finite() {
            most.max(step.abs())
        } else {
            f64::INFINITY
        };
    }
    ws.right = step;
    design.predict(&ws.beta, &mut ws.eta_of_row);
    Some(most)
}

/// Covariance `X^-1 diag(1 / W) X'^-1` and leverages `w / W` for the sums `W` of the cells.
fn finish_cells(design: &DesignRows, ws: &mut NbWorkspace) -> bool {
    let p = design.n_columns();
    ws.covariance.fill(0.0);
    for row in 0..p {
        // A column of the inverse of the distinct rows.
        ws.row_response.fill(0.0);
        ws.row_response[row] = design.n_of_row()[row] as f64;
        let Some(fit) = &ws.start else {
            return false;
        };
        fit.solve(design, &ws.row_response, &mut ws.right);
        let variance = 1.0 / ws.row_weight[row];
        for (a, x) in ws.right.iter().enumerate() {
            for (out, y) in ws.covariance[a * p..(a + 1) * p].iter_mut().zip(&ws.right) {
                *out += variance * x * y;
            }
        }
    }
    let of_sample = design.row_of_sample();
    for ((hat, w), &row) in ws.hat.iter_mut().zip(&ws.weight).zip(of_sample) {
        *hat = w / ws.row_weight[row as usize];
    }
    (0..p).all(|k| ws.covariance[k * p + k] > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn quick_fits_end_where_exact_ones_do() {
        let m = 16;
        for item in 0..60 {
            let mut random = stream(item, "quick", 0);
            let p = [1, 2, 3][item as usize % 3];
            let x = |j: usize| [1.0, f64::from(j % 2 == 0), 0.1 * j as f64];
            let values: Vec<f64> = (0..m).flat_map(|j| x(j)[..p].to_vec()).collect();
            let design = DesignRows::new(&values, p);
            let scale: Vec<f64> = (0..m).map(|_| (0.3 * random.normal()).exp()).collect();
            let ln_scale: Vec<f64> = scale.iter().map(|s| s.ln()).collect();
            // Means from far below the floor of 0.5 to hundreds.
            let level = 2.5 * random.normal() + 1.0;
            let counts: Vec<f64> = scale
                .iter()
                .map(|s| (s * (level + 0.7 * random.normal()).exp()).round())
                .collect();
            let weights: Vec<f64> = (0..m).map(|_| random.uniform()).collect();
            let gene = NbGene {
                counts: &counts,
                scale: &scale,
                ln_scale: &ln_scale,
                weights: (item % 4 == 3).then_some(&weights[..]),
                alpha: 0.02 + random.uniform(),
            };
            if counts.iter().sum::<f64>() == 0.0 {
                continue;
            }
            let mut options = IrlsOptions::new(p);
            options.tolerance = 1e-15;
            let (mut exact, mut quick) = (NbWorkspace::new(&design), NbWorkspace::new(&design));
            let want = fit_gene(&design, &gene, &options, Some(0), &mut exact);
            if want.optim {
                continue;
            }
            let from = [None, Some(&exact.beta[..])];
            for first in from {
                let start = (Some(0), first);
                let got = fit_gene_quickly(&design, &gene, &options, start, &mut quick);
                assert!(got.converged && !got.optim, "{item}");
                let close = |got: f64, want: f64, name: &str| {
                    let off = (got - want).abs() / (want.abs() + 0.1);
                    assert!(off < 2e-5, "{item} {name}: {got} {want}");
                };
                close(got.ln_likelihood, want.ln_likelihood, "likelihood");
                for k in 0..p {
                    close(quick.beta[k], exact.beta[k], "beta");
                    close(
                        quick.covariance[k * p + k].sqrt(),
                        exact.covariance[k * p + k].sqrt(),
                        "error",
                    );
                }
                for j in 0..m {
                    close(quick.mu[j], exact.mu[j], "mean");
                    close(quick.hat[j], exact.hat[j], "leverage");
                }
            }
            fit_means_quickly(&design, &gene, &options, Some(0), &mut quick);
            for k in 0..p {
                assert!((quick.beta[k] - exact.beta[k]).abs() < 2e-5 * (1.0 + exact.beta[k].abs()));
            }
        }
    }
}
