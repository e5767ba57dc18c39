//! Interrupted runs: kill -9 and go on, Ctrl-C and nothing left.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{cyto, failure, large_tissue, names, reference, run, scratch, spatial, success};

const PARTS: &str = ".out.h5ad.cyto-partial";

fn start(output: &Path, more: &[&str]) -> Command {
    let mut command = cyto();
    command
        .args(["rctd", "run"])
        .args([
            large_tissue().join("spatial.h5ad"),
            large_tissue().join("reference.h5ad"),
        ])
        .arg("-o")
        .arg(output)
        .args([
            "--json",
            "-q",
            "--threads",
            "1",
            "--batch-size",
            "5",
            "--sigma-override",
            "30",
        ])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits until the run has finished some parts.
fn wait_for_parts(folder: &Path, child: &mut Child, n: usize) {
    let begun = Instant::now();
    loop {
        let mut parts = Vec::new();
        if folder.join(PARTS).exists() {
            parts = names(&folder.join(PARTS));
        }
        if parts.iter().filter(|p| p.starts_with("part-")).count() >= n {
            return;
        }
        assert!(
            child.try_wait().expect("a child").is_none(),
            "the run ended before it could be stopped"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "no part appears"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let (whole, killed) = (scratch(), scratch());
    let (fresh, resumed) = (
        whole.path().join("out.h5ad"),
        killed.path().join("out.h5ad"),
    );
    let report = success(&start(&fresh, &["--resume"]).output().expect("started"));
    assert_eq!(report["results"]["n_parts"], 400);
    assert_eq!(report["results"]["n_parts_resumed"], 0);

    let mut child = start(&resumed, &[]).spawn().expect("started");
    wait_for_parts(killed.path(), &mut child, 3);
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(!resumed.exists(), "no output before the end");

    let other = start(&resumed, &["--resume", "--doublet-threshold", "21"]);
    let message = failure(&{ other }.output().expect("started"));
    assert!(message.contains("start afresh"), "{message}");

    let report = success(&start(&resumed, &["--resume"]).output().expect("started"));
    let n_resumed = report["results"]["n_parts_resumed"]
        .as_u64()
        .expect("a number");
    assert!(n_resumed >= 3, "{n_resumed} parts were reused");
    let (fresh, resumed) = (
        std::fs::read(fresh).expect("read"),
        std::fs::read(resumed).expect("read"),
    );
    assert!(fresh == resumed, "the outputs differ");
    assert_eq!(names(killed.path()), ["out.h5ad"]);
}

#[test]
fn threads_and_batches_do_not_change_the_output() {
    let folder = scratch();
    let mut outputs = Vec::new();
    for (threads, batch) in [("1", "10000"), ("2", "7"), ("3", "64")] {
        let output = folder.path().join("out.h5ad");
        let result = run(&[
            &"rctd",
            &"run",
            &spatial(),
            &reference(),
            &"-o",
            &output,
            &"-q",
            &"--sigma-override",
            &"30",
            &"--threads",
            &threads,
            &"--batch-size",
            &batch,
            &"--mode",
            &"multi",
        ]);
        assert!(result.status.success(), "{result:?}");
        outputs.push(std::fs::read(&output).expect("read"));
    }
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
}

#[test]
fn ctrl_c_leaves_nothing() {
    let folder = scratch();
    let output = folder.path().join("out.h5ad");
    let mut child = start(&output, &[]).spawn().expect("started");
    wait_for_parts(folder.path(), &mut child, 2);
    interrupt(&child);
    let begun = Instant::now();
    let result = child.wait_with_output().expect("gone");
    assert_eq!(result.status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2));
    let json: serde_json::Value = serde_json::from_slice(&result.stdout).expect("JSON");
    assert_eq!(json["kind"], "Cancelled");
    assert!(
        names(folder.path()).is_empty(),
        "{:?}",
        names(folder.path())
    );
}

#[test]
fn ctrl_c_keeps_the_parts_when_resuming_was_asked_for() {
    let folder = scratch();
    let output = folder.path().join("out.h5ad");
    let mut child = start(&output, &["--resume"]).spawn().expect("started");
    wait_for_parts(folder.path(), &mut child, 2);
    interrupt(&child);
    assert_eq!(child.wait().expect("gone").code(), Some(130));
    assert_eq!(names(folder.path()), [PARTS]);
}

fn interrupt(child: &Child) {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -INT {}", child.id()))
        .status()
        .expect("a shell");
    assert!(status.success());
}
