//! Which way a dataset is read: chunks or a stretch of the file by ourselves, or the HDF5 library.
//!
//! The choice is made once, on opening, and only after one piece has been read both ways.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use ndarray::IxDyn;

use super::{NumberArray, PIECE_ELEMENTS, Storage, missing_filter};
use crate::data::h5ad::chunk::{Chunks, unavailable_filter};
use crate::data::h5ad::filters::{Scratch, filter_name};
use crate::data::numbers::{self, NumberKind};
use crate::error::Result;

impl NumberArray {
    pub(super) fn default_piece(&self) -> [usize; 2] {
        let columns = self.shape[1].max(1);
        [(PIECE_ELEMENTS / columns).max(1), columns]
    }

    /// Takes the fast way if there is one and it reads what the library reads.
    pub(super) fn choose_storage(&mut self, dataset: &hdf5::Dataset) -> Result<()> {
        let missing = unavailable_filter(dataset);
        if let Some((storage, piece)) = self.fast_storage(dataset) {
            let slow = (std::mem::replace(&mut self.storage, storage), self.piece);
            self.piece = piece;
            if missing.is_some() || self.is_confirmed(dataset) {
                return Ok(());
            }
            (self.storage, self.piece) = slow;
        }
        if let Some(id) = missing {
            let name = filter_name(id);
            return Err(missing_filter(&self.path, &self.name, id, name));
        }
        if let Some(chunk) = dataset.chunk() {
            self.piece = [chunk[0].max(1), chunk.get(1).map_or(1, |&c| c.max(1))];
        }
        Ok(())
    }

    fn fast_storage(&self, dataset: &hdf5::Dataset) -> Option<(Storage, [usize; 2])> {
        let file = Arc::new(File::open(&self.path).ok()?);
        let size = self.kind.size();
        if let Some(chunk) = dataset.chunk() {
            let dims = dataset.shape();
            let mut chunks = Chunks::list(dataset, &file, &dims, &chunk, size)?;
            if let Some(cell) = chunks.first_absent() {
                chunks.fill = self.fill_bytes(dataset, cell, &chunk)?;
            }
            let piece = [chunk[0], chunk.get(1).copied().unwrap_or(1)];
            return Some((Storage::Chunks(chunks), piece));
        }
        let dcpl = dataset.dcpl().ok()?;
        let address = dataset.offset()?;
        let bytes = (self.shape[0] * self.shape[1] * size) as u64;
        let fits = address.checked_add(bytes)? <= file.metadata().ok()?.len();
        (fits && dcpl.get_external().ok()?.is_empty())
            .then_some((Storage::Contiguous { file, address }, self.piece))
    }

    /// One element of the grid cell `cell`, in the byte order of the file.
    fn fill_bytes(&self, dataset: &hdf5::Dataset, cell: usize, chunk: &[usize]) -> Option<Vec<u8>> {
        let columns = self.shape[1].div_ceil(chunk.get(1).copied().unwrap_or(1));
        let row = cell / columns.max(1) * chunk[0];
        let column = cell % columns.max(1) * chunk.get(1).copied().unwrap_or(1);
        if self.kind == NumberKind::F16 {
            return None;
        }
        let mut bytes = self
            .library_bytes(dataset, row..row + 1, column..column + 1)
            .ok()?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    /// Compares the smallest stored piece with what the library reads; tries the addresses behind
    /// a user block as well.
    fn is_confirmed(&mut self, dataset: &hdf5::Dataset) -> bool {
        if self.shape.contains(&0) {
            return true;
        }
        if self.reads_as_library(dataset) {
            return true;
        }
        let base = crate::data::h5ad::file::check(&self.path).map_or(0, |s| s.base);
        if base == 0 {
            return false;
        }
        match &mut self.storage {
            Storage::Chunks(chunks) => chunks.shift(base),
            Storage::Contiguous { address, .. } => *address += base,
            Storage::Library(_) => {}
        }
        self.reads_as_library(dataset)
    }

    fn reads_as_library(&self, dataset: &hdf5::Dataset) -> bool {
        let index = match &self.storage {
            Storage::Chunks(chunks) => match chunks.smallest() {
                Some(cell) => cell,
                None => return true,
            },
            _ => 0,
        };
        let (rows, columns) = self.extent(index);
        let theirs = self.library_bytes(dataset, rows, columns);
        let ours = self
            .fetch(index)
            .and_then(|fetched| self.decode(&mut Scratch::new(), fetched));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                if self.kind != NumberKind::F16 {
                    return ours.bytes == theirs;
                }
                let (mut a, mut b) = (Vec::new(), Vec::new());
                numbers::append_f64(NumberKind::F16, &ours.bytes, &mut a);
                numbers::append_f64(NumberKind::F32, &theirs, &mut b);
                a.len() == b.len()
                    && a.iter()
                        .zip(&b)
                        .all(|(x, y)| x == y || x.is_nan() && y.is_nan())
            }
            // Both fail: the chunk is damaged, and our message says where.
            (Err(_), Err(_)) => true,
            _ => false,
        }
    }

    /// Reads a rectangle through the HDF5 library, as little-endian bytes.
    pub(super) fn library_bytes(
        &self,
        dataset: &hdf5::Dataset,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> hdf5::Result<Vec<u8>> {
        macro_rules! read {
            ($t:ty) => {{
                let values: ndarray::Array<$t, IxDyn> = if self.is_vector {
                    dataset.read_slice(ndarray::s![rows])?
                } else {
                    dataset.read_slice(ndarray::s![rows, columns])?
                };
                Ok(values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }};
        }
        match self.kind {
            NumberKind::Bool => {
                let values: ndarray::Array<bool, IxDyn> = if self.is_vector {
                    dataset.read_slice(ndarray::s![rows])?
                } else {
                    dataset.read_slice(ndarray::s![rows, columns])?
                };
                Ok(values.iter().map(|&v| u8::from(v)).collect())
            }
            NumberKind::I8 => read!(i8),
            NumberKind::I16 => read!(i16),
            NumberKind::I32 => read!(i32),
            NumberKind::I64 => read!(i64),
            NumberKind::U8 => read!(u8),
            NumberKind::U16 => read!(u16),
            NumberKind::U32 => read!(u32),
            NumberKind::U64 => read!(u64),
            NumberKind::F16 | NumberKind::F32 => read!(f32),
            NumberKind::F64 => read!(f64),
        }
    }
}
