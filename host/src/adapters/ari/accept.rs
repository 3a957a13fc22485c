//! Event sockets that Asterisk connects (`type = outbound_websocket` in its ari.conf): one that stays, or one for each call.
//!
//! Which of them it is shows by the application that the first message names: that of the configuration, or, per call,
//! `<application>:<channel name>`. Requests go over the socket that brought the call, under the application it names.

use super::calls::Built;
use super::http::ANSWER_MAX;
use super::listen::{Left, Listener};
use super::socket::Socket;
use super::wire::Addressed;
use super::{Ari, Core, Mode};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

/// Where Asterisk connects.
pub const PATH: &str = "/ari/ws";
/// Sockets that nobody took yet. Full: the next one is closed, and Asterisk tries again.
pub(super) const ARRIVALS_MAX: usize = 64;
/// Sockets of one application that wait: the last one counts.
const NEWER_MAX: usize = 4;
/// Who connects says whose events these are in this time.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// A socket that stays is back at once, or Asterisk is gone: as long as three attempts of a gateway that dials.
const BACK_WITHIN: Duration = Duration::from_secs(7);
/// How often a call's socket that is gone is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// A socket that has said whose it is.
pub(super) struct Arrival {
    app: String,
    socket: WebSocket,
    first: String,
}

/// Serves [`PATH`] for those of `asterisks` that connect by themselves. Nothing is mounted where there is none.
pub fn router(asterisks: &[Arc<Ari>]) -> Router {
    let accepting: Vec<_> = asterisks.iter().filter(|ari| matches!(ari.core.config.mode, Mode::Accept)).map(Arc::clone).collect();
    if accepting.is_empty() {
        return Router::new();
    }
    Router::new().route(PATH, any(enter)).with_state(Arc::from(accepting))
}

