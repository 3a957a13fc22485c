//! When a turn is over, with which words the agent is asked, and how that turned out.

use super::*;
use crate::tenant::Bounds;

const NONE: [&str; 0] = [];

fn fixed() -> TenantSettings {
    TenantSettings { timing: Timing { endpoint_bounds: None, ..Timing::default() }, ..settings() }
}

impl Desk {
    /// The caller says something, which the listener understands before the caller pauses.
    pub(super) fn says(&mut self, words: &str) {
        self.speech();
        self.after(600).partial(words);
        self.after(300).pause();
    }

    /// How long the caller has been waited for when the turn is over, in milliseconds.
    fn waits(&mut self) -> u128 {
        let since = self.now;
        self.wake(CallReason::EndOfTurn);
        (self.now - since).as_millis()
    }

    /// The agent's answer is spoken to its end.
    pub(super) fn answer(&mut self, turn: u32, utterance: u32) {
        self.text(turn, "Well. ");
        self.done(turn, None);
        self.utter(utterance);
    }
}

/// A call whose listener is known to take its time for last words.
fn with_slow_listener(settings: TenantSettings) -> Desk {
    let mut desk = Desk::listening(settings);
    desk.call.last_words_took = Some(Duration::from_secs(1));
    desk
}

/// A call that has asked the agent with words that may still change, in turn 1.
pub(super) fn asked_early(words: &str) -> Desk {
    asked_early_of(settings(), words)
}

pub(super) fn asked_early_of(settings: TenantSettings, words: &str) -> Desk {
    let mut desk = with_slow_listener(settings);
    desk.says(words);
    let expected = ["FinalizeHearing".to_owned(), format!("- heard 1: {words}"), format!("ask 1: {words}")];
    assert_eq!(desk.wake(CallReason::EndOfTurn), expected);
    desk
}

#[test]
fn a_quick_listener_is_waited_for_and_a_slow_one_is_not() {
    // Of the first turn nothing is known.
    let mut desk = Desk::listening(settings());
    desk.says("where is my order");
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
    let mut closed = desk.now;
    assert_eq!(desk.wake(CallReason::StableWords), ["- heard 1: where is my order", "ask 1: where is my order"]);
    assert_eq!((desk.now - closed).as_millis(), 100);
    for (turn, took_ms, waits_ms) in [(2, 1_000, 0), (3, 60, 120), (4, 150, 300), (5, 151, 0)] {
        desk.now = closed + Duration::from_millis(took_ms);
        desk.tell(CallInput::Finalized);
        desk.answer(turn - 1, turn);
        desk.says("where is my order");
        desk.wake(CallReason::EndOfTurn);
        closed = desk.now;
        if waits_ms > 0 {
            desk.wake(CallReason::StableWords);
        }
        assert_eq!(desk.phase(), "thinking");
        assert_eq!((desk.now - closed).as_millis(), waits_ms, "after {took_ms} ms in the turn before");
    }
}

#[test]
fn guesses_of_which_nothing_is_left_were_nothing_to_ask_with() {
    let mut desk = asked_early("two");
    desk.after(300).words("");
    let actions = desk.tell(CallInput::Finalized);
    assert_eq!(actions[..3], ["cancel ask 1", "- not understood 1", "say 2: I didn't catch that."]);
    assert_eq!(desk.ends, ["corrected"]);
    let mut desk = asked_early("two");
    desk.text(1, "Two what? Say");
    desk.after(300).words("");
    let actions = desk.tell(CallInput::Finalized);
    assert_eq!(actions[..4], ["cancel ask 1", "hush 2", "- interrupted 2 after 0 ms", "- not understood 1"]);
}

#[test]
fn words_that_have_stood_for_a_while_are_asked_at_once() {
    let mut desk = asked_early("where is my order");
    desk.after(300).text(1, "On its way. ");
    desk.done(1, None);
    // The last words say the same; a listener may write it differently.
    assert_eq!(desk.after(700).words("Where is my order?"), NONE);
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    desk.audio(2);
    let turn = desk.after(500).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    assert_eq!(
        turn[0], "- turn 1: where is my order -> On its way., 1250 ms",
        "250 of waiting, 300 of the agent, 700 of the story"
    );
    assert_eq!(desk.ends, ["in_time"]);
}

