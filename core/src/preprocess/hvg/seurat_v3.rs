//! Variances of standardised counts: flavours `seurat_v3` and `seurat_v3_paper`.
//!
//! # Cost
//! Two passes over the counts (one when the moments are known); a fit over the genes for each batch.
//! Memory: 40 bytes a gene and batch, and half of it for each block in flight.
//!
//! # Source
//! Stuart et al. 2019 as scanpy 1.11.5 has it. Ties in rank fall by gene order (the reference's sort
//! leaves them to chance).

use crate::context::Context;
use crate::data::rows::RowReader;
use crate::data::rows::scan::Scan;
use crate::error::{Error, Result};
use crate::stats::loess::loess;

use super::dispersion::median;
use super::moments::{Batches, MeanVariance, MomentSums, Viewed, mean_variance};
use super::{Hvg, HvgFlavor, HvgOptions};

/// Genes selected unless the user says how many. scanpy: 2000.
const N_TOP: usize = 2000;

/// Sums of clipped counts by batch and gene.
struct Clipped {
    sum: Vec<f64>,
    squares: Vec<f64>,
}

/// The table for counts.
pub(super) fn standardised(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    sums: &MomentSums,
    options: &HvgOptions,
) -> Result<Hvg> {
    let n_genes = view.source.n_genes();
    let sizes = batches.sizes(view.source.n_cells());
    let found = mean_variance(ctx, view, batches, sums)?;
    let mut deviations = Vec::with_capacity(n_genes * batches.n);
    for batch in 0..batches.n {
        let own = batch * n_genes..(batch + 1) * n_genes;
        let fitted =
            expected_deviation(&found.mean[own.clone()], &found.variance[own], options.span);
        deviations.extend(fitted.map_err(|e| match batches.codes {
            Some(_) => e.in_context(format!("highly_variable_genes: batch {batch}")),
            None => e.in_context("highly_variable_genes"),
        })?);
    }
    let limit: Vec<f64> = (0..deviations.len())
        .map(|at| deviations[at] * (sizes[at / n_genes] as f64).sqrt() + found.mean[at])
        .collect();
    let clipped = clipped_sums(ctx, view, batches, &limit)?;
    let norm = |at: usize| {
        let n = sizes[at / n_genes] as f64;
        let (mean, sd) = (found.mean[at], deviations[at]);
        let spread = n * mean * mean + clipped.squares[at] - 2.0 * mean * clipped.sum[at];
        spread / ((n - 1.0) * sd * sd)
    };
    let normalized: Vec<f64> = (0..deviations.len()).map(norm).collect();
    let overall = overall_moments(ctx, view, batches, &found, sums)?;
    Ok(rank(&normalized, overall, batches.n, n_genes, options))
}

/// Standard deviation that a gene's mean lets expect.
fn expected_deviation(mean: &[f64], variance: &[f64], span: f64) -> Result<Vec<f64>> {
    let varying: Vec<usize> = (0..mean.len()).filter(|&g| variance[g] > 0.0).collect();
    let x: Vec<f64> = varying.iter().map(|&g| libm::log10(mean[g])).collect();
    let y: Vec<f64> = varying.iter().map(|&g| libm::log10(variance[g])).collect();
    if varying.len() < 4 {
        return Err(Error::data(format!(
            "{} genes vary; at least 4 are needed to fit their variances",
            varying.len()
        )));
    }
    let fit = loess(&x, &y, span)?;
    let mut deviation = vec![1.0; mean.len()];
    for (&gene, fitted) in varying.iter().zip(fit) {
        deviation[gene] = libm::pow(10.0, fitted).sqrt();
    }
    Ok(deviation)
}

