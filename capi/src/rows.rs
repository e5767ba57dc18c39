//! `cyto_rows`: some rows of counts in memory, for hosts that keep counts in arrays of their own.
//!
//! A host reads a matrix of any size in pieces of the size it chooses.
//!
//! # Cost
//! 8 bytes an entry and 8 a cell of the piece, as long as the handle lives.

use std::mem::MaybeUninit;

use engine::data::CountBlock;
use engine::{Context, Error, ErrorKind};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::arrays::{Lent, Named, cyto_array, lend};
use crate::context::{cyto_context, with_context};
use crate::error::{Failure, cyto_error};
use crate::guard::{give, or, required};
use crate::matrix::{cyto_matrix, length};
use crate::status::cyto_status;
use crate::text::CytoStr;

/// Some rows of a matrix, compressed by cell.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_rows {
    indptr: Vec<u64>,
    indices: Vec<u32>,
    values: Vec<u32>,
}

/// Cells read at once.
const CELLS_PER_BLOCK: usize = 4096;

fn read(
    ctx: &Context,
    matrix: &cyto_matrix,
    cells: std::ops::Range<usize>,
) -> Result<cyto_rows, Failure> {
    let mut rows = cyto_rows {
        indptr: vec![0],
        indices: Vec::new(),
        values: Vec::new(),
    };
    let mut reader = matrix.reader();
    let mut block = CountBlock::default();
    for start in cells.clone().step_by(CELLS_PER_BLOCK) {
        ctx.check_cancelled()?;
        let end = cells.end.min(start + CELLS_PER_BLOCK);
        reader.read_cells(ctx, start..end, &mut block)?;
        for list in [&mut rows.indices, &mut rows.values] {
            let more = block.n_entries();
            list.try_reserve(more).map_err(|e| {
                let message = format!("counts: {} bytes cannot be had", 4 * (list.len() + more));
                Error::new(ErrorKind::OutOfMemory, message).with_source(e)
            })?;
        }
        for row in 0..block.n_rows() {
            let (genes, counts) = block.row(row);
            rows.indices.extend_from_slice(genes);
            rows.values.extend_from_slice(counts);
            rows.indptr.push(rows.indices.len() as u64);
        }
    }
    Ok(rows)
}

/// Reads the cells `first` to `first + n - 1` into memory: all stored counts, genes ascending in each cell.
/// Free with `cyto_rows_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_read(
    ctx: Option<&cyto_context>,
    matrix: Option<&cyto_matrix>,
    first: i64,
    n: i64,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_rows>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let matrix = required("matrix", matrix)?;
        let start = length("cells", "first", first)?;
        let end = start.checked_add(length("cells", "n", n)?);
        let end = end.filter(|&end| end <= matrix.n_cells()).ok_or_else(|| {
            Error::argument(
                "cells.n",
                format!(
                    "{n} cells from {first} leave the matrix of {} cells",
                    matrix.n_cells()
                ),
            )
        })?;
        with_context(ctx, |ctx| read(ctx, matrix, start..end))
    })
}

const ARRAYS: [Named<cyto_rows>; 3] = [
    ("indptr", |r| Some(Lent::u64s(&r.indptr))),
    ("indices", |r| Some(Lent::u32s(&r.indices))),
    ("values", |r| Some(Lent::u32s(&r.values))),
];

/// Lends an array of rows: "indptr" (u64, cells + 1, begins with 0), "indices" (u32, the gene of every entry) and
/// "values" (u32, its count).
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rows_array(
    rows: Option<&cyto_rows>,
    name: CytoStr<'_>,
    out: *mut cyto_array,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    unsafe { lend(rows, &ARRAYS, name, out, err) }
}

/// Frees rows. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_rows_free(rows: Option<repr_c::Box<cyto_rows>>) {
    or((), || drop(rows));
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::data::matrix::Csr;

    #[test]
    fn rows_come_in_pieces_and_a_range_outside_is_refused() {
        let dense = [1, 0, 2, 0, 0, 0, 0, 3, 4];
        let csr = Csr::from_dense(3, &dense).expect("whole rows");
        let matrix = cyto_matrix::from_source(Box::new(csr), false);
        let ctx = Context::single_threaded().expect("made");
        let rows = read(&ctx, &matrix, 1..3).ok().expect("read");
        assert_eq!(rows.indptr, [0, 0, 2]);
        assert_eq!((rows.indices, rows.values), (vec![1, 2], vec![3, 4]));
        for (first, n) in [(-1, 1), (0, -1), (0, 4), (3, 1), (i64::MAX, i64::MAX)] {
            let mut out = MaybeUninit::uninit();
            let status = cyto_matrix_read(None, Some(&matrix), first, n, Some(&mut out), None);
            assert_eq!(status, cyto_status::CYTO_INVALID_ARGUMENT, "{first} {n}");
            // SAFETY: written on every path.
            assert!(unsafe { out.assume_init() }.is_none());
        }
    }
}
