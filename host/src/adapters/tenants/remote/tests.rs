use super::*;
use crate::application::ports::{Endpoint, TenantHint};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use vg_domain::pii::Pii;

/// What the service says of a path from now on.
#[derive(Clone)]
enum Says {
    /// With its length as the tag; 304 to whoever knows it.
    Json(Value),
    Text(&'static str),
    Status(u16),
    /// These, one after the other, then the last for ever.
    InTurn(Arc<Mutex<Vec<Says>>>),
    /// The head never comes.
    Nothing,
    /// The head comes, then one byte after another, for ever.
    Drip,
    Endless,
    Elsewhere(String),
}

#[derive(Default)]
struct Fake {
    says: Mutex<HashMap<String, Says>>,
    asked: Mutex<Vec<(String, HeaderMap)>>,
}

impl Fake {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let fake = Arc::new(Self::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&fake));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (fake, address)
    }

    fn say(&self, path: &str, says: Says) {
        self.says.lock().unwrap().insert(format!("/api/v1/tenants/{path}"), says);
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, _)| asked.ends_with(path)).count()
    }
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    fake.asked.lock().unwrap().push((path.clone(), request.headers().clone()));
    let says = fake.says.lock().unwrap().get(&path).cloned().unwrap_or(Says::Status(404));
    say(says, request.headers()).await
}

async fn say(says: Says, headers: &HeaderMap) -> Response {
    match says {
        Says::Json(value) => {
            let body = value.to_string();
            let etag = format!("\"{}\"", body.len());
            if headers.get("if-none-match").is_some_and(|known| known == etag.as_str()) {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            ([("etag", etag)], body).into_response()
        }
        Says::Text(text) => text.into_response(),
        Says::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Says::InTurn(turns) => {
            let next = {
                let mut turns = turns.lock().unwrap();
                if turns.len() > 1 { turns.remove(0) } else { turns[0].clone() }
            };
            Box::pin(say(next, headers)).await
        }
        Says::Nothing => std::future::pending().await,
        Says::Drip => {
            let bytes = futures_util::stream::iter(0..).then(|_| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, std::io::Error>(" ")
            });
            Body::from_stream(bytes).into_response()
        }
        Says::Endless => {
            let bytes = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 16]));
            Body::from_stream(bytes).into_response()
        }
        Says::Elsewhere(place) => (StatusCode::FOUND, [("location", place)]).into_response(),
    }
}

/// Finds fault with a plugin of this name, and counts what it looked at.
#[derive(Default)]
struct Reviewer(AtomicUsize);

impl Review for Reviewer {
    fn review(&self, rungs: &[Rung]) -> Faults {
        self.0.fetch_add(1, Relaxed);
        let mut faults = Faults::default();
        for rung in rungs.iter().filter(|rung| rung.provider.plugin.as_str() == "stt-none") {
            faults.add(format_args!("{}.plugin", rung.path), "is not there");
        }
        faults
    }
}

struct Scene {
    fake: Arc<Fake>,
    tenants: RemoteTenants,
    reviewer: Arc<Reviewer>,
}

async fn scene(ttl: Duration) -> Scene {
    let (fake, address) = Fake::start().await;
    let url = format!("http://{address}/").parse().unwrap();
    let manager = TenantManager { url, token: Some(Pii::new("token-1".into())), ttl };
    let reviewer = Arc::new(Reviewer::default());
    let choice =
        config::Tenants { dir: None, default: Some(TenantId::new("acme")), map: config::TenantMap::new(), manager: None };
    let tenants = RemoteTenants::new(&manager, &[], &choice, Arc::clone(&reviewer) as _).unwrap();
    Scene { fake, tenants, reviewer }
}

const LONG: Duration = Duration::from_secs(600);
/// Everything is stale at once.
const SHORT: Duration = Duration::from_nanos(1);
const SETTINGS: &str = "acme/telephony/settings";

fn acme(greeting: &str) -> Value {
    json!({
        "language": "pt-BR", "greeting": greeting, "human": null,
        "hearing": [{ "plugin": "stt-x@1.2.0", "options": { "boost": 1.5 } }, { "plugin": "stt-local" }],
        "speaking": { "plugin": "tts-local" },
        "prompts": { "not_understood": "Como?", "agent_unavailable": "Um momento.", "farewell": "Tchau." },
        "timing": { "silence_ms": 4000 }
    })
}

