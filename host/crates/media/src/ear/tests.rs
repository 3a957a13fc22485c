use super::*;
use crate::DATAGRAM_MAX;
use crate::frame::FRAME;
use crate::link::{Link, Weather};
use crate::mouth::{Mouth, MouthConfig, RtpStart, UtteranceTag};
use std::f64::consts::TAU;

const MS: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Heard {
    line: Vec<i16>,
    frames: Vec<(u64, Instant, bool, bool)>,
    edges: Vec<Edge>,
    digits: Vec<DigitNews>,
}

impl EarSink for Heard {
    fn frame(&mut self, frame: Frame<'_>) {
        self.line.extend(frame.samples);
        self.frames.push((frame.position, frame.at, frame.voiced, frame.concealed));
    }

    fn edge(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    fn digit(&mut self, news: DigitNews) {
        self.digits.push(news);
    }
}

fn ear(begin: Instant, codec: Codec, framing: Framing) -> Ear {
    Ear::new(begin, EarConfig::new(codec, framing)).unwrap()
}

/// A packet of PCMU whose samples all have this mu-law code.
pub(super) fn packet(ssrc: u32, sequence: u16, timestamp: u32, code: u8, samples: usize) -> Vec<u8> {
    let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
    [&rtp::write(header)[..], &vec![code; samples]].concat()
}

/// Packets `(ms of arrival, ssrc, sequence, timestamp, code)` of 20 ms, heard until `ms`: first sample of every frame, and the ear.
pub(super) fn hear(packets: &[(u64, u32, u16, u32, u8)], ms: u64) -> (Vec<i16>, Ear) {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Pcmu, Framing::Rtp), Heard::default());
    for now_ms in 0..=ms {
        let now = begin + Duration::from_millis(now_ms);
        for &(_, ssrc, sequence, timestamp, code) in packets.iter().filter(|packet| packet.0 == now_ms) {
            ear.handle_datagram(now, &packet(ssrc, sequence, timestamp, code, 160));
        }
        ear.poll(now, &mut heard);
    }
    (heard.line.chunks(160).map(|frame| frame[80]).collect(), ear)
}

/// Linear values of the codes used below.
pub(super) const ONE: (u8, i16) = (0x80, 32_124);
const TWO: (u8, i16) = (0x00, -32_124);

#[test]
fn frame_comes_after_the_delay_and_bears_the_arrival_of_its_packet() {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Pcmu, Framing::Rtp), Heard::default());
    assert_eq!(ear.poll_timeout(), None);
    let arrival = begin + 7 * MS;
    ear.handle_datagram(arrival, &packet(1, 0, 0, ONE.0, 160));
    assert_eq!(ear.poll_timeout(), Some((arrival + 40 * MS, EarReason::Frame)));
    ear.poll(arrival + 39 * MS, &mut heard);
    assert!(heard.frames.is_empty());
    ear.poll(arrival + 40 * MS, &mut heard);
    assert_eq!(heard.frames, [(0, arrival, true, false)]);
    assert_eq!(heard.line, [ONE.1; 160]);
}

#[test]
fn order_of_arrival_does_not_matter_within_the_delay() {
    let packets = [(0, 1, 65_534, 0, ONE.0), (30, 1, 0, 320, ONE.0), (35, 1, 65_535, 160, TWO.0)];
    let (frames, ear) = hear(&packets, 80);
    assert_eq!(frames, [ONE.1, TWO.1, ONE.1]);
    assert_eq!((ear.stats().reordered, ear.stats().lost, ear.stats().concealed), (1, 0, 0));
}

#[test]
fn duplicates_are_dropped_and_counted() {
    let packets = [(0, 1, 0, 0, ONE.0), (1, 1, 0, 0, TWO.0), (20, 1, 1, 160, ONE.0), (25, 1, 0, 0, TWO.0)];
    let (frames, ear) = hear(&packets, 60);
    assert_eq!((frames, ear.stats().duplicates), (vec![ONE.1, ONE.1], 2));
}

