//! The gateway's program as it was built beside the stories.

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
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VG__")) {
        command.env_remove(name);
    }
    command.env("VG__HTTP__BIND", "127.0.0.1:0").current_dir(folder);
    command
}
