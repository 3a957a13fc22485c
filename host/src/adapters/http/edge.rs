//! What holds for every request: it has an id, an end, and headers that keep browsers from guessing.

use super::{Problem, plugins};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// From a request's head to its answer's; bodies that stream come after it.
const ANSWER: Duration = Duration::from_secs(40);
/// The same where a component comes and is compiled.
const ANSWER_TO_A_PLUGIN: Duration = Duration::from_secs(600);
/// The header.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that is taken over.
const ID_MAX: usize = 128;
/// What a browser is told of every answer. Pages say their own policy.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// The id of a request, as its sender gave it or made here.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn edge(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let slow = plugins::comes_in_pieces(request.method(), request.uri());
    let answer = timeout(if slow { ANSWER_TO_A_PLUGIN } else { ANSWER }, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline").into_response());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.document(Some(&id)));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.extensions_mut().insert(problem);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        !id.is_empty() && id.len() <= ID_MAX && id.chars().all(letters)
    };
    given.filter(fits).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
