//! A request for each stretch of speech. Several may be under way; their words are given in the order in which they were spoken.

use crate::options::Options;
use crate::protocol::transcriptions::{Answer, Plan, Read};
use crate::protocol::{Heard, fault};
use crate::segments::{Cut, Segments};
use std::collections::VecDeque;
use vg_plugin_sdk::link::{self, HttpVersion, LinkErrorKind, LinkId, LinkInput};
use vg_plugin_sdk::stt::{Edge, Effect, Input, Timer};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, Instant, SessionStart, Transcript, Usage, Word, audio};
use vg_wire::openai::{Refusal, pause_ms};

/// The only timer: rings when the next of all deadlines has come.
const WAKE: u32 = 1;
/// Until the words of a stretch must be there, from its first try on, however often it is tried.
const WORDS_US: u64 = 8_500_000;
/// Until an answer to `finalize` or `end` must be there: below the ten seconds that its owner waits.
const OWED_US: u64 = 9_500_000;
/// A refusal says what it says at once, or is taken by its status.
const REFUSAL_US: u64 = 1_000_000;
/// A lost connection may be tried again this soon.
const LOST_MS: u64 = 100;
const TRIES: u8 = 2;
/// Requests under way: links are bounded, and one of eight lingers.
const ASKED_MAX: usize = 3;
/// Samples of one request, so that with all around them they are below what a plugin may say at once (1 MiB).
const PCM_BYTES_MAX: u64 = 900_000;
/// The vendor refuses less, and nobody says a word in it.
const SHORTEST_MS: u64 = 100;

/// A session after its `start`.
#[derive(Debug)]
pub(crate) struct Utterances {
    plan: Plan,
    format: AudioFormat,
    segments: Segments,
    /// What is owed, oldest first.
    owed: VecDeque<Owed>,
    links: LinkId,
    /// Said all it has to say, but not that it ends.
    lingering: Option<LinkId>,
    /// When the timer rings.
    wake_us: Option<u64>,
}

#[derive(Debug)]
enum Owed {
    Words(Box<Utterance>),
    /// An answer to `finalize`, told at that time.
    Finalized(u64),
    Done(u64),
}

/// A stretch of speech.
#[derive(Debug)]
struct Utterance {
    start_ms: u64,
    end_ms: u64,
    /// Linear.
    pcm: Vec<u8>,
    tries: u8,
    since_us: u64,
    /// Words before the last ones were given.
    told: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Still being spoken.
    Spoken,
    Ready,
    Asked(LinkId),
    Answered(LinkId, Answer),
    Refused {
        link: LinkId,
        status: u16,
        headers: link::Fields,
        body: Vec<u8>,
        since_us: u64,
    },
    /// To be asked again at that time.
    Pausing(u64),
    Heard(Heard),
}

impl Utterances {
    pub(crate) fn new(start: &SessionStart, options: Options) -> Result<(Self, Vec<Effect>), Fault> {
        let longest_ms = (options.speech_max_s * 1000).min(PCM_BYTES_MAX * 500 / u64::from(start.format.rate_hz.max(1)));
        let segments = Segments::new(start.format, options.pre_roll_ms, longest_ms);
        let plan = Plan::new(start, options)?;
        let ready = link::preconnect(plan.url.clone(), HttpVersion::Http1);
        let session =
            Self { plan, format: start.format, segments, owed: VecDeque::new(), links: 0, lingering: None, wake_us: None };
        Ok((session, vec![ready.into()]))
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        match input {
            Input::Start(_) => return Err(Fault::new(FaultKind::Internal, "started twice")),
            Input::Audio(bytes) => {
                let cuts = self.segments.audio(bytes);
                self.cut(cuts);
            }
            Input::Edge(edge) => {
                if matches!(edge, Edge::SpeechStarted(_)) && !self.segments.is_speech() {
                    effects.push(link::preconnect(self.plan.url.clone(), HttpVersion::Http1).into());
                }
                let cuts = self.segments.edge(edge);
                self.cut(cuts);
            }
            Input::Finalize => {
                let cuts = self.segments.finalize();
                self.cut(cuts);
                self.owed.push_back(Owed::Finalized(now.mono_us));
            }
            Input::End => {
                let cuts = self.segments.finalize();
                self.cut(cuts);
                self.owed.push_back(Owed::Done(now.mono_us));
            }
            Input::Link(news) => self.told(now, news, &mut effects)?,
            Input::Timer(_) => self.wake_us = None,
        }
        self.overdue(now, &mut effects)?;
        self.give(&mut effects);
        self.ask(now, &mut effects);
        if !matches!(effects.last(), Some(Effect::Done)) {
            effects.extend(self.alarm(now));
        }
        Ok(effects)
    }

