use super::*;
use crate::application::ports::{Admission, Fall, SpeakingEvent, SpeakingInput, TenantError};
use axum::body::Body;
use axum::http::Method;
use futures_util::future::BoxFuture;
use ring::hmac;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Context;
use std::time::UNIX_EPOCH;

const SECRET: &str = "a shared secret";
const HERE: &str = "127.0.0.1:4000";
const NOW: u64 = 1_800_000_000;
const NONCE: &str = "0123456789abcdef";
const FORM: &str = "application/x-www-form-urlencoded";
const BODY_TEXT: &str = "did=%2B551140028922&channel=PJSIP%2Fone-00000001";

/// Remembers who came; knows the demo tenant only.
#[derive(Default)]
struct House {
    arrivals: Mutex<Vec<Arrival>>,
    opened: AtomicUsize,
    /// The tenant's sessions of its speaker.
    sessions_max: Mutex<Option<u32>>,
}

impl Tenants for House {
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        lock(&self.arrivals).push(arrival.clone());
        Box::pin(async move {
            match &arrival.hint {
                TenantHint::Named(name) if name.as_str() == "stuck" => std::future::pending().await,
                TenantHint::Named(name) if name.as_str() != "demo" => Err(TenantError::Unknown),
                _ => {
                    let mut demo = crate::adapters::tenants::demo();
                    let mut provider = demo.speaking.first().clone();
                    provider.share.sessions_max = *lock(&self.sessions_max);
                    demo.speaking = provider.into();
                    Ok(Admission::unconfirmed(Arc::new(demo)))
                }
            }
        })
    }

    fn named<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        Box::pin(async { Err(TenantError::Unknown) })
    }
}

struct Speaker;

impl Speak for Speaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        panic!("nothing is said to make ready: {input:?}")
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        Poll::Pending
    }
}

impl Speaking for House {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        assert_eq!(request.tenant.as_str(), "demo");
        self.opened.fetch_add(1, Relaxed);
        Ok(Box::new(Speaker))
    }
}

struct Scene {
    webhook: Arc<Webhook>,
    house: Arc<House>,
    now: Arc<Mutex<u64>>,
    peer: Option<SocketAddr>,
}

fn scene() -> Scene {
    scene_by(Transport::Plain, Some(HERE))
}

fn scene_by(transport: Transport, peer: Option<&str>) -> Scene {
    let (house, now) = (Arc::new(House::default()), Arc::new(Mutex::new(NOW)));
    let told = Arc::clone(&now);
    let clock: Clock = Arc::new(move || UNIX_EPOCH + Duration::from_secs(*lock(&told)));
    let (tenants, speaking) = (Arc::clone(&house) as _, Arc::clone(&house) as _);
    let parts = Parts { secret: Pii::new(SECRET.into()), transport, clock, tenants, speaking };
    Scene { webhook: Webhook::new(parts).unwrap(), house, now, peer: peer.map(|peer| peer.parse().unwrap()) }
}

