//! Speaking: clauses go to a session, its sound goes to the leg.
//!
//! A session speaks in order, so the sound it gives belongs to the oldest utterance that it has not yet flushed. After a
//! cancel everything up to `Cancelled` belongs to nobody.

mod open;
mod quality;

pub use quality::SpeechFault;

use super::breakers::{Breakers, Climber, Sample};
use super::call_task::Prompt;
use super::limits;
use super::ports::{Fall, MouthCommand, MouthFloor, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest};
use super::usage::Ledger;
use open::Open;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, UtteranceId};
use vg_domain::speech::Extent;
use vg_domain::tenant::Ladder;
use vg_domain::usage::Usage;

/// What became of an utterance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Its first sound came from the session.
    Audio(UtteranceId),
    /// The session cannot go on with it.
    Fell(UtteranceId, Fall),
    /// What that plugin gave for an utterance can hardly be speech; the call goes on.
    Faulty(PluginId, SpeechFault),
}

/// One voice for one call.
pub(super) struct Speaker {
    speaking: Arc<dyn Speaking>,
    request: SpeakingRequest,
    climber: Climber,
    session: Option<Box<dyn Speak>>,
    to_session: VecDeque<SpeakingInput>,
    /// Utterances that no session has flushed, oldest first.
    open: VecDeque<Open>,
    /// Those that were spoken last and may still be heard, oldest first.
    spoken: VecDeque<Open>,
    /// Sound that the session has given, whoever it was for.
    given: Given,
    ledger: Ledger,
    /// They fell: the call decides what becomes of them, and until then nobody is told more of them.
    fell: bool,
    /// `Cancelled` answers that are still to come.
    cancels: u32,
    mouth: Option<mpsc::Sender<MouthCommand>>,
    floor: watch::Sender<MouthFloor>,
    to_mouth: VecDeque<MouthCommand>,
    /// Orders beside what is said: a handful in a call.
    orders: VecDeque<MouthCommand>,
    fallen: VecDeque<Spoken>,
}

/// Samples of a session, all at one rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    samples: u64,
    rate_hz: u32,
}

impl Given {
    pub(super) fn add(&mut self, rate_hz: u32, samples: usize) {
        self.rate_hz = rate_hz;
        self.samples += samples as u64;
    }

    pub(super) fn ms(self) -> u64 {
        self.samples * 1_000 / u64::from(self.rate_hz.max(1))
    }
}

impl Speaker {
    pub(super) fn new(speaking: Arc<dyn Speaking>, breakers: Arc<Breakers>, ladder: Ladder, request: SpeakingRequest) -> Self {
        let ledger = Ledger::new(Arc::clone(&breakers), request.tenant.clone());
        Self {
            speaking,
            climber: Climber::new(Role::Speaking, breakers, request.tenant.clone(), ladder),
            request,
            session: None,
            to_session: VecDeque::new(),
            open: VecDeque::new(),
            spoken: VecDeque::new(),
            given: Given::default(),
            ledger,
            fell: false,
            cancels: 0,
            mouth: None,
            floor: watch::Sender::default(),
            to_mouth: VecDeque::new(),
            orders: VecDeque::new(),
            fallen: VecDeque::new(),
        }
    }

    /// Who speaks, or was the last to.
    pub(super) fn plugin(&self) -> &PluginId {
        &self.climber.provider().plugin
    }

    /// Where sound goes from now on, and the rate that suits it best.
    pub(super) fn connect(&mut self, mouth: mpsc::Sender<MouthCommand>, floor: watch::Sender<MouthFloor>, rate_hz: u32) {
        (self.mouth, self.floor) = (Some(mouth), floor);
        self.request.rate_hz = rate_hz;
    }

    /// The leg is gone, and what was on its way to it with it.
    pub(super) fn disconnect(&mut self) {
        self.forget();
        self.mouth = None;
        self.orders.clear();
    }

    /// Nothing more is to be said.
    pub(super) fn part(&mut self) {
        if let Some(session) = self.session.take() {
            self.ledger.part(self.climber.provider().clone(), session.part());
        }
        self.let_go();
    }

    /// What voices have worked, once nothing more is to be said.
    pub(super) async fn settle(&mut self) -> Vec<(PluginId, Usage)> {
        self.ledger.settle().await
    }

