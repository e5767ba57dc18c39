//! A new file beside the old one: members carried over, a matrix streamed in, renamed when whole.
//!
//! The target is never opened for writing. Until the rename everything stands in a temporary file in
//! the target's folder, which goes away with the value, or with the next run when the process
//! was killed.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hdf5::Group;

use super::super::file::refuse_locked;
use super::super::input::H5adFile;
use super::annotate::{add, n_steps, new_bytes, open_copy};
use super::element::Elements;
use super::members::{Copier, Selection};
use super::rows;
use crate::checkpoint::AtomicFile;
use crate::context::Context;
use crate::data::table::Table;
use crate::data::write::{Annotations, Numbers, ObsmArray, Rows};
use crate::error::{Error, ErrorKind, Result};

/// What HDF5's own structures may take.
const OVERHEAD: u64 = 1 << 20;

/// Longer files share their blocks with an annotated copy where the file system can. Shorter ones are
/// written again, which gives back the space of replaced members.
const SHARED_FROM: u64 = 256 << 20;

/// A file that is being written.
pub(crate) struct Rewriter<'a> {
    ctx: &'a Context,
    source: &'a H5adFile,
    file: hdf5::File,
    out: AtomicFile,
    /// Writes its elements.
    pub elements: Elements<'a>,
}

impl<'a> Rewriter<'a> {
    /// Begins a file that will become `target`, from `source`, which may be the same; `more` bytes
    /// are expected beyond the length of the source.
    ///
    /// # Errors
    /// `InvalidArgument` for a target with more than one hard link, unless they may be broken; `Io`,
    /// reasons `ReadOnly`, `DiskFull`, `Locked`, before any work.
    pub(crate) fn begin(
        ctx: &'a Context,
        source: &'a H5adFile,
        target: &'a Path,
        more: u64,
        break_hardlinks: bool,
    ) -> Result<Self> {
        check_target(target, break_hardlinks)?;
        let out = AtomicFile::create(target)?;
        let length = std::fs::metadata(source.path())
            .map_err(|e| Error::io(source.path(), "reading its length", e))?
            .len();
        let needed = length.saturating_add(more).saturating_add(OVERHEAD);
        out.check_space(needed)?;
        let elements = Elements { path: target };
        let file = hdf5::File::with_options()
            .with_fapl(|access| access.file_locking(false))
            .create(out.temporary_path())
            .map_err(|e| elements.failed("the file", e))?;
        // HDF5 1.10 does not fail but crash when space runs out while it copies strings.
        out.reserve(needed)?;
        Ok(Rewriter {
            ctx,
            source,
            file,
            out,
            elements,
        })
    }

    /// Begins a file that is all of `source` already, with its blocks shared (copy on write); `new` will
    /// be added. `None` where the file system cannot share, and for short files and old encodings.
    ///
    /// # Errors
    /// As [`Rewriter::begin`].
    pub(crate) fn begin_shared(
        ctx: &'a Context,
        source: &'a H5adFile,
        target: &'a Path,
        new: &Annotations<'_>,
        break_hardlinks: bool,
    ) -> Result<Option<Self>> {
        let io = |doing, e| Error::io(source.path(), doing, e);
        let from = File::open(source.path()).map_err(|e| io("opening", e))?;
        let length = from
            .metadata()
            .map_err(|e| io("reading its length", e))?
            .len();
        if length < SHARED_FROM || source.root().attr("encoding-type").is_err() {
            return Ok(None);
        }
        check_target(target, break_hardlinks)?;
        let out = AtomicFile::create(target)?;
        if !out.share(&from) {
            return Ok(None);
        }
        out.check_space(new_bytes(new, source.shape()?) + OVERHEAD)?;
        let elements = Elements { path: target };
        let file = open_copy(&out, elements)?;
        Ok(Some(Rewriter {
            ctx,
            source,
            file,
            out,
            elements,
        }))
    }

