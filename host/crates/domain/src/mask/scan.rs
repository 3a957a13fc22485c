//! Text as tokens: digits, spoken digits and words.

use crate::tenant::primary_language;
use std::ops::Range;
use zeroize::Zeroizing;

/// What a token means for the mask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One or more digits, written or spoken.
    Digits(Zeroizing<Vec<u8>>),
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

/// Languages in which digits are known as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Langs {
    en: bool,
    pt: bool,
    es: bool,
}

impl Default for Langs {
    fn default() -> Self {
        Self { en: true, pt: false, es: false }
    }
}

impl Langs {
    /// Those of these BCP 47 tags; all of them where a tag is of none.
    pub(super) fn of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let mut langs = Self { en: false, pt: false, es: false };
        for tag in tags {
            match primary_language(tag).to_ascii_lowercase().as_str() {
                "en" => langs.en = true,
                "pt" => langs.pt = true,
                "es" => langs.es = true,
                _ => return Self { en: true, pt: true, es: true },
            }
        }
        langs
    }
}

/// Tokens of `text`, and whether only characters that stand inside numbers follow the last one.
pub(super) fn tokens(text: &str, langs: Langs) -> (Vec<Token>, bool) {
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
            kind: kind(&text[start..stop], langs),
            joins: text[end..start].chars().all(stands_in_numbers),
        });
        end = stop;
    }
    let open = text[end..].chars().all(stands_in_numbers);
    (tokens, open)
}

/// All digits of a text in their order, whatever stands between.
pub(super) fn digits(text: &str, langs: Langs) -> Zeroizing<Vec<u8>> {
    // Room for all of them: a buffer that grows leaves a copy behind.
    let mut all = Zeroizing::new(Vec::with_capacity(3 * text.len()));
    let mut times = 1;
    for token in tokens(text, langs).0 {
        match token.kind {
            Kind::Digits(digits) => {
                all.extend(std::iter::repeat_n(digits.first().copied(), times - 1).flatten());
                all.extend_from_slice(&digits);
                times = 1;
            }
            Kind::Times(so_often) => times = so_often,
            Kind::Filler => {}
            Kind::Word => times = 1,
        }
    }
    all
}

fn stands_in_numbers(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | ',' | '/' | '_' | '·' | '\u{200b}' | '\u{2010}'..='\u{2015}')
}

fn kind(word: &str, langs: Langs) -> Kind {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Kind::Digits(Zeroizing::new(word.bytes().map(|digit| digit - b'0').collect()));
    }
    let word = Zeroizing::new(word.to_lowercase());
    let digit = |known: bool, digit: fn(&str) -> Option<u8>| if known { digit(&word) } else { None };
    if let Some(digit) = digit(langs.en, english).or(digit(langs.pt, portuguese)).or(digit(langs.es, spanish)) {
        return Kind::Digits(Zeroizing::new(vec![digit]));
    }
    match word.as_str() {
        "double" if langs.en => Kind::Times(2),
        "triple" | "treble" if langs.en => Kind::Times(3),
        "doble" if langs.es => Kind::Times(2),
        "triple" if langs.es => Kind::Times(3),
        "duplo" if langs.pt => Kind::Times(2),
        "triplo" if langs.pt => Kind::Times(3),
        "uh" | "um" | "er" | "erm" | "hm" | "and" | "then" | "dash" | "space" => Kind::Filler,
        "e" | "é" | "hum" | "ah" | "eh" | "y" | "este" | "traço" | "guion" | "guión" if langs.pt || langs.es => Kind::Filler,
        _ => Kind::Word,
    }
}

fn english(word: &str) -> Option<u8> {
    Some(match word {
        "zero" | "oh" | "o" | "nought" | "naught" => 0,
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        "eight" => 8,
        "nine" => 9,
        _ => return None,
    })
}

fn portuguese(word: &str) -> Option<u8> {
    Some(match word {
        "zero" => 0,
        "um" | "uma" => 1,
        "dois" | "duas" => 2,
        "três" | "tres" => 3,
        "quatro" => 4,
        "cinco" => 5,
        "seis" | "meia" => 6,
        "sete" => 7,
        "oito" => 8,
        "nove" => 9,
        _ => return None,
    })
}

fn spanish(word: &str) -> Option<u8> {
    Some(match word {
        "cero" => 0,
        "uno" | "un" | "una" => 1,
        "dos" => 2,
        "tres" => 3,
        "cuatro" => 4,
        "cinco" => 5,
        "seis" => 6,
        "siete" => 7,
        "ocho" => 8,
        "nueve" => 9,
        _ => return None,
    })
}