#[test]
fn packets_of_any_length_are_cut_into_frames() {
    let begin = Instant::now();
    for samples in [80, 240, 480] {
        let (mut ear, mut heard) = (ear(begin, Codec::Pcmu, Framing::Rtp), Heard::default());
        let count = 4_800 / samples;
        for n in 0..count {
            let now = begin + Duration::from_micros((n * samples * 125) as u64);
            ear.poll(now, &mut heard);
            ear.handle_datagram(now, &packet(1, n as u16, (n * samples) as u32, ONE.0, samples));
        }
        ear.poll(begin + 40 * MS + FRAME * 29, &mut heard);
        assert_eq!(heard.line, [ONE.1; 4_800], "{samples}");
    }
}

#[test]
fn sender_that_falls_silent_does_not_stop_time() {
    // Asterisk sends nothing while a key is pressed; timestamps may count on or not.
    for resumed_at in [160 * 11, 160] {
        let packets = [(0, 1, 0, 0, ONE.0), (220, 1, 1, resumed_at, TWO.0), (240, 1, 2, resumed_at + 160, TWO.0)];
        let (frames, ear) = hear(&packets, 300);
        assert_eq!(frames.len(), 14, "one frame each 20 ms");
        assert_eq!((frames[0], frames[4..11].iter().any(|&sample| sample != 0)), (ONE.1, false));
        assert_eq!(frames[11..13], [TWO.1, TWO.1], "resumed at {resumed_at}");
        assert_eq!((ear.stats().concealed, ear.stats().silent), (4, 7), "60 ms, then silence; 20 ms at the end");
    }
}

#[test]
fn new_source_is_followed_from_its_second_packet() {
    let packets = [
        (0, 1, 10, 0, ONE.0),
        (20, 2, 900, 77_777, TWO.0),
        (40, 2, 901, 77_937, TWO.0),
        (60, 2, 902, 78_097, TWO.0),
        (65, 1, 11, 160, ONE.0),
    ];
    let (frames, ear) = hear(&packets, 120);
    assert_eq!((frames[0], &frames[2..4]), (ONE.1, &[TWO.1, TWO.1][..]));
    assert_eq!((ear.stats().resyncs, ear.stats().stray), (1, 2));
}

#[test]
fn timestamp_that_jumps_does_not_silence_the_caller() {
    let mut packets: Vec<_> = (0..5).map(|n| (n * 20, 1, n as u16, n as u32 * 160, ONE.0)).collect();
    packets.extend((5..10).map(|n| (n * 20, 1, n as u16, 3_000_000_000 + n as u32 * 160, TWO.0)));
    let (frames, ear) = hear(&packets, 240);
    assert_eq!(frames.iter().filter(|&&sample| sample == TWO.1).count(), 5);
    assert_eq!(ear.stats().resyncs, 1);
}

#[test]
fn what_is_no_sound_of_this_leg_is_counted_and_not_heard() {
    let begin = Instant::now();
    let mut ear = ear(begin, Codec::Pcmu, Framing::Rtp);
    ear.handle_datagram(begin, b"");
    ear.handle_datagram(begin, b"GET / HTTP/1.1\r\n\r\n");
    ear.handle_datagram(begin, &packet(1, 0, 0, 0, 0));
    let header = Header { marker: true, payload_type: 101, sequence: 0, timestamp: 0, ssrc: 1 };
    ear.handle_datagram(begin, &[&rtp::write(header)[..], &[1, 10, 0, 160]].concat());
    assert_eq!((ear.stats().garbage, ear.stats().foreign_payload), (3, 1));
    assert_eq!(ear.poll_timeout(), None);
}

