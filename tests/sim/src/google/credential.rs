//! Who asks: an API key, an access token, or a token that a service account signed itself.

use super::call::Status;
use super::tokens::{SCOPE, is_fresh, signed_claims};
use axum::http::{HeaderMap, header};

/// What Google's own SDK was given in the captures.
const KEY: &str = "AIzaFAKE-KEY-0123456789";
const TOKENS: [&str; 2] = ["ya29.FAKE", "ya29.fake-access-token"];

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
    if TOKENS.contains(&token) || is_fresh(token) || is_signed(token, service) {
        return Ok(());
    }
    let text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
                authentication credential.";
    Err(Status::new(16, text).because("ACCESS_TOKEN_TYPE_UNSUPPORTED", service))
}

/// A self-signed JWT for this service (<https://google.aip.dev/auth/4111>).
fn is_signed(token: &str, service: &str) -> bool {
    // Only where it is exchanged may `sub` be missing.
    let is_for = |claims: serde_json::Value| {
        claims["sub"] == claims["iss"] && (claims["aud"] == format!("https://{service}/") || claims["scope"] == SCOPE)
    };
    signed_claims(token).is_ok_and(is_for)
}
