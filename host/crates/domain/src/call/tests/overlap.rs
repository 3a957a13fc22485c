//! The caller's voice over the gateway's own.

use super::*;

const NONE: [&str; 0] = [];

/// A call whose agent's answer is heard as utterance 2.
fn answering() -> Desk {
    let mut desk = Desk::speaking(settings());
    desk.after(800);
    desk
}

#[test]
fn what_is_said_stands_still_at_the_first_sound_and_goes_on_after_a_cough() {
    let mut desk = answering();
    assert_eq!(desk.speech(), ["pause 2"]);
    assert_eq!(desk.after(300).pause(), ["go on 2", "FinalizeHearing"]);
    assert_eq!((desk.phase(), desk.overlaps.as_slice()), ("speaking", ["sound"].as_slice()));
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    assert_eq!(desk.after(900).speech(), ["pause 2"], "the next sound is another one");
}

#[test]
fn a_voice_that_lasts_interrupts_without_words() {
    let mut desk = answering();
    let began = desk.now;
    desk.speech();
    assert_eq!(desk.wake(CallReason::BargeIn)[1], "hush 2");
    assert_eq!(desk.now - began, settings().timing.barge_in);
    assert_eq!((desk.phase(), desk.overlaps.as_slice()), ("listening", ["interruption"].as_slice()));
}

#[test]
fn sounds_of_listening_do_not_interrupt_unless_they_go_on() {
    let mut desk = answering();
    desk.speech();
    assert_eq!(desk.after(350).partial("Mm-hm,"), NONE);
    assert_eq!(desk.after(200).words("Mm-hm, yeah."), NONE);
    assert_eq!(desk.phase(), "speaking");
    assert_eq!(desk.after(100).pause(), ["go on 2", "FinalizeHearing"]);
    assert_eq!(desk.overlaps, ["backchannel"]);
    assert_eq!(desk.after(150).words("yeah"), NONE, "late ones neither");
    assert_eq!(desk.phase(), "speaking");

    let mut desk = answering();
    let began = desk.now;
    desk.speech();
    desk.after(300).partial("yeah");
    desk.wake(CallReason::BargeIn);
    assert_eq!((desk.phase(), desk.now - began), ("listening", Duration::from_millis(1_200)), "who goes on wants to speak");
}

#[test]
fn sounds_of_listening_do_not_interrupt_in_the_language_of_the_call() {
    let in_language = |language: &str| {
        let mut desk = Desk::speaking(TenantSettings { language: language.into(), ..settings() });
        desk.after(800).speech();
        desk.after(300);
        desk
    };
    for (language, words) in [("en-US", "aha"), ("es-MX", "ajá, sí"), ("pt-BR", "aham, tá")] {
        let mut desk = in_language(language);
        assert_eq!(desk.partial(words), NONE, "{language}: {words}");
        assert_eq!(desk.after(200).words(words), NONE, "{language}: {words}");
        assert_eq!(desk.after(100).pause(), ["go on 2", "FinalizeHearing"]);
        assert_eq!((desk.phase(), desk.overlaps.as_slice()), ("speaking", ["backchannel"].as_slice()), "{language}: {words}");
    }
    for (language, words) in [("en-US", "aha but"), ("es-MX", "ajá, pero"), ("pt-BR", "aham, mas"), ("en-US", "ajá, sí")] {
        let mut desk = in_language(language);
        assert_eq!(desk.partial(words)[1], "hush 2", "{language}: {words}");
        assert_eq!(desk.overlaps, ["interruption"]);
    }
}

#[test]
fn words_after_sounds_of_listening_interrupt_at_once() {
    let mut desk = answering();
    desk.speech();
    desk.after(300).partial("yeah");
    assert_eq!(desk.after(80).partial("yeah but not that one")[1], "hush 2");
    assert_eq!(desk.overlaps, ["interruption"]);
}

#[test]
fn a_yes_over_a_question_is_an_answer() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Shall I book it? ");
    desk.done(1, None);
    desk.audio(2);
    desk.after(700).speech();
    assert_eq!(desk.after(200).partial("yes")[0], "hush 2");
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_word_too_short_to_count_interrupts_when_it_is_understood() {
    let mut desk = answering();
    desk.speech();
    assert_eq!(desk.after(320).pause(), ["go on 2", "FinalizeHearing"]);
    let actions = desk.after(250).words("No.");
    assert_eq!(actions[1], "hush 2", "it need not be said again: {actions:?}");
    assert_eq!(desk.phase(), "listening");
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized), NONE, "that answers what was asked when the voice ended");
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 2: No.");
}

#[test]
fn a_word_that_takes_an_answer_back_when_its_voice_is_over_is_not_waited_for_any_longer() {
    let mut desk = Desk::thinking(settings(), "what time is it");
    desk.text(1, "It is three. ");
    desk.done(1, None);
    desk.after(100).speech();
    desk.after(250).pause();
    let actions = desk.after(100).words("in Lisbon");
    assert!(actions.contains(&"hush 2".to_owned()), "{actions:?}");
    let since = desk.now;
    let (due, _) = desk.call.poll_timeout().unwrap();
    assert!(due - since < Duration::from_secs(3), "nobody speaks any more: {:?}", due - since);
    desk.wake(CallReason::EndOfTurn);
    assert_eq!(desk.tell(CallInput::Finalized), NONE);
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 1: what time is it in Lisbon");
}

#[test]
fn a_short_word_at_the_end_of_an_answer_is_the_beginning_of_the_next_turn() {
    let mut desk = Desk::speaking(settings());
    desk.done(1, None);
    desk.after(800).speech();
    desk.after(300).pause();
    desk.after(20).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    assert_eq!(desk.after(200).words("Stop."), ["PrepareSpeaking"]);
    desk.wake(CallReason::EndOfTurn);
    desk.tell(CallInput::Finalized);
    assert_eq!(desk.tell(CallInput::Finalized).last().unwrap(), "ask 2: Stop.");
}

#[test]
fn who_speaks_before_the_answer_is_heard_goes_on_with_the_turn_whatever_the_words() {
    let mut desk = Desk::thinking(settings(), "hello");
    desk.text(1, "Well, it");
    assert_eq!(desk.speech(), ["pause 2"]);
    let actions = desk.after(300).partial("yeah");
    assert!(actions.contains(&"hush 2".to_owned()), "{actions:?}");
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn nothing_stands_still_where_nobody_may_interrupt() {
    let mut desk = Desk::listening(settings());
    desk.tell(CallInput::Drain);
    assert_eq!(desk.phase(), "speaking");
    assert_eq!(desk.speech(), NONE);
}

#[test]
fn a_mouth_that_was_told_to_stand_still_as_its_sound_ended_goes_on_for_what_follows() {
    let mut desk = Desk::speaking(settings());
    desk.done(1, None);
    desk.after(800).speech();
    let actions = desk.after(10).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) });
    assert!(actions.contains(&"go on 2".to_owned()), "{actions:?}");
    assert_eq!(desk.phase(), "listening");
}
