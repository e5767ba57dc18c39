//! The route for many genes: a random block of vectors, sharpened by passes over the matrix.
//!
//! Each pass multiplies the block by the covariance matrix without forming it; in the end the block is
//! turned to the best axes it contains. Not exact: see the tolerance in [`super::pca`].
//!
//! # Cost
//! Nine passes (six for many components); `2 nnz (k + 10)` flops each. Memory: `24 h (k + 10)` bytes.
//!
//! # Source
//! Halko, Martinsson, Tropp 2011, subspace iteration; oversampling and passes as scikit-learn has them.

use crate::context::Context;
use crate::error::Result;
use crate::linalg::dense::{largest_eigen, orthonormalise};
use crate::par::{self, Blocks, rng};

use super::super::gene_batches::{Batch, TILE_GENES, batches, each_tile};
use super::{Fit, PcaInput};

/// Vectors beyond those asked for.
const OVERSAMPLE: usize = 10;
/// Cells whose products with the block are one task.
const CELLS_PER_TASK: usize = 1024;

/// The block, as `h x l` (row-major, a row a gene).
struct Block<'a> {
    ctx: &'a Context,
    input: PcaInput<'a>,
    genes: &'a [u32],
    l: usize,
    zero_center: bool,
}

/// What a pass over the matrix gives.
struct Product {
    /// Covariance (or matrix of products) times the block, `h x l`.
    matrix: Vec<f64>,
    /// Sum of each gene.
    sums: Vec<f64>,
    /// Sum of squares of each gene.
    squares: Vec<f64>,
}

/// Principal axes by subspace iteration.
pub(super) fn fit(
    ctx: &Context,
    input: PcaInput<'_>,
    genes: &[u32],
    (k, seed): (usize, u64),
    zero_center: bool,
) -> Result<Fit> {
    let (n, h) = (input.source.n_cells(), genes.len());
    let least = n.min(h);
    let l = (k + OVERSAMPLE).min(least);
    let n_passes = if (k as f64) < 0.1 * least as f64 {
        7
    } else {
        4
    };
    let block = Block {
        ctx,
        input,
        genes,
        l,
        zero_center,
    };
    let mut basis = vec![0.0; h * l];
    for (row, &gene) in basis.chunks_exact_mut(l).zip(genes) {
        let mut stream = rng::stream(seed, "pca_randomized", u64::from(gene));
        row.iter_mut().for_each(|v| *v = stream.normal());
    }
    basis = orthonormal_columns(basis, h, l);
    for _ in 0..n_passes {
        basis = orthonormal_columns(block.multiply(&basis)?.matrix, h, l);
    }
    let product = block.multiply(&basis)?;
    block.axes(&basis, &product, k)
}

/// Orthonormal columns of an `h x l` matrix.
fn orthonormal_columns(a: Vec<f64>, h: usize, l: usize) -> Vec<f64> {
    let mut turned = transposed(&a, h, l);
    orthonormalise(&mut turned, h);
    transposed(&turned, l, h)
}

fn transposed(a: &[f64], n_rows: usize, n_columns: usize) -> Vec<f64> {
    let mut turned = vec![0.0; a.len()];
    for i in 0..n_rows {
        for j in 0..n_columns {
            turned[j * n_rows + i] = a[i * n_columns + j];
        }
    }
    turned
}

