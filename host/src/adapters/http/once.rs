//! `Idempotency-Key`: a POST that is sent again is answered again, not done again (draft-ietf-httpapi-idempotency-key-header).
//!
//! Answers are kept in this process, for a while. What is kept is bounded: where a tenant has used up its room, further keys are refused rather
//! than earlier ones forgotten, for a call must not be made twice.

use super::Problem;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{Context, SHA256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use vg_domain::ids::TenantId;

/// How long a key is known.
const KEPT: Duration = Duration::from_secs(900);
/// How often what is over is looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// Keys of a tenant at a time. Full: a further one is refused.
const KEYS_MAX: usize = 4_096;
/// Characters of a key.
const KEY_MAX: usize = 255;
/// Bytes of an answer that is kept; every answer to a POST is shorter.
const ANSWER_MAX: usize = 64 << 10;

/// What was done for which key.
#[derive(Default)]
pub(super) struct Once {
    tenants: Mutex<HashMap<TenantId, HashMap<String, Entry>>>,
    swept: Mutex<Option<Instant>>,
}

struct Entry {
    print: [u8; 32],
    at: Instant,
    state: State,
}

enum State {
    Running,
    Answered(Box<Answer>),
    /// Whoever asked went away before the answer, or it took too long: it may have been done.
    Unknown,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// So that the document gets the id of the request that is answered again.
    problem: Option<Problem>,
}

/// What becomes of a request with a key.
pub(super) enum Turn {
    /// It is to be done; tell how it went.
    Do(Doing),
    /// It was answered before.
    Again(Response),
}

/// A request that is being done. Dropping it leaves its outcome unknown.
pub(super) struct Doing {
    once: Arc<Once>,
    tenant: TenantId,
    key: String,
}

impl Once {
    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// Where it is no key.
    pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let mut keys = headers.get_all("idempotency-key").iter();
        let Some(key) = keys.next() else { return Ok(None) };
        let text = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX && keys.next().is_none());
        let text = text.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "bad_idempotency_key"))?;
        Ok(Some(text.to_owned()))
    }

    /// Whose turn it is.
    ///
    /// # Errors
    /// Where the key was used for another request, is being used, or its outcome is unknown.
    pub(super) fn begin(self: &Arc<Self>, tenant: &TenantId, key: String, what: &[&[u8]]) -> Result<Turn, Problem> {
        let print = print(what);
        let now = Instant::now();
        let mut tenants = self.lock();
        let entries = tenants.entry(tenant.clone()).or_default();
        if entries.len() >= KEYS_MAX || entries.get(&key).is_some_and(|entry| entry.is_over(now)) {
            entries.retain(|_, entry| !entry.is_over(now));
        }
        match entries.get(&key) {
            None if entries.len() >= KEYS_MAX => {
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "idempotency_keys_used_up").retry_after(60))
            }
            None => {
                entries.insert(key.clone(), Entry { print, at: now, state: State::Running });
                Ok(Turn::Do(Doing { once: Arc::clone(self), tenant: tenant.clone(), key }))
            }
            Some(entry) if entry.print != print => {
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
                Err(problem.detail("this key was sent with another request"))
            }
            Some(Entry { state: State::Answered(answer), .. }) => Ok(Turn::Again(answer.response())),
            Some(Entry { state: State::Running, .. }) => {
                Err(Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use").retry_after(1))
            }
            Some(Entry { state: State::Unknown, .. }) => {
                let problem = Problem::new(StatusCode::CONFLICT, "idempotency_outcome_unknown");
                Err(problem.detail("the first request was cut short: look whether it was done"))
            }
        }
    }

    /// Forgets what is no longer known, and tenants of whom nothing is; now and then only, for it looks at everything.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if swept.is_some_and(|at| now.duration_since(at) < SWEEP) {
                return;
            }
            *swept = Some(now);
        }
        self.lock().retain(|_, entries| {
            entries.retain(|_, entry| !entry.is_over(now));
            !entries.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, HashMap<String, Entry>>> {
        // Nothing panics while it is held.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, tenant: &TenantId, key: &str, state: Option<State>) {
        let mut tenants = self.lock();
        let Some(entries) = tenants.get_mut(tenant) else { return };
        match (entries.get_mut(key), state) {
            (Some(entry), Some(state)) if matches!(entry.state, State::Running) => entry.state = state,
            (Some(_), None) => drop(entries.remove(key)),
            _ => {}
        }
    }
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        !matches!(self.state, State::Running) && now.duration_since(self.at) > KEPT
    }
}

