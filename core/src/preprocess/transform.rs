//! Normalisation and logarithm of a row on its way out of storage.
//!
//! The same arithmetic serves the file that is written and the one that is not: a statistic of
//! transformed values is the same number whether the values were stored or made on the fly,
//! because they are rounded to the type of the matrix at the same places.
//!
//! # Cost
//! One division and one logarithm an entry; of rows of small counts one for each different count.
//!
//! # Source
//! scanpy 1.11.5, `pp.normalize_total`, `pp.log1p`: order of operations and types.

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use crate::context::Context;
use crate::data::numbers::whole;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowReader, RowSource};
use crate::data::{NumberKind, Numbers, SparseArray};
use crate::error::Result;
use crate::stats::vector_math::ln_1p;

/// Type in which transformed values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Single,
    /// 64-bit floats.
    Double,
}

impl Precision {
    /// Rounds to the type.
    #[inline(always)]
    pub fn round(self, value: f64) -> f64 {
        match self {
            Precision::Single => f64::from(value as f32),
            Precision::Double => value,
        }
    }
}

/// Type that floats made of stored values have, unless they were normalised: that of the values, and 64-bit
/// floats for integers.
pub fn float_precision(kind: NumberKind) -> Precision {
    match kind {
        NumberKind::F16 | NumberKind::F32 => Precision::Single,
        _ => Precision::Double,
    }
}

/// Counts up to this are transformed once a row.
const TABLE: usize = 512;

/// What is done to the values of a row.
#[derive(Debug, Clone, Default)]
pub struct Transform {
    /// Type of the result.
    pub precision: Precision,
    /// Divisor of each cell, rounded to the type; cells with 0 stay as they are.
    pub factors: Option<Arc<Vec<f64>>>,
    /// Whether `log1p` is taken.
    pub log: bool,
    /// Base of the logarithm; `None` is the natural one.
    pub base: Option<f64>,
}

/// Transformed counts of the row at hand, one for each count up to the largest.
#[derive(Debug, Default)]
pub struct TransformCache {
    arch: Arch,
    values: Vec<f64>,
}

impl Transform {
    /// Whether values come out as they went in, but for rounding.
    pub fn is_identity(&self) -> bool {
        self.factors.is_none() && !self.log
    }

    /// Transforms the values of cell `cell` in place.
    pub fn apply(&self, cell: usize, row: &mut RowReader, cache: &mut TransformCache) {
        if self.is_identity() {
            return;
        }
        let factor = self.factors.as_ref().map_or(1.0, |f| f[cell]);
        let one = self.of_cell(factor);
        let n_counts = row.largest as usize + 1;
        if !row.is_whole || row.largest >= TABLE as f64 || n_counts > row.values.len() {
            one.each(cache.arch, &mut row.values);
            return;
        }
        cache.values.clear();
        cache.values.extend((0..n_counts).map(|count| count as f64));
        one.each(cache.arch, &mut cache.values);
        for value in &mut row.values {
            *value = cache.values[whole(*value) as usize];
        }
    }

    /// The transform of one cell.
    pub(crate) fn of_cell(&self, factor: f64) -> CellTransform {
        CellTransform {
            precision: self.precision,
            factor: if factor == 0.0 { 1.0 } else { factor },
            divides: self.factors.is_some(),
            log: self.log,
            scale: self.base.map(f64::ln),
        }
    }
}

/// The transform of one cell's values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellTransform {
    precision: Precision,
    factor: f64,
    divides: bool,
    log: bool,
    scale: Option<f64>,
}

impl CellTransform {
    /// All of these values, in place.
    fn each(&self, arch: Arch, values: &mut [f64]) {
        if !self.log {
            values.iter_mut().for_each(|v| *v = self.value(*v));
            return;
        }
        arch.dispatch(Each {
            transform: self,
            values,
        });
    }

    /// One value.
    #[inline]
    pub(crate) fn value(&self, value: f64) -> f64 {
        let scaled = self.scaled(value);
        match self.log {
            false => scaled,
            true if scaled > -1.0 && scaled < EASY => self.logged(scaled, ln_1p),
            true => self.logged(scaled, libm::log1p),
        }
    }

    #[inline(always)]
    fn scaled(&self, value: f64) -> f64 {
        let value = self.precision.round(value);
        match (self.divides, self.precision) {
            (false, _) => value,
            (true, Precision::Single) => f64::from(value as f32 / self.factor as f32),
            (true, Precision::Double) => value / self.factor,
        }
    }

    #[inline(always)]
    fn logged(&self, scaled: f64, log: impl Fn(f64) -> f64) -> f64 {
        let value = self.precision.round(log(scaled));
        match self.scale {
            Some(scale) => self.precision.round(value / scale),
            None => value,
        }
    }
}

