//! Arrays with one row per cell, written block by block.

use std::ops::Range;

use hdf5::plist::dataset_create::FillTime;
use hdf5::{Dataset, Group, H5Type};
use ndarray::ArrayView2;

use super::element::Elements;
use crate::context::Context;
use crate::data::write::{Numbers, ObsmArray, Rows};
use crate::error::{Error, Result};

/// Values of a block.
const BLOCK_VALUES: usize = 1 << 18;

/// Writes an array of `obsm`.
pub(super) fn write(
    ctx: &Context,
    elements: Elements<'_>,
    parent: &Group,
    name: &str,
    n_rows: usize,
    array: ObsmArray<'_>,
) -> Result<()> {
    let writer = Writer {
        ctx,
        elements,
        parent,
        name,
        shape: [n_rows, array.n_columns],
    };
    match array.rows {
        Rows::Whole(Numbers::F64(values)) => writer.whole(&values),
        Rows::Whole(Numbers::F32(values)) => writer.whole(&values),
        Rows::Whole(Numbers::I64(values)) => writer.whole(&values),
        Rows::Whole(Numbers::I32(values)) => writer.whole(&values),
        Rows::F64(fill) => writer.blocks(fill),
        Rows::F32(fill) => writer.blocks(fill),
        Rows::I64(fill) => writer.blocks(fill),
        Rows::I32(fill) => writer.blocks(fill),
    }
}

struct Writer<'a> {
    ctx: &'a Context,
    elements: Elements<'a>,
    parent: &'a Group,
    name: &'a str,
    shape: [usize; 2],
}

impl Writer<'_> {
    fn create<T: H5Type>(&self) -> Result<Dataset> {
        let dataset = self
            .parent
            .new_dataset::<T>()
            .obj_track_times(false)
            .fill_time(FillTime::Never)
            .shape(self.shape)
            .create(self.name)
            .map_err(|e| self.elements.failed(self.name, e))?;
        self.elements.encoding(&dataset, "array", "0.2.0")?;
        Ok(dataset)
    }

    fn whole<T: H5Type>(&self, values: &[T]) -> Result<()> {
        let dataset = self.create::<T>()?;
        for rows in self.row_blocks() {
            let width = self.shape[1];
            self.put(
                &dataset,
                rows.clone(),
                &values[rows.start * width..rows.end * width],
            )?;
        }
        Ok(())
    }

    fn blocks<T: H5Type>(
        &self,
        mut fill: impl FnMut(Range<usize>, &mut Vec<T>) -> Result<()>,
    ) -> Result<()> {
        let dataset = self.create::<T>()?;
        let mut values = Vec::new();
        for rows in self.row_blocks() {
            values.clear();
            fill(rows.clone(), &mut values)?;
            let expected = rows.len() * self.shape[1];
            if values.len() != expected {
                return Err(Error::argument(
                    format!("obsm[{:?}]", self.name),
                    format!(
                        "{} values for rows {rows:?}; {expected} are needed",
                        values.len()
                    ),
                ));
            }
            self.put(&dataset, rows, &values)?;
        }
        Ok(())
    }

    fn row_blocks(&self) -> crate::par::Blocks {
        crate::par::Blocks::new(self.shape[0], BLOCK_VALUES / self.shape[1].max(1))
    }

    fn put<T: H5Type>(&self, dataset: &Dataset, rows: Range<usize>, values: &[T]) -> Result<()> {
        self.ctx.check_cancelled()?;
        let view = ArrayView2::from_shape((rows.len(), self.shape[1]), values)
            .map_err(|e| Error::argument(format!("obsm[{:?}]", self.name), e))?;
        dataset
            .write_slice(view, ndarray::s![rows, ..])
            .map_err(|e| self.elements.failed(self.name, e))
    }
}
