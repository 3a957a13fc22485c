//! What a session asks of its links and is told about them: the contract's `link` interface as plain values.
//!
//! Types that carry a vendor's or a caller's bytes print their size, never the bytes.

use crate::secrets::ChunkSigner;
use std::fmt;

/// Chosen by the session, unique among its open links.
pub type LinkId = u32;

/// Header or trailer fields in order. A value may hold `{secret:NAME}`.
pub type Fields = Vec<(String, String)>;

/// Which HTTP is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HttpVersion {
    /// HTTP/1.1
    Http1,
    /// HTTP/2 (`h2` by ALPN on TLS, prior knowledge without).
    Http2,
}

/// What is sent with a request.
#[derive(Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// Nothing.
    None,
    /// All of it.
    Whole(Vec<u8>),
    /// Pieces follow, then a half-close.
    Streaming,
}

/// How the payload takes part in an AWS signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsPayload {
    /// Its hash.
    Hashed,
    /// Messages are signed one after another.
    EventStream,
    /// The URL is signed; valid for 60 s.
    Presigned,
}

/// What an AWS signature is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSigV4 {
    /// Name of a secret of kind `aws-credentials`.
    pub secret: String,
    /// For example `eu-central-1`.
    pub region: String,
    /// For example `transcribe`.
    pub service: String,
    /// How the payload takes part.
    pub payload: AwsPayload,
}

/// How the host proves who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By what `{secret:NAME}` in headers and URL stands for, if there is any.
    Templates,
    /// By a signature.
    AwsSigV4(AwsSigV4),
}

/// A request to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpOpen {
    /// The link.
    pub id: LinkId,
    /// For example `POST`.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// In order.
    pub headers: Fields,
    /// What is sent with it.
    pub body: RequestBody,
    /// In which HTTP.
    pub version: HttpVersion,
    /// Who asks.
    pub auth: Authentication,
}

/// A WebSocket to be opened (RFC 6455).
#[derive(Clone, PartialEq, Eq)]
pub struct WebsocketOpen {
    /// The link.
    pub id: LinkId,
    /// Absolute URL, `wss` or `ws`.
    pub url: String,
    /// In order.
    pub headers: Fields,
    /// Offered, best first.
    pub subprotocols: Vec<String>,
    /// Who asks.
    pub auth: Authentication,
}

/// A connection that will be needed soon.
#[derive(Clone, PartialEq, Eq)]
pub struct Preconnect {
    /// Absolute URL; only its origin counts.
    pub url: String,
    /// In which HTTP.
    pub version: HttpVersion,
}

/// What a session asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// Make a request.
    Http(HttpOpen),
    /// Open a WebSocket.
    Websocket(WebsocketOpen),
    /// Have a connection ready.
    Preconnect(Preconnect),
    /// A piece of a streaming body, or a binary message.
    SendBytes(LinkId, Payload),
    /// A text message.
    SendText(LinkId, Payload),
    /// Half-close.
    Finish(LinkId),
    /// Both directions end now.
    Close(LinkId),
}

/// Bytes that are on their way; text where the link says so. Prints its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

/// The first link of a chain of AWS signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Lower-case hexadecimal.
    pub signature: String,
    /// `YYYYMMDDTHHMMSSZ`
    pub amz_date: String,
    /// `YYYYMMDD/region/service/aws4_request`
    pub scope: String,
    /// Continues the chain. Stays with the host; none where the chain is only told of, in a replay.
    pub signer: Option<ChunkSigner>,
}

/// Why a link could not be opened or broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkErrorKind {
    /// Not permitted.
    EgressDenied,
    /// The name does not resolve.
    Dns,
    /// No connection was made.
    Connect,
    /// Certificate or handshake was refused.
    Tls,
    /// A deadline passed.
    Timeout,
    /// The peer broke the protocol, or the request cannot be sent.
    Protocol,
    /// The connection was lost.
    Reset,
    /// Too many links, or too many bytes.
    Limit,
}

/// What a session is told. `Finished` or `Failed` is a link's last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkInput {
    /// Before `Opened`, where an event stream was asked for.
    Signed(LinkId, Signed),
    /// The answer's head has come.
    Opened {
        /// The link.
        id: LinkId,
        /// HTTP status; 101 for a WebSocket.
        status: u16,
        /// In order.
        headers: Fields,
    },
    /// At most 16 KiB at a time; a WebSocket's binary message of any length is one.
    Bytes(LinkId, Payload),
    /// A text message; its bytes are UTF-8.
    Text(LinkId, Payload),
    /// What followed the body.
    Trailers(LinkId, Fields),
    /// The other side ended; the close code of a WebSocket where there was one.
    Finished(LinkId, Option<u16>),
    /// The link cannot go on.
    Failed {
        /// The link.
        id: LinkId,
        /// Why.
        kind: LinkErrorKind,
        /// In words, without secrets and addresses of ours.
        detail: String,
    },
    /// Too much waits to be sent.
    Full(LinkId),
    /// Takes more again.
    Writable(LinkId),
}

impl LinkErrorKind {
    /// Bounded label, as in the contract.
    pub fn code(self) -> &'static str {
        match self {
            Self::EgressDenied => "egress-denied",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Reset => "reset",
            Self::Limit => "limit",
        }
    }
}

impl LinkInput {
    /// Which link it is about.
    pub fn id(&self) -> LinkId {
        match self {
            Self::Signed(id, _)
            | Self::Bytes(id, _)
            | Self::Text(id, _)
            | Self::Trailers(id, _)
            | Self::Finished(id, _)
            | Self::Full(id)
            | Self::Writable(id)
            | Self::Opened { id, .. }
            | Self::Failed { id, .. } => *id,
        }
    }

    /// Whether the link says nothing after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished(..) | Self::Failed { .. })
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Streaming => f.write_str("Streaming"),
        }
    }
}

// A URL or a header may carry what a caller said, in a query: only the shape is printed.
impl fmt::Debug for HttpOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpOpen({}, {} to {}, {:?})", self.id, self.method, origin(&self.url), self.body)
    }
}

impl fmt::Debug for WebsocketOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebsocketOpen({}, {})", self.id, origin(&self.url))
    }
}

impl fmt::Debug for Preconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preconnect({})", origin(&self.url))
    }
}

fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |end| authority + end);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_what_it_carries() {
        let open = WebsocketOpen {
            id: 1,
            url: "wss://vendor.example/listen?phrase=secret".into(),
            headers: vec![("x".into(), "secret".into())],
            subprotocols: vec![],
            auth: Authentication::Templates,
        };
        let effects = [LinkEffect::Websocket(open), LinkEffect::SendText(1, Payload(b"secret".to_vec()))];
        let printed = format!("{effects:?}");
        assert!(!printed.contains("secret"), "{printed}");
        assert!(printed.contains("wss://vendor.example"), "{printed}");
    }
}
