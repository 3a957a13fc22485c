//! `check`: every fault of configuration, policy, plugins and tenants, and every wish that is not permitted.

use super::terminal::say;
use crate::adapters::agent;
use crate::adapters::plugins::Plugins;
use crate::adapters::recording::{Bucket, Recipient};
use crate::adapters::settings::{Settings, operator_cas};
use crate::adapters::tenants::FolderTenants;
use crate::adapters::vault;
use crate::config::{Config, Faults};
use crate::wiring::front::faulty_files;
use crate::wiring::{emergency, host_config, refusals};
use anyhow::Context;
use std::process::ExitCode;
use std::sync::Arc;
use vg_domain::recording::RecordingPolicy;
use vg_plugin_host::PluginHost;

pub(super) async fn run(config: Result<Config, Faults>) -> anyhow::Result<ExitCode> {
    let checked = match config {
        // Where the rest lies is only known once the configuration is right.
        Err(faults) => Err(faults),
        Ok(config) => tokio::task::spawn_blocking(move || checked(&config)).await??,
    };
    match checked {
        Ok(Checked { tenants, shortfalls }) => {
            shortfalls.iter().for_each(|line| say(format_args!("warning: {line}")));
            match tenants {
                Some(tenants) => say(format_args!("configuration is sound; tenants: {tenants}")),
                None => say("configuration is sound; tenants are the tenant-manager's: `tenant test ID` tries one"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            say(&faults);
            say(format_args!("{} {}", faults.iter().count(), if faults.iter().count() == 1 { "fault" } else { "faults" }));
            Ok(ExitCode::FAILURE)
        }
    }
}

struct Checked {
    /// None where they are not the folder's.
    tenants: Option<usize>,
    shortfalls: Vec<String>,
}

/// Loads what the gateway would load. A shortfall is no fault: the gateway serves, and the plugin may never need it.
fn checked(config: &Config) -> anyhow::Result<Result<Checked, Faults>> {
    let host = PluginHost::new(host_config(config)).context("cannot start the plugin host")?;
    let plugins = Plugins::new(host, None, &config.plugins).context("cannot open the plugin store")?;
    let mut faults = operator_cas(&config.plugins).err().unwrap_or_default();
    let settings = match Settings::new(config, Arc::new(plugins)) {
        Ok(settings) => settings,
        Err(others) => {
            faults.extend(others);
            return Ok(Err(faults));
        }
    };
    if let Err(others) = settings.refresh() {
        faults.extend(others);
    }
    if let Err(others) = agent::check(&config.agent) {
        faults.extend(others);
    }
    if let Err(others) = vault::check(config.vault.as_ref()) {
        faults.extend(others);
    }
    for (at, error) in faulty_files(config) {
        faults.add(at, format_args!("{error:#}"));
    }
    if let Err(error) = emergency(config) {
        faults.add("prompts.emergency", format_args!("{error:#}"));
    }
    if let Some(Err(error)) = config.recording.seal_to.as_deref().map(str::parse::<Recipient>) {
        faults.add("recording.seal_to", error);
    }
    if let Some(Err(others)) = config.recording.store.as_ref().map(Bucket::new) {
        faults.extend(others);
    }
    if let Err(error) = refusals(config) {
        faults.add("prompts.refusals", format_args!("{error:#}"));
    }
    let tenants = settings.folder().map(FolderTenants::all).unwrap_or_default();
    let mut shortfalls = settings.shortfalls();
    let wanting =
        tenants.iter().filter(|tenant| tenant.recording.policy != RecordingPolicy::Off && config.recording.dir.is_none());
    shortfalls.extend(wanting.map(|tenant| format!("{}: is to be recorded, but there is no recording.dir", tenant.tenant)));
    let checked = Checked { tenants: settings.folder().map(|_| tenants.len()), shortfalls };
    Ok(faults.or(checked))
}
