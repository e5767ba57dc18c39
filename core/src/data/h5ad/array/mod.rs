//! A dataset of numbers, one- or two-dimensional, read by pieces on any thread.
//!
//! A piece is a chunk of the file, or a stretch of about a megabyte where the file has none. Pieces
//! are read by `pread` and decoded on the pool wherever that is possible; otherwise the HDF5
//! library reads them on the calling thread. Which way was taken never changes a value: one piece
//! is compared with what the library reads before the fast way is used.
//!
//! Memory: the list of chunks (24 bytes each), and the pieces in flight.

mod range;
mod storage;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chunk::{ChunkError, Chunks};
use super::filters::{Fault, Scratch};
use crate::data::numbers::{self, NumberKind};
use crate::error::{Error, ErrorKind, Reason, Result};
use hdf5::types::{FloatSize, IntSize, TypeDescriptor};

pub(crate) use range::PieceCache;

/// Elements of a piece where the file has no chunks.
const PIECE_ELEMENTS: usize = 1 << 17;

/// Number of the next dataset to be opened.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// An open numeric dataset.
#[derive(Debug)]
pub(crate) struct NumberArray {
    /// Tells open datasets apart in a worker's cache.
    id: u64,
    path: Arc<Path>,
    name: String,
    kind: NumberKind,
    big_endian: bool,
    is_vector: bool,
    shape: [usize; 2],
    piece: [usize; 2],
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Chunks(Chunks),
    Contiguous { file: Arc<File>, address: u64 },
    Library(hdf5::Dataset),
}

/// A piece on its way to a worker.
#[derive(Debug)]
pub(crate) struct Fetched {
    index: usize,
    bytes: Option<Vec<u8>>,
}

/// The elements of a piece inside the dataset, little-endian, row-major.
#[derive(Debug)]
pub(crate) struct Piece {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    pub bytes: Vec<u8>,
}

impl NumberArray {
    /// Opens a dataset; `name` is its path inside the file, for messages.
    ///
    /// # Errors
    /// `UnsupportedFormat` for elements that are no numbers, more than two dimensions, or (reason
    /// `MissingFilter`) a filter that neither this crate nor the HDF5 library can undo.
    pub(crate) fn open(path: &Path, dataset: hdf5::Dataset, name: &str) -> Result<Self> {
        let fail = |what: String| Error::format(path, format!("{name}: {what}"));
        let Some((kind, big_endian)) = number_kind(&dataset) else {
            return Err(fail("its elements are not numbers".into()));
        };
        let dims = dataset.shape();
        let (is_vector, shape) = match dims[..] {
            [n] => (true, [n, 1]),
            [rows, columns] => (false, [rows, columns]),
            _ => {
                return Err(fail(format!(
                    "{} dimensions; a vector or a matrix is expected",
                    dims.len()
                )));
            }
        };
        if shape[0]
            .checked_mul(shape[1])
            .and_then(|n| n.checked_mul(8))
            .is_none()
        {
            return Err(fail(format!("its shape {dims:?} cannot be real")));
        }
        let mut array = NumberArray {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            path: path.into(),
            name: name.to_owned(),
            kind,
            big_endian,
            is_vector,
            shape,
            piece: [1, 1],
            storage: Storage::Library(dataset.clone()),
        };
        array.piece = array.default_piece();
        array.choose_storage(&dataset)?;
        Ok(array)
    }

    /// Number of elements along each axis; a vector has one column.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Shape of a piece.
    pub(crate) fn piece(&self) -> [usize; 2] {
        self.piece
    }

    /// Whether pieces are decoded on the pool.
    pub(crate) fn is_fast(&self) -> bool {
        !matches!(self.storage, Storage::Library(_))
    }

    /// Whether a piece is a chunk of the file.
    pub(crate) fn is_chunked(&self) -> bool {
        !matches!(self.storage, Storage::Contiguous { .. })
    }

    /// Type of the stored elements.
    pub(crate) fn kind(&self) -> NumberKind {
        self.kind
    }

    /// The file.
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Name inside the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Pieces along each axis.
    pub(crate) fn grid(&self) -> [usize; 2] {
        [
            self.shape[0].div_ceil(self.piece[0]),
            self.shape[1].div_ceil(self.piece[1]),
        ]
    }

    /// Bytes of one decoded piece.
    pub(crate) fn piece_bytes(&self) -> u64 {
        (self.piece[0] as u64)
            .saturating_mul(self.piece[1] as u64)
            .saturating_mul(self.kind.size() as u64)
    }

