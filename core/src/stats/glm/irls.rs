//! Negative binomial regression of one gene by iteratively reweighted least squares.
//!
//! `mu_j = s_j exp(x_j . b)`, variance `mu + alpha mu^2`, a ridge `lambda_r b_r^2 / 2` on each
//! coefficient. The path of the iterations is that of DESeq2, because its stopping rule leaves
//! a trace in the results; what a step computes is free: sums by distinct design rows, a Cholesky
//! factor of the `p x p` normal equations, and a QR factorisation where these are ill-conditioned.
//!
//! # Cost
//! An iteration takes about 10 ns a sample plus `n_rows p^2 / 2` operations. Memory: the workspace,
//! a few numbers a sample.
//!
//! # Source
//! DESeq2 1.38 and 1.44, `nbinomWaldTest`: start values, floor of the mean, stopping rule.

mod quick;

pub use quick::{fit_gene_quickly, fit_means_quickly};

use pulp::Arch;

use crate::linalg::qr;
use crate::linalg::small::{cholesky, cholesky_solve};
use crate::stats::count_table::CountTable;
use crate::stats::nb::{sum_in_lanes, weigh};
use crate::stats::vector_math::{exp, ln_1p, vectorized};

use super::box_newton::{BoxFit, box_fit};
use super::design_rows::{DesignRows, LeastSquares};

/// A coefficient beyond this (natural log) ends the iteration. DESeq2: `large`.
const LARGE: f64 = 30.0;
/// Share of a diagonal entry that elimination may leave before QR takes over.
const ILL_CONDITIONED: f64 = 1e-9;

/// What a fit is told.
#[derive(Debug, Clone, PartialEq)]
pub struct IrlsOptions {
    /// Ridge of each coefficient on the natural-log scale.
    pub ridge: Vec<f64>,
    /// Relative change of the deviance that ends the iteration. DESeq2: `betaTol` 1e-8.
    pub tolerance: f64,
    /// Most iterations. DESeq2: `maxit` 100.
    pub max_iterations: u32,
    /// Floor of the mean in weights and working responses. DESeq2: `minmu` 0.5.
    pub min_mu: f64,
    /// Whether fits that do not converge are repeated by a bounded minimisation.
    pub use_optim: bool,
    /// Whether a QR factorisation takes over where the normal equations are ill-conditioned.
    pub use_qr: bool,
}

impl IrlsOptions {
    /// DESeq2's defaults for `p` coefficients: ridge 1e-6 on the log2 scale.
    pub fn new(p: usize) -> Self {
        let ln2 = std::f64::consts::LN_2;
        IrlsOptions {
            ridge: vec![1e-6 / (ln2 * ln2); p],
            tolerance: 1e-8,
            max_iterations: 100,
            min_mu: 0.5,
            use_optim: true,
            use_qr: true,
        }
    }
}

/// The data of one gene; all slices have one entry a sample.
#[derive(Debug, Clone, Copy)]
pub struct NbGene<'a> {
    /// Counts.
    pub counts: &'a [f64],
    /// Size (normalization) factors.
    pub scale: &'a [f64],
    /// Their natural logarithms.
    pub ln_scale: &'a [f64],
    /// Observation weights, all 1 when absent.
    pub weights: Option<&'a [f64]>,
    /// Dispersion.
    pub alpha: f64,
}

/// How a fit ended; numbers of the fit stand in the [`NbWorkspace`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneFit {
    /// Iterations of IRLS.
    pub iterations: u32,
    /// Whether the fit converged (by IRLS or by the bounded minimisation).
    pub converged: bool,
    /// Log-likelihood.
    pub ln_likelihood: f64,
    /// Whether the bounded minimisation was used.
    pub optim: bool,
}