/// The transformed matrix in memory, cells x genes: genes ascend, duplicates are summed, stored zeros are
/// left out. `and_then(cell, row)` is done to each row afterwards.
///
/// # Errors
/// Those of the source and of reading; `Cancelled`.
///
/// # Cost
/// One pass; 12 bytes an entry.
pub fn transformed(
    ctx: &Context,
    source: &dyn RowSource,
    transform: &Transform,
    read: ReadOptions,
    and_then: impl Fn(usize, &mut RowReader) + Sync,
) -> Result<SparseArray> {
    let n = source.n_cells();
    let (mut offsets, mut indices, mut values) = (vec![0_u64], Vec::new(), Vec::new());
    let stage = ctx.stage("transform", n as u64)?;
    let mut scan = Scan::new(source, Some(&stage), 0);
    scan.copies = 2;
    scan.run(
        ctx,
        TransformCache::default,
        |_| (Vec::new(), Vec::new(), Vec::new()),
        |cache, (ends, genes, own), block| {
            let mut row = RowReader::new(read);
            for i in 0..block.n_rows() {
                let cell = block.first_row() + i;
                row.read(block, i)?;
                transform.apply(cell, &mut row, cache);
                and_then(cell, &mut row);
                genes.extend_from_slice(&row.genes);
                own.extend_from_slice(&row.values);
                ends.push(own.len() as u64);
            }
            Ok(())
        },
        |_, (ends, genes, own)| {
            let before = values.len() as u64;
            offsets.extend(ends.iter().map(|end: &u64| end + before));
            indices.extend(genes);
            values.extend(own);
            Ok(())
        },
    )?;
    stage.finish()?;
    Ok(SparseArray {
        offsets,
        indices,
        values: Numbers::F64(values),
    })
}

/// All values of a cell, for the vector units at hand.
struct Each<'a> {
    transform: &'a CellTransform,
    values: &'a mut [f64],
}

impl WithSimd for Each<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let one = self.transform;
        let mut is_easy = true;
        for value in self.values.iter() {
            let scaled = one.scaled(*value);
            is_easy &= (scaled > -1.0) & (scaled < EASY);
        }
        for value in self.values {
            *value = match is_easy {
                true => one.logged(one.scaled(*value), ln_1p),
                false => one.value(*value),
            };
        }
    }
}

/// Between -1 and this the logarithm needs no look at its argument.
const EASY: f64 = 1e300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::ValueRows;

    #[test]
    fn a_transformed_matrix_has_its_rows_in_canonical_form() {
        let rows = ValueRows::from_parts(
            NumberKind::F64,
            4,
            vec![0, 3, 3, 5],
            vec![2, 0, 2, 1, 3],
            &[1.0, 3.0, 0.5, 0.0, 8.0],
        )
        .expect("rows");
        let transform = Transform {
            precision: Precision::Double,
            factors: Some(Arc::new(vec![2.0, 0.0, 4.0])),
            ..Transform::default()
        };
        let ctx = Context::single_threaded().expect("pool");
        let read = ReadOptions::default();
        let made = transformed(&ctx, &rows, &transform, read, |_, _| ()).expect("made");
        assert_eq!(made.offsets, [0, 2, 2, 3]);
        assert_eq!(made.indices, [0, 2, 3]);
        let Numbers::F64(values) = made.values else {
            unreachable!("transformed values are 64-bit floats")
        };
        assert_eq!(values, [1.5, 0.75, 2.0]);
    }

    #[test]
    fn tables_and_single_values_agree() {
        let transform = Transform {
            precision: Precision::Single,
            factors: Some(Arc::new(vec![f64::from(0.37_f32), 0.0])),
            log: true,
            base: Some(2.0),
        };
        for cell in [0, 1] {
            let mut row = RowReader::default();
            row.values = vec![1.0, 3.0, 1.0, 511.0];
            (row.is_whole, row.largest) = (true, 511.0);
            let factor = if cell == 0 { 0.37_f32 } else { 1.0 };
            let expected: Vec<f64> = row
                .values
                .iter()
                .map(|&v| {
                    let x = v as f32 / factor;
                    let y = f64::from(x).ln_1p() as f32;
                    f64::from((f64::from(y) / 2.0_f64.ln()) as f32)
                })
                .collect();
            let mut singly = row.clone();
            singly.is_whole = false;
            transform.apply(cell, &mut row, &mut TransformCache::default());
            transform.apply(cell, &mut singly, &mut TransformCache::default());
            assert_eq!(row.values, expected);
            assert_eq!(singly.values, expected);
        }
    }
}
