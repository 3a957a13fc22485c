//! Who asks, and what they may: a bearer token (JWT, RFC 7519) on every request.
//!
//! What the operator chose is all that counts: the algorithm follows from the key, never from the token (RFC 8725, 3.1); `none` and every shared
//! secret are refused; a token's `kid` only chooses among known keys.

mod grant;
mod jwks;
mod keys;
mod signatures;

pub use grant::{Admin, CallsRead, CallsWrite, Permit, PluginsWrite};
pub use jwks::{Jwks, JwksError};
pub use keys::{Key, KeyError};

use super::Problem;
use crate::adapters::here::{is_here, leads_here};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use url::Url;
use vg_domain::ids::TenantId;

/// Bytes of a token.
const TOKEN_MAX: usize = 8 << 10;
/// Characters of a tenant's name and of a subject.
const NAME_MAX: usize = 128;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's subject.
    pub subject: String,
    /// Whose calls are meant.
    pub tenant: TenantId,
    /// Until when the token holds; none for one that needs none.
    pub until: Option<SystemTime>,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whether the token has that scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// What a token may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Look at calls, transcripts and events.
    CallsRead,
    /// Make calls and act on them.
    CallsWrite,
    /// Look at plugins and try options; with `admin`, put and remove them.
    PluginsWrite,
    /// Act on the gateway, and look at every tenant's settings.
    Admin,
}

impl Scope {
    const ALL: [Self; 4] = [Self::CallsRead, Self::CallsWrite, Self::PluginsWrite, Self::Admin];

    /// As a token writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallsRead => "calls:read",
            Self::CallsWrite => "calls:write",
            Self::PluginsWrite => "plugins:write",
            Self::Admin => "admin",
        }
    }
}

/// Why a request has no known caller, or one who may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("request has no bearer token")]
    Missing,
    /// It is no JWT.
    #[error("token is malformed")]
    Malformed,
    /// It is longer than any token ought to be.
    #[error("token is too large")]
    TooLarge,
    /// Its algorithm is `none`, a shared secret's, or not that of the key.
    #[error("token's algorithm is refused")]
    Algorithm,
    /// No key has that `kid`.
    #[error("token's key is unknown")]
    UnknownKey,
    /// It was not signed with that key.
    #[error("token's signature is wrong")]
    Signature,
    /// `exp` has passed.
    #[error("token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("token is not valid yet")]
    NotYet,
    /// Another `iss`.
    #[error("token is of another issuer")]
    Issuer,
    /// Another `aud`.
    #[error("token is for another audience")]
    Audience,
    /// A claim is missing or makes no sense.
    #[error("token's claims are incomplete")]
    Claims,
    /// No key could be fetched yet.
    #[error("keys are unavailable")]
    NoKeys,
    /// The token is good, but not for that.
    #[error("token lacks scope {}", .0.name())]
    Scope(Scope),
    /// Without tokens only this machine is served.
    #[error("request is not from this machine")]
    NotThisMachine,
}

impl AuthError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::TooLarge => "token_too_large",
            Self::Algorithm => "token_algorithm_refused",
            Self::UnknownKey => "token_key_unknown",
            Self::Signature => "token_signature_wrong",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet_valid",
            Self::Issuer => "token_issuer_wrong",
            Self::Audience => "token_audience_wrong",
            Self::Claims => "token_claims_incomplete",
            Self::NoKeys => "keys_unavailable",
            Self::Scope(_) => "scope_missing",
            Self::NotThisMachine => "not_this_machine",
        }
    }
}

impl From<AuthError> for Problem {
    /// RFC 6750, section 3.
    fn from(error: AuthError) -> Self {
        let challenge = |text: &'static str| (header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
        let (status, (name, value)) = match error {
            AuthError::NoKeys => return Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.code()).retry_after(10),
            AuthError::NotThisMachine => return Problem::new(StatusCode::FORBIDDEN, error.code()),
            AuthError::Scope(_) => (StatusCode::FORBIDDEN, challenge("Bearer error=\"insufficient_scope\"")),
            AuthError::Missing => (StatusCode::UNAUTHORIZED, challenge("Bearer")),
            _ => (StatusCode::UNAUTHORIZED, challenge("Bearer error=\"invalid_token\"")),
        };
        Problem::new(status, error.code()).detail(error.to_string()).header(name, value)
    }
}

/// How callers are known.
pub enum Auth {
    /// By their tokens.
    Tokens(Tokens),
    /// Not at all: whoever is on this machine may do anything. `X-Tenant-Id` says whose calls are meant; this tenant's where it does not.
    Off(Option<TenantId>),
}

/// What a token has to be like.
pub struct Tokens {
    /// Who signs.
    pub keys: Keys,
    /// `iss`.
    pub issuer: String,
    /// `aud`, or one of them.
    pub audience: String,
    /// How wrong clocks may be. Less than a day.
    pub leeway: Duration,
}

/// Where keys come from.
pub struct Keys {
    /// A key of the operator's, whatever `kid` a token names.
    pub one: Option<Key>,
    /// The issuer's set.
    pub set: Option<Arc<Jwks>>,
}

impl Keys {
    /// Keys that such a token may have been signed with.
    async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Vec<Key>, AuthError> {
        // The one key's algorithm is judged where there is no other.
        let one = self.one.clone().filter(|key| self.set.is_none() || key.algorithm() == algorithm);
        match (&self.set, one) {
            (None, one) => one.map(|key| vec![key]).ok_or(AuthError::NoKeys),
            (Some(set), None) => set.find(kid, algorithm).await,
            (Some(set), Some(key)) => {
                let mut keys = set.find(kid, algorithm).await.unwrap_or_default();
                keys.push(key);
                Ok(keys)
            }
        }
    }
}

