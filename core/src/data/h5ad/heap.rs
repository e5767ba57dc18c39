//! Elements as they are stored, and text of variable length from the global heap.
//!
//! Needed where the HDF5 library does not serve: records whose type is known at run time only,
//! text behind filters that it lacks, and damaged heaps, which make it crash.
//!
//! Memory: the stored elements of one dataset and one heap collection (4 KiB as a rule).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5::Dataset;

use super::array::reserve;
use super::chunk::{ChunkError, Chunks};
use super::filters::{Fault, Scratch};
use crate::error::{Error, Result};

/// Bytes that a text of variable length takes in a dataset: length, address, index.
pub(super) const REFERENCE_BYTES: usize = 16;

/// Elements of a contiguous dataset that are read at a time.
const STRETCH: usize = 1 << 16;

/// The elements of a one-dimensional dataset as bytes.
pub(super) struct Elements {
    path: PathBuf,
    name: String,
    file: Arc<File>,
    size: usize,
    /// Row of the first.
    start: usize,
    bytes: Vec<u8>,
}

impl Elements {
    /// Reads elements of `size` bytes; `None` when the storage is of a kind that only the library
    /// reads (compact, external, virtual, not allocated, behind a user block).
    pub(super) fn read(
        path: &Path,
        dataset: &Dataset,
        name: &str,
        size: usize,
    ) -> Result<Option<Self>> {
        let mut whole: Option<Self> = None;
        Self::each_stretch(path, dataset, name, size, &mut |stretch| {
            match &mut whole {
                None => {
                    let mut first = stretch;
                    let rest = dataset.size().saturating_mul(size) - first.bytes.len();
                    reserve_more(&mut first.bytes, rest, path, name)?;
                    whole = Some(first);
                }
                Some(whole) => whole.bytes.extend_from_slice(&stretch.bytes),
            }
            Ok(())
        })?;
        Ok(whole)
    }

    /// Looks at every text, holding one stretch at a time. False when only the library can read them.
    ///
    /// # Errors
    /// As [`texts`](Self::texts).
    pub(super) fn check_texts(path: &Path, dataset: &Dataset, name: &str) -> Result<bool> {
        let mut has_some = false;
        Self::each_stretch(path, dataset, name, REFERENCE_BYTES, &mut |stretch| {
            has_some = true;
            stretch.each_text(0, |_| ())
        })?;
        Ok(has_some)
    }

    /// Hands over the elements in order: a chunk at a time, or a stretch. Nothing is handed over when
    /// only the library can read them.
    fn each_stretch(
        path: &Path,
        dataset: &Dataset,
        name: &str,
        size: usize,
        each: &mut dyn FnMut(Self) -> Result<()>,
    ) -> Result<()> {
        if super::file::check(path)?.is_unusual() || dataset.ndim() != 1 {
            return Ok(());
        }
        let file = Arc::new(File::open(path).map_err(|e| Error::io(path, "opening", e))?);
        let shape = dataset.shape();
        let Some(n_bytes) = shape[0].checked_mul(size) else {
            return Ok(());
        };
        let elements = |start: usize, bytes: Vec<u8>| Elements {
            path: path.to_path_buf(),
            name: name.to_owned(),
            file: file.clone(),
            size,
            start,
            bytes,
        };
        if n_bytes == 0 {
            return each(elements(0, Vec::new()));
        }
        if let Some(chunk) = dataset.chunk() {
            return match Chunks::list(dataset, &file, &shape, &chunk, size) {
                Some(chunks) => {
                    let sizes = [shape[0], chunk[0], size];
                    each_chunk(path, name, chunks, sizes, |start, bytes| {
                        each(elements(start, bytes))
                    })
                }
                None => Ok(()),
            };
        }
        let end = file.metadata().map_or(0, |m| m.len());
        let external = dataset.dcpl().and_then(|d| d.get_external());
        let (Some(address), Ok(true)) = (dataset.offset(), external.map(|e| e.is_empty())) else {
            return Ok(());
        };
        if address.saturating_add(n_bytes as u64) > end {
            return Err(Error::format(
                path,
                format!("{name}: lies behind the end of the file"),
            ));
        }
        for start in (0..shape[0]).step_by(STRETCH) {
            let n = STRETCH.min(shape[0] - start);
            let mut bytes = vec![0; n * size];
            file.read_exact_at(&mut bytes, address + (start * size) as u64)
                .map_err(|e| Error::io(path, &format!("reading {name}"), e))?;
            each(elements(start, bytes))?;
        }
        Ok(())
    }