impl Scene {
    async fn greeting(&self) -> Result<String, TenantError> {
        let named = self.tenants.named(&TenantId::new("acme")).await;
        named.map(|settings| settings.greeting.clone())
    }

    async fn call(&self, dialled: &str, channel: &str) -> Result<(Option<String>, Option<String>), TenantError> {
        let endpoint = Some(Endpoint::of_channel(channel));
        let arrival = Arrival { hint: TenantHint::Default, dialled: Pii::new(dialled.into()), endpoint };
        self.tenants
            .settings(&arrival)
            .await
            .map(|admission| (admission.did.map(|id| id.to_string()), admission.trunk.map(|id| id.to_string())))
    }

    fn requests(&self, outcome: &str) -> u64 {
        self.tenants.stats().requests.iter().find(|(code, _)| *code == outcome).map_or(0, |(_, count)| *count)
    }

    fn lookups(&self, outcome: &str) -> u64 {
        self.tenants.stats().lookups.iter().find(|(code, _)| *code == outcome).map_or(0, |(_, count)| *count)
    }
}

#[tokio::test]
async fn json_means_what_the_folders_file_means() {
    let scene = scene(LONG).await;
    scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
    let settings = scene.tenants.named(&TenantId::new("acme")).await.unwrap();
    let toml = "
        language = 'pt-BR'
        greeting = 'Olá.'
        hearing = [{ plugin = 'stt-x@1.2.0', options = { boost = 1.5 } }, { plugin = 'stt-local' }]
        speaking = { plugin = 'tts-local' }
        prompts = { not_understood = 'Como?', agent_unavailable = 'Um momento.', farewell = 'Tchau.' }
        timing = { silence_ms = 4000 }";
    let file = super::super::parse("acme", toml, &|_| Err("none".to_owned())).unwrap();
    assert_eq!(*settings, file.settings);
    let named: Vec<String> = scene.tenants.plugins().iter().map(ToString::to_string).collect();
    assert_eq!(named, ["stt-local", "stt-x@1.2.0", "tts-local"]);
    let headers = scene.fake.asked.lock().unwrap()[0].1.clone();
    assert_eq!(headers["authorization"], "Bearer token-1");
    assert_eq!(headers["accept"], "application/json");
}

