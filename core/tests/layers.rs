//! Who may import whom (ARCHITECTURE.md), checked on every source file of the crate.
//!
//! Arrows point towards the ground floor only; systems never import each other; each foreign
//! crate that shapes the numbers or the files has one home.

use std::path::{Path, PathBuf};

/// Floors, lowest first. A module may import its own floor only where `true` says so.
const FLOORS: [(&[&str], bool); 5] = [
    (&["error", "progress"], false),
    (&["par", "context", "checkpoint"], true),
    (&["data", "linalg", "device"], false),
    (&["graph", "stats"], false),
    (
        &[
            "build_info",
            "preprocess",
            "rctd",
            "deseq",
            "perturb",
            "samap",
            "regvi",
        ],
        false,
    ),
];

/// Foreign names and the only paths (below `src`) that may say them.
const HOMES: [(&str, &[&str]); 7] = [
    ("hdf5", &["data/h5ad", "data/tenx_h5"]),
    ("hdf5_sys", &["data/h5ad/raw.rs"]),
    ("faer", &["linalg"]),
    ("rayon", &["par"]),
    ("cudarc", &["device", "gpu.rs"]),
    ("sprs", &["data", "graph"]),
    ("rand_chacha", &["par/rng.rs"]),
];

/// What `stats` and `linalg` must not touch: they see slices and numbers.
const NOT_FOR_NUMBERS: [&str; 5] = [
    "std::fs",
    "std::io",
    "std::path",
    "std::thread",
    "crate::data",
];

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a source folder can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src` with `/`, and the text without line comments.
fn sources() -> Vec<(String, String)> {
    let root = source_folder();
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .expect("below src")
                .to_string_lossy()
                .replace('\\', "/");
            let text = std::fs::read_to_string(&path).expect("readable source");
            let code: String = text
                .lines()
                .map(|line| line.split("//").next().unwrap_or(""))
                .flat_map(|line| [line, "\n"])
                .collect();
            (name, code)
        })
        .collect()
}

/// The module of the crate's top level that a file belongs to.
fn module_of(name: &str) -> &str {
    name.split('/')
        .next()
        .expect("split gives one piece")
        .trim_end_matches(".rs")
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|(names, _)| names.contains(&module))
}

/// Top-level modules named as `crate::name` or inside `use crate::{...}`.
fn imports(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let preceded = code[..at].chars().next_back();
        if preceded.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            named.extend(group_heads(group));
        } else {
            named.push(head(rest));
        }
    }
    named
}

fn head(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The first names of `{a::b, c, d::{e, f}}` after its opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (0_usize, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                heads.push(head(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

/// Why `from` may not import `to`, if so.
fn fault(from: &str, to: &str) -> Option<String> {
    let (lower, upper) = (floor_of(to)?, floor_of(from)?);
    if from == to || lower < upper || (lower == upper && FLOORS[upper].1) {
        return None;
    }
    Some(format!("{from} must not import {to}"))
}

#[test]
fn arrows_point_to_the_ground_floor() {
    let mut faults = Vec::new();
    for (name, code) in sources() {
        let from = module_of(&name);
        if from == "lib" {
            continue;
        }
        assert!(
            floor_of(from).is_some(),
            "{name}: module {from} has no floor in tests/layers.rs"
        );
        for to in imports(&code) {
            faults.extend(fault(from, &to).map(|f| format!("{name}: {f}")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn foreign_crates_stay_at_home() {
    let mut faults = Vec::new();
    for (name, code) in sources() {
        for (foreign, homes) in HOMES {
            let at_home = homes
                .iter()
                .any(|home| name.starts_with(home) || name.ends_with(home));
            if !at_home && names_crate(&code, foreign) {
                faults.push(format!("{name}: names {foreign}, whose home is {homes:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Whether the code has `foreign::` or `use foreign`, as a whole word.
fn names_crate(code: &str, foreign: &str) -> bool {
    code.match_indices(foreign).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + foreign.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || "_\"/.".contains(c));
        let inside_path = code[..at].ends_with("::");
        starts && !inside_path && (after.starts_with("::") || code[..at].ends_with("use "))
    })
}

#[test]
fn numbers_know_no_files_cells_or_threads() {
    let mut faults = Vec::new();
    for (name, code) in sources() {
        if !["stats", "linalg"].contains(&module_of(&name)) {
            continue;
        }
        for forbidden in NOT_FOR_NUMBERS {
            if code.contains(forbidden) {
                faults.push(format!("{name}: {forbidden}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_core_reads_no_environment_and_prints_nothing() {
    let mut faults = Vec::new();
    for (name, code) in sources() {
        for forbidden in ["env::var", "env::set_var", "println!", "eprintln!"] {
            if code.contains(forbidden) {
                faults.push(format!("{name}: {forbidden}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_checks_themselves_see_a_fault() {
    assert_eq!(
        imports("use crate::{error::{A, B}, par};\nlet x = crate::data::y;"),
        ["error", "par", "data"]
    );
    assert!(fault("par", "data").is_some());
    assert!(fault("rctd", "deseq").is_some());
    assert!(fault("data", "linalg").is_some());
    assert!(fault("rctd", "stats").is_none());
    assert!(fault("par", "context").is_none());
    assert!(names_crate("use faer::Mat;", "faer"));
    assert!(names_crate("let m = faer::Mat::new();", "faer"));
    assert!(!names_crate("//", "faer") && !names_crate("\"hdf5\"", "hdf5"));
}