#[test]
fn last_words_that_say_something_else_are_asked_again_in_the_same_turn() {
    let mut desk = asked_early("where is my order");
    desk.text(1, "On its");
    assert_eq!(desk.after(400).words("where is my order from monday"), NONE);
    let again = ["- heard 1: where is my order from monday", "ask 1: where is my order from monday"];
    assert_eq!(desk.tell(CallInput::Finalized), again);
    assert_eq!(desk.ends, ["corrected"]);
    assert_eq!(desk.after(200).text(1, "It came yesterday. "), NONE);
    assert_eq!(desk.done(1, None)[0], "say 2: It came yesterday.", "without the beginning of the first answer");
    assert_eq!(
        desk.utter(2)[0],
        "- turn 1: where is my order from monday -> It came yesterday., 850 ms",
        "the time of the first try is the listener's"
    );
    assert_eq!(desk.ends, ["corrected", "in_time"]);
}

#[test]
fn a_listener_that_falls_before_its_last_words_leaves_them_to_the_next_one() {
    let mut desk = asked_early("where is my order");
    let fell = desk.tell(CallInput::HearingFell { code: "trap" });
    assert_eq!(fell, ["- hearing fell: trap", "StartHearing", "FinalizeHearing"]);
    assert_eq!(desk.after(400).words("where is my order from monday"), NONE);
    let again = ["- heard 1: where is my order from monday", "ask 1: where is my order from monday"];
    assert_eq!(desk.tell(CallInput::Finalized), again);
}

#[test]
fn last_words_that_differ_in_writing_alone_change_nothing() {
    for (partial, last) in [
        ("um i need twenty two of them please", "I need 22 of them, please."),
        ("the code is five five one nine thank you", "The code is 5519. Thank you."),
        ("yes please", "Yes, uh, please!"),
    ] {
        let mut desk = asked_early(partial);
        desk.after(400).words(last);
        assert_eq!(desk.tell(CallInput::Finalized), NONE, "{last}");
    }
    for (partial, last) in [("i need twenty two of them please", "i need 23 of them please"), ("yes please", "no please")] {
        let mut desk = asked_early(partial);
        desk.after(400).words(last);
        assert_eq!(desk.tell(CallInput::Finalized).len(), 2, "{last}");
    }
}

#[test]
fn an_answer_that_nobody_has_heard_gives_way_to_the_corrected_words() {
    let mut desk = asked_early("where is my order");
    desk.after(200).text(1, "On its way. It");
    desk.after(200).words("where is my order from monday");
    let actions = desk.tell(CallInput::Finalized);
    assert_eq!(actions[..3], ["cancel ask 1", "hush 2", "- interrupted 2 after 0 ms"]);
    assert_eq!(actions[3..], ["- heard 1: where is my order from monday", "ask 1: where is my order from monday"]);
    assert_eq!(desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 0 }), NONE);
    desk.answer(1, 3);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn of_a_wrong_answer_that_was_heard_in_part_the_agent_is_told_how_much() {
    let mut desk = asked_early("where is my order");
    desk.after(200).text(1, "On its way. ");
    desk.done(1, Some(AgentCommand::HangUp));
    desk.audio(2);
    desk.after(400).words("where is my order from monday");
    assert_eq!(desk.tell(CallInput::Finalized)[..2], ["hush 2", "- interrupted 2 after 400 ms"]);
    assert_eq!(desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 420 }), NONE, "it is told once");
    desk.text(1, "It came. ");
    desk.done(1, None);
    assert_eq!(desk.utter(3).len(), 1, "one turn is on record, and nobody hangs up");
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn words_that_still_change_are_asked_once_they_stand() {
    let mut desk = Desk::listening(settings());
    desk.says("where is my");
    desk.after(240).partial("where is my order");
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
    desk.after(150).partial("where is my order please");
    let stable = desk.now + Duration::from_millis(200);
    let asked = ["- heard 1: where is my order please", "ask 1: where is my order please"];
    assert_eq!(desk.wake(CallReason::StableWords), asked);
    assert_eq!(desk.now, stable);
    // Not before the last words, where those are quicker.
    let mut desk = Desk::listening(settings());
    desk.says("where is my");
    desk.after(240).partial("where is my order");
    desk.wake(CallReason::EndOfTurn);
    desk.after(100).words("where is my order please");
    assert_eq!(desk.call.poll_timeout().unwrap().1, CallReason::FinalDeadline);
    assert_eq!(desk.tell(CallInput::Finalized), asked);
}

