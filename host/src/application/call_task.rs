//! One task per call: turns the crank of [`Call`] and carries out what it says.

mod adopted;
mod heard;
mod kept;
mod orders;
mod path;
mod paying;
mod prompted;
mod recorded;
mod telephony;
mod settled;
mod shadowed;
mod sounding;

use super::breakers::{Breakers, Seat};
use super::call_leg::CallLeg;
use super::clock::{now, until};
use super::hearing::Listener;
use super::keeping::Keeper;
use super::kept_sound::KeptSound;
use super::line::{Act, Done, Line};
use super::masking::{Masked, mask};
use super::orders::Ordered;
use super::path::{OnSilentPath, PathTest};
use super::ports::{
    Agent, AgentEvent, CallStates, ConversationRequest, Epoch, Facts, Fall, Hearing, HearingRequest, LegEvent, Masks, MediaLeg,
    MouthCommand, Observation, Observe, Sequence, Speaking, SpeakingRequest, TelephonyError, TelephonyEvent, Vault,
};
use super::prompt::{Emergency, Prompt};
use super::recording::Recorder;
use super::resume::PastWritten;
use super::setup_clock::{SetUpClock, SetUpPart};
use super::shadow::Shadow;
use super::speaking::{Speaker, Spoken};
use super::thinking::{Thinker, Thought};
use super::turns::{AnsweredTurn, FirstWords};
pub use adopted::Stopped;
use orders::Pending;
use recorded::Recorded;
use settled::Served;
use shadowed::{compared, shadow};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch};
use vg_domain::call::{Call, CallAction, CallInput};
use vg_domain::event::{Fact, Role};
use vg_domain::ids::{CallId, PluginId};
use vg_domain::mask::Mode;
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::{Direction, Parties};
use vg_domain::recording::DeletionReason;
use vg_domain::tenant::TenantSettings;
use vg_domain::transfer::TransferMode;

/// What calls share.
#[derive(Clone)]
pub struct Services {
    /// Speech to text.
    pub hearing: Arc<dyn Hearing>,
    /// Text to speech.
    pub speaking: Arc<dyn Speaking>,
    /// Which of the tenants' providers are worth asking.
    pub breakers: Arc<Breakers>,
    /// Who masks beside the built-in mask; none: nobody.
    pub masks: Option<Arc<dyn Masks>>,
    /// Answers.
    pub agent: Arc<dyn Agent>,
    /// Keeps cards; none: nobody.
    pub vault: Option<Arc<dyn Vault>>,
    /// Facts of calls, to the outside.
    pub facts: Arc<dyn Facts>,
    /// Metrics and logs.
    pub observe: Arc<dyn Observe>,
    /// Who writes calls down, where somebody does.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Where calls are kept beyond this gateway, if anywhere.
    pub states: Option<Arc<dyn CallStates>>,
    /// Said when no speaker is left.
    pub emergency: Arc<Emergency>,
    /// Played again and again to who waits for an answer.
    pub hold_tone: Arc<Prompt>,
    /// What becomes of a call whose media path stays silent.
    pub on_silent_path: OnSilentPath,
}

/// What a gateway that stops asks of its calls, in the order in which it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Nothing: it does not stop.
    #[default]
    NotYet,
    /// Go on, so that another gateway may do that at any moment.
    Leave,
    /// Say goodbye, then end.
    Drain,
    /// End now.
    Stop,
}

/// Drives one call from its offer until everything it held is released.
pub struct CallTask {
    id: CallId,
    settings: Arc<TenantSettings>,
    /// In which the call goes on.
    language: String,
    services: Services,
    call: Call,
    /// Who masks, where the tenant has somebody.
    masked_by: Option<PluginId>,
    line: Line,
    listener: Listener,
    shadow: Option<Box<Shadow>>,
    thinker: Thinker,
    speaker: Speaker,
    parties: Arc<Parties>,
    conversation: Option<ConversationRequest>,
    telephony_events: Option<mpsc::Receiver<TelephonyEvent>>,
    leg_events: Option<mpsc::Receiver<LegEvent>>,
    orders: Option<mpsc::Receiver<Ordered>>,
    watcher: Option<mpsc::Sender<Fact>>,
    recorded: Recorded,
    keeper: Keeper,
    past_written: PastWritten,
    kept_sound: KeptSound,
    /// Of the last event that was told.
    sequence: Sequence,
    pending: Pending,
    path: PathTest,
    set_up: SetUpClock,
    first_words: FirstWords,
    served: Served,
    /// What the caller says until then is nobody's to hear.
    secret_until: Option<Instant>,
    /// It was begun by another gateway.
    begun: bool,
    /// Another gateway holds it.
    taken: bool,
    /// What the release could not give back.
    left_behind: Option<TelephonyError>,
}

