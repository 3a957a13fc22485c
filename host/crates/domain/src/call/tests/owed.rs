//! Last words that do not come.

use super::turn_end::asked_early;
use super::*;

#[test]
fn a_listener_that_keeps_its_last_words_does_not_say_them_into_the_next_turn() {
    let gives_up = ["GiveUpHearing", "- hearing fell: no_final", "StartHearing"];
    let mut desk = asked_early("where is my order");
    desk.answer(1, 2);
    assert_eq!(desk.wake(CallReason::OwedWords), gives_up);
    assert_eq!(desk.phase(), "listening");
    assert_eq!(desk.ask("and the other one"), ["- heard 2: and the other one", "ask 2: and the other one"]);

    // Words over the answer that are to be dropped, and do not come.
    desk.text(2, "On its way. It");
    desk.audio(3);
    desk.after(300).speech();
    desk.after(150).pause();
    assert_eq!(desk.wake(CallReason::OwedWords), gives_up);

    // Neither into the one that has begun by then, and whose own words the new session hears.
    desk.after(300).speech();
    desk.after(150).pause();
    desk.after(1_500).speech();
    assert_eq!(desk.wake(CallReason::BargeIn)[..2], ["cancel ask 2", "hush 3"]);
    assert_eq!(desk.wake(CallReason::OwedWords), gives_up);
    desk.after(5_000).words("stop");
    desk.pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 3: stop");
}

#[test]
fn last_words_of_a_turn_that_goes_on_are_waited_for_until_it_ends() {
    let mut desk = asked_early("where is my order");
    desk.after(1_000).speech();
    desk.after(3_000).words("where is my order from monday");
    desk.tell(CallInput::Finalized);
    desk.pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: where is my order from monday");
}

#[test]
fn a_listener_that_keeps_its_last_words_again_and_again_is_not_waited_for() {
    let mut desk = Desk::listening(with_human());
    for _ in 0..4 {
        assert_eq!(desk.phase(), "listening");
        desk.speech();
        desk.after(900).pause();
        desk.wake(CallReason::EndOfTurn);
        let said = desk.wake(CallReason::FinalDeadline);
        assert!(said.contains(&"- hearing fell: no_final".to_owned()), "{said:?}");
        let next = desk.call.last_utterance.0;
        desk.utter(next);
    }
    assert_ne!(desk.phase(), "listening", "nobody hears the caller");
}

#[test]
fn what_a_listener_says_nothing_of_is_heard_again_by_the_next_one() {
    let heard_again = ["- hearing fell: no_final", "StartNextHearing", "FinalizeHearing"];
    let said = || {
        let mut desk = Desk::listening(troubles::with_two_of_each());
        desk.speech();
        desk.after(900).pause();
        desk.wake(CallReason::EndOfTurn);
        assert_eq!(desk.wake(CallReason::FinalDeadline), heard_again);
        assert_eq!(desk.phase(), "listening");
        desk
    };
    let mut desk = said();
    desk.after(200).words("where is my order");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: where is my order", "ask 1: where is my order"]);
    desk.answer(1, 2);
    assert_eq!(desk.ask("and the other one").last().unwrap(), "ask 2: and the other one");

    // Once, and within the same time again.
    let mut desk = said();
    let before = desk.now;
    let not_understood = ["- not understood 1", "say 2: I didn't catch that."];
    assert_eq!(desk.wake(CallReason::FinalDeadline)[..2], not_understood);
    assert_eq!(desk.now - before, settings().timing.final_deadline);

    // Who answers that nothing was said is not dead.
    let mut desk = said();
    assert_eq!(desk.tell(CallInput::Finalized)[..2], not_understood);

    // The caller who goes on meanwhile is heard whole.
    let mut desk = said();
    desk.after(100).speech();
    desk.after(500).words("where is my order");
    desk.pause();
    desk.tell(CallInput::Finalized);
    desk.wake(CallReason::EndOfTurn);
    desk.words("and the other one");
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: where is my order and the other one");
}

#[test]
fn what_a_lone_listener_says_nothing_of_is_asked_for_at_once() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.wake(CallReason::FinalDeadline)[0], "- not understood 1");
}
