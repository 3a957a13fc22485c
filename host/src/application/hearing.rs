//! Listening: the caller's sound goes to a session, its words come back through the mask.

use super::limits;
use super::ports::{AudioChunk, Fall, Hearing, HearingEvent, HearingInput, HearingRequest, Listen};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

/// Feeds one session after another; keeps what a slow session has not taken.
pub(super) struct Listener {
    hearing: Arc<dyn Hearing>,
    request: HearingRequest,
    session: Option<Box<dyn Listen>>,
    backlog: VecDeque<HearingInput>,
    backlog_ms: u64,
    /// Nobody is to be heard: sound is let go, and that is no loss.
    stopped: bool,
    /// Where the caller's speech began, while it lasts: a new session is told.
    speech_since_ms: Option<u64>,
}

impl Listener {
    pub(super) fn new(hearing: Arc<dyn Hearing>, request: HearingRequest) -> Self {
        Self { hearing, request, session: None, backlog: VecDeque::new(), backlog_ms: 0, stopped: false, speech_since_ms: None }
    }

    /// Rate of the sound that will come, for sessions opened from now on.
    pub(super) fn set_rate_hz(&mut self, rate_hz: u32) {
        self.request.rate_hz = rate_hz;
    }

    /// The sound that will come is another leg's: what is left of the old one belongs to nobody.
    pub(super) fn begin_anew(&mut self) {
        self.session = None;
        self.backlog.clear();
        self.backlog_ms = 0;
        self.speech_since_ms = None;
    }

    /// Opens a session in place of the one before.
    pub(super) fn start(&mut self) -> Result<(), Fall> {
        (self.session, self.stopped) = (None, false);
        self.session = Some(self.hearing.open(self.request.clone())?);
        if let Some(since_ms) = self.speech_since_ms {
            self.backlog.push_front(HearingInput::SpeechStarted(since_ms));
        }
        self.hand_over();
        Ok(())
    }

    /// Nobody is to be heard for a while.
    pub(super) fn stop(&mut self) {
        (self.session, self.speech_since_ms, self.stopped) = (None, None, true);
        self.backlog.clear();
        self.backlog_ms = 0;
    }

    /// More sound. Returns how many milliseconds had to be dropped.
    pub(super) fn audio(&mut self, chunk: AudioChunk) -> u64 {
        if self.stopped {
            return 0;
        }
        self.backlog_ms += self.duration_ms(chunk.pcm.len());
        self.backlog.push_back(HearingInput::Audio(chunk.pcm));
        self.hand_over();
        self.drop_oldest()
    }

    pub(super) fn speech_started(&mut self, position_ms: u64) {
        self.speech_since_ms = (!self.stopped).then_some(position_ms);
        self.tell(HearingInput::SpeechStarted(position_ms));
    }

    pub(super) fn speech_ended(&mut self, position_ms: u64) {
        self.speech_since_ms = None;
        self.tell(HearingInput::SpeechEnded(position_ms));
    }

    /// The turn is over: the session is to give its last words.
    pub(super) fn finalize(&mut self) {
        self.tell(HearingInput::Finalize);
    }

    /// The next thing the session says. Cancel-safe; pending while there is no session.
    pub(super) async fn next(&mut self) -> HearingEvent {
        let Some(session) = self.session.as_mut() else {
            return std::future::pending().await;
        };
        match poll_fn(|cx| session.poll_event(cx)).await {
            Some(HearingEvent::Fell(fall)) => {
                self.session = None;
                HearingEvent::Fell(fall)
            }
            Some(event) => {
                self.hand_over();
                event
            }
            None => {
                self.session = None;
                let plugin = self.request.ladder.first().plugin.clone();
                HearingEvent::Fell(Fall { plugin, code: "ended" })
            }
        }
    }

    fn tell(&mut self, input: HearingInput) {
        if self.stopped {
            return;
        }
        self.backlog.push_back(input);
        self.hand_over();
    }

    fn hand_over(&mut self) {
        let Some(session) = self.session.as_mut() else { return };
        while let Some(input) = self.backlog.pop_front() {
            let audio_ms = match &input {
                HearingInput::Audio(pcm) => ms(pcm.len(), self.request.rate_hz),
                _ => 0,
            };
            if let Err(input) = session.try_tell(input) {
                self.backlog.push_front(input);
                break;
            }
            self.backlog_ms -= audio_ms;
        }
    }

    /// Edges and `Finalize` are never dropped: they are few, and the turn hangs on them.
    fn drop_oldest(&mut self) -> u64 {
        let mut dropped_ms = 0;
        while self.backlog_ms > limits::HEARING_BACKLOG_MS {
            let oldest = self.backlog.iter().position(|input| matches!(input, HearingInput::Audio(_)));
            let Some(HearingInput::Audio(pcm)) = oldest.and_then(|at| self.backlog.remove(at)) else { break };
            let ms = self.duration_ms(pcm.len());
            self.backlog_ms -= ms;
            dropped_ms += ms;
        }
        dropped_ms
    }

    fn duration_ms(&self, samples: usize) -> u64 {
        ms(samples, self.request.rate_hz)
    }
}

fn ms(samples: usize, rate_hz: u32) -> u64 {
    samples as u64 * 1_000 / u64::from(rate_hz.max(1))
}
