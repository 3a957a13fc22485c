//! HTTP/2, as gRPC needs it.

use crate::rig::*;
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use vg_links::wire::{HttpVersion, LinkErrorKind, LinkInput, Payload, RequestBody};
use vg_links::{Deadlines, Grant, Links};

/// How a stream ended for the server: well, or with a reset.
type Outcome = Result<(), Option<Reason>>;

/// Sends back what comes, then a trailer.
async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Outcome {
    let mut body = request.into_body();
    let mut out = respond.send_response(Response::new(()), false).unwrap();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| error.reason())?;
        body.flow_control().release_capacity(data.len()).map_err(|error| error.reason())?;
        out.send_data(data, false).map_err(|error| error.reason())?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    out.send_trailers(trailers).map_err(|error| error.reason())
}

/// Echoes on every stream of every connection; the outcomes come by the channel.
fn echoes(listener: TcpListener) -> mpsc::Receiver<Outcome> {
    let (tell, outcomes) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let connection = http2(&listener).await;
            tokio::spawn(streams(connection, tell.clone()));
        }
    });
    outcomes
}

async fn streams(mut connection: Connection<TcpStream, Bytes>, tell: mpsc::Sender<Outcome>) {
    while let Some(Ok((request, respond))) = connection.accept().await {
        let tell = tell.clone();
        tokio::spawn(async move { tell.send(echo(request, respond).await).await });
    }
}

fn post2(origin: &str, body: &[u8]) -> vg_links::wire::HttpOpen {
    request(1, HttpVersion::Http2, "POST", format!("{origin}/say"), RequestBody::Whole(body.to_vec()))
}

#[tokio::test]
async fn a_conversation_goes_message_by_message() {
    let (listener, origin) = listener().await;
    let mut outcomes = echoes(listener);
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(call(1, &origin));
    assert_eq!(guest.opened().await, 200);
    for at in 0..200u32 {
        let message = [at.to_be_bytes().as_slice(), &[7; 641]].concat();
        guest.send(1, &message);
        assert_eq!(guest.bytes().await, message);
    }
    guest.finish(1);
    assert_eq!(guest.answer().await.trailers, fields(&[("grpc-status", "0")]));
    assert_eq!(outcomes.recv().await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_request_says_who_is_asked_and_how_much_follows() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    let mut open = post2(&origin, b"hello");
    open.headers = fields(&[("X-Key", "v"), ("te", "trailers")]);
    guest.open(open);
    let mut connection = http2(&listener).await;
    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
    assert_eq!(request.uri().to_string(), format!("{origin}/say"));
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(
        [header("content-length"), header("x-key"), header("te"), header("host")],
        [Some("5"), Some("v"), Some("trailers"), None]
    );
    respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
    tokio::spawn(async move { connection.accept().await.is_none() });
    assert_eq!(guest.answer().await.status, 204);
}

#[tokio::test]
async fn closing_a_stream_resets_it_and_leaves_the_others() {
    let (listener, origin) = listener().await;
    let mut outcomes = echoes(listener);
    let mut guest = Guest::new(&[&origin], Terms::default());
    for id in [1, 2] {
        guest.open(call(id, &origin));
        assert_eq!(guest.opened().await, 200);
    }
    guest.close(1);
    assert_eq!(outcomes.recv().await.unwrap(), Err(Some(Reason::CANCEL)));
    guest.send(2, b"still here");
    assert_eq!(guest.next().await, LinkInput::Bytes(2, Payload(b"still here".to_vec())));
    guest.finish(2);
    guest.answer().await;
    assert_eq!(outcomes.recv().await.unwrap(), Ok(()));
    assert_eq!((guest.links.counts().connected, guest.links.counts().reused), (1, 1));
}

#[tokio::test]
async fn many_interruptions_do_not_eat_the_connections_window() {
    const EACH: usize = 100 << 10;
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        let mut connection = http2(&listener).await;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let mut out = respond.send_response(Response::new(()), false).unwrap();
            let _ = out.send_data(Bytes::from(vec![0; EACH]), true);
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..300 {
        guest.open(post2(&origin, b""));
        assert_eq!(guest.opened().await, 200);
        guest.close(1);
    }
    guest.open(post2(&origin, b""));
    assert_eq!(guest.answer().await.body.len(), EACH);
    assert_eq!(guest.links.counts().connected, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_come_at_once_share_one_connection() {
    let (listener, origin) = listener().await;
    let _outcomes = echoes(listener);
    let guest = Guest::new(&[&origin], Terms::default());
    let asked = (0..12).map(|_| eight(&guest.links, &guest.grant, &origin));
    futures_util::future::join_all(asked).await;
    assert_eq!((guest.links.counts().connected, guest.links.counts().reused), (1, 95));
}

/// Eight calls of one session.
async fn eight(links: &std::sync::Arc<Links>, grant: &std::sync::Arc<Grant>, origin: &str) {
    let mut guest = Guest { links: links.clone(), grant: grant.clone(), door: links.door(grant.clone()) };
    for id in 0..8 {
        guest.open(call(id, origin));
        guest.finish(id);
    }
    let mut ended = 0;
    while ended < 8 {
        match guest.next().await {
            LinkInput::Finished(..) => ended += 1,
            LinkInput::Failed { kind, detail, .. } => panic!("{kind:?} {detail}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_peer_that_allows_one_stream_gets_a_connection_for_each() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        loop {
            let connection = Builder::new().max_concurrent_streams(1).handshake(accept(&listener).await).await.unwrap();
            tokio::spawn(streams(connection, mpsc::channel(8).0));
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for id in [1, 2] {
        guest.open(call(id, &origin));
        assert_eq!(guest.opened().await, 200);
    }
    assert_eq!(guest.links.counts().connected, 2);
}

#[tokio::test]
async fn a_peer_that_goes_away_is_asked_over_a_new_connection() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        for _ in 0..2 {
            let mut connection = http2(&listener).await;
            let (request, respond) = connection.accept().await.unwrap().unwrap();
            tokio::spawn(echo(request, respond));
            connection.graceful_shutdown();
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..2 {
        guest.open(post2(&origin, b"text"));
        assert_eq!(guest.answer().await.body, b"text");
    }
    assert_eq!(guest.links.counts().connected, 2);
}

#[tokio::test]
async fn a_stream_refused_on_a_kept_connection_is_asked_for_again() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        loop {
            let mut connection = http2(&listener).await;
            tokio::spawn(async move {
                let (request, respond) = connection.accept().await.unwrap().unwrap();
                tokio::spawn(echo(request, respond));
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(Reason::REFUSED_STREAM);
                }
            });
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..2 {
        guest.open(post2(&origin, b"text"));
        assert_eq!(guest.answer().await.body, b"text");
    }
    assert_eq!((guest.links.counts().connected, guest.links.counts().reused), (2, 1));
}

#[tokio::test]
async fn a_peer_that_resets_has_broken_the_link() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        let mut connection = http2(&listener).await;
        for headed in [false, true] {
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            if headed {
                respond.send_response(Response::new(()), false).unwrap().send_reset(Reason::INTERNAL_ERROR);
            } else {
                respond.send_reset(Reason::INTERNAL_ERROR);
            }
        }
        connection.accept().await.is_none()
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(call(1, &origin));
    assert_eq!(guest.failure().await, (LinkErrorKind::Reset, None));
    guest.open(call(1, &origin));
    assert_eq!(guest.failure().await.0, LinkErrorKind::Reset);
}

#[tokio::test]
async fn a_peer_that_ends_the_conversation_first_is_heard_to_the_end() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        let mut connection = http2(&listener).await;
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let mut out = respond.send_response(Response::new(()), false).unwrap();
            out.send_data(Bytes::from(vec![1; 40_000]), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "11".parse().unwrap());
            out.send_trailers(trailers).unwrap();
            // What is still sent is not wanted: RST_STREAM(NO_ERROR) follows the trailers.
            drop(request);
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..20 {
        guest.open(call(1, &origin));
        guest.send(1, b"still speaking");
        let answer = guest.answer().await;
        assert_eq!((answer.body.len(), answer.trailers), (40_000, fields(&[("grpc-status", "11")])));
    }
}

#[tokio::test]
async fn a_refusal_without_a_body_is_heard_while_speaking() {
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        let mut connection = http2(&listener).await;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::builder().status(401).body(()).unwrap(), true).unwrap();
        }
    });
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..20 {
        guest.open(call(1, &origin));
        guest.send(1, b"still speaking");
        assert_eq!(guest.answer().await.status, 401);
    }
}

