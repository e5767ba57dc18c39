//! Transformed values on their way into a file.

use crate::data::NumberKind;
use crate::data::RowReader;
use crate::data::h5ad::writer::edit::EditValues;

use super::super::hvg::moments::{MomentPart, Undo, UndoMemory};
use super::super::scale::Scaler;
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
pub(super) struct ScaleEdit<'a>(pub Scaler<'a>);

impl EditValues for ScaleEdit<'_> {
    type Cache = ();
    type Part = ();

    fn cache(&self) {}
    fn part(&self) {}

    fn of_cell(&self, cell: usize, row: &mut RowReader, (): &mut (), (): &mut ()) {
        self.0.row(cell, row);
    }

    fn of_gene(&self, gene: usize, cells: &[u32], values: &mut [f64]) {
        for (value, &cell) in values.iter_mut().zip(cells) {
            if self.0.changes(cell as usize) {
                *value = self.0.value(gene, *value);
            }
        }
    }
}
