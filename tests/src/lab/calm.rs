//! Whether the machine kept time while a story was going on.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);
/// So often a machine that stood still for too long is given another chance.
const TRIES: usize = 3;

/// Tells a story, which gives what it showed and how long the machine stood still meanwhile. One that fails while that was longer than its bounds allow for
/// is reported and told once more: nobody can tell whose fault it was.
///
/// # Panics
/// Where it fails on a machine that kept time, or the machine stood still each time.
pub async fn fairly<F: Future<Output = (Result<()>, Duration)>>(
    stall_max: Duration,
    report: impl Fn(String),
    story: impl Fn() -> F,
) {
    let mut stalls = Vec::new();
    for attempt in 1..=TRIES {
        let (shown, stall) = story().await;
        let Err(fault) = shown else { return };
        assert!(stall > stall_max, "{fault:#}; the machine stood still for {stall:.0?} at most");
        report(format!("try {attempt}: the machine stood still for {stall:.0?}, which says nothing about us: {fault:#}"));
        stalls.push(stall);
    }
    panic!("the machine stood still in each of {TRIES} tries, for {stalls:.0?}: the bounds cannot be shown on it");
}

/// A thread that asks to be woken every 5 ms and notes how much later it was.
#[derive(Debug)]
pub struct Calm {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Calm {
    /// Watches from now on.
    pub fn watch() -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::Builder::new().name("lab-calm".into()).spawn(move || watch(&ends))?;
        Ok(Self { over, thread })
    }

    /// The longest time for which this process was not run although it wanted to.
    pub fn longest_stall(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread whose only work is to be woken")]
fn watch(over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        std::thread::sleep(STEP);
        longest = longest.max(asked.elapsed().saturating_sub(STEP));
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use futures_util::FutureExt;
    use std::cell::Cell;
    use std::panic::AssertUnwindSafe;

    const MAX: Duration = Duration::from_millis(200);

    /// How often a story was told that stands still for these times and fails but for the last of `holds_at`, and whether it held in the end.
    async fn told(stalls_ms: &[u64], holds_at: usize) -> (usize, bool) {
        let times = Cell::new(0);
        let story = || async {
            times.set(times.get() + 1);
            let shown = if times.get() == holds_at { Ok(()) } else { (|| bail!("late"))() };
            (shown, Duration::from_millis(stalls_ms[times.get() - 1]))
        };
        let held = AssertUnwindSafe(fairly(MAX, |_| (), story)).catch_unwind().await.is_ok();
        (times.get(), held)
    }

    #[tokio::test]
    async fn only_a_machine_that_stood_still_is_given_another_chance() {
        assert_eq!(told(&[0], 1).await, (1, true));
        assert_eq!(told(&[200], 9).await, (1, false), "so much its bounds allow for");
        assert_eq!(told(&[201, 0], 2).await, (2, true));
        assert_eq!(told(&[201, 0], 9).await, (2, false));
        assert_eq!(told(&[201, 300, 400], 9).await, (3, false), "not for ever");
    }
}
