//! Chunks encoded on the workers: shuffle and gzip.
//!
//! Time: gzip level 4 at some 60 to 100 MB/s a worker. Memory: one chunk and its encoded form.

use hdf5::filters::Filter;
use libdeflater::{CompressionLvl, Compressor};

use super::super::filters::shuffle;
use crate::data::write::Compression;
use crate::error::{Error, ErrorKind, Result};

/// How the chunks of a dataset are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Codec {
    /// gzip level, 1 to 9.
    pub gzip: Option<u8>,
    /// Bytes of equal rank are put together before.
    pub shuffle: bool,
}

/// An encoded chunk; bit k of `skipped`: filter k was not applied.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    pub skipped: u32,
}

impl Codec {
    /// What the user asked for.
    pub(crate) fn of(compression: Compression) -> Self {
        match compression {
            Compression::None => Codec::default(),
            Compression::Gzip => Codec {
                gzip: Some(super::create::GZIP_LEVEL),
                shuffle: false,
            },
            Compression::GzipLevel { level, shuffle } => Codec {
                gzip: Some(level.clamp(1, 9)),
                shuffle,
            },
        }
    }

    /// What a dataset has: none and gzip stay as they are, other filters become gzip with shuffle.
    pub(crate) fn like(dataset: &hdf5::Dataset) -> Self {
        let filters = dataset.filters();
        let gzip = filters.iter().find_map(|f| match f {
            Filter::Deflate(level) => Some((*level).clamp(1, 9)),
            _ => None,
        });
        let compresses = filters
            .iter()
            .any(|f| !matches!(f, Filter::Shuffle | Filter::Fletcher32 | Filter::Deflate(_)));
        match (gzip, compresses) {
            (Some(level), _) => Codec {
                gzip: Some(level),
                shuffle: filters.iter().any(|f| matches!(f, Filter::Shuffle)),
            },
            (None, true) => Codec {
                gzip: Some(super::create::GZIP_LEVEL),
                shuffle: true,
            },
            (None, false) => Codec::default(),
        }
    }

    /// Encodes a whole chunk of elements of `size` bytes; `None` where it is stored as it is.
    ///
    /// # Errors
    /// `Internal` when the compressor breaks its promise.
    pub(crate) fn encode(self, bytes: &[u8], size: usize) -> Result<Option<Encoded>> {
        let Some(level) = self.gzip else {
            return Ok(None);
        };
        let mut shuffled = Vec::new();
        let bytes = match self.shuffle {
            false => bytes,
            true => {
                shuffle::shuffle(bytes, size, &mut shuffled);
                &shuffled
            }
        };
        let failed = |what: String| Error::new(ErrorKind::Internal, format!("gzip: {what}"));
        let level = CompressionLvl::new(i32::from(level)).map_err(|e| failed(format!("{e:?}")))?;
        let mut compressor = Compressor::new(level);
        let mut out = vec![0; compressor.zlib_compress_bound(bytes.len())];
        let n = compressor
            .zlib_compress(bytes, &mut out)
            .map_err(|e| failed(format!("{e:?}")))?;
        if n >= bytes.len() {
            // Not worth it: stored as it is, with the filter marked as skipped.
            let skipped = if self.shuffle { 0b10 } else { 0b1 };
            let bytes = bytes.to_vec();
            return Ok(Some(Encoded { bytes, skipped }));
        }
        out.truncate(n);
        Ok(Some(Encoded {
            bytes: out,
            skipped: 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::filters::{DEFLATE, Pipeline, SHUFFLE, Scratch, Stage};
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (plain, shuffle) in [
            (vec![7_u8; 4096], true),
            ((0..4096_u32).map(|i| (i * i % 251) as u8).collect(), false),
        ] {
            let codec = Codec {
                gzip: Some(4),
                shuffle,
            };
            let mut encoded = codec.encode(&plain, 4).expect("encoded").expect("gzip");
            let mut stages = vec![Stage {
                id: DEFLATE,
                values: vec![4],
            }];
            if shuffle {
                stages.insert(
                    0,
                    Stage {
                        id: SHUFFLE,
                        values: vec![4],
                    },
                );
            }
            Pipeline::new(stages, 4)
                .expect("known")
                .decode(
                    &mut Scratch::new(),
                    &mut encoded.bytes,
                    plain.len(),
                    encoded.skipped,
                )
                .expect("decoded");
            assert_eq!(encoded.bytes, plain);
        }
    }
}
