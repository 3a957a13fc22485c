//! A vendor's process is killed while callers listen to it, and another while they speak to it: nobody is lost, and nobody waits for long.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;
use vg_tests::lab::fairly;
use vg_tests::load::outage::{Heard, Outage, Spread};
use vg_tests::{Size, program};

/// What every answer says: 25 words, five seconds of a simulated voice.
const ANSWER: &str = "Your account is in good order since the month began. The next letter goes out on Monday. \
    You may call us again at any time.";
/// A sentence is four seconds long; with its answer, a long wait and a breath.
const PAUSE: Duration = Duration::from_millis(9_500);
/// What the callers say takes so long.
const SENTENCE: Duration = Duration::from_millis(4_000);
/// One sentence, one answer, one breath.
const CYCLE: Duration = Duration::from_millis(13_200);
/// How long a vendor is away: less than until the first probe.
const AWAY: Duration = Duration::from_secs(3);
/// What a caller may notice of it.
const NOTICED_MS: u32 = 1_500;
/// What the callers themselves stood still for is the machine's, but no more than this: behind a longer one nobody can tell whose fault it was.
const STALL_MAX_MS: u32 = 1_000;
/// Callers that come when all is well again.
const NEW: usize = 4;

/// An outage as the callers' diaries have it.
struct Kill {
    role: &'static str,
    at_ms: u32,
    back_ms: u32,
}

impl Kill {
    /// Answers that it could have spoilt: those that were being spoken, waited for or asked for.
    fn touches(&self, heard: &Heard) -> bool {
        let cycle = CYCLE.as_millis() as u32;
        (self.at_ms.saturating_sub(7_000)..self.at_ms + cycle).contains(&heard.said_ms)
    }
}

fn report(name: &str, heard: &[Heard]) -> (Spread, Spread) {
    let wait = Spread::of(heard.iter().map(|heard| heard.wait_ms.unwrap_or(u32::MAX)));
    let gap = Spread::of(heard.iter().map(|heard| heard.gap_ms));
    println!("{name}: wait for the answer {wait}; longest silence within it {gap}");
    (wait, gap)
}

