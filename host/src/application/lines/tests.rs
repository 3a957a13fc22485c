mod clauses;

use super::*;
use crate::application::breakers::Seat;
use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use vg_domain::ids::{CallId, PluginId};

const GREETING: &str = "Welcome.";

/// Says of each text its length in samples, and counts how often it was told something.
#[derive(Default)]
struct Voice {
    told: Arc<AtomicUsize>,
    /// Says nothing before it is told to.
    slow: bool,
    /// Says of no text anything but that it is said.
    mute: bool,
    /// Tells each text so often as a word that lies where its sound does: a millisecond for each character.
    words: usize,
}

struct Speaker {
    mute: bool,
    told: Arc<AtomicUsize>,
    said: VecDeque<SpeakingEvent>,
    slow: bool,
    words: usize,
    given_ms: u64,
}

impl Speaking for Voice {
    fn open(&self, _: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        let (told, said) = (Arc::clone(&self.told), VecDeque::new());
        Ok(Box::new(Speaker { told, said, slow: self.slow, mute: self.mute, words: self.words, given_ms: 0 }))
    }
}

impl Speak for Speaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        self.told.fetch_add(1, Relaxed);
        match input {
            SpeakingInput::Text(_) if self.mute => {}
            SpeakingInput::Text(text) if self.words > 0 => {
                let (start_ms, end_ms) = (self.given_ms, self.given_ms + text.len() as u64);
                let pcm = vec![7; text.len() * 8];
                let word = SpokenWord { text, start_ms, end_ms };
                self.said.extend(std::iter::repeat_n(SpeakingEvent::Word(word), self.words));
                self.said.push_back(SpeakingEvent::Audio { rate_hz: 8_000, pcm });
                self.given_ms = end_ms;
            }
            SpeakingInput::Text(text) => self.said.push_back(SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![7; text.len()] }),
            SpeakingInput::Flush(mark) => self.said.push_back(SpeakingEvent::Flushed(mark)),
            // What it was about to say is on its way already.
            SpeakingInput::Cancel => self.said.push_back(SpeakingEvent::Cancelled),
        }
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        if self.slow {
            return Poll::Pending;
        }
        self.said.pop_front().map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
    }
}

fn request() -> SpeakingRequest {
    SpeakingRequest {
        call: CallId::new("1"),
        tenant: TenantId::new("acme"),
        provider: provider("tts-first"),
        language: "en-US".into(),
        rate_hz: 8_000,
        lines: [GREETING.to_owned(), "Goodbye.".to_owned()].into(),
        seat: Seat::default(),
    }
}

fn provider(name: &str) -> Provider {
    Provider::new(PluginId::new(name), "{}")
}

fn say(session: &mut dyn Speak, mark: u32, texts: &[&str]) {
    texts.iter().for_each(|text| session.try_tell(SpeakingInput::Text((*text).to_owned())).unwrap());
    session.try_tell(SpeakingInput::Flush(mark)).unwrap();
}

/// Samples, marks and cancels in order, as far as there are any.
async fn heard(session: &mut dyn Speak) -> Vec<String> {
    let mut heard = Vec::new();
    while let Poll::Ready(Some(event)) = poll_fn(|cx| Poll::Ready(session.poll_event(cx))).await {
        heard.push(match event {
            SpeakingEvent::Audio { pcm, .. } => format!("{} samples", pcm.len()),
            SpeakingEvent::Word(SpokenWord { text, start_ms, end_ms }) => format!("{text} {start_ms}-{end_ms}"),
            SpeakingEvent::Flushed(mark) => format!("flushed {mark}"),
            SpeakingEvent::Cancelled => "cancelled".to_owned(),
            SpeakingEvent::Usage(_) => "usage".to_owned(),
            SpeakingEvent::Fell(fall) => fall.code.to_owned(),
        });
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn a_line_is_spoken_once_and_comes_from_memory_in_the_next_call() {
    let voice = Voice::default();
    let told = Arc::clone(&voice.told);
    let lines = Lines::over(Arc::new(voice));
    for call in 0..3 {
        let mut session = lines.open(request()).unwrap();
        say(&mut *session, 1, &[GREETING]);
        assert_eq!(heard(&mut *session).await, ["8 samples", "flushed 1"], "call {call}");
    }
    assert_eq!((told.load(Relaxed), lines.counts()), (2, LineCounts { hits: 2, misses: 1, ..LineCounts::default() }));
    let mut session = lines.open(SpeakingRequest { tenant: TenantId::new("other"), ..request() }).unwrap();
    say(&mut *session, 1, &[GREETING]);
    assert_eq!(told.load(Relaxed), 4, "another tenant's is not taken");
    tokio::time::advance(KEPT).await;
    say(&mut *lines.open(request()).unwrap(), 1, &[GREETING]);
    assert_eq!(told.load(Relaxed), 6, "it is spoken anew when it is old");
}

#[tokio::test]
async fn numbers_that_an_agent_says_are_never_kept() {
    let voice = Voice::default();
    let told = Arc::clone(&voice.told);
    let lines = Lines::over(Arc::new(voice));
    for _ in 0..2 {
        let mut session = lines.open(request()).unwrap();
        say(&mut *session, 1, &["Your balance is 5 euros."]);
        say(&mut *session, 2, &[GREETING, "More."]);
        assert_eq!(heard(&mut *session).await, ["24 samples", "flushed 1", "8 samples", "5 samples", "flushed 2"]);
    }
    assert_eq!((told.load(Relaxed), lines.counts().hits), (10, 0));
}

#[tokio::test]
async fn a_known_line_with_more_behind_it_is_spoken_whole() {
    let lines = Lines::over(Arc::new(Voice::default()));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &[GREETING]);
    heard(&mut *session).await;
    say(&mut *session, 2, &[GREETING, "More."]);
    assert_eq!(heard(&mut *session).await, ["8 samples", "5 samples", "flushed 2"]);
}

#[tokio::test]
async fn a_known_line_never_overtakes_what_is_still_being_spoken() {
    let lines = Lines::over(Arc::new(Voice::default()));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &[GREETING]);
    heard(&mut *session).await;
    say(&mut *session, 2, &["An answer."]);
    say(&mut *session, 3, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["10 samples", "flushed 2", "8 samples", "flushed 3"]);
}

