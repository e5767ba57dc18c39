//! Gene-wise dispersions: rough start, fitted means, maximum of the adjusted profile likelihood.
//!
//! # Cost
//! A linear or an IRLS fit and 5 to 20 evaluations of the profile a gene. Memory: the columns and
//! the coefficients of the fitted means.
//!
//! # Source
//! DESeq2 1.38, `estimateDispersionsGeneEst`.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::dispersion::{
    DispersionProfile, Grid, LineSearch, NewtonOptions, ProfileWorkspace, SearchOptions,
    grid_search, line_search, newton_search,
};
use crate::stats::glm::{
    DesignRows, IrlsOptions, LeastSquares, NbWorkspace, fit_gene, fit_means_quickly,
};

use super::dataset::DeseqDataset;
use super::genes::{GeneReader, by_blocks};
use super::moments::{BaseMoments, Model, mean_inverse_factor};
use super::options::{DispersionOptions, Mode};

/// Weights below this are raised to it in the likelihood of the dispersion. DESeq2: 1e-6.
const LEAST_WEIGHT: f64 = 1e-6;
/// Change of ln alpha above which a gene is fitted again. DESeq2: 0.05.
const MOVED: f64 = 0.05;
/// Floor of the means inside the fit, whatever the floor of the user. DESeq2: 0.5.
const FIT_MIN_MU: f64 = 0.5;

/// In fast mode, the least ln alpha that Newton's method is trusted with. Below it the likelihood is
/// flat and where the reference's search stops decides which genes enter the trend.
const QUICK_FROM: f64 = -8.0;
/// Largest ln alpha of a search. DESeq2: 10.
pub(super) const HIGHEST: f64 = 10.0;
/// In fast mode, the step of ln alpha after which nothing is evaluated any more.
pub(super) const QUICK_LAST_STEP: f64 = 2e-3;
/// In fast mode, evaluations after which the reference's search takes over.
pub(super) const QUICK_ITERATIONS: u32 = 30;

/// Fitted means of all genes as coefficients.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FittedMeans {
    /// Coefficients of the design rows: a value a design column, gene-major.
    pub coefficients: Vec<f64>,
    /// Whether the fit is linear (means of normalised counts) or on the log scale.
    pub linear: bool,
    /// Floor.
    pub min_mu: f64,
    /// The means themselves, genes x samples, when a host kept them; used instead of coefficients.
    pub given: Option<Vec<f64>>,
}

impl FittedMeans {
    /// Whether there are means; dispersions of a host's own come without.
    pub fn are_known(&self) -> bool {
        self.given.is_some() || !self.coefficients.is_empty()
    }

    /// Writes the floored means of a gene.
    pub fn write(
        &self,
        design: &DesignRows,
        gene: usize,
        scale: &[f64],
        by_row: &mut [f64],
        mu: &mut [f64],
    ) {
        if let Some(given) = &self.given {
            let m = mu.len();
            mu.copy_from_slice(&given[gene * m..(gene + 1) * m]);
            return;
        }
        let p = design.n_columns();
        design.predict(&self.coefficients[gene * p..(gene + 1) * p], by_row);
        if !self.linear {
            by_row
                .iter_mut()
                .for_each(|v| *v = crate::stats::vector_math::exp(*v));
        }
        for ((mu, s), &row) in mu.iter_mut().zip(scale).zip(design.row_of_sample()) {
            *mu = (s * by_row[row as usize]).max(self.min_mu);
        }
    }
}

/// Gene-wise estimates; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GeneWise {
    pub dispersion: Vec<f64>,
    pub iterations: Vec<f64>,
    pub means: Arc<FittedMeans>,
}

/// Dispersions, proposals and coefficients of the means, gene after gene.
pub(super) type Found = (Vec<f64>, Vec<f64>, Vec<f64>);

pub(super) fn room_for(n_genes: usize, n_columns: usize) -> Found {
    let room = Vec::with_capacity;
    (room(n_genes), room(n_genes), room(n_genes * n_columns))
}

/// Largest dispersion for `m` samples. DESeq2: max(10, m).
pub(super) fn max_dispersion(n_samples: usize) -> f64 {
    (n_samples as f64).max(10.0)
}

pub(super) fn search_options(options: &DispersionOptions) -> SearchOptions {
    SearchOptions {
        kappa_0: options.kappa_0,
        tolerance: options.tolerance,
        max_iterations: options.max_iterations,
        min_log_alpha: libm::log(options.min_disp / 10.0),
    }
}

/// The grid of DESeq2: ln 1e-8 to ln max(10, m).
pub(super) fn search_grid(n_samples: usize) -> Grid {
    Grid {
        low: libm::log(1e-8),
        high: libm::log(max_dispersion(n_samples)),
    }
}

/// Everything one gene needs.
pub(super) struct Estimator<'a> {
    pub design: &'a DesignRows,
    least_squares: Option<LeastSquares>,
    pub options: &'a DispersionOptions,
    irls: IrlsOptions,
    intercept: Option<usize>,
    pub linear: bool,
    mean_inverse: f64,
    pub max_disp: f64,
}

