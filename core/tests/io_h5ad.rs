//! Every layout of `.h5ad` that the reference files have, and each damaged file's error.
//!
//! The reference files are found through `CYTO_SHARED` (default: `shared` beside the workspace);
//! without them these tests say SKIP. Files of our own making are in `io_h5ad_write.rs`.
#![cfg(feature = "hdf5")]

mod shared_data;

use std::path::{Path, PathBuf};

use cytosol::data::{self, Categorical, CellBlocks, Column, CountBlock, Dataset, OpenOptions};
use cytosol::{Context, ContextOptions, Error, ErrorKind, Reason};
use shared_data::{GOLDEN as ROWS, shared};

fn context(threads: usize, memory_budget: u64) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    options.memory_budget = memory_budget;
    Context::new(&options).expect("pool")
}

fn open(path: &Path) -> Dataset {
    data::open(path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// All rows as dense, read `step` cells at a time.
fn dense(ctx: &Context, counts: &mut dyn CellBlocks, step: usize) -> Result<Vec<Vec<u32>>, Error> {
    let mut rows = Vec::new();
    let mut block = CountBlock::default();
    let n = counts.n_cells();
    for start in (0..n).step_by(step) {
        counts.read_cells(ctx, start..(start + step).min(n), &mut block)?;
        assert_eq!(block.first_row(), start);
        for row in 0..block.n_rows() {
            let mut values = vec![0; counts.n_genes()];
            let (genes, numbers) = block.row(row);
            for (&gene, &count) in genes.iter().zip(numbers) {
                values[gene as usize] = count;
            }
            rows.push(values);
        }
    }
    Ok(rows)
}

fn good_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "h5ad"))
        .filter(|p| {
            !p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("bad_"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_storage_reads_to_the_same_matrix() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let mut files = good_files(&folder);
    assert!(files.len() >= 18, "{files:?}");
    // Made by tests/parity/formats/check_with_anndata.py, which has filters that HDF5 lacks.
    if let Some(more) = std::env::var_os("CYTO_MORE_FORMATS") {
        files.extend(good_files(Path::new(&more)));
    }
    for path in files {
        let mut file = open(&path);
        let (ctx, name) = (context(2, 0), path.display());
        for step in [1, 2, 5] {
            let rows = dense(&ctx, file.counts.as_mut(), step).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(rows, ROWS, "{name}, step {step}");
            let sum: u32 = rows.iter().flatten().sum();
            assert_eq!(sum, 59);
        }
        assert_eq!(file.obs.index, ["c0", "c1", "c2", "c3", "c4"], "{name}");
        let genes = ["MT-A", "B", "C", "D", "MT-E", "F"];
        assert_eq!(file.var.index, genes, "{name}");
        let is_slow = path.display().to_string().contains("_slow");
        assert_eq!(file.info.fast_path, !is_slow, "{name}: {:?}", file.info);
        assert!(
            file.info.warnings.is_empty(),
            "{name}: {:?}",
            file.info.warnings
        );
    }
}

#[test]
fn facts_about_the_storage_are_reported() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let info = open(&folder.join("csr_f32_shuffle_gzip_fletcher.h5ad")).info;
    assert_eq!(info.filters[0], "shuffle");
    assert_eq!(info.filters[2], "fletcher32");
    assert_eq!(
        (info.layout.name(), info.dtype.as_str()),
        ("csr", "float32")
    );
    assert_eq!((info.n_cells, info.n_genes, info.n_entries), (5, 6, 16));
    let info = open(&folder.join("csr_f32_zstd.h5ad")).info;
    assert_eq!(info.filters, ["zstd"]);
    let info = open(&folder.join("csc_u16.h5ad")).info;
    assert_eq!((info.layout.name(), info.dtype.as_str()), ("csc", "uint16"));
}

#[test]
fn tables_layers_raw_and_embeddings_of_a_full_file() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let path = folder.join("full_f32.h5ad");
    let file = open(&path);
    let labels = |codes: &[i32], categories: &[&str], ordered| {
        Column::Categorical(Categorical {
            codes: codes.to_vec(),
            categories: categories.iter().map(|c| (*c).to_owned()).collect(),
            ordered,
        })
    };
    let column = |name: &str| file.obs.require("obs", name).expect("present");
    assert_eq!(column("i"), &Column::I32(vec![0, 1, 2, 3, 4]));
    assert_eq!(column("s"), &labels(&[1, 0, -1, 1, 0], &["b", "a"], true));
    let text = ["é", "b", "", "dd", "longer string"].map(str::to_owned);
    assert_eq!(column("str"), &Column::Text(text.to_vec()));
    assert_eq!(
        column("bool"),
        &Column::Bool(vec![true, false, true, true, false])
    );
    let nbool = labels(&[1, -1, 0, 1, -1], &["False", "True"], false);
    assert_eq!(column("nbool"), &nbool);
    let numbers = column("nint").as_numbers().expect("numbers");
    assert_eq!((numbers[0], numbers[2], numbers[4]), (1.0, 3.0, 5.0));
    assert!(numbers[1].is_nan());
    let floats = column("f").as_numbers().expect("numbers");
    assert!(floats[1].is_nan() && floats[2] == 1e-300);
    let (name, emb) = &file.obsm[0];
    assert_eq!((name.as_str(), emb.n_rows, emb.n_columns), ("emb", 5, 2));
    assert_eq!(emb.row(4), [8.0, 9.0]);
    assert_eq!(
        (file.info.layers.as_slice(), file.info.has_raw),
        (&["l2".to_owned()][..], true)
    );
    assert!(file.info.members.contains(&"uns/misc".to_owned()));

    let mut options = OpenOptions::default();
    options.layer = Some("l2".into());
    let mut layer = data::open(&path, &options).expect("layer");
    let doubled = ROWS.map(|row| row.map(|v| 2 * v));
    assert_eq!(
        dense(&context(1, 0), layer.counts.as_mut(), 3).expect("read"),
        doubled
    );
    options.layer = Some("l3".into());
    let error = data::open(&path, &options).expect_err("absent");
    assert!(matches!(error.reason(), Reason::MissingKey { key } if key == "layers/l3"));
    assert!(error.message().contains(r#"did you mean "l2"?"#), "{error}");
    let mut options = OpenOptions::default();
    options.use_raw = true;
    let mut raw = data::open(&path, &options).expect("raw");
    assert_eq!(
        dense(&context(1, 0), raw.counts.as_mut(), 5).expect("read"),
        ROWS
    );
    assert_eq!(raw.info.matrix, "raw/X");
}

#[test]
fn legacy_categories_become_labels() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    for (name, codes, categories) in [
        ("legacy_06.h5ad", [0, 1, 0, 1, 0], ["0", "1"]),
        ("legacy_07.h5ad", [0, 1, 0, -1, 1], ["zero", "one"]),
    ] {
        let file = open(&folder.join(name));
        let Column::Categorical(c) = file.obs.require("obs", "louvain").expect("there") else {
            panic!("{name}: louvain is not categorical");
        };
        assert_eq!(c.codes, codes, "{name}");
        assert_eq!(c.categories, categories, "{name}");
        let n = file.obs.require("obs", "n").expect("there");
        assert_eq!(n, &Column::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0]), "{name}");
    }
}

