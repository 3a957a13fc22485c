//! The transition table: every phase and every input, as a snapshot.

use super::*;
use crate::fallback::Intent;
use crate::outbound::OnMachine;
use std::fmt::Write;

/// One call in every phase, and in the states within a phase that differ in what they do.
pub(super) fn desks() -> Vec<(&'static str, Desk)> {
    let mut desks = vec![("offered", Desk::new(with_human()))];
    desks.push(("dialing: conversation", Desk::dialing(with_human())));
    let mut desk = Desk::dialing(with_human());
    desk.tell(CallInput::ConversationOpened);
    desks.push(("dialing", desk));
    let mut desk = Desk::dialing(super::dialing::for_machines(OnMachine::Say("Call us back.".into())));
    desk.tell(CallInput::ConversationOpened);
    desk.tell(CallInput::Up(AnsweredBy::Machine));
    desk.tell(CallInput::MediaConnected);
    desks.push(("answering: quiet", desk));
    let mut desk = Desk::new(with_human());
    desk.tell(CallInput::Offered);
    desks.push(("answering: conversation", desk));
    let mut desk = Desk::new(with_human());
    desk.tell(CallInput::Offered);
    desk.tell(CallInput::ConversationOpened);
    desks.push(("answering: media", desk));
    let mut desk = Desk::new(with_human());
    desk.tell(CallInput::Offered);
    desk.tell(CallInput::ConversationOpened);
    desk.tell(CallInput::MediaConnected);
    desks.push(("answering: answer", desk));
    desks.push(("greeting", Desk::greeting(with_human())));
    desks.push(("listening: quiet", Desk::listening(with_human())));
    let mut desk = Desk::listening(with_human());
    desk.speech();
    desks.push(("listening: speech", desk));
    let mut desk = Desk::listening(with_human());
    desk.speech();
    desk.words("hello");
    desk.pause();
    desk.wake(CallReason::EndOfTurn);
    desks.push(("listening: closed", desk));
    desks.push(("keying: menu", keying::in_menu(&[])));
    desks.push(("keying: digits", keying::collecting()));
    desks.push(("thinking", Desk::thinking(with_human(), "hello")));
    desks.push(("thinking: filler", filler::filling()));
    desks.push(("speaking: answer", Desk::speaking(with_human())));
    let mut desk = Desk::speaking(with_human());
    desk.speech();
    desks.push(("speaking: answer, caller too", desk));
    let mut desk = Desk::listening(with_human());
    desk.wake(CallReason::Silence);
    desks.push(("speaking: line", desk));
    let mut desk = Desk::listening(with_human());
    desk.tell(CallInput::Drain);
    desks.push(("speaking: last line", desk));
    let mut desk = Desk::thinking(with_human(), "hello");
    desk.done(1, Some(AgentCommand::Human));
    desks.push(("handover: asked", desk));
    desks.push(("advising", advising::person_wanted()));
    desks.push(("handover: away", handover::away()));
    let mut desk = handover::away();
    desk.tell(CallInput::HandoverProgress(Progress::Answered));
    desks.push(("handover: answered", desk));
    let mut desk = handover::away();
    desk.tell(CallInput::HandoverReturned(Returned::Busy));
    desks.push(("handover: back", desk));
    desks.push(("handover: calling", consulting::calling()));
    let mut desk = consulting::calling();
    desk.tell(CallInput::PersonAnswered);
    desks.push(("handover: meeting", desk));
    desks.push(("handover: telling", consulting::telling()));
    let mut desk = consulting::telling();
    desk.utter(3);
    desks.push(("handover: joining", desk));
    desks.push(("handover: together", consulting::together()));
    let mut desk = consulting::calling();
    desk.tell(CallInput::PersonGone(Returned::Busy));
    desks.push(("handover: resuming", desk));
    let mut desk = Desk::listening(with_human());
    desk.tell(CallInput::CallerGone);
    desks.push(("ending", desk));
    let mut desk = Desk::listening(with_human());
    desk.tell(CallInput::Released);
    desks.push(("ended", desk));
    desks
}

