//! Lines that a gateway says word for word in every call, greeting first: spoken once by the tenant's speaker, then kept.
//!
//! A wrapper around whoever opens speaking sessions. What is not such a line goes through untouched, as does a line that stands behind something
//! that is still being spoken: order is never changed. Places of words are kept with the sound, and those of the session moved by what was said beside
//! it. Every provider's voice is kept apart: a fallback's does not outlive the fall.

use super::ports::{Fall, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest, SpokenWord};
use super::speaking::Given;
use futures_util::stream::BoxStream;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use vg_domain::ids::TenantId;
use vg_domain::tenant::Provider;
use vg_domain::usage::Usage;

/// Samples of all kept lines together: 32 MiB, more than half an hour at 8 kHz. When full: the line that was said longest ago goes.
const SAMPLES_MAX: usize = 16 << 20;
/// A line longer than this is not kept: two minutes at 8 kHz.
const LINE_SAMPLES_MAX: usize = 1 << 20;
/// A vendor may give its voices a new sound: after so long a line is spoken anew.
const KEPT: Duration = Duration::from_secs(3_600);
/// Kept sound is told in pieces of so many samples, as a session would.
const PIECE: usize = 8_000;

/// See the module.
pub struct Lines {
    inner: Arc<dyn Speaking>,
    kept: Arc<Kept>,
}

/// How often lines were kept already, and how often they were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Said from memory.
    pub hits: u64,
    /// Spoken by a session.
    pub misses: u64,
}

/// Everything on which the sound of a line depends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    provider: Provider,
    language: String,
    rate_hz: u32,
    text: String,
}

#[derive(Clone, Debug)]
struct Sound {
    rate_hz: u32,
    pcm: Arc<[i16]>,
    /// Since the first sample.
    words: Arc<[SpokenWord]>,
    since: Instant,
    last: Instant,
}

#[derive(Default)]
struct Kept {
    sounds: Mutex<HashMap<Key, Sound>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Lines {
    /// Nothing is kept yet.
    pub fn over(inner: Arc<dyn Speaking>) -> Self {
        Self { inner, kept: Arc::default() }
    }

    /// What was counted so far.
    pub fn counts(&self) -> LineCounts {
        LineCounts { hits: self.kept.hits.load(Relaxed), misses: self.kept.misses.load(Relaxed) }
    }
}

impl Speaking for Lines {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        let kept = Arc::clone(&self.kept);
        let inner = self.inner.open(request.clone())?;
        Ok(Box::new(Session {
            inner,
            kept,
            request,
            open: 0,
            cancels: 0,
            text: Text::None,
            said: VecDeque::new(),
            given: Given::default(),
            beside: Given::default(),
        }))
    }
}

impl Kept {
    fn get(&self, key: &Key) -> Option<Sound> {
        let now = Instant::now();
        let mut sounds = self.lock();
        let sound = sounds.get_mut(key).filter(|sound| now - sound.since < KEPT)?;
        sound.last = now;
        Some(sound.clone())
    }

