//! A dense matrix in a host's own array, with any strides.

use std::ops::Range;

use super::arrays::{Value, ValueArray, with_values};
use super::{Orientation, cells_and_genes};
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock, check_range};
use crate::error::{Error, Result};

/// A borrowed dense matrix; zeros are dropped as it is read.
///
/// # Shapes
/// Element (row, column) is `values[row * row_stride + column * column_stride]`.
///
/// ```
/// use cytosol::data::matrix::{DenseView, Orientation, ValueArray};
/// // R: a matrix of 3 genes x 2 cells, column by column.
/// let values = [4, 0, 1, 0, 7, 0];
/// let view = DenseView {
///     name: "counts",
///     orientation: Orientation::GenesByCells,
///     n_rows: 3,
///     n_columns: 2,
///     row_stride: 1,
///     column_stride: 3,
///     values: ValueArray::I32(&values),
/// };
/// assert_eq!(view.into_blocks()?.n_cells(), 2);
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DenseView<'a> {
    /// The caller's name of the argument, for messages.
    pub name: &'a str,
    /// What the rows are.
    pub orientation: Orientation,
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_columns: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub column_stride: usize,
    /// The elements.
    pub values: ValueArray<'a>,
}

impl<'a> DenseView<'a> {
    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        cells_and_genes(self.orientation, self.n_rows, self.n_columns).0
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        cells_and_genes(self.orientation, self.n_rows, self.n_columns).1
    }

    /// The cells of the matrix, readable in blocks.
    ///
    /// # Errors
    /// `InvalidArgument` when the array is too short for the shape and strides.
    ///
    /// # Cost
    /// Reading is O(cells x genes); fastest when the genes of a cell lie side by side.
    pub fn into_blocks(self) -> Result<Box<dyn CellBlocks + 'a>> {
        self.check()?;
        Ok(Box::new(DenseCells { view: self }))
    }

    /// Whether the array holds what shape and strides reach.
    pub(super) fn check(&self) -> Result<()> {
        if self.n_genes() > u32::MAX as usize {
            return Err(Error::argument(
                self.name,
                format!("{} genes; must be below 2^32", self.n_genes()),
            ));
        }
        if self.n_rows > 0 && self.n_columns > 0 {
            let last_row = (self.n_rows - 1).checked_mul(self.row_stride);
            let last_column = (self.n_columns - 1).checked_mul(self.column_stride);
            let last = last_row
                .zip(last_column)
                .and_then(|(r, c)| r.checked_add(c));
            if last.is_none_or(|last| last >= self.values.len()) {
                return Err(Error::argument(
                    self.name,
                    format!(
                        "{} elements are too few for {} x {} with strides {} and {}",
                        self.values.len(),
                        self.n_rows,
                        self.n_columns,
                        self.row_stride,
                        self.column_stride
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Strides from cell to cell and from gene to gene.
    pub(super) fn strides(&self) -> (usize, usize) {
        match self.orientation {
            Orientation::CellsByGenes => (self.row_stride, self.column_stride),
            Orientation::GenesByCells => (self.column_stride, self.row_stride),
        }
    }

    fn copy_typed<V: Value>(
        &self,
        ctx: &Context,
        values: &[V],
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        let (cell_stride, gene_stride) = self.strides();
        let n_genes = self.n_genes();
        for cell in cells {
            ctx.check_cancelled()?;
            for gene in 0..n_genes {
                let value = values[cell * cell_stride + gene * gene_stride].number();
                if value != 0.0 {
                    block.push(gene as u32, value)?;
                }
            }
            block.end_row();
        }
        Ok(())
    }
}

struct DenseCells<'a> {
    view: DenseView<'a>,
}

impl CellBlocks for DenseCells<'_> {
    fn n_cells(&self) -> usize {
        self.view.n_cells()
    }

    fn n_genes(&self) -> usize {
        self.view.n_genes()
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells())?;
        block.start(cells.start);
        let view = &self.view;
        with_values!(view.values, values => view.copy_typed(ctx, values, cells, block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    fn view(values: ValueArray<'_>) -> DenseView<'_> {
        DenseView {
            name: "counts",
            orientation: Orientation::CellsByGenes,
            n_rows: 2,
            n_columns: 3,
            row_stride: 3,
            column_stride: 1,
            values,
        }
    }

    #[test]
    fn short_arrays_and_absurd_strides_are_refused() {
        let values = [0_u8; 6];
        assert!(view(ValueArray::U8(&values)).into_blocks().is_ok());
        let error = view(ValueArray::U8(&values[..5])).into_blocks().err();
        assert!(
            error
                .expect("short")
                .message()
                .starts_with("counts: 5 elements")
        );
        let mut huge = view(ValueArray::U8(&values));
        huge.row_stride = usize::MAX;
        assert!(huge.into_blocks().is_err());
        let mut empty = view(ValueArray::U8(&[]));
        empty.n_rows = 0;
        assert!(empty.into_blocks().is_ok());
    }

    #[test]
    fn a_value_that_is_no_count_is_named() {
        let ctx = Context::single_threaded().expect("pool");
        let values = [0.0, 1.0, 2.0, 0.0, f64::NAN, 0.0];
        let mut cells = view(ValueArray::F64(&values)).into_blocks().expect("fits");
        let mut block = CountBlock::default();
        cells.read_cells(&ctx, 0..1, &mut block).expect("good row");
        assert_eq!(block.row(0), (&[1, 2][..], &[1, 2][..]));
        let error = cells.read_cells(&ctx, 0..2, &mut block).expect_err("NaN");
        assert!(matches!(
            error.reason(),
            Reason::InvalidValue {
                row: 1,
                column: 1,
                ..
            }
        ));
    }
}
