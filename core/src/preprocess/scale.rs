//! Means and deviations that genes are scaled with, and the scaling.
//!
//! # Cost
//! One pass for the statistics; 16 bytes a gene, and as much for each block in flight. One more for a scaled
//! matrix in memory: 12 bytes an entry, or 8 bytes a cell and gene when it is centred.
//!
//! # Source
//! scanpy 1.11.5, `pp.scale`: denominator n - 1, deviation 0 becomes 1, clipping on both sides only when
//! centred.

use crate::context::Context;
use crate::data::SparseArray;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource};
use crate::error::{Error, Result};

use super::hvg::moments::{Batches, Undo, Viewed, mean_variance, moments};
use super::transform::{Precision, Transform, TransformCache, float_precision, transformed};

/// Options of [`scale_stats`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ScaleOptions {
    /// Take the mean out. Default true.
    pub zero_center: bool,
    /// Largest value afterwards (and, when centred, of the other sign).
    pub max_value: Option<f64>,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for ScaleOptions {
    fn default() -> Self {
        ScaleOptions {
            zero_center: true,
            max_value: None,
            read: ReadOptions::default(),
        }
    }
}

impl ScaleOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        match self.max_value {
            Some(most) if most <= 0.0 || most.is_nan() => Err(Error::argument(
                "max_value",
                format!("{most} must be above 0"),
            )),
            _ => Ok(()),
        }
    }
}

/// One element a gene.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ScaleStats {
    /// Mean over the cells.
    pub mean: Vec<f64>,
    /// Standard deviation (denominator n - 1); 1 for a gene that does not vary.
    pub std: Vec<f64>,
}

/// A matrix whose genes are scaled.
#[derive(Clone, Copy)]
pub struct ScaleInput<'a> {
    /// The stored values.
    pub source: &'a dyn RowSource,
    /// What is done to them before.
    pub transform: Option<&'a Transform>,
    /// Cells that are looked at and changed, one element a cell; all where it is absent.
    pub cells: Option<&'a [bool]>,
}

impl std::fmt::Debug for ScaleInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScaleInput").finish_non_exhaustive()
    }
}

/// Mean and deviation of every gene over the cells of the input.
///
/// # Errors
/// `InvalidArgument` for options and a mask that does not fit; errors of the source; `Cancelled`.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{ScaleInput, ScaleOptions, scale_stats};
/// let rows = ValueRows::from_dense(NumberKind::F64, 2, &[1.0, 5.0, 3.0, 5.0])?;
/// let ctx = cytosol::Context::single_threaded()?;
/// let input = ScaleInput { source: &rows, transform: None, cells: None };
/// let stats = scale_stats(&ctx, input, &ScaleOptions::default())?;
/// assert_eq!(stats.mean, [2.0, 5.0]);
/// assert_eq!(stats.std, [2.0_f64.sqrt(), 1.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn scale_stats(
    ctx: &Context,
    input: ScaleInput<'_>,
    options: &ScaleOptions,
) -> Result<ScaleStats> {
    options.check()?;
    let n = input.source.n_cells();
    if input.cells.is_some_and(|mask| mask.len() != n) {
        return Err(Error::argument(
            "mask_obs",
            format!("must have one value for each of {n} cells"),
        ));
    }
    let code = |&inside: &bool| i32::from(inside) - 1;
    let codes: Option<Vec<i32>> = input.cells.map(|mask| mask.iter().map(code).collect());
    let batches = Batches {
        codes: codes.as_deref(),
        n: 1,
    };
    let as_it_is = Transform::default();
    let view = Viewed {
        source: input.source,
        transform: input.transform.unwrap_or(&as_it_is),
        undo: Undo::Nothing,
        read: options.read,
    };
    let sums = moments(ctx, view, batches, "scale_moments")?;
    let found = mean_variance(ctx, view, batches, &sums)?;
    let deviation = |v: f64| if v == 0.0 { 1.0 } else { v.sqrt() };
    Ok(ScaleStats {
        mean: found.mean,
        std: found.variance.into_iter().map(deviation).collect(),
    })
}

