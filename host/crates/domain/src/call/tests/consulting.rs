//! Attended hand-overs.

use super::*;

fn settings() -> TenantSettings {
    let transfer = TransferSettings { queue: PlacePattern::parse("queues,{name}"), ..TransferSettings::default() };
    TenantSettings { transfer, ..with_human() }
}

fn wish(summary: Option<&str>) -> Transfer {
    Transfer { mode: TransferMode::Attended, ..handover::to_queue("sales", summary) }
}

fn calling_with(summary: Option<&str>) -> Desk {
    let mut desk = Desk::thinking(settings(), "sales please");
    desk.text(1, "One moment.");
    desk.done(1, Some(AgentCommand::Transfer(wish(summary))));
    assert_eq!(desk.utter(2)[1..], ["- transferring: queue, attended", "consult queues,sales"]);
    desk
}

/// A person is being called.
pub(super) fn calling() -> Desk {
    calling_with(Some("wants two pizzas"))
}

/// A person is being told, as utterance 3.
pub(super) fn telling() -> Desk {
    let mut desk = calling();
    assert_eq!(desk.after(5000).tell(CallInput::PersonAnswered), ["Meet"]);
    assert_eq!(desk.tell(CallInput::PersonMet), ["say 3: wants two pizzas", "end utterance 3"]);
    desk
}

/// Caller and person talk.
pub(super) fn together() -> Desk {
    let mut desk = telling();
    assert_eq!(desk.utter(3), ["Join"]);
    assert_eq!(desk.tell(CallInput::PersonJoined), ["- transferred: queue, attended"]);
    desk
}

#[test]
fn a_person_is_told_first_and_then_talks_to_the_caller_until_either_hangs_up() {
    let mut desk = together();
    assert_eq!(desk.after(60_000).tell(CallInput::CallerGone), ["Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 1 turns"]);
    let mut desk = together();
    assert_eq!(desk.tell(CallInput::PersonGone(Returned::Other)), ["hang up: transferred", "Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 1 turns"]);
}

#[test]
fn a_person_who_need_not_be_told_anything_gets_the_caller_at_once() {
    let mut desk = calling_with(None);
    desk.tell(CallInput::PersonAnswered);
    assert_eq!(desk.tell(CallInput::PersonMet), ["Join"]);
}

#[test]
fn a_person_who_does_not_come_leaves_the_caller_with_the_agent() {
    for (how, code) in [(Returned::Busy, "busy"), (Returned::NoAnswer, "no_answer")] {
        let mut desk = calling();
        let gone = desk.tell(CallInput::PersonGone(how));
        assert_eq!(gone, [format!("- transfer failed: queue, attended, {code}"), "Resume".into()]);
        assert_eq!(desk.tell(CallInput::Resumed)[..2], ["StartHearing", "say 3: Nobody is free."]);
        desk.utter(3);
        assert_eq!(desk.ask("never mind"), ["- heard 2: never mind", "ask 2: never mind"]);
    }
    let mut desk = calling();
    let waited = desk.wake(CallReason::EndDeadline);
    assert_eq!(waited, ["- transfer failed: queue, attended, no_answer", "Resume"]);
}

#[test]
fn a_caller_who_waits_comes_back_by_the_star_and_by_no_other_key() {
    let mut desk = calling();
    assert_eq!(desk.tell(CallInput::Digit('1')), [""; 0]);
    let back = desk.tell(CallInput::Digit('*'));
    assert_eq!(back, ["- transfer failed: queue, attended, cancelled", "Resume"]);
}

#[test]
fn a_person_who_hangs_up_while_being_told_is_let_go() {
    let mut desk = telling();
    desk.audio(3);
    let left = desk.tell(CallInput::PersonGone(Returned::Other));
    assert_eq!(left, ["hush 3", "- transfer failed: queue, attended, person_left", "Resume"]);
    assert_eq!(desk.tell(CallInput::PersonGone(Returned::Other)), [""; 0], "told twice");
    desk.tell(CallInput::Resumed);
    assert_eq!(desk.phase(), "speaking");
}

#[test]
fn a_summary_that_cannot_be_said_does_not_keep_the_caller_waiting() {
    let mut desk = telling();
    let fall = CallInput::SpeakingFell { utterance: UtteranceId(3), code: "trap" };
    assert_eq!(desk.tell(fall), ["- speaking fell: trap", "hush 3", "Join"]);
    let mut desk = telling();
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "hush 3", "Join"]);
}

#[test]
fn a_caller_who_comes_back_to_a_gateway_that_stops_is_told_goodbye() {
    let mut desk = calling();
    assert_eq!(desk.tell(CallInput::Drain), [""; 0]);
    desk.tell(CallInput::PersonGone(Returned::Busy));
    assert_eq!(desk.tell(CallInput::Resumed)[..2], ["StartHearing", "say 3: Goodbye."]);
    assert_eq!(desk.utter(3), ["hang up: drained", "Release"]);
}

#[test]
fn a_step_that_fails_when_the_person_was_let_go_already_changes_nothing() {
    let mut desk = calling();
    assert_eq!(desk.tell(CallInput::Digit('*'))[1], "Resume");
    assert_eq!(desk.tell(CallInput::HandoverFailed { code: "gone" }), [""; 0]);
    assert_eq!(desk.tell(CallInput::Resumed)[0], "StartHearing");
}

#[test]
fn a_caller_who_hangs_up_while_waiting_was_not_handed_over() {
    for mut desk in [calling(), telling()] {
        assert_eq!(desk.tell(CallInput::CallerGone), ["- transfer failed: queue, attended, abandoned", "Release"]);
        assert_eq!(desk.tell(CallInput::Released), ["- ended: caller_hung_up, 1 turns"]);
    }
}

#[test]
fn a_step_that_fails_or_stands_still_brings_the_caller_back_and_a_way_back_that_fails_ends_the_call() {
    let mut desk = telling();
    desk.utter(3);
    let failed = desk.tell(CallInput::HandoverFailed { code: "gone" });
    assert_eq!(failed, ["- transfer failed: queue, attended, gone", "Resume"]);
    assert_eq!(desk.tell(CallInput::SetUpFailed { code: "gone" }), ["hang up: set_up_failed", "Release"]);
    let mut desk = calling();
    desk.tell(CallInput::PersonAnswered);
    assert_eq!(desk.wake(CallReason::EndDeadline)[1], "Resume");
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hang up: set_up_failed", "Release"]);
}
