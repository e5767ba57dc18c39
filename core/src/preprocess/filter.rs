//! Which cells and genes stay.
//!
//! # Cost
//! One pass to sum; a byte and a number a cell or gene.
//!
//! # Source
//! scanpy 1.11.5, `pp.filter_cells` and `pp.filter_genes`: exactly one threshold a call; numbers are of
//! entries above zero, and thresholds are inclusive.

use super::counts::{CellSums, CountPlan, CountSums, GeneSums, count};
use crate::context::Context;
use crate::data::rows::{ReadOptions, RowSource};
use crate::data::{Column, NumberKind};
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
        check_thresholds([min_counts, min_genes, max_counts, max_genes])?;
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
        check_thresholds([min_counts, min_cells, max_counts, max_cells])?;
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

/// What a filter found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FilterReport {
    /// Whether each cell or gene stays.
    pub kept: Vec<bool>,
    /// Name of the column with the number that was compared.
    pub column: &'static str,
    /// The number of each cell or gene.
    pub number: Column,
}

impl FilterReport {
    /// How many stay.
    pub fn n_kept(&self) -> usize {
        self.kept.iter().filter(|kept| **kept).count()
    }
}

/// The cells that pass a threshold.
///
/// # Errors
/// `InvalidData`, reason `InvalidValue`, for values that are not finite; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::{ReadOptions, ValueRows}};
/// use cytosol::preprocess::{CellFilter, filter_cells};
/// let counts = ValueRows::from_dense(NumberKind::F32, 2, &[1.0, 0.0, 2.0, 3.0])?;
/// let ctx = cytosol::Context::single_threaded()?;
/// let found = filter_cells(&ctx, &counts, CellFilter::MinGenes(2.0), ReadOptions::default())?;
/// assert_eq!(found.kept, [false, true]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn filter_cells(
    ctx: &Context,
    source: &dyn RowSource,
    filter: CellFilter,
    read: ReadOptions,
) -> Result<FilterReport> {
    let cells = sums(ctx, source, read)?.cells;
    let on_counts = filter.is_on_counts();
    Ok(FilterReport {
        kept: cells.iter().map(|&c| filter.keeps(c)).collect(),
        column: if on_counts { "n_counts" } else { "n_genes" },
        number: match on_counts {
            true => totals(source.kind(), cells.iter().map(|c| c.total)),
            false => Column::I64(cells.iter().map(|c| i64::from(c.n_positive)).collect()),
        },
    })
}

/// The genes that pass a threshold.
///
/// # Errors
/// As [`filter_cells`].
pub fn filter_genes(
    ctx: &Context,
    source: &dyn RowSource,
    filter: GeneFilter,
    read: ReadOptions,
) -> Result<FilterReport> {
    let genes = sums(ctx, source, read)?.genes;
    let on_counts = filter.is_on_counts();
    let n = genes.total.len();
    Ok(FilterReport {
        kept: (0..n).map(|gene| filter.keeps(&genes, gene)).collect(),
        column: if on_counts { "n_counts" } else { "n_cells" },
        number: match on_counts {
            true => totals(source.kind(), genes.total.iter().copied()),
            false => Column::I64(genes.n_positive.iter().map(|&n| n as i64).collect()),
        },
    })
}

fn sums(ctx: &Context, source: &dyn RowSource, read: ReadOptions) -> Result<CountSums> {
    let plan = CountPlan {
        read,
        ..CountPlan::default()
    };
    count(ctx, source, &plan, "totals")
}

/// Sums in the type that the reference gives them.
fn totals(kind: NumberKind, values: impl Iterator<Item = f64>) -> Column {
    match kind {
        NumberKind::F16 | NumberKind::F32 => Column::F32(values.map(|v| v as f32).collect()),
        NumberKind::F64 => Column::F64(values.collect()),
        NumberKind::U8 | NumberKind::U16 | NumberKind::U32 | NumberKind::U64 => {
            Column::U64(values.map(|v| v as u64).collect())
        }
        _ => Column::I64(values.map(|v| v as i64).collect()),
    }
}

/// A threshold that is no number would keep nothing.
fn check_thresholds(thresholds: [Option<f64>; 4]) -> Result<()> {
    match thresholds.iter().flatten().any(|t| t.is_nan()) {
        true => Err(Error::argument("thresholds", "NaN is not a number")),
        false => Ok(()),
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
        assert!(CellFilter::one_of(Some(f64::NAN), None, None, None).is_err());
        assert!(GeneFilter::one_of(None, None, None, Some(f64::NAN)).is_err());
        let filter = GeneFilter::one_of(None, None, None, Some(2.0)).expect("one");
        assert_eq!(filter, GeneFilter::MaxCells(2.0));
    }

    #[test]
    fn sums_of_unsigned_numbers_are_unsigned() {
        let sums = totals(NumberKind::U16, [3.0, 70_000.0].into_iter());
        assert_eq!(sums, Column::U64(vec![3, 70_000]));
        let sums = totals(NumberKind::I8, [-3.0].into_iter());
        assert_eq!(sums, Column::I64(vec![-3]));
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
