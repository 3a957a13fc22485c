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
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};
use vg_domain::tenant::TenantSettings;
use voice_gateway::adapters::http::auth::{Auth, Key, Keys, Tokens};
use voice_gateway::adapters::http::{ApiParts, Tickets, api, front, serve};
use voice_gateway::adapters::tenants::demo;
use voice_gateway::application::desk::Desk;
use voice_gateway::application::orders::Directory;
use voice_gateway::application::ports::{
    Facts, OrderError, Originate, OriginateError, Originator, TenantError, TenantHint, Tenants,
};

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
            desk.publish(&id, &call.tenant, &Fact::Started);
        }
        ready(Ok(id)).boxed()
    }
}

struct OneTenant;

impl Tenants for OneTenant {
    fn settings<'a>(&'a self, hint: &'a TenantHint) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        let known = matches!(hint, TenantHint::Named(tenant) if tenant.as_str() == "demo");
        ready(if known { Ok(Arc::new(demo())) } else { Err(TenantError::Unknown) }).boxed()
    }
}

/// An API with calls that are up and calls that are over.
struct Stand {
    at: SocketAddr,
    close: CancellationToken,
    tasks: JoinSet<()>,
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
            let facts = [Fact::Started, Fact::Answered, Fact::Heard { turn: TurnId(1), text }];
            facts.iter().for_each(|fact| desk.publish(&call, &demo, fact));
            if name.starts_with("over") {
                desk.publish(&call, &demo, &Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 1 }));
                continue;
            }
            let (listed, mut orders) = directory.list(demo.clone(), call);
            tasks.spawn(async move {
                let _listed = listed;
                while let Some(ordered) = orders.recv().await {
                    let _ = ordered.answer.send(if ordered.order == voice_gateway::application::ports::CallOrder::HangUp {
                        Ok(())
                    } else {
                        Err(OrderError::NotNow)
                    });
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
        let routes = api(ApiParts {
            auth: Auth::Tokens(tokens),
            orders: directory,
            originator: Some(Arc::new(Callers { desk: Some(Arc::clone(&desk)), ..Callers::default() })),
            desk,
            tenants: Arc::new(OneTenant),
            plugins: None,
            tickets: Arc::new(Tickets::default()),
            drain: CancellationToken::new(),
            close: close.clone(),
            requests_per_s: None,
            cors_origins: Vec::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let served = serve(listener, front(routes.public.merge(routes.admin)), None, close.clone());
        tasks.spawn(async move { served.await.unwrap() });
        Self { at, close, tasks }
    }
}

fn schemathesis() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/judges/api/bin/python");
    assert!(python.is_file(), "Schemathesis is not there: run cargo xtask judges");
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_error_of_ours_and_no_break_of_the_description() {
    let issuer = Issuer::new();
    let stand = Stand::open(&issuer).await;
    let folder = tempfile::tempdir().unwrap();
    let token = issuer.token("demo", "calls:read calls:write plugins:write admin");
    let mut run = Command::new(schemathesis());
    run.current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", &format!("http://{}/v1/openapi.json", stand.at)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        // A stream has no end to wait for; it has stories of its own.
        .args(["--exclude-path", "/v1/events", "--max-examples", "40", "--seed", "7", "--request-timeout", "20"])
        .args(["--continue-on-failure", "--warnings", "off", "--suppress-health-check", "all"])
        .env("NO_COLOR", "1")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, run.output()).await.expect("Schemathesis ends").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("12 selected / 13 total") || told.contains("passed"), "{told}");
    stand.close.cancel();
    drop(stand.tasks);
}
