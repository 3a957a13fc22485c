//! One live session: the plugin with real links, as in the gateway, told what a call would tell it.

mod caller;
mod mask;

pub use caller::{SoundError, caller_sound, sound_file};
pub use mask::{MaskLine, Masking, mask_kinds};

use crate::stage::Cue;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep_until};
use vg_plugin_host::api::{FaultKind, SessionStart, Transcript, Word};
use vg_plugin_host::recording::Told;
use vg_plugin_host::session::{Opening, SessionEnd, SttEvent, TtsEvent};
use vg_plugin_host::{Plugin, PluginHost, SessionError};

/// How long an answer to `finalize`, `flush` or `end` is waited for, since the last event.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether sound is told as it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A second takes a second.
    RealTime,
    /// As fast as it is taken.
    Fast,
}

/// A session that is about to begin.
pub struct Live {
    /// What runs.
    pub plugin: Arc<Plugin>,
    /// Its first input.
    pub start: SessionStart,
    /// Its links, and who records it.
    pub opening: Opening,
    /// How fast it is told.
    pub pace: Pace,
}

/// How a live session went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// None where it did not answer in time.
    pub end: Option<SessionEnd>,
    /// What it spoke, in the format of its start.
    pub sound: Vec<u8>,
}

impl Outcome {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        self.end.as_ref().map_or("no-answer", SessionEnd::code)
    }

    /// For scripts: 0 done; 10 auth, 11 quota, 12 unsupported, 13 invalid options, 14 unavailable, 15 protocol, 16 bad audio,
    /// 17 empty result, 18 session limit, 19 internal; 20 trapped, 21 CPU, 22 memory, 23 output, 24 timers, 25 links, 26 any
    /// other limit of the host; 30 no answer.
    pub fn exit_code(&self) -> u8 {
        match &self.end {
            None => 30,
            Some(SessionEnd::Done) => 0,
            Some(SessionEnd::Fault(fault)) => match fault.kind {
                FaultKind::Auth => 10,
                FaultKind::Quota { .. } => 11,
                FaultKind::Unsupported => 12,
                FaultKind::InvalidOptions(_) => 13,
                FaultKind::Unavailable => 14,
                FaultKind::Protocol => 15,
                FaultKind::BadAudio => 16,
                FaultKind::EmptyResult => 17,
                FaultKind::SessionLimit => 18,
                FaultKind::Internal => 19,
            },
            Some(SessionEnd::Fell(error)) => fell_code(error),
        }
    }
}

/// Exit code of a guest that the host ended.
pub fn fell_code(error: &SessionError) -> u8 {
    match error {
        SessionError::Trap { .. } => 20,
        SessionError::CpuLimit => 21,
        SessionError::MemoryLimit => 22,
        SessionError::OutputLimit => 23,
        SessionError::TimerLimit => 24,
        SessionError::LinkLimit => 25,
        _ => 26,
    }
}

/// Lets a plugin listen to sound (see [`caller_sound`]); `tell` is given each event as JSON.
///
/// # Errors
/// Where the session cannot be opened.
pub async fn listen(host: &PluginHost, live: Live, sound: &[i16], tell: impl FnMut(Value)) -> Result<Outcome, SessionError> {
    let cues = caller::cues(sound, live.start.format);
    let session = host.open_stt(&live.plugin, live.start, live.opening)?;
    let owner = Owner::new(cues, live.pace, tell, Told::for_listener);
    Ok(owner.hold(session.input, session.events).await)
}

/// Lets a plugin speak, one reply after the other; `tell` is given each event as JSON.
///
/// # Errors
/// Where the session cannot be opened.
pub async fn speak(host: &PluginHost, live: Live, replies: &[String], tell: impl FnMut(Value)) -> Result<Outcome, SessionError> {
    let reply = |(nth, text): (usize, &String)| [Told::Text(text.clone()), Told::Flush(nth as u32 + 1)];
    let cues = replies.iter().enumerate().flat_map(reply).map(|told| Cue { at_ms: 0, told }).collect();
    let session = host.open_tts(&live.plugin, live.start, live.opening)?;
    // Text is there at once; speech is taken as it comes, as by a Mouth that holds a minute.
    let owner = Owner::new(cues, Pace::Fast, tell, Told::for_speaker);
    Ok(owner.hold(session.input, session.events).await)
}

/// What an event of either kind means for the owner.
trait Event {
    /// As JSON, without its time.
    fn shown(&self) -> Value;
    /// It answers a `finalize` or a `flush`.
    fn answers(&self) -> bool;
    fn sound(&self) -> &[u8] {
        &[]
    }
    fn end(self) -> Option<SessionEnd>;
}

struct Owner<T, F> {
    cues: VecDeque<Cue>,
    pace: Pace,
    begun: Instant,
    tell: T,
    to_input: F,
    owed: usize,
    ending: bool,
    sound: Vec<u8>,
}

impl<I, T: FnMut(Value), F: Fn(Told) -> Option<I>> Owner<T, F> {
    fn new(cues: Vec<Cue>, pace: Pace, tell: T, to_input: F) -> Self {
        Self { cues: cues.into(), pace, begun: Instant::now(), tell, to_input, owed: 0, ending: false, sound: Vec::new() }
    }

