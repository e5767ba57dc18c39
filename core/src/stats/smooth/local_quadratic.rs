//! Local quadratic regression with a nearest-neighbour bandwidth, by interpolation.
//!
//! [`LocalQuadratic`] fits at the vertices of a bisection tree and joins them by cubic Hermite
//! pieces, which is what locfit does by default.
//!
//! # Cost
//! `n` operations a fit (values sorted by `x`); a tree has some tens of vertices.
//!
//! # Source
//! Loader (1999), Local Regression and Likelihood, chapters 2 and 12.

/// Share of the narrower bandwidth above which a cell is split. locfit: cut = 0.8.
const CUT: f64 = 0.8;
/// Splits nested deeper than this would be below rounding.
const MAX_DEPTH: usize = 40;

/// Coefficients of a local fit about its point, and its bandwidth.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LocalFit {
    /// Value at the point.
    value: f64,
    /// First derivative.
    slope: f64,
    /// Distance to the farthest neighbour used.
    bandwidth: f64,
}

/// Weighted quadratic through the `k` nearest of the points (`x` ascending) with tricube kernel,
/// at `at`. `weights` are prior weights.
fn local_quadratic_at(x: &[f64], y: &[f64], weights: &[f64], k: usize, at: f64) -> LocalFit {
    let k = k.clamp(1, x.len());
    let (left, right) = nearest(x, k, at);
    let bandwidth = (at - x[left]).abs().max((x[right - 1] - at).abs());
    // Points at the same distance as the farthest have weight zero, so the window is enough.
    let kernel = |i: usize| {
        let scaled = ((x[i] - at) / bandwidth).abs();
        let cube = scaled * scaled * scaled;
        let tricube = if scaled < 1.0 { 1.0 - cube } else { 0.0 };
        tricube * tricube * tricube * weights[i]
    };
    let [value, slope, _] = weighted_quadratic(x, y, left..right, at, bandwidth, kernel);
    LocalFit {
        value,
        slope,
        bandwidth,
    }
}

/// The half-open window of the `k` points nearest to `at`.
fn nearest(x: &[f64], k: usize, at: f64) -> (usize, usize) {
    let mut left = x.partition_point(|&v| v < at).saturating_sub(k);
    while left + k < x.len() && (x[left + k] - at).abs() < (at - x[left]).abs() {
        left += 1;
    }
    (left, left + k)
}

/// Coefficients of `c0 + c1 (x - at) + c2 (x - at)^2`, weighted least squares.
fn weighted_quadratic(
    x: &[f64],
    y: &[f64],
    range: std::ops::Range<usize>,
    at: f64,
    scale: f64,
    weight: impl Fn(usize) -> f64,
) -> [f64; 3] {
    let scale = if scale > 0.0 { scale } else { 1.0 };
    // Rows of an orthogonal triangularisation, added one by one with Givens rotations.
    let mut r = [[0.0_f64; 4]; 3];
    for i in range {
        let root = weight(i).sqrt();
        if root == 0.0 {
            continue;
        }
        let u = (x[i] - at) / scale;
        let mut row = [root, root * u, root * u * u, root * y[i]];
        for k in 0..3 {
            if row[k] == 0.0 {
                continue;
            }
            let length = r[k][k].hypot(row[k]);
            let (cos, sin) = (r[k][k] / length, row[k] / length);
            for c in k..4 {
                let (a, b) = (r[k][c], row[c]);
                r[k][c] = cos * a + sin * b;
                row[c] = cos * b - sin * a;
            }
        }
    }
    let mut c = [0.0; 3];
    for k in (0..3).rev() {
        let known: f64 = (k + 1..3).map(|j| r[k][j] * c[j]).sum();
        // A window of fewer than three different points keeps the lower order only.
        c[k] = if r[k][k].abs() > 1e-10 * r[0][0].abs() {
            (r[k][3] - known) / r[k][k]
        } else {
            0.0
        };
    }
    [c[0], c[1] / scale, c[2] / (scale * scale)]
}

/// A fitted local quadratic regression, evaluated by interpolation.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalQuadratic {
    /// Vertices, ascending.
    at: Vec<f64>,
    fits: Vec<LocalFit>,
    /// Second-order coefficient of the global weighted quadratic, used outside the range.
    outer: f64,
}

impl LocalQuadratic {
    /// Fits `y` on `x` with prior weights; `fraction` of the points are neighbours.
    ///
    /// `None` for fewer than two points or points that all coincide.
    pub fn fit(x: &[f64], y: &[f64], weights: &[f64], fraction: f64) -> Option<Self> {
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
        let pick = |from: &[f64]| order.iter().map(|&i| from[i]).collect::<Vec<_>>();
        let (x, y, weights) = (pick(x), pick(y), pick(weights));
        let (low, high) = (*x.first()?, *x.last()?);
        if low >= high {
            return None;
        }
        let k = ((fraction * x.len() as f64).floor() as usize).max(1);
        let fit_at = |v: f64| local_quadratic_at(&x, &y, &weights, k, v);
        let mut vertices = vec![(low, fit_at(low))];
        let last = (high, fit_at(high));
        split(vertices[0], last, 0, &fit_at, &mut vertices);
        vertices.push(last);
        let centre = 0.5 * (low + high);
        let global = weighted_quadratic(&x, &y, 0..x.len(), centre, 0.5 * (high - low), |i| {
            weights[i]
        });
        Some(LocalQuadratic {
            at: vertices.iter().map(|v| v.0).collect(),
            fits: vertices.iter().map(|v| v.1).collect(),
            outer: global[2],
        })
    }

