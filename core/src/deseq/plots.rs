//! The data behind the usual pictures: mean against change, dispersions, components, counts.
//!
//! # Cost
//! A pass over the results or counts; components take `n_top * m^2` and `m^3` operations.
//!
//! # Source
//! DESeq2 1.38, `plotMA`, `plotDispEsts`, `plotPCA`, `plotCounts`, `plotSparsity`.

use crate::data::{Column, Table};
use crate::error::{Error, Result};
use crate::linalg::jacobi::symmetric_eigen;

use super::dataset::DeseqDataset;
use super::dispersions::Dispersions;
use super::genes::GeneReader;
use super::results::DeseqResults;

/// Columns `mean`, `lfc`, `isDE` of the genes with counts.
///
/// # Errors
/// None that a result of this crate can cause.
pub fn ma_data(results: &DeseqResults, alpha: Option<f64>) -> Result<Table> {
    let by_s = results.padj.is_none();
    let alpha = alpha.unwrap_or(if by_s { 0.005 } else { results.alpha });
    let empty = Vec::new();
    let tested = results
        .padj
        .as_ref()
        .or(results.svalue.as_ref())
        .unwrap_or(&empty);
    let used: Vec<usize> = (0..results.genes.len())
        .filter(|&i| results.base_mean[i] > 0.0)
        .collect();
    let pick = |from: &[f64]| Column::F64(used.iter().map(|&i| from[i]).collect());
    let mut table = Table::new(used.iter().map(|&i| results.genes[i].clone()).collect());
    table.set("mean", pick(&results.base_mean))?;
    table.set("lfc", pick(&results.log2_fold_change))?;
    let called = used
        .iter()
        .map(|&i| tested.get(i).is_some_and(|p| *p < alpha));
    table.set("isDE", Column::Bool(called.collect()))?;
    Ok(table)
}

/// Columns `baseMean`, `dispGeneEst`, `dispFit`, `dispersion`, `dispOutlier` of the fitted genes.
///
/// # Errors
/// None that a result of this crate can cause.
pub fn dispersion_data(dataset: &DeseqDataset, dispersions: &Dispersions) -> Result<Table> {
    let used: Vec<usize> = (0..dataset.n_genes())
        .filter(|&i| dispersions.moments.mean[i] > 0.0)
        .collect();
    let pick = |from: &[f64]| Column::F64(used.iter().map(|&i| from[i]).collect());
    let mut table = Table::new(used.iter().map(|&i| dataset.genes[i].clone()).collect());
    table.set("baseMean", pick(&dispersions.moments.mean))?;
    table.set("dispGeneEst", pick(&dispersions.gene_est))?;
    table.set("dispFit", pick(&dispersions.fit))?;
    table.set("dispersion", pick(&dispersions.dispersion))?;
    let outlier = used.iter().map(|&i| dispersions.outlier[i]).collect();
    table.set("dispOutlier", Column::Bool(outlier))?;
    Ok(table)
}

/// Principal components of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplePca {
    /// Scores, samples x components, row-major; signs are arbitrary but fixed.
    pub scores: Vec<f64>,
    /// Share of the variance of each component.
    pub percent_var: Vec<f64>,
}

/// Components of the samples from transformed counts (genes x samples, gene-major): the `n_top` most
/// variable genes (ties in order), centred, not scaled.
///
/// # Errors
/// `InvalidArgument` without a gene, with fewer than two samples, for values that are not finite.
pub fn sample_pca(values: &[f64], n_samples: usize, n_top: usize) -> Result<SamplePca> {
    let m = n_samples;
    if m < 2 || values.is_empty() || values.len() % m != 0 || n_top == 0 {
        return Err(Error::argument(
            "ntop",
            "components need genes and at least two samples",
        ));
    }
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let message = format!(
            "{} of gene {} and sample {} (from 0); components need finite values",
            values[at],
            at / m,
            at % m
        );
        return Err(Error::argument("values", message));
    }
    let rows: Vec<&[f64]> = values.chunks_exact(m).collect();
    let centred = |row: &[f64]| -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / m as f64;
        row.iter().map(|v| v - mean).collect()
    };
    let variance: Vec<f64> = rows
        .iter()
        .map(|row| centred(row).iter().map(|v| v * v).sum::<f64>() / (m - 1) as f64)
        .collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| variance[b].total_cmp(&variance[a]).then(a.cmp(&b)));
    order.truncate(n_top);
    let mut gram = vec![0.0; m * m];
    for &gene in &order {
        let row = centred(rows[gene]);
        for i in 0..m {
            for j in i..m {
                gram[i * m + j] += row[i] * row[j];
            }
        }
    }
    for i in 0..m {
        for j in 0..i {
            gram[i * m + j] = gram[j * m + i];
        }
    }
    let (values, vectors) = symmetric_eigen(&mut gram, m);
    let values: Vec<f64> = values.into_iter().map(|v| v.max(0.0)).collect();
    let total: f64 = values.iter().sum();
    let scores = (0..m)
        .flat_map(|sample| (0..m).map(move |k| (sample, k)))
        .map(|(sample, k)| vectors[k * m + sample] * values[k].sqrt())
        .collect();
    Ok(SamplePca {
        scores,
        percent_var: values.iter().map(|v| v / total).collect(),
    })
}

/// Normalised counts of a gene plus a pseudocount (0.5 in DESeq2), one a sample.
///
/// # Errors
/// `State` without size factors; `InvalidArgument` for a gene that is not there.
pub fn gene_counts(dataset: &DeseqDataset, gene: usize, pseudocount: f64) -> Result<Vec<f64>> {
    dataset.require_factors()?;
    if gene >= dataset.n_genes() {
        return Err(Error::argument(
            "gene",
            format!("{gene} of {} genes", dataset.n_genes()),
        ));
    }
    let mut reader = GeneReader::new(dataset);
    reader.read(gene);
    Ok(reader.normalized.iter().map(|q| q + pseudocount).collect())
}

/// Columns `sum` and `share` of genes with counts: the sum of normalised counts, and the largest
/// over the sum.
///
/// # Errors
/// `State` without size factors.
pub fn sparsity_data(dataset: &DeseqDataset) -> Result<Table> {
    dataset.require_factors()?;
    let mut reader = GeneReader::new(dataset);
    let (mut genes, mut sums, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for gene in 0..dataset.n_genes() {
        reader.read(gene);
        let sum: f64 = reader.normalized.iter().sum();
        if sum > 0.0 {
            let most = reader.normalized.iter().copied().fold(0.0, f64::max);
            genes.push(dataset.genes[gene].clone());
            sums.push(sum);
            shares.push(most / sum);
        }
    }
    let mut table = Table::new(genes);
    table.set("sum", Column::F64(sums))?;
    table.set("share", Column::F64(shares))?;
    Ok(table)
}
