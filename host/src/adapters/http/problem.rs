//! Problem documents.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An API error as RFC 9457 has it. `code` is bounded and says which error it is; there is no prose about internals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Option<String>,
}

impl Problem {
    /// A problem of that code.
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, detail: None }
    }

    /// With a sentence for the person who reads it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = serde_json::json!({ "title": title, "status": self.status.as_u16(), "code": self.code });
        if let Some(detail) = self.detail {
            body["detail"] = detail.into();
        }
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
