//! Files of our own making: written, annotated, read back.
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

mod shared_data;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use cytosol::data::source::check_range;
use cytosol::data::{
    self, Annotations, Categorical, CellBlocks, Column, Compression, CountBlock, Numbers,
    OpenOptions, Rows, Table, Tables, Value,
};
use cytosol::{Context, ContextOptions, ErrorKind, Flow, Reason, Result};
use shared_data::shared;

fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    options.progress_interval = Duration::ZERO;
    Context::new(&options).expect("pool")
}

/// Counts that are a function of cell and gene; about one in five is not zero.
struct Pattern {
    n_cells: usize,
    n_genes: usize,
}

fn pattern(cell: usize, gene: usize) -> u32 {
    let mixed = (cell * 7919 + gene * 104_729 + cell * gene) % 1009;
    if mixed % 5 == 0 {
        (mixed / 5) as u32
    } else {
        0
    }
}

impl CellBlocks for Pattern {
    fn n_cells(&self) -> usize {
        self.n_cells
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn read_cells(
        &mut self,
        _: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        check_range(&cells, self.n_cells)?;
        block.start(cells.start);
        for cell in cells {
            for gene in 0..self.n_genes {
                block.push_count(gene as u32, pattern(cell, gene));
            }
            block.end_row();
        }
        Ok(())
    }
}

fn names(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

/// One column of every kind.
fn every_kind(n: usize) -> Vec<(String, Column)> {
    let many = names("label", 300);
    vec![
        (
            "f64".into(),
            Column::F64((0..n).map(|i| i as f64 / 3.0).collect()),
        ),
        (
            "f32".into(),
            Column::F32((0..n).map(|i| i as f32 / 7.0).collect()),
        ),
        (
            "i64".into(),
            Column::I64((0..n).map(|i| i as i64 - (1 << 40)).collect()),
        ),
        (
            "i32".into(),
            Column::I32((0..n).map(|i| i as i32 - 5).collect()),
        ),
        (
            "bool".into(),
            Column::Bool((0..n).map(|i| i % 3 == 0).collect()),
        ),
        (
            "text".into(),
            Column::Text((0..n).map(|i| format!("é{}", i % 4)).collect()),
        ),
        (
            "few".into(),
            Column::Categorical(Categorical {
                codes: (0..n).map(|i| i as i32 % 3 - 1).collect(),
                categories: vec!["b".into(), "a".into()],
                ordered: true,
            }),
        ),
        (
            "many".into(),
            Column::Categorical(Categorical {
                codes: (0..n).map(|i| (i % 300) as i32).collect(),
                categories: many,
                ordered: false,
            }),
        ),
    ]
}

fn write(ctx: &Context, path: &Path, shape: [usize; 2], compression: Compression) -> Result<()> {
    let [n_cells, n_genes] = shape;
    let mut obs = Table::new(names("cell", n_cells));
    obs.columns = every_kind(n_cells);
    let var = Table::new(names("gene", n_genes));
    let mut extra = Annotations::default();
    extra.obsm(
        "spatial",
        2,
        Rows::F64(Box::new(|rows, out| {
            out.extend(rows.flat_map(|r| [r as f64, -(r as f64)]));
            Ok(())
        })),
    );
    extra.uns("made_by", Value::Text("test".into()));
    data::create(
        ctx,
        path,
        &mut Pattern { n_cells, n_genes },
        Tables {
            obs: &obs,
            var: &var,
        },
        extra,
        compression,
    )
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("folder");
    for (shape, compression) in [
        ([500, 700], Compression::Gzip),
        ([41, 13], Compression::None),
        ([1, 1], Compression::Gzip),
        ([0, 4], Compression::Gzip),
        ([3, 0], Compression::None),
    ] {
        let path = folder.path().join("a.h5ad");
        let ctx = context(2);
        write(&ctx, &path, shape, compression).unwrap_or_else(|e| panic!("{shape:?}: {e}"));
        let mut file = data::open(&path, &OpenOptions::default()).expect("opened");
        assert_eq!(file.obs.columns, every_kind(shape[0]), "{shape:?}");
        assert_eq!(file.obs.index, names("cell", shape[0]));
        assert_eq!(file.var.index, names("gene", shape[1]));
        let mut block = CountBlock::default();
        for step in [7, 64, 1000] {
            for start in (0..shape[0]).step_by(step) {
                let cells = start..(start + step).min(shape[0]);
                file.counts
                    .read_cells(&ctx, cells.clone(), &mut block)
                    .expect("read");
                for cell in cells {
                    let (genes, counts) = block.row(cell - start);
                    let expected: Vec<(u32, u32)> = (0..shape[1])
                        .map(|gene| (gene as u32, pattern(cell, gene)))
                        .filter(|entry| entry.1 > 0)
                        .collect();
                    let got: Vec<(u32, u32)> =
                        genes.iter().copied().zip(counts.iter().copied()).collect();
                    assert_eq!(got, expected, "cell {cell} of {shape:?}");
                }
            }
        }
        if shape[0] > 0 {
            let coordinates = file.coordinates().expect("obsm/spatial");
            assert_eq!(coordinates.len(), shape[0]);
            assert_eq!(coordinates[shape[0] - 1][1], -((shape[0] - 1) as f64));
        }
    }
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().expect("folder");
    let mut files: Vec<Vec<u8>> = Vec::new();
    for threads in [1, 2, 3, 7] {
        let path = folder.path().join(format!("{threads}.h5ad"));
        write(&context(threads), &path, [300, 500], Compression::Gzip).expect("written");
        data::annotate(&context(threads), &path, &path, annotations(300)).expect("annotated");
        files.push(std::fs::read(&path).expect("read"));
    }
    assert!(files.windows(2).all(|pair| pair[0] == pair[1]));
}

fn annotations(n: usize) -> Annotations<'static> {
    let mut new = Annotations::default();
    for (name, column) in every_kind(n) {
        new.obs(format!("new_{name}"), column);
    }
    let integers = |rows: Range<usize>, out: &mut Vec<i64>| {
        out.extend(rows.flat_map(|r| [r as i64, 1, 2]));
        Ok(())
    };
    new.obsm(
        "weights",
        2,
        Rows::Whole(Numbers::F32((0..2 * n).map(|i| i as f32).collect())),
    )
    .obsm("whole", 3, Rows::I64(Box::new(integers)))
    .uns(
        "run",
        Value::Dict(vec![
            ("mode".into(), Value::Text("doublet".into())),
            ("sigma".into(), Value::Number(0.58)),
            ("n".into(), Value::Integer(-3)),
            ("done".into(), Value::Bool(true)),
            ("none".into(), Value::Null),
            ("types".into(), Value::Texts(vec!["A".into(), "é".into()])),
            (
                "scores".into(),
                Value::Numbers(Numbers::F64(vec![1.5, f64::NAN])),
            ),
            ("table".into(), Value::Table(Table::new(vec!["r".into()]))),
        ]),
    );
    new
}

/// Every dataset and group below `group` with its stored bytes and attributes, except those whose
/// path begins with one of `but`.
fn contents(path: &Path, but: &[&str]) -> Vec<(String, Vec<u8>, Vec<String>)> {
    fn walk(
        group: &hdf5::Group,
        bytes: &[u8],
        but: &[&str],
        out: &mut Vec<(String, Vec<u8>, Vec<String>)>,
    ) {
        let mut members = group.member_names().expect("members");
        members.sort();
        for name in members {
            let location = match group.dataset(&name) {
                Ok(dataset) => {
                    let mut stored = Vec::new();
                    let mut take = |at: u64, n: u64| {
                        stored.extend_from_slice(&bytes[at as usize..(at + n) as usize]);
                    };
                    match dataset.num_chunks() {
                        Some(n) => (0..n)
                            .map(|i| dataset.chunk_info(i).expect("chunk"))
                            .for_each(|c| take(c.addr, c.size)),
                        None => {
                            if let Some(at) = dataset.offset() {
                                take(at, dataset.storage_size());
                            }
                        }
                    }
                    (dataset.name(), stored, attributes(&dataset))
                }
                Err(_) => {
                    let inner = group.group(&name).expect("group");
                    walk(&inner, bytes, but, out);
                    (inner.name(), Vec::new(), attributes(&inner))
                }
            };
            if !but.iter().any(|prefix| location.0.starts_with(prefix)) {
                out.push(location);
            }
        }
    }
    fn attributes(location: &hdf5::Location) -> Vec<String> {
        let mut names = location.attr_names().expect("attributes");
        names.sort();
        let text = |name: &String| {
            let a = location.attr(name).expect("attribute");
            let texts = a
                .read_raw::<hdf5::types::VarLenUnicode>()
                .map(|v| format!("{v:?}"));
            let numbers = a.read_raw::<f64>().map(|v| format!("{v:?}"));
            let bools = a.read_raw::<bool>().map(|v| format!("{v:?}"));
            format!(
                "{name}: {}",
                texts.or(numbers).or(bools).unwrap_or_default()
            )
        };
        names.iter().map(text).collect()
    }
    let bytes = std::fs::read(path).expect("read");
    let file = hdf5::File::open(path).expect("opened");
    let mut out = Vec::new();
    walk(&file, &bytes, but, &mut out);
    out
}

/// Copies a file to the folder `CYTO_KEEP`, where tests/parity/formats looks at it with anndata.
fn keep_for_python(path: &Path, named_after: &Path) {
    if let Some(folder) = std::env::var_os("CYTO_KEEP") {
        let name = named_after.file_name().expect("a file");
        std::fs::copy(path, Path::new(&folder).join(name)).expect("copied");
    }
}

fn check_annotated(path: &Path, n: usize) {
    let file = data::open(path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    for (name, column) in every_kind(n) {
        assert_eq!(
            file.obs.column(&format!("new_{name}")),
            Some(&column),
            "{name}"
        );
    }
    let (_, whole) = file
        .obsm
        .iter()
        .find(|(name, _)| name == "whole")
        .expect("written");
    assert_eq!(whole.row(n - 1), [(n - 1) as f64, 1.0, 2.0]);
    assert!(file.info.members.contains(&"uns/run".to_owned()));
    let root = hdf5::File::open(path).expect("opened");
    let sigma: f64 = root
        .dataset("uns/run/sigma")
        .expect("there")
        .read_scalar()
        .expect("read");
    assert_eq!(sigma, 0.58);
}

#[test]
fn annotating_keeps_everything_else() {
    let folder = tempfile::tempdir().expect("folder");
    let own = folder.path().join("own.h5ad");
    write(&context(1), &own, [60, 40], Compression::Gzip).expect("written");
    let mut sources = vec![(own, 60)];
    if let Some(formats) = shared("golden/ooc/formats") {
        for name in [
            "full_f32",
            "csr_f32_zstd",
            "csc_u16",
            "dense_f32",
            "legacy_06",
            "legacy_07",
        ] {
            sources.push((formats.join(format!("{name}.h5ad")), 5));
        }
    }
    for (source, n) in sources {
        let legacy = source.display().to_string().contains("legacy");
        let target = folder.path().join("out.h5ad");
        let before = data::open(&source, &OpenOptions::default()).expect("opened");
        data::annotate(&context(2), &source, &target, annotations(n))
            .unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        check_annotated(&target, n);
        let new = ["/obs/new_", "/obsm/w", "/obsm", "/uns/run", "/uns"];
        let mut but: Vec<&str> = if legacy {
            vec!["/obs", "/var", "/uns"]
        } else {
            vec![]
        };
        but.extend(new);
        let keep = |all: Vec<(String, Vec<u8>, Vec<String>)>| {
            // The group obs itself has a longer column-order.
            all.into_iter()
                .filter(|e| e.0 != "/obs")
                .collect::<Vec<_>>()
        };
        let (old, new) = (keep(contents(&source, &but)), keep(contents(&target, &but)));
        assert!(old.len() >= 4, "{old:?}");
        assert!(old == new, "{}", source.display());
        let after = data::open(&target, &OpenOptions::default()).expect("opened");
        keep_for_python(&target, &source);
        // As text: NaN is not equal to itself.
        let kept = &after.obs.columns[..before.obs.columns.len()];
        assert_eq!(format!("{kept:?}"), format!("{:?}", before.obs.columns));
        assert_eq!(after.var, before.var);
    }
}

#[test]
fn a_second_annotation_replaces_the_first_in_place() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&context(1), &path, [20, 10], Compression::None).expect("written");
    for round in 0..3 {
        let mut new = Annotations::default();
        new.obs("round", Column::I32(vec![round; 20]))
            .obs("f64", Column::Text(vec!["now text".into(); 20]))
            .obsm(
                "spatial",
                1,
                Rows::Whole(Numbers::F64(vec![f64::from(round); 20])),
            )
            .uns("made_by", Value::Integer(i64::from(round)));
        data::annotate(&context(1), &path, &path, new).expect("annotated");
    }
    let file = data::open(&path, &OpenOptions::default()).expect("opened");
    assert_eq!(file.obs.column("round"), Some(&Column::I32(vec![2; 20])));
    assert_eq!(
        file.obs.columns[0].1,
        Column::Text(vec!["now text".into(); 20])
    );
    assert_eq!(file.obs.columns.len(), every_kind(20).len() + 1);
    assert_eq!(file.obsm[0].1.values, [2.0; 20]);
}

