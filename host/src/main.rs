//! The gateway's program. See `voice-gateway --help`.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use voice_gateway::adapters::cli;

/// Calls are thousands of small things that come and go on several threads: this one costs a gateway under load a fourteenth less than the
/// system's (ARCHITECTURE.md, "Dependencies").
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    std::panic::set_hook(Box::new(cli::tell_of_panic));
    let done = cli::run(cli::Arguments::parse()).await;
    done.unwrap_or_else(|error| {
        // One line, causes and all: backtraces are for defects, and this is none. Without stderr nobody is there to tell.
        let _ = writeln!(std::io::stderr(), "voice-gateway: {error:#}");
        ExitCode::FAILURE
    })
}