/// Scratch memory and the result of the last fit.
#[derive(Debug)]
pub struct NbWorkspace {
    arch: Arch,
    start: Option<LeastSquares>,
    /// Coefficients, natural log, `p`.
    pub beta: Vec<f64>,
    /// Fitted means, not floored, one a sample.
    pub mu: Vec<f64>,
    /// Diagonal of the hat matrix, one a sample.
    pub hat: Vec<f64>,
    /// Covariance of the coefficients, natural log, `p x p`.
    pub covariance: Vec<f64>,
    eta_of_row: Vec<f64>,
    exp_of_row: Vec<f64>,
    eta: Vec<f64>,
    weight: Vec<f64>,
    response: Vec<f64>,
    terms: Vec<f64>,
    row_weight: Vec<f64>,
    row_response: Vec<f64>,
    gram: Vec<f64>,
    normal: Vec<f64>,
    factor: Vec<f64>,
    right: Vec<f64>,
    constant: f64,
    table: CountTable,
}

impl NbWorkspace {
    /// Memory for fits of this design.
    pub fn new(design: &DesignRows) -> Self {
        let (m, p, r) = (design.n_samples(), design.n_columns(), design.n_rows());
        NbWorkspace {
            arch: Arch::new(),
            start: (qr::rank(&all_rows(design), r, p, qr::R_TOLERANCE) == p)
                .then(|| design.least_squares())
                .flatten(),
            beta: vec![0.0; p],
            mu: vec![0.0; m],
            hat: vec![0.0; m],
            covariance: vec![0.0; p * p],
            eta_of_row: vec![0.0; r],
            exp_of_row: vec![0.0; r],
            eta: vec![0.0; m],
            weight: vec![0.0; m],
            response: vec![0.0; m],
            terms: vec![0.0; m],
            row_weight: vec![0.0; r],
            row_response: vec![0.0; r],
            gram: vec![0.0; p * p],
            normal: vec![0.0; p * p],
            factor: vec![0.0; p * p],
            right: vec![0.0; p],
            constant: 0.0,
            table: CountTable::default(),
        }
    }

    /// Whether the design has full column rank, so that starting values are least squares.
    pub fn is_full_rank(&self) -> bool {
        self.start.is_some()
    }
}

fn all_rows(design: &DesignRows) -> Vec<f64> {
    (0..design.n_rows())
        .flat_map(|r| design.row(r).iter().copied())
        .collect()
}

/// Fits one gene. `intercept` is the position of the intercept, used for the start of designs that
/// are not of full rank.
pub fn fit_gene(
    design: &DesignRows,
    gene: &NbGene<'_>,
    options: &IrlsOptions,
    intercept: Option<usize>,
    ws: &mut NbWorkspace,
) -> GeneFit {
    ws.table.fill(gene.counts, gene.weights);
    ws.constant = {
        let (arch, table) = (ws.arch, &mut ws.table);
        vectorized(
            arch,
            #[inline(always)]
            || table.constant(gene.alpha),
        )
    };
    start(design, gene, intercept, ws);
    let first = ws.beta.clone();
    let iterations = iterate(design, gene, options, ws);
    let converged = iterations < options.max_iterations;
    let stable = ws.beta.iter().all(|b| b.is_finite());
    // Of a fit that ran away, DESeq2 keeps the weights before the last step, but the means after it.
    let positive = finish(design, options, ws);
    evaluate(design, gene, options.min_mu, ws);
    let mut fit = GeneFit {
        iterations,
        converged,
        ln_likelihood: ln_likelihood(gene, ws, 0.0),
        optim: false,
    };
    if options.use_optim && !(converged && stable && positive) {
        let usable = stable
            && ws
                .beta
                .iter()
                .all(|b| b.abs() < LARGE * std::f64::consts::LN_2);
        if !usable {
            ws.beta.copy_from_slice(&first);
        }
        let hat = ws.hat.clone();
        let result = box_fit(design, gene, &options.ridge, &mut ws.beta);
        evaluate(design, gene, options.min_mu, ws);
        finish(design, options, ws);
        // DESeq2 leaves the hat matrix of the iteration, and floors the mean in the likelihood.
        ws.hat.copy_from_slice(&hat);
        fit.converged = result == BoxFit::Converged;
        fit.ln_likelihood = ln_likelihood(gene, ws, options.min_mu);
        fit.optim = true;
    }
    fit
}

