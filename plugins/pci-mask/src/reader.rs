//! A text as numbers, words that count, and other words.

use crate::lexicon::{EN, Langs, Meaning, meaning};

/// What a piece of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written digits.
    Number,
    /// Written digits in a form that no card number has: a date, a time, an amount, a telephone number.
    Shaped(Shape),
    Word(Meaning),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `12/27`, `12/2027`.
    MonthYear,
    /// `4,111`, `1.250.000,50`: thousands, with no sign of money.
    Amount,
    Other,
}

/// A piece of a text; `start` and `end` are its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Something other than a space stands before it.
    pub(crate) apart: bool,
    /// A plus sign stands before it.
    plus: bool,
    /// A number sign stands before it: what was typed is finished.
    pub(crate) sent: bool,
}

/// Cuts a text into tokens.
pub(crate) fn tokens(text: &str, langs: Langs, into: &mut Vec<Token>) {
    into.clear();
    let bytes = text.as_bytes();
    let mut at = 0;
    let (mut apart, mut plus, mut money, mut sent) = (false, false, false, false);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = if byte.is_ascii_digit() {
            at = end_of(text, at, |char| char.is_ascii_digit());
            // Letters at a number make it a serial number, an hour, a plate; a card's worth of digits stays one.
            let glued = before(text, start).is_some_and(char::is_alphabetic)
                || text[at..].chars().next().is_some_and(char::is_alphabetic);
            if money || (glued && at - start < 12) { Kind::Shaped(Shape::Other) } else { Kind::Number }
        } else if let Some(char) = text[at..].chars().next().filter(|char| char.is_alphabetic()) {
            at = end_of(text, at + char.len_utf8(), char::is_alphabetic);
            // "CVV2" is one word.
            if text[at..].starts_with('2') && text[start..at].len() == 3 && text[start..at].to_ascii_lowercase().starts_with("cv")
            {
                at += 1;
            }
            meaning(&text[start..at], langs).map_or(Kind::Unknown, Kind::Word)
        } else {
            match byte {
                b'+' => plus = true,
                b'#' => sent = true,
                b'$' => money = true,
                b' ' => {}
                _ => {
                    money |= text[at..].starts_with(['€', '£']);
                    apart = true;
                }
            }
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        into.push(Token { kind, start, end: at, apart, plus, sent });
        (apart, plus, money, sent) = (false, false, false, false);
    }
    shape(text, into);
}

fn end_of(text: &str, from: usize, inside: impl Fn(char) -> bool) -> usize {
    text[from..].find(|char: char| !inside(char)).map_or(text.len(), |length| from + length)
}

fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// Marks chains of written numbers that have a form of their own.
fn shape(text: &str, tokens: &mut [Token]) {
    let mut first = 0;
    while first < tokens.len() {
        let mut last = first;
        let (mut lengths, mut signs) = ([0; 8], [0; 8]);
        let mut parts = 0;
        while let Some(token) = tokens.get(last).filter(|token| matches!(token.kind, Kind::Number | Kind::Shaped(_))) {
            let sign = text.as_bytes()[token.start.saturating_sub(1)];
            let chained = last > first && token.start == tokens[last - 1].end + 1 && sign != b' ';
            if parts == lengths.len() || (last > first && !chained) {
                break;
            }
            (lengths[parts], signs[parts]) = (token.end - token.start, sign);
            parts += 1;
            last += 1;
        }
        if parts == 0 {
            first += 1;
            continue;
        }
        let money = tokens[first..last].iter().any(|token| token.kind != Kind::Number);
        // A plus sign, or an area code in brackets.
        let area = parts == 1
            && matches!(lengths[0], 2 | 3)
            && text[..tokens[first].start].ends_with('(')
            && text[tokens[first].end..].starts_with(')');
        let abroad = tokens[first].plus || area;
        let shape = if money { Some(Shape::Other) } else { form(&lengths[..parts], &signs[1..parts.max(1)]) };
        if let Some(shape) = shape {
            tokens[first..last].iter_mut().for_each(|token| token.kind = Kind::Shaped(shape));
        }
        if abroad {
            let mut digits = 0;
            for token in tokens[first..].iter_mut().take_while(|token| matches!(token.kind, Kind::Number | Kind::Shaped(_))) {
                digits += token.end - token.start;
                if digits <= 15 {
                    token.kind = Kind::Shaped(Shape::Other);
                }
            }
        }
        first = last;
    }
}

/// The form that numbers of these lengths have with these signs between them.
fn form(lengths: &[usize], signs: &[u8]) -> Option<Shape> {
    let all = |sign: u8| signs.iter().all(|&one| one == sign);
    let other = Some(Shape::Other);
    match lengths {
        [1 | 2, 2 | 4] if all(b'/') => Some(Shape::MonthYear),
        [1 | 2, 1 | 2, 2 | 4] | [4, 2, 2] if all(b'/') || all(b'-') || all(b'.') => other,
        [1 | 2, 2] | [1 | 2, 2, 2] if all(b':') => other,
        // Telephone numbers and postcodes.
        [3, 3, 4] | [3, 4] | [5, 3 | 4] | [1, 3, 3, 4] | [4, 3, 4] if all(b'-') => other,
        [3, 3, 4] if all(b'.') => other,
        // Addresses of machines.
        [1..=3, 1..=3, 1..=3, 1..=3] if all(b'.') => other,
        // Amounts. Shorter ones are not held anyway, and a card's first digits must go on to the next text.
        [1..=3, rest @ ..]
            if !rest.is_empty()
                && lengths.iter().sum::<usize>() < 12
                && signs.iter().all(|&sign| matches!(sign, b'.' | b','))
                && (rest.iter().all(|&length| length == 3)
                    || (rest.len() > 1
                        && rest[rest.len() - 1] == 2
                        && rest[..rest.len() - 1].iter().all(|&length| length == 3))) =>
        {
            Some(Shape::Amount)
        }
        [5..=9, 2] if all(b'.') || all(b',') => other,
        _ => None,
    }
}

