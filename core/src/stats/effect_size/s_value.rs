//! s-values: the expected share of wrong calls among a gene and all more certain ones.
//!
//! # Cost
//! One sort.
//!
//! # Source
//! Stephens (2017), Biostatistics 18:275.

/// Running means of the sorted local rates, mapped back to the genes; equal rates in order, NaN
/// stays NaN.
pub fn s_values(rates: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rates.len()).filter(|&i| !rates[i].is_nan()).collect();
    order.sort_by(|&a, &b| rates[a].total_cmp(&rates[b]).then(a.cmp(&b)));
    let mut out = vec![f64::NAN; rates.len()];
    let mut total = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        total += rates[i];
        out[i] = total / (rank + 1) as f64;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_means_by_hand() {
        let got = s_values(&[0.3, f64::NAN, 0.1, 0.2, 0.2]);
        let want = [0.2, f64::NAN, 0.1, 0.15, 0.5 / 3.0];
        for (g, w) in got.iter().zip(want) {
            assert!(
                (g - w).abs() < 1e-15 || (g.is_nan() && w.is_nan()),
                "{g} {w}"
            );
        }
    }
}
