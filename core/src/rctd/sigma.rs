//! The noise level sigma: the grid value under which sampled pixels are most likely.
//!
//! Pixels are fitted with the current sigma, then the fits are scored under the eight grid values
//! to either side, each with five factors on the prediction; the best becomes current, until
//! nothing changes.
//!
//! Time: pixels x genes x types² an iteration for the fits, 85 table look-ups an entry for the
//! scores, a round. Memory: one number a pixel and gene of the sample, and 17 tables.
//! Source: spacexr 2.2.1, `choose_sigma_c`.

use std::sync::Arc;

use crate::context::{Context, Stage};
use crate::error::{Error, Result};
use crate::par::r_random::RRandom;
use crate::par::{Blocks, ordered, rng};
use crate::stats::poisson_lognormal::{
    CountRows, LambdaCells, LikelihoodTable, LikelihoodTables, SeenCounts, grid,
};

use super::config::RctdOptions;
use super::fitter::PixelFitter;
use super::irwls::Design;

/// Key of the first round. spacexr: sigma 1.
const FIRST_KEY: u32 = 100;
/// Grid positions to either side that a round looks at. spacexr: 8.
const REACH: usize = 8;
/// Factors on the prediction. spacexr: 0.8 to 1.2.
const FACTORS: [f64; 5] = [0.8, 0.9, 1.0, 1.1, 1.2];
/// Least prediction. spacexr: 1e-4.
const MIN_PREDICTION: f64 = 1e-4;
/// Most entries that are scored. spacexr: 1e6.
const MAX_ENTRIES: usize = 1_000_000;
/// Entries of one block of the score sums; part of the meaning of the result.
const ENTRIES_PER_BLOCK: usize = 4096;
/// Pixels of one task of the fits.
const PIXELS_PER_TASK: usize = 8;

/// One round of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SigmaEpoch {
    /// 100 sigma chosen in the round.
    pub key: u32,
    /// Its score: negative log-likelihood of the scored entries.
    pub score: f64,
}

/// Result of the search.
#[derive(Debug, Clone, PartialEq)]
pub struct SigmaFit {
    /// 100 sigma.
    pub key: u32,
    /// The rounds; empty when sigma was given.
    pub epochs: Vec<SigmaEpoch>,
    /// Pixels in the sample.
    pub n_pixels: usize,
    /// Where `sigma_random_seed` stands after the rounds; `None` without it.
    pub random_seed: Option<Vec<i32>>,
}

/// Counts of a sampled pixel on the regression genes.
pub(crate) struct SampledPixel {
    pub(crate) entries: Vec<(u32, u32)>,
    pub(crate) n_umi: f64,
}

/// The search for one data set.
pub(crate) struct SigmaSearch<'a> {
    pub(crate) design: &'a Design,
    /// Normalised profiles, regression genes x types, row-major.
    pub(crate) profiles: &'a [f64],
    pub(crate) options: &'a RctdOptions,
    pub(crate) classes: &'a [u32],
    pub(crate) pixels: &'a [SampledPixel],
}

/// Counts and their predictions.
#[derive(Default)]
struct Entries {
    counts: Vec<u32>,
    predictions: Vec<f64>,
}

