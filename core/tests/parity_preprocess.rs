//! Preprocessing against the reference's outputs on real and simulated counts.
//!
//! | quantity | tolerance | why |
//! |---|---|---|
//! | numbers of genes and cells, masks | exact | integers |
//! | 32-bit totals below 2^24 | exact | integers |
//! | percentages, means | rel. 1e-6 | the reference sums in 32 bits |
//! | size factors | exact | same operations in 32 bits |
//! | log-normalised values | rel. 2.4e-7 | two units of the last place: its logarithm is 32-bit |
//! | means, dispersions | rel. 1e-5, abs. 1e-5 | the reference squares in 32 bits |
//! | selected genes | no difference (`seurat_v3`: but for ties) | |
//! | `seurat_v3` variances | rel. 1e-10 | |
//! | components | 1e-8 from the exact ones | same input |
//! | neighbours | exact but for ties | |
//! | UMAP weights | 2e-4 | 32-bit distances in the reference |
//! | pseudobulk | rel. 1e-12 | |
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

mod golden;
mod shared_data;

use std::path::{Path, PathBuf};

use cytosol::Context;
use cytosol::data::h5ad::H5adFile;
use cytosol::data::rows::{ReadOptions, ValueRows};
use cytosol::data::write::Numbers;
use cytosol::data::{Column, NumberKind};
use cytosol::preprocess::file::*;
use cytosol::preprocess::*;
use golden::{Frame, npz};
use shared_data::shared;

const SETS: [(&str, &str, usize, usize, f64); 3] = [
    ("pbmc68k", "counts.h5ad", 200, 50, 0.05),
    ("synth_zeros", "counts_csr.h5ad", 300, 30, 0.03),
    ("synth_zeros", "counts_csc.h5ad", 300, 30, 0.03),
];

struct Set {
    folder: PathBuf,
    file: PathBuf,
    n_top: usize,
    n_comps: usize,
    max_fraction: f64,
    is_csr: bool,
}

fn sets() -> Vec<Set> {
    SETS.iter()
        .filter_map(|&(name, file, n_top, n_comps, max_fraction)| {
            let folder = shared(&format!("golden/ooc/{name}"))?;
            Some(Set {
                file: folder.join(file),
                folder,
                n_top,
                n_comps,
                max_fraction,
                is_csr: !file.contains("csc"),
            })
        })
        .collect()
}

fn context() -> Context {
    Context::single_threaded().expect("pool")
}

fn close(name: &str, got: &[f64], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        let same =
            a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= absolute.max(relative * b.abs());
        assert!(same, "{name}[{i}]: {a} and {b}");
    }
}

fn numbers(column: &Column) -> Vec<f64> {
    match column {
        Column::Bool(values) => values.iter().map(|&v| f64::from(u8::from(v))).collect(),
        other => other.as_numbers().expect("numbers"),
    }
}

fn dtype(column: &Column) -> &'static str {
    match column {
        Column::F64(_) => "float64",
        Column::F32(_) => "float32",
        Column::I64(_) => "int64",
        Column::I32(_) => "int32",
        Column::U64(_) => "uint64",
        Column::Bool(_) => "bool",
        _ => "object",
    }
}

fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("json");
    serde_json::from_str(&text).expect("json")
}

#[test]
fn quality_control() {
    for set in sets() {
        let mut options = QcFileOptions::default();
        options.qc_vars = vec!["mt".into(), "ribo".into()];
        let qc = qc_file(&context(), &set.file, None, &options).expect("qc");
        let dtypes = &json(&set.folder.join("summary.json"))["qc_dtypes"];
        for (table, columns) in [("obs", &qc.obs), ("var", &qc.var)] {
            let expected = Frame::read_tsv(&set.folder.join(format!("qc_{table}.tsv.gz")));
            let names: Vec<&String> = columns.iter().map(|(n, _)| n).collect();
            assert_eq!(names, expected.columns.iter().collect::<Vec<_>>());
            for (name, column) in columns {
                let relative = match name.as_str() {
                    n if n.starts_with("n_") || n.starts_with("total_") => 0.0,
                    _ => 1e-6,
                };
                close(
                    name,
                    &numbers(column),
                    &expected.numbers_or_nan(name),
                    relative,
                    0.0,
                );
                if set.is_csr {
                    assert_eq!(dtype(column), dtypes[table][name], "{name}");
                }
            }
        }
    }
}

