//! TLS (RFC 8446, RFC 5246): whom to believe, and what the peer is asked to speak.

use super::{DialError, Stream};
use crate::door::LinksError;
use crate::grant::Target;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use url::Host;

/// What is spoken over a connection (ALPN, RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    /// The peer has to choose it.
    Http2,
    /// Nothing is proposed.
    Websocket,
}

/// The roots of trust: the operator's at once, the system's when the first peer is met, since that reads a hundred files.
pub(super) struct Trust {
    operator: RootCertStore,
    configs: OnceCell<Configs>,
}

struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    websocket: Arc<ClientConfig>,
}

impl Trust {
    /// Each of `operator_cas` is PEM with one certificate or more.
    pub(super) fn new(operator_cas: &[Vec<u8>]) -> Result<Self, LinksError> {
        let mut operator = RootCertStore::empty();
        for pem in operator_cas {
            let before = operator.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| LinksError::OperatorCa(error.into()))?;
                operator.add(certificate).map_err(|error| LinksError::OperatorCa(error.into()))?;
            }
            if operator.len() == before {
                return Err(LinksError::OperatorCa("no certificate in it".into()));
            }
        }
        Ok(Self { operator, configs: OnceCell::new() })
    }

    pub(super) async fn handshake(&self, tcp: TcpStream, target: &Target, speaks: Speaks) -> Result<Stream, DialError> {
        let configs = self.configs().await?;
        let config = match speaks {
            Speaks::Http1 => &configs.http1,
            Speaks::Http2 => &configs.http2,
            Speaks::Websocket => &configs.websocket,
        };
        let stream = TlsConnector::from(Arc::clone(config)).connect(name(target)?, tcp).await.map_err(|error| why(&error))?;
        if speaks == Speaks::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(DialError::NotHttp2);
        }
        Ok(Stream::Tls(Box::new(stream)))
    }

    async fn configs(&self) -> Result<&Configs, DialError> {
        self.configs
            .get_or_try_init(|| async {
                // Reading the system's roots blocks for tens of milliseconds, which other sessions must not feel.
                let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
                let system = system.map_err(|_| DialError::Tls("no roots of trust"))?;
                let mut roots = self.operator.clone();
                let (added, unreadable) = roots.add_parsable_certificates(system.certs);
                if added == 0 || !system.errors.is_empty() {
                    tracing::warn!(added, unreadable, errors = ?system.errors, "system's roots of trust are incomplete");
                }
                Configs::new(roots)
            })
            .await
    }
}

impl Configs {
    fn new(roots: RootCertStore) -> Result<Self, DialError> {
        // Named here, not taken from the process: whoever else links rustls has no say in how keys are guarded.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let base = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| DialError::Tls("no common cipher suites"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let with = |protocols: &[&[u8]]| {
            let mut config = base.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self { http1: with(&[b"http/1.1"]), http2: with(&[b"h2"]), websocket: with(&[]) })
    }
}

fn name(target: &Target) -> Result<ServerName<'static>, DialError> {
    match target.host() {
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_| DialError::Tls("no certificate can have the host's name"))
        }
        Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
    }
}

/// Few words of ours: a certificate may say what it likes, and none of it goes to a guest.
fn why(error: &io::Error) -> DialError {
    let tls = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    DialError::Tls(match tls {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => "the certificate is of an unknown issuer",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "the certificate is not valid yet",
            CertificateError::Revoked => "the certificate was revoked",
            _ => "the certificate is not accepted",
        },
        Some(
            rustls::Error::NoApplicationProtocol | rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol),
        ) => {
            return DialError::NotHttp2;
        }
        Some(rustls::Error::AlertReceived(_)) => "the peer ended the handshake",
        Some(rustls::Error::InvalidMessage(_)) => "the peer does not speak TLS",
        Some(_) => "the handshake failed",
        None => "the connection was lost in the handshake",
    })
}
