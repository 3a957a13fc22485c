//! Telephone numbers outside, and which of them may be called.

use std::fmt;

/// ITU-T E.164: at most 15 digits, country code first. Shorter ones are no subscriber's.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Numbers that cost whoever calls them: shared-cost, premium and satellite ranges that fraud lives on. Only a pattern that names such a
/// range itself allows it.
const PREMIUM: &[&str] = &[
    "+1900", "+1976", "+33899", "+33897", "+34803", "+34806", "+34807", "+34905", "+351760", "+351761", "+39899", "+41900",
    "+41901", "+41906", "+43900", "+43901", "+43930", "+43931", "+44871", "+44872", "+44873", "+449", "+46900", "+46939",
    "+46944", "+48700", "+49137", "+49900", "+55900", "+31900", "+31906", "+31909", "+32900", "+45900", "+61190", "+870", "+881",
    "+882", "+883", "+979",
];

/// A number in E.164: `+` and digits. Prints redacted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// Reads a number as people write it: `+` or `00` before the country code; spaces, dots, hyphens, slashes and brackets between digits are
    /// nothing. None where it is no number of E.164: a national one is not guessed at.
    pub fn parse(written: &str) -> Option<Self> {
        let bare: String = written.trim().chars().filter(|c| !" .-/()".contains(*c)).collect();
        let digits = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00"))?;
        let sound = DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        sound.then(|| Self(format!("+{digits}")))
    }

    /// With its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Numbers that may be called: all that begin so (`+4930*`), or exactly one (`+49301234567`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPattern {
    prefix: String,
    /// Whether more digits may follow.
    open: bool,
}

impl NumberPattern {
    /// None where it is no pattern. A country at least must be named: there is no pattern for everything.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, open) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
        let digits = prefix.strip_prefix('+')?;
        let digits_min = if open { 1 } else { *DIGITS.start() };
        let sound = (digits_min..=*DIGITS.end()).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        sound.then(|| Self { prefix: prefix.to_owned(), open })
    }

    /// Whether that number may be called.
    pub fn allows(&self, number: &Number) -> bool {
        let number = number.as_str();
        let fits = if self.open { number.starts_with(&self.prefix) } else { number == self.prefix };
        let dear = PREMIUM.iter().filter(|range| number.starts_with(*range)).all(|range| self.prefix.starts_with(range));
        fits && dear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it_and_a_national_one_is_none() {
        let read = |text: &str| Number::parse(text).map(|number| number.as_str().to_owned());
        let berlin = Some("+493012345678".to_owned());
        for written in ["+493012345678", "0049 30 123 456-78", " +49 (30) 12345678 ", "+49/30.1234.5678"] {
            assert_eq!(read(written), berlin, "{written}");
        }
        for wrong in ["", "+", "00", "03012345678", "+0301234567", "+123456", "+1234567890123456", "+49301234a", "+49,30123456"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read("+1234567").as_deref(), Some("+1234567"));
        assert_eq!(read("+123456789012345").as_deref(), Some("+123456789012345"));
        assert_eq!(format!("{:?}", Number::parse("+493012345678")), "Some([redacted])");
    }

    #[test]
    fn a_pattern_allows_what_begins_so_and_never_a_dear_number_by_accident() {
        let allows = |pattern: &str, number: &str| NumberPattern::parse(pattern).unwrap().allows(&Number::parse(number).unwrap());
        assert!(allows("+49*", "+493012345678"));
        assert!(!allows("+4930*", "+498912345678"));
        assert!(allows("+493012345678", "+493012345678"));
        assert!(!allows("+49301234567", "+493012345678"));
        assert!(!allows("+49*", "+499001234567"), "a premium number");
        assert!(!allows("+1*", "+19005550100"));
        assert!(!allows("+8*", "+88161234567"), "a satellite");
        assert!(allows("+49900*", "+499001234567"), "named by itself");
        assert!(allows("+499001234567", "+499001234567"));
        for wrong in ["", "*", "+*", "49*", "+0*", "+49", "+49*0", "+4 9*", "+1234567890123456*"] {
            assert_eq!(NumberPattern::parse(wrong), None, "{wrong}");
        }
    }
}
