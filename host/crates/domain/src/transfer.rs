//! Where a caller can be handed over to.

use crate::mask::MaskedText;
use crate::number::{Number, NumberPlan, Pattern};
use crate::pii::Pii;
use std::fmt;
use std::time::Duration;

/// A wish to hand the caller over, by the agent or by the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// To whom.
    pub target: TransferTarget,
    /// How.
    pub mode: TransferMode,
    /// What the human is told before the caller is connected, as the agent wrote it: unmasked. None for nothing.
    pub summary: Option<String>,
}

/// To whom a caller is handed over. What a tenant may reach is its settings' to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTarget {
    /// A queue of the tenant's, by name.
    Queue(String),
    /// An extension of the tenant's.
    Extension(String),
    /// A number outside, E.164.
    External(Pii<String>),
}

impl TransferTarget {
    /// Bounded label, as the API writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Extension(_) => "extension",
            Self::External(_) => "external",
        }
    }
}

/// How a caller is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransferMode {
    /// At once; the gateway leaves the call.
    #[default]
    Blind,
    /// The human is asked first, and the caller waits meanwhile.
    Attended,
}

impl TransferMode {
    /// Bounded label, as the API writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Attended => "attended",
        }
    }
}

/// Whose wish it is that a caller is handed over, where it is not the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandoverReason {
    /// The caller's, by a key.
    Caller,
    /// Of somebody who used the API.
    Operator,
    /// The gateway's: nobody else is left to listen or to speak.
    Trouble,
}

impl HandoverReason {
    /// Bounded label, as the agent's protocol writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Operator => "operator",
            Self::Trouble => "trouble",
        }
    }
}

/// The agent's word on a hand-over that is not its own wish. The default leaves all to the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandoverAdvice {
    /// To whom. What a tenant may reach is its settings' to say.
    pub target: Option<TransferTarget>,
    /// How.
    pub mode: TransferMode,
    /// What the human is told, as the agent wrote it: unmasked.
    pub summary: Option<String>,
}

/// A place in the dialplan: context and extension, each of letters, digits and `-_.+*#`, so that neither says more to Asterisk than a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    context: String,
    extension: String,
}

/// A context or extension is no longer.
const NAME_MAX: usize = 80;

impl Place {
    /// `context,extension`; none where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (context, extension) = text.split_once(',')?;
        let is_name = |part: &str| {
            !part.is_empty() && part.len() <= NAME_MAX && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+*#".contains(c))
        };
        (is_name(context) && is_name(extension)).then(|| Self { context: context.into(), extension: extension.into() })
    }

    /// Name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Name of the extension: may be a number outside, which is personal data.
    pub fn extension(&self) -> &str {
        &self.extension
    }
}

/// The context only: an extension may be somebody's number.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},[redacted]", self.context)
    }
}

/// Where a tenant's targets are: `context,extension` with the mark in the place of the target's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacePattern(String);

impl PlacePattern {
    /// The mark in patterns.
    pub const MARK: &'static str = "{name}";

    /// None where the mark is not there, or where a name in its place would make no place.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.contains(Self::MARK) && Place::parse(&text.replace(Self::MARK, "x")).is_some();
        sound.then(|| Self(text.to_owned()))
    }

    /// The place of that name; none where it is no name.
    fn fill(&self, name: &str) -> Option<Place> {
        let is_word = !name.is_empty() && !name.contains(',') && !name.contains('{');
        is_word.then(|| Place::parse(&self.0.replace(Self::MARK, name))).flatten()
    }
}

/// Whom a tenant's callers may be handed over to. The default: nobody but the tenant's person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferSettings {
    /// Place of its queues; none where it has none.
    pub queue: Option<PlacePattern>,
    /// Place of its extensions.
    pub extension: Option<PlacePattern>,
    /// Ways to numbers outside; the first that allows a number takes it.
    pub external: Vec<Outside>,
    /// How long a person may take to answer, or a queue to find one.
    pub ring: Duration,
}

impl Default for TransferSettings {
    fn default() -> Self {
        Self { queue: None, extension: None, external: Vec::new(), ring: Duration::from_secs(30) }
    }
}

/// One way to numbers outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// How.
    pub way: OutsideWay,
    /// Which numbers; none for no number.
    pub numbers: Vec<Pattern>,
}

/// How a number outside is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideWay {
    /// Through the dialplan.
    Trunk {
        /// Place that dials a number.
        place: PlacePattern,
        /// Over which trunk (an endpoint's name): nothing else is used.
        trunk: String,
        /// Which number is shown; none for the caller's own.
        caller_id: Option<Pii<String>>,
    },
    /// The caller's own telephone, or the trunk behind it, is told to call (SIP REFER, RFC 3515). Who has gone does not come back.
    Refer(ReferPattern),
}

/// A SIP address with [`MARK`](PlacePattern::MARK) in the place of the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferPattern(String);

impl ReferPattern {
    /// `sip:` or `sips:`, with the mark, and nothing that ends an address.
    pub fn parse(text: &str) -> Option<Self> {
        let is_address = text.starts_with("sip:") || text.starts_with("sips:");
        let bare = text.replace(PlacePattern::MARK, "");
        let sound = is_address && bare != text && bare.chars().all(|c| c.is_ascii_alphanumeric() || ":@.-_;=".contains(c));
        sound.then(|| Self(text.to_owned()))
    }

    fn fill(&self, number: &Number) -> Pii<String> {
        Pii::new(self.0.replace(PlacePattern::MARK, number.reveal()))
    }
}