impl SigmaSearch<'_> {
    pub(crate) fn run(&self, ctx: &Context) -> Result<SigmaFit> {
        let mut seen = SeenCounts::default();
        for (_, count) in self.pixels.iter().flat_map(|pixel| &pixel.entries) {
            seen.insert(*count);
        }
        let tables = &mut LikelihoodTables::new(Arc::new(CountRows::of(&seen)));
        let mut key = FIRST_KEY;
        let mut epochs = Vec::new();
        let rounds = self.options.n_epoch;
        let seed = self.options.sigma_random_seed.as_deref();
        let mut random = seed
            .map(|seed| RRandom::from_seed("sigma_random_seed", seed))
            .transpose()?;
        let stage = ctx.stage("choose_sigma", u64::from(rounds))?;
        stage.report(0, &format!("initial sigma {}", f64::from(key) / 100.0))?;
        for round in 0..rounds {
            // With the others a table costs a fraction of what it does alone, so all come first.
            let candidates = window(key);
            tables.keep_only(&candidates);
            tables.ensure(ctx, &candidates)?;
            let predictions = self.predictions(ctx, &stage, tables, key)?;
            let chosen = match &mut random {
                Some(random) => {
                    random.sample(predictions.len(), predictions.len().min(MAX_ENTRIES))
                }
                None => self.chosen_entries(ctx, round, predictions.len())?,
            };
            let entries = self.entries(chosen, predictions);
            let used: Vec<&LikelihoodTable> = candidates
                .iter()
                .filter_map(|&candidate| tables.get(candidate))
                .collect();
            let scores = score_entries(ctx, &entries, tables.rows(), &used)?;
            let mut best = 0;
            for (position, score) in scores.iter().enumerate() {
                if *score < scores[best] {
                    best = position;
                }
            }
            let (chosen, score) = (candidates[best], scores[best]);
            epochs.push(SigmaEpoch { key: chosen, score });
            stage.report(
                u64::from(round) + 1,
                &format!(
                    "likelihood value {score:.6}, sigma {}",
                    f64::from(chosen) / 100.0
                ),
            )?;
            if chosen == key {
                break;
            }
            key = chosen;
        }
        stage.finish()?;
        Ok(SigmaFit {
            key,
            epochs,
            n_pixels: self.pixels.len(),
            random_seed: random.map(|random| random.seed()),
        })
    }

    /// Predictions of all sampled pixels, pixel-major.
    fn predictions(
        &self,
        ctx: &Context,
        stage: &Stage<'_>,
        tables: &LikelihoodTables,
        key: u32,
    ) -> Result<Vec<f64>> {
        let table = tables.require(key)?;
        let k = self.design.n_types();
        let mut blocks = Blocks::new(self.pixels.len(), PIXELS_PER_TASK);
        let mut all = Vec::with_capacity(self.pixels.len() * self.design.n_genes());
        ordered(
            ctx,
            Some(stage),
            || Ok(blocks.next()),
            || PixelFitter::new(self.design, table, self.options, self.classes),
            |fitter, range| {
                let mut out = Vec::with_capacity(range.len() * self.design.n_genes());
                let mut weights = vec![0.0; k];
                for pixel in &self.pixels[range] {
                    ctx.check_cancelled()?;
                    fitter.set_pixel(pixel.entries.iter().copied(), pixel.n_umi);
                    fitter.weights_of_all(&mut weights);
                    for row in self.profiles.chunks_exact(k) {
                        let mean: f64 = row.iter().zip(&weights).map(|(p, w)| p * w).sum();
                        out.push((pixel.n_umi * mean).max(MIN_PREDICTION));
                    }
                }
                Ok(out)
            },
            |out| {
                all.extend(out);
                Ok(0)
            },
        )?;
        Ok(all)
    }

    /// The entries that are scored in a round, in the order of their index.
    fn entries(&self, chosen: Option<Vec<usize>>, predictions: Vec<f64>) -> Entries {
        let g = self.design.n_genes();
        let mut all = vec![0_u32; predictions.len()];
        for (row, pixel) in all.chunks_exact_mut(g).zip(self.pixels) {
            for &(gene, count) in &pixel.entries {
                row[gene as usize] = count;
            }
        }
        match chosen {
            None => Entries {
                counts: all,
                predictions,
            },
            Some(chosen) => Entries {
                counts: chosen.iter().map(|&entry| all[entry]).collect(),
                predictions: chosen.iter().map(|&entry| predictions[entry]).collect(),
            },
        }
    }

    /// Indices of the scored entries, ascending; `None` for all.
    fn chosen_entries(&self, ctx: &Context, round: u32, n: usize) -> Result<Option<Vec<usize>>> {
        let mut chosen = if let Some(rounds) = &self.options.sigma_entries {
            let Some(given) = rounds.get(round as usize) else {
                return Err(Error::argument(
                    "sigma_entries",
                    format!(
                        "round {round} has no list ({} are given); every round needs one, at most n_epoch = {}",
                        rounds.len(),
                        self.options.n_epoch
                    ),
                ));
            };
            let mut chosen = Vec::with_capacity(given.len());
            for &entry in given {
                if entry >= n as u64 {
                    return Err(Error::argument(
                        "sigma_entries",
                        format!("round {round} names entry {entry} of {n}"),
                    ));
                }
                chosen.push(entry as usize);
            }
            chosen
        } else if n > MAX_ENTRIES {
            rng::stream(ctx.seed(), "sigma_entries", u64::from(round)).sample(n, MAX_ENTRIES)
        } else {
            return Ok(None);
        };
        chosen.sort_unstable();
        Ok(Some(chosen))
    }
}

/// Keys that a round compares.
fn window(key: u32) -> Vec<u32> {
    let keys = grid::sigma_keys();
    let position = keys.partition_point(|&k| k < key);
    let end = (position + REACH + 1).min(keys.len());
    keys[position.saturating_sub(REACH)..end].to_vec()
}

/// For each table, the least over the factors of the negative log-likelihood of all entries.
fn score_entries(
    ctx: &Context,
    entries: &Entries,
    rows: &Arc<CountRows>,
    tables: &[&LikelihoodTable],
) -> Result<Vec<f64>> {
    let n_sums = tables.len() * FACTORS.len();
    let mut sums = vec![0.0; n_sums];
    let mut blocks = Blocks::new(entries.counts.len(), ENTRIES_PER_BLOCK);
    ordered(
        ctx,
        None,
        || Ok(blocks.next()),
        || LambdaCells::new(rows),
        |cells, range| {
            ctx.check_cancelled()?;
            let (counts, predictions) =
                (&entries.counts[range.clone()], &entries.predictions[range]);
            let mut part = vec![0.0; n_sums];
            for (f, factor) in FACTORS.into_iter().enumerate() {
                cells.locate(counts, predictions, factor);
                for (t, table) in tables.iter().enumerate() {
                    part[t * FACTORS.len() + f] = cells.negative_log_likelihood(table);
                }
            }
            Ok(part)
        },
        |part| {
            for (sum, value) in sums.iter_mut().zip(part) {
                *sum += value;
            }
            Ok(0)
        },
    )?;
    Ok(sums
        .chunks_exact(FACTORS.len())
        .map(|by_factor| by_factor.iter().copied().fold(f64::INFINITY, f64::min))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_clipped_to_the_grid() {
        assert_eq!(window(10), (10..=18).collect::<Vec<_>>());
        assert_eq!(window(70)[8], 70);
        assert_eq!(window(70)[9..], [72, 74, 76, 78, 80, 82, 84, 86]);
        assert_eq!(*window(200).last().expect("not empty"), 200);
    }
}
