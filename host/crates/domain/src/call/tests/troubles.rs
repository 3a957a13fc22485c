//! Falls, deadlines and ends.

use super::*;

#[test]
fn a_turn_without_words_is_not_understood() {
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.ask("")[..2], ["- not understood 1", "say 2: I didn't catch that."]);
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn words_that_came_before_the_deadline_are_enough() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.after(500).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("hello");
    let asked = ["- heard 1: hello", "ask 1: hello", "GiveUpHearing", "- hearing fell: no_final", "StartHearing"];
    assert_eq!(desk.wake(CallReason::FinalDeadline), asked);
    assert_eq!(desk.tell(CallInput::Finalized), [""; 0]);
}

#[test]
fn a_voice_that_only_the_listener_noticed_is_heard() {
    let mut desk = Desk::listening(settings());
    assert_eq!(desk.words("hello"), ["PrepareSpeaking"]);
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: hello", "ask 1: hello"]);
    desk.text(1, "Good day.");
    desk.done(1, None);
    assert_eq!(desk.utter(2), ["- turn 1: hello -> Good day., - ms"], "without an anchor there is no latency");
}

#[test]
fn a_voice_without_end_is_cut_after_a_minute() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    assert_eq!(desk.wake(CallReason::EndOfTurn), ["FinalizeHearing"]);
}

#[test]
fn an_agent_that_says_nothing_in_time_is_replaced_by_a_line() {
    let mut desk = Desk::thinking(settings(), "hello");
    assert_eq!(
        desk.wake(CallReason::AgentDeadline)[..3],
        ["cancel ask 1", "- thinking fell: deadline", "say 2: Please bear with us."]
    );
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn an_answer_that_breaks_off_ends_with_a_line() {
    let mut desk = Desk::speaking(settings());
    assert_eq!(
        desk.wake(CallReason::AgentDeadline),
        [
            "cancel ask 1",
            "- thinking fell: deadline",
            "say 2: Please bear with us.",
            "- saying 2: Please bear with us.",
            "end utterance 2"
        ]
    );
}

#[test]
fn an_agent_that_falls_or_says_nothing_at_all_is_replaced_by_a_line() {
    let mut desk = Desk::thinking(settings(), "hello");
    let fall = CallInput::AgentFell { turn: TurnId(1), code: "unavailable" };
    assert_eq!(desk.tell(fall)[..2], ["- thinking fell: unavailable", "say 2: Please bear with us."]);
    let mut desk = Desk::thinking(settings(), "hello");
    assert_eq!(desk.done(1, None)[..2], ["- thinking fell: empty_answer", "say 2: Please bear with us."]);
}

#[test]
fn a_call_without_an_agent_is_answered_and_says_so() {
    let mut desk = Desk::new(settings());
    desk.tell(CallInput::Offered);
    assert_eq!(desk.wake(CallReason::AgentDeadline), ["- thinking fell: deadline", "ConnectMedia"]);
    desk.tell(CallInput::MediaConnected);
    desk.tell(CallInput::Answered);
    desk.utter(1);
    assert_eq!(desk.ask("hello")[..2], ["- heard 1: hello", "say 2: Please bear with us."]);
}

#[test]
fn a_speaker_without_audio_is_replaced_by_the_recording() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Well, it");
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "cancel ask 1", "play emergency 2"]);
    assert_eq!(desk.text(1, "is. Good."), [""; 0]);
    assert_eq!(desk.utter(2), ["- turn 1: hello -> Well,, 5550 ms"]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_speaker_that_goes_silent_while_the_agent_writes_has_the_time_of_one_that_does_not_begin() {
    let owed = || CallInput::SpeechOwed { utterance: UtteranceId(2) };
    let mut desk = Desk::speaking(with_two_of_each());
    desk.audio(2);
    assert!(!desk.call.timers.is_set(CallReason::SpeechDeadline), "it speaks");
    desk.tell(owed());
    let due = desk.now + desk.call.settings.timing.speech_deadline;
    // More words do not buy it more time, but sound does.
    desk.after(1_000).text(1, " is three. And");
    desk.tell(owed());
    assert_eq!(desk.call.poll_timeout(), Some((due, CallReason::SpeechDeadline)));
    desk.tell(CallInput::SpeechAudio { utterance: UtteranceId(2) });
    assert!(!desk.call.timers.is_set(CallReason::SpeechDeadline), "it goes on");
    desk.tell(owed());
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "GoOnWithAnotherVoice"]);
    assert_eq!(desk.phase(), "speaking", "the answer is still wanted");
}

