//! Reading one gene with its factors and weights, and spreading genes over blocks.
//!
//! # Cost
//! A few numbers a sample for each worker.

use std::ops::Range;

use crate::context::Context;
use crate::error::Result;
use crate::par::{Blocks, ordered};
use crate::stats::count_table::CountTable;
use crate::stats::glm::NbGene;

use super::dataset::DeseqDataset;

/// One gene at a time: counts, factors, weights.
#[derive(Debug)]
pub(super) struct GeneReader<'a> {
    dataset: &'a DeseqDataset,
    pub counts: Vec<f64>,
    pub scale: Vec<f64>,
    pub ln_scale: Vec<f64>,
    weights: Vec<f64>,
    /// Weights of the profile of the dispersion, which may be raised.
    profile_weights: Vec<f64>,
    pub normalized: Vec<f64>,
    pub table: CountTable,
}

impl<'a> GeneReader<'a> {
    pub fn new(dataset: &'a DeseqDataset) -> Self {
        let m = dataset.n_samples();
        let scale = match (&dataset.normalization_factors, &dataset.size_factors) {
            (None, Some(factors)) => factors.clone(),
            _ => vec![1.0; m],
        };
        GeneReader {
            dataset,
            counts: vec![0.0; m],
            ln_scale: scale.iter().map(|&s| libm::log(s)).collect(),
            scale,
            weights: vec![1.0; m],
            profile_weights: vec![1.0; m],
            normalized: vec![0.0; m],
            table: CountTable::default(),
        }
    }

    /// Reads a gene. Weights are divided by their largest.
    pub fn read(&mut self, gene: usize) {
        let m = self.counts.len();
        self.dataset.counts.read(gene, &mut self.counts);
        if let Some(factors) = &self.dataset.normalization_factors {
            self.scale
                .copy_from_slice(&factors[gene * m..(gene + 1) * m]);
            for (ln, &s) in self.ln_scale.iter_mut().zip(&self.scale) {
                *ln = libm::log(s);
            }
        }
        for ((q, k), s) in self
            .normalized
            .iter_mut()
            .zip(&self.counts)
            .zip(&self.scale)
        {
            *q = k / s;
        }
        if let Some(weights) = &self.dataset.weights {
            let row = &weights[gene * m..(gene + 1) * m];
            let most = row.iter().copied().fold(0.0, f64::max);
            for (out, w) in self.weights.iter_mut().zip(row) {
                *out = w / most;
            }
            self.profile_weights.copy_from_slice(&self.weights);
        }
    }

    /// Weights of the gene, when there are any.
    pub fn weights(&self) -> Option<&[f64]> {
        self.dataset.weights.as_ref().map(|_| &self.weights[..])
    }

    /// Counts, weights of the profile and the table of distinct counts.
    pub fn parts(&mut self) -> (&[f64], Option<&[f64]>, &mut CountTable) {
        let weights = self.dataset.weights.as_ref();
        let weights = weights.map(|_| &self.profile_weights[..]);
        (&self.counts, weights, &mut self.table)
    }

    /// Fills the table of distinct counts.
    pub fn fill_table(&mut self) {
        let weights = self.dataset.weights.as_ref();
        let weights = weights.map(|_| &self.profile_weights[..]);
        self.table.fill(&self.counts, weights);
    }

    /// Raises the weights of the profile to at least this value; those of fits stay.
    pub fn floor_weights(&mut self, floor: f64) {
        self.profile_weights
            .iter_mut()
            .for_each(|w| *w = w.max(floor));
    }

    /// The gene for a fit with this dispersion.
    pub fn gene(&self, alpha: f64) -> NbGene<'_> {
        NbGene {
            counts: &self.counts,
            scale: &self.scale,
            ln_scale: &self.ln_scale,
            weights: self.weights(),
            alpha,
        }
    }
}

/// Works on blocks of genes in parallel and merges the results in order; reports progress.
pub(super) fn by_blocks<R: Send, W: Send>(
    ctx: &Context,
    name: &str,
    dataset: &DeseqDataset,
    workspace: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, Range<usize>) -> Result<R> + Sync,
    mut merge: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let n = dataset.n_genes();
    let size = dataset.genes_per_block.max(1);
    let stage = ctx.stage(name, n as u64)?;
    let mut blocks = Blocks::new(n, size);
    ordered(
        ctx,
        Some(&stage),
        || Ok(blocks.next()),
        workspace,
        |workspace, range| {
            ctx.check_cancelled()?;
            let length = range.len() as u64;
            Ok((work(workspace, range)?, length))
        },
        |(result, length)| {
            merge(result)?;
            Ok(length)
        },
    )?;
    stage.finish()
}
