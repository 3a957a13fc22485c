//! Who hears, speaks and thinks in the story: each does what it is told, and remembers every word that it was given.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// What the recogniser makes of the next thing that is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hears {
    /// While it is said.
    pub(crate) partials: Vec<&'static str>,
    /// When it is over.
    pub(crate) finals: Vec<&'static str>,
    /// In place of that it fails, and says so in these words.
    pub(crate) fault: Option<&'static str>,
}

/// A recogniser of its own.
#[derive(Clone, Default)]
pub(crate) struct Ear {
    script: Arc<Mutex<VecDeque<Hears>>>,
    /// Every word that it said: what must not be found elsewhere.
    pub(crate) said: Arc<Mutex<String>>,
    /// How loud each piece of sound was that it was given.
    pub(crate) peaks: Arc<Mutex<Vec<u16>>>,
}

impl Ear {
    pub(crate) async fn start(servers: &mut JoinSet<()>) -> (Self, SocketAddr) {
        let (ear, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (addr, serving) = (listener.local_addr().unwrap(), ear.clone());
        servers.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let ear = serving.clone();
                calls.spawn(async move { drop(ear.serve(connection).await) });
            }
        });
        (ear, addr)
    }

    /// The next thing that is said.
    pub(crate) fn hears(&self, next: Hears) {
        self.script.lock().unwrap().push_back(next);
    }

    /// So much of the script is left.
    pub(crate) fn left(&self) -> usize {
        self.script.lock().unwrap().len()
    }

    async fn serve(self, connection: TcpStream) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let mut socket = tokio_tungstenite::accept_async(connection).await?;
        let (mut begun, mut ms) = (false, 0u64);
        while let Some(message) = socket.next().await {
            match message? {
                Message::Binary(sound) => {
                    ms += 100;
                    let samples = sound.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair).unsigned_abs());
                    let peak = samples.max().unwrap_or(0);
                    self.peaks.lock().unwrap().push(peak);
                    let loud = peak > 1_500;
                    if !loud || begun {
                        continue;
                    }
                    begun = true;
                    let next = self.script.lock().unwrap().front().cloned().unwrap_or_default();
                    for text in next.partials {
                        self.note(text);
                        let partial = json!({"type": "partial", "text": text, "start_ms": ms, "end_ms": ms + 50});
                        socket.send(Message::text(partial.to_string())).await?;
                    }
                }
                Message::Text(text) => {
                    let order: Value = serde_json::from_str(&text).unwrap_or_default();
                    match order["type"].as_str().unwrap_or_default() {
                        "start" => socket.send(Message::text(r#"{"type":"ready","version":1}"#)).await?,
                        "finalize" => {
                            let next = if std::mem::take(&mut begun) { self.script.lock().unwrap().pop_front() } else { None };
                            let next = next.unwrap_or_default();
                            if let Some(words) = next.fault {
                                self.note(words);
                                // A vendor may put anything anywhere: its code is what a plugin repeats.
                                let code = format!("heard_{}", words.matches(|c: char| c.is_ascii_digit()).collect::<String>());
                                let error = json!({"type": "error", "code": code, "message": words});
                                socket.send(Message::text(error.to_string())).await?;
                                return socket.close(None).await;
                            }
                            for text in next.finals {
                                ms += 10;
                                self.note(text);
                                let last = json!({"type": "final", "text": text, "start_ms": ms, "end_ms": ms + 5});
                                socket.send(Message::text(last.to_string())).await?;
                            }
                            socket.send(Message::text(r#"{"type":"finalized"}"#)).await?;
                        }
                        "end" => {
                            socket.send(Message::text(json!({"type": "done", "audio_ms": ms}).to_string())).await?;
                            return socket.close(None).await;
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn note(&self, words: &str) {
        let mut said = self.said.lock().unwrap();
        said.push_str(words);
        said.push('\n');
    }
}

/// A synthesiser, an agent, a tenant's webhook and a collector of traces. All keep whatever they are given.
#[derive(Clone, Default)]
pub(crate) struct House {
    /// What was to be said.
    pub(crate) spoken: Arc<Mutex<Vec<String>>>,
    /// Bodies of requests to the agent.
    pub(crate) asked: Arc<Mutex<Vec<Value>>>,
    /// What the agent adds to each answer of its own.
    pub(crate) adds: Arc<Mutex<String>>,
    /// Bodies that were posted to the webhook.
    pub(crate) hooked: Arc<Mutex<Vec<String>>>,
    /// Bodies that were posted to the collector: protobuf, in which texts stand as they are.
    pub(crate) traced: Arc<Mutex<Vec<String>>>,
}

impl House {
    pub(crate) async fn start(servers: &mut JoinSet<()>) -> (Self, SocketAddr) {
        let (house, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let addr = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/speak", post(speak))
            .route("/api/v1/conversations", post(open))
            .route("/api/v1/conversations/{id}/turns", post(turn))
            .route("/api/v1/conversations/{id}/turns/{turn}/abort", post(async || StatusCode::NO_CONTENT))
            .route("/api/v1/conversations/{id}/agent", get(async || Json(json!({"agent_id": "parrot-1", "name": "Polly"}))))
            .route("/api/v1/conversations/{id}/transfer", post(transfer))
            .route("/hook", post(hook))
            .route("/v1/traces", post(traces))
            .with_state(house.clone());
        servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
        (house, addr)
    }
}

async fn speak(State(house): State<House>, Json(body): Json<Value>) -> impl IntoResponse {
    house.spoken.lock().unwrap().push(body["text"].as_str().unwrap_or_default().to_owned());
    let rate_hz = body["format"]["rate_hz"].as_u64().unwrap_or(16_000);
    // Loud enough to be heard, and short.
    let tone =
        (0..rate_hz / 3).flat_map(|at| (if at / 20 % 2 == 0 { 6_000i16 } else { -6_000 }).to_le_bytes()).collect::<Vec<u8>>();
    ([(header::CONTENT_TYPE, format!("audio/pcm;rate={rate_hz}"))], tone)
}

async fn open(State(house): State<House>, Json(body): Json<Value>) -> impl IntoResponse {
    let id = body["call_id"].as_str().unwrap_or_default().to_owned();
    house.asked.lock().unwrap().push(body);
    (StatusCode::CREATED, Json(json!({"conversation_id": format!("conv-{id}")})))
}

async fn turn(State(house): State<House>, Path(_): Path<String>, Json(body): Json<Value>) -> impl IntoResponse {
    let said = body["text"].as_str().unwrap_or_default().to_owned();
    house.asked.lock().unwrap().push(body);
    let adds = house.adds.lock().unwrap().clone();
    let card = json!({"action": "collect_card", "fields": ["number", "expiry", "code"]});
    let command = match said.as_str() {
        said if said.contains("pay by card") => card,
        said if said.contains("type it") => json!({"action": "collect", "digits_max": 19}),
        _ => Value::Null,
    };
    Json(json!({"text": format!("You said {said}. {adds}"), "command": command}))
}

async fn transfer(State(house): State<House>, Json(body): Json<Value>) -> impl IntoResponse {
    house.asked.lock().unwrap().push(body);
    Json(json!({"summary": house.adds.lock().unwrap().clone()}))
}

async fn hook(State(house): State<House>, body: Bytes) -> StatusCode {
    house.hooked.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
    StatusCode::NO_CONTENT
}

async fn traces(State(house): State<House>, body: Bytes) -> impl IntoResponse {
    house.traced.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
    // A message without fields: all was taken.
    ([(header::CONTENT_TYPE, "application/x-protobuf")], Bytes::new())
}