    fn cut(&mut self, cuts: Vec<Cut>) {
        for cut in cuts {
            let spoken =
                self.owed.iter().rposition(|owed| matches!(owed, Owed::Words(one) if matches!(one.stage, Stage::Spoken)));
            match (cut, spoken) {
                (Cut::Begin(start_ms), _) => self.owed.push_back(Owed::Words(Box::new(Utterance::begun(start_ms)))),
                (Cut::More(bytes), Some(at)) => {
                    if let Some(Owed::Words(one)) = self.owed.get_mut(at) {
                        one.hear(self.format.encoding, bytes);
                    }
                }
                (Cut::End(end_ms), Some(at)) => {
                    let length_ms = |one: &Utterance| one.pcm.len() as u64 * 500 / u64::from(self.format.rate_hz.max(1));
                    match self.owed.get_mut(at) {
                        Some(Owed::Words(one)) if length_ms(one) >= SHORTEST_MS => {
                            one.end_ms = end_ms.max(one.start_ms);
                            one.stage = Stage::Ready;
                        }
                        _ => drop(self.owed.remove(at)),
                    }
                }
                (Cut::More(_) | Cut::End(_), None) => {}
            }
        }
    }

    fn told(&mut self, now: Instant, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(link) = link_of(&news) else { return Ok(()) };
        let ends = matches!(news, LinkInput::Finished(_) | LinkInput::Failed(_));
        self.lingering = self.lingering.filter(|lingering| !(ends && *lingering == link));
        let mine = |owed: &Owed| matches!(owed, Owed::Words(one) if one.link() == Some(link));
        // News of a link that is of no use any more is for nobody.
        let Some(at) = self.owed.iter().position(mine) else { return Ok(()) };
        let Some(Owed::Words(one)) = self.owed.get_mut(at) else { return Ok(()) };
        match one.told(now, news)? {
            Read::More => {}
            // Words of a later stretch wait for those of the earlier ones.
            Read::Partial(text) if at == 0 && !text.is_empty() => effects.push(Effect::Partial(one.partial(text))),
            Read::Partial(_) => {}
            Read::All(heard) => {
                one.stage = Stage::Heard(heard);
                if !ends {
                    // Nothing more is to come but its end; one that never comes is not waited for beyond the next.
                    effects.extend(self.lingering.replace(link).map(|other| link::close(other).into()));
                }
            }
        }
        Ok(())
    }

    /// Whether somebody let us wait too long.
    fn overdue(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        for owed in &mut self.owed {
            match owed {
                Owed::Finalized(since_us) | Owed::Done(since_us) if now.mono_us >= *since_us + OWED_US => {
                    return Err(Fault::new(FaultKind::Unavailable, "the vendor lets us wait"));
                }
                Owed::Words(one) => match &one.stage {
                    Stage::Asked(_) | Stage::Answered(..) if now.mono_us >= one.since_us + WORDS_US => {
                        return Err(Fault::new(FaultKind::Unavailable, "the vendor fell silent"));
                    }
                    Stage::Refused { link, since_us, .. } if now.mono_us >= since_us + REFUSAL_US => {
                        effects.push(link::close(*link).into());
                        one.refused(now)?;
                    }
                    _ => {}
                },
                Owed::Finalized(_) | Owed::Done(_) => {}
            }
        }
        Ok(())
    }

