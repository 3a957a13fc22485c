//! The opening handshake.

use crate::rig::{LINK, Server, Terms, frame, header, switching};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use vg_links::Deadlines;
use vg_links::secrets::{LocalStore, SecretSpec, Secrets};
use vg_links::wire::{LinkEffect, LinkErrorKind, LinkInput, Payload};

#[tokio::test]
async fn the_request_is_the_sessions_and_the_answer_is_told() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    let mut open = server.open(LINK);
    open.headers = vec![("x-call".into(), "one".into()), ("X-Call".into(), "two".into())];
    open.subprotocols = vec!["speech.v2".into(), "speech.v1".into()];
    guest.apply(LinkEffect::Websocket(open));
    let (request, _peer) = server
        .answer(|accept| {
            let answer = String::from_utf8(switching(accept)).unwrap();
            answer.replace("\r\n\r\n", "\r\nsec-websocket-protocol: speech.v1\r\nx-request-id: 42\r\n\r\n").into_bytes()
        })
        .await;
    assert!(request.starts_with("GET /listen?lang=de HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "host"), Some(server.listener.local_addr().unwrap().to_string().as_str()));
    assert_eq!(header(&request, "sec-websocket-protocol"), Some("speech.v2, speech.v1"));
    assert_eq!(header(&request, "sec-websocket-version"), Some("13"));
    assert_eq!(request.to_lowercase().matches("x-call: ").count(), 2, "{request}");
    let LinkInput::Opened { id: LINK, status: 101, headers } = guest.next().await else { panic!("not opened") };
    assert!(headers.contains(&("sec-websocket-protocol".into(), "speech.v1".into())), "{headers:?}");
    assert!(headers.contains(&("x-request-id".into(), "42".into())), "{headers:?}");
}

#[tokio::test]
async fn a_refusal_is_told_in_full() {
    let body = r#"{"error":"quota"}"#;
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let until_closed = format!("connection: close\r\n\r\n{body}");
    for (status, rest) in [(401, length), (403, chunked), (429, until_closed)] {
        let server = Server::plain().await;
        let mut guest = server.guest(Terms::default());
        guest.apply(LinkEffect::Websocket(server.open(LINK)));
        let (_, peer) = server.answer(|_| format!("HTTP/1.1 {status} No\r\nretry-after: 7\r\n{rest}").into_bytes()).await;
        drop(peer);
        let LinkInput::Opened { status: told, headers, .. } = guest.next().await else { panic!("not told") };
        assert_eq!(told, status);
        assert!(headers.contains(&("retry-after".into(), "7".into())), "{headers:?}");
        assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(body.into())));
        assert_eq!(guest.next().await, LinkInput::Finished(LINK, None));
        assert_eq!(guest.grant.connections.available_permits(), 512);
    }
}

#[tokio::test]
async fn of_an_endless_refusal_64_kib_are_told() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let (_, mut peer) = server.answer(|_| b"HTTP/1.1 500 No\r\n\r\n".to_vec()).await;
    let endless = async { while peer.write_all(&[b'x'; 8192]).await.is_ok() {} };
    let told = async {
        assert!(matches!(guest.next().await, LinkInput::Opened { status: 500, .. }));
        let mut told = 0;
        loop {
            match guest.next().await {
                LinkInput::Bytes(_, Payload(piece)) => told += piece.len(),
                last => return (told, last),
            }
        }
    };
    let ((), told) = tokio::join!(endless, told);
    assert_eq!(told, (64 << 10, LinkInput::Finished(LINK, None)));
}

#[tokio::test]
async fn a_refusal_whose_body_is_cut_is_told_as_far_as_it_came() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    drop(server.answer(|_| b"HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\nbusy".to_vec()).await);
    assert!(matches!(guest.next().await, LinkInput::Opened { status: 503, .. }));
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(b"busy".into())));
    guest.failed(LinkErrorKind::Reset).await;
}

#[tokio::test]
async fn headers_of_the_handshake_are_the_hosts() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    let names = ["Host", "connection", "UPGRADE", "Sec-WebSocket-Key", "sec-websocket-extensions", "Sec-WebSocket-Protocol"];
    for name in names.into_iter().chain(["content-length", "transfer-encoding", "proxy-authorization", "bad name", "bad\r\nname"])
    {
        let mut open = server.open(LINK);
        open.headers = vec![(name.into(), "x".into())];
        guest.apply(LinkEffect::Websocket(open));
        guest.failed(LinkErrorKind::Protocol).await;
    }
    for subprotocol in ["", "two words", "one,two", "split\r\nx: y"] {
        let mut open = server.open(LINK);
        open.subprotocols = vec![subprotocol.into()];
        guest.apply(LinkEffect::Websocket(open));
        guest.failed(LinkErrorKind::Protocol).await;
    }
    let mut open = server.open(LINK);
    open.headers = vec![("x-split".into(), "a\r\nhost: elsewhere".into())];
    guest.apply(LinkEffect::Websocket(open));
    guest.failed(LinkErrorKind::Protocol).await;
}

