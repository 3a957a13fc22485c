//! A card that the caller keys in for the operator's vault, field by field: which fields, what each takes, and what becomes of it.

use crate::mask::luhn;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// As long as a card's number gets (ISO/IEC 7812-1).
const NUMBER_MAX: usize = 19;
/// Hardly any is shorter.
const NUMBER_USUAL: usize = 15;
const FIELDS: usize = CardField::ALL.len();

/// A field of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardField {
    /// Its number: 12 to 19 digits that pass the Luhn check.
    Number,
    /// When it expires: two digits for the month, two for the year. Whether that is over is the vault's to say.
    Expiry,
    /// The three or four digits beside the number.
    Code,
}

impl CardField {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Number, Self::Expiry, Self::Code];

    /// As agents and vaults name it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Expiry => "expiry",
            Self::Code => "code",
        }
    }

    /// The field of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.code() == name)
    }

    fn length(self) -> RangeInclusive<usize> {
        match self {
            Self::Number => 12..=NUMBER_MAX,
            Self::Expiry => 4..=4,
            Self::Code => 3..=4,
        }
    }

    fn accepts(self, digits: &[u8]) -> bool {
        let sound = match self {
            Self::Number => is_number(digits),
            Self::Expiry => matches!(digits, [b'0', b'1'..=b'9', ..] | [b'1', b'0'..=b'2', ..]),
            Self::Code => true,
        };
        sound && self.length().contains(&digits.len())
    }
}

fn is_number(digits: &[u8]) -> bool {
    let mut values = Zeroizing::new([0; NUMBER_MAX]);
    for (value, digit) in values.iter_mut().zip(digits) {
        *value = digit.wrapping_sub(b'0');
    }
    digits.len() <= NUMBER_MAX && luhn(&values[..digits.len()])
}

/// A card that the agent asks for: its fields in the order in which they are asked for, and how long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardCollect {
    /// *Invariant:* the first is some, none stands before some, and none is there twice.
    fields: [Option<CardField>; FIELDS],
    first: Duration,
    between: Duration,
}

impl CardCollect {
    /// Tries for a field: what is wrong so often in a row is given up.
    pub const TRIES: u8 = 3;

    /// `first` is the time for the first key of each field, `between` for each one after it. None without a field, or with one twice.
    pub fn new(fields: &[CardField], first: Duration, between: Duration) -> Option<Self> {
        let mut asked = [None; FIELDS];
        for (at, field) in fields.iter().enumerate() {
            if asked.contains(&Some(*field)) {
                return None;
            }
            *asked.get_mut(at)? = Some(*field);
        }
        asked[0].map(|_| Self { fields: asked, first, between })
    }

    /// Its fields in their order, and the time for the first key of each and for each one after it.
    pub fn parts(&self) -> (Vec<CardField>, Duration, Duration) {
        (self.fields.iter().flatten().copied().collect(), self.first, self.between)
    }

    pub(crate) fn begin(self) -> CardAsk {
        CardAsk { collect: self, at: 0, tries_left: Self::TRIES }
    }
}

/// The field that is asked for now. What was keyed in is elsewhere: this may be copied and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardAsk {
    collect: CardCollect,
    /// *Invariant:* the place of a field.
    at: usize,
    /// This one included.
    tries_left: u8,
}

impl CardAsk {
    pub(crate) fn collect(&self) -> CardCollect {
        self.collect
    }

    pub(crate) fn field(&self) -> CardField {
        self.collect.fields[self.at].unwrap_or(CardField::Number)
    }

    /// The field after this one.
    pub(crate) fn next(&self) -> Option<Self> {
        let at = self.at + 1;
        self.collect.fields.get(at).copied().flatten()?;
        Some(Self { at, tries_left: CardCollect::TRIES, ..*self })
    }

    /// The same field once more.
    pub(crate) fn again(&self) -> Option<Self> {
        let tries_left = self.tries_left.checked_sub(1).filter(|left| *left > 0)?;
        Some(Self { tries_left, ..*self })
    }

    pub(crate) fn first(&self) -> Duration {
        self.collect.first
    }

    pub(crate) fn between(&self) -> Duration {
        self.collect.between
    }
}

/// What was keyed in of a card. No `Clone`, `Display`, comparison or serialisation; `Debug` shows nothing of it. It lies in one place, which is wiped
/// when it is given back, and moves without being copied.
///
/// ```compile_fail
/// let card = vg_domain::card::CardDigits::default();
/// let kept = card.clone();
/// ```
/// ```compile_fail
/// let card = vg_domain::card::CardDigits::default();
/// println!("{card}");
/// ```
/// ```compile_fail
/// let card = vg_domain::card::CardDigits::default();
/// let digits = &card.0;
/// ```
#[derive(Default)]
pub struct CardDigits(Box<Fields>);

#[derive(Default)]
struct Fields {
    digits: [[u8; NUMBER_MAX]; FIELDS],
    lengths: [u8; FIELDS],
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.digits.zeroize();
        self.lengths.zeroize();
    }
}

