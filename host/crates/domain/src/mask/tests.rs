use super::*;
use crate::dice::Dice;

fn heard(words: &str) -> String {
    Mask::new().mask_final(Heard::new(words.into())).as_str().to_owned()
}

fn heard_in_turn(texts: &[&str]) -> Vec<String> {
    let mut mask = Mask::new();
    texts.iter().map(|text| mask.mask_final(Heard::new((*text).into())).as_str().to_owned()).collect()
}

#[test]
fn card_numbers_of_every_length_and_spacing_are_masked() {
    for number in [
        "4222222222222",
        "30569309025904",
        "378282246310005",
        "3782 822463 10005",
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111, 1111, 1111, 1111",
        "4111–1111–1111–1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "5555 5555 5555 4444",
        "6011111111111117",
        "4000000000000000006",
    ] {
        assert_eq!(heard(number), "[card]", "{number}");
        assert_eq!(heard(&format!("my card is {number}, thank you")), "my card is [card], thank you");
    }
}

#[test]
fn spoken_digits_are_masked_like_written_ones() {
    let ones = ["one"; 15].join(" ");
    assert_eq!(heard(&format!("it is four {ones} okay")), "it is [card] okay");
    assert_eq!(heard("Four double one one, triple one one, double one one one, one one one one"), "[card]");
    assert_eq!(heard("three seven eight two eight two two four six three one oh oh oh five"), "[card]");
    assert_eq!(heard("four one one one uh 1111 then 1111 and one one one one"), "[card]");
    assert_eq!(heard("four-one-one-one 1111 1111 1111"), "[card]");
}

#[test]
fn a_card_number_among_other_digits_is_found() {
    assert_eq!(heard("12 4111 1111 1111 1111 99"), "12 [card] 99");
    assert_eq!(heard("one two four one one one one one one one one one one one one one one one"), "one two [card]");
    assert_eq!(heard("000000004111111111111111000000"), "00000000[card]000000");
    assert_eq!(heard("id4111111111111111x"), "id[card]x");
    assert_eq!(heard("4111 1111 1111 1111 5555 5555 5555 4444"), "[card] [card]");
}

#[test]
fn phone_numbers_dates_prices_and_order_numbers_stay() {
    for text in [
        "call me at +55 11 98765 4321",
        "my number is 415 555 0132 and my extension 12",
        "on 12.05.2024 at 10:30",
        "2024-05-12 10:30:00 to 2024-05-13 11:45:00",
        "order 4111111111111112",
        "order 4111 1111 1111 1112",
        "check the status of order five two seven",
        "it costs 10,000 or 3.5 million",
        "nine one one",
        "oh, one moment",
        "0000 0000 0000 0000",
        "",
        "   ",
    ] {
        assert_eq!(heard(text), text);
    }
}

#[test]
fn a_number_split_over_texts_is_masked_from_where_it_is_complete() {
    assert_eq!(heard_in_turn(&["it is 4111 1111", "1111 1111 okay"]), ["it is 4111 1111", "[card] okay"]);
    assert_eq!(heard_in_turn(&["four one one one", "1111 1111", "", "uh, one one one one."]).last().unwrap(), "uh, [card].");
    assert_eq!(heard_in_turn(&["4111 1111", "sorry", "1111 1111"]), ["4111 1111", "sorry", "1111 1111"]);
    assert_eq!(heard_in_turn(&["4111 1111 1111 1111", "1111"]), ["[card]", "1111"]);
}

#[test]
fn what_the_agent_says_is_masked_apart_from_what_the_caller_says() {
    let mut mask = Mask::new();
    assert_eq!(mask.mask_final(Heard::new("4111 1111".into())).as_str(), "4111 1111");
    assert_eq!(mask.mask_agent("1111 1111").as_str(), "1111 1111");
    assert_eq!(mask.mask_agent("You said 4111 1111").as_str(), "You said 4111 1111");
    assert_eq!(mask.mask_agent("1111 1111.").as_str(), "[card].");
}

#[test]
fn verification_codes_are_masked_after_a_cue_only() {
    assert_eq!(heard("the security code is 123"), "the security code is [cvv]");
    assert_eq!(heard("CVV 1234, please"), "CVV [cvv], please");
    assert_eq!(heard("c v c one two three"), "c v c [cvv]");
    assert_eq!(heard_in_turn(&["my security code", "it is one two three"]), ["my security code", "it is [cvv]"]);
    assert_eq!(heard("room 123 on floor 4"), "room 123 on floor 4");
    assert_eq!(
        heard("the security code is on the back of the card and I live at number 123"),
        "the security code is on the back of the card and I live at number 123"
    );
    assert_eq!(heard("cvv 12345"), "cvv 12345");
}