#[tokio::test]
async fn an_answer_that_breaks_the_handshake_is_a_fault_of_protocol() {
    let replaced = |from: &'static str, to: &'static str| {
        move |accept: &str| String::from_utf8(switching(accept)).unwrap().replace(from, to).into_bytes()
    };
    type Answer = Box<dyn FnOnce(&str) -> Vec<u8>>;
    let answers: [(&str, Answer); 8] = [
        ("no upgrade", Box::new(replaced("upgrade: websocket\r\n", ""))),
        ("another upgrade", Box::new(replaced("websocket\r\n", "h2c\r\n"))),
        ("no connection", Box::new(replaced("keep-alive, Upgrade", "keep-alive"))),
        ("wrong key", Box::new(replaced("sec-websocket-accept: ", "sec-websocket-accept: A"))),
        ("an extension", Box::new(replaced("\r\n\r\n", "\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n"))),
        ("a subprotocol", Box::new(replaced("\r\n\r\n", "\r\nsec-websocket-protocol: other\r\n\r\n"))),
        ("garbage", Box::new(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())),
        ("giant", Box::new(|_| [b"HTTP/1.1 101 x\r\nx: ".to_vec(), vec![b'y'; 1 << 17], b"\r\n\r\n".to_vec()].concat())),
    ];
    for (what, answer) in answers {
        let server = Server::plain().await;
        let mut guest = server.guest(Terms::default());
        guest.apply(LinkEffect::Websocket(server.open(LINK)));
        let answered = async {
            let mut tcp = server.accept().await;
            let request = crate::rig::request(&mut tcp).await;
            let key = header(&request, "sec-websocket-key").unwrap();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            // A giant answer is not read to its end.
            let _ = tcp.write_all(&answer(&accept)).await;
            tcp
        };
        let (_peer, told) = tokio::join!(answered, guest.next());
        assert!(matches!(told, LinkInput::Failed { kind: LinkErrorKind::Protocol, .. }), "{what}: {told:?}");
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_runs_into_the_deadline() {
    let server = Server::plain().await;
    let deadlines = Deadlines { first_byte: Duration::from_millis(50), ..Deadlines::default() };
    let mut guest = server.guest(Terms { deadlines, ..Terms::default() });
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let _peer = server.accept().await;
    guest.failed(LinkErrorKind::Timeout).await;
    assert_eq!(guest.grant.connections.available_permits(), 512);
}

#[tokio::test]
async fn a_peer_that_hangs_up_instead_of_answering_is_a_lost_connection() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    drop(server.answer(|_| Vec::new()).await);
    guest.failed(LinkErrorKind::Reset).await;
}

#[tokio::test]
async fn what_comes_with_the_answer_is_not_lost() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let early = [frame(0x81, b"ready"), frame(0x82, &[0; 20_000])].concat();
    let (_, _peer) = server.answer(|accept| [switching(accept), early].concat()).await;
    guest.opened().await;
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(b"ready".into())));
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(vec![0; 20_000])));
}

#[tokio::test]
async fn a_host_that_is_not_permitted_is_not_dialled() {
    let (permitted, other) = (Server::plain().await, Server::plain().await);
    let mut guest = permitted.guest(Terms::default());
    guest.apply(LinkEffect::Websocket(other.open(LINK)));
    guest.failed(LinkErrorKind::EgressDenied).await;
    let mut http = permitted.open(LINK);
    http.url = http.url.replace("ws://", "http://");
    guest.apply(LinkEffect::Websocket(http));
    guest.failed(LinkErrorKind::Protocol).await;
    assert_eq!(guest.links.counts().connected, 0);
}

#[tokio::test]
async fn beyond_the_connections_of_its_grant_a_link_is_refused() {
    let server = Server::plain().await;
    let mut guest = server.guest(Terms { connections: 1, ..Terms::default() });
    guest.apply(LinkEffect::Websocket(server.open(LINK)));
    let _peer = server.websocket().await;
    guest.opened().await;
    guest.apply(LinkEffect::Websocket(server.open(LINK + 1)));
    guest.failed(LinkErrorKind::Limit).await;
}

#[tokio::test]
async fn a_key_goes_to_its_host_and_its_echo_does_not_come_back() {
    const KEY: &str = "sk-live-51Hq8eT0pSecret";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    let spec = SecretSpec::Static { reference: format!("file:{}", file.path().display()), hosts: None };
    let secrets = Secrets::resolve(&[("KEY".to_owned(), spec)].into(), Arc::new(LocalStore::default())).unwrap();
    let server = Server::plain().await;
    let mut guest = server.guest(Terms { secrets, ..Terms::default() });
    let mut open = server.open(LINK);
    open.headers = vec![("authorization".into(), "Token {secret:KEY}".into())];
    open.url += "&key={secret:KEY}";
    guest.apply(LinkEffect::Websocket(open));
    let echo = |accept: &str| {
        let head = String::from_utf8(switching(accept)).unwrap();
        let head = head.replace("\r\n\r\n", &format!("\r\nx-you-sent: {KEY}\r\n\r\n"));
        [head.into_bytes(), frame(0x81, format!("hello {KEY}").as_bytes())].concat()
    };
    let (request, mut peer) = server.answer(echo).await;
    assert_eq!(header(&request, "authorization"), Some(format!("Token {KEY}").as_str()));
    assert!(request.starts_with(&format!("GET /listen?lang=de&key={KEY} ")), "{request}");
    let stars = "*".repeat(KEY.len());
    let LinkInput::Opened { headers, .. } = guest.next().await else { panic!("not opened") };
    assert!(headers.contains(&("x-you-sent".into(), stars.clone())), "{headers:?}");
    assert_eq!(guest.next().await, LinkInput::Text(LINK, Payload(format!("hello {stars}").into())));
    peer.write_all(&frame(0x82, KEY.as_bytes())).await.unwrap();
    assert_eq!(guest.next().await, LinkInput::Bytes(LINK, Payload(stars.into())));
    assert_eq!(guest.links.counts().echoes_masked, 3);

    let mut open = server.open(LINK + 1);
    open.headers = vec![("authorization".into(), "Token {secret:OTHER}".into())];
    guest.apply(LinkEffect::Websocket(open));
    let detail = guest.failed(LinkErrorKind::Protocol).await;
    assert!(!detail.contains(KEY), "{detail}");
}
