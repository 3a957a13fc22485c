//! A recording as a caller: the chunks and edges that the gateway would make of it.

use crate::stage::Cue;
use std::time::{Duration, Instant};
use vg_media::codec::g711;
use vg_media::resample::convert;
use vg_media::{Codec, Ear, EarConfig, EarSink, Edge, FRAME, Frame, Framing, MediaError, wav};
use vg_plugin_host::api::{AudioFormat, Encoding, SpeechEdge};
use vg_plugin_host::recording::Told;

/// What is known of a caller before the listener is there.
const PRE_ROLL_MS: u64 = 300;
/// Then short chunks, so that the first words come soon.
const QUICK_MS: u64 = 40;
const QUICK_UNTIL_MS: u64 = PRE_ROLL_MS + 400;
/// Then chunks that cost little.
const STEADY_MS: u64 = 100;
/// Silence after speech that ends a turn.
const TURN_MS: u64 = 500;
const FRAME_MS: u64 = 20;

/// Why a recording cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It is no WAV file that is understood.
    #[error("sound file cannot be read")]
    Wav(#[from] wav::WavError),
    /// Its rate is no rate of the house.
    #[error("sound cannot be brought to the rate asked for")]
    Rate(#[from] MediaError),
}

impl SoundError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wav(_) => "wav",
            Self::Rate(_) => "rate",
        }
    }
}

/// A WAV file as mono samples of that rate.
///
/// # Errors
/// See [`SoundError`].
pub fn caller_sound(file: &[u8], rate_hz: u32) -> Result<Vec<i16>, SoundError> {
    let wav = wav::read(file)?;
    Ok(convert(&wav.mono(), wav.rate_hz, rate_hz)?)
}

/// What a speaker said, as a WAV file. Half a sample at the end is left out.
pub fn sound_file(sound: &[u8], format: AudioFormat) -> Vec<u8> {
    let mut samples = vec![0; sound.len() / format.encoding.sample_bytes()];
    match format.encoding {
        Encoding::PcmS16le => {
            for (sample, pair) in samples.iter_mut().zip(sound.chunks_exact(2)) {
                *sample = i16::from_le_bytes([pair[0], pair[1]]);
            }
        }
        Encoding::Mulaw => g711::decode_ulaw(sound, &mut samples),
        Encoding::Alaw => g711::decode_alaw(sound, &mut samples),
    }
    wav::write_mono(format.rate_hz, &samples)
}

/// When a caller's sound, its edges and ends of turns are told. Each chunk comes when its last sample has been spoken.
pub(super) fn cues(sound: &[i16], format: AudioFormat) -> Vec<Cue> {
    let frame = format.rate_hz as usize / 50;
    let edges = edges(sound, format.rate_hz);
    let mut cues = Vec::new();
    let (mut chunk, mut turn_ends_ms, mut unheard) = (Vec::new(), None, false);
    for (nth, samples) in sound.chunks(frame).enumerate() {
        let now_ms = (nth as u64 + 1) * FRAME_MS;
        encode(samples, format.encoding, &mut chunk);
        unheard = true;
        let noticed: Vec<SpeechEdge> = edges.iter().filter(|(at, _)| *at == nth).map(|(_, edge)| *edge).collect();
        let chunk_ms = chunk.len() as u64 * 1000 / (u64::from(format.rate_hz) * format.encoding.sample_bytes() as u64);
        let full_ms = if now_ms <= PRE_ROLL_MS {
            PRE_ROLL_MS
        } else if now_ms <= QUICK_UNTIL_MS {
            QUICK_MS
        } else {
            STEADY_MS
        };
        let turn_is_over = turn_ends_ms.is_some_and(|ends_ms| now_ms >= ends_ms) && noticed.is_empty();
        if chunk_ms >= full_ms || !noticed.is_empty() || turn_is_over {
            cues.push(Cue { at_ms: now_ms, told: Told::Audio(std::mem::take(&mut chunk)) });
        }
        for edge in noticed {
            turn_ends_ms = if let SpeechEdge::Ended(ms) = edge { Some(ms + TURN_MS) } else { None };
            cues.push(Cue { at_ms: now_ms, told: Told::Edge(edge) });
        }
        if turn_is_over {
            (turn_ends_ms, unheard) = (None, false);
            cues.push(Cue { at_ms: now_ms, told: Told::Finalize });
        }
    }
    let end_ms = sound.len().div_ceil(frame) as u64 * FRAME_MS;
    if !chunk.is_empty() {
        cues.push(Cue { at_ms: end_ms, told: Told::Audio(chunk) });
    }
    if unheard {
        cues.push(Cue { at_ms: end_ms, told: Told::Finalize });
    }
    cues
}

