//! Two hundred healthy sessions keep their rhythm whatever a hostile plugin does beside them, and its memory comes back.
//!
//! What is compared is the delay from a chunk's due time to its answer, with and without the hostile guest, in one process and
//! within seconds: a busy machine slows both alike.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a broken test stops; figures are its report"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vg_plugin_host::api::{AudioFormat, Encoding, SessionStart, SessionTag, SttInput};
use vg_plugin_host::session::{SttEvent, SttSession};
use vg_plugin_host::{HostConfig, Plugin, PluginHost, Trust};

const HEALTHY: usize = 200;
const CHUNK: Duration = Duration::from_millis(100);
const ROUNDS: u32 = 5;
/// How much later than in the quiet run the slowest hundredth of answers may be.
const GRACE: Duration = Duration::from_millis(10);
/// The machine may be busy just then: a hostile guest that gets through does so every time.
const TRIES: usize = 4;
/// What an allocator keeps for itself.
const RESIDENT_SLACK_BYTES: u64 = 24 << 20;

const HOSTILE: &[(&str, &str)] = &[
    ("probe-stt", "trap"),
    ("probe-stt", "loop"),
    ("probe-stt", "memory-bomb"),
    ("probe-stt", "recurse"),
    ("probe-stt", "effect-flood"),
    ("probe-stt", "output-flood"),
    ("probe-stt", "log-flood"),
    ("probe-stt", "timer-flood"),
    ("probe-stt", "link-flood"),
    ("probe-stt", "handles"),
    ("probe-stt", "bad-utf8"),
    ("probe-stt", "absurd-length"),
    ("probe-stt-constructor-loop", "echo"),
    ("probe-stt-constructor-trap", "echo"),
];

struct House {
    host: PluginHost,
    healthy: Vec<SttSession>,
}

#[test]
fn healthy_sessions_keep_their_rhythm_beside_every_kind_of_hostile_one() {
    let cache = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let host = PluginHost::new(HostConfig::new(cache.path())).unwrap();
    let plugin = host.load(&built("probe-stt")).unwrap();
    let healthy = (0..HEALTHY).map(|_| open(&host, &plugin, "echo")).collect();
    let mut house = House { host, healthy };
    house.rhythm(None);
    let resident_before = resident_bytes();
    for (component, behave) in HOSTILE {
        let hostile = house.host.load(&built(component)).unwrap();
        let mut found = Vec::new();
        let kept = (0..TRIES).any(|_| {
            let quiet = house.rhythm(None);
            let beside = house.rhythm(Some((&hostile, behave)));
            found.push((quiet, beside));
            beside <= quiet + GRACE
        });
        println!("{component} {behave}: p99 of chunk delay quiet and beside it {:?}", found.last().unwrap());
        assert!(kept, "{component} {behave}: {found:?}");
    }
    // Ours are called at once, for the sake of speed: what that may cost is reported, not gated.
    let ours = house.host.load_as(&built("probe-stt"), Trust::FirstParty).unwrap();
    println!("first-party loop: p99 of chunk delay beside it {:?}", house.rhythm(Some((&ours, "loop"))));
    house.rhythm(None);
    let resident = resident_bytes();
    println!("resident before {} MiB, after {} MiB", resident_before >> 20, resident >> 20);
    assert!(resident <= resident_before + RESIDENT_SLACK_BYTES, "{resident_before} bytes before, {resident} after");
}

impl House {
    /// The delay's 99th percentile over some rounds of chunks, one after another per session, while one hostile session after
    /// another runs beside.
    fn rhythm(&mut self, hostile: Option<(&Arc<Plugin>, &str)>) -> Duration {
        let mut delays = Vec::with_capacity(HEALTHY * ROUNDS as usize);
        let mut beside: Option<SttSession> = None;
        let began = Instant::now();
        let step = CHUNK / HEALTHY as u32;
        for slot in 0..ROUNDS * HEALTHY as u32 {
            let due = began + step * slot;
            if let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            if let Some((plugin, behave)) = hostile
                && beside.as_mut().is_none_or(ended)
            {
                let session = open(&self.host, plugin, behave);
                // One that fell in its constructor hears it no more.
                let _ = session.input.try_send(SttInput::Audio(vec![0; 320]));
                beside = Some(session);
            }
            let session = &mut self.healthy[slot as usize % HEALTHY];
            let asked = Instant::now();
            session.input.try_send(SttInput::Audio(vec![0; 1600])).unwrap();
            let answer = session.events.blocking_recv().unwrap();
            assert!(matches!(answer, SttEvent::Partial(_)), "{answer:?}");
            delays.push(asked.elapsed());
        }
        delays.sort_unstable();
        delays[delays.len() * 99 / 100]
    }
}

fn ended(session: &mut SttSession) -> bool {
    while let Ok(event) = session.events.try_recv() {
        if matches!(event, SttEvent::Ended(_)) {
            return true;
        }
    }
    session.input.is_closed()
}

fn open(host: &PluginHost, plugin: &Arc<Plugin>, behave: &str) -> SttSession {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
    let options = format!(r#"{{"behave":"{behave}","at":1}}"#);
    let start = SessionStart { format, language: "en-US".into(), options, seed: [7; 32] };
    host.open_stt(plugin, start, SessionTag::default()).unwrap()
}

fn built(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../../target/plugins/test/{name}.wasm"));
    assert!(path.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
    path
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
