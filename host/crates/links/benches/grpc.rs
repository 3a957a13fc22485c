//! CPU of one gRPC-like round trip: a message goes out over a link, its echo comes in, then the next one goes. Session, links and
//! server share one thread, and the figure is for all of them, as in the prototype's (24.7 to 25.7 us).

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench")]

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use vg_links::grant::{Budget, Policy, Reach};
use vg_links::wire::{Authentication, HttpOpen, HttpVersion, LinkEffect, LinkInput, Payload, RequestBody};
use vg_links::{Grant, Links, LinksConfig};

const MESSAGE: [u8; 645] = [7; 645];
const ROUND_TRIPS: u32 = 20_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            println!("{:.1} us CPU per round trip of {} bytes", round_trips().await, MESSAGE.len());
        }
    });
}

async fn round_trips() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(echo(listener));
    let rules = vec![origin.parse().unwrap()];
    let grant = Grant {
        tenant: "tenant".into(),
        plugin: "plugin".into(),
        reach: Reach {
            wish: rules.clone(),
            policy: Policy { hosts: rules, networks: vec!["127.0.0.0/8".parse().unwrap()] },
            tenant: None,
        },
        secrets: Default::default(),
        connections: Arc::new(Semaphore::new(1)),
        budget: Budget::default(),
    };
    let mut door = Links::new(LinksConfig::default()).unwrap().door(Arc::new(grant));
    let open = HttpOpen {
        id: 1,
        method: "POST".into(),
        url: format!("{origin}/speech/Stream"),
        headers: vec![("te".into(), "trailers".into())],
        body: RequestBody::Streaming,
        version: HttpVersion::Http2,
        auth: Authentication::Templates,
    };
    door.apply(LinkEffect::Http(open)).unwrap();
    assert!(matches!(door.next().await, LinkInput::Opened { status: 200, .. }));
    let before = thread_cpu();
    for _ in 0..ROUND_TRIPS {
        door.apply(LinkEffect::SendBytes(1, Payload(MESSAGE.to_vec()))).unwrap();
        assert!(matches!(door.next().await, LinkInput::Bytes(1, Payload(echo)) if echo == MESSAGE));
    }
    let cpu = thread_cpu() - before;
    server.abort();
    cpu.as_secs_f64() * 1e6 / f64::from(ROUND_TRIPS)
}

async fn echo(listener: TcpListener) {
    let (tcp, _) = listener.accept().await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut connection = h2::server::handshake(tcp).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut out = respond.send_response(http::Response::new(()), false).unwrap();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                out.send_data(Bytes::from(data.to_vec()), false).unwrap();
            }
        });
    }
}

fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
