//! Running weighted median over ranks of `x`, looked up at the nearest `x`.
//!
//! # Cost
//! `n * window` to fit after one sort.
//!
//! # Source
//! glmGamPoi's trend of dispersions: weights are a normal density over the window.

use crate::stats::special::normal_density;

/// A fitted trend.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningMedian {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl RunningMedian {
    /// Fits `y` on `x`; the window is `fraction` of the points. `None` without points.
    pub fn fit(x: &[f64], y: &[f64], fraction: f64) -> Option<Self> {
        let (order, smooth) = running_medians(x, y, fraction);
        (!x.is_empty()).then(|| RunningMedian {
            x: order.iter().map(|&i| x[i]).collect(),
            y: smooth,
        })
    }

    /// The running median at each point itself, so that points with the same `x` keep their own ranks.
    pub fn at_points(x: &[f64], y: &[f64], fraction: f64) -> Vec<f64> {
        let (order, smooth) = running_medians(x, y, fraction);
        let mut out = vec![0.0; x.len()];
        for (&at, value) in order.iter().zip(smooth) {
            out[at] = value;
        }
        out
    }

    /// The trend in numbers: place and value of each point.
    pub fn to_numbers(&self) -> Vec<f64> {
        let points = self.x.iter().zip(&self.y);
        points.flat_map(|(&x, &y)| [x, y]).collect()
    }

    /// The trend of [`Self::to_numbers`]; `None` for numbers that are no trend.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let of = |at: usize| numbers.chunks_exact(2).map(|p| p[at]).collect::<Vec<_>>();
        let (x, y) = (of(0), of(1));
        let is_trend = !x.is_empty() && numbers.len() % 2 == 0 && x.is_sorted();
        is_trend.then_some(RunningMedian { x, y })
    }

    /// Value at the nearest `x`: the last of equal ones, the right of two as near.
    pub fn value(&self, x: f64) -> f64 {
        let right = self.x.partition_point(|&v| v <= x);
        if right == 0 {
            return self.y[0];
        }
        if right == self.x.len() {
            return self.y[right - 1];
        }
        if x - self.x[right - 1] < self.x[right] - x {
            self.y[right - 1]
        } else {
            self.y[right]
        }
    }
}

/// Order of the points by `x`, and the running medians in that order.
fn running_medians(x: &[f64], y: &[f64], fraction: f64) -> (Vec<usize>, Vec<f64>) {
    let n = x.len();
    if n == 0 {
        return (Vec::new(), Vec::new());
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
    let half = ((fraction * n as f64).round_ties_even().max(1.0) / 2.0).floor() as usize;
    let width = 2 * half + 1;
    let weights: Vec<f64> = (0..width)
        .map(|i| match width {
            1 => 1.0,
            _ => normal_density(-3.0 + 6.0 * i as f64 / (width - 1) as f64),
        })
        .collect();
    let sorted_y: Vec<f64> = order.iter().map(|&i| y[i]).collect();
    let smooth = (0..n)
        .map(|i| {
            // The ends repeat the first and the last whole window.
            let centre = i.clamp(
                half.min(n - 1),
                (n - 1).saturating_sub(half).max(half.min(n - 1)),
            );
            let start = centre.saturating_sub(half);
            let end = (centre + half + 1).min(n);
            weighted_median(&sorted_y[start..end], &weights[..end - start])
        })
        .collect();
    (order, smooth)
}

/// First value, ascending, whose cumulative weight reaches half of the total.
fn weighted_median(values: &[f64], weights: &[f64]) -> f64 {
    let mut pairs: Vec<(f64, f64)> = values
        .iter()
        .copied()
        .zip(weights.iter().copied())
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * pairs.iter().map(|p| p.1).sum::<f64>();
    let mut total = 0.0;
    for (value, weight) in &pairs {
        total += weight;
        if total >= half {
            return *value;
        }
    }
    pairs.last().map_or(f64::NAN, |p| p.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_a_spike_goes() {
        let x: Vec<f64> = (0..50).map(f64::from).collect();
        let mut y = vec![2.0; 50];
        y[20] = 100.0;
        let trend = RunningMedian::fit(&x, &y, 0.2).expect("points");
        assert!((0..50).all(|i| trend.value(f64::from(i) + 0.3) == 2.0));
    }

    #[test]
    fn ties_go_to_the_right() {
        let trend = RunningMedian::fit(&[1.0, 2.0], &[10.0, 20.0], 0.1).expect("points");
        assert_eq!(
            (trend.value(1.5), trend.value(1.4), trend.value(9.0)),
            (20.0, 10.0, 20.0)
        );
    }
}
