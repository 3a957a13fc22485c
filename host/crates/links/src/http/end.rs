//! Why a request ends before its answer does, in words fit for a guest.

use crate::dial::DialError;
use crate::door::Gone;
use crate::grant::Refusal;
use crate::wire::LinkErrorKind;
use h2::Reason;
use std::borrow::Cow;
use std::error::Error;
use std::io::{self, ErrorKind};

/// How a request ends that does not end well.
#[derive(Debug)]
pub(super) enum End {
    /// Nobody is left to be told.
    Gone,
    /// To be told.
    Failed(LinkErrorKind, Cow<'static, str>),
}

/// A request that broke over a connection.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) end: End,
    /// Nothing of an answer came, and the connection is to blame: the request may be made again over another.
    pub(super) unheard: bool,
}

impl End {
    pub(super) const OVER_BUDGET: Self = Self::Failed(LinkErrorKind::Limit, Cow::Borrowed("the link's bytes are used up"));

    pub(super) fn protocol(detail: &'static str) -> Self {
        Self::Failed(LinkErrorKind::Protocol, Cow::Borrowed(detail))
    }

    pub(super) fn reset(detail: &'static str) -> Self {
        Self::Failed(LinkErrorKind::Reset, Cow::Borrowed(detail))
    }

    pub(super) fn timeout(detail: &'static str) -> Self {
        Self::Failed(LinkErrorKind::Timeout, Cow::Borrowed(detail))
    }
}

impl Broken {
    /// Before anything of the answer came.
    pub(super) fn before_http1_answer(error: &hyper::Error) -> Self {
        Self { unheard: !error.is_parse() && !error.is_user(), end: error.into() }
    }

    /// Before anything of the answer came. A peer that refuses or goes away says that it has not looked at the stream (RFC 9113, section 8.7).
    pub(super) fn before_http2_answer(error: &h2::Error) -> Self {
        let untouched = error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        Self { unheard: untouched || error.is_io(), end: error.into() }
    }

    /// Only a connection that was used before can have been dead already.
    pub(super) fn only_if(self, reused: bool) -> Self {
        Self { unheard: self.unheard && reused, ..self }
    }
}

impl From<End> for Broken {
    fn from(end: End) -> Self {
        Self { end, unheard: false }
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.kind(), refusal.to_string().into())
    }
}

impl From<DialError> for End {
    fn from(error: DialError) -> Self {
        Self::Failed(error.kind(), error.to_string().into())
    }
}

impl From<&hyper::Error> for End {
    fn from(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::protocol("the answer's head is not HTTP/1.1, or too long");
        }
        match io_kind(error) {
            // Chunks that are none, or a TLS record that was tampered with.
            Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => Self::protocol("the answer's body cannot be read"),
            _ => Self::reset("the connection was lost"),
        }
    }
}

impl From<&h2::Error> for End {
    fn from(error: &h2::Error) -> Self {
        let reason = match error.reason() {
            Some(reason) => reason,
            None if io_kind(error) == Some(ErrorKind::InvalidData) => return Self::protocol("the answer is not HTTP/2"),
            None => return Self::reset("the connection was lost"),
        };
        if !error.is_remote() {
            return Self::protocol("the peer broke HTTP/2");
        }
        match reason {
            Reason::REFUSED_STREAM => Self::reset("the peer takes no more streams"),
            Reason::HTTP_1_1_REQUIRED => Self::protocol("the peer wants HTTP/1.1"),
            Reason::PROTOCOL_ERROR | Reason::FRAME_SIZE_ERROR | Reason::COMPRESSION_ERROR => {
                Self::protocol("the peer does not accept the request")
            }
            _ if error.is_go_away() => Self::reset("the peer went away"),
            _ => Self::reset("the peer gave the stream up"),
        }
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}