    fn put(&self, key: Key, rate_hz: u32, pcm: Vec<i16>, words: Vec<SpokenWord>) {
        let now = Instant::now();
        let mut sounds = self.lock();
        sounds.insert(key, Sound { rate_hz, pcm: pcm.into(), words: words.into(), since: now, last: now });
        while sounds.values().map(|sound| sound.pcm.len()).sum::<usize>() > SAMPLES_MAX {
            let Some(oldest) = sounds.iter().min_by_key(|(_, sound)| sound.last).map(|(key, _)| key.clone()) else { return };
            sounds.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Sound>> {
        // Nothing panics while it is held.
        self.sounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A speaking session that may know some of what it is told.
struct Session {
    inner: Box<dyn Speak>,
    kept: Arc<Kept>,
    request: SpeakingRequest,
    /// Utterances that the session beneath has not flushed.
    open: u32,
    /// `Cancelled` answers that are still to come: what comes before them belongs to nobody.
    cancels: u32,
    /// The utterance whose text is being told.
    text: Text,
    /// What is said without the session.
    said: VecDeque<SpeakingEvent>,
    /// Sound that the session has given.
    given: Given,
    /// Sound that was said without it.
    beside: Given,
}

/// What is known of an utterance.
enum Text {
    /// Nothing was told of it yet.
    None,
    /// A line that is kept. Whether it is all of the utterance shows when that is flushed.
    Known(Sound, String),
    /// A line that the session speaks and that is to be kept; its mark once that is told.
    Learned(Box<Learned>),
    /// Something else.
    Other,
}

/// A line that is being spoken for the first time.
struct Learned {
    key: Key,
    rate_hz: u32,
    pcm: Vec<i16>,
    /// Since the first sample.
    words: Vec<SpokenWord>,
    /// Where that lies in the session's sound, in milliseconds.
    begin_ms: u64,
    /// Its mark once that is told.
    mark: Option<u32>,
}

impl Session {
    fn key(&self, text: &str) -> Option<Key> {
        self.request.lines.iter().any(|line| line == text).then(|| Key {
            tenant: self.request.tenant.clone(),
            provider: self.request.provider.clone(),
            language: self.request.language.clone(),
            rate_hz: self.request.rate_hz,
            text: text.to_owned(),
        })
    }

    /// True where the text is kept and need not be told to the session yet.
    fn knows(&mut self, text: &str) -> bool {
        let is_alone = self.open == 0 && self.cancels == 0 && self.said.is_empty() && matches!(self.text, Text::None);
        let Some(key) = self.key(text).filter(|_| is_alone) else { return false };
        let Some(sound) = self.kept.get(&key) else { return false };
        self.text = Text::Known(sound, text.to_owned());
        true
    }

    /// The session is told that text: is it to be learned?
    fn note(&mut self, text: &str) {
        let key = self.key(text).filter(|_| self.open == 0 && matches!(self.text, Text::None));
        self.text = match key {
            Some(key) => {
                self.kept.misses.fetch_add(1, Relaxed);
                let (pcm, words) = (Vec::new(), Vec::new());
                Text::Learned(Box::new(Learned { key, rate_hz: 0, pcm, words, begin_ms: 0, mark: None }))
            }
            None => Text::Other,
        };
    }

    fn try_text(&mut self, text: String) -> Result<(), SpeakingInput> {
        if self.knows(&text) {
            return Ok(());
        }
        if let Text::Known(_, first) = &self.text {
            // More than the line: the session speaks it all.
            self.inner.try_tell(SpeakingInput::Text(first.clone())).map_err(|_| SpeakingInput::Text(text.clone()))?;
            self.text = Text::Other;
        }
        self.inner.try_tell(SpeakingInput::Text(text.clone()))?;
        self.note(&text);
        Ok(())
    }

    fn try_flush(&mut self, flushed: u32) -> Result<(), SpeakingInput> {
        if let Text::Known(sound, _) = &self.text {
            self.kept.hits.fetch_add(1, Relaxed);
            let begin_ms = self.given.ms() + self.beside.ms();
            let words = sound.words.iter().map(|word| SpeakingEvent::Word(later(word.clone(), begin_ms)));
            let pieces = sound.pcm.chunks(PIECE).map(|pcm| SpeakingEvent::Audio { rate_hz: sound.rate_hz, pcm: pcm.to_vec() });
            self.said.extend(words.chain(pieces).chain([SpeakingEvent::Flushed(flushed)]));
            self.text = Text::None;
            return Ok(());
        }
        self.inner.try_tell(SpeakingInput::Flush(flushed))?;
        self.open += 1;
        match &mut self.text {
            Text::Learned(learned) => learned.mark = Some(flushed),
            text => *text = Text::None,
        }
        Ok(())
    }

    /// What the session says of a line that is to be kept.
    fn learn(&mut self, event: &SpeakingEvent) {
        let given_ms = self.given.ms();
        let Text::Learned(learned) = &mut self.text else { return };
        let Learned { key, rate_hz, pcm, words, begin_ms, mark } = &mut **learned;
        if pcm.is_empty() {
            *begin_ms = given_ms;
        }
        match event {
            SpeakingEvent::Audio { rate_hz: rate, pcm: more } if pcm.len() + more.len() <= LINE_SAMPLES_MAX => {
                *rate_hz = *rate;
                pcm.extend_from_slice(more);
            }
            SpeakingEvent::Word(word) => {
                // A voice that tells more words than the line has is not believed.
                let bytes = words.iter().map(|word| word.text.len()).sum::<usize>() + word.text.len();
                let place = word.start_ms.checked_sub(*begin_ms);
                if let Some(start_ms) = place.filter(|_| !word.text.is_empty() && bytes <= 2 * key.text.len()) {
                    let end_ms = start_ms + word.end_ms.saturating_sub(word.start_ms);
                    words.push(SpokenWord { text: word.text.clone(), start_ms, end_ms });
                }
            }
            SpeakingEvent::Flushed(flushed) if *mark == Some(*flushed) => {
                if let Text::Learned(learned) = std::mem::replace(&mut self.text, Text::None)
                    && !learned.pcm.is_empty()
                {
                    let Learned { key, rate_hz, pcm, words, .. } = *learned;
                    self.kept.put(key, rate_hz, pcm, words);
                }
            }
            SpeakingEvent::Flushed(_) | SpeakingEvent::Usage(_) => {}
            SpeakingEvent::Audio { .. } | SpeakingEvent::Cancelled | SpeakingEvent::Fell(_) => {
                self.text = if mark.is_some() { Text::None } else { Text::Other };
            }
        }
    }
}

impl Speak for Session {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        match input {
            SpeakingInput::Text(text) => self.try_text(text),
            SpeakingInput::Flush(mark) => self.try_flush(mark),
            SpeakingInput::Cancel => {
                self.inner.try_tell(SpeakingInput::Cancel)?;
                (self.open, self.text) = (0, Text::None);
                self.cancels += 1;
                self.said.clear();
                Ok(())
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        if let Some(event) = self.said.pop_front() {
            if let SpeakingEvent::Audio { rate_hz, pcm } = &event {
                self.beside.add(*rate_hz, pcm.len());
            }
            return Poll::Ready(Some(event));
        }
        let event = std::task::ready!(self.inner.poll_event(cx));
        match &event {
            Some(SpeakingEvent::Cancelled) => self.cancels = self.cancels.saturating_sub(1),
            Some(event) if self.cancels == 0 => {
                self.learn(event);
                self.open -= u32::from(matches!(event, SpeakingEvent::Flushed(_)) && self.open > 0);
            }
            Some(_) | None => {}
        }
        if let Some(SpeakingEvent::Audio { rate_hz, pcm }) = &event {
            self.given.add(*rate_hz, pcm.len());
        }
        Poll::Ready(event.map(|event| match event {
            SpeakingEvent::Word(word) => SpeakingEvent::Word(later(word, self.beside.ms())),
            event => event,
        }))
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        self.inner.part()
    }
}

/// The same word, so much later.
fn later(word: SpokenWord, ms: u64) -> SpokenWord {
    let SpokenWord { text, start_ms, end_ms } = word;
    SpokenWord { text, start_ms: start_ms.saturating_add(ms), end_ms: end_ms.saturating_add(ms) }
}

#[cfg(test)]
mod tests;
