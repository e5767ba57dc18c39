//! What can befall a writer: it is killed, or its disk fills up.
//!
//! The killed program is the test program itself, started again by [`killed`]: it has a test named `child`
//! that works under [`doomed`], whose progress callback sends it SIGKILL at a given call.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cytosol::{Context, ContextOptions, Flow};

/// Two threads; every step is reported.
pub fn context() -> Context {
    let mut options = ContextOptions::default();
    options.threads = 2;
    options.progress_interval = Duration::ZERO;
    Context::new(&options).expect("pool")
}

/// In the program that [`killed`] starts: the context under which it dies, and its file.
pub fn doomed() -> Option<(Context, PathBuf)> {
    let at: usize = std::env::var("CYTO_KILL_AT")
        .ok()?
        .parse()
        .expect("a number");
    let path = PathBuf::from(std::env::var_os("CYTO_FILE")?);
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
    Some((ctx, path))
}

/// Runs the test `child` on a file; whether it was killed after `at` progress calls. False when it came to
/// its end before.
pub fn killed(at: usize, path: &Path) -> bool {
    let status = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "child", "--test-threads", "1"])
        .env("CYTO_KILL_AT", at.to_string())
        .env("CYTO_FILE", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("started");
    if !status.success() {
        assert_eq!(status.signal(), Some(9), "killed at call {at}");
    }
    !status.success()
}

/// Temporary files that a killed writer left.
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "tmp"))
        .collect()
}

/// A small file system in memory or in a file, unmounted when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// In memory; `None`, said aloud, where nothing can be mounted.
    pub fn mount(size: &str) -> Option<Self> {
        Self::mounted(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// What these arguments of `mount` mean.
    pub fn mounted(arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("folder");
        let mounted = Command::new("mount")
            .args(arguments)
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(folder));
        }
        eprintln!("SKIP: a small file system cannot be mounted here");
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A context after whose `fill_at`-th progress call the disk is full, by the file `filler`.
    pub fn filling_up(&self, fill_at: usize) -> Context {
        let ctx = context();
        let (fill, mut calls) = (self.path().join("filler"), 0);
        ctx.set_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls > fill_at && !fill.exists() {
                // Whatever fits; the last write fails.
                let _ = std::fs::write(&fill, vec![1; 64 << 20]);
            }
            Flow::Continue
        })));
        ctx
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
