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
/// Resolving, connecting, TLS handshake and HTTP/2 or WebSocket set-up together: `failed(timeout)`.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// From the end of the request to the head of the answer: `failed(timeout)`.
pub(crate) const FIRST_BYTE: Duration = Duration::from_secs(15);
/// Without a byte in either direction: `failed(timeout)`.
pub(crate) const IDLE: Duration = Duration::from_secs(120);
/// An unused connection is kept this long for another session of the same tenant, plugin, origin and credential.
pub(crate) const KEEP_UNUSED: Duration = Duration::from_secs(50);
/// Unused connections kept per pool key: the oldest is closed.
pub(crate) const KEPT_PER_KEY: usize = 4;
/// Refusals of a plugin that the operator is told in words: further ones are only counted.
pub(crate) const REFUSALS_TOLD: usize = 32;
/// Addresses of a name that are dialled: the rest is forgotten.
pub(crate) const ADDRESSES: usize = 16;
