//! The conformance kit is itself on trial: a good guest passes, and each defect is found by the scenario made for it and no other.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use vg_plugin_host::api::{AudioFormat, Encoding, Fields, Kind, LinkInput, Now, Payload, SessionStart};
use vg_plugin_host::recording::{Header, Recording, Told, Turn, Words};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};
use vg_plugin_kit::conform::{Row, SCENARIOS, Verdict, conform};

fn plugin(name: &str) -> Arc<Plugin> {
    static SHOP: OnceLock<(PluginHost, TempDir)> = OnceLock::new();
    let (host, _) = SHOP.get_or_init(|| {
        let cache = tempfile::tempdir().unwrap();
        let mut config = HostConfig::new(cache.path());
        config.light.sessions_max = 16;
        (PluginHost::new(config).unwrap(), cache)
    });
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
    host.load(&path).unwrap()
}

/// Writes a good session by hand: what a `run --record` against a well-behaved vendor gives.
struct Scribe {
    turns: Vec<Turn>,
    kind: Kind,
}

impl Scribe {
    fn new(kind: Kind) -> Self {
        Self { turns: vec![], kind }
    }

    fn turn(&mut self, at_ms: u64, told: Told, said: &[Value]) {
        let now = Now { mono_us: 5_000_000 + at_ms * 1000, unix_ms: 1_700_000_000_000 + at_ms };
        self.turns.push(Turn {
            now,
            told,
            signatures: vec![],
            said: Some(said.iter().map(|effect| json!({ "link": effect })).collect()),
        });
    }

    fn message(&mut self, at_ms: u64, message: &Value) {
        self.turn(at_ms, Told::Link(LinkInput::Text(1, Payload(message.to_string().into_bytes()))), &[]);
    }

    fn opened(&mut self, at_ms: u64, status: u16, headers: Fields) {
        self.turn(at_ms, Told::Link(LinkInput::Opened { id: 1, status, headers }), &[]);
    }

    fn recording(self) -> Recording {
        let start = start(r#"{}"#);
        let header = Header {
            plugin: "probe-vendor".into(),
            version: "0.1.0".into(),
            digest: String::new(),
            kind: self.kind,
            start,
            words: Words::Hashed,
        };
        Recording { header, turns: self.turns }
    }
}

fn start(options: &str) -> SessionStart {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
    SessionStart { format, language: "en-US".into(), options: options.into(), seed: [7; 32] }
}

/// Two utterances: the vendor ends the first by itself, `finalize` ends the second.
fn heard_well() -> Recording {
    let mut scribe = Scribe::new(Kind::Stt);
    let send = json!({ "send-bytes": { "id": 1 } });
    scribe.turn(0, Told::Start(start("{}")), &[json!({ "websocket": { "id": 1 } }), json!({ "send-text": { "id": 1 } })]);
    scribe.opened(80, 101, vec![]);
    let words = |kind: &str, id: u64, text: &str, start: u64, end: u64| json!({ "type": kind, "id": id, "text": text, "start": start, "end": end });
    for chunk in 1..=20 {
        let at_ms = chunk * 100;
        scribe.turn(at_ms, Told::Audio(vec![0x11; 1600]), std::slice::from_ref(&send));
        match chunk {
            6 => scribe.message(at_ms + 20, &words("partial", 1, "good", 0, 500)),
            11 => scribe.message(at_ms + 20, &words("partial", 1, "good morning", 0, 1000)),
            13 => scribe.message(at_ms + 30, &words("final", 1, "good morning", 0, 1200)),
            17 => scribe.message(at_ms + 20, &words("partial", 2, "how", 1300, 1600)),
            _ => {}
        }
    }
    scribe.turn(2050, Told::Finalize, &[json!({ "send-text": { "id": 1 } })]);
    scribe.message(2200, &words("final", 2, "how are you", 1300, 2000));
    scribe.message(2210, &json!({ "type": "finalized" }));
    scribe.turn(2300, Told::End, &[json!({ "finish": { "id": 1 } })]);
    scribe.turn(2350, Told::Link(LinkInput::Finished(1, Some(1000))), &[]);
    scribe.recording()
}

/// One reply in ten pieces.
fn spoken_well() -> Recording {
    let mut scribe = Scribe::new(Kind::Tts);
    scribe.turn(0, Told::Start(start("{}")), &[]);
    scribe.turn(10, Told::Text("Good morning.".into()), &[]);
    scribe.turn(20, Told::Flush(1), &[json!({ "http": { "id": 1 } })]);
    let fields = [("content-type", "audio/pcm"), ("content-length", "16000")];
    scribe.opened(150, 200, fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    for piece in 0..10u64 {
        let samples = (0..1600u64).map(|at| (piece * 31 + at * 7 + at / 256) as u8).collect();
        scribe.turn(200 + piece * 40, Told::Link(LinkInput::Bytes(1, Payload(samples))), &[]);
    }
    scribe.turn(600, Told::Link(LinkInput::Finished(1, None)), &[]);
    scribe.turn(700, Told::End, &[]);
    scribe.recording()
}

fn rows(plugin: &Plugin, session: Option<&Recording>, defect: &str) -> Vec<Row> {
    conform(plugin, "all", session, Some(json!({ "defect": defect }).to_string())).unwrap()
}

fn named(rows: &[Row], holds: fn(&Verdict) -> bool) -> Vec<&'static str> {
    rows.iter().filter(|row| holds(&row.verdict)).map(|row| row.scenario.name).collect()
}

fn faults(rows: &[Row]) -> Vec<&'static str> {
    named(rows, |verdict| matches!(verdict, Verdict::Fail(_)))
}

