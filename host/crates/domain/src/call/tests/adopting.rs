//! Calls that another gateway goes on with.

use super::*;

impl Desk {
    /// The gateway dies; another one goes on after so much silence, and its media leg is there at once.
    pub(super) fn adopted_after(&mut self, silent_ms: u64) -> Vec<String> {
        self.adopted(0, silent_ms)
    }

    /// The same, where what it goes on from is so old.
    fn adopted(&mut self, unkept_ms: u64, silent_ms: u64) -> Vec<String> {
        let resume = self.call.resume_point(self.now).expect("nobody could go on with it");
        let gap = Gap { unkept: Duration::from_millis(unkept_ms), silent: Duration::from_millis(silent_ms) };
        self.after(unkept_ms + silent_ms);
        let (tenant, parties) = (Arc::clone(&self.call.tenant), Arc::clone(&self.call.parties));
        self.call = Call::adopt(&tenant, parties, resume, gap, self.now);
        assert_eq!(self.actions(), ["ConnectMedia"]);
        self.tell(CallInput::MediaConnected)
    }
}

#[test]
fn a_question_is_asked_again_in_its_turn_and_its_answer_is_said() {
    let mut desk = Desk::thinking(settings(), "where is my parcel");
    let again = ["- adopted after 400 ms", "StartHearing", "ask 1: where is my parcel"];
    assert_eq!(desk.adopted_after(400), again);
    assert_eq!(desk.text(1, "It is on its way. It")[..2], ["say 2: It is on its way.", "- saying 2: It is on its way."]);
    desk.done(1, None);
    assert_eq!(desk.utter(2), ["- turn 1: where is my parcel -> It is on its way. It, - ms"]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn who_heard_nothing_for_long_is_told_so_while_the_agent_thinks() {
    let mut desk = Desk::thinking(settings(), "where is my parcel");
    let actions = desk.adopted_after(1_500);
    assert!(actions.contains(&"say 2: I am back.".to_owned()), "{actions:?}");
    assert_eq!(desk.text(1, "It is on its way. It")[0], "say 3: It is on its way.", "without waiting for the line's end");
    let actions = Desk::thinking(settings(), "hello").adopted_after(1_499);
    assert!(!actions.iter().any(|line| line.starts_with("say")), "{actions:?}");
}

#[test]
fn what_was_not_heard_of_a_whole_answer_is_said_from_its_next_word() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Your parcel is on its way, and arrives tomorrow.");
    desk.done(1, Some(AgentCommand::HangUp));
    desk.audio(2);
    // 1.3 s, of which 0.3 s are said again: 15 characters.
    desk.after(300);
    let actions = desk.adopted(1_000, 200);
    assert_eq!(actions[2], "say 3: on its way, and arrives tomorrow.");
    assert_eq!(actions[4], "end utterance 3");
    let actions = desk.utter(3);
    assert_eq!(actions[0], "- turn 1: hello -> Your parcel is on its way, and arrives tomorrow., - ms");
    assert_eq!(actions[1], "hang up: agent_hung_up");
}

#[test]
fn an_answer_that_still_came_is_asked_for_again_and_goes_on_where_it_was_heard() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Your parcel is on its way, and");
    desk.audio(2);
    desk.after(2_500);
    assert_eq!(desk.adopted_after(100)[2], "ask 1: hello");
    // With other spaces, and in other pieces.
    assert_eq!(desk.text(1, "Your  parcel is on"), [""; 0]);
    assert_eq!(desk.text(1, " its way, and arrives tomorrow. So")[0], "say 3: and arrives tomorrow.");
    desk.done(1, None);
    let actions = desk.utter(3);
    assert_eq!(actions[0], "- turn 1: hello -> Your parcel is on its way, and arrives tomorrow. So, - ms");
}

#[test]
fn an_answer_that_was_heard_to_its_end_is_not_said_again_and_what_follows_comes() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "One moment, please. And");
    desk.audio(2);
    desk.after(5_000);
    desk.adopted_after(100);
    assert_eq!(desk.text(1, "One moment, please."), [""; 0]);
    let actions = desk.done(1, Some(AgentCommand::HangUp));
    assert_eq!(actions[..2], ["- turn 1: hello -> One moment, please., - ms", "hang up: agent_hung_up"]);
}

