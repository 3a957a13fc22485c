//! Cards by keys.

use super::masking::{Brittle, guarded};
use super::*;
use crate::card::{CardCollect, CardField, CardKeyed};
use crate::mask::Mode;
use crate::tenant::PciSettings;

const NUMBER: &str = "4111111111111111";

fn card(fields: &[CardField]) -> CardCollect {
    CardCollect::new(fields, Duration::from_secs(6), Duration::from_secs(3)).unwrap()
}

/// One that nobody needs to be lucky for, or a whole one.
pub(super) fn some_card(whole: bool) -> CardCollect {
    card(if whole { &CardField::ALL } else { &[CardField::Code] })
}

/// A call in which cards can be taken, whose agent has asked for one in these words.
fn asked_with(settings: TenantSettings, words: &str, collect: CardCollect) -> Desk {
    let mut desk = Desk::thinking(settings, "I pay by card");
    desk.call.has_vault = true;
    if !words.is_empty() {
        desk.text(1, words);
    }
    desk.done(1, Some(AgentCommand::CollectCard(collect)));
    desk
}

/// A caller who keys in a card's first field.
fn keying(fields: &[CardField]) -> Desk {
    let mut desk = asked_with(with_human(), "Key in your card.", card(fields));
    desk.utter(2);
    assert!(desk.phase() == "keying" && desk.call.awaits_card());
    desk
}

fn keys(desk: &mut Desk, keys: &str) -> Vec<String> {
    keys.chars().flat_map(|key| desk.after(300).tell(CallInput::Digit(key))).collect()
}

/// What the caller is told last.
fn says(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("say ")?.split_once(": ")).map(|(_, words)| words).collect()
}

/// The card that the agent is asked with; actions beside it.
fn given(desk: &mut Desk, key: char) -> (Option<CardKeyed>, Vec<String>) {
    desk.call.handle(desk.now, CallInput::Digit(key));
    let (mut card, mut lines) = (None, Vec::new());
    while let Some(action) = desk.call.poll_action() {
        lines.push(format!("{action:?}"));
        if let CallAction::AskCard { card: keyed, .. } = action {
            card = Some(keyed);
        }
    }
    (card, lines)
}

