//! plugin-name: masks payment card numbers written in digits.
//!
//! A card number is 13 to 19 digits that satisfy Luhn's check, with at most one blank, dash or dot between two of them. It is found
//! also where it is cut into several segments: digits at a segment's end are remembered for the next of the same source.

use vg_plugin_sdk::{
    Descriptor,
    mask::{MaskPlugin, Masked, Segment, Settings, Source, Span, SpanKind},
};

vg_plugin_sdk::export_mask!(Masker);

const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// So few digits at a segment's end may be anything.
const HOLD_DIGITS: usize = 4;

/// One call.
#[derive(Debug)]
pub struct Masker {
    settings: Settings,
    /// Digits at the end of what each source said last.
    tails: [Vec<u8>; 3],
}

/// A digit and its place in the segment; none where it was said before.
#[derive(Clone, Copy)]
struct Digit {
    value: u8,
    at: Option<usize>,
}

impl MaskPlugin for Masker {
    fn descriptor() -> Descriptor {
        Descriptor::mask("plugin-name", env!("CARGO_PKG_VERSION"))
    }

    fn new(settings: Settings) -> Self {
        Self { settings, tails: Default::default() }
    }

    fn mask(&mut self, segment: Segment) -> Masked {
        if !self.settings.kinds.contains(&SpanKind::CardNumber) {
            return Masked::clear(segment);
        }
        let source = match segment.source {
            Source::Caller => 0,
            Source::Agent => 1,
            Source::Dtmf => 2,
        };
        let (runs, ends_in_digits) = runs(&segment.text, &self.tails[source]);
        let spans = runs.iter().flat_map(|run| cards(run)).collect();
        let tail = runs.last().filter(|_| ends_in_digits);
        let hold = tail.is_some_and(|run| (HOLD_DIGITS..*CARD_DIGITS.end()).contains(&run.len()) && cards(run).is_empty());
        // What is partial is said again.
        if !segment.partial {
            let values = tail.map(|run| run.iter().map(|digit| digit.value).collect::<Vec<u8>>()).unwrap_or_default();
            self.tails[source] = values[values.len().saturating_sub(*CARD_DIGITS.end())..].to_vec();
        }
        let last_four = self.settings.last_four;
        let text = segment.text.clone();
        Masked { hold, ..Masked::hiding(&segment, spans, |span| stars(&text[span.start as usize..span.end as usize], last_four)) }
    }
}

/// The runs of digits, the first continuing `tail`; and whether the text ends inside a run.
fn runs(text: &str, tail: &[u8]) -> (Vec<Vec<Digit>>, bool) {
    let mut runs = vec![tail.iter().map(|&value| Digit { value, at: None }).collect::<Vec<_>>()];
    // Nothing separates a tail from digits that begin a segment; a blank or dash may.
    let (mut inside, mut separators) = (true, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if !inside {
                    runs.push(vec![]);
                }
                (inside, separators) = (true, 0);
                if let Some(run) = runs.last_mut() {
                    run.push(Digit { value: byte - b'0', at: Some(at) });
                }
            }
            b' ' | b'-' | b'.' if inside && separators == 0 => separators = 1,
            _ => inside = false,
        }
    }
    (runs, inside)
}

/// Every stretch of a run that could be a card number, joined where they overlap; only what lies in this segment is a span.
fn cards(run: &[Digit]) -> Vec<Span> {
    let mut digits: Vec<(Digit, bool)> = run.iter().map(|&digit| (digit, false)).collect();
    for (length, from) in CARD_DIGITS.flat_map(|length| (0..(run.len() + 1).saturating_sub(length)).map(move |from| (length, from))) {
        if luhn(&run[from..from + length]) {
            digits[from..from + length].iter_mut().for_each(|(_, found)| *found = true);
        }
    }
    let stretches = digits.chunk_by(|(_, one), (_, next)| one == next).filter(|stretch| stretch[0].1);
    let span = |stretch: &[(Digit, bool)]| {
        let mut places = stretch.iter().filter_map(|(digit, _)| digit.at);
        let start = places.next()?;
        Some(Span { kind: SpanKind::CardNumber, start: start as u32, end: places.last().unwrap_or(start) as u32 + 1 })
    };
    stretches.filter_map(span).collect()
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[Digit]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| weighed(digit.value, place % 2 == 1)).sum();
    sum % 10 == 0 && digits.iter().any(|digit| digit.value != 0)
}

fn weighed(value: u8, doubled: bool) -> u32 {
    let value = u32::from(value) << u32::from(doubled);
    if value > 9 { value - 9 } else { value }
}

fn stars(shown: &str, last_four: bool) -> String {
    let digits = shown.bytes().filter(u8::is_ascii_digit).count();
    let hidden = if last_four { digits.saturating_sub(4) } else { digits };
    let mut seen = 0;
    let star = |letter: char| {
        seen += usize::from(letter.is_ascii_digit());
        if letter.is_ascii_digit() && seen <= hidden { '*' } else { letter }
    };
    shown.chars().map(star).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(last_four: bool) -> Masker {
        Masker::new(Settings { languages: vec!["en-US".to_owned()], kinds: vec![SpanKind::CardNumber], last_four })
    }

    fn said(masker: &mut Masker, text: &str, partial: bool) -> Masked {
        masker.mask(Segment { text: text.to_owned(), source: Source::Caller, partial })
    }

    #[test]
    fn card_is_masked_and_other_numbers_are_not() {
        let masked = said(&mut masker(true), "é 4111 1111-1111 1111, call 5551234567890", false);
        assert_eq!(masked.text, "é **** ****-**** 1111, call 5551234567890");
        assert_eq!((masked.spans[0].start, masked.spans[0].end), (3, 22));
        assert_eq!(masked.spans.len(), 1);
    }

    #[test]
    fn card_cut_in_two_is_held_and_found() {
        let mut masker = masker(false);
        assert!(said(&mut masker, "it is 4111 1111", true).hold);
        assert!(said(&mut masker, "it is 4111 1111", false).hold);
        let rest = said(&mut masker, "1111 1111 thanks", false);
        assert_eq!((rest.text.as_str(), rest.hold), ("**** **** thanks", false));
    }

    #[test]
    fn cards_without_anything_between_are_all_masked() {
        let masked = said(&mut masker(false), "4111111111111111 5500005555555559.", false);
        assert_eq!(masked.text, "**************** ****************.");
    }
}
