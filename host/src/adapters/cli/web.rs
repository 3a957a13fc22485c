//! A small HTTP client for questions to a gateway or an Asterisk.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One question takes this long at most.
const DEADLINE: Duration = Duration::from_secs(5);
/// An answer has this many bytes at most.
const ANSWER_MAX: usize = 1 << 20;

/// GETs a plain-http URL, with user and password where given.
pub(super) async fn get(url: &str, credentials: Option<(&str, &str)>) -> anyhow::Result<(StatusCode, Bytes)> {
    request(Method::GET, url, credentials).await
}

/// The same with another method, and nothing in the body.
pub(super) async fn request(method: Method, url: &str, credentials: Option<(&str, &str)>) -> anyhow::Result<(StatusCode, Bytes)> {
    let mut request = Request::builder().method(method).uri(url);
    if let Some((user, password)) = credentials {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    }
    let request = request.body(Empty::<Bytes>::new())?;
    exchange(&Client::builder(TokioExecutor::new()).build_http(), request).await
}

/// The same by http or https. `ca`: authorities (PEM) that are believed instead of the system's.
pub(super) async fn ask(request: Request<Empty<Bytes>>, ca: Option<&Path>) -> anyhow::Result<(StatusCode, Bytes)> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file).with_context(|| format!("cannot read {}", file.display()))?;
            for certificate in certificates {
                roots.add(certificate?).with_context(|| format!("cannot use {}", file.display()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    exchange(&Client::builder(TokioExecutor::new()).build(connector), request).await
}

async fn exchange<C: Connect + Clone + Send + Sync + 'static>(
    client: &Client<C, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async {
        // The client's own chain ("client error", "tcp connect error", ...) says no more than this.
        let Ok(answer) = client.request(request).await else { bail!("nobody answers there") };
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let Ok(body) = body else { bail!("the answer broke off or is too long") };
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(DEADLINE, exchange).await.context("no answer in time")?
}
