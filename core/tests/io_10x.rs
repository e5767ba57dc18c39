//! 10x files of every Cell Ranger and Space Ranger release that the reference data have.
#![cfg(feature = "hdf5")]

mod shared_data;

use cytosol::data::{Column, Format, OpenOptions, open};
use cytosol::{ErrorKind, Reason};
use shared_data::{GOLDEN, dense, shared, total};

fn all_features() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.gex_only = false;
    options
}

#[test]
fn golden_files_read_as_scanpy_reads_them() {
    for (version, columns, genes) in [
        ("v2", &["gene_ids"][..], 6),
        ("v3", &["gene_ids", "feature_types", "genome"], 4),
    ] {
        let Some(path) = shared(&format!("golden/ooc/formats/tenx_{version}.h5")) else {
            return;
        };
        let mut dataset = open(&path, &all_features()).expect("opens");
        assert_eq!(dataset.info.format, Format::TenxH5);
        for step in [1, 2, 5] {
            assert_eq!(dense(&mut *dataset.counts, step), GOLDEN);
        }
        let cells: Vec<String> = (0..5).map(|i| format!("AAAC{i}-1")).collect();
        assert_eq!(dataset.obs.index, cells);
        assert!(dataset.obs.columns.is_empty());
        assert_eq!(dataset.var.index, ["MT-A", "B", "B", "D", "MT-E", "F"]);
        let found: Vec<&str> = dataset.var.columns.iter().map(|c| c.0.as_str()).collect();
        assert_eq!(found, columns);
        let mut some = open(&path, &OpenOptions::default()).expect("opens");
        let expected: Vec<Vec<u32>> = GOLDEN.iter().map(|row| row[..genes].to_vec()).collect();
        assert_eq!(dense(&mut *some.counts, 3), expected);
    }
}

#[test]
fn real_files_have_their_shapes_types_and_totals() {
    let files = [
        (
            "cellranger_v1.2.0/filtered_gene_bc_matrices_h5.h5",
            (12, 343),
            "int32",
            12,
        ),
        (
            "cellranger_v3.0.0/filtered_feature_bc_matrix.h5",
            (1107, 507),
            "int32",
            41_549,
        ),
        (
            "visium_v1_filtered_feature_bc_matrix.h5",
            (100, 100),
            "float64",
            932,
        ),
        (
            "probe_v2.1_raw_probe_bc_matrix.h5",
            (4987, 1000),
            "int64",
            3372,
        ),
    ];
    for (name, shape, dtype, sum) in files {
        let Some(path) = shared(&format!("data/io_10x/{name}")) else {
            return;
        };
        let mut dataset = open(&path, &OpenOptions::default()).expect("opens");
        assert_eq!(
            (dataset.counts.n_cells(), dataset.counts.n_genes()),
            shape,
            "{name}"
        );
        assert_eq!((dataset.info.n_cells, dataset.info.n_genes), shape);
        assert_eq!((dataset.obs.n_rows(), dataset.var.n_rows()), shape);
        assert_eq!(dataset.info.dtype, dtype);
        assert_eq!(total(&mut dataset), sum, "{name}");
    }
}

#[test]
fn the_file_and_the_folder_of_one_run_hold_the_same() {
    let base = "data/io_10x/cellranger_v3.0.0/filtered_feature_bc_matrix";
    let (Some(file), Some(folder)) = (shared(&format!("{base}.h5")), shared(base)) else {
        return;
    };
    let mut file = open(&file, &OpenOptions::default()).expect("opens");
    let mut folder = open(&folder, &OpenOptions::default()).expect("opens");
    assert_eq!(file.obs, folder.obs);
    assert_eq!(file.var.column("gene_ids"), folder.var.column("gene_ids"));
    assert_eq!(
        dense(&mut *file.counts, 100),
        dense(&mut *folder.counts, 333)
    );
}