/// Starting coefficients.
fn start(design: &DesignRows, gene: &NbGene<'_>, intercept: Option<usize>, ws: &mut NbWorkspace) {
    match &ws.start {
        Some(least_squares) => {
            let (terms, arch) = (&mut ws.terms, ws.arch);
            vectorized(
                arch,
                #[inline(always)]
                || {
                    for ((term, k), s) in terms.iter_mut().zip(gene.counts).zip(gene.scale) {
                        *term = crate::stats::vector_math::ln(k / s + 0.1);
                    }
                },
            );
            design.sum_by_row(&ws.terms, &mut ws.row_response);
            least_squares.solve(design, &ws.row_response, &mut ws.beta);
        }
        None => match intercept {
            Some(intercept) => {
                let m = gene.counts.len() as f64;
                let sum: f64 = gene.counts.iter().zip(gene.scale).map(|(k, s)| k / s).sum();
                ws.beta.fill(0.0);
                ws.beta[intercept] = libm::log(sum / m);
            }
            None => ws.beta.fill(1.0),
        },
    }
}

fn iterate(
    design: &DesignRows,
    gene: &NbGene<'_>,
    options: &IrlsOptions,
    ws: &mut NbWorkspace,
) -> u32 {
    evaluate(design, gene, options.min_mu, ws);
    let mut old = 0.0;
    for t in 0..options.max_iterations {
        if !solve(design, options, ws) || ws.beta.iter().any(|b| b.abs() > LARGE || b.is_nan()) {
            return options.max_iterations;
        }
        let deviance = -2.0 * (ws.constant + evaluate(design, gene, options.min_mu, ws));
        let change = (deviance - old).abs() / (deviance.abs() + 0.1);
        if change.is_nan() {
            return options.max_iterations;
        }
        if t > 0 && change < options.tolerance {
            return t + 1;
        }
        old = deviance;
    }
    options.max_iterations
}

/// Means, weights and working responses at the coefficients; returns the log-likelihood without
/// its constant, with means floored.
fn evaluate(design: &DesignRows, gene: &NbGene<'_>, min_mu: f64, ws: &mut NbWorkspace) -> f64 {
    let m = gene.counts.len();
    design.predict(&ws.beta, &mut ws.eta_of_row);
    let arch = ws.arch;
    let value = vectorized(
        arch,
        #[inline(always)]
        || {
            for (out, eta) in ws.exp_of_row.iter_mut().zip(&ws.eta_of_row) {
                *out = exp(*eta);
            }
            let mu = &mut ws.mu[..m];
            let eta = &mut ws.eta[..m];
            design.spread(&ws.exp_of_row, mu);
            design.spread(&ws.eta_of_row, eta);
            let ln_min = libm::log(min_mu);
            let x = 1.0 / gene.alpha;
            let (weight, response, terms) = (
                &mut ws.weight[..m],
                &mut ws.response[..m],
                &mut ws.terms[..m],
            );
            let (scale, ln_scale, counts) = (&gene.scale[..m], &gene.ln_scale[..m], gene.counts);
            for j in 0..m {
                let plain = mu[j] * scale[j];
                mu[j] = plain;
                let floored = plain.max(min_mu);
                let ln_mu = (eta[j] + ln_scale[j]).max(ln_min);
                let w = floored / (1.0 + gene.alpha * floored);
                weight[j] = w;
                response[j] = w * (ln_mu - ln_scale[j] + (counts[j] - floored) / floored);
                terms[j] = counts[j] * ln_mu - (counts[j] + x) * ln_1p(gene.alpha * floored);
            }
            weigh(gene.weights, [weight, response, terms]);
            sum_in_lanes(terms)
        },
    );
    design.sum_by_row(&ws.weight, &mut ws.row_weight);
    design.sum_by_row(&ws.response, &mut ws.row_response);
    value
}

