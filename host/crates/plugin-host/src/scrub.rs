//! Foreign text on its way to the log: a plugin, or the vendor behind it, may repeat in it what a caller said.

use std::borrow::Cow;
use std::ops::Range;

/// So many digits in a row may be a part of a card's number that says too much.
const DIGITS: usize = 7;
/// What stands for them.
const HIDDEN: &str = "[digits]";

/// The text without long numbers, written or said digit by digit in English, Portuguese or Spanish. Dates with their time, and numbers of requests, go
/// with them: the log has its own.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let long = long_numbers(text);
    if long.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut scrubbed, mut done) = (String::with_capacity(text.len()), 0);
    for span in long {
        scrubbed.push_str(&text[done..span.start]);
        scrubbed.push_str(HIDDEN);
        done = span.end;
    }
    scrubbed.push_str(&text[done..]);
    Cow::Owned(scrubbed)
}

fn long_numbers(text: &str) -> Vec<Range<usize>> {
    let mut long = Vec::new();
    let (mut span, mut digits) = (0..0, 0);
    let mut close = |span: &Range<usize>, digits: usize| {
        if digits >= DIGITS {
            long.push(span.clone());
        }
    };
    for (start, piece) in pieces(text) {
        match count(piece) {
            0 => {
                close(&span, digits);
                digits = 0;
            }
            more => {
                span = (if digits == 0 { start } else { span.start })..start + piece.len();
                digits += more;
            }
        }
    }
    close(&span, digits);
    long
}

/// Stretches of digits or of letters.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            1
        } else if c.is_alphabetic() {
            2
        } else {
            0
        }
    };
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(|c| kind(c) > 0)?;
        let first = kind(text[start..].chars().next()?);
        let end = text[start..].find(|c| kind(c) != first).map_or(text.len(), |length| start + length);
        rest = end;
        Some((start, &text[start..end]))
    })
}

fn count(piece: &str) -> usize {
    const WORDS: [&str; 38] = [
        "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple", "um", "uma",
        "dois", "duas", "três", "tres", "quatro", "cinco", "seis", "meia", "sete", "oito", "nove", "cero", "uno", "un", "una",
        "dos", "cuatro", "siete", "ocho", "nueve", "doble", "duplo", "triplo",
    ];
    if piece.starts_with(|c: char| c.is_ascii_digit()) {
        return piece.len();
    }
    let word = piece.to_lowercase();
    usize::from(WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_hidden_however_they_are_written() {
        for (text, shown) in [
            ("cannot parse \"my card is 4111 1111 1111 1111\"", "cannot parse \"my card is [digits]\""),
            ("4111-1111-1111-1111;x=5", "[digits];x=5"),
            ("heard four one one one one one one, twice", "heard [digits], twice"),
            ("ouvi quatro um um um um um um", "ouvi [digits]"),
            ("é 41111111111111é", "é [digits]é"),
        ] {
            assert_eq!(scrub(text), shown);
        }
    }

    #[test]
    fn short_numbers_stay() {
        for text in ["status 503 after 2000 ms", "one of two", "", "é", "code 123456", "12 a 34 b 56 c 78"] {
            assert!(matches!(scrub(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
