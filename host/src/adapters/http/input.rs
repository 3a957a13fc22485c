//! What comes with a request, and the problem where it cannot be taken.

use super::Problem;
use super::problem::FieldError;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

/// Characters of a name in a path.
const NAME_MAX: usize = 256;

/// The name in a path. One that cannot be anybody's is not found.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) if name.len() <= NAME_MAX => Ok(Self(name)),
            _ => Err(Problem::new(StatusCode::NOT_FOUND, "not_found")),
        }
    }
}

/// Parameters after the `?`.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_query").detail(error.body_text())),
        }
    }
}

/// Whether a page of text is wanted rather than JSON (RFC 9110, 12.5.1). Where both are wanted alike, or neither, it is JSON.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    let written = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<&str> = written.flat_map(|value| value.split(',')).collect();
    let wanted = |exact: &str, wide: &str| {
        // The most exact range counts, whatever wider ones say.
        [exact, wide, "*/*"].into_iter().find_map(|name| ranges.iter().find_map(|range| quality(range, name))).unwrap_or(0.0)
    };
    wanted("text/plain", "text/*") > wanted("application/json", "application/*")
}

/// How much a range is wanted, where it is of that name.
fn quality(range: &str, name: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    parts.next().filter(|part| part.eq_ignore_ascii_case(name))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

/// A body that is one JSON object, and makes sense.
pub(super) struct Body<T>(pub(super) T);

/// Makes sense of what was parsed, value by value.
pub(super) trait Sensible {
    /// Everything that is wrong.
    fn faults(&self) -> Vec<FieldError>;
}

impl<T: DeserializeOwned + Sensible, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(body) = Json::<T>::from_request(request, state).await.map_err(no_json)?;
        let faults = body.faults();
        if faults.is_empty() { Ok(Self(body)) } else { Err(unfit(faults)) }
    }
}

/// The values make no sense.
pub(super) fn unfit(faults: Vec<FieldError>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_values").errors(faults)
}

/// The problem of a body that was not taken.
pub(super) fn no_json(error: JsonRejection) -> Problem {
    match error {
        JsonRejection::JsonDataError(error) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body").detail(error.body_text())
        }
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json").detail("expected Content-Type: application/json")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "no_json").detail("the body is one JSON object"),
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Faults(Vec<FieldError>);

impl Faults {
    /// One more, unless `holds`.
    pub(super) fn unless(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.0.push(FieldError { path: path.to_owned(), message: message.to_owned() });
        }
    }

    pub(super) fn all(self) -> Vec<FieldError> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn text_is_told_only_to_who_would_rather_have_it() {
        for (accept, text) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["text/plain"], true),
            (&["TEXT/plain; charset=utf-8"], true),
            (&["text/*, application/json;q=0.9"], true),
            (&["text/plain;q=0.5, application/json"], false),
            (&["text/plain;q=0.5, */*;q=0.1"], true),
            (&["text/plain;q=0, */*"], false),
            (&["application/json;q=0.2", "text/plain;q=0.4"], true),
            (&["text/html"], false),
            (&["text/plain;q=many"], false),
        ] {
            let mut map = HeaderMap::new();
            for value in accept {
                map.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(prefers_text(&map), text, "{accept:?}");
        }
    }
}
