//! Recordings that the gateway plays by itself, read once and kept as its legs play them.

use crate::application::prompt::{Emergency, Prompt};
use crate::application::refusing::RefusalWords;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use vg_domain::refusal::Refusal;
use vg_media::resample;
use vg_media::tone;
use vg_media::wav::{self, WavError};

/// Said when no speaker is left and the operator has no words of his own for that.
const EMERGENCY: &[u8] = include_bytes!("../../prompts/en-US/emergency.wav");
const EMERGENCY_PT: &[u8] = include_bytes!("../../prompts/pt-BR/emergency.wav");
const EMERGENCY_ES: &[u8] = include_bytes!("../../prompts/es/emergency.wav");

/// Rates of the codecs that legs have.
const RATES_HZ: [u32; 2] = [8_000, 16_000];

/// A file beyond this is none of a prompt: five minutes of the finest sound.
const BYTES_MAX: u64 = 128 << 20;

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The file cannot be read.
    #[error("read prompt")]
    File(#[from] io::Error),
    /// It is longer than any prompt.
    #[error("read prompt: the file is larger than {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    /// It is no recording that is understood.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// Its rate is none of a recording's.
    #[error("read prompt: {0}")]
    Rate(#[from] vg_media::MediaError),
    /// It holds no sound.
    #[error("read prompt: there is no sound in it")]
    Empty,
}

impl PromptError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::TooLarge => "too_large",
            Self::Wav(error) => error.code(),
            Self::Rate(_) => "rate",
            Self::Empty => "empty",
        }
    }
}

/// The shipped words for when no speaker is left.
pub fn emergency() -> Emergency {
    let shipped = |file| parse(file).expect("the shipped recordings have no fault: a test reads them");
    Emergency::new(shipped(EMERGENCY)).and("pt", shipped(EMERGENCY_PT)).and("es", shipped(EMERGENCY_ES))
}

/// For who waits for an answer.
pub fn hold_tone() -> Prompt {
    let [narrow, wide] = RATES_HZ;
    Prompt::new(narrow, tone::hold(narrow)).and(wide, tone::hold(wide))
}

/// What refused callers hear: `<code>.wav` of the operator's folder, else the shipped words. Blocks on the disk.
///
/// # Errors
/// Where a file of the folder is there and cannot be played; with its name.
pub fn refusals(dir: Option<&Path>) -> Result<RefusalWords, (String, PromptError)> {
    let words = |refusal: Refusal| {
        let name = format!("{}.wav", refusal.code());
        match dir.map(|dir| dir.join(&name)).filter(|file| file.exists()) {
            Some(file) => load(&file).map(|prompt| (refusal, prompt)).map_err(|error| (name, error)),
            None => Ok((refusal, shipped(refusal))),
        }
    };
    Refusal::ALL.into_iter().map(words).collect()
}

fn shipped(refusal: Refusal) -> Prompt {
    let file: &[u8] = match refusal {
        Refusal::TenantUnknown => include_bytes!("../../prompts/en-US/tenant_unknown.wav"),
        Refusal::TenantUnavailable => include_bytes!("../../prompts/en-US/tenant_unavailable.wav"),
        Refusal::DidUnknown => include_bytes!("../../prompts/en-US/did_unknown.wav"),
        Refusal::TrunkMismatch => include_bytes!("../../prompts/en-US/trunk_mismatch.wav"),
        // To a caller it is the same.
        Refusal::OverLimit | Refusal::EventsFull => include_bytes!("../../prompts/en-US/over_limit.wav"),
        Refusal::TenantOverLimit => include_bytes!("../../prompts/en-US/tenant_over_limit.wav"),
        Refusal::Draining => include_bytes!("../../prompts/en-US/draining.wav"),
    };
    parse(file).expect("the shipped recordings have no fault: a test reads them")
}

/// Reads a recording of any sort that [`wav::read`] understands. Blocks on the disk.
///
/// # Errors
/// Where it cannot be played.
pub fn load(path: &Path) -> Result<Prompt, PromptError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(PromptError::TooLarge);
    }
    parse(&bytes)
}

