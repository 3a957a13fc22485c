//! `cargo xtask test` and `cargo xtask bench`.

use crate::context::{Context, run};
use crate::dist::{self, Optimised};
use crate::{fuzz, lab, plugins, runner, services, setup, templates};
use anyhow::{Result, bail};
use std::process::Command;

/// All tests: pure ones, the virtual house, real components, real Asterisk. What is missing is installed or the run fails; what others may stop
/// serving (Kafka, an old Asterisk, a template language's tools) is told as not run.
/// With a filter only the tests whose name contains it, and no proof of the distribution.
pub fn test(ctx: &Context, options: &[&str]) -> Result<()> {
    let (flags, filters): (Vec<&str>, Vec<&str>) = options.iter().partition(|option| option.starts_with("--"));
    if let Some(unknown) = flags.iter().find(|flag| **flag != "--full") {
        bail!("test does not know {unknown}");
    }
    if filters.len() > 1 {
        bail!("one filter at a time");
    }
    let size = if flags.is_empty() { "ci" } else { "full" };
    setup::for_tests(ctx)?;
    // The stories of the command line run the program itself, which `cargo test` alone would not build.
    ctx.step("build the gateway", || run(&mut ctx.build_program("voice-gateway")))?;
    templates::build(ctx, size == "full")?;
    let mut cargo = ctx.cargo();
    // Stories report what they measured; the runner would keep that to itself when they pass.
    cargo.args(["test", "--workspace", "--no-fail-fast"]).args(&filters).args(["--", "--show-output"]);
    // Long proofs read their size; the stories find Asterisk.
    cargo.env("VG_TEST_SIZE", size).env("VG_LAB_ROOT", lab::root(ctx)).env("VG_CACHE", &ctx.cache);
    let (name, program) = runner::of_programs(ctx)?;
    cargo.env(name, program);
    let unsteady = ctx.step("run the tests", || runner::tests(ctx, cargo))?;
    if filters.is_empty() {
        let (fuzzed_s, optimised) =
            if size == "full" { (fuzz::FULL_SECONDS, Optimised::Fully) } else { (fuzz::CI_SECONDS, Optimised::Lightly) };
        fuzz::fuzz(ctx, None, fuzzed_s)?;
        dist::prove_in_chroot(ctx, optimised)?;
    }
    for line in closing(&unsteady, services::kafka_missing(ctx).as_deref(), size) {
        ctx.say(line);
    }
    Ok(())
}

/// The last lines of a run that held: what is to be mended, why there was no Kafka where there was none, and at which size the proofs ran.
fn closing(unsteady: &[String], kafka_missing: Option<&str>, size: &str) -> Vec<String> {
    let told = |name: &String| format!("unsteady: {name} failed once and held when it ran again, alone; its words are above");
    let no_kafka = kafka_missing.map(|reason| {
        format!("Kafka was not to be had ({reason}): its stories were not run, the producer was tried on librdkafka's mock cluster alone")
    });
    let passed = match size {
        "ci" => "all tests passed; long proofs ran at CI size, `cargo xtask test --full` runs them at full size",
        _ => "all tests passed; long proofs ran at full size",
    };
    unsteady.iter().map(told).chain(no_kafka).chain([passed.to_owned()]).collect()
}

/// A gateway under load, on a processor of its own: the first one, the generator on the second.
pub fn bench_calls(ctx: &Context, options: &[&str]) -> Result<()> {
    setup::require(ctx, setup::BUILD)?;
    plugins::build(ctx, &["stt-http", "tts-http"])?;
    ctx.step("build gateway and load generator, release", || {
        run(ctx.cargo().args(["build", "--release", "--quiet", "--package", "voice-gateway", "--package", "vg-tests", "--bins"]))
    })?;
    let release = ctx.target.join("release");
    let mut loadgen = Command::new("taskset");
    loadgen.current_dir(&ctx.repo).args(["-c", "1"]).arg(release.join("loadgen"));
    loadgen.arg("--gateway").arg(release.join("voice-gateway")).args(options);
    ctx.step("let them call", || run(&mut loadgen))
}

/// The same, where answers are looked at instead of costs: a thousand turns of 200 calls with each listener, where nothing else is said.
pub fn bench_turns(ctx: &Context, options: &[&str]) -> Result<()> {
    let usual = [["--turns", "1000"], ["--calls", "200"]];
    let unsaid = usual.into_iter().filter(|[name, _]| !options.contains(name)).flatten();
    bench_calls(ctx, &unsaid.chain(options.iter().copied()).collect::<Vec<_>>())
}

/// Benches, release build: all of them, or those of one subject; `names` choose among its rows.
pub fn bench(ctx: &Context, what: Option<&str>, names: &[&str]) -> Result<()> {
    plugins::build_all(ctx)?;
    let mut cargo = ctx.cargo();
    cargo.arg("bench");
    match what {
        None => cargo.args(["--package", "vg-media", "--package", "vg-plugin-host", "--benches"]),
        Some("media") => cargo.args(["--package", "vg-media", "--benches"]),
        Some("plugins") => cargo.args(["--package", "vg-plugin-host", "--bench", "paced"]),
        Some("events") => cargo.args(["--package", "voice-gateway", "--bench", "spool"]),
        Some("vendors") => cargo.args(["--package", "vg-sim", "--bench", "vendors"]),
        Some(other) => {
            bail!("there is no bench of {other}: `media`, `plugins`, `vendors`, `events`, `calls`, `turns`, or nothing for all")
        }
    };
    if !names.is_empty() {
        cargo.arg("--").args(names);
    }
    ctx.step("run the benches", || run(&mut cargo))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_run_say_what_was_not_run_and_what_is_to_be_mended() {
        let lines = closing(&[], None, "ci");
        let [passed] = &lines[..] else { panic!("{lines:?}") };
        assert!(passed.starts_with("all tests passed") && passed.contains("at CI size"), "{passed}");
        let lines = closing(&["calls::one".to_owned(), "calls::two".to_owned()], Some("no route to Maven Central"), "full");
        let [one, two, kafka, passed] = &lines[..] else { panic!("{lines:?}") };
        assert!(one.starts_with("unsteady: calls::one ") && two.starts_with("unsteady: calls::two "), "{lines:?}");
        for told in ["Kafka was not to be had (no route to Maven Central)", "stories were not run", "mock cluster"] {
            assert!(kafka.contains(told), "{kafka}");
        }
        assert!(passed.starts_with("all tests passed") && passed.ends_with("at full size"), "{passed}");
    }
}
