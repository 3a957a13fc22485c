//! Conversations that go well, and how people really talk.

use super::*;
use crate::turn::LatencyParts;

#[test]
fn an_offered_call_is_set_up_in_order_and_greeted() {
    let mut desk = Desk::new(settings());
    assert_eq!(desk.tell(CallInput::Offered), ["- started: inbound", "Ring", "OpenConversation"]);
    assert_eq!(desk.tell(CallInput::ConversationOpened), ["ConnectMedia"]);
    assert_eq!(desk.tell(CallInput::MediaConnected), ["Answer"]);
    assert_eq!(
        desk.tell(CallInput::Answered),
        ["- answered by gateway", "StartHearing", "say 1: Welcome.", "- saying 1: Welcome.", "end utterance 1"]
    );
    assert_eq!(desk.utter(1), [""; 0]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_question_is_heard_asked_and_answered_clause_by_clause() {
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.speech(), ["PrepareSpeaking"]);
    // A listener that has said nothing yet: nothing is asked before its last words.
    assert_eq!(desk.after(900).pause(), [""; 0]);
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
    assert_eq!(desk.after(80).words("what time"), [""; 0]);
    assert_eq!(desk.tell(guess(masked("is it"))), ["- hearing 1: what time is it"]);
    assert_eq!(desk.words("is it"), [""; 0]);
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: what time is it", "ask 1: what time is it"]);
    assert_eq!(desk.after(200).text(1, "It is"), [""; 0]);
    assert_eq!(desk.after(40).text(1, " ten, sir."), ["say 2: It is ten,", "- saying 2: It is ten,"]);
    assert_eq!(desk.text(1, " Anything else"), ["say 2: sir.", "- saying 2: sir."]);
    assert_eq!(desk.done(1, None), ["say 2: Anything else", "- saying 2: Anything else", "end utterance 2"]);
    desk.after(100).tell(CallInput::SpeechAudio { utterance: UtteranceId(2) });
    let at = desk.after(20).now;
    desk.tell(CallInput::Audible { utterance: UtteranceId(2), at });
    let now = desk.after(2000).now;
    desk.call.handle(now, CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    let Some(CallAction::Emit(Fact::Turn(record))) = desk.call.poll_action() else { panic!("a turn record is expected") };
    assert_eq!((record.heard.as_str(), record.said.as_str()), ("what time is it", "It is ten, sir. Anything else"));
    let expected = LatencyParts {
        endpoint_wait_ms: 500,
        stt_ms: 80,
        agent_ms: 200,
        clause_ms: 40,
        tts_ms: 100,
        playout_ms: 20,
        gateway_ms: 0,
        total_ms: 940,
    };
    assert_eq!(record.latency, Some(expected));
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_late_wake_up_is_the_gateways_own_share() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    desk.call.handle_timeout(desk.now + Duration::from_millis(507));
    desk.after(600).words("hello");
    desk.tell(CallInput::Finalized);
    desk.text(1, "Good day. ");
    desk.done(1, None);
    desk.audio(2);
    desk.call.handle(desk.now, CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    let records = std::iter::from_fn(|| desk.call.poll_action());
    let latency =
        records.filter_map(|action| if let CallAction::Emit(Fact::Turn(record)) = action { record.latency } else { None }).last();
    let latency = latency.unwrap();
    assert_eq!((latency.endpoint_wait_ms, latency.gateway_ms, latency.stt_ms, latency.total_ms), (500, 7, 93, 600));
}

#[test]
fn a_pause_within_a_sentence_does_not_end_the_turn() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    assert_eq!(desk.after(499).speech(), [""; 0]);
    desk.after(500).pause();
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
}

#[test]
fn a_caller_who_goes_on_while_the_last_words_are_awaited_keeps_the_turn() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.after(20).speech();
    desk.words("my order");
    assert_eq!(desk.tell(CallInput::Finalized), [""; 0], "the first answer is not the last");
    desk.after(400).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("is late");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: my order is late", "ask 1: my order is late"]);
}

#[test]
fn a_caller_who_goes_on_while_the_agent_thinks_is_heard_out() {
    let mut desk = Desk::thinking(settings(), "my order");
    assert_eq!(desk.after(300).speech(), ["cancel ask 1"]);
    assert_eq!(desk.text(1, "Too late. Really."), [""; 0]);
    desk.after(400).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("is late");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: my order is late", "ask 1: my order is late"]);
}

#[test]
fn a_cough_while_the_agent_thinks_asks_again_but_tells_nothing_twice() {
    let mut desk = Desk::thinking(settings(), "my order");
    desk.after(300).speech();
    desk.after(100).pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized), ["ask 1: my order"]);
}

