//! The HTTP side: health, metrics, the API and whatever else is mounted. Errors are problem documents (RFC 9457).

mod admin;
mod api;
mod audit;
pub mod auth;
mod calls;
mod edge;
mod events;
mod input;
mod latency;
mod once;
mod openapi;
mod plugins;
mod problem;
mod rates;
mod server;
mod tickets;

pub use api::{ApiParts, ApiRoutes, Operators, api};
pub use openapi::openapi;
pub(in crate::adapters) use openapi::problem as problem_response;
pub use problem::Problem;
pub use server::{Certificate, CertificateError, serve};
pub use tickets::{TICKET_KEPT, TicketError, Tickets};

use crate::adapters::events::kafka::KafkaStats;
use crate::adapters::metrics::{Metrics, Readings};
use crate::adapters::state::StateHealth;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

/// What the HTTP side asks of the rest of the gateway. Both answers come at once: nothing is waited for.
pub trait Vitals: Send + Sync {
    /// How it stands.
    fn readiness(&self) -> Readiness;
    /// What others count.
    fn readings(&self) -> Readings;
}

/// Whether calls can be taken, and why (not). Ready = an event source is up or none is configured, plugins are compiled, and
/// it is not draining.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Configured event sources; empty where there are none.
    pub event_sources: Vec<EventSource>,
    /// Plugins of which the tenants' calls need one, by name.
    pub plugins: Vec<PluginState>,
    /// The audit log: `writing`, or `failing` where lines are lost; left out where there is none. Calls go on without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<&'static str>,
    /// New calls are no longer taken.
    pub draining: bool,
    /// The spool of events: `writing`, `failing` where the disk does not take them, `full` where there is room for the calls that are up alone;
    /// left out where there is none. In the last two states no further call is taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<&'static str>,
    /// Whether calls are kept beyond this gateway; none where that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateHealth>,
    /// Whether events reach Kafka; none where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaHealth>,
}

/// The events' way to Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KafkaHealth {
    /// `up`, or `waiting`: events stay in the spool for now.
    pub state: &'static str,
    /// Bounded code of what stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Events that Kafka has not acknowledged.
    pub lag_events: u64,
}

impl From<KafkaStats> for KafkaHealth {
    fn from(stats: KafkaStats) -> Self {
        let state = if stats.trouble.is_none() { "up" } else { "waiting" };
        Self { state, code: stats.trouble, lag_events: stats.lag }
    }
}

/// One Asterisk as seen from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventSource {
    /// Its app name; never its address or user.
    pub app: String,
    /// Whether its event socket is connected.
    pub up: bool,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginState {
    /// Its name.
    pub name: String,
    /// `ready`, `compiling`, or the bounded code of what went wrong.
    pub state: &'static str,
}

impl Readiness {
    /// Whether calls can be taken.
    pub fn ready(&self) -> bool {
        let heard = self.event_sources.is_empty() || self.event_sources.iter().any(|source| source.up);
        let room = self.events.is_none_or(|events| events == "writing");
        heard && room && !self.draining && self.plugins.iter().all(|plugin| plugin.state == "ready")
    }

    /// Calls are taken, and something that they do without is missing.
    pub fn degraded(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.state != "up")
            || self.kafka.as_ref().is_some_and(|kafka| kafka.state != "up")
    }
}

#[derive(Clone)]
struct House {
    metrics: Arc<Metrics>,
    vitals: Arc<dyn Vitals>,
}

/// `/health/live`, `/health/ready` and `/metrics`.
pub fn vitals(metrics: Arc<Metrics>, vitals: Arc<dyn Vitals>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(House { metrics, vitals })
}

/// What is served at one address: everything else there is a problem document, and every answer has its request's id.
pub fn front(mounted: Router) -> Router {
    mounted
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "not_found"))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(edge::edge))
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
}

async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "live" }))
}

async fn ready(State(house): State<House>) -> Response {
    #[derive(Serialize)]
    struct Body {
        status: &'static str,
        #[serde(flatten)]
        detail: Readiness,
    }
    let detail = house.vitals.readiness();
    let (code, status) = match (detail.ready(), detail.degraded()) {
        (true, false) => (StatusCode::OK, "ready"),
        (true, true) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    (code, Json(Body { status, detail })).into_response()
}

async fn scrape(State(house): State<House>) -> Response {
    let text = house.metrics.render(&house.vitals.readings());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests;
