//! Variance of a normal prior of log2 coefficients, from the spread of their estimates.
//!
//! The upper quantile of the absolute estimates, weighted by how well they are known, is matched
//! with that of a normal distribution.
//!
//! # Cost
//! A sort a coefficient.
//!
//! # Source
//! Love, Huber and Anders (2014); DESeq2 1.38, `estimateBetaPriorVar`.

use crate::stats::order::{quantile_of_sorted, sorted, weighted_quantile};
use crate::stats::special::normal_quantile;

/// Estimates beyond this (log2) do not count.
const LARGE: f64 = 10.0;
/// Variance that means no shrinkage.
pub const WIDE: f64 = 1e6;

/// Estimates of all genes.
#[derive(Debug, Clone, Copy)]
pub struct PriorVarianceInput<'a> {
    /// Log2 coefficients without prior, genes x names.
    pub beta: &'a [f64],
    /// Coefficient names of the standard matrix.
    pub names: &'a [String],
    /// Base means.
    pub base_mean: &'a [f64],
    /// Trend of the dispersions.
    pub fit: &'a [f64],
    /// Genes that are not fitted.
    pub skip: &'a [bool],
    /// Upper quantile, 0.05.
    pub upper_quantile: f64,
    /// Whether the quantile is weighted.
    pub weighted: bool,
}

/// A factor of the design.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelGroup {
    /// Its name.
    pub factor: String,
    /// Its levels, the reference first.
    pub levels: Vec<String>,
}

/// Variance of each of the `wanted` coefficients.
///
/// Without groups `wanted` are the names of the estimates. With groups (an expanded matrix) the
/// columns of a factor share the mean of the variances over all pairs of its levels.
pub fn beta_prior_variance(
    input: &PriorVarianceInput<'_>,
    groups: &[LevelGroup],
    wanted: &[String],
) -> Vec<f64> {
    let p = input.names.len();
    let column = |c: usize| -> Vec<f64> { input.beta.iter().skip(c).step_by(p).copied().collect() };
    let of_name = |name: &str| input.names.iter().position(|n| n == name).map(column);
    wanted
        .iter()
        .map(|name| {
            if name == "Intercept" {
                return WIDE;
            }
            let member = |group: &&LevelGroup| {
                let made = group
                    .levels
                    .iter()
                    .map(|l| crate::stats::glm::make_name(&format!("{}{l}", group.factor)));
                made.into_iter().any(|made| made == *name)
            };
            match groups.iter().find(member) {
                Some(group) => mean_over_pairs(input, group, &of_name),
                None => of_name(name).map_or(WIDE, |beta| one_variance(input, &beta)),
            }
        })
        .collect()
}

/// Mean variance over all pairs of levels.
fn mean_over_pairs(
    input: &PriorVarianceInput<'_>,
    group: &LevelGroup,
    of_name: &impl Fn(&str) -> Option<Vec<f64>>,
) -> f64 {
    let reference = &group.levels[0];
    let against: Vec<Vec<f64>> = group.levels[1..]
        .iter()
        .filter_map(|level| {
            let name = format!("{}_{level}_vs_{reference}", group.factor);
            of_name(&crate::stats::glm::make_name(&name))
        })
        .collect();
    let mut variances: Vec<f64> = against
        .iter()
        .map(|beta| one_variance(input, beta))
        .collect();
    for (i, one) in against.iter().enumerate() {
        for other in &against[i + 1..] {
            let difference: Vec<f64> = other.iter().zip(one).map(|(a, b)| a - b).collect();
            variances.push(one_variance(input, &difference));
        }
    }
    variances.iter().sum::<f64>() / variances.len() as f64
}

fn one_variance(input: &PriorVarianceInput<'_>, beta: &[f64]) -> f64 {
    let used: Vec<usize> = (0..beta.len())
        .filter(|&i| !input.skip[i] && beta[i].abs() < LARGE)
        .collect();
    if used.is_empty() {
        return WIDE;
    }
    if beta.len() == 1 {
        return beta[used[0]] * beta[used[0]];
    }
    let size: Vec<f64> = used.iter().map(|&i| beta[i].abs()).collect();
    let probability = 1.0 - input.upper_quantile;
    let quantile = if input.weighted {
        let weights: Vec<f64> = used
            .iter()
            .map(|&i| 1.0 / (1.0 / input.base_mean[i] + input.fit[i]))
            .collect();
        weighted_quantile(&size, &weights, probability)
    } else {
        quantile_of_sorted(&sorted(size), probability)
    };
    (quantile / normal_quantile(1.0 - input.upper_quantile / 2.0)).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::rng::stream;

    #[test]
    fn the_variance_of_normal_coefficients_is_found() {
        let mut random = stream(1, "normal_prior", 0);
        let n = 20_000;
        let beta: Vec<f64> = (0..n)
            .flat_map(|_| [5.0, 0.7 * random.normal(), 0.7 * random.normal()])
            .collect();
        let names = ["Intercept", "g_b_vs_a", "g_c_vs_a"].map(str::to_owned);
        let input = PriorVarianceInput {
            beta: &beta,
            names: &names,
            base_mean: &vec![100.0; n],
            fit: &vec![0.1; n],
            skip: &vec![false; n],
            upper_quantile: 0.05,
            weighted: true,
        };
        let standard = beta_prior_variance(&input, &[], &names);
        assert_eq!(standard[0], WIDE);
        assert!((standard[1] / 0.49 - 1.0).abs() < 0.05, "{standard:?}");
        let group = LevelGroup {
            factor: "g".into(),
            levels: ["a", "b", "c"].map(str::to_owned).to_vec(),
        };
        let wanted = ["Intercept", "ga", "gb", "gc"].map(str::to_owned);
        let expanded = beta_prior_variance(&input, &[group], &wanted);
        // Two variances of 0.49 and one of 0.98.
        assert!(
            (expanded[2] / (1.96 / 3.0) - 1.0).abs() < 0.05,
            "{expanded:?}"
        );
        assert_eq!(expanded[1], expanded[3]);
    }
}