fn failure(path: &Path) -> Error {
    let ctx = context(1, 0);
    match data::open(path, &OpenOptions::default()) {
        Err(error) => error,
        Ok(mut file) => dense(&ctx, file.counts.as_mut(), 2).expect_err("damaged"),
    }
}

#[test]
fn each_damaged_file_gets_its_error() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let corrupt = |dataset: &str, position| Reason::CorruptMatrix {
        dataset: dataset.to_owned(),
        position,
    };
    let value = |value| Reason::InvalidValue {
        row: 0,
        column: 3,
        value,
    };
    for (name, reason, words) in [
        ("bad_not_hdf5", Reason::NotHdf5, "signature"),
        ("bad_truncated", Reason::Truncated, "should have 27952"),
        ("bad_indptr_length", corrupt("X/indptr", 3), "has 6"),
        ("bad_indptr_decreasing", corrupt("X/indptr", 2), "1 after 3"),
        (
            "bad_indices_out_of_range",
            corrupt("X/indices", 2),
            "must be 0 to 5",
        ),
        ("bad_negative", value(-6.0), "-6 is negative"),
        ("bad_nan", value(f64::NAN), "not a number"),
    ] {
        let path = folder.join(format!("{name}.h5ad"));
        let error = failure(&path);
        let (got, want) = (format!("{:?}", error.reason()), format!("{reason:?}"));
        assert_eq!(got, want, "{name}: {error}");
        assert!(error.message().contains(words), "{name}: {error}");
        assert!(error.message().contains(name), "{name}: {error}");
        assert_eq!(error.file(), Some(path.as_path()), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let whole = std::fs::read(folder.join("csr_f32_gzip.h5ad")).expect("read");
    let cut = tempfile::NamedTempFile::new().expect("file");
    for length in (0..whole.len()).step_by(997) {
        std::fs::write(cut.path(), &whole[..length]).expect("written");
        let error = data::open(cut.path(), &OpenOptions::default()).expect_err("cut");
        let expected = if length < 8 {
            Reason::NotHdf5
        } else {
            Reason::Truncated
        };
        assert_eq!(error.reason(), &expected, "cut at {length}: {error}");
    }
}

/// Where the stored bytes of a dataset lie. Damage to HDF5's own structures is the library's to
/// find, and releases of it crash on some.
fn stored_bytes(file: &hdf5::File, name: &str) -> Vec<usize> {
    let dataset = file.dataset(name).expect("present");
    let places: Vec<(u64, u64)> = match dataset.num_chunks() {
        Some(n) => (0..n)
            .map(|i| dataset.chunk_info(i).expect("listed"))
            .map(|chunk| (chunk.addr, chunk.size))
            .collect(),
        None => vec![(dataset.offset().expect("stored"), dataset.storage_size())],
    };
    let bytes = places.iter().flat_map(|&(at, n)| at..at + n);
    bytes.map(|at| at as usize).collect()
}

#[test]
fn damaged_data_are_read_or_refused_but_never_crash() {
    let Some(folder) = shared("golden/ooc/formats") else {
        return;
    };
    let ctx = context(1, 1 << 28);
    let damaged = tempfile::NamedTempFile::new().expect("file");
    let text = [
        "obs/_index",
        "obs/str",
        "var/gene_symbols",
        "obs/s/codes",
        "obs/f",
    ];
    for (name, datasets) in [
        (
            "csr_f32_gzip.h5ad",
            &["X/data", "X/indices", "X/indptr"][..],
        ),
        ("csr_f32_lzf.h5ad", &["X/data", "X/indices", "X/indptr"]),
        ("csr_f32_zstd.h5ad", &["X/data", "X/indices", "obs/_index"]),
        ("csc_u16.h5ad", &["X/data", "X/indices", "X/indptr"]),
        ("full_f32.h5ad", &text),
        ("legacy_06.h5ad", &["obs", "var"]),
    ] {
        let whole = std::fs::read(folder.join(name)).expect("read");
        let file = hdf5::File::open(folder.join(name)).expect("opened");
        for at in datasets.iter().flat_map(|d| stored_bytes(&file, d)) {
            for flip in [0x01, 0xda] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                std::fs::write(damaged.path(), &bytes).expect("written");
                if let Ok(mut file) = data::open(damaged.path(), &OpenOptions::default()) {
                    // Right or refused; here it matters that it returns.
                    let _ = dense(&ctx, file.counts.as_mut(), 3);
                }
            }
        }
    }
}

