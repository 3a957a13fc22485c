//! The gateway's program. See `voice-gateway --help`.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use voice_gateway::adapters::cli;

#[tokio::main]
async fn main() -> ExitCode {
    let done = cli::run(cli::Arguments::parse()).await;
    done.unwrap_or_else(|error| {
        // One line, causes and all: backtraces are for defects, and this is none. Without stderr nobody is there to tell.
        let _ = writeln!(std::io::stderr(), "voice-gateway: {error:#}");
        ExitCode::FAILURE
    })
}
