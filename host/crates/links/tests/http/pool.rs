//! Connections that are used again, and those that must not be.

use crate::rig::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use vg_links::Deadlines;
use vg_links::wire::{HttpVersion, LinkEffect, LinkErrorKind, Preconnect, RequestBody};

/// Serves every connection.
fn serving(listener: TcpListener) {
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(accept(&listener).await, |_| OK.to_owned()));
        }
    });
}

fn connected_and_reused(guest: &Guest) -> (u64, u64) {
    (guest.links.counts().connected, guest.links.counts().reused)
}

#[tokio::test]
async fn a_connection_is_used_again_by_another_session() {
    let (listener, origin) = listener().await;
    serving(listener);
    let mut first = Guest::new(&[&origin], Terms::default());
    first.open(post(&origin, b"one"));
    assert_eq!(first.answer().await.body, b"ok");
    let door = first.links.door(Arc::clone(&first.grant));
    let mut second = Guest { links: Arc::clone(&first.links), grant: Arc::clone(&first.grant), door };
    drop(first);
    second.open(get(&origin));
    assert_eq!(second.answer().await.body, b"ok");
    assert_eq!(connected_and_reused(&second), (1, 1));
    assert_eq!(second.grant.connections.available_permits(), 511);
}

#[tokio::test]
async fn a_connection_is_not_shared_between_grants() {
    let (listener, origin) = listener().await;
    serving(listener);
    let mut first = Guest::new(&[&origin], Terms::default());
    let other = Guest::new(&[&origin], Terms::default()).grant;
    first.open(get(&origin));
    first.answer().await;
    let mut second = Guest { links: Arc::clone(&first.links), grant: Arc::clone(&other), door: first.links.door(other) };
    second.open(get(&origin));
    second.answer().await;
    assert_eq!(connected_and_reused(&second), (2, 0));
}

#[tokio::test]
async fn a_connection_is_not_shared_between_credentials() {
    let (_folder, secrets) = crate::secrets::keys(&[("one", "the-key-called-one"), ("two", "the-key-called-two")]);
    let (listener, origin) = listener().await;
    tokio::spawn(async move {
        loop {
            // A peer that is permitted to have the key, and echoes it.
            let respond = |head: &str| {
                let key = header(head, "x-key").unwrap();
                format!("HTTP/1.1 200 OK\r\nx-echo: {key}\r\ncontent-length: {}\r\n\r\n{key}", key.len())
            };
            tokio::spawn(serve(accept(&listener).await, respond));
        }
    });
    let mut guest = Guest::new(&[&origin], Terms { secrets, ..Terms::default() });
    for name in ["one", "two", "one"] {
        let mut open = get(&origin);
        open.headers = vec![("x-key".into(), format!("{{secret:{name}}}"))];
        guest.open(open);
        let answer = guest.answer().await;
        assert_eq!(answer.body, "*".repeat("the-key-called-one".len()).as_bytes());
        assert!(answer.headers.contains(&("x-echo".into(), "*".repeat("the-key-called-one".len()))));
    }
    assert_eq!(connected_and_reused(&guest), (2, 1));
    assert_eq!(guest.links.counts().echoes_masked, 6);
}

/// Answers one request, then hangs up at the second of the same connection.
fn forgetful(listener: TcpListener) {
    tokio::spawn(async move {
        loop {
            let mut tcp = accept(&listener).await;
            tokio::spawn(async move {
                read_until(&mut tcp, "one").await;
                tcp.write_all(OK.as_bytes()).await.unwrap();
                head(&mut tcp).await;
            });
        }
    });
}

#[tokio::test]
async fn a_kept_connection_that_turns_out_dead_costs_no_request() {
    let (listener, origin) = listener().await;
    forgetful(listener);
    let mut guest = Guest::new(&[&origin], Terms::default());
    for _ in 0..2 {
        guest.open(post(&origin, b"one"));
        assert_eq!(guest.answer().await.body, b"ok");
    }
    assert_eq!(connected_and_reused(&guest), (2, 1));
    // What was streamed cannot be sent again.
    guest.open(request(1, HttpVersion::Http1, "POST", origin, RequestBody::Streaming));
    assert_eq!(guest.failure().await, (LinkErrorKind::Reset, None));
    assert_eq!(connected_and_reused(&guest), (2, 2));
}

