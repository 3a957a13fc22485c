//! A call that another gateway held until now: where it stood, as plain data, and how it goes on here.

use super::phase::{Floor, Reply, Turn, Utterance};
use super::thinking::next_of;
use super::{AgentCommand, Call, CallAction, CallReason, Next, Phase, SetUp, Verdict};
use crate::card::CardCollect;
use crate::dialling::AnsweredBy;
use crate::event::Fact;
use crate::fallback::Intent;
use crate::finish::Judge;
use crate::ids::{TurnId, UtteranceId};
use crate::keypad::{Collect, Keypad};
use crate::mask::{Mask, MaskedText};
use crate::outcome::EndCause;
use crate::parties::Parties;
use crate::pause::{Expect, Pauses};
use crate::recording::Consent;
use crate::speech::{ClauseSplitter, spoken_to};
use crate::tenant::TenantSettings;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who has heard nothing for so long is told that somebody is there again.
const NOTICED: Duration = Duration::from_millis(1_500);
/// Who hands a call on is gone for less. One that died took the caller's last words along, perhaps.
const DIED: Duration = Duration::from_millis(600);
/// Who does not go on within this time after such a gap waits for an answer: a voice is noticed in less.
const GOES_ON: Duration = Duration::from_millis(300);
/// What was said within so long before the sound stopped is said again: how far it was heard is an estimate.
const AGAIN_MS: u64 = 300;
/// A media leg for a caller who waits in silence is there by then.
const LEG_MAX: Duration = Duration::from_secs(10);

/// What another gateway needs to go on with a call: no clock, no secret, nothing unmasked. The tenant's settings are read anew by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    /// Where it stands.
    pub place: Standing,
    /// BCP 47 tag of the language in which it goes on.
    pub language: String,
    /// Who answered it.
    pub answered_by: AnsweredBy,
    /// The caller's turn, or the one before.
    pub last_turn: TurnId,
    /// The last thing that was said.
    pub last_utterance: UtteranceId,
    /// Turns that got an answer.
    pub turns: u32,
    /// Fillers that were said.
    pub fillers: usize,
    /// Silences in a row.
    pub silences: u32,
    /// Turns in a row without an answer.
    pub agent_falls: u32,
    /// Questions that were put before their turn was over.
    pub speculations: u32,
    /// What the conversation is about.
    pub intent: Option<Intent>,
    /// What the agent expects of the caller's turn.
    pub expect: Expect,
    /// So long the caller's silence is none.
    pub patience: Duration,
    /// How the caller pauses.
    pub pauses: Pauses,
    /// The agent does not know the conversation.
    pub conversation_failed: bool,
    /// The caller has the keypad alone.
    pub deaf: bool,
    /// What the caller has said to being recorded; none where that was not kept.
    pub consent: Option<Consent>,
    /// Lines that were ordered and are not said yet.
    pub ordered: Vec<MaskedText>,
    /// So long until the caller is told that the time is nearly up; none where that is not to be told any more.
    pub notice_in: Option<Duration>,
    /// So long until the time is up; none where any time is right.
    pub time_left: Option<Duration>,
}

impl Resume {
    /// Keys may have been pressed of which nothing is kept, and whoever goes on with them instead of beginning anew types the rest of a card's number.
    pub fn leaves_keys_open(&self) -> bool {
        match &self.place {
            Standing::Keying(Keys::Digits(collect)) | Standing::Saying { then: Then::Keys(Keys::Digits(collect)), .. } => {
                collect.parts().0 >= Mask::CARD_KEYS_MIN
            }
            _ => false,
        }
    }
}

/// Where a call stands that can go on elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is the caller's turn.
    Listening {
        /// Which one.
        turn: TurnId,
        /// Said so far, as far as it will not change.
        words: MaskedText,
    },
    /// The agent was asked, and its answer is not complete.
    Asked {
        /// In which turn.
        turn: TurnId,
        /// What.
        words: MaskedText,
        /// What was said of the answer, and how much of that was heard.
        said: Spoken,
    },
    /// The agent was asked what was keyed in. That may be a secret and is not kept: the turn has no answer.
    AskedKeyed {
        /// In which turn.
        turn: TurnId,
    },
    /// Something is said whose text is known.
    Saying {
        /// What, and how much of it was heard.
        said: Spoken,
        /// The turn that it answers, and the caller's words in it; none for one of the gateway's own lines.
        answers: Option<(TurnId, MaskedText)>,
        /// It is to be heard whole.
        insists: bool,
        /// What follows.
        then: Then,
    },
    /// Keys are waited for.
    Keying(Keys),
}

