use super::*;
use crate::link::{Link, Rng, Weather};
use crate::rtp;

const MS: Duration = Duration::from_millis(1);
const PAYLOAD_TYPE: u8 = 101;

fn key(character: char) -> Digit {
    Digit::from_char(character).unwrap()
}

/// One event in the form of the wire.
fn event(character: char, end: bool, duration: u16) -> Vec<u8> {
    let [high, low] = duration.to_be_bytes();
    vec![key(character).event(), u8::from(end) << 7 | 10, high, low]
}

/// Digits that are told packets by hand; time goes on as the test says.
struct Bench {
    digits: Digits,
    now: Instant,
    sequence: u16,
}

impl Bench {
    fn new(rate_hz: u32) -> Self {
        Self { digits: Digits::new(rate_hz), now: Instant::now(), sequence: 65_530 }
    }

    fn raw(&mut self, ssrc: u32, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) {
        let header = Header { marker, payload_type: PAYLOAD_TYPE, sequence, timestamp, ssrc };
        self.digits.handle_packet(self.now, &header, payload);
    }

    /// The next packet of the sequence, after 20 ms.
    fn packet(&mut self, timestamp: u32, payload: &[u8]) {
        self.now += 20 * MS;
        self.sequence = self.sequence.wrapping_add(1);
        self.raw(1, self.sequence, timestamp, false, payload);
    }

    fn first(&mut self, timestamp: u32, payload: &[u8]) {
        self.now += 20 * MS;
        self.sequence = self.sequence.wrapping_add(1);
        self.raw(1, self.sequence, timestamp, true, payload);
    }

    /// All that is told by now: `+5` begins, `-5:160` ends after 160 ms.
    fn news(&mut self) -> String {
        let mut told = Vec::new();
        while let Some(news) = self.digits.poll(self.now) {
            told.push(match news {
                DigitNews::Began { digit, .. } => format!("+{}", digit.as_char()),
                DigitNews::Ended { digit, duration_ms } => format!("-{}:{duration_ms}", digit.as_char()),
            });
        }
        told.join(" ")
    }

    fn news_after(&mut self, pause: Duration) -> String {
        self.now += pause;
        self.news()
    }
}

#[test]
fn press_is_told_when_it_begins_and_when_it_ends() {
    let mut bench = Bench::new(8_000);
    assert_eq!(bench.digits.poll_timeout(), None);
    bench.first(1_000, &event('5', false, 160));
    let at = bench.now;
    assert_eq!(bench.digits.poll_timeout(), Some((at, DigitReason::News)));
    assert_eq!(bench.digits.poll(at), Some(DigitNews::Began { digit: key('5'), at }));
    assert_eq!(bench.digits.poll_timeout(), Some((at + END_MISSING, DigitReason::EndMissing)));
    bench.packet(1_000, &event('5', false, 320));
    assert_eq!(bench.news(), "");
    for _ in 0..3 {
        bench.packet(1_000, &event('5', true, 480));
    }
    assert_eq!((bench.news(), bench.digits.poll_timeout()), ("-5:60".into(), None));
    let stats = bench.digits.stats();
    assert_eq!((stats.packets, stats.digits, stats.ends_missed, stats.malformed), (5, 1, 0, 0));
}

#[test]
fn digits_of_a_captured_caller_are_told_once() {
    // SIPp dials 1 and #; all three ends of each come at once.
    let mut bench = Bench::new(8_000);
    for (code, first, timestamp) in [(1, 6_469u16, 0x1F99_FE9A), (11, 6_521, 0x1F9A_1DDA)] {
        for n in 0..10u16 {
            let [high, low] = (160 * (n + 1)).min(1_280).to_be_bytes();
            let flags = if n < 7 { 0x0A } else { 0x8A };
            bench.now += if n < 8 { 20 * MS } else { Duration::from_micros(30) };
            bench.raw(0x178B_B234, first + n, timestamp, n == 0, &[code, flags, high, low]);
        }
        bench.now += 780 * MS;
    }
    assert_eq!(bench.news(), "+1 -1:160 +# -#:160");
}

#[test]
fn end_is_assumed_after_120_ms_of_silence_and_told_once() {
    let mut bench = Bench::new(8_000);
    bench.first(1_000, &event('5', false, 160));
    bench.packet(1_000, &event('5', false, 320));
    assert_eq!(bench.news_after(119 * MS), "+5");
    assert_eq!(bench.news_after(MS), "-5:40");
    bench.packet(1_000, &event('5', false, 960));
    bench.packet(1_000, &event('5', true, 1_120));
    assert_eq!((bench.news_after(500 * MS), bench.digits.stats().ends_missed), (String::new(), 1));
}

