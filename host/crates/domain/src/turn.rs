//! One turn and where its time went.

use crate::ids::TurnId;
use crate::mask::MaskedText;
use std::time::{Duration, Instant};

/// Where the time of a turn went, in whole milliseconds that sum to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyParts {
    /// From the caller's last voiced sample to the decision that the turn is over (owner: setting).
    pub endpoint_wait_ms: u32,
    /// From that decision to the words that were sent on (owner: provider).
    pub stt_ms: u32,
    /// From the question to the agent's first words (owner: agent).
    pub agent_ms: u32,
    /// From its first words to the first clause that can be spoken (owner: agent).
    pub clause_ms: u32,
    /// From that clause to its first audio (owner: provider).
    pub tts_ms: u32,
    /// From the first audio to its first audible sample on the wire (owner: gateway).
    pub playout_ms: u32,
    /// Everything between the other parts (owner: gateway).
    pub gateway_ms: u32,
    /// From the caller's last voiced sample to the first audible sample of the answer.
    pub total_ms: u32,
}

/// Whose time a part of a turn is: who could make it shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The tenant's own wish: silence that is waited for.
    Setting,
    /// Who hears or speaks.
    Provider,
    /// Who answers; the way to and from a remote agent is in it.
    Agent,
    /// This gateway.
    Gateway,
}

impl Owner {
    /// Every owner.
    pub const ALL: [Self; 4] = [Self::Setting, Self::Provider, Self::Agent, Self::Gateway];

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }
}

/// One of [`LatencyParts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bounded label.
    pub name: &'static str,
    /// Whose time it is.
    pub owner: Owner,
    /// How long.
    pub ms: u32,
}

impl LatencyParts {
    /// Every part but the total, in the order of a turn; the gateway's share of what lies between comes last.
    pub fn parts(&self) -> [Part; 7] {
        let part = |name, owner, ms| Part { name, owner, ms };
        [
            part("endpoint_wait", Owner::Setting, self.endpoint_wait_ms),
            part("stt", Owner::Provider, self.stt_ms),
            part("agent", Owner::Agent, self.agent_ms),
            part("clause", Owner::Agent, self.clause_ms),
            part("tts", Owner::Provider, self.tts_ms),
            part("playout", Owner::Gateway, self.playout_ms),
            part("gateway", Owner::Gateway, self.gateway_ms),
        ]
    }

    /// How much of it is whose.
    pub fn of(&self, owner: Owner) -> u32 {
        self.parts().iter().filter(|part| part.owner == owner).map(|part| part.ms).sum()
    }

    /// Who was waited for longest; the first of equals.
    pub fn waited_for(&self) -> Owner {
        let longest = |one: Owner, other: Owner| if self.of(other) > self.of(one) { other } else { one };
        Owner::ALL.into_iter().fold(Owner::Setting, longest)
    }
}

/// One of [`LatencyParts`] as a stretch of time. The gateway's share of what lies between the others is two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bounded label, as of [`Part`].
    pub name: &'static str,
    /// Whose time it is.
    pub owner: Owner,
    /// When it began.
    pub from: Instant,
    /// When it was over. *Invariant:* not before `from`.
    pub to: Instant,
}

/// A turn that got an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRecord {
    /// Which turn.
    pub turn: TurnId,
    /// What the caller said.
    pub heard: MaskedText,
    /// What was answered, as far as it was given to be spoken.
    pub said: MaskedText,
    /// None where a part has no anchor (the caller typed, or was already silent).
    pub latency: Option<LatencyParts>,
    /// The same as stretches of time, in their order; those of which both ends are known. Where `latency` is, each begins where the one before ends.
    pub spans: Vec<Span>,
    /// The caller spoke over the answer.
    pub interrupted: bool,
}

/// A moment of a turn, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Last voiced sample of the caller, at the socket.
    LastVoiced,
    /// The turn's pause had lasted long enough.
    EndpointDue,
    /// The end of turn was acted upon.
    Decided,
    /// The last words of the turn came.
    Worded,
    /// The agent was asked.
    Asked,
    /// The agent's first words came.
    FirstText,
    /// The first clause was given to the speaker.
    FirstClause,
    /// First samples came from the speaker.
    FirstAudio,
    /// First audible sample left, at the socket.
    Audible,
}

