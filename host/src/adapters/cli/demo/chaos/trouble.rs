//! Two vendors and an agent on loopback, each with its own way to fail: real sockets, spoken to by the same plugins and adapters as any other.

use crate::adapters::agent::builtin;
use crate::adapters::cli::terminal::say;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The listener's process dies when it has heard so much of the caller's voice: half a second of G.711.
const HEARS: usize = 4_000;
/// The agent says nothing to this turn.
const UNANSWERED: u64 = 2;

/// Those who are to fail. They go when this is dropped.
pub(super) struct Troubles {
    /// Hears by the protocol of `stt-http`, and dies in the middle of a word.
    pub(super) listener: SocketAddr,
    /// Speaks by the protocol of `tts-http`, and says nothing.
    pub(super) speaker: SocketAddr,
    /// Answers as the built-in agent does, but for one turn.
    pub(super) agent: SocketAddr,
    call: Arc<Call>,
    _serving: JoinSet<()>,
}

/// The call that they spoil.
#[derive(Default)]
struct Call {
    begun: OnceLock<Instant>,
}

impl Call {
    fn tell(&self, what: &str) {
        let seconds = self.begun.get().map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        say(format_args!("{seconds:6.1} s  **      {what}"));
    }
}

impl Troubles {
    pub(super) async fn start() -> std::io::Result<Self> {
        let call = Arc::<Call>::default();
        let mut serving = JoinSet::new();
        let dies = CancellationToken::new();
        let process = Arc::new(Process { call: Arc::clone(&call), dies: dies.clone() });
        let listener = serve(&mut serving, Router::new().route("/listen", get(listen)).with_state(process), dies).await?;
        let speaker = Router::new().route("/speak", post(speak)).with_state(Arc::clone(&call));
        let speaker = serve(&mut serving, speaker, CancellationToken::new()).await?;
        let agent = Router::new()
            .route("/api/v1/conversations", post(open))
            .route("/api/v1/conversations/{id}/turns", post(turn))
            .fallback(any(async || StatusCode::NO_CONTENT))
            .with_state(Arc::clone(&call));
        let agent = serve(&mut serving, agent, CancellationToken::new()).await?;
        Ok(Self { listener, speaker, agent, call, _serving: serving })
    }

    /// The call begins now: times are told from here.
    pub(super) fn begin(&self) -> Instant {
        *self.call.begun.get_or_init(Instant::now)
    }
}

async fn serve(serving: &mut JoinSet<()>, router: Router, dies: CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    serving.spawn(async move {
        tokio::select! {
            _never = async { axum::serve(listener, router).await } => {}
            () = dies.cancelled() => {}
        }
    });
    Ok(address)
}

/// The listener's.
struct Process {
    call: Arc<Call>,
    dies: CancellationToken,
}

async fn listen(State(process): State<Arc<Process>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        if hear(&mut socket).await {
            process.dies.cancel();
            process.call.tell("the listener's process dies, in the middle of a word: connection and port are gone");
        }
    })
}

/// Hears a call by `docs/own-engine.md`, and understands nothing. True where it is time to die.
async fn hear(socket: &mut WebSocket) -> bool {
    let (mut speaks, mut heard) = (false, 0);
    while let Some(Ok(message)) = socket.recv().await {
        let answer = match message {
            Message::Binary(sound) if speaks => {
                heard += sound.len();
                if heard >= HEARS {
                    return true;
                }
                continue;
            }
            Message::Text(text) => match serde_json::from_str::<Value>(&text).unwrap_or_default()["type"].as_str() {
                Some("start") => json!({"type": "ready", "version": 1}),
                Some("finalize") => json!({"type": "finalized"}),
                Some("end") => json!({"type": "done"}),
                Some("speech_started") => {
                    speaks = true;
                    continue;
                }
                _ => continue,
            },
            _ => continue,
        };
        if socket.send(Message::text(answer.to_string())).await.is_err() {
            break;
        }
    }
    false
}

async fn speak(State(call): State<Arc<Call>>) -> Response {
    call.tell("the speaker answers 200, and there is no sound in it");
    ([(header::CONTENT_TYPE, "audio/pcmu;rate=8000")], "").into_response()
}

async fn open(Json(body): Json<Value>) -> Json<Value> {
    Json(json!({"conversation_id": body["call_id"]}))
}

async fn turn(State(call): State<Arc<Call>>, Path(_): Path<String>, Json(body): Json<Value>) -> Json<Value> {
    if body["turn_id"] == UNANSWERED {
        call.tell("the agent takes the question, and does not answer");
        return std::future::pending().await;
    }
    Json(json!({"text": builtin::say(body["text"].as_str().unwrap_or_default())}))
}
