//! The call: phases, inputs and actions.

mod input;
mod phase;
mod timers;
mod setup;
mod dialing;
mod listening;
mod masking;
mod turn_end;
mod thinking;
mod hints;
mod speculating;
mod filler;
mod unanswered;
mod speaking;
mod overlap;
mod keying;
mod paying;
mod consenting;
mod handover;
mod advising;
mod consulting;
mod ending;
mod length;
mod rebuilt;
mod adopted;

pub use adopted::{Gap, Keys, Resume, Spoken, Standing, Then};
pub use hints::{HOLD_MAX, Hint, Holds};
pub use input::CallInput;
pub use overlap::Overlap;
pub use phase::{HandoverStep, Next, Opening, Phase, Progress, Reply, SetUp, Turn, Utterance};
pub use speculating::Speculation;
pub use timers::CallReason;
pub use turn_end::{Stability, TurnEnd, WAIT_MAX};

use crate::card::{CardCollect, CardDigits, CardKeyed};
use crate::dialling::AnsweredBy;
use crate::event::{Fact, Role};
use crate::fallback::Intent;
use crate::finish::Judge;
use crate::ids::{TurnId, UtteranceId};
use crate::keypad::Collect;
use crate::mask::{Mask, MaskedText};
use crate::outcome::{EndCause, Outcome};
use crate::parties::Parties;
use crate::pause::{Expect, Pauses};
use crate::recording::Consent;
use crate::tenant::TenantSettings;
use crate::transfer::{Handover, HandoverReason, Transfer};
use adopted::Again;
use keying::KEYED_AHEAD_MAX;
use listening::HearingFalls;
use speculating::{Guess, Held};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::Timers;
use turn_end::{Ended, Finalizing};
use zeroize::Zeroizing;

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
    /// Take a card by keys, for the vault; what became of it comes with the next turn.
    CollectCard(CardCollect),
}

