//! Connections to a vendor: what a plugin asks, in few words.
//!
//! ```
//! use vg_plugin_sdk::{link, stt::Effect};
//!
//! let effects: Vec<Effect> = vec![
//!     link::websocket(1, "wss://api.example.com/v1/listen").header("authorization", "Bearer {secret:api_key}").into(),
//!     link::send_text(1, r#"{"type":"hello"}"#).into(),
//! ];
//! assert_eq!(effects.len(), 2);
//! ```
//!
//! What is sent before the link is open waits for it. A header or URL may hold `{secret:NAME}`: the host fills it in, the
//! plugin never sees the value.

pub use crate::bindings::describe::serphona::speech::link::{
    Authentication, AwsPayload, AwsSigv4, Failed, Fields, Finished, HttpOpen, HttpVersion, LinkBytes, LinkEffect, LinkErrorKind,
    LinkId, LinkInput, LinkText, Opened, Preconnect, RequestBody, Signed, Trailers, WebsocketOpen,
};

/// Of a refusal's body.
const REFUSAL_BYTES: usize = 16 << 10;

/// A request by HTTP/1.1 without a body.
pub fn http(id: LinkId, method: &str, url: impl Into<String>) -> HttpOpen {
    HttpOpen {
        id,
        method: method.to_owned(),
        url: url.into(),
        headers: vec![],
        body: RequestBody::None,
        version: HttpVersion::Http1,
        auth: Authentication::Templates,
    }
}

/// A WebSocket without subprotocol.
pub fn websocket(id: LinkId, url: impl Into<String>) -> WebsocketOpen {
    WebsocketOpen { id, url: url.into(), headers: vec![], subprotocols: vec![], auth: Authentication::Templates }
}

/// Has a connection to the URL's origin ready for a later request.
pub fn preconnect(url: impl Into<String>, version: HttpVersion) -> LinkEffect {
    LinkEffect::Preconnect(Preconnect { url: url.into(), version })
}

/// A piece of a streaming body, or a binary message.
pub fn send(id: LinkId, data: impl Into<Vec<u8>>) -> LinkEffect {
    LinkEffect::SendBytes(LinkBytes { id, data: data.into() })
}

/// A text message.
pub fn send_text(id: LinkId, data: impl Into<String>) -> LinkEffect {
    LinkEffect::SendText(LinkText { id, data: data.into() })
}

/// Half-close: nothing more will be sent.
pub fn finish(id: LinkId) -> LinkEffect {
    LinkEffect::Finish(id)
}

/// Both directions end now; nothing more is heard of the link.
pub fn close(id: LinkId) -> LinkEffect {
    LinkEffect::Close(id)
}

/// The value of a field, whose name is compared without regard to case; the first where there are several.
pub fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Keeps the next piece of a refusal's body, which may explain it. What is longer than any explanation (16 KiB) is cut.
pub fn keep_refusal(body: &mut Vec<u8>, piece: &[u8]) {
    let room = REFUSAL_BYTES.saturating_sub(body.len());
    body.extend_from_slice(&piece[..room.min(piece.len())]);
}

/// `Retry-After` in its form of seconds (RFC 9110, 10.2.3); a session has no calendar for its form of a date.
pub fn retry_after_ms(headers: &[(String, String)]) -> Option<u64> {
    field(headers, "retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1000)
}

impl HttpOpen {
    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The whole body goes with the request.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = RequestBody::Whole(body.into());
        self
    }

    /// The body follows by [`send`], its end by [`finish`].
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.body = RequestBody::Streaming;
        self
    }

    /// By HTTP/2, as gRPC needs it.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.version = HttpVersion::Http2;
        self
    }

    /// Signed by the host (AWS Signature Version 4).
    #[must_use]
    pub fn aws(mut self, signature: AwsSigv4) -> Self {
        self.auth = Authentication::AwsSigv4(signature);
        self
    }
}

impl WebsocketOpen {
    /// One more header of the handshake.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// One more subprotocol, the most wanted first.
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.to_owned());
        self
    }

    /// Its URL signed by the host (AWS Signature Version 4).
    #[must_use]
    pub fn aws(mut self, signature: AwsSigv4) -> Self {
        self.auth = Authentication::AwsSigv4(signature);
        self
    }
}

impl From<HttpOpen> for LinkEffect {
    fn from(open: HttpOpen) -> Self {
        Self::Http(open)
    }
}

impl From<WebsocketOpen> for LinkEffect {
    fn from(open: WebsocketOpen) -> Self {
        Self::Websocket(open)
    }
}

macro_rules! link_effects_are_effects_of {
    ($($kind:ident)*) => {$(
        impl From<LinkEffect> for crate::$kind::Effect {
            fn from(effect: LinkEffect) -> Self {
                Self::Link(effect)
            }
        }

        impl From<HttpOpen> for crate::$kind::Effect {
            fn from(open: HttpOpen) -> Self {
                Self::Link(open.into())
            }
        }

        impl From<WebsocketOpen> for crate::$kind::Effect {
            fn from(open: WebsocketOpen) -> Self {
                Self::Link(open.into())
            }
        }
    )*};
}

link_effects_are_effects_of!(stt tts);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refusal_no_more_is_kept_than_an_explanation_needs() {
        let mut body = Vec::new();
        keep_refusal(&mut body, b"{\"error\":");
        (0..40).for_each(|_| keep_refusal(&mut body, &[b' '; 1000]));
        assert_eq!(body.len(), 16 << 10);
        assert!(body.starts_with(b"{\"error\":"));
    }
}
