//! The command line: one binary, one list of subcommands.

mod asterisk;
mod audit;
mod call;
mod check;
mod conversation;
mod demo;
mod doctor;
mod events;
mod explain;
mod health;
mod panics;
mod plugin;
mod privacy;
mod recording;
mod serve;
mod tenant;
mod terminal;
mod web;

pub use panics::tell_of_panic;

use crate::config::{Config, Faults, LogFormat, Machine};
use anyhow::anyhow;
use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The file that is read where `--config` names none and it is there.
const CONFIG_FILE: &str = "voice-gateway.toml";

/// Lets telephone callers talk to AI agents.
#[derive(Debug, Parser)]
#[command(name = "voice-gateway", version, about, disable_help_subcommand = true)]
pub struct Arguments {
    /// Configuration file; default: voice-gateway.toml where it is there. The environment (VG__SECTION__KEY) wins over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve calls until Ctrl-C
    Serve,
    /// Say every fault of configuration and tenants, with its path
    Check,
    /// Look at the surroundings: plugins, ports, Asterisk, priorities, buffers, clock
    Doctor(doctor::Options),
    /// Hold a recorded conversation with the gateway and show where its time went
    Demo(demo::Options),
    /// A phone without Asterisk: say a recording, hear and record the answers
    Call(call::Options),
    /// Things for Asterisk
    #[command(subcommand)]
    Asterisk(asterisk::Command),
    /// Things for tenants
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Things for plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Things for recordings of calls
    #[command(subcommand)]
    Recording(recording::Command),
    /// The audit log: verify it, export it
    #[command(subcommand)]
    Audit(audit::Command),
    /// Events of calls on this machine's disk: the last ones, all of them, their schemas
    #[command(subcommand)]
    Events(events::Command),
    /// What is kept of one caller: export it, erase it
    #[command(subcommand)]
    Privacy(privacy::Command),
    /// One page about a call of a running gateway: who waited for whom, who fell, why it ended
    Explain(explain::Options),
    /// Ask a running gateway whether it is live; the exit code says it
    Health(health::Options),
}

/// Does what the arguments say. The exit code is 1 where the answer is "no".
///
/// # Errors
/// Where it could not be done; the chain of causes is for the person at the terminal.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.config.or_else(|| Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.is_file()));
    let config = || Config::load(file.as_deref(), std::env::vars_os(), &Machine::here());
    match arguments.command {
        Command::Check => check::run(config()).await,
        Command::Explain(options) => explain::run(options, config().ok().as_ref()).await,
        Command::Health(options) => health::run(options, config().ok().as_ref()).await,
        Command::Plugin(command) => {
            let config = sound(config())?;
            log_to_stderr(&config, Some("warn"))?;
            plugin::run(command, config).await
        }
        Command::Tenant(command) => {
            let config = sound(config())?;
            log_to_stderr(&config, Some("warn"))?;
            tenant::run(command, config).await
        }
        Command::Recording(command) => recording::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Events(command) => events::run(command).await,
        Command::Privacy(command) => privacy::run(command, &sound(config())?).await,
        Command::Asterisk(command) => asterisk::run(command, &sound(config())?),
        Command::Call(options) => call::run(options).await,
        Command::Demo(options) => {
            let config = sound(config())?;
            log_to_stderr(&config, Some("warn"))?;
            demo::run(options, config).await
        }
        Command::Doctor(options) => {
            let config = sound(config())?;
            log_to_stderr(&config, Some("error"))?;
            doctor::run(options, config).await
        }
        Command::Serve => {
            let config = sound(config())?;
            log_to_stderr(&config, None)?;
            serve::run(config).await
        }
    }
}

fn sound(config: Result<Config, Faults>) -> anyhow::Result<Config> {
    config.map_err(|faults| anyhow!("the configuration is wrong\n{faults}"))
}

/// Logs go to stderr: stdout belongs to the answer. `level` where the command is not about the log.
fn log_to_stderr(config: &Config, level: Option<&str>) -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").ok();
    let filter = filter.as_deref().or(level).unwrap_or(&config.log.level);
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(filter)?).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    let started = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_list_of_commands_is_sound() {
        Arguments::command().debug_assert();
        let names: Vec<String> = Arguments::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        let known = [
            "serve",
            "check",
            "doctor",
            "demo",
            "call",
            "asterisk",
            "tenant",
            "plugin",
            "recording",
            "audit",
            "events",
            "privacy",
            "explain",
            "health",
        ];
        assert_eq!(names, known);
    }
}
