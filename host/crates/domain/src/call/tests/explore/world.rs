//! What stands around a call: it carries the call's actions out as the application does, late now and then, and with faults.

mod acts;

use super::super::*;
use crate::dice::Dice;
use std::collections::BTreeMap;

/// What will happen at its time, unless what it belongs to is over by then.
pub(super) enum Soon {
    Input(CallInput),
    /// From the agent, to a question.
    Agent {
        asked: u32,
        input: CallInput,
    },
    /// Of a listener's session.
    Hearing {
        session: u32,
        input: CallInput,
    },
    /// From the speaker, or from who plays its sound.
    Voice {
        voice: u32,
        input: CallInput,
    },
    /// The sound of an utterance comes to its end, or stands still before it.
    SoundOver {
        voice: u32,
    },
    CallerTurns,
    CallerKeys,
    CallerLeaves,
    Order,
    Wrong,
    Rebuild,
}

/// What is being said.
pub(super) struct Sound {
    pub(super) utterance: UtteranceId,
    pub(super) chars: u64,
    pub(super) complete: bool,
    pub(super) audible: Option<Instant>,
    pub(super) until: Instant,
    /// So long it stood still since it began, or had nothing to say.
    pub(super) stood: Duration,
    /// So much was heard of voices that fell over it.
    pub(super) before: Duration,
}

impl Sound {
    fn new(utterance: UtteranceId, chars: u64, now: Instant) -> Self {
        let (stood, before) = (Duration::ZERO, Duration::ZERO);
        Self { utterance, chars, complete: false, audible: None, until: now, stood, before }
    }

    /// How much of it has been heard.
    fn heard(&self, now: Instant) -> Duration {
        let by = |at| now.min(self.until).saturating_duration_since(at).saturating_sub(self.stood);
        self.before + self.audible.map_or(Duration::ZERO, by)
    }
}

/// What the caller had heard of an utterance that was hushed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeardOf {
    pub(super) ms: u64,
    /// So long it was silent since it began.
    pub(super) idle_ms: u64,
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) now: Instant,
    soon: BTreeMap<(Instant, u64), Soon>,
    order: u64,
    asked: u32,
    session: u32,
    listens: bool,
    voice: u32,
    pub(super) leg: bool,
    pub(super) voiced: Option<Instant>,
    quiet_since: Instant,
    words: Vec<&'static str>,
    pub(super) sound: Option<Sound>,
    pub(super) hushed: BTreeMap<UtteranceId, HeardOf>,
    /// It stands still since then.
    pub(super) paused: Option<Instant>,
    /// The telephony side does one thing after the other.
    line_free: Instant,
    hearing_free: Instant,
    ends: bool,
    /// One in so many goes wrong.
    trouble: u64,
    talkative: u64,
}

