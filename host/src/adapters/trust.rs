//! Whom connections trust, and why one to an Asterisk is not made.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::Host;

/// A connection, plain or by TLS.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Whom a TLS connection trusts. `ca`: PEM of one certificate or more, trusted instead of the system's.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is no certificate.
    #[error("use the authorities of asterisk: not certificates in PEM")]
    Ca,
    /// One of `plugins.operator_cas` is none.
    #[error("use the authorities of plugins.operator_cas: not certificates in PEM")]
    OperatorCa,
    /// The system has none.
    #[error("find the system's authorities")]
    System,
}

/// Why no TLS connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsFault {
    /// The certificate is not to be trusted, and why.
    Certificate(&'static str),
    /// No TLS is spoken there, or no version in common.
    Tls,
    /// The connection broke.
    Unreachable,
}

/// TLS that trusts these authorities, or the system's.
pub(super) fn trusting(ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, TrustError> {
    with_roots(match ca {
        Some(pem) => operator_roots(pem)?,
        None => system_roots()?,
    })
}

/// TLS that trusts these authorities, each PEM of one certificate or more, beside the system's; a system without any is none the worse. Proposes HTTP/2.
pub(super) fn trusting_as_well(operator_cas: &[Vec<u8>]) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for pem in operator_cas {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|_| TrustError::OperatorCa)?).map_err(|_| TrustError::OperatorCa)?;
        }
    }
    let mut config = believing(roots)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS that trusts nobody, for where none is spoken.
pub(super) fn trusting_nobody() -> Result<Arc<ClientConfig>, TrustError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, TrustError> {
    believing(roots).map(Arc::new)
}

fn believing(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    // Named here, not taken from the process: whoever else links rustls has no say in how calls are guarded.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|_| TrustError::System)?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

/// Speaks TLS from now on, with whoever can prove to be `host`.
pub(super) async fn seal(
    tcp: TcpStream,
    host: Host<impl Into<String>>,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, TlsFault> {
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.into()).map_err(|_| TlsFault::Certificate("wrong_name"))?,
        Host::Ipv4(address) => ServerName::from(address),
        Host::Ipv6(address) => ServerName::from(address),
    };
    TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(|error| fault(&error))
}

fn operator_roots(pem: &[u8]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| TrustError::Ca)?).map_err(|_| TrustError::Ca)?;
    }
    if roots.is_empty() { Err(TrustError::Ca) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TrustError::System) } else { Ok(roots) }
}

fn fault(error: &io::Error) -> TlsFault {
    of_rustls(error).map_or(TlsFault::Unreachable, |error| match why_untrusted(error) {
        Some(why) => TlsFault::Certificate(why),
        None => TlsFault::Tls,
    })
}

/// Why the certificate of whoever was spoken to is not to be trusted, where an error of a client has come of that; bounded.
pub(super) fn untrusted(error: &(dyn Error + 'static)) -> Option<&'static str> {
    why_untrusted(of_rustls(error)?)
}

/// What TLS has said, however deep it lies: an I/O error holds its cause beside the chain.
fn of_rustls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let held = held.and_then(|held| of_rustls(held));
    held.or_else(|| of_rustls(error.source()?))
}

fn why_untrusted(error: &rustls::Error) -> Option<&'static str> {
    let rustls::Error::InvalidCertificate(why) = error else { return None };
    Some(match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not_valid_yet",
        CertificateError::UnknownIssuer => "unknown_issuer",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "wrong_name",
        CertificateError::Revoked => "revoked",
        // Another authority has taken the name of one that is trusted.
        CertificateError::BadSignature => "bad_signature",
        _ => "other",
    })
}
