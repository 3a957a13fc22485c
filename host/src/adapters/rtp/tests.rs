//! Shards over real sockets on loopback.

mod recorded;
mod stories;

use super::*;
use crate::application::ports::{LegEvent, MediaLeg, MouthCommand, MouthFloor};
use bytes::Bytes;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use vg_domain::ids::UtteranceId;
use vg_media::{Codec, Silence};

const SOON: Duration = Duration::from_secs(5);

fn shard() -> Shards {
    Shards::start(ShardConfig::new("127.0.0.1:0".parse().unwrap())).unwrap()
}

/// Where a shard alone listens.
fn address(shards: &Shards) -> SocketAddr {
    shards.advertised()[0]
}

fn ulaw(remote: Option<SocketAddr>, still: Option<Duration>) -> LegConfig {
    LegConfig { codec: Codec::Pcmu, rate_hz: 8000, remote, events: None, still, silence: Silence::Nothing }
}

/// A far side: a blocking socket that gives up.
fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    // Full-scale square wave: speech to any gate.
    packet.extend((0..160).map(|n| if n / 8 % 2 == 0 { 0x80 } else { 0x00 }));
    packet
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    };
    timeout(SOON, held).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn until_event(media: &mut MediaLeg, wanted: impl Fn(&LegEvent) -> bool) -> LegEvent {
    let found = async {
        loop {
            let event = media.events.recv().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(SOON, found).await.unwrap()
}

#[tokio::test]
async fn packets_of_the_announced_address_are_heard_and_strangers_are_counted() {
    let shard = shard();
    let (peer, stranger) = (peer(), peer());
    let (mut media, wire) = shard.open_rtp(ulaw(None, None)).unwrap();
    wire.set_remote(peer.local_addr().unwrap()).unwrap();
    until("leg is open", || wire.flow().silent_for(Instant::now()).is_none() && shard.live_legs() == 1).await;
    let mut sequence = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let heard = loop {
        pace.tick().await;
        peer.send_to(&rtp(sequence), address(&shard)).unwrap();
        stranger.send_to(&rtp(sequence), address(&shard)).unwrap();
        sequence += 1;
        if let Ok(LegEvent::SpeechStarted { .. }) = media.events.try_recv() {
            break true;
        }
        assert!(sequence < 200);
    };
    assert!(heard && wire.flow().silent_for(Instant::now()).unwrap() < SOON);
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Audio(_))).await;
    let LegEvent::Audio(chunk) = event else { unreachable!() };
    assert_eq!(chunk.pcm.len() % 160, 0);
    let stats = shard.stats();
    assert!(stats.packets_unknown > 0 && stats.packets_in > 0, "{stats:?}");
}

#[tokio::test]
async fn packets_that_never_came_and_frames_made_up_for_them_are_counted() {
    let shard = shard();
    let peer = peer();
    let (_media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for sequence in (0..60).filter(|sequence| !(20..22).contains(sequence)) {
        pace.tick().await;
        peer.send_to(&rtp(sequence), address(&shard)).unwrap();
    }
    let counted = || (shard.stats().packets_lost, shard.stats().frames_concealed);
    // A machine that stalls the story makes more frames up.
    until("two packets are missed", || matches!(counted(), (2, 2..))).await;
}

#[tokio::test]
async fn speech_leaves_every_20_ms_and_is_told() {
    let shard = shard();
    let peer = peer();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let utterance = UtteranceId(3);
    media.mouth.send(MouthCommand::Say { utterance, rate_hz: 8000, pcm: vec![9000; 8000] }).await.unwrap();
    media.mouth.send(MouthCommand::End { utterance }).await.unwrap();
    let mut packet = [0; 500];
    let mut timestamps = Vec::new();
    for _ in 0..50 {
        let (length, source) = peer.recv_from(&mut packet).unwrap();
        assert_eq!((length, source), (172, address(&shard)));
        timestamps.push(u32::from_be_bytes(packet[4..8].try_into().unwrap()));
    }
    assert!(timestamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 160));
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { utterance: UtteranceId(3), .. })).await;
    until_event(&mut media, |event| matches!(event, LegEvent::Ended { utterance: UtteranceId(3) })).await;
    let lateness = shard.stats().lateness;
    assert_eq!(lateness.count, 50, "{lateness:?}");
}

fn hush(media: &MediaLeg, id: u32) {
    media.floor.send_replace(MouthFloor { hushed: Some(UtteranceId(id)), paused: false });
}

