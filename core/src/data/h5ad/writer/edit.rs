//! Matrices written again: with other values, with fewer rows and columns, in the layout they have.
//!
//! Where only values change, `indices` and `indptr` are copied as they are and values are written
//! in place of values. Where entries go or are summed, a first pass counts what stays.
//!
//! # Cost
//! Time: one pass to write, one more to count where entries go. Memory: 16 bytes a row and column, and
//! stretches in flight.

use hdf5::Group;

use super::super::input::H5adFile;
use super::super::rows::{SparseRows, SparseValues, StoredMatrix};
use super::codec::Codec;
use super::element::Elements;
use super::entries::{Sink, write_rows};
use super::matrix::{CHUNK, Form, written};
use crate::context::Context;
use crate::data::dataset::MatrixLayout;
use crate::data::numbers::NumberKind;
use crate::data::rows::scan::Scan;
use crate::data::rows::{ReadOptions, RowBlock, RowReader, RowSource};
use crate::error::Result;

/// What an axis of a member runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Rows of `obs`.
    Cells,
    /// Rows of `var`.
    Genes,
    /// Something that is never cut.
    Other,
}

/// Number of an index that goes.
const GONE: u32 = u32::MAX;

/// New values, and what is learnt from them.
pub(crate) trait EditValues: Sync {
    /// Scratch memory of a worker.
    type Cache: Send;
    /// Result of a block of rows.
    type Part: Send;

    /// Empty scratch memory.
    fn cache(&self) -> Self::Cache;
    /// Empty result.
    fn part(&self) -> Self::Part;
    /// Whether [`of_cell`](Self::of_cell) looks at `row.genes`.
    fn looks_at_genes(&self) -> bool {
        true
    }
    /// Bytes of a result.
    fn part_bytes(&self) -> u64 {
        0
    }
    /// New values of a cell, in place; `row.genes` are the old numbers.
    fn of_cell(
        &self,
        cell: usize,
        row: &mut RowReader,
        cache: &mut Self::Cache,
        part: &mut Self::Part,
    );
    /// New values of a gene, in place; `cells` are the old numbers.
    fn of_gene(&self, gene: usize, cells: &[u32], values: &mut [f64]);
}

/// Values stay as they are.
pub(crate) struct AsTheyAre;

impl EditValues for AsTheyAre {
    type Cache = ();
    type Part = ();

    fn cache(&self) {}
    fn part(&self) {}
    fn of_cell(&self, _: usize, _: &mut RowReader, (): &mut (), (): &mut ()) {}
    fn of_gene(&self, _: usize, _: &[u32], _: &mut [f64]) {}
}

/// How a matrix is written again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EditPlan<'a> {
    /// Rows and columns that stay, ascending; `None` = all.
    pub keep: [Option<&'a [usize]>; 2],
    /// Type of the values, where it changes.
    pub kind: Option<NumberKind>,
    /// Sum duplicates and leave out zeros.
    pub canonical: bool,
    /// Encoding of the chunks, where it changes.
    pub codec: Option<Codec>,
    /// Whether a pass before this one has read and checked every entry.
    pub is_checked: bool,
    /// How rows are read.
    pub read: ReadOptions,
}

/// Where a matrix goes.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub ctx: &'a Context,
    pub elements: Elements<'a>,
    pub to: &'a Group,
    /// Path in the new file.
    pub path: &'a str,
}

/// Where the indices of an axis go.
fn numbers(n: usize, keep: Option<&[usize]>) -> Vec<u32> {
    let Some(keep) = keep else {
        return (0..n as u32).collect();
    };
    let mut numbers = vec![GONE; n];
    for (to, &from) in keep.iter().enumerate() {
        numbers[from] = to as u32;
    }
    numbers
}

/// Puts the entries that stay at the front of the reader's vectors; how many.
fn keep_entries(row: &mut RowReader, numbers: &[u32]) -> usize {
    let mut kept = 0;
    for i in 0..row.genes.len() {
        let to = numbers[row.genes[i] as usize];
        if to != GONE {
            row.genes[kept] = to;
            row.values[kept] = row.values[i];
            kept += 1;
        }
    }
    kept
}