#[test]
fn another_answer_than_the_one_that_was_begun_is_said_whole() {
    let mut desk = Desk::speaking(settings());
    desk.after(2_000);
    desk.adopted_after(100);
    assert_eq!(desk.text(1, "Well, yes. So")[0], "say 3: yes.");
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "It is three. So");
    desk.audio(2);
    desk.after(2_000);
    desk.adopted_after(100);
    assert_eq!(desk.text(1, "It was four. So")[0], "say 3: It was four.");
}

#[test]
fn an_answer_whose_gateways_die_again_and_again_is_on_record_whole() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Your parcel is on its way, and arrives tomorrow.");
    desk.done(1, None);
    desk.audio(2);
    desk.after(1_300).adopted_after(100);
    desk.audio(3);
    let actions = desk.after(1_300).adopted_after(100);
    assert_eq!(actions[2], "say 4: arrives tomorrow.");
    let actions = desk.utter(4);
    assert_eq!(actions[0], "- turn 1: hello -> Your parcel is on its way, and arrives tomorrow., - ms");
}

#[test]
fn words_so_far_stay_in_their_turn() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.words("I want to");
    let actions = desk.adopted_after(2_000);
    assert_eq!(actions[2..], ["PrepareSpeaking"], "nothing is said over somebody who speaks");
    desk.after(100).speech();
    desk.after(300).words("cancel");
    desk.pause();
    desk.wake(CallReason::EndOfTurn);
    assert!(desk.tell(CallInput::Finalized).contains(&"ask 1: I want to cancel".to_owned()));
}

#[test]
fn a_caller_whose_turn_it_is_hears_that_somebody_is_there() {
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.adopted_after(1_700)[2], "say 2: I am back.");
    desk.utter(2);
    assert_eq!(desk.ask("hello")[0], "- heard 1: hello", "no turn is left out");
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.adopted_after(300), ["- adopted after 300 ms", "StartHearing"]);
}

#[test]
fn who_says_nothing_when_a_gateway_died_is_told_that_somebody_is_there_and_who_goes_on_is_not() {
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.adopted_after(1_300), ["- adopted after 1300 ms", "StartHearing"]);
    assert_eq!(desk.call.timers.at(CallReason::BackAgain), Some(desk.now + Duration::from_millis(300)));
    assert_eq!(desk.wake(CallReason::BackAgain)[0], "say 2: I am back.");
    desk.utter(2);
    assert_eq!(desk.ask("hello")[0], "- heard 1: hello", "no turn is left out");
    let mut desk = Desk::listening(settings());
    desk.adopted_after(800);
    assert_eq!(
        desk.call.timers.at(CallReason::BackAgain),
        Some(desk.now + Duration::from_millis(700)),
        "as late as it is noticed"
    );
    desk.after(200).speech();
    assert_eq!(desk.call.timers.at(CallReason::BackAgain), None);
}

#[test]
fn words_before_a_gateway_died_are_all_where_nobody_goes_on() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.words("I want to");
    assert_eq!(desk.adopted_after(1_300)[2..], ["PrepareSpeaking"]);
    let actions = desk.wake(CallReason::BackAgain);
    assert_eq!(actions[..3], ["- heard 1: I want to", "ask 1: I want to", "say 2: I am back."], "{actions:?}");
    desk.speech();
    assert_eq!(desk.phase(), "listening", "who goes on after all keeps the turn");
}

#[test]
fn who_waits_for_an_answer_when_a_gateway_died_is_told_that_somebody_is_there() {
    let mut desk = Desk::thinking(settings(), "where is my parcel");
    desk.adopted_after(1_300);
    assert_eq!(desk.wake(CallReason::BackAgain)[0], "say 2: I am back.");
    let mut desk = Desk::thinking(settings(), "where is my parcel");
    desk.adopted_after(1_300);
    desk.text(1, "It is on its way. It");
    assert_eq!(desk.call.timers.at(CallReason::BackAgain), None, "the answer is there first");
}

#[test]
fn what_was_keyed_in_is_not_kept_and_asked_for_again() {
    let mut desk = keying::collecting();
    for key in "411".chars() {
        desk.tell(CallInput::Digit(key));
    }
    let resume = desk.call.resume_point(desk.now).unwrap();
    assert!(matches!(resume.place, Standing::Keying(Keys::Digits(_))), "{resume:?}");
    assert!(!format!("{resume:?}").contains("411"));
    desk.wake(CallReason::KeyDeadline);
    let resume = desk.call.resume_point(desk.now).unwrap();
    assert!(!format!("{resume:?}").contains("411"), "{resume:?}");
    let actions = desk.adopted_after(0);
    assert!(actions.iter().any(|line| line.starts_with("- not understood")), "{actions:?}");
}