impl CallTask {
    /// A call of a tenant whose settings are known.
    pub fn new(services: Services, leg: CallLeg, settings: Arc<TenantSettings>, orders: mpsc::Receiver<Ordered>) -> Self {
        let rate_hz = 16_000;
        let Masked { mask, by: masked_by, mode } = mask(services.masks.as_ref(), &settings);
        let CallLeg { call, parties, names, mut telephony, events, watcher } = leg;
        let tenant = settings.tenant.clone();
        let strict = mode == Mode::Strict;
        if strict {
            telephony.require_trusted_path();
        }
        let kept_sound = KeptSound::new(services.states.as_ref(), strict);
        let keeper = Keeper::new(services.states.clone(), &call, &tenant, &parties, names, Epoch::FIRST);
        let hearing = HearingRequest {
            call: call.clone(),
            tenant: tenant.clone(),
            provider: settings.hearing.first().clone(),
            language: settings.language.clone(),
            rate_hz,
            seat: Seat::default(),
        };
        let speaking = SpeakingRequest {
            call: call.clone(),
            tenant,
            provider: settings.speaking.first().clone(),
            language: settings.language.clone(),
            rate_hz,
            lines: settings.lines(),
            seat: Seat::default(),
        };
        Self {
            call: Call::new(Arc::clone(&settings), Arc::clone(&parties)).masked_by(mask).with_vault(services.vault.is_some()),
            masked_by,
            shadow: shadow(&services, &settings, &hearing),
            line: Line::new(telephony, Arc::clone(&services.facts)),
            listener: Listener::new(
                Arc::clone(&services.hearing),
                Arc::clone(&services.breakers),
                settings.hearing.clone(),
                hearing,
                settings.timing.final_deadline,
            ),
            thinker: Thinker::new(Arc::clone(&services.agent), call.clone(), settings.timing.agent_deadline),
            speaker: Speaker::new(
                Arc::clone(&services.speaking),
                Arc::clone(&services.breakers),
                settings.speaking.clone(),
                speaking,
                settings.timing.speech_deadline,
            ),
            conversation: Some(conversation(&call, &settings, &parties)),
            telephony_events: Some(events),
            leg_events: None,
            orders: Some(orders),
            watcher,
            parties,
            recorded: Recorded::default(),
            keeper,
            past_written: PastWritten::default(),
            kept_sound,
            sequence: Sequence { n: 0, ..Sequence::FIRST },
            pending: Pending::default(),
            path: PathTest::First,
            set_up: SetUpClock::start(now()),
            first_words: FirstWords::default(),
            served: Served::default(),
            secret_until: None,
            left_behind: None,
            begun: false,
            taken: false,
            id: call,
            language: settings.language.clone(),
            settings,
            services,
        }
    }

    /// When the call came, where that was before now: its set-up is measured from there.
    #[must_use]
    pub fn offered_at(mut self, began: Instant) -> Self {
        self.set_up = SetUpClock::start(began);
        self
    }

    /// Runs until the call has ended and holds nothing; none where another gateway has taken it over.
    pub async fn run(mut self, mut ending: watch::Receiver<Ending>) -> Option<Outcome> {
        if !self.begun {
            self.set_up.mark(SetUpPart::Settings, now());
            self.tell(CallLeg::first_input(&self.parties));
        }
        // What was asked before it began.
        ending.mark_changed();
        let outcome = loop {
            while let Some(action) = self.call.poll_action() {
                self.carry_out(action).await;
            }
            if let Some(outcome) = self.call.outcome() {
                break Some(outcome.clone());
            }
            if self.taken {
                self.let_go().await;
                break None;
            }
            self.watch_keys();
            self.keep_resume();
            let wake = self.call.poll_timeout().map(|(at, _)| at).into_iter().chain(self.keeper.due()).min();
            tokio::select! {
                biased;
                Ok(()) = ending.changed() => self.asked_to_end(*ending.borrow_and_update()),
                () = self.keeper.lost() => self.taken = true,
                event = next(&mut self.telephony_events) => self.on_telephony(event),
                order = next(&mut self.orders) => self.on_order(order).await,
                done = self.line.done() => self.on_line(done),
                event = next(&mut self.leg_events) => self.on_leg(event).await,
                listened = self.listener.next() => self.on_listened(listened),
                thought = self.thinker.next() => self.on_thought(thought),
                spoken = self.speaker.next() => self.on_spoken(spoken),
                () = until(wake) => self.call.handle_timeout(now()),
                // Last: however much it says, nothing of the call waits behind it.
                turn = compared(&mut self.shadow) => self.on_compared(turn),
            }
        };
        self.line.finish().await;
        if let Some(error) = self.left_behind {
            self.services.observe.observe(&Observation::CallLeaked(error.code()));
        }
        outcome
    }

