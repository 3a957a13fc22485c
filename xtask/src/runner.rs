//! Cargo's test runner, read along: what failed is told again at the very end, and has one more chance, alone.
//!
//! Some stories hold real programs (Asterisk, vendors' SDKs) to real time on a machine that others use too. One that fails once and then holds
//! alone is called unsteady, by its name, in the last lines; it is never silently taken for good.

use crate::context::{Context, capture};
use anyhow::{Context as _, Result, bail};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// More failures than this are no bad luck.
const CHANCES: usize = 3;
/// Lines of each failure's own words that are told again, from where it says what failed.
const TOLD: usize = 25;
/// Characters of each of them.
const WIDE: usize = 400;

/// What a run of the test runner said.
#[derive(Debug, Default)]
struct Record {
    /// Tests that held.
    held: usize,
    /// Names of tests that failed, in order.
    failed: Vec<String>,
    /// What each of them said, without its backtrace.
    words: Vec<Vec<String>>,
    /// `-p vg-sim --test judges`: what cargo has to be asked for to run a failed target again.
    targets: Vec<String>,
    /// Whether the lines now are a failure's own words.
    telling: bool,
    /// Whether they are its backtrace.
    tracing: bool,
    /// Test programs and how long they took, in seconds, in their order.
    took: Vec<(String, f64)>,
}

/// Programs that are named with how long they took.
const LONGEST: usize = 10;

impl Record {
    /// Notes one line of output.
    fn read(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failed.push(name.to_owned());
        } else if line.starts_with("test ") && line.ends_with(" ... ok") {
            self.held += 1;
        } else if line == "failures:" {
            // First what they said, then only their names.
            self.telling = !self.telling;
        } else if let Some(result) = line.strip_prefix("test result:") {
            self.telling = false;
            let seconds = result.rsplit_once("finished in ").and_then(|(_, time)| time.strip_suffix('s')?.parse().ok());
            if let (Some(seconds), Some((_, took))) = (seconds, self.took.last_mut()) {
                *took = seconds;
            }
        } else if let Some(program) = line.strip_prefix("     Running ").or_else(|| line.strip_prefix("   Doc-tests ")) {
            self.took.push((program.split(" (").next().unwrap_or(program).to_owned(), 0.0));
        } else if let Some(target) = line.strip_prefix("    `").and_then(|rest| rest.strip_suffix('`')) {
            self.targets.push(target.to_owned());
        } else if self.telling {
            self.note(line);
        }
    }

    /// Notes one line of failures' own words.
    fn note(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.words.push(Vec::new());
            self.tracing = false;
        } else if line.eq_ignore_ascii_case("stack backtrace:") {
            self.tracing = true;
        } else if self.tracing && !line.starts_with("  ") {
            self.tracing = false;
        }
        if let (false, Some(words)) = (self.tracing || line.is_empty(), self.words.last_mut()) {
            words.push(line.chars().take(WIDE).collect());
        }
    }

    /// What failed, and where each says so.
    fn told(&self) -> String {
        let mut told = format!("== what failed: {}\n", self.failed.join(", "));
        for words in &self.words {
            let fails = |line: &String| line.contains(" panicked at ") || line.starts_with("Error: ");
            let from = words.iter().position(fails).unwrap_or(1);
            let lines = words.iter().take(1).chain(words.iter().skip(from).take(TOLD));
            lines.for_each(|line| told += &format!("{line}\n"));
            if words.len() > from + TOLD {
                told += "[more of it above]\n";
            }
        }
        told
    }

    /// Where the time went.
    fn longest(&self) -> String {
        let mut took: Vec<_> = self.took.iter().collect();
        took.sort_by(|one, other| other.1.total_cmp(&one.1));
        let all: f64 = took.iter().map(|(_, seconds)| seconds).sum();
        let longest = took.iter().take(LONGEST).map(|(program, seconds)| format!("{program} {seconds:.0} s"));
        format!("{} programs took {all:.0} s; longest: {}", took.len(), longest.collect::<Vec<_>>().join(", "))
    }

    /// Whether one more chance is in order: named tests of named targets failed, and only a few.
    fn pardonable(&self) -> bool {
        (1..=CHANCES).contains(&self.failed.len()) && !self.targets.is_empty() && self.targets.len() <= self.failed.len()
    }
}

