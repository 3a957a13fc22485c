use super::*;
use std::f64::consts::TAU;

/// Every two rates that differ.
fn pairs() -> impl Iterator<Item = (u32, u32)> {
    RATES_HZ.into_iter().flat_map(|from_hz| RATES_HZ.map(|to_hz| (from_hz, to_hz))).filter(|(from_hz, to_hz)| from_hz != to_hz)
}

fn tone(rate_hz: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
    let step = TAU * hz / f64::from(rate_hz);
    (0..samples).map(|n| ((n as f64 * step).sin() * amplitude).round() as i16).collect()
}

fn noise(samples: usize, amplitude: i16) -> Vec<i16> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16
    };
    (0..samples).map(|_| (i32::from(next()) * i32::from(amplitude) / 32_768) as i16).collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64
}

/// Power of the best fitting sine of this frequency, over whole periods.
fn power_at(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let step = TAU * hz / f64::from(rate_hz);
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (n as f64 * step).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    2.0 * (re * re + im * im) / (samples.len() as f64).powi(2)
}

fn db(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-20).log10()
}

/// By how much everything unwanted is weaker at least.
fn stop_db(from_hz: u32, to_hz: u32) -> f64 {
    if from_hz.max(to_hz) == 16_000 { 69.0 } else { 80.0 }
}

const LOUD: f64 = 16_000.0;
const LOUD_POWER: f64 = LOUD * LOUD / 2.0;

/// 200 ms of what becomes of a tone, away from the edges of the recording.
fn passed(from_hz: u32, to_hz: u32, hz: f64) -> Vec<i16> {
    let converted = convert(&tone(from_hz, hz, LOUD, from_hz as usize * 3 / 10), from_hz, to_hz).unwrap();
    converted[to_hz as usize / 20..to_hz as usize / 4].to_vec()
}

/// From 50 Hz to this part of a rate, in steps of 50 Hz per 8 kHz: whole periods in 200 ms.
fn sweep(rate_hz: u32, from: f64, to: f64) -> impl Iterator<Item = f64> {
    let step = f64::from(rate_hz) / 160.0;
    ((from * 160.0).ceil().max(1.0) as u32..=(to * 160.0) as u32).map(move |n| f64::from(n) * step)
}

#[test]
fn pass_band_is_flat_within_a_hundredth_of_a_db_and_all_else_is_weaker_by_the_stop_band() {
    for (from_hz, to_hz) in pairs() {
        let lower_hz = from_hz.min(to_hz);
        let edge = if from_hz.max(to_hz) == 2 * lower_hz && lower_hz != 16_000 { 0.4375 } else { 0.425 };
        for hz in sweep(lower_hz, 0.0, edge) {
            let heard = passed(from_hz, to_hz, hz);
            let at = power_at(&heard, to_hz, hz);
            assert!(db(at / LOUD_POWER).abs() < 0.01, "{from_hz} -> {to_hz}: {hz} Hz by {:.4} dB", db(at / LOUD_POWER));
            // Images, folded tones, rounding and clicks between blocks.
            let rest_db = db((power(&heard) - at) / LOUD_POWER);
            assert!(rest_db < -stop_db(from_hz, to_hz), "{from_hz} -> {to_hz}: {hz} Hz with {rest_db:.1} dB of something else");
        }
    }
}

#[test]
fn what_lies_above_the_lower_rate_does_not_fold_back() {
    for (from_hz, to_hz) in pairs().filter(|(from_hz, to_hz)| from_hz > to_hz) {
        let edge = if (from_hz, to_hz) == (16_000, 8_000) { 0.5625 } else { 0.506 };
        let highest = f64::from(from_hz) / f64::from(to_hz) * 0.499;
        for hz in sweep(to_hz, edge, highest) {
            let heard_db = db(power(&passed(from_hz, to_hz, hz)) / LOUD_POWER);
            assert!(heard_db < -stop_db(from_hz, to_hz), "{from_hz} -> {to_hz}: {hz} Hz is heard with {heard_db:.1} dB");
        }
    }
}