    /// An order to the leg that is no speech: it overtakes what is to be said, and is not forgotten with it.
    pub(super) fn order(&mut self, order: MouthCommand) {
        self.orders.push_back(order);
    }

    /// Opens a session if there is none. A failure is reported when there is something to say.
    pub(super) fn prepare(&mut self) {
        let _ = self.ready();
    }

    fn ready(&mut self) -> Result<(), Fall> {
        if self.session.is_none() {
            let (speaking, request) = (&self.speaking, &self.request);
            let open = |provider: &_| speaking.open(SpeakingRequest { provider: Clone::clone(provider), ..request.clone() });
            self.session = Some(self.climber.open(open)?);
            self.given = Given::default();
            self.request.provider = self.climber.provider().clone();
        }
        Ok(())
    }

    /// Speaks a clause of an utterance.
    pub(super) fn say(&mut self, utterance: UtteranceId, text: &str) {
        if self.open.back().is_none_or(|last| last.utterance != utterance) {
            self.open.push_back(Open::new(utterance));
        }
        if let Some(last) = self.open.back_mut() {
            last.push(text);
        }
        if self.fell {
            return;
        }
        match self.ready() {
            Ok(()) => self.tell(SpeakingInput::Text(text.to_owned())),
            Err(fall) => self.fall(&fall),
        }
    }

    /// No further clause of the utterance follows.
    pub(super) fn end(&mut self, utterance: UtteranceId) {
        match self.open.iter_mut().find(|open| open.utterance == utterance) {
            Some(open) => {
                open.ended = true;
                if !self.fell {
                    self.tell(SpeakingInput::Flush(utterance.0));
                }
            }
            // It had no text: its end depends on the leg alone.
            None => self.to_mouth.push_back(MouthCommand::End { utterance }),
        }
    }

    /// Lets the ladder's next provider say what is left of what fell, or stands still.
    pub(super) fn go_on_with_another(&mut self) {
        if !self.fell {
            self.climber.fell(Sample::Speaking(self.request.clone()));
        }
        self.let_go();
        self.climber.climb();
        if let Err(fall) = self.ready() {
            return self.fall(&fall);
        }
        for mut open in std::mem::take(&mut self.open) {
            open.leave_the_rest();
            if open.ended && open.text().is_empty() {
                self.to_mouth.push_back(MouthCommand::End { utterance: open.utterance });
                self.remember(open);
            } else {
                self.open.push_back(open);
            }
        }
        for open in &self.open {
            let text = Some(open.text()).filter(|text| !text.is_empty());
            self.to_session.extend(text.map(|text| SpeakingInput::Text(text.to_owned())));
            self.to_session.extend(open.ended.then_some(SpeakingInput::Flush(open.utterance.0)));
        }
        self.hand_over();
    }

    /// The utterance that has stood still, if one has: all of it was told, some of it has sounded, and nothing of it waits.
    pub(super) fn stalled(&self) -> Option<UtteranceId> {
        let open = self.open.front().filter(|open| open.ended && open.sounded_ms > 0)?;
        (!self.fell && self.to_mouth.is_empty()).then_some(open.utterance)
    }

    /// The session, and what is on its way to it, goes.
    fn let_go(&mut self) {
        (self.session, self.cancels, self.fell) = (None, 0, false);
        self.to_session.clear();
    }

    /// Stands still within one frame, or goes on from there.
    pub(super) fn pause(&self, paused: bool) {
        self.floor.send_modify(|floor| floor.paused = paused);
    }

    /// Stops within one frame and forgets everything that was to be said, up to this utterance.
    pub(super) fn hush(&mut self, utterance: UtteranceId) {
        self.floor.send_modify(|floor| *floor = MouthFloor { hushed: Some(utterance), paused: false });
        self.forget();
    }

    fn forget(&mut self) {
        self.to_mouth.clear();
        self.fell = false;
        if !self.open.is_empty() {
            std::mem::take(&mut self.open).into_iter().for_each(|open| self.remember(open));
            self.to_session.clear();
            if self.session.is_some() {
                self.cancels += 1;
                self.tell(SpeakingInput::Cancel);
            }
        }
    }

