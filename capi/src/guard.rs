//! The wall between the host and the engine: no panic leaves, every failure becomes an error object.
//!
//! A panic becomes `CYTO_PANIC` with its text and place. With feature `panic-hook` (on by default;
//! a Rust program that links the rlib turns it off) the place is noted instead of printed, which
//! needs the process-wide hook of *this* library's copy of the standard library: a C host that
//! loads `libcytosol.so` keeps its own hooks, signals and output untouched.

use std::any::Any;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::{Error, ErrorKind};
use safer_ffi::prelude::repr_c;

use crate::context::{cyto_context, with_context};
use crate::error::{Failure, cyto_error};
use crate::status::cyto_status;

/// The error parameter of every fallible function.
pub(crate) type ErrOut<'a> = Option<&'a mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>;

/// An output parameter that receives a handle.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<Option<repr_c::Box<T>>>>;

/// Runs the body of a border function.
pub(crate) fn guard(err: ErrOut<'_>, body: impl FnOnce() -> Result<(), Failure>) -> cyto_status {
    let outcome = caught(body);
    let (status, error) = match outcome {
        Ok(()) => (cyto_status::CYTO_OK, None),
        Err(failure) => (
            failure.status,
            Some(Box::new(cyto_error::new(&failure)).into()),
        ),
    };
    if let Some(err) = err {
        err.write(error);
    }
    status
}

/// Runs a body that makes a handle; NULL is written on every failing path.
pub(crate) fn give<T>(
    out: Out<'_, T>,
    err: ErrOut<'_>,
    body: impl FnOnce() -> Result<T, Failure>,
) -> cyto_status {
    let mut made = None;
    let status = guard(err, || {
        if out.is_none() {
            return Err(Error::argument("out", "NULL; must point to a handle variable").into());
        }
        made = Some(body()?);
        Ok(())
    });
    if let Some(out) = out {
        out.write(made.map(|made| Box::new(made).into()));
    }
    status
}

/// Runs code whose result is no status (accessors): a panic gives `fallback`.
pub(crate) fn or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let mut value = None;
    let run = || {
        value = Some(body());
        Ok(())
    };
    match caught(run) {
        Ok(()) => value.unwrap_or(fallback),
        Err(_) => fallback,
    }
}

/// A call of the engine behind the wall, for hosts in Rust that test the wall itself.
#[doc(hidden)]
pub fn guarded(
    ctx: Option<&cyto_context>,
    err: ErrOut<'_>,
    body: impl FnOnce(&engine::Context) -> engine::Result<()>,
) -> cyto_status {
    guard(err, || with_context(ctx, |ctx| Ok(body(ctx)?)))
}

/// The handle behind a pointer, or the error for NULL.
pub(crate) fn required<'a, T>(argument: &str, handle: Option<&'a T>) -> Result<&'a T, Failure> {
    handle.ok_or_else(|| Error::argument(argument, "NULL; must be a handle").into())
}

fn caught(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    hook::enter();
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let outcome = outcome.unwrap_or_else(|payload| Err(failure(payload)));
    hook::leave();
    outcome
}

fn failure(payload: Box<dyn Any + Send>) -> Failure {
    let text = text(&*payload).to_owned();
    // The payload is dropped here and not forgotten, which would leak it; its own drop may panic.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    let place = hook::place(&text).map_or(String::new(), |place| format!(" at {place}"));
    Failure {
        status: cyto_status::CYTO_PANIC,
        error: Error::new(
            ErrorKind::Internal,
            format!("bug in the library: panic{place}: {text}; please report it"),
        ),
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(no text)"
    }
}

#[cfg(feature = "panic-hook")]
mod hook {
    use std::cell::{Cell, RefCell};
    use std::panic::PanicHookInfo;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, Once, PoisonError};

    /// Calls inside the library now, on all threads.
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    /// Text and place of the last panic on a worker thread.
    static WORKER: Mutex<Option<(String, String)>> = Mutex::new(None);
    static INSTALL: Once = Once::new();

    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
        static HERE: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    }

    pub(super) fn enter() {
        INSTALL.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !note(info) {
                    previous(info);
                }
            }));
        });
        INSIDE.fetch_add(1, Ordering::Relaxed);
        DEPTH.with(|depth| depth.set(depth.get() + 1));
    }

    pub(super) fn leave() {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
        INSIDE.fetch_sub(1, Ordering::Relaxed);
    }

    /// Where a panic with this text happened.
    pub(super) fn place(text: &str) -> Option<String> {
        let here = HERE.with_borrow_mut(Option::take);
        let noted = here.or_else(|| WORKER.lock().unwrap_or_else(PoisonError::into_inner).take());
        noted
            .filter(|(noted, _)| noted == text)
            .map(|(_, place)| place)
    }

    /// Notes a panic that a guard will catch; false when no call is inside the library.
    fn note(info: &PanicHookInfo<'_>) -> bool {
        if INSIDE.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let text = super::text(info.payload()).to_owned();
        let place = info.location().map_or(String::new(), ToString::to_string);
        if DEPTH.with(Cell::get) > 0 {
            HERE.with_borrow_mut(|here| *here = Some((text, place)));
        } else {
            *WORKER.lock().unwrap_or_else(PoisonError::into_inner) = Some((text, place));
        }
        true
    }
}

#[cfg(not(feature = "panic-hook"))]
mod hook {
    pub(super) fn enter() {}
    pub(super) fn leave() {}
    pub(super) fn place(_: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{cyto_error_code, cyto_error_message};
    use std::ffi::CStr;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload's own drop panics");
        }
    }

    fn run(body: impl FnOnce() -> Result<(), Failure>) -> (cyto_status, String) {
        let mut err = MaybeUninit::uninit();
        let status = guard(Some(&mut err), body);
        // SAFETY: `guard` writes it on every path.
        let error = unsafe { err.assume_init() };
        assert_eq!(cyto_error_code(error.as_deref()), status);
        // SAFETY: the message lives in `error`.
        let text = unsafe { CStr::from_ptr(cyto_error_message(error.as_deref())) };
        (status, text.to_string_lossy().into_owned())
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        let (status, text) = run(|| panic!("boom {}", 7));
        assert_eq!(status, cyto_status::CYTO_PANIC);
        assert!(text.contains("boom 7"), "{text}");
        assert!(text.contains("guard.rs:"), "{text}");
        assert_eq!(run(|| Ok(())), (cyto_status::CYTO_OK, String::new()));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        let (status, text) = run(|| std::panic::panic_any(Bomb));
        assert_eq!(status, cyto_status::CYTO_PANIC);
        assert!(text.contains("(no text)"), "{text}");
        assert_eq!(or(5, || panic!("in an accessor")), 5);
    }

    #[test]
    fn outputs_are_null_on_every_failing_path() {
        let stale: repr_c::Box<u8> = Box::new(1_u8).into();
        let mut out = MaybeUninit::new(Some(stale));
        let status = give::<u8>(Some(&mut out), None, || Err(Error::cancelled().into()));
        assert_eq!(status, cyto_status::CYTO_CANCELLED);
        // SAFETY: `give` writes it on every path.
        assert!(unsafe { out.assume_init() }.is_none());
        let status = give::<u8>(None, None, || Ok(1));
        assert_eq!(status, cyto_status::CYTO_INVALID_ARGUMENT);
    }
}