#[test]
fn last_of_three_ends_alone_is_a_digit() {
    let mut bench = Bench::new(8_000);
    bench.packet(1_000, &event('#', true, 1_280));
    assert_eq!(bench.news(), "+# -#:160");
}

#[test]
fn equal_digits_in_a_row_are_two() {
    let mut bench = Bench::new(8_000);
    bench.packet(1_000, &event('7', true, 480));
    bench.packet(2_000, &event('7', true, 480));
    assert_eq!(bench.news(), "+7 -7:60 +7 -7:60");
}

#[test]
fn press_is_over_when_the_next_begins() {
    let mut bench = Bench::new(8_000);
    bench.first(1_000, &event('1', false, 800));
    bench.first(1_400, &event('2', false, 160));
    assert_eq!(bench.news(), "+1 -1:50 +2");
    bench.packet(1_000, &event('1', true, 960));
    bench.packet(1_400, &event('2', true, 320));
    assert_eq!(bench.news(), "-2:40");
}

#[test]
fn press_that_was_overtaken_is_told_before_the_one_that_is_held() {
    let mut bench = Bench::new(8_000);
    bench.raw(1, 14, 2_000, true, &event('2', false, 160));
    assert_eq!(bench.news(), "+2");
    bench.raw(1, 12, 1_000, false, &event('1', true, 480));
    bench.raw(1, 11, 1_000, true, &event('1', false, 320));
    bench.raw(1, 15, 2_000, false, &event('2', true, 320));
    assert_eq!(bench.news(), "+1 -1:60 -2:40");
}

#[test]
fn volume_is_ignored_and_so_is_the_reserved_bit_but_counted() {
    let mut bench = Bench::new(8_000);
    bench.packet(1_000, &[5, 63, 0, 160]);
    bench.packet(1_000, &[5, 0x40 | 1, 1, 64]);
    bench.packet(1_000, &[5, 0x80, 1, 64]);
    assert_eq!((bench.news().as_str(), bench.digits.stats().reserved), ("+5 -5:40", 1));
}

#[test]
fn what_is_no_digit_is_counted_and_ignored() {
    let mut bench = Bench::new(8_000);
    for length in 0..4 {
        bench.packet(1_000, &[1; 4][..length]);
    }
    bench.packet(1_000, &[16, 10, 0, 160]);
    bench.packet(2_000, &[255, 0x8A, 0, 160]);
    assert_eq!((bench.news(), bench.digits.poll_timeout()), (String::new(), None));
    assert_eq!((bench.digits.stats().malformed, bench.digits.stats().other_events), (4, 2));
    bench.packet(3_000, &[15, 0x8A, 0, 160, 1]);
    assert_eq!((bench.news().as_str(), bench.digits.stats().malformed), ("+D -D:20", 5), "15 is the last that is one");
}

#[test]
fn digits_packed_together_follow_each_other() {
    let mut bench = Bench::new(8_000);
    bench.first(1_000, &[event('1', true, 400), event('2', true, 800), event('2', false, 160)].concat());
    bench.packet(2_200, &event('2', true, 480));
    assert_eq!(bench.news(), "+1 -1:50 +2 -2:100 +2 -2:60");
}

#[test]
fn long_press_is_one_digit_over_its_segments() {
    for (rate_hz, end_ms) in [(8_000, 18_000), (16_000, 9_000), (48_000, 3_000)] {
        let mut bench = Bench::new(rate_hz);
        let start = u32::MAX - 20_000;
        bench.first(start, &event('9', false, 160));
        for n in 1..=(end_ms / 20) {
            let pressed = n * rate_hz / 50;
            let segment = (pressed - 1) / 0xFFFF;
            let duration = (pressed - segment * 0xFFFF) as u16;
            bench.packet(start.wrapping_add(segment * 0xFFFF), &event('9', n * 20 == end_ms, duration));
            assert_eq!(
                bench.news(),
                if n == 1 {
                    "+9".into()
                } else if n * 20 == end_ms {
                    format!("-9:{end_ms}")
                } else {
                    String::new()
                }
            );
        }
    }
}