/// The story to its end: what its callers wrote down, and what that is to be judged by.
struct Told {
    /// The longest time that the callers themselves stood still.
    stall_ms: u32,
    log: String,
    quiet_ms: u32,
    end_ms: u32,
    kills: Vec<Kill>,
    heard: Vec<Heard>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vendors_that_are_killed_cost_nobody_the_call_or_long_silence() {
    let calls = match Size::asked() {
        Size::Ci => 40,
        Size::Full => 200,
    };
    let told = || async {
        let told = tell(calls).await;
        println!("the callers themselves stood still for {} ms at most", told.stall_ms);
        let shown = judge(&told, calls);
        (shown.with_context(|| told.log), Duration::from_millis(told.stall_ms.into()))
    };
    fairly(Duration::from_millis(STALL_MAX_MS.into()), |line| println!("{line}"), told).await;
}

async fn tell(calls: usize) -> Told {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    let mut scene = Outage::prepare(&program::path(), &plugins, calls, PAUSE, ANSWER).await.unwrap();
    // As fast as a voice that is a little quicker than life: most of an answer is still to come while it is heard.
    scene.mouth.sim.inject("paced", 80, None);
    scene.ring(0..calls).await.unwrap();
    sleep(CYCLE).await;
    let quiet_ms = scene.now_ms();
    sleep(CYCLE).await;

    let mut kills = Vec::new();
    for role in ["speaking", "hearing"] {
        kills.push(kill(&mut scene, role).await);
        assert_eq!(scene.calls_up().await.unwrap(), calls as f64, "a call was lost");
        sleep(CYCLE + PAUSE).await;
    }

    let metrics = scene.gateway.metrics().await.unwrap();
    let total = |name: &str| metrics.iter().filter(|(series, _)| series.starts_with(name)).map(|(_, value)| value).sum::<f64>();
    assert_eq!((total("vg_calls_started_total"), total("vg_calls_ended_total")), (calls as f64, 0.0), "a call was lost");
    // Who spoke to a quarter of the callers at least fell in the middle of it, and who heard all of them for most: the first to fall open the breaker.
    let fell = |role: &str| total(&format!("vg_rung_falls_total{{code=\"unavailable\",role=\"{role}\"}}"));
    println!("falls: {} of who speaks, {} of who hears, in {calls} calls", fell("speaking"), fell("hearing"));
    assert!(
        fell("speaking") >= calls as f64 / 4.0 && fell("hearing") >= calls as f64 * 0.9,
        "they were not killed while they served"
    );

    let end_ms = scene.now_ms() - CYCLE.as_millis() as u32;
    call_anew(&scene, calls).await;
    let (stall_ms, log) = (scene.longest_stall_ms(), scene.gateway.log());
    Told { stall_ms, log, quiet_ms, end_ms, kills, heard: scene.finish().concat() }
}

/// A vendor's process dies in the middle of its work, and is back after a while: its breaker opens, and closes again.
async fn kill(scene: &mut Outage, role: &'static str) -> Kill {
    let open = format!("vg_breakers_open{{role=\"{role}\"}}");
    // All callers keep one clock: two seconds into the answers of a cycle most of them are spoken to, and one into the next sentence heard.
    let offset = if role == "speaking" { SENTENCE + Duration::from_millis(2_000) } else { Duration::from_millis(1_000) };
    sleep(scene.until_phase(offset)).await;
    let at_ms = scene.now_ms();
    match role {
        "speaking" => scene.mouth.kill().await,
        _ => scene.ear.kill().await,
    }
    let opened = scene.wait_for(&open, 1.0, AWAY).await.unwrap();
    sleep(AWAY.saturating_sub(opened)).await;
    let back_ms = scene.now_ms();
    let identity = &scene.identity;
    match role {
        "speaking" => scene.mouth.restart(identity).await.unwrap(),
        _ => scene.ear.restart(identity).await.unwrap(),
    }
    let closed = scene.wait_for(&open, 0.0, Duration::from_secs(30)).await.unwrap();
    println!("{role} killed: the breaker opened after {opened:.1?}, and closed {closed:.1?} after the restart");
    Kill { role, at_ms, back_ms }
}

/// Everybody goes. Whoever calls now is served by those who are first.
async fn call_anew(scene: &Outage, calls: usize) {
    scene.hang_up(0..calls);
    scene.wait_for("vg_calls_live", 0.0, Duration::from_secs(30)).await.unwrap();
    let before = [&scene.ear, &scene.mouth, &scene.backup].map(|vendor| vendor.connections());
    scene.ring(calls..calls + NEW).await.unwrap();
    sleep(CYCLE + PAUSE).await;
    let after = [&scene.ear, &scene.mouth, &scene.backup].map(|vendor| vendor.connections());
    println!("connections of ear, mouth and backup, before and after {NEW} new calls: {before:?}, {after:?}");
    assert!(after[0] >= before[0] + NEW as u32, "the first listener is not asked again");
    assert_eq!(after[2], before[2], "the backup is asked though the first ones serve again");
    for vendor in [&scene.ear, &scene.mouth, &scene.backup] {
        assert!(vendor.sim.offences().is_empty(), "{:?}", vendor.sim.offences());
    }
}

/// Holds what the callers heard to the bounds.
fn judge(told: &Told, calls: usize) -> Result<()> {
    let Told { stall_ms, quiet_ms, end_ms, kills, heard, .. } = told;
    let noticed_ms = NOTICED_MS + (*stall_ms).min(STALL_MAX_MS);
    let before: Vec<Heard> =
        heard.iter().filter(|heard| (*quiet_ms..kills[0].at_ms - 9_000).contains(&heard.said_ms)).copied().collect();
    let (usual, _) = report("before", &before);
    for kill in kills {
        let touched: Vec<Heard> = heard.iter().filter(|heard| kill.touches(heard)).copied().collect();
        let (wait, gap) = report(kill.role, &touched);
        println!("  away for {} ms", kill.back_ms - kill.at_ms);
        ensure!(touched.len() >= calls, "{}: not every caller was answered", kill.role);
        ensure!(gap.max <= noticed_ms, "{}: {gap}", kill.role);
        ensure!(wait.max <= usual.p50 + noticed_ms, "{}: {wait}, usually {usual}", kill.role);
    }
    let words = ANSWER.split_whitespace().count();
    let short: Vec<_> =
        heard.iter().filter(|heard| (*quiet_ms..*end_ms).contains(&heard.said_ms) && heard.words < words).collect();
    ensure!(short.is_empty(), "answers that were not said to their end: {short:?}");
    Ok(())
}
