//! `POST /v1/webhooks/asterisk`: word of a call that is about to come, so that its tenant's settings are at hand when it does.
//!
//! A sender proves itself by the secret: as a bearer token, over TLS or from this machine (what Asterisk's `CURL()` can do), or by an HMAC of time
//! and body, which holds for a while and once.

use super::Problem;
use super::api::whole;
use super::auth::is_tenant;
use crate::application::limits::SETTINGS_BUDGET;
use crate::application::ports::{TenantError, TenantHint, Tenants};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout};
use vg_domain::ids::TenantId;
use vg_domain::pii::Pii;

/// How old or how early a signed message may be.
const WINDOW: Duration = Duration::from_secs(300);
/// Signed messages that are remembered, so that none is taken twice. Full: a further one is refused until the oldest are too old anyway.
const SEEN_MAX: usize = 8_192;
/// Of a token's HMAC nothing is told but whether it is the same.
const BEARER: &[u8] = b"bearer";

/// What the webhook needs.
pub struct WebhookParts {
    /// What senders prove themselves with.
    pub secret: Pii<String>,
    /// Whose settings are fetched.
    pub tenants: Arc<dyn Tenants>,
    /// How it is reached from elsewhere.
    pub reached: Reached,
}

/// How requests from other machines come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// With TLS.
    Tls,
    /// For all to read.
    Plain,
}

struct Webhooks {
    parts: WebhookParts,
    key: Key,
    bearer: Tag,
    seen: Mutex<HashMap<Vec<u8>, Instant>>,
}

/// The route, to be mounted. It has to be served with [`ConnectInfo`] of [`SocketAddr`].
pub fn webhooks(parts: WebhookParts) -> Router {
    let key = Key::new(HMAC_SHA256, parts.secret.reveal().as_bytes());
    let bearer = sign(&key, BEARER);
    let state = Arc::new(Webhooks { parts, key, bearer, seen: Mutex::default() });
    Router::new()
        .route("/v1/webhooks/asterisk", post(notice))
        .method_not_allowed_fallback(super::method_not_allowed)
        .with_state(state)
}

/// What is told; further names may stand beside.
#[derive(Deserialize)]
struct Notice {
    tenant: String,
}

async fn notice(
    State(webhooks): State<Arc<Webhooks>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let bearer = webhooks.by_bearer(peer, &headers)?;
    let body = whole(body).await?;
    if !bearer {
        webhooks.by_signature(&headers, &body)?;
    }
    let Notice { tenant } = read(&headers, &body).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "bad_notice"))?;
    if !is_tenant(&tenant) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "tenant_unknown"));
    }
    let hint = TenantHint::Named(TenantId::new(tenant));
    let settings = timeout(SETTINGS_BUDGET, webhooks.parts.tenants.settings(&hint)).await;
    match settings.unwrap_or(Err(TenantError::Unavailable)) {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error @ (TenantError::Unknown | TenantError::DidUnknown | TenantError::TrunkMismatch)) => {
            Err(Problem::new(StatusCode::NOT_FOUND, error.code()))
        }
        Err(error @ TenantError::Unavailable) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.code()).retry_after(5)),
    }
}

/// JSON, or a form as `CURL()` posts it.
fn read(headers: &HeaderMap, body: &Bytes) -> Option<Notice> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        return serde_json::from_slice(body).ok();
    }
    let mut values = url::form_urlencoded::parse(body);
    values.find(|(name, _)| name == "tenant").map(|(_, tenant)| Notice { tenant: tenant.into_owned() })
}

impl Webhooks {
    /// Whether the sender has shown the secret; false where it has not tried to.
    fn by_bearer(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<bool, Problem> {
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Ok(false) };
        if self.parts.reached == Reached::Plain && !peer.ip().to_canonical().is_loopback() {
            let problem = Problem::new(StatusCode::FORBIDDEN, "tls_needed");
            return Err(problem.detail("a secret in a header needs TLS: set http.tls_cert, or sign the message"));
        }
        let given = given.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
        match verify(&Key::new(HMAC_SHA256, given), BEARER, self.bearer.as_ref()) {
            Ok(()) => Ok(true),
            Err(_) => Err(refused("secret_wrong")),
        }
    }

    /// `x-webhook-timestamp` (seconds since 1970) and `x-webhook-signature` (`sha256=` and the hexadecimal HMAC of `timestamp.body`).
    fn by_signature(&self, headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(time), Some(signature)) = (text("x-webhook-timestamp"), text("x-webhook-signature")) else {
            return Err(refused("signature_missing"));
        };
        let signature = signature.strip_prefix("sha256=").and_then(unhex).ok_or_else(|| refused("signature_wrong"))?;
        let signed = [time.as_bytes(), b".", body].concat();
        verify(&self.key, &signed, &signature).map_err(|_| refused("signature_wrong"))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let at: u64 = time.parse().map_err(|_| refused("timestamp_wrong"))?;
        if at.abs_diff(now) > WINDOW.as_secs() {
            return Err(refused("timestamp_outside_window"));
        }
        self.first_time(signature)
    }

    fn first_time(&self, signature: Vec<u8>) -> Result<(), Problem> {
        let now = Instant::now();
        // Nothing panics while it is held.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            // Early by a window and late by another.
            seen.retain(|_, at| now.duration_since(*at) <= 2 * WINDOW);
        }
        if seen.contains_key(&signature) {
            return Err(refused("replayed"));
        }
        if seen.len() >= SEEN_MAX {
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests").retry_after(60));
        }
        seen.insert(signature, now);
        Ok(())
    }
}

