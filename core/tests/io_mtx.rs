//! Folders with a Matrix Market file: 10x and plain ones, whole and broken.

mod shared_data;

use std::path::Path;

use cytosol::data::{Column, Format, OpenOptions, VarNames, open};
use cytosol::{Context, Error, ErrorKind, Reason};
use shared_data::{GOLDEN, dense, shared, total};

const MATRIX: &str = "%%MatrixMarket matrix coordinate integer general\n%comment\n3 2 4\n\
                      1 1 5\n3 1 1\n2 2 7\n3 2 2\n";

/// A small folder: 3 genes (one of another type), 2 cells, with coordinates and types.
fn small_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write("matrix.mtx", MATRIX);
    write("barcodes.tsv", "AAA-1\nCCC-1\n");
    write(
        "features.tsv",
        "E1\tA\tGene Expression\nE2\tA\tGene Expression\nP1\tCD3\tAntibody Capture\n",
    );
    write(
        "coords.csv",
        "barcode,x,y,nUMI\nCCC-1,1.5,2,90\nAAA-1,3,4,60\n",
    );
    write("cells.csv", "barcode,cell_type\nAAA-1,neuron\nCCC-1,glia\n");
    folder
}

fn pack(folder: &Path, name: &str) {
    use std::io::Write;
    let text = std::fs::read(folder.join(name)).expect("there");
    let file = std::fs::File::create(folder.join(format!("{name}.gz"))).expect("created");
    let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    writer.write_all(&text).expect("written");
    writer.finish().expect("written");
    std::fs::remove_file(folder.join(name)).expect("removed");
}

fn all_features() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.gex_only = false;
    options
}

/// The error of opening the folder and reading its counts.
fn fault(folder: &Path) -> Error {
    let read = || {
        let mut dataset = open(folder, &OpenOptions::default())?;
        let ctx = Context::single_threaded()?;
        let cells = 0..dataset.counts.n_cells();
        dataset
            .counts
            .read_cells(&ctx, cells, &mut Default::default())
    };
    read().expect_err("broken")
}

#[test]
fn a_folder_opens_with_names_types_and_coordinates() {
    let folder = small_folder();
    for packed in [false, true] {
        if packed {
            for name in [
                "matrix.mtx",
                "barcodes.tsv",
                "features.tsv",
                "coords.csv",
                "cells.csv",
            ] {
                pack(folder.path(), name);
            }
        }
        let mut dataset = open(folder.path(), &OpenOptions::default()).expect("opens");
        assert_eq!(dataset.info.format, Format::Mtx);
        assert_eq!((dataset.info.n_cells, dataset.info.n_genes), (2, 2));
        assert_eq!(dataset.info.n_entries, 4);
        assert_eq!(dataset.info.dtype, "integer");
        assert_eq!(dataset.obs.index, ["AAA-1", "CCC-1"]);
        assert_eq!(dataset.var.index, ["A", "A-1"]);
        let ids = Column::Text(vec!["E1".into(), "E2".into()]);
        assert_eq!(dataset.var.column("gene_ids"), Some(&ids));
        assert_eq!(dataset.coordinates(), Some(vec![[3.0, 4.0], [1.5, 2.0]]));
        assert_eq!(dataset.n_umi(), Some(vec![60.0, 90.0]));
        let types = Column::Text(vec!["neuron".into(), "glia".into()]);
        assert_eq!(dataset.obs.column("cell_type"), Some(&types));
        assert_eq!(dense(&mut *dataset.counts, 1), [[5, 0], [0, 7]]);
        assert_eq!(
            dataset.info.warnings.len(),
            1,
            "{:?}",
            dataset.info.warnings
        );
    }
}

