//! The counts of a gene as distinct values with multiplicities, for sums of gamma functions.
//!
//! # Cost
//! One pass over the samples and the range of the counts, or a sort where that range is wide; sums then cost one
//! logarithm and one division a distinct count.

use super::nb::sum_in_lanes;
use super::special::{
    HALF_LN_TWO_PI, STIRLING_FROM, digamma_rest, ln_gamma, ln_gamma_and_digamma, stirling_rest,
    trigamma, trigamma_series,
};
use super::vector_math::{ln, ln_1p};

/// Largest count, as a multiple of the number of samples, up to which counts are tallied rather than sorted.
const TALLY_UP_TO: usize = 8;

/// Distinct positive counts, ascending, and how often (with weights: how much) each occurs.
#[derive(Debug, Clone, Default)]
pub struct CountTable {
    sorted: Vec<u32>,
    /// How often each count occurs; zeros between fills.
    tally: Vec<u32>,
    values: Vec<f64>,
    times: Vec<f64>,
    /// All multiplicities, zero counts included.
    total: f64,
    one: Vec<f64>,
    other: Vec<f64>,
}

impl CountTable {
    /// Fills the table. With weights nothing is merged.
    pub fn fill(&mut self, counts: &[f64], weights: Option<&[f64]>) {
        self.values.clear();
        self.times.clear();
        if let Some(weights) = weights {
            let mut pairs: Vec<(f64, f64)> = counts
                .iter()
                .copied()
                .zip(weights.iter().copied())
                .filter(|(k, _)| *k > 0.0)
                .collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.values.extend(pairs.iter().map(|p| p.0));
            self.times.extend(pairs.iter().map(|p| p.1));
            self.total = weights.iter().sum();
        } else {
            let most = counts.iter().copied().fold(0.0, f64::max) as usize;
            match most <= TALLY_UP_TO * counts.len() {
                true => self.tally(counts, most),
                false => self.sort(counts),
            }
            self.total = counts.len() as f64;
        }
        self.one.resize(self.values.len(), 0.0);
        self.other.resize(self.values.len(), 0.0);
    }

    fn tally(&mut self, counts: &[f64], most: usize) {
        if self.tally.len() <= most {
            self.tally.resize(most + 1, 0);
        }
        for &count in counts {
            self.tally[count as usize] += 1;
        }
        self.tally[0] = 0;
        for (count, times) in self.tally[..=most].iter_mut().enumerate() {
            if *times > 0 {
                self.values.push(count as f64);
                self.times.push(f64::from(std::mem::take(times)));
            }
        }
    }

    fn sort(&mut self, counts: &[f64]) {
        self.sorted.clear();
        self.sorted
            .extend(counts.iter().filter(|k| **k > 0.0).map(|k| *k as u32));
        self.sorted.sort_unstable();
        for of_one_count in self.sorted.chunk_by(|a, b| a == b) {
            self.values.push(f64::from(of_one_count[0]));
            self.times.push(of_one_count.len() as f64);
        }
    }

    /// `sum n [ln Gamma(K+x) - ln Gamma(x)]` and its derivative, for `x < 8`.
    #[inline(always)]
    pub fn rising(&mut self, x: f64) -> (f64, f64) {
        let (gamma_x, digamma_x) = ln_gamma_and_digamma(x);
        let n = self.values.len();
        // At most eight counts need the shift of the series.
        let mut small = 0;
        while small < n && self.values[small] + x < STIRLING_FROM {
            let (gamma, digamma) = ln_gamma_and_digamma(self.values[small] + x);
            self.one[small] = self.times[small] * (gamma - gamma_x);
            self.other[small] = self.times[small] * (digamma - digamma_x);
            small += 1;
        }
        let (values, times) = (&self.values[small..], &self.times[small..]);
        let (one, other) = (&mut self.one[small..n], &mut self.other[small..n]);
        for i in 0..values.len() {
            let y = values[i] + x;
            let (inverse, log) = (1.0 / y, ln(y));
            let gamma = (y - 0.5) * log - y + HALF_LN_TWO_PI + stirling_rest(inverse);
            one[i] = times[i] * (gamma - gamma_x);
            other[i] = times[i] * (log + digamma_rest(inverse) - digamma_x);
        }
        (sum_in_lanes(&self.one[..n]), sum_in_lanes(&self.other[..n]))
    }

    /// What is left of [`CountTable::rising`] for `x >= 8` when the terms
    /// `(K+x) ln((x+K)/x) - K` (value) and `ln((x+K)/x)` (derivative) are taken out.
    #[inline(always)]
    pub fn rising_rest(&mut self, x: f64) -> (f64, f64) {
        let n = self.values.len();
        let inverse_x = 1.0 / x;
        let (rest, digamma) = (stirling_rest(inverse_x), digamma_rest(inverse_x));
        let (values, times) = (&self.values[..n], &self.times[..n]);
        let (one, other) = (&mut self.one[..n], &mut self.other[..n]);
        for i in 0..n {
            let k = values[i];
            let inverse = 1.0 / (x + k);
            let value = stirling_rest(inverse) - rest - 0.5 * ln_1p(k * inverse_x);
            one[i] = times[i] * value;
            other[i] = times[i] * (digamma_rest(inverse) - digamma);
        }
        (sum_in_lanes(one), sum_in_lanes(other))
    }

