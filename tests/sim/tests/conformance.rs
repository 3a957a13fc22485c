//! Every plugin of the product passes the conformance kit on a session recorded against its vendor's simulator; the table in
//! `plugins/README.md` is what came out (`VG_CONFORMANCE_UPDATE=1` writes it).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vg_plugin_host::api::Kind;
use vg_plugin_host::recording::Recording;
use vg_plugin_host::session::SessionEnd;
use vg_plugin_kit::conform::{SCENARIOS, Verdict, conform};
use vg_sim::{Rig, recordings};

const BEGIN: &str = "<!-- conformance: written by the test of that name -->\n";
const END: &str = "<!-- end of conformance -->\n";

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")
}

/// The plugins of the product that reach a vendor or speak by themselves; `stt-local` has its own stories, it needs the speech of its model. A mask has no
/// bad day: `pci-mask` has its tests in its own folder.
fn names() -> Vec<String> {
    let folders = std::fs::read_dir(plugins()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = folders
        .filter(|folder| folder.join("plugin.toml").is_file())
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "stt-local" && name != "pci-mask")
        .collect();
    names.sort();
    names
}

async fn verdicts(name: &str) -> BTreeMap<&'static str, Verdict> {
    let mut rig = Rig::new(name).await.unwrap();
    let recording = if name.ends_with("-local") { None } else { Some(good_session(&mut rig).await) };
    let rows = conform(&rig.plugin, "all", recording.as_ref(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
    rows.into_iter().map(|row| (row.scenario.name, row.verdict)).collect()
}

async fn good_session(rig: &mut Rig) -> Recording {
    let options = rig.account().unwrap();
    let descriptor = rig.plugin.descriptor().clone();
    let (outcome, recording) = match descriptor.kind {
        Kind::Stt => {
            let sound = &recordings()[0];
            let format = descriptor.formats[0];
            let did = rig.listen(options, format, "en-US", &sound.samples(format.rate_hz)).await.unwrap();
            assert_eq!(did.words(), sound.texts().join(" "), "{}: {:?}", descriptor.id, did.events);
            (did.outcome, did.recording)
        }
        _ => {
            let replies = ["Good morning, how can I help you?", "One moment please."];
            let did = rig.speak(options, descriptor.formats[0], "en-US", &replies).await.unwrap();
            (did.outcome, did.recording)
        }
    };
    assert_eq!(outcome.end, Some(SessionEnd::Done), "{}", descriptor.id);
    assert_eq!(rig.sim.offences(), [], "{}", descriptor.id);
    recording
}

fn table(all: &BTreeMap<String, BTreeMap<&'static str, Verdict>>) -> String {
    let mut table = String::from("| Scenario |");
    all.keys().for_each(|name| write!(table, " {name} |").unwrap());
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(all.len()));
    for scenario in SCENARIOS {
        write!(table, "\n| {} |", scenario.name).unwrap();
        for verdicts in all.values() {
            let verdict = match &verdicts[scenario.name] {
                Verdict::Pass => "pass",
                Verdict::Fail(_) => "**FAIL**",
                Verdict::NotApplicable(_) => "n/a",
                Verdict::NeedsSession => "?",
            };
            write!(table, " {verdict} |").unwrap();
        }
    }
    table.push('\n');
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plugin_passes_the_kit_and_the_table_says_so() {
    let mut all = BTreeMap::new();
    let mut faults = String::new();
    for name in names() {
        let verdicts = verdicts(&name).await;
        for (scenario, verdict) in &verdicts {
            if !matches!(verdict, Verdict::Pass | Verdict::NotApplicable(_)) {
                writeln!(faults, "{name}: {scenario}: {verdict:?}").unwrap();
            }
        }
        all.insert(name, verdicts);
    }
    let readme = plugins().join("README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("plugins/README.md has a place for the table");
    let (written, after) = rest.split_once(END).expect("plugins/README.md has an end of the table");
    let table = table(&all);
    if std::env::var_os("VG_CONFORMANCE_UPDATE").is_some() {
        std::fs::write(&readme, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "run this test with VG_CONFORMANCE_UPDATE=1");
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plugin_of_a_vendor_has_a_telephones_format_first_and_knows_our_languages() {
    for name in names().into_iter().filter(|name| !name.ends_with("-local")) {
        let rig = Rig::new(&name).await.unwrap();
        let descriptor = rig.plugin.descriptor();
        let first = descriptor.formats[0];
        assert_eq!(first.rate_hz, 8000, "{name}: {:?}", descriptor.formats);
        assert!(!descriptor.hosts.is_empty() || name.ends_with("-http"), "{name} says not where it goes");
        let knows = |wanted: &str| descriptor.languages.iter().any(|tag| tag.starts_with(wanted));
        // Where none is named, any may be asked for.
        let known = ["en-US", "pt-BR", "es"].map(|wanted| descriptor.languages.is_empty() || knows(wanted));
        assert_eq!(known, [true; 3], "{name}: {:?}", descriptor.languages);
    }
}
