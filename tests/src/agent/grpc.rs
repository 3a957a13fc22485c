//! The orchestrator by gRPC, with messages and server that are generated from `host/proto/agent.proto`.

#[allow(unreachable_pub, missing_docs, clippy::all, reason = "generated")]
mod proto {
    tonic::include_proto!("serphona.agent.v1");
}

use super::brain::{Answer, Brain, Turn as Asked, Unknown};
use super::trouble::{PAUSE, Trouble};
use futures_util::stream::{self, BoxStream, StreamExt};
use proto::agent_server::{Agent, AgentServer};
use proto::command::Action;
use proto::turn_event::Event;
use proto::{
    AgentProfile, Card, Collect, CollectCard, Command, Committed, Conversation, ConversationRef, Done, Handover, HandoverAdvice,
    HangUp, Human, Manner, NewConversation, Transfer, Turn, TurnEvent, TurnRef,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

type Events = BoxStream<'static, Result<TurnEvent, Status>>;

pub(super) async fn serve(listener: TcpListener, brain: Arc<Brain>, identity: Option<Identity>) {
    let mut server = Server::builder();
    if let Some(identity) = identity {
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    server.add_service(AgentServer::new(Service { brain })).serve_with_incoming(incoming).await.unwrap();
}

struct Service {
    brain: Arc<Brain>,
}

impl From<Unknown> for Status {
    fn from(Unknown: Unknown) -> Self {
        Self::not_found("no such conversation")
    }
}

impl Service {
    fn note<M>(&self, request: &Request<M>) {
        let text = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        self.brain.note(|seen| seen.authorizations.push(text("authorization")));
    }
}

#[tonic::async_trait]
impl Agent for Service {
    async fn create_conversation(&self, request: Request<NewConversation>) -> Result<Response<Conversation>, Status> {
        self.note(&request);
        let new = request.into_inner();
        self.brain.note(|seen| {
            seen.opened.push(json!({
                "call_id": new.call_id, "tenant_id": new.tenant_id, "language": new.language, "caller_number": new.caller_number,
                "callee_number": new.callee_number, "direction": new.direction, "agent_id": new.agent_id, "greeting": new.greeting, "metadata": new.metadata,
            }));
        });
        if let Some(trouble) = self.brain.next_trouble() {
            return Err(refusal(trouble).unwrap_or_else(|| Status::internal("no such trouble here")));
        }
        Ok(Response::new(Conversation { conversation_id: self.brain.open(&new.call_id, &new.greeting) }))
    }

    type TakeTurnStream = Events;

    async fn take_turn(&self, request: Request<Turn>) -> Result<Response<Events>, Status> {
        self.note(&request);
        let deadline_ms = request.metadata().get("x-deadline-ms").and_then(|value| value.to_str().ok()?.parse().ok());
        let trace = request.metadata().get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let turn = request.into_inner();
        self.brain.note(|seen| {
            seen.traces.extend(trace);
            seen.turns.push(turn_json(&turn));
            seen.deadlines_ms.push(deadline_ms.unwrap_or(0));
        });
        let heard = turn.heard.into_iter().map(|heard| heard.heard).collect();
        let (conversation, id, text, speculative) = (turn.conversation_id, turn.turn_id, turn.text, turn.speculative);
        let asked = Asked { conversation, id, text, heard, speculative };
        let answer = self.brain.take(&asked)?;
        let events = match self.brain.next_trouble() {
            None => answered(&answer),
            Some(Trouble::Deaf) => std::future::pending().await,
            Some(trouble) => match refusal(trouble) {
                Some(status) => return Err(status),
                None => in_trouble(trouble),
            },
        };
        let watch = Watch { brain: Arc::clone(&self.brain), turn: asked.id, wanted: true };
        Ok(Response::new(watch.over(events)))
    }

    async fn commit_turn(&self, request: Request<TurnRef>) -> Result<Response<Committed>, Status> {
        let TurnRef { conversation_id, turn_id } = request.into_inner();
        self.brain.commit(&conversation_id, turn_id);
        Ok(Response::new(Committed {}))
    }

    async fn get_agent(&self, request: Request<ConversationRef>) -> Result<Response<AgentProfile>, Status> {
        let (agent_id, name) = self.brain.who(&request.into_inner().conversation_id)?;
        Ok(Response::new(AgentProfile { agent_id: agent_id.to_owned(), name: name.to_owned() }))
    }

    async fn request_transfer(&self, request: Request<Handover>) -> Result<Response<HandoverAdvice>, Status> {
        let Handover { conversation_id, reason, wish } = request.into_inner();
        let mut told = json!({"reason": reason});
        if let Some(Transfer { kind, target, mode, .. }) = wish {
            told = json!({"reason": reason, "kind": kind, "target": target, "mode": mode});
        }
        self.brain.note(|seen| seen.handovers.push(told));
        let advice = self.brain.hand_over(&conversation_id)?;
        let text = |key: &str| advice[key].as_str().unwrap_or_default().to_owned();
        let (kind, target, mode, summary) = (text("kind"), text("target"), text("mode"), text("summary"));
        Ok(Response::new(HandoverAdvice { kind, target, mode, summary }))
    }
}

/// Notices that an answer is dropped before its end: so a service learns that it is no longer wanted.
struct Watch {
    brain: Arc<Brain>,
    turn: u32,
    wanted: bool,
}

impl Watch {
    fn over(self, events: Events) -> Events {
        stream::unfold((self, events), |(mut watch, mut events)| async move {
            let event = events.next().await;
            watch.wanted &= event.is_some();
            event.map(|event| (event, (watch, events)))
        })
        .boxed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.wanted {
            self.brain.note(|seen| seen.aborted.push(self.turn));
        }
    }
}

/// As `docs/agent.md` writes it.
fn turn_json(turn: &Turn) -> Value {
    let heard: Vec<Value> = turn
        .heard
        .iter()
        .map(|line| {
            let mut json = json!({"said": line.said, "heard": line.heard, "state": line.state});
            if line.turn_id > 0 {
                json["turn_id"] = line.turn_id.into();
            }
            if let Some(spoken_ms) = line.spoken_ms {
                json["spoken_ms"] = spoken_ms.into();
            }
            if let Some(precision) = &line.precision {
                json["precision"] = precision.as_str().into();
            }
            json
        })
        .collect();
    let mut json = json!({"turn_id": turn.turn_id, "text": turn.text, "heard": heard});
    if turn.speculative {
        json["speculative"] = true.into();
    }
    if let Some(Card { outcome, token, last4, brand }) = &turn.card {
        let told = [("outcome", outcome), ("token", token), ("last4", last4), ("brand", brand)];
        let told = told.into_iter().filter(|(_, text)| !text.is_empty());
        json["card"] = told.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))).collect();
    }
    json
}

