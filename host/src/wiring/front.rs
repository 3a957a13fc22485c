//! The HTTP side: its addresses, and what is served at which.

use crate::adapters::audit::Trail;
use crate::adapters::http::auth::{Auth, Jwks, Key, Keys, Tokens};
use crate::adapters::http::{self, ApiParts, ApiRoutes, Certificate, Operators, Tickets};
use crate::adapters::latency::Latency;
use crate::adapters::notices::NoticeBoard;
use crate::adapters::settings::{self, Settings};
use crate::application::desk::Desk;
use crate::application::ports::{Orders, Originator, Tenants};
use crate::config::{self, Config};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Addresses that are taken and not served yet.
pub(super) struct Front {
    listener: TcpListener,
    admin: Option<TcpListener>,
}

/// What the API speaks for.
pub(super) struct Behind {
    pub(super) desk: Arc<Desk>,
    pub(super) latency: Arc<Latency>,
    pub(super) orders: Arc<dyn Orders>,
    pub(super) originator: Option<Arc<dyn Originator>>,
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) settings: Arc<Settings>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) trail: Option<Arc<Trail>>,
    pub(super) notices: Arc<NoticeBoard>,
    pub(super) drain: CancellationToken,
    pub(super) close: CancellationToken,
}

impl Front {
    pub(super) async fn listen(http: &config::Http) -> Result<Self> {
        let listener = listen(http.bind).await?;
        let admin = match http.admin_bind {
            Some(bind) => Some(listen(bind).await?),
            None => None,
        };
        Ok(Self { listener, admin })
    }

    pub(super) fn http_addr(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    pub(super) fn admin_addr(&self) -> Result<Option<SocketAddr>> {
        Ok(self.admin.as_ref().map(TcpListener::local_addr).transpose()?)
    }

    /// Serves `routes`, and the API beside them where the operator wishes.
    pub(super) async fn open(
        self,
        config: &Config,
        mut routes: ApiRoutes,
        behind: Behind,
        servers: &mut JoinSet<()>,
    ) -> Result<()> {
        let close = behind.close.clone();
        if let Some((auth, keys)) = callers(config).await? {
            if let Some(keys) = keys {
                servers.spawn(keys.keep(close.clone()));
            }
            let api = http::api(parts(config, auth, behind));
            routes = ApiRoutes { public: routes.public.merge(api.public), admin: routes.admin.merge(api.admin) };
        }
        let certificate = certificate(config).await?;
        if let Some(certificate) = &certificate {
            servers.spawn(Arc::clone(certificate).watch(close.clone()));
        }
        let public = match self.admin {
            None => routes.public.merge(routes.admin),
            Some(listener) => {
                serve(servers, listener, http::front(routes.admin), None, &close);
                routes.public
            }
        };
        serve(servers, self.listener, http::front(public), certificate, &close);
        Ok(())
    }
}

fn parts(config: &Config, auth: Auth, behind: Behind) -> ApiParts {
    let Behind { desk, latency, orders, originator, tenants, settings, tickets, trail, notices, drain, close } = behind;
    ApiParts {
        auth,
        desk,
        latency,
        orders,
        originator,
        tenants,
        settings: Some(settings),
        operators: if config.http.admin_bind.is_some() { Operators::Apart } else { Operators::Here },
        tickets,
        trail,
        notices,
        drain,
        close,
        requests_per_s: config.http.requests_per_s,
        cors_origins: config.http.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect(),
    }
}

async fn listen(bind: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(bind).await.with_context(|| {
        format!("failed to listen on {bind} (another gateway? `http.bind` and `http.admin_bind` choose other addresses)")
    })
}

fn serve(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    router: axum::Router,
    certificate: Option<Arc<Certificate>>,
    close: &CancellationToken,
) {
    let served = http::serve(listener, router, certificate, close.clone());
    servers.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "http side ended");
        }
    });
}

async fn certificate(config: &Config) -> Result<Option<Arc<Certificate>>> {
    let Some(config::Tls { cert, key }) = config.http.tls.clone() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || Certificate::read(cert, key)).await.context("failed to look at the disk")?;
    Ok(Some(Arc::new(read.context("failed to load the certificate")?)))
}

/// How callers of the API are known, and the issuer's keys that are to be kept; none where it is not served.
async fn callers(config: &Config) -> Result<Option<(Auth, Option<Arc<Jwks>>)>> {
    let tokens = match config.http.api.clone() {
        config::Api::Off => return Ok(None),
        config::Api::Anybody => {
            tracing::warn!(
                "THE API ASKS FOR NO TOKEN (http.auth = off): whoever is on this machine may do anything with any tenant's calls"
            );
            return Ok(Some((Auth::Off(config.tenants.default.clone()), None)));
        }
        config::Api::Tokens(tokens) => tokens,
    };
    let plugins = config.plugins.clone();
    let work = tokio::task::spawn_blocking(move || {
        let config::Tokens { jwks_url, key, issuer, audience, leeway } = tokens;
        let one = key.map(|file| token_key(&file));
        let cas = settings::operator_cas(&plugins).context("failed to read the operator's authorities")?;
        let set =
            jwks_url.map(|url| Jwks::new(url, &cas).map(Arc::new)).transpose().context("failed to prepare the token keys")?;
        let keys = Keys { one: one.transpose()?, set: set.clone() };
        anyhow::Ok(Some((Auth::Tokens(Tokens { keys, issuer, audience, leeway }), set)))
    });
    work.await.context("failed to read the token keys")?
}

fn token_key(file: &Path) -> Result<Key> {
    let pem = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    Key::from_pem(&pem).with_context(|| format!("failed to use the key of {}", file.display()))
}

/// The files without which the HTTP side would not start, each fault with its setting. Reads the disk; for `check`.
pub(crate) fn faulty_files(config: &Config) -> Vec<(&'static str, anyhow::Error)> {
    let mut faulty = Vec::new();
    if let Some(config::Tls { cert, key }) = config.http.tls.clone()
        && let Err(error) = Certificate::read(cert, key)
    {
        faulty.push(("http.tls_cert", error.into()));
    }
    if let config::Api::Tokens(config::Tokens { key: Some(file), .. }) = &config.http.api {
        faulty.extend(token_key(file).err().map(|error| ("http.jwt_key", error)));
    }
    faulty
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Machine, Tls};

    #[test]
    fn a_certificate_or_a_key_of_tokens_that_cannot_be_read_is_known_before_anything_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere.pem");
        let mut config = Config::defaults(&Machine::here());
        assert!(faulty_files(&config).is_empty());
        config.http.tls = Some(Tls { cert: nowhere.clone(), key: nowhere.clone() });
        config.http.api = config::Api::Tokens(config::Tokens {
            jwks_url: None,
            key: Some(nowhere.clone()),
            issuer: "https://id.example/".into(),
            audience: "voice-gateway".into(),
            leeway: std::time::Duration::ZERO,
        });
        let faulty = faulty_files(&config);
        assert_eq!(faulty.iter().map(|(at, _)| *at).collect::<Vec<_>>(), ["http.tls_cert", "http.jwt_key"]);
        for (at, error) in faulty {
            assert!(format!("{error:#}").contains("nowhere.pem"), "{at}: {error:#}");
        }
    }
}
