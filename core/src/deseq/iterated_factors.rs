//! Size factors by iteration: dispersions about constant means, then the factors that make the counts most
//! likely.
//!
//! # Cost
//! Up to 10 rounds of dispersion estimates and some ten evaluations of the likelihood of all counts each.
//! Memory: two numbers a gene besides the data set's copy.
//!
//! # Source
//! DESeq2 1.38, `estimateSizeFactors(type = "iterate")`: the 5 % of the genes with the least likelihood are
//! left out of the sum. It maximises the same sum by L-BFGS-B with differences for a gradient; here by Newton
//! steps of the genes that count.

use crate::context::Context;
use crate::data::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::stats::dispersion::FitType;
use crate::stats::order::{mean, quantile_of_sorted, sorted};

use super::dataset::{DeseqDataset, Design};
use super::dispersions::{Dispersions, estimate};
use super::genes::{GeneReader, by_blocks};
use super::options::DispersionOptions;
use super::size_factors::SizeFactorOptions;
use super::vst::intercept_matrix;

/// Most rounds. DESeq2: 10.
const ROUNDS: usize = 10;
/// Share of the genes that is left out. DESeq2: 0.05.
const LEFT_OUT: f64 = 0.05;
/// Squared distance of the logarithms of two rounds that ends the search. DESeq2: 1e-4.
const CLOSE: f64 = 1e-4;
/// Most steps of one maximisation, and halvings of a step.
const STEPS: usize = 200;
const HALVINGS: usize = 30;
/// A step below this, natural log, ends a maximisation.
const SMALL: f64 = 1e-9;

/// Size factors with geometric mean 1.
pub(super) fn iterated(
    ctx: &Context,
    dataset: &DeseqDataset,
    options: &SizeFactorOptions,
) -> Result<Vec<f64>> {
    check(dataset, options)?;
    let m = dataset.n_samples();
    let mut data = dataset.clone();
    data.col_data = Table::new(data.samples.clone());
    data.design = Design::Matrix(intercept_matrix(m));
    data.weights = None;
    let asked = DispersionOptions {
        fit_type: FitType::Mean,
        ..DispersionOptions::default()
    };
    let mut ln_factors = vec![0.0; m];
    for round in 0..ROUNDS {
        data.set_size_factors(ln_factors.iter().map(|u| libm::exp(*u)).collect())?;
        let dispersions = estimate(ctx, &data, None, &asked, &|_| Ok(()))?;
        let new = Likelihood::new(&data, &dispersions).maximise(ctx, &ln_factors)?;
        let moved: f64 = new
            .iter()
            .zip(&ln_factors)
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        ln_factors = new;
        if round > 0 && moved < CLOSE {
            return Ok(ln_factors.iter().map(|u| libm::exp(*u)).collect());
        }
    }
    Err(Error::new(
        ErrorKind::NotConverged,
        format!("type = \"iterate\": the size factors still change after {ROUNDS} rounds"),
    ))
}

/// What the counts are not combined with, as DESeq2's function takes none of it.
fn check(dataset: &DeseqDataset, options: &SizeFactorOptions) -> Result<()> {
    for (name, given) in [
        ("geoMeans", options.geo_means.is_some()),
        ("controlGenes", options.control_genes.is_some()),
        (
            "locfunc",
            options.location != super::size_factors::Location::Median,
        ),
    ] {
        if given {
            return Err(Error::argument(
                name,
                "is for type = \"ratio\" or \"poscounts\"; iterated size factors use all genes and no ratios",
            ));
        }
    }
    if dataset.n_samples() < 2 {
        return Err(Error::argument(
            "type",
            "\"iterate\" compares samples; one sample has none to compare with",
        ));
    }
    Ok(())
}

/// The likelihood of the factors, given means and dispersions of the genes.
struct Likelihood<'a> {
    data: &'a DeseqDataset,
    dispersions: &'a Dispersions,
    /// Factors that the means were found with.
    scale: Vec<f64>,
}

impl<'a> Likelihood<'a> {
    fn new(data: &'a DeseqDataset, dispersions: &'a Dispersions) -> Self {
        Likelihood {
            data,
            dispersions,
            scale: data.size_factors.clone().unwrap_or_default(),
        }
    }

    /// Mean of a gene and sample with log factor `u`: the mean of the gene, floored as its fit was.
    fn mu(&self, gene: usize, sample: usize, u: f64) -> f64 {
        let floor = self.dispersions.means.min_mu / self.scale[sample];
        self.dispersions.moments.mean[gene].max(floor) * libm::exp(u)
    }

