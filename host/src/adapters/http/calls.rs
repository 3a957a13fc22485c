//! `/v1/calls`: the calls of the token's tenant. Another tenant's call is not there.

mod bodies;
mod explained;

pub(super) use bodies::time;
use bodies::{CallRow, CallsPage, Digits, NewCall, Originated, RecordingWish, Said, Transcript, TransferWish};
use explained::Explained;
pub(super) use explained::OwnerName;

use super::Problem;
use super::api::Api;
use super::auth::{CallsRead, CallsWrite, Permit};
use super::input::{Ask, Body, Named, prefers_text};
use crate::application::desk::CallState;
use crate::application::ports::{CallOrder, OrderError, OriginateError};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use vg_domain::ids::{CallId, TenantId};

/// Calls on a page where nothing is said.
const PAGE: usize = 50;
/// Calls on a page at most.
const PAGE_MAX: usize = 200;

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only calls in this state.
    #[param(inline)]
    state: Option<StateName>,
    /// Where a page begins: `next` of the one before.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Calls on a page.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
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

impl From<StateName> for CallState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Ringing => Self::Ringing,
            StateName::Answered => Self::Answered,
            StateName::Active => Self::Active,
            StateName::Transferred => Self::Transferred,
            StateName::Ended => Self::Ended,
        }
    }
}

impl From<CallState> for StateName {
    fn from(state: CallState) -> Self {
        match state {
            CallState::Ringing => Self::Ringing,
            CallState::Answered => Self::Answered,
            CallState::Active => Self::Active,
            CallState::Transferred => Self::Transferred,
            CallState::Ended => Self::Ended,
        }
    }
}

/// Calls of the token's tenant, newest first: those that are up, and those that ended lately.
#[utoipa::path(get, path = "/v1/calls", operation_id = "list_calls", tag = "calls", params(Which), security(("token" = ["calls:read"])),
    responses((status = 200, description = "A page of calls", body = CallsPage)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Ask(which): Ask<Which>,
) -> Result<Json<CallsPage>, Problem> {
    let bad = |code| Problem::new(StatusCode::BAD_REQUEST, code);
    let before = which.cursor.as_deref().map(|cursor| read_cursor(cursor).ok_or_else(|| bad("bad_cursor"))).transpose()?;
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(bad("bad_query").detail(format!("limit is from 1 to {PAGE_MAX}")));
    }
    let page = api.parts.desk.calls(&caller.tenant, which.state.map(CallState::from), before, limit);
    let calls = page.cards.iter().map(CallRow::from).collect();
    Ok(Json(CallsPage { calls, next: page.next.map(cursor) }))
}

/// One call of the token's tenant.
#[utoipa::path(get, path = "/v1/calls/{id}", operation_id = "show_call", tag = "calls", params(("id" = String, Path, description = "The call")),
    security(("token" = ["calls:read"])), responses((status = 200, description = "The call", body = CallRow)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Named(id): Named,
) -> Result<Json<CallRow>, Problem> {
    let card = api.parts.desk.call(&caller.tenant, &CallId::new(id)).ok_or_else(unknown)?;
    Ok(Json(CallRow::from(&card)))
}

/// What was said in a call: masked words, and not before they are final.
#[utoipa::path(get, path = "/v1/calls/{id}/transcript", operation_id = "show_transcript", tag = "calls", params(("id" = String, Path, description = "The call")),
    security(("token" = ["calls:read"])), responses((status = 200, description = "What was said so far", body = Transcript)))]
pub(super) async fn transcript(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Named(id): Named,
) -> Result<Json<Transcript>, Problem> {
    let transcript = api.parts.desk.transcript(&caller.tenant, &CallId::new(id.clone())).ok_or_else(unknown)?;
    Ok(Json(Transcript::new(id, transcript)))
}

/// One page per call: who waited for whom, who fell, why it ended. No word that was said, no number. JSON for programs; a page of text for people
/// where `Accept` prefers `text/plain`.
#[utoipa::path(get, path = "/v1/calls/{id}/explain", operation_id = "explain_call", tag = "calls",
    params(("id" = String, Path, description = "The call"), ("accept" = Option<String>, Header, description = "`text/plain` for the page")),
    security(("token" = ["calls:read"])),
    responses((status = 200, description = "What explains it so far", content((Explained = "application/json"), (String = "text/plain")))))]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (card, timeline) = api.parts.desk.explain(&caller.tenant, &CallId::new(id)).ok_or_else(unknown)?;
    let explained = Explained::new(&card, timeline, api.parts.latency.totals(&caller.tenant));
    let answer = if prefers_text(&headers) { explained.to_string().into_response() } else { Json(explained).into_response() };
    Ok(([(header::VARY, "accept")], answer).into_response())
}

