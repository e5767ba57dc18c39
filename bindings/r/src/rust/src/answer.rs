//! What goes back to R: a value, or a list of class `cyto_failure` that R code turns into a condition.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use cytosol::{
    cyto_error, cyto_error_code, cyto_error_detail_json, cyto_error_message, cyto_status,
    cyto_status_name,
};
use extendr_api::prelude::*;
use safer_ffi::prelude::repr_c;

/// Why a call failed.
pub(crate) struct Failure {
    code: i32,
    message: String,
    detail: String,
    /// Ctrl-C, and not the callback or the library, stopped the work.
    pub(crate) interrupted: bool,
    /// A jump of R that stopped the work and waits to go on.
    jump: Option<Robj>,
}

impl Failure {
    /// R code that was called wants to leave.
    pub(crate) fn jump(token: Robj) -> Self {
        Failure {
            code: cyto_status::CYTO_CANCELLED as i32,
            message: "stopped by the progress function".to_owned(),
            detail: "{}".to_owned(),
            interrupted: false,
            jump: Some(token),
        }
    }

    /// A fault of the package itself: R code checks what it hands over.
    pub(crate) fn argument(name: &str, what: &str) -> Self {
        Failure {
            code: cyto_status::CYTO_INVALID_ARGUMENT as i32,
            message: format!("{name}: {what}"),
            detail: serde_json::json!({ "argument": name }).to_string(),
            interrupted: false,
            jump: None,
        }
    }

    /// An external pointer that came out of a file or another session.
    pub(crate) fn stale(name: &str) -> Self {
        Failure {
            code: cyto_status::CYTO_STATE as i32,
            message: format!("{name}: made in another session; make it again"),
            detail: "{}".to_owned(),
            interrupted: false,
            jump: None,
        }
    }

    fn of(status: cyto_status, error: Option<&cyto_error>) -> Self {
        // SAFETY: both strings live in `error`, or are static without one.
        let text = |text| {
            unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned()
        };
        let code = match error {
            Some(_) => cyto_error_code(error),
            None => status,
        };
        Failure {
            code: code as i32,
            message: text(cyto_error_message(error)),
            detail: text(cyto_error_detail_json(error)),
            interrupted: false,
            jump: None,
        }
    }

    fn into_list(self) -> Robj {
        // SAFETY: a static string for any integer.
        let name = unsafe { CStr::from_ptr(cyto_status_name(self.code)) };
        let argument = serde_json::from_str::<serde_json::Value>(&self.detail)
            .ok()
            .and_then(|detail| Some(detail.get("argument")?.as_str()?.to_owned()));
        let mut list: Robj = list!(
            code = self.code,
            status = name.to_string_lossy().into_owned(),
            message = self.message,
            detail = self.detail,
            argument = argument,
            interrupted = self.interrupted,
            jump = self.jump.unwrap_or_else(|| ().into())
        )
        .into();
        // A list takes attributes.
        let _ = list.set_class(["cyto_failure"]);
        list
    }
}

/// The body of every function that R calls.
pub(crate) fn answer(body: impl FnOnce() -> Result<Robj, Failure>) -> Robj {
    body().unwrap_or_else(Failure::into_list)
}

/// Where a call writes a handle.
type Out<'a, H> = Option<&'a mut MaybeUninit<Option<H>>>;

type Err = repr_c::Box<cyto_error>;

/// A call that can fail.
pub(crate) fn done(call: impl FnOnce(Out<'_, Err>) -> cyto_status) -> Result<(), Failure> {
    let mut error = MaybeUninit::new(None);
    let status = call(Some(&mut error));
    // SAFETY: initialised here, and written by the call.
    let error = unsafe { error.assume_init() };
    match status {
        cyto_status::CYTO_OK => Ok(()),
        status => Err(Failure::of(status, error.as_deref())),
    }
}

/// A call that makes a handle, or fails.
pub(crate) fn made<H>(
    call: impl FnOnce(Out<'_, H>, Out<'_, Err>) -> cyto_status,
) -> Result<H, Failure> {
    let mut out = MaybeUninit::new(None);
    done(|error| call(Some(&mut out), error))?;
    // SAFETY: as in `done`.
    unsafe { out.assume_init() }
        .ok_or_else(|| Failure::argument("out", "the library made no handle"))
}
