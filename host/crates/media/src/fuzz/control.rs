//! What a peer says beside the sound: RTCP and telephone events.

use crate::dtmf::{Digit, DigitNews, DigitStats, Digits};
use crate::rtcp::{
    self, Arrival, COMPOUND_MAX, Cname, Departure, Ntp, Packet, Reporter, ReporterConfig, ReporterEvent, ReporterStats,
};
use crate::rtp::Header;
use std::time::{Duration, Instant};

/// Clocks of telephone events.
const RATES_HZ: [u32; 4] = [8_000, 16_000, 48_000, 0];

/// Reads bytes as RTCP, to the last item of every packet. Panics if more is read than there is. What the packets are, or the code of the
/// fault alone.
pub fn rtcp(datagram: &[u8]) -> Vec<&'static str> {
    let packets = match rtcp::parse(datagram) {
        Ok(packets) => packets,
        Err(error) => return vec![error.code()],
    };
    let (mut words, mut seen) = (0, Vec::new());
    for packet in packets {
        seen.push(match &packet {
            Packet::SenderReport { .. } => "sender_report",
            Packet::ReceiverReport { .. } => "receiver_report",
            Packet::SourceDescription(_) => "source_description",
            Packet::Goodbye { reason: None, .. } => "goodbye",
            Packet::Goodbye { reason: Some(_), .. } => "goodbye_with_reason",
            Packet::Application { .. } => "application",
        });
        words += 1 + match packet {
            Packet::SenderReport { reports, .. } => 6 + 6 * reports.count(),
            Packet::ReceiverReport { reports, .. } => 1 + 6 * reports.count(),
            Packet::SourceDescription(chunks) => {
                chunks.map(|chunk| 1 + chunk.items().map(|item| 2 + item.text.len()).sum::<usize>().div_ceil(4)).sum()
            }
            Packet::Goodbye { sources, reason } => sources.count() + reason.map_or(0, |text| (1 + text.len()).div_ceil(4)),
            Packet::Application { data, .. } => 2 + data.len() / 4,
        };
    }
    assert!(4 * words <= datagram.len(), "more was read than came");
    seen
}

/// Feeds a [`Reporter`] a script: a byte of seed, then steps of two bytes (which and how long; milliseconds that pass
/// before) and as many bytes as the first asks for: RTCP, the header of a packet that came, or one that was sent. Panics
/// if a report is made that cannot be read, or one too soon after the one before. What it counted, and how often it told of the peer.
pub fn reporter(begin: Instant, script: &[u8]) -> (ReporterStats, Told) {
    let (&seed, mut rest) = script.split_first().unwrap_or((&0, &[]));
    let mut told = Told::default();
    let config = ReporterConfig { ssrc: 1, rate_hz: 8_000, cname: Cname::random([seed; 12]), seed: seed.into() };
    let mut reporter = Reporter::new(begin, Ntp(u64::from(seed) << 56), config);
    let (mut now, mut last, mut datagram) = (begin, begin, [0; COMPOUND_MAX]);
    while let [what, wait, after @ ..] = rest {
        let (bytes, after) = after.split_at(usize::from(what >> 2).min(after.len()));
        now += Duration::from_millis(u64::from(*wait) * 8);
        match (what & 3, bytes) {
            (0, &[ssrc, high, low, t1, t2, t3, t4, ..]) => {
                let timestamp = Some(u32::from_be_bytes([t1, t2, t3, t4])).filter(|_| t1 != t4);
                let sequence = u16::from_be_bytes([high, low]);
                reporter.handle_arrival(&Arrival { at: now, ssrc: ssrc.into(), sequence, timestamp });
            }
            (1, &[t1, t2, t3, t4, ..]) => {
                let timestamp = u32::from_be_bytes([t1, t2, t3, t4]);
                reporter.handle_departure(&Departure { at: now, timestamp, octets: bytes.len() });
            }
            _ => reporter.handle_datagram(now, bytes),
        }
        while let Some(event) = reporter.poll_event() {
            match event {
                ReporterEvent::Reported(_) => told.reported += 1,
                ReporterEvent::PeerLeft { .. } => told.left += 1,
            }
        }
        if let Some(length) = reporter.poll_transmit(now, &mut datagram) {
            assert!(now.saturating_duration_since(last) >= Duration::from_secs(1), "reports are rare");
            assert!(rtcp::parse(&datagram[..length]).is_ok(), "a report can be read");
            last = now;
        }
        rest = after;
    }
    reporter.end(now);
    if let Some(length) = reporter.poll_transmit(now, &mut datagram) {
        assert!(rtcp::parse(&datagram[..length]).is_ok(), "a report can be read");
    }
    assert!(reporter.poll_timeout().is_none(), "all was said");
    (reporter.stats(), told)
}

/// How often a [`Reporter`] told of its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What the peer reported.
    pub reported: u64,
    /// That it left.
    pub left: u64,
}

