//! What is sent about calls, and what is asked of them.

use super::StateName;
use crate::adapters::http::input::{Faults, Sensible};
use crate::adapters::http::problem::FieldError;
use crate::application::desk::{self, Card, Worked};
use crate::application::ports::{AgentProfile, Originate, RecordingOrder};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use vg_domain::ids::TenantId;
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;
use vg_domain::transfer::{self, Transfer, TransferTarget};

/// Characters that are said at a time.
const SAID_MAX: usize = 2_000;
/// Keys that are sent at a time.
const DIGITS_MAX: usize = 32;
const METADATA_MAX: usize = 32;
const METADATA_TEXT_MAX: usize = 256;
const NAME_MAX: usize = 64;
const RINGS_S_MAX: u64 = 120;
const RINGS_S: u64 = 30;

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::adapters::http) struct CallRow {
    /// Its name.
    pub(super) id: String,
    /// Who began it: `inbound` is somebody who called the tenant, `outbound` a call that the gateway made.
    pub(super) direction: DirectionName,
    /// The tenant's number that was dialled, by the id that the tenant's settings give it; absent where they list no numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    did_id: Option<String>,
    /// The tenant's trunk by which it came, by its id; absent where the settings list no trunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trunk_id: Option<String>,
    /// How it stands.
    pub(super) state: StateName,
    /// When it was offered (RFC 3339).
    #[schema(format = DateTime)]
    pub(super) started_at: String,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub(super) answered_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    ended_at: Option<String>,
    /// Why it ended, for example `caller_hung_up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) cause: Option<&'static str>,
    /// Who answers, where the agent has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    agent: Option<AgentRow>,
    /// Turns that got an answer.
    pub(super) turns: u32,
    /// What speech providers have worked for it, by their own count: known shortly before the end, empty until then.
    pub(super) usage: Vec<UsageRow>,
}

/// What a speech provider has worked for a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(in crate::adapters::http) struct UsageRow {
    /// As what: `hearing`, `speaking`, or `shadow`: a second listener, for comparison.
    #[schema(pattern = "^(hearing|speaking|shadow)$")]
    pub(super) role: &'static str,
    /// Which plugin.
    pub(super) plugin: String,
    /// Sound that was listened to, in milliseconds.
    pub(super) audio_ms: u64,
    /// Characters that were spoken.
    pub(super) characters: u64,
    /// Requests that were made.
    pub(super) requests: u64,
}

impl From<&Worked> for UsageRow {
    fn from(Worked { who, plugin, usage }: &Worked) -> Self {
        Self {
            role: who.code(),
            plugin: plugin.to_string(),
            audio_ms: usage.audio_ms,
            characters: usage.characters,
            requests: usage.requests,
        }
    }
}

/// Who answers in a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agent)]
pub(in crate::adapters::http) struct AgentRow {
    /// As the agent's service names it.
    id: String,
    /// For people, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
}

impl From<&AgentProfile> for AgentRow {
    fn from(profile: &AgentProfile) -> Self {
        Self { id: profile.id.clone(), name: profile.name.clone() }
    }
}

impl From<&Card> for CallRow {
    fn from(card: &Card) -> Self {
        Self {
            id: card.call.to_string(),
            direction: card.direction.into(),
            did_id: card.did.as_ref().map(ToString::to_string),
            trunk_id: card.trunk.as_ref().map(ToString::to_string),
            state: card.state.into(),
            started_at: time(card.started_at),
            answered_at: card.answered_at.map(time),
            ended_at: card.ended.map(|ended| time(ended.at)),
            cause: card.ended.map(|ended| ended.cause.code()),
            agent: card.agent.as_ref().map(AgentRow::from),
            turns: card.turns,
            usage: card.used.iter().map(UsageRow::from).collect(),
        }
    }
}

/// Who began a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Direction)]
pub(in crate::adapters::http) enum DirectionName {
    /// Somebody called the tenant.
    Inbound,
    /// The gateway called somebody.
    Outbound,
}

impl From<Direction> for DirectionName {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Inbound => Self::Inbound,
            Direction::Outbound => Self::Outbound,
        }
    }
}

/// A page of calls.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::adapters::http) struct CallsPage {
    /// Newest first.
    pub(super) calls: Vec<CallRow>,
    /// `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) next: Option<String>,
}

