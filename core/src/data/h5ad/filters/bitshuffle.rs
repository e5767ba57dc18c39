//! Bitshuffle (32008): bit k of all elements of a block stands together, then perhaps LZ4 or Zstd.

use super::{Fault, lz4, u32_be};

const DAMAGED: Fault = Fault::Corrupt("its bitshuffle data are damaged");
/// Bytes that a block of default length aims at, and its least number of elements.
const TARGET_BYTES: usize = 8192;
const LEAST_ELEMENTS: usize = 128;

/// Decodes a chunk; `values` are the filter's: two of version, element size, block length in
/// elements (0 = default), compressor (0 none, 2 LZ4, 3 Zstd).
pub(super) fn decode(
    bytes: &[u8],
    values: &[u32],
    element_size: usize,
    length: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let value = |i: usize| values.get(i).copied().unwrap_or(0) as usize;
    let size = match value(2) {
        0 => element_size,
        size => size,
    };
    if size == 0 || size > 1024 {
        return Err(DAMAGED);
    }
    let mut scratch = Vec::new();
    match value(4) {
        0 => {
            let block = match value(3) {
                0 => default_block(size),
                block => block,
            };
            decode_plain(bytes, size, block, out)
        }
        compressor @ (2 | 3) => {
            let total = u32_be(bytes, 4).ok_or(DAMAGED)?;
            let block_bytes = u32_be(bytes, 8).ok_or(DAMAGED)?;
            if u32_be(bytes, 0) != Some(0) || total > length {
                return Err(DAMAGED);
            }
            let blocks = Blocks::new(total, size, block_bytes / size)?;
            let mut at = 12;
            out.reserve(total);
            for n in blocks.elements() {
                let stored = u32_be(bytes, at).ok_or(DAMAGED)?;
                let data = bytes.get(at + 4..at + 4 + stored).ok_or(DAMAGED)?;
                scratch.clear();
                scratch.resize(n * size, 0);
                if compressor == 2 {
                    lz4::decode_block(data, &mut scratch)?;
                } else {
                    let n = zstd::bulk::decompress_to_buffer(data, &mut scratch[..])
                        .map_err(|_| DAMAGED)?;
                    if n != scratch.len() {
                        return Err(DAMAGED);
                    }
                }
                untranspose(&scratch, size, out);
                at += 4 + stored;
            }
            let rest = bytes.get(at..at + blocks.rest).ok_or(DAMAGED)?;
            out.extend_from_slice(rest);
            Ok(())
        }
        _ => Err(Fault::Missing("this compressor inside bitshuffle")),
    }
}

fn decode_plain(bytes: &[u8], size: usize, block: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let blocks = Blocks::new(bytes.len(), size, block)?;
    let mut at = 0;
    out.reserve(bytes.len());
    for n in blocks.elements() {
        untranspose(&bytes[at..at + n * size], size, out);
        at += n * size;
    }
    out.extend_from_slice(&bytes[at..]);
    Ok(())
}

fn default_block(size: usize) -> usize {
    (TARGET_BYTES / size / 8 * 8).max(LEAST_ELEMENTS)
}

/// Whole blocks, one shorter block in steps of eight elements, and a rest that is left as it is.
struct Blocks {
    n_whole: usize,
    block: usize,
    last: usize,
    rest: usize,
}

impl Blocks {
    fn new(total: usize, size: usize, block: usize) -> Result<Self, Fault> {
        if block == 0 || block % 8 != 0 {
            return Err(DAMAGED);
        }
        let n = total / size;
        let last = n % block / 8 * 8;
        Ok(Blocks {
            n_whole: n / block,
            block,
            last,
            rest: total - (n / block * block + last) * size,
        })
    }

    fn elements(&self) -> impl Iterator<Item = usize> + use<> {
        let last = (self.last > 0).then_some(self.last);
        std::iter::repeat_n(self.block, self.n_whole).chain(last)
    }
}

/// Undoes the bit transpose of a block whose number of elements is a multiple of eight: plane
/// `8 * byte + bit` holds that bit of every element, lowest bit first.
pub(super) fn untranspose(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    let n = bytes.len() / size;
    let plane = n / 8;
    let start = out.len();
    out.resize(start + n * size, 0);
    let target = &mut out[start..];
    for byte in 0..size {
        for group in 0..plane {
            let mut bits = [0_u8; 8];
            for (bit, slot) in bits.iter_mut().enumerate() {
                *slot = bytes[(8 * byte + bit) * plane + group];
            }
            let elements = transpose8(u64::from_le_bytes(bits)).to_le_bytes();
            for (i, &value) in elements.iter().enumerate() {
                target[(8 * group + i) * size + byte] = value;
            }
        }
    }
}

/// Transposes an 8 x 8 matrix of bits, row = byte, by swapping ever larger quarters.
fn transpose8(mut x: u64) -> u64 {
    for (shift, mask) in [
        (7, 0x00aa_00aa_00aa_00aa_u64),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let swap = (x ^ (x >> shift)) & mask;
        x ^= swap ^ (swap << shift);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, the slow and obvious way.
    fn transpose(bytes: &[u8], size: usize) -> Vec<u8> {
        let n = bytes.len() / size;
        let mut out = vec![0_u8; bytes.len()];
        for element in 0..n {
            for bit in 0..8 * size {
                if bytes[element * size + bit / 8] >> (bit % 8) & 1 == 1 {
                    out[bit * (n / 8) + element / 8] |= 1 << (element % 8);
                }
            }
        }
        out
    }

    fn encode(plain: &[u8], size: usize, block: usize, compressor: u32) -> Vec<u8> {
        let mut out = Vec::new();
        if compressor != 0 {
            out.extend_from_slice(&(plain.len() as u64).to_be_bytes());
            out.extend_from_slice(&((block * size) as u32).to_be_bytes());
        }
        let whole = plain.len() / size / 8 * 8 * size;
        for piece in plain[..whole].chunks(block * size) {
            let bits = transpose(piece, size);
            let data = match compressor {
                2 => lz4_flex::block::compress(&bits),
                3 => zstd::bulk::compress(&bits, 1).expect("memory"),
                _ => bits,
            };
            if compressor != 0 {
                out.extend_from_slice(&(data.len() as u32).to_be_bytes());
            }
            out.extend_from_slice(&data);
        }
        out.extend_from_slice(&plain[whole..]);
        out
    }

    #[test]
    fn every_compressor_size_and_rest_comes_back() {
        for compressor in [0, 2, 3] {
            for size in [1, 2, 4, 8] {
                for n in [0, 3, 8, 130, 2053, 5000] {
                    let plain: Vec<u8> = (0..n * size).map(|i| (i * i % 241) as u8).collect();
                    let block = default_block(size);
                    let stored = encode(&plain, size, block, compressor);
                    let mut out = Vec::new();
                    let values = [0, 3, size as u32, 0, compressor];
                    decode(&stored, &values, size, plain.len(), &mut out).expect("decoded");
                    assert_eq!(out, plain, "compressor {compressor}, size {size}, n {n}");
                }
            }
        }
    }
}
