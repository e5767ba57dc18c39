//! The one pass over a sparse view's structure that keeps a host's mistakes out of the engines.
//!
//! Time: about memory speed, on all threads. Memory: none.

use super::arrays::{Index, IndexArray, with_indices};
use super::{Layout, SparseView};
use crate::context::Context;
use crate::error::{Error, Reason, Result};
use crate::par;

/// Elements a task checks.
const CHECK_BLOCK: usize = 1 << 18;

impl SparseView<'_> {
    /// Checks the structure in one pass on all threads: lengths, `indptr` from the base to the
    /// number of entries without decreasing, every index in range.
    ///
    /// # Errors
    /// `InvalidArgument`; reason `CorruptMatrix` with the array (`counts.indptr`) and position.
    pub fn check(&self, ctx: &Context) -> Result<()> {
        self.check_lengths()?;
        self.check_indptr(ctx)?;
        with_indices!(self.indices, indices => self.check_indices(ctx, indices))
    }

    pub(super) fn corrupt(&self, array: &str, position: usize, message: String) -> Error {
        let dataset = format!("{}.{array}", self.name);
        Error::argument(dataset.clone(), format!("[{position}]: {message}")).with_reason(
            Reason::CorruptMatrix {
                dataset,
                position: position as u64,
            },
        )
    }

    pub(super) fn check_lengths(&self) -> Result<()> {
        let (n_major, n_minor) = self.axes();
        if self.n_genes() > u32::MAX as usize || n_minor > u32::MAX as usize {
            return Err(Error::argument(
                self.name,
                format!(
                    "{} rows x {} columns: genes and the indexed axis must be below 2^32",
                    self.n_rows, self.n_columns
                ),
            ));
        }
        if Some(self.indptr.len()) != n_major.checked_add(1) {
            let message = format!(
                "{} elements for {n_major} compressed {}; must be one more",
                self.indptr.len(),
                if self.layout == Layout::Csr {
                    "rows"
                } else {
                    "columns"
                },
            );
            return Err(self.corrupt("indptr", self.indptr.len(), message));
        }
        if self.indices.len() != self.values.len() {
            let message = format!(
                "{} elements for {} values; must be as many",
                self.indices.len(),
                self.values.len()
            );
            return Err(self.corrupt("indices", self.indices.len(), message));
        }
        Ok(())
    }

    fn check_indptr(&self, ctx: &Context) -> Result<()> {
        let (n_major, _) = self.axes();
        let base = self.index_base.offset();
        let first = self.indptr.get(0).unwrap_or(base);
        if first != base {
            return Err(self.corrupt("indptr", 0, format!("{first}; must be {base}")));
        }
        par::map(ctx, n_major.div_ceil(CHECK_BLOCK), |number| {
            let start = number * CHECK_BLOCK;
            let end = n_major.min(start + CHECK_BLOCK);
            let broken = match self.indptr {
                IndexArray::I32(p) => first_decrease(&p[start..=end]),
                IndexArray::I64(p) => first_decrease(&p[start..=end]),
            };
            match broken {
                None => Ok(()),
                Some((at, before, value)) => Err(self.corrupt(
                    "indptr",
                    start + at,
                    format!("{value} comes after {before}; must not decrease"),
                )),
            }
        })?;
        let last = self.indptr.get(n_major).unwrap_or(base);
        let n_entries = self.values.len();
        if last.wrapping_sub(base) as u64 != n_entries as u64 {
            let message = format!("{last}; must be {base} + the {n_entries} entries");
            return Err(self.corrupt("indptr", n_major, message));
        }
        Ok(())
    }

    fn check_indices<I: Index>(&self, ctx: &Context, indices: &[I]) -> Result<()> {
        let (_, n_minor) = self.axes();
        let base = self.index_base.offset();
        par::map(ctx, indices.len().div_ceil(CHECK_BLOCK), |number| {
            let start = number * CHECK_BLOCK;
            let end = indices.len().min(start + CHECK_BLOCK);
            let block = &indices[start..end];
            // No early way out of the loop, so that it runs at memory speed.
            let in_range = |index: &I| (index.wide().wrapping_sub(base) as u64) < n_minor as u64;
            if block.iter().fold(true, |all, index| all & in_range(index)) {
                return Ok(());
            }
            let at = block.iter().position(|index| !in_range(index)).unwrap_or(0);
            Err(self.out_of_range(start + at, block[at].wide()))
        })?;
        Ok(())
    }

    pub(super) fn out_of_range(&self, position: usize, index: i64) -> Error {
        let (_, n_minor) = self.axes();
        let base = self.index_base.offset();
        let message = format!("{index}; must be {base} to {}", n_minor as i64 - 1 + base);
        self.corrupt("indices", position, message)
    }
}

