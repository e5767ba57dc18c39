//! `libcytosol` with two more functions that panic on purpose, for tests/abi/panic_host.c.
//!
//! A library of its own: the shipped one has no way to be made to panic.

#![allow(missing_docs, reason = "a test, not an interface")]

use std::mem::MaybeUninit;
use std::ops::Range;

use cytosol::{cyto_context, cyto_error, cyto_matrix, cyto_status};
use engine::data::{CellBlocks, CountBlock};
use engine::{Context, Result};
use safer_ffi::prelude::repr_c;

/// A source of counts with one count in every cell that panics at its `at`-th block.
struct Bomb {
    n_cells: usize,
    n_genes: usize,
    at: u32,
}

impl CellBlocks for Bomb {
    fn n_cells(&self) -> usize {
        self.n_cells
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn read_cells(
        &mut self,
        _: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        assert!(self.at > 0, "injected into the reading of counts");
        self.at -= 1;
        block.start(cells.start);
        for cell in cells {
            for gene in 0..self.n_genes {
                // A mixture of two kinds of cells, enough for every step of RCTD.
                let count = if gene % 2 == cell % 2 { 30 } else { 5 };
                block.push_count(gene as u32, count + (gene % 3) as u32);
            }
            block.end_row();
        }
        Ok(())
    }
}

/// A matrix that panics when its block number `at` is read.
#[unsafe(no_mangle)]
pub extern "C" fn inject_matrix(
    n_cells: usize,
    n_genes: usize,
    at: u32,
) -> repr_c::Box<cyto_matrix> {
    let bomb = Bomb {
        n_cells,
        n_genes,
        at,
    };
    Box::new(cyto_matrix::from_source(Box::new(bomb), false)).into()
}

/// A call that panics on a worker thread of the context's pool.
#[unsafe(no_mangle)]
pub extern "C" fn inject_worker_panic(
    ctx: Option<&cyto_context>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    cytosol::guarded(ctx, err, |ctx| {
        engine::par::map(ctx, 100, |i| {
            assert!(i != 57, "injected into worker item {i}");
            Ok(())
        })?;
        Ok(())
    })
}
