//! The gateway's program. See `voice-gateway --help`.

use clap::Parser;
use std::process::ExitCode;
use voice_gateway::adapters::cli;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    cli::run(cli::Arguments::parse()).await
}
