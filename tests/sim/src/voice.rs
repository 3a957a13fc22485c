//! What a simulated synthesiser says: a tone for each word, always the same one, or the gateway's own voice.

use crate::Format;
use crate::ear::Word;
use crate::local::LocalVoice;

/// The sound of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// In the format that was asked for.
    pub samples: Vec<u8>,
    /// Each word as it stands in the text, with the place of its sound.
    pub words: Vec<Word>,
}

/// One synthesiser.
#[derive(Clone, Debug)]
pub enum Voice {
    /// A tone a word: the sound of a text is the sound of its words one after another, so pieces join without a seam.
    Scripted(Format),
    /// The gateway's own.
    Local(LocalVoice),
}

const WORD_MS: u64 = 160;
const GAP_MS: u64 = 40;

impl Voice {
    /// The sound of a text; nothing where there is no word in it.
    pub fn speak(&self, text: &str) -> Speech {
        match self {
            Self::Scripted(format) => scripted(text, *format),
            Self::Local(voice) => voice.speak(text),
        }
    }
}

fn scripted(text: &str, format: Format) -> Speech {
    let mut speech = Speech::default();
    for (nth, text) in text.split_whitespace().enumerate() {
        let start_ms = nth as u64 * (WORD_MS + GAP_MS);
        speech.words.push(Word { text: text.to_owned(), start_ms, end_ms: start_ms + WORD_MS });
        let hz = 200 + text.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 600;
        let per_ms = u64::from(format.rate_hz) / 1000;
        let tone = (0..WORD_MS * per_ms).map(|n| {
            let phase = f64::from(hz) * n as f64 / f64::from(format.rate_hz) * std::f64::consts::TAU;
            (phase.sin() * 8000.0) as i16
        });
        let samples: Vec<i16> = tone.chain(std::iter::repeat_n(0, (GAP_MS * per_ms) as usize)).collect();
        speech.samples.extend(format.write(&samples, format.rate_hz));
    }
    speech
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_sound_as_the_whole_does() {
        for format in [Format::MULAW, Format::pcm(16_000), Format::pcm(24_000)] {
            let voice = Voice::Scripted(format);
            let whole = voice.speak("Good morning, how are you?");
            let pieces = [voice.speak("Good morning, ").samples, voice.speak("how are you?").samples].concat();
            assert_eq!(whole.samples, pieces);
            assert_eq!(format.ms(whole.samples.len()), 5 * 200);
            assert_eq!(whole.words[1], Word { text: "morning,".into(), start_ms: 200, end_ms: 360 });
        }
        assert_eq!(Voice::Scripted(Format::MULAW).speak(" \n"), Speech::default());
    }
}