    async fn carry_out(&mut self, action: CallAction) {
        match action {
            CallAction::Ring => self.line.act(Act::Ring).await,
            CallAction::OpenConversation => {
                if let Some(conversation) = self.conversation.take() {
                    self.thinker.open(conversation);
                }
            }
            CallAction::ConnectMedia => {
                self.set_up.mark(SetUpPart::Conversation, now());
                self.line.act(Act::ConnectMedia).await;
            }
            CallAction::Answer => self.line.act(Act::Answer).await,
            CallAction::StartHearing => {
                self.shadow(Shadow::start);
                let started = self.listener.start();
                self.on_listener(started);
            }
            CallAction::StartNextHearing => {
                let started = self.listener.start_next();
                self.on_listener(started);
            }
            CallAction::ChangeLanguage(settings) => {
                self.language.clone_from(&settings.language);
                self.speaker.change_to(&settings);
                let changed = self.listener.change_to(&settings);
                self.on_listener(changed);
            }
            CallAction::GiveUpHearing => self.listener.give_up(),
            CallAction::FinalizeHearing => {
                self.listener.finalize();
                self.shadow(Shadow::finalize);
            }
            CallAction::PrepareSpeaking => self.speaker.prepare(),
            CallAction::Ask { turn, text } => {
                self.turn_is_heard();
                self.thinker.ask(turn, text);
            }
            CallAction::AskCard { turn, text, card } => self.ask_card(turn, text, card),
            CallAction::Speculate { turn, text } => self.thinker.speculate(turn, text),
            CallAction::Commit { turn } => {
                self.turn_is_heard();
                self.thinker.commit(turn);
            }
            CallAction::CancelAsk { turn } => self.thinker.cancel(turn),
            CallAction::Say { utterance, text } => self.speaker.say(utterance, text.as_str()),
            CallAction::EndUtterance { utterance } => self.speaker.end(utterance),
            CallAction::Pause { utterance: _ } => self.speaker.pause(true),
            CallAction::GoOn { utterance: _ } => self.speaker.pause(false),
            CallAction::Hush { utterance } => self.speaker.hush(utterance),
            CallAction::GoOnWithAnotherVoice => self.speaker.go_on_with_another(),
            CallAction::PlayEmergency { utterance } => {
                self.speaker.play(utterance, self.services.emergency.in_language(&self.language));
            }
            CallAction::PlayTone { utterance } => self.speaker.play(utterance, &self.services.hold_tone),
            CallAction::SeekAdvice { reason, wish } => self.thinker.seek_advice(reason, wish),
            CallAction::Transfer(handover) => self.line.act(Act::Transfer(handover)).await,
            CallAction::LeaveMedia => {
                self.leave_leg();
                self.line.act(Act::LeaveMedia).await;
            }
            CallAction::Consult(handover) => {
                // Neither music nor the person is the caller's voice.
                self.listener.stop();
                self.shadow(Shadow::stop);
                self.line.act(Act::Consult(handover)).await;
            }
            CallAction::Meet => self.line.act(Act::Meet).await,
            CallAction::Join => self.line.act(Act::Join).await,
            CallAction::Resume => self.line.act(Act::Resume).await,
            CallAction::HangUp { cause } => self.line.act(Act::HangUp(cause)).await,
            CallAction::Release => {
                // While that takes its time, they may say what they have worked.
                self.listener.stop();
                self.shadow(Shadow::stop);
                self.speaker.part();
                self.line.act(Act::Release).await;
            }
            CallAction::Record => self.record(),
            CallAction::ForgetRecording => self.forget_recording(DeletionReason::OptedOut),
            CallAction::Emit(fact @ Fact::Ended(_)) => {
                self.settle().await;
                self.emit(fact);
            }
            CallAction::Emit(fact) => self.emit(fact),
            CallAction::MaskingBegins => self.masks(true),
            CallAction::MaskingEnds => self.masks(false),
            CallAction::SpeculationJudged(outcome) => self.services.observe.observe(&Observation::SpeculationJudged(outcome)),
            CallAction::EndJudged(end) => {
                let (tenant, plugin) = (self.settings.tenant.clone(), self.heard_by());
                self.services.observe.observe(&Observation::EndJudged { end, tenant, plugin });
            }
            CallAction::OverlapJudged(overlap) => self.services.observe.observe(&Observation::OverlapJudged(overlap)),
            CallAction::Refused { phase, input } => {
                self.services.observe.observe(&Observation::InputRefused { phase, input });
            }
        }
    }

