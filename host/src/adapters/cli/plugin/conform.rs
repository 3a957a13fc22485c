//! `plugin conform`: a scripted bad day.

use super::super::terminal::say;
use crate::config::Config;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use vg_plugin_kit::conform::{ConformError, Row, SCENARIOS, Verdict, conform};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// The component
    component: PathBuf,
    /// Which scenario; `list` shows them
    #[arg(long, default_value = "all", value_name = "NAME")]
    scenario: String,
    /// A good session of this plugin, recorded with `plugin run FILE --record good.jsonl`
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// The session's options, JSON or TOML. Default: those of the good session
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, config: &Config) -> anyhow::Result<ExitCode> {
    if options.scenario == "list" {
        SCENARIOS.iter().for_each(|one| say(format_args!("{:<23} {}: a good plugin {}", one.name, one.happens, one.good)));
        return Ok(ExitCode::SUCCESS);
    }
    let (_host, plugin) = super::load(&options.component, config)?;
    let session = options.session.as_deref().map(super::replay::recording).transpose()?;
    let chosen = options.options.as_deref().map(|file| super::session_options(Some(file))).transpose()?;
    let rows = conform(&plugin, &options.scenario, session.as_ref(), chosen.map(|options| options.to_string()));
    let rows = rows.map_err(|error| anyhow::anyhow!("{error}; {}", next_step(&error)))?;
    if options.json {
        say(serde_json::to_string_pretty(&rows.iter().map(Row::to_json).collect::<Vec<_>>())?);
    } else {
        rows.iter().for_each(say);
        say(summary(&rows, &options.component.display().to_string()));
    }
    Ok(if rows.iter().any(Row::is_fault) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(rows: &[Row], component: &str) -> String {
    let count = |code: &str| rows.iter().filter(|row| row.verdict.code() == code).count();
    let counts = format!("{} passed, {} failed, {} not applicable", count("pass"), count("fail"), count("not-applicable"));
    match rows.iter().filter(|row| row.verdict == Verdict::NeedsSession).count() {
        0 => counts,
        waiting => format!(
            "{counts}, {waiting} need a good session: voice-gateway plugin run {component} --record good.jsonl …, then --session good.jsonl"
        ),
    }
}

fn next_step(error: &ConformError) -> &'static str {
    match error {
        ConformError::UnknownScenario => "`--scenario list` shows them",
        ConformError::Mask => "try it with `plugin run FILE --stdin`",
        ConformError::OtherKind => "name the session that was recorded with this plugin",
        ConformError::NotGood { .. } => {
            "record a good one with `plugin run FILE --record good.jsonl`, and look at `plugin replay good.jsonl`"
        }
    }
}
