//! Where a call stands.

use super::Stability;
use crate::ids::{TurnId, UtteranceId};
use crate::keypad::Keypad;
use crate::mask::MaskedText;
use crate::outcome::{EndCause, Outcome};
use crate::speech::ClauseSplitter;
use crate::transfer::{Handover, HandoverReason, Transfer};
use crate::turn::Timeline;
use std::time::Instant;

/// Where a call stands, with the data that only this phase has.
#[derive(Debug)]
pub enum Phase {
    /// A caller waits, and nothing has been done yet.
    Offered,
    /// We call somebody.
    Dialing {
        /// How far the agent is, meanwhile.
        conversation: Opening,
    },
    /// The call is being set up.
    Answering {
        /// What is waited for.
        step: SetUp,
    },
    /// The greeting is said.
    Greeting {
        /// The greeting.
        utterance: Utterance,
    },
    /// It is the caller's turn.
    Listening {
        /// What the caller has said so far.
        turn: Turn,
    },
    /// Keys are waited for.
    Keying {
        /// What for.
        keypad: Keypad,
    },
    /// The agent was asked and has not said a whole clause.
    Thinking {
        /// What the caller said.
        turn: Turn,
        /// When the agent was asked; the first time where it was asked again.
        asked_at: Instant,
        /// What the agent has said so far.
        answer: ClauseSplitter,
        /// What is being said until the answer begins.
        filler: Option<Utterance>,
    },
    /// The gateway speaks.
    Speaking {
        /// What is spoken.
        utterance: Utterance,
        /// The answer that is spoken; none where it is one of the gateway's own lines.
        reply: Option<Reply>,
        /// What follows.
        next: Next,
    },
    /// The caller is to be handed over, and the agent is asked what it knows of that.
    Advising {
        /// Whose wish it is.
        reason: HandoverReason,
        /// To whom and how; none for the tenant's person.
        wish: Option<Transfer>,
    },
    /// The caller is being handed to a person.
    Handover {
        /// To whom, and how.
        handover: Handover,
        /// How far it has come.
        step: HandoverStep,
    },
    /// Everything the call holds is being released.
    Ending {
        /// Why.
        cause: EndCause,
    },
    /// The call holds nothing any more.
    Ended(Outcome),
}

impl Phase {
    /// Bounded label of the phase.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Dialing { .. } => "dialing",
            Self::Answering { .. } => "answering",
            Self::Greeting { .. } => "greeting",
            Self::Listening { .. } => "listening",
            Self::Keying { .. } => "keying",
            Self::Thinking { .. } => "thinking",
            Self::Speaking { .. } => "speaking",
            Self::Advising { .. } => "advising",
            Self::Handover { .. } => "handover",
            Self::Ending { .. } => "ending",
            Self::Ended(_) => "ended",
        }
    }

    /// A field of a card is asked for, or keyed in.
    pub(super) fn awaits_card(&self) -> bool {
        matches!(self.keypad(), Some(Keypad::Card(_)))
    }

    /// Keys are asked for or keyed in of which all count together: digits for the agent, or a field of a card.
    pub(super) fn collects(&self) -> bool {
        matches!(self.keypad(), Some(Keypad::Digits { .. } | Keypad::Card(_)))
    }

    /// The keys that are waited for, or will be when what is being said was heard.
    fn keypad(&self) -> Option<&Keypad> {
        match self {
            Self::Keying { keypad } | Self::Speaking { next: Next::Keypad(keypad), .. } => Some(keypad),
            Self::Offered
            | Self::Dialing { .. }
            | Self::Answering { .. }
            | Self::Greeting { .. }
            | Self::Listening { .. }
            | Self::Thinking { .. }
            | Self::Speaking { .. }
            | Self::Advising { .. }
            | Self::Handover { .. }
            | Self::Ending { .. }
            | Self::Ended(_) => None,
        }
    }

    /// What is being said, if anything.
    pub(super) fn utterance_mut(&mut self) -> Option<&mut Utterance> {
        match self {
            Self::Greeting { utterance }
            | Self::Speaking { utterance, .. }
            | Self::Handover { step: HandoverStep::Telling(utterance), .. } => Some(utterance),
            Self::Thinking { filler, .. } => filler.as_mut(),
            Self::Offered
            | Self::Dialing { .. }
            | Self::Answering { .. }
            | Self::Listening { .. }
            | Self::Keying { .. }
            | Self::Advising { .. }
            | Self::Handover { .. }
            | Self::Ending { .. }
            | Self::Ended(_) => None,
        }
    }

    /// The answer that is being spoken, if any.
    pub(super) fn reply_mut(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Speaking { reply, .. } => reply.as_mut(),
            Self::Offered
            | Self::Dialing { .. }
            | Self::Answering { .. }
            | Self::Greeting { .. }
            | Self::Listening { .. }
            | Self::Keying { .. }
            | Self::Thinking { .. }
            | Self::Advising { .. }
            | Self::Handover { .. }
            | Self::Ending { .. }
            | Self::Ended(_) => None,
        }
    }
}

