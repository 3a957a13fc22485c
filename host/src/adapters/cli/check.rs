//! `check`: every fault of configuration and tenants.

use super::terminal::say;
use crate::adapters::tenants::FolderTenants;
use crate::config::{Config, Faults};
use std::process::ExitCode;

pub(super) fn run(config: Result<Config, Faults>) -> anyhow::Result<ExitCode> {
    match checked(config) {
        Ok(tenants) => {
            say(format_args!("configuration is sound; tenants: {tenants}"));
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            say(&faults);
            say(format_args!("{} {}", faults.iter().count(), if faults.iter().count() == 1 { "fault" } else { "faults" }));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The number of tenants. Tenants are only looked for where the configuration is right: it says where they are.
fn checked(config: Result<Config, Faults>) -> Result<usize, Faults> {
    let tenants = config?.tenants;
    FolderTenants::load(tenants.dir.as_deref(), tenants.default).map(|tenants| tenants.all().count())
}
