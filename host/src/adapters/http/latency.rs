//! `/v1/latency`: where the time of turns went in the last hour.

use super::Problem;
use super::api::Api;
use super::auth::{AuthError, CallsRead, Permit, Scope};
use super::calls::OwnerName;
use super::input::Ask;
use crate::adapters::latency::{Ends, Page, Served, Times, Told, Whose};
use crate::application::turns::Stage;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Whose turns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `own`: the token's tenant's, as where nothing is said. `all`: every tenant's, for a token with `admin`.
    #[param(inline)]
    whose: Option<WhoseName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WhoseName {
    Own,
    All,
}

/// Turns of the last hour: in pieces of five minutes, so that what is older than 55 minutes may be gone. Where the tenant had none, lists are empty.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatencyPage {
    /// By tenant. Those beyond the first hundred since the start together, as `other`.
    tenants: Vec<TenantTimes>,
    /// By provider, over these tenants' turns. Of a tenant's plugins those beyond the first eight of a role together, as `other`.
    providers: Vec<ProviderTimes>,
}

/// A tenant's turns.
#[derive(Debug, Serialize, ToSchema)]
struct TenantTimes {
    /// Which tenant.
    tenant: String,
    #[serde(flatten)]
    told: ToldTimes,
}

/// Turns in which a provider served.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderTimes {
    /// What it does: `hearing` or `speaking`.
    role: &'static str,
    /// Which plugin.
    plugin: String,
    #[serde(flatten)]
    told: ToldTimes,
}

/// Where the time of turns went, and what it was bought with.
#[derive(Debug, Serialize, ToSchema)]
struct ToldTimes {
    /// Turns that got an answer.
    turns: u64,
    /// Of these, without a measured beginning or end, as where the caller typed: they are in no time.
    unanchored: u64,
    /// Whose answer the caller spoke over.
    interrupted: u64,
    /// How the ends of callers' turns turned out. A short wait may have been bought by interrupting people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ends: Option<TurnEnds>,
    /// What is promised of turns, and how many kept it.
    stages: Vec<StageKept>,
    /// The parts of a turn (their owners could make them shorter), `total`, and `first_words`: from a caller's first voiced sample to the first words
    /// that are heard of it. What was not measured is not there.
    times: Vec<PartTimes>,
}

/// How the ends of callers' turns turned out.
#[derive(Debug, Serialize, ToSchema)]
struct TurnEnds {
    /// So many were judged.
    judged: u64,
    /// The caller went on.
    false_cut: u64,
    /// The caller was waited for as long as the settings allow, though the words were finished.
    missed: u64,
    /// The agent was asked again, with other words.
    corrected: u64,
    /// Share of `false_cut`, from 0 to 1.
    false_cut_rate: f64,
    /// Share of `missed`, from 0 to 1.
    missed_rate: f64,
}

/// A bound that is promised.
#[derive(Debug, Serialize, ToSchema)]
struct StageKept {
    /// `partial`, `agent`, `tts` or `turn`.
    stage: &'static str,
    /// It has to take less than so many milliseconds.
    bound_ms: u64,
    /// So many did.
    kept: u64,
    /// So many did not.
    broken: u64,
}

/// How long a part took, to within 3 %.
#[derive(Debug, Serialize, ToSchema)]
struct PartTimes {
    /// For example `endpoint_wait`.
    part: &'static str,
    /// Whose time it is; absent where it is of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    owner: Option<OwnerName>,
    /// So many were measured.
    count: u64,
    /// Half of them took so many milliseconds at most.
    p50_ms: u32,
    /// 95 of 100.
    p95_ms: u32,
    /// 99 of 100.
    p99_ms: u32,
}

/// Where the time of turns went in the last hour, by tenant and by provider. The token's tenant's turns; with `whose=all` and `admin` everybody's.
#[utoipa::path(get, path = "/v1/latency", operation_id = "show_latency", tag = "calls", params(Asked), security(("token" = ["calls:read"])),
    responses((status = 200, description = "The last hour", body = LatencyPage)))]
pub(super) async fn latency(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Ask(asked): Ask<Asked>,
) -> Result<Json<LatencyPage>, Problem> {
    let whose = match asked.whose {
        Some(WhoseName::All) if !caller.has(Scope::Admin) => return Err(AuthError::Scope(Scope::Admin).into()),
        Some(WhoseName::All) => Whose::Everybody,
        Some(WhoseName::Own) | None => Whose::Tenant(&caller.tenant),
    };
    Ok(Json(api.parts.latency.page(whose).into()))
}

impl From<Page> for LatencyPage {
    fn from(page: Page) -> Self {
        let tenants = page.tenants.into_iter();
        let provider = |(served, plugin, told): (Served, vg_domain::ids::PluginId, Told)| ProviderTimes {
            role: served.code(),
            plugin: plugin.to_string(),
            told: told.into(),
        };
        Self {
            tenants: tenants.map(|(tenant, told)| TenantTimes { tenant: tenant.to_string(), told: told.into() }).collect(),
            providers: page.providers.into_iter().map(provider).collect(),
        }
    }
}

impl From<Told> for ToldTimes {
    fn from(told: Told) -> Self {
        Self {
            turns: told.turns,
            unanchored: told.unanchored,
            interrupted: told.interrupted,
            ends: ends(&told.ends),
            stages: told.slo.into_iter().map(StageKept::from).collect(),
            times: told.times.into_iter().map(PartTimes::from).collect(),
        }
    }
}

/// None where none were judged: of nothing there is no share.
fn ends(ends: &Ends) -> Option<TurnEnds> {
    Some(TurnEnds {
        judged: ends.judged(),
        false_cut: ends.false_cut,
        missed: ends.missed,
        corrected: ends.corrected,
        false_cut_rate: ends.false_cut_rate()?,
        missed_rate: ends.missed_rate()?,
    })
}

impl From<(Stage, u64, u64)> for StageKept {
    fn from((stage, kept, broken): (Stage, u64, u64)) -> Self {
        Self { stage: stage.code(), bound_ms: stage.bound().as_millis() as u64, kept, broken }
    }
}

impl From<Times> for PartTimes {
    fn from(Times { part, owner, took }: Times) -> Self {
        let owner = owner.map(OwnerName::from);
        Self { part, owner, count: took.count, p50_ms: took.p50_ms, p95_ms: took.p95_ms, p99_ms: took.p99_ms }
    }
}