/// Digits that were said as one number, and the token after it.
pub(crate) struct Spoken {
    pub(crate) digits: [u8; 8],
    pub(crate) count: usize,
    pub(crate) next: usize,
    /// "Fifty five" may be 50 and 5: a zero may stand before the last digit.
    pub(crate) zero: bool,
}

impl Spoken {
    fn repeated(digit: u8, times: u8, next: usize) -> Self {
        Self { digits: [digit; 8], count: usize::from(times.min(8)), next, zero: false }
    }

    fn number(value: u32, next: usize) -> Self {
        let (mut digits, mut count, mut scale) = ([0; 8], 0, 1);
        while value / scale >= 10 {
            scale *= 10;
        }
        while scale > 0 && count < digits.len() {
            digits[count] = (value / scale % 10) as u8;
            count += 1;
            scale /= 10;
        }
        Self { digits, count, next, zero: false }
    }
}

/// The spoken number that begins at this token, if one does.
pub(crate) fn spoken(text: &str, tokens: &[Token], at: usize, within: bool, langs: Langs) -> Option<Spoken> {
    let word = |at: usize| match tokens.get(at).map(|token| token.kind) {
        Some(Kind::Word(word)) => Some(word),
        _ => None,
    };
    match (word(at)?, word(at + 1)) {
        (Meaning::Times(times), Some(Meaning::Digit(digit))) => return Some(Spoken::repeated(digit, times, at + 2)),
        (Meaning::Times(times), None) => {
            let token = tokens.get(at + 1).filter(|token| token.kind == Kind::Number && token.end - token.start == 1)?;
            return Some(Spoken::repeated(text.as_bytes()[token.start] - b'0', times, at + 2));
        }
        (Meaning::Digit(times @ 2..=8), Some(Meaning::Plural(digit))) => return Some(Spoken::repeated(digit, times, at + 2)),
        // "Per cent".
        (Meaning::Hundreds(100), _) if at > 0 && text[tokens[at - 1].start..tokens[at - 1].end].eq_ignore_ascii_case("por") => {
            return None;
        }
        // "One moment".
        (Meaning::Digit(1), Some(Meaning::Pause)) => return None,
        // "For", "to", "o": numbers only among numbers.
        (Meaning::Digit(_), next) if weak(&text[tokens[at].start..tokens[at].end], langs) => {
            let goes_on = matches!(next, Some(Meaning::Digit(_) | Meaning::Tens(_) | Meaning::Teen(_)))
                || tokens.get(at + 1).is_some_and(|token| token.kind == Kind::Number);
            if !within || !(goes_on || at + 1 == tokens.len()) {
                return None;
            }
        }
        _ => {}
    }
    let (value, next) = thousands(&word, at)?;
    let loose = matches!((word(next.wrapping_sub(2)), word(next - 1)), (Some(Meaning::Tens(_)), Some(Meaning::Digit(_))));
    Some(Spoken { zero: loose && next == at + 2, ..Spoken::number(value, next) })
}

fn weak(word: &str, langs: Langs) -> bool {
    langs & EN != 0 && ["for", "to", "too", "o"].iter().any(|weak| word.eq_ignore_ascii_case(weak))
}

type Words<'a> = dyn Fn(usize) -> Option<Meaning> + 'a;

fn thousands(word: &Words<'_>, at: usize) -> Option<(u32, usize)> {
    let (count, next) = match word(at)? {
        Meaning::Thousand => (1, at),
        _ => hundreds(word, at)?,
    };
    if word(next) != Some(Meaning::Thousand) {
        return Some((count, next));
    }
    let after = next + 1;
    let rest = if word(after) == Some(Meaning::And) { after + 1 } else { after };
    match hundreds(word, rest) {
        Some((value, end)) if value < 1000 && word(end) != Some(Meaning::Thousand) => Some((count * 1000 + value, end)),
        _ => Some((count * 1000, after)),
    }
}

fn hundreds(word: &Words<'_>, at: usize) -> Option<(u32, usize)> {
    let (value, next) = match word(at)? {
        Meaning::Hundreds(value) => (u32::from(value), at + 1),
        _ => {
            let (value, next) = tens(word, at)?;
            if word(next) != Some(Meaning::Hundred) {
                return Some((value, next));
            }
            (value * 100, next + 1)
        }
    };
    let rest = if word(next) == Some(Meaning::And) { next + 1 } else { next };
    match tens(word, rest) {
        Some((small, end)) if !matches!(word(end), Some(Meaning::Thousand | Meaning::Hundred)) => Some((value + small, end)),
        _ => Some((value, next)),
    }
}

fn tens(word: &Words<'_>, at: usize) -> Option<(u32, usize)> {
    match word(at)? {
        Meaning::Digit(value) | Meaning::Teen(value) => Some((u32::from(value), at + 1)),
        Meaning::Tens(value) => {
            let rest = if word(at + 1) == Some(Meaning::And) { at + 2 } else { at + 1 };
            match word(rest) {
                Some(Meaning::Digit(digit @ 1..)) if !matches!(word(rest + 1), Some(Meaning::Plural(_))) => {
                    Some((u32::from(value + digit), rest + 1))
                }
                _ => Some((u32::from(value), at + 1)),
            }
        }
        _ => None,
    }
}
