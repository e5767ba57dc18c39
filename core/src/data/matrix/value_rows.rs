//! Views as rows of values of any sign and fraction: borrowed, and read on the workers.
//!
//! Values keep the type of the host's array, as those of a file keep that of the file.
//!
//! # Cost
//! A stretch of rows a worker is copied; a view compressed along genes is turned round once, at 4 bytes and a
//! value an entry.

use std::ops::Range;
use std::sync::Arc;

use super::arrays::{Index, IndexArray, Value, ValueArray, with_indices, with_values};
use super::{DenseView, IndexBase, SparseView};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::rows::{PendingRows, RowBlock, RowSource, Stored, StoredRows, ValueRows};
use crate::data::source::check_range;
use crate::error::Result;

impl<'a> SparseView<'a> {
    /// The matrix as rows of values, cells x genes; what is not finite is found when it is read.
    ///
    /// `trusted` as in [`into_blocks`](Self::into_blocks).
    ///
    /// # Errors
    /// Those of [`check`](Self::check); `OutOfMemory` when turning it round needs too much.
    ///
    /// ```
    /// use cytosol::data::RowSource;
    /// use cytosol::data::matrix::{IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray};
    /// let (p, i, x) = ([0, 2, 3], [0, 2, 1], [0.5, -1.25, 7.0]);
    /// let ctx = cytosol::Context::single_threaded()?;
    /// let view = SparseView {
    ///     name: "values",
    ///     layout: Layout::Csc,
    ///     orientation: Orientation::GenesByCells,
    ///     n_rows: 3,
    ///     n_columns: 2,
    ///     index_base: IndexBase::Zero,
    ///     indptr: IndexArray::I32(&p),
    ///     indices: IndexArray::I32(&i),
    ///     values: ValueArray::F64(&x),
    /// };
    /// let rows = view.into_rows(&ctx, false)?;
    /// assert_eq!((rows.n_cells(), rows.n_genes()), (2, 3));
    /// # Ok::<(), cytosol::Error>(())
    /// ```
    pub fn into_rows(self, ctx: &Context, trusted: bool) -> Result<Box<dyn RowSource + 'a>> {
        if trusted {
            self.check_lengths()?;
        } else {
            self.check(ctx)?;
        }
        let name: Arc<str> = self.name.into();
        if self.cells_are_compressed() {
            return Ok(Box::new(SparseRows { view: self, name }));
        }
        let rows = with_indices!(self.indices, indices => {
            with_values!(self.values, values => self.turned_values(ctx, indices, values)?)
        });
        Ok(Box::new(ValueRows::of_stored(rows, name)))
    }

    fn turned_values<I: Index, V: Value>(
        &self,
        ctx: &Context,
        indices: &[I],
        values: &[V],
    ) -> Result<StoredRows> {
        let sort = self.turn(ctx, indices, |_, _, position| Ok(values[position].bytes()))?;
        let (offsets, genes, values) = sort.into_parts();
        Ok(StoredRows {
            n_genes: self.n_genes(),
            offsets,
            genes,
            values: Stored {
                kind: V::KIND,
                bytes: V::joined(values),
            },
            layout: MatrixLayout::Csc,
        })
    }
}

/// A view that is compressed by cell.
struct SparseRows<'a> {
    view: SparseView<'a>,
    name: Arc<str>,
}

impl SparseRows<'_> {
    /// Entries of some rows; they stand side by side.
    fn entries(&self, rows: &Range<usize>) -> Result<Range<usize>> {
        if rows.is_empty() {
            return Ok(0..0);
        }
        let first = self.view.entries(rows.start)?.start;
        let end = self.view.entries(rows.end - 1)?.end;
        Ok(first..end.max(first))
    }

    fn read(&self, rows: Range<usize>) -> Result<RowBlock> {
        let entries = self.entries(&rows)?;
        let mut starts = Vec::with_capacity(rows.len() + 1);
        starts.push(0);
        let mut end = entries.start;
        for cell in rows.clone() {
            end = self.view.entries(cell)?.end;
            starts.push(end - entries.start);
        }
        debug_assert!(rows.is_empty() || end == entries.end);
        let base = match self.view.index_base {
            IndexBase::Zero => 0,
            IndexBase::One => 1,
        };
        let genes = with_indices!(self.view.indices, indices => {
            stored(|bytes| append_indices(&indices[entries.clone()], base, bytes))
        });
        let values = with_values!(self.view.values, values => {
            stored(|bytes| append_values(&values[entries.clone()], bytes))
        });
        Ok(RowBlock::sparse(
            &self.name,
            rows.start,
            self.view.n_genes(),
            (starts, genes, values),
            entries.start as u64,
        ))
    }
}

fn stored(append: impl FnOnce(&mut Vec<u8>) -> NumberKind) -> Stored {
    let mut bytes = Vec::new();
    let kind = append(&mut bytes);
    Stored { kind, bytes }
}

fn append_indices<I: Index>(indices: &[I], base: i64, out: &mut Vec<u8>) -> NumberKind {
    I::append(indices, base, out);
    I::KIND
}

