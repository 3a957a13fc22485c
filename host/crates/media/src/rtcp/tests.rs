use super::*;
use crate::link::{Link, Weather};
use crate::rtp::{self, Header};
use std::time::Instant;

const MS: Duration = Duration::from_millis(1);
const RATE_HZ: u32 = 8_000;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0xAABB_CCDD,
    fraction_lost: 13,
    cumulative_lost: -2,
    extended_highest: 0x0001_FFFE,
    jitter: 77,
    last_sr: 0x1234_5678,
    delay_since_last_sr: 0x0001_8000,
};
const SENDER: SenderInfo =
    SenderInfo { ntp: Ntp(0x0102_0304_8000_0000), rtp_timestamp: 0xFFFF_FF00, packets: 1_000, octets: 160_000 };

fn written(compound: &Compound<'_>) -> Vec<u8> {
    let mut datagram = [0xEE; COMPOUND_MAX];
    let length = write(compound, &mut datagram).unwrap();
    datagram[..length].to_vec()
}

/// One packet with its header: first byte's low six bits, type, body.
fn raw(low: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4) as u16;
    [&[0x80 | low, kind], &words.to_be_bytes()[..], body].concat()
}

fn refused(datagram: &[u8]) -> RtcpError {
    parse(datagram).unwrap_err()
}

#[test]
fn compound_written_is_the_compound_read() {
    for length in [1, 2, 3, 4, 5, 255] {
        let cname = Cname::new(&"n".repeat(length)).unwrap();
        let datagram = written(&Compound { ssrc: 7, sender: Some(SENDER), reports: &[BLOCK], cname: &cname, bye: true });
        let packets: Vec<_> = parse(&datagram).unwrap().collect();
        let [Packet::SenderReport { ssrc: 7, sender: SENDER, reports }, Packet::SourceDescription(chunks), goodbye] =
            &packets[..]
        else {
            panic!("{packets:?}")
        };
        assert_eq!(reports.clone().collect::<Vec<_>>(), [BLOCK]);
        let chunk: Vec<_> = chunks.clone().map(|chunk| (chunk.ssrc, chunk.cname())).collect();
        assert_eq!(chunk, [(7, Some(cname.as_str().as_bytes()))]);
        let Packet::Goodbye { sources, reason: None } = goodbye else { panic!("{goodbye:?}") };
        assert_eq!(sources.clone().collect::<Vec<_>>(), [7]);
        assert_eq!((datagram.len() % 4, datagram.len() == COMPOUND_MAX), (0, length == 255));
    }
}

#[test]
fn receiver_report_has_the_bytes_of_the_rfc() {
    let cname = Cname::new("ab").unwrap();
    let datagram = written(&Compound { ssrc: 0x0A0B_0C0D, sender: None, reports: &[BLOCK], cname: &cname, bye: false });
    let expected = [
        &[0x81, 201, 0, 7, 0x0A, 0x0B, 0x0C, 0x0D][..],
        &[0xAA, 0xBB, 0xCC, 0xDD, 13, 0xFF, 0xFF, 0xFE, 0, 1, 0xFF, 0xFE, 0, 0, 0, 77],
        &[0x12, 0x34, 0x56, 0x78, 0, 1, 0x80, 0],
        &[0x81, 202, 0, 3, 0x0A, 0x0B, 0x0C, 0x0D, 1, 2, b'a', b'b', 0, 0, 0, 0],
    ];
    assert_eq!(datagram, expected.concat());
}

/// A sender report of Asterisk 22.10, as captured.
const FROM_ASTERISK: &str = "81c8000c1334497beead991718b6a5801f9a5c58000000eb000092e0\
    178bb23400000000000019df00000011000000000000000081ca000b1334497b0124\
    30363136613064662d653664352d343666342d393538382d3533373963646566633331320000";