    fn remember(&mut self, open: Open) {
        if self.spoken.len() == limits::SPOKEN_UTTERANCES {
            self.spoken.pop_front();
        }
        self.spoken.push_back(open);
    }

    /// How far an utterance was heard of which so much has left, as well as that is known.
    pub(super) fn heard(&self, utterance: UtteranceId, spoken_ms: u64) -> Extent {
        let known = self.open.iter().chain(&self.spoken).find(|open| open.utterance == utterance);
        known.map_or(Extent::Interpolated, |open| open.heard(spoken_ms))
    }

    /// Plays sound that needs no session, in place of what is left of the utterance.
    pub(super) fn play(&mut self, utterance: UtteranceId, prompt: &Prompt) {
        let before = self.open.len();
        // What stands before it, as a filler does, is not said either.
        for open in std::mem::take(&mut self.open) {
            match open.utterance.cmp(&utterance) {
                Ordering::Less => self.to_mouth.push_back(MouthCommand::End { utterance: open.utterance }),
                Ordering::Equal => {}
                Ordering::Greater => self.open.push_back(open),
            }
        }
        if self.open.len() < before {
            if !self.fell {
                self.climber.fell(Sample::Speaking(self.request.clone()));
            }
            // What it may yet say of it belongs to nobody.
            self.let_go();
        }
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
        let given_ms = self.given.ms();
        if let Some(SpeakingEvent::Audio { rate_hz, pcm }) = &event {
            self.given.add(*rate_hz, pcm.len());
        }
        match event.unwrap_or_else(|| SpeakingEvent::Fell(self.fall_of("ended"))) {
            SpeakingEvent::Audio { .. } | SpeakingEvent::Word(_) | SpeakingEvent::Flushed(_) if self.cancels > 0 => None,
            SpeakingEvent::Audio { rate_hz, pcm } => {
                let open = self.open.front_mut()?;
                let first = open.sounded_ms == 0;
                open.sound(given_ms, rate_hz, &pcm);
                let utterance = open.utterance;
                self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm });
                first.then_some(Spoken::Audio(utterance))
            }
            SpeakingEvent::Usage(usage) => {
                self.ledger.note(self.climber.provider(), usage);
                None
            }
            SpeakingEvent::Word(word) => {
                self.open.front_mut()?.word(given_ms, &word);
                None
            }
            SpeakingEvent::Flushed(mark) => {
                let flushed = self.open.front().filter(|open| open.utterance.0 == mark)?;
                if flushed.sounded_ms == 0 && flushed.text().contains(char::is_alphanumeric) {
                    // It says that all is said, and has said nothing.
                    let fall = self.fall_of("no_audio");
                    return self.on_event(Some(SpeakingEvent::Fell(fall)));
                }
                self.climber.served();
                let flushed = self.open.pop_front()?;
                if flushed.sounded_ms > 0 {
                    self.fallen
                        .extend(flushed.faults().map(|fault| Spoken::Faulty(self.climber.provider().plugin.clone(), fault)));
                }
                self.to_mouth.push_back(MouthCommand::End { utterance: flushed.utterance });
                self.remember(flushed);
                None
            }
            SpeakingEvent::Cancelled => {
                self.cancels = self.cancels.saturating_sub(1);
                None
            }
            SpeakingEvent::Fell(fall) => {
                self.climber.fell(Sample::Speaking(self.request.clone()));
                self.let_go();
                self.fall(&fall);
                None
            }
        }
    }

    fn fall_of(&self, code: &'static str) -> Fall {
        Fall { plugin: self.plugin().clone(), code }
    }

    /// What is open has fallen.
    fn fall(&mut self, fall: &Fall) {
        self.fell = !self.open.is_empty();
        self.fallen.extend(self.open.iter().map(|open| Spoken::Fell(open.utterance, fall.clone())));
    }

    fn tell(&mut self, input: SpeakingInput) {
        self.to_session.push_back(input);
        self.hand_over();
        if self.to_session.len() > limits::SPEAKING_BACKLOG {
            let fall = self.fall_of("backlog");
            self.on_event(Some(SpeakingEvent::Fell(fall)));
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

#[cfg(test)]
mod tests;