    /// What can be said now, in order.
    fn give(&mut self, effects: &mut Vec<Effect>) {
        loop {
            match self.owed.front_mut() {
                Some(Owed::Words(one)) => {
                    let Stage::Heard(heard) = &mut one.stage else { return };
                    let heard = std::mem::take(heard);
                    effects.extend(one.last(heard).map(Effect::Final));
                }
                Some(Owed::Finalized(_)) => effects.push(Effect::Finalized),
                Some(Owed::Done(_)) => return effects.push(Effect::Done),
                None => return,
            }
            self.owed.pop_front();
        }
    }

    /// One request at a time: more at once would be more than a plugin may say at once.
    fn ask(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let asked = |owed: &&Owed| matches!(owed, Owed::Words(one) if one.link().is_some());
        if self.owed.iter().filter(asked).count() >= ASKED_MAX {
            return;
        }
        let due = |owed: &&mut Owed| matches!(owed, Owed::Words(one) if one.is_due(now));
        let Some(Owed::Words(one)) = self.owed.iter_mut().find(due) else { return };
        self.links += 1;
        if one.tries == 0 {
            one.since_us = now.mono_us;
        }
        one.tries += 1;
        one.stage = Stage::Asked(self.links);
        let audio_ms = one.pcm.len() as u64 * 500 / u64::from(self.format.rate_hz.max(1));
        effects.push(self.plan.request(self.links, &one.pcm).into());
        effects.push(Effect::Usage(Usage { audio_ms, characters: 0, requests: 1 }));
        if one.tries >= TRIES {
            // It will not be asked for again.
            one.pcm = Vec::new();
        }
    }

    /// Rings at the next deadline.
    fn alarm(&mut self, now: Instant) -> Option<Effect> {
        let free = self.owed.iter().filter(|owed| matches!(owed, Owed::Words(one) if one.link().is_some())).count() < ASKED_MAX;
        let at = |owed: &Owed| match owed {
            Owed::Finalized(since_us) | Owed::Done(since_us) => Some(since_us + OWED_US),
            Owed::Words(one) => match &one.stage {
                Stage::Spoken | Stage::Heard(_) => None,
                Stage::Ready => free.then_some(now.mono_us),
                Stage::Asked(_) | Stage::Answered(..) => Some(one.since_us + WORDS_US),
                Stage::Refused { since_us, .. } => Some(since_us + REFUSAL_US),
                Stage::Pausing(until_us) => Some(if free { *until_us } else { now.mono_us.max(*until_us) + 50_000 }),
            },
        };
        let next_us = self.owed.iter().filter_map(at).min()?;
        // An alarm that rings too early is asked again then.
        if self.wake_us.is_some_and(|wake_us| wake_us <= next_us) {
            return None;
        }
        self.wake_us = Some(next_us);
        let delay_ms = u32::try_from(next_us.saturating_sub(now.mono_us).div_ceil(1000)).unwrap_or(u32::MAX);
        Some(Effect::Timer(Timer { id: WAKE, delay_ms: delay_ms.max(1) }))
    }
}

impl Utterance {
    fn begun(start_ms: u64) -> Self {
        Self { start_ms, end_ms: start_ms, pcm: Vec::new(), tries: 0, since_us: 0, told: false, stage: Stage::Spoken }
    }

    fn hear(&mut self, encoding: Encoding, bytes: Vec<u8>) {
        if encoding == Encoding::PcmS16le {
            return self.pcm.extend(bytes);
        }
        let mut samples = Vec::with_capacity(bytes.len());
        audio::decode(encoding, &bytes, &mut samples);
        audio::encode(Encoding::PcmS16le, &samples, &mut self.pcm);
    }

    fn link(&self) -> Option<LinkId> {
        match &self.stage {
            Stage::Asked(link) | Stage::Answered(link, _) | Stage::Refused { link, .. } => Some(*link),
            Stage::Spoken | Stage::Ready | Stage::Pausing(_) | Stage::Heard(_) => None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Ready => true,
            Stage::Pausing(until_us) => now.mono_us >= until_us,
            _ => false,
        }
    }

