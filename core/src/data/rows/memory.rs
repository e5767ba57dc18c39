//! Rows of values in memory: simulated data, views, tests.

use std::ops::Range;
use std::sync::Arc;

use super::{PendingRows, RowBlock, RowSource, Stored};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::{NumberKind, append_index_bytes, append_numbers};
use crate::data::source::check_range;
use crate::error::{Error, Result};

/// A sparse matrix of numbers, cells x genes, compressed by cell, owned.
///
/// # Cost
/// 4 bytes and the size of the type an entry, 8 bytes a cell.
///
/// ```
/// use cytosol::data::{NumberKind, RowSource, rows::ValueRows};
/// let rows = ValueRows::from_dense(NumberKind::F32, 3, &[0.0, 0.5, 1.0, 2.0, 0.0, 0.0])?;
/// assert_eq!((rows.n_cells(), rows.n_genes()), (2, 3));
/// # Ok::<(), cytosol::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ValueRows {
    n_genes: usize,
    offsets: Vec<usize>,
    genes: Vec<u32>,
    values: Vec<u8>,
    kind: NumberKind,
    layout: MatrixLayout,
    name: Arc<str>,
}

/// A matrix as it lies in memory: stored bytes, and how it was stored where it comes from.
pub(crate) struct StoredRows {
    pub n_genes: usize,
    pub offsets: Vec<usize>,
    pub genes: Vec<u32>,
    pub values: Stored,
    pub layout: MatrixLayout,
}

impl ValueRows {
    /// A matrix whose arrays are known to fit each other.
    pub(crate) fn of_stored(rows: StoredRows, name: Arc<str>) -> Self {
        ValueRows {
            n_genes: rows.n_genes,
            offsets: rows.offsets,
            genes: rows.genes,
            values: rows.values.bytes,
            kind: rows.values.kind,
            layout: rows.layout,
            name,
        }
    }

    /// A matrix from its arrays; values are rounded to `kind`.
    ///
    /// # Errors
    /// `InvalidArgument` when the arrays do not fit each other, or `kind` is half precision.
    pub fn from_parts(
        kind: NumberKind,
        n_genes: usize,
        offsets: Vec<usize>,
        genes: Vec<u32>,
        values: &[f64],
    ) -> Result<Self> {
        let fits = offsets.first() == Some(&0)
            && offsets.last() == Some(&genes.len())
            && offsets.windows(2).all(|pair| pair[0] <= pair[1])
            && genes.len() == values.len();
        if !fits {
            return Err(Error::argument(
                "offsets",
                "must begin with 0, never decrease and end with the number of genes and values",
            ));
        }
        if kind == NumberKind::F16 {
            return Err(Error::argument("kind", "float16 cannot be held in memory"));
        }
        let mut bytes = Vec::new();
        append_numbers(kind, values, &mut bytes);
        Ok(ValueRows {
            n_genes,
            offsets,
            genes,
            values: bytes,
            kind,
            layout: MatrixLayout::Csr,
            name: "X".into(),
        })
    }

    /// A matrix from dense rows; zeros are not stored.
    ///
    /// # Errors
    /// `InvalidArgument` unless `values` holds whole rows of `n_genes`.
    pub fn from_dense(kind: NumberKind, n_genes: usize, values: &[f64]) -> Result<Self> {
        if n_genes == 0 || values.len() % n_genes != 0 {
            return Err(Error::argument(
                "values",
                format!("{} values are not whole rows of {n_genes}", values.len()),
            ));
        }
        let (mut offsets, mut genes, mut kept) = (vec![0], Vec::new(), Vec::new());
        for row in values.chunks_exact(n_genes) {
            for (gene, &value) in row.iter().enumerate() {
                if value != 0.0 {
                    genes.push(gene as u32);
                    kept.push(value);
                }
            }
            offsets.push(genes.len());
        }
        ValueRows::from_parts(kind, n_genes, offsets, genes, &kept)
    }
}

impl RowSource for ValueRows {
    fn n_cells(&self) -> usize {
        self.offsets.len() - 1
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn kind(&self) -> NumberKind {
        self.kind
    }

    fn layout(&self) -> MatrixLayout {
        self.layout
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        let n = self.offsets[rows.end] - self.offsets[rows.start];
        (n * (4 + self.kind.size())) as u64
    }

    fn fetch<'a>(&'a self, _: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        Ok(Box::new(move |_| {
            let (lo, hi) = (self.offsets[rows.start], self.offsets[rows.end]);
            let starts = self.offsets[rows.start..=rows.end].iter().map(|o| o - lo);
            let size = self.kind.size();
            let mut genes = Stored {
                kind: NumberKind::U32,
                bytes: Vec::new(),
            };
            append_index_bytes(genes.kind, &self.genes[lo..hi], &mut genes.bytes);
            let values = Stored {
                kind: self.kind,
                bytes: self.values[lo * size..hi * size].to_vec(),
            };
            Ok(RowBlock::sparse(
                &self.name,
                rows.start,
                self.n_genes,
                (starts.collect(), genes, values),
                lo as u64,
            ))
        }))
    }
}