#[test]
fn files_of_every_anndata_release_open() {
    let Some(folder) = shared("data/io_h5ad") else {
        return;
    };
    let files = good_files(&folder);
    assert!(files.len() >= 6);
    for path in files {
        let mut file = open(&path);
        assert_eq!(
            file.obs.n_rows(),
            file.counts.n_cells(),
            "{}",
            path.display()
        );
        let rows = dense(&context(2, 0), file.counts.as_mut(), 2);
        if path.display().to_string().contains("neg") {
            let error = rows.expect_err("negative values");
            assert!(
                matches!(error.reason(), Reason::InvalidValue { .. }),
                "{error}"
            );
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        } else if !path.display().to_string().contains("mini_mat.anndata") {
            rows.unwrap_or_else(|e| panic!("{e}"));
        }
    }
    // Text of variable length inside records.
    let old = open(&folder.join("mini_mat.anndata-v0.6.22.h5ad"));
    let new = open(&folder.join("mini_mat.anndata-v0.10.9.h5ad"));
    assert_eq!(old.obs.index, new.obs.index);
    assert_eq!(old.var.index, new.var.index);
    assert_eq!(
        old.info.warnings.len(),
        1,
        "sparse obsm: {:?}",
        old.info.warnings
    );
}

#[test]
fn columns_on_disk_read_as_rows_whatever_the_budget() {
    let Some(folder) = shared("golden/ooc/synth_zeros") else {
        return;
    };
    let mut by_rows = open(&folder.join("counts_csr.h5ad"));
    let mut by_columns = open(&folder.join("counts_csc.h5ad"));
    let expected = dense(&context(1, 0), by_rows.counts.as_mut(), 600).expect("read");
    for (threads, budget, step) in [(1, 0, 600), (2, 1 << 20, 17), (3, 1 << 18, 64), (7, 0, 1)] {
        let ctx = context(threads, budget);
        let counts = by_columns.counts.as_mut();
        assert_eq!(dense(&ctx, counts, step).expect("read"), expected);
        let counts = by_rows.counts.as_mut();
        assert_eq!(dense(&ctx, counts, step).expect("read"), expected);
    }
    // Backwards, too.
    let ctx = context(1, 1 << 18);
    let mut block = CountBlock::default();
    for start in (0..600).rev().step_by(53) {
        let counts = by_columns.counts.as_mut();
        counts
            .read_cells(&ctx, start..start + 1, &mut block)
            .expect("read");
        let total: u32 = block.row(0).1.iter().sum();
        assert_eq!(total, expected[start].iter().sum::<u32>(), "cell {start}");
    }
}

