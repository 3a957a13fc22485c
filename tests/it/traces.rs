//! Traces of turns, as a collector gets them: read with the messages of the project that wrote the protocol.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_tests::agent::{Orchestrator, Shape};
use vg_tests::house::{House, plugins_dir, recording};
use vg_tests::rig::Rig;
use vg_tests::tls::{self, Authority};
use voice_gateway::adapters::otlp::Tracer;
use voice_gateway::application::ports::{Observation, Observe};
use voice_gateway::config::{Config, Machine};

const PATIENCE: Duration = Duration::from_secs(30);
/// No answer pauses for so long.
const QUIET: Duration = Duration::from_millis(600);

/// What the collector does with a request.
#[derive(Clone, Copy)]
enum Mood {
    Busy,
    Refusing,
    TakingAllButOne,
}

#[derive(Default)]
struct Got {
    /// Moods for the next requests; then all is taken.
    moods: Mutex<VecDeque<Mood>>,
    asked: Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>,
}

impl Got {
    /// Of requests that were taken.
    fn spans(&self) -> Vec<Span> {
        let asked = self.asked.lock().unwrap();
        let scopes = asked.iter().flat_map(|(_, request)| request.resource_spans.iter().flat_map(|of| &of.scope_spans));
        scopes.flat_map(|of| of.spans.clone()).collect()
    }
}

struct Collector {
    at: SocketAddr,
    got: Arc<Got>,
    authority: Option<Authority>,
    connections: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Collector {
    async fn start(moods: impl IntoIterator<Item = Mood>) -> Self {
        Self::run(moods, None).await
    }

    /// By TLS, with a certificate of an authority of its own.
    async fn start_tls() -> Self {
        Self::run([], Some(Authority::new())).await
    }

    async fn run(moods: impl IntoIterator<Item = Mood>, authority: Option<Authority>) -> Self {
        let got = Arc::new(Got { moods: Mutex::new(moods.into_iter().collect()), asked: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let router = Router::new().route("/base/v1/traces", post(take)).with_state(Arc::clone(&got));
        let mut server = JoinSet::new();
        let connections = Arc::<AtomicUsize>::default();
        server.spawn(tls::serve(listener, router, authority.as_ref().map(Authority::acceptor), Arc::clone(&connections)));
        Self { at, got, authority, connections, _server: server }
    }

    fn config(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}/base", self.at);
        format!("[telemetry]\notlp_endpoint = '{endpoint}'\notlp_headers = {{ x-api-key = 'env:OTLP_KEY' }}\n")
    }
}

async fn take(State(got): State<Arc<Got>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mood = got.moods.lock().unwrap().pop_front();
    let partial_success = match mood {
        Some(Mood::Busy) => return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response(),
        Some(Mood::Refusing) => return StatusCode::BAD_REQUEST.into_response(),
        Some(Mood::TakingAllButOne) => {
            Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: "one is strange".to_owned() })
        }
        None => None,
    };
    got.asked.lock().unwrap().push((headers, request));
    let answer = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    ([("content-type", "application/x-protobuf")], answer).into_response()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let reached = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_of_a_whole_gateway_is_one_trace_whose_parts_are_the_turn_and_on_which_the_agents_own_hangs() {
    let (collector, orchestrator) = (Collector::start([]).await, Orchestrator::start(Shape::Sse).await);
    let toml = format!("instance = 'one'\n{}{}", collector.config(), orchestrator.by_http());
    let mut house = House::with_environment(&toml, vec![("OTLP_KEY".to_owned(), "s3cret".to_owned())]).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer");
    let (call, turn) = house
        .fact("an answered turn", |call, fact| match fact {
            Fact::Turn(turn) => Some((call.clone(), turn.clone())),
            _ => None,
        })
        .await
        .unwrap();
    phone.hang_up().await.1.unwrap();
    until("the trace has come", async || !collector.got.spans().is_empty()).await;
    assert!(house.metric("vg_otlp_spans_total{outcome=\"sent\"}").await.unwrap() >= 9.0);
    house.stop().await;

    let asked = collector.got.asked.lock().unwrap();
    let (headers, request) = &asked[0];
    assert_eq!(headers["x-api-key"], "s3cret");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let resource = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
    assert_eq!(text(resource, "service.name").as_deref(), Some("voice-gateway"));
    assert_eq!(text(resource, "service.instance.id").as_deref(), Some("one"));

    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let (root, parts) = spans.split_first().unwrap();
    assert_eq!((root.name.as_str(), root.parent_span_id.is_empty()), ("turn", true));
    assert_eq!(text(&root.attributes, "vg.call_id").as_deref(), Some(call.as_str()));
    assert_eq!(text(&root.attributes, "vg.tenant").as_deref(), Some("demo"));
    assert_eq!(text(&root.attributes, "vg.stt_plugin").as_deref(), Some("stt-local"));
    assert_eq!(text(&root.attributes, "vg.tts_plugin").as_deref(), Some("tts-local"));
    let names: Vec<&str> = parts.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["endpoint_wait", "gateway", "stt", "gateway", "agent", "clause", "tts", "playout"]);
    let length = |span: &Span| span.end_time_unix_nano - span.start_time_unix_nano;
    assert!(parts.iter().all(|span| span.trace_id == root.trace_id && span.parent_span_id == root.span_id));
    assert!(parts.windows(2).all(|two| two[0].end_time_unix_nano == two[1].start_time_unix_nano));
    assert_eq!(parts.iter().map(length).sum::<u64>(), length(root));
    let total_ms = turn.latency.expect("a spoken turn").total_ms;
    assert_eq!((length(root) + 500_000) / 1_000_000, u64::from(total_ms));

