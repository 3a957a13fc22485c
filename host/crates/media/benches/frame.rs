//! Cost of 20 ms of sound in each direction.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench stops where it breaks, and needs a first moment")]

use divan::Bencher;
use divan::counter::ItemsCount;
use std::time::Instant;
use vg_media::{
    Codec, DATAGRAM_MAX, Ear, EarConfig, EarSink, Edge, FRAME, Frame, Framing, Mouth, MouthConfig, RtpStart, Side, Tape,
    UtteranceTag, rtp,
};

const FRAMES: u32 = 50;

fn main() {
    divan::main();
}

struct Sink;

impl EarSink for Sink {
    fn frame(&mut self, frame: Frame<'_>) {
        divan::black_box(frame.samples);
    }

    fn edge(&mut self, _edge: Edge) {}
}

/// PCMU packets to frames of this rate: parse, jitter, decode, VAD, resampling.
#[divan::bench(args = [8_000, 16_000])]
fn ear(bencher: Bencher<'_, '_>, rate_hz: u32) {
    let mut now = Instant::now();
    let mut ear = Ear::new(now, EarConfig { rate_hz, ..EarConfig::new(Codec::Pcmu, Framing::Rtp) }).unwrap();
    let (mut sequence, mut timestamp) = (0u16, 0u32);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            let header = rtp::Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1 };
            let mut datagram = [0x55; 172];
            datagram[..12].copy_from_slice(&rtp::write(header));
            ear.handle_datagram(now, &datagram);
            ear.poll(now, &mut Sink);
            (sequence, timestamp, now) = (sequence.wrapping_add(1), timestamp.wrapping_add(160), now + FRAME);
        }
    });
}

/// Samples of this rate to PCMU packets: queue, resampling, pacing, encoding.
#[divan::bench(args = [8_000, 16_000, 24_000])]
fn mouth(bencher: Bencher<'_, '_>, rate_hz: u32) {
    let mut now = Instant::now();
    let mut mouth = Mouth::new(now, MouthConfig::new(Codec::Pcmu, Framing::Rtp), RtpStart::default()).unwrap();
    let second: Vec<i16> = (0..rate_hz).map(|n| (n % 200 * 100) as i16).collect();
    let mut datagram = [0; DATAGRAM_MAX];
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        mouth.say(UtteranceTag(1), rate_hz, &second).unwrap();
        for _ in 0..FRAMES {
            assert!(mouth.poll_transmit(now, &mut datagram).is_some());
            now += FRAME;
        }
        while mouth.poll_event().is_some() {}
    });
}

/// Linear samples of one rate to the bytes of a codec: what a prompt kept as bytes would save.
#[divan::bench(args = [Codec::Pcmu, Codec::G722, Codec::Slin16])]
fn encode(bencher: Bencher<'_, '_>, codec: Codec) {
    let samples: Vec<i16> = (0..codec.frame_samples()).map(|n| (n % 50 * 400) as i16).collect();
    let (mut encoder, mut wire) = (codec.encoder(), vec![0; codec.frame_bytes()]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            encoder.encode(divan::black_box(&samples), &mut wire);
        }
    });
}

/// A recording: both sides of a call onto the tape, and the tape into blocks.
#[divan::bench(args = [8_000, 16_000])]
fn tape(bencher: Bencher<'_, '_>, rate_hz: u32) {
    let mut now = Instant::now();
    let frame: Vec<i16> = (0..rate_hz / 50).map(|n| (n % 50 * 400) as i16).collect();
    let (mut tape, mut block) = (Tape::new(now, rate_hz), Vec::with_capacity(rate_hz as usize));
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            tape.handle(Side::Caller, now, &frame);
            tape.handle(Side::Gateway, now, &frame);
            while tape.poll(now, &mut block).is_some() {
                block.clear();
            }
            now += FRAME;
        }
    });
}
