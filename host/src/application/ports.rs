//! What the application needs of the world, as types and traits. Adapters implement them, tests fake them.
//!
//! What flows without a counterpart is a bounded channel; what is told and answers is a trait with a mailbox.

mod adoption;
mod agent;
mod arrival;
mod desk;
mod dialling;
mod masking;
mod notices;
mod speech;
mod state;
mod vault;

pub use adoption::*;
pub use agent::*;
pub use arrival::*;
pub use desk::*;
pub use dialling::*;
pub use masking::*;
pub use notices::*;
pub use speech::*;
pub use state::*;
pub use vault::*;

use super::recording::RecordingTap;
use super::setup_clock::SetUpTimes;
pub use super::speaking::SpeechFault;
use super::turns::AnsweredTurn;
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use vg_domain::call::{Overlap, Progress, Speculation, TurnEnd};
use vg_domain::dialling::{AnsweredBy, DialFailure};
use vg_domain::event::{Fact, ShadowTurn, Worker};
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId, UtteranceId};
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_domain::refusal::Refusal;
use vg_domain::tenant::TenantSettings;
use vg_domain::transfer::{Handover, Returned};
use vg_domain::usage::Usage;

// ---- telephony ------------------------------------------------------------------------------------------------------

/// A caller who waits to be served, as an adapter hands it to the gateway.
pub struct IncomingCall {
    /// Made by the adapter, unique.
    pub call: CallId,
    /// When the adapter learned of it: the beginning of its set-up.
    pub arrived: Instant,
    /// Asterisk's channel id, or the media connection's id; for logs and correlation.
    pub channel: String,
    /// Asterisk's name of that channel (`PJSIP/...`); none where the call came by no Asterisk.
    pub channel_name: Option<String>,
    /// The caller's number where known.
    pub caller: Pii<String>,
    /// The number that was dialled where known.
    pub dialled: Pii<String>,
    /// How the tenant is found.
    pub tenant: TenantHint,
    /// By which line of Asterisk it came, to be held against the tenant's trunks; none where it came by no Asterisk.
    pub endpoint: Option<Endpoint>,
    /// Acts on this call.
    pub telephony: Box<dyn Telephony>,
    /// What happens to this call. Closed by the adapter when the leg no longer exists.
    pub events: mpsc::Receiver<TelephonyEvent>,
    /// Somebody who wants this call's facts as they happen (the phone without Asterisk). Never waited for: full means dropped.
    pub watcher: Option<mpsc::Sender<Fact>>,
}

/// How the tenant of a call is found. SIP headers never select one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantHint {
    /// Named by the dialplan, the ticket or the operator's map.
    Named(TenantId),
    /// Not named: the operator's default, if there is one.
    Default,
}

/// What happens to a call's leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelephonyEvent {
    /// The caller hung up.
    CallerGone,
    /// Who was called has answered.
    Up(AnsweredBy),
    /// Who was called was not reached; last event.
    NotReached(DialFailure),
    /// A key was pressed.
    Digit(char),
    /// Keys may have been pressed, or may yet be, of which nobody tells.
    KeysMissed,
    /// While the leg is in the dialplan: whoever is called for it is being called, or has answered.
    Progress(Progress),
    /// The dialplan gave the leg back, with its own word for what happened.
    Returned(Returned),
    /// The person who was asked to be called has answered.
    PersonAnswered,
    /// That person does not answer, or has hung up.
    PersonGone(Returned),
    /// Another gateway has taken the leg: nothing may be done to it any more.
    Taken,
    /// Asterisk or the connection is gone.
    Lost,
}

