//! The gateway's program as it was built beside the stories.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where it is.
pub fn path() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("voice-gateway");
    assert!(program.is_file(), "{} is not there: run cargo build -p voice-gateway", program.display());
    program
}

/// In a folder to work in, at a free port, without what the environment of the stories says.
pub fn alone(folder: &Path) -> Command {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VG__")) {
        command.env_remove(name);
    }
    command.env("VG__HTTP__BIND", "127.0.0.1:0").current_dir(folder);
    command
}

/// Ids of the events that a disk holds, as a person would ask this program for them.
///
/// # Errors
/// Where they cannot be read.
pub fn events_in(program: &Path, disk: &Path) -> Result<Vec<String>> {
    let export = Command::new(program).args(["events", "export"]).arg(disk).output()?;
    if !export.status.success() {
        bail!("events export ended with {}:\n{}", export.status, String::from_utf8_lossy(&export.stderr));
    }
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line)?;
        Ok(event["id"].as_str().context("an event has an id")?.to_owned())
    };
    String::from_utf8(export.stdout)?.lines().map(id).collect()
}