async fn enter(
    State(asterisks): State<Arc<[Arc<Ari>]>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let trusted: Vec<_> = asterisks.iter().filter(|ari| same(shown, ari.authorization.as_bytes())).map(Arc::clone).collect();
    if trusted.is_empty() {
        tracing::warn!("event socket refused: user or password is wrong");
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"ari\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !offered.split(',').any(|protocol| protocol.trim() == "ari") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match upgrade {
        Ok(upgrade) => {
            let upgrade = upgrade.protocols(["ari"]).max_message_size(ANSWER_MAX).max_frame_size(ANSWER_MAX);
            upgrade.on_upgrade(async move |socket| welcome(socket, &trusted).await)
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// In a time that does not tell how much of it is right.
fn same(shown: &[u8], wanted: &[u8]) -> bool {
    let length = shown.len() ^ wanted.len();
    let differ = shown.iter().zip(wanted).fold(0, |differ, (a, b)| differ | (a ^ b));
    length == 0 && std::hint::black_box(differ) == 0
}

async fn welcome(mut socket: WebSocket, trusted: &[Arc<Ari>]) {
    let Some(first) = first_word(&mut socket).await else {
        tracing::warn!("event socket closed: it did not say whose it is");
        return;
    };
    let app = serde_json::from_str::<Addressed>(&first).map(|first| first.application).unwrap_or_default();
    let Some(ari) = trusted.iter().find(|ari| ari.takes(&app)) else {
        tracing::warn!("event socket closed: its application is not that of a configured asterisk");
        return;
    };
    if ari.arrive.try_send(Arrival { app, socket, first }).is_err() {
        tracing::warn!(app = ari.app(), "event socket closed: the gateway stops, or too many came at once");
    }
}

async fn first_word(socket: &mut WebSocket) -> Option<String> {
    let word = async {
        loop {
            match socket.recv().await?.ok()? {
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    };
    timeout(FIRST_WORD, word).await.ok()?
}

impl Ari {
    /// Whether events of this application are this Asterisk's.
    fn takes(&self, app: &str) -> bool {
        let section = self.app();
        app == section || app.strip_prefix(section).is_some_and(|rest| rest.starts_with(':'))
    }
}

/// Serves what arrives, until `stop`.
pub(super) async fn serve(ari: &Ari, abandoned: &mut mpsc::Receiver<Built>, stop: &CancellationToken) {
    let mut arrived = ari.arrived.lock().await;
    let (stays, stays_taken) = mpsc::channel(NEWER_MAX);
    let mut calls = JoinSet::new();
    let sort = async {
        let mut per_call: HashMap<String, mpsc::Sender<Arrival>> = HashMap::new();
        loop {
            tokio::select! {
                Some(arrival) = arrived.recv() => {
                    if arrival.app == ari.app() {
                        // Full only where several come at once: the first is as good.
                        let _ = stays.try_send(arrival);
                    } else {
                        sort_call(ari, &mut per_call, &mut calls, arrival, stop);
                    }
                }
                Some(_) = calls.join_next() => per_call.retain(|_, sockets| !sockets.is_closed()),
            }
        }
    };
    tokio::select! {
        () = sort => {}
        () = one_that_stays(&ari.core, abandoned, stays_taken) => {}
    }
}

/// Brings a call's socket to who serves that call.
fn sort_call(
    ari: &Ari,
    per_call: &mut HashMap<String, mpsc::Sender<Arrival>>,
    calls: &mut JoinSet<()>,
    arrival: Arrival,
    stop: &CancellationToken,
) {
    let app = arrival.app.clone();
    if per_call.get(&app).is_none_or(|sockets| sockets.is_closed()) {
        let (sockets, taken) = mpsc::channel(NEWER_MAX);
        let (core, abandoned) = ari.core_of_call(&app);
        let stop = stop.clone();
        // `JoinSet` is this owner's only way to spawn: it dies with `serve`.
        calls.spawn(async move {
            stop.run_until_cancelled(one_of_a_call(&core, abandoned, taken)).await;
        });
        per_call.insert(app.clone(), sockets);
    }
    if let Some(sockets) = per_call.get(&app) {
        // Closed between: Asterisk connects again.
        let _ = sockets.try_send(arrival);
    }
}

/// For ever.
async fn one_that_stays(core: &Arc<Core>, abandoned: &mut mpsc::Receiver<Built>, mut sockets: mpsc::Receiver<Arrival>) {
    let mut listener = Listener::new(core, abandoned);
    let (mut next, mut was_there) = (None, false);
    loop {
        let arrival = match next.take() {
            Some(arrival) => arrival,
            None => match listener.work_until(timeout(BACK_WITHIN, sockets.recv())).await {
                Ok(Some(arrival)) => Box::new(arrival),
                Ok(None) => return,
                Err(_) => {
                    if was_there {
                        listener.ari_is_gone();
                    }
                    continue;
                }
            },
        };
        was_there = true;
        core.counters.stays.fetch_add(1, Relaxed);
        next = serve_one(core, &mut listener, *arrival, &mut sockets).await;
    }
}

/// Until the call is over.
async fn one_of_a_call(core: &Arc<Core>, mut abandoned: mpsc::Receiver<Built>, mut sockets: mpsc::Receiver<Arrival>) {
    let mut listener = Listener::new(core, &mut abandoned);
    let mut next = None;
    loop {
        let arrival = match next.take() {
            Some(arrival) => arrival,
            None => {
                let since = listener.away_since().unwrap_or_else(Instant::now);
                let over = async {
                    let mut look = interval(LOOK);
                    loop {
                        look.tick().await;
                        if since.elapsed() > LOOK && core.calls.live() == 0 {
                            return None;
                        }
                        if since.elapsed() > BACK_WITHIN {
                            return Some(());
                        }
                    }
                };
                let happened = async {
                    tokio::select! {
                        Some(arrival) = sockets.recv() => Ok(Box::new(arrival)),
                        over = over => Err(over),
                    }
                };
                match listener.work_until(happened).await {
                    Ok(arrival) => arrival,
                    Err(None) => return,
                    Err(Some(())) => {
                        listener.ari_is_gone();
                        listener.work_until(tokio::time::sleep(LOOK)).await;
                        continue;
                    }
                }
            }
        };
        next = serve_one(core, &mut listener, *arrival, &mut sockets).await;
    }
}

async fn serve_one(
    core: &Core,
    listener: &mut Listener<'_>,
    arrival: Arrival,
    sockets: &mut mpsc::Receiver<Arrival>,
) -> Option<Box<Arrival>> {
    let app = core.config.app.as_str();
    tracing::info!(app, "asterisk connected its event socket");
    let Arrival { socket, first, .. } = arrival;
    match listener.listen(Socket::Accepted(Box::new(socket)), Some(first), Some(sockets)).await {
        Left::Newer(arrival) => Some(arrival),
        Left::Broken | Left::Replaced => {
            tracing::info!(app, "event socket ended");
            None
        }
    }
}

#[cfg(test)]
mod tests;
