//! Maximising a log-posterior of the log dispersion: DESeq2's path, and a grid.
//!
//! # Cost
//! Usually 5 to 20 evaluations; the grid takes 40.
//!
//! # Source
//! DESeq2 1.38, `estimateDispersionsGeneEst` (Armijo back-tracking along the gradient).

/// Something with a value and a derivative at `a = ln alpha`.
pub trait LogPosterior {
    /// Value and derivative.
    fn at(&mut self, a: f64) -> (f64, f64);
}

impl LogPosterior for super::profile::DispersionProfile<'_> {
    fn at(&mut self, a: f64) -> (f64, f64) {
        self.evaluate(a)
    }
}

/// Share of the gain that a step must reach. DESeq2: epsilon.
const EPSILON: f64 = 1e-4;
/// Bounds of ln alpha that a step may reach.
const LOWEST: f64 = -30.0;
const HIGHEST: f64 = 10.0;

/// What the search is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchOptions {
    /// First and largest step, DESeq2: `kappa_0` = 1.
    pub kappa_0: f64,
    /// Gain that ends the search, DESeq2: `dispTol` = 1e-6.
    pub tolerance: f64,
    /// Most proposals, DESeq2: `maxit` = 100.
    pub max_iterations: u32,
    /// The search ends below this ln alpha, DESeq2: ln(minDisp / 10).
    pub min_log_alpha: f64,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineSearch {
    /// ln alpha.
    pub log_alpha: f64,
    /// Proposals made.
    pub iterations: u32,
    /// Value at the start.
    pub initial: f64,
    /// Value at the end.
    pub last: f64,
}

/// Gradient ascent with back-tracking, along DESeq2's path.
pub fn line_search(
    posterior: &mut impl LogPosterior,
    start: f64,
    options: &SearchOptions,
) -> LineSearch {
    let mut a = start;
    let (mut value, mut slope) = posterior.at(a);
    let initial = value;
    let mut kappa = options.kappa_0;
    let (mut iterations, mut accepted) = (0, 0_u32);
    while iterations < options.max_iterations {
        iterations += 1;
        let proposal = a + kappa * slope;
        if proposal < LOWEST {
            kappa = (LOWEST - a) / slope;
        }
        if proposal > HIGHEST {
            kappa = (HIGHEST - a) / slope;
        }
        let proposal = a + kappa * slope;
        let next = posterior.at(proposal);
        // NaN is refused, as any step that does not gain enough.
        if -next.0 <= -value - kappa * EPSILON * slope * slope {
            accepted += 1;
            a = proposal;
            let gain = next.0 - value;
            if gain < options.tolerance {
                value = next.0;
                break;
            }
            if a < options.min_log_alpha {
                break;
            }
            (value, slope) = next;
            kappa = (1.1 * kappa).min(options.kappa_0);
            if accepted % 5 == 0 {
                kappa /= 2.0;
            }
        } else {
            kappa /= 2.0;
        }
    }
    LineSearch {
        log_alpha: a,
        iterations,
        initial,
        last: value,
    }
}

/// The grid on which a search that failed is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Least ln alpha.
    pub low: f64,
    /// Largest ln alpha.
    pub high: f64,
}

/// Points of the coarse and of the fine grid. DESeq2: 20.
const GRID_POINTS: usize = 20;

/// The best of 20 equally spaced points, then of 20 points on one spacing to either side of it.
pub fn grid_search(posterior: &mut impl LogPosterior, grid: Grid) -> f64 {
    let spacing = (grid.high - grid.low) / (GRID_POINTS - 1) as f64;
    let coarse = best_of(posterior, grid.low, spacing);
    best_of(
        posterior,
        coarse - spacing,
        2.0 * spacing / (GRID_POINTS - 1) as f64,
    )
}

fn best_of(posterior: &mut impl LogPosterior, low: f64, spacing: f64) -> f64 {
    let (mut best, mut most) = (low, f64::NEG_INFINITY);
    for i in 0..GRID_POINTS {
        let a = low + spacing * i as f64;
        let value = posterior.at(a).0;
        if value > most {
            (best, most) = (a, value);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hump at `centre`, flat far to the left.
    struct Hump {
        centre: f64,
        calls: u32,
    }

    impl LogPosterior for Hump {
        fn at(&mut self, a: f64) -> (f64, f64) {
            self.calls += 1;
            let u = a - self.centre;
            (-3.0 * (u.exp() - u), -3.0 * (u.exp() - 1.0))
        }
    }

    const OPTIONS: SearchOptions = SearchOptions {
        kappa_0: 1.0,
        tolerance: 1e-6,
        max_iterations: 100,
        min_log_alpha: -20.7,
    };

    #[test]
    fn all_searches_find_the_hump() {
        for centre in [-3.0, -2.0, 0.5, 2.0] {
            let mut hump = Hump { centre, calls: 0 };
            let path = line_search(&mut hump, -1.0, &OPTIONS);
            assert!((path.log_alpha - centre).abs() < 5e-3, "{path:?}");
            let grid = Grid {
                low: -18.4,
                high: 2.5,
            };
            let rough = grid_search(&mut Hump { centre, calls: 0 }, grid);
            assert!((rough - centre).abs() < 0.06);
        }
    }

    #[test]
    fn a_rising_posterior_ends_at_the_bound() {
        struct Line;
        impl LogPosterior for Line {
            fn at(&mut self, a: f64) -> (f64, f64) {
                (a, 1.0)
            }
        }
        assert!(line_search(&mut Line, 0.0, &OPTIONS).log_alpha <= HIGHEST);
    }
}
