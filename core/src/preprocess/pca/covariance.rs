//! The exact route: products of all pairs of genes in one pass, then eigenvectors.
//!
//! Values are not centred; means are taken out of the sums afterwards. For log-normalised values that
//! costs a few of the sixteen digits.
//!
//! # Cost
//! One pass; for each cell half the square of its selected entries. Memory: `4 h^2` bytes for the sums
//! and `32 h^2` while the eigenvectors are computed (`h` selected genes).

use crate::context::Context;
use crate::error::{Error, Result};
use crate::linalg::dense::largest_eigen;

use super::super::gene_batches::{TILE_GENES, batches, each_tile};
use super::{Fit, PcaInput};

/// Sums of products of genes; rows of the upper triangle, in tiles.
struct Products {
    h: usize,
    tiles: Vec<Vec<f64>>,
}

impl Products {
    fn new(h: usize) -> Self {
        let tiles = (0..h)
            .step_by(TILE_GENES)
            .map(|first| {
                let rows = first..(first + TILE_GENES).min(h);
                vec![0.0; rows.map(|i| h - i + 1).sum()]
            })
            .collect();
        Products { h, tiles }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        let h = self.h;
        self.tiles
            .iter()
            .enumerate()
            .flat_map(move |(number, tile)| {
                let first = number * TILE_GENES;
                let mut rest = &tile[..];
                (first..(first + TILE_GENES).min(h)).map(move |i| {
                    let (row, after) = rest.split_at(h - i + 1);
                    rest = after;
                    row
                })
            })
    }
}

/// Principal axes from the covariance matrix (or, not centred, from the matrix of products).
pub(super) fn fit(
    ctx: &Context,
    input: PcaInput<'_>,
    genes: &[u32],
    k: usize,
    zero_center: bool,
) -> Result<Fit> {
    let h = genes.len();
    let n = input.source.n_cells() as f64;
    let mut products = Products::new(h);
    batches(ctx, input, genes, "pca_covariance", |batch| {
        each_tile(ctx, &mut products.tiles, |first, tile| {
            let mut rest = &mut tile[..];
            for gene in first..(first + TILE_GENES).min(h) {
                // The last number of a row is the sum of the gene.
                let (row, after) = std::mem::take(&mut rest).split_at_mut(h - gene + 1);
                rest = after;
                let (row, sum) = row.split_at_mut(h - gene);
                let own = batch.starts[gene] as usize..batch.starts[gene + 1] as usize;
                for at in own {
                    let entry = batch.entries[at] as usize;
                    let end = batch.ends[batch.cells[at] as usize] as usize;
                    let value = batch.values[entry];
                    sum[0] += value;
                    let others = batch.genes[entry..end].iter();
                    for (&other, &their) in others.zip(&batch.values[entry..end]) {
                        row[other as usize - gene] += value * their;
                    }
                }
            }
        })
    })?;
    let stage = ctx.stage("pca_eigen", 1)?;
    let sums: Vec<f64> = products.rows().map(|row| row[row.len() - 1]).collect();
    let mean: Vec<f64> = sums.iter().map(|s| s / n).collect();
    let mut matrix = vec![0.0; h * h];
    let mut spreads = Vec::with_capacity(h);
    for (i, row) in products.rows().enumerate() {
        for (j, &product) in (i..h).zip(row) {
            let value = match zero_center {
                true => (product - n * mean[i] * mean[j]) / (n - 1.0),
                false => product,
            };
            matrix[i * h + j] = value;
            matrix[j * h + i] = value;
        }
        // Not centred, the reference's variances have the denominator n.
        spreads.push(match zero_center {
            true => matrix[i * h + i],
            false => row[0] / n - mean[i] * mean[i],
        });
    }
    if let Some(i) = spreads.iter().position(|v: &f64| !v.is_finite()) {
        return Err(Error::data(format!(
            "pca: values of gene {} are not finite, or too large to be squared; logarithms of values \
             of -1 and below are such",
            genes[i]
        )));
    }
    drop(products);
    let eigen = largest_eigen(&matrix, h, k)?;
    drop(matrix);
    let variance = (0..k)
        .map(|j| match zero_center {
            true => eigen.values[j].max(0.0),
            false => {
                let axis = &eigen.vectors[j * h..(j + 1) * h];
                let mean: f64 = axis.iter().zip(&mean).map(|(v, m)| v * m).sum();
                (eigen.values[j] / n - mean * mean).max(0.0)
            }
        })
        .collect();
    stage.finish()?;
    Ok(Fit {
        axes: eigen.vectors,
        variance,
        total_variance: spreads.iter().sum(),
        mean,
    })
}