#[test]
fn last_words_that_came_during_the_pause_are_asked_at_once() {
    let mut desk = Desk::listening(settings());
    desk.says("where is my");
    assert_eq!(desk.after(200).words("where is my order"), NONE);
    let asked = ["FinalizeHearing", "- heard 1: where is my order", "ask 1: where is my order"];
    assert_eq!(desk.wake(CallReason::EndOfTurn), asked);
    // From before the pause, or from a listener that never guesses, they may be those of an earlier stretch of speech.
    for guesses in [true, false] {
        let mut desk = Desk::listening(settings());
        desk.speech();
        if guesses {
            desk.after(300).partial("where is");
            desk.words("where is my order");
            desk.after(300).pause();
        } else {
            desk.after(600).pause();
            desk.after(200).words("where is my order");
        }
        assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"], "{guesses}");
    }
}

#[test]
fn digits_that_are_held_back_are_not_asked_with() {
    let mut desk = Desk::listening(settings());
    let partial = Mask::new().mask_partial(Heard::new("it is 4111 1111 1".into()));
    desk.speech();
    desk.after(300).tell(guess(partial));
    desk.after(600).pause();
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
    assert_eq!(desk.call.poll_timeout().unwrap().1, CallReason::FinalDeadline);
    desk.words("it is 4111 1111 1");
    assert_eq!(desk.tell(CallInput::Finalized)[1], "ask 1: it is 4111 1111 1");
}

#[test]
fn guesses_are_better_than_nothing_where_the_listener_says_nothing_more() {
    // Somebody who speaks for a minute without a pause: the agent is not asked early.
    let guessed = |partial: MaskedText| {
        let mut desk = Desk::listening(settings());
        desk.speech();
        desk.after(500).tell(guess(partial));
        assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
        desk
    };
    let held = || Mask::new().mask_partial(Heard::new("4111 1111 1".into()));
    assert_eq!(guessed(masked("so i said")).wake(CallReason::FinalDeadline)[..2], ["- heard 1: so i said", "ask 1: so i said"]);
    assert_eq!(guessed(held()).wake(CallReason::FinalDeadline)[0], "- not understood 1", "no digits are no words");
    // When everything has been said, guesses that are left were not said.
    assert_eq!(guessed(masked("so i said")).tell(CallInput::Finalized)[0], "- not understood 1");
}

#[test]
fn last_words_that_come_after_the_answer_are_nobodys() {
    let mut desk = asked_early("where is my order");
    desk.answer(1, 2);
    assert_eq!(desk.phase(), "listening");
    assert_eq!(desk.words("where is my order from monday"), NONE);
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    assert_eq!(desk.ask("and the other one"), ["- heard 2: and the other one", "ask 2: and the other one"]);
}

#[test]
fn a_listener_that_never_gives_its_last_words_costs_no_turn() {
    let mut desk = asked_early("where is my order");
    desk.answer(1, 2);
    desk.wake(CallReason::OwedWords);
    desk.says("and the other one please");
    assert_eq!(desk.wake(CallReason::EndOfTurn)[2], "ask 2: and the other one please");
    // The one that was asked last is confirmed, though the one before never was.
    desk.words("and the other two please");
    assert_eq!(desk.tell(CallInput::Finalized)[1], "ask 2: and the other two please");
}

#[test]
fn a_short_sound_over_the_answer_takes_no_last_words_away() {
    let mut desk = asked_early("where is my order");
    desk.text(1, "On its way. It");
    desk.audio(2);
    desk.after(300).speech();
    assert_eq!(desk.after(150).pause(), ["go on 2", "FinalizeHearing"]);
    desk.words("where is my order from monday");
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: where is my order from monday");
    assert_eq!(desk.words("mm-hm"), NONE);
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    desk.answer(1, 3);
    assert_eq!(desk.ask("thanks"), ["- heard 2: thanks", "ask 2: thanks"]);
}

