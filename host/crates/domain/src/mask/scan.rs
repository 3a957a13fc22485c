//! Text as tokens: digits, spoken digits and words.

use std::ops::Range;

/// What a token means for the mask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One or more digits, written or spoken.
    Digits(Vec<u8>),
    /// "double", "triple": the next digit counts so often.
    Times(usize),
    /// People say it in the middle of a number.
    Filler,
    /// Anything else.
    Word,
}

/// A stretch of digits or of letters.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    /// Whether between the token before (or the start of the text) and this one stand only characters that people put inside numbers.
    pub(super) joins: bool,
}

/// Tokens of `text`, and whether only characters that stand inside numbers follow the last one.
pub(super) fn tokens(text: &str) -> (Vec<Token>, bool) {
    let mut tokens: Vec<Token> = Vec::new();
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let mut stop = start + first.len_utf8();
        while let Some((at, _)) = chars.next_if(|(_, c)| c.is_alphanumeric() && c.is_ascii_digit() == first.is_ascii_digit()) {
            stop = at + text[at..].chars().next().map_or(0, char::len_utf8);
        }
        tokens.push(Token {
            span: start..stop,
            kind: kind(&text[start..stop]),
            joins: text[end..start].chars().all(stands_in_numbers),
        });
        end = stop;
    }
    let open = text[end..].chars().all(stands_in_numbers);
    (tokens, open)
}

fn stands_in_numbers(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | ',' | '/' | '_' | '·' | '\u{200b}' | '\u{2010}'..='\u{2015}')
}

fn kind(word: &str) -> Kind {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Kind::Digits(word.bytes().map(|digit| digit - b'0').collect());
    }
    match word.to_ascii_lowercase().as_str() {
        "zero" | "oh" | "o" | "nought" | "naught" => Kind::Digits(vec![0]),
        "one" => Kind::Digits(vec![1]),
        "two" => Kind::Digits(vec![2]),
        "three" => Kind::Digits(vec![3]),
        "four" => Kind::Digits(vec![4]),
        "five" => Kind::Digits(vec![5]),
        "six" => Kind::Digits(vec![6]),
        "seven" => Kind::Digits(vec![7]),
        "eight" => Kind::Digits(vec![8]),
        "nine" => Kind::Digits(vec![9]),
        "double" => Kind::Times(2),
        "triple" | "treble" => Kind::Times(3),
        "uh" | "um" | "er" | "erm" | "hm" | "and" | "then" | "dash" | "space" => Kind::Filler,
        _ => Kind::Word,
    }
}
