//! `normalize_total`, `log1p` and `scale` of a file's matrix.
//!
//! # Cost
//! One pass to sum, one to write. Memory: 16 bytes a cell; `scale` 40 bytes a gene.
//!
//! # Source
//! scanpy 1.11.5: what is written besides the matrix, and in which types.

use std::path::Path;
use std::sync::Arc;

use crate::context::Context;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::writer::edit::{EditPlan, Place, edit_matrix, write_dense};
use crate::data::h5ad::writer::members::Selection;
use crate::data::rows::{ReadOptions, RowSource};
use crate::data::write::Value;
use crate::data::{Annotations, Column, MatrixLayout, NumberKind};
use crate::error::{Error, ErrorKind, Result};

use super::super::counts::{CountPlan, Seen, count};
use super::super::normalize::{NormalizeOptions, SizeFactors, size_factors};
use super::super::scale::{ScaleInput, ScaleOptions, ScaleStats, Scaler, scale_stats};
use super::super::transform::{Precision, Transform, float_precision};
use super::transform::{ScaleEdit, TransformEdit, stored_kind};
use super::{MatrixChoice, Output};

/// Options of [`normalize_total_file`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NormalizeFileOptions {
    /// The size factors.
    pub normalize: NormalizeOptions,
    /// Column of `obs` that gets the factors.
    pub key_added: Option<String>,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
}

/// Divides every cell of a file's matrix by its size factor.
///
/// Integers become 32-bit floats. The layout stays.
///
/// # Errors
/// As [`size_factors`]; `Io` (reasons `ReadOnly`, `DiskFull`, `Locked`). The target is then as it was.
pub fn normalize_total_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    options: &NormalizeFileOptions,
) -> Result<SizeFactors> {
    options.normalize.check()?;
    let file = H5adFile::open(input)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let info = file.matrix_info(&name)?;
    let rewriter = output.begin(ctx, &file, grown(info.n_entries, info.kind))?;
    let (sizes, seen) = {
        let rows = file.rows(ctx, &name, output.folder())?;
        let plan = CountPlan {
            read: options.normalize.read,
            ..CountPlan::default()
        };
        let sums = count(ctx, &*rows, &plan, "totals")?;
        let totals: Vec<f64> = sums.cells.iter().map(|cell| cell.total).collect();
        let sizes = factors_of(ctx, &*rows, info.layout, &totals, &options.normalize)?;
        (sizes, sums.seen)
    };
    let transform = Transform {
        precision: sizes.precision,
        factors: Some(Arc::new(sizes.factors.clone())),
        log: false,
        base: None,
    };
    rewriter.carry(Selection::default(), &[&name])?;
    let plan = EditPlan {
        kind: Some(stored_kind(sizes.precision)),
        canonical: seen.n_merged > 0,
        codec: output.codec(),
        is_checked: true,
        read: options.normalize.read,
        ..EditPlan::default()
    };
    let place = Place {
        ctx,
        elements: rewriter.elements,
        to: rewriter.root(),
        path: &name,
    };
    let edit = TransformEdit {
        transform: &transform,
        moments: None,
    };
    edit_matrix(place, &file, &name, plan, &edit, |_| Ok(()))?;
    let mut annotations = Annotations::default();
    if let Some(key) = &options.key_added {
        annotations.obs(key, factor_column(&sizes));
    }
    rewriter.annotate(annotations, file.shape()?)?;
    rewriter.commit()?;
    Ok(sizes)
}

/// Size factors with the median rule of the layout that the file has (its rows may come from a
/// transposed copy).
pub(super) fn factors_of(
    ctx: &Context,
    rows: &dyn RowSource,
    layout: MatrixLayout,
    totals: &[f64],
    options: &NormalizeOptions,
) -> Result<SizeFactors> {
    use super::super::normalize::MedianOver;
    let mut options = *options;
    if options.median_over == MedianOver::Auto {
        options.median_over = match layout {
            MatrixLayout::Dense => MedianOver::Nonzero,
            _ => MedianOver::All,
        };
    }
    size_factors(ctx, rows, Some(totals), &options)
}

