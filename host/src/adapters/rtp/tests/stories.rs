//! Sockets, addresses and legs that come and go.

use super::super::shard::Shard;
use super::super::standstill::Standstill;
use super::*;
use std::collections::BTreeSet;

fn shards_at(bind: &str) -> Shards {
    Shards::start(ShardConfig::new(bind.parse().unwrap())).unwrap()
}

fn per_call() -> Shards {
    Shards::start(ShardConfig { own_sockets: Some(OwnSockets::default()), ..ShardConfig::new("127.0.0.1:0".parse().unwrap()) })
        .unwrap()
}

fn peer_at(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn say(media: &MediaLeg, seconds: usize) {
    let utterance = UtteranceId(1);
    media.mouth.try_send(MouthCommand::Say { utterance, rate_hz: 8000, pcm: vec![9000; seconds * 8000] }).unwrap();
}

/// Sequence number and timestamp of the next packet at `peer`.
fn receive(peer: &UdpSocket) -> (u16, u32) {
    let mut packet = [0; 500];
    assert_eq!(peer.recv(&mut packet).unwrap(), 172);
    (u16::from_be_bytes([packet[2], packet[3]]), u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
}

#[tokio::test]
async fn packets_that_come_before_their_announcement_are_heard() {
    let shards = shard();
    let peer = peer();
    let (_media, wire) = shards.open_rtp(ulaw(None, None)).unwrap();
    until("leg is open", || shards.live_legs() == 1).await;
    for sequence in 0..3 {
        peer.send_to(&rtp(sequence), wire.local_addr()).unwrap();
    }
    wire.set_remote(peer.local_addr().unwrap()).unwrap();
    until("all are heard", || shards.stats().packets_in == 3).await;
    assert_eq!(shards.stats().packets_unknown, 0);
}

#[tokio::test]
async fn packets_that_nobody_announces_are_strangers_after_a_moment() {
    let shards = shard();
    let peer = peer();
    for sequence in 0..100 {
        peer.send_to(&rtp(sequence), address(&shards)).unwrap();
    }
    until("all are given up", || shards.stats().packets_unknown == 100).await;
    let (_media, _wire) = shards.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    until("one is heard", || {
        peer.send_to(&rtp(200), address(&shards)).unwrap();
        shards.stats().packets_in > 0
    })
    .await;
}

#[tokio::test]
async fn call_with_its_own_socket_answers_where_its_packets_come_from() {
    let shards = per_call();
    let (announced, translated, stranger) = (peer(), peer(), peer_at("127.0.0.2:0"));
    let (media, wire) = shards.open_rtp(ulaw(None, None)).unwrap();
    assert_ne!(wire.local_addr().port(), address(&shards).port());
    // Before the announcement, and from elsewhere: neither decides anything.
    stranger.send_to(&rtp(1), wire.local_addr()).unwrap();
    wire.set_remote(announced.local_addr().unwrap()).unwrap();
    say(&media, 10);
    receive(&announced);
    until("the latch shuts", || {
        stranger.send_to(&rtp(2), wire.local_addr()).unwrap();
        translated.send_to(&rtp(3), wire.local_addr()).unwrap();
        shards.stats().packets_in > 0
    })
    .await;
    receive(&translated);
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv(&mut [0; 500]).is_err() && shards.stats().packets_unknown > 0);
}

#[tokio::test]
async fn own_socket_keeps_what_comes_before_the_announcement() {
    let shards = per_call();
    let peer = peer();
    let (_media, wire) = shards.open_rtp(ulaw(None, None)).unwrap();
    for sequence in 0..3 {
        peer.send_to(&rtp(sequence), wire.local_addr()).unwrap();
    }
    wire.set_remote(peer.local_addr().unwrap()).unwrap();
    until("all are heard", || shards.stats().packets_in == 3).await;
}

#[tokio::test]
async fn what_is_said_before_the_announcement_is_no_packet_that_was_lost() {
    for shards in [shard(), per_call()] {
        let peer = peer();
        let (media, wire) = shards.open_rtp(ulaw(None, None)).unwrap();
        say(&media, 1);
        let mut speech = media;
        until("some of it has been said", || speech.events.try_recv().is_ok()).await;
        wire.set_remote(peer.local_addr().unwrap()).unwrap();
        receive(&peer);
        assert_eq!(shards.stats().packets_unsent, 0);
    }
}

#[tokio::test]
async fn own_sockets_are_closed_with_their_calls() {
    let shards = per_call();
    let legs: Vec<_> = (0..10).map(|_| shards.open_rtp(ulaw(None, None)).unwrap()).collect();
    let ports: BTreeSet<u16> = legs.iter().map(|(_, wire)| wire.local_addr().port()).collect();
    assert_eq!(ports.len(), 10);
    drop(legs);
    until("all legs are gone", || shards.live_legs() == 0).await;
    until("all ports are free", || ports.iter().all(|&port| UdpSocket::bind(("127.0.0.1", port)).is_ok())).await;
}

#[tokio::test]
async fn sound_goes_both_ways_over_ipv6_and_over_a_socket_of_both_families() {
    for (bind, far, to) in [("[::1]:0", "[::1]:0", "::1"), ("[::]:0", "[::1]:0", "::1"), ("[::]:0", "127.0.0.1:0", "127.0.0.1")] {
        let shards = shards_at(bind);
        let peer = peer_at(far);
        let (media, wire) = shards.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
        say(&media, 1);
        receive(&peer);
        until("a packet is heard", || {
            peer.send_to(&rtp(1), (to, wire.local_addr().port())).unwrap();
            shards.stats().packets_in > 0
        })
        .await;
    }
}

#[tokio::test]
async fn remote_of_another_family_costs_only_its_own_packets() {
    let shards = shard();
    let peer = peer();
    let (lost, _lost_wire) = shards.open_rtp(ulaw(Some("[::1]:4000".parse().unwrap()), None)).unwrap();
    let (media, _wire) = shards.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    say(&lost, 1);
    say(&media, 1);
    until("its packets are counted", || shards.stats().packets_unsent > 10).await;
    (0..10).for_each(|_| _ = receive(&peer));
}

#[tokio::test]
async fn legs_are_spread_over_the_shards_and_all_are_served() {
    let config = ShardConfig { shards: 3.try_into().unwrap(), ..ShardConfig::new("127.0.0.1:0".parse().unwrap()) };
    let shards = Shards::start(config).unwrap();
    let legs: Vec<_> = (0..6)
        .map(|_| {
            let peer = peer();
            (shards.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap(), peer)
        })
        .collect();
    let ports: BTreeSet<u16> = legs.iter().map(|((_, wire), _)| wire.local_addr().port()).collect();
    assert_eq!((shards.advertised().len(), ports.len(), shards.live_legs()), (3, 3, 6));
    legs.iter().for_each(|((media, _), _)| say(media, 1));
    for (_, peer) in &legs {
        (0..50).for_each(|_| _ = receive(peer));
    }
    until("all are counted", || shards.stats().lateness.count >= 300).await;
}

#[test]
fn shards_take_every_other_port() {
    // Some port with free ones behind it.
    let free = || peer().local_addr().unwrap().port().min(60_000) & !1;
    let started = std::iter::repeat_with(free).take(20).find_map(|port| {
        let bind = SocketAddr::from(([127, 0, 0, 1], port));
        Some((port, Shards::start(ShardConfig { shards: 2.try_into().unwrap(), ..ShardConfig::new(bind) }).ok()?))
    });
    let (port, shards) = started.unwrap();
    let legs: Vec<_> = (0..2).map(|_| shards.open_rtp(ulaw(None, None)).unwrap()).collect();
    assert_eq!(legs.iter().map(|(_, wire)| wire.local_addr().port()).collect::<Vec<_>>(), [port, port + 2]);
    let in_use = Shards::start(ShardConfig::new(([127, 0, 0, 1], port).into()));
    assert_eq!(in_use.err().map(|error| error.code()), Some("media_socket"));
}

#[test]
fn a_shard_that_stood_still_sends_nothing_until_its_fence_is_over() {
    let (peer, fence) = (peer(), Duration::from_millis(300));
    let begun = Instant::now();
    let shard = Shard::start("127.0.0.1:0".parse().unwrap(), None, None, Standstill::until_now(fence)).unwrap();
    let (media, _wire) = shard.open_rtp(ulaw(peer.local_addr().ok(), None)).unwrap();
    say(&media, 5);
    receive(&peer);
    assert!(begun.elapsed() >= fence, "it spoke {:?} after it woke", begun.elapsed());
}

/// For two seconds legs are opened and closed as fast as they are served, among them ones that take an address over.
#[tokio::test]
async fn legs_that_come_and_go_leave_no_gap_in_the_others() {
    const FRAMES: usize = 100;
    let shards = shard();
    let steady: Vec<_> = (0..10)
        .map(|_| {
            let peer = peer();
            (shards.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap(), peer)
        })
        .collect();
    steady.iter().for_each(|((media, _), _)| say(media, 3));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (opened, gaps) = std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            let passer_by = peer();
            let mut opened = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let legs: Vec<_> =
                    (0..20).filter_map(|_| shards.open_rtp(ulaw(passer_by.local_addr().ok(), None)).ok()).collect();
                passer_by.send_to(&rtp(opened as u16), address(&shards)).unwrap();
                opened += legs.len();
            }
            opened
        });
        let gaps: usize = steady
            .iter()
            .map(|(_, peer)| {
                let packets: Vec<_> = (0..FRAMES).map(|_| receive(peer)).collect();
                assert!(packets.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)), "a packet is missing");
                packets.windows(2).filter(|pair| pair[1].1.wrapping_sub(pair[0].1) != 160).count()
            })
            .sum();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (churn.join().unwrap(), gaps)
    });
    // A machine that does not run the thread for 20 ms makes a gap of its own in every leg.
    let stalls = shards.stats().ticks_missed as usize / 4;
    assert!(gaps <= stalls * steady.len(), "{gaps} gaps, {stalls} stalls");
    assert!(opened > 100, "{opened} legs came and went");
    drop(steady);
    until("all legs are gone", || shards.live_legs() == 0).await;
}
