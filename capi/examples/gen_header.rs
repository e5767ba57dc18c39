//! Writes `include/cytosol.h` from the sources of this crate; `--check` only compares.
//!
//! Not a build script: cbindgen would then have to be vendored into every package of the bindings.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The order of the header: what a reader needs first comes first.
const SOURCES: [&str; 29] = [
    "version",
    "status",
    "error",
    "types",
    "progress",
    "context",
    "arrays",
    "matrix",
    "blocks",
    "dataset",
    "reference",
    "spatial",
    "params",
    "rctd",
    "results",
    "partial",
    "rows",
    "deseq_samples",
    "deseq",
    "deseq_steps",
    "deseq_restore",
    "deseq_results",
    "deseq_unmix",
    "deseq_counts",
    "preprocess/result",
    "preprocess/files",
    "preprocess/input",
    "preprocess/matrices",
    "preprocess/made",
];

fn main() -> ExitCode {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut check = false;
    let mut target: PathBuf = crate_dir.join("../include/cytosol.h");
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            path if !path.starts_with('-') => target = path.into(),
            other => {
                eprintln!("unknown option {other}; usage: gen_header [--check] [FILE]");
                return ExitCode::from(2);
            }
        }
    }
    let header = generate(crate_dir);
    let found = std::fs::read(&target).unwrap_or_default();
    if found == header {
        return ExitCode::SUCCESS;
    }
    if check {
        eprintln!(
            "{} differs from what the sources give; run gen_header without --check",
            target.display()
        );
        return ExitCode::FAILURE;
    }
    std::fs::write(&target, header).expect("the header's folder can be written");
    ExitCode::SUCCESS
}

fn generate(crate_dir: &Path) -> Vec<u8> {
    let mut config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml"))
        .expect("cbindgen.toml is well formed");
    let include = |name: &str| {
        std::fs::read_to_string(crate_dir.join("header").join(name))
            .expect("the fixed parts of the header are in capi/header")
    };
    config.header = Some(include("top.h"));
    config.after_includes = Some(include("after_includes.h"));
    config.trailer = Some(include("trailer.h"));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(crate_dir.join(format!("src/{name}.rs")));
    }
    let mut header = Vec::new();
    builder
        .generate()
        .expect("every signature can be written in C")
        .write(&mut header);
    header
}