/// One weighted ridge regression; false when it has no solution.
fn solve(design: &DesignRows, options: &IrlsOptions, ws: &mut NbWorkspace) -> bool {
    let p = design.n_columns();
    if normal_factor(design, options, ws) {
        design.cross(&ws.row_response, &mut ws.beta);
        cholesky_solve(&ws.factor, p, &mut ws.beta);
        return true;
    }
    options.use_qr && solve_by_qr(design, options, ws)
}

/// Factors `X'WX + ridge`; false when it is not positive definite, or is ill-conditioned and QR is to take over.
fn normal_factor(design: &DesignRows, options: &IrlsOptions, ws: &mut NbWorkspace) -> bool {
    let p = design.n_columns();
    design.gram(&ws.row_weight, &mut ws.gram);
    ws.normal.copy_from_slice(&ws.gram);
    for (k, ridge) in options.ridge.iter().enumerate() {
        ws.normal[k * p + k] += ridge;
    }
    let is_safe = |ws: &NbWorkspace, k: usize| {
        let left = ws.factor[k * p + k] * ws.factor[k * p + k];
        left > ILL_CONDITIONED * ws.normal[k * p + k]
    };
    cholesky(&ws.normal, p, 0.0, &mut ws.factor)
        && (!options.use_qr || (0..p).all(|k| is_safe(ws, k)))
}

/// The regression by QR of the scaled distinct rows above the roots of the ridge.
fn solve_by_qr(design: &DesignRows, options: &IrlsOptions, ws: &mut NbWorkspace) -> bool {
    let (p, r) = (design.n_columns(), design.n_rows());
    let mut a = vec![0.0; (r + p) * p];
    let mut b = vec![0.0; r + p];
    for row in 0..r {
        let root = ws.row_weight[row].sqrt();
        if root > 0.0 {
            for (out, x) in a[row * p..(row + 1) * p].iter_mut().zip(design.row(row)) {
                *out = root * x;
            }
            b[row] = ws.row_response[row] / root;
        }
    }
    for k in 0..p {
        a[(r + k) * p + k] = options.ridge[k].sqrt();
    }
    qr::least_squares(&mut a, &mut b, r + p, p, &mut ws.beta)
}

/// Covariance and hat diagonal at the last evaluation; whether all variances are positive.
fn finish(design: &DesignRows, options: &IrlsOptions, ws: &mut NbWorkspace) -> bool {
    let p = design.n_columns();
    design.gram(&ws.row_weight, &mut ws.gram);
    ws.normal.copy_from_slice(&ws.gram);
    for (k, ridge) in options.ridge.iter().enumerate() {
        ws.normal[k * p + k] += ridge;
    }
    if !cholesky(&ws.normal, p, 0.0, &mut ws.factor) {
        ws.covariance.fill(f64::NAN);
        ws.hat.fill(f64::NAN);
        return false;
    }
    sandwich(&ws.factor, &ws.gram, p, &mut ws.right, &mut ws.covariance);
    for row in 0..design.n_rows() {
        ws.right.copy_from_slice(design.row(row));
        cholesky_solve(&ws.factor, p, &mut ws.right);
        let leverage: f64 = ws
            .right
            .iter()
            .zip(design.row(row))
            .map(|(a, b)| a * b)
            .sum();
        ws.row_response[row] = leverage;
    }
    for ((hat, w), &row) in ws
        .hat
        .iter_mut()
        .zip(&ws.weight)
        .zip(design.row_of_sample())
    {
        *hat = w * ws.row_response[row as usize];
    }
    (0..p).all(|k| ws.covariance[k * p + k] > 0.0)
}

