//! HTTP/1.1.

use crate::rig::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use vg_links::wire::{HttpVersion, LinkErrorKind, LinkInput, RequestBody};

#[tokio::test]
async fn an_answer_comes_with_head_body_and_trailers() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    let mut open = post(&format!("{origin}/say?voice=a%20b"), b"hello");
    open.headers = fields(&[("X-Key", "v"), ("te", "trailers")]);
    guest.open(open);
    let mut tcp = accept(&listener).await;
    let asked = head(&mut tcp).await;
    assert!(asked.starts_with("POST /say?voice=a%20b HTTP/1.1\r\n"), "{asked}");
    assert_eq!(header(&asked, "host"), origin.strip_prefix("http://"));
    assert_eq!((header(&asked, "content-length"), header(&asked, "x-key")), (Some("5"), Some("v")));
    assert_eq!(read_until(&mut tcp, "hello").await, "hello");
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\nx-one: 1\r\n\r\n";
    tcp.write_all(format!("{early}{head}3\r\nabc\r\n2\r\nde\r\n0\r\nx-end: yes\r\n\r\n").as_bytes()).await.unwrap();
    let answer = guest.answer().await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"abcde"[..]));
    assert!(answer.headers.contains(&("x-one".into(), "1".into())));
    assert_eq!(answer.trailers, fields(&[("x-end", "yes")]));
    assert_eq!(
        guest.links.counts().bytes_in,
        5 + answer.headers.iter().chain(&answer.trailers).map(|(n, v)| (n.len() + v.len()) as u64).sum::<u64>()
    );
}

#[tokio::test]
async fn body_and_answer_stream_at_the_same_time() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(request(1, HttpVersion::Http1, "POST", origin, RequestBody::Streaming));
    let mut tcp = accept(&listener).await;
    assert_eq!(header(&head(&mut tcp).await, "transfer-encoding"), Some("chunked"));
    guest.send(1, b"one");
    assert_eq!(read_until(&mut tcp, "one\r\n").await, "3\r\none\r\n");
    tcp.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    assert_eq!(guest.opened().await, 200);
    guest.send(1, b"");
    guest.send(1, b"two");
    guest.finish(1);
    assert_eq!(read_until(&mut tcp, "0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
    tcp.write_all(b"5\r\nheard\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(guest.answer().await.body, b"heard");
}

#[tokio::test]
async fn an_early_answer_ends_the_link_and_the_unfinished_connection() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(request(1, HttpVersion::Http1, "POST", origin.clone(), RequestBody::Streaming));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tcp.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert_eq!(guest.answer().await.status, 403);
    assert_eq!(ended(&mut tcp).await, b"");
}

#[tokio::test]
async fn a_refusal_is_heard_although_the_peer_hung_up_on_the_speaker() {
    for _ in 0..20 {
        let (listener, origin) = listener().await;
        let mut guest = Guest::new(&[&origin], Terms::default());
        guest.open(request(1, HttpVersion::Http1, "POST", origin.clone(), RequestBody::Streaming));
        let mut tcp = accept(&listener).await;
        guest.send(1, b"one");
        read_until(&mut tcp, "one\r\n").await;
        tcp.write_all(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 3\r\n\r\nwhy").await.unwrap();
        drop(tcp);
        guest.send(1, b"two");
        guest.send(1, b"three");
        let answer = guest.answer().await;
        assert_eq!((answer.status, &answer.body[..]), (401, &b"why"[..]));
    }
}

#[tokio::test]
async fn a_link_closed_in_the_middle_does_not_pass_for_complete() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(request(1, HttpVersion::Http1, "POST", origin.clone(), RequestBody::Streaming));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    guest.send(1, b"one");
    read_until(&mut tcp, "one\r\n").await;
    guest.close(1);
    assert_eq!(ended(&mut tcp).await, b"");
    until("its place is free", || guest.grant.connections.available_permits() == 512).await;
}

#[tokio::test]
async fn a_redirect_is_given_as_it_is() {
    let (listener, origin) = listener().await;
    let (elsewhere, there) = self::listener().await;
    let mut guest = Guest::new(&[&origin, &there], Terms::default());
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tcp.write_all(format!("HTTP/1.1 307 Moved\r\nlocation: {there}/\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
    let answer = guest.answer().await;
    assert_eq!((answer.status, &answer.headers[0]), (307, &("location".into(), format!("{there}/"))));
    assert_eq!(guest.links.counts().connected, 1);
    drop(elsewhere);
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_makes_no_connection() {
    let (_listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    let with = |headers: &[(&str, &str)]| {
        let mut open = get(&origin);
        open.headers = fields(headers);
        open
    };
    let mut method = get(&origin);
    method.method = "CONNECT".into();
    let wrong = [
        method,
        get("ftp://127.0.0.1/"),
        get("no url"),
        with(&[("host", "other")]),
        with(&[("a b", "c")]),
        with(&[("a", "b\nc: d")]),
    ];
    for open in wrong {
        guest.open(open);
        assert_eq!(guest.failure().await.0, LinkErrorKind::Protocol);
    }
    guest.open(get("http://127.0.0.1:9/"));
    assert_eq!(guest.failure().await.0, LinkErrorKind::EgressDenied);
    assert_eq!(guest.links.counts().connected, 0);
}

/// Answers one request with `answer` and closes; how the link ends.
async fn broken(answer: Vec<u8>) -> (LinkErrorKind, Option<u16>) {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    let _ = tcp.write_all(&answer).await;
    let _ = tcp.shutdown().await;
    guest.failure().await
}

#[tokio::test]
async fn peers_that_break_off_or_talk_nonsense_are_told_apart() {
    use LinkErrorKind::{Protocol, Reset};
    let cases: [(&str, LinkErrorKind, Option<u16>); 8] = [
        ("", Reset, None),
        ("HTTP/1.1 20", Reset, None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Reset, Some(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Reset, Some(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Protocol, Some(200)),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Protocol, None),
        ("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", Protocol, None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", Protocol, None),
    ];
    for (answer, kind, status) in cases {
        assert_eq!(broken(answer.into()).await, (kind, status), "{answer:?}");
    }
    let giant = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(80_000));
    assert_eq!(broken(giant.into()).await, (Protocol, None));
    let many = "x: y\r\n".repeat(9_000);
    assert_eq!(broken(format!("HTTP/1.1 200 OK\r\n{many}\r\n").into()).await, (Protocol, None));
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = format!("http://{nobody}");
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(get(&origin));
    let LinkInput::Failed { kind, detail, .. } = guest.next().await else { panic!() };
    assert_eq!((kind, &detail[..]), (LinkErrorKind::Connect, "no connection: connection refused"));
    assert_eq!(guest.grant.connections.available_permits(), 512);
}

#[tokio::test]
async fn a_refusal_is_heard_although_most_of_the_body_was_not() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(post(&origin, &vec![7; 8 << 20]));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    let chunks =
        "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nwhy\r\n4\r\n not\r\n0\r\n\r\n";
    tcp.write_all(chunks.as_bytes()).await.unwrap();
    drop(tcp);
    let answer = guest.answer().await;
    assert_eq!((answer.status, &answer.body[..]), (401, &b"why not"[..]));
}
