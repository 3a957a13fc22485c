//! The HTTP API as others meet it: tried by Schemathesis along its own description, and by a caller with a ticket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops at what it did not expect")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::{BoxFuture, FutureExt, ready};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;
use vg_plugin_host::{HostConfig, PluginHost};
use vg_tests::house::{House, plugins_dir};
use voice_gateway::adapters::http::auth::{Auth, Key, Keys, Tokens};
use voice_gateway::adapters::http::{ApiParts, Operators, Tickets, api, front, serve};
use voice_gateway::adapters::media_ws::Format;
use voice_gateway::adapters::media_ws::client::{Phone, PhoneConfig, PhoneError};
use voice_gateway::adapters::notices::NoticeBoard;
use voice_gateway::adapters::plugins::Plugins;
use voice_gateway::adapters::settings::Settings;
use voice_gateway::adapters::tenants::demo;
use voice_gateway::application::desk::Desk;
use voice_gateway::application::orders::Directory;
use voice_gateway::application::ports::{
    Admission, Arrival, Facts, Originate, OriginateError, Originator, Subject, TenantError, Tenants,
};
use voice_gateway::config::{Config, Machine};

const ISSUER: &str = "https://id.example/";
const AUDIENCE: &str = "voice-gateway";
/// Schemathesis is given up after so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// Who signs tokens.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    /// RFC 8410.
    fn pem(&self) -> String {
        let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let text = STANDARD.encode([&head, self.0.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn token(&self, tenant: &str, scope: &str) -> String {
        let exp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3_600;
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "story", "exp": exp, "tenant_id": tenant, "scope": scope });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "EdDSA" })), part(&claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes())))
    }
}

/// Makes calls that exist and do nothing but end when they are told to.
#[derive(Default)]
struct Callers {
    made: AtomicU64,
    desk: Option<Arc<Desk>>,
}

impl Originator for Callers {
    fn originate(&self, call: Originate) -> BoxFuture<'_, Result<CallId, OriginateError>> {
        let id = CallId::new(format!("made-{}", self.made.fetch_add(1, Ordering::Relaxed)));
        if let Some(desk) = &self.desk {
            desk.publish(Subject::only(&id, &call.tenant), &started());
        }
        ready(Ok(id)).boxed()
    }
}

/// Somebody calls.
fn started() -> Fact {
    let nobody = || Pii::new(String::new());
    Fact::Started(Arc::new(Parties::inbound(nobody(), nobody())))
}

struct OneTenant;

impl Tenants for OneTenant {
    fn settings<'a>(&'a self, _: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        // The API names its tenants.
        ready(Err(TenantError::Unknown)).boxed()
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        ready(if tenant.as_str() == "demo" { Ok(Arc::new(demo())) } else { Err(TenantError::Unknown) }).boxed()
    }
}

