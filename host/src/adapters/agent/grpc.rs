//! The agent-orchestrator by gRPC: `proto/agent.proto`.

mod messages;

use super::service::{Answer, Fault, Piece, Service};
use super::tls::SetUpError;
use super::web::{CONNECT_WITHIN, DEADLINE_HEADER, KEEP_ALIVE, TRACE_HEADER, WHOLE_MAX};
use crate::adapters::otlp::Traces;
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, Question};
use http::uri::PathAndQuery;
use messages::{Conversation, Empty, Handover, NewConversation, Profile, Transfer, Turn, TurnEvent, TurnRef};
use prost::Message;
use std::collections::VecDeque;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use url::Url;
use vg_domain::ids::{ConversationId, TurnId};
use vg_domain::pii::Pii;

const CREATE: &str = "/serphona.agent.v1.Agent/CreateConversation";
const TURN: &str = "/serphona.agent.v1.Agent/TakeTurn";
const COMMIT: &str = "/serphona.agent.v1.Agent/CommitTurn";
const AGENT: &str = "/serphona.agent.v1.Agent/GetAgent";
const TRANSFER: &str = "/serphona.agent.v1.Agent/RequestTransfer";
/// Any server knows it or says that it does not.
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// See the module. One HTTP/2 connection carries all calls, and is made anew when it breaks.
pub(super) struct GrpcService {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    traces: Traces,
}

impl GrpcService {
    pub(super) fn new(
        url: &Url,
        token: Option<&Pii<String>>,
        roots: rustls::RootCertStore,
        traces: Traces,
    ) -> Result<Self, SetUpError> {
        let mut endpoint = Endpoint::from_shared(url.as_str().to_owned())?
            .user_agent(concat!("voice-gateway/", env!("CARGO_PKG_VERSION")))?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        if url.scheme() == "https" {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().trust_anchors(roots.roots))?;
        }
        let token = token.map(|token| format!("Bearer {}", token.reveal()).parse::<MetadataValue<Ascii>>()).transpose()?;
        let token = token.map(|mut token| {
            token.set_sensitive(true);
            token
        });
        Ok(Self { channel: endpoint.connect_lazy(), token, traces })
    }

    fn request<M>(&self, message: M, left: Duration) -> Request<M> {
        let mut request = Request::new(message);
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        request.metadata_mut().insert(DEADLINE_HEADER, millis.into());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    async fn client(&self) -> Result<Grpc<Channel>, Fault> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(WHOLE_MAX);
        client.ready().await.map_err(|_| Fault::Unavailable)?;
        Ok(client)
    }

    async fn fetch<M, T>(&self, path: &'static str, message: M, left: Duration) -> Result<T, Fault>
    where
        M: Message + 'static,
        T: Message + Default + 'static,
    {
        let mut request = self.request(message, left);
        request.set_timeout(left);
        let codec = ProstCodec::<M, T>::default();
        let answer = self.client().await?.unary(request, PathAndQuery::from_static(path), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| fault(&status))
    }
}

impl Service for GrpcService {
    type Answer = Stream;

    async fn open(&self, request: &ConversationRequest, left: Duration) -> Result<ConversationId, Fault> {
        let opened = self.fetch::<_, Conversation>(CREATE, NewConversation::of(request), left).await;
        match opened {
            Ok(Conversation { conversation_id }) => super::commands::id(conversation_id).map(ConversationId::new),
            // Nothing was named that it could not know.
            Err(Fault::UnknownConversation) => Err(Fault::Refused),
            Err(fault) => Err(fault),
        }
    }

    async fn ask(&self, question: &Question, left: Duration) -> Result<Stream, Fault> {
        // No gRPC deadline: it would hold for the last word as for the first.
        let mut request = self.request(Turn::of(question), left);
        let parent = self.traces.parent(&question.call, question.turn).and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent {
            request.metadata_mut().insert(TRACE_HEADER, parent);
        }
        let codec = ProstCodec::<Turn, TurnEvent>::default();
        let answer = self.client().await?.server_streaming(request, PathAndQuery::from_static(TURN), codec).await;
        answer.map(|answer| Stream { events: answer.into_inner(), pieces: VecDeque::new() }).map_err(|status| fault(&status))
    }

