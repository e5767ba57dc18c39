//! Annotated copies: the bytes of the file, then members added to the copy.
//!
//! The copy shares the source's blocks where the file system can (copy on write: XFS, Btrfs), and is made
//! byte for byte elsewhere, so members that are not touched keep their very chunks; the HDF5 library then
//! adds to the copy, which takes the target's name only when it is whole and on disk. Space of replaced
//! members is not given back.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hdf5::Group;

use super::super::encoding::TableReader;
use super::super::{file, strings};
use super::element::Elements;
use super::rows;
use crate::checkpoint::AtomicFile;
use crate::context::{Context, Stage};
use crate::data::table::{Column, Table};
use crate::data::write::{Annotations, Rows};
use crate::error::{Error, ErrorKind, Reason, Result};

/// Bytes between two looks at the cancel flag.
const COPY_STEP: u64 = 8 << 20;
/// What HDF5's own structures may add.
const OVERHEAD: u64 = 1 << 20;

/// Writes an annotated copy; see [`crate::data::annotate`].
pub fn annotate(
    ctx: &Context,
    source: &Path,
    target: &Path,
    annotations: Annotations<'_>,
) -> Result<()> {
    let sizes = check_source(source, &annotations)?;
    let mut out = AtomicFile::create(target)?;
    let new_bytes = new_bytes(&annotations, sizes) + OVERHEAD;
    copy(ctx, source, &mut out, new_bytes)?;
    let steps = n_steps(&annotations);
    let stage = ctx.stage("annotate_h5ad", steps as u64 + 2)?;
    let elements = Elements { path: target };
    let copy = open_copy(&out, elements)?;
    add(ctx, &stage, elements, &copy, sizes, annotations)?;
    copy.flush().map_err(|e| elements.failed("the file", e))?;
    copy.close().map_err(|e| elements.failed("the file", e))?;
    stage.report(steps as u64 + 1, "")?;
    out.commit()?;
    // Committed: a cancel that comes now has nothing left to stop.
    let _ = stage.finish();
    Ok(())
}

/// Opens the source once to see that it is whole and what fits it.
fn check_source(source: &Path, annotations: &Annotations<'_>) -> Result<[usize; 2]> {
    let file = file::open(source)?;
    let n_cells = n_rows(source, &file, "obs")?;
    let n_genes = n_rows(source, &file, "var")?;
    annotations.check(n_cells, n_genes)?;
    Ok([n_cells, n_genes])
}

/// How many elements there are to add.
pub(super) fn n_steps(new: &Annotations<'_>) -> usize {
    let tables = new.obs.len() + new.var.len() + new.uns.len();
    tables + new.obsm.len() + new.varm.len() + new.obsp.len()
}

/// Rows of a table: length of its index, or of its records.
pub(crate) fn n_rows(path: &Path, root: &Group, name: &str) -> Result<usize> {
    let n = match root.group(name) {
        Ok(group) => {
            let index = strings::attribute_string(&group, "_index");
            let index = index.unwrap_or_else(|| "_index".to_owned());
            group.dataset(&index).ok().map(|d| d.size())
        }
        Err(_) => root.dataset(name).ok().map(|d| d.size()),
    };
    n.ok_or_else(|| {
        super::super::encoding::missing_key(path, name, "a table with an index is required")
    })
}

/// About how many bytes will be added.
pub(super) fn new_bytes(annotations: &Annotations<'_>, sizes: [usize; 2]) -> u64 {
    let column = |column: &Column| match column {
        Column::F64(v) => v.len() * 8,
        Column::F32(v) => v.len() * 4,
        Column::I64(v) => v.len() * 8,
        Column::U64(v) => v.len() * 8,
        Column::I32(v) => v.len() * 4,
        Column::Bool(v) => v.len(),
        Column::Text(v) => v.iter().map(|s| s.len() + 48).sum(),
        Column::Categorical(c) => {
            c.codes.len() * 4 + c.categories.iter().map(|s| s.len() + 48).sum::<usize>()
        }
    };
    let columns = annotations.obs.iter().chain(&annotations.var);
    let mut bytes: usize = columns.map(|(_, c)| column(c)).sum();
    let arrays = [(&annotations.obsm, sizes[0]), (&annotations.varm, sizes[1])];
    for (arrays, n) in arrays {
        for (_, array) in arrays {
            let size = match &array.rows {
                Rows::F32(_) | Rows::I32(_) => 4,
                _ => 8,
            };
            bytes += n * array.n_columns * size;
        }
    }
    for (_, matrix) in &annotations.obsp {
        bytes += matrix.offsets.len() * 8 + matrix.indices.len() * 12;
    }
    bytes as u64
}

