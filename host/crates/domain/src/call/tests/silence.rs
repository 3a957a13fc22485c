//! Callers who say nothing.

use super::*;

#[test]
fn a_silent_caller_is_asked_twice_and_then_left() {
    let mut desk = Desk::listening(settings());
    for utterance in [2, 3] {
        assert_eq!(desk.wake(CallReason::Silence)[0], format!("say {utterance}: Are you still there?"));
        desk.utter(utterance);
    }
    assert_eq!(desk.wake(CallReason::Silence)[0], "say 4: Goodbye.");
    assert_eq!(desk.utter(4), ["hang up: caller_silent", "Release"]);
}

#[test]
fn words_end_a_row_of_silences() {
    let mut desk = Desk::listening(settings());
    desk.wake(CallReason::Silence);
    desk.utter(2);
    desk.wake(CallReason::Silence);
    desk.utter(3);
    desk.ask("hello");
    desk.text(3, "Good day.");
    desk.done(3, None);
    desk.utter(4);
    assert_eq!(desk.wake(CallReason::Silence)[0], "say 5: Are you still there?");
}

/// A call that has answered turn 1 with `wait_ms` of silence in mind, and listens to turn 2.
fn patient(wait_ms: u64) -> Desk {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Please fetch your contract.");
    assert_eq!(desk.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Wait(Duration::from_millis(wait_ms)) }), [""; 0]);
    desk.done(1, None);
    desk.utter(2);
    desk
}

fn silence_ms(desk: &mut Desk) -> u128 {
    let since = desk.now;
    assert_eq!(desk.wake(CallReason::Silence)[0].split_once(": ").unwrap().1, "Are you still there?");
    (desk.now - since).as_millis()
}

#[test]
fn who_was_asked_to_fetch_something_is_left_alone_for_as_long_as_the_agent_says() {
    let mut desk = patient(30_000);
    assert_eq!(silence_ms(&mut desk), 30_000);
    desk.utter(3);
    assert_eq!(silence_ms(&mut desk), 5_000, "once");
    assert_eq!(silence_ms(&mut patient(1_000)), 5_000, "never less than usual");
    assert_eq!(silence_ms(&mut patient(600_000)), 120_000, "nor longer than anybody waits");
}

#[test]
fn a_wait_is_for_the_turn_after_its_answer_alone() {
    let mut desk = patient(30_000);
    desk.ask("here it is");
    desk.text(2, "Thank you.");
    desk.done(2, None);
    desk.utter(3);
    assert_eq!(silence_ms(&mut desk), 5_000);
    // One that does not come leaves nothing of it.
    let mut desk = patient(30_000);
    desk.ask("here it is");
    desk.tell(CallInput::AgentFell { turn: TurnId(2), code: "cut" });
    desk.utter(3);
    assert_eq!(silence_ms(&mut desk), 5_000);
}

#[test]
fn a_wait_begins_anew_with_a_key_that_means_nothing() {
    let mut desk = patient(30_000);
    desk.after(20_000).tell(CallInput::Digit('5'));
    assert_eq!(silence_ms(&mut desk), 30_000);
}