/// Something that is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spoken {
    /// The beginning of the same answer, which was heard from a gateway before this one.
    pub before: MaskedText,
    /// All of it so far.
    pub text: MaskedText,
    /// So long it has sounded, in milliseconds; none where nothing of it was heard.
    pub sounded_ms: Option<u64>,
}

/// What follows something that is said, as far as that can be kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The caller's turn.
    Listen,
    /// The end of the call, unless the caller takes the floor.
    HangUp(EndCause),
    /// The end of the call.
    Quit(EndCause),
    /// The greeting.
    Greet,
    /// The tenant's menu.
    Menu,
    /// Keys.
    Keys(Keys),
    /// A person.
    Human,
}

/// Which keys are waited for. What was keyed in is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Of the menu, whose prompt may be said again so often.
    Menu(u32),
    /// Digits for the agent.
    Digits(Collect),
    /// A card for the vault, from its first field on.
    Card(CardCollect),
    /// The answer to whether the call may be recorded.
    Consent,
}

/// What the caller heard of the change: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// From the moment at which [`Resume`] was so until the sound stopped.
    pub unkept: Duration,
    /// Since the sound stopped.
    pub silent: Duration,
}

/// An answer that is asked for again: its beginning was heard.
#[derive(Debug)]
pub(super) struct Again {
    /// What was said, cut to what was heard.
    heard: MaskedText,
    /// What has come of it so far.
    come: String,
}

impl Call {
    /// Whether another gateway stopped while it was the caller's turn, and there is no media leg yet.
    pub fn goes_on_listening(&self) -> bool {
        self.adopted.as_ref().is_some_and(|adopted| matches!(adopted.0, Standing::Listening { .. }))
    }

    /// What another gateway needs to go on from here; none where nobody could: the call is not up yet, is being handed over, or ends. What was said
    /// of the caller's words and may still change is not in it.
    pub fn resume_point(&mut self, now: Instant) -> Option<Resume> {
        let place = self.standing(now)?;
        // Here they are masked where they are said: a mask that was told them now would take them for what is said now.
        let ordered = self.mask.mask_ahead(self.ordered.iter().map(String::as_str));
        let remaining = |reason| self.timers.at(reason).map(|at: Instant| at.saturating_duration_since(now));
        Some(Resume {
            place,
            language: self.settings.language.clone(),
            answered_by: self.answered_by,
            last_turn: self.last_turn,
            last_utterance: self.last_utterance,
            turns: self.turns,
            fillers: self.fillers,
            silences: self.silences,
            agent_falls: self.agent_falls,
            speculations: self.speculations,
            intent: self.intent.clone(),
            expect: self.expect,
            patience: self.patience,
            pauses: self.pauses,
            conversation_failed: self.conversation_failed,
            deaf: self.deaf,
            consent: Some(self.consent),
            ordered,
            notice_in: remaining(CallReason::TimeNearlyUp),
            time_left: remaining(CallReason::TimeUp),
        })
    }

