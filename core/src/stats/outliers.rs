//! Outliers of negative binomial fits: a robust variance, Cook's distances, replacement values.
//!
//! # Cost
//! One sort of the samples of a gene.
//!
//! # Source
//! Cook (1977); Love, Huber and Anders (2014); DESeq2 1.38, `calculateCooksDistance`,
//! `replaceOutliers`.

use crate::stats::glm::DesignRows;
use crate::stats::order::trimmed_mean;

/// Least dispersion used in Cook's distances. DESeq2: 0.04.
const LEAST_DISPERSION: f64 = 0.04;

/// Whether each sample shares its design row with at least `n - 1` others.
pub fn samples_in_cells_of(design: &DesignRows, n: usize) -> Vec<bool> {
    design
        .row_of_sample()
        .iter()
        .map(|&row| design.n_of_row()[row as usize] >= n)
        .collect()
}

/// Dispersion by the method of moments with a variance that outliers do not move.
///
/// Cells of the design with three samples or more give a trimmed variance each and the largest is
/// used; without such cells it is taken over all samples.
#[derive(Debug, Clone)]
pub struct RobustDispersion {
    /// Samples of each cell that is used; one cell of all samples when none is large enough.
    cells: Vec<Vec<usize>>,
    by_cell: bool,
}

impl RobustDispersion {
    /// For the cells of this design.
    pub fn new(design: &DesignRows) -> Self {
        let mut cells: Vec<Vec<usize>> = vec![Vec::new(); design.n_rows()];
        for (sample, &row) in design.row_of_sample().iter().enumerate() {
            cells[row as usize].push(sample);
        }
        cells.retain(|cell| cell.len() >= 3);
        let by_cell = !cells.is_empty();
        if !by_cell {
            cells.push((0..design.n_samples()).collect());
        }
        RobustDispersion { cells, by_cell }
    }

    /// The dispersion of a gene from its normalised counts.
    pub fn of(&self, normalized: &[f64]) -> f64 {
        let mean = normalized.iter().sum::<f64>() / normalized.len() as f64;
        let variance = self
            .cells
            .iter()
            .map(|cell| {
                let values = cell.iter().map(|&j| normalized[j]);
                if self.by_cell {
                    trimmed_variance(values, cell.len())
                } else {
                    trimmed_variance_at(values, 0.125, 1.51)
                }
            })
            .fold(f64::NEG_INFINITY, f64::max);
        ((variance - mean) / (mean * mean)).max(LEAST_DISPERSION)
    }
}

/// Trimmed variance with the trim and the consistency factor for `n` values.
fn trimmed_variance(values: impl Iterator<Item = f64> + Clone, n: usize) -> f64 {
    let (trim, factor) = match n {
        0..=3 => (1.0 / 3.0, 2.04),
        4..=23 => (0.25, 1.86),
        _ => (0.125, 1.51),
    };
    trimmed_variance_at(values, trim, factor)
}

fn trimmed_variance_at(values: impl Iterator<Item = f64> + Clone, trim: f64, factor: f64) -> f64 {
    let mut buffer: Vec<f64> = values.clone().collect();
    let centre = trimmed_mean(&mut buffer, trim);
    buffer.clear();
    buffer.extend(values.map(|v| (v - centre) * (v - centre)));
    factor * trimmed_mean(&mut buffer, trim)
}

/// Cook's distance of one count: fitted mean `mu`, leverage `hat`, `p` coefficients.
#[inline]
pub fn cooks_distance(count: f64, mu: f64, dispersion: f64, hat: f64, p: f64) -> f64 {
    let variance = mu + dispersion * mu * mu;
    let residual = count - mu;
    residual * residual / variance / p * hat / ((1.0 - hat) * (1.0 - hat))
}

/// Trimmed mean of the normalised counts, which times a size factor replaces an outlier.
pub fn replacement_level(normalized: &[f64], trim: f64) -> f64 {
    trimmed_mean(&mut normalized.to_vec(), trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_moves_the_dispersion_little() {
        let x: Vec<f64> = (0..12).flat_map(|j| [1.0, f64::from(j >= 6)]).collect();
        let robust = RobustDispersion::new(&DesignRows::new(&x, 2));
        let mut counts = vec![90.0, 110.0, 100.0, 105.0, 95.0, 100.0];
        counts.extend([200.0, 190.0, 210.0, 205.0, 195.0, 200.0]);
        let before = robust.of(&counts);
        counts[3] = 5000.0;
        assert_eq!(before, 0.04);
        assert_eq!(robust.of(&counts), 0.04);
    }

    #[test]
    fn cells_smaller_than_three_are_pooled() {
        let x: Vec<f64> = (0..4).flat_map(|j| [1.0, f64::from(j >= 2)]).collect();
        let robust = RobustDispersion::new(&DesignRows::new(&x, 2));
        // No value is trimmed from four: centre 25, mean square 125.
        let got = robust.of(&[10.0, 20.0, 30.0, 40.0]);
        assert!((got - (1.51 * 125.0 - 25.0) / 625.0).abs() < 1e-12);
    }

    #[test]
    fn distances_by_hand() {
        let got = cooks_distance(12.0, 10.0, 0.1, 0.5, 2.0);
        assert!((got - 4.0 / 20.0 / 2.0 * 0.5 / 0.25).abs() < 1e-15);
    }
}
