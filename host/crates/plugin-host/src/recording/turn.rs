//! One call of a guest, whichever kind it is: what it is told, what it says.

use crate::api::{
    AudioRoute, Fault, LinkEffect, LinkId, LinkInput, SessionStart, SpeechEdge, SttEffect, SttInput, Timer, Transcript,
    TtsEffect, TtsInput, Usage, Word,
};
use std::fmt;

/// What a session of either kind is told. Prints its name only.
#[derive(Clone)]
pub enum Told {
    /// Always the first, once.
    Start(SessionStart),
    /// Listeners: the next samples.
    Audio(Vec<u8>),
    /// Listeners: samples that went to a link by themselves. No call was made.
    Routed(LinkId, Vec<u8>),
    /// Listeners: a speech edge.
    Edge(SpeechEdge),
    /// Listeners: say what is final now.
    Finalize,
    /// Speakers: more text.
    Text(String),
    /// Speakers: answer when all text so far is spoken.
    Flush(u32),
    /// Speakers: forget what is not yet spoken.
    Cancel,
    /// Nothing more will come.
    End,
    /// News of a link.
    Link(LinkInput),
    /// A timer ran out.
    Timer(u32),
}

/// What a session of either kind says. Prints its name only.
#[derive(Clone)]
pub enum Said {
    /// Something about a connection.
    Link(LinkEffect),
    /// Further audio goes to a link without the guest.
    Route(AudioRoute),
    /// Listeners: speech began, in milliseconds since the first sample.
    SpeechStarted(u64),
    /// Listeners: may change.
    Partial(Transcript),
    /// Listeners: will not change.
    Final(Transcript),
    /// Listeners: answer to `Finalize`.
    Finalized,
    /// Listeners: speech ended, in milliseconds since the first sample.
    SpeechEnded(u64),
    /// Speakers: samples.
    Audio(Vec<u8>),
    /// Speakers: where a word lies.
    Word(Word),
    /// Speakers: answer to `Flush`.
    Flushed(u32),
    /// Speakers: answer to `Cancel`.
    Cancelled,
    /// Wake this session.
    Timer(Timer),
    /// What was worked.
    Usage(Usage),
    /// Ended well.
    Done,
    /// Cannot go on.
    Fail(Fault),
}

impl Told {
    /// The name used in WIT.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Audio(_) => "audio",
            Self::Routed(..) => "routed",
            Self::Edge(_) => "edge",
            Self::Finalize => "finalize",
            Self::Text(_) => "text",
            Self::Flush(_) => "flush",
            Self::Cancel => "cancel",
            Self::End => "end",
            Self::Link(_) => "link",
            Self::Timer(_) => "timer",
        }
    }

    /// For a listener; none where only a speaker is told so.
    pub fn for_listener(self) -> Option<SttInput> {
        Some(match self {
            Self::Start(start) => SttInput::Start(Box::new(start)),
            Self::Audio(samples) => SttInput::Audio(samples),
            Self::Edge(edge) => SttInput::Edge(edge),
            Self::Finalize => SttInput::Finalize,
            Self::End => SttInput::End,
            Self::Link(news) => SttInput::Link(Box::new(news)),
            Self::Timer(id) => SttInput::Timer(id),
            Self::Routed(..) | Self::Text(_) | Self::Flush(_) | Self::Cancel => return None,
        })
    }

    /// For a speaker; none where only a listener is told so.
    pub fn for_speaker(self) -> Option<TtsInput> {
        Some(match self {
            Self::Start(start) => TtsInput::Start(Box::new(start)),
            Self::Text(text) => TtsInput::Text(text),
            Self::Flush(mark) => TtsInput::Flush(mark),
            Self::Cancel => TtsInput::Cancel,
            Self::End => TtsInput::End,
            Self::Link(news) => TtsInput::Link(Box::new(news)),
            Self::Timer(id) => TtsInput::Timer(id),
            Self::Audio(_) | Self::Routed(..) | Self::Edge(_) | Self::Finalize => return None,
        })
    }
}

impl Said {
    /// The name used in WIT.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Route(_) => "route-audio",
            Self::SpeechStarted(_) => "speech-started",
            Self::Partial(_) => "partial",
            Self::Final(_) => "final",
            Self::Finalized => "finalized",
            Self::SpeechEnded(_) => "speech-ended",
            Self::Audio(_) => "audio",
            Self::Word(_) => "word",
            Self::Flushed(_) => "flushed",
            Self::Cancelled => "cancelled",
            Self::Timer(_) => "timer",
            Self::Usage(_) => "usage",
            Self::Done => "done",
            Self::Fail(_) => "fail",
        }
    }

    /// Whether the session says nothing after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done | Self::Fail(_))
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<&SttInput> for Told {
    fn from(input: &SttInput) -> Self {
        match input {
            SttInput::Start(start) => Self::Start((**start).clone()),
            SttInput::Audio(samples) => Self::Audio(samples.clone()),
            SttInput::Edge(edge) => Self::Edge(*edge),
            SttInput::Finalize => Self::Finalize,
            SttInput::End => Self::End,
            SttInput::Link(news) => Self::Link((**news).clone()),
            SttInput::Timer(id) => Self::Timer(*id),
        }
    }
}

impl From<&TtsInput> for Told {
    fn from(input: &TtsInput) -> Self {
        match input {
            TtsInput::Start(start) => Self::Start((**start).clone()),
            TtsInput::Text(text) => Self::Text(text.clone()),
            TtsInput::Flush(mark) => Self::Flush(*mark),
            TtsInput::Cancel => Self::Cancel,
            TtsInput::End => Self::End,
            TtsInput::Link(news) => Self::Link((**news).clone()),
            TtsInput::Timer(id) => Self::Timer(*id),
        }
    }
}

impl From<&SttEffect> for Said {
    fn from(effect: &SttEffect) -> Self {
        match effect {
            SttEffect::Link(effect) => Self::Link(effect.clone()),
            SttEffect::RouteAudio(route) => Self::Route(route.clone()),
            SttEffect::SpeechStarted(ms) => Self::SpeechStarted(*ms),
            SttEffect::Partial(words) => Self::Partial(words.clone()),
            SttEffect::Final(words) => Self::Final(words.clone()),
            SttEffect::Finalized => Self::Finalized,
            SttEffect::SpeechEnded(ms) => Self::SpeechEnded(*ms),
            SttEffect::Timer(timer) => Self::Timer(*timer),
            SttEffect::Usage(usage) => Self::Usage(*usage),
            SttEffect::Done => Self::Done,
            SttEffect::Fail(fault) => Self::Fail(fault.clone()),
        }
    }
}

impl From<&TtsEffect> for Said {
    fn from(effect: &TtsEffect) -> Self {
        match effect {
            TtsEffect::Link(effect) => Self::Link(effect.clone()),
            TtsEffect::Audio(samples) => Self::Audio(samples.clone()),
            TtsEffect::Word(word) => Self::Word(word.clone()),
            TtsEffect::Flushed(mark) => Self::Flushed(*mark),
            TtsEffect::Cancelled => Self::Cancelled,
            TtsEffect::Timer(timer) => Self::Timer(*timer),
            TtsEffect::Usage(usage) => Self::Usage(*usage),
            TtsEffect::Done => Self::Done,
            TtsEffect::Fail(fault) => Self::Fail(fault.clone()),
        }
    }
}
