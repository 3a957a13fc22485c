//! The measurements, one function a row or two.

use crate::figures::{Table, cpu_of_others, own_cpu, percentile, resident_bytes};
use crate::vendor::Vendor;
use crate::{built, probe};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use vg_plugin_host::api::{
    AudioFormat, Encoding, MaskSettings, Now, Segment, SessionStart, SessionTag, SpanKind, SttInput, TextSource,
};
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::session::{Opening, SttEvent, SttSession};
use vg_plugin_host::{Plugin, PluginHost, Trust};

const CHUNK: Duration = Duration::from_millis(100);
/// 100 ms of 16 kHz linear sound.
const CHUNK_BYTES: usize = 3200;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) sessions: usize,
    pub(crate) seconds: u32,
}

impl Size {
    /// Chunks that all sessions are given in the time that is measured.
    fn chunks(self) -> f64 {
        f64::from(self.seconds) * 10.0 * self.sessions as f64
    }
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
            guest.handle(now, SttInput::Start(Box::new(start_with("{}")))).unwrap();
            began.elapsed()
        })
        .collect();
    table.row("start of a session, median", percentile(&mut took, 0.5).as_secs_f64() * 1e6, "us", Some(100.0));
}

/// What became of a goal of the product.
pub(crate) enum Goal {
    Kept,
    Missed(String),
    /// This machine is so slow, or so busy, that the figure says nothing.
    NotMeasurable(String),
}

/// What a segment costs our masker, of the thread of the call that stands still meanwhile: of several texts the dearest, each at its best.
pub(crate) fn mask(host: &PluginHost, table: &mut Table) -> Goal {
    const SEGMENT_US_MAX: f64 = 20.0;
    /// Twice what a step took on the machine of the figures (1.7).
    const STEP_NS_MAX: f64 = 3.4;
    const SEGMENTS: u32 = 100;
    const TEXTS: [&str; 4] = [
        "I would like to change the delivery address of my last order, please, since I have moved to another town",
        "my card is 4111 1111 1111 1111, it expires 12/27 and the security code is 123",
        "it's four one one one uh one one one one um one one one one and then one one one one",
        "my phone number is 415-555-0134 and the order number is 4400912345, from the 12/05/2024",
    ];
    let plugin = host.load(&built("pci-mask")).unwrap();
    let kinds = vec![SpanKind::CardNumber, SpanKind::SecurityCode, SpanKind::ExpiryDate, SpanKind::DocumentNumber];
    // Where no language is named, all are listened for.
    let settings = || MaskSettings { languages: Vec::new(), kinds: kinds.clone(), last_four: false };
    let segment = |text: &str, source, partial| Segment { text: text.to_owned().into(), source, partial };
    // Of calls in which this was said or keyed in before.
    let segments_us = |before: &[(&str, TextSource)], text: &str, partial: bool| {
        let masked = || {
            let mut masker = plugin.instantiate_mask(settings()).unwrap();
            for (text, source) in before {
                masker.mask(segment(text, *source, false)).unwrap();
            }
            let segment = segment(text, TextSource::Caller, partial);
            let before = own_cpu();
            masker.mask(segment).unwrap();
            own_cpu() - before
        };
        let tried = (0..20).map(|_| (0..SEGMENTS).map(|_| masked()).sum::<Duration>());
        tried.min().unwrap_or_default().as_secs_f64() * 1e6 / f64::from(SEGMENTS)
    };
    let dearest = |before: &[(&str, TextSource)]| {
        let ways = TEXTS.iter().flat_map(|text| [(*text, true), (*text, false)]);
        ways.map(|(text, partial)| segments_us(before, text, partial)).fold(0.0, f64::max)
    };
    // Words behind a key that may have begun a number are read with it and alone, those behind an "um" as a hesitation and as a one.
    let (um, key) = (("um let me see", TextSource::Caller), ("4", TextSource::Dtmf));
    let mut found: f64 = 0.0;
    for (what, before) in [("", &[][..]), (" behind a key", &[key]), (" behind an \"um\"", &[um]), (" behind both", &[um, key])] {
        let us = dearest(before);
        table.row(format!("a segment by pci-mask{what}, the dearest of eight: CPU"), us, "us", Some(SEGMENT_US_MAX));
        found = found.max(us);
    }
    let step = step_ns();
    table.row("a step of work on this machine: CPU", step, "ns", None);
    if step > STEP_NS_MAX {
        return Goal::NotMeasurable(format!("a step of work takes {step:.1} ns, more than {STEP_NS_MAX}"));
    }
    if found <= SEGMENT_US_MAX {
        return Goal::Kept;
    }
    Goal::Missed(format!("a segment costs {found:.1} us by pci-mask, the goal is {SEGMENT_US_MAX}"))
}

