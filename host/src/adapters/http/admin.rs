//! What is neither a call's nor a plugin's: a tenant's settings, tickets for calls without SIP, the drain.

use super::Problem;
use super::api::Api;
use super::auth::{Admin, CallsRead, CallsWrite, Permit, Scope, is_tenant};
use super::calls::time;
use super::input::Named;
use super::tickets::{TICKET_KEPT, TicketError};
use crate::adapters::events::CloudEvent;
use crate::adapters::notices::Noted;
use crate::application::ports::TenantError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use utoipa::ToSchema;
use vg_domain::ids::TenantId;
use vg_domain::recording::RecordingFormat;
use vg_domain::tenant::{Ladder, Provider, TenantSettings};

/// A tenant's settings as they hold for its next call. Secrets are never told, not even where they are kept.
#[utoipa::path(get, path = "/v1/tenants/{id}/settings", operation_id = "show_tenant_settings", tag = "tenants", params(("id" = String, Path, description = "The tenant")),
    security(("token" = ["calls:read"])),
    responses((status = 200, description = "What holds for its next call", body = Object, content_type = "application/json"),
        (status = 503, description = "The source of settings does not answer", body = super::openapi::ProblemDocument,
            content_type = "application/problem+json")))]
pub(super) async fn settings(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    Named(id): Named,
) -> Result<Json<Value>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "tenant_unknown");
    if !is_tenant(&id) || (caller.tenant.as_str() != id && !caller.has(Scope::Admin)) {
        return Err(unknown());
    }
    match api.parts.tenants.named(&TenantId::new(id)).await {
        Ok(settings) => Ok(Json(row(&settings))),
        Err(TenantError::Unknown | TenantError::DidUnknown | TenantError::TrunkMismatch) => Err(unknown()),
        Err(error @ TenantError::Unavailable) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.code()).retry_after(5)),
    }
}

fn row(settings: &TenantSettings) -> Value {
    let ladder = |ladder: &Ladder| ladder.rungs().iter().map(provider).collect::<Vec<_>>();
    let TenantSettings { prompts, timing, .. } = settings;
    json!({
        "tenant": settings.tenant.as_str(),
        "language": settings.language,
        "greeting": settings.greeting,
        "greeting_interruptible": settings.greeting_interruptible,
        "hearing": ladder(&settings.hearing),
        "speaking": ladder(&settings.speaking),
        "shadow": settings.shadow.as_ref().map(|shadow| {
            let mut told = provider(&shadow.provider);
            told["share"] = json!(f64::from(shadow.share_per_mille) / 1_000.0);
            told["keep_words"] = json!(shadow.keep_words);
            told
        }),
        "prompts": {
            "not_understood": prompts.not_understood,
            "still_there": prompts.still_there,
            "time_is_nearly_up": prompts.time_is_nearly_up,
            "agent_unavailable": prompts.agent_unavailable,
            "farewell": prompts.farewell,
            "back_again": prompts.back_again,
            "transfer_failed": prompts.transfer_failed,
            "use_keypad": prompts.use_keypad,
            "card_number": prompts.card_number,
            "card_expiry": prompts.card_expiry,
            "card_code": prompts.card_code,
            "card_invalid": prompts.card_invalid,
            "fillers": prompts.fillers,
        },
        "timing": {
            "endpoint_wait_ms": timing.endpoint_wait.as_millis() as u64,
            "endpoint_adaptive": timing.endpoint_bounds.is_some(),
            "endpoint_floor_ms": timing.endpoint_bounds.map(|bounds| bounds.floor.as_millis() as u64),
            "endpoint_ceiling_ms": timing.endpoint_bounds.map(|bounds| bounds.ceiling.as_millis() as u64),
            "silence_ms": timing.silence.as_millis() as u64,
            "barge_in_ms": timing.barge_in.as_millis() as u64,
            "agent_deadline_ms": timing.agent_deadline.as_millis() as u64,
            "filler_ms": timing.filler.map_or(0, |wait| wait.as_millis() as u64),
            "hold_ms": timing.hold.map_or(0, |wait| wait.as_millis() as u64),
            "speech_deadline_ms": timing.speech_deadline.as_millis() as u64,
            "final_deadline_ms": timing.final_deadline.as_millis() as u64,
        },
        "fallback": {
            "answers": settings.fallback.answers.iter().map(|(intent, line)| (intent.as_str(), line)).collect::<BTreeMap<_, _>>(),
            "agent_falls_max": settings.fallback.agent_falls_max,
        },
        "speculations_max": settings.speculations_max,
        "call_max_s": settings.call_max.map(|max| max.as_secs()),
        "human": settings.human,
        "recording": {
            "mode": settings.recording.policy.code(),
            "announce": settings.recording.announced,
            "agree_key": settings.recording.agree_key,
            "opt_out_key": settings.recording.opt_out_key,
            "agree": settings.recording.agree,
            "opt_out": settings.recording.opt_out,
            "wait_ms": settings.recording.wait.as_millis() as u64,
            "keep_days": settings.recording.keep_days,
            "format": settings.recording.format.map(RecordingFormat::code),
        },
    })
}

