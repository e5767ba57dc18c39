//! Where the chunks of a dataset lie in the file, and their bytes without the HDF5 library.
//!
//! The list of chunks is asked for once; afterwards a chunk is a `pread` and a decoder, which any
//! number of threads can do at once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use hdf5::filters::Filter;

use super::btree::{self, Entry};
use super::filters::{Fault, Pipeline, Scratch, Stage};

/// More grid cells than this per stored chunk are not tabulated: such a dataset is nearly empty.
const SPARSEST_GRID: usize = 1000;
/// Up to here the library lists chunks quickly enough.
const FEW_CHUNKS: usize = 64;

/// A stored chunk; `size` 0 = not stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    address: u64,
    size: u64,
    skipped: u32,
}

/// The chunks of one dataset.
#[derive(Debug)]
pub(crate) struct Chunks {
    file: Arc<File>,
    places: Vec<Place>,
    pipeline: Pipeline,
    /// Bytes of a decoded chunk.
    length: usize,
    /// One element of a chunk that is not stored.
    pub fill: Vec<u8>,
}

impl Chunks {
    /// Lists the chunks of `dataset`, whose chunks form a grid of `grid` cells.
    ///
    /// `None` when a filter is not decoded here, or the list cannot be had or trusted.
    pub(crate) fn list(
        dataset: &hdf5::Dataset,
        file: &Arc<File>,
        shape: &[usize],
        chunk: &[usize],
        element_size: usize,
    ) -> Option<Self> {
        let stages = dataset.dcpl().ok()?.get_filters().ok()?;
        let pipeline = Pipeline::new(stages.iter().map(stage).collect(), element_size)?;
        let length = chunk
            .iter()
            .try_fold(element_size, |n, &d| n.checked_mul(d))?;
        let grid: Vec<usize> = shape
            .iter()
            .zip(chunk)
            .map(|(&s, &c)| s.div_ceil(c.max(1)))
            .collect();
        let n_cells = grid.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))?;
        let n_chunks = dataset.num_chunks()?;
        if n_cells > n_chunks.saturating_add(1).saturating_mul(SPARSEST_GRID) {
            return None;
        }
        let end = file.metadata().ok()?.len();
        let mut places = vec![Place::default(); n_cells];
        for entry in entries(dataset, file, n_chunks)? {
            let mut cell = 0_usize;
            let mut is_inside = true;
            for (axis, &offset) in entry.offset.iter().enumerate() {
                let step = usize::try_from(offset).ok()? / chunk[axis];
                // Chunks beyond the shape may stay behind after a dataset was shrunk.
                is_inside &= step < grid[axis];
                cell = cell.saturating_mul(grid[axis]).saturating_add(step);
            }
            if entry.address.checked_add(entry.size)? > end {
                return None;
            }
            if is_inside {
                places[cell] = Place {
                    address: entry.address,
                    size: entry.size,
                    skipped: entry.skipped,
                };
            }
        }
        Some(Chunks {
            file: Arc::clone(file),
            places,
            pipeline,
            length,
            fill: Vec::new(),
        })
    }

    /// Moves all addresses by the length of a user block.
    pub(crate) fn shift(&mut self, base: u64) {
        for place in self.places.iter_mut().filter(|p| p.size > 0) {
            place.address += base;
        }
    }

    /// The grid cell of the smallest stored chunk.
    pub(crate) fn smallest(&self) -> Option<usize> {
        let stored = self.places.iter().enumerate().filter(|(_, p)| p.size > 0);
        stored
            .min_by_key(|(cell, p)| (p.size, *cell))
            .map(|(cell, _)| cell)
    }

    /// The first grid cell without a stored chunk.
    pub(crate) fn first_absent(&self) -> Option<usize> {
        self.places.iter().position(|p| p.size == 0)
    }

    /// Reads a part of a chunk straight into its place: any part of one that is stored without filters, the whole of one
    /// that is only to be inflated. `None` for others.
    pub(crate) fn read_into(
        &self,
        scratch: &mut Scratch,
        cell: usize,
        at: usize,
        out: &mut [u8],
    ) -> Option<Result<(), ChunkError>> {
        let place = self.places[cell];
        if self.pipeline.is_empty() {
            let is_plain = place.size == self.length as u64 && at + out.len() <= self.length;
            let address = place.address + at as u64;
            return is_plain.then(|| {
                self.file
                    .read_exact_at(out, address)
                    .map_err(ChunkError::Io)
            });
        }
        let is_whole = place.size > 0 && at == 0 && out.len() == self.length;
        (is_whole && self.pipeline.is_inflation(place.skipped))
            .then(|| self.inflate(scratch, place, out))
    }

    /// Inflates a stored chunk into its place.
    fn inflate(
        &self,
        scratch: &mut Scratch,
        place: Place,
        out: &mut [u8],
    ) -> Result<(), ChunkError> {
        scratch.with_stored(place.size as usize, |scratch, stored| {
            self.file
                .read_exact_at(stored, place.address)
                .map_err(ChunkError::Io)?;
            Pipeline::inflate(scratch, stored, out).map_err(ChunkError::Fault)
        })
    }

    /// The decoded bytes of a grid cell, padded at the edges as they are stored.
    pub(crate) fn decode(&self, scratch: &mut Scratch, cell: usize) -> Result<Vec<u8>, ChunkError> {
        let place = self.places[cell];
        if place.size == 0 {
            let n = self.length / self.fill.len().max(1);
            return Ok(self.fill.repeat(n));
        }
        if self.pipeline.is_inflation(place.skipped) {
            let mut bytes = scratch.buffer(self.length);
            self.inflate(scratch, place, &mut bytes)?;
            return Ok(bytes);
        }
        // The list was checked against the length of the file, so this is no more than the file.
        let mut bytes = scratch.buffer(place.size as usize);
        self.file
            .read_exact_at(&mut bytes, place.address)
            .map_err(ChunkError::Io)?;
        self.pipeline
            .decode(scratch, &mut bytes, self.length, place.skipped)
            .map_err(ChunkError::Fault)?;
        Ok(bytes)
    }
}