#[test]
fn a_speaker_that_falls_twice_in_a_row_ends_the_call_after_the_recording() {
    let mut desk = Desk::greeting(settings());
    let fall = |utterance| CallInput::SpeakingFell { utterance: UtteranceId(utterance), code: "trap" };
    assert_eq!(desk.tell(fall(1)), ["- speaking fell: trap", "play emergency 1"]);
    desk.utter(1);
    desk.ask("");
    assert_eq!(desk.tell(fall(2)), ["- speaking fell: trap", "hush 2", "play emergency 3"]);
    assert_eq!(desk.utter(3), ["hang up: providers_exhausted", "Release"]);
}

#[test]
fn a_whole_utterance_ends_a_row_of_falls() {
    let mut desk = Desk::greeting(settings());
    let fall = |utterance| CallInput::SpeakingFell { utterance: UtteranceId(utterance), code: "trap" };
    desk.tell(fall(1));
    desk.utter(1);
    desk.ask("");
    desk.utter(2);
    desk.ask("");
    assert_eq!(desk.tell(fall(3)), ["- speaking fell: trap", "play emergency 3"]);
}

#[test]
fn a_listener_that_falls_is_started_again_three_times() {
    let mut desk = Desk::listening(settings());
    let fall = || CallInput::HearingFell { code: "trap" };
    for _ in 0..3 {
        assert_eq!(desk.tell(fall()), ["- hearing fell: trap", "StartHearing"]);
    }
    assert_eq!(desk.tell(fall()), ["- hearing fell: trap", "play emergency 2"]);
    assert_eq!(desk.utter(2), ["hang up: providers_exhausted", "Release"]);
}

#[test]
fn final_words_end_a_row_of_the_listeners_falls() {
    let mut desk = Desk::listening(settings());
    for _ in 0..3 {
        desk.tell(CallInput::HearingFell { code: "trap" });
    }
    desk.speech();
    desk.words("hello");
    assert_eq!(desk.tell(CallInput::HearingFell { code: "trap" }), ["- hearing fell: trap", "StartHearing"]);
}

#[test]
fn a_listener_that_only_guesses_and_falls_is_given_up() {
    let mut desk = Desk::listening(settings());
    for _ in 0..3 {
        desk.tell(guess(masked("hello")));
        desk.tell(CallInput::HearingFell { code: "trap" });
    }
    desk.tell(guess(masked("hello")));
    assert_eq!(desk.tell(CallInput::HearingFell { code: "trap" }), ["- hearing fell: trap", "play emergency 2"]);
}

#[test]
fn a_person_takes_over_where_nobody_listens() {
    let mut desk = Desk::listening(with_human());
    for _ in 0..3 {
        desk.tell(CallInput::HearingFell { code: "trap" });
    }
    assert_eq!(desk.tell(CallInput::HearingFell { code: "trap" })[1], "seek advice (trouble): a person");
    assert_eq!(
        desk.no_advice(),
        ["- transferring: human, blind", "transfer to queues,human", "- escalated to queues,human (trouble)"]
    );
    let failed = desk.tell(CallInput::HandoverFailed { code: "refused" });
    assert_eq!(failed, ["- transfer failed: human, blind, refused", "play emergency 2"]);
    assert_eq!(desk.utter(2), ["hang up: providers_exhausted", "Release"]);
}

