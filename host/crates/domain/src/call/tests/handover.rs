//! Hand-overs, and callers who come back.

use super::*;
use crate::pii::Pii;
use crate::transfer::{Outside, OutsideWay, ReferPattern};

pub(super) fn to_queue(name: &str, summary: Option<&str>) -> Transfer {
    let target = TransferTarget::Queue(name.into());
    Transfer { target, mode: TransferMode::Blind, summary: summary.map(Into::into) }
}

fn with_queues() -> TenantSettings {
    let transfer = TransferSettings { queue: PlacePattern::parse("queues,{name}"), ..TransferSettings::default() };
    TenantSettings { transfer, ..with_human() }
}

/// A caller who is in the dialplan, on the way to a person.
pub(super) fn away() -> Desk {
    let mut desk = Desk::thinking(with_human(), "human agent");
    desk.done(1, Some(AgentCommand::Human));
    desk.tell(CallInput::HandoverParted);
    desk
}

#[test]
fn an_agent_hands_over_to_a_queue_with_a_masked_summary() {
    let mut desk = Desk::thinking(with_queues(), "sales please");
    desk.text(1, "One moment.");
    desk.done(1, Some(AgentCommand::Transfer(to_queue("sales", Some("pays with 4111 1111 1111 1111")))));
    assert_eq!(desk.utter(2)[1..], ["- transferring: queue, blind", "transfer to queues,sales (pays with [card])"]);
    assert_eq!(desk.tell(CallInput::HandoverParted), ["LeaveMedia"]);
    assert_eq!(desk.tell(CallInput::HandoverProgress(Progress::Dialled)), [""; 0]);
    assert_eq!(desk.tell(CallInput::HandoverProgress(Progress::Answered)), ["- transferred: queue, blind"]);
    assert_eq!(desk.after(60_000).tell(CallInput::CallerGone), ["Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 1 turns"]);
}

#[test]
fn a_caller_who_comes_back_is_told_so_and_the_same_call_goes_on() {
    let mut desk = away();
    desk.tell(CallInput::HandoverProgress(Progress::Dialled));
    let back = desk.after(20_000).tell(CallInput::HandoverReturned(Returned::NoAnswer));
    assert_eq!(back, ["- transfer failed: human, blind, no_answer", "ConnectMedia"]);
    assert_eq!(desk.tell(CallInput::MediaConnected)[..2], ["StartHearing", "say 2: Nobody is free."]);
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
    assert_eq!(desk.ask("never mind"), ["- heard 2: never mind", "ask 2: never mind"]);
}

#[test]
fn a_dialplan_that_is_quicker_than_the_word_of_the_leaving_is_believed() {
    let asked = || {
        let mut desk = Desk::thinking(with_human(), "human agent");
        desk.done(1, Some(AgentCommand::Human));
        desk
    };
    let mut desk = asked();
    let back = desk.tell(CallInput::HandoverReturned(Returned::Unavailable));
    assert_eq!(back, ["LeaveMedia", "- transfer failed: human, blind, unavailable", "ConnectMedia"]);
    assert_eq!(desk.tell(CallInput::HandoverParted), [""; 0]);
    assert_eq!(desk.tell(CallInput::MediaConnected)[..2], ["StartHearing", "say 2: Nobody is free."]);
    let mut desk = asked();
    let answered = desk.tell(CallInput::HandoverProgress(Progress::Answered));
    assert_eq!(answered, ["LeaveMedia", "- transferred: human, blind"]);
    assert_eq!(desk.tell(CallInput::HandoverParted), [""; 0]);
    assert_eq!(desk.tell(CallInput::CallerGone), ["Release"]);
}

#[test]
fn a_caller_who_comes_back_and_cannot_be_heard_again_is_hung_up() {
    for failed in [true, false] {
        let mut desk = away();
        desk.tell(CallInput::HandoverReturned(Returned::Busy));
        let actions =
            if failed { desk.tell(CallInput::SetUpFailed { code: "gone" }) } else { desk.wake(CallReason::EndDeadline) };
        assert_eq!(actions, ["hang up: set_up_failed", "Release"]);
    }
}

#[test]
fn a_caller_who_hangs_up_before_anybody_answers_was_not_handed_over() {
    let mut desk = away();
    desk.tell(CallInput::HandoverProgress(Progress::Dialled));
    assert_eq!(desk.tell(CallInput::CallerGone), ["- transfer failed: human, blind, abandoned", "Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: caller_hung_up, 0 turns"]);
}

#[test]
fn a_place_that_calls_nobody_was_the_target_itself() {
    let mut desk = away();
    assert_eq!(desk.tell(CallInput::CallerGone), ["- transferred: human, blind", "Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 0 turns"]);
}

#[test]
fn whoever_has_answered_is_not_called_again() {
    let mut desk = away();
    desk.tell(CallInput::HandoverProgress(Progress::Answered));
    assert_eq!(desk.tell(CallInput::HandoverProgress(Progress::Dialled)), [""; 0]);
    assert_eq!(desk.tell(CallInput::HandoverProgress(Progress::Answered)), [""; 0], "told once");
    desk.tell(CallInput::CallerGone);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 0 turns"]);
}

