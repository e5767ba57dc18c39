//! The prior of quasi-likelihood dispersions: a scaled F distribution, fitted by maximum likelihood.
//!
//! Quasi-likelihood dispersions `s2` with `df` residual degrees of freedom are taken as
//! `variance0 F(df, df0)`; given the prior, the posterior mean of each is a weighted mean of itself and
//! `variance0`.
//!
//! # Cost
//! Some ten passes over the genes, with four special functions a pass, not a gene.
//!
//! # Source
//! Smyth (2004); Lund et al. (2012); glmGamPoi 1.10, `overdispersion_shrinkage` (which maximises the
//! same likelihood by the simplex method).

use crate::stats::special::{digamma, ln_gamma, trigamma};

/// Bound of ln df0: beyond it the prior has no width that doubles could show.
const MOST_LN_DF: f64 = 25.0;
const LEAST_LN_DF: f64 = -25.0;
const MAX_STEPS: usize = 200;
/// Mean gradient at which the search ends.
const TOLERANCE: f64 = 1e-12;

/// A scaled F prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuasiPrior {
    /// Scale.
    pub variance: f64,
    /// Degrees of freedom; infinite when all values are 1.
    pub df: f64,
}

impl QuasiPrior {
    /// Fits the prior to positive, finite `values` with `df` residual degrees of freedom each.
    /// `None` without values.
    pub fn fit(values: &[f64], df: f64) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        if values.iter().all(|v| *v == 1.0) {
            let df = f64::INFINITY;
            return Some(QuasiPrior { variance: 1.0, df });
        }
        let mut at = [0.0, 0.0];
        let mut here = Likelihood::at(values, df, at);
        for _ in 0..MAX_STEPS {
            let mut step = here.step();
            let mut moved = false;
            for _ in 0..60 {
                let to = [
                    at[0] + step[0],
                    (at[1] + step[1]).clamp(LEAST_LN_DF, MOST_LN_DF),
                ];
                let next = Likelihood::at(values, df, to);
                if next.value > here.value {
                    moved = to != at;
                    (at, here) = (to, next);
                    break;
                }
                step = step.map(|s| 0.5 * s);
            }
            if !moved || here.gradient.iter().all(|g| g.abs() < TOLERANCE) {
                break;
            }
        }
        Some(QuasiPrior {
            variance: libm::exp(at[0]),
            df: libm::exp(at[1]),
        })
    }

    /// The posterior mean of a value with `df` degrees of freedom.
    pub fn posterior(&self, value: f64, df: f64) -> f64 {
        if self.df.is_infinite() {
            return self.variance;
        }
        (self.df * self.variance + df * value) / (self.df + df)
    }
}

/// Mean log-likelihood at `(ln variance, ln df0)` with derivatives, without constants.
struct Likelihood {
    value: f64,
    gradient: [f64; 2],
    /// Second derivatives: by the variance, mixed, by df0.
    hessian: [f64; 3],
}

impl Likelihood {
    fn at(values: &[f64], df: f64, [u, w]: [f64; 2]) -> Self {
        let (variance, nu) = (libm::exp(u), libm::exp(w));
        let (n, total) = (values.len() as f64, 0.5 * (df + nu));
        // Means of ln(1 + q), h = q / (1 + q) and h (1 - h), q = df value / (nu variance).
        let (mut logs, mut shares, mut spreads) = (0.0, 0.0, 0.0);
        for value in values {
            let q = df * value / (nu * variance);
            let h = q / (1.0 + q);
            logs += libm::log1p(q);
            shares += h;
            spreads += h / (1.0 + q);
        }
        let (logs, h, spread) = (logs / n, shares / n, spreads / n);
        let value = ln_gamma(total) - ln_gamma(0.5 * nu) - 0.5 * df * (w + u) - total * logs;
        let by_nu = 0.5 * (digamma(total) - digamma(0.5 * nu)) - 0.5 * df / nu - 0.5 * logs
            + total / nu * h;
        let by_nu_nu =
            0.25 * (trigamma(total) - trigamma(0.5 * nu)) + 0.5 * df / (nu * nu) + 0.5 * h / nu
                - 0.5 * df / (nu * nu) * h
                - total / (nu * nu) * spread;
        Likelihood {
            value,
            gradient: [total * h - 0.5 * df, nu * by_nu],
            hessian: [
                -total * spread,
                0.5 * nu * h - total * spread,
                nu * by_nu + nu * nu * by_nu_nu,
            ],
        }
    }