/// Acts on one call. Every act has a deadline of its own and is safe to repeat.
pub trait Telephony: Send {
    /// Indicates ringing.
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>>;
    /// From now on sound goes where nobody but the operator can listen in, or not at all: `UntrustedPath`. Before anything else.
    fn require_trusted_path(&mut self) {}
    /// Builds bridge and media leg, in the order of a set-up: returns when sound can flow both ways.
    fn connect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>>;
    /// Builds the media leg anew, in a call that has one; the old one ends. Where it fails, the old one stays.
    fn reconnect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        ready(Err(TelephonyError::Unsupported { act: "rebuild media leg" })).boxed()
    }
    /// Answers the caller.
    fn answer(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>>;
    /// Hands the caller over: the leg parts from this gateway, and comes back where nobody is reached ([`TelephonyEvent::Returned`]); its end is told.
    /// An error means that it stays, with its media leg.
    fn transfer<'a>(&'a mut self, handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>>;
    /// Releases media leg and bridge of a leg that has parted; [`connect_media`](Self::connect_media) builds them anew.
    fn leave_media(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Calls a person for the caller, who hears music meanwhile; returns when that is under way. [`TelephonyEvent::PersonAnswered`] or
    /// [`TelephonyEvent::PersonGone`] follows.
    fn consult<'a>(&'a mut self, _handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Err(TelephonyError::Unsupported { act: "consult" })))
    }
    /// Brings the media leg to the person who has answered.
    fn meet(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Err(TelephonyError::Unsupported { act: "meet" })))
    }
    /// Brings the caller to the person, and releases the media leg. Both stay with this leg: its release ends the person's call.
    fn join(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Err(TelephonyError::Unsupported { act: "join" })))
    }
    /// Lets the person go, and brings the media leg back to the caller: as if nobody had been called.
    fn resume(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Sends keys to the caller, one after the other.
    fn send_digits<'a>(&'a mut self, _digits: &'a str) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(std::future::ready(Err(TelephonyError::Unsupported { act: "send digits" })))
    }
    /// The leg is another gateway's from now on: it lives on untouched, with whatever was built for it, and dropping this ends nothing of it.
    fn forsake(&mut self) {}
    /// Ends the caller's leg.
    fn hang_up(&mut self, cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>>;
    /// Releases what was built for the call (media leg, bridge). Nothing is left behind when it returns, or the error says what.
    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>>;
}

/// Why an act on a call failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TelephonyError {
    /// The leg no longer exists.
    #[error("leg is gone")]
    Gone,
    /// The other side did not answer in time.
    #[error("{act} got no answer in time")]
    Deadline {
        /// The act, for example `answer`.
        act: &'static str,
    },
    /// The other side refused.
    #[error("{act} was refused with status {status}")]
    Refused {
        /// The act.
        act: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// The connection is broken.
    #[error("connection to asterisk is broken")]
    Unreachable,
    /// This kind of leg cannot do it.
    #[error("{act} is not possible on this leg")]
    Unsupported {
        /// The act.
        act: &'static str,
    },
    /// Sound would go unencrypted to where others may listen, and this call's must not.
    #[error("sound would go unencrypted to where it must not")]
    UntrustedPath,
}

impl TelephonyError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Deadline { .. } => "deadline",
            Self::Refused { .. } => "refused",
            Self::Unreachable => "unreachable",
            Self::Unsupported { .. } => "unsupported",
            Self::UntrustedPath => "untrusted_path",
        }
    }
}

// ---- media ----------------------------------------------------------------------------------------------------------

/// Both directions of a call's sound. Dropping it ends the leg.
pub struct MediaLeg {
    /// What to say.
    pub mouth: mpsc::Sender<MouthCommand>,
    /// Whether it may be said. Counts at the next tick, whatever waits in `mouth`.
    pub floor: watch::Sender<MouthFloor>,
    /// What is heard and played.
    pub events: mpsc::Receiver<LegEvent>,
    /// Rate of [`AudioChunk`]s, in Hz.
    pub rate_hz: u32,
}

/// Orders to a leg, carried out at the next tick of its shard, in their order.
#[derive(Debug)]
pub enum MouthCommand {
    /// Samples to play after those already queued; any of 8, 16, 24, 48 kHz.
    Say {
        /// Whose samples.
        utterance: UtteranceId,
        /// Rate of `pcm`.
        rate_hz: u32,
        /// Linear samples.
        pcm: Vec<i16>,
    },
    /// No further samples of this utterance follow.
    End {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Keep what both sides say from now on. A second one takes the place of the first.
    Record(Box<RecordingTap>),
    /// Keep nothing of it from now on; what was kept is.
    StopRecording,
    /// Look whether the path carries sound and whether anybody can be heard, from now on; answered by [`LegEvent::PathProven`],
    /// [`LegEvent::PathSilent`] and [`LegEvent::DeadAir`].
    Watch {
        /// Packets are to be seen both ways within this time.
        path_within: Duration,
        /// Neither side audible for so long is told.
        dead_air: Duration,
    },
}

/// Whether a leg may say what it is told to say. Orders to be silent do not wait behind sound for which there is no room yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MouthFloor {
    /// This utterance and those before it are over: stop within one frame and forget what is queued, now and later; answered by
    /// [`LegEvent::Hushed`].
    pub hushed: Option<UtteranceId>,
    /// Stand still within one frame, and keep what is queued.
    pub paused: bool,
}

