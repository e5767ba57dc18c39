//! Size factors of cells: what every value of a cell is divided by.
//!
//! # Cost
//! One pass for the sums, unless they are known; one more when very abundant genes are left out of
//! them. Memory: 16 bytes a cell.
//!
//! # Source
//! scanpy 1.11.5, `pp.normalize_total`. The reference takes the median over all cells of sparse
//! matrices and over cells with counts of dense ones; [`MedianOver::Auto`] does the same.

use crate::context::Context;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource};
use crate::data::{MatrixLayout, NumberKind};
use crate::error::{Error, Result};

use super::counts::{CountPlan, count};
use super::transform::Precision;

/// Cells whose totals the median is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MedianOver {
    /// As the reference: all for sparse storage, those with counts for dense.
    #[default]
    Auto,
    /// All cells.
    All,
    /// Cells whose total is above zero (recommended).
    Nonzero,
}

/// Options of [`size_factors`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct NormalizeOptions {
    /// Total of every cell afterwards; `None` takes the median of the totals.
    pub target_sum: Option<f64>,
    /// Leave genes out of the totals that make up more than `max_fraction` of some cell.
    pub exclude_highly_expressed: bool,
    /// See there; 0 to 1. Default 0.05.
    pub max_fraction: f64,
    /// See [`MedianOver`].
    pub median_over: MedianOver,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for NormalizeOptions {
    fn default() -> Self {
        NormalizeOptions {
            target_sum: None,
            exclude_highly_expressed: false,
            max_fraction: 0.05,
            median_over: MedianOver::Auto,
            read: ReadOptions::default(),
        }
    }
}

impl NormalizeOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.max_fraction) {
            return Err(Error::argument(
                "max_fraction",
                format!("{} must be between 0 and 1", self.max_fraction),
            ));
        }
        match self.target_sum {
            Some(t) if !(t > 0.0 && t.is_finite()) => Err(Error::argument(
                "target_sum",
                format!("{t} must be above 0"),
            )),
            _ => Ok(()),
        }
    }
}

/// Divisors of the cells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SizeFactors {
    /// One for each cell, rounded to `precision`; 0 for a cell without counts, which stays as it is.
    pub factors: Vec<f64>,
    /// The total they lead to.
    pub target_sum: f64,
    /// Type of the normalised values.
    pub precision: Precision,
    /// Genes left out of the totals.
    pub excluded: Vec<u32>,
    /// Cells without counts.
    pub n_empty: u64,
}

/// Type that normalised values of stored ones have: integers become 32-bit floats.
pub fn normalized_precision(kind: NumberKind) -> Precision {
    match kind {
        NumberKind::F64 => Precision::Double,
        _ => Precision::Single,
    }
}

/// Size factors of all cells; `totals` saves a pass when the sums of the rows are known.
///
/// # Errors
/// `InvalidArgument` for options; `InvalidData`, reason `InvalidValue`, for values that are not
/// finite; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{NormalizeOptions, size_factors};
/// let counts = ValueRows::from_dense(NumberKind::F32, 2, &[1.0, 1.0, 3.0, 5.0])?;
/// let mut options = NormalizeOptions::default();
/// options.target_sum = Some(4.0);
/// let ctx = cytosol::Context::single_threaded()?;
/// assert_eq!(size_factors(&ctx, &counts, None, &options)?.factors, [0.5, 2.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn size_factors(
    ctx: &Context,
    source: &dyn RowSource,
    totals: Option<&[f64]>,
    options: &NormalizeOptions,
) -> Result<SizeFactors> {
    options.check()?;
    let precision = normalized_precision(source.kind());
    let mut sums: Vec<f64> = match totals {
        Some(totals) => totals.to_vec(),
        None => {
            let plan = CountPlan {
                read: options.read,
                ..CountPlan::default()
            };
            let cells = count(ctx, source, &plan, "totals")?.cells;
            cells.iter().map(|cell| cell.total).collect()
        }
    };
    for sum in &mut sums {
        *sum = precision.round(*sum);
    }
    let mut excluded = Vec::new();
    if options.exclude_highly_expressed {
        let is_high = highly_expressed(ctx, source, &sums, options)?;
        excluded = (0..is_high.len() as u32)
            .filter(|&gene| is_high[gene as usize])
            .collect();
        sums = totals_without(ctx, source, &is_high, options)?;
        for sum in &mut sums {
            *sum = precision.round(*sum);
        }
    }
    let target_sum = match options.target_sum {
        Some(target) => precision.round(target),
        None => median_total(&sums, source.layout(), options.median_over, precision),
    };
    let factors: Vec<f64> = sums
        .iter()
        .map(|&sum| match precision {
            Precision::Single => f64::from(sum as f32 / target_sum as f32),
            Precision::Double => sum / target_sum,
        })
        .collect();
    Ok(SizeFactors {
        n_empty: factors.iter().filter(|f| **f <= 0.0).count() as u64,
        factors,
        target_sum,
        precision,
        excluded,
    })
}