/// Every kind of input, about what is current where there is something.
pub(super) fn inputs(call: &Call, now: Instant) -> Vec<CallInput> {
    let (turn, utterance) = (call.last_turn, call.last_utterance);
    vec![
        CallInput::Offered,
        CallInput::Dialed,
        CallInput::Up(AnsweredBy::Human),
        CallInput::Up(AnsweredBy::Machine),
        CallInput::ConversationOpened,
        CallInput::ConversationFailed { code: "code" },
        CallInput::MediaConnected,
        CallInput::Answered,
        CallInput::MediaRebuilt,
        CallInput::SetUpFailed { code: "code" },
        CallInput::SpeechStarted { at: now },
        CallInput::SpeechEnded { last_voiced: now },
        CallInput::Digit('1'),
        CallInput::KeysMissed,
        guess(masked("words")),
        CallInput::Final(masked("words")),
        CallInput::Final(masked("")),
        CallInput::Finalized,
        CallInput::HearingFell { code: "code" },
        CallInput::AgentText { turn, text: "A clause, and".into() },
        CallInput::AgentHints { turn, hint: Hint::Expect(Expect::YesNo) },
        CallInput::AgentHints { turn, hint: Hint::Wait(Duration::from_secs(30)) },
        CallInput::AgentHints { turn, hint: Hint::Hold(Duration::from_secs(30)) },
        CallInput::AgentHints { turn, hint: Hint::Intent(Intent::parse("delivery").unwrap()) },
        CallInput::AgentHints { turn, hint: Hint::Uninterruptible },
        CallInput::AgentDone { turn, command: None },
        CallInput::AgentDone { turn, command: Some(AgentCommand::Human) },
        CallInput::AgentDone { turn, command: Some(AgentCommand::HangUp) },
        CallInput::AgentDone { turn, command: Some(AgentCommand::Menu) },
        CallInput::AgentDone { turn, command: Some(AgentCommand::Collect(keying::four())) },
        CallInput::AgentFell { turn, code: "code" },
        CallInput::SpeechAudio { utterance },
        CallInput::SpeechOwed { utterance },
        CallInput::Audible { utterance, at: now },
        CallInput::UtteranceEnded { utterance },
        CallInput::Hushed { utterance, spoken_ms: 1 },
        CallInput::SpeakingFell { utterance, code: "code" },
        CallInput::SayOrdered("A notice.".into()),
        CallInput::TransferOrdered(handover::to_queue("sales", None)),
        CallInput::TransferCalledOff,
        CallInput::Advised(HandoverAdvice::default()),
        CallInput::AdviceFailed { code: "code" },
        CallInput::PersonAnswered,
        CallInput::PersonMet,
        CallInput::PersonJoined,
        CallInput::PersonGone(Returned::NoAnswer),
        CallInput::Resumed,
        CallInput::HandoverParted,
        CallInput::HandoverProgress(Progress::Dialled),
        CallInput::HandoverProgress(Progress::Answered),
        CallInput::HandoverReturned(Returned::Busy),
        CallInput::HandoverFailed { code: "code" },
        CallInput::NotReached(DialFailure::Busy),
        CallInput::CallerGone,
        CallInput::AsteriskLost,
        CallInput::Drain,
        CallInput::Stop(EndCause::Stopped),
        CallInput::Released,
    ]
}

#[test]
fn every_phase_takes_every_input_as_the_table_says() {
    let mut table = String::new();
    let phases = desks().len();
    let kinds = desks().first().map_or(0, |(_, desk)| inputs(&desk.call, desk.now).len());
    for phase in 0..phases {
        for kind in 0..kinds {
            let (name, mut desk) = desks().swap_remove(phase);
            let input = inputs(&desk.call, desk.now).swap_remove(kind);
            let shown = shown(&input);
            let actions = desk.tell(input);
            if kind == 0 {
                writeln!(table, "{name}").unwrap();
            }
            match actions.first() {
                Some(refused) if refused.starts_with("refuse ") => writeln!(table, "  {shown:<20} refused").unwrap(),
                Some(_) | None => writeln!(table, "  {shown:<20} -> {:<10} {}", desk.phase(), actions.join("; ")).unwrap(),
            }
        }
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::assert_snapshot!(table);
}

fn shown(input: &CallInput) -> String {
    match input {
        CallInput::AgentDone { command: Some(command), .. } => format!("agent_done+{command:?}"),
        CallInput::Up(by) => format!("up ({})", by.code()),
        CallInput::Final(text) if text.is_empty() => "final (empty)".into(),
        input => input.name().into(),
    }
}
