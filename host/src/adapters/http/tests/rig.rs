//! An API on a loopback port with nobody real behind it, an issuer of tokens, and a client that sees every byte.

use crate::adapters::http::auth::{Auth, Jwks, Key, Keys, Tokens};
use crate::adapters::http::{ApiParts, Operators, Tickets, api, front, serve};
use crate::adapters::latency::Latency;
use crate::adapters::notices::NoticeBoard;
use crate::application::desk::Desk;
use crate::application::ports::{
    Admission, Arrival, CallOrder, Facts, OrderError, Orders, Originate, OriginateError, Originator, Subject, TenantError,
    Tenants,
};
use axum::Extension;
use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::{BoxFuture, FutureExt, ready};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;

pub(super) const ISSUER: &str = "https://id.example/";
pub(super) const AUDIENCE: &str = "voice-gateway";
pub(super) const RSA_PRIVATE: &[u8] = include_bytes!("../fixtures/test-only-rsa.pk8");
pub(super) const RSA_PUBLIC: &[u8] = include_bytes!("../fixtures/test-only-rsa.pub.pem");

/// Signs tokens.
pub(super) enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    /// As who confuses a public key with a secret does.
    Hmac(Vec<u8>),
    /// Not at all.
    Nobody,
}

impl Signer {
    pub(super) fn ed() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    pub(super) fn ec() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap())
    }

    pub(super) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::from_pkcs8(RSA_PRIVATE).unwrap())
    }

    pub(super) fn alg(&self) -> &'static str {
        match self {
            Self::Ed(_) => "EdDSA",
            Self::Ec(_) => "ES256",
            Self::Rsa(_) => "RS256",
            Self::Hmac(_) => "HS256",
            Self::Nobody => "none",
        }
    }

    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Ed(pair) => pair.public_key().as_ref(),
            Self::Ec(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Hmac(_) | Self::Nobody => &[],
        }
    }

    /// Its public key as a static key's file holds it.
    pub(super) fn pem(&self) -> Vec<u8> {
        let head: &[u8] = match self {
            Self::Ed(_) => &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
            Self::Ec(_) => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
                0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
            _ => return RSA_PUBLIC.to_vec(),
        };
        let text = STANDARD.encode([head, self.public()].concat());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")).into_bytes()
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64(self.public()), "use": "sig" }),
            Self::Ec(_) => {
                let (x, y) = self.public()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": base64(x), "y": base64(y), "alg": "ES256" })
            }
            Self::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "kid": kid, "n": base64(&public.n), "e": base64(&public.e), "alg": "RS256", "use": "sig" })
            }
            Self::Hmac(secret) => json!({ "kty": "oct", "kid": kid, "k": base64(secret), "alg": "HS256" }),
            Self::Nobody => json!({}),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Hmac(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                ring::hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Nobody => Vec::new(),
        }
    }

    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.alg(), "typ": "JWT" }), claims)
    }
}

pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Good claims of a tenant.
pub(super) fn claims(tenant: &str, scope: &str) -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "tester", "exp": now_s() + 600, "tenant_id": tenant, "scope": scope })
}

pub(super) const EVERYTHING: &str = "calls:read calls:write plugins:write admin";

/// Answers orders by the name of the call, and remembers them.
#[derive(Default)]
pub(super) struct FakeCalls {
    pub(super) orders: Mutex<Vec<(TenantId, CallId, CallOrder)>>,
    pub(super) made: Mutex<Vec<Originate>>,
    /// Orders and calls wait for it where there is one.
    pub(super) hold: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
}

impl FakeCalls {
    async fn held(&self) {
        let hold = self.hold.lock().unwrap().clone();
        if let Some(hold) = hold {
            hold.acquire().await.unwrap().forget();
        }
    }
}

impl Orders for FakeCalls {
    fn order<'a>(&'a self, tenant: &'a TenantId, call: &'a CallId, order: CallOrder) -> BoxFuture<'a, Result<(), OrderError>> {
        async move {
            self.orders.lock().unwrap().push((tenant.clone(), call.clone(), order));
            self.held().await;
            match (tenant.as_str(), call.as_str()) {
                ("acme", "up") => Ok(()),
                ("acme", "not-now") => Err(OrderError::NotNow),
                ("acme", "forbidden") => Err(OrderError::Forbidden),
                ("acme", "unsupported") => Err(OrderError::Unsupported),
                ("acme", "failed") => Err(OrderError::Failed("no_such_extension")),
                ("acme", "busy") => Err(OrderError::Busy),
                _ => Err(OrderError::UnknownCall),
            }
        }
        .boxed()
    }
}

impl Originator for FakeCalls {
    fn originate(&self, call: Originate) -> BoxFuture<'_, Result<CallId, OriginateError>> {
        async move {
            let made = {
                let mut made = self.made.lock().unwrap();
                made.push(call);
                made.len()
            };
            self.held().await;
            Ok(CallId::new(format!("made-{made}")))
        }
        .boxed()
    }
}

