//! The thread pool of a context: sized by the host, joined when dropped, safe across `fork`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// A pool that work can be submitted to.
pub(crate) type PoolHandle = Arc<rayon::ThreadPool>;

type Workers = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// Owns worker threads of the process that made it.
pub(crate) struct Pool {
    threads: usize,
    process: u32,
    inner: Option<(PoolHandle, Workers)>,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Result<Self> {
        Ok(Pool {
            threads,
            process: std::process::id(),
            inner: Some(start(threads)?),
        })
    }

    /// The pool of this process. In a forked child the parent's threads do not exist, so the
    /// parent's pool is forgotten (dropping it would wait for them) and a new one is started.
    pub(crate) fn handle(&mut self) -> Result<PoolHandle> {
        let here = std::process::id();
        if here != self.process {
            std::mem::forget(self.inner.take());
            self.process = here;
        }
        let (pool, _) = match &mut self.inner {
            Some(inner) => inner,
            none => none.insert(start(self.threads)?),
        };
        Ok(Arc::clone(pool))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let Some((pool, workers)) = self.inner.take() else {
            return;
        };
        if std::process::id() != self.process {
            std::mem::forget((pool, workers));
            return;
        }
        drop(pool);
        let mut workers = workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.drain(..) {
            // A worker that panicked has already reported through the call it served.
            let _ = worker.join();
        }
    }
}

fn start(threads: usize) -> Result<(PoolHandle, Workers)> {
    let workers: Workers = Arc::default();
    let started = Arc::clone(&workers);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .spawn_handler(move |thread| {
            let worker = std::thread::Builder::new()
                .name(format!("cytosol-{}", thread.index()))
                .spawn(|| thread.run())?;
            started
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(worker);
            Ok(())
        })
        .build()
        .map_err(|e| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!("threads: could not start {threads} worker threads: {e}"),
            )
        })?;
    Ok((Arc::new(pool), workers))
}
