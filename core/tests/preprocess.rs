//! Preprocessing of files: bits, layouts, what is carried over, what bad input gets.
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

mod shared_data;

use std::path::{Path, PathBuf};

use cytosol::data::h5ad::H5adFile;
use cytosol::data::rows::{ReadOptions, RowScratch};
use cytosol::data::{
    self, Annotations, Categorical, Column, Compression, MatrixLayout, OpenOptions, RowReader,
    Table, Tables, Value, matrix::Csr,
};
use cytosol::preprocess::file::*;
use cytosol::preprocess::*;
use cytosol::{Context, ContextOptions, ErrorKind, Flow};
use shared_data::{GOLDEN, shared};

fn context(threads: usize, memory_budget: u64) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    options.memory_budget = memory_budget;
    Context::new(&options).expect("pool")
}

/// Counts of `n` cells of three kinds over `g` genes, with an `obs` of every kind of column.
fn simulate(path: &Path, n: usize, g: usize, compression: Compression) {
    let mut counts = Csr::new(g);
    let mut state = 12345_u64;
    for cell in 0..n {
        for gene in 0..g {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let draw = (state >> 40) % 100;
            let likes = (cell + gene) % 3 == 0;
            if draw < if likes { 40 } else { 15 } {
                counts.push(
                    gene as u32,
                    1 + (state >> 50) as u32 % if likes { 9 } else { 3 },
                );
            }
        }
        counts.end_cell();
    }
    let mut obs = Table::new((0..n).map(|i| format!("cell{i}")).collect());
    let codes: Vec<i32> = (0..n as i32).map(|i| i % 3).collect();
    let columns = [
        (
            "batch",
            Column::Categorical(Categorical {
                codes,
                categories: vec!["a".into(), "b".into(), "c".into()],
                ordered: false,
            }),
        ),
        (
            "depth",
            Column::F64((0..n).map(|i| i as f64 / 3.0).collect()),
        ),
        (
            "note",
            Column::Text((0..n).map(|i| format!("n{i}")).collect()),
        ),
        ("good", Column::Bool((0..n).map(|i| i % 2 == 0).collect())),
    ];
    for (name, column) in columns {
        obs.set(name, column).expect("fits");
    }
    let mut var = Table::new((0..g).map(|i| format!("gene{i}")).collect());
    var.set("mt", Column::Bool((0..g).map(|i| i % 10 == 0).collect()))
        .expect("fits");
    let mut more = Annotations::default();
    more.uns(
        "batch_colors",
        Value::Texts(vec!["#1".into(), "#2".into(), "#3".into()]),
    );
    let tables = Tables {
        obs: &obs,
        var: &var,
    };
    let ctx = context(2, 0);
    data::create(&ctx, path, &mut counts, tables, more, compression).expect("written");
}

fn convert(input: &Path, layout: MatrixLayout, target: &Path) {
    let mut options = ConvertOptions::default();
    options.layout = Some(layout);
    convert_file(&context(2, 0), input, &Output::to(target), &options).expect("converted");
}

fn options() -> PreprocessOptions {
    let mut options = PreprocessOptions::default();
    options.qc_vars = vec!["mt".into()];
    let mut qc = QcOptions::default();
    qc.percent_top = vec![5, 20];
    options.qc = Some(qc);
    let mut hvg = HvgOptions::default();
    hvg.cutoffs.n_top_genes = Some(40);
    options.hvg = Some(hvg);
    let mut pca = PcaOptions::default();
    pca.n_comps = Some(5);
    options.pca = Some(pca);
    options
}

/// Genes and values of every row.
type Bits = Vec<Vec<(u32, u64)>>;

/// All values of a matrix by rows, as bits.
fn bits(path: &Path, name: &str) -> Bits {
    let file = H5adFile::open(path).expect("opened");
    let ctx = context(1, 0);
    let folder = path.parent().expect("a folder");
    let rows = file.rows(&ctx, name, folder).expect("rows");
    let mut all = Vec::new();
    let mut scratch = RowScratch::default();
    for start in (0..rows.n_cells()).step_by(700) {
        let end = rows.n_cells().min(start + 700);
        let block = rows.fetch(&ctx, start..end).expect("fetched")(&mut scratch).expect("read");
        let mut row = RowReader::default();
        for i in 0..block.n_rows() {
            row.read(&block, i).expect("row");
            let values = row.values.iter().map(|v| v.to_bits());
            all.push(row.genes.iter().copied().zip(values).collect());
        }
    }
    all
}

