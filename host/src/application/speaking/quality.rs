//! Whether what a voice gave for an utterance can be speech (source design, section 9): too loud for its samples, mostly silent, or too fast or too
//! slow for its text.
//!
//! One pass over the samples as they come: two comparisons each, in blocks that the compiler makes vectors of. Short utterances are judged
//! leniently: their silences weigh too much.

/// A sample is taken to be clipped from here on: below the largest of G.711.
const CLIPPED: u16 = 32_000;
/// A block is silent if no sample is louder: -46 dB of the largest.
const SILENT: u16 = 164;
/// Blocks in a second.
const BLOCKS_PER_S: u32 = 100;

/// Clipped samples of a hundred that are too many.
const CLIPPED_PERCENT_MAX: u64 = 1;
/// Silent samples of a hundred that are too many; the same of a short utterance.
const SILENT_PERCENT_MAX: (u64, u64) = (60, 95);
/// Characters in a second.
const CHARS_PER_S: (u64, u64) = (4, 30);
/// What is shorter than a second, or has fewer characters, is short.
const SHORT_CHARS: u64 = 15;

/// What is wrong with the sound of an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpeechFault {
    /// More than 1 % of its samples are as loud as samples can be.
    Clipped,
    /// More than 60 % of it is silence.
    Silent,
    /// More than 30 characters of its text in a second.
    TooFast,
    /// Fewer than 4.
    TooSlow,
}

impl SpeechFault {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Clipped => "clipped",
            Self::Silent => "silent",
            Self::TooFast => "too_fast",
            Self::TooSlow => "too_slow",
        }
    }
}

/// What was measured of an utterance so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    rate_hz: u32,
    samples: u64,
    clipped: u64,
    silent: u64,
    /// Samples of the block that has begun, and the loudest of them.
    block: usize,
    peak: u16,
}

impl Measured {
    /// More of it; all at one rate.
    pub(super) fn hear(&mut self, rate_hz: u32, pcm: &[i16]) {
        self.rate_hz = rate_hz;
        self.samples += pcm.len() as u64;
        let block = (rate_hz / BLOCKS_PER_S).max(1) as usize;
        let mut rest = pcm;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(block.saturating_sub(self.block).clamp(1, rest.len()));
            let (mut clipped, mut peak) = (0_u32, self.peak);
            for sample in piece {
                let loud = sample.unsigned_abs();
                clipped += u32::from(loud >= CLIPPED);
                peak = peak.max(loud);
            }
            self.clipped += u64::from(clipped);
            (self.block, self.peak, rest) = (self.block + piece.len(), peak, after);
            if self.block >= block {
                self.silent += if peak <= SILENT { self.block as u64 } else { 0 };
                (self.block, self.peak) = (0, 0);
            }
        }
    }

    /// What is wrong with all of it, where this is what was to be said.
    pub(super) fn faults(&self, text: &str) -> impl Iterator<Item = SpeechFault> + use<> {
        let second = u64::from(self.rate_hz.max(1));
        let (few, many) = chars(text);
        let is_short = self.samples < second || few < SHORT_CHARS;
        let silent_max = if is_short { SILENT_PERCENT_MAX.1 } else { SILENT_PERCENT_MAX.0 };
        let is_clipped = self.clipped * 100 > self.samples.max(second) * CLIPPED_PERCENT_MAX;
        let is_silent = self.silent * 100 > self.samples * silent_max;
        let is_too_fast = few * second > self.samples.max(second) * CHARS_PER_S.1;
        let is_too_slow = many.max(SHORT_CHARS) * second < self.samples * CHARS_PER_S.0;
        let faults = [
            (is_clipped, SpeechFault::Clipped),
            (is_silent, SpeechFault::Silent),
            (is_too_fast, SpeechFault::TooFast),
            (is_too_slow, SpeechFault::TooSlow),
        ];
        faults.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault))
    }
}

/// At least and at most so many characters are spoken: a digit may be a whole word, and a sign of a script of syllables is two or three letters.
fn chars(text: &str) -> (u64, u64) {
    text.trim().chars().fold((0, 0), |(few, many), c| {
        let most = if c.is_ascii_digit() {
            5
        } else if c >= '\u{2e80}' {
            3
        } else {
            1
        };
        (few + 1, many + most)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use SpeechFault::{Clipped, Silent, TooFast, TooSlow};

    const TEXT: &str = "Your parcel arrives tomorrow.";

    /// Milliseconds of a loudness each.
    fn faults(text: &str, sound: &[(usize, i16)]) -> Vec<SpeechFault> {
        let mut measured = Measured::default();
        let pcm: Vec<i16> = sound.iter().flat_map(|(ms, loud)| std::iter::repeat_n(*loud, ms * 8)).collect();
        // However it is cut.
        pcm.chunks(37).for_each(|piece| measured.hear(8_000, piece));
        let whole = measured.faults(text).collect();
        let mut measured = Measured::default();
        measured.hear(8_000, &pcm);
        assert_eq!(measured.faults(text).collect::<Vec<_>>(), whole);
        whole
    }

    #[test]
    fn what_can_be_speech_is_none_of_it() {
        assert_eq!(faults(TEXT, &[(800, 5_000), (1_200, 0)]), [], "just not silent");
        assert_eq!(faults(TEXT, &[(1_980, -5_000), (20, 32_767)]), [], "just not clipped");
        assert_eq!(faults(TEXT, &[(1_000, 5_000)]), [], "just not too fast");
        assert_eq!(faults(TEXT, &[(7_250, 5_000)]), [], "just not too slow");
    }

    #[test]
    fn what_cannot_be_speech_is_told_apart() {
        assert_eq!(faults(TEXT, &[(790, 5_000), (1_210, 100)]), [Silent]);
        assert_eq!(faults(TEXT, &[(1_979, 5_000), (21, i16::MIN)]), [Clipped]);
        assert_eq!(faults(TEXT, &[(900, 5_000)]), [], "short");
        assert_eq!(faults(&TEXT.repeat(2), &[(1_000, 5_000)]), [TooFast]);
        assert_eq!(faults(TEXT, &[(7_251, 5_000)]), [TooSlow]);
        assert_eq!(faults(TEXT, &[(9_000, 32_767)]), [Clipped, TooSlow], "all at once");
    }

    #[test]
    fn short_utterances_are_judged_leniently() {
        assert_eq!(faults("Yes.", &[(300, 5_000), (1_200, 0)]), []);
        assert_eq!(faults("Yes.", &[(3_700, 5_000)]), []);
        assert_eq!(faults("Yes.", &[(3_800, 5_000)]), [TooSlow]);
        assert_eq!(faults("Yes.", &[(1_200, 0)]), [Silent]);
        assert_eq!(faults("Well, of course!", &[(5, 32_767), (300, 5_000)]), [], "a click");
        assert_eq!(faults("Well, of course!", &[(300, 5_000)]), [], "quick");
    }

    #[test]
    fn numbers_and_scripts_of_syllables_are_spoken_longer_than_they_are_written() {
        assert_eq!(faults("4929 1388 0017 3521", &[(10_000, 5_000)]), []);
        assert_eq!(faults(&"\u{4f60}\u{597d}".repeat(10), &[(5_500, 5_000)]), []);
    }
}
