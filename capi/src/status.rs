//! The status codes of the ABI: what a host branches on.
//!
//! Fixed for ever; new codes are only appended. Finer reasons travel in the error's JSON detail.

use std::ffi::c_char;

use engine::ErrorKind;
use safer_ffi::derive_ReprC;

/// What a call came to. 0 is success; every other value comes with a `cyto_error`.
#[derive_ReprC]
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum cyto_status {
    /// Success.
    CYTO_OK = 0,
    /// An argument or option is outside its range, or arguments do not fit each other.
    CYTO_INVALID_ARGUMENT = 1,
    /// The progress callback or `cyto_context_cancel` stopped the work.
    CYTO_CANCELLED = 2,
    /// The asked device is absent.
    CYTO_NO_GPU = 3,
    /// Memory could not be had, or the limit does not allow it.
    CYTO_OUT_OF_MEMORY = 4,
    /// The operating system refused a read or a write.
    CYTO_IO = 5,
    /// A file or a block of bytes is damaged or of an unknown layout.
    CYTO_FORMAT = 6,
    /// An iteration ended without converging; the result is still returned.
    CYTO_NOT_CONVERGED = 7,
    /// Understood, but not supported.
    CYTO_UNSUPPORTED = 8,
    /// A handle is in use or poisoned, or the steps came in the wrong order.
    CYTO_STATE = 9,
    /// A partial result belongs to other inputs or other options.
    CYTO_CHECKPOINT_MISMATCH = 10,
    /// Host and library were built for different versions of this header.
    CYTO_ABI_MISMATCH = 11,
    /// A callback of the host failed.
    CYTO_CALLBACK = 12,
    /// The data can be read but not used: negative counts, NaN, no common genes.
    CYTO_INVALID_DATA = 13,
    /// A file, key, column, gene or cell type does not exist.
    CYTO_NOT_FOUND = 14,
    /// A bug of the library. The context stays usable; the handle at work is poisoned.
    CYTO_PANIC = 99,
}

impl cyto_status {
    /// Every code with its name.
    pub(crate) const ALL: [(cyto_status, &'static core::ffi::CStr); 16] = [
        (cyto_status::CYTO_OK, c"OK"),
        (cyto_status::CYTO_INVALID_ARGUMENT, c"INVALID_ARGUMENT"),
        (cyto_status::CYTO_CANCELLED, c"CANCELLED"),
        (cyto_status::CYTO_NO_GPU, c"NO_GPU"),
        (cyto_status::CYTO_OUT_OF_MEMORY, c"OUT_OF_MEMORY"),
        (cyto_status::CYTO_IO, c"IO"),
        (cyto_status::CYTO_FORMAT, c"FORMAT"),
        (cyto_status::CYTO_NOT_CONVERGED, c"NOT_CONVERGED"),
        (cyto_status::CYTO_UNSUPPORTED, c"UNSUPPORTED"),
        (cyto_status::CYTO_STATE, c"STATE"),
        (
            cyto_status::CYTO_CHECKPOINT_MISMATCH,
            c"CHECKPOINT_MISMATCH",
        ),
        (cyto_status::CYTO_ABI_MISMATCH, c"ABI_MISMATCH"),
        (cyto_status::CYTO_CALLBACK, c"CALLBACK"),
        (cyto_status::CYTO_INVALID_DATA, c"INVALID_DATA"),
        (cyto_status::CYTO_NOT_FOUND, c"NOT_FOUND"),
        (cyto_status::CYTO_PANIC, c"PANIC"),
    ];

    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => cyto_status::CYTO_INVALID_ARGUMENT,
            ErrorKind::InvalidData => cyto_status::CYTO_INVALID_DATA,
            ErrorKind::NotFound => cyto_status::CYTO_NOT_FOUND,
            ErrorKind::UnsupportedFormat => cyto_status::CYTO_FORMAT,
            ErrorKind::Io => cyto_status::CYTO_IO,
            ErrorKind::OutOfMemory => cyto_status::CYTO_OUT_OF_MEMORY,
            ErrorKind::NotConverged => cyto_status::CYTO_NOT_CONVERGED,
            ErrorKind::Cancelled => cyto_status::CYTO_CANCELLED,
            ErrorKind::DeviceUnavailable => cyto_status::CYTO_NO_GPU,
            ErrorKind::Unsupported => cyto_status::CYTO_UNSUPPORTED,
            ErrorKind::State => cyto_status::CYTO_STATE,
            ErrorKind::CheckpointMismatch => cyto_status::CYTO_CHECKPOINT_MISMATCH,
            ErrorKind::Callback => cyto_status::CYTO_CALLBACK,
            // `Internal`, and kinds that this file does not know yet.
            _ => cyto_status::CYTO_PANIC,
        }
    }
}

/// The name of a status code, for example "CANCELLED"; "UNKNOWN" for any other integer. Static.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_status_name(status: i32) -> *const c_char {
    cyto_status::ALL
        .iter()
        .find(|(code, _)| *code as i32 == status)
        .map_or(c"UNKNOWN", |(_, name)| *name)
        .as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn name(status: i32) -> String {
        // SAFETY: the function returns static strings.
        let text = unsafe { CStr::from_ptr(cyto_status_name(status)) };
        text.to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn codes_are_fixed_for_ever() {
        let expected = [
            (0, "OK"),
            (1, "INVALID_ARGUMENT"),
            (2, "CANCELLED"),
            (3, "NO_GPU"),
            (4, "OUT_OF_MEMORY"),
            (5, "IO"),
            (6, "FORMAT"),
            (7, "NOT_CONVERGED"),
            (8, "UNSUPPORTED"),
            (9, "STATE"),
            (10, "CHECKPOINT_MISMATCH"),
            (11, "ABI_MISMATCH"),
            (12, "CALLBACK"),
            (13, "INVALID_DATA"),
            (14, "NOT_FOUND"),
            (99, "PANIC"),
        ];
        for (code, text) in expected {
            assert_eq!(name(code), text);
        }
        assert_eq!(cyto_status::ALL.len(), expected.len());
        for unknown in [-1, 15, 98, 100, i32::MIN, i32::MAX] {
            assert_eq!(name(unknown), "UNKNOWN");
        }
    }

    #[test]
    fn kinds_map_one_to_one() {
        use ErrorKind as K;
        let kinds = [
            K::InvalidArgument,
            K::InvalidData,
            K::NotFound,
            K::UnsupportedFormat,
            K::Io,
            K::OutOfMemory,
            K::NotConverged,
            K::Cancelled,
            K::DeviceUnavailable,
            K::Unsupported,
            K::State,
            K::CheckpointMismatch,
            K::Callback,
            K::Internal,
        ];
        let mut codes: Vec<i32> = kinds.map(|k| cyto_status::of(k) as i32).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), kinds.len());
    }
}
