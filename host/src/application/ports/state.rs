//! What outlives a gateway: how its calls stand, and who may go on with them.
//!
//! A call has one *holder* at a time, and an *epoch* that rises with each change of holder. What is kept under an older epoch than the newest
//! is refused by the store, and the holder that wrote it is told that it has lost the call. Where the store is away, everybody keeps the calls they hold.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::{CallId, ConversationId, DidId, PluginId, TenantId, TrunkId};
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;

/// How a call stands, in the words of the source design's section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallState {
    /// Offered, not answered.
    Ringing,
    /// Answered, nothing was heard yet.
    Answered,
    /// Somebody talks.
    Active,
    /// Handed over.
    Transferred,
    /// Over.
    Ended,
}

impl CallState {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Active => "active",
            Self::Transferred => "transferred",
            Self::Ended => "ended",
        }
    }
}

/// One run of one gateway: a gateway that was started anew is another holder, though its name is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// Name of the gateway: a slug, unique among those that share a store.
    pub instance: Arc<str>,
    /// Made at its start, unique.
    pub boot: Arc<str>,
}

/// How often a call has changed its holder; 1 is the first. *Invariant:* rises only by a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Of a call that nobody held before.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call as it stands at one moment, whole: the next one takes the place of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSnapshot {
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub tenant: TenantId,
    /// Asterisk's id of the caller's channel, or the media connection's.
    pub channel: Arc<str>,
    /// Asterisk's name of that channel (`PJSIP/...`), where there is one.
    pub channel_name: Option<Arc<str>>,
    /// As the agent names it, once it has.
    pub conversation: Option<ConversationId>,
    /// How it stands.
    pub state: CallState,
    /// Who began it.
    pub direction: Direction,
    /// The number of who called.
    pub caller: Pii<String>,
    /// The number that was called.
    pub callee: Pii<String>,
    /// When it was answered, where it was.
    pub answered_at: Option<SystemTime>,
    /// When it ended, where it has.
    pub ended_at: Option<SystemTime>,
    /// Which agent talks, where that is known.
    pub agent: Option<String>,
    /// Who listens.
    pub hearing: Option<PluginId>,
    /// Who speaks.
    pub speaking: Option<PluginId>,
    /// The tenant's trunk by which it came, where the tenant lists its trunks.
    pub trunk: Option<TrunkId>,
    /// The tenant's number that was dialled, where the tenant lists its numbers.
    pub did: Option<DidId>,
    /// Of whoever keeps it.
    pub epoch: Epoch,
    /// When all of this was so.
    pub updated_at: SystemTime,
    /// What another gateway needs to go on with the call. Made and read by the application alone; none where nobody could go on.
    pub resume: Option<Bytes>,
}

impl CallSnapshot {
    /// The number of the person, whoever began.
    pub fn person(&self) -> &Pii<String> {
        match self.direction {
            Direction::Inbound => &self.caller,
            Direction::Outbound => &self.callee,
        }
    }
}

/// Takes how calls stand.
pub trait CallStates: Send + Sync {
    /// Takes how a call stands now. Never waits, whatever the store does: a snapshot that is not written yet gives way to a newer one of its
    /// call. A call is held from its first snapshot to the one that says that it has ended, or to [`let_go`](Self::let_go).
    fn keep(&self, snapshot: CallSnapshot);
    /// Cancelled once another gateway holds the call: from then on this one has no say in it. Only for a call that is held.
    fn lost(&self, call: &CallId) -> CancellationToken;
    /// The call is no longer this gateway's, and nothing more is to be written of it: it was lost, or its task died.
    fn let_go(&self, call: &CallId);
    /// Whether callers' newest sound is kept.
    fn keeps_sound(&self) -> bool {
        false
    }
    /// Takes what a caller has said and is not understood yet, a second or so of it, in its order. Never waits: what cannot be kept is let go.
    fn keep_sound(&self, _call: &CallId, _epoch: Epoch, _sound: Sound) {}
    /// What was kept of the call's sound is known, or nobody's to hear: it is deleted.
    fn forget_sound(&self, _call: &CallId) {}
}