#[test]
fn report_of_asterisk_is_understood() {
    let digit = |at| u8::from_str_radix(&FROM_ASTERISK[at..at + 2], 16).unwrap();
    let datagram: Vec<_> = (0..FROM_ASTERISK.len()).step_by(2).map(digit).collect();
    let packets: Vec<_> = parse(&datagram).unwrap().collect();
    let [Packet::SenderReport { ssrc: 0x1334_497B, sender, reports }, Packet::SourceDescription(names)] = &packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!((sender.ntp, sender.packets, sender.octets), (Ntp(0xEEAD_9917_18B6_A580), 235, 235 * 160));
    let block = ReportBlock { ssrc: 0x178B_B234, extended_highest: 6_623, jitter: 17, ..ReportBlock::default() };
    assert_eq!(reports.clone().collect::<Vec<_>>(), [block]);
    assert_eq!(names.clone().next().unwrap().cname(), Some(&b"0616a0df-e6d5-46f4-9588-5379cdefc312"[..]));
}

#[test]
fn buffer_that_just_holds_a_compound_suffices_and_one_byte_less_does_not() {
    let cname = Cname::random([0xA5; 12]);
    assert_eq!(cname.as_str(), "a5".repeat(12));
    let compound = Compound { ssrc: 7, sender: Some(SENDER), reports: &[BLOCK], cname: &cname, bye: true };
    let length = written(&compound).len();
    assert_eq!(write(&compound, &mut vec![0; length]), Some(length));
    assert_eq!(write(&compound, &mut vec![0; length - 1]), None);
    let (most, more) = (vec![BLOCK; 31], vec![BLOCK; 32]);
    assert!(write(&Compound { reports: &most, ..compound }, &mut [0; 2_000]).is_some());
    assert!(write(&Compound { reports: &more, ..compound }, &mut [0; 2_000]).is_none());
}

#[test]
fn names_of_one_to_255_bytes_are_taken() {
    assert_eq!(Cname::new(""), Err(CnameError::Empty));
    assert!(Cname::new(&"x".repeat(255)).is_ok());
    assert_eq!(Cname::new(&"x".repeat(256)), Err(CnameError::Long { bytes: 256 }));
}

#[test]
fn lost_is_kept_within_24_bits() {
    for (told, heard) in [(0x7F_FFFF, 0x7F_FFFF), (0x80_0000, 0x7F_FFFF), (-0x80_0000, -0x80_0000), (-0x80_0001, -0x80_0000)] {
        let block = ReportBlock { cumulative_lost: told, ..BLOCK };
        assert_eq!(ReportBlock::read(&block.write()).cumulative_lost, heard);
    }
}

#[test]
fn reduced_size_packets_and_unknown_types_are_accepted() {
    let bye = raw(1, 203, &7u32.to_be_bytes());
    let feedback = raw(1, 206, &[0; 12]);
    let extended = raw(0, 207, &[0; 8]);
    let datagram = [&feedback[..], &bye, &extended].concat();
    let Packet::Goodbye { mut sources, .. } = parse(&datagram).unwrap().next().unwrap() else { panic!() };
    assert_eq!(sources.next(), Some(7));
    assert_eq!(parse(&feedback).unwrap().count(), 0);
}

#[test]
fn reason_of_leaving_and_application_data_are_given() {
    let bye = raw(1, 203, &[0, 0, 0, 7, 3, b'e', b'n', b'd']);
    let Some(Packet::Goodbye { reason, .. }) = parse(&bye).unwrap().next() else { panic!() };
    assert_eq!(reason, Some(&b"end"[..]));
    assert_eq!(refused(&raw(1, 203, &[0, 0, 0, 7, 4, b'e', b'n', b'd'])), RtcpError::Short);
    let app = raw(5, 204, b"\0\0\0\x09abcddata");
    let expected = Packet::Application { subtype: 5, ssrc: 9, name: *b"abcd", data: b"data" };
    assert_eq!(parse(&app).unwrap().collect::<Vec<_>>(), [expected]);
    assert_eq!(refused(&raw(5, 204, &[0; 4])), RtcpError::Short);
}