/// What a leg reports.
#[derive(Debug)]
pub enum LegEvent {
    /// Sound of the caller.
    Audio(AudioChunk),
    /// The caller began to speak.
    SpeechStarted {
        /// At the socket, back-dated.
        at: Instant,
        /// Milliseconds since the leg's first sample.
        position_ms: u64,
    },
    /// The caller paused.
    SpeechEnded {
        /// Last voiced sample, at the socket.
        last_voiced: Instant,
        /// Milliseconds since the leg's first sample.
        position_ms: u64,
    },
    /// First audible sample of an utterance left.
    Audible {
        /// Which one.
        utterance: UtteranceId,
        /// When.
        at: Instant,
    },
    /// All samples of an utterance have left.
    Ended {
        /// Which one.
        utterance: UtteranceId,
    },
    /// Answer to [`MouthFloor::hushed`].
    Hushed {
        /// What was being played, if anything.
        utterance: Option<UtteranceId>,
        /// How much of it had left, in milliseconds.
        spoken_ms: u64,
    },
    /// A key came with the media.
    Digit(char),
    /// Packets were seen both ways. Told once for each [`MouthCommand::Watch`].
    PathProven {
        /// After so many milliseconds.
        after_ms: u64,
    },
    /// The time is over, and packets were not seen both ways. Where they come later, [`LegEvent::PathProven`] follows.
    PathSilent {
        /// Packets came.
        heard: bool,
        /// Packets left.
        sent: bool,
    },
    /// Neither side was audible for a while. Told once for each such stretch.
    DeadAir {
        /// Milliseconds since the caller's last voiced frame.
        heard_ago_ms: u64,
        /// Milliseconds since the gateway's last audible one.
        said_ago_ms: u64,
    },
    /// Packets had flowed and have stood still for the time of inactivity: a caller on hold, one whose phone saves packets, or one who is gone. Told
    /// once for each such stretch.
    Inactive,
    /// The leg ended: the far side closed, or RTP stood still for too long.
    Lost,
}

/// A stretch of the caller's sound: linear 16-bit samples, 20 to 300 ms.
#[derive(Debug)]
pub struct AudioChunk {
    /// Samples at the leg's rate.
    pub pcm: Vec<i16>,
}

// ---- tenants, facts, observations -----------------------------------------------------------------------------------

/// Knows the tenants.
pub trait Tenants: Send + Sync {
    /// Whose call this is: found by name, by the operator's map or by default, and then confirmed by the number that was dialled and the line
    /// by which it came.
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>>;
    /// Settings of a tenant by its name, with no call to confirm: for calls that the gateway makes, and for whoever looks.
    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>>;
}

/// Why a tenant's settings are not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// Nobody of that name.
    #[error("tenant is unknown")]
    Unknown,
    /// The source of settings does not answer.
    #[error("tenant settings are unavailable")]
    Unavailable,
    /// The number that was dialled is not the tenant's.
    #[error("dialled number is not the tenant's")]
    DidUnknown,
    /// The call came by a line that is not the tenant's.
    #[error("trunk is not the tenant's")]
    TrunkMismatch,
}

impl TenantError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        self.refusal().code()
    }

    /// What it means for the call.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Unknown => Refusal::TenantUnknown,
            Self::Unavailable => Refusal::TenantUnavailable,
            Self::DidUnknown => Refusal::DidUnknown,
            Self::TrunkMismatch => Refusal::TrunkMismatch,
        }
    }
}

/// Whose fact it is, and which of them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The call.
    pub call: &'a CallId,
    /// Whose call.
    pub tenant: &'a TenantId,
    /// As the agent names it, once it has.
    pub conversation: Option<&'a ConversationId>,
    /// Its place among the facts of its call.
    pub sequence: Sequence,
}

impl<'a> Subject<'a> {
    /// Of a call that has this fact alone.
    pub fn only(call: &'a CallId, tenant: &'a TenantId) -> Self {
        Self { call, tenant, conversation: None, sequence: Sequence::FIRST }
    }
}

/// The place of an event among those of its call: first by epoch, then by number. No two events of a call share one, whichever gateway tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence {
    /// Of whoever holds the call.
    pub epoch: Epoch,
    /// Counts from 1 within the epoch.
    pub n: u64,
}

impl Sequence {
    /// Of the first event of a call.
    pub const FIRST: Self = Self { epoch: Epoch::FIRST, n: 1 };
}

/// Takes facts of calls to the outside. Must not block; what it cannot take now it keeps or counts.
pub trait Facts: Send + Sync {
    /// One fact of one call.
    fn publish(&self, subject: Subject<'_>, fact: &Fact);

    /// Completes when everything that was published before outlives a crash of this process, or will not for now: who cannot keep it has raised an
    /// alarm, and nobody is waited for.
    fn committed(&self) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }

    /// Whether there is room for what further calls would tell.
    fn has_room(&self) -> bool {
        true
    }
}

