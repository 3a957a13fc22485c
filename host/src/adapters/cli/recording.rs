//! `recording`: what a gateway that died left of its recordings.

use super::terminal::say;
use crate::adapters::recording::{Form, Recipient, Repaired, repair};
use anyhow::Context;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;
use vg_domain::recording::RecordingFormat;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Finish every <tenant>/<call>.wav.part that no gateway is writing; a gateway does so by itself when it starts
    Repair {
        /// The folder of recordings
        dir: PathBuf,
        /// The public key that they are sealed to, as recording.seal_to of the gateway that left them
        #[arg(long, value_name = "KEY")]
        seal_to: Option<Recipient>,
        /// What they are to be, as recording.format of the gateway that left them
        #[arg(long, value_name = "wav|opus", default_value = "wav", value_parser = format)]
        format: RecordingFormat,
    },
}

fn format(name: &str) -> Result<RecordingFormat, &'static str> {
    RecordingFormat::parse(name).ok_or("expected wav or opus")
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Repair { dir, seal_to, format } = command;
    let form = Form { format, seal_to };
    let Repaired { finished, busy, errors, .. } =
        tokio::task::spawn_blocking(move || repair(&dir, &form)).await.context("cannot repair")?;
    say(format_args!("{finished} finished, {busy} left to the gateway that writes them, {} failed", errors.len()));
    let failed = !errors.is_empty();
    for error in errors {
        say(format_args!("{:#}", anyhow::Error::from(error)));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
