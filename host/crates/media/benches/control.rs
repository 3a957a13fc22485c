//! Cost of what goes beside the sound: per packet, per report.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a broken bench stops; time needs a first moment")]

use divan::{Bencher, black_box};
use std::time::{Duration, Instant};
use vg_media::dtmf::{Digit, DigitSender, Digits, SendDigit};
use vg_media::rtcp::{Arrival, COMPOUND_MAX, Cname, Departure, Ntp, Reporter, ReporterConfig, parse};
use vg_media::rtp::Header;

fn main() {
    divan::main();
}

fn reporter(now: Instant, ssrc: u32) -> Reporter {
    let config = ReporterConfig { ssrc, rate_hz: 8_000, cname: Cname::random([7; 12]), seed: 7 };
    Reporter::new(now, Ntp(1 << 63), config)
}

/// A packet each way: what a slot of 20 ms costs.
#[divan::bench]
fn reporter_packet_both_ways(bencher: Bencher<'_, '_>) {
    let begin = Instant::now();
    let (mut reporter, mut slot) = (reporter(begin, 1), 0u32);
    bencher.bench_local(|| {
        slot += 1;
        let (at, timestamp) = (begin + Duration::from_millis(20) * slot, slot.wrapping_mul(160));
        reporter.handle_arrival(&Arrival { at, ssrc: 2, sequence: slot as u16, timestamp: Some(timestamp) });
        reporter.handle_departure(&Departure { at, timestamp, octets: 160 });
    });
}

/// A look at the timer: what a tick costs while no report is due.
#[divan::bench]
fn reporter_idle_poll(bencher: Bencher<'_, '_>) {
    let begin = Instant::now();
    let (mut reporter, mut datagram) = (reporter(begin, 1), [0; COMPOUND_MAX]);
    bencher.bench_local(|| black_box(reporter.poll_transmit(begin, &mut datagram)));
}

/// A report made and understood by the other side.
#[divan::bench]
fn report_made_and_read(bencher: Bencher<'_, '_>) {
    let begin = Instant::now();
    let (mut here, mut there, mut datagram, mut n) = (reporter(begin, 1), reporter(begin, 2), [0; COMPOUND_MAX], 0u32);
    bencher.bench_local(|| {
        n += 1;
        let at = begin + Duration::from_secs(10) * n;
        here.handle_departure(&Departure { at, timestamp: n, octets: 160 });
        here.handle_arrival(&Arrival { at, ssrc: 2, sequence: n as u16, timestamp: Some(n) });
        let length = here.poll_transmit(at, &mut datagram).unwrap_or(0);
        there.handle_datagram(at, &datagram[..length]);
        there.poll_event()
    });
}

#[divan::bench]
fn compound_parsed(bencher: Bencher<'_, '_>) {
    let begin = Instant::now();
    let (mut here, mut datagram) = (reporter(begin, 1), [0; COMPOUND_MAX]);
    here.handle_departure(&Departure { at: begin, timestamp: 0, octets: 160 });
    here.end(begin);
    let length = here.poll_transmit(begin, &mut datagram).unwrap();
    bencher.bench_local(|| parse(black_box(&datagram[..length])).unwrap().count());
}

/// All packets of a press of 160 ms, made and understood.
#[divan::bench]
fn digit_sent_and_heard(bencher: Bencher<'_, '_>) {
    let begin = Instant::now();
    let (mut digits, mut n, mut sequence) = (Digits::new(8_000), 0u32, 0u16);
    bencher.bench_local(|| {
        n += 1;
        let start = begin + Duration::from_millis(500) * n;
        let mut sender = DigitSender::new(start, SendDigit::new(Digit::from_event((n % 16) as u8).unwrap()));
        let mut told = 0;
        while let Some(now) = sender.poll_timeout() {
            let packet = sender.poll(now).unwrap();
            sequence = sequence.wrapping_add(1);
            let timestamp = n.wrapping_mul(4_000).wrapping_add(packet.timestamp_offset);
            let header = Header { marker: packet.marker, payload_type: 101, sequence, timestamp, ssrc: 1 };
            digits.handle_packet(now, &header, &packet.payload);
            while digits.poll(now).is_some() {
                told += 1;
            }
        }
        assert_eq!(told, 2);
    });
}
