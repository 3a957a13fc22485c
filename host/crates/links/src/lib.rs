//! Connections on behalf of foreign code: where it may go, with whose key, how much, how fast.
//!
//! A session holds a [`Door`] made under a [`Grant`]. It asks for links and says what to send; the door answers with what came.
//! Names, addresses, TLS, HTTP/2 windows, pings, keys, deadlines and budgets are decided here, never by the one who asks. This
//! crate promises that nothing is reached and no secret is shown beyond the grant. It does not know WebAssembly, calls or media.
//!
//! Modules in flow order: an effect of [`wire`] comes through the [`Door`], is held against the [`grant`], given its [`secrets`],
//! dialled and carried by [`http`] or [`websocket`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
#![allow(rustdoc::private_intra_doc_links, reason = "the map of the crate names its private rooms")]

mod counters;
mod dial;
mod door;
pub mod grant;
mod http;
mod limits;
mod meter;
mod outbox;
pub mod secrets;
mod websocket;
pub mod wire;

pub use counters::LinkCounts;
pub use door::{AudioLine, Door, Links, LinksConfig, LinksError, TooMuch};
pub use grant::Grant;
pub use limits::Deadlines;
pub use meter::{Meter, Metered};
