//! Speaking: clauses go to a session, its sound goes to the leg.
//!
//! A session speaks in order, so the sound it gives belongs to the oldest utterance that it has not yet flushed. After a
//! cancel everything up to `Cancelled` belongs to nobody.

use super::call_task::Prompt;
use super::limits;
use super::ports::{Fall, MouthCommand, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::sync::mpsc;
use vg_domain::ids::UtteranceId;

/// What became of an utterance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Its first sound came from the session.
    Audio(UtteranceId),
    /// The session cannot go on with it.
    Fell(UtteranceId, Fall),
}

/// One voice for one call.
pub(super) struct Speaker {
    speaking: Arc<dyn Speaking>,
    request: SpeakingRequest,
    session: Option<Box<dyn Speak>>,
    to_session: VecDeque<SpeakingInput>,
    /// Utterances whose text is with the session, oldest first, with whether sound of them came.
    open: VecDeque<(UtteranceId, bool)>,
    /// `Cancelled` answers that are still to come.
    cancels: u32,
    mouth: Option<mpsc::Sender<MouthCommand>>,
    to_mouth: VecDeque<MouthCommand>,
    /// Orders beside what is said: a handful in a call.
    orders: VecDeque<MouthCommand>,
    fallen: VecDeque<Spoken>,
    /// The newest utterance that fell: what becomes of it is decided by the call.
    last_fallen: Option<UtteranceId>,
}

impl Speaker {
    pub(super) fn new(speaking: Arc<dyn Speaking>, request: SpeakingRequest) -> Self {
        Self {
            speaking,
            request,
            session: None,
            to_session: VecDeque::new(),
            open: VecDeque::new(),
            cancels: 0,
            mouth: None,
            to_mouth: VecDeque::new(),
            orders: VecDeque::new(),
            fallen: VecDeque::new(),
            last_fallen: None,
        }
    }

    /// Where sound goes from now on, and the rate that suits it best.
    pub(super) fn connect(&mut self, mouth: mpsc::Sender<MouthCommand>, rate_hz: u32) {
        self.mouth = Some(mouth);
        self.request.rate_hz = rate_hz;
    }

    /// The leg is gone, and what was on its way to it with it.
    pub(super) fn disconnect(&mut self) {
        self.hush();
        (self.mouth, self.to_mouth) = (None, VecDeque::new());
        self.orders.clear();
    }

    /// An order to the leg that is no speech: it overtakes what is to be said, and is not forgotten with it.
    pub(super) fn order(&mut self, order: MouthCommand) {
        self.orders.push_back(order);
    }

    /// Opens a session if there is none. A failure is reported when there is something to say.
    pub(super) fn prepare(&mut self) {
        if self.session.is_none() {
            self.session = self.speaking.open(self.request.clone()).ok();
        }
    }

    /// Speaks a clause of an utterance.
    pub(super) fn say(&mut self, utterance: UtteranceId, text: &str) {
        if self.session.is_none() {
            match self.speaking.open(self.request.clone()) {
                Ok(session) => self.session = Some(session),
                Err(fall) => return self.fall(utterance, fall),
            }
        }
        if self.open.back().is_none_or(|(last, _)| *last != utterance) {
            self.open.push_back((utterance, false));
        }
        self.tell(SpeakingInput::Text(text.to_owned()));
    }

    /// No further clause of the utterance follows.
    pub(super) fn end(&mut self, utterance: UtteranceId) {
        if self.open.iter().any(|(open, _)| *open == utterance) {
            self.tell(SpeakingInput::Flush(utterance.0));
        } else if self.last_fallen != Some(utterance) {
            // It had no text: its end depends on the leg alone.
            self.to_mouth.push_back(MouthCommand::End { utterance });
        }
    }

    /// Stops within one frame and forgets everything that was to be said.
    pub(super) fn hush(&mut self) {
        self.to_mouth.clear();
        self.to_mouth.push_back(MouthCommand::Hush);
        if !self.open.is_empty() {
            self.open.clear();
            self.to_session.clear();
            if self.session.is_some() {
                self.cancels += 1;
                self.tell(SpeakingInput::Cancel);
            }
        }
    }

