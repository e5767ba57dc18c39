//! Statistics of sorted values: medians, quantiles, trimmed means, weighted quantiles.
//!
//! Values are sorted by a total order, so that ties and signs of zero give one answer.
//!
//! # Cost
//! Medians: `n` time; the others one sort, `n ln n`. Memory `n`.

/// The values in ascending order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Median: the mean of the two middle values when their number is even. NaN for none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    match n % 2 {
        1 => middle,
        _ => {
            let before = below.iter().copied().max_by(f64::total_cmp);
            0.5 * (before.expect("an even number has two middles") + middle)
        }
    }
}

/// [`median`] of values that are sorted already.
pub fn median_of_sorted(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

/// Median absolute deviation from the median, times 1.4826.
pub fn median_absolute_deviation(values: &[f64]) -> f64 {
    let centre = median(values.iter().copied());
    // R: mad(constant = 1.4826)
    1.4826 * median(values.iter().map(|v| (v - centre).abs()))
}

/// Quantile by linear interpolation between order statistics (R's type 7). NaN for none.
pub fn quantile_of_sorted(sorted: &[f64], probability: f64) -> f64 {
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    let position = (n - 1) as f64 * probability;
    // R allows for rounding of the position.
    let low = (position + 4.0 * f64::EPSILON).floor().max(0.0);
    let fraction = position - low;
    let index = (low as usize).min(n - 1);
    let fraction = if fraction.abs() < 4.0 * f64::EPSILON {
        0.0
    } else {
        fraction
    };
    if fraction == 0.0 || index + 1 >= n {
        return sorted[index];
    }
    (1.0 - fraction) * sorted[index] + fraction * sorted[index + 1]
}

/// Mean of the values without `floor(n * trim)` at each end; the median from `trim` 1/2 on.
pub fn trimmed_mean_of_sorted(sorted: &[f64], trim: f64) -> f64 {
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    if trim >= 0.5 {
        return median_of_sorted(sorted);
    }
    let drop = (n as f64 * trim).floor() as usize;
    let kept = &sorted[drop..n - drop];
    mean(kept)
}

/// [`trimmed_mean_of_sorted`] of values in any order, which are partly sorted on the way.
pub fn trimmed_mean(values: &mut [f64], trim: f64) -> f64 {
    let n = values.len();
    let drop = (n as f64 * trim).floor() as usize;
    if n < 32 || trim >= 0.5 || drop == 0 {
        values.sort_unstable_by(f64::total_cmp);
        return trimmed_mean_of_sorted(values, trim);
    }
    values.select_nth_unstable_by(drop, f64::total_cmp);
    let rest = &mut values[drop..];
    rest.select_nth_unstable_by(n - 2 * drop, f64::total_cmp);
    mean(&rest[..n - 2 * drop])
}

/// Mean in long form: the sum, then the mean of what rounding left over (as R does).
pub fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let first = values.iter().sum::<f64>() / n;
    if !first.is_finite() {
        return first;
    }
    first + values.iter().map(|v| v - first).sum::<f64>() / n
}

/// Weighted quantile of Hmisc's `wtd.quantile(type = "quantile", normwt = TRUE)`: weights are
/// scaled to sum to the number of values; equal values share their weight.
///
/// Values with weight 0 are left out of the order but count for the scale. NaN for none.
pub fn weighted_quantile(values: &[f64], weights: &[f64], probability: f64) -> f64 {
    let mut pairs: Vec<(f64, f64)> = values
        .iter()
        .copied()
        .zip(weights.iter().copied())
        .filter(|(_, w)| *w > 0.0)
        .collect();
    if pairs.is_empty() {
        return f64::NAN;
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let scale = pairs.len() as f64 / pairs.iter().map(|p| p.1).sum::<f64>();
    let mut steps: Vec<(f64, f64)> = Vec::with_capacity(pairs.len());
    let mut total = 0.0;
    for (value, weight) in pairs {
        total += weight * scale;
        match steps.last_mut() {
            Some(last) if last.0 == value => last.1 = total,
            _ => steps.push((value, total)),
        }
    }
    let n = total;
    let position = 1.0 + (n - 1.0) * probability;
    let low = position.floor().max(1.0);
    let high = (low + 1.0).min(n);
    let fraction = position % 1.0;
    // The value whose cumulative weight is the first to reach `at`.
    let value_at = |at: f64| {
        let index = steps.partition_point(|step| step.1 < at);
        steps[index.min(steps.len() - 1)].0
    };
    (1.0 - fraction) * value_at(low) + fraction * value_at(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
        let values = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!(quantile_of_sorted(&values, 0.5), 3.0);
        assert!((quantile_of_sorted(&values, 0.95) - 8.8).abs() < 1e-14);
        assert_eq!(quantile_of_sorted(&values, 1.0), 10.0);
        assert_eq!(trimmed_mean_of_sorted(&values, 0.2), 3.0);
        assert_eq!(median_absolute_deviation(&values), 1.4826);
        let many: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100) * 1.5).collect();
        let got = trimmed_mean(&mut many.clone(), 0.125);
        assert!((got - trimmed_mean_of_sorted(&sorted(many), 0.125)).abs() < 1e-12);
    }

    #[test]
    fn equal_weights_give_the_plain_quantile() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0];
        let got = weighted_quantile(&values, &[1.0; 7], 0.5);
        assert!((got - 4.0).abs() < 1e-12);
    }
}
