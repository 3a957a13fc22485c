//! Cost of changing 20 ms of sound from one rate to another.
#![allow(clippy::unwrap_used, reason = "a bench stops where it breaks")]

use divan::Bencher;
use divan::counter::ItemsCount;
use vg_media::Resampler;

const FRAMES: usize = 50;

fn main() {
    divan::main();
}

/// A second in frames, so that a row's throughput counts frames; its time is that of 50.
#[divan::bench(args = [
    (8_000, 16_000), (16_000, 8_000),
    (8_000, 24_000), (24_000, 8_000), (8_000, 48_000), (48_000, 8_000),
    (16_000, 24_000), (24_000, 16_000), (16_000, 48_000), (48_000, 16_000),
    (24_000, 48_000), (48_000, 24_000),
])]
fn second(bencher: Bencher<'_, '_>, (from_hz, to_hz): (u32, u32)) {
    let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 17) as i16 - (1 << 14)
    };
    let sound: Vec<i16> = (0..resampler.input_samples() * FRAMES).map(|_| noise()).collect();
    let mut output = vec![0; resampler.output_samples()];
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for frame in sound.chunks(resampler.input_samples()) {
            resampler.process(frame, &mut output);
            divan::black_box(&mut output);
        }
    });
}
