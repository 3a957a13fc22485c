//! What the call's settings change, and what one text leaves for the next.

use crate::{
    dice::{Dice, luhn},
    measure::{masker, settings},
};
use pci_mask::Masker;
use vg_plugin_sdk::mask::{Segment, Settings, Source, SpanKind};

fn caller(masker: &mut Masker, text: &str) -> String {
    masker.mask(&Segment { text: text.to_owned(), source: Source::Caller, partial: false }).text
}

#[test]
fn last_four_digits_are_shown_only_where_the_policy_says_so() {
    let text = "my card is four one one one 1111 1111 1111, thanks";
    assert_eq!(caller(&mut masker("en"), text), "my card is [card], thanks");
    assert_eq!(caller(&mut Masker::new(&settings("en", true)), text), "my card is [card ending 1111], thanks");
}

#[test]
fn last_four_of_a_number_that_is_not_sure_are_not_shown() {
    let mut masker = Masker::new(&settings("en", true));
    assert_eq!(caller(&mut masker, "my card is 4111 1111 1111 1112, thanks"), "my card is [card], thanks");
    let partial = masker.mask(&Segment { text: "4111 1111 1111 1111".to_owned(), source: Source::Caller, partial: true });
    assert_eq!(partial.text, "[card]");
}

#[test]
fn a_kind_that_is_not_wanted_is_left_alone() {
    let text = "my card is 4111 1111 1111 1111, expires 12/27, security code 123";
    let only = |kinds: &[SpanKind]| {
        let settings = Settings { languages: vec!["en-US".to_owned()], kinds: kinds.to_vec(), last_four: false };
        caller(&mut Masker::new(&settings), text)
    };
    assert_eq!(only(&[SpanKind::CardNumber]), "my card is [card], expires 12/27, security code 123");
    assert_eq!(only(&[SpanKind::SecurityCode]), "my card is 4111 1111 1111 1111, expires 12/27, security code [cvv]");
    assert_eq!(only(&[SpanKind::ExpiryDate]), "my card is 4111 1111 1111 1111, expires [expiry], security code 123");
    assert_eq!(only(&[]), text);
}

#[test]
fn a_partial_that_may_become_a_card_is_held_and_leaves_no_trace() {
    let mut masker = masker("en");
    let mut partial = |text: &str| masker.mask(&Segment { text: text.to_owned(), source: Source::Caller, partial: true });
    let held = partial("it's 4111 1111");
    assert_eq!((held.text.as_str(), held.hold), ("it's [digits]", true));
    let shown = partial("it's 4111");
    assert_eq!((shown.text.as_str(), shown.hold), ("it's 4111", false));
    assert_eq!(caller(&mut masker, "1111 1111 of them"), "1111 1111 of them", "the partials before are no digits of this text");
}

#[test]
fn spans_say_what_and_where_in_the_text_that_came_in() {
    let text = "é o cartão 4111 1111 1111 1111, validade 12/27";
    let masked = masker("pt-BR").mask(&Segment { text: text.to_owned(), source: Source::Caller, partial: false });
    let spans: Vec<_> = masked.spans.iter().map(|span| (span.kind, &text[span.start as usize..span.end as usize])).collect();
    assert_eq!(spans, [(SpanKind::CardNumber, "4111 1111 1111 1111"), (SpanKind::ExpiryDate, "12/27")]);
}

#[test]
fn without_a_language_all_three_are_understood() {
    for text in [
        "four one one one one one one one one one one one one one one one",
        "quatro um um um um um um um um um um um um um um um",
        "cuatro uno uno uno uno uno uno uno uno uno uno uno uno uno uno uno",
    ] {
        let settings = Settings { languages: vec![], ..settings("en", false) };
        assert_eq!(caller(&mut Masker::new(&settings), text), "[card]");
    }
}

