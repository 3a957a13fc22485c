//! The call under test, and its actions as short lines.

mod adopting;
mod advising;
mod chaos;
mod consenting;
mod consulting;
mod dialing;
mod explore;
mod filler;
mod handover;
mod holding;
mod insisting;
mod silence;
mod speculating;
mod keying;
mod language;
mod length;
mod masking;
mod overlap;
mod paying;
mod owed;
mod pauses;
mod stories;
mod table;
mod troubles;
mod stability;
mod turn_end;
mod unanswered;

use super::*;
use crate::dialling::DialFailure;
use crate::dice::some_moment;
use crate::fallback::Fallback;
use crate::ids::{PluginId, TenantId};
use crate::keypad::{Collect, Menu, MenuAction, MenuStart};
use crate::mask::Heard;
use crate::parties::Direction;
use crate::pii::Pii;
use crate::tenant::{Ladder, Prompts, Provider, Timing};
use crate::transfer::{HandoverAdvice, PlacePattern, Returned, TransferMode, TransferSettings, TransferTarget, Way};
use std::time::Duration;

fn settings() -> TenantSettings {
    let provider = |plugin: &str| Ladder::from(Provider::new(PluginId::new(plugin), "{}"));
    let settings = TenantSettings::new(TenantId::new("demo"), "en-US", provider("stt-a"), provider("tts-a"));
    TenantSettings {
        greeting: "Welcome.".into(),
        prompts: Prompts {
            not_understood: "I didn't catch that.".into(),
            still_there: "Are you still there?".into(),
            time_is_nearly_up: "One minute is left.".into(),
            agent_unavailable: "Please bear with us.".into(),
            farewell: "Goodbye.".into(),
            transfer_failed: "Nobody is free.".into(),
            back_again: "I am back.".into(),
            use_keypad: "Use your keypad.".into(),
            card_number: "Your card's number?".into(),
            card_expiry: "Its expiry date?".into(),
            card_code: "Its code?".into(),
            card_invalid: "That is not right.".into(),
            recording_notice: "This call is recorded.".into(),
            recording_question: "May we record?".into(),
            recording_deleted: "Nothing is kept.".into(),
            fillers: Vec::new(),
        },
        ..settings
    }
}

fn with_human() -> TenantSettings {
    TenantSettings { human: Some("queues,human".into()), ..settings() }
}

fn masked(words: &str) -> MaskedText {
    Mask::new().mask_final(Heard::new(words.into()))
}

fn guess(text: MaskedText) -> CallInput {
    CallInput::Partial { text, stability: None }
}

/// A call and its clock.
struct Desk {
    call: Call,
    now: Instant,
    /// How turns ended so far; not among the actions.
    ends: Vec<&'static str>,
    /// What voices over the gateway's own were so far; not among the actions.
    overlaps: Vec<&'static str>,
}

impl Desk {
    fn new(settings: TenantSettings) -> Self {
        let parties = Parties::inbound(Pii::new("caller".into()), Pii::new("dialled".into()));
        Self {
            call: Call::new(Arc::new(settings), Arc::new(parties)),
            now: some_moment(),
            ends: Vec::new(),
            overlaps: Vec::new(),
        }
    }

    /// A call that the gateway makes; the called side rings.
    fn dialing(settings: TenantSettings) -> Self {
        let inbound = Parties::inbound(Pii::new("gateway".into()), Pii::new("person".into()));
        let parties = Parties { direction: Direction::Outbound, ..inbound };
        let mut desk = Self {
            call: Call::new(Arc::new(settings), Arc::new(parties)),
            now: some_moment(),
            ends: Vec::new(),
            overlaps: Vec::new(),
        };
        desk.tell(CallInput::Dialed);
        desk
    }

    /// A call whose greeting is being said as utterance 1.
    fn greeting(settings: TenantSettings) -> Self {
        let mut desk = Self::new(settings);
        for input in [CallInput::Offered, CallInput::ConversationOpened, CallInput::MediaConnected, CallInput::Answered] {
            desk.tell(input);
        }
        desk
    }

    /// A call that listens to turn 1.
    fn listening(settings: TenantSettings) -> Self {
        let mut desk = Self::greeting(settings);
        desk.utter(1);
        desk
    }

    /// A call that has asked the agent in turn 1 what the caller said.
    fn thinking(settings: TenantSettings, words: &str) -> Self {
        let mut desk = Self::listening(settings);
        desk.ask(words);
        desk
    }

