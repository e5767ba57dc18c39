//! Files of our own making, so that every layout is met without the reference files.

use hdf5::types::{FixedAscii, VarLenUnicode};

use super::*;
use crate::context::Context;
use crate::data::source::CountBlock;

/// 3 cells x 4 features: (0: 5 0 1 0), (1: none), (2: 0 7 0 2).
const INDPTR: [i64; 4] = [0, 2, 2, 4];
const INDICES: [i64; 4] = [0, 2, 1, 3];
const DATA: [i32; 4] = [5, 1, 7, 2];

struct Scratch {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

fn write(fill: impl FnOnce(&hdf5::File)) -> Scratch {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("matrix.h5");
    let file = hdf5::File::create(&path).expect("created");
    fill(&file);
    file.close().expect("closed");
    Scratch {
        _folder: folder,
        path,
    }
}

fn texts(group: &Group, name: &str, values: &[&str]) {
    let fixed: Vec<FixedAscii<24>> = values
        .iter()
        .map(|v| FixedAscii::from_ascii(v.as_bytes()).expect("short"))
        .collect();
    group
        .new_dataset_builder()
        .with_data(&fixed)
        .create(name)
        .expect("written");
}

fn numbers<T: hdf5::H5Type>(group: &Group, name: &str, values: &[T]) {
    group
        .new_dataset_builder()
        .with_data(values)
        .create(name)
        .expect("written");
}

fn matrix(group: &Group) {
    numbers(group, "indptr", &INDPTR);
    numbers(group, "indices", &INDICES);
    numbers(group, "data", &DATA);
    numbers(group, "shape", &[4_i32, 3]);
    texts(group, "barcodes", &["A-1", "C-1", "G-1"]);
}

fn v3(file: &hdf5::File) -> Group {
    let group = file.create_group("matrix").expect("made");
    matrix(&group);
    let features = group.create_group("features").expect("made");
    texts(&features, "id", &["E1", "E2", "E3", "P1"]);
    texts(&features, "name", &["a", "b", "b", "cd3"]);
    let rna = "Gene Expression";
    texts(
        &features,
        "feature_type",
        &[rna, rna, rna, "Antibody Capture"],
    );
    texts(&features, "genome", &["hg", "mm", "hg", ""]);
    texts(&features, "_all_tag_keys", &["genome"]);
    group
}

fn v2(file: &hdf5::File, genome: &str) {
    let group = file.create_group(genome).expect("made");
    matrix(&group);
    texts(&group, "genes", &["E1", "E2", "E3", "E4"]);
    texts(&group, "gene_names", &["a", "b", "b", "d"]);
    let stray = group.new_dataset::<f64>().create("stray").expect("made");
    stray.write_scalar(&1.0).expect("written");
}

fn with(change: impl FnOnce(&mut OpenOptions)) -> OpenOptions {
    let mut options = OpenOptions::default();
    change(&mut options);
    options
}

fn dense(dataset: &mut Dataset) -> Vec<Vec<u32>> {
    let ctx = Context::single_threaded().expect("pool");
    let mut block = CountBlock::default();
    let n = dataset.counts.n_cells();
    dataset
        .counts
        .read_cells(&ctx, 0..n, &mut block)
        .expect("read");
    let n_genes = dataset.counts.n_genes();
    (0..n)
        .map(|row| {
            let mut values = vec![0; n_genes];
            let (genes, counts) = block.row(row);
            for (&gene, &count) in genes.iter().zip(counts) {
                values[gene as usize] = count;
            }
            values
        })
        .collect()
}

#[test]
fn version_3_reads_whole_and_in_parts() {
    let file = write(|file| {
        v3(file);
    });
    let all = with(|o| o.gex_only = false);
    let mut dataset = open(&file.path, &all).expect("opens");
    let rows = dense(&mut dataset);
    assert_eq!(rows, [[5, 0, 1, 0], [0, 0, 0, 0], [0, 7, 0, 2]]);
    assert_eq!(dataset.obs.index, ["A-1", "C-1", "G-1"]);
    assert_eq!(dataset.var.index, ["a", "b", "b", "cd3"]);
    let columns: Vec<&str> = dataset.var.columns.iter().map(|c| c.0.as_str()).collect();
    assert_eq!(columns, ["gene_ids", "feature_types", "genome"]);
    assert_eq!(dataset.info.format, Format::TenxH5);
    assert_eq!(dataset.info.dtype, "int32");
    assert_eq!(dataset.info.warnings.len(), 1, "the name b is there twice");

    let mut genes = open(&file.path, &OpenOptions::default()).expect("opens");
    assert_eq!(dense(&mut genes), [[5, 0, 1], [0, 0, 0], [0, 7, 0]]);
    assert_eq!(genes.var.index, ["a", "b", "b"]);

    let mut human = open(&file.path, &with(|o| o.genome = Some("hg".into()))).expect("opens");
    assert_eq!(dense(&mut human), [[5, 1], [0, 0], [0, 0]]);
    let ids = Column::Text(vec!["E1".into(), "E3".into()]);
    assert_eq!(human.var.column("gene_ids"), Some(&ids));

    let error = open(&file.path, &with(|o| o.genome = Some("rn".into()))).expect_err("absent");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains(r#""hg", "mm""#), "{error}");
}

#[test]
fn genes_can_be_named_by_id() {
    let file = write(|file| {
        v3(file);
    });
    let dataset = open(&file.path, &with(|o| o.var_names = VarNames::GeneIds)).expect("opens");
    assert_eq!(dataset.var.index, ["E1", "E2", "E3"]);
    assert!(dataset.var.column("gene_symbols").is_some());
    assert!(dataset.info.warnings.len() <= 1);
}

#[test]
fn probe_files_have_genes_probes_and_filtered_barcodes() {
    let file = write(|file| {
        let group = v3(file);
        let features = group.group("features").expect("there");
        texts(&features, "gene_id", &["G1", "G2", "G2", "G3"]);
        numbers(&features, "filtered_probes", &[true, false, true, true]);
        numbers(&features, "too_short", &[1_i32]);
        features.create_group("target_sets").expect("made");
        numbers(&group, "filtered_barcodes", &[true, false, true]);
    });
    let dataset = open(&file.path, &with(|o| o.gex_only = false)).expect("opens");
    let columns: Vec<&str> = dataset.var.columns.iter().map(|c| c.0.as_str()).collect();
    let expected = [
        "gene_ids",
        "probe_ids",
        "feature_types",
        "filtered_probes",
        "genome",
    ];
    assert_eq!(columns, expected);
    let probes = Column::Bool(vec![true, false, true, true]);
    assert_eq!(dataset.var.column("filtered_probes"), Some(&probes));
    let filtered = Column::Bool(vec![true, false, true]);
    assert_eq!(dataset.obs.column("filtered_barcodes"), Some(&filtered));
    let ids = Column::Text(["G1", "G2", "G2", "G3"].map(String::from).to_vec());
    assert_eq!(dataset.var.column("gene_ids"), Some(&ids));
    let left_out = dataset
        .info
        .warnings
        .iter()
        .any(|w| w.contains("too_short"));
    assert!(left_out, "{:?}", dataset.info.warnings);
}

#[test]
fn version_2_has_a_group_for_each_genome() {
    let one = write(|file| v2(file, "hg19"));
    let mut dataset = open(&one.path, &OpenOptions::default()).expect("opens");
    assert_eq!(dense(&mut dataset)[2], [0, 7, 0, 2]);
    assert_eq!(dataset.var.index, ["a", "b", "b", "d"]);
    assert_eq!(dataset.info.matrix, "hg19");
    let wrong = with(|o| o.genome = Some("mm10".into()));
    let error = open(&one.path, &wrong).expect_err("absent");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let two = write(|file| {
        v2(file, "hg19");
        v2(file, "mm10");
    });
    let error = open(&two.path, &OpenOptions::default()).expect_err("which?");
    assert_eq!(error.argument_name(), Some("genome"));
    assert!(error.message().contains(r#""hg19", "mm10""#), "{error}");
    assert_eq!(open(&two.path, &wrong).expect("opens").info.matrix, "mm10");
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let missing = |fill: &dyn Fn(&Group)| {
        let file = write(|file| fill(&v3(file)));
        open(&file.path, &OpenOptions::default()).expect_err("broken")
    };
    for member in ["shape", "barcodes", "data", "indices", "indptr", "features"] {
        let error = missing(&|group| group.unlink(member).expect("removed"));
        let key = Reason::MissingKey {
            key: format!("matrix/{member}"),
        };
        assert_eq!(error.reason(), &key, "{error}");
    }
    for member in ["id", "name", "feature_type"] {
        let error = missing(&|group| {
            let features = group.group("features").expect("there");
            features.unlink(member).expect("removed");
        });
        assert!(
            error.message().contains(&format!("features/{member}")),
            "{error}"
        );
    }
    let replaced = |name: &'static str, fill: &dyn Fn(&Group)| {
        missing(&|group| {
            group.unlink(name).expect("removed");
            fill(group);
        })
    };
    let error = replaced("shape", &|group| numbers(group, "shape", &[4_i32, 9]));
    assert!(error.message().contains("barcodes: 3 strings"), "{error}");
    let error = replaced("shape", &|group| numbers(group, "shape", &[-4_i32, 3]));
    assert!(error.message().contains("two sizes"), "{error}");
    let error = replaced("barcodes", &|group| {
        numbers(group, "barcodes", &[1.0, 2.0, 3.0])
    });
    assert!(error.message().contains("must be strings"), "{error}");
    let error = replaced("indptr", &|group| {
        numbers(group, "indptr", &[0_i64, 3, 2, 4])
    });
    assert_eq!(error.reason().name(), "corrupt_matrix");
}

#[test]
fn indices_out_of_range_are_found_when_read() {
    let file = write(|file| {
        let group = v3(file);
        group.unlink("indices").expect("removed");
        numbers(&group, "indices", &[0_i64, 2, 4, 3]);
    });
    let mut dataset = open(&file.path, &OpenOptions::default()).expect("opens");
    let ctx = Context::single_threaded().expect("pool");
    let mut block = CountBlock::default();
    let error = dataset
        .counts
        .read_cells(&ctx, 0..3, &mut block)
        .expect_err("out of range");
    assert_eq!(error.reason().name(), "corrupt_matrix");
}

#[test]
fn names_may_be_of_variable_length() {
    let file = write(|file| {
        let group = v3(file);
        group.unlink("barcodes").expect("removed");
        let names = ["x", "y", "zé"].map(|name| name.parse::<VarLenUnicode>().expect("text"));
        numbers(&group, "barcodes", &names);
    });
    let dataset = open(&file.path, &OpenOptions::default()).expect("opens");
    assert_eq!(dataset.obs.index[2], "zé");
}
