//! `cyto_matrix`: counts, or other values, from a host's arrays, without a copy, or with one.
//!
//! The handle of a view borrows the host's arrays: they must stay alive and unchanged until the handle *and
//! everything made from it* is freed. `_copy` ends that duty when it returns.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::{Arc, Mutex, TryLockError};

use engine::data::matrix::{
    Csr, DenseView, IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray,
};
use engine::data::rows::CountRows;
use engine::data::{CellBlocks, CountBlock, RowSource};
use engine::{Context, Error, ErrorKind, Result};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::context::{cyto_context, with_context};
use crate::error::{Failure, cyto_error};
use crate::guard::give;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text;
use crate::types::{cyto_dtype, cyto_layout, cyto_orientation};

/// Flag of a view: its structure is known to be right, so the pass that checks it is skipped. What a broken
/// cell then gives is an error when it is read, never a read outside the arrays.
pub const CYTO_VIEW_TRUSTED: u64 = 1;

/// A sparse matrix in the host's arrays. Fill with `CYTO_SPARSE_VIEW_INIT`, then set every field.
///
/// Of n = `nrow` (CSR) or `ncol` (CSC): `indptr` holds exactly n + 1 elements, `indices` and `values`
/// exactly `nnz` each.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_sparse_view {
    /// `sizeof(cyto_sparse_view)`.
    pub struct_size: usize,
    /// `cyto_layout`.
    pub layout: i32,
    /// `cyto_dtype` of `indptr`: `CYTO_I32` or `CYTO_I64`.
    pub indptr_type: i32,
    /// `cyto_dtype` of `indices`: `CYTO_I32` or `CYTO_I64`.
    pub index_type: i32,
    /// `cyto_dtype` of `values`.
    pub value_type: i32,
    /// 0 or 1: the number of the first position, in `indptr` and `indices`.
    pub index_base: i32,
    /// `cyto_orientation`: whether rows are cells or genes. It has no default.
    pub orientation: i32,
    /// Rows.
    pub nrow: i64,
    /// Columns.
    pub ncol: i64,
    /// Stored entries.
    pub nnz: i64,
    /// Where each row (CSR) or column (CSC) begins.
    pub indptr: *const c_void,
    /// Column (CSR) or row (CSC) of each entry.
    pub indices: *const c_void,
    /// Value of each entry.
    pub values: *const c_void,
    /// 0 or `CYTO_VIEW_TRUSTED`.
    pub flags: u64,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_sparse_view {
    const NAME: &'static str = "cyto_sparse_view";
    const INIT: &'static str = "CYTO_SPARSE_VIEW_INIT";
    const FIRST_SIZE: usize = 88;
    fn init() -> Self {
        // SAFETY: integers and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_sparse_view {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// A dense matrix in the host's array. Fill with `CYTO_DENSE_VIEW_INIT`, then set every field.
///
/// Element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_dense_view {
    /// `sizeof(cyto_dense_view)`.
    pub struct_size: usize,
    /// `cyto_dtype` of `data`.
    pub value_type: i32,
    /// `cyto_orientation`: whether rows are cells or genes. It has no default.
    pub orientation: i32,
    /// Rows.
    pub nrow: i64,
    /// Columns.
    pub ncol: i64,
    /// Elements from one row to the next; not negative.
    pub row_stride: i64,
    /// Elements from one column to the next; not negative.
    pub col_stride: i64,
    /// The elements.
    pub data: *const c_void,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_dense_view {
    const NAME: &'static str = "cyto_dense_view";
    const INIT: &'static str = "CYTO_DENSE_VIEW_INIT";
    const FIRST_SIZE: usize = 56;
    fn init() -> Self {
        // SAFETY: integers and pointers, for which zero is a value.
        let zero: Self = unsafe { std::mem::zeroed() };
        cyto_dense_view {
            struct_size: size_of::<Self>(),
            ..zero
        }
    }
}

/// Counts, cells x genes, of any origin, or other values of a host (`cyto_matrix_values_from_view`). Readable from
/// several threads.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_matrix {
    source: Arc<Source>,
}

/// Where counts come from; shared by all that is made from a matrix.
struct Source {
    n_cells: usize,
    n_genes: usize,
    store: Store,
}

enum Store {
    Counts {
        /// The host reads it: a second reader is refused, since waiting for the host could be for ever.
        is_callback: bool,
        blocks: Mutex<Box<dyn CellBlocks>>,
    },
    /// Values that need not be counts.
    Values(Arc<dyn RowSource>),
}

/// Share of entries that counts in memory are taken to have; for the size of blocks only.
const DENSITY: u64 = 10;

impl cyto_matrix {
    /// A matrix over any source.
    #[doc(hidden)]
    pub fn from_source(blocks: Box<dyn CellBlocks>, is_callback: bool) -> Self {
        cyto_matrix {
            source: Arc::new(Source {
                n_cells: blocks.n_cells(),
                n_genes: blocks.n_genes(),
                store: Store::Counts {
                    is_callback,
                    blocks: Mutex::new(blocks),
                },
            }),
        }
    }

    fn from_values(values: Box<dyn RowSource>) -> Self {
        cyto_matrix {
            source: Arc::new(Source {
                n_cells: values.n_cells(),
                n_genes: values.n_genes(),
                store: Store::Values(values.into()),
            }),
        }
    }

    /// The rows as preprocessing reads them: counts as 32-bit floats, other values as they are.
    pub(crate) fn rows(&self) -> Arc<dyn RowSource> {
        match &self.source.store {
            Store::Values(values) => Arc::clone(values),
            Store::Counts { .. } => {
                let n_elements = self.n_cells() as u64 * self.n_genes() as u64;
                let n_entries = n_elements / DENSITY;
                Arc::new(CountRows::new(self.reader(), "counts", n_entries))
            }
        }
    }

    /// A reader that keeps the source alive.
    pub(crate) fn reader(&self) -> Box<dyn CellBlocks> {
        Box::new(Reader(Arc::clone(&self.source)))
    }

    pub(crate) fn share(&self) -> Self {
        cyto_matrix {
            source: Arc::clone(&self.source),
        }
    }

    pub(crate) fn n_cells(&self) -> usize {
        self.source.n_cells
    }

    pub(crate) fn n_genes(&self) -> usize {
        self.source.n_genes
    }
}

struct Reader(Arc<Source>);

impl CellBlocks for Reader {
    fn n_cells(&self) -> usize {
        self.0.n_cells
    }

    fn n_genes(&self) -> usize {
        self.0.n_genes
    }

    fn read_cells(
        &mut self,
        ctx: &Context,
        cells: Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        let state = |words: &str| Error::new(ErrorKind::State, format!("counts: {words}"));
        let poisoned = || state("unusable since a panic in an earlier call");
        let (blocks, is_callback) = match &self.0.store {
            Store::Counts {
                blocks,
                is_callback,
            } => (blocks, *is_callback),
            Store::Values(_) => {
                let message = "a matrix of values; counts are needed, as cyto_matrix_from_view makes \
                               them";
                return Err(Error::argument("counts", message));
            }
        };
        let mut blocks = match blocks.try_lock() {
            Ok(blocks) => blocks,
            // Waiting here as well would be for ever: the error holds the lock.
            Err(TryLockError::Poisoned(_)) => return Err(poisoned()),
            Err(TryLockError::WouldBlock) if is_callback => {
                return Err(state("a matrix of blocks is read by one call at a time"));
            }
            Err(TryLockError::WouldBlock) => blocks.lock().map_err(|_| poisoned())?,
        };
        blocks.read_cells(ctx, cells, block)
    }
}

/// A length of the host: not negative, and one that fits this machine.
pub(crate) fn length(argument: &str, field: &str, value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| {
        Error::argument(
            format!("{argument}.{field}"),
            format!("{value} is negative; must be 0 or more"),
        )
    })
}