#[test]
fn growing_digits_are_held_back_until_they_are_known() {
    let mut mask = Mask::new();
    let partial = |mask: &mut Mask, words: &str| mask.mask_partial(Heard::new(words.into())).as_str().to_owned();
    assert_eq!(partial(&mut mask, "it is 4111 11"), "it is 4111 11");
    assert_eq!(partial(&mut mask, "it is 4111 111"), "it is [digits]");
    assert_eq!(partial(&mut mask, "it is 4111 1111 1111 1111"), "it is [card]");
    assert_eq!(partial(&mut mask, "it is 4111 1111 1 okay"), "it is 4111 1111 1 okay");
    mask.mask_final(Heard::new("4111 11".into()));
    assert_eq!(partial(&mut mask, "11 11"), "[digits]");
    assert_eq!(partial(&mut mask, "1"), "[digits]");
}

#[test]
fn a_partial_leaves_no_trace() {
    let mut mask = Mask::new();
    mask.mask_partial(Heard::new("4111 1111".into()));
    assert_eq!(mask.mask_final(Heard::new("1111 1111".into())).as_str(), "1111 1111");
}

#[test]
fn texts_join_with_one_space() {
    let mut mask = Mask::new();
    let (one, two) = (mask.mask_agent("one "), mask.mask_agent(" two"));
    assert_eq!(one.followed_by(&two).as_str(), "one two");
    assert_eq!(MaskedText::default().followed_by(&two), two);
    assert_eq!(one.followed_by(&MaskedText::default()), one);
}

/// A number of an issuer with a correct check digit.
fn card_number(dice: &mut Dice) -> String {
    let (prefix, length) =
        *dice.pick(&[("4", 13), ("4", 16), ("4", 19), ("51", 16), ("2720", 16), ("37", 15), ("36", 14), ("6011", 16)]);
    let mut digits: Vec<u64> = prefix.bytes().map(|digit| u64::from(digit - b'0')).collect();
    digits.resize_with(length - 1, || dice.below(10));
    let doubled = |(at, &digit): (usize, &u64)| if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit };
    let sum: u64 = digits.iter().rev().enumerate().map(doubled).sum();
    digits.push((10 - sum % 10) % 10);
    digits.iter().map(u64::to_string).collect()
}

/// Digits as people write and say them.
fn said(number: &str, dice: &mut Dice) -> String {
    const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let gap = *dice.pick(&["", " ", "-", ".", ", ", " - "]);
    let spoken = dice.below(3) == 0;
    let mut said = String::new();
    for (at, digit) in number.bytes().enumerate() {
        if spoken {
            said += if at > 0 { " " } else { "" };
            said += WORDS[usize::from(digit - b'0')];
        } else {
            said += if at > 0 && at % 4 == 0 { gap } else { "" };
            said.push(char::from(digit));
        }
    }
    said
}

#[test]
fn every_issued_number_is_masked_however_it_is_said() {
    let mut dice = Dice::new(11);
    for _ in 0..5000 {
        let number = card_number(&mut dice);
        let said = said(&number, &mut dice);
        assert_eq!(heard(&format!("my number is {said} thanks")), "my number is [card] thanks");
    }
}

#[test]
fn numbers_of_up_to_twelve_digits_always_stay() {
    let mut dice = Dice::new(12);
    for _ in 0..5000 {
        let length = 1 + dice.below(12);
        let number: String = (0..length).map(|_| dice.below(10).to_string()).collect();
        let text = format!("order {} please", said(&number, &mut dice));
        assert_eq!(heard(&text), text);
    }
}

#[test]
fn digits_after_a_gap_are_masked_where_some_were_heard_before_it() {
    let mut before = Mask::new();
    before.mask_final(Heard::new("my card is 4111 1111".into()));
    assert!(before.leaves_open() && !Mask::new().leaves_open());
    let mut mask = Mask::new().after_a_gap();
    assert_eq!(mask.mask_final(Heard::new("yes, it goes on with".into())).as_str(), "yes, it goes on with");
    assert!(mask.leaves_open());
    assert_eq!(mask.mask_partial(Heard::new("1111 one".into())).as_str(), "[digits] [digits]");
    assert_eq!(mask.mask_final(Heard::new("1111 1111, thanks".into())).as_str(), "[digits] [digits], thanks");
    assert_eq!(mask.mask_final(Heard::new("I am 42".into())).as_str(), "I am 42");
}

/// Hides the word "secret", falls at "trap", and knows nothing else.
struct Outside(Vec<(String, Source, bool)>);

impl Engine for Outside {
    fn mask(&mut self, text: &str, source: Source, partial: bool) -> Result<EngineAnswer, &'static str> {
        self.0.push((text.to_owned(), source, partial));
        if text.contains("trap") {
            return Err("trap");
        }
        let found = text.contains("secret");
        Ok(EngineAnswer { text: text.replace("secret", "#"), found, held: text.ends_with("...") })
    }
}

fn guarded(mode: Mode) -> Mask {
    Mask::new().with(Ok(Box::new(Outside(Vec::new()))), mode)
}

