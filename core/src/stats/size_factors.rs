//! Size factors of samples: how much more was sequenced, robustly.
//!
//! # Cost
//! One logarithm a count and a median a sample. Memory: one number a gene that counts, a sample.
//!
//! # Source
//! Anders and Huber (2010); DESeq2 1.38, `estimateSizeFactorsForMatrix`.

use crate::stats::order::{mean, median, sorted};

/// How log ratios of a sample are summarised.
pub type LocationFunction<'a> = &'a dyn Fn(&[f64]) -> f64;

/// Median of log ratios, the default location function.
pub fn median_ratio(ratios: &[f64]) -> f64 {
    median(ratios.iter().copied())
}

/// Share of the values by which the first and the last of several shortest halves may be apart.
/// genefilter: `tie.limit` = 0.05.
const TIE_LIMIT: f64 = 0.05;

/// Mean of the shortest half of the values (genefilter's `shorth`), a mode of log ratios that one-sided
/// changes move less than the median. `None` without values, and when several halves are the shortest and
/// lie so far apart that there is no single mode.
pub fn shorth(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values.iter().copied());
    let n = sorted.len();
    if n < 2 {
        return sorted.first().copied();
    }
    let width = (0.5 * n as f64).round_ties_even() as usize;
    let lengths: Vec<f64> = (0..n - width)
        .map(|at| sorted[at + width] - sorted[at])
        .collect();
    let least = lengths.iter().copied().fold(f64::INFINITY, f64::min);
    let shortest: Vec<usize> = (0..lengths.len())
        .filter(|&at| lengths[at] == least)
        .collect();
    let (first, last) = (*shortest.first()?, *shortest.last()?);
    if (last - first) as f64 > TIE_LIMIT * n as f64 {
        return None;
    }
    let at = shortest.iter().sum::<usize>() / shortest.len();
    Some(mean(&sorted[at..at + width]))
}

/// Mean of the logarithms of a gene's counts; `-inf` with any zero.
pub fn ln_geometric_mean(counts: &[f64]) -> f64 {
    if counts.contains(&0.0) {
        return f64::NEG_INFINITY;
    }
    let logs: Vec<f64> = counts.iter().map(|&k| libm::log(k)).collect();
    mean(&logs)
}

/// Sum of the logarithms of a gene's positive counts over the number of samples; `-inf` for a
/// gene without counts.
pub fn ln_positive_mean(counts: &[f64]) -> f64 {
    if counts.iter().all(|&k| k == 0.0) {
        return f64::NEG_INFINITY;
    }
    let positive = counts.iter().filter(|k| **k > 0.0);
    positive.map(|&k| libm::log(k)).sum::<f64>() / counts.len() as f64
}

/// Log ratios by sample, filled gene by gene.
#[derive(Debug, Clone)]
pub struct Ratios {
    by_sample: Vec<Vec<f64>>,
}

impl Ratios {
    /// For `n_samples` samples.
    pub fn new(n_samples: usize) -> Self {
        Ratios {
            by_sample: vec![Vec::new(); n_samples],
        }
    }

    /// Adds a gene with this logarithm of its (geometric) mean; genes without one are left out.
    pub fn add(&mut self, counts: &[f64], ln_mean: f64) {
        if !ln_mean.is_finite() {
            return;
        }
        for (ratios, &count) in self.by_sample.iter_mut().zip(counts) {
            if count > 0.0 {
                ratios.push(libm::log(count) - ln_mean);
            }
        }
    }

    /// Adds the genes of `other` after these.
    pub fn append(&mut self, other: Ratios) {
        for (ratios, more) in self.by_sample.iter_mut().zip(other.by_sample) {
            ratios.extend(more);
        }
    }

    /// Size factors; NaN for a sample without ratios.
    pub fn size_factors(&self, location: LocationFunction<'_>) -> Vec<f64> {
        self.by_sample
            .iter()
            .map(|ratios| libm::exp(location(ratios)))
            .collect()
    }
}

/// Divides by the geometric mean, in place.
pub fn center_geometrically(values: &mut [f64]) {
    let logs: Vec<f64> = values.iter().map(|&v| libm::log(v)).collect();
    let centre = libm::exp(mean(&logs));
    values.iter_mut().for_each(|v| *v /= centre);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_samples_have_doubled_factors() {
        let mut ratios = Ratios::new(3);
        for base in [3.0, 10.0, 70.0] {
            let counts = [base, 2.0 * base, 4.0 * base];
            ratios.add(&counts, ln_geometric_mean(&counts));
        }
        ratios.add(&[0.0, 5.0, 1.0], ln_geometric_mean(&[0.0, 5.0, 1.0]));
        let factors = ratios.size_factors(&median_ratio);
        for (got, want) in factors.iter().zip([0.5, 1.0, 2.0]) {
            assert!((got - want).abs() < 1e-14);
        }
    }

    #[test]
    fn the_shortest_half_is_where_most_values_are() {
        // Of 100 values 60 are about 2, the others far to the right.
        let mut values: Vec<f64> = (0..60).map(|i| 2.0 + 1e-4 * f64::from(i * i)).collect();
        values.extend((0..40).map(|i| 3.0 + f64::from(i)));
        let want = mean(&values[..50]);
        assert_eq!(shorth(&values), Some(want));
        assert!(median_ratio(&values) > want);
        let got = shorth(&[0.0, 0.0, 0.9, 0.8, 0.6, 0.9, 0.8]).expect("one mode");
        assert!((got - 0.775).abs() < 1e-15); // genefilter 1.80.3
        assert_eq!(shorth(&[7.0]), Some(7.0));
        assert_eq!(shorth(&[7.0, 5.0]), Some(5.0));
        // Halves of one length at both ends: no single mode.
        assert_eq!(shorth(&[1.0, 2.0, 3.0, 9.0, 10.0, 11.0]), None);
        assert_eq!(shorth(&[]), None);
    }

    #[test]
    fn positive_counts_count() {
        assert_eq!(ln_positive_mean(&[0.0, 1.0, 0.0, libm::exp(1.0)]), 0.25);
        assert_eq!(ln_positive_mean(&[0.0, 0.0]), f64::NEG_INFINITY);
        let mut values = [2.0, 8.0];
        center_geometrically(&mut values);
        assert!((values[0] - 0.5).abs() < 1e-15 && (values[1] - 2.0).abs() < 1e-15);
    }
}
