//! Robust locally weighted linear regression (Cleveland's lowess).
//!
//! # Cost
//! `n * points` operations a round, `iterations + 1` rounds.
//!
//! # Source
//! Cleveland (1979, 1981); the defaults and rounding rules of R's `lowess`.

use crate::stats::order::median;

/// Smooth of `y` at `x` (ascending, same length).
///
/// * `fraction`: share of the points that a local fit uses.
/// * `iterations`: robustifying rounds after the first fit.
/// * `delta`: points closer than this to the last fitted one are interpolated.
pub fn lowess(x: &[f64], y: &[f64], fraction: f64, iterations: usize, delta: f64) -> Vec<f64> {
    let n = x.len();
    if n < 2 {
        return y.to_vec();
    }
    let points = ((fraction * n as f64 + 1e-7) as usize).clamp(2, n);
    let mut robust: Option<Vec<f64>> = None;
    let mut fit = vec![0.0; n];
    for round in 0..=iterations {
        one_round(x, y, points, delta, robust.as_deref(), &mut fit);
        if round == iterations {
            break;
        }
        match robustness(y, &fit) {
            Some(weights) => robust = Some(weights),
            None => break,
        }
    }
    fit
}

fn one_round(
    x: &[f64],
    y: &[f64],
    points: usize,
    delta: f64,
    robust: Option<&[f64]>,
    fit: &mut [f64],
) {
    let n = x.len();
    let (mut left, mut at) = (0, 0);
    let mut last: Option<usize> = None;
    loop {
        let mut right = left + points - 1;
        while right < n - 1 && x[at] - x[left] > x[right + 1] - x[at] {
            left += 1;
            right += 1;
        }
        fit[at] = local_line(x, y, left, right, x[at], robust).unwrap_or(y[at]);
        if let Some(last) = last {
            let span = x[at] - x[last];
            for between in last + 1..at {
                let share = (x[between] - x[last]) / span;
                fit[between] = share * fit[at] + (1.0 - share) * fit[last];
            }
        }
        let mut previous = at;
        let cut = x[previous] + delta;
        let mut next = previous + 1;
        while next < n && x[next] <= cut {
            if x[next] == x[previous] {
                fit[next] = fit[previous];
                previous = next;
            }
            next += 1;
        }
        last = Some(previous);
        if previous + 1 >= n {
            return;
        }
        at = (previous + 1).max(next - 1);
    }
}

/// Value at `at` of the weighted line through the neighbours.
fn local_line(
    x: &[f64],
    y: &[f64],
    left: usize,
    right: usize,
    at: f64,
    robust: Option<&[f64]>,
) -> Option<f64> {
    let range = x[x.len() - 1] - x[0];
    let reach = (at - x[left]).max(x[right] - at);
    let mut weights = Vec::with_capacity(right - left + 1);
    for j in left..x.len() {
        let distance = (x[j] - at).abs();
        if distance > 0.999 * reach {
            if x[j] > at {
                break;
            }
            weights.push(0.0);
            continue;
        }
        let kernel = if distance <= 0.001 * reach {
            1.0
        } else {
            let cube = (distance / reach).powi(3);
            (1.0 - cube).powi(3)
        };
        weights.push(kernel * robust.map_or(1.0, |r| r[j]));
    }
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return None;
    }
    weights.iter_mut().for_each(|w| *w /= total);
    let xs = &x[left..];
    if reach > 0.0 {
        let centre: f64 = weights.iter().zip(xs).map(|(w, x)| w * x).sum();
        let spread: f64 = weights
            .iter()
            .zip(xs)
            .map(|(w, x)| w * (x - centre) * (x - centre))
            .sum();
        if spread.sqrt() > 0.001 * range {
            let slope = (at - centre) / spread;
            for (w, x) in weights.iter_mut().zip(xs) {
                *w *= slope * (x - centre) + 1.0;
            }
        }
    }
    Some(weights.iter().zip(&y[left..]).map(|(w, y)| w * y).sum())
}

/// Bisquare weights of the residuals; `None` when they are all but zero.
fn robustness(y: &[f64], fit: &[f64]) -> Option<Vec<f64>> {
    let residuals: Vec<f64> = y.iter().zip(fit).map(|(y, f)| (y - f).abs()).collect();
    let scale = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let cut = 6.0 * median(residuals.iter().copied());
    if cut < 1e-7 * scale {
        return None;
    }
    let weight = |r: f64| {
        if r <= 0.001 * cut {
            1.0
        } else if r <= 0.999 * cut {
            let square = (r / cut) * (r / cut);
            (1.0 - square) * (1.0 - square)
        } else {
            0.0
        }
    };
    Some(residuals.into_iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R: lowess(1:10, c(2,4,3,6,8,9,7,12,11,15), f = 0.5)
    #[test]
    fn it_is_rs_lowess() {
        let x: Vec<f64> = (1..=10).map(f64::from).collect();
        let y = [2.0, 4.0, 3.0, 6.0, 8.0, 9.0, 7.0, 12.0, 11.0, 15.0];
        for (got, want) in lowess(&x, &y, 0.5, 3, 0.09).iter().zip(WANT) {
            assert!((got - want).abs() < 1e-10, "{got} {want}");
        }
    }

    const WANT: [f64; 10] = [
        2.273_058_124_428_87,
        3.182_467_806_835_59,
        4.190_017_566_578_39,
        5.721_185_968_063_76,
        7.716_618_143_115_44,
        8.221_662_464_096_21,
        9.269_145_302_522_73,
        10.347_675_284_564_5,
        12.467_124_794_387_2,
        14.497_659_121_785_5,
    ];

    #[test]
    fn lines_are_kept() {
        let x: Vec<f64> = (0..30).map(|i| f64::from(i) * 0.5).collect();
        let y: Vec<f64> = x.iter().map(|x| 3.0 - 2.0 * x).collect();
        for (got, want) in lowess(&x, &y, 0.3, 3, 0.0).iter().zip(&y) {
            assert!((got - want).abs() < 1e-12);
        }
    }
}
