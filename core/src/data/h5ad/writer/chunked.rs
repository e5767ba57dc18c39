//! A dataset written in order by pieces of any length, its chunks encoded on the workers.
//!
//! A worker knows where its piece begins, cuts it at chunk borders and encodes the whole chunks; the
//! ends that are less than a chunk are put together and encoded on the calling thread. Chunks are
//! stored in order, so that a file does not depend on threads or pieces.
//!
//! Memory: less than one chunk, beside the pieces in flight.

use hdf5::Dataset;

use super::super::raw::write_chunk;
use super::codec::{Codec, Encoded};
use super::element::Elements;
use crate::error::{Error, ErrorKind, Result};

/// How a dataset is cut: a unit is an element of a vector, or a row of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkShape {
    /// Units of a chunk.
    pub units: u64,
    /// Bytes of a unit.
    pub unit_bytes: usize,
    /// Bytes of an element.
    pub element: usize,
    /// How chunks are encoded.
    pub codec: Codec,
}

/// A piece on its way from a worker to the file.
#[derive(Debug)]
pub(crate) struct Run {
    /// Units before it.
    first: u64,
    bytes: Vec<u8>,
    /// Bytes that end a chunk begun before.
    head: usize,
    /// Encoded forms of the whole chunks that follow; `None` for one that is stored as it is.
    chunks: Vec<Option<Encoded>>,
}

impl ChunkShape {
    fn chunk_bytes(&self) -> usize {
        self.units as usize * self.unit_bytes
    }

    /// Cuts the bytes of a piece that begins at unit `first`; on any thread.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub(crate) fn cut(&self, first: u64, bytes: Vec<u8>) -> Result<Run> {
        let size = self.chunk_bytes();
        let into = (first % self.units) as usize * self.unit_bytes;
        let head = match into {
            0 => 0,
            into => (size - into).min(bytes.len()),
        };
        let chunks = bytes[head..]
            .chunks_exact(size.max(1))
            .map(|chunk| self.codec.encode(chunk, self.element))
            .collect::<Result<_>>()?;
        Ok(Run {
            first,
            bytes,
            head,
            chunks,
        })
    }
}

/// Writes a dataset.
pub(crate) struct ChunkedWriter<'a> {
    elements: Elements<'a>,
    dataset: Dataset,
    name: String,
    shape: ChunkShape,
    /// Units of the whole dataset.
    total: u64,
    done: u64,
    /// The beginning of the chunk that is being put together.
    pending: Vec<u8>,
    n_axes: usize,
    /// Stored bytes so far.
    pub(crate) stored: u64,
}

impl<'a> ChunkedWriter<'a> {
    /// `dataset` must be chunked as `shape` says and hold `total` units.
    pub(crate) fn new(
        elements: Elements<'a>,
        dataset: Dataset,
        name: &str,
        shape: ChunkShape,
        total: u64,
    ) -> Self {
        ChunkedWriter {
            elements,
            n_axes: dataset.ndim(),
            dataset,
            name: name.to_owned(),
            shape,
            total,
            done: 0,
            pending: Vec::new(),
            stored: 0,
        }
    }

    /// How the dataset is cut.
    pub(crate) fn shape(&self) -> ChunkShape {
        self.shape
    }

    /// Stores the next piece, and gives its memory back.
    pub(crate) fn put(&mut self, run: Run) -> Result<Vec<u8>> {
        if run.first != self.done {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("{}: piece {} after {}", self.name, run.first, self.done),
            ));
        }
        let (head, rest) = run.bytes.split_at(run.head);
        self.append(head)?;
        let whole = rest.chunks_exact(self.shape.chunk_bytes().max(1));
        let tail = whole.remainder();
        let first = run.first.div_ceil(self.shape.units);
        for (number, (plain, encoded)) in (first..).zip(whole.zip(&run.chunks)) {
            self.done = (number + 1) * self.shape.units;
            self.store(number, plain, encoded.as_ref())?;
        }
        self.append(tail)?;
        Ok(run.bytes)
    }

    /// Stores bytes that no worker has cut.
    pub(crate) fn put_bytes(&mut self, bytes: Vec<u8>) -> Result<()> {
        let run = self.shape.cut(self.done, bytes)?;
        self.put(run).map(drop)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        self.done += (bytes.len() / self.shape.unit_bytes.max(1)) as u64;
        if self.pending.len() == self.shape.chunk_bytes() {
            self.store_pending()?;
        }
        Ok(())
    }

    fn store_pending(&mut self) -> Result<()> {
        let number = (self.done - 1) / self.shape.units;
        let bytes = std::mem::take(&mut self.pending);
        let encoded = self.shape.codec.encode(&bytes, self.shape.element)?;
        self.store(number, &bytes, encoded.as_ref())
    }

    fn store(&mut self, number: u64, plain: &[u8], encoded: Option<&Encoded>) -> Result<()> {
        let mut offset = vec![0; self.n_axes];
        offset[0] = number * self.shape.units;
        let (bytes, skipped) = encoded.map_or((plain, 0), |e| (&e.bytes[..], e.skipped));
        self.stored += bytes.len() as u64;
        write_chunk(&self.dataset, &offset, bytes, skipped)
            .map_err(|e| self.elements.failed(&self.name, e))
    }

    /// Stores the last chunk, filled up with zeros.
    ///
    /// # Errors
    /// `Internal` when fewer units came than the dataset holds.
    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.pending.resize(self.shape.chunk_bytes(), 0);
            self.store_pending()?;
        }
        if self.done == self.total {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Internal,
            format!("{}: {} of {} units came", self.name, self.done, self.total),
        ))
    }
}
