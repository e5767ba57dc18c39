//! Coefficients of all genes for one model matrix, with Cook's distances on the way.
//!
//! # Cost
//! An IRLS fit a gene. Memory: the columns; genes x samples only where assays are kept.

use std::ops::Range;

use crate::context::Context;
use crate::error::Result;
use crate::stats::glm::{
    DesignRows, GeneFit, IrlsOptions, NbWorkspace, fit_gene, fit_gene_quickly,
};
use crate::stats::nb::ln_probability;
use crate::stats::outliers::{RobustDispersion, cooks_distance, samples_in_cells_of};

use super::dataset::DeseqDataset;
use super::gene_wise::FittedMeans;
use super::genes::{GeneReader, by_blocks};
use super::moments::Model;

/// What is done with Cook's distances.
#[derive(Debug, Clone)]
pub(super) struct CooksPlan {
    robust: RobustDispersion,
    /// Samples whose distances count for the maximum; none when no cell has three samples.
    counted: Vec<bool>,
    /// Samples whose counts may be replaced.
    replaceable: Vec<bool>,
    /// Distances above this are listed.
    cutoff: f64,
}

impl CooksPlan {
    /// For a model; `None` when there are no more samples than coefficients.
    pub fn new(model: &Model, replaceable: Vec<bool>, cutoff: f64) -> Option<Self> {
        (model.residual_df() > 0).then(|| CooksPlan {
            robust: RobustDispersion::new(&model.rows),
            counted: samples_in_cells_of(&model.rows, 3),
            replaceable,
            cutoff,
        })
    }
}

/// Genes x samples, gene-major; NaN rows for genes that are not fitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assays {
    /// Fitted means.
    pub mu: Vec<f64>,
    /// Diagonal of the hat matrix.
    pub hat: Vec<f64>,
    /// Cook's distances.
    pub cooks: Vec<f64>,
}

/// Fits of all genes; NaN where a gene is not fitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fits {
    /// Log2 coefficients, genes x coefficients.
    pub beta: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    pub iterations: Vec<f64>,
    pub converged: Vec<bool>,
    pub ln_likelihood: Vec<f64>,
    pub max_cooks: Vec<f64>,
    /// The largest distance when replaceable samples count as 0.
    pub max_cooks_kept: Vec<f64>,
    /// The sample with the largest distance.
    pub worst_sample: Vec<u32>,
    /// (gene, sample) with distances above the cutoff.
    pub flagged: Vec<(u32, u32)>,
    pub assays: Option<Assays>,
}

/// Everything that a fit of all genes is told.
pub(super) struct FitPlan<'a> {
    pub model: &'a Model,
    pub dispersions: &'a [f64],
    pub skip: &'a [bool],
    pub irls: IrlsOptions,
    pub cooks: Option<CooksPlan>,
    /// Means that Cook's distances are about; those of the fit when absent.
    pub cooks_means: Option<CooksMeans<'a>>,
    pub keep_assays: bool,
    pub quick: Option<Quick<'a>>,
}

/// Means of an earlier step, with the design that they are of.
pub(super) struct CooksMeans<'a> {
    pub means: &'a FittedMeans,
    pub rows: DesignRows,
}

/// Fits by the quickest way.
pub(super) struct Quick<'a> {
    /// Coefficients (natural log) to start from, genes x coefficients, where there are some.
    pub first: Option<&'a [f64]>,
}

struct Scratch<'a> {
    reader: GeneReader<'a>,
    nb: NbWorkspace,
    cooks: Vec<f64>,
    /// Means of an earlier step that Cook's distances are about, by sample and by row of their design.
    about: Vec<f64>,
    about_row: Vec<f64>,
}

