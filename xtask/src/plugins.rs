//! `cargo xtask plugins`: every component of the repository, built to `target/plugins/<name>.wasm`.
//!
//! A component is known by the hash of everything it is made of. Where one of that hash was built before, on this machine
//! and in whatever checkout, it is taken from the cache and nothing is compiled.

mod imports;
mod key;

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};

pub use key::Key;

use crate::{
    context::{Context, write_whole},
    wasm::Toolchain,
};

/// A component that is there now.
#[derive(Debug)]
pub struct Built {
    /// The plugin's name with its hyphens.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
}

/// Which folder a component goes to.
#[derive(Debug, Clone, Copy)]
pub enum Shelf {
    /// Part of the product: `target/plugins`.
    Product,
    /// Only for tests: `target/plugins/test`.
    Test,
}

struct Guest {
    name: &'static str,
    package: &'static str,
    features: &'static str,
    shelf: Shelf,
}

impl Guest {
    const fn plain(name: &'static str, shelf: Shelf) -> Self {
        Self { name, package: name, features: "", shelf }
    }
}

const GUESTS: [Guest; 5] = [
    Guest::plain("probe-stt", Shelf::Test),
    Guest::plain("probe-tts", Shelf::Test),
    Guest { name: "probe-stt-script", package: "probe-stt", features: "script", shelf: Shelf::Test },
    Guest { name: "probe-stt-constructor-loop", package: "probe-stt", features: "constructor-loop", shelf: Shelf::Test },
    Guest::plain("tts-local", Shelf::Product),
];

/// Builds what has changed and gives every component.
pub fn build_all(ctx: &Context) -> Result<Vec<Built>> {
    // A cached component needs no toolchain, only its name: nothing is fetched before something has to be compiled.
    let toolchain = match Toolchain::ready(ctx)? {
        Some(toolchain) => toolchain,
        None => Toolchain::find(ctx)?,
    };
    let compiler = toolchain.name()?;
    GUESTS
        .iter()
        .map(|guest| {
            let key = Key::of_guest(&ctx.repo, guest.package, guest.features, &compiler)?;
            cached(ctx, guest.name, guest.shelf, &key, || toolchain.cargo_build(ctx, guest.package, guest.features))
        })
        .collect()
}

/// The component of this key: as it stands in `target/plugins`, else from the machine's cache, else built now.
/// `build` gives the path of the component it made, which is refused where it imports what no host offers.
pub fn cached(ctx: &Context, name: &str, shelf: Shelf, key: &Key, build: impl FnOnce() -> Result<PathBuf>) -> Result<Built> {
    // Components stay in the checkout even where cargo builds elsewhere: tests and the demo look for them there.
    let folder = ctx.repo.join("target/plugins");
    let path = match shelf {
        Shelf::Product => folder.join(format!("{name}.wasm")),
        Shelf::Test => folder.join("test").join(format!("{name}.wasm")),
    };
    let stamp = folder.join(".keys").join(name);
    let built = Built { name: name.to_owned(), path };
    if built.path.is_file() && fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == key.as_str()) {
        return Ok(built);
    }
    let kept = ctx.cache.join("components").join(name).join(format!("{}.wasm", key.as_str()));
    if !kept.is_file() {
        let component = ctx.step(format_args!("build {name}"), build)?;
        let bytes = fs::read(&component).with_context(|| format!("read {}", component.display()))?;
        refuse_foreign_imports(name, &bytes)?;
        write_whole(&kept, &bytes)?;
        forget_old(&kept)?;
    }
    let bytes = fs::read(&kept).with_context(|| format!("read {}", kept.display()))?;
    write_whole(&built.path, &bytes)?;
    write_whole(&stamp, key.as_str().as_bytes())?;
    ctx.say(format_args!("{name}: {} ({:.1} MB)", built.path.display(), bytes.len() as f64 / 1e6));
    Ok(built)
}

/// A guest has no imports but those of its world, so an empty linker is the proof of its sandbox.
fn refuse_foreign_imports(name: &str, component: &[u8]) -> Result<()> {
    let imports = imports::of_component(component).with_context(|| format!("read the component {name}"))?;
    match imports.iter().find(|import| !import.starts_with("serphona:speech/")) {
        Some(foreign) => bail!("{name} imports {foreign}, which no host offers"),
        None => Ok(()),
    }
}

/// How many builds of one component are worth keeping: enough to move between a few branches.
const KEPT: usize = 4;

fn forget_old(newest: &Path) -> Result<()> {
    let folder = newest.parent().context("a cached component lies in a folder")?;
    let mut kept: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.metadata()?.modified()?, entry.path()))
        })
        .collect::<std::io::Result<_>>()?;
    kept.sort();
    let surplus = kept.len().saturating_sub(KEPT);
    for (_, old) in kept.drain(..surplus) {
        fs::remove_file(&old).with_context(|| format!("remove {}", old.display()))?;
    }
    Ok(())
}
