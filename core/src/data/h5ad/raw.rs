//! The one HDF5 call that the hdf5 crate does not offer: writing a chunk that is encoded already.
//!
//! The library's own filters run one after another under its lock; chunks are therefore encoded on the
//! workers and only stored through it. The only `unsafe` of the crate.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5d::H5Dwrite_chunk;
use hdf5_sys::h5p::H5P_DEFAULT;

/// Stores the encoded bytes of the chunk that begins at `offset` (one number an axis). Bit k of
/// `skipped`: filter k was not applied.
pub(super) fn write_chunk(
    dataset: &Dataset,
    offset: &[u64],
    bytes: &[u8],
    skipped: u32,
) -> hdf5::Result<()> {
    let shape = dataset.shape();
    let is_inside =
        offset.len() == shape.len() && offset.iter().zip(&shape).all(|(&o, &n)| o < n as u64);
    if !is_inside || !dataset.is_chunked() {
        return Err(format!("no chunk begins at {offset:?} of {shape:?}").into());
    }
    hdf5::sync::sync(|| {
        // SAFETY: the dataset is open and chunked, `offset` has one number for each of its axes and
        // lies inside (checked above), `bytes` is valid for reading `bytes.len()` bytes, and the
        // library's lock is held. The library copies the bytes before it returns.
        let status = unsafe {
            H5Dwrite_chunk(
                dataset.id(),
                H5P_DEFAULT,
                skipped,
                offset.as_ptr().cast(),
                bytes.len(),
                bytes.as_ptr().cast(),
            )
        };
        hdf5::h5check(status).map(|_| ())
    })
}
