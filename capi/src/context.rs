//! `cyto_context`: threads, seed, memory limit, device, progress and cancel of the calls it is given to.
//!
//! One call at a time: a second one on another thread, or one from inside a callback, returns
//! `CYTO_STATE`. After `fork` the context works in the child too, with threads of its own.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{CancelToken, Context, ContextOptions, Device, Error};
use safer_ffi::{derive_ReprC, prelude::repr_c};

use crate::error::{Failure, cyto_error};
use crate::guard::{give, guard, required};
use crate::progress::{UserData, cyto_progress_fn, sink};
use crate::sized::{self, Sized_};
use crate::status::cyto_status;
use crate::text;

/// Settings of a context. Fill with `CYTO_CONTEXT_OPTIONS_INIT`, then change fields.
#[derive_ReprC]
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct cyto_context_options {
    /// `sizeof(cyto_context_options)`.
    pub struct_size: usize,
    /// Worker threads; 0 = as many as the process may use. Results never depend on it.
    pub threads: i32,
    /// Least time between two progress calls, in milliseconds; 0 = at every opportunity.
    pub progress_interval_ms: u32,
    /// Seed of every random draw.
    pub seed: u64,
    /// Bytes that blocks and caches may use; 0 = 80 % of the memory the process may use.
    pub memory_limit_bytes: u64,
    /// "cpu", "auto" or "cuda"; NULL = "cpu". "cuda" without such a device is `CYTO_NO_GPU`.
    pub device: *const c_char,
}

// SAFETY: plain data, size first.
unsafe impl Sized_ for cyto_context_options {
    const NAME: &'static str = "cyto_context_options";
    const INIT: &'static str = "CYTO_CONTEXT_OPTIONS_INIT";
    const FIRST_SIZE: usize = 40;
    fn init() -> Self {
        cyto_context_options {
            struct_size: size_of::<Self>(),
            threads: 0,
            progress_interval_ms: 100,
            seed: 1,
            memory_limit_bytes: 0,
            device: std::ptr::null(),
        }
    }
}

/// Threads, seed, memory limit, device, progress and cancel.
#[derive_ReprC]
#[repr(opaque)]
#[allow(non_camel_case_types)]
pub struct cyto_context {
    shared: Arc<Shared>,
    cancel: CancelToken,
}

/// Outlives the handle while a call runs.
struct Shared {
    context: Context,
    busy: AtomicBool,
}

/// The context of a running call; gives it back when dropped.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

impl cyto_context {
    fn begin(&self) -> Result<Busy, Failure> {
        let shared = Arc::clone(&self.shared);
        if shared.busy.swap(true, Ordering::Acquire) {
            return Err(Failure::state(
                "ctx: in use by another call; use one context per thread, and none from a callback",
            ));
        }
        Ok(Busy(shared))
    }
}

/// Runs work on a context: takes it, forgets earlier cancel requests, gives it back.
pub(crate) fn with_context<T>(
    ctx: Option<&cyto_context>,
    work: impl FnOnce(&Context) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let busy = required("ctx", ctx)?.begin()?;
    busy.0.context.cancel_token().reset();
    work(&busy.0.context)
}

fn context_options(given: &cyto_context_options) -> Result<ContextOptions, Failure> {
    let mut options = ContextOptions::default();
    options.threads = usize::try_from(given.threads).map_err(|_| {
        Error::argument(
            "threads",
            format!("{} is negative; must be 0 (all) or more", given.threads),
        )
    })?;
    options.seed = given.seed;
    options.memory_budget = given.memory_limit_bytes;
    options.progress_interval = Duration::from_millis(given.progress_interval_ms.into());
    // SAFETY: the header asks for NULL or a string.
    options.device = match unsafe { text::optional("device", given.device) }?.as_deref() {
        None | Some("cpu") => Device::Cpu,
        Some("auto") => Device::Auto,
        Some("cuda") => Device::Cuda,
        Some(other) => {
            return Err(Error::argument(
                "device",
                format!("{other:?} is unknown; must be \"cpu\", \"auto\" or \"cuda\""),
            )
            .into());
        }
    };
    Ok(options)
}

