//! One stretch of the call's audio, and Google's stream that hears it. Where a stream is lost or expires another one takes its place and is
//! given again what no final has covered.

use crate::options::Api;
use crate::protocol::{self, Answer, Event, MESSAGE_BYTES, Recognition};
use vg_plugin_sdk::{
    Transcript, Word,
    link::{self, LinkId},
    stt::Effect,
};
use vg_wire::grpc::Frames;

/// Sound of a quiet caller that a further stream is given again: longer than it takes to hear that somebody speaks.
const QUIET_KEPT_MS: u64 = 2_000;
/// Bytes of an utterance beyond which it cannot be heard again: mu-law for as long as a stream lives, 16-bit samples at 16 kHz for 80 s.
const SPOKEN_KEPT: u64 = 2_560_000;
const SLACK: u64 = 256 << 10;
/// How far Google may lag behind the caller.
const BEHIND_MS: u64 = 20_000;
/// What is sent in one go: the host takes 256 KiB at most.
const SENT_AT_ONCE: usize = 40 << 10;

/// What was told of the caller's voice: a stream that is given sound again tells of it again, and not to the millisecond.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// The last place of all.
    told_ms: Option<u64>,
    speaking: bool,
}

impl Activity {
    fn is_news(&mut self, effect: &Effect) -> bool {
        let (ms, speaking) = match effect {
            Effect::SpeechStarted(ms) => (*ms, true),
            Effect::SpeechEnded(ms) => (*ms, false),
            _ => return true,
        };
        // A start is told at any later place, so that an end that never came hides none.
        let is_news = self.told_ms.is_none_or(|told_ms| ms > told_ms) && (speaking || self.speaking);
        if is_news {
            (self.told_ms, self.speaking) = (Some(ms), speaking);
        }
        is_news
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Leg {
    api: Api,
    bytes_per_ms: u64,
    /// None while it sleeps.
    pub(crate) link: Option<LinkId>,
    pub(crate) frames: Frames,
    pub(crate) opened_us: u64,
    /// Places are bytes of the call's audio. Where the stream began.
    began: u64,
    kept: Vec<u8>,
    /// Where `kept` begins; never behind the end of the last final.
    kept_from: u64,
    sent_to: u64,
    /// Sent over all its streams.
    pub(crate) sent: u64,
    pub(crate) streams: u32,
    /// The host takes no more for now.
    pub(crate) full: bool,
    /// Google hears no more on this stream, and waits for its end to say the rest.
    pub(crate) deaf: bool,
    /// No more audio will be given to it.
    pub(crate) complete: bool,
    finished: bool,
    /// Answers to `finalize` that wait for it, and until when.
    pub(crate) owed: u32,
    pub(crate) due_us: u64,
    /// Where the last final ended, in milliseconds of the call.
    pub(crate) finals_end_ms: u64,
    /// Words were told that no final has replaced yet.
    pub(crate) open_words: bool,
    /// What can be heard again does not reach back to the last final.
    pub(crate) lost: bool,
    /// A stream broke and nothing was heard since.
    pub(crate) tried: bool,
    /// What is to be told when all before has been told.
    held: Vec<Effect>,
}

impl Leg {
    /// Begins at this place of the call's audio; asleep.
    pub(crate) fn new(api: Api, bytes_per_ms: u64, at: u64) -> Self {
        Self {
            api,
            bytes_per_ms,
            link: None,
            frames: Frames::new(protocol::ANSWER_BYTES),
            opened_us: 0,
            began: at,
            kept: Vec::new(),
            kept_from: at,
            sent_to: at,
            sent: 0,
            streams: 0,
            full: false,
            deaf: false,
            complete: false,
            finished: false,
            owed: 0,
            due_us: 0,
            finals_end_ms: at / bytes_per_ms,
            open_words: false,
            lost: false,
            tried: false,
            held: Vec::new(),
        }
    }

    /// Another stream hears what no final has covered.
    pub(crate) fn wake(&mut self, link: LinkId, now_us: u64) {
        *self = Self {
            link: Some(link),
            opened_us: now_us,
            began: self.kept_from,
            kept: std::mem::take(&mut self.kept),
            sent_to: self.kept_from,
            held: std::mem::take(&mut self.held),
            finals_end_ms: self.finals_end_ms,
            kept_from: self.kept_from,
            sent: self.sent,
            streams: self.streams + 1,
            complete: self.complete,
            owed: self.owed,
            due_us: self.due_us,
            lost: self.lost,
            tried: self.tried,
            ..Self::new(self.api, self.bytes_per_ms, self.kept_from)
        };
    }

    /// Whether nothing was given to it.
    pub(crate) fn is_empty(&self) -> bool {
        self.given_to() == self.began && self.kept_from == self.began
    }

    /// Whether Google has all that it was given.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent_to == self.given_to()
    }

    /// Whether Google has heard all that it was given.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_sent() && !self.deaf
    }

    /// Whether it cannot be sent as fast as it is spoken.
    pub(crate) fn waits_too_long(&self) -> bool {
        self.given_to() - self.sent_to > BEHIND_MS * self.bytes_per_ms
    }

    fn given_to(&self) -> u64 {
        self.kept_from + self.kept.len() as u64
    }

    /// More of the call; `spoken`: there may be words in it, or before, that no final has covered.
    pub(crate) fn give(&mut self, samples: &[u8], spoken: bool) {
        self.kept.extend_from_slice(samples);
        let most = if spoken || self.open_words { SPOKEN_KEPT } else { QUIET_KEPT_MS * self.bytes_per_ms };
        // Half as much again, so that memory is not moved with each chunk.
        if self.kept.len() as u64 > most + (most / 2).min(SLACK) {
            let from = (self.given_to() - most).min(self.sent_to);
            self.lost |= self.open_words;
            self.forget(from);
        }
    }

