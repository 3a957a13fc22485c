//! A server of chat completions, streamed, with a parrot for a model: it sees what a model would, and calls tools.

use super::Shape;
use super::brain::{Brain, Turn, think};
use super::http::{in_trouble, stream_of};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn router(brain: Arc<Brain>, shape: Shape) -> Router {
    Router::new().route("/v1/chat/completions", post(complete)).with_state((brain, shape))
}

async fn complete(State((brain, shape)): State<(Arc<Brain>, Shape)>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    brain.note(|seen| {
        seen.authorizations.push(authorization);
        seen.turns.push(body.clone());
        seen.traces.extend(headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned));
    });
    if let Some(trouble) = brain.next_trouble() {
        return in_trouble(trouble);
    }
    let last = body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default().to_owned();
    let answer = think(&Turn { conversation: String::new(), id: 0, text, heard: Vec::new(), speculative: false });
    let call = answer.command.as_ref().map(|command| {
        let name = match command["action"].as_str() {
            Some("human") => "transfer_to_human",
            Some(other) => other,
            None => "",
        };
        json!({"index": 0, "id": "call-1", "type": "function", "function": {"name": name, "arguments": command.to_string()}})
    });
    let finish = if call.is_some() { "tool_calls" } else { "stop" };
    if shape == Shape::Plain {
        let message = json!({"role": "assistant", "content": answer.pieces.concat(), "tool_calls": call.map(|call| vec![call])});
        return Json(json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})).into_response();
    }
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}).to_string();
    let mut documents: Vec<String> = answer.pieces.iter().map(|piece| delta(json!({"content": piece}))).collect();
    documents.extend(call.map(|call| delta(json!({"tool_calls": [call]}))));
    documents.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}).to_string());
    documents.push("[DONE]".to_owned());
    stream_of("text/event-stream", stream::iter(documents).map(|document| Ok(format!("data: {document}\n\n"))).boxed())
}
