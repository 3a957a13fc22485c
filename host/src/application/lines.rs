//! Lines that a gateway says word for word in every call, greeting first: spoken once by the tenant's speaker, then kept. So are the few words with which
//! answers begin again and again.
//!
//! A wrapper around whoever opens speaking sessions. What is neither goes through untouched, as does what stands behind something that is still being
//! spoken: order is never changed. Places of words are kept with the sound, and those of the session moved by what was said beside it. Every provider's voice is kept apart: a fallback's does not outlive the fall.

mod clauses;

use super::ports::{Fall, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest, SpokenWord};
use super::speaking::Given;
use clauses::{MARK, Rest, Seen, may_be_kept};
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
    /// First clauses said from memory.
    pub clause_hits: u64,
    /// First clauses that might be kept, spoken by a session.
    pub clause_misses: u64,
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
    seen: Mutex<Seen>,
    hits: AtomicU64,
    misses: AtomicU64,
    clause_hits: AtomicU64,
    clause_misses: AtomicU64,
}

impl Lines {
    /// Nothing is kept yet.
    pub fn over(inner: Arc<dyn Speaking>) -> Self {
        Self { inner, kept: Arc::default() }
    }

    /// What was counted so far.
    pub fn counts(&self) -> LineCounts {
        let Kept { hits, misses, clause_hits, clause_misses, .. } = &*self.kept;
        let [hits, misses, clause_hits, clause_misses] =
            [hits, misses, clause_hits, clause_misses].map(|count| count.load(Relaxed));
        LineCounts { hits, misses, clause_hits, clause_misses }
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
            clause: None,
            rest: None,
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

    fn put(&self, learned: Learned) {
        let Learned { key, rate_hz, pcm, words, .. } = learned;
        if pcm.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut sounds = self.lock();
        sounds.insert(key, Sound { rate_hz, pcm: pcm.into(), words: words.into(), since: now, last: now });
        while sounds.values().map(|sound| sound.pcm.len()).sum::<usize>() > SAMPLES_MAX {
            let Some(oldest) = sounds.iter().min_by_key(|(_, sound)| sound.last).map(|(key, _)| key.clone()) else { return };
            sounds.remove(&oldest);
        }
    }

    fn has_come_before(&self, key: &Key) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).again(key)
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
    /// A first clause whose sound is coming.
    clause: Option<Box<Learned>>,
    /// What follows a first clause that was said from memory.
    rest: Option<Rest>,
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
    Learned { line: Box<Learned>, mark: Option<u32> },
    /// One whose first clause was said from memory.
    Begun,
    /// Something else.
    Other,
}

impl Sound {
    /// With its words, where it begins so late in the sound of the session.
    fn pieces(&self, begin_ms: u64) -> impl Iterator<Item = SpeakingEvent> + '_ {
        let words = self.words.iter().map(move |word| SpeakingEvent::Word(later(word.clone(), begin_ms)));
        words.chain(self.pcm.chunks(PIECE).map(|pcm| SpeakingEvent::Audio { rate_hz: self.rate_hz, pcm: pcm.to_vec() }))
    }
}

/// Something that is being spoken, and is to be kept.
struct Learned {
    key: Key,
    rate_hz: u32,
    pcm: Vec<i16>,
    /// Since the first sample.
    words: Vec<SpokenWord>,
    /// Where that lies in the session's sound, in milliseconds.
    begin_ms: u64,
}

impl Learned {
    fn new(key: Key) -> Self {
        Self { key, rate_hz: 0, pcm: Vec::new(), words: Vec::new(), begin_ms: 0 }
    }

    /// More of it, of a session that has given so much sound before; false where it becomes too long.
    fn hear(&mut self, given_ms: u64, event: &SpeakingEvent) -> bool {
        if self.pcm.is_empty() {
            self.begin_ms = given_ms;
        }
        match event {
            SpeakingEvent::Audio { rate_hz, pcm } => {
                self.rate_hz = *rate_hz;
                self.pcm.extend_from_slice(pcm);
            }
            SpeakingEvent::Word(word) => {
                // A voice that tells more words than the text has is not believed.
                let bytes = self.words.iter().map(|word| word.text.len()).sum::<usize>() + word.text.len();
                let place = word.start_ms.checked_sub(self.begin_ms);
                if let Some(start_ms) = place.filter(|_| !word.text.is_empty() && bytes <= 2 * self.key.text.len()) {
                    let end_ms = start_ms + word.end_ms.saturating_sub(word.start_ms);
                    self.words.push(SpokenWord { text: word.text.clone(), start_ms, end_ms });
                }
            }
            SpeakingEvent::Flushed(_) | SpeakingEvent::Cancelled | SpeakingEvent::Usage(_) | SpeakingEvent::Fell(_) => {}
        }
        self.pcm.len() <= LINE_SAMPLES_MAX
    }
}