#[test]
fn several_sources_are_described_and_more_than_there_are_refused() {
    let body = [&[0, 0, 0, 1, 2, 1, b'x', 1, 2, b'a', b'b', 0][..], &[0, 0, 0, 2, 0, 0, 0, 0]].concat();
    let datagram = raw(2, 202, &body);
    let Some(Packet::SourceDescription(chunks)) = parse(&datagram).unwrap().next() else { panic!() };
    let names: Vec<_> = chunks.map(|chunk| (chunk.ssrc, chunk.items().count(), chunk.cname())).collect();
    assert_eq!(names, [(1, 2, Some(&b"ab"[..])), (2, 0, None)]);
    assert_eq!(refused(&raw(3, 202, &body)), RtcpError::Short);
    assert_eq!(refused(&raw(1, 202, &[0, 0, 0, 1, 1, 3, b'a', b'b'])), RtcpError::Short, "no null after the items");
}

#[test]
fn what_is_no_rtcp_is_refused_as_a_whole() {
    let good = raw(0, 201, &[0; 4]);
    assert!(parse(&good).is_ok());
    assert_eq!(refused(b""), RtcpError::Short);
    assert_eq!(refused(&good[..7]), RtcpError::Short);
    assert_eq!(refused(&raw(1, 201, &[0; 24])), RtcpError::Short, "a block is promised");
    assert_eq!(refused(&raw(0, 200, &[0; 20])), RtcpError::Short, "no room for the sender");
    assert_eq!(refused(&[&good[..], &[0x40, 201, 0, 0]].concat()), RtcpError::Version(1));
    assert_eq!((parse(&raw(0, 192, &[])).is_ok(), refused(&raw(0, 191, &[]))), (true, RtcpError::Kind(191)));
    assert_eq!((parse(&raw(0, 223, &[])).is_ok(), refused(&raw(0, 224, &[]))), (true, RtcpError::Kind(224)));
    assert!(is_rtcp(&good) && !is_rtcp(&[0x80, 0x80]) && !is_rtcp(&[0x80]));
}

#[test]
fn padding_is_allowed_on_the_last_packet_only() {
    let padded = raw(0x20, 201, &[0, 0, 0, 9, 0, 0, 0, 4]);
    let plain = raw(0, 201, &[0; 4]);
    assert!(parse(&[&plain[..], &padded].concat()).is_ok());
    assert_eq!(refused(&[&padded[..], &plain].concat()), RtcpError::Padding);
    for count in [0, 3, 12] {
        assert_eq!(refused(&raw(0x20, 201, &[0, 0, 0, 9, 0, 0, 0, count])), RtcpError::Padding, "{count}");
    }
    assert_eq!(refused(&raw(0x20, 201, &[0, 0, 0, 9, 0, 0, 0, 8])), RtcpError::Short, "nothing is left");
}

#[test]
fn wall_clock_is_counted_from_1900() {
    let ntp = Ntp::from_unix(Duration::new(1, 500_000_000));
    assert_eq!(ntp, Ntp((2_208_988_801 << 32) + (1 << 31)));
    assert_eq!(ntp.later(Duration::from_millis(750)), Ntp((2_208_988_802 << 32) + (1 << 30)));
    assert_eq!(Ntp(0x1111_2222_3333_4444).middle(), 0x2222_3333);
}

fn reporter(now: Instant, ssrc: u32) -> Reporter {
    let config = ReporterConfig { ssrc, rate_hz: RATE_HZ, cname: Cname::random([ssrc as u8; 12]), seed: ssrc.into() };
    Reporter::new(now, Ntp(0xE000_0000_0000_0000), config)
}

/// The report a reporter makes when its time has come.
fn due(reporter: &mut Reporter) -> (Instant, Vec<u8>) {
    let mut datagram = [0; COMPOUND_MAX];
    loop {
        let (now, _) = reporter.poll_timeout().unwrap();
        if let Some(length) = reporter.poll_transmit(now, &mut datagram) {
            return (now, datagram[..length].to_vec());
        }
    }
}