impl Block<'_> {
    fn multiply(&self, basis: &[f64]) -> Result<Product> {
        let (h, l) = (self.genes.len(), self.l);
        let n = self.input.source.n_cells() as f64;
        // Of each gene l sums, its own sum and its sum of squares.
        let width = l + 2;
        let mut tiles: Vec<Vec<f64>> = (0..h)
            .step_by(TILE_GENES)
            .map(|first| vec![0.0; width * TILE_GENES.min(h - first)])
            .collect();
        batches(self.ctx, self.input, self.genes, "pca_pass", |batch| {
            let scores = self.scores(batch, basis)?;
            each_tile(self.ctx, &mut tiles, |first, tile| {
                for (i, row) in tile.chunks_exact_mut(width).enumerate() {
                    let gene = first + i;
                    let own = batch.starts[gene] as usize..batch.starts[gene + 1] as usize;
                    for at in own {
                        let value = batch.values[batch.entries[at] as usize];
                        let cell = batch.cells[at] as usize;
                        let scores = &scores[cell * l..(cell + 1) * l];
                        row.iter_mut()
                            .zip(scores)
                            .for_each(|(r, s)| *r += value * s);
                        row[l] += value;
                        row[l + 1] += value * value;
                    }
                }
            })
        })?;
        let rows = || tiles.iter().flat_map(|tile| tile.chunks_exact(width));
        let mut product = Product {
            matrix: rows().flat_map(|row| row[..l].iter().copied()).collect(),
            sums: rows().map(|row| row[l]).collect(),
            squares: rows().map(|row| row[l + 1]).collect(),
        };
        if self.zero_center {
            let mut of_mean = vec![0.0; l];
            for (row, sum) in basis.chunks_exact(l).zip(&product.sums) {
                of_mean
                    .iter_mut()
                    .zip(row)
                    .for_each(|(m, b)| *m += sum / n * b);
            }
            for (row, sum) in product.matrix.chunks_exact_mut(l).zip(&product.sums) {
                for (value, mean) in row.iter_mut().zip(&of_mean) {
                    *value = (*value - sum * mean) / (n - 1.0);
                }
            }
        }
        Ok(product)
    }

    /// Each cell times the block.
    fn scores(&self, batch: &Batch, basis: &[f64]) -> Result<Vec<f64>> {
        let l = self.l;
        let blocks: Vec<_> = Blocks::new(batch.ends.len(), CELLS_PER_TASK).collect();
        let parts = par::map(self.ctx, blocks.len(), |number| {
            let mut scores = vec![0.0; blocks[number].len() * l];
            for (row, cell) in scores.chunks_exact_mut(l).zip(blocks[number].clone()) {
                for entry in batch.cell(cell) {
                    let gene = batch.genes[entry] as usize;
                    let value = batch.values[entry];
                    let axis = &basis[gene * l..(gene + 1) * l];
                    row.iter_mut().zip(axis).for_each(|(r, b)| *r += value * b);
                }
            }
            Ok(scores)
        })?;
        Ok(parts.concat())
    }

    /// The best axes inside the block.
    fn axes(&self, basis: &[f64], product: &Product, k: usize) -> Result<Fit> {
        let (h, l) = (self.genes.len(), self.l);
        let n = self.input.source.n_cells() as f64;
        let mut small = vec![0.0; l * l];
        for (b, p) in basis.chunks_exact(l).zip(product.matrix.chunks_exact(l)) {
            for i in 0..l {
                for j in 0..l {
                    small[i * l + j] += b[i] * p[j];
                }
            }
        }
        for i in 0..l {
            for j in 0..i {
                let mean = (small[i * l + j] + small[j * l + i]) / 2.0;
                small[i * l + j] = mean;
                small[j * l + i] = mean;
            }
        }
        let eigen = largest_eigen(&small, l, k)?;
        let mut axes = vec![0.0; k * h];
        for (gene, row) in basis.chunks_exact(l).enumerate() {
            for j in 0..k {
                let turn = &eigen.vectors[j * l..(j + 1) * l];
                axes[j * h + gene] = row.iter().zip(turn).map(|(b, t)| b * t).sum();
            }
        }
        let mean: Vec<f64> = product.sums.iter().map(|s| s / n).collect();
        let denominator = if self.zero_center { n - 1.0 } else { n };
        let total_variance = (product.squares.iter().zip(&mean))
            .map(|(squares, m)| (squares - n * m * m) / denominator)
            .sum();
        let variance = (0..k)
            .map(|j| {
                if self.zero_center {
                    return eigen.values[j].max(0.0);
                }
                let axis = &axes[j * h..(j + 1) * h];
                let m: f64 = axis.iter().zip(&mean).map(|(v, m)| v * m).sum();
                (eigen.values[j] / n - m * m).max(0.0)
            })
            .collect();
        Ok(Fit {
            axes,
            variance,
            total_variance,
            mean,
        })
    }
}