    /// The elements in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.size)
    }

    /// The texts that elements refer to, at `offset` bytes inside each.
    ///
    /// # Errors
    /// `UnsupportedFormat` naming the first element whose text cannot be found.
    pub(super) fn texts(&self, offset: usize) -> Result<Vec<String>> {
        let mut texts = reserve(self.bytes.len() / self.size, &self.path, &self.name)?;
        self.each_text(offset, |text| {
            texts.push(String::from_utf8_lossy(text).into_owned());
        })?;
        Ok(texts)
    }

    fn each_text(&self, offset: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut collection = Collection::default();
        for (row, element) in self.iter().enumerate() {
            let [length, low, high, index] = [0, 4, 8, 12].map(|i| {
                let bytes = &element[offset + i..];
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
            });
            let address = u64::from(low) | u64::from(high) << 32;
            if length == 0 || address == 0 {
                each(&[]);
                continue;
            }
            let damaged = || {
                Error::format(
                    &self.path,
                    format!(
                        "{}[{}]: its text cannot be found; the file is damaged",
                        self.name,
                        self.start + row
                    ),
                )
            };
            if collection.address != address {
                collection = Collection::read(&self.file, address).ok_or_else(damaged)?;
            }
            let object = collection.object(index).ok_or_else(damaged)?;
            let text = object.get(..length as usize).ok_or_else(damaged)?;
            // The library ends text at the first zero.
            let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
            each(&text[..end]);
        }
        Ok(())
    }
}

/// Room for `n` more bytes.
fn reserve_more(bytes: &mut Vec<u8>, n: usize, path: &Path, name: &str) -> Result<()> {
    let mut roomy: Vec<u8> = reserve(bytes.len() + n, path, name)?;
    roomy.append(bytes);
    *bytes = roomy;
    Ok(())
}

fn each_chunk(
    path: &Path,
    name: &str,
    mut chunks: Chunks,
    [n, chunk, size]: [usize; 3],
    mut each: impl FnMut(usize, Vec<u8>) -> Result<()>,
) -> Result<()> {
    chunks.fill = vec![0; size];
    let mut scratch = Scratch::new();
    for cell in 0..n.div_ceil(chunk.max(1)) {
        let mut piece = chunks.decode(&mut scratch, cell).map_err(|e| match e {
            ChunkError::Io(e) => Error::io(path, &format!("reading {name}"), e),
            ChunkError::Fault(Fault::Corrupt(what) | Fault::Missing(what)) => Error::format(
                path,
                format!(
                    "{name}[{}]: the chunk that begins here: {what}",
                    cell * chunk
                ),
            ),
        })?;
        piece.truncate((n - cell * chunk) * size);
        each(cell * chunk, piece)?;
    }
    Ok(())
}

/// A collection of the global heap.
#[derive(Default)]
struct Collection {
    address: u64,
    bytes: Vec<u8>,
    /// Place and length by object number.
    objects: Vec<(usize, usize)>,
}

impl Collection {
    /// `None` when it is damaged. A collection begins with signature, version and its size; an
    /// object with number, references, its size; data are padded to eight bytes.
    fn read(file: &File, address: u64) -> Option<Self> {
        let mut head = [0; 16];
        file.read_exact_at(&mut head, address).ok()?;
        let size = u64::from_le_bytes(head[8..].try_into().ok()?);
        let end = file.metadata().ok()?.len();
        if &head[..4] != b"GCOL" || size < 16 || address.checked_add(size)? > end {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        file.read_exact_at(&mut bytes, address).ok()?;
        let mut objects = Vec::new();
        let mut at = 16;
        while let Some(head) = bytes.get(at..at + 16) {
            let number = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let length = usize::try_from(u64::from_le_bytes(head[8..].try_into().ok()?)).ok()?;
            if number == 0 {
                break;
            }
            let start = at + 16;
            if start.checked_add(length)? > bytes.len() {
                return None;
            }
            if objects.len() <= number {
                objects.resize(number + 1, (0, 0));
            }
            objects[number] = (start, length);
            at = start + length.checked_next_multiple_of(8)?;
        }
        Some(Collection {
            address,
            bytes,
            objects,
        })
    }

    fn object(&self, number: u32) -> Option<&[u8]> {
        let &(start, length) = self.objects.get(number as usize)?;
        (start > 0).then(|| &self.bytes[start..start + length])
    }
}
