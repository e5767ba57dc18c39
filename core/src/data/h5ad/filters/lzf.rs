//! LZF, the filter that comes with h5py (32000).

use super::Fault;

const DAMAGED: Fault = Fault::Corrupt("its lzf stream is damaged");

/// Decodes a stream of literal runs and back references into at most `length` bytes.
pub(super) fn decode(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut at = 0;
    out.reserve(length);
    while at < bytes.len() {
        let control = usize::from(bytes[at]);
        at += 1;
        if control < 32 {
            let run = bytes.get(at..at + control + 1).ok_or(DAMAGED)?;
            out.extend_from_slice(run);
            at += control + 1;
        } else {
            let mut run = control >> 5;
            if run == 7 {
                run += usize::from(*bytes.get(at).ok_or(DAMAGED)?);
                at += 1;
            }
            let low = usize::from(*bytes.get(at).ok_or(DAMAGED)?);
            at += 1;
            copy_back(out, ((control & 31) << 8 | low) + 1, run + 2)?;
        }
        if out.len() > length {
            return Err(DAMAGED);
        }
    }
    Ok(())
}

/// Appends `run` bytes that stand `distance` bytes back; source and target may overlap.
pub(super) fn copy_back(out: &mut Vec<u8>, distance: usize, run: usize) -> Result<(), Fault> {
    let start = match out.len().checked_sub(distance) {
        Some(start) if distance > 0 => start,
        _ => return Err(Fault::Corrupt("it refers to bytes before its start")),
    };
    if distance >= run {
        out.extend_from_within(start..start + run);
    } else {
        for i in start..start + run {
            out.push(out[i]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small greedy compressor: the newest place of each three-byte string.
    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut places = std::collections::BTreeMap::new();
        let (mut at, mut literals) = (0, Vec::new());
        let flush = |out: &mut Vec<u8>, literals: &mut Vec<u8>| {
            for run in literals.chunks(32) {
                out.push(run.len() as u8 - 1);
                out.extend_from_slice(run);
            }
            literals.clear();
        };
        while at < bytes.len() {
            let key = bytes.get(at..at + 3);
            let place: Option<usize> = key.and_then(|k| places.get(k).copied());
            if let Some(key) = key {
                places.insert(key, at);
            }
            match place.filter(|p| at - p <= 8192) {
                Some(place) => {
                    let mut run = 3;
                    while run < 264
                        && at + run < bytes.len()
                        && bytes[place + run] == bytes[at + run]
                    {
                        run += 1;
                    }
                    flush(&mut out, &mut literals);
                    let distance = at - place - 1;
                    let coded = run - 2;
                    out.push(((coded.min(7) << 5) | distance >> 8) as u8);
                    if coded >= 7 {
                        out.push((coded - 7) as u8);
                    }
                    out.push(distance as u8);
                    at += run;
                }
                None => {
                    literals.push(bytes[at]);
                    at += 1;
                }
            }
        }
        flush(&mut out, &mut literals);
        out
    }

    #[test]
    fn what_was_encoded_comes_back() {
        let mut zeros = vec![0_u8; 3000];
        zeros[700] = 3;
        for plain in [
            Vec::new(),
            b"abc".to_vec(),
            super::super::tests::numbers(2000),
            zeros,
        ] {
            let mut out = Vec::new();
            decode(&encode(&plain), plain.len(), &mut out).expect("decoded");
            assert_eq!(out, plain);
        }
    }

    #[test]
    fn broken_streams_are_refused() {
        for bytes in [&[5_u8, 1][..], &[0x20, 0], &[0xe0], &[0, 1, 0xe0, 255, 0]] {
            assert!(decode(bytes, 10, &mut Vec::new()).is_err());
        }
    }
}
