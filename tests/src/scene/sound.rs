//! Sound that spells what it says.

use std::fmt::Write;

/// Rate of all sound in scenarios, in Hz.
pub(super) const RATE_HZ: u32 = 16_000;
/// A frame of 20 ms.
pub(super) const FRAME: usize = 320;
/// A character takes as long as where a voice speaks 15 in a second, as the domain takes it to.
const CHAR: usize = RATE_HZ as usize / 15 + 1;
/// The samples of the built-in recording, as the rig makes it.
const RECORDED: i16 = 7;

/// The samples of the tone for who waits, as the rig makes it.
const TONE: i16 = 5;

/// Stands before each text that is spoken: what was spoken before it ends there.
const BEGIN: i16 = i16::MIN;

/// Words in a voice: a block of samples for each character, of which the first tells the voice.
pub(super) fn speak(words: &str, voice: usize) -> Vec<i16> {
    let mark = -(i16::try_from(voice).expect("few voices") + 1);
    let block = |c: char| {
        let code = i16::try_from(u32::from(c)).expect("a character of few bits");
        std::iter::once(mark).chain(std::iter::repeat_n(code, CHAR - 1))
    };
    std::iter::once(BEGIN).chain(words.chars().flat_map(block)).collect()
}

/// Silence, in a voice's sound.
pub(super) fn silence(ms: u64) -> Vec<i16> {
    vec![0; samples(ms)]
}

/// The words of a text, and where each lies in the samples of [`speak`]: its first, and the one behind its last.
pub(super) fn places(words: &str) -> Vec<(&str, usize, usize)> {
    let place = |word: &str| {
        let before = words[..word.as_ptr() as usize - words.as_ptr() as usize].chars().count();
        (1 + before * CHAR, 1 + (before + word.chars().count()) * CHAR)
    };
    words.split_whitespace().map(|word| (word, place(word).0, place(word).1)).collect()
}

/// Milliseconds of so many samples.
pub(super) fn ms(samples: usize) -> u64 {
    (samples * 1_000).div_ceil(RATE_HZ as usize) as u64
}

fn samples(ms: u64) -> usize {
    ms as usize * RATE_HZ as usize / 1_000
}

/// How long a voice takes for these words, in milliseconds.
pub(super) fn spoken_ms(words: &str) -> u64 {
    (words.chars().count() * CHAR * 1_000).div_ceil(RATE_HZ as usize) as u64
}

/// What a caller hears of an utterance.
#[derive(Clone, Debug, Default)]
pub(super) struct HeardWords {
    text: String,
    voices: Vec<usize>,
    recorded: bool,
    toned: bool,
    block: Option<(usize, i16, usize)>,
}

impl HeardWords {
    /// One sample more.
    pub(super) fn hear(&mut self, sample: i16) {
        match (&mut self.block, sample) {
            (_, BEGIN) => self.text.push(' '),
            (_, mark) if mark < 0 => {
                let voice = usize::from((-mark - 1).unsigned_abs());
                self.change_to(voice);
                self.block = Some((voice, 0, 1));
            }
            (Some((_, code, heard)), sample) => {
                (*code, *heard) = (sample, *heard + 1);
                if *heard == CHAR {
                    let c = char::from_u32(u32::from(code.unsigned_abs())).expect("what was spoken is a character");
                    self.text.push(c);
                    self.block = None;
                }
            }
            (None, RECORDED) => self.recorded = true,
            (None, TONE) => self.toned = true,
            (None, _) => {}
        }
    }

    /// A voice that goes on for another says the word again in which that one fell.
    fn change_to(&mut self, voice: usize) {
        match self.voices.last() {
            Some(last) if *last == voice => {}
            Some(_) => {
                let whole = self.text.trim_end().rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.text.truncate(whole);
                self.voices.push(voice);
            }
            None => self.voices.push(voice),
        }
    }

    /// The words, `[recording]` in place of what the built-in recording stands for, `[tone]` for the tone of who waits.
    pub(super) fn text(&self) -> String {
        let mut text = self.text.trim().to_owned();
        if self.recorded {
            let gap = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{gap}[recording]");
        }
        if self.toned {
            text.push_str("[tone]");
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The voices that were heard, in order.
    pub(super) fn voices(&self) -> &[usize] {
        &self.voices
    }
}

/// A frame of the caller, with the characters that end in it.
pub(super) fn frame(chars: &str) -> Vec<i16> {
    let mut pcm: Vec<i16> = chars.chars().map(|c| i16::try_from(u32::from(c)).expect("a character of few bits")).collect();
    pcm.resize(FRAME, 0);
    pcm
}

/// The characters in a stretch of the caller's sound.
pub(super) fn chars(pcm: &[i16]) -> String {
    let codes = pcm.iter().filter(|sample| **sample > 0);
    codes.filter_map(|code| char::from_u32(u32::from(code.unsigned_abs()))).collect()
}
