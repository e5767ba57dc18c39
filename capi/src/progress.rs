//! The host's progress callback.
//!
//! Called only on the thread that made the API call. It must not unwind or long-jump; wrappers store
//! their exception, return non-zero and rethrow after the call.

use std::ffi::{c_char, c_void};

use engine::{Flow, Progress, ProgressSink};
use safer_ffi::derive_ReprC;

use crate::text::c_string;

/// A moment of a long job. Valid only during the callback.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_progress {
    /// Size of this struct in the library; later versions only append.
    pub struct_size: usize,
    /// Items done.
    pub done: u64,
    /// Items in this stage; 0 when not known beforehand.
    pub total: u64,
    /// Seconds since the stage began.
    pub elapsed_s: f64,
    /// Stage, for example "fit_pixels".
    pub stage: *const c_char,
    /// Text for people, "" when there is nothing to say.
    pub message: *const c_char,
}

/// Receives progress; non-zero asks to stop, and the call then returns `CYTO_CANCELLED`.
#[allow(non_camel_case_types)]
pub type cyto_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const cyto_progress) -> i32>;

/// The host's `user_data`, which the host says may be used on any thread that calls the API.
#[derive(Clone, Copy)]
pub(crate) struct UserData(pub(crate) *mut c_void);

// SAFETY: only handed back to the host, on threads from which the host itself called.
unsafe impl Send for UserData {}

/// The engine's sink around a host callback.
pub(crate) fn sink(
    callback: unsafe extern "C" fn(*mut c_void, *const cyto_progress) -> i32,
    user_data: UserData,
) -> ProgressSink {
    Box::new(move |progress: &Progress<'_>| {
        let user_data = user_data;
        let stage = c_string(progress.stage);
        let message = c_string(progress.message);
        let seen = cyto_progress {
            struct_size: size_of::<cyto_progress>(),
            done: progress.done,
            total: progress.total,
            elapsed_s: progress.elapsed.as_secs_f64(),
            stage: stage.as_ptr(),
            message: message.as_ptr(),
        };
        // SAFETY: the host gave a function of this type that does not unwind.
        match unsafe { callback(user_data.0, &seen) } {
            0 => Flow::Continue,
            _ => Flow::Cancel,
        }
    })
}
