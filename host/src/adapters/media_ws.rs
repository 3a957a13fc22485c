//! `GET /media/ws`: calls that bring their own sound, without SIP. Speaks Asterisk's chan_websocket media protocol (JSON control, subprotocol `media`).
//!
//! Whoever connects is the caller's side: it says `MEDIA_START` first, then sends and receives binary frames of the codec named there:
//! bytes in order, but for Opus, of which each message is a packet.

pub mod client;
mod control;
mod opus;
mod server;

pub use control::{Format, LatencyMs, PhoneFact, fuzz};

use crate::adapters::here::{is_here, leads_here};
use crate::adapters::http::{Problem, Tickets};
use crate::adapters::rtp::Shards;
use crate::application::ports::{IncomingCall, Observe, TenantHint};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use url::Url;
use vg_media::Silence;

/// Bytes of one message: a frame has at most 640, a control message some hundreds.
const MESSAGE_MAX: usize = 64 << 10;

/// The route. Must be served with [`ConnectInfo`] of [`SocketAddr`]: who is not on this machine needs one of the `tickets`, and with one the call is
/// that of the ticket's tenant. `silence` is what an Asterisk gets while there is nothing to say; `observe` learns how soon the other ends flush.
pub fn router(
    shard: Arc<Shards>,
    incoming: mpsc::Sender<IncomingCall>,
    silence: Silence,
    tickets: Arc<Tickets>,
    observe: Arc<dyn Observe>,
) -> Router {
    Router::new().route("/media/ws", get(accept)).with_state(Door { shard, incoming, silence, tickets, observe })
}

#[derive(Clone)]
struct Door {
    shard: Arc<Shards>,
    incoming: mpsc::Sender<IncomingCall>,
    silence: Silence,
    tickets: Arc<Tickets>,
    observe: Arc<dyn Observe>,
}

#[derive(Deserialize)]
struct Wishes {
    /// `1`: the call's facts are wanted as well.
    #[serde(default)]
    facts: u8,
    /// A ticket of `POST /v1/media-tickets`.
    ticket: Option<String>,
}

async fn accept(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(wishes): Query<Wishes>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let admitted = match wishes.ticket {
        Some(ticket) => door.tickets.redeem(&ticket).map(|tenant| Some(TenantHint::Named(tenant))),
        None => (is_here(peer) && origin_is_local(&headers)).then_some(None),
    };
    let Some(tenant) = admitted else {
        tracing::warn!("media socket refused: neither from this machine nor with a ticket that holds");
        return Problem::new(StatusCode::FORBIDDEN, "ticket_needed").into_response();
    };
    upgrade
        .protocols(["media"])
        .max_message_size(MESSAGE_MAX)
        // A frame is gathered whole before the message is measured.
        .max_frame_size(MESSAGE_MAX)
        .on_upgrade(move |socket| server::serve(socket, door, wishes.facts == 1, tenant))
}

/// A browser on this machine may show a page from anywhere, and that page may connect here: it says so in `Origin`.
fn origin_is_local(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    origin.to_str().is_ok_and(|origin| Url::parse(origin).is_ok_and(|url| leads_here(&url)))
}

#[cfg(test)]
mod tests;
