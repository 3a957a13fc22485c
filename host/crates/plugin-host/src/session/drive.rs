//! One session from its first input to its last event.

use super::desk::{Ask, Desk};
use super::floor::{Seat, Tools};
use super::roles::Role;
use super::{Opening, SessionEnd, Way};
use crate::api::{LinkEffect, LinkErrorKind, LinkInput, SessionStart, SessionTag};
use crate::counters::{Counters, count};
use crate::instance::{Instance, SessionError};
use crate::limits::SESSION_LIFE;
use crate::load::Plugin;
use crate::recording::Recorder;
use crate::scrub::scrub;
use crate::signing::Signing;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Sleep, sleep_until};
use vg_links::AudioLine;
use vg_links::wire::Signed;

/// The owner has dropped the session's events.
struct Gone;

/// Runs a session. The seat is given back when guest, links and mailbox are gone.
pub(crate) async fn drive<R: Role>(
    plugin: Arc<Plugin>,
    start: SessionStart,
    opening: Opening,
    inbox: Receiver<R::Input>,
    outbox: Sender<R::Event>,
    tools: Tools,
    seat: Seat,
) {
    let line = opening.line();
    let Opening { tag, door, recorder, on_end } = opening;
    let visit = plugin.visit();
    let mut desk = Desk::<R>::new(start);
    let outside = Outside { door, recorder, line };
    if let Ok(end) = talk(&plugin, tag.clone(), outside, &mut desk, inbox, &outbox, &tools).await {
        visit.end(&end);
        report(&plugin, &tag, &end);
        if let Some(on_end) = on_end {
            on_end(&end);
        }
        settle(desk, end, outbox).await;
    }
    drop(seat);
}

/// What a session has beside its guest.
struct Outside {
    door: Option<Box<dyn Way>>,
    recorder: Option<Recorder>,
    line: AudioLine,
}

/// Until the guest ends; guest and links are gone on return.
async fn talk<R: Role>(
    plugin: &Plugin,
    tag: SessionTag,
    mut outside: Outside,
    desk: &mut Desk<R>,
    mut inbox: Receiver<R::Input>,
    outbox: &Sender<R::Event>,
    tools: &Tools,
) -> Result<SessionEnd, Gone> {
    let mut guest = match plugin.instantiate::<R::Talk>(tag).await {
        Ok(guest) => guest,
        Err(error) => return Ok(SessionEnd::Fell(error)),
    };
    if outside.recorder.is_some()
        && let Some(signing) = guest.signing()
    {
        signing.note();
    }
    let expires_at = Instant::now() + life(plugin);
    // What is waited for again and again is asked for once: each time anew would cost as much as a call of the guest.
    let mut left = pin!(outbox.closed());
    let mut alarm = pin!(sleep_until(expires_at.into()));
    // Owner and links take turns: neither can keep the other from being heard.
    let mut links_turn = false;
    let mut waited = true;
    loop {
        while desk.has_room()
            && let Ok(input) = inbox.try_recv()
        {
            desk.take_in(input);
        }
        pay(desk, outbox)?;
        let now = Instant::now();
        if now >= expires_at {
            return Ok(SessionEnd::Fell(SessionError::Expired));
        }
        if links_turn && !desk.owes() {
            outside.hear(&mut guest, desk).await;
        }
        links_turn = !links_turn;
        match desk.next(now) {
            Some(input) => {
                let mut now = now;
                if !std::mem::take(&mut waited) {
                    // A busy session must not keep its neighbours from their turn.
                    tokio::task::yield_now().await;
                    now = Instant::now();
                }
                if let Err(end) = turn(&mut guest, &mut outside, desk, tools, (now, input)).await {
                    return Ok(end);
                }
            }
            None => {
                if let Some(told) = desk.settled() {
                    outside.line.settle(told);
                }
                let wake_at = desk.wake_at().map_or(expires_at, |at| at.min(expires_at)).into();
                // One that rings too early is set anew then: a guest that puts off a timer with each piece of sound costs no more.
                if wake_at < alarm.deadline() || alarm.is_elapsed() {
                    alarm.as_mut().reset(wake_at);
                }
                wait(&mut guest, &mut outside, desk, &mut inbox, outbox, left.as_mut(), alarm.as_mut()).await?;
                waited = true;
            }
        }
    }
}

fn life(plugin: &Plugin) -> Duration {
    let wish = plugin.descriptor().session_max_s.map(|s| Duration::from_secs(s.into()));
    wish.map_or(SESSION_LIFE, |wish| wish.min(SESSION_LIFE))
}

/// One call of the guest; no call at all for audio that goes to a link by itself.
async fn turn<R: Role>(
    guest: &mut Instance<R::Talk>,
    outside: &mut Outside,
    desk: &mut Desk<R>,
    tools: &Tools,
    (now, input): (Instant, R::Input),
) -> Result<(), SessionEnd> {
    let now = tools.epoch.at(now);
    if let (Some(door), Some(chunk)) = (&mut outside.door, R::audio(&input))
        && let Some(link) = door.take_audio(chunk)
    {
        if let Some(recorder) = &mut outside.recorder {
            recorder.routed(now, link, chunk);
        }
        return Ok(());
    }
    if let Some(recorder) = &mut outside.recorder {
        R::record_told(recorder, now, &input);
    }
    let effects = guest.handle(now, input).await.map_err(SessionEnd::Fell)?;
    if let Some(recorder) = &mut outside.recorder {
        let signatures = guest.signing().map(Signing::take_noted).unwrap_or_default();
        R::record_said(recorder, &effects, signatures);
    }
    let booked = desk.book(Instant::now(), effects);
    // Also at the end: last bytes and half-closes were asked for before it.
    outside.carry_out(desk, &tools.counters)?;
    booked
}

