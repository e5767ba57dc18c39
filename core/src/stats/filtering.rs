//! Independent filtering: the cut on the mean count that lets most genes be found.
//!
//! # Cost
//! 50 adjustments of the p-values: one sort, then passes over the genes.
//!
//! # Source
//! Bourgon, Gentleman and Huber (2010); DESeq2 1.38 and 1.44, `pvalueAdjustment`; genefilter's
//! `filtered_p`.

use crate::stats::multiple_testing::{Adjustment, adjust, adjust_sorted, ascending};
use crate::stats::order::{quantile_of_sorted, sorted};
use crate::stats::smooth::lowess;

/// What filtering is told.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterOptions {
    /// Level at which rejections are counted.
    pub alpha: f64,
    /// How p-values are adjusted.
    pub method: Adjustment,
    /// Quantiles of the filter that are tried; 50 equally spaced ones when absent.
    pub theta: Option<Vec<f64>>,
    /// Whether cuts at 90 % and 80 % of the largest smooth are tried when none passes the first
    /// rule (DESeq2 from 1.40 on).
    pub second_choice: bool,
}

/// A cut that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilterStep {
    /// Quantile.
    pub theta: f64,
    /// Value of the filter at the quantile.
    pub cutoff: f64,
    /// Genes rejected at the level.
    pub rejections: usize,
    /// Smooth of the rejections.
    pub smooth: f64,
}

/// Adjusted p-values with the chosen cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered {
    /// Adjusted p-values; NaN for genes below the cut or without p-value.
    pub adjusted: Vec<f64>,
    /// All cuts.
    pub steps: Vec<FilterStep>,
    /// The cut chosen.
    pub chosen: usize,
}

/// Chooses the cut. `filter` and `p` have one entry a gene; NaN p-values are missing.
pub fn independent_filtering(filter: &[f64], p: &[f64], options: &FilterOptions) -> Filtered {
    let theta = options
        .theta
        .clone()
        .unwrap_or_else(|| default_theta(filter));
    let order = sorted(filter.iter().copied());
    let by_p = ascending(p);
    let above = |cutoff: f64| -> (Vec<usize>, Vec<f64>) {
        let kept: Vec<usize> = by_p
            .iter()
            .copied()
            .filter(|&i| filter[i] >= cutoff)
            .collect();
        let sorted: Vec<f64> = kept.iter().map(|&i| p[i]).collect();
        let adjusted = adjust_sorted(&sorted, options.method);
        (kept, adjusted)
    };
    let mut steps: Vec<FilterStep> = theta
        .iter()
        .map(|&theta| {
            let cutoff = quantile_of_sorted(&order, theta);
            let (_, adjusted) = above(cutoff);
            FilterStep {
                theta,
                cutoff,
                rejections: adjusted.iter().filter(|p| **p < options.alpha).count(),
                smooth: 0.0,
            }
        })
        .collect();
    let rejections: Vec<f64> = steps.iter().map(|s| s.rejections as f64).collect();
    let range = theta.last().unwrap_or(&0.0) - theta.first().unwrap_or(&0.0);
    // R: lowess(f = 1/5), delta 1 % of the range
    for (step, smooth) in steps
        .iter_mut()
        .zip(lowess(&theta, &rejections, 0.2, 3, 0.01 * range))
    {
        step.smooth = smooth;
    }
    let chosen = choose(&steps, options.second_choice);
    let adjusted = match steps.get(chosen) {
        None => adjust(p, options.method),
        Some(step) => {
            let mut adjusted = vec![f64::NAN; p.len()];
            let (kept, values) = above(step.cutoff);
            for (index, value) in kept.into_iter().zip(values) {
                adjusted[index] = value;
            }
            adjusted
        }
    };
    Filtered {
        adjusted,
        steps,
        chosen,
    }
}

/// 50 values from the share of zeros to 0.95, or to 1 when that share is larger.
fn default_theta(filter: &[f64]) -> Vec<f64> {
    let zeros = filter.iter().filter(|f| **f == 0.0).count() as f64;
    let low = if filter.is_empty() {
        0.0
    } else {
        zeros / filter.len() as f64
    };
    let high = if low < 0.95 { 0.95 } else { 1.0 };
    (0..50)
        .map(|i| low + (high - low) * f64::from(i) / 49.0)
        .collect()
}

fn choose(steps: &[FilterStep], second_choice: bool) -> usize {
    let most = steps.iter().map(|s| s.rejections).max().unwrap_or(0);
    if most <= 10 {
        return 0;
    }
    let squares: Vec<f64> = steps
        .iter()
        .filter(|s| s.rejections > 0)
        .map(|s| (s.rejections as f64 - s.smooth).powi(2))
        .collect();
    let spread = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    let top = steps
        .iter()
        .map(|s| s.smooth)
        .fold(f64::NEG_INFINITY, f64::max);
    let first_above = |level: f64| steps.iter().position(|s| s.rejections as f64 > level);
    let mut chosen = first_above(top - spread);
    if second_choice {
        chosen = chosen
            .or_else(|| first_above(0.9 * top))
            .or_else(|| first_above(0.8 * top));
    }
    chosen.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    fn options() -> FilterOptions {
        FilterOptions {
            alpha: 0.1,
            method: Adjustment::Bh,
            theta: None,
            second_choice: true,
        }
    }

    #[test]
    fn low_genes_without_signal_are_cut() {
        let mut random = stream(1, "filtering", 0);
        let n = 2000;
        let filter: Vec<f64> = (0..n).map(|i| f64::from(i + 1)).collect();
        let p: Vec<f64> = (0..n)
            .map(|i| {
                let signal = i > 1000 && i % 10 == 0;
                random.uniform() * if signal { 8e-3 } else { 1.0 }
            })
            .collect();
        let filtered = independent_filtering(&filter, &p, &options());
        let plain = adjust(&p, Adjustment::Bh);
        let count = |p: &[f64]| p.iter().filter(|p| **p < 0.1).count();
        assert!(filtered.chosen > 0);
        assert!(count(&filtered.adjusted) > count(&plain));
        assert_eq!(filtered.steps.len(), 50);
    }

    #[test]
    fn few_rejections_leave_all_genes_in() {
        let filtered = independent_filtering(&[0.0, 1.0, 2.0], &[0.5, 0.001, f64::NAN], &options());
        assert_eq!(filtered.chosen, 0);
        assert!(filtered.adjusted[2].is_nan());
    }
}
