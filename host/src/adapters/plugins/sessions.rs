//! Sessions of plugins as the ports have them: their words on one side, `vg-plugin-host`'s on the other.

use super::sound::{self, ToPlugin};
use crate::application::ports::{Fall, HearingEvent, HearingInput, Listen, Speak, SpeakingEvent, SpeakingInput, SpokenWord};
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TrySendError;
use vg_domain::call::Stability;
use vg_domain::ids::PluginId;
use vg_domain::mask::Heard;
use vg_plugin_host::api::{AudioFormat, SpeechEdge, SttInput, TtsInput, Word};
use vg_plugin_host::session::{SttEvent, SttSession, TtsEvent, TtsSession};

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
                SttEvent::Partial(transcript) => HearingEvent::Partial {
                    stability: transcript.stability.and_then(Stability::new),
                    words: Heard::new(transcript.text),
                },
                SttEvent::Final(transcript) => HearingEvent::Final(Heard::new(transcript.text)),
                SttEvent::Finalized => HearingEvent::Finalized,
                SttEvent::Ended(end) => HearingEvent::Fell(Fall { plugin: self.plugin.clone(), code: end.code() }),
                // Turns are cut by our own edges; usage is accounted by a later issue of the house.
                SttEvent::SpeechStarted(_) | SttEvent::SpeechEnded(_) | SttEvent::Usage(_) => continue,
            };
            return Poll::Ready(Some(event));
        }
    }
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
        loop {
            let Some(event) = std::task::ready!(self.session.events.poll_recv(cx)) else { return Poll::Ready(None) };
            let event = match event {
                TtsEvent::Audio(bytes) => {
                    let AudioFormat { encoding, rate_hz } = self.format;
                    SpeakingEvent::Audio { rate_hz, pcm: sound::read(encoding, &bytes) }
                }
                TtsEvent::Flushed(mark) => SpeakingEvent::Flushed(mark),
                TtsEvent::Cancelled => SpeakingEvent::Cancelled,
                TtsEvent::Ended(end) => SpeakingEvent::Fell(Fall { plugin: self.plugin.clone(), code: end.code() }),
                TtsEvent::Word(Word { text, start_ms, end_ms, .. }) => SpeakingEvent::Word(SpokenWord { text, start_ms, end_ms }),
                TtsEvent::Usage(_) => continue,
            };
            return Poll::Ready(Some(event));
        }
    }
}