#[tokio::test]
async fn a_hundred_calls_at_once_ask_once() {
    let scene = scene(LONG).await;
    scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
    let calls = join_all((0..100).map(|_| scene.greeting())).await;
    assert!(calls.iter().all(|greeting| greeting.as_deref() == Ok("Olá.")));
    assert_eq!(scene.fake.asked("settings"), 1);
    assert_eq!(scene.reviewer.0.load(Relaxed), 1);
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again_and_a_change_is_the_next_calls() {
    let scene = scene(SHORT).await;
    scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
    let first = scene.tenants.named(&TenantId::new("acme")).await.unwrap();
    let second = scene.tenants.named(&TenantId::new("acme")).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((scene.requests("fetched"), scene.requests("unchanged")), (1, 1));
    scene.fake.say(SETTINGS, Says::Json(acme("Alô você.")));
    assert_eq!(scene.greeting().await.as_deref(), Ok("Alô você."));
    assert_eq!(first.greeting, "Olá.");
    assert_eq!(scene.requests("fetched"), 2);
}

#[tokio::test]
async fn nobody_of_that_name_is_told_from_a_service_that_fails() {
    let scene = scene(LONG).await;
    assert_eq!(scene.greeting().await, Err(TenantError::Unknown));
    assert_eq!(scene.greeting().await, Err(TenantError::Unknown));
    assert_eq!((scene.fake.asked("settings"), scene.lookups("absent")), (1, 2));
    scene.fake.say("other/telephony/settings", Says::Status(503));
    let other = TenantId::new("other");
    assert_eq!(scene.tenants.named(&other).await, Err(TenantError::Unavailable));
    // Three tries, one outcome.
    assert_eq!((scene.fake.asked("other/telephony/settings"), scene.requests("failing")), (3, 1));
}

#[tokio::test]
async fn a_failure_that_passes_is_not_noticed() {
    for passing in [Says::Status(500), Says::Status(429), Says::Status(502)] {
        let scene = scene(LONG).await;
        let turns = vec![passing, Says::Json(acme("Olá."))];
        scene.fake.say(SETTINGS, Says::InTurn(Arc::new(Mutex::new(turns))));
        assert_eq!(scene.greeting().await.as_deref(), Ok("Olá."));
        assert_eq!(scene.fake.asked("settings"), 2);
    }
}

#[tokio::test]
async fn whatever_goes_wrong_the_last_good_settings_serve_and_the_fault_is_counted() {
    let (faulty, colour) = (json!({ "language": "pt-BR" }), json!({ "colour": "red" }));
    let mut other_plugin = acme("Olá.");
    other_plugin["hearing"] = json!({ "plugin": "stt-none" });
    for (says, outcome) in [
        (Says::Status(500), "failing"),
        (Says::Status(401), "unauthorized"),
        (Says::Status(403), "unauthorized"),
        (Says::Status(429), "busy"),
        (Says::Status(204), "refused"),
        (Says::Status(400), "refused"),
        (Says::Status(304), "unchanged"),
        (Says::Elsewhere("http://127.0.0.1:1/".into()), "refused"),
        (Says::Text("<html>"), "faulty"),
        (Says::Text(""), "faulty"),
        (Says::Text("[]"), "faulty"),
        (Says::Json(faulty), "faulty"),
        (Says::Json(colour), "faulty"),
        (Says::Json(other_plugin), "faulty"),
        (Says::Endless, "too_long"),
    ] {
        let scene = scene(SHORT).await;
        scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
        assert_eq!(scene.greeting().await.as_deref(), Ok("Olá."));
        scene.fake.say(SETTINGS, says);
        assert_eq!(scene.greeting().await.as_deref(), Ok("Olá."), "{outcome}");
        // The patience of a call is shorter than that of the question, which goes on.
        let counted = async {
            while scene.requests(outcome) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.unwrap_or_else(|_| panic!("{outcome} is not counted"));
    }
}

#[tokio::test]
async fn a_service_that_hangs_costs_a_known_tenant_little_and_an_unknown_one_its_budget() {
    for says in [Says::Nothing, Says::Drip] {
        let scene = scene(SHORT).await;
        scene.fake.say("slow/telephony/settings", says.clone());
        let begun = std::time::Instant::now();
        assert_eq!(scene.tenants.named(&TenantId::new("slow")).await, Err(TenantError::Unavailable));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert_eq!(scene.requests("deadline"), 1);
        scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
        assert_eq!(scene.greeting().await.as_deref(), Ok("Olá."));
        scene.fake.say(SETTINGS, says);
        let begun = std::time::Instant::now();
        assert_eq!(scene.greeting().await.as_deref(), Ok("Olá."));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(scene.lookups("last_known_good"), 1);
    }
}

#[tokio::test]
async fn a_service_that_is_gone_leaves_what_was_known_and_its_age() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let manager = TenantManager { url: format!("http://{gone}").parse().unwrap(), token: None, ttl: LONG };
    let choice = config::Tenants { dir: None, default: None, map: config::TenantMap::new(), manager: None };
    let tenants = RemoteTenants::new(&manager, &[], &choice, Arc::new(Reviewer::default())).unwrap();
    assert_eq!(tenants.named(&TenantId::new("acme")).await, Err(TenantError::Unavailable));
    assert_eq!(tenants.stats().requests, [("unreachable", 1)]);

    let scene = scene(SHORT).await;
    scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
    scene.greeting().await.unwrap();
    assert_eq!(scene.tenants.stats().age_max, Duration::ZERO);
    scene.fake.say(SETTINGS, Says::Status(400));
    scene.greeting().await.unwrap();
    assert!(scene.tenants.stats().age_max > Duration::ZERO);
    // One that the service takes away is gone, however good it was.
    scene.tenants.review_again();
    scene.fake.say(SETTINGS, Says::Status(404));
    tokio::time::pause();
    tokio::time::advance(REST).await;
    tokio::time::resume();
    assert_eq!(scene.greeting().await, Err(TenantError::Unknown));
}

#[test]
fn faults_of_the_schema_come_with_their_paths_and_repeat_nothing() {
    let mut wrong = acme("Olá.");
    wrong["greetings"] = json!("typo");
    wrong["hearing"][0]["options"] = json!({ "words": { "file": "/etc/passwd" } });
    wrong["hearing"][1]["secrets"] = json!({ "key": { "kind": "static", "ref": "sk-12345" } });
    wrong["timing"]["silence_ms"] = json!(0);
    wrong["trunk"] = json!([{ "id": "t" }]);
    let told = parse(TenantId::new("acme"), wrong.to_string().as_bytes()).err().unwrap();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("greetings: unknown field `greetings`, expected one of"), "{told:?}");
    assert_eq!(
        told[1..],
        [
            "hearing[0].options.words: a tenant of the tenant-manager has no files: write the text itself",
            "hearing[1].secrets.key.ref: is not a reference: write env:NAME or file:PATH, never the secret itself",
            "timing.silence_ms: must be at least 1",
            "trunk[0].endpoint: is needed",
        ]
    );
}

