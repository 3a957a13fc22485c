//! Speaking: clauses go to a session, its sound goes to the leg.
//!
//! A session speaks in order, so the sound it gives belongs to the oldest utterance that it has not yet flushed. After a
//! cancel everything up to `Cancelled` belongs to nobody.

mod open;
mod quality;

pub use quality::SpeechFault;

use super::breakers::{Breakers, Climber, Sample, Seat};
use super::clock::now;
use super::limits;
use super::ports::{Fall, MouthCommand, MouthFloor, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest};
use super::prompt::Prompt;
use super::usage::Ledger;
use open::Open;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, UtteranceId};
use vg_domain::speech::Extent;
use vg_domain::tenant::{Ladder, Provider, TenantSettings};
use vg_domain::usage::Usage;

/// What became of an utterance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Its first sound came from the session, or the first since it was owed.
    Audio(UtteranceId),
    /// Nobody is heard, and the session was told more of it than it has said.
    Owed(UtteranceId),
    /// The session cannot go on with it.
    Fell(UtteranceId, Fall),
    /// Somebody else speaks, for want of a place with this one.
    PassedOver(Fall),
    /// What that plugin gave for an utterance can hardly be speech; the call goes on.
    Faulty(PluginId, SpeechFault),
}

/// A session, and the tenant's place that it takes.
type Seated = (Box<dyn Speak>, Seat);

/// One voice for one call.
pub(super) struct Speaker {
    speaking: Arc<dyn Speaking>,
    request: SpeakingRequest,
    climber: Climber,
    session: Option<Seated>,
    to_session: VecDeque<SpeakingInput>,
    /// Utterances that no session has flushed, oldest first.
    open: VecDeque<Open>,
    /// The language in which it speaks when what is open has been said.
    next: Option<Arc<TenantSettings>>,
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
    to_call: VecDeque<Spoken>,
    /// Nobody is heard, and no sound has come since.
    dead_air: bool,
    /// When the last sound came from a session.
    sounded_at: Option<Instant>,
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
    /// A session that is one too many is waited for within half of `deadline`, that of the first sound of an utterance.
    pub(super) fn new(
        speaking: Arc<dyn Speaking>,
        breakers: Arc<Breakers>,
        ladder: Ladder,
        request: SpeakingRequest,
        deadline: Duration,
    ) -> Self {
        let ledger = Ledger::new(Arc::clone(&breakers), request.tenant.clone());
        Self {
            speaking,
            climber: Climber::new(breakers, Role::Speaking, request.tenant.clone(), ladder, deadline),
            request,
            session: None,
            to_session: VecDeque::new(),
            open: VecDeque::new(),
            next: None,
            spoken: VecDeque::new(),
            given: Given::default(),
            ledger,
            fell: false,
            cancels: 0,
            mouth: None,
            floor: watch::Sender::default(),
            to_mouth: VecDeque::new(),
            orders: VecDeque::new(),
            to_call: VecDeque::new(),
            dead_air: false,
            sounded_at: None,
        }
    }

    /// Who speaks, or was the last to.
    pub(super) fn plugin(&self) -> &PluginId {
        &self.climber.provider().plugin
    }

    /// Speaks as these settings say, from the next utterance on.
    pub(super) fn change_to(&mut self, settings: &Arc<TenantSettings>) {
        self.next = Some(Arc::clone(settings));
        self.change_between_utterances();
    }

