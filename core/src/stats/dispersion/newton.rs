//! Maximising a log-posterior of the log dispersion by Newton's method, kept within bounds.
//!
//! # Cost
//! Two to five evaluations with second derivatives from a fair start.

use super::profile::{Curved, DispersionProfile};

/// Something with a value and two derivatives at `a = ln alpha`.
pub trait CurvedPosterior {
    /// Value and derivatives.
    fn at(&mut self, a: f64) -> Curved;
}

impl CurvedPosterior for DispersionProfile<'_> {
    fn at(&mut self, a: f64) -> Curved {
        self.curved(a)
    }
}

/// Longest step of ln alpha.
const LONGEST: f64 = 2.0;
/// Loss, relative to the value, that is taken for rounding.
const ROUNDING: f64 = 1e-13;

/// What the search is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewtonOptions {
    /// Least ln alpha; a search whose maximum lies below ends there, not converged.
    pub low: f64,
    /// Largest ln alpha.
    pub high: f64,
    /// A step shorter than this is the last one; what it leaves is about its square.
    pub last_step: f64,
    /// Most evaluations.
    pub max_iterations: u32,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewtonSearch {
    /// ln alpha.
    pub log_alpha: f64,
    /// Evaluations.
    pub iterations: u32,
    /// Value at the start.
    pub initial: f64,
    /// Value at the end (after the last step, by its quadratic).
    pub last: f64,
    /// Whether a maximum or the upper bound was reached.
    pub converged: bool,
}

/// The maximum next to `start`: Newton steps where the posterior is concave, else steps uphill of at
/// most 2, halved until the value does not fall, within what slopes have shown to hold the maximum.
pub fn newton_search(
    posterior: &mut impl CurvedPosterior,
    start: f64,
    options: &NewtonOptions,
) -> NewtonSearch {
    let (mut low, mut high) = (options.low, options.high);
    let mut a = start.clamp(low, high);
    let mut here = posterior.at(a);
    let mut found = NewtonSearch {
        log_alpha: a,
        iterations: 1,
        initial: here.value,
        last: here.value,
        converged: false,
    };
    loop {
        if here.slope > 0.0 {
            low = a;
        } else {
            high = a;
        }
        let Some(step) = next_step(&here, a, (low, high), options.low) else {
            return found;
        };
        if step.abs() < options.last_step || high - low < options.last_step {
            found.log_alpha = a + step;
            found.last = here.value + step * (here.slope + 0.5 * step * here.curvature.min(0.0));
            found.converged = true;
            return found;
        }
        let (mut share, least) = (1.0, here.value - ROUNDING * (1.0 + here.value.abs()));
        here = loop {
            if found.iterations >= options.max_iterations {
                return found;
            }
            found.iterations += 1;
            let next = posterior.at(a + share * step);
            if next.value >= least {
                break next;
            }
            share *= 0.5;
        };
        a += share * step;
        (found.log_alpha, found.last) = (a, here.value);
    }
}

/// A step uphill that stays between what is known to hold the maximum (half the way to an end instead
/// of beyond it); none where it leaves below the least ln alpha.
fn next_step(here: &Curved, a: f64, (low, high): (f64, f64), least: f64) -> Option<f64> {
    let newton = -here.slope / here.curvature;
    let step = if here.curvature < 0.0 && newton.is_finite() {
        newton.clamp(-LONGEST, LONGEST)
    } else {
        LONGEST.copysign(here.slope)
    };
    if a + step >= high {
        Some(0.5 * (high - a))
    } else if a + step > low {
        Some(step)
    } else {
        (low > least).then_some(0.5 * (low - a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-3 (e^u - u)` about a centre: concave, flat slope to the left.
    struct Hump(f64);

    impl CurvedPosterior for Hump {
        fn at(&mut self, a: f64) -> Curved {
            let u = a - self.0;
            Curved {
                value: -3.0 * (u.exp() - u),
                slope: -3.0 * (u.exp() - 1.0),
                curvature: -3.0 * u.exp(),
            }
        }
    }

    /// Two humps, so that it is convex between them.
    struct Humps;

    impl CurvedPosterior for Humps {
        fn at(&mut self, a: f64) -> Curved {
            Curved {
                value: a * a - 0.125 * a.powi(4),
                slope: 2.0 * a - 0.5 * a.powi(3),
                curvature: 2.0 - 1.5 * a * a,
            }
        }
    }

    const OPTIONS: NewtonOptions = NewtonOptions {
        low: -30.0,
        high: 10.0,
        last_step: 1e-5,
        max_iterations: 100,
    };

    #[test]
    fn the_maximum_is_found_from_far_and_near() {
        for (centre, start) in [(-3.0, 2.0), (0.5, -14.0), (2.0, 2.0), (-1.0, 9.0)] {
            let found = newton_search(&mut Hump(centre), start, &OPTIONS);
            assert!(
                found.converged && (found.log_alpha - centre).abs() < 1e-9,
                "{found:?}"
            );
            assert!((found.last + 3.0).abs() < 1e-12 && found.last >= found.initial);
            assert!(found.iterations < 25, "{found:?}");
        }
    }

    #[test]
    fn steps_go_uphill_where_it_is_convex_and_stop_at_bounds() {
        for (start, want) in [(0.1, 2.0), (-0.3, -2.0), (5.0, 2.0)] {
            let found = newton_search(&mut Humps, start, &OPTIONS);
            assert!(
                found.converged && (found.log_alpha - want).abs() < 1e-8,
                "{found:?}"
            );
        }
        let found = newton_search(&mut Hump(12.0), 0.0, &OPTIONS);
        assert!(
            found.converged && (found.log_alpha - 10.0).abs() < 1e-4,
            "{found:?}"
        );
    }
}
