//! Where things are and how chores speak: one value handed to every chore.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

/// The folders a chore works in.
#[derive(Debug, Clone)]
pub struct Context {
    /// The checkout.
    pub repo: PathBuf,
    /// Cargo's build folder: `CARGO_TARGET_DIR`, else `target` in the checkout.
    pub target: PathBuf,
    /// What is worth keeping between checkouts: `VG_CACHE`, else `~/.cache/serphona-voice-gateway`.
    pub cache: PathBuf,
}

impl Context {
    /// Fails where neither `VG_CACHE` nor `HOME` says where to keep things.
    pub fn find() -> Result<Self> {
        // Cargo says where the running xtask's manifest is; a binary that is called directly remembers where it was built.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let repo = manifest.parent().context("xtask lies directly in the checkout")?.to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| repo.join("target"), |dir| repo.join(dir));
        let cache = match (env::var_os("VG_CACHE"), env::var_os("HOME")) {
            (Some(dir), _) => repo.join(dir),
            (None, Some(home)) => Path::new(&home).join(".cache/serphona-voice-gateway"),
            (None, None) => bail!("no place for downloads: set VG_CACHE to a folder"),
        };
        Ok(Self { repo, target, cache })
    }

    /// The cargo that runs this program, in the checkout.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.repo);
        cargo
    }

    /// One line to the person at the terminal. Standard output stays free for results.
    #[expect(clippy::print_stderr, reason = "chores speak to a person")]
    pub fn say(&self, line: impl fmt::Display) {
        eprintln!("xtask: {line}");
    }

    /// Says what begins, does it, and says how long it took.
    pub fn step<T>(&self, what: impl fmt::Display, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.say(format_args!("{what} ..."));
        let begun = Instant::now();
        let done = act().with_context(|| what.to_string())?;
        self.say(format_args!("{what}: {:.1} s", begun.elapsed().as_secs_f64()));
        Ok(done)
    }
}

/// Runs a command whose output the person sees; fails unless it exits with 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives its standard output, trimmed; what it wrote to standard error is part of a failure.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout).context("output is not UTF-8")?.trim().to_owned())
}

/// Writes a file so that no reader ever sees half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    let part = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    fs::write(&part, bytes).with_context(|| format!("write {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("write {}", path.display()))
}

fn shown(command: &Command) -> String {
    let mut line = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args().take(6) {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
