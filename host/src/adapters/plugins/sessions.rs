//! Sessions of plugins as the ports have them: their words on one side, `vg-plugin-host`'s on the other.

use super::sound::{self, ToPlugin};
use crate::application::ports::{Fall, HearingEvent, HearingInput, Listen, Speak, SpeakingEvent, SpeakingInput, SpokenWord};
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TrySendError;
use vg_domain::call::Stability;
use vg_domain::ids::PluginId;
use vg_domain::mask::Heard;
use vg_domain::usage::Usage;
use vg_plugin_host::api::{self, AudioFormat, FaultKind, SpeechEdge, SttInput, Transcript, TtsInput, Word};
use vg_plugin_host::session::{SessionEnd, SttEvent, SttSession, TtsEvent, TtsSession};
use zeroize::Zeroize;

pub(super) struct Listener {
    pub(super) plugin: PluginId,
    pub(super) to_plugin: ToPlugin,
    pub(super) session: SttSession,
    /// Inputs that the session was told, those that went past it aside.
    pub(super) told: u64,
}

impl Listen for Listener {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        let room = match self.session.input.try_reserve() {
            Ok(room) => room,
            Err(TrySendError::Full(())) => return Err(input),
            // The session has ended: its last event says why, and what it is told no longer matters.
            Err(TrySendError::Closed(())) => return Ok(()),
        };
        let input = match input {
            HearingInput::Audio(pcm) => match self.session.line.send(self.told, self.to_plugin.bytes(&pcm)) {
                Ok(()) => return Ok(()),
                Err(chunk) => SttInput::Audio(chunk),
            },
            HearingInput::SpeechStarted(ms) => SttInput::Edge(SpeechEdge::Started(ms)),
            HearingInput::SpeechEnded(ms) => SttInput::Edge(SpeechEdge::Ended(ms)),
            HearingInput::Finalize => SttInput::Finalize,
        };
        room.send(input);
        self.told += 1;
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        loop {
            let Some(event) = std::task::ready!(self.session.events.poll_recv(cx)) else { return Poll::Ready(None) };
            let event = match event {
                SttEvent::Partial(transcript) => {
                    HearingEvent::Partial { stability: transcript.stability.and_then(Stability::new), words: heard(*transcript) }
                }
                SttEvent::Final(transcript) => HearingEvent::Final(heard(*transcript)),
                SttEvent::Finalized => HearingEvent::Finalized,
                SttEvent::Ended(end) => HearingEvent::Fell(fall(&self.plugin, &end)),
                SttEvent::Usage(usage) => HearingEvent::Usage(counted(usage)),
                // Turns are cut by our own edges.
                SttEvent::SpeechStarted(_) | SttEvent::SpeechEnded(_) => continue,
            };
            return Poll::Ready(Some(event));
        }
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        let SttSession { input, events, line } = self.session;
        // Who is told nothing more is told `end`.
        drop((input, line));
        let worked = |event| if let SttEvent::Usage(usage) = event { Some(counted(usage)) } else { None };
        rest(events, worked)
    }
}

/// The words. They stand in it a second time, each with its times, which nobody asks for: those are wiped.
fn heard(mut transcript: Transcript) -> Heard {
    transcript.words.iter_mut().for_each(|word| word.text.zeroize());
    Heard::new(transcript.text)
}

fn counted(usage: api::Usage) -> Usage {
    Usage { audio_ms: usage.audio_ms, characters: usage.characters, requests: usage.requests.into() }
}

/// What a session has worked, of all that it yet says.
fn rest<E: Send + 'static>(events: Receiver<E>, worked: fn(E) -> Option<Usage>) -> BoxStream<'static, Usage> {
    let said = stream::unfold(events, |mut events| async move { events.recv().await.map(|event| (event, events)) });
    said.filter_map(move |event| ready(worked(event))).boxed()
}

pub(super) struct Speaker {
    pub(super) plugin: PluginId,
    pub(super) format: AudioFormat,
    pub(super) session: TtsSession,
}

impl Speak for Speaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        let room = match self.session.input.try_reserve() {
            Ok(room) => room,
            Err(TrySendError::Full(())) => return Err(input),
            Err(TrySendError::Closed(())) => return Ok(()),
        };
        room.send(match input {
            SpeakingInput::Text(text) => TtsInput::Text(text),
            SpeakingInput::Flush(mark) => TtsInput::Flush(mark),
            SpeakingInput::Cancel => TtsInput::Cancel,
        });
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        let Some(event) = std::task::ready!(self.session.events.poll_recv(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(match event {
            TtsEvent::Audio(bytes) => {
                let AudioFormat { encoding, rate_hz } = self.format;
                SpeakingEvent::Audio { rate_hz, pcm: sound::read(encoding, &bytes) }
            }
            TtsEvent::Word(Word { text, start_ms, end_ms, .. }) => SpeakingEvent::Word(SpokenWord { text, start_ms, end_ms }),
            TtsEvent::Flushed(mark) => SpeakingEvent::Flushed(mark),
            TtsEvent::Cancelled => SpeakingEvent::Cancelled,
            TtsEvent::Usage(usage) => SpeakingEvent::Usage(counted(usage)),
            TtsEvent::Ended(end) => SpeakingEvent::Fell(fall(&self.plugin, &end)),
        }))
    }

    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        let TtsSession { input, events } = self.session;
        // What it has not said yet is not wanted; where it cannot be told so, that is all that is lost.
        let _ = input.try_send(TtsInput::Cancel);
        drop(input);
        let worked = |event| if let TtsEvent::Usage(usage) = event { Some(counted(usage)) } else { None };
        rest(events, worked)
    }
}

fn fall(plugin: &PluginId, end: &SessionEnd) -> Fall {
    let retry_after = match end {
        SessionEnd::Fault(fault) => match fault.kind {
            FaultKind::Quota { retry_after_ms } => retry_after_ms.map(Duration::from_millis),
            _ => None,
        },
        SessionEnd::Done | SessionEnd::Fell(_) => None,
    };
    Fall { retry_after, ..Fall::new(plugin.clone(), end.code()) }
}