struct FakeTenants;

impl Tenants for FakeTenants {
    fn settings<'a>(&'a self, _: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        // The API names its tenants.
        ready(Err(TenantError::Unknown)).boxed()
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        let mut settings = crate::adapters::tenants::demo();
        settings.tenant = TenantId::new("acme");
        settings.human = Some("internal,reception".to_owned());
        let mut provider = settings.hearing.first().clone();
        provider.access.secrets = r#"{"key":"env:THE_PLACE_OF_A_SECRET"}"#.to_owned();
        settings.hearing = provider.into();
        let known = tenant.as_str() == "acme";
        ready(if known { Ok(Arc::new(settings)) } else { Err(TenantError::Unknown) }).boxed()
    }
}

/// What a test changes of the API.
pub(super) struct Wishes {
    pub(super) keys: Keys,
    pub(super) requests_per_s: Option<NonZeroU32>,
    pub(super) cors_origins: Vec<&'static str>,
    pub(super) originates: bool,
    pub(super) open: bool,
    /// Where all requests come from, as the server sees it; none: from where they do.
    pub(super) peer: Option<SocketAddr>,
}

impl Wishes {
    pub(super) fn of(signer: &Signer) -> Self {
        let one = Some(Key::from_pem(&signer.pem()).unwrap());
        Self::with(Keys { one, set: None })
    }

    pub(super) fn set(set: &Arc<Jwks>) -> Self {
        Self::with(Keys { one: None, set: Some(Arc::clone(set)) })
    }

    fn with(keys: Keys) -> Self {
        Self { keys, requests_per_s: None, cors_origins: Vec::new(), originates: true, open: false, peer: None }
    }
}

pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) desk: Arc<Desk>,
    pub(super) latency: Arc<Latency>,
    pub(super) calls: Arc<FakeCalls>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) notices: Arc<NoticeBoard>,
    pub(super) drain: CancellationToken,
    pub(super) close: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close.cancel();
    }
}

impl Server {
    pub(super) async fn start(wishes: Wishes) -> Self {
        let (desk, calls, tickets) = (Arc::new(Desk::new("epoch")), Arc::new(FakeCalls::default()), Arc::new(Tickets::default()));
        let (latency, notices) = (Arc::<Latency>::default(), Arc::new(NoticeBoard::new("run")));
        let (drain, close) = (CancellationToken::new(), CancellationToken::new());
        let tokens = Tokens {
            keys: wishes.keys,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            leeway: Duration::from_secs(5),
        };
        let auth = if wishes.open { Auth::Off(Some(TenantId::new("acme"))) } else { Auth::Tokens(tokens) };
        let routes = api(ApiParts {
            auth,
            desk: Arc::clone(&desk),
            latency: Arc::clone(&latency),
            orders: Arc::clone(&calls) as _,
            originator: wishes.originates.then(|| Arc::clone(&calls) as _),
            tenants: Arc::new(FakeTenants),
            settings: None,
            operators: Operators::Here,
            tickets: Arc::clone(&tickets),
            trail: None,
            notices: Arc::clone(&notices),
            drain: drain.clone(),
            close: close.clone(),
            requests_per_s: wishes.requests_per_s,
            cors_origins: wishes.cors_origins.iter().map(|origin| origin.parse().unwrap()).collect(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut router = front(routes.public.merge(routes.admin));
        if let Some(peer) = wishes.peer {
            router = router.layer(Extension(ConnectInfo(peer)));
        }
        let served = serve(listener, router, None, close.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(served);
        Self { at, desk, latency, calls, tickets, notices, drain, close }
    }

    pub(super) fn tell(&self, tenant: &str, call: &str, fact: &Fact) {
        self.desk.publish(Subject::only(&CallId::new(call), &TenantId::new(tenant)), fact);
    }

    /// With a bearer token and whatever headers, one to a line.
    pub(super) async fn ask(&self, what: &str, token: &str, headers: &str, body: &str) -> Answer {
        let token = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        self.send(what, &format!("{token}{headers}"), body).await
    }

    pub(super) async fn send(&self, what: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let length = body.len();
        let head =
            format!("{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{kind}{headers}\r\n");
        // A server may answer and close before it has read all.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::of(&String::from_utf8_lossy(&bytes))
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of a problem document.
    pub(super) fn problem(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        assert!(self.head.contains(&format!("x-request-id: {}", document["request_id"].as_str().unwrap())), "{self:?}");
        (self.status, document["code"].as_str().unwrap().to_owned())
    }
}

/// Somebody calls.
pub(super) fn started() -> Fact {
    let nobody = || Pii::new(String::new());
    Fact::Started(Arc::new(Parties::inbound(nobody(), nobody())))
}