#[tokio::test]
async fn a_new_connection_that_dies_is_not_tried_again() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(post(&origin, b"one"));
    drop(accept(&listener).await);
    assert_eq!(guest.failure().await, (LinkErrorKind::Reset, None));
    assert_eq!(guest.links.counts().connected, 1);
}

#[tokio::test]
async fn a_connection_made_ahead_is_the_next_requests() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (listener, origin) = listener().await;
        let mut guest = Guest::new(&[&origin], Terms::default());
        // A wish repeated is one wish, and a request that comes meanwhile waits for it.
        for _ in 0..20 {
            guest.door.apply(LinkEffect::Preconnect(Preconnect { url: origin.clone(), version })).unwrap();
        }
        let tcp = accept(&listener).await;
        guest.open(request(1, version, "GET", origin.clone(), RequestBody::None));
        tokio::spawn(async move {
            match version {
                HttpVersion::Http1 => serve(tcp, |_| OK.to_owned()).await,
                HttpVersion::Http2 => {
                    let mut connection = h2::server::handshake(tcp).await.unwrap();
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        respond.send_response(http::Response::new(()), true).unwrap();
                    }
                }
            }
        });
        assert_eq!(guest.answer().await.status, 200);
        assert_eq!(connected_and_reused(&guest), (1, 1), "{version:?}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let (listener, origin) = listener().await;
    let deadlines = Deadlines { keep_unused: Duration::from_millis(50), ..Deadlines::default() };
    let mut guest = Guest::new(&[&origin], Terms { deadlines, ..Terms::default() });
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tcp.write_all(OK.as_bytes()).await.unwrap();
    guest.answer().await;
    assert_eq!(ended(&mut tcp).await, b"");
    until("its place is free", || guest.grant.connections.available_permits() == 512).await;
}

#[tokio::test]
async fn few_unused_connections_are_kept() {
    let (listener, origin) = listener().await;
    serving(listener);
    let mut guest = Guest::new(&[&origin], Terms::default());
    for id in 0..7 {
        guest.open(vg_links::wire::HttpOpen { id, ..get(&origin) });
    }
    for _ in 0..7 {
        while !guest.next().await.is_last() {}
    }
    assert_eq!(connected_and_reused(&guest), (7, 0));
    until("the others are closed", || guest.grant.connections.available_permits() == 508).await;
}

#[tokio::test]
async fn places_are_for_those_in_use_and_unused_connections_make_room() {
    let (listener, origin) = listener().await;
    let (elsewhere, there) = self::listener().await;
    serving(elsewhere);
    let mut guest = Guest::new(&[&origin, &there], Terms { connections: 1, ..Terms::default() });
    guest.open(get(&there));
    assert_eq!(guest.answer().await.body, b"ok");
    assert_eq!(guest.grant.connections.available_permits(), 0);
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    let mut beside = get(&there);
    beside.id = 2;
    guest.open(beside);
    assert_eq!(guest.failure().await, (LinkErrorKind::Limit, None));
    tcp.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(guest.answer().await.body, b"ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_leave_nothing_behind() {
    let (listener, origin) = listener().await;
    serving(listener);
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(get(&origin));
    guest.answer().await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for at in 0..1000 {
        guest.open(post(&origin, b"one"));
        if at % 10 == 0 {
            guest.close(1);
        } else {
            assert_eq!(guest.answer().await.body, b"ok");
        }
    }
    assert_eq!(guest.door.links_open(), 0);
    guest.open(get(&origin));
    guest.answer().await;
    until("tasks are joined", || alive() <= before + 2).await;
    until("one connection is left", || guest.grant.connections.available_permits() >= 511).await;
    assert_eq!(guest.links.counts().failed, 0);
}