/// Everything that a pipeline writes but the matrix, as text.
fn annotations(path: &Path) -> String {
    let file = H5adFile::open(path).expect("opened");
    let (scores, k) = file.dense_array("obsm/X_pca").expect("coordinates");
    let scores: Vec<u64> = scores.iter().map(|v| v.to_bits()).collect();
    format!(
        "{:?}\n{:?}\n{k} {scores:?}\n{:?}",
        file.table("obs").expect("obs"),
        file.table("var").expect("var"),
        file.members("uns")
    )
}

#[test]
fn bits_do_not_depend_on_threads_budget_chunks_or_compression() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("plain.h5ad"), 1700, 90, Compression::None);
    simulate(&at("gzip.h5ad"), 1700, 90, Compression::Gzip);
    let mut expected: Option<(String, Bits)> = None;
    for (input, threads, budget) in [
        ("plain.h5ad", 1, 1 << 30),
        ("plain.h5ad", 2, 64 << 20),
        ("plain.h5ad", 3, 1 << 30),
        ("gzip.h5ad", 1, 64 << 20),
        ("gzip.h5ad", 8, 1 << 30),
        ("gzip.h5ad", 7, 2 << 20),
    ] {
        let out = Output::to(at("out.h5ad"));
        preprocess_file(&context(threads, budget), &at(input), &out, &options()).expect("done");
        let got = (annotations(&out.target), bits(&out.target, "X"));
        match &expected {
            None => expected = Some(got),
            Some(expected) => assert!(got == *expected, "{input} {threads} {budget}"),
        }
    }
}

#[test]
fn whole_files_are_the_same_bytes_for_any_threads() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 1500, 60, Compression::Gzip);
    let run = |threads, name: &str| {
        let ctx = context(threads, 0);
        preprocess_file(&ctx, &at("in.h5ad"), &Output::to(at(name)), &options()).expect("done");
        std::fs::read(at(name)).expect("read")
    };
    let one = run(1, "one.h5ad");
    assert!(run(3, "three.h5ad") == one);
}

#[test]
fn compressed_columns_and_dense_arrays_give_the_same_bits() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("csr.h5ad"), 1300, 70, Compression::Gzip);
    convert(&at("csr.h5ad"), MatrixLayout::Csc, &at("csc.h5ad"));
    convert(&at("csr.h5ad"), MatrixLayout::Dense, &at("dense.h5ad"));
    assert_eq!(bits(&at("csr.h5ad"), "X"), bits(&at("csc.h5ad"), "X"));
    assert_eq!(bits(&at("csr.h5ad"), "X"), bits(&at("dense.h5ad"), "X"));
    let mut wide = options();
    let mut qc = wide.qc.clone().expect("metrics");
    qc.wide = true;
    wide.qc = Some(qc);
    let mut outcomes = Vec::new();
    for name in ["csr", "csc", "dense"] {
        let (input, out) = (at(&format!("{name}.h5ad")), at(&format!("{name}-out.h5ad")));
        preprocess_file(&context(2, 4 << 20), &input, &Output::to(&out), &wide).expect("done");
        let layout = H5adFile::open(&out)
            .expect("opened")
            .matrix_info("X")
            .expect("X")
            .layout;
        assert_eq!(layout.name(), name, "the layout stays");
        outcomes.push((annotations(&out), bits(&out, "X")));
    }
    assert!(outcomes[0] == outcomes[1]);
    assert!(outcomes[0] == outcomes[2]);
}

