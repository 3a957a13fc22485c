//! How long a peer is waited for.

use crate::rig::*;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use vg_links::Deadlines;
use vg_links::wire::{HttpVersion, LinkErrorKind, RequestBody};

const BRIEF: Duration = Duration::from_millis(80);
const LONG: Duration = Duration::from_secs(60);
const NONE: Deadlines =
    Deadlines { connect: LONG, first_byte: LONG, idle: LONG, keep_unused: LONG, ping: LONG, ping_http2: LONG, pong: LONG };

fn terms(deadlines: Deadlines) -> Terms {
    Terms { deadlines, ..Terms::default() }
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_no_connection_in_time() {
    let (listener, origin) = listener().await;
    let origin = origin.replace("http:", "https:");
    let mut guest = Guest::new(&[&origin], terms(Deadlines { connect: BRIEF, ..NONE }));
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        guest.open(request(1, version, "GET", origin.clone(), RequestBody::None));
        let _tcp = accept(&listener).await;
        assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, None));
    }
    until("their places are free", || guest.grant.connections.available_permits() == 512).await;
}

#[tokio::test]
async fn an_answer_that_never_begins_is_not_waited_for() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], terms(Deadlines { first_byte: BRIEF, ..NONE }));
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        guest.open(request(1, version, "POST", origin.clone(), RequestBody::Whole(b"x".to_vec())));
        let _tcp = accept(&listener).await;
        assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, None));
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_was_answered_is_not_used_again() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], terms(Deadlines { first_byte: BRIEF, ..NONE }));
    let ask = request(1, HttpVersion::Http2, "GET", origin.clone(), RequestBody::None);
    guest.open(ask.clone());
    let _silent = accept(&listener).await;
    assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, None));
    guest.open(ask);
    let mut connection = http2(&listener).await;
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(http::Response::new(()), true).unwrap();
    tokio::spawn(async move { connection.accept().await.is_none() });
    assert_eq!(guest.answer().await.status, 200);
}

#[tokio::test]
async fn an_answer_is_due_from_the_end_of_the_request() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], terms(Deadlines { first_byte: BRIEF, idle: BRIEF * 4, ..NONE }));
    let streaming = request(1, HttpVersion::Http1, "POST", origin.clone(), RequestBody::Streaming);
    let begun = Instant::now();
    guest.open(streaming.clone());
    let _tcp = accept(&listener).await;
    assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, None));
    assert!(begun.elapsed() >= BRIEF * 4, "its body may still be spoken");
    let mut guest = Guest::new(&[&origin], terms(Deadlines { first_byte: BRIEF, ..NONE }));
    guest.open(streaming);
    guest.finish(1);
    let _tcp = accept(&listener).await;
    assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, None));
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], terms(Deadlines { idle: BRIEF, ..NONE }));
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, Some(200)));
    assert_eq!(ended(&mut tcp).await, b"");
}

#[tokio::test]
async fn a_session_that_takes_nothing_for_long_loses_nothing() {
    const BODY: usize = 4 << 20;
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], terms(Deadlines { idle: BRIEF, ..NONE }));
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tokio::spawn(async move {
        tcp.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n").as_bytes()).await?;
        tcp.write_all(&vec![1; BODY]).await
    });
    assert_eq!(guest.opened().await, 200);
    // Speaking, meanwhile: what is tested is that time passes.
    tokio::time::sleep(BRIEF * 4).await;
    assert_eq!(guest.answer().await.body.len(), BODY);
}