/// A stretch of a caller's sound.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    /// Samples a second.
    pub rate_hz: u32,
    /// One channel.
    pub pcm: Vec<i16>,
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples at {} Hz", self.pcm.len(), self.rate_hz)
    }
}

/// Calls whose holder cannot go on with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoptable {
    /// Of holders whose lease has lapsed.
    pub lapsed: Vec<Lapsed>,
    /// Offered by holders that live.
    pub offered: Vec<(CallId, Holder)>,
}

/// A holder that lived, and whose lease has lapsed while the store was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// Which one. Of this gateway's own name where it was started anew.
    pub holder: Holder,
    /// Its ARI application of each Asterisk, in the order of its configuration.
    pub apps: Vec<String>,
    /// Its version, as it wrote it.
    pub version: String,
    /// The calls that it held, as far as the store knows them.
    pub calls: Vec<CallId>,
}

/// A call that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// As its last holder kept it; its epoch is the new one.
    pub snapshot: CallSnapshot,
    /// What its caller said last and nobody has understood, where that was kept.
    pub sound: Option<Sound>,
}

/// Whether this gateway may believe that it holds its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The store has known it as alive within the last second.
    Held,
    /// The store is away, or does not answer: nobody can claim, and calls go on.
    Unknown,
    /// Another run of a gateway of this name lives: nothing is claimed. Each call is still written, for no two have one call.
    Taken,
}

/// Who holds each of some calls, and in which epoch; none for one that the store does not know.
pub type Owners = Vec<Option<(Holder, Epoch)>>;

/// Goes on where another gateway stopped.
pub trait Takeover: Send + Sync {
    /// This run of this gateway.
    fn holder(&self) -> &Holder;
    /// This gateway's own lease.
    fn lease(&self) -> watch::Receiver<Lease>;
    /// What may be claimed. A holder is told as lapsed only where its lease was seen alive in this very store (a flush, or another store, is
    /// another), and the store was there for everybody long enough since it was last away.
    fn adoptable(&self) -> watch::Receiver<Arc<Adoptable>>;
    /// Whether another gateway lives, as this store has it: one that could take what is offered.
    fn others_live(&self) -> bool;
    /// How a call stands, as its holder kept it last. Nothing changes.
    fn look<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<CallSnapshot, ClaimError>>;
    /// Takes a call over. Of several gateways that try only one has it.
    fn claim<'a>(&'a self, call: &'a CallId, from: &'a Holder) -> BoxFuture<'a, Result<Claimed, ClaimError>>;
    /// Lets another gateway claim a call of this one, which goes on with it until it has [lost](CallStates::lost) it.
    fn offer<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), ClaimError>>;
    /// Nobody has claimed it, and nobody may any more.
    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), ClaimError>>;
    /// Who holds these calls now, in their order, as the store has it. For a gateway that stood still.
    fn holders<'a>(&'a self, calls: &'a [CallId]) -> BoxFuture<'a, Result<Owners, StoreAway>>;
}

/// Why a call was not claimed. Nothing has changed, unless it cannot be read: then it is this gateway's, which can only leave its caller elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The store knows no such live call: it has ended, or the store was flushed.
    #[error("call is unknown to the store")]
    Unknown,
    /// Somebody else holds it: it was claimed before, or its holder has kept it again.
    #[error("call has another holder")]
    Taken,
    /// Its holder lives, and has not offered it.
    #[error("holder of the call lives")]
    Alive,
    /// What is kept of it cannot be read by this version.
    #[error("state of the call cannot be read")]
    Unreadable,
    /// The store is away.
    #[error(transparent)]
    Away(#[from] StoreAway),
}

impl ClaimError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Taken => "taken",
            Self::Alive => "alive",
            Self::Unreadable => "unreadable",
            Self::Away(_) => "away",
        }
    }
}

/// The store does not answer, or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("store of call states is away")]
pub struct StoreAway;
