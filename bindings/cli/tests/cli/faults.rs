//! Bad input: one line that says where, what and what would be right; nothing is written.

use std::path::Path;
use std::process::Command;

use crate::lab::{failure, names, pixels, reference, run, scratch, sensible, spatial, two_types};

/// The message of a run on these inputs, after checking that nothing was written.
fn refused(spatial: &Path, reference: &Path, options: &[&str]) -> String {
    let folder = scratch();
    let output = folder.path().join("out.h5ad");
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
    assert!(
        names(folder.path()).is_empty(),
        "{:?}",
        names(folder.path())
    );
    message
}

/// Two folders in a scratch folder, sensible unless changed.
struct Inputs {
    folder: tempfile::TempDir,
}

impl Inputs {
    fn new() -> Self {
        let inputs = Inputs { folder: scratch() };
        two_types(&inputs.reference(), "gene", 30);
        pixels(&inputs.spatial(), "gene", &sensible);
        inputs
    }

    fn spatial(&self) -> std::path::PathBuf {
        self.folder.path().join("spatial")
    }

    fn reference(&self) -> std::path::PathBuf {
        self.folder.path().join("reference")
    }

    fn refused(&self, options: &[&str]) -> String {
        refused(&self.spatial(), &self.reference(), options)
    }
}

#[test]
fn a_missing_column_names_those_there_are() {
    let message = refused(&spatial(), &reference(), &["--cell-type-col", "celltype"]);
    assert!(message.contains("did you mean \"cell_type\""), "{message}");
}

#[test]
fn no_common_genes_shows_three_from_each_side() {
    let inputs = Inputs::new();
    two_types(&inputs.reference(), "ENS", 30);
    let message = inputs.refused(&[]);
    for name in ["gene0", "gene1", "gene2", "ENS0", "ENS1", "ENS2"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn too_few_types_left_says_which_were_dropped() {
    let inputs = Inputs::new();
    two_types(&inputs.reference(), "gene", 10);
    let message = inputs.refused(&[]);
    assert!(message.contains('B') && message.contains("25"), "{message}");
}

#[test]
fn no_pixels_left_says_which_filter_took_how_many() {
    let message = Inputs::new().refused(&["--umi-min", "1000000"]);
    assert!(
        message.contains("40 have nUMI < umi_min = 1000000"),
        "{message}"
    );
}

#[test]
fn no_pixel_for_sigma_says_the_current_value() {
    let inputs = Inputs::new();
    pixels(&inputs.spatial(), "gene", &|gene, pixel| {
        (sensible(gene, pixel).parse::<u32>().expect("a number") / 5).to_string()
    });
    let message = inputs.refused(&["--counts-min", "1", "--umi-min", "50"]);
    assert!(
        message.contains("umi_min_sigma") && message.contains("300"),
        "{message}"
    );
}

#[test]
fn values_that_are_no_counts_are_named_with_pixel_and_gene() {
    let inputs = Inputs::new();
    for value in ["-1", "0.5", "nan"] {
        pixels(&inputs.spatial(), "gene", &|gene, pixel| {
            if (gene, pixel) == (3, 5) {
                value.to_owned()
            } else {
                sensible(gene, pixel)
            }
        });
        let message = inputs.refused(&[]);
        assert!(
            (message.contains("gene3") && message.contains("pixel5")) || message.contains("line"),
            "{message}"
        );
    }
}

#[test]
fn truncated_and_foreign_files_are_refused_before_any_work() {
    let folder = scratch();
    let whole = std::fs::read(spatial()).expect("read");
    let cut = folder.path().join("cut.h5ad");
    std::fs::write(&cut, &whole[..whole.len() * 2 / 3]).expect("written");
    assert!(refused(&cut, &reference(), &[]).starts_with("spatial: "));
    std::fs::write(&cut, b"barcode,x,y\n").expect("written");
    assert!(refused(&spatial(), &cut, &[]).starts_with("reference: "));
}

#[test]
fn zarr_stores_are_refused_with_the_way_out() {
    let folder = scratch();
    let store = folder.path().join("data.zarr");
    std::fs::create_dir(&store).expect("made");
    std::fs::write(store.join(".zgroup"), b"{}").expect("written");
    assert!(refused(&store, &reference(), &[]).contains("write the data to an .h5ad file"));
}

#[test]
fn a_class_table_must_name_every_type() {
    let folder = scratch();
    let table = folder.path().join("classes.tsv");
    std::fs::write(&table, "cell_type\tclass\nAstrocyte\tglia\n").expect("written");
    let table = table.to_string_lossy().into_owned();
    let message = refused(&spatial(), &reference(), &["--class-df", &table]);
    assert!(message.contains("Endothelial"), "{message}");
}

#[test]
fn a_file_system_that_takes_no_more_gives_an_error_and_nothing_half_written() {
    // A limit on the size of files stands for a full disk: 10 KB stops the first part, 100 KB
    // stops the output.
    for blocks in ["20", "200"] {
        let folder = scratch();
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", blocks])
            .arg(env!("CARGO_BIN_EXE_cyto"))
            .args(["rctd", "run", "--json", "-o"])
            .arg(folder.path().join("out.h5ad"))
            .args([spatial(), reference()])
            .output()
            .expect("a shell");
        let message = failure(&output);
        assert!(message.contains("out.h5ad"), "{blocks}: {message}");
        assert!(
            names(folder.path()).is_empty(),
            "{:?}",
            names(folder.path())
        );
    }
}