/// What is in a folder, by name, with the bytes of each file.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|e| e.expect("entry"))
        .map(|e| {
            (
                e.file_name().to_string_lossy().into_owned(),
                std::fs::read(e.path()).expect("read"),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_cancel_at_any_progress_call_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&context(1), &path, [30, 20], Compression::Gzip).expect("written");
    let before = snapshot(folder.path());
    let mut n_stopped = 0;
    for stop_at in 0.. {
        let ctx = context(2);
        let mut calls = 0;
        ctx.set_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls > stop_at {
                Flow::Cancel
            } else {
                Flow::Continue
            }
        })));
        match data::annotate(&ctx, &path, &path, annotations(30)) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
                assert!(
                    snapshot(folder.path()) == before,
                    "stopped at call {stop_at}"
                );
                n_stopped += 1;
            }
            Ok(()) => break,
        }
    }
    assert!(n_stopped > 10, "{n_stopped} calls");
    assert_eq!(snapshot(folder.path()).len(), 1);
    check_annotated(&path, 30);
    // A new file as well.
    let new = folder.path().join("new.h5ad");
    for stop_at in 0..1000 {
        let ctx = context(1);
        let mut calls = 0;
        ctx.set_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls > stop_at {
                Flow::Cancel
            } else {
                Flow::Continue
            }
        })));
        match write(&ctx, &new, [9000, 3], Compression::None) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
                assert_eq!(
                    snapshot(folder.path()).len(),
                    1,
                    "stopped at call {stop_at}"
                );
            }
            Ok(()) => break,
        }
    }
    assert!(new.exists());
}

