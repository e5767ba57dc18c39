//! `cyto rctd run`: outputs of every mode, their names, shapes and types.

use std::path::Path;

use cytosol::data::{Categorical, Column, Dataset, OpenOptions, open};
use serde_json::Value;

use crate::lab::{
    names, pixels, reference, run, scratch, sensible, spatial, success, tissue, two_types,
};

fn fitted(folder: &Path, options: &[&str]) -> (Value, Dataset) {
    let output = folder.join("out.h5ad");
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
    let report = success(&run(&arguments));
    let dataset = with_arrays(&output);
    (report, dataset)
}

/// A result file with its wide arrays.
fn with_arrays(path: &Path) -> Dataset {
    let mut options = OpenOptions::default();
    options.obsm = vec!["rctd_weights".to_owned()];
    open(path, &options).expect("an .h5ad file")
}

fn labels<'a>(dataset: &'a Dataset, name: &str) -> &'a Categorical {
    match dataset.obs.column(name) {
        Some(Column::Categorical(labels)) => labels,
        other => panic!("{name}: {other:?}"),
    }
}

fn array<'a>(dataset: &'a Dataset, name: &str) -> &'a cytosol::data::DenseArray {
    let found = dataset.obsm.iter().find(|(n, _)| n == name);
    &found.unwrap_or_else(|| panic!("no obsm {name}")).1
}

fn is_bool(dataset: &Dataset, name: &str) -> bool {
    matches!(dataset.obs.column(name), Some(Column::Bool(v)) if v.len() == 200)
}

#[test]
fn doublet_mode_writes_its_keys() {
    let folder = scratch();
    let (report, out) = fitted(folder.path(), &["--umi-min", "600"]);
    assert_eq!(report["status"], "success");
    assert_eq!(report["mode"], "doublet");
    let input = &report["input"];
    let kept = input["n_pixels_after_filter"].as_u64().expect("a number");
    assert_eq!(input["n_pixels_total"], 200);
    assert!(kept > 100 && kept < 200, "{kept} pixels kept");
    assert_eq!(input["n_pixels_removed"]["umi_too_low"], 200 - kept);
    assert_eq!(input["n_cell_types"], 10);
    assert_eq!(report["config"]["umi_min"], 600.0);
    for stage in [
        "load", "profiles", "create", "bulk", "sigma", "pixels", "write",
    ] {
        assert!(
            report["results"]["stage_seconds"][stage].is_number(),
            "{stage}"
        );
    }
    let counts = report["summary"]["spot_class_counts"]
        .as_object()
        .expect("counts");
    let total: u64 = counts.values().filter_map(Value::as_u64).sum();
    assert_eq!((counts.len(), total), (4, kept));
    has_doublet_keys(&out, 200 - kept);
    // What was in the file before is still there.
    assert!(out.obs.column("true_first_type").is_some() && out.coordinates().is_some());
    for member in ["mode", "config", "version", "cell_type_names"] {
        let expected = format!("uns/rctd_{member}");
        let members = &out.info.members;
        assert!(
            members.iter().any(|m| m.starts_with(&expected)),
            "{expected} in {members:?}"
        );
    }
}

fn has_doublet_keys(out: &Dataset, n_filtered: u64) {
    let classes = labels(out, "rctd_spot_class");
    assert_eq!(
        classes.categories,
        [
            "reject",
            "singlet",
            "doublet_certain",
            "doublet_uncertain",
            "filtered"
        ]
    );
    let filtered = classes.codes.iter().filter(|c| **c == 4).count() as u64;
    assert_eq!(filtered, n_filtered);
    for name in ["rctd_first_type", "rctd_second_type", "rctd_dominant_type"] {
        assert_eq!(labels(out, name).categories.len(), 11, "{name}");
    }
    assert!(is_bool(out, "rctd_first_class") && is_bool(out, "rctd_second_class"));
    assert!(out.obs.column("rctd_first_class_name").is_none());
    let (weights, pairs) = (
        array(out, "rctd_weights"),
        array(out, "rctd_weights_doublet"),
    );
    assert_eq!((weights.n_rows, weights.n_columns), (200, 10));
    assert_eq!((pairs.n_rows, pairs.n_columns), (200, 2));
    for pixel in 0..200 {
        let is_filtered = classes.codes[pixel] == 4;
        let row = weights.row(pixel);
        assert!(
            row.iter()
                .all(|w| w.is_nan() == is_filtered && (is_filtered || *w >= 0.0))
        );
        // Stored as 32-bit floats.
        assert!(row.iter().all(|w| w.is_nan() || f64::from(*w as f32) == *w));
        let sum: f64 = pairs.row(pixel).iter().sum();
        assert!(is_filtered == sum.is_nan() && (is_filtered || (sum - 1.0).abs() < 1e-6));
    }
}

