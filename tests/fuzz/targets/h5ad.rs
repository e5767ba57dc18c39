//! Any file: it is refused, or its counts can be read. Seeds are small `.h5ad` files.
#![no_main]

use std::sync::OnceLock;

use engine::Context;
use engine::data::{CountBlock, OpenOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let ctx = CONTEXT.get_or_init(|| Context::single_threaded().expect("one thread"));
    let path = std::env::temp_dir().join(format!("cytosol-fuzz-{}.h5ad", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    if let Ok(mut dataset) = engine::data::open(&path, &OpenOptions::default()) {
        let mut block = CountBlock::default();
        let n_cells = dataset.counts.n_cells().min(100);
        if dataset
            .counts
            .read_cells(ctx, 0..n_cells, &mut block)
            .is_ok()
        {
            assert_eq!(block.n_rows(), n_cells);
        }
    }
    let _ = std::fs::remove_file(&path);
});
