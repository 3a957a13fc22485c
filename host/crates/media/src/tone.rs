//! Sound that is made, not recorded.

use std::f32::consts::{PI, TAU};

/// The notes of the tone for who waits: a third apart, in Hz.
const NOTES_HZ: [f32; 2] = [440.0, 523.25];
/// How long each of them is.
const NOTE_MS: u32 = 180;
/// Some 24 dB below the loudest sample there is.
const NOTE_PEAK: f32 = 2_000.0;

/// Two soft notes for who waits, 360 ms at `rate_hz`, linear: heard between words, and taken for none.
pub fn hold(rate_hz: u32) -> Vec<i16> {
    let samples = rate_hz * NOTE_MS / 1_000;
    let note = |hz: f32| {
        (0..samples).map(move |n| {
            let (turns, part) = (hz * n as f32 / rate_hz as f32, n as f32 / samples as f32);
            // Rises and falls with half a wave: it begins and ends without a click.
            let loudness = (PI * part).sin() * NOTE_PEAK;
            (loudness * (TAU * turns).sin()) as i16
        })
    };
    NOTES_HZ.into_iter().flat_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tone_is_soft_short_and_without_a_click() {
        for rate_hz in [8_000, 16_000] {
            let tone = hold(rate_hz);
            assert_eq!(tone.len(), rate_hz as usize * 360 / 1_000);
            let peak = tone.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((1_500..=2_000).contains(&peak), "{peak}");
            assert!(tone[0].unsigned_abs() < 100 && tone[tone.len() - 1].unsigned_abs() < 100);
            assert!(tone.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 1_000), "it clicks");
        }
    }
}
