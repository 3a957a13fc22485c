//! What the gateway has said since the caller's turn before, and how far it was heard: the agent is told with the next question.

use super::ports::{PastTurn, Reach, Said};
use vg_domain::event::{Fact, Role};
use vg_domain::ids::{TurnId, UtteranceId};
use vg_domain::mask::MaskedText;
use vg_domain::speech::Extent;

/// Utterances that are kept; a call that says more between two turns forgets the oldest.
const KEPT_MAX: usize = 8;
/// Turns that another gateway is told of, where it goes on; an agent that keeps conversations by itself needs none.
const PAST_MAX: usize = 16;

/// Follows a call's facts.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    /// Told with the turn that is asked now.
    told: Vec<Said>,
    /// Said since then.
    since: Vec<(UtteranceId, Said)>,
    asked: Option<TurnId>,
    past: Vec<PastTurn>,
}

impl Sayings {
    /// Takes a fact of the call.
    pub(super) fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::Saying { utterance, text } => self.saying(*utterance, text),
            Fact::Heard { turn, text } => self.heard(*turn, text),
            Fact::Interrupted { utterance, spoken_ms, extent } => {
                let (spoken_ms, extent) = (Some(*spoken_ms), *extent);
                self.reached(|id| id == *utterance, Reach::Interrupted { spoken_ms, extent });
            }
            Fact::Turn(record) => {
                if let Some((_, said)) = self.since.last_mut() {
                    said.turn = Some(record.turn);
                    if record.interrupted && said.reach == Reach::Whole {
                        said.reach = Reach::Interrupted { spoken_ms: None, extent: Extent::Interpolated };
                    }
                }
            }
            Fact::Fell { who: Role::Speaking, .. } => {
                let last = self.since.last().map(|(id, _)| *id);
                self.reached(|id| Some(id) == last, Reach::Lost);
            }
            _ => {}
        }
    }

    /// What the agent is to be told with this turn: the same again where the turn is asked again.
    pub(super) fn told_with(&mut self, turn: TurnId) -> Vec<Said> {
        if self.asked.replace(turn) != Some(turn) {
            self.told.clear();
        }
        self.told.extend(self.since.drain(..).map(|(_, said)| said));
        let surplus = self.told.len().saturating_sub(KEPT_MAX);
        self.told.drain(..surplus);
        self.told.clone()
    }

    /// Of a call that another gateway held: what was said there, of which the first `told` were told with its last turn.
    pub(super) fn remember(&mut self, mut said: Vec<Said>, told: usize, past: Vec<PastTurn>) {
        let since = said.split_off(told.min(said.len()));
        // Nothing more is heard of those: what is said here has other numbers.
        self.since = since.into_iter().map(|said| (UtteranceId(0), said)).collect();
        self.told = said;
        self.asked = past.last().map(|past| past.turn);
        self.past = past;
    }

    /// The newest turns, without what was keyed in.
    pub(super) fn past(&self) -> &[PastTurn] {
        &self.past
    }

    /// What the agent was told last, so many, and then what it is to be told next.
    pub(super) fn kept(&self) -> (Vec<&Said>, usize) {
        let surplus = (self.told.len() + self.since.len()).saturating_sub(KEPT_MAX);
        let kept = self.told.iter().chain(self.since.iter().map(|(_, said)| said)).skip(surplus).collect();
        (kept, self.told.len().saturating_sub(surplus))
    }

    fn heard(&mut self, turn: TurnId, words: &MaskedText) {
        match self.past.last_mut().filter(|last| last.turn == turn) {
            Some(last) => last.words = words.clone(),
            None => {
                let since = self.since.iter().map(|(_, said)| said.text.up_to(said.heard().len()));
                let before = since.fold(MaskedText::default(), |all, said| all.followed_by(&said));
                self.past.push(PastTurn { turn, before, words: words.clone() });
                let surplus = self.past.len().saturating_sub(PAST_MAX);
                self.past.drain(..surplus);
            }
        }
    }

    fn saying(&mut self, utterance: UtteranceId, text: &MaskedText) {
        match self.since.last_mut() {
            Some((last, said)) if *last == utterance => said.text = said.text.followed_by(text),
            _ => {
                if self.since.len() == KEPT_MAX {
                    self.since.remove(0);
                }
                self.since.push((utterance, Said { turn: None, text: text.clone(), reach: Reach::Whole }));
            }
        }
    }

    fn reached(&mut self, which: impl Fn(UtteranceId) -> bool, reach: Reach) {
        if let Some((_, said)) = self.since.iter_mut().rev().find(|(id, _)| which(*id)) {
            said.reach = reach;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_domain::mask::Mask;
    use vg_domain::turn::TurnRecord;

    fn text(text: &str) -> MaskedText {
        Mask::new().mask_agent(text)
    }

    fn saying(utterance: u32, words: &str) -> Fact {
        Fact::Saying { utterance: UtteranceId(utterance), text: text(words) }
    }

    fn record(turn: u32, interrupted: bool) -> Fact {
        let (turn, heard, said) = (TurnId(turn), MaskedText::default(), MaskedText::default());
        Fact::Turn(TurnRecord { turn, heard, said, latency: None, spans: Vec::new(), interrupted })
    }

    fn sayings(facts: &[Fact]) -> Sayings {
        let mut sayings = Sayings::default();
        facts.iter().for_each(|fact| sayings.note(fact));
        sayings
    }

    fn told(sayings: &mut Sayings, turn: u32) -> Vec<(Option<u32>, String, Reach)> {
        let told = sayings.told_with(TurnId(turn));
        told.into_iter().map(|said| (said.turn.map(|turn| turn.0), said.text.as_str().to_owned(), said.reach)).collect()
    }

    #[test]
    fn what_is_told_as_heard_is_whole_words_from_the_beginning_and_no_more_than_its_time_allows() {
        let clauses = ["N\u{e3}o, \u{e0} tarde \u{e9} \u{f3}timo,", "and it arrives tomorrow.", "Anything else?"];
        for given in 1..=clauses.len() {
            let (all, mut before) = (clauses[..given].join(" "), 0);
            for spoken_ms in (0..6_000_u64).step_by(20) {
                let mut facts: Vec<Fact> = clauses[..given].iter().map(|clause| saying(1, clause)).collect();
                let (utterance, extent) = (UtteranceId(1), Extent::Interpolated);
                facts.extend([Fact::Interrupted { utterance, spoken_ms, extent }, saying(2, "Well, then.")]);
                let told = sayings(&facts).told_with(TurnId(1));
                let heard = told[0].heard();
                let rest = all.strip_prefix(heard).unwrap_or_else(|| panic!("{heard} after {spoken_ms} ms"));
                assert!(heard.is_empty() || rest.is_empty() || rest.starts_with(' '), "{heard}|{rest}");
                assert!(heard.chars().count() as u64 * 1_000 <= 15 * spoken_ms, "{heard} after {spoken_ms} ms");
                assert!(heard.len() >= before, "less in more time");
                before = heard.len();
            }
            assert_eq!(before, all.len());
        }
    }

    #[test]
    fn clauses_of_an_utterance_are_told_as_one() {
        let mut sayings =
            sayings(&[saying(1, "Welcome."), saying(2, "It is three."), saying(2, "Anything else?"), record(1, false)]);
        let expected =
            [(None, "Welcome.".to_owned(), Reach::Whole), (Some(1), "It is three. Anything else?".to_owned(), Reach::Whole)];
        assert_eq!(told(&mut sayings, 2), expected);
        assert_eq!(told(&mut sayings, 2), expected, "asked again, told again");
        assert_eq!(told(&mut sayings, 3), []);
    }

    #[test]
    fn whoever_goes_on_with_a_call_tells_what_was_said_since_the_last_question_and_that_only() {
        let mut first = sayings(&[saying(1, "Welcome.")]);
        first.note(&Fact::Heard { turn: TurnId(1), text: text("the time?") });
        told(&mut first, 1);
        first.note(&saying(2, "It is three."));
        first.note(&record(1, false));
        let next = || {
            let (said, told) = first.kept();
            let mut next = Sayings::default();
            next.remember(said.into_iter().cloned().collect(), told, first.past().to_vec());
            next
        };
        let answer = (Some(1), "It is three.".to_owned(), Reach::Whole);
        assert_eq!(told(&mut next(), 2), std::slice::from_ref(&answer));
        assert_eq!(told(&mut next(), 1), [(None, "Welcome.".to_owned(), Reach::Whole), answer], "asked again");
    }

    #[test]
    fn an_interruption_says_how_much_was_heard() {
        let extent = Extent::Exact { chars: 5 };
        let spoken = Fact::Interrupted { utterance: UtteranceId(2), spoken_ms: 700, extent };
        let mut known = sayings(&[saying(2, "It is three."), record(1, true), spoken.clone()]);
        assert_eq!(told(&mut known, 2)[0].2, Reach::Interrupted { spoken_ms: Some(700), extent });
        let mut unknown = sayings(&[saying(2, "It is three."), record(1, true)]);
        assert_eq!(told(&mut unknown, 2)[0].2, Reach::Interrupted { spoken_ms: None, extent: Extent::Interpolated });
        let mut greeting = sayings(&[saying(2, "Welcome."), spoken]);
        assert_eq!(told(&mut greeting, 1)[0].2, Reach::Interrupted { spoken_ms: Some(700), extent });
    }

    #[test]
    fn what_the_speaker_did_not_say_is_told_as_lost() {
        let fell = Fact::Fell { who: Role::Speaking, plugin: None, code: "deadline" };
        let other = Fact::Fell { who: Role::Hearing, plugin: None, code: "deadline" };
        let mut sayings = sayings(&[saying(1, "Welcome."), other, saying(2, "It is three."), fell]);
        let reaches: Vec<Reach> = told(&mut sayings, 2).into_iter().map(|(.., reach)| reach).collect();
        assert_eq!(reaches, [Reach::Whole, Reach::Lost]);
    }

    #[test]
    fn a_talkative_call_keeps_the_newest() {
        let facts: Vec<Fact> = (0..100).map(|n| saying(n, &format!("line {n}"))).collect();
        let mut sayings = sayings(&facts);
        let told = told(&mut sayings, 1);
        assert_eq!(told.len(), KEPT_MAX);
        assert_eq!(told[7].1, "line 99");
    }
}