    fn standing(&self, now: Instant) -> Option<Standing> {
        Some(match &self.phase {
            Phase::Greeting { utterance } => {
                let then = if self.menu_after_greeting().is_some() { Then::Menu } else { Then::Listen };
                Standing::Saying { said: utterance.spoken(now), answers: None, insists: utterance.insists, then }
            }
            Phase::Listening { turn } => Standing::Listening { turn: turn.id, words: turn.words.clone() },
            Phase::Keying { keypad } => Standing::Keying(Keys::of(keypad)),
            Phase::Thinking { turn, .. } => asked(turn, Spoken::default()),
            // What was keyed in before is gone: all of it is asked for anew.
            Phase::Speaking { reply: None, next: Next::Keypad(keypad @ Keypad::Card(_)), .. } => {
                Standing::Keying(Keys::of(keypad))
            }
            // What follows is the agent's to say once more, or all of the rest is.
            Phase::Speaking { utterance, reply: Some(reply), next } if reply.streaming || Then::of(next).is_none() => {
                asked(&reply.turn, utterance.spoken_of(reply, now))
            }
            Phase::Speaking { utterance, reply, next } => Standing::Saying {
                said: reply.as_ref().map_or_else(|| utterance.spoken(now), |reply| utterance.spoken_of(reply, now)),
                answers: reply.as_ref().map(|reply| (reply.turn.id, reply.turn.public_words().clone())),
                insists: utterance.insists,
                then: Then::of(next)?,
            },
            // The agent is asked again what it knows of that.
            Phase::Advising { wish: None, .. } => {
                Standing::Saying { said: Spoken::default(), answers: None, insists: false, then: Then::Human }
            }
            Phase::Answering { step: SetUp::Adopting } => self.adopted.as_ref().map(|adopted| adopted.0.clone())?,
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Advising { wish: Some(_), .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => return None,
        })
    }

    /// A call whose leg is up and hears nothing: asks for a media leg, and goes on once [`CallInput::MediaConnected`](super::CallInput) comes. `settings`
    /// are those of the tenant's own language.
    pub fn adopt(settings: &Arc<TenantSettings>, parties: Arc<Parties>, resume: Resume, gap: Gap, now: Instant) -> Self {
        let mut call = Self::new(Arc::clone(settings), parties);
        let Resume { place, language, answered_by, last_turn, last_utterance, turns, fillers, silences, agent_falls, .. } =
            resume;
        if let Some(settings) = settings.in_language(&language) {
            call.judge = Judge::of(&settings.language);
            call.settings = Arc::clone(settings);
        }
        (call.answered_by, call.last_turn, call.last_utterance) = (answered_by, last_turn, last_utterance);
        (call.turns, call.fillers, call.silences, call.agent_falls) = (turns, fillers, silences, agent_falls);
        (call.speculations, call.intent, call.conversation_failed) =
            (resume.speculations, resume.intent, resume.conversation_failed);
        (call.expect, call.patience, call.pauses, call.deaf) = (resume.expect, resume.patience, resume.pauses, resume.deaf);
        call.consent = resume.consent.unwrap_or(call.consent);
        call.ordered = resume.ordered.iter().map(|line| line.as_str().to_owned()).collect();
        for (reason, left) in [(CallReason::TimeNearlyUp, resume.notice_in), (CallReason::TimeUp, resume.time_left)] {
            if let Some(left) = left {
                call.timers.arm(reason, now + left.saturating_sub(gap.unkept + gap.silent));
            }
        }
        call.phase = Phase::Answering { step: SetUp::Adopting };
        call.adopted = Some(Box::new((place, gap, now)));
        call.push(CallAction::ConnectMedia);
        call.timers.arm(CallReason::EndDeadline, now + LEG_MAX);
        call
    }

    /// The new media leg is there: the caller is heard, and what was under way goes on.
    pub(super) fn take_up(&mut self, now: Instant) -> Verdict {
        let Some((place, gap, since)) = self.adopted.take().map(|adopted| *adopted) else { return self.out_of_step() };
        let silent = gap.silent + now.saturating_duration_since(since);
        self.emit(Fact::Adopted { parties: Arc::clone(&self.parties), silent });
        if !self.deaf {
            self.push(CallAction::StartHearing);
        }
        let line = if silent >= NOTICED { self.settings.prompts.back_again.clone() } else { String::new() };
        match place {
            Standing::Listening { turn, words } if words.is_empty() => {
                self.last_turn = TurnId(turn.0.saturating_sub(1));
                self.say_line(now, line, Next::Listen);
            }
            Standing::Listening { turn, words } => {
                // Perhaps that was all; who is asked to say it again says it twice.
                self.enter(Phase::Listening { turn: Turn { words, ..Turn::new(turn, Floor::Pause { since: now }) } });
                self.push(CallAction::PrepareSpeaking);
                if silent < DIED {
                    self.wait_for_more(now);
                }
            }
            Standing::Asked { turn, words, said } => {
                let heard = said.before.followed_by(&said.heard(gap));
                self.ask(now, Turn { told: words.clone(), words, ..Turn::new(turn, Floor::Closed) });
                if !heard.is_empty() {
                    self.again = Some(Again { heard, come: String::new() });
                }
                self.fill(now, &line);
            }
            Standing::AskedKeyed { turn } => self.not_understood(now, turn),
            Standing::Saying { said, answers, insists, then } => {
                let heard = said.heard(gap);
                let rest = said.text.as_str()[heard.as_str().len()..].trim().to_owned();
                self.say_rest(now, [line, rest], said.before.followed_by(&heard), answers, insists, then.next());
            }
            Standing::Keying(Keys::Consent) => self.open(now),
            Standing::Keying(Keys::Card(collect)) => self.ask_for_card(now, collect.begin(), Some(line)),
            Standing::Keying(keys) => self.say_line(now, line, Then::Keys(keys).next()),
        }
        if silent >= DIED && matches!(self.phase, Phase::Listening { .. } | Phase::Thinking { filler: None, .. }) {
            self.timers.arm(CallReason::BackAgain, now + GOES_ON.max(NOTICED.saturating_sub(silent)));
        }
        Verdict::Taken
    }

    /// The caller waits: for an answer to what was kept of it, or for one to what was lost.
    pub(super) fn back_again(&mut self, now: Instant) {
        let line = self.settings.prompts.back_again.clone();
        match &self.phase {
            // The turn is still the caller's: none is left out.
            Phase::Listening { turn } if turn.floor == Floor::Quiet => {
                self.last_turn = TurnId(turn.id.0.saturating_sub(1));
                self.say_line(now, line, Next::Listen);
            }
            // It was all, or the rest is lost: the pause is as long as the gap.
            Phase::Listening { turn } if turn.rest.is_none() && matches!(turn.floor, Floor::Pause { .. }) => {
                let turn = Turn { floor: Floor::Closed, ..turn.clone() };
                self.ask(now, turn);
                self.fill(now, &line);
            }
            _ => self.fill(now, &line),
        }
    }

    /// The call ends before it could go on: the answer that was being said is on record as far as it was heard.
    pub(super) fn never_took_up(&mut self) {
        let Some((place, gap, _)) = self.adopted.take().map(|adopted| *adopted) else { return };
        if let Standing::Saying { said, answers: Some((turn, words)), .. } = place {
            let turn = Turn { told: words.clone(), words, ..Turn::new(turn, Floor::Closed) };
            let said = said.before.followed_by(&said.heard(gap));
            self.record(&Reply { turn, answer: ClauseSplitter::new(), said, streaming: false }, false);
        }
    }

    fn say_rest(
        &mut self,
        now: Instant,
        clauses: [String; 2],
        heard: MaskedText,
        answers: Option<(TurnId, MaskedText)>,
        insists: bool,
        next: Next,
    ) {
        let reply = answers.map(|(turn, words)| {
            let turn = Turn { told: words.clone(), words, ..Turn::new(turn, Floor::Closed) };
            Reply { turn, answer: ClauseSplitter::new(), said: heard, streaming: false }
        });
        let clauses: Vec<String> = clauses.into_iter().filter(|clause| !clause.trim().is_empty()).collect();
        if clauses.is_empty() {
            if let Some(reply) = reply {
                self.record(&reply, false);
            }
            return self.follow(now, next);
        }
        self.begin_utterance(now, |utterance| Phase::Speaking { utterance: Utterance { insists, ..utterance }, reply, next });
        self.speak_clauses(&clauses);
        self.complete_utterance(now);
    }

    /// Another question, or none, is waited for: the answer to it is heard from its beginning.
    pub(super) fn hear_all(&mut self) {
        (self.again, self.said_before) = (None, MaskedText::default());
    }

    /// What of an answer that comes again was not heard yet; none while all that has come was. Where it is another answer, all of it.
    pub(super) fn unheard(&mut self, text: &str) -> Option<String> {
        let Some(again) = &mut self.again else { return Some(text.to_owned()) };
        again.come.push_str(text);
        match behind(&again.come, again.heard.as_str()) {
            Behind::NotYet => None,
            Behind::From(at) => {
                let rest = again.come.split_off(at);
                self.said_before = self.again.take().map(|again| again.heard).unwrap_or_default();
                Some(rest)
            }
            Behind::Another => self.again.take().map(|again| again.come),
        }
    }

    /// The answer is complete, and the caller had heard all of it.
    pub(super) fn all_was_heard(&mut self, now: Instant, command: Option<AgentCommand>) -> bool {
        let Some(Again { heard, .. }) = self.again.take() else { return false };
        let Phase::Thinking { turn, .. } = &self.phase else { return false };
        let reply = Reply { turn: turn.clone(), answer: ClauseSplitter::new(), said: heard, streaming: false };
        self.hush_filler();
        self.record(&reply, false);
        self.follow(now, next_of(command));
        true
    }
}

fn asked(turn: &Turn, said: Spoken) -> Standing {
    match turn.instead {
        Some(_) => Standing::AskedKeyed { turn: turn.id },
        None => Standing::Asked { turn: turn.id, words: turn.told.clone(), said },
    }
}

/// Where what was heard ends in what comes again.
enum Behind {
    NotYet,
    From(usize),
    Another,
}

/// Letters and digits count; a speaker's clauses are put together with other spaces than the agent wrote.
fn behind(come: &str, heard: &str) -> Behind {
    let mut letters = heard.chars().filter(|c| c.is_alphanumeric()).peekable();
    for (at, c) in come.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
        match letters.next() {
            Some(letter) if letter == c => {}
            Some(_) => return Behind::Another,
            None => return Behind::From(at),
        }
    }
    Behind::NotYet
}

