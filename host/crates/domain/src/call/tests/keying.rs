//! Menus, collections, and keys over speech.

use super::*;

const PROMPT: &str = "Press one or two.";

pub(super) fn with_menu() -> TenantSettings {
    with_menu_at(&[MenuStart::Call, MenuStart::HearingLost])
}

pub(super) fn with_menu_at(starts: &[MenuStart]) -> TenantSettings {
    let keys = vec![
        ('1', MenuAction::Say("We are open.".into())),
        ('2', MenuAction::Ask("where is my order".into())),
        ('3', MenuAction::Transfer(TransferTarget::Queue("sales".into()))),
        ('0', MenuAction::Human),
        ('*', MenuAction::HangUp),
    ];
    let menu = Menu { prompt: PROMPT.into(), keys, starts: starts.to_vec(), wait: Duration::from_secs(4), tries: 2 };
    let transfer = TransferSettings { queue: PlacePattern::parse("queues,{name}"), ..TransferSettings::default() };
    TenantSettings { menu: Some(menu), transfer, ..with_human() }
}

/// A caller who waits in the menu that the agent opened.
pub(super) fn in_menu(starts: &[MenuStart]) -> Desk {
    let mut desk = Desk::thinking(with_menu_at(starts), "menu please");
    assert_eq!(desk.done(1, Some(AgentCommand::Menu))[0], format!("say 2: {PROMPT}"));
    desk.utter(2);
    desk
}

pub(super) fn four() -> Collect {
    Collect::new(4, Some('#'), Duration::from_secs(6), Duration::from_secs(3))
}

/// A caller who was asked for four digits and has keyed in none.
pub(super) fn collecting() -> Desk {
    collecting_at_most(four())
}

fn collecting_at_most(collect: Collect) -> Desk {
    let mut desk = Desk::thinking(with_human(), "my number");
    desk.text(1, "Key it in.");
    desk.done(1, Some(AgentCommand::Collect(collect)));
    desk.utter(2);
    assert_eq!(desk.phase(), "keying");
    desk
}

fn keys(desk: &mut Desk, keys: &str) -> Vec<String> {
    keys.chars().flat_map(|key| desk.after(300).tell(CallInput::Digit(key))).collect()
}

#[test]
fn a_menu_follows_the_greeting_and_its_keys_act() {
    for (key, first) in [
        ("1", "say 3: We are open."),
        ("3", "seek advice (caller): Queue(\"sales\"), blind"),
        ("0", "seek advice (caller): a person"),
        ("*", "say 3: Goodbye."),
    ] {
        let mut desk = Desk::greeting(with_menu());
        assert_eq!(desk.utter(1)[0], format!("say 2: {PROMPT}"));
        desk.utter(2);
        assert_eq!(keys(&mut desk, key)[0], first, "{key}");
    }
    let mut desk = Desk::greeting(with_menu());
    desk.utter(1);
    desk.utter(2);
    let asked = keys(&mut desk, "2");
    assert_eq!(asked, ["PrepareSpeaking", "- heard 1: where is my order", "ask 1: where is my order"]);
}

#[test]
fn a_key_in_the_greeting_is_taken_by_the_menu_that_follows() {
    let mut desk = Desk::greeting(with_menu());
    desk.audio(1);
    assert_eq!(keys(&mut desk, "1")[..2], ["hush 1", "say 2: We are open."]);
    let mut desk = Desk::greeting(with_menu());
    desk.utter(1);
    desk.audio(2);
    assert_eq!(keys(&mut desk, "1")[..2], ["hush 2", "say 3: We are open."], "nor need its prompt be heard out");
}

