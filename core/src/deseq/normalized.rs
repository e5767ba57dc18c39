//! Simple functions of counts: logarithms, counts per million, per kilobase, technical replicates.
//!
//! # Cost
//! One pass over the counts; memory of the result.
//!
//! # Source
//! DESeq2 1.38, `normTransform`, `fpm`, `fpkm`, `collapseReplicates`.

use crate::context::Context;
use crate::data::{Categorical, Column, Table};
use crate::error::{Error, Result};
use crate::stats::size_factors::{Ratios, ln_geometric_mean, median_ratio};

use super::counts::Counts;
use super::dataset::DeseqDataset;
use super::notes::warning;
use super::size_factors::mean_ln_total;
use super::vst::{Transformed, map_normalized, with_factors};

/// `log2(q + pseudocount)` of normalised counts.
///
/// # Errors
/// Those of size factors, when they have to be estimated.
pub fn norm_transform(
    ctx: &Context,
    dataset: &DeseqDataset,
    pseudocount: f64,
) -> Result<Transformed> {
    let dataset = with_factors(ctx, dataset)?;
    map_normalized(ctx, &dataset, &|q| libm::log2(q + pseudocount))
}

/// Normalised counts.
///
/// # Errors
/// `State` without size factors.
pub fn normalized_counts(ctx: &Context, dataset: &DeseqDataset) -> Result<Transformed> {
    dataset.require_factors()?;
    map_normalized(ctx, dataset, &|q| q)
}

fn totals(dataset: &DeseqDataset) -> Vec<f64> {
    let mut row = vec![0.0; dataset.n_samples()];
    let mut totals = vec![0.0; dataset.n_samples()];
    for gene in 0..dataset.n_genes() {
        dataset.counts.read(gene, &mut row);
        totals.iter_mut().zip(&row).for_each(|(t, k)| *t += k);
    }
    totals
}

/// Counts divided by one number a sample.
fn divided(dataset: &DeseqDataset, by: &[f64]) -> Transformed {
    let mut row = vec![0.0; dataset.n_samples()];
    let mut values = Vec::with_capacity(dataset.n_genes() * dataset.n_samples());
    for gene in 0..dataset.n_genes() {
        dataset.counts.read(gene, &mut row);
        values.extend(row.iter().zip(by).map(|(k, by)| k / by * 1e6));
    }
    Transformed {
        genes: dataset.genes.clone(),
        samples: dataset.samples.clone(),
        values,
        about: None,
    }
}

/// Counts per million. `robust`: with size factors instead of totals.
///
/// # Errors
/// Those of size factors, when they have to be estimated.
pub fn fpm(ctx: &Context, dataset: &DeseqDataset, robust: bool) -> Result<Transformed> {
    let totals = totals(dataset);
    if !robust || dataset.avg_tx_length.is_some() {
        return Ok(divided(dataset, &totals));
    }
    let dataset = with_factors(ctx, dataset)?;
    let factors = dataset.size_factors.as_ref().ok_or_else(|| {
        Error::argument("robust", "needs size factors, not normalization factors")
    })?;
    let typical = libm::exp(mean_ln_total(&totals));
    let by: Vec<f64> = factors.iter().map(|s| s * typical).collect();
    Ok(divided(&dataset, &by))
}

/// Counts per million and kilobase, from the average transcript lengths of the samples where there
/// are any, else from the base pairs of the genes.
///
/// # Errors
/// `InvalidArgument` without lengths.
pub fn fpkm(ctx: &Context, dataset: &DeseqDataset, robust: bool) -> Result<Transformed> {
    let m = dataset.n_samples();
    let mut out = fpm(ctx, dataset, robust)?;
    if let Some(lengths) = &dataset.avg_tx_length {
        for (value, length) in out.values.iter_mut().zip(lengths) {
            *value *= 1e3 / length;
        }
        if robust {
            let mut ratios = Ratios::new(m);
            for row in out.values.chunks_exact(m) {
                ratios.add(row, ln_geometric_mean(row));
            }
            let factors = ratios.size_factors(&median_ratio);
            for row in out.values.chunks_exact_mut(m) {
                row.iter_mut().zip(&factors).for_each(|(v, s)| *v /= s);
            }
        }
        return Ok(out);
    }
    let base_pairs = dataset
        .base_pairs
        .as_ref()
        .ok_or_else(|| Error::argument("basepairs", "gene lengths are needed for fpkm"))?;
    for (row, length) in out.values.chunks_exact_mut(m).zip(base_pairs) {
        row.iter_mut().for_each(|v| *v *= 1e3 / length);
    }
    Ok(out)
}