#[test]
fn keys_that_may_go_on_to_a_card_are_open_where_so_many_are_asked_for() {
    let mut desk = keying::collecting();
    let resume = desk.call.resume_point(desk.now).unwrap();
    let asks = |max, begun: bool| {
        let keys = Keys::Digits(Collect::new(max, Some('#'), Duration::from_secs(6), Duration::from_secs(3)));
        let said = Spoken::default();
        let place = if begun {
            Standing::Keying(keys)
        } else {
            Standing::Saying { said, answers: None, insists: false, then: Then::Keys(keys) }
        };
        Resume { place, ..resume.clone() }.leaves_keys_open()
    };
    assert!(asks(12, true) && asks(19, false), "some may be pressed before the line is over");
    assert!(!asks(11, true) && !asks(11, false));
    assert!(!Resume { place: Standing::Keying(Keys::Menu(1)), ..resume.clone() }.leaves_keys_open());
}

#[test]
fn lines_that_wait_are_kept_masked_and_said_where_the_call_goes_on() {
    let mut desk = Desk::greeting(settings());
    for line in ["Your card is 4111 1111 1111 1111.", "Or is it 4111 1111", "1111 1111, perhaps?", "Your order is 4711."] {
        desk.tell(CallInput::SayOrdered(line.into()));
    }
    let kept = ["Your card is [card].", "Or is it 4111 1111", "[card], perhaps?", "Your order is 4711."];
    for _ in 0..2 {
        let resume = desk.call.resume_point(desk.now).unwrap();
        assert_eq!(resume.ordered.iter().map(MaskedText::as_str).collect::<Vec<_>>(), kept, "however often it is kept");
    }
    assert_eq!(desk.adopted_after(100)[2], "say 2: Welcome.");
    for (before, line) in (2..).zip(kept) {
        assert_eq!(desk.utter(before)[0], format!("say {}: {line}", before + 1));
    }
}

#[test]
fn the_time_of_a_call_goes_on() {
    let limited = TenantSettings { call_max: Some(Duration::from_secs(90)), ..settings() };
    let mut desk = Desk::listening(limited);
    let (begun, left) = (desk.now, desk.call.resume_point(desk.now).unwrap().time_left.unwrap());
    desk.after(1_000).adopted(500, 1_000);
    let up = desk.call.timers.at(CallReason::TimeUp).unwrap();
    assert_eq!(up, begun + left);
}

#[test]
fn what_nobody_could_go_on_with_is_not_kept() {
    let mut desk = Desk::new(with_human());
    assert_eq!(desk.call.resume_point(desk.now), None);
    desk.tell(CallInput::Offered);
    assert_eq!(desk.call.resume_point(desk.now), None);
    let mut desk = Desk::thinking(with_human(), "hello");
    desk.done(1, Some(AgentCommand::Human));
    assert_eq!(desk.call.resume_point(desk.now), None, "left to the dialplan");
}

#[test]
fn a_gateway_that_dies_while_it_adopts_leaves_what_it_was_given() {
    let mut desk = Desk::thinking(settings(), "hello");
    let resume = desk.call.resume_point(desk.now).unwrap();
    let (tenant, parties) = (Arc::clone(&desk.call.tenant), Arc::clone(&desk.call.parties));
    desk.call = Call::adopt(&tenant, parties, resume.clone(), Gap::default(), desk.now);
    assert_eq!(desk.call.resume_point(desk.now).unwrap().place, resume.place);
}

#[test]
fn a_caller_who_leaves_before_the_media_leg_is_there_ends_the_call() {
    let mut desk = Desk::thinking(settings(), "hello");
    let resume = desk.call.resume_point(desk.now).unwrap();
    let (tenant, parties) = (Arc::clone(&desk.call.tenant), Arc::clone(&desk.call.parties));
    desk.call = Call::adopt(&tenant, parties, resume, Gap::default(), desk.now);
    desk.actions();
    assert_eq!(desk.tell(CallInput::CallerGone), ["Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: caller_hung_up, 0 turns"]);
}
