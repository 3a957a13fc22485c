//! Questions that are put before their turn is over.

use super::*;

const NONE: [&str; 0] = [];

fn eager() -> TenantSettings {
    TenantSettings { speculations_max: 3, ..settings() }
}

/// A caller who has paused after these words, with which the agent was asked.
pub(super) fn guessed(words: &str) -> Desk {
    let mut desk = Desk::listening(eager());
    desk.speech();
    desk.after(700).partial(words);
    desk.after(200).pause();
    assert_eq!(desk.wake(CallReason::Guess), [format!("speculate 1: {words}")]);
    desk
}

#[test]
fn an_answer_has_a_head_start_and_is_heard_when_the_turn_is_over() {
    let mut desk = guessed("where is my order");
    assert_eq!(desk.text(1, "It is on its way. "), NONE);
    assert_eq!(desk.done(1, None), NONE);
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
    desk.words("where is my order");
    let said = [
        "- heard 1: where is my order",
        "commit 1",
        "speculation committed",
        "say 2: It is on its way.",
        "- saying 2: It is on its way.",
        "end utterance 2",
    ];
    assert_eq!(desk.tell(CallInput::Finalized), said);
    let turn = desk.utter(2);
    assert!(turn[0].starts_with("- turn 1: where is my order -> It is on its way., "), "{turn:?}");
}

#[test]
fn an_answer_that_is_still_on_its_way_goes_on_and_the_agents_time_begins_with_the_turns_end() {
    let mut desk = guessed("where is my order");
    desk.text(1, "It is on its way. It");
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my order");
    assert_eq!(desk.tell(CallInput::Finalized)[3], "say 2: It is on its way.");
    assert_eq!(desk.text(1, " comes tomorrow. Bye")[0], "say 2: It comes tomorrow.");

    let mut desk = guessed("where is my order");
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my order");
    desk.tell(CallInput::Finalized);
    let asked = desk.now;
    assert_eq!(desk.wake(CallReason::AgentDeadline)[..2], ["cancel ask 1", "- thinking fell: deadline"]);
    assert_eq!(desk.now - asked, Duration::from_secs(10));
}

#[test]
fn who_goes_on_is_not_answered() {
    let mut desk = guessed("where is my order");
    desk.text(1, "It is on its way. ");
    assert_eq!(desk.speech(), ["cancel ask 1", "speculation aborted"]);
    assert_eq!(desk.text(1, "Anything else? "), NONE, "late");
    desk.after(500).partial("where is my order from monday");
    desk.after(200).pause();
    assert_eq!(desk.wake(CallReason::Guess), ["speculate 1: where is my order from monday"]);
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my order from monday");
    assert_eq!(desk.tell(CallInput::Finalized)[1], "commit 1");
}

#[test]
fn words_that_turn_out_otherwise_are_asked_anew() {
    let mut desk = guessed("where is my order");
    desk.text(1, "It is on its way. ");
    desk.done(1, None);
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my brother");
    let asked = ["- heard 1: where is my brother", "cancel ask 1", "speculation aborted", "ask 1: where is my brother"];
    assert_eq!(desk.tell(CallInput::Finalized), asked);

    // Before the end of the turn, too; but not for a capital letter.
    let mut desk = guessed("where is my order");
    desk.partial("Where is my order?");
    assert_eq!(desk.wake(CallReason::Guess), NONE);
    let mut desk = guessed("where is my order");
    desk.partial("where is my brother");
    let again = ["cancel ask 1", "speculation aborted", "speculate 1: where is my brother"];
    assert_eq!(desk.wake(CallReason::Guess), again);
}

#[test]
fn a_fall_before_the_turn_is_over_counts_when_it_is() {
    let mut desk = guessed("where is my order");
    assert_eq!(desk.tell(CallInput::AgentFell { turn: TurnId(1), code: "unavailable" }), NONE);
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my order");
    let said = desk.tell(CallInput::Finalized);
    assert_eq!(said[3..5], ["- thinking fell: unavailable", "say 2: Please bear with us."]);
}

#[test]
fn a_call_has_so_many_guesses_and_who_wants_none_has_none() {
    let mut desk = guessed("one");
    for words in ["two", "three"] {
        desk.partial(words);
        desk.wake(CallReason::Guess);
    }
    desk.partial("four");
    assert_eq!(desk.call.poll_timeout().unwrap().1, CallReason::EndOfTurn);
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(700).partial("where is my order");
    desk.after(200).pause();
    assert_eq!(desk.call.poll_timeout().unwrap().1, CallReason::EndOfTurn);
}

#[test]
fn whatever_ends_the_turn_ends_the_guess() {
    for (input, first) in [(CallInput::CallerGone, "cancel ask 1"), (CallInput::Drain, "cancel ask 1")] {
        let mut desk = guessed("where is my order");
        let actions = desk.tell(input);
        assert!(actions.contains(&first.to_owned()), "{actions:?}");
        assert_eq!(desk.text(1, "It is on its way. "), NONE);
    }
}

#[test]
fn digits_that_are_held_back_are_no_words_to_guess_with() {
    let mut desk = Desk::listening(eager());
    desk.speech();
    let text = Mask::new().mask_partial(Heard::new("it is 4111 1111 1".into()));
    desk.after(700).tell(CallInput::Partial { text, stability: None });
    desk.after(200).pause();
    assert_eq!(desk.wake(CallReason::Guess), NONE);
}