fn last(mask: &mut Mask, words: &str) -> String {
    mask.mask_final(Heard::new(words.into())).as_str().to_owned()
}

#[test]
fn an_engine_masks_in_place_of_the_built_in_mask() {
    let mut mask = guarded(Mode::Standard);
    assert_eq!(last(&mut mask, "my secret 4111 1111 1111 1111"), "my # 4111 1111 1111 1111");
    assert!(mask.is_sensitive());
    assert_eq!(mask.mask_agent("your secret").as_str(), "your #");
    assert_eq!(mask.mask_keys(Heard::new("123".into())).as_str(), "123");
    assert!(!mask.is_sensitive());
    let partial = mask.mask_partial(Heard::new("so 41...".into()));
    assert!(partial.holds_back() && mask.is_sensitive());
    assert_eq!(mask.take_fall(), None);
}

#[test]
fn where_an_engine_falls_the_built_in_mask_goes_on_with_what_it_has_heard() {
    let mut mask = guarded(Mode::Standard);
    assert_eq!(last(&mut mask, "it is 4111 1111"), "it is 4111 1111");
    assert_eq!(last(&mut mask, "trap 1111 1111"), "trap [digits]", "a number that may go on is not shown");
    assert_eq!((mask.take_fall(), mask.take_fall()), (Some("trap"), None), "it is told once");
    assert_eq!(last(&mut mask, "secret 5555 5555"), "secret [digits]");
    assert_eq!(last(&mut mask, "5555 4444, thanks"), "[card], thanks");
    assert_eq!(last(&mut mask, "see you on 12.05.2024 at 10:30"), "see you on 12.05.2024 at 10:30");
}

#[test]
fn a_number_that_was_begun_before_the_fall_is_found_after_it() {
    let mut mask = guarded(Mode::Standard);
    last(&mut mask, "it is 4111 1111");
    assert_eq!(mask.mask_agent("trap").as_str(), "trap");
    assert_eq!(last(&mut mask, "1111 1111, yes"), "[card], yes");
}

#[test]
fn words_that_nobody_can_mask_are_withheld_where_the_tenant_is_strict() {
    let mut mask = Mask::new().with(Err("plugin-missing"), Mode::Strict);
    assert_eq!(mask.take_fall(), Some("plugin-missing"));
    let partial = mask.mask_partial(Heard::new("hello".into()));
    assert!(partial.is_withheld() && !partial.holds_back());
    assert_eq!(last(&mut mask, "four one one one"), "[withheld]");
    assert_eq!(last(&mut mask, " "), " ", "nothing is nothing");
    assert_eq!(mask.mask_agent("hello").as_str(), "hello", "that is no word of the caller's");
    assert_eq!(mask.mask_keys(Heard::new("12".into())).as_str(), "12");
    assert_eq!(mask.mask_keys(Heard::new("4111111".into())).as_str(), "[digits]");
    assert_eq!(mask.mask_keys(Heard::new("4111111111111111".into())).as_str(), "[card]");
}

#[test]
fn digits_after_a_gap_are_masked_in_what_an_engine_shows() {
    let mut mask = guarded(Mode::Standard).after_a_gap();
    assert_eq!(last(&mut mask, "yes"), "yes");
    assert_eq!(last(&mut mask, "the secret 1111"), "the # [digits]");
    assert_eq!(last(&mut mask, "1111"), "1111");
    for (shown, masked) in [
        ("[card ending 1881]", "[card ending 1881]"),
        ("1 [card ending 1881] 1111 [card ending 4444] one", "[digits] [card ending 1881] [digits] [card ending 4444] [digits]"),
        ("[card ending 18811] [card ending 188", "[card ending [digits]] [card ending [digits]"),
    ] {
        assert_eq!(last(&mut guarded(Mode::Standard).after_a_gap(), shown), masked);
    }
}

#[test]
fn digits_are_known_as_words_in_the_languages_of_the_call() {
    let said = |tags: &[&str], words: &str| {
        let mut mask = Mask::new().in_languages(tags.iter().copied());
        last(&mut mask, words)
    };
    let portuguese = "quatro um um um, um um um um, um um um um, um um um um";
    assert_eq!(said(&["pt-BR"], portuguese), "[card]");
    assert_eq!(said(&["en"], portuguese), portuguese, "there a filler is none");
    assert_eq!(
        said(&["es-MX"], "es cuatro uno uno uno uno uno uno uno uno uno uno uno uno uno uno uno, gracias"),
        "es [card], gracias"
    );
    assert_eq!(said(&["fi"], portuguese), "[card]", "where we know no word of a language all are tried");
    assert_eq!(said(&["pt"], "o código de segurança é um dois três"), "o código de segurança é [cvv]");
    assert_eq!(said(&["pt"], "são três ou quatro"), "são três ou quatro");
}
