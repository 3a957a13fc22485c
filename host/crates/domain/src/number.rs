//! Telephone numbers: one way to write each, and patterns that say which ones are allowed.

use crate::pii::Pii;
use std::fmt;
use std::str::FromStr;

/// Digits of an E.164 number (ITU-T E.164, section 6: 15 at most; fewer than 7 are nobody's).
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Longer runs of digits without a `+` are numbers of the tenant's country, where it has one.
const EXTENSION_MAX: usize = 6;

/// Numbers that cost whoever calls them: shared-cost, premium and satellite ranges that fraud lives on. Only a pattern that names such a
/// range itself allows it.
const PREMIUM: &[&str] = &[
    "+1900", "+1976", "+33899", "+33897", "+34803", "+34806", "+34807", "+34905", "+351760", "+351761", "+39899", "+41900",
    "+41901", "+41906", "+43900", "+43901", "+43930", "+43931", "+44871", "+44872", "+44873", "+449", "+46900", "+46939",
    "+46944", "+48700", "+49137", "+49900", "+55900", "+31900", "+31906", "+31909", "+32900", "+45900", "+61190", "+870", "+881",
    "+882", "+883", "+979",
];

/// A number in the one way it is written here: `+` and 7 to 15 digits, or the digits of an extension. Nothing else can be in it, so that it
/// can stand in a dial string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(Pii<String>);

/// Text that is no telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use text as a number: expected + and 7 to 15 digits, or an extension's digits")]
pub struct NumberError;

/// How numbers are dialled where the tenant is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberPlan {
    /// Digits of the country code; without one a number without `+` is an extension.
    pub country: Option<String>,
}

impl NumberPlan {
    /// Reads a number as people write it: blanks, `-`, `.`, `/` and brackets are nothing, `00` is `+`, and a national number (with or without
    /// its leading `0`) gets the country's code.
    ///
    /// # Errors
    /// Where it is no number.
    pub fn read(&self, text: &str) -> Result<Number, NumberError> {
        // Much longer than any number with its separators: not worth a look.
        if text.len() > 64 {
            return Err(NumberError);
        }
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/' | '(' | ')')).collect();
        let (plus, digits) = match (plain.strip_prefix('+'), plain.strip_prefix("00"), &self.country) {
            (Some(digits), ..) | (None, Some(digits), _) => (true, digits.to_owned()),
            (None, None, Some(country)) => match plain.strip_prefix('0') {
                Some(national) => (true, format!("{country}{national}")),
                None if plain.len() > EXTENSION_MAX => (true, format!("{country}{plain}")),
                None => (false, plain),
            },
            (None, None, None) => (false, plain),
        };
        let count = digits.len();
        let sound = digits.bytes().all(|c| c.is_ascii_digit());
        match (sound, plus) {
            (true, true) if E164_DIGITS.contains(&count) && !digits.starts_with('0') => {
                Ok(Number(Pii::new(format!("+{digits}"))))
            }
            (true, false) if (1..=*E164_DIGITS.end()).contains(&count) => Ok(Number(Pii::new(digits))),
            _ => Err(NumberError),
        }
    }
}

impl Number {
    /// The number itself, with its `+`.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Whether it is one of the world's, with a country's code; else it is an extension.
    pub fn is_e164(&self) -> bool {
        self.reveal().starts_with('+')
    }

    /// The number without `+`.
    pub fn digits(&self) -> &str {
        self.reveal().trim_start_matches('+')
    }

    /// As personal data of any other kind.
    pub fn to_pii(&self) -> Pii<String> {
        self.0.clone()
    }
}

/// Which numbers: digits and `+` as they are, `X` any digit, `Z` 1 to 9, `N` 2 to 9; at the end `.` for one digit or more, `!` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    head: Vec<Place>,
    tail: Tail,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Exactly(u8),
    From(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Nothing,
    OneOrMore,
    Any,
}

/// Text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected digits, +, X, Z and N, and . or ! at the end, for example +5511X.")]
pub struct PatternError;

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (head, tail) = match (text.strip_suffix('.'), text.strip_suffix('!')) {
            (Some(head), _) => (head, Tail::OneOrMore),
            (_, Some(head)) => (head, Tail::Any),
            _ => (text, Tail::Nothing),
        };
        let place = |(at, c): (usize, u8)| match c {
            b'0'..=b'9' => Ok(Place::Exactly(c)),
            b'+' if at == 0 => Ok(Place::Exactly(c)),
            b'X' => Ok(Place::From(b'0')),
            b'Z' => Ok(Place::From(b'1')),
            b'N' => Ok(Place::From(b'2')),
            _ => Err(PatternError),
        };
        let head = head.bytes().enumerate().map(place).collect::<Result<Vec<_>, _>>()?;
        // One that allows everything is written as such by nobody who knows what it costs.
        if head.is_empty() {
            return Err(PatternError);
        }
        Ok(Self { head, tail, text: text.to_owned() })
    }
}