/// How far the agent is with a new conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It was told and has not answered.
    Asked,
    /// It knows the conversation, or the call does without it.
    Known,
}

/// What a call that is being set up waits for, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The agent's answer to the new conversation.
    Conversation,
    /// Bridge and media leg.
    Media,
    /// The answered call; not where the called side has answered.
    Answer,
    /// The silence of a machine that has answered.
    Quiet,
    /// The media leg of a call that another gateway held.
    Adopting,
}

/// How far a hand-over has come.
#[derive(Clone, Debug)]
pub enum HandoverStep {
    /// The leg is asked to part.
    Asked,
    /// The caller is in the dialplan, without a media leg, and may come back.
    Away(Progress),
    /// The caller is back; the media leg is being built anew.
    Back,
    /// The person is being called; the caller waits.
    Calling,
    /// The person has answered; the media leg is on its way there.
    Meeting,
    /// The person is told what it is about.
    Telling(Utterance),
    /// The caller is on the way to the person.
    Joining,
    /// Both talk, without a media leg, in our application.
    Together,
    /// The person is not to be had; the media leg goes back to the caller.
    Resuming,
}

/// What is known of a caller who is in the dialplan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing.
    Unknown,
    /// Somebody is being called.
    Dialled,
    /// Somebody has answered.
    Answered,
}

/// What the caller says before the gateway answers.
#[derive(Clone, Debug)]
pub struct Turn {
    pub(super) id: TurnId,
    /// Words that will not change.
    pub(super) words: MaskedText,
    /// What follows them, as far as it can be told.
    pub(super) rest: Option<Partial>,
    /// Whether the listener guesses before it is sure.
    pub(super) guessed: bool,
    /// When the last words came that will not change.
    pub(super) final_at: Option<Instant>,
    pub(super) floor: Floor,
    pub(super) timeline: Timeline,
    /// The words with which the agent was asked and that the world was told; a turn that is taken up again is told once more only where they
    /// have changed.
    pub(super) told: MaskedText,
    /// Before its end the caller was waited for as long as the settings allow.
    pub(super) waited_longest: bool,
    /// A filler was said in it.
    pub(super) is_filled: bool,
    /// A second listener heard what was said, for the first said nothing of it.
    pub(super) heard_again: bool,
    /// The caller went on when the turn was taken to be over with these words.
    pub(super) went_on_after: Option<MaskedText>,
    /// What the world is told in place of the words, where they are keys.
    pub(super) instead: Option<MaskedText>,
    /// It tells what became of a card. That is told once: the caller's voice beside it does not take it up again.
    pub(super) is_card: bool,
}

impl Turn {
    pub(super) fn new(id: TurnId, floor: Floor) -> Self {
        Self {
            id,
            words: MaskedText::default(),
            rest: None,
            guessed: false,
            final_at: None,
            floor,
            timeline: Timeline::default(),
            told: MaskedText::default(),
            waited_longest: false,
            is_filled: false,
            heard_again: false,
            went_on_after: None,
            instead: None,
            is_card: false,
        }
    }

    /// Which turn.
    pub fn id(&self) -> TurnId {
        self.id
    }

    /// The words with which the agent was asked, as the world may know them.
    pub(super) fn public_words(&self) -> &MaskedText {
        self.instead.as_ref().unwrap_or(&self.told)
    }