    fn told(&mut self, now: Instant, news: LinkInput) -> Result<Read, Fault> {
        match (news, &mut self.stage) {
            (LinkInput::Opened(head), stage) if head.status == 200 => {
                *stage = Stage::Answered(head.id, Answer::of(&head.headers)?)
            }
            (LinkInput::Opened(head), stage) => {
                let (status, headers, since_us) = (head.status, head.headers, now.mono_us);
                *stage = Stage::Refused { link: head.id, status, headers, body: Vec::new(), since_us };
            }
            (LinkInput::Bytes(piece), Stage::Answered(_, answer)) => {
                let read = answer.push(&piece.data)?;
                self.told |= matches!(read, Read::Partial(_));
                return Ok(read);
            }
            (LinkInput::Bytes(piece), Stage::Refused { body, .. }) => {
                link::keep_refusal(body, &piece.data);
            }
            (LinkInput::Finished(_), Stage::Answered(_, answer)) => match answer.finish() {
                Ok(heard) => return Ok(Read::All(heard)),
                Err(fault) if fault.kind == FaultKind::Unavailable => self.again(now, LOST_MS, fault)?,
                Err(fault) => return Err(fault),
            },
            (LinkInput::Finished(_) | LinkInput::Failed(_), Stage::Refused { .. }) => self.refused(now)?,
            (LinkInput::Finished(_), _) => return Err(Fault::new(FaultKind::Protocol, "the answer had no head")),
            (LinkInput::Failed(failed), _) if failed.kind == LinkErrorKind::Reset => {
                self.again(now, LOST_MS, Fault::of_link(&failed))?
            }
            (LinkInput::Failed(failed), _) => return Err(Fault::of_link(&failed)),
            _ => {}
        }
        Ok(Read::More)
    }

    /// Its whole refusal was heard, or enough of it.
    fn refused(&mut self, now: Instant) -> Result<(), Fault> {
        let Stage::Refused { status, headers, body, .. } = &self.stage else { return Ok(()) };
        let refusal = Refusal::read(body);
        let fault = fault(*status, headers, &refusal);
        match pause_ms(*status, &refusal, |name| link::field(headers, name)) {
            Some(pause_ms) => self.again(now, pause_ms, fault),
            None => Err(fault),
        }
    }

    /// To be asked once more after a pause, unless that was done, or some of its words were given.
    fn again(&mut self, now: Instant, pause_ms: u64, fault: Fault) -> Result<(), Fault> {
        let until_us = now.mono_us + pause_ms * 1000;
        if self.told || self.tries >= TRIES || until_us >= self.since_us + WORDS_US {
            return Err(fault);
        }
        self.stage = Stage::Pausing(until_us);
        Ok(())
    }

    fn partial(&self, text: String) -> Transcript {
        let (start_ms, end_ms) = (self.start_ms, self.end_ms);
        Transcript { text, language: None, confidence: None, stability: None, start_ms, end_ms, words: vec![] }
    }

    /// None where there was nothing to be understood.
    fn last(&self, heard: Heard) -> Option<Transcript> {
        if heard.text.is_empty() {
            return None;
        }
        // The vendor knows nothing of what came before the stretch.
        let place = |word: Word| Word {
            start_ms: (self.start_ms + word.start_ms).min(self.end_ms),
            end_ms: (self.start_ms + word.end_ms).min(self.end_ms),
            ..word
        };
        let words: Vec<Word> = heard.words.into_iter().map(place).collect();
        Some(Transcript {
            text: heard.text,
            language: heard.language,
            confidence: heard.confidence,
            stability: Some(1.0),
            start_ms: words.first().map_or(self.start_ms, |word| word.start_ms),
            end_ms: self.end_ms,
            words,
        })
    }
}

fn link_of(news: &LinkInput) -> Option<LinkId> {
    match news {
        LinkInput::Opened(head) => Some(head.id),
        LinkInput::Bytes(piece) => Some(piece.id),
        LinkInput::Finished(end) => Some(end.id),
        LinkInput::Failed(failed) => Some(failed.id),
        _ => None,
    }
}
