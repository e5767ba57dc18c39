//! Fletcher-32 (3): a checksum behind the data.

use super::Fault;

/// Checks and removes the four bytes of checksum at the end.
pub(super) fn strip(chunk: &mut Vec<u8>) -> Result<(), Fault> {
    let Some(length) = chunk.len().checked_sub(4) else {
        return Err(Fault::Corrupt("it is too short for its checksum"));
    };
    let mut stored = [0_u8; 4];
    stored.copy_from_slice(&chunk[length..]);
    let (high, low) = fletcher32(&chunk[..length]);
    let stored = u32::from_le_bytes(stored);
    // 65535 and 0 are the same in this arithmetic; releases before 1.6.3 swapped bytes in halves.
    let halves = [(stored >> 16) % 65535, (stored & 0xffff) % 65535];
    let swapped = [
        u32::from((stored >> 16) as u16).rotate_bytes() % 65535,
        u32::from(stored as u16).rotate_bytes() % 65535,
    ];
    if halves != [high, low] && swapped != [high, low] {
        return Err(Fault::Corrupt("its Fletcher-32 checksum does not match"));
    }
    chunk.truncate(length);
    Ok(())
}

/// Swaps the two bytes of a 16-bit number.
trait RotateBytes {
    fn rotate_bytes(self) -> Self;
}

impl RotateBytes for u32 {
    fn rotate_bytes(self) -> Self {
        ((self & 0xff) << 8) | ((self >> 8) & 0xff)
    }
}

/// Both sums of the checksum, modulo 65535, over big-endian 16-bit words.
fn fletcher32(bytes: &[u8]) -> (u32, u32) {
    let (mut low, mut high) = (0_u64, 0_u64);
    // Far from overflow: 2^16 words add at most 2^32 to `low` and 2^48 to `high`.
    for block in bytes.chunks(1 << 17) {
        for word in block.chunks(2) {
            let second = word.get(1).copied().unwrap_or(0);
            low += u64::from(u16::from_be_bytes([word[0], second]));
            high += low;
        }
        low %= 65535;
        high %= 65535;
    }
    (high as u32, low as u32)
}
