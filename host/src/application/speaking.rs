//! Speaking: clauses go to a session, its sound goes to the leg.
//!
//! A session speaks in order, so the sound it gives belongs to the oldest utterance that it has not yet flushed. After a
//! cancel everything up to `Cancelled` belongs to nobody.

use super::breakers::{Breakers, Climber, Sample, Seat};
use super::clock::now;
use super::limits;
use super::ports::{Fall, MouthCommand, MouthFloor, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest};
use super::prompt::Prompt;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, UtteranceId};
use vg_domain::speech::spoken_to;
use vg_domain::tenant::{Ladder, Provider, TenantSettings};

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

/// An utterance that a session speaks.
struct Open {
    utterance: UtteranceId,
    /// What the session was told of it.
    text: String,
    /// No more text follows.
    ended: bool,
    /// So much of it has come, in milliseconds.
    sounded_ms: u64,
    /// It was told something of it, and no sound has come since.
    unanswered: bool,
    /// The call knows that sound is owed.
    missed: bool,
}

impl Open {
    fn new(utterance: UtteranceId, text: &str) -> Self {
        Self { utterance, text: text.to_owned(), ended: false, sounded_ms: 0, unanswered: true, missed: false }
    }

    /// Whether it was told more than it has said; a voice that is quicker than twice the usual is not known.
    fn is_owed(&self) -> bool {
        self.unanswered || spoken_to(&self.text, 2 * self.sounded_ms) < self.text.len()
    }

    /// What the next voice is to say: from the word on in which the one before fell.
    fn leave_the_rest(&mut self) {
        let rest = self.text.split_off(spoken_to(&self.text, self.sounded_ms));
        (self.text, self.sounded_ms) = (rest.trim_start().to_owned(), 0);
        (self.unanswered, self.missed) = (true, false);
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
            next: None,
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
                last.text = format!("{} {text}", last.text.trim_end());
                last.unanswered = true;
                format!(" {text}")
            }
            None => {
                self.change_between_utterances();
                self.open.push_back(Open::new(utterance, text));
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
                (open.ended, open.unanswered) = (true, true);
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
        match event.unwrap_or_else(|| SpeakingEvent::Fell(self.fall_of("ended"))) {
            SpeakingEvent::Audio { .. } | SpeakingEvent::Flushed(_) if self.cancels > 0 => None,
            SpeakingEvent::Audio { rate_hz, pcm } => {
                let open = self.open.front_mut()?;
                let awaited = open.sounded_ms == 0 || open.missed;
                (open.unanswered, open.missed, self.dead_air) = (false, false, false);
                self.sounded_at = Some(now());
                // A piece shorter than a millisecond is one all the same: it is no silence.
                open.sounded_ms += (pcm.len() as u64 * 1_000).div_ceil(u64::from(rate_hz.max(1)));
                let utterance = open.utterance;
                self.to_mouth.push_back(MouthCommand::Say { utterance, rate_hz, pcm });
                awaited.then_some(Spoken::Audio(utterance))
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
mod tests {
    use super::*;
    use crate::application::ports::{Observation, Observe};
    use std::sync::Mutex;
    use std::task::{Context, Poll};
    use vg_domain::ids::{CallId, TenantId};
    use vg_domain::tenant::Provider;

    /// Takes everything, keeps texts as they come, and says nothing.
    #[derive(Clone, Default)]
    struct Mute(Arc<Mutex<String>>);

    impl Speaking for Mute {
        fn open(&self, _: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
            Ok(Box::new(self.clone()))
        }
    }

    impl Speak for Mute {
        fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
            if let SpeakingInput::Text(text) = input {
                self.0.lock().unwrap().push_str(&text);
            }
            Ok(())
        }

        fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
            Poll::Pending
        }
    }

    impl Observe for Mute {
        fn observe(&self, _: &Observation) {}
    }

    fn speaker() -> Speaker {
        speaker_of(Mute::default())
    }

    fn speaker_of(mute: Mute) -> Speaker {
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
        Speaker::new(Arc::new(mute), Arc::new(Breakers::new(Arc::new(Mute::default()))), ladder, request, Duration::MAX)
    }

    fn sound(ms: usize) -> Option<SpeakingEvent> {
        Some(SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1; 8 * ms] })
    }

    #[test]
    fn clauses_are_one_text_to_a_session_with_their_words_apart() {
        let mute = Mute::default();
        let (mut speaker, answer) = (speaker_of(mute.clone()), UtteranceId(1));
        speaker.say(answer, "Your account is in good order");
        speaker.say(answer, "since May.");
        speaker.say(answer, "Call again.");
        assert_eq!(*mute.0.lock().unwrap(), "Your account is in good order since May. Call again.");
    }

    #[tokio::test(start_paused = true)]
    async fn a_voice_whose_first_sound_is_on_its_way_does_not_stand_still() {
        let (mut speaker, answer) = (speaker(), UtteranceId(1));
        speaker.say(answer, "It is three.");
        speaker.end(answer);
        tokio::time::advance(limits::DEAD_AIR).await;
        assert_eq!(speaker.on_event(sound(20)), Some(Spoken::Audio(answer)));
        // The leg has it.
        speaker.to_mouth.clear();
        speaker.nobody_is_heard();
        assert_eq!(speaker.to_call, []);
        tokio::time::advance(limits::DEAD_AIR).await;
        speaker.nobody_is_heard();
        assert!(matches!(speaker.to_call.make_contiguous(), [Spoken::Fell(fallen, _)] if *fallen == answer));
    }

    #[tokio::test(start_paused = true)]
    async fn sound_is_owed_for_what_was_told_and_not_said_where_nobody_is_heard() {
        let (mut speaker, answer) = (speaker(), UtteranceId(1));
        let silence = async |speaker: &mut Speaker| {
            speaker.to_mouth.clear();
            tokio::time::advance(limits::DEAD_AIR).await;
            speaker.nobody_is_heard();
            std::mem::take(&mut speaker.to_call)
        };
        speaker.say(answer, "It is three.");
        assert_eq!(silence(&mut speaker).await, [], "the time of what has not begun runs already");
        assert_eq!(speaker.on_event(sound(800)), Some(Spoken::Audio(answer)));
        assert_eq!(silence(&mut speaker).await, [], "all of it was said: the agent is waited for");
        speaker.say(answer, "And");
        assert_eq!(std::mem::take(&mut speaker.to_call), [Spoken::Owed(answer)]);
        speaker.say(answer, "it rains.");
        assert_eq!(speaker.to_call, [], "told once");
        assert_eq!(speaker.on_event(sound(20)), Some(Spoken::Audio(answer)), "and it is told that it comes");
        assert_eq!(speaker.on_event(sound(20)), None);
        speaker.say(answer, "A lot of it, as it does for so much of the year in this part of the country.");
        assert_eq!(speaker.on_event(sound(20)), None);
        assert_eq!(silence(&mut speaker).await, [Spoken::Owed(answer)], "nobody speaks as quickly as that");
    }

    #[test]
    fn a_recording_stands_for_what_was_to_be_said_before_it_as_well() {
        let mut speaker = speaker();
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
