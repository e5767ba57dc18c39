//! Principal components of a matrix that is never centred, never dense and never in memory.
//!
//! Exact by default: the covariance matrix of the selected genes is summed in one pass and its
//! eigenvectors are computed; a second pass projects the cells. With more than 8,000 genes
//! a block of random vectors is sharpened instead.
//!
//! # Cost
//! Exact: one pass and `h^2 / 2` numbers for `h` genes. Randomised: twelve passes. Projection: one pass,
//! `2 nnz k` flops.
//!
//! # Source
//! scanpy 1.11.5, `pp.pca`, and scikit-learn's sign rule: of every axis the loading of largest size
//! is positive.

mod covariance;
mod randomized;

use std::ops::Range;

use crate::context::Context;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource};
use crate::error::{Error, Result};

use super::gene_batches;
use super::transform::{Transform, TransformCache};

/// Genes above which the covariance matrix is not formed.
const MOST_GENES: usize = 8000;
/// Components unless the user says how many. scanpy: 50.
const N_COMPS: usize = 50;

/// How the axes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PcaSolver {
    /// `Covariance` up to 8,000 genes, `Randomized` beyond.
    #[default]
    Auto,
    /// Exact, by the covariance matrix.
    Covariance,
    /// By passes over a random block: variances to 1e-6 where they are well apart, 1e-3 at the last.
    Randomized,
}

/// Options of [`pca`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PcaOptions {
    /// Components; `None`: 50, or one less than the smaller side where that is at most 50.
    pub n_comps: Option<usize>,
    /// Take the means out. Default true.
    pub zero_center: bool,
    /// See [`PcaSolver`].
    pub solver: PcaSolver,
    /// Seed of the random block. Default 0.
    pub random_state: u64,
}

impl Default for PcaOptions {
    fn default() -> Self {
        PcaOptions {
            n_comps: None,
            zero_center: true,
            solver: PcaSolver::Auto,
            random_state: 0,
        }
    }
}

/// A matrix whose cells are projected.
#[derive(Clone, Copy)]
pub struct PcaInput<'a> {
    /// The stored values.
    pub source: &'a dyn RowSource,
    /// What is done to them before.
    pub transform: Option<&'a Transform>,
    /// Genes to use, one element a gene; all where it is absent.
    pub genes: Option<&'a [bool]>,
    /// How rows are read.
    pub read: ReadOptions,
}

impl std::fmt::Debug for PcaInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcaInput").finish_non_exhaustive()
    }
}

/// Axes before their signs are set.
struct Fit {
    /// `k x h`.
    axes: Vec<f64>,
    variance: Vec<f64>,
    total_variance: f64,
    mean: Vec<f64>,
}

/// Principal axes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pca {
    /// The selected genes, ascending.
    pub genes: Vec<u32>,
    /// `n_comps x genes.len()`, row-major: loadings of unit length.
    pub components: Vec<f64>,
    /// Mean of each selected gene.
    pub mean: Vec<f64>,
    /// Variance of the cells along each axis (denominator n - 1; n when not centred).
    pub variance: Vec<f64>,
    /// Share of the total variance of the selected genes.
    pub variance_ratio: Vec<f64>,
    /// Whether means are taken out.
    pub zero_center: bool,
}

/// Principal axes of the cells.
///
/// # Errors
/// `InvalidArgument` for a mask that does not fit or too many components; `InvalidData` for fewer than
/// two cells or no genes, or values that are not finite; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::{ReadOptions, ValueRows}};
/// use cytosol::preprocess::{PcaInput, PcaOptions, pca};
/// let rows = ValueRows::from_dense(NumberKind::F32, 2, &[1.0, 2.0, 2.0, 4.0, 3.0, 6.0])?;
/// let input = PcaInput { source: &rows, transform: None, genes: None, read: ReadOptions::default() };
/// let ctx = cytosol::Context::single_threaded()?;
/// let axes = pca(&ctx, input, &PcaOptions::default())?;
/// assert!((axes.variance[0] - 5.0).abs() < 1e-12);
/// let scores = axes.scores(&ctx, input, 0..3)?;
/// assert!((scores[2] - 5.0_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn pca(ctx: &Context, input: PcaInput<'_>, options: &PcaOptions) -> Result<Pca> {
    let n_cells = input.source.n_cells();
    let genes = selected(input)?;
    let h = genes.len();
    if n_cells < 2 || h == 0 {
        return Err(Error::data(format!(
            "pca: {n_cells} cells and {h} genes; at least 2 cells and 1 gene are needed"
        )));
    }
    let k = n_comps(options, n_cells.min(h))?;
    let solver = match options.solver {
        PcaSolver::Auto if h > MOST_GENES => PcaSolver::Randomized,
        PcaSolver::Auto => PcaSolver::Covariance,
        chosen => chosen,
    };
    let fit = match solver {
        PcaSolver::Randomized => randomized::fit(
            ctx,
            input,
            &genes,
            (k, options.random_state),
            options.zero_center,
        )?,
        _ => covariance::fit(ctx, input, &genes, k, options.zero_center)?,
    };
    let mut components = fit.axes;
    components.chunks_exact_mut(h).for_each(set_sign);
    let ratio = |v: &f64| v / fit.total_variance;
    Ok(Pca {
        variance_ratio: fit.variance.iter().map(ratio).collect(),
        genes,
        components,
        mean: fit.mean,
        variance: fit.variance,
        zero_center: options.zero_center,
    })
}