impl Doing {
    /// Keeps the answer, and gives it. What failed here, or was refused for now, may be tried again with the same key.
    pub(super) async fn answered(self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, ANSWER_MAX).await else {
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "answer_too_large").into_response();
        };
        let for_now = parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
        let kept = (!for_now).then(|| {
            let names = [header::CONTENT_TYPE, header::LOCATION];
            let headers = names.into_iter().filter_map(|name| Some((name.clone(), parts.headers.get(name)?.clone()))).collect();
            let problem = parts.extensions.get::<Problem>().cloned();
            State::Answered(Box::new(Answer { status: parts.status, headers, body: body.clone(), problem }))
        });
        self.once.settle(&self.tenant, &self.key, kept);
        Response::from_parts(parts, Body::from(body))
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        // Without effect where it was answered.
        self.once.settle(&self.tenant, &self.key, Some(State::Unknown));
    }
}

impl Answer {
    fn response(&self) -> Response {
        let mut response = (self.status, self.headers.clone(), self.body.clone()).into_response();
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        if let Some(problem) = &self.problem {
            response.extensions_mut().insert(problem.clone());
        }
        response
    }
}

fn print(what: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in what {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut print = [0; 32];
    print.copy_from_slice(context.finish().as_ref());
    print
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(once: &Arc<Once>, tenant: &str, key: &str) -> Result<Turn, &'static str> {
        once.begin(&TenantId::new(tenant), key.to_owned(), &[b"POST"]).map_err(|problem| problem.code())
    }

    async fn done(once: &Arc<Once>, tenant: &str, key: &str, status: StatusCode) {
        let Ok(Turn::Do(doing)) = begin(once, tenant, key) else { panic!("{key} is taken") };
        doing.answered(status.into_response()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_forgotten_after_a_while_and_one_that_failed_here_at_once() {
        let once = Arc::new(Once::default());
        done(&once, "acme", "kept", StatusCode::CREATED).await;
        for status in [StatusCode::BAD_GATEWAY, StatusCode::TOO_MANY_REQUESTS] {
            done(&once, "acme", "again", status).await;
        }
        tokio::time::advance(KEPT).await;
        assert!(matches!(begin(&once, "acme", "kept"), Ok(Turn::Again(_))));
        tokio::time::advance(Duration::from_secs(1)).await;
        done(&once, "acme", "kept", StatusCode::CREATED).await;
        tokio::time::advance(KEPT + SWEEP).await;
        once.sweep();
        assert!(once.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_being_done_is_not_done_again_however_long_it_takes() {
        let once = Arc::new(Once::default());
        let Ok(Turn::Do(doing)) = begin(&once, "acme", "slow") else { panic!("it is new") };
        for _ in 0..2 {
            tokio::time::advance(KEPT + SWEEP).await;
            once.sweep();
            assert_eq!(begin(&once, "acme", "slow").err(), Some("idempotency_key_in_use"));
        }
        doing.answered(StatusCode::CREATED.into_response()).await;
        // It counts from its begin: long over.
        assert!(matches!(begin(&once, "acme", "slow"), Ok(Turn::Do(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_has_used_up_its_keys_is_refused_and_none_of_its_own_or_of_others_is_forgotten() {
        let once = Arc::new(Once::default());
        for key in 0..KEYS_MAX {
            done(&once, "acme", &key.to_string(), StatusCode::CREATED).await;
        }
        assert_eq!(begin(&once, "acme", "one more").err(), Some("idempotency_keys_used_up"));
        assert!(matches!(begin(&once, "acme", "0"), Ok(Turn::Again(_))));
        done(&once, "other", "one more", StatusCode::CREATED).await;
        tokio::time::advance(KEPT + Duration::from_secs(1)).await;
        done(&once, "acme", "one more", StatusCode::CREATED).await;
    }
}
