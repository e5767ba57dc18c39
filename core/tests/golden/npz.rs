//! NumPy's `.npz` archives: arrays of numbers by name.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// An array as 64-bit floats, row-major.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// All numeric arrays of an archive.
pub fn read(path: &Path) -> BTreeMap<String, Array> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let u32_at =
        |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let end = (0..bytes.len() - 21)
        .rev()
        .find(|&at| bytes[at..at + 4] == *b"PK\x05\x06")
        .expect("a directory");
    let (n, mut at) = (u16_at(end + 10), u32_at(end + 16));
    let mut arrays = BTreeMap::new();
    for _ in 0..n {
        let (method, size) = (u16_at(at + 10), u32_at(at + 20));
        let (name_length, extra, comment) = (u16_at(at + 28), u16_at(at + 30), u16_at(at + 32));
        let name = String::from_utf8_lossy(&bytes[at + 46..at + 46 + name_length]).into_owned();
        let local = u32_at(at + 42);
        let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let stored = &bytes[start..start + size];
        let mut plain = Vec::new();
        match method {
            0 => plain.extend_from_slice(stored),
            _ => {
                flate2::read::DeflateDecoder::new(stored)
                    .read_to_end(&mut plain)
                    .expect("deflate");
            }
        }
        if let Some(array) = parse(&plain) {
            arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        }
        at += 46 + name_length + extra + comment;
    }
    arrays
}

fn parse(bytes: &[u8]) -> Option<Array> {
    let (length, start) = match bytes[6] {
        1 => (usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), 10),
        _ => (
            u32::from_le_bytes(bytes[8..12].try_into().ok()?) as usize,
            12,
        ),
    };
    let header = std::str::from_utf8(&bytes[start..start + length]).ok()?;
    let after = |key: &str| header.split(key).nth(1);
    let dtype = after("'descr': '")?.split('\'').next()?;
    let is_column_major = header.contains("'fortran_order': True");
    let shape = after("'shape': (")?.split(')').next()?;
    let shape: Vec<usize> = shape
        .split(',')
        .filter_map(|s| s.trim().parse().ok())
        .collect();
    let data = &bytes[start + length..];
    macro_rules! typed {
        ($t:ty) => {
            data.chunks_exact(size_of::<$t>())
                .map(|b| <$t>::from_le_bytes(b.try_into().expect("exact")) as f64)
                .collect()
        };
    }
    let values: Vec<f64> = match dtype {
        "<f8" => typed!(f64),
        "<f4" => typed!(f32),
        "<i4" => typed!(i32),
        "<i8" => typed!(i64),
        "|b1" => typed!(u8),
        _ => return None,
    };
    let values = match (is_column_major, &shape[..]) {
        (true, &[rows, columns]) => (0..rows * columns)
            .map(|at| values[at % columns * rows + at / columns])
            .collect(),
        _ => values,
    };
    Some(Array { shape, values })
}
