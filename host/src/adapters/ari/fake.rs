//! A scripted Asterisk: enough of ARI to be strict about the order of a set-up, and to misbehave.

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;
use url::Url;

/// Time between the answer to externalMedia and the channel's StasisStart.
const START: Duration = Duration::from_millis(30);

/// Runs on its own threads, so that it can be killed with all its connections.
pub(super) struct Asterisk {
    pub(super) url: Url,
    house: Arc<House>,
    runtime: Option<Runtime>,
}

#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Cut,
}

struct House {
    media_port: u16,
    said: broadcast::Sender<Said>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Channel to whether it is in Stasis.
    channels: BTreeMap<String, bool>,
    bridges: BTreeSet<String>,
    /// Of channels that are listed as in the application.
    names: BTreeMap<String, &'static str>,
    log: Vec<String>,
    /// Variables that were set, in order.
    variables: Vec<(String, String)>,
    /// Requests whose line contains this are never answered.
    hang_at: Option<&'static str>,
    /// Requests whose line contains this are answered with nonsense.
    nonsense_at: Option<&'static str>,
    /// Bodies of requests to call somebody.
    dialled: Vec<Value>,
    /// What channels were given with their application.
    app_data: BTreeMap<String, &'static str>,
    /// Channels in other applications of the dialplan.
    elsewhere: BTreeMap<String, &'static str>,
    /// There is a context that looks for machines.
    detects: bool,
    /// Where it says it receives RTP; none: 127.0.0.1.
    media_ip: Option<&'static str>,
    /// The event socket is not let in.
    closed: bool,
    /// How often it was started anew.
    boots: usize,
}

impl Asterisk {
    /// `media_port`: where it says it receives RTP.
    pub(super) fn start(media_port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let house = Arc::new(House { media_port, said: broadcast::channel(64).0, inner: Mutex::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().route("/ari/events", any(events)).fallback(request).with_state(Arc::clone(&house));
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener).unwrap(), router).await });
        Self { url, house, runtime: Some(runtime) }
    }

    pub(super) fn say(&self, event: &Value) {
        self.say_text(event.to_string());
    }

    pub(super) fn say_text(&self, text: String) {
        self.house.said.send(Said::Text(text)).unwrap();
    }

    pub(super) fn caller_comes(&self, channel: &str) {
        self.with(|inner| inner.channels.insert(channel.into(), true));
        let channel = json!({"id": channel, "caller": {"number": "5550100"}, "dialplan": {"exten": "100"}});
        self.say(&json!({"type": "StasisStart", "args": ["tenant=demo"], "channel": channel}));
    }

    pub(super) fn caller_hangs_up(&self, channel: &str) {
        self.with(|inner| inner.channels.remove(channel));
        self.say(&json!({"type": "ChannelHangupRequest", "channel": {"id": channel}}));
        self.say(&json!({"type": "StasisEnd", "channel": {"id": channel}}));
    }

    /// What was asked to be dialled so far.
    pub(super) fn dialled(&self) -> Vec<Value> {
        self.with(|inner| inner.dialled.clone())
    }

    pub(super) fn receives_at(&self, ip: &'static str) {
        self.with(|inner| inner.media_ip = Some(ip));
    }

    pub(super) fn detects_machines(&self) {
        self.with(|inner| inner.detects = true);
    }

    /// The called side answers, or comes back from the dialplan.
    pub(super) fn enters(&self, channel: &str, args: &[&str], state: &str) {
        self.with(|inner| inner.channels.insert(channel.into(), true));
        self.say(&json!({"type": "StasisStart", "args": args, "channel": {"id": channel, "state": state}}));
    }

    /// A dialled channel ends.
    pub(super) fn destroys(&self, channel: &str, cause: u32) {
        self.with(|inner| inner.channels.remove(channel));
        self.say(&json!({"type": "ChannelDestroyed", "cause": cause, "channel": {"id": channel}}));
    }

    pub(super) fn hang_at(&self, part: Option<&'static str>) {
        self.with(|inner| inner.hang_at = part);
    }

    pub(super) fn talk_nonsense_at(&self, part: &'static str) {
        self.with(|inner| inner.nonsense_at = Some(part));
    }

    /// The event socket breaks; what happens meanwhile is told to nobody.
    pub(super) fn cut(&self) {
        self.with(|inner| inner.closed = true);
        self.house.said.send(Said::Cut).unwrap();
    }

    /// It is started anew while it is cut: nothing is left of its calls.
    pub(super) fn reboot(&self) {
        self.with(|inner| *inner = Inner { boots: inner.boots + 1, closed: inner.closed, ..Inner::default() });
    }

    pub(super) fn mend(&self) {
        self.with(|inner| inner.closed = false);
    }

    pub(super) fn forget(&self, channel: &str) {
        self.with(|inner| inner.channels.remove(channel));
    }

    pub(super) fn leave_ringing(&self, channel: &str) {
        self.with(|inner| inner.channels.insert(channel.into(), false));
    }

    /// A channel comes back to our application, and nobody is told.
    pub(super) fn comes_back(&self, channel: &str, app_data: &'static str) {
        self.with(|inner| inner.app_data.insert(channel.into(), app_data));
    }

    /// A channel that is in another application of the dialplan.
    pub(super) fn leave_in(&self, channel: &str, app: &'static str) {
        self.with(|inner| inner.channels.insert(channel.into(), false));
        self.with(|inner| inner.elsewhere.insert(channel.into(), app));
    }

    pub(super) fn leave_behind(&self, channel: &str, bridge: &str) {
        self.with(|inner| {
            inner.channels.insert(channel.into(), true);
            inner.bridges.insert(bridge.into());
        });
    }

    /// In the application, but its StasisStart is told to nobody. `name` tells the technology.
    pub(super) fn comes_unseen(&self, channel: &str, name: &'static str) {
        self.with(|inner| {
            inner.channels.insert(channel.into(), true);
            inner.names.insert(channel.into(), name);
        });
    }

    pub(super) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Channels and bridges that exist.
    pub(super) fn left(&self) -> Vec<String> {
        self.with(|inner| inner.channels.keys().chain(&inner.bridges).cloned().collect())
    }

    /// Requests so far, without their query.
    pub(super) fn log(&self) -> Vec<String> {
        self.with(|inner| inner.log.clone())
    }

    /// What a channel does from now on, without an event.
    pub(super) fn does(&self, channel: &str, app: &'static str, data: &'static str) {
        self.with(|inner| {
            inner.elsewhere.insert(channel.into(), app);
            inner.app_data.insert(channel.into(), data);
        });
    }

    /// Whoever was called answers.
    pub(super) fn answers(&self, channel: &str) {
        self.with(|inner| inner.channels.insert(channel.into(), true));
        self.say(&json!({"type": "StasisStart", "args": ["person"], "channel": {"id": channel}}));
    }

    /// Variables that were set on channels so far, by name.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.with(|inner| inner.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    /// A gateway of that name has moved the callers to it.
    pub(super) fn is_held_by(&self, gateway: &str) {
        self.with(|inner| inner.variables.push(("VG_HOLDER".into(), gateway.into())));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.house.inner.lock().unwrap())
    }
}