/// As a number each English "um" would be a digit too many, as a hesitation each Portuguese one a digit that is missing.
#[test]
fn an_um_is_read_both_ways_where_both_may_be_spoken() {
    const AMEX: &str = "three um seven eight two eight two two four um six three one zero zero zero five";
    const MASTERCARD: &str = "cinco um zero cinco um zero cinco um zero cinco um zero cinco um zero zero";
    for languages in [vec![], vec!["en-US".to_owned(), "pt-BR".to_owned()]] {
        let masker = || Masker::new(&Settings { languages: languages.clone(), ..settings("en", false) });
        for number in [AMEX, MASTERCARD] {
            assert_eq!(caller(&mut masker(), number), "[card]");
            assert_eq!(caller(&mut masker(), &format!("my card is {number}, thanks")), "my card is [card], thanks");
        }
        let mut call = masker();
        assert_eq!(caller(&mut call, "three um"), "three um");
        let text = "seven eight two eight two two four".to_owned();
        let held = call.mask(&Segment { text, source: Source::Caller, partial: true });
        assert_eq!((held.text.as_str(), held.hold), ("[digits]", true));
        assert_eq!(caller(&mut call, "seven eight two eight two two four six three one zero zero zero five"), "[card]");
        let mut call = masker();
        assert_eq!(caller(&mut call, "cinco um zero cinco um"), "cinco um zero cinco um");
        assert_eq!(caller(&mut call, "zero cinco um zero cinco um zero cinco um zero zero"), "[card]");
        assert_eq!(caller(&mut masker(), "um, I have one or two"), "um, I have one or two");
    }
}

#[test]
fn a_telephone_number_after_a_card_is_shown() {
    let mut masker = masker("en");
    assert_eq!(caller(&mut masker, "4111 1111 1111 1111"), "[card]");
    masker.mask(&Segment { text: "Thank you. And your phone number?".to_owned(), source: Source::Agent, partial: false });
    assert_eq!(caller(&mut masker, "4155550134"), "4155550134");
}

#[test]
fn an_answered_question_for_another_number_does_not_uncover_a_card() {
    let agent = |masker: &mut Masker, text: &str| {
        masker.mask(&Segment { text: text.to_owned(), source: Source::Agent, partial: false });
    };
    let mut call = masker("en");
    agent(&mut call, "What is your order number?");
    assert_eq!(caller(&mut call, "5512034477"), "5512034477");
    assert_eq!(caller(&mut call, "4111 1111 11"), "[digits]", "by length");
    let mut call = masker("en");
    agent(&mut call, "What is your order number?");
    assert_eq!(caller(&mut call, "55120"), "55120");
    agent(&mut call, "Thank you. How would you like to pay?");
    assert_eq!(caller(&mut call, "4111 1111 11"), "[digits]", "by the next question");
}

#[test]
fn a_word_about_expiry_does_not_uncover_a_card() {
    assert_eq!(caller(&mut masker("en"), "is my card still valid? it's 4111 1111 11"), "is my card still valid? it's [digits]");
}

#[test]
fn keys_of_one_menu_and_the_next_are_no_number() {
    let mut masker = masker("en");
    for key in "41111111".chars() {
        let prompt = "For your bookings press four, for anything else press one.".to_owned();
        masker.mask(&Segment { text: prompt, source: Source::Agent, partial: false });
        let masked = masker.mask(&Segment { text: key.to_string(), source: Source::Dtmf, partial: false });
        assert_eq!(masked.text, key.to_string());
    }
}

#[test]
fn fifty_five_may_be_fifty_and_five() {
    // 3566 0020 2036 05 05, of which the last are said as 0, 50, 5.
    let text = "it's thirty five sixty six zero zero twenty twenty thirty six zero fifty five";
    assert_eq!(caller(&mut masker("en"), &format!("{text}, is that fine")), "it's [card], is that fine");
}