const MOMENTS: usize = Moment::Audible as usize + 1;

/// What lies between a moment and the next.
const BETWEEN: [(&str, Owner); MOMENTS - 1] = [
    ("endpoint_wait", Owner::Setting),
    ("gateway", Owner::Gateway),
    ("stt", Owner::Provider),
    ("gateway", Owner::Gateway),
    ("agent", Owner::Agent),
    ("clause", Owner::Agent),
    ("tts", Owner::Provider),
    ("playout", Owner::Gateway),
];

/// The moments of a turn so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeline([Option<Instant>; MOMENTS]);

impl Timeline {
    /// Notes a moment and forgets those that come after it: they belong to an attempt that no longer counts.
    pub(crate) fn note(&mut self, moment: Moment, at: Instant) {
        self.0[moment as usize] = Some(at);
        self.0[moment as usize + 1..].fill(None);
    }

    /// When it was.
    pub(crate) fn at(&self, moment: Moment) -> Option<Instant> {
        self.0[moment as usize]
    }

    /// Notes a moment the first time it comes.
    pub(crate) fn note_first(&mut self, moment: Moment, at: Instant) {
        self.0[moment as usize].get_or_insert(at);
    }

    /// The moments, each not before the one before it nor after the last: two clocks' readings may contradict each other by a moment. First and
    /// last stand.
    fn in_order(&self) -> [Option<Instant>; MOMENTS] {
        let [first, .., last] = self.0;
        let last = last.map(|last| first.map_or(last, |first| last.max(first)));
        let mut latest = None;
        self.0.map(|at| {
            let at = at?.max(latest.unwrap_or(at?));
            latest = Some(last.map_or(at, |last| at.min(last)));
            latest
        })
    }

    /// What lies between moments that follow each other and are known.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let moments = self.in_order();
        let pairs = moments.into_iter().zip(moments.into_iter().skip(1)).zip(BETWEEN);
        pairs.filter_map(|((from, to), (name, owner))| Some(Span { name, owner, from: from?, to: to? })).collect()
    }

    /// The parts, where every moment is known.
    ///
    /// Moments are rounded, not parts, so that the parts sum to the total exactly.
    pub(crate) fn parts(&self) -> Option<LatencyParts> {
        let moments = self.in_order();
        let zero = moments[0]?;
        let mut ms = [0_u32; MOMENTS];
        for (ms, at) in ms.iter_mut().zip(moments) {
            *ms = rounded_ms(at? - zero);
        }
        let between = |from: Moment, to: Moment| ms[to as usize] - ms[from as usize];
        Some(LatencyParts {
            endpoint_wait_ms: between(Moment::LastVoiced, Moment::EndpointDue),
            stt_ms: between(Moment::Decided, Moment::Worded),
            agent_ms: between(Moment::Asked, Moment::FirstText),
            clause_ms: between(Moment::FirstText, Moment::FirstClause),
            tts_ms: between(Moment::FirstClause, Moment::FirstAudio),
            playout_ms: between(Moment::FirstAudio, Moment::Audible),
            gateway_ms: between(Moment::EndpointDue, Moment::Decided) + between(Moment::Worded, Moment::Asked),
            total_ms: ms[MOMENTS - 1],
        })
    }
}

