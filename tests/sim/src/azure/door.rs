//! Who may come in: credentials, ids, and the troubles of a handshake.

use super::KEY;
use crate::{Sim, Vendor};
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use std::collections::HashMap;

/// Statuses that a story may ask for.
const STATUSES: [u16; 11] = [400, 401, 403, 404, 408, 415, 429, 500, 502, 503, 504];

/// A question, as far as it is not its body.
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    raw_query: String,
}

impl Asked {
    pub(super) fn new(headers: HeaderMap, uri: &Uri) -> Self {
        let raw_query = uri.query().unwrap_or_default().to_owned();
        let query = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        Self { headers, path: uri.path().to_owned(), query, raw_query }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Why this client does not come in; never an answer in the trouble `hang`.
    pub(super) async fn refused(&self, sim: &Sim) -> Option<Response<Body>> {
        if sim.trouble("hang").is_some() {
            std::future::pending::<()>().await;
        }
        for status in STATUSES {
            if let Some(seconds) = sim.trouble(&format!("http-{status}")) {
                return Some(refusal(status, seconds));
            }
        }
        if keyed(&self.headers, self.query.get("Ocp-Apim-Subscription-Key")) || self.has_token() {
            return None;
        }
        Some(refusal(401, 0))
    }

    /// Where this client is sent instead, if there is that trouble.
    pub(super) fn elsewhere(&self, sim: &Sim) -> Option<String> {
        if self.path.starts_with("/redirected") || sim.trouble("redirect").is_none() {
            return None;
        }
        let query = if self.raw_query.is_empty() { String::new() } else { format!("?{}", self.raw_query) };
        Some(format!("ws://{}/redirected{}{query}", self.header("host").unwrap_or_default(), self.path))
    }

    /// The id of the connection, which the official clients send in a header or in the query.
    pub(super) fn connection_id(&self, sim: &Sim) -> String {
        let given = self.header("X-ConnectionId").map(str::to_owned).or_else(|| self.query.get("X-ConnectionId").cloned());
        let id = given.unwrap_or_default();
        if !is_id(&id) {
            sim.offence(Vendor::Azure, format!("X-ConnectionId is no id: {id:?}"));
        }
        id
    }

    /// A JWT has three parts; nothing more is known of it here.
    fn has_token(&self) -> bool {
        let token = self.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| {
            let parts: Vec<&str> = token.split('.').collect();
            parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && !part.contains(' '))
        })
    }
}

/// Whether the key is there and right.
pub(super) fn keyed(headers: &HeaderMap, in_query: Option<&String>) -> bool {
    let in_header = headers.get("Ocp-Apim-Subscription-Key").and_then(|value| value.to_str().ok());
    in_header.or(in_query.map(String::as_str)) == Some(KEY)
}

/// 32 hexadecimal digits; one client writes them in capitals.
pub(super) fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())
}

pub(super) fn refusal(status: u16, retry_after_s: u32) -> Response<Body> {
    let body = format!(r#"{{"error":{{"code":"{status}","message":"simulated"}}}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if retry_after_s > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after_s.into());
    }
    response
}

pub(super) fn redirection(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(to) = to.parse() {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
