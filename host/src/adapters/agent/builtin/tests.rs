use super::*;
use crate::adapters::agent::memory::CONVERSATIONS_MAX;
use crate::adapters::tenants;
use std::collections::BTreeMap;
use std::time::Duration;
use vg_domain::ids::{CallId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;

fn at(time: &str) -> Zoned {
    let time: jiff::civil::DateTime = format!("2026-11-22T{time}").parse().unwrap();
    time.to_zoned(jiff::tz::TimeZone::UTC).unwrap()
}

fn said(heard: &str) -> String {
    answer(heard, "Welcome.", &at("15:05:00")).text
}

fn intent(heard: &str) -> Intent {
    Intent::of(heard)
}

#[test]
fn it_knows_the_phrases_of_the_demo_grammar() {
    for (phrase, wanted) in [
        ("hello", Intent::Greeting),
        ("what time is it now", Intent::Time),
        ("could you tell me the time please", Intent::Time),
        ("what day is it today", Intent::Date),
        ("what is the date today", Intent::Date),
        ("what are your opening hours tomorrow", Intent::Hours),
        ("what time do you close on monday", Intent::Hours),
        ("are you open this weekend", Intent::Hours),
        ("check the status of my order number five two seven oh", Intent::Order("5 2 7 0".into())),
        ("where is my parcel", Intent::OrderWithoutNumber),
        ("i want to speak to a human agent", Intent::Human),
        ("please let me talk to someone", Intent::Human),
        ("connect me to billing", Intent::Human),
        ("could you say that again", Intent::Repeat),
        ("what can i say", Intent::Help),
        ("goodbye", Intent::Goodbye),
        ("thank you very much bye", Intent::Goodbye),
        ("that is all thank you", Intent::Goodbye),
        ("open a new account", Intent::Other),
        ("what is my account balance", Intent::Other),
    ] {
        assert_eq!(intent(phrase), wanted, "{phrase}");
    }
}

#[test]
fn case_and_punctuation_do_not_matter() {
    assert_eq!(intent("What TIME is it?"), Intent::Time);
    assert_eq!(intent("Order 5-27, please."), Intent::Order("5 2 7".into()));
    assert_eq!(intent(""), Intent::Other);
}

#[test]
fn it_tells_the_time_in_words_that_any_voice_reads() {
    assert_eq!(said("what time is it"), "It is 3:05 in the afternoon.");
    assert_eq!(spoken_time(&at("00:00:00")), "12 o'clock in the morning");
    assert_eq!(spoken_time(&at("12:30:00")), "12:30 in the afternoon");
    assert_eq!(spoken_time(&at("23:59:00")), "11:59 in the evening");
    assert_eq!(said("what is the date"), "Today is Sunday, November 22.");
}

#[test]
fn it_repeats_what_it_understood_and_what_it_said() {
    assert_eq!(said("my bill is wrong."), "You said: my bill is wrong.");
    assert_eq!(said("pardon"), "Welcome.");
}

#[test]
fn answers_come_in_a_few_pieces_that_make_the_whole() {
    for text in
        ["", "Yes.", "It is 3:05 in the afternoon.", "Um café, à tarde, é sempre ótimo, não é?", "unbreakablewordthatislong"]
    {
        let cut: Vec<&str> = pieces(text).collect();
        assert!(cut.len() <= PIECES);
        assert_eq!(cut.concat(), text);
    }
    assert_eq!(pieces("We are open from nine to six.").count(), 3);
}

fn question(conversation: &ConversationId, words: &str) -> Question {
    let text = Mask::new().mask_final(Heard::new(words.into()));
    Question {
        call: CallId::new("call-1"),
        conversation: conversation.clone(),
        turn: TurnId(1),
        text,
        said: Vec::new(),
        within: Duration::from_secs(10),
        speculative: false,
        card: None,
    }
}

fn request(call: &str) -> ConversationRequest {
    ConversationRequest {
        dialled: Pii::new(String::new()),
        agent: None,
        metadata: BTreeMap::new(),
        direction: Direction::Inbound,
        call: CallId::new(call),
        settings: std::sync::Arc::new(tenants::demo()),
        caller: Pii::new(String::new()),
    }
}

#[tokio::test]
async fn a_goodbye_ends_with_the_command_to_hang_up() {
    let agent = BuiltinAgent::new();
    let conversation = agent.open(request("c")).await.unwrap();
    let mut events = agent.ask(question(&conversation, "goodbye")).await.unwrap();
    let mut text = String::new();
    loop {
        match events.recv().await {
            Some(AgentEvent::Text(piece)) => text += &piece,
            Some(AgentEvent::Done(command)) => break assert_eq!(command, Some(AgentCommand::HangUp)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, "Thank you for calling. Goodbye.");
}

#[tokio::test]
async fn only_known_conversations_are_answered_and_the_oldest_is_forgotten_at_the_cap() {
    let agent = BuiltinAgent::new();
    let unknown = agent.ask(question(&ConversationId::new("x"), "hello")).await;
    assert_eq!(unknown.err(), Some(AgentError::UnknownConversation));
    let first = agent.open(request("first")).await.unwrap();
    for n in 1..CONVERSATIONS_MAX {
        agent.memory().open(ConversationId::new(format!("{n}")), String::new());
    }
    assert!(agent.ask(question(&first, "hello")).await.is_ok());
    agent.memory().open(ConversationId::new("one more"), String::new());
    assert_eq!(agent.ask(question(&first, "hello")).await.err(), Some(AgentError::UnknownConversation));
}
