//! `serve`: until Ctrl-C or SIGTERM, then drains.

use super::terminal::say;
use crate::config::Config;
use crate::wiring::{self, Running};
use anyhow::Context;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let running = wiring::start(config).await?;
    say(format_args!("serving on {scheme}://{}  (Ctrl-C drains, twice ends at once)", running.http_addr()));
    until_stopped(running).await
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