fn refused(code: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    (digits.len() == 64).then(|| digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Request;
    use futures_util::future::{BoxFuture, FutureExt, ready};
    use http_body_util::BodyExt;
    use vg_domain::tenant::TenantSettings;

    const SECRET: &str = "correct horse";
    const BODY: &str = r#"{"tenant":"acme","channel":"1"}"#;

    struct Acme;

    impl Tenants for Acme {
        fn settings<'a>(&'a self, hint: &'a TenantHint) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
            let known = matches!(hint, TenantHint::Named(tenant) if tenant.as_str() == "acme");
            ready(if known { Ok(Arc::new(crate::adapters::tenants::demo())) } else { Err(TenantError::Unknown) }).boxed()
        }
    }

    fn state(reached: Reached) -> Arc<Webhooks> {
        let key = Key::new(HMAC_SHA256, SECRET.as_bytes());
        let parts = WebhookParts { secret: Pii::new(SECRET.to_owned()), tenants: Arc::new(Acme), reached };
        Arc::new(Webhooks { parts, bearer: sign(&key, BEARER), key, seen: Mutex::default() })
    }

    async fn send(webhooks: &Arc<Webhooks>, from: &str, headers: &[(&'static str, String)], body: &str) -> Result<u16, String> {
        let mut request = Request::builder().header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (parts, body) = request.body(Body::from(body.to_owned())).unwrap().into_parts();
        let peer = ConnectInfo(format!("{from}:1").parse().unwrap());
        match notice(State(Arc::clone(webhooks)), peer, parts.headers, body).await {
            Ok(status) => Ok(status.as_u16()),
            Err(problem) => Err(problem.code().to_owned()),
        }
    }

    fn signed(time: u64, body: &str, secret: &str) -> Vec<(&'static str, String)> {
        let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), format!("{time}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        vec![("x-webhook-timestamp", time.to_string()), ("x-webhook-signature", format!("sha256={hex}"))]
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    #[tokio::test]
    async fn a_bearer_secret_is_taken_over_tls_or_from_this_machine_and_no_other_is() {
        let bearer = |secret: &str| vec![("authorization", format!("Bearer {secret}"))];
        let (tls, plain) = (state(Reached::Tls), state(Reached::Plain));
        assert_eq!(send(&tls, "10.0.0.1", &bearer(SECRET), BODY).await, Ok(204));
        assert_eq!(send(&plain, "127.0.0.1", &bearer(SECRET), BODY).await, Ok(204));
        assert_eq!(send(&plain, "10.0.0.1", &bearer(SECRET), BODY).await, Err("tls_needed".to_owned()));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert_eq!(send(&tls, "10.0.0.1", &bearer(wrong), BODY).await, Err("secret_wrong".to_owned()), "{wrong:?}");
        }
        assert_eq!(send(&tls, "10.0.0.1", &[], BODY).await, Err("signature_missing".to_owned()));
        assert_eq!(send(&tls, "10.0.0.1", &bearer(SECRET), r#"{"tenant":"other"}"#).await, Err("tenant_unknown".to_owned()));
        assert_eq!(send(&tls, "10.0.0.1", &bearer(SECRET), r#"{"tenant":"../acme"}"#).await, Err("tenant_unknown".to_owned()));
        assert_eq!(send(&tls, "10.0.0.1", &bearer(SECRET), "acme").await, Err("bad_notice".to_owned()));
    }

    #[tokio::test]
    async fn a_signed_message_holds_for_a_while_once_and_as_it_was_signed() {
        let (webhooks, from) = (state(Reached::Plain), "10.0.0.1");
        let good = signed(now(), BODY, SECRET);
        assert_eq!(send(&webhooks, from, &good, BODY).await, Ok(204));
        assert_eq!(send(&webhooks, from, &good, BODY).await, Err("replayed".to_owned()));
        let good = signed(now() + 1, BODY, SECRET);
        assert_eq!(send(&webhooks, from, &good, r#"{"tenant":"other"}"#).await, Err("signature_wrong".to_owned()));
        let later = vec![("x-webhook-timestamp", (now() + 2).to_string()), good[1].clone()];
        assert_eq!(send(&webhooks, from, &later, BODY).await, Err("signature_wrong".to_owned()));
        assert_eq!(send(&webhooks, from, &signed(now(), BODY, "another"), BODY).await, Err("signature_wrong".to_owned()));
        for time in [now() - 302, now() + 302, u64::MAX, 0] {
            let outcome = send(&webhooks, from, &signed(time, BODY, SECRET), BODY).await;
            assert_eq!(outcome, Err("timestamp_outside_window".to_owned()), "{time}");
        }
        for garbage in ["", "sha256=", "sha256=zz", "md5=00"] {
            let headers = [("x-webhook-timestamp", now().to_string()), ("x-webhook-signature", garbage.to_owned())];
            assert_eq!(send(&webhooks, from, &headers, BODY).await, Err("signature_wrong".to_owned()), "{garbage}");
        }
        let large = "a".repeat(65 << 10);
        assert_eq!(send(&webhooks, from, &signed(now(), &large, SECRET), &large).await, Err("body_too_large".to_owned()));
    }

    #[tokio::test]
    async fn a_form_as_curl_posts_it_is_understood() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        let body = Body::from("channel=1&tenant=acme").collect().await.unwrap().to_bytes();
        assert_eq!(read(&headers, &body).unwrap().tenant, "acme");
    }
}
