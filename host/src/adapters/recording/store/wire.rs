//! The connection to a store: what it answers where it does not do what it was asked, as far as anybody may see it.

use super::StoreFault;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};
use reqwest::StatusCode;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Bytes of an error that are read.
const ANSWER_MAX: usize = 64 << 10;
/// Characters of an error's name.
const CODE_MAX: usize = 64;

/// A client, which is all that a connector makes.
#[derive(Clone)]
pub(super) struct Wire(pub(super) reqwest::Client);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// An answer that is no success. What else it says stays with the store: it may repeat what was signed.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    code: String,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code)
    }
}

impl Error for Answered {}

impl HttpService for Wire {
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            let response = HttpService::call(&self.0, request).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
            Err(HttpError::new(HttpErrorKind::Unknown, Answered { status, code: code(&body) }))
        })
    }
}

/// `<Code>` of an error (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>); empty where it says none.
fn code(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let named = |code: &&str| code.len() <= CODE_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    code.filter(named).unwrap_or_default().to_owned()
}

impl From<object_store::Error> for StoreFault {
    fn from(error: object_store::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(&error);
        let mut unreached = false;
        while let Some(cause) = source {
            if let Some(answered) = cause.downcast_ref::<Answered>() {
                return answered.into();
            }
            unreached |= cause.is::<HttpError>();
            source = cause.source();
        }
        if unreached { Self::Unreachable } else { Self::Answer }
    }
}

impl From<&Answered> for StoreFault {
    fn from(Answered { status, code }: &Answered) -> Self {
        let told = || if code.is_empty() { status.as_u16().to_string() } else { code.clone() };
        match (status.as_u16(), code.as_str()) {
            (_, "NoSuchBucket") => Self::NoBucket,
            (_, "NoSuchUpload") => Self::NoUpload,
            (_, "ExpiredToken" | "InvalidToken") | (401 | 403, _) => Self::Denied(told()),
            (_, "RequestTimeout" | "SlowDown") | (408 | 429 | 500.., _) => Self::Busy(told()),
            (404, _) => Self::Missing,
            _ => Self::Refused(told()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_name_and_the_rest_of_it_by_nobody() {
        let fault = |status: u16, body: &str| {
            let answered = Answered { status: StatusCode::from_u16(status).unwrap(), code: code(body.as_bytes()) };
            StoreFault::from(&answered)
        };
        let error =
            |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><StringToSign>x</StringToSign></Error>");
        for (status, name, code) in [
            (403, "SignatureDoesNotMatch", "denied"),
            (400, "ExpiredToken", "denied"),
            (404, "NoSuchBucket", "no_bucket"),
            (404, "NoSuchUpload", "no_upload"),
            (404, "NoSuchKey", "answer"),
            (503, "SlowDown", "busy"),
            (500, "InternalError", "busy"),
            (400, "RequestTimeout", "busy"),
            (400, "BadDigest", "refused"),
            (301, "PermanentRedirect", "refused"),
        ] {
            assert_eq!(fault(status, &error(name)).code(), code, "{name}");
        }
        assert_eq!(fault(403, &error("AccessDenied")).to_string(), "use the store of recordings: denied (AccessDenied)");
        for nothing in ["", "<Code>", "<Code>a b</Code>", &error(&"x".repeat(65)), "\u{fffd}"] {
            assert_eq!(fault(418, nothing).to_string(), "use the store of recordings: refused (418)", "{nothing}");
        }
    }
}
