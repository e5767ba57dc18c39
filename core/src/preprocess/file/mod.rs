//! The steps of preprocessing on `.h5ad` files: read, compute, and a new file in place of the old one.
//!
//! No function changes a file: each writes a new one beside the target, which takes the target's name
//! when it is whole and on disk. The input may be the target. What a step does not touch is carried over
//! byte for byte. Readers that have the old file open keep seeing the old file.
//!
//! # Cost
//! Every step costs what its numbers cost, and one writing of the file (members that are not changed are
//! copied without being decoded).

mod aggregate;
mod annotate;
mod convert;
mod normalize;
mod pipeline;
mod subset;
mod transform;
mod validate;

use std::path::{Path, PathBuf};

pub use aggregate::aggregate_file;
pub use annotate::{
    HvgFileOptions, MaskVar, NeighborsFileOptions, PcaFileOptions, QcFileOptions, hvg_file,
    neighbors_file, pca_file, qc_file,
};
pub use convert::{ConvertOptions, convert_file};
pub use normalize::{
    Log1pFileOptions, NormalizeFileOptions, ScaleFileOptions, log1p_file, normalize_total_file,
    scale_file,
};
pub use pipeline::{PreprocessOptions, PreprocessReport, preprocess_file};
pub use subset::{filter_cells_file, filter_genes_file, subset_file};
pub use validate::{Fault, ValidateReport, validate};

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::writer::codec::Codec;
use crate::data::h5ad::writer::members::Selection;
use crate::data::h5ad::writer::rewrite::Rewriter;
use crate::data::{Annotations, Column, Compression};
use crate::error::{Error, Result};

/// Where a result goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The file that is made or replaced; it may be the input.
    pub target: PathBuf,
    /// Encoding of matrices that are written; `None`: as the input has it (none or gzip; other filters
    /// become gzip with shuffle).
    pub compression: Option<Compression>,
    /// Replace a target that has other hard links, which then keep the old content.
    pub break_hardlinks: bool,
}

impl Output {
    /// A target, everything else by default.
    pub fn to(target: impl Into<PathBuf>) -> Self {
        Output {
            target: target.into(),
            compression: None,
            break_hardlinks: false,
        }
    }

    fn codec(&self) -> Option<Codec> {
        self.compression.map(Codec::of)
    }

    fn begin<'a>(
        &'a self,
        ctx: &'a Context,
        source: &'a H5adFile,
        more: u64,
    ) -> Result<Rewriter<'a>> {
        Rewriter::begin(ctx, source, &self.target, more, self.break_hardlinks)
    }

    /// Begins a file that has everything of `source`, to which `new` will be added.
    fn begin_whole<'a>(
        &'a self,
        ctx: &'a Context,
        source: &'a H5adFile,
        new: &Annotations<'_>,
    ) -> Result<Rewriter<'a>> {
        let target = &self.target;
        let shared = Rewriter::begin_shared(ctx, source, target, new, self.break_hardlinks)?;
        if let Some(shared) = shared {
            return Ok(shared);
        }
        let rewriter = self.begin(ctx, source, 0)?;
        rewriter.carry(Selection::default(), &[])?;
        Ok(rewriter)
    }

    /// Folder for temporary files.
    fn folder(&self) -> &Path {
        folder_of(&self.target)
    }
}

/// The folder a file lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Folder for temporary files of a step that may write nothing.
fn spool_folder(output: Option<&Output>, input: &Path) -> PathBuf {
    match output {
        Some(output) => output.folder().to_path_buf(),
        None => {
            let own = folder_of(input);
            match tempfile::tempfile_in(own) {
                Ok(_) => own.to_path_buf(),
                Err(_) => std::env::temp_dir(),
            }
        }
    }
}

/// Which matrix of a file a step works on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatrixChoice {
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// `raw/X` in place of `X`.
    pub use_raw: bool,
}

impl MatrixChoice {
    /// A layer, or `X`.
    pub fn layer(layer: Option<String>) -> Self {
        MatrixChoice {
            layer,
            use_raw: false,
        }
    }

    /// Path in the file.
    ///
    /// # Errors
    /// `InvalidArgument` for a layer of raw.
    pub fn member(&self) -> Result<String> {
        match (&self.layer, self.use_raw) {
            (Some(_), true) => Err(Error::argument(
                "use_raw",
                "raw has no layers; give either a layer or use_raw",
            )),
            (Some(layer), false) => Ok(format!("layers/{layer}")),
            (None, true) => Ok("raw/X".to_owned()),
            (None, false) => Ok("X".to_owned()),
        }
    }

    /// The table of its genes.
    fn var(&self) -> &'static str {
        if self.use_raw { "raw/var" } else { "var" }
    }
}

/// Writes a file that differs by annotations only.
fn write_annotated(
    ctx: &Context,
    input: &H5adFile,
    output: &Output,
    annotations: Annotations<'_>,
) -> Result<()> {
    let sizes = input.shape()?;
    annotations.check(sizes[0], sizes[1])?;
    let rewriter = output.begin_whole(ctx, input, &annotations)?;
    rewriter.annotate(annotations, sizes)?;
    rewriter.commit()
}

/// A boolean column, by name.
fn mask(input: &H5adFile, table: &str, name: &str) -> Result<Vec<bool>> {
    match input.column(table, name)? {
        Column::Bool(values) => Ok(values),
        _ => Err(Error::argument(
            name,
            format!("{table}[{name:?}] does not hold booleans"),
        )),
    }
}
