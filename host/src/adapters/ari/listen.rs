//! What an event socket says, carried out; and what is done between two sockets.

use super::accept::Arrival;
use super::calls::Built;
use super::link::Link;
use super::originate::{self, Seen};
use super::resync::{Boot, ask, reconcile, remove_orphan, resync, set_filter};
use super::socket::{Received, Socket};
use super::telephony::AriTelephony;
use super::translate::{Caller, Meaning, translate};
use super::wire::Event;
use super::{CallsSocket, Core};
use crate::adapters::ami::{AmiEvent, AmiEvents};
use crate::adapters::rtp::Flow;
use crate::application::ports::{IncomingCall, TelephonyEvent};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout, timeout_at};
use uuid::Uuid;
use vg_domain::ids::CallId;
use vg_domain::transfer::Returned;

/// A socket that says nothing for so long is pinged; one that then says nothing for as long is dead.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How often calls are looked at for signs that Asterisk is gone.
const WATCH: Duration = Duration::from_secs(1);
/// How often the way to Asterisk is measured.
const MEASURE: Duration = Duration::from_secs(10);
/// A call without sound for so long is asked about, whatever the event socket does.
const SILENT: Duration = Duration::from_secs(5);
/// While the event socket is down, a call that has no sound either is asked about after so long.
const DOWN: Duration = Duration::from_secs(2);
/// A call's socket that is let go of, and comes back, is kept for so long: there is time for events and requests, and for others to be led to.
pub(super) const HELD: Duration = Duration::from_millis(500);
/// Whether answers are waited for by it is looked at again after so long.
const ANSWERED: Duration = Duration::from_millis(20);
/// AMI's events are not read so closely.
const UNKNOWN_CAUSE: u32 = 0;
/// Where ARI comes back, a key that AMI told of is not told again.
const SAME_KEY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Listener<'a> {
    core: &'a Arc<Core>,
    abandoned: &'a mut mpsc::Receiver<Built>,
    /// Requests that nobody waits for: they must not hold up events. They give callers whose coming was missed.
    chores: FuturesUnordered<BoxFuture<'a, Vec<Caller>>>,
    boot: Arc<Boot>,
    away_since: Option<Instant>,
    ami: Takeover,
    /// What AMI told last.
    last_key: Option<(String, char, Instant)>,
    malformed_told: bool,
    watch: Interval,
    measured: Option<Instant>,
}

/// Who tells what happens while ARI is away.
enum Takeover {
    /// ARI is there, or may be back at once.
    No,
    /// ARI is gone, and AMI is waited for, where there is one.
    Wanted,
    /// AMI tells.
    Done(AmiEvents),
}

/// Why the event socket is no longer read.
pub(super) enum Left {
    Broken,
    /// Another socket took the application.
    Replaced,
    /// Asterisk connected again.
    Newer(Box<Arrival>),
}

enum Happening {
    Received(Received),
    Closed,
    /// It is to lead to whoever else can go on with the call.
    LetGo,
    Request(String),
    Newer(Box<Arrival>),
    Quiet,
}

impl<'a> Listener<'a> {
    pub(super) fn new(core: &'a Arc<Core>, abandoned: &'a mut mpsc::Receiver<Built>) -> Self {
        let mut watch = interval(WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            core,
            abandoned,
            chores: FuturesUnordered::new(),
            boot: Arc::default(),
            away_since: Some(Instant::now()),
            ami: Takeover::No,
            last_key: None,
            malformed_told: false,
            watch,
            measured: None,
        }
    }

    /// Since when there is no socket.
    pub(super) fn away_since(&self) -> Option<Instant> {
        self.away_since
    }

    /// ARI did not come back: from now on AMI tells, as soon as it is there.
    pub(super) fn ari_is_gone(&mut self) {
        if matches!(self.ami, Takeover::No) {
            self.ami = Takeover::Wanted;
            self.take_over();
        }
    }