fn median_total(sums: &[f64], layout: MatrixLayout, over: MedianOver, precision: Precision) -> f64 {
    let all = match over {
        MedianOver::All => true,
        MedianOver::Nonzero => false,
        MedianOver::Auto => layout != MatrixLayout::Dense,
    };
    let mut kept: Vec<f64> = sums.iter().copied().filter(|&s| all || s > 0.0).collect();
    if kept.is_empty() {
        return f64::NAN;
    }
    kept.sort_unstable_by(f64::total_cmp);
    let middle = kept.len() / 2;
    if kept.len() % 2 == 1 {
        return kept[middle];
    }
    let (a, b) = (kept[middle - 1], kept[middle]);
    match precision {
        Precision::Single => f64::from((a as f32 + b as f32) / 2.0),
        Precision::Double => (a + b) / 2.0,
    }
}

/// Genes with more than the fraction of the total of some cell.
fn highly_expressed(
    ctx: &Context,
    source: &dyn RowSource,
    sums: &[f64],
    options: &NormalizeOptions,
) -> Result<Vec<bool>> {
    let n_genes = source.n_genes();
    let stage = ctx.stage("highly_expressed", source.n_cells() as u64)?;
    let mut is_high = vec![false; n_genes];
    Scan::new(source, Some(&stage), 1024).run(
        ctx,
        || (),
        |_| Vec::new(),
        |(), high: &mut Vec<u32>, block| {
            let mut row = RowReader::new(options.read);
            for i in 0..block.n_rows() {
                row.read(block, i)?;
                let limit = options.max_fraction * sums[block.first_row() + i];
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    if value > limit {
                        high.push(gene);
                    }
                }
            }
            high.sort_unstable();
            high.dedup();
            Ok(())
        },
        |_, high| {
            high.iter().for_each(|&gene| is_high[gene as usize] = true);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(is_high)
}

fn totals_without(
    ctx: &Context,
    source: &dyn RowSource,
    leave_out: &[bool],
    options: &NormalizeOptions,
) -> Result<Vec<f64>> {
    let stage = ctx.stage("totals_without", source.n_cells() as u64)?;
    let mut totals = Vec::with_capacity(source.n_cells());
    Scan::new(source, Some(&stage), 8 * 512).run(
        ctx,
        || (),
        |_| Vec::new(),
        |(), sums: &mut Vec<f64>, block| {
            let mut row = RowReader::new(options.read);
            for i in 0..block.n_rows() {
                row.read(block, i)?;
                let mut sum = 0.0;
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    if !leave_out[gene as usize] {
                        sum += value;
                    }
                }
                sums.push(sum);
            }
            Ok(())
        },
        |_, sums| {
            totals.extend(sums);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::ValueRows;

    #[test]
    fn the_median_is_over_all_cells_or_those_with_counts() {
        let rows = ValueRows::from_dense(NumberKind::F32, 1, &[0.0, 2.0, 4.0, 6.0]).expect("rows");
        let ctx = Context::single_threaded().expect("pool");
        for (over, target) in [
            (MedianOver::Auto, 3.0),
            (MedianOver::All, 3.0),
            (MedianOver::Nonzero, 4.0),
        ] {
            let options = NormalizeOptions {
                median_over: over,
                ..NormalizeOptions::default()
            };
            let sizes = size_factors(&ctx, &rows, None, &options).expect("sizes");
            assert_eq!(sizes.target_sum, target);
            assert_eq!(sizes.n_empty, 1);
            assert_eq!(sizes.factors[1], f64::from(2.0 / target as f32));
        }
    }

    #[test]
    fn abundant_genes_are_left_out_of_the_totals() {
        let rows = ValueRows::from_dense(
            NumberKind::F64,
            3,
            &[90.0, 5.0, 5.0, 1.0, 1.0, 2.0, 0.0, 0.0, 0.0],
        )
        .expect("rows");
        let options = NormalizeOptions {
            exclude_highly_expressed: true,
            max_fraction: 0.5,
            target_sum: Some(1.0),
            ..NormalizeOptions::default()
        };
        let ctx = Context::single_threaded().expect("pool");
        let sizes = size_factors(&ctx, &rows, None, &options).expect("sizes");
        // Gene 2 has exactly half of cell 1, which is not more.
        assert_eq!(sizes.excluded, [0]);
        assert_eq!(sizes.factors, [10.0, 3.0, 0.0]);
    }

    #[test]
    fn options_are_checked() {
        for (max_fraction, target_sum) in [(1.5, None), (0.5, Some(0.0))] {
            let options = NormalizeOptions {
                max_fraction,
                target_sum,
                ..NormalizeOptions::default()
            };
            assert!(options.check().is_err());
        }
    }
}
