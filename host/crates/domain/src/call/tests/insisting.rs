//! What is to be heard whole.

use super::*;

const NONE: [&str; 0] = [];

impl Desk {
    fn insist(&mut self, turn: u32) {
        assert_eq!(self.tell(CallInput::AgentHints { turn: TurnId(turn), hint: Hint::Uninterruptible }), NONE);
    }

    /// The caller says something over what is being said, for longer than any interruption needs.
    fn speak_over(&mut self, words: &str) -> Vec<String> {
        let mut actions = self.speech();
        actions.extend(self.after(600).partial(words));
        actions.extend(self.after(900).pause());
        actions.extend(self.words(words));
        actions.extend(self.tell(CallInput::Finalized));
        actions
    }
}

#[test]
fn a_greeting_that_the_law_wants_heard_is_not_spoken_over() {
    let insisting = || TenantSettings { greeting_interruptible: false, ..settings() };
    let mut desk = Desk::greeting(insisting());
    desk.audio(1);
    assert_eq!(desk.speak_over("hello"), ["FinalizeHearing"]);
    assert_eq!(desk.tell(CallInput::Digit('1')), NONE);
    assert_eq!(desk.phase(), "greeting");
    desk.utter(1);
    assert_eq!(desk.ask("hello"), ["- heard 1: hello", "ask 1: hello"], "what was said over it is not the turn's");

    // Who still speaks at its end is listened to.
    let mut desk = Desk::greeting(insisting());
    desk.audio(1);
    desk.speech();
    assert_eq!(desk.utter(1), ["PrepareSpeaking"]);
    desk.words("hello");
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: hello");
}

#[test]
fn an_answer_that_the_agent_insists_on_is_not_spoken_over_and_the_next_one_is() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.insist(1);
    desk.text(1, "This call is recorded. ");
    desk.done(1, None);
    desk.audio(2);
    assert_eq!(desk.speak_over("wait"), ["FinalizeHearing"]);
    assert_eq!(desk.overlaps, NONE);
    desk.utter(2);
    desk.ask("go on");
    desk.text(2, "Well, it");
    desk.audio(3);
    assert_eq!(desk.speech(), ["pause 3"]);
}

#[test]
fn an_agent_that_begins_to_insist_has_what_stands_still_go_on() {
    let mut desk = Desk::speaking(settings());
    assert_eq!(desk.speech(), ["pause 2"]);
    assert_eq!(desk.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Uninterruptible }), ["go on 2"]);
    assert_eq!(desk.after(900).partial("wait"), NONE);
    assert_eq!(desk.phase(), "speaking");
    // Of another turn's answer nothing is taken.
    let mut desk = Desk::speaking(settings());
    desk.insist(7);
    assert_eq!(desk.speech(), ["pause 2"]);
}

#[test]
fn keys_over_what_is_to_be_heard_whole_count_where_they_are_asked_for() {
    let mut desk = Desk::greeting(TenantSettings { greeting_interruptible: false, ..keying::with_menu() });
    desk.audio(1);
    for key in ['1', '9'] {
        assert_eq!(desk.tell(CallInput::Digit(key)), NONE);
    }
    let chosen = desk.utter(1);
    assert!(!chosen.is_empty(), "{chosen:?}");
    assert_ne!(desk.phase(), "keying", "the first key has chosen");

    // As many as the longest number has; none of them where the caller is listened to.
    let mut desk = Desk::thinking(settings(), "my card");
    desk.insist(1);
    desk.text(1, "Now key your number.");
    let collect = Collect::new(19, Some('#'), Duration::from_secs(6), Duration::from_secs(3));
    desk.done(1, Some(AgentCommand::Collect(collect)));
    desk.audio(2);
    for key in "12345678901234567890123#".chars() {
        assert_eq!(desk.tell(CallInput::Digit(key)), NONE);
    }
    assert!(desk.utter(2).iter().any(|line| line.starts_with("ask 2: ")));
}
