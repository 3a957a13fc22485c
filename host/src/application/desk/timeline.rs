//! What happened in a call, as far as it explains it: who was waited for, who fell, why it ended. Neither words nor numbers.

use crate::application::limits;
use std::collections::VecDeque;
use std::mem::size_of;
use std::time::SystemTime;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::{Fact, Role};
use vg_domain::ids::{PluginId, TurnId};
use vg_domain::outcome::EndCause;
use vg_domain::parties::Direction;
use vg_domain::speech::Extent;
use vg_domain::transfer::TransferMode;
use vg_domain::turn::{LatencyParts, Owner};

/// The story of a call. Bounded; what is summed up is whole even where steps were dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What happened, in its order.
    pub steps: VecDeque<(SystemTime, Step)>,
    /// Earlier steps that are no longer there.
    pub steps_dropped: u32,
    /// How long the caller waited for answers.
    pub waits: Waits,
    /// Who fell and how often, in the order of their first falls.
    pub falls: Vec<(Fallen, u32)>,
    /// Falls of further kinds.
    pub falls_untold: u32,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody called, or was called.
    Began(Direction),
    /// It was answered.
    Answered(AnsweredBy),
    /// What the caller said in this turn was understood.
    Heard(TurnId),
    /// The caller spoke, and nothing was understood.
    NotUnderstood(TurnId),
    /// The answer was late, and something was said meanwhile.
    Filler(TurnId),
    /// A turn got its answer.
    Turn {
        /// Which one.
        turn: TurnId,
        /// Where its time went; none where it has no anchor (the caller typed, or was already silent).
        latency: Option<LatencyParts>,
        /// The caller spoke over the answer.
        interrupted: bool,
    },
    /// The caller spoke over what the gateway said.
    Interrupted {
        /// So many milliseconds of it had been heard.
        spoken_ms: u64,
        /// How well it is known which words that were.
        extent: Extent,
    },
    /// Somebody fell.
    Fell(Fallen),
    /// The media path is silent; bounded label of what is missing.
    PathSilent(&'static str),
    /// The caller is given to a person, for nobody here could go on.
    Escalated,
    /// The caller is being handed over.
    HandingOver(Handed),
    /// The caller talks to somebody else.
    HandedOver(Handed),
    /// The caller's own telephone went elsewhere; bounded label of what was to be reached.
    Referred(&'static str),
    /// The caller was not handed over.
    NotHandedOver(Handed, &'static str),
    /// It is over.
    Ended(EndCause),
}

/// Who fell, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallen {
    /// Whose part it was.
    pub role: Role,
    /// Which plugin, where it is one.
    pub plugin: Option<PluginId>,
    /// Bounded label.
    pub code: &'static str,
}

/// To what and how a caller is handed over. Never to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Bounded label of what is to be reached.
    pub kind: &'static str,
    /// How.
    pub mode: TransferMode,
}

/// How long a caller waited for answers, over all turns whose latency is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// So many turns.
    pub turns: u32,
    /// From last words to first sound, summed up.
    pub total_ms: u64,
    /// Whose time it was, in the order of [`Owner::ALL`].
    pub of_ms: [u64; Owner::ALL.len()],
    /// The turn that took longest; the first of equals.
    pub longest: Option<(TurnId, LatencyParts)>,
}

impl Timeline {
    pub(super) fn note(&mut self, at: SystemTime, fact: &Fact) {
        let Some(step) = step(fact) else { return };
        match &step {
            Step::Turn { turn, latency: Some(latency), .. } => self.waits.add(*turn, latency),
            Step::Fell(fallen) => self.count(fallen),
            // A turn is told again, longer, where the caller went on: understood is it with the last words.
            Step::Heard(_) if self.steps.back().is_some_and(|(_, last)| *last == step) => drop(self.steps.pop_back()),
            _ => {}
        }
        self.steps.push_back((at, step));
        if self.steps.len() > limits::DESK_TIMELINE_STEPS {
            self.steps.pop_front();
            self.steps_dropped += 1;
        }
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.steps.len() * size_of::<(SystemTime, Step)>() + self.falls.len() * size_of::<(Fallen, u32)>()
    }

    fn count(&mut self, fallen: &Fallen) {
        let known = self.falls.iter().position(|(known, _)| known == fallen);
        match known {
            Some(nth) => self.falls[nth].1 += 1,
            None if self.falls.len() < limits::DESK_FALLS => self.falls.push((fallen.clone(), 1)),
            None => self.falls_untold += 1,
        }
    }
}

impl Waits {
    fn add(&mut self, turn: TurnId, latency: &LatencyParts) {
        self.turns += 1;
        self.total_ms += u64::from(latency.total_ms);
        for (sum, owner) in self.of_ms.iter_mut().zip(Owner::ALL) {
            *sum += u64::from(latency.of(owner));
        }
        if self.longest.is_none_or(|(_, longest)| latency.total_ms > longest.total_ms) {
            self.longest = Some((turn, *latency));
        }
    }
}

