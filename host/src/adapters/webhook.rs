//! `POST /v1/webhooks/asterisk`: a call is on its way. Its tenant's settings and its first speaker's connections are made ready before it is here.
//!
//! Nothing depends on it: a call whose webhook never came is served the same, only later. Whoever sends is answered at once (202), since a dialplan
//! waits for the answer.

mod describe;
mod proof;

pub(in crate::adapters) use describe::description;
pub use proof::Clock;

use crate::adapters::here::is_here;
use crate::adapters::http::Problem;
use crate::adapters::tally::Tally;
use crate::application::breakers::Seat;
use crate::application::ports::{Arrival, Endpoint, Speak, Speaking, SpeakingRequest, TenantHint, Tenants};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use proof::{Door, Privacy};
use serde::Deserialize;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;

/// Bytes of a body.
const BODY_MAX: usize = 8 << 10;
/// Time for a body to come.
const BODY: Duration = Duration::from_secs(2);
/// Calls that are made ready at a time. One more is refused as busy: it will be served all the same.
const AT_A_TIME: usize = 64;
/// Time to make a call ready.
const READY: Duration = Duration::from_secs(3);
/// How long a speaker's session is held, for its connections to be there when the call's own session wants them.
const HOLD: Duration = Duration::from_secs(2);
/// A tenant's connections are not made ready again so soon.
const WARM: Duration = Duration::from_secs(20);
/// Tenants of which that is known. One more, and all are forgotten.
const WARM_MAX: usize = 4_096;
/// Rate of a telephone.
const RATE_HZ: u32 = 8_000;
/// Characters of a tenant's name.
const NAME_MAX: usize = 128;

/// What the gateway's own connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS, all of them.
    Tls,
    /// Plain HTTP, all of them.
    Plain,
}

/// What the webhook needs of the gateway.
pub struct Parts {
    /// What senders share with the gateway.
    pub secret: Pii<String>,
    /// What requests come by: over plain HTTP only this machine may show the secret itself.
    pub transport: Transport,
    /// The wall clock, to which timestamps of senders are held.
    pub clock: Clock,
    /// Whose settings are made ready.
    pub tenants: Arc<dyn Tenants>,
    /// Whose connections are made ready.
    pub speaking: Arc<dyn Speaking>,
}

/// The webhook: its route, and what it counts.
pub struct Webhook {
    door: Door,
    transport: Transport,
    tenants: Arc<dyn Tenants>,
    speaking: Arc<dyn Speaking>,
    permits: Arc<Semaphore>,
    working: Mutex<JoinSet<()>>,
    warmed: Mutex<HashMap<TenantId, Instant>>,
    counts: Tally,
}

/// Why a request is not taken: the status, and the bounded code of metric and problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal(StatusCode, &'static str);

/// A call that is on its way. All of it may be left out.
// Holds a number: not printed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Coming {
    /// Whose call it is, by name; whose number or endpoint it is, without it.
    #[schema(max_length = 128)]
    tenant: Option<String>,
    /// The number that was dialled.
    did: Option<String>,
    /// Whose trunk it came by: `PJSIP/NAME` or `NAME`.
    endpoint: Option<String>,
    /// The channel's name, of which the endpoint is taken where it is not said.
    channel: Option<String>,
}