impl Outside {
    fn carry_out<R: Role>(&mut self, desk: &mut Desk<R>, counters: &Counters) -> Result<(), SessionEnd> {
        while let Some(ask) = desk.ask() {
            match (&mut self.door, ask) {
                (Some(door), Ask::Link(effect)) => {
                    door.apply(effect).map_err(|_| SessionEnd::Fell(SessionError::LinkLimit))?;
                }
                (Some(door), Ask::Route(route)) => {
                    if !door.route(route.link, route.prefix) {
                        count(&counters.routes_ignored);
                    }
                }
                (None, Ask::Link(effect)) => refuse(desk, &effect, counters),
                (None, Ask::Route(_)) => count(&counters.routes_ignored),
            }
        }
        Ok(())
    }

    /// Takes one piece of news in, if there is any at this moment.
    async fn hear<R: Role>(&mut self, guest: &mut Instance<R::Talk>, desk: &mut Desk<R>) {
        let Some(door) = &mut self.door else { return };
        let news = poll_fn(|cx| match door.poll_next(cx) {
            Poll::Ready(news) => Poll::Ready(Some(news)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(news) = news.await {
            tell(guest, desk, news);
        }
    }

    async fn next(&mut self) -> LinkInput {
        match &mut self.door {
            Some(door) => poll_fn(|cx| door.poll_next(cx)).await,
            None => pending().await,
        }
    }
}

fn tell<R: Role>(guest: &mut Instance<R::Talk>, desk: &mut Desk<R>, news: LinkInput) {
    if let LinkInput::Signed(link, Signed { signer: Some(signer), .. }) = &news
        && let Some(signing) = guest.signing()
    {
        signing.keep(*link, signer.clone());
    }
    desk.take_news(news);
}

/// No egress is granted: every wish to open is answered so, what is said on links that never opened is ignored.
fn refuse<R: Role>(desk: &mut Desk<R>, effect: &LinkEffect, counters: &Counters) {
    let id = match effect {
        LinkEffect::Http(open) => open.id,
        LinkEffect::Websocket(open) => open.id,
        _ => return,
    };
    count(&counters.egress_denied);
    let detail = "no egress is granted to this plugin".to_owned();
    desk.take_news(LinkInput::Failed { id, kind: LinkErrorKind::EgressDenied, detail });
}

/// Hands over as many owed events as fit.
fn pay<R: Role>(desk: &mut Desk<R>, outbox: &Sender<R::Event>) -> Result<(), Gone> {
    if outbox.is_closed() {
        return Err(Gone);
    }
    while let Some(event) = desk.pay() {
        match outbox.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(event)) => {
                desk.owe_again(event);
                break;
            }
            Err(TrySendError::Closed(_)) => return Err(Gone),
        }
    }
    Ok(())
}

/// Until something may have changed.
async fn wait<R: Role>(
    guest: &mut Instance<R::Talk>,
    outside: &mut Outside,
    desk: &mut Desk<R>,
    inbox: &mut Receiver<R::Input>,
    outbox: &Sender<R::Event>,
    left: Pin<&mut impl Future<Output = ()>>,
    alarm: Pin<&mut Sleep>,
) -> Result<(), Gone> {
    tokio::select! {
        () = left => Err(Gone),
        room = outbox.reserve(), if desk.owes() => {
            let room = room.map_err(|_| Gone)?;
            if let Some(event) = desk.pay() {
                room.send(event);
            }
            Ok(())
        }
        input = inbox.recv(), if desk.has_room() => {
            match input {
                Some(input) => desk.take_in(input),
                None => desk.input_closed(),
            }
            Ok(())
        }
        // What the owner has not taken must not be joined by more: meanwhile the vendor's window closes.
        news = outside.next(), if !desk.owes() => {
            tell(guest, desk, news);
            Ok(())
        }
        () = alarm => Ok(()),
    }
}

/// Pays what is owed, then says how it ended. Gives up where nobody takes it.
async fn settle<R: Role>(mut desk: Desk<R>, end: SessionEnd, outbox: Sender<R::Event>) {
    while let Some(event) = desk.pay() {
        if outbox.send(event).await.is_err() {
            return;
        }
    }
    let _ = outbox.send(R::ended(end)).await;
}

fn report(plugin: &Plugin, tag: &SessionTag, end: &SessionEnd) {
    let (name, tenant, call, code) = (plugin.name(), &*tag.tenant, &*tag.call, end.code());
    match end {
        SessionEnd::Done => tracing::debug!(target: "plugin", plugin = name, tenant, call, "session is done"),
        SessionEnd::Fault(fault) => {
            tracing::warn!(target: "plugin", plugin = name, tenant, call, code, detail = &*scrub(&fault.detail), "session gave up");
        }
        SessionEnd::Fell(error) => {
            let error = error.to_string();
            tracing::warn!(target: "plugin", plugin = name, tenant, call, code, error = &*scrub(&error), "session was ended");
        }
    }
}
