//! What happened, a line each.

use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// What happened in a scene so far, shared by all who take part.
#[derive(Clone)]
pub(super) struct Log {
    since: Instant,
    lines: Arc<Mutex<Vec<Line>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Milliseconds since the scene began.
    pub(super) at_ms: u64,
    pub(super) text: String,
}

impl Log {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), lines: Arc::default() }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).expect("a scene is short")
    }

    pub(super) fn note(&self, text: impl Into<String>) {
        let at_ms = self.now_ms();
        self.lines.lock().unwrap().push(Line { at_ms, text: text.into() });
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line from `from` on that begins with these words: its index and time.
    pub(super) fn find(&self, from: usize, words: &str) -> Option<(usize, u64)> {
        let lines = self.lines.lock().unwrap();
        let found = lines.iter().enumerate().skip(from).find(|(_, line)| line.is(words));
        found.map(|(index, line)| (index, line.at_ms))
    }
}

impl Line {
    /// Whether it begins with these words.
    pub(super) fn is(&self, words: &str) -> bool {
        self.text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { at_ms, text } in self.lines() {
            writeln!(f, "    {at_ms:>6} {text}")?;
        }
        Ok(())
    }
}