    /// Serves a socket until it ends. `first` was said already; `newer` brings the sockets that follow.
    pub(super) async fn listen(
        &mut self,
        mut socket: Socket,
        first: Option<String>,
        mut newer: Option<&mut mpsc::Receiver<Arrival>>,
    ) -> Left {
        let core = self.core;
        let mut attached = core.rest.link().map(Link::attach);
        self.ari_is_back();
        // Whose call it is by now is looked at anew.
        core.socket.send_if_modified(|socket| {
            let was_not_ours = *socket == CallsSocket::NotOurs;
            if was_not_ours {
                *socket = CallsSocket::Kept;
            }
            was_not_ours
        });
        let counters = &core.counters;
        counters.connects.fetch_add(1, Relaxed);
        counters.sockets.fetch_add(1, Relaxed);
        core.up.store(true, Relaxed);
        let mut said = first.and_then(|text| self.handle(&text));
        let came = Instant::now();
        let (mut heard, mut pinged) = (came, false);
        let left = loop {
            if let Some(left) = said.take() {
                break left;
            }
            let due = heard + KEEP_ALIVE;
            let happening = async {
                tokio::select! {
                    received = timeout_at(due.into(), socket.next()) => match received {
                        Ok(Some(received)) => Happening::Received(received),
                        Ok(None) => Happening::Closed,
                        Err(_) => Happening::Quiet,
                    },
                    Some(text) = next(attached.as_mut().map(|attached| &mut attached.requests)) => Happening::Request(text),
                    Some(arrival) = next(newer.as_deref_mut()) => Happening::Newer(Box::new(arrival)),
                    () = is_to_go(core, came) => Happening::LetGo,
                }
            };
            let sent = match self.work_until(happening).await {
                Happening::Received(received) => {
                    (heard, pinged) = (Instant::now(), false);
                    if let Received::Text(text) = received {
                        said = self.handle(&text);
                    }
                    Ok(Some(()))
                }
                Happening::Request(text) => self.work_until(timeout(KEEP_ALIVE, socket.say(text))).await,
                Happening::Newer(arrival) => break Left::Newer(arrival),
                Happening::LetGo => {
                    let _ = self.work_until(timeout(KEEP_ALIVE, socket.close())).await;
                    break Left::Broken;
                }
                Happening::Quiet if pinged => break Left::Broken,
                Happening::Quiet => {
                    // Counted from now: a gateway that stood still has not read yet what was said to it meanwhile.
                    (heard, pinged) = (Instant::now(), true);
                    self.work_until(timeout(KEEP_ALIVE, socket.ping())).await
                }
                Happening::Closed => break Left::Broken,
            };
            if !matches!(sent, Ok(Some(()))) {
                break Left::Broken;
            }
        };
        counters.sockets.fetch_sub(1, Relaxed);
        core.up.store(false, Relaxed);
        self.away_since = Some(Instant::now());
        // Told at once: digits that end in the gap are no more whole than those that end behind it.
        core.calls.keys_missed();
        left
    }

