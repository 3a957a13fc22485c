//! As much of ARI as a thousand calls at once need, and gateways that take calls over from one another: it never refuses, and is quick.
//!
//! What it does with callers whose gateway is gone is what a real one was seen to do (`docs/failover.md`): they stay where they are, their media
//! channel too; a caller who is moved is told as gone to the application before; one who joins a bridge has left the other one. A caller hears
//! every media channel of its own bridge and no other.

mod house;

use super::callers::{Line, Switch};
use anyhow::Result;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use house::{House, Inner};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Events that wait for one gateway.
const EVENTS: usize = 4096;

/// See the module.
pub struct Asterisk {
    /// Its base URL.
    pub url: String,
    house: Arc<House>,
}

/// What exists in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Names of channels, callers' and media.
    pub channels: BTreeSet<String>,
    /// Names of bridges.
    pub bridges: BTreeSet<String>,
}

/// A caller went from one application to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub at: Instant,
    /// Which one.
    pub caller: usize,
    /// Whose it was.
    pub from: String,
    /// Whose it is.
    pub to: String,
}

impl Asterisk {
    /// Connects callers with whoever is to speak with them.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(callers: Switch) -> Result<Self> {
        let house = Arc::new(House { callers, inner: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/ari/events", any(events)).fallback(request).with_state(Arc::clone(&house));
        #[expect(clippy::disallowed_methods, reason = "serves as long as the program runs")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, house })
    }

    /// What exists at this moment.
    pub fn left(&self) -> Left {
        self.house.lock().left()
    }

    /// A caller comes, to the applications in turns: as a dialplan that tries one after the other, to one that somebody listens to.
    pub fn ring(&self, caller: usize) {
        let mut inner = self.house.lock();
        let Some(app) = inner.next_app() else { return };
        let id = inner.caller_comes(caller, &app);
        let told = json!({"type": "StasisStart", "args": [house::TENANT], "channel": inner.told(&id)});
        inner.say(&app, &told);
    }

    /// A caller goes.
    pub fn hang_up(&self, caller: usize) {
        let id = house::caller(caller);
        let mut inner = self.house.lock();
        let Some(app) = inner.channels.get(&id).map(|channel| channel.app.clone()) else { return };
        let told = json!({ "id": id });
        inner.remove_channel(&id);
        inner.say(&app, &json!({"type": "ChannelHangupRequest", "channel": told}));
        inner.say(&app, &json!({"type": "StasisEnd", "channel": told}));
        self.house.rewire(&mut inner, [id].iter());
    }

    /// Callers of this application.
    pub fn callers_of(&self, app: &str) -> BTreeSet<usize> {
        let inner = self.house.lock();
        let of = inner.channels.values().filter(|channel| channel.app == app);
        of.filter_map(|channel| channel.caller).collect()
    }

    /// Callers who went from one application to another so far, in their order.
    pub fn moves(&self) -> Vec<Move> {
        self.house.lock().moves.clone()
    }

    /// Callers whom a gateway has left to the dialplan, or hung up, so far.
    pub fn given_up(&self) -> usize {
        self.house.lock().given_up
    }

    /// Packets that came for media channels after these had been removed: what somebody said to nobody.
    pub fn said_to_nobody(&self) -> usize {
        self.house.lock().said_to_nobody()
    }
}

async fn events(
    State(house): State<Arc<House>>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(app) = query.get("app").cloned() else { return StatusCode::BAD_REQUEST.into_response() };
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let (say, mut said) = mpsc::channel(EVENTS);
        house.lock().listens(&app, say.clone());
        loop {
            tokio::select! {
                said = said.recv() => {
                    let Some(text) = said else { break };
                    if socket.send(Message::Text(String::into(text))).await.is_err() {
                        break;
                    }
                }
                received = socket.recv() => if !matches!(received, Some(Ok(_))) { break },
            }
        }
        house.lock().listens_no_more(&app, &say);
    })
}

async fn request(State(house): State<Arc<House>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/ari/").to_owned();
    let query = request.uri().query().unwrap_or_default();
    let query: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let segments: Vec<&str> = path.split('/').collect();
    let mut inner = house.lock();
    match *request.method() {
        Method::GET => look(&house, &inner, &segments, &query),
        Method::POST => act(&house, &mut inner, &segments, &query),
        Method::PUT => done(matches!(segments[..], ["applications", _, "eventFilter"])),
        Method::DELETE => match segments[..] {
            ["bridges", id] => {
                let members = inner.bridges.remove(id);
                house.rewire(&mut inner, members.iter().flatten());
                done(members.is_some())
            }
            ["channels", id] => {
                let Some(channel) = inner.channels.get(id) else { return done(false) };
                let app = channel.app.clone();
                inner.given_up += usize::from(channel.caller.is_some());
                let others = inner.remove_channel(id);
                inner.say(&app, &json!({"type": "StasisEnd", "channel": {"id": id}}));
                house.rewire(&mut inner, others.iter());
                done(true)
            }
            _ => done(false),
        },
        _ => done(false),
    }
}