fn block(datagram: &[u8]) -> Option<ReportBlock> {
    match parse(datagram).unwrap().next().unwrap() {
        Packet::SenderReport { mut reports, .. } | Packet::ReceiverReport { mut reports, .. } => reports.next(),
        other => panic!("{other:?}"),
    }
}

/// Packets of 20 ms that come as they were sent.
fn hear(reporter: &mut Reporter, begin: Instant, ssrc: u32, sequences: impl IntoIterator<Item = u16>) {
    for sequence in sequences {
        let at = begin + 20 * MS * u32::from(sequence);
        reporter.handle_arrival(&Arrival { at, ssrc, sequence, timestamp: Some(u32::from(sequence) * 160) });
    }
}

#[test]
fn loss_is_told_since_the_last_report_and_since_the_beginning() {
    let begin = Instant::now();
    let mut ear = reporter(begin, 1);
    hear(&mut ear, begin, 2, (0..100).filter(|n| n % 4 != 3).chain([100]));
    let first = block(&due(&mut ear).1).unwrap();
    assert_eq!((first.ssrc, first.fraction_lost, first.cumulative_lost, first.extended_highest), (2, 63, 25, 100));
    assert_eq!((first.jitter, first.last_sr, first.delay_since_last_sr), (0, 0, 0));
    hear(&mut ear, begin, 2, 101..200);
    let second = block(&due(&mut ear).1).unwrap();
    assert_eq!((second.fraction_lost, second.cumulative_lost, second.extended_highest), (0, 25, 199));
    assert_eq!(block(&due(&mut ear).1), None, "nothing came since");
    assert_eq!((ear.stats().lost, ear.stats().received), (25, 175));
}

#[test]
fn duplicates_make_loss_negative_and_its_fraction_zero() {
    let begin = Instant::now();
    let mut ear = reporter(begin, 1);
    hear(&mut ear, begin, 2, (0..10).chain(5..10));
    let block = block(&due(&mut ear).1).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -5));
}

#[test]
fn sequence_is_extended_over_its_wrap() {
    let begin = Instant::now();
    let mut ear = reporter(begin, 1);
    let arrive = |ear: &mut Reporter, sequence| ear.handle_arrival(&Arrival { at: begin, ssrc: 2, sequence, timestamp: None });
    for n in 65_000..135_000u32 {
        arrive(&mut ear, n as u16);
    }
    let block = block(&due(&mut ear).1).unwrap();
    assert_eq!((block.extended_highest, block.cumulative_lost), (134_999, 0));
}

#[test]
fn other_source_of_the_peer_begins_new_statistics_with_its_second_packet() {
    let begin = Instant::now();
    let mut ear = reporter(begin, 1);
    hear(&mut ear, begin, 2, (0..100).step_by(2));
    hear(&mut ear, begin, 3, [500]);
    assert_eq!((ear.stats().received, ear.stats().lost), (50, 49), "one stray packet changes nothing");
    hear(&mut ear, begin, 3, 501..510);
    let block = block(&due(&mut ear).1).unwrap();
    assert_eq!((block.ssrc, block.fraction_lost, block.cumulative_lost, block.extended_highest), (3, 0, 0, 509));
}

#[test]
fn jitter_is_that_of_appendix_a_8() {
    let begin = Instant::now();
    let mut ear = reporter(begin, 1);
    let (mut expected_16, mut before) = (0i64, None);
    for n in 0..200u16 {
        let late_ms = u64::from(n) * 7 % 13;
        let at = begin + 20 * MS * u32::from(n) + Duration::from_millis(late_ms);
        ear.handle_arrival(&Arrival { at, ssrc: 2, sequence: n, timestamp: Some(u32::from(n) * 160 + 99) });
        // Telephone events bear the time of their beginning: they must not count.
        ear.handle_arrival(&Arrival { at, ssrc: 2, sequence: n, timestamp: None });
        let late = late_ms.cast_signed() * 8;
        let apart = (late - before.replace(late).unwrap_or(late)).abs();
        expected_16 += apart - ((expected_16 + 8) >> 4) * i64::from(n > 0);
    }
    assert_eq!(i64::from(ear.stats().jitter), expected_16 >> 4);
    assert!((48..56).contains(&ear.stats().jitter), "neighbours are 6 or 7 ms apart: {}", ear.stats().jitter);
}

