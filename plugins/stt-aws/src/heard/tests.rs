use super::*;

/// Words of 400 ms each behind a gap of 100 ms.
fn recognised(id: &str, from_ms: u64, text: &str, is_partial: bool) -> Recognised {
    let mut at_ms = from_ms;
    let items: Vec<Item> = text
        .split_whitespace()
        .map(|word| {
            let is_punctuation = word == ".";
            let length_ms = if is_punctuation { 0 } else { 400 };
            let item = Item {
                text: word.to_owned(),
                start_ms: at_ms,
                end_ms: at_ms + length_ms,
                is_punctuation,
                confidence: (!is_partial).then_some(0.5),
                is_stable: word.len() > 2,
            };
            at_ms += if is_punctuation { 0 } else { 500 };
            item
        })
        .collect();
    let end_ms = items.last().map_or(from_ms, |item| item.end_ms);
    Recognised { id: id.to_owned(), is_partial, text: super::text(&items), start_ms: from_ms, end_ms, items, language: None }
}

fn said(effect: Option<Effect>) -> Option<String> {
    match effect? {
        Effect::Partial(heard) => Some(format!("{}...", heard.text)),
        Effect::Final(heard) => Some(heard.text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_word_is_final_once() {
    let mut heard = Heard::default();
    assert_eq!(said(heard.take(recognised("a", 0, "good", true))).unwrap(), "good...");
    assert_eq!(said(heard.take(recognised("a", 0, "good morning .", false))).unwrap(), "good morning.");
    assert_eq!(heard.take(recognised("a", 0, "good morning .", false)), None);
    assert_eq!(heard.take(recognised("a", 0, "good", true)), None);
    assert_eq!(heard.take(recognised("", 0, "good", true)), None, "stale, though nobody says of what");
    assert_eq!(said(heard.take(recognised("b", 1_200, "hello", true))).unwrap(), "hello...");
    assert_eq!((heard.until_ms(), heard.open_from_ms()), (1_000, Some(1_200)));
}

#[test]
fn after_a_partial_stood_in_for_its_final_only_further_words_are_given() {
    let mut heard = Heard::default();
    heard.take(recognised("a", 0, "my number is", true));
    assert_eq!(heard.give_up(0), None, "it began later");
    assert_eq!(said(heard.give_up(100)).unwrap(), "my number is");
    assert_eq!(heard.take(recognised("a", 0, "my number is", true)), None);
    assert_eq!(said(heard.take(recognised("a", 0, "my number is . four", true))).unwrap(), "four...");
    assert_eq!(said(heard.take(recognised("a", 0, "my number is . four two .", false))).unwrap(), "four two.");
    assert_eq!(heard.take(recognised("a", 0, "my number is . four two .", false)), None);
    assert_eq!(heard.give_up(9_999), None);
}

#[test]
fn words_of_a_turn_that_is_over_are_not_given_late() {
    let mut heard = Heard::default();
    assert_eq!(heard.give_up(1_000), None);
    assert_eq!(heard.take(recognised("a", 0, "good morning", false)), None);
    assert_eq!(said(heard.take(recognised("b", 500, "good my number", true))).unwrap(), "my number...");
}

#[test]
fn silence_of_ours_is_no_time_of_the_call_and_nobody_speaks_in_it() {
    let mut heard = Heard::default();
    heard.clock.silence(1_000, 100);
    heard.clock.silence(1_100, 100);
    heard.clock.silence(3_000, 100);
    assert_eq!(
        [500, 1_050, 1_200, 2_000, 3_100, 4_000].map(|at| heard.clock.call_ms(at)),
        [500, 1_000, 1_000, 1_800, 2_800, 3_700]
    );
    assert_eq!(heard.take(Recognised { end_ms: 1_150, ..recognised("a", 1_050, "eh", false) }), None);
    let Some(Effect::Final(later)) = heard.take(recognised("b", 1_300, "yes", false)) else { panic!("no final") };
    assert_eq!((later.start_ms, later.end_ms, later.words[0].start_ms), (1_100, 1_500, 1_100));
}

#[test]
fn confidence_and_stability_are_those_of_the_words() {
    let mut heard = Heard::default();
    let Some(Effect::Partial(partial)) = heard.take(recognised("a", 0, "is that so .", true)) else { panic!("no partial") };
    assert_eq!((partial.stability, partial.confidence), (Some(1.0 / 3.0), None));
    let Some(Effect::Final(last)) = heard.take(recognised("a", 0, "is that so .", false)) else { panic!("no final") };
    assert_eq!((last.stability, last.confidence, last.words.len()), (Some(1.0), Some(0.5), 3));
}
