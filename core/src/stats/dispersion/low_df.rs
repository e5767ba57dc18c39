//! Prior variance of the log dispersions when there are one to three residual degrees of freedom.
//!
//! The distribution of `ln chi2_df - ln df` is then so far from normal that a difference of
//! variances says little. The observed histogram is compared with those of
//! `ln chi2_df + N(0, v) - ln df` for 200 variances `v`; the histograms depend on `df` alone and
//! are a table of facts shipped with the crate.
//!
//! # Cost
//! 200 divergences of 40 bins and some 30 local fits over 40 points: below 1 ms, once.
//!
//! # Source
//! DESeq2 1.38, `estimateDispersionsPriorVar`; the table holds the counts that its random numbers
//! (R's generator, seed 2, 10,000 draws each) give.

use crate::stats::loess::Loess;

/// Histogram counts, a row a (df, variance); see the module.
const TABLE: &str = include_str!("../../../data/low_df_histograms.tsv");
const BINS: usize = 40;
const VARIANCES: usize = 200;
const MOST: f64 = 8.0;
const WIDTH: f64 = 0.5;
const EDGE: f64 = 10.0;
/// By how much a border of bins is shifted to the right. R's `hist`: 1e-7 of the width.
const SHIFT: f64 = 1e-7 * WIDTH;
/// Share of the variances that a local fit uses. DESeq2: 0.2.
const SPAN: f64 = 0.2;

/// The variance whose histogram is closest to that of the residuals (natural log), for
/// `df` 1, 2 or 3; `None` without residuals.
pub(super) fn closest_variance(residuals: &[f64], df: usize) -> Option<f64> {
    let observed = histogram(residuals)?;
    let divergences: Vec<f64> = table(df)
        .iter()
        .map(|row| divergence(&observed, row))
        .collect();
    let grid: Vec<f64> = (0..VARIANCES)
        .map(|i| MOST * i as f64 / (VARIANCES - 1) as f64)
        .collect();
    let smooth = Loess::fit(&grid, &divergences, SPAN)
        .expect("200 different variances and finite divergences have a smooth");
    let (mut best, mut least) = (0.0, f64::INFINITY);
    for i in 0..1000 {
        let variance = MOST * f64::from(i) / 999.0;
        let value = smooth.value(variance);
        if value < least {
            (best, least) = (variance, value);
        }
    }
    Some(best)
}

/// Densities of the bins `(-10, -9.5] ... (9.5, 10]`.
fn histogram(residuals: &[f64]) -> Option<[f64; BINS]> {
    let mut counts = [0.0; BINS];
    let mut n = 0.0;
    for residual in residuals.iter().filter(|r| r.abs() < EDGE) {
        let bin = ((residual + EDGE - SHIFT) / WIDTH).ceil() as usize;
        counts[bin.clamp(1, BINS) - 1] += 1.0;
        n += 1.0;
    }
    counts.iter_mut().for_each(|c| *c /= n * WIDTH);
    (n > 0.0).then_some(counts)
}

fn table(df: usize) -> Vec<[f64; BINS]> {
    let wanted = df.to_string();
    TABLE
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split('\t');
            (fields.next() == Some(wanted.as_str())).then(|| {
                let mut row = [0.0; BINS];
                for (value, field) in row.iter_mut().zip(fields) {
                    *value = field.parse().expect("the shipped table holds numbers");
                }
                let total: f64 = row.iter().sum();
                row.map(|value| value / (total * WIDTH))
            })
        })
        .collect()
}

/// Divergence with the least positive density of both added to each bin.
fn divergence(observed: &[f64; BINS], random: &[f64; BINS]) -> f64 {
    let positive = observed.iter().chain(random).copied().filter(|v| *v > 0.0);
    let small = positive.fold(f64::INFINITY, f64::min);
    observed
        .iter()
        .zip(random)
        .map(|(o, r)| o * (libm::log(o + small) - libm::log(r + small)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn the_table_is_whole() {
        for df in 1..=3 {
            let rows = table(df);
            assert_eq!(rows.len(), VARIANCES);
            for row in rows {
                assert!((row.iter().sum::<f64>() * WIDTH - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_variance_of_simulated_residuals_is_found() {
        let mut random = stream(1, "low_df", 0);
        for (df, variance) in [(1_usize, 1.0_f64), (2, 0.6), (3, 2.0)] {
            let residuals: Vec<f64> = (0..40_000)
                .map(|_| {
                    let chi: f64 = (0..df).map(|_| random.normal().powi(2)).sum();
                    chi.ln() - (df as f64).ln() + variance.sqrt() * random.normal()
                })
                .collect();
            let got = closest_variance(&residuals, df).expect("residuals");
            assert!((got - variance).abs() < 0.35 * variance, "df {df}: {got}");
        }
    }
}