#[test]
fn segment_that_was_missed_or_comes_late_or_closed_early_is_of_the_same_press() {
    let mut bench = Bench::new(8_000);
    let at = |segments: u32| 1_000 + segments * 0xFFFF;
    bench.packet(at(1), &event('9', false, 160));
    bench.first(at(0), &event('9', false, 65_000));
    bench.packet(at(3), &event('9', false, 160));
    bench.packet(at(1), &event('9', false, 60_000));
    bench.packet(at(3), &event('9', false, 65_280));
    bench.packet(at(4) - 255, &event('9', false, 160));
    bench.packet(at(3), &event('9', false, 65_280));
    bench.packet(at(4) - 255, &event('9', true, 160));
    assert_eq!(bench.news(), format!("+9 -9:{}", (4 * 65_535 - 255 + 160 + 4) / 8));
}

#[test]
fn equal_digit_at_the_distance_of_a_segment_is_another_if_it_is_marked_or_the_first_ended() {
    let mut bench = Bench::new(8_000);
    bench.first(1_000, &event('9', false, 160));
    bench.first(1_000 + 0xFFFF, &event('9', false, 160));
    assert_eq!(bench.news(), "+9 -9:20 +9");
    bench.packet(1_000 + 0xFFFF, &event('9', true, 320));
    bench.packet(1_000 + 2 * 0xFFFF, &event('9', true, 320));
    assert_eq!(bench.news(), "-9:40 +9 -9:40");
    // The same, the second overtaking the first: its marker tells that nothing came before it.
    let mut bench = Bench::new(8_000);
    bench.raw(1, 21, 101_000, false, &event('9', false, 320));
    bench.raw(1, 20, 101_000, true, &event('9', false, 160));
    bench.raw(1, 10, 101_000 - 0xFFFF, false, &event('9', true, 480));
    assert_eq!(bench.news(), "+9 -9:60 +9");
}

#[test]
fn clock_set_back_and_another_source_begin_anew() {
    let mut bench = Bench::new(8_000);
    bench.packet(1_000_000, &event('1', true, 480));
    bench.packet(5_000, &event('2', false, 480));
    bench.packet(6_000, &event('3', true, 480));
    assert_eq!(bench.news(), "+1 -1:60 +2 -2:60 +3 -3:60");
    bench.raw(2, 7, 6_000, true, &event('3', true, 480));
    bench.raw(2, 8, 6_000, false, &event('3', true, 480));
    assert_eq!(bench.news(), "+3 -3:60");
}

#[test]
fn presses_long_past_are_late_and_after_ten_seconds_time_may_begin_anew() {
    let mut bench = Bench::new(8_000);
    for n in 0..=PRESSES_MAX as u32 {
        bench.packet(10_000 + n * 1_000, &event('4', true, 480));
        assert_eq!(bench.news(), "+4 -4:60");
    }
    let sequence = bench.sequence;
    bench.raw(1, sequence.wrapping_sub(20), 10_000, false, &event('4', true, 480));
    assert_eq!((bench.news(), bench.digits.stats().late), (String::new(), 1), "forgotten: told before, perhaps");
    bench.raw(1, sequence.wrapping_sub(19), 11_000, false, &event('4', true, 480));
    assert_eq!((bench.news(), bench.digits.stats().late), (String::new(), 1), "remembered");
    bench.now += FORGET;
    bench.raw(1, sequence.wrapping_sub(20), 9_000, false, &event('4', true, 480));
    assert_eq!((bench.news(), bench.digits.stats().late), (String::new(), 2));
    bench.now += MS;
    bench.raw(1, sequence.wrapping_sub(20), 9_000, false, &event('4', true, 480));
    assert_eq!((bench.news().as_str(), bench.digits.stats().late), ("+4 -4:60", 2));
}

#[test]
fn more_presses_than_are_remembered_are_counted_and_none_is_told_by_half() {
    let mut bench = Bench::new(8_000);
    bench.packet(1_000, &event('0', false, 160));
    assert_eq!(bench.news(), "+0");
    for n in 2..=18 {
        bench.packet(n * 1_000, &event('1', true, 160));
    }
    let told = bench.news();
    assert_eq!((told.split(' ').next(), told.matches('+').count()), (Some("-0:20"), 15));
    assert_eq!(bench.digits.stats().overflow, 2);
}

