//! Finds card numbers and verification codes among the tokens of a text.

use super::scan::{Kind, Langs, Token, tokens};
use std::ops::Range;
use zeroize::Zeroizing;

const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// A growing number of so many digits may become a card number; most order numbers are shorter.
const HELD_DIGITS_MIN: usize = 7;
/// What stands for them.
pub(super) const HELD: &str = "[digits]";
/// What stands for a card's number.
pub(super) const CARD: &str = "[card]";
/// What stands for a verification code.
pub(super) const CVV: &str = "[cvv]";
/// So many words after a cue a verification code is still expected ("is, let me look, it says").
const CUE_REACH: u8 = 8;

/// What a text left open for the next one.
#[derive(Clone, Default)]
pub(super) struct Trail {
    /// Digits on which it ended. *Invariant:* fewer than the longest card number has.
    digits: Zeroizing<Vec<u8>>,
    /// So many more words may stand before a verification code; 0 where none is expected.
    cue: u8,
}

impl Trail {
    /// What comes next may go on with it.
    pub(super) fn is_open(&self) -> bool {
        !self.digits.is_empty() || self.cue > 0
    }
}

/// Digits that belong together and where they stand; `None` for digits of an earlier text.
struct Atom {
    digits: Zeroizing<Vec<u8>>,
    span: Option<Range<usize>>,
}

/// A text without what was to be masked.
pub(super) struct Masked {
    pub(super) text: String,
    /// Something was.
    pub(super) found: bool,
    /// At its end stands [`HELD`].
    pub(super) held: bool,
}

/// What becomes of digits at the end of a text that may go on to a card number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Shown,
    Held,
}

/// Masks a text and notes in `trail` what it leaves open.
pub(super) fn mask(text: &str, langs: Langs, trail: &mut Trail, end: End) -> Masked {
    let mut search = Search::over(text, langs, trail);
    let held = end == End::Held && search.hold();
    let (digits, cue) = (search.run.tail(), search.cue);
    *trail = Trail { digits, cue };
    Masked { text: replace(text, &search.found), found: !search.found.is_empty(), held }
}

/// Masks a text that may grow; digits at its end that may become a card number are held back.
pub(super) fn mask_growing(text: &str, langs: Langs, trail: &Trail) -> Masked {
    let mut search = Search::over(text, langs, trail);
    let held = search.hold();
    Masked { text: replace(text, &search.found), found: !search.found.is_empty(), held }
}

