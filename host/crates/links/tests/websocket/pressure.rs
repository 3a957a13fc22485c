//! Sides that do not keep up.

use crate::rig::{LINK, PATIENCE, Server, Terms, binary, client_frame, received};
use futures_util::{FutureExt, SinkExt};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use vg_links::wire::{LinkEffect, LinkInput, Payload};

const MESSAGE: usize = 16 << 10;

#[tokio::test]
async fn while_the_session_takes_nothing_the_peer_is_not_read() {
    const MESSAGES: u32 = 2_000;
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    let mut sent = 0_u32;
    let mut stalled = false;
    while sent < MESSAGES && !stalled {
        let message = binary([&sent.to_be_bytes()[..], &[0; MESSAGE]].concat());
        stalled = timeout(Duration::from_millis(300), peer.send(message)).await.is_err();
        sent += 1;
    }
    assert!(stalled, "all {sent} messages went out");
    let counted = guest.links.counts().bytes_in;
    assert!(counted < 1 << 20, "{counted} bytes were read for nobody");
    let flush = async { peer.flush().await.unwrap() };
    let read = async {
        for nth in 0..sent {
            let LinkInput::Bytes(LINK, Payload(data)) = guest.next().await else { panic!("not a message") };
            assert_eq!(data[..4], nth.to_be_bytes());
        }
    };
    tokio::join!(flush, read);
}

#[tokio::test]
async fn a_session_hears_that_its_peer_is_full_and_when_it_takes_more() {
    let server = Server::narrow();
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    let mut sent = 0_u32;
    while sent < 10_000 {
        guest.send_bytes([&sent.to_be_bytes()[..], &[0; MESSAGE]].concat());
        sent += 1;
        // Lets the writer go on; silence means room.
        if let Ok(told) = timeout(Duration::from_micros(100), guest.next()).await {
            match told {
                LinkInput::Full(LINK) => match timeout(Duration::from_millis(300), guest.next()).await {
                    Ok(LinkInput::Writable(LINK)) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => break,
                },
                LinkInput::Writable(LINK) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(sent < 10_000, "the peer never was full");
    for nth in 0..sent {
        assert_eq!(received(&mut peer).await.unwrap().into_data()[..4], nth.to_be_bytes());
    }
    assert_eq!(guest.next().await, LinkInput::Writable(LINK));
    guest.send_text("again");
    assert_eq!(received(&mut peer).await.unwrap().into_data(), "again");
}

#[tokio::test]
async fn a_session_whose_queue_is_full_is_still_told_that_it_may_go_on() {
    let server = Server::narrow();
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    for _ in 0..40 {
        peer.write_all(&crate::rig::frame(0x82, &[1])).await.unwrap();
    }
    guest.fill(LINK).await;
    let sent = guest.links.counts().chunks_routed;
    for _ in 0..sent {
        assert!(client_frame(&mut peer).await.is_some());
    }
    let mut told = Vec::new();
    while told.last() != Some(&LinkInput::Writable(LINK)) {
        told.push(guest.next().await);
    }
    assert!(told.contains(&LinkInput::Full(LINK)));
}

#[tokio::test]
async fn a_session_that_ignores_full_is_dropped_and_its_connection_with_it() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    let refused = (0..100).any(|_| guest.door.apply(LinkEffect::SendBytes(LINK, Payload(vec![0; MESSAGE]))).is_err());
    assert!(refused);
    drop(guest);
    while client_frame(&mut peer).await.is_some() {}
}

#[tokio::test]
async fn audio_that_a_stuck_peer_does_not_take_ends_its_link_not_its_session() {
    let server = Server::plain().await;
    let (mut guest, _peer) = server.raw_pair(Terms::default()).await;
    assert!(guest.door.route(LINK, Vec::new()));
    let taken = (0..100_000).take_while(|_| guest.door.take_audio(&[0; 3200]).is_some()).count();
    assert!(taken < 100_000);
    loop {
        match guest.next().await {
            LinkInput::Full(_) | LinkInput::Writable(_) => {}
            LinkInput::Failed { kind, .. } => break assert_eq!(kind.code(), "limit"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn audio_goes_past_the_session_only_where_it_would_not_have_to_be_told_that_the_link_is_full() {
    let server = Server::narrow();
    let (mut guest, _peer) = server.raw_pair(Terms::default()).await;
    guest.fill(LINK).await;
    let line = guest.door.line();
    let past = (0..1_000).take_while(|_| line.send(0, vec![0; 3200]).is_ok()).count();
    assert!(past < 30, "{past}: the session would not know");
    let refused = (0..1_000).any(|_| guest.door.apply(LinkEffect::SendBytes(LINK, Payload(vec![0; 3200]))).is_err());
    assert!(refused, "it is the session that overruns, having been told");
    assert!(std::iter::from_fn(|| guest.door.next().now_or_never()).any(|input| input == LinkInput::Full(LINK)));
}

/// One worker, hence one lane for all.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_does_not_read_delays_nobody_else() {
    let server = Server::narrow();
    let (mut guest, _stuck) = server.raw_pair(Terms::default()).await;
    guest.fill(LINK).await;
    let healthy = LINK + 1;
    guest.apply(LinkEffect::Websocket(server.open(healthy)));
    let mut peer = server.websocket().await;
    loop {
        if matches!(guest.next().await, LinkInput::Opened { id, .. } if id == healthy) {
            break;
        }
    }
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        guest.apply(LinkEffect::SendText(healthy, Payload(b"on time".into())));
        received(&mut peer).await.unwrap();
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < Duration::from_millis(100), "{longest:?}");
}

#[tokio::test]
async fn both_directions_full_at_once_come_free_again() {
    let server = Server::narrow();
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    let message = crate::rig::frame(0x82, &[1; MESSAGE]);
    // Neither side reads until both are stuck.
    let mut inward = 0;
    while timeout(Duration::from_millis(200), peer.write_all(&message)).await.is_ok() {
        inward += 1;
    }
    guest.fill(LINK).await;
    let (mut reads, _writes) = peer.into_split();
    let (sink_done, told) = tokio::join!(
        timeout(Duration::from_millis(500), async { tokio::io::copy(&mut reads, &mut tokio::io::sink()).await }),
        async {
            let mut told = 0;
            while told < inward {
                told += usize::from(matches!(timeout(PATIENCE, guest.next()).await, Ok(LinkInput::Bytes(..))));
            }
            told
        }
    );
    assert!(sink_done.is_err(), "the link is still open");
    assert_eq!(told, inward);
}