#[test]
fn press_sent_has_a_marker_growing_durations_and_three_ends() {
    let begin = Instant::now();
    let press = SendDigit { duration: 50 * MS, ..SendDigit::new(key('*')) };
    let mut sender = DigitSender::new(begin, press);
    let mut packets = Vec::new();
    while let Some(due) = sender.poll_timeout() {
        assert_eq!(sender.poll(due - MS), None);
        let packet = sender.poll(due).unwrap();
        packets.push(((due - begin).as_millis(), packet.marker, packet.timestamp_offset, packet.payload));
    }
    let expected = [
        (0, true, 0, [10, 10, 0, 160]),
        (20, false, 0, [10, 10, 1, 64]),
        (40, false, 0, [10, 0x8A, 1, 144]),
        (60, false, 0, [10, 0x8A, 1, 144]),
        (80, false, 0, [10, 0x8A, 1, 144]),
    ];
    assert_eq!((packets, sender.poll(begin + 1_000 * MS)), (expected.to_vec(), None));
}

#[test]
fn long_press_is_sent_in_segments_without_a_gap() {
    let begin = Instant::now();
    let press = SendDigit { duration: 3_000 * MS, rate_hz: 48_000, ..SendDigit::new(key('3')) };
    let (mut sender, mut segments) = (DigitSender::new(begin, press), Vec::<(u32, bool, u16)>::new());
    while let Some(packet) = sender.poll(begin + 10_000 * MS) {
        let [_, flags, high, low] = packet.payload;
        assert_eq!(packet.marker, segments.is_empty());
        segments.retain(|(offset, ..)| *offset != packet.timestamp_offset);
        segments.push((packet.timestamp_offset, flags & 0x80 != 0, u16::from_be_bytes([high, low])));
    }
    assert_eq!(segments, [(0, false, 0xFFFF), (0xFFFF, false, 0xFFFF), (2 * 0xFFFF, true, (144_000u32 - 2 * 0xFFFF) as u16)]);
}

#[test]
fn keys_have_the_codes_of_the_rfc() {
    for (code, character) in (0..).zip("0123456789*#ABCD".chars()) {
        let digit = Digit::from_event(code).unwrap();
        assert_eq!((digit.as_char(), digit.event(), Digit::from_char(character)), (character, code, Some(digit)));
    }
    assert_eq!((Digit::from_event(16), Digit::from_char('a')), (None, None));
    assert_eq!(format!("{:?}", key('5')), "Digit(_)", "what is typed may be a secret");
}

/// A call in which somebody types.
struct Typed {
    /// Key, how long it was pressed in ms, and whether any packet of it came.
    sent: Vec<(Digit, u32, bool)>,
    told: Vec<(Digit, u32)>,
    /// Begun and not ended.
    held: Vec<Digit>,
    weather: Weather,
}

struct Typist {
    rate_hz: u32,
    /// ms: shortest press, how much longer it may be; the same of the pause after it.
    press: (u64, u64),
    pause: (u64, u64),
    presses: usize,
    /// How many keys there are: few make equal neighbours.
    keys: u64,
}

/// Packets go through a [`Link`], each with the index of its press before it.
fn typed(seed: u64, weather: Weather, typist: &Typist) -> Typed {
    let (begin, mut rng, mut link) = (Instant::now(), Rng::new(seed), Link::new(seed ^ 0xD1617, weather));
    let mut got = Typed { sent: Vec::new(), told: Vec::new(), held: Vec::new(), weather };
    let (mut digits, mut now, mut sequence) = (Digits::new(typist.rate_hz), begin, rng.next() as u16);
    let origin = rng.next() as u32;
    let draw = |(least, more): (u64, u64), rng: &mut Rng| least + rng.next() % (more + 1);
    let (mut sender, mut next) = (None::<(DigitSender, u32)>, begin);
    while got.sent.len() < typist.presses || sender.is_some() || now < next + 2_000 * MS {
        let timestamp = ((now - begin).as_millis() * u128::from(typist.rate_hz) / 1000) as u32;
        if sender.is_none() && now >= next && got.sent.len() < typist.presses {
            let digit = Digit::from_event((rng.next() % typist.keys) as u8).unwrap();
            let duration_ms = draw(typist.press, &mut rng);
            let duration = Duration::from_millis(duration_ms);
            next = now + duration + Duration::from_millis(draw(typist.pause, &mut rng));
            got.sent.push((digit, duration_ms as u32, false));
            let press = SendDigit { duration, rate_hz: typist.rate_hz, ..SendDigit::new(digit) };
            sender = Some((DigitSender::new(now, press), origin.wrapping_add(timestamp)));
        }
        if let Some((press, start)) = &mut sender {
            // A key pressed again cuts the ends of the press before short.
            while let Some(packet) = press.poll(now) {
                sequence = sequence.wrapping_add(1);
                let timestamp = start.wrapping_add(packet.timestamp_offset);
                let header = Header { marker: packet.marker, payload_type: PAYLOAD_TYPE, sequence, timestamp, ssrc: 1 };
                let index = (got.sent.len() - 1) as u32;
                link.send(now, &[&index.to_be_bytes()[..], &rtp::write(header), &packet.payload].concat());
            }
            if press.poll_timeout().is_none() || now >= next {
                sender = None;
            }
        }
        for (at, datagram) in link.deliver(now) {
            let (index, packet) = datagram.split_first_chunk::<4>().unwrap();
            got.sent[u32::from_be_bytes(*index) as usize].2 = true;
            let (header, payload) = rtp::parse(packet).unwrap();
            digits.handle_packet(at, &header, payload);
        }
        if digits.poll_timeout().is_some_and(|(at, _)| at <= now) {
            tell(now, &mut digits, &mut got);
        }
        now += 5 * MS;
    }
    assert_eq!((digits.poll_timeout(), got.held.len()), (None, 0), "all was told");
    got
}