#[test]
fn filters() {
    for set in sets() {
        let expected = json(&set.folder.join("filters.json"));
        for (name, case) in expected.as_object().expect("cases") {
            let threshold = Some(case["threshold"].as_f64().expect("threshold"));
            let pick = |wanted: &str| threshold.filter(|_| name.ends_with(wanted));
            let read = ReadOptions::default();
            let report = if name.starts_with("cells") {
                let filter = CellFilter::one_of(
                    pick("min_counts"),
                    pick("min_genes"),
                    pick("max_counts"),
                    pick("max_genes"),
                );
                filter_cells_file(&context(), &set.file, None, filter.expect("one"), read)
            } else {
                let filter = GeneFilter::one_of(
                    pick("min_counts"),
                    pick("min_cells"),
                    pick("max_counts"),
                    pick("max_cells"),
                );
                filter_genes_file(&context(), &set.file, None, filter.expect("one"), read)
            };
            let report = report.expect("filtered");
            let mask: String = report
                .kept
                .iter()
                .map(|&k| if k { '1' } else { '0' })
                .collect();
            assert_eq!(case["mask"], mask.as_str(), "{name}");
            assert_eq!(case["kept"], report.n_kept());
            if set.is_csr {
                assert_eq!(case["number_dtype"], dtype(&report.number), "{name}");
            }
        }
    }
}

fn normalize(set: &Set, target: Option<f64>, exclude: bool) -> NormalizeFileOptions {
    let mut options = NormalizeFileOptions::default();
    options.normalize.target_sum = target;
    options.normalize.exclude_highly_expressed = exclude;
    options.normalize.max_fraction = set.max_fraction;
    options.key_added = Some("factor".into());
    options
}

#[test]
fn size_factors_and_normalised_values() {
    for set in sets() {
        let expected = Frame::read_tsv(&set.folder.join("norm_factors.tsv.gz"));
        let summary = &json(&set.folder.join("summary.json"))["normalize"];
        let folder = tempfile::tempdir().expect("folder");
        let out = Output::to(folder.path().join("out.h5ad"));
        for (target, exclude) in [
            (None, false),
            (None, true),
            (Some(1e4), false),
            (Some(1e4), true),
        ] {
            let word = if exclude { "True" } else { "False" };
            let name = match target {
                None => format!("target=median;exclude={word}"),
                Some(_) => format!("target=10000.0;exclude={word}"),
            };
            let options = normalize(&set, target, exclude);
            let sizes = normalize_total_file(&context(), &set.file, &out, &options).expect("done");
            close(&name, &sizes.factors, &expected.numbers(&name), 0.0, 0.0);
            let file = H5adFile::open(&out.target).expect("opened");
            let column = file.column("obs", "factor").expect("column");
            assert_eq!(dtype(&column), "float32");
            assert_eq!(numbers(&column), sizes.factors);
            let mut plain = QcFileOptions::default();
            plain.qc.percent_top.clear();
            plain.qc.wide = true;
            let qc = qc_file(&context(), &out.target, None, &plain).expect("qc");
            let total: f64 = numbers(&qc.var[4].1).iter().sum();
            close(
                &name,
                &[total],
                &[summary[&name]["sum"].as_f64().expect("sum")],
                1e-9,
                0.0,
            );
        }
    }
}

/// Normalised logarithms of a set, as a file.
fn logged(set: &Set, base: Option<f64>, target: &Path) {
    let between = Output::to(target.with_extension("between"));
    let options = normalize(set, Some(1e4), false);
    normalize_total_file(&context(), &set.file, &between, &options).expect("normalised");
    let mut options = Log1pFileOptions::default();
    options.base = base;
    let warnings = log1p_file(&context(), &between.target, &Output::to(target), &options);
    assert!(warnings.expect("logged").is_empty());
    // A second time it warns.
    let again = Output::to(target.with_extension("again"));
    let warnings = log1p_file(&context(), target, &again, &options).expect("logged");
    assert_eq!(warnings.len(), 1);
}

fn hvg_options(set: &Set, name: &str) -> HvgFileOptions {
    let mut options = HvgFileOptions::default();
    let flavor = ["cell_ranger", "seurat_v3_paper", "seurat_v3", "seurat"]
        .into_iter()
        .find(|flavor| name.starts_with(flavor))
        .expect("a flavour");
    options.hvg.flavor = HvgFlavor::parse(flavor).expect("known");
    if !name.contains("cutoffs") {
        options.hvg.cutoffs.n_top_genes = Some(set.n_top);
    }
    options.batch_key = name.contains("batch").then(|| "batch".to_owned());
    options
}

