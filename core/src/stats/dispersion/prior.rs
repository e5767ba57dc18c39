//! How much log dispersions vary about the trend, and how much of that is sampling.
//!
//! # Cost
//! Two sorts of one value a gene.
//!
//! # Source
//! Love, Huber and Anders (2014); DESeq2 1.38, `estimateDispersionsPriorVar`.

use crate::stats::order::median_absolute_deviation;
use crate::stats::special::trigamma;

use super::low_df::closest_variance;

/// Least prior variance. DESeq2: 0.25.
const LEAST: f64 = 0.25;

/// Residuals `ln dispersion - ln trend` of the genes at least `100 min_disp`.
fn residuals(dispersions: &[f64], fitted: &[f64], min_disp: f64) -> Vec<f64> {
    dispersions
        .iter()
        .zip(fitted)
        .filter(|(d, _)| **d >= 100.0 * min_disp)
        .map(|(d, f)| libm::log(*d) - libm::log(*f))
        .filter(|r| !r.is_nan())
        .collect()
}

/// Robust variance of ln dispersion about the trend: the squared scaled median deviation.
/// NaN when no gene qualifies.
pub fn residual_variance(dispersions: &[f64], fitted: &[f64], min_disp: f64) -> f64 {
    median_absolute_deviation(&residuals(dispersions, fitted, min_disp)).powi(2)
}

/// Variance of the prior of ln dispersion, at least 0.25: the `observed` residual variance
/// ([`residual_variance`]) less that of `ln chi2` with `df` residual degrees of freedom; for `df` up to 3
/// by comparison of histograms; for `df` 0 the residual variance itself.
pub fn prior_variance(
    dispersions: &[f64],
    fitted: &[f64],
    min_disp: f64,
    observed: f64,
    df: usize,
) -> f64 {
    match df {
        0 => observed,
        1..=3 => closest_variance(&residuals(dispersions, fitted, min_disp), df)
            .map_or(LEAST, |v| v.max(LEAST)),
        _ => (observed - trigamma(0.5 * df as f64)).max(LEAST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_variance_is_taken_off() {
        let fitted = vec![0.1; 101];
        let dispersions: Vec<f64> = (0..101)
            .map(|i| 0.1 * (0.05 * (f64::from(i) - 50.0)).exp())
            .collect();
        // The median absolute deviation of the residuals is 1.25.
        let observed = residual_variance(&dispersions, &fitted, 1e-8);
        assert!((observed - (1.4826_f64 * 1.25).powi(2)).abs() < 1e-9);
        let prior = prior_variance(&dispersions, &fitted, 1e-8, observed, 10);
        assert!((observed - prior - trigamma(5.0)).abs() < 1e-12);
        assert_eq!(
            prior_variance(&[0.1, 0.1], &[0.1, 0.1], 1e-8, 0.0, 10),
            0.25
        );
    }
}