#[test]
fn nothing_written_gives_the_same_genes_and_components() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 1100, 80, Compression::None);
    for (flavor, batch, filters) in [
        (HvgFlavor::Seurat, false, false),
        (HvgFlavor::Seurat, true, true),
        (HvgFlavor::CellRanger, false, true),
        (HvgFlavor::SeuratV3, true, false),
        (HvgFlavor::SeuratV3, false, true),
    ] {
        let mut options = options();
        let mut hvg = options.hvg.clone().expect("genes");
        hvg.flavor = flavor;
        options.hvg = Some(hvg);
        options.batch_key = batch.then(|| "batch".to_owned());
        if filters {
            options.filter_cells = vec![CellFilter::MinCounts(60.0)];
            options.filter_genes = vec![GeneFilter::MaxCells(200.0)];
        }
        let run = |materialize: bool, name: &str| {
            let mut options = options.clone();
            options.materialize = materialize;
            let out = Output::to(at(name));
            preprocess_file(&context(2, 0), &at("in.h5ad"), &out, &options).expect("done")
        };
        let (real, made_up) = (run(true, "real.h5ad"), run(false, "virtual.h5ad"));
        if filters {
            assert!(real.kept[0] < 1100 && real.kept[1] < 80, "{:?}", real.kept);
        }
        // As text: ranks may be NaN.
        assert!(format!("{real:?}") == format!("{made_up:?}"), "{flavor:?}");
        let text = |name: &str| annotations(&at(name)).replace("log1p_virtual", "log1p");
        assert!(text("real.h5ad") == text("virtual.h5ad"), "{flavor:?}");
        // And the same again from the file that was written.
        if flavor == HvgFlavor::Seurat && !filters {
            let mut again = HvgFileOptions::default();
            again.hvg = options.hvg.clone().expect("genes");
            let hvg = hvg_file(&context(1, 0), &at("real.h5ad"), None, &again).expect("again");
            assert!(Some(&hvg) == real.hvg.as_ref());
            let mut again = PcaFileOptions::default();
            again.pca = options.pca.expect("components");
            let axes = pca_file(&context(1, 0), &at("real.h5ad"), None, &again).expect("again");
            assert!(Some(&axes) == real.pca.as_ref());
        }
    }
}

#[test]
fn single_steps_equal_the_pipeline() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 900, 60, Compression::Gzip);
    let ctx = context(2, 0);
    let mut wanted = options();
    wanted.normalize.target_sum = Some(1e4);
    wanted.filter_cells = vec![CellFilter::MinGenes(8.0)];
    wanted.filter_genes = vec![GeneFilter::MinCells(120.0)];
    preprocess_file(&ctx, &at("in.h5ad"), &Output::to(at("one.h5ad")), &wanted).expect("done");
    // In place, one after another.
    std::fs::copy(at("in.h5ad"), at("steps.h5ad")).expect("copied");
    let (steps, out) = (at("steps.h5ad"), Output::to(at("steps.h5ad")));
    let read = ReadOptions::default();
    filter_cells_file(&ctx, &steps, Some(&out), CellFilter::MinGenes(8.0), read).expect("cells");
    filter_genes_file(&ctx, &steps, Some(&out), GeneFilter::MinCells(120.0), read).expect("genes");
    let mut normalize = NormalizeFileOptions::default();
    normalize.normalize.target_sum = Some(1e4);
    normalize_total_file(&ctx, &steps, &out, &normalize).expect("normalised");
    log1p_file(&ctx, &steps, &out, &Log1pFileOptions::default()).expect("logged");
    let mut hvg = HvgFileOptions::default();
    hvg.hvg = wanted.hvg.clone().expect("genes");
    hvg_file(&ctx, &steps, Some(&out), &hvg).expect("genes");
    let mut pca = PcaFileOptions::default();
    pca.pca = wanted.pca.expect("components");
    pca_file(&ctx, &steps, Some(&out), &pca).expect("components");
    assert!(bits(&steps, "X") == bits(&at("one.h5ad"), "X"));
    let scores = |path: &Path| {
        H5adFile::open(path)
            .expect("opened")
            .dense_array("obsm/X_pca")
    };
    assert!(scores(&steps).expect("there") == scores(&at("one.h5ad")).expect("there"));
    assert_eq!(
        H5adFile::open(&steps).expect("opened").columns("obs"),
        ["batch", "depth", "note", "good", "n_genes"]
    );
}

