//! Calls that the gateway makes.

use super::*;
use crate::number::NumberPlan;
use crate::outbound::{MachineDetection, OnMachine, OutboundRules};

/// A tenant whose calls look for machines.
pub(super) fn for_machines(then: OnMachine) -> TenantSettings {
    let plan = NumberPlan::default();
    let rules = OutboundRules {
        trunk: "PJSIP/{number}@trunk".parse().unwrap(),
        caller_id: plan.read("+551130000000").unwrap(),
        caller_ids: Vec::new(),
        patterns: vec!["+55.".parse().unwrap()],
        denied: Vec::new(),
        plan,
        machines: MachineDetection::On(then),
    };
    TenantSettings { outbound: Some(rules), ..with_human() }
}

fn up(by: AnsweredBy) -> CallInput {
    CallInput::Up(by)
}

#[test]
fn nothing_is_said_before_somebody_has_answered_and_the_agent_is_told_meanwhile() {
    let mut desk = Desk::dialing(settings());
    assert_eq!(desk.phase(), "dialing");
    assert_eq!(desk.tell(CallInput::ConversationOpened), [""; 0]);
    // A leg that has no sound yet, and nobody to hear it.
    assert_eq!(desk.tell(CallInput::MediaConnected), ["refuse media_connected while dialing"]);
    assert_eq!(desk.after(4_000).tell(up(AnsweredBy::CalledSide)), ["- answered by called_side", "ConnectMedia"]);
    let greeting = ["StartHearing", "say 1: Welcome.", "- saying 1: Welcome.", "end utterance 1"];
    assert_eq!(desk.tell(CallInput::MediaConnected), greeting);
    assert_eq!(desk.phase(), "greeting");
}

#[test]
fn an_agent_slower_than_the_called_side_is_waited_for_and_not_for_ever() {
    let mut desk = Desk::dialing(settings());
    assert_eq!(desk.after(500).tell(up(AnsweredBy::Human)), ["- answered by human"]);
    assert_eq!(desk.tell(CallInput::ConversationOpened), ["ConnectMedia"]);

    let mut desk = Desk::dialing(settings());
    desk.after(500).tell(up(AnsweredBy::Human));
    assert_eq!(desk.wake(CallReason::AgentDeadline), ["- thinking fell: deadline", "ConnectMedia"]);

    let mut desk = Desk::dialing(settings());
    assert_eq!(desk.wake(CallReason::AgentDeadline), ["- thinking fell: deadline"]);
    assert_eq!(desk.tell(up(AnsweredBy::Human)), ["- answered by human", "ConnectMedia"]);
}

#[test]
fn each_way_of_not_being_reached_ends_the_call_under_its_own_name() {
    for failure in DialFailure::ALL {
        let mut desk = Desk::dialing(settings());
        assert_eq!(desk.tell(CallInput::NotReached(failure)), ["Release"]);
        let ended = format!("- ended: {}, 0 turns", failure.code());
        assert_eq!(desk.tell(CallInput::Released), [ended]);
    }
}

#[test]
fn a_call_that_nobody_tells_the_end_of_is_hung_up() {
    let mut desk = Desk::dialing(settings());
    desk.tell(CallInput::ConversationOpened);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hang up: no_answer", "Release"]);
}

#[test]
fn a_call_is_hung_up_while_it_rings() {
    let mut desk = Desk::dialing(settings());
    assert_eq!(desk.tell(CallInput::Stop(EndCause::Stopped)), ["hang up: stopped", "Release"]);
    // What was under way is no fault.
    assert_eq!(desk.tell(up(AnsweredBy::CalledSide)), [""; 0]);
    assert_eq!(desk.tell(CallInput::NotReached(DialFailure::Failed)), [""; 0]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: stopped, 0 turns"]);
}

#[test]
fn a_machine_is_hung_up_on_where_the_tenant_says_so() {
    let mut desk = Desk::dialing(for_machines(OnMachine::HangUp));
    desk.tell(CallInput::ConversationOpened);
    let ended = ["- answered by machine", "hang up: answering_machine", "Release"];
    assert_eq!(desk.tell(up(AnsweredBy::Machine)), ended);
    // Who is not known to be one is a person.
    let mut desk = Desk::dialing(for_machines(OnMachine::HangUp));
    desk.tell(CallInput::ConversationOpened);
    assert_eq!(desk.tell(up(AnsweredBy::NotSure)), ["- answered by notsure", "ConnectMedia"]);
}

#[test]
fn a_machine_is_told_its_line_after_it_has_fallen_silent() {
    let mut desk = Desk::dialing(for_machines(OnMachine::Say("Call us back.".into())));
    desk.tell(CallInput::ConversationOpened);
    assert_eq!(desk.tell(up(AnsweredBy::Machine)), ["- answered by machine", "ConnectMedia"]);
    assert_eq!(desk.tell(CallInput::MediaConnected), ["PrepareSpeaking"]);
    // Its announcement, with a pause that is no end, and its beep.
    desk.after(300).speech();
    desk.after(3_000).pause();
    desk.after(900).speech();
    desk.after(2_000).pause();
    desk.after(500).speech();
    desk.after(200).pause();
    let last = desk.now;
    let said = ["say 1: Call us back.", "- saying 1: Call us back.", "end utterance 1"];
    assert_eq!(desk.wake(CallReason::Silence), said);
    assert_eq!(desk.now - last, Duration::from_millis(1_800));
    assert_eq!(desk.utter(1), ["hang up: answering_machine", "Release"]);
}

#[test]
fn a_machine_that_never_falls_silent_is_told_its_line_all_the_same() {
    let mut desk = Desk::dialing(for_machines(OnMachine::Say("Call us back.".into())));
    desk.tell(CallInput::ConversationOpened);
    desk.tell(up(AnsweredBy::Machine));
    desk.tell(CallInput::MediaConnected);
    desk.speech();
    assert!(desk.wake(CallReason::EndDeadline).contains(&"say 1: Call us back.".to_owned()));
}
