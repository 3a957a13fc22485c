//! One guest instance: told something, says something, within its limits. No task, no mailbox, no clock.

use crate::api::{Now, SessionStart, SttEffect, SttInput, TtsEffect, TtsInput};
use crate::guest::{Guest, MemoryLimitHit, allow};
use crate::limits::{Budget, EFFECTS_PER_HANDLE, cut};
use crate::signing::Signing;
use crate::v0_1::{Listener, Pre, Speaker};
use std::task::{Context, Poll, Waker};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

/// A speech-to-text guest. Dropping it frees everything it holds.
pub struct SttInstance(pub(crate) Instance<Listener>);

/// A text-to-speech guest. Dropping it frees everything it holds.
pub struct TtsInstance(pub(crate) Instance<Speaker>);

impl SttInstance {
    /// Tells the guest what happened; answers what it says to do. Holds the calling thread for at most the plugin's CPU limit.
    ///
    /// # Errors
    /// Any trap or limit ends the guest: later calls answer [`SessionError::Dead`].
    pub fn handle(&mut self, now: Now, input: SttInput) -> Result<Vec<SttEffect>, SessionError> {
        at_once(self.0.handle(now, input))
    }
}

impl TtsInstance {
    /// Tells the guest what happened; answers what it says to do. Holds the calling thread for at most the plugin's CPU limit.
    ///
    /// # Errors
    /// Any trap or limit ends the guest: later calls answer [`SessionError::Dead`].
    pub fn handle(&mut self, now: Now, input: TtsInput) -> Result<Vec<TtsEffect>, SessionError> {
        at_once(self.0.handle(now, input))
    }
}

/// Runs a call to its end on this thread. It only ever pauses to let others run, never to wait for something.
pub(crate) fn at_once<T>(call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = call.as_mut().poll(&mut cx) {
            return answer;
        }
    }
}

/// Why a session was ended by the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The guest trapped.
    #[error("plugin trapped: {reason}")]
    Trap {
        /// The trap in wasmtime's words.
        reason: String,
    },
    /// One call took longer than its class allows.
    #[error("plugin used up its cpu time")]
    CpuLimit,
    /// It was still at work when nobody could wait for it any more.
    #[error("plugin gave no answer in time")]
    Slow,
    /// It wanted more memory than its class allows.
    #[error("plugin used up its memory")]
    MemoryLimit,
    /// It said more in one call, or owed more, than a session may.
    #[error("plugin said too much at once")]
    OutputLimit,
    /// It held more resources than a session may.
    #[error("plugin holds too many handles")]
    HandleLimit,
    /// It said something that the contract does not allow.
    #[error("plugin broke the contract: {reason}")]
    Contract {
        /// Which clause.
        reason: String,
    },
    /// It wanted too many timers.
    #[error("plugin set too many timers")]
    TimerLimit,
    /// It tried to open links again and again.
    #[error("plugin tried to open too many links")]
    LinkLimit,
    /// It lived as long as a session may.
    #[error("session lived as long as it may")]
    Expired,
    /// No further session can be served now.
    #[error("no further session of this plugin can be served now")]
    SessionLimit,
    /// The session has ended before.
    #[error("session has ended")]
    Dead,
    /// A listener was asked to speak, or the other way round.
    #[error("plugin is of another kind")]
    WrongKind,
}

impl SessionError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::CpuLimit => "cpu-limit",
            Self::Slow => "slow",
            Self::MemoryLimit => "memory-limit",
            Self::OutputLimit => "output-limit",
            Self::HandleLimit => "handle-limit",
            Self::Contract { .. } => "contract",
            Self::TimerLimit => "timer-limit",
            Self::LinkLimit => "link-limit",
            Self::Expired => "expired",
            Self::SessionLimit => "session-limit",
            Self::Dead => "dead",
            Self::WrongKind => "wrong-kind",
        }
    }
}

impl From<wasmtime::Error> for SessionError {
    fn from(error: wasmtime::Error) -> Self {
        if error.downcast_ref::<MemoryLimitHit>().is_some() {
            return Self::MemoryLimit;
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::SessionLimit;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::CpuLimit,
            Some(trap) => Self::Trap { reason: trap.to_string() },
            None => Self::of_words(error.root_cause().to_string()),
        }
    }
}

impl SessionError {
    /// wasmtime keeps the types of these errors to itself; tests notice if their words change.
    fn of_words(words: String) -> Self {
        if words.contains("fuel allocated for hostcalls") {
            Self::OutputLimit
        } else if words.contains("store handle limit exceeded") {
            Self::HandleLimit
        } else {
            Self::Trap { reason: cut(words, 256) }
        }
    }
}

/// A session resource of one version and kind.
pub(crate) trait Talk: Sized + Send + 'static {
    type Input: Send;
    type Effect: Send;

    /// Instantiates and constructs.
    fn open(store: &mut Store<Guest>, pre: &Pre) -> impl Future<Output = Result<Self, SessionError>> + Send;

    /// The start in an input that is one.
    fn start(input: &Self::Input) -> Option<&SessionStart>;

    fn handle(
        &self,
        store: &mut Store<Guest>,
        now: Now,
        input: Self::Input,
    ) -> impl Future<Output = wasmtime::Result<Vec<Self::Effect>>> + Send;
}

/// A guest in its store. *Invariant:* after any error the store is gone, since a trapped instance answers nothing any more.
pub(crate) struct Instance<T> {
    live: Option<(Store<Guest>, T)>,
    budget: Budget,
}

impl<T: Talk> Instance<T> {
    pub(crate) async fn open(mut store: Store<Guest>, pre: &Pre, budget: Budget) -> Result<Self, SessionError> {
        allow(&mut store, budget.start);
        let talk = T::open(&mut store, pre).await?;
        Ok(Self { live: Some((store, talk)), budget })
    }

    /// What it signs with; none once it is dead.
    pub(crate) fn signing(&mut self) -> Option<&mut Signing> {
        self.live.as_mut().map(|(store, _)| &mut store.data_mut().signing)
    }

    pub(crate) async fn handle(&mut self, now: Now, input: T::Input) -> Result<Vec<T::Effect>, SessionError> {
        let (store, talk) = self.live.as_mut().ok_or(SessionError::Dead)?;
        store.data_mut().set_now(now);
        let limit = match T::start(&input) {
            Some(start) => {
                store.data_mut().seed(start.seed);
                self.budget.start
            }
            None => self.budget.handle,
        };
        allow(store, limit);
        let said =
            talk.handle(store, now, input).await.map_err(SessionError::from).and_then(|effects| {
                if effects.len() > EFFECTS_PER_HANDLE { Err(SessionError::OutputLimit) } else { Ok(effects) }
            });
        if said.is_err() {
            self.live = None;
        }
        said
    }
}
