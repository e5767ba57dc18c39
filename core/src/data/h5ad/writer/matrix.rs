//! Matrices streamed into a file: the datasets of a sparse or dense matrix, filled in order.
//!
//! Lengths are known before, so that workers know which chunk their entries go to.
//! Memory: one chunk of each dataset.

use hdf5::plist::dataset_create::FillTime;
use hdf5::{Dataset, Extent, Group, H5Type, SimpleExtents};

use super::chunked::{ChunkShape, ChunkedWriter};
use super::codec::Codec;
use super::element::Elements;
use crate::data::numbers::NumberKind;
use crate::error::{Error, Result};

/// Elements of a chunk of a new dataset.
pub(crate) const CHUNK: usize = 1 << 16;
/// Bytes of a chunk of rows of a dense matrix.
const DENSE_CHUNK: usize = 1 << 18;

/// How a new dataset is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Type of its elements.
    pub kind: NumberKind,
    /// Elements of a chunk.
    pub chunk: usize,
    /// How chunks are encoded.
    pub codec: Codec,
}

/// The type that is written for values of a type: half precision becomes single.
pub(crate) fn written(kind: NumberKind) -> NumberKind {
    match kind {
        NumberKind::F16 => NumberKind::F32,
        kind => kind,
    }
}

impl<'a> Elements<'a> {
    /// Begins a vector of `n` elements that can grow, without encoding attributes.
    pub(crate) fn begin_vector(
        self,
        group: &Group,
        name: &str,
        n: u64,
        form: Form,
    ) -> Result<ChunkedWriter<'a>> {
        let extents = SimpleExtents::from_vec(vec![Extent::new(n as usize, None)]);
        let dataset = self.chunked(group, name, form, extents, vec![form.chunk])?;
        let shape = ChunkShape {
            units: form.chunk as u64,
            unit_bytes: form.kind.size(),
            element: form.kind.size(),
            codec: form.codec,
        };
        Ok(ChunkedWriter::new(self, dataset, name, shape, n))
    }

    /// Begins a dense matrix, written by whole rows.
    pub(crate) fn begin_dense(
        self,
        group: &Group,
        name: &str,
        size: [usize; 2],
        form: Form,
    ) -> Result<ChunkedWriter<'a>> {
        let row = size[1] * form.kind.size();
        let height = (DENSE_CHUNK / row.max(1)).clamp(1, size[0].max(1));
        // An axis of nothing may grow: its chunk is longer than it.
        let extent = |n: usize| Extent::new(n, (n > 0).then_some(n));
        let extents = SimpleExtents::from_vec(vec![extent(size[0]), extent(size[1])]);
        let chunk = vec![height, size[1].max(1)];
        let dataset = self.chunked(group, name, form, extents, chunk)?;
        self.encoding(&dataset, "array", "0.2.0")?;
        let shape = ChunkShape {
            units: height as u64,
            unit_bytes: row,
            element: form.kind.size(),
            codec: form.codec,
        };
        Ok(ChunkedWriter::new(
            self,
            dataset,
            name,
            shape,
            size[0] as u64,
        ))
    }

    fn chunked(
        self,
        group: &Group,
        name: &str,
        form: Form,
        extents: SimpleExtents,
        chunk: Vec<usize>,
    ) -> Result<Dataset> {
        match form.kind {
            NumberKind::Bool => self.chunked_of::<bool>(group, name, form, extents, chunk),
            NumberKind::I8 => self.chunked_of::<i8>(group, name, form, extents, chunk),
            NumberKind::I16 => self.chunked_of::<i16>(group, name, form, extents, chunk),
            NumberKind::I32 => self.chunked_of::<i32>(group, name, form, extents, chunk),
            NumberKind::I64 => self.chunked_of::<i64>(group, name, form, extents, chunk),
            NumberKind::U8 => self.chunked_of::<u8>(group, name, form, extents, chunk),
            NumberKind::U16 => self.chunked_of::<u16>(group, name, form, extents, chunk),
            NumberKind::U32 => self.chunked_of::<u32>(group, name, form, extents, chunk),
            NumberKind::U64 => self.chunked_of::<u64>(group, name, form, extents, chunk),
            NumberKind::F32 => self.chunked_of::<f32>(group, name, form, extents, chunk),
            NumberKind::F64 => self.chunked_of::<f64>(group, name, form, extents, chunk),
            NumberKind::F16 => Err(Error::new(
                crate::error::ErrorKind::Internal,
                format!("{name}: half precision is not written"),
            )),
        }
    }

    fn chunked_of<T: H5Type>(
        self,
        group: &Group,
        name: &str,
        form: Form,
        extents: SimpleExtents,
        chunk: Vec<usize>,
    ) -> Result<Dataset> {
        let mut builder = group
            .new_dataset::<T>()
            .obj_track_times(false)
            .fill_time(FillTime::Never)
            .chunk(chunk);
        if form.codec.shuffle {
            builder = builder.shuffle();
        }
        if let Some(level) = form.codec.gzip {
            builder = builder.deflate(level);
        }
        builder
            .shape(extents)
            .create(name)
            .map_err(|e| self.failed(name, e))
    }

    /// Writes the pointers of a sparse matrix: as wide as `kind`, wider where they need it.
    pub(crate) fn pointers(
        self,
        group: &Group,
        pointers: &[u64],
        kind: NumberKind,
        codec: Codec,
    ) -> Result<()> {
        let last = pointers.last().copied().unwrap_or(0);
        let kind = match kind.size() {
            8 => kind,
            _ if last > i32::MAX as u64 => NumberKind::I64,
            4 => kind,
            _ => NumberKind::I32,
        };
        let form = Form {
            kind,
            chunk: CHUNK,
            codec,
        };
        let mut writer = self.begin_vector(group, "indptr", pointers.len() as u64, form)?;
        for block in pointers.chunks(CHUNK) {
            let mut bytes = Vec::with_capacity(block.len() * 8);
            for &pointer in block {
                bytes.extend_from_slice(&pointer.to_le_bytes()[..kind.size()]);
            }
            writer.put_bytes(bytes)?;
        }
        writer.finish()
    }
}