    /// Waits for `wait`, and meanwhile does chores, removes what dead calls left, and watches over the live ones.
    pub(super) async fn work_until<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let core = self.core;
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                output = &mut wait => return output,
                Some(missed) = self.chores.next() => missed.into_iter().for_each(|caller| self.adopt(caller)),
                Some(built) = self.abandoned.recv() => self.chores.push(Box::pin(async move {
                    if core.remove(&built).await.is_ok() {
                        core.counters.orphans_removed.fetch_add(1, Relaxed);
                    }
                    Vec::new()
                })),
                event = self.ami.next() => self.on_ami(event),
                _ = self.watch.tick() => self.look_after(),
            }
        }
    }

    fn ari_is_back(&mut self) {
        let core = self.core;
        self.away_since = None;
        let by_ami = matches!(std::mem::replace(&mut self.ami, Takeover::No), Takeover::Done(_));
        if by_ami {
            core.counters.on_ami.fetch_sub(1, Relaxed);
            tracing::info!(app = core.config.app, "events come by ari again");
        }
        // What was pressed until now came by AMI, or to nobody.
        if !(by_ami && core.ami.as_ref().is_some_and(|ami| ami.is_up())) {
            core.calls.keys_missed();
        }
        core.rest.prefer_ami(false);
        self.chores.push(Box::pin(set_filter(core)));
        self.chores.push(Box::pin(resync(core, Arc::clone(&self.boot))));
    }

    fn take_over(&mut self) {
        let core = self.core;
        let Some(ami) = core.ami.as_ref().filter(|ami| ami.is_up()) else { return };
        tracing::warn!(app = core.config.app, "events come by ami: ari did not come back");
        self.ami = Takeover::Done(ami.events());
        core.counters.on_ami.fetch_add(1, Relaxed);
        core.rest.prefer_ami(true);
        // What happened since ARI went.
        self.chores.push(Box::pin(reconcile(core)));
    }

    fn on_ami(&mut self, event: AmiEvent) {
        match event {
            AmiEvent::Hangup { channel } => self.act_on(Meaning::Gone { channel, cause: UNKNOWN_CAUSE }),
            AmiEvent::Digit { channel, digit } => {
                self.last_key = Some((channel.clone(), digit, Instant::now()));
                self.act_on(Meaning::Digit { channel, digit });
            }
            AmiEvent::Gap => self.chores.push(Box::pin(reconcile(self.core))),
        }
    }

    fn handle(&mut self, text: &str) -> Option<Left> {
        let core = self.core;
        match serde_json::from_str::<Event>(text) {
            Ok(Event::RestAnswer(answer)) => {
                if let Some(link) = core.rest.link() {
                    link.answered(answer);
                }
                return None;
            }
            Ok(Event::ApplicationRegistered {}) => return None,
            Ok(event) => return self.on_event(event),
            Err(error) => {
                core.counters.events_malformed.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut self.malformed_told, true) {
                    // The text itself may hold numbers.
                    tracing::warn!(line = error.line(), column = error.column(), "ari event makes no sense; told once");
                }
            }
        }
        None
    }

    fn on_event(&mut self, event: Event) -> Option<Left> {
        let core = self.core;
        if let Event::Unused = event {
            core.counters.events_unused.fetch_add(1, Relaxed);
            return None;
        }
        let event = match originate::see(core, event) {
            Seen::Ordinary(event) => *event,
            Seen::Taken => return None,
            Seen::Chore(chore) => {
                self.chores.push(Box::pin(async move {
                    chore.await;
                    Vec::new()
                }));
                return None;
            }
        };
        match translate(event, |channel| core.calls.is_ours(channel)) {
            Meaning::Replaced => return Some(Left::Replaced),
            Meaning::Digit { channel, digit } if self.was_told(&channel, digit) => {}
            meaning => self.act_on(meaning),
        }
        None
    }

    /// A key pressed just when ARI came back may be told by both.
    fn was_told(&mut self, channel: &str, digit: char) -> bool {
        let told = self.last_key.take();
        told.is_some_and(|(of, key, at)| of == channel && key == digit && at.elapsed() < SAME_KEY)
    }

    fn act_on(&mut self, meaning: Meaning) {
        let core = self.core;
        match meaning {
            Meaning::Incoming(caller) => self.offer(caller),
            Meaning::MediaUp { channel } if core.calls.is_orphan(&channel) => {
                // Its call gave up waiting for it.
                self.chores.push(Box::pin(async move {
                    remove_orphan(core, "channels", &channel).await;
                    Vec::new()
                }));
            }
            Meaning::MediaUp { channel } => core.calls.started(&channel),
            Meaning::Digit { channel, digit } => core.calls.tell(&channel, TelephonyEvent::Digit(digit)),
            Meaning::Referral { channel } => self.chores.push(Box::pin(decline_referral(core, channel))),
            Meaning::Returned { caller, how } => {
                if !core.calls.returned(&caller.channel, how) {
                    self.offer(caller);
                }
            }
            Meaning::Progress { channel, progress } => core.calls.progress(&channel, progress),
            // Whose hang-up was not asked for may be another gateway's from now on.
            Meaning::Parted { channel } if core.shared && core.calls.is_here(&channel) => {
                self.ask_who_holds(channel, TelephonyEvent::CallerGone);
            }
            Meaning::Parted { channel } => self.act_on(Meaning::Left { channel }),
            Meaning::Left { channel } if core.calls.caller_of(&channel).is_none() => core.calls.left(&channel),
            Meaning::Gone { channel, cause } if core.calls.person_gone(&channel, Returned::of_cause(cause)) => {}
            Meaning::Left { channel } | Meaning::Gone { channel, .. } => match core.calls.caller_of(&channel) {
                // Whoever takes a call removes the media of the one before: which of both is told first is chance.
                Some(caller) if core.shared => self.ask_who_holds(caller, TelephonyEvent::Lost),
                Some(caller) => core.calls.end(&caller, TelephonyEvent::Lost),
                None => core.calls.end(&channel, TelephonyEvent::CallerGone),
            },
            // Of those that are used, some say nothing here.
            Meaning::Replaced | Meaning::Unused => {}
        }
    }

    /// Ends a caller's call: as another gateway's where that has it, or else so.
    fn ask_who_holds(&mut self, caller: String, otherwise: TelephonyEvent) {
        let core = self.core;
        self.chores.push(Box::pin(async move {
            let event = if core.is_taken(&caller).await { TelephonyEvent::Taken } else { otherwise };
            core.calls.end(&caller, event);
            Vec::new()
        }));
    }

    fn adopt(&mut self, caller: Caller) {
        tracing::warn!(channel = caller.channel, "call adopted: its coming was missed");
        self.core.counters.calls_adopted.fetch_add(1, Relaxed);
        self.offer(caller);
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
            channel_name: Some(caller.name),
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
                Vec::new()
            }));
        }
    }

    fn look_after(&mut self) {
        if matches!(self.ami, Takeover::Wanted) {
            self.take_over();
        }
        let now = Instant::now();
        self.ask_about_doubtful(now);
        if self.away_since.is_none() && self.measured.is_none_or(|at| now.saturating_duration_since(at) >= MEASURE) {
            self.measured = Some(now);
            let core = self.core;
            self.chores.push(Box::pin(async move {
                core.measure().await;
                Vec::new()
            }));
        }
    }

    fn ask_about_doubtful(&mut self, now: Instant) {
        let core = self.core;
        let down = self.away_since.is_some_and(|since| now.saturating_duration_since(since) >= DOWN);
        let doubt = |flow: Option<&Flow>| match flow.and_then(|flow| flow.silent_for(now)) {
            Some(silent) => silent >= SILENT || (down && silent >= DOWN),
            None => down,
        };
        for channel in core.calls.doubtful(now, SILENT, doubt) {
            self.chores.push(Box::pin(ask(core, Arc::clone(&self.boot), channel)));
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let counters = &self.core.counters;
        if matches!(self.ami, Takeover::Done(_)) {
            counters.on_ami.fetch_sub(1, Relaxed);
        }
        if self.away_since.is_none() {
            counters.sockets.fetch_sub(1, Relaxed);
        }
        self.core.up.store(false, Relaxed);
    }
}

