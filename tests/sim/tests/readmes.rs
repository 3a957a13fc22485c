//! What the plugins' readmes tell a reader to type works, word for word, against the simulators.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

#[path = "readmes/speech_sim.rs"]
mod speech_sim;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;
use vg_sim::{Server, Sim};

/// Where the readmes say that `speech-sim` listens.
const DOCUMENTED: &str = "http://127.0.0.1:8090";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Plugins with an account, and their readmes.
fn readmes() -> Vec<(String, String)> {
    let accounts = std::fs::read_dir(root().join("tests/sim/accounts")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = accounts
        .filter(|account| account.join("options.toml").is_file())
        .map(|account| account.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let readme = |name: String| {
        let text = std::fs::read_to_string(root().join("plugins").join(&name).join("README.md")).unwrap();
        (name, text)
    };
    names.into_iter().map(readme).collect()
}

/// The shell blocks with `plugin run` in them.
fn commands(readme: &str) -> Vec<&str> {
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("plugin run")).collect()
}

/// The project as its readmes see it, with the accounts pointed at these simulators.
fn project(origin: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sim = folder.path().join("tests/sim");
    std::fs::create_dir_all(&sim).unwrap();
    std::fs::create_dir_all(folder.path().join("target")).unwrap();
    std::os::unix::fs::symlink(root().join("target/plugins"), folder.path().join("target/plugins")).unwrap();
    std::os::unix::fs::symlink(root().join("tests/sim/fixtures"), sim.join("fixtures")).unwrap();
    copy(&root().join("tests/sim/accounts"), &sim.join("accounts"), origin);
    folder
}

fn copy(from: &Path, to: &Path, origin: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match from.is_dir() {
            true => copy(&from, &to, origin),
            false => std::fs::write(to, std::fs::read_to_string(from).unwrap().replace(DOCUMENTED, origin)).unwrap(),
        }
    }
}

async fn typed(command: &str, project: &Path) -> Output {
    let tests = std::env::current_exe().unwrap();
    let programs = tests.ancestors().nth(2).unwrap();
    assert!(programs.join("voice-gateway").is_file(), "voice-gateway is not there: run cargo build -p voice-gateway");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    Command::new("sh").args(["-ec", command]).current_dir(project).env("PATH", path).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_a_readme_tells_works() {
    let sim = Arc::new(Sim::default());
    let server = Server::start(Arc::clone(&sim), SocketAddr::from(([127, 0, 0, 1], 0)), None).await.unwrap();
    let project = project(&server.origin());
    let mut faults = Vec::new();
    for (name, readme) in readmes() {
        let commands = commands(&readme);
        if commands.is_empty() {
            faults.push(format!("{name}: its readme has no `plugin run`"));
        }
        for command in commands {
            let output = typed(command, project.path()).await;
            let events = String::from_utf8_lossy(&output.stdout);
            let fruit = if name.starts_with("stt") { "\"event\":\"final\"" } else { "\"event\":\"audio\"" };
            if !output.status.success() || !events.contains(fruit) {
                let last = events.lines().last().unwrap_or_default();
                faults.push(format!("{name}: {command}: {} {last} {}", output.status, String::from_utf8_lossy(&output.stderr)));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(sim.offences(), []);
}