#[test]
fn a_caller_who_speaks_over_the_answer_is_not_spoken_to_by_a_corrected_one() {
    let mut desk = asked_early("where is my order");
    desk.text(1, "On its way. It");
    desk.audio(2);
    desk.after(300).speech();
    desk.words("where is my order from monday");
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    assert_eq!(desk.wake(CallReason::BargeIn)[1], "hush 2");
    assert_eq!(desk.ends, ["in_time"]);
}

#[test]
fn a_turn_that_is_taken_back_keeps_its_last_words_whatever_was_heard_meanwhile() {
    let mut desk = asked_early("where is my order");
    desk.text(1, "On its way. It");
    desk.after(100).speech();
    assert_eq!(desk.after(100).pause(), ["go on 2", "FinalizeHearing"]);
    desk.after(100).speech();
    desk.wake(CallReason::BargeIn);
    desk.words("where is my order");
    desk.tell(CallInput::Finalized);
    desk.tell(CallInput::Finalized);
    desk.after(300).partial("from monday please");
    desk.after(300).pause();
    assert_eq!(desk.wake(CallReason::EndOfTurn)[2], "ask 1: where is my order from monday please");
}

#[test]
fn a_voice_that_only_the_listener_noticed_has_paused_since_its_last_words() {
    let mut desk = Desk::listening(settings());
    for words in ["i ordered", "i ordered a jacket", "i ordered a jacket last", "i ordered a jacket last week"] {
        desk.after(400).partial(words);
        assert_eq!(desk.phase(), "listening");
    }
    assert_eq!(desk.waits(), 500);
}

#[test]
fn what_an_answer_expected_that_was_taken_back_is_forgotten() {
    let mut desk = asked_early("where is my order");
    desk.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Expect(Expect::YesNo) });
    desk.words("where is my order from monday");
    desk.tell(CallInput::Finalized);
    desk.answer(1, 2);
    desk.says("that is what i ordered");
    assert_eq!(desk.waits(), 500);
}

#[test]
fn last_words_of_a_turn_that_was_closed_twice_are_all_its_own() {
    let mut desk = with_slow_listener(settings());
    desk.says("where is");
    desk.after(240).partial("where is my order");
    desk.wake(CallReason::EndOfTurn);
    desk.after(50).says("from monday please");
    assert_eq!(desk.wake(CallReason::EndOfTurn)[2], "ask 1: from monday please");
    desk.words("where is my order");
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    desk.words("from monday please");
    assert_eq!(desk.tell(CallInput::Finalized)[1], "ask 1: where is my order from monday please");
}

#[test]
fn a_late_guess_at_old_words_does_not_make_a_cough_an_interruption() {
    let mut desk = asked_early("where is my order");
    desk.text(1, "On its way. It");
    desk.audio(2);
    desk.after(300).speech();
    assert_eq!(desk.after(50).partial("where is my order from"), NONE);
    assert_eq!(desk.phase(), "speaking");
}

#[test]
fn words_interrupt_an_answer_though_the_last_ones_before_it_never_came() {
    for (after_ms, phase) in [(1_900, "speaking"), (2_000, "listening")] {
        let mut desk = asked_early("where is my order");
        desk.text(1, "On its way. It");
        desk.audio(2);
        desk.after(after_ms).speech();
        desk.partial("no wait");
        assert_eq!(desk.phase(), phase);
    }
}

#[test]
fn a_caller_who_is_cut_again_and_again_is_given_more_time() {
    let mut desk = with_slow_listener(settings());
    for _ in 0..12 {
        desk.says("i ordered a jacket last week");
        desk.wake(CallReason::EndOfTurn);
        assert_eq!(desk.phase(), "thinking");
        desk.now += Duration::from_millis(1_100).saturating_sub(Duration::from_millis(600));
    }
    desk.says("i ordered a jacket last week");
    assert!((550..900).contains(&desk.waits()));

    let mut desk = with_slow_listener(settings());
    for _ in 0..12 {
        desk.says("i ordered a jacket last week");
        desk.wake(CallReason::EndOfTurn);
        desk.text(1, "Well. It");
        desk.after(500).speech();
        desk.wake(CallReason::BargeIn);
        assert_eq!(desk.phase(), "listening");
    }
    desk.says("i ordered a jacket last week");
    assert!((550..900).contains(&desk.waits()));
}

