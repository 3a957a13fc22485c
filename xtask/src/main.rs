//! Repository chores. `cargo xtask help` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "chores speak to the person at the terminal")]
#![allow(unreachable_pub, reason = "a program has no outside")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod context;
mod demo;
mod dist;
mod fuzz;
mod judges;
mod lab;
mod plugins;
mod registry;
mod runner;
mod services;
mod setup;
mod stt_local;
mod templates;
mod test;
mod vendors;
mod wasm;
mod wit_docs;

use anyhow::{Result, bail};
use context::Context;
use dist::Optimised;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <chore>

  setup                 install what a build, the demo and the tests need, and say what
  plugins [NAME...]     build all speech plugins to target/plugins, or those named
  templates [--full]    build what `voice-gateway plugin new` begins, one kind a language or all, to target/plugins/templates
  judges                the vendors' official SDKs, which judge the simulators, to target/judges
  wit-docs              write docs/plugin-contract.md from wit/
  demo [--json] [--asterisk] [--serve] [--chaos] [--stt VENDOR] [--tts VENDOR]
                        set up what is missing, build, and hold a conversation with a recorded caller; vendors are simulated on this machine
  test [--full] [FILTER]
                        all tests, also those on a real Asterisk; --full runs the long proofs at full size
  fuzz [TARGET] [--seconds N]
                        libFuzzer from tests/fuzz/corpus, all targets or one, 10 s each; `test` does it too, for 60 s with --full
  bench [media|plugins] all benches, release build, or those of a room; `plugins`: live plugin sessions, paced as in life, and what our masker
                        costs: fails where a segment takes it more than 20 us of CPU
  bench calls [--calls N,N...] [--seconds S] [--json]
                        a gateway with so many callers, on a processor of its own; `--help` lists more
  bench turns [--turns N] [--calls N] [--hears VENDOR,...] [--json]
                        the same: how long their answers take, with vendors as slow as they were published to be
  bench vendors [NAME...]
                        what each vendor's plugin costs, or those named
  bench events          what it costs to keep events on the disk, and how quickly they are read again
  lab up|down|status    an Asterisk, a Kafka and a Redis to play with, on loopback
  dist [--in-chroot]    release build to target/dist; --in-chroot proves it in a clean Debian

environment
  VG_CACHE              where downloads, toolchains and laboratories live (~/.cache/serphona-voice-gateway)
  VG_WASM_TOOLCHAIN     debian | rustup: forces one way to get a WebAssembly target
  VG_LAB_ROOT           where the Asterisk of the laboratory is unpacked (asterisk in the cache)
  VG_DEBIAN_MIRROR      the Debian mirror of the laboratories (the one apt uses here)
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match chore(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore(words: &[&str]) -> Result<()> {
    let ctx = &Context::find(matches!(words, ["setup" | "test", ..]))?;
    match words {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["setup"] => setup::all(ctx),
        ["plugins", names @ ..] => {
            for built in plugins::build(ctx, names)? {
                println!("{}\t{}", built.name, built.path.display());
            }
            Ok(())
        }
        ["templates"] => templates::build(ctx, false),
        ["templates", "--full"] => templates::build(ctx, true),
        ["judges"] => judges::prepare(ctx),
        ["wit-docs"] => wit_docs::write(ctx),
        ["demo", options @ ..] => demo::demo(ctx, options),
        ["test", options @ ..] => test::test(ctx, options),
        ["fuzz", options @ ..] => fuzz::act(ctx, options),
        ["bench"] => test::bench(ctx, None, &[]),
        ["bench", "calls", options @ ..] => test::bench_calls(ctx, options),
        ["bench", "turns", options @ ..] => test::bench_turns(ctx, options),
        ["bench", what, names @ ..] => test::bench(ctx, Some(what), names),
        ["lab", act] => lab::act(ctx, act),
        ["dist"] => dist::build(ctx),
        ["dist", "--in-chroot"] => dist::prove_in_chroot(ctx, Optimised::Fully),
        other => bail!("`{}` is no chore; `cargo xtask help` lists them", other.join(" ")),
    }
}
