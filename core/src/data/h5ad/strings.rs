//! Text in datasets and attributes: variable and fixed length, ASCII and UTF-8.
//!
//! Bytes that are no UTF-8 (Latin-1 in old files) become replacement characters; they are never a
//! failure of the file.

use std::path::Path;

use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, Dataset, Location};

use super::heap::{Elements, REFERENCE_BYTES};
use crate::error::{Error, Result};

/// Rows of fixed strings longer than 256 bytes that are read at a time.
const ROWS_OF_LONG_STRINGS: usize = 512;

/// The elements of a dataset as text; `None` when they are no strings.
///
/// # Errors
/// `UnsupportedFormat` when the dataset is damaged.
pub(crate) fn read_text(path: &Path, dataset: &Dataset, name: &str) -> Result<Option<Vec<String>>> {
    let descriptor = dataset.dtype().and_then(|t| t.to_descriptor());
    if let Ok(TypeDescriptor::VarLenUnicode | TypeDescriptor::VarLenAscii) = descriptor {
        if let Some(elements) = Elements::read(path, dataset, name, REFERENCE_BYTES)? {
            return elements.texts(0).map(Some);
        }
    }
    read_strings(dataset).map_err(|e| Error::format(path, format!("{name}: {e}")).with_source(e))
}

/// Looks at text of variable length in one dimension, a stretch at a time; nothing to do for anything else.
///
/// # Errors
/// `UnsupportedFormat` when the dataset is damaged.
pub(crate) fn check_text(path: &Path, dataset: &Dataset, name: &str) -> Result<()> {
    let descriptor = dataset.dtype().and_then(|t| t.to_descriptor());
    let is_text = matches!(
        descriptor,
        Ok(TypeDescriptor::VarLenUnicode | TypeDescriptor::VarLenAscii)
    );
    if !is_text || dataset.ndim() != 1 || Elements::check_texts(path, dataset, name)? {
        return Ok(());
    }
    // A reading that fails is an error, unlike a copying that does.
    match read_strings(dataset) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::format(path, format!("{name}: {e}")).with_source(e)),
    }
}

/// All elements as text, through the library; `None` when they are no strings.
fn read_strings(container: &Container) -> hdf5::Result<Option<Vec<String>>> {
    let descriptor = match container.dtype()?.to_descriptor() {
        Ok(descriptor) => descriptor,
        Err(_) => return Ok(None),
    };
    let strings = match descriptor {
        TypeDescriptor::VarLenUnicode => {
            texts(&container.read_raw::<VarLenUnicode>()?, |s| s.as_bytes())
        }
        TypeDescriptor::VarLenAscii => {
            texts(&container.read_raw::<VarLenAscii>()?, |s| s.as_bytes())
        }
        TypeDescriptor::FixedAscii(size) => fixed(container, size, false)?,
        TypeDescriptor::FixedUnicode(size) => fixed(container, size, true)?,
        _ => return Ok(None),
    };
    Ok(Some(strings))
}

fn texts<T>(values: &[T], bytes: impl Fn(&T) -> &[u8]) -> Vec<String> {
    values
        .iter()
        .map(|v| String::from_utf8_lossy(bytes(v)).into_owned())
        .collect()
}

/// The library widens fixed strings, so a few sizes serve all.
fn fixed(container: &Container, size: usize, is_unicode: bool) -> hdf5::Result<Vec<String>> {
    macro_rules! sized {
        ($n:literal) => {
            if is_unicode {
                blocks(container, $n, FixedUnicode::<$n>::as_bytes)
            } else {
                blocks(container, $n, FixedAscii::<$n>::as_bytes)
            }
        };
    }
    match size {
        0..=16 => sized!(16),
        17..=32 => sized!(32),
        33..=64 => sized!(64),
        65..=256 => sized!(256),
        257..=2048 => sized!(2048),
        2049..=65536 => sized!(65536),
        _ => Err(format!("strings of {size} bytes are too long; at most 65536 are read").into()),
    }
}

fn blocks<T: hdf5::H5Type>(
    container: &Container,
    size: usize,
    bytes: impl Fn(&T) -> &[u8],
) -> hdf5::Result<Vec<String>> {
    let n = container.size();
    // Slices can be had of vectors only, and not of attributes (which are small).
    if size <= 256 || container.ndim() != 1 || n <= ROWS_OF_LONG_STRINGS {
        return Ok(texts(&container.read_raw::<T>()?, bytes));
    }
    let mut strings = Vec::with_capacity(n);
    for start in (0..n).step_by(ROWS_OF_LONG_STRINGS) {
        let end = (start + ROWS_OF_LONG_STRINGS).min(n);
        let block: ndarray::Array1<T> = container.read_slice_1d(start..end)?;
        strings.extend(texts(block.as_slice().unwrap_or(&[]), &bytes));
    }
    Ok(strings)
}

/// The elements of an attribute as text; empty when it is absent or has no elements.
pub(crate) fn attribute_strings(location: &Location, name: &str) -> Vec<String> {
    let Ok(attribute) = location.attr(name) else {
        return Vec::new();
    };
    read_strings(&attribute).ok().flatten().unwrap_or_default()
}

/// A text attribute.
pub(crate) fn attribute_string(location: &Location, name: &str) -> Option<String> {
    attribute_strings(location, name).into_iter().next()
}

/// A boolean attribute (h5py's enum, or any integer).
pub(crate) fn attribute_bool(location: &Location, name: &str) -> bool {
    let Ok(attribute) = location.attr(name) else {
        return false;
    };
    let as_bool = attribute.read_raw::<bool>().ok();
    let as_number = || {
        attribute
            .read_raw::<i64>()
            .ok()
            .map(|v| v.iter().map(|&x| x != 0).collect())
    };
    as_bool
        .or_else(as_number)
        .and_then(|v: Vec<bool>| v.first().copied())
        .unwrap_or(false)
}

/// An attribute of two sizes.
pub(crate) fn attribute_shape(location: &Location, name: &str) -> Option<[usize; 2]> {
    let values = location.attr(name).ok()?.read_raw::<i64>().ok()?;
    match values[..] {
        [rows, columns] => Some([usize::try_from(rows).ok()?, usize::try_from(columns).ok()?]),
        _ => None,
    }
}