#[test]
fn finished_words_shorten_the_wait_and_open_ones_lengthen_it() {
    let mut waits = Vec::new();
    for words in ["where is my order", "i ordered a jacket last week", "i ordered a jacket and"] {
        let mut desk = Desk::listening(settings());
        desk.says(words);
        waits.push(desk.waits());
    }
    assert_eq!(waits[..2], [250, 500]);
    assert!(waits[2] > 1_000, "{waits:?}");
    let mut desk = Desk::listening(fixed());
    desk.says("i ordered a jacket and");
    assert_eq!(desk.waits(), 500);
}

#[test]
fn words_that_come_during_the_pause_change_how_long_it_may_last() {
    let mut desk = Desk::listening(settings());
    desk.says("where is");
    let since = desk.now;
    desk.after(300).partial("where is my order");
    // It has lasted long enough already: the turn is over at once.
    assert_eq!(desk.call.poll_timeout(), Some((since + Duration::from_millis(300), CallReason::EndOfTurn)));
    let mut desk = Desk::listening(settings());
    desk.says("i ordered a jacket");
    desk.after(300).partial("i ordered a jacket but");
    assert!(desk.call.poll_timeout().unwrap().0 > desk.now + Duration::from_millis(700));
}

#[test]
fn a_caller_who_goes_on_was_cut_and_one_who_coughs_was_not() {
    let mut desk = asked_early("where is my order");
    desk.after(100).speech();
    desk.after(400).partial("where is my order from monday");
    desk.after(400).pause();
    assert_eq!(desk.ends, NONE);
    desk.words("where is my order");
    desk.tell(CallInput::Finalized);
    desk.after(10).words("from monday please");
    assert_eq!(desk.wake(CallReason::EndOfTurn)[2], "ask 1: where is my order from monday please");
    assert_eq!(desk.ends, ["false_cut"]);
    desk.answer(1, 2);
    assert_eq!(desk.ends, ["false_cut", "in_time"]);

    let mut desk = asked_early("where is my order");
    desk.after(100).speech();
    desk.after(100).pause();
    desk.words("Where is my order?");
    desk.tell(CallInput::Finalized);
    desk.wake(CallReason::EndOfTurn);
    desk.tell(CallInput::Finalized);
    desk.answer(1, 2);
    assert_eq!(desk.ends, ["in_time"]);
}

#[test]
fn a_caller_who_goes_on_while_the_last_words_are_awaited_was_cut() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.after(20).speech();
    desk.words("my order");
    desk.tell(CallInput::Finalized);
    desk.after(400).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("is late");
    desk.tell(CallInput::Finalized);
    assert_eq!(desk.ends, ["false_cut"]);
    // Words that come with the answer to the first end are from before it: who only coughed was not cut.
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.after(20).speech();
    desk.after(50).pause();
    desk.words("my order is late");
    desk.tell(CallInput::Finalized);
    desk.wake(CallReason::EndOfTurn);
    desk.tell(CallInput::Finalized);
    desk.answer(1, 2);
    assert_eq!(desk.ends, ["in_time"]);
}

