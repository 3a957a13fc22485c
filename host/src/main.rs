//! The gateway's program. See `voice-gateway --help`.

use anyhow::Context;
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime::Builder;
use voice_gateway::adapters::cli;

/// Calls are thousands of small things that come and go on several threads: this one costs a gateway under load a fourteenth less than the
/// system's (ARCHITECTURE.md, "Dependencies").
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything that could panic.
    std::panic::set_hook(Box::new(cli::tell_of_panic));
    let arguments = cli::Arguments::parse();
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start the threads");
    let done = runtime.and_then(|runtime| runtime.block_on(cli::run(arguments)));
    done.unwrap_or_else(|error| {
        // One line, causes and all: backtraces are for defects, and this is none. Without stderr nobody is there to tell.
        let _ = writeln!(std::io::stderr(), "voice-gateway: {error:#}");
        ExitCode::FAILURE
    })
}
