//! One page per call: who waited for whom, who fell, why it ended. For programs as JSON, for people as a page of text.

mod page;

use super::bodies::{CallRow, time};
use crate::adapters::latency::Percentiles;
use crate::application::desk::{Card, Fallen, Handed, Step, Timeline, Waits};
use serde::Serialize;
use std::time::SystemTime;
use utoipa::ToSchema;
use vg_domain::ids::TurnId;
use vg_domain::turn::{LatencyParts, Owner};

/// What explains a call. No word that was said, no number.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::adapters::http) struct Explained {
    /// The call itself.
    call: CallRow,
    /// How long the caller waited for answers, and for whom.
    waits: WaitsRow,
    /// Who fell, in the order of their first falls.
    falls: Vec<FallRow>,
    /// Falls of further kinds.
    falls_untold: u32,
    /// What happened, in its order.
    steps: Vec<StepRow>,
    /// Earlier steps that are no longer kept; sums and falls stay whole.
    steps_dropped: u32,
    /// For the page.
    #[serde(skip)]
    #[schema(ignore)]
    why: Option<&'static str>,
}

/// Waiting for answers: from a caller's last voiced sample to the first audible one of the answer.
#[derive(Debug, Serialize, ToSchema)]
struct WaitsRow {
    /// Turns whose latency is known.
    turns: u32,
    /// All of it, in milliseconds.
    total_ms: u64,
    /// Whose time it was: every owner.
    owners: Vec<OwnerRow>,
    /// The turn that took longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    longest: Option<TurnRow>,
    /// How long all turns of the tenant took in the last hour, those of this call included; absent where none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hour: Option<HourRow>,
}

/// How long a tenant's turns took in the last hour, to within 3 %.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct HourRow {
    /// So many turns.
    turns: u64,
    /// Half of them took no longer, in milliseconds.
    p50_ms: u32,
    /// 95 of 100 took no longer.
    p95_ms: u32,
}

/// How a turn stands beside the tenant's turns of the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BesideHour)]
enum Beside {
    /// As quick as the quicker half.
    WithinP50,
    /// As quick as 95 of 100.
    WithinP95,
    /// Slower than 95 of 100.
    BeyondP95,
}

/// Whose time, and how much.
#[derive(Debug, Serialize, ToSchema)]
struct OwnerRow {
    /// Who could make it shorter.
    owner: OwnerName,
    /// In milliseconds.
    ms: u64,
}

/// Whose time a part of a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Owner)]
pub(in crate::adapters::http) enum OwnerName {
    /// The tenant's own wish: silence that is waited for.
    Setting,
    /// Who hears or speaks.
    Provider,
    /// Who answers; the way to and from a remote agent is in it.
    Agent,
    /// This gateway.
    Gateway,
}

/// Where the time of a turn went.
#[derive(Debug, Serialize, ToSchema)]
struct TurnRow {
    /// Which turn.
    turn: u32,
    /// All of it, in milliseconds.
    total_ms: u32,
    /// Beside the tenant's turns of the last hour (`hour` of `waits`); absent where none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    beside_hour: Option<Beside>,
    /// Who was waited for longest.
    waited_for: OwnerName,
    /// Its parts, in their order, which sum to the total.
    parts: Vec<PartRow>,
}

/// A part of a turn.
#[derive(Debug, Serialize, ToSchema)]
struct PartRow {
    /// For example `endpoint_wait`.
    part: &'static str,
    /// Whose time it is.
    owner: OwnerName,
    /// In milliseconds.
    ms: u32,
}

/// Who fell, why, and how often.
#[derive(Debug, Serialize, ToSchema)]
struct FallRow {
    #[serde(flatten)]
    fell: FellRow,
    /// So often.
    times: u32,
}

/// Who fell, and why.
#[derive(Debug, Serialize, ToSchema)]
struct FellRow {
    /// `hearing`, `thinking` or `speaking`.
    role: &'static str,
    /// Which plugin, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    plugin: Option<String>,
    /// For example `deadline`.
    code: &'static str,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct StepRow {
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    at: String,
    /// Milliseconds since the call was offered.
    after_ms: u64,
    /// What.
    event: Event,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = ExplainedEvent)]
enum Event {
    /// Somebody called, or was called.
    Began,
    /// It was answered.
    Answered {
        /// By whom or what.
        by: &'static str,
    },
    /// What the caller said was understood.
    Heard {
        /// In which turn.
        turn: u32,
    },
    /// The caller spoke, and nothing was understood.
    NotUnderstood {
        /// In which turn.
        turn: u32,
    },
    /// The answer was late, and something was said meanwhile.
    Filler {
        /// In which turn.
        turn: u32,
    },
    /// A turn got its answer.
    Turn {
        /// Which one.
        turn: u32,
        /// The caller spoke over the answer.
        interrupted: bool,
        /// Where its time went; absent where the caller did not speak it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        latency: Option<TurnRow>,
    },
    /// The caller spoke over what the gateway said.
    Interrupted {
        /// Of which so many milliseconds had been heard.
        spoken_ms: u64,
        /// How well it is known which words that were: `exact`, by the voice's own word timings, or `interpolated`.
        precision: &'static str,
    },
    /// Somebody fell.
    Fell(FellRow),
    /// No sound came or went.
    PathSilent {
        /// What is missing.
        code: &'static str,
    },
    /// The caller is given to a person, for nobody here could go on.
    Escalated,
    /// The caller is being handed over.
    HandingOver(HandedRow),
    /// The caller talks to somebody else.
    HandedOver(HandedRow),
    /// The caller's own telephone went elsewhere.
    Referred {
        /// What was to be reached.
        to: &'static str,
    },
    /// The caller was not handed over.
    NotHandedOver {
        /// What was to be reached.
        to: &'static str,
        /// How.
        mode: &'static str,
        /// Why not.
        code: &'static str,
    },
    /// It is over.
    Ended {
        /// Why.
        cause: &'static str,
    },
}

