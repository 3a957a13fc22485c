//! What waits, and who is made to wait for it.

use crate::rig::*;
use bytes::Bytes;
use http::Response;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use vg_links::TooMuch;
use vg_links::grant::Budget;
use vg_links::wire::{HttpVersion, LinkEffect, LinkErrorKind, LinkInput, Payload, RequestBody};

const BODY: usize = 64 << 20;

/// Waits until a count stands still; where.
async fn stands_still(count: &AtomicUsize) -> usize {
    loop {
        let before = count.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(150)).await;
        if before > 0 && count.load(Relaxed) == before {
            return before;
        }
    }
}

#[tokio::test]
async fn an_http1_peer_waits_for_a_session_that_takes_nothing() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::spawn(async move {
        tcp.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n").as_bytes()).await.unwrap();
        while count.load(Relaxed) < BODY {
            tcp.write_all(&[0; 16 << 10]).await.unwrap();
            count.fetch_add(16 << 10, Relaxed);
        }
    });
    // Most of it waits in the kernel's buffers.
    let taken = timeout(PATIENCE, stands_still(&written)).await.unwrap();
    assert!(taken < 24 << 20, "{taken}");
    assert_eq!(guest.answer().await.body.len(), BODY);
}

#[tokio::test]
async fn an_http2_peer_waits_for_a_session_that_takes_nothing_and_others_do_not() {
    let (listener, origin) = listener().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        let mut connection = http2(&listener).await;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut out = respond.send_response(Response::new(()), false).unwrap();
                let mut left = 4 << 20;
                while left > 0 {
                    out.reserve_capacity(left);
                    let room = std::future::poll_fn(|cx| out.poll_capacity(cx)).await.unwrap().unwrap().min(left);
                    left -= room;
                    count.fetch_add(room, Relaxed);
                    out.send_data(Bytes::from(vec![0; room]), left == 0).unwrap();
                }
            });
        }
    });
    let mut stuck = Guest::new(&[&origin], Terms::default());
    let ask = |id| request(id, HttpVersion::Http2, "GET", origin.clone(), RequestBody::None);
    stuck.open(ask(1));
    let taken = timeout(PATIENCE, stands_still(&sent)).await.unwrap();
    assert!(taken <= (128 << 10) + 16 * (16 << 10), "{taken}");
    let door = stuck.links.door(Arc::clone(&stuck.grant));
    let mut other = Guest { links: Arc::clone(&stuck.links), grant: Arc::clone(&stuck.grant), door };
    other.open(ask(1));
    assert_eq!(other.answer().await.body.len(), 4 << 20);
    assert_eq!(stuck.answer().await.body.len(), 4 << 20);
    assert_eq!(stuck.links.counts().connected, 1);
}

/// Sends until the session is told to stop.
async fn fill(guest: &mut Guest) {
    loop {
        guest.send(1, &[0; 16 << 10]);
        let told = std::future::poll_fn(|cx| std::task::Poll::Ready(guest.door.poll_next(cx))).await;
        match told {
            std::task::Poll::Ready(LinkInput::Full(1)) => {
                // It may be that the peer was only slow to take the last.
                if timeout(Duration::from_millis(200), guest.door.next()).await.is_err() {
                    return;
                }
            }
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_session_waits_for_a_peer_that_takes_nothing_and_falls_when_it_does_not_wait() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (listener, origin) = listener().await;
        let mut guest = Guest::new(&[&origin], Terms::default());
        guest.open(request(1, version, "POST", origin, RequestBody::Streaming));
        let mut tcp = accept(&listener).await;
        fill(&mut guest).await;
        let mut over = Ok(());
        for _ in 0..16 {
            over = over.and(guest.door.apply(LinkEffect::SendBytes(1, Payload(vec![0; 16 << 10]))));
        }
        assert_eq!(over, Err(TooMuch), "{version:?}");
        drop(guest);
        ended(&mut tcp).await;
    }
}

#[tokio::test]
async fn a_session_that_waited_may_go_on_when_the_peer_takes_more() {
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(request(1, HttpVersion::Http1, "POST", origin, RequestBody::Streaming));
    let mut tcp = accept(&listener).await;
    fill(&mut guest).await;
    tokio::spawn(async move { tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await });
    assert_eq!(guest.next().await, LinkInput::Writable(1));
}

#[tokio::test]
async fn a_link_ends_when_its_bytes_are_used_up() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let (listener, origin) = listener().await;
        let budget = Budget { bytes_out_max: 4 << 10, bytes_in_max: 4 << 10 };
        let mut guest = Guest::new(&[&origin], Terms { budget, ..Terms::default() });
        guest.open(request(1, version, "POST", origin.clone(), RequestBody::Streaming));
        let _tcp = accept(&listener).await;
        guest.send(1, &[0; 2 << 10]);
        guest.send(1, &[0; 2 << 10]);
        assert_eq!(guest.failure().await, (LinkErrorKind::Limit, None), "{version:?}");
    }
    let (listener, origin) = listener().await;
    let budget = Budget { bytes_out_max: 4 << 10, bytes_in_max: 4 << 10 };
    let mut guest = Guest::new(&[&origin], Terms { budget, ..Terms::default() });
    guest.open(get(&origin));
    let mut tcp = accept(&listener).await;
    head(&mut tcp).await;
    tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8192\r\n\r\n").await.unwrap();
    tcp.write_all(&[0; 8192]).await.unwrap();
    assert_eq!(guest.failure().await, (LinkErrorKind::Limit, Some(200)));
}