/// An API with calls that are up and calls that are over, and a plugin.
struct Stand {
    at: SocketAddr,
    close: CancellationToken,
    tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// A folder with one plugin, under a policy that vouches for nothing else.
fn settings(folder: &Path) -> Arc<Settings> {
    let dir = folder.join("plugins");
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(plugins_dir().join("test/probe-stt.wasm"), dir.join("probe-stt.wasm")).unwrap();
    let toml = format!("[plugins]\ndir = {dir:?}\nstore = {:?}\ncache_dir = {:?}\n", folder.join("store"), folder.join("cache"));
    let config = Config::parse(&toml, [], &Machine::here()).unwrap();
    let host = PluginHost::new(HostConfig::new(config.plugins.cache_dir.clone())).unwrap();
    let plugins = Plugins::new(host, None, &config.plugins).unwrap();
    let settings = Settings::new(&config, Arc::new(plugins)).unwrap();
    // The demo's tenant misses its plugins here.
    let _ = settings.refresh();
    Arc::new(settings)
}

impl Stand {
    async fn open(issuer: &Issuer) -> Self {
        let desk = Arc::new(Desk::new("story"));
        let (directory, demo) = (Arc::new(Directory::default()), TenantId::new("demo"));
        let close = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for name in ["up-1", "up-2", "over-1"] {
            let call = CallId::new(name);
            let text = Mask::new().mask_final(Heard::new("good morning".to_owned()));
            let facts = [started(), Fact::Answered(AnsweredBy::Gateway), Fact::Heard { turn: TurnId(1), text }];
            facts.iter().for_each(|fact| desk.publish(Subject::only(&call, &demo), fact));
            if name.starts_with("over") {
                desk.publish(Subject::only(&call, &demo), &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }));
                continue;
            }
            let (listed, mut orders) = directory.list(demo.clone(), call);
            tasks.spawn(async move {
                let _listed = listed;
                while let Some(ordered) = orders.recv().await {
                    let _ = ordered.answer.send(Ok(()));
                }
            });
        }
        let one = Some(Key::from_pem(issuer.pem().as_bytes()).unwrap());
        let tokens = Tokens {
            keys: Keys { one, set: None },
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            leeway: Duration::from_secs(5),
        };
        let folder = tempfile::tempdir().unwrap();
        let routes = api(ApiParts {
            notices: Arc::new(NoticeBoard::new("notices")),
            auth: Auth::Tokens(tokens),
            orders: directory,
            originator: Some(Arc::new(Callers { desk: Some(Arc::clone(&desk)), ..Callers::default() })),
            desk,
            latency: Arc::default(),
            tenants: Arc::new(OneTenant),
            settings: Some(settings(folder.path())),
            operators: Operators::Here,
            tickets: Arc::new(Tickets::default()),
            trail: None,
            drain: CancellationToken::new(),
            close: close.clone(),
            requests_per_s: None,
            cors_origins: Vec::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let served = serve(listener, front(routes.public.merge(routes.admin)), None, close.clone());
        tasks.spawn(async move { served.await.unwrap() });
        Self { at, close, tasks, _folder: folder }
    }
}

fn schemathesis() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/judges/api/bin/python");
    assert!(python.is_file(), "Schemathesis is not there: run cargo xtask judges");
    python
}

/// Lets Schemathesis try the API; what it told, where it found nothing.
async fn tried(issuer: &Issuer, stand: &Stand, config: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    let token = issuer.token("demo", "calls:read calls:write plugins:write admin");
    let mut run = Command::new(schemathesis());
    run.current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", &format!("http://{}/v1/openapi.json", stand.at)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", "40", "--seed", "7", "--request-timeout", "20"])
        .args(["--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all"])
        // The stand has no secret for it, so it is not there.
        .args(["--exclude-path", "/v1/webhooks/asterisk"])
        .args(arguments)
        .env("NO_COLOR", "1")
        .env("NO_PROXY", "127.0.0.1")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, run.output()).await.expect("Schemathesis ends").unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