fn selected(input: PcaInput<'_>) -> Result<Vec<u32>> {
    let n_genes = input.source.n_genes();
    let Some(mask) = input.genes else {
        return Ok((0..n_genes as u32).collect());
    };
    if mask.len() != n_genes {
        return Err(Error::argument(
            "mask_var",
            format!("{} values for {n_genes} genes", mask.len()),
        ));
    }
    Ok((0..n_genes as u32).filter(|&g| mask[g as usize]).collect())
}

fn n_comps(options: &PcaOptions, least: usize) -> Result<usize> {
    let Some(k) = options.n_comps else {
        return Ok(if least <= N_COMPS {
            (least - 1).max(1)
        } else {
            N_COMPS
        });
    };
    if k == 0 || k > least {
        return Err(Error::argument(
            "n_comps",
            format!("{k} must be 1 to {least}, the smaller of cells and genes"),
        ));
    }
    Ok(k)
}

/// The loading of largest size (the first of equals) becomes positive.
fn set_sign(axis: &mut [f64]) {
    let mut largest = 0.0_f64;
    for &v in axis.iter() {
        if v.abs() > largest.abs() {
            largest = v;
        }
    }
    if largest < 0.0 {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
}

impl Pca {
    /// Number of components.
    pub fn n_comps(&self) -> usize {
        self.variance.len()
    }

    /// Coordinates of some cells: `rows.len() x n_comps`, row-major.
    ///
    /// # Errors
    /// As [`pca`].
    pub fn scores(
        &self,
        ctx: &Context,
        input: PcaInput<'_>,
        rows: Range<usize>,
    ) -> Result<Vec<f64>> {
        let (h, k) = (self.genes.len(), self.n_comps());
        // A gene's loadings stand together.
        let mut loadings = vec![0.0; h * k];
        let mut offset = vec![0.0; k];
        for j in 0..k {
            for gene in 0..h {
                let loading = self.components[j * h + gene];
                loadings[gene * k + j] = loading;
                if self.zero_center {
                    offset[j] += self.mean[gene] * loading;
                }
            }
        }
        let numbers = gene_batches::numbers(&self.genes, input.source.n_genes());
        let mut scan = Scan::new(input.source, None, (512 * k * 8) as u64);
        scan.rows = rows.clone();
        let mut all = Vec::with_capacity(rows.len() * k);
        scan.run(
            ctx,
            TransformCache::default,
            |_| Vec::new(),
            |cache, scores: &mut Vec<f64>, block| {
                let mut row = RowReader::new(input.read);
                for i in 0..block.n_rows() {
                    row.read(block, i)?;
                    let cell = block.first_row() + i;
                    gene_batches::select(input, cell, &mut row, &numbers, cache);
                    let first = scores.len();
                    scores.resize(first + k, 0.0);
                    let own = &mut scores[first..];
                    for (&gene, &value) in row.genes.iter().zip(&row.values) {
                        let axis = &loadings[gene as usize * k..(gene as usize + 1) * k];
                        own.iter_mut().zip(axis).for_each(|(s, l)| *s += value * l);
                    }
                    own.iter_mut().zip(&offset).for_each(|(s, o)| *s -= o);
                }
                Ok(())
            },
            |_, scores| {
                all.extend(scores);
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// Loadings of all genes, `n_genes x n_comps`, row-major; zeros for genes that are not selected.
    pub fn loadings(&self, n_genes: usize) -> Vec<f64> {
        let (h, k) = (self.genes.len(), self.n_comps());
        let mut all = vec![0.0; n_genes * k];
        for (number, &gene) in self.genes.iter().enumerate() {
            for j in 0..k {
                all[gene as usize * k + j] = self.components[j * h + number];
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::numbers::NumberKind;
    use crate::data::rows::ValueRows;

    /// Cells of three kinds over `g` genes, a third of the entries stored.
    fn matrix(n: usize, g: usize) -> ValueRows {
        let mut stream = crate::par::rng::stream(5, "pca", 0);
        let mut dense = vec![0.0; n * g];
        for cell in 0..n {
            for gene in 0..g {
                if stream.uniform() < 0.35 {
                    let kind = f64::from(u8::from((cell + gene) % 3 == 0));
                    dense[cell * g + gene] = 1.0 + 2.0 * kind + 0.3 * stream.normal();
                }
            }
        }
        ValueRows::from_dense(NumberKind::F64, g, &dense).expect("rows")
    }

    fn input(source: &ValueRows) -> PcaInput<'_> {
        PcaInput {
            source,
            transform: None,
            genes: None,
            read: ReadOptions::default(),
        }
    }

    fn context(threads: usize, memory_budget: u64) -> Context {
        Context::new(&ContextOptions {
            threads,
            memory_budget,
            ..ContextOptions::default()
        })
        .expect("pool")
    }

    #[test]
    fn scores_have_the_stated_variances_and_no_correlation() {
        let source = matrix(1500, 40);
        let ctx = context(1, 1 << 30);
        for zero_center in [true, false] {
            let options = PcaOptions {
                n_comps: Some(6),
                zero_center,
                ..PcaOptions::default()
            };
            let axes = pca(&ctx, input(&source), &options).expect("axes");
            let scores = axes.scores(&ctx, input(&source), 0..1500).expect("scores");
            for a in 0..6 {
                let mean = scores.iter().skip(a).step_by(6).sum::<f64>() / 1500.0;
                let squares: f64 = scores
                    .iter()
                    .skip(a)
                    .step_by(6)
                    .map(|s| (s - mean) * (s - mean))
                    .sum();
                let n = if zero_center { 1499.0 } else { 1500.0 };
                let ratio = squares / n / axes.variance[a];
                assert!((ratio - 1.0).abs() < 1e-9, "{a}: {ratio}");
                if zero_center {
                    assert!(mean.abs() < 1e-10);
                }
            }
            assert!(axes.variance_ratio.iter().sum::<f64>() < 1.0);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads_or_budget() {
        let source = matrix(1300, 70);
        for solver in [PcaSolver::Covariance, PcaSolver::Randomized] {
            let options = PcaOptions {
                n_comps: Some(5),
                solver,
                ..PcaOptions::default()
            };
            let run = |threads, budget| {
                let ctx = context(threads, budget);
                let axes = pca(&ctx, input(&source), &options).expect("axes");
                let scores = axes
                    .scores(&ctx, input(&source), 100..1300)
                    .expect("scores");
                (axes, scores)
            };
            let expected = run(1, 1 << 30);
            for (threads, budget) in [(2, 1 << 20), (3, 1 << 30), (7, 10_000)] {
                assert!(run(threads, budget) == expected, "{threads} {budget}");
            }
        }
    }

    #[test]
    fn the_randomised_route_comes_close_to_the_exact_one() {
        for (source, n_comps) in [
            (matrix(900, 600), 20),
            (matrix(60, 90), 30),
            (matrix(200, 12), 11),
        ] {
            let ctx = context(2, 1 << 30);
            let with = |solver| {
                let options = PcaOptions {
                    n_comps: Some(n_comps),
                    solver,
                    ..PcaOptions::default()
                };
                pca(&ctx, input(&source), &options).expect("axes")
            };
            let (exact, random) = (with(PcaSolver::Covariance), with(PcaSolver::Randomized));
            for j in 0..n_comps {
                // The first component stands out, the others are of nearly one size.
                let ratio = random.variance_ratio[j] / exact.variance_ratio[j];
                let allowed = if j == 0 { 1e-10 } else { 1e-3 };
                assert!((ratio - 1.0).abs() < allowed, "{j}: {ratio}");
            }
        }
    }

    #[test]
    fn more_components_than_the_matrix_has_are_still_axes() {
        // Four kinds of cells: rank four, three when centred.
        let dense: Vec<f64> = (0..40 * 30)
            .map(|at| f64::from(u8::from((at / 30 + at % 30) % 4 == 0)))
            .collect();
        let source = ValueRows::from_dense(NumberKind::F64, 30, &dense).expect("rows");
        let options = PcaOptions {
            n_comps: Some(8),
            solver: PcaSolver::Randomized,
            ..PcaOptions::default()
        };
        let axes = pca(&context(1, 1 << 30), input(&source), &options).expect("axes");
        for (j, axis) in axes.components.chunks_exact(30).enumerate() {
            let length: f64 = axis.iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 1e-10, "{j}: {length}");
            assert!(
                (axes.variance[j] > 1e-3) == (j < 3),
                "{j}: {}",
                axes.variance[j]
            );
        }
    }

    #[test]
    fn components_and_masks_are_checked() {
        let source = matrix(30, 8);
        let ctx = context(1, 1 << 30);
        let axes = pca(&ctx, input(&source), &PcaOptions::default()).expect("axes");
        assert_eq!(axes.n_comps(), 7);
        for n_comps in [0, 9] {
            let options = PcaOptions {
                n_comps: Some(n_comps),
                ..PcaOptions::default()
            };
            assert!(pca(&ctx, input(&source), &options).is_err());
        }
        let mut none = input(&source);
        none.genes = Some(&[false; 8]);
        assert!(pca(&ctx, none, &PcaOptions::default()).is_err());
        none.genes = Some(&[true; 3]);
        assert!(pca(&ctx, none, &PcaOptions::default()).is_err());
    }
}