/// A view of a host's sparse arrays.
///
/// # Safety
/// The arrays hold as many elements as the view says and live, unchanged, during `'a`.
pub(crate) unsafe fn sparse<'a>(
    argument: &'a str,
    view: &cyto_sparse_view,
) -> Result<SparseView<'a>> {
    let (n_rows, n_columns) = (
        length(argument, "nrow", view.nrow)?,
        length(argument, "ncol", view.ncol)?,
    );
    let nnz = length(argument, "nnz", view.nnz)?;
    check_flags(argument, view.flags)?;
    let layout = match view.layout {
        x if x == cyto_layout::CYTO_CSR as i32 => Layout::Csr,
        x if x == cyto_layout::CYTO_CSC as i32 => Layout::Csc,
        x => return Err(unknown(argument, "layout", x, "CYTO_CSR or CYTO_CSC")),
    };
    let n_major = match layout {
        Layout::Csr => n_rows,
        Layout::Csc => n_columns,
    };
    let n_starts = n_major.checked_add(1).ok_or_else(|| {
        Error::argument(argument, format!("{n_major} compressed rows or columns"))
    })?;
    // SAFETY: promised by the caller, three times.
    let (indptr, indices, values) = unsafe {
        (
            indexes(argument, "indptr", view.indptr_type, view.indptr, n_starts)?,
            indexes(argument, "indices", view.index_type, view.indices, nnz)?,
            value_array(argument, "values", view.value_type, view.values, nnz)?,
        )
    };
    Ok(SparseView {
        name: argument,
        layout,
        orientation: orientation(argument, view.orientation)?,
        n_rows,
        n_columns,
        index_base: match view.index_base {
            0 => IndexBase::Zero,
            1 => IndexBase::One,
            x => return Err(unknown(argument, "index_base", x, "0 or 1")),
        },
        indptr,
        indices,
        values,
    })
}