/// Masks every digit.
pub(super) fn mask_digits(text: &str, langs: Langs) -> Masked {
    let (tokens, _) = tokens(text, langs);
    let digits = tokens.into_iter().filter(|token| matches!(token.kind, Kind::Digits(_)));
    let found: Vec<(Range<usize>, &'static str)> = digits.map(|token| (token.span, HELD)).collect();
    Masked { text: replace(text, &found), found: !found.is_empty(), held: false }
}

/// Masks every number of so many digits that it may be the beginning of a card's.
pub(super) fn mask_long_numbers(text: &str) -> Masked {
    let digits: usize = text.chars().filter(char::is_ascii_digit).count();
    if digits < HELD_DIGITS_MIN {
        return Masked { text: text.to_owned(), found: false, held: false };
    }
    Masked { text: HELD.to_owned(), found: true, held: false }
}

fn replace(text: &str, found: &[(Range<usize>, &'static str)]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (span, mark) in found {
        masked.push_str(&text[done..span.start]);
        masked.push_str(mark);
        done = span.end;
    }
    masked.push_str(&text[done..]);
    masked
}

/// One pass over the tokens of a text.
struct Search {
    found: Vec<(Range<usize>, &'static str)>,
    run: Run,
    cue: u8,
}

impl Search {
    fn over(text: &str, langs: Langs, trail: &Trail) -> Self {
        let mut search = Self { found: Vec::new(), run: Run::carried(&trail.digits), cue: trail.cue };
        let (tokens, open) = tokens(text, langs);
        let mut times: Option<&Token> = None;
        for (index, token) in tokens.iter().enumerate() {
            if !token.joins {
                search.close();
                search.run.plus = text[..token.span.start].ends_with('+');
            }
            match &token.kind {
                Kind::Digits(digits) => search.run.push(times.take(), digits, token),
                Kind::Times(_) => times = Some(token),
                Kind::Filler => times = None,
                Kind::Word => {
                    times = None;
                    search.close();
                    search.cue = if is_cue(text, &tokens[..=index]) { CUE_REACH } else { search.cue.saturating_sub(1) };
                }
            }
        }
        search.find();
        if !open {
            search.run = Run::carried(&[]);
        }
        search
    }

    /// Holds back digits at the end that may become a card number; whether there are any.
    fn hold(&mut self) -> bool {
        if self.run.tail().len() < HELD_DIGITS_MIN {
            return false;
        }
        let span = span_of(&self.run.atoms[self.run.masked..]);
        self.found.extend(span.map(|span| (span, HELD)));
        true
    }

    fn close(&mut self) {
        self.find();
        self.run = Run::carried(&[]);
    }

    /// Marks what is to be masked in the digits so far.
    fn find(&mut self) {
        let run = &mut self.run;
        let whole = run.atoms.iter().all(|atom| atom.span.is_some()) && !run.plus;
        let mut start = 0;
        while start < run.atoms.len() {
            let Some(end) = card_at(&run.atoms, start, whole) else {
                start += 1;
                continue;
            };
            self.found.extend(span_of(&run.atoms[start..end]).map(|span| (span, CARD)));
            run.masked = end;
            start = end;
        }
        if self.cue > 0 && run.masked == 0 && matches!(run.tail().len(), 3 | 4) {
            self.found.extend(span_of(&run.atoms).map(|span| (span, CVV)));
            run.masked = run.atoms.len();
            self.cue = 0;
        }
    }
}

/// Digits with nothing between them but what people put inside numbers.
struct Run {
    atoms: Vec<Atom>,
    /// So many atoms from the start are dealt with.
    masked: usize,
    /// An international phone number begins with a plus sign.
    plus: bool,
}

impl Run {
    fn carried(digits: &[u8]) -> Self {
        let atoms = digits.iter().map(|&digit| Atom { digits: vec![digit].into(), span: None }).collect();
        Self { atoms, masked: 0, plus: false }
    }

    fn push(&mut self, times: Option<&Token>, digits: &[u8], token: &Token) {
        let span = token.span.clone();
        match (times, digits) {
            (Some(Token { kind: Kind::Times(times), span: before, .. }), [digit]) => {
                self.atoms.push(Atom { digits: vec![*digit; *times].into(), span: Some(before.start..span.end) });
            }
            // A written number may hide a card number among digits that were run together with it.
            _ if digits.len() > *CARD_DIGITS.end() => {
                let one = |(at, &digit): (usize, &u8)| {
                    let at = span.start + at;
                    Atom { digits: vec![digit].into(), span: Some(at..at + 1) }
                };
                self.atoms.extend(digits.iter().enumerate().map(one));
            }
            _ => self.atoms.push(Atom { digits: digits.to_vec().into(), span: Some(span) }),
        }
    }

    /// The last digits that are not masked, as many as can begin a card number.
    fn tail(&self) -> Zeroizing<Vec<u8>> {
        let atoms = &self.atoms[self.masked..];
        let all = atoms.iter().map(|atom| atom.digits.len()).sum::<usize>();
        let digits = atoms.iter().flat_map(|atom| atom.digits.iter().copied()).skip(all.saturating_sub(CARD_DIGITS.end() - 1));
        let mut tail = Zeroizing::new(Vec::<u8>::with_capacity(all.min(CARD_DIGITS.end() - 1)));
        tail.extend(digits);
        tail
    }
}

fn span_of(atoms: &[Atom]) -> Option<Range<usize>> {
    let mut spans = atoms.iter().filter_map(|atom| atom.span.as_ref());
    let first = spans.next()?;
    Some(first.start..spans.next_back().unwrap_or(first).end)
}

/// End of the longest card number that begins at atom `start`. Digits said in one piece (`whole`) need only the Luhn check;
/// a part of a longer run must also look like an issuer's number, since one part in ten passes Luhn by chance.
fn card_at(atoms: &[Atom], start: usize, whole: bool) -> Option<usize> {
    let mut digits = Zeroizing::new(Vec::<u8>::with_capacity(*CARD_DIGITS.end()));
    let mut longest = None;
    for (at, atom) in atoms.iter().enumerate().skip(start) {
        // Before they are there: a buffer that grows leaves a copy behind.
        if digits.len() + atom.digits.len() > *CARD_DIGITS.end() {
            break;
        }
        digits.extend_from_slice(&atom.digits);
        let everything = whole && start == 0 && at + 1 == atoms.len();
        if CARD_DIGITS.contains(&digits.len()) && luhn(&digits) && (everything || is_issued(&digits)) {
            longest = Some(at + 1);
        }
    }
    longest
}

/// The check digit of ISO/IEC 7812-1, annex B.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let weighted = |(index, &digit): (usize, &u8)| match (index % 2, digit) {
        (0, digit) => u32::from(digit),
        (_, digit @ 0..=4) => 2 * u32::from(digit),
        (_, digit) => 2 * u32::from(digit) - 9,
    };
    digits.iter().any(|&digit| digit != 0) && digits.iter().rev().enumerate().map(weighted).sum::<u32>().is_multiple_of(10)
}

/// Whether an issuer gives out numbers with this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0, |number, &digit| number * 10 + u32::from(digit));
    match prefix {
        4000..=4999 => matches!(digits.len(), 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => digits.len() == 16,
        3400..=3499 | 3700..=3799 => digits.len() == 15,
        3000..=3099 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&digits.len()),
        3528..=3589 | 5000..=5099 | 5600..=5899 | 6000..=6999 | 8100..=8199 => (16..=19).contains(&digits.len()),
        _ => false,
    }
}

/// Whether the words up to here announce a card verification code.
fn is_cue(text: &str, tokens: &[Token]) -> bool {
    let word = |back: usize| {
        let token = tokens.len().checked_sub(back).and_then(|index| tokens.get(index));
        // Digits belong to no cue, and nothing that is read of them may be left behind.
        let word = token.filter(|token| matches!(token.kind, Kind::Word));
        Zeroizing::new(word.map_or_else(String::new, |word| text[word.span.clone()].to_lowercase()))
    };
    matches!(
        (word(3).as_str(), word(2).as_str(), word(1).as_str()),
        (_, _, "cvv" | "cvc" | "csc" | "cvn")
            | (_, "security" | "verification", "code" | "number" | "digits")
            | (
                "código" | "codigo",
                "de",
                "segurança" | "seguranca" | "seguridad" | "verificação" | "verificacao" | "verificación"
            )
            | ("c", "v", "v" | "c" | "n")
            | ("c", "s", "c")
    )
}
