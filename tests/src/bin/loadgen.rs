//! `loadgen`: how many calls a gateway carries on a core, and what each part of a call costs.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use vg_sim::{Format, Latencies, Tap};
use vg_tests::load::beside::beside;
use vg_tests::load::callers::Callers;
use vg_tests::load::gateway::{Gateway, Used, quantile_ms, used};
use vg_tests::load::marks::Way;
use vg_tests::load::scene::{Agent, Scene, Wishes};
use vg_tests::load::{floor, report, turns};

/// Callers who speak and pause come to a gateway whose vendors and Asterisk are simulated in this process. Run it on other processors than
/// the gateway's: `taskset -c 1 loadgen --cpus 0`.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Options {
    /// The gateway's program, a release build
    #[arg(long, default_value = "target/release/voice-gateway")]
    gateway: PathBuf,
    /// The folder of components
    #[arg(long, default_value = "target/plugins")]
    plugins: PathBuf,
    /// Calls at once; more than one number makes a curve
    #[arg(long, value_delimiter = ',', default_value = "100")]
    calls: Vec<usize>,
    /// Seconds that are measured, when all calls are up
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Calls that come in a second
    #[arg(long, default_value_t = 50)]
    rate: usize,
    /// The gateway's processors, as taskset wants them
    #[arg(long, default_value = "0")]
    cpus: String,
    /// In what sound vendors hear: resampled for them (pcm-16000), or as it is on the wire (mulaw-8000), which alone shows how long it takes
    #[arg(long, default_value = "pcm-16000")]
    sound: String,
    /// Its media threads
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Pause between a caller's sentences, in milliseconds
    #[arg(long, default_value_t = 6000)]
    pause_ms: u64,
    /// Requests to the API in a second, beside the calls; 0: none
    #[arg(long, default_value_t = 0)]
    api_rps: usize,
    /// How many times calls are looked at without requests and with them, in turn, each as long as is measured
    #[arg(long, default_value_t = 3)]
    api_rounds: usize,
    /// States of calls are kept in a Redis of this run's own, and their events on the disk
    #[arg(long)]
    keeps: bool,
    /// Look at answers instead of costs: until there were so many with each listener of `--hears`
    #[arg(long, default_value_t = 0)]
    turns: u64,
    /// Listeners whose published latencies are replayed, one after the other
    #[arg(long, value_delimiter = ',', default_value = "deepgram,google,openai,azure,aws")]
    hears: Vec<String>,
    /// The last line is the result as JSON
    #[arg(long)]
    json: bool,
    /// Be the bare loop, with this share of packets out
    #[arg(long, hide = true)]
    bare_loop: Option<f64>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(share) = options.bare_loop {
        return floor::run(share);
    }
    if options.turns > 0 {
        return look_at_turns(&options).await;
    }
    say(report::HEAD);
    let mut reports = Vec::new();
    for calls in options.calls.clone() {
        let report = run(&options, calls).await.with_context(|| format!("with {calls} calls"))?;
        say(report.to_string().trim_end());
        reports.push(report);
    }
    say(&report::plot(&reports));
    if let (true, Some(last)) = (options.json, reports.last()) {
        let mut result = serde_json::to_value(last)?;
        result["curve"] = serde_json::to_value(&reports)?;
        say(&result.to_string());
    }
    Ok(())
}

