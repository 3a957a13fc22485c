//! What a session owes, oldest first: words of stretches of speech, and answers to `finalize` and `end` between them.

use std::collections::VecDeque;
use vg_plugin_sdk::{Fault, FaultKind, Instant, Transcript};

/// Until the words of a stretch must be there, from its cut on.
const WORDS_US: u64 = 9_000_000;
/// Until an answer to `finalize` or `end` must be there: below the ten seconds that its owner waits.
const OWED_US: u64 = 9_500_000;
/// Items that are remembered to be done: news of them is old.
const DONE_MAX: usize = 32;
/// A connection is lost once between two stretches that are answered; more often is no accident.
const TRIES: u32 = 1;

/// See the module.
#[derive(Debug)]
pub(crate) enum Owed {
    Words(Stretch),
    /// An answer to `finalize`, told at that time.
    Finalized(u64),
    Done(u64),
}

/// A stretch of speech, an item to the server.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) start_ms: u64,
    pub(crate) end_ms: Option<u64>,
    /// All its sound as it was sent; empty where the server cuts.
    pub(crate) wire: Vec<u8>,
    /// By which commit of ours it ends.
    pub(crate) commit: Option<u32>,
    /// The server heard where it ends, and cuts it by itself.
    ended: bool,
    item: Option<String>,
    deltas: String,
    /// Text and confidence, once they will not change.
    pub(crate) heard: Option<(String, Option<f32>)>,
    /// When it was cut; 0 before.
    pub(crate) since_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    owed: VecDeque<Owed>,
    done: VecDeque<String>,
    tries: u32,
}