fn rounded_ms(duration: Duration) -> u32 {
    u32::try_from((duration + Duration::from_micros(500)).as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::{Dice, some_moment};

    fn sum(parts: &LatencyParts) -> u32 {
        parts.parts().iter().map(|part| part.ms).sum()
    }

    const ALL: [Moment; MOMENTS] = [
        Moment::LastVoiced,
        Moment::EndpointDue,
        Moment::Decided,
        Moment::Worded,
        Moment::Asked,
        Moment::FirstText,
        Moment::FirstClause,
        Moment::FirstAudio,
        Moment::Audible,
    ];

    #[test]
    fn every_part_is_the_time_between_its_moments() {
        let zero = some_moment();
        let mut timeline = Timeline::default();
        for (moment, ms) in ALL.into_iter().zip([0, 500, 503, 600, 601, 801, 851, 951, 971]) {
            assert_eq!(timeline.parts(), None);
            timeline.note(moment, zero + Duration::from_millis(ms));
        }
        let expected = LatencyParts {
            endpoint_wait_ms: 500,
            stt_ms: 97,
            agent_ms: 200,
            clause_ms: 50,
            tts_ms: 100,
            playout_ms: 20,
            gateway_ms: 4,
            total_ms: 971,
        };
        assert_eq!(timeline.parts(), Some(expected));
        let spans = timeline.spans();
        let told = spans.iter().map(|span| (span.name, (span.from - zero).as_millis(), (span.to - zero).as_millis()));
        let as_expected = [
            ("endpoint_wait", 0, 500),
            ("gateway", 500, 503),
            ("stt", 503, 600),
            ("gateway", 600, 601),
            ("agent", 601, 801),
            ("clause", 801, 851),
            ("tts", 851, 951),
            ("playout", 951, 971),
        ];
        assert_eq!(told.collect::<Vec<_>>(), as_expected);
        for part in expected.parts() {
            let of = spans.iter().filter(|span| span.name == part.name);
            assert!(of.clone().all(|span| span.owner == part.owner), "{part:?}");
            assert_eq!(of.map(|span| (span.to - span.from).as_millis()).sum::<u128>(), part.ms.into(), "{part:?}");
        }
    }

    #[test]
    fn a_turn_without_its_beginning_has_no_parts_and_the_spans_that_are_known() {
        let zero = some_moment();
        let mut timeline = Timeline::default();
        // The caller typed: there was no voice, and nobody waited for one to end.
        for (moment, ms) in ALL.into_iter().zip([0, 0, 3, 3, 5, 105, 125, 225, 245]).skip(2) {
            timeline.note(moment, zero + Duration::from_millis(ms));
        }
        assert_eq!(timeline.parts(), None);
        let names: Vec<&str> = timeline.spans().iter().map(|span| span.name).collect();
        assert_eq!(names, ["stt", "gateway", "agent", "clause", "tts", "playout"]);
        assert!(timeline.spans().windows(2).all(|two| two[0].to == two[1].from));
    }

    #[test]
    fn each_part_has_an_owner_and_whoever_has_most_was_waited_for() {
        let parts = LatencyParts {
            endpoint_wait_ms: 500,
            stt_ms: 300,
            agent_ms: 100,
            clause_ms: 20,
            tts_ms: 201,
            playout_ms: 30,
            gateway_ms: 4,
            total_ms: 1_155,
        };
        assert_eq!(Owner::ALL.map(|owner| parts.of(owner)), [500, 501, 120, 34]);
        assert_eq!(parts.waited_for(), Owner::Provider);
        assert_eq!(LatencyParts { stt_ms: 299, ..parts }.waited_for(), Owner::Setting);
        assert_eq!(parts.parts().iter().map(|part| part.ms).sum::<u32>(), parts.total_ms);
    }

    #[test]
    fn parts_sum_to_the_total_whatever_the_moments_are() {
        let zero = some_moment();
        let mut dice = Dice::new(7);
        for _ in 0..20_000 {
            let mut timeline = Timeline::default();
            for moment in ALL {
                // Clocks of two threads may contradict each other: moments come in any order.
                timeline.note(moment, zero + Duration::from_micros(dice.below(3_000_000)));
            }
            let parts = timeline.parts().unwrap();
            assert_eq!(sum(&parts), parts.total_ms, "{timeline:?}");
            let spans = timeline.spans();
            assert!(spans.len() == MOMENTS - 1 && spans.windows(2).all(|two| two[0].to == two[1].from), "{timeline:?}");
            assert!(spans.iter().all(|span| span.from <= span.to), "{timeline:?}");
            let whole = spans[MOMENTS - 2].to - spans[0].from;
            assert_eq!(rounded_ms(whole), parts.total_ms, "{timeline:?}");
        }
    }

    #[test]
    fn an_earlier_moment_noted_again_forgets_the_later_ones() {
        let zero = some_moment();
        let mut timeline = Timeline::default();
        for moment in ALL {
            timeline.note(moment, zero);
        }
        assert!(timeline.parts().is_some());
        timeline.note(Moment::LastVoiced, zero + Duration::from_secs(1));
        assert_eq!(timeline.parts(), None);
    }
}