/// To what a caller is handed over, and how.
#[derive(Debug, Serialize, ToSchema)]
struct HandedRow {
    /// For example `queue`.
    to: &'static str,
    /// `blind` or `attended`.
    mode: &'static str,
}

impl Explained {
    /// `hour`: how long the tenant's turns took lately.
    pub(super) fn new(card: &Card, timeline: Timeline, hour: Option<Percentiles>) -> Self {
        let hour = hour.map(HourRow::from);
        let Timeline { steps, steps_dropped, waits, falls, falls_untold } = timeline;
        let fall = |(fallen, times): (Fallen, u32)| FallRow { fell: fallen.into(), times };
        let step = |(at, step): (SystemTime, Step)| {
            let after = at.duration_since(card.started_at).unwrap_or_default();
            StepRow {
                at: time(at),
                after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                event: Event::new(step, hour),
            }
        };
        Self {
            call: CallRow::from(card),
            waits: WaitsRow::new(waits, hour),
            falls: falls.into_iter().map(fall).collect(),
            falls_untold,
            steps: steps.into_iter().map(step).collect(),
            steps_dropped,
            why: card.ended.map(|ended| page::why(ended.cause)),
        }
    }
}

impl WaitsRow {
    fn new(waits: Waits, hour: Option<HourRow>) -> Self {
        let owners = Owner::ALL.into_iter().zip(waits.of_ms).map(|(owner, ms)| OwnerRow { owner: owner.into(), ms });
        Self {
            turns: waits.turns,
            total_ms: waits.total_ms,
            owners: owners.collect(),
            longest: waits.longest.map(|(turn, latency)| TurnRow::new(turn, &latency, hour)),
            hour,
        }
    }
}

impl TurnRow {
    fn new(turn: TurnId, latency: &LatencyParts, hour: Option<HourRow>) -> Self {
        let parts = latency.parts().map(|part| PartRow { part: part.name, owner: part.owner.into(), ms: part.ms });
        Self {
            turn: turn.0,
            total_ms: latency.total_ms,
            beside_hour: hour.map(|hour| hour.beside(latency.total_ms)),
            waited_for: latency.waited_for().into(),
            parts: parts.into(),
        }
    }
}

impl HourRow {
    fn beside(&self, total_ms: u32) -> Beside {
        match total_ms {
            ms if ms <= self.p50_ms => Beside::WithinP50,
            ms if ms <= self.p95_ms => Beside::WithinP95,
            _ => Beside::BeyondP95,
        }
    }
}

impl From<Percentiles> for HourRow {
    fn from(Percentiles { count, p50_ms, p95_ms, .. }: Percentiles) -> Self {
        Self { turns: count, p50_ms, p95_ms }
    }
}

impl From<Owner> for OwnerName {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Setting => Self::Setting,
            Owner::Provider => Self::Provider,
            Owner::Agent => Self::Agent,
            Owner::Gateway => Self::Gateway,
        }
    }
}

impl From<Fallen> for FellRow {
    fn from(fallen: Fallen) -> Self {
        let Fallen { role, plugin, code } = fallen;
        Self { role: role.code(), plugin: plugin.map(|plugin| plugin.to_string()), code }
    }
}

impl From<Handed> for HandedRow {
    fn from(handed: Handed) -> Self {
        Self { to: handed.kind, mode: handed.mode.code() }
    }
}

impl Event {
    fn new(step: Step, hour: Option<HourRow>) -> Self {
        match step {
            // Who began it stands in the call's own row.
            Step::Began(_) => Self::Began,
            Step::Answered(by) => Self::Answered { by: by.code() },
            Step::Heard(turn) => Self::Heard { turn: turn.0 },
            Step::NotUnderstood(turn) => Self::NotUnderstood { turn: turn.0 },
            Step::Filler(turn) => Self::Filler { turn: turn.0 },
            Step::Turn { turn, latency, interrupted } => {
                Self::Turn { turn: turn.0, interrupted, latency: latency.map(|latency| TurnRow::new(turn, &latency, hour)) }
            }
            Step::Interrupted { spoken_ms, extent } => Self::Interrupted { spoken_ms, precision: extent.code() },
            Step::Fell(fallen) => Self::Fell(fallen.into()),
            Step::PathSilent(code) => Self::PathSilent { code },
            Step::Escalated => Self::Escalated,
            Step::HandingOver(handed) => Self::HandingOver(handed.into()),
            Step::HandedOver(handed) => Self::HandedOver(handed.into()),
            Step::Referred(to) => Self::Referred { to },
            Step::NotHandedOver(Handed { kind, mode }, code) => Self::NotHandedOver { to: kind, mode: mode.code(), code },
            Step::Ended(cause) => Self::Ended { cause: cause.code() },
        }
    }
}