/// What was said in a call.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::adapters::http) struct Transcript {
    /// The call.
    id: String,
    /// Earlier lines were dropped: a transcript is bounded.
    cut: bool,
    /// In the order in which it was said.
    lines: Vec<Line>,
}

/// Something that was said.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    /// When it was known (RFC 3339).
    #[schema(format = DateTime)]
    at: String,
    /// Who said it.
    who: Speaker,
    /// Masked words.
    text: String,
}

/// Who said a line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::adapters::http) enum Speaker {
    /// The caller.
    Caller,
    /// The gateway.
    Agent,
}

impl Transcript {
    pub(super) fn new(id: String, transcript: desk::Transcript) -> Self {
        let line = |line: desk::Line| {
            let who = match line.who {
                desk::Speaker::Caller(_) => Speaker::Caller,
                desk::Speaker::Agent(_) => Speaker::Agent,
            };
            Line { at: time(line.at), who, text: line.text }
        };
        Self { id, cut: transcript.cut, lines: transcript.lines.into_iter().map(line).collect() }
    }
}

/// A call to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::adapters::http) struct NewCall {
    /// Who is called: a number (E.164) or an extension.
    #[schema(pattern = r"^(\+[1-9][0-9]{1,14}|[A-Za-z0-9_.-]{1,64})$", value_type = String)]
    to: String,
    /// The number that is shown; the tenant's own without it.
    #[serde(default)]
    #[schema(pattern = r"^\+?[0-9]{1,15}$")]
    from: Option<String>,
    /// Which agent talks; the tenant's own without it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9_.-]{1,64}$")]
    agent_id: Option<String>,
    /// Kept with the call and told to the agent: at most 32 entries of at most 256 characters.
    #[serde(default)]
    #[schema(schema_with = metadata)]
    metadata: BTreeMap<String, String>,
    /// How long it may ring, in seconds: 30 without it.
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(minimum = 1, maximum = 120)]
    timeout_s: Option<u64>,
}

fn metadata() -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String).max_length(Some(METADATA_TEXT_MAX));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("Kept with the call and told to the agent: at most 32 entries of at most 256 characters"))
        .max_properties(Some(METADATA_MAX))
        .property_names(Some(text()))
        .additional_properties(Some(text()))
        .build()
}

impl Sensible for NewCall {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Faults::default();
        faults.unless(is_number(&self.to) || is_name(&self.to), "/to", "expected a number (E.164) or an extension");
        let shown = |number: &str| {
            let digits = number.strip_prefix('+').unwrap_or(number);
            (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        faults.unless(self.from.as_deref().is_none_or(shown), "/from", "expected a number");
        faults.unless(self.agent_id.as_deref().is_none_or(is_name), "/agent_id", "expected letters, digits and -_.");
        let texts = self.metadata.iter().flat_map(|(name, value)| [name, value]);
        let entries = texts.map(|text| text.chars().count()).all(|characters| characters <= METADATA_TEXT_MAX);
        faults.unless(
            entries && self.metadata.len() <= METADATA_MAX,
            "/metadata",
            "at most 32 entries of at most 256 characters",
        );
        let rings = self.timeout_s.is_none_or(|s| (1..=RINGS_S_MAX).contains(&s));
        faults.unless(rings, "/timeout_s", "from 1 to 120");
        faults.all()
    }
}

impl NewCall {
    pub(super) fn into_call(self, tenant: TenantId) -> Originate {
        Originate {
            tenant,
            to: Pii::new(self.to),
            from: self.from.map(Pii::new),
            agent: self.agent_id,
            metadata: self.metadata,
            timeout: Duration::from_secs(self.timeout_s.unwrap_or(RINGS_S)),
        }
    }
}

/// A call that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::adapters::http) struct Originated {
    /// Its name.
    pub(super) id: String,
}

