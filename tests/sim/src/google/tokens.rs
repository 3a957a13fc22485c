//! Where a service account's signature is exchanged for an access token (RFC 7523), and whose signature that is.

use crate::{Sim, Vendor};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The one account that is known here.
const ACCOUNT: &str = include_str!("../../accounts/keys/google-account.json");
/// What both services are used with.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What Google's own clients name as the audience, wherever they ask.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const LIFE_S: u32 = 3599;
/// Of clocks that differ.
const SKEW_S: u64 = 60;
const LONGEST_S: u64 = 3600;

/// Tokens are signed by who gives them out, so that none need be remembered.
static SEAL: LazyLock<Option<hmac::Key>> = LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

/// `POST /token`
pub(super) async fn exchange(State(sim): State<Arc<Sim>>, headers: HeaderMap, body: String) -> Response {
    if sim.trouble("google-token-hang").is_some() {
        std::future::pending::<()>().await;
    }
    if let Some(status) = sim.trouble("google-token") {
        return refusal(status as u16, if status < 500 { "invalid_grant" } else { "internal_failure" }, "simulated");
    }
    match granted(&headers, &body) {
        Ok(()) => {
            let life_s = sim.trouble("google-token-life-s").unwrap_or(LIFE_S);
            let token = sealed(now_ms() + u64::from(life_s) * 1000);
            axum::Json(json!({ "access_token": token, "expires_in": life_s, "token_type": "Bearer" })).into_response()
        }
        Err((status, error, text)) => {
            sim.offence(Vendor::Google, format!("no token: {error}: {text}"));
            refusal(status, error, text)
        }
    }
}

type Declined = (u16, &'static str, &'static str);

fn refusal(status: u16, error: &str, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(json!({ "error": error, "error_description": text }))).into_response()
}