    async fn hold<E: Event>(mut self, input: Sender<I>, mut events: Receiver<E>) -> Outcome {
        let mut patience = Instant::now() + PATIENCE;
        loop {
            if self.cues.is_empty() && self.owed == 0 && !self.ending {
                self.ending = true;
                self.cues.push_back(Cue { at_ms: 0, told: Told::End });
            }
            let due = self.cues.front().map(|cue| match self.pace {
                Pace::RealTime => self.begun + Duration::from_millis(cue.at_ms),
                Pace::Fast => self.begun,
            });
            tokio::select! {
                event = events.recv() => {
                    patience = Instant::now() + PATIENCE;
                    let Some(event) = event else { return self.outcome(None) };
                    if let Some(end) = self.take(event) {
                        return self.outcome(Some(end));
                    }
                }
                room = room(&input, due) => {
                    patience = Instant::now() + PATIENCE;
                    // Closed: how it ended is among the events.
                    let Some(cue) = self.cues.pop_front() else { continue };
                    self.owed += usize::from(matches!(cue.told, Told::Finalize | Told::Flush(_)));
                    if let (Some(room), Some(input)) = (room, (self.to_input)(cue.told)) {
                        room.send(input);
                    }
                }
                () = sleep_until(patience) => return self.outcome(None),
            }
        }
    }

    fn take<E: Event>(&mut self, event: E) -> Option<SessionEnd> {
        let mut shown = event.shown();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("at_ms".to_owned(), json!(self.begun.elapsed().as_millis() as u64));
        }
        (self.tell)(shown);
        self.owed -= usize::from(event.answers() && self.owed > 0);
        self.sound.extend_from_slice(event.sound());
        event.end()
    }

    fn outcome(self, end: Option<SessionEnd>) -> Outcome {
        Outcome { end, sound: self.sound }
    }
}

/// Room in the mailbox once the time has come; never where nothing is to be said, none where nobody listens any more.
async fn room<I>(input: &Sender<I>, due: Option<Instant>) -> Option<tokio::sync::mpsc::Permit<'_, I>> {
    let Some(due) = due else { return std::future::pending().await };
    sleep_until(due).await;
    input.reserve().await.ok()
}

impl Event for SttEvent {
    fn shown(&self) -> Value {
        match self {
            Self::SpeechStarted(ms) => json!({ "event": "speech-started", "ms": ms }),
            Self::Partial(heard) => transcript("partial", heard),
            Self::Final(heard) => transcript("final", heard),
            Self::Finalized => json!({ "event": "finalized" }),
            Self::SpeechEnded(ms) => json!({ "event": "speech-ended", "ms": ms }),
            Self::Usage(usage) => json!({ "event": "usage", "audio_ms": usage.audio_ms, "requests": usage.requests }),
            Self::Ended(end) => ended(end),
        }
    }

    fn answers(&self) -> bool {
        matches!(self, Self::Finalized)
    }

    fn end(self) -> Option<SessionEnd> {
        if let Self::Ended(end) = self { Some(*end) } else { None }
    }
}

impl Event for TtsEvent {
    fn shown(&self) -> Value {
        match self {
            Self::Audio(samples) => json!({ "event": "audio", "bytes": samples.len() }),
            Self::Word(spoken) => word("word", spoken),
            Self::Flushed(mark) => json!({ "event": "flushed", "mark": mark }),
            Self::Cancelled => json!({ "event": "cancelled" }),
            Self::Usage(usage) => json!({ "event": "usage", "characters": usage.characters, "requests": usage.requests }),
            Self::Ended(end) => ended(end),
        }
    }

    fn answers(&self) -> bool {
        matches!(self, Self::Flushed(_))
    }

    fn sound(&self) -> &[u8] {
        if let Self::Audio(samples) = self { samples } else { &[] }
    }

    fn end(self) -> Option<SessionEnd> {
        if let Self::Ended(end) = self { Some(*end) } else { None }
    }
}

fn transcript(event: &str, heard: &Transcript) -> Value {
    let words: Vec<Value> = heard.words.iter().map(|spoken| word("word", spoken)).collect();
    json!({
        "event": event, "text": heard.text, "language": heard.language, "confidence": heard.confidence,
        "stability": heard.stability, "start_ms": heard.start_ms, "end_ms": heard.end_ms, "words": words,
    })
}

fn word(event: &str, spoken: &Word) -> Value {
    json!({
        "event": event, "text": spoken.text, "start_ms": spoken.start_ms, "end_ms": spoken.end_ms, "confidence": spoken.confidence,
    })
}

fn ended(end: &SessionEnd) -> Value {
    let detail = match end {
        SessionEnd::Done => None,
        SessionEnd::Fault(fault) => Some(fault.detail.clone()),
        SessionEnd::Fell(error) => Some(error.to_string()),
    };
    let mut shown = json!({ "event": "ended", "code": end.code(), "detail": detail });
    if let SessionEnd::Fault(fault) = end
        && let FaultKind::InvalidOptions(faults) = &fault.kind
    {
        shown["options"] = faults.iter().map(|fault| json!({ "path": fault.path, "message": fault.message })).collect();
    }
    shown
}
