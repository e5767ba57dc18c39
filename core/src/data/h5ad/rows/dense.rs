//! A dense matrix on disk, as rows.
//!
//! Memory: a worker keeps the decoded chunks beside each other while they fit in a quarter of the
//! budget; where they do not, they are decoded again for every stretch of rows.

use std::ops::Range;
use std::sync::Arc;

use super::super::array::NumberArray;
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::rows::{PendingRows, RowBlock, RowSource, Stored};
use crate::data::source::check_range;
use crate::error::Result;

/// A dense matrix, cells x genes.
#[derive(Debug)]
pub(crate) struct DenseRows {
    name: Arc<str>,
    pub(crate) array: NumberArray,
}

impl DenseRows {
    pub(crate) fn new(array: NumberArray) -> Self {
        DenseRows {
            name: array.name().into(),
            array,
        }
    }
}

impl RowSource for DenseRows {
    fn n_cells(&self) -> usize {
        self.array.shape()[0]
    }

    fn n_genes(&self) -> usize {
        self.array.shape()[1]
    }

    fn kind(&self) -> NumberKind {
        self.array.kind()
    }

    fn layout(&self) -> MatrixLayout {
        MatrixLayout::Dense
    }

    fn bytes(&self, rows: Range<usize>) -> u64 {
        (rows.len() * self.n_genes() * self.array.kind().size()) as u64
    }

    fn grain(&self) -> u64 {
        if self.array.is_chunked() {
            // As many rows as a chunk is high.
            self.array.band_bytes()
        } else {
            0
        }
    }

    fn overhead(&self) -> u64 {
        if self.array.is_chunked() {
            self.array.band_bytes()
        } else {
            0
        }
    }

    fn is_lazy(&self) -> bool {
        self.array.is_fast()
    }

    fn fetch<'a>(&'a self, ctx: &Context, rows: Range<usize>) -> Result<PendingRows<'a>> {
        check_range(&rows, self.n_cells())?;
        let budget = ctx.memory_budget() / 4;
        self.array.check_budget(budget)?;
        let keep = self.array.band_bytes() <= budget;
        let fetched = self.array.fetch_rows(rows.clone())?;
        Ok(Box::new(move |scratch| {
            let bytes = match fetched {
                Some(bytes) => bytes,
                None => self
                    .array
                    .decode_rows(&mut scratch.pieces, rows.clone(), keep)?,
            };
            let values = Stored {
                kind: self.array.decoded_kind(),
                bytes,
            };
            let n = rows.len();
            Ok(
                RowBlock::dense(&self.name, rows.start, n, self.n_genes(), values)
                    .in_file(self.array.path()),
            )
        }))
    }
}
