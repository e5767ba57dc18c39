//! Progress out, cancellation in.
//!
//! A [`ProgressSink`] is called only on the thread that called the engine (R and Julia need that),
//! at most once an interval, and may answer "stop". A [`CancelToken`] is one atomic flag that any
//! thread or signal handler may set; workers look at it at least once per item.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A moment of a long job.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Stage, for example `"fit_pixels"`.
    pub stage: &'a str,
    /// Items done.
    pub done: u64,
    /// Items in this stage; 0 when not known beforehand.
    pub total: u64,
    /// Time since the stage began.
    pub elapsed: Duration,
    /// Stored bytes of matrices read in this stage; 0 where a stage does not count them.
    pub bytes_read: u64,
    /// Stored bytes of matrices written in this stage; 0 where a stage does not count them.
    pub bytes_written: u64,
    /// Text for people; empty when there is nothing to say. Messages of the pipeline
    /// (gene counts, sigma per epoch) come this way too.
    pub message: &'a str,
}

/// What a progress callback wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop as soon as possible; the call returns `Cancelled`.
    Cancel,
}

/// Receives progress.
pub type ProgressSink = Box<dyn FnMut(&Progress<'_>) -> Flow + Send>;

/// A flag that stops a running call.
///
/// ```
/// let token = cytosol::CancelToken::default();
/// let other = token.clone();
/// other.cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the running call to stop. One atomic store: safe in a signal handler.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets an earlier request; done at the start of every call from C.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
