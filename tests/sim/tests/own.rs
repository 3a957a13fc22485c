//! A company's own engine: `stt-http` and `tts-http` in the plugin host, against an engine that is strict.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

#[path = "own/document.rs"]
mod document;
#[path = "own/listener.rs"]
mod listener;
#[path = "own/speaker.rs"]
mod speaker;

use serde_json::{Value, json};
use vg_plugin_host::api::{AudioFormat, Encoding, Fault, FaultKind};
use vg_plugin_host::session::SessionEnd;
use vg_sim::{Rig, pcm};

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
const ALAW: AudioFormat = AudioFormat { encoding: Encoding::Alaw, rate_hz: 8_000 };
const NARROW: AudioFormat = pcm(8_000);
const WIDE: AudioFormat = pcm(16_000);

/// The plugin with the account of its readme.
async fn rig(name: &str) -> (Rig, Value) {
    let mut rig = Rig::new(name).await.unwrap();
    let options = rig.account().unwrap();
    (rig, options)
}

fn with(options: &Value, more: Value) -> Value {
    let mut options = options.clone();
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn fault(end: Option<SessionEnd>) -> Fault {
    match end {
        Some(SessionEnd::Fault(fault)) => fault,
        other => panic!("no fault but {other:?}"),
    }
}

/// What the protocol's refusals are to the ladder: trouble, its number, the fault.
fn refusals() -> Vec<(String, u32, FaultKind)> {
    let quota = |retry_after_ms| FaultKind::Quota { retry_after_ms };
    let statuses = [
        (401, 0, FaultKind::Auth),
        (403, 0, FaultKind::Auth),
        (404, 0, FaultKind::Unsupported),
        (400, 0, FaultKind::Protocol),
        (429, 0, quota(None)),
        (429, 7, quota(Some(7_000))),
        (500, 0, FaultKind::Unavailable),
        (503, 0, FaultKind::Unavailable),
    ];
    let codes = [
        ("unauthorized", 0, FaultKind::Auth),
        ("unsupported", 0, FaultKind::Unsupported),
        ("rate_limited", 1_500, quota(Some(1_500))),
        ("rate_limited", 0, quota(None)),
        ("quota_exhausted", 0, quota(None)),
        ("busy", 0, FaultKind::SessionLimit),
        ("bad_audio", 0, FaultKind::BadAudio),
        ("bad_message", 0, FaultKind::Protocol),
        ("unavailable", 0, FaultKind::Unavailable),
        ("internal", 0, FaultKind::Unavailable),
    ];
    let statuses = statuses.map(|(status, number, kind)| (format!("http-{status}"), number, kind));
    let codes = codes.map(|(code, number, kind)| (format!("error-{code}"), number, kind));
    statuses.into_iter().chain(codes).collect()
}

/// Nothing of what an engine says in its own words gets into a log.
fn says_nothing_of_the_engines(fault: &Fault) {
    assert!(!fault.detail.contains("hello"), "{}", fault.detail);
}

/// What a fault says of options.
fn paths(fault: &Fault) -> Value {
    match &fault.kind {
        FaultKind::InvalidOptions(faults) => json!(faults.iter().map(|fault| fault.path.clone()).collect::<Vec<_>>()),
        other => panic!("no fault of options but {other:?}"),
    }
}