#[test]
fn variable_genes_of_logarithms() {
    for set in sets() {
        let folder = tempfile::tempdir().expect("folder");
        let (natural, binary) = (folder.path().join("e.h5ad"), folder.path().join("2.h5ad"));
        logged(&set, None, &natural);
        logged(&set, Some(2.0), &binary);
        for name in [
            "seurat_top",
            "seurat_cutoffs",
            "seurat_top_batch",
            "seurat_cutoffs_batch",
            "cell_ranger_top",
            "cell_ranger_cutoffs",
            "cell_ranger_top_batch",
            "cell_ranger_cutoffs_batch",
            "seurat_top_base2",
        ] {
            let input = if name.ends_with("base2") {
                &binary
            } else {
                &natural
            };
            let names = H5adFile::open(input)
                .expect("opened")
                .index("var")
                .expect("names");
            let hvg = match hvg_file(&context(), input, None, &hvg_options(&set, name)) {
                Ok(hvg) => hvg,
                Err(error) => panic!("{name}: {error}"),
            };
            let expected = Frame::read_tsv(&set.folder.join(format!("hvg_{name}.tsv.gz")));
            let row = expected.index();
            let order: Vec<usize> = names.iter().map(|n| row[n.as_str()]).collect();
            let column = |column: &str| -> Vec<f64> {
                let all = expected.numbers_or_nan(column);
                order.iter().map(|&i| all[i]).collect()
            };
            let flags = |column: &str| -> Vec<bool> {
                let all = expected.column(column);
                order.iter().map(|&i| all[i] == "True").collect()
            };
            assert_eq!(hvg.highly_variable, flags("highly_variable"), "{name}");
            close(name, &hvg.means, &column("means"), 1e-5, 1e-5);
            close(name, &hvg.dispersions, &column("dispersions"), 1e-5, 1e-5);
            close(
                name,
                &hvg.dispersions_norm,
                &column("dispersions_norm"),
                1e-5,
                2e-5,
            );
            if name.contains("batch") {
                let n: Vec<f64> = hvg.n_batches.iter().map(|&n| n as f64).collect();
                close(name, &n, &column("highly_variable_nbatches"), 0.0, 0.0);
                assert_eq!(hvg.intersection, flags("highly_variable_intersection"));
            }
        }
    }
}

#[test]
fn variable_genes_of_counts() {
    for set in sets() {
        for name in [
            "seurat_v3",
            "seurat_v3_batch",
            "seurat_v3_paper",
            "seurat_v3_paper_batch",
        ] {
            let hvg = hvg_file(&context(), &set.file, None, &hvg_options(&set, name)).expect(name);
            let expected = Frame::read_tsv(&set.folder.join(format!("hvg_{name}.tsv.gz")));
            close(name, &hvg.means, &expected.numbers("means"), 1e-12, 0.0);
            close(
                name,
                &hvg.variances,
                &expected.numbers("variances"),
                1e-10,
                1e-15,
            );
            let norm = expected.numbers("variances_norm");
            close(name, &hvg.variances_norm, &norm, 1e-10, 1e-12);
            let chosen = expected.column("highly_variable");
            // Genes with the same pattern of counts in a batch are ordered by chance in the
            // reference; that moves a gene at the cut by the size of its group.
            let ranks = expected.numbers_or_nan("highly_variable_rank");
            let place = |rank: f64| {
                if rank.is_nan() {
                    set.n_top as f64
                } else {
                    rank
                }
            };
            let mut n_different = 0;
            for gene in 0..norm.len() {
                if hvg.highly_variable[gene] != (chosen[gene] == "True") {
                    let moved = (place(hvg.ranks[gene]) - place(ranks[gene])).abs();
                    assert!(moved <= 6.0, "{name}: gene {gene} moved by {moved}");
                    n_different += 1;
                }
            }
            let is_real = set.folder.ends_with("pbmc68k");
            assert!(
                n_different <= if is_real { 0 } else { 2 },
                "{name}: {n_different}"
            );
            assert_eq!(
                hvg.highly_variable.iter().filter(|v| **v).count(),
                set.n_top
            );
        }
    }
}