#[test]
fn a_caller_who_interrupts_is_heard_and_the_answer_stops() {
    let mut desk = Desk::speaking(settings());
    assert_eq!(desk.after(400).speech(), ["pause 2"]);
    assert_eq!(
        desk.wake(CallReason::BargeIn),
        ["cancel ask 1", "hush 2", "- turn 1: hello -> Well, (interrupted), 550 ms", "PrepareSpeaking"]
    );
    assert_eq!(desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 620 }), ["- interrupted 2 after 620 ms"]);
    desk.after(400).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("stop");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 2: stop", "ask 2: stop"]);
}

#[test]
fn words_over_the_answer_interrupt_at_once_and_count() {
    let mut desk = Desk::speaking(settings());
    desk.speech();
    let actions = desk.after(120).tell(guess(masked("no wait")));
    assert_eq!(actions[1], "hush 2");
    assert_eq!(actions[3..], ["PrepareSpeaking", "- hearing 2: no wait"]);
    let mut desk = Desk::greeting(settings());
    desk.speech();
    assert_eq!(desk.after(120).words("operator"), ["hush 1", "PrepareSpeaking"]);
    desk.after(300).pause();
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: operator", "ask 1: operator"]);
}

#[test]
fn a_short_sound_over_the_answer_does_not_interrupt_and_its_words_are_dropped() {
    let mut desk = Desk::speaking(settings());
    desk.done(1, None);
    desk.speech();
    assert_eq!(desk.after(199).pause(), ["go on 2", "FinalizeHearing"]);
    desk.after(10).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    assert_eq!(desk.phase(), "listening");
    assert_eq!(desk.tell(guess(masked("mm-hm"))), [""; 0]);
    desk.words("mm-hm");
    desk.tell(CallInput::Finalized);
    assert_eq!(desk.ask("and tomorrow"), ["- heard 2: and tomorrow", "ask 2: and tomorrow"]);
}

#[test]
fn speech_that_goes_on_when_the_answer_ends_opens_the_next_turn() {
    let mut desk = Desk::speaking(settings());
    desk.done(1, None);
    desk.speech();
    let actions = desk.after(50).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    assert_eq!(actions.last().unwrap(), "PrepareSpeaking");
    desk.after(500).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("thanks");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 2: thanks", "ask 2: thanks"]);
}

#[test]
fn goodbye_is_said_before_the_agent_hangs_up() {
    let mut desk = Desk::thinking(settings(), "goodbye");
    desk.text(1, "Goodbye.");
    assert_eq!(desk.done(1, Some(AgentCommand::HangUp)).last().unwrap(), "end utterance 2");
    assert_eq!(desk.utter(2), ["- turn 1: goodbye -> Goodbye., 550 ms", "hang up: agent_hung_up", "Release"]);
    assert_eq!(desk.tell(CallInput::Released), ["- ended: agent_hung_up, 1 turns"]);
    assert_eq!(desk.call.outcome(), Some(&Outcome { cause: EndCause::AgentHungUp, turns: 1 }));
    assert_eq!(desk.call.poll_timeout(), None);
}

#[test]
fn a_caller_who_takes_back_a_goodbye_is_not_hung_up_on() {
    let mut desk = Desk::thinking(settings(), "goodbye");
    desk.text(1, "Goodbye.");
    desk.done(1, Some(AgentCommand::HangUp));
    desk.audio(2);
    desk.speech();
    desk.wake(CallReason::BargeIn);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_caller_who_asks_for_a_person_is_transferred_after_the_answer() {
    let mut desk = Desk::thinking(with_human(), "human agent");
    desk.text(1, "One moment.");
    desk.done(1, Some(AgentCommand::Human));
    desk.speech();
    assert_eq!(desk.after(800).pause(), ["FinalizeHearing"], "a thank-you does not call the transfer off");
    assert_eq!(
        desk.utter(2)[1..],
        ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (agent)"]
    );
    assert_eq!(desk.tell(CallInput::HandoverParted), ["LeaveMedia"]);
}

#[test]
fn keys_show_that_somebody_is_there() {
    let mut desk = Desk::listening(settings());
    desk.after(4900).tell(CallInput::Digit('5'));
    desk.after(4900);
    assert!(desk.call.poll_timeout().unwrap().0 > desk.now);
}

#[test]
fn card_numbers_of_the_agent_are_masked_over_clauses() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "You said 4111 1111, ");
    desk.text(1, "1111 1111. Right?");
    let said = desk.done(1, None);
    assert!(said.contains(&"say 2: Right?".into()));
    let turn = desk.utter(2);
    assert!(turn[0].contains("[card]. Right?"), "{turn:?}");
}