    // The agent was told of the span that waits for it.
    let agent = parts.iter().find(|span| span.name == "agent").unwrap();
    assert_eq!(agent.kind, SpanKind::Client as i32);
    let told = orchestrator.brain.seen().traces;
    assert_eq!(told, [format!("00-{}-{}-01", hex(&root.trace_id), hex(&agent.span_id))]);

    // Not what was said.
    let told: String =
        spans.iter().flat_map(|span| &span.attributes).map(|attribute| format!("{:?} ", attribute.value)).collect();
    let said = turn.heard.as_str().split(' ').chain(turn.said.as_str().split(' '));
    for word in said.filter(|word| word.len() > 2) {
        assert!(!told.to_lowercase().contains(&word.to_lowercase()), "{word} is in {told}");
    }
}

/// A real turn of the virtual house, as it was observed.
async fn observed() -> Observation {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    caller.fact(|fact| matches!(fact, Fact::Turn(_)).then_some(())).await;
    rig.observations().into_iter().find(|seen| matches!(seen, Observation::TurnEnded(_))).unwrap()
}

fn tracer(toml: &str) -> Arc<Tracer> {
    trusting(toml, &[])
}

/// One that trusts these authorities beside the system's.
fn trusting(toml: &str, authorities: &[Vec<u8>]) -> Arc<Tracer> {
    let environment = [("OTLP_KEY".to_owned(), "s3cret".to_owned())];
    let config = Config::parse(toml, environment, &Machine::here()).unwrap();
    Arc::new(Tracer::new(&config.telemetry.otlp.unwrap(), "one", authorities).unwrap())
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let collector = Collector::start([Mood::Busy, Mood::Busy, Mood::TakingAllButOne, Mood::Refusing]).await;
    let (tracer, close, seen) = (tracer(&collector.config()), CancellationToken::new(), observed().await);
    let mut tasks = JoinSet::new();
    let (sender, until_closed) = (Arc::clone(&tracer), close.clone());
    tasks.spawn(async move { sender.run(until_closed).await });
    let counted = |outcome: &str| tracer.counts().into_iter().find(|(name, _)| *name == outcome).map_or(0, |(_, count)| count);
    tracer.observe(&seen);
    until("it is taken at the third try", async || counted("sent") > 0).await;
    assert_eq!((counted("sent"), counted("rejected")), (8, 1));
    tracer.observe(&seen);
    until("it is refused", async || counted("refused") > 0).await;
    // What is left at the end goes without waiting for more.
    tracer.observe(&seen);
    close.cancel();
    tasks.join_all().await;
    assert_eq!((counted("sent"), counted("refused"), counted("failed")), (17, 9, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_by_tls_is_believed_where_its_authority_is_the_operators_and_told_nothing_where_it_is_not() {
    let collector = Collector::start_tls().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, collector.authority.as_ref().unwrap().pem()).unwrap();
    let toml = format!("[plugins]\ndir = {:?}\noperator_cas = [{ca:?}]\n{}", plugins_dir(), collector.config());
    let mut house = House::with_environment(&toml, vec![("OTLP_KEY".to_owned(), "s3cret".to_owned())]).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    house.fact("an answered turn", |_, fact| matches!(fact, Fact::Turn(_)).then_some(())).await.unwrap();
    phone.hang_up().await.1.unwrap();
    until("the trace has come", async || !collector.got.spans().is_empty()).await;
    house.stop().await;
    assert_eq!(collector.got.asked.lock().unwrap()[0].0["x-api-key"], "s3cret");

    // One whom nobody knows, and one that somebody else is: nothing is sent to either, keys least of all, and that is counted.
    let (taken, seen) = (collector.got.spans().len(), observed().await);
    for authorities in [vec![], vec![Authority::new().pem().as_bytes().to_vec()]] {
        let before = collector.connections.load(Ordering::Relaxed);
        let (tracer, close) = (trusting(&collector.config(), &authorities), CancellationToken::new());
        let (sender, until_closed) = (Arc::clone(&tracer), close.clone());
        let mut sending = JoinSet::new();
        sending.spawn(async move { sender.run(until_closed).await });
        tracer.observe(&seen);
        until("it is given up", async || !tracer.counts().is_empty()).await;
        assert_eq!(tracer.counts(), [("failed", 9)]);
        assert_eq!(collector.connections.load(Ordering::Relaxed), before + 3, "tried as one that is away");
        close.cancel();
        sending.join_all().await;
    }
    assert_eq!(collector.got.spans().len(), taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_the_spans_and_not_the_call() {
    // Somebody has the port and answers nobody.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let toml = format!("[telemetry]\notlp_endpoint = 'http://{}'\n", deaf.local_addr().unwrap());
    let mut house = House::with(&toml).await.unwrap();
    let mut phone = house.phone("demo").await.unwrap();
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no greeting");
    phone.say(&recording("time.wav").unwrap()).await;
    phone.until_said().await;
    assert!(phone.until_answer_ended(QUIET, PATIENCE).await, "no answer");
    house.fact("an answered turn", |_, fact| matches!(fact, Fact::Turn(_)).then_some(())).await.unwrap();
    phone.hang_up().await.1.unwrap();
    house.holds_nothing(PATIENCE).await.unwrap();
    let ending = Instant::now();
    let drained = house.stop().await;
    assert_eq!((drained.calls, drained.cut), (0, 0));
    assert!(ending.elapsed() < Duration::from_secs(10), "{:?}", ending.elapsed());

    // What waits beyond the queue is dropped at once, and counted.
    let (tracer, seen) = (tracer(&toml), observed().await);
    let began = Instant::now();
    for _ in 0..2_100 {
        tracer.observe(&seen);
    }
    assert_eq!(tracer.counts(), [("dropped", 52 * 9)]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