/// In Google's order and, as far as they are known, words.
fn granted(headers: &HeaderMap, body: &str) -> Result<(), Declined> {
    let told = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if told(header::CONTENT_TYPE).split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err((400, "invalid_request", "the body is no form"));
    }
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    match form.get("grant_type").map(String::as_str) {
        None => return Err((400, "invalid_request", "Required parameter is missing: grant_type")),
        Some(GRANT) => {}
        Some(_) => return Err((400, "unsupported_grant_type", "Invalid grant_type")),
    }
    let Some(assertion) = form.get("assertion") else {
        return Err((400, "invalid_request", "Required parameter is missing: assertion"));
    };
    let claims = signed_claims(assertion)?;
    let own = |scheme: &str| format!("{scheme}://{}/token", told(header::HOST));
    let is_for = |audience: &str| audience == AUDIENCE || audience == own("http") || audience == own("https");
    if !claims["aud"].as_str().is_some_and(is_for) {
        return Err((400, "invalid_grant", "Invalid JWT: Failed audience check."));
    }
    let scopes = claims["scope"].as_str().unwrap_or_default();
    if !scopes.split(' ').any(|scope| scope == SCOPE) {
        return Err((400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    Ok(())
}

/// The claims of a JWT that the account has signed and that is good now.
pub(super) fn signed_claims(token: &str) -> Result<Value, Declined> {
    let no_jwt = (400, "invalid_grant", "Invalid JWT: no three parts in base64url of JSON.");
    let account: Value = serde_json::from_str(ACCOUNT).unwrap_or_default();
    let (signed, signature) = token.rsplit_once('.').ok_or(no_jwt)?;
    let (head, claims) = signed.split_once('.').ok_or(no_jwt)?;
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (head, claims) = (read(head).ok_or(no_jwt)?, read(claims).ok_or(no_jwt)?);
    let email = &account["client_email"];
    if claims["iss"] != *email {
        return Err((400, "invalid_grant", "Invalid grant: account not found"));
    }
    if !claims["sub"].is_null() && claims["sub"] != *email {
        return Err((401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method."));
    }
    let is_ours = head["alg"] == "RS256" && head["kid"] == account["private_key_id"];
    if !is_ours || !verifies(account["private_key"].as_str().unwrap_or_default(), signed, signature) {
        return Err((400, "invalid_grant", "Invalid JWT Signature."));
    }
    let now = now_ms() / 1000;
    let (iat, exp) = (claims["iat"].as_u64().unwrap_or(u64::MAX), claims["exp"].as_u64().unwrap_or(0));
    if iat > now + SKEW_S || exp <= now || exp > iat.saturating_add(LONGEST_S) {
        return Err((
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
        ));
    }
    Ok(claims)
}

fn verifies(pem: &str, signed: &str, signature: &str) -> bool {
    let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok(pair) = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    key.verify(signed.as_bytes(), &signature).is_ok()
}

fn sealed(until_ms: u64) -> String {
    let seal = SEAL.as_ref().map(|key| URL_SAFE_NO_PAD.encode(hmac::sign(key, until_ms.to_string().as_bytes())));
    format!("ya29.c.{until_ms}.{}", seal.unwrap_or_default())
}

/// Whether it was given out here and is still good.
pub(super) fn is_fresh(token: &str) -> bool {
    let parts = token.strip_prefix("ya29.c.").and_then(|rest| rest.split_once('.'));
    let (Some((until_ms, seal)), Some(key)) = (parts, SEAL.as_ref()) else { return false };
    let is_ours = URL_SAFE_NO_PAD.decode(seal).is_ok_and(|seal| hmac::verify(key, until_ms.as_bytes(), &seal).is_ok());
    is_ours && until_ms.parse().is_ok_and(|until: u64| now_ms() < until)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now_s() -> u64 {
        now_ms() / 1000
    }

    fn claims() -> Value {
        let account: Value = serde_json::from_str(ACCOUNT).unwrap();
        json!({ "iss": account["client_email"], "aud": AUDIENCE, "scope": SCOPE, "iat": now_s(), "exp": now_s() + 3600 })
    }

    fn head() -> Value {
        json!({ "typ": "JWT", "alg": "RS256", "kid": "fedcba9876543210" })
    }

    fn signed(head: &Value, claims: &Value) -> String {
        let account: Value = serde_json::from_str(ACCOUNT).unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(account["private_key"].as_str().unwrap().as_bytes()).unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(head), encode(claims));
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&ring::signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn asked(kind: &'static str, grant: &str, assertion: &str) -> Result<(), Declined> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        headers.insert(header::HOST, header::HeaderValue::from_static("127.0.0.1:8090"));
        let form = [("grant_type", grant), ("assertion", assertion)];
        granted(&headers, &url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn an_account_that_asks_as_it_must_is_granted_a_token() {
        for audience in [AUDIENCE, "http://127.0.0.1:8090/token", "https://127.0.0.1:8090/token"] {
            assert_eq!(asked(FORM, GRANT, &signed(&head(), &with("aud", json!(audience)))), Ok(()));
        }
        assert_eq!(asked("application/x-www-form-urlencoded; charset=utf-8", GRANT, &signed(&head(), &claims())), Ok(()));
        assert_eq!(asked(FORM, GRANT, &signed(&head(), &with("scope", json!(format!("openid {SCOPE}"))))), Ok(()));
    }

    #[test]
    fn whatever_google_would_not_take_is_refused_by_its_name() {
        let good = signed(&head(), &claims());
        let word = |answer: Result<(), Declined>| answer.unwrap_err().1;
        assert_eq!(word(asked("application/json", GRANT, &good)), "invalid_request");
        assert_eq!(word(asked(FORM, "client_credentials", &good)), "unsupported_grant_type");
        let (text, _) = good.rsplit_once('.').unwrap();
        let foreign = good.replacen(text, signed(&head(), &with("jti", json!("x"))).rsplit_once('.').unwrap().0, 1);
        for wrong in ["", "a.b.c", text, &foreign] {
            assert_eq!(word(asked(FORM, GRANT, wrong)), "invalid_grant", "{wrong}");
        }
        for (name, value, error) in [
            ("iss", json!("another@simulated.iam.gserviceaccount.example"), "invalid_grant"),
            ("sub", json!("somebody@example.com"), "unauthorized_client"),
            ("aud", json!("https://speech.googleapis.com/"), "invalid_grant"),
            ("aud", json!("http://127.0.0.1:1/token"), "invalid_grant"),
            ("scope", Value::Null, "invalid_scope"),
            ("scope", json!("https://www.googleapis.com/auth/drive"), "invalid_scope"),
            ("exp", json!(now_s() + 3700), "invalid_grant"),
            ("exp", json!(now_s() - 1), "invalid_grant"),
            ("iat", json!(now_s() + 120), "invalid_grant"),
        ] {
            assert_eq!(word(asked(FORM, GRANT, &signed(&head(), &with(name, value.clone())))), error, "{name} {value}");
        }
        for (name, value) in [("alg", "HS256"), ("alg", "none"), ("kid", "another")] {
            let mut head = head();
            head[name] = json!(value);
            assert_eq!(word(asked(FORM, GRANT, &signed(&head, &claims()))), "invalid_grant", "{name} {value}");
        }
    }

    #[test]
    fn a_token_is_good_until_its_end_and_only_if_it_was_given_out_here() {
        let good = sealed(now_ms() + 60_000);
        assert!(is_fresh(&good));
        assert!(!is_fresh(&sealed(now_ms() - 1)));
        let (_, seal) = good.rsplit_once('.').unwrap();
        for wrong in [format!("ya29.c.{}.{seal}", now_ms() + 70_000), "ya29.c.1.".to_owned(), "ya29.OTHER".to_owned()] {
            assert!(!is_fresh(&wrong), "{wrong}");
        }
    }
}