    fn change_between_utterances(&mut self) {
        if let Some(settings) = self.next.take_if(|_| self.open.is_empty()) {
            self.let_go();
            self.climber.go_over_to(settings.speaking.clone());
            let request = &mut self.request;
            (request.provider, request.language) = (settings.speaking.first().clone(), settings.language.clone());
            request.lines = settings.lines();
        }
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
        if let Some((session, _seat)) = self.session.take() {
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

    /// Opens a session if there is none, or none where the call was to be served first. A failure is reported when there is something to say.
    pub(super) fn prepare(&mut self) {
        self.change_between_utterances();
        if self.session.is_some() && self.open.is_empty() && self.cancels == 0 {
            let opened = self.climber.climb_back(opener(&self.speaking, &self.request));
            self.take(opened);
        }
        let _ = self.ready();
    }

    /// There is a session, or one is waited for.
    fn ready(&mut self) -> Result<(), Fall> {
        if self.session.is_none() && !self.climber.is_waiting() {
            let opened = self.climber.open(opener(&self.speaking, &self.request))?;
            self.take(opened);
        }
        Ok(())
    }

    fn take(&mut self, opened: Option<Seated>) {
        if opened.is_some() {
            self.session = opened;
            self.given = Given::default();
            self.request.provider = self.climber.provider().clone();
            self.hand_over();
        }
    }

    /// Goes on with the session that was waited for.
    fn seat(&mut self) {
        match self.climber.go_on(opener(&self.speaking, &self.request)) {
            Ok(opened) => self.take(opened),
            Err(fall) => self.fall(&fall),
        }
    }

    /// Whoever is to speak has fallen over it. Who is waited for has not.
    fn blame(&self, retry_after: Option<Duration>) {
        if !self.climber.is_waiting() {
            self.climber.fell(Sample::Speaking(self.request.clone()), retry_after);
        }
    }

    /// Speaks a clause of an utterance.
    pub(super) fn say(&mut self, utterance: UtteranceId, text: &str) {
        // Texts are one stream to a session: where a clause is not the first, its words are parted from those before it.
        let told = match self.open.back_mut().filter(|last| last.utterance == utterance) {
            Some(last) => {
                last.push(text);
                format!(" {text}")
            }
            None => {
                self.change_between_utterances();
                let mut first = Open::new(utterance);
                first.push(text);
                self.open.push_back(first);
                text.to_owned()
            }
        };
        self.note_owed();
        if self.fell {
            return;
        }
        match self.ready() {
            Ok(()) => self.tell(SpeakingInput::Text(told)),
            Err(fall) => self.fall(&fall),
        }
    }

    /// No further clause of the utterance follows.
    pub(super) fn end(&mut self, utterance: UtteranceId) {
        match self.open.iter_mut().find(|open| open.utterance == utterance) {
            Some(open) => {
                open.end();
                if !self.fell {
                    self.tell(SpeakingInput::Flush(utterance.0));
                }
                self.note_owed();
            }
            // It had no text: its end depends on the leg alone.
            None => self.to_mouth.push_back(MouthCommand::End { utterance }),
        }
    }

    /// Lets the ladder's next provider say what is left of what fell, or stands still.
    pub(super) fn go_on_with_another(&mut self) {
        if !self.fell {
            self.blame(None);
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

    /// Nobody is heard. What is being said has stood still where all of it was told, and is owed where more of it was told than said.
    pub(super) fn nobody_is_heard(&mut self) {
        if self.sounded_at.is_some_and(|at| now().saturating_duration_since(at) < limits::DEAD_AIR) {
            // It is on its way: the silence before it was not the voice's.
            return;
        }
        self.dead_air = true;
        match self.in_the_middle().map(|open| (open.utterance, open.ended)) {
            Some((utterance, true)) => self.to_call.push_back(Spoken::Fell(utterance, self.fall_of("stalled"))),
            Some((_, false)) => self.note_owed(),
            None => {}
        }
    }

    /// What is being said, some of which has sounded and none of which waits.
    fn in_the_middle(&mut self) -> Option<&mut Open> {
        let speaks = !self.fell && self.to_mouth.is_empty();
        self.open.front_mut().filter(|open| speaks && open.sounded_ms > 0)
    }

    /// One that has not begun has its time already.
    fn note_owed(&mut self) {
        if !self.dead_air {
            return;
        }
        if let Some(open) = self.in_the_middle().filter(|open| !open.missed && open.is_owed()) {
            open.missed = true;
            let utterance = open.utterance;
            self.to_call.push_back(Spoken::Owed(utterance));
        }
    }

    /// The session, and what is on its way to it, goes.
    fn let_go(&mut self) {
        (self.session, self.cancels, self.fell) = (None, 0, false);
        self.climber.leave();
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
                self.blame(None);
            }
            // What it may yet say of it belongs to nobody.
            self.let_go();
        }
        self.dead_air = false;
        let (rate_hz, pcm) = prompt.at(self.request.rate_hz);
        self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm: pcm.to_vec() });
        self.to_mouth.push_back(MouthCommand::End { utterance });
    }

    /// Moves sound to the leg and says what became of utterances. Cancel-safe; pending while there is nothing to do.
    pub(super) async fn next(&mut self) -> Spoken {
        loop {
            if let Some(spoken) = self.to_call.pop_front() {
                return spoken;
            }
            if let Some(fall) = self.climber.take_passed() {
                return Spoken::PassedOver(fall);
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
                () = self.climber.seated() => self.seat(),
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
                let awaited = open.sounded_ms == 0 || open.missed;
                (open.missed, self.dead_air) = (false, false);
                self.sounded_at = Some(now());
                open.sound(given_ms, rate_hz, &pcm);
                let utterance = open.utterance;
                self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm });
                awaited.then_some(Spoken::Audio(utterance))
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
                    self.to_call
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
                self.blame(fall.retry_after);
                self.let_go();
                self.fall(&fall);
                None
            }
        }
    }

    fn fall_of(&self, code: &'static str) -> Fall {
        Fall::new(self.plugin().clone(), code)
    }

    /// What is open has fallen.
    fn fall(&mut self, fall: &Fall) {
        self.fell = !self.open.is_empty();
        self.to_call.extend(self.open.iter().map(|open| Spoken::Fell(open.utterance, fall.clone())));
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
        let Some((session, _)) = self.session.as_mut() else { return };
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

fn opener<'a>(
    speaking: &'a Arc<dyn Speaking>,
    request: &'a SpeakingRequest,
) -> impl Fn(&Provider, Seat) -> Result<Box<dyn Speak>, Fall> + 'a {
    |provider, seat| speaking.open(SpeakingRequest { provider: provider.clone(), seat, ..request.clone() })
}

async fn event(session: Option<&mut Seated>) -> Option<SpeakingEvent> {
    match session {
        Some((session, _)) => poll_fn(|cx| session.poll_event(cx)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
