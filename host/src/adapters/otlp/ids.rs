//! Names of traces and spans. They follow from the call and the turn, so that whoever tells an agent of a turn names the same trace as who
//! exports it, without a word between them.

use ring::digest::{Context, SHA256};
use vg_domain::ids::{CallId, TurnId};

/// Whether turns are exported. An agent is told of traces only where they are: what it adds would hang in the air otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traces {
    /// They are.
    Exported,
    /// They are not.
    Off,
}

impl Traces {
    /// `traceparent` (W3C Trace Context, section 3.2) of the question of a turn: its parent is the turn's `agent` span.
    pub(in crate::adapters) fn parent(self, call: &CallId, turn: TurnId) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Exported => {
                let ids = TurnIds::new(call, turn);
                Some(format!("00-{}-{}-01", hex(&ids.trace()), hex(&ids.agent())))
            }
        }
    }
}

/// Names of one turn.
pub(super) struct TurnIds<'a> {
    call: &'a CallId,
    turn: TurnId,
}

impl<'a> TurnIds<'a> {
    pub(super) fn new(call: &'a CallId, turn: TurnId) -> Self {
        Self { call, turn }
    }

    pub(super) fn trace(&self) -> [u8; 16] {
        self.named("trace", 0)
    }

    /// The span that is the whole turn.
    pub(super) fn turn(&self) -> [u8; 8] {
        self.named("turn", 0)
    }

    /// The span of the agent.
    pub(super) fn agent(&self) -> [u8; 8] {
        self.named("agent", 0)
    }

    /// The span of any other part.
    pub(super) fn part(&self, nth: usize) -> [u8; 8] {
        self.named("part", nth)
    }

    /// Calls have unique ids, so that a part of a digest is as good as dice.
    fn named<const N: usize>(&self, what: &str, nth: usize) -> [u8; N] {
        let mut digest = Context::new(&SHA256);
        for text in [self.call.as_str(), what] {
            digest.update(text.as_bytes());
            digest.update(&[0]);
        }
        digest.update(&self.turn.0.to_be_bytes());
        digest.update(&(nth as u64).to_be_bytes());
        let digest = digest.finish();
        std::array::from_fn(|at| digest.as_ref()[at])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_turn_has_names_of_its_own_and_always_the_same() {
        let (one, other) = (CallId::new("c-1"), CallId::new("c-11"));
        let mut traces = BTreeSet::new();
        let mut spans = BTreeSet::new();
        for (call, turn) in [(&one, 1), (&one, 2), (&one, 11), (&other, 1)] {
            let ids = TurnIds::new(call, TurnId(turn));
            assert_eq!(ids.trace(), TurnIds::new(call, TurnId(turn)).trace());
            traces.insert(ids.trace());
            spans.extend([ids.turn(), ids.agent()].into_iter().chain((0..8).map(|nth| ids.part(nth))));
        }
        assert_eq!((traces.len(), spans.len()), (4, 40));
    }

    #[test]
    fn an_agent_is_told_of_a_trace_only_where_it_is_exported() {
        let call = CallId::new("c-1");
        assert_eq!(Traces::Off.parent(&call, TurnId(1)), None);
        let told = Traces::Exported.parent(&call, TurnId(1)).unwrap();
        let lengths: Vec<usize> = told.split('-').map(str::len).collect();
        assert_eq!((lengths.as_slice(), &told[..3], &told[told.len() - 3..]), (&[2, 32, 16, 2][..], "00-", "-01"));
        assert!(told.bytes().all(|byte| byte == b'-' || matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{told}");
    }
}
