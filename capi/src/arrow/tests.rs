//! Streams read back the way a consumer does.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;

use engine::data::{Categorical, Column};

use super::*;

fn table(n: usize) -> Table {
    let mut table = Table::new((0..n).map(|i| format!("row{i}")).collect());
    let labels = Categorical {
        codes: (0..n).map(|i| (i % 3) as i32 - 1).collect(),
        categories: vec!["A".into(), "B\u{e9}".into()],
        ordered: true,
    };
    for (name, column) in [
        (
            "score",
            Column::F64((0..n).map(|i| i as f64 / 2.0).collect()),
        ),
        ("small", Column::F32(vec![0.5; n])),
        ("n", Column::I64((0..n as i64).collect())),
        ("k", Column::I32(vec![-7; n])),
        (
            "is_even",
            Column::Bool((0..n).map(|i| i % 2 == 0).collect()),
        ),
        (
            "total",
            Column::U64((0..n as u64).map(|i| u64::MAX - i).collect()),
        ),
        (
            "note",
            Column::Text((0..n).map(|i| "x".repeat(i % 4)).collect()),
        ),
        ("type", Column::Categorical(labels)),
    ] {
        table.set(name, column).expect("same length");
    }
    table
}

fn stream(n: usize) -> ArrowArrayStream {
    let mut out = MaybeUninit::uninit();
    // SAFETY: memory for a stream.
    let made = unsafe { export("barcode", Arc::new(table(n)), out.as_mut_ptr()) };
    assert!(made.is_ok());
    // SAFETY: written by `export`.
    unsafe { out.assume_init() }
}

fn next(stream: &mut ArrowArrayStream) -> Option<ArrowArray> {
    let mut out = MaybeUninit::<ArrowArray>::zeroed();
    let get_next = stream.get_next.expect("set");
    // SAFETY: a live stream and memory for an array, which may be all zero.
    unsafe {
        assert_eq!(get_next(stream, out.as_mut_ptr()), 0);
        let array = out.assume_init();
        array.release.map(|_| array)
    }
}

fn text(pointer: *const c_char) -> String {
    // SAFETY: strings of a live schema.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

/// Buffer `b` of column `c` as `n` elements.
fn buffer<T: Copy>(array: &ArrowArray, c: usize, b: usize, n: usize) -> Vec<T> {
    // SAFETY: the tests ask only for what the array holds.
    unsafe {
        let child = &**array.children.add(c);
        let data: *const c_void = *child.buffers.add(b);
        std::slice::from_raw_parts(data.cast::<T>(), n).to_vec()
    }
}

#[test]
fn schema_names_and_types_every_column() {
    let mut stream = stream(1);
    let mut out = MaybeUninit::<ArrowSchema>::uninit();
    let get_schema = stream.get_schema.expect("set");
    // SAFETY: a live stream and memory for a schema.
    let mut schema = unsafe {
        assert_eq!(get_schema(&mut stream, out.as_mut_ptr()), 0);
        out.assume_init()
    };
    assert_eq!(text(schema.format), "+s");
    let children: Vec<(String, String)> = (0..schema.n_children as usize)
        // SAFETY: as many children as said.
        .map(|c| unsafe { &**schema.children.add(c) })
        .map(|c| (text(c.name), text(c.format)))
        .collect();
    let expected = [
        ("barcode", "u"),
        ("score", "g"),
        ("small", "f"),
        ("n", "l"),
        ("k", "i"),
        ("is_even", "b"),
        ("total", "L"),
        ("note", "u"),
        ("type", "i"),
    ];
    assert_eq!(
        children,
        expected.map(|(n, f)| (n.to_owned(), f.to_owned()))
    );
    // SAFETY: the last child is the categorical.
    let labels = unsafe { &**schema.children.add(8) };
    assert_eq!(labels.flags, NULLABLE_ORDERED);
    // SAFETY: a categorical has a dictionary.
    assert_eq!(text(unsafe { &*labels.dictionary }.format), "u");
    // SAFETY: released once each.
    unsafe {
        schema.release.expect("set")(&mut schema);
        stream.release.expect("set")(&mut stream);
    }
    assert!(schema.release.is_none() && stream.release.is_none());
}

const NULLABLE_ORDERED: i64 = 3;

#[test]
fn batches_hold_the_values_and_outlive_the_stream() {
    let n = BATCH + 10;
    let mut stream = stream(n);
    let first = next(&mut stream).expect("first batch");
    let mut second = next(&mut stream).expect("second batch");
    assert!(next(&mut stream).is_none());
    assert_eq!((first.length, second.length), (BATCH as i64, 10));
    let mut first = first;
    // SAFETY: released once each.
    unsafe {
        first.release.expect("set")(&mut first);
        stream.release.expect("set")(&mut stream);
    }
    let start = BATCH;
    assert_eq!(
        buffer::<f64>(&second, 1, 1, 2),
        [start as f64 / 2.0, (start + 1) as f64 / 2.0]
    );
    assert_eq!(buffer::<i64>(&second, 3, 1, 1), [start as i64]);
    assert_eq!(buffer::<u8>(&second, 5, 1, 2), [0b0101_0101, 0b01]);
    assert_eq!(buffer::<u64>(&second, 6, 1, 1), [u64::MAX - start as u64]);
    let offsets = buffer::<i32>(&second, 7, 1, 11);
    let lengths: Vec<i32> = offsets.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(
        lengths,
        (0..10).map(|i| (start as i32 + i) % 4).collect::<Vec<_>>()
    );
    let codes = buffer::<i32>(&second, 8, 1, 10);
    let known = buffer::<u8>(&second, 8, 0, 2);
    for i in 0..10 {
        let code = ((start + i) % 3) as i32 - 1;
        assert_eq!(known[i / 8] >> (i % 8) & 1 == 1, code >= 0);
        assert_eq!(codes[i], code.max(0));
    }
    // SAFETY: the categorical's dictionary; then released once.
    unsafe {
        let labels = &**second.children.add(8);
        let missing = (start..start + 10).filter(|i| i % 3 == 0).count();
        assert_eq!(labels.null_count, missing as i64);
        let dictionary = &*labels.dictionary;
        assert_eq!((dictionary.length, dictionary.n_buffers), (2, 3));
        second.release.expect("set")(&mut second);
    }
    assert!(second.release.is_none());
}

#[test]
fn a_child_moved_away_is_not_released_with_its_parent() {
    let mut stream = stream(5);
    let mut batch = next(&mut stream).expect("batch");
    // SAFETY: moved as the interface prescribes: copied, and `release` cleared in the old place.
    let mut moved = unsafe {
        let child = *batch.children.add(2);
        let moved = child.read();
        (*child).release = None;
        moved
    };
    // SAFETY: released once each.
    unsafe {
        batch.release.expect("set")(&mut batch);
        stream.release.expect("set")(&mut stream);
        let data: *const c_void = *moved.buffers.add(1);
        assert_eq!(*data.cast::<f32>().add(4), 0.5);
        moved.release.expect("set")(&mut moved);
    }
}

#[test]
fn an_empty_table_has_a_schema_and_no_batch() {
    let mut stream = stream(0);
    assert!(next(&mut stream).is_none());
    // SAFETY: released once; the second call must do nothing.
    unsafe {
        let release = stream.release.expect("set");
        release(&mut stream);
        release(&mut stream);
    }
    // SAFETY: NULL is refused.
    assert!(unsafe { export("barcode", Arc::default(), std::ptr::null_mut()) }.is_err());
}
