//! New files: counts streamed in as CSR, tables, arrays, `uns`.
//!
//! Memory: 8 bytes a cell for the row pointers, and one block of cells.

use std::path::Path;

use hdf5::plist::dataset_create::FillTime;
use hdf5::{Dataset, Extent, Group, H5Type, SimpleExtents};
use ndarray::ArrayView1;

use super::element::Elements;
use crate::checkpoint::AtomicFile;
use crate::context::Context;
use crate::data::source::{CellBlocks, CountBlock};
use crate::data::write::{Annotations, Compression, Tables, check_table};
use crate::error::{Error, Result};
use crate::par::Blocks;

/// Cells read at a time.
const BLOCK_CELLS: usize = 4096;
/// Elements of a chunk.
const CHUNK: usize = 1 << 16;
/// The largest count that a 32-bit float holds exactly, with all below it.
const LARGEST_COUNT: u32 = 1 << 24;
/// gzip level, as h5py's default.
pub(super) const GZIP_LEVEL: u8 = 4;

/// Writes a new file; see [`crate::data::create`].
pub fn create(
    ctx: &Context,
    target: &Path,
    counts: &mut dyn CellBlocks,
    tables: Tables<'_>,
    annotations: Annotations<'_>,
    compression: Compression,
) -> Result<()> {
    check(counts, tables, &annotations)?;
    let out = AtomicFile::create(target)?;
    let elements = Elements { path: target };
    // Dense attribute storage and fast links are not needed; old readers open the file.
    let file = hdf5::File::with_options()
        .with_fapl(|access| access.file_locking(false))
        .create(out.temporary_path())
        .map_err(|e| elements.failed("the file", e))?;
    let root: &Group = &file;
    elements.encoding(root, "anndata", "0.1.0")?;
    let writer = MatrixWriter {
        ctx,
        elements,
        compression,
    };
    writer.write(root, counts)?;
    let n_cells = tables.obs.n_rows();
    let stage = ctx.stage("write_h5ad", 0)?;
    elements.frame(root, "obs", "_index", tables.obs)?;
    elements.frame(root, "var", "_index", tables.var)?;
    for name in ["layers", "obsm", "obsp", "varm", "varp", "uns"] {
        elements.group(root, name, "dict", "0.1.0")?;
    }
    let sizes = [n_cells, tables.var.n_rows()];
    super::annotate::add(ctx, &stage, elements, root, sizes, annotations)?;
    file.flush().map_err(|e| elements.failed("the file", e))?;
    file.close().map_err(|e| elements.failed("the file", e))?;
    stage.report(0, "")?;
    out.commit()
}

fn check(counts: &dyn CellBlocks, tables: Tables<'_>, annotations: &Annotations<'_>) -> Result<()> {
    let fits = [
        ("obs", tables.obs.n_rows(), counts.n_cells(), "cells"),
        ("var", tables.var.n_rows(), counts.n_genes(), "genes"),
    ];
    for (name, n, expected, what) in fits {
        if n != expected {
            return Err(Error::argument(
                name,
                format!("{n} rows for {expected} {what}; they must be as many"),
            ));
        }
    }
    check_table("obs", tables.obs)?;
    check_table("var", tables.var)?;
    annotations.check(counts.n_cells(), counts.n_genes())
}

struct MatrixWriter<'a> {
    ctx: &'a Context,
    elements: Elements<'a>,
    compression: Compression,
}

/// A dataset that grows.
struct Growing {
    dataset: Dataset,
    name: &'static str,
    n: usize,
}

impl MatrixWriter<'_> {
    fn write(&self, root: &Group, counts: &mut dyn CellBlocks) -> Result<()> {
        let group = self.elements.group(root, "X", "csr_matrix", "0.1.0")?;
        let (n_cells, n_genes) = (counts.n_cells(), counts.n_genes());
        let shape = [n_cells as i64, n_genes as i64];
        group
            .new_attr::<i64>()
            .shape(2)
            .create("shape")
            .and_then(|attribute| attribute.write(ArrayView1::from(&shape)))
            .map_err(|e| self.elements.failed("X", e))?;
        let mut data = self.growing::<f32>(&group, "data")?;
        let mut indices = self.growing::<i32>(&group, "indices")?;
        let mut indptr = vec![0_i64];
        let stage = self.ctx.stage("write_counts", n_cells as u64)?;
        let mut block = CountBlock::default();
        let (mut values, mut genes) = (Vec::new(), Vec::new());
        for cells in Blocks::new(n_cells, BLOCK_CELLS) {
            counts.read_cells(self.ctx, cells.clone(), &mut block)?;
            let mut end = indptr.last().copied().unwrap_or(0);
            for row in 0..block.n_rows() {
                let (row_genes, row_counts) = block.row(row);
                for (&gene, &count) in row_genes.iter().zip(row_counts) {
                    if count > LARGEST_COUNT {
                        return Err(too_large(cells.start + row, gene, count));
                    }
                    values.push(count as f32);
                    genes.push(gene as i32);
                }
                end += row_genes.len() as i64;
                indptr.push(end);
            }
            // Whole chunks only, so that none is compressed twice.
            let whole = values.len() / CHUNK * CHUNK;
            self.append(&mut data, &values[..whole])?;
            self.append(&mut indices, &genes[..whole])?;
            values.drain(..whole);
            genes.drain(..whole);
            stage.tick(cells.end as u64)?;
        }
        self.append(&mut data, &values)?;
        self.append(&mut indices, &genes)?;
        stage.finish()?;
        self.write_pointers(&group, &indptr)
    }

    /// As wide as the last pointer needs.
    fn write_pointers(&self, group: &Group, indptr: &[i64]) -> Result<()> {
        if indptr.last().is_some_and(|&n| n > i64::from(i32::MAX)) {
            let mut dataset = self.growing::<i64>(group, "indptr")?;
            return self.append(&mut dataset, indptr);
        }
        let narrow: Vec<i32> = indptr.iter().map(|&p| p as i32).collect();
        let mut dataset = self.growing::<i32>(group, "indptr")?;
        self.append(&mut dataset, &narrow)
    }

    fn growing<T: H5Type>(&self, group: &Group, name: &'static str) -> Result<Growing> {
        let mut builder = group
            .new_dataset::<T>()
            .obj_track_times(false)
            .fill_time(FillTime::Never)
            .chunk(CHUNK);
        let codec = super::codec::Codec::of(self.compression);
        if codec.shuffle {
            builder = builder.shuffle();
        }
        if let Some(level) = codec.gzip {
            builder = builder.deflate(level);
        }
        let extents = SimpleExtents::from_vec(vec![Extent::resizable(0)]);
        let dataset = builder
            .shape(extents)
            .create(name)
            .map_err(|e| self.elements.failed(name, e))?;
        Ok(Growing {
            dataset,
            name,
            n: 0,
        })
    }

    fn append<T: H5Type>(&self, to: &mut Growing, values: &[T]) -> Result<()> {
        for part in values.chunks(CHUNK) {
            self.ctx.check_cancelled()?;
            let end = to.n + part.len();
            to.dataset
                .resize(end)
                .and_then(|()| to.dataset.write_slice(ArrayView1::from(part), to.n..end))
                .map_err(|e| self.elements.failed(to.name, e))?;
            to.n = end;
        }
        Ok(())
    }
}

fn too_large(cell: usize, gene: u32, count: u32) -> Error {
    Error::data(format!(
        "counts[row {cell}, column {gene}]: {count} is too large to be exact as a 32-bit float; at \
         most {LARGEST_COUNT} can be written"
    ))
}