    fn asked_to_end(&mut self, ending: Ending) {
        match ending {
            Ending::NotYet => {}
            Ending::Leave => self.keeper.leaves(),
            Ending::Drain => self.tell(CallInput::Drain),
            Ending::Stop => self.tell(CallInput::Stop(EndCause::Drained)),
        }
    }

    fn emit(&mut self, mut fact: Fact) {
        match &mut fact {
            Fact::Fell { who, plugin, code } => {
                *plugin = plugin.take().or_else(|| self.plugin_of(*who));
                self.services.observe.observe(&Observation::RungFell { role: who.code(), code });
            }
            Fact::Interrupted { utterance, spoken_ms, extent } => *extent = self.speaker.heard(*utterance, *spoken_ms),
            Fact::Answered(by) => self.services.observe.observe(&Observation::CallAnswered(*by)),
            Fact::Transferred { kind, mode } => {
                self.pending.handed_over(Ok(()));
                self.services.observe.observe(&Observation::HandedOver { kind, mode: mode.code(), outcome: "done" });
            }
            Fact::Referred { kind } => {
                self.pending.handed_over(Ok(()));
                let (mode, outcome) = (TransferMode::Blind.code(), "referred");
                self.services.observe.observe(&Observation::HandedOver { kind, mode, outcome });
            }
            Fact::TransferFailed { kind, mode, code } => {
                self.pending.handed_over(Err(code));
                self.services.observe.observe(&Observation::HandedOver { kind, mode: mode.code(), outcome: code });
            }
            Fact::Saying { text, .. } => self.note_prompt(text),
            Fact::Filler { .. } => self.services.observe.observe(&Observation::FillerSaid),
            Fact::Turn(record) => {
                let turn = AnsweredTurn {
                    call: self.id.clone(),
                    tenant: self.settings.tenant.clone(),
                    hearing: self.heard_by(),
                    speaking: self.served.speaking.clone(),
                    told_at: now(),
                    record: record.clone(),
                };
                self.services.observe.observe(&Observation::TurnEnded(Box::new(turn)));
            }
            _ => {}
        }
        self.thinker.note(&fact);
        match &fact {
            Fact::Hearing { .. } | Fact::Used { .. } | Fact::Shadowed(_) => {}
            // Who objects has objected, whatever happens in the next moment.
            // And who is being handed over is not to be taken for somebody who talks to the agent.
            Fact::Recording(_) | Fact::Transferring { .. } => self.keeper.presses(),
            _ => self.keeper.changes(),
        }
        // What is kept waits for what was told before it.
        self.publish(&fact);
        self.keep_fact(&fact);
        if let Some(watcher) = &self.watcher {
            // A watcher who does not keep up misses facts; the call does not wait for it.
            let _ = watcher.try_send(fact);
        }
    }

    fn on_line(&mut self, done: Done) {
        match done {
            Done::Connected(leg) => {
                self.set_up.mark(SetUpPart::Media, now());
                self.connect(leg);
                if self.parties.direction == Direction::Outbound || self.call.is_rejoining() {
                    self.watch_path();
                }
                self.tell(CallInput::MediaConnected);
            }
            Done::Reconnected(leg) => self.on_rebuilt(leg),
            Done::Answered => {
                self.set_up.mark(SetUpPart::Answer, now());
                self.watch_path();
                self.tell(CallInput::Answered);
            }
            Done::SetUpFailed(error) => self.tell(CallInput::SetUpFailed { code: error.code() }),
            Done::Parted => {
                self.pending.parted();
                self.tell(CallInput::HandoverParted);
            }
            Done::Met => self.tell(CallInput::PersonMet),
            Done::Joined => {
                self.leave_leg();
                self.tell(CallInput::PersonJoined);
            }
            Done::Resumed => self.tell(CallInput::Resumed),
            Done::TransferFailed(error) => self.tell(CallInput::HandoverFailed { code: error.code() }),
            Done::Released(result) => {
                self.left_behind = result.err();
                self.leg_events = None;
                self.tell(CallInput::Released);
            }
        }
    }

