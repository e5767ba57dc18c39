//! Normalised dispersions of one batch: flavours `seurat` and `cell_ranger`.
//!
//! # Cost
//! O(genes log genes). Memory: a few numbers a gene.
//!
//! # Source
//! Satija et al. 2015 and Zheng et al. 2017 as scanpy 1.11.5 has them; bins as `pandas.cut` and
//! percentiles as NumPy make them.

use crate::error::{Error, Result};

use super::{Cutoffs, HvgFlavor};

/// Median absolute deviation of a standard normal variable.
const MAD_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// Dispersions of the genes of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dispersions {
    pub means: Vec<f64>,
    pub dispersions: Vec<f64>,
    pub normalized: Vec<f64>,
    pub selected: Vec<bool>,
    /// Whether fewer genes than asked for have a dispersion.
    pub too_few: bool,
}

/// Means and variances to dispersions and a selection.
///
/// # Errors
/// `InvalidData` for infinite means, and for bins that cannot be told apart.
pub(crate) fn dispersions(
    mean: &[f64],
    variance: &[f64],
    flavor: HvgFlavor,
    n_bins: usize,
    cutoffs: &Cutoffs,
) -> Result<Dispersions> {
    let is_seurat = flavor == HvgFlavor::Seurat;
    let mut result = Dispersions::default();
    for (&mean, &variance) in mean.iter().zip(variance) {
        let mean = if mean == 0.0 { 1e-12 } else { mean };
        let ratio = variance / mean;
        if is_seurat {
            let ratio = if ratio == 0.0 { f64::NAN } else { ratio };
            result.dispersions.push(ratio.ln());
            result.means.push(libm::log1p(mean));
        } else {
            result.dispersions.push(ratio);
            result.means.push(mean);
        }
    }
    if result.means.is_empty() {
        return Ok(result);
    }
    let edges = match is_seurat {
        true => equal_width_edges(&result.means, n_bins)?,
        false => percentile_edges(&result.means)?,
    };
    let mut bins: Vec<Vec<usize>> = vec![Vec::new(); edges.len() - 1];
    for (gene, &mean) in result.means.iter().enumerate() {
        let bin = edges.partition_point(|&edge| edge < mean);
        bins[bin.clamp(1, edges.len() - 1) - 1].push(gene);
    }
    result.normalized = vec![f64::NAN; result.means.len()];
    for genes in &bins {
        let values: Vec<f64> = genes.iter().map(|&g| result.dispersions[g]).collect();
        let (average, deviation) = match is_seurat {
            true => mean_and_deviation(&values),
            false => median_and_mad(&values),
        };
        for &gene in genes {
            result.normalized[gene] = (result.dispersions[gene] - average) / deviation;
        }
    }
    (result.selected, result.too_few) = select(&result.means, &result.normalized, cutoffs);
    Ok(result)
}

/// Mean and standard deviation of what is not NaN; a lone value becomes 1.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let valid: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let n = valid.len() as f64;
    let mean = valid.iter().sum::<f64>() / n;
    if valid.len() < 2 {
        return (0.0, mean);
    }
    let squares: f64 = valid.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

fn median_and_mad(values: &[f64]) -> (f64, f64) {
    let middle = median(values.to_vec());
    let distances = values.iter().map(|v| (v - middle).abs()).collect();
    (middle, median(distances) / MAD_OF_NORMAL)
}

/// Median; NaN of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Edges of bins of equal width, as `pandas.cut` makes them.
fn equal_width_edges(means: &[f64], n_bins: usize) -> Result<Vec<f64>> {
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !(least.is_finite() && most.is_finite()) {
        return Err(Error::data(
            "highly_variable_genes: a mean is infinite; flavor \"seurat\" needs logarithms, and the \
             values seem to be counts",
        ));
    }
    let line = |from: f64, to: f64| -> Vec<f64> {
        let step = (to - from) / n_bins as f64;
        let mut edges: Vec<f64> = (0..=n_bins).map(|i| from + i as f64 * step).collect();
        edges[n_bins] = to;
        edges
    };
    if least == most {
        let room = if least == 0.0 {
            0.001
        } else {
            0.001 * least.abs()
        };
        return Ok(line(least - room, most + room));
    }
    let mut edges = line(least, most);
    edges[0] -= 0.001 * (most - least);
    Ok(edges)
}

