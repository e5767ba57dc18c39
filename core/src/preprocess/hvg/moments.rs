//! Means and variances of every gene, over all cells or by batch, in one pass.
//!
//! # Cost
//! One pass; 24 bytes a gene and batch, and as much for each block in flight. Genes whose variance
//! drowns in the rounding of their mean cost a second pass.

use crate::context::Context;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource};
use crate::error::Result;

use super::super::transform::{Precision, Transform, TransformCache};

/// Share of the squared mean below which a variance is recomputed from centred values.
const CANCELLED: f64 = 1e-8;
/// Slots of the memory of [`Undo`].
const SLOTS: usize = 1024;

/// What statistics are taken of: the transformed value, or `expm1` of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Undo {
    /// The value as it is.
    Nothing,
    /// `expm1(value * scale)`, rounded to the type after each step; the scale is the logarithm of the
    /// base, where there is one.
    Log {
        precision: Precision,
        scale: Option<f64>,
    },
}

impl Undo {
    fn value(self, value: f64) -> f64 {
        match self {
            Undo::Nothing => value,
            Undo::Log { precision, scale } => {
                let value = scale.map_or(value, |s| precision.round(value * s));
                precision.round(libm::expm1(value))
            }
        }
    }
}

/// Values that were computed lately: rows of normalised counts repeat a few.
pub(crate) struct UndoMemory {
    undo: Undo,
    slots: Vec<(u64, f64)>,
}

impl UndoMemory {
    pub(crate) fn new(undo: Undo) -> Self {
        // 0 is its own image, and never stored.
        UndoMemory {
            undo,
            slots: vec![(0, 0.0); SLOTS],
        }
    }

    #[inline]
    pub(crate) fn value(&mut self, value: f64) -> f64 {
        if self.undo == Undo::Nothing {
            return value;
        }
        let bits = value.to_bits();
        let slot = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let (key, known) = self.slots[slot];
        if key == bits {
            return known;
        }
        let computed = self.undo.value(value);
        self.slots[slot] = (bits, computed);
        computed
    }
}

/// Sums by batch and gene: `[batch * n_genes + gene]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MomentSums {
    pub sum: Vec<f64>,
    pub squares: Vec<f64>,
    pub n_positive: Vec<u64>,
    /// Whether a value was negative or had a fraction.
    pub has_odd: bool,
}

impl MomentSums {
    pub(crate) fn new(n: usize) -> Self {
        MomentSums {
            sum: vec![0.0; n],
            squares: vec![0.0; n],
            n_positive: vec![0; n],
            has_odd: false,
        }
    }

    pub(crate) fn merge(&mut self, part: &MomentPart) {
        for (at, own) in part.places.iter().enumerate() {
            self.sum[at] += own.sum;
            self.squares[at] += own.squares;
            self.n_positive[at] += own.n_positive;
        }
        self.has_odd |= part.has_odd;
    }
}

/// Sums of a batch and gene, side by side in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    sum: f64,
    squares: f64,
    n_positive: u64,
}

/// [`MomentSums`] of a block of rows.
#[derive(Debug)]
pub(crate) struct MomentPart {
    places: Vec<Moments>,
    has_odd: bool,
}

impl MomentPart {
    pub(crate) fn new(n: usize) -> Self {
        MomentPart {
            places: vec![Moments::default(); n],
            has_odd: false,
        }
    }

    /// Adds a row of transformed values of a batch that begins at `offset`.
    #[inline]
    pub(crate) fn add(&mut self, offset: usize, row: &RowReader, memory: &mut UndoMemory) {
        for (&gene, &value) in row.genes.iter().zip(&row.values) {
            let value = memory.value(value);
            let own = &mut self.places[offset + gene as usize];
            own.sum += value;
            own.squares += value * value;
            own.n_positive += u64::from(value > 0.0);
        }
    }
}

/// Cells by batch; one batch where there is no column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches<'a> {
    /// Batch of each cell, -1 for none; absent = all in one.
    pub codes: Option<&'a [i32]>,
    /// Number of batches.
    pub n: usize,
}

impl Batches<'_> {
    /// The batch of a cell.
    #[inline]
    pub(crate) fn of(&self, cell: usize) -> Option<usize> {
        match self.codes {
            None => Some(0),
            Some(codes) => usize::try_from(codes[cell]).ok(),
        }
    }

    /// Cells of each batch.
    pub(crate) fn sizes(&self, n_cells: usize) -> Vec<u64> {
        let mut sizes = vec![0; self.n];
        for cell in 0..n_cells {
            if let Some(batch) = self.of(cell) {
                sizes[batch] += 1;
            }
        }
        sizes
    }
}

/// A matrix as statistics see it.
#[derive(Clone, Copy)]
pub(crate) struct Viewed<'a> {
    pub source: &'a dyn RowSource,
    pub transform: &'a Transform,
    pub undo: Undo,
    pub read: ReadOptions,
}

