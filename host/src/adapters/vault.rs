//! The vault by HTTPS: `docs/secure-collect.md` is the contract. What was keyed in is written into one buffer, which is wiped when the library gives it
//! back; what the vault answers is shown to nobody before it has been looked at.

use super::trust;
use crate::application::ports::{Kept, Vault, VaultError, VaultRequest};
use crate::config::{self, Faults};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;
use vg_domain::card::{CardDigits, CardField};
use vg_domain::pii::Pii;
use zeroize::Zeroizing;

/// Names a card that comes again: it is to be kept once.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// A connection that is not made in this time is not made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A vault that only has to answer does so in this time.
const REACH_WITHIN: Duration = Duration::from_secs(5);
/// Idle connections are kept for so long.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_MAX: usize = 16 << 10;
/// Bytes of a token.
const TOKEN_MAX: usize = 256;
/// Bytes of a brand's name.
const BRAND_MAX: usize = 32;
/// So many digits of the number in a row are not in a token: eight of the issuer may be, and the last four.
const NUMBER_PART: usize = 9;

/// See the module.
#[derive(Clone)]
pub struct HttpVault {
    client: Client,
    url: Url,
}

/// Body of the request.
#[derive(Serialize)]
struct Card<'a> {
    call_id: &'a str,
    tenant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Answer to it.
#[derive(Deserialize)]
struct Token {
    token: String,
    brand: Option<String>,
}

impl HttpVault {
    /// The operator's vault. Nobody is called. Reads authorities from the disk.
    ///
    /// # Errors
    /// What of the configuration cannot be used, by its place.
    pub fn new(config: &config::Vault) -> Result<Self, Faults> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &config.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|error| Faults::one("vault.token", error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // No redirects and no proxies: cards go to the URL that the operator wrote and nowhere else.
        let client = Client::builder()
            .user_agent(concat!("voice-gateway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(tls(config)?)
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .tcp_nodelay(true)
            .build();
        let client = client.map_err(|error| Faults::one("vault", error))?;
        Ok(Self { client, url: config.url.clone() })
    }

    /// Whether somebody answers there whose certificate is trusted. No card is sent, and what the answer is does not matter.
    ///
    /// # Errors
    /// Why nobody does, in words.
    pub async fn reach(&self) -> Result<(), String> {
        let asked = self.client.request(Method::OPTIONS, self.url.clone()).timeout(REACH_WITHIN).send().await;
        asked.map(drop).map_err(|error| innermost(&error))
    }

    async fn exchange(self, request: VaultRequest) -> Result<Kept, VaultError> {
        let key = format!("{}-{}", request.call, request.turn);
        let body = body(&request)?;
        let mut sent = self.send(&key, body.clone()).await;
        if sent.is_err() {
            // It has not answered; where it has kept the card all the same it knows by the key that it is the same.
            sent = self.send(&key, body).await;
        }
        let response = sent.map_err(|_| VaultError::Unavailable)?;
        match response.status() {
            status if status.is_success() => token(&read(response).await?, &request.card),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(VaultError::Unauthorized),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Err(VaultError::Unavailable),
            status if status.is_server_error() => Err(VaultError::Unavailable),
            // What it says of it may repeat the number: nobody reads it.
            _ => Err(VaultError::Refused),
        }
    }

    async fn send(&self, key: &str, body: Bytes) -> reqwest::Result<Response> {
        let request = self.client.post(self.url.clone()).header(IDEMPOTENCY_HEADER, key).header("accept", "application/json");
        request.header(CONTENT_TYPE, "application/json").body(body).send().await
    }
}

impl Vault for HttpVault {
    fn keep(&self, request: VaultRequest) -> BoxFuture<'static, Result<Kept, VaultError>> {
        let (call, kept) = (request.call.clone(), self.clone().exchange(request));
        async move { kept.await.inspect_err(|error| tracing::warn!(%call, code = error.code(), "vault did not keep a card")) }
            .boxed()
    }
}

/// The faults of a vault, for those who do not use it.
///
/// # Errors
/// As [`HttpVault::new`].
pub fn check(config: Option<&config::Vault>) -> Result<(), Faults> {
    config.map_or(Ok(()), |config| HttpVault::new(config).map(drop))
}

fn tls(config: &config::Vault) -> Result<ClientConfig, Faults> {
    let trusted = match (&config.ca, config.url.scheme()) {
        (Some(file), _) => {
            let pem = std::fs::read(file).map_err(|error| Faults::one("vault.ca", error))?;
            trust::trusting(Some(&pem)).map_err(|_| Faults::one("vault.ca", "holds no certificate (PEM)"))
        }
        (None, "http") => trust::trusting_nobody().map_err(|error| Faults::one("vault", error)),
        (None, _) => trust::trusting(None).map_err(|error| Faults::one("vault.ca", error)),
    };
    trusted.map(|tls| (*tls).clone())
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn body(request: &VaultRequest) -> Result<Bytes, VaultError> {
    let (call_id, tenant_id) = (request.call.as_str(), request.tenant.as_str());
    let [number, expiry, code] = CardField::ALL.map(|field| request.card.reveal(field));
    let card = Card { call_id, tenant_id, number, expiry, code };
    // Room for all of it, however ids are escaped: a buffer that grows leaves a copy behind.
    let mut body = Zeroizing::new(Vec::with_capacity(256 + 6 * (call_id.len() + tenant_id.len())));
    serde_json::to_writer(&mut *body, &card).map_err(|_| VaultError::Refused)?;
    Ok(Bytes::from_owner(body))
}

async fn read(mut response: Response) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut whole = Zeroizing::new(Vec::with_capacity(ANSWER_MAX));
    while let Some(chunk) = response.chunk().await.map_err(|_| VaultError::Unavailable)? {
        if whole.len() + chunk.len() > ANSWER_MAX {
            return Err(VaultError::TooLong);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

fn token(answer: &[u8], card: &CardDigits) -> Result<Kept, VaultError> {
    let Token { token, brand } = serde_json::from_slice(answer).map_err(|_| VaultError::Garbage)?;
    let token = Zeroizing::new(token);
    let sound = (1..=TOKEN_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound || shows(&token, card) {
        return Err(VaultError::Garbage);
    }
    let named = |name: &String| {
        !name.is_empty() && name.len() <= BRAND_MAX && name.bytes().all(|b| b.is_ascii_alphabetic() || b" -_".contains(&b))
    };
    Ok(Kept { token: Pii::new((*token).clone()), brand: brand.filter(named) })
}

/// Whether so much of the number is in it that it is no token.
fn shows(token: &str, card: &CardDigits) -> bool {
    let Some(number) = card.reveal(CardField::Number) else { return false };
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(token.bytes().filter(u8::is_ascii_digit).collect());
    number.as_bytes().windows(NUMBER_PART).any(|part| digits.windows(NUMBER_PART).any(|digits| digits == part))
}
