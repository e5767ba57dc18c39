//! `cyto info`.

use crate::lab::{failure, run, scratch, spatial, success};

#[test]
fn the_build_is_described() {
    let json = success(&run(&[&"info", &"--json"]));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["hdf5_version"].is_string());
    assert_eq!(json["cuda_available"], false);
    let text = run(&[&"info"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("HDF5:"));
}

#[test]
fn a_file_is_described() {
    let spatial = spatial();
    let json = success(&run(&[&"info", &spatial, &"--json"]));
    assert_eq!(json["format"], "h5ad");
    assert_eq!(json["n_cells"], 200);
    assert_eq!(json["n_genes"], 800);
    assert_eq!(json["layout"], "csr");
    assert_eq!(json["has_coordinates"], true);
    let obs: Vec<&str> = json["obs"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert!(obs.contains(&"true_first_type"), "{obs:?}");
    let text = run(&[&"info", &spatial]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("200 cells x 800 genes"), "{text}");
}

#[test]
fn what_is_no_data_is_said() {
    let folder = scratch();
    let absent = folder.path().join("absent.h5ad");
    assert!(failure(&run(&[&"info", &absent, &"--json"])).contains("absent.h5ad"));
    let foreign = folder.path().join("foreign.h5ad");
    std::fs::write(&foreign, b"this is not HDF5 at all").expect("written");
    assert!(failure(&run(&[&"info", &foreign, &"--json"])).contains("foreign.h5ad"));
    let message = failure(&run(&[&"info", &folder.path(), &"--json"]));
    assert!(message.contains("matrix.mtx"), "{message}");
}

#[test]
fn a_truncated_file_is_said_to_be() {
    let folder = scratch();
    let whole = std::fs::read(spatial()).expect("read");
    let cut = folder.path().join("cut.h5ad");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let message = failure(&run(&[&"info", &cut, &"--json"]));
    assert!(message.contains("cut.h5ad"), "{message}");
}
