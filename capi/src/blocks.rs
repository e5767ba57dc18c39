//! Counts that the host reads, block by block: formats and stores that only the host knows.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::Range;

use engine::data::matrix::{FnBlocks, SparseView};
use engine::{Error, ErrorKind, Result};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::error::{Failure, cyto_error};
use crate::guard::give;
use crate::matrix::{
    CYTO_VIEW_TRUSTED, check_flags, cyto_matrix, cyto_sparse_view, length, sparse,
};
use crate::progress::UserData;
use crate::sized::{self, Sized_};
use crate::status::cyto_status;

/// Fills `out` (which comes initialised) with a view of the cells `first` to `first + n - 1` and all genes.
/// The view's arrays must live until `release_block` is called for them, or, without one, until the next
/// call for the same source. Returns 0, or anything else for a failure: the API call then ends with
/// `CYTO_CALLBACK`. Must not unwind.
#[allow(non_camel_case_types)]
pub type cyto_read_block_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        first: i64,
        n: i64,
        out: *mut cyto_sparse_view,
    ) -> i32,
>;

/// Told that the arrays of a block are not needed any more. Must not unwind.
#[allow(non_camel_case_types)]
pub type cyto_release_block_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, block: *const cyto_sparse_view)>;

/// Told that the source is not needed any more: the last call with this `user_data`, possibly on
/// another thread than the others. Must not unwind.
#[allow(non_camel_case_types)]
pub type cyto_release_source_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A source of counts that the host reads. Fill with `CYTO_BLOCK_SOURCE_INIT`, then set fields.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_block_source {
    /// `sizeof(cyto_block_source)`.
    pub struct_size: usize,
    /// Cells (or pixels).
    pub n_cells: i64,
    /// Genes.
    pub n_genes: i64,
    /// Reads a block; called on the thread that made the API call. Required.
    pub read_block: cyto_read_block_fn,
    /// May be NULL.
    pub release_block: cyto_release_block_fn,
    /// May be NULL.
    pub release_source: cyto_release_source_fn,
    /// Handed to the three functions.
    pub user_data: *mut c_void,
    /// 0 or `CYTO_VIEW_TRUSTED`, for all blocks.
    pub flags: u64,
}

// SAFETY: plain data (a NULL function is `None`), size first.
unsafe impl Sized_ for cyto_block_source {
    const NAME: &'static str = "cyto_block_source";
    const INIT: &'static str = "CYTO_BLOCK_SOURCE_INIT";
    const FIRST_SIZE: usize = 64;
    fn init() -> Self {
        cyto_block_source {
            struct_size: size_of::<Self>(),
            n_cells: 0,
            n_genes: 0,
            read_block: None,
            release_block: None,
            release_source: None,
            user_data: std::ptr::null_mut(),
            flags: 0,
        }
    }
}

/// The host's functions; tells the host when it goes.
struct Host {
    source: cyto_block_source,
    user_data: UserData,
}

// SAFETY: the pointers are only handed back to the host, whose functions the header allows on any
// thread that calls the API, one at a time.
unsafe impl Send for Host {}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(release) = self.source.release_source {
            // SAFETY: the host gave a function of this type that does not unwind.
            unsafe { release(self.user_data.0) };
        }
    }
}

/// A block on loan from the host.
struct Loan<'a> {
    host: &'a Host,
    view: cyto_sparse_view,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.host.source.release_block {
            // SAFETY: the host gave a function of this type that does not unwind.
            unsafe { release(self.host.user_data.0, &self.view) };
        }
    }
}

impl Host {
    fn read(&self, cells: Range<usize>) -> Result<Loan<'_>> {
        let mut view = cyto_sparse_view::init();
        let read = self
            .source
            .read_block
            .expect("checked when the source was made");
        // SAFETY: the host gave a function of this type that does not unwind.
        let code = unsafe {
            read(
                self.user_data.0,
                cells.start as i64,
                cells.len() as i64,
                &mut view,
            )
        };
        if code != 0 {
            return Err(Error::new(
                ErrorKind::Callback,
                format!(
                    "read_block: returned {code} for cells {}..{}; must return 0",
                    cells.start, cells.end
                ),
            )
            .with_argument("read_block"));
        }
        Ok(Loan { host: self, view })
    }

    fn lend(
        &self,
        cells: Range<usize>,
        take: &mut dyn FnMut(&SparseView<'_>) -> Result<()>,
    ) -> Result<()> {
        let loan = self.read(cells)?;
        // SAFETY: the header asks the host for arrays of the stated lengths that live until they
        // are released, which `loan` does when it goes.
        let view = unsafe {
            let given = sized::read("block", &loan.view).map_err(|failure| failure.error)?;
            if given.flags != 0 {
                return Err(Error::argument(
                    "block.flags",
                    "must be 0; the flags of a source stand in cyto_block_source",
                ));
            }
            sparse("block", &given)?
        };
        take(&view)
    }
}

/// Counts that the host reads. `source` is copied; what `user_data` points to must live until
/// `release_source` is called, which happens when this handle and everything made from it is freed (and
/// also when this call fails, unless `source` itself cannot be read). Used by one call at a time.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_matrix_from_blocks(
    source: *const cyto_block_source,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_matrix>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || from_blocks(source))
}

fn from_blocks(source: *const cyto_block_source) -> Result<cyto_matrix, Failure> {
    // SAFETY: the header asks for a struct of `struct_size` bytes.
    let source = unsafe { sized::read("source", source) }?;
    let host = Host {
        source,
        user_data: UserData(source.user_data),
    };
    if source.read_block.is_none() {
        return Err(Error::argument("source.read_block", "NULL; must be a function").into());
    }
    let n_cells = length("source", "n_cells", source.n_cells)?;
    let n_genes = length("source", "n_genes", source.n_genes)?;
    if n_genes > u32::MAX as usize {
        return Err(Error::argument(
            "source.n_genes",
            format!("{n_genes} is too large; must be below 2^32"),
        )
        .into());
    }
    check_flags("source", source.flags)?;
    let trusted = source.flags & CYTO_VIEW_TRUSTED != 0;
    let blocks = FnBlocks::new(n_cells, n_genes, trusted, move |cells, take| {
        host.lend(cells, take)
    });
    Ok(cyto_matrix::from_source(Box::new(blocks), true))
}