impl fmt::Debug for CardDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl CardDigits {
    /// A field, for the vault alone; none where it was not keyed in.
    pub fn reveal(&self, field: CardField) -> Option<&str> {
        let digits = self.of(field);
        std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty())
    }

    /// The last four digits of its number, which may be shown; none where it was not asked for.
    pub fn last_four(&self) -> Option<&str> {
        let number = self.reveal(CardField::Number)?;
        number.get(number.len().checked_sub(4)?..)
    }

    fn of(&self, field: CardField) -> &[u8] {
        let at = field as usize;
        &self.0.digits[at][..usize::from(self.0.lengths[at])]
    }

    pub(crate) fn len(&self, field: CardField) -> usize {
        self.of(field).len()
    }

    /// A key more. False where there is no room for it, or it is no digit.
    pub fn push(&mut self, field: CardField, key: char) -> bool {
        let at = field as usize;
        let length = usize::from(self.0.lengths[at]);
        match u8::try_from(key) {
            Ok(digit @ b'0'..=b'9') if !self.is_full(field) => {
                self.0.digits[at][length] = digit;
                self.0.lengths[at] += 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_full(&self, field: CardField) -> bool {
        self.len(field) >= *field.length().end()
    }

    pub(crate) fn is_sound(&self, field: CardField) -> bool {
        field.accepts(self.of(field))
    }

    /// Nothing can follow what was said, as far as anybody can tell: a number is as long as those of most issuers, and right.
    pub(crate) fn seems_whole(&self, field: CardField) -> bool {
        self.is_full(field) || (field == CardField::Number && self.len(field) >= NUMBER_USUAL && self.is_sound(field))
    }

    pub(crate) fn clear(&mut self, field: CardField) {
        let at = field as usize;
        self.0.digits[at].zeroize();
        self.0.lengths[at] = 0;
    }
}

/// What became of a card that the agent asked for.
#[derive(Debug)]
pub enum CardKeyed {
    /// It is there, for the vault.
    Given(CardDigits),
    /// The caller gave it up.
    Cancelled,
    /// A field was wrong in every try.
    Invalid,
    /// No key came in time.
    Silent,
    /// There is no vault, and nobody was asked.
    NoVault,
}

impl CardKeyed {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Cancelled => "cancelled",
            Self::Invalid => "invalid",
            Self::Silent => "no_input",
            Self::NoVault => "vault_missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(field: CardField, keys: &str) -> CardDigits {
        let mut card = CardDigits::default();
        keys.chars().for_each(|key| assert!(card.push(field, key), "{keys}"));
        card
    }

    #[test]
    fn a_field_takes_what_a_card_has_and_nothing_else() {
        for (field, sound, unsound) in [
            (
                CardField::Number,
                ["4111111111111111", "378282246310005", "6304000000000000"].as_slice(),
                ["4111111111111112", "42", "", "00000000000", "411111111111111"].as_slice(),
            ),
            (CardField::Expiry, &["0130", "1229", "0999"], &["0030", "1330", "2001", "123", ""]),
            (CardField::Code, &["123", "0000"], &["12", ""]),
        ] {
            for keys in sound {
                assert!(keyed(field, keys).is_sound(field), "{field:?} {keys}");
            }
            for keys in unsound {
                assert!(!keyed(field, keys).is_sound(field), "{field:?} {keys}");
            }
        }
    }

    #[test]
    fn there_is_no_room_for_more_than_a_field_has() {
        for (field, length) in [(CardField::Number, 19), (CardField::Expiry, 4), (CardField::Code, 4)] {
            let mut card = keyed(field, &"1".repeat(length));
            assert!(card.is_full(field) && !card.push(field, '1'), "{field:?}");
            card.clear(field);
            assert_eq!((card.len(field), card.reveal(field)), (0, None));
        }
        let mut card = CardDigits::default();
        assert!("*#AD\u{661}".chars().all(|key| !card.push(CardField::Number, key)));
    }

    #[test]
    fn what_was_keyed_in_is_shown_to_nobody_but_its_last_four() {
        let card = keyed(CardField::Number, "4111111111111234");
        assert_eq!((format!("{card:?}").as_str(), card.last_four()), ("[redacted]", Some("1234")));
        assert_eq!(format!("{:?}", CardKeyed::Given(card)), "Given([redacted])");
        assert_eq!(keyed(CardField::Code, "123").last_four(), None);
    }

    #[test]
    fn fields_come_in_their_order_and_once() {
        let times = (Duration::from_secs(9), Duration::from_secs(3));
        let of = |fields: &[CardField]| CardCollect::new(fields, times.0, times.1);
        let all = [CardField::Code, CardField::Number, CardField::Expiry];
        let ask = of(&all).unwrap().begin();
        let order: Vec<CardField> = std::iter::successors(Some(ask), CardAsk::next).map(|ask| ask.field()).collect();
        assert_eq!(order, all);
        assert_eq!(of(&all).unwrap().parts(), (all.to_vec(), times.0, times.1));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[CardField::Number, CardField::Number]), None);
        assert_eq!(of(&[CardField::Number, CardField::Expiry, CardField::Code, CardField::Number]), None);
        assert_eq!(std::iter::successors(Some(ask), CardAsk::again).count(), 3);
    }
}