    /// Fails when a piece is larger than `budget`.
    pub(crate) fn check_budget(&self, budget: u64) -> Result<()> {
        let needed = self.piece_bytes();
        if needed <= budget {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::OutOfMemory,
            format!(
                "{}: {}: one chunk has {needed} bytes and the memory budget is {budget}; raise \
                 memory_budget or write the file again with smaller chunks",
                self.path.display(),
                self.name
            ),
        )
        .with_file(&self.path))
    }

    /// The error for a broken element.
    pub(crate) fn corrupt(&self, position: u64, what: impl std::fmt::Display) -> Error {
        corrupt(&self.path, &self.name, position, what)
    }

    /// First half of reading the piece `index` (row-major over the grid): what only the calling
    /// thread may do.
    pub(crate) fn fetch(&self, index: usize) -> Result<Fetched> {
        let bytes = match &self.storage {
            Storage::Library(dataset) => {
                let (rows, columns) = self.extent(index);
                Some(self.library_bytes(dataset, rows, columns).map_err(|e| {
                    let at = self.first_element(index);
                    self.corrupt(at, format!("HDF5 cannot read it: {e}"))
                        .with_source(e)
                })?)
            }
            _ => None,
        };
        Ok(Fetched { index, bytes })
    }

    /// Second half: on any thread.
    pub(crate) fn decode(&self, scratch: &mut Scratch, fetched: Fetched) -> Result<Piece> {
        let index = fetched.index;
        let (rows, columns) = self.extent(index);
        let mut bytes = match (&self.storage, fetched.bytes) {
            (_, Some(bytes)) => {
                return Ok(Piece {
                    rows,
                    columns,
                    bytes,
                });
            }
            (Storage::Chunks(chunks), None) => {
                let whole = chunks
                    .decode(scratch, index)
                    .map_err(|e| self.chunk_error(index, e))?;
                self.cut(whole, &rows, &columns)
            }
            (Storage::Contiguous { file, address }, None) => {
                let size = self.kind.size();
                let mut bytes = scratch.buffer(rows.len() * columns.len() * size);
                let at = address + (rows.start * self.shape[1] * size) as u64;
                file.read_exact_at(&mut bytes, at)
                    .map_err(|e| Error::io(&self.path, &format!("reading {}", self.name), e))?;
                bytes
            }
            (Storage::Library(_), None) => Vec::new(),
        };
        if self.big_endian {
            numbers::swap_bytes(&mut bytes, self.kind.size());
        }
        Ok(Piece {
            rows,
            columns,
            bytes,
        })
    }

    /// The type that the bytes of a [`Piece`] have.
    pub(crate) fn decoded_kind(&self) -> NumberKind {
        match (&self.storage, self.kind) {
            // The library has no half-precision type of its own and gives singles.
            (Storage::Library(_), NumberKind::F16) => NumberKind::F32,
            (_, kind) => kind,
        }
    }

    /// Reads everything as `f64` on the calling thread; for small arrays.
    pub(crate) fn read_all(&self) -> Result<Vec<f64>> {
        let [n_rows, n_columns] = self.shape;
        let mut values = reserve(n_rows * n_columns, &self.path, &self.name)?;
        values.resize(n_rows * n_columns, 0.0);
        let mut scratch = Scratch::new();
        let mut piece_values = Vec::new();
        let [grid_rows, grid_columns] = self.grid();
        for index in 0..grid_rows * grid_columns {
            let piece = self.decode(&mut scratch, self.fetch(index)?)?;
            piece_values.clear();
            numbers::append_f64(self.decoded_kind(), &piece.bytes, &mut piece_values);
            let width = piece.columns.len();
            for (i, row) in piece.rows.clone().enumerate() {
                let start = row * n_columns + piece.columns.start;
                values[start..start + width]
                    .copy_from_slice(&piece_values[i * width..(i + 1) * width]);
            }
        }
        Ok(values)
    }

    /// Reads everything as `i64` on the calling thread; for small vectors of integers.
    pub(crate) fn read_integers(&self) -> Result<Vec<i64>> {
        let n = self.shape[0] * self.shape[1];
        let mut values = reserve(n, &self.path, &self.name)?;
        let mut scratch = Scratch::new();
        if !self.kind.is_integer() {
            return Err(self.corrupt(0, format!("{} elements, not integers", self.kind.name())));
        }
        for index in 0..self.grid()[0] {
            let piece = self.decode(&mut scratch, self.fetch(index)?)?;
            numbers::append_i64(self.kind, &piece.bytes, &mut values);
        }
        Ok(values)
    }

    /// Rows and columns of a piece, cut at the edges.
    fn extent(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let columns = self.grid()[1].max(1);
        let range = |at: usize, axis: usize| {
            let start = at * self.piece[axis];
            start..(start + self.piece[axis]).min(self.shape[axis])
        };
        (range(index / columns, 0), range(index % columns, 1))
    }

    fn first_element(&self, index: usize) -> u64 {
        let (rows, columns) = self.extent(index);
        (rows.start * self.shape[1] + columns.start) as u64
    }

    /// Removes the padding of an edge chunk.
    fn cut(&self, mut bytes: Vec<u8>, rows: &Range<usize>, columns: &Range<usize>) -> Vec<u8> {
        let size = self.kind.size();
        let (stored, kept) = (self.piece[1] * size, columns.len() * size);
        if stored != kept {
            for row in 1..rows.len() {
                bytes.copy_within(row * stored..row * stored + kept, row * kept);
            }
        }
        bytes.truncate(rows.len() * kept);
        bytes
    }

    fn chunk_error(&self, index: usize, error: ChunkError) -> Error {
        let at = self.first_element(index);
        match error {
            ChunkError::Io(e) => Error::io(&self.path, &format!("reading {}", self.name), e),
            ChunkError::Fault(Fault::Corrupt(what)) => self.corrupt(
                at,
                format!("the chunk that begins here cannot be decoded: {what}"),
            ),
            ChunkError::Fault(Fault::Missing(what)) => {
                missing_filter(&self.path, &self.name, 0, what)
            }
        }
    }
}