#[test]
fn a_subset_cuts_every_member_and_drops_empty_categories() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 600, 40, Compression::Gzip);
    let ctx = context(2, 0);
    let out = Output::to(at("all.h5ad"));
    preprocess_file(&ctx, &at("in.h5ad"), &out, &options()).expect("done");
    let mut near = NeighborsFileOptions::default();
    near.n_neighbors = 5;
    neighbors_file(&ctx, &out.target, Some(&out), &near).expect("neighbours");
    let cells: Vec<bool> = (0..600).map(|i| i % 3 != 1 && i > 10).collect();
    let genes: Vec<bool> = (0..40).map(|i| i % 4 != 0).collect();
    let cut = Output::to(at("cut.h5ad"));
    subset_file(&ctx, &out.target, &cut, Some(&cells), Some(&genes)).expect("cut");
    let (old, new) = (H5adFile::open(&out.target), H5adFile::open(&cut.target));
    let (old, new) = (old.expect("opened"), new.expect("opened"));
    let kept: Vec<usize> = (0..600).filter(|&i| cells[i]).collect();
    assert_eq!(new.shape().expect("shape"), [kept.len(), 30]);
    let mut expected = old.table("obs").expect("obs");
    expected.select_rows(&kept);
    let got = new.table("obs").expect("obs");
    assert_eq!(got.index, expected.index);
    for name in ["depth", "note", "good", "total_counts"] {
        assert_eq!(got.column(name), expected.column(name), "{name}");
    }
    let Some(Column::Categorical(batch)) = got.column("batch") else {
        panic!("categories");
    };
    assert_eq!(batch.categories, ["a", "c"]);
    let before = data::open(&out.target, &OpenOptions::default()).expect("opened");
    assert!(before.info.members.contains(&"obsp/distances".to_owned()));
    let (a, b) = (bits(&out.target, "X"), bits(&cut.target, "X"));
    for (to, &from) in kept.iter().enumerate() {
        let numbers: Vec<(u32, u64)> = a[from]
            .iter()
            .filter(|(gene, _)| genes[*gene as usize])
            .map(|&(gene, value)| (gene - gene / 4 - 1, value))
            .collect();
        assert_eq!(b[to], numbers);
    }
    let (all, k) = old.dense_array("obsm/X_pca").expect("coordinates");
    let (some, _) = new.dense_array("obsm/X_pca").expect("coordinates");
    for (to, &from) in kept.iter().enumerate() {
        assert_eq!(some[to * k..(to + 1) * k], all[from * k..(from + 1) * k]);
    }
    let report = validate(&ctx, &cut.target).expect("looked at");
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[test]
fn unused_categories_go_from_both_tables_whichever_axis_is_cut() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("plain.h5ad"), 60, 30, Compression::None);
    let ctx = context(2, 0);
    let sparse = |n: usize| {
        Column::Categorical(Categorical {
            codes: (0..n as i32)
                .map(|i| if i == 4 { -1 } else { 1 + i % 2 * 2 })
                .collect(),
            categories: ["p", "q", "r", "s"].map(String::from).to_vec(),
            ordered: true,
        })
    };
    let mut more = Annotations::default();
    more.obs("site", sparse(60)).var("kind", sparse(30));
    let colours = ["#p", "#q", "#r", "#s"].map(String::from).to_vec();
    more.uns("site_colors", Value::Texts(colours));
    data::annotate(&ctx, &at("plain.h5ad"), &at("in.h5ad"), more).expect("annotated");
    let cells: Vec<bool> = (0..60).map(|i| i != 0).collect();
    let genes: Vec<bool> = (0..30).map(|i| i != 0).collect();
    for (cells, genes) in [(Some(&cells[..]), None), (None, Some(&genes[..]))] {
        let cut = Output::to(at("cut.h5ad"));
        subset_file(&ctx, &at("in.h5ad"), &cut, cells, genes).expect("cut");
        let file = H5adFile::open(&cut.target).expect("opened");
        for (table, name, is_cut) in [("obs", "site", cells), ("var", "kind", genes)] {
            let Ok(Column::Categorical(column)) = file.column(table, name) else {
                panic!("categories");
            };
            assert_eq!(column.categories, ["q", "s"], "{table}");
            assert!(column.ordered);
            let first = usize::from(is_cut.is_some());
            assert_eq!(
                column.codes[..5 - first],
                [0, 1, 0, 1, -1][first..],
                "{table}"
            );
        }
        assert_eq!(
            file.column("obs", "batch").map(|c| c.len()).ok(),
            Some(60 - usize::from(cells.is_some()))
        );
        let uns = data::open(&cut.target, &OpenOptions::default())
            .expect("opened")
            .info
            .members;
        assert!(uns.contains(&"uns/site_colors".to_owned()), "{uns:?}");
    }
}

