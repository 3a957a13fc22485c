//! Messages of a socket: headers and a body, one request's turn after the other.

use super::door::is_id;
use crate::{Cut, Sim, Vendor};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::Value;
use std::sync::Arc;
use vg_wire::usp::{self, Headers};

/// The connection is over, one way or the other.
#[derive(Debug)]
pub(super) struct Gone;

/// A message of the client.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) path: String,
    pub(super) headers: Headers,
    /// As it was written; empty where there was none.
    pub(super) request_id: String,
    pub(super) body: Bytes,
}

/// The server's side of a connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sim: Arc<Sim>,
    socket: WebSocket,
    cut: Cut,
    said: u32,
    configured: bool,
}

impl Line {
    pub(super) fn new(sim: Arc<Sim>, socket: WebSocket, cut: Cut) -> Self {
        Self { sim, socket, cut, said: 0, configured: false }
    }

    /// The next message that matters: `speech.config` has to come first and is read here, telemetry is ignored.
    pub(super) async fn next(&mut self) -> Result<Told, Gone> {
        loop {
            let told = match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => match usp::read_text(&text) {
                    Ok((headers, body)) => told(headers, Bytes::copy_from_slice(body.as_bytes())),
                    Err(error) => return self.offended(1002, &error.to_string()).await,
                },
                Some(Ok(Message::Binary(data))) => match usp::read_binary(&data) {
                    Ok((headers, body)) => told(headers, Bytes::copy_from_slice(body)),
                    Err(error) => return self.offended(1002, &error.to_string()).await,
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
            };
            let time = told.headers.get("X-Timestamp").unwrap_or_default();
            if time.len() != 24 || !time.ends_with('Z') {
                return self.offended(1007, "X-Timestamp is no time").await;
            }
            match told.path.as_str() {
                "speech.config" => self.configure(&told.body).await?,
                "telemetry" => {}
                _ if !self.configured => return self.offended(1007, "speech.config has to come first").await,
                _ if !is_id(&told.request_id) => return self.offended(1007, "X-RequestId is no id").await,
                _ => return Ok(told),
            }
        }
    }

    async fn configure(&mut self, body: &[u8]) -> Result<(), Gone> {
        let config: Value = serde_json::from_slice(body).unwrap_or_default();
        if !config["context"]["system"]["version"].is_string() || !config["context"]["system"]["name"].is_string() {
            return self.offended(1007, "speech.config names no system").await;
        }
        self.configured = true;
        Ok(())
    }

    /// A text message of a turn.
    pub(super) async fn say(&mut self, request_id: &str, path: &str, body: &Value) -> Result<(), Gone> {
        let headers = Headers::new()
            .with("X-RequestId", request_id)
            .with("Content-Type", "application/json; charset=utf-8")
            .with("Path", path);
        self.send(Message::Text(usp::text(&headers, &body.to_string()).into())).await
    }

    /// A binary message of a turn.
    pub(super) async fn sound(&mut self, request_id: &str, stream: &str, samples: &[u8]) -> Result<(), Gone> {
        let mut headers = Headers::new().with("X-RequestId", request_id);
        if !samples.is_empty() {
            headers = headers.with("Content-Type", "audio/x-wav");
        }
        let headers = headers.with("X-StreamId", stream).with("Path", "audio");
        self.send(Message::Binary(usp::binary(&headers, samples).into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        if self.sim.trouble_ahead("stall") == Some(self.said) && self.sim.trouble("stall").is_some() {
            self.fall_silent().await?;
        }
        self.said += 1;
        if self.sim.trouble("garbage").is_some() {
            self.socket.send(Message::Text("\u{1}]garbage{\"".into())).await.map_err(|_| Gone)?;
        }
        self.socket.send(message).await.map_err(|_| Gone)?;
        self.sim.said_one(&self.cut);
        Ok(())
    }

    /// Hears and says nothing more.
    async fn fall_silent(&mut self) -> Result<(), Gone> {
        while let Some(Ok(message)) = self.socket.recv().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
        }
        Err(Gone)
    }

    /// The client did what the vendor does not take.
    pub(super) async fn offended<T>(&mut self, code: u16, what: &str) -> Result<T, Gone> {
        self.sim.offence(Vendor::Azure, what);
        self.close(code, what).await
    }

    pub(super) async fn close<T>(&mut self, code: u16, reason: &str) -> Result<T, Gone> {
        let frame = CloseFrame { code, reason: reason.into() };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            // So that the client reads it before the connection goes.
            while let Some(Ok(_)) = self.socket.recv().await {}
        }
        Err(Gone)
    }
}

fn told(headers: Headers, body: Bytes) -> Told {
    let request_id = headers.get("X-RequestId").unwrap_or_default().to_owned();
    Told { path: headers.path(), headers, request_id, body }
}
