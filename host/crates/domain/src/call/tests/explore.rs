//! Calls in a world of random delays and faults, until they have ended: what must hold does so after every step.
//!
//! `VG_TEST_SIZE=full` walks further; `VG_EXPLORE_SEED=n` walks through one call again and shows every step.

mod dying;
mod heard;
mod world;

use super::*;
use crate::dice::Dice;
use crate::speech::Track;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use world::World;

const STEPS_CI: u64 = 100_000;
const STEPS_FULL: u64 = 10_000_000;
/// So many steps are shown of a call in which something did not hold.
const SHOWN: usize = 40;
/// Whoever wakes a call is no later.
const LATE_MAX: Duration = Duration::from_millis(80);
/// What lasts for so long without a pause is no speech.
const NOISE: Duration = Duration::from_secs(60);
/// Nobody hears silence for longer without a reason.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Who was left by a gateway that died is spoken to by then.
const BACK_AGAIN: Duration = Duration::from_millis(900);

/// What is waited for while it is silent, with the alarm that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// The caller has the floor and does not take it.
    CallersTurn,
    /// The caller has paused, or the listener owes the last words.
    LastWords,
    Keys,
    Agent,
    /// The agent has begun to answer and stopped in the middle.
    AgentStopped,
    Speaker,
    /// Who plays a sound that has stopped notices it after a second.
    SoundStopped,
    Advice,
    Person,
}

type Silences = BTreeMap<Reason, (Duration, u64)>;

/// A call, its world, and what is known of both.
struct Walk {
    seed: u64,
    call: Call,
    world: World,
    settings: TenantSettings,
    log: Option<VecDeque<String>>,
    begun: Instant,
    /// Questions to which an answer is still wanted.
    asked: BTreeSet<TurnId>,
    /// Questions that were answered before their turn was over.
    answered_early: BTreeSet<TurnId>,
    /// Turns of which the world has not heard how they ended.
    unanswered: BTreeSet<TurnId>,
    /// When it was asked last.
    asked_at: Instant,
    /// The only utterance that may sound.
    open: Option<UtteranceId>,
    /// What was said.
    said: BTreeMap<UtteranceId, MaskedText>,
    /// What everybody was told of that.
    told: BTreeMap<UtteranceId, MaskedText>,
    /// Where the words of what was said lie; none where the voice does not tell.
    tracks: BTreeMap<UtteranceId, Option<Track>>,
    /// Of which utterance the leg says right now how much of it was heard.
    leg_tells_of: Option<UtteranceId>,
    /// Cut short by the caller; the agent is not yet told how much of it was heard.
    cut: BTreeSet<UtteranceId>,
    /// Since when that one is said.
    open_since: Instant,
    drained: bool,
    /// The dialplan has given the caller back, and no media leg is there yet.
    back: bool,
    silent_since: Instant,
    ended: bool,
    longest: BTreeMap<Reason, Duration>,
    /// Whether its gateway dies now and then, and another one goes on.
    fate: Option<Dice>,
    /// Said of an answer by a gateway that has died.
    said_before: MaskedText,
    adoptions: u64,
    has_vault: bool,
    /// What became of cards that were asked for, and how it was known what was heard.
    seen: BTreeSet<&'static str>,
}

fn somebody_is_tried_next() -> TenantSettings {
    let ladder = |one: &str, other: &str| {
        let provider = |name: &str| Provider::new(PluginId::new(name), "{}");
        Ladder::new(provider(one), [provider(other)])
    };
    let settings =
        TenantSettings { hearing: ladder("stt-a", "stt-b"), speaking: ladder("tts-a", "tts-b"), ..keying::with_menu() };
    TenantSettings { languages: vec![Arc::new(portuguese(&settings))], speculations_max: 100, ..settings }
}

/// One listener and no line where the caller says nothing.
fn portuguese(settings: &TenantSettings) -> TenantSettings {
    let prompts = Prompts { still_there: String::new(), ..settings.prompts.clone() };
    let hearing = settings.hearing.rungs()[1].clone().into();
    TenantSettings { language: "pt-BR".into(), prompts, hearing, ..settings.clone() }
}

fn without_menu() -> TenantSettings {
    TenantSettings { menu: None, ..somebody_is_tried_next() }
}

