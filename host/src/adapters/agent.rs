//! Who thinks.
//!
//! [`builtin`] needs nothing. The others are elsewhere: `http` and `grpc` are the agent-orchestrator (`docs/agent.md`), `openai` is any server of chat
//! completions. What is the same for them stands in `remote` (tasks), `relay` (one answer), `patience` (repetition) and `service` (what each has to do).

pub mod builtin;
mod commands;
mod grpc;
mod http;
mod memory;
mod openai;
mod patience;
mod relay;
mod remote;
mod service;
mod tls;
mod web;

use crate::adapters::otlp::Traces;
use crate::adapters::tally::Tally;
use crate::application::ports::Agent;
use crate::config::{self, ChatAgent, Faults, RemoteAgent};
use builtin::BuiltinAgent;
use futures_util::future::{BoxFuture, FutureExt, ready};
use grpc::GrpcService;
use http::HttpService;
use openai::ChatService;
use remote::Remote;
use service::Service;
use std::sync::Arc;
use tls::SetUpError;
use tokio_util::sync::CancellationToken;
use web::Web;

/// The agent of a configuration.
pub struct Chosen {
    /// For calls.
    pub agent: Arc<dyn Agent>,
    /// What has to run beside it until the token that was given is cancelled: keeps a connection open, and joins answers at the end.
    pub upkeep: BoxFuture<'static, ()>,
    /// How its answers ended; stays empty for the built-in one, which has no way to fall.
    pub answers: Tally,
}

/// The agent that the operator chose. Nobody is called: a service that is away makes no gateway unready. `traces`: whether one elsewhere is told of
/// the traces of turns.
///
/// # Errors
/// What of the configuration cannot be used, by its place.
pub fn choose(config: &config::Agent, traces: Traces, close: CancellationToken) -> Result<Chosen, Faults> {
    match config {
        config::Agent::Builtin => {
            Ok(Chosen { agent: Arc::new(BuiltinAgent::new()), upkeep: ready(()).boxed(), answers: Tally::default() })
        }
        config::Agent::Http(remote) => Ok(start(HttpService::new(web(remote, traces)?), remote, close)),
        config::Agent::Grpc(remote) => {
            let roots = tls::roots(remote)?;
            let service = GrpcService::new(&remote.url, remote.token.as_ref(), roots, traces).map_err(|error| fault(&error))?;
            Ok(start(service, remote, close))
        }
        config::Agent::Chat(ChatAgent { remote, model, system, history_turns }) => {
            let service = ChatService::new(web(remote, traces)?, model.clone(), system.clone(), *history_turns);
            Ok(start(service, remote, close))
        }
    }
}

fn web(remote: &RemoteAgent, traces: Traces) -> Result<Web, Faults> {
    let roots = tls::roots(remote)?;
    let web = tls::client_config(roots).and_then(|tls| Web::new(&remote.url, remote.token.as_ref(), tls, traces));
    web.map_err(|error| fault(&error))
}

fn fault(error: &SetUpError) -> Faults {
    Faults::one("agent", format_args!("{error}: {}", error.reason()))
}

fn start(service: impl Service, remote: &RemoteAgent, close: CancellationToken) -> Chosen {
    let answers = Tally::default();
    let agent = Arc::new(Remote::new(service, remote.answer, answers.clone()));
    Chosen { agent: Arc::clone(&agent) as _, upkeep: agent.run(close).boxed(), answers }
}

/// The faults of a choice, for those who do not start it.
///
/// # Errors
/// As [`choose`].
pub fn check(config: &config::Agent) -> Result<(), Faults> {
    match config {
        config::Agent::Builtin => Ok(()),
        config::Agent::Http(remote) | config::Agent::Grpc(remote) | config::Agent::Chat(ChatAgent { remote, .. }) => {
            tls::operator_cas(remote).map(drop)
        }
    }
}
