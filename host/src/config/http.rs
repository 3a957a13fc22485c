//! `[http]`: where it is served, to whom, and how they are known.

use super::here::is_trustworthy;
use super::raw::{address, flag, number, set};
use super::{Faults, secret};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use vg_domain::pii::Pii;

/// Seconds that clocks may differ at most.
const LEEWAY_S_MAX: usize = 300;

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where health, metrics, the media WebSocket and the API are served. Port 0: any free one.
    pub bind: SocketAddr,
    /// Where health, metrics and the operator's part of the API are served instead; none: at `bind` as well.
    pub admin_bind: Option<SocketAddr>,
    /// Whether the API is served, and how callers are known.
    pub api: Api,
    /// Requests a second of a token; none: no limit.
    pub requests_per_s: Option<NonZeroU32>,
    /// Origins (`scheme://host[:port]`) whose pages may ask.
    pub cors_origins: Vec<String>,
    /// What `bind` is served with; none: plain HTTP.
    pub tls: Option<Tls>,
    /// What Asterisk and other senders prove themselves with at `/v1/webhooks`; none: nobody sends.
    pub webhook_secret: Option<Pii<String>>,
}

/// Who may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Api {
    /// It is not served.
    Off,
    /// Whoever is on this machine, without being known.
    Anybody,
    /// Who has a token.
    Tokens(Tokens),
}

/// What a token has to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The issuer's key set.
    pub jwks_url: Option<Url>,
    /// A public key (PEM). *Invariant:* one of the two is there.
    pub key: Option<PathBuf>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How wrong clocks may be.
    pub leeway: Duration,
}

/// Files of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its chain (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            // Loopback: whoever wants to be reached from elsewhere says so.
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_bind: None,
            api: Api::Off,
            requests_per_s: NonZeroU32::new(50),
            cors_origins: Vec::new(),
            tls: None,
            webhook_secret: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    bind: Option<String>,
    admin_bind: Option<String>,
    #[serde(deserialize_with = "flag")]
    api: Option<bool>,
    auth: Option<String>,
    jwks_url: Option<String>,
    jwt_key: Option<PathBuf>,
    jwt_issuer: Option<String>,
    jwt_audience: Option<String>,
    #[serde(deserialize_with = "number")]
    jwt_leeway_s: Option<usize>,
    #[serde(deserialize_with = "number")]
    requests_per_s: Option<usize>,
    #[serde(deserialize_with = "words")]
    cors_origins: Option<Vec<String>>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    webhook_secret: Option<String>,
}

/// Characters of a secret that opens a door.
const SECRET_MIN: usize = 16;

/// How callers are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    ByToken,
    NotAtAll,
}

impl RawHttp {
    pub(super) fn resolve(self, http: &mut Http, environment: &[(String, String)], faults: &mut Faults) {
        set(&mut http.bind, "http.bind", self.bind.as_deref(), address, faults);
        let admin = self.admin_bind.as_deref().filter(|text| !text.is_empty());
        set(&mut http.admin_bind, "http.admin_bind", admin, |text| address(text).map(Some), faults);
        if let Some(per_s) = self.requests_per_s {
            http.requests_per_s = NonZeroU32::new(u32::try_from(per_s).unwrap_or(u32::MAX));
        }
        http.webhook_secret = self.webhook_secret.as_deref().filter(|text| !text.is_empty()).and_then(|reference| {
            let secret = secret::resolve(reference, environment).and_then(|secret| match secret.reveal().len() {
                SECRET_MIN.. => Ok(secret),
                _ => Err(format!("is too short to keep anybody out: {SECRET_MIN} characters at least, better 32")),
            });
            secret.map_err(|what| faults.add("http.webhook_secret", what)).ok()
        });
        http.tls = self.tls(faults);
        http.cors_origins = self.cors_origins.clone().unwrap_or_default();
        for (at, origin) in http.cors_origins.iter().enumerate() {
            if !is_origin(origin) {
                faults.add(
                    format_args!("http.cors_origins[{at}]"),
                    "expected scheme://host[:port], for example https://desk.example",
                );
            }
        }
        http.api = self.api(http.bind, faults);
    }

    fn tls(&self, faults: &mut Faults) -> Option<Tls> {
        let file = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        match (file(&self.tls_cert), file(&self.tls_key)) {
            (Some(cert), Some(key)) => Some(Tls { cert, key }),
            (None, None) => None,
            (None, Some(_)) => {
                faults.add("http.tls_cert", "is needed beside http.tls_key");
                None
            }
            (Some(_), None) => {
                faults.add("http.tls_key", "is needed beside http.tls_cert");
                None
            }
        }
    }

    fn api(self, bind: SocketAddr, faults: &mut Faults) -> Api {
        let mut known = Known::ByToken;
        let auth = |text: &str| match text {
            "jwt" => Ok(Known::ByToken),
            "off" => Ok(Known::NotAtAll),
            _ => Err("expected jwt or off"),
        };
        set(&mut known, "http.auth", self.auth.as_deref(), auth, faults);
        let served = self.api.unwrap_or(false);
        let tokens = self.tokens(served && known == Known::ByToken, faults);
        match (served, known) {
            (false, _) => Api::Off,
            (true, Known::ByToken) => tokens.map_or(Api::Off, Api::Tokens),
            (true, Known::NotAtAll) => {
                if !bind.ip().is_loopback() {
                    faults.add("http.auth", "without tokens only this machine is served: http.bind has to be a loopback address");
                }
                Api::Anybody
            }
        }
    }

    /// What is written is judged even where the API is off.
    fn tokens(self, needed: bool, faults: &mut Faults) -> Option<Tokens> {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let jwks_url = text(self.jwks_url).and_then(|text| match text.parse::<Url>() {
            Ok(url) if is_trustworthy(&url) => Some(url),
            _ => {
                faults.add("http.jwks_url", "expected a URL with https; http only to this machine");
                None
            }
        });
        let key = self.jwt_key.filter(|path| !path.as_os_str().is_empty());
        let leeway_s = self.jwt_leeway_s.unwrap_or(30);
        if leeway_s > LEEWAY_S_MAX {
            faults.add("http.jwt_leeway_s", format_args!("must be at most {LEEWAY_S_MAX}"));
        }
        let (issuer, audience) = (text(self.jwt_issuer), text(self.jwt_audience));
        if needed {
            if jwks_url.is_none() && key.is_none() {
                faults.add("http.api", "needs http.jwks_url or http.jwt_key, or http.auth = \"off\" for this machine alone");
            }
            let names = [("http.jwt_issuer", &issuer), ("http.jwt_audience", &audience)];
            names.into_iter().filter(|(_, value)| value.is_none()).for_each(|(path, _)| faults.add(path, "is needed"));
        }
        let leeway = Duration::from_secs(leeway_s as u64);
        Some(Tokens { jwks_url, key, issuer: issuer?, audience: audience?, leeway })
    }
}

/// As a browser writes it in `Origin`.
fn is_origin(text: &str) -> bool {
    text.parse::<Url>().is_ok_and(|url| {
        let web = url.scheme() == "https" || url.scheme() == "http";
        web && url.has_host() && url.origin().ascii_serialization() == text
    })
}

/// A list of words, or a text that holds them with blanks between.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of texts")]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::List(list) => list,
        Written::Text(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
    }))
}
