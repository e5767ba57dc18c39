//! The scale of the Cauchy prior of a coefficient, from all its estimates.
//!
//! # Cost
//! A pass over the genes for each of some ten steps.
//!
//! # Source
//! Zhu, Ibrahim and Love (2019), Bioinformatics 35:2084; apeglm 1.27 (Efron and Morris's moment
//! equation, root by Brent's method at R's default tolerance).

const LEAST: f64 = 1e-6;
const MOST: f64 = 400.0;
/// R: uniroot's `.Machine$double.eps^0.25`.
const TOLERANCE: f64 = 1.220_703_125e-4;

/// Scale of the prior (natural log), at most 1, from estimates and their standard errors (natural
/// log); missing values do not count. 1 when there are none.
pub fn cauchy_prior_scale(estimates: &[f64], errors: &[f64]) -> f64 {
    let known: Vec<(f64, f64)> = estimates
        .iter()
        .zip(errors)
        .filter(|(b, s)| b.is_finite() && s.is_finite())
        .map(|(b, s)| (b * b, s * s))
        .collect();
    if known.is_empty() {
        return 1.0;
    }
    let excess = |a: f64| {
        let (mut top, mut bottom) = (0.0, 0.0);
        for (square, variance) in &known {
            let weight = 1.0 / (2.0 * (a + variance) * (a + variance));
            top += (square - variance) * weight;
            bottom += weight;
        }
        top / bottom - a
    };
    let root = if excess(LEAST) < 0.0 {
        LEAST
    } else {
        brent(excess, LEAST, MOST)
    };
    root.sqrt().min(1.0)
}

/// Brent's root finder, stopping as R's `uniroot` does.
fn brent(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    let (mut c, mut fc) = (a, fa);
    for _ in 0..1000 {
        let previous = b - a;
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let least = 2.0 * f64::EPSILON * b.abs() + TOLERANCE / 2.0;
        let mut step = (c - b) / 2.0;
        if step.abs() <= least || fb == 0.0 {
            return b;
        }
        if previous.abs() >= least && fa.abs() > fb.abs() {
            let width = c - b;
            let (p, q) = if a == c {
                let t = fb / fa;
                (width * t, 1.0 - t)
            } else {
                let (q, t1, t2) = (fa / fc, fb / fc, fb / fa);
                (
                    t2 * (width * q * (q - t1) - (b - a) * (t1 - 1.0)),
                    (q - 1.0) * (t1 - 1.0) * (t2 - 1.0),
                )
            };
            let (p, q) = if p > 0.0 { (p, -q) } else { (-p, q) };
            let within = 0.75 * width * q - (least * q).abs() / 2.0;
            if p < within && p < (previous * q / 2.0).abs() {
                step = p / q;
            }
        }
        if step.abs() < least {
            step = least.copysign(step);
        }
        (a, fa) = (b, fb);
        b += step;
        fb = f(b);
        if (fb > 0.0) == (fc > 0.0) {
            (c, fc) = (a, fa);
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn roots_are_found() {
        let root = brent(|x| x * x * x - 2.0, 0.0, 5.0);
        assert!((root - 2.0_f64.cbrt()).abs() < TOLERANCE);
    }

    #[test]
    fn the_scale_of_normal_effects_is_their_deviation() {
        let mut random = stream(1, "cauchy_prior", 0);
        let n = 50_000;
        let errors: Vec<f64> = (0..n)
            .map(|i| 0.1 + 0.4 * f64::from(i % 10) / 10.0)
            .collect();
        let estimates: Vec<f64> = errors
            .iter()
            .map(|s| 0.3 * random.normal() + s * random.normal())
            .collect();
        let scale = cauchy_prior_scale(&estimates, &errors);
        assert!((scale - 0.3).abs() < 0.01, "{scale}");
        assert_eq!(cauchy_prior_scale(&[f64::NAN], &[1.0]), 1.0);
        assert_eq!(cauchy_prior_scale(&[0.0; 3], &[1.0; 3]), 1e-3);
    }
}
