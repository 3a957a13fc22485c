//! gRPC from the server's side: a call comes in, messages of both directions are not bound to each other, and a status ends it.

use super::credential::admit;
use crate::{Cut, Sim, Vendor};
use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use vg_wire::grpc::{self, Frames};

/// gRPC's own limit of a message.
const MESSAGE_BYTES: u32 = 4 << 20;

/// How a call ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) code: i32,
    text: String,
    details: Vec<Any>,
    reason: Option<&'static str>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Span {
    pub(super) fn of_ms(ms: u64) -> Self {
        Self { seconds: (ms / 1000) as i64, nanos: (ms % 1000) as i32 * 1_000_000 }
    }

    pub(super) fn ms(self) -> u64 {
        self.seconds.max(0).cast_unsigned() * 1000 + (self.nanos.max(0) / 1_000_000) as u64
    }
}

impl Status {
    pub(super) const OK: Self = Self { code: 0, text: String::new(), details: Vec::new(), reason: None };

    pub(super) fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), details: Vec::new(), reason: None }
    }

    /// INVALID_ARGUMENT
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(3, text)
    }

    /// With `ErrorInfo`.
    pub(super) fn because(mut self, reason: &'static str, service: &str) -> Self {
        let metadata = vec![Entry { key: "service".to_owned(), value: service.to_owned() }];
        self.reason = Some(reason);
        self.with("ErrorInfo", &ErrorInfo { reason: reason.to_owned(), domain: "googleapis.com".to_owned(), metadata })
    }

    fn with(mut self, kind: &str, detail: &impl Message) -> Self {
        let type_url = format!("type.googleapis.com/google.rpc.{kind}");
        self.details.push(Any { type_url, value: detail.encode_to_vec() });
        self
    }

    /// As Google words it.
    pub(super) fn of_code(code: u32, service: &str) -> Self {
        match code {
            3 => Self::invalid("Invalid recognition 'config': bad encoding."),
            7 => Self::new(7, "Cloud API has not been used in project 1234 before or it is disabled.")
                .because("SERVICE_DISABLED", service),
            8 => Self::new(8, format!("Quota exceeded for quota metric 'Streaming requests' of service '{service}'."))
                .because("RATE_LIMIT_EXCEEDED", service)
                .with("RetryInfo", &RetryInfo { retry_delay: Some(Span::of_ms(7_000)) }),
            10 => Self::new(10, "Max duration of 5 minutes reached for stream."),
            11 => Self::new(11, "Exceeded maximum allowed stream duration of 305 seconds."),
            13 => Self::new(13, "Internal error encountered."),
            14 => Self::new(14, "The service is currently unavailable."),
            16 => {
                Self::new(16, "Request had invalid authentication credentials.").because("ACCESS_TOKEN_TYPE_UNSUPPORTED", service)
            }
            code => Self::new(code.cast_signed(), "x"),
        }
    }

    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        };
        put("grpc-status", self.code.to_string());
        put("grpc-message", percent_encoded(&self.text));
        if self.code != 0 {
            let whole = RpcStatus { code: self.code, message: self.text.clone(), details: self.details.clone() };
            put("grpc-status-details-bin", STANDARD_NO_PAD.encode(whole.encode_to_vec()));
        }
        fields
    }

    /// The same by REST.
    pub(super) fn as_json(&self) -> Response {
        let (status, name) = match self.code {
            3 => (400, "INVALID_ARGUMENT"),
            7 => (403, "PERMISSION_DENIED"),
            8 => (429, "RESOURCE_EXHAUSTED"),
            14 => (503, "UNAVAILABLE"),
            16 => (401, "UNAUTHENTICATED"),
            _ => (500, "INTERNAL"),
        };
        let mut details: Vec<Value> = Vec::new();
        if let Some(reason) = self.reason {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            }));
        }
        if self.code == 8 {
            details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s" }));
        }
        let body = json!({ "error": { "code": status, "message": self.text, "status": name, "details": details } });
        (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), axum::Json(body)).into_response()
    }
}

/// Trailers only.
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = self.fields();
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response
    }
}

fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Trouble at the door: what is answered in place of everything.
pub(super) async fn refused(sim: &Sim, service: &str) -> Result<(), Box<Response>> {
    if sim.trouble("google-hang").is_some() {
        std::future::pending::<()>().await;
    }
    if let Some(status) = sim.trouble("google-http") {
        let status = StatusCode::from_u16(status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(Box::new((status, [("retry-after", "7")], "<html>an error page</html>").into_response()));
    }
    match sim.trouble("google-status") {
        Some(code) => Err(Box::new(Status::of_code(code, service).into_response())),
        None => Ok(()),
    }
}

/// The client's half of a call.
pub(super) struct Call {
    pub(super) sim: Arc<Sim>,
    pub(super) cut: Cut,
    body: Body,
    frames: Frames,
}

impl Call {
    /// Lets a call in, or answers it.
    pub(super) async fn accept(sim: Arc<Sim>, request: Request, service: &str) -> Result<Self, Box<Response>> {
        refused(&sim, service).await?;
        let (mut parts, body) = request.into_parts();
        let fault = |what: &str| {
            sim.offence(Vendor::Google, what);
            Box::new(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response())
        };
        let told = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if parts.method != Method::POST || parts.version != Version::HTTP_2 {
            return Err(fault("gRPC is a POST by HTTP/2"));
        }
        if !told("content-type").starts_with("application/grpc") || told("te") != "trailers" {
            return Err(fault("gRPC needs its content-type and te: trailers"));
        }
        if let Err(status) = admit(&parts.headers, service) {
            sim.offence(Vendor::Google, "credentials are not known");
            return Err(Box::new(status.into_response()));
        }
        let cut = Extension::<Cut>::from_request_parts(&mut parts, &()).await.map_or_else(|_| Cut::default(), |cut| cut.0);
        Ok(Self { sim, cut, body, frames: Frames::new(MESSAGE_BYTES) })
    }

    /// The next message; none where the client has said all.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        loop {
            if let Some(message) = self.frames.poll().map_err(|error| self.wrong(error.to_string()))? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None if self.frames.is_cut() => return Err(self.wrong("the request ends within a message")),
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.frames.push(data);
                    }
                }
                // The client's reset: nobody hears the answer.
                Some(Err(_)) => return Err(Status::new(1, "cancelled")),
            }
        }
    }

    /// A message of this type, or a status for one that is none.
    pub(super) fn read<M: Message + Default>(&self, message: &[u8]) -> Result<M, Status> {
        M::decode(message).map_err(|error| self.wrong(format!("not the message that is due: {error}")))
    }

    /// The client broke a rule: it is noted, and answered as Google does.
    pub(super) fn wrong(&self, what: impl Into<String>) -> Status {
        let what = what.into();
        self.sim.offence(Vendor::Google, what.clone());
        Status::invalid(what)
    }
}

/// What the server does next.
pub(super) enum Said {
    Message(Vec<u8>),
    End(Status),
}

/// The server's half of a call.
pub(super) trait Talk: Send + 'static {
    fn call(&self) -> &Call;
    fn next(&mut self) -> impl Future<Output = Said> + Send;
    /// Whether that message holds what the call is for.
    fn is_fruit(message: &[u8]) -> bool;
}

struct Line<T> {
    talk: T,
    service: &'static str,
    /// A message is on its way.
    said: bool,
    /// The first words or sound were given.
    bore_fruit: bool,
}

/// The head at once, then whatever is said, while the request may still go on.
pub(super) fn answer<T: Talk>(talk: T, service: &'static str) -> Response {
    let line = Line { talk, service, said: false, bore_fruit: false };
    let frames = unfold(Some(line), |line| async {
        let mut line = line?;
        let (frame, over) = line.next().await;
        Some((Ok::<_, Infallible>(frame), (!over).then_some(line)))
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

impl<T: Talk> Line<T> {
    async fn next(&mut self) -> (Frame<Bytes>, bool) {
        let sim = Arc::clone(&self.talk.call().sim);
        if std::mem::take(&mut self.said) {
            if sim.trouble_ahead("cut-after").is_some() {
                // So that what was said is on the wire.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sim.said_one(&self.talk.call().cut);
        }
        if self.bore_fruit
            && let Some(end) = self.trouble(&sim).await
        {
            return end;
        }
        match self.talk.next().await {
            Said::Message(message) => {
                self.said = true;
                self.bore_fruit |= T::is_fruit(&message);
                (Frame::data(grpc::frame(&message).into()), false)
            }
            Said::End(_) if sim.trouble("google-no-trailers").is_some() => (Frame::data(Bytes::new()), true),
            Said::End(status) => (Frame::trailers(status.fields()), true),
        }
    }

    async fn trouble(&mut self, sim: &Sim) -> Option<(Frame<Bytes>, bool)> {
        if sim.trouble("google-kill").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.talk.call().cut.now();
            return std::future::pending().await;
        }
        if sim.trouble("google-stall").is_some() {
            return std::future::pending().await;
        }
        if sim.trouble_ahead("google-half-message").is_some() {
            // First the half, then the end.
            return match sim.trouble("google-half-message") {
                Some(1) => Some((Frame::trailers(Status::OK.fields()), true)),
                _ => {
                    sim.inject("google-half-message", 1, Some(1));
                    Some((Frame::data(Bytes::from_static(&[0, 0, 0, 0, 9, 0x0a])), false))
                }
            };
        }
        let code = sim.trouble("google-mid")?;
        Some((Frame::trailers(Status::of_code(code, self.service).fields()), true))
    }
}

/// Extracts what every handler needs.
pub(super) type Shared = State<Arc<Sim>>;
