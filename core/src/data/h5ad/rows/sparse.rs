//! The compressed axis of a sparse matrix on disk, as rows.
//!
//! For CSR its rows are cells; a CSC matrix is the CSR matrix of genes x cells, which is what the
//! transposition reads. Memory: 8 bytes a row.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hdf5::Group;

use super::super::array::NumberArray;
use super::super::reader::{check_n_genes, check_sparse, sparse_member};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::rows::{PendingRows, RowBlock, RowSource, Stored};
use crate::data::source::check_range;
use crate::error::Result;

/// Whole chunks that a task should have, so that few are decoded by two workers.
const CHUNKS_PER_TASK: u64 = 8;

/// A compressed matrix on disk.
#[derive(Debug)]
pub(crate) struct SparseRows {
    name: Arc<str>,
    n_minor: usize,
    layout: MatrixLayout,
    indptr: Vec<u64>,
    pub(crate) indices: NumberArray,
    pub(crate) data: NumberArray,
    /// Type of the pointers.
    pub(crate) pointer_kind: NumberKind,
}

impl SparseRows {
    /// Opens and checks the members of `group`; `shape` is cells x genes.
    pub(crate) fn open(
        path: &Path,
        group: &Group,
        name: &str,
        shape: [usize; 2],
        layout: MatrixLayout,
    ) -> Result<Self> {
        let array = |key: &str| -> Result<NumberArray> {
            let (dataset, full) = sparse_member(path, group, name, key)?;
            NumberArray::open(path, dataset, &full)
        };
        let (data, indices, indptr) = (array("data")?, array("indices")?, array("indptr")?);
        let [n_major, n_minor] = match layout {
            MatrixLayout::Csc => [shape[1], shape[0]],
            _ => shape,
        };
        check_n_genes(path, name, shape[1])?;
        check_n_genes(path, name, n_minor)?;
        let pointer_kind = indptr.kind();
        let pointers = check_sparse(path, &indptr, &indices, &data, n_major)?;
        Ok(SparseRows {
            name: name.into(),
            n_minor,
            layout,
            indptr: pointers,
            indices,
            data,
            pointer_kind,
        })
    }

    /// Where each row begins.
    pub(crate) fn pointers(&self) -> &[u64] {
        &self.indptr
    }

    fn n_entries(&self, rows: Range<usize>) -> u64 {
        self.indptr[rows.end] - self.indptr[rows.start]
    }

    /// Where the entries of each of these rows begin, counted from the first.
    fn starts(&self, rows: &Range<usize>) -> Vec<usize> {
        let first = self.indptr[rows.start];
        let starts = self.indptr[rows.start..=rows.end].iter();
        starts.map(|p| (p - first) as usize).collect()
    }
}

fn stored(array: &NumberArray, bytes: Vec<u8>) -> Stored {
    Stored {
        kind: array.decoded_kind(),
        bytes,
    }
}

/// The values of a compressed matrix, in rows without genes: half of the reading, for work that looks at
/// values alone.
#[derive(Debug)]
pub(crate) struct SparseValues<'a>(pub(crate) &'a SparseRows);

impl RowSource for SparseValues<'_> {
    fn n_cells(&self) -> usize {
        self.0.n_cells()
    }

    fn n_genes(&self) -> usize {
        self.0.n_genes()
    }

    fn kind(&self) -> NumberKind {
        self.0.kind()
    }

    fn layout(&self) -> MatrixLayout {
        self.0.layout()
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        self.0.n_entries(rows) * self.0.data.kind().size() as u64
    }

    fn grain(&self) -> u64 {
        CHUNKS_PER_TASK * self.0.data.piece_bytes()
    }

    fn overhead(&self) -> u64 {
        2 * self.0.data.piece_bytes()
    }

    fn is_lazy(&self) -> bool {
        self.0.data.is_fast()
    }

    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        let of = self.0;
        check_range(&rows, of.n_cells())?;
        of.data.check_budget(ctx.memory_budget() / 4)?;
        let data = of
            .data
            .fetch_range(of.indptr[rows.start]..of.indptr[rows.end])?;
        Ok(Box::new(move |scratch| {
            let values = of.data.decode_range(&mut scratch.pieces, data)?;
            Ok(RowBlock::values_only(
                &of.name,
                rows.start,
                of.n_minor,
                of.starts(&rows),
                stored(&of.data, values),
            )
            .in_file(of.data.path()))
        }))
    }
}

impl RowSource for SparseRows {
    fn n_cells(&self) -> usize {
        self.indptr.len() - 1
    }

    fn n_genes(&self) -> usize {
        self.n_minor
    }

    fn kind(&self) -> NumberKind {
        self.data.kind()
    }

    fn layout(&self) -> MatrixLayout {
        self.layout
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        self.n_entries(rows) * (self.indices.kind().size() + self.data.kind().size()) as u64
    }

    fn grain(&self) -> u64 {
        CHUNKS_PER_TASK * self.data.piece_bytes().max(self.indices.piece_bytes()) * 2
    }

    fn overhead(&self) -> u64 {
        2 * (self.data.piece_bytes() + self.indices.piece_bytes())
    }

    fn is_lazy(&self) -> bool {
        self.data.is_fast() && self.indices.is_fast()
    }

    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        let budget = ctx.memory_budget() / 4;
        self.indices.check_budget(budget)?;
        self.data.check_budget(budget)?;
        let range = self.indptr[rows.start]..self.indptr[rows.end];
        let indices = self.indices.fetch_range(range.clone())?;
        let data = self.data.fetch_range(range.clone())?;
        Ok(Box::new(move |scratch| {
            let genes = self.indices.decode_range(&mut scratch.pieces, indices)?;
            let values = self.data.decode_range(&mut scratch.pieces, data)?;
            Ok(RowBlock::sparse(
                &self.name,
                rows.start,
                self.n_minor,
                (
                    self.starts(&rows),
                    stored(&self.indices, genes),
                    stored(&self.data, values),
                ),
                range.start,
            )
            .in_file(self.data.path()))
        }))
    }
}
