//! Where things are and how chores speak: one value handed to every chore.

use std::{
    env, fmt, fs,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::ScopedJoinHandle,
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
    /// Whether the tests of the whole workspace are compiled as well, now or later.
    pub with_tests: bool,
}

impl Context {
    /// Fails where neither `VG_CACHE` nor `HOME` says where to keep things.
    pub fn find(with_tests: bool) -> Result<Self> {
        // Cargo says where the running xtask's manifest is; a binary that is called directly remembers where it was built.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let repo = manifest.parent().context("xtask lies directly in the checkout")?.to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| repo.join("target"), |dir| repo.join(dir));
        let cache = match (env::var_os("VG_CACHE"), env::var_os("HOME")) {
            (Some(dir), _) => repo.join(dir),
            (None, Some(home)) => Path::new(&home).join(".cache/serphona-voice-gateway"),
            (None, None) => bail!("no place for downloads: set VG_CACHE to a folder"),
        };
        Ok(Self { repo, target, cache, with_tests })
    }

    /// The cargo that runs this program, in the checkout.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.repo);
        // What the cargo that started this program says of it. The script that builds `ring` reads such names: with them it would run again, and half the
        // gateway be compiled again, whenever a person's own cargo and this one take turns.
        for (name, _) in env::vars_os().filter(|(name, _)| tells_of_package(&name.to_string_lossy())) {
            cargo.env_remove(name);
        }
        cargo
    }

    /// Cargo that builds this program of the workspace, unoptimised.
    ///
    /// What tests ask of the libraries they share with it, cargo compiles in for both where it builds both at once. Where tests follow, the program is built
    /// as it is beside them: built alone, it and all it has in common with them would be compiled twice.
    pub fn build_program(&self, program: &str) -> Command {
        let mut cargo = self.cargo();
        cargo.args(["build", "--quiet"]);
        if self.with_tests {
            // Any test will do; this one needs little.
            cargo.args(["--workspace", "--bin", program, "--test", "masking"]);
        } else {
            cargo.args(["--package", program]);
        }
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

/// Whether cargo sets this variable for what it runs, to tell which package that is.
fn tells_of_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// What a part of a chore has come to that ran beside others.
pub fn joined<T>(part: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    part.join().unwrap_or_else(|fault| resume_unwind(fault))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn here(with_tests: bool) -> Context {
        let folder = PathBuf::from("/");
        Context { repo: folder.clone(), target: folder.clone(), cache: folder, with_tests }
    }

    #[test]
    fn what_cargo_says_of_this_program_is_not_told_to_the_cargo_it_starts() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(env::var_os(name).is_some(), "cargo no longer says {name} of what it runs");
            assert!(here(true).cargo().get_envs().any(|told| told == (OsStr::new(name), None)), "{name}");
        }
    }

    #[test]
    fn a_program_is_built_beside_tests_only_where_these_are_compiled_too() {
        let asked = |with_tests| {
            let cargo = here(with_tests).build_program("voice-gateway");
            cargo.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(asked(false), "build --quiet --package voice-gateway");
        assert_eq!(asked(true), "build --quiet --workspace --bin voice-gateway --test masking");
    }
}
