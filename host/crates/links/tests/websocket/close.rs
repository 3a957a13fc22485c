//! How WebSockets end.

use crate::rig::{Guest, LINK, Server, Terms, client_close, client_frame, frame, received};
use futures_util::SinkExt;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use vg_links::Deadlines;
use vg_links::wire::{LinkEffect, LinkErrorKind, LinkInput, Payload};

async fn given_back(guest: &Guest) {
    let all = guest.grant.connections.acquire_many(512);
    drop(tokio::time::timeout(crate::rig::PATIENCE, all).await.expect("the connection is given back").unwrap());
}

/// Ends the connection without a word.
fn reset(peer: TcpStream) {
    peer.set_zero_linger().unwrap();
}

#[tokio::test]
async fn a_session_that_finishes_still_hears_what_was_on_its_way() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    guest.send_text("last");
    guest.apply(LinkEffect::Finish(LINK));
    guest.send_text("too late");
    assert_eq!(client_frame(&mut peer).await, Some((0x81, b"last".to_vec())));
    assert_eq!(client_frame(&mut peer).await, Some((0x88, 1000_u16.to_be_bytes().to_vec())));
    peer.write_all(&frame(0x81, b"final words")).await.unwrap();
    peer.write_all(&frame(0x89, b"no pong follows a close")).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"final words".into())));
    peer.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, Some(1000)));
    assert_eq!(client_frame(&mut peer).await, None);
    given_back(&guest).await;
}

#[tokio::test]
async fn the_peers_close_is_answered_and_its_code_told() {
    for (code, told) in [(1000, 1000), (1011, 1011), (3000, 3000), (4001, 4001)] {
        let server = Server::plain().await;
        let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
        peer.write_all(&frame(0x81, b"bye")).await.unwrap();
        peer.write_all(&frame(0x88, &u16::to_be_bytes(code))).await.unwrap();
        assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"bye".into())));
        assert_eq!(guest.next().await, LinkInput::Finished(LINK, Some(told)));
        assert_eq!(client_close(&mut peer).await, Some(code));
        assert_eq!(client_frame(&mut peer).await, None, "nothing follows");
        given_back(&guest).await;
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_an_end_without_a_code() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    peer.write_all(&frame(0x88, b"")).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, None));
    assert_eq!(client_frame(&mut peer).await, Some((0x88, Vec::new())));
}

#[tokio::test]
async fn tls_ends_with_the_close_and_a_word_of_its_own() {
    let server = Server::tls().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let (mut peer, ()) = tokio::join!(server.websocket_tls(), guest.opened());
    let close = CloseFrame { code: 4242.into(), reason: "quota".into() };
    peer.close(Some(close.clone())).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, Some(4242)));
    assert_eq!(received(&mut peer).await.unwrap(), Message::Close(Some(close)));
}

#[tokio::test]
async fn an_end_without_a_close_is_a_lost_connection() {
    let cut: [&[u8]; 3] = [b"", &[0x82, 100, 1, 2, 3], &[0x02, 1, 1]];
    for written in cut {
        let server = Server::plain().await;
        let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
        peer.write_all(&frame(0x81, b"whole")).await.unwrap();
        peer.write_all(written).await.unwrap();
        drop(peer);
        assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"whole".into())));
        guest.failed(LinkErrorKind::Reset).await;
        given_back(&guest).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_is_a_lost_connection() {
    let server = Server::plain().await;
    let (mut guest, peer) = server.raw_pair(Terms::default()).await;
    reset(peer);
    guest.failed(LinkErrorKind::Reset).await;
}

#[tokio::test]
async fn what_came_before_the_connection_was_lost_is_heard_while_writing_fails() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    for nth in 0..40_u8 {
        peer.write_all(&frame(0x82, &[nth; 500])).await.unwrap();
    }
    reset(peer);
    // The session lets its door wait, so the writer meets the loss first.
    guest.send_text("into the void");
    tokio::task::yield_now().await;
    guest.send_text("into the void");
    for nth in 0..16 {
        assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![nth; 500])));
    }
    while let LinkInput::Bytes(..) = guest.next().await {}
    assert_eq!(guest.door.links_open(), 0);
}

#[tokio::test]
async fn a_peer_that_answers_the_close_by_hanging_up_has_finished() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    guest.apply(LinkEffect::Finish(LINK));
    assert_eq!(client_close(&mut peer).await, Some(1000));
    drop(peer);
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, None));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_the_close_runs_into_the_deadline() {
    let server = Server::plain().await;
    let deadlines = Deadlines { pong: Duration::from_millis(300), ..Deadlines::default() };
    let (mut guest, mut peer) = server.raw_pair(Terms { deadlines, ..Terms::default() }).await;
    guest.apply(LinkEffect::Finish(LINK));
    assert_eq!(client_close(&mut peer).await, Some(1000));
    // Late words give it more time.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.write_all(&frame(0x81, b"late")).await.unwrap();
        assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"late".into())));
    }
    guest.failed(LinkErrorKind::Timeout).await;
}

#[tokio::test]
async fn a_link_that_is_closed_says_goodbye_and_nothing_more_is_told() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    guest.apply(LinkEffect::Close(LINK));
    assert_eq!(client_close(&mut peer).await, Some(1001));
    assert_eq!(client_frame(&mut peer).await, None);
    given_back(&guest).await;
    assert_eq!(guest.door.links_open(), 0);
    // Its id is free again.
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let _peer = server.websocket().await;
    guest.opened().await;
}

#[tokio::test]
async fn a_door_that_is_dropped_closes_what_is_open_and_what_is_opening() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    guest.apply(LinkEffect::Websocket(server.open(LINK + 1)));
    let mut opening = server.accept().await;
    let Guest { door, links, grant } = guest;
    drop(door);
    assert_eq!(client_close(&mut peer).await, Some(1001));
    tokio::io::copy(&mut opening, &mut tokio::io::sink()).await.unwrap();
    let guest = Guest { door: links.door(grant.clone()), links, grant };
    given_back(&guest).await;
}

#[tokio::test]
async fn a_well_behaved_peer_sees_a_proper_end() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    guest.apply(LinkEffect::Finish(LINK));
    let Message::Close(Some(CloseFrame { code, .. })) = received(&mut peer).await.unwrap() else { panic!("no close") };
    assert_eq!(u16::from(code), 1000);
    peer.flush().await.ok();
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, Some(1000)));
}