#[test]
fn columns_are_named_and_typed_as_the_references() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 90, 30, Compression::None);
    convert(&at("in.h5ad"), MatrixLayout::Csc, &at("csc.h5ad"));
    let ctx = context(2, 0);
    let mut metrics = QcFileOptions::default();
    metrics.qc.percent_top = Vec::new();
    for (name, cells_are_narrow) in [("in.h5ad", true), ("csc.h5ad", false)] {
        let qc = qc_file(&ctx, &at(name), None, &metrics).expect("metrics");
        let is_narrow = |column: &Column| matches!(column, Column::I32(_));
        assert_eq!(qc.obs[0].0, "n_genes_by_counts");
        assert_eq!(is_narrow(&qc.obs[0].1), cells_are_narrow);
        assert_eq!(qc.var[0].0, "n_cells_by_counts");
        assert_eq!(is_narrow(&qc.var[0].1), !cells_are_narrow);
    }
    let mut scale = ScaleFileOptions::default();
    scale.mask_obs = Some("good".to_owned());
    scale.dense_ok = true;
    let out = Output::to(at("scaled.h5ad"));
    scale_file(&ctx, &at("in.h5ad"), &out, &scale).expect("scaled");
    let columns = H5adFile::open(&out.target).expect("opened").columns("var");
    assert_eq!(columns, ["mt", "mean of good", "std of good"]);
    let mut variable = HvgFileOptions::default();
    variable.hvg.flavor = HvgFlavor::SeuratV3;
    variable.hvg.cutoffs.n_top_genes = Some(5);
    let hvg = hvg_file(&ctx, &at("in.h5ad"), None, &variable).expect("ranked");
    let columns = hvg.columns();
    assert_eq!(columns[1].0, "highly_variable_rank");
    assert!(matches!(columns[1].1, Column::F32(_)));
}

/// Where `what` stands in a file.
fn places(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(what.len()).enumerate();
    windows
        .filter(|(_, w)| *w == what)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn damaged_text_is_an_error_before_the_library_copies_it() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 600, 20, Compression::Gzip);
    let mut bytes = std::fs::read(at("in.h5ad")).expect("read");
    let text = places(&bytes, b"n300")[0];
    let heaps = places(&bytes[..text], b"GCOL");
    bytes[*heaps.last().expect("a heap")] = b'X';
    std::fs::write(at("in.h5ad"), &bytes).expect("written");
    let (ctx, out) = (context(2, 0), Output::to(at("out.h5ad")));
    let options = Log1pFileOptions::default();
    let error = log1p_file(&ctx, &at("in.h5ad"), &out, &options).expect_err("damaged");
    let words = [
        "in.h5ad: obs/",
        "its text cannot be found; the file is damaged",
    ];
    for words in words {
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
    let names = std::fs::read_dir(folder.path()).expect("listed");
    assert_eq!(names.count(), 1, "nothing is left");
}

#[test]
fn a_column_that_is_only_listed_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    simulate(&at("in.h5ad"), 50, 20, Compression::None);
    let mut bytes = std::fs::read(at("in.h5ad")).expect("read");
    for place in places(&bytes, b"depth\0") {
        // In the list of columns the length stands before the name, in the folder it does not.
        if bytes[place - 8..place] != 5_u64.to_le_bytes() {
            bytes[place..place + 5].copy_from_slice(b"depzh");
        }
    }
    std::fs::write(at("in.h5ad"), &bytes).expect("written");
    let ctx = context(2, 0);
    let report = validate(&ctx, &at("in.h5ad")).expect("looked at");
    let faults: Vec<_> = report
        .faults
        .iter()
        .map(|f| (f.member.as_str(), f.reason))
        .collect();
    assert_eq!(faults, [("obs", "missing_key")]);
    assert!(report.faults[0].message.contains("obs/depth is absent"));
    let out = Output::to(at("out.h5ad"));
    let error = subset_file(&ctx, &at("in.h5ad"), &out, Some(&[true; 50]), None);
    let error = error.expect_err("a column is absent");
    assert!(
        error.message().contains("in.h5ad: obs/depth is absent"),
        "{error}"
    );
}

