//! Whether the machine kept time while a story was going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);

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