#[tokio::test]
async fn an_answer_of_which_most_still_waits_for_room_is_hushed_at_once_all_of_it() {
    let shard = shard();
    let peer = peer();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let (first, second) = (UtteranceId(1), UtteranceId(2));
    // 50 s at 24 kHz, of which the leg takes 11 at once.
    for _ in 0..50 {
        media.mouth.send(MouthCommand::Say { utterance: first, rate_hz: 24_000, pcm: vec![9000; 24_000] }).await.unwrap();
    }
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
    hush(&media, 1);
    media.mouth.send(MouthCommand::End { utterance: first }).await.unwrap();
    media.mouth.send(MouthCommand::Say { utterance: second, rate_hz: 8_000, pcm: vec![9000; 800] }).await.unwrap();
    media.mouth.send(MouthCommand::End { utterance: second }).await.unwrap();
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Hushed { .. })).await;
    assert!(matches!(event, LegEvent::Hushed { utterance: Some(UtteranceId(1)), .. }));
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. } | LegEvent::Ended { .. })).await;
    assert!(matches!(event, LegEvent::Audible { utterance: UtteranceId(2), .. }), "{event:?}");
}

#[tokio::test]
async fn a_leg_stands_still_and_goes_on_as_it_is_told() {
    let shard = shard();
    let peer = peer();
    peer.set_nonblocking(true).unwrap();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let utterance = UtteranceId(1);
    media.floor.send_modify(|floor| floor.paused = true);
    media.mouth.send(MouthCommand::Say { utterance, rate_hz: 8_000, pcm: vec![9000; 1_600] }).await.unwrap();
    media.mouth.send(MouthCommand::End { utterance: UtteranceId(9) }).await.unwrap();
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. } | LegEvent::Ended { .. })).await;
    assert!(matches!(event, LegEvent::Ended { utterance: UtteranceId(9) }), "it takes orders meanwhile: {event:?}");
    media.floor.send_modify(|floor| floor.paused = false);
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
}

#[tokio::test]
async fn a_leg_that_stands_still_is_hushed_without_a_sound() {
    let shard = shard();
    let peer = peer();
    peer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let mut packet = [0; 500];
    // Packets in which something is to be heard, until a hundred milliseconds bring none.
    let mut sounds = || {
        let (mut sounds, mut quiet) = (0, 0);
        while quiet < 5 {
            let came = peer.recv_from(&mut packet).is_ok();
            let loud = came && packet[12..172].iter().any(|byte| byte & 0x7F < 0x60);
            (sounds, quiet) = if loud { (sounds + 1, 0) } else { (sounds, quiet + if came { 1 } else { 5 }) };
        }
        sounds
    };
    let utterance = UtteranceId(1);
    media.mouth.send(MouthCommand::Say { utterance, rate_hz: 8_000, pcm: vec![9000; 24_000] }).await.unwrap();
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
    media.floor.send_modify(|floor| floor.paused = true);
    assert!(sounds() > 0, "it was heard until then");
    hush(&media, 1);
    until_event(&mut media, |event| matches!(event, LegEvent::Hushed { .. })).await;
    assert_eq!(sounds(), 0, "what stood still does not sound again");
}

#[tokio::test]
async fn a_leg_that_is_hushed_says_what_was_spoken() {
    let shard = shard();
    let peer = peer();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    hush(&media, 1);
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Hushed { .. })).await;
    assert!(matches!(event, LegEvent::Hushed { utterance: None, spoken_ms: 0 }));
    let utterance = UtteranceId(2);
    media.mouth.send(MouthCommand::Say { utterance, rate_hz: 8000, pcm: vec![9000; 80_000] }).await.unwrap();
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
    hush(&media, 2);
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Hushed { .. })).await;
    let LegEvent::Hushed { utterance: Some(UtteranceId(2)), spoken_ms } = event else { panic!("{event:?}") };
    assert!((1..1000).contains(&spoken_ms), "{spoken_ms} ms");
}

#[tokio::test]
async fn a_leg_that_is_told_twice_to_be_hushed_says_so_once() {
    let shard = shard();
    let peer = peer();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    let (first, second) = (UtteranceId(1), UtteranceId(2));
    media.mouth.send(MouthCommand::Say { utterance: first, rate_hz: 8_000, pcm: vec![9000; 80_000] }).await.unwrap();
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
    hush(&media, 1);
    until_event(&mut media, |event| matches!(event, LegEvent::Hushed { .. })).await;
    hush(&media, 1);
    media.mouth.send(MouthCommand::Say { utterance: second, rate_hz: 8_000, pcm: vec![9000; 8_000] }).await.unwrap();
    let told = |event: &LegEvent| matches!(event, LegEvent::Audible { .. } | LegEvent::Hushed { .. });
    let event = until_event(&mut media, told).await;
    assert!(matches!(event, LegEvent::Audible { utterance: UtteranceId(2), .. }), "{event:?}");
    hush(&media, 1);
    media.mouth.send(MouthCommand::End { utterance: second }).await.unwrap();
    let event = until_event(&mut media, |event| matches!(event, LegEvent::Ended { .. } | LegEvent::Hushed { .. })).await;
    assert!(matches!(event, LegEvent::Ended { utterance: UtteranceId(2) }), "it is said to its end: {event:?}");
}

