//! Which cells and genes stay.
//!
//! Time: one comparison a cell or gene. Memory: a byte each.
//!
//! # Source
//! scanpy 1.11.5, `pp.filter_cells` and `pp.filter_genes`: exactly one threshold a call; numbers are of
//! entries above zero, and thresholds are inclusive.

use super::counts::{CellSums, GeneSums};
use crate::error::{Error, Result};

/// A threshold for cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellFilter {
    /// Sum of the values at least.
    MinCounts(f64),
    /// Entries above zero at least.
    MinGenes(f64),
    /// Sum of the values at most.
    MaxCounts(f64),
    /// Entries above zero at most.
    MaxGenes(f64),
}

/// A threshold for genes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GeneFilter {
    /// Sum of the values at least.
    MinCounts(f64),
    /// Cells above zero at least.
    MinCells(f64),
    /// Sum of the values at most.
    MaxCounts(f64),
    /// Cells above zero at most.
    MaxCells(f64),
}

impl CellFilter {
    /// The only one of four thresholds that is given.
    ///
    /// # Errors
    /// `InvalidArgument` unless exactly one is.
    pub fn one_of(
        min_counts: Option<f64>,
        min_genes: Option<f64>,
        max_counts: Option<f64>,
        max_genes: Option<f64>,
    ) -> Result<Self> {
        let given: Vec<CellFilter> = [
            min_counts.map(CellFilter::MinCounts),
            min_genes.map(CellFilter::MinGenes),
            max_counts.map(CellFilter::MaxCounts),
            max_genes.map(CellFilter::MaxGenes),
        ]
        .into_iter()
        .flatten()
        .collect();
        exactly_one(&given, "min_counts, min_genes, max_counts, max_genes")
    }

    /// Whether a cell stays.
    pub fn keeps(self, cell: CellSums) -> bool {
        match self {
            CellFilter::MinCounts(t) => cell.total >= t,
            CellFilter::MaxCounts(t) => cell.total <= t,
            CellFilter::MinGenes(t) => f64::from(cell.n_positive) >= t,
            CellFilter::MaxGenes(t) => f64::from(cell.n_positive) <= t,
        }
    }

    /// Whether the threshold is on the sum of the values.
    pub fn is_on_counts(self) -> bool {
        matches!(self, CellFilter::MinCounts(_) | CellFilter::MaxCounts(_))
    }
}

impl GeneFilter {
    /// The only one of four thresholds that is given.
    ///
    /// # Errors
    /// `InvalidArgument` unless exactly one is.
    pub fn one_of(
        min_counts: Option<f64>,
        min_cells: Option<f64>,
        max_counts: Option<f64>,
        max_cells: Option<f64>,
    ) -> Result<Self> {
        let given: Vec<GeneFilter> = [
            min_counts.map(GeneFilter::MinCounts),
            min_cells.map(GeneFilter::MinCells),
            max_counts.map(GeneFilter::MaxCounts),
            max_cells.map(GeneFilter::MaxCells),
        ]
        .into_iter()
        .flatten()
        .collect();
        exactly_one(&given, "min_counts, min_cells, max_counts, max_cells")
    }

    /// Whether a gene stays.
    pub fn keeps(self, genes: &GeneSums, gene: usize) -> bool {
        match self {
            GeneFilter::MinCounts(t) => genes.total[gene] >= t,
            GeneFilter::MaxCounts(t) => genes.total[gene] <= t,
            GeneFilter::MinCells(t) => genes.n_positive[gene] as f64 >= t,
            GeneFilter::MaxCells(t) => genes.n_positive[gene] as f64 <= t,
        }
    }

    /// Whether the threshold is on the sum of the values.
    pub fn is_on_counts(self) -> bool {
        matches!(self, GeneFilter::MinCounts(_) | GeneFilter::MaxCounts(_))
    }
}

fn exactly_one<T: Copy>(given: &[T], names: &str) -> Result<T> {
    match given {
        [one] => Ok(*one),
        _ => Err(Error::argument(
            "thresholds",
            format!(
                "{} are given; exactly one of {names} is needed",
                given.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_threshold_is_needed() {
        assert!(CellFilter::one_of(None, None, None, None).is_err());
        assert!(CellFilter::one_of(Some(1.0), Some(1.0), None, None).is_err());
        let filter = GeneFilter::one_of(None, None, None, Some(2.0)).expect("one");
        assert_eq!(filter, GeneFilter::MaxCells(2.0));
    }

    #[test]
    fn thresholds_are_inclusive() {
        let cell = CellSums {
            total: 5.0,
            n_genes: 4,
            n_positive: 3,
        };
        assert!(CellFilter::MinCounts(5.0).keeps(cell) && CellFilter::MaxCounts(5.0).keeps(cell));
        assert!(CellFilter::MinGenes(3.0).keeps(cell) && !CellFilter::MinGenes(4.0).keeps(cell));
        assert!(CellFilter::MaxGenes(3.0).keeps(cell) && !CellFilter::MaxGenes(2.0).keeps(cell));
    }
}
