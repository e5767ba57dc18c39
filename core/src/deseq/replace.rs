//! Replacement of count outliers where there are replicates enough, and refits of their genes.
//!
//! # Cost
//! Fits of the genes concerned; one pass over the counts for the base means.
//!
//! # Source
//! DESeq2 1.38, `replaceOutliers` and what `DESeq` does with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::stats::glm::ModelMatrix;
use crate::stats::outliers::replacement_level;

use super::counts::Counts;
use super::dataset::{DeseqDataset, Design};
use super::dispersions::{Dispersions, redo_dispersions};
use super::genes::GeneReader;
use super::lrt::likelihood_ratio_test;
use super::moments::{Model, base_moments};
use super::notes::message;
use super::options::{DispersionOptions, TestOptions};
use super::pipeline::{Analysis, DeseqOptions, TestKind};
use super::wald::{MatrixType, TestFit, cooks_cutoff, replaceable_samples, wald_test};

/// How outliers are found and replaced by [`replace_outliers`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutlierOptions {
    /// Share of the normalised counts trimmed at each end of the mean. Default 0.2.
    pub trim: f64,
    /// Cook's distance above which a count is an outlier; [`super::cooks_cutoff`] of the matrix when absent.
    pub cooks_cutoff: Option<f64>,
    /// Samples that a cell of the design must have for its outliers to be replaced. Default 7.
    pub min_replicates: usize,
    /// Whether each sample's outliers are replaced; decided by `min_replicates` when absent.
    pub samples: Option<Vec<bool>>,
}

impl Default for OutlierOptions {
    fn default() -> Self {
        OutlierOptions {
            trim: 0.2,
            cooks_cutoff: None,
            min_replicates: 7,
            samples: None,
        }
    }
}

impl OutlierOptions {
    fn check(&self, n_samples: usize) -> Result<()> {
        if !(0.0..0.5).contains(&self.trim) {
            let message = format!("{}; must be at least 0 and below 0.5", self.trim);
            return Err(Error::argument("trim", message));
        }
        if self.min_replicates < 3 {
            return Err(Error::argument(
                "minReplicates",
                "must be at least 3: with fewer no count stands out from the others",
            ));
        }
        match &self.samples {
            Some(samples) if samples.len() != n_samples => Err(Error::argument(
                "whichSamples",
                format!("{} flags for {n_samples} samples", samples.len()),
            )),
            _ => Ok(()),
        }
    }
}

/// What was replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// Genes with an outlier (whether or not it could be replaced).
    pub replace: Vec<bool>,
    /// Samples whose outliers were replaced.
    pub replaceable: Vec<bool>,
    /// Counts of the genes with an outlier after replacement, by gene.
    pub counts: BTreeMap<usize, Vec<u32>>,
}

/// How genes are fitted again. As in DESeq2, floors of the mean and t tests are not passed on.
#[derive(Debug, Clone)]
pub(super) struct Refit {
    test: TestKind,
    reduced: Option<Design>,
    full: Option<ModelMatrix>,
    dispersions: DispersionOptions,
    fit: TestOptions,
}

impl Refit {
    pub fn of(options: &DeseqOptions) -> Self {
        Refit {
            test: options.test,
            reduced: options.reduced.clone(),
            full: options.full.clone(),
            dispersions: DispersionOptions {
                mode: options.dispersions.mode,
                ..DispersionOptions::default()
            },
            fit: TestOptions {
                beta_prior: options.fit.beta_prior,
                standard_matrix: options.fit.standard_matrix,
                min_replicates_for_replace: options.fit.min_replicates_for_replace,
                mode: options.dispersions.mode,
                ..TestOptions::default()
            },
        }
    }
}

