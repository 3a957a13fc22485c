//! Deadlines, budgets, and what is left behind.

use crate::rig::{Guest, LINK, PATIENCE, Server, Terms, binary, client_frame, frame, received};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use vg_links::Deadlines;
use vg_links::grant::Budget;
use vg_links::wire::{LinkEffect, LinkErrorKind, LinkInput, Payload};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_lives_while_it_answers() {
    let server = Server::plain().await;
    let deadlines = Deadlines { ping: ms(20), pong: ms(500), ..Deadlines::default() };
    let (mut guest, mut peer) = server.raw_pair(Terms { deadlines, ..Terms::default() }).await;
    for _ in 0..5 {
        assert_eq!(client_frame(&mut peer).await, Some((0x89, Vec::new())));
        peer.write_all(&frame(0x8a, b"")).await.unwrap();
    }
    peer.write_all(&frame(0x81, b"alive")).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"alive".into())));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_a_ping_is_given_up() {
    let server = Server::plain().await;
    let deadlines = Deadlines { ping: ms(20), pong: ms(40), ..Deadlines::default() };
    let (mut guest, mut peer) = server.raw_pair(Terms { deadlines, ..Terms::default() }).await;
    assert_eq!(client_frame(&mut peer).await, Some((0x89, Vec::new())));
    guest.failed(LinkErrorKind::Timeout).await;
    assert_eq!(client_frame(&mut peer).await, Some((0x88, 1001_u16.to_be_bytes().to_vec())));
}

#[tokio::test]
async fn a_session_that_lets_its_peer_wait_does_not_blame_it() {
    let server = Server::plain().await;
    let deadlines = Deadlines { ping: ms(30), pong: ms(60), idle: ms(150), ..Deadlines::default() };
    let (mut guest, peer) = server.pair(Terms { deadlines, ..Terms::default() }).await;
    let (mut sink, mut stream) = peer.split();
    // More than the session's queue takes, then pongs behind them that nobody reads for a while.
    for nth in 0..40_u8 {
        sink.send(binary(vec![nth])).await.unwrap();
    }
    // Reads on, which answers pings.
    let answering = async { while let Some(Ok(_)) = stream.next().await {} };
    let session = async {
        tokio::time::sleep(ms(200)).await;
        for nth in 0..40_u8 {
            assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![nth])));
        }
        tokio::time::sleep(ms(20)).await;
        sink.send(binary(vec![40])).await.unwrap();
        assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![40])));
    };
    tokio::select! {
        () = answering => panic!("the link ended"),
        () = session => {}
    }
}

#[tokio::test]
async fn a_link_on_which_nothing_is_said_ends_although_pings_are_answered() {
    let server = Server::plain().await;
    let deadlines = Deadlines { ping: ms(20), idle: ms(120), ..Deadlines::default() };
    let (mut guest, mut peer) = server.pair(Terms { deadlines, ..Terms::default() }).await;
    let asked = Instant::now();
    let answering = async { while let Some(Ok(_)) = peer.next().await {} };
    let ((), detail) = tokio::join!(answering, guest.failed(LinkErrorKind::Timeout));
    assert!(asked.elapsed() >= ms(100), "{detail} after {:?}", asked.elapsed());
}

#[tokio::test]
async fn beyond_its_budget_a_link_ends() {
    let server = Server::plain().await;
    let budget = Budget { bytes_out_max: 1_000, bytes_in_max: 2_000 };
    let (mut guest, mut peer) = server.pair(Terms { budget, ..Terms::default() }).await;
    guest.send_bytes(vec![1; 1_000]);
    assert_eq!(received(&mut peer).await.unwrap(), binary(vec![1; 1_000]));
    guest.send_bytes(vec![1]);
    guest.failed(LinkErrorKind::Limit).await;

    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let mut peer = server.websocket().await;
    guest.opened().await;
    peer.send(binary(vec![2; 1_900])).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![2; 1_900])));
    peer.send(binary(vec![2; 200])).await.unwrap();
    guest.failed(LinkErrorKind::Limit).await;
}

#[tokio::test]
async fn bytes_are_counted() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    guest.send_bytes(vec![0; 300]);
    received(&mut peer).await.unwrap();
    peer.send(binary(vec![0; 500])).await.unwrap();
    guest.next().await;
    let counts = guest.links.counts();
    assert_eq!((counts.asked, counts.connected, counts.failed, counts.bytes_out), (1, 1, 0, 300));
    assert_eq!(counts.bytes_in, 504, "with the frame's head");
}

/// Sockets of this machine that are connected to `port`, whoever has them.
fn connected_to(port: u16) -> usize {
    let wanted = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let established = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&wanted)) && fields.next() == Some("01")
    };
    table.lines().filter(established).count()
}

#[tokio::test]
async fn three_hundred_links_leave_nothing_behind() {
    let server = Server::plain().await;
    let port = server.listener.local_addr().unwrap().port();
    let Guest { links, grant, door: _ } = server.guest(Terms::default());
    let tasks_before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for round in 0..30 {
        let mut doors = Vec::new();
        let mut peers = Vec::new();
        for _ in 0..10 {
            let mut guest = Guest { door: links.door(grant.clone()), links: links.clone(), grant: grant.clone() };
            guest.apply(LinkEffect::Websocket(server.open(LINK)));
            let mut peer = server.websocket().await;
            guest.opened().await;
            guest.send_text("hello");
            assert_eq!(received(&mut peer).await.unwrap(), Message::text("hello"));
            doors.push(guest);
            peers.push(peer);
        }
        for (nth, (guest, peer)) in doors.iter_mut().zip(&mut peers).enumerate() {
            match nth % 4 {
                0 => guest.apply(LinkEffect::Close(LINK)),
                1 => guest.apply(LinkEffect::Finish(LINK)),
                2 => peer.close(None).await.unwrap(),
                // Dropped with something to say.
                _ => guest.send_bytes(vec![0; 100_000]),
            }
            while nth % 4 == 1 && !matches!(timeout(PATIENCE, peer.next()).await, Ok(None | Some(Err(_)))) {}
        }
        drop(doors);
        drop(timeout(PATIENCE, grant.connections.acquire_many(512)).await.unwrap_or_else(|_| panic!("round {round}")).unwrap());
    }
    let gone = async {
        while connected_to(port) > 0 || tokio::runtime::Handle::current().metrics().num_alive_tasks() > tasks_before {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no socket and no task is left");
    assert_eq!(links.counts().connected, 300);
}