/// Everything has to be quick.
fn hurried() -> TenantSettings {
    let ms = Duration::from_millis;
    let timing = Timing {
        endpoint_wait: ms(300),
        endpoint_bounds: None,
        silence: ms(2_000),
        barge_in: ms(250),
        filler: Some(ms(300)),
        hold: Some(ms(500)),
        agent_deadline: ms(1_000),
        speech_deadline: ms(600),
        final_deadline: ms(300),
    };
    let settings = TenantSettings { timing, ..somebody_is_tried_next() };
    TenantSettings { languages: vec![Arc::new(portuguese(&settings))], ..settings }
}

impl Walk {
    fn new(seed: u64, shows: bool) -> Self {
        let mut world = World::new(seed);
        let machines = || TenantSettings { transfer: keying::with_menu().transfer, ..chaos::machines() };
        let all: [fn() -> TenantSettings; 7] =
            [settings, with_human, chaos::mute, keying::with_menu, somebody_is_tried_next, without_menu, hurried];
        let dials = world.dice.below(5) == 0;
        let mut settings = if dials { machines() } else { world.dice.pick(&all)() };
        // As a filler it would stand before the answer, and two things be under way at a time.
        settings.prompts.back_again.clear();
        for language in &mut settings.languages {
            Arc::make_mut(language).prompts.back_again.clear();
        }
        let inbound = Parties::inbound(Pii::new("caller".into()), Pii::new("dialled".into()));
        let direction = if dials { Direction::Outbound } else { Direction::Inbound };
        let has_vault = !seed.is_multiple_of(4);
        let call = Call::new(Arc::new(settings.clone()), Arc::new(Parties { direction, ..inbound })).with_vault(has_vault);
        let now = world.now;
        world.begin();
        if dials {
            world.ring_out();
        }
        Self {
            seed,
            call,
            world,
            settings,
            log: shows.then(VecDeque::new),
            begun: now,
            asked: BTreeSet::new(),
            answered_early: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            asked_at: now,
            open: None,
            said: BTreeMap::new(),
            told: BTreeMap::new(),
            tracks: BTreeMap::new(),
            leg_tells_of: None,
            cut: BTreeSet::new(),
            open_since: now,
            drained: false,
            back: false,
            silent_since: now,
            ended: false,
            longest: BTreeMap::new(),
            fate: (seed.is_multiple_of(3)).then(|| Dice::new(!seed)),
            said_before: MaskedText::default(),
            adoptions: 0,
            has_vault,
            seen: BTreeSet::new(),
        }
    }

    /// Until the call has ended; so many steps it took.
    fn walk(&mut self) -> u64 {
        let first = match self.call.parties.direction {
            Direction::Inbound => CallInput::Offered,
            Direction::Outbound => CallInput::Dialed,
        };
        self.tell(first, false);
        let mut steps = 1;
        while !self.ended {
            self.step();
            steps += 1;
            assert!(steps < 100_000, "the call has no end");
        }
        assert!(self.unanswered.is_empty() && self.asked.is_empty(), "turns without an end: {:?}", self.unanswered);
        for input in table::inputs(&self.call, self.world.now) {
            self.call.handle(self.world.now, input);
            let actions: Vec<_> = std::iter::from_fn(|| self.call.poll_action()).collect();
            assert!(matches!(actions[..], [] | [CallAction::Refused { .. }]), "after the end: {actions:?}");
            assert_eq!(self.call.poll_timeout(), None);
        }
        steps
    }

    fn step(&mut self) {
        if self.fate.as_mut().is_some_and(|fate| fate.below(40) == 0) {
            self.die();
        }
        let alarm = self.call.poll_timeout().map(|(at, _)| at);
        match (alarm, self.world.next_at()) {
            (Some(alarm), next) if next.is_none_or(|next| alarm <= next) => {
                // Now and then whoever wakes the call is busy.
                let late = if self.world.dice.below(8) == 0 { LATE_MAX.mul_f64(self.world.dice.part()) } else { Duration::ZERO };
                let now = self.world.now.max(alarm) + late;
                self.pass_until(now);
                if self.log.is_some() {
                    let reason = self.call.poll_timeout().map(|(_, reason)| reason);
                    self.note(format!("alarm {reason:?}"));
                }
                self.call.handle_timeout(self.world.now);
                self.carry_out(false);
            }
            (_, Some(next)) => {
                let now = self.world.now.max(next);
                self.pass_until(now);
                if let Some((input, wrong)) = self.world.happen(&self.call) {
                    self.tell(input, wrong);
                }
            }
            (_, None) => panic!("nothing happens any more, and no alarm is set"),
        }
        self.check();
    }

