//! `cargo xtask judges`: the vendors' official SDKs, which judge the simulators. What `tests/judges` pins is installed in the machine's cache
//! and linked to `target/judges`, where the stories look for it; so is what runs them, but for Debian's own Python, which apt installs where none is.

mod interpreter;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    context::{Context, run},
    plugins::Hasher,
};
use interpreter::Interpreter;

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

const KITS: [Kit; 4] = [
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
        name: "api",
        pins: &["requirements-api.txt"],
        what: "Schemathesis, which tries the HTTP API (60 MB)",
        needs: Needs::Python(11),
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

/// The folder of this kit in the cache. Pins and interpreter are part of its name.
fn installed(ctx: &Context, kit: &Kit) -> Result<PathBuf> {
    let pins = ctx.repo.join("tests/judges");
    let interpreter = match kit.needs {
        Needs::Python(minor) => Interpreter::python(ctx, minor)?,
        Needs::Node(major) => Interpreter::node(ctx, major)?,
    };
    let mut hash = Hasher::new();
    hash.text(&interpreter.version);
    hash.text(&interpreter.program.to_string_lossy());
    kit.pins.iter().try_for_each(|pin| hash.tree(&pins, Path::new(pin)))?;
    let key = hash.finish();
    let folder = ctx.cache.join("judges").join(format!("{}-{}", kit.name, &key.as_str()[..16]));
    once(ctx, &folder, &format!("fetch {}", kit.what), |part| match kit.needs {
        Needs::Python(_) => interpreter::install(&interpreter, &pins.join(kit.pins[0]), part),
        Needs::Node(_) => node(&interpreter, kit, &pins, part),
    })?;
    Ok(folder)
}

fn node(interpreter: &Interpreter, kit: &Kit, pins: &Path, into: &Path) -> Result<()> {
    for pin in kit.pins {
        fs::copy(pins.join(pin), into.join(pin)).with_context(|| format!("copy {pin}"))?;
    }
    let mut npm = match &interpreter.installer {
        Some(installer) => {
            let mut npm = Command::new(&interpreter.program);
            npm.arg(installer);
            npm
        }
        None => Command::new("npm"),
    };
    run(npm.current_dir(into).args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    fs::create_dir(into.join("bin"))
        .and_then(|()| std::os::unix::fs::symlink(&interpreter.program, into.join("bin/node")))
        .context("link bin/node")
}

/// Makes a folder of the cache whole or not at all, unless it is there; what is there is never changed. `make` is given a folder to fill
/// that becomes this one.
pub fn once(ctx: &Context, folder: &Path, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let part = folder.with_extension(format!("part-{}", std::process::id()));
    fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    let done = ctx.step(what, || make(&part));
    // Another chore may have been quicker: then its folder is as good.
    if done.is_ok() && fs::rename(&part, folder).is_ok() {
        return Ok(());
    }
    let swept = fs::remove_dir_all(&part).with_context(|| format!("remove {}", part.display()));
    done.and(swept)?;
    if folder.is_dir() { Ok(()) } else { bail!("{} cannot be made", folder.display()) }
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
    use std::env;

    #[test]
    fn a_folder_is_made_once_and_whole_or_not_at_all() {
        let cache = env::temp_dir().join(format!("judges-once-{}", std::process::id()));
        let ctx = Context { repo: cache.clone(), target: cache.clone(), cache: cache.clone(), with_tests: false };
        let folder = cache.join("kit");
        let half = |part: &Path| {
            fs::write(part.join("half"), "").unwrap();
            bail!("the net is down")
        };
        assert!(once(&ctx, &folder, "half", half).is_err());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        once(&ctx, &folder, "whole", |part| Ok(fs::write(part.join("whole"), "")?)).unwrap();
        once(&ctx, &folder, "again", |_| bail!("made twice")).unwrap();
        assert!(folder.join("whole").is_file());
        fs::remove_dir_all(&cache).unwrap();
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
