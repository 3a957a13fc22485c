//! What makes digits a card's number: the check digit and the issuers' ranges.

/// Card numbers are this long (ISO/IEC 7812-1; Maestro begins at 12).
pub(crate) const LONGEST: usize = 19;

/// The check digit of ISO/IEC 7812-1, annex B.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let weighted = |(index, &digit): (usize, &u8)| match (index % 2, digit) {
        (0, digit) => u32::from(digit),
        (_, digit @ 0..=4) => 2 * u32::from(digit),
        (_, digit) => 2 * u32::from(digit) - 9,
    };
    digits.iter().any(|&digit| digit != 0) && digits.iter().rev().enumerate().map(weighted).sum::<u32>().is_multiple_of(10)
}

/// A range of beginnings, four digits wide, and the lengths of the numbers in it as bits.
struct Range(u16, u16, u32);

const fn lengths(from: u32, to: u32) -> u32 {
    (1 << (to + 1)) - (1 << from)
}

const L16: u32 = 1 << 16;
const VISA: u32 = 1 << 13 | 1 << 16 | 1 << 19;
const MAESTRO: u32 = lengths(12, 19);
const SIXTEEN_UP: u32 = lengths(16, 19);

/// The brands' published ranges, in order. Where brands share a beginning, the lengths of all.
const RANGES: &[Range] = &[
    Range(1000, 1999, 1 << 15),                 // UATP
    Range(2200, 2204, SIXTEEN_UP),              // Mir
    Range(2221, 2720, L16),                     // Mastercard
    Range(3000, 3059, lengths(14, 19)),         // Diners Club
    Range(3088, 3094, SIXTEEN_UP),              // JCB
    Range(3095, 3095, lengths(14, 19)),         // Diners Club
    Range(3096, 3120, SIXTEEN_UP),              // JCB
    Range(3400, 3499, 1 << 15),                 // American Express
    Range(3528, 3589, SIXTEEN_UP),              // JCB
    Range(3600, 3699, lengths(14, 19)),         // Diners Club
    Range(3700, 3799, 1 << 15),                 // American Express
    Range(3800, 3999, lengths(14, 19)),         // Diners Club, Hipercard
    Range(4000, 4999, VISA),                    // Visa, Elo
    Range(5018, 5018, MAESTRO),                 // Maestro
    Range(5019, 5019, L16 | MAESTRO),           // Dankort
    Range(5020, 5020, MAESTRO),                 // Maestro
    Range(5038, 5038, MAESTRO),                 // Maestro
    Range(5041, 5041, L16),                     // Elo
    Range(5060, 5069, lengths(16, 19)),         // Elo, Verve, Carnet
    Range(5080, 5099, L16),                     // RuPay, Elo
    Range(5100, 5599, L16 | 1 << 14),           // Mastercard, Diners Club in North America
    Range(5893, 5893, MAESTRO),                 // Maestro
    Range(5895, 5896, L16),                     // Naranja, Cabal
    Range(6010, 6010, L16),                     // RuPay
    Range(6011, 6011, SIXTEEN_UP),              // Discover
    Range(6020, 6099, L16 | 1 << 13 | 1 << 19), // RuPay, Cabal, Hipercard
    Range(6200, 6299, SIXTEEN_UP),              // UnionPay, Elo
    Range(6304, 6304, MAESTRO),                 // Maestro
    Range(6360, 6369, SIXTEEN_UP),              // InterPayment, Elo
    Range(6440, 6599, SIXTEEN_UP),              // Discover, Elo, RuPay
    Range(6759, 6759, MAESTRO),                 // Maestro
    Range(6761, 6763, MAESTRO),                 // Maestro
    Range(6771, 6771, L16),                     // Laser and Maestro tests
    Range(8100, 8299, SIXTEEN_UP),              // UnionPay, RuPay
    Range(8600, 8600, L16),                     // UzCard
    Range(9792, 9792, L16),                     // Troy
    Range(9860, 9860, L16),                     // Humo
];

fn bounds(digits: &[u8]) -> (u16, u16) {
    let known = digits.len().min(4);
    let prefix = digits[..known].iter().fold(0, |number: u16, &digit| number * 10 + u16::from(digit));
    let scale = [1000, 1000, 100, 10, 1][known];
    (prefix * scale, prefix * scale + scale - 1)
}

/// A whole number of a known issuer, its check digit right.
pub(crate) fn is_card(digits: &[u8]) -> bool {
    (12..=LONGEST).contains(&digits.len()) && lengths_of(digits) >> digits.len() & 1 == 1 && luhn(digits)
}

/// The lengths, as bits, that numbers with this beginning have.
pub(crate) fn lengths_of(digits: &[u8]) -> u32 {
    let (low, high) = bounds(digits);
    RANGES.iter().filter(|range| range.0 <= high && low <= range.1).fold(0, |all, range| all | range.2)
}

/// These digits may be the beginning of a card number, or nearly all of one. UATP (1…) is left out: every mobile number with a country code of
/// North America would be held.
pub(crate) fn may_begin(digits: &[u8]) -> bool {
    digits.first().is_some_and(|&first| first != 1) && lengths_of(digits) >> digits.len().min(31) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_test_numbers_are_cards_and_their_neighbours_are_not() {
        for number in [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "36227206271667",
            "3530111333300000",
            "6200000000000005",
            "6205500000000000004",
            "6759649826438453",
            "6362970000457013",
            "6062826786276634",
        ] {
            assert!(is_card(&digits(number)), "{number}");
            let mut wrong = digits(number);
            *wrong.last_mut().unwrap() = (wrong.last().unwrap() + 1) % 10;
            assert!(!is_card(&wrong), "{number}");
        }
    }

    #[test]
    fn what_nobody_issues_is_no_card_though_its_check_digit_is_right() {
        for number in ["7992739871300000", "0000000000000000", "356938035643809"] {
            assert!(!is_card(&digits(number)), "{number}");
        }
    }

    #[test]
    fn a_beginning_may_be_a_card_until_it_is_too_long() {
        assert!(may_begin(&digits("4111")) && may_begin(&digits("4111111111111111111")));
        assert!(!may_begin(&digits("41111111111111111111")));
        assert!(!may_begin(&digits("2024")) && !may_begin(&digits("9400")));
    }
}
