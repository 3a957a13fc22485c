//! The agent is asked before a caller is handed over by somebody else's wish.

use super::handover::to_queue;
use super::*;
use crate::transfer::HandoverReason;

fn without_menu() -> TenantSettings {
    TenantSettings { menu: None, ..keying::with_menu() }
}

/// A caller whose key asks for a person; the agent has not answered.
pub(super) fn person_wanted() -> Desk {
    let mut desk = keying::in_menu(&[]);
    assert_eq!(desk.tell(CallInput::Digit('0')), ["seek advice (caller): a person"]);
    desk
}

fn advice(target: Option<&str>, mode: TransferMode, summary: Option<&str>) -> CallInput {
    let target = target.map(|name| TransferTarget::Queue(name.into()));
    CallInput::Advised(HandoverAdvice { target, mode, summary: summary.map(Into::into) })
}

#[test]
fn an_agent_that_knows_where_to_is_followed_with_its_words_masked() {
    let mut desk = person_wanted();
    let actions = desk.tell(advice(Some("sales"), TransferMode::Blind, Some("pays with 4111 1111 1111 1111")));
    assert_eq!(actions, ["- transferring: queue, blind", "transfer to queues,sales (pays with [card])"]);
}

#[test]
fn an_agent_that_knows_nothing_leaves_it_to_the_tenants_person() {
    let person = ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (caller)"];
    assert_eq!(person_wanted().no_advice(), person);
    let told = person_wanted().tell(advice(None, TransferMode::Blind, Some("wants a tent")));
    assert_eq!(told[1], "transfer to queues,human (wants a tent)");
    assert_eq!(person_wanted().tell(advice(None, TransferMode::Attended, None))[1], "consult queues,human");
}

#[test]
fn an_agent_that_fails_or_says_what_is_not_allowed_costs_nothing_but_its_advice() {
    let person = ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (caller)"];
    let mut desk = person_wanted();
    assert_eq!(desk.tell(CallInput::AdviceFailed { code: "unavailable" })[0], "- thinking fell: unavailable");
    let mut desk = person_wanted();
    let begun = desk.now;
    let late = desk.wake(CallReason::AgentDeadline);
    assert_eq!(desk.now - begun, Duration::from_secs(2));
    assert_eq!(late[0], "- thinking fell: deadline");
    assert_eq!(late[1..], person);
    assert_eq!(desk.tell(advice(Some("sales"), TransferMode::Blind, None)), [""; 0], "too late");
    let refused = person_wanted().tell(advice(Some("not a name"), TransferMode::Blind, None));
    assert_eq!(refused[0], "- thinking fell: bad_name");
    assert_eq!(refused[1..], person);
}

#[test]
fn who_wished_for_somebody_in_particular_gets_nobody_else_but_the_agents_words() {
    let ordered = |summary| {
        let mut desk = Desk::listening(without_menu());
        desk.tell(CallInput::TransferOrdered(to_queue("sales", summary)));
        desk.tell(advice(Some("returns"), TransferMode::Attended, Some("wants a tent")))
    };
    assert_eq!(ordered(None)[1], "transfer to queues,sales (wants a tent)");
    assert_eq!(ordered(Some("call back"))[1], "transfer to queues,sales (call back)", "who orders it knows best");
}

#[test]
fn an_agent_that_does_not_know_the_conversation_is_not_asked() {
    let mut desk = Desk::new(without_menu());
    desk.tell(CallInput::Offered);
    for input in [CallInput::ConversationFailed { code: "refused" }, CallInput::MediaConnected, CallInput::Answered] {
        desk.tell(input);
    }
    let actions = desk.tell(CallInput::TransferOrdered(to_queue("sales", None)));
    assert_eq!(actions.last().unwrap(), "transfer to queues,sales");
}

#[test]
fn a_gateway_in_trouble_asks_as_well() {
    let mut desk = Desk::listening(without_menu());
    for _ in 0..3 {
        desk.tell(CallInput::HearingFell { code: "crashed" });
    }
    assert_eq!(desk.tell(CallInput::HearingFell { code: "crashed" })[1], "seek advice (trouble): a person");
    assert_eq!(desk.tell(CallInput::TransferCalledOff), ["refuse transfer_called_off while advising"], "nobody could listen");
    assert_eq!(HandoverReason::Trouble.code(), "trouble");
}

#[test]
fn a_hand_over_is_called_off_while_the_caller_is_still_here() {
    let mut desk = person_wanted();
    let actions = desk.tell(CallInput::TransferCalledOff);
    assert_eq!(actions[..2], ["- transfer failed: human, blind, cancelled", "say 3: Nobody is free."]);
    assert_eq!(desk.no_advice(), [""; 0], "too late");
    desk.utter(3);
    assert_eq!(desk.phase(), "listening");

    for (mut desk, hush) in [(consulting::calling(), 0), (consulting::telling(), 1)] {
        let actions = desk.tell(CallInput::TransferCalledOff);
        assert!(actions[hush].ends_with("attended, cancelled") && actions[hush + 1] == "Resume", "{actions:?}");
        desk.tell(CallInput::Resumed);
        assert_eq!(desk.phase(), "speaking");
    }
    for mut desk in [handover::away(), consulting::together(), Desk::listening(settings())] {
        let phase = desk.phase();
        assert_eq!(desk.tell(CallInput::TransferCalledOff), [format!("refuse transfer_called_off while {phase}")]);
    }
}

#[test]
fn a_listener_that_falls_meanwhile_is_started_again_or_known_to_be_lost() {
    let mut desk = person_wanted();
    assert_eq!(desk.tell(CallInput::HearingFell { code: "crashed" }), ["- hearing fell: crashed", "StartHearing"]);
    desk.no_advice();
    for _ in 0..2 {
        assert_eq!(desk.tell(CallInput::HearingFell { code: "crashed" }).last().unwrap(), "StartHearing");
    }
    assert_eq!(desk.tell(CallInput::HearingFell { code: "crashed" }), ["- hearing fell: crashed"]);
    // The person is not to be had, and nobody can listen: what is left is to try again, and then the end.
    let actions = desk.tell(CallInput::HandoverFailed { code: "no_place" });
    assert_eq!(actions, ["- transfer failed: human, blind, no_place", "seek advice (trouble): a person"]);
}