async fn look_at_turns(options: &Options) -> Result<()> {
    let calls = *options.calls.first().context("a number of calls")?;
    let mut all = Vec::new();
    for hears in &options.hears {
        let latencies = Latencies::published().with_own_like(hears, turns::SPEAKS)?;
        let scene = scene(options, calls, latencies, Agent::Elsewhere, |_| None).await?;
        ring(options, &scene, calls).await;
        let begun = Look::at(&scene.gateway, &scene.callers)?;
        // A caller speaks for some four seconds; three times as long is more than enough.
        let rounds = options.turns.div_ceil(calls.max(1) as u64) + 2;
        let patience = (Duration::from_millis(options.pause_ms) + Duration::from_secs(5)) * rounds as u32 * 3;
        while scene.gateway.metric("vg_turns_total").await? < options.turns as f64 {
            if begun.since.elapsed() > patience {
                bail!("too few turns in {patience:?}:\n{}", scene.gateway.log());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if let Some(offence) = scene.sim.offences().first() {
            bail!("the gateway's plugins broke a vendor's rules: {}", offence.what);
        }
        let mut seen = turns::Turns::of(&scene.gateway, hears, calls).await?;
        seen.check(options.turns)?;
        seen.not_measurable = begun.not_measurable_until(&Look::at(&scene.gateway, &scene.callers)?, calls, cpus(&options.cpus));
        if all.is_empty() {
            say(turns::HEAD);
        }
        say(&seen.to_string());
        all.push(seen);
    }
    if options.json {
        say(&serde_json::to_string(&serde_json::json!({ "turns": all }))?);
    }
    let missed: Vec<String> = all.iter().flat_map(turns::Turns::missed).collect();
    if options.turns >= turns::JUDGED_FROM && !missed.is_empty() {
        bail!("goals are missed: {}", missed.join("; "));
    }
    Ok(())
}

/// What gateway and generator had done by then.
struct Look {
    since: Instant,
    gateway: Used,
    generator: Used,
    sent: u64,
}

impl Look {
    fn at(gateway: &Gateway, callers: &Callers) -> Result<Self> {
        let sent = callers.seen.sent.load(Relaxed);
        let (gateway, generator) = (used(gateway.pid())?, used(std::process::id())?);
        Ok(Self { since: Instant::now(), gateway, generator, sent })
    }

    fn not_measurable_until(&self, until: &Self, calls: usize, cpus: f64) -> Option<String> {
        let seconds = (until.since - self.since).as_secs_f64();
        let busy = |before: &Used, after: &Used| (after.cpu_s - before.cpu_s) / seconds;
        let packets = (until.sent - self.sent) as f64 / (calls as f64 * seconds).max(1.0);
        not_measurable(busy(&self.gateway, &until.gateway) / cpus, busy(&self.generator, &until.generator), packets)
    }
}

/// Why figures say nothing about the gateway, where they do not: by the share of its processors that it was busy, that of one that the generator was, and
/// the generator's packets in a call-second.
fn not_measurable(busy: f64, generator_busy: f64, packets: f64) -> Option<String> {
    let why = [
        (busy > 0.9, "the gateway needs more than 90 % of its processors"),
        (generator_busy > 0.95, "the generator needs all of its processor"),
        (packets < 49.0, "the generator fell behind its schedule"),
    ];
    why.iter().find(|(is, _)| *is).map(|(_, why)| (*why).to_owned())
}

fn say(line: &str) {
    let _closed_pipe = writeln!(std::io::stdout(), "{line}");
}

/// The simulated voice's first word.
const FIRST_WORD_MS: u64 = 160;

/// What a measured time has seen.
struct Window {
    seconds: f64,
    gateway: (Used, Used),
    generator: (Used, Used),
    metrics: (BTreeMap<String, f64>, BTreeMap<String, f64>),
    sent: u64,
    stalls: u64,
    to_vendor: Option<[Duration; 2]>,
    to_caller: Option<[Duration; 2]>,
    calls_up: f64,
}

/// A scene in which nobody calls yet.
async fn scene(
    options: &Options,
    calls: usize,
    latencies: Latencies,
    agent: Agent,
    tap: impl FnOnce(&Callers) -> Option<Box<dyn Tap>>,
) -> Result<Scene> {
    let wishes = Wishes {
        gateway: &options.gateway,
        plugins: &options.plugins,
        cpus: &options.cpus,
        sound: &options.sound,
        shards: options.shards,
        callers: calls,
        pause: Duration::from_millis(options.pause_ms),
        latencies,
        agent,
        keeps: options.keeps,
    };
    Scene::start(&wishes, tap).await
}

/// All of them call; the last may be greeted still.
async fn ring(options: &Options, scene: &Scene, calls: usize) {
    for number in 0..calls {
        scene.asterisk.ring(number);
        let wait = Duration::from_secs_f64(1.0 / options.rate.max(1) as f64);
        tokio::time::sleep(wait).await;
    }
}

async fn run(options: &Options, calls: usize) -> Result<report::Report> {
    let marker = |callers: &Callers| {
        let (to_vendor, to_caller) = (Arc::clone(&callers.to_vendor), Arc::clone(&callers.to_caller));
        Some(Box::new(Marker { to_vendor, to_caller }) as Box<dyn Tap>)
    };
    let scene = scene(options, calls, Latencies::published(), Agent::Builtin, marker).await?;
    let idle = used(scene.gateway.pid())?;
    ring(options, &scene, calls).await;
    settle(&scene, calls).await?;
    let Scene { gateway, callers, sim, .. } = &scene;
    let window = measure(options, gateway, callers).await?;
    let beside = match options.api_rps {
        0 => None,
        per_s => Some(beside(gateway, per_s, options.api_rounds.max(1), options.seconds).await?),
    };
    let out_share = out_share(&window);
    let floor_ms = bare_loop(options, callers, calls, out_share).await?;
    if let Some(offence) = sim.offences().first() {
        bail!("the gateway's plugins broke a vendor's rules: {}", offence.what);
    }
    Ok(report::Report { beside, ..summary(calls, &window, &idle, floor_ms, cpus(&options.cpus)) })
}

/// Hides a mark in what the vendor says, in the pause behind the first word; hears those of callers.
#[derive(Debug)]
struct Marker {
    to_vendor: Arc<Way>,
    to_caller: Arc<Way>,
}

impl Tap for Marker {
    fn heard(&self, sound: &[u8]) {
        self.to_vendor.hear(sound);
    }

    fn says(&self, sound: &mut [u8], format: Format) {
        if format == Format::MULAW
            && let Some(pause) = sound.get_mut(format.bytes(FIRST_WORD_MS)..)
        {
            self.to_caller.say(pause, Duration::from_millis(FIRST_WORD_MS));
        }
    }
}

/// Waits until all calls are up.
async fn settle(scene: &Scene, calls: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let up = scene.gateway.metric("vg_media_legs_live").await?;
        if up >= calls as f64 {
            // Greetings are over, and each caller has said something.
            tokio::time::sleep(Duration::from_secs(8)).await;
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(60) {
            let log = scene.gateway.log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            bail!("only {up} of {calls} calls are up after a minute:\n{}", tail.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn measure(options: &Options, gateway: &Gateway, callers: &Callers) -> Result<Window> {
    let look = || Look::at(gateway, callers);
    let (before, first, stalls) = (look()?, gateway.metrics().await?, callers.seen.stalls.load(Relaxed));
    let _of_the_start = (callers.to_vendor.take(), callers.to_caller.take());
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let after = look()?;
    let seconds = begun.elapsed().as_secs_f64();
    let last = gateway.metrics().await?;
    let calls_up = last.get("vg_media_legs_live").copied().unwrap_or(0.0);
    Ok(Window {
        seconds,
        gateway: (before.gateway, after.gateway),
        generator: (before.generator, after.generator),
        metrics: (first, last),
        sent: after.sent - before.sent,
        stalls: callers.seen.stalls.load(Relaxed) - stalls,
        to_vendor: callers.to_vendor.take(),
        to_caller: callers.to_caller.take(),
        calls_up,
    })
}

impl Window {
    fn gained(&self, metric: &str) -> f64 {
        let at = |metrics: &BTreeMap<String, f64>| metrics.get(metric).copied().unwrap_or(0.0);
        at(&self.metrics.1) - at(&self.metrics.0)
    }

    /// The bound below which a share of the window's values lay, in ms; infinite where it has no such bound.
    fn quantile_ms(&self, metric: &str, label: &str, share: f64) -> f64 {
        quantile_ms(&self.metrics.1, metric, label, share, |name| self.gained(name))
    }

    /// The same of everything since the gateway's start.
    fn quantile_ms_so_far(&self, metric: &str, label: &str, share: f64) -> f64 {
        quantile_ms(&self.metrics.1, metric, label, share, |name| self.metrics.1[name])
    }

    /// Packets that were refused, and those that never came. Both ends are read one after the other: a round of all callers may be on its way.
    fn dropped(&self) -> f64 {
        let rejected =
            ["garbage", "late", "unknown_source"].map(|reason| format!("vg_rtp_packets_rejected_total{{reason=\"{reason}\"}}"));
        let lost = self.sent as f64 - self.gained(RTP_IN);
        rejected.iter().map(|metric| self.gained(metric)).sum::<f64>() + if lost > self.calls_up { lost } else { 0.0 }
    }

    fn call_seconds(&self) -> f64 {
        (self.calls_up * self.seconds).max(1.0)
    }
}

/// The gateway's threads that share everything but sound.
const TOKIO: &str = "tokio-rt-worker";
const RTP_OUT: &str = "vg_rtp_packets_total{direction=\"out\"}";
const RTP_IN: &str = "vg_rtp_packets_total{direction=\"in\"}";

/// CPU by what it was for, in ms per call-second: the media threads' and the plugins' by the gateway's own books, other threads' by their names.
/// What tokio's threads do beside plugins and their links is `events`: calls, orders, facts, the runtime itself.
fn parts(window: &Window, threads: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let busy = |work: &str| window.gained(&format!("vg_busy_seconds_total{{work=\"{work}\"}}")) * 1000.0 / window.call_seconds();
    let works = [("rx", "receive"), ("dsp_vad", "hear"), ("speak", "speak"), ("tx", "send")];
    let media = works.map(|(part, work)| (part.to_owned(), busy(work)));
    let named = [("plugin", busy("plugins")), ("vendor_socket", busy("links"))];
    let shared = threads.get(TOKIO).copied().unwrap_or_default();
    let events = named.iter().fold(shared, |left, (_, ms)| left - ms).max(0.0);
    let tasks = named.into_iter().chain([("events", events)]).map(|(part, ms)| (part.to_owned(), ms));
    let others = threads.iter().filter(|(name, _)| !["vg-media", TOKIO].contains(&name.as_str()));
    media.into_iter().chain(tasks).chain(others.map(|(name, ms)| (name.clone(), *ms))).collect()
}

fn out_share(window: &Window) -> f64 {
    window.gained(RTP_OUT) / window.call_seconds() / 50.0
}

/// The same callers against the bare loop, in the same minute.
async fn bare_loop(options: &Options, callers: &Callers, calls: usize, out_share: f64) -> Result<f64> {
    let program = std::env::current_exe()?;
    let mut process = Command::new("taskset")
        .args(["-c", &options.cpus])
        .arg(program)
        .args(["--bare-loop", &out_share.min(1.0).to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .context("start the bare loop by taskset")?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
    let address = line.trim().parse().context("the bare loop says where it is")?;
    (0..calls).try_for_each(|caller| callers.begin(caller, address))?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, begun) = (used(process.id())?, Instant::now());
    tokio::time::sleep(Duration::from_secs(options.seconds.min(10))).await;
    let cpu_s = used(process.id())?.cpu_s - before.cpu_s;
    let call_seconds = begun.elapsed().as_secs_f64() * calls as f64;
    process.kill()?;
    process.wait()?;
    Ok(cpu_s * 1000.0 / call_seconds)
}

/// How many processors `0-2,4` are.
fn cpus(list: &str) -> f64 {
    let count = |part: &str| match part.split_once('-') {
        Some((from, to)) => to.parse::<f64>().unwrap_or(0.0) - from.parse::<f64>().unwrap_or(0.0) + 1.0,
        None => 1.0,
    };
    list.split(',').map(count).sum::<f64>().max(1.0)
}

fn summary(calls: usize, window: &Window, idle: &Used, floor_ms: f64, cpus: f64) -> report::Report {
    let (before, after) = &window.gateway;
    let per_call = |cpu_s: f64| cpu_s * 1000.0 / window.call_seconds();
    let threads: BTreeMap<String, f64> = after
        .by_thread
        .iter()
        .map(|(name, cpu_s)| (name.clone(), per_call(cpu_s - before.by_thread.get(name).copied().unwrap_or(0.0))))
        .filter(|(_, ms)| *ms >= 0.0005)
        .collect();
    let cpu_s = after.cpu_s - before.cpu_s;
    let busy = cpu_s / window.seconds / cpus;
    let generator_busy = (window.generator.1.cpu_s - window.generator.0.cpu_s) / window.seconds;
    let lateness = |share: f64| window.quantile_ms("vg_pacing_lateness_seconds", "", share);
    let turn = |part: &str, share: f64| window.quantile_ms("vg_turn_latency_seconds", &format!("part=\"{part}\""), share);
    // Calls are set up before the window begins.
    let setup = |share: f64| window.quantile_ms_so_far("vg_call_setup_seconds", "part=\"over_asterisk\"", share);
    let ms = |way: Option<[Duration; 2]>| way.map(|way| way.map(|took| took.as_secs_f64() * 1000.0));
    let (turns, latency_s) = (
        window.gained("vg_turn_latency_seconds_count{part=\"total\"}"),
        window.gained("vg_turn_latency_seconds_sum{part=\"total\"}"),
    );
    report::Report {
        calls,
        calls_up: window.calls_up,
        seconds: window.seconds,
        cpu_ms_per_call_second: per_call(cpu_s),
        calls_per_core: report::CAPACITY * 1000.0 / per_call(cpu_s),
        floor_ms_per_call_second: floor_ms,
        ratio_to_floor: per_call(cpu_s) / floor_ms,
        media_ratio_to_floor: threads.get("vg-media").copied().unwrap_or(0.0) / floor_ms,
        parts: parts(window, &threads),
        threads,
        busy,
        packets_in: window.gained(RTP_IN) / window.call_seconds(),
        packets_out: window.gained(RTP_OUT) / window.call_seconds(),
        dropped: window.dropped(),
        audio_dropped_s: window.gained("vg_caller_audio_dropped_seconds_total"),
        lateness_ms: [lateness(0.5), lateness(0.99), lateness(0.999)],
        turns: turns / window.call_seconds(),
        turn_mean_ms: latency_s * 1000.0 / turns.max(1.0),
        turn_ms: [turn("total", 0.5), turn("total", 0.95)],
        gateway_share_ms: [turn("gateway", 0.5), turn("gateway", 0.99)],
        setup_ms: [setup(0.5), setup(0.99)],
        mouth_to_vendor_ms: ms(window.to_vendor),
        vendor_to_ear_ms: ms(window.to_caller),
        rss_mb_per_call: (after.rss_mb - idle.rss_mb) / window.calls_up.max(1.0),
        generator_busy,
        generator_stalls: window.stalls,
        beside: None,
        not_measurable: not_measurable(busy, generator_busy, window.sent as f64 / window.call_seconds()),
    }
}
