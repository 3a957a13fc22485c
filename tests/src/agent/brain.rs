//! What an orchestrator does, whatever it speaks.

use super::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// Conversations, and for tests the troubles to come and what was seen.
#[derive(Default)]
pub struct Brain {
    conversations: Mutex<HashMap<String, Conversation>>,
    troubles: Mutex<VecDeque<Trouble>>,
    seen: Mutex<Seen>,
    manner: Mutex<Manner>,
}

/// How it answers.
#[derive(Default)]
enum Manner {
    /// It thinks.
    #[default]
    Thinks,
    /// With this, whatever it is asked.
    Always(String),
    /// As an agent who begins in other words each time; so often it has.
    Anew(usize),
}

/// What it was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Bodies of new conversations.
    pub opened: Vec<Value>,
    /// Bodies of turns, each try of them.
    pub turns: Vec<Value>,
    /// Milliseconds of their deadline headers.
    pub deadlines_ms: Vec<u64>,
    /// `traceparent` of turns that had one.
    pub traces: Vec<String>,
    /// `authorization` of every request.
    pub authorizations: Vec<String>,
    /// Turns that were no longer wanted: told, or noticed by a stream that nobody reads any more.
    pub aborted: Vec<u32>,
    /// Turns of which it was told that they are over after all.
    pub committed: Vec<u32>,
    /// Bodies of requests for a transfer.
    pub handovers: Vec<Value>,
    /// Answers that were thought out: a turn that comes twice is thought about once.
    pub thoughts: usize,
}

#[derive(Default)]
struct Conversation {
    call: String,
    greeting: String,
    /// By turn: what was asked last.
    turns: BTreeMap<u32, Asked>,
}

/// A question, and the answer to it.
struct Asked {
    text: String,
    answer: Answer,
    /// When it was put first.
    at: Instant,
    /// Its turn may go on.
    speculative: bool,
    times: u32,
}

/// What was asked last in a turn that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The call, as the gateway names it.
    pub call: String,
    /// Counts from 1.
    pub turn: u32,
    /// What the caller said.
    pub text: String,
    /// When it was put first, by whichever gateway.
    pub at: Instant,
    /// How often it was put.
    pub times: u32,
}

/// A turn as it comes.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The conversation.
    pub conversation: String,
    /// Counts from 1.
    pub id: u32,
    /// What the caller said.
    pub text: String,
    /// What the caller heard before.
    pub heard: Vec<String>,
    /// It may go on.
    pub speculative: bool,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Words, in pieces.
    pub pieces: Vec<String>,
    /// What else is to be done, as `docs/agent.md` writes it.
    pub command: Option<Value>,
    /// What it expects of the caller.
    pub expect: Option<&'static str>,
    /// What it takes the conversation to be about.
    pub intent: Option<&'static str>,
    /// How long it wants to wait for the caller, in milliseconds.
    pub wait_ms: Option<u32>,
    /// Whether the caller may speak over the answer.
    pub interruptible: Option<bool>,
    /// In which language the call is to go on.
    pub language: Option<&'static str>,
    /// How long its first words take, where it is longer than usual, in milliseconds.
    pub hold_ms: Option<u32>,
}

/// Nobody knows the conversation.
#[derive(Debug)]
pub struct Unknown;

impl Brain {
    /// A new conversation: one for each call, however often it is asked for.
    pub fn open(&self, call: &str, greeting: &str) -> String {
        let id = format!("conv/{call}");
        let mut conversations = self.conversations();
        let conversation = conversations.entry(id.clone()).or_default();
        (conversation.call, conversation.greeting) = (call.to_owned(), greeting.to_owned());
        id
    }

    /// Answers a turn. The same turn with the same text gets the same answer; with another text it is thought about anew.
    ///
    /// # Errors
    /// The conversation is unknown.
    pub fn take(&self, turn: &Turn) -> Result<Answer, Unknown> {
        let mut conversations = self.conversations();
        let conversation = conversations.get_mut(&turn.conversation).ok_or(Unknown)?;
        if let Some(asked) = conversation.turns.get_mut(&turn.id)
            && asked.text == turn.text
        {
            asked.speculative &= turn.speculative;
            asked.times += 1;
            return Ok(asked.answer.clone());
        }
        let answer = match &mut *self.manner.lock().unwrap() {
            Manner::Thinks => think(turn),
            Manner::Always(text) => Answer::of(text.clone()),
            Manner::Anew(times) => {
                *times += 1;
                Answer::of(anew(*times))
            }
        };
        self.note(|seen| seen.thoughts += 1);
        let (text, at) = (turn.text.clone(), Instant::now());
        conversation.turns.insert(turn.id, Asked { text, answer: answer.clone(), at, speculative: turn.speculative, times: 1 });
        Ok(answer)
    }

    /// A turn that was asked speculatively is over.
    pub(super) fn commit(&self, conversation: &str, turn: u32) {
        let mut conversations = self.conversations();
        if let Some(asked) = conversations.get_mut(conversation).and_then(|conversation| conversation.turns.get_mut(&turn)) {
            asked.speculative = false;
        }
        self.note(|seen| seen.committed.push(turn));
    }

    /// Who answers in a conversation.
    ///
    /// # Errors
    /// The conversation is unknown.
    pub fn who(&self, conversation: &str) -> Result<(&'static str, &'static str), Unknown> {
        self.conversations().get(conversation).map(|_| ("parrot-1", "Polly")).ok_or(Unknown)
    }

