//! The call's mask: who masks, what is told when nobody can, and when a recording is nobody's to hear.

use super::keying::with_menu_at;
use super::*;
use crate::mask::{Engine, EngineAnswer, Mode, Source};
use std::sync::Mutex;

/// Masks nothing, and falls over the word "trap".
pub(super) struct Brittle;

impl Engine for Brittle {
    fn mask(&mut self, text: &str, _: Source, _: bool) -> Result<EngineAnswer, &'static str> {
        if text.contains("trap") { Err("trap") } else { Ok(EngineAnswer { text: text.to_owned(), found: false, held: false }) }
    }
}

pub(super) fn guarded(mut desk: Desk, engine: Result<Box<dyn Engine>, &'static str>, mode: Mode) -> Desk {
    let none = Call::new(Arc::new(settings()), Arc::new(Parties::inbound(Pii::new("a".into()), Pii::new("b".into()))));
    desk.call = std::mem::replace(&mut desk.call, none).masked_by(Mask::new().with(engine, mode));
    desk
}

/// The caller says something through the call's own mask, and falls silent until the call goes on.
fn ask(desk: &mut Desk, words: &str) -> Vec<String> {
    desk.speech();
    desk.after(900).pause();
    desk.wake(CallReason::EndOfTurn);
    let text = desk.call.mask_final(Heard::new(words.into()));
    desk.after(50).tell(CallInput::Final(text));
    desk.tell(CallInput::Finalized)
}

#[test]
fn the_fall_of_a_mask_is_told_and_the_call_goes_on_with_the_built_in_one() {
    let mut desk = guarded(Desk::listening(settings()), Ok(Box::new(Brittle)), Mode::Standard);
    let told = ask(&mut desk, "trap, it is 4111 1111 1111 1111");
    assert!(told.contains(&"ask 1: trap, it is [card]".to_owned()), "{told:?}");
    let mut desk = guarded(Desk::new(settings()), Err("plugin-missing"), Mode::Standard);
    assert!(desk.tell(CallInput::Offered).contains(&"- masking fell: plugin-missing".to_owned()));
    assert!(desk.tell(CallInput::ConversationOpened).iter().all(|line| !line.contains("fell")), "it is told once");
}

#[test]
fn a_caller_whose_words_nobody_can_mask_is_told_to_use_the_keypad() {
    let mut desk = guarded(Desk::listening(settings()), Ok(Box::new(Brittle)), Mode::Strict);
    let told = ask(&mut desk, "a trap, four one one one");
    assert!(told.iter().all(|line| !line.contains("four") && !line.contains("ask 1")), "{told:?}");
    assert!(told.contains(&"- withheld 1".to_owned()) && told.contains(&"say 2: Use your keypad.".to_owned()), "{told:?}");
    desk.utter(2);
    assert_eq!(desk.phase(), "keying");
    for key in "52".chars() {
        desk.after(300).tell(CallInput::Digit(key));
    }
    let told = desk.tell(CallInput::Digit('#'));
    assert!(told.contains(&"ask 2: 52".to_owned()), "{told:?}");
}

#[test]
fn a_tenant_with_a_menu_offers_it_in_place_of_words() {
    let mut desk = guarded(Desk::listening(with_menu_at(&[])), Err("slow"), Mode::Strict);
    let told = ask(&mut desk, "where is my order");
    assert!(told.contains(&"say 2: Use your keypad.".to_owned()), "{told:?}");
    assert!(desk.utter(2).contains(&"say 3: Press one or two.".to_owned()));
}

#[test]
fn who_keys_in_nothing_is_not_asked_for_ever() {
    let mut desk = guarded(Desk::listening(with_human()), Err("slow"), Mode::Strict);
    for turn in 1..=4 {
        let told = ask(&mut desk, "hello?");
        if turn == 4 {
            assert!(told.iter().any(|line| line.starts_with("seek advice")), "{told:?}");
            break;
        }
        assert!(told.contains(&format!("- withheld {turn}")), "{told:?}");
        let prompt = desk.call.last_utterance.0;
        desk.utter(prompt);
        desk.wake(CallReason::KeyDeadline);
        let not_understood = desk.call.last_utterance.0;
        desk.utter(not_understood);
        assert_eq!(desk.phase(), "listening");
    }
}

