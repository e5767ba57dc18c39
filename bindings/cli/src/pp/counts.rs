//! Inputs of `cyto pp` that are no `.h5ad`: written as one first, beside the output, for the time of the run.

use std::path::{Path, PathBuf};

use cytosol::data::dataset::VarNames;
use cytosol::data::{
    Annotations, Compression, Format, Numbers, OpenOptions, Rows, Tables, create, detect, open,
};
use cytosol::{Context, Error, Result};
use tempfile::{Builder, TempDir};

use super::args::{CommonArgs, PpCommand};

/// The `.h5ad` that a command works on.
pub struct Counts {
    path: PathBuf,
    /// Where it lies when it was made for this run; goes with the value.
    _folder: Option<TempDir>,
}

impl Counts {
    /// The input itself, or what was made of it.
    ///
    /// # Errors
    /// As [`open`] and [`create`]; `InvalidArgument` for options that say nothing about this input.
    pub fn open(ctx: &Context, command: &PpCommand) -> Result<Self> {
        let common = command.common();
        // What cannot be told apart is for the command to judge.
        let format = detect(&common.input).unwrap_or(Format::H5ad);
        if format == Format::H5ad || matches!(command, PpCommand::Validate(_)) {
            refuse_options(common)?;
            return Ok(Counts {
                path: common.input.clone(),
                _folder: None,
            });
        }
        let output = command.output();
        if output.is_some_and(|o| o.in_place) {
            return Err(Error::argument(
                "in-place",
                format!(
                    "{} is {} and cannot become an .h5ad under its name; give -o FILE",
                    common.input.display(),
                    format.name()
                ),
            ));
        }
        let beside = match output.and_then(|o| o.output.as_deref()).map(Path::parent) {
            Some(Some(parent)) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) => PathBuf::from("."),
            None => std::env::temp_dir(),
        };
        let folder = Builder::new()
            .prefix(".cyto-pp-")
            .tempdir_in(&beside)
            .map_err(|e| Error::io(&beside, "making a temporary folder", e))?;
        let path = folder.path().join("counts.h5ad");
        write(ctx, common, format, &path)?;
        Ok(Counts {
            path,
            _folder: Some(folder),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn refuse_options(common: &CommonArgs) -> Result<()> {
    let given = [
        ("genome", common.genome.is_some()),
        ("gene-ids", common.gene_ids),
        ("all-features", common.all_features),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Error::argument(*name, "is for 10x files and folders")),
        None => Ok(()),
    }
}

fn write(ctx: &Context, common: &CommonArgs, format: Format, path: &Path) -> Result<()> {
    if format == Format::CountsCsv {
        refuse_options(common)?;
    }
    let mut options = OpenOptions::default();
    options.genome = common.genome.clone();
    options.gex_only = !common.all_features;
    if common.gene_ids {
        options.var_names = VarNames::GeneIds;
    }
    let mut dataset = open(&common.input, &options)?;
    let mut annotations = Annotations::default();
    if let Some(coords) = dataset.coordinates().filter(|_| format == Format::Visium) {
        let values = Numbers::F64(coords.into_flattened());
        annotations.obsm("spatial", 2, Rows::Whole(values));
    }
    let tables = Tables {
        obs: &dataset.obs,
        var: &dataset.var,
    };
    let counts = &mut *dataset.counts;
    create(ctx, path, counts, tables, annotations, Compression::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn opened(ctx: &Context, words: &[&str]) -> Result<Counts> {
        let words = ["cyto", "pp"].iter().chain(words);
        match Cli::try_parse_from(words).expect("parsed").command {
            Command::Pp(command) => Counts::open(ctx, &command),
            other => panic!("{other:?} is not of pp"),
        }
    }

    #[test]
    fn folders_become_files_for_the_time_of_the_run() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        for (name, text) in [
            ("genes.tsv", "id1\ta\nid2\tb\n"),
            ("barcodes.tsv", "c1\nc2\nc3\n"),
            (
                "matrix.mtx",
                "%%MatrixMarket matrix coordinate integer general\n2 3 2\n1 1 4\n2 3 5\n",
            ),
        ] {
            std::fs::write(at(name), text).expect("written");
        }
        let input = at("");
        let ctx = Context::single_threaded().expect("pool");
        let out = at("out.h5ad");
        let counts = opened(&ctx, &["qc", &input, "-o", &out, "--gene-ids"]).expect("made");
        let made = counts.path().to_path_buf();
        assert!(made.starts_with(folder.path()), "{}", made.display());
        let dataset = open(&made, &OpenOptions::default()).expect("opened");
        assert_eq!((dataset.info.n_cells, dataset.info.n_genes), (3, 2));
        assert_eq!(dataset.var.index, ["id1", "id2"]);
        // An .h5ad is used where it is, and has no use for options of 10x files.
        std::fs::copy(&made, &out).expect("copied");
        drop(counts);
        assert!(!made.exists());
        let own = opened(&ctx, &["qc", &out, "--in-place"]).expect("its own");
        assert_eq!(own.path(), Path::new(&out));
        for (words, argument) in [
            (["qc", &out, "--gene-ids"], "gene-ids"),
            (["qc", &input, "--in-place"], "in-place"),
        ] {
            let error = opened(&ctx, &words).err().expect("refused");
            assert!(error.to_string().contains(argument), "{error}");
        }
    }
}
