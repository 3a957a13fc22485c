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
    let partial = |mask: &Mask, words: &str| mask.mask_partial(Heard::new(words.into())).as_str().to_owned();
    assert_eq!(partial(&mask, "it is 4111 11"), "it is 4111 11");
    assert_eq!(partial(&mask, "it is 4111 111"), "it is [digits]");
    assert_eq!(partial(&mask, "it is 4111 1111 1111 1111"), "it is [card]");
    assert_eq!(partial(&mask, "it is 4111 1111 1 okay"), "it is 4111 1111 1 okay");
    mask.mask_final(Heard::new("4111 11".into()));
    assert_eq!(partial(&mask, "11 11"), "[digits]");
    assert_eq!(partial(&mask, "1"), "[digits]");
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
    let mut mask = Mask::after_a_gap();
    assert_eq!(mask.mask_final(Heard::new("yes, it goes on with".into())).as_str(), "yes, it goes on with");
    assert!(mask.leaves_open());
    assert_eq!(mask.mask_partial(Heard::new("1111 one".into())).as_str(), "[digits] [digits]");
    assert_eq!(mask.mask_final(Heard::new("1111 1111, thanks".into())).as_str(), "[digits] [digits], thanks");
    assert_eq!(mask.mask_final(Heard::new("I am 42".into())).as_str(), "I am 42");
}
