//! `cargo xtask plugins`: every component of the repository, built to `target/plugins/<name>.wasm`.
//!
//! A component is known by the hash of everything it is made of. Where one of that hash was built before, on this machine
//! and in whatever checkout, it is taken from the cache and nothing is compiled.

mod imports;
mod key;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};

pub use key::{Hasher, Key};

use crate::{
    context::{Context, joined, write_whole},
    stt_local,
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

/// A component that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The plugin's name with its hyphens.
    pub name: &'static str,
    /// Where it goes.
    pub shelf: Shelf,
    /// The interfaces of the contract that it may import beside those that hold only types.
    pub imports: &'static [&'static str],
}

struct Guest {
    wanted: Wanted,
    package: &'static str,
    features: &'static str,
}

const GUESTS: [Guest; 23] = [
    vendor("stt-aws", &["signing"]),
    vendor("stt-azure", &[]),
    vendor("stt-deepgram", &[]),
    vendor("stt-google", &[]),
    vendor("stt-http", &[]),
    vendor("stt-whisper", &[]),
    vendor("tts-azure", &[]),
    vendor("tts-elevenlabs", &[]),
    vendor("tts-google", &[]),
    vendor("tts-http", &[]),
    vendor("tts-openai", &[]),
    vendor("tts-polly", &["signing"]),
    Guest { wanted: Wanted { name: "pci-mask", shelf: Shelf::Product, imports: &[] }, package: "pci-mask", features: "" },
    Guest { wanted: Wanted { name: "tts-local", shelf: Shelf::Product, imports: &[] }, package: "tts-local", features: "" },
    Guest { wanted: probe("probe-stt"), package: "probe-stt", features: "" },
    Guest { wanted: probe("probe-stt-script"), package: "probe-stt", features: "script" },
    Guest { wanted: probe("probe-stt-constructor-loop"), package: "probe-stt", features: "constructor-loop" },
    Guest { wanted: probe("probe-stt-constructor-trap"), package: "probe-stt", features: "constructor-trap" },
    Guest { wanted: probe("probe-stt-start-loop"), package: "probe-stt", features: "start-loop" },
    Guest { wanted: Wanted { name: "probe-mask", shelf: Shelf::Test, imports: &[] }, package: "probe-mask", features: "" },
    Guest { wanted: probe("probe-tts"), package: "probe-tts", features: "" },
    Guest { wanted: probe("probe-vendor-stt"), package: "probe-vendor-stt", features: "" },
    Guest { wanted: probe("probe-vendor-tts"), package: "probe-vendor-tts", features: "" },
];

/// Reaches its vendor by links alone; `imports` beside.
const fn vendor(name: &'static str, imports: &'static [&'static str]) -> Guest {
    Guest { wanted: Wanted { name, shelf: Shelf::Product, imports }, package: name, features: "" }
}

const fn probe(name: &'static str) -> Wanted {
    Wanted { name, shelf: Shelf::Test, imports: &["log", "asset", "signing"] }
}

/// Builds what has changed and gives every component.
pub fn build_all(ctx: &Context) -> Result<Vec<Built>> {
    build(ctx, &[])
}

/// The same for some of them; none named means all.
pub fn build(ctx: &Context, names: &[&str]) -> Result<Vec<Built>> {
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let known = |name: &&&str| GUESTS.iter().any(|guest| guest.wanted.name == **name) || **name == stt_local::NAME;
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        bail!("there is no plugin {unknown}");
    }
    // Beside one another: the gateway, which bakes the one, is compiled for minutes, and a guest of the others is linked by one core.
    thread::scope(|threads| {
        let recogniser = wanted(stt_local::NAME).then(|| threads.spawn(|| stt_local::build(ctx)));
        let guests = GUESTS.iter().filter(|guest| wanted(guest.wanted.name));
        let built = of_rust(ctx, guests);
        let recogniser = recogniser.map(joined).transpose()?;
        Ok(built?.into_iter().chain(recogniser).collect())
    })
}

fn of_rust<'a>(ctx: &Context, guests: impl Iterator<Item = &'a Guest>) -> Result<Vec<Built>> {
    let toolchain = Toolchain::find(ctx)?;
    let compiler = toolchain.name()?;
    guests
        .map(|guest| {
            let key = || Key::of_guest(&ctx.repo, guest.package, guest.features, &compiler);
            cached(ctx, guest.wanted, key, || toolchain.cargo_build(ctx, guest.package, guest.features))
        })
        .collect()
}

/// The component of this key: as it stands in `target/plugins`, else from the machine's cache, else built now.
/// `build` gives the path of the component it made, which is refused where it imports more than it may.
pub fn cached(
    ctx: &Context,
    wanted: Wanted,
    key: impl Fn() -> Result<Key>,
    build: impl FnOnce() -> Result<PathBuf>,
) -> Result<Built> {
    let name = wanted.name;
    // Components stay in the checkout even where cargo builds elsewhere: tests and the demo look for them there.
    let folder = ctx.repo.join("target/plugins");
    let path = match wanted.shelf {
        Shelf::Product => folder.join(format!("{name}.wasm")),
        Shelf::Test => folder.join("test").join(format!("{name}.wasm")),
    };
    let stamp = folder.join(".keys").join(name);
    let built = Built { name: name.to_owned(), path };
    let before = key()?;
    if built.path.is_file() && fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == before.as_str()) {
        return Ok(built);
    }
    let kept = ctx.cache.join("components").join(name).join(format!("{}.wasm", before.as_str()));
    if !kept.is_file() {
        let component = ctx.step(format_args!("build {name}"), build)?;
        let bytes = fs::read(&component).with_context(|| format!("read {}", component.display()))?;
        refuse_foreign_imports(wanted, &bytes)?;
        if key()? != before {
            bail!("the source of {name} was changed while it was built: build it again");
        }
        write_whole(&kept, &bytes)?;
        forget_old(&kept)?;
    }
    let bytes = fs::read(&kept).with_context(|| format!("read {}", kept.display()))?;
    write_whole(&built.path, &bytes)?;
    write_whole(&stamp, before.as_str().as_bytes())?;
    ctx.say(format_args!("{name}: {} ({:.1} MB)", built.path.display(), bytes.len() as f64 / 1e6));
    Ok(built)
}

/// A guest that imports nothing can do nothing but compute: that is the proof of its sandbox, so it is checked.
fn refuse_foreign_imports(wanted: Wanted, component: &[u8]) -> Result<()> {
    const TYPES: [&str; 2] = ["types", "link"];
    let imports = imports::of_component(component).with_context(|| format!("read the component {}", wanted.name))?;
    let known = |import: &&String| {
        let interface = import.strip_prefix("serphona:speech/").and_then(|rest| rest.split('@').next());
        interface.is_some_and(|interface| TYPES.contains(&interface) || wanted.imports.contains(&interface))
    };
    match imports.iter().find(|import| !known(import)) {
        Some(foreign) => bail!("{} imports {foreign}, which is not for it", wanted.name),
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