#[test]
fn other_features_and_other_names_can_be_asked_for() {
    let folder = small_folder();
    let mut options = all_features();
    options.var_names = VarNames::GeneIds;
    let mut dataset = open(folder.path(), &options).expect("opens");
    assert_eq!(dataset.var.index, ["E1", "E2", "P1"]);
    let symbols = Column::Text(vec!["A".into(), "A".into(), "CD3".into()]);
    assert_eq!(dataset.var.column("gene_symbols"), Some(&symbols));
    assert_eq!(dense(&mut *dataset.counts, 5), [[5, 0, 1], [0, 7, 2]]);
}

#[test]
fn a_plain_folder_has_one_name_a_gene() {
    let folder = small_folder();
    std::fs::write(folder.path().join("features.tsv"), "A\nB\nC\n").expect("written");
    let mut dataset = open(folder.path(), &OpenOptions::default()).expect("opens");
    assert_eq!(dataset.var.index, ["A", "B", "C"]);
    assert!(dataset.var.columns.is_empty());
    assert_eq!(dense(&mut *dataset.counts, 5), [[5, 0, 1], [0, 7, 2]]);
}

#[test]
fn broken_folders_give_typed_errors() {
    let broken = |name: &str, text: Option<&str>| {
        let folder = small_folder();
        let path = folder.path().join(name);
        match text {
            Some(text) => std::fs::write(path, text).expect("written"),
            None => std::fs::remove_file(path).expect("removed"),
        }
        fault(folder.path())
    };
    for name in ["barcodes.tsv", "features.tsv"] {
        let error = broken(name, None);
        assert!(
            matches!(error.reason(), Reason::MissingKey { .. }),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
    }
    let line = |text: &str| match broken("matrix.mtx", Some(text)).reason() {
        Reason::CorruptMtx { line } => *line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line(""), 1);
    assert_eq!(line(&MATRIX.replace("3 2 4", "3 3 4")), 3);
    assert_eq!(line(&MATRIX.replace("3 2 4", "2 3 4")), 3);
    assert_eq!(line(&MATRIX.replace("3 2 4", "3 2 5")), 8);
    assert_eq!(line(&MATRIX.replace("3 2 4", "3 2 3")), 7);
    assert_eq!(line(&MATRIX.replace("2 2 7", "4 2 7")), 6);
    assert_eq!(line(&MATRIX.replace("2 2 7", "2 two 7")), 6);
    let error = broken("matrix.mtx", Some(&MATRIX.replace("2 2 7", "2 2 -7")));
    let place = Reason::InvalidValue {
        row: 1,
        column: 1,
        value: -7.0,
    };
    assert_eq!(error.reason(), &place);
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let error = broken("features.tsv", Some("E1\tA\nE2\nE3\tC\n"));
    assert!(error.message().contains("line 2 has 1"), "{error}");
    let error = broken("features.tsv", Some("E1\tA\tX\nE2\tB\tX\nE3\tC\tX\n"));
    assert!(error.message().contains("gex_only"), "{error}");
    let error = broken("coords.csv", Some("barcode,x,y\nAAA-1,1,2\n"));
    assert!(error.message().contains("\"CCC-1\""), "{error}");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_cut_file_is_never_taken_for_a_whole_one() {
    let folder = small_folder();
    pack(folder.path(), "matrix.mtx");
    let path = folder.path().join("matrix.mtx.gz");
    let whole = std::fs::read(&path).expect("there");
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("written");
        let error = fault(folder.path());
        assert_eq!(
            error.kind(),
            ErrorKind::UnsupportedFormat,
            "cut at {cut}: {error}"
        );
    }
    // Cutting off the last line end leaves a whole text.
    for cut in 0..MATRIX.len() - 1 {
        std::fs::write(folder.path().join("matrix.mtx"), &MATRIX[..cut]).expect("written");
        assert!(matches!(
            fault(folder.path()).reason(),
            Reason::CorruptMtx { .. }
        ));
    }
}

#[test]
fn loading_stops_when_asked_to_and_respects_the_budget() {
    let folder = small_folder();
    let mut dataset = open(folder.path(), &OpenOptions::default()).expect("opens");
    let ctx = Context::single_threaded().expect("pool");
    ctx.cancel_token().cancel();
    let mut block = Default::default();
    let error = dataset
        .counts
        .read_cells(&ctx, 0..1, &mut block)
        .expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let mut options = cytosol::ContextOptions::default();
    options.memory_budget = 8;
    let small = Context::new(&options).expect("pool");
    let error = dataset
        .counts
        .read_cells(&small, 0..1, &mut block)
        .expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    ctx.cancel_token().reset();
    dataset
        .counts
        .read_cells(&ctx, 0..1, &mut block)
        .expect("afterwards it reads");
}

#[test]
fn golden_folders_read_as_scanpy_reads_them() {
    for (version, types) in [("v2", false), ("v3", true)] {
        let Some(path) = shared(&format!("golden/ooc/formats/tenx_mtx_{version}")) else {
            return;
        };
        let mut dataset = open(&path, &all_features()).expect("opens");
        assert_eq!(dense(&mut *dataset.counts, 2), GOLDEN);
        assert_eq!(dataset.obs.index[4], "AAAC4-1");
        assert_eq!(dataset.var.index, ["MT-A", "B", "B-1", "D", "MT-E", "F"]);
        assert!(dataset.var.column("gene_ids").is_some());
        assert_eq!(dataset.var.column("feature_types").is_some(), types);
        let genes = open(&path, &OpenOptions::default()).expect("opens");
        assert_eq!(genes.counts.n_genes(), if types { 4 } else { 6 });
    }
}

#[test]
fn real_10x_folders_read() {
    let folders = [
        (
            "cellranger_v1.2.0/filtered_gene_bc_matrices/hg19_chr21",
            (12, 343),
            12,
        ),
        (
            "cellranger_v3.0.0/filtered_feature_bc_matrix",
            (1107, 507),
            23_866,
        ),
    ];
    for (name, shape, n_entries) in folders {
        let Some(path) = shared(&format!("data/io_10x/{name}")) else {
            return;
        };
        let mut dataset = open(&path, &all_features()).expect("opens");
        assert_eq!((dataset.counts.n_cells(), dataset.counts.n_genes()), shape);
        assert_eq!(dataset.info.n_entries, n_entries);
        assert!(total(&mut dataset) >= n_entries);
        assert_eq!(dataset.obs.columns.len(), 0);
    }
}

#[test]
fn the_three_tissues_open_with_coordinates_types_and_totals() {
    let tissues = [
        ("slideseq_cerebellum", (100, 378), (475, 384)),
        ("merfish_hypothalamus", (750, 134), (1308, 134)),
        ("visium_hippocampus", (313, 276), (510, 307)),
    ];
    for (name, pixels, cells) in tissues {
        let Some(path) = shared(&format!("data/{name}")) else {
            return;
        };
        let mut spatial = open(&path.join("spatial"), &OpenOptions::default()).expect("opens");
        assert_eq!((spatial.counts.n_cells(), spatial.counts.n_genes()), pixels);
        let coordinates = spatial.coordinates().expect("coords.csv");
        assert_eq!(coordinates.len(), pixels.0);
        let n_umi = spatial.n_umi().expect("nUMI");
        let rows = dense(&mut *spatial.counts, 64);
        for (row, total) in rows.iter().zip(&n_umi) {
            assert!(row.iter().map(|&count| f64::from(count)).sum::<f64>() <= *total);
        }
        let mut reference = open(&path.join("reference"), &OpenOptions::default()).expect("opens");
        assert_eq!(
            (reference.counts.n_cells(), reference.counts.n_genes()),
            cells
        );
        assert!(matches!(
            reference.obs.column("cell_type"),
            Some(Column::Text(_))
        ));
        assert_eq!(reference.n_umi().map(|n| n.len()), Some(cells.0));
        assert!(total(&mut reference) > 0);
        assert!(spatial.info.warnings.is_empty() && reference.info.warnings.is_empty());
    }
}
