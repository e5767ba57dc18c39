//! Any sparse view, valid or not: it is refused, or its cells can be read.
#![no_main]

use engine::data::CountBlock;
use engine::data::matrix::{IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray};
use libfuzzer_sys::fuzz_target;

fn small(bytes: &[u8]) -> Vec<i32> {
    bytes.iter().map(|&b| i32::from(b as i8)).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_at_checked(4) else {
        return;
    };
    let (starts, rest) = body.split_at(body.len().min(usize::from(head[0] % 40)));
    let (indices, values) = rest.split_at(rest.len() / 2);
    let (starts, indices) = (small(starts), small(indices));
    let wide: Vec<i64> = indices
        .iter()
        .map(|&i| i64::from(i) << (head[1] >> 3))
        .collect();
    let floats: Vec<f64> = values
        .chunks(8)
        .map(|c| {
            c.iter()
                .fold(0.0, |sum, &b| sum * 7.0 + f64::from(b as i8) / 4.0)
        })
        .collect();
    let bit = |k: u8| head[2] >> k & 1 == 1;
    let n_rows = usize::from(head[3] % 20);
    let ctx = engine::Context::single_threaded().expect("one thread");
    let view = SparseView {
        name: "counts",
        layout: if bit(0) { Layout::Csr } else { Layout::Csc },
        orientation: if bit(1) {
            Orientation::CellsByGenes
        } else {
            Orientation::GenesByCells
        },
        n_rows,
        n_columns: usize::from(head[3] / 20),
        index_base: if bit(2) {
            IndexBase::One
        } else {
            IndexBase::Zero
        },
        indptr: IndexArray::I32(&starts),
        indices: if bit(3) {
            IndexArray::I32(&indices)
        } else {
            IndexArray::I64(&wide)
        },
        values: if bit(4) {
            ValueArray::U8(values)
        } else {
            ValueArray::F64(&floats)
        },
    };
    let Ok(mut blocks) = view.into_blocks(&ctx, bit(5)) else {
        return;
    };
    let mut block = CountBlock::default();
    let n_cells = blocks.n_cells();
    if blocks.read_cells(&ctx, 0..n_cells, &mut block).is_ok() {
        assert_eq!(block.n_rows(), n_cells);
        for row in 0..n_cells {
            let (genes, counts) = block.row(row);
            assert!(genes.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(genes.iter().all(|&gene| (gene as usize) < blocks.n_genes()));
            assert!(counts.iter().all(|&count| count > 0));
        }
    }
});