#[test]
fn classes_of_types_get_their_columns() {
    let folder = scratch();
    let table = folder.path().join("classes.tsv");
    let report = success(&run(&[
        &"rctd",
        &"run",
        &spatial(),
        &reference(),
        &"--json",
        &"--mode",
        &"full",
        &"-o",
        &folder.path().join("names.h5ad"),
    ]));
    let mut lines = vec!["cell_type\tclass".to_owned()];
    for name in report["input"]["cell_type_names"]
        .as_array()
        .expect("names")
    {
        let name = name.as_str().expect("a name");
        let class = if name.ends_with("neuron") {
            "neuron"
        } else {
            "other"
        };
        lines.push(format!("{name}\t{class}"));
    }
    std::fs::write(&table, lines.join("\n")).expect("written");
    let table = table.to_string_lossy().into_owned();
    let (_, out) = fitted(
        folder.path(),
        &["--class-df", &table, "--sigma-override", "30"],
    );
    let names = labels(&out, "rctd_first_class_name");
    assert_eq!(names.categories, ["other", "neuron", "filtered"]);
    let first = labels(&out, "rctd_first_type");
    for pixel in 0..200 {
        let is_neuron = first.label(pixel).is_some_and(|n| n.ends_with("neuron"));
        assert_eq!(names.label(pixel) == Some("neuron"), is_neuron);
    }
    assert_eq!(labels(&out, "rctd_second_class_name").codes.len(), 200);
}

#[test]
fn full_mode_writes_its_keys() {
    let folder = scratch();
    let (report, out) = fitted(folder.path(), &["--mode", "full", "--sigma-override", "30"]);
    let summary = &report["summary"];
    assert!(summary["convergence_rate"].as_f64().expect("a rate") > 0.9);
    let dominant = summary["dominant_type_counts"].as_object().expect("counts");
    let total: u64 = dominant.values().filter_map(Value::as_u64).sum();
    assert_eq!(total, 200);
    assert!(is_bool(&out, "rctd_converged"));
    assert_eq!(array(&out, "rctd_weights").n_columns, 10);
    assert!(out.obs.column("rctd_spot_class").is_none());
    let right = (0..200)
        .filter(|&p| {
            labels(&out, "rctd_dominant_type").label(p) == labels(&out, "true_first_type").label(p)
        })
        .count();
    assert!(right > 170, "{right} of 200 main types are right");
}

#[test]
fn multi_mode_writes_its_keys() {
    let folder = scratch();
    let (report, out) = fitted(
        folder.path(),
        &[
            "--mode",
            "multi",
            "--max-multi-types",
            "3",
            "--sigma-override",
            "30",
        ],
    );
    let mean = report["summary"]["mean_n_types"].as_f64().expect("a mean");
    assert!((1.0..=3.0).contains(&mean), "{mean}");
    let Some(Column::I32(n_types)) = out.obs.column("rctd_n_types") else {
        panic!("rctd_n_types: {:?}", out.obs.column("rctd_n_types"));
    };
    let (weights, types) = (
        array(&out, "rctd_sub_weights"),
        array(&out, "rctd_cell_type_indices"),
    );
    assert_eq!((weights.n_columns, types.n_columns), (3, 3));
    for (pixel, &n) in n_types.iter().enumerate() {
        let chosen = types.row(pixel).iter().filter(|t| **t >= 0.0).count();
        assert_eq!(chosen, n as usize);
        assert!(types.row(pixel)[chosen..].iter().all(|t| *t == -1.0));
        assert!(weights.row(pixel)[chosen..].iter().all(|w| *w == 0.0));
        let sum: f64 = weights.row(pixel).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_given_sigma_and_order_of_types_are_used() {
    let folder = scratch();
    let order = "Oligodendrocyte,Microglia,Meningeal,L6 neuron,L5 neuron,L4 neuron,L2 neuron,\
                 Interneuron,Endothelial,Astrocyte";
    let options = [
        "--sigma-override",
        "63",
        "--mode",
        "full",
        "--type-order",
        order,
    ];
    let (report, _) = fitted(folder.path(), &options);
    assert_eq!(report["results"]["sigma"], 63);
    assert_eq!(report["input"]["cell_type_names"][0], "Oligodendrocyte");
}

#[test]
fn tables_and_picture_are_written_on_request() {
    let folder = scratch();
    let (csv, picture) = (folder.path().join("csv"), folder.path().join("map.svg"));
    let (csv_text, picture_text) = (
        csv.to_string_lossy().into_owned(),
        picture.to_string_lossy().into_owned(),
    );
    let (_, out) = fitted(
        folder.path(),
        &[
            "--csv",
            &csv_text,
            "--picture",
            &picture_text,
            "--batch-size",
            "30",
        ],
    );
    assert_eq!(
        names(&csv),
        ["results_df.csv", "weights.csv", "weights_doublet.csv"]
    );
    let text = std::fs::read_to_string(csv.join("results_df.csv")).expect("read");
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(
            ",spot_class,first_type,second_type,first_class,second_class,min_score,\
             singlet_score,conv_all,conv_doublet"
        )
    );
    for (pixel, line) in lines.clone().enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], out.obs.index[pixel]);
        assert_eq!(
            labels(&out, "rctd_spot_class").label(pixel),
            Some(fields[1])
        );
    }
    assert_eq!(lines.count(), 200);
    let text = std::fs::read_to_string(csv.join("weights.csv")).expect("read");
    let line = text.lines().nth(17).expect("a row");
    for (field, stored) in line
        .split(',')
        .skip(1)
        .zip(array(&out, "rctd_weights").row(16))
    {
        let value: f64 = field.parse().expect("a number");
        assert!(value as f32 == *stored as f32, "{value} and {stored}");
    }
    let picture = std::fs::read_to_string(picture).expect("read");
    assert!(picture.contains("Oligodendrocyte"));
}

