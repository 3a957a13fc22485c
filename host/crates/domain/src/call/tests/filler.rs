//! An answer that is late, and what is said until it comes.

use super::*;

pub(super) fn settings() -> TenantSettings {
    let plain = super::settings();
    let fillers = ["One moment.", "Let me see.", "Just a second."].map(Into::into).to_vec();
    let timing = Timing { hold: None, ..Timing::default() };
    TenantSettings { prompts: Prompts { fillers, ..plain.prompts.clone() }, timing, ..plain }
}

fn with_tone() -> TenantSettings {
    TenantSettings { timing: Timing::default(), ..settings() }
}

/// A call that says utterance 2 because the answer to turn 1 is late; the answer will be utterance 3.
pub(super) fn filling() -> Desk {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.wake(CallReason::Filler);
    desk
}

fn next_alarm(desk: &Desk) -> CallReason {
    desk.call.poll_timeout().unwrap().1
}

#[test]
fn an_answer_that_is_late_is_announced_once() {
    let mut desk = Desk::thinking(settings(), "hello");
    let asked = desk.now;
    let filler = ["say 2: One moment.", "- filler 2 in turn 1: One moment.", "end utterance 2"];
    assert_eq!(desk.wake(CallReason::Filler), filler);
    assert_eq!(desk.now - asked, Duration::from_millis(800));
    assert_eq!(desk.utter(2), [] as [&str; 0]);
    assert_eq!((desk.phase(), next_alarm(&desk)), ("thinking", CallReason::AgentDeadline), "the agent's time runs on");
    assert_eq!(desk.wake(CallReason::AgentDeadline)[2], "say 3: Please bear with us.");
    assert_eq!(desk.now - asked, Duration::from_secs(10));
}

#[test]
fn an_answer_that_begins_in_time_is_not_announced() {
    let mut desk = Desk::thinking(settings(), "hello");
    assert_eq!(desk.after(799).text(1, "Well, it")[0], "say 2: Well,");
    desk.audio(2);
    assert_eq!(next_alarm(&desk), CallReason::AgentDeadline);

    // Words that are no clause yet cannot be heard.
    let mut desk = Desk::thinking(settings(), "hello");
    desk.after(700).text(1, "Well");
    assert_eq!(desk.wake(CallReason::Filler)[0], "say 2: One moment.");
    assert_eq!(desk.text(1, ", it")[0], "say 3: Well,");
}

#[test]
fn who_waits_on_hears_a_tone_now_and_then_which_the_answer_does_not_wait_for() {
    let mut desk = Desk::thinking(with_tone(), "hello");
    desk.wake(CallReason::Filler);
    assert_eq!(desk.utter(2), [""; 0]);
    let over = desk.now;
    assert_eq!(desk.wake(CallReason::Filler), ["play tone 3"]);
    assert_eq!(desk.now - over, Duration::from_secs(2));
    assert_eq!(desk.utter(3), [""; 0]);
    assert_eq!(desk.wake(CallReason::Filler), ["play tone 4"]);
    desk.audio(4);
    assert_eq!(desk.after(100).text(1, "Well, it")[..2], ["hush 4", "say 5: Well,"]);
    desk.audio(5);
    assert_eq!((desk.phase(), next_alarm(&desk)), ("speaking", CallReason::AgentDeadline));

    // Neither does what stands for an answer; and the agent's time is not longer for it.
    let mut desk = Desk::thinking(with_tone(), "hello");
    let asked = desk.now;
    let mut sounds = 0;
    while next_alarm(&desk) == CallReason::Filler {
        desk.wake(CallReason::Filler);
        sounds += 1;
        desk.utter(1 + sounds);
    }
    assert_eq!(desk.wake(CallReason::AgentDeadline)[1], "- thinking fell: deadline");
    assert_eq!(sounds, 4);
    assert!(desk.now - asked < Duration::from_secs(11), "sounds do not lengthen the agent's time: {:?}", desk.now - asked);
}

#[test]
fn a_tone_whose_end_is_not_told_is_not_waited_for() {
    let mut desk = Desk::thinking(with_tone(), "hello");
    desk.wake(CallReason::Filler);
    desk.utter(2);
    desk.wake(CallReason::Filler);
    assert_eq!(desk.wake(CallReason::EndDeadline), ["hush 3"]);
    assert_eq!(desk.phase(), "thinking");
}

