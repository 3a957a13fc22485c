//! The measurements, one function a row or two.

use crate::figures::{Table, cpu_of_others, percentile, resident_bytes};
use crate::probe;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use vg_plugin_host::api::{AudioFormat, Encoding, Now, SessionStart, SessionTag, SttInput};
use vg_plugin_host::session::{SttEvent, SttSession};
use vg_plugin_host::{Plugin, PluginHost};

const CHUNK: Duration = Duration::from_millis(100);
/// 100 ms of 16 kHz linear sound.
const CHUNK_BYTES: usize = 3200;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) sessions: usize,
    pub(crate) seconds: u32,
}

fn start_with(options: &str) -> SessionStart {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    SessionStart { format, language: "en-US".into(), options: options.into(), seed: [0; 32] }
}

fn open(host: &PluginHost, plugin: &Arc<Plugin>, options: &str) -> SttSession {
    host.open_stt(plugin, start_with(options), SessionTag::default()).unwrap()
}

/// A compiled component taken from the cache, checks and `describe` included.
pub(crate) fn load(host: &PluginHost, table: &mut Table) {
    let began = Instant::now();
    host.load(&probe("probe-stt")).unwrap();
    table.row("load of a cached component (36 KB class)", began.elapsed().as_secs_f64() * 1e3, "ms", Some(10.0));
}

/// Instance, constructor and first answer, without the session's task.
pub(crate) fn start(host: &PluginHost, table: &mut Table) {
    const STARTS: u32 = 500;
    let plugin = host.load(&probe("probe-stt")).unwrap();
    let now = Now { mono_us: 0, unix_ms: 0 };
    let mut took: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let began = Instant::now();
            let mut guest = plugin.instantiate_stt().unwrap();
            guest.handle(now, SttInput::Start(start_with("{}"))).unwrap();
            began.elapsed()
        })
        .collect();
    table.row("start of a session, median", percentile(&mut took, 0.5).as_secs_f64() * 1e6, "us", Some(100.0));
}

/// CPU per chunk through the session's task, and memory per session.
pub(crate) fn paced(host: &PluginHost, size: Size, table: &mut Table) {
    let plugin = host.load(&probe("probe-stt")).unwrap();
    let before = resident_bytes();
    let mut sessions: Vec<SttSession> = (0..size.sessions).map(|_| open(host, &plugin, "{}")).collect();
    let mut took = Vec::new();
    pace(&mut sessions, 2, &mut took);
    let (cpu, delivered) = (cpu_of_others(), took.len());
    pace(&mut sessions, size.seconds, &mut took);
    let chunks = (took.len() - delivered) as f64;
    let cpu = (cpu_of_others() - cpu).as_secs_f64();
    let memory = resident_bytes().saturating_sub(before) as f64 / 1024.0 / size.sessions as f64;
    let expected = f64::from(size.seconds) * 10.0 * size.sessions as f64;
    table.row(format!("{} paced sessions: CPU per 100 ms chunk", size.sessions), cpu * 1e6 / chunks, "us", Some(10.0));
    table.row("the same: share of one core", cpu * 100.0 / f64::from(size.seconds), "%", None);
    table.row("the same: chunks not answered before the next", (expected - chunks).max(0.0), "", None);
    table.row("the same: resident memory per session", memory, "KiB", Some(64.0));
}

/// Gives every session a chunk every 100 ms, each at a phase of its own; takes what they say. One entry per answer taken.
fn pace(sessions: &mut [SttSession], seconds: u32, answers: &mut Vec<Duration>) {
    let began = Instant::now();
    let step = CHUNK / sessions.len() as u32;
    for round in 0..seconds * 10 {
        for (place, session) in sessions.iter_mut().enumerate() {
            let due = began + CHUNK * round + step * place as u32;
            // In slots of a millisecond: the driver must not be what is measured.
            if place % 10 == 0
                && let Some(left) = due.checked_duration_since(Instant::now())
            {
                std::thread::park_timeout(left);
            }
            while let Ok(event) = session.events.try_recv() {
                assert!(matches!(event, SttEvent::Partial(_)), "{event:?}");
                answers.push(due.elapsed());
            }
            session.input.try_send(SttInput::Audio(vec![0; CHUNK_BYTES])).unwrap();
        }
    }
}

/// From a guest's trap to the first answer of the session that comes after it.
pub(crate) fn fall(host: &PluginHost, size: Size, table: &mut Table) {
    let plugin = host.load(&probe("probe-stt")).unwrap();
    let mut took: Vec<Duration> = (0..size.sessions)
        .map(|_| {
            let mut falls = open(host, &plugin, r#"{"behave":"trap","at":1}"#);
            falls.input.blocking_send(SttInput::Audio(vec![0; CHUNK_BYTES])).unwrap();
            let began = Instant::now();
            assert!(matches!(falls.events.blocking_recv(), Some(SttEvent::Ended(_))));
            let mut next = open(host, &plugin, "{}");
            next.input.blocking_send(SttInput::Audio(vec![0; CHUNK_BYTES])).unwrap();
            assert!(matches!(next.events.blocking_recv(), Some(SttEvent::Partial(_))));
            began.elapsed()
        })
        .collect();
    table.row("fall to the next session's answer, median", percentile(&mut took, 0.5).as_secs_f64() * 1e3, "ms", Some(1.0));
    table.row("the same, p99", percentile(&mut took, 0.99).as_secs_f64() * 1e3, "ms", None);
}

/// How late a timer fires on the worker that a looping guest shares.
pub(crate) fn lateness(host: &PluginHost, size: Size, table: &mut Table) {
    const TICK: Duration = Duration::from_millis(2);
    let plugin = host.load(&probe("probe-stt")).unwrap();
    let (late, ticks) = sync_channel(100_000);
    let ticker = tokio::runtime::Handle::current().spawn(async move {
        let mut due = tokio::time::Instant::now() + TICK;
        loop {
            tokio::time::sleep_until(due).await;
            let _ = late.try_send(due.elapsed());
            due = tokio::time::Instant::now() + TICK;
        }
    });
    let until = Instant::now() + Duration::from_secs(size.seconds.into());
    let mut loops = 0u32;
    while Instant::now() < until {
        let mut looping = open(host, &plugin, r#"{"behave":"loop","at":1}"#);
        looping.input.blocking_send(SttInput::Audio(vec![0; CHUNK_BYTES])).unwrap();
        assert!(matches!(looping.events.blocking_recv(), Some(SttEvent::Partial(_) | SttEvent::Ended(_))));
        loops += 1;
    }
    ticker.abort();
    let mut late: Vec<Duration> = ticks.try_iter().collect();
    table.row(
        "lateness of a worker under looping guests, p99",
        percentile(&mut late, 0.99).as_secs_f64() * 1e3,
        "ms",
        Some(12.0),
    );
    table.row("the same, worst", percentile(&mut late, 1.0).as_secs_f64() * 1e3, "ms", None);
    table.row("the same: guests that looped and were ended", f64::from(loops), "", None);
}
