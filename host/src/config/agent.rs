//! `[agent]`: who thinks.

use std::path::PathBuf;
use std::time::Duration;
use vg_domain::pii::Pii;

/// Who thinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// The built-in agent, which needs no service.
    #[default]
    Builtin,
    /// The agent-orchestrator by HTTP.
    Http(RemoteAgent),
    /// The agent-orchestrator by gRPC.
    Grpc(RemoteAgent),
    /// A language model behind a server of chat completions.
    Chat(ChatAgent),
}

/// An agent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAgent {
    /// Base URL, `http` or `https`.
    pub url: url::Url,
    /// Bearer token; none where the service asks for none.
    pub token: Option<Pii<String>>,
    /// Certificates (PEM) of the operator's own authorities, trusted beside the system's.
    pub operator_cas: Vec<PathBuf>,
    /// The time for a whole answer. First words have the tenant's own deadline.
    pub answer: Duration,
}

/// A language model and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAgent {
    /// Where it is.
    pub remote: RemoteAgent,
    /// The model, as its server names it.
    pub model: String,
    /// What it is to be and do.
    pub system: String,
    /// Turns of a conversation that it is told of, the newest.
    pub history_turns: usize,
}