/// CPU per chunk through the session's task, and memory per session, by who made the plugin.
pub(crate) fn paced(host: &PluginHost, size: Size, table: &mut Table) {
    for (trust, made_by) in [(Trust::Unknown, "anybody's"), (Trust::FirstParty, "first-party")] {
        let plugin = host.load_as(&probe("probe-stt"), trust).unwrap();
        let before = resident_bytes();
        let mut sessions: Vec<SttSession> = (0..size.sessions).map(|_| open(host, &plugin, "{}")).collect();
        pace(&mut sessions, 2);
        let cpu = cpu_of_others();
        let answers = pace(&mut sessions, size.seconds);
        let cpu = cpu_of_others() - cpu;
        let memory = resident_bytes().saturating_sub(before) as f64 / 1024.0 / size.sessions as f64;
        let name = format!("{} paced sessions, {made_by}", size.sessions);
        table.row(format!("{name}: CPU per 100 ms chunk"), cpu.as_secs_f64() * 1e6 / size.chunks(), "us", Some(10.0));
        table.row("the same: share of one core", cpu.as_secs_f64() * 100.0 / f64::from(size.seconds), "%", None);
        table.row("the same: chunks not answered before the next", (size.chunks() - answers as f64).max(0.0), "", None);
        // What the second ones need lies there already, from the first.
        if trust == Trust::Unknown {
            table.row("the same: resident memory per session", memory, "KiB", Some(64.0));
        }
        drop(sessions);
        all_gone(host);
    }
}

fn all_gone(host: &PluginHost) {
    while host.live_sessions() > 0 {
        std::thread::yield_now();
    }
}

/// The same with a WebSocket for each session that every chunk goes to: through the guest, and past it. Encryption is measured by the
/// benches of `vg-links`.
pub(crate) fn with_vendor(host: &PluginHost, size: Size, table: &mut Table) {
    let vendor = Vendor::start();
    let grant = Arc::new(vendor.grant(size.sessions));
    let links = Links::new(LinksConfig::default()).unwrap();
    let plugin = host.load_as(&probe("probe-vendor-stt"), Trust::FirstParty).unwrap();
    let mut each = Vec::new();
    for (way, route) in [("sent on by the guest", false), ("routed past it", true)] {
        let options = format!(r#"{{"endpoint":"ws://{}","route":{route}}}"#, vendor.address);
        let connections = vendor.connections();
        let mut sessions: Vec<SttSession> = (0..size.sessions)
            .map(|_| {
                let opening = Opening { door: Some(Box::new(links.door(Arc::clone(&grant)))), ..Opening::default() };
                host.open_stt(&plugin, start_with(&options), opening).unwrap()
            })
            .collect();
        while vendor.connections() < connections + size.sessions as u64 {
            std::thread::yield_now();
        }
        pace(&mut sessions, 2);
        let (bytes, cpu) = (vendor.bytes(), cpu_of_others().saturating_sub(vendor.cpu()));
        pace(&mut sessions, size.seconds);
        let cpu = cpu_of_others().saturating_sub(vendor.cpu()) - cpu;
        let arrived = (vendor.bytes() - bytes) as f64 / (size.chunks() * CHUNK_BYTES as f64);
        assert!((0.95..1.05).contains(&arrived), "{arrived} of the sound arrived");
        each.push(cpu.as_secs_f64() * 1e6 / size.chunks());
        let name = format!("{} paced sessions with a WebSocket, {way}: CPU per 100 ms chunk", size.sessions);
        table.row(name, cpu.as_secs_f64() * 1e6 / size.chunks(), "us", None);
        drop(sessions);
        all_gone(host);
    }
    table.row("the same: what is saved by routing past the guest", each[0] - each[1], "us", None);
}

/// Gives every session a chunk every 100 ms, each at a phase of its own; takes what they say. How many answers were taken.
fn pace(sessions: &mut [SttSession], seconds: u32) -> usize {
    let began = Instant::now();
    let step = CHUNK / sessions.len() as u32;
    let mut answers = 0;
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
                answers += 1;
            }
            session.input.try_send(SttInput::Audio(vec![0; CHUNK_BYTES])).unwrap();
        }
    }
    answers
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

/// CPU of one of many steps that each wait for the one before, in nanoseconds, of the best of several tries: how quick this machine is just now.
fn step_ns() -> f64 {
    const STEPS: u32 = 200_000;
    let tried = (0..20).map(|_| {
        let before = own_cpu();
        let mut state = black_box(1_u64);
        for _ in 0..STEPS {
            state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        black_box(state);
        own_cpu() - before
    });
    tried.min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(STEPS)
}
