//! Stretches of a dataset, read on any thread: the bytes of a range of a vector, or of some rows of a
//! matrix, whatever the chunks.
//!
//! A worker that reads on where it stopped finds the last chunk in its [`PieceCache`], so that short
//! stretches decode nothing twice. Unfiltered storage is read exactly.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{NumberArray, Piece, Storage};
use crate::data::h5ad::filters::Scratch;
use crate::data::numbers;
use crate::error::{Error, Result};

/// Decoder buffers of a worker and the decoded chunks it may need again.
pub(crate) struct PieceCache {
    scratch: Scratch,
    kept: Vec<(u64, usize, Piece)>,
    /// Buffers of stretches that were used up.
    spare: Vec<Vec<u8>>,
}

/// Buffers kept for later: those of the indices and values of a stretch.
const SPARE: usize = 2;

impl Default for PieceCache {
    fn default() -> Self {
        PieceCache {
            scratch: Scratch::new(),
            kept: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl PieceCache {
    /// Takes buffers for stretches to come.
    pub(crate) fn recycle(&mut self, buffers: impl Iterator<Item = Vec<u8>>) {
        self.spare.extend(buffers);
        self.spare.truncate(SPARE);
    }

    /// A buffer of this length; what it holds is left over.
    fn buffer(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.resize(length, 0);
        bytes
    }

    /// Drops the chunks that are kept.
    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Calls `take` with a decoded piece of `array`, which is kept unless `pass` says not to.
    fn with<T>(
        &mut self,
        array: &NumberArray,
        index: usize,
        keep: bool,
        take: impl FnOnce(&Piece) -> T,
    ) -> Result<T> {
        let found = self
            .kept
            .iter()
            .position(|(id, at, _)| *id == array.id && *at == index);
        if let Some(found) = found {
            return Ok(take(&self.kept[found].2));
        }
        let fetched = array.fetch(index)?;
        let piece = array.decode(&mut self.scratch, fetched)?;
        let taken = take(&piece);
        if keep {
            self.kept.push((array.id, index, piece));
        } else {
            self.scratch.recycle(piece.bytes);
        }
        Ok(taken)
    }

    /// Drops pieces of `array` outside `pieces`.
    fn keep_only(&mut self, array: &NumberArray, pieces: Range<usize>) {
        let scratch = &mut self.scratch;
        let mut i = 0;
        while i < self.kept.len() {
            let (id, at, _) = &self.kept[i];
            if *id == array.id && !pieces.contains(at) {
                let (_, _, piece) = self.kept.swap_remove(i);
                scratch.recycle(piece.bytes);
            } else {
                i += 1;
            }
        }
    }
}

/// A stretch on its way to a worker.
#[derive(Debug)]
pub(crate) struct FetchedRange {
    range: Range<u64>,
    bytes: Option<Vec<u8>>,
}

impl NumberArray {
    /// First half of reading a range of a vector: what only the calling thread may do.
    pub(crate) fn fetch_range(&self, range: Range<u64>) -> Result<FetchedRange> {
        let bytes = match &self.storage {
            Storage::Library(dataset) => {
                let rows = range.start as usize..range.end as usize;
                Some(self.library_bytes(dataset, rows, 0..1).map_err(|e| {
                    self.corrupt(range.start, format!("HDF5 cannot read it: {e}"))
                        .with_source(e)
                })?)
            }
            _ => None,
        };
        Ok(FetchedRange { range, bytes })
    }

    /// Second half, on any thread: the bytes of the range, of type
    /// [`decoded_kind`](Self::decoded_kind).
    pub(crate) fn decode_range(
        &self,
        cache: &mut PieceCache,
        fetched: FetchedRange,
    ) -> Result<Vec<u8>> {
        if let Some(bytes) = fetched.bytes {
            return Ok(bytes);
        }
        let range = fetched.range;
        let size = self.kind.size();
        let mut out = cache.buffer((range.end - range.start) as usize * size);
        if range.is_empty() {
            return Ok(out);
        }
        if let Storage::Contiguous { file, address } = &self.storage {
            file.read_exact_at(&mut out, address + range.start * size as u64)
                .map_err(|e| Error::io(&self.path, &format!("reading {}", self.name), e))?;
            if self.big_endian {
                numbers::swap_bytes(&mut out, size);
            }
            return Ok(out);
        }
        let length = self.piece[0] as u64;
        let pieces = (range.start / length) as usize..((range.end - 1) / length) as usize + 1;
        cache.keep_only(self, pieces.clone());
        for index in pieces.clone() {
            let first = index as u64 * length;
            let from = range.start.max(first);
            let to = range.end.min(first + length);
            let slot = (from - range.start) as usize * size..(to - range.start) as usize * size;
            let at = (from - first) as usize * size;
            if let Some(done) =
                self.read_into(&mut cache.scratch, index, at, &mut out[slot.clone()])
            {
                done?;
                continue;
            }
            let n = slot.len();
            cache.with(self, index, index + 1 == pieces.end, |piece| {
                out[slot].copy_from_slice(&piece.bytes[at..at + n]);
            })?;
        }
        Ok(out)
    }

    /// Reads a part of a chunk straight into its place; `None` where that cannot be done.
    fn read_into(
        &self,
        scratch: &mut Scratch,
        index: usize,
        at: usize,
        out: &mut [u8],
    ) -> Option<Result<()>> {
        let Storage::Chunks(chunks) = &self.storage else {
            return None;
        };
        let done = chunks.read_into(scratch, index, at, out)?;
        if self.big_endian {
            numbers::swap_bytes(out, self.kind.size());
        }
        Some(done.map_err(|e| self.chunk_error(index, e)))
    }

    /// Bytes of a row of pieces of a matrix.
    pub(crate) fn band_bytes(&self) -> u64 {
        self.piece_bytes().saturating_mul(self.grid()[1] as u64)
    }

    /// Whole rows of a matrix, row-major, on any thread (storage that is read through the library
    /// must be read with [`fetch_rows`](Self::fetch_rows) on the calling thread).
    ///
    /// `keep` holds on to the decoded pieces of the last row of pieces.
    pub(crate) fn decode_rows(
        &self,
        cache: &mut PieceCache,
        rows: Range<usize>,
        keep: bool,
    ) -> Result<Vec<u8>> {
        let size = self.kind.size();
        let (width, columns) = (self.shape[1], self.grid()[1]);
        let mut out = cache.buffer(rows.len() * width * size);
        if out.is_empty() {
            return Ok(out);
        }
        if let Storage::Contiguous { file, address } = &self.storage {
            file.read_exact_at(&mut out, address + (rows.start * width * size) as u64)
                .map_err(|e| Error::io(&self.path, &format!("reading {}", self.name), e))?;
            if self.big_endian {
                numbers::swap_bytes(&mut out, size);
            }
            return Ok(out);
        }
        let height = self.piece[0];
        let bands = rows.start / height..(rows.end - 1) / height + 1;
        cache.keep_only(self, bands.start * columns..bands.end * columns);
        for index in bands.start * columns..bands.end * columns {
            let keep = keep && index >= (bands.end - 1) * columns;
            cache.with(self, index, keep, |piece| {
                let n = piece.columns.len() * size;
                for row in rows.start.max(piece.rows.start)..rows.end.min(piece.rows.end) {
                    let from = (row - piece.rows.start) * n;
                    let to = ((row - rows.start) * width + piece.columns.start) * size;
                    out[to..to + n].copy_from_slice(&piece.bytes[from..from + n]);
                }
            })?;
        }
        Ok(out)
    }

    /// Rows of a matrix through the library, on the calling thread; `None` where
    /// [`decode_rows`](Self::decode_rows) serves.
    pub(crate) fn fetch_rows(&self, rows: Range<usize>) -> Result<Option<Vec<u8>>> {
        let Storage::Library(dataset) = &self.storage else {
            return Ok(None);
        };
        let at = (rows.start * self.shape[1]) as u64;
        self.library_bytes(dataset, rows, 0..self.shape[1])
            .map(Some)
            .map_err(|e| {
                self.corrupt(at, format!("HDF5 cannot read it: {e}"))
                    .with_source(e)
            })
    }
}