#[test]
fn a_caller_who_went_on_before_the_answer_could_be_heard_keeps_the_turn() {
    let mut desk = asked_early("where is my order");
    desk.after(200).text(1, "On its way. It");
    desk.after(100).speech();
    assert_eq!(desk.wake(CallReason::BargeIn), ["cancel ask 1", "hush 2", "- interrupted 2 after 0 ms", "PrepareSpeaking"]);
    desk.words("where is my order");
    desk.tell(CallInput::Finalized);
    desk.after(200).partial("from monday please");
    desk.after(300).pause();
    let asked = desk.wake(CallReason::EndOfTurn);
    assert_eq!(asked[1..], ["- heard 1: where is my order from monday please", "ask 1: where is my order from monday please"]);
    assert_eq!(desk.ends, ["false_cut"]);
    desk.answer(1, 3);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn who_speaks_just_when_the_answer_begins_was_cut_and_who_speaks_later_interrupts() {
    for (after_ms, ends) in [(199, "false_cut"), (200, "in_time")] {
        let mut desk = asked_early("where is my order");
        desk.text(1, "On its way. It");
        desk.audio(2);
        desk.after(after_ms).speech();
        let actions = desk.wake(CallReason::BargeIn);
        assert_eq!(actions[..2], ["cancel ask 1", "hush 2"]);
        assert!(actions[2].starts_with("- turn 1: where is my order -> On its way. (interrupted)"), "{actions:?}");
        assert_eq!(desk.ends, [ends]);
        desk.after(300).pause();
        assert_eq!(desk.phase(), "listening");
    }
}

#[test]
fn an_end_that_took_the_longest_wait_though_the_words_were_finished_was_missed() {
    let ceiling = Duration::from_millis(900);
    let timing = Timing { endpoint_bounds: Some(Bounds { ceiling, ..Bounds::default() }), ..Timing::default() };
    let settings = TenantSettings { timing, ..settings() };
    let mut desk = with_slow_listener(settings.clone());
    desk.says("i want to speak to the");
    assert_eq!(desk.waits(), 900);
    desk.words("i want to speak to the manager please");
    desk.tell(CallInput::Finalized);
    desk.answer(1, 2);
    assert_eq!(desk.ends, ["corrected", "missed"]);
    // Words that are open to the end say that the wait was right.
    let mut desk = Desk::listening(settings);
    desk.says("i want to speak to the");
    desk.wake(CallReason::EndOfTurn);
    desk.words("i want to speak to the");
    desk.tell(CallInput::Finalized);
    desk.answer(1, 2);
    assert_eq!(desk.ends, ["in_time"]);
}

#[test]
fn a_slow_caller_is_given_more_time_as_the_call_goes_on() {
    let mut desk = Desk::listening(settings());
    for _ in 0..12 {
        desk.speech();
        desk.after(400).pause();
        // Whatever the gateway does meanwhile, the caller goes on.
        desk.after(450);
        desk.call.handle_timeout(desk.now);
        desk.after(450);
        desk.call.handle_timeout(desk.now);
        desk.actions();
    }
    desk.speech();
    desk.partial("i ordered a jacket last week");
    desk.after(300).pause();
    assert!((600..800).contains(&desk.waits()));
}

#[test]
fn what_the_agent_expects_holds_for_one_turn() {
    let mut desk = Desk::listening(settings());
    let words = "that is what i ordered";
    for (turn, expect, wait_ms) in [(1, Some(Expect::YesNo), 500), (2, None, 250), (3, None, 500)] {
        desk.says(words);
        assert_eq!(desk.waits(), wait_ms, "turn {turn}");
        desk.words(words);
        desk.tell(CallInput::Finalized);
        if let Some(expect) = expect {
            assert_eq!(desk.tell(CallInput::AgentHints { turn: TurnId(turn), hint: Hint::Expect(expect) }), NONE);
        }
        desk.answer(turn, turn + 1);
    }
    // Word of a turn that is over changes nothing.
    desk.tell(CallInput::AgentHints { turn: TurnId(3), hint: Hint::Expect(Expect::YesNo) });
    desk.says(words);
    assert_eq!(desk.waits(), 500);
}

#[test]
fn what_is_said_in_the_call_is_judged_in_its_language() {
    for (language, words) in [("pt-BR", "eu queria saber se"), ("es-MX", "quiero cancelar mi"), ("en", "i want to cancel my")] {
        let mut desk = Desk::listening(TenantSettings { language: language.into(), ..settings() });
        desk.says(words);
        assert!(desk.waits() > 1_000, "{language}");
    }
    let mut desk = Desk::listening(TenantSettings { language: "de-DE".into(), ..settings() });
    desk.says("ich möchte bitte");
    assert_eq!(desk.waits(), 500);
}
