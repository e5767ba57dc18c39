//! Platform effects: how much more or less the spatial technology sees of each gene.
//!
//! All pixels together are one bulk sample. It is fitted with the reference profiles, and each
//! gene's profile is scaled so that the fit reproduces the gene's bulk count.
//!
//! Time: genes x types² an iteration. Memory: genes x types.
//! Source: spacexr 2.2.1, `fitBulk` and `get_norm_ref`.

use crate::error::{Error, Reason, Result};

use super::irwls::{QpMethod, SolveOptions, solve_bulk};

/// Genes with fewer bulk counts do not enter the fit. spacexr: MIN_OBS of the bulk step.
const MIN_BULK_COUNT: u64 = 10;

/// Iterations of the bulk fit. spacexr: 100.
const BULK_ITERATIONS: u32 = 100;

/// Result of the bulk fit.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkFit {
    /// Weight of every type in the bulk; not normalised.
    pub proportions: Vec<f64>,
    /// Profiles after correction for platform effects, bulk genes x types, row-major.
    pub profiles: Vec<f64>,
    /// Whether the fit converged.
    pub converged: bool,
    /// Iterations it took.
    pub n_iter: u32,
}

/// What the bulk fit needs.
pub(crate) struct BulkInput<'a> {
    /// Names of the bulk genes, for messages.
    pub(crate) genes: &'a [&'a str],
    /// Reference profiles of the bulk genes, row-major.
    pub(crate) profiles: &'a [f64],
    pub(crate) n_types: usize,
    /// Count of every bulk gene over all pixels.
    pub(crate) counts: &'a [u64],
    /// nUMI over all pixels.
    pub(crate) n_umi: f64,
    pub(crate) min_change: f64,
    pub(crate) step: f64,
    pub(crate) qp_method: QpMethod,
}

impl BulkFit {
    /// Fits the bulk sample and corrects the profiles.
    pub(crate) fn fit(input: &BulkInput<'_>) -> Result<Self> {
        let k = input.n_types;
        let mut design = Vec::new();
        let mut counts = Vec::new();
        for (row, &count) in input.profiles.chunks_exact(k).zip(input.counts) {
            if count >= MIN_BULK_COUNT {
                design.extend(row.iter().map(|value| value * input.n_umi));
                counts.push(count as f64);
            }
        }
        if counts.is_empty() {
            return Err(Error::data(format!(
                "no bulk gene has a total count of at least {MIN_BULK_COUNT}; the spatial data are too shallow"
            ))
            .with_reason(Reason::TooFewGenes));
        }
        let mut proportions = vec![0.0; k];
        let outcome = solve_bulk(
            &design,
            k,
            &counts,
            input.n_umi,
            &SolveOptions {
                n_iter: BULK_ITERATIONS,
                min_change: input.min_change,
                step: input.step,
                qp_method: input.qp_method,
            },
            &mut proportions,
        );
        let profiles = correct(input, &proportions)?;
        Ok(BulkFit {
            proportions,
            profiles,
            converged: outcome.converged,
            n_iter: outcome.n_iter,
        })
    }
}

/// Divides each gene's profile by (fitted mean / observed mean).
fn correct(input: &BulkInput<'_>, proportions: &[f64]) -> Result<Vec<f64>> {
    let total: f64 = proportions.iter().sum();
    let mut corrected = Vec::with_capacity(input.profiles.len());
    let rows = input.profiles.chunks_exact(input.n_types);
    for ((row, &count), gene) in rows.zip(input.counts).zip(input.genes) {
        let fitted: f64 = row
            .iter()
            .zip(proportions)
            .map(|(m, w)| m * (w / total))
            .sum();
        let observed = count as f64 / input.n_umi;
        let effect = fitted / observed;
        for value in row {
            let value = value / effect;
            if !value.is_finite() {
                return Err(Error::data(format!(
                    "gene {gene:?}: its profile after platform correction is not finite (fitted mean \
                     {fitted}, observed mean {observed})"
                ))
                .with_reason(Reason::NonFinite {
                    gene: (*gene).to_owned(),
                }));
            }
            corrected.push(value);
        }
    }
    Ok(corrected)
}
