//! What is said in the recordings of `fixtures`, in every format that a caller or a driver may send them in.

use crate::ear::Word;
use crate::{Coding, Format};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Bytes by which a place in a recording is known. Places that look alike are not told apart and not used.
pub(crate) const MARK: usize = 48;

/// A recording with its words.
#[derive(Debug)]
pub struct Recording {
    /// For stories.
    pub name: String,
    /// BCP 47 tag.
    pub language: String,
    /// Phrases of words; times since the recording's first sample.
    pub phrases: Vec<Vec<Word>>,
    /// The first of a format is the one that is sent; encoders differ in a bit here and there, so there may be others.
    sounds: HashMap<Format, Vec<Sound>>,
}

/// One format of a recording.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) bytes: Vec<u8>,
    places: HashMap<u64, Option<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    recording: Vec<RawRecording>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecording {
    name: String,
    language: String,
    files: HashMap<String, String>,
    phrase: Vec<RawPhrase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhrase {
    from_ms: u64,
    to_ms: u64,
    text: String,
}

/// All recordings of the fixtures.
pub fn recordings() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(|| {
        let raw: RawScript =
            toml::from_str(include_str!("../fixtures/script.toml")).expect("the fixtures' script is well-formed");
        raw.recording.into_iter().map(Recording::of).collect()
    });
    &ALL
}

impl Recording {
    fn of(raw: RawRecording) -> Self {
        let phrases = raw.phrase.iter().map(words).collect();
        let mut sounds: HashMap<Format, Vec<Sound>> = HashMap::new();
        for (format, file) in &raw.files {
            let format = format_named(format).expect("the script names formats of the house");
            sounds.insert(format, vec![Sound::of(fixture(file).to_vec())]);
        }
        let narrow = Format::pcm(8000);
        let samples = narrow.read(&sounds[&narrow][0].bytes);
        let mut known = |format: Format, made: Vec<u8>| {
            let known = sounds.entry(format).or_default();
            if known.iter().all(|sound| sound.bytes != made) {
                known.push(Sound::of(made));
            }
        };
        for format in [Format::pcm(16_000), Format::pcm(24_000), Format::MULAW, Format::ALAW] {
            known(format, format.write(&samples, 8000));
        }
        // A plugin whose vendor wants another rate has its own way there.
        let (wide, widest) = (Format::pcm(16_000), Format::pcm(24_000));
        known(widest, widest.write(&by_guest(&samples, 8000, 24_000), 24_000));
        let samples = wide.read(&sounds[&wide][0].bytes);
        let made = widest.write(&by_guest(&samples, 16_000, 24_000), 24_000);
        sounds.entry(widest).or_default().push(Sound::of(made));
        // What a client makes of logarithmic samples for a vendor that takes linear ones only.
        let decoded: Vec<Sound> = [Format::MULAW, Format::ALAW]
            .iter()
            .flat_map(|format| sounds[format].iter().map(|sound| Sound::of(narrow.write(&format.read(&sound.bytes), 8000))))
            .collect();
        sounds.entry(narrow).or_default().extend(decoded);
        // What a gateway makes of a telephone's sound for an engine that wants it wide.
        let widened: Vec<Sound> =
            sounds[&Format::MULAW].iter().map(|sound| Sound::of(wide.write(&Format::MULAW.read(&sound.bytes), 8000))).collect();
        sounds.entry(wide).or_default().extend(widened);
        // What a client made of logarithmic samples for a vendor that takes linear ones only, written as mu-law once more.
        let again: Vec<Sound> = [Format::MULAW, Format::ALAW]
            .iter()
            .flat_map(|format| sounds[format].iter().map(|sound| Format::MULAW.write(&format.read(&sound.bytes), 8000)))
            .map(Sound::of)
            .collect();
        sounds.entry(Format::MULAW).or_default().extend(again);
        Self { name: raw.name, language: raw.language, phrases, sounds }
    }

