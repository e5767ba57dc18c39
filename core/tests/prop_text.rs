//! Damaged text never panics: every byte of a Matrix Market file or a table may be wrong.

use cytosol::Context;
use cytosol::data::delimited::{TableOptions, read_counts_csv, read_table};
use cytosol::data::{CountBlock, OpenOptions, open};
use proptest::prelude::*;

const MATRIX: &[u8] = b"%%MatrixMarket matrix coordinate integer general\n%c\n3 2 4\n1 1 5\n\
                        3 1 1\n2 2 7\n3 2 2\n";
const TABLE: &[u8] = b"barcode,x,y,nUMI\nAAA-1,1.5,2,90\nCCC-1,3,\"4\",60\n";

/// The text with some bytes replaced, removed or doubled.
fn damaged(text: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'\n'),
        Just(b' '),
        Just(b','),
        Just(b'"'),
        Just(b'-'),
        Just(b'9'),
        any::<u8>()
    ];
    let change = (0..text.len(), 0..3_u8, byte);
    prop::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut text = text.to_vec();
        for (at, kind, byte) in changes {
            let at = at.min(text.len() - 1);
            match kind {
                0 => text[at] = byte,
                1 if text.len() > 1 => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_matrices_and_tables_give_errors_or_sound_counts(
        matrix in damaged(MATRIX), coords in damaged(TABLE),
        names in damaged(b"E1\tA\tGene Expression\nE2\tB\tGene Expression\nE3\tC\tOther\n"),
        which in 0..3_u8,
    ) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |name: &str, text: &[u8]| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("matrix.mtx", if which == 0 { &matrix } else { MATRIX });
        write("coords.csv", if which == 1 { &coords } else { TABLE });
        write("features.tsv", if which == 2 { &names } else { b"A\nB\nC\n" });
        write("barcodes.tsv", b"AAA-1\nCCC-1\n");
        let Ok(mut dataset) = open(folder.path(), &OpenOptions::default()) else {
            return Ok(());
        };
        let ctx = Context::single_threaded().expect("pool");
        let (n_cells, n_genes) = (dataset.counts.n_cells(), dataset.counts.n_genes());
        prop_assert_eq!((n_cells, n_genes), (dataset.obs.n_rows(), dataset.var.n_rows()));
        let mut block = CountBlock::default();
        if dataset.counts.read_cells(&ctx, 0..n_cells, &mut block).is_ok() {
            for row in 0..block.n_rows() {
                prop_assert!(block.row(row).0.iter().all(|&gene| (gene as usize) < n_genes));
            }
        }
    }

    #[test]
    fn damaged_counts_give_errors_or_whole_tables(text in damaged(b"gene,c1,c2\nA,0,5\nB,2,0\n")) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("counts.csv");
        std::fs::write(&path, text).expect("written");
        if let Ok(read) = read_counts_csv(&path) {
            prop_assert_eq!(read.counts.offsets().len(), read.cells.len() + 1);
        }
        if let Ok(table) = read_table(&path, &TableOptions::default()) {
            prop_assert!(table.columns.iter().all(|(_, c)| c.len() == table.n_rows()));
        }
    }
}