impl Queue {
    pub(crate) fn owe(&mut self, owed: Owed) {
        self.owed.push_back(owed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Whether words are owed, also of speech that goes on.
    pub(crate) fn has_words(&self) -> bool {
        self.owed.iter().any(|owed| matches!(owed, Owed::Words(stretch) if stretch.heard.is_none()))
    }

    pub(crate) fn stretches(&mut self) -> impl Iterator<Item = &mut Stretch> {
        self.owed.iter_mut().filter_map(|owed| if let Owed::Words(stretch) = owed { Some(stretch) } else { None })
    }

    /// The one that is being spoken, where the gateway cuts.
    pub(crate) fn open_stretch(&mut self) -> Option<&mut Stretch> {
        self.stretches().filter(|stretch| stretch.commit.is_none()).last()
    }

    /// On a new connection there are no items yet.
    pub(crate) fn forget_items(&mut self) {
        self.done.clear();
        self.stretches().for_each(Stretch::forget_item);
    }

    /// Whether the session may have one more connection; asking uses it up.
    pub(crate) fn try_again(&mut self) -> bool {
        self.tries += 1;
        self.tries <= TRIES
    }

    /// The server hears speech begin.
    pub(crate) fn begins(&mut self, item: &str, start_ms: u64) {
        if self.knows(item) {
            return;
        }
        let begun = Owed::Words(Stretch { item: Some(item.to_owned()), ..Stretch::begun(start_ms) });
        // It tells of what was said before a commit of ours that it has not heard yet.
        let expected = |owed: &Owed| matches!(owed, Owed::Words(stretch) if stretch.is_expected());
        let at = self.owed.iter().position(expected).unwrap_or(self.owed.len());
        self.owed.insert(at, begun);
    }

    /// The server hears speech end.
    pub(crate) fn ends(&mut self, item: &str, end_ms: u64, now: Instant) {
        if let Some(stretch) = self.stretches().find(|stretch| stretch.is(item)) {
            stretch.end_ms = Some(end_ms.max(stretch.start_ms));
            stretch.since_us = now.mono_us;
            stretch.ended = true;
        }
    }

    /// The server has cut an item, the one behind `previous`.
    pub(crate) fn committed(&mut self, item: &str, previous: Option<&str>, now_ms: u64, now: Instant) {
        if self.done.iter().any(|done| done == item) {
            return;
        }
        let known = self.stretches().find(|stretch| stretch.is(item)).map(|stretch| stretch.ended);
        if known == Some(false) {
            // A commit of ours cut what the server heard begin: it was expected beside.
            let beside = |owed: &Owed| matches!(owed, Owed::Words(stretch) if stretch.is_expected() && stretch.wire.is_empty());
            let expected = self.owed.iter().position(beside).and_then(|at| self.owed.remove(at));
            if let (Some(Owed::Words(expected)), Some(stretch)) = (expected, self.stretches().find(|stretch| stretch.is(item))) {
                stretch.end_ms = expected.end_ms.max(Some(stretch.start_ms));
            }
        } else if known.is_some() {
            // The server was faster than any commit of ours.
        } else if let Some(stretch) = self.stretches().find(|stretch| stretch.is_expected()) {
            stretch.item = Some(item.to_owned());
        } else {
            self.owed.push_back(Owed::Words(Stretch { item: Some(item.to_owned()), ..Stretch::begun(now_ms) }));
        }
        if let Some(stretch) = self.stretches().find(|stretch| stretch.is(item)) {
            stretch.end_ms.get_or_insert(now_ms);
            stretch.since_us = stretch.since_us.max(now.mono_us);
        }
        self.put_behind(item, previous);
    }

    /// More words of an item; what is known of the oldest stretch is a partial.
    pub(crate) fn delta(&mut self, item: &str, delta: &str, now_ms: u64) -> Option<Transcript> {
        if self.done.iter().any(|done| done == item) {
            return None;
        }
        if !self.knows(item) {
            // Words may come before the cut: they are of the oldest stretch that has no item.
            let unknown = self.stretches().find(|stretch| stretch.item.is_none() && stretch.heard.is_none())?;
            unknown.item = Some(item.to_owned());
        }
        let is_oldest = matches!(self.owed.front(), Some(Owed::Words(stretch)) if stretch.is(item));
        let stretch = self.stretches().find(|stretch| stretch.is(item) && stretch.heard.is_none())?;
        stretch.deltas.push_str(delta);
        let text = stretch.deltas.trim();
        (is_oldest && !text.is_empty()).then(|| stretch.transcript(text.to_owned(), now_ms))
    }

    /// All words of an item; none where there was nothing to be understood.
    pub(crate) fn completed(&mut self, item: &str, text: &str, confidence: Option<f32>) {
        if self.done.iter().any(|done| done == item) {
            return;
        }
        let at = match self.knows(item) {
            true => self.stretches().find(|stretch| stretch.is(item)),
            false => self.stretches().find(|stretch| stretch.is_expected()),
        };
        let Some(stretch) = at else { return };
        stretch.item = Some(item.to_owned());
        stretch.heard.get_or_insert_with(|| (text.to_owned(), confidence));
        stretch.wire = Vec::new();
        self.tries = 0;
    }

    /// A commit of ours found nothing; none where the server does not say which.
    pub(crate) fn nothing_to_cut(&mut self, commit: Option<u32>) {
        let empty = |stretch: &Stretch| stretch.is_expected() && (commit.is_none() || stretch.commit == commit);
        if let Some(stretch) = self.stretches().find(|stretch| empty(stretch)) {
            stretch.heard = Some(Default::default());
        }
    }

    /// What can be given now.
    pub(crate) fn take(&mut self) -> Option<Owed> {
        if matches!(self.owed.front(), Some(Owed::Words(stretch)) if stretch.heard.is_none()) {
            return None;
        }
        let owed = self.owed.pop_front()?;
        if let Owed::Words(Stretch { item: Some(item), .. }) = &owed {
            self.done.push_back(item.clone());
            self.done.drain(..self.done.len().saturating_sub(DONE_MAX));
        }
        Some(owed)
    }

    /// Whether the vendor lets us wait too long.
    pub(crate) fn overdue(&self, now: Instant) -> Result<(), Fault> {
        if self.next_us().is_some_and(|at_us| now.mono_us >= at_us) {
            return Err(Fault::new(FaultKind::Unavailable, "the vendor fell silent"));
        }
        Ok(())
    }

    pub(crate) fn next_us(&self) -> Option<u64> {
        let deadline = |owed: &Owed| match owed {
            Owed::Words(stretch) if stretch.heard.is_none() && stretch.since_us > 0 => Some(stretch.since_us + WORDS_US),
            Owed::Words(_) => None,
            Owed::Finalized(since_us) | Owed::Done(since_us) => Some(since_us + OWED_US),
        };
        self.owed.iter().filter_map(deadline).min()
    }

    fn knows(&self, item: &str) -> bool {
        self.done.iter().any(|done| done == item) || self.owed.iter().any(|owed| matches!(owed, Owed::Words(one) if one.is(item)))
    }

    /// The server counts by predecessors: completions come in any order, and so may news of cuts.
    fn put_behind(&mut self, item: &str, previous: Option<&str>) {
        let place = |item: &str| self.owed.iter().position(|owed| matches!(owed, Owed::Words(one) if one.is(item)));
        let Some((at, before)) = place(item).zip(previous.and_then(place)) else { return };
        if before > at
            && let Some(owed) = self.owed.remove(at)
        {
            self.owed.insert(before, owed);
        }
    }
}

impl Stretch {
    pub(crate) fn begun(start_ms: u64) -> Self {
        Self { start_ms, ..Self::default() }
    }

    /// What a commit of ours may find, of which nothing was told yet.
    pub(crate) fn expected(end_ms: u64, commit: u32) -> Self {
        Self { commit: Some(commit), end_ms: Some(end_ms), ..Self::begun(end_ms) }
    }

    fn forget_item(&mut self) {
        self.item = None;
        self.deltas.clear();
    }

    /// None where there was nothing to be understood.
    pub(crate) fn last(self) -> Option<Transcript> {
        let (text, confidence) = self.heard.clone().unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        Some(Transcript { confidence, stability: Some(1.0), ..self.transcript(text, self.start_ms) })
    }

    /// It was cut by us, and the server has not said which item it is.
    fn is_expected(&self) -> bool {
        self.item.is_none() && self.commit.is_some() && self.heard.is_none()
    }

    fn is(&self, item: &str) -> bool {
        self.item.as_deref() == Some(item)
    }

    fn transcript(&self, text: String, now_ms: u64) -> Transcript {
        let end_ms = self.end_ms.unwrap_or(now_ms).max(self.start_ms);
        Transcript { text, language: None, confidence: None, stability: None, start_ms: self.start_ms, end_ms, words: vec![] }
    }
}