pub(super) struct Scratch<'a> {
    pub reader: GeneReader<'a>,
    nb: NbWorkspace,
    profile: ProfileWorkspace,
    by_row: Vec<f64>,
    pub beta: Vec<f64>,
    pub mu: Vec<f64>,
}

impl<'a> Scratch<'a> {
    /// Memory for one worker.
    pub fn new(dataset: &'a DeseqDataset, model: &Model) -> Self {
        Scratch {
            reader: GeneReader::new(dataset),
            nb: NbWorkspace::new(&model.rows),
            profile: ProfileWorkspace::new(&model.rows),
            by_row: vec![0.0; model.rows.n_rows()],
            beta: vec![0.0; model.rows.n_columns()],
            mu: vec![0.0; dataset.n_samples()],
        }
    }
}

/// Estimates for all genes of a data set.
pub(super) fn gene_wise(
    ctx: &Context,
    dataset: &DeseqDataset,
    model: &Model,
    moments: &BaseMoments,
    options: &DispersionOptions,
) -> Result<GeneWise> {
    let (p, estimator) = (
        model.rows.n_columns(),
        Estimator::new(dataset, model, moments, options)?,
    );
    let mut found = room_for(dataset.n_genes(), p);
    by_blocks(
        ctx,
        "gene-wise dispersion estimates",
        dataset,
        || Scratch::new(dataset, model),
        |scratch, range| {
            let mut part = room_for(range.len(), p);
            for gene in range {
                ctx.check_cancelled()?;
                let (alpha, iterations) = if moments.all_zero[gene] {
                    scratch.beta.fill(f64::NAN);
                    (f64::NAN, f64::NAN)
                } else {
                    estimator.gene(scratch, gene, moments)
                };
                part.0.push(alpha);
                part.1.push(iterations);
                part.2.extend_from_slice(&scratch.beta);
            }
            Ok(part)
        },
        |(dispersion, iterations, coefficients)| {
            found.0.extend(dispersion);
            found.1.extend(iterations);
            found.2.extend(coefficients);
            Ok(())
        },
    )?;
    Ok(estimator.estimates(found))
}

impl<'a> Estimator<'a> {
    /// Checks the options and the design.
    pub fn new(
        dataset: &DeseqDataset,
        model: &'a Model,
        moments: &BaseMoments,
        options: &'a DispersionOptions,
    ) -> Result<Self> {
        let (m, p) = (dataset.n_samples(), model.rows.n_columns());
        if m == p {
            return Err(Error::argument(
                "design",
                format!(
                    "has {p} coefficients for {m} samples, which leaves nothing to estimate dispersions from; \
                     a design with fewer coefficients or more samples is needed"
                ),
            ));
        }
        if let Some(init) = &options.alpha_init {
            if init.len() != 1 && init.len() != dataset.n_genes() {
                return Err(Error::argument(
                    "alphaInit",
                    "must have one value, or one a gene",
                ));
            }
        }
        let mut irls = IrlsOptions::new(p);
        irls.min_mu = FIT_MIN_MU;
        let may_be_linear = model.rows.n_rows() == p && dataset.weights.is_none();
        Ok(Estimator {
            design: &model.rows,
            least_squares: model.rows.least_squares(),
            options,
            irls,
            intercept: model.matrix.intercept(),
            linear: options.linear_mu.unwrap_or(may_be_linear) && dataset.weights.is_none(),
            mean_inverse: mean_inverse_factor(dataset, &moments.all_zero),
            max_disp: max_dispersion(m),
        })
    }

    /// What was found for all genes.
    pub fn estimates(&self, (dispersion, iterations, coefficients): Found) -> GeneWise {
        GeneWise {
            dispersion,
            iterations,
            means: Arc::new(self.means(coefficients)),
        }
    }

    fn means(&self, coefficients: Vec<f64>) -> FittedMeans {
        FittedMeans {
            coefficients,
            linear: self.linear,
            min_mu: self.options.min_mu(),
            given: None,
        }
    }

    /// Dispersion and iterations of a gene; the coefficients of its means stay in the scratch.
    fn gene(&self, scratch: &mut Scratch<'_>, gene: usize, moments: &BaseMoments) -> (f64, f64) {
        let options = self.options;
        scratch.reader.read(gene);
        scratch.reader.floor_weights(LEAST_WEIGHT);
        scratch.reader.fill_table();
        let start = self.start(scratch, gene, moments);
        let search = search_options(options);
        let (mut alpha, mut last) = (start, None);
        for _ in 0..options.n_iterations {
            self.fit_means(scratch, alpha);
            let found = self.search(scratch, libm::log(alpha), &search);
            let new = libm::exp(found.log_alpha).min(self.max_disp);
            let moved = (libm::log(new) - libm::log(alpha)).abs() > MOVED;
            alpha = new;
            last = Some(found);
            if !moved {
                break;
            }
        }
        let Some(last) = last else {
            return (start, 0.0);
        };
        if options.n_iterations == 1 && last.last < last.initial + last.initial.abs() / 1e6 {
            alpha = start;
        }
        // An estimate after one proposal or the most allowed is not trusted unless it is tiny.
        let converged = last.iterations < options.max_iterations && last.iterations != 1;
        if !converged && alpha > options.min_disp * 10.0 {
            alpha = libm::exp(self.grid(scratch));
        }
        (
            alpha.clamp(options.min_disp, self.max_disp),
            f64::from(last.iterations),
        )
    }

