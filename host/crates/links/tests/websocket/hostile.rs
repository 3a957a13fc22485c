//! Peers that break the rules or wear the host out.

use crate::rig::{LINK, PATIENCE, Server, Terms, client_close, client_frame, frame};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vg_links::wire::{LinkErrorKind, LinkInput, Payload};

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_link_with_the_right_code() {
    let masked = vec![0x81, 0x81, 1, 2, 3, 4, b'a' ^ 1];
    let declared_giant = [&[0x82, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    let joined_giant = [frame(0x02, &[0; 700 << 10]), frame(0x80, &[0; 400 << 10])].concat();
    let faults: [(&str, Vec<u8>, u16); 16] = [
        ("masked", masked, 1002),
        ("unknown data", frame(0x83, b""), 1002),
        ("unknown control", frame(0x8b, b""), 1002),
        ("reserved bit", frame(0xc1, b"x"), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        ("a message within a message", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        ("ping in fragments", frame(0x09, b""), 1002),
        ("long ping", frame(0x89, &[0; 126]), 1002),
        ("half a close code", frame(0x88, &[3]), 1002),
        ("text that is not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("text that ends within a character", frame(0x81, b"caf\xc3"), 1007),
        ("fragments that are not UTF-8", [frame(0x01, b"ok"), frame(0x80, b"\xc0\x80")].concat(), 1007),
        ("close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("giant by its length", declared_giant, 1009),
        ("one byte too many", frame(0x82, &vec![0; (1 << 20) + 1]), 1009),
        ("giant in fragments", joined_giant, 1009),
    ];
    for (what, bytes, code) in faults {
        let server = Server::plain().await;
        let (mut guest, peer) = server.raw_pair(Terms::default()).await;
        let (mut reads, mut writes) = peer.into_split();
        // What is written after the fault is not read to its end.
        let write = async { drop(writes.write_all(&bytes).await) };
        let ((), told) = tokio::join!(write, guest.next());
        assert!(matches!(told, LinkInput::Failed { kind: LinkErrorKind::Protocol, .. }), "{what}: {told:?}");
        let mut close = [0; 8];
        let read = timeout(PATIENCE, reads.read_exact(&mut close)).await.expect("an end in time");
        // A reset that follows unread bytes may overtake the close.
        if read.is_ok() {
            assert_eq!((close[0], u16::from_be_bytes([close[6] ^ close[2], close[7] ^ close[3]])), (0x88, code), "{what}");
        } else {
            assert!(code == 1009, "{what}: no close came");
        }
    }
}

#[tokio::test]
async fn random_bytes_end_the_link_and_nothing_else() {
    // xorshift; the seed is what a failure prints.
    for seed in 1..60_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let garbage: Vec<u8> = (0..4096)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        let server = Server::plain().await;
        let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
        let _ = peer.write_all(&garbage).await;
        drop(peer);
        let last = loop {
            let told = guest.next().await;
            if told.is_last() {
                break told;
            }
        };
        let fine = match last {
            LinkInput::Failed { kind, .. } => matches!(kind, LinkErrorKind::Protocol | LinkErrorKind::Reset),
            _ => true,
        };
        assert!(fine, "seed {seed}: {last:?}");
        assert_eq!(guest.door.links_open(), 0, "seed {seed}");
    }
}

/// CPU that this thread has used: unlike the clock's time, none of it is another process's.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// What the only worker spends at most before another task has its turn, while `flood` is written after `start` without end.
async fn longest_turn_under(start: Vec<u8>, flood: Vec<u8>) -> Duration {
    let server = Server::plain().await;
    let (mut guest, peer) = server.raw_pair(Terms::default()).await;
    let (mut reads, mut writes) = peer.into_split();
    writes.write_all(&start).await.unwrap();
    let flooding = async { while writes.write_all(&flood).await.is_ok() {} };
    let draining = async { drop(tokio::io::copy(&mut reads, &mut tokio::io::sink()).await) };
    let listening = async { while !guest.next().await.is_last() {} };
    let pacing = async {
        let mut longest = Duration::ZERO;
        for _ in 0..60 {
            let before = thread_cpu();
            tokio::time::sleep(Duration::from_millis(2)).await;
            longest = longest.max(thread_cpu() - before);
        }
        longest
    };
    tokio::select! {
        ((), (), ()) = async { tokio::join!(flooding, draining, listening) } => panic!("the link ended"),
        longest = pacing => longest,
    }
}

#[tokio::test]
async fn floods_of_tiny_frames_do_not_hold_a_worker() {
    let floods = [
        ("pings", vec![], frame(0x89, b"")),
        ("pongs", vec![], frame(0x8a, b"")),
        ("messages", vec![], frame(0x82, b"")),
        ("fragments without end", frame(0x02, b""), frame(0x00, b"")),
    ];
    for (what, start, tiny) in floods {
        let longest = longest_turn_under(start, tiny.repeat(200_000)).await;
        assert!(longest < Duration::from_millis(20), "{what}: {longest:?}");
    }
}

#[tokio::test]
async fn pongs_do_not_pile_up_for_a_peer_that_pings_and_does_not_read() {
    const PINGS: usize = 200_000;
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    let pings = frame(0x89, &[7; 125]).repeat(100);
    for _ in 0..PINGS / 100 {
        peer.write_all(&pings).await.unwrap();
    }
    peer.write_all(&frame(0x81, b"done")).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"done".into())));
    guest.send_text("still here");
    let mut pongs = 0;
    while let Some((0x8a, payload)) = client_frame(&mut peer).await {
        assert_eq!(payload, [7; 125]);
        pongs += 1;
    }
    // Both sockets' buffers and half a megabyte of ours.
    assert!(pongs < PINGS / 2, "{pongs}");
}

#[tokio::test]
async fn a_fault_is_told_without_what_was_said() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    peer.write_all(&frame(0x81, b"4111 1111 1111 1111 \xff")).await.unwrap();
    let detail = guest.failed(LinkErrorKind::Protocol).await;
    assert!(!detail.contains("4111"), "{detail}");
    assert_eq!(client_close(&mut peer).await, Some(1007));
}
