//! Callers who are told that they are recorded, who are asked, and who object.

use super::*;
use crate::recording::{RecordingPolicy, RecordingRules};

pub(super) fn recorded(policy: RecordingPolicy) -> TenantSettings {
    TenantSettings { recording: RecordingRules { policy, ..RecordingRules::default() }, ..settings() }
}

/// A caller who has heard the question.
fn asked() -> Desk {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::Consent));
    let greeted = desk.utter(1);
    assert_eq!((desk.phase(), greeted), ("keying", vec![]));
    desk
}

const AGREED: [&str; 3] = ["Record", "say 2: Welcome.", "- saying 2: Welcome."];

#[test]
fn who_is_recorded_is_told_first_and_whole() {
    let mut desk = Desk::new(recorded(RecordingPolicy::On));
    for input in [CallInput::Offered, CallInput::ConversationOpened, CallInput::MediaConnected] {
        desk.tell(input);
    }
    assert_eq!(desk.tell(CallInput::Answered)[2], "say 1: This call is recorded.");
    desk.audio(1);
    assert_eq!(desk.after(300).tell(CallInput::Digit('5')), [""; 0]);
    assert_eq!(desk.speech(), [""; 0], "it is not interrupted");
    desk.after(300).pause();
    let told = desk.after(500).tell(CallInput::UtteranceEnded { utterance: UtteranceId(1) });
    assert_eq!(told[0], "say 2: Welcome.");
    // Who tells callers elsewhere says nothing of it.
    let rules = RecordingRules { policy: RecordingPolicy::On, announced: false, ..RecordingRules::default() };
    let mut quiet = Desk::greeting(TenantSettings { recording: rules, ..settings() });
    assert_eq!((quiet.phase(), quiet.call.consent()), ("greeting", Consent::Given));
    assert_eq!(quiet.utter(1), [""; 0]);
}

#[test]
fn nothing_is_recorded_before_the_caller_agrees_by_key_or_phrase() {
    let mut desk = asked();
    assert_eq!(desk.call.consent(), Consent::Unasked);
    let told = desk.after(400).tell(CallInput::Digit('1'));
    assert_eq!(told[0], "- recording: Consent { given: true, by: Key }");
    assert_eq!(told[1..4], AGREED);

    let mut desk = asked();
    desk.speech();
    assert_eq!(desk.after(600).pause(), ["FinalizeHearing"]);
    assert_eq!(desk.partial("yes"), [""; 0], "it may become something else");
    let told = desk.after(100).words("Yes, please.");
    assert_eq!(told[0], "- recording: Consent { given: true, by: Phrase }");
    assert_eq!(told[1..4], AGREED);
    assert_eq!(desk.tell(CallInput::Finalized), [""; 0]);
    // The answer is no turn of the conversation.
    desk.utter(2);
    assert!(desk.ask("hello").contains(&"ask 1: hello".to_owned()));
}

#[test]
fn a_key_over_the_question_is_the_answer() {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::Consent));
    desk.audio(1);
    desk.after(300).tell(CallInput::Digit('1'));
    let told = desk.after(700).tell(CallInput::UtteranceEnded { utterance: UtteranceId(1) });
    assert_eq!(told[1..4], AGREED);
}

#[test]
fn who_does_not_agree_is_not_recorded_and_talks_all_the_same() {
    let refuses = |desk: &mut Desk, told: Vec<String>, by: &str| {
        assert_eq!(told[0], format!("- recording: Consent {{ given: false, by: {by} }}"));
        assert_eq!(told[1], "say 2: Welcome.");
        assert!(!told.contains(&"Record".to_owned()), "{told:?}");
        assert_eq!(desk.call.consent(), Consent::Withheld);
    };
    for key in ['2', '*'] {
        let mut desk = asked();
        let told = desk.tell(CallInput::Digit(key));
        refuses(&mut desk, told, "Key");
    }
    let mut desk = asked();
    desk.speech();
    desk.after(500).pause();
    let told = desk.words("no, thank you");
    refuses(&mut desk, told, "Phrase");
    // Who says something else, or nothing.
    let mut desk = asked();
    desk.speech();
    desk.after(500).pause();
    assert_eq!(desk.words("what time is it"), [""; 0]);
    desk.tell(CallInput::Finalized);
    let told = desk.wake(CallReason::KeyDeadline);
    refuses(&mut desk, told, "Nothing");
    let mut desk = asked();
    let since = desk.now;
    let told = desk.wake(CallReason::KeyDeadline);
    assert_eq!(desk.now - since, Duration::from_secs(6));
    refuses(&mut desk, told, "Nothing");
}

