//! Blocks in, computed in parallel, merged in order: the one way work is spread over threads.

use std::collections::{BTreeMap, VecDeque};
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
    merge: impl FnMut(R) -> Result<u64>,
) -> Result<()>
where
    B: Send,
    R: Send,
    W: Send,
{
    let flow = InFlight {
        stage,
        budget: u64::MAX,
    };
    let next = || Ok(next()?.map(|block| (0, block)));
    ordered_within(ctx, &flow, next, workspace, work, merge)
}

/// What holds of the blocks on their way through [`ordered_within`].
#[derive(Debug)]
pub struct InFlight<'a> {
    /// Where progress is reported.
    pub stage: Option<&'a Stage<'a>>,
    /// Most bytes of blocks that are issued and not yet merged; a block that is larger than this
    /// goes alone.
    pub budget: u64,
}

/// [`ordered`] for blocks whose memory matters: `next` says beside each block how many bytes it
/// takes until its result is merged, and a block waits while those in flight leave no room for it.
///
/// # Errors
/// As [`ordered`].
pub fn ordered_within<B, R, W>(
    ctx: &Context,
    flow: &InFlight<'_>,
    mut next: impl FnMut() -> Result<Option<(u64, B)>>,
    workspace: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, B) -> Result<R> + Sync,
    mut merge: impl FnMut(R) -> Result<u64>,
) -> Result<()>
where
    B: Send,
    R: Send,
    W: Send,
{
    let stage = flow.stage;
    let pool = ctx.pool()?;
    let window = 2 * ctx.threads() + 1;
    let mut waiting: Option<(u64, B)> = None;
    let mut sizes = VecDeque::new();
    let mut bytes = 0_u64;
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
                let Some((size, block)) = waiting.take().map_or_else(&mut next, |b| Ok(Some(b)))?
                else {
                    exhausted = true;
                    break;
                };
                if issued > merged && bytes.saturating_add(size) > flow.budget {
                    waiting = Some((size, block));
                    break;
                }
                sizes.push_back(size);
                bytes = bytes.saturating_add(size);
                let (send, number) = (send.clone(), issued);
                scope.spawn(move |_| {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let mut scratch = pop(spare).unwrap_or_else(workspace);
                        let result = work(&mut scratch, block)?;
                        // Of work that failed there may be something left in it.
                        push(spare, scratch);
                        Ok(result)
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
                bytes -= sizes.pop_front().unwrap_or(0);
            }
            match stage {
                Some(stage) => stage.tick(done)?,
                None => ctx.heartbeat()?,
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

    #[test]
    fn work_without_a_stage_repeats_the_last_report() {
        let ctx = Context::new(&ContextOptions {
            threads: 2,
            progress_interval: Duration::ZERO,
            ..ContextOptions::default()
        })
        .expect("pool");
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let sink = std::sync::Arc::clone(&seen);
        ctx.set_progress(Some(Box::new(move |progress| {
            let mut seen = sink.lock().expect("not poisoned");
            seen.push((progress.stage.to_owned(), progress.done));
            if seen.len() > 3 {
                crate::progress::Flow::Cancel
            } else {
                crate::progress::Flow::Continue
            }
        })));
        let slow = |ctx: &Context| {
            map(ctx, 1000, |_| {
                std::thread::sleep(Duration::from_millis(2));
                Ok(())
            })
        };
        let stage = ctx.stage("rounds", 5).expect("goes on");
        stage.report(2, "").expect("goes on");
        let error = slow(&ctx).expect_err("stopped by the sink");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let twice = seen.lock().expect("not poisoned")[1..].to_vec();
        assert!(twice.iter().all(|last| *last == ("rounds".to_owned(), 2)));
        // What is at its end is not repeated.
        ctx.cancel_token().reset();
        seen.lock().expect("not poisoned").clear();
        stage.finish().expect("goes on");
        map(&ctx, 50, |_| Ok(())).expect("goes on");
        assert_eq!(seen.lock().expect("not poisoned").len(), 1);
    }

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
    fn blocks_in_flight_stay_within_their_budget() {
        use std::sync::atomic::AtomicU64;
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let flow = InFlight {
            stage: None,
            budget: 10,
        };
        // The 50 goes alone.
        let mut sizes = (0..200_u64).map(|i| if i == 77 { 50 } else { i % 5 });
        let mut seen = Vec::new();
        ordered_within(
            &context(4),
            &flow,
            || {
                Ok(sizes.next().map(|size| {
                    let all = now.fetch_add(size, Ordering::SeqCst) + size;
                    // The block that waits has been asked for already.
                    most.fetch_max(all - size, Ordering::SeqCst);
                    (size, size)
                }))
            },
            || (),
            |(), size| Ok(size),
            |size| {
                now.fetch_sub(size, Ordering::SeqCst);
                seen.push(size);
                Ok(1)
            },
        )
        .expect("no error");
        assert_eq!(seen.len(), 200);
        assert!(
            seen.iter()
                .enumerate()
                .all(|(i, &s)| i == 77 || s == i as u64 % 5)
        );
        assert!(most.load(Ordering::SeqCst) <= 50);
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
