//! `cyto rctd validate`.

use crate::lab::{
    MtxFolder, failure, numbered, pixels, reference, run, scratch, sensible, spatial, success,
    two_types,
};

#[test]
fn fitting_inputs_pass() {
    let (spatial, reference) = (spatial(), reference());
    let json = success(&run(&[
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
    ]));
    assert_eq!(json["status"], "pass", "{json}");
    let checks = json["checks"].as_object().expect("checks");
    assert_eq!(checks.len(), 6);
    assert!(checks.values().all(|check| check["pass"] == true));
    assert_eq!(json["estimates"]["n_pixels"], 200);
    assert_eq!(json["estimates"]["n_genes"], 800);
    assert_eq!(json["estimates"]["n_cell_types"], 10);
}

#[test]
fn a_missing_column_fails_with_the_names_there_are() {
    let (spatial, reference) = (spatial(), reference());
    let arguments: [&dyn AsRef<std::ffi::OsStr>; 7] = [
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
        &"--cell-type-col",
        &"celltype",
    ];
    let json = success(&run(&arguments));
    assert_eq!(json["status"], "fail");
    let check = &json["checks"]["cell_type_col_exists"];
    assert_eq!(check["pass"], false);
    assert!(
        check["detail"]
            .as_str()
            .expect("words")
            .contains("\"cell_type\"")
    );
    let mut strict = arguments.to_vec();
    strict.push(&"--strict");
    assert_eq!(run(&strict).status.code(), Some(2));
}

#[test]
fn rare_types_and_dark_pixels_are_warned_of() {
    let folder = scratch();
    let (spatial, reference) = (
        folder.path().join("spatial"),
        folder.path().join("reference"),
    );
    two_types(&reference, "gene", 10);
    pixels(&spatial, "gene", &|gene, pixel| {
        if pixel < 25 {
            "0".to_owned()
        } else {
            sensible(gene, pixel)
        }
    });
    let json = success(&run(&[
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
    ]));
    assert_eq!(json["status"], "fail");
    assert_eq!(json["checks"]["min_cell_types"]["pass"], false);
    assert_eq!(json["checks"]["pixel_count_after_filter"]["pass"], true);
    assert_eq!(json["estimates"]["n_pixels"], 15);
    let warnings = json["warnings"].to_string();
    assert!(warnings.contains("B (10)"), "{warnings}");
    assert!(warnings.contains("over half of the pixels"), "{warnings}");
}

#[test]
fn genes_of_two_worlds_are_shown_from_both_sides() {
    let folder = scratch();
    let (spatial, reference) = (
        folder.path().join("spatial"),
        folder.path().join("reference"),
    );
    two_types(&reference, "ENS", 30);
    pixels(&spatial, "gene", &sensible);
    let json = success(&run(&[
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
    ]));
    let detail = json["checks"]["gene_overlap"]["detail"].to_string();
    for name in ["gene0", "gene1", "gene2", "ENS0", "ENS1", "ENS2"] {
        assert!(detail.contains(name), "{detail}");
    }
}

#[test]
fn a_cell_without_a_type_fails() {
    let folder = scratch();
    let reference = folder.path().join("reference");
    let cells = numbered("cell", 60);
    let rows = cells.iter().enumerate();
    let label = |i: usize| ["A", "B", ""][if i == 7 { 2 } else { i % 2 }];
    MtxFolder {
        genes: numbered("gene", 60),
        table: (
            "cells.csv",
            "barcode,cell_type",
            rows.map(|(i, cell)| format!("{cell},{}", label(i)))
                .collect(),
        ),
        count: &|_, _| "5".to_owned(),
        cells: cells.clone(),
    }
    .write(&reference);
    let spatial = folder.path().join("spatial");
    pixels(&spatial, "gene", &sensible);
    let json = success(&run(&[
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
    ]));
    let detail = json["checks"]["cell_type_col_exists"]["detail"].to_string();
    assert!(
        detail.contains("cell7") && detail.contains("1 of 60"),
        "{detail}"
    );
}

#[test]
fn unreadable_inputs_fail_their_check_only() {
    let reference = reference();
    let json = success(&run(&[
        &"rctd",
        &"validate",
        &"absent.h5ad",
        &reference,
        &"--json",
    ]));
    assert_eq!(json["checks"]["spatial_readable"]["pass"], false);
    assert_eq!(json["checks"]["reference_readable"]["pass"], true);
    assert_eq!(json["checks"]["min_cell_types"]["pass"], true);
    assert_eq!(json["checks"]["gene_overlap"]["pass"], false);
}

#[test]
fn a_table_is_refused_here_too() {
    let (spatial, reference) = (spatial(), reference());
    let output = run(&[
        &"rctd",
        &"validate",
        &spatial,
        &reference,
        &"--json",
        &"--table",
        &"t",
    ]);
    assert!(failure(&output).contains("zarr"));
}