#[test]
fn a_listener_that_falls_while_its_last_words_are_awaited_hears_them_again_within_the_same_time() {
    let closed = || {
        let mut desk = Desk::listening(settings());
        desk.speech();
        desk.words("hello");
        desk.after(500).pause();
        desk.wake(CallReason::EndOfTurn);
        let (deadline, _) = desk.call.poll_timeout().unwrap();
        let fell = desk.after(100).tell(CallInput::HearingFell { code: "trap" });
        assert_eq!(fell, ["- hearing fell: trap", "StartHearing", "FinalizeHearing"]);
        assert_eq!(
            desk.call.poll_timeout(),
            Some((deadline, CallReason::FinalDeadline)),
            "the turn has no more time than before"
        );
        desk
    };
    let mut desk = closed();
    desk.words("again");
    assert_eq!(desk.tell(CallInput::Finalized), ["- heard 1: hello again", "ask 1: hello again"]);
    assert_eq!(closed().wake(CallReason::FinalDeadline), ["- heard 1: hello", "ask 1: hello"]);
}

pub(super) fn with_two_of_each() -> TenantSettings {
    let ladder = |first: &str, second: &str| {
        Ladder::new(Provider::new(PluginId::new(first), "{}"), [Provider::new(PluginId::new(second), "{}")])
    };
    TenantSettings { hearing: ladder("stt-a", "stt-b"), speaking: ladder("tts-a", "tts-b"), ..with_human() }
}

#[test]
fn each_listener_of_a_ladder_has_three_tries_or_two_seconds() {
    let fall = |desk: &mut Desk| desk.tell(CallInput::HearingFell { code: "trap" })[1].clone();
    let mut desk = Desk::listening(with_two_of_each());
    let tries: Vec<String> = (0..6).map(|_| fall(&mut desk)).collect();
    let (again, next) = ("StartHearing", "StartNextHearing");
    assert_eq!(tries, [again, again, next, again, again, next]);
    assert_eq!(fall(&mut desk), "seek advice (trouble): a person", "nobody is left");

    let mut desk = Desk::listening(with_two_of_each());
    assert_eq!(fall(&mut desk), again);
    assert_eq!(fall(desk.after(2_000)), next, "who waits for the caller's words has no time for a third try");
    desk.words("hello");
    assert_eq!([fall(&mut desk), fall(&mut desk), fall(&mut desk)], [again, again, next], "words end the row");
}

#[test]
fn each_speaker_of_a_ladder_has_a_try_at_an_utterance_before_the_recording_has() {
    let mut desk = Desk::speaking(with_two_of_each());
    let fell = desk.tell(CallInput::SpeakingFell { utterance: UtteranceId(2), code: "trap" });
    assert_eq!(fell, ["- speaking fell: trap", "GoOnWithAnotherVoice"]);
    // The answer still streams in, and the other voice keeps its time.
    desk.text(1, " is three. And");
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "cancel ask 1", "play emergency 2"]);
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");

    let mut desk = Desk::speaking(with_two_of_each());
    desk.tell(CallInput::SpeakingFell { utterance: UtteranceId(2), code: "trap" });
    desk.done(1, None);
    desk.utter(2);
    desk.ask("and then");
    desk.text(2, "Well, it");
    let fell = desk.tell(CallInput::SpeakingFell { utterance: UtteranceId(3), code: "trap" });
    assert_eq!(fell[1], "GoOnWithAnotherVoice", "every utterance has all of them");
}

