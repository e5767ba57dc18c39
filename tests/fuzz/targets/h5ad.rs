//! Any file, and any damage to a whole one: it is refused, or its counts can be read.
//!
//! The input is a list of changes (three bytes of position, one of length, then bytes) to a small
//! `.h5ad`, so that the reader's structure checks are reached; the input is tried as a file as well.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use engine::Context;
use engine::data::matrix::Csr;
use engine::data::{
    Annotations, Categorical, Column, Compression, CountBlock, Numbers, OpenOptions, Rows, Table,
    Tables, create,
};
use libfuzzer_sys::fuzz_target;

struct Ground {
    ctx: Context,
    path: PathBuf,
    whole: Vec<u8>,
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let ctx = Context::single_threaded().expect("one thread");
        let path = std::env::temp_dir().join(format!("cytosol-fuzz-{}.h5ad", std::process::id()));
        let mut counts = Csr::from_dense(3, &[1, 0, 2, 0, 3, 0, 0, 0, 4, 5, 6, 7]).expect("rows");
        let names = |stem: &str, n: usize| (0..n).map(|i| format!("{stem}{i}")).collect();
        let mut obs = Table::new(names("cell", 4));
        let labels = Categorical {
            codes: vec![0, 1, -1, 0],
            categories: vec!["A".into(), "B".into()],
            ordered: false,
        };
        obs.set("type", Column::Categorical(labels)).expect("fits");
        obs.set("x", Column::F64(vec![0.5; 4])).expect("fits");
        let var = Table::new(names("gene", 3));
        let mut more = Annotations::default();
        more.obsm("spatial", 2, Rows::Whole(Numbers::F64(vec![1.0; 8])));
        let tables = Tables { obs: &obs, var: &var };
        create(&ctx, &path, &mut counts, tables, more, Compression::default()).expect("written");
        let whole = std::fs::read(&path).expect("read back");
        Ground { ctx, path, whole }
    })
}

fn read(ground: &Ground, file: &[u8]) {
    std::fs::write(&ground.path, file).expect("the temporary folder can be written");
    if let Ok(mut dataset) = engine::data::open(&ground.path, &OpenOptions::default()) {
        let mut block = CountBlock::default();
        let n_cells = dataset.counts.n_cells().min(100);
        let outcome = dataset.counts.read_cells(&ground.ctx, 0..n_cells, &mut block);
        if outcome.is_ok() {
            assert_eq!(block.n_rows(), n_cells);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let ground = ground();
    read(ground, bytes);
    let mut damaged = ground.whole.clone();
    let mut rest = bytes;
    while let [a, b, c, length, tail @ ..] = rest {
        let position = (usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)) % damaged.len();
        let n = usize::from(*length % 9).min(tail.len()).min(damaged.len() - position);
        damaged[position..position + n].copy_from_slice(&tail[..n]);
        rest = &tail[n..];
    }
    read(ground, &damaged);
});
