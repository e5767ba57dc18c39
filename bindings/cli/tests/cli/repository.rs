//! Rules of the repository that no compiler checks: sizes of files, truth of the papers.

use std::path::{Path, PathBuf};

/// Longest source file allowed, in lines.
const MOST_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Source files below the root, without what is built or generated.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let skipped = ["target", "demo", "vendor", "node_modules"];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !skipped.contains(&name.as_str()) {
                sources(&path, found);
            }
        } else {
            let kinds = ["rs", "c", "cpp", "hpp", "cu", "R", "jl", "py", "sh"];
            let kind = path
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if kinds.contains(&kind.as_str()) {
                found.push(path);
            }
        }
    }
}

#[test]
fn no_source_file_is_longer_than_800_lines() {
    let mut found = Vec::new();
    sources(&root(), &mut found);
    assert!(found.len() > 40, "the walk found {} files", found.len());
    let long: Vec<String> = found
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// Names in the dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if inside {
            if let Some((name, _)) = line.split_once('=') {
                names.push(name.trim().to_owned());
            }
        }
    }
    names
}

#[test]
fn architecture_names_every_dependency_and_every_folder() {
    let text = read(&root().join("ARCHITECTURE.md"));
    for manifest in [
        "core/Cargo.toml",
        "capi/Cargo.toml",
        "bindings/cli/Cargo.toml",
    ] {
        for name in dependencies(&read(&root().join(manifest))) {
            let is_ours = name == "engine" || name == "cytosol";
            assert!(
                is_ours || text.contains(&format!("`{name}`")),
                "{manifest}: {name} has no line in ARCHITECTURE.md"
            );
        }
    }
    for entry in std::fs::read_dir(root().join("core/src")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            stem == "lib"
                || text.contains(&format!("`{stem}"))
                || text.contains(&format!("core/src/{stem}")),
            "core/src/{stem} is not in ARCHITECTURE.md"
        );
    }
}

#[test]
fn every_dependency_is_used() {
    for folder in ["core", "capi", "bindings/cli"] {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        let mut found = Vec::new();
        sources(&root().join(folder), &mut found);
        let code: String = found
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "rs"))
            .map(|path| read(path))
            .collect();
        for name in dependencies(&manifest) {
            let word = name.replace('-', "_");
            let is_named =
                code.contains(&format!("{word}::")) || code.contains(&format!("use {word}"));
            assert!(is_named, "{folder}: no source names {name}");
        }
    }
}

#[test]
fn the_readme_begins_with_the_two_commands_and_they_exist() {
    let readme = read(&root().join("README.md"));
    let makefile = read(&root().join("Makefile"));
    let (demo, test) = (readme.find("make demo"), readme.find("make test"));
    let jobs = readme.find("## Jobs").expect("a section of jobs");
    assert!(demo.is_some_and(|at| at < jobs) && test.is_some_and(|at| at < jobs));
    for target in ["\ndemo:", "\ntest:", "\nbuild:"] {
        assert!(makefile.contains(target), "{target}");
    }
    let ci = read(&root().join(".ci/run"));
    assert!(ci.contains("make test"));
}
