//! The same matrix in another layout, chunking or compression.
//!
//! # Cost
//! One pass to count and one to write; turning CSR to CSC or back adds the transposition.

use std::path::Path;

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::writer::codec::Codec;
use crate::data::h5ad::writer::edit::{Place, write_source};
use crate::data::h5ad::writer::matrix::{CHUNK, Form, written};
use crate::data::h5ad::writer::members::Selection;
use crate::data::rows::{ReadOptions, SelectedRows};
use crate::data::transpose::transpose;
use crate::data::{Annotations, MatrixLayout, NumberKind};
use crate::error::{Error, Result};

use super::{MatrixChoice, Output};

/// Options of [`convert_file`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Layout of the result; that of the input where it is absent.
    pub layout: Option<MatrixLayout>,
    /// Elements of a chunk of a sparse matrix. Default 65,536.
    pub chunk: usize,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// How rows are read.
    pub read: ReadOptions,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        ConvertOptions {
            layout: None,
            chunk: CHUNK,
            layer: None,
            read: ReadOptions::default(),
        }
    }
}

/// Writes a file's matrix in another layout, chunking or compression.
///
/// The result is canonical: indices ascend, duplicates are summed, no zeros are stored.
///
/// # Errors
/// `InvalidArgument` for options; errors of the source; `Io`. The target is then as it was.
pub fn convert_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    options: &ConvertOptions,
) -> Result<()> {
    if !(64..=1 << 24).contains(&options.chunk) {
        return Err(Error::argument(
            "chunk",
            format!("{} must be 64 to 16777216", options.chunk),
        ));
    }
    let file = H5adFile::open(input)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let info = file.matrix_info(&name)?;
    let layout = options.layout.unwrap_or(info.layout);
    let kind = written(info.kind);
    let [n, g] = info.shape;
    let bytes = match layout {
        MatrixLayout::Csr | MatrixLayout::Csc => info.n_entries * (4 + kind.size() as u64),
        MatrixLayout::Dense => (n * g * kind.size()) as u64,
        other => {
            return Err(Error::argument(
                "layout",
                format!("{:?} is not one of csr, csc, dense", other.name()),
            ));
        }
    };
    let rewriter = output.begin(ctx, &file, bytes)?;
    rewriter.carry(Selection::default(), &[&name])?;
    let stored = file.matrix(&name)?;
    let codec = match output.codec() {
        Some(codec) => codec,
        None => Codec::like(&file.values_of(&name, &stored)?),
    };
    drop(stored);
    let form = |kind| Form {
        kind,
        chunk: options.chunk,
        codec,
    };
    let forms = [form(NumberKind::I32), form(kind)];
    let place = Place {
        ctx,
        elements: rewriter.elements,
        to: rewriter.root(),
        path: &name,
    };
    let rows = file.rows(ctx, &name, output.folder())?;
    if layout == MatrixLayout::Csc {
        let canonical = SelectedRows::new(&*rows, None, None, options.read)?;
        let genes = transpose(ctx, &canonical, output.folder(), &name)?;
        write_source(place, &genes, layout, forms, options.read)?;
    } else {
        write_source(place, &*rows, layout, forms, options.read)?;
    }
    rewriter.annotate(Annotations::default(), file.shape()?)?;
    rewriter.commit()
}