#[test]
fn a_number_is_one_though_its_caller_changes_from_voice_to_keys() {
    let keys = |masker: &mut Masker, text: &str| {
        masker.mask(&Segment { text: text.to_owned(), source: Source::Dtmf, partial: false }).text
    };
    let mut call = masker("en");
    assert_eq!((caller(&mut call, "4012 88").as_str(), keys(&mut call, "8888881881").as_str()), ("4012 88", "[card]"));
    let mut call = masker("en");
    assert_eq!((keys(&mut call, "401288").as_str(), caller(&mut call, "8888881881").as_str()), ("401288", "[card]"));
    let mut call = masker("en");
    assert_eq!(caller(&mut call, "three seven eight two eight two"), "three seven eight two eight two");
    assert!("246310005".chars().all(|key| keys(&mut call, &key.to_string()).starts_with('[')), "key by key");
    // Whether the agent's number goes on with the caller's nobody asks.
    let mut call = masker("en");
    call.mask(&Segment { text: "4012 88".to_owned(), source: Source::Agent, partial: false });
    assert_eq!(keys(&mut call, "8888881881"), "8888881881");
}

/// A guess may end within a word, or before the digit that "double" is about.
#[test]
fn a_text_that_ends_within_a_number_does_not_uncover_it() {
    let said = "four one one one one one one";
    for end in ["dou", "double", "thr"] {
        let text = format!("{said} {end}");
        let masked = masker("en").mask(&Segment { text, source: Source::Caller, partial: true });
        assert!(masked.hold && masked.text.starts_with("[digits]"), "{end}: {}", masked.text);
    }
    assert_eq!(caller(&mut masker("en"), &format!("{said} double")), "[digits] double");
}

/// The recogniser is slower than the fingers.
#[test]
fn words_that_are_final_after_the_keys_stand_before_them() {
    let mut call = masker("en");
    let mut say = |text: &str, source: Source, partial: bool| call.mask(&Segment { text: text.to_owned(), source, partial }).text;
    assert_eq!(say("it's 4012 88", Source::Caller, true), "it's 4012 88");
    assert_eq!(say("88888818", Source::Dtmf, false), "[digits]");
    assert_eq!(say("it's 4012 88", Source::Caller, false), "it's [digits]");
    assert_eq!(say("81", Source::Dtmf, false), "[card]");
}

/// Keys are for menus too: they are not held because of what was said.
#[test]
fn keys_of_a_menu_are_shown_after_words_and_do_not_add_up_with_them() {
    let mut call = masker("en");
    assert_eq!(caller(&mut call, "we are 4"), "we are 4");
    for key in "11111111".chars() {
        let prompt = "For your bookings press four, for anything else press one.".to_owned();
        call.mask(&Segment { text: prompt, source: Source::Agent, partial: false });
        let masked = call.mask(&Segment { text: key.to_string(), source: Source::Dtmf, partial: false });
        assert_eq!(masked.text, key.to_string());
    }
    let mut call = masker("en");
    assert_eq!(caller(&mut call, "my card is 4111 1111 1111 1111"), "my card is [card]");
    let masked = call.mask(&Segment { text: "1".to_owned(), source: Source::Dtmf, partial: false });
    assert_eq!(masked.text, "1", "an answer to the agent");
}

#[test]
fn the_number_sign_ends_what_is_typed() {
    let mut masker = masker("en");
    let mut typed = |text: &str| masker.mask(&Segment { text: text.to_owned(), source: Source::Dtmf, partial: false }).text;
    assert_eq!((typed("4111#").as_str(), typed("4242").as_str()), ("4111#", "4242"));
    assert_eq!(typed("#411#5551"), "#411#5551");
}

/// One digit was misheard: after a cue every length that cards have is masked, of an issuer's range or of none.
#[test]
fn every_length_of_a_misheard_card_is_masked_after_a_cue() {
    // 7… and 9… are no issuer's, 0… neither.
    const BEGINNINGS: [&str; 5] = ["4111", "5555", "7992", "9400", "0000"];
    const CUES: [(&str, &str); 6] = [
        ("en", "my card number is"),
        ("en", "it's my credit card,"),
        ("pt-BR", "o número do meu cartão é"),
        ("pt-BR", "cartão de crédito"),
        ("es", "el número de mi tarjeta es"),
        ("es", "tarjeta de crédito"),
    ];
    for (language, cue) in CUES {
        for (length, beginning) in (13..=19).flat_map(|length| BEGINNINGS.map(|beginning| (length, beginning))) {
            let number = misheard(beginning, length);
            let fours: Vec<&str> = (0..length).step_by(4).map(|at| &number[at..length.min(at + 4)]).collect();
            for said in [number.clone(), fours.join(" "), fours.join("-")] {
                let masked = caller(&mut masker(language), &format!("{cue} {said}, ok"));
                assert_eq!(masked, format!("{cue} [card], ok"), "{language}: {length} digits, {said}");
                let masked = caller(&mut masker(language), &format!("{cue} {said}"));
                assert_eq!(masked, format!("{cue} [card]"), "{language}: {length} digits at the end, {said}");
            }
        }
    }
}

