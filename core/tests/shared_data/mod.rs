//! Where the shared reference data lie, and datasets as plain rows.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::PathBuf;

use cytosol::Context;
use cytosol::data::{CellBlocks, CountBlock, Dataset};

/// A path below the shared folder (`CYTO_SHARED`, else `../shared` beside the workspace); says so
/// aloud and gives `None` where it is absent.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CYTO_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIP {}: not there; set CYTO_SHARED", path.display());
    None
}

/// All counts, dense, row by row, read `step` cells at a time.
pub fn dense(counts: &mut dyn CellBlocks, step: usize) -> Vec<Vec<u32>> {
    let ctx = Context::single_threaded().expect("pool");
    let (n_cells, n_genes) = (counts.n_cells(), counts.n_genes());
    let mut block = CountBlock::default();
    let mut rows = Vec::new();
    for start in (0..n_cells).step_by(step) {
        let end = n_cells.min(start + step);
        counts
            .read_cells(&ctx, start..end, &mut block)
            .expect("read");
        for row in 0..block.n_rows() {
            let mut dense = vec![0; n_genes];
            let (genes, values) = block.row(row);
            for (&gene, &value) in genes.iter().zip(values) {
                dense[gene as usize] = value;
            }
            rows.push(dense);
        }
    }
    rows
}

/// Sum of all counts.
pub fn total(dataset: &mut Dataset) -> u64 {
    let rows = dense(&mut *dataset.counts, 1000);
    rows.iter().flatten().map(|&count| u64::from(count)).sum()
}

/// The matrix of all files of `golden/ooc/formats`, cells x genes.
pub const GOLDEN: [[u32; 6]; 5] = [
    [3, 0, 0, 6, 1, 0],
    [0, 0, 0, 0, 0, 0],
    [1, 22, 0, 2, 2, 0],
    [0, 5, 0, 0, 7, 4],
    [1, 1, 1, 1, 1, 1],
];