    /// Time passes, in which nothing happens.
    fn pass_until(&mut self, now: Instant) {
        assert!(now >= self.world.now, "time runs backwards");
        let sounds_until = self.world.sound.as_ref().filter(|_| self.world.is_heard()).map(|sound| sound.until);
        let heard_until = if self.world.voiced.is_some() { Some(now) } else { sounds_until.map(|until| until.min(now)) };
        self.silent_since = heard_until.map_or(self.silent_since, |until| until.max(self.silent_since));
        self.world.now = now;
        let silence = now - self.silent_since;
        if silence > SILENCE_MAX && self.in_conversation() {
            let Some(reason) = self.reason() else { panic!("{silence:?} of silence without a reason") };
            let bound = self.bound(reason);
            assert!(silence <= bound, "{silence:?} of silence for want of {reason:?}, which may be {bound:?}");
            let longest = self.longest.entry(reason).or_default();
            *longest = silence.max(*longest);
        }
        // A wait of its own, which the caller expects.
        let expected = matches!(self.reason(), Some(Reason::CallersTurn | Reason::Keys | Reason::Person));
        if expected || !self.in_conversation() {
            self.silent_since = now;
        }
    }

    fn in_conversation(&self) -> bool {
        let before = matches!(self.call.phase(), Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. });
        !before && !matches!(self.call.phase(), Phase::Ending { .. } | Phase::Ended(_))
    }

    /// Why nobody is heard. None where nothing that is waited for would end it soon.
    fn reason(&self) -> Option<Reason> {
        // What a listener owes is no reason to be silent.
        let (_, alarm) = self.call.timers.next_but(CallReason::OwedWords)?;
        Some(match (self.call.phase(), alarm) {
            (Phase::Listening { .. }, CallReason::Silence) => Reason::CallersTurn,
            (Phase::Listening { turn }, CallReason::BackAgain) if turn.floor == phase::Floor::Quiet => Reason::CallersTurn,
            (
                Phase::Listening { .. },
                CallReason::EndOfTurn | CallReason::FinalDeadline | CallReason::StableWords | CallReason::BackAgain,
            ) => Reason::LastWords,
            (Phase::Keying { .. }, CallReason::KeyDeadline) => Reason::Keys,
            (Phase::Thinking { .. }, CallReason::AgentDeadline | CallReason::Filler | CallReason::BackAgain) => Reason::Agent,
            (Phase::Advising { .. }, CallReason::AgentDeadline) => Reason::Advice,
            (Phase::Handover { .. }, CallReason::EndDeadline | CallReason::SpeechDeadline) => Reason::Person,
            (Phase::Speaking { .. } | Phase::Greeting { .. }, CallReason::SpeechDeadline) => Reason::Speaker,
            (Phase::Speaking { .. }, CallReason::AgentDeadline) => Reason::AgentStopped,
            (Phase::Speaking { .. } | Phase::Greeting { .. }, CallReason::EndDeadline) => {
                let stopped = self.world.is_heard() && self.world.sound.as_ref().is_some_and(|sound| sound.complete);
                return stopped.then_some(Reason::SoundStopped);
            }
            _ => return None,
        })
    }

    /// How long it may be silent at most, with all that may have been waited for before: the sum of the deadlines.
    fn bound(&self, reason: Reason) -> Duration {
        let timing = &self.settings.timing;
        let voices = u32::try_from(self.settings.speaking.rungs().len()).unwrap();
        let pause = timing.endpoint_bounds.map_or(timing.endpoint_wait, |bounds| bounds.ceiling);
        // The last words may come when the agent has been asked without them, and change the question; and a second listener may be asked for them.
        let asked = if self.settings.hearing.rungs().len() > 1 { 3 } else { 2 };
        let words = pause + asked * timing.final_deadline;
        let agent = words + timing.agent_deadline;
        // Where the agent falls a person may be wanted, of whom the agent is asked, and called off again.
        let advice = agent + Duration::from_secs(2);
        let spoken = advice + voices * timing.speech_deadline;
        let late = 8 * LATE_MAX;
        late + match reason {
            // Waits of their own, as long as their alarms.
            Reason::CallersTurn | Reason::Keys | Reason::Person => Duration::from_secs(4 * 3600),
            Reason::LastWords => words,
            Reason::Agent => agent,
            Reason::AgentStopped if self.world.is_heard() => timing.agent_deadline,
            Reason::AgentStopped | Reason::Speaker => spoken,
            Reason::SoundStopped => spoken + Duration::from_secs(1),
            Reason::Advice => spoken,
        }
    }

    fn tell(&mut self, input: CallInput, wrong: bool) {
        if self.log.is_some() {
            let known = if wrong { " (wrong)" } else { "" };
            self.note(format!("{}{known}: {}", input.name(), format!("{input:?}").chars().take(90).collect::<String>()));
        }
        match &input {
            CallInput::AgentDone { turn, .. } | CallInput::AgentFell { turn, .. }
                if matches!(self.call.phase(), Phase::Listening { .. }) && self.asked.remove(turn) =>
            {
                self.answered_early.insert(*turn);
            }
            CallInput::AgentDone { turn, .. } | CallInput::AgentFell { turn, .. } if self.asked.remove(turn) => {
                let commands_only = matches!(&input, CallInput::AgentDone { command: Some(_), .. });
                if commands_only
                    && matches!(self.call.phase(), Phase::Thinking { answer, .. } if answer.clone().finish().is_empty())
                {
                    self.unanswered.remove(turn);
                }
            }
            CallInput::UtteranceEnded { utterance } if self.open == Some(*utterance) => self.open = None,
            CallInput::HandoverReturned(_) => self.back = true,
            CallInput::Drain => self.drained = true,
            CallInput::MediaConnected => self.back = false,
            CallInput::Hushed { utterance, .. } => self.is_told_what_was_heard(*utterance),
            _ => {}
        }
        self.leg_tells_of = if let CallInput::Hushed { utterance, .. } = &input { Some(*utterance) } else { None };
        let before = wrong.then(|| format!("{:?} {:?}", self.call.phase, self.call.timers));
        self.call.handle(self.world.now, input);
        self.carry_out(wrong);
        if let Some(before) = before {
            assert_eq!(before, format!("{:?} {:?}", self.call.phase, self.call.timers), "what makes no sense changes nothing");
        }
    }

    fn carry_out(&mut self, wrong: bool) {
        let mut count = 0;
        while let Some(action) = self.call.poll_action() {
            if self.log.is_some() {
                self.note(format!("    {}", line(&action)));
            }
            assert!(!self.ended, "after the end: {action:?}");
            assert!(!wrong || matches!(action, CallAction::Refused { .. }), "from nonsense: {action:?}");
            assert!(wrong || !matches!(action, CallAction::Refused { .. }), "refused: {action:?}");
            self.look_at(&action);
            self.world.carry_out(&action);
            count += 1;
            assert!(count < 100, "floods");
        }
        self.cut.extend(&self.call.interrupted);
    }

    fn look_at(&mut self, action: &CallAction) {
        if let CallAction::AskCard { card, .. } = action {
            self.seen.insert(card.code());
        }
        match action {
            CallAction::Ask { turn, .. } | CallAction::AskCard { turn, .. } => {
                assert!(!self.drained, "asks although the gateway is draining");
                self.asked.insert(*turn);
                self.asked_at = self.world.now;
                self.unanswered.insert(*turn);
            }
            CallAction::Speculate { turn, .. } => _ = self.asked.insert(*turn),
            CallAction::Commit { turn } => {
                self.asked_at = self.world.now;
                let early = self.answered_early.remove(turn);
                assert!(early || self.asked.contains(turn), "nobody was asked in turn {turn}");
                // An answer that was a command alone has been carried out.
                if !early || self.call.phase.reply_mut().is_some() {
                    self.unanswered.insert(*turn);
                }
            }
            CallAction::CancelAsk { turn } => {
                assert!(self.asked.remove(turn) || self.answered_early.remove(turn), "nobody was asked in turn {turn}");
                self.unanswered.remove(turn);
            }
            CallAction::Say { utterance, text } => {
                self.speaks(*utterance);
                self.says(*utterance, text);
            }
            CallAction::PlayEmergency { utterance } | CallAction::PlayTone { utterance } => self.speaks(*utterance),
            CallAction::EndUtterance { utterance } => assert_eq!(self.open, Some(*utterance), "ends what is not said"),
            CallAction::Hush { utterance } => assert_eq!(self.open.take(), Some(*utterance), "hushes what is not said"),
            CallAction::GoOnWithAnotherVoice => {
                let Some(open) = self.open else { panic!("there is nothing to say") };
                // Its words lie elsewhere.
                self.tracks.insert(open, None);
            }
            CallAction::LeaveMedia | CallAction::Release => {
                self.open = None;
                self.cut.clear();
            }
            CallAction::Consult(_) => self.cut.clear(),
            CallAction::Emit(fact) => self.look_at_fact(fact),
            _ => {}
        }
    }

    fn look_at_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Turn(record) => {
                self.unanswered.remove(&record.turn);
                self.was_said(record.said.as_str());
                if let Some(latency) = record.latency {
                    let sum: u32 = latency.parts().iter().map(|part| part.ms).sum();
                    assert_eq!(sum, latency.total_ms, "parts of {latency:?}");
                }
            }
            Fact::Interrupted { utterance, spoken_ms, extent } => self.was_heard(*utterance, *spoken_ms, *extent),
            Fact::Saying { utterance, text } | Fact::Filler { utterance, text, .. } => self.is_told(*utterance, text),
            Fact::Fell { who: Role::Thinking, .. } => {
                if let Some(turn) = self.asked_now() {
                    self.unanswered.remove(&turn);
                }
                self.unanswered.retain(|turn| self.asked.contains(turn));
            }
            Fact::NotUnderstood { turn } | Fact::Withheld { turn } => _ = self.unanswered.remove(turn),
            Fact::Ended(_) => self.ended = true,
            _ => {}
        }
    }

    fn asked_now(&self) -> Option<TurnId> {
        match self.call.phase() {
            Phase::Thinking { turn, .. } => Some(turn.id()),
            Phase::Speaking { reply: Some(reply), .. } => Some(reply.turn()),
            _ => self.call.guess.as_ref().map(|guess| guess.turn),
        }
    }

    fn check(&mut self) {
        if self.ended {
            return;
        }
        if let Phase::Listening { turn } = self.call.phase() {
            // The answer was taken back, for the caller goes on.
            self.unanswered.remove(&turn.id());
        }
        assert!(self.call.card.is_none() || self.call.awaits_card(), "a card is kept");
        if matches!(self.call.phase(), Phase::Answering { step: SetUp::Adopting }) {
            return;
        }
        for turn in self.asked.iter().chain(&self.unanswered) {
            assert_eq!(Some(*turn), self.asked_now(), "turn {turn} has no end");
        }
        if matches!(self.call.phase(), Phase::Thinking { .. }) {
            let thinks = (self.world.now - self.asked_at).saturating_sub(self.call.holds.granted());
            assert!(thinks <= self.settings.timing.agent_deadline + LATE_MAX, "the agent thinks for {thinks:?}");
        }
        if let Some(since) = self.world.voiced.filter(|_| self.call.is_interruptible()) {
            let over = self.world.now.saturating_duration_since(since.max(self.open_since));
            let noise = self.world.now - since > NOISE;
            let late = LATE_MAX + Duration::from_millis(60);
            let patience = self.settings.timing.barge_in.max(crate::call::overlap::ASIDE_MAX);
            assert!(noise || !self.call.caller_speaks || self.world.paused.is_some(), "speaks over the caller");
            assert!(noise || over <= patience + late, "speaks over the caller for {over:?}");
        }
        let says = matches!(self.call.phase(), Phase::Greeting { .. } | Phase::Speaking { .. });
        assert!(says || self.world.paused.is_none(), "the Mouth stands still for ever");
        let left_alone = matches!(self.call.phase(), Phase::Handover { step: HandoverStep::Asked | HandoverStep::Away(_), .. });
        assert!(!(self.back && left_alone), "a caller who came back is left alone");
        let now = self.world.now;
        let Some((at, reason)) = self.call.poll_timeout() else { panic!("no alarm is set") };
        let longest = self.longest_alarm();
        assert!(at <= now + longest, "{reason:?} in {:?}", at - now);
        let sounds = self.call.phase.utterance_mut().map(|utterance| utterance.id);
        assert_eq!(self.open, sounds, "what is said");
    }

    /// No wait of the phase is longer.
    fn longest_alarm(&self) -> Duration {
        let (timing, seconds) = (&self.settings.timing, Duration::from_secs);
        match self.call.phase() {
            Phase::Offered | Phase::Ended(_) => Duration::ZERO,
            Phase::Dialing { .. } => timing.agent_deadline.max(seconds(150)),
            Phase::Answering { .. } => seconds(40),
            Phase::Greeting { .. } | Phase::Speaking { .. } => seconds(90),
            Phase::Listening { turn } => match turn.floor {
                phase::Floor::Quiet => timing.silence,
                phase::Floor::Speech => seconds(60),
                phase::Floor::Pause { .. } => {
                    let ceiling = timing.endpoint_bounds.map_or(timing.endpoint_wait, |bounds| bounds.ceiling);
                    ceiling.max(if self.call.timers.is_set(CallReason::BackAgain) { BACK_AGAIN } else { ceiling })
                }
                phase::Floor::Closed => timing.final_deadline,
            },
            Phase::Keying { .. } => seconds(6),
            Phase::Thinking { .. } => timing.agent_deadline + HOLD_MAX,
            Phase::Advising { .. } => seconds(2),
            Phase::Handover { handover, step } => match step {
                HandoverStep::Away(_) | HandoverStep::Together => seconds(4 * 3600),
                HandoverStep::Calling => handover.ring + seconds(15),
                HandoverStep::Telling(_) => seconds(90),
                HandoverStep::Asked
                | HandoverStep::Back
                | HandoverStep::Meeting
                | HandoverStep::Joining
                | HandoverStep::Resuming => seconds(15),
            },
            Phase::Ending { .. } => seconds(15),
        }
    }

    fn note(&mut self, text: String) {
        let Some(log) = &mut self.log else { return };
        let (ms, phase) = ((self.world.now - self.begun).as_millis(), self.call.phase().name());
        log.push_back(if text.starts_with(' ') { text } else { format!("{ms:>8} ms, {phase:<9} {text}") });
    }
}

