//! Transformed values on their way into a file.

use std::sync::Mutex;

use crate::data::NumberKind;
use crate::data::RowReader;
use crate::data::h5ad::writer::edit::EditValues;

use super::super::hvg::moments::{MomentPart, Undo, UndoMemory};
use super::super::transform::{Precision, Transform, TransformCache};

/// Writes transformed values, and gathers moments of them on the way where they are wanted.
pub(super) struct TransformEdit<'a> {
    pub transform: &'a Transform,
    /// Undoing of the moments, and the number of genes.
    pub moments: Option<(Undo, usize)>,
}

impl EditValues for TransformEdit<'_> {
    type Cache = (TransformCache, UndoMemory);
    type Part = Option<MomentPart>;

    fn cache(&self) -> Self::Cache {
        let undo = self.moments.map_or(Undo::Nothing, |(undo, _)| undo);
        (TransformCache::default(), UndoMemory::new(undo))
    }

    fn part(&self) -> Self::Part {
        self.moments.map(|(_, n)| MomentPart::new(n))
    }

    fn looks_at_genes(&self) -> bool {
        self.moments.is_some()
    }

    fn part_bytes(&self) -> u64 {
        self.moments.map_or(0, |(_, n)| 24 * n as u64)
    }

    fn of_cell(
        &self,
        cell: usize,
        row: &mut RowReader,
        (cache, memory): &mut Self::Cache,
        part: &mut Self::Part,
    ) {
        self.transform.apply(cell, row, cache);
        if let Some(sums) = part {
            sums.add(0, row, memory);
        }
    }

    fn of_gene(&self, _: usize, cells: &[u32], values: &mut [f64]) {
        for (value, &cell) in values.iter_mut().zip(cells) {
            let factor = self
                .transform
                .factors
                .as_ref()
                .map_or(1.0, |f| f[cell as usize]);
            *value = self.transform.of_cell(factor).value(*value);
        }
    }
}

/// Type in which a precision is stored.
pub(super) fn stored_kind(precision: Precision) -> NumberKind {
    match precision {
        Precision::Single => NumberKind::F32,
        Precision::Double => NumberKind::F64,
    }
}

/// Values of every gene scaled by its own mean and deviation.
pub(super) struct ScaleEdit<'a> {
    pub mean: &'a [f64],
    pub deviation: &'a [f64],
    pub precision: Precision,
    pub most: Option<f64>,
    /// Cells to which it applies; all where it is absent.
    pub cells: Option<&'a [bool]>,
    /// Whether means are taken out (dense output only).
    pub zero_center: bool,
    /// Values of a cell without entries, filled in once.
    pub empty: Mutex<Option<Vec<f64>>>,
}

impl ScaleEdit<'_> {
    /// The scaled value of a gene.
    pub(super) fn value(&self, gene: usize, value: f64) -> f64 {
        let round = |v| self.precision.round(v);
        let mut value = round(value);
        if self.zero_center {
            value = round(value - self.mean[gene]);
        }
        value = round(value / self.deviation[gene]);
        match self.most {
            Some(most) if self.zero_center => value.clamp(-most, most),
            Some(most) => value.min(most),
            None => value,
        }
    }
}

impl EditValues for ScaleEdit<'_> {
    type Cache = ();
    type Part = ();

    fn cache(&self) {}
    fn part(&self) {}

    fn of_cell(&self, cell: usize, row: &mut RowReader, (): &mut (), (): &mut ()) {
        if self.cells.is_some_and(|cells| !cells[cell]) {
            return;
        }
        if !self.zero_center {
            for (&gene, value) in row.genes.iter().zip(&mut row.values) {
                *value = self.value(gene as usize, *value);
            }
            return;
        }
        let mut guard = self
            .empty
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let empty = guard.get_or_insert_with(|| {
            (0..self.mean.len())
                .map(|gene| self.value(gene, 0.0))
                .collect()
        });
        let mut dense = empty.clone();
        drop(guard);
        for (&gene, &value) in row.genes.iter().zip(&row.values) {
            dense[gene as usize] = self.value(gene as usize, value);
        }
        row.genes.clear();
        row.genes.extend(0..dense.len() as u32);
        row.values = dense;
    }

    fn of_gene(&self, gene: usize, cells: &[u32], values: &mut [f64]) {
        for (value, &cell) in values.iter_mut().zip(cells) {
            if self.cells.is_none_or(|cells| cells[cell as usize]) {
                *value = self.value(gene, *value);
            }
        }
    }
}