    /// Where a caller goes who is to be handed over, and what the human is told.
    ///
    /// # Errors
    /// The conversation is unknown.
    pub fn hand_over(&self, conversation: &str) -> Result<Value, Unknown> {
        let conversations = self.conversations();
        let turns = conversations.get(conversation).ok_or(Unknown)?.turns.len();
        Ok(json!({"kind": "queue", "target": "sales", "mode": "attended", "summary": format!("Spoke {turns} times.")}))
    }

    /// From now on this is its answer to everything.
    pub fn always_answer(&self, text: &str) {
        *self.manner.lock().unwrap() = Manner::Always(text.to_owned());
    }

    /// From now on each answer begins in words with which none did before, so that no voice's first words are known already.
    pub fn begin_anew(&self) {
        *self.manner.lock().unwrap() = Manner::Anew(0);
    }

    /// The next answers get into these troubles.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().unwrap().extend(troubles);
    }

    pub(super) fn next_trouble(&self) -> Option<Trouble> {
        self.troubles.lock().unwrap().pop_front()
    }

    /// What it was told so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap());
    }

    /// Of each conversation the turns that were asked, in their order.
    pub fn turns_of_each(&self) -> Vec<Vec<u32>> {
        self.conversations().values().map(|conversation| conversation.turns.keys().copied().collect()).collect()
    }

    /// Of each turn that is over, of all conversations, what was asked last.
    pub fn questions(&self) -> Vec<Question> {
        let conversations = self.conversations();
        let all = conversations
            .values()
            .flat_map(|conversation| conversation.turns.iter().map(move |(turn, asked)| (&conversation.call, *turn, asked)));
        let over = all.filter(|(_, _, asked)| !asked.speculative);
        let question = |(call, turn, asked): (&String, u32, &Asked)| {
            let (call, text) = (call.clone(), asked.text.clone());
            Question { call, turn, text, at: asked.at, times: asked.times }
        };
        over.map(question).collect()
    }

    fn conversations(&self) -> MutexGuard<'_, HashMap<String, Conversation>> {
        self.conversations.lock().unwrap()
    }
}

/// Words of which three name a number: those of radio.
const SPELLED: [&str; 26] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima", "mike",
    "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
];

/// An answer whose first clause, short enough to be kept by whoever hears it often, comes again after 17576 others.
fn anew(number: usize) -> String {
    let spelled = [number / 676, number / 26, number].map(|letter| SPELLED[letter % SPELLED.len()]);
    format!("{}, your account is in good order.", spelled.join(" "))
}

/// A parrot with a few tricks.
pub(super) fn think(turn: &Turn) -> Answer {
    let (expect, intent) = if turn.text == "are you sure" { (Some("yesno"), Some("doubts")) } else { (None, None) };
    let (text, command) = match turn.text.as_str() {
        "goodbye" => ("Bye.".to_owned(), Some(json!({"action": "hang_up"}))),
        "human" => ("One moment.".to_owned(), Some(json!({"action": "human"}))),
        "sales" => {
            let transfer = json!({"action": "transfer", "kind": "queue", "target": "sales", "summary": "Wants to buy."});
            ("I connect you.".to_owned(), Some(transfer))
        }
        "number" => ("Your order's number, please.".to_owned(), Some(json!({"action": "collect", "digits_max": 6}))),
        "card" => {
            let fields = json!(["number", "expiry", "code"]);
            ("Key it in.".to_owned(), Some(json!({"action": "collect_card", "fields": fields, "first_ms": 9_000})))
        }
        "what did I hear" => (format!("You heard: {}", turn.heard.join(" ")), None),
        text => (format!("You said: {text}."), None),
    };
    Answer {
        command,
        expect,
        intent,
        wait_ms: expect.map(|_| 20_000),
        interruptible: (turn.text == "the law").then_some(false),
        language: (turn.text == "fala portugues").then_some("pt-BR"),
        hold_ms: (turn.text == "look it up").then_some(8_000),
        ..Answer::of(text)
    }
}

impl Answer {
    /// Words and nothing else, as a model gives them: a word at a time.
    fn of(text: String) -> Self {
        let pieces = text.split_inclusive(' ').map(str::to_owned).collect();
        let (command, expect, intent, wait_ms) = (None, None, None, None);
        Self { pieces, command, expect, intent, wait_ms, interruptible: None, language: None, hold_ms: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_turn_that_may_go_on_is_no_question_yet_and_of_one_that_is_over_the_last_words_count() {
        let brain = Brain::default();
        let conversation = brain.open("call", "Hello.");
        let asks = |id: u32, text: &str, speculative: bool| {
            let turn = Turn { conversation: conversation.clone(), id, text: text.to_owned(), heard: Vec::new(), speculative };
            brain.take(&turn).unwrap();
        };
        let over = || brain.questions().into_iter().map(|asked| (asked.call, asked.turn, asked.text)).collect::<Vec<_>>();
        asks(1, "what", true);
        assert_eq!(over(), []);
        asks(1, "what time", true);
        brain.commit(&conversation, 1);
        let first = ("call".to_owned(), 1, "what time".to_owned());
        assert_eq!(over(), std::slice::from_ref(&first));
        asks(2, "and where", true);
        asks(2, "and where", false);
        asks(2, "and where is it", false);
        assert_eq!(over(), [first, ("call".to_owned(), 2, "and where is it".to_owned())]);
    }

    #[test]
    fn answers_that_begin_anew_do() {
        let all: HashSet<String> = (1..=17_576).map(anew).collect();
        assert_eq!(all.len(), 17_576);
        let first = |number| anew(number).split_once(',').map(|(clause, _)| clause.len() + 1).unwrap();
        assert!((1..=17_576).all(|number| first(number) <= 40), "a clause of 40 characters is kept");
    }
}