    async fn on_leg(&mut self, event: Option<LegEvent>) {
        match event {
            Some(LegEvent::Audio(chunk)) => self.hear(chunk),
            Some(LegEvent::SpeechStarted { at, position_ms }) => {
                self.listener.speech_started(position_ms);
                self.voice_of_recording(Some(at));
                self.first_words.speech_started(at);
                self.shadow(|shadow| shadow.speech_started(position_ms));
                self.tell(CallInput::SpeechStarted { at });
            }
            Some(LegEvent::SpeechEnded { last_voiced, position_ms }) => {
                self.listener.speech_ended(position_ms);
                self.voice_of_recording(None);
                self.first_words.speech_ended(last_voiced);
                self.shadow(|shadow| shadow.speech_ended(position_ms));
                self.tell(CallInput::SpeechEnded { last_voiced });
            }
            Some(LegEvent::Audible { utterance, at }) => self.on_audible(utterance, at),
            Some(LegEvent::Ended { utterance }) => {
                self.keeper.changes();
                self.tell(CallInput::UtteranceEnded { utterance });
            }
            Some(LegEvent::Hushed { utterance: Some(utterance), spoken_ms }) => {
                self.tell(CallInput::Hushed { utterance, spoken_ms });
            }
            Some(LegEvent::Hushed { utterance: None, .. }) => {}
            Some(LegEvent::Digit(digit)) => self.tell(CallInput::Digit(digit)),
            Some(LegEvent::PathProven { .. }) => self.on_path_proven(),
            Some(LegEvent::PathSilent { heard, sent }) => {
                let code = match (heard, sent) {
                    (false, true) => "nothing_heard",
                    (true, false) => "nothing_sent",
                    _ => "nothing",
                };
                self.on_path_silent(code).await;
            }
            Some(LegEvent::DeadAir { .. }) => {
                self.services.observe.observe(&Observation::DeadAir);
                self.speaker.nobody_is_heard();
            }
            // Whoever is on hold or saves packets is still there; one who is gone is found by asking Asterisk, or by saying nothing again and again.
            Some(LegEvent::Inactive) => self.services.observe.observe(&Observation::Inactive),
            Some(LegEvent::Lost) => self.tell(CallInput::AsteriskLost),
            None => {
                self.leg_events = None;
                self.tell(CallInput::AsteriskLost);
            }
        }
    }

    /// It costs the caller nothing, and is worth knowing.
    fn passed_over(&mut self, who: Role, fall: Fall) {
        self.emit(Fact::Fell { who, plugin: Some(fall.plugin), code: fall.code });
    }

    fn on_thought(&mut self, thought: Thought) {
        let input = match thought {
            Thought::Opened => {
                self.keep();
                CallInput::ConversationOpened
            }
            Thought::OpenFailed(code) => CallInput::ConversationFailed { code },
            Thought::Answer(turn, AgentEvent::Text(text)) => CallInput::AgentText { turn, text },
            Thought::Answer(turn, AgentEvent::Hint(hint)) => CallInput::AgentHints { turn, hint },
            Thought::Answer(turn, AgentEvent::Done(command)) => CallInput::AgentDone { turn, command },
            Thought::Answer(turn, AgentEvent::Fell(code)) => CallInput::AgentFell { turn, code },
            Thought::Advice(Ok(advice)) => CallInput::Advised(advice),
            Thought::Advice(Err(code)) => CallInput::AdviceFailed { code },
            Thought::Card(kept) => return self.on_card(kept),
            Thought::Known(profile) => return self.emit(Fact::Agent(profile)),
        };
        self.tell(input);
    }

    fn on_spoken(&mut self, spoken: Spoken) {
        match spoken {
            Spoken::Audio(utterance) => {
                self.served.speaking = Some(self.speaker.plugin().clone());
                self.tell(CallInput::SpeechAudio { utterance });
            }
            Spoken::Owed(utterance) => self.tell(CallInput::SpeechOwed { utterance }),
            Spoken::Faulty(plugin, fault) => self.services.observe.observe(&Observation::SpeechFaulty { plugin, fault }),
            Spoken::Fell(utterance, fall) => self.tell(CallInput::SpeakingFell { utterance, code: fall.code }),
            Spoken::PassedOver(fall) => self.passed_over(Role::Speaking, fall),
        }
    }

    fn tell(&mut self, input: CallInput) {
        self.call.handle(now(), input);
    }
}

/// What the agent is told of a new call.
fn conversation(call: &CallId, settings: &Arc<TenantSettings>, parties: &Parties) -> ConversationRequest {
    let (caller, dialled) = match parties.direction {
        Direction::Inbound => (&parties.from, &parties.to),
        Direction::Outbound => (&parties.to, &parties.from),
    };
    ConversationRequest {
        call: call.clone(),
        settings: Arc::clone(settings),
        caller: caller.clone(),
        dialled: dialled.clone(),
        agent: parties.agent.clone(),
        metadata: parties.metadata.reveal().clone(),
        direction: parties.direction,
    }
}

async fn next<T>(events: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