impl Pattern {
    /// Whether it allows the number: it is one of these, and what is dear is named by itself.
    pub fn matches(&self, number: &Number) -> bool {
        let dear = |range: &&str| number.reveal().starts_with(range) && !self.text.starts_with(range);
        !PREMIUM.iter().any(dear) && self.covers(number)
    }

    /// Whether it is one of these numbers, however dear: a pattern that forbids means all that it says.
    pub fn covers(&self, number: &Number) -> bool {
        let number = number.reveal().as_bytes();
        let Some((head, rest)) = number.split_at_checked(self.head.len()) else { return false };
        let fits = |(place, c): (&Place, &u8)| match place {
            Place::Exactly(wanted) => c == wanted,
            Place::From(least) => (*least..=b'9').contains(c),
        };
        let tail = match self.tail {
            Tail::Nothing => rest.is_empty(),
            Tail::OneOrMore => !rest.is_empty(),
            Tail::Any => true,
        };
        tail && self.head.iter().zip(head).all(fits)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(country: Option<&str>, text: &str) -> Option<String> {
        let plan = NumberPlan { country: country.map(str::to_owned) };
        plan.read(text).ok().map(|number| number.reveal().to_owned())
    }

    #[test]
    fn a_number_has_one_way_to_be_written() {
        let brazil = Some("55");
        for text in ["+55 (11) 99999-8888", "005511999998888", "011 99999 8888", "11999998888", "+5511999998888"] {
            assert_eq!(read(brazil, text).as_deref(), Some("+5511999998888"), "{text}");
        }
        assert_eq!(read(brazil, "2001").as_deref(), Some("2001"));
        // Six digits are an extension's still, seven are a number of the country.
        assert_eq!(read(brazil, "200123").as_deref(), Some("200123"));
        assert_eq!(read(brazil, "2001234").as_deref(), Some("+552001234"));
        assert_eq!(read(None, "11999998888").as_deref(), Some("11999998888"));
        assert_eq!(read(None, "+4930123456").as_deref(), Some("+4930123456"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "+",
            "+123456",
            "+1234567890123456",
            "1234567890123456",
            "+0123456789",
            "12*34",
            "1;phone",
            "a&b",
            "+55119@x",
            "１２３４５６７",
        ] {
            assert_eq!(read(None, text), None, "{text}");
        }
        assert_eq!(read(None, &"1".repeat(65)), None);
        assert_eq!(read(Some("55"), "0"), None);
    }

    #[test]
    fn a_number_is_not_printed() {
        let number = NumberPlan::default().read("+5511999998888").unwrap();
        assert!(!format!("{number:?}").contains("99"), "{number:?}");
    }

    #[test]
    fn patterns_say_which_numbers() {
        let matches = |pattern: &str, number: &str| {
            let number = NumberPlan::default().read(number).unwrap();
            pattern.parse::<Pattern>().unwrap().matches(&number)
        };
        assert!(matches("+5511.", "+5511999998888"));
        assert!(!matches("+5511.", "+5521999998888"));
        // One more digit is needed, or none.
        assert!(!matches("+5511999998888.", "+5511999998888"));
        assert!(matches("+5511999998888!", "+5511999998888"));
        assert!(matches("2XXX", "2001") && !matches("2XXX", "20011") && !matches("2XXX", "200"));
        assert!(matches("Z1", "11") && !matches("Z1", "01"));
        assert!(matches("NX", "20") && !matches("NX", "10"));
        // An extension is never taken for a number with a country code.
        assert!(!matches("X.", "+5511999998888"));
    }

    #[test]
    fn a_dear_number_is_never_allowed_by_accident() {
        let matches = |pattern: &str, number: &str| {
            let number = NumberPlan::default().read(number).unwrap();
            pattern.parse::<Pattern>().unwrap().matches(&number)
        };
        assert!(!matches("+49.", "+499001234567"), "a premium number");
        assert!(!matches("+1NXXNXXXXXX", "+19005550100"));
        assert!(!matches("+8.", "+88161234567"), "a satellite");
        assert!(matches("+49900.", "+499001234567"), "named by itself");
        assert!(matches("+499001234567", "+499001234567"));
        assert!(!matches("+", "+499001234567") && !matches("+4!", "+499001234567") && !matches("+4490!", "+49900123456"));
        assert!(!matches("+4!", "+448711234567") && !matches("+448.", "+448711234567"), "a shorter one names no range within it");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", ".", "!", "1+", "+55a", "1.1", "_X.", "[1-9]"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