/// `A^-1 G A^-1` for the factor of `A`.
fn sandwich(factor: &[f64], gram: &[f64], p: usize, column: &mut [f64], out: &mut [f64]) {
    // Rows of B = G A^-1, then A^-1 B.
    let mut half = vec![0.0; p * p];
    for k in 0..p {
        column[..p].copy_from_slice(&gram[k * p..(k + 1) * p]);
        cholesky_solve(factor, p, column);
        half[k * p..(k + 1) * p].copy_from_slice(&column[..p]);
    }
    for k in 0..p {
        for (value, row) in column.iter_mut().zip(half.chunks_exact(p)) {
            *value = row[k];
        }
        cholesky_solve(factor, p, column);
        for (r, value) in column[..p].iter().enumerate() {
            out[r * p + k] = *value;
        }
    }
}

/// Log-likelihood at the means of the workspace, floored at `floor` (0 for no floor).
fn ln_likelihood(gene: &NbGene<'_>, ws: &mut NbWorkspace, floor: f64) -> f64 {
    let x = 1.0 / gene.alpha;
    let ln_floor = if floor > 0.0 {
        libm::log(floor)
    } else {
        f64::NEG_INFINITY
    };
    let (arch, terms) = (ws.arch, &mut ws.terms);
    let (mu, eta) = (&ws.mu, &ws.eta);
    let sum = vectorized(
        arch,
        #[inline(always)]
        || {
            for (j, term) in terms.iter_mut().enumerate() {
                let ln_mu = (eta[j] + gene.ln_scale[j]).max(ln_floor);
                let mu = mu[j].max(floor);
                *term = gene.counts[j] * ln_mu - (gene.counts[j] + x) * ln_1p(gene.alpha * mu);
            }
            if let Some(weights) = gene.weights {
                for (term, w) in terms.iter_mut().zip(weights) {
                    *term *= w;
                }
            }
            sum_in_lanes(terms)
        },
    );
    ws.constant + sum
}

