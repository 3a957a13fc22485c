//! What a plugin costs, against the budget of the house. Times are CPU time of this thread, so that a busy machine does not accuse.
//!
//! The guest is called directly: what the host's own session task adds is measured by the benches of `vg-plugin-host`. Links
//! are answered at once with a plain good head, so that a plugin with a vendor streams as it would in life.

use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use vg_plugin_host::api::{
    AudioFormat, Authentication, AwsPayload, AwsSigV4, Compute, Encoding, HttpOpen, Kind, LinkEffect, LinkInput, MaskSettings,
    Now, Segment, SessionStart, Signed, SpanKind, TextSource,
};
use vg_plugin_host::recording::{AnyInstance, Said, Told};
use vg_plugin_host::{Plugin, SessionError};

/// Chunks of 100 ms that are measured, after as many that only warm up.
const CHUNKS: usize = 500;
const SESSIONS: usize = 64;
/// A heavy plugin is not measured with many sessions.
const SESSIONS_HEAVY: usize = 4;

/// Budget of a light plugin written in a compiled language.
const CHUNK_US_MAX: f64 = 10.0;
/// That of a masker, for a segment: the call stands still meanwhile.
const SEGMENT_US_MAX: f64 = 20.0;
/// The same for memory of one session.
pub const SESSION_KIB_MAX: f64 = 64.0;
/// The same for the start of a session, up to the answer to `start`.
pub const START_US_MAX: f64 = 100.0;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// What one piece of work is: a chunk of 100 ms, 100 ms of speech, or a segment.
    pub unit: &'static str,
    /// CPU of one piece: median, in microseconds.
    pub chunk_us: f64,
    /// What it may be.
    pub budget_us: f64,
    /// The slowest single call after the start, in microseconds.
    pub worst_us: f64,
    /// CPU of instantiation, constructor and `start`: median, in microseconds.
    pub start_us: f64,
    /// Resident memory of one more session, in KiB.
    pub session_kib: f64,
    /// Whether the budget is meant for it: light ones.
    pub light: bool,
}

impl Cost {
    /// What is over the budget; always empty for heavy plugins, which are granted theirs.
    pub fn over_budget(&self) -> Vec<&'static str> {
        let rows = [
            ("cpu", self.chunk_us > self.budget_us),
            ("memory", self.session_kib > SESSION_KIB_MAX),
            ("start", self.start_us > START_US_MAX),
        ];
        rows.into_iter().filter(|(_, over)| *over && self.light).map(|(what, _)| what).collect()
    }
}

/// Measures; blocks for a second or two.
///
/// # Errors
/// Where the plugin falls.
pub fn bench(plugin: &Plugin, options: &str) -> Result<Cost, SessionError> {
    let light = plugin.descriptor().compute == Compute::Light;
    let sessions = if light { SESSIONS } else { SESSIONS_HEAVY };
    // The first session pays for what all share.
    Session::open(plugin, options)?;
    let mut starts = Vec::new();
    let (mut held, before_kib) = (Vec::new(), resident_kib());
    for _ in 0..sessions {
        let (session, us) = timed(|| Session::open(plugin, options));
        held.push(session?);
        starts.push(us);
    }
    for session in &mut held {
        session.work()?;
    }
    let session_kib = (resident_kib() - before_kib).max(0.0) / sessions as f64;
    held.truncate(1);
    let mut calls = Vec::new();
    let rounds = if light { 2 * CHUNKS } else { CHUNKS / 10 };
    for _ in 0..rounds {
        let (worked, us) = timed(|| held[0].work());
        calls.push(us / worked?.max(1.0));
    }
    let measured = &mut calls[rounds / 2..];
    measured.sort_by(f64::total_cmp);
    starts.sort_by(f64::total_cmp);
    let (unit, budget_us) = match plugin.descriptor().kind {
        Kind::Stt => ("100 ms of sound heard", CHUNK_US_MAX),
        Kind::Tts => ("100 ms of speech made", CHUNK_US_MAX),
        Kind::Mask => ("segment", SEGMENT_US_MAX),
    };
    let (chunk_us, start_us) = (measured[measured.len() / 2], starts[starts.len() / 2]);
    Ok(Cost { unit, chunk_us, budget_us, worst_us: held[0].worst_us, start_us, session_kib, light })
}

struct Session {
    talk: Talk,
    format: AudioFormat,
    now_us: u64,
    mark: u32,
    worst_us: f64,
}