/// What to do.
#[derive(Debug)]
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
    /// Open one of the ladder's next listener.
    StartNextHearing,
    /// Listen and speak as these settings say from now on: the same tenant in another language. What is being said is said to its end.
    ChangeLanguage(Arc<TenantSettings>),
    /// What the listener has heard before the speech that goes on now, and not said, is nobody's any more: end its session, and count that as a fall.
    GiveUpHearing,
    /// The turn is over: give the last words.
    FinalizeHearing,
    /// Speech will be needed soon: open a speaking session.
    PrepareSpeaking,
    /// Ask the agent.
    Ask {
        /// Asked again with the same turn where the caller went on after a pause, or the listener changed the words: the new ones replace the
        /// old, and an answer to those is no longer wanted.
        turn: TurnId,
        /// What the caller said.
        text: MaskedText,
    },
    /// Have the vault keep what was keyed in of a card, where it was, and then ask the agent: it is told what became of it.
    AskCard {
        /// Which turn.
        turn: TurnId,
        /// What stands for it.
        text: MaskedText,
        /// What was keyed in. Nobody else has it.
        card: CardKeyed,
    },
    /// Ask the agent before the turn is over. `Commit` follows where it ends with these words, else `CancelAsk`.
    Speculate {
        /// Which one.
        turn: TurnId,
        /// What the caller has said so far.
        text: MaskedText,
    },
    /// The turn is over, and what was asked with `Speculate` was its question.
    Commit {
        /// Which one.
        turn: TurnId,
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
    /// Stand still within one frame, and keep what is queued.
    Pause {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Go on where it stands still.
    GoOn {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Stop speaking within one frame and forget what is queued.
    Hush {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Let the ladder's next speaker say what has not been said of what is open; there is one.
    GoOnWithAnotherVoice,
    /// Play the built-in emergency recording in place of what is left of the utterance: needs no provider.
    /// `UtteranceEnded` follows as for any other.
    PlayEmergency {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Play the tone of somebody who is waited for: needs no provider. `UtteranceEnded` follows as for any other.
    PlayTone {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Tell the agent that the caller is to be handed over, and ask what it knows of that. A later one takes the place of an earlier one.
    SeekAdvice {
        /// Whose wish it is.
        reason: HandoverReason,
        /// To whom and how; none for the tenant's person.
        wish: Option<Transfer>,
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
    /// The caller has agreed to be recorded: begin.
    Record,
    /// The caller wants nothing to be kept: end the recording, and delete what there is of it.
    ForgetRecording,
    /// Tell the world.
    Emit(Fact),
    /// Something of the caller's was masked or is held back, as a card's number may be: what is recorded from here on is nobody's to hear.
    MaskingBegins,
    /// The caller has said or keyed in something since in which nothing had to be masked. Not told where the call ends before.
    MaskingEnds,
    /// How the end of a turn turned out; counted.
    EndJudged(TurnEnd),
    /// What the caller's voice over the gateway's own was; counted.
    OverlapJudged(Overlap),
    /// What became of a question that was put before its turn was over; counted.
    SpeculationJudged(Speculation),
    /// An input made no sense in this phase; counted.
    Refused {
        /// Bounded label of the phase.
        phase: &'static str,
        /// Bounded label of the input.
        input: &'static str,
    },
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
    /// In the language in which the call goes on.
    settings: Arc<TenantSettings>,
    /// In the language in which it began.
    tenant: Arc<TenantSettings>,
    parties: Arc<Parties>,
    answered_by: AnsweredBy,
    phase: Phase,
    /// *Invariant:* only alarms of the current phase, and of the call as a whole, are set.
    timers: Timers,
    actions: VecDeque<CallAction>,
    mask: Mask,
    /// What the caller says or keys in is being masked.
    is_masking: bool,
    /// Turns in a row whose words nobody could mask.
    withheld: u32,
    last_turn: TurnId,
    last_utterance: UtteranceId,
    /// Turns that got an answer.
    turns: u32,
    /// Fillers that were said.
    fillers: usize,
    caller_speaks: bool,
    /// All words of the caller's over what is being said only say that somebody listens.
    aside: bool,
    /// What was said last is a question.
    asks: bool,
    /// When the caller last began to speak.
    speech_since: Option<Instant>,
    finalizing: Finalizing,
    /// How long the listener took for its last words when it was asked for them; none where it was not.
    last_words_took: Option<Duration>,
    /// Guesses whether turns are over.
    judge: Judge,
    /// How the caller pauses.
    pauses: Pauses,
    /// What the agent expects of the caller's turn.
    expect: Expect,
    /// So long the caller's silence is none: the agent wants to wait.
    patience: Duration,
    /// So long it will be none after the answer that the agent gives.
    wait: Duration,
    /// What it expects of the one after the answer that it gives.
    hint: Expect,
    /// The answer that it gives is to be heard whole.
    insists: bool,
    /// What it was granted for the answer beyond its deadline.
    holds: Holds,
    ended: Option<Ended>,
    /// Silences in a row without words between them.
    silences: u32,
    /// Falls of listeners.
    hearing_falls: HearingFalls,
    /// Falls in a row without a whole utterance between them.
    speaking_falls: u32,
    /// Turns in a row without an answer.
    agent_falls: u32,
    /// What the conversation is about, as the agent named it last.
    intent: Option<Intent>,
    /// The agent does not know the conversation.
    conversation_failed: bool,
    /// Nobody can listen: the caller has the keypad alone.
    deaf: bool,
    /// Nobody is left to listen or speak: the call is on its way to a person or to its end.
    given_up: bool,
    /// The gateway stops: a caller who comes back from a hand-over is told goodbye.
    draining: bool,
    /// The question that was put before its turn was over. *Invariant:* only while the caller has the floor.
    guess: Option<Guess>,
    /// So many were put.
    speculations: u32,
    /// What the caller has said to being recorded.
    consent: Consent,
    /// Keys pressed over what is to be heard whole.
    keyed_ahead: Zeroizing<String>,
    /// Some may be missing among the keys that are being collected. *Invariant:* only while they are, or while they are kept ahead.
    lacks_keys: bool,
    /// There is somebody who keeps cards.
    has_vault: bool,
    /// The agent was told last that there is nobody.
    misses_vault: bool,
    /// What was keyed in of a card so far. *Invariant:* only while one is asked for.
    card: Option<CardDigits>,
    /// Lines that were ordered and wait for the caller's turn to begin.
    ordered: VecDeque<String>,
    /// The last utterances that the caller spoke over, until it is known how much of them was heard.
    interrupted: VecDeque<UtteranceId>,
    /// Where another gateway stopped, until there is a media leg, and since when that is waited for.
    adopted: Option<Box<(Standing, Gap, Instant)>>,
    /// The answer that comes now was heard in part.
    again: Option<Again>,
    /// What was heard of an answer whose rest is to be said now.
    said_before: MaskedText,
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
            judge: Judge::of(&settings.language),
            consent: Consent::before(settings.recording.policy),
            tenant: Arc::clone(&settings),
            settings,
            parties,
            answered_by: AnsweredBy::Gateway,
            phase: Phase::Offered,
            timers: Timers::default(),
            actions: VecDeque::new(),
            mask: Mask::new(),
            is_masking: false,
            withheld: 0,
            last_turn: TurnId(0),
            last_utterance: UtteranceId(0),
            turns: 0,
            fillers: 0,
            caller_speaks: false,
            aside: false,
            asks: false,
            speech_since: None,
            finalizing: Finalizing::default(),
            last_words_took: None,
            pauses: Pauses::default(),
            expect: Expect::default(),
            patience: Duration::ZERO,
            wait: Duration::ZERO,
            hint: Expect::default(),
            insists: false,
            holds: Holds::default(),
            guess: None,
            speculations: 0,
            keyed_ahead: Zeroizing::new(String::with_capacity(KEYED_AHEAD_MAX)),
            lacks_keys: false,
            has_vault: false,
            misses_vault: false,
            card: None,
            ended: None,
            silences: 0,
            hearing_falls: HearingFalls::default(),
            speaking_falls: 0,
            agent_falls: 0,
            intent: None,
            conversation_failed: false,
            deaf: false,
            given_up: false,
            draining: false,
            ordered: VecDeque::new(),
            interrupted: VecDeque::new(),
            adopted: None,
            again: None,
            said_before: MaskedText::default(),
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
            CallInput::KeysMissed => self.miss_keys(),
            CallInput::Partial { text, stability } => self.partial(now, &text, stability),
            CallInput::Final(text) => self.final_words(now, &text),
            CallInput::Finalized => self.finalized(now),
            CallInput::HearingFell { code } => self.hearing_fell(now, code),
            CallInput::AgentText { turn, text } => self.agent_says(now, turn, Held::Text(text)),
            CallInput::AgentHints { turn, hint } => self.agent_says(now, turn, Held::Hint(hint)),
            CallInput::AgentDone { turn, command } => self.agent_says(now, turn, Held::Done(command)),
            CallInput::AgentFell { turn, code } => self.agent_says(now, turn, Held::Fell(code)),
            CallInput::SpeechAudio { utterance } => self.speech_audio(now, utterance),
            CallInput::SpeechOwed { utterance } => self.speech_owed(now, utterance),
            CallInput::Audible { utterance, at } => self.audible(utterance, at),
            CallInput::UtteranceEnded { utterance } => self.utterance_ended(now, utterance),
            CallInput::Hushed { utterance, spoken_ms } => self.hushed(utterance, spoken_ms),
            CallInput::SpeakingFell { utterance, code } => self.speaking_fell(now, utterance, code),
            CallInput::SayOrdered(line) => self.say_ordered(now, line),
            CallInput::TransferOrdered(wish) => self.transfer_ordered(now, wish),
            CallInput::TransferCalledOff => self.call_off_handover(now),
            CallInput::Advised(advice) => self.advised(now, advice),
            CallInput::AdviceFailed { code } => self.advice_failed(now, code),
            CallInput::PersonAnswered => self.person_answered(now),
            CallInput::PersonMet => self.person_met(now),
            CallInput::PersonJoined => self.person_joined(now),
            CallInput::PersonGone(how) => self.person_gone(now, how),
            CallInput::Resumed => self.resumed(now),
            CallInput::HandoverParted => self.handover_parted(now),
            CallInput::HandoverProgress(progress) => self.handover_progress(now, progress),
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
        self.tell_mask_fall();
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
                CallReason::StableWords => self.wait_for_stable_words(now),
                CallReason::Guess => self.guess_due(),
                CallReason::FinalDeadline => self.final_deadline(now),
                CallReason::OwedWords => self.words_are_owed(now),
                CallReason::Silence => self.silence(now),
                CallReason::AgentDeadline => self.agent_deadline(now),
                CallReason::Filler => self.filler_due(now),
                CallReason::BackAgain => self.back_again(now),
                CallReason::SpeechDeadline => self.speech_deadline(now),
                CallReason::BargeIn => self.barge_in(now),
                CallReason::KeyDeadline => self.key_deadline(now),
                CallReason::EndDeadline => self.end_deadline(now),
                CallReason::TimeNearlyUp => self.time_is_nearly_up(now),
                CallReason::TimeUp => self.time_is_up(now),
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
            | Phase::Advising { .. }
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
        // Who does that part is the application's to know.
        self.emit(Fact::Fell { who, plugin: None, code });
    }

    /// Goes to another phase. Alarms of the old one are forgotten.
    fn enter(&mut self, phase: Phase) {
        self.judge_end(&phase);
        self.drop_guess();
        self.unpause();
        self.timers.clear();
        if !phase.awaits_card() {
            self.card = None;
        }
        self.lacks_keys &= phase.collects();
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
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. } => Verdict::Taken,
        }
    }
}

#[cfg(test)]
mod tests;
