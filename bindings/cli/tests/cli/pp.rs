//! `cyto pp`: a file through the commands, and what wrong arguments get.

use crate::lab::{failure, names, run, scratch, spatial, success};

#[test]
fn a_file_goes_through_all_steps_with_one_command_or_many() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    let whole = success(&run(&[
        &"pp",
        &"preprocess",
        &spatial(),
        &"-o",
        &at("whole.h5ad"),
        &"--json",
        &"--percent-top",
        &"10",
        &"--n-top-genes",
        &"40",
        &"--n-comps",
        &"5",
        &"--threads",
        &"2",
    ]));
    assert_eq!(whole["n_highly_variable"], 40);
    std::fs::copy(spatial(), at("steps.h5ad")).expect("copied");
    let step = |arguments: &[&str]| {
        let steps = at("steps.h5ad");
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"pp", &arguments[0], &steps];
        all.extend(
            arguments[1..]
                .iter()
                .map(|a| a as &dyn AsRef<std::ffi::OsStr>),
        );
        all.push(&"--json");
        success(&run(&all))
    };
    step(&["qc", "--in-place", "--percent-top", "10"]);
    step(&["normalize_total", "--in-place"]);
    step(&["log1p", "--in-place"]);
    let hvg = step(&["hvg", "--in-place", "--n-top-genes", "40"]);
    assert_eq!(hvg["n_highly_variable"], 40);
    let n_within = |cutoffs: &[&str]| {
        let hvg = step(&[&["hvg"], cutoffs].concat());
        hvg["n_highly_variable"].as_u64().expect("a number")
    };
    let (few, more) = (
        n_within(&[]),
        n_within(&["--min-disp", "-9", "--min-mean", "-1"]),
    );
    assert!(few < more, "cutoffs may be negative: {few}, {more}");
    let pca = step(&["pca", "--in-place", "--n-comps", "5"]);
    assert_eq!(pca["variance"].as_array().map(Vec::len), Some(5));
    step(&["neighbors", "--in-place", "--n-neighbors", "6"]);
    let report = step(&["validate"]);
    assert_eq!(report["faults"].as_array().map(Vec::len), Some(0));
    step(&[
        "convert",
        "--in-place",
        "--layout",
        "csc",
        "--compression",
        "gzip:2+shuffle",
    ]);
    let report = step(&["validate"]);
    assert_eq!(report["matrices"][0]["layout"], "csc");
    assert_eq!(names(folder.path()), ["steps.h5ad", "whole.h5ad"]);
}

#[test]
fn wrong_arguments_are_refused_before_any_work() {
    let folder = scratch();
    let out = folder.path().join("out.h5ad");
    let cases: [(&[&str], &str); 6] = [
        (&["log1p"], "output"),
        (&["filter-cells", "-o", "OUT"], "exactly one"),
        (
            &["hvg", "-o", "OUT", "--flavor", "seurat_v4"],
            "did you mean \"seurat_v3\"",
        ),
        (&["qc", "-o", "OUT", "--compression", "zip"], "compression"),
        (&["qc", "--memory-limit", "2M"], "at least 32M"),
        (
            &[
                "qc",
                "-o",
                "OUT",
                "--qc-vars",
                "mito",
                "--percent-top",
                "none",
            ],
            "mito",
        ),
    ];
    for (arguments, words) in cases {
        let spatial = spatial();
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"pp", &arguments[0], &spatial];
        for argument in &arguments[1..] {
            match *argument {
                "OUT" => all.push(&out),
                _ => all.push(argument),
            }
        }
        all.push(&"--json");
        let message = failure(&run(&all));
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(names(folder.path()).is_empty());
    }
}