impl Webhook {
    /// Nothing is made ready yet.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new(parts: Parts) -> Result<Arc<Self>, getrandom::Error> {
        let Parts { secret, transport, clock, tenants, speaking } = parts;
        Ok(Arc::new(Self {
            door: Door::new(&secret, clock)?,
            transport,
            tenants,
            speaking,
            permits: Arc::new(Semaphore::new(AT_A_TIME)),
            working: Mutex::default(),
            warmed: Mutex::default(),
            counts: Tally::default(),
        }))
    }

    /// The route, to be merged into the gateway's own. It has to be served with [`ConnectInfo`] of [`SocketAddr`]: who comes from nowhere is not here.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/v1/webhooks/asterisk", post(take)).with_state(Arc::clone(self))
    }

    /// Requests by outcome since the start; bounded.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.read()
    }

    fn privacy(&self, peer: Option<SocketAddr>) -> Privacy {
        match self.transport {
            Transport::Tls => Privacy::Closed,
            Transport::Plain if peer.is_some_and(is_here) => Privacy::Closed,
            Transport::Plain => Privacy::Open,
        }
    }

    /// Begins to make a call ready.
    fn begin(self: &Arc<Self>, arrival: Arrival) -> Result<(), Refusal> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "busy"));
        };
        let webhook = Arc::clone(self);
        let mut working = lock(&self.working);
        while working.try_join_next().is_some() {}
        working.spawn(async move {
            let _permit = permit;
            let outcome = match timeout(READY, webhook.tenants.settings(&arrival)).await {
                Ok(Ok(admission)) => {
                    webhook.warm(&admission.settings).await;
                    "ready"
                }
                Ok(Err(error)) => error.code(),
                Err(_) => "tenant_unavailable",
            };
            webhook.counts.count(outcome);
        });
        Ok(())
    }

    /// Opens a speaker as a call would, and lets it go when its connections had time to come: they stay in the pool.
    async fn warm(&self, settings: &TenantSettings) {
        let provider = settings.speaking.first();
        if provider.share.sessions_max.is_some() {
            // A place is the caller's: it would not be free yet when the call comes.
            return;
        }
        let now = Instant::now();
        {
            let mut warmed = lock(&self.warmed);
            if warmed.get(&settings.tenant).is_some_and(|at| now.saturating_duration_since(*at) < WARM) {
                return;
            }
            if warmed.len() >= WARM_MAX {
                warmed.clear();
            }
            warmed.insert(settings.tenant.clone(), now);
        }
        let request = SpeakingRequest {
            call: CallId::new(uuid::Uuid::now_v7().to_string()),
            tenant: settings.tenant.clone(),
            provider: provider.clone(),
            language: settings.language.clone(),
            rate_hz: RATE_HZ,
            lines: settings.lines(),
            seat: Seat::default(),
        };
        match self.speaking.open(request) {
            Ok(session) => drop(timeout(HOLD, over(session)).await),
            Err(fall) => tracing::debug!(code = fall.code, "no speaker to make ready"),
        }
    }
}

async fn over(mut session: Box<dyn Speak>) {
    poll_fn(|cx| {
        loop {
            match session.poll_event(cx) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

async fn take(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let taken = accept(&webhook, request).await;
    webhook.counts.count(taken.map_or_else(|refusal| refusal.1, |()| "accepted"));
    match taken {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(Refusal(status, code)) => Problem::new(status, code).into_response(),
    }
}

async fn accept(webhook: &Arc<Webhook>, request: Request) -> Result<(), Refusal> {
    let (head, body) = request.into_parts();
    // Before the body is read: who has nothing to show is not listened to.
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let proof = webhook.door.proof(&head.headers, webhook.privacy(peer))?;
    let body = match timeout(BODY, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")),
        Err(_) => return Err(Refusal(StatusCode::REQUEST_TIMEOUT, "body_too_slow")),
    };
    webhook.door.admit(proof, &body)?;
    webhook.begin(arrival(&head.headers, &body)?)
}

/// What a sender says, as the call itself will say it. A form (what `CURL()` sends) or JSON.
fn arrival(headers: &HeaderMap, body: &Bytes) -> Result<Arrival, Refusal> {
    const MALFORMED: Refusal = Refusal(StatusCode::UNPROCESSABLE_ENTITY, "malformed");
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let coming: Coming = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => json(body).ok_or(MALFORMED)?,
        "application/x-www-form-urlencoded" => form(body).ok_or(MALFORMED)?,
        _ => return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type")),
    };
    let written = |text: Option<String>| text.filter(|text| !text.is_empty());
    let hint = match written(coming.tenant) {
        Some(tenant) if tenant.len() > NAME_MAX => return Err(MALFORMED),
        Some(tenant) => TenantHint::Named(TenantId::new(tenant)),
        None => TenantHint::Default,
    };
    let endpoint = match (written(coming.endpoint), written(coming.channel)) {
        (Some(endpoint), _) => Some(Endpoint::parse(&endpoint).ok_or(MALFORMED)?),
        (None, channel) => channel.map(|channel| Endpoint::of_channel(&channel)),
    };
    Ok(Arrival { hint, dialled: Pii::new(coming.did.unwrap_or_default()), endpoint })
}

/// An object; a list would pass for one otherwise.
fn json(body: &[u8]) -> Option<Coming> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    serde_json::from_value(object.into()).ok()
}

fn form(body: &[u8]) -> Option<Coming> {
    let mut coming = Coming::default();
    for (key, value) in url::form_urlencoded::parse(body) {
        let slot = match &*key {
            "tenant" => &mut coming.tenant,
            "did" => &mut coming.did,
            "endpoint" => &mut coming.endpoint,
            "channel" => &mut coming.channel,
            _ => return None,
        };
        *slot = Some(value.into_owned());
    }
    Some(coming)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