fn append_values<V: Value>(values: &[V], out: &mut Vec<u8>) -> NumberKind {
    V::append(values, out);
    V::KIND
}

fn kind_of<V: Value>(_: &[V]) -> NumberKind {
    V::KIND
}

impl RowSource for SparseRows<'_> {
    fn n_cells(&self) -> usize {
        self.view.n_cells()
    }

    fn n_genes(&self) -> usize {
        self.view.n_genes()
    }

    fn kind(&self) -> NumberKind {
        with_values!(self.view.values, values => kind_of(values))
    }

    fn layout(&self) -> MatrixLayout {
        MatrixLayout::Csr
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        // A broken view is found when it is read.
        let n = self.entries(&rows).map_or(0, |entries| entries.len());
        let index = match self.view.indices {
            IndexArray::I32(_) => 4,
            IndexArray::I64(_) => 8,
        };
        (n * (index + self.kind().size())) as u64
    }

    fn fetch<'a>(&'a self, _: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        Ok(Box::new(move |_| self.read(rows)))
    }
}

impl<'a> DenseView<'a> {
    /// The matrix as rows of values, cells x genes.
    ///
    /// # Errors
    /// As [`into_blocks`](Self::into_blocks).
    pub fn into_rows(self) -> Result<Box<dyn RowSource + 'a>> {
        self.check()?;
        let name = self.name.into();
        Ok(Box::new(DenseRows { view: self, name }))
    }

    fn append_rows<V: Value>(
        &self,
        values: &[V],
        cells: Range<usize>,
        out: &mut Vec<u8>,
    ) -> NumberKind {
        let (cell_stride, gene_stride) = self.strides();
        let n_genes = self.n_genes();
        if n_genes == 0 {
            // Strides of a matrix without elements may point anywhere.
            return V::KIND;
        }
        let mut row = Vec::new();
        for cell in cells {
            let first = cell * cell_stride;
            if gene_stride == 1 {
                V::append(&values[first..first + n_genes], out);
                continue;
            }
            row.clear();
            row.extend((0..n_genes).map(|gene| values[first + gene * gene_stride]));
            V::append(&row, out);
        }
        V::KIND
    }
}

struct DenseRows<'a> {
    view: DenseView<'a>,
    name: Arc<str>,
}