/// Walks through one call; where something did not hold, once more to show its last steps.
fn walk(seed: u64) -> (u64, u64, Silences, BTreeSet<&'static str>) {
    let mut walk = Walk::new(seed, false);
    let walked = catch_unwind(AssertUnwindSafe(|| walk.walk()));
    match walked {
        Ok(steps) => {
            let longest = walk.longest.into_iter().map(|(reason, longest)| (reason, (longest, seed))).collect();
            (steps, walk.adoptions, longest, walk.seen)
        }
        Err(broken) => {
            show(seed, SHOWN);
            resume_unwind(broken)
        }
    }
}

fn show(seed: u64, last: usize) {
    let mut walk = Walk::new(seed, true);
    let _ = catch_unwind(AssertUnwindSafe(|| walk.walk()));
    let log = walk.log.unwrap_or_default();
    println!("seed {} (again: VG_EXPLORE_SEED={seed}):", walk.seed);
    for line in log.iter().skip(log.len().saturating_sub(last)) {
        println!("{line}");
    }
}

#[expect(clippy::disallowed_methods, reason = "how far to walk is whose who starts the test")]
fn wish(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn whatever_fails_around_a_call_it_stays_polite_and_ends() {
    if let Some(seed) = wish("VG_EXPLORE_SEED").and_then(|seed| seed.parse().ok()) {
        show(seed, usize::MAX);
        walk(seed);
        return;
    }
    let wanted = if wish("VG_TEST_SIZE").as_deref() == Some("full") { STEPS_FULL } else { STEPS_CI };
    let (mut steps, mut seed, mut adoptions) = (0, 0, 0);
    let (mut longest, mut seen) = (Silences::new(), BTreeSet::new());
    while steps < wanted {
        let (walked, adopted, silences, seen_in_it) = walk(seed);
        seen.extend(seen_in_it);
        for (reason, silence) in silences {
            let known = longest.entry(reason).or_default();
            *known = silence.max(*known);
        }
        steps += walked;
        adoptions += adopted;
        seed += 1;
    }
    println!(
        "{steps} steps in {seed} calls, of which {adoptions} times another gateway went on; longest silences, and in which call, by what was waited for at last: {longest:?}"
    );
    let unseen: Vec<_> = [Reason::CallersTurn, Reason::Agent, Reason::Speaker, Reason::Person]
        .into_iter()
        .filter(|reason| !longest.contains_key(reason))
        .collect();
    assert!(adoptions > wanted / 1_000, "the walk is too short: {adoptions} times another gateway went on");
    // Three wrong tries in a row are rare.
    seen.remove("invalid");
    let heard = ["exact", "interpolated"].map(|extent| seen.remove(extent));
    assert_eq!(heard, [true; 2], "the walk is too short: what was heard was exact, interpolated: {heard:?}");
    assert_eq!(seen.len(), 4, "the walk is too short: of cards only {seen:?}");
    assert!(unseen.is_empty(), "the walk is too short: never waited for {unseen:?}");
}
