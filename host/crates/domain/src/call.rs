//! The call: phases, inputs and actions.

mod phase;
mod timers;
mod setup;
mod dialing;
mod listening;
mod thinking;
mod speaking;
mod keying;
mod handover;
mod consulting;
mod ending;
mod rebuilt;

pub use phase::{HandoverStep, Next, Opening, Phase, Progress, Reply, SetUp, Turn, Utterance};

use crate::dialling::{AnsweredBy, DialFailure};
use crate::event::{Fact, Role};
use crate::ids::{TurnId, UtteranceId};
use crate::keypad::Collect;
use crate::mask::{Mask, MaskedText};
use crate::outcome::{EndCause, Outcome};
use crate::parties::Parties;
use crate::tenant::TenantSettings;
use crate::transfer::{Handover, Returned, Transfer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use timers::Timers;

/// What happened.
#[derive(Debug)]
pub enum CallInput {
    /// A caller waits; the first input of an inbound call. Answered by `Ring` and `OpenConversation`.
    Offered,
    /// Somebody is being called; the first input of an outbound call. Answered by `OpenConversation`.
    Dialed,
    /// Who was called has answered. Answered by `ConnectMedia`, once the agent knows the conversation.
    Up(AnsweredBy),
    /// Who was called was not reached.
    NotReached(DialFailure),
    /// The agent knows the conversation. Answered by `ConnectMedia`; after `ConversationFailed` at any time, and the agent is asked from then on.
    ConversationOpened,
    /// The agent is not to be had; the call goes on and the fallback line is said in place of answers.
    ConversationFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// Sound can flow. Answered by `Answer`; by `StartHearing` and the greeting where the call was answered already.
    MediaConnected,
    /// The call was answered. Answered by `StartHearing` and the greeting.
    Answered,
    /// The media leg was built anew: what was being said is lost.
    MediaRebuilt,
    /// Setting up failed at the telephony side.
    SetUpFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// The caller hung up.
    CallerGone,
    /// Asterisk or the media connection is gone.
    AsteriskLost,
    /// Somebody beside the call, an operator or the API, wants this said, after what is being said.
    SayOrdered(String),
    /// Somebody beside the call wants the caller handed over.
    TransferOrdered(Transfer),
    /// The caller's leg is in the dialplan, and comes back where nobody is reached. Answered by `LeaveMedia`.
    HandoverParted,
    /// Whoever the dialplan calls for the caller is being called, or has answered.
    HandoverProgress(Progress),
    /// The dialplan gave the caller back. Answered by `ConnectMedia`.
    HandoverReturned(Returned),
    /// The person who is called for an attended hand-over has answered. Answered by `Meet`.
    PersonAnswered,
    /// The media leg is with the person. Answered by the summary, and then by `Join`.
    PersonMet,
    /// Caller and person talk.
    PersonJoined,
    /// The person does not answer, or has hung up.
    PersonGone(Returned),
    /// The media leg is with the caller again.
    Resumed,
    /// A step of the hand-over failed; the call goes on.
    HandoverFailed {
        /// Bounded label.
        code: &'static str,
    },
    /// Everything of the call is released. Last input.
    Released,
    /// The caller began to speak at that moment (at the socket).
    SpeechStarted {
        /// First voiced sample.
        at: Instant,
    },
    /// The caller paused; the moment of the last voiced sample (at the socket).
    SpeechEnded {
        /// Last voiced sample.
        last_voiced: Instant,
    },
    /// A key was pressed: `0`-`9`, `*`, `#`, `A`-`D`.
    Digit(char),
    /// Words that may change.
    Partial(MaskedText),
    /// Words that will not change. May be empty.
    Final(MaskedText),
    /// The answer to `FinalizeHearing`.
    Finalized,
    /// The listener cannot go on.
    HearingFell {
        /// Bounded label.
        code: &'static str,
    },
    /// A piece of the agent's answer.
    AgentText {
        /// The turn that it answers.
        turn: TurnId,
        /// Words as the agent gave them, unmasked.
        text: String,
    },
    /// The agent's answer is complete.
    AgentDone {
        /// The turn that it answers.
        turn: TurnId,
        /// What it wants besides speaking.
        command: Option<AgentCommand>,
    },
    /// The agent cannot answer.
    AgentFell {
        /// The turn that it does not answer.
        turn: TurnId,
        /// Bounded label.
        code: &'static str,
    },
    /// First samples of an utterance came from the speaker.
    SpeechAudio {
        /// Whose samples.
        utterance: UtteranceId,
    },
    /// First audible sample of an utterance left at that moment.
    Audible {
        /// Which one.
        utterance: UtteranceId,
        /// At the socket.
        at: Instant,
    },
    /// The last sample of an utterance has left.
    UtteranceEnded {
        /// Which one.
        utterance: UtteranceId,
    },
    /// The answer to `Hush`: so much of it had been played, in milliseconds.
    Hushed {
        /// What was being played.
        utterance: UtteranceId,
        /// How much of it had left, in milliseconds.
        spoken_ms: u64,
    },
    /// The speaker cannot go on with this utterance.
    SpeakingFell {
        /// Which one.
        utterance: UtteranceId,
        /// Bounded label.
        code: &'static str,
    },
    /// Say goodbye and end.
    Drain,
    /// End now.
    Stop(EndCause),
}

impl CallInput {
    /// Bounded label of the input.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Dialed => "dialed",
            Self::Up(_) => "up",
            Self::NotReached(_) => "not_reached",
            Self::ConversationOpened => "conversation_opened",
            Self::ConversationFailed { .. } => "conversation_failed",
            Self::MediaConnected => "media_connected",
            Self::Answered => "answered",
            Self::MediaRebuilt => "media_rebuilt",
            Self::SetUpFailed { .. } => "set_up_failed",
            Self::CallerGone => "caller_gone",
            Self::AsteriskLost => "asterisk_lost",
            Self::SayOrdered(_) => "say_ordered",
            Self::TransferOrdered(_) => "transfer_ordered",
            Self::PersonAnswered => "person_answered",
            Self::PersonMet => "person_met",
            Self::PersonJoined => "person_joined",
            Self::PersonGone(_) => "person_gone",
            Self::Resumed => "resumed",
            Self::HandoverParted => "handover_parted",
            Self::HandoverProgress(_) => "handover_progress",
            Self::HandoverReturned(_) => "handover_returned",
            Self::HandoverFailed { .. } => "handover_failed",
            Self::Released => "released",
            Self::SpeechStarted { .. } => "speech_started",
            Self::SpeechEnded { .. } => "speech_ended",
            Self::Digit(_) => "digit",
            Self::Partial(_) => "partial",
            Self::Final(_) => "final",
            Self::Finalized => "finalized",
            Self::HearingFell { .. } => "hearing_fell",
            Self::AgentText { .. } => "agent_text",
            Self::AgentDone { .. } => "agent_done",
            Self::AgentFell { .. } => "agent_fell",
            Self::SpeechAudio { .. } => "speech_audio",
            Self::Audible { .. } => "audible",
            Self::UtteranceEnded { .. } => "utterance_ended",
            Self::Hushed { .. } => "hushed",
            Self::SpeakingFell { .. } => "speaking_fell",
            Self::Drain => "drain",
            Self::Stop(_) => "stop",
        }
    }
}

