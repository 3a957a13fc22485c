//! Server-sent events.

use super::rig::*;
use crate::application::limits;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vg_domain::event::Fact;
use vg_domain::outcome::{EndCause, Outcome};

const SOON: Duration = Duration::from_secs(10);

struct Listener(BufReader<TcpStream>);

#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Listener {
    async fn open(server: &Server, token: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head = format!("GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut listener = Self(BufReader::new(stream));
        let first = listener.line().await.unwrap();
        assert!(first.contains("200"), "{first}");
        while listener.line().await.is_some_and(|line| !line.is_empty()) {}
        listener
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(SOON, self.0.read_line(&mut line)).await.expect("a line comes").unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// None: the stream is over.
    async fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                // The last chunk of a body.
                _ if line == "0" => return None,
                _ if line.is_empty() && !event.kind.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

fn token(signer: &Signer, tenant: &str) -> String {
    signer.token(&claims(tenant, "calls:read"))
}

#[tokio::test]
async fn events_of_the_tenant_come_as_they_happen_and_no_others() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    server.tell("acme", "before", &started());
    let mut listener = Listener::open(&server, &token(&signer, "acme"), None).await;
    server.tell("other", "theirs", &started());
    server.tell("acme", "mine", &started());
    server.tell("acme", "mine", &Fact::Escalated { target: "internal,+15550100".to_owned(), reason: "trouble" });
    server.tell("acme", "mine", &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 2 }));
    let first = listener.next().await.unwrap();
    assert_eq!((first.kind.as_str(), first.id.as_str()), ("call.started", "epoch-2"));
    assert_eq!((&first.data["subject"], &first.data["tenantid"]), (&json!("mine"), &json!("acme")));
    assert_eq!((&first.data["specversion"], &first.data["id"]), (&json!("1.0"), &json!("mine-1-1")));
    let escalated = listener.next().await.unwrap();
    assert!(escalated.kind == "call.escalated" && !escalated.data.to_string().contains("15550100"), "{escalated:?}");
    assert_eq!(listener.next().await.unwrap().data["data"], json!({ "cause": "caller_hung_up", "turns": 2 }));
}

#[tokio::test]
async fn who_comes_back_reads_on_where_it_was_and_a_gap_is_told() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    for call in 0..5 {
        server.tell("acme", &call.to_string(), &started());
    }
    let token = token(&signer, "acme");
    let mut listener = Listener::open(&server, &token, Some("epoch-3")).await;
    assert_eq!(listener.next().await.unwrap().id, "epoch-4");
    assert_eq!(listener.next().await.unwrap().id, "epoch-5");
    // Ids of another process, of the future, and of nobody.
    for id in ["elsewhen-3", "epoch-77", "garbage", "-", "epoch-18446744073709551615", "epoch-99999999999999999999"] {
        let mut listener = Listener::open(&server, &token, Some(id)).await;
        let gap = listener.next().await.unwrap();
        assert_eq!((gap.kind.as_str(), gap.id.as_str()), ("gap", "epoch-0"), "{id}");
        assert_eq!(listener.next().await.unwrap().id, "epoch-1", "{id}");
    }
    for call in 0..limits::DESK_EVENTS_PER_TENANT {
        server.tell("acme", &format!("more-{call}"), &started());
    }
    let mut listener = Listener::open(&server, &token, Some("epoch-4")).await;
    assert_eq!(listener.next().await.unwrap().kind, "gap");
    assert_eq!(listener.next().await.unwrap().id, "epoch-6");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_is_told_of_the_gap() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let token = token(&signer, "acme");
    let mut slow = Listener::open(&server, &token, None).await;
    let mut quick = Listener::open(&server, &token, None).await;
    // Far more than sockets and log hold together.
    let rounds = 6;
    for round in 0..rounds {
        for call in 0..limits::DESK_EVENTS_PER_TENANT {
            server.tell("acme", &format!("{round}-{call}"), &started());
        }
        let newest = format!("epoch-{}", (round + 1) * limits::DESK_EVENTS_PER_TENANT);
        while quick.next().await.unwrap().id != newest {}
    }
    let mut gaps = 0;
    let newest = format!("epoch-{}", rounds * limits::DESK_EVENTS_PER_TENANT);
    loop {
        let event = slow.next().await.unwrap();
        gaps += usize::from(event.kind == "gap");
        if event.id == newest {
            break;
        }
    }
    assert!(gaps > 0, "the slow one saw every event");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_gateway_and_their_number_is_bounded() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let mut short = claims("acme", "calls:read");
    // Within the leeway of five seconds.
    short["exp"] = json!(now_s() - 4);
    let mut ending = Listener::open(&server, &signer.token(&short), None).await;
    assert_eq!(ending.next().await, None);

    let token = token(&signer, "acme");
    let mut listeners = Vec::new();
    for _ in 0..32 {
        listeners.push(Listener::open(&server, &token, None).await);
    }
    let refused = server.ask("GET /v1/events", &token, "", "").await;
    assert_eq!(refused.problem(), (429, "too_many_streams".to_owned()));
    let mut last = listeners.pop().unwrap();
    server.close.cancel();
    assert_eq!(last.next().await, None);
}