    /// Log-likelihood of each gene, NaN for genes without counts.
    fn by_gene(&self, ctx: &Context, u: &[f64]) -> Result<Vec<f64>> {
        let mut all = Vec::with_capacity(self.data.n_genes());
        by_blocks(
            ctx,
            "size factors",
            self.data,
            || GeneReader::new(self.data),
            |reader, range| {
                let one = |gene: usize| {
                    let alpha = self.dispersions.dispersion[gene];
                    if alpha.is_nan() {
                        return f64::NAN;
                    }
                    reader.read(gene);
                    reader.fill_table();
                    let (counts, _, table) = reader.parts();
                    let mut sum = table.constant(alpha);
                    for (sample, (&k, &u)) in counts.iter().zip(u).enumerate() {
                        let mu = self.mu(gene, sample, u);
                        sum += k * libm::log(mu) - (k + 1.0 / alpha) * libm::log1p(alpha * mu);
                    }
                    sum
                };
                Ok(range.map(one).collect::<Vec<_>>())
            },
            |part| {
                all.extend(part);
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// Sum over the likelier genes, and the value that they are above.
    fn sum(by_gene: &[f64]) -> (f64, f64) {
        let present = || by_gene.iter().copied().filter(|v| !v.is_nan());
        let least = quantile_of_sorted(&sorted(present()), LEFT_OUT);
        (present().filter(|v| *v > least).sum(), least)
    }

    /// First and expected second derivative by each log factor, over the genes above `least`. Genes are added
    /// one by one, so that blocks change nothing.
    fn slopes(
        &self,
        ctx: &Context,
        u: &[f64],
        by_gene: &[f64],
        least: f64,
    ) -> Result<[Vec<f64>; 2]> {
        let m = u.len();
        let mut sums = [vec![0.0; m], vec![0.0; m]];
        by_blocks(
            ctx,
            "size factors",
            self.data,
            || GeneReader::new(self.data),
            |reader, range| {
                let mut part = Vec::new();
                for gene in range.filter(|&gene| by_gene[gene] > least) {
                    reader.read(gene);
                    let alpha = self.dispersions.dispersion[gene];
                    for (sample, (&k, &u)) in reader.counts.iter().zip(u).enumerate() {
                        let mu = self.mu(gene, sample, u);
                        let precision = 1.0 / (1.0 + alpha * mu);
                        part.push([(k - mu) * precision, mu * precision]);
                    }
                }
                Ok(part)
            },
            |part| {
                for (at, [slope, curvature]) in part.into_iter().enumerate() {
                    sums[0][at % m] += slope;
                    sums[1][at % m] += curvature;
                }
                Ok(())
            },
        )?;
        Ok(sums)
    }

    /// The log factors with mean zero where the sum is largest, from `start`.
    fn maximise(&self, ctx: &Context, start: &[f64]) -> Result<Vec<f64>> {
        let mut u = start.to_vec();
        let mut by_gene = self.by_gene(ctx, &u)?;
        let (mut value, mut least) = Self::sum(&by_gene);
        for _ in 0..STEPS {
            let [slope, curvature] = self.slopes(ctx, &u, &by_gene, least)?;
            // The step of largest gain among those that keep the mean.
            let whole: f64 = curvature.iter().map(|h| 1.0 / h).sum();
            let shift = slope
                .iter()
                .zip(&curvature)
                .map(|(g, h)| g / h)
                .sum::<f64>()
                / whole;
            let step: Vec<f64> = slope
                .iter()
                .zip(&curvature)
                .map(|(g, h)| ((g - shift) / h).clamp(-1.0, 1.0))
                .collect();
            let mut share = 1.0;
            let mut found = None;
            for _ in 0..HALVINGS {
                let mut next: Vec<f64> = u.iter().zip(&step).map(|(u, d)| u + share * d).collect();
                let centre = mean(&next);
                next.iter_mut().for_each(|v| *v -= centre);
                let genes = self.by_gene(ctx, &next)?;
                let (gained, above) = Self::sum(&genes);
                if gained > value {
                    found = Some((next, genes, gained, above));
                    break;
                }
                share /= 2.0;
            }
            let Some((next, genes, gained, above)) = found else {
                break;
            };
            let moved = next.iter().zip(&u).map(|(a, b)| (a - b).abs());
            let moved = moved.fold(0.0, f64::max);
            (u, by_gene, value, least) = (next, genes, gained, above);
            if moved < SMALL {
                break;
            }
        }
        Ok(u)
    }
}
