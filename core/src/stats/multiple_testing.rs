//! Adjustment of p-values for the number of tests.
//!
//! Missing p-values (NaN) stay missing and do not count as tests.
//!
//! # Cost
//! One sort; Hommel's method takes `n^2`.
//!
//! # Source
//! The definitions of R's `p.adjust`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How p-values are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Adjustment {
    /// Benjamini and Hochberg: false discovery rate.
    #[default]
    Bh,
    /// Benjamini and Yekutieli: false discovery rate under any dependence.
    By,
    /// Bonferroni: family-wise error.
    Bonferroni,
    /// Holm: family-wise error, step down.
    Holm,
    /// Hochberg: family-wise error, step up.
    Hochberg,
    /// Hommel: family-wise error.
    Hommel,
    /// No adjustment.
    None,
}

/// Names in R's spelling.
const NAMES: [(&str, Adjustment); 8] = [
    ("BH", Adjustment::Bh),
    ("BY", Adjustment::By),
    ("bonferroni", Adjustment::Bonferroni),
    ("holm", Adjustment::Holm),
    ("hochberg", Adjustment::Hochberg),
    ("hommel", Adjustment::Hommel),
    ("none", Adjustment::None),
    ("fdr", Adjustment::Bh),
];

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(_, method)| method == self);
        f.write_str(known.map_or("", |(name, _)| name))
    }
}

impl FromStr for Adjustment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        NAMES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, method)| *method)
            .ok_or_else(|| {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                Error::argument(
                    "pAdjustMethod",
                    format!(
                        "{text:?} is not a method; must be one of {}",
                        names.join(", ")
                    ),
                )
            })
    }
}

/// Adjusted p-values, in the order of the input; NaN where the input is NaN.
pub fn adjust(p: &[f64], method: Adjustment) -> Vec<f64> {
    let order = ascending(p);
    let sorted: Vec<f64> = order.iter().map(|&i| p[i]).collect();
    let mut out = vec![f64::NAN; p.len()];
    for (&index, value) in order.iter().zip(adjust_sorted(&sorted, method)) {
        out[index] = value;
    }
    out
}

/// Positions of the p-values that are not missing, smallest first, ties in order.
pub fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_unstable_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    order
}

/// Adjusted values of ascending p-values, none missing.
pub fn adjust_sorted(sorted: &[f64], method: Adjustment) -> Vec<f64> {
    let n = sorted.len() as f64;
    match method {
        Adjustment::None => sorted.to_vec(),
        Adjustment::Bonferroni => sorted.iter().map(|p| (p * n).min(1.0)).collect(),
        Adjustment::Holm => from_small(sorted, |rank| n - rank + 1.0),
        Adjustment::Hochberg => from_large(sorted, |rank| n - rank + 1.0),
        Adjustment::Bh => from_large(sorted, |rank| n / rank),
        Adjustment::By => {
            let harmonic: f64 = (1..=sorted.len()).map(|i| 1.0 / i as f64).sum();
            from_large(sorted, |rank| harmonic * n / rank)
        }
        Adjustment::Hommel => hommel(sorted),
    }
}

/// Running maximum of `factor(rank) p` from the smallest p on.
fn from_small(sorted: &[f64], factor: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut most = 0.0_f64;
    let scaled = sorted.iter().enumerate().map(|(i, p)| {
        most = most.max(factor(i as f64 + 1.0) * p);
        most.min(1.0)
    });
    scaled.collect()
}

/// Running minimum of `factor(rank) p` from the largest p on.
fn from_large(sorted: &[f64], factor: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut least = 1.0_f64;
    let mut out = vec![0.0; sorted.len()];
    for (i, p) in sorted.iter().enumerate().rev() {
        least = least.min(factor(i as f64 + 1.0) * p);
        out[i] = least;
    }
    out
}

/// Hommel's method by Wright's algorithm.
fn hommel(sorted: &[f64]) -> Vec<f64> {
    let n = sorted.len();
    if n < 2 {
        return sorted.to_vec();
    }
    let start = sorted
        .iter()
        .enumerate()
        .map(|(i, p)| n as f64 * p / (i as f64 + 1.0))
        .fold(f64::INFINITY, f64::min);
    let (mut q, mut best) = (vec![start; n], vec![start; n]);
    for m in (2..n).rev() {
        let split = n - m + 1;
        let least = (2..=m)
            .map(|k| m as f64 * sorted[split + k - 2] / k as f64)
            .fold(f64::INFINITY, f64::min);
        for i in 0..split {
            q[i] = (m as f64 * sorted[i]).min(least);
        }
        let last = q[split - 1];
        q[split..].fill(last);
        for (best, &q) in best.iter_mut().zip(&q) {
            *best = best.max(q);
        }
    }
    best.iter().zip(sorted).map(|(b, p)| b.max(*p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: [f64; 6] = [0.01, 0.04, 0.03, f64::NAN, 0.5, 0.03];

    fn check(method: Adjustment, want: [f64; 6]) {
        for (got, want) in adjust(&P, method).iter().zip(want) {
            assert!(
                (got - want).abs() < 1e-15 || (got.is_nan() && want.is_nan()),
                "{method}: {got} is not {want}"
            );
        }
    }

    /// R: p.adjust(c(.01, .04, .03, NA, .5, .03), method)
    #[test]
    fn methods_agree_with_r() {
        let na = f64::NAN;
        check(Adjustment::Bh, [0.05, 0.05, 0.05, na, 0.5, 0.05]);
        let by = 0.05 * (137.0 / 60.0);
        check(Adjustment::By, [by, by, by, na, 1.0, by]);
        check(Adjustment::Bonferroni, [0.05, 0.2, 0.15, na, 1.0, 0.15]);
        check(Adjustment::Holm, [0.05, 0.12, 0.12, na, 0.5, 0.12]);
        check(Adjustment::Hochberg, [0.05, 0.08, 0.08, na, 0.5, 0.08]);
        check(Adjustment::Hommel, HOMMEL);
        check(Adjustment::None, P);
    }

    const HOMMEL: [f64; 6] = [0.05, 0.08, 0.06, f64::NAN, 0.5, 0.06];

    #[test]
    fn names_round_trip() {
        for (name, method) in NAMES {
            assert_eq!(name.parse::<Adjustment>().expect("known"), method);
        }
        assert_eq!(Adjustment::Bh.to_string(), "BH");
        assert!("bh".parse::<Adjustment>().is_err());
    }
}