    /// `sum n [trigamma(K+x) - trigamma(x)]`.
    #[inline(always)]
    pub fn second(&mut self, x: f64) -> f64 {
        let trigamma_x = trigamma(x);
        let n = self.values.len();
        let mut small = 0;
        while small < n && self.values[small] + x < STIRLING_FROM {
            let y = self.values[small] + x;
            self.one[small] = self.times[small] * (trigamma(y) - trigamma_x);
            small += 1;
        }
        let (values, times) = (&self.values[small..], &self.times[small..]);
        for (out, (k, n)) in self.one[small..n].iter_mut().zip(values.iter().zip(times)) {
            *out = n * (trigamma_series(1.0 / (k + x)) - trigamma_x);
        }
        sum_in_lanes(&self.one[..n])
    }

    /// `sum n [ln Gamma(K+x) - ln Gamma(x) - ln K! + K ln alpha]`, `x = 1/alpha`.
    #[inline(always)]
    pub fn constant(&mut self, alpha: f64) -> f64 {
        let x = 1.0 / alpha;
        let n = self.values.len();
        let mut sum = 0.0;
        if x >= STIRLING_FROM {
            sum += self.rising_rest(x).0;
            for i in 0..n {
                let k = self.values[i];
                self.one[i] = self.times[i] * ((x + k) * ln_1p(k * alpha) - k);
            }
        } else {
            sum += self.rising(x).0;
            let ln_x = ln(x);
            for i in 0..n {
                self.one[i] = self.times[i] * (-self.values[i] * ln_x);
            }
        }
        sum += sum_in_lanes(&self.one[..n]);
        let mut small = 0;
        while small < n && self.values[small] + 1.0 < STIRLING_FROM {
            self.one[small] = self.times[small] * ln_gamma(self.values[small] + 1.0);
            small += 1;
        }
        let (values, times) = (&self.values[small..], &self.times[small..]);
        for (out, (k, n)) in self.one[small..n].iter_mut().zip(values.iter().zip(times)) {
            let y = k + 1.0;
            *out = n * ((y - 0.5) * ln(y) - y + HALF_LN_TWO_PI + stirling_rest(1.0 / y));
        }
        sum - sum_in_lanes(&self.one[..n])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallied_and_sorted_counts_are_the_same() {
        let (mut tallied, mut sorted) = (CountTable::default(), CountTable::default());
        for counts in [
            &[3.0, 0.0, 7.0, 3.0][..],
            &[0.0, 0.0],
            &[1.0; 5],
            &[9.0, 2.0, 2.0],
        ] {
            tallied.fill(counts, None);
            (sorted.values, sorted.times) = (Vec::new(), Vec::new());
            sorted.sort(counts);
            assert_eq!(
                (&tallied.values, &tallied.times),
                (&sorted.values, &sorted.times)
            );
            assert!(tallied.tally.iter().all(|&times| times == 0));
        }
        // Far apart: sorted.
        tallied.fill(&[4e9, 5.0, 4e9], None);
        assert_eq!(
            (&tallied.values[..], &tallied.times[..]),
            (&[5.0, 4e9][..], &[1.0, 2.0][..])
        );
    }

    #[test]
    fn sums_are_those_of_the_samples() {
        let counts = [0.0, 3.0, 3.0, 17.0, 0.0, 250.0, 1.0, 3.0];
        let weights = [0.3, 0.5, 1.0, 0.2, 0.1, 0.9, 0.7, 0.4];
        let mut table = CountTable::default();
        for given in [None, Some(&weights[..])] {
            table.fill(&counts, given);
            let w = |j: usize| given.map_or(1.0, |w| w[j]);
            for x in [0.05, 1.0, 7.9, 8.0, 30.0, 1e4] {
                let rising = |k: f64| (0..k as u32).map(|i| (x + f64::from(i)).ln()).sum::<f64>();
                let slope = |k: f64| (0..k as u32).map(|i| 1.0 / (x + f64::from(i))).sum::<f64>();
                let want: f64 = (0..8).map(|j| w(j) * rising(counts[j])).sum();
                let want_slope: f64 = (0..8).map(|j| w(j) * slope(counts[j])).sum();
                let (mut value, mut derivative) = if x < 8.0 {
                    table.rising(x)
                } else {
                    table.rising_rest(x)
                };
                if x >= 8.0 {
                    for (j, k) in counts.iter().enumerate() {
                        let log = (k / x).ln_1p();
                        value += w(j) * ((k + x) * log - k + k * x.ln());
                        derivative += w(j) * log;
                    }
                }
                assert!(
                    (value - want).abs() < 1e-12 * (1.0 + want.abs()),
                    "{x}: {value} {want}"
                );
                assert!(
                    (derivative - want_slope).abs() < 1e-12 * (1.0 + want_slope),
                    "{x}"
                );
                let factorials: f64 = (0..8).map(|j| w(j) * libm::lgamma(counts[j] + 1.0)).sum();
                let logs: f64 = (0..8).map(|j| w(j) * counts[j] * x.ln()).sum();
                let constant = table.constant(1.0 / x);
                let wanted = want - factorials - logs;
                assert!(
                    (constant - wanted).abs() < 1e-11 * (1.0 + logs.abs()),
                    "{x}: {constant} {wanted}"
                );
                let second = |k: f64| {
                    (0..k as u32)
                        .map(|i| -(x + f64::from(i)).powi(-2))
                        .sum::<f64>()
                };
                let want: f64 = (0..8).map(|j| w(j) * second(counts[j])).sum();
                let got = table.second(x);
                assert!(
                    (got - want).abs() < 1e-12 * want.abs() + 1e-15,
                    "{x}: {got} {want}"
                );
            }
        }
    }
}
