//! Turns that the agent does not answer.

use super::*;
use crate::fallback::Intent;

fn settings() -> TenantSettings {
    let answer = |(intent, line): (&str, &str)| (Intent::parse(intent).unwrap(), line.to_owned());
    let answers = [("delivery", "Parcels come within three days."), ("returns", "Returns are free.")].map(answer).into();
    TenantSettings { fallback: Fallback { answers, ..Fallback::default() }, ..with_human() }
}

fn without_human() -> TenantSettings {
    TenantSettings { human: None, ..settings() }
}

impl Desk {
    fn names(&mut self, turn: u32, intent: &str) -> Vec<String> {
        self.tell(CallInput::AgentHints { turn: TurnId(turn), hint: Hint::Intent(Intent::parse(intent).unwrap()) })
    }

    fn agent_falls(&mut self, turn: u32) -> Vec<String> {
        self.tell(CallInput::AgentFell { turn: TurnId(turn), code: "unavailable" })
    }
}

/// A call in which the agent has answered turn 1, said what it is about, and is asked in turn 2.
fn about(intent: &str, settings: TenantSettings) -> Desk {
    let mut desk = Desk::thinking(settings, "where is my parcel");
    desk.text(1, "On its way. ");
    assert_eq!(desk.names(1, intent), [""; 0]);
    desk.done(1, None);
    desk.utter(2);
    desk.ask("and when does it come");
    desk
}

#[test]
fn the_line_of_what_the_conversation_is_about_stands_for_an_answer() {
    assert_eq!(about("delivery", settings()).agent_falls(2)[1], "say 3: Parcels come within three days.");
    assert_eq!(about("returns", settings()).wake(CallReason::AgentDeadline)[2], "say 3: Returns are free.");
    assert_eq!(about("songs", settings()).agent_falls(2)[1], "say 3: Please bear with us.", "nothing is known of that");
    assert_eq!(Desk::thinking(settings(), "hello").agent_falls(1)[1], "say 2: Please bear with us.", "nothing was named");
    // Named with an answer that then breaks off: it holds at once.
    let mut desk = Desk::speaking(settings());
    desk.names(1, "returns");
    assert_eq!(desk.agent_falls(1)[..2], ["- thinking fell: unavailable", "say 2: Returns are free."]);
}

#[test]
fn what_was_named_last_holds_and_what_comes_late_does_not() {
    let mut desk = about("delivery", settings());
    desk.text(2, "Soon. ");
    desk.names(2, "returns");
    desk.done(2, None);
    desk.utter(3);
    desk.ask("can I send it back");
    assert_eq!(desk.names(2, "delivery"), [""; 0], "of a turn that is over");
    assert_eq!(desk.agent_falls(3)[1], "say 4: Returns are free.");
}

#[test]
fn an_agent_that_falls_twice_in_a_row_gives_way_to_a_person() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.agent_falls(1);
    desk.utter(2);
    desk.ask("hello");
    assert_eq!(desk.agent_falls(2), ["- thinking fell: unavailable", "seek advice (trouble): a person"]);
    assert_eq!(
        desk.no_advice(),
        ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (trouble)"]
    );
    // Nobody is there: the agent has its tries again.
    desk.tell(CallInput::HandoverFailed { code: "refused" });
    desk.utter(3);
    desk.ask("hello");
    assert_eq!(desk.agent_falls(3)[1], "say 4: Please bear with us.");
}

#[test]
fn an_answer_that_breaks_off_for_the_second_time_is_said_so_far_before_the_person_comes() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.agent_falls(1);
    desk.utter(2);
    desk.ask("hello");
    desk.text(2, "Well, it");
    assert_eq!(desk.agent_falls(2), ["- thinking fell: unavailable", "end utterance 3"]);
    let after = desk.utter(3);
    assert!(after.contains(&"transfer to queues,human".to_owned()), "{after:?}");
}

#[test]
fn a_sentence_that_was_finished_before_the_fall_is_said_and_half_a_one_is_not() {
    let said = |desk: &mut Desk| {
        let done = desk.agent_falls(1);
        done.into_iter().filter(|line| line.starts_with("say ")).collect::<Vec<_>>()
    };
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "At noon.");
    assert_eq!(said(&mut desk), ["say 2: At noon.", "say 2: Please bear with us."]);
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "At noon. You can come, or se");
    assert_eq!(said(&mut desk), ["say 2: You can come,", "say 2: Please bear with us."]);
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "At no");
    assert_eq!(said(&mut desk), ["say 2: Please bear with us."]);
}

#[test]
fn falls_with_an_answer_between_them_and_falls_without_a_person_go_on() {
    let mut desk = Desk::thinking(settings(), "hello");
    for turn in [1, 3, 5] {
        assert_eq!(desk.agent_falls(turn)[1], format!("say {}: Please bear with us.", turn + 1));
        desk.utter(turn + 1);
        desk.ask("hello");
        desk.text(turn + 1, "Yes. ");
        desk.done(turn + 1, None);
        desk.utter(turn + 2);
        desk.ask("hello");
    }
    let mut desk = Desk::thinking(without_human(), "hello");
    for turn in 1..=5 {
        assert_eq!(desk.agent_falls(turn)[1], format!("say {}: Please bear with us.", turn + 1));
        desk.utter(turn + 1);
        desk.ask("hello");
    }
}

#[test]
fn an_agent_that_was_never_there_gives_way_to_a_person_too() {
    let mut desk = Desk::new(settings());
    desk.tell(CallInput::Offered);
    for input in [CallInput::ConversationFailed { code: "code" }, CallInput::MediaConnected, CallInput::Answered] {
        desk.tell(input);
    }
    desk.utter(1);
    assert_eq!(desk.ask("hello")[1], "say 2: Please bear with us.");
    desk.utter(2);
    assert_eq!(
        desk.ask("hello")[1..],
        ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (trouble)"]
    );
}
