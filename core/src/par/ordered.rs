//! Blocks in, computed in parallel, merged in order: the one way work is spread over threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::context::{Context, Stage};
use crate::error::{Error, Result};

/// How often the calling thread looks for a cancel request when no stage is reported.
const WAKE_UP: Duration = Duration::from_millis(50);

/// Computes blocks on the pool and merges the results in block order on the calling thread.
///
/// * `next` gives the blocks, on the calling thread (the place to read a file); `None` ends.
/// * `workspace` makes the scratch memory of a worker; it is reused from block to block and must
///   not carry anything from one block to the next.
/// * `work` turns a block into a result, on any worker. It should look at
///   [`Context::check_cancelled`] once an item.
/// * `merge` takes the results in block order, on the calling thread, and says how many items the
///   block held, which is what `stage` reports.
///
/// # Errors
/// The first error in block order of `next`, `work` or `merge`, or `Cancelled`. A panic of `work`
/// is resumed on the calling thread.
pub fn ordered<B, R, W>(
    ctx: &Context,
    stage: Option<&Stage<'_>>,
    mut next: impl FnMut() -> Result<Option<B>>,
    workspace: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, B) -> Result<R> + Sync,
    mut merge: impl FnMut(R) -> Result<u64>,
) -> Result<()>
where
    B: Send,
    R: Send,
    W: Send,
{
    let pool = ctx.pool()?;
    let window = 2 * ctx.threads() + 1;
    let wake_up = stage.map_or(WAKE_UP, |s| s.interval().min(WAKE_UP));
    let spare: Mutex<Vec<W>> = Mutex::new(Vec::new());
    let stopped = AtomicBool::new(false);
    let (spare, stopped, workspace, work) = (&spare, &stopped, &workspace, &work);

    pool.in_place_scope(|scope| {
        // Blocks that have not begun when this call ends, for whatever reason, are skipped.
        let _stop = StopOnDrop(stopped);
        let (send, receive) = channel();
        let mut arrived = BTreeMap::new();
        let (mut issued, mut merged, mut done, mut exhausted) = (0_usize, 0_usize, 0_u64, false);
        loop {
            while !exhausted && issued - merged < window {
                let Some(block) = next()? else {
                    exhausted = true;
                    break;
                };
                let (send, number) = (send.clone(), issued);
                scope.spawn(move |_| {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let mut scratch = pop(spare).unwrap_or_else(workspace);
                        let result = work(&mut scratch, block);
                        push(spare, scratch);
                        result
                    }));
                    // The receiver is gone only when the call has already failed.
                    let _ = send.send((number, outcome));
                });
                issued += 1;
            }
            if exhausted && merged == issued {
                return Ok(());
            }
            match receive.recv_timeout(wake_up) {
                Ok((number, outcome)) => {
                    arrived.insert(number, outcome);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(
                        crate::error::ErrorKind::Internal,
                        "worker results were lost",
                    ));
                }
            }
            while let Some(outcome) = arrived.remove(&merged) {
                match outcome {
                    Ok(result) => done += merge(result?)?,
                    Err(panic) => resume_unwind(panic),
                }
                merged += 1;
            }
            match stage {
                Some(stage) => stage.tick(done)?,
                None => ctx.check_cancelled()?,
            }
        }
    })
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `work(0), work(1), ..., work(n - 1)`, in order, computed in parallel.
pub fn map<R: Send>(
    ctx: &Context,
    n: usize,
    work: impl Fn(usize) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let mut results = Vec::with_capacity(n);
    let mut indices = 0..n;
    ordered(
        ctx,
        None,
        || Ok(indices.next()),
        || (),
        |(), index| work(index),
        |result| {
            results.push(result);
            Ok(1)
        },
    )?;
    Ok(results)
}

fn pop<W>(spare: &Mutex<Vec<W>>) -> Option<W> {
    spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn push<W>(spare: &Mutex<Vec<W>>, scratch: W) {
    spare
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(scratch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::error::ErrorKind;

    fn context(threads: usize) -> Context {
        Context::new(&ContextOptions {
            threads,
            ..ContextOptions::default()
        })
        .expect("pool")
    }

    #[test]
    fn results_come_in_order_for_any_thread_count() {
        for threads in [1, 2, 3, 7] {
            let got = map(&context(threads), 1000, |i| Ok(i * i)).expect("no error");
            assert!(got.iter().enumerate().all(|(i, &v)| v == i * i));
        }
    }

    #[test]
    fn the_first_error_in_block_order_is_returned() {
        let error = map(&context(3), 100, |i| {
            if i >= 40 {
                Err(Error::data(format!("block {i}")))
            } else {
                Ok(())
            }
        })
        .expect_err("fails");
        assert_eq!(error.message(), "block 40");
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let ctx = context(2);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            map(&ctx, 10, |i| {
                assert!(i != 5, "boom");
                Ok(())
            })
        }));
        assert!(caught.is_err());
        assert_eq!(map(&ctx, 3, Ok).expect("alive"), [0, 1, 2]);
    }

    #[test]
    fn a_token_stops_the_work() {
        let ctx = context(2);
        let token = ctx.cancel_token().clone();
        let error = map(&ctx, 1_000_000, |i| {
            if i == 10 {
                token.cancel();
            }
            Ok(())
        })
        .expect_err("stopped");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
