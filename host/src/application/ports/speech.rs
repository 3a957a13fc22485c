//! Sessions that listen to a call, and sessions that speak in it.

use crate::application::breakers::Seat;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use vg_domain::call::Stability;
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::mask::Heard;
use vg_domain::tenant::Provider;
use vg_domain::usage::Usage;

// ---- hearing --------------------------------------------------------------------------------------------------------

/// Opens listening sessions.
pub trait Hearing: Send + Sync {
    /// A new session of that provider. Must not block: the session starts behind its mailbox.
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall>;
}

/// Who is to listen, to what.
#[derive(Clone, Debug)]
pub struct HearingRequest {
    /// For logs and budgets.
    pub call: CallId,
    /// For budgets and policy.
    pub tenant: TenantId,
    /// Who is to serve.
    pub provider: Provider,
    /// BCP 47 tag.
    pub language: String,
    /// Rate of the samples that will come.
    pub rate_hz: u32,
    /// The tenant's place with that provider: to be kept until nothing of the session is left.
    pub seat: Seat,
}

/// A session that listens to one call. Dropping it ends it.
pub trait Listen: Send {
    /// Tells it something; gives the input back where its mailbox is full.
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput>;
    /// The next thing it says; `None` once it has ended.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<HearingEvent>>;
    /// Nothing follows, and what it says no longer matters but for what it has worked; ends with the session.
    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        stream::empty().boxed()
    }
}

/// What a listener is told.
#[derive(Debug)]
pub enum HearingInput {
    /// More samples.
    Audio(Vec<i16>),
    /// The caller began; milliseconds since the leg's first sample.
    SpeechStarted(u64),
    /// The caller paused; milliseconds since the leg's first sample.
    SpeechEnded(u64),
    /// Give the last words of the turn.
    Finalize,
}

/// What a listener says. Words are [`Heard`]: they go through the mask before anything else sees them.
pub enum HearingEvent {
    /// May change.
    Partial {
        /// All words since the last final ones.
        words: Heard,
        /// How unlikely they are to change, where it says so.
        stability: Option<Stability>,
    },
    /// Will not change.
    Final(Heard),
    /// Answer to `Finalize`.
    Finalized,
    /// So much more it has worked.
    Usage(Usage),
    /// It cannot go on; last event.
    Fell(Fall),
}

/// Why a provider cannot go on. Bounded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin} fell: {code}")]
pub struct Fall {
    /// Which plugin.
    pub plugin: PluginId,
    /// Bounded label, for example `trap`, `cpu-limit`, `session-limit`, `auth`.
    pub code: &'static str,
    /// It wants not to be asked again for so long.
    pub retry_after: Option<Duration>,
}

impl Fall {
    /// One that says nothing of when it may be asked again.
    pub fn new(plugin: PluginId, code: &'static str) -> Self {
        Self { plugin, code, retry_after: None }
    }
}

// ---- speaking -------------------------------------------------------------------------------------------------------

/// Opens speaking sessions.
pub trait Speaking: Send + Sync {
    /// A new session of that provider. Must not block.
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall>;
}

/// Who is to speak.
#[derive(Clone, Debug)]
pub struct SpeakingRequest {
    /// For logs and budgets.
    pub call: CallId,
    /// For budgets and policy.
    pub tenant: TenantId,
    /// Who is to serve.
    pub provider: Provider,
    /// BCP 47 tag.
    pub language: String,
    /// Rate of the leg: the plugin is asked for it where it offers it.
    pub rate_hz: u32,
    /// What the gateway says word for word in every call of this tenant, and may therefore keep.
    pub lines: Arc<[String]>,
    /// The tenant's place with that provider: to be kept until nothing of the session is left.
    pub seat: Seat,
}

/// A session that speaks one utterance after another. Dropping it ends it.
pub trait Speak: Send {
    /// Tells it something; gives the input back where its mailbox is full.
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput>;
    /// The next thing it says; `None` once it has ended.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>>;
    /// Nothing follows, and what it says no longer matters but for what it has worked; ends with the session.
    fn part(self: Box<Self>) -> BoxStream<'static, Usage> {
        stream::empty().boxed()
    }
}

/// What a speaker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeakingInput {
    /// A clause.
    Text(String),
    /// Answered by `Flushed` with the same mark after the last audio of all text so far.
    Flush(u32),
    /// Forget all text; answered by `Cancelled`.
    Cancel,
}

/// What a speaker says.
#[derive(Clone, Debug)]
pub enum SpeakingEvent {
    /// Samples.
    Audio {
        /// 8000, 16000, 24000 or 48000.
        rate_hz: u32,
        /// Linear samples.
        pcm: Vec<i16>,
    },
    /// Where a word lies.
    Word(SpokenWord),
    /// Answer to `Flush`.
    Flushed(u32),
    /// Answer to `Cancel`.
    Cancelled,
    /// So much more it has worked.
    Usage(Usage),
    /// It cannot go on; last event.
    Fell(Fall),
}

/// A word as a speaker said it, and its place in milliseconds since the session's first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenWord {
    /// As the speaker writes it; not always as it was told.
    pub text: String,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
}