#[test]
fn an_answer_to_words_that_are_withheld_by_then_is_not_wanted() {
    let mut desk = guarded(Desk::listening(settings()), Ok(Box::new(Brittle)), Mode::Strict);
    desk.call.last_words_took = Some(Duration::from_secs(1));
    desk.speech();
    desk.after(900).pause();
    let guess = desk.call.mask_partial(Heard::new("where is my order".into()));
    desk.tell(CallInput::Partial { text: guess, stability: None });
    let asked = desk.wake(CallReason::EndOfTurn);
    assert!(asked.contains(&"ask 1: where is my order".to_owned()), "{asked:?}");
    let last = desk.call.mask_final(Heard::new("where is my trap".into()));
    desk.tell(CallInput::Final(last));
    let told = desk.tell(CallInput::Finalized);
    assert!(told.contains(&"cancel ask 1".to_owned()) && told.contains(&"- withheld 1".to_owned()), "{told:?}");
}

#[test]
fn a_recording_is_told_when_a_card_is_said_and_when_that_is_over() {
    let mut desk = Desk::listening(settings());
    let told = |desk: &mut Desk, words: &str| {
        let text = desk.call.mask_final(Heard::new(words.into()));
        let lines = desk.tell(CallInput::Final(text));
        lines.into_iter().filter(|line| line.starts_with("masking")).collect::<Vec<_>>()
    };
    desk.speech();
    assert!(told(&mut desk, "I want to pay").is_empty());
    let growing = desk.call.mask_partial(Heard::new("it is 4111 111".into()));
    assert!(growing.holds_back());
    assert_eq!(desk.actions(), ["masking begins"]);
    assert!(told(&mut desk, "it is 4111 1111 1111 1111").is_empty(), "it goes on");
    assert!(told(&mut desk, " ").is_empty(), "nothing is no answer");
    assert_eq!(told(&mut desk, "that is all"), ["masking ends"]);
    assert_eq!(told(&mut desk, "the cvv is 123"), ["masking begins"]);
}

#[test]
fn keys_of_a_long_number_are_not_recorded() {
    let long = Collect::new(19, Some('#'), Duration::from_secs(6), Duration::from_secs(3));
    let mut desk = Desk::thinking(settings(), "my card");
    desk.text(1, "Key it in.");
    desk.done(1, Some(AgentCommand::Collect(long)));
    desk.utter(2);
    assert_eq!(desk.tell(CallInput::Digit('1')), ["masking begins"]);
    assert!(desk.after(100).tell(CallInput::Digit('2')).is_empty());
    assert!(desk.tell(CallInput::Digit('#')).contains(&"masking ends".to_owned()), "it was no card's");
}

#[test]
fn lines_that_wait_are_kept_as_the_mask_has_them_which_takes_them_for_said_once_they_are() {
    #[derive(Clone, Default)]
    struct Plates(Arc<Mutex<Vec<bool>>>);
    impl Engine for Plates {
        fn mask(&mut self, text: &str, _: Source, partial: bool) -> Result<EngineAnswer, &'static str> {
            if text.contains("B-XY") {
                self.0.lock().unwrap().push(partial);
            }
            Ok(EngineAnswer { text: text.replace("B-XY 12", "[plate]"), found: true, held: false })
        }
    }
    let plates = Plates::default();
    let mut desk = guarded(Desk::greeting(settings()), Ok(Box::new(plates.clone())), Mode::Standard);
    desk.tell(CallInput::SayOrdered("Your car is B-XY 12.".into()));
    let resume = desk.call.resume_point(desk.now).unwrap();
    assert_eq!(resume.ordered, [masked("Your car is [plate].")]);
    assert_eq!(*plates.0.lock().unwrap(), [true], "it is not said yet");
    assert_eq!(desk.utter(1)[0], "say 2: Your car is [plate].");
    assert_eq!(*plates.0.lock().unwrap(), [true, false]);
}

#[test]
fn what_another_gateway_has_masked_is_recalled() {
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<(String, Source, bool)>>>);
    impl Engine for Told {
        fn mask(&mut self, text: &str, source: Source, partial: bool) -> Result<EngineAnswer, &'static str> {
            self.0.lock().unwrap().push((text.to_owned(), source, partial));
            Ok(EngineAnswer { text: text.to_owned(), found: false, held: true })
        }
    }
    let told = Told::default();
    let mut desk = guarded(Desk::listening(settings()), Ok(Box::new(told.clone())), Mode::Standard);
    desk.call.recall(&masked("What is your card number?"), Source::Agent);
    desk.call.recall(&MaskedText::default(), Source::Caller);
    assert_eq!(*told.0.lock().unwrap(), [("What is your card number?".to_owned(), Source::Agent, false)]);
    assert!(!desk.call.leaves_digits_open());
    desk.call.mask_final(Heard::new("four".into()));
    assert!(desk.call.leaves_digits_open());
}