/// Fills the new file with the source's bytes, with space left for `new_bytes` more.
fn copy(ctx: &Context, source: &Path, out: &mut AtomicFile, new_bytes: u64) -> Result<()> {
    let mut from = File::open(source).map_err(|e| Error::io(source, "opening", e))?;
    let length = from
        .metadata()
        .map_err(|e| Error::io(source, "reading its length", e))?
        .len();
    let stage = ctx.stage("copy_h5ad", length)?;
    if out.share(&from) {
        out.check_space(new_bytes)?;
        return stage.finish();
    }
    out.check_space(length + new_bytes)?;
    let doing = format!("copying {} to a temporary file", source.display());
    let mut done = 0;
    loop {
        let step = std::io::copy(&mut (&mut from).take(COPY_STEP), out.file_mut())
            .map_err(|e| Error::io(out.target(), &doing, e))?;
        if step == 0 {
            break;
        }
        done += step;
        stage.tick(done.min(length))?;
    }
    stage.finish()
}

pub(super) fn open_copy(out: &AtomicFile, elements: Elements<'_>) -> Result<hdf5::File> {
    hdf5::File::with_options()
        .with_fapl(|access| access.file_locking(false))
        .open_rw(out.temporary_path())
        .map_err(|e| elements.failed("the copy", e))
}

/// Adds everything to the file of `root`, whose axes have these `sizes`.
pub(super) fn add(
    ctx: &Context,
    stage: &Stage<'_>,
    elements: Elements<'_>,
    root: &Group,
    sizes: [usize; 2],
    annotations: Annotations<'_>,
) -> Result<()> {
    let mut done = 0;
    let mut step = || {
        done += 1;
        stage.report(done, "")
    };
    for (table, columns) in [("obs", &annotations.obs), ("var", &annotations.var)] {
        if columns.is_empty() {
            continue;
        }
        upgrade_tables(elements, root, table)?;
        let group = root.group(table).map_err(|e| elements.failed(table, e))?;
        let mut order = strings::attribute_strings(&group, "column-order");
        for (name, column) in columns {
            elements.remove(&group, name)?;
            elements.column(&group, name, column)?;
            if !order.contains(name) {
                order.push(name.clone());
            }
            step()?;
        }
        elements.names_attribute(&group, "column-order", &order)?;
    }
    let arrays = [("obsm", annotations.obsm), ("varm", annotations.varm)];
    for ((member, arrays), n_rows) in arrays.into_iter().zip(sizes) {
        if arrays.is_empty() {
            continue;
        }
        let group = elements.dict(root, member)?;
        for (name, array) in arrays {
            elements.remove(&group, &name)?;
            rows::write(ctx, elements, &group, &name, n_rows, array)?;
            step()?;
        }
    }
    if !annotations.obsp.is_empty() {
        let obsp = elements.dict(root, "obsp")?;
        for (name, matrix) in &annotations.obsp {
            elements.remove(&obsp, name)?;
            elements.square(&obsp, name, matrix)?;
            step()?;
        }
    }
    if !annotations.uns.is_empty() {
        let uns = elements.dict(root, "uns")?;
        for (name, value) in &annotations.uns {
            elements.remove(&uns, name)?;
            elements.value(&uns, name, value)?;
            step()?;
        }
    }
    if root.attr("encoding-type").is_err() {
        elements.encoding(root, "anndata", "0.1.0")?;
    }
    Ok(())
}

/// Writes tables of old encodings again in the current one. Records (before 0.7) keep their
/// categories in `uns`; those entries go, since the columns then hold them.
pub(super) fn upgrade_tables(elements: Elements<'_>, root: &Group, table: &str) -> Result<()> {
    let is_frame = root.group(table).is_ok();
    let version = root
        .group(table)
        .ok()
        .and_then(|g| strings::attribute_string(&g, "encoding-version"));
    if is_frame && version.as_deref() == Some("0.2.0") {
        return Ok(());
    }
    let names: &[&str] = if is_frame { &[table] } else { &["obs", "var"] };
    for name in names {
        if !is_frame && root.group(name).is_ok() {
            continue;
        }
        let path = root.filename();
        let (table, index_name) = read_whole(elements, (Path::new(&path), root), name)?;
        elements.remove(root, name)?;
        elements.frame(root, name, &index_name, &table)?;
        if is_frame {
            continue;
        }
        for (column, _) in &table.columns {
            let key = format!("{column}_categories");
            if let Ok(uns) = root.group("uns") {
                elements.remove(&uns, &key)?;
            }
        }
    }
    Ok(())
}

/// A table, refused when a column of it cannot be read.
pub(super) fn read_whole(
    elements: Elements<'_>,
    (path, root): (&Path, &Group),
    name: &str,
) -> Result<(Table, String)> {
    let index_name = root
        .group(name)
        .ok()
        .and_then(|g| strings::attribute_string(&g, "_index"))
        .unwrap_or_else(|| "_index".to_owned());
    let mut notes = Vec::new();
    let table = TableReader {
        path,
        root,
        warnings: &mut notes,
    }
    .read(name)?;
    match notes.first() {
        None => Ok((table, index_name)),
        Some(note) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{}: {name} is of an old encoding and would lose something on upgrade: {note}; \
                 write the file again with a current anndata first",
                elements.path.display()
            ),
        )
        .with_reason(Reason::General)
        .with_file(elements.path)),
    }
}