#[test]
fn a_greeting_whose_leg_was_built_anew_is_said_again() {
    let mut desk = Desk::greeting(settings());
    desk.audio(1);
    let again = ["hush 1", "StartHearing", "say 2: Welcome.", "- saying 2: Welcome.", "end utterance 2"];
    assert_eq!(desk.after(1_000).tell(CallInput::MediaRebuilt), again);
    // What the old leg still tells of the first one changes nothing.
    assert_eq!(desk.tell(CallInput::UtteranceEnded { utterance: UtteranceId(1) }), [""; 0]);
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_caller_who_spoke_when_the_leg_was_built_anew_is_listened_to_from_the_start() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    assert_eq!(desk.tell(CallInput::MediaRebuilt), ["StartHearing"]);
    desk.ask("hello");
    assert_eq!(desk.phase(), "thinking");
}

#[test]
fn an_agent_that_fails_after_its_time_for_the_conversation_changes_nothing() {
    let mut desk = Desk::new(settings());
    desk.tell(CallInput::Offered);
    assert_eq!(desk.wake(CallReason::AgentDeadline), ["- thinking fell: deadline", "ConnectMedia"]);
    assert_eq!(desk.tell(CallInput::ConversationFailed { code: "unavailable" }), [""; 0]);
}

#[test]
fn a_line_that_was_ordered_is_not_said_over_a_caller_who_has_taken_the_floor() {
    let mut desk = Desk::speaking(settings());
    desk.tell(CallInput::SayOrdered("The line is recorded.".into()));
    desk.speech();
    assert_eq!(desk.wake(CallReason::BargeIn)[..2], ["cancel ask 1", "hush 2"]);
    assert_eq!(desk.phase(), "listening");
    desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 300 });
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("no wait");
    desk.tell(CallInput::Finalized);
    desk.text(2, "Sure.");
    desk.done(2, None);
    assert_eq!(desk.utter(3)[1], "say 4: The line is recorded.");
}

#[test]
fn who_speaks_already_when_something_begins_to_be_said_is_let_finish_too() {
    let mut desk = Desk::greeting(keying::with_menu());
    desk.audio(1);
    desk.speech();
    // The menu follows the greeting at once.
    desk.after(100).tell(CallInput::UtteranceEnded { utterance: UtteranceId(1) });
    let begun = desk.now;
    assert_eq!(desk.wake(CallReason::BargeIn)[0], "hush 2");
    assert_eq!(desk.now - begun, Timing::default().barge_in);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_caller_who_speaks_over_a_voice_that_falls_does_not_have_to_begin_anew() {
    let mut desk = Desk::greeting(settings());
    desk.audio(1);
    desk.speech();
    let begun = desk.now;
    let fall = CallInput::SpeakingFell { utterance: UtteranceId(1), code: "trap" };
    assert_eq!(desk.after(200).tell(fall)[1], "play emergency 1");
    assert_eq!(desk.wake(CallReason::BargeIn)[0], "hush 1");
    assert_eq!(desk.now - begun, Timing::default().barge_in);
}

#[test]
fn two_utterances_in_a_row_that_were_spoken_over_are_both_told_of() {
    let mut desk = Desk::greeting(keying::with_menu());
    desk.audio(1);
    // No key of the menu: its prompt is said at once.
    desk.tell(CallInput::Digit('7'));
    desk.audio(2);
    desk.tell(CallInput::Digit('7'));
    for utterance in [1, 2] {
        let told = desk.tell(CallInput::Hushed { utterance: UtteranceId(utterance), spoken_ms: 40 });
        assert_eq!(told, [format!("- interrupted {utterance} after 40 ms")]);
    }
}