#[test]
fn a_menu_without_the_right_key_is_said_again_and_then_left() {
    let mut desk = in_menu(&[]);
    assert_eq!(desk.wake(CallReason::KeyDeadline)[0], format!("say 3: {PROMPT}"));
    desk.utter(3);
    assert_eq!(keys(&mut desk, "7"), [""; 0]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_caller_who_speaks_in_place_of_choosing_is_listened_to() {
    let mut desk = in_menu(&[]);
    assert_eq!(desk.speech(), ["PrepareSpeaking"]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn where_nobody_can_listen_any_more_the_menu_takes_over_for_good() {
    let mut desk = Desk::listening(with_menu_at(&[MenuStart::HearingLost]));
    for _ in 0..3 {
        desk.tell(CallInput::HearingFell { code: "trap" });
    }
    let fallen = desk.tell(CallInput::HearingFell { code: "trap" });
    assert_eq!(fallen[..2], ["- hearing fell: trap".to_owned(), format!("say 2: {PROMPT}")]);
    // Noise interrupts nothing.
    desk.audio(2);
    desk.speech();
    assert_eq!(desk.after(2000).pause(), [""; 0]);
    desk.utter(2);
    assert_eq!(keys(&mut desk, "2")[2], "ask 2: where is my order");
    desk.text(2, "On its way.");
    desk.done(2, None);
    assert_eq!(desk.utter(3)[1], format!("say 4: {PROMPT}"), "the keypad is all that is left");
    desk.utter(4);
    assert_eq!(desk.wake(CallReason::KeyDeadline)[0], format!("say 5: {PROMPT}"));
    desk.utter(5);
    assert_eq!(desk.wake(CallReason::KeyDeadline), ["seek advice (trouble): a person"]);
    assert_eq!(desk.no_advice()[..2], ["- transferring: human, blind", "transfer to queues,human"]);
}

#[test]
fn digits_end_at_their_number_at_the_terminator_or_after_a_pause() {
    let mut desk = collecting();
    assert_eq!(keys(&mut desk, "123"), [""; 0]);
    assert_eq!(keys(&mut desk, "4"), ["PrepareSpeaking", "- heard 2: [digits]", "ask 2: 1234"]);
    let mut desk = collecting();
    assert_eq!(keys(&mut desk, "#12#")[2], "ask 2: 12", "a terminator alone is nothing");
    let mut desk = collecting();
    keys(&mut desk, "12");
    assert_eq!(desk.call.poll_timeout().unwrap(), (desk.now + Duration::from_secs(3), CallReason::KeyDeadline));
    assert_eq!(desk.wake(CallReason::KeyDeadline)[2], "ask 2: 12");
    let mut desk = collecting();
    assert_eq!(desk.wake(CallReason::KeyDeadline)[0], "say 3: I didn't catch that.");
    desk.utter(3);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn digits_of_which_some_may_be_missing_are_asked_for_again_when_they_end() {
    let again = "say 3: I didn't catch that.";
    // At their number, and at the terminator, which may come alone.
    for (before, behind) in [("12", "34"), ("12", "3#"), ("12", "#"), ("", "#")] {
        let mut desk = collecting();
        keys(&mut desk, before);
        assert_eq!(desk.tell(CallInput::KeysMissed), [""; 0], "who still keys in is let finish");
        let told = keys(&mut desk, behind);
        assert_eq!((told[0].as_str(), desk.phase()), (again, "speaking"), "{before}, {behind}");
    }
    for before in ["12", ""] {
        let mut desk = collecting();
        keys(&mut desk, before);
        desk.tell(CallInput::KeysMissed);
        assert_eq!(desk.wake(CallReason::KeyDeadline)[0], again, "{before}");
        desk.utter(3);
        assert_eq!(keys(&mut desk, "1234")[2], "ask 2: 1234", "all of them");
    }
    // Who knows the question keys in over it.
    let mut desk = Desk::thinking(with_human(), "my number");
    desk.text(1, "Key in your number, please.");
    desk.done(1, Some(AgentCommand::Collect(four())));
    desk.audio(2);
    desk.tell(CallInput::KeysMissed);
    assert!(keys(&mut desk, "34#").contains(&again.to_owned()));
    // And over what is to be heard whole, before keys are asked for.
    let mut desk = Desk::thinking(with_human(), "my number");
    desk.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Uninterruptible });
    desk.text(1, "By law I have to tell you. It");
    desk.audio(2);
    keys(&mut desk, "1");
    desk.tell(CallInput::KeysMissed);
    keys(&mut desk, "3#");
    desk.done(1, Some(AgentCommand::Collect(four())));
    assert!(desk.utter(2).contains(&again.to_owned()));
}

#[test]
fn keys_that_are_missed_where_none_are_collected_change_nothing() {
    let mut desk = in_menu(&[]);
    desk.tell(CallInput::KeysMissed);
    assert_eq!(keys(&mut desk, "1")[0], "say 3: We are open.", "a menu's key counts by itself");
    let mut desk = Desk::speaking(with_human());
    desk.tell(CallInput::KeysMissed);
    desk.done(1, Some(AgentCommand::Collect(four())));
    desk.utter(2);
    assert_eq!(keys(&mut desk, "1234")[2], "ask 2: 1234", "what is keyed in later is all of it");
    // What was under way has been given up.
    let mut desk = collecting();
    desk.tell(CallInput::KeysMissed);
    desk.tell(CallInput::TransferOrdered(handover::to_queue("sales", None)));
    assert!(!desk.call.lacks_keys);
}

#[test]
fn digits_that_are_a_card_are_masked_and_no_digits_are_told_to_the_world() {
    let mut desk = collecting_at_most(Collect::new(19, Some('#'), Duration::from_secs(6), Duration::from_secs(3)));
    let asked = keys(&mut desk, "4111111111111111#");
    assert_eq!(asked, ["masking begins", "PrepareSpeaking", "- heard 2: [digits]", "ask 2: [card]"]);
    let mut desk = collecting();
    keys(&mut desk, "1234");
    desk.text(2, "Thank you.");
    desk.done(2, None);
    assert_eq!(desk.utter(3)[0], "- turn 2: [digits] -> Thank you., - ms");
    assert!(!format!("{:?}", collecting().call.phase()).contains("1234"));
    let mut desk = collecting();
    keys(&mut desk, "98");
    assert!(!format!("{:?}", desk.call.phase()).contains("98"), "{:?}", desk.call.phase());
}

#[test]
fn a_key_over_the_question_is_the_first_digit_and_a_voice_beside_it_is_none() {
    let mut desk = Desk::thinking(with_human(), "my number");
    desk.text(1, "Key in your number, please.");
    desk.done(1, Some(AgentCommand::Collect(four())));
    desk.audio(2);
    desk.speech();
    assert_eq!(desk.after(900).pause(), ["FinalizeHearing"]);
    assert_eq!(keys(&mut desk, "1")[0], "hush 2");
    desk.speech();
    desk.words("one");
    desk.after(500).pause();
    assert_eq!(keys(&mut desk, "234")[2], "ask 2: 1234");
}

#[test]
fn a_key_stops_what_is_said_where_it_may_be_spoken_over_and_nowhere_else() {
    let mut desk = Desk::speaking(settings());
    assert_eq!(keys(&mut desk, "5")[..2], ["cancel ask 1", "hush 2"]);
    assert_eq!(desk.phase(), "listening");
    let mut desk = Desk::speaking(settings());
    desk.tell(CallInput::Drain);
    assert_eq!(keys(&mut desk, "5"), [""; 0], "the last words");
}

#[test]
fn a_menu_that_the_tenant_does_not_have_is_not_offered() {
    let mut desk = Desk::thinking(settings(), "menu please");
    assert_eq!(desk.done(1, Some(AgentCommand::Menu)), [""; 0]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_key_that_is_pressed_while_it_rings_means_nothing_and_is_no_fault() {
    let mut desk = Desk::new(with_menu());
    desk.tell(CallInput::Offered);
    assert_eq!(desk.tell(CallInput::Digit('1')), [""; 0]);
    assert_eq!(desk.phase(), "answering");
}