/// Replaces outliers and fits their genes again, if some cell of the design is large enough.
pub(super) fn refit_without_outliers(
    ctx: &Context,
    dataset: &DeseqDataset,
    analysis: &mut Analysis,
    refit: &Refit,
) -> Result<()> {
    let standard = match analysis.fit.matrix_type {
        MatrixType::Expanded => dataset.model_matrix()?,
        _ => analysis.fit.matrix.clone(),
    };
    let least = refit.fit.min_replicates_for_replace;
    let replaceable = replaceable_samples(&Model::new(standard), least);
    if !replaceable.contains(&true) || analysis.fit.flagged.is_empty() {
        return Ok(());
    }
    let trim = OutlierOptions::default().trim;
    let replacement = replace_counts(dataset, &analysis.fit.flagged, replaceable, trim);
    let flagged: Vec<usize> = replacement.counts.keys().copied().collect();
    let new_counts = flagged
        .iter()
        .flat_map(|gene| replacement.counts[gene].clone())
        .collect();
    let mut part = dataset.select_genes(&flagged);
    part.counts = Counts::dense(new_counts, flagged.len(), dataset.n_samples())?;
    let moments = base_moments(
        ctx,
        &part,
        &analysis.dispersions.model_matrix,
        refit.dispersions.weight_threshold,
    )?;
    let kept: Vec<usize> = (0..flagged.len())
        .filter(|&i| !moments.all_zero[i])
        .collect();
    for (i, &gene) in flagged.iter().enumerate() {
        analysis.dispersions.moments.mean[gene] = moments.mean[i];
        analysis.dispersions.moments.variance[gene] = moments.variance[i];
        analysis.dispersions.moments.all_zero[gene] = moments.all_zero[i];
    }
    if !kept.is_empty() {
        message(
            ctx,
            &format!(
                "-- replacing outliers and refitting for {} genes\n-- DESeq argument \
                 'minReplicatesForReplace' = {least} \n-- original counts are preserved in counts(dds)",
                flagged.len()
            ),
        )?;
        let part = part.select_genes(&kept);
        let genes: Vec<usize> = kept.iter().map(|&i| flagged[i]).collect();
        fit_again(ctx, &part, &genes, analysis, refit)?;
        for (i, &gene) in flagged.iter().enumerate() {
            if moments.all_zero[i] {
                clear_results(&mut analysis.fit, gene);
            }
        }
        analysis.fit.max_cooks = if replacement.replaceable.contains(&false) {
            analysis.fit.max_cooks_kept.clone()
        } else {
            vec![f64::NAN; dataset.n_genes()]
        };
    }
    analysis.replacement = Some(replacement);
    Ok(())
}

/// Replaces the outliers among the counts: a new data set, with the size factors of the old one, and what was done.
/// Nothing is fitted again. `matrix` is that of the fit whose Cook's distances, genes x samples, are given.
///
/// # Errors
/// `State` without size factors; `InvalidArgument` for shapes and options that do not fit.
pub fn replace_outliers(
    dataset: &DeseqDataset,
    matrix: &ModelMatrix,
    cooks: &[f64],
    options: &OutlierOptions,
) -> Result<(DeseqDataset, Replacement)> {
    let (n, m) = (dataset.n_genes(), dataset.n_samples());
    dataset.require_factors()?;
    options.check(m)?;
    if cooks.len() != n * m {
        let message = format!("{} values for {n} genes x {m} samples", cooks.len());
        return Err(Error::argument("cooks", message));
    }
    let cutoff = options
        .cooks_cutoff
        .unwrap_or_else(|| cooks_cutoff(m, matrix.n_columns()));
    let above = cooks.iter().enumerate().filter(|(_, d)| **d > cutoff);
    let flagged: Vec<(u32, u32)> = above
        .map(|(at, _)| ((at / m) as u32, (at % m) as u32))
        .collect();
    let replaceable = match &options.samples {
        Some(samples) => samples.clone(),
        None => replaceable_samples(&Model::new(matrix.clone()), options.min_replicates),
    };
    let replacement = replace_counts(dataset, &flagged, replaceable, options.trim);
    let mut counts = Vec::with_capacity(n * m);
    for gene in 0..n {
        match replacement.counts.get(&gene) {
            Some(row) => counts.extend_from_slice(row),
            None => counts.extend(dataset.counts.row(gene)),
        }
    }
    let changed = dataset.with_counts(Counts::dense(counts, n, m)?);
    Ok((changed, replacement))
}