fn parse(file: &[u8]) -> Result<Prompt, PromptError> {
    let wav = wav::read(file)?;
    let mono = wav.mono();
    if mono.is_empty() {
        return Err(PromptError::Empty);
    }
    let [narrow, wide] = RATES_HZ;
    let at = |rate_hz| resample::convert(&mono, wav.rate_hz, rate_hz);
    Ok(Prompt::new(narrow, at(narrow)?).and(wide, at(wide)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(file: &[u8]) -> &'static str {
        parse(file).expect_err("a fault").code()
    }

    #[test]
    fn shipped_recording_is_there_at_the_rate_of_every_leg() {
        let emergency = emergency();
        let lengths = ["en-US", "pt-BR", "es-MX"].map(|language| {
            let prompt = emergency.in_language(language);
            let ms = |rate_hz: u32| {
                let (rate, pcm) = prompt.at(rate_hz);
                (rate, pcm.len() as u32 * 1_000 / rate)
            };
            let (narrow, wide) = (ms(8_000), ms(16_000));
            assert_eq!((narrow.0, wide.0), (8_000, 16_000));
            assert!((1_000..10_000).contains(&narrow.1) && narrow.1.abs_diff(wide.1) <= 1, "{language}: {narrow:?} {wide:?}");
            assert!(prompt.at(8_000).1.iter().any(|sample| sample.unsigned_abs() > 3_000), "{language}");
            narrow.1
        });
        assert!(lengths[0] != lengths[1] && lengths[1] != lengths[2], "each in its own words: {lengths:?}");
    }

    #[test]
    fn every_codec_of_a_leg_finds_it_ready_at_its_own_rate() {
        use vg_media::codec::Codec::{G722, L16_8k, L16_16k, Pcma, Pcmu, Slin, Slin16};
        let emergency = emergency();
        for language in ["en-US", "pt-BR", "es"] {
            for codec in [Pcmu, Pcma, G722, L16_8k, L16_16k, Slin, Slin16] {
                assert_eq!(emergency.in_language(language).at(codec.rate_hz()).0, codec.rate_hz(), "{language} {codec:?}");
            }
        }
    }

    #[test]
    fn recording_of_any_rate_and_any_channels_is_converted_once() {
        // A second of 44.1 kHz: the left side has a tone, the right one is silent.
        let tone = |rate: f64, n: usize| ((n as f64 * 440.0 / rate * std::f64::consts::TAU).sin() * 16_000.0) as i16;
        let left: Vec<i16> = (0..44_100).map(|n| tone(44_100.0, n)).collect();
        let prompt = parse(&wav::write_stereo(44_100, &left, &[])).unwrap();
        for rate_hz in RATES_HZ {
            let (rate, pcm) = prompt.at(rate_hz);
            assert_eq!((rate, pcm.len()), (rate_hz, rate_hz as usize));
            for n in rate_hz as usize / 5..rate_hz as usize * 4 / 5 {
                // Half as loud, for the other side is silent; half a sample aside at most.
                let off = (i32::from(pcm[n]) - i32::from(tone(rate_hz.into(), n)) / 2).abs();
                assert!(off < 1_600, "{rate_hz} Hz, sample {n}: off by {off}");
            }
        }
    }

    #[test]
    fn every_refusal_has_short_words_and_the_operators_own_take_their_place() {
        let shipped = refusals(None).unwrap();
        for refusal in Refusal::ALL {
            let (rate_hz, pcm) = shipped[&refusal].at(8_000);
            let ms = pcm.len() as u32 * 1_000 / rate_hz;
            assert!((1_000..8_000).contains(&ms), "{}: {ms} ms", refusal.code());
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("draining.wav"), wav::write_mono(8_000, &[9; 800])).unwrap();
        let own = refusals(Some(folder.path())).unwrap();
        assert_eq!(own[&Refusal::Draining].at(8_000).1.len(), 800);
        assert_eq!(own[&Refusal::OverLimit].at(8_000).1, shipped[&Refusal::OverLimit].at(8_000).1);
        std::fs::write(folder.path().join("over_limit.wav"), b"ID3").unwrap();
        let (file, error) = refusals(Some(folder.path())).expect_err("a song");
        assert_eq!((file.as_str(), error.code()), ("over_limit.wav", "container"));
    }

    #[test]
    fn what_is_no_prompt_says_why() {
        assert_eq!(code(b"ID3 a song"), "container");
        assert_eq!(code(&wav::write_mono(8_000, &[])), "empty");
        assert_eq!(code(&wav::write_mono(3_999, &[1])), "rate");
        assert!(parse(&wav::write_mono(4_000, &[1])).is_ok());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()).expect_err("a folder").code(), "file");
        let large = folder.path().join("large.wav");
        File::create(&large).unwrap().set_len(BYTES_MAX + 1).unwrap();
        assert_eq!(load(&large).expect_err("too large").code(), "too_large");
    }
}