    /// A call whose agent speaks utterance 2 and has not finished; its first clause was `Well,`.
    fn speaking(settings: TenantSettings) -> Self {
        let mut desk = Self::thinking(settings, "hello");
        desk.text(1, "Well, it");
        desk.audio(2);
        desk
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self
    }

    fn tell(&mut self, input: CallInput) -> Vec<String> {
        self.call.handle(self.now, input);
        self.actions()
    }

    /// Waits for the next alarm, which must be `reason`.
    fn wake(&mut self, reason: CallReason) -> Vec<String> {
        let (at, next) = self.call.poll_timeout().unwrap();
        assert_eq!(next, reason);
        self.now = self.now.max(at);
        self.call.handle_timeout(self.now);
        self.actions()
    }

    fn actions(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(action) = self.call.poll_action() {
            match action {
                CallAction::EndJudged(end) => self.ends.push(end.code()),
                CallAction::OverlapJudged(overlap) => self.overlaps.push(overlap.code()),
                action => lines.push(line(&action)),
            }
        }
        lines
    }

    fn speech(&mut self) -> Vec<String> {
        let at = self.now;
        self.tell(CallInput::SpeechStarted { at })
    }

    fn pause(&mut self) -> Vec<String> {
        let last_voiced = self.now;
        self.tell(CallInput::SpeechEnded { last_voiced })
    }

    fn partial(&mut self, words: &str) -> Vec<String> {
        self.tell(guess(masked(words)))
    }

    fn words(&mut self, words: &str) -> Vec<String> {
        self.tell(CallInput::Final(masked(words)))
    }

    /// The caller says something and falls silent until the call goes on.
    fn ask(&mut self, words: &str) -> Vec<String> {
        self.speech();
        self.after(900).pause();
        self.wake(CallReason::EndOfTurn);
        self.after(50).words(words);
        self.tell(CallInput::Finalized)
    }

    fn text(&mut self, turn: u32, text: &str) -> Vec<String> {
        self.tell(CallInput::AgentText { turn: TurnId(turn), text: text.into() })
    }

    fn done(&mut self, turn: u32, command: Option<AgentCommand>) -> Vec<String> {
        self.tell(CallInput::AgentDone { turn: TurnId(turn), command })
    }

    fn audio(&mut self, utterance: u32) {
        let (utterance, at) = (UtteranceId(utterance), self.now);
        self.tell(CallInput::SpeechAudio { utterance });
        self.tell(CallInput::Audible { utterance, at });
    }

    /// The agent knows nothing of the hand-over that it was asked about.
    fn no_advice(&mut self) -> Vec<String> {
        self.tell(CallInput::Advised(HandoverAdvice::default()))
    }

    /// An utterance is spoken to its end.
    fn utter(&mut self, utterance: u32) -> Vec<String> {
        self.audio(utterance);
        self.after(1000).tell(CallInput::UtteranceEnded { utterance: UtteranceId(utterance) })
    }

    fn phase(&self) -> &'static str {
        self.call.phase().name()
    }
}

