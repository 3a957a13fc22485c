//! Calls that may not last for ever.

use super::*;

fn settings() -> TenantSettings {
    TenantSettings { call_max: Some(Duration::from_secs(300)), ..with_human() }
}

/// A call that listens so long after its answer, and the moment of that. Its caller presses a key now and then, which is a sign of life and no more.
fn lasting(secs: u64) -> (Desk, Instant) {
    let mut desk = Desk::greeting(settings());
    let answered = desk.now;
    desk.utter(1);
    let until = answered + Duration::from_secs(secs);
    while until - desk.now > Duration::from_secs(4) {
        desk.after(4_000).tell(CallInput::Digit('5'));
    }
    desk.now = until;
    desk.tell(CallInput::Digit('5'));
    (desk, answered)
}

#[test]
fn a_call_that_has_lasted_long_enough_is_told_so_and_ends() {
    let (mut desk, answered) = lasting(237);
    assert_eq!(desk.wake(CallReason::TimeNearlyUp)[0], "say 2: One minute is left.");
    assert_eq!(desk.now - answered, Duration::from_secs(240));
    desk.utter(2);
    for _ in 0..14 {
        desk.after(4_000).tell(CallInput::Digit('5'));
    }
    assert_eq!(desk.wake(CallReason::TimeUp)[0], "say 3: Goodbye.");
    assert_eq!(desk.now - answered, Duration::from_secs(300));
    assert_eq!(desk.utter(3), ["hang up: time_up", "Release"]);
    desk.tell(CallInput::Released);
    assert_eq!(desk.call.poll_timeout(), None);
}

#[test]
fn nobody_is_told_over_an_answer_and_an_answer_does_not_make_a_call_longer() {
    let (mut desk, _) = lasting(230);
    desk.ask("hello");
    desk.after(5_000).text(1, "Well, it");
    desk.audio(2);
    assert_eq!(desk.wake(CallReason::TimeNearlyUp), [""; 0]);
    desk.done(1, None);
    assert_eq!(desk.utter(2)[1], "say 3: One minute is left.");
    desk.utter(3);
    desk.after(50_000).ask("hello");
    desk.text(2, "Well, it");
    desk.audio(4);
    assert_eq!(desk.wake(CallReason::TimeUp)[..2], ["cancel ask 2", "hush 4"]);
    assert_eq!(desk.utter(5), ["hang up: time_up", "Release"]);
}

#[test]
fn who_talks_to_a_person_talks_on_and_who_comes_back_has_had_the_time() {
    let (mut desk, _) = lasting(235);
    desk.ask("a person, please");
    desk.done(1, Some(AgentCommand::Human));
    desk.tell(CallInput::HandoverParted);
    assert_eq!(desk.wake(CallReason::TimeNearlyUp), [""; 0]);
    assert_eq!(desk.wake(CallReason::TimeUp), [""; 0]);
    desk.after(1_000).tell(CallInput::HandoverReturned(Returned::NoAnswer));
    desk.tell(CallInput::MediaConnected);
    assert_eq!(desk.wake(CallReason::SpeechDeadline)[0], "- speaking fell: deadline");
    assert_eq!(desk.wake(CallReason::TimeUp)[1], "say 3: Goodbye.");
}
