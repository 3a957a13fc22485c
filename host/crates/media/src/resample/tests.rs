use super::*;
use std::f64::consts::TAU;

fn tone(rate_hz: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
    let step = TAU * hz / f64::from(rate_hz);
    (0..samples).map(|n| ((n as f64 * step).sin() * amplitude).round() as i16).collect()
}

/// Ratio in dB of the best fitting sine of this frequency to all else.
fn snr_db(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let step = TAU * hz / f64::from(rate_hz);
    let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (n as f64 * step).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
        total += f64::from(sample).powi(2);
    }
    let signal = 2.0 * (re * re + im * im) / samples.len() as f64;
    10.0 * (signal / (total - signal)).log10()
}

#[test]
fn tone_of_1_khz_keeps_60_db_between_all_rates() {
    for from_hz in RATES_HZ {
        for to_hz in RATES_HZ {
            let second = tone(from_hz, 1000.0, 16_000.0, from_hz as usize);
            let converted = convert(&second, from_hz, to_hz).unwrap();
            assert_eq!(converted.len(), to_hz as usize);
            // Whole periods, away from the edges of the recording.
            let middle = &converted[to_hz as usize / 10..to_hz as usize * 9 / 10];
            let snr = snr_db(middle, to_hz, 1000.0);
            assert!(snr >= 60.0, "{from_hz} -> {to_hz}: {snr:.1} dB");
        }
    }
}

#[test]
fn telephone_band_passes_and_what_lies_above_does_not_fold_back() {
    let level_db = |hz| {
        let converted = convert(&tone(16_000, hz, 16_000.0, 16_000), 16_000, 8_000).unwrap();
        let power = converted[800..7200].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 6400.0;
        10.0 * (power / (16_000f64.powi(2) / 2.0)).log10()
    };
    assert!(level_db(3_300.0) > -1.0, "{}", level_db(3_300.0));
    assert!(level_db(5_000.0) < -60.0, "{}", level_db(5_000.0));
}

#[test]
fn stream_equals_the_whole_but_for_its_delay() {
    let second = tone(24_000, 440.0, 8_000.0, 24_000);
    let whole = convert(&second, 24_000, 8_000).unwrap();
    let mut resampler = Resampler::new(24_000, 8_000).unwrap();
    let mut stream = Vec::new();
    for block in second.chunks(480) {
        let mut output = [0; 160];
        resampler.process(block, &mut output);
        stream.extend(output);
    }
    let delay = resampler.delay_samples();
    assert_eq!(delay, 80);
    assert_eq!(stream[delay..], whole[..whole.len() - delay]);
}

#[test]
fn loudest_sound_clips_and_does_not_wrap() {
    let square: Vec<i16> = (0..8000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let converted = convert(&square, 8_000, 16_000).unwrap();
    for (n, pair) in converted.windows(2).enumerate() {
        assert!((i32::from(pair[0]) - i32::from(pair[1])).abs() < 45_000, "jump at {n}: {pair:?}");
    }
}

#[test]
fn other_rates_are_refused() {
    assert_eq!(Resampler::new(8_000, 44_100).err(), Some(MediaError::Rate { rate_hz: 44_100 }));
    assert_eq!(Resampler::new(0, 8_000).err(), Some(MediaError::Rate { rate_hz: 0 }));
}

#[test]
fn zz_measure() {
    for from_hz in RATES_HZ {
        for to_hz in RATES_HZ {
            if from_hz == to_hz { continue; }
            let low = from_hz.min(to_hz);
            let mut line = String::new();
            for f in [0.05, 0.4, 0.425, 0.43, 0.4375, 0.44,0.45, 0.46,0.47,0.5,0.53,0.54,0.55,0.56,0.5625,0.57,0.575,0.6,0.8,1.0,1.4,2.5] {
                let hz = f64::from(low) * f;
                if hz > f64::from(from_hz) * 0.499 { continue; }
                let hz = (hz / 10.0).round() * 10.0;
                let s = tone(from_hz, hz, 16_000.0, from_hz as usize);
                let c = convert(&s, from_hz, to_hz).unwrap();
                let m = &c[to_hz as usize / 10..to_hz as usize * 9 / 10];
                let p = m.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / m.len() as f64;
                let level = 10.0 * (p.max(1e-9) / (16_000f64.powi(2) / 2.0)).log10();
                let snr = if hz < f64::from(to_hz) / 2.0 { snr_db(m, to_hz, hz) } else { 0.0 };
                line += &format!(" {f}:{level:.3}/{snr:.1}");
            }
            println!("{from_hz}->{to_hz} delay {}:{line}", Resampler::new(from_hz, to_hz).unwrap().delay_samples());
        }
    }
}