#[test]
fn impulse_comes_out_at_the_stated_delay() {
    let ms: Vec<(u32, u32, f64)> = pairs()
        .map(|(from_hz, to_hz)| {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let (block, delay) = (resampler.output_samples(), resampler.delay_samples());
            // Where samples of both rates coincide, at the end of the first block.
            let at_ms = 18;
            let mut input = vec![0; 3 * resampler.input_samples()];
            input[(from_hz / 1_000 * at_ms) as usize] = 20_000;
            let mut output = vec![0; 3 * block];
            for (input, output) in input.chunks(resampler.input_samples()).zip(output.chunks_mut(block)) {
                resampler.process(input, output);
            }
            let loudest = (0..output.len()).max_by_key(|&n| output[n]).unwrap();
            assert_eq!(loudest, (to_hz / 1_000 * at_ms) as usize + delay, "{from_hz} -> {to_hz}");
            (from_hz, to_hz, delay as f64 * 1_000.0 / f64::from(to_hz))
        })
        .collect();
    for (from_hz, to_hz, delay_ms) in ms {
        let stated = match (from_hz.min(to_hz), from_hz.max(to_hz)) {
            (8_000, 16_000) => 1.9,
            (8_000, _) => 10.0,
            _ => 5.0,
        };
        assert!((delay_ms - stated).abs() < 0.05, "{from_hz} -> {to_hz}: {delay_ms} ms");
    }
}

