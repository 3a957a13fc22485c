mod restart;

use super::*;
use crate::adapters::tenants::demo;
use crate::application::ports::{Admission, Arrival, Sequence, Subject, TenantError};
use crate::config::{Config, Machine};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vg_domain::dialling::AnsweredBy;
use vg_domain::ids::TurnId;
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::policy::Policy;
use vg_plugin_host::{HostConfig, PluginHost};

const KEY: &str = "a-key-that-only-two-know";
/// Whoever waits longer waits for nothing.
const SOON: Duration = Duration::from_secs(20);

/// What a receiver got.
#[derive(Debug)]
struct Got {
    id: String,
    event: serde_json::Value,
    at: Instant,
}

/// How it answers: a status, a `retry-after` where it has one, after so long.
type Answer = (u16, Option<&'static str>, Duration);

#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    got: mpsc::Sender<Got>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let (id, seconds) = (text("webhook-id"), text("webhook-timestamp"));
    // As a receiver verifies it, with code of its own.
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY.as_bytes());
    let signed = [format!("{id}.{seconds}.").as_bytes(), &body].concat();
    let signature = text("webhook-signature");
    let signature = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &signature[3..]).unwrap();
    ring::hmac::verify(&key, &signed, &signature).unwrap();
    assert_eq!(text("content-type"), "application/cloudevents+json");
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((event["id"].as_str(), event["specversion"].as_str()), (Some(id.as_str()), Some("1.0")));
    receiver.got.send(Got { id, event, at: Instant::now() }).await.unwrap();
    let answer = receiver.answers.lock().unwrap().pop_front();
    let (status, after, wait) = answer.unwrap_or((204, None, Duration::ZERO));
    tokio::time::sleep(wait).await;
    let mut headers = HeaderMap::new();
    headers.extend(
        after
            .map(|after| ("retry-after".parse().unwrap(), after.parse().unwrap()))
            .into_iter()
            .map(|(name, value): (axum::http::HeaderName, _)| (Some(name), value)),
    );
    (StatusCode::from_u16(status).unwrap(), headers)
}

/// One tenant, whose settings change.
struct OneTenant {
    settings: Mutex<TenantSettings>,
    /// They are not to be had.
    away: AtomicBool,
    looked_at: AtomicU64,
}

impl Tenants for OneTenant {
    fn settings<'a>(&'a self, _: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        ready(Err(TenantError::Unknown)).boxed()
    }

    fn named<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        let away = self.away.load(Relaxed);
        let settings = Arc::new(self.settings.lock().unwrap().clone());
        self.looked_at.fetch_add(1, Relaxed);
        ready(if away { Err(TenantError::Unavailable) } else { Ok(settings) }).boxed()
    }
}

/// Calls, sinks, and a receiver.
struct Stand {
    log: Arc<dyn Facts>,
    sinks: Arc<Sinks>,
    tenants: Arc<OneTenant>,
    plugins: Arc<Plugins>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    got: mpsc::Receiver<Got>,
    address: SocketAddr,
    close: CancellationToken,
    tasks: JoinSet<()>,
    folder: tempfile::TempDir,
    told: AtomicU64,
}

impl Stand {
    async fn open(types: &[&str]) -> Self {
        let desk = Arc::new(Desk::new("e"));
        Self::over(types, Arc::clone(&desk) as _, desk).await
    }

    /// `log` is told of calls, `source` tells what it was told.
    async fn over(types: &[&str], log: Arc<dyn Facts>, source: Arc<dyn EventSource>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let toml = format!("[plugins]\ndir = {0:?}\nstore = {0:?}\ncache_dir = {0:?}\n", folder.path());
        let config = Config::parse(&toml, [], &Machine::here()).unwrap();
        let links = Links::new(LinksConfig::default()).unwrap();
        let host = PluginHost::new(HostConfig::new(config.plugins.cache_dir.clone())).unwrap();
        let plugins = Arc::new(Plugins::new(host, Some(links), &config.plugins).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, got) = mpsc::channel(1_024);
        let answers = Arc::<Mutex<VecDeque<Answer>>>::default();
        let receiver = Receiver { answers: Arc::clone(&answers), got: send };
        let router = Router::new().route("/hook", post(receive)).with_state(receiver);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
        let mut settings = demo();
        settings.webhooks = vec![Webhook {
            name: "crm".to_owned(),
            url: format!("http://{address}/hook"),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            secret: format!("file:{}", folder.path().join("key").display()),
        }];
        let (settings, away, looked_at) = (Mutex::new(settings), AtomicBool::default(), AtomicU64::default());
        let tenants = Arc::new(OneTenant { settings, away, looked_at });
        let sinks = Arc::new(Sinks::new(source, Arc::clone(&tenants) as _, Arc::clone(&plugins)));
        let close = CancellationToken::new();
        tasks.spawn(Arc::clone(&sinks).run(close.clone()));
        let stand =
            Self { log, sinks, tenants, plugins, answers, got, address, close, tasks, folder, told: AtomicU64::default() };
        stand.permit(true);
        stand
    }