/// So many digits with a wrong check digit.
fn misheard(beginning: &str, length: usize) -> String {
    let mut number: String = beginning.chars().chain("123456789012345".chars()).take(length - 1).collect();
    let wrong = ('0'..='9').find(|&check| !luhn(&format!("{number}{check}"))).unwrap();
    number.push(wrong);
    number
}

/// The other half of the rule: without a cue a wrong check digit is another number's, unless it has a card's form and beginning.
#[test]
fn a_number_of_no_issuer_is_shown_without_a_cue() {
    for length in 13..=19 {
        let text = format!("it says {} here", misheard("9400", length));
        assert_eq!(caller(&mut masker("en"), &text), text);
    }
}

#[test]
fn any_text_is_survived() {
    for text in [
        "",
        " ",
        "#",
        "++",
        "4",
        "(",
        "(4",
        "½ ٤١١١ ４１１１",
        "no, no, no",
        "double",
        "cvv",
        "12/",
        "4111-",
        "por ciento",
        "mil mil mil",
    ] {
        for partial in [true, false] {
            let mut masker = masker("es");
            masker.mask(&Segment { text: text.to_owned(), source: Source::Caller, partial });
        }
    }
}

/// Whatever words come in whatever order: the spans are what the contract wants, in order, apart, and between characters.
#[test]
fn spans_of_any_text_are_whole_and_in_order() {
    const SAID: &[&str] = &[
        "4111",
        "1",
        "11",
        "12/27",
        "1111111111111111",
        "41111111111111111111111111111111111111111111111111",
        "+55",
        "(11)",
        "$4.111,11",
        "€",
        "#",
        "529.982.247-25",
        "411-111-1111",
        "10:30",
        "four",
        "double",
        "triple",
        "ones",
        "forty",
        "five",
        "hundred",
        "thousand",
        "and",
        "no",
        "sorry",
        "wait",
        "one",
        "moment",
        "uh",
        "card",
        "SIM",
        "phone",
        "cvv",
        "cvv2",
        "security",
        "code",
        "back",
        "expires",
        "September",
        "policy",
        "social",
        "CPF",
        "number",
        "student",
        "três",
        "um",
        "não",
        "cartão",
        "validade",
        "mil",
        "cento",
        "por",
        "e",
        "cuatro",
        "uno",
        "tarjeta",
        "número",
        "de",
        "é",
        "½",
        "４",
        "…",
        "-",
    ];
    for seed in 0..8 {
        let mut dice = Dice::new(seed);
        let settings = Settings { languages: vec![], ..settings("en", dice.chance(50)) };
        let mut masker = Masker::new(&settings);
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..dice.below(24) {
                text.push_str(dice.pick::<&str>(SAID));
                text.push_str(dice.pick::<&str>(&[" ", " ", " ", "", ", ", "-", "/"]));
            }
            let source = *dice.pick(&[Source::Caller, Source::Caller, Source::Agent, Source::Dtmf]);
            let masked = masker.mask(&Segment { text: text.clone(), source, partial: dice.chance(40) });
            let mut before = 0;
            for span in &masked.spans {
                let (start, end) = (span.start as usize, span.end as usize);
                assert!(before <= start && start < end, "seed {seed}: {text:?}");
                assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "seed {seed}: {text:?}");
                before = end;
            }
        }
    }
}
