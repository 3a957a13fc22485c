//! A program of the laboratory other than Asterisk: its ports, its folder, its process.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

/// Below the kernel's ephemeral ports (32768 and up), and beside Asterisk's: no socket of a test can be in the way of a program that comes back.
const PORTS: std::ops::Range<u16> = 17_000..18_900;
/// How often a state that has to come is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A port of loopback that is ours as long as this lives, also while nothing listens at it.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    _lock: File,
}

impl Port {
    /// One that no other story holds, of whatever process, and at which nobody listens.
    pub(super) fn take() -> Result<Self> {
        let folder = std::env::temp_dir().join("vg-lab-ports");
        std::fs::create_dir_all(&folder).context("failed to make the folder of ports")?;
        for number in PORTS {
            let lock = File::create(folder.join(number.to_string()))?;
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("every port of the laboratory is taken")
    }
}

/// A process with a folder of its own, killed when this is dropped and when the thread that started it ends.
#[derive(Debug)]
pub(super) struct Service {
    name: &'static str,
    folder: TempDir,
    process: Option<Child>,
}

impl Service {
    /// Nothing runs yet.
    pub(super) fn new(name: &'static str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("vg-{name}-")).tempdir()?;
        Ok(Self { name, folder, process: None })
    }

    /// Where it keeps its things.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the program. Whatever it prints goes to a file of its folder.
    pub(super) fn run(&mut self, command: &Command) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        // A story that is killed takes its programs along: nobody else would know of them.
        let mut child = Command::new("setpriv");
        child.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        child.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(self.folder());
        child.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(child.spawn().with_context(|| format!("failed to start {}", self.name))?);
        Ok(())
    }

    /// Kills it at once, as a power cut would; what it had written and not synced is with the kernel.
    pub(super) fn kill9(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Stops its every thread: connections stay open and nothing is answered.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref().with_context(|| format!("{} does not run", self.name))?;
        kill(Pid::from_raw(i32::try_from(process.id())?), signal).with_context(|| format!("failed to signal {}", self.name))
    }

    /// Waits until somebody listens at this port of loopback; an error with the program's own words where it ends before or does not in time.
    pub(super) async fn listens(&mut self, port: u16, within: Duration) -> Result<()> {
        let open = async {
            let mut look = interval(LOOK);
            loop {
                look.tick().await;
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return anyhow::Ok(());
                }
                if let Some(status) = self.process.as_mut().map(Child::try_wait).transpose()?.flatten() {
                    bail!("{} ended with {status}", self.name);
                }
            }
        };
        let opened = timeout(within, open).await;
        match opened {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.context(self.last_words())),
            Err(_) => bail!("{} does not listen after {within:?}: {}", self.name, self.last_words()),
        }
    }

    /// The end of what it printed.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("out.log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.kill9();
    }
}

/// Waits until it holds, looking again and again; an error that says what never came.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, within: Duration, mut holds: impl FnMut() -> F) -> Result<()> {
    let held = async {
        let mut look = interval(LOOK);
        while !holds().await {
            look.tick().await;
        }
    };
    timeout(within, held).await.with_context(|| format!("never: {what}"))
}

/// Where `cargo xtask setup` keeps what it fetched.
pub(super) fn cache() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("VG_CACHE")
        .or_else(|| set("HOME").map(|home| home.join(".cache/serphona-voice-gateway")))
        .context("neither VG_CACHE nor HOME is set")
}

/// Whether this program is on the path; an error that names the way out.
pub(super) fn require(program: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        bail!("{program} is not here: run `cargo xtask setup`");
    }
    Ok(())
}