/// The factors in their own type.
pub(super) fn factor_column(sizes: &SizeFactors) -> Column {
    match sizes.precision {
        Precision::Single => Column::F32(sizes.factors.iter().map(|&f| f as f32).collect()),
        Precision::Double => Column::F64(sizes.factors.clone()),
    }
}

/// Bytes that values may grow by.
pub(super) fn grown(n_entries: u64, kind: NumberKind) -> u64 {
    match kind.is_integer() {
        true => n_entries * 8_u64.saturating_sub(kind.size() as u64),
        false => 0,
    }
}

/// Options of [`log1p_file`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Log1pFileOptions {
    /// Base of the logarithm; natural where it is absent.
    pub base: Option<f64>,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// Refuse a file that says it is log-transformed already (otherwise a warning).
    pub guard: bool,
    /// How rows are read.
    pub read: ReadOptions,
}

/// Takes `log(1 + x)` of a file's matrix and notes it in `uns/log1p`.
///
/// Integers become 64-bit floats. Returns warnings.
///
/// # Errors
/// `InvalidArgument` for the base; `State` for a second logarithm with `guard`; `InvalidData`, reason
/// `InvalidValue`; `Io`. The target is then as it was.
pub fn log1p_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    options: &Log1pFileOptions,
) -> Result<Vec<String>> {
    check_base(options.base)?;
    let file = H5adFile::open(input)?;
    let warnings = already_logged(&file, options.guard)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let info = file.matrix_info(&name)?;
    let precision = float_precision(info.kind);
    let transform = Transform {
        precision,
        factors: None,
        log: true,
        base: options.base,
    };
    let rewriter = output.begin(ctx, &file, grown(info.n_entries, info.kind))?;
    // Duplicates must be summed before the logarithm.
    let seen = duplicates(ctx, &file, &name, info.layout, options.read)?;
    rewriter.carry(Selection::default(), &[&name])?;
    let plan = EditPlan {
        kind: Some(stored_kind(precision)),
        canonical: seen.n_merged > 0,
        codec: output.codec(),
        is_checked: options.read.sum_duplicates,
        read: options.read,
        ..EditPlan::default()
    };
    let place = Place {
        ctx,
        elements: rewriter.elements,
        to: rewriter.root(),
        path: &name,
    };
    let edit = TransformEdit {
        transform: &transform,
        moments: None,
    };
    edit_matrix(place, &file, &name, plan, &edit, |_| Ok(()))?;
    let mut annotations = Annotations::default();
    annotations.uns("log1p", log_note(options.base));
    rewriter.annotate(annotations, file.shape()?)?;
    rewriter.commit()?;
    Ok(warnings)
}

pub(super) fn check_base(base: Option<f64>) -> Result<()> {
    match base {
        Some(base) if !(base > 0.0 && base != 1.0 && base.is_finite()) => Err(Error::argument(
            "base",
            format!("{base} must be above 0 and not 1"),
        )),
        _ => Ok(()),
    }
}

/// `uns/log1p`.
pub(super) fn log_note(base: Option<f64>) -> Value {
    let base = base.map_or(Value::Null, Value::Number);
    Value::Dict(vec![("base".to_owned(), base)])
}

/// Warnings for a file that has been log-transformed before.
pub(super) fn already_logged(file: &H5adFile, guard: bool) -> Result<Vec<String>> {
    if !file.has("uns/log1p") {
        return Ok(Vec::new());
    }
    let words = "the data are log-transformed already (uns/log1p is there)";
    if guard {
        return Err(Error::new(
            ErrorKind::State,
            format!("{}: {words}", file.path().display()),
        )
        .with_file(file.path()));
    }
    Ok(vec![words.to_owned()])
}

