//! The opening handshake (RFC 6455 section 4.1): one HTTP/1.1 request, whose answer may be no.
//!
//! Asked by `hyper`, not by the WebSocket library's own client: that one gives a refusal's body only as far as it happened to have
//! been read, insists on the spelling of `Connection`, and prints the request, keys and all, to whoever traces it.

use super::Broken;
use crate::dial::Stream;
use crate::grant::Target;
use crate::limits::{ECHO_BYTES, HEADER_BYTES};
use crate::secrets::Head;
use crate::wire::{Fields, LinkErrorKind, WebsocketOpen};
use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What the peer says to the request.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Fields,
    pub(super) rest: Rest,
}

/// What follows the answer's head.
pub(super) enum Rest {
    /// WebSocket frames, the first of which may have come already.
    Switched { stream: Stream, early: Vec<u8> },
    /// Why not, in at most [`ECHO_BYTES`]; and what kept the rest of it from coming.
    Refused { body: Vec<u8>, cut: Option<Broken> },
}

/// Refuses headers that are the handshake's own, subprotocols that are no tokens, and more than [`HEADER_BYTES`] of it all.
pub(super) fn check(open: &WebsocketOpen) -> Result<(), Broken> {
    if let Some((name, _)) = open.headers.iter().find(|(name, _)| is_ours(&name.to_ascii_lowercase())) {
        return Err(invalid(format!("header {} is set by the host", name.escape_default())));
    }
    if !open.subprotocols.iter().all(|name| is_token(name)) {
        return Err(invalid("a subprotocol is not a token"));
    }
    let fields = open.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
    let bytes = open.url.len() + fields.chain(open.subprotocols.iter().map(|name| name.len() + 2)).sum::<usize>();
    if bytes > HEADER_BYTES {
        return Err(invalid("the headers are too long"));
    }
    Ok(())
}

/// The request; `head` as it was authorised.
pub(super) fn request(head: &Head, target: &Target, subprotocols: &[String]) -> Result<Request<Empty<Bytes>>, Broken> {
    let path = &head.url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::get(path).body(Empty::new()).map_err(|_| invalid("the URL cannot be sent"))?;
    let headers = request.headers_mut();
    for (name, value) in &head.headers {
        let name = HeaderName::try_from(name).map_err(|_| invalid("a header's name is not a token"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid("a header's value has control characters"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    let value = |value: String| HeaderValue::try_from(value).map_err(|_| invalid("the URL cannot be sent"));
    headers.insert(HOST, value(target.authority())?);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, value(generate_key())?);
    if !subprotocols.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value(subprotocols.join(", "))?);
    }
    Ok(request)
}

/// Sends the request and waits for the answer's head no longer than `patience`, as long again for the body of a refusal.
pub(super) async fn ask(
    stream: Stream,
    request: Request<Empty<Bytes>>,
    subprotocols: &[String],
    patience: Duration,
) -> Result<Answer, Broken> {
    let accept = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_header_size(HEADER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| lost(&error))?;
    let mut connection = pin!(connection.without_shutdown());
    let mut switched = None;
    let response = timeout_at(Instant::now() + patience, async {
        let mut answer = pin!(sender.send_request(request));
        loop {
            tokio::select! {
                biased;
                response = &mut answer => return response,
                parts = &mut connection, if switched.is_none() => switched = Some(parts?),
            }
        }
    });
    let response = response
        .await
        .map_err(|_| Broken::new(LinkErrorKind::Timeout, "no answer to the handshake in time"))?
        .map_err(|error| lost(&error))?;
    let (status, headers) = (response.status().as_u16(), fields(response.headers()));
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let driving = switched.is_none();
        let rest = refused(response, connection, driving, Instant::now() + patience).await;
        return Ok(Answer { status, headers, rest });
    }
    accepted(response.headers(), accept.as_deref(), subprotocols).map_err(invalid)?;
    let parts = match switched {
        Some(parts) => parts,
        None => connection.await.map_err(|error| lost(&error))?,
    };
    Ok(Answer { status, headers, rest: Rest::Switched { stream: parts.io.into_inner(), early: parts.read_buf.into() } })
}

/// Reads a refusal's body while the connection is driven on, if there is still something to be driven.
async fn refused(response: Response<Incoming>, connection: impl Future, mut driving: bool, until: Instant) -> Rest {
    let mut connection = pin!(connection);
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    let whole = timeout_at(until, async {
        loop {
            tokio::select! {
                biased;
                frame = incoming.frame() => match frame {
                    Some(Ok(frame)) => body.extend(frame.into_data().into_iter().flatten()),
                    Some(Err(error)) => return Some(lost(&error)),
                    None => return None,
                },
                _ = &mut connection, if driving => driving = false,
            }
            if body.len() >= ECHO_BYTES {
                body.truncate(ECHO_BYTES);
                return None;
            }
        }
    });
    let cut = whole.await.unwrap_or_else(|_| Some(Broken::new(LinkErrorKind::Timeout, "the answer did not end in time")));
    Rest::Refused { body, cut }
}

/// RFC 6455 section 4.1, what the client must check in the server's answer.
fn accepted(headers: &HeaderMap, accept: Option<&str>, offered: &[String]) -> Result<(), &'static str> {
    let lists = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value: &HeaderValue| value.to_str().ok())
            .any(|value| value.split(',').any(|listed| listed.trim().eq_ignore_ascii_case(token)))
    };
    if !lists(UPGRADE, "websocket") || !lists(CONNECTION, "upgrade") {
        return Err("the peer switches to something that is not a WebSocket");
    }
    let answered = headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept.is_none() || answered != accept.map(str::as_bytes) {
        return Err("the peer did not read the handshake's key");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("the peer uses an extension that was not offered");
    }
    let mut chosen = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    match (chosen.next(), chosen.next()) {
        (None, _) => Ok(()),
        (Some(name), None) if offered.iter().any(|offered| offered.as_bytes() == name.as_bytes()) => Ok(()),
        _ => Err("the peer speaks a subprotocol that was not offered"),
    }
}

fn fields(headers: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Headers of the handshake, of the connection, or of a body that there is not.
fn is_ours(name: &str) -> bool {
    let hop = ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
    hop.contains(&name) || name.starts_with("sec-websocket-") || name.starts_with("proxy-")
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Broken {
    Broken::new(LinkErrorKind::Protocol, detail)
}

fn lost(error: &hyper::Error) -> Broken {
    if error.is_parse() {
        return invalid("the answer is not HTTP/1.1");
    }
    Broken::new(LinkErrorKind::Reset, "the connection was lost in the handshake")
}