impl FitPlan<'_> {
    /// Fits all genes of the data set.
    pub fn run(&self, ctx: &Context, stage: &str, dataset: &DeseqDataset) -> Result<Fits> {
        let mut all = Fits {
            assays: self.keep_assays.then(Assays::default),
            ..Fits::default()
        };
        by_blocks(
            ctx,
            stage,
            dataset,
            || Scratch {
                reader: GeneReader::new(dataset),
                nb: NbWorkspace::new(&self.model.rows),
                cooks: vec![0.0; dataset.n_samples()],
                about: vec![0.0; dataset.n_samples()],
                about_row: vec![0.0; self.cooks_means.as_ref().map_or(0, |c| c.rows.n_rows())],
            },
            |scratch, range| self.block(ctx, scratch, range),
            |part| {
                all.append(part);
                Ok(())
            },
        )?;
        Ok(all)
    }

    fn block(&self, ctx: &Context, scratch: &mut Scratch<'_>, range: Range<usize>) -> Result<Fits> {
        let mut part = Fits {
            assays: self.keep_assays.then(Assays::default),
            ..Fits::default()
        };
        let (m, p) = (scratch.cooks.len(), self.model.rows.n_columns());
        for gene in range {
            ctx.check_cancelled()?;
            if self.skip[gene] {
                part.push_missing(m, p);
                continue;
            }
            scratch.reader.read(gene);
            let fit = self.gene(scratch, gene);
            let log2_e = std::f64::consts::LOG2_E;
            part.beta.extend(scratch.nb.beta.iter().map(|b| b * log2_e));
            part.se
                .extend((0..p).map(|k| scratch.nb.covariance[k * p + k].sqrt() * log2_e));
            part.iterations.push(f64::from(fit.iterations));
            part.converged.push(fit.converged);
            part.ln_likelihood.push(fit.ln_likelihood);
            self.cooks(scratch, gene, &mut part);
            if let Some(assays) = &mut part.assays {
                assays.mu.extend_from_slice(&scratch.nb.mu);
                assays.hat.extend_from_slice(&scratch.nb.hat);
                assays.cooks.extend_from_slice(&scratch.cooks);
            }
        }
        Ok(part)
    }

    fn gene(&self, scratch: &mut Scratch<'_>, gene: usize) -> GeneFit {
        let reader = &scratch.reader;
        let alpha = self.dispersions[gene];
        let small_ridge = IrlsOptions::new(1).ridge[0] * (1.0 + 1e-12);
        if self.model.is_intercept_only() && self.irls.ridge[0] <= small_ridge {
            return intercept_only(reader, alpha, &mut scratch.nb);
        }
        let intercept = self.model.matrix.intercept();
        let (rows, data, ws) = (&self.model.rows, reader.gene(alpha), &mut scratch.nb);
        let is_small = self.irls.ridge.iter().all(|r| *r <= small_ridge);
        match &self.quick {
            Some(quick) if is_small => {
                let p = rows.n_columns();
                let first = quick.first.map(|all| &all[gene * p..(gene + 1) * p]);
                fit_gene_quickly(rows, &data, &self.irls, (intercept, first), ws)
            }
            _ => fit_gene(rows, &data, &self.irls, intercept, ws),
        }
    }

    fn cooks(&self, scratch: &mut Scratch<'_>, gene: usize, part: &mut Fits) {
        let Some(plan) = &self.cooks else {
            scratch.cooks.fill(f64::NAN);
            part.max_cooks.push(f64::NAN);
            part.max_cooks_kept.push(f64::NAN);
            part.worst_sample.push(0);
            return;
        };
        let p = self.model.rows.n_columns() as f64;
        let about: &[f64] = match &self.cooks_means {
            Some(known) => {
                let (scale, by_row) = (&scratch.reader.scale, &mut scratch.about_row);
                known
                    .means
                    .write(&known.rows, gene, scale, by_row, &mut scratch.about);
                &scratch.about
            }
            None => &scratch.nb.mu,
        };
        let dispersion = plan.robust.of(&scratch.reader.normalized);
        let (mut most, mut most_kept) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut worst = (f64::NEG_INFINITY, 0);
        for (j, &mu) in about.iter().enumerate() {
            let distance = cooks_distance(
                scratch.reader.counts[j],
                mu,
                dispersion,
                scratch.nb.hat[j],
                p,
            );
            scratch.cooks[j] = distance;
            if distance > worst.0 {
                worst = (distance, j as u32);
            }
            if distance > plan.cutoff {
                part.flagged.push((gene as u32, j as u32));
            }
            if plan.counted[j] {
                most = most.max(distance);
                most_kept = most_kept.max(if plan.replaceable[j] { 0.0 } else { distance });
            }
        }
        let or_missing = |value: f64| {
            if value == f64::NEG_INFINITY {
                f64::NAN
            } else {
                value
            }
        };
        part.max_cooks.push(or_missing(most));
        part.max_cooks_kept.push(or_missing(most_kept));
        part.worst_sample.push(worst.1);
    }
}

/// The closed form for a design of an intercept alone.
fn intercept_only(reader: &GeneReader<'_>, alpha: f64, nb: &mut NbWorkspace) -> GeneFit {
    let weight = |j: usize| reader.weights().map_or(1.0, |w| w[j]);
    let m = reader.counts.len();
    let total: f64 = (0..m).map(weight).sum();
    let mean = (0..m)
        .map(|j| weight(j) * reader.normalized[j])
        .sum::<f64>()
        / total;
    nb.beta[0] = libm::log(mean);
    let (mut information, mut ln_likelihood) = (0.0, 0.0);
    for j in 0..m {
        let mu = reader.scale[j] * mean;
        nb.mu[j] = mu;
        nb.hat[j] = weight(j) / (1.0 / mu + alpha);
        information += nb.hat[j];
        ln_likelihood += weight(j) * ln_probability(reader.counts[j], mu, alpha);
    }
    nb.hat.iter_mut().for_each(|h| *h /= information);
    nb.covariance[0] = 1.0 / information;
    GeneFit {
        iterations: 1,
        converged: true,
        ln_likelihood,
        optim: false,
    }
}

impl Fits {
    fn push_missing(&mut self, m: usize, p: usize) {
        let missing = f64::NAN;
        self.beta.extend(std::iter::repeat_n(missing, p));
        self.se.extend(std::iter::repeat_n(missing, p));
        self.iterations.push(missing);
        self.converged.push(false);
        self.ln_likelihood.push(missing);
        self.max_cooks.push(missing);
        self.max_cooks_kept.push(missing);
        self.worst_sample.push(0);
        if let Some(assays) = &mut self.assays {
            for matrix in [&mut assays.mu, &mut assays.hat, &mut assays.cooks] {
                matrix.extend(std::iter::repeat_n(missing, m));
            }
        }
    }

    pub fn append(&mut self, part: Fits) {
        self.beta.extend(part.beta);
        self.se.extend(part.se);
        self.iterations.extend(part.iterations);
        self.converged.extend(part.converged);
        self.ln_likelihood.extend(part.ln_likelihood);
        self.max_cooks.extend(part.max_cooks);
        self.max_cooks_kept.extend(part.max_cooks_kept);
        self.worst_sample.extend(part.worst_sample);
        self.flagged.extend(part.flagged);
        if let (Some(all), Some(part)) = (&mut self.assays, part.assays) {
            all.mu.extend(part.mu);
            all.hat.extend(part.hat);
            all.cooks.extend(part.cooks);
        }
    }
}