impl RowSource for DenseRows<'_> {
    fn n_cells(&self) -> usize {
        self.view.n_cells()
    }

    fn n_genes(&self) -> usize {
        self.view.n_genes()
    }

    fn kind(&self) -> NumberKind {
        with_values!(self.view.values, values => kind_of(values))
    }

    fn layout(&self) -> MatrixLayout {
        MatrixLayout::Dense
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        (rows.len() * self.n_genes() * self.kind().size()) as u64
    }

    fn fetch<'a>(&'a self, _: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        Ok(Box::new(move |_| {
            let (view, n_rows) = (&self.view, rows.len());
            let first = rows.start;
            let values = with_values!(view.values, values => {
                stored(|bytes| view.append_rows(values, rows, bytes))
            });
            let n_genes = view.n_genes();
            Ok(RowBlock::dense(&self.name, first, n_rows, n_genes, values))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Layout, Orientation};
    use super::*;
    use crate::data::rows::{ReadOptions, RowReader, RowScratch};

    const DENSE: [[f64; 3]; 4] = [
        [0.0, 0.5, -2.0],
        [0.0, 0.0, 0.0],
        [1e300, 0.0, 0.25],
        [-0.5, 3.0, 7.0],
    ];

    fn rows_of(source: &dyn RowSource) -> Vec<Vec<f64>> {
        let ctx = Context::single_threaded().expect("pool");
        let mut row = RowReader::new(ReadOptions::default());
        let mut all = Vec::new();
        for stretch in [0..1, 1..source.n_cells()] {
            let pending = source.fetch(&ctx, stretch).expect("fetched");
            let block = pending(&mut RowScratch::default()).expect("read");
            for i in 0..block.n_rows() {
                row.read(&block, i).expect("row");
                let mut values = vec![0.0; source.n_genes()];
                for (&gene, &value) in row.genes.iter().zip(&row.values) {
                    values[gene as usize] = value;
                }
                all.push(values);
            }
        }
        all
    }

    /// Compressed along rows of `matrix`.
    fn compressed(matrix: &[Vec<f64>], base: i64) -> (Vec<i64>, Vec<i64>, Vec<f64>) {
        let (mut starts, mut indices, mut values) = (vec![base], Vec::new(), Vec::new());
        for row in matrix {
            for (at, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                indices.push(at as i64 + base);
                values.push(value);
            }
            starts.push(values.len() as i64 + base);
        }
        (starts, indices, values)
    }

    #[test]
    fn sparse_views_of_every_kind_have_the_same_rows() {
        let ctx = Context::single_threaded().expect("pool");
        let cells: Vec<Vec<f64>> = DENSE.iter().map(|row| row.to_vec()).collect();
        let genes: Vec<Vec<f64>> = (0..3)
            .map(|g| cells.iter().map(|r| r[g]).collect())
            .collect();
        for base in [0, 1] {
            for by_cell in [true, false] {
                let (starts, indices, values) =
                    compressed(if by_cell { &cells } else { &genes }, base);
                for orientation in [Orientation::CellsByGenes, Orientation::GenesByCells] {
                    let is_python = orientation == Orientation::CellsByGenes;
                    let view = SparseView {
                        name: "values",
                        layout: match is_python == by_cell {
                            true => Layout::Csr,
                            false => Layout::Csc,
                        },
                        orientation,
                        n_rows: if is_python { 4 } else { 3 },
                        n_columns: if is_python { 3 } else { 4 },
                        index_base: match base {
                            0 => IndexBase::Zero,
                            _ => IndexBase::One,
                        },
                        indptr: IndexArray::I64(&starts),
                        indices: IndexArray::I64(&indices),
                        values: ValueArray::F64(&values),
                    };
                    let rows = view.into_rows(&ctx, false).expect("rows");
                    assert_eq!(rows_of(&*rows), cells, "{base} {by_cell} {orientation:?}");
                    assert_eq!(rows.kind(), NumberKind::F64);
                    let is_csr = rows.layout() == MatrixLayout::Csr;
                    assert_eq!(is_csr, by_cell);
                    assert_eq!(rows.bytes(0..4), 7 * if by_cell { 16 } else { 12 });
                }
            }
        }
    }

    #[test]
    fn dense_views_with_any_strides_have_the_same_rows() {
        let narrow: Vec<f32> = DENSE[..2]
            .as_flattened()
            .iter()
            .map(|&v| v as f32)
            .collect();
        let turned: Vec<f32> = (0..6).map(|i| narrow[i % 2 * 3 + i / 2]).collect();
        for (values, row_stride, column_stride) in [(&narrow, 3, 1), (&turned, 1, 2)] {
            let view = DenseView {
                name: "values",
                orientation: Orientation::CellsByGenes,
                n_rows: 2,
                n_columns: 3,
                row_stride,
                column_stride,
                values: ValueArray::F32(values),
            };
            let rows = view.into_rows().expect("rows");
            let expected: Vec<Vec<f64>> = DENSE[..2].iter().map(|row| row.to_vec()).collect();
            assert_eq!(rows_of(&*rows), expected);
            assert_eq!(
                (rows.kind(), rows.layout()),
                (NumberKind::F32, MatrixLayout::Dense)
            );
            assert_eq!(rows.bytes(0..2), 24);
        }
    }

    #[test]
    fn dense_views_without_elements_have_empty_rows_whatever_their_strides() {
        for (n_rows, n_columns) in [(3, 0), (0, 3)] {
            for orientation in [Orientation::CellsByGenes, Orientation::GenesByCells] {
                for (row_stride, column_stride) in [(5, 1), (usize::MAX, 1), (1, usize::MAX)] {
                    let view = DenseView {
                        name: "values",
                        orientation,
                        n_rows,
                        n_columns,
                        row_stride,
                        column_stride,
                        values: ValueArray::F64(&[]),
                    };
                    let rows = view.into_rows().expect("rows");
                    let n_cells = rows.n_cells();
                    let ctx = Context::single_threaded().expect("pool");
                    let pending = rows.fetch(&ctx, 0..n_cells).expect("fetched");
                    let block = pending(&mut RowScratch::default()).expect("read");
                    assert_eq!((block.n_rows(), block.n_genes()), (n_cells, rows.n_genes()));
                }
            }
        }
    }

    #[test]
    fn broken_views_that_were_trusted_are_errors_when_they_are_read() {
        let ctx = Context::single_threaded().expect("pool");
        let view = SparseView {
            name: "values",
            layout: Layout::Csr,
            orientation: Orientation::CellsByGenes,
            n_rows: 2,
            n_columns: 3,
            index_base: IndexBase::One,
            indptr: IndexArray::I32(&[1, 2, 3]),
            indices: IndexArray::I32(&[0, 4]),
            values: ValueArray::F64(&[f64::NAN, 1.0]),
        };
        assert!(view.into_rows(&ctx, false).is_err());
        let rows = view.into_rows(&ctx, true).expect("trusted");
        for cell in 0..2 {
            let pending = rows.fetch(&ctx, cell..cell + 1).expect("fetched");
            let block = pending(&mut RowScratch::default()).expect("read");
            assert!(RowReader::default().read(&block, 0).is_err());
        }
        let mut decreasing = view;
        decreasing.indptr = IndexArray::I32(&[1, 9, 3]);
        let rows = decreasing.into_rows(&ctx, true).expect("trusted");
        assert_eq!(rows.bytes(0..1), 0);
        let pending = rows.fetch(&ctx, 0..1).expect("fetched");
        assert!(pending(&mut RowScratch::default()).is_err());
        assert!(rows.fetch(&ctx, 0..3).is_err());
    }
}