/// Counts after replacement of all genes with an outlier; `flagged` are (gene, sample), a gene's in a row.
fn replace_counts(
    dataset: &DeseqDataset,
    flagged: &[(u32, u32)],
    replaceable: Vec<bool>,
    trim: f64,
) -> Replacement {
    let mut reader = GeneReader::new(dataset);
    let mut replace = vec![false; dataset.n_genes()];
    let mut counts: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut level = 0.0;
    for &(gene, sample) in flagged {
        let (gene, sample) = (gene as usize, sample as usize);
        if !replace[gene] {
            replace[gene] = true;
            reader.read(gene);
            level = replacement_level(&reader.normalized, trim);
        }
        let row = counts
            .entry(gene)
            .or_insert_with(|| reader.counts.iter().map(|&k| k as u32).collect());
        if replaceable[sample] {
            row[sample] = (level * reader.scale[sample]) as u32;
        }
    }
    Replacement {
        replace,
        replaceable,
        counts,
    }
}

/// Dispersions and test of the genes with new counts, put in their places.
fn fit_again(
    ctx: &Context,
    part: &DeseqDataset,
    genes: &[usize],
    analysis: &mut Analysis,
    refit: &Refit,
) -> Result<()> {
    message(ctx, "estimating dispersions")?;
    let dispersions = redo_dispersions(ctx, part, &analysis.dispersions, &refit.dispersions)?;
    message(ctx, "fitting model and testing")?;
    let mut options = refit.fit.clone();
    options.beta_prior_variance = analysis.fit.beta_prior_variance.clone();
    let fit = match refit.test {
        TestKind::Wald => wald_test(ctx, part, &dispersions, refit.full.as_ref(), &options)?,
        TestKind::Lrt => likelihood_ratio_test(
            ctx,
            part,
            &dispersions,
            refit.full.clone().map(Design::Matrix).as_ref(),
            refit.reduced.as_ref().expect("checked before"),
            &options,
        )?,
    };
    for (from, &to) in genes.iter().enumerate() {
        put_dispersions(&mut analysis.dispersions, to, &dispersions, from);
        put_fit(&mut analysis.fit, to, &fit, from);
    }
    Ok(())
}

fn put_dispersions(all: &mut Dispersions, to: usize, part: &Dispersions, from: usize) {
    all.gene_est[to] = part.gene_est[from];
    all.gene_iter[to] = part.gene_iter[from];
    all.fit[to] = part.fit[from];
    all.dispersion[to] = part.dispersion[from];
    all.iter[to] = part.iter[from];
    all.outlier[to] = part.outlier[from];
    all.map[to] = part.map[from];
    let p = all.model_matrix.n_columns();
    Arc::make_mut(&mut all.means).coefficients[to * p..(to + 1) * p]
        .copy_from_slice(&part.means.coefficients[from * p..(from + 1) * p]);
}

fn put_fit(all: &mut TestFit, to: usize, part: &TestFit, from: usize) {
    let p = all.n_columns();
    let copy = |all: &mut [f64], part: &[f64]| {
        if !all.is_empty() {
            all[to * p..(to + 1) * p].copy_from_slice(&part[from * p..(from + 1) * p]);
        }
    };
    copy(&mut all.beta, &part.beta);
    copy(&mut all.se, &part.se);
    copy(&mut all.wald_statistic, &part.wald_statistic);
    copy(&mut all.wald_pvalue, &part.wald_pvalue);
    all.converged[to] = part.converged[from];
    all.iterations[to] = part.iterations[from];
    all.deviance[to] = part.deviance[from];
    if let (Some(all), Some(part)) = (&mut all.lrt, &part.lrt) {
        all.statistic[to] = part.statistic[from];
        all.pvalue[to] = part.pvalue[from];
        all.reduced_converged[to] = part.reduced_converged[from];
    }
    // As in DESeq2, coefficients without prior stay those of the original counts.
}

/// All results of a gene whose counts have become zero are missing.
fn clear_results(fit: &mut TestFit, gene: usize) {
    let p = fit.n_columns();
    for values in [
        &mut fit.beta,
        &mut fit.se,
        &mut fit.wald_statistic,
        &mut fit.wald_pvalue,
    ] {
        if !values.is_empty() {
            values[gene * p..(gene + 1) * p].fill(f64::NAN);
        }
    }
    fit.iterations[gene] = f64::NAN;
    fit.deviance[gene] = f64::NAN;
    if let Some(lrt) = &mut fit.lrt {
        lrt.statistic[gene] = f64::NAN;
        lrt.pvalue[gene] = f64::NAN;
    }
    if let Some(mle) = &mut fit.mle {
        let q = mle.names.len();
        mle.beta[gene * q..(gene + 1) * q].fill(f64::NAN);
    }
}