impl Inner {
    /// What `GET /channels` tells of a channel.
    fn listed(&self, id: &str) -> Value {
        let in_stasis = self.channels.get(id).copied().unwrap_or_default();
        let (exten, default, data) = match self.names.get(id) {
            Some(_) => ("100", "Stasis", "vg-test,tenant=demo"),
            None => ("", if in_stasis { "Stasis" } else { "AppDial2" }, "vg-test,outbound"),
        };
        let does = self.elsewhere.get(id).copied().unwrap_or(default);
        let data = self.app_data.get(id).copied().unwrap_or(data);
        let place = json!({"exten": exten, "app_name": does, "app_data": data});
        let name = self.names.get(id).cloned().unwrap_or_default();
        json!({"id": id, "name": name, "caller": {"number": "5550100"}, "dialplan": place})
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn events(State(house): State<Arc<House>>, upgrade: WebSocketUpgrade) -> Response {
    if house.inner.lock().unwrap().closed {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut said = house.said.subscribe();
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        loop {
            tokio::select! {
                said = said.recv() => match said {
                    Ok(Said::Text(text)) => socket.send(Message::Text(text.into())).await.unwrap(),
                    _ => return,
                },
                received = socket.recv() => if !matches!(received, Some(Ok(_))) { return },
            }
        }
    })
}

async fn request(State(house): State<Arc<House>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/ari/").to_owned();
    let line = format!("{} {path}", request.method());
    let (hang, nonsense) = {
        let mut inner = house.inner.lock().unwrap();
        inner.log.push(line.clone());
        let at = |part: Option<&'static str>| part.is_some_and(|part| line.contains(part));
        (at(inner.hang_at), at(inner.nonsense_at))
    };
    let authorized = request.headers().get("authorization").is_some_and(|value| value == "Basic dXNlcjpzZWNyZXQ=");
    if !authorized {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
    let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let answer = match (&parts.method, path.as_str()) {
        (&Method::POST, "channels") => dial(&house, &told),
        (method, path) => answer(&house, method, path, parts.uri.query().unwrap_or_default()),
    };
    if hang {
        return std::future::pending().await;
    }
    if nonsense { "{\"id\":".into_response() } else { answer }
}

/// `POST /channels`, told in a body.
fn dial(house: &Arc<House>, told: &Value) -> Response {
    let mut inner = house.inner.lock().unwrap();
    inner.dialled.push(told.clone());
    if told["endpoint"].as_str().is_none_or(|endpoint| endpoint.ends_with("@nosuch")) {
        let failed = axum::Json(json!({"error": "Allocation failed"}));
        return (StatusCode::INTERNAL_SERVER_ERROR, failed).into_response();
    }
    inner.channels.insert(told["channelId"].as_str().unwrap().to_owned(), false);
    axum::Json(json!({"id": told["channelId"], "state": "Down"})).into_response()
}

fn answer(house: &Arc<House>, method: &Method, path: &str, query: &str) -> Response {
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut inner = house.inner.lock().unwrap();
    let segments: Vec<&str> = path.split('/').collect();
    let names = |names: Vec<&String>| axum::Json(names.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()).into_response();
    let done = |existed: bool| if existed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response();
    match (method, segments.as_slice()) {
        (&Method::GET, ["asterisk", "info"]) => {
            let started = format!("t{}", inner.boots);
            axum::Json(json!({"system": {"version": "22.10.1"}, "status": {"startup_time": started}})).into_response()
        }
        (&Method::GET, ["channels"]) => {
            axum::Json(inner.channels.keys().map(|id| inner.listed(id)).collect::<Vec<_>>()).into_response()
        }
        (&Method::PUT, ["applications", "vg-test", "eventFilter"]) => StatusCode::NO_CONTENT.into_response(),
        (&Method::GET, ["asterisk", "ping"]) => axum::Json(json!({"ping": "pong"})).into_response(),
        (&Method::GET, ["bridges"]) => names(inner.bridges.iter().collect()),
        (&Method::GET, ["channels", id]) if inner.channels.contains_key(*id) => axum::Json(json!({"id": id})).into_response(),
        (&Method::GET, ["channels", _, "variable"]) => {
            let exists = |place: &str| query["variable"] == format!("DIALPLAN_EXISTS({place})");
            let holder = inner.variables.iter().rev().find(|(name, _)| name == "VG_HOLDER");
            let value = match query["variable"].as_str() {
                "CALLERID(num)" => "5550100",
                "VG_HOLDER" => holder.map_or("0", |(_, gateway)| gateway.as_str()),
                _ if exists("queue,sales,1") || exists("vg-refer,s,1") || (exists("vg-amd,s,1") && inner.detects) => "1",
                _ => "0",
            };
            axum::Json(json!({"value": value})).into_response()
        }
        (&Method::POST, ["bridges"]) => {
            inner.bridges.insert(query["bridgeId"].clone());
            axum::Json(json!({"id": query["bridgeId"]})).into_response()
        }
        (&Method::POST, ["channels", "externalMedia"]) => {
            inner.channels.insert(query["channelId"].clone(), false);
            start_later(Arc::clone(house), query["channelId"].clone());
            let port = house.media_port.to_string();
            let ip = inner.media_ip.unwrap_or("127.0.0.1");
            let variables = json!({"UNICASTRTP_LOCAL_ADDRESS": ip, "UNICASTRTP_LOCAL_PORT": port});
            axum::Json(json!({"id": query["channelId"], "channelvars": variables})).into_response()
        }
        (&Method::POST, ["bridges", _, "addChannel"]) => {
            let in_stasis = |id: &str| inner.channels.get(id) == Some(&true);
            if query["channel"].split(',').all(in_stasis) {
                StatusCode::NO_CONTENT.into_response()
            } else {
                StatusCode::UNPROCESSABLE_ENTITY.into_response()
            }
        }
        (&Method::POST, ["channels", id, "variable"]) => {
            inner.variables.push((query["variable"].clone(), query["value"].clone()));
            done(inner.channels.contains_key(*id))
        }
        (&Method::POST, ["applications", _, "subscription"]) => axum::Json(json!({})).into_response(),
        (&Method::POST | &Method::DELETE, ["bridges", id, "moh" | "removeChannel"]) => done(inner.bridges.contains(*id)),
        (&Method::POST, ["channels", id, _]) => done(inner.channels.contains_key(*id)),
        (&Method::DELETE, ["channels", id]) => done(inner.channels.remove(*id).is_some()),
        (&Method::DELETE, ["bridges", id]) => done(inner.bridges.remove(*id)),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[expect(clippy::disallowed_methods, reason = "dies with the fake's runtime")]
fn start_later(house: Arc<House>, channel: String) {
    tokio::spawn(async move {
        tokio::time::sleep(START).await;
        if let Some(in_stasis) = house.inner.lock().unwrap().channels.get_mut(&channel) {
            *in_stasis = true;
            let event = json!({"type": "StasisStart", "args": [], "channel": {"id": channel}});
            let _ = house.said.send(Said::Text(event.to_string()));
        }
    });
}