fn first_decrease<I: Index>(indptr: &[I]) -> Option<(usize, i64, i64)> {
    let at = indptr
        .windows(2)
        .position(|pair| pair[0].wide() > pair[1].wide())?;
    Some((at + 1, indptr[at].wide(), indptr[at + 1].wide()))
}

#[cfg(test)]
mod tests {
    use super::super::{IndexBase, Orientation, ValueArray};
    use super::*;
    use crate::context::ContextOptions;
    use crate::data::CountBlock;
    use crate::error::ErrorKind;

    fn view<'a>(indptr: &'a [i32], indices: &'a [i32], values: &'a [f64]) -> SparseView<'a> {
        SparseView {
            name: "counts",
            layout: Layout::Csr,
            orientation: Orientation::CellsByGenes,
            n_rows: 2,
            n_columns: 3,
            index_base: IndexBase::Zero,
            indptr: IndexArray::I32(indptr),
            indices: IndexArray::I32(indices),
            values: ValueArray::F64(values),
        }
    }

    fn where_broken(view: SparseView<'_>) -> (String, u64) {
        let ctx = Context::single_threaded().expect("pool");
        let error = view.check(&ctx).expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        match error.reason() {
            Reason::CorruptMatrix { dataset, position } => {
                assert!(error.message().starts_with(dataset), "{error}");
                assert_eq!(error.argument_name(), Some(dataset.as_str()));
                (dataset.clone(), *position)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_fault_is_named_with_array_and_position() {
        let one = [1.0; 3];
        let cases: [(&[i32], &[i32], &str, u64); 8] = [
            (&[0, 1], &[0, 0, 0], "counts.indptr", 2),
            (&[], &[0, 0, 0], "counts.indptr", 0),
            (&[1, 1, 3], &[0, 1, 2], "counts.indptr", 0),
            (&[0, 4, 3], &[0, 1, 2], "counts.indptr", 2),
            (&[0, 1, 2], &[0, 1, 2], "counts.indptr", 2),
            (&[0, 1, 3], &[0, 3, 2], "counts.indices", 1),
            (&[0, 1, 3], &[0, 2, -1], "counts.indices", 2),
            (&[0, 1, 3], &[0, 2], "counts.indices", 2),
        ];
        for (indptr, indices, array, position) in cases {
            let found = where_broken(view(indptr, indices, &one));
            assert_eq!(found, (array.to_owned(), position));
        }
        let mut one_based = view(&[1, 2, 4], &[1, 3, 0], &one);
        one_based.index_base = IndexBase::One;
        assert_eq!(where_broken(one_based), ("counts.indices".to_owned(), 2));
    }

    #[test]
    fn the_first_fault_is_reported_whatever_the_threads() {
        let n = 3 * CHECK_BLOCK;
        let indptr: Vec<i64> = (0..=n as i64).collect();
        let mut indices = vec![0_i64; n];
        let values = vec![1_u8; n];
        indices[2 * CHECK_BLOCK + 7] = 5;
        indices[CHECK_BLOCK + 3] = i64::MIN;
        let mut decreasing = indptr.clone();
        decreasing[CHECK_BLOCK] -= 2;
        for threads in [1, 2, 3, 7] {
            let ctx = Context::new(&ContextOptions {
                threads,
                ..ContextOptions::default()
            })
            .expect("pool");
            let mut large = view(&[], &[], &[]);
            large.n_rows = n;
            large.n_columns = 1;
            large.values = ValueArray::U8(&values);
            large.indices = IndexArray::I64(&indices);
            large.indptr = IndexArray::I64(&indptr);
            let error = large.check(&ctx).expect_err("out of range");
            assert!(error.message().contains(&format!("[{}]", CHECK_BLOCK + 3)));
            large.indptr = IndexArray::I64(&decreasing);
            let error = large.check(&ctx).expect_err("decreases");
            assert!(error.message().contains(&format!("[{CHECK_BLOCK}]")));
        }
    }

    #[test]
    fn a_trusted_view_is_still_not_read_out_of_bounds() {
        let ctx = Context::single_threaded().expect("pool");
        let mut block = CountBlock::default();
        for (indptr, indices) in [([0, 9, 3], [0, 1, 2]), ([0, 1, 3], [0, 7, 2])] {
            let values = [1.0; 3];
            let mut cells = view(&indptr, &indices, &values)
                .into_blocks(&ctx, true)
                .expect("not checked");
            let error = cells
                .read_cells(&ctx, 0..2, &mut block)
                .expect_err("broken");
            assert_eq!(error.reason().name(), "corrupt_matrix");
        }
    }
}
