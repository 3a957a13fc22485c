//! Requests over real sockets, against servers that behave and servers that do not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod rig;
mod http1;
mod http2;
mod tls;
mod pool;
mod secrets;
mod pressure;
mod deadlines;