impl Spoken {
    /// What the caller had heard when the sound stopped, cut before a word. An estimate, and rather too little than too much.
    fn heard(&self, gap: Gap) -> MaskedText {
        let Some(ms) = self.sounded_ms else { return MaskedText::default() };
        let unkept = u64::try_from(gap.unkept.as_millis()).unwrap_or(u64::MAX);
        let ms = ms.saturating_add(unkept).saturating_sub(AGAIN_MS);
        self.text.up_to(spoken_to(self.text.as_str(), ms))
    }
}

impl Utterance {
    fn spoken(&self, now: Instant) -> Spoken {
        let ms = |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
        Spoken { before: MaskedText::default(), text: self.text.clone(), sounded_ms: self.audible_since.map(ms) }
    }
}

impl Utterance {
    /// The same of an answer, with what was said of it before this utterance.
    fn spoken_of(&self, reply: &Reply, now: Instant) -> Spoken {
        let before = reply.said.as_str().len().saturating_sub(self.text.as_str().len());
        Spoken { before: reply.said.up_to(before).trimmed(), ..self.spoken(now) }
    }
}

impl Keys {
    fn of(keypad: &Keypad) -> Self {
        match keypad {
            Keypad::Menu { again } => Self::Menu(*again),
            Keypad::Digits { collect, .. } => Self::Digits(*collect),
            Keypad::Card(ask) => Self::Card(ask.collect()),
            Keypad::Consent => Self::Consent,
        }
    }
}

