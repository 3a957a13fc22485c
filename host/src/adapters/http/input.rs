//! What comes with a request, and the problem where it cannot be taken.

use super::Problem;
use super::problem::FieldError;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
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