impl Auth {
    /// Who asks by this request.
    ///
    /// # Errors
    /// Where that is not known, or must not be believed.
    pub async fn caller(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Caller, AuthError> {
        match self {
            Self::Tokens(tokens) => tokens.caller(bearer(headers)?).await,
            Self::Off(tenant) => whoever_is_here(peer, headers, tenant.as_ref()),
        }
    }
}

/// RFC 6750, section 2.1. A second header of the name is no token: which one is meant?
fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(AuthError::Missing) };
    if value.len() > TOKEN_MAX {
        return Err(AuthError::TooLarge);
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(AuthError::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(AuthError::Missing) }
}

#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    tenant_id: String,
    #[serde(default)]
    scope: String,
    exp: f64,
}

impl Tokens {
    async fn caller(&self, token: &str) -> Result<Caller, AuthError> {
        let head = token.split('.').next().unwrap_or_default();
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| AuthError::Malformed)?;
        let TokenHeader { alg, kid } = serde_json::from_slice(&head).map_err(|_| AuthError::Malformed)?;
        let algorithm = keys::algorithm(&alg).ok_or(AuthError::Algorithm)?;
        let candidates = self.keys.find(kid.as_deref(), algorithm).await?;
        let mut outcome = Err(AuthError::UnknownKey);
        for key in candidates {
            outcome = self.check(token, &key);
            // A set whose tokens name no key: another one may have signed.
            if outcome != Err(AuthError::Signature) {
                break;
            }
        }
        outcome
    }

    fn check(&self, token: &str, key: &Key) -> Result<Caller, AuthError> {
        signatures::install();
        let mut validation = Validation::new(key.algorithm());
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(token, key.decoding(), &validation).map_err(|error| why(error.kind()))?.claims;
        let named_well = |name: &str| !name.is_empty() && name.len() <= NAME_MAX && !name.contains(char::is_control);
        if !named_well(&claims.sub) || !is_tenant(&claims.tenant_id) {
            return Err(AuthError::Claims);
        }
        let scopes = claims.scope.split(' ').filter_map(|name| Scope::ALL.into_iter().find(|scope| scope.name() == name));
        let until = Duration::try_from_secs_f64(claims.exp).ok().map(|exp| exp.saturating_add(self.leeway));
        Ok(Caller {
            subject: claims.sub,
            tenant: TenantId::new(claims.tenant_id),
            until: until.and_then(|until| SystemTime::UNIX_EPOCH.checked_add(until)),
            scopes: scopes.collect(),
        })
    }
}

fn why(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::InvalidAlgorithm | ErrorKind::MissingAlgorithm | ErrorKind::InvalidKeyFormat => AuthError::Algorithm,
        ErrorKind::InvalidSignature => AuthError::Signature,
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::ImmatureSignature => AuthError::NotYet,
        ErrorKind::InvalidIssuer => AuthError::Issuer,
        ErrorKind::InvalidAudience => AuthError::Audience,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => AuthError::Issuer,
            "aud" => AuthError::Audience,
            _ => AuthError::Claims,
        },
        ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) | ErrorKind::InvalidSubject => AuthError::Claims,
        _ => AuthError::Malformed,
    }
}

/// A tenant's UUID or slug.
pub(super) fn is_tenant(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(letters)
}

/// A proxy on this machine would make everybody look like this machine, and so would a page in a browser here: neither is taken for it.
fn whoever_is_here(peer: SocketAddr, headers: &HeaderMap, tenant: Option<&TenantId>) -> Result<Caller, AuthError> {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    let local = |name| match headers.get(name) {
        None => true,
        Some(value) => value.to_str().is_ok_and(is_local),
    };
    if !is_here(peer) || forwarded || !local(header::ORIGIN) || !local(header::HOST) {
        return Err(AuthError::NotThisMachine);
    }
    let tenant = match headers.get("x-tenant-id") {
        None => tenant.cloned().ok_or(AuthError::Claims)?,
        Some(name) => TenantId::new(name.to_str().ok().filter(|name| is_tenant(name)).ok_or(AuthError::Claims)?),
    };
    Ok(Caller { subject: "this-machine".to_owned(), tenant, until: None, scopes: Scope::ALL.to_vec() })
}

/// An origin, or a host with or without a port, that means this machine.
fn is_local(text: &str) -> bool {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.is_ok_and(|url| leads_here(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(peer: &str, headers: &[(&'static str, &'static str)]) -> Result<Caller, AuthError> {
        let headers =
            headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        whoever_is_here(peer.parse().unwrap(), &headers.collect(), Some(&TenantId::new("demo")))
    }

    #[test]
    fn without_tokens_each_sign_of_another_machine_is_enough_to_be_refused() {
        for peer in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(off(peer, &[("host", "localhost:8080")]).is_ok(), "{peer}");
        }
        let here = "127.0.0.1:9";
        for (peer, headers) in [
            ("192.0.2.1:9", &[("host", "localhost")][..]),
            (here, &[("host", "rebound.example")]),
            (here, &[("origin", "https://page.example"), ("host", "localhost")]),
            (here, &[("x-forwarded-for", "127.0.0.1")]),
        ] {
            assert_eq!(off(peer, headers), Err(AuthError::NotThisMachine), "{peer} {headers:?}");
        }
    }
}
