//! `GET /v1/events`: what happens in the calls of the token's tenant, as server-sent events (WHATWG HTML, 9.2).
//!
//! Nothing is queued for a client: it reads on in the desk's log at its own pace. Who is too slow, or comes back too late, is told of the gap.

use super::Problem;
use super::api::Api;
use super::auth::{Caller, CallsRead, Permit};
use crate::adapters::events::CloudEvent;
use crate::application::desk::{Desk, Place};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::TenantId;

/// Events that are taken from the log at a time.
const BATCH: usize = 64;
/// A quiet stream says that it is still there.
const STILL_HERE: Duration = Duration::from_secs(15);
/// Streams of a tenant at a time. Full: one more is refused.
const TENANT_STREAMS: usize = 32;
/// Streams of all tenants. Full: as above.
const STREAMS: usize = 1_024;

/// Events of the token's tenant from now on, or from after `Last-Event-ID`, which is a place in this stream and not the event's own `id`. Each is a
/// CloudEvents 1.0 JSON object; one of type `gap` says that events are missing before the next.
#[utoipa::path(get, path = "/v1/events", operation_id = "stream_events", tag = "events", security(("token" = ["calls:read"])),
    params(("last-event-id" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, description = "Events, until the token ends", content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    caller: Permit<CallsRead>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let seat = api.streams.take(&caller.tenant)?;
    let desk = Arc::clone(&api.parts.desk);
    let after = match headers.get("last-event-id") {
        None => desk.newest(&caller.tenant),
        // An id that is none of ours is one whose events are gone.
        Some(id) => id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or_else(Place::unknown),
    };
    let until = ends(&caller);
    let changes = desk.changes(&caller.tenant);
    let tenant = caller.tenant.clone();
    let stop = api.parts.close.clone();
    let reader = Reader { desk, tenant, after, read: VecDeque::new(), changes, until, stop, _seat: seat };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(STILL_HERE)))
}

/// When a token's stream ends; none: with the gateway.
fn ends(caller: &Caller) -> Option<Instant> {
    let left = caller.until?.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}

struct Reader {
    desk: Arc<Desk>,
    tenant: TenantId,
    after: Place,
    read: VecDeque<Event>,
    changes: watch::Receiver<u64>,
    until: Option<Instant>,
    stop: CancellationToken,
    _seat: Seat,
}

impl Reader {
    /// None: the stream is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.stop.is_cancelled() || self.until.is_some_and(|until| until <= Instant::now()) {
                return None;
            }
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            // What comes between the reading and the waiting is seen by the waiting.
            self.changes.borrow_and_update();
            self.read_on();
            if self.read.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    () = over(self.until) => return None,
                    changed = self.changes.changed() => changed.ok()?,
                }
            }
        }
    }

    fn read_on(&mut self) {
        let reading = self.desk.read(&self.tenant, &self.after, BATCH);
        if reading.gap {
            let first = reading.events.first().map_or(0, |event| event.number);
            let before = if first == 0 { reading.next.clone() } else { reading.next.at(first - 1) };
            self.read.push_back(Event::default().id(before.to_string()).event("gap").data("{\"type\":\"gap\"}"));
        }
        for event in &reading.events {
            let place = reading.next.at(event.number).to_string();
            let body = CloudEvent::new(event.subject(&self.tenant), event.at, event.kind, &event.data).json();
            self.read.push_back(Event::default().id(place).event(event.kind).data(body));
        }
        self.after = reading.next;
    }
}

async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Who listens, so that it stays bounded.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<TenantId, usize>>>);

/// A place among them; dropping it gives it back.
struct Seat {
    streams: Streams,
    tenant: TenantId,
}

impl Streams {
    fn take(&self, tenant: &TenantId) -> Result<Seat, Problem> {
        // Nothing panics while it is held.
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = streams.get(tenant).copied().unwrap_or(0);
        if of_tenant >= TENANT_STREAMS || streams.values().sum::<usize>() >= STREAMS {
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams").retry_after(10));
        }
        streams.insert(tenant.clone(), of_tenant + 1);
        Ok(Seat { streams: self.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut streams = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        match streams.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(streams.remove(&self.tenant)),
        }
    }
}
