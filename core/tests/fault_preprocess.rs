//! Preprocessing that is killed, runs out of space, or may not write leaves the old file as it was;
//! matrices of more than 2^31 entries are read.
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

mod fault;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cytosol::data::h5ad::H5adFile;
use cytosol::data::rows::RowScratch;
use cytosol::data::{
    self, Annotations, Compression, OpenOptions, RowReader, Table, Tables, matrix::Csr,
};
use cytosol::preprocess::file::*;
use cytosol::preprocess::*;
use cytosol::{Context, Reason, Result};
use fault::{SmallDisk, context, doomed, killed, leftovers};

fn write(path: &Path) {
    let (n, g) = (1500, 120);
    let mut counts = Csr::new(g);
    for cell in 0..n {
        for gene in 0..g {
            if (cell * 31 + gene * 17) % 5 < 2 {
                counts.push(gene as u32, 1 + ((cell * gene) % 11) as u32);
            }
        }
        counts.end_cell();
    }
    let obs = Table::new((0..n).map(|i| format!("c{i}")).collect());
    let var = Table::new((0..g).map(|i| format!("g{i}")).collect());
    let tables = Tables {
        obs: &obs,
        var: &var,
    };
    let none = Annotations::default();
    data::create(
        &context(),
        path,
        &mut counts,
        tables,
        none,
        Compression::None,
    )
    .expect("written");
}

fn run(ctx: &Context, path: &Path) -> Result<PreprocessReport> {
    let mut options = PreprocessOptions::default();
    let mut hvg = HvgOptions::default();
    hvg.cutoffs.n_top_genes = Some(30);
    options.hvg = Some(hvg);
    let mut qc = QcOptions::default();
    qc.percent_top = vec![10];
    options.qc = Some(qc);
    let mut pca = PcaOptions::default();
    pca.n_comps = Some(10);
    options.pca = Some(pca);
    preprocess_file(ctx, path, &Output::to(path), &options)
}

/// The killed program: a no-op unless it was started by the test below.
#[test]
fn child() {
    if let Some((ctx, path)) = doomed() {
        run(&ctx, &path).expect("done");
    }
}

#[test]
fn a_killed_run_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let (mut n_killed, mut at) = (0, 0);
    while killed(at, &path) {
        if std::fs::read(&path).expect("read") != before {
            // Killed in the report that follows the rename.
            data::open(&path, &OpenOptions::default()).expect("whole");
            std::fs::write(&path, &before).expect("restored");
        }
        n_killed += 1;
        assert!(leftovers(folder.path()).len() <= 1, "killed at call {at}");
        for path in leftovers(folder.path()) {
            std::fs::remove_file(path).expect("removed");
        }
        at += 1 + at / 12;
    }
    assert!(n_killed >= 20, "{n_killed} kills");
    assert!(leftovers(folder.path()).is_empty());
    let file = H5adFile::open(&path).expect("opened");
    assert!(file.has("obsm/X_pca") && file.has("uns/log1p"));
}

#[test]
fn a_full_disk_is_seen_beforehand_or_leaves_the_old_file() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let path = disk.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 5 << 20]).expect("fits");
    let error = run(&context(), &path).expect_err("too large");
    assert_eq!(error.reason(), &Reason::DiskFull, "{error}");
    assert!(error.message().contains("are needed"), "{error}");
    std::fs::remove_file(&filler).expect("removed");
    for fill_at in [3, 6, 10, 14] {
        let ctx = disk.filling_up(fill_at);
        // What was reserved at the beginning is enough, or the old file stays.
        match run(&ctx, &path) {
            Ok(_) => {
                let file = H5adFile::open(&path).expect("opened");
                assert!(file.has("obsm/X_pca"));
            }
            Err(error) => {
                assert_eq!(
                    error.reason(),
                    &Reason::DiskFull,
                    "filled at {fill_at}: {error}"
                );
                assert_eq!(std::fs::read(&path).expect("read"), before);
            }
        }
        assert!(leftovers(disk.path()).is_empty());
        std::fs::write(&filler, []).expect("emptied");
        std::fs::write(&path, &before).expect("restored");
        std::fs::remove_file(&filler).expect("removed");
    }
    run(&context(), &path).expect("enough space");
}