    /// The root of the new file.
    pub(crate) fn root(&self) -> &Group {
        &self.file
    }

    /// Carries everything over but the paths in `skip`.
    ///
    /// # Errors
    /// As [`Copier::copy_all`].
    pub(crate) fn carry(&self, selection: Selection<'_>, skip: &[&str]) -> Result<()> {
        let stage = self.ctx.stage("copy_members", 0)?;
        self.copier(selection).copy_all(skip)?;
        stage.finish()
    }

    /// Adds tables, arrays and entries.
    ///
    /// # Errors
    /// `InvalidArgument` for names and lengths that do not fit; `Io`.
    pub(crate) fn annotate(&self, annotations: Annotations<'_>, sizes: [usize; 2]) -> Result<()> {
        annotations.check(sizes[0], sizes[1])?;
        let stage = self.ctx.stage("annotate", n_steps(&annotations) as u64)?;
        add(
            self.ctx,
            &stage,
            self.elements,
            &self.file,
            sizes,
            annotations,
        )?;
        stage.finish()
    }

    /// Copies a member as it is.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn copy(&self, name: &str) -> Result<()> {
        self.copier(Selection::default())
            .copy(self.source.root(), name, &self.file)
    }

    fn copier<'b>(&'b self, selection: Selection<'b>) -> Copier<'b> {
        Copier {
            ctx: self.ctx,
            elements: self.elements,
            source: self.source,
            to: &self.file,
            selection,
        }
    }

    /// Writes a table.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn table(&self, name: &str, table: &Table) -> Result<()> {
        self.elements.frame(&self.file, name, "_index", table)
    }

    /// Writes a dense array into a group, row-major.
    ///
    /// # Errors
    /// `Io`; `Cancelled`.
    pub(crate) fn array(
        &self,
        group: &str,
        name: &str,
        size: [usize; 2],
        values: Numbers,
    ) -> Result<()> {
        let group = self.elements.dict(&self.file, group)?;
        let array = ObsmArray {
            n_columns: size[1],
            rows: Rows::Whole(values),
        };
        rows::write(self.ctx, self.elements, &group, name, size[0], array)
    }

    /// Flushes everything to disk and takes the target's name.
    ///
    /// # Errors
    /// `Io`; `Cancelled` when a stop was asked for before the file took its name.
    pub(crate) fn commit(self) -> Result<()> {
        let failed = |e| self.elements.failed("the file", e);
        for name in ["layers", "obsm", "obsp", "uns", "varm", "varp"] {
            self.elements.dict(&self.file, name)?;
        }
        if self.file.attr("encoding-type").is_err() {
            self.elements.encoding(&self.file, "anndata", "0.1.0")?;
        }
        let stage = self.ctx.stage("flush", 1)?;
        self.file.flush().map_err(failed)?;
        self.file.close().map_err(failed)?;
        self.ctx.check_cancelled()?;
        self.out.commit()?;
        // Committed: a cancel that comes now has nothing left to stop.
        let _ = stage.finish();
        Ok(())
    }
}

/// Refuses targets that a rename would treat badly.
fn check_target(target: &Path, break_hardlinks: bool) -> Result<()> {
    let Ok(found) = std::fs::metadata(target) else {
        return Ok(());
    };
    if !found.is_file() {
        return Err(Error::argument(
            "output",
            format!("{} is not a file", target.display()),
        ));
    }
    if found.permissions().readonly() {
        return Err(Error::new(
            ErrorKind::Io,
            format!(
                "{}: the file is read-only; make it writable, or give another output",
                target.display()
            ),
        )
        .with_reason(crate::error::Reason::ReadOnly)
        .with_file(target));
    }
    if found.nlink() > 1 && !break_hardlinks {
        return Err(Error::argument(
            "output",
            format!(
                "{} has {} hard links, of which only one would get the new content; give another \
                 output, or allow it with break_hardlinks",
                target.display(),
                found.nlink()
            ),
        ));
    }
    refuse_locked(target)
}