    /// The dispersion that the estimate of a gene that was read starts from.
    pub fn start(&self, scratch: &mut Scratch<'_>, gene: usize, moments: &BaseMoments) -> f64 {
        match &self.options.alpha_init {
            Some(init) => init[if init.len() == 1 { 0 } else { gene }],
            None => self.rough(scratch, moments.mean[gene], moments.variance[gene]),
        }
        .clamp(self.options.min_disp, self.max_disp)
    }

    /// The smaller of an estimate from squared residuals and one from the moments.
    fn rough(&self, scratch: &mut Scratch<'_>, mean: f64, variance: f64) -> f64 {
        let (m, p) = (self.design.n_samples(), self.design.n_columns());
        self.linear_fit(scratch);
        self.design.predict(&scratch.beta, &mut scratch.by_row);
        let normalized = &scratch.reader.normalized;
        let sum: f64 = normalized
            .iter()
            .zip(self.design.row_of_sample())
            .map(|(q, &row)| {
                let mu = scratch.by_row[row as usize].max(1.0);
                ((q - mu) * (q - mu) - mu) / (mu * mu)
            })
            .sum();
        let rough = (sum / (m - p) as f64).max(0.0);
        let by_moments = (variance - self.mean_inverse * mean) / (mean * mean);
        rough.min(by_moments)
    }

    /// Least squares of the normalised counts; coefficients in `beta`.
    pub fn linear_fit(&self, scratch: &mut Scratch<'_>) {
        self.design
            .sum_by_row(&scratch.reader.normalized, &mut scratch.by_row);
        match &self.least_squares {
            Some(fit) => fit.solve(self.design, &scratch.by_row, &mut scratch.beta),
            None => scratch.beta.fill(0.0),
        }
    }

    fn fit_means(&self, scratch: &mut Scratch<'_>, alpha: f64) {
        if self.linear {
            self.linear_fit(scratch);
        } else {
            let (gene, ws) = (scratch.reader.gene(alpha), &mut scratch.nb);
            if self.options.mode == Mode::Fast {
                fit_means_quickly(self.design, &gene, &self.irls, self.intercept, ws);
            } else {
                fit_gene(self.design, &gene, &self.irls, self.intercept, ws);
            }
            scratch.beta.copy_from_slice(&scratch.nb.beta);
        }
        self.write_means(scratch);
    }

    /// The floored means of the coefficients of the scratch.
    pub fn write_means(&self, scratch: &mut Scratch<'_>) {
        let means = self.means(std::mem::take(&mut scratch.beta));
        means.write(
            self.design,
            0,
            &scratch.reader.scale,
            &mut scratch.by_row,
            &mut scratch.mu,
        );
        scratch.beta = means.coefficients;
    }

    fn search(&self, scratch: &mut Scratch<'_>, start: f64, search: &SearchOptions) -> LineSearch {
        let mut profile = self.profile(scratch);
        if self.options.mode == Mode::Fast && start >= QUICK_FROM {
            let options = NewtonOptions {
                low: QUICK_FROM,
                high: HIGHEST,
                last_step: QUICK_LAST_STEP,
                max_iterations: search.max_iterations.min(QUICK_ITERATIONS),
            };
            let found = newton_search(&mut profile, start, &options);
            if found.converged {
                return LineSearch {
                    log_alpha: found.log_alpha,
                    // A start at the maximum is no failure, which 1 would mean.
                    iterations: found.iterations.max(2),
                    initial: found.initial,
                    last: found.last,
                };
            }
        }
        line_search(&mut profile, start, search)
    }

    pub fn grid(&self, scratch: &mut Scratch<'_>) -> f64 {
        grid_search(
            &mut self.profile(scratch),
            search_grid(self.design.n_samples()),
        )
    }

    pub fn profile<'s>(&'s self, scratch: &'s mut Scratch<'_>) -> DispersionProfile<'s> {
        let (reader, profile) = (&mut scratch.reader, &mut scratch.profile);
        let (counts, weights, table) = reader.parts();
        DispersionProfile::new(
            counts,
            &scratch.mu,
            weights.map(|w| (w, self.options.weight_threshold)),
            self.design,
            self.options.use_cox_reid,
            (table, profile),
        )
    }
}