/// The same without the digits of an `Instant`: they are the machine's, and any three may be among them.
fn without_moments(shown: &str) -> String {
    let mut pieces = shown.split("sec: ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_card_is_keyed_in_field_by_field_and_goes_to_the_vault_alone() {
    let mut desk = keying(&CardField::ALL);
    let mut told = keys(&mut desk, &format!("{NUMBER}#"));
    assert_eq!(says(&told), ["Its expiry date?"]);
    desk.utter(3);
    told.extend(keys(&mut desk, "1230"));
    assert_eq!(says(&told), ["Its expiry date?", "Its code?"], "its last digit ends it");
    desk.utter(4);
    told.extend(keys(&mut desk, "737"));
    let (card, lines) = given(&mut desk, '#');
    let Some(CardKeyed::Given(card)) = card else { panic!("{lines:?}") };
    let fields = CardField::ALL.map(|field| card.reveal(field).unwrap().to_owned());
    assert_eq!(fields, [NUMBER, "1230", "737"]);
    assert_eq!(card.last_four(), Some("1111"));
    told.extend(lines);
    told.push(without_moments(&format!("{:?}", desk.call.phase())));
    assert!(told.iter().any(|line| line.contains("Heard") && line.contains("[card]")), "{told:?}");
    assert!(told.iter().all(|line| !line.contains("1111") && !line.contains("1230") && !line.contains("737")), "{told:?}");
    desk.text(2, "Thank you.");
    desk.done(2, None);
    assert_eq!(desk.utter(5)[0], "- turn 2: [card] -> Thank you., - ms");
}

#[test]
fn an_agent_that_says_nothing_is_spoken_for() {
    let mut desk = asked_with(settings(), "", card(&CardField::ALL));
    assert_eq!(desk.phase(), "speaking");
    assert!(desk.call.awaits_card() && desk.call.collects_digits(), "nothing is heard or recorded from here on");
    desk.utter(2);
    assert_eq!(desk.phase(), "keying");
    let told = Desk::thinking(settings(), "hello").done(1, Some(AgentCommand::Menu));
    assert_eq!(told, [""; 0]);
}

#[test]
fn what_is_wrong_is_asked_for_again_and_given_up_after_three_tries() {
    let mut desk = keying(&[CardField::Number]);
    for utterance in 3..5 {
        let told = keys(&mut desk, "4111111111111112#");
        assert_eq!(says(&told), ["That is not right.", "Your card's number?"]);
        desk.utter(utterance);
    }
    let told = keys(&mut desk, "123#");
    assert_eq!(told.last().unwrap(), "ask card 2: [card], invalid");
    let mut desk = keying(&[CardField::Expiry, CardField::Code]);
    assert_eq!(says(&keys(&mut desk, "1330")), ["That is not right.", "Its expiry date?"]);
    desk.utter(3);
    assert_eq!(says(&keys(&mut desk, "0130")), ["Its code?"]);
    desk.utter(4);
    assert_eq!(keys(&mut desk, "1234").last().unwrap(), "ask card 2: [card], given");
}

#[test]
fn a_star_empties_the_field_and_a_further_one_gives_the_card_up() {
    let mut desk = keying(&[CardField::Code]);
    assert_eq!(keys(&mut desk, "99*"), [""; 0]);
    keys(&mut desk, "123");
    let (card, _) = given(&mut desk, '#');
    let Some(CardKeyed::Given(card)) = card else { panic!("{card:?}") };
    assert_eq!(card.reveal(CardField::Code), Some("123"));
    let mut desk = keying(&CardField::ALL);
    keys(&mut desk, &format!("{NUMBER}#"));
    desk.utter(3);
    assert_eq!(keys(&mut desk, "12**").last().unwrap(), "ask card 2: [card], cancelled");
    assert!(desk.call.card.is_none());
}

#[test]
fn a_field_of_which_keys_may_be_missing_is_asked_for_again_however_right_it_looks() {
    let mut desk = keying(&[CardField::Number, CardField::Code]);
    keys(&mut desk, &NUMBER[..4]);
    desk.tell(CallInput::KeysMissed);
    let told = keys(&mut desk, &format!("{}#", &NUMBER[4..]));
    assert_eq!(says(&told), ["I didn't catch that.", "Your card's number?"]);
    desk.utter(3);
    assert_eq!(says(&keys(&mut desk, &format!("{NUMBER}#"))), ["Its code?"]);
    desk.utter(4);
    // No key has come, and perhaps all were missed.
    desk.tell(CallInput::KeysMissed);
    assert_eq!(says(&desk.wake(CallReason::KeyDeadline)), ["I didn't catch that.", "Its code?"]);
    desk.utter(5);
    desk.tell(CallInput::KeysMissed);
    assert_eq!(says(&keys(&mut desk, "#")), ["I didn't catch that.", "Its code?"]);
    desk.utter(6);
    // A star empties what may have been missed as well.
    desk.tell(CallInput::KeysMissed);
    assert_eq!(keys(&mut desk, "*123#").last().unwrap(), "ask card 2: [card], given");
}

#[test]
fn a_pause_ends_a_field_and_silence_the_whole() {
    let mut desk = keying(&[CardField::Number, CardField::Code]);
    keys(&mut desk, NUMBER);
    assert_eq!(says(&desk.wake(CallReason::KeyDeadline)), ["Its code?"]);
    desk.utter(3);
    assert_eq!(desk.wake(CallReason::KeyDeadline).last().unwrap(), "ask card 2: [card], no_input");
    assert!(desk.call.card.is_none());
}

#[test]
fn who_knows_the_next_question_keys_over_it_and_who_ends_what_has_ended_hears_it() {
    let mut desk = keying(&[CardField::Expiry, CardField::Code]);
    keys(&mut desk, "1230");
    desk.audio(3);
    assert_eq!(keys(&mut desk, "#"), [""; 0]);
    assert_eq!(keys(&mut desk, "1")[0], "hush 3");
    assert_eq!(keys(&mut desk, "23#").last().unwrap(), "ask card 2: [card], given");
    let mut desk = asked_with(settings(), "Key in your card, please.", card(&[CardField::Code]));
    desk.audio(2);
    assert!(keys(&mut desk, "123#").contains(&"ask card 2: [card], given".to_owned()));
}

#[test]
fn keys_over_what_is_to_be_heard_whole_are_of_all_fields() {
    let mut desk = Desk::thinking(settings(), "I pay by card");
    desk.call.has_vault = true;
    desk.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Uninterruptible });
    desk.text(1, "By law I have to tell you.");
    desk.done(1, Some(AgentCommand::CollectCard(card(&[CardField::Expiry, CardField::Code]))));
    desk.audio(2);
    assert_eq!(keys(&mut desk, "1230123#"), [""; 0]);
    assert!(desk.utter(2).contains(&"ask card 2: [card], given".to_owned()));
}

