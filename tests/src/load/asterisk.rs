//! As much of ARI as a thousand calls at once need: it never refuses, and is quick.

use anyhow::Result;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};

/// Events that wait for the gateway.
const EVENTS: usize = 4096;

/// A media channel was asked for.
#[derive(Debug)]
pub struct Asked {
    /// Whose sound it is, of the callers that take turns.
    pub caller: usize,
    /// Where the gateway wants its sound.
    pub gateway: SocketAddr,
}

/// See the module.
pub struct Asterisk {
    /// Its base URL.
    pub url: String,
    house: Arc<House>,
}

struct House {
    said: broadcast::Sender<String>,
    asked: mpsc::Sender<Asked>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Where callers' sound comes from; they take turns.
    callers: Vec<SocketAddr>,
    next: usize,
    channels: BTreeSet<String>,
    bridges: BTreeSet<String>,
}

/// What exists in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Names of channels, callers' and media.
    pub channels: BTreeSet<String>,
    /// Names of bridges.
    pub bridges: BTreeSet<String>,
}

impl Asterisk {
    /// `callers`: where their sound comes from. What is asked for is told by `asked`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(callers: Vec<SocketAddr>, asked: mpsc::Sender<Asked>) -> Result<Self> {
        let inner = Mutex::new(Inner { callers, ..Inner::default() });
        let house = Arc::new(House { said: broadcast::channel(EVENTS).0, asked, inner });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/ari/events", any(events)).fallback(request).with_state(Arc::clone(&house));
        #[expect(clippy::disallowed_methods, reason = "serves as long as the program runs")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, house })
    }

    /// What exists at this moment.
    pub fn left(&self) -> Left {
        let inner = self.house.lock();
        Left { channels: inner.channels.clone(), bridges: inner.bridges.clone() }
    }

    /// A caller comes.
    pub fn ring(&self, caller: usize) {
        let id = format!("caller-{caller}");
        self.house.lock().channels.insert(id.clone());
        let channel = json!({"id": id, "caller": {"number": "5550100"}, "dialplan": {"exten": "100"}});
        self.say(&json!({"type": "StasisStart", "args": ["tenant=load"], "channel": channel}));
    }

    /// A caller goes.
    pub fn hang_up(&self, caller: usize) {
        let id = format!("caller-{caller}");
        self.house.lock().channels.remove(&id);
        let channel = json!({ "id": id });
        self.say(&json!({"type": "ChannelHangupRequest", "channel": channel}));
        self.say(&json!({"type": "StasisEnd", "channel": channel}));
    }

    fn say(&self, event: &Value) {
        self.house.say(event);
    }
}

impl House {
    fn say(&self, event: &Value) {
        let _nobody_listens = self.said.send(event.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn events(State(house): State<Arc<House>>, upgrade: WebSocketUpgrade) -> Response {
    let mut said = house.said.subscribe();
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        loop {
            tokio::select! {
                said = said.recv() => {
                    let Ok(text) = said else { return };
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                received = socket.recv() => if !matches!(received, Some(Ok(_))) { return },
            }
        }
    })
}

async fn request(State(house): State<Arc<House>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/ari/").to_owned();
    let query = request.uri().query().unwrap_or_default();
    let query: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let segments: Vec<&str> = path.split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["asterisk", "info"]) => {
            axum::Json(json!({"system": {"version": "22.10.1"}, "status": {"startup_time": "t0"}})).into_response()
        }
        (&Method::GET, ["channels"]) => names(&house.lock().channels),
        (&Method::GET, ["bridges"]) => names(&house.lock().bridges),
        (&Method::GET, ["channels", id]) if house.lock().channels.contains(*id) => axum::Json(json!({"id": id})).into_response(),
        (&Method::POST, ["channels", "externalMedia"]) => media(&house, &query),
        (&Method::POST, ["bridges", _, "addChannel"]) => StatusCode::NO_CONTENT.into_response(),
        (&Method::POST, ["bridges"]) => bridge(&house, &query),
        (&Method::POST, ["channels", id, _]) if house.lock().channels.contains(*id) => StatusCode::NO_CONTENT.into_response(),
        (&Method::DELETE, ["bridges", id]) if house.lock().bridges.remove(*id) => StatusCode::NO_CONTENT.into_response(),
        (&Method::DELETE, ["channels", id]) if house.lock().channels.remove(*id) => {
            house.say(&json!({"type": "StasisEnd", "channel": {"id": id}}));
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn names(names: &BTreeSet<String>) -> Response {
    axum::Json(names.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>()).into_response()
}

fn bridge(house: &House, query: &HashMap<String, String>) -> Response {
    let Some(id) = query.get("bridgeId") else { return StatusCode::BAD_REQUEST.into_response() };
    house.lock().bridges.insert(id.clone());
    axum::Json(json!({ "id": id })).into_response()
}

/// Callers are all alike: the first media channel is the first caller's.
fn media(house: &Arc<House>, query: &HashMap<String, String>) -> Response {
    let (Some(channel), Some(host)) = (query.get("channelId"), query.get("external_host").and_then(|host| host.parse().ok()))
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut inner = house.lock();
    let caller = inner.next % inner.callers.len().max(1);
    inner.next += 1;
    let Some(from) = inner.callers.get(caller).copied() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    inner.channels.insert(channel.clone());
    drop(inner);
    let _the_end = house.asked.try_send(Asked { caller, gateway: host });
    house.say(&json!({"type": "StasisStart", "args": [], "channel": {"id": channel}}));
    let variables = json!({"UNICASTRTP_LOCAL_ADDRESS": from.ip().to_string(), "UNICASTRTP_LOCAL_PORT": from.port().to_string()});
    axum::Json(json!({"id": channel, "channelvars": variables})).into_response()
}