#[test]
fn who_objects_by_a_key_ends_the_recording_and_is_told() {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::On));
    desk.utter(1);
    desk.utter(2);
    let told = desk.tell(CallInput::Digit('*'));
    assert_eq!(told[..3], ["- recording: OptedOut { by: Key }", "ForgetRecording", "say 3: Nothing is kept."]);
    assert_eq!(desk.call.consent(), Consent::Withdrawn);
    desk.utter(3);
    assert_eq!(desk.tell(CallInput::Digit('*')), [""; 0], "once is enough");
}

#[test]
fn who_objects_while_the_gateway_speaks_is_told_afterwards() {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::On));
    desk.utter(1);
    desk.audio(2);
    assert_eq!(desk.tell(CallInput::Digit('*')), ["- recording: OptedOut { by: Key }", "ForgetRecording"]);
    assert_eq!(desk.after(900).tell(CallInput::UtteranceEnded { utterance: UtteranceId(2) })[0], "say 3: Nothing is kept.");
}

#[test]
fn who_objects_by_words_ends_the_recording_and_the_agent_hears_it() {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::On));
    desk.utter(1);
    desk.utter(2);
    desk.speech();
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    let told = desk.words("please stop recording");
    assert_eq!(told[..2], ["- recording: OptedOut { by: Phrase }", "ForgetRecording"]);
    let told = desk.tell(CallInput::Finalized);
    assert!(told.contains(&"ask 1: please stop recording".to_owned()), "{told:?}");
    desk.text(1, "Of course.");
    desk.done(1, None);
    assert_eq!(desk.utter(3).iter().filter(|line| line.starts_with("say ")).collect::<Vec<_>>(), ["say 4: Nothing is kept."]);
}

#[test]
fn keys_that_are_asked_for_do_not_object() {
    let mut desk = keying::collecting();
    assert!(!desk.call.is_objection('*'), "nothing is recorded");
    desk.call = Call::adopt(
        &Arc::new(recorded(RecordingPolicy::On)),
        Arc::clone(&desk.call.parties),
        desk.call.resume_point(desk.now).map(|resume| Resume { consent: Some(Consent::Given), ..resume }).unwrap(),
        Gap::default(),
        desk.now,
    );
    desk.tell(CallInput::MediaConnected);
    assert!(desk.phase() == "keying" && desk.call.collects_digits());
    assert!(!desk.call.is_objection('*'), "it may be one of the digits");
    let menu = TenantSettings { recording: recorded(RecordingPolicy::On).recording, ..keying::with_menu() };
    let mut desk = Desk::greeting(menu);
    desk.utter(1);
    desk.utter(2);
    assert!(!desk.call.is_objection('*'), "it is one of the menu's");
}

#[test]
fn what_was_said_to_it_goes_with_the_call() {
    let mut desk = Desk::greeting(recorded(RecordingPolicy::On));
    desk.utter(1);
    desk.utter(2);
    desk.tell(CallInput::Digit('*'));
    desk.utter(3);
    desk.adopted_after(0);
    assert_eq!(desk.call.consent(), Consent::Withdrawn);
    // Where the answer was waited for it is asked for again, and whole.
    let mut desk = asked();
    let told = desk.adopted_after(0);
    assert!(told.contains(&"say 2: May we record?".to_owned()), "{told:?}");
    // What an older version kept does not say.
    let resume = Resume { consent: None, ..Desk::listening(settings()).call.resume_point(some_moment()).unwrap() };
    let settings = Arc::new(recorded(RecordingPolicy::Consent));
    let call = Call::adopt(&settings, Arc::clone(&desk.call.parties), resume, Gap::default(), desk.now);
    assert_eq!(call.consent(), Consent::Unasked);
}

#[test]
fn a_leg_that_is_built_anew_tells_and_asks_anew() {
    for (policy, line) in
        [(RecordingPolicy::On, "say 2: This call is recorded."), (RecordingPolicy::Consent, "say 2: May we record?")]
    {
        let mut desk = Desk::greeting(recorded(policy));
        let told = desk.tell(CallInput::MediaRebuilt);
        assert!(told.contains(&line.to_owned()), "{told:?}");
    }
}
