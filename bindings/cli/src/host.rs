//! What a person sees and does while a command runs: progress bars, messages, Ctrl-C.
//!
//! Everything here goes to standard error, so that standard output holds results only. Bars are
//! drawn when standard error is a terminal; messages are printed unless `--quiet`.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cytosol::{
    CancelToken, Context, ContextOptions, Device, Error, ErrorKind, Flow, Progress, Result,
};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::HostArgs;

/// The token of the running command, for the handler of Ctrl-C.
static RUNNING: OnceLock<CancelToken> = OnceLock::new();

/// Threads, seed, budget, device of a command, with its progress on standard error.
#[derive(Debug)]
pub struct Host {
    /// What calls of the engine get.
    pub ctx: Context,
    /// Where the shard being fitted stands in the whole.
    pub shard: Arc<Shard>,
}

/// Where a shard stands in the whole, so that one bar runs over all shards.
#[derive(Debug, Default)]
pub struct Shard {
    before: AtomicU64,
    total: AtomicU64,
}

impl Shard {
    /// The next shard begins after `before` of `total` pixels.
    pub fn begins(&self, before: u64, total: u64) {
        self.before.store(before, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Done and total of the whole job, where `progress` is about a shard.
    fn place(&self, progress: &Progress<'_>) -> (u64, u64) {
        let total = self.total.load(Ordering::Relaxed);
        if progress.stage == "fit_pixels" && total > 0 {
            (self.before.load(Ordering::Relaxed) + progress.done, total)
        } else {
            (progress.done, progress.total)
        }
    }
}

/// Makes the context of a command; Ctrl-C stops its calls.
///
/// # Errors
/// As [`Context::new`].
pub fn start(args: &HostArgs, fill: impl FnOnce(&mut ContextOptions)) -> Result<Host> {
    let mut options = ContextOptions::default();
    options.threads = args.threads;
    options.device = Device::Auto;
    fill(&mut options);
    let ctx = Context::new(&options)?;
    let shard = Arc::new(Shard::default());
    if !args.quiet {
        let mut bars = Bars::new(std::io::stderr().is_terminal(), Arc::clone(&shard));
        ctx.set_progress(Some(Box::new(move |progress| {
            bars.show(progress);
            Flow::Continue
        })));
    }
    stop_on_signal(ctx.cancel_token())?;
    Ok(Host { ctx, shard })
}

/// Ctrl-C (and a polite kill) asks the running command to stop; it answers within a fraction of a
/// second and removes what is half written. The second one ends the program at once.
fn stop_on_signal(token: &CancelToken) -> Result<()> {
    if RUNNING.set(token.clone()).is_err() {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        let Some(token) = RUNNING.get() else {
            return;
        };
        if token.is_cancelled() {
            // Asked twice: the user does not want to wait for a clean end.
            std::process::exit(130);
        }
        token.cancel();
    })
    .map_err(|e| Error::new(ErrorKind::Internal, format!("signal handler: {e}")))
}

/// A line for people on standard error.
pub fn say(args: &HostArgs, line: &str) {
    if !args.quiet {
        // A closed standard error is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// Results on standard output; a closed pipe ends the program quietly.
///
/// # Errors
/// `Io` when standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io(
            std::path::Path::new("standard output"),
            "writing",
            e,
        )),
        _ => Ok(()),
    }
}

/// One bar per stage.
struct Bars {
    bar: Option<(String, ProgressBar)>,
    terminal: bool,
    shard: Arc<Shard>,
}

impl Bars {
    fn new(terminal: bool, shard: Arc<Shard>) -> Self {
        Bars {
            bar: None,
            terminal,
            shard,
        }
    }

    fn show(&mut self, progress: &Progress<'_>) {
        if !progress.message.is_empty() {
            match progress.stage {
                "message" => self.line(progress.message),
                stage => self.line(&format!("{stage}: {}", progress.message)),
            }
        }
        let (done, total) = self.shard.place(progress);
        if !self.terminal || total == 0 {
            return;
        }
        let known = self.bar.as_ref().is_some_and(|(s, _)| s == progress.stage);
        if !known {
            self.clear();
            self.bar = Some((progress.stage.to_owned(), new_bar(progress.stage, total)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            if progress.bytes_read + progress.bytes_written > 0 {
                bar.set_message(format!(
                    "{} read, {} written",
                    HumanBytes(progress.bytes_read),
                    HumanBytes(progress.bytes_written)
                ));
            }
        }
        if done >= total {
            self.clear();
        }
    }

    fn line(&self, text: &str) {
        let print = || {
            // A closed standard error is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match &self.bar {
            Some((_, bar)) => bar.suspend(print),
            None => print(),
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(stage: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(
        "{prefix:14} [{bar:32}] {human_pos}/{human_len}  {elapsed} (eta {eta}) {msg}",
    ) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(stage.to_owned());
    bar
}