/// The type of a dataset's elements and whether they are big-endian; `None` for no numbers.
pub(crate) fn number_kind(dataset: &hdf5::Container) -> Option<(NumberKind, bool)> {
    let dtype = dataset.dtype().ok()?;
    let big_endian = matches!(dtype.byte_order(), hdf5::datatype::ByteOrder::BigEndian);
    let kind = match dtype.to_descriptor() {
        Ok(TypeDescriptor::Integer(size)) => match size {
            IntSize::U1 => NumberKind::I8,
            IntSize::U2 => NumberKind::I16,
            IntSize::U4 => NumberKind::I32,
            IntSize::U8 => NumberKind::I64,
        },
        Ok(TypeDescriptor::Unsigned(size)) => match size {
            IntSize::U1 => NumberKind::U8,
            IntSize::U2 => NumberKind::U16,
            IntSize::U4 => NumberKind::U32,
            IntSize::U8 => NumberKind::U64,
        },
        Ok(TypeDescriptor::Float(FloatSize::U4)) => NumberKind::F32,
        Ok(TypeDescriptor::Float(FloatSize::U8)) => NumberKind::F64,
        Ok(TypeDescriptor::Boolean) => NumberKind::Bool,
        // Half precision has no descriptor in this build.
        Err(_) if dtype.size() == 2 && dtype.conv_to::<f32>().is_some() => NumberKind::F16,
        _ => return None,
    };
    Some((kind, big_endian))
}

/// The error for a broken element of a dataset.
pub(crate) fn corrupt(
    path: &Path,
    dataset: &str,
    position: u64,
    what: impl std::fmt::Display,
) -> Error {
    Error::format(path, format!("{dataset}[{position}]: {what}")).with_reason(
        Reason::CorruptMatrix {
            dataset: dataset.to_owned(),
            position,
        },
    )
}

fn missing_filter(path: &Path, dataset: &str, id: u32, name: &str) -> Error {
    Error::format(
        path,
        format!(
            "{dataset}: its chunks are written with HDF5 filter {id} ({name}), which cannot be \
             undone here; write the file again with gzip or without compression"
        ),
    )
    .with_reason(Reason::MissingFilter {
        id,
        dataset: dataset.to_owned(),
    })
}

/// An empty vector with room for `n` values, or an error: `n` comes from the file.
pub(crate) fn reserve<T>(n: usize, path: &Path, name: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    match values.try_reserve_exact(n) {
        Ok(()) => Ok(values),
        Err(e) => Err(Error::new(
            ErrorKind::OutOfMemory,
            format!("{}: {name}: no memory for {n} values: {e}", path.display()),
        )
        .with_file(path)),
    }
}