/// Scales rows, one at a time.
pub(crate) struct Scaler<'a> {
    stats: &'a ScaleStats,
    options: &'a ScaleOptions,
    precision: Precision,
    cells: Option<&'a [bool]>,
    /// A cell without entries; empty unless centred.
    empty: Vec<f64>,
}

impl<'a> Scaler<'a> {
    /// `cells` as in [`ScaleInput`].
    pub(crate) fn new(
        stats: &'a ScaleStats,
        options: &'a ScaleOptions,
        precision: Precision,
        cells: Option<&'a [bool]>,
    ) -> Self {
        let mut scaler = Scaler {
            stats,
            options,
            precision,
            cells,
            empty: Vec::new(),
        };
        if options.zero_center {
            let n_genes = stats.mean.len();
            scaler.empty = (0..n_genes).map(|gene| scaler.value(gene, 0.0)).collect();
        }
        scaler
    }

    /// Whether a cell is scaled.
    pub(crate) fn changes(&self, cell: usize) -> bool {
        self.cells.is_none_or(|cells| cells[cell])
    }

    /// The scaled value of a gene.
    pub(crate) fn value(&self, gene: usize, value: f64) -> f64 {
        let round = |v| self.precision.round(v);
        let mut value = round(value);
        if self.options.zero_center {
            value = round(value - self.stats.mean[gene]);
        }
        value = round(value / self.stats.std[gene]);
        match self.options.max_value {
            Some(most) if self.options.zero_center => value.clamp(-most, most),
            Some(most) => value.min(most),
            None => value,
        }
    }

    /// Scales a row; a centred one has an entry for every gene afterwards.
    pub(crate) fn row(&self, cell: usize, row: &mut RowReader) {
        if !self.changes(cell) {
            return;
        }
        if !self.options.zero_center {
            for (&gene, value) in row.genes.iter().zip(&mut row.values) {
                *value = self.value(gene as usize, *value);
            }
            return;
        }
        let mut dense = self.empty.clone();
        for (&gene, &value) in row.genes.iter().zip(&row.values) {
            dense[gene as usize] = self.value(gene as usize, value);
        }
        row.genes.clear();
        row.genes.extend(0..dense.len() as u32);
        row.values = dense;
    }
}

/// A scaled matrix, cells x genes.
#[derive(Debug)]
pub enum Scaled {
    /// Not centred.
    Sparse(SparseArray),
    /// Centred: row-major.
    Dense(Vec<f64>),
}