#[test]
fn a_caller_who_cannot_be_transferred_is_talked_to() {
    let mut desk = Desk::thinking(with_human(), "human agent");
    desk.done(1, Some(AgentCommand::Human));
    assert_eq!(desk.phase(), "handover");
    assert_eq!(desk.wake(CallReason::EndDeadline)[..2], ["- transfer failed: human, blind, deadline", "say 2: Nobody is free."]);
    let mut desk = Desk::thinking(settings(), "human agent");
    assert_eq!(desk.done(1, Some(AgentCommand::Human))[0], "say 2: Please bear with us.");
    desk.utter(2);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_set_up_that_fails_or_stands_still_is_hung_up() {
    let mut desk = Desk::new(settings());
    desk.tell(CallInput::Offered);
    desk.tell(CallInput::ConversationOpened);
    assert_eq!(desk.tell(CallInput::SetUpFailed { code: "deadline" }), ["hang up: set_up_failed", "Release"]);
    let mut desk = Desk::new(settings());
    desk.tell(CallInput::Offered);
    desk.tell(CallInput::ConversationOpened);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hang up: set_up_failed", "Release"]);
}

#[test]
fn an_utterance_whose_end_is_never_reported_ends() {
    let mut desk = Desk::greeting(settings());
    desk.audio(1);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hush 1"]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_draining_gateway_says_goodbye_whatever_the_caller_says() {
    let mut desk = Desk::speaking(settings());
    assert_eq!(
        desk.tell(CallInput::Drain)[..4],
        ["cancel ask 1", "hush 2", "- turn 1: hello -> Well,, 550 ms", "say 3: Goodbye."]
    );
    desk.speech();
    desk.after(600).tell(guess(masked("but")));
    assert_eq!(desk.tell(CallInput::Drain), [""; 0]);
    assert_eq!(desk.utter(3), ["hang up: drained", "Release"]);
}

#[test]
fn a_goodbye_that_cannot_be_spoken_does_not_keep_the_call() {
    let mut desk = Desk::listening(with_human());
    desk.tell(CallInput::Drain);
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "play emergency 2"]);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hush 2", "hang up: drained", "Release"]);
}

#[test]
fn a_speaker_that_falls_just_when_it_was_given_up_does_not_cut_the_recording_short() {
    let mut desk = Desk::listening(with_human());
    desk.tell(CallInput::Drain);
    desk.wake(CallReason::SpeechDeadline);
    let fall = CallInput::SpeakingFell { utterance: UtteranceId(2), code: "trap" };
    assert_eq!(desk.tell(fall), [""; 0]);
    assert_eq!(desk.utter(2), ["hang up: drained", "Release"]);
}

#[test]
fn a_release_that_is_never_confirmed_ends_the_call() {
    let mut desk = Desk::listening(settings());
    desk.tell(CallInput::CallerGone);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["- ended: caller_hung_up, 0 turns"]);
}

#[test]
fn words_that_cannot_be_spoken_yet_do_not_lengthen_the_agents_time() {
    let mut desk = Desk::thinking(settings(), "hello");
    let asked_at = desk.now;
    desk.after(8_000).text(1, "At three.");
    assert_eq!(desk.wake(CallReason::AgentDeadline)[..2], ["cancel ask 1", "- thinking fell: deadline"]);
    assert_eq!(desk.now - asked_at, Timing::default().agent_deadline);
}

#[test]
fn nothing_is_told_of_a_call_after_its_end() {
    let mut desk = Desk::speaking(settings());
    desk.speech();
    desk.after(300).wake(CallReason::BargeIn);
    desk.tell(CallInput::Released);
    assert_eq!(desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 40 }), ["refuse hushed while ended"]);
    let mut desk = Desk::thinking(settings(), "hello");
    desk.call.handle(desk.now, CallInput::Released);
    let actions: Vec<CallAction> = std::iter::from_fn(|| desk.call.poll_action()).collect();
    let [.., CallAction::EndJudged(_), CallAction::Emit(Fact::Ended(_))] = &actions[..] else { panic!("{actions:?}") };
}

#[test]
fn a_hang_up_from_any_phase_releases_everything_and_ends() {
    for (name, mut desk) in table::desks() {
        if name == "ending" || name == "ended" {
            continue;
        }
        let actions = desk.tell(CallInput::CallerGone);
        assert_eq!(actions.last().unwrap(), "Release", "{name}");
        assert_eq!(desk.phase(), "ending", "{name}");
        let cause = if ["handover: away", "handover: answered", "handover: together"].contains(&name) {
            "transferred"
        } else {
            "caller_hung_up"
        };
        assert!(desk.tell(CallInput::Released).last().unwrap().starts_with(&format!("- ended: {cause}")), "{name}");
        assert_eq!(desk.phase(), "ended", "{name}");
    }
}

#[test]
fn an_operators_stop_hangs_up_at_once_from_any_phase() {
    for (name, mut desk) in table::desks() {
        if name == "ending" || name == "ended" {
            continue;
        }
        let actions = desk.tell(CallInput::Stop(EndCause::Stopped));
        assert_eq!(actions[actions.len() - 2..], ["hang up: stopped", "Release"], "{name}");
    }
}
