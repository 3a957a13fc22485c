//! `cargo xtask fuzz`: libFuzzer over everything that comes from outside, by cargo-fuzz on the pinned toolchain.
//!
//! Without a sanitizer nothing unstable is needed; what is looked for are panics, failed assertions, overflows, endless loops and memory
//! without bound, none of which a sanitizer would show.

use crate::context::{Context, run};
use crate::setup::{self, Need};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// What it is built with: the newest that was tried.
const CARGO_FUZZ: &str = "0.13.2";
const NEEDS: &[Need] = &[Need { program: "c++", package: "g++", why: "builds libFuzzer" }];

/// What one input may take before it is a finding.
const INPUT_SECONDS: u32 = 10;
const MEMORY_MB: u32 = 1_024;
/// Longer inputs only repeat what shorter ones reach.
const INPUT_BYTES: u32 = 8_192;

/// Seconds for each target: in CI, and with `--full`.
pub const CI_SECONDS: u32 = 10;
/// See [`CI_SECONDS`].
pub const FULL_SECONDS: u32 = 60;

/// `cargo xtask fuzz [TARGET] [--seconds N]`.
pub fn act(ctx: &Context, options: &[&str]) -> Result<()> {
    let (target, seconds) = match options {
        [] => (None, CI_SECONDS),
        ["--seconds", seconds] => (None, seconds.parse()?),
        [target] => (Some(*target), CI_SECONDS),
        [target, "--seconds", seconds] => (Some(*target), seconds.parse()?),
        _ => bail!("fuzz takes a target and --seconds N"),
    };
    fuzz(ctx, target, seconds)
}

/// Fuzzes one target or all, one after the other, each for so long, from the committed corpus. A finding is an error; what was found out
/// on the way stays in the build folder and is begun with the next time.
pub fn fuzz(ctx: &Context, target: Option<&str>, seconds: u32) -> Result<()> {
    let known = targets(ctx)?;
    let chosen: Vec<&String> = known.iter().filter(|known| target.is_none_or(|target| target == *known)).collect();
    if chosen.is_empty() {
        bail!("there is no such target; {} exist", known.join(", "));
    }
    prepare(ctx)?;
    ctx.step("build the fuzzers", || run(cargo_fuzz(ctx, "build")?.args(target)))?;
    for target in chosen {
        let (found, seeds) = (ctx.target.join("fuzz/found").join(target), corpus(ctx).join(target));
        fs::create_dir_all(&found)?;
        let mut fuzz = cargo_fuzz(ctx, "run")?;
        fuzz.arg(target).args([&found, &seeds]).arg("--").args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={INPUT_SECONDS}"),
            format!("-rss_limit_mb={MEMORY_MB}"),
            format!("-max_len={INPUT_BYTES}"),
            "-verbosity=0".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        ctx.step(format_args!("fuzz {target} for {seconds} s"), || run(&mut fuzz))?;
    }
    Ok(())
}

/// Every target has its corpus.
fn targets(ctx: &Context) -> Result<Vec<String>> {
    let names = fs::read_dir(corpus(ctx))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn corpus(ctx: &Context) -> PathBuf {
    ctx.repo.join("tests/fuzz/corpus")
}

fn tools(ctx: &Context) -> PathBuf {
    ctx.cache.join("cargo-fuzz").join(CARGO_FUZZ)
}

/// Installs cargo-fuzz beside the other downloads.
pub fn prepare(ctx: &Context) -> Result<()> {
    setup::require(ctx, setup::BUILD)?;
    setup::require(ctx, NEEDS)?;
    if tools(ctx).join("bin/cargo-fuzz").is_file() {
        return Ok(());
    }
    ctx.step(format_args!("install cargo-fuzz {CARGO_FUZZ} (under a minute)"), || {
        let mut install = ctx.cargo();
        install.args(["install", "--quiet", "--locked", "--version", CARGO_FUZZ, "cargo-fuzz", "--root"]).arg(tools(ctx));
        run(install.env_remove("CARGO_TARGET_DIR"))
    })
}

fn cargo_fuzz(ctx: &Context, verb: &str) -> Result<Command> {
    let bin = tools(ctx).join("bin");
    let path = env::join_paths(std::iter::once(bin.clone()).chain(env::split_paths(&env::var_os("PATH").context("no PATH")?)))?;
    let mut fuzz = Command::new(bin.join("cargo-fuzz"));
    fuzz.current_dir(ctx.repo.join("tests/fuzz")).env("PATH", path).env_remove("CARGO_TARGET_DIR");
    fuzz.args(["fuzz", verb, "--fuzz-dir", ".", "--sanitizer", "none", "--target-dir"]).arg(ctx.target.join("fuzz/build"));
    Ok(fuzz)
}
