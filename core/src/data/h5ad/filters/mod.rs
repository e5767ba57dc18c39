//! Decoders of HDF5 chunk filters: bytes in, bytes out, on any thread.
//!
//! HDF5's own decoders run under one global lock, so chunks of numbers are decoded here. Nothing
//! in this folder knows files or the HDF5 library. Every length is checked: broken input gives a
//! [`Fault`], never a panic and never more memory than the chunk has.
//!
//! Source: the HDF5 file format specification (filters 1 to 3) and the registered filters' public
//! format notes (32000 LZF, 32001 Blosc, 32004 LZ4, 32008 bitshuffle, 32015 Zstandard).

mod bitshuffle;
mod blosc;
mod fletcher32;
#[cfg(fuzzing)]
pub mod fuzz;
mod lz4;
mod lzf;
pub(crate) mod shuffle;

use libdeflater::Decompressor;

pub(crate) const DEFLATE: u32 = 1;
pub(crate) const SHUFFLE: u32 = 2;
pub(crate) const FLETCHER32: u32 = 3;
pub(crate) const LZF: u32 = 32000;
pub(crate) const BLOSC: u32 = 32001;
pub(crate) const LZ4: u32 = 32004;
pub(crate) const BITSHUFFLE: u32 = 32008;
pub(crate) const ZSTD: u32 = 32015;

/// Why a chunk could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes do not follow the format.
    Corrupt(&'static str),
    /// A variant of a filter that is not decoded here, by name.
    Missing(&'static str),
}

/// One filter of a dataset, as its creation properties state it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// HDF5 filter id.
    pub id: u32,
    /// Client values.
    pub values: Vec<u32>,
}

/// The filters of a dataset in the order in which they were applied on writing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pipeline {
    stages: Vec<Stage>,
    element_size: usize,
}

const WRONG_LENGTH: Fault = Fault::Corrupt("the chunk has a wrong length");

/// Buffers and decoder state of one worker.
pub(crate) struct Scratch {
    deflate: Decompressor,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    other: Vec<u8>,
    /// A buffer that a caller has given back.
    spare: Vec<u8>,
    /// Stored bytes, which are shorter than what they are decoded to.
    stored: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch {
            deflate: Decompressor::new(),
            zstd: None,
            other: Vec::new(),
            spare: Vec::new(),
            stored: Vec::new(),
        }
    }

    /// A buffer of `length` bytes, of any content.
    pub(crate) fn buffer(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.resize(length, 0);
        bytes
    }

    /// Calls `work` with a buffer for `length` stored bytes, of any content.
    pub(crate) fn with_stored<T>(
        &mut self,
        length: usize,
        work: impl FnOnce(&mut Self, &mut [u8]) -> T,
    ) -> T {
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(length.max(stored.len()), 0);
        let result = work(self, &mut stored[..length]);
        self.stored = stored;
        result
    }

    /// Gives a buffer back, to be used again.
    pub(crate) fn recycle(&mut self, bytes: Vec<u8>) {
        self.spare = bytes;
    }
}

/// The HDF5 registry's name of a filter.
pub(crate) fn filter_name(id: u32) -> &'static str {
    match id {
        DEFLATE => "gzip",
        SHUFFLE => "shuffle",
        FLETCHER32 => "fletcher32",
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        LZF => "lzf",
        BLOSC => "blosc",
        LZ4 => "lz4",
        BITSHUFFLE => "bitshuffle",
        32013 => "zfp",
        ZSTD => "zstd",
        32026 => "blosc2",
        _ => "unknown",
    }
}

impl Pipeline {
    /// `None` when a stage is not decoded here, or the stages are combined in a way that leaves
    /// the length between two of them unknown.
    pub(crate) fn new(stages: Vec<Stage>, element_size: usize) -> Option<Self> {
        let known = |s: &Stage| {
            [SHUFFLE, FLETCHER32].contains(&s.id) || compresses(s.id) && s.values.len() <= 64
        };
        let first = stages.iter().position(|s| compresses(s.id));
        let compressors = stages.iter().filter(|s| compresses(s.id)).count();
        // After a compressor only a checksum keeps the length known.
        let tail_is_plain =
            first.is_none_or(|first| stages[first + 1..].iter().all(|s| s.id == FLETCHER32));
        (stages.iter().all(known) && compressors <= 1 && tail_is_plain).then_some(Pipeline {
            stages,
            element_size,
        })
    }