impl Then {
    /// None where it cannot be kept: the agent says it again.
    fn of(next: &Next) -> Option<Self> {
        Some(match next {
            Next::Listen => Self::Listen,
            Next::HangUp(cause) => Self::HangUp(*cause),
            Next::Quit(cause) => Self::Quit(*cause),
            Next::Greet => Self::Greet,
            Next::Menu => Self::Menu,
            Next::Keypad(keypad) => Self::Keys(Keys::of(keypad)),
            Next::Human(_) => Self::Human,
            Next::Transfer(_) => return None,
        })
    }

    fn next(self) -> Next {
        match self {
            Self::Listen => Next::Listen,
            Self::HangUp(cause) => Next::HangUp(cause),
            Self::Quit(cause) => Next::Quit(cause),
            Self::Greet => Next::Greet,
            Self::Menu => Next::Menu,
            Self::Keys(Keys::Menu(again)) => Next::Keypad(Keypad::Menu { again }),
            Self::Keys(Keys::Consent) => Next::Keypad(Keypad::Consent),
            Self::Keys(Keys::Card(collect)) => Next::Keypad(Keypad::Card(collect.begin())),
            Self::Keys(Keys::Digits(collect)) => Next::Keypad(collect.begin()),
            // Whose wish it was is not kept: the agent's, mostly.
            Self::Human => Next::Human(None),
        }
    }
}