/// Covariance (natural log, `p x p`) of the coefficients at given means, floored at `min_mu`.
///
/// `None` when the normal equations have no solution.
pub fn covariance_from_mu(
    design: &DesignRows,
    mu: &[f64],
    gene_weights: Option<&[f64]>,
    alpha: f64,
    options: &IrlsOptions,
) -> Option<Vec<f64>> {
    let p = design.n_columns();
    let weights: Vec<f64> = mu
        .iter()
        .enumerate()
        .map(|(j, mu)| {
            let mu = mu.max(options.min_mu);
            mu / (1.0 + alpha * mu) * gene_weights.map_or(1.0, |w| w[j])
        })
        .collect();
    let mut by_row = vec![0.0; design.n_rows()];
    design.sum_by_row(&weights, &mut by_row);
    let (mut gram, mut factor) = (vec![0.0; p * p], vec![0.0; p * p]);
    design.gram(&by_row, &mut gram);
    let mut normal = gram.clone();
    for (k, ridge) in options.ridge.iter().enumerate() {
        normal[k * p + k] += ridge;
    }
    if !cholesky(&normal, p, 0.0, &mut factor) {
        return None;
    }
    let mut out = vec![0.0; p * p];
    sandwich(&factor, &gram, p, &mut vec![0.0; p], &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::{Stream, stream};
    use crate::stats::nb::ln_probability;

    fn simulate(random: &mut Stream, m: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let scale: Vec<f64> = (0..m).map(|_| (0.3 * random.normal()).exp()).collect();
        let ln_scale = scale.iter().map(|s| s.ln()).collect();
        let counts = scale
            .iter()
            .map(|s| (s * (3.0 + 0.6 * random.normal()).exp()).round())
            .collect();
        (counts, scale, ln_scale)
    }

    fn design(m: usize) -> DesignRows {
        let x: Vec<f64> = (0..m)
            .flat_map(|j| {
                [
                    1.0,
                    f64::from(j % 2 == 0),
                    f64::from(j % 3 == 0),
                    0.1 * j as f64,
                ]
            })
            .collect();
        DesignRows::new(&x, 4)
    }

    #[test]
    fn the_gradient_vanishes_at_the_fit() {
        let (m, p) = (14, 4);
        let design = design(m);
        let mut ws = NbWorkspace::new(&design);
        let mut options = IrlsOptions::new(p);
        options.tolerance = 1e-14;
        options.min_mu = 1e-6;
        for item in 0..30 {
            let mut random = stream(2, "irls", item);
            let (counts, scale, ln_scale) = simulate(&mut random, m);
            let weights: Vec<f64> = (0..m).map(|_| random.uniform()).collect();
            let gene = NbGene {
                counts: &counts,
                scale: &scale,
                ln_scale: &ln_scale,
                weights: (item % 2 == 0).then_some(&weights[..]),
                alpha: 0.1 + random.uniform(),
            };
            let fit = fit_gene(&design, &gene, &options, Some(0), &mut ws);
            assert!(fit.converged && !fit.optim);
            let objective = |b: &[f64]| -> f64 {
                let terms = (0..m).map(|j| {
                    let row = design.row(design.row_of_sample()[j] as usize);
                    let eta: f64 = row.iter().zip(b).map(|(x, b)| x * b).sum();
                    let w = gene.weights.map_or(1.0, |w| w[j]);
                    w * ln_probability(counts[j], scale[j] * eta.exp(), gene.alpha)
                });
                terms.sum()
            };
            assert!((objective(&ws.beta) - fit.ln_likelihood).abs() < 1e-9);
            for k in 0..p {
                let mut moved = ws.beta.clone();
                moved[k] += 1e-5;
                let up = objective(&moved);
                moved[k] -= 2e-5;
                let slope = (up - objective(&moved)) / 2e-5;
                assert!(slope.abs() < 1e-3, "gene {item}, coefficient {k}: {slope}");
            }
        }
    }

    #[test]
    fn qr_and_normal_equations_agree() {
        let (m, p) = (14, 4);
        let design = design(m);
        let mut ws = NbWorkspace::new(&design);
        let options = IrlsOptions::new(p);
        let (counts, scale, ln_scale) = simulate(&mut stream(3, "irls", 0), m);
        let gene = NbGene {
            counts: &counts,
            scale: &scale,
            ln_scale: &ln_scale,
            weights: None,
            alpha: 0.3,
        };
        start(&design, &gene, Some(0), &mut ws);
        evaluate(&design, &gene, 0.5, &mut ws);
        assert!(solve(&design, &options, &mut ws));
        let normal = ws.beta.clone();
        assert!(solve_by_qr(&design, &options, &mut ws));
        for (a, b) in normal.iter().zip(&ws.beta) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }

    #[test]
    fn hat_values_sum_to_the_number_of_coefficients() {
        let design = design(14);
        let mut ws = NbWorkspace::new(&design);
        let (counts, scale, ln_scale) = simulate(&mut stream(4, "irls", 0), 14);
        let gene = NbGene {
            counts: &counts,
            scale: &scale,
            ln_scale: &ln_scale,
            weights: None,
            alpha: 0.3,
        };
        fit_gene(&design, &gene, &IrlsOptions::new(4), Some(0), &mut ws);
        let trace: f64 = ws.hat.iter().sum();
        assert!((trace - 4.0).abs() < 1e-4, "{trace}");
    }

    #[test]
    fn a_group_of_zeros_ends_in_the_bounded_fit_or_converges() {
        let x = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let design = DesignRows::new(&x, 2);
        let mut ws = NbWorkspace::new(&design);
        let gene = NbGene {
            counts: &[40.0, 50.0, 0.0, 0.0],
            scale: &[1.0; 4],
            ln_scale: &[0.0; 4],
            weights: None,
            alpha: 0.1,
        };
        let fit = fit_gene(&design, &gene, &IrlsOptions::new(2), Some(0), &mut ws);
        assert!(fit.converged);
        assert!(ws.beta[1] < -4.0 && ws.beta.iter().all(|b| b.is_finite()));
    }
}