    /// Keeps nothing of what lies before this place.
    fn forget(&mut self, before: u64) {
        let gone = before.min(self.sent_to).saturating_sub(self.kept_from);
        self.kept.drain(..gone as usize);
        self.kept_from += gone;
    }

    /// Sends what can be sent; whether more is left that nothing stands in the way of.
    pub(crate) fn send(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some(link) = self.link else { return false };
        if self.deaf {
            self.finish(link, effects);
            return false;
        }
        let mut room = SENT_AT_ONCE;
        while !self.full && room > 0 {
            let unsent = &self.kept[(self.sent_to - self.kept_from) as usize..];
            let piece = &unsent[..unsent.len().min(MESSAGE_BYTES)];
            if piece.is_empty() {
                break;
            }
            effects.push(link::send(link, protocol::audio(self.api, piece)).into());
            room = room.saturating_sub(piece.len());
            self.sent_to += piece.len() as u64;
            self.sent += piece.len() as u64;
        }
        if self.is_sent() && self.complete {
            self.finish(link, effects);
        }
        !self.is_sent() && !self.full
    }

    /// Once.
    fn finish(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.finished, true) {
            effects.push(link::finish(link).into());
        }
    }

    /// What a message of Google says.
    pub(crate) fn read(&self, message: &[u8]) -> Result<Answer, prost::DecodeError> {
        protocol::read(self.api, message)
    }

    /// Takes it to heart.
    pub(crate) fn told(&mut self, answer: &Answer) {
        let place = |ms: u64| self.began / self.bytes_per_ms + ms;
        match answer.event {
            Some(Event::SpeechBegan) => self.hold(Effect::SpeechStarted(place(answer.event_ms))),
            Some(Event::SpeechEnded) => self.hold(Effect::SpeechEnded(place(answer.event_ms))),
            Some(Event::UtteranceEnded | Event::TimedOut) => self.deaf = true,
            None => {}
        }
        let mut interim = Vec::new();
        for result in &answer.results {
            if result.is_final {
                self.is_final(result);
            } else if !self.is_stale(result) {
                interim.push(result);
            }
        }
        self.is_open(&interim);
    }

    /// Google has told this already, or what replaced it.
    fn is_stale(&self, result: &Recognition) -> bool {
        self.end_ms(result).is_some_and(|end_ms| end_ms <= self.finals_end_ms)
    }

    fn end_ms(&self, result: &Recognition) -> Option<u64> {
        result.end.map(|end| self.began / self.bytes_per_ms + end.ms())
    }

    fn is_final(&mut self, result: &Recognition) {
        if self.is_stale(result) {
            return;
        }
        let end_ms = self.end_ms(result).unwrap_or(self.sent_to / self.bytes_per_ms);
        let heard = self.transcript(&[result], end_ms);
        (self.finals_end_ms, self.open_words, self.lost, self.tried) = (end_ms, false, false, false);
        self.forget(end_ms * self.bytes_per_ms);
        if let Some(heard) = heard {
            self.hold(Effect::Final(Transcript { stability: Some(1.0), ..heard }));
        }
    }

    /// Google cuts what is not final yet into what is likely to stay and the rest: together they are what was said.
    fn is_open(&mut self, results: &[&Recognition]) {
        let Some(last) = results.last() else { return };
        let end_ms = self.end_ms(last).unwrap_or(self.sent_to / self.bytes_per_ms);
        if let Some(heard) = self.transcript(results, end_ms) {
            self.open_words = true;
            self.tried = false;
            self.hold(Effect::Partial(heard));
        }
    }

    fn transcript(&self, results: &[&Recognition], end_ms: u64) -> Option<Transcript> {
        let base_ms = self.began / self.bytes_per_ms;
        let best: Vec<_> = results.iter().filter_map(|result| result.best()).collect();
        let first = best.first()?;
        let words = best.iter().flat_map(|best| &best.words).map(|word| Word {
            text: word.word.clone(),
            start_ms: base_ms + word.start.map_or(0, protocol::Duration::ms),
            end_ms: base_ms + word.end.map_or(0, protocol::Duration::ms),
            confidence: word.confidence(),
        });
        let words: Vec<Word> = words.collect();
        let text: String = best.iter().map(|best| best.transcript.as_str()).collect();
        let stability = results.iter().map(|result| result.stability).fold(f32::INFINITY, f32::min);
        Some(Transcript {
            text: text.trim().to_owned(),
            language: results.iter().map(|result| &result.language_code).find(|code| !code.is_empty()).cloned(),
            confidence: first.confidence(),
            stability: (stability > 0.0 && stability <= 1.0).then_some(stability),
            start_ms: words.first().map_or(self.finals_end_ms, |word| word.start_ms).min(end_ms),
            end_ms,
            words,
        })
    }

    fn hold(&mut self, effect: Effect) {
        if matches!(effect, Effect::Partial(_) | Effect::Final(_)) {
            // It replaces what was not final.
            self.held.retain(|held| !matches!(held, Effect::Partial(_)));
        }
        self.held.push(effect);
    }

    /// What it has to tell, where nothing before it waits.
    pub(crate) fn release(&mut self, activity: &mut Activity, effects: &mut Vec<Effect>) {
        effects.extend(self.held.drain(..).filter(|effect| activity.is_news(effect)));
    }
}