fn clipped_sums(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    limit: &[f64],
) -> Result<Clipped> {
    let n_genes = view.source.n_genes();
    let n = limit.len();
    let stage = ctx.stage("clipped_moments", view.source.n_cells() as u64)?;
    let new = || Clipped {
        sum: vec![0.0; n],
        squares: vec![0.0; n],
    };
    let mut total = new();
    Scan::new(view.source, Some(&stage), 16 * n as u64).run(
        ctx,
        || (),
        |_| new(),
        |(), sums, block| {
            let mut row = RowReader::new(view.read);
            for i in 0..block.n_rows() {
                let Some(batch) = batches.of(block.first_row() + i) else {
                    continue;
                };
                row.read(block, i)?;
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    let at = batch * n_genes + gene as usize;
                    let value = value.min(limit[at]);
                    sums.sum[at] += value;
                    sums.squares[at] += value * value;
                }
            }
            Ok(())
        },
        |_, sums| {
            let add = |to: &mut [f64], from: &[f64]| {
                to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
            };
            add(&mut total.sum, &sums.sum);
            add(&mut total.squares, &sums.squares);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(total)
}

/// Mean and variance over all cells, from the sums of the batches.
fn overall_moments(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    found: &MeanVariance,
    sums: &MomentSums,
) -> Result<MeanVariance> {
    let n_genes = view.source.n_genes();
    let Some(codes) = batches.codes else {
        return Ok(found.clone());
    };
    let all = Batches { codes: None, n: 1 };
    if codes.contains(&-1) {
        // Cells without a batch count here, and only here.
        let sums = super::moments::moments(ctx, view, all, "moments")?;
        return mean_variance(ctx, view, all, &sums);
    }
    let mut one = MomentSums::new(n_genes);
    for batch in 0..batches.n {
        for gene in 0..n_genes {
            let at = batch * n_genes + gene;
            one.sum[gene] += sums.sum[at];
            one.squares[gene] += sums.squares[at];
        }
    }
    mean_variance(ctx, view, all, &one)
}

/// Ranks within batches and over all of them.
fn rank(
    normalized: &[f64],
    overall: MeanVariance,
    n_batches: usize,
    n_genes: usize,
    options: &HvgOptions,
) -> Hvg {
    let n_top = options.cutoffs.n_top_genes.unwrap_or(N_TOP);
    let mut ranks: Vec<Vec<f64>> = vec![Vec::new(); n_genes];
    for batch in 0..n_batches {
        let own = &normalized[batch * n_genes..(batch + 1) * n_genes];
        let mut order: Vec<usize> = (0..n_genes).collect();
        order.sort_by(|&a, &b| own[b].total_cmp(&own[a]).then(a.cmp(&b)));
        for (rank, &gene) in order.iter().take(n_top).enumerate() {
            ranks[gene].push(rank as f64);
        }
    }
    let mean_norm = |gene: usize| {
        let sum: f64 = (0..n_batches).map(|b| normalized[b * n_genes + gene]).sum();
        sum / n_batches as f64
    };
    let mut hvg = Hvg {
        n_batches: ranks.iter().map(|r| r.len() as i64).collect(),
        // The reference has ranks in single precision; halves are exact in it.
        ranks: ranks.into_iter().map(median).collect(),
        variances_norm: (0..n_genes).map(mean_norm).collect(),
        means: overall.mean,
        variances: overall.variance,
        ..Hvg::default()
    };
    let place = |gene: usize| match hvg.ranks[gene] {
        r if r.is_nan() => f64::INFINITY,
        r => r,
    };
    let mut order: Vec<usize> = (0..n_genes).collect();
    order.sort_by(|&a, &b| {
        let by_rank = place(a).total_cmp(&place(b));
        let by_batches = hvg.n_batches[b].cmp(&hvg.n_batches[a]);
        match options.flavor {
            HvgFlavor::SeuratV3Paper => by_batches.then(by_rank),
            _ => by_rank.then(by_batches),
        }
        .then(a.cmp(&b))
    });
    hvg.highly_variable = vec![false; n_genes];
    for &gene in order.iter().take(n_top) {
        hvg.highly_variable[gene] = true;
    }
    hvg
}