/// Makes a context. `options` may be NULL for the defaults. Free with `cyto_context_free`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_context_new(
    options: *const cyto_context_options,
    out: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_context>>>>,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    give(out, err, || {
        let given = if options.is_null() {
            cyto_context_options::init()
        } else {
            // SAFETY: the header asks for a struct of `struct_size` bytes.
            unsafe { sized::read("options", options) }?
        };
        let context = Context::new(&context_options(&given)?)?;
        Ok(cyto_context {
            cancel: context.cancel_token().clone(),
            shared: Arc::new(Shared {
                context,
                busy: AtomicBool::new(false),
            }),
        })
    })
}

/// Frees a context and ends its threads. NULL is allowed. Handles made with it stay usable.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_context_free(ctx: Option<repr_c::Box<cyto_context>>) {
    // Joining worker threads is no place to panic in, but the border holds everywhere.
    crate::guard::or((), || drop(ctx));
}

/// Worker threads of the context; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_context_threads(ctx: Option<&cyto_context>) -> i32 {
    ctx.map_or(0, |ctx| {
        i32::try_from(ctx.shared.context.threads()).unwrap_or(i32::MAX)
    })
}

/// Sets the progress callback of later calls; a NULL `callback` removes it. It is called on the
/// thread that made the API call, once at the start and once at the end of each stage and at most once
/// per `progress_interval_ms` between. `user_data` must live until the callback is replaced or the
/// context freed. Using the same context from inside the callback returns `CYTO_STATE`.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_context_set_progress(
    ctx: Option<&cyto_context>,
    callback: cyto_progress_fn,
    user_data: *mut c_void,
    err: Option<&mut MaybeUninit<Option<repr_c::Box<cyto_error>>>>,
) -> cyto_status {
    guard(err, || {
        let busy = required("ctx", ctx)?.begin()?;
        let new = callback.map(|callback| sink(callback, UserData(user_data)));
        busy.0.context.set_progress(new);
        Ok(())
    })
}

/// Asks the call that runs on `ctx` to stop; it returns `CYTO_CANCELLED`. From any thread and from a signal
/// handler: one atomic store. Without a running call nothing happens: every call forgets earlier
/// requests when it starts. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn cyto_context_cancel(ctx: Option<&cyto_context>) {
    if let Some(ctx) = ctx {
        ctx.cancel.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(options: &cyto_context_options) -> Result<repr_c::Box<cyto_context>, cyto_status> {
        let mut out: MaybeUninit<Option<repr_c::Box<cyto_context>>> = MaybeUninit::uninit();
        let status = cyto_context_new(options, Some(&mut out), None);
        // SAFETY: written on every path.
        unsafe { out.assume_init() }.ok_or(status)
    }

    #[test]
    fn options_are_checked() {
        let mut options = cyto_context_options::init();
        options.threads = -1;
        assert_eq!(
            new(&options).err(),
            Some(cyto_status::CYTO_INVALID_ARGUMENT)
        );
        options.threads = 1;
        for (device, status) in [
            (c"cuda", Some(cyto_status::CYTO_NO_GPU)),
            (c"gpu", Some(cyto_status::CYTO_INVALID_ARGUMENT)),
            (c"auto", None),
            (c"cpu", None),
        ] {
            options.device = device.as_ptr();
            assert_eq!(new(&options).err(), status, "{device:?}");
        }
        assert_eq!(
            size_of::<cyto_context_options>(),
            cyto_context_options::FIRST_SIZE
        );
    }

    #[test]
    fn a_second_call_is_refused_and_a_cancel_before_the_start_forgotten() {
        let mut options = cyto_context_options::init();
        options.threads = 1;
        let ctx = new(&options).expect("made");
        cyto_context_cancel(Some(&ctx));
        let outcome = with_context(Some(&ctx), |inner| {
            inner.check_cancelled()?;
            let second = with_context(Some(&ctx), |_| Ok(()));
            assert_eq!(
                second.err().map(|f| f.status),
                Some(cyto_status::CYTO_STATE)
            );
            cyto_context_cancel(Some(&ctx));
            Ok(inner.check_cancelled()?)
        });
        assert_eq!(
            outcome.err().map(|f| f.status),
            Some(cyto_status::CYTO_CANCELLED)
        );
        assert!(with_context(Some(&ctx), |_| Ok(())).is_ok());
        assert_eq!(cyto_context_threads(Some(&ctx)), 1);
    }
}