/// Writes the matrix `name` of `source` again at `place`; `merge` takes results in block order (a
/// CSC matrix is edited by genes and has none of use).
///
/// # Errors
/// Errors of the source; `Io`; `Cancelled`.
pub(crate) fn edit_matrix<E: EditValues>(
    place: Place<'_>,
    source: &H5adFile,
    name: &str,
    plan: EditPlan<'_>,
    edit: &E,
    merge: impl FnMut(E::Part) -> Result<()>,
) -> Result<()> {
    let matrix = source.matrix(name)?;
    let values = source.values_of(name, &matrix)?;
    let codec = plan.codec.unwrap_or_else(|| Codec::like(&values));
    let chunk = values.chunk().map_or(CHUNK, |c| c[0]).clamp(1024, 1 << 20);
    let form = |kind| Form { kind, chunk, codec };
    let job = Job { place, plan, edit };
    match matrix {
        StoredMatrix::Sparse { major, layout } => {
            let kind = plan.kind.unwrap_or(written(major.kind()));
            let forms = [form(major.indices.kind()), form(kind)];
            let is_whole = plan.keep == [None, None] && !plan.canonical;
            if is_whole && plan.codec.is_none() {
                let root = source.root();
                let old = root
                    .group(name)
                    .map_err(|e| place.elements.failed(name, e))?;
                return job.values_only(&old, &major, layout, forms[1], merge);
            }
            job.sparse(&*major, layout, forms, major.pointer_kind, merge)
        }
        StoredMatrix::Dense(rows) => {
            let kind = plan.kind.unwrap_or(written(rows.kind()));
            job.dense(&rows, form(kind), merge)
        }
    }
}

/// Writes rows of any source as a matrix of the given layout: CSR with cells as rows, CSC with genes as
/// rows, or dense. The forms are of indices and of values.
///
/// # Errors
/// As [`edit_matrix`].
pub(crate) fn write_source(
    place: Place<'_>,
    source: &dyn RowSource,
    layout: MatrixLayout,
    forms: [Form; 2],
    read: ReadOptions,
) -> Result<()> {
    let job = Job {
        place,
        plan: EditPlan {
            canonical: true,
            read,
            ..EditPlan::default()
        },
        edit: &AsTheyAre,
    };
    match layout {
        MatrixLayout::Dense => job.dense(source, forms[1], |()| Ok(())),
        _ => job.sparse(source, layout, forms, NumberKind::I32, |()| Ok(())),
    }
}

/// Writes the rows of a sparse source as a dense matrix, with new values.
///
/// # Errors
/// As [`edit_matrix`].
pub(crate) fn write_dense<E: EditValues<Part = ()>>(
    place: Place<'_>,
    source: &dyn RowSource,
    edit: &E,
    plan: EditPlan<'_>,
) -> Result<()> {
    let form = Form {
        kind: plan.kind.unwrap_or(written(source.kind())),
        chunk: CHUNK,
        codec: plan.codec.unwrap_or_default(),
    };
    Job { place, plan, edit }.dense(source, form, |()| Ok(()))
}

struct Job<'a, E> {
    place: Place<'a>,
    plan: EditPlan<'a>,
    edit: &'a E,
}