enum Talk {
    Guest(AnyInstance),
    Mask(Box<vg_plugin_host::MaskInstance>),
}

impl Session {
    fn open(plugin: &Plugin, options: &str) -> Result<Self, SessionError> {
        let descriptor = plugin.descriptor();
        let plain = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
        let format = descriptor.formats.first().copied().unwrap_or(plain);
        let language = descriptor.languages.first().cloned().unwrap_or_else(|| "en-US".to_owned());
        let talk = match descriptor.kind {
            Kind::Mask => {
                let kinds = vec![SpanKind::CardNumber, SpanKind::SecurityCode];
                let settings = MaskSettings { languages: vec![language.clone()], kinds, last_four: false };
                Talk::Mask(Box::new(plugin.instantiate_mask(settings)?))
            }
            _ => {
                let mut guest = AnyInstance::open(plugin)?;
                guest.make_up_signatures();
                Talk::Guest(guest)
            }
        };
        let mut session = Self { talk, format, now_us: 0, mark: 0, worst_us: 0.0 };
        session.tell(Told::Start(SessionStart { format, language, options: options.to_owned(), seed: [7; 32] }))?;
        session.worst_us = 0.0;
        Ok(session)
    }

    /// One piece of work; how many units of it were done.
    fn work(&mut self) -> Result<f64, SessionError> {
        match &mut self.talk {
            Talk::Mask(mask) => {
                let text = "my card is four two four two four two four two and then some".to_owned().into();
                let (masked, us) = timed(|| mask.mask(Segment { text, source: TextSource::Caller, partial: false }));
                self.worst_us = self.worst_us.max(us);
                masked?;
                Ok(1.0)
            }
            Talk::Guest(AnyInstance::Stt(_)) => {
                let bytes = self.format.rate_hz as usize / 10 * self.format.encoding.sample_bytes();
                self.tell(Told::Audio(vec![0x11; bytes]))?;
                Ok(1.0)
            }
            Talk::Guest(AnyInstance::Tts(_)) => {
                self.mark += 1;
                let said = self.tell(Told::Text("This is a sentence of some length. ".to_owned()))?;
                let bytes = said + self.tell(Told::Flush(self.mark))?;
                let per_100_ms = self.format.rate_hz as usize / 10 * self.format.encoding.sample_bytes();
                Ok(bytes as f64 / per_100_ms as f64)
            }
        }
    }

    /// Tells, and answers what comes of it until nothing more does; bytes of sound that were made.
    fn tell(&mut self, told: Told) -> Result<usize, SessionError> {
        let Talk::Guest(guest) = &mut self.talk else { return Ok(0) };
        let mut bytes = 0;
        let mut inputs = VecDeque::from([told]);
        while let Some(told) = inputs.pop_front() {
            self.now_us += 10_000;
            let now = Now { mono_us: self.now_us, unix_ms: 1_700_000_000_000 + self.now_us / 1000 };
            let (effects, us) = timed(|| guest.handle(now, told));
            self.worst_us = self.worst_us.max(us);
            for said in effects? {
                match said {
                    Said::Audio(samples) => bytes += samples.len(),
                    Said::Link(LinkEffect::Http(open)) => {
                        inputs.extend(signed(&open));
                        inputs.push_back(opened(open.id, 200));
                    }
                    Said::Link(LinkEffect::Websocket(open)) => inputs.push_back(opened(open.id, 101)),
                    Said::Timer(timer) if timer.delay_ms == 0 => inputs.push_back(Told::Timer(timer.id)),
                    Said::Done | Said::Fail(_) => return Err(SessionError::Dead),
                    _ => {}
                }
            }
        }
        Ok(bytes)
    }
}

/// A guest whose messages are signed one after another waits for the first signature.
fn signed(open: &HttpOpen) -> Option<Told> {
    let Authentication::AwsSigV4(AwsSigV4 { payload: AwsPayload::EventStream, .. }) = &open.auth else { return None };
    let signed =
        Signed { signature: "0".repeat(64), amz_date: "20231114T221320Z".into(), scope: "20231114".into(), signer: None };
    Some(Told::Link(LinkInput::Signed(open.id, signed)))
}

fn opened(id: u32, status: u16) -> Told {
    Told::Link(LinkInput::Opened { id, status, headers: vec![] })
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = thread_cpu();
    let done = work();
    (done, (thread_cpu().saturating_sub(before)).as_secs_f64() * 1e6)
}

fn thread_cpu() -> Duration {
    // Linux has this clock since 2.6.12; without it everything costs nothing.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0)
}
