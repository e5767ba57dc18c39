//! A writer that is killed, or runs out of space, leaves the old file as it was.
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

mod fault;

use std::path::Path;

use cytosol::data::{
    self, Annotations, Column, Compression, CountBlock, Numbers, OpenOptions, Rows, Table, Tables,
    Value,
};
use cytosol::{Context, Reason, Result};
use fault::{SmallDisk, context, doomed, killed, leftovers};

const N_CELLS: usize = 400;

struct Ones;

impl data::CellBlocks for Ones {
    fn n_cells(&self) -> usize {
        N_CELLS
    }

    fn n_genes(&self) -> usize {
        900
    }

    fn read_cells(
        &mut self,
        _: &Context,
        cells: std::ops::Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        block.start(cells.start);
        for cell in cells {
            (0..900).for_each(|gene| block.push_count(gene, (cell as u32 * gene) % 251));
            block.end_row();
        }
        Ok(())
    }
}

fn write(path: &Path) {
    let obs = Table::new((0..N_CELLS).map(|i| format!("c{i}")).collect());
    let var = Table::new((0..900).map(|i| format!("g{i}")).collect());
    let tables = Tables {
        obs: &obs,
        var: &var,
    };
    let none = Annotations::default();
    data::create(&context(), path, &mut Ones, tables, none, Compression::None).expect("written");
}

fn annotations() -> Annotations<'static> {
    let mut new = Annotations::default();
    for k in 0..4 {
        new.obs(
            format!("column{k}"),
            Column::F64(vec![f64::from(k); N_CELLS]),
        )
        .obsm(
            format!("array{k}"),
            3,
            Rows::Whole(Numbers::F32(vec![0.5; 3 * N_CELLS])),
        )
        .uns(format!("entry{k}"), Value::Integer(i64::from(k)));
    }
    new
}

/// The killed program: a no-op unless it was started by the test below.
#[test]
fn child() {
    if let Some((ctx, path)) = doomed() {
        data::annotate(&ctx, &path, &path, annotations()).expect("annotated");
    }
}

#[test]
fn a_killed_writer_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let (mut n_killed, mut n_new) = (0, 0);
    while killed(n_killed, &path) {
        let after = std::fs::read(&path).expect("read");
        if after != before {
            // Killed in the report that follows the rename.
            data::open(&path, &OpenOptions::default()).expect("whole");
            std::fs::write(&path, &before).expect("restored");
            n_new += 1;
        }
        assert!(
            leftovers(folder.path()).len() <= 1,
            "killed at call {n_killed}"
        );
        for path in leftovers(folder.path()) {
            std::fs::remove_file(path).expect("removed");
        }
        n_killed += 1;
    }
    assert!(n_killed >= 15, "{n_killed} kills");
    assert_eq!(n_new, 1, "one report follows the rename");
    assert!(leftovers(folder.path()).is_empty());
    let file = data::open(&path, &OpenOptions::default()).expect("opened");
    assert_eq!(
        file.obs.column("column3"),
        Some(&Column::F64(vec![3.0; N_CELLS]))
    );
}

#[test]
fn a_full_disk_is_seen_beforehand() {
    let Some(disk) = SmallDisk::mount("4m") else {
        return;
    };
    let path = disk.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let error = data::annotate(&context(), &path, &path, annotations()).expect_err("too large");
    assert_eq!(error.reason(), &Reason::DiskFull, "{error}");
    assert!(error.message().contains("are needed"), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), before);
    assert!(leftovers(disk.path()).is_empty());
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_the_old_file() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let path = disk.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    for fill_at in [0, 1, 3, 6, 9] {
        let ctx = disk.filling_up(fill_at);
        let error = data::annotate(&ctx, &path, &path, annotations()).expect_err("full");
        assert_eq!(
            error.reason(),
            &Reason::DiskFull,
            "filled at call {fill_at}: {error}"
        );
        assert_eq!(std::fs::read(&path).expect("read"), before);
        assert!(leftovers(disk.path()).is_empty());
        std::fs::remove_file(disk.path().join("filler")).expect("removed");
    }
    data::annotate(&context(), &path, &path, annotations()).expect("annotated");
}

/// 320 MB on which files can share blocks.
fn disk_that_shares(image: &Path) -> Option<SmallDisk> {
    let file = std::fs::File::create(image).expect("created");
    file.set_len(320 << 20).expect("set");
    let made = std::process::Command::new("mkfs.xfs")
        .args(["-q", "-m", "reflink=1"])
        .arg(image)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIP: a file system that shares blocks cannot be made here");
        return None;
    }
    SmallDisk::mounted(&["-o", "loop", &image.to_string_lossy()])
}

#[test]
fn a_copy_that_shares_blocks_needs_no_space_for_them() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(disk) = disk_that_shares(&folder.path().join("image")) else {
        return;
    };
    let (path, copy) = (disk.path().join("a.h5ad"), disk.path().join("b.h5ad"));
    write(&path);
    // Padding behind the end of an HDF5 file is no part of it.
    let file = std::fs::OpenOptions::new().append(true).open(&path);
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(7), 140 << 20),
        &mut file.expect("opened"),
    )
    .expect("padded");
    let before = std::fs::read(&path).expect("read");
    data::annotate(&context(), &path, &copy, annotations()).expect("annotated");
    assert_eq!(std::fs::read(&path).expect("read"), before);
    let file = data::open(&copy, &OpenOptions::default()).expect("opened");
    assert!(file.obs.column("column3").is_some());
    assert!(leftovers(disk.path()).is_empty());
}