#[tokio::test]
async fn number_and_trunk_are_confirmed_by_the_service() {
    let scene = scene(LONG).await;
    scene.fake.say(SETTINGS, Says::Json(acme("Olá.")));
    let did = json!({ "id": "did-1", "number": "+551140028922", "trunk_id": "trunk-1", "label": "head office", "tenant_id": 7 });
    scene.fake.say("acme/telephony/dids/551140028922", Says::Json(did));
    scene.fake.say("acme/telephony/dids/551140028923", Says::Json(json!({ "id": "did-2", "number": "+551140028923" })));
    scene.fake.say("acme/telephony/dids/551140028924", Says::Json(json!({ "id": "did-3", "number": "+55119999" })));
    scene
        .fake
        .say("acme/telephony/dids/551140028925", Says::Json(json!({ "id": "d", "number": "551140028925", "trunk": "../x" })));
    scene
        .fake
        .say("acme/telephony/dids/551140028926", Says::Json(json!({ "id": "d", "number": "551140028926", "trunk": "gone" })));
    let trunk = json!({ "id": "trunk-1", "endpoint": "PJSIP/one", "password": "never read" });
    scene.fake.say("acme/telephony/trunks/trunk-1", Says::Json(trunk));
    let id = |id: &str| Some(id.to_owned());
    for (dialled, channel, expected) in [
        ("+551140028922", "PJSIP/one-00000001", Ok((id("did-1"), id("trunk-1")))),
        ("551140028922", "PJSIP/two-00000001", Err(TenantError::TrunkMismatch)),
        ("551140028922", "", Err(TenantError::TrunkMismatch)),
        ("551140028923", "PJSIP/any-00000001", Ok((id("did-2"), None))),
        // The service speaks of another number: that is no confirmation.
        ("551140028924", "PJSIP/one-00000001", Err(TenantError::Unavailable)),
        ("551140028925", "PJSIP/one-00000001", Err(TenantError::TrunkMismatch)),
        ("551140028926", "PJSIP/one-00000001", Err(TenantError::TrunkMismatch)),
        ("551140028927", "PJSIP/one-00000001", Err(TenantError::DidUnknown)),
        ("", "PJSIP/one-00000001", Err(TenantError::DidUnknown)),
        ("../../settings", "PJSIP/one-00000001", Err(TenantError::DidUnknown)),
        ("a/b", "PJSIP/one-00000001", Err(TenantError::DidUnknown)),
    ] {
        assert_eq!(scene.call(dialled, channel).await, expected, "{dialled} by {channel}");
    }
    assert_eq!((scene.fake.asked("dids/551140028922"), scene.fake.asked("trunks/trunk-1")), (1, 1));
}

#[tokio::test]
async fn settings_that_list_numbers_and_trunks_themselves_are_enough() {
    let scene = scene(LONG).await;
    let mut settings = acme("Olá.");
    settings["trunk"] = json!([{ "id": "t", "endpoint": "one" }]);
    settings["did"] = json!([{ "id": "d", "number": "+5511", "trunk": "t" }]);
    scene.fake.say(SETTINGS, Says::Json(settings));
    assert_eq!(scene.call("5511", "PJSIP/one-00000001").await, Ok((Some("d".into()), Some("t".into()))));
    assert_eq!(scene.call("5511", "PJSIP/two-00000001").await, Err(TenantError::TrunkMismatch));
    assert_eq!(scene.call("5512", "PJSIP/one-00000001").await, Err(TenantError::DidUnknown));
}

#[tokio::test]
async fn a_name_that_would_lead_elsewhere_is_nobodys_and_never_asked() {
    let scene = scene(LONG).await;
    for name in ["", ".", "..", "../admin", "a/b", "a?b", "a b", ".hidden", "ü", "a\r\nb", &"x".repeat(129)] {
        assert_eq!(scene.tenants.named(&TenantId::new(name)).await, Err(TenantError::Unknown), "{name:?}");
    }
    assert!(scene.fake.asked.lock().unwrap().is_empty());
}
