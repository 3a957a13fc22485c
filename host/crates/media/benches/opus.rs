//! Cost of 20 ms of Opus.
#![allow(clippy::unwrap_used, reason = "a bench stops where it breaks")]

use divan::Bencher;
use divan::counter::ItemsCount;
use std::f64::consts::TAU;
use vg_media::codec::opus::{Decoder, Encoder, EncoderConfig, FRAME_SAMPLES, PACKET_BYTES_MAX};

const FRAMES: usize = 50;

fn main() {
    divan::main();
}

/// A second of a voice-like sound: harmonics of a gliding pitch, and some noise.
fn voice() -> Vec<[i16; FRAME_SAMPLES]> {
    let (mut phase, mut state) = (0.0, 1u32);
    let mut sample = |n: usize| {
        let time = n as f64 / 16_000.0;
        phase += TAU * (120.0 + 30.0 * (TAU * 2.0 * time).sin()) / 16_000.0;
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from((state >> 16) as i16) / 32_768.0;
        let harmonics: f64 = (1..=25).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        let loudness = 0.6 + 0.4 * (TAU * 4.0 * time).sin();
        (loudness * (5_000.0 * harmonics + 300.0 * noise)) as i16
    };
    (0..FRAMES).map(|frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n))).collect()
}

fn packets() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0; PACKET_BYTES_MAX];
    voice().iter().map(|frame| encoder.encode(frame, &mut packet).map(|length| packet[..length].to_vec()).unwrap()).collect()
}

/// A second of 50 packets at 24 kbit/s.
#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let (mut decoder, packets, mut samples) = (Decoder::new().unwrap(), packets(), [0; FRAME_SAMPLES]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for packet in &packets {
            decoder.decode(divan::black_box(packet), &mut samples).unwrap();
        }
    });
}

/// The same, with every second packet lost and made up.
#[divan::bench]
fn decode_half_and_conceal_half(bencher: Bencher<'_, '_>) {
    let (mut decoder, packets, mut samples) = (Decoder::new().unwrap(), packets(), [0; FRAME_SAMPLES]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for packet in packets.iter().step_by(2) {
            decoder.decode(divan::black_box(packet), &mut samples).unwrap();
            decoder.conceal(&mut samples).unwrap();
        }
    });
}

/// The same, with every second packet lost and taken from the copy in the next one.
#[divan::bench]
fn decode_half_and_recover_half(bencher: Bencher<'_, '_>) {
    let (mut decoder, packets, mut samples) = (Decoder::new().unwrap(), packets(), [0; FRAME_SAMPLES]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for packet in packets.iter().step_by(2) {
            decoder.recover(divan::black_box(packet), &mut samples).unwrap();
            decoder.decode(divan::black_box(packet), &mut samples).unwrap();
        }
    });
}

/// A second of 50 frames at 24 kbit/s with in-band FEC for 10 % of loss.
#[divan::bench(args = [0, 1, 2, 3, 4, 5, 6, 8, 10])]
fn encode(bencher: Bencher<'_, '_>, complexity: u8) {
    let mut encoder = Encoder::new(EncoderConfig { complexity, ..EncoderConfig::default() }).unwrap();
    let (voice, mut packet) = (voice(), [0; PACKET_BYTES_MAX]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for frame in &voice {
            encoder.encode(divan::black_box(frame), &mut packet).unwrap();
        }
    });
}
