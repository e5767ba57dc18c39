//! The door for tests/fuzz: any bytes through any pipeline of filters.

use super::{
    BITSHUFFLE, BLOSC, DEFLATE, FLETCHER32, LZ4, LZF, Pipeline, SHUFFLE, Scratch, Stage, ZSTD,
};

/// Decodes the rest of `bytes` with the filters that its head asks for; whatever comes is dropped.
///
/// # Panics
/// When a chunk that was decoded has another length than was asked for.
pub fn decode_any(bytes: &[u8]) {
    const IDS: [u32; 8] = [
        DEFLATE, SHUFFLE, FLETCHER32, LZF, BLOSC, LZ4, BITSHUFFLE, ZSTD,
    ];
    let Some((head, stored)) = bytes.split_at_checked(8) else {
        return;
    };
    let stages = head[..usize::from(head[3] % 4)]
        .iter()
        .map(|&byte| Stage {
            id: IDS[usize::from(byte % 8)],
            values: vec![
                0,
                2,
                u32::from(head[4]),
                u32::from(head[5]),
                u32::from(byte >> 3),
            ],
        })
        .collect();
    let element_size = usize::from(head[6] % 16) + 1;
    let length = usize::from(head[7]) * 16;
    let Some(pipeline) = Pipeline::new(stages, element_size) else {
        return;
    };
    let mut chunk = stored.to_vec();
    if pipeline
        .decode(&mut Scratch::new(), &mut chunk, length, 0)
        .is_ok()
    {
        assert_eq!(
            chunk.len(),
            length,
            "a decoded chunk has the length asked for"
        );
    }
}