/// Something worth a metric or a log line. Labels are bounded; never numbers, URLs or words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A call was taken in.
    CallStarted,
    /// A call was refused, with a bounded code.
    CallRefused(&'static str),
    /// A call was answered, with by whom.
    CallAnswered(AnsweredBy),
    /// A call ended, with its cause.
    CallEnded(EndCause),
    /// A call of another gateway was looked at; `adopted`, or a bounded code of why it was not.
    Adoption(&'static str),
    /// Another gateway went on with a call.
    CallTakenOver,
    /// A call's task ended and this much was left behind: always zero, or a defect.
    CallLeaked(&'static str),
    /// A provider or the agent fell.
    RungFell {
        /// Whose part it was.
        role: &'static str,
        /// Bounded code.
        code: &'static str,
    },
    /// A tenant's provider is asked no longer, or again.
    BreakerTurned {
        /// Whose part it does.
        role: &'static str,
        /// Whose provider it is.
        tenant: TenantId,
        /// Which plugin.
        plugin: PluginId,
        /// It is asked no longer.
        open: bool,
    },
    /// A tenant that limits its sessions of a plugin has so many now.
    SessionsHeld {
        /// What they do.
        role: &'static str,
        /// Whose they are.
        tenant: TenantId,
        /// Which plugin, without its version.
        plugin: PluginId,
        /// How many.
        sessions: u32,
    },
    /// A session was one too many, or asked for too soon: `seated` (it waited and came), `late` (it waited, and the next rung served), `full`, `passed`
    /// (too many wait; one was waited for already), `left` (the call did not want it any more).
    SessionAwaited {
        /// What it was to do.
        role: &'static str,
        /// Which plugin, without its version.
        plugin: PluginId,
        /// What came of it.
        outcome: &'static str,
    },
    /// A turn was heard by a second listener as well.
    ShadowCompared {
        /// Whose call it was.
        tenant: TenantId,
        /// What came of it. Its words, if there are any, are not for metrics and logs.
        turn: ShadowTurn,
    },
    /// A second listener hears no more of a call; bounded code: of its fall, or `slow`, `flood`, `breaker`, `concurrency`.
    ShadowDropped {
        /// Which plugin.
        plugin: PluginId,
        /// Why.
        code: &'static str,
    },
    /// A turn got its answer.
    TurnEnded(Box<AnsweredTurn>),
    /// The first words of what a caller says were heard.
    FirstWords {
        /// Whose caller.
        tenant: TenantId,
        /// Who heard them.
        plugin: PluginId,
        /// So long after the first voiced sample.
        after: Duration,
    },
    /// An answer was late, and something was said meanwhile.
    FillerSaid,
    /// One of the tenant's lines was said: `not_understood`, `still_there`, `farewell`.
    PromptSaid(&'static str),
    /// The end of a caller's turn turned out so.
    EndJudged {
        /// How.
        end: TurnEnd,
        /// Whose caller.
        tenant: TenantId,
        /// Who heard the turn.
        plugin: PluginId,
    },
    /// What a caller's voice over the gateway's own was.
    OverlapJudged(Overlap),
    /// What became of a question that was put before its turn was over.
    SpeculationJudged(Speculation),
    /// So much a provider worked in a call that has ended.
    Used {
        /// Who pays for it.
        tenant: TenantId,
        /// As what.
        who: Worker,
        /// Which plugin.
        plugin: PluginId,
        /// How much.
        usage: Usage,
    },
    /// What a voice gave for an utterance can hardly be speech.
    SpeechFaulty {
        /// Which plugin.
        plugin: PluginId,
        /// What is wrong with it.
        fault: SpeechFault,
    },
    /// The other end of a media socket has thrown away what it was told to, so long after it was told.
    Flushed(Duration),
    /// Caller audio was dropped because the listener was too slow, in milliseconds.
    AudioDropped {
        /// How much.
        ms: u64,
    },
    /// A hand-over came to something: kind of its target, how (`blind`, `attended`), and `done` or a bounded code of why not.
    HandedOver {
        /// Kind of target.
        kind: &'static str,
        /// How.
        mode: &'static str,
        /// What came of it.
        outcome: &'static str,
    },
    /// A call was to be recorded and is not; bounded code.
    NotRecorded(&'static str),
    /// The self-test of a call's media path ended: `proven`, `nothing_heard`, `nothing_sent` or `nothing`.
    PathTested(&'static str),
    /// A silent path was built anew: `proven` and `silent` say what that did, `not_built` that it could not be done.
    PathRebuilt(&'static str),
    /// A greeting is heard: where the time went since the call came, or since it was answered where the gateway made it.
    SetUp(SetUpTimes),
    /// Neither side of a call was audible for a while.
    DeadAir,
    /// A call's packets stood still.
    Inactive,
    /// An input made no sense in its phase.
    InputRefused {
        /// Phase of the call.
        phase: &'static str,
        /// Kind of input.
        input: &'static str,
    },
}

/// Makes metrics and logs of observations.
pub trait Observe: Send + Sync {
    /// One observation.
    fn observe(&self, observation: &Observation);
}