#[test]
fn a_file_of_two_genomes_needs_a_choice() {
    let Some(path) = shared("data/io_10x/cellranger_v1.2.0/multiple_genomes.h5") else {
        return;
    };
    let error = open(&path, &OpenOptions::default()).expect_err("which?");
    assert_eq!(error.argument_name(), Some("genome"));
    for (genome, sum) in [("another_genome", 13), ("hg19_chr21", 12)] {
        let mut options = OpenOptions::default();
        options.genome = Some(genome.to_owned());
        let mut dataset = open(&path, &options).expect("opens");
        assert_eq!(total(&mut dataset), sum);
    }
    let mut options = OpenOptions::default();
    options.genome = Some("mm10".to_owned());
    let error = open(&path, &options).expect_err("absent");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.reason(), &Reason::MissingKey { key: "mm10".into() });
}

#[test]
fn probe_level_files_keep_probes_and_their_filter() {
    let Some(path) = shared("data/io_10x/probe_v2.1_raw_probe_bc_matrix.h5") else {
        return;
    };
    let dataset = open(&path, &OpenOptions::default()).expect("opens");
    let Some(Column::Bool(filtered)) = dataset.obs.column("filtered_barcodes") else {
        panic!("a column of booleans");
    };
    assert_eq!(filtered.iter().filter(|&&kept| kept).count(), 2348);
    assert_eq!(dataset.var.index[0], "Itgb2l|2ef1e7b");
    let text = |name: &str| match dataset.var.column(name) {
        Some(Column::Text(values)) => values[0].clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(text("gene_ids"), "DEPRECATED_ENSMUSG00000000157");
    assert_eq!(
        text("probe_ids"),
        "DEPRECATED_ENSMUSG00000000157|Itgb2l|2ef1e7b"
    );
    assert_eq!(text("probe_region"), "none");
    let Some(Column::Bool(_)) = dataset.var.column("filtered_probes") else {
        panic!("a column of booleans");
    };
}

#[test]
fn a_visium_folder_joins_counts_and_positions() {
    let (Some(matrix), Some(positions)) = (
        shared("data/io_10x/visium_v1_filtered_feature_bc_matrix.h5"),
        shared("data/io_10x/visium_v1_tissue_positions_list.csv"),
    ) else {
        return;
    };
    let outs = tempfile::tempdir().expect("temporary folder");
    let spatial = outs.path().join("spatial");
    std::fs::create_dir(&spatial).expect("made");
    std::fs::copy(matrix, outs.path().join("filtered_feature_bc_matrix.h5")).expect("copied");
    std::fs::copy(&positions, spatial.join("tissue_positions_list.csv")).expect("copied");
    let mut dataset = open(outs.path(), &OpenOptions::default()).expect("opens");
    assert_eq!(dataset.info.format, Format::Visium);
    assert_eq!(total(&mut dataset), 932);
    let coordinates = dataset.coordinates().expect("array positions");
    let table = std::fs::read_to_string(positions).expect("text");
    for (barcode, [x, y]) in dataset.obs.index.iter().zip(coordinates) {
        let line = table
            .lines()
            .find(|line| line.starts_with(barcode.as_str()))
            .expect("every spot has a line");
        assert!(line.starts_with(&format!("{barcode},1,{x},{y},")), "{line}");
    }
    assert!(dataset.n_umi().is_none());
}

#[test]
fn cut_files_are_refused() {
    let Some(path) = shared("golden/ooc/formats/tenx_v3.h5") else {
        return;
    };
    let whole = std::fs::read(path).expect("bytes");
    let folder = tempfile::tempdir().expect("temporary folder");
    let cut = folder.path().join("cut.h5");
    for length in (0..whole.len()).step_by(509) {
        std::fs::write(&cut, &whole[..length]).expect("written");
        let error = open(&cut, &OpenOptions::default()).expect_err("cut");
        assert_eq!(
            error.kind(),
            ErrorKind::UnsupportedFormat,
            "{length}: {error}"
        );
    }
}