/// How many requests Schemathesis made up.
fn generated(told: &str) -> u32 {
    let count = told.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse().ok());
    count.unwrap_or_else(|| panic!("{told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_error_of_ours_and_no_break_of_the_description() {
    let issuer = Issuer::new();
    let mut stand = Stand::open(&issuer).await;
    // A stream has no end to wait for; it has stories of its own.
    let told = tried(&issuer, &stand, "", &["--exclude-path", "/v1/events"]).await;
    assert!(told.contains("20 selected / 22 total") && generated(&told) > 500, "{told}");

    // Made-up names lead nowhere: once more with a call and a tenant that are there.
    let known = "[[operations]]\ninclude-path-regex = \"^/v1/calls/\"\nparameters = { id = \"up-1\" }\n\
                 [[operations]]\ninclude-path-regex = \"^/v1/tenants/\"\nparameters = { id = \"demo\" }\n";
    let named = ["--include-path-regex", "^/v1/(calls|tenants)/", "--phases", "coverage,fuzzing"];
    let told = tried(&issuer, &stand, known, &named).await;
    assert!(told.contains("10 selected / 22 total") && generated(&told) > 200, "{told}");
    stand.close.cancel();
    stand.tasks.abort_all();
}

/// Status and body, or an error where there is no answer.
async fn ask(at: SocketAddr, what: &str, token: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let length = body.len();
    let head = format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_ticket_is_its_tenants_alone_to_see_read_and_end() {
    let issuer = Issuer::new();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, issuer.pem()).unwrap();
    let toml = format!(
        "[http]\napi = true\njwt_key = {key:?}\njwt_issuer = '{ISSUER}'\njwt_audience = '{AUDIENCE}'\nadmin_bind = '127.0.0.1:0'\n"
    );
    let mut house = House::with(&toml).await.unwrap();
    let (at, admin) = (house.http(), house.running().admin_addr().unwrap());
    let (mine, theirs) = (issuer.token("demo", "calls:read calls:write"), issuer.token("other", "calls:read calls:write"));

    let (status, ticket) = ask(at, "POST /v1/media-tickets", &mine, "").await;
    assert_eq!(status, 201);
    let url = format!("ws://{at}/media/ws?ticket={}", ticket["ticket"].as_str().unwrap());
    // What the caller says of its tenant does not count beside the ticket.
    let config = PhoneConfig { url: url.parse().unwrap(), format: Format::Slin16, tenant: Some("nobody".to_owned()) };
    let phone = Phone::connect(config.clone()).await.unwrap();
    let heard = |id: &CallId, fact: &Fact| matches!(fact, Fact::Saying { .. }).then(|| id.clone());
    let id = house.fact("it speaks", heard).await.unwrap();
    assert_eq!(Phone::connect(config).await.err(), Some(PhoneError::Refused(403)), "a ticket is good for one call");

    let (_, listed) = ask(at, "GET /v1/calls", &mine, "").await;
    assert_eq!((&listed["calls"][0]["id"], listed["calls"].as_array().unwrap().len()), (&json!(id.as_str()), 1));
    let (_, transcript) = ask(at, &format!("GET /v1/calls/{id}/transcript"), &mine, "").await;
    assert_eq!(transcript["lines"][0]["who"], "agent");
    assert_eq!(ask(at, "GET /v1/calls", &theirs, "").await.1, json!({ "calls": [] }));
    assert_eq!(ask(at, &format!("DELETE /v1/calls/{id}"), &theirs, "").await.0, 404);
    // This tenant has no rules for calls out.
    let (status, refused) = ask(at, "POST /v1/calls", &mine, r#"{"to":"+15550100"}"#).await;
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));

    assert_eq!(ask(at, &format!("DELETE /v1/calls/{id}"), &mine, "").await.0, 204);
    house.fact("the call ends", |_, fact| matches!(fact, Fact::Ended(_)).then_some(())).await.unwrap();
    let (_, call) = ask(at, &format!("GET /v1/calls/{id}"), &mine, "").await;
    assert_eq!((&call["state"], &call["cause"]), (&json!("ended"), &json!("stopped")));
    let (_, explained) = ask(at, &format!("GET /v1/calls/{id}/explain"), &mine, "").await;
    assert_eq!(explained["call"], call);
    assert_eq!(ask(at, &format!("GET /v1/calls/{id}/explain"), &theirs, "").await.0, 404);
    drop(phone);

    // What is the operator's is at the operator's address alone.
    let operator = issuer.token("demo", "admin plugins:write");
    // Plugins are looked at here and changed there.
    assert_eq!(ask(at, "GET /v1/plugins", &operator, "").await.0, 200);
    for (at, status) in [(at, 405), (admin, 415)] {
        assert_eq!(ask(at, "POST /v1/plugins?id=stt-a", &operator, "{}").await.0, status);
    }
    assert_eq!(ask(at, "DELETE /v1/plugins/stt-a", &operator, "").await.0, 404);
    assert_eq!(ask(admin, "DELETE /v1/plugins/stt-local", &operator, "").await.1["code"], "plugin_in_use");
    for what in ["GET /metrics", "GET /health/live", "POST /v1/admin/drain"] {
        assert_eq!(ask(at, what, &operator, "").await.0, 404, "{what}");
    }
    assert_eq!(ask(admin, "GET /metrics", "", "").await.0, 200);
    assert_eq!(ask(admin, "POST /v1/admin/drain", &mine, "").await.0, 403);
    assert_eq!(ask(admin, "POST /v1/admin/drain", &operator, "").await.0, 202);
    assert!(house.running().stop_token().is_cancelled());
    house.stop().await;
}