/// The same word, so much later.
fn later(word: SpokenWord, ms: u64) -> SpokenWord {
    let SpokenWord { text, start_ms, end_ms } = word;
    SpokenWord { text, start_ms: start_ms.saturating_add(ms), end_ms: end_ms.saturating_add(ms) }
}

impl Session {
    /// Of a line.
    fn key(&self, text: &str) -> Option<Key> {
        self.request.lines.iter().any(|line| line == text).then(|| self.key_of(text))
    }

    fn key_of(&self, text: &str) -> Key {
        Key {
            tenant: self.request.tenant.clone(),
            provider: self.request.provider.clone(),
            language: self.request.language.clone(),
            rate_hz: self.request.rate_hz,
            text: text.to_owned(),
        }
    }

    /// An utterance begins, and nothing before it is still to be said.
    fn is_alone(&self) -> bool {
        self.open == 0 && self.cancels == 0 && self.said.is_empty() && matches!(self.text, Text::None)
    }

    /// True where the text is kept and need not be told to the session yet.
    fn knows(&mut self, text: &str) -> bool {
        let Some(key) = self.key(text).filter(|_| self.is_alone()) else { return false };
        let Some(sound) = self.kept.get(&key) else { return false };
        self.text = Text::Known(sound, text.to_owned());
        true
    }

    /// A first clause: said from memory, or spoken so that it can be next time. False where the session is to be told it as anything else.
    fn begins(&mut self, text: &str) -> Result<bool, SpeakingInput> {
        if !self.is_alone() || !may_be_kept(text) || self.key(text).is_some() {
            return Ok(false);
        }
        let key = self.key_of(text);
        if let Some(sound) = self.kept.get(&key) {
            self.kept.clause_hits.fetch_add(1, Relaxed);
            let begin_ms = self.said_ms();
            self.said.extend(sound.pieces(begin_ms));
            (self.text, self.rest) = (Text::Begun, Some(Rest::default()));
            return Ok(true);
        }
        let again = self.kept.has_come_before(&key);
        self.inner.try_tell(SpeakingInput::Text(text.to_owned()))?;
        self.kept.clause_misses.fetch_add(1, Relaxed);
        self.text = Text::Other;
        // Where there is no room for it, the clause is learned another time.
        if again && self.inner.try_tell(SpeakingInput::Flush(MARK)).is_ok() {
            self.open += 1;
            self.clause = Some(Box::new(Learned::new(key)));
        }
        Ok(true)
    }

    /// The session is told that text: is it to be learned?
    fn note(&mut self, text: &str) {
        let key = self.key(text).filter(|_| self.open == 0 && matches!(self.text, Text::None));
        self.text = match key {
            Some(key) => {
                self.kept.misses.fetch_add(1, Relaxed);
                Text::Learned { line: Box::new(Learned::new(key)), mark: None }
            }
            None => Text::Other,
        };
    }

    fn try_text(&mut self, text: String) -> Result<(), SpeakingInput> {
        if self.knows(&text) || self.begins(&text)? {
            return Ok(());
        }
        if let Text::Known(_, first) = &self.text {
            // More than the line: the session speaks it all.
            self.inner.try_tell(SpeakingInput::Text(first.clone())).map_err(|_| SpeakingInput::Text(text.clone()))?;
            self.text = Text::Other;
        }
        self.inner.try_tell(SpeakingInput::Text(text.clone()))?;
        match (&self.text, &mut self.rest) {
            (Text::Begun, Some(rest)) => rest.tell(&text),
            _ => self.note(&text),
        }
        Ok(())
    }

