//! The LZ4 filter (32004): big-endian header, then blocks with their lengths.

use super::{Fault, u32_be};

const DAMAGED: Fault = Fault::Corrupt("its lz4 data are damaged");

/// Decodes total length (8 bytes), block length (4), then blocks; a block stored at its full
/// length is not compressed.
pub(super) fn decode_framed(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let total = u32_be(bytes, 4).ok_or(DAMAGED)?;
    let block = u32_be(bytes, 8).ok_or(DAMAGED)?;
    if u32_be(bytes, 0) != Some(0) || total > length || (block == 0 && total > 0) {
        return Err(DAMAGED);
    }
    out.resize(total, 0);
    let (mut at, mut done) = (12, 0);
    while done < total {
        let stored = u32_be(bytes, at).ok_or(DAMAGED)?;
        let data = bytes.get(at + 4..at + 4 + stored).ok_or(DAMAGED)?;
        let plain = block.min(total - done);
        let target = &mut out[done..done + plain];
        if stored == plain {
            target.copy_from_slice(data);
        } else {
            decode_block(data, target)?;
        }
        at += 4 + stored;
        done += plain;
    }
    Ok(())
}

/// Decodes one raw LZ4 block that must fill `target`.
pub(super) fn decode_block(bytes: &[u8], target: &mut [u8]) -> Result<(), Fault> {
    match lz4_flex::block::decompress_into(bytes, target) {
        Ok(n) if n == target.len() => Ok(()),
        _ => Err(DAMAGED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_whole_last_and_stored_are_decoded() {
        let plain = super::super::tests::numbers(1500);
        for block in [1000_usize, 4096, 6000, 10_000] {
            let mut stored = (plain.len() as u64).to_be_bytes().to_vec();
            stored.extend_from_slice(&(block as u32).to_be_bytes());
            for (i, piece) in plain.chunks(block).enumerate() {
                let packed = lz4_flex::block::compress(piece);
                let data = if i % 2 == 0 { &packed[..] } else { piece };
                stored.extend_from_slice(&(data.len() as u32).to_be_bytes());
                stored.extend_from_slice(data);
            }
            let mut out = Vec::new();
            decode_framed(&stored, plain.len(), &mut out).expect("decoded");
            assert_eq!(out, plain);
            assert!(decode_framed(&stored[..stored.len() - 1], plain.len(), &mut out).is_err());
        }
    }
}