#[test]
fn blocks_join_the_same_wherever_they_are_cut() {
    for (from_hz, to_hz) in pairs() {
        let sound = noise(from_hz as usize / 5, 20_000);
        let plain = convert(&sound, from_hz, to_hz).unwrap();
        let moved_ms = 7;
        let mut moved = vec![0; (from_hz / 1_000 * moved_ms) as usize];
        moved.extend(&sound);
        let moved = &convert(&moved, from_hz, to_hz).unwrap()[(to_hz / 1_000 * moved_ms) as usize..];
        let furthest = plain.iter().zip(moved).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max();
        assert!(furthest <= Some(1), "{from_hz} -> {to_hz}: {furthest:?}");
    }
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
fn silence_stays_silence_and_a_constant_keeps_its_height() {
    for from_hz in RATES_HZ {
        for to_hz in RATES_HZ {
            let silence = convert(&vec![0; from_hz as usize / 10], from_hz, to_hz).unwrap();
            assert!(silence.iter().all(|&sample| sample == 0), "{from_hz} -> {to_hz}");
            let constant = convert(&vec![10_000; from_hz as usize / 5], from_hz, to_hz).unwrap();
            let middle = &constant[to_hz as usize / 20..to_hz as usize / 10];
            assert!(middle.iter().all(|sample| sample.abs_diff(10_000) <= 10), "{from_hz} -> {to_hz}");
        }
    }
}

#[test]
fn loudest_sound_clips_and_does_not_wrap() {
    for (from_hz, to_hz) in pairs() {
        // A square of 200 Hz: every 2.5 ms its sign changes, and at the edges the filters overshoot.
        let half = |rate_hz: u32| rate_hz as usize / 400;
        let square: Vec<i16> =
            (0..from_hz as usize / 5).map(|n| if n / half(from_hz) % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let converted = convert(&square, from_hz, to_hz).unwrap();
        let (half, spread) = (half(to_hz), to_hz as usize / 4_000);
        for (n, &sample) in converted.iter().enumerate().filter(|(n, _)| (spread..half - spread).contains(&(n % half))) {
            let expected = if n / half % 2 == 0 { 1 } else { -1 };
            assert!(i32::from(sample) * expected > 25_000, "{from_hz} -> {to_hz}: {sample} at {n}");
        }
        assert!(converted.contains(&i16::MAX) && converted.contains(&i16::MIN), "{from_hz} -> {to_hz}");
    }
}

#[test]
fn what_was_heard_before_a_reset_is_forgotten() {
    for (from_hz, to_hz) in pairs() {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let sound = noise(resampler.input_samples(), 20_000);
        let (mut first, mut again) = (vec![0; resampler.output_samples()], vec![0; resampler.output_samples()]);
        resampler.process(&sound, &mut first);
        resampler.process(&[], &mut again);
        assert!(again.iter().any(|&sample| sample != 0), "{from_hz} -> {to_hz}: the end of it comes late");
        resampler.process(&sound, &mut again);
        resampler.reset();
        resampler.process(&sound, &mut again);
        assert_eq!(first, again, "{from_hz} -> {to_hz}");
    }
}

#[test]
fn short_input_is_filled_up_and_short_output_is_cut() {
    for from_hz in RATES_HZ {
        for to_hz in RATES_HZ {
            let fresh = || Resampler::new(from_hz, to_hz).unwrap();
            let (input, output) = (fresh().input_samples(), fresh().output_samples());
            for taken in [0, 1, input - 1, input, input + 1] {
                let mut sound = noise(taken, 20_000);
                let (mut given, mut filled) = (vec![77; output + 1], vec![77; output]);
                fresh().process(&sound, &mut given);
                sound.resize(input, 0);
                fresh().process(&sound, &mut filled);
                assert_eq!(given[..output], filled, "{from_hz} -> {to_hz}: {taken} samples");
                assert_eq!(given[output], 77, "{from_hz} -> {to_hz}: beyond the block");
                for room in [0, 1, output - 1] {
                    let mut short = vec![77; room];
                    fresh().process(&sound, &mut short);
                    assert_eq!(short, filled[..room], "{from_hz} -> {to_hz}: {room} samples of room");
                }
            }
        }
    }
}

#[test]
fn other_rates_are_refused() {
    assert_eq!(Resampler::new(8_000, 44_100).err(), Some(MediaError::Rate { rate_hz: 44_100 }));
    assert_eq!(Resampler::new(0, 8_000).err(), Some(MediaError::Rate { rate_hz: 0 }));
}

#[test]
fn recording_of_any_rate_keeps_its_tones_in_place_and_gains_no_others() {
    for from_hz in [11_025, 22_050, 32_000, 44_100, 44_101, 96_000] {
        for to_hz in [8_000, 16_000] {
            let hz = 1_000.0;
            let converted = convert(&tone(from_hz, hz, LOUD, from_hz as usize), from_hz, to_hz).unwrap();
            assert_eq!(converted.len(), to_hz as usize, "{from_hz} -> {to_hz}");
            let middle = &converted[to_hz as usize / 5..to_hz as usize * 4 / 5];
            let (kept, all) = (power_at(middle, to_hz, hz), power(middle));
            assert!(db(kept / LOUD_POWER).abs() < 0.05, "{from_hz} -> {to_hz}: {} dB", db(kept / LOUD_POWER));
            assert!(db(((all - kept) / kept).max(0.0)) < -70.0, "{from_hz} -> {to_hz}: {} dB", db((all - kept) / kept));
            // In place by half a sample of the 8 kHz side: the tone begins where it began.
            let expected = tone(to_hz, hz, LOUD, to_hz as usize);
            let off = middle.iter().zip(&expected[to_hz as usize / 5..]).map(|(a, b)| (a - b).unsigned_abs()).max();
            assert!(off < Some(6_300), "{from_hz} -> {to_hz}: off by {off:?}");
        }
    }
}

#[test]
fn rates_of_recordings_end_where_they_are_said_to() {
    let at = |from_hz| convert(&[1; 10], from_hz, 8_000).err();
    assert_eq!([4_000, 192_000].map(at), [None, None]);
    assert_eq!([3_999, 192_001].map(at), [3_999, 192_001].map(|rate_hz| Some(MediaError::Rate { rate_hz })));
    assert_eq!(convert(&[], 44_100, 8_000), Ok(vec![]));
}
