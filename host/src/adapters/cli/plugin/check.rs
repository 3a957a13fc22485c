//! `plugin check`: one line per thing that can be wrong.

use super::super::terminal::say;
use crate::config::Config;
use anyhow::{Context, anyhow};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vg_plugin_host::policy::Policy;
use vg_plugin_kit::check::{Grade, check};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// The component
    component: PathBuf,
    /// The operator's policy: what it does not permit is a fault, with the line to add
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, config: &Config) -> anyhow::Result<ExitCode> {
    let policy = options.policy.as_deref().map(policy).transpose()?;
    let findings = check(&super::host(config)?, &options.component, policy.as_ref());
    if options.json {
        say(serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(say);
    }
    let fault = findings.iter().any(|finding| finding.grade == Grade::Fault);
    if !options.json {
        say(match fault {
            true => "change what is marked FAULT, then check again",
            false => "fit to run; next: plugin run, plugin conform, plugin sign",
        });
    }
    Ok(if fault { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) fn policy(file: &Path) -> anyhow::Result<Policy> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Policy::parse(&text).map_err(|faults| anyhow!("{} is no policy\n{faults}", file.display()))
}
