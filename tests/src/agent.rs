//! A reference orchestrator: what a service has to do to think for callers, by HTTP and by gRPC, in as little code as shows it. `docs/agent.md` is the
//! contract. [`brain`] is the part that is the same whatever is spoken: conversations, turns that may come twice, answers in pieces. For tests it
//! gets into any [`Trouble`], by name, and remembers what it was told.

pub mod brain;
mod chat;
mod grpc;
mod http;
mod trouble;

pub use brain::{Brain, Question, Seen, Turn};
pub use trouble::Trouble;

use crate::tls::{self, Authority};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How answers come by HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Plain,
    /// Server-sent events.
    #[default]
    Sse,
    /// A JSON document a line.
    Ndjson,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Sse, Self::Ndjson];
}

/// A running orchestrator. It ends when it is dropped.
pub struct Orchestrator {
    /// What it thinks and remembers.
    pub brain: Arc<Brain>,
    http: SocketAddr,
    grpc: SocketAddr,
    authority: Option<Authority>,
    connections: Arc<AtomicUsize>,
    _servers: JoinSet<()>,
}

impl Orchestrator {
    /// Answers in this shape, in plain text.
    pub async fn start(shape: Shape) -> Self {
        Self::run(shape, None).await
    }

    /// By TLS, with a certificate for 127.0.0.1 of an authority of its own.
    pub async fn start_tls() -> Self {
        Self::run(Shape::Sse, Some(Authority::new())).await
    }

    async fn run(shape: Shape, authority: Option<Authority>) -> Self {
        let brain = Arc::new(Brain::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let mut servers = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let router = http::router(Arc::clone(&brain), shape).merge(chat::router(Arc::clone(&brain), shape));
        let count = Arc::clone(&connections);
        servers.spawn(tls::serve(listener, router, authority.as_ref().map(Authority::acceptor), count));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = listener.local_addr().unwrap();
        servers.spawn(grpc::serve(listener, Arc::clone(&brain), authority.as_ref().map(Authority::identity)));
        Self { brain, http, grpc, authority, connections, _servers: servers }
    }

    /// `[agent]` of a gateway that asks it by HTTP.
    pub fn by_http(&self) -> String {
        format!("[agent]\nkind = 'http'\nurl = '{}://{}'\n", self.scheme(), self.http)
    }

    /// The same by gRPC.
    pub fn by_grpc(&self) -> String {
        format!("[agent]\nkind = 'grpc'\nurl = '{}://{}'\n", self.scheme(), self.grpc)
    }

    /// The same as a server of chat completions.
    pub fn by_chat(&self) -> String {
        format!("[agent]\nkind = 'openai'\nurl = '{}://{}/v1'\nmodel = 'parrot'\n", self.scheme(), self.http)
    }

    fn scheme(&self) -> &'static str {
        if self.authority.is_some() { "https" } else { "http" }
    }

    /// Writes its authority's certificate (PEM), where it has one.
    pub fn write_authority(&self, file: &Path) {
        std::fs::write(file, self.authority.as_ref().unwrap().pem()).unwrap();
    }

    /// Connections that were made to its HTTP side so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
