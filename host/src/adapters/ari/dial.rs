//! The event socket: kept connected, read, and made up for after a gap.

use super::Core;
use super::calls::Built;
use super::originate::{self, Seen};
use super::rest::{ari_url, basic_authorization};
use super::telephony::AriTelephony;
use super::translate::{Caller, Meaning, returned, translate};
use super::wire::{Channel, Event, Named};
use crate::adapters::rtp::Flow;
use crate::application::ports::{IncomingCall, TelephonyError, TelephonyEvent};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vg_domain::ids::CallId;
use vg_domain::transfer::Returned;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Pauses before the first attempts to reconnect; later ones come every [`RETRY`].
const BACKOFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const RETRY: Duration = Duration::from_secs(5);
/// A socket that says nothing for so long is pinged; one that then says nothing for as long is dead.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// An event is about 1 kB.
const EVENT_MAX: usize = 1 << 20;
/// How often calls are looked at for signs that Asterisk is gone.
const WATCH: Duration = Duration::from_secs(1);
/// A call without sound for so long is asked about, whatever the event socket does.
const SILENT: Duration = Duration::from_secs(5);
/// While the event socket is down, a call that has no sound either is asked about after so long.
const DOWN: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Dial<'a> {
    core: &'a Arc<Core>,
    /// Requests that nobody waits for: they must not hold up events.
    chores: FuturesUnordered<BoxFuture<'a, ()>>,
    boot: Arc<Boot>,
    down_since: Option<Instant>,
    malformed_told: bool,
    watch: Interval,
}

/// When Asterisk started, as it says itself: another value means that all calls are lost.
#[derive(Default)]
struct Boot(tokio::sync::Mutex<Option<String>>);

/// Why the event socket is no longer read.
enum Left {
    Broken,
    Replaced,
}

impl<'a> Dial<'a> {
    pub(super) fn new(core: &'a Arc<Core>) -> Self {
        let mut watch = interval(WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            core,
            chores: FuturesUnordered::new(),
            boot: Arc::default(),
            down_since: Some(Instant::now()),
            malformed_told: false,
            watch,
        }
    }

    pub(super) async fn run(mut self, abandoned: &mut mpsc::Receiver<Built>, stop: CancellationToken) {
        stop.run_until_cancelled(self.serve(abandoned)).await;
        self.core.counters.up.store(false, Relaxed);
    }

    async fn serve(&mut self, abandoned: &mut mpsc::Receiver<Built>) {
        let core = self.core;
        let mut failures = 0;
        loop {
            match self.work_until(abandoned, connect(core)).await {
                Ok(socket) => {
                    tracing::info!(app = core.config.app, "ari event socket connected");
                    failures = 0;
                    self.down_since = None;
                    core.counters.connects.fetch_add(1, Relaxed);
                    core.counters.up.store(true, Relaxed);
                    self.chores.push(Box::pin(resync(core, Arc::clone(&self.boot))));
                    let left = self.listen(abandoned, socket).await;
                    core.counters.up.store(false, Relaxed);
                    self.down_since = Some(Instant::now());
                    match left {
                        Left::Broken => tracing::warn!(app = core.config.app, "ari event socket lost"),
                        Left::Replaced => {
                            // Coming back at once would only take the events from each other in turns.
                            failures = BACKOFF.len();
                            tracing::error!(app = core.config.app, "another socket took this ari application");
                        }
                    }
                }
                Err(code) => tracing::warn!(app = core.config.app, code, failures, "ari event socket not connected"),
            }
            let pause = BACKOFF.get(failures).copied().unwrap_or(RETRY);
            failures += 1;
            self.work_until(abandoned, sleep(pause)).await;
        }
    }

    async fn listen(&mut self, abandoned: &mut mpsc::Receiver<Built>, mut socket: Socket) -> Left {
        let mut pinged = false;
        loop {
            match self.work_until(abandoned, timeout(KEEP_ALIVE, socket.next())).await {
                Ok(Some(Ok(message))) => {
                    pinged = false;
                    if let Message::Text(text) = message
                        && let Some(left) = self.handle(&text)
                    {
                        return left;
                    }
                }
                Ok(Some(Err(_)) | None) => return Left::Broken,
                Err(_) if pinged => return Left::Broken,
                Err(_) => {
                    pinged = true;
                    let ping = timeout(KEEP_ALIVE, socket.send(Message::Ping(Default::default())));
                    if !matches!(self.work_until(abandoned, ping).await, Ok(Ok(()))) {
                        return Left::Broken;
                    }
                }
            }
        }
    }

