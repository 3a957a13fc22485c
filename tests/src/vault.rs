//! A vault on loopback: it keeps what it is given in mind, gives tokens, and for tests gets into any [`VaultTrouble`].

use crate::tls::{self, Authority};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What ails a vault, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultTrouble {
    /// It never answers.
    Deaf,
    /// 500, with the card in what it says of it.
    Fails,
    /// 422, with the card in what it says of it.
    Refuses,
    /// 401.
    Unauthorized,
    /// No JSON, but the card.
    Garbage,
    /// A token in which the number is.
    Echoes,
    /// More than anybody reads.
    TooLong,
    /// 307, to itself.
    Redirects,
    /// It breaks off before it answers, although it has kept the card.
    Breaks,
}

/// A running vault. It ends when it is dropped.
pub struct VaultDouble {
    /// What it knows.
    pub mind: Arc<Mind>,
    address: SocketAddr,
    authority: Option<Authority>,
    connections: Arc<AtomicUsize>,
    _servers: JoinSet<()>,
}

/// What a vault knows.
#[derive(Default)]
pub struct Mind {
    troubles: Mutex<VecDeque<VaultTrouble>>,
    requests: Mutex<Vec<Asked>>,
    kept: Mutex<HashMap<String, String>>,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `authorization`.
    pub authorization: String,
    /// `idempotency-key`.
    pub key: String,
    /// Its body.
    pub body: Value,
}

impl Mind {
    /// The next requests get into these troubles.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = VaultTrouble>) {
        self.troubles.lock().unwrap().extend(troubles);
    }

    /// Everything that it was asked so far.
    pub fn requests(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }

    /// Cards that it has kept: one for each key.
    pub fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    fn keep(&self, key: &str) -> String {
        let mut kept = self.kept.lock().unwrap();
        let next = format!("tok-{}", kept.len() + 1);
        kept.entry(key.to_owned()).or_insert(next).clone()
    }
}

impl VaultDouble {
    /// By TLS, with a certificate for 127.0.0.1 of an authority of its own.
    pub async fn start() -> Self {
        Self::run(Some(Authority::new())).await
    }

    /// In plain text.
    pub async fn start_plain() -> Self {
        Self::run(None).await
    }

    async fn run(authority: Option<Authority>) -> Self {
        let (mind, connections) = (Arc::new(Mind::default()), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/cards", post(keep)).with_state(Arc::clone(&mind));
        let mut servers = JoinSet::new();
        let acceptor = authority.as_ref().map(Authority::acceptor);
        servers.spawn(tls::serve(listener, router, acceptor, Arc::clone(&connections)));
        Self { mind, address, authority, connections, _servers: servers }
    }

    /// Where cards are posted to.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1/cards", self.address)
    }

    /// Writes its authority's certificate (PEM).
    pub fn write_authority(&self, file: &Path) {
        std::fs::write(file, self.authority.as_ref().unwrap().pem()).unwrap();
    }

    /// Connections that were made to it so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn keep(State(mind): State<Arc<Mind>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let card: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (key, authorization) = (text("idempotency-key"), text(AUTHORIZATION.as_str()));
    mind.requests.lock().unwrap().push(Asked { authorization, key: key.clone(), body: card.clone() });
    let echo = || format!("cannot keep {card}");
    let trouble = mind.troubles.lock().unwrap().pop_front();
    match trouble {
        None => (StatusCode::CREATED, Json(json!({"token": mind.keep(&key), "brand": "visa"}))).into_response(),
        Some(VaultTrouble::Deaf) => std::future::pending().await,
        Some(VaultTrouble::Fails) => (StatusCode::INTERNAL_SERVER_ERROR, echo()).into_response(),
        Some(VaultTrouble::Refuses) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": echo()}))).into_response(),
        Some(VaultTrouble::Unauthorized) => StatusCode::UNAUTHORIZED.into_response(),
        Some(VaultTrouble::Garbage) => echo().into_response(),
        Some(VaultTrouble::Echoes) => {
            Json(json!({"token": format!("tok-{}", card["number"].as_str().unwrap_or("none"))})).into_response()
        }
        Some(VaultTrouble::TooLong) => Json(json!({"token": "x".repeat(64 << 10)})).into_response(),
        Some(VaultTrouble::Redirects) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/v1/cards")]).into_response(),
        Some(VaultTrouble::Breaks) => {
            mind.keep(&key);
            // A task that ends badly takes its connection with it.
            std::panic::resume_unwind(Box::new("breaks on purpose"))
        }
    }
}