const WORDS: &[&str] =
    &["yes", "no", "I want to", "my order", "is late.", "and then", "please", "what time is it?", "four", "seven"];

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let now = some_moment();
        let (trouble, talkative) = (*dice.pick(&[4, 12, 60]), *dice.pick(&[1, 3, 10]));
        Self {
            dice,
            now,
            soon: BTreeMap::new(),
            order: 0,
            asked: 0,
            session: 0,
            listens: false,
            voice: 0,
            leg: false,
            voiced: None,
            quiet_since: now,
            words: Vec::new(),
            sound: None,
            hushed: BTreeMap::new(),
            paused: None,
            line_free: now,
            hearing_free: now,
            ends: false,
            trouble,
            talkative,
        }
    }

    pub(super) fn begin(&mut self) {
        self.within(0, 3000 * self.talkative, Soon::CallerTurns);
        self.within(0, 30_000, Soon::CallerKeys);
        self.within(500, 200_000, Soon::CallerLeaves);
        self.within(0, 20_000, Soon::Order);
        self.within(0, 5_000, Soon::Wrong);
        if self.dice.below(6) == 0 {
            self.within(0, 20_000, Soon::Rebuild);
        }
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.dice.below(many) == 0
    }

    fn fails(&mut self) -> bool {
        self.one_in(self.trouble)
    }

    fn at(&mut self, at: Instant, soon: Soon) {
        self.order += 1;
        self.soon.insert((at, self.order), soon);
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.dice.below(to - from + 1))
    }

    fn within(&mut self, from: u64, to: u64, soon: Soon) {
        let at = self.now + self.ms(from, to);
        self.at(at, soon);
    }

    /// Whether something of what is said has sounded.
    pub(super) fn is_heard(&self) -> bool {
        self.paused.is_none() && self.sound.as_ref().is_some_and(|sound| sound.audible.is_some())
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.soon.keys().next().map(|(at, _)| *at)
    }

    /// What happens next, where it still means something. The flag: it is wrong on purpose.
    pub(super) fn happen(&mut self, call: &Call) -> Option<(CallInput, bool)> {
        let ((at, _), soon) = self.soon.pop_first()?;
        self.now = self.now.max(at);
        let input = match soon {
            Soon::Input(input) => self.telephone(call, input)?,
            // An answer that is no longer wanted comes all the same now and then.
            Soon::Agent { asked, input } => {
                let stale = asked != self.asked;
                (!stale || self.asked_of(call) != turn_of(&input) && self.one_in(3)).then_some(input)?
            }
            Soon::Hearing { session, input } => {
                (self.leg && self.listens && session == self.session).then(|| self.hears(input))?
            }
            Soon::Voice { voice, input } => self.voices(voice, input)?,
            Soon::SoundOver { voice } => self.sound_over(voice)?,
            Soon::CallerTurns => self.caller_turns()?,
            Soon::CallerKeys => {
                let longest = if call.awaits_card() { 2_500 } else { 20_000 };
                self.within(200, longest, Soon::CallerKeys);
                let key = *self.dice.pick(&['0', '1', '2', '3', '7', '*', '#']);
                let there = self.leg || matches!(call.phase(), Phase::Answering { .. } | Phase::Handover { .. });
                let pressed = if self.one_in(20) { CallInput::KeysMissed } else { CallInput::Digit(key) };
                (there && !self.ends).then_some(pressed)?
            }
            Soon::CallerLeaves => {
                self.leg = false;
                (!self.ends).then_some(CallInput::CallerGone)?
            }
            Soon::Order => self.orders(call)?,
            Soon::Wrong => return self.wrong(call).map(|input| (input, true)),
            Soon::Rebuild => self.rebuilds(call)?,
        };
        Some((input, false))
    }

    fn asked_of(&self, call: &Call) -> Option<TurnId> {
        match call.phase() {
            Phase::Thinking { turn, .. } => Some(turn.id()),
            Phase::Speaking { reply: Some(reply), .. } => Some(reply.turn()),
            // Asked before it is over.
            Phase::Listening { turn } => Some(turn.id()),
            _ => None,
        }
    }

    fn telephone(&mut self, call: &Call, input: CallInput) -> Option<CallInput> {
        match &input {
            CallInput::MediaConnected | CallInput::Answered => self.leg = true,
            // Whoever spoke into the leg until now was not the caller.
            CallInput::Resumed => (self.leg, self.voiced) = (true, None),
            CallInput::PersonJoined => self.leave(),
            CallInput::PersonAnswered if self.one_in(6) => {
                self.within(0, 20_000, Soon::Input(CallInput::PersonGone(Returned::Other)));
            }
            // Nobody looks after a leg that is gone.
            CallInput::HandoverReturned(_) | CallInput::HandoverProgress(_) | CallInput::PersonGone(_) => {
                return matches!(call.phase(), Phase::Handover { .. }).then_some(input);
            }
            _ => {}
        }
        Some(input)
    }

    fn hears(&mut self, input: CallInput) -> CallInput {
        if let CallInput::HearingFell { .. } = &input {
            self.stop_listening();
        }
        input
    }

    fn stop_listening(&mut self) {
        self.session += 1;
        self.listens = false;
    }

    fn caller_turns(&mut self) -> Option<CallInput> {
        let talkative = self.talkative;
        if self.voiced.take().is_some() {
            self.within(20, 3000 * talkative, Soon::CallerTurns);
            if self.one_in(2) {
                self.final_words(20, 600);
            }
            self.quiet_since = self.now;
            let last_voiced = self.now - Duration::from_millis(200);
            return self.leg.then_some(CallInput::SpeechEnded { last_voiced });
        }
        let longest = if self.one_in(300) { 70_000 } else { 2_500 };
        self.within(220, longest, Soon::CallerTurns);
        if !self.leg {
            return None;
        }
        let at = (self.now - Duration::from_millis(60)).max(self.quiet_since);
        self.voiced = Some(at);
        for _ in 0..self.dice.below(4) {
            let word = *self.dice.pick(WORDS);
            self.words.push(word);
            if self.one_in(2) {
                let (session, words) = (self.session, masked(&self.words.join(" ")));
                self.within(100, 900, Soon::Hearing { session, input: guess(words) });
            }
        }
        if self.fails() {
            let session = self.session;
            self.within(0, 2_000, Soon::Hearing { session, input: CallInput::HearingFell { code: "trap" } });
        }
        Some(CallInput::SpeechStarted { at })
    }

    fn final_words(&mut self, from: u64, to: u64) {
        let words = masked(&std::mem::take(&mut self.words).join(" "));
        self.hearing_free = self.hearing_free.max(self.now) + self.ms(from, to);
        let (session, at) = (self.session, self.hearing_free);
        self.at(at, Soon::Hearing { session, input: CallInput::Final(words) });
    }

    /// An order, asked for as the application asks: only where the call takes it.
    fn orders(&mut self, call: &Call) -> Option<CallInput> {
        self.within(500, 40_000, Soon::Order);
        let wish = |mode, summary: bool| Transfer { mode, ..handover::to_queue("sales", summary.then_some("wants a tent")) };
        if self.ends {
            return None;
        }
        match self.dice.below(12) {
            0..=3 if call.takes_lines() => Some(CallInput::SayOrdered("The line is recorded.".into())),
            4 | 5 if call.can_be_handed_over() => Some(CallInput::TransferOrdered(wish(TransferMode::Blind, false))),
            6 | 7 if call.can_be_handed_over() => Some(CallInput::TransferOrdered(wish(TransferMode::Attended, true))),
            8 if call.can_call_off_handover() => Some(CallInput::TransferCalledOff),
            9 => Some(CallInput::Drain),
            10 if self.one_in(3) => {
                let cause = *self.dice.pick(&[EndCause::Stopped, EndCause::Drained]);
                Some(CallInput::Stop(cause))
            }
            11 if self.one_in(6) => {
                self.leg = false;
                Some(if self.one_in(3) { CallInput::Released } else { CallInput::AsteriskLost })
            }
            _ => None,
        }
    }

    /// What nobody who keeps the rules would say now. It must change nothing.
    fn wrong(&mut self, call: &Call) -> Option<CallInput> {
        self.within(0, 10_000, Soon::Wrong);
        let (turn, utterance) = (TurnId(call.last_turn.0 + 5), UtteranceId(call.last_utterance.0 + 5));
        Some(match self.dice.below(9) {
            0 => CallInput::Offered,
            1 => CallInput::Dialed,
            2 => CallInput::AgentText { turn, text: "No, it is not. ".into() },
            3 => CallInput::AgentDone { turn, command: Some(AgentCommand::HangUp) },
            4 => CallInput::AgentFell { turn, code: "wrong" },
            5 => CallInput::UtteranceEnded { utterance },
            6 => CallInput::SpeakingFell { utterance, code: "wrong" },
            7 => CallInput::Hushed { utterance, spoken_ms: 40 },
            _ => CallInput::SpeechAudio { utterance },
        })
    }

    /// The media leg is built anew: what was on its way through the old one is lost.
    fn rebuilds(&mut self, call: &Call) -> Option<CallInput> {
        if !self.leg || !call.is_conversing() {
            return None;
        }
        self.forget_leg();
        Some(CallInput::MediaRebuilt)
    }

    /// Its gateway is gone, and with it all that it had asked for; the caller, and whoever else is there, lives on.
    pub(super) fn loses_its_gateway(&mut self, now: Instant) {
        self.leave();
        self.now = now;
        self.asked += 1;
        (self.line_free, self.hearing_free) = (now, now);
        self.soon.retain(|_, soon| {
            matches!(soon, Soon::CallerTurns | Soon::CallerKeys | Soon::CallerLeaves | Soon::Order | Soon::Wrong | Soon::Rebuild)
        });
    }

    fn forget_leg(&mut self) {
        self.paused = None;
        self.voiced = None;
        self.words.clear();
        self.stop_listening();
        self.voice += 1;
        if let Some(sound) = &mut self.sound {
            sound.until = self.now;
        }
    }

    fn leave(&mut self) {
        self.leg = false;
        self.forget_leg();
        self.sound = None;
    }

    fn voices(&mut self, voice: u32, input: CallInput) -> Option<CallInput> {
        match &input {
            CallInput::Hushed { .. } => return self.leg.then_some(input),
            _ if voice != self.voice || !self.leg => return None,
            CallInput::Audible { .. } | CallInput::UtteranceEnded { .. } if self.paused.is_some() => {
                self.at(self.now + Duration::from_millis(20), Soon::Voice { voice, input });
                return None;
            }
            CallInput::SpeechAudio { utterance } => {
                let (utterance, at) = (*utterance, self.now + Duration::from_millis(20));
                let sound = self.sound.as_mut()?;
                let length = Duration::from_millis(sound.chars * 1000 / 15);
                (sound.audible, sound.until) = (Some(at), at + length);
                let complete = sound.complete;
                self.within(20, 40, Soon::Voice { voice, input: CallInput::Audible { utterance, at } });
                if complete {
                    self.plan_end();
                }
            }
            CallInput::SpeakingFell { .. } => {
                self.voice += 1;
                let now = self.now;
                self.sound.as_mut()?.until = now;
            }
            _ => {}
        }
        Some(input)
    }

    fn plan_end(&mut self) {
        let voice = self.voice;
        let Some(at) = self.sound.as_ref().map(|sound| sound.until) else { return };
        self.at(at.max(self.now), Soon::SoundOver { voice });
    }

    fn sound_over(&mut self, voice: u32) -> Option<CallInput> {
        if self.paused.is_some() {
            return None;
        }
        let sound = self.sound.as_ref().filter(|sound| voice == self.voice && sound.complete && sound.until <= self.now)?;
        let utterance = sound.utterance;
        if self.leg && self.fails() && self.fails() {
            // Its last samples do not come; who plays them notices a second later.
            let input = CallInput::SpeakingFell { utterance, code: "stalled" };
            self.at(self.now + Duration::from_secs(1), Soon::Voice { voice, input });
            return None;
        }
        (self.leg).then_some(CallInput::UtteranceEnded { utterance })
    }
}

fn turn_of(input: &CallInput) -> Option<TurnId> {
    match input {
        CallInput::AgentText { turn, .. }
        | CallInput::AgentHints { turn, .. }
        | CallInput::AgentDone { turn, .. }
        | CallInput::AgentFell { turn, .. } => Some(*turn),
        _ => None,
    }
}
