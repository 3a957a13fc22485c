//! Seeded randomness: SplitMix64 (Steele, Lea, Flood 2014).

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several things.
    pub(crate) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    /// Of the form: `#` is any digit.
    pub(crate) fn form(&mut self, form: &str) -> String {
        form.chars().map(|char| if char == '#' { char::from(b'0' + self.below(10) as u8) } else { char }).collect()
    }

    /// A card number: published for tests, or made with its check digit below a beginning of those.
    pub(crate) fn card(&mut self) -> String {
        if self.chance(20) {
            return (*self.pick(PUBLISHED)).to_owned();
        }
        let (beginning, length) = *self.pick(BEGINNINGS);
        let mut number = beginning.to_owned();
        number.push_str(&self.digits(length - 1 - beginning.len()));
        let check = (b'0'..=b'9').map(char::from).find(|&check| luhn(&format!("{number}{check}"))).unwrap();
        number.push(check);
        number
    }
}

/// Written anew here, the other way round than the masker does it.
pub(crate) fn luhn(number: &str) -> bool {
    let parity = number.len() % 2;
    let sum: u32 = number
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0') * if at % 2 == parity { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

const PUBLISHED: &[&str] = &[
    "4111111111111111",
    "4012888888881881",
    "4242424242424242",
    "4000056655665556",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "378734493671000",
    "6011111111111117",
    "6011000990139424",
    "30569309025904",
    "38520000023237",
    "36227206271667",
    "3530111333300000",
    "3566002020360505",
    "6200000000000005",
    "6205500000000000004",
    "6759649826438453",
    "6362970000457013",
    "6062826786276634",
];

const BEGINNINGS: &[(&str, usize)] = &[
    ("411111", 16),
    ("424242", 16),
    ("401288", 16),
    ("400005", 16),
    ("555555", 16),
    ("510510", 16),
    ("520082", 16),
    ("222300", 16),
    ("378282", 15),
    ("371449", 15),
    ("601111", 16),
    ("601100", 16),
    ("305693", 14),
    ("385200", 14),
    ("362272", 14),
    ("353011", 16),
    ("356600", 16),
    ("620000", 16),
    ("620550", 19),
    ("636297", 16),
    ("506699", 16),
    ("606282", 16),
];
