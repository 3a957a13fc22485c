//! What a probe was asked to do by its options, and the bad things a guest can do without asking anybody.
//!
//! `{"behave": "...", "at": N}`: the behaviour strikes at the Nth piece of audio or text (1 where not said; 0 is `start`).

use serde_json::Value;
use vg_plugin_sdk::{Fault, FaultKind};

/// JSON Schema of the options. Loose on purpose: a probe serves tests, not tenants.
pub const SCHEMA: &str =
    r#"{"type":"object","properties":{"behave":{"type":"string"},"at":{"type":"integer"},"fault":{"type":"string"}}}"#;

/// What strikes.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// `echo`: answers every input plainly.
    Echo,
    /// `trap`: traps.
    Trap,
    /// `loop`: never returns.
    Loop,
    /// `memory-bomb`: allocates 1 MiB at a time until it may not.
    MemoryBomb,
    /// `recurse`: overflows its stack.
    Recurse,
    /// `effect-flood`: a million small effects in one answer.
    EffectFlood,
    /// `output-flood`: 8 MiB in one answer.
    OutputFlood,
    /// `log-flood`: ten thousand log lines of 1 KiB, then plain.
    LogFlood,
    /// `timer`: timer 7 after 20 ms.
    Timer,
    /// `timer-flood`: ten thousand timers.
    TimerFlood,
    /// `timers`: one timer more than a session may have.
    Timers,
    /// `link-flood`: one try to open a link more than a session may make.
    LinkFlood,
    /// `handles`: a hundred thousand handles to resources of its own.
    Handles,
    /// `bad-utf8`: a text that is none.
    BadUtf8,
    /// `absurd-length`: a list that would reach far beyond its memory.
    AbsurdLength,
    /// `trap-at-end`: traps when it is dropped.
    TrapAtEnd,
    /// `open-link`: a WebSocket to `wss://example.invalid/`.
    OpenLink,
    /// `route-audio`: audio routed to a link that was never opened.
    RouteAudio,
    /// `curious`: posts what `asks` says, `[{"url", "headers": {}, "body"}]`, and repeats every answer in full as a final.
    Curious(Vec<Ask>),
    /// `asset`: asks for the size of the asset `model`.
    Asset,
    /// `fail`: fails with the fault named by `fault`, for example `"auth"`.
    Fail(Fault),
}

/// A request of a curious guest.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Where to.
    pub url: String,
    /// What goes along.
    pub headers: Vec<(String, String)>,
    /// What is posted.
    pub body: String,
    /// Name of the secret that the host signs with, as an event stream of Amazon Web Services.
    pub signed_by: Option<String>,
}

impl Ask {
    fn read(ask: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = ask["headers"].as_object().into_iter().flatten();
        Self {
            url: text(&ask["url"]),
            headers: headers.map(|(name, value)| (name.clone(), text(value))).collect(),
            body: text(&ask["body"]),
            signed_by: ask["signed_by"].as_str().map(str::to_owned),
        }
    }
}

/// What strikes, and when.
#[derive(Debug)]
pub struct Settings {
    /// What strikes.
    pub behaviour: Behaviour,
    /// At which piece of audio or text the behaviour strikes; 0 is `start`.
    pub at: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { behaviour: Behaviour::Echo, at: 1 }
    }
}

impl Settings {
    /// Fails with `invalid-options` for what no probe knows.
    pub fn parse(options: &str) -> Result<Self, Fault> {
        let options: Value = match options {
            "" => Value::Null,
            text => serde_json::from_str(text).map_err(|error| Fault::option("", error.to_string()))?,
        };
        let behaviour = match options["behave"].as_str().unwrap_or("echo") {
            "echo" => Behaviour::Echo,
            "trap" => Behaviour::Trap,
            "loop" => Behaviour::Loop,
            "memory-bomb" => Behaviour::MemoryBomb,
            "recurse" => Behaviour::Recurse,
            "effect-flood" => Behaviour::EffectFlood,
            "output-flood" => Behaviour::OutputFlood,
            "log-flood" => Behaviour::LogFlood,
            "timer" => Behaviour::Timer,
            "timer-flood" => Behaviour::TimerFlood,
            "timers" => Behaviour::Timers,
            "link-flood" => Behaviour::LinkFlood,
            "handles" => Behaviour::Handles,
            "bad-utf8" => Behaviour::BadUtf8,
            "absurd-length" => Behaviour::AbsurdLength,
            "trap-at-end" => Behaviour::TrapAtEnd,
            "open-link" => Behaviour::OpenLink,
            "route-audio" => Behaviour::RouteAudio,
            "curious" => Behaviour::Curious(options["asks"].as_array().into_iter().flatten().map(Ask::read).collect()),
            "asset" => Behaviour::Asset,
            "fail" => Behaviour::Fail(fault(options["fault"].as_str().unwrap_or("internal"))?),
            _ => return Err(Fault::option("/behave", "unknown behaviour")),
        };
        Ok(Self { behaviour, at: options["at"].as_u64().unwrap_or(1) })
    }
}

fn fault(name: &str) -> Result<Fault, Fault> {
    let kind = match name {
        "auth" => FaultKind::Auth,
        "quota" => FaultKind::Quota(Some(1_000)),
        "unsupported" => FaultKind::Unsupported,
        "unavailable" => FaultKind::Unavailable,
        "protocol" => FaultKind::Protocol,
        "bad-audio" => FaultKind::BadAudio,
        "empty-result" => FaultKind::EmptyResult,
        "session-limit" => FaultKind::SessionLimit,
        "internal" => FaultKind::Internal,
        _ => return Err(Fault::option("/fault", "unknown fault")),
    };
    Ok(Fault::new(kind, "as the options asked"))
}

/// Traps.
#[expect(clippy::panic, reason = "this is the guest that traps")]
pub fn trap() -> ! {
    panic!("as the options asked")
}

/// Never returns.
pub fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// Allocates until the guest may not.
pub fn allocate_for_ever() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, or the pages would never be real.
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

/// Overflows the stack. Each frame holds something, and what follows the call keeps it from becoming a jump.
#[expect(unconditional_recursion, reason = "this is the guest that overflows its stack")]
pub fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    recurse(depth + 1) + std::hint::black_box(frame)[7]
}

/// A text that is none: what a guest in a language without strings of its own might give.
pub fn not_utf8() -> String {
    // SAFETY: none. The text goes to the host unread, and the host has to find out.
    unsafe { String::from_utf8_unchecked(std::hint::black_box(vec![0xc3, 0x28, 0xff])) }
}

/// Bytes that reach far beyond the guest's memory.
pub fn beyond_memory() -> Vec<u8> {
    const LEN: usize = i32::MAX as usize;
    // SAFETY: none. The bytes go to the host unread, and the host has to find out.
    unsafe { Vec::from_raw_parts(std::ptr::without_provenance_mut(8), LEN, LEN) }
}
