//! Every storage against the HDF5 library's own reading of it.

use std::path::Path;

use hdf5::dataset::Layout;
use hdf5::filters::ScaleOffset;
use ndarray::Array2;

use super::*;
use crate::error::Reason;

const SHAPE: [usize; 2] = [53, 31];

fn values() -> Array2<i32> {
    Array2::from_shape_fn((SHAPE[0], SHAPE[1]), |(r, c)| {
        ((r * 31 + c * 7) % 45) as i32 - 3
    })
}

fn open(path: &Path, file: &hdf5::File, name: &str) -> NumberArray {
    let dataset = file.dataset(name).expect("there");
    NumberArray::open(path, dataset, name).unwrap_or_else(|e| panic!("{e}"))
}

/// Writes datasets of many storages and compares what is read.
fn check(user_block: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5");
    let file = hdf5::File::with_options()
        .with_fcpl(|p| p.userblock(user_block))
        .create(&path)
        .expect("created");
    let (matrix, floats) = (values(), values().mapv(f64::from));
    let vector: Vec<i32> = matrix.iter().copied().collect();
    let new = || file.new_dataset_builder();
    let made = [
        new().with_data(&matrix).create("contiguous"),
        new().chunk((10, 31)).with_data(&matrix).create("rows"),
        new().chunk((53, 4)).with_data(&matrix).create("columns"),
        new()
            .chunk((7, 9))
            .shuffle()
            .deflate(4)
            .with_data(&matrix)
            .create("gzip"),
        new().chunk((7, 9)).lzf().with_data(&floats).create("lzf"),
        new()
            .chunk((7, 9))
            .shuffle()
            .deflate(1)
            .fletcher32()
            .with_data(&floats)
            .create("sum"),
        new()
            .chunk(100)
            .deflate(4)
            .with_data(&vector)
            .create("vector"),
        new()
            .layout(Layout::Compact)
            .with_data(&matrix)
            .create("compact_slow"),
        new()
            .chunk((7, 9))
            .scale_offset(ScaleOffset::Integer(0))
            .with_data(&matrix)
            .create("scaled_slow"),
    ];
    let names: Vec<String> = made
        .into_iter()
        .map(|d| {
            d.expect("written")
                .name()
                .trim_start_matches('/')
                .to_owned()
        })
        .collect();
    file.close().expect("closed");
    let file = hdf5::File::open(&path).expect("opened");
    let expected: Vec<f64> = floats.iter().copied().collect();
    for name in &names {
        let array = open(&path, &file, name);
        assert_eq!(array.read_all().expect("read"), expected, "{name}");
        assert_eq!(array.is_fast(), !name.ends_with("_slow"), "{name}");
    }
}

#[test]
fn every_storage_reads_as_it_was_written() {
    check(0);
}

#[test]
fn a_user_block_changes_nothing() {
    check(512);
}

#[test]
fn chunks_that_were_never_written_hold_the_fill_value() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).expect("created");
    let dataset = file
        .new_dataset::<f32>()
        .chunk((10, 8))
        .fill_value(2.5_f32)
        .shape((40, 20))
        .create("x")
        .expect("made");
    let part = Array2::from_elem((10, 8), 7_f32);
    dataset
        .write_slice(&part, ndarray::s![10..20, 8..16])
        .expect("written");
    drop(dataset);
    file.close().expect("closed");
    let file = hdf5::File::open(&path).expect("opened");
    let array = open(&path, &file, "x");
    assert!(array.is_fast());
    let values = array.read_all().expect("read");
    for (i, &value) in values.iter().enumerate() {
        let (row, column) = (i / 20, i % 20);
        let is_written = (10..20).contains(&row) && (8..16).contains(&column);
        assert_eq!(value, if is_written { 7.0 } else { 2.5 }, "{row}, {column}");
    }
}

#[test]
fn a_damaged_chunk_is_named_by_its_first_element() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).expect("created");
    let values: Vec<i32> = (0..1000).map(|i| i * i % 91).collect();
    let dataset = file
        .new_dataset_builder()
        .chunk(300)
        .deflate(4)
        .fletcher32()
        .with_data(&values)
        .create("x")
        .expect("made");
    let chunk = dataset.chunk_info(2).expect("listed");
    drop(dataset);
    file.close().expect("closed");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[chunk.addr as usize + 20] ^= 4;
    std::fs::write(&path, bytes).expect("written");
    let file = hdf5::File::open(&path).expect("opened");
    let error = open(&path, &file, "x").read_all().expect_err("damaged");
    let reason = Reason::CorruptMatrix {
        dataset: "x".into(),
        position: 600,
    };
    assert_eq!(error.reason(), &reason, "{error}");
    assert!(error.message().contains("Fletcher-32"), "{error}");
}

#[test]
fn a_filter_that_nobody_has_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).expect("created");
    file.new_dataset_builder()
        .chunk(8)
        .lzf()
        .with_data(&[0_f32; 16])
        .create("x")
        .expect("made");
    file.close().expect("closed");
    // The filter's number stands eight bytes before its name: lzf becomes zfp, 32013.
    let mut bytes = std::fs::read(&path).expect("read");
    let name = bytes.windows(4).position(|w| w == b"lzf\0").expect("named");
    assert_eq!(bytes[name - 8..name - 6], 32000_u16.to_le_bytes());
    bytes[name - 8..name - 6].copy_from_slice(&32013_u16.to_le_bytes());
    std::fs::write(&path, bytes).expect("written");
    let file = hdf5::File::open(&path).expect("opened");
    let dataset = file.dataset("x").expect("there");
    let error = NumberArray::open(&path, dataset, "x").expect_err("refused");
    let reason = Reason::MissingFilter {
        id: 32013,
        dataset: "x".into(),
    };
    assert_eq!(error.reason(), &reason, "{error}");
    assert!(error.message().contains("zfp"), "{error}");
}

#[test]
fn a_chunk_larger_than_the_budget_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).expect("created");
    file.new_dataset::<f64>()
        .chunk(1000)
        .shape(2000)
        .create("x")
        .expect("made");
    let array = open(&path, &file, "x");
    assert!(array.check_budget(8000).is_ok());
    let error = array.check_budget(7999).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}