/// Good files of the golden folder and the number of entries that repeat in them.
fn formats() -> Option<Vec<(PathBuf, u64)>> {
    let folder = shared("golden/ooc/formats")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "h5ad"))
        .filter(|p| {
            !p.file_name()
                .expect("name")
                .to_string_lossy()
                .starts_with("bad_")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 16, "{}", files.len());
    let repeats = |p: &Path| u64::from(p.ends_with("csr_duplicates.h5ad"));
    Some(
        files
            .into_iter()
            .map(|p| (p.clone(), repeats(&p)))
            .collect(),
    )
}

#[test]
fn every_storage_gives_the_same_matrix_and_can_be_written_again() {
    let Some(files) = formats() else {
        return;
    };
    let ctx = context(2, 0);
    let folder = tempfile::tempdir().expect("folder");
    for (path, n_merged) in files {
        let expected: Vec<Vec<(u32, u64)>> = GOLDEN
            .iter()
            .map(|row| {
                let entries = (0_u32..).zip(row).filter(|(_, v)| **v > 0);
                entries.map(|(g, &v)| (g, f64::from(v).to_bits())).collect()
            })
            .collect();
        // Temporary files go beside the input, which may be read-only.
        let copy = folder.path().join("in.h5ad");
        std::fs::write(&copy, std::fs::read(&path).expect("read")).expect("written");
        assert_eq!(bits(&copy, "X"), expected, "{}", path.display());
        let report = validate(&ctx, &copy).expect("looked at");
        assert!(
            report.faults.is_empty(),
            "{}: {:?}",
            path.display(),
            report.faults
        );
        assert_eq!(report.matrices[0].seen.n_merged, n_merged);
        let out = Output::to(folder.path().join("out.h5ad"));
        let cells = [true, false, true, true, true];
        let genes = [true, true, true, false, true, true];
        subset_file(&ctx, &copy, &out, Some(&cells), Some(&genes)).expect("cut");
        let sizes = H5adFile::open(&out.target).expect("opened").shape();
        assert_eq!(sizes.expect("shape"), [4, 5]);
        let mut options = NormalizeFileOptions::default();
        options.normalize.target_sum = Some(10.0);
        normalize_total_file(&ctx, &copy, &out, &options).expect("normalised");
        log1p_file(&ctx, &out.target, &out, &Log1pFileOptions::default()).expect("logged");
        let logged = bits(&out.target, "X");
        let double = path.ends_with("csc_f64.h5ad");
        for (row, counts) in logged.iter().zip(&GOLDEN) {
            let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
            for &(gene, value) in row {
                let exact = (f64::from(counts[gene as usize]) / total * 10.0).ln_1p();
                let value = f64::from_bits(value);
                let tolerance = if double { 1e-14 } else { 3e-7 };
                assert!(
                    (value / exact - 1.0).abs() < tolerance,
                    "{}",
                    path.display()
                );
            }
        }
        data::open(&out.target, &OpenOptions::default()).expect("a good file");
    }
}

#[test]
fn every_malformed_file_is_refused_by_its_name() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let ctx = context(1, 0);
    let out = tempfile::tempdir().expect("folder");
    for (name, reason) in [
        ("bad_indices_out_of_range.h5ad", "corrupt_matrix"),
        ("bad_indptr_decreasing.h5ad", "corrupt_matrix"),
        ("bad_indptr_length.h5ad", "corrupt_matrix"),
        ("bad_nan.h5ad", "invalid_value"),
        ("bad_not_hdf5.h5ad", "not_hdf5"),
        ("bad_truncated.h5ad", "truncated"),
    ] {
        let path = folder.join(name);
        let target = Output::to(out.path().join("out.h5ad"));
        let error = preprocess_file(&ctx, &path, &target, &options()).err();
        let mut small = options();
        let mut qc = QcOptions::default();
        qc.percent_top = vec![2];
        small.qc = Some(qc);
        small.qc_vars.clear();
        let error = preprocess_file(&ctx, &path, &target, &small)
            .err()
            .or(error)
            .expect(name);
        assert_eq!(error.reason().name(), reason, "{name}: {error}");
        assert!(!error.message().contains('\n'));
        assert_eq!(error.file(), Some(path.as_path()), "{name}: {error}");
        assert!(error.message().contains(name), "{error}");
        assert!(!target.target.exists());
        if let Ok(report) = validate(&ctx, &path) {
            assert_eq!(report.faults[0].reason, reason, "{name}");
        }
    }
    let mut options = QcFileOptions::default();
    options.qc.percent_top.clear();
    let negative = folder.join("bad_negative.h5ad");
    let qc = qc_file(&ctx, &negative, None, &options).expect("passes");
    assert_eq!(qc.seen.n_negative, 1);
    options.qc.read.allow_nonfinite = true;
    qc_file(&ctx, &folder.join("bad_nan.h5ad"), None, &options).expect("let through");
    assert_eq!(std::fs::read_dir(out.path()).expect("folder").count(), 0);
}