    fn permit(&self, permitted: bool) {
        let hosts = if permitted { format!("hosts = [\"http://{}\"]\n", self.address) } else { String::new() };
        let policy = format!("[plugin.webhooks]\nnetworks = [\"127.0.0.1/32\"]\n{hosts}");
        self.plugins.permit(Policy::parse(&policy).unwrap());
    }

    fn answer(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn tell(&self, call: &str, fact: &Fact) {
        let (call, tenant) = (CallId::new(call), TenantId::new("demo"));
        let sequence = Sequence { n: self.told.fetch_add(1, Relaxed) + 1, ..Sequence::FIRST };
        let subject = Subject { sequence, ..Subject::only(&call, &tenant) };
        self.log.publish(subject, fact);
        self.sinks.publish(subject, fact);
    }

    /// A call: three events of its own, and words.
    fn call(&self, call: &str) {
        let nobody = || Pii::new(String::new());
        self.tell(call, &Fact::Started(Arc::new(Parties::inbound(nobody(), nobody()))));
        self.tell(call, &Fact::Answered(AnsweredBy::Gateway));
        let text = Mask::new().mask_final(Heard::new("good morning".to_owned()));
        self.tell(call, &Fact::Heard { turn: TurnId(1), text });
        self.tell(call, &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }));
    }

    async fn next(&mut self) -> Got {
        timeout(SOON, self.got.recv()).await.unwrap().unwrap()
    }

    async fn until(&self, done: impl Fn(SinkCounts) -> bool) -> SinkCounts {
        let since = Instant::now();
        loop {
            let counts = self.sinks.stats().into_values().next().unwrap_or_default();
            if done(counts) {
                return counts;
            }
            assert!(since.elapsed() < SOON, "{counts:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn end(mut self) {
        self.close.cancel();
        timeout(SOON, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
    }
}

fn told(got: &Got) -> (String, String) {
    (got.event["subject"].as_str().unwrap().to_owned(), got.event["type"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn events_of_the_wanted_types_come_signed_in_their_order_and_once() {
    let mut stand = Stand::open(&["call.*"]).await;
    for call in 0..5 {
        stand.call(&format!("c-{call}"));
    }
    let mut by_call = BTreeMap::<String, Vec<String>>::new();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..15 {
        let got = stand.next().await;
        let (call, kind) = told(&got);
        by_call.entry(call).or_default().push(kind);
        assert!(ids.insert(got.id));
    }
    assert_eq!(by_call.len(), 5);
    assert!(by_call.values().all(|kinds| *kinds == ["call.started", "call.answered", "call.ended"]), "{by_call:?}");
    let counts = stand.until(|counts| counts.delivered == 15 && counts.waiting == 0).await;
    assert_eq!(counts, SinkCounts { delivered: 15, ..SinkCounts::default() });
    let links = stand.plugins.link_counts();
    assert!(links.connected <= 8 && links.reused >= 7, "connections are used again: {links:?}");
    stand.end().await;
}

#[tokio::test]
async fn a_call_waits_for_its_own_event_that_failed_and_other_calls_do_not() {
    let mut stand = Stand::open(&["call.*"]).await;
    stand.answer(&[(503, Some("2"), Duration::ZERO)]);
    stand.call("first");
    let failed = stand.next().await;
    assert_eq!(told(&failed), ("first".into(), "call.started".into()));
    stand.call("second");
    let mut order = Vec::new();
    let mut again = None;
    for _ in 0..6 {
        let got = stand.next().await;
        if got.id == failed.id {
            again = Some(got.at);
        }
        order.push(told(&got).0);
    }
    assert_eq!(order, ["second", "second", "second", "first", "first", "first"]);
    assert!(again.unwrap() - failed.at >= Duration::from_secs(2), "it asked for two seconds");
    let counts = stand.until(|counts| counts.delivered == 6).await;
    assert_eq!((counts.failures, counts.refused), (1, 0));
    stand.end().await;
}

#[tokio::test]
async fn a_slow_sink_gets_everything_and_what_it_does_not_want_is_not_sent_again() {
    let mut stand = Stand::open(&["call.started", "call.ended"]).await;
    stand.answer(&[(200, None, Duration::from_millis(700)), (400, None, Duration::ZERO), (302, None, Duration::ZERO)]);
    stand.call("c-1");
    stand.call("c-2");
    for _ in 0..4 {
        stand.next().await;
    }
    let counts = stand.until(|counts| counts.waiting == 0 && counts.delivered + counts.refused == 4).await;
    assert_eq!((counts.delivered, counts.refused, counts.failures), (2, 2, 0));
    stand.end().await;
}

#[tokio::test]
async fn a_sink_that_says_410_is_sent_nothing_until_its_settings_change() {
    let mut stand = Stand::open(&["call.*"]).await;
    stand.answer(&[(410, None, Duration::ZERO)]);
    stand.call("c-1");
    stand.next().await;
    stand.until(|counts| counts.off).await;
    stand.call("c-2");
    stand.tenants.settings.lock().unwrap().webhooks[0].types = vec!["call.ended".to_owned()];
    stand.call("c-3");
    stand.until(|counts| !counts.off).await;
    // From where it was changed on: what came before is not told.
    stand.call("c-4");
    let got = stand.next().await;
    assert_eq!(told(&got).1, "call.ended");
    assert!(["c-3", "c-4"].contains(&told(&got).0.as_str()), "{got:?}");
    stand.end().await;
}

#[tokio::test]
async fn where_the_policy_does_not_permit_nothing_is_sent_and_check_says_what_to_write() {
    let mut stand = Stand::open(&["call.*"]).await;
    stand.permit(false);
    let settings = stand.tenants.settings.lock().unwrap().clone();
    let lack_now = || lack(&stand.plugins, &settings, &settings.webhooks[0]);
    let advice = lack_now().unwrap();
    assert!(advice.contains("[plugin.\"webhooks\"] hosts = [\"http://127.0.0.1"), "{advice}");
    stand.call("c-1");
    stand.until(|counts| counts.failures > 0).await;
    assert!(stand.got.try_recv().is_err());
    // Permitted by name, and yet no address of the open Internet.
    let policy = format!("[plugin.webhooks]\nhosts = [\"http://{}\"]", stand.address);
    stand.plugins.permit(Policy::parse(&policy).unwrap());
    let failures = stand.until(|counts| counts.failures > 1).await.failures;
    assert!(stand.got.try_recv().is_err());
    stand.permit(true);
    assert_eq!(lack(&stand.plugins, &settings, &settings.webhooks[0]), None);
    assert_eq!(told(&stand.next().await).1, "call.started", "after {failures} failures");
    stand.end().await;
}

#[tokio::test]
async fn a_sink_whose_events_are_gone_before_it_is_ready_is_told_the_others_and_the_gap_is_counted() {
    let mut stand = Stand::open(&["call.*"]).await;
    // Its key is not there yet.
    std::fs::rename(stand.folder.path().join("key"), stand.folder.path().join("later")).unwrap();
    stand.call("c-0");
    stand.until(|counts| counts.failures > 0).await;
    let kept = crate::application::limits::DESK_EVENTS_PER_TENANT as u64;
    let mut calls = 0;
    while calls * 4 < kept + 2_100 {
        calls += 1;
        stand.call(&format!("c-{calls}"));
    }
    std::fs::rename(stand.folder.path().join("later"), stand.folder.path().join("key")).unwrap();
    let last = format!("c-{calls}");
    while told(&stand.next().await).0 != last {}
    let counts = stand.until(|counts| counts.waiting == 0).await;
    let all = (calls + 1) * 4;
    assert!(counts.missed > 0 && counts.delivered + counts.missed <= all, "{counts:?} of {all}");
    assert!(counts.delivered * 4 >= (all - counts.missed) * 3 - 4, "{counts:?}: three of four are wanted");
    stand.end().await;
}