    fn handle(&mut self, text: &str) -> Option<Left> {
        let core = self.core;
        let event = match serde_json::from_str::<Event>(text) {
            Ok(event) => event,
            Err(error) => {
                core.counters.events_malformed.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut self.malformed_told, true) {
                    // The text itself may hold numbers.
                    tracing::warn!(line = error.line(), column = error.column(), "ari event makes no sense; told once");
                }
                return None;
            }
        };
        let event = match originate::see(core, event) {
            Seen::Ordinary(event) => *event,
            Seen::Taken => return None,
            Seen::Chore(chore) => {
                self.chores.push(chore);
                return None;
            }
        };
        match translate(event, |channel| core.calls.is_ours(channel)) {
            Meaning::Incoming(caller) => self.offer(caller),
            Meaning::MediaUp { channel } if core.calls.is_orphan(&channel) => {
                // Its call gave up waiting for it.
                self.chores.push(Box::pin(async move { remove_orphan(core, "channels", &channel).await }));
            }
            Meaning::MediaUp { channel } => core.calls.started(&channel),
            Meaning::Digit { channel, digit } => core.calls.tell(&channel, TelephonyEvent::Digit(digit)),
            Meaning::Returned { caller, how } => {
                if !core.calls.returned(&caller.channel, how) {
                    self.offer(caller);
                }
            }
            Meaning::Progress { channel, progress } => core.calls.progress(&channel, progress),
            Meaning::Left { channel } if core.calls.caller_of(&channel).is_none() => core.calls.left(&channel),
            Meaning::Gone { channel, cause } if core.calls.person_gone(&channel, Returned::of_cause(cause)) => {}
            Meaning::Left { channel } | Meaning::Gone { channel, .. } => match core.calls.caller_of(&channel) {
                Some(caller) => core.calls.end(&caller, TelephonyEvent::Lost),
                None => core.calls.end(&channel, TelephonyEvent::CallerGone),
            },
            Meaning::Replaced => return Some(Left::Replaced),
            Meaning::Unused => {
                core.counters.events_unused.fetch_add(1, Relaxed);
            }
        }
        None
    }

    fn offer(&mut self, caller: Caller) {
        let core = self.core;
        let call = CallId::new(Uuid::now_v7().to_string());
        let Some(events) = core.calls.admit(&caller.channel, &call) else { return };
        let channel = caller.channel;
        let offered = core.incoming.try_send(IncomingCall {
            call: call.clone(),
            arrived: Instant::now(),
            channel: channel.clone(),
            caller: caller.number,
            dialled: caller.dialled,
            tenant: caller.tenant,
            endpoint: Some(caller.endpoint),
            telephony: Box::new(AriTelephony::new(Arc::clone(core), call, channel.clone())),
            events,
            watcher: None,
        });
        if offered.is_err() {
            core.counters.calls_turned_away.fetch_add(1, Relaxed);
            core.calls.forget(&channel);
            tracing::warn!(channel, "call turned away: the gateway takes no more");
            self.chores.push(Box::pin(async move {
                let path = ["channels", channel.as_str()];
                let _ = core.rest.delete("turn away", &path, &[("reason", "congestion")]).await;
            }));
        }
    }

    /// Waits for `wait`, and meanwhile does chores, removes what dead calls left, and watches over the live ones.
    async fn work_until<T>(&mut self, abandoned: &mut mpsc::Receiver<Built>, wait: impl Future<Output = T>) -> T {
        let core = self.core;
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                output = &mut wait => return output,
                Some(()) = self.chores.next() => {}
                Some(built) = abandoned.recv() => self.chores.push(Box::pin(async move {
                    if core.remove(&built).await.is_ok() {
                        core.counters.orphans_removed.fetch_add(1, Relaxed);
                    }
                })),
                _ = self.watch.tick() => self.ask_about_doubtful(),
            }
        }
    }

    fn ask_about_doubtful(&mut self) {
        let core = self.core;
        let now = Instant::now();
        let down = self.down_since.is_some_and(|since| now.saturating_duration_since(since) >= DOWN);
        let doubt = |flow: Option<&Flow>| match flow.and_then(|flow| flow.silent_for(now)) {
            Some(silent) => silent >= SILENT || (down && silent >= DOWN),
            None => down,
        };
        for channel in core.calls.doubtful(now, SILENT, doubt) {
            self.chores.push(Box::pin(ask(core, Arc::clone(&self.boot), channel)));
        }
    }
}

