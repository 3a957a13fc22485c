//! One session from its first input to its last event.

use super::SessionEnd;
use super::desk::Desk;
use super::floor::{Seat, Tools};
use super::roles::Role;
use crate::api::{SessionStart, SessionTag};
use crate::instance::Instance;
use crate::load::Plugin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::sleep_until;

/// The owner has dropped the session's events.
struct Gone;

/// Runs a session. The seat is given back when guest and mailbox are gone.
pub(crate) async fn drive<R: Role>(
    plugin: Arc<Plugin>,
    start: SessionStart,
    tag: SessionTag,
    inbox: Receiver<R::Input>,
    outbox: Sender<R::Event>,
    tools: Tools,
    seat: Seat,
) {
    let mut desk = Desk::<R>::new(start, tools.counters.clone());
    if let Ok(end) = talk(&plugin, tag.clone(), &mut desk, inbox, &outbox, &tools).await {
        report(&plugin, &tag, &end);
        settle(desk, end, outbox).await;
    }
    drop(seat);
}

/// Until the guest ends; the guest is gone on return.
async fn talk<R: Role>(
    plugin: &Plugin,
    tag: SessionTag,
    desk: &mut Desk<R>,
    mut inbox: Receiver<R::Input>,
    outbox: &Sender<R::Event>,
    tools: &Tools,
) -> Result<SessionEnd, Gone> {
    let mut guest = match plugin.instantiate::<R::Talk>(tag) {
        Ok(guest) => guest,
        Err(error) => return Ok(SessionEnd::Fell(error)),
    };
    loop {
        while desk.has_room()
            && let Ok(input) = inbox.try_recv()
        {
            desk.take_in(input);
        }
        pay(desk, outbox)?;
        match desk.next(Instant::now()) {
            Some(input) => {
                if let Err(end) = turn(&mut guest, desk, tools, input) {
                    return Ok(end);
                }
                // A busy session must not keep its neighbours from their turn.
                tokio::task::yield_now().await;
            }
            None => wait(desk, &mut inbox, outbox).await?,
        }
    }
}

/// One call of the guest.
fn turn<R: Role>(guest: &mut Instance<R::Talk>, desk: &mut Desk<R>, tools: &Tools, input: R::Input) -> Result<(), SessionEnd> {
    let effects = guest.handle(tools.epoch.at(Instant::now()), input).map_err(SessionEnd::Fell)?;
    desk.book(Instant::now(), effects)
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
async fn wait<R: Role>(desk: &mut Desk<R>, inbox: &mut Receiver<R::Input>, outbox: &Sender<R::Event>) -> Result<(), Gone> {
    let wake_at = desk.wake_at();
    let alarm = async {
        match wake_at {
            Some(at) => sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = outbox.closed() => Err(Gone),
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
            tracing::warn!(target: "plugin", plugin = name, tenant, call, code, detail = fault.detail, "session gave up");
        }
        SessionEnd::Fell(error) => {
            tracing::warn!(target: "plugin", plugin = name, tenant, call, code, %error, "session was ended");
        }
    }
}