fn encode(samples: &[i16], encoding: Encoding, chunk: &mut Vec<u8>) {
    let from = chunk.len();
    chunk.resize(from + samples.len() * encoding.sample_bytes(), 0);
    let place = &mut chunk[from..];
    match encoding {
        Encoding::PcmS16le => {
            for (pair, sample) in place.chunks_exact_mut(2).zip(samples) {
                pair.copy_from_slice(&sample.to_le_bytes());
            }
        }
        Encoding::Mulaw => g711::encode_ulaw(samples, place),
        Encoding::Alaw => g711::encode_alaw(samples, place),
    }
}

/// Edges as the gateway's own ear hears them, each with the frame after which it was known.
fn edges(sound: &[i16], rate_hz: u32) -> Vec<(usize, SpeechEdge)> {
    struct Noticed(Vec<SpeechEdge>);
    impl EarSink for Noticed {
        fn frame(&mut self, _: Frame<'_>) {}
        fn edge(&mut self, edge: Edge) {
            self.0.push(match edge {
                Edge::SpeechStarted { position_ms, .. } => SpeechEdge::Started(position_ms),
                Edge::SpeechEnded { position_ms, .. } => SpeechEdge::Ended(position_ms),
            });
        }
    }
    let begun = Instant::now();
    let config = EarConfig { delay: Duration::ZERO, ..EarConfig::new(Codec::Slin, Framing::Raw) };
    let (Ok(narrow), Ok(mut ear)) = (convert(sound, rate_hz, Codec::Slin.rate_hz()), Ear::new(begun, config)) else {
        return Vec::new();
    };
    let mut edges = Vec::new();
    for (nth, samples) in narrow.chunks(Codec::Slin.frame_samples()).enumerate() {
        let now = begun + FRAME * nth as u32;
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        ear.handle_datagram(now, &bytes);
        let mut noticed = Noticed(Vec::new());
        ear.poll(now, &mut noticed);
        edges.extend(noticed.0.into_iter().map(|edge| (nth, edge)));
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };

    /// Seconds of noise or silence at 8 kHz.
    fn sound(pieces: &[(bool, f64)]) -> Vec<i16> {
        let mut state = 7u32;
        let noise = |loud: bool| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sample = (state >> 16) as i16;
            if loud { sample / 8 } else { sample / 2000 }
        };
        let samples = |(loud, s): &(bool, f64)| vec![*loud; (s * 8000.0) as usize];
        pieces.iter().flat_map(samples).map(noise).collect()
    }

    fn audio_ms(cues: &[Cue]) -> Vec<u64> {
        let bytes = |cue: &Cue| if let Told::Audio(chunk) = &cue.told { Some(chunk.len() as u64 / 8) } else { None };
        cues.iter().filter_map(bytes).collect()
    }

    #[test]
    fn chunks_are_long_at_first_then_short_then_steady_and_nothing_is_lost() {
        let cues = cues(&sound(&[(false, 2.0)]), FORMAT);
        let lengths = audio_ms(&cues);
        assert_eq!(lengths[0], 300);
        assert_eq!(lengths[1..11], [40; 10]);
        assert_eq!(lengths[11..14], [100; 3]);
        assert_eq!(lengths.iter().sum::<u64>(), 2000);
        assert!(cues.is_sorted_by_key(|cue| cue.at_ms));
        assert!(matches!(cues.last(), Some(Cue { at_ms: 2000, told: Told::Finalize })));
    }

    #[test]
    fn an_edge_flushes_and_silence_after_speech_ends_the_turn() {
        let cues = cues(&sound(&[(false, 1.0), (true, 1.0), (false, 1.5), (true, 0.5)]), FORMAT);
        assert_eq!(audio_ms(&cues).iter().sum::<u64>(), 4000);
        let names: Vec<&str> = cues.iter().map(|cue| cue.told.name()).filter(|name| *name != "audio").collect();
        assert_eq!(names, ["edge", "edge", "finalize", "edge", "finalize"]);
        let turn = cues.iter().find(|cue| matches!(cue.told, Told::Finalize)).unwrap();
        assert!((2500..2600).contains(&turn.at_ms), "{}", turn.at_ms);
    }

    #[test]
    fn what_was_spoken_is_written_in_its_own_rate() {
        let file = sound_file(&[0xff; 80], FORMAT);
        let wav = wav::read(&file).unwrap();
        assert_eq!((wav.rate_hz, wav.samples.len()), (8000, 80));
        assert!(caller_sound(b"RIFF", 8000).is_err());
    }
}
