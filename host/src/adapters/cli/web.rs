//! A small HTTP client for questions to a gateway or an Asterisk.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
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
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
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
