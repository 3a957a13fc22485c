//! What is served with TLS, and its certificate's change.

use crate::adapters::http::{Certificate, CertificateError, front, serve};
use axum::Router;
use axum::routing::get;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

/// A new certificate for localhost in the folder's files.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

async fn ask(at: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(at).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    tls.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_certificate_that_changes_is_taken_over_and_one_that_cannot_be_used_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = renew(folder.path());
    let files = || (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let certificate = Arc::new(Certificate::read(files().0, files().1).unwrap());
    let router = front(Router::new().route("/hello", get(async || "hello")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    let server = tokio::spawn(serve(listener, router, Some(Arc::clone(&certificate)), stop.clone()));
    assert!(ask(at, &first).await.unwrap().ends_with("hello"));

    let second = renew(folder.path());
    certificate.refresh().unwrap();
    assert!(ask(at, &first).await.is_err());
    assert!(ask(at, &second).await.unwrap().ends_with("hello"));

    // Only half of the renewal, then nonsense: told once, and what serves stays.
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(files().1, other.signing_key.serialize_pem()).unwrap();
    assert!(matches!(certificate.refresh(), Err(CertificateError::Unfit(_))));
    assert!(certificate.refresh().is_ok());
    std::fs::write(files().0, "no certificate").unwrap();
    assert!(certificate.refresh().is_err());
    assert!(ask(at, &second).await.unwrap().ends_with("hello"));
    stop.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn plain_text_at_a_tls_port_is_turned_away_and_the_next_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = renew(folder.path());
    let certificate = Certificate::read(folder.path().join("chain.pem"), folder.path().join("key.pem")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = front(Router::new().route("/hello", get(async || "hello")));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(serve(listener, router, Some(Arc::new(certificate)), CancellationToken::new()));
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    assert!(ask(at, &trusted).await.unwrap().ends_with("hello"));
}
