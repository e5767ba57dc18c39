//! Shuffle (2): bytes of equal rank side by side.

/// Byte k of all elements stands together; puts each element's bytes together again. A rest that
/// is no whole element stands at the end as it is.
pub(crate) fn unshuffle(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    let n = if size < 2 { 0 } else { bytes.len() / size };
    if n == 0 {
        out.extend_from_slice(bytes);
        return;
    }
    out.resize(bytes.len(), 0);
    match size {
        2 => unshuffle_sized::<2>(bytes, n, out),
        4 => unshuffle_sized::<4>(bytes, n, out),
        8 => unshuffle_sized::<8>(bytes, n, out),
        _ => {
            for k in 0..size {
                for (i, &byte) in bytes[k * n..(k + 1) * n].iter().enumerate() {
                    out[i * size + k] = byte;
                }
            }
        }
    }
    out[n * size..].copy_from_slice(&bytes[n * size..]);
}

/// The reverse of [`unshuffle`].
pub(crate) fn shuffle(bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    let n = if size < 2 { 0 } else { bytes.len() / size };
    for k in 0..if n == 0 { 0 } else { size } {
        out.extend(bytes[k..n * size].iter().step_by(size));
    }
    out.extend_from_slice(&bytes[n * size..]);
}

fn unshuffle_sized<const SIZE: usize>(bytes: &[u8], n: usize, out: &mut [u8]) {
    let planes: [&[u8]; SIZE] = std::array::from_fn(|k| &bytes[k * n..(k + 1) * n]);
    for (i, element) in out.chunks_exact_mut(SIZE).take(n).enumerate() {
        for k in 0..SIZE {
            element[k] = planes[k][i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shuffle;
    use super::*;

    #[test]
    fn shuffled_bytes_come_back() {
        for (n, size) in [(0, 4), (7, 4), (24, 8), (9, 1), (30, 3)] {
            let plain: Vec<u8> = (0..n).map(|i| i as u8).collect();
            let (mut there, mut back) = (Vec::new(), Vec::new());
            super::shuffle(&plain, size, &mut there);
            unshuffle(&there, size, &mut back);
            assert_eq!(back, plain, "{n} {size}");
        }
    }

    #[test]
    fn unshuffle_inverts_shuffle_for_any_size_and_length() {
        for size in 1..10 {
            for length in [0, 1, 7, 8, 63, 64, 65] {
                let plain: Vec<u8> = (0..length).map(|i| (i * 37 % 251) as u8).collect();
                let mut out = Vec::new();
                unshuffle(&shuffle(&plain, size), size, &mut out);
                assert_eq!(out, plain);
            }
        }
    }
}