/// An action as `verb object`.
fn line(action: &CallAction) -> String {
    match action {
        CallAction::Ask { turn, text } => format!("ask {turn}: {}", text.as_str()),
        CallAction::AskCard { turn, text, card } => format!("ask card {turn}: {}, {}", text.as_str(), card.code()),
        CallAction::CancelAsk { turn } => format!("cancel ask {turn}"),
        CallAction::Say { utterance, text } => format!("say {utterance}: {}", text.as_str()),
        CallAction::EndUtterance { utterance } => format!("end utterance {utterance}"),
        CallAction::Pause { utterance } => format!("pause {utterance}"),
        CallAction::GoOn { utterance } => format!("go on {utterance}"),
        CallAction::Hush { utterance } => format!("hush {utterance}"),
        CallAction::Speculate { turn, text } => format!("speculate {turn}: {}", text.as_str()),
        CallAction::Commit { turn } => format!("commit {turn}"),
        CallAction::SpeculationJudged(outcome) => format!("speculation {}", outcome.code()),
        CallAction::ChangeLanguage(settings) => format!("change language: {}", settings.language),
        CallAction::PlayTone { utterance } => format!("play tone {utterance}"),
        CallAction::PlayEmergency { utterance } => format!("play emergency {utterance}"),
        CallAction::Transfer(handover) => {
            let summary = handover.summary.as_ref().map_or(String::new(), |summary| format!(" ({})", summary.as_str()));
            format!("transfer to {}{summary}", way_line(&handover.way))
        }
        CallAction::SeekAdvice { reason, wish } => {
            let wish = wish.as_ref().map_or("a person".into(), |wish| format!("{:?}, {}", wish.target, wish.mode.code()));
            format!("seek advice ({}): {wish}", reason.code())
        }
        CallAction::Consult(handover) => format!("consult {}", way_line(&handover.way)),
        CallAction::HangUp { cause } => format!("hang up: {}", cause.code()),
        CallAction::Emit(fact) => format!("- {}", fact_line(fact)),
        CallAction::MaskingBegins => "masking begins".into(),
        CallAction::MaskingEnds => "masking ends".into(),
        CallAction::EndJudged(end) => format!("end judged: {}", end.code()),
        CallAction::OverlapJudged(overlap) => format!("overlap judged: {}", overlap.code()),
        CallAction::Refused { phase, input } => format!("refuse {input} while {phase}"),
        CallAction::Ring
        | CallAction::OpenConversation
        | CallAction::ConnectMedia
        | CallAction::Answer
        | CallAction::StartHearing
        | CallAction::StartNextHearing
        | CallAction::GiveUpHearing
        | CallAction::GoOnWithAnotherVoice
        | CallAction::FinalizeHearing
        | CallAction::PrepareSpeaking
        | CallAction::LeaveMedia
        | CallAction::Meet
        | CallAction::Join
        | CallAction::Resume
        | CallAction::Record
        | CallAction::ForgetRecording
        | CallAction::Release => format!("{action:?}"),
    }
}

fn way_line(way: &Way) -> String {
    match way {
        Way::Dialplan { place, .. } => format!("{},{}", place.context(), place.extension()),
        Way::Refer(address) => address.reveal().clone(),
    }
}

fn fact_line(fact: &Fact) -> String {
    match fact {
        Fact::Hearing { turn, text } => format!("hearing {turn}: {}", text.as_str()),
        Fact::Heard { turn, text } => format!("heard {turn}: {}", text.as_str()),
        Fact::NotUnderstood { turn } => format!("not understood {turn}"),
        Fact::Withheld { turn } => format!("withheld {turn}"),
        Fact::Saying { utterance, text } => format!("saying {utterance}: {}", text.as_str()),
        Fact::LanguageChanged { language } => format!("language {language}"),
        Fact::Filler { turn, utterance, text } => format!("filler {utterance} in turn {turn}: {}", text.as_str()),
        Fact::Interrupted { utterance, spoken_ms, .. } => format!("interrupted {utterance} after {spoken_ms} ms"),
        Fact::Agent(profile) => format!("agent {}", profile.id),
        Fact::Turn(record) => {
            let how = if record.interrupted { " (interrupted)" } else { "" };
            let total = record.latency.map_or("-".into(), |latency| latency.total_ms.to_string());
            format!("turn {}: {} -> {}{how}, {total} ms", record.turn, record.heard.as_str(), record.said.as_str())
        }
        Fact::Fell { who, code, .. } => format!("{} fell: {code}", who.code()),
        Fact::Shadowed(_) => "shadowed".to_owned(),
        Fact::Escalated { target, reason } => format!("escalated to {target} ({reason})"),
        Fact::Transferring { kind, mode } => format!("transferring: {kind}, {}", mode.code()),
        Fact::Transferred { kind, mode } => format!("transferred: {kind}, {}", mode.code()),
        Fact::Referred { kind } => format!("referred: {kind}"),
        Fact::TransferFailed { kind, mode, code } => format!("transfer failed: {kind}, {}, {code}", mode.code()),
        Fact::Used { who, plugin, .. } => format!("used {plugin} {}", who.code()),
        Fact::Ended(outcome) => format!("ended: {}, {} turns", outcome.cause.code(), outcome.turns),
        Fact::PathSilent(code) => format!("path silent: {code}"),
        Fact::Refused(refusal) => format!("refused: {}", refusal.code()),
        Fact::Recording(fact) => format!("recording: {fact:?}"),
        Fact::TakenOver => "taken over".to_owned(),
        Fact::Adopted { silent, .. } => format!("adopted after {} ms", silent.as_millis()),
        Fact::Started(parties) => format!("started: {}", parties.direction.code()),
        Fact::Answered(by) => format!("answered by {}", by.code()),
    }
}
