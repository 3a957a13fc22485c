//! An issuer's set of keys, fetched, kept and fetched again. What was good last stays good while the issuer cannot be reached.

use super::AuthError;
use super::keys::Key;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::Algorithm;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How often the set is fetched without being asked for.
const REFRESH: Duration = Duration::from_secs(300);
/// The same, while there is none.
const RETRY: Duration = Duration::from_secs(5);
/// An unknown key makes it be fetched again, but not more often than this: whoever makes up names of keys must not make the issuer work.
const REFRESH_MIN: Duration = Duration::from_secs(10);
/// One fetch as a whole.
const FETCH: Duration = Duration::from_secs(5);
/// A request with an unknown key waits so long for a fetch.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a set.
const SET_MAX: usize = 256 << 10;
/// Keys that are tried for a token that names none.
const TRIES_MAX: usize = 4;

/// An issuer's keys as they were when they were last fetched.
pub struct Jwks {
    url: Url,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    keys: RwLock<Arc<[Key]>>,
    wish: Notify,
    /// Fetches that have ended, and when the last one did.
    rounds: watch::Sender<(u64, Option<Instant>)>,
}

/// Why a set could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// No answer, or none in time.
    #[error("issuer cannot be reached")]
    Unreachable,
    /// Another status than 200: redirects are not followed.
    #[error("issuer answered {0}")]
    Status(u16),
    /// Too long, no set, or no key in it that can be used.
    #[error("issuer's answer has no usable keys")]
    NoSet,
    /// A certificate that cannot be read.
    #[error("an authority's certificate cannot be read")]
    Authority,
}

impl JwksError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Status(_) => "status",
            Self::NoSet => "no_set",
            Self::Authority => "authority",
        }
    }
}

impl Jwks {
    /// The set at that address, trusting the system's authorities and these (PEM). Nothing is fetched yet. Reads the system's from disk.
    ///
    /// # Errors
    /// Where a certificate cannot be read.
    pub fn new(url: Url, authorities: &[Vec<u8>]) -> Result<Self, JwksError> {
        let mut roots = RootCertStore::empty();
        // Single ones of a system's that make no sense are left out, as everywhere.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for pem in authorities {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| JwksError::Authority)?;
                roots.add(certificate).map_err(|_| JwksError::Authority)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.map_err(|_| JwksError::Authority)?.with_root_certificates(roots).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let keys = RwLock::new(Vec::new().into());
        Ok(Self { url, client, keys, wish: Notify::new(), rounds: watch::channel((0, None)).0 })
    }

    /// Fetches now, then again and again, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = timeout(FETCH, self.fetch()) => fetched.unwrap_or(Err(JwksError::Unreachable)),
            };
            let known = self.take(fetched);
            let ended = Instant::now();
            self.rounds.send_modify(|(round, at)| (*round, *at) = (*round + 1, Some(ended)));
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(if known { REFRESH } else { RETRY }) => {}
                () = self.wished_since(ended) => {}
            }
        }
    }

    async fn wished_since(&self, ended: Instant) {
        self.wish.notified().await;
        sleep_until(ended + REFRESH_MIN).await;
    }

    /// Whether there is any key now.
    fn take(&self, fetched: Result<Vec<Key>, JwksError>) -> bool {
        match fetched {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
                true
            }
            Err(error) => {
                let kept = self.known().len();
                tracing::warn!(code = error.code(), kept, "keys of the token issuer could not be fetched: those it had stay");
                kept > 0
            }
        }
    }

    /// Keys that a token may have been signed with.
    ///
    /// # Errors
    /// Where there is none, even after asking the issuer where that is due.
    pub(super) async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Vec<Key>, AuthError> {
        let mut rounds = self.rounds.subscribe();
        let found = choose(&self.known(), kid, algorithm);
        if found.is_ok() {
            return found;
        }
        let (_, last) = *rounds.borrow_and_update();
        // Asked a moment ago: the answer would be the same.
        if last.is_some_and(|at| at.elapsed() < REFRESH_MIN) && !self.known().is_empty() {
            return found;
        }
        self.wish.notify_one();
        // Late or not: what is known then decides.
        let _ = timeout(PATIENCE, rounds.changed()).await;
        choose(&self.known(), kid, algorithm)
    }

    fn known(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fetch(&self) -> Result<Vec<Key>, JwksError> {
        let request = hyper::Request::get(self.url.as_str()).header(hyper::header::ACCEPT, "application/json");
        let request = request.body(Empty::new()).map_err(|_| JwksError::Unreachable)?;
        let response = self.client.request(request).await.map_err(|_| JwksError::Unreachable)?;
        if response.status() != hyper::StatusCode::OK {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), SET_MAX).collect().await.map_err(|_| JwksError::NoSet)?;
        let keys = Key::set(&body.to_bytes()).unwrap_or_default();
        if keys.is_empty() { Err(JwksError::NoSet) } else { Ok(keys) }
    }
}

fn choose(keys: &[Key], kid: Option<&str>, algorithm: Algorithm) -> Result<Vec<Key>, AuthError> {
    if keys.is_empty() {
        return Err(AuthError::NoKeys);
    }
    let found: Vec<Key> = match kid {
        Some(kid) => keys.iter().filter(|key| key.kid() == Some(kid)).take(1).cloned().collect(),
        None => keys.iter().filter(|key| key.algorithm() == algorithm).take(TRIES_MAX).cloned().collect(),
    };
    if found.is_empty() { Err(AuthError::UnknownKey) } else { Ok(found) }
}