    /// Plays sound that needs no session.
    pub(super) fn play(&mut self, utterance: UtteranceId, prompt: &Prompt) {
        self.open.retain(|(open, _)| *open != utterance);
        let (rate_hz, pcm) = prompt.at(self.request.rate_hz);
        self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm: pcm.to_vec() });
        self.to_mouth.push_back(MouthCommand::End { utterance });
    }

    /// Moves sound to the leg and says what became of utterances. Cancel-safe; pending while there is nothing to do.
    pub(super) async fn next(&mut self) -> Spoken {
        loop {
            if let Some(fallen) = self.fallen.pop_front() {
                return fallen;
            }
            self.hand_over();
            let mouth = self.mouth.clone().filter(|_| !self.orders.is_empty() || !self.to_mouth.is_empty());
            let read = self.to_mouth.len() < limits::MOUTH_BACKLOG;
            let session = self.session.as_mut().filter(|_| read);
            tokio::select! {
                biased;
                permit = reserve(mouth) => match permit {
                    Some(permit) => {
                        if let Some(command) = self.orders.pop_front().or_else(|| self.to_mouth.pop_front()) {
                            permit.send(command);
                        }
                    }
                    // The leg is gone; the call learns of it from the leg's events.
                    None => self.mouth = None,
                },
                event = event(session) => {
                    if let Some(spoken) = self.on_event(event) {
                        return spoken;
                    }
                }
            }
        }
    }

    fn on_event(&mut self, event: Option<SpeakingEvent>) -> Option<Spoken> {
        let plugin = self.request.ladder.first().plugin.clone();
        match event.unwrap_or(SpeakingEvent::Fell(Fall { plugin, code: "ended" })) {
            SpeakingEvent::Audio { .. } | SpeakingEvent::Flushed(_) if self.cancels > 0 => None,
            SpeakingEvent::Audio { rate_hz, pcm } => {
                let (utterance, sounded) = self.open.front_mut()?;
                let first = !std::mem::replace(sounded, true);
                let utterance = *utterance;
                self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm });
                first.then_some(Spoken::Audio(utterance))
            }
            SpeakingEvent::Flushed(mark) => {
                let flushed = self.open.pop_front_if(|(utterance, _)| utterance.0 == mark)?;
                self.to_mouth.push_back(MouthCommand::End { utterance: flushed.0 });
                None
            }
            SpeakingEvent::Cancelled => {
                self.cancels = self.cancels.saturating_sub(1);
                None
            }
            SpeakingEvent::Fell(fall) => {
                self.session = None;
                self.cancels = 0;
                self.to_session.clear();
                for (utterance, _) in std::mem::take(&mut self.open) {
                    self.fall(utterance, fall.clone());
                }
                None
            }
        }
    }

    fn fall(&mut self, utterance: UtteranceId, fall: Fall) {
        self.last_fallen = Some(utterance);
        self.fallen.push_back(Spoken::Fell(utterance, fall));
    }

    fn tell(&mut self, input: SpeakingInput) {
        self.to_session.push_back(input);
        self.hand_over();
        if self.to_session.len() > limits::SPEAKING_BACKLOG {
            let plugin = self.request.ladder.first().plugin.clone();
            self.on_event(Some(SpeakingEvent::Fell(Fall { plugin, code: "backlog" })));
        }
    }

    fn hand_over(&mut self) {
        let Some(session) = self.session.as_mut() else { return };
        while let Some(input) = self.to_session.pop_front() {
            if let Err(input) = session.try_tell(input) {
                self.to_session.push_front(input);
                break;
            }
        }
    }
}

async fn reserve(mouth: Option<mpsc::Sender<MouthCommand>>) -> Option<mpsc::OwnedPermit<MouthCommand>> {
    match mouth {
        Some(mouth) => mouth.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

async fn event(session: Option<&mut Box<dyn Speak>>) -> Option<SpeakingEvent> {
    match session {
        Some(session) => poll_fn(|cx| session.poll_event(cx)).await,
        None => std::future::pending().await,
    }
}
