//! Every limit on links: its value, its unit, and what happens at it.

use std::time::Duration;

/// Links a session has open at a time: `failed(limit)`.
pub(crate) const LINKS_OPEN: usize = 8;
/// Bytes that wait to be sent on one link before the session is told `full`.
pub(crate) const OUT_HIGH_BYTES: usize = 64 << 10;
/// Bytes that wait when it is told `writable` again.
pub(crate) const OUT_LOW_BYTES: usize = 16 << 10;
/// Bytes that may wait: beyond it the session is dropped, `link-limit`.
pub(crate) const OUT_BYTES_MAX: usize = 256 << 10;
/// Bytes of one piece given to a session.
pub(crate) const IN_PIECE_BYTES: usize = 16 << 10;
/// Pieces that wait for a session, over all its links: then its sockets are not read and the vendor's window closes.
pub(crate) const IN_PIECES: usize = 16;
/// Bytes of one WebSocket message received: `failed(protocol)`, close code 1009.
pub(crate) const IN_MESSAGE_BYTES: usize = 1 << 20;
/// Bytes of all headers of an answer: `failed(protocol)`.
pub(crate) const HEADER_BYTES: usize = 64 << 10;
/// How long a peer is waited for, and what is told when it takes longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Resolving, connecting, TLS handshake and HTTP/2 or WebSocket set-up together: `failed(timeout)`.
    pub connect: Duration,
    /// From the end of the request to the head of the answer: `failed(timeout)`.
    pub first_byte: Duration,
    /// Without a byte in either direction, while the session takes what comes: `failed(timeout)`.
    pub idle: Duration,
    /// An unused connection is kept this long for another session of the same tenant, plugin, origin and credential.
    pub keep_unused: Duration,
    /// Without a byte from a WebSocket's peer, until it is pinged.
    pub ping: Duration,
    /// Without a byte in either direction on an HTTP/2 connection in use, until its peer is pinged. Servers of gRPC end a connection
    /// at the third ping without data: longer than a third of `idle` keeps below that.
    pub ping_http2: Duration,
    /// Until a ping must be answered, or until a peer must acknowledge what TCP sent it.
    pub pong: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(5), first_byte: s(15), idle: s(120), keep_unused: s(50), ping: s(20), ping_http2: s(45), pong: s(20) }
    }
}

/// From one address of a name to the next that is tried beside it.
pub(crate) const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Streams that share an HTTP/2 connection, where the peer allows as many: then another is made.
pub(crate) const STREAMS_PER_CONNECTION: usize = 100;
/// Bytes of an HTTP/2 stream that the vendor may send ahead of what its session took. The connection's window is as
/// large as those of all its streams together: one session that takes nothing does not stop the others.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 << 10;
/// Until an HTTP/1.1 connection is ready again after an answer: one that is still busy with the request is closed.
pub(crate) const SETTLE: Duration = Duration::from_millis(10);
/// Bytes of an answer's body in which secrets are looked for.
pub(crate) const ECHO_BYTES: usize = 64 << 10;
/// Bytes of an answer to the host itself (a token): the request fails.
pub(crate) const FETCH_BYTES: usize = 64 << 10;
/// Until such an answer must be there.
pub(crate) const FETCH: Duration = Duration::from_secs(10);
/// Unused connections kept per pool key: the oldest is closed.
pub(crate) const KEPT_PER_KEY: usize = 4;
/// Refusals of a plugin that the operator is told in words: further ones are only counted.
pub(crate) const REFUSALS_TOLD: usize = 32;
/// Addresses of a name that are dialled: the rest is forgotten.
pub(crate) const ADDRESSES: usize = 16;
/// A secret that was read is used this long before it is read again.
pub(crate) const SECRET_KEPT: Duration = Duration::from_secs(10);
/// A token is renewed this long before its end.
pub(crate) const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// A token that its host refuses is got anew only if it is older than this.
pub(crate) const TOKEN_AGAIN: Duration = Duration::from_secs(10);
/// Whoever needs a token this soon after it could not be got is told that failure.
pub(crate) const TOKEN_FAILED: Duration = Duration::from_secs(2);
/// Values of a grant that are looked for in answers: the one used longest ago is forgotten.
pub(crate) const ECHO_VALUES: usize = 16;
/// Bytes of a value below which it is not looked for.
pub(crate) const ECHO_VALUE_BYTES: usize = 8;
/// Credentials of a grant that can be told apart when their host refuses one: the one first used longest ago is forgotten.
pub(crate) const CREDENTIALS: usize = 64;
/// Between two lines to the operator about one secret that cannot be used.
pub(crate) const TELL_AGAIN: Duration = Duration::from_secs(60);
