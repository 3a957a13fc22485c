//! Proof that the per-packet path does not allocate.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a broken test stops; time needs a first moment"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};
use vg_media::codec::opus;
use vg_media::dtmf::Digits;
use vg_media::link::{Link, Weather};
use vg_media::resample::RATES_HZ;
use vg_media::rtcp::{Arrival, COMPOUND_MAX, Cname, Departure, Ntp, Reporter, ReporterConfig};
use vg_media::rtp::Header;
use vg_media::{
    Codec, DATAGRAM_MAX, Ear, EarConfig, EarSink, Edge, FRAME, Frame, Framing, Mouth, MouthConfig, Resampler, RtpStart,
    UtteranceTag,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `alloc` was the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Count {
    frames: u64,
    edges: u64,
    concealed: u64,
}

impl EarSink for Count {
    fn frame(&mut self, frame: Frame<'_>) {
        self.frames += 1;
        self.concealed += u64::from(frame.concealed);
    }

    fn edge(&mut self, _edge: Edge) {
        self.edges += 1;
    }
}

#[test]
fn second_after_the_first_allocates_nothing() {
    let begin = Instant::now();
    let mut mouth = Mouth::new(begin, MouthConfig::new(Codec::Pcmu, Framing::Rtp), RtpStart::default()).unwrap();
    let mut ear = Ear::new(begin, EarConfig { rate_hz: 16_000, ..EarConfig::new(Codec::Pcmu, Framing::Rtp) }).unwrap();
    let (mut heard, mut datagram, speech) = (Count::default(), [0; DATAGRAM_MAX], [6_000; 1_600]);
    let mut after_first_second = 0;
    for slot in 0..500u32 {
        let now = begin + FRAME * slot;
        if slot == 50 {
            after_first_second = ALLOCATIONS.get();
        }
        // Four chunks of 100 ms, then a pause as long.
        let tag = UtteranceTag(slot / 40);
        match slot % 40 {
            0 | 5 | 10 | 15 => mouth.say(tag, 16_000, &speech).unwrap(),
            16 => mouth.end(tag),
            _ => {}
        }
        while mouth.poll_event().is_some() {}
        while let Some(length) = mouth.poll_transmit(now, &mut datagram) {
            if slot % 7 != 0 {
                ear.handle_datagram(now, &datagram[..length]);
            }
        }
        ear.poll(now, &mut heard);
    }
    assert_eq!(ALLOCATIONS.get() - after_first_second, 0);
    assert!(heard.frames > 490 && heard.edges > 20 && heard.concealed > 20, "all paths were taken");
}

#[test]
fn storm_allocates_nothing() {
    let storm = Weather { loss: 0.1, burst: 3.0, duplicate: 0.1, jitter_max: Duration::from_millis(100), reorder: true };
    let begin = Instant::now();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16_16k] {
        let mut mouth = Mouth::new(begin, MouthConfig::new(codec, Framing::Rtp), RtpStart::default()).unwrap();
        let mut ear = Ear::new(begin, EarConfig { rate_hz: 16_000, ..EarConfig::new(codec, Framing::Rtp) }).unwrap();
        // The network is part of the test, not of what is proved: its packets are there before anything is counted.
        let (mut link, mut datagram, mut arrivals) = (Link::new(3, storm), [0; DATAGRAM_MAX], Vec::new());
        let speech: Vec<i16> =
            (0..160_000u32).map(|n| if n % 16_000 < 9_000 { (n * 4_111 % 9_000) as i16 - 4_500 } else { 0 }).collect();
        mouth.say(UtteranceTag(1), 16_000, &speech).unwrap();
        for slot in 0..520u32 {
            let now = begin + FRAME * slot;
            while let Some(length) = mouth.poll_transmit(now, &mut datagram) {
                link.send(now, &datagram[..length]);
            }
            arrivals.push((now, link.deliver(now)));
        }
        let (mut heard, mut before) = (Count::default(), 0);
        for (slot, (now, packets)) in arrivals.iter().enumerate() {
            if slot == 50 {
                before = ALLOCATIONS.get();
            }
            packets.iter().for_each(|(arrival, packet)| ear.handle_datagram(*arrival, packet));
            ear.poll(*now, &mut heard);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{codec:?}");
        let stats = ear.stats();
        let paths = [stats.lost, stats.reordered, stats.duplicates, stats.late, stats.concealed, stats.silent, stats.trimmed];
        assert!(paths.iter().all(|count| *count > 0), "all paths were taken: {codec:?} {stats:?}");
    }
}

#[test]
fn reports_and_digits_allocate_nothing() {
    let begin = Instant::now();
    let reporter = |ssrc| {
        let config = ReporterConfig { ssrc, rate_hz: 8_000, cname: Cname::random([7; 12]), seed: ssrc.into() };
        Reporter::new(begin, Ntp(1 << 63), config)
    };
    let (mut here, mut there, mut digits) = (reporter(1), reporter(2), Digits::new(8_000));
    let (mut datagram, mut reports, mut told) = ([0; COMPOUND_MAX], 0, 0);
    let before = ALLOCATIONS.get();
    for slot in 0..3_000u32 {
        let (now, timestamp, sequence) = (begin + FRAME * slot, slot * 160, slot as u16);
        here.handle_departure(&Departure { at: now, timestamp, octets: 160 });
        there.handle_arrival(&Arrival { at: now, ssrc: 1, sequence, timestamp: Some(timestamp) });
        let mut exchange = |from: &mut Reporter, to: &mut Reporter| {
            if let Some(length) = from.poll_transmit(now, &mut datagram) {
                to.handle_datagram(now, &datagram[..length]);
            }
        };
        exchange(&mut here, &mut there);
        exchange(&mut there, &mut here);
        reports += u32::from(here.poll_event().is_some());
        let header = Header { marker: false, payload_type: 101, sequence, timestamp: slot / 8 * 1_280, ssrc: 1 };
        digits.handle_packet(now, &header, &[(slot / 8 % 16) as u8, 10, 0, 160]);
        while digits.poll(now).is_some() {
            told += 1;
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(reports > 8 && told > 700, "all paths were taken");
}

#[test]
fn resamplers_allocate_only_when_made() {
    for from_hz in RATES_HZ {
        for to_hz in RATES_HZ {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let (input, mut output) = ([5_000; 960], [0; 960]);
            let made = ALLOCATIONS.get();
            for _ in 0..100 {
                resampler.process(&input, &mut output);
            }
            resampler.process(&input[..7], &mut output);
            resampler.process(&input, &mut output[..7]);
            resampler.reset();
            assert_eq!(ALLOCATIONS.get() - made, 0, "{from_hz} -> {to_hz}");
        }
    }
}

#[test]
fn opus_allocates_only_when_made() {
    let mut encoder = opus::Encoder::new(opus::EncoderConfig::default()).unwrap();
    let mut decoder = opus::Decoder::new().unwrap();
    let (mut packet, mut samples) = ([0; opus::PACKET_BYTES_MAX], [0; opus::FRAME_SAMPLES]);
    // This side of the library: its own side has no other calls of malloc than those that make a codec.
    let made = ALLOCATIONS.get();
    for n in 0..100i16 {
        let length = encoder.encode(&[n * 50; opus::FRAME_SAMPLES], &mut packet).unwrap();
        assert!(decoder.decode(&packet[..length], &mut samples).is_ok() && opus::packet_samples(&packet[..length]).is_ok());
        assert!(decoder.recover(&packet[..length], &mut samples).is_ok() && decoder.conceal(&mut samples).is_ok());
        assert!(decoder.decode(&[0xFF, 0xFF], &mut samples).is_err());
        opus::carries_fec(&packet[..length]);
    }
    assert_eq!(ALLOCATIONS.get() - made, 0);
}
