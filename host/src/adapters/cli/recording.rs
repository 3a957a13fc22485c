//! `recording`: what a gateway that died left of its recordings.

use super::terminal::say;
use crate::adapters::recording::{Recipient, Repaired, repair};
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Finish every <tenant>/<call>.wav.part that no gateway is writing; a gateway does so by itself when it starts
    Repair {
        /// The folder of recordings
        dir: PathBuf,
        /// The public key that they are sealed to, as recording.seal_to of the gateway that left them
        #[arg(long, value_name = "KEY")]
        seal_to: Option<Recipient>,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Repair { dir, seal_to } = command;
    let Repaired { finished, busy, errors, .. } =
        tokio::task::spawn_blocking(move || repair(&dir, seal_to.as_ref())).await.context("cannot repair")?;
    say(format_args!("{finished} finished, {busy} left to the gateway that writes them, {} failed", errors.len()));
    let failed = !errors.is_empty();
    for error in errors {
        say(format_args!("{:#}", anyhow::Error::from(error)));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