/// A hand-over that the tenant's settings allow, as it is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Bounded label of what is reached: `human`, `queue`, `extension` or `external`.
    pub kind: &'static str,
    /// Where to.
    pub way: Way,
    /// How.
    pub mode: TransferMode,
    /// What the human is told beforehand.
    pub summary: Option<MaskedText>,
    /// How long a person may take to answer.
    pub ring: Duration,
}

impl Handover {
    /// The place in the dialplan, where it goes there.
    pub fn place(&self) -> Option<&Place> {
        match &self.way {
            Way::Dialplan { place, .. } => Some(place),
            Way::Refer(_) => None,
        }
    }
}

/// Where a hand-over goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the dialplan, and back where nobody is reached.
    Dialplan {
        /// Where.
        place: Place,
        /// Over which trunk, where it leads outside.
        trunk: Option<String>,
        /// Which number is shown; none for the caller's own.
        caller_id: Option<Pii<String>>,
    },
    /// To this SIP address, by the caller's own telephone, for good.
    Refer(Pii<String>),
}

impl Way {
    /// A place within the house.
    pub fn to(place: Place) -> Self {
        Self::Dialplan { place, trunk: None, caller_id: None }
    }
}

/// Why a tenant's settings do not allow a hand-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefusal {
    /// The tenant has no such targets.
    #[error("tenant has no target of that kind")]
    NoTargets,
    /// The target's name cannot be a name.
    #[error("target is no name")]
    Name,
    /// Not a number in E.164, with `+` or `00` before it.
    #[error("target is no number")]
    Number,
    /// The tenant's patterns do not allow that number.
    #[error("tenant may not call that number")]
    Forbidden,
    /// Who is referred elsewhere cannot be asked first.
    #[error("nobody can be asked first on that way")]
    NoConsulting,
}

impl TransferRefusal {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTargets => "no_targets",
            Self::Name => "bad_name",
            Self::Number => "bad_number",
            Self::Forbidden => "forbidden",
            Self::NoConsulting => "no_consulting",
        }
    }
}

impl TransferSettings {
    /// What a wish comes to. `summary` is the wish's own, masked.
    ///
    /// # Errors
    /// Where the settings do not allow it.
    pub fn resolve(&self, wish: &Transfer, summary: Option<MaskedText>) -> Result<Handover, TransferRefusal> {
        let (kind, mode, ring) = (wish.target.kind(), wish.mode, self.ring);
        let named = |pattern: &Option<PlacePattern>, name: &str| {
            let pattern = pattern.as_ref().ok_or(TransferRefusal::NoTargets)?;
            pattern.fill(name).map(Way::to).ok_or(TransferRefusal::Name)
        };
        let way = match &wish.target {
            TransferTarget::Queue(name) => named(&self.queue, name)?,
            TransferTarget::Extension(name) => named(&self.extension, name)?,
            TransferTarget::External(number) => self.outside(number.reveal())?,
        };
        match (&way, mode) {
            (Way::Refer(_), TransferMode::Attended) => Err(TransferRefusal::NoConsulting),
            (Way::Refer(_) | Way::Dialplan { .. }, _) => Ok(Handover { kind, way, mode, summary, ring }),
        }
    }

    /// Whether no wish comes to anything.
    pub fn reaches_nobody(&self) -> bool {
        self.queue.is_none() && self.extension.is_none() && self.external.is_empty()
    }

    fn outside(&self, number: &str) -> Result<Way, TransferRefusal> {
        if self.external.is_empty() {
            return Err(TransferRefusal::NoTargets);
        }
        // A national number is not guessed at.
        let number = NumberPlan::default().read(number).ok().filter(Number::is_e164).ok_or(TransferRefusal::Number)?;
        let outside = self.external.iter().find(|outside| outside.numbers.iter().any(|pattern| pattern.matches(&number)));
        Ok(match &outside.ok_or(TransferRefusal::Forbidden)?.way {
            OutsideWay::Trunk { place, trunk, caller_id } => {
                let place = place.fill(number.reveal()).ok_or(TransferRefusal::Name)?;
                Way::Dialplan { place, trunk: Some(trunk.clone()), caller_id: caller_id.clone() }
            }
            OutsideWay::Refer(pattern) => Way::Refer(pattern.fill(&number)),
        })
    }
}

/// How a hand-over failed when the dialplan came back, by its own words: Dial's `DIALSTATUS` or Queue's `QUEUESTATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Returned {
    /// The person's line is busy, or was refused.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The way there is jammed.
    Congestion,
    /// There is nobody: not registered, or no member in the queue.
    Unavailable,
    /// The time in the queue was over.
    Timeout,
    /// No room in the queue.
    Full,
    /// Any other word.
    Other,
}

impl Returned {
    /// From the dialplan's word.
    pub fn of(status: &str) -> Self {
        match status {
            "BUSY" | "DONTCALL" | "TORTURE" => Self::Busy,
            "NOANSWER" => Self::NoAnswer,
            "CONGESTION" => Self::Congestion,
            "CHANUNAVAIL" | "JOINEMPTY" | "LEAVEEMPTY" | "JOINUNAVAIL" | "LEAVEUNAVAIL" | "UNKNOWN" => Self::Unavailable,
            "TIMEOUT" => Self::Timeout,
            "FULL" => Self::Full,
            _ => Self::Other,
        }
    }

    /// From a cause of ITU-T Q.850.
    pub fn of_cause(cause: u32) -> Self {
        match cause {
            17 | 21 => Self::Busy,
            18 | 19 | 127 => Self::NoAnswer,
            34 | 38 | 42 => Self::Congestion,
            1 | 3 | 20 | 27 | 28 => Self::Unavailable,
            _ => Self::Other,
        }
    }

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Congestion => "congestion",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Full => "queue_full",
            Self::Other => "failed",
        }
    }
}

#[cfg(test)]
mod tests;