pub(crate) fn check_flags(argument: &str, flags: u64) -> Result<()> {
    if flags & !CYTO_VIEW_TRUSTED == 0 {
        return Ok(());
    }
    Err(Error::argument(
        format!("{argument}.flags"),
        format!("{flags:#x} has unknown bits; must be 0 or CYTO_VIEW_TRUSTED"),
    ))
}

fn orientation(argument: &str, given: i32) -> Result<Orientation> {
    match given {
        x if x == cyto_orientation::CYTO_CELLS_BY_GENES as i32 => Ok(Orientation::CellsByGenes),
        x if x == cyto_orientation::CYTO_GENES_BY_CELLS as i32 => Ok(Orientation::GenesByCells),
        x => Err(unknown(
            argument,
            "orientation",
            x,
            "CYTO_CELLS_BY_GENES or CYTO_GENES_BY_CELLS",
        )),
    }
}

fn unknown(argument: &str, field: &str, given: i32, right: &str) -> Error {
    Error::argument(
        format!("{argument}.{field}"),
        format!("{given} is unknown; must be {right}"),
    )
}

/// # Safety
/// `data` holds `n` elements of the type, which live and stay unchanged during `'a`.
unsafe fn indexes<'a>(
    argument: &str,
    field: &str,
    dtype: i32,
    data: *const c_void,
    n: usize,
) -> Result<IndexArray<'a>> {
    let name = format!("{argument}.{field}");
    // SAFETY: promised by the caller.
    unsafe {
        match dtype {
            x if x == cyto_dtype::CYTO_I32 as i32 => {
                Ok(IndexArray::I32(text::slice(&name, data.cast(), n)?))
            }
            x if x == cyto_dtype::CYTO_I64 as i32 => {
                Ok(IndexArray::I64(text::slice(&name, data.cast(), n)?))
            }
            x => Err(unknown(argument, field, x, "CYTO_I32 or CYTO_I64")),
        }
    }
}

/// # Safety
/// `data` holds `n` elements of the type, which live and stay unchanged during `'a`.
unsafe fn value_array<'a>(
    argument: &str,
    field: &str,
    dtype: i32,
    data: *const c_void,
    n: usize,
) -> Result<ValueArray<'a>> {
    let name = format!("{argument}.{field}");
    // SAFETY: promised by the caller.
    unsafe {
        Ok(match cyto_dtype::of(dtype) {
            Some(cyto_dtype::CYTO_I32) => ValueArray::I32(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_I64) => ValueArray::I64(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_F32) => ValueArray::F32(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_F64) => ValueArray::F64(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_U16) => ValueArray::U16(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_U32) => ValueArray::U32(text::slice(&name, data.cast(), n)?),
            Some(cyto_dtype::CYTO_U8) => ValueArray::U8(text::slice(&name, data.cast(), n)?),
            _ => {
                let right = "CYTO_I32, CYTO_I64, CYTO_F32, CYTO_F64, CYTO_U16, CYTO_U32 or CYTO_U8";
                return Err(unknown(argument, field, dtype, right));
            }
        })
    }
}

/// # Safety
/// As for [`sparse`].
unsafe fn dense<'a>(argument: &'a str, view: &cyto_dense_view) -> Result<DenseView<'a>> {
    let n_rows = length(argument, "nrow", view.nrow)?;
    let n_columns = length(argument, "ncol", view.ncol)?;
    let row_stride = length(argument, "row_stride", view.row_stride)?;
    let column_stride = length(argument, "col_stride", view.col_stride)?;
    let reach = |n: usize, stride: usize| (n - 1).checked_mul(stride);
    let n_elements = if n_rows == 0 || n_columns == 0 {
        Some(0)
    } else {
        reach(n_rows, row_stride)
            .zip(reach(n_columns, column_stride))
            .and_then(|(r, c)| r.checked_add(c)?.checked_add(1))
    };
    let n_elements = n_elements.ok_or_else(|| {
        Error::argument(
            argument,
            format!(
                "{n_rows} x {n_columns} with strides {row_stride} and {column_stride} is too large"
            ),
        )
    })?;
    Ok(DenseView {
        name: argument,
        orientation: orientation(argument, view.orientation)?,
        n_rows,
        n_columns,
        row_stride,
        column_stride,
        // SAFETY: promised by the caller.
        values: unsafe { value_array(argument, "data", view.value_type, view.data, n_elements) }?,
    })
}