#[test]
fn links_locks_and_read_only_targets() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    write(&at("a.h5ad"));
    // A symbolic link survives.
    std::os::unix::fs::symlink(at("a.h5ad"), at("link.h5ad")).expect("linked");
    run(&context(), &at("link.h5ad")).expect("done");
    assert!(at("link.h5ad").is_symlink());
    assert!(
        H5adFile::open(&at("a.h5ad"))
            .expect("opened")
            .has("obsm/X_pca")
    );
    // A hard link is refused unless asked.
    write(&at("b.h5ad"));
    std::fs::hard_link(at("b.h5ad"), at("c.h5ad")).expect("linked");
    let error = run(&context(), &at("b.h5ad")).expect_err("refused");
    assert!(error.message().contains("break_hardlinks"), "{error}");
    let mut out = Output::to(at("b.h5ad"));
    out.break_hardlinks = true;
    log1p_file(
        &context(),
        &at("b.h5ad"),
        &out,
        &Log1pFileOptions::default(),
    )
    .expect("broken");
    assert!(
        !H5adFile::open(&at("c.h5ad"))
            .expect("opened")
            .has("uns/log1p")
    );
    // A locked one is refused.
    let writer = std::fs::File::open(at("b.h5ad")).expect("opened");
    rustix::fs::flock(&writer, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    let error = run(&context(), &at("b.h5ad")).expect_err("locked");
    assert_eq!(error.reason(), &Reason::Locked);
    drop(writer);
    // A read-only one is refused before any work, whoever asks.
    std::fs::set_permissions(at("b.h5ad"), std::fs::Permissions::from_mode(0o444)).expect("set");
    let ctx = context();
    ctx.set_progress(Some(Box::new(|_| panic!("work was begun"))));
    let error = run_log1p(&ctx, &at("c.h5ad"), &at("b.h5ad")).expect_err("read-only");
    assert_eq!(error.reason(), &Reason::ReadOnly);
    assert!(leftovers(folder.path()).is_empty());
}

fn run_log1p(ctx: &Context, input: &Path, target: &Path) -> Result<Vec<String>> {
    log1p_file(
        ctx,
        input,
        &Output::to(target),
        &Log1pFileOptions::default(),
    )
}

#[test]
fn more_than_two_to_the_31_entries_are_addressed() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("large.h5ad");
    let first = (1_u64 << 31) + 10;
    // Chunks that were never written take no space: the first row is all stored zeros.
    cytosol_test_files::large(&path, first);
    let file = H5adFile::open(&path).expect("opened");
    let info = file.matrix_info("X").expect("info");
    assert_eq!(info.n_entries, first + 5);
    let ctx = context();
    let rows = file.rows(&ctx, "X", folder.path()).expect("rows");
    let pending = rows.fetch(&ctx, 1..3).expect("fetched");
    let block = pending(&mut RowScratch::default()).expect("read");
    let mut row = RowReader::default();
    row.read(&block, 0).expect("row");
    assert_eq!(row.genes, [0, 1, 2, 3, 4]);
    assert_eq!(row.values, [1.0, 2.0, 3.0, 4.0, 5.0]);
    row.read(&block, 1).expect("row");
    assert!(row.values.is_empty());
}

/// A file that only the HDF5 library itself can make.
mod cytosol_test_files {
    use std::path::Path;

    pub fn large(path: &Path, first: u64) {
        use hdf5::types::VarLenUnicode;
        use std::str::FromStr;
        // A lock would live on in the programs that other tests start meanwhile.
        let file = hdf5::File::with_options()
            .with_fapl(|access| access.file_locking(false))
            .create(path)
            .expect("created");
        let text = |s: &str| VarLenUnicode::from_str(s).expect("text");
        let set = |at: &hdf5::Location, name: &str, value: &str| {
            let attribute = at
                .new_attr::<VarLenUnicode>()
                .create(name)
                .expect("attribute");
            attribute.write_scalar(&text(value)).expect("written");
        };
        let encode = |at: &hdf5::Location, kind: &str, version: &str| {
            set(at, "encoding-type", kind);
            set(at, "encoding-version", version);
        };
        encode(&file, "anndata", "0.1.0");
        let x = file.create_group("X").expect("group");
        encode(&x, "csr_matrix", "0.1.0");
        let shape = x.new_attr::<i64>().shape(2).create("shape").expect("shape");
        shape.write_raw(&[3_i64, 6]).expect("written");
        let n = (first + 5) as usize;
        let chunk = 1 << 22;
        let data = x
            .new_dataset::<u8>()
            .chunk(chunk)
            .shape(n)
            .create("data")
            .expect("data");
        let indices = x
            .new_dataset::<i32>()
            .chunk(chunk)
            .shape(n)
            .create("indices");
        let indices = indices.expect("indices");
        let own = first as usize..n;
        data.write_slice(&[1_u8, 2, 3, 4, 5], own.clone())
            .expect("written");
        indices
            .write_slice(&[0_i32, 1, 2, 3, 4], own)
            .expect("written");
        let pointers = [0_i64, first as i64, n as i64, n as i64];
        x.new_dataset_builder()
            .with_data(&pointers)
            .create("indptr")
            .expect("indptr");
        for (name, n) in [("obs", 3), ("var", 6)] {
            let table = file.create_group(name).expect("group");
            encode(&table, "dataframe", "0.2.0");
            set(&table, "_index", "_index");
            let names: Vec<VarLenUnicode> = (0..n).map(|i| text(&format!("{name}{i}"))).collect();
            table
                .new_dataset_builder()
                .with_data(&names)
                .create("_index")
                .expect("index");
        }
        file.close().expect("closed");
    }
}