/// -inf, the percentiles 10, 15, ..., 100, +inf.
fn percentile_edges(means: &[f64]) -> Result<Vec<f64>> {
    let mut sorted = means.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges = vec![f64::NEG_INFINITY];
    for percent in (10..=100).step_by(5) {
        let place = (sorted.len() - 1) as f64 * f64::from(percent) / 100.0;
        let low = place.floor() as usize;
        let high = (low + 1).min(sorted.len() - 1);
        let (a, b, t) = (sorted[low], sorted[high], place - place.floor());
        edges.push(if t >= 0.5 {
            b - (b - a) * (1.0 - t)
        } else {
            a + (b - a) * t
        });
    }
    edges.push(f64::INFINITY);
    if edges.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::data(
            "highly_variable_genes: bin edges must be unique, but many genes share a mean; filter \
             genes without counts first (filter_genes, min_cells 1)",
        ));
    }
    Ok(edges)
}

/// The genes selected, and whether there were too few to choose from.
fn select(means: &[f64], normalized: &[f64], cutoffs: &Cutoffs) -> (Vec<bool>, bool) {
    let Some(n_top) = cutoffs.n_top_genes else {
        let inside = |(&mean, &norm): (&f64, &f64)| cutoffs.hold(mean, norm);
        return (means.iter().zip(normalized).map(inside).collect(), false);
    };
    let mut valid: Vec<f64> = normalized.iter().copied().filter(|v| !v.is_nan()).collect();
    valid.sort_unstable_by(|a, b| b.total_cmp(a));
    let wanted = n_top.min(means.len());
    let n = wanted.min(valid.len());
    if n == 0 {
        return (vec![false; means.len()], wanted > 0);
    }
    let least = valid[n - 1];
    let selected = normalized.iter().map(|&v| v >= least).collect();
    (selected, wanted > valid.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_closed_on_the_right() {
        let means = [0.0, 1.0, 2.0, 3.0, 4.0];
        let edges = equal_width_edges(&means, 2).expect("edges");
        assert_eq!(edges, [-0.004, 2.0, 4.0]);
        let bin = |mean: f64| edges.partition_point(|&e| e < mean) - 1;
        assert_eq!(means.map(bin), [0, 0, 0, 1, 1]);
        let edges = equal_width_edges(&[5.0, 5.0], 2).expect("edges");
        assert_eq!(edges, [4.995, 5.0, 5.005]);
        assert!(equal_width_edges(&[1.0, f64::INFINITY], 2).is_err());
    }

    #[test]
    fn a_lone_gene_of_a_bin_gets_one() {
        let cutoffs = Cutoffs::default();
        let got = dispersions(
            &[1.0, 100.0, 101.0],
            &[2.0, 3.0, 500.0],
            HvgFlavor::Seurat,
            20,
            &cutoffs,
        )
        .expect("dispersions");
        assert_eq!(got.normalized[0], 1.0);
    }

    #[test]
    fn equal_percentiles_are_refused() {
        let error = percentile_edges(&[0.0; 50]).expect_err("refused");
        assert!(error.message().contains("must be unique"), "{error}");
    }

    #[test]
    fn ties_at_the_cut_may_give_more() {
        let cutoffs = Cutoffs {
            n_top_genes: Some(2),
            ..Cutoffs::default()
        };
        let (selected, _) = select(&[1.0; 4], &[3.0, 2.0, 2.0, f64::NAN], &cutoffs);
        assert_eq!(selected, [true, true, true, false]);
        let (selected, too_few) = select(&[1.0; 2], &[f64::NAN, 1.0], &cutoffs);
        assert_eq!((selected, too_few), (vec![false, true], true));
    }
}