impl Scene {
    async fn send(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, String) {
        let mut request = Request::builder().method(Method::POST).uri("/v1/webhooks/asterisk");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", FORM);
        }
        if let Some(peer) = self.peer {
            request = request.extension(ConnectInfo(peer));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = take(State(Arc::clone(&self.webhook)), request.body(body.into()).unwrap()).await;
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn signed(&self, at: u64, nonce: &str, body: &str) -> (u16, String) {
        let (at, signature) = (at.to_string(), signature(SECRET, at, nonce, body));
        self.send(&[("x-vg-timestamp", &at), ("x-vg-nonce", nonce), ("x-vg-signature", &signature)], body.to_owned()).await
    }

    fn arrivals(&self) -> usize {
        lock(&self.house.arrivals).len()
    }

    fn count(&self, outcome: &str) -> u64 {
        self.webhook.counts().iter().find(|(known, _)| *known == outcome).map_or(0, |(_, count)| *count)
    }

    /// Lets what was begun go on until it waits.
    async fn settle(&self) {
        tokio::time::sleep(HOLD + READY).await;
    }
}

fn signature(secret: &str, at: u64, nonce: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{nonce}.{body}").as_bytes());
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

const BEARER: (&str, &str) = ("authorization", "Bearer a shared secret");

fn ok(status: u16) -> (u16, String) {
    (status, String::new())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_announced_finds_its_tenant_and_speaker_ready() {
    let scene = scene();
    assert_eq!(scene.send(&[BEARER], BODY_TEXT).await, ok(202));
    assert_eq!(scene.send(&[("authorization", "bearer a shared secret")], BODY_TEXT).await, ok(202));
    let json = r#"{"tenant":"demo","did":"100","endpoint":"one"}"#;
    assert_eq!(scene.send(&[BEARER, ("content-type", "application/json; charset=utf-8")], json).await, ok(202));
    scene.settle().await;
    let arrivals = lock(&scene.house.arrivals).clone();
    let endpoint = Endpoint::parse("PJSIP/one");
    let by_map = Arrival { hint: TenantHint::Default, dialled: Pii::new("+551140028922".into()), endpoint: endpoint.clone() };
    let named = TenantHint::Named(TenantId::new("demo"));
    assert_eq!(arrivals, [by_map.clone(), by_map, Arrival { hint: named, dialled: Pii::new("100".into()), endpoint }]);
    // Three calls, one set of connections.
    assert_eq!(scene.house.opened.load(Relaxed), 1);
    assert_eq!((scene.count("accepted"), scene.count("ready")), (3, 3));
    assert_eq!(scene.send(&[BEARER], "tenant=stranger").await, ok(202));
    scene.settle().await;
    assert_eq!(scene.count("tenant_unknown"), 1);
    tokio::time::advance(WARM).await;
    scene.send(&[BEARER], BODY_TEXT).await;
    scene.settle().await;
    assert_eq!(scene.house.opened.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_of_which_there_are_few_is_left_to_the_call_itself() {
    let scene = scene();
    *lock(&scene.house.sessions_max) = Some(20);
    scene.send(&[BEARER], BODY_TEXT).await;
    scene.settle().await;
    assert_eq!((scene.house.opened.load(Relaxed), scene.count("ready")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_signature_is_good_once_and_within_its_window() {
    let scene = scene();
    assert_eq!(scene.signed(NOW, NONCE, BODY_TEXT).await, ok(202));
    assert_eq!(scene.signed(NOW, NONCE, BODY_TEXT).await, refused(409, "replayed"));
    // Also with another body or another time under the same nonce.
    assert_eq!(scene.signed(NOW + 1, NONCE, "did=1").await, refused(409, "replayed"));
    for (at, expected) in
        [(NOW - 300, ok(202)), (NOW - 301, refused(401, "expired")), (NOW + 300, ok(202)), (NOW + 301, refused(401, "expired"))]
    {
        let nonce = format!("nonce-number-{at}");
        assert_eq!(scene.signed(at, &nonce, BODY_TEXT).await, expected, "{at}");
    }
    // As long as a timestamp can pass, its nonce is known; after that its timestamp does not pass.
    for later in [299, 300, 599, 600, 601, 100_000] {
        *lock(&scene.now) = NOW + later;
        let again = scene.signed(NOW + 300, &format!("nonce-number-{}", NOW + 300), BODY_TEXT).await;
        assert!(again == refused(409, "replayed") || again == refused(401, "expired"), "{later}: {again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_prove_it_is_turned_away() {
    let scene = scene();
    let at = NOW.to_string();
    let good = signature(SECRET, NOW, NONCE, BODY_TEXT);
    let (other_secret, other_body) = (signature("other", NOW, NONCE, BODY_TEXT), signature(SECRET, NOW, NONCE, "did=1"));
    let (other_time, other_nonce) =
        (signature(SECRET, NOW - 1, NONCE, BODY_TEXT), signature(SECRET, NOW, "another-nonce-123", BODY_TEXT));
    let (short, upper, plus) = (&good[..good.len() - 2], good.to_uppercase(), format!("sha256=+{}", &good[8..]));
    let of = |signature: &str| {
        vec![("x-vg-timestamp", at.clone()), ("x-vg-nonce", NONCE.to_owned()), ("x-vg-signature", signature.to_owned())]
    };
    let without = |name: &str| of(&good).into_iter().filter(|(header, _)| *header != name).collect::<Vec<_>>();
    let with = |name: &'static str, value: &str| [without(name), vec![(name, value.to_owned())]].concat();
    let token = |value: &str| vec![("authorization", value.to_owned())];
    for (what, headers) in [
        ("nothing", vec![]),
        ("another token", token("Bearer another secret")),
        ("an empty token", token("Bearer ")),
        ("a beginning of the token", token("Bearer a shared secre")),
        ("the token and more", token("Bearer a shared secret ")),
        ("no scheme", token(SECRET)),
        ("another scheme", token("Basic a shared secret")),
        ("two tokens", [token("Bearer a shared secret"), token("Bearer a shared secret")].concat()),
        ("signed with another secret", of(&other_secret)),
        ("signed another body", of(&other_body)),
        ("signed another time", of(&other_time)),
        ("signed another nonce", of(&other_nonce)),
        ("a short signature", of(short)),
        ("an empty signature", of("sha256=")),
        ("another algorithm", of(&good.replace("sha256=", "sha1="))),
        ("no algorithm", of(&good[7..])),
        ("shouted algorithm", of(&upper)),
        ("a sign for a digit", of(&plus)),
        ("two signatures in one header", of(&format!("{good}{}", &good["sha256=".len()..]))),
        ("a list of signatures", of(&format!("{good},{good}"))),
        ("no time", without("x-vg-timestamp")),
        ("no nonce", without("x-vg-nonce")),
        ("two signatures", [of(&good), vec![("x-vg-signature", good.clone())]].concat()),
        ("two nonces", [of(&good), vec![("x-vg-nonce", NONCE.to_owned())]].concat()),
        ("a signed number for a time", with("x-vg-timestamp", &format!("+{NOW}"))),
        ("words for a time", with("x-vg-timestamp", "now")),
        ("a short nonce", with("x-vg-nonce", "short")),
        ("a long nonce", with("x-vg-nonce", &"n".repeat(65))),
        ("a nonce with a dot", with("x-vg-nonce", "0123456789.abcdef")),
        // A wrong signature is not made good by a right token.
        ("a wrong signature with the token", [of(&other_secret), token("Bearer a shared secret")].concat()),
        (
            "two signatures with the token",
            [of(&good), vec![("x-vg-signature", good.clone())], token("Bearer a shared secret")].concat(),
        ),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(scene.send(&headers, BODY_TEXT).await, refused(401, "unauthorized"), "{what}");
    }
    for time in ["18446744073709551615", "0"] {
        let headers = with("x-vg-timestamp", time);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(scene.send(&headers, BODY_TEXT).await, refused(401, "expired"), "{time}");
    }
    scene.settle().await;
    assert_eq!(scene.arrivals(), 0);
    // The nonce of all these refused ones is not used up: nobody can spoil another's request.
    assert_eq!(scene.signed(NOW, NONCE, BODY_TEXT).await, ok(202));
}

#[tokio::test(start_paused = true)]
async fn a_nonce_out_of_bounds_or_with_a_dot_is_refused_even_where_it_is_signed() {
    let scene = scene();
    for (nonce, expected) in [
        ("n".repeat(16), ok(202)),
        ("n".repeat(64), ok(202)),
        ("n".repeat(15), refused(401, "unauthorized")),
        ("n".repeat(65), refused(401, "unauthorized")),
        (String::new(), refused(401, "unauthorized")),
        // With a dot the border between nonce and body could be moved: the same signature would be good for another body.
        ("0123456789.abcdef".to_owned(), refused(401, "unauthorized")),
        ("0123456789abcdef.".to_owned(), refused(401, "unauthorized")),
    ] {
        assert_eq!(scene.signed(NOW, &nonce, BODY_TEXT).await, expected, "{nonce}");
    }
    scene.settle().await;
    assert_eq!(scene.arrivals(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_makes_no_sense_begins_nothing() {
    let scene = scene();
    let json = [BEARER, ("content-type", "application/json")];
    for (headers, body, expected) in [
        (&json[..], "{", refused(422, "malformed")),
        (&json[..], "[]", refused(422, "malformed")),
        (&json[..], r#"{"did":5}"#, refused(422, "malformed")),
        (&json[..], r#"{"to":"x"}"#, refused(422, "malformed")),
        (&json[..], r#"{"endpoint":"a b"}"#, refused(422, "malformed")),
        (&[BEARER][..], "to=x", refused(422, "malformed")),
        (&[BEARER][..], "endpoint=PJSIP/", refused(422, "malformed")),
        (&[BEARER, ("content-type", "text/plain")][..], "did=1", refused(415, "media_type")),
    ] {
        assert_eq!(scene.send(headers, body).await, expected, "{body}");
    }
    assert_eq!(scene.send(&[BEARER], format!("tenant={}", "x".repeat(129))).await, refused(422, "malformed"));
    assert_eq!(scene.send(&[BEARER], "x".repeat(BODY_MAX + 1)).await, refused(413, "body_too_large"));
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(scene.send(&[BEARER], never).await, refused(408, "body_too_slow"));
    scene.settle().await;
    assert_eq!(scene.arrivals(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_calls_are_made_ready_at_a_time_and_none_for_ever() {
    let scene = scene();
    for _ in 0..AT_A_TIME {
        assert_eq!(scene.send(&[BEARER], "tenant=stuck").await, ok(202));
    }
    assert_eq!(scene.send(&[BEARER], "tenant=demo").await, refused(503, "busy"));
    scene.settle().await;
    assert_eq!(scene.count("tenant_unavailable"), AT_A_TIME as u64);
    assert_eq!(scene.send(&[BEARER], "tenant=demo").await, ok(202));
}

#[tokio::test(start_paused = true)]
async fn the_secret_itself_is_not_taken_from_another_machine_in_the_clear() {
    let elsewhere = [Some("192.0.2.7:4000"), Some("[2001:db8::7]:4000"), Some("[::ffff:192.0.2.7]:4000"), None];
    for peer in elsewhere {
        let scene = scene_by(Transport::Plain, peer);
        assert_eq!(scene.send(&[BEARER], BODY_TEXT).await, refused(403, "bearer_needs_tls"), "{peer:?}");
        // Nobody learns by it which secret is right, and what a proxy says of itself changes nothing.
        let wrong = ("authorization", "Bearer another secret");
        assert_eq!(scene.send(&[wrong], BODY_TEXT).await, refused(403, "bearer_needs_tls"), "{peer:?}");
        let proxied = [BEARER, ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")];
        assert_eq!(scene.send(&proxied, BODY_TEXT).await, refused(403, "bearer_needs_tls"), "{peer:?}");
        assert_eq!(scene.send(&[], BODY_TEXT).await, refused(401, "unauthorized"), "{peer:?}");
        assert_eq!((scene.arrivals(), scene.count("bearer_needs_tls")), (0, 3), "{peer:?}");
        assert_eq!(scene.signed(NOW, NONCE, BODY_TEXT).await, ok(202), "{peer:?}");
        let sealed = scene_by(Transport::Tls, peer);
        assert_eq!(sealed.send(&[BEARER], BODY_TEXT).await, ok(202), "{peer:?}");
        assert_eq!(sealed.send(&[wrong], BODY_TEXT).await, refused(401, "unauthorized"), "{peer:?}");
    }
    for here in [HERE, "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(scene_by(Transport::Plain, Some(here)).send(&[BEARER], BODY_TEXT).await, ok(202), "{here}");
    }
}