/// Of secrets only their names; options are the tenant's own and hold none.
fn provider(provider: &Provider) -> Value {
    let secrets = serde_json::from_str::<serde_json::Map<String, Value>>(&provider.access.secrets).unwrap_or_default();
    let secrets: serde_json::Map<String, Value> = secrets.into_iter().map(|(name, _)| (name, json!("[redacted]"))).collect();
    json!({
        "plugin": provider.plugin.as_str(),
        "options": serde_json::from_str::<Value>(&provider.options).unwrap_or_default(),
        "languages": provider.languages,
        "hosts": provider.access.hosts,
        "secrets": secrets,
        "sessions_max": provider.share.sessions_max,
        "sessions_wait_ms": provider.share.sessions_wait.map(|wait| wait.as_millis() as u64),
        "connections_max": provider.share.connections_max,
        "sound": provider.sound.map(|sound| format!("{}-{}", sound.coding, sound.rate_hz)),
    })
}

/// A ticket for `/media/ws`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MediaTicket {
    /// `ticket` of `/media/ws?ticket=`: good for one call of the token's tenant.
    ticket: String,
    /// Until when it can be used (RFC 3339).
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A one-time ticket for a call that brings its own sound: `/media/ws?ticket=…` within a minute.
#[utoipa::path(post, path = "/v1/media-tickets", operation_id = "make_media_ticket", tag = "calls", security(("token" = ["calls:write"])),
    responses((status = 201, description = "A ticket", body = MediaTicket)))]
pub(super) async fn media_ticket(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsWrite>,
) -> Result<(StatusCode, Json<MediaTicket>), Problem> {
    let expires_at = time(SystemTime::now() + TICKET_KEPT);
    match api.parts.tickets.issue(&caller.tenant) {
        Ok(ticket) => Ok((StatusCode::CREATED, Json(MediaTicket { ticket, expires_at }))),
        Err(error @ TicketError::TooMany) => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, error.code()).retry_after(60)),
        Err(error @ TicketError::NoRandomness) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.code())),
    }
}

/// What befell this gateway as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayEvents {
    /// CloudEvents 1.0 in JSON, the oldest first; the newest 256 since the start are kept. The same id is the same event.
    events: Vec<Value>,
}

/// What befell this gateway as a whole: `state.lost` and `state.back` tell when Redis went and when it was back.
#[utoipa::path(get, path = "/v1/admin/events", operation_id = "list_gateway_events", tag = "admin", security(("token" = ["admin"])),
    responses((status = 200, description = "Its newest events", body = GatewayEvents)))]
pub(super) async fn events(State(api): State<Arc<Api>>, _: Permit<Admin>) -> Json<GatewayEvents> {
    let notices = &api.parts.notices;
    let events = notices.all().iter().map(|noted| cloud_event(notices.run(), noted)).collect();
    Json(GatewayEvents { events })
}

fn cloud_event(run: &str, noted: &Noted) -> Value {
    let data = noted.data();
    json!(CloudEvent::of_gateway(run, noted.number, noted.at, noted.notice.kind(), &data))
}

/// Begins the drain: no new call, a goodbye for those that are up; then the gateway ends.
#[utoipa::path(post, path = "/v1/admin/drain", operation_id = "drain", tag = "admin", security(("token" = ["admin"])),
    responses((status = 202, description = "The gateway drains, then ends")))]
pub(super) async fn drain(State(api): State<Arc<Api>>, _: Permit<Admin>) -> StatusCode {
    api.parts.drain.cancel();
    StatusCode::ACCEPTED
}
