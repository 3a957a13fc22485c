//! `plugin bench`: what a session costs.

use super::super::terminal::say;
use crate::config::Config;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use vg_plugin_kit::bench::{Cost, SESSION_KIB_MAX, START_US_MAX, bench};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// The component
    component: PathBuf,
    /// The session's options, JSON or TOML
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Costs of languages that bring a runtime along: nobody has to wonder why.
const OTHER_LANGUAGES: &str = "\
for comparison, a session in   CPU per 20 ms   memory
  Rust, C                               6 us     40 KiB
  JavaScript (QuickJS)                 24 us    413 KiB
  JavaScript (StarlingMonkey)          38 us    2.9 MiB
  Python                               50 us    7.7 MiB";

pub(super) fn run(options: &Options, config: &Config) -> anyhow::Result<ExitCode> {
    let (_host, plugin) = super::load(&options.component, config)?;
    let session = super::session_options(options.options.as_deref())?;
    let cost = bench(&plugin, &session.to_string())?;
    let over = cost.over_budget();
    if options.json {
        let mut document = serde_json::to_value(&cost)?;
        document["over_budget"] = serde_json::to_value(&over)?;
        say(document);
    } else {
        table(&cost, &over).iter().for_each(say);
    }
    Ok(if over.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(cost: &Cost, over: &[&str]) -> Vec<String> {
    let row = |what: &str, name: &str, value: f64, unit: &str, budget: Option<f64>| {
        let verdict = if over.contains(&name) { "OVER" } else { "" };
        let budget = budget.filter(|_| cost.light).map_or_else(String::new, |budget| format!("budget {budget:.0}"));
        format!("{what:<28} {value:>10.1} {unit:<4} {budget:<12} {verdict}").trim_end().to_owned()
    };
    let mut lines = vec![
        row(&format!("CPU per {}", cost.unit), "cpu", cost.chunk_us, "us", Some(cost.budget_us)),
        row("slowest call", "", cost.worst_us, "us", None),
        row("start of a session", "start", cost.start_us, "us", Some(START_US_MAX)),
        row("memory of a session", "memory", cost.session_kib, "KiB", Some(SESSION_KIB_MAX)),
    ];
    if !cost.light {
        lines.push("a heavy plugin: it is granted CPU on threads of its own, there is no budget".to_owned());
    }
    if cfg!(debug_assertions) {
        lines.push(
            "note: this gateway is a debug build, which makes every figure larger; measure with a release build".to_owned(),
        );
    }
    if !over.is_empty() {
        lines.push(OTHER_LANGUAGES.to_owned());
    }
    lines
}