#[test]
fn stream_without_headers_is_cut_into_frames_wherever_it_was_cut_before() {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Slin16, Framing::Raw), Heard::default());
    let samples: Vec<i16> = (0..320 * 10).map(|n| n as i16).collect();
    let mut wire = vec![0; samples.len() * 2];
    Codec::Slin16.encoder().encode(&samples, &mut wire);
    for (n, part) in wire.chunks(333).enumerate() {
        let now = begin + Duration::from_millis(10 * n as u64);
        ear.poll(now, &mut heard);
        ear.handle_datagram(now, part);
    }
    ear.poll(begin + 40 * MS + FRAME * 9, &mut heard);
    assert_eq!(heard.line, samples);
}

#[test]
fn sample_cut_in_two_by_a_pause_does_not_shift_those_after_it() {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Slin, Framing::Raw), Heard::default());
    let wire = 0x1234i16.to_le_bytes().repeat(320);
    ear.handle_datagram(begin, b"");
    assert_eq!((ear.poll_timeout(), ear.stats().garbage), (None, 1));
    ear.handle_datagram(begin, &wire[..321]);
    ear.poll(begin + 500 * MS, &mut heard);
    heard.line.clear();
    ear.handle_datagram(begin + 500 * MS, &wire[321..]);
    ear.poll(begin + 540 * MS, &mut heard);
    // All of the frame but its first eighth, which fades in from the silence before.
    let right = heard.line.iter().filter(|&&sample| sample == 0x1234).count();
    assert_eq!(right, 140);
}

#[test]
fn stream_that_stood_still_is_heard_whole_and_its_delay_is_won_back_in_silence() {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Slin, Framing::Raw), Heard::default());
    let feed = |ear: &mut Ear, heard: &mut Heard, slots: std::ops::Range<u32>, late_ms: u32, sample: i16| {
        for slot in slots {
            let now = begin + FRAME * slot + MS * late_ms;
            ear.poll(now, heard);
            ear.handle_datagram(now, &sample.to_le_bytes().repeat(160));
        }
    };
    feed(&mut ear, &mut heard, 0..50, 0, 9_000);
    // Ten frames come at once, 200 ms late.
    for _ in 50..60 {
        feed(&mut ear, &mut heard, 60..61, 0, 9_000);
    }
    feed(&mut ear, &mut heard, 60..100, 0, 9_000);
    let loud = |heard: &Heard| heard.line.iter().filter(|&&sample| sample == 9_000).count() / 160;
    feed(&mut ear, &mut heard, 100..1_500, 0, 3);
    // But for the lead-over from concealment, an eighth of a frame.
    assert!((99..=100).contains(&loud(&heard)), "every word is there: {}", loud(&heard));
    let trimmed = ear.stats().trimmed;
    // Ten frames and what the delay was longer at first than a steady stream needs.
    assert!((10..=12).contains(&trimmed), "{trimmed} frames left out");
    assert!(heard.frames.len() as u64 >= 1_497, "and time went on: {}", heard.frames.len());
}