#[tokio::test]
async fn after_a_cancel_nothing_stale_is_learned_and_nothing_is_said_before_its_answer() {
    let lines = Lines::over(Arc::new(Voice::default()));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &["A long answer that nobody hears."]);
    session.try_tell(SpeakingInput::Cancel).unwrap();
    say(&mut *session, 2, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["32 samples", "flushed 1", "cancelled", "8 samples", "flushed 2"]);
    say(&mut *session, 3, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["8 samples", "flushed 3"], "and no word of the answer");
    say(&mut *session, 4, &["Another."]);
    session.try_tell(SpeakingInput::Cancel).unwrap();
    say(&mut *session, 5, &[GREETING]);
    assert_eq!(heard(&mut *session).await.last().unwrap(), "flushed 5");
}

#[tokio::test]
async fn every_providers_voice_is_its_own() {
    let voice = Voice::default();
    let told = Arc::clone(&voice.told);
    let lines = Lines::over(Arc::new(voice));
    for (name, so_far) in [("tts-first", 2), ("tts-second", 4), ("tts-first", 4), ("tts-second", 4)] {
        let mut session = lines.open(SpeakingRequest { provider: provider(name), ..request() }).unwrap();
        say(&mut *session, 1, &[GREETING]);
        heard(&mut *session).await;
        assert_eq!(told.load(Relaxed), so_far, "{name}");
    }
}

#[tokio::test]
async fn a_line_that_is_cut_is_not_kept() {
    let voice = Voice { slow: true, ..Voice::default() };
    let lines = Lines::over(Arc::new(voice));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &[GREETING]);
    session.try_tell(SpeakingInput::Cancel).unwrap();
    drop(session);
    say(&mut *lines.open(request()).unwrap(), 1, &[GREETING]);
    assert_eq!(lines.counts(), LineCounts { misses: 2, ..LineCounts::default() });
}

#[tokio::test]
async fn the_places_of_its_words_are_kept_with_a_line_and_move_with_what_is_said_beside_the_session() {
    let lines = Lines::over(Arc::new(Voice { words: 1, ..Voice::default() }));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &["One."]);
    say(&mut *session, 2, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["One. 0-4", "32 samples", "flushed 1", "Welcome. 4-12", "64 samples", "flushed 2"]);
    say(&mut *session, 3, &["Two."]);
    say(&mut *session, 4, &["Goodbye."]);
    heard(&mut *session).await;
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &["One."]);
    heard(&mut *session).await;
    say(&mut *session, 2, &[GREETING]);
    heard(&mut *session).await;
    say(&mut *session, 3, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["Welcome. 12-20", "64 samples", "flushed 3"], "from memory, in its place");
    say(&mut *session, 4, &["Two."]);
    assert_eq!(heard(&mut *session).await, ["Two. 20-24", "32 samples", "flushed 4"], "the session knows nothing of it");
}

#[tokio::test]
async fn a_voice_that_tells_more_words_than_the_line_has_is_not_kept_in_memory_for_it() {
    let lines = Lines::over(Arc::new(Voice { words: 10_000, ..Voice::default() }));
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &[GREETING]);
    heard(&mut *session).await;
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &[GREETING]);
    assert_eq!(heard(&mut *session).await, ["Welcome. 0-8", "Welcome. 0-8", "64 samples", "flushed 1"]);
}

#[test]
fn memory_is_bounded_and_what_was_said_longest_ago_goes_first() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let kept = Kept::default();
        let key = |nth: usize| Key {
            tenant: TenantId::new("acme"),
            provider: provider("tts"),
            language: "en-US".into(),
            rate_hz: 8_000,
            text: nth.to_string(),
        };
        let fit = SAMPLES_MAX / LINE_SAMPLES_MAX;
        for nth in 0..fit {
            kept.put(Learned { rate_hz: 8_000, pcm: vec![0; LINE_SAMPLES_MAX], ..Learned::new(key(nth)) });
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(kept.get(&key(0)).is_some(), "all fit, and the oldest was just said again");
        kept.put(Learned { rate_hz: 8_000, pcm: vec![0; 1], ..Learned::new(key(fit)) });
        assert!(kept.get(&key(1)).is_none());
        assert!(kept.get(&key(0)).is_some() && kept.get(&key(fit)).is_some());
    });
}
