//! Any bytes as a shard, behind a right checksum so that they get past it: refused, or the same
//! bytes again.
#![no_main]

use engine::rctd::Partial;
use libfuzzer_sys::fuzz_target;

/// CRC32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |s, _| {
            (s >> 1) ^ (0x82F6_3B78 & (s & 1).wrapping_neg())
        })
    })
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Partial::from_bytes(bytes);
    let mut sealed = b"CYTORCTD\x01\0\0\0".to_vec();
    sealed.extend(bytes);
    let sum = checksum(&sealed);
    sealed.extend(sum.to_le_bytes());
    match Partial::from_bytes(&sealed) {
        Ok(partial) => {
            let again = Partial::from_bytes(&partial.to_bytes()).expect("own bytes are read");
            assert_eq!(again.range(), partial.range());
        }
        Err(error) => assert!(
            !error.message().contains("checksum"),
            "the harness must get past the checksum"
        ),
    }
});