/// The scaled matrix in memory; values are rounded to the type of the input (32-bit floats for such).
///
/// # Errors
/// As [`scale_stats`], with which `stats` were made of the same input and options.
///
/// ```
/// use cytosol::data::{NumberKind, rows::ValueRows};
/// use cytosol::preprocess::{ScaleInput, ScaleOptions, Scaled, scale_stats, scaled};
/// let rows = ValueRows::from_dense(NumberKind::F64, 2, &[1.0, 5.0, 3.0, 5.0])?;
/// let ctx = cytosol::Context::single_threaded()?;
/// let input = ScaleInput { source: &rows, transform: None, cells: None };
/// let options = ScaleOptions::default();
/// let stats = scale_stats(&ctx, input, &options)?;
/// let Scaled::Dense(values) = scaled(&ctx, input, &stats, &options)? else { unreachable!("centred") };
/// assert_eq!(values, [-1.0 / 2.0_f64.sqrt(), 0.0, 1.0 / 2.0_f64.sqrt(), 0.0]);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn scaled(
    ctx: &Context,
    input: ScaleInput<'_>,
    stats: &ScaleStats,
    options: &ScaleOptions,
) -> Result<Scaled> {
    let precision = match input.transform {
        Some(transform) => transform.precision,
        None => float_precision(input.source.kind()),
    };
    let scaler = Scaler::new(stats, options, precision, input.cells);
    let as_it_is = Transform::default();
    let transform = input.transform.unwrap_or(&as_it_is);
    if !options.zero_center {
        let work = |cell: usize, row: &mut RowReader| scaler.row(cell, row);
        return transformed(ctx, input.source, transform, options.read, work).map(Scaled::Sparse);
    }
    let (n, g) = (input.source.n_cells(), input.source.n_genes());
    let mut all = Vec::new();
    all.try_reserve_exact(n.saturating_mul(g)).map_err(|e| {
        let message = format!("scale: a centred matrix of {n} cells x {g} genes cannot be had");
        Error::new(crate::error::ErrorKind::OutOfMemory, message).with_source(e)
    })?;
    let stage = ctx.stage("scale", n as u64)?;
    Scan::new(input.source, Some(&stage), (512 * 8 * g) as u64).run(
        ctx,
        TransformCache::default,
        |_| Vec::new(),
        |cache, dense: &mut Vec<f64>, block| {
            let mut row = RowReader::new(options.read);
            for i in 0..block.n_rows() {
                let cell = block.first_row() + i;
                row.read(block, i)?;
                transform.apply(cell, &mut row, cache);
                scaler.row(cell, &mut row);
                let first = dense.len();
                dense.resize(first + g, 0.0);
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    dense[first + gene as usize] = value;
                }
            }
            Ok(())
        },
        |_, dense| {
            all.extend(dense);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(Scaled::Dense(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::rows::ValueRows;
    use crate::data::{NumberKind, Numbers};

    fn dense(scaled: Scaled, n_genes: usize) -> Vec<f64> {
        let matrix = match scaled {
            Scaled::Dense(values) => return values,
            Scaled::Sparse(matrix) => matrix,
        };
        let Numbers::F64(values) = matrix.values else {
            unreachable!("scaled values are 64-bit floats")
        };
        let mut all = vec![0.0; (matrix.offsets.len() - 1) * n_genes];
        for (cell, entries) in matrix.offsets.windows(2).enumerate() {
            for entry in entries[0] as usize..entries[1] as usize {
                all[cell * n_genes + matrix.indices[entry] as usize] = values[entry];
            }
        }
        all
    }

    #[test]
    fn scaled_values_are_those_of_the_formula_for_any_threads_and_budget() {
        let (n, g) = (1200, 5);
        let values: Vec<f64> = (0..n * g)
            .map(|i| f64::from(u8::from(i * i % 7 < 3)) * ((i % 41) as f64 / 3.0 - 4.0))
            .collect();
        let source = ValueRows::from_dense(NumberKind::F64, g, &values).expect("rows");
        let mask: Vec<bool> = (0..n).map(|cell| cell % 4 != 1).collect();
        for (zero_center, max_value) in [(true, Some(1.5)), (true, None), (false, Some(0.5))] {
            let options = ScaleOptions {
                zero_center,
                max_value,
                ..ScaleOptions::default()
            };
            let input = ScaleInput {
                source: &source,
                transform: None,
                cells: Some(&mask),
            };
            let mut first = None;
            for (threads, memory_budget) in [(1, 1 << 30), (2, 10_000), (7, 1 << 20)] {
                let ctx = Context::new(&ContextOptions {
                    threads,
                    memory_budget,
                    ..ContextOptions::default()
                })
                .expect("pool");
                let stats = scale_stats(&ctx, input, &options).expect("stats");
                let got = dense(scaled(&ctx, input, &stats, &options).expect("scaled"), g);
                for (i, (&value, &x)) in got.iter().zip(&values).enumerate() {
                    let gene = i % g;
                    let centre = if zero_center { stats.mean[gene] } else { 0.0 };
                    let mut right = (x - centre) / stats.std[gene];
                    if let Some(most) = max_value {
                        let least = if zero_center { -most } else { f64::MIN };
                        right = right.clamp(least, most);
                    }
                    assert_eq!(value, if mask[i / g] { right } else { x }, "{i}");
                }
                assert_eq!(first.get_or_insert_with(|| got.clone()), &got);
            }
        }
    }
}