#[test]
fn without_a_vault_the_agent_is_told_and_the_caller_not_asked() {
    let mut desk = Desk::thinking(settings(), "I pay by card");
    let told = desk.done(1, Some(AgentCommand::CollectCard(some_card(true))));
    assert_eq!(told.last().unwrap(), "ask card 2: [card], vault_missing");
    assert!(says(&told).is_empty(), "{told:?}");
    // It is not told for ever.
    assert_eq!(desk.done(2, Some(AgentCommand::CollectCard(some_card(true)))), [""; 0]);
    assert_eq!(desk.phase(), "listening");
}

#[test]
fn a_voice_beside_it_takes_nothing_back() {
    let mut desk = keying(&[CardField::Code]);
    desk.speech();
    desk.partial("four one one one");
    desk.words("four one one one");
    keys(&mut desk, "123#");
    assert_eq!(desk.phase(), "thinking");
    desk.after(200).pause();
    assert_eq!(desk.speech(), [""; 0], "the card is not given twice");
    desk.words("there you are");
    desk.after(300).pause();
    desk.tell(CallInput::Finalized);
    assert_eq!(desk.phase(), "thinking");
    assert_eq!(desk.text(2, "Thank you. It")[0], "say 3: Thank you.");
}

#[test]
fn what_was_keyed_in_is_gone_as_soon_as_nobody_asks_for_it() {
    for input in [CallInput::CallerGone, CallInput::Drain, CallInput::TransferOrdered(handover::to_queue("sales", None))] {
        let mut desk = keying(&[CardField::Number]);
        keys(&mut desk, "4111");
        assert_eq!(desk.call.card.as_ref().unwrap().len(CardField::Number), 4);
        desk.tell(input);
        assert!(desk.call.card.is_none(), "{}", desk.phase());
    }
}

#[test]
fn a_recording_is_silent_from_the_question_to_the_last_key() {
    let mut desk = keying(&[CardField::Expiry, CardField::Code]);
    assert!(desk.call.collects_digits());
    keys(&mut desk, "1230");
    assert!(desk.phase() == "speaking" && desk.call.collects_digits());
    desk.utter(3);
    keys(&mut desk, "123#");
    assert!(!desk.call.collects_digits() && !desk.call.awaits_card());
}

#[test]
fn another_gateway_asks_for_all_of_it_again() {
    let go_on = |desk: &mut Desk, what: &str| {
        let resume = desk.call.resume_point(desk.now).unwrap();
        let shown = format!("{resume:?}");
        assert!(["4111", "1230"].iter().all(|keyed| !shown.contains(keyed)), "{shown}");
        let told = desk.adopted_after(0);
        desk.call.has_vault = true;
        (says(&told).contains(&what), told)
    };
    let mut desk = keying(&CardField::ALL);
    keys(&mut desk, &NUMBER[..8]);
    // Whether there is a vault is the other gateway's to know before it asks.
    let resume = desk.call.resume_point(desk.now).unwrap();
    assert!(matches!(resume.place, Standing::Keying(Keys::Card(_))), "{resume:?}");
    assert_eq!(go_on(&mut desk, "ask").1.last().unwrap(), "ask card 2: [card], vault_missing");
    for stop in [0, 1, 2] {
        let mut desk = keying(&CardField::ALL);
        if stop > 0 {
            keys(&mut desk, &format!("{NUMBER}#"));
        }
        if stop > 1 {
            desk.utter(3);
            keys(&mut desk, "12");
        }
        let resume = desk.call.resume_point(desk.now).unwrap();
        assert!(matches!(resume.place, Standing::Keying(Keys::Card(_))), "{resume:?}");
        let parties = Arc::clone(&desk.call.parties);
        desk.call = Call::adopt(&Arc::new(settings()), parties, resume, Gap::default(), desk.now).with_vault(true);
        desk.actions();
        let told = desk.tell(CallInput::MediaConnected);
        assert_eq!(says(&told), ["Your card's number?"], "after {stop}");
        assert!(desk.call.card.is_none());
    }
    // The turn in which it was given has no answer.
    let mut desk = keying(&[CardField::Code]);
    keys(&mut desk, "123#");
    let resume = desk.call.resume_point(desk.now).unwrap();
    assert_eq!(resume.place, Standing::AskedKeyed { turn: TurnId(2) });
    assert!(go_on(&mut desk, "I didn't catch that.").0);
}