/// One pass over the matrix.
pub(crate) fn moments(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    stage_name: &str,
) -> Result<MomentSums> {
    let n_genes = view.source.n_genes();
    let n = n_genes * batches.n;
    let stage = ctx.stage(stage_name, view.source.n_cells() as u64)?;
    let mut total = MomentSums::new(n);
    Scan::new(view.source, Some(&stage), 24 * n as u64).run(
        ctx,
        || (TransformCache::default(), UndoMemory::new(view.undo)),
        |_| MomentPart::new(n),
        |(cache, memory), sums, block| {
            let mut row = RowReader::new(view.read);
            for i in 0..block.n_rows() {
                let cell = block.first_row() + i;
                let Some(batch) = batches.of(cell) else {
                    continue;
                };
                row.read(block, i)?;
                view.transform.apply(cell, &mut row, cache);
                sums.add(batch * n_genes, &row, memory);
            }
            sums.has_odd |= row.n_negative + row.n_fractional > 0;
            Ok(())
        },
        |_, sums| {
            total.merge(&sums);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(total)
}

/// Mean and variance of each batch and gene.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MeanVariance {
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}

/// Means and variances (denominator n - 1; n for a single cell) from sums; those that drown are
/// recomputed from centred values.
pub(crate) fn mean_variance(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    sums: &MomentSums,
) -> Result<MeanVariance> {
    let n_genes = view.source.n_genes();
    let sizes = batches.sizes(view.source.n_cells());
    let mut result = MeanVariance::default();
    let mut drowned = Vec::new();
    for (batch, &n) in sizes.iter().enumerate() {
        let n = n as f64;
        for gene in 0..n_genes {
            let at = batch * n_genes + gene;
            let mean = sums.sum[at] / n;
            let spread = sums.squares[at] / n - mean * mean;
            let correction = if n > 1.0 { n / (n - 1.0) } else { 1.0 };
            if spread < CANCELLED * mean * mean {
                drowned.push(at);
            }
            result.mean.push(mean);
            result.variance.push(spread.max(0.0) * correction);
        }
    }
    if !drowned.is_empty() {
        centre(ctx, view, batches, &drowned, &sizes, &mut result)?;
    }
    Ok(result)
}

/// Recomputes the variances of the (batch, gene) pairs `drowned` (ascending).
fn centre(
    ctx: &Context,
    view: Viewed<'_>,
    batches: Batches<'_>,
    drowned: &[usize],
    sizes: &[u64],
    result: &mut MeanVariance,
) -> Result<()> {
    let n_genes = view.source.n_genes();
    let mut slot = vec![u32::MAX; n_genes * batches.n];
    for (number, &at) in drowned.iter().enumerate() {
        slot[at] = number as u32;
    }
    let n = drowned.len();
    let stage = ctx.stage("centred_moments", view.source.n_cells() as u64)?;
    let mean = &result.mean;
    let (mut squares, mut stored) = (vec![0.0; n], vec![0_u64; n]);
    Scan::new(view.source, Some(&stage), 16 * n as u64).run(
        ctx,
        || (TransformCache::default(), UndoMemory::new(view.undo)),
        |_| (vec![0.0; n], vec![0_u64; n]),
        |(cache, memory), (squares, stored), block| {
            let mut row = RowReader::new(view.read);
            for i in 0..block.n_rows() {
                let cell = block.first_row() + i;
                let Some(batch) = batches.of(cell) else {
                    continue;
                };
                row.read(block, i)?;
                view.transform.apply(cell, &mut row, cache);
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    let at = batch * n_genes + gene as usize;
                    if let Some(sum) = squares.get_mut(slot[at] as usize) {
                        let d = memory.value(value) - mean[at];
                        *sum += d * d;
                        stored[slot[at] as usize] += 1;
                    }
                }
            }
            Ok(())
        },
        |_, (part, n_part)| {
            squares.iter_mut().zip(part).for_each(|(a, b)| *a += b);
            stored.iter_mut().zip(n_part).for_each(|(a, b)| *a += b);
            Ok(())
        },
    )?;
    stage.finish()?;
    for (number, &at) in drowned.iter().enumerate() {
        let n = sizes[at / n_genes];
        let zeros = (n - stored[number]) as f64;
        let mean = result.mean[at];
        let denominator = if n > 1 { n - 1 } else { 1 } as f64;
        result.variance[at] = (squares[number] + zeros * mean * mean) / denominator;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::numbers::NumberKind;
    use crate::data::rows::ValueRows;

    fn view<'a>(source: &'a ValueRows, transform: &'a Transform) -> Viewed<'a> {
        Viewed {
            source,
            transform,
            undo: Undo::Nothing,
            read: ReadOptions::default(),
        }
    }

    #[test]
    fn moments_agree_with_loops_and_survive_cancellation() {
        let n = 900;
        // Gene 0 is nearly constant, far from zero.
        let dense: Vec<f64> = (0..n)
            .flat_map(|i| {
                [
                    1e8 + f64::from(i % 3),
                    f64::from(i % 5),
                    f64::from(i % 7 / 6),
                ]
            })
            .collect();
        let source = ValueRows::from_dense(NumberKind::F64, 3, &dense).expect("rows");
        let transform = Transform::default();
        let codes: Vec<i32> = (0..n)
            .map(|i| if i % 10 == 9 { -1 } else { i % 2 })
            .collect();
        let ctx = Context::single_threaded().expect("pool");
        let batches = Batches {
            codes: Some(&codes),
            n: 2,
        };
        let view = view(&source, &transform);
        let sums = moments(&ctx, view, batches, "moments").expect("moments");
        let got = mean_variance(&ctx, view, batches, &sums).expect("finished");
        for batch in 0..2 {
            for gene in 0..3 {
                let values: Vec<f64> = (0..n as usize)
                    .filter(|&i| codes[i] == batch)
                    .map(|i| dense[i * 3 + gene])
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
                let variance = squares / (values.len() - 1) as f64;
                let at = batch as usize * 3 + gene;
                assert!((got.mean[at] / mean - 1.0).abs() < 1e-14);
                assert!((got.variance[at] / variance - 1.0).abs() < 1e-7, "{at}");
            }
        }
    }

    #[test]
    fn remembered_values_are_the_computed_ones() {
        let undo = Undo::Log {
            precision: Precision::Single,
            scale: Some(2.0_f64.ln()),
        };
        let mut memory = UndoMemory::new(undo);
        for i in 0..5000 {
            let value = f64::from((i % 1700) as f32 / 300.0);
            assert_eq!(memory.value(value), undo.value(value));
        }
    }
}