#[test]
fn a_filler_that_cannot_be_said_gives_way_to_the_tone() {
    let mut desk = Desk::thinking(with_tone(), "hello");
    desk.wake(CallReason::Filler);
    desk.tell(CallInput::SpeakingFell { utterance: UtteranceId(2), code: "trap" });
    assert_eq!(desk.wake(CallReason::Filler), ["play tone 3"]);
    // Who goes on speaking hears it end at once.
    desk.audio(3);
    assert_eq!(desk.speech()[..2], ["hush 3", "cancel ask 1"]);
}

#[test]
fn who_wants_no_filler_has_none() {
    let off = TenantSettings { timing: Timing { filler: None, ..Timing::default() }, ..settings() };
    for settings in [super::settings(), off] {
        assert_eq!(next_alarm(&Desk::thinking(settings, "hello")), CallReason::AgentDeadline);
    }
}

#[test]
fn the_answer_follows_the_filler_and_is_measured_by_its_own_sound() {
    let mut desk = filling();
    desk.audio(2);
    assert_eq!(desk.after(200).text(1, "Well, it is three."), ["say 3: Well,", "- saying 3: Well,"]);
    desk.done(1, None);
    // The end of what was said before it means nothing any more.
    assert_eq!(desk.after(300).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) }), [] as [&str; 0]);
    assert_eq!(
        desk.utter(3)[0],
        "- turn 1: hello -> Well, it is three., 1850 ms",
        "550 until the question, 800, 200 and 300 after it"
    );
}

#[test]
fn who_speaks_over_the_filler_had_only_paused_and_hears_no_second_one_in_that_turn() {
    let mut desk = filling();
    desk.audio(2);
    assert_eq!(desk.after(100).speech(), ["hush 2", "cancel ask 1"]);
    assert_eq!(desk.phase(), "listening");
    assert_eq!(desk.tell(CallInput::Hushed { utterance: UtteranceId(2), spoken_ms: 100 }), [] as [&str; 0]);
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.words("and goodbye");
    assert_eq!(desk.tell(CallInput::Finalized)[1], "ask 1: hello and goodbye");
    assert_eq!(next_alarm(&desk), CallReason::AgentDeadline);
}

#[test]
fn fillers_take_turns() {
    let mut desk = Desk::listening(settings());
    let mut said = Vec::new();
    for turn in 1..=4 {
        desk.ask("hello");
        let filler = desk.wake(CallReason::Filler)[0].clone();
        said.push(filler.split_once(": ").unwrap().1.to_owned());
        desk.text(turn, "Yes. ");
        desk.done(turn, None);
        desk.utter(turn * 2 + 1);
    }
    assert_eq!(said, ["One moment.", "Let me see.", "Just a second.", "One moment."]);
}

#[test]
fn an_agent_that_is_asked_again_has_been_waited_for_since_the_first_time() {
    let mut desk = Desk::listening(settings());
    desk.speech();
    desk.partial("where is my order");
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    desk.wake(CallReason::StableWords);
    let asked = desk.now;
    desk.after(500).words("where is my order from monday");
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: where is my order from monday");
    assert_eq!(desk.wake(CallReason::Filler)[0], "say 2: One moment.");
    assert_eq!(desk.now - asked, Duration::from_millis(800));
}

#[test]
fn a_filler_that_cannot_be_said_is_left_and_the_answer_is_not() {
    let mut desk = filling();
    let fell = desk.tell(CallInput::SpeakingFell { utterance: UtteranceId(2), code: "trap" });
    assert_eq!(fell, ["- speaking fell: trap", "hush 2"]);
    assert_eq!(desk.text(1, "Well, it")[0], "say 3: Well,");

    let mut desk = filling();
    assert_eq!(desk.wake(CallReason::SpeechDeadline), ["- speaking fell: deadline", "hush 2"]);
    assert_eq!((desk.phase(), next_alarm(&desk)), ("thinking", CallReason::AgentDeadline));
}

#[test]
fn a_filler_ends_where_no_words_follow_it() {
    let mut desk = filling();
    desk.audio(2);
    assert_eq!(desk.done(1, Some(AgentCommand::HangUp))[..2], ["hush 2", "hang up: agent_hung_up"]);
    let mut desk = filling();
    assert_eq!(desk.tell(CallInput::Drain)[..3], ["hush 2", "cancel ask 1", "say 3: Goodbye."]);
    let mut desk = filling();
    assert_eq!(desk.tell(CallInput::MediaRebuilt), ["hush 2", "StartHearing"]);
    assert_eq!((desk.phase(), next_alarm(&desk)), ("thinking", CallReason::AgentDeadline));
}
