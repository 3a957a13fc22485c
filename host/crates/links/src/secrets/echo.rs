//! Finds secret values in what a peer answers, and paints them over.
//!
//! A peer that is permitted to have a key may do with it what it likes; this only keeps an honest one, which echoes requests in its errors, from
//! handing the key to the guest. Values under 8 bytes are not searched: they would be found by chance.

use super::held::Value;
use super::{Secrets, UNRESERVED};
use crate::limits::{ECHO_BYTES, ECHO_VALUE_BYTES, ECHO_VALUES};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use percent_encoding::percent_encode;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Bytes of a value that are taken for its beginning.
const BEGUN_BYTES: usize = 3;

/// The values that were sent of late, in the forms in which they may come back.
#[derive(Default)]
pub(super) struct Echoes(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    /// The last used first.
    values: VecDeque<Value>,
    /// Of all values, the longest first: one may be part of another.
    forms: Vec<Zeroizing<Vec<u8>>>,
}

impl Echoes {
    /// From now on it is looked for.
    pub(super) fn watch(&self, value: &Value) {
        let mut watched = self.lock();
        if value.len() < ECHO_VALUE_BYTES || watched.values.front() == Some(value) {
            return;
        }
        let known = watched.values.iter().position(|known| known == value);
        if let Some(at) = known {
            watched.values.remove(at);
        }
        watched.values.push_front(Value::clone(value));
        watched.values.truncate(ECHO_VALUES);
        if known.is_none() {
            watched.forms = watched.values.iter().flat_map(|value| forms(value)).collect();
            watched.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        }
    }

    /// Paints over what is found, in place; how often something was.
    pub(super) fn paint(&self, bytes: &mut [u8]) -> usize {
        self.lock().forms.iter().map(|form| paint(form, bytes)).sum()
    }