    /// Whether nothing is applied to the chunks.
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Decodes a stored chunk in place: `chunk` holds the stored bytes and then the
    /// `length` bytes of the chunk. Bit k of `skipped` set: filter k was not applied.
    pub(crate) fn decode(
        &self,
        scratch: &mut Scratch,
        chunk: &mut Vec<u8>,
        length: usize,
        skipped: u32,
    ) -> Result<(), Fault> {
        let applied = |index: usize| index >= 32 || skipped & (1 << index) == 0;
        for (index, stage) in self.stages.iter().enumerate().rev() {
            if !applied(index) {
                continue;
            }
            let checksums = self.stages[..index]
                .iter()
                .enumerate()
                .filter(|(i, s)| s.id == FLETCHER32 && applied(*i))
                .count();
            self.undo(stage, scratch, chunk, length + 4 * checksums)?;
        }
        if chunk.len() == length {
            Ok(())
        } else {
            Err(WRONG_LENGTH)
        }
    }

    /// Whether [`inflate`](Self::inflate) can decode a chunk for which these filters were skipped.
    pub(crate) fn is_inflation(&self, skipped: u32) -> bool {
        matches!(self.stages.as_slice(), [stage] if stage.id == DEFLATE) && skipped & 1 == 0
    }

    /// Decodes a stored chunk that is only to be inflated, straight into its place.
    pub(crate) fn inflate(
        scratch: &mut Scratch,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<(), Fault> {
        if inflate_into(&mut scratch.deflate, stored, out)? == out.len() {
            Ok(())
        } else {
            Err(WRONG_LENGTH)
        }
    }

    /// Undoes one stage; `length` is what its input had.
    fn undo(
        &self,
        stage: &Stage,
        scratch: &mut Scratch,
        chunk: &mut Vec<u8>,
        length: usize,
    ) -> Result<(), Fault> {
        if stage.id == FLETCHER32 {
            return fletcher32::strip(chunk);
        }
        let mut out = std::mem::take(&mut scratch.other);
        out.clear();
        let done = match stage.id {
            SHUFFLE => {
                let size = stage
                    .values
                    .first()
                    .map_or(self.element_size, |&v| v as usize);
                shuffle::unshuffle(chunk, size, &mut out);
                Ok(())
            }
            DEFLATE => inflate(&mut scratch.deflate, chunk, length, &mut out),
            ZSTD => unzstd(&mut scratch.zstd, chunk, length, &mut out),
            LZF => lzf::decode(chunk, length, &mut out),
            LZ4 => lz4::decode_framed(chunk, length, &mut out),
            BITSHUFFLE => {
                bitshuffle::decode(chunk, &stage.values, self.element_size, length, &mut out)
            }
            BLOSC => blosc::decode(chunk, length, &mut out),
            _ => Err(Fault::Missing("this filter")),
        };
        std::mem::swap(chunk, &mut out);
        scratch.other = out;
        done
    }
}

fn compresses(id: u32) -> bool {
    [DEFLATE, ZSTD, LZF, LZ4, BITSHUFFLE, BLOSC].contains(&id)
}

fn inflate(
    decoder: &mut Decompressor,
    bytes: &[u8],
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.resize(length, 0);
    let n = inflate_into(decoder, bytes, out)?;
    out.truncate(n);
    Ok(())
}

/// Inflates; returns the length.
fn inflate_into(decoder: &mut Decompressor, bytes: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
    decoder
        .zlib_decompress(bytes, out)
        .map_err(|_| Fault::Corrupt("its gzip stream is damaged"))
}

fn unzstd(
    decoder: &mut Option<zstd::bulk::Decompressor<'static>>,
    bytes: &[u8],
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let decoder = match decoder {
        Some(decoder) => decoder,
        none => none.insert(
            zstd::bulk::Decompressor::new().map_err(|_| Fault::Missing("zstd (no memory)"))?,
        ),
    };
    out.reserve_exact(length);
    decoder
        .decompress_to_buffer(bytes, out)
        .map_err(|_| Fault::Corrupt("its zstd frame is damaged"))?;
    Ok(())
}

/// A little-endian `u32` at `at`.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    let value = u32::from_le_bytes(bytes.try_into().ok()?);
    usize::try_from(value).ok()
}

