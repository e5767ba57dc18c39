//! Options that cannot act are refused with words, not ignored.

use crate::lab::{failure, names, reference, run, scratch, spatial};

fn refused(options: &[&str]) -> String {
    let folder = scratch();
    let output = folder.path().join("out.h5ad");
    let (spatial, reference) = (spatial(), reference());
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"rctd", &"run", &spatial];
    arguments.extend([
        &reference as &dyn AsRef<std::ffi::OsStr>,
        &"--json",
        &"-o",
        &output,
    ]);
    for option in options {
        arguments.push(option);
    }
    let message = failure(&run(&arguments));
    assert!(names(folder.path()).is_empty(), "nothing is written");
    message
}

#[test]
fn float32_is_refused() {
    let message = refused(&["--dtype", "float32"]);
    assert!(message.starts_with("dtype:") && message.contains("use float64"));
}

#[test]
fn cuda_is_refused() {
    let message = refused(&["--device", "cuda"]);
    assert!(message.contains("\"cpu\" or \"auto\""), "{message}");
    assert!(refused(&["--device", "tpu"]).contains("use auto, cpu or cuda"));
}

#[test]
fn a_table_is_refused() {
    let message = refused(&["--table", "spots"]);
    assert!(message.contains("zarr input cannot be read"), "{message}");
}

#[test]
fn an_eigenvalue_threshold_is_refused() {
    assert!(refused(&["--eigh-threshold", "16"]).starts_with("eigh-threshold:"));
}

#[test]
fn wrong_values_name_the_option() {
    assert!(refused(&["--mode", "triple"]).contains("\"multi\""));
    assert!(refused(&["--batch-size", "0"]).starts_with("batch-size:"));
    assert!(refused(&["--umi-min", "-3"]).starts_with("umi_min:"));
    assert!(refused(&["--umi-min", "300", "--umi-max", "200"]).contains("umi_max = 200"));
    assert!(refused(&["--picture", "map.gif"]).contains("use .png or .svg"));
    assert!(refused(&["--threads", "100000"]).starts_with("threads:"));
}

#[test]
fn what_happens_anyway_may_be_asked_for() {
    let folder = scratch();
    let (spatial, reference) = (spatial(), reference());
    let output = folder.path().join("out.h5ad");
    let result = run(&[
        &"rctd",
        &"run",
        &spatial,
        &reference,
        &"-o",
        &output,
        &"--mode",
        &"full",
        &"--dtype",
        &"float64",
        &"--device",
        &"auto",
        &"--no-compile",
        &"-q",
    ]);
    assert!(result.status.success(), "{result:?}");
    assert!(result.stderr.is_empty(), "quiet");
    assert_eq!(names(folder.path()), ["out.h5ad"]);
}

#[test]
fn the_output_may_not_be_an_input() {
    let (spatial, reference) = (spatial(), reference());
    for input in [&spatial, &reference] {
        let result = run(&[
            &"rctd", &"run", &spatial, &reference, &"--json", &"-o", input,
        ]);
        assert!(failure(&result).contains("give it another name"));
    }
}

#[test]
fn an_output_folder_that_is_not_there_is_noticed_before_the_work() {
    let folder = scratch();
    let output = folder.path().join("absent").join("out.h5ad");
    let (spatial, reference) = (spatial(), reference());
    let result = run(&[
        &"rctd", &"run", &spatial, &reference, &"--json", &"-o", &output,
    ]);
    let message = failure(&result);
    assert!(message.contains("absent"), "{message}");
}
