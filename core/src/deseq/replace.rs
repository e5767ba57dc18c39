//! Replacement of count outliers where there are replicates enough, and refits of their genes.
//!
//! # Cost
//! Fits of the genes concerned; one pass over the counts for the base means.
//!
//! # Source
//! DESeq2 1.38, `replaceOutliers` and what `DESeq` does with it.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::Result;
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
use super::wald::{MatrixType, TestFit, replaceable_samples, wald_test};

/// Share of the normalised counts trimmed at each end. DESeq2: trim = 0.2.
const TRIM: f64 = 0.2;

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
    full: Option<crate::stats::glm::ModelMatrix>,
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
    let replacement = replace_counts(dataset, &analysis.fit, replaceable);
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

/// Counts after replacement of all genes with an outlier.
fn replace_counts(dataset: &DeseqDataset, fit: &TestFit, replaceable: Vec<bool>) -> Replacement {
    let mut reader = GeneReader::new(dataset);
    let mut replace = vec![false; dataset.n_genes()];
    let mut counts: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut level = 0.0;
    for &(gene, sample) in &fit.flagged {
        let (gene, sample) = (gene as usize, sample as usize);
        if !replace[gene] {
            replace[gene] = true;
            reader.read(gene);
            level = replacement_level(&reader.normalized, TRIM);
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
    all.means.coefficients[to * p..(to + 1) * p]
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
    if let (Some(all), Some(part)) = (&mut all.mle, &part.mle) {
        let q = all.names.len();
        all.beta[to * q..(to + 1) * q].copy_from_slice(&part.beta[from * q..(from + 1) * q]);
    }
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
