//! Build tool for guests written in C: `vg-guestc bindings WIT WORLD DIR` writes the C header and glue of a world,
//! `vg-guestc component CORE WIT WORLD OUT` makes a component of a linked core module.
//!
//! Kept apart from `xtask`, which everybody builds, because it brings the WIT parser and encoder along.

use anyhow::{Context, Result, bail};
use std::{env, fs, path::Path};
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bindings", wit, world, dir] => bindings(Path::new(wit), world, Path::new(dir)),
        ["component", core, wit, world, out] => component(Path::new(core), Path::new(wit), world, Path::new(out)),
        _ => bail!("usage: vg-guestc bindings WIT WORLD DIR | component CORE WIT WORLD OUT"),
    }
}

fn bindings(wit: &Path, world: &str, dir: &Path) -> Result<()> {
    let (mut resolve, world) = select(wit, world)?;
    let mut files = Default::default();
    // The type object would be a binary input of the link; `component` embeds the types instead.
    let options = wit_bindgen_c::Opts { no_object_file: true, ..Default::default() };
    options.build().generate(&mut resolve, world, &mut files)?;
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    for (name, content) in files.iter() {
        let path = dir.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn component(core: &Path, wit: &Path, world: &str, out: &Path) -> Result<()> {
    let (resolve, world) = select(wit, world)?;
    let mut module = fs::read(core).with_context(|| format!("read {}", core.display()))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    fs::write(out, component).with_context(|| format!("write {}", out.display()))
}

fn select(wit: &Path, world: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("read {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(world))?;
    Ok((resolve, world))
}
