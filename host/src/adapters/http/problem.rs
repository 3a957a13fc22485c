//! Problem documents.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An API error as RFC 9457 has it. `code` is bounded and says which error it is; there is no prose about internals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Option<String>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer, or the name of a parameter.
    pub path: String,
    /// What.
    pub message: String,
}

impl Problem {
    /// A problem of that code.
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, detail: None, errors: Vec::new(), headers: Vec::new() }
    }

    /// With a sentence for the person who reads it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With what is wrong, value by value.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// With a header beside it.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// May be asked again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }

    /// Which error it is.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The document; `request` is the id of the request that is answered.
    pub(super) fn document(&self, request: Option<&str>) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = serde_json::json!({ "title": title, "status": self.status.as_u16(), "code": self.code });
        if let Some(detail) = &self.detail {
            body["detail"] = detail.as_str().into();
        }
        if !self.errors.is_empty() {
            body["errors"] = serde_json::json!(self.errors);
        }
        if let Some(request) = request {
            body["request_id"] = request.into();
        }
        body.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, self.document(None)).into_response();
        response.headers_mut().extend(self.headers.clone());
        // Whoever knows the request's id writes it in.
        response.extensions_mut().insert(self);
        response
    }
}
