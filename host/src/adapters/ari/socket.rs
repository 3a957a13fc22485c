//! An event socket, whoever connected it.

use axum::extract::ws;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, tungstenite::Bytes};

/// See the module.
pub(super) enum Socket {
    /// This gateway connected.
    Dialled(Box<WebSocketStream<crate::adapters::trust::Stream>>),
    /// Asterisk did.
    Accepted(Box<ws::WebSocket>),
}

/// What came.
pub(super) enum Received {
    Text(String),
    /// Anything else: it lives.
    Sign,
}

impl Socket {
    /// None once it is closed or broken. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Received> {
        match self {
            Self::Dialled(socket) => match socket.next().await?.ok()? {
                Message::Text(text) => Some(Received::Text(text.as_str().to_owned())),
                Message::Close(_) => None,
                _ => Some(Received::Sign),
            },
            Self::Accepted(socket) => match socket.next().await?.ok()? {
                ws::Message::Text(text) => Some(Received::Text(text.as_str().to_owned())),
                ws::Message::Close(_) => None,
                _ => Some(Received::Sign),
            },
        }
    }

    /// None where it is broken.
    pub(super) async fn say(&mut self, text: String) -> Option<()> {
        match self {
            Self::Dialled(socket) => socket.send(Message::Text(text.into())).await.ok(),
            Self::Accepted(socket) => socket.send(ws::Message::Text(text.into())).await.ok(),
        }
    }

    /// Says goodbye; whether that comes through does not matter.
    pub(super) async fn close(&mut self) {
        match self {
            Self::Dialled(socket) => drop(socket.send(Message::Close(None)).await),
            Self::Accepted(socket) => drop(socket.send(ws::Message::Close(None)).await),
        }
    }

    /// Asks for a sign of life; none where it is broken.
    pub(super) async fn ping(&mut self) -> Option<()> {
        match self {
            Self::Dialled(socket) => socket.send(Message::Ping(Bytes::new())).await.ok(),
            Self::Accepted(socket) => socket.send(ws::Message::Ping(axum::body::Bytes::new())).await.ok(),
        }
    }
}

/// Limits of what one message may hold: an event is about 1 kB, the answer to a request may be a list of channels.
pub(super) fn limits(message_max: usize) -> tungstenite::protocol::WebSocketConfig {
    tungstenite::protocol::WebSocketConfig::default().max_message_size(Some(message_max)).max_frame_size(Some(message_max))
}