/// A big-endian `u32` at `at`.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<usize> {
    u32_le(bytes, at).map(|v| (v as u32).swap_bytes() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    pub(super) fn numbers(n: u32) -> Vec<u8> {
        (0..n)
            .flat_map(|i| ((i * i) % 977 + i % 3).to_le_bytes())
            .collect()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(4));
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    pub(super) fn shuffle(bytes: &[u8], size: usize) -> Vec<u8> {
        let n = bytes.len() / size;
        let mut out = vec![0; bytes.len()];
        for i in 0..n {
            for k in 0..size {
                out[k * n + i] = bytes[i * size + k];
            }
        }
        out[n * size..].copy_from_slice(&bytes[n * size..]);
        out
    }

    fn stages(ids: &[u32]) -> Vec<Stage> {
        ids.iter()
            .map(|&id| Stage {
                id,
                values: if id == SHUFFLE { vec![4] } else { Vec::new() },
            })
            .collect()
    }

    /// HDF5's own arithmetic: blocks of 360 words, folded by shift and mask.
    fn checksum_as_hdf5(bytes: &[u8]) -> u32 {
        let (mut one, mut two) = (0_u32, 0_u32);
        let fold = |v: u32| (v & 0xffff) + (v >> 16);
        let words: Vec<u32> = bytes
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |&b| u32::from(b)))
            .collect();
        for block in words.chunks(360) {
            for word in block {
                one += word;
                two += one;
            }
            (one, two) = (fold(one), fold(two));
        }
        (one, two) = (fold(one), fold(two));
        two << 16 | one
    }

    #[test]
    fn shuffle_gzip_and_checksum_are_undone_in_reverse_order() {
        for n in [0, 1, 100, 5000] {
            let plain = numbers(n);
            let mut stored = deflate(&shuffle(&plain, 4));
            let sum = checksum_as_hdf5(&stored);
            stored.extend_from_slice(&sum.to_le_bytes());
            let pipeline =
                Pipeline::new(stages(&[SHUFFLE, DEFLATE, FLETCHER32]), 4).expect("known");
            let mut chunk = stored.clone();
            let mut scratch = Scratch::new();
            pipeline
                .decode(&mut scratch, &mut chunk, plain.len(), 0)
                .expect("decoded");
            assert_eq!(chunk, plain);
            let last = stored.len() - 6;
            stored[last] ^= 1;
            assert!(matches!(
                pipeline.decode(&mut scratch, &mut stored, plain.len(), 0),
                Err(Fault::Corrupt(_))
            ));
        }
    }

    #[test]
    fn a_filter_in_the_mask_is_skipped() {
        let plain = numbers(64);
        let mut chunk = shuffle(&plain, 4);
        let pipeline = Pipeline::new(stages(&[SHUFFLE, DEFLATE]), 4).expect("known");
        pipeline
            .decode(&mut Scratch::new(), &mut chunk, plain.len(), 0b10)
            .expect("decoded");
        assert_eq!(chunk, plain);
    }

    #[test]
    fn zstd_frames_are_decoded_and_damage_is_found() {
        let plain = numbers(3000);
        let stored = zstd::bulk::compress(&plain, 3).expect("memory");
        let pipeline = Pipeline::new(stages(&[ZSTD]), 4).expect("known");
        let mut scratch = Scratch::new();
        let mut chunk = stored.clone();
        pipeline
            .decode(&mut scratch, &mut chunk, plain.len(), 0)
            .expect("decoded");
        assert_eq!(chunk, plain);
        let mut cut = stored[..stored.len() / 2].to_vec();
        assert!(
            pipeline
                .decode(&mut scratch, &mut cut, plain.len(), 0)
                .is_err()
        );
    }

    #[test]
    fn pipelines_that_cannot_be_decoded_here_are_refused() {
        assert!(Pipeline::new(stages(&[4]), 4).is_none());
        assert!(Pipeline::new(stages(&[DEFLATE, ZSTD]), 4).is_none());
        assert!(Pipeline::new(stages(&[DEFLATE, SHUFFLE]), 4).is_none());
        assert!(Pipeline::new(stages(&[FLETCHER32, SHUFFLE, LZF]), 4).is_some());
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        let mut scratch = Scratch::new();
        for id in [DEFLATE, ZSTD, LZF, LZ4, BITSHUFFLE, BLOSC, FLETCHER32] {
            let pipeline = Pipeline::new(
                vec![Stage {
                    id,
                    values: vec![0, 4, 4, 0, 2],
                }],
                4,
            )
            .expect("known");
            for seed in 0..400_u64 {
                let mut stream = crate::par::rng::stream(seed, "filters", u64::from(id));
                let n = stream.below(200) as usize;
                let mut chunk: Vec<u8> = (0..n).map(|_| stream.bits() as u8).collect();
                // Broken or not, it returns.
                let _ = pipeline.decode(&mut scratch, &mut chunk, 256, 0);
            }
        }
    }
}