    /// The smooth in numbers: the outer coefficient, then place, value and slope of each vertex.
    pub fn to_numbers(&self) -> Vec<f64> {
        let vertices = self.at.iter().zip(&self.fits);
        std::iter::once(self.outer)
            .chain(vertices.flat_map(|(&at, fit)| [at, fit.value, fit.slope]))
            .collect()
    }

    /// The smooth of [`Self::to_numbers`]; `None` for numbers that are no smooth.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (&outer, vertices) = numbers.split_first()?;
        let at: Vec<f64> = vertices.chunks_exact(3).map(|v| v[0]).collect();
        let is_smooth = vertices.len() % 3 == 0 && at.len() >= 2 && at.is_sorted_by(|a, b| a < b);
        is_smooth.then(|| LocalQuadratic {
            at,
            fits: vertices
                .chunks_exact(3)
                .map(|v| LocalFit {
                    value: v[1],
                    slope: v[2],
                    bandwidth: f64::NAN,
                })
                .collect(),
            outer,
        })
    }

    /// Value of the smooth at `x`.
    pub fn value(&self, x: f64) -> f64 {
        let end = self.at.len() - 1;
        for (edge, outside) in [(0, x < self.at[0]), (end, x > self.at[end])] {
            if outside {
                let (fit, dx) = (&self.fits[edge], x - self.at[edge]);
                return fit.value + dx * (fit.slope + dx * self.outer);
            }
        }
        let cell = self.at.partition_point(|&v| v <= x).clamp(1, end) - 1;
        let (a, b) = (&self.fits[cell], &self.fits[cell + 1]);
        let width = self.at[cell + 1] - self.at[cell];
        let t = (x - self.at[cell]) / width;
        let s = 1.0 - t;
        s * s * (1.0 + 2.0 * t) * a.value
            + t * t * (1.0 + 2.0 * s) * b.value
            + width * t * s * (s * a.slope - t * b.slope)
    }
}

/// Vertices strictly between two, ascending.
fn split(
    low: (f64, LocalFit),
    high: (f64, LocalFit),
    depth: usize,
    fit_at: &impl Fn(f64) -> LocalFit,
    vertices: &mut Vec<(f64, LocalFit)>,
) {
    let narrow = low.1.bandwidth.min(high.1.bandwidth);
    if depth >= MAX_DEPTH || high.0 - low.0 <= CUT * narrow {
        return;
    }
    let middle = 0.5 * (low.0 + high.0);
    let middle = (middle, fit_at(middle));
    split(low, middle, depth + 1, fit_at, vertices);
    vertices.push(middle);
    split(middle, high, depth + 1, fit_at, vertices);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn quadratics_are_kept_inside_and_outside() {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i).sqrt()).collect();
        let f = |x: f64| 2.0 - 0.5 * x + 0.25 * x * x;
        let y: Vec<f64> = x.iter().map(|&x| f(x)).collect();
        let weights = vec![1.5; 200];
        let fit = LocalQuadratic::fit(&x, &y, &weights, 0.7).expect("enough points");
        for at in [-1.0, 0.0, 0.3, 5.0, 14.0, 16.0] {
            assert!((fit.value(at) - f(at)).abs() < 1e-9, "{at}");
        }
    }

    #[test]
    fn windows_hold_the_nearest_points() {
        let mut random = stream(3, "nearest", 0);
        let mut x: Vec<f64> = (0..60).map(|_| random.normal()).collect();
        x.sort_by(f64::total_cmp);
        for at in [-3.0, -0.2, 0.0, 0.5, 4.0] {
            let (left, right) = nearest(&x, 17, at);
            let reach = (at - x[left]).abs().max((x[right - 1] - at).abs());
            let closer = x.iter().filter(|&&v| (v - at).abs() < reach).count();
            assert_eq!((right - left, closer), (17, 16), "at {at}");
        }
    }

    #[test]
    fn numbers_give_the_same_smooth() {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i).sqrt()).collect();
        let y: Vec<f64> = x.iter().map(|x| x.sin()).collect();
        let fit = LocalQuadratic::fit(&x, &y, &[1.0; 200], 0.3).expect("enough points");
        let numbers = fit.to_numbers();
        let again = LocalQuadratic::from_numbers(&numbers).expect("a smooth");
        for at in [-2.0, 0.1, 3.3, 9.9, 20.0] {
            assert_eq!(again.value(at).to_bits(), fit.value(at).to_bits());
        }
        assert!(LocalQuadratic::from_numbers(&numbers[..4]).is_none());
        assert!(LocalQuadratic::from_numbers(&numbers[..6]).is_none());
    }

    #[test]
    fn one_place_has_no_smooth() {
        assert_eq!(
            LocalQuadratic::fit(&[1.0, 1.0], &[2.0, 3.0], &[1.0, 1.0], 0.7),
            None
        );
    }
}
