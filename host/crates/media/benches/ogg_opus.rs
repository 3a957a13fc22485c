//! Cost of a recording as Opus.
#![allow(clippy::unwrap_used, reason = "a bench stops where it breaks")]

use divan::Bencher;
use std::f64::consts::TAU;
use vg_media::ogg_opus::Writer;

fn main() {
    divan::main();
}

/// A minute of two people of whom one speaks at a time.
fn minute(rate_hz: u32) -> Vec<i16> {
    let mut phase = 0.0;
    let mut voice = |n: u32| {
        let time = f64::from(n) / f64::from(rate_hz);
        phase += TAU * (140.0 + 30.0 * (TAU * 2.0 * time).sin()) / f64::from(rate_hz);
        let harmonics: f64 = (1..=15).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        ((0.6 + 0.4 * (TAU * 4.0 * time).sin()) * 5_000.0 * harmonics) as i16
    };
    let turns = |n: u32| (n / (3 * rate_hz)).is_multiple_of(2);
    (0..60 * rate_hz).flat_map(|n| if turns(n) { [voice(n), 0] } else { [0, voice(n)] }).collect()
}

/// A minute of a call, both sides, into memory.
#[divan::bench(args = [8_000, 16_000])]
fn minute_of_a_call(bencher: Bencher<'_, '_>, rate_hz: u32) {
    let sound = minute(rate_hz);
    bencher.bench_local(|| {
        let mut writer = Writer::new(Vec::new(), rate_hz, 1).unwrap();
        sound.chunks(32 << 10).for_each(|piece| writer.push(divan::black_box(piece)).unwrap());
        writer.finish().unwrap()
    });
}