    /// How many of the last bytes may be the beginning of something that is looked for.
    fn begun(&self, bytes: &[u8]) -> usize {
        let begun = |form: &Zeroizing<Vec<u8>>| {
            let most = (form.len() - 1).min(bytes.len());
            (BEGUN_BYTES..=most).rev().find(|length| bytes.ends_with(&form[..*length])).unwrap_or(0)
        };
        self.lock().forms.iter().map(begun).max().unwrap_or(0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Searches a body that comes in pieces: what lies across two of them is found, too.
///
/// Three bytes at the end of a piece that may begin a value are held until the next one tells; fewer are let through, since any speech may end so, and a
/// value of which two bytes were seen is painted over from there.
#[derive(Default)]
pub(crate) struct EchoSearch {
    /// The last bytes that were let through.
    seen: Vec<u8>,
    held: Vec<u8>,
    searched: usize,
}

impl EchoSearch {
    /// What may be shown once this piece has come, and how often something was found.
    pub(crate) fn piece<'a>(&mut self, secrets: &Secrets, piece: &'a [u8]) -> (Cow<'a, [u8]>, usize) {
        let over = self.searched >= ECHO_BYTES;
        self.searched = self.searched.saturating_add(piece.len());
        if over && self.held.is_empty() {
            return (Cow::Borrowed(piece), 0);
        }
        let shown = self.seen.len();
        let mut bytes = [&*std::mem::take(&mut self.seen), &*std::mem::take(&mut self.held), piece].concat();
        let found = secrets.echoes.paint(&mut bytes);
        let hold = if over { 0 } else { secrets.echoes.begun(&bytes).min(bytes.len() - shown) };
        self.held = bytes.split_off(bytes.len() - hold);
        self.seen = bytes[bytes.len().saturating_sub(BEGUN_BYTES - 1)..].to_vec();
        bytes.drain(..shown);
        (Cow::Owned(bytes), found)
    }

    /// What was held, where nothing more comes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn paint(form: &[u8], bytes: &mut [u8]) -> usize {
    let finder = memmem::Finder::new(form);
    let (mut from, mut found) = (0, 0);
    while let Some(at) = finder.find(&bytes[from..]) {
        let end = from + at + form.len();
        bytes[from + at..end].fill(b'*');
        (from, found) = (end, found + 1);
    }
    found
}

/// As it is, percent-encoded in either case, and what is certain of its base64 wherever it stands in a longer text.
fn forms(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let plain = value.as_bytes();
    let mut forms = vec![Zeroizing::new(plain.to_vec())];
    let mut add = |form: Vec<u8>| {
        let form = Zeroizing::new(form);
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    let encoded = percent_encode(plain, UNRESERVED).to_string();
    add(lower_escapes(&encoded).into_bytes());
    add(encoded.into_bytes());
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let text = Zeroizing::new([&[0; 2][..before], plain].concat());
            let encoded = Zeroizing::new(engine.encode(&*text));
            // Characters that hold bits of neighbours cannot be known.
            let from = [0, 2, 3][before];
            let to = text.len() * 8 / 6;
            add(encoded.as_bytes()[from..to].to_vec());
        }
    }
    forms
}

fn lower_escapes(encoded: &str) -> String {
    let mut since_percent = 3;
    let lower = |c: char| {
        since_percent = if c == '%' { 0 } else { since_percent + 1 };
        if since_percent <= 2 { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const VALUE: &str = "s3cr3t/+ key?value";

    fn painted(text: &str) -> (String, usize) {
        let echoes = Echoes::default();
        echoes.watch(&Arc::new(Zeroizing::new("12345678".to_owned())));
        echoes.watch(&Arc::new(Zeroizing::new("short".to_owned())));
        echoes.watch(&Arc::new(Zeroizing::new(VALUE.to_owned())));
        let mut bytes = text.as_bytes().to_vec();
        let found = echoes.paint(&mut bytes);
        (String::from_utf8(bytes).unwrap(), found)
    }

    #[test]
    fn a_value_is_painted_over_wherever_it_stands_and_nothing_else_is_touched() {
        let stars = "*".repeat(VALUE.len());
        assert_eq!(painted(&format!("{VALUE} and {VALUE}{VALUE}12345678")), (format!("{stars} and {stars}{stars}********"), 4));
        assert_eq!(painted("short 1234567 s3cr3t"), ("short 1234567 s3cr3t".to_owned(), 0));
    }

    #[test]
    fn a_value_is_found_across_pieces_and_nothing_is_lost_or_kept() {
        let secrets = Secrets::default();
        secrets.echoes.watch(&Arc::new(Zeroizing::new(VALUE.to_owned())));
        let text = format!("before {VALUE} s3 s3cr s3cr3t/+ {VALUE}{VALUE}s3cr");
        let whole = text.replace(VALUE, &"*".repeat(VALUE.len()));
        let told = |pieces: &[&[u8]]| {
            let mut search = EchoSearch::default();
            let mut told: Vec<_> = pieces.iter().flat_map(|piece| search.piece(&secrets, piece).0.into_owned()).collect();
            told.extend(search.end());
            String::from_utf8(told).unwrap()
        };
        for cut in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(cut);
            let told = told(&[one, other]);
            assert_eq!(told.len(), text.len());
            // Cut behind the first or second byte, that much of it was shown already.
            let differ = told.bytes().zip(whole.bytes()).filter(|(told, whole)| told != whole).count();
            assert!(differ <= 2 && !told.contains("r3t/+ key"), "{cut}: {told}");
        }
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        let told = told(&bytes);
        assert!(told.len() == text.len() && !told.contains("r3t/+ key"), "{told}");
    }

    #[test]
    fn speech_is_not_held_back_for_a_byte_that_may_begin_a_key() {
        let secrets = Secrets::default();
        secrets.echoes.watch(&Arc::new(Zeroizing::new(VALUE.to_owned())));
        let mut search = EchoSearch::default();
        assert_eq!(search.piece(&secrets, b"{}s3"), (Cow::Borrowed(&b"{}s3"[..]), 0));
        let long = vec![b's'; ECHO_BYTES];
        assert_eq!(search.piece(&secrets, &long).0.len(), ECHO_BYTES);
        assert_eq!(search.piece(&secrets, VALUE.as_bytes()), (Cow::Borrowed(VALUE.as_bytes()), 0), "only the start is searched");
    }

    #[test]
    fn a_value_is_found_percent_encoded() {
        for text in ["s3cr3t%2F%2B%20key%3Fvalue", "s3cr3t%2f%2b%20key%3fvalue"] {
            assert_eq!(painted(text), ("*".repeat(text.len()), 1));
        }
    }

    #[test]
    fn a_value_is_found_in_the_base64_of_a_longer_text() {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            for before in ["", "u", "us", "user:"] {
                for after in ["", "!", "!!", "!!!"] {
                    let text = engine.encode(format!("{before}{VALUE}{after}"));
                    let (shown, found) = painted(&text);
                    assert_eq!((found, shown.len()), (1, text.len()), "{before} {after}");
                    assert!(
                        shown.bytes().filter(|byte| *byte != b'*').count() <= before.len() * 2 + after.len() * 2 + 4,
                        "{shown}"
                    );
                }
            }
        }
    }
}
