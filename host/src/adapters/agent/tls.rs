//! Whom agents elsewhere are believed by: the system's authorities and the operator's.

use crate::config::{Faults, RemoteAgent};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the client of the agent")]
pub(super) struct SetUpError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SetUpError {
    /// What lies beneath, in words.
    pub(super) fn reason(&self) -> &dyn std::error::Error {
        &*self.0
    }
}

macro_rules! from_source {
    ($($source:ty),*) => {$(
        impl From<$source> for SetUpError {
            fn from(source: $source) -> Self {
                Self(source.into())
            }
        }
    )*};
}
from_source!(
    rustls::Error,
    reqwest::Error,
    reqwest::header::InvalidHeaderValue,
    tonic::transport::Error,
    tonic::metadata::errors::InvalidMetadataValue
);

/// The operator's authorities.
///
/// # Errors
/// Each file that cannot be read or holds no certificate, by its place in the configuration.
pub(super) fn operator_cas(remote: &RemoteAgent) -> Result<Vec<CertificateDer<'static>>, Faults> {
    let mut faults = Faults::default();
    let mut cas = Vec::new();
    for (at, file) in remote.operator_cas.iter().enumerate() {
        let path = format!("agent.operator_cas[{at}]");
        match std::fs::read(file).map(|pem| certificates(&pem)) {
            Err(error) => faults.add(path, error),
            Ok(Ok(found)) if !found.is_empty() => cas.extend(found),
            Ok(_) => faults.add(path, "holds no certificate (PEM)"),
        }
    }
    faults.or(cas)
}

/// Those that can be read, and only if each is one that can be trusted.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    match found.iter().all(|certificate| roots.add(certificate.clone()).is_ok()) {
        true => Ok(found),
        false => Err(Error::NoItemsFound),
    }
}

/// The system's authorities and the operator's; none where nothing is encrypted. Reading the system's takes tens of milliseconds: once, at the start.
///
/// # Errors
/// As [`operator_cas`].
pub(super) fn roots(remote: &RemoteAgent) -> Result<RootCertStore, Faults> {
    let operator_cas = operator_cas(remote)?;
    let mut roots = RootCertStore::empty();
    if remote.url.scheme() == "https" {
        let system = rustls_native_certs::load_native_certs();
        let (added, unreadable) = roots.add_parsable_certificates(system.certs);
        if added == 0 || !system.errors.is_empty() {
            tracing::warn!(added, unreadable, errors = ?system.errors, "system's roots of trust are incomplete");
        }
        roots.add_parsable_certificates(operator_cas);
    }
    Ok(roots)
}

/// A client that proposes HTTP/2 and takes HTTP/1.1.
pub(super) fn client_config(roots: RootCertStore) -> Result<ClientConfig, SetUpError> {
    // Named here, not taken from the process: whoever else links rustls has no say in how keys are guarded.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