async fn connect(core: &Core) -> Result<Socket, &'static str> {
    let config = &core.config;
    let query = [("app", config.app.as_str()), ("subscribeAll", "false")];
    let mut url = ari_url(&config.url, &["events"], &query);
    url.set_scheme("ws").map_err(|()| "url")?;
    let mut request = url.as_str().into_client_request().map_err(|_| "url")?;
    let authorization = basic_authorization(&config.user, config.password.reveal()).ok_or("credentials")?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    let limits = WebSocketConfig::default().max_message_size(Some(EVENT_MAX)).max_frame_size(Some(EVENT_MAX));
    match timeout(config.deadline, connect_async_with_config(request, Some(limits), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(answer))) if answer.status() == 401 => Err("credentials"),
        Ok(Err(tungstenite::Error::Http(_))) => Err("refused"),
        Ok(Err(_)) => Err("unreachable"),
        Err(_) => Err("deadline"),
    }
}

/// Finds out what happened in the gap: calls that are gone, and things of ours whose call is gone.
async fn resync(core: &Arc<Core>, boot: Arc<Boot>) {
    // Taken first: a call that comes while Asterisk answers is missing in the answer, but not gone.
    let known = core.calls.channels();
    let restarted = boot.changed(core).await;
    let (Ok(channels), Ok(bridges)) = (
        core.rest.get::<Vec<Named>>("list channels", &["channels"], &[]).await,
        core.rest.get::<Vec<Named>>("list bridges", &["bridges"], &[]).await,
    ) else {
        tracing::warn!("asterisk could not be asked what is left");
        return;
    };
    let left: HashSet<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
    for channel in known.iter().filter(|channel| !left.contains(channel.as_str())) {
        core.calls.end(channel, if restarted { TelephonyEvent::Lost } else { TelephonyEvent::CallerGone });
    }
    // Who came back in the gap waits in our application, and nobody was told.
    for (channel, how) in channels.iter().filter_map(|channel| Some((&channel.id, returned(&channel.dialplan)?))) {
        core.calls.returned(channel, how);
    }
    originate::catch_up(core, &channels).await;
    for (kind, names) in [("channels", &channels), ("bridges", &bridges)] {
        for name in names.iter().filter(|name| is_orphan(core, name)) {
            remove_orphan(core, kind, &name.id).await;
        }
    }
}

fn is_orphan(core: &Core, name: &Named) -> bool {
    core.calls.is_orphan(&name.id) || core.calls.is_dialled_orphan(&name.id, &name.dialplan.app_name)
}

async fn remove_orphan(core: &Core, kind: &'static str, name: &str) {
    if core.rest.delete("remove orphan", &[kind, name], &[]).await.is_ok() {
        core.counters.orphans_removed.fetch_add(1, Relaxed);
    }
}

/// No sound, and perhaps no events: is the call still there?
async fn ask(core: &Core, boot: Arc<Boot>, channel: String) {
    match core.rest.get::<Channel>("ask for channel", &["channels", &channel], &[]).await {
        Ok(_) | Err(TelephonyError::Refused { .. } | TelephonyError::Unsupported { .. }) => {}
        Err(TelephonyError::Gone) if boot.changed(core).await => core.calls.end(&channel, TelephonyEvent::Lost),
        Err(TelephonyError::Gone) => core.calls.end(&channel, TelephonyEvent::CallerGone),
        Err(TelephonyError::Deadline { .. } | TelephonyError::Unreachable) => {
            core.calls.end(&channel, TelephonyEvent::Lost);
        }
    }
}

impl Boot {
    /// Whether Asterisk was restarted since this was last asked. False when it cannot be asked.
    async fn changed(&self, core: &Core) -> bool {
        let mut known = self.0.lock().await;
        let Ok(info) = core.rest.info().await else { return false };
        let now = info.status.startup_time;
        match known.replace(now.clone()) {
            Some(before) => before != now,
            None => {
                tracing::info!(app = core.config.app, version = info.system.version, "asterisk answers");
                false
            }
        }
    }
}
