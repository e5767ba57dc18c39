//! One pixel after the other: its counts set up once, then fitted with any set of types.

use crate::stats::poisson_lognormal::LikelihoodTable;

use super::config::{Mode, RctdOptions};
use super::irwls::{Design, PixelCounts, Problem, SolveOptions, Workspace};
use super::results::PixelColumns;

/// Types with more weight than this are candidates. spacexr: 0.01.
pub(crate) const CANDIDATE_CUT: f64 = 0.01;

/// Iterations of fits that are only scored. spacexr: 25.
const SCORE_ITERATIONS: u32 = 25;

/// Fits pixels one at a time; owns the scratch memory.
pub(crate) struct PixelFitter<'a> {
    pub(crate) design: &'a Design,
    pub(crate) table: &'a LikelihoodTable,
    pub(crate) options: &'a RctdOptions,
    pub(crate) classes: &'a [u32],
    n_umi: f64,
    counts: PixelCounts,
    workspace: Workspace,
}

impl<'a> PixelFitter<'a> {
    pub(crate) fn new(
        design: &'a Design,
        table: &'a LikelihoodTable,
        options: &'a RctdOptions,
        classes: &'a [u32],
    ) -> Self {
        PixelFitter {
            design,
            table,
            options,
            classes,
            n_umi: 0.0,
            counts: PixelCounts::new(design.n_genes(), table.rows()),
            workspace: Workspace::new(design),
        }
    }

    /// Makes the pixel of these counts (gene positions of the regression list) the current one.
    pub(crate) fn set_pixel(&mut self, entries: impl Iterator<Item = (u32, u32)>, n_umi: f64) {
        self.counts.set(entries);
        self.n_umi = n_umi;
    }

    /// Fits the current pixel in `mode` and appends it to `out`; says whether a candidate was found.
    pub(crate) fn fit(&mut self, mode: Mode, out: &mut PixelColumns) {
        match mode {
            Mode::Full => {
                self.fit_all(out);
            }
            Mode::Doublet => self.fit_doublet(out),
            Mode::Multi => self.fit_multi(out),
        }
    }

    /// Fits all types, appends weights and convergence, and gives the weights.
    pub(crate) fn fit_all(&mut self, out: &mut PixelColumns) -> Vec<f64> {
        let mut weights = vec![0.0; self.design.n_types()];
        let converged = self.solve(None, self.options.max_iter, &mut weights);
        out.weights.extend_from_slice(&weights);
        out.converged.push(converged);
        weights
    }

    /// Weights of all types without storing them (used for sigma).
    pub(crate) fn weights_of_all(&mut self, weights: &mut [f64]) -> bool {
        self.solve(None, self.options.max_iter, weights)
    }

    /// Score (negative log-likelihood) of the best fit with these types.
    pub(crate) fn score(&mut self, types: &[u32]) -> f64 {
        let mut weights = vec![0.0; types.len()];
        self.solve(Some(types), SCORE_ITERATIONS, &mut weights);
        let problem = Problem {
            design: self.design,
            pixel: &self.counts,
            n_umi: self.n_umi,
            table: self.table,
        };
        problem.score(&mut self.workspace, Some(types), &weights)
    }

    /// Fits these types to convergence; weights sum to 1.
    pub(crate) fn fit_types(&mut self, types: &[u32], weights: &mut [f64]) -> bool {
        let converged = self.solve(Some(types), self.options.max_iter, weights);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        converged
    }

    fn solve(&mut self, types: Option<&[u32]>, n_iter: u32, weights: &mut [f64]) -> bool {
        let options = SolveOptions {
            n_iter,
            min_change: self.options.min_change_reg,
            step: self.options.step_size,
            qp_method: self.options.qp_method,
        };
        let problem = Problem {
            design: self.design,
            pixel: &self.counts,
            n_umi: self.n_umi,
            table: self.table,
        };
        problem
            .solve(&mut self.workspace, types, &options, weights)
            .converged
    }
}
