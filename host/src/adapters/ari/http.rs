//! What this gateway dials: REST over HTTP, and the event socket; both plain or TLS.

use super::rest::{Answer, Ask, ari_url};
use super::socket;
use crate::adapters::trust::{self, Stream, TlsFault, TrustError};
use crate::application::ports::TelephonyError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};
use tokio_util::either::Either;
use url::{Host, Url};

/// The longest answer is the list of channels: about 500 bytes each.
pub(super) const ANSWER_MAX: usize = 8 << 20;
/// An event is about 1 kB.
const EVENT_MAX: usize = 1 << 20;

/// How an Asterisk is dialled.
#[derive(Clone)]
pub(super) struct Dialled {
    base: Url,
    authorization: HeaderValue,
    tls: Arc<ClientConfig>,
    deadline: Duration,
}

/// Why the event socket was not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialFault {
    /// The certificate is not to be trusted, and why.
    Certificate(&'static str),
    /// Nobody answers.
    Unreachable,
    /// No answer in time.
    Deadline,
    /// No TLS is spoken there, or no version in common.
    Tls,
    /// User or password.
    Credentials,
    /// Another status than 101.
    Refused,
}

impl DialFault {
    pub(super) const CODES: [&'static str; 6] = ["certificate", "unreachable", "deadline", "tls", "credentials", "refused"];

    /// Bounded label, one of [`CODES`](Self::CODES).
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Unreachable => "unreachable",
            Self::Deadline => "deadline",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::Refused => "refused",
        }
    }

    /// More for the log; bounded as well.
    pub(super) fn detail(self) -> &'static str {
        if let Self::Certificate(why) = self { why } else { "" }
    }
}

impl From<TlsFault> for DialFault {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::Certificate(why) => Self::Certificate(why),
            TlsFault::Tls => Self::Tls,
            TlsFault::Unreachable => Self::Unreachable,
        }
    }
}

/// REST over HTTP; connections are kept and shared.
pub(super) struct HttpWire {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    dialled: Dialled,
}

impl Dialled {
    pub(super) fn new(base: Url, ca: Option<&[u8]>, authorization: HeaderValue, deadline: Duration) -> Result<Self, TrustError> {
        let speaks_tls = ca.is_some() || base.scheme() == "https";
        let tls = if speaks_tls { trust::trusting(ca)? } else { trust::trusting_nobody()? };
        Ok(Self { base, authorization, tls, deadline })
    }

    pub(super) async fn events(&self, app: &str) -> Result<WebSocketStream<Stream>, DialFault> {
        timeout(self.deadline, self.upgrade(app)).await.unwrap_or(Err(DialFault::Deadline))
    }

    async fn upgrade(&self, app: &str) -> Result<WebSocketStream<Stream>, DialFault> {
        let mut url = ari_url(&self.base, &["events"], &[("app", app), ("subscribeAll", "false")]);
        let scheme = if self.base.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).map_err(|()| DialFault::Unreachable)?;
        let mut request = url.as_str().into_client_request().map_err(|_| DialFault::Unreachable)?;
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        let stream = self.connect().await?;
        match client_async_with_config(request, stream, Some(socket::limits(EVENT_MAX))).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(answer)) if answer.status() == 401 => Err(DialFault::Credentials),
            Err(tungstenite::Error::Http(_)) => Err(DialFault::Refused),
            Err(_) => Err(DialFault::Unreachable),
        }
    }

    /// Why no connection is to be had; none: it is.
    pub(super) async fn fault(&self) -> Option<DialFault> {
        timeout(self.deadline, self.connect()).await.unwrap_or(Err(DialFault::Deadline)).err()
    }

    async fn connect(&self) -> Result<Stream, DialFault> {
        let port = self.base.port_or_known_default().unwrap_or(8088);
        let host = self.base.host().ok_or(DialFault::Unreachable)?;
        let tcp = match host {
            Host::Domain(name) => TcpStream::connect((name, port)).await,
            Host::Ipv4(address) => TcpStream::connect((address, port)).await,
            Host::Ipv6(address) => TcpStream::connect((address, port)).await,
        };
        let tcp = tcp.map_err(|_| DialFault::Unreachable)?;
        let _ = tcp.set_nodelay(true);
        if self.base.scheme() != "https" {
            return Ok(Either::Left(tcp));
        }
        Ok(Either::Right(trust::seal(tcp, host, &self.tls).await?))
    }
}

impl HttpWire {
    pub(super) fn new(dialled: Dialled) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(dialled.deadline));
        connector.enforce_http(false);
        let tls = ClientConfig::clone(&dialled.tls);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), dialled }
    }

    /// The caller sets the deadline.
    pub(super) async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, TelephonyError> {
        let mut request = Request::new(Full::new(ask.body.clone().map(Bytes::from).unwrap_or_default()));
        *request.method_mut() = ask.method.clone();
        let url = ari_url(&self.dialled.base, ask.path, ask.query);
        *request.uri_mut() = url.as_str().parse().map_err(|_| TelephonyError::Unsupported { act: ask.act })?;
        request.headers_mut().insert(AUTHORIZATION, self.dialled.authorization.clone());
        if ask.body.is_some() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let answer = self.client.request(request).await.map_err(|_| TelephonyError::Unreachable)?;
        let status = answer.status();
        let body = match Limited::new(answer.into_body(), ANSWER_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) if status.is_success() => return Err(TelephonyError::Unreachable),
            Err(_) => Bytes::new(),
        };
        Ok(Answer { status: status.as_u16(), body })
    }
}
