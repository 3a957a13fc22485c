//! Driven sessions: a guest with a mailbox, timers and events, on a task of its own.
//!
//! Light sessions are tasks of the caller's runtime; heavy ones are tasks of a single-threaded runtime per heavy thread, so that a
//! guest that computes for long delays only its neighbours on that thread. While a session's events are not taken it is told
//! nothing but `cancel` and `end`, and timers of 0 ms wait. A session ends when its events are dropped; when only its input
//! is dropped, it is told `end`.

mod desk;
mod drive;
mod floor;
mod roles;
mod way;

pub(crate) use floor::Floor;
pub use way::Way;

use crate::api::{Descriptor, Fault, SessionStart, SessionTag, SttInput, Transcript, TtsInput, Usage, Word};
use crate::counters::count;
use crate::host::PluginHost;
use crate::instance::SessionError;
use crate::limits::{EVENTS, MAILBOX};
use crate::load::Plugin;
use crate::recording::Recorder;
use drive::drive;
use roles::{Listening, Role, Speaking};
use std::sync::Arc;
use tokio::sync::mpsc;
use vg_links::AudioLine;

/// A session that listens. Dropping it ends it.
pub struct SttSession {
    /// What it is told: 64 deep. `Start`, `Link` and `Timer` are the host's and ignored here.
    pub input: mpsc::Sender<SttInput>,
    /// What it says: 32 deep. Closes after [`SttEvent::Ended`].
    pub events: mpsc::Receiver<SttEvent>,
    /// Past the guest, for audio that it has routed to a link: counts what went into `input`. May be left unused.
    pub line: AudioLine,
}

/// A session that speaks. Dropping it ends it.
pub struct TtsSession {
    /// What it is told: 64 deep. `Start`, `Link` and `Timer` are the host's and ignored here. `Cancel` overtakes text and marks
    /// that still wait: those marks are not answered.
    pub input: mpsc::Sender<TtsInput>,
    /// What it says: 32 deep, audio in pieces of at most 8 KiB. Closes after [`TtsEvent::Ended`].
    pub events: mpsc::Receiver<TtsEvent>,
}

/// What a listener says. Small, since each session has room for many.
#[derive(Debug)]
pub enum SttEvent {
    /// The engine heard speech begin; milliseconds since the session's first sample.
    SpeechStarted(u64),
    /// May change.
    Partial(Box<Transcript>),
    /// Will not change.
    Final(Box<Transcript>),
    /// Answer to `Finalize`.
    Finalized,
    /// The engine heard speech end.
    SpeechEnded(u64),
    /// What was worked.
    Usage(Usage),
    /// Last event, once.
    Ended(Box<SessionEnd>),
}

/// What a speaker says. Small, since each session has room for many.
#[derive(Debug)]
pub enum TtsEvent {
    /// Samples in the format of the start.
    Audio(Vec<u8>),
    /// Where a word lies in the audio of this session.
    Word(Word),
    /// Answer to `Flush`.
    Flushed(u32),
    /// Answer to `Cancel`.
    Cancelled,
    /// What was worked.
    Usage(Usage),
    /// Last event, once.
    Ended(Box<SessionEnd>),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The plugin was done.
    Done,
    /// The plugin gave up.
    Fault(Fault),
    /// The host ended it.
    Fell(SessionError),
}

impl SessionEnd {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Fault(fault) => fault.kind.code(),
            Self::Fell(error) => error.code(),
        }
    }
}

/// Told once how a session ended.
pub type OnEnd = Box<dyn FnOnce(&SessionEnd) + Send>;

/// What a session is given beside its start.
#[derive(Default)]
pub struct Opening {
    /// Whose session it is.
    pub tag: SessionTag,
    /// Its way to the outside; without one every link is refused.
    pub door: Option<Box<dyn Way>>,
    /// Keeps what happens, where that was asked for.
    pub recorder: Option<Recorder>,
    /// Told once how it ended, after the guest is gone. Not called where the owner dropped the session.
    pub on_end: Option<OnEnd>,
}

impl Opening {
    /// What is recorded has to pass the recorder: then no audio goes past the session.
    fn line(&self) -> AudioLine {
        let door = self.door.as_ref().filter(|_| self.recorder.is_none());
        door.map_or_else(AudioLine::default, |door| door.line())
    }
}

impl From<SessionTag> for Opening {
    fn from(tag: SessionTag) -> Self {
        Self { tag, ..Self::default() }
    }
}

/// The owner's ends of a session: what it is told, what it says.
type Ends<R> = (mpsc::Sender<<R as Role>::Input>, mpsc::Receiver<<R as Role>::Event>);

impl PluginHost {
    /// Opens a session that listens. Does not block: the guest starts on its own task, and a failure to start is its first event.
    /// Light plugins need a tokio runtime with time around the call.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`]; [`SessionError::SessionLimit`] where no seat is free.
    pub fn open_stt(
        &self,
        plugin: &Arc<Plugin>,
        start: SessionStart,
        opening: impl Into<Opening>,
    ) -> Result<SttSession, SessionError> {
        let opening = opening.into();
        let line = opening.line();
        let (input, events) = self.open::<Listening>(plugin, start, opening)?;
        Ok(SttSession { input, events, line })
    }

    /// Opens a session that speaks. Does not block: the guest starts on its own task, and a failure to start is its first event.
    /// Light plugins need a tokio runtime with time around the call.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`]; [`SessionError::SessionLimit`] where no seat is free.
    pub fn open_tts(
        &self,
        plugin: &Arc<Plugin>,
        start: SessionStart,
        opening: impl Into<Opening>,
    ) -> Result<TtsSession, SessionError> {
        let (input, events) = self.open::<Speaking>(plugin, start, opening.into())?;
        Ok(TtsSession { input, events })
    }

    fn open<R: Role>(&self, plugin: &Arc<Plugin>, start: SessionStart, opening: Opening) -> Result<Ends<R>, SessionError> {
        let Descriptor { kind, compute, .. } = plugin.descriptor();
        if *kind != R::KIND {
            return Err(SessionError::WrongKind);
        }
        let place = self.floor.seat(*compute)?;
        count(&self.counters.sessions_opened);
        let (input, inbox) = mpsc::channel(MAILBOX);
        let (outbox, events) = mpsc::channel(EVENTS);
        let tools = self.floor.tools();
        let plugin = Arc::clone(plugin);
        place.spawn(move |seat| drive::<R>(plugin, start, opening, inbox, outbox, tools, seat));
        Ok((input, events))
    }
}