#[test]
fn jump_of_the_time_line_is_no_jitter_and_a_stall_of_nine_seconds_is() {
    let begin = Instant::now();
    for (jump, jitter) in [(9 * RATE_HZ, 9 * RATE_HZ / 16), (10 * RATE_HZ, 0), (1 << 31, 0)] {
        let mut ear = reporter(begin, 1);
        for (sequence, timestamp) in [(0, 0), (1, jump)] {
            ear.handle_arrival(&Arrival { at: begin, ssrc: 2, sequence, timestamp: Some(timestamp) });
        }
        assert_eq!(ear.stats().jitter, jitter);
    }
}

#[test]
fn one_who_sent_of_late_makes_sender_reports_and_then_receiver_reports() {
    let begin = Instant::now();
    let mut mouth = reporter(begin, 1);
    let is_sr = |datagram: &[u8]| matches!(parse(datagram).unwrap().next(), Some(Packet::SenderReport { .. }));
    assert!(!is_sr(&due(&mut mouth).1), "nothing was sent yet");
    let (then, _) = mouth.poll_timeout().unwrap();
    for n in 0..10 {
        mouth.handle_departure(&Departure { at: then - 200 * MS, timestamp: 5_000 + n, octets: 160 });
    }
    let (now, datagram) = due(&mut mouth);
    let Some(Packet::SenderReport { sender, .. }) = parse(&datagram).unwrap().next() else { panic!() };
    let since = |earlier| now.saturating_duration_since(earlier);
    assert_eq!((sender.packets, sender.octets), (10, 1_600));
    assert_eq!(sender.rtp_timestamp, 5_009 + (since(then - 200 * MS).as_nanos() * 8 / 1_000_000) as u32);
    assert_eq!(sender.ntp, Ntp(0xE000_0000_0000_0000).later(since(begin)));
    assert!(is_sr(&due(&mut mouth).1), "sent before the last report, but since the one before it");
    assert!(!is_sr(&due(&mut mouth).1));
}

#[test]
fn round_trip_is_what_the_peers_waiting_leaves_and_never_negative() {
    let begin = Instant::now();
    let mut us = reporter(begin, 1);
    us.handle_departure(&Departure { at: begin, timestamp: 0, octets: 160 });
    let (made, datagram) = due(&mut us);
    let Some(Packet::SenderReport { sender, .. }) = parse(&datagram).unwrap().next() else { panic!() };
    let cname = Cname::random([2; 12]);
    let mut told = |last_sr, waited: u32| {
        let block = ReportBlock { ssrc: 1, last_sr, delay_since_last_sr: waited, ..BLOCK };
        let compound = Compound { ssrc: 2, sender: None, reports: &[BLOCK, block], cname: &cname, bye: false };
        us.handle_datagram(made + 1_250 * MS, &written(&compound));
        let Some(ReporterEvent::Reported(report)) = us.poll_event() else { panic!() };
        assert_eq!((us.poll_event(), report.jitter, report.cumulative_lost), (None, 77, -2));
        report.round_trip
    };
    assert_eq!(told(sender.ntp.middle(), 1 << 16), Some(250 * MS));
    assert_eq!(told(sender.ntp.middle(), 2 << 16), Some(Duration::ZERO));
    assert_eq!(told(0, 0), None, "none of our reports was heard");
    assert_eq!(told(sender.ntp.middle() ^ 1, 0), None, "no report of ours");
}