/// Adds the counts of samples of the same group, in the order of the categories that are used; the first
/// sample's row of the sample table is kept. `runs` are names joined into the column `runsCollapsed`.
///
/// # Errors
/// `InvalidArgument` when lengths do not fit.
pub fn collapse_replicates(
    ctx: &Context,
    dataset: &DeseqDataset,
    groups: &Categorical,
    runs: Option<&[String]>,
) -> Result<DeseqDataset> {
    let (n, m) = (dataset.n_genes(), dataset.n_samples());
    if groups.codes.len() != m || groups.codes.contains(&-1) || runs.is_some_and(|r| r.len() != m) {
        return Err(Error::argument(
            "groupby",
            format!("must have one value a sample ({m})"),
        ));
    }
    let labels = used_categories(groups);
    let k = labels.categories.len();
    let mut sums = Vec::with_capacity(n * k);
    for gene in 0..n {
        let mut row = vec![0_u64; k];
        for (count, code) in dataset.counts.row(gene).into_iter().zip(&labels.codes) {
            row[*code as usize] += u64::from(count);
        }
        for sum in row {
            sums.push(u32::try_from(sum).map_err(|_| {
                Error::data(format!(
                    "the sum of counts of gene {:?} is too large",
                    dataset.genes[gene]
                ))
            })?);
        }
    }
    if dataset.normalization_factors.is_some()
        || dataset.weights.is_some()
        || dataset.avg_tx_length.is_some()
    {
        warning(
            ctx,
            "only the counts are collapsed; other assays are dropped",
        )?;
    }
    let first: Vec<usize> = (0..k as i32)
        .map(|code| {
            labels
                .codes
                .iter()
                .position(|c| *c == code)
                .expect("every level is used")
        })
        .collect();
    let mut col_data = Table::new(labels.categories.clone());
    for (name, column) in &dataset.col_data.columns {
        col_data.set(name.as_str(), column.select(&first))?;
    }
    if let Some(runs) = runs {
        let joined = (0..k as i32).map(|code| {
            let members: Vec<&str> = (0..m)
                .filter(|&j| labels.codes[j] == code)
                .map(|j| runs[j].as_str())
                .collect();
            members.join(",")
        });
        col_data.set("runsCollapsed", Column::Text(joined.collect()))?;
    }
    Ok(DeseqDataset {
        genes: dataset.genes.clone(),
        samples: labels.categories,
        counts: Counts::dense(sums, n, k)?,
        col_data,
        design: dataset.design.clone(),
        size_factors: None,
        normalization_factors: None,
        avg_tx_length: None,
        weights: None,
        base_pairs: dataset.base_pairs.clone(),
        genes_per_block: dataset.genes_per_block,
    })
}

/// The same labels without categories that nobody has.
fn used_categories(groups: &Categorical) -> Categorical {
    let used: Vec<usize> = (0..groups.categories.len())
        .filter(|&k| groups.codes.contains(&(k as i32)))
        .collect();
    let place = |code: i32| used.iter().position(|&k| k as i32 == code);
    Categorical {
        codes: groups
            .codes
            .iter()
            .map(|&code| place(code).map_or(-1, |k| k as i32))
            .collect(),
        categories: used.iter().map(|&k| groups.categories[k].clone()).collect(),
        ordered: false,
    }
}
