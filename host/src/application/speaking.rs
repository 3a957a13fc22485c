//! Speaking: clauses go to a session, its sound goes to the leg.
//!
//! A session speaks in order, so the sound it gives belongs to the oldest utterance that it has not yet flushed. After a
//! cancel everything up to `Cancelled` belongs to nobody.

use super::breakers::{Breakers, Climber, Sample, Seat};
use super::call_task::Prompt;
use super::limits;
use super::ports::{Fall, MouthCommand, MouthFloor, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, UtteranceId};
use vg_domain::speech::spoken_to;
use vg_domain::tenant::{Ladder, Provider};

/// What became of an utterance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Its first sound came from the session.
    Audio(UtteranceId),
    /// The session cannot go on with it.
    Fell(UtteranceId, Fall),
    /// Somebody else speaks, for want of a place with this one.
    PassedOver(Fall),
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

/// An utterance that a session speaks.
struct Open {
    utterance: UtteranceId,
    /// What the session was told of it.
    text: String,
    /// No more text follows.
    ended: bool,
    /// So much of it has come, in milliseconds.
    sounded_ms: u64,
}

impl Open {
    /// What the next voice is to say: from the word on in which the one before fell.
    fn leave_the_rest(&mut self) {
        let rest = self.text.split_off(spoken_to(&self.text, self.sounded_ms));
        (self.text, self.sounded_ms) = (rest.trim_start().to_owned(), 0);
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
        Self {
            speaking,
            climber: Climber::new(breakers, Role::Speaking, request.tenant.clone(), ladder, deadline),
            request,
            session: None,
            to_session: VecDeque::new(),
            open: VecDeque::new(),
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

    /// An order to the leg that is no speech: it overtakes what is to be said, and is not forgotten with it.
    pub(super) fn order(&mut self, order: MouthCommand) {
        self.orders.push_back(order);
    }

    /// Opens a session if there is none, or none where the call was to be served first. A failure is reported when there is something to say.
    pub(super) fn prepare(&mut self) {
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
        match self.open.back_mut().filter(|last| last.utterance == utterance) {
            Some(last) => last.text = format!("{} {text}", last.text.trim_end()),
            None => self.open.push_back(Open { utterance, text: text.to_owned(), ended: false, sounded_ms: 0 }),
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
            self.blame(None);
        }
        self.let_go();
        self.climber.climb();
        if let Err(fall) = self.ready() {
            return self.fall(&fall);
        }
        self.open.retain_mut(|open| {
            open.leave_the_rest();
            let over = open.ended && open.text.is_empty();
            if over {
                self.to_mouth.push_back(MouthCommand::End { utterance: open.utterance });
            }
            !over
        });
        for open in &self.open {
            let text = Some(&open.text).filter(|text| !text.is_empty());
            self.to_session.extend(text.cloned().map(SpeakingInput::Text));
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
            self.open.clear();
            self.to_session.clear();
            if self.session.is_some() {
                self.cancels += 1;
                self.tell(SpeakingInput::Cancel);
            }
        }
    }

    /// Plays sound that needs no session, in place of what is left of the utterance.
    pub(super) fn play(&mut self, utterance: UtteranceId, prompt: &Prompt) {
        let before = self.open.len();
        // What stands before it, as a filler does, is not said either.
        self.open.retain(|open| {
            if open.utterance < utterance {
                self.to_mouth.push_back(MouthCommand::End { utterance: open.utterance });
            }
            open.utterance > utterance
        });
        if self.open.len() < before {
            if !self.fell {
                self.blame(None);
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
        match event.unwrap_or_else(|| SpeakingEvent::Fell(self.fall_of("ended"))) {
            SpeakingEvent::Audio { .. } | SpeakingEvent::Flushed(_) if self.cancels > 0 => None,
            SpeakingEvent::Audio { rate_hz, pcm } => {
                let open = self.open.front_mut()?;
                let first = open.sounded_ms == 0;
                // A piece shorter than a millisecond is one all the same: it is no silence.
                open.sounded_ms += (pcm.len() as u64 * 1_000).div_ceil(u64::from(rate_hz.max(1)));
                let utterance = open.utterance;
                self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm });
                first.then_some(Spoken::Audio(utterance))
            }
            SpeakingEvent::Flushed(mark) => {
                let flushed = self.open.front().filter(|open| open.utterance.0 == mark)?;
                if flushed.sounded_ms == 0 && flushed.text.contains(char::is_alphanumeric) {
                    // It says that all is said, and has said nothing.
                    let fall = self.fall_of("no_audio");
                    return self.on_event(Some(SpeakingEvent::Fell(fall)));
                }
                self.climber.served();
                let utterance = self.open.pop_front()?.utterance;
                self.to_mouth.push_back(MouthCommand::End { utterance });
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
mod tests {
    use super::*;
    use crate::application::ports::{Observation, Observe};
    use std::task::{Context, Poll};
    use vg_domain::ids::{CallId, TenantId};
    use vg_domain::tenant::Provider;

    /// Takes everything and says nothing.
    struct Mute;

    impl Speaking for Mute {
        fn open(&self, _: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
            Ok(Box::new(Self))
        }
    }

    impl Speak for Mute {
        fn try_tell(&mut self, _: SpeakingInput) -> Result<(), SpeakingInput> {
            Ok(())
        }

        fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
            Poll::Pending
        }
    }

    impl Observe for Mute {
        fn observe(&self, _: &Observation) {}
    }

    #[test]
    fn a_recording_stands_for_what_was_to_be_said_before_it_as_well() {
        let ladder = Ladder::from(Provider::new(PluginId::new("mute"), "{}"));
        let request = SpeakingRequest {
            call: CallId::new("c"),
            tenant: TenantId::new("t"),
            provider: ladder.first().clone(),
            language: "en-US".to_owned(),
            rate_hz: 8_000,
            lines: Arc::from([]),
            seat: Seat::default(),
        };
        let mut speaker = Speaker::new(Arc::new(Mute), Arc::new(Breakers::new(Arc::new(Mute))), ladder, request, Duration::MAX);
        let (filler, answer, next) = (UtteranceId(1), UtteranceId(2), UtteranceId(3));
        speaker.say(filler, "One moment.");
        speaker.end(filler);
        speaker.say(answer, "It is three.");
        speaker.play(answer, &Prompt::new(8_000, vec![7; 80]));
        let told: Vec<MouthCommand> = speaker.to_mouth.drain(..).collect();
        assert!(
            matches!(
                told.as_slice(),
                [MouthCommand::End { utterance: first }, MouthCommand::Say { utterance: second, .. }, MouthCommand::End { utterance: last }]
                    if (*first, *second, *last) == (filler, answer, answer)
            ),
            "{told:?}"
        );
        speaker.say(next, "Goodbye.");
        let audio = SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1; 80] };
        assert_eq!(speaker.on_event(Some(audio)), Some(Spoken::Audio(next)), "sound belongs to what is said now");
    }
}