#[test]
fn newest_sender_report_of_the_peer_is_told_back_with_its_age() {
    let begin = Instant::now();
    let mut us = reporter(begin, 1);
    let cname = Cname::random([2; 12]);
    let compound = Compound { ssrc: 2, sender: Some(SENDER), reports: &[], cname: &cname, bye: false };
    us.handle_datagram(begin + 500 * MS, &written(&compound));
    hear(&mut us, begin, 2, 0..10);
    let (now, datagram) = due(&mut us);
    let block = block(&datagram).unwrap();
    assert_eq!(block.last_sr, SENDER.ntp.middle());
    let age = (now - (begin + 500 * MS)).as_secs_f64();
    assert!((f64::from(block.delay_since_last_sr) / 65_536.0 - age).abs() < 0.001);
    us.handle_datagram(now, &written(&Compound { ssrc: 3, ..compound }));
    hear(&mut us, begin, 2, 10..20);
    let block = block_of_next_report(&mut us).unwrap();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0, 0), "that of another source is none of this one");
}

#[test]
fn goodbye_is_said_once_at_once_and_only_by_one_who_was_heard() {
    let begin = Instant::now();
    let mut datagram = [0; COMPOUND_MAX];
    let mut silent = reporter(begin, 1);
    silent.end(begin + MS);
    assert_eq!((silent.poll_transmit(begin + MS, &mut datagram), silent.poll_timeout()), (None, None));

    let mut us = reporter(begin, 1);
    us.handle_departure(&Departure { at: begin, timestamp: 0, octets: 160 });
    us.end(begin + MS);
    assert_eq!(us.poll_timeout(), Some((begin + MS, ReporterReason::Bye)));
    assert_eq!(us.poll_transmit(begin + MS, &mut datagram[1..]), None, "too short a buffer: still to be said");
    let length = us.poll_transmit(begin + MS, &mut datagram).unwrap();
    assert_eq!((us.poll_transmit(begin + 10_000 * MS, &mut [0; COMPOUND_MAX]), us.poll_timeout()), (None, None));

    let mut peer = reporter(begin, 2);
    hear(&mut peer, begin, 1, 0..5);
    peer.handle_datagram(begin + 9 * MS, &datagram[..length]);
    assert_eq!(peer.poll_event(), Some(ReporterEvent::PeerLeft { at: begin + 9 * MS }));
    let mut other = reporter(begin, 3);
    hear(&mut other, begin, 2, 0..5);
    other.handle_datagram(begin, &datagram[..length]);
    assert_eq!(other.poll_event(), None, "not whom it hears");
}

#[test]
fn own_echo_and_garbage_are_counted_and_ignored() {
    let begin = Instant::now();
    let mut us = reporter(begin, 1);
    hear(&mut us, begin, 1, 0..5);
    us.handle_datagram(begin, b"GET / HTTP/1.1\r\n\r\n");
    let cname = Cname::random([2; 12]);
    let block = ReportBlock { ssrc: 1, ..BLOCK };
    us.handle_datagram(begin, &written(&Compound { ssrc: 1, sender: None, reports: &[block], cname: &cname, bye: true }));
    let stats = us.stats();
    assert_eq!((stats.collisions, stats.garbage, stats.received, stats.remote), (6, 1, 0, None));
    assert_eq!((us.poll_event(), block_of_next_report(&mut us)), (None, None));
}

fn block_of_next_report(reporter: &mut Reporter) -> Option<ReportBlock> {
    block(&due(reporter).1)
}

/// One of two that talk over a network.
struct End {
    reporter: Reporter,
    ssrc: u32,
    out: Link,
    remote: Vec<RemoteReport>,
}

impl End {
    fn new(begin: Instant, ssrc: u32, weather: Weather) -> Self {
        Self { reporter: reporter(begin, ssrc), ssrc, out: Link::new(u64::from(ssrc) + 77, weather), remote: Vec::new() }
    }

    /// Sends the sound of 20 ms with, now and then, a report. RTCP takes the same way as RTP.
    fn send(&mut self, now: Instant, slot: u32) {
        let header =
            Header { marker: false, payload_type: 0, sequence: slot as u16, timestamp: slot.wrapping_mul(160), ssrc: self.ssrc };
        self.out.send(now, &[&rtp::write(header)[..], &[0; 160]].concat());
        self.reporter.handle_departure(&Departure { at: now, timestamp: header.timestamp, octets: 160 });
        let mut datagram = [0; COMPOUND_MAX];
        if let Some(length) = self.reporter.poll_transmit(now, &mut datagram) {
            self.out.send(now, &datagram[..length]);
        }
    }

