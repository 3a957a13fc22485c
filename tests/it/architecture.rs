//! The walls that no compiler flag holds: which room may name what, how long a file may be, how many exceptions there are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken wall stops")]

mod checkout;

use checkout::{Source, repo, sources};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A room, the words that may not stand in its code, and why.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("host/crates/media/src/", &["tokio", "tracing", "serde", "vg_domain", "async", "await", "SystemTime"], "media is pure"),
    ("host/crates/domain/src/", &["tokio", "tracing", "serde", "vg_media", "async", "await", "SystemTime"], "the domain is pure"),
    (
        "host/crates/domain/src/",
        &["asterisk", "ari", "google", "azure", "aws", "openai", "deepgram", "elevenlabs"],
        "the domain knows no vendor",
    ),
    ("host/src/", VENDORS, "nothing of a vendor is known to the host"),
    ("host/crates/plugin-kit/", VENDORS, "nothing of a vendor is known to the host"),
    ("plugins/wire/src/", &["vg_plugin_sdk", "wit_bindgen"], "framings know no contract"),
    ("host/crates/plugin-host/src/", &["vg_domain", "vg_media", "asterisk", "ari"], "the airlock knows no calls"),
    ("host/src/application", &["adapters", "wiring"], "the application never names an adapter"),
    ("host/src/adapters", &["wiring"], "only wiring names both sides"),
    ("plugins/", &["vg_domain", "vg_media", "vg_plugin_host", "voice_gateway"], "guests do not know the host"),
];

const VENDORS: &[&str] = &["google", "azure", "openai", "deepgram", "elevenlabs", "polly", "whisper"];

/// Names of protocols that many speak, with whom they began: the room that speaks it, and the configuration that chooses it.
const PROTOCOLS: &[(&str, &[&str])] = &[("openai", &["host/src/adapters/agent", "host/src/config"])];

/// The command line is the program's face: it starts what `wiring` builds.
const STARTS_THE_PROGRAM: &str = "host/src/adapters/cli";

const LINES_MAX: usize = 600;
const LINED: &[&str] = &["rs", "c", "h", "sh", "wit"];
const HOLLOW_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];
const EXCEPTIONS: &[&str] = &["#[allow(", "#![allow(", "#[expect(", "#![expect("];
const RATCHET: &str = "tests/ratchet.toml";

#[test]
fn no_room_names_what_it_must_not_know() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| source.kind == "rs") {
        for (folder, forbidden, why) in ROOMS.iter().filter(|(folder, ..)| source.path.starts_with(folder)) {
            for (number, line) in source.text.lines().enumerate() {
                let told = |word: &&str| {
                    forbidden.contains(word)
                        && !(*word == "wiring" && source.path.starts_with(STARTS_THE_PROGRAM))
                        && !speaks(&source.path, word)
                };
                if let Some(word) = words(code_of(line)).find(told) {
                    writeln!(faults, "{}:{}: `{word}` in {folder}: {why}", source.path, number + 1).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn no_file_outgrows_a_reader() {
    let long = sources().into_iter().filter(|source| LINED.contains(&source.kind.as_str()));
    let long: Vec<String> = long
        .filter(|source| source.text.lines().count() >= LINES_MAX)
        .map(|source| format!("{}: {} lines, the wall is {LINES_MAX}", source.path, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn every_file_is_named_after_what_it_is() {
    let hollow = |source: &Source| {
        let stem = source.path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        stem == "mod" || HOLLOW_NAMES.contains(&stem)
    };
    let found: Vec<String> =
        sources().into_iter().filter(|source| source.kind == "rs" && hollow(source)).map(|source| source.path).collect();
    assert!(found.is_empty(), "names that say nothing: {found:?}");
}

#[test]
fn exceptions_only_become_fewer() {
    let found: BTreeMap<String, usize> = sources()
        .into_iter()
        .filter(|source| source.kind == "rs" && source.path != "tests/it/architecture.rs")
        .map(|source| (exceptions_in(&source.text), source.path))
        .filter(|(count, _)| *count > 0)
        .map(|(count, path)| (path, count))
        .collect();
    let ratchet = repo().join(RATCHET);
    if std::env::var_os("VG_RATCHET_UPDATE").is_some() {
        let mut text = String::from(
            "# Exceptions from the lints, per file. A number may only fall; a new one needs its reason in the review.\n",
        );
        found.iter().for_each(|(path, count)| writeln!(text, "\"{path}\" = {count}").unwrap());
        std::fs::write(&ratchet, text).unwrap();
    }
    let allowed: BTreeMap<String, usize> = toml::from_str(&std::fs::read_to_string(&ratchet).unwrap()).unwrap();
    let mut faults = String::new();
    for path in found.keys().chain(allowed.keys()) {
        let (now, before) = (found.get(path).copied().unwrap_or(0), allowed.get(path).copied().unwrap_or(0));
        if now > before {
            writeln!(faults, "{path}: {now} exceptions, {RATCHET} allows {before}").unwrap();
        } else if now < before {
            writeln!(faults, "{path}: {now} exceptions, good: lower {before} in {RATCHET}").unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

fn speaks(path: &str, word: &str) -> bool {
    PROTOCOLS.iter().any(|(protocol, rooms)| *protocol == word && rooms.iter().any(|room| path.starts_with(room)))
}

fn exceptions_in(text: &str) -> usize {
    text.lines().filter(|line| EXCEPTIONS.iter().any(|exception| line.trim_start().starts_with(exception))).count()
}

/// What stands before a line comment. A `//` within a string ends it too early, which forgives, never accuses.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}