/// All cells of a source in memory of our own.
fn copied(ctx: &Context, mut blocks: Box<dyn CellBlocks + '_>) -> Result<Box<dyn CellBlocks>> {
    let mut copy = Csr::new(blocks.n_genes());
    let mut block = CountBlock::default();
    let n_cells = blocks.n_cells();
    for start in (0..n_cells).step_by(4096) {
        blocks.read_cells(ctx, start..n_cells.min(start + 4096), &mut block)?;
        copy.try_reserve(block.n_rows(), block.n_entries())?;
        for row in 0..block.n_rows() {
            let (genes, counts) = block.row(row);
            for (&gene, &count) in genes.iter().zip(counts) {
                copy.push(gene, count);
            }
            copy.end_cell();
        }
    }
    Ok(Box::new(copy))
}

/// Counts in a host's sparse arrays, which are borrowed: they must live and stay unchanged until this
/// handle and everything made from it is freed. The structure is checked in one pass. A matrix compressed
/// along genes (CSR of genes x cells, CSC of cells x genes) is turned round once, which copies it.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_from_view(
    ctx: Option<&cyto_context>,
    view: *const cyto_sparse_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |ctx| from_view(ctx, view, false))
    })
}

/// As `cyto_matrix_from_view`, but the counts are copied (and all checked): the arrays need to live only
/// until the call returns.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_from_view_copy(
    ctx: Option<&cyto_context>,
    view: *const cyto_sparse_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |ctx| from_view(ctx, view, true))
    })
}

fn from_view(
    ctx: &Context,
    view: *const cyto_sparse_view,
    copy: bool,
) -> Result<cyto_matrix, Failure> {
    // SAFETY: the header asks for a struct of `struct_size` bytes, and for arrays of the stated
    // lengths that outlive the handle (or this call, when copied).
    let (blocks, trusted) = unsafe {
        let given = sized::read("view", view)?;
        (
            sparse("counts", &given)?,
            given.flags & CYTO_VIEW_TRUSTED != 0,
        )
    };
    let blocks = blocks.into_blocks(ctx, trusted)?;
    let blocks = if copy { copied(ctx, blocks)? } else { blocks };
    Ok(cyto_matrix::from_source(blocks, false))
}

/// Counts in a host's dense array, borrowed like those of `cyto_matrix_from_view`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_from_dense_view(
    ctx: Option<&cyto_context>,
    view: *const cyto_dense_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |ctx| from_dense(ctx, view, false))
    })
}

/// As `cyto_matrix_from_dense_view`, but copied (sparse) before the call returns.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_from_dense_view_copy(
    ctx: Option<&cyto_context>,
    view: *const cyto_dense_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |ctx| from_dense(ctx, view, true))
    })
}

fn from_dense(
    ctx: &Context,
    view: *const cyto_dense_view,
    copy: bool,
) -> Result<cyto_matrix, Failure> {
    // SAFETY: as in `from_view`.
    let view = unsafe { dense("counts", &sized::read("view", view)?)? };
    let blocks = view.into_blocks()?;
    let blocks = if copy { copied(ctx, blocks)? } else { blocks };
    Ok(cyto_matrix::from_source(blocks, false))
}

/// Values of any sign and fraction in a host's sparse arrays, for the steps of preprocessing that look at values as
/// they are (log-normalised ones, say): 32-bit floats stay such, as in a file. Borrowed and turned round as in
/// `cyto_matrix_from_view`. What needs counts refuses such a matrix.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_values_from_view(
    ctx: Option<&cyto_context>,
    view: *const cyto_sparse_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |ctx| {
            // SAFETY: as in `from_view`.
            let (view, trusted) = unsafe {
                let given = sized::read("view", view)?;
                let trusted = given.flags & CYTO_VIEW_TRUSTED != 0;
                (sparse("values", &given)?, trusted)
            };
            Ok(cyto_matrix::from_values(view.into_rows(ctx, trusted)?))
        })
    })
}

/// As `cyto_matrix_values_from_view`, in a dense array.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_values_from_dense_view(
    ctx: Option<&cyto_context>,
    view: *const cyto_dense_view,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        with_context(ctx, |_| {
            // SAFETY: as in `from_view`.
            let view = unsafe { dense("values", &sized::read("view", view)?)? };
            Ok(cyto_matrix::from_values(view.into_rows()?))
        })
    })
}

/// Cells of a matrix; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_n_cells(matrix: Option<&cyto_matrix>) -> usize {
    matrix.map_or(0, cyto_matrix::n_cells)
}

/// Genes of a matrix; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_n_genes(matrix: Option<&cyto_matrix>) -> usize {
    matrix.map_or(0, cyto_matrix::n_genes)
}

/// Frees a matrix. NULL is allowed. What was made from it stays usable.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_free(matrix: Option<repr_c::Box<cyto_matrix>>) {
    crate::guard::or((), || drop(matrix));
}
