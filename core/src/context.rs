//! Everything a call needs besides its data: threads, device, seed, memory budget, progress, cancel.
//!
//! The context owns its own thread pool (never rayon's global one). It survives `fork`: when the
//! process id differs from the one that made the pool, a new pool is built for the child and the
//! parent's is left alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::par::pool::{Pool, PoolHandle};
use crate::progress::{CancelToken, Flow, Progress, ProgressSink};

/// Where the numbers are crunched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor: the reference path, always there.
    #[default]
    Cpu,
    /// A CUDA device where one is present and the engine has kernels for it, else the processor.
    Auto,
    /// A CUDA device, or an error.
    Cuda,
}

/// Settings of a [`Context`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContextOptions {
    /// Worker threads; 0 = as many as the process may use. Results never depend on it.
    pub threads: usize,
    /// Seed of every random draw.
    pub seed: u64,
    /// Bytes that blocks and caches may use; 0 = 80 % of the memory the process may use.
    pub memory_budget: u64,
    /// Device.
    pub device: Device,
    /// Least time between two progress calls.
    pub progress_interval: Duration,
}

impl Default for ContextOptions {
    fn default() -> Self {
        ContextOptions {
            threads: 0,
            seed: 1,
            memory_budget: 0,
            device: Device::Cpu,
            progress_interval: Duration::from_millis(100),
        }
    }
}

/// Threads, seed, budget, progress and cancel of the calls it is passed to.
///
/// ```
/// use cytosol::{Context, ContextOptions};
/// let mut options = ContextOptions::default();
/// options.threads = 1;
/// let ctx = Context::new(&options)?;
/// assert_eq!(ctx.threads(), 1);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub struct Context {
    options: ContextOptions,
    threads: usize,
    memory_budget: u64,
    cancel: CancelToken,
    progress: Mutex<Option<ProgressSink>>,
    /// What was reported last, while its stage goes on.
    last: Mutex<Option<Last>>,
    pool: Mutex<Pool>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Makes a context.
    ///
    /// # Errors
    /// `DeviceUnavailable` when `device` is [`Device::Cuda`]: this build has no kernels.
    /// `InvalidArgument` above 4,096 threads.
    pub fn new(options: &ContextOptions) -> Result<Self> {
        if options.device == Device::Cuda {
            return Err(Error::new(
                ErrorKind::DeviceUnavailable,
                "device: \"cuda\" is not available in this build; use \"cpu\" or \"auto\"",
            )
            .with_argument("device"));
        }
        if options.threads > 4096 {
            return Err(Error::argument(
                "threads",
                format!("{} is too large; must be 0 to 4096", options.threads),
            ));
        }
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let memory_budget = match options.memory_budget {
            0 => available_memory() / 10 * 8,
            bytes => bytes,
        };
        Ok(Context {
            options: options.clone(),
            threads,
            memory_budget,
            cancel: CancelToken::default(),
            progress: Mutex::new(None),
            last: Mutex::new(None),
            pool: Mutex::new(Pool::new(threads)?),
        })
    }

    /// A context with one thread and otherwise default settings.
    pub fn single_threaded() -> Result<Self> {
        Context::new(&ContextOptions {
            threads: 1,
            ..ContextOptions::default()
        })
    }

    /// Calls `sink` with the progress of later calls; replaces the sink set before.
    pub fn set_progress(&self, sink: Option<ProgressSink>) {
        *lock(&self.progress) = sink;
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Seed of every random draw.
    pub fn seed(&self) -> u64 {
        self.options.seed
    }

    /// Bytes that blocks and caches may use.
    pub fn memory_budget(&self) -> u64 {
        self.memory_budget
    }

    /// The settings it was made with.
    pub fn options(&self) -> &ContextOptions {
        &self.options
    }

    /// The flag that stops calls on this context.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// `Err(Cancelled)` once a stop was asked for.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            Err(Error::cancelled())
        } else {
            Ok(())
        }
    }

    /// Begins a stage of `total` items (0 = unknown) and reports it at 0.
    pub fn stage<'a>(&'a self, name: &'a str, total: u64) -> Result<Stage<'a>> {
        let stage = Stage {
            ctx: self,
            name,
            total,
            started: Instant::now(),
            last: Mutex::new(Instant::now()),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        };
        stage.report(0, "")?;
        Ok(stage)
    }

    /// Sends a message for people outside any counted stage.
    pub fn message(&self, stage: &str, message: &str) -> Result<()> {
        self.send(&Progress {
            stage,
            done: 0,
            total: 0,
            elapsed: Duration::ZERO,
            bytes_read: 0,
            bytes_written: 0,
            message,
        })
    }

    /// Says again what was said last when the interval has passed and its stage is not at its end: parallel
    /// work without a stage of its own keeps a host's chance to stop it. Only on the thread that called
    /// the engine.
    pub(crate) fn heartbeat(&self) -> Result<()> {
        let interval = self.options.progress_interval;
        let due = lock(&self.last).take_if(|last| last.said.elapsed() >= interval);
        match due {
            None => self.check_cancelled(),
            Some(last) => self.send(&Progress {
                stage: &last.stage,
                done: last.done,
                total: last.total,
                elapsed: last.started.elapsed(),
                bytes_read: last.bytes[0],
                bytes_written: last.bytes[1],
                message: "",
            }),
        }
    }

    fn send(&self, progress: &Progress<'_>) -> Result<()> {
        let now = Instant::now();
        *lock(&self.last) = (progress.done < progress.total).then(|| Last {
            stage: progress.stage.to_owned(),
            done: progress.done,
            total: progress.total,
            bytes: [progress.bytes_read, progress.bytes_written],
            started: now.checked_sub(progress.elapsed).unwrap_or(now),
            said: now,
        });
        let flow = match lock(&self.progress).as_mut() {
            Some(sink) => sink(progress),
            None => Flow::Continue,
        };
        if flow == Flow::Cancel {
            self.cancel.cancel();
        }
        self.check_cancelled()
    }

    /// The pool of this process; a forked child gets its own.
    pub(crate) fn pool(&self) -> Result<PoolHandle> {
        lock(&self.pool).handle()
    }
}