/// What a fact adds to the story; none where it explains nothing.
fn step(fact: &Fact) -> Option<Step> {
    Some(match fact {
        Fact::Started(parties) => Step::Began(parties.direction),
        Fact::Answered(by) => Step::Answered(*by),
        Fact::Heard { turn, .. } => Step::Heard(*turn),
        Fact::NotUnderstood { turn } | Fact::Withheld { turn } => Step::NotUnderstood(*turn),
        Fact::Filler { turn, .. } => Step::Filler(*turn),
        Fact::Turn(record) => Step::Turn { turn: record.turn, latency: record.latency, interrupted: record.interrupted },
        Fact::Interrupted { spoken_ms, extent, .. } => Step::Interrupted { spoken_ms: *spoken_ms, extent: *extent },
        Fact::Fell { who, plugin, code } => Step::Fell(Fallen { role: *who, plugin: plugin.clone(), code }),
        Fact::PathSilent(code) => Step::PathSilent(code),
        // The target may be a number.
        Fact::Escalated { .. } => Step::Escalated,
        Fact::Transferring { kind, mode } => Step::HandingOver(Handed { kind, mode: *mode }),
        Fact::Transferred { kind, mode } => Step::HandedOver(Handed { kind, mode: *mode }),
        Fact::Referred { kind } => Step::Referred(kind),
        Fact::TransferFailed { kind, mode, code } => Step::NotHandedOver(Handed { kind, mode: *mode }, code),
        Fact::Ended(outcome) => Step::Ended(outcome.cause),
        Fact::Hearing { .. }
        | Fact::Adopted { .. }
        | Fact::TakenOver
        | Fact::Shadowed(_)
        | Fact::Saying { .. }
        | Fact::Refused(_)
        | Fact::Agent(_)
        | Fact::LanguageChanged { .. }
        | Fact::Recording(_)
        | Fact::Used { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vg_domain::mask::MaskedText;
    use vg_domain::turn::TurnRecord;

    fn fell(code: &'static str) -> Fact {
        Fact::Fell { who: Role::Hearing, plugin: Some(PluginId::new("stt-a")), code }
    }

    fn turn(turn: u32, agent_ms: u32) -> Fact {
        let latency = LatencyParts { endpoint_wait_ms: 500, agent_ms, total_ms: 500 + agent_ms, ..LatencyParts::default() };
        let (heard, said) = (MaskedText::default(), MaskedText::default());
        Fact::Turn(TurnRecord { turn: TurnId(turn), heard, said, latency: Some(latency), spans: Vec::new(), interrupted: false })
    }

    #[test]
    fn what_is_summed_up_is_whole_and_what_is_told_is_bounded() {
        let mut timeline = Timeline::default();
        let at = |s: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(s.into());
        let turns = limits::DESK_TIMELINE_STEPS as u32;
        for n in 1..=turns {
            timeline.note(at(n), &turn(n, if n == 3 { 4_000 } else { 100 }));
            timeline.note(at(n), &fell("trap"));
        }
        assert_eq!((timeline.steps.len(), timeline.steps_dropped), (limits::DESK_TIMELINE_STEPS, turns));
        assert_eq!(timeline.steps.back().map(|(when, _)| *when), Some(at(turns)));
        let waits = timeline.waits;
        assert_eq!((waits.turns, waits.longest.map(|(turn, _)| turn)), (turns, Some(TurnId(3))));
        assert_eq!(waits.of_ms, [500 * u64::from(turns), 0, 100 * u64::from(turns) + 3_900, 0]);
        assert_eq!(waits.total_ms, waits.of_ms.iter().sum::<u64>());
        assert_eq!(timeline.falls, [(Fallen { role: Role::Hearing, plugin: Some(PluginId::new("stt-a")), code: "trap" }, turns)]);
        for n in 0..limits::DESK_FALLS {
            let plugin = Some(PluginId::new(format!("stt-{n}")));
            timeline.note(at(0), &Fact::Fell { who: Role::Hearing, plugin, code: "auth" });
        }
        assert_eq!((timeline.falls.len(), timeline.falls_untold), (limits::DESK_FALLS, 1));
    }

    #[test]
    fn a_turn_that_grows_was_heard_once_and_with_its_last_words() {
        let mut timeline = Timeline::default();
        let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        for (s, turn) in [(1, 1), (2, 1), (3, 2)] {
            timeline.note(at(s), &Fact::Heard { turn: TurnId(turn), text: MaskedText::default() });
        }
        assert_eq!(timeline.steps, [(at(2), Step::Heard(TurnId(1))), (at(3), Step::Heard(TurnId(2)))]);
    }
}
