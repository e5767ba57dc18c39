//! A context for one call: threads, progress, and Ctrl-C.
//!
//! The C ABI reports progress on the thread that made the call, which is R's. There the user's function is
//! called, and R is asked whether an interrupt is pending; the work then stops within one task.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cytosol::{
    cyto_context, cyto_context_free, cyto_context_new, cyto_context_options,
    cyto_context_set_progress, cyto_progress,
};
use extendr_api::prelude::*;

use crate::answer::{Failure, done, made};

unsafe extern "C" {
    /// In `init.c`: 1 when an interrupt of R is pending. It jumps, so it is asked from C, where no Rust
    /// frame is jumped over.
    fn cytosol_interrupted() -> c_int;
    /// In `init.c`: the answer of a progress function, -1 when it jumps; the jump waits in `token`.
    fn cytosol_tell(
        function: *mut c_void,
        stage: *const c_char,
        done: f64,
        total: f64,
        elapsed: f64,
        message: *const c_char,
        token: *mut c_void,
    ) -> c_int;
    /// In `init.c`: what `.Call` calls to go on with a jump.
    fn cytosol_jump_function() -> *mut c_void;
    /// R's: a place for a jump that waits.
    fn R_MakeUnwindCont() -> *mut c_void;
}

/// How R wants a call to run.
pub(crate) struct Settings {
    threads: i32,
    interval_ms: u32,
    memory_bytes: u64,
    callback: Option<Robj>,
}

impl Settings {
    /// From `list(threads =, interval =, memory =, callback =)`.
    pub(crate) fn read(settings: &Robj) -> Result<Self, Failure> {
        let field = |name: &str| {
            settings
                .dollar(name)
                .map_err(|_| Failure::argument(name, "missing from the settings of a call"))
        };
        let number = |name: &str| {
            let value = field(name)?.as_integer();
            value.ok_or_else(|| Failure::argument(name, "must be one integer"))
        };
        let interval = number("interval")?;
        Ok(Settings {
            threads: number("threads")?,
            interval_ms: u32::try_from(interval)
                .map_err(|_| Failure::argument("interval", "must not be negative"))?,
            // 0 is the library's own limit.
            memory_bytes: field("memory")?.as_real().unwrap_or(0.0) as u64,
            callback: Some(field("callback")?).filter(Robj::is_function),
        })
    }
}

/// What the progress callback sees.
struct Watch {
    /// The function, and a place for its jump.
    callback: Option<(Robj, Robj)>,
    interrupted: bool,
    jumped: bool,
}

impl Watch {
    /// Whether the work shall go on.
    fn seen(&mut self, progress: &cyto_progress) -> bool {
        // SAFETY: on R's main thread, which made the call.
        if unsafe { cytosol_interrupted() } != 0 {
            self.interrupted = true;
            return false;
        }
        let Some((function, token)) = self.callback.as_ref().filter(|_| !self.jumped) else {
            return !self.jumped;
        };
        // SAFETY: on R's main thread; the header promises strings for the time of the callback. No Rust frame is
        // jumped over.
        let answer = unsafe {
            cytosol_tell(
                function.get().cast(),
                progress.stage,
                progress.done as f64,
                progress.total as f64,
                progress.elapsed_s,
                progress.message,
                token.get().cast(),
            )
        };
        self.jumped = answer == -1;
        answer == 0
    }
}

extern "C" fn on_progress(user_data: *mut c_void, progress: *const cyto_progress) -> i32 {
    let go_on = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `user_data` is the `Watch` of the running call, which nothing else borrows meanwhile, and
        // the library hands in a struct.
        let (watch, progress) = unsafe { (&mut *user_data.cast::<Watch>(), &*progress) };
        watch.seen(progress)
    }));
    i32::from(!go_on.unwrap_or(false))
}

/// Runs work on a context of its own.
pub(crate) fn with_context<T>(
    settings: &Robj,
    work: impl FnOnce(&cyto_context) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let settings = Settings::read(settings)?;
    let options = cyto_context_options {
        struct_size: size_of::<cyto_context_options>(),
        threads: settings.threads,
        progress_interval_ms: settings.interval_ms,
        seed: 1,
        memory_limit_bytes: settings.memory_bytes,
        device: std::ptr::null(),
    };
    let context = made(|out, err| cyto_context_new(&options, out, err))?;
    // SAFETY: on R's main thread; kept by what it is put into.
    let token = || unsafe { Robj::from_sexp(R_MakeUnwindCont().cast()) };
    let mut watch = Watch {
        callback: settings.callback.map(|function| (function, token())),
        interrupted: false,
        jumped: false,
    };
    let user_data = (&raw mut watch).cast::<c_void>();
    done(|err| cyto_context_set_progress(Some(&context), Some(on_progress), user_data, err))?;
    let outcome = work(&context);
    // The context goes before what its callback points to.
    cyto_context_free(Some(context));
    if let (true, Some((_, token))) = (watch.jumped, watch.callback) {
        return Err(Failure::jump(token));
    }
    outcome.map_err(|mut failure| {
        failure.interrupted = watch.interrupted;
        failure
    })
}

/// What `.Call` calls with the token of a failure to go on with a jump of R.
/// @noRd
#[extendr]
fn jump_function() -> Robj {
    // SAFETY: on R's main thread; a new object.
    unsafe { Robj::from_sexp(cytosol_jump_function().cast()) }
}

extendr_module! {
    mod call;
    fn jump_function;
}
