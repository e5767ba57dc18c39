//! Fewer cells or genes: by threshold, by mask.
//!
//! # Cost
//! One pass to sum (filters), one to count what stays, one to write, of every matrix of the file.
//!
//! # Source
//! scanpy 1.11.5, `pp.filter_cells`, `pp.filter_genes`: the column with the number is written first.
//! `raw` loses cells, never genes; categories without cells go.

use std::path::Path;

use crate::context::Context;
use crate::data::Annotations;
use crate::data::h5ad::H5adFile;
use crate::data::h5ad::writer::members::Selection;
use crate::data::rows::ReadOptions;
use crate::error::{Error, Result};

use super::super::filter::{CellFilter, FilterReport, GeneFilter, filter_cells, filter_genes};
use super::Output;

/// Keeps the cells that pass a threshold; writes the number into `obs` first.
///
/// # Errors
/// Errors of the file; `Unsupported` for a member that cannot be cut; `Io`. The target is then as it was.
pub fn filter_cells_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    filter: CellFilter,
    read: ReadOptions,
) -> Result<FilterReport> {
    let file = H5adFile::open(input)?;
    let rows = file.rows(ctx, "X", &super::spool_folder(output, input))?;
    let report = filter_cells(ctx, &*rows, filter, read)?;
    if let Some(output) = output {
        let kept = positions(&report.kept);
        let mut annotations = Annotations::default();
        annotations.obs(report.column, report.number.select(&kept));
        write_subset(ctx, &file, output, [Some(&kept), None], annotations)?;
    }
    Ok(report)
}

/// Keeps the genes that pass a threshold; writes the number into `var` first.
///
/// # Errors
/// As [`filter_cells_file`].
pub fn filter_genes_file(
    ctx: &Context,
    input: &Path,
    output: Option<&Output>,
    filter: GeneFilter,
    read: ReadOptions,
) -> Result<FilterReport> {
    let file = H5adFile::open(input)?;
    let rows = file.rows(ctx, "X", &super::spool_folder(output, input))?;
    let report = filter_genes(ctx, &*rows, filter, read)?;
    if let Some(output) = output {
        let kept = positions(&report.kept);
        let mut annotations = Annotations::default();
        annotations.var(report.column, report.number.select(&kept));
        write_subset(ctx, &file, output, [None, Some(&kept)], annotations)?;
    }
    Ok(report)
}

/// Keeps cells and genes by mask (`None` = all).
///
/// # Errors
/// `InvalidArgument` for a mask that does not fit; as [`filter_cells_file`].
pub fn subset_file(
    ctx: &Context,
    input: &Path,
    output: &Output,
    cells: Option<&[bool]>,
    genes: Option<&[bool]>,
) -> Result<()> {
    let file = H5adFile::open(input)?;
    let [n, g] = file.shape()?;
    for (name, mask, n) in [("cells", cells, n), ("genes", genes, g)] {
        if let Some(mask) = mask.filter(|mask| mask.len() != n) {
            return Err(Error::argument(
                name,
                format!("{} values; the file needs {n}", mask.len()),
            ));
        }
    }
    let (cells, genes) = (cells.map(positions), genes.map(positions));
    let keep = [cells.as_deref(), genes.as_deref()];
    write_subset(ctx, &file, output, keep, Annotations::default())
}

/// Keeps the genes of a mask, with annotations for all of them.
pub(super) fn subset_genes(
    ctx: &Context,
    file: &H5adFile,
    output: &Output,
    mut annotations: Annotations<'_>,
    genes: &[bool],
) -> Result<()> {
    let kept = positions(genes);
    for (_, column) in &mut annotations.var {
        *column = column.select(&kept);
    }
    write_subset(ctx, file, output, [None, Some(&kept)], annotations)
}

pub(super) fn write_subset(
    ctx: &Context,
    file: &H5adFile,
    output: &Output,
    keep: [Option<&[usize]>; 2],
    annotations: Annotations<'_>,
) -> Result<()> {
    let [n, g] = file.shape()?;
    let sizes = [
        keep[0].map_or(n, <[usize]>::len),
        keep[1].map_or(g, <[usize]>::len),
    ];
    annotations.check(sizes[0], sizes[1])?;
    let rewriter = output.begin(ctx, file, 0)?;
    let selection = Selection {
        cells: keep[0],
        genes: keep[1],
    };
    rewriter.carry(selection, &[])?;
    rewriter.annotate(annotations, sizes)?;
    rewriter.commit()
}

/// Numbers of what stays.
pub(super) fn positions(mask: &[bool]) -> Vec<usize> {
    (0..mask.len()).filter(|&i| mask[i]).collect()
}