/// The golden log-normalised matrix, its mask and components.
#[test]
fn components_of_the_golden_matrix_are_exact() {
    let Some(folder) = shared("golden/ooc/pbmc68k") else {
        return;
    };
    let matrix = npz::read(&folder.join("lognorm_csr_data.npz"));
    let golden = npz::read(&folder.join("pca_hvg.npz"));
    let ints = |name: &str| matrix[name].values.iter().map(|&v| v as usize);
    let rows = ValueRows::from_parts(
        NumberKind::F32,
        765,
        ints("indptr").collect(),
        ints("indices").map(|i| i as u32).collect(),
        &matrix["data"].values,
    )
    .expect("rows");
    let mask: Vec<bool> = golden["hvg"].values.iter().map(|&v| v != 0.0).collect();
    let input = PcaInput {
        source: &rows,
        transform: None,
        genes: Some(&mask),
        read: ReadOptions::default(),
    };
    let axes = pca(&context(), input, &PcaOptions::default()).expect("components");
    let scores = axes.scores(&context(), input, 0..700).expect("scores");
    close("X_pca", &scores, &golden["X_pca"].values, 0.0, 1e-8);
    close(
        "variance",
        &axes.variance,
        &golden["variance"].values,
        1e-10,
        0.0,
    );
    close(
        "ratio",
        &axes.variance_ratio,
        &golden["variance_ratio"].values,
        1e-10,
        0.0,
    );
    let loadings = axes.loadings(765);
    let picked: Vec<f64> = (0..765)
        .filter(|&g| mask[g])
        .flat_map(|g| loadings[g * 50..(g + 1) * 50].to_vec())
        .collect();
    close("PCs", &picked, &golden["PCs_hvg"].values, 0.0, 1e-8);

    let golden = npz::read(&folder.join("pca_nocenter.npz"));
    let mut options = PcaOptions::default();
    options.zero_center = false;
    options.n_comps = Some(20);
    let axes = pca(&context(), input, &options).expect("components");
    close(
        "variance",
        &axes.variance,
        &golden["variance"].values,
        1e-10,
        0.0,
    );
    close(
        "ratio",
        &axes.variance_ratio,
        &golden["variance_ratio"].values,
        1e-10,
        0.0,
    );
    let scores = axes.scores(&context(), input, 0..700).expect("scores");
    close("X_pca", &scores, &golden["X_pca"].values, 0.0, 2e-5);
}

fn pipeline(set: &Set) -> PreprocessOptions {
    let mut options = PreprocessOptions::default();
    options.normalize.target_sum = Some(1e4);
    let mut hvg = HvgOptions::default();
    hvg.cutoffs.n_top_genes = Some(set.n_top);
    options.hvg = Some(hvg);
    let mut pca = PcaOptions::default();
    pca.n_comps = Some(set.n_comps);
    options.pca = Some(pca);
    options.qc_vars = vec!["mt".into()];
    options
}

#[test]
fn the_pipeline_meets_the_reference_at_every_step() {
    for set in sets() {
        let folder = tempfile::tempdir().expect("folder");
        let out = Output::to(folder.path().join("out.h5ad"));
        let report = preprocess_file(&context(), &set.file, &out, &pipeline(&set)).expect("done");
        let golden = npz::read(&set.folder.join("pca_hvg.npz"));
        let mask: Vec<bool> = golden["hvg"].values.iter().map(|&v| v != 0.0).collect();
        assert_eq!(report.hvg.expect("hvg").highly_variable, mask);
        let axes = report.pca.expect("components");
        close(
            "variance",
            &axes.variance,
            &golden["variance"].values,
            1e-6,
            0.0,
        );
        let file = H5adFile::open(&out.target).expect("opened");
        let (scores, k) = file.dense_array("obsm/X_pca").expect("coordinates");
        assert_eq!(k, set.n_comps);
        // Where eigenvalues are well apart, coordinates agree; the input differs in last places.
        let variance = &golden["variance"].values;
        for j in 0..k - 1 {
            let gap = (variance[j] - variance[j + 1]) / variance[j];
            let before = j == 0 || (variance[j - 1] - variance[j]) / variance[j] > 1e-2;
            if gap > 1e-2 && before {
                let column = |v: &[f64]| v.iter().skip(j).step_by(k).copied().collect::<Vec<_>>();
                let (a, b) = (column(&scores), column(&golden["X_pca"].values));
                close("X_pca", &a, &b, 0.0, 1e-3);
            }
        }
        let lognorm = set.folder.join("lognorm_csr_data.npz");
        if lognorm.exists() {
            let matrix = npz::read(&lognorm);
            let expected: f64 = matrix["data"].values.iter().sum();
            let mut plain = QcFileOptions::default();
            plain.qc.percent_top.clear();
            plain.qc.wide = true;
            let qc = qc_file(&context(), &out.target, None, &plain).expect("qc");
            let total: f64 = numbers(&qc.var[4].1).iter().sum();
            close("sum", &[total], &[expected], 1e-8, 0.0);
        }
    }
}