/// What a look at all entries shows; dense matrices have no duplicates.
fn duplicates(
    ctx: &Context,
    file: &H5adFile,
    name: &str,
    layout: MatrixLayout,
    read: ReadOptions,
) -> Result<Seen> {
    if layout == MatrixLayout::Dense || !read.sum_duplicates {
        return Ok(Seen::default());
    }
    // By rows of the compressed axis: duplicates stand in the same one.
    let crate::data::h5ad::rows::StoredMatrix::Sparse { major, .. } = file.matrix(name)? else {
        return Ok(Seen::default());
    };
    let plan = CountPlan {
        read,
        ..CountPlan::default()
    };
    Ok(count(ctx, &*major, &plan, "look")?.seen)
}

/// Options of [`scale_file`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ScaleFileOptions {
    /// What is done.
    pub scale: ScaleOptions,
    /// Boolean column of `obs`: cells that are looked at and changed.
    pub mask_obs: Option<String>,
    /// `layers/<layer>` in place of `X`.
    pub layer: Option<String>,
    /// Allow that centred values are written as a dense matrix.
    pub dense_ok: bool,
}

/// Scales genes to unit variance; `var` gets `mean` and `std` (`mean of <mask>`, `std of <mask>` with a mask).
///
/// With `zero_center` nothing is zero any more, so the matrix is written dense, which `dense_ok` must
/// allow; principal components need no scaled file.
///
/// # Errors
/// As [`scale_stats`]; `Unsupported` without `dense_ok`; `Io`. The target is then as it was.
pub fn scale_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    options: &ScaleFileOptions,
) -> Result<ScaleStats> {
    options.scale.check()?;
    let file = H5adFile::open(input)?;
    let name = MatrixChoice::layer(options.layer.clone()).member()?;
    let info = file.matrix_info(&name)?;
    let is_dense = info.layout == MatrixLayout::Dense;
    if options.scale.zero_center && !is_dense && !options.dense_ok {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "zero_center: a centred sparse matrix becomes dense; allow it with dense_ok, or leave \
             zero_center out",
        )
        .with_argument("zero_center"));
    }
    let cells = match &options.mask_obs {
        Some(column) => Some(super::mask(&file, "obs", column)?),
        None => None,
    };
    let precision = float_precision(info.kind);
    let kind = stored_kind(precision);
    let [n, g] = info.shape;
    let more = match options.scale.zero_center {
        true => (n * g * kind.size()) as u64,
        false => grown(info.n_entries, info.kind),
    };
    let rewriter = output.begin(ctx, &file, more)?;
    let rows = file.rows(ctx, &name, output.folder())?;
    let source = ScaleInput {
        source: &*rows,
        transform: None,
        cells: cells.as_deref(),
    };
    let stats = scale_stats(ctx, source, &options.scale)?;
    rewriter.carry(Selection::default(), &[&name])?;
    let edit = ScaleEdit(Scaler::new(
        &stats,
        &options.scale,
        precision,
        cells.as_deref(),
    ));
    let place = Place {
        ctx,
        elements: rewriter.elements,
        to: rewriter.root(),
        path: &name,
    };
    let plan = EditPlan {
        kind: Some(kind),
        canonical: true,
        codec: output.codec(),
        read: options.scale.read,
        ..EditPlan::default()
    };
    if options.scale.zero_center && !is_dense {
        write_dense(place, &*rows, &edit, plan)?;
    } else {
        edit_matrix(place, &file, &name, plan, &edit, |()| Ok(()))?;
    }
    let mut annotations = Annotations::default();
    let of_mask = options.mask_obs.as_ref();
    let column = |what: &str| of_mask.map_or(what.to_owned(), |mask| format!("{what} of {mask}"));
    annotations.var(column("mean"), Column::F64(stats.mean.clone()));
    annotations.var(column("std"), Column::F64(stats.std.clone()));
    rewriter.annotate(annotations, file.shape()?)?;
    rewriter.commit()?;
    Ok(stats)
}
