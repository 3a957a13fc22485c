//! What differs between listening and speaking; everything else is driven alike.

use super::{SessionEnd, SttEvent, TtsEvent};
use crate::api::{
    AudioRoute, Fault, Kind, LinkEffect, LinkInput, Now, SessionStart, SttEffect, SttInput, Timer, TtsEffect, TtsInput,
};
use crate::instance::Talk;
use crate::limits::AUDIO_EVENT_BYTES;
use crate::recording::Recorder;
use crate::signing::Signature;
use crate::v0_1::{Listener, Speaker};

/// What an effect means for the one who drives.
pub(crate) enum Said<E> {
    /// For the session's owner.
    Event(E),
    /// For the session's owner, in pieces.
    Events(Vec<E>),
    Timer(Timer),
    Link(LinkEffect),
    Route(AudioRoute),
    Done,
    Fail(Fault),
}

/// What an input is to the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    Plain,
    /// Is forgotten when a `cancel` follows.
    Forgettable,
    Cancel,
    End,
    /// Only the host may say this.
    Foreign,
}

pub(crate) trait Role: 'static {
    const KIND: Kind;
    type Input: Send + 'static;
    type Effect: Send;
    type Event: Send + 'static;
    type Talk: Talk<Input = Self::Input, Effect = Self::Effect> + Send;

    fn start(start: SessionStart) -> Self::Input;
    fn end() -> Self::Input;
    fn timer(id: u32) -> Self::Input;
    fn link(news: LinkInput) -> Self::Input;
    fn rank(input: &Self::Input) -> Rank;
    fn said(effect: Self::Effect) -> Said<Self::Event>;
    fn ended(end: SessionEnd) -> Self::Event;
    /// The samples of an input that may go to a link by itself.
    fn audio(input: &Self::Input) -> Option<&[u8]>;
    fn record_told(recorder: &mut Recorder, now: Now, input: &Self::Input);
    fn record_said(recorder: &mut Recorder, effects: &[Self::Effect], signatures: Vec<Signature>);
}

pub(crate) struct Listening;

impl Role for Listening {
    const KIND: Kind = Kind::Stt;
    type Input = SttInput;
    type Effect = SttEffect;
    type Event = SttEvent;
    type Talk = Listener;

    fn start(start: SessionStart) -> SttInput {
        SttInput::Start(Box::new(start))
    }

    fn end() -> SttInput {
        SttInput::End
    }

    fn timer(id: u32) -> SttInput {
        SttInput::Timer(id)
    }

    fn link(news: LinkInput) -> SttInput {
        SttInput::Link(Box::new(news))
    }

    fn rank(input: &SttInput) -> Rank {
        match input {
            SttInput::Audio(_) | SttInput::Edge(_) | SttInput::Finalize => Rank::Plain,
            SttInput::End => Rank::End,
            SttInput::Start(_) | SttInput::Link(_) | SttInput::Timer(_) => Rank::Foreign,
        }
    }

    fn said(effect: SttEffect) -> Said<SttEvent> {
        match effect {
            SttEffect::Link(effect) => Said::Link(effect),
            SttEffect::RouteAudio(route) => Said::Route(route),
            SttEffect::SpeechStarted(ms) => Said::Event(SttEvent::SpeechStarted(ms)),
            SttEffect::Partial(words) => Said::Event(SttEvent::Partial(Box::new(words))),
            SttEffect::Final(words) => Said::Event(SttEvent::Final(Box::new(words))),
            SttEffect::Finalized => Said::Event(SttEvent::Finalized),
            SttEffect::SpeechEnded(ms) => Said::Event(SttEvent::SpeechEnded(ms)),
            SttEffect::Timer(timer) => Said::Timer(timer),
            SttEffect::Usage(usage) => Said::Event(SttEvent::Usage(usage)),
            SttEffect::Done => Said::Done,
            SttEffect::Fail(fault) => Said::Fail(fault),
        }
    }

    fn ended(end: SessionEnd) -> SttEvent {
        SttEvent::Ended(Box::new(end))
    }

    fn audio(input: &SttInput) -> Option<&[u8]> {
        if let SttInput::Audio(chunk) = input { Some(chunk) } else { None }
    }

    fn record_told(recorder: &mut Recorder, now: Now, input: &SttInput) {
        recorder.stt_told(now, input);
    }

    fn record_said(recorder: &mut Recorder, effects: &[SttEffect], signatures: Vec<Signature>) {
        recorder.stt_said(effects, signatures);
    }
}

pub(crate) struct Speaking;

impl Role for Speaking {
    const KIND: Kind = Kind::Tts;
    type Input = TtsInput;
    type Effect = TtsEffect;
    type Event = TtsEvent;
    type Talk = Speaker;

    fn start(start: SessionStart) -> TtsInput {
        TtsInput::Start(Box::new(start))
    }

    fn end() -> TtsInput {
        TtsInput::End
    }

    fn timer(id: u32) -> TtsInput {
        TtsInput::Timer(id)
    }

    fn link(news: LinkInput) -> TtsInput {
        TtsInput::Link(Box::new(news))
    }

    fn rank(input: &TtsInput) -> Rank {
        match input {
            TtsInput::Text(_) | TtsInput::Flush(_) => Rank::Forgettable,
            TtsInput::Cancel => Rank::Cancel,
            TtsInput::End => Rank::End,
            TtsInput::Start(_) | TtsInput::Link(_) | TtsInput::Timer(_) => Rank::Foreign,
        }
    }

    fn said(effect: TtsEffect) -> Said<TtsEvent> {
        match effect {
            TtsEffect::Link(effect) => Said::Link(effect),
            TtsEffect::Audio(samples) if samples.len() <= AUDIO_EVENT_BYTES => Said::Event(TtsEvent::Audio(samples)),
            TtsEffect::Audio(samples) => {
                Said::Events(samples.chunks(AUDIO_EVENT_BYTES).map(|piece| TtsEvent::Audio(piece.to_vec())).collect())
            }
            TtsEffect::Word(word) => Said::Event(TtsEvent::Word(word)),
            TtsEffect::Flushed(mark) => Said::Event(TtsEvent::Flushed(mark)),
            TtsEffect::Cancelled => Said::Event(TtsEvent::Cancelled),
            TtsEffect::Timer(timer) => Said::Timer(timer),
            TtsEffect::Usage(usage) => Said::Event(TtsEvent::Usage(usage)),
            TtsEffect::Done => Said::Done,
            TtsEffect::Fail(fault) => Said::Fail(fault),
        }
    }

    fn ended(end: SessionEnd) -> TtsEvent {
        TtsEvent::Ended(Box::new(end))
    }

    fn audio(_: &TtsInput) -> Option<&[u8]> {
        None
    }

    fn record_told(recorder: &mut Recorder, now: Now, input: &TtsInput) {
        recorder.tts_told(now, input);
    }

    fn record_said(recorder: &mut Recorder, effects: &[TtsEffect], signatures: Vec<Signature>) {
        recorder.tts_said(effects, signatures);
    }
}
