//! A writer that is killed, or runs out of space, leaves the old file as it was.
//!
//! The killed writer is this test program itself, started again with `CYTO_KILL_AT` set: its
//! progress callback sends it SIGKILL at that call.
#![cfg(feature = "hdf5")]
// A skipped test must say so.
#![allow(clippy::print_stderr)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cytosol::data::{
    self, Annotations, Column, Compression, CountBlock, Numbers, OpenOptions, Rows, Table, Tables,
    Value,
};
use cytosol::{Context, ContextOptions, Flow, Reason, Result};

const N_CELLS: usize = 400;

fn context() -> Context {
    let mut options = ContextOptions::default();
    options.threads = 2;
    options.progress_interval = Duration::ZERO;
    Context::new(&options).expect("pool")
}

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
    let (Some(at), Some(path)) = (
        std::env::var_os("CYTO_KILL_AT"),
        std::env::var_os("CYTO_FILE"),
    ) else {
        return;
    };
    let at: usize = at.to_string_lossy().parse().expect("a number");
    let path = PathBuf::from(path);
    let ctx = context();
    let mut calls = 0;
    ctx.set_progress(Some(Box::new(move |_| {
        calls += 1;
        if calls > at {
            let me = std::process::id().to_string();
            Command::new("kill")
                .args(["-9", &me])
                .status()
                .expect("kill");
            std::thread::sleep(Duration::from_secs(60));
        }
        Flow::Continue
    })));
    data::annotate(&ctx, &path, &path, annotations()).expect("annotated");
}

#[test]
fn a_killed_writer_leaves_the_old_file() {
    let program = std::env::current_exe().expect("known");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let (mut n_killed, mut n_new) = (0, 0);
    for at in 0.. {
        let status = Command::new(&program)
            .args(["--exact", "child", "--test-threads", "1"])
            .env("CYTO_KILL_AT", at.to_string())
            .env("CYTO_FILE", &path)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .expect("started");
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(9), "killed at call {at}");
        let after = std::fs::read(&path).expect("read");
        if after != before {
            // Killed in the report that follows the rename.
            data::open(&path, &OpenOptions::default()).expect("whole");
            std::fs::write(&path, &before).expect("restored");
            n_new += 1;
        }
        n_killed += 1;
        assert!(leftovers(folder.path()) <= 1, "killed at call {at}");
        remove_leftovers(folder.path());
    }
    assert!(n_killed >= 15, "{n_killed} kills");
    assert_eq!(n_new, 1, "one report follows the rename");
    assert_eq!(leftovers(folder.path()), 0);
    let file = data::open(&path, &OpenOptions::default()).expect("opened");
    assert_eq!(
        file.obs.column("column3"),
        Some(&Column::F64(vec![3.0; N_CELLS]))
    );
}

fn temporary(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "tmp"))
        .collect()
}

fn leftovers(folder: &Path) -> usize {
    temporary(folder).len()
}

fn remove_leftovers(folder: &Path) {
    for path in temporary(folder) {
        std::fs::remove_file(path).expect("removed");
    }
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(folder));
        }
        eprintln!("SKIP: a small file system cannot be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_seen_beforehand() {
    let Some(disk) = SmallDisk::mount("4m") else {
        return;
    };
    let path = disk.0.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    let error = data::annotate(&context(), &path, &path, annotations()).expect_err("too large");
    assert_eq!(error.reason(), &Reason::DiskFull, "{error}");
    assert!(error.message().contains("are needed"), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), before);
    assert_eq!(leftovers(disk.0.path()), 0);
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_the_old_file() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let path = disk.0.path().join("a.h5ad");
    write(&path);
    let before = std::fs::read(&path).expect("read");
    for fill_at in [0, 1, 3, 6, 9] {
        let ctx = context();
        let (filler, mut calls) = (disk.0.path().join("filler"), 0);
        let fill = filler.clone();
        ctx.set_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls > fill_at && !fill.exists() {
                // Whatever fits; the last write fails.
                let _ = std::fs::write(&fill, vec![1; 64 << 20]);
            }
            Flow::Continue
        })));
        let error = data::annotate(&ctx, &path, &path, annotations()).expect_err("full");
        assert_eq!(
            error.reason(),
            &Reason::DiskFull,
            "filled at call {fill_at}: {error}"
        );
        assert_eq!(std::fs::read(&path).expect("read"), before);
        assert_eq!(leftovers(disk.0.path()), 0);
        std::fs::remove_file(&filler).expect("removed");
    }
    data::annotate(&context(), &path, &path, annotations()).expect("annotated");
}