/// What was reported last, of a stage that goes on.
#[derive(Debug)]
struct Last {
    stage: String,
    done: u64,
    total: u64,
    /// Read and written.
    bytes: [u64; 2],
    started: Instant,
    said: Instant,
}

/// A counted stage of a job; see [`Context::stage`].
#[derive(Debug)]
pub struct Stage<'a> {
    ctx: &'a Context,
    name: &'a str,
    total: u64,
    started: Instant,
    last: Mutex<Instant>,
    read: AtomicU64,
    written: AtomicU64,
}

impl Stage<'_> {
    /// Reports `done` items if the interval since the last report has passed. Only on the thread
    /// that called the engine.
    ///
    /// # Errors
    /// `Cancelled` when the sink or the token says so.
    pub fn tick(&self, done: u64) -> Result<()> {
        if lock(&self.last).elapsed() < self.ctx.options.progress_interval {
            return self.ctx.check_cancelled();
        }
        self.report(done, "")
    }

    /// Counts stored bytes that were read; on any thread.
    pub fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts stored bytes that were written; on any thread.
    pub fn add_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Reports at once, with a message.
    pub fn report(&self, done: u64, message: &str) -> Result<()> {
        *lock(&self.last) = Instant::now();
        self.ctx.send(&Progress {
            stage: self.name,
            done,
            total: self.total,
            elapsed: self.started.elapsed(),
            bytes_read: self.read.load(Ordering::Relaxed),
            bytes_written: self.written.load(Ordering::Relaxed),
            message,
        })
    }

    /// Reports the end: `done == total`.
    pub fn finish(self) -> Result<()> {
        self.report(self.total, "")
    }

    /// The interval at which the calling thread wakes up to tick.
    pub(crate) fn interval(&self) -> Duration {
        self.ctx.options.progress_interval
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory the process may use: the smaller of the machine's and the control group's.
fn available_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|l| l.starts_with("MemTotal:"))?
                .to_owned();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(4 << 30, |kib| kib * 1024);
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    group.map_or(machine, |limit| limit.min(machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_can_cancel() {
        let ctx = Context::single_threaded().expect("pool");
        ctx.set_progress(Some(Box::new(|_| Flow::Cancel)));
        let error = ctx.stage("any", 3).expect_err("cancelled at 0");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn cuda_is_refused_not_ignored() {
        let options = ContextOptions {
            device: Device::Cuda,
            ..ContextOptions::default()
        };
        let error = Context::new(&options).expect_err("no kernels");
        assert_eq!(error.kind(), ErrorKind::DeviceUnavailable);
    }
}