/// The chunks in any order: from the file's index where there are many and it can be read,
/// otherwise from the library, which takes time quadratic in their number.
fn entries(dataset: &hdf5::Dataset, file: &File, n_chunks: usize) -> Option<Vec<Entry>> {
    if n_chunks >= FEW_CHUNKS {
        let listed = btree::header_address(dataset)
            .and_then(|header| btree::list(file, header, dataset.ndim(), n_chunks));
        if let Some(entries) = listed.filter(|entries| is_confirmed(dataset, entries)) {
            return Some(entries);
        }
    }
    (0..n_chunks)
        .map(|index| library_entry(dataset, index))
        .collect()
}

/// Whether the library has the first chunks as the index has them.
fn is_confirmed(dataset: &hdf5::Dataset, entries: &[Entry]) -> bool {
    (0..4).all(|index| library_entry(dataset, index).is_some_and(|e| entries.contains(&e)))
}

fn library_entry(dataset: &hdf5::Dataset, index: usize) -> Option<Entry> {
    let info = dataset.chunk_info(index)?;
    Some(Entry {
        address: info.addr,
        size: info.size,
        skipped: info.filter_mask,
        offset: info.offset.to_vec(),
    })
}

/// Why a chunk could not be had.
#[derive(Debug)]
pub(crate) enum ChunkError {
    Io(std::io::Error),
    Fault(Fault),
}

fn stage(filter: &Filter) -> Stage {
    let values = match filter {
        Filter::User(_, values) => values.clone(),
        _ => Vec::new(),
    };
    Stage {
        id: u32::try_from(filter.id()).unwrap_or(0),
        values,
    }
}

/// The filters of a dataset as words: `"shuffle"`, `"gzip:4"`.
pub(crate) fn filter_words(dataset: &hdf5::Dataset) -> Vec<String> {
    dataset
        .filters()
        .iter()
        .map(|filter| match filter {
            Filter::Deflate(level) => format!("gzip:{level}"),
            other => {
                let id = u32::try_from(other.id()).unwrap_or(0);
                match super::filters::filter_name(id) {
                    "unknown" => format!("filter {id}"),
                    name => name.to_owned(),
                }
            }
        })
        .collect()
}

/// The first filter that the HDF5 library cannot undo.
pub(crate) fn unavailable_filter(dataset: &hdf5::Dataset) -> Option<u32> {
    let filters = dataset.filters();
    let missing = filters.iter().find(|f| !f.decode_enabled())?;
    u32::try_from(missing.id()).ok()
}
