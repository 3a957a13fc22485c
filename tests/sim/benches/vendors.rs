//! What each vendor's plugin costs: CPU of its guest per second of sound, memory of a session, size of the component, held against the
//! budget; and what a live session costs with everything around it. `cargo xtask bench vendors [PLUGIN]`; `README.md` says how it is measured.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a bench stops where it breaks")]

#[path = "../../../host/crates/plugin-host/benches/paced/figures.rs"]
mod figures;
#[path = "vendors/driven.rs"]
mod driven;
#[path = "vendors/live.rs"]
mod live;
#[path = "vendors/replayed.rs"]
mod replayed;

use figures::{Table, own_cpu, percentile};
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use vg_plugin_host::api::Kind;
use vg_plugin_host::recording::Recording;
use vg_plugin_host::session::SessionEnd;
use vg_sim::{Rig, recordings};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Guests that are told the recording turn by turn, so that none finds its memory in the caches.
    pub(crate) guests: usize,
    /// Sessions whose memory no cache holds.
    pub(crate) crowd: usize,
    pub(crate) rounds: usize,
    /// Live sessions.
    pub(crate) sessions: usize,
}

/// What a plugin may cost in microseconds of CPU per second of sound, by how its sound travels.
#[derive(Clone, Copy, Debug)]
enum Budget {
    RawEar,
    /// Signed, or as base64.
    WrappedEar,
    RawMouth,
    Base64Mouth,
}

const COMPONENT_KIB_MAX: f64 = 600.0;

impl Budget {
    fn of(plugin: &str, kind: Kind) -> Self {
        match (plugin, kind) {
            ("stt-aws" | "stt-whisper", _) => Self::WrappedEar,
            ("tts-elevenlabs", _) => Self::Base64Mouth,
            (_, Kind::Stt) => Self::RawEar,
            _ => Self::RawMouth,
        }
    }

    fn us(self) -> f64 {
        match self {
            Self::RawEar => 100.0,
            Self::WrappedEar => 300.0,
            Self::RawMouth => 150.0,
            Self::Base64Mouth => 400.0,
        }
    }
}

/// The simulators' thread is its own, so that what they use can be taken off.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` asks every bench whether it still starts.
    let trial = arguments.iter().any(|argument| argument == "--test");
    let size = match trial {
        true => Size { guests: 10, crowd: 20, rounds: 1, sessions: 2 },
        false => Size { guests: 200, crowd: 1000, rounds: 9, sessions: 50 },
    };
    let chosen = |name: &str| {
        let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        words.is_empty() || words.iter().any(|word| *word == name)
    };
    let mut table = Table::default();
    for name in accounts().iter().filter(|name| chosen(name)) {
        let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{name}.wasm"));
        assert!(component.is_file(), "{name}.wasm is not built: run cargo xtask plugins {name}");
        measure(name, &component, size, &mut table);
    }
    println!("{table}");
}

/// Plugins that a vendor's account was written for.
fn accounts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("accounts");
    let accounts = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = accounts
        .filter(|account| account.join("options.toml").is_file())
        .map(|account: PathBuf| account.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn measure(name: &str, component: &Path, size: Size, table: &mut Table) {
    let vendor = one_thread();
    let mut rig = vendor.block_on(Rig::new(name)).unwrap();
    let recording = vendor.block_on(recorded(&mut rig));
    let budget = Budget::of(name, recording.header.kind);
    let mut guest = replayed::guests(component, &recording, size);
    let kib = std::fs::metadata(component).unwrap().len() as f64 / 1024.0;
    let spread = |durations: &mut [std::time::Duration], share| percentile(durations, share).as_secs_f64() * 1e6;
    let median = spread(&mut guest.cpu_per_s, 0.5);
    let mut both = driven::sessions(component, &recording, size.guests, size.rounds);
    let name_of_both = format!("{name}: CPU of guest and session's task per second of sound ({budget:?})");
    table.row(name_of_both, spread(&mut both, 0.5), "us", Some(budget.us()));
    table.row(format!("{name}: the same, worst round"), spread(&mut both, 1.0), "us", None);
    let mut crowd = driven::sessions(component, &recording, size.crowd, size.rounds.div_ceil(3));
    table.row(format!("{name}: the same, {} sessions", size.crowd), spread(&mut crowd, 0.5), "us", None);
    table.row(format!("{name}: CPU of the guest alone"), median, "us", None);
    table.row(format!("{name}: the same, worst round"), spread(&mut guest.cpu_per_s, 1.0), "us", None);
    table.row(format!("{name}: calls of the guest per second of sound"), guest.calls_per_s, "", None);
    table.row(format!("{name}: start of a guest"), spread(&mut guest.starts, 0.5), "us", Some(100.0));
    table.row(format!("{name}: resident memory of a guest"), guest.memory_kib, "KiB", None);
    table.row(format!("{name}: component"), kib, "KiB", Some(COMPONENT_KIB_MAX));
    let whole = live::sessions(&vendor, &rig, size);
    table.row(format!("{name}: {} live sessions, all of the host, per second of sound", size.sessions), whole, "us", None);
}

/// A good session, as the conformance kit is given it.
async fn recorded(rig: &mut Rig) -> Recording {
    let options = rig.account().unwrap();
    let descriptor = rig.plugin.descriptor().clone();
    let format = descriptor.formats[0];
    let (outcome, recording) = match descriptor.kind {
        Kind::Stt => {
            let did = rig.listen(options, format, "en-US", &recordings()[0].samples(format.rate_hz)).await.unwrap();
            (did.outcome, did.recording)
        }
        _ => {
            let did = rig.speak(options, format, "en-US", &live::REPLIES).await.unwrap();
            (did.outcome, did.recording)
        }
    };
    assert_eq!(outcome.end, Some(SessionEnd::Done), "{}", descriptor.id);
    recording
}

/// CPU time of a runtime's only worker so far.
pub(crate) fn cpu_of(runtime: &Runtime) -> std::time::Duration {
    runtime.block_on(runtime.spawn(async { own_cpu() })).unwrap()
}