/// Feeds [`Digits`] a script: a byte choosing the clock, then packets: flags (marker, source, whether the news is asked
/// for, payload length), milliseconds that pass before it, sequence number, timestamp, payload. Panics if a digit ends that
/// did not begin, or does not end. What was counted.
pub fn digits(begin: Instant, script: &[u8]) -> DigitStats {
    let (&clock, mut rest) = script.split_first().unwrap_or((&0, &[]));
    let mut digits = Digits::new(RATES_HZ[usize::from(clock) % RATES_HZ.len()]);
    let (mut now, mut held) = (begin, [0i32; Digit::KEYS.len()]);
    while let [flags, wait_ms, high, low, t1, t2, t3, t4, after @ ..] = rest {
        let (payload, after) = after.split_at(usize::from(flags >> 3).min(after.len()));
        now += Duration::from_millis(u64::from(*wait_ms));
        let header = Header {
            marker: flags & 1 != 0,
            payload_type: 101,
            sequence: u16::from_be_bytes([*high, *low]),
            timestamp: u32::from_be_bytes([*t1, *t2, *t3, *t4]),
            ssrc: u32::from(flags & 2),
        };
        digits.handle_packet(now, &header, payload);
        if flags & 4 == 0 {
            tell(&mut digits, now, &mut held);
        }
        rest = after;
    }
    tell(&mut digits, now + Duration::from_secs(1), &mut held);
    assert!(held == [0; Digit::KEYS.len()] && digits.poll_timeout().is_none(), "every digit ended");
    *digits.stats()
}

fn tell(digits: &mut Digits, now: Instant, held: &mut [i32; Digit::KEYS.len()]) {
    while let Some(news) = digits.poll(now) {
        match news {
            DigitNews::Began { digit, .. } => held[usize::from(digit.event())] += 1,
            DigitNews::Ended { digit, .. } => held[usize::from(digit.event())] -= 1,
        }
        assert!(held.iter().all(|&count| count >= 0), "what ends began");
    }
}

#[cfg(test)]
mod tests {
    use crate::link::Rng;
    use crate::rtcp::{COMPOUND_MAX, Cname, Compound, Ntp, ReportBlock, SenderInfo, write};
    use std::time::Instant;

    /// A good compound with all there is in it: SR, SDES, BYE, then APP and a type nobody knows.
    fn compound(ssrc: u32) -> Vec<u8> {
        let block = ReportBlock { ssrc: 1, cumulative_lost: -1, last_sr: 0x0100_0000, ..ReportBlock::default() };
        let sender = Some(SenderInfo { ntp: Ntp(77 << 32), ..SenderInfo::default() });
        let cname = Cname::new("somebody").unwrap();
        let mut datagram = [0; COMPOUND_MAX];
        let length = write(&Compound { ssrc, sender, reports: &[block], cname: &cname, bye: true }, &mut datagram).unwrap();
        let app = [0x83, 204, 0, 3, 0, 0, 0, 9, b'n', b'a', b'm', b'e', 1, 2, 3, 4];
        [&datagram[..length], &app, &[0x80, 207, 0, 1, 0, 0, 0, 9]].concat()
    }

    fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
        for _ in 0..rng.next() % 4 {
            let at = rng.next() as usize % bytes.len();
            bytes[at] = rng.next() as u8;
        }
        if rng.next().is_multiple_of(4) {
            bytes.truncate(1 + rng.next() as usize % bytes.len());
        }
    }

    #[test]
    fn damaged_rtcp_is_survived() {
        let mut rng = Rng::new(0x27C9);
        for _ in 0..50_000 {
            let mut datagram = compound(rng.next() as u32);
            damage(&mut rng, &mut datagram);
            super::rtcp(&datagram);
            let length = rng.next() as usize % 64;
            let mut noise = rng.bytes(length);
            if let [first, kind, high, ..] = &mut noise[..] {
                (*first, *kind, *high) = (*first & 0x3F | 0x80, 200 + *kind % 8, 0);
            }
            super::rtcp(&noise);
        }
    }

    #[test]
    fn reporter_survives_whatever_it_is_told() {
        let (begin, mut rng) = (Instant::now(), Rng::new(0x4E9));
        for round in 0..3_000 {
            let mut script = vec![round as u8];
            for _ in 0..rng.next() % 60 {
                let (what, mut bytes) = match rng.next() % 3 {
                    0 => (0, rng.bytes(7)),
                    1 => (1, rng.bytes(4)),
                    _ => (2, compound(rng.next() as u32 % 3)[..60].to_vec()),
                };
                if what == 0 {
                    // Few sources and near numbers, to come past the first checks.
                    (bytes[0], bytes[1]) = (bytes[0] % 3, 0);
                }
                if what == 2 {
                    damage(&mut rng, &mut bytes);
                }
                script.extend([(bytes.len() as u8) << 2 | what, rng.next() as u8]);
                script.extend(bytes);
            }
            super::reporter(begin, &script);
        }
    }

    #[test]
    fn digits_survive_whatever_they_are_told() {
        let (begin, mut rng) = (Instant::now(), Rng::new(0xD161));
        for round in 0..6_000u32 {
            let mut script = vec![round as u8];
            for _ in 0..rng.next() % 120 {
                let length = if round % 3 == 0 { rng.next() % 32 } else { 4 };
                let mut packet = rng.bytes(8 + length as usize);
                packet[0] = packet[0] & 7 | (length as u8) << 3;
                if round % 2 == 0 {
                    // One source, near numbers, few keys and times: presses meet their own packets again.
                    packet[0] &= !2;
                    (packet[2], packet[4], packet[5], packet[6]) = (0, 0, packet[5] % 3, 0xFF * (packet[6] & 1));
                    packet[7] = 0x10 * (packet[7] % 4);
                    if let Some(event) = packet.get_mut(8) {
                        *event %= 3;
                    }
                }
                script.extend(packet);
            }
            super::digits(begin, &script);
        }
    }
}