fn tell(now: Instant, digits: &mut Digits, got: &mut Typed) {
    while let Some(news) = digits.poll(now) {
        match news {
            DigitNews::Began { digit, .. } => got.held.push(digit),
            DigitNews::Ended { digit, duration_ms } => {
                let index = got.held.iter().position(|&held| held == digit).unwrap();
                got.held.remove(index);
                got.told.push((digit, duration_ms));
            }
        }
    }
}

fn judge(seed: u64, got: &Typed) {
    let heard: Vec<_> = got.sent.iter().filter(|(.., came)| *came).collect();
    let text = |digits: &mut dyn Iterator<Item = Digit>| digits.map(Digit::as_char).collect::<String>();
    let sent = text(&mut heard.iter().map(|(digit, ..)| *digit));
    let told = text(&mut got.told.iter().map(|(digit, _)| *digit));
    let Weather { loss, duplicate, jitter_max, .. } = got.weather;
    let case = format!("seed {seed}, loss {loss}, duplicates {duplicate}, jitter {jitter_max:?}");
    if jitter_max <= 20 * MS {
        assert_eq!(told, sent, "{case}");
        for ((_, duration_ms), (_, pressed_ms, _)) in got.told.iter().zip(heard) {
            assert!(duration_ms <= pressed_ms, "{case}: {duration_ms} ms told of {pressed_ms}");
            assert!(loss > 0.0 || duration_ms == pressed_ms, "{case}: {duration_ms} ms told of {pressed_ms}");
        }
    } else {
        let sorted = |text: String| {
            let mut characters: Vec<_> = text.chars().collect();
            characters.sort_unstable();
            characters.into_iter().collect::<String>()
        };
        assert_eq!(sorted(told), sorted(sent), "{case}");
    }
}

/// All of these weathers, each with its own seeds.
fn storms(seeds: u64, typist: &Typist) -> (usize, usize) {
    let mut presses = (0, 0);
    for (n, loss) in [0.0, 0.05, 0.2, 0.5, 0.8, 0.95].into_iter().enumerate() {
        for (m, jitter_max) in [0, 20, 100, 400].map(|ms| ms * MS).into_iter().enumerate() {
            for seed in 0..seeds {
                let seed = seed * 100 + n as u64 * 10 + m as u64;
                let weather = Weather { loss, duplicate: 0.2, jitter_max, reorder: true, ..Weather::default() };
                let got = typed(seed, weather, typist);
                judge(seed, &got);
                presses = (presses.0 + got.sent.len(), presses.1 + got.told.len());
            }
        }
    }
    presses
}

#[test]
fn any_loss_that_lets_one_packet_through_gives_the_digit_once() {
    for rate_hz in [8_000, 16_000, 48_000] {
        let typist = Typist { rate_hz, press: (40, 260), pause: (60, 300), presses: 30, keys: 16 };
        let (sent, told) = storms(10, &typist);
        assert!(sent == 7_200 && told > 5_500 && told < sent, "{told} of {sent}");
    }
}

#[test]
fn equal_digits_typed_fast_are_told_apart_in_any_weather() {
    let typist = Typist { rate_hz: 8_000, press: (40, 40), pause: (40, 40), presses: 40, keys: 2 };
    storms(20, &typist);
}

#[test]
fn presses_of_many_segments_are_told_once_in_any_weather() {
    let typist = Typist { rate_hz: 48_000, press: (500, 5_000), pause: (60, 300), presses: 8, keys: 3 };
    storms(4, &typist);
}
