mod acts;
mod attacks;
mod explained;
mod latency;
mod rig;
mod rotation;
mod routes;
mod streams;
mod tls;

use super::*;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Fixed(Mutex<Readiness>);

impl Vitals for Fixed {
    fn readiness(&self) -> Readiness {
        self.0.lock().unwrap().clone()
    }

    fn readings(&self) -> Readings {
        Readings { media_legs_live: 3, ..Readings::default() }
    }
}

/// A server on a loopback port; the house behind it can be changed.
async fn house() -> (SocketAddr, Arc<Fixed>, CancellationToken) {
    let vitals = Arc::new(Fixed(Mutex::default()));
    let mounted = Router::new().route("/mounted", get(async || "mounted"));
    let router = front(super::vitals(Arc::new(Metrics::new()), vitals.clone()).merge(mounted));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(serve(listener, router, None, stop.clone()));
    (address, vitals, stop)
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_running_gateway_is_live_and_ready() {
    let (address, _, _) = house().await;
    assert!(ask(address, "GET", "/health/live").await.contains("{\"status\":\"live\"}"));
    let answer = ask(address, "GET", "/health/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("{\"status\":\"ready\",\"event_sources\":[],\"plugins\":[],\"draining\":false}"), "{answer}");
}

#[tokio::test]
async fn it_is_not_ready_while_draining_or_deaf_or_without_its_plugins() {
    let (address, vitals, _) = house().await;
    let deaf = EventSource { app: "vg-a".into(), up: false };
    let broken = PluginState { name: "stt-local".into(), state: "not-wasm" };
    for readiness in [
        Readiness { draining: true, ..Readiness::default() },
        Readiness { event_sources: vec![deaf.clone()], ..Readiness::default() },
        Readiness { plugins: vec![broken], ..Readiness::default() },
    ] {
        *vitals.0.lock().unwrap() = readiness;
        let answer = ask(address, "GET", "/health/ready").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not_ready"), "{answer}");
    }
    let one_of_two =
        Readiness { event_sources: vec![deaf, EventSource { app: "vg-b".into(), up: true }], ..Readiness::default() };
    assert!(one_of_two.ready());
}

#[tokio::test]
async fn a_disk_that_takes_no_further_events_makes_it_not_ready() {
    let (address, vitals, _) = house().await;
    for (events, code, status) in [("writing", 200, "ready"), ("full", 503, "not_ready"), ("failing", 503, "not_ready")] {
        *vitals.0.lock().unwrap() = Readiness { events: Some(events), ..Readiness::default() };
        let answer = ask(address, "GET", "/health/ready").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
        assert!(answer.contains(&format!("\"status\":\"{status}\"")), "{answer}");
        assert!(answer.contains(&format!("\"events\":\"{events}\"")), "{answer}");
    }
}

#[tokio::test]
async fn events_that_wait_for_kafka_make_it_degraded_and_take_no_call_away() {
    let (address, vitals, _) = house().await;
    let kafka = |trouble| Some(KafkaStats { lag: 7, trouble, ..KafkaStats::default() }.into());
    *vitals.0.lock().unwrap() = Readiness { kafka: kafka(Some("unreachable")), ..Readiness::default() };
    let answer = ask(address, "GET", "/health/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"degraded\""), "{answer}");
    assert!(answer.contains("\"kafka\":{\"state\":\"waiting\",\"code\":\"unreachable\",\"lag_events\":7}"), "{answer}");
    *vitals.0.lock().unwrap() = Readiness { kafka: kafka(None), ..Readiness::default() };
    let answer = ask(address, "GET", "/health/ready").await;
    assert!(
        answer.contains("\"status\":\"ready\"") && answer.contains("\"kafka\":{\"state\":\"up\",\"lag_events\":7}"),
        "{answer}"
    );
}

#[tokio::test]
async fn without_its_store_it_is_ready_and_says_what_is_missing() {
    let (address, vitals, _) = house().await;
    for (state, status) in [("up", "ready"), ("deadline", "degraded")] {
        let state = Some(StateHealth { state, unwritten: 7 });
        *vitals.0.lock().unwrap() = Readiness { state: state.clone(), ..Readiness::default() };
        let answer = ask(address, "GET", "/health/ready").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let detail = serde_json::to_string(&state).unwrap();
        assert!(answer.contains(&format!("\"status\":\"{status}\"")) && answer.contains(&detail), "{answer}");
    }
}

#[tokio::test]
async fn metrics_are_scraped_with_the_readings_of_that_moment() {
    let (address, _, _) = house().await;
    let answer = ask(address, "GET", "/metrics").await;
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nvg_media_legs_live 3\n"), "{answer}");
}

#[tokio::test]
async fn other_routes_are_mounted_beside() {
    let (address, _, _) = house().await;
    assert!(ask(address, "GET", "/mounted").await.ends_with("mounted"));
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let (address, _, _) = house().await;
    let answer = ask(address, "GET", "/nowhere").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("\"code\":\"not_found\""), "{answer}");
    let answer = ask(address, "DELETE", "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("\"code\":\"method_not_allowed\""), "{answer}");
}

#[tokio::test]
async fn it_stops_when_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    serve(listener, Router::new(), None, stop).await.unwrap();
}
