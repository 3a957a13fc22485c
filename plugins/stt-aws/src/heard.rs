//! What was heard: each word once, in the call's own time, and what is still open.

use crate::protocol::{Item, Recognised};
use std::collections::VecDeque;
use vg_plugin_sdk::{Transcript, Word, stt::Effect};

/// Stretches whose finals are remembered: one that comes again is heard once.
const DONE: usize = 16;

/// Where the service's time differs from the call's: silence of ours lies in between.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Place in the service's time and length.
    silences: Vec<(u64, u64)>,
}

impl Clock {
    /// Silence of ours at this place of the service's time.
    pub(crate) fn silence(&mut self, at_ms: u64, length_ms: u64) {
        match self.silences.last_mut() {
            Some((start, length)) if *start + *length == at_ms => *length += length_ms,
            _ => self.silences.push((at_ms, length_ms)),
        }
    }

    /// The call's time.
    pub(crate) fn call_ms(&self, at_ms: u64) -> u64 {
        let inserted = self.silences.iter().map(|(start, length)| at_ms.saturating_sub(*start).min(*length)).sum::<u64>();
        at_ms - inserted
    }
}

/// What the service said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) clock: Clock,
    /// The last partial of a stretch without a final.
    open: Option<Recognised>,
    done: VecDeque<String>,
    /// A stretch whose partial was given as final, and how far.
    promoted: Option<(String, u64)>,
    /// Nothing that was spoken before this is given any more: its turn is over.
    closed_ms: u64,
    /// Where the last final ended.
    until_ms: u64,
}

impl Heard {
    /// How far finals reach.
    pub(crate) fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// Where the stretch begins that has no final yet.
    pub(crate) fn open_from_ms(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.start_ms)
    }

    /// The service says this.
    pub(crate) fn take(&mut self, recognised: Recognised) -> Option<Effect> {
        if !recognised.id.is_empty() && self.done.contains(&recognised.id) {
            return None;
        }
        let recognised = self.in_call_time(recognised)?;
        if recognised.is_partial {
            let recognised = self.not_yet_given(recognised)?;
            // One that comes after its final is stale.
            if recognised.end_ms <= self.until_ms || recognised.text.is_empty() {
                return None;
            }
            self.open = Some(recognised.clone());
            return Some(Effect::Partial(transcript(recognised, None)));
        }
        if self.open.as_ref().is_some_and(|open| open.id == recognised.id || open.start_ms < recognised.end_ms) {
            self.open = None;
        }
        let id = recognised.id.clone();
        let rest = self.not_yet_given(recognised);
        self.close(id);
        let said = rest.filter(|said| said.end_ms > self.until_ms && !said.text.is_empty())?;
        self.until_ms = said.end_ms;
        Some(Effect::Final(transcript(said, Some(1.0))))
    }

    /// The turn up to there is over, though no final came in time: the last partial of what began in it is one.
    pub(crate) fn give_up(&mut self, before_ms: u64) -> Option<Effect> {
        self.closed_ms = self.closed_ms.max(before_ms);
        let open = self.open.take_if(|open| open.start_ms < before_ms)?;
        self.until_ms = open.end_ms;
        self.promoted = Some((open.id.clone(), open.end_ms));
        Some(Effect::Final(transcript(open, Some(1.0))))
    }

    fn close(&mut self, id: String) {
        self.promoted.take_if(|(promoted, _)| *promoted == id);
        if !id.is_empty() {
            self.done.push_back(id);
            if self.done.len() > DONE {
                self.done.pop_front();
            }
        }
    }

    /// None where it was heard in our own silence alone: nobody spoke there.
    fn in_call_time(&self, mut recognised: Recognised) -> Option<Recognised> {
        let spoke = recognised.end_ms > recognised.start_ms;
        recognised.start_ms = self.clock.call_ms(recognised.start_ms);
        recognised.end_ms = self.clock.call_ms(recognised.end_ms);
        for item in &mut recognised.items {
            item.start_ms = self.clock.call_ms(item.start_ms);
            item.end_ms = self.clock.call_ms(item.end_ms);
        }
        (!spoke || recognised.end_ms > recognised.start_ms).then_some(recognised)
    }

    /// Without the words of it that were given as a final already, or whose turn is over.
    fn not_yet_given(&self, mut recognised: Recognised) -> Option<Recognised> {
        let promoted = self.promoted.as_ref().filter(|(id, _)| *id == recognised.id);
        let until_ms = promoted.map_or(self.closed_ms, |(_, until_ms)| self.closed_ms.max(*until_ms));
        if recognised.start_ms >= until_ms {
            return Some(recognised);
        }
        recognised.items.retain(|item| (item.start_ms + item.end_ms) / 2 >= until_ms);
        // A mark behind a word that was given stands alone.
        let first = recognised.items.iter().position(|item| !item.is_punctuation)?;
        recognised.items.drain(..first);
        recognised.start_ms = recognised.items.first()?.start_ms;
        recognised.text = text(&recognised.items);
        Some(recognised)
    }
}

fn text(items: &[Item]) -> String {
    items.iter().fold(String::new(), |mut text, item| {
        if !text.is_empty() && !item.is_punctuation {
            text.push(' ');
        }
        text.push_str(&item.text);
        text
    })
}

fn transcript(recognised: Recognised, stability: Option<f32>) -> Transcript {
    let spoken: Vec<&Item> = recognised.items.iter().filter(|item| !item.is_punctuation).collect();
    let share = |count: usize| (!spoken.is_empty()).then(|| count as f32 / spoken.len() as f32);
    let confidences: Vec<f32> = spoken.iter().filter_map(|item| item.confidence).collect();
    let confidence = (!confidences.is_empty()).then(|| confidences.iter().sum::<f32>() / confidences.len() as f32);
    let stability = stability.or_else(|| share(spoken.iter().filter(|item| item.is_stable).count()));
    let words = spoken.iter().map(|item| Word {
        text: item.text.clone(),
        start_ms: item.start_ms,
        end_ms: item.end_ms,
        confidence: item.confidence,
    });
    let words = words.collect();
    Transcript {
        text: recognised.text,
        language: recognised.language,
        confidence,
        stability,
        start_ms: recognised.start_ms,
        end_ms: recognised.end_ms,
        words,
    }
}

#[cfg(test)]
mod tests;