    /// Everything that was said so far, as far as it can be told.
    pub(super) fn all_words(&self) -> MaskedText {
        self.rest.as_ref().map_or_else(|| self.words.clone(), |rest| self.words.followed_by(&rest.text))
    }

    pub(super) fn take_partial(&mut self, now: Instant, text: &MaskedText, stability: Option<Stability>) {
        self.guessed = true;
        let same = self.rest.take().filter(|rest| rest.text == *text);
        let since = same.map_or(now, |same| same.since);
        self.rest = Some(Partial { text: text.clone(), since, stability });
    }

    /// Words that will not change stand for those that might have.
    pub(super) fn take_final(&mut self, text: &MaskedText) {
        self.words = self.words.followed_by(text);
        self.rest = None;
    }
}

/// Words that may change.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    pub(super) text: MaskedText,
    /// They have not changed since.
    pub(super) since: Instant,
    /// What the listener said last of how unlikely that is.
    pub(super) stability: Option<Stability>,
}

/// What the caller does with the floor while it is the caller's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// Has said nothing yet.
    Quiet,
    /// Speaks.
    Speech,
    /// Has paused: the turn is over if the pause lasts.
    Pause {
        /// The last voiced sample; the last words where no voice was noticed.
        since: Instant,
    },
    /// Has finished; the last words are on their way.
    Closed,
}

/// One thing the gateway says.
#[derive(Clone, Debug)]
pub struct Utterance {
    pub(super) id: UtteranceId,
    pub(super) voice: Voice,
    /// Every clause of it has been given.
    pub(super) complete: bool,
    /// Speakers that fell over it.
    pub(super) falls: usize,
    /// When the first of them did.
    pub(super) fell_at: Option<Instant>,
    /// It stands still: the caller's voice is over it.
    pub(super) paused: bool,
    /// Some of it was heard, since then.
    pub(super) audible_since: Option<Instant>,
    /// What was given of it.
    pub(super) text: MaskedText,
    /// It is to be heard whole, whatever the caller says or keys.
    pub(super) insists: bool,
}

impl Utterance {
    /// One that the tenant's speaker begins.
    pub(super) fn new(id: UtteranceId) -> Self {
        Self {
            id,
            voice: Voice::Speaker,
            complete: false,
            falls: 0,
            fell_at: None,
            paused: false,
            audible_since: None,
            text: MaskedText::default(),
            insists: false,
        }
    }

    /// Which one.
    pub fn id(&self) -> UtteranceId {
        self.id
    }
}

/// Who speaks an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// The tenant's speaker.
    Speaker,
    /// The built-in recording.
    Emergency,
    /// A tone that needs no provider.
    Tone,
}

/// An agent's answer while it is spoken.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) turn: Turn,
    /// What the agent has said beyond the last clause that was given to be spoken.
    pub(super) answer: ClauseSplitter,
    pub(super) said: MaskedText,
    /// The agent has not finished.
    pub(super) streaming: bool,
}

impl Reply {
    /// The turn that it answers.
    pub fn turn(&self) -> TurnId {
        self.turn.id
    }
}

/// What follows an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The caller's turn.
    Listen,
    /// The end of the call, unless the caller takes the floor.
    HangUp(EndCause),
    /// The end of the call, whatever the caller says.
    Quit(EndCause),
    /// The greeting.
    Greet,
    /// The tenant's menu.
    Menu,
    /// Keys.
    Keypad(Keypad),
    /// A person: for that reason, or none where the agent wants it.
    Human(Option<HandoverReason>),
    /// Somebody in particular.
    Transfer(Box<Transfer>),
}

impl Next {
    /// Whether the caller may speak over what precedes it. Who is on the way to a person is not called back by a "thank you".
    pub(super) fn is_interruptible(&self) -> bool {
        match self {
            Self::Listen | Self::HangUp(_) | Self::Greet | Self::Menu | Self::Keypad(Keypad::Menu { .. }) => true,
            // Who is asked for keys speaks beside them.
            Self::Keypad(Keypad::Digits { .. } | Keypad::Card(_) | Keypad::Consent)
            | Self::Quit(_)
            | Self::Human(_)
            | Self::Transfer(_) => false,
        }
    }
}