    fn try_flush(&mut self, flushed: u32) -> Result<(), SpeakingInput> {
        if let Text::Known(sound, _) = &self.text {
            self.kept.hits.fetch_add(1, Relaxed);
            let begin_ms = self.said_ms();
            self.said.extend(sound.pieces(begin_ms).chain([SpeakingEvent::Flushed(flushed)]));
            self.text = Text::None;
            return Ok(());
        }
        if matches!(self.text, Text::Begun) && self.rest.take_if(|rest| rest.is_nothing()).is_some() {
            self.said.push_back(SpeakingEvent::Flushed(flushed));
            self.text = Text::None;
            return Ok(());
        }
        self.inner.try_tell(SpeakingInput::Flush(flushed))?;
        self.open += 1;
        match &mut self.text {
            Text::Learned { mark, .. } => *mark = Some(flushed),
            text => *text = Text::None,
        }
        if let Some(rest) = &mut self.rest {
            rest.mark.get_or_insert(flushed);
        }
        Ok(())
    }

    /// What the session says of a first clause that is to be kept.
    fn learn_clause(&mut self, event: &SpeakingEvent) {
        let given_ms = self.given.ms();
        match event {
            SpeakingEvent::Audio { .. } | SpeakingEvent::Word(_) => {
                self.clause.take_if(|clause| !clause.hear(given_ms, event));
            }
            SpeakingEvent::Flushed(MARK) => {
                if let Some(clause) = self.clause.take() {
                    self.kept.put(*clause);
                }
            }
            SpeakingEvent::Usage(_) => {}
            SpeakingEvent::Flushed(_) | SpeakingEvent::Cancelled | SpeakingEvent::Fell(_) => self.clause = None,
        }
    }

    /// The session has said nothing of what follows a first clause: true, once. What was said from memory would hide it.
    fn is_mute(&mut self, event: &SpeakingEvent) -> bool {
        let Some(rest) = &mut self.rest else { return false };
        let is_mute = rest.is_mute(event);
        self.rest.take_if(|rest| matches!(event, SpeakingEvent::Flushed(mark) if rest.mark == Some(*mark)));
        is_mute
    }

    /// What the session says of a line that is to be kept.
    fn learn(&mut self, event: &SpeakingEvent) {
        let given_ms = self.given.ms();
        let Text::Learned { line, mark } = &mut self.text else { return };
        let fits = line.hear(given_ms, event);
        match event {
            SpeakingEvent::Flushed(flushed) if *mark == Some(*flushed) => {
                if let Text::Learned { line, .. } = std::mem::replace(&mut self.text, Text::None) {
                    self.kept.put(*line);
                }
            }
            SpeakingEvent::Audio { .. } if fits => {}
            SpeakingEvent::Flushed(_) | SpeakingEvent::Word(_) | SpeakingEvent::Usage(_) => {}
            SpeakingEvent::Audio { .. } | SpeakingEvent::Cancelled | SpeakingEvent::Fell(_) => {
                self.text = if mark.is_some() { Text::None } else { Text::Other };
            }
        }
    }

    /// So much sound was given and said so far, in milliseconds.
    fn said_ms(&self) -> u64 {
        self.given.ms() + self.beside.ms()
    }
}

impl Speak for Session {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        match input {
            SpeakingInput::Text(text) => self.try_text(text),
            SpeakingInput::Flush(mark) => self.try_flush(mark),
            SpeakingInput::Cancel => {
                self.inner.try_tell(SpeakingInput::Cancel)?;
                (self.open, self.text, self.clause, self.rest) = (0, Text::None, None, None);
                self.cancels += 1;
                self.said.clear();
                Ok(())
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        loop {
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
                    self.learn_clause(event);
                    self.open -= u32::from(matches!(event, SpeakingEvent::Flushed(_)) && self.open > 0);
                    if self.is_mute(event) {
                        let fall = Fall::new(self.request.provider.plugin.clone(), "no_audio");
                        return Poll::Ready(Some(SpeakingEvent::Fell(fall)));
                    }
                }
                Some(_) | None => {}
            }
            match event {
                // A mark of ours is nobody else's.
                Some(SpeakingEvent::Flushed(MARK)) => {}
                Some(SpeakingEvent::Audio { rate_hz, pcm }) => {
                    self.given.add(rate_hz, pcm.len());
                    return Poll::Ready(Some(SpeakingEvent::Audio { rate_hz, pcm }));
                }
                Some(SpeakingEvent::Word(word)) => {
                    return Poll::Ready(Some(SpeakingEvent::Word(later(word, self.beside.ms()))));
                }
                event => return Poll::Ready(event),
            }
        }
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        self.inner.part()
    }
}

#[cfg(test)]
mod tests;
