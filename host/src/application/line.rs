//! The caller's leg. Acts are carried out one after another, so that a release never overtakes a set-up.

use super::limits;
use super::ports::{Facts, MediaLeg, OrderError, Telephony, TelephonyError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::Handover;

/// Something to do with the leg.
#[derive(Debug)]
pub(super) enum Act {
    Ring,
    ConnectMedia,
    ReconnectMedia,
    Answer,
    Transfer(Handover),
    LeaveMedia,
    Consult(Handover),
    Meet,
    Join,
    Resume,
    Digits(String, oneshot::Sender<Result<(), OrderError>>),
    HangUp(EndCause),
    Release,
    /// The leg is another gateway's.
    Forsake,
}

impl Act {
    /// Whether somebody else acts upon it: it has to be told before, by what outlives a crash.
    fn is_seen_outside(&self) -> bool {
        matches!(self, Self::Answer | Self::Transfer(_) | Self::Consult(_) | Self::Join | Self::HangUp(_))
    }
}

/// Waits until what led to an act outlives a crash; not for long.
pub(super) async fn told(facts: &dyn Facts) {
    // Who cannot keep it in time has counted that; a caller is worth more.
    let _ = tokio::time::timeout(limits::COMMITTED_WITHIN, facts.committed()).await;
}

/// What came of an act.
pub(super) enum Done {
    Connected(MediaLeg),
    Reconnected(Result<MediaLeg, TelephonyError>),
    Answered,
    SetUpFailed(TelephonyError),
    Parted,
    Met,
    Joined,
    Resumed,
    TransferFailed(TelephonyError),
    /// The leg holds nothing any more, or the error says what it could not give back.
    Released(Result<(), TelephonyError>),
}

/// Hands acts to the task that owns the leg.
pub(super) struct Line {
    acts: mpsc::Sender<Act>,
    done: mpsc::Receiver<Done>,
    task: JoinHandle<()>,
}

impl Line {
    pub(super) fn new(telephony: Box<dyn Telephony>, facts: Arc<dyn Facts>) -> Self {
        let (acts, acts_rx) = mpsc::channel(limits::LINE_ACTS);
        let (done_tx, done) = mpsc::channel(limits::LINE_ACTS);
        #[expect(clippy::disallowed_methods, reason = "a call task owns its streams; joined by `Line::finish`")]
        let task = tokio::spawn(carry_out(telephony, facts, acts_rx, done_tx));
        Self { acts, done, task }
    }

    /// Queues an act; waits only where more acts are under way than a call has.
    pub(super) async fn act(&self, act: Act) {
        // The task ends only after this sender is gone, so there is nobody to tell of an error.
        let _ = self.acts.send(act).await;
    }

    /// The next result. Cancel-safe.
    pub(super) async fn done(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Waits until the leg's task has ended.
    pub(super) async fn finish(self) {
        drop(self.acts);
        drop(self.done);
        let _ = self.task.await;
    }
}

/// *Invariant:* the leg is released exactly once, unless it is another gateway's by then, even when the call's task dies without asking for it.
async fn carry_out(mut leg: Box<dyn Telephony>, facts: Arc<dyn Facts>, mut acts: mpsc::Receiver<Act>, done: mpsc::Sender<Done>) {
    let mut released = false;
    while let Some(act) = acts.recv().await {
        if act.is_seen_outside() {
            told(&*facts).await;
        }
        released |= matches!(act, Act::Release | Act::Forsake);
        let result = match act {
            // A caller who hears no ringing is no reason to end the call.
            Act::Ring => leg.ring().await.map(|()| None).or(Ok(None)),
            Act::ConnectMedia => leg.connect_media().await.map(|media| Some(Done::Connected(media))),
            Act::ReconnectMedia => Ok(Some(Done::Reconnected(leg.reconnect_media().await))),
            Act::Answer => leg.answer().await.map(|()| Some(Done::Answered)),
            Act::Transfer(handover) => Ok(Some(match leg.transfer(&handover).await {
                Ok(()) => Done::Parted,
                Err(error) => Done::TransferFailed(error),
            })),
            // What comes of it is told by the leg's events.
            Act::Consult(handover) => Ok(leg.consult(&handover).await.err().map(Done::TransferFailed)),
            Act::Meet => Ok(Some(leg.meet().await.map_or_else(Done::TransferFailed, |()| Done::Met))),
            Act::Join => Ok(Some(leg.join().await.map_or_else(Done::TransferFailed, |()| Done::Joined))),
            Act::Resume => leg.resume().await.map(|()| Some(Done::Resumed)),
            // What is left of it the release finds.
            Act::LeaveMedia => leg.leave_media().await.map(|()| None).or(Ok(None)),
            Act::Digits(digits, answer) => {
                let sent = leg.send_digits(&digits).await.map_err(|error| match error {
                    TelephonyError::Unsupported { .. } => OrderError::Unsupported,
                    error => OrderError::Failed(error.code()),
                });
                // Who asked may have gone.
                let _ = answer.send(sent);
                Ok(None)
            }
            // The release that follows reports what is left.
            Act::HangUp(cause) => leg.hang_up(cause).await.map(|()| None).or(Ok(None)),
            Act::Forsake => {
                leg.forsake();
                Ok(None)
            }
            Act::Release => Ok(Some(Done::Released(leg.release().await))),
        };
        if let Some(report) = result.unwrap_or_else(|error| Some(Done::SetUpFailed(error))) {
            // Nobody listens any more only when the call's task is gone; what it queued is still carried out.
            let _ = done.send(report).await;
        }
    }
    if !released {
        let _ = leg.hang_up(EndCause::Stopped).await;
        let _ = leg.release().await;
    }
}