fn table(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("\n{row}")).collect()
}

/// Scenarios that mean nothing for a kind or for its way to speak with a vendor.
fn not_applicable(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Stt => &["odd-split"],
        _ => &["late-final", "final-without-partials", "duplicate-finals", "out-of-order", "idle-close", "silence-only"],
    }
}

fn each_defect_is_found(name: &str, kind: Kind, session: &Recording) {
    let plugin = plugin(name);
    let good = rows(&plugin, Some(session), "");
    assert_eq!(faults(&good), Vec::<&str>::new(), "{}", table(&good));
    assert_eq!(named(&good, |verdict| matches!(verdict, Verdict::NotApplicable(_))), not_applicable(kind), "{}", table(&good));
    for scenario in SCENARIOS.iter().filter(|scenario| !not_applicable(kind).contains(&scenario.name)) {
        let rows = rows(&plugin, Some(session), scenario.name);
        assert_eq!(faults(&rows), [scenario.name], "{}", table(&rows));
    }
}

#[test]
fn each_defect_of_a_listener_is_found_by_its_scenario_alone() {
    each_defect_is_found("test/probe-vendor-stt", Kind::Stt, &heard_well());
}

#[test]
fn each_defect_of_a_speaker_is_found_by_its_scenario_alone() {
    each_defect_is_found("test/probe-vendor-tts", Kind::Tts, &spoken_well());
}

#[test]
fn without_a_good_session_only_refused_links_are_played() {
    for name in ["test/probe-vendor-stt", "test/probe-vendor-tts"] {
        let plugin = plugin(name);
        let played = rows(&plugin, None, "");
        assert_eq!(faults(&played), Vec::<&str>::new(), "{}", table(&played));
        let passed = named(&played, |verdict| *verdict == Verdict::Pass);
        assert!(passed.len() == 8 && passed.contains(&"rate-limited"), "{}", table(&played));
        assert!(named(&played, |verdict| *verdict == Verdict::NeedsSession).contains(&"half-open"));
        assert_eq!(faults(&rows(&plugin, None, "rate-limited")), ["rate-limited"]);
    }
}

fn conforms_without_a_vendor(name: &str, options: Option<&str>) {
    let rows = conform(&plugin(name), "all", None, options.map(str::to_owned)).unwrap();
    assert_eq!(faults(&rows), Vec::<&str>::new(), "{name}{}", table(&rows));
    let passed = named(&rows, |verdict| *verdict == Verdict::Pass);
    assert!(passed.contains(&"cancel-everywhere") && passed.contains(&"finalize-twice"), "{name}{}", table(&rows));
}

#[test]
fn our_own_listener_conforms() {
    conforms_without_a_vendor("stt-local", Some(r#"{"keywords":["hello"]}"#));
}

#[test]
fn our_own_speaker_conforms() {
    conforms_without_a_vendor("tts-local", None);
}

#[test]
fn a_guest_that_falls_or_a_session_that_is_not_good_is_said_so() {
    let plugin = plugin("test/probe-vendor-stt");
    let error = conform(&plugin, "all", Some(&heard_well()), Some(r#"{"defect":1"#.into())).unwrap_err();
    assert_eq!(error.code(), "not-good");
    assert!(error.to_string().contains("invalid-options"), "{error}");
    assert_eq!(conform(&plugin, "no-such", None, None).unwrap_err().code(), "unknown-scenario");
    assert_eq!(conform(&plugin, "all", Some(&spoken_well()), None).unwrap_err().code(), "other-kind");
}