#[test]
fn bad_annotations_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&context(1), &path, [8, 4], Compression::None).expect("written");
    let before = snapshot(folder.path());
    let short = |new: &mut Annotations<'static>| {
        new.obs("x", Column::Bool(vec![true; 7]));
    };
    let coded = |new: &mut Annotations<'static>| {
        new.obs(
            "x",
            Column::Categorical(Categorical {
                codes: vec![2; 8],
                categories: vec!["a".into()],
                ordered: false,
            }),
        );
    };
    let zero = |new: &mut Annotations<'static>| {
        new.uns("x", Value::Text("a\0b".into()));
    };
    let rows = |new: &mut Annotations<'static>| {
        new.obsm("x", 2, Rows::F32(Box::new(|_, _| Ok(()))));
    };
    type Spoil<'a> = &'a dyn Fn(&mut Annotations<'static>);
    let cases: [(&str, Spoil<'_>); 4] = [
        ("7 values; the file needs 8", &short),
        ("code 2 is none of its 1 categories", &coded),
        ("zero byte", &zero),
        ("16 are needed", &rows),
    ];
    for (words, make) in cases {
        let mut new = Annotations::default();
        make(&mut new);
        let error = data::annotate(&context(1), &path, &path, new).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains(words), "{error}");
        assert!(snapshot(folder.path()) == before);
    }
    let missing = folder.path().join("none.h5ad");
    let error = data::annotate(&context(1), &missing, &path, Annotations::default());
    assert_eq!(error.expect_err("absent").kind(), ErrorKind::NotFound);
    let nowhere = folder.path().join("no/such/folder/a.h5ad");
    let error = data::annotate(&context(1), &path, &nowhere, Annotations::default());
    assert_eq!(error.expect_err("no folder").kind(), ErrorKind::NotFound);
    std::fs::write(&missing, b"text").expect("written");
    let error = data::annotate(&context(1), &missing, &path, Annotations::default());
    assert_eq!(error.expect_err("foreign").reason(), &Reason::NotHdf5);
}

#[test]
fn a_count_beyond_a_float_is_refused() {
    struct Large;
    impl CellBlocks for Large {
        fn n_cells(&self) -> usize {
            1
        }
        fn n_genes(&self) -> usize {
            1
        }
        fn read_cells(&mut self, _: &Context, _: Range<usize>, b: &mut CountBlock) -> Result<()> {
            b.start(0);
            b.push_count(0, (1 << 24) + 1);
            b.end_row();
            Ok(())
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    let one = Table::new(vec!["a".into()]);
    let error = data::create(
        &context(1),
        &folder.path().join("a.h5ad"),
        &mut Large,
        Tables {
            obs: &one,
            var: &one,
        },
        Annotations::default(),
        Compression::None,
    )
    .expect_err("not exact");
    assert!(error.message().contains("16777217"), "{error}");
    assert!(snapshot(folder.path()).is_empty());
}
