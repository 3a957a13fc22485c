//! `cargo xtask judges`: the vendors' official SDKs, which judge the simulators. What `tests/judges` pins is installed in the machine's cache
//! and linked to `target/judges`, where the stories look for it; nothing else of the machine changes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    context::{Context, capture, run},
    plugins::Hasher,
};

/// The pins of a kit, and how old its interpreter may be.
struct Kit {
    name: &'static str,
    pins: &'static [&'static str],
    what: &'static str,
    needs: Needs,
}

#[derive(Clone, Copy)]
enum Needs {
    /// Of Python 3, at least.
    Python(u32),
    /// Of Node.js, at least.
    Node(u32),
}

const KITS: [Kit; 3] = [
    Kit {
        name: "python",
        pins: &["requirements.txt"],
        what: "the Python SDKs of Google, Azure, AWS, OpenAI, Deepgram and ElevenLabs (270 MB)",
        needs: Needs::Python(11),
    },
    Kit {
        name: "python312",
        pins: &["requirements-py312.txt"],
        what: "Amazon's newest Python SDK for Transcribe (65 MB)",
        needs: Needs::Python(12),
    },
    Kit {
        name: "node",
        pins: &["package.json", "package-lock.json"],
        what: "the JavaScript SDKs of Azure and AWS (106 MB)",
        needs: Needs::Node(20),
    },
];

/// Makes the SDKs ready to run. Costs nothing the second time.
pub fn prepare(ctx: &Context) -> Result<()> {
    let links = ctx.repo.join("target/judges");
    fs::create_dir_all(&links).with_context(|| format!("create {}", links.display()))?;
    KITS.iter().try_for_each(|kit| link(&installed(ctx, kit)?, &links.join(kit.name)))
}

/// The folder of this kit in the cache. Pins and interpreter are part of its name: what is there is never changed.
fn installed(ctx: &Context, kit: &Kit) -> Result<PathBuf> {
    let pins = ctx.repo.join("tests/judges");
    let interpreter = Interpreter::find(kit.needs)?;
    let mut hash = Hasher::new();
    hash.text(&interpreter.version);
    hash.text(&interpreter.program.to_string_lossy());
    kit.pins.iter().try_for_each(|pin| hash.tree(&pins, Path::new(pin)))?;
    let key = hash.finish();
    let folder = ctx.cache.join("judges").join(format!("{}-{}", kit.name, &key.as_str()[..16]));
    if folder.is_dir() {
        return Ok(folder);
    }
    let part = folder.with_extension(format!("part-{}", std::process::id()));
    fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    let done = ctx.step(format_args!("fetch {}", kit.what), || match kit.needs {
        Needs::Python(_) => python(&interpreter, &pins.join(kit.pins[0]), &part),
        Needs::Node(_) => node(kit, &pins, &part),
    });
    // Another chore may have been quicker: then its folder is as good.
    if done.is_ok() && fs::rename(&part, &folder).is_ok() {
        return Ok(folder);
    }
    fs::remove_dir_all(&part).with_context(|| format!("remove {}", part.display()))?;
    done?;
    if folder.is_dir() { Ok(folder) } else { bail!("{} cannot be made", folder.display()) }
}

fn python(interpreter: &Interpreter, pins: &Path, into: &Path) -> Result<()> {
    run(Command::new(&interpreter.program).args(["-m", "venv"]).arg(into)).context("make a virtual environment")?;
    let pip = || {
        let mut pip = Command::new(into.join("bin/python"));
        pip.args(["-m", "pip", "--disable-pip-version-check"]);
        pip
    };
    // The pins are complete: what they do not name is not installed, and nothing is compiled.
    run(pip().args(["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--requirement"]).arg(pins))?;
    capture(pip().arg("check")).map(drop)
}

fn node(kit: &Kit, pins: &Path, into: &Path) -> Result<()> {
    for pin in kit.pins {
        fs::copy(pins.join(pin), into.join(pin)).with_context(|| format!("copy {pin}"))?;
    }
    run(Command::new("npm").current_dir(into).args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// A program that runs an SDK.
struct Interpreter {
    program: PathBuf,
    version: String,
}

impl Interpreter {
    /// The first on this machine that is new enough.
    fn find(needs: Needs) -> Result<Self> {
        match needs {
            Needs::Python(minor) => {
                // Any newer one would do, but the pins were proven with these.
                let named = ["python3.11", "python3.12", "python3.13", "python3"].map(PathBuf::from);
                let ask = ["-c", "import sys, venv; print(*sys.version_info[:3], sep='.')"];
                let found = named.into_iter().chain(pyenv()).find_map(|program| Self::ask(program, &ask, (3, minor)));
                found.with_context(|| {
                    format!(
                        "no Python 3.{minor} or newer with venv is here: put python3.{minor} on the PATH (python3-venv in Debian)"
                    )
                })
            }
            Needs::Node(major) => Self::ask("node".into(), &["-p", "process.versions.node"], (major, 0))
                .with_context(|| format!("no Node.js {major} or newer is here: put node and npm on the PATH")),
        }
    }

    fn ask(program: PathBuf, question: &[&str], least: (u32, u32)) -> Option<Self> {
        let version = capture(Command::new(&program).args(question)).ok()?;
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        let found = (numbers.next()?, numbers.next()?);
        (found >= least).then_some(Self { program, version })
    }
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

/// Points a name at a folder; whoever looks meanwhile finds the old or the new one.
fn link(to: &Path, name: &Path) -> Result<()> {
    if fs::read_link(name).is_ok_and(|old| old == to) {
        return Ok(());
    }
    let part = name.with_extension(format!("part-{}", std::process::id()));
    std::os::unix::fs::symlink(to, &part)
        .and_then(|()| fs::rename(&part, name))
        .with_context(|| format!("link {} to {}", name.display(), to.display()))
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
    fn a_link_moves_from_one_folder_to_the_next() {
        let folder = env::temp_dir().join(format!("judges-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let name = folder.join("python");
        for to in ["one", "two", "two"] {
            link(Path::new(to), &name).unwrap();
            assert_eq!(fs::read_link(&name).unwrap(), Path::new(to));
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