#[tokio::test]
async fn more_than_the_queue_holds_is_said_to_its_end() {
    let shard = shard();
    let (mut media, mut peer) = shard.open_raw(ulaw(None, None)).unwrap();
    let utterance = UtteranceId(1);
    // 61 s in one piece: one more than the Mouth keeps.
    media.mouth.send(MouthCommand::Say { utterance, rate_hz: 8000, pcm: vec![9000; 61 * 8000] }).await.unwrap();
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
    assert!(matches!(timeout(SOON, peer.outbound.recv()).await, Ok(Some(RawOut::Frame(frame))) if frame.len() == 160));
}

#[tokio::test]
async fn a_standstill_is_told_once_packets_had_flowed() {
    let shard = shard();
    let peer = peer();
    let (mut media, wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), Some(Duration::from_millis(100)))).unwrap();
    until("a packet came", || {
        peer.send_to(&rtp(1), address(&shard)).unwrap();
        wire.flow().silent_for(Instant::now()).is_some()
    })
    .await;
    until_event(&mut media, |event| matches!(event, LegEvent::Inactive)).await;
}

#[tokio::test]
async fn a_dropped_leg_is_gone_and_its_address_rests() {
    let shard = shard();
    let peer = peer();
    let legs: Vec<_> = (0..3).map(|_| shard.open_raw(ulaw(None, None)).unwrap()).collect();
    let (media, wire) = shard.open_rtp(ulaw(Some(peer.local_addr().unwrap()), None)).unwrap();
    assert_eq!(shard.live_legs(), 4);
    until("a packet came", || {
        peer.send_to(&rtp(1), address(&shard)).unwrap();
        wire.flow().silent_for(Instant::now()).is_some()
    })
    .await;
    drop((media, legs));
    until("all legs are gone", || shard.live_legs() == 0).await;
    until("a late packet rests", || {
        peer.send_to(&rtp(2), address(&shard)).unwrap();
        shard.stats().packets_rested > 0
    })
    .await;
    assert_eq!(shard.stats().packets_unknown, 0);
}

#[tokio::test]
async fn garbage_is_counted_and_other_legs_go_on() {
    let shard = shard();
    let (bad, good) = (peer(), peer());
    let (_bad_media, _bad_wire) = shard.open_rtp(ulaw(Some(bad.local_addr().unwrap()), None)).unwrap();
    let (mut media, _wire) = shard.open_rtp(ulaw(Some(good.local_addr().unwrap()), None)).unwrap();
    until("garbage is counted", || {
        for length in [0, 1, 11, 12, 172, 1400, 3000] {
            bad.send_to(&vec![0xff; length], address(&shard)).unwrap();
        }
        shard.stats().packets_garbage > 20
    })
    .await;
    media.mouth.send(MouthCommand::Say { utterance: UtteranceId(1), rate_hz: 8000, pcm: vec![9000; 800] }).await.unwrap();
    until_event(&mut media, |event| matches!(event, LegEvent::Audible { .. })).await;
}

#[tokio::test]
async fn an_owner_that_does_not_read_loses_sound_but_no_edge() {
    let shard = shard();
    let (mut media, peer) = shard.open_raw(ulaw(None, None)).unwrap();
    // Ends of utterances are kept as edges are, and come without waiting for a voice.
    let count = u32::try_from(shard::EVENTS_MAX + 10).unwrap();
    for id in 1..=count {
        media.mouth.send(MouthCommand::End { utterance: UtteranceId(id) }).await.unwrap();
    }
    let sound = vec![0x00; 160];
    until("sound is dropped", || {
        let _ = peer.inbound.try_send(Bytes::from(sound.clone()));
        shard.stats().audio_dropped_ms > 0
    })
    .await;
    for id in 1..=count {
        until_event(&mut media, |event| matches!(event, LegEvent::Ended { utterance } if utterance.0 == id)).await;
    }
}
