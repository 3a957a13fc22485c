//! `serve`: until Ctrl-C or SIGTERM, then drains.

use super::terminal::say;
use crate::config::Config;
use crate::wiring::{self, Running};
use anyhow::Context;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    if !config.pci.core_dumps {
        keep_memory_private();
    }
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let running = wiring::start(config).await?;
    say(format_args!("serving on {scheme}://{}  (Ctrl-C drains, twice ends at once)", running.http_addr()));
    until_stopped(running).await
}

/// Callers' words are in it: a crash writes no core, and no debugger of the same user reads it. Before anything else that could crash.
fn keep_memory_private() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "memory can be dumped: the system does not let it be kept from that");
    }
}

/// Waits for the wish to stop, then for the end of the drain; a second wish ends at once.
pub(super) async fn until_stopped(running: Running) -> anyhow::Result<ExitCode> {
    let mut wishes = Wishes::new().context("cannot listen for signals")?;
    let stop = running.stop_token();
    let end = running.wait();
    tokio::pin!(end);
    let mut stopping = false;
    loop {
        tokio::select! {
            drained = &mut end => {
                say(format_args!("stopped; calls that were up: {}, cut when the grace was over: {}", drained.calls, drained.cut));
                return Ok(ExitCode::SUCCESS);
            }
            () = wishes.next() => {
                // As a shell reports a program that Ctrl-C ended.
                if stopping { return Ok(ExitCode::from(130)) }
                stopping = true;
                say("stopping: no new calls, those that are up are ended with a goodbye  (Ctrl-C again ends at once)");
                stop.cancel();
            }
        }
    }
}

struct Wishes {
    interrupt: Signal,
    terminate: Signal,
}

impl Wishes {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
