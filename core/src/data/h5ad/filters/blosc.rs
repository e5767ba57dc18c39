//! Blosc 1 (32001): a chunk cut into blocks, each split into streams, with LZ codecs inside.

use super::shuffle::unshuffle;
use super::{Fault, bitshuffle, lz4, lzf, u32_le};

const DAMAGED: Fault = Fault::Corrupt("its blosc data are damaged");
const HEADER: usize = 16;
/// A block is split into one stream per byte of an element up to this element size ...
const MOST_SPLITS: usize = 16;
/// ... if every stream then has at least this many bytes.
const LEAST_STREAM: usize = 128;

#[derive(Clone, Copy)]
struct Header {
    flags: u8,
    element_size: usize,
    length: usize,
    block: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        let header = Header {
            flags: *bytes.get(2)?,
            element_size: usize::from(*bytes.get(3)?).max(1),
            length: u32_le(bytes, 4)?,
            block: u32_le(bytes, 8)?,
        };
        (bytes.len() >= HEADER && bytes[0] <= 2).then_some(header)
    }

    fn n_streams(self, block: usize) -> usize {
        let split = self.flags & 0x10 == 0
            && self.element_size <= MOST_SPLITS
            && self.block / self.element_size >= LEAST_STREAM
            && block == self.block;
        if split { self.element_size } else { 1 }
    }
}

/// Decodes a Blosc buffer of at most `length` bytes.
pub(super) fn decode(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let header = Header::parse(bytes).ok_or(DAMAGED)?;
    if header.length > length || (header.length > 0 && header.block == 0) {
        return Err(DAMAGED);
    }
    if header.flags & 2 != 0 {
        let data = bytes.get(HEADER..HEADER + header.length).ok_or(DAMAGED)?;
        out.extend_from_slice(data);
        return Ok(());
    }
    out.reserve(header.length);
    let mut scratch = Vec::new();
    for index in 0..header.length.div_ceil(header.block.max(1)) {
        let start = u32_le(bytes, HEADER + 4 * index).ok_or(DAMAGED)?;
        let n = header.block.min(header.length - index * header.block);
        scratch.clear();
        decode_block(bytes, start, header, n, &mut scratch)?;
        unshuffle_block(header, &scratch, out);
    }
    Ok(())
}

fn decode_block(
    bytes: &[u8],
    start: usize,
    header: Header,
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let n_streams = header.n_streams(length);
    let stream = length / n_streams;
    let mut at = start;
    for _ in 0..n_streams {
        let stored = u32_le(bytes, at).ok_or(DAMAGED)?;
        let end = (at + 4).checked_add(stored).ok_or(DAMAGED)?;
        let data = bytes.get(at + 4..end).ok_or(DAMAGED)?;
        if stored == stream {
            out.extend_from_slice(data);
        } else {
            decode_stream(header.flags >> 5, data, stream, out)?;
        }
        at = end;
    }
    if out.len() == length {
        Ok(())
    } else {
        Err(DAMAGED)
    }
}

fn decode_stream(codec: u8, data: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let from = out.len();
    if codec == 0 {
        blosclz(data, length, out)?;
        return if out.len() - from == length {
            Ok(())
        } else {
            Err(DAMAGED)
        };
    }
    out.resize(from + length, 0);
    let target = &mut out[from..];
    let n = match codec {
        1 => return lz4::decode_block(data, target),
        3 => libdeflater::Decompressor::new()
            .zlib_decompress(data, target)
            .map_err(|_| DAMAGED)?,
        4 => zstd::bulk::decompress_to_buffer(data, target).map_err(|_| DAMAGED)?,
        2 => return Err(Fault::Missing("snappy inside blosc")),
        _ => return Err(Fault::Missing("this codec inside blosc")),
    };
    if n == length { Ok(()) } else { Err(DAMAGED) }
}