/// To whom a caller is handed over, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::adapters::http) enum TransferWish {
    /// To a queue of the tenant's.
    Queue {
        /// Its name.
        #[schema(pattern = r"^[A-Za-z0-9_.-]{1,64}$")]
        target: String,
        // No line of description: beside an inline schema it would become "and an object", which no mode is.
        #[serde(default)]
        #[schema(inline)]
        mode: TransferMode,
        /// What the human is told before the caller is connected.
        #[serde(default)]
        #[schema(min_length = 1, max_length = 2000)]
        summary: Option<String>,
    },
    /// To an extension of the tenant's.
    Extension {
        /// Its name.
        #[schema(pattern = r"^[A-Za-z0-9_.-]{1,64}$")]
        target: String,
        // No line of description: beside an inline schema it would become "and an object", which no mode is.
        #[serde(default)]
        #[schema(inline)]
        mode: TransferMode,
        /// What the human is told before the caller is connected.
        #[serde(default)]
        #[schema(min_length = 1, max_length = 2000)]
        summary: Option<String>,
    },
    /// To a number outside.
    External {
        /// The number (E.164).
        #[schema(pattern = r"^\+[1-9][0-9]{1,14}$")]
        target: String,
        // No line of description: beside an inline schema it would become "and an object", which no mode is.
        #[serde(default)]
        #[schema(inline)]
        mode: TransferMode,
        /// What the human is told before the caller is connected.
        #[serde(default)]
        #[schema(min_length = 1, max_length = 2000)]
        summary: Option<String>,
    },
}

/// How: blind without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::adapters::http) enum TransferMode {
    /// At once.
    #[default]
    Blind,
    /// The human is asked first.
    Attended,
}

impl Sensible for TransferWish {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Faults::default();
        let summary = match self {
            Self::Queue { target, summary, .. } | Self::Extension { target, summary, .. } => {
                faults.unless(is_name(target), "/target", "expected letters, digits and -_.");
                summary
            }
            Self::External { target, summary, .. } => {
                faults.unless(is_number(target), "/target", "expected a number (E.164)");
                summary
            }
        };
        faults.unless(summary.as_deref().is_none_or(is_said), "/summary", "from 1 to 2000 characters");
        faults.all()
    }
}

impl TransferWish {
    pub(super) fn into_transfer(self) -> Transfer {
        let (target, mode, summary) = match self {
            Self::Queue { target, mode, summary } => (TransferTarget::Queue(target), mode, summary),
            Self::Extension { target, mode, summary } => (TransferTarget::Extension(target), mode, summary),
            Self::External { target, mode, summary } => (TransferTarget::External(Pii::new(target)), mode, summary),
        };
        let mode = match mode {
            TransferMode::Blind => transfer::TransferMode::Blind,
            TransferMode::Attended => transfer::TransferMode::Attended,
        };
        Transfer { target, mode, summary }
    }
}

/// Keys to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::adapters::http) struct Digits {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    #[schema(pattern = r"^[0-9*#A-D]{1,32}$", min_length = 1, max_length = 32)]
    pub(super) digits: String,
}

impl Sensible for Digits {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Faults::default();
        let keys = self.digits.chars().all(|key| "0123456789*#ABCD".contains(key));
        faults.unless(keys && (1..=DIGITS_MAX).contains(&self.digits.len()), "/digits", "from 1 to 32 of 0-9*#A-D");
        faults.all()
    }
}

/// Words to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::adapters::http) struct Said {
    /// Plain text.
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) text: String,
}

impl Sensible for Said {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Faults::default();
        faults.unless(is_said(&self.text), "/text", "from 1 to 2000 characters");
        faults.all()
    }
}

/// What becomes of a recording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::adapters::http) struct RecordingWish {
    /// Which.
    pub(super) action: RecordingAction,
}

/// What becomes of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::adapters::http) enum RecordingAction {
    /// Both sides are silent in it from now on.
    Pause,
    /// They are heard again.
    Resume,
    /// It ends here.
    Stop,
    /// It ends here, and what there is of it is deleted.
    Delete,
}

impl Sensible for RecordingWish {
    fn faults(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

impl From<RecordingAction> for RecordingOrder {
    fn from(action: RecordingAction) -> Self {
        match action {
            RecordingAction::Pause => Self::Pause,
            RecordingAction::Resume => Self::Resume,
            RecordingAction::Stop => Self::Stop,
            RecordingAction::Delete => Self::Delete,
        }
    }
}

/// A whole number, also where it is written as `30.0`: JSON knows no difference.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    let number = number.as_u64().or_else(|| number.as_f64().and_then(whole));
    number.map(Some).ok_or_else(|| serde::de::Error::custom("expected a whole number"))
}

/// RFC 3339 in UTC, to the millisecond.
pub(in crate::adapters::http) fn time(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// E.164.
fn is_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(letters)
}

fn is_said(text: &str) -> bool {
    (1..=SAID_MAX).contains(&text.chars().count())
}
