//! Callers come and go, 500 a minute, and nothing of them stays.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep, timeout};
use vg_tests::load::asterisk::Left;
use vg_tests::load::gateway::{Used, quantile_ms, used};
use vg_tests::load::scene::{Agent, Scene, Wishes};
use vg_tests::{Size, program};

/// Set-ups in a second: 500 a minute.
const RATE: f64 = 500.0 / 60.0;
/// How long a call lives: greeted, once heard, and gone.
const CALL: Duration = Duration::from_secs(4);
/// Callers that take turns: more than are up at a time, and a pause for each address before it is somebody else's.
const CALLERS: usize = 64;
/// Memory that a process may have gained between its first third and its end: caches and what the allocator keeps, whatever the number of calls.
const GROWTH_MB: f64 = 24.0;

struct Storm {
    scene: Scene,
    /// Who is up since when, longest first.
    up: VecDeque<(usize, Instant)>,
    next: usize,
}

impl Storm {
    async fn begin() -> Self {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
        let wishes = Wishes {
            gateway: &program::path(),
            plugins: &plugins,
            cpus: "0-1",
            sound: "mulaw-8000",
            shards: 1,
            callers: CALLERS,
            pause: Duration::from_secs(1),
            latencies: vg_sim::Latencies::published(),
            agent: Agent::Builtin,
            keeps: false,
        };
        Self { scene: Scene::start(&wishes, |_| None).await.unwrap(), up: VecDeque::new(), next: 0 }
    }

    /// Callers come at their rate and stay for as long as a call lasts.
    async fn blow(&mut self, long: Duration) {
        let (begun, mut turn) = (Instant::now(), interval(Duration::from_secs_f64(1.0 / RATE)));
        while begun.elapsed() < long {
            turn.tick().await;
            self.scene.asterisk.ring(self.next);
            self.up.push_back((self.next, Instant::now()));
            self.next += 1;
            while self.up.front().is_some_and(|(_, since)| since.elapsed() >= CALL) {
                self.hang_up_first();
            }
        }
    }

    fn hang_up_first(&mut self) {
        if let Some((caller, _)) = self.up.pop_front() {
            self.scene.asterisk.hang_up(caller);
        }
    }

    /// All go; what is left in Asterisk and in the gateway a little later is left for good: resources, and tasks.
    async fn die_down(&mut self) -> (Used, f64) {
        while !self.up.is_empty() {
            self.hang_up_first();
        }
        let empty = async {
            loop {
                let metrics = self.scene.gateway.metrics().await.unwrap();
                let held = ["vg_calls_live", "vg_media_legs_live", "vg_plugin_sessions_live"].map(|name| metrics[name]);
                if held == [0.0; 3] && self.scene.asterisk.left() == Left::default() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        if timeout(Duration::from_secs(30), empty).await.is_err() {
            let metrics = self.scene.gateway.metrics().await.unwrap();
            let live: Vec<_> = metrics.iter().filter(|(name, value)| name.ends_with("_live") && **value > 0.0).collect();
            panic!("left: {live:?} and {:?}\n{}", self.scene.asterisk.left(), self.scene.gateway.log());
        }
        (used(self.scene.gateway.pid()).unwrap(), self.scene.gateway.metric("vg_tasks_live").await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_calls_a_minute_leave_nothing_behind() {
    let long = match Size::asked() {
        Size::Ci => Duration::from_secs(60),
        Size::Full => Duration::from_secs(600),
    };
    let mut storm = Storm::begin().await;
    storm.blow(long / 3).await;
    let (early, tasks_early) = storm.die_down().await;
    storm.blow(long * 2 / 3).await;
    let (late, tasks_late) = storm.die_down().await;
    let metrics = storm.scene.gateway.metrics().await.unwrap();
    let total = |name: &str| metrics.get(name).copied().unwrap_or(0.0);
    let ended = total("vg_calls_ended_total{cause=\"caller_hung_up\"}");
    let setup = |share| quantile_ms(&metrics, "vg_call_setup_seconds", "part=\"over_asterisk\"", share, total);
    println!("set up within, over Asterisk's own time: p50 {} ms, p99 {} ms", setup(0.5), setup(0.99));
    println!("{tasks_early} then {tasks_late} tasks");
    println!(
        "{} calls: {:.1} then {:.1} MB, {} then {} files, {} then {} threads",
        storm.next, early.rss_mb, late.rss_mb, early.files, late.files, early.threads, late.threads
    );
    assert_eq!((total("vg_calls_started_total"), ended), (storm.next as f64, storm.next as f64), "{}", storm.scene.gateway.log());
    let leaks: Vec<_> = metrics.iter().filter(|(name, value)| name.starts_with("vg_call_leaks") && **value > 0.0).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(total("vg_lines_total{outcome=\"kept\"}") > 0.0, "the greeting is spoken once and kept");
    // A connection or two to the vendor may be kept for reuse.
    assert!(tasks_late <= tasks_early + 8.0, "{tasks_early} then {tasks_late} tasks");
    assert!(late.files <= early.files + 8, "{} then {} files", early.files, late.files);
    assert!(late.threads <= early.threads + 2, "{} then {} threads", early.threads, late.threads);
    assert!(late.rss_mb - early.rss_mb <= GROWTH_MB, "{:.1} then {:.1} MB", early.rss_mb, late.rss_mb);
}