#[test]
fn scaling() {
    for set in sets().iter().filter(|set| set.is_csr) {
        let golden = npz::read(&set.folder.join("scale_hvg.npz"));
        let mask = &npz::read(&set.folder.join("pca_hvg.npz"))["hvg"].values;
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log.h5ad");
        logged(set, None, &log);
        let file = H5adFile::open(&log).expect("opened");
        let rows = file.rows(&context(), "X", folder.path()).expect("rows");
        let input = ScaleInput {
            source: &*rows,
            transform: None,
            cells: None,
        };
        let stats = scale_stats(&context(), input, &ScaleOptions::default()).expect("stats");
        let picked = |values: &[f64]| -> Vec<f64> {
            let genes = (0..values.len()).filter(|&g| mask[g] != 0.0);
            genes.map(|g| values[g]).collect()
        };
        close(
            "mean",
            &picked(&stats.mean),
            &golden["mean"].values,
            1e-6,
            0.0,
        );
        close("std", &picked(&stats.std), &golden["std"].values, 1e-6, 0.0);
        let mut options = ScaleFileOptions::default();
        options.scale.max_value = Some(10.0);
        let out = Output::to(folder.path().join("scaled.h5ad"));
        let error = scale_file(&context(), &log, &out, &options).expect_err("dense");
        assert_eq!(error.argument_name(), Some("zero_center"));
        options.dense_ok = true;
        scale_file(&context(), &log, &out, &options).expect("scaled");
        let (values, width) = H5adFile::open(&out.target)
            .expect("opened")
            .dense_array("X")
            .expect("dense");
        let first: Vec<f64> = (0..5)
            .flat_map(|row| picked(&values[row * width..(row + 1) * width]))
            .collect();
        close("first rows", &first, &golden["first5"].values, 1e-5, 1e-5);
    }
}

#[test]
fn neighbours_and_weights() {
    for set in sets().iter().filter(|set| set.is_csr) {
        let scores = npz::read(&set.folder.join("pca_hvg.npz"));
        let golden = npz::read(&set.folder.join("knn.npz"));
        let d = scores["X_pca"].shape[1];
        // The reference searches coordinates in single precision.
        let points: Vec<f64> = scores["X_pca"]
            .values
            .iter()
            .map(|&v| f64::from(v as f32))
            .collect();
        let found = neighbors(&context(), &points, d, 15).expect("found");
        let (mut same, n) = (0, found.n_cells());
        for cell in 0..n {
            for j in 0..14 {
                let (own, theirs) = (
                    found.distances[cell * 14 + j],
                    golden["dist"].values[cell * 15 + j + 1],
                );
                assert!((own - theirs).abs() < 1e-4, "{cell} {j}: {own} {theirs}");
                let index = f64::from(found.indices[cell * 14 + j]);
                same += usize::from(index == golden["idx"].values[cell * 15 + j + 1]);
            }
        }
        assert!(
            same as f64 > 0.999 * (n * 14) as f64,
            "{same} of {}",
            n * 14
        );
        let weights = found.connectivities();
        let golden = npz::read(&set.folder.join("umap_connectivities.npz"));
        let offsets: Vec<f64> = weights.offsets.iter().map(|&o| o as f64).collect();
        let indices: Vec<f64> = weights.indices.iter().map(|&i| f64::from(i)).collect();
        close("indptr", &offsets, &golden["indptr"].values, 0.0, 0.0);
        close("indices", &indices, &golden["indices"].values, 0.0, 0.0);
        let Numbers::F32(values) = &weights.values else {
            panic!("single precision");
        };
        let values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
        close("weights", &values, &golden["data"].values, 0.0, 2e-4);
    }
}

#[test]
fn pseudobulk() {
    for set in sets() {
        let key = if set.folder.ends_with("pbmc68k") {
            "bulk_labels"
        } else {
            "ctype"
        };
        for (name, by) in [
            ("pseudobulk_by_group", vec![key.to_owned()]),
            (
                "pseudobulk_by_group_batch",
                vec![key.to_owned(), "batch".to_owned()],
            ),
        ] {
            let path = set.folder.join(format!("{name}.npz"));
            if !path.exists() {
                continue;
            }
            let golden = npz::read(&path);
            let mut options = AggregateOptions::default();
            options.funcs = ["sum", "mean", "var", "count_nonzero"]
                .map(|f| AggregateFunc::parse(f).expect("known"))
                .to_vec();
            let (_, result) = aggregate_file(
                &context(),
                &set.file,
                None,
                &by,
                &MatrixChoice::default(),
                &options,
            )
            .expect("aggregated");
            for (func, values) in &result.layers {
                // The golden matrix is in 64 bits, the file in 32: variances below 2^-21 of the
                // squared mean are taken for rounding in one and not in the other.
                close(
                    func.name(),
                    values,
                    &golden[func.name()].values,
                    1e-11,
                    1e-12,
                );
            }
        }
    }
}
