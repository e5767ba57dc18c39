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

use crate::data::RowReader;

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
    #[inline]
    pub fn round(self, value: f64) -> f64 {
        match self {
            Precision::Single => f64::from(value as f32),
            Precision::Double => value,
        }
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

/// Transformed counts of the row at hand.
#[derive(Debug)]
pub struct TransformCache {
    values: Vec<f64>,
    stamps: Vec<u64>,
    row: u64,
}

impl Default for TransformCache {
    fn default() -> Self {
        TransformCache {
            values: vec![0.0; TABLE],
            stamps: vec![0; TABLE],
            row: 0,
        }
    }
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
        if !(row.is_whole && row.largest < TABLE as f64) {
            row.values.iter_mut().for_each(|v| *v = one.value(*v));
            return;
        }
        cache.row += 1;
        for value in &mut row.values {
            let count = *value as usize;
            if cache.stamps[count] != cache.row {
                cache.stamps[count] = cache.row;
                cache.values[count] = one.value(*value);
            }
            *value = cache.values[count];
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
    /// One value.
    pub(crate) fn value(&self, value: f64) -> f64 {
        let round = |v| self.precision.round(v);
        let mut value = round(value);
        if self.divides {
            value = match self.precision {
                Precision::Single => f64::from(value as f32 / self.factor as f32),
                Precision::Double => value / self.factor,
            };
        }
        if self.log {
            value = round(libm::log1p(value));
            if let Some(scale) = self.scale {
                value = round(value / scale);
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