impl<E: EditValues> Job<'_, E> {
    fn reader(&self) -> RowReader {
        RowReader::new(self.plan.read)
    }

    /// Reads a row as the plan wants it and changes its values.
    fn read(
        &self,
        layout: MatrixLayout,
        row: &mut RowReader,
        (block, i): (&RowBlock, usize),
        (cache, part): (&mut E::Cache, &mut E::Part),
    ) -> Result<()> {
        match self.plan.canonical {
            true => row.read(block, i)?,
            false => row.read_stored(block, i)?,
        }
        let number = block.first_row() + i;
        match layout {
            MatrixLayout::Csc => self.edit.of_gene(number, &row.genes, &mut row.values),
            _ => self.edit.of_cell(number, row, cache, part),
        }
        Ok(())
    }

    /// A new group with its attributes; `shape` is rows and columns of the compressed axis.
    fn begin_sparse(&self, layout: MatrixLayout, [major, minor]: [usize; 2]) -> Result<Group> {
        let (encoding, shape) = match layout {
            MatrixLayout::Csc => ("csc_matrix", [minor, major]),
            _ => ("csr_matrix", [major, minor]),
        };
        let Place {
            elements, to, path, ..
        } = self.place;
        let group = elements.group(to, path, encoding, "0.1.0")?;
        elements.shape_attribute(&group, shape)?;
        Ok(group)
    }

    /// New values beside the old indices and pointers.
    fn values_only(
        &self,
        old: &Group,
        source: &SparseRows,
        layout: MatrixLayout,
        form: Form,
        mut merge: impl FnMut(E::Part) -> Result<()>,
    ) -> Result<()> {
        let place = self.place;
        let failed = |e| place.elements.failed(place.path, e);
        let group = self.begin_sparse(layout, [source.n_cells(), source.n_genes()])?;
        for member in ["indices", "indptr"] {
            let dataset = old.dataset(member).map_err(failed)?;
            dataset.copy_to(&group, member).map_err(failed)?;
        }
        let whole: &dyn RowSource = source;
        let values_alone = SparseValues(source);
        let reads_genes = !self.plan.is_checked || self.edit.looks_at_genes();
        let rows = match layout {
            MatrixLayout::Csr if !reads_genes => &values_alone,
            _ => whole,
        };
        let pointers = source.pointers();
        let total = pointers.last().copied().unwrap_or(0);
        let mut values = place.elements.begin_vector(&group, "data", total, form)?;
        let shape = values.shape();
        let stage = place.ctx.stage("write_values", source.n_cells() as u64)?;
        write_rows(
            place.ctx,
            (rows, &stage),
            Sink {
                indices: None,
                values: (&mut values, shape, form.kind),
                starts: &|row| pointers[row],
            },
            || (self.reader(), self.edit.cache()),
            (self.edit.part_bytes(), |_| self.edit.part()),
            |(row, cache), part, out, block| {
                for i in 0..block.n_rows() {
                    self.read(layout, row, (block, i), (cache, part))?;
                    out.push(&[], &row.values);
                }
                Ok(())
            },
            |_, part| merge(part),
        )?;
        values.finish()?;
        stage.finish()
    }

    fn sparse(
        &self,
        source: &dyn RowSource,
        layout: MatrixLayout,
        [index_form, value_form]: [Form; 2],
        pointer_kind: NumberKind,
        mut merge: impl FnMut(E::Part) -> Result<()>,
    ) -> Result<()> {
        let place = self.place;
        let keep = match layout {
            MatrixLayout::Csc => [self.plan.keep[1], self.plan.keep[0]],
            _ => self.plan.keep,
        };
        let rows = numbers(source.n_cells(), keep[0]);
        let columns = numbers(source.n_genes(), keep[1]);
        let starts = self.count(source, &rows, &columns)?;
        let n = |keep: Option<&[usize]>, all: usize| keep.map_or(all, <[usize]>::len);
        let shape = [n(keep[0], rows.len()), n(keep[1], columns.len())];
        let group = self.begin_sparse(layout, shape)?;
        let total = starts.last().copied().unwrap_or(0);
        let begin = |name, form| place.elements.begin_vector(&group, name, total, form);
        let (mut indices, mut values) = (begin("indices", index_form)?, begin("data", value_form)?);
        let (index_shape, value_shape) = (indices.shape(), values.shape());
        let name = format!("write {}", place.path);
        let stage = place.ctx.stage(&name, source.n_cells() as u64)?;
        write_rows(
            place.ctx,
            (source, &stage),
            Sink {
                indices: Some((&mut indices, index_shape, index_form.kind)),
                values: (&mut values, value_shape, value_form.kind),
                starts: &|row| starts[row],
            },
            || (self.reader(), self.edit.cache()),
            (self.edit.part_bytes(), |_| self.edit.part()),
            |(row, cache), part, out, block| {
                for i in 0..block.n_rows() {
                    if rows[block.first_row() + i] == GONE {
                        continue;
                    }
                    self.read(layout, row, (block, i), (cache, part))?;
                    let kept = keep_entries(row, &columns);
                    out.push(&row.genes[..kept], &row.values[..kept]);
                }
                Ok(())
            },
            |_, part| merge(part),
        )?;
        indices.finish()?;
        values.finish()?;
        stage.finish()?;
        let mut pointers: Vec<u64> = (0..rows.len())
            .filter(|&row| rows[row] != GONE)
            .map(|row| starts[row])
            .collect();
        pointers.push(total);
        let codec = index_form.codec;
        place
            .elements
            .pointers(&group, &pointers, pointer_kind, codec)
    }

    /// Entries that stay, before every row.
    fn count(&self, source: &dyn RowSource, rows: &[u32], columns: &[u32]) -> Result<Vec<u64>> {
        let place = self.place;
        let name = format!("count {}", place.path);
        let stage = place.ctx.stage(&name, source.n_cells() as u64)?;
        let mut starts = vec![0_u64];
        Scan::new(source, Some(&stage), 0).run(
            place.ctx,
            || self.reader(),
            |_| Vec::new(),
            |row, counts, block| {
                for i in 0..block.n_rows() {
                    let mut kept = 0;
                    if rows[block.first_row() + i] != GONE {
                        match self.plan.canonical {
                            true => row.read(block, i)?,
                            false => row.read_stored(block, i)?,
                        }
                        kept = keep_entries(row, columns);
                    }
                    counts.push(kept as u64);
                }
                Ok(())
            },
            |_, counts| {
                for count in counts {
                    starts.push(starts.last().copied().unwrap_or(0) + count);
                }
                Ok(())
            },
        )?;
        stage.finish()?;
        Ok(starts)
    }

    fn dense(
        &self,
        source: &dyn RowSource,
        form: Form,
        mut merge: impl FnMut(E::Part) -> Result<()>,
    ) -> Result<()> {
        let place = self.place;
        let keep = self.plan.keep;
        let rows = numbers(source.n_cells(), keep[0]);
        let columns = numbers(source.n_genes(), keep[1]);
        let n = |keep: Option<&[usize]>, all: usize| keep.map_or(all, <[usize]>::len);
        let size = [n(keep[0], rows.len()), n(keep[1], columns.len())];
        let mut before = vec![0_u64];
        for &to in &rows {
            before.push(before.last().copied().unwrap_or(0) + u64::from(to != GONE));
        }
        let mut values = place
            .elements
            .begin_dense(place.to, place.path, size, form)?;
        let shape = values.shape();
        if size[1] == 0 {
            return Ok(());
        }
        let name = format!("write {}", place.path);
        let stage = place.ctx.stage(&name, source.n_cells() as u64)?;
        write_rows(
            place.ctx,
            (source, &stage),
            Sink {
                indices: None,
                values: (&mut values, shape, form.kind),
                starts: &|row| before[row],
            },
            || (self.reader(), self.edit.cache()),
            (self.edit.part_bytes(), |_| self.edit.part()),
            |(row, cache), part, out, block| {
                for i in 0..block.n_rows() {
                    let number = block.first_row() + i;
                    if rows[number] == GONE {
                        continue;
                    }
                    // Zeros need no work.
                    row.read(block, i)?;
                    self.edit.of_cell(number, row, cache, part);
                    let kept = keep_entries(row, &columns);
                    out.push_dense(&row.genes[..kept], &row.values[..kept], size[1]);
                }
                Ok(())
            },
            |_, part| merge(part),
        )?;
        values.finish()?;
        stage.finish()
    }
}