    fn receive(&mut self, delay: Duration, now: Instant, datagrams: Vec<(Instant, Vec<u8>)>) {
        for (at, datagram) in datagrams {
            if is_rtcp(&datagram) {
                self.reporter.handle_datagram(now.max(at + delay), &datagram);
            } else {
                let (header, _) = rtp::parse(&datagram).unwrap();
                self.reporter.handle_arrival(&Arrival::of(at + delay, &header));
            }
        }
        while let Some(event) = self.reporter.poll_event() {
            if let ReporterEvent::Reported(report) = event {
                self.remote.push(report);
            }
        }
    }
}

/// Two ends that send each other sound for five minutes; every packet takes 30 ms and up to `jitter_ms` more.
fn converse(loss: f64, jitter_ms: u32) -> (End, End) {
    const DELAY: Duration = Duration::from_millis(30);
    let begin = Instant::now();
    let weather = Weather { loss, jitter_max: jitter_ms * MS, reorder: true, ..Weather::default() };
    let (mut here, mut there) = (End::new(begin, 1, weather), End::new(begin, 2, weather));
    for ms in 0..300_000u32 {
        let now = begin + MS * ms;
        if ms % 20 == 0 {
            here.send(now, ms / 20);
            there.send(now, ms / 20);
        }
        if ms >= 30 {
            let (from_here, from_there) = (here.out.deliver(now - DELAY), there.out.deliver(now - DELAY));
            there.receive(DELAY, now, from_here);
            here.receive(DELAY, now, from_there);
        }
    }
    (here, there)
}

#[test]
fn two_ends_of_a_bad_network_agree_on_loss_jitter_and_round_trip() {
    for (loss, jitter_ms) in [(0.0, 0), (0.01, 10), (0.05, 40), (0.2, 100)] {
        let (here, there) = converse(loss, jitter_ms);
        for (end, other) in [(&here, &there), (&there, &here)] {
            let last = end.remote.last().unwrap();
            let seen = format!("loss {loss}, jitter {jitter_ms} ms: {last:?}");
            // Of 15 000 packets: what the network lost by then, to the packets under way and of the last interval.
            let (told, lost) = (f64::from(last.cumulative_lost), end.out.lost as f64);
            assert!((told - lost).abs() <= 10.0 + 350.0 * 2.0 * loss, "{lost}; {seen}");
            let fractions = end.remote.iter().map(|report| f64::from(report.fraction_lost) / 256.0);
            let fraction = fractions.sum::<f64>() / end.remote.len() as f64;
            assert!((fraction - loss).abs() <= 0.005 + loss * 0.2, "{fraction}; {seen}");
            // Two delays drawn evenly from 0 to J differ by J/3 in the mean; the estimate wanders about that.
            let told: Vec<_> = end.remote.iter().map(|report| f64::from(report.jitter) / 8.0).collect();
            let mean = told.iter().sum::<f64>() / told.len() as f64;
            let expected = f64::from(jitter_ms) / 3.0;
            assert!((mean - expected).abs() <= 0.2 + 0.1 * expected, "{mean} ms, not {expected}; {seen}");
            let own = f64::from(other.reporter.stats().jitter) / 8.0;
            assert!((own - expected).abs() <= 0.2 + 0.5 * expected, "{own} ms, not {expected}; {seen}");
            let trips: Vec<_> = end.remote.iter().filter_map(|report| report.round_trip).collect();
            assert!(trips.len() >= 30 && end.remote.len() - trips.len() <= 5, "{} of {}", trips.len(), end.remote.len());
            let (least, most) = (59 * MS, 62 * MS + 2 * jitter_ms * MS);
            assert!(trips.iter().all(|trip| (least..most).contains(trip)), "{trips:?}; {seen}");
        }
    }
}