impl Takeover {
    /// The next event of AMI, if it tells. Cancel-safe.
    async fn next(&mut self) -> AmiEvent {
        match self {
            Self::Done(events) => events.next().await,
            Self::No | Self::Wanted => std::future::pending().await,
        }
    }
}

/// A telephone does not move the agent's leg: it is told so, and stays in its call. One whose channel is in the dialplan hears nothing of us.
async fn decline_referral(core: &Core, channel: String) -> Vec<Caller> {
    core.counters.referrals_declined.fetch_add(1, Relaxed);
    let path = ["channels", channel.as_str(), "transfer_progress"];
    if let Err(error) = core.rest.post("decline referral", &path, &[("states", "channel_declined")]).await {
        tracing::warn!(channel, code = error.code(), "a telephone's own referral was not answered");
    }
    Vec::new()
}

/// Until the socket of a call is to be closed, and nobody waits for an answer by it. Cancel-safe.
async fn is_to_go(core: &Core, came: Instant) {
    let mut socket = core.socket.subscribe();
    loop {
        let held = match socket.wait_for(|socket| *socket != CallsSocket::Kept).await.map(|socket| *socket) {
            Ok(CallsSocket::Offered) => HELD,
            Ok(CallsSocket::Kept | CallsSocket::NotOurs) => Duration::ZERO,
            Err(_) => return std::future::pending().await,
        };
        sleep_until((came + held).into()).await;
        let is_kept = *socket.borrow() == CallsSocket::Kept;
        if !is_kept && core.rest.link().is_none_or(Link::is_idle) {
            return;
        }
        sleep(ANSWERED).await;
    }
}

/// The next of a queue, if there is one. Cancel-safe.
async fn next<T>(queue: Option<&mut mpsc::Receiver<T>>) -> Option<T> {
    match queue {
        Some(queue) => match queue.recv().await {
            Some(item) => Some(item),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
