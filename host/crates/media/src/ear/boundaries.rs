//! Where it just works, and where it just does not.

use super::tests::{Heard, ONE, hear, packet};
use super::*;
use crate::frame::FRAME;

/// Packets of 20 ms in time, those numbered in `missing` left out.
fn without(missing: std::ops::Range<u16>) -> Vec<(u64, u32, u16, u32, u8)> {
    (0..40u16).filter(|n| !missing.contains(n)).map(|n| (u64::from(n) * 20, 1, n, u32::from(n) * 160, ONE.0)).collect()
}

#[test]
fn packet_that_comes_when_it_is_due_is_heard_and_a_millisecond_later_is_late() {
    let counted = |at_ms| {
        let mut packets = without(1..2);
        packets.push((at_ms, 1, 1, 160, ONE.0));
        let stats = hear(&packets, 800).1.stats();
        (stats.late, stats.concealed)
    };
    // 40 ms of delay after its time.
    assert_eq!(counted(60), (0, 0));
    assert_eq!(counted(61), (1, 1));
}

#[test]
fn three_lost_packets_are_made_up_and_the_fourth_is_silence() {
    let counted = |count: u16| {
        let stats = hear(&without(10..10 + count), 700).1.stats();
        (stats.lost, stats.concealed, stats.silent)
    };
    assert_eq!(counted(0), (0, 0, 0));
    assert_eq!(counted(1), (1, 1, 0));
    assert_eq!(counted(3), (3, 3, 0));
    assert_eq!(counted(4), (4, 3, 1));
}

#[test]
fn burst_that_just_fills_the_ring_is_heard_whole_and_one_more_overflows() {
    let heard = |count: u16| {
        let burst: Vec<_> = (0..count).map(|n| (0, 1, n, u32::from(n) * 160, ONE.0)).collect();
        let (frames, ear) = hear(&burst, 40 + 20 * 70);
        (frames.iter().filter(|&&sample| sample == ONE.1).count(), ear.stats().overflow)
    };
    assert_eq!(heard(64), (64, 0));
    assert_eq!(heard(65).1, 1);
}

#[test]
fn every_packet_twice_sounds_as_if_it_came_once() {
    let once = without(5..7);
    let twice: Vec<_> = once.iter().flat_map(|packet| [*packet; 2]).collect();
    let ((alone, ear), (doubled, twofold)) = (hear(&once, 800), hear(&twice, 800));
    assert_eq!(alone, doubled);
    assert_eq!(twofold.stats(), EarStats { duplicates: once.len() as u64, ..ear.stats() });
}

#[test]
fn timestamp_that_jumps_just_within_the_ring_is_a_gap_and_beyond_it_a_new_beginning() {
    let resyncs = |frames: u32| {
        let begin = Instant::now();
        let (mut ear, mut heard) = (Ear::new(begin, EarConfig::new(Codec::Pcmu, Framing::Rtp)).unwrap(), Heard::default());
        ear.handle_datagram(begin, &packet(1, 0, 0, ONE.0, 160));
        ear.handle_datagram(begin, &packet(1, 1, frames * 160, ONE.0, 160));
        ear.poll(begin + FRAME * 80, &mut heard);
        ear.stats().resyncs
    };
    assert_eq!((resyncs(63), resyncs(64)), (0, 1));
}