fn done(existed: bool) -> Response {
    if existed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response()
}

fn some(value: Option<Value>) -> Response {
    value.map_or_else(|| done(false), |value| axum::Json(value).into_response())
}

fn look(house: &House, inner: &Inner, segments: &[&str], query: &HashMap<String, String>) -> Response {
    some(match *segments {
        ["asterisk", "info"] => Some(json!({"system": {"version": "22.10.1"}, "status": {"startup_time": "t0"}})),
        ["asterisk", "ping"] => Some(json!({"ping": "pong"})),
        ["channels"] => Some(inner.channels.keys().map(|id| inner.told(id)).collect()),
        ["channels", id] => inner.channels.contains_key(id).then(|| inner.told(id)),
        ["channels", id, "variable"] => {
            let known = |name| inner.channels.get(id)?.variables.get(name);
            query.get("variable").and_then(known).map(|value| json!({ "value": value }))
        }
        // Of a media channel there are none, as of a real one.
        ["channels", id, "rtp_statistics"] => {
            let caller = inner.channels.get(id).and_then(|channel| channel.caller);
            caller.map(|caller| json!({"txcount": house.callers.heard(caller)}))
        }
        ["bridges"] => Some(inner.bridges.iter().map(|(id, members)| json!({"id": id, "channels": members})).collect()),
        ["applications", app] => inner.apps.contains_key(app).then(|| json!({"name": app, "channel_ids": inner.of(app)})),
        _ => None,
    })
}

fn act(house: &House, inner: &mut Inner, segments: &[&str], query: &HashMap<String, String>) -> Response {
    let asked = |name: &str| query.get(name).cloned().unwrap_or_default();
    match *segments {
        ["channels", "externalMedia"] => media(inner, query).unwrap_or_else(|status| status.into_response()),
        ["bridges"] => {
            let id = asked("bridgeId");
            inner.bridges.entry(id.clone()).or_default();
            axum::Json(json!({ "id": id })).into_response()
        }
        ["bridges", id, "addChannel"] => {
            let joining: Vec<String> = asked("channel").split(',').map(str::to_owned).collect();
            if !inner.bridges.contains_key(id) {
                return done(false);
            }
            if joining.iter().any(|channel| inner.channels.get(channel).is_none_or(|channel| channel.app.is_empty())) {
                return StatusCode::UNPROCESSABLE_ENTITY.into_response();
            }
            let touched = inner.join(id, &joining);
            house.rewire(inner, touched.iter());
            done(true)
        }
        ["channels", id, "variable"] => {
            let Some(channel) = inner.channels.get_mut(id) else { return done(false) };
            channel.variables.insert(asked("variable"), asked("value"));
            done(true)
        }
        ["channels", id, "move"] => {
            let (app, args) = (asked("app"), asked("appArgs"));
            let Some(channel) = inner.channels.get_mut(id).filter(|channel| !channel.app.is_empty()) else { return done(false) };
            let from = std::mem::replace(&mut channel.app, app.clone());
            if let Some(caller) = channel.caller {
                inner.moves.push(Move { at: Instant::now(), caller, from: from.clone(), to: app.clone() });
            }
            let told = inner.told(id);
            inner.say(&from, &json!({"type": "StasisEnd", "channel": told}));
            inner.say(&app, &json!({"type": "StasisStart", "args": args.split(',').collect::<Vec<_>>(), "channel": told}));
            done(true)
        }
        ["channels", id, "continue"] => {
            let Some(channel) = inner.channels.get_mut(id) else { return done(false) };
            let app = std::mem::take(&mut channel.app);
            inner.given_up += 1;
            let told = inner.told(id);
            inner.say(&app, &json!({"type": "StasisEnd", "channel": told}));
            done(true)
        }
        ["channels", id, _] => done(inner.channels.contains_key(id)),
        _ => done(false),
    }
}

/// A socket of its own for each, as a real one has it.
fn media(inner: &mut Inner, query: &HashMap<String, String>) -> Result<Response, StatusCode> {
    let asked = |name: &str| query.get(name).ok_or(StatusCode::BAD_REQUEST);
    let (id, app) = (asked("channelId")?, asked("app")?);
    let gateway: SocketAddr = asked("external_host")?.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let line = Line::to(gateway).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let from = line.socket.local_addr().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    inner.media_comes(id, app, line);
    inner.say(app, &json!({"type": "StasisStart", "args": [], "channel": inner.told(id)}));
    let variables = json!({"UNICASTRTP_LOCAL_ADDRESS": from.ip().to_string(), "UNICASTRTP_LOCAL_PORT": from.port().to_string()});
    Ok(axum::Json(json!({"id": id, "channelvars": variables})).into_response())
}

#[cfg(test)]
mod tests;