/// Makes a call. It exists and rings or will ring when this answers; how it goes on is told by its events.
#[utoipa::path(post, path = "/v1/calls", operation_id = "make_call", tag = "calls", request_body = NewCall, security(("token" = ["calls:write"])),
    responses(
        (status = 201, description = "The call exists", body = Originated, headers(("location" = String, description = "The call"))),
        (status = 501, description = "This gateway makes no calls", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json"),
        (status = 503, description = "No Asterisk is connected, or the gateway is stopping", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn originate(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Body(wish): Body<NewCall>,
) -> Result<Response, Problem> {
    let absent = || Problem::new(StatusCode::NOT_IMPLEMENTED, "not_configured").detail("this gateway makes no calls");
    let originator = api.parts.originator.as_ref().ok_or_else(absent)?;
    let call = originator.originate(wish.into_call(caller.tenant.clone())).await.map_err(not_made)?;
    let id = call.as_str().to_owned();
    let place = [(header::LOCATION, format!("/v1/calls/{id}"))];
    Ok((StatusCode::CREATED, place, Json(Originated { id })).into_response())
}

/// Ends a call.
#[utoipa::path(delete, path = "/v1/calls/{id}", operation_id = "hang_up_call", tag = "calls", params(("id" = String, Path, description = "The call")),
    security(("token" = ["calls:write"])), responses((status = 204, description = "It ends")))]
pub(super) async fn hang_up(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::HangUp).await
}

/// Hands the caller over.
#[utoipa::path(post, path = "/v1/calls/{id}/transfer", operation_id = "transfer_call", tag = "calls", params(("id" = String, Path, description = "The call")),
    request_body = TransferWish, security(("token" = ["calls:write"])),
    responses((status = 204, description = "The caller is handed over"),
        (status = 502, description = "It was tried and failed", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json")))]
pub(super) async fn transfer(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
    Body(wish): Body<TransferWish>,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::Transfer(wish.into_transfer())).await
}

/// Calls off a hand-over while the caller is still here: the caller goes on with the agent. Who ordered it is answered `cancelled`.
#[utoipa::path(delete, path = "/v1/calls/{id}/transfer", operation_id = "call_off_transfer", tag = "calls", params(("id" = String, Path, description = "The call")),
    security(("token" = ["calls:write"])), responses((status = 204, description = "It is called off")))]
pub(super) async fn call_off_transfer(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::CallOffTransfer).await
}

/// Sends keys to the caller's leg.
#[utoipa::path(post, path = "/v1/calls/{id}/dtmf", operation_id = "send_dtmf", tag = "calls", params(("id" = String, Path, description = "The call")),
    request_body = Digits, security(("token" = ["calls:write"])), responses((status = 204, description = "They are sent"),
        (status = 502, description = "It was tried and failed", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json")))]
pub(super) async fn dtmf(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
    Body(wish): Body<Digits>,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::Digits(wish.digits)).await
}

/// Says something to the caller, after what is being said.
#[utoipa::path(post, path = "/v1/calls/{id}/say", operation_id = "say", tag = "calls", params(("id" = String, Path, description = "The call")),
    request_body = Said, security(("token" = ["calls:write"])), responses((status = 204, description = "It will be said"),
        (status = 502, description = "It was tried and failed", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json")))]
pub(super) async fn say(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
    Body(wish): Body<Said>,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::Say(wish.text)).await
}

/// Pauses, resumes or ends a call's recording.
#[utoipa::path(post, path = "/v1/calls/{id}/recording", operation_id = "set_recording", tag = "calls", params(("id" = String, Path, description = "The call")),
    request_body = RecordingWish, security(("token" = ["calls:write"])), responses((status = 204, description = "It is so"),
        (status = 502, description = "It was tried and failed", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json")))]
pub(super) async fn recording(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
    Named(id): Named,
    Body(wish): Body<RecordingWish>,
) -> Result<StatusCode, Problem> {
    order(&api, &caller.tenant, id, CallOrder::Recording(wish.action.into())).await
}

async fn order(api: &Api, tenant: &TenantId, id: String, order: CallOrder) -> Result<StatusCode, Problem> {
    let call = CallId::new(id);
    match api.parts.orders.order(tenant, &call, order).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // It is still told of, but it is over.
        Err(OrderError::UnknownCall) if api.parts.desk.call(tenant, &call).is_some() => {
            Err(Problem::new(StatusCode::CONFLICT, "call_ended"))
        }
        Err(error) => Err(not_done(error)),
    }
}

fn unknown() -> Problem {
    not_done(OrderError::UnknownCall)
}

fn not_done(error: OrderError) -> Problem {
    let status = match error {
        OrderError::UnknownCall => StatusCode::NOT_FOUND,
        OrderError::NotNow | OrderError::Unsupported => StatusCode::CONFLICT,
        OrderError::Forbidden => StatusCode::FORBIDDEN,
        OrderError::Failed(_) => StatusCode::BAD_GATEWAY,
        OrderError::Busy => return Problem::new(StatusCode::CONFLICT, error.code()).detail(error.to_string()).retry_after(1),
    };
    Problem::new(status, error.code()).detail(error.to_string())
}

fn not_made(error: OriginateError) -> Problem {
    let problem = |status| Problem::new(status, error.code()).detail(error.to_string());
    match error {
        OriginateError::UnknownTenant | OriginateError::Forbidden => problem(StatusCode::FORBIDDEN),
        OriginateError::OverLimit => problem(StatusCode::TOO_MANY_REQUESTS).retry_after(5),
        OriginateError::Refused => problem(StatusCode::BAD_GATEWAY),
        OriginateError::Draining | OriginateError::Unreachable | OriginateError::TenantUnavailable => {
            problem(StatusCode::SERVICE_UNAVAILABLE).retry_after(5)
        }
    }
}

/// Not to be made up or counted on, though any will do.
fn cursor(number: u64) -> String {
    format!("{number:016x}")
}

fn read_cursor(cursor: &str) -> Option<u64> {
    let digits = cursor.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    (digits && cursor.len() == 16).then(|| u64::from_str_radix(cursor, 16).ok()).flatten()
}