fn event(event: Event) -> Result<TurnEvent, Status> {
    Ok(TurnEvent { event: Some(event) })
}

fn answered(answer: &Answer) -> Events {
    let command = answer.command.as_ref().map(|command| {
        let text = |key: &str| command[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| command[key].as_u64().map(|number| number as u32);
        let action = match command["action"].as_str() {
            Some("hang_up") => Action::HangUp(HangUp {}),
            Some("human") => Action::Human(Human {}),
            Some("collect") => Action::Collect(Collect {
                digits_max: number("digits_max").unwrap_or_default(),
                terminator: text("terminator"),
                first_ms: number("first_ms"),
                between_ms: number("between_ms"),
            }),
            Some("collect_card") => {
                let fields = command["fields"].as_array().into_iter().flatten();
                Action::CollectCard(CollectCard {
                    fields: fields.filter_map(|field| field.as_str().map(str::to_owned)).collect(),
                    first_ms: number("first_ms"),
                    between_ms: number("between_ms"),
                })
            }
            _ => Action::Transfer(Transfer {
                kind: text("kind"),
                target: text("target"),
                mode: text("mode"),
                summary: text("summary"),
            }),
        };
        Command { action: Some(action) }
    });
    let [expect, intent] = [answer.expect, answer.intent].map(|hint| hint.unwrap_or_default().to_owned());
    let words = answer.pieces.clone().into_iter().map(|piece| event(Event::Text(piece)));
    let language = answer.language.unwrap_or_default().to_owned();
    let manner = Manner { interruptible: answer.interruptible, language, hold_ms: answer.hold_ms };
    let begins = std::iter::once(event(Event::Manner(manner)));
    stream::iter(
        begins
            .chain(words)
            .chain([event(Event::Done(Done { command, expect, intent, wait_ms: answer.wait_ms }))])
            .collect::<Vec<_>>(),
    )
    .boxed()
}

fn refusal(trouble: Trouble) -> Option<Status> {
    Some(match trouble {
        Trouble::RateLimited(seconds) => {
            let mut status = Status::resource_exhausted("later");
            if let Some(seconds) = seconds {
                status.metadata_mut().insert("grpc-retry-pushback-ms", (seconds * 1_000).into());
            }
            status
        }
        Trouble::Unavailable => Status::unavailable("not now"),
        Trouble::Refused | Trouble::Redirect => Status::invalid_argument("no"),
        Trouble::Unauthorized => Status::unauthenticated("who?"),
        Trouble::Forgotten => Status::not_found("no such conversation"),
        _ => return None,
    })
}

fn in_trouble(trouble: Trouble) -> Events {
    let word = || event(Event::Text("word ".to_owned()));
    let paced = |made: fn() -> TurnEvent| {
        stream::unfold((), move |()| async move {
            tokio::time::sleep(PAUSE).await;
            Some((Ok(made()), ()))
        })
        .boxed()
    };
    let nonsense = Command { action: None };
    match trouble {
        Trouble::Drip => paced(|| TurnEvent { event: None }),
        Trouble::Slow => paced(|| TurnEvent { event: Some(Event::Text("word ".to_owned())) }),
        Trouble::CutEarly => stream::iter([Err(Status::unavailable("cut"))]).boxed(),
        Trouble::Cut => stream::iter([word(), Err(Status::unavailable("cut"))]).boxed(),
        Trouble::Unfinished => stream::iter([word()]).boxed(),
        Trouble::Endless => stream::repeat_with(word).boxed(),
        Trouble::LongEvent => stream::iter([event(Event::Text("x".repeat(1 << 20)))]).boxed(),
        Trouble::Failed => stream::iter([word(), Err(Status::internal("model down"))]).boxed(),
        _ => stream::iter([event(Event::Done(Done { command: Some(nonsense), ..Done::default() }))]).boxed(),
    }
}