/// What the agent wants besides speaking, carried out after its words were heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentCommand {
    /// End the call.
    HangUp,
    /// Hand over to the tenant's person.
    Human,
    /// Hand over to somebody in particular.
    Transfer(Transfer),
    /// Offer the tenant's menu.
    Menu,
    /// Take digits; they come back as the words of the next turn.
    Collect(Collect),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAction {
    /// Indicate ringing.
    Ring,
    /// Tell the agent of the conversation.
    OpenConversation,
    /// Build bridge and media leg.
    ConnectMedia,
    /// Answer the caller.
    Answer,
    /// Open a listening session (again).
    StartHearing,
    /// The turn is over: give the last words.
    FinalizeHearing,
    /// Speech will be needed soon: open a speaking session.
    PrepareSpeaking,
    /// Ask the agent.
    Ask {
        /// Asked again with the same turn where the caller went on after a pause: the new words replace the old.
        turn: TurnId,
        /// What the caller said.
        text: MaskedText,
    },
    /// The answer is no longer wanted.
    CancelAsk {
        /// Which one.
        turn: TurnId,
    },
    /// Speak a clause of an utterance.
    Say {
        /// Which one.
        utterance: UtteranceId,
        /// A clause.
        text: MaskedText,
    },
    /// No further clause of the utterance follows.
    EndUtterance {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Stop speaking within one frame and forget what is queued.
    Hush {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Play the built-in emergency recording in place of what is left of the utterance: needs no provider.
    /// `UtteranceEnded` follows as for any other.
    PlayEmergency {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Hand the caller over; answered by `HandoverParted` or `HandoverFailed`.
    Transfer(Handover),
    /// Call a person for the caller, who waits meanwhile.
    Consult(Handover),
    /// Bring the media leg to the person who has answered.
    Meet,
    /// Bring the caller to the person, and release the media leg.
    Join,
    /// Let the person go, and bring the media leg back to the caller.
    Resume,
    /// Release media leg and bridge; the caller's leg lives on elsewhere.
    LeaveMedia,
    /// End the caller's leg.
    HangUp {
        /// Why.
        cause: EndCause,
    },
    /// Release everything the call holds, then report `Released`.
    Release,
    /// Tell the world.
    Emit(Fact),
    /// An input made no sense in this phase; counted.
    Refused {
        /// Bounded label of the phase.
        phase: &'static str,
        /// Bounded label of the input.
        input: &'static str,
    },
}

/// Why a call wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallReason {
    /// The caller has paused long enough: the turn is over.
    EndOfTurn,
    /// The last words did not come.
    FinalDeadline,
    /// The caller says nothing.
    Silence,
    /// The agent says nothing.
    AgentDeadline,
    /// No audio of an utterance came.
    SpeechDeadline,
    /// Caller speech over the agent has lasted long enough to count.
    BargeIn,
    /// No key comes, or no further one.
    KeyDeadline,
    /// An end that does not come.
    EndDeadline,
}

/// One call, from its offer until everything it held is released.
///
/// Tell it what happened with [`handle`](Self::handle) and wake it with [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so; after each, carry out every [`poll_action`](Self::poll_action) in order.
/// Time never runs backwards from one `now` to the next.
///
/// In every phase in which something is waited for an alarm is set, so that no call hangs for want of an answer. What
/// belongs to a turn or an utterance that is over is let go quietly; what makes no sense in a phase is
/// [`Refused`](CallAction::Refused).
pub struct Call {
    settings: Arc<TenantSettings>,
    parties: Arc<Parties>,
    answered_by: AnsweredBy,
    phase: Phase,
    /// *Invariant:* only alarms of the current phase are set.
    timers: Timers,
    actions: VecDeque<CallAction>,
    /// Masks what the gateway says.
    mask: Mask,
    last_turn: TurnId,
    last_utterance: UtteranceId,
    /// Turns that got an answer.
    turns: u32,
    caller_speaks: bool,
    finalizing: Finalizing,
    /// Silences in a row without words between them.
    silences: u32,
    /// Falls in a row without final words between them.
    hearing_falls: u32,
    /// Falls in a row without a whole utterance between them.
    speaking_falls: u32,
    /// The agent does not know the conversation.
    conversation_failed: bool,
    /// Nobody can listen: the caller has the keypad alone.
    deaf: bool,
    /// Nobody is left to listen or speak: the call is on its way to a person or to its end.
    given_up: bool,
    /// Lines that were ordered and wait for the caller's turn to begin.
    ordered: VecDeque<String>,
    /// The utterance that the caller spoke over, until it is known how much of it was heard.
    interrupted: Option<UtteranceId>,
}

/// `FinalizeHearing`s that are not answered yet; they are answered in order.
#[derive(Debug, Default)]
struct Finalizing {
    pending: u32,
    /// So many of the first ones belong to speech whose words are dropped.
    unwanted: u32,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Verdict {
    Taken,
    Refused,
}

impl Call {
    /// A call that is not yet known to wait; its first input is [`CallInput::Offered`], or [`CallInput::Dialed`] where the gateway made it.
    pub fn new(settings: Arc<TenantSettings>, parties: Arc<Parties>) -> Self {
        Self {
            settings,
            parties,
            answered_by: AnsweredBy::Gateway,
            phase: Phase::Offered,
            timers: Timers::default(),
            actions: VecDeque::new(),
            mask: Mask::new(),
            last_turn: TurnId(0),
            last_utterance: UtteranceId(0),
            turns: 0,
            caller_speaks: false,
            finalizing: Finalizing::default(),
            silences: 0,
            hearing_falls: 0,
            speaking_falls: 0,
            conversation_failed: false,
            deaf: false,
            given_up: false,
            ordered: VecDeque::new(),
            interrupted: None,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Instant, input: CallInput) {
        let (phase, name) = (self.phase.name(), input.name());
        let verdict = match input {
            CallInput::Offered => self.offered(now),
            CallInput::Dialed => self.dialed(now),
            CallInput::Up(by) => self.up(now, by),
            CallInput::NotReached(failure) => self.not_reached(now, failure),
            CallInput::ConversationOpened => self.conversation_opened(),
            CallInput::ConversationFailed { code } => self.conversation_failed(code),
            CallInput::MediaConnected => self.media_connected(now),
            CallInput::Answered => self.answered(now),
            CallInput::MediaRebuilt => self.media_rebuilt(now),
            CallInput::SetUpFailed { code: _ } => self.set_up_failed(now),
            CallInput::SpeechStarted { at: started } => self.speech_started(now, started),
            CallInput::SpeechEnded { last_voiced } => self.speech_ended(now, last_voiced),
            CallInput::Digit(key) => self.digit(now, key),
            CallInput::Partial(text) => self.partial(now, &text),
            CallInput::Final(text) => self.final_words(now, &text),
            CallInput::Finalized => self.finalized(now),
            CallInput::HearingFell { code } => self.hearing_fell(now, code),
            CallInput::AgentText { turn, text } => self.agent_text(now, turn, &text),
            CallInput::AgentDone { turn, command } => self.agent_done(now, turn, command),
            CallInput::AgentFell { turn, code } => self.agent_fell(now, turn, code),
            CallInput::SpeechAudio { utterance } => self.speech_audio(now, utterance),
            CallInput::Audible { utterance, at } => self.audible(utterance, at),
            CallInput::UtteranceEnded { utterance } => self.utterance_ended(now, utterance),
            CallInput::Hushed { utterance, spoken_ms } => self.hushed(utterance, spoken_ms),
            CallInput::SpeakingFell { utterance, code } => self.speaking_fell(now, utterance, code),
            CallInput::SayOrdered(line) => self.say_ordered(now, line),
            CallInput::TransferOrdered(wish) => self.transfer_ordered(now, &wish),
            CallInput::PersonAnswered => self.person_answered(now),
            CallInput::PersonMet => self.person_met(now),
            CallInput::PersonJoined => self.person_joined(now),
            CallInput::PersonGone(how) => self.person_gone(now, how),
            CallInput::Resumed => self.resumed(now),
            CallInput::HandoverParted => self.handover_parted(now),
            CallInput::HandoverProgress(progress) => self.handover_progress(progress),
            CallInput::HandoverReturned(how) => self.handover_returned(now, how),
            CallInput::HandoverFailed { code } => self.handover_failed(now, code),
            CallInput::CallerGone => self.leg_gone(now, EndCause::CallerHungUp),
            CallInput::AsteriskLost => self.leg_gone(now, EndCause::AsteriskLost),
            CallInput::Drain => self.drain(now),
            CallInput::Stop(cause) => self.stop(now, cause),
            CallInput::Released => self.released(),
        };
        if verdict == Verdict::Refused {
            self.push(CallAction::Refused { phase, input: name });
        }
    }

    /// What to do next; none when everything has been said.
    pub fn poll_action(&mut self) -> Option<CallAction> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why; a moment that has passed means at once.
    pub fn poll_timeout(&self) -> Option<(Instant, CallReason)> {
        self.timers.next()
    }

    /// Acts on every alarm that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, reason)) = self.timers.take_due(now) {
            match reason {
                CallReason::EndOfTurn => self.end_of_turn(now, due),
                CallReason::FinalDeadline => self.final_deadline(now),
                CallReason::Silence => self.silence(now),
                CallReason::AgentDeadline => self.agent_deadline(now),
                CallReason::SpeechDeadline => self.speech_deadline(now),
                CallReason::BargeIn => self.barge_in(now),
                CallReason::KeyDeadline => self.key_deadline(now),
                CallReason::EndDeadline => self.end_deadline(now),
            }
        }
    }

    /// Where the call stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How the call went, once it has ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Ended(outcome) => Some(outcome),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. } => None,
        }
    }

    fn push(&mut self, action: CallAction) {
        self.actions.push_back(action);
    }

    fn emit(&mut self, fact: Fact) {
        self.push(CallAction::Emit(fact));
    }

    fn fell(&mut self, who: Role, code: &'static str) {
        let plugin = match who {
            Role::Hearing => Some(self.settings.hearing.first().plugin.clone()),
            Role::Speaking => Some(self.settings.speaking.first().plugin.clone()),
            Role::Thinking => None,
        };
        self.emit(Fact::Fell { who, plugin, code });
    }

    /// Goes to another phase. Alarms of the old one are forgotten.
    fn enter(&mut self, phase: Phase) {
        self.timers.clear();
        self.phase = phase;
    }

    /// The verdict on what belongs to a turn, an utterance or a request that is not the current one.
    fn late(&self) -> Verdict {
        match self.phase {
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } | Phase::Ended(_) => Verdict::Refused,
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. } => Verdict::Taken,
        }
    }
}

#[cfg(test)]
mod tests;
