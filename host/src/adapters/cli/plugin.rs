//! `plugin …`: what authors, operators and tenants do with one plugin.

mod bench;
mod check;
mod conform;
mod new;
mod replay;
mod run;
mod trade;
mod vendor;

use super::terminal::say;
use crate::config::Config;
use anyhow::Context;
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use vg_plugin_host::{HostConfig, Plugin, PluginHost};

/// A tool needs few sessions; the gateway's pool would cost address space for nothing.
const SESSIONS_MAX: u32 = 128;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a plugin its model files and save it with the model already loaded, so that sessions start at once
    Bake {
        /// The component as built
        component: PathBuf,
        /// Where the baked component goes
        out: PathBuf,
        /// NAME=FILE for each file that the plugin asks for
        #[arg(required = true, value_name = "NAME=FILE", value_parser = named_file)]
        files: Vec<(String, PathBuf)>,
    },
    /// Load a plugin as the gateway would, and show what it is and wishes, as JSON
    Inspect {
        /// The component
        component: PathBuf,
    },
    /// Judge a component before it is let in: contract, descriptor, wishes against a policy. The exit code is 1 for a fault
    Check(check::Options),
    /// Run one live session, print its events as JSON lines; the exit code says how it ended
    #[command(after_help = run::EXIT_CODES)]
    Run(run::Options),
    /// Run a recorded session again and show the first difference. The exit code is 1 where there is one
    Replay(replay::Options),
    /// Measure what a plugin costs, against the budget. The exit code is 1 where it is over it
    Bench(bench::Options),
    /// Play a scripted bad day with a plugin. The exit code is 1 where it does not behave
    Conform(conform::Options),
    /// Be the made-up vendor of the templates, on this machine: a first session needs no account
    Vendor(vendor::Options),
    #[command(flatten)]
    New(new::Command),
    #[command(flatten)]
    Trade(trade::Command),
}

pub(super) async fn run(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(options) => run::run(options, config).await,
        Command::Vendor(options) => vendor::run(options).await,
        Command::Trade(command) => trade::run(command, &config).await.map(|()| ExitCode::SUCCESS),
        // These compile WebAssembly for seconds: not on a thread that others wait for.
        other => tokio::task::spawn_blocking(move || at_leisure(other, &config)).await?,
    }
}

fn at_leisure(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Bake { component, out, files } => bake(&component, &out, &files),
        Command::Inspect { component } => {
            say(format_args!("{:#}", vg_plugin_kit::check::described(&load(&component, config)?.1)));
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(options) => check::run(&options, config),
        Command::Replay(options) => replay::run(&options, config),
        Command::Bench(options) => bench::run(&options, config),
        Command::Conform(options) => conform::run(&options, config),
        Command::New(command) => new::run(command).map(|()| ExitCode::SUCCESS),
        Command::Run(_) | Command::Vendor(_) | Command::Trade(_) => Ok(ExitCode::SUCCESS),
    }
}

fn bake(component: &Path, out: &Path, files: &[(String, PathBuf)]) -> anyhow::Result<ExitCode> {
    let files = files.iter().map(|(name, file)| Ok((name.clone(), read(file)?))).collect::<anyhow::Result<Vec<_>>>()?;
    let baked = vg_plugin_host::bake::bake(&read(component)?, &files).context("cannot bake")?;
    std::fs::write(out, &baked).with_context(|| format!("cannot write {}", out.display()))?;
    say(format_args!("{} ({:.1} MB)", out.display(), baked.len() as f64 / 1e6));
    Ok(ExitCode::SUCCESS)
}

fn host(config: &Config) -> anyhow::Result<PluginHost> {
    let mut host = HostConfig::new(config.plugins.cache_dir.clone());
    host.light.sessions_max = SESSIONS_MAX;
    Ok(PluginHost::new(host)?)
}

fn load(component: &Path, config: &Config) -> anyhow::Result<(PluginHost, Arc<Plugin>)> {
    let host = host(config)?;
    let plugin = host.load(component).with_context(|| {
        let file = component.display();
        format!("{file} is no plugin for this gateway (`voice-gateway plugin check {file}` says what to do)")
    })?;
    Ok((host, plugin))
}

/// Options of a session: JSON, or TOML where the file ends so. Nothing is an empty object.
fn session_options(file: Option<&Path>) -> anyhow::Result<serde_json::Value> {
    let Some(file) = file else { return Ok(serde_json::json!({})) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let parsed = match file.extension().is_some_and(|ending| ending == "toml") {
        true => toml::from_str(&text).map_err(anyhow::Error::from),
        false => serde_json::from_str(&text).map_err(anyhow::Error::from),
    };
    parsed.with_context(|| format!("{} holds no options", file.display()))
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), PathBuf::from(file))),
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