    /// Dropping the stream has told it (RST_STREAM).
    async fn abort(&self, _: &Question) {}

    async fn commit(&self, conversation: &ConversationId, turn: TurnId) {
        let turn = TurnRef { conversation_id: conversation.as_str().to_owned(), turn_id: turn.0 };
        let _ = self.fetch::<_, Empty>(COMMIT, turn, CONNECT_WITHIN).await;
    }

    async fn who(&self, conversation: &ConversationId, left: Duration) -> Result<AgentProfile, Fault> {
        let conversation = Conversation { conversation_id: conversation.as_str().to_owned() };
        self.fetch::<_, Profile>(AGENT, conversation, left).await?.parse()
    }

    async fn hand_over(&self, request: &HandoverRequest, left: Duration) -> Result<HandoverAdvice, Fault> {
        self.fetch::<_, Transfer>(TRANSFER, Handover::of(request), left).await?.advice()
    }

    async fn connect(&self) {
        let _ = self.fetch::<_, Empty>(HEALTH, Empty {}, CONNECT_WITHIN).await;
    }
}

/// An answer that is on its way.
pub(super) struct Stream {
    events: Streaming<TurnEvent>,
    /// Read, and not given on.
    pieces: VecDeque<Piece>,
}

impl Answer for Stream {
    async fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            match self.events.message().await {
                Ok(None) => return Ok(None),
                Ok(Some(event)) => event.read(&mut self.pieces)?,
                Err(status) => return Err(fault(&status)),
            }
        }
    }
}

/// What a status means.
fn fault(status: &Status) -> Fault {
    tracing::debug!(code = ?status.code(), "agent refused a call");
    match status.code() {
        Code::ResourceExhausted => Fault::RateLimited(pushback(status.metadata())),
        Code::NotFound => Fault::UnknownConversation,
        Code::Unauthenticated | Code::PermissionDenied => Fault::Unauthorized,
        Code::Unimplemented => Fault::Unsupported,
        Code::DeadlineExceeded => Fault::Deadline,
        // So says the client where a message is longer than it takes.
        Code::OutOfRange => Fault::TooLong,
        Code::Cancelled => Fault::Cut,
        Code::Unavailable | Code::Internal | Code::Unknown | Code::Aborted | Code::DataLoss => Fault::Unavailable,
        Code::Ok | Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => Fault::Refused,
    }
}

/// `grpc-retry-pushback-ms` (gRFC A6), or `retry-after` in seconds as by HTTP.
fn pushback(metadata: &MetadataMap) -> Option<Duration> {
    let number = |key: &str| metadata.get(key)?.to_str().ok()?.trim().parse::<u64>().ok();
    number("grpc-retry-pushback-ms").map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let fault = |code: Code| fault(&Status::new(code, "no matter what")).code();
        let codes: Vec<(i32, &str)> = (0..=16).map(|code| (code, fault(Code::from(code)))).collect();
        assert_eq!(
            codes,
            [
                (0, "refused"),
                (1, "cut"),
                (2, "unavailable"),
                (3, "refused"),
                (4, "deadline"),
                (5, "unknown_conversation"),
                (6, "refused"),
                (7, "unauthorized"),
                (8, "rate_limited"),
                (9, "refused"),
                (10, "unavailable"),
                (11, "too_long"),
                (12, "unsupported"),
                (13, "unavailable"),
                (14, "unavailable"),
                (15, "unavailable"),
                (16, "unauthorized"),
            ]
        );
    }

    #[test]
    fn a_service_says_when_to_come_again() {
        let mut metadata = MetadataMap::new();
        assert_eq!(pushback(&metadata), None);
        metadata.insert("retry-after", 3.into());
        assert_eq!(pushback(&metadata), Some(Duration::from_secs(3)));
        metadata.insert("grpc-retry-pushback-ms", 250.into());
        assert_eq!(pushback(&metadata), Some(Duration::from_millis(250)));
    }
}