#[test]
fn real_files_have_their_known_totals() {
    for (name, n_cells, n_genes, n_entries) in [
        (
            "data/brain_mouse_10k/brain_mouse_10k.h5ad",
            10_000,
            1000,
            691_914,
        ),
        ("data/perturb_mcf10a/perturb_mcf10a.h5ad", 6229, 28, 33_819),
    ] {
        let Some(path) = shared(name) else {
            return;
        };
        let mut file = open(&path);
        assert_eq!((file.info.n_cells, file.info.n_genes), (n_cells, n_genes));
        let mut sums = Vec::new();
        for (threads, step) in [(1, 64), (2, 4096), (7, 1000), (3, usize::MAX / 2)] {
            let ctx = context(threads, 0);
            let (mut entries, mut weighted, mut block) = (0, 0_u64, CountBlock::default());
            for start in (0..n_cells).step_by(step) {
                let end = start.saturating_add(step).min(n_cells);
                file.counts
                    .read_cells(&ctx, start..end, &mut block)
                    .expect("read");
                entries += block.n_entries();
                for row in 0..block.n_rows() {
                    let (genes, counts) = block.row(row);
                    for (&g, &c) in genes.iter().zip(counts) {
                        weighted += u64::from(c) * (u64::from(g) + (start + row) as u64);
                    }
                }
            }
            assert_eq!(entries, n_entries, "{name}");
            sums.push(weighted);
        }
        assert!(
            sums.windows(2).all(|pair| pair[0] == pair[1]),
            "{name}: {sums:?}"
        );
    }
}
