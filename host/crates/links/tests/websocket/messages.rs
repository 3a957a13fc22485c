//! What is said in an open WebSocket.

use crate::rig::{LINK, Server, Terms, binary, frame, received};
use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use vg_links::wire::{LinkEffect, LinkInput, Payload};

#[tokio::test]
async fn text_and_binary_go_both_ways_in_order() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    for nth in 0..50_u8 {
        guest.send_text(&format!("grüße {nth}"));
        guest.send_bytes(vec![nth; usize::from(nth)]);
    }
    for nth in 0..50_u8 {
        assert_eq!(received(&mut peer).await.unwrap(), Message::text(format!("grüße {nth}")));
        assert_eq!(received(&mut peer).await.unwrap(), binary(vec![nth; usize::from(nth)]));
    }
    peer.send(Message::text("hören")).await.unwrap();
    peer.send(binary(vec![])).await.unwrap();
    peer.send(binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload("hören".into())));
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![])));
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![1, 2, 3])));
}

#[tokio::test]
async fn tls_carries_small_and_large_messages() {
    let server = Server::tls().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let (mut peer, ()) = tokio::join!(server.websocket_tls(), guest.opened());
    let large: Vec<u8> = (0..200_000_u32).map(|nth| nth as u8).collect();
    guest.send_text("first");
    guest.send_bytes(large.clone());
    assert_eq!(received(&mut peer).await.unwrap(), Message::text("first"));
    assert_eq!(received(&mut peer).await.unwrap(), binary(large.clone()));
    let (sent, told) = tokio::join!(peer.send(binary(large.clone())), async {
        let mut told = guest.next().await;
        if matches!(told, LinkInput::Full(_)) {
            assert_eq!(guest.next().await, LinkInput::Writable(LINK));
            told = guest.next().await;
        }
        told
    });
    sent.unwrap();
    assert_eq!(told, LinkInput::Bytes(LINK, Payload(large)));
}

#[tokio::test]
async fn a_binary_message_of_the_greatest_length_is_one_input() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    let message: Vec<u8> = (0..1_u32 << 20).map(|nth| (nth >> 8) as u8).collect();
    let (sent, told) = tokio::join!(peer.send(binary(message.clone())), guest.next());
    sent.unwrap();
    assert_eq!(told, LinkInput::Bytes(LINK, Payload(message)));
}

#[tokio::test]
async fn fragments_become_one_message_with_pings_between_them() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.raw_pair(Terms::default()).await;
    // "é" is cut in two: only the whole has to be UTF-8.
    let pieces = [frame(0x01, b"caf\xc3"), frame(0x89, b"?"), frame(0x00, b""), frame(0x80, b"\xa9")];
    for byte in pieces.concat() {
        peer.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload("café".into())));
    assert_eq!(crate::rig::client_frame(&mut peer).await, Some((0x8a, b"?".to_vec())));
}

#[tokio::test]
async fn pings_are_answered_by_the_host_while_the_session_is_silent() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    for payload in ["a", "b", "c"] {
        peer.send(Message::Ping(payload.into())).await.unwrap();
        assert_eq!(received(&mut peer).await.unwrap(), Message::Pong(payload.into()));
    }
    peer.send(Message::text("after")).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload("after".into())), "pings are not told");
}

#[tokio::test]
async fn audio_that_is_routed_goes_behind_its_prefix_until_the_link_ends() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    assert_eq!(guest.door.take_audio(&[1, 2]), None, "not routed yet");
    assert!(guest.door.route(LINK, b"> ".to_vec()));
    assert!(guest.door.take_audio(&[1, 2]).is_some());
    assert!(guest.door.take_audio(&[3, 4]).is_some());
    assert_eq!(received(&mut peer).await.unwrap(), binary(vec![b'>', b' ', 1, 2]));
    assert_eq!(received(&mut peer).await.unwrap(), binary(vec![b'>', b' ', 3, 4]));
    assert_eq!(guest.links.counts().chunks_routed, 2);
    peer.close(None).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Finished(LINK, None));
    assert_eq!(guest.door.take_audio(&[5, 6]), None, "the link is gone");
}

#[tokio::test]
async fn audio_goes_past_a_session_that_has_dealt_with_everything_and_never_overtakes() {
    let server = Server::plain().await;
    let (mut guest, mut peer) = server.pair(Terms::default()).await;
    let line = guest.door.line();
    assert_eq!(line.send(0, vec![1]), Err(vec![1]), "nothing is routed yet");
    assert!(guest.door.route(LINK, b"> ".to_vec()));
    assert_eq!(line.send(0, vec![2]), Ok(()));
    assert_eq!(received(&mut peer).await.unwrap(), binary(vec![b'>', b' ', 2]));
    assert_eq!(line.send(1, vec![3]), Err(vec![3]), "an input before it is still to be dealt with");
    line.settle(1);
    assert_eq!(line.send(1, vec![4]), Ok(()));
    assert_eq!(received(&mut peer).await.unwrap(), binary(vec![b'>', b' ', 4]));
    assert_eq!(guest.links.counts().chunks_routed, 2);
    guest.apply(LinkEffect::Close(LINK));
    assert_eq!(line.send(1, vec![5]), Err(vec![5]), "the link is gone");
}

#[tokio::test]
async fn audio_goes_past_no_session_whose_door_is_gone() {
    let server = Server::plain().await;
    let (mut guest, _peer) = server.pair(Terms::default()).await;
    let line = guest.door.line();
    assert!(guest.door.route(LINK, Vec::new()));
    drop(guest);
    assert_eq!(line.send(0, vec![1]), Err(vec![1]));
}

#[tokio::test]
async fn what_is_sent_before_the_link_is_open_waits_for_it() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    guest.send_text("early");
    let mut peer = server.websocket().await;
    assert_eq!(received(&mut peer).await.unwrap(), Message::text("early"));
}
