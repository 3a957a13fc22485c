//! Sockets: what listens, with or without TLS, and what ends a connection that only holds its place.

use crate::adapters::plugins::Stamp;
use axum::Router;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::SockRef;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// From a connection's begin, and from a request's first byte, to the end of the request's head; a TLS handshake has as long.
const HEAD: Duration = Duration::from_secs(10);
/// A peer that takes nothing of what is sent for so long is gone.
const STUCK: Duration = Duration::from_secs(30);
/// Requests in flight may go on so long after the wish to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Serves until `stop`, then lets requests in flight end. WebSockets end with their calls, not here.
///
/// # Errors
/// Where the listener breaks.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener.into_std()?)?.handle(handle.clone()).first_request_timeout(HEAD);
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    *server.http_builder() = builder;
    let end = async {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(LAST_ANSWERS));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = accept(server, router, certificate) => served,
        () = end => Ok(()),
    }
}

async fn accept(server: Server<SocketAddr>, router: Router, certificate: Option<Arc<Certificate>>) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    match certificate {
        None => server.acceptor(Watched).serve(service).await,
        Some(certificate) => {
            let tls = RustlsAcceptor::new(certificate.held.clone()).handshake_timeout(HEAD);
            server.acceptor(tls.acceptor(Watched)).serve(service).await
        }
    }
}

/// Answers go at once, and a peer that does not take them does not hold its socket for ever.
#[derive(Clone, Copy)]
struct Watched;

impl<S> Accept<TcpStream, S> for Watched {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<std::io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let set = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(STUCK)));
        ready(set.map(|()| (stream, service)))
    }
}

/// A certificate and its key, read again when their files change. What cannot be used changes nothing.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    held: RustlsConfig,
    seen: Mutex<Stamp>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is not there, or no PEM.
    #[error("{} cannot be read", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// They are read, and do not fit.
    #[error("certificate and key cannot be used")]
    Unfit(#[from] rustls::Error),
}

impl CertificateError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "unreadable",
            Self::Unfit(_) => "unfit",
        }
    }
}

impl Certificate {
    /// Reads both. Blocks on the disk.
    ///
    /// # Errors
    /// Where they cannot be used.
    pub fn read(chain: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let seen = Mutex::new(Stamp::of([chain.clone(), key.clone()]));
        let held = RustlsConfig::from_config(load(&chain, &key)?);
        Ok(Self { chain, key, held, seen })
    }

    /// Looks at the files again and again until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let this = Arc::clone(&self);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || this.refresh()).await {
                tracing::error!(code = error.code(), %error, "changed certificate is not taken: the one before stays");
            }
        }
    }

    /// Takes over what changed since it was read. Blocks on the disk.
    ///
    /// # Errors
    /// Where what there is now cannot be used; told once.
    pub fn refresh(&self) -> Result<(), CertificateError> {
        let now = Stamp::of([self.chain.clone(), self.key.clone()]);
        // Nothing panics while it is held.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == *seen {
            return Ok(());
        }
        *seen = now;
        self.held.reload_from_config(load(&self.chain, &self.key)?);
        tracing::info!("changed certificate is taken over");
        Ok(())
    }
}

fn load(chain: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, CertificateError> {
    let unreadable = |file: &PathBuf| {
        let file = file.clone();
        |source| CertificateError::File { file, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain).map_err(unreadable(chain))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(unreadable(chain))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(certificates, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