    /// Newton's step, or one along the gradient where the function is not concave; at most 2 long.
    fn step(&self) -> [f64; 2] {
        let ([g, f], [a, b, c]) = (self.gradient, self.hessian);
        let determinant = a * c - b * b;
        let step = if a < 0.0 && determinant > 0.0 {
            [(b * f - c * g) / determinant, (b * g - a * f) / determinant]
        } else {
            // Uphill, by as much as each curvature suggests.
            [g / a.abs().max(1e-8), f / c.abs().max(1e-8)]
        };
        step.map(|s| s.clamp(-2.0, 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    fn chi_squared(random: &mut crate::par::rng::Stream, df: usize) -> f64 {
        (0..df).map(|_| random.normal().powi(2)).sum::<f64>() / df as f64
    }

    #[test]
    fn derivatives_match_central_differences() {
        let mut random = stream(1, "quasi", 0);
        let values: Vec<f64> = (0..40).map(|_| 0.2 + 3.0 * random.uniform()).collect();
        for (u, w) in [(0.0, 0.0), (0.5, 2.0), (-0.4, 4.0), (0.1, -1.0)] {
            let at = |u: f64, w: f64| Likelihood::at(&values, 7.0, [u, w]);
            let (here, h) = (at(u, w), 1e-5);
            let numeric = [
                (at(u + h, w).value - at(u - h, w).value) / (2.0 * h),
                (at(u, w + h).value - at(u, w - h).value) / (2.0 * h),
            ];
            let second = [
                (at(u + h, w).gradient[0] - at(u - h, w).gradient[0]) / (2.0 * h),
                (at(u, w + h).gradient[0] - at(u, w - h).gradient[0]) / (2.0 * h),
                (at(u, w + h).gradient[1] - at(u, w - h).gradient[1]) / (2.0 * h),
            ];
            for (got, want) in here.gradient.iter().zip(&numeric) {
                assert!((got - want).abs() < 1e-7, "{u} {w}: {got} {want}");
            }
            for (got, want) in here.hessian.iter().zip(&second) {
                assert!((got - want).abs() < 1e-6, "{u} {w}: {got} {want}");
            }
        }
    }

    #[test]
    fn the_prior_of_simulated_values_is_found() {
        let mut random = stream(1, "quasi", 1);
        for (variance, df0) in [(1.0, 6), (2.5, 20)] {
            let values: Vec<f64> = (0..20_000)
                .map(|_| variance * chi_squared(&mut random, 9) / chi_squared(&mut random, df0))
                .collect();
            let prior = QuasiPrior::fit(&values, 9.0).expect("values");
            assert!((prior.variance / variance - 1.0).abs() < 0.02, "{prior:?}");
            assert!((prior.df / df0 as f64 - 1.0).abs() < 0.08, "{prior:?}");
        }
    }

    #[test]
    fn values_that_vary_no_more_than_chance_have_a_narrow_prior() {
        let mut random = stream(1, "quasi", 2);
        let values: Vec<f64> = (0..2_000)
            .map(|i| 0.5 * chi_squared(&mut random, 30) + 0.5 + 1e-4 * f64::from(i % 2))
            .collect();
        let prior = QuasiPrior::fit(&values, 30.0).expect("values");
        assert!(prior.df > 1e4, "{prior:?}");
        assert!((prior.posterior(3.0, 30.0) - prior.variance).abs() < 0.01);
        let ones = QuasiPrior::fit(&[1.0; 5], 3.0).expect("values");
        assert_eq!(
            (ones.variance, ones.df, ones.posterior(1.0, 3.0)),
            (1.0, f64::INFINITY, 1.0)
        );
        assert!(QuasiPrior::fit(&[], 3.0).is_none());
    }
}
