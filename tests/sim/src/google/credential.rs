//! Who asks: an API key, an access token, or a token that a service account signed itself.

use super::call::Status;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// What Google's own SDK was given in the captures.
const KEY: &str = "AIzaFAKE-KEY-0123456789";
const TOKENS: [&str; 2] = ["ya29.FAKE", "ya29.fake-access-token"];
const ACCOUNT: &str = include_str!("../../../../host/crates/links/tests/fixtures/service-account.json");
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Whether the service (`speech.googleapis.com`) lets this request in.
pub(super) fn admit(headers: &HeaderMap, service: &str) -> Result<(), Status> {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = told("x-goog-api-key") {
        let wrong = || Status::new(3, "API key not valid. Please pass a valid API key.").because("API_KEY_INVALID", service);
        return if key == KEY { Ok(()) } else { Err(wrong()) };
    }
    let Some(token) = told(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")) else {
        let text = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity.";
        return Err(Status::new(7, text));
    };
    if TOKENS.contains(&token) || is_signed(token, service) {
        return Ok(());
    }
    let text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
                authentication credential.";
    Err(Status::new(16, text).because("ACCESS_TOKEN_TYPE_UNSUPPORTED", service))
}

/// A self-signed JWT for this service (<https://google.aip.dev/auth/4111>).
fn is_signed(token: &str, service: &str) -> bool {
    let account: Value = serde_json::from_str(ACCOUNT).unwrap_or_default();
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Some((head, claims)) = signed.split_once('.') else { return false };
    let read = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    let (Some(head), Some(claims)) = (read(head), read(claims)) else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (iat, exp) = (claims["iat"].as_u64().unwrap_or(u64::MAX), claims["exp"].as_u64().unwrap_or(0));
    let is_for = claims["aud"] == format!("https://{service}/") || claims["scope"] == SCOPE;
    let email = &account["client_email"];
    head["alg"] == "RS256"
        && head["kid"] == account["private_key_id"]
        && claims["iss"] == *email
        && claims["sub"] == *email
        && is_for
        && iat <= now + 60
        && exp > now
        && exp <= iat.saturating_add(3600)
        && verifies(account["private_key"].as_str().unwrap_or_default(), signed, signature)
}

fn verifies(pem: &str, signed: &str, signature: &str) -> bool {
    let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok(pair) = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    key.verify(signed.as_bytes(), &signature).is_ok()
}
