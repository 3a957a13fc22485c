//! The orchestrator by HTTP.

use super::Shape;
use super::brain::{Answer, Brain, Turn, Unknown};
use super::trouble::{PAUSE, Trouble};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

#[derive(Clone)]
struct Service {
    brain: Arc<Brain>,
    shape: Shape,
}

pub(super) fn router(brain: Arc<Brain>, shape: Shape) -> Router {
    Router::new()
        .route("/api/v1/conversations", post(open))
        .route("/api/v1/conversations/{id}/turns", post(turn))
        .route("/api/v1/conversations/{id}/turns/{turn}/abort", post(abort))
        .route("/api/v1/conversations/{id}/turns/{turn}/commit", post(commit))
        .route("/api/v1/conversations/{id}/agent", get(who))
        .route("/api/v1/conversations/{id}/transfer", post(transfer))
        .with_state(Service { brain, shape })
}

impl IntoResponse for Unknown {
    fn into_response(self) -> Response {
        StatusCode::NOT_FOUND.into_response()
    }
}

impl Service {
    fn note(&self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        self.brain.note(|seen| seen.authorizations.push(text(AUTHORIZATION.as_str())));
    }
}

async fn open(State(service): State<Service>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    service.note(&headers);
    service.brain.note(|seen| seen.opened.push(body.clone()));
    if let Some(trouble) = service.brain.next_trouble() {
        return in_trouble(trouble);
    }
    let id = service.brain.open(body["call_id"].as_str().unwrap_or_default(), body["greeting"].as_str().unwrap_or_default());
    (StatusCode::CREATED, Json(json!({"conversation_id": id}))).into_response()
}

async fn turn(State(service): State<Service>, Path(id): Path<String>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    service.note(&headers);
    let deadline_ms = headers.get("x-deadline-ms").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    service.brain.note(|seen| {
        seen.turns.push(body.clone());
        seen.deadlines_ms.push(deadline_ms);
        seen.traces.extend(headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned));
    });
    let heard = body["heard"].as_array().into_iter().flatten();
    let turn = Turn {
        conversation: id,
        id: body["turn_id"].as_u64().unwrap_or_default() as u32,
        text: body["text"].as_str().unwrap_or_default().to_owned(),
        heard: heard.map(|line| line["heard"].as_str().unwrap_or_default().to_owned()).collect(),
        speculative: body["speculative"].as_bool().unwrap_or_default(),
    };
    let trouble = service.brain.next_trouble();
    if trouble == Some(Trouble::Deaf) {
        std::future::pending::<()>().await;
    }
    let answer = match service.brain.take(&turn) {
        Ok(answer) => answer,
        Err(unknown) => return unknown.into_response(),
    };
    match trouble {
        None => answered(service.shape, &answer),
        Some(trouble) => in_trouble(trouble),
    }
}

async fn abort(State(service): State<Service>, Path((_, turn)): Path<(String, u32)>, Json(body): Json<Value>) -> StatusCode {
    // Without the words that it means it could be of a question that was asked since.
    if body["text"].is_string() {
        service.brain.note(|seen| seen.aborted.push(turn));
    }
    StatusCode::NO_CONTENT
}

async fn commit(State(service): State<Service>, Path((id, turn)): Path<(String, u32)>) -> StatusCode {
    service.brain.commit(&id, turn);
    StatusCode::NO_CONTENT
}

async fn who(State(service): State<Service>, Path(id): Path<String>) -> Result<Json<Value>, Unknown> {
    let (agent_id, name) = service.brain.who(&id)?;
    Ok(Json(json!({"agent_id": agent_id, "name": name})))
}

async fn transfer(
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Unknown> {
    service.brain.note(|seen| seen.handovers.push(body));
    service.brain.hand_over(&id).map(Json)
}

fn answered(shape: Shape, answer: &Answer) -> Response {
    let Answer { interruptible, language, hold_ms, .. } = answer;
    let text = |text: &String| json!({"type": "text", "text": text, "interruptible": interruptible, "language": language, "hold_ms": hold_ms});
    let done = json!({"type": "done", "command": answer.command, "expect": answer.expect, "intent": answer.intent, "wait_ms": answer.wait_ms});
    let events: Vec<Value> = answer.pieces.iter().map(text).chain([done]).collect();
    match shape {
        Shape::Plain => {
            let (text, Answer { command, expect, intent, wait_ms, .. }) = (answer.pieces.concat(), answer);
            Json(json!({"text": text, "command": command, "expect": expect, "intent": intent, "wait_ms": wait_ms,
                "interruptible": interruptible, "language": language, "hold_ms": hold_ms}))
            .into_response()
        }
        Shape::Sse => stream_of("text/event-stream", stream::iter(events.into_iter().map(|event| Ok(sse(&event)))).boxed()),
        Shape::Ndjson => {
            stream_of("application/x-ndjson", stream::iter(events.into_iter().map(|event| Ok(format!("{event}\n")))).boxed())
        }
    }
}

fn sse(event: &Value) -> String {
    format!("data: {event}\n\n")
}

pub(super) fn stream_of(kind: &'static str, pieces: BoxStream<'static, io::Result<String>>) -> Response {
    ([(CONTENT_TYPE, kind)], Body::from_stream(pieces.map(|piece| piece.map(Bytes::from)))).into_response()
}

pub(super) fn in_trouble(trouble: Trouble) -> Response {
    let word = || sse(&json!({"type": "text", "text": "word "}));
    let cut = || Err(io::Error::other("cut on purpose"));
    let events = |events: Vec<io::Result<String>>| stream_of("text/event-stream", stream::iter(events).boxed());
    let paced = |word: String| {
        stream::unfold((), move |()| {
            let word = word.clone();
            async move {
                tokio::time::sleep(PAUSE).await;
                Some((Ok(word), ()))
            }
        })
    };
    match trouble {
        Trouble::RateLimited(None) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Trouble::RateLimited(Some(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Trouble::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Trouble::Refused => StatusCode::BAD_REQUEST.into_response(),
        Trouble::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
        Trouble::Forgotten => StatusCode::NOT_FOUND.into_response(),
        Trouble::Redirect => (StatusCode::FOUND, [(LOCATION, "http://127.0.0.2:9/elsewhere")]).into_response(),
        Trouble::Page => ([(CONTENT_TYPE, "text/html")], "<h1>It works!</h1>").into_response(),
        Trouble::Garbage => events(vec![Ok("data: It works!\n\n".to_owned())]),
        Trouble::Drip => stream_of("text/event-stream", paced(": still here\n\n".to_owned()).boxed()),
        Trouble::Slow => stream_of("text/event-stream", paced(word()).boxed()),
        Trouble::CutEarly => events(vec![Ok(": hello\n\n".to_owned()), cut()]),
        Trouble::Cut => {
            stream_of("text/event-stream", stream::iter([Ok(word())]).chain(stream::once(late()).map(move |()| cut())).boxed())
        }
        Trouble::Unfinished => events(vec![Ok(word())]),
        Trouble::Endless => stream_of("text/event-stream", stream::repeat_with(move || Ok(word())).boxed()),
        Trouble::LongEvent => {
            stream_of("text/event-stream", stream::repeat_with(|| Ok("data: xxxxxxxxxxxxxxxx".repeat(100))).boxed())
        }
        Trouble::Failed => events(vec![Ok(word()), Ok(sse(&json!({"type": "error", "code": "model_down"})))]),
        Trouble::Deaf => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// hyper sends nothing of a body that breaks at once.
async fn late() {
    tokio::time::sleep(PAUSE).await;
}
