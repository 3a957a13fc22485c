//! `cargo xtask dist`: what is shipped, in `target/dist`, and the proof that a clean Debian can build and run it.

use crate::context::{Context, capture, run};
use crate::{lab, plugins, setup};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::{env, fs, process::Command};

/// What a build needs beyond Rust itself, as the Dockerfile's image has it.
const CHROOT_PACKAGES: &str = "apt,ca-certificates,clang-14,cmake,debian-archive-keyring,g++,gcc,libc6-dev,libssl-dev,lld-14,make,pkg-config,python3-pip,xz-utils";

/// Release build of the gateway and its plugins: `target/dist/{bin/voice-gateway,plugins/*.wasm,LICENSE,NOTICE}`.
pub fn build(ctx: &Context) -> Result<()> {
    setup::require(ctx, setup::BUILD)?;
    plugins::build_all(ctx)?;
    let mut cargo = ctx.cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "voice-gateway"]);
    ctx.step("build the gateway for release (some 10 minutes the first time)", || run(&mut cargo))?;
    let dist = ctx.repo.join("target/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(dist.join("bin"))?;
    fs::create_dir_all(dist.join("plugins"))?;
    fs::copy(ctx.target.join("release/voice-gateway"), dist.join("bin/voice-gateway")).context("copy the gateway")?;
    for entry in fs::read_dir(ctx.repo.join("target/plugins"))? {
        let path = entry?.path();
        if let (Some("wasm"), Some(name)) = (path.extension().and_then(|kind| kind.to_str()), path.file_name()) {
            fs::copy(&path, dist.join("plugins").join(name))?;
        }
    }
    for text in ["LICENSE", "NOTICE"] {
        fs::copy(ctx.repo.join(text), dist.join(text)).with_context(|| format!("copy {text}"))?;
    }
    ctx.say(format_args!("{} is complete", dist.display()));
    Ok(())
}

/// How well what is proved was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimised {
    /// As it is shipped.
    Fully,
    /// Quicker to compile, and as good a proof that it can be built and runs.
    Lightly,
}

/// Unpacks the Debian in which the distribution is proved. Costs nothing the second time.
pub fn prepare(ctx: &Context) -> Result<()> {
    if !setup::is_root() {
        bail!("the proof of the distribution enters a chroot, which needs root");
    }
    let what = "unpack a clean Debian 12 (about 150 MB to fetch, a minute)";
    lab::chroot(ctx, &root(ctx), "bookworm", CHROOT_PACKAGES, what)
}

fn root(ctx: &Context) -> PathBuf {
    ctx.cache.join("dist")
}

/// Builds the distribution in a Debian 12 that has never seen this checkout, starts it there and asks for its health.
///
/// The chroot borrows this machine's Rust and its downloaded crates read-only; its build folder stays in the cache, so that the second
/// proof compiles only what changed. `tests/lab/dist.sh` does it inside a mount namespace, whose end undoes every mount.
pub fn prove_in_chroot(ctx: &Context, optimised: Optimised) -> Result<()> {
    prepare(ctx)?;
    let sysroot = capture(Command::new("rustc").args(["--print", "sysroot"]).current_dir(&ctx.repo))?;
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let registry = home.context("neither CARGO_HOME nor HOME is set")?.join("registry");
    run(ctx.cargo().args(["fetch", "--quiet", "--locked"]))?;
    let mut script = Command::new("unshare");
    script.args(["--mount", "--propagation", "private"]).arg(ctx.repo.join("tests/lab/dist.sh"));
    script.arg(root(ctx)).arg(&ctx.repo).arg(&ctx.cache).arg(sysroot).arg(registry);
    if optimised == Optimised::Lightly {
        script.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    }
    ctx.step("build and start the distribution in a clean Debian 12", || run(&mut script))
}
