//! The route for many genes: a random block of vectors, sharpened by passes over the matrix.
//!
//! Each pass multiplies the block by the covariance matrix without forming it; the axes are the best of the span of
//! all blocks, not of the last one alone, which finds components of nearly equal variance in the same passes. Not
//! exact: see the tolerance in [`super::PcaSolver`].
//!
//! # Cost
//! Thirteen passes (nine for many components) with that of the scores; `2 nnz (k + 10)` flops each, and
//! `600 h (k + 10)^2` for the basis. Memory: `128 h (k + 10)` bytes.
//!
//! # Source
//! Musco and Musco 2015, block Krylov iteration; oversampling as scikit-learn has it.

use crate::context::Context;
use crate::error::Result;
use crate::linalg::dense::{add_product, extend_basis, largest_eigen, products};
use crate::par::{self, Blocks, rng};

use super::super::gene_batches::{Batch, TILE_GENES, batches, each_tile};
use super::{Fit, PcaInput};

/// Vectors beyond those asked for.
const OVERSAMPLE: usize = 10;
/// Passes that bring the variances to the tolerance of [`super::PcaSolver`] where they are of nearly one size.
const PASSES: usize = 12;
/// The same for so many components, as a share of all, that their blocks span much of the space.
const PASSES_OF_MANY: usize = 8;
const MANY: f64 = 0.1;
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

/// Principal axes by block Krylov iteration.
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
    let n_blocks = if (k as f64) < MANY * least as f64 {
        PASSES
    } else {
        PASSES_OF_MANY
    };
    let block = Block {
        ctx,
        input,
        genes,
        l,
        zero_center,
    };
    let mut span = Span::new(n_blocks * l, h);
    let mut next = vec![0.0; l * h];
    for (number, &gene) in genes.iter().enumerate() {
        let mut stream = rng::stream(seed, "pca_randomized", u64::from(gene));
        (0..l).for_each(|j| next[j * h + number] = stream.normal());
    }
    loop {
        extend_basis(&span.basis, &mut next, h);
        let product = block.multiply(&transposed(&next, l, h))?;
        let image = transposed(&product.matrix, h, l);
        span.add(&next, &image, h);
        if span.is_full(h) {
            return block.axes(&span, &product, k);
        }
        next = image;
    }
}

/// Orthonormal (or zero) vectors, and what the matrix is on their span.
struct Span {
    /// A row a vector.
    basis: Vec<f64>,
    /// Products of the vectors with the images of the vectors: `size x size`, filled as far as there are vectors.
    small: Vec<f64>,
    size: usize,
}

impl Span {
    /// For `size` vectors of `h` numbers.
    fn new(size: usize, h: usize) -> Self {
        Span {
            basis: Vec::with_capacity(size * h),
            small: vec![0.0; size * size],
            size,
        }
    }

    fn is_full(&self, h: usize) -> bool {
        self.basis.len() == self.size * h
    }

    /// Adds vectors of `h` numbers with their images.
    fn add(&mut self, vectors: &[f64], images: &[f64], h: usize) {
        let (before, new) = (self.basis.len() / h, vectors.len() / h);
        self.basis.extend_from_slice(vectors);
        let known = before + new;
        let mut part = vec![0.0; new * known];
        products(images, &self.basis, h, &mut part);
        for (i, row) in part.chunks_exact(known).enumerate() {
            for (j, value) in row.iter().enumerate() {
                // Among the new ones both orders are there; they differ by rounding.
                let value = match j.checked_sub(before) {
                    Some(other) => (value + part[other * known + before + i]) / 2.0,
                    None => *value,
                };
                self.small[(before + i) * self.size + j] = value;
                self.small[j * self.size + before + i] = value;
            }
            // What is no vector comes after all that are, which have variances of at least 0.
            if vectors[i * h..(i + 1) * h].iter().all(|&v| v == 0.0) {
                self.small[(before + i) * (self.size + 1)] = -1.0;
            }
        }
    }
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

    /// The best axes inside the span.
    fn axes(&self, span: &Span, product: &Product, k: usize) -> Result<Fit> {
        let h = self.genes.len();
        let n = self.input.source.n_cells() as f64;
        let eigen = largest_eigen(&span.small, span.size, k)?;
        let mut axes = vec![0.0; k * h];
        add_product(&mut axes, &eigen.vectors, &span.basis, h, 1.0);
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