#[test]
fn a_leg_that_is_built_anew_asks_for_the_field_anew() {
    let mut desk = keying(&[CardField::Expiry, CardField::Code]);
    keys(&mut desk, "1230");
    desk.audio(3);
    let told = desk.tell(CallInput::MediaRebuilt);
    assert_eq!(says(&told), ["Its code?"]);
    desk.utter(4);
    assert_eq!(keys(&mut desk, "123#").last().unwrap(), "ask card 2: [card], given", "what was keyed in before stays");
}

/// A call of a tenant whose callers may say a card's number.
fn saying(fields: &[CardField]) -> Desk {
    let settings = with_human();
    let pci = PciSettings { spoken_cards: true, ..settings.pci.clone() };
    let mut desk = asked_with(TenantSettings { pci, ..settings }, "Your card, please.", card(fields));
    assert!(!desk.call.hears_card(), "a field of before may still be keyed in");
    desk.utter(2);
    assert!(desk.call.hears_card() && desk.call.collects_digits());
    desk
}

fn says_of_card(desk: &mut Desk, words: &str) -> (bool, Vec<String>) {
    desk.now += Duration::from_millis(300);
    let taken = desk.call.say_card(desk.now, &Heard::new(words.to_owned()));
    (taken, desk.actions())
}

#[test]
fn a_card_that_is_said_goes_where_one_goes_that_is_keyed_in() {
    let mut desk = saying(&CardField::ALL);
    desk.speech();
    let words = "uh my number is four one double one";
    assert_eq!(says_of_card(&mut desk, words), (true, Vec::new()));
    assert_eq!(desk.after(900).pause(), ["FinalizeHearing"]);
    let (taken, mut told) = says_of_card(&mut desk, "1111 1111 one one one one");
    desk.tell(CallInput::Finalized);
    assert!(taken && says(&told) == ["Its expiry date?"] && !desk.call.hears_card(), "{told:?}");
    desk.utter(3);
    told.extend(keys(&mut desk, "1230"));
    desk.utter(4);
    told.extend(says_of_card(&mut desk, "seven three seven").1);
    let due = desk.wake(CallReason::KeyDeadline);
    assert_eq!(due.last().unwrap(), "ask card 2: [card], given");
    told.extend(due);
    assert!(told.iter().all(|line| !line.contains("1111") && !line.contains("1230") && !line.contains("737")), "{told:?}");
}

#[test]
fn what_is_said_wrong_is_asked_for_again_as_a_whole() {
    let mut desk = saying(&[CardField::Number]);
    for (utterance, words) in [(3, "4111 1111 1111 1112 1111"), (4, "four one one one and that is all")] {
        let mut told = says_of_card(&mut desk, words).1;
        if told.is_empty() {
            told = desk.wake(CallReason::KeyDeadline);
        }
        assert_eq!(says(&told), ["That is not right.", "Your card's number?"], "{words}");
        desk.utter(utterance);
    }
    let told = says_of_card(&mut desk, NUMBER).1;
    assert_eq!(told.last().unwrap(), "ask card 2: [card], given");
}

#[test]
fn where_cards_may_not_be_said_words_are_words() {
    let mut desk = keying(&[CardField::Number]);
    assert_eq!(says_of_card(&mut desk, NUMBER), (false, Vec::new()));
    assert!(!desk.call.hears_card());
    let mut desk = saying(&[CardField::Number]);
    keys(&mut desk, &format!("{NUMBER}#"));
    assert_eq!(says_of_card(&mut desk, "thank you"), (false, Vec::new()), "it is there");
}

#[test]
fn where_masking_is_strict_no_card_may_be_said_whatever_the_tenant_has() {
    let mut desk = guarded(saying(&[CardField::Number]), Ok(Box::new(Brittle)), Mode::Strict);
    assert!(!desk.call.hears_card());
    assert_eq!(says_of_card(&mut desk, NUMBER), (false, Vec::new()));
    assert_eq!(keys(&mut desk, &format!("{NUMBER}#")).last().unwrap(), "ask card 2: [card], given");
}