#[tokio::test]
async fn peers_that_talk_nonsense_break_the_protocol() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(call(1, &origin));
    let mut tcp = accept(&listener).await;
    tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(guest.failure().await, (LinkErrorKind::Protocol, None));
    guest.open(call(1, &origin));
    let mut connection = http2(&listener).await;
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    let giant = Response::builder().header("x", "y".repeat(80_000)).body(()).unwrap();
    let _out = respond.send_response(giant, false).unwrap();
    tokio::spawn(async move { connection.accept().await.is_none() });
    assert_eq!(guest.failure().await, (LinkErrorKind::Protocol, None));
}

#[tokio::test]
async fn a_peer_that_vanished_is_found_by_a_ping() {
    let (listener, origin) = listener().await;
    let brief = Duration::from_millis(60);
    let deadlines = Deadlines { ping_http2: brief, pong: brief, ..Deadlines::default() };
    let mut guest = Guest::new(&[&origin], Terms { deadlines, ..Terms::default() });
    guest.open(call(1, &origin));
    let mut tcp = accept(&listener).await;
    tokio::spawn(async move { tcp.read_to_end(&mut Vec::new()).await });
    assert_eq!(guest.failure().await, (LinkErrorKind::Reset, None));
    until("its place is free", || guest.grant.connections.available_permits() == 512).await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_may_be_silent() {
    let (listener, origin) = listener().await;
    let brief = Duration::from_millis(30);
    let deadlines = Deadlines { ping_http2: brief, pong: brief * 10, idle: brief * 5, ..Deadlines::default() };
    let mut guest = Guest::new(&[&origin], Terms { deadlines, ..Terms::default() });
    let _outcomes = echoes(listener);
    guest.open(call(1, &origin));
    assert_eq!(guest.failure().await, (LinkErrorKind::Timeout, Some(200)));
}