    /// The recording's bytes in a format; none in one that nobody sends.
    pub fn bytes(&self, format: Format) -> Option<&[u8]> {
        self.sounds.get(&format)?.first().map(|sound| sound.bytes.as_slice())
    }

    /// Every phrase as a text.
    pub fn texts(&self) -> Vec<String> {
        self.phrases.iter().map(|phrase| phrase.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")).collect()
    }

    pub(crate) fn sounds(&self, format: Format) -> &[Sound] {
        self.sounds.get(&format).map_or(&[], Vec::as_slice)
    }
}

impl Sound {
    fn of(bytes: Vec<u8>) -> Self {
        let mut places = HashMap::new();
        for (at, mark) in bytes.windows(MARK).enumerate().filter(|(_, mark)| is_telling(mark)) {
            places.entry(hash(mark)).and_modify(|place| *place = None).or_insert(Some(at));
        }
        Self { bytes, places }
    }

    /// Where these bytes ([`MARK`] of them) are in the recording.
    pub(crate) fn place(&self, mark: &[u8]) -> Option<usize> {
        let at = self.places.get(&hash(mark)).copied().flatten()?;
        (self.bytes.get(at..at + mark.len()) == Some(mark)).then_some(at)
    }
}

/// As plugins change rates.
fn by_guest(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    let mut made = Vec::new();
    if let Ok(mut resampler) = vg_wire::resample::Resampler::new(from_hz, to_hz) {
        resampler.push(samples, &mut made);
        resampler.finish(&mut made);
    }
    made
}

/// Silence looks alike everywhere.
fn is_telling(mark: &[u8]) -> bool {
    let mut seen = [false; 256];
    mark.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() > MARK / 4
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn words(phrase: &RawPhrase) -> Vec<Word> {
    let texts: Vec<&str> = phrase.text.split_whitespace().collect();
    let at = |nth: usize| phrase.from_ms + (phrase.to_ms - phrase.from_ms) * nth as u64 / texts.len() as u64;
    texts
        .iter()
        .enumerate()
        .map(|(nth, text)| Word { text: (*text).to_owned(), start_ms: at(nth), end_ms: at(nth + 1) })
        .collect()
}

fn format_named(name: &str) -> Option<Format> {
    let (coding, rate) = name.split_once('-')?;
    let coding = match coding {
        "pcm" => Coding::Pcm,
        "mulaw" => Coding::Mulaw,
        "alaw" => Coding::Alaw,
        _ => return None,
    };
    Some(Format { coding, rate_hz: rate.parse().ok()? })
}

fn fixture(name: &str) -> &'static [u8] {
    match name {
        "account.wav" => samples(include_bytes!("../fixtures/account.wav")),
        "en8k.ulaw" => include_bytes!("../fixtures/en8k.ulaw"),
        "en16k.pcm" => include_bytes!("../fixtures/en16k.pcm"),
        "saldo.wav" => samples(include_bytes!("../fixtures/saldo.wav")),
        "pt8k.ulaw" => include_bytes!("../fixtures/pt8k.ulaw"),
        _ => &[],
    }
}

/// What lies behind the header.
fn samples(file: &'static [u8]) -> &'static [u8] {
    vg_wire::wav::data_offset(file).map_or(&[], |at| &file[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_known_in_the_formats_that_are_sent() {
        for recording in recordings() {
            for format in [Format::MULAW, Format::ALAW, Format::pcm(8000), Format::pcm(16_000), Format::pcm(24_000)] {
                let bytes = recording.bytes(format).unwrap();
                assert!((5000..8000).contains(&format.ms(bytes.len())), "{}: {format:?}", recording.name);
                let middle = bytes.len() / 4 * 2;
                let sound = &recording.sounds(format)[0];
                let place = (middle..middle + 4000).find_map(|at| sound.place(&bytes[at..at + MARK]).map(|place| (at, place)));
                assert!(matches!(place, Some((at, place)) if at == place), "{}: {format:?}", recording.name);
            }
            assert!(!recording.texts().concat().is_empty());
        }
    }
}
