//! `plugin replay`: the same session again, effect by effect.

use super::super::terminal::say;
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vg_plugin_host::recording::{Recording, Replay, replay};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// What `plugin run --record` or the gateway wrote
    session: PathBuf,
    /// The component it was recorded with, or a newer build of it. Default: NAME.wasm, by the name in the recording
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, config: &Config) -> anyhow::Result<ExitCode> {
    let recording = recording(&options.session)?;
    let component = options.plugin.clone().unwrap_or_else(|| PathBuf::from(format!("{}.wasm", recording.header.plugin)));
    let (_host, plugin) = super::load(&component, config)?;
    let same_build = plugin.digest() == recording.header.digest;
    let replayed = replay(&plugin, &recording)?;
    if options.json {
        let difference = match &replayed {
            Replay::Same { .. } => serde_json::Value::Null,
            Replay::Differs(d) => serde_json::json!({
                "turn": d.turn, "told": d.told, "effect": d.effect, "expected": d.expected, "got": d.got,
            }),
        };
        let turns = recording.turns.len();
        say(serde_json::json!({ "turns": turns, "same_build": same_build, "difference": difference }));
    } else {
        say(match &replayed {
            Replay::Same { turns } => format!("same: {turns} turns, every effect as recorded"),
            Replay::Differs(difference) => format!("differs: {difference}"),
        });
        if !same_build {
            say("note: this is another build than the one that was recorded");
        }
    }
    Ok(if matches!(replayed, Replay::Same { .. }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn recording(file: &Path) -> anyhow::Result<Recording> {
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Recording::read(BufReader::new(open))
        .with_context(|| format!("{} is no recorded session (make one with `plugin run FILE --record …`)", file.display()))
}
