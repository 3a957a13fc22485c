//! Questions to an Asterisk by ARI, and the few acts that a look at it needs.

use crate::adapters::cli::web;
use crate::config::Asterisk;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An event, or a connection, is waited for so long.
const DEADLINE: Duration = Duration::from_secs(3);

/// One Asterisk that is asked, over plain HTTP.
#[derive(Clone, Copy)]
pub(super) struct Questions<'a> {
    pub(super) asterisk: &'a Asterisk,
    base: &'a url::Url,
}

/// Events of an application of our own.
pub(super) struct Events(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl<'a> Questions<'a> {
    /// None where it cannot be asked that way.
    pub(super) fn to(asterisk: &'a Asterisk) -> Option<Self> {
        let base = asterisk.url().filter(|url| url.scheme() == "http")?;
        Some(Self { asterisk, base })
    }

    /// `GET /ari/{path}`; none where there is no such thing.
    pub(super) async fn find<T: for<'de> Deserialize<'de>>(self, path: &str) -> Result<Option<T>, String> {
        let (status, body) = self.request(Method::GET, path, &[]).await?;
        match status {
            StatusCode::UNAUTHORIZED => Err("user or password is refused: they are those of a section of ari.conf".to_owned()),
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let answer = serde_json::from_slice(&body).map_err(|_| "the answer is not that of an Asterisk".to_owned())?;
                Ok(Some(answer))
            }
            status => Err(format!("answers {status}: is ARI enabled (ari.conf, http.conf)?")),
        }
    }

    /// `POST` or `DELETE`.
    pub(super) async fn act(self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<(), String> {
        let (status, _) = self.request(method, path, query).await?;
        if status.is_success() { Ok(()) } else { Err(format!("answers {status}")) }
    }

    /// Registers an application and hears its events.
    pub(super) async fn listen(self, app: &str) -> Result<Events, String> {
        let mut url = self.url("events", &[("app", app)]);
        url.set_scheme("ws").map_err(|()| "its URL is not http".to_owned())?;
        let mut request = url.as_str().into_client_request().map_err(|_| "its URL cannot be used".to_owned())?;
        let login = STANDARD.encode(format!("{}:{}", self.asterisk.user, self.asterisk.password.reveal()));
        let login = format!("Basic {login}").parse().map_err(|_| "user or password cannot stand in a header".to_owned())?;
        request.headers_mut().insert(AUTHORIZATION, login);
        match timeout(DEADLINE, connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Events(socket)),
            Ok(Err(_)) => Err("takes no event socket".to_owned()),
            Err(_) => Err("does not answer in time".to_owned()),
        }
    }

    async fn request(self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<(StatusCode, bytes::Bytes), String> {
        let credentials = Some((self.asterisk.user.as_str(), self.asterisk.password.reveal().as_str()));
        let answer = web::request(method, self.url(path, query).as_str(), credentials).await;
        answer.map_err(|error| format!("{error:#}"))
    }

    fn url(self, path: &str, query: &[(&str, &str)]) -> url::Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("ari").extend(path.split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

impl Events {
    /// Waits until a channel is in the application.
    pub(super) async fn started(&mut self, channel: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Event {
            r#type: String,
            channel: Option<Channel>,
        }
        #[derive(Deserialize)]
        struct Channel {
            id: String,
        }
        let started = async {
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Text(text) = message else { continue };
                let Ok(Event { r#type, channel: Some(of) }) = serde_json::from_str(&text) else { continue };
                if r#type == "StasisStart" && of.id == channel {
                    return Ok(());
                }
            }
            Err("its event socket broke".to_owned())
        };
        timeout(DEADLINE, started).await.unwrap_or_else(|_| Err("a channel for sound does not start in time".to_owned()))
    }
}