#[test]
fn speech_edges_are_dated_to_the_socket() {
    let begin = Instant::now();
    let (mut ear, mut heard) = (ear(begin, Codec::Pcmu, Framing::Rtp), Heard::default());
    for n in 0..100u32 {
        let now = begin + FRAME * n + MS * (n % 3);
        ear.poll(now, &mut heard);
        let code = if (20..60).contains(&n) { 0x90 } else { 0xFF };
        ear.handle_datagram(now, &packet(1, n as u16, n * 160, code, 160));
    }
    let started = Edge::SpeechStarted { at: begin + FRAME * 20 + MS * 2, position_ms: 400 };
    let ended = Edge::SpeechEnded { last_voiced: begin + FRAME * 59 + MS * 2, position_ms: 1_200 };
    assert_eq!(heard.edges, [started, ended]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let now = Instant::now();
    let config = EarConfig::new(Codec::Pcmu, Framing::Rtp);
    let code = |config| Ear::new(now, config).err().map(|error| error.code());
    assert_eq!(code(EarConfig { rate_hz: 24_000, ..config }), Some("rate"));
    assert_eq!(code(EarConfig { codec: Codec::Slin, ..config }), Some("no_payload_type"));
    assert_eq!(code(EarConfig { delay: DELAY_MAX + MS, ..config }), Some("delay"));
    assert_eq!(code(EarConfig { delay: DELAY_MAX, ..config }), None);
}

/// Packets of ten seconds, and one more for what is still in the resampler.
const PACKETS: u64 = 501;

/// Ten seconds of a 400 Hz tone from a Mouth to an Ear.
fn over(weather: Weather, seed: u64) -> (Heard, EarStats, Link) {
    let begin = Instant::now();
    let mut mouth = Mouth::new(begin, MouthConfig::new(Codec::Pcmu, Framing::Rtp), RtpStart::default()).unwrap();
    let config = EarConfig { rate_hz: 16_000, ..EarConfig::new(Codec::Pcmu, Framing::Rtp) };
    let mut ear = Ear::new(begin, config).unwrap();
    let (mut link, mut heard) = (Link::new(seed, weather), Heard::default());
    let tone: Vec<i16> = (0..160_000).map(|n| ((f64::from(n) * TAU * 400.0 / 16_000.0).sin() * 8_000.0) as i16).collect();
    mouth.say(UtteranceTag(1), 16_000, &tone).unwrap();
    mouth.end(UtteranceTag(1));
    let mut datagram = [0; DATAGRAM_MAX];
    for tick in 0..2_100 {
        let now = begin + 5 * MS * tick;
        while let Some(length) = mouth.poll_transmit(now, &mut datagram) {
            link.send(now, &datagram[..length]);
        }
        for (arrival, datagram) in link.deliver(now) {
            ear.handle_datagram(arrival, &datagram);
        }
        ear.poll(now, &mut heard);
    }
    (heard, ear.stats(), link)
}

/// The steepest step between two samples: a click is steeper than the sound itself.
fn steepest(line: &[i16]) -> i32 {
    line.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

#[test]
fn fair_weather_delivers_every_packet_as_one_frame() {
    let (heard, stats, _) = over(Weather::default(), 1);
    assert_eq!((stats.packets, stats.lost, stats.late, stats.resyncs), (PACKETS, 0, 0, 0));
    assert_eq!(stats.frames - stats.concealed - stats.silent, PACKETS);
    // The tone's own steepest step is 8000 * tau * 400 / 16000 = 1257; mu-law adds its noise.
    assert!(steepest(&heard.line[640..150_000]) < 1_700, "{}", steepest(&heard.line[640..150_000]));
}

#[test]
fn jitter_and_disorder_within_the_delay_are_not_heard() {
    for seed in 1..=5 {
        let weather = Weather { jitter_max: 30 * MS, reorder: true, duplicate: 0.05, ..Weather::default() };
        let (_, stats, link) = over(weather, seed);
        assert_eq!((stats.lost, stats.duplicates), (0, link.duplicated), "seed {seed}");
        assert_eq!(stats.frames - stats.concealed - stats.silent, PACKETS, "seed {seed}: {stats:?}");
        assert!((3_000..20_000).contains(&stats.jitter_us), "seed {seed}: {} us", stats.jitter_us);
    }
}

#[test]
fn loss_is_concealed_without_clicks() {
    for (seed, loss) in [(1, 0.01), (2, 0.05), (3, 0.10)] {
        let (heard, stats, link) = over(Weather { loss, ..Weather::default() }, seed);
        assert!(link.lost > 0 && stats.lost.abs_diff(link.lost) <= 1, "seed {seed}: {stats:?}");
        // After the end three frames are concealed that were never sent.
        let concealed = stats.concealed - 3;
        assert!(concealed <= link.lost && concealed * 10 >= link.lost * 9, "seed {seed}: {stats:?}");
        let line = &heard.line[640..150_000];
        assert!(steepest(line) < 3_000, "seed {seed}: step of {}", steepest(line));
    }
}

#[test]
fn jitter_beyond_the_delay_costs_delay_and_not_words() {
    let (_, stats, _) = over(Weather { jitter_max: 100 * MS, ..Weather::default() }, 4);
    assert_eq!(stats.lost, 0);
    assert!(stats.frames - stats.concealed - stats.silent >= 495, "{stats:?}");
    assert!(stats.concealed + stats.silent < 40, "{stats:?}");
}

#[test]
fn clock_that_runs_slow_or_fast_for_an_hour_is_followed() {
    for ppm in [-100i64, 100] {
        let begin = Instant::now();
        let (mut ear, mut heard) = (ear(begin, Codec::Pcmu, Framing::Rtp), Heard::default());
        for n in 0..180_000u64 {
            let nominal = n * 20_000_000;
            let now = begin + Duration::from_nanos(nominal.saturating_add_signed(nominal as i64 * ppm / 1_000_000));
            ear.poll(now, &mut heard);
            heard.line.clear();
            // Words of a second between pauses of a second.
            let code = if n / 50 % 2 == 0 { 0x90 } else { 0xFF };
            ear.handle_datagram(now, &packet(1, n as u16, (n * 160) as u32, code, 160));
        }
        let stats = ear.stats();
        // 100 ppm of an hour are 360 ms.
        assert!(stats.packets == 180_000 && stats.trimmed <= 20 && stats.concealed <= 60, "{ppm}: {stats:?}");
    }
}

#[test]
fn key_among_speech_is_told_once_and_costs_no_sound() {
    let begin = Instant::now();
    let config = EarConfig { events: Some(101), ..EarConfig::new(Codec::Pcmu, Framing::Rtp) };
    let (mut ear, mut heard) = (Ear::new(begin, config).unwrap(), Heard::default());
    let event = |sequence, ticks: u16, end: bool| {
        let header = Header { marker: ticks == 160, payload_type: 101, sequence, timestamp: 10 * 160, ssrc: 1 };
        let payload = [5, u8::from(end) << 7 | 10, (ticks >> 8) as u8, ticks as u8];
        [&rtp::write(header)[..], &payload].concat()
    };
    for n in 0..60u32 {
        let now = begin + FRAME * n;
        ear.poll(now, &mut heard);
        // As Asterisk does it: no sound while a key is pressed, and the end three times.
        let datagram = match n {
            10..15 => event(n as u16, (n as u16 - 9) * 160, n == 14),
            _ => packet(1, n as u16, n * 160, ONE.0, 160),
        };
        ear.handle_datagram(now, &datagram);
        if n == 14 {
            ear.handle_datagram(now, &datagram);
        }
    }
    ear.poll(begin + FRAME * 70, &mut heard);
    let digit = crate::dtmf::Digit::from_char('5').unwrap();
    let began = DigitNews::Began { digit, at: begin + FRAME * 10 };
    assert_eq!(heard.digits, [began, DigitNews::Ended { digit, duration_ms: 100 }]);
    let stats = ear.stats();
    assert_eq!((stats.events, stats.lost, stats.foreign_payload, stats.duplicates), (5, 0, 0, 1));
    assert_eq!((stats.packets, stats.resyncs), (55, 0));
}

#[test]
fn keys_that_nobody_asked_for_are_foreign() {
    let begin = Instant::now();
    let mut ear = ear(begin, Codec::Pcmu, Framing::Rtp);
    let header = Header { marker: true, payload_type: 101, sequence: 1, timestamp: 0, ssrc: 1 };
    ear.handle_datagram(begin, &[&rtp::write(header)[..], &[5, 10, 0, 160]].concat());
    assert_eq!((ear.stats().foreign_payload, ear.stats().events, ear.poll_timeout()), (1, 0, None));
}