/// How cargo is told by its environment what runs test programs: a script that knows how many tests of each may run at once.
pub fn of_programs(ctx: &Context) -> Result<(String, PathBuf)> {
    let host = capture(Command::new("rustc").args(["--print", "host-tuple"]).current_dir(&ctx.repo))?;
    let name = format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_"));
    Ok((name, ctx.repo.join("xtask/test-program.sh")))
}

/// Runs the tests; answers those that held only when they ran again, alone.
pub fn tests(ctx: &Context, mut cargo: Command) -> Result<Vec<String>> {
    let (status, record) = watch(&mut cargo)?;
    ctx.say(record.longest());
    if status.success() {
        return Ok(Vec::new());
    }
    let chance = if record.pardonable() { again(ctx, &cargo, &record) } else { Ok(false) };
    // Again, since the lines between are many.
    ctx.say(record.told());
    match chance {
        Ok(true) => Ok(record.failed),
        Ok(false) => bail!("the tests ended with {status}; what failed is told above"),
        Err(fault) => Err(fault.context("the second chance could not be given")),
    }
}

/// The failed tests of each failed target, one at a time; whether each was found again and held.
fn again(ctx: &Context, first: &Command, record: &Record) -> Result<bool> {
    let mut held = 0;
    for target in &record.targets {
        ctx.say(format_args!("once more, alone: {} of {target}", record.failed.join(", ")));
        let mut cargo = ctx.cargo();
        cargo
            .arg("test")
            .args(target.split(' '))
            .args(["--", "--show-output", "--test-threads", "1", "--exact"])
            .args(&record.failed);
        for (name, value) in first.get_envs() {
            value.map(|value| cargo.env(name, value));
        }
        let (status, second) = watch(&mut cargo)?;
        if !status.success() {
            ctx.say(second.told());
            return Ok(false);
        }
        held += second.held;
    }
    Ok(held >= record.failed.len())
}

/// Runs a command, passing on what it says, and notes it.
fn watch(command: &mut Command) -> Result<(ExitStatus, Record)> {
    // One pipe for both: cargo names its targets on the one, tests speak on the other.
    let (reader, writer) = io::pipe().context("a pipe for the test runner")?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().context("start cargo test")?;
    // The ends that write are kept in the command; the last of them has to go before the pipe can end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut record = Record::default();
    let mut out = io::stdout().lock();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(out, "{line}")?;
        record.read(&line);
    }
    Ok((child.wait()?, record))
}

#[cfg(test)]
mod tests {
    use super::Record;

    const RUN: &str = "
     Running tests/judges.rs (target/debug/deps/judges-443637a9f652bd86)

running 2 tests
test one ... ok
test two::stories ... FAILED

successes:

---- one stdout ----
fine

failures:

---- two::stories stdout ----
what it said before
thread 'two::stories' (12) panicked at tests/judges.rs:31:5:
1 of 3 cases are not as recorded

stack backtrace:
   0: __rustc::rust_begin_unwind
             at /rustc/library/std/src/panicking.rs:689:5
note: Some details are omitted


failures:
    two::stories

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.30s

error: 1 target failed:
    `-p vg-sim --test judges`";

    fn read(text: &str) -> Record {
        let mut record = Record::default();
        text.lines().for_each(|line| record.read(line));
        record
    }

    #[test]
    fn a_failure_is_told_with_its_words_and_its_target() {
        let record = read(RUN);
        assert_eq!(record.failed, ["two::stories"]);
        assert_eq!(record.targets, ["-p vg-sim --test judges"]);
        let told = "== what failed: two::stories
---- two::stories stdout ----
thread 'two::stories' (12) panicked at tests/judges.rs:31:5:
1 of 3 cases are not as recorded
note: Some details are omitted
";
        assert_eq!(record.told(), told, "without what it said before, and what held");
        assert!(record.pardonable());
        assert_eq!(record.longest(), "1 programs took 0 s; longest: tests/judges.rs 0 s");
        assert_eq!(record.took, [("tests/judges.rs".to_owned(), 0.3)]);
    }

    #[test]
    fn many_failures_and_nameless_ones_have_no_second_chance() {
        let many = format!("test a ... FAILED\ntest b ... FAILED\ntest c ... FAILED\n{RUN}");
        assert!(!read(&many).pardonable());
        let killed = RUN.replace("test two::stories ... FAILED\n", "");
        assert!(!read(&killed).pardonable(), "a program that died named no test");
        let two = format!("{RUN}\n    `-p vg-tests --test storm`");
        assert!(!read(&two).pardonable(), "of the second target no test is named");
    }
}
