//! Dispersions by batch, and what becomes of them together.
//!
//! # Cost
//! O(batches genes log genes). Memory: a few numbers a gene and batch.
//!
//! # Source
//! scanpy 1.11.5, `pp.highly_variable_genes` with `batch_key`: genes without a cell above zero are left
//! out of a batch and get zeros; the aggregate is sorted by name, so ties fall in that order.

use crate::error::{Error, Result, name_some};

use super::dispersion::{Dispersions, dispersions};
use super::moments::{MeanVariance, MomentSums};
use super::{Hvg, HvgOptions};

/// Batches to one table.
pub(super) fn over_batches(
    found: &MeanVariance,
    sums: &MomentSums,
    names: &[String],
    n_batches: usize,
    options: &HvgOptions,
) -> Result<Hvg> {
    let n_genes = names.len();
    refuse_duplicates(names)?;
    let mut all = Vec::with_capacity(n_batches);
    for batch in 0..n_batches {
        all.push(one_batch(found, sums, batch, n_genes, options)?);
    }
    let mean_of = |value: &dyn Fn(&Dispersions) -> &Vec<f64>, gene: usize| -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for batch in &all {
            let value = value(batch)[gene];
            if !value.is_nan() {
                sum += value;
                n += 1.0;
            }
        }
        sum / n
    };
    let column = |value: &dyn Fn(&Dispersions) -> &Vec<f64>| -> Vec<f64> {
        (0..n_genes).map(|gene| mean_of(value, gene)).collect()
    };
    let n_selected = |gene: usize| all.iter().filter(|b| b.selected[gene]).count() as i64;
    let mut hvg = Hvg {
        means: column(&|b| &b.means),
        dispersions: column(&|b| &b.dispersions),
        dispersions_norm: column(&|b| &b.normalized),
        n_batches: (0..n_genes).map(n_selected).collect(),
        ..Hvg::default()
    };
    hvg.intersection = hvg
        .n_batches
        .iter()
        .map(|&n| n == n_batches as i64)
        .collect();
    hvg.highly_variable = match options.cutoffs.n_top_genes {
        None => (0..n_genes)
            .map(|g| options.cutoffs.hold(hvg.means[g], hvg.dispersions_norm[g]))
            .collect(),
        Some(n_top) => {
            let mut order: Vec<usize> = (0..n_genes).collect();
            // NaN last: it is below everything.
            let norm = |gene: usize| match hvg.dispersions_norm[gene] {
                v if v.is_nan() => f64::NEG_INFINITY,
                v => v,
            };
            order.sort_by(|&a, &b| {
                let by_batches = hvg.n_batches[b].cmp(&hvg.n_batches[a]);
                let by_norm = norm(b).total_cmp(&norm(a));
                by_batches.then(by_norm).then(names[a].cmp(&names[b]))
            });
            let mut selected = vec![false; n_genes];
            order.iter().take(n_top).for_each(|&g| selected[g] = true);
            selected
        }
    };
    if all.iter().any(|batch| batch.too_few) {
        hvg.warnings.push(super::TOO_FEW.to_owned());
    }
    Ok(hvg)
}

fn refuse_duplicates(names: &[String]) -> Result<()> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    let mut twice: Vec<&String> = sorted
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[1])
        .collect();
    twice.dedup();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!(
        "var names: {} are used more than once: {}; batches are brought together by name, so make \
         them unique",
        twice.len(),
        name_some(&twice, 5)
    )))
}

/// The dispersions of a batch, with zeros for the genes left out.
fn one_batch(
    found: &MeanVariance,
    sums: &MomentSums,
    batch: usize,
    n_genes: usize,
    options: &HvgOptions,
) -> Result<Dispersions> {
    let offset = batch * n_genes;
    let kept: Vec<usize> = (0..n_genes)
        .filter(|&gene| sums.n_positive[offset + gene] > 0)
        .collect();
    let take = |values: &[f64]| -> Vec<f64> { kept.iter().map(|&g| values[offset + g]).collect() };
    let own = dispersions(
        &take(&found.mean),
        &take(&found.variance),
        options.flavor,
        options.n_bins,
        &options.cutoffs,
    )?;
    let mut all = Dispersions {
        means: vec![0.0; n_genes],
        dispersions: vec![0.0; n_genes],
        normalized: vec![0.0; n_genes],
        selected: vec![false; n_genes],
        too_few: own.too_few,
    };
    for (number, &gene) in kept.iter().enumerate() {
        all.means[gene] = own.means[number];
        all.dispersions[gene] = own.dispersions[number];
        all.normalized[gene] = own.normalized[number];
        all.selected[gene] = own.selected[number];
    }
    Ok(all)
}