fn unshuffle_block(header: Header, block: &[u8], out: &mut Vec<u8>) {
    let size = header.element_size;
    if header.flags & 1 != 0 && size > 1 {
        let mut plain = Vec::new();
        unshuffle(block, size, &mut plain);
        out.extend_from_slice(&plain);
    } else if header.flags & 4 != 0 && block.len() >= size && (block.len() / size) % 8 == 0 {
        let whole = block.len() / size * size;
        bitshuffle::untranspose(&block[..whole], size, out);
        out.extend_from_slice(&block[whole..]);
    } else {
        out.extend_from_slice(block);
    }
}

/// BloscLZ: runs of literals (control below 32) and back references with lengths that continue
/// while bytes are 255, and a far form for distances above 8191.
fn blosclz(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let base = out.len();
    let mut at = 0;
    let next = |at: &mut usize| -> Result<usize, Fault> {
        let byte = *bytes.get(*at).ok_or(DAMAGED)?;
        *at += 1;
        Ok(usize::from(byte))
    };
    let mut is_first = true;
    while at < bytes.len() {
        let mut control = next(&mut at)?;
        if is_first {
            control &= 31;
            is_first = false;
        }
        if control < 32 {
            let run = bytes.get(at..at + control + 1).ok_or(DAMAGED)?;
            out.extend_from_slice(run);
            at += control + 1;
        } else {
            let mut run = (control >> 5) - 1;
            if run == 6 {
                loop {
                    let more = next(&mut at)?;
                    run += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let high = (control & 31) << 8;
            let low = next(&mut at)?;
            let distance = if low == 255 && high == 31 << 8 {
                let far = next(&mut at)? << 8;
                far + next(&mut at)? + 8191
            } else {
                high + low
            };
            if distance + 1 > out.len() - base || run > length {
                return Err(DAMAGED);
            }
            lzf::copy_back(out, distance + 1, run + 3)?;
        }
        if out.len() - base > length {
            return Err(DAMAGED);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, shuffle};
    use super::*;

    /// Byte-shuffled, split, four bytes an element; `codec` as in the header.
    fn encode(plain: &[u8], block: usize, codec: u8, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let n_blocks = plain.len().div_ceil(block);
        let mut out = vec![2, 1, 1 | codec << 5, 4];
        out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        out.extend_from_slice(&(block as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.resize(HEADER + 4 * n_blocks, 0);
        for (i, piece) in plain.chunks(block).enumerate() {
            let start = (out.len() as u32).to_le_bytes();
            out[HEADER + 4 * i..HEADER + 4 * i + 4].copy_from_slice(&start);
            let bytes = shuffle(piece, 4);
            let streams = if piece.len() == block { 4 } else { 1 };
            for stream in bytes.chunks(bytes.len() / streams) {
                let packed = pack(stream);
                let data = if packed.len() < stream.len() {
                    &packed[..]
                } else {
                    stream
                };
                out.extend_from_slice(&(data.len() as u32).to_le_bytes());
                out.extend_from_slice(data);
            }
        }
        out
    }

    #[test]
    fn codecs_are_decoded() {
        let plain = numbers(3000);
        let zlib = |bytes: &[u8]| {
            let mut out = vec![0; bytes.len() + 100];
            let n = libdeflater::Compressor::new(libdeflater::CompressionLvl::default())
                .zlib_compress(bytes, &mut out)
                .expect("room");
            out.truncate(n);
            out
        };
        let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("memory");
        let stored = [
            encode(&plain, 4096, 1, lz4_flex::block::compress),
            encode(&plain, 4096, 3, zlib),
            encode(&plain, 2048, 4, zstd),
        ];
        for stored in stored {
            let mut out = Vec::new();
            decode(&stored, plain.len(), &mut out).expect("decoded");
            assert_eq!(out, plain);
            assert!(decode(&stored[..stored.len() - 3], plain.len(), &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn blosclz_runs_and_references() {
        let mut out = Vec::new();
        // "abcd", then 5 bytes from 4 back, then a long run of the last byte.
        let bytes = [3 | 32, b'a', b'b', b'c', b'd', 3 << 5, 3, 7 << 5, 255, 4, 0];
        blosclz(&bytes, 1000, &mut out).expect("decoded");
        let mut expected = b"abcdabcda".to_vec();
        expected.extend_from_slice(&vec![b'a'; 6 + 255 + 4 + 3]);
        assert_eq!(out, expected);
    }
}