#[test]
fn folders_of_text_become_a_whole_h5ad() {
    let folder = scratch();
    let (spatial, reference) = (folder.path().join("tissue"), folder.path().join("cells"));
    two_types(&reference, "gene", 30);
    pixels(&spatial, "gene", &sensible);
    let report = success(&run(&[
        &"rctd",
        &"run",
        &spatial,
        &reference,
        &"--json",
        &"--fc-cutoff-reg",
        &"0.5",
    ]));
    let output = folder.path().join("tissue_rctd.h5ad");
    assert_eq!(report["output_path"], output.to_string_lossy().as_ref());
    let out = with_arrays(&output);
    assert_eq!((out.info.n_cells, out.info.n_genes), (40, 60));
    assert_eq!(out.var.index[3], "gene3");
    assert_eq!(out.obs.index[39], "pixel39");
    assert!(out.coordinates().is_some());
    let types = labels(&out, "rctd_first_type");
    assert_eq!((types.label(0), types.label(1)), (Some("A"), Some("B")));
    // The counts came along: the same run on the output gives the same calls.
    let again = folder.path().join("again.h5ad");
    success(&run(&[
        &"rctd",
        &"run",
        &output,
        &reference,
        &"--json",
        &"--fc-cutoff-reg",
        &"0.5",
        &"-o",
        &again,
    ]));
    let again = with_arrays(&again);
    assert_eq!(labels(&again, "rctd_first_type"), types);
    assert_eq!(array(&again, "rctd_weights"), array(&out, "rctd_weights"));
}

#[test]
fn people_get_a_table_and_the_input_stays_as_it_was() {
    let folder = scratch();
    let before = std::fs::read(spatial()).expect("read");
    let output = folder.path().join("out.h5ad");
    let result = run(&[&"rctd", &"run", &spatial(), &reference(), &"-o", &output]);
    assert!(result.status.success());
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    for words in [
        "200 of 200 pixels",
        "doublet_certain",
        "Oligodendrocyte",
        "out.h5ad",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert!(before == std::fs::read(spatial()).expect("read"));
    assert_eq!(names(tissue()), ["reference.h5ad", "spatial.h5ad"]);
}

#[test]
fn the_demo_recovers_its_truth() {
    let folder = scratch();
    let result = run(&[
        &"demo",
        &"--pixels",
        &"300",
        &"--out",
        &folder.path(),
        &"-q",
    ]);
    assert!(result.status.success(), "{result:?}");
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert!(text.contains("agreement with the truth"), "{text}");
    assert_eq!(
        names(folder.path()),
        [
            "agreement.json",
            "reference.h5ad",
            "result.h5ad",
            "spatial.h5ad",
            "tissue.png"
        ]
    );
}