#[test]
fn a_gateway_that_stops_leaves_whoever_is_away_alone() {
    for stop in [CallInput::Drain, CallInput::Stop(EndCause::Drained)] {
        let mut desk = away();
        assert_eq!(desk.tell(stop), ["- transferred: human, blind", "Release"]);
        assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 0 turns"]);
    }
    let mut desk = away();
    let ordered = desk.tell(CallInput::Stop(EndCause::Stopped));
    assert_eq!(ordered, ["- transfer failed: human, blind, cancelled", "hang up: stopped", "Release"]);
}

#[test]
fn a_target_that_the_tenant_may_not_reach_costs_a_line_and_nothing_else() {
    let mut desk = Desk::thinking(with_human(), "sales please");
    let actions = desk.done(1, Some(AgentCommand::Transfer(to_queue("sales", None))));
    assert_eq!(actions[..2], ["- transfer failed: queue, blind, no_targets", "say 2: Nobody is free."]);
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn an_order_to_hand_over_interrupts_what_is_said_but_no_other_hand_over() {
    let mut desk = Desk::speaking(with_queues());
    let actions = desk.tell(CallInput::TransferOrdered(to_queue("sales", None)));
    assert_eq!(actions[..2], ["cancel ask 1", "hush 2"]);
    assert_eq!(actions[3..], ["seek advice (operator): Queue(\"sales\"), blind"]);
    let again = desk.tell(CallInput::TransferOrdered(to_queue("sales", None)));
    assert_eq!(again, ["refuse transfer_ordered while advising"]);
    assert_eq!(desk.no_advice(), ["- transferring: queue, blind", "transfer to queues,sales"]);
    let again = desk.tell(CallInput::TransferOrdered(to_queue("sales", None)));
    assert_eq!(again, ["refuse transfer_ordered while handover"]);
}

fn referred() -> Desk {
    let outside = Outside {
        way: OutsideWay::Refer(ReferPattern::parse("sip:{name}@sbc.example").unwrap()),
        numbers: vec!["+4930.".parse().unwrap()],
    };
    let transfer = TransferSettings { external: vec![outside], ..TransferSettings::default() };
    let wish = |mode| {
        let target = TransferTarget::External(Pii::new("+493012345678".into()));
        CallInput::TransferOrdered(Transfer { target, mode, summary: None })
    };
    let mut desk = Desk::listening(TenantSettings { transfer, ..with_human() });
    desk.tell(wish(TransferMode::Attended));
    let asked_first = desk.no_advice();
    assert_eq!(asked_first[0], "- transfer failed: external, attended, no_consulting");
    desk.tell(wish(TransferMode::Blind));
    assert_eq!(desk.no_advice(), ["- transferring: external, blind", "transfer to sip:+493012345678@sbc.example"]);
    assert_eq!(desk.tell(CallInput::HandoverParted), ["LeaveMedia"]);
    desk
}

#[test]
fn a_caller_who_is_referred_elsewhere_has_gone_there_and_nobody_claims_to_know_more() {
    let mut desk = referred();
    assert_eq!(desk.after(5_000).tell(CallInput::CallerGone), ["- referred: external", "Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: transferred, 0 turns"]);
    assert_eq!(referred().tell(CallInput::Drain), ["- referred: external", "Release"]);
}

#[test]
fn a_telephone_that_does_not_let_itself_be_referred_leaves_its_caller_with_the_agent() {
    let mut desk = referred();
    let back = desk.tell(CallInput::HandoverReturned(Returned::Unavailable));
    assert_eq!(back, ["- transfer failed: external, blind, unavailable", "ConnectMedia"]);
    desk.tell(CallInput::MediaConnected);
    assert_eq!(desk.phase(), "speaking");
}

#[test]
fn a_caller_who_comes_back_is_not_waited_for_as_long_as_one_who_is_away() {
    let mut desk = away();
    let back = desk.after(60_000).now;
    desk.tell(CallInput::HandoverReturned(Returned::Busy));
    let (due, reason) = desk.call.poll_timeout().unwrap();
    assert_eq!((due - back, reason), (super::super::handover::STEP_MAX, CallReason::EndDeadline));
}

#[test]
fn a_caller_who_comes_back_is_listened_to_again_even_if_nobody_could_listen_before() {
    let mut desk = Desk::listening(keying::with_menu());
    for _ in 0..4 {
        desk.tell(CallInput::HearingFell { code: "trap" });
    }
    // The keypad is all that is left. Its prompt is said.
    desk.utter(3);
    desk.tell(CallInput::Digit('3'));
    assert_eq!(desk.no_advice().last().unwrap(), "transfer to queues,sales");
    desk.tell(CallInput::HandoverParted);
    desk.tell(CallInput::HandoverReturned(Returned::Busy));
    assert_eq!(desk.tell(CallInput::MediaConnected)[..2], ["StartHearing", "say 4: Nobody is free."]);
    desk.utter(4);
    assert_eq!(desk.phase(), "listening", "and not in the menu");
    // With the whole number of attempts.
    for _ in 0..3 {
        assert_eq!(desk.tell(CallInput::HearingFell { code: "trap" }), ["- hearing fell: trap", "StartHearing"]);
    }
    assert_eq!(desk.tell(CallInput::HearingFell { code: "trap" })[1], "say 5: Press one or two.");
}