#[test]
fn wrong_names_say_what_there_is_and_options_are_checked_first() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("in.h5ad");
    simulate(&path, 50, 30, Compression::None);
    let ctx = context(1, 0);
    let mut qc = QcFileOptions::default();
    let error = qc_file(&ctx, &path, None, &qc).expect_err("50 of 30 genes");
    assert_eq!(error.argument_name(), Some("percent_top"));
    qc.qc.percent_top.clear();
    qc.qc_vars = vec!["mito".into()];
    let error = qc_file(&ctx, &path, None, &qc).expect_err("no such column");
    assert!(error.message().contains("mt"), "{error}");
    qc.qc_vars.clear();
    qc.matrix.layer = Some("counts".into());
    let error = qc_file(&ctx, &path, None, &qc).expect_err("no such layer");
    assert_eq!(error.reason().name(), "missing_key");
    let mut hvg = HvgFileOptions::default();
    hvg.batch_key = Some("depth".into());
    let error = hvg_file(&ctx, &path, None, &hvg).expect_err("floats");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let mut near = NeighborsFileOptions::default();
    near.use_rep = "X_umap".into();
    assert!(neighbors_file(&ctx, &path, None, &near).is_err());
    let mut twice = options();
    let out = Output::to(folder.path().join("out.h5ad"));
    let mut small = QcOptions::default();
    small.percent_top = vec![2];
    twice.qc = Some(small);
    preprocess_file(&ctx, &path, &out, &twice).expect("once");
    let error = preprocess_file(&ctx, &out.target, &out, &twice).expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::State);
}

#[test]
fn the_smallest_files_pass_through_every_step() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    let ctx = context(2, 0);
    for (n, g) in [(0, 0), (0, 5), (5, 0), (1, 1), (3, 4)] {
        simulate(&at("in.h5ad"), n, g, Compression::Gzip);
        let mut options = options();
        (options.hvg, options.pca, options.qc_vars) = (None, None, Vec::new());
        let mut qc = QcOptions::default();
        qc.percent_top.clear();
        options.qc = Some(qc);
        let out = Output::to(at("out.h5ad"));
        preprocess_file(&ctx, &at("in.h5ad"), &out, &options).expect("done");
        for layout in [MatrixLayout::Csr, MatrixLayout::Csc, MatrixLayout::Dense] {
            convert(&out.target, layout, &at("turned.h5ad"));
            assert_eq!(bits(&at("turned.h5ad"), "X").len(), n);
        }
        assert!(validate(&ctx, &out.target).expect("read").faults.is_empty());
    }
}

#[test]
fn a_stop_at_any_report_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("in.h5ad");
    simulate(&path, 700, 40, Compression::None);
    let before = std::fs::read(&path).expect("read");
    let mut at = 0;
    loop {
        let mut context_options = ContextOptions::default();
        context_options.threads = 2;
        context_options.progress_interval = std::time::Duration::ZERO;
        let ctx = Context::new(&context_options).expect("pool");
        let mut calls = 0;
        ctx.set_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls > at {
                Flow::Cancel
            } else {
                Flow::Continue
            }
        })));
        match preprocess_file(&ctx, &path, &Output::to(&path), &options()) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}"),
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
        if std::fs::read(&path).expect("read") != before {
            // Stopped in the report that follows the rename.
            data::open(&path, &OpenOptions::default()).expect("whole");
            std::fs::write(&path, &before).expect("restored");
        }
        at += 1 + at / 8;
    }
    assert!(at > 20, "{at}");
}
